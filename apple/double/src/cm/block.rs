use super::status::{
    K_CM_BLOCK_BUFFER_BAD_LENGTH, K_CM_BLOCK_BUFFER_BAD_OFFSET,
    K_CM_BLOCK_BUFFER_BLOCK_ALLOCATION_FAILED,
};
use crate::object::{Object, Owned, Payload, payload};
use crate::state::scripted;
use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{ptr, slice};

/// A CMBlockBuffer: pieces of memory that are bytes one behind the other.
#[derive(Default)]
pub(crate) struct BlockBuffer {
    pieces: Mutex<Vec<Piece>>,
}

struct Piece {
    memory: Memory,
    offset: usize,
    length: usize,
}

enum Memory {
    Ours(Box<[UnsafeCell<u8>]>),
    Theirs { first: *mut u8, whole: usize, free: Free },
}

// SAFETY: memory of others is handed over with the block buffer, as CoreMedia's callers do.
unsafe impl Send for Piece {}
// SAFETY: bytes are written before a block buffer is shared, by the callers' own order.
unsafe impl Sync for Piece {}

enum Free {
    Nobody,
    Malloc,
    Custom(unsafe extern "C-unwind" fn(*mut c_void, *mut c_void, usize), *mut c_void),
}

/// A CMBlockBufferCustomBlockSource.
#[repr(C, packed(4))]
struct Source {
    version: u32,
    allocate: Option<unsafe extern "C-unwind" fn(*mut c_void, usize) -> *mut c_void>,
    free: Option<unsafe extern "C-unwind" fn(*mut c_void, *mut c_void, usize)>,
    context: *mut c_void,
}

impl Drop for Memory {
    fn drop(&mut self) {
        if let Memory::Theirs { first, whole, free } = self {
            match free {
                Free::Nobody => {}
                // SAFETY: the memory came from malloc, as its allocator says.
                Free::Malloc => unsafe { libc::free(first.cast()) },
                // SAFETY: it is what the memory came with, called once.
                Free::Custom(free, context) => unsafe { free(*context, first.cast(), *whole) },
            }
        }
    }
}

impl BlockBuffer {
    /// Copies of these bytes, each a piece.
    pub(crate) fn of(pieces: &[&[u8]]) -> Self {
        let piece = |bytes: &&[u8]| {
            let memory = Memory::Ours(bytes.iter().map(|byte| UnsafeCell::new(*byte)).collect());
            Piece { memory, offset: 0, length: bytes.len() }
        };
        BlockBuffer { pieces: Mutex::new(pieces.iter().map(piece).collect()) }
    }

    fn pieces(&self) -> MutexGuard<'_, Vec<Piece>> {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn length(&self) -> usize {
        self.pieces().iter().map(|piece| piece.length).sum()
    }

    /// From an offset on: the address, and how many bytes there are in one piece.
    fn at(&self, mut offset: usize) -> Option<(*mut u8, usize)> {
        for piece in self.pieces().iter() {
            if offset < piece.length {
                let within = piece.offset + offset;
                let left = piece.length - offset;
                return match &piece.memory {
                    // SAFETY: the offset is within the piece.
                    Memory::Ours(bytes) => Some((bytes[within..].as_ptr() as *mut u8, left)),
                    // SAFETY: the piece is within the memory.
                    Memory::Theirs { first, .. } => Some((unsafe { first.add(within) }, left)),
                };
            }
            offset -= piece.length;
        }
        None
    }

    /// Goes over a range, in its pieces.
    fn each(&self, offset: usize, length: usize, mut what: impl FnMut(*mut u8, usize)) -> i32 {
        if offset > self.length() {
            return K_CM_BLOCK_BUFFER_BAD_OFFSET;
        }
        if offset.checked_add(length).is_none_or(|end| end > self.length()) {
            return K_CM_BLOCK_BUFFER_BAD_LENGTH;
        }
        let mut done = 0;
        while done < length {
            let Some((first, there)) = self.at(offset + done) else {
                return K_CM_BLOCK_BUFFER_BAD_OFFSET;
            };
            let count = there.min(length - done);
            what(first, count);
            done += count;
        }
        0
    }

    /// The first bytes of it.
    pub(crate) fn copy(&self, length: usize) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let status = self.each(0, length, |first, count| {
            // SAFETY: there are so many bytes.
            bytes.extend_from_slice(unsafe { slice::from_raw_parts(first, count) });
        });
        (status == 0).then_some(bytes)
    }
}

