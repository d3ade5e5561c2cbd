use std::ptr::NonNull;
use std::sync::Arc;
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

    /// The planes of a picture in this block, whose memory `give_back` gets when the last of them,
    /// and all that was lent of it, is gone.
    ///
    /// # Panics
    /// If the block was made for other shapes.
    pub(crate) fn into_planes<F>(self, shapes: &[PlaneShape], give_back: F) -> Vec<PlaneMemory>
    where
        F: FnOnce(Block) + Send + Sync + 'static,
    {
        let (first, len) = (self.first, self.lines.len() * LINE);
        let loan = Arc::new(Loan { block: Some(self), give_back: Some(give_back) });
        let mut start = 0;
        let plane = |shape: &PlaneShape| {
            let (offset, stride) = (start, stride(*shape));
            start += stride * shape.rows;
            assert!(start <= len, "a plane outside its block");
            // SAFETY: the plane's first byte is within the block, or right behind it if there is
            // none.
            let first = unsafe { first.add(offset) };
            // SAFETY: the bytes are initialised and the block's, whose allocation the loan keeps
            // and nobody moves; the planes begin behind each other, so that they do not overlap;
            // and nobody else can reach the block before the last plane is gone.
            unsafe { PlaneMemory::from_raw(first, stride, *shape, Box::new(Arc::clone(&loan))) }
        };
        shapes.iter().map(plane).collect()
    }
}

/// What all planes of a picture hold together.
struct Loan<F: FnOnce(Block)> {
    block: Option<Block>,
    give_back: Option<F>,
}

impl<F: FnOnce(Block)> Drop for Loan<F> {
    fn drop(&mut self) {
        if let (Some(block), Some(give_back)) = (self.block.take(), self.give_back.take()) {
            give_back(block);
        }
    }
}

fn stride(shape: PlaneShape) -> usize {
    shape.row_bytes.next_multiple_of(LINE)
}
