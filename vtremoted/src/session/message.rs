use std::io::IoSlice;
use std::sync::Arc;
use vtremote_backend::Reference;

/// A whole message that waits to be written, in the parts that it lies in.
#[derive(Default)]
pub(super) struct Message {
    parts: Vec<Part>,
}

enum Part {
    Bytes(Vec<u8>),
    /// A plane of a decoded picture, from the decoder's own memory.
    Plane(Arc<Reference>, usize),
}

impl Message {
    pub(super) fn push(&mut self, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            self.parts.push(Part::Bytes(bytes));
        }
    }

    pub(super) fn push_plane(&mut self, picture: &Arc<Reference>, plane: usize) {
        self.parts.push(Part::Plane(Arc::clone(picture), plane));
    }

    /// The message as it goes out.
    pub(super) fn slices(&self) -> Vec<IoSlice<'_>> {
        let bytes = self.parts.iter().map(|part| match part {
            Part::Bytes(bytes) => bytes.as_slice(),
            Part::Plane(picture, plane) => picture.planes()[*plane].bytes(),
        });
        bytes.map(IoSlice::new).collect()
    }
}
