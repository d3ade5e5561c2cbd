//! The VideoToolbox backend: the encoders and decoders of a Mac.
//!
//! Apple's C functions are behind [`ffi`], whose types own what they hold and release it once. All else is
//! plain code over them, without a word about the system it runs on, and runs the same over a double of
//! those functions in tests.
#![deny(unsafe_code)]

// Tests are linked to it in place of Apple's frameworks.
#[cfg(test)]
use vtremote_apple_double as _;

mod backend;

mod decoder;

mod details;

mod encoder;
mod flight;
mod options;
mod patience;
mod permits;
mod session;

mod clock;

mod ffi;

pub use backend::{Notices, VideoToolbox};
pub use patience::Patience;
