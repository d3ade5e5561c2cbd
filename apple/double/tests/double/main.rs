//! What the double does, called as a backend calls it.
#![allow(
    clippy::undocumented_unsafe_blocks,
    reason = "every call is one of a documented C function"
)]

mod support;

mod compression;
mod decompression;
mod objects;
mod pixels;
mod script;
