//! Memory that is lent by rows. The only unsafe code of this crate.
#![allow(unsafe_code)]

use crate::PlaneShape;
use std::alloc::{Layout, alloc_zeroed, handle_alloc_error};
use std::any::Any;
use std::fmt;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, PoisonError};

/// One plane's memory: lent for writing in disjoint ranges of rows, or for reading as a whole.
///
/// What is lent holds a reference to the plane, and the plane to its owner, so that no handle outlives
/// its memory.
pub struct PlaneMemory {
    first: NonNull<u8>,
    len: usize,
    stride: usize,
    shape: PlaneShape,
    loans: Mutex<Loans>,
    _owner: Box<dyn Any + Send + Sync>,
}

#[derive(Default)]
struct Loans {
    writing: Vec<Range<usize>>,
    readers: usize,
}

// SAFETY: the pointer is to memory that `_owner`, itself Send, keeps alive; which part of it may be
// touched, and how, is decided under the lock.
unsafe impl Send for PlaneMemory {}
// SAFETY: as above; through a shared reference memory is reached only by way of a loan.
unsafe impl Sync for PlaneMemory {}

/// The rows cannot be had: they do not exist, or are lent already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lent;

impl fmt::Display for Lent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("these rows do not exist or are lent already")
    }
}

impl std::error::Error for Lent {}

/// There is no memory for a plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfMemory {
    /// How many bytes it would have had.
    pub bytes: usize,
}

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no memory for a plane of {} bytes", self.bytes)
    }
}

impl std::error::Error for OutOfMemory {}

impl PlaneMemory {
    /// Zeroed memory of its own: every row begins at an address that is a multiple of `align`, and
    /// behind the last there are `align` bytes more, for those who read beyond the end of a row.
    ///
    /// Without memory for it the process ends: see [`try_allocate`](Self::try_allocate).
    pub fn allocate(shape: PlaneShape, align: usize) -> Self {
        Self::try_allocate(shape, align).unwrap_or_else(|OutOfMemory { bytes }| {
            handle_alloc_error(Layout::array::<u8>(bytes).unwrap_or(Layout::new::<u8>()))
        })
    }

    /// The same, for shapes that somebody else has a say in.
    ///
    /// # Errors
    /// [`OutOfMemory`]: the system does not give it.
    pub fn try_allocate(shape: PlaneShape, align: usize) -> Result<Self, OutOfMemory> {
        let align = align.max(1);
        let beyond = OutOfMemory { bytes: usize::MAX };
        let stride = shape.row_bytes.checked_next_multiple_of(align).ok_or(beyond)?;
        let len = stride.checked_mul(shape.rows).ok_or(beyond)?;
        let bytes = align.checked_mul(2).and_then(|more| len.checked_add(more)).ok_or(beyond)?;
        let layout = Layout::array::<u8>(bytes).map_err(|_| beyond)?;
        // SAFETY: it has two bytes at least.
        let memory = NonNull::new(unsafe { alloc_zeroed(layout) }).ok_or(OutOfMemory { bytes })?;
        // Kept as a raw box: a `Box` must not be moved while others write through a pointer to it.
        let owner = OwnedBytes(NonNull::slice_from_raw_parts(memory, bytes));
        let bytes = owner.0.cast::<u8>();
        let address = bytes.addr().get();
        // SAFETY: less than `align` bytes on, `len + align` bytes of the allocation are left.
        let first = unsafe { bytes.add(address.next_multiple_of(align) - address) };
        let (loans, owner) = (Mutex::default(), Box::new(owner));
        Ok(PlaneMemory { first, len, stride, shape, loans, _owner: owner })
    }

