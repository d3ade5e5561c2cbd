//! The planes of a decoded picture, to be read by whoever sends them.

use std::ops::Range;
use std::sync::Arc;
use vtremote_backend::{PlaneShape, Reference};
use vtremote_planes::vtz::{Format, Geometry};
use vtremote_planes::{Layout, Source};
use vtremote_proto::PixelFormat;

/// A picture's planes: the decoder's own memory, or a copy in another format. A clone is the same picture.
#[derive(Clone)]
pub(super) enum Pixels {
    /// The decoder's memory.
    Lent(Reference),
    /// Rows without padding.
    Made(Arc<[(PlaneShape, Vec<u8>)]>),
}

impl Pixels {
    /// The decoder's picture of this format and size; none if that is not what it is.
    pub(super) fn lent(
        picture: Reference,
        format: PixelFormat,
        width: u32,
        height: u32,
    ) -> Option<Self> {
        let told = layouts(format, width, height);
        let as_told = picture.planes().iter().map(|plane| layout(plane.shape())).eq(told);
        as_told.then_some(Pixels::Lent(picture))
    }

    /// The same picture, of NV12, in P010: 16 bits a sample with the value in the high 8.
    pub(super) fn widened(&self) -> Self {
        let planes = self.layouts().enumerate().map(|(plane, Layout { row_bytes, rows })| {
            let samples = self.pieces(plane, 0..rows).flatten();
            let wide = samples.flat_map(|&sample| u16::from(sample).rotate_left(8).to_le_bytes());
            (PlaneShape { row_bytes: 2 * row_bytes, rows }, wide.collect())
        });
        Pixels::Made(planes.collect())
    }

    /// What its planes are without padding.
    pub(super) fn layouts(&self) -> impl Iterator<Item = Layout> + Clone {
        (0..).map_while(|plane| self.plane(plane).map(|(shape, ..)| layout(shape)))
    }

    /// A plane's shape, its bytes, and how many there are from one row to the next.
    fn plane(&self, plane: usize) -> Option<(PlaneShape, &[u8], usize)> {
        match self {
            Pixels::Lent(picture) => {
                let plane = picture.planes().get(plane)?;
                Some((plane.shape(), plane.bytes(), plane.stride()))
            }
            Pixels::Made(planes) => {
                let (shape, bytes) = planes.get(plane)?;
                Some((*shape, bytes, shape.row_bytes))
            }
        }
    }

    /// Where a plane's rows lie. A plane that it does not have has none.
    pub(super) fn source(&self, plane: usize) -> (Source<'_>, Layout) {
        let none = (PlaneShape { row_bytes: 0, rows: 0 }, &[][..], 0);
        let (shape, data, stride) = self.plane(plane).unwrap_or(none);
        (Source::Rows { data, stride }, layout(shape))
    }

    /// The bytes of rows in pieces that lie together: one, or one a row where padding is between.
    pub(super) fn pieces(
        &self,
        plane: usize,
        rows: Range<usize>,
    ) -> impl Iterator<Item = &[u8]> + Clone {
        let (source, layout) = self.source(plane);
        let whole = source.contiguous(layout, rows.clone());
        let apart = if whole.is_some() { 0..0 } else { rows };
        let row = move |row: usize| match source {
            Source::Rows { data, stride } => &data[row * stride..][..layout.row_bytes],
            // It never says so.
            _ => &[][..],
        };
        whole.into_iter().chain(apart.map(row))
    }
}

fn layout(shape: PlaneShape) -> Layout {
    Layout { row_bytes: shape.row_bytes, rows: shape.rows }
}

/// What vtz is to know of such a picture.
pub(super) fn geometry(format: vtremote_backend::PixelFormat, width: u32, height: u32) -> Geometry {
    let format = match format {
        vtremote_backend::PixelFormat::Nv12 => Format::Nv12,
        vtremote_backend::PixelFormat::P010 => Format::P010,
        vtremote_backend::PixelFormat::P210 => Format::P210,
        vtremote_backend::PixelFormat::Bgra => Format::Bgra,
        vtremote_backend::PixelFormat::Ayuv => Format::Ayuv,
    };
    Geometry { format, width: width as usize, height: height as usize }
}

/// The planes of such a picture without padding.
pub(super) fn layouts(
    format: PixelFormat,
    width: u32,
    height: u32,
) -> impl Iterator<Item = Layout> + Clone {
    (0..format.planes()).map(move |plane| {
        let (row_bytes, rows) = format.plane_layout(width, height, plane);
        Layout { row_bytes, rows }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use vtremote_backend::PlaneMemory;

    /// A picture of 5x3 whose bytes are plane, row and column, with padding of 0xee.
    fn picture(align: usize) -> Pixels {
        let planes: Vec<_> = vtremote_backend::PixelFormat::Nv12
            .planes(5, 3)
            .into_iter()
            .enumerate()
            .map(|(number, shape)| {
                let plane = Arc::new(PlaneMemory::allocate(shape, align));
                let mut rows = PlaneMemory::lend(&plane, 0..shape.rows).unwrap();
                let stride = rows.stride();
                for (row, bytes) in rows.bytes().chunks_mut(stride).enumerate() {
                    bytes.fill(0xee);
                    let samples = bytes.iter_mut().take(shape.row_bytes).enumerate();
                    samples.for_each(|(column, byte)| {
                        *byte = (100 * number + 10 * row + column) as u8
                    });
                }
                drop(rows);
                plane
            })
            .collect();
        let reference = Reference::new(&planes).unwrap();
        Pixels::lent(reference, PixelFormat::Nv12, 5, 3).unwrap()
    }

    fn bytes(pixels: &Pixels, plane: usize, rows: Range<usize>) -> Vec<u8> {
        pixels.pieces(plane, rows).flatten().copied().collect()
    }

    #[test]
    fn padding_is_left_out_and_rows_that_lie_together_are_one_piece() {
        for (align, pieces) in [(1, 1), (8, 2)] {
            let pixels = picture(align);
            assert_eq!(bytes(&pixels, 0, 1..3), [10, 11, 12, 13, 14, 20, 21, 22, 23, 24]);
            assert_eq!(pixels.pieces(0, 1..3).count(), pieces);
            assert_eq!(bytes(&pixels, 1, 1..2), [110, 111, 112, 113, 114, 115]);
        }
    }

    #[test]
    fn a_picture_is_widened_to_the_high_bits_of_each_sample() {
        for align in [1, 8] {
            let wide = picture(align).widened();
            assert_eq!(bytes(&wide, 0, 2..3), [0, 20, 0, 21, 0, 22, 0, 23, 0, 24]);
            assert_eq!(
                wide.layouts().collect::<Vec<_>>(),
                [Layout { row_bytes: 10, rows: 3 }, Layout { row_bytes: 12, rows: 2 },]
            );
        }
    }

    #[test]
    fn planes_that_are_not_what_was_told_are_no_picture() {
        for (format, height) in
            [(PixelFormat::Nv12, 4), (PixelFormat::P010, 3), (PixelFormat::Bgra, 3)]
        {
            let Pixels::Lent(reference) = picture(1) else { unreachable!() };
            assert!(Pixels::lent(reference, format, 5, height).is_none());
        }
    }
}
