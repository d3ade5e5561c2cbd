//! Whole messages as they go out: heads that were built for them and bulk data from where it lies.

use std::io::IoSlice;
use std::ops::Range;
use std::sync::Arc;

use vtremote_planes::{Layout, Source};

use crate::FrameSource;
use crate::buffers::Buffer;

/// Bulk data of a message.
pub(crate) enum Body {
    /// Compressed or converted.
    Made(Buffer),
    /// Rows in the caller's memory, already as on the wire.
    Lent { source: Arc<dyn FrameSource>, plane: u8, layout: Layout, rows: Range<usize> },
}

impl Body {
    /// In bytes, padding excluded.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Made(bytes) => bytes.len(),
            Self::Lent { layout, rows, .. } => layout.row_bytes.saturating_mul(rows.len()),
        }
    }

    /// Its bytes in pieces that lie together: one, or one a row where padding stands between them.
    fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let (whole, padded) = match self {
            Self::Made(bytes) => (Some(&bytes[..]), None),
            Self::Lent { source, plane, layout, rows } => {
                let source = source.plane(*plane);
                match source.contiguous(*layout, rows.clone()) {
                    Some(bytes) => (Some(bytes), None),
                    None => (None, Some((source, layout.row_bytes, rows.clone()))),
                }
            }
        };
        let rows = padded.into_iter().flat_map(|(source, row_bytes, rows)| {
            let (data, stride): (&[u8], usize) = match source {
                Source::Rows { data, stride } => (data, stride),
                // Only rows as on the wire are lent; these are converted first.
                _ => (&[], 0),
            };
            rows.map(move |row| data.get(row * stride..).and_then(|row| row.get(..row_bytes)))
                .map(Option::unwrap_or_default)
        });
        whole.into_iter().chain(rows)
    }
}

/// A message, or some in a row, written whole before any other byte. Its memory is used for one after
/// the other.
#[derive(Default)]
pub(crate) struct Message {
    /// Everything but bulk data, without gaps.
    pub(crate) heads: Vec<u8>,
    /// Bulk data, and how many bytes of the heads come before it.
    pub(crate) bodies: Vec<(usize, Body)>,
}

impl Message {
    /// Forgets everything but the memory.
    pub(crate) fn clear(&mut self) {
        self.heads.clear();
        self.bodies.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.heads.len() + self.bodies.iter().map(|(_, body)| body.len()).sum::<usize>()
    }

    /// Fills `slices` with what follows the first `skip` bytes; says how many of them.
    pub(crate) fn gather<'a>(&'a self, mut skip: usize, slices: &mut [IoSlice<'a>]) -> usize {
        let ends = self.bodies.iter().map(|(at, _)| *at).chain([self.heads.len()]);
        let bodies = self.bodies.iter().map(|(_, body)| Some(body)).chain([None]);
        let heads = ends.scan(0, |start, end| self.heads.get(std::mem::replace(start, end)..end));
        let pieces = heads.zip(bodies).flat_map(|(head, body)| {
            std::iter::once(head).chain(body.into_iter().flat_map(Body::pieces))
        });
        let mut count = 0;
        for piece in pieces {
            let Some(slot) = slices.get_mut(count) else { break };
            if skip >= piece.len() {
                skip -= piece.len();
                continue;
            }
            *slot = IoSlice::new(&piece[std::mem::take(&mut skip)..]);
            count += 1;
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buffers::Buffers;
    use crate::{InputFormat, OwnedPicture};
    use vtremote_proto::PixelFormat;

    const LAYOUT: Layout = Layout { row_bytes: 4, rows: 3 };

    fn lent(stride: usize, rows: Range<usize>) -> Body {
        let luma = (0..stride as u8 * 3).collect();
        let format = InputFormat::Wire(PixelFormat::Nv12);
        let picture = OwnedPicture::new(format, vec![(luma, stride), (Vec::new(), 0)]).unwrap();
        Body::Lent { source: Arc::new(picture), plane: 0, layout: LAYOUT, rows }
    }

    fn bytes(message: &Message, skip: usize) -> (Vec<u8>, usize) {
        let mut slices = [IoSlice::new(&[]); 16];
        let count = message.gather(skip, &mut slices);
        (slices[..count].iter().flat_map(|slice| slice.to_vec()).collect(), count)
    }

    #[test]
    fn rows_that_lie_together_go_out_as_one_piece() {
        let message = Message { heads: vec![99, 98], bodies: vec![(1, lent(4, 1..3))] };
        assert_eq!(bytes(&message, 0), (vec![99, 4, 5, 6, 7, 8, 9, 10, 11, 98], 3));
        assert_eq!(message.len(), 10);
    }

    #[test]
    fn padding_is_never_sent() {
        let message = Message { heads: vec![99], bodies: vec![(1, lent(6, 0..3))] };
        let expected = vec![99, 0, 1, 2, 3, 6, 7, 8, 9, 12, 13, 14, 15];
        assert_eq!(bytes(&message, 0), (expected, 4));
        assert_eq!(message.len(), 13);
    }

    #[test]
    fn a_message_goes_on_from_any_byte() {
        let mut made = Buffers::new(1).take();
        made.extend_from_slice(&[1, 2, 3]);
        let bodies = vec![(2, Body::Made(made)), (3, lent(6, 0..2))];
        let message = Message { heads: vec![99, 98, 97, 96], bodies };
        let (whole, _) = bytes(&message, 0);
        assert_eq!(whole.len(), message.len());
        for skip in 0..=whole.len() {
            assert_eq!(bytes(&message, skip).0, whole[skip..], "{skip}");
        }
    }

    #[test]
    fn more_pieces_than_slices_are_left_for_the_next_call() {
        let message = Message { heads: vec![96], bodies: vec![(0, lent(6, 0..3))] };
        let mut slices = [IoSlice::new(&[]); 2];
        assert_eq!(message.gather(0, &mut slices), 2);
        assert_eq!((&*slices[0], &*slices[1]), (&[0, 1, 2, 3][..], &[6, 7, 8, 9][..]));
    }
}
