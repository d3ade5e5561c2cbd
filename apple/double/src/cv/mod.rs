//! CoreVideo.

mod buffer;
mod constants;
mod format;
mod memory;
mod pool;

pub(crate) use buffer::{PixelBuffer, locks, reset_locks};
pub(crate) use format::layout;
pub(crate) use pool::Pool;

/// CVReturn.
pub(crate) mod status {
    pub(crate) const INVALID_ARGUMENT: i32 = -6661;
    pub(crate) const INVALID_SIZE: i32 = -6681;
}
