use std::ptr::NonNull;

/// Who may touch memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Nobody,
    Readers,
    Everybody,
}

/// The rows of one plane: pages of their own, which end where the rows do. Touching them outside of a lock,
/// writing to them under a lock for reading, and going over the end are faults of the processor.
pub(crate) struct Memory {
    pages: NonNull<u8>,
    mapped: usize,
    usable: usize,
    offset: usize,
}

// SAFETY: it is the owner of its pages.
unsafe impl Send for Memory {}
// SAFETY: nothing is read or written through it but under the locks of a pixel buffer.
unsafe impl Sync for Memory {}

/// In bytes: 4096, or 16384 with Apple silicon.
fn page() -> usize {
    // SAFETY: it only asks.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).expect("pages have a size")
}

impl Memory {
    /// Zeroed memory that nobody may touch yet; None if there is not so much.
    ///
    /// Rows of a multiple of 16 bytes begin at one.
    pub(crate) fn new(size: usize) -> Option<Self> {
        let page = page();
        let usable = size.max(1).next_multiple_of(page);
        // One more, which stays closed.
        let mapped = usable.checked_add(page)?;
        // SAFETY: a new mapping at an address of the system's choice.
        let pages = unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            libc::mmap(std::ptr::null_mut(), mapped, libc::PROT_NONE, flags, -1, 0)
        };
        if pages == libc::MAP_FAILED {
            return None;
        }
        let pages = NonNull::new(pages.cast())?;
        Some(Memory { pages, mapped, usable, offset: usable - size })
    }

    pub(crate) fn allow(&self, access: Access) {
        let protection = match access {
            Access::Nobody => libc::PROT_NONE,
            Access::Readers => libc::PROT_READ,
            Access::Everybody => libc::PROT_READ | libc::PROT_WRITE,
        };
        // SAFETY: the pages are this mapping's.
        let result = unsafe { libc::mprotect(self.pages.as_ptr().cast(), self.usable, protection) };
        assert_eq!(result, 0, "mprotect");
    }

    /// The first row.
    pub(crate) fn first(&self) -> *mut u8 {
        // SAFETY: the offset is within the mapping.
        unsafe { self.pages.as_ptr().add(self.offset) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and nobody has its address any more.
        unsafe { libc::munmap(self.pages.as_ptr().cast(), self.mapped) };
    }
}
