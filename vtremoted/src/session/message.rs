use super::pixels::Pixels;
use std::io::IoSlice;
use std::ops::Range;
use std::sync::Arc;

/// A whole message that waits to be written, in the parts that it was made of.
#[derive(Default)]
pub(super) struct Message {
    parts: Vec<Part>,
}

enum Part {
    Bytes(Vec<u8>),
    /// Rows of a plane, without padding, from where the decoder has put them.
    Rows(Arc<Pixels>, usize, Range<usize>),
}

impl Message {
    pub(super) fn push(&mut self, part: Vec<u8>) {
        if !part.is_empty() {
            self.parts.push(Part::Bytes(part));
        }
    }

    /// Rows of a picture, which is held until the message was written.
    pub(super) fn push_rows(&mut self, picture: Arc<Pixels>, plane: usize, rows: Range<usize>) {
        self.parts.push(Part::Rows(picture, plane, rows));
    }

    /// The message as it goes out.
    pub(super) fn slices(&self) -> Vec<IoSlice<'_>> {
        let mut slices = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            match part {
                Part::Bytes(bytes) => slices.push(IoSlice::new(bytes)),
                Part::Rows(picture, plane, rows) => {
                    slices.extend(picture.pieces(*plane, rows.clone()).map(IoSlice::new));
                }
            }
        }
        slices
    }
}
