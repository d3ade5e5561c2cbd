//! CoreMedia.

mod block;
mod constants;
mod format;
mod sample;
mod time;

pub(crate) use block::BlockBuffer;
pub(crate) use format::FormatDescription;
pub(crate) use sample::{Attachment, SampleBuffer};
pub(crate) use time::Time;

#[allow(missing_docs)]
pub(crate) mod status {
    pub const K_CM_BLOCK_BUFFER_BLOCK_ALLOCATION_FAILED: i32 = -12701;
    pub const K_CM_BLOCK_BUFFER_BAD_OFFSET: i32 = -12703;
    pub const K_CM_BLOCK_BUFFER_BAD_LENGTH: i32 = -12704;
    pub const K_CM_FORMAT_DESCRIPTION_INVALID_PARAMETER: i32 = -12710;
    pub const K_CM_SAMPLE_BUFFER_REQUIRED_PARAMETER_MISSING: i32 = -12731;
}
