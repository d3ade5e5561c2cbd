//! What `make bench` and the benchmarks of the parts share.

#![forbid(unsafe_code)]

pub mod content;
pub mod picture;

mod screen;
