//! The C library of vtremote.
