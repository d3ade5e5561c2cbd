//! Sequence parameter sets: what they say, and which one is meant.

mod active_sps;
mod bit_writer;
mod stream_facts;
