//! The libavcodec backend: the encoders of the FFmpeg that is installed.
//!
//! libx264 and libx265 unless another encoder is chosen by name. The licence of the FFmpeg that is
//! linked to is a matter of whoever builds and ships it: with libx264 and libx265 that is the GPL.
#![deny(unsafe_code)]

mod backend;
mod encoder;
mod options;
mod planar;
mod pool;
mod timing;

mod ffi;

pub use backend::{Libavcodec, Settings};
pub use ffi::{LogLevel, set_log, version};
