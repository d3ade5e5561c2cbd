//! CVPixelBuffer and CVPixelBufferPool.

use super::cf::{Text, Value};
use super::status::Status;
use objc2_core_foundation::CFRetained;
use objc2_core_video::{
    CVAttachmentMode, CVPixelBuffer, CVPixelBufferGetBaseAddress,
    CVPixelBufferGetBaseAddressOfPlane, CVPixelBufferGetBytesPerRow,
    CVPixelBufferGetBytesPerRowOfPlane, CVPixelBufferGetHeight, CVPixelBufferGetHeightOfPlane,
    CVPixelBufferGetPixelFormatType, CVPixelBufferGetPlaneCount, CVPixelBufferGetWidth,
    CVPixelBufferLockBaseAddress, CVPixelBufferLockFlags, CVPixelBufferPool,
    CVPixelBufferUnlockBaseAddress,
};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use vtremote_backend::{PlaneMemory, PlaneShape, Planes};

/// Where a session's pixel buffers come from and go back to.
pub(crate) struct Pool(CFRetained<CVPixelBufferPool>);

// SAFETY: a pool may be used from any thread; it does its own locking.
unsafe impl Send for Pool {}
// SAFETY: as above.
unsafe impl Sync for Pool {}

impl Pool {
    pub(super) fn new(pool: CFRetained<CVPixelBufferPool>) -> Self {
        Pool(pool)
    }

    /// A buffer that nobody else has.
    pub(crate) fn buffer(&self) -> Result<PixelBuffer, Status> {
        let mut buffer = ptr::null_mut();
        // SAFETY: `buffer` is valid for the one pointer that is written to it.
        let status = unsafe {
            CVPixelBufferPool::create_pixel_buffer(None, &self.0, NonNull::from(&mut buffer))
        };
        Status::check(status)?;
        let buffer = NonNull::new(buffer).ok_or(Status::ALLOCATION_FAILED)?;
        // SAFETY: a function of the name Create gives a reference that is ours to release.
        Ok(PixelBuffer(unsafe { CFRetained::from_raw(buffer) }))
    }
}

/// A picture in memory that both the processor and the codec can reach.
#[derive(Clone)]
pub(crate) struct PixelBuffer(CFRetained<CVPixelBuffer>);

// SAFETY: counting references, locking and reading attributes may be done from any thread.
unsafe impl Send for PixelBuffer {}
// SAFETY: as above. Its memory is reached through `Locked` only.
unsafe impl Sync for PixelBuffer {}

impl PixelBuffer {
    /// A buffer that somebody else has too.
    pub(super) fn retain(buffer: &CVPixelBuffer) -> Self {
        PixelBuffer(CFRetained::from(buffer))
    }

    pub(super) fn raw(&self) -> &CVPixelBuffer {
        &self.0
    }

    /// The four characters of its layout: `420v`, `x420`, …
    pub(crate) fn format(&self) -> u32 {
        CVPixelBufferGetPixelFormatType(&self.0)
    }

    /// Width and height in pixels.
    pub(crate) fn size(&self) -> (usize, usize) {
        (CVPixelBufferGetWidth(&self.0), CVPixelBufferGetHeight(&self.0))
    }

    /// Says something of the picture to whoever works on it.
    pub(crate) fn attach(&self, key: &Text, value: &Value) {
        let mode = CVAttachmentMode::ShouldPropagate;
        // SAFETY: the value is of the type that the key stands for, which the caller's tables say.
        unsafe { self.0.set_attachment(&key.string(), &value.object(), mode) }
    }

    /// Makes its memory reachable until what is returned is dropped.
    pub(crate) fn lock(&self, access: Access) -> Result<Locked, Status> {
        // SAFETY: the unlocking that belongs to it is done once, on drop of what is returned.
        Status::check(unsafe { CVPixelBufferLockBaseAddress(&self.0, access.flags()) })?;
        Ok(Locked { buffer: self.clone(), access })
    }
}

/// What is done with a buffer's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Write,
    /// Others may read at the same time, the codec too.
    Read,
}

impl Access {
    fn flags(self) -> CVPixelBufferLockFlags {
        match self {
            Access::Write => CVPixelBufferLockFlags::empty(),
            Access::Read => CVPixelBufferLockFlags::ReadOnly,
        }
    }
}

/// A buffer whose memory can be reached.
pub(crate) struct Locked {
    buffer: PixelBuffer,
    access: Access,
}

impl Drop for Locked {
    fn drop(&mut self) {
        // SAFETY: it was locked once with these flags, and planes that use the memory keep `self` alive.
        unsafe { CVPixelBufferUnlockBaseAddress(&self.buffer.0, self.access.flags()) };
    }
}

impl Locked {
    /// Its planes, of which as much is used as `shapes` says. What was locked for reading must not be lent
    /// for writing.
    ///
    /// # Errors
    /// What does not fit: fewer planes, rows or bytes than there have to be.
    pub(crate) fn planes(self, shapes: &[PlaneShape]) -> Result<Planes, String> {
        let raw = &self.buffer.0;
        // A picture of one plane says that it has none.
        let count = CVPixelBufferGetPlaneCount(raw);
        let planes: Vec<_> = match count {
            0 => vec![(
                CVPixelBufferGetBaseAddress(raw),
                CVPixelBufferGetBytesPerRow(raw),
                CVPixelBufferGetHeight(raw),
            )],
            _ => (0..count)
                .map(|plane| {
                    (
                        CVPixelBufferGetBaseAddressOfPlane(raw, plane),
                        CVPixelBufferGetBytesPerRowOfPlane(raw, plane),
                        CVPixelBufferGetHeightOfPlane(raw, plane),
                    )
                })
                .collect(),
        };
        if planes.len() < shapes.len() {
            return Err(format!("a picture of {} planes instead of {}", count, shapes.len()));
        }
        let locked = Arc::new(self);
        let plane = |(index, (&shape, (first, stride, rows))): (usize, (&PlaneShape, _))| {
            let PlaneShape { row_bytes, rows: needed } = shape;
            if stride < row_bytes || rows < needed {
                return Err(format!(
                    "plane {index} has {rows} rows of {stride} bytes, not {needed} of {row_bytes}"
                ));
            }
            let first =
                NonNull::new(first).ok_or_else(|| format!("plane {index} has no memory"))?;
            let owner = Box::new(Arc::clone(&locked));
            // SAFETY: CoreVideo says that a plane of so many rows of so many bytes begins there, and it
            // stays while the buffer is locked, which the owner keeps it. The buffer came from a pool or a
            // decoder and nobody else writes to it; what is locked for reading is not lent for writing.
            Ok(Arc::new(unsafe { PlaneMemory::from_raw(first.cast(), stride, shape, owner) }))
        };
        shapes.iter().zip(planes).enumerate().map(plane).collect()
    }
}
