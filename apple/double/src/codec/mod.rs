//! libavcodec: the codecs behind the double.

mod decoder;
mod encoder;
mod frame;
mod options;

pub(crate) use decoder::{Decoded, Decoder};
pub(crate) use encoder::{Encoder, Packet, Parameters};
pub(crate) use frame::Frame;

use ffmpeg_sys_the_third as av;
use std::ffi::c_int;

/// The text of an AVERROR.
fn text(code: c_int) -> String {
    let mut text = [0; 256];
    // SAFETY: the buffer is as long as it is said to be, and av_strerror always terminates it.
    let text = unsafe {
        av::av_strerror(code, text.as_mut_ptr(), text.len());
        std::ffi::CStr::from_ptr(text.as_ptr())
    };
    text.to_string_lossy().into_owned()
}

/// AVERROR(EAGAIN).
fn again(code: c_int) -> bool {
    code == -libc::EAGAIN
}

/// The log of the codecs goes nowhere: what they complain of is what tests do to them.
fn quiet() {
    // SAFETY: a number is set.
    unsafe { av::av_log_set_level(av::AV_LOG_QUIET) };
}
