use super::format::{Layout, layout};
use super::memory::{Access, Memory};
use super::pool::Store;
use super::status;
use crate::cf::Dictionary;
use crate::object::{Object, Owned, payload};
use crate::state::{note, scripted};
use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicIsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Locks of all pixel buffers, less unlocks.
static LOCKS: AtomicIsize = AtomicIsize::new(0);

pub(crate) fn locks() -> isize {
    LOCKS.load(Ordering::Relaxed)
}

pub(crate) fn reset_locks() {
    LOCKS.store(0, Ordering::Relaxed);
}

/// The rows of a plane.
pub(crate) struct Plane {
    pub(crate) memory: Memory,
    pub(crate) stride: usize,
    /// In elements.
    pub(crate) width: usize,
    pub(crate) height: usize,
}

#[derive(Default)]
struct Held {
    readers: usize,
    writers: usize,
}

/// A CVPixelBuffer.
pub(crate) struct PixelBuffer {
    pub(crate) fourcc: u32,
    pub(crate) layout: Layout,
    pub(crate) width: usize,
    pub(crate) height: usize,
    planes: Vec<Plane>,
    held: Mutex<Held>,
    attachments: Dictionary,
    /// Where its memory goes in the end.
    store: Option<Arc<Store>>,
}

/// Memory for a picture. None if there is no such format, or not so much memory.
pub(crate) fn planes(
    fourcc: u32,
    width: usize,
    height: usize,
    alignment: usize,
) -> Option<Vec<Plane>> {
    let plane = |plane: &super::format::PlaneLayout| {
        let (width, height) = plane.size(width, height);
        let stride = (width * plane.element).next_multiple_of(alignment);
        Some(Plane { memory: Memory::new(stride * height)?, stride, width, height })
    };
    layout(fourcc)?.planes.iter().map(plane).collect()
}

impl PixelBuffer {
    /// A buffer in this memory, which is for a picture of this kind.
    pub(crate) fn of(
        fourcc: u32,
        layout: Layout,
        (width, height): (usize, usize),
        planes: Vec<Plane>,
        store: Option<Arc<Store>>,
    ) -> Self {
        let (held, attachments) = (Mutex::default(), Dictionary::new(Vec::new()));
        PixelBuffer { fourcc, layout, width, height, planes, held, attachments, store }
    }

    /// Opens the memory.
    pub(crate) fn lock(&self, reading: bool) {
        self.change(|held| {
            if reading {
                held.readers += 1;
            } else {
                held.writers += 1;
            }
            true
        });
        LOCKS.fetch_add(1, Ordering::Relaxed);
    }

    /// Closes it again. False if there was no such lock.
    pub(crate) fn unlock(&self, reading: bool) -> bool {
        let done = self.change(|held| {
            let count = if reading { &mut held.readers } else { &mut held.writers };
            let less = count.checked_sub(1);
            *count = less.unwrap_or(0);
            less.is_some()
        });
        if done {
            LOCKS.fetch_sub(1, Ordering::Relaxed);
        }
        done
    }

    fn change(&self, how: impl FnOnce(&mut Held) -> bool) -> bool {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let before = access(&held);
        let done = how(&mut held);
        let after = access(&held);
        if before != after {
            self.planes.iter().for_each(|plane| plane.memory.allow(after));
        }
        done
    }

    pub(crate) fn is_written_to(&self) -> bool {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).writers > 0
    }

    fn is_open(&self) -> bool {
        access(&self.held.lock().unwrap_or_else(PoisonError::into_inner)) != Access::Nobody
    }

    /// By the format's count, in which there is always one.
    pub(crate) fn plane(&self, index: usize) -> Option<&Plane> {
        self.planes.get(index)
    }

    /// By Apple's count.
    fn counted_plane(&self, index: usize) -> Option<&Plane> {
        self.plane(index).filter(|_| self.layout.is_planar())
    }

    /// What the picture says of itself.
    pub(crate) fn attachment(&self, key: &str) -> Option<Owned> {
        self.attachments.get(key)
    }

    fn address(&self, plane: Option<&Plane>) -> *mut u8 {
        match plane {
            Some(plane) if self.is_open() => plane.memory.first(),
            _ => ptr::null_mut(),
        }
    }
}

