//! CMSampleBuffer and CMBlockBuffer, as a decoder is given them.

use super::{FormatDescription, Status};
use objc2_core_foundation::CFRetained;
use objc2_core_media::{CMBlockBuffer, CMSampleBuffer, kCMBlockBufferAssureMemoryNowFlag};
use std::ptr::{self, NonNull};

/// One picture to be decoded. It has no times: what comes of it is known by its number.
pub(crate) struct CodedSample(CFRetained<CMSampleBuffer>);

// SAFETY: nobody changes it once it is made, and CoreFoundation counts references from any thread.
unsafe impl Send for CodedSample {}

impl CodedSample {
    /// Of NAL units behind their lengths, which are copied.
    pub(crate) fn new(nal_units: &[u8], format: &FormatDescription) -> Result<Self, Status> {
        let block = block(nal_units)?;
        let size = nal_units.len();
        let mut made: *mut CMSampleBuffer = ptr::null_mut();
        // SAFETY: one sample, of one size and no times, that the block and the format are for; the sample
        // keeps both.
        let status = unsafe {
            CMSampleBuffer::create_ready(
                None,
                Some(&block),
                Some(format.raw()),
                1,
                0,
                ptr::null(),
                1,
                &size,
                NonNull::from(&mut made),
            )
        };
        Status::check(status)?;
        let made = NonNull::new(made).ok_or(Status::ALLOCATION_FAILED)?;
        // SAFETY: a function of the name Create gives a reference that is ours to release.
        Ok(CodedSample(unsafe { CFRetained::from_raw(made) }))
    }

    pub(super) fn raw(&self) -> &CMSampleBuffer {
        &self.0
    }
}

/// A copy of the bytes in memory of CoreMedia's own.
fn block(bytes: &[u8]) -> Result<CFRetained<CMBlockBuffer>, Status> {
    let mut made: *mut CMBlockBuffer = ptr::null_mut();
    // SAFETY: without memory of ours, so many bytes are taken from the default allocator.
    let status = unsafe {
        CMBlockBuffer::create_with_memory_block(
            None,
            ptr::null_mut(),
            bytes.len(),
            None,
            ptr::null(),
            0,
            bytes.len(),
            kCMBlockBufferAssureMemoryNowFlag,
            NonNull::from(&mut made),
        )
    };
    Status::check(status)?;
    let made = NonNull::new(made).ok_or(Status::ALLOCATION_FAILED)?;
    // SAFETY: a function of the name Create gives a reference that is ours to release.
    let block = unsafe { CFRetained::from_raw(made) };
    let source = NonNull::from(bytes).cast();
    // SAFETY: the block has as many bytes as are copied to it.
    let status = unsafe { CMBlockBuffer::replace_data_bytes(source, &block, 0, bytes.len()) };
    Status::check(status)?;
    Ok(block)
}
