//! The libavcodec backend: encoders and decoders of the FFmpeg that is installed.
//!
//! libx264 and libx265 unless another encoder is chosen by name; FFmpeg's own decoders. The licence of the FFmpeg that is
//! linked to is a matter of whoever builds and ships it: with libx264 and libx265 that is the GPL.
#![deny(unsafe_code)]

mod backend;
mod encoder;
mod options;
mod planar;
mod timing;

mod complaints;
mod decoder;
mod extradata;
mod interleave;

mod pool;

mod ffi;

pub use backend::{Libavcodec, Settings};
pub use ffi::{LogLevel, set_log, version};