    /// Memory of somebody else's, kept alive by `owner`.
    ///
    /// # Safety
    /// `first` is valid for reads and writes of `stride * (shape.rows - 1) + shape.row_bytes` initialised
    /// bytes for as long as `owner` lives, wherever `owner` is moved, and nothing else touches them while
    /// rows are lent for writing, nor writes to them while they are lent for reading.
    ///
    /// # Panics
    /// If a row is longer than the stride.
    pub unsafe fn from_raw(
        first: NonNull<u8>,
        stride: usize,
        shape: PlaneShape,
        owner: Box<dyn Any + Send + Sync>,
    ) -> Self {
        assert!(shape.row_bytes <= stride, "rows overlap");
        let len = shape.rows.checked_sub(1).map_or(0, |last| stride * last + shape.row_bytes);
        PlaneMemory { first, len, stride, shape, loans: Mutex::default(), _owner: owner }
    }

    /// Row bytes and rows.
    pub fn shape(&self) -> PlaneShape {
        self.shape
    }

    /// Bytes from one row to the next.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// Whether rows are lent for writing at this moment.
    pub fn is_lent(&self) -> bool {
        !self.loans().writing.is_empty()
    }

    /// Lends rows for writing.
    ///
    /// # Errors
    /// [`Lent`] if they do not exist or one of them is lent.
    pub fn lend(plane: &Arc<Self>, rows: Range<usize>) -> Result<RowsMut, Lent> {
        if rows.start > rows.end || rows.end > plane.shape.rows {
            return Err(Lent);
        }
        let mut loans = plane.loans();
        let overlaps = |other: &Range<usize>| rows.start < other.end && other.start < rows.end;
        if loans.readers > 0 || loans.writing.iter().any(overlaps) {
            return Err(Lent);
        }
        loans.writing.push(rows.clone());
        drop(loans);
        Ok(RowsMut { plane: Arc::clone(plane), rows })
    }

    /// Lends the whole plane for reading.
    ///
    /// # Errors
    /// [`Lent`] if rows are lent for writing.
    pub fn read(plane: &Arc<Self>) -> Result<Rows, Lent> {
        let mut loans = plane.loans();
        if !loans.writing.is_empty() {
            return Err(Lent);
        }
        loans.readers += 1;
        drop(loans);
        Ok(Rows { plane: Arc::clone(plane) })
    }

    fn loans(&self) -> std::sync::MutexGuard<'_, Loans> {
        // A thread that panics between these few lines leaves nothing half done.
        self.loans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bytes from the first of these rows to the end of the last; the last row of the plane may
    /// have no padding.
    fn span(&self, rows: &Range<usize>) -> Range<usize> {
        let start = (rows.start * self.stride).min(self.len);
        start..(rows.end * self.stride).min(self.len)
    }
}

impl fmt::Debug for PlaneMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlaneMemory")
            .field("shape", &self.shape)
            .field("stride", &self.stride)
            .finish_non_exhaustive()
    }
}

/// Rows of a plane, to write to; given back on drop.
#[derive(Debug)]
pub struct RowsMut {
    plane: Arc<PlaneMemory>,
    rows: Range<usize>,
}

impl RowsMut {
    /// The rows with the padding between them. The plane's last row may lack its padding.
    pub fn bytes(&mut self) -> &mut [u8] {
        let span = self.plane.span(&self.rows);
        // SAFETY: `span` lies within the plane; rows lent for writing are disjoint from every other
        // loan, rows do not overlap, and the lifetime is that of this borrow of the loan.
        unsafe {
            std::slice::from_raw_parts_mut(self.plane.first.as_ptr().add(span.start), span.len())
        }
    }

    /// Bytes from one row to the next.
    pub fn stride(&self) -> usize {
        self.plane.stride
    }

    /// Bytes in a row, without padding.
    pub fn row_bytes(&self) -> usize {
        self.plane.shape.row_bytes
    }

    /// Which rows of the plane these are.
    pub fn rows(&self) -> Range<usize> {
        self.rows.clone()
    }
}

impl Drop for RowsMut {
    fn drop(&mut self) {
        let mut loans = self.plane.loans();
        if let Some(at) = loans.writing.iter().position(|rows| *rows == self.rows) {
            loans.writing.swap_remove(at);
        }
    }
}

/// A plane, read-only.
#[derive(Debug)]
pub struct Rows {
    plane: Arc<PlaneMemory>,
}

