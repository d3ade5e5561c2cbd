use super::av;
use std::ffi::{CStr, CString};
use std::ptr;
use vtremote_backend::Codec;

/// Whether this FFmpeg has an encoder of this name for this codec.
pub(crate) fn encoder_exists(codec: Codec, name: &str) -> bool {
    find(name).is_some_and(|found| {
        // SAFETY: codec descriptions are static and constant.
        unsafe { (*found).id == id(codec) }
    })
}

/// The names of all encoders for this codec that were compiled in, whether they work here or not.
pub(crate) fn encoders_of(codec: Codec) -> Vec<String> {
    let mut names = Vec::new();
    let mut at = ptr::null_mut();
    loop {
        // SAFETY: `at` is the iterator's own state, null at the start; descriptions are static.
        unsafe {
            let found = av::av_codec_iterate(&mut at);
            if found.is_null() {
                return names;
            }
            if av::av_codec_is_encoder(found) != 0 && (*found).id == id(codec) {
                names.push(CStr::from_ptr((*found).name).to_string_lossy().into_owned());
            }
        }
    }
}

pub(super) fn find(name: &str) -> Option<*const av::AVCodec> {
    let name = CString::new(name).ok()?;
    // SAFETY: the name is terminated; the answer is static or null.
    let found = unsafe { av::avcodec_find_encoder_by_name(name.as_ptr()) };
    (!found.is_null()).then_some(found)
}

fn id(codec: Codec) -> av::AVCodecID {
    match codec {
        Codec::H264 => av::AVCodecID::H264,
        Codec::H265 => av::AVCodecID::HEVC,
    }
}
