//! From the wire's interleaved chroma and packed pixels to the planes that libx265 wants.

use crate::ffi::Layout;
use vtremote_backend::{PixelFormat, PlaneShape, Rows, RowsMut};

/// What has to be done to a picture before the encoder takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conversion {
    /// NV12 to yuv420p: the luma is taken as it is.
    Split8,
    /// P010 to yuv420p10: samples move from the high bits to the low bits.
    Split10,
    /// P210 to yuv422p10, likewise.
    Split422,
    /// NV12 to yuv420p10: samples get two bits, which are 0.
    Widen,
    /// AYUV to yuv444p: Y, Cb, Cr. Alpha is left out, here and below.
    UnpackAyuv,
    /// BGRA to gbrp: green, blue, red.
    UnpackBgra,
}

impl Conversion {
    /// From one to the other: `Ok(None)` where nothing has to be done, `Err` where it cannot be.
    pub(crate) fn between(from: PixelFormat, to: Layout) -> Result<Option<Self>, ()> {
        match (from, to) {
            (PixelFormat::Nv12, Layout::Nv12)
            | (PixelFormat::P010, Layout::P010)
            | (PixelFormat::P210, Layout::P210) => Ok(None),
            (PixelFormat::Nv12, Layout::Yuv420p) => Ok(Some(Conversion::Split8)),
            (PixelFormat::P010, Layout::Yuv420p10) => Ok(Some(Conversion::Split10)),
            (PixelFormat::P210, Layout::Yuv422p10) => Ok(Some(Conversion::Split422)),
            (PixelFormat::Nv12, Layout::Yuv420p10) => Ok(Some(Conversion::Widen)),
            (PixelFormat::Ayuv, Layout::Yuv444p) => Ok(Some(Conversion::UnpackAyuv)),
            (PixelFormat::Bgra, Layout::Gbrp) => Ok(Some(Conversion::UnpackBgra)),
            _ => Err(()),
        }
    }

    /// The planes that it writes: all three, but for a luma that is taken as it is.
    pub(crate) fn planes(self, width: u32, height: u32) -> Vec<PlaneShape> {
        let plane = |sample: usize, width: u32, height: u32| PlaneShape {
            row_bytes: sample * width as usize,
            rows: height as usize,
        };
        let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
        match self {
            Conversion::Split8 => vec![plane(1, half_width, half_height); 2],
            Conversion::Split10 | Conversion::Widen => {
                let chroma = plane(2, half_width, half_height);
                vec![plane(2, width, height), chroma, chroma]
            }
            Conversion::Split422 => {
                let chroma = plane(2, half_width, height);
                vec![plane(2, width, height), chroma, chroma]
            }
            Conversion::UnpackAyuv | Conversion::UnpackBgra => vec![plane(1, width, height); 3],
        }
    }

    /// Converts a picture's planes into those that [`Conversion::planes`] lists.
    pub(crate) fn run(self, picture: &[Rows], out: &mut [RowsMut]) {
        match (self, picture, out) {
            (Conversion::Split8, [_, chroma], [cb, cr]) => split(chroma, cb, cr, |from, cb, cr| {
                for ((pair, cb), cr) in from.as_chunks::<2>().0.iter().zip(cb).zip(cr) {
                    [*cb, *cr] = *pair;
                }
            }),
            (Conversion::Split10 | Conversion::Split422, [luma, chroma], [y, cb, cr]) => {
                each_row(luma, y, |from, to| {
                    let samples = from.as_chunks::<2>().0.iter().zip(to.as_chunks_mut::<2>().0);
                    samples.for_each(|(from, to)| *to = low(*from));
                });
                split(chroma, cb, cr, |from, cb, cr| {
                    let targets =
                        cb.as_chunks_mut::<2>().0.iter_mut().zip(cr.as_chunks_mut::<2>().0);
                    for ([a, b, c, d], (cb, cr)) in from.as_chunks::<4>().0.iter().zip(targets) {
                        *cb = low([*a, *b]);
                        *cr = low([*c, *d]);
                    }
                });
            }
            (Conversion::Widen, [luma, chroma], [y, cb, cr]) => {
                each_row(luma, y, |from, to| {
                    let samples = from.iter().zip(to.as_chunks_mut::<2>().0);
                    samples.for_each(|(from, to)| *to = wide(*from));
                });
                split(chroma, cb, cr, |from, cb, cr| {
                    let targets =
                        cb.as_chunks_mut::<2>().0.iter_mut().zip(cr.as_chunks_mut::<2>().0);
                    for ([u, v], (cb, cr)) in from.as_chunks::<2>().0.iter().zip(targets) {
                        *cb = wide(*u);
                        *cr = wide(*v);
                    }
                });
            }
            (Conversion::UnpackAyuv, [ayuv], [y, cb, cr]) => {
                unpack(ayuv, [y, cb, cr], |[_, y, cb, cr]| [y, cb, cr]);
            }
            (Conversion::UnpackBgra, [bgra], [g, b, r]) => {
                unpack(bgra, [g, b, r], |[b, g, r, _]| [g, b, r]);
            }
            (_, picture, out) => {
                unreachable!("{self:?} does not make {} planes of {}", out.len(), picture.len())
            }
        }
    }
}

