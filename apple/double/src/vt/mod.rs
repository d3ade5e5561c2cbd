//! VideoToolbox.

mod compression;
mod constants;
mod decompression;
mod encoders;
mod properties;
mod session;

pub(crate) use compression::{CompressionSession, call_back};
pub(crate) use decompression::DecompressionSession;

/// By Apple's names.
#[allow(missing_docs)]
pub(crate) mod status {
    pub const K_VT_PROPERTY_NOT_SUPPORTED: i32 = -12900;
    pub const K_VT_PROPERTY_READ_ONLY: i32 = -12901;
    pub const K_VT_PARAMETER: i32 = -12902;
    pub const K_VT_INVALID_SESSION: i32 = -12903;
    pub const K_VT_ALLOCATION_FAILED: i32 = -12904;
    pub const K_VT_PIXEL_TRANSFER_NOT_SUPPORTED: i32 = -12905;
    pub const K_VT_COULD_NOT_FIND_VIDEO_DECODER: i32 = -12906;
    pub const K_VT_COULD_NOT_CREATE_INSTANCE: i32 = -12907;
    pub const K_VT_COULD_NOT_FIND_VIDEO_ENCODER: i32 = -12908;
    pub const K_VT_VIDEO_DECODER_BAD_DATA: i32 = -12909;
    pub const K_VT_VIDEO_DECODER_UNSUPPORTED_DATA_FORMAT: i32 = -12910;
    pub const K_VT_VIDEO_DECODER_MALFUNCTION: i32 = -12911;
    pub const K_VT_VIDEO_ENCODER_MALFUNCTION: i32 = -12912;
    pub const K_VT_FORMAT_DESCRIPTION_CHANGE_NOT_SUPPORTED: i32 = -12916;
}
