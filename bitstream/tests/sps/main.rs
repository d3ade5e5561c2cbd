//! Sequence parameter sets: what they say, which one is meant, and the order of pictures that is told
//! with them.

mod active_sps;
mod bit_writer;
mod picture_order;
mod stream_facts;
