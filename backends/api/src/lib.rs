//! What a codec backend is: the traits, and a conformance suite that every backend passes.
