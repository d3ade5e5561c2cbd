use std::io::IoSlice;

/// A whole message that waits to be written, in the parts that it was made of.
#[derive(Default)]
pub(super) struct Message {
    parts: Vec<Vec<u8>>,
}

impl Message {
    pub(super) fn push(&mut self, part: Vec<u8>) {
        if !part.is_empty() {
            self.parts.push(part);
        }
    }

    /// The message as it goes out.
    pub(super) fn slices(&self) -> Vec<IoSlice<'_>> {
        self.parts.iter().map(|part| IoSlice::new(part)).collect()
    }
}