unsafe fn piece(
    block: *mut c_void,
    whole: usize,
    allocator: *const Object,
    source: *const Source,
    (offset, length): (usize, usize),
) -> Result<Piece, i32> {
    if offset.checked_add(length).is_none_or(|end| end > whole) {
        return Err(K_CM_BLOCK_BUFFER_BAD_LENGTH);
    }
    if !allocator.is_null() {
        crate::state::violation("a block of another allocator than the default one");
    }
    if !block.is_null() {
        let free = match source.as_ref().map(|source| (source.free, source.context)) {
            Some((Some(free), context)) => Free::Custom(free, context),
            Some((None, _)) => Free::Nobody,
            None => Free::Malloc,
        };
        let memory = Memory::Theirs { first: block.cast(), whole, free };
        return Ok(Piece { memory, offset, length });
    }
    if let Some(source) = source.as_ref() {
        let (allocate, free, context) = (source.allocate, source.free, source.context);
        let block = allocate.map_or(ptr::null_mut(), |allocate| allocate(context, whole));
        if block.is_null() {
            return Err(K_CM_BLOCK_BUFFER_BLOCK_ALLOCATION_FAILED);
        }
        let free = free.map_or(Free::Nobody, |free| Free::Custom(free, context));
        let memory = Memory::Theirs { first: block.cast(), whole, free };
        return Ok(Piece { memory, offset, length });
    }
    // What was never written is nothing to rely on.
    let memory = Memory::Ours((0..whole).map(|_| UnsafeCell::new(0xa5)).collect());
    Ok(Piece { memory, offset, length })
}

unsafe fn give(buffer: BlockBuffer, out: *mut *const Object) -> i32 {
    *out = Owned::new(Payload::BlockBuffer(buffer)).into_raw();
    0
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn CMBlockBufferCreateWithMemoryBlock(
    _allocator: *const Object,
    block: *mut c_void,
    whole: usize,
    block_allocator: *const Object,
    source: *const Source,
    offset: usize,
    length: usize,
    _flags: u32,
    out: *mut *const Object,
) -> i32 {
    scripted!("CMBlockBufferCreateWithMemoryBlock");
    match piece(block, whole, block_allocator, source, (offset, length)) {
        Ok(piece) => give(BlockBuffer { pieces: Mutex::new(vec![piece]) }, out),
        Err(status) => status,
    }
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn CMBlockBufferReplaceDataBytes(
    bytes: *const c_void,
    buffer: *const Object,
    offset: usize,
    length: usize,
) -> i32 {
    scripted!("CMBlockBufferReplaceDataBytes");
    let mut from = bytes.cast::<u8>();
    payload!(buffer, BlockBuffer).each(offset, length, |to, count| {
        // SAFETY: there is room for so many, and the caller has them.
        unsafe {
            ptr::copy_nonoverlapping(from, to, count);
            from = from.add(count);
        }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn CMBlockBufferCopyDataBytes(
    buffer: *const Object,
    offset: usize,
    length: usize,
    to: *mut c_void,
) -> i32 {
    scripted!("CMBlockBufferCopyDataBytes");
    let mut to = to.cast::<u8>();
    payload!(buffer, BlockBuffer).each(offset, length, |from, count| {
        // SAFETY: there are so many, and the caller has room for them.
        unsafe {
            ptr::copy_nonoverlapping(from, to, count);
            to = to.add(count);
        }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn CMBlockBufferGetDataLength(buffer: *const Object) -> usize {
    scripted!("CMBlockBufferGetDataLength");
    payload!(buffer, BlockBuffer).length()
}
