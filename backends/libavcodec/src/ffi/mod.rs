//! Everything of libavcodec that is used here, as safe types. The only unsafe code of this crate.
//!
//! Nothing above this module sees a raw pointer. Options go by name (`b`, `bf`, `color_primaries`,
//! …), which is the one part of libavcodec's interface that has stayed the same from FFmpeg 5.1 on.
#![allow(unsafe_code)]

mod block;
mod codecs;
mod decoder;
mod encoder;
mod frame;
mod hdr;
mod log;
mod options;
mod picture;

pub(crate) use block::Block;
pub(crate) use codecs::{decoder, encoder_exists, encoders_of};
pub(crate) use decoder::{Decoded, Decoder, DecoderParameters};
pub(crate) use encoder::{Encoder, Parameters, Received};
pub(crate) use frame::{Frame, Layout};
pub(crate) use log::Lines;
pub use log::{LogLevel, set_log};
pub(crate) use picture::{DecodedPicture, Plane, Planes};

use ffmpeg_sys_the_third as av;
use std::ffi::{CStr, c_int};
use std::fmt;
use std::io;

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
    kind: Option<io::ErrorKind>,
}

impl AvError {
    fn new(code: c_int, line: Option<String>) -> Self {
        AvError { text: error_text(code), line, kind: Some(kind(code)) }
    }

    fn text(text: String) -> Self {
        AvError { text, line: None, kind: None }
    }

    /// Whether there was no memory, with which nothing goes on.
    pub(crate) fn is_out_of_memory(&self) -> bool {
        self.kind == Some(io::ErrorKind::OutOfMemory)
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
    let kind = Some(io::ErrorKind::OutOfMemory);
    AvError { text: "out of memory".into(), line: None, kind }
}

/// Of an AVERROR(…), whose numbers are the platform's; FFmpeg's own codes are none of these.
fn kind(code: c_int) -> io::ErrorKind {
    io::Error::from_raw_os_error(code.saturating_neg()).kind()
}

/// Whether the code is AVERROR(EAGAIN).
fn again(code: c_int) -> bool {
    kind(code) == io::ErrorKind::WouldBlock
}
