//! Everything of libavcodec that is used here, as safe types. The only unsafe code of this crate.
//!
//! Nothing above this module sees a raw pointer. Options go by name (`b`, `bf`, `color_primaries`,
//! …), which is the one part of libavcodec's interface that has stayed the same from FFmpeg 5.1 on.
#![allow(unsafe_code)]

mod block;
mod codecs;
mod encoder;
mod frame;
mod log;

pub(crate) use block::Block;
pub(crate) use codecs::{encoder_exists, encoders_of};
pub(crate) use encoder::{Encoder, Parameters, Received};
pub(crate) use frame::{Frame, Layout};
pub use log::{LogLevel, set_log};

use ffmpeg_sys_the_third as av;
use std::ffi::{CStr, c_int};
use std::fmt;

/// The version of the libavcodec that is loaded, and of the FFmpeg that it is of.
pub fn version() -> String {
    // SAFETY: both only read constants; the second is a string that is never freed.
    let (number, release) =
        unsafe { (av::avcodec_version(), CStr::from_ptr(av::av_version_info())) };
    let (major, minor, micro) = (number >> 16, number >> 8 & 0xff, number & 0xff);
    format!("{major}.{minor}.{micro} (FFmpeg {})", release.to_string_lossy())
}

/// What libavcodec answered: the text of its error code, and its last error line where it wrote
/// one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AvError {
    text: String,
    line: Option<String>,
}

impl AvError {
    fn new(code: c_int, line: Option<String>) -> Self {
        AvError { text: error_text(code), line }
    }
}

impl fmt::Display for AvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.line {
            Some(line) => write!(f, "{line} ({})", self.text),
            None => f.write_str(&self.text),
        }
    }
}

fn error_text(code: c_int) -> String {
    let mut text = [0; 256];
    // SAFETY: the buffer is as long as it is said to be, and av_strerror always terminates it.
    let text = unsafe {
        av::av_strerror(code, text.as_mut_ptr(), text.len());
        CStr::from_ptr(text.as_ptr())
    };
    text.to_string_lossy().into_owned()
}

fn out_of_memory() -> AvError {
    AvError { text: "out of memory".into(), line: None }
}