impl Rows {
    /// All rows with the padding between them. The last row may lack its padding.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: `len` bytes are valid for as long as the plane lives, and while a reader is counted
        // none of them is lent for writing.
        unsafe { std::slice::from_raw_parts(self.plane.first.as_ptr(), self.plane.len) }
    }

    /// Bytes from one row to the next.
    pub fn stride(&self) -> usize {
        self.plane.stride
    }

    /// Row bytes and rows.
    pub fn shape(&self) -> PlaneShape {
        self.plane.shape
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        self.plane.loans().readers -= 1;
    }
}

struct OwnedBytes(NonNull<[u8]>);

// SAFETY: it is a box in all but name.
unsafe impl Send for OwnedBytes {}
// SAFETY: it gives no access at all.
unsafe impl Sync for OwnedBytes {}

impl Drop for OwnedBytes {
    fn drop(&mut self) {
        // SAFETY: the pointer came from the allocator with the layout of so many bytes, and is freed
        // once.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plane(row_bytes: usize, rows: usize) -> Arc<PlaneMemory> {
        Arc::new(PlaneMemory::allocate(PlaneShape { row_bytes, rows }, 16))
    }

    #[test]
    fn disjoint_rows_can_be_written_at_the_same_time() {
        let plane = plane(5, 6);
        let mut top = PlaneMemory::lend(&plane, 0..3).unwrap();
        let mut bottom = PlaneMemory::lend(&plane, 3..6).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| top.bytes().fill(1));
            scope.spawn(|| bottom.bytes().fill(2));
        });
        drop((top, bottom));
        let read = PlaneMemory::read(&plane).unwrap();
        assert_eq!(read.bytes()[..48], [1; 48]);
        assert_eq!(read.bytes()[48..], [2; 48]);
    }

    #[test]
    fn a_row_is_lent_once_at_a_time() {
        let plane = plane(8, 4);
        let first = PlaneMemory::lend(&plane, 0..2).unwrap();
        assert_eq!(PlaneMemory::lend(&plane, 1..3).unwrap_err(), Lent);
        assert_eq!(PlaneMemory::read(&plane).unwrap_err(), Lent);
        drop(first);
        let _reader = PlaneMemory::read(&plane).unwrap();
        assert_eq!(PlaneMemory::lend(&plane, 1..3).unwrap_err(), Lent);
    }

    #[test]
    fn rows_that_do_not_exist_are_not_lent() {
        let plane = plane(8, 4);
        assert!(PlaneMemory::lend(&plane, 3..5).is_err());
        #[expect(clippy::reversed_empty_ranges)]
        let backwards = 2..1;
        assert!(PlaneMemory::lend(&plane, backwards).is_err());
    }

    #[test]
    fn a_loan_outlives_its_picture() {
        let mut rows = PlaneMemory::lend(&plane(4, 2), 1..2).unwrap();
        rows.bytes().fill(7);
        assert_eq!(rows.bytes().len(), 16);
    }

    #[test]
    fn every_row_begins_where_it_is_aligned() {
        for align in [1, 7, 64] {
            let shape = PlaneShape { row_bytes: 5, rows: 3 };
            let plane = Arc::new(PlaneMemory::allocate(shape, align));
            let rows = PlaneMemory::read(&plane).unwrap();
            assert_eq!(rows.bytes().as_ptr().addr() % align, 0);
            assert_eq!(rows.stride() % align, 0);
            assert_eq!(rows.bytes().len(), 3 * rows.stride());
        }
    }

    #[test]
    fn a_plane_for_which_there_is_no_memory_is_an_error() {
        for (row_bytes, rows) in
            [(usize::MAX, 1), (1 << 32, 1 << 40), (isize::MAX as usize - 64, 1)]
        {
            assert!(PlaneMemory::try_allocate(PlaneShape { row_bytes, rows }, 16).is_err());
        }
    }

    #[test]
    fn a_plane_without_rows_has_no_bytes() {
        let plane = plane(4, 0);
        assert!(PlaneMemory::read(&plane).unwrap().bytes().is_empty());
        assert!(PlaneMemory::lend(&plane, 0..0).unwrap().bytes().is_empty());
    }
}
