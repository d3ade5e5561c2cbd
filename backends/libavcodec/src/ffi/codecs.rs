use super::av;
use std::ffi::{CStr, CString};
use std::ptr;
use vtremote_backend::Codec;

/// Whether this FFmpeg has an encoder of this name for this codec.
pub(crate) fn encoder_exists(codec: Codec, name: &str) -> bool {
    find_encoder(name).is_some_and(|found| {
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

/// The native decoder: by its name, since a decoder of the id may be one that needs hardware.
pub(super) fn find_decoder(codec: Codec) -> Option<*const av::AVCodec> {
    let name = match codec {
        Codec::H264 => c"h264",
        Codec::H265 => c"hevc",
    };
    // SAFETY: the name is terminated; the answer is static or null.
    let found = unsafe { av::avcodec_find_decoder_by_name(name.as_ptr()) };
    (!found.is_null()).then_some(found)
}

/// The name of this FFmpeg's own decoder for the codec, if it has it.
pub(crate) fn decoder(codec: Codec) -> Option<&'static str> {
    let found = find_decoder(codec)?;
    // SAFETY: codec descriptions and their names are static and constant.
    unsafe { CStr::from_ptr((*found).name) }.to_str().ok()
}

pub(super) fn find_encoder(name: &str) -> Option<*const av::AVCodec> {
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
