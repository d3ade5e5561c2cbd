use super::pixels::Pixels;
use std::io::IoSlice;
use std::ops::Range;

/// What one call of the writer takes of a message at most.
pub(super) const PIECES: usize = 64;

/// One or several whole messages that wait to be written together.
#[derive(Default)]
pub(super) struct Message {
    /// Everything but bulk data, without gaps.
    heads: Vec<u8>,
    /// Bulk data, and how many bytes of the heads come before it.
    bodies: Vec<(usize, Body)>,
    /// The memory of made bodies that were written, for those to come.
    spare: Vec<Vec<u8>>,
}

enum Body {
    /// What a codec gave.
    Given(Vec<u8>),
    /// What was compressed.
    Made(Vec<u8>),
    /// Rows of a plane, without padding, from where the decoder has put them.
    Rows { picture: Pixels, plane: usize, rows: Range<usize> },
}

impl Body {
    fn len(&self) -> usize {
        match self {
            Body::Given(bytes) | Body::Made(bytes) => bytes.len(),
            Body::Rows { picture, plane, rows } => picture.source(*plane).1.row_bytes * rows.len(),
        }
    }
}

impl Message {
    /// Without bulk data.
    pub(super) fn control(bytes: Vec<u8>) -> Self {
        Message { heads: bytes, ..Message::default() }
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
        self.bodies.push((at, Body::Given(body)));
    }

    /// An empty buffer, with the memory of an earlier one if there is any.
    pub(super) fn buffer(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_default()
    }

    /// Bulk data in a [`Message::buffer`], behind the first `at` bytes of the heads.
    pub(super) fn insert_made(&mut self, at: usize, body: Vec<u8>) {
        self.bodies.push((at, Body::Made(body)));
    }

    /// Rows of a picture, behind the first `at` bytes of the heads. It is held until the message was
    /// written.
    pub(super) fn insert_rows(
        &mut self,
        at: usize,
        picture: Pixels,
        plane: usize,
        rows: Range<usize>,
    ) {
        self.bodies.push((at, Body::Rows { picture, plane, rows }));
    }

    /// In bytes.
    pub(super) fn len(&self) -> u64 {
        let bodies = self.bodies.iter().map(|(_, body)| body.len()).sum::<usize>();
        (self.heads.len() + bodies) as u64
    }

    /// Forgets everything but the memory.
    pub(super) fn clear(&mut self) {
        self.heads.clear();
        for (_, body) in self.bodies.drain(..) {
            if let Body::Made(mut bytes) = body {
                bytes.clear();
                self.spare.push(bytes);
            }
        }
    }

    /// Fills `slices` with what follows the first `skip` bytes; says how many of them.
    pub(super) fn gather<'a>(&'a self, skip: usize, slices: &mut [IoSlice<'a>]) -> usize {
        let mut gathered = Gathered { skip, slices, count: 0 };
        let mut start = 0;
        for (at, body) in &self.bodies {
            gathered.add(&self.heads[start..*at]);
            start = *at;
            if gathered.skip >= body.len() {
                gathered.skip -= body.len();
                continue;
            }
            match body {
                Body::Given(bytes) | Body::Made(bytes) => gathered.add(bytes),
                Body::Rows { picture, plane, rows } => {
                    picture.pieces(*plane, rows.clone()).for_each(|piece| gathered.add(piece));
                }
            }
            if gathered.count == gathered.slices.len() {
                break;
            }
        }
        gathered.add(&self.heads[start..]);
        gathered.count
    }
}

/// What one call of the writer takes.
struct Gathered<'a, 'b> {
    /// Bytes before the first that is wanted.
    skip: usize,
    slices: &'b mut [IoSlice<'a>],
    count: usize,
}

impl<'a> Gathered<'a, '_> {
    /// The piece that comes next, if there is room and something of it is wanted.
    fn add(&mut self, piece: &'a [u8]) {
        if self.skip >= piece.len() {
            self.skip -= piece.len();
        } else if let Some(slice) = self.slices.get_mut(self.count) {
            *slice = IoSlice::new(&piece[std::mem::take(&mut self.skip)..]);
            self.count += 1;
        }
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
        message.insert_made(3, vec![9]);
        message.insert(4, vec![5]);
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
        let again = message.buffer();
        assert!(again.is_empty() && again.capacity() > 0);
    }
}
