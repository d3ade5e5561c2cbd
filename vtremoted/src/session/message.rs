use std::io::IoSlice;

/// What one call of the writer takes of a message at most.
pub(super) const PIECES: usize = 16;

/// A whole message that waits to be written.
#[derive(Default)]
pub(super) struct Message {
    /// Everything but bulk data, without gaps.
    heads: Vec<u8>,
    /// Bulk data, and how many bytes of the heads come before it.
    bodies: Vec<(usize, Vec<u8>)>,
}

impl Message {
    /// Without bulk data.
    pub(super) fn control(bytes: Vec<u8>) -> Self {
        Message { heads: bytes, bodies: Vec::new() }
    }

    pub(super) fn into_heads(self) -> Vec<u8> {
        self.heads
    }

    /// To append to, before the body that comes next.
    pub(super) fn heads(&mut self) -> &mut Vec<u8> {
        &mut self.heads
    }

    /// Bulk data, behind the first `at` bytes of the heads.
    pub(super) fn insert(&mut self, at: usize, body: Vec<u8>) {
        self.bodies.push((at, body));
    }

    /// Bulk data, behind all that is there.
    pub(super) fn push(&mut self, part: Vec<u8>) {
        self.insert(self.heads.len(), part);
    }

    /// Forgets everything but the memory.
    pub(super) fn clear(&mut self) {
        self.heads.clear();
        self.bodies.clear();
    }

    /// Fills `slices` with what follows the first `skip` bytes; says how many of them.
    pub(super) fn gather<'a>(&'a self, mut skip: usize, slices: &mut [IoSlice<'a>]) -> usize {
        let ends = self.bodies.iter().map(|(at, _)| *at).chain([self.heads.len()]);
        let bodies = self.bodies.iter().map(|(_, body)| &body[..]).chain([&[][..]]);
        let heads = ends.scan(0, |start, end| self.heads.get(std::mem::replace(start, end)..end));
        let mut count = 0;
        for piece in heads.zip(bodies).flat_map(|(head, body)| [head, body]) {
            let Some(slice) = slices.get_mut(count) else { break };
            if skip >= piece.len() {
                skip -= piece.len();
                continue;
            }
            *slice = IoSlice::new(&piece[std::mem::take(&mut skip)..]);
            count += 1;
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_goes_on_from_any_byte() {
        let mut message = Message::default();
        message.heads().extend([1, 2, 3, 6]);
        message.insert(2, vec![7, 8]);
        message.insert(3, Vec::new());
        message.insert(3, vec![9]);
        message.push(vec![5]);
        message.heads().push(4);
        let whole = [1, 2, 7, 8, 3, 9, 6, 5, 4];
        for skip in 0..=whole.len() {
            let mut slices = [IoSlice::new(&[]); PIECES];
            let count = message.gather(skip, &mut slices);
            assert!(slices[..count].iter().all(|slice| !slice.is_empty()));
            let bytes: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
            assert_eq!(bytes, whole[skip..], "{skip}");
        }
        message.clear();
        assert_eq!(message.gather(0, &mut [IoSlice::new(&[]); PIECES]), 0);
    }
}
