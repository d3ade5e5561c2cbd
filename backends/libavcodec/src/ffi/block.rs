use std::any::Any;
use std::ops::Range;
use std::ptr::NonNull;
use vtremote_backend::{PlaneMemory, PlaneShape};

/// What rows begin at a multiple of, in bytes: the widest vector registers, and a cache line.
const LINE: usize = 64;

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; LINE]);

/// The memory of one picture, all planes in it.
pub(crate) struct Block {
    lines: Vec<Line>,
    first: NonNull<u8>,
}

// SAFETY: `first` points into `lines`, which is owned and never resized.
unsafe impl Send for Block {}
// SAFETY: a shared block gives nothing but its address.
unsafe impl Sync for Block {}

impl Block {
    /// Zeroed memory for planes of these shapes, with room behind the last one: vector code in the
    /// codecs reads beyond the end of a row.
    pub(crate) fn new(shapes: &[PlaneShape]) -> Self {
        let planes: usize = shapes.iter().map(|shape| stride(*shape) * shape.rows).sum();
        let mut lines = vec![Line([0; LINE]); planes / LINE + 1];
        let first = NonNull::from(lines.as_mut_slice()).cast();
        Block { lines, first }
    }
}

/// A plane in `owner`'s block, behind the planes `before` it.
///
/// # Panics
/// If the block was made for other shapes.
pub(crate) fn plane_of<T: AsRef<Block> + Any + Send + Sync>(
    owner: T,
    before: &[PlaneShape],
    shape: PlaneShape,
) -> PlaneMemory {
    let block = owner.as_ref();
    let start: usize = before.iter().map(|shape| stride(*shape) * shape.rows).sum();
    let Range { start, end } = start..start + stride(shape) * shape.rows;
    assert!(end <= block.lines.len() * LINE, "a plane outside its block");
    // SAFETY: `start` is within the block's allocation.
    let first = unsafe { block.first.add(start) };
    // SAFETY: the bytes are initialised and within the block, which `owner` keeps and never moves its
    // allocation; no two planes of a block overlap, since each begins behind those before it, and
    // a block is in one picture at a time (that is what the pool is for).
    unsafe { PlaneMemory::from_raw(first, stride(shape), shape, Box::new(owner)) }
}

fn stride(shape: PlaneShape) -> usize {
    shape.row_bytes.next_multiple_of(LINE)
}