/// The wire's sample, whose ten bits are the high ones, with its bits low.
fn low(sample: [u8; 2]) -> [u8; 2] {
    (u16::from_le_bytes(sample) >> 6).to_le_bytes()
}

fn wide(sample: u8) -> [u8; 2] {
    (u16::from(sample) << 2).to_le_bytes()
}

fn each_row(from: &Rows, to: &mut RowsMut, convert: impl Fn(&[u8], &mut [u8])) {
    let (len, stride, row_bytes) = (from.shape().row_bytes, to.stride(), to.row_bytes());
    let targets = to.bytes().chunks_mut(stride);
    for (row, target) in from.bytes().chunks(from.stride()).zip(targets) {
        convert(&row[..len], &mut target[..row_bytes]);
    }
}

fn split(
    from: &Rows,
    cb: &mut RowsMut,
    cr: &mut RowsMut,
    convert: impl Fn(&[u8], &mut [u8], &mut [u8]),
) {
    let (len, stride, row_bytes) = (from.shape().row_bytes, cb.stride(), cb.row_bytes());
    let targets = cb.bytes().chunks_mut(stride).zip(cr.bytes().chunks_mut(stride));
    for (row, (cb, cr)) in from.bytes().chunks(from.stride()).zip(targets) {
        convert(&row[..len], &mut cb[..row_bytes], &mut cr[..row_bytes]);
    }
}