fn access(held: &Held) -> Access {
    match held {
        Held { writers: 1.., .. } => Access::Everybody,
        Held { readers: 1.., .. } => Access::Readers,
        _ => Access::Nobody,
    }
}

impl Drop for PixelBuffer {
    fn drop(&mut self) {
        let held = self.held.get_mut().unwrap_or_else(PoisonError::into_inner);
        if held.readers + held.writers > 0 {
            note("a pixel buffer that is locked was released for the last time");
            self.planes.iter().for_each(|plane| plane.memory.allow(Access::Nobody));
        }
        if let Some(store) = &self.store {
            store.give_back(std::mem::take(&mut self.planes));
        }
    }
}

/// Bit 0: for reading.
fn reading(flags: u64) -> bool {
    flags & 1 != 0
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn CVPixelBufferLockBaseAddress(buffer: *const Object, flags: u64) -> i32 {
    scripted!("CVPixelBufferLockBaseAddress");
    payload!(buffer, PixelBuffer).lock(reading(flags));
    0
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn CVPixelBufferUnlockBaseAddress(
    buffer: *const Object,
    flags: u64,
) -> i32 {
    let done = payload!(buffer, PixelBuffer).unlock(reading(flags));
    // It is unlocked all the same: nobody could do it again.
    scripted!("CVPixelBufferUnlockBaseAddress");
    if done {
        return 0;
    }
    note("CVPixelBufferUnlockBaseAddress without a lock of these flags");
    status::INVALID_ARGUMENT
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn CVPixelBufferGetPixelFormatType(buffer: *const Object) -> u32 {
    scripted!("CVPixelBufferGetPixelFormatType");
    payload!(buffer, PixelBuffer).fourcc
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn CVPixelBufferGetWidth(buffer: *const Object) -> usize {
    scripted!("CVPixelBufferGetWidth");
    payload!(buffer, PixelBuffer).width
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn CVPixelBufferGetHeight(buffer: *const Object) -> usize {
    scripted!("CVPixelBufferGetHeight");
    payload!(buffer, PixelBuffer).height
}

/// 0 for a format without planes.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn CVPixelBufferGetPlaneCount(buffer: *const Object) -> usize {
    scripted!("CVPixelBufferGetPlaneCount");
    let layout = payload!(buffer, PixelBuffer).layout;
    if layout.is_planar() { layout.planes.len() } else { 0 }
}

/// Null while it is not locked, and for a format with planes.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn CVPixelBufferGetBaseAddress(buffer: *const Object) -> *mut c_void {
    scripted!("CVPixelBufferGetBaseAddress");
    let buffer = payload!(buffer, PixelBuffer);
    let plane = buffer.plane(0).filter(|_| !buffer.layout.is_planar());
    buffer.address(plane).cast()
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn CVPixelBufferGetBytesPerRow(buffer: *const Object) -> usize {
    scripted!("CVPixelBufferGetBytesPerRow");
    payload!(buffer, PixelBuffer).plane(0).map_or(0, |plane| plane.stride)
}

/// Null while it is not locked, and for a format without planes.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn CVPixelBufferGetBaseAddressOfPlane(
    buffer: *const Object,
    plane: usize,
) -> *mut c_void {
    scripted!("CVPixelBufferGetBaseAddressOfPlane");
    let buffer = payload!(buffer, PixelBuffer);
    buffer.address(buffer.counted_plane(plane)).cast()
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn CVPixelBufferGetBytesPerRowOfPlane(
    buffer: *const Object,
    plane: usize,
) -> usize {
    scripted!("CVPixelBufferGetBytesPerRowOfPlane");
    payload!(buffer, PixelBuffer).counted_plane(plane).map_or(0, |plane| plane.stride)
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn CVPixelBufferGetHeightOfPlane(
    buffer: *const Object,
    plane: usize,
) -> usize {
    scripted!("CVPixelBufferGetHeightOfPlane");
    payload!(buffer, PixelBuffer).counted_plane(plane).map_or(0, |plane| plane.height)
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn CVBufferSetAttachment(
    buffer: *const Object,
    key: *const Object,
    value: *const Object,
    _mode: u32,
) {
    let attachments = &payload!(buffer, PixelBuffer).attachments;
    attachments.set(Owned::retained(key), Owned::retained(value));
}
