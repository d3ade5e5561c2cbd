use super::buffer::{PixelBuffer, Plane, planes};
use super::format::{Layout, layout};
use super::status;
use crate::object::{Object, Owned, Payload, payload};
use crate::state::{machine, scripted};
use std::sync::{Arc, Mutex, PoisonError};

/// A CVPixelBufferPool: buffers of one kind, whose memory comes back.
pub(crate) struct Pool {
    fourcc: u32,
    layout: Layout,
    size: (usize, usize),
    alignment: usize,
    store: Arc<Store>,
}

/// Memory that is free. It stays for as long as there are buffers of the pool.
#[derive(Default)]
pub(crate) struct Store {
    free: Mutex<Vec<Vec<Plane>>>,
}

impl Store {
    pub(crate) fn give_back(&self, planes: Vec<Plane>) {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push(planes);
    }
}

impl Pool {
    /// None for a format that there is not.
    pub(crate) fn new(fourcc: u32, size: (usize, usize)) -> Option<Self> {
        let alignment = machine().row_alignment;
        Some(Pool { fourcc, layout: layout(fourcc)?, size, alignment, store: Arc::default() })
    }

    /// A buffer, in memory that was used before where there is some.
    pub(crate) fn buffer(&self) -> Result<Owned, i32> {
        let free = self.store.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let (width, height) = self.size;
        let planes = free.or_else(|| planes(self.fourcc, width, height, self.alignment));
        let planes = planes.ok_or(status::INVALID_SIZE)?;
        let store = Some(Arc::clone(&self.store));
        let buffer = PixelBuffer::of(self.fourcc, self.layout, self.size, planes, store);
        Ok(Owned::new(Payload::PixelBuffer(buffer)))
    }
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn CVPixelBufferPoolCreatePixelBuffer(
    _allocator: *const Object,
    pool: *const Object,
    out: *mut *const Object,
) -> i32 {
    scripted!("CVPixelBufferPoolCreatePixelBuffer");
    match payload!(pool, PixelBufferPool).buffer() {
        Ok(buffer) => {
            *out = buffer.into_raw();
            0
        }
        Err(status) => {
            *out = std::ptr::null();
            status
        }
    }
}