/// Pixels of four bytes to three planes.
fn unpack(from: &Rows, planes: [&mut RowsMut; 3], sort: impl Fn([u8; 4]) -> [u8; 3]) {
    let (len, [first, second, third]) = (from.shape().row_bytes, planes);
    let (a, b, c) = (first.stride(), second.stride(), third.stride());
    let targets = first.bytes().chunks_mut(a).zip(second.bytes().chunks_mut(b));
    let targets = targets.zip(third.bytes().chunks_mut(c));
    for (row, ((first, second), third)) in from.bytes().chunks(from.stride()).zip(targets) {
        let samples = first.iter_mut().zip(second).zip(third);
        for (pixel, ((first, second), third)) in row[..len].as_chunks::<4>().0.iter().zip(samples) {
            [*first, *second, *third] = sort(*pixel);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use vtremote_backend::PlaneMemory;

    /// A plane with other rows' padding of 0xee, and its rows for reading.
    fn rows(shape: PlaneShape, value: impl Fn(usize, usize) -> u8) -> Rows {
        let plane = Arc::new(PlaneMemory::allocate(shape, 32));
        let mut write = PlaneMemory::lend(&plane, 0..shape.rows).unwrap();
        let stride = write.stride();
        for (y, row) in write.bytes().chunks_mut(stride).enumerate() {
            row.fill(0xee);
            (0..shape.row_bytes).for_each(|x| row[x] = value(x, y));
        }
        drop(write);
        PlaneMemory::read(&plane).unwrap()
    }

    fn converted(
        conversion: Conversion,
        from: PixelFormat,
        width: u32,
        height: u32,
    ) -> Vec<Vec<u8>> {
        let byte = |plane| {
            move |x, y| match plane {
                0 => (x * 7 + y * 31) as u8,
                _ => (x * 5 + y * 17 + 3) as u8,
            }
        };
        let shapes = from.planes(width, height).into_iter().enumerate();
        let picture: Vec<_> = shapes.map(|(plane, shape)| rows(shape, byte(plane))).collect();
        let planes: Vec<_> = conversion
            .planes(width, height)
            .into_iter()
            .map(|shape| Arc::new(PlaneMemory::allocate(shape, 64)))
            .collect();
        let lend =
            |plane: &Arc<PlaneMemory>| PlaneMemory::lend(plane, 0..plane.shape().rows).unwrap();
        let mut out: Vec<_> = planes.iter().map(lend).collect();
        conversion.run(&picture, &mut out);
        drop(out);
        let visible = |plane: &Arc<PlaneMemory>| {
            let rows = PlaneMemory::read(plane).unwrap();
            let row = |row: &[u8]| row[..rows.shape().row_bytes].to_vec();
            rows.bytes().chunks(rows.stride()).flat_map(row).collect()
        };
        planes.iter().map(visible).collect()
    }

    fn sample(plane: &[u8], at: usize) -> u16 {
        u16::from_le_bytes([plane[2 * at], plane[2 * at + 1]])
    }

    #[test]
    fn nv12_is_split_into_cb_and_cr() {
        let planes = converted(Conversion::Split8, PixelFormat::Nv12, 37, 5);
        let expected = |offset| {
            (0..3)
                .flat_map(move |y| (0..19).map(move |x| ((2 * x + offset) * 5 + y * 17 + 3) as u8))
        };
        assert_eq!(planes[0], expected(0).collect::<Vec<_>>());
        assert_eq!(planes[1], expected(1).collect::<Vec<_>>());
    }

    #[test]
    fn p010_keeps_all_ten_bits() {
        let planes = converted(Conversion::Split10, PixelFormat::P010, 34, 4);
        let byte = |x: usize, y: usize| (x * 7 + y * 31) as u8;
        let chroma = |x: usize, y: usize| (x * 5 + y * 17 + 3) as u8;
        for (x, y) in (0..4).flat_map(|y| (0..34).map(move |x| (x, y))) {
            let expected = u16::from_le_bytes([byte(2 * x, y), byte(2 * x + 1, y)]) >> 6;
            assert_eq!(sample(&planes[0], y * 34 + x), expected);
        }
        for (x, y) in (0..2).flat_map(|y| (0..17).map(move |x| (x, y))) {
            let at = |x: usize| u16::from_le_bytes([chroma(x, y), chroma(x + 1, y)]) >> 6;
            assert_eq!(sample(&planes[1], y * 17 + x), at(4 * x));
            assert_eq!(sample(&planes[2], y * 17 + x), at(4 * x + 2));
        }
    }

    #[test]
    fn eight_bits_widen_to_ten() {
        let planes = converted(Conversion::Widen, PixelFormat::Nv12, 16, 2);
        assert_eq!(sample(&planes[0], 17), 4 * (7 + 31));
        assert_eq!(sample(&planes[1], 1), 4 * (2 * 5 + 3));
        assert_eq!(sample(&planes[2], 1), 4 * (3 * 5 + 3));
    }
    #[test]
    fn every_row_of_p210_has_its_chroma() {
        let planes = converted(Conversion::Split422, PixelFormat::P210, 6, 5);
        let lens: Vec<_> = planes.iter().map(Vec::len).collect();
        assert_eq!(lens, [60, 30, 30]);
        let chroma = |x: usize, y: usize| (x * 5 + y * 17 + 3) as u8;
        for (x, y) in (0..5).flat_map(|y| (0..3).map(move |x| (x, y))) {
            let at = |x: usize| u16::from_le_bytes([chroma(x, y), chroma(x + 1, y)]) >> 6;
            assert_eq!(sample(&planes[1], y * 3 + x), at(4 * x));
            assert_eq!(sample(&planes[2], y * 3 + x), at(4 * x + 2));
        }
    }

    #[test]
    fn packed_pixels_become_planes_in_the_encoders_order() {
        for (conversion, from, places) in [
            (Conversion::UnpackAyuv, PixelFormat::Ayuv, [1, 2, 3]),
            (Conversion::UnpackBgra, PixelFormat::Bgra, [1, 0, 2]),
        ] {
            let planes = converted(conversion, from, 19, 3);
            for (plane, place) in planes.iter().zip(places) {
                let expected = |y| (0..19).map(move |x| ((4 * x + place) * 7 + y * 31) as u8);
                assert_eq!(*plane, (0..3).flat_map(expected).collect::<Vec<_>>());
            }
        }
    }
}
