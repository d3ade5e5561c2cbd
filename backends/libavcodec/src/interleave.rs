//! From the planes that libavcodec decodes to, to the wire's interleaved chroma: the one time that a
//! decoded picture is copied.

use crate::ffi::{Plane, Planes};
use vtremote_backend::{PixelFormat, RowsMut};

impl Planes<'_> {
    /// What [`Planes::interleave`] makes of them.
    pub(crate) fn format(&self) -> PixelFormat {
        if self.ten_bits { PixelFormat::P010 } else { PixelFormat::Nv12 }
    }

    /// Writes luma and Cb,Cr pairs, of that format and of the picture's size.
    pub(crate) fn interleave(&self, luma: &mut RowsMut, pairs: &mut RowsMut) {
        if self.ten_bits {
            each_row(self.luma, luma, |from, to| {
                let samples = from.as_chunks::<2>().0.iter().zip(to.as_chunks_mut::<2>().0);
                samples.for_each(|(from, to)| *to = high(*from));
            });
        } else {
            each_row(self.luma, luma, |from, to| to.copy_from_slice(from));
        }
        match self.chroma {
            Some([cb, cr]) if self.ten_bits => each_pair_row(cb, cr, pairs, |cb, cr, to| {
                let samples = cb.as_chunks::<2>().0.iter().zip(cr.as_chunks::<2>().0);
                for (to, (cb, cr)) in to.as_chunks_mut::<4>().0.iter_mut().zip(samples) {
                    let ([a, b], [c, d]) = (high(*cb), high(*cr));
                    *to = [a, b, c, d];
                }
            }),
            Some([cb, cr]) => each_pair_row(cb, cr, pairs, |cb, cr, to| {
                for (to, (cb, cr)) in to.as_chunks_mut::<2>().0.iter_mut().zip(cb.iter().zip(cr)) {
                    *to = [*cb, *cr];
                }
            }),
            // No colour is the middle of the range: 128 of 256, and 512 of 1024 in the high bits.
            None if self.ten_bits => {
                pairs.bytes().as_chunks_mut::<2>().0.fill((512_u16 << 6).to_le_bytes());
            }
            None => pairs.bytes().fill(128),
        }
    }
}

/// A sample of ten bits with its bits high, as the wire has it.
fn high(sample: [u8; 2]) -> [u8; 2] {
    (u16::from_le_bytes(sample) << 6).to_le_bytes()
}

fn each_row(from: Plane<'_>, to: &mut RowsMut, convert: impl Fn(&[u8], &mut [u8])) {
    let (stride, row_bytes) = (to.stride(), to.row_bytes());
    for (row, target) in from.bytes.chunks(from.stride).zip(to.bytes().chunks_mut(stride)) {
        convert(&row[..row_bytes], &mut target[..row_bytes]);
    }
}

fn each_pair_row(
    cb: Plane<'_>,
    cr: Plane<'_>,
    to: &mut RowsMut,
    convert: impl Fn(&[u8], &[u8], &mut [u8]),
) {
    let (stride, row_bytes) = (to.stride(), to.row_bytes());
    let rows = cb.bytes.chunks(cb.stride).zip(cr.bytes.chunks(cr.stride));
    for ((cb, cr), target) in rows.zip(to.bytes().chunks_mut(stride)) {
        convert(&cb[..row_bytes / 2], &cr[..row_bytes / 2], &mut target[..row_bytes]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use vtremote_backend::PlaneMemory;

    /// Rows of so many samples, with 0xee between them.
    fn plane(width: usize, height: usize, stride: usize, sample: impl Fn(usize) -> u16) -> Vec<u8> {
        let mut bytes = vec![0xee; (height - 1) * stride + 2 * width];
        for (row, y) in bytes.chunks_mut(stride).zip(0..) {
            for (x, bytes) in row[..2 * width].chunks_mut(2).enumerate() {
                bytes.copy_from_slice(&sample(y * width + x).to_le_bytes());
            }
        }
        bytes
    }

    fn bytes_of(planes: &Planes<'_>, width: u32, height: u32) -> [Vec<u8>; 2] {
        let shapes = planes.format().planes(width, height);
        let made = [shapes[0], shapes[1]].map(|shape| Arc::new(PlaneMemory::allocate(shape, 64)));
        let [mut luma, mut pairs] =
            made.each_ref().map(|plane| PlaneMemory::lend(plane, 0..plane.shape().rows).unwrap());
        planes.interleave(&mut luma, &mut pairs);
        drop((luma, pairs));
        made.map(|plane| {
            let rows = PlaneMemory::read(&plane).unwrap();
            let row = |row: &[u8]| row[..rows.shape().row_bytes].to_vec();
            rows.bytes().chunks(rows.stride()).flat_map(row).collect()
        })
    }

    #[test]
    fn eight_bits_of_an_odd_size_become_nv12() {
        let luma: Vec<u8> = (0..40 * 3).map(|at| at as u8).collect();
        let cb: Vec<u8> = (0..24 * 2).map(|at| 100 + at as u8).collect();
        let cr: Vec<u8> = (0..32 * 2).map(|at| 180 + at as u8).collect();
        let planes = Planes {
            ten_bits: false,
            luma: Plane { bytes: &luma[..2 * 40 + 37], stride: 40 },
            chroma: Some([
                Plane { bytes: &cb[..24 + 19], stride: 24 },
                Plane { bytes: &cr[..32 + 19], stride: 32 },
            ]),
        };
        let [y, pairs] = bytes_of(&planes, 37, 3);
        let expected: Vec<u8> =
            (0..3).flat_map(|row| luma[40 * row..][..37].iter().copied()).collect();
        assert_eq!(y, expected);
        let row = |row: usize| (0..19).flat_map(move |x| [(row, x, 0), (row, x, 1)]);
        let expected = (0..2).flat_map(row).map(|(row, x, which)| match which {
            0 => cb[24 * row + x],
            _ => cr[32 * row + x],
        });
        assert_eq!(pairs, expected.collect::<Vec<_>>());
    }

    #[test]
    fn ten_bits_become_the_high_bits_of_p010() {
        let luma = plane(35, 3, 80, |at| (at * 9) as u16 % 1024);
        let cb = plane(18, 2, 48, |at| 1023 - at as u16);
        let cr = plane(18, 2, 40, |at| 500 + at as u16);
        let planes = Planes {
            ten_bits: true,
            luma: Plane { bytes: &luma, stride: 80 },
            chroma: Some([Plane { bytes: &cb, stride: 48 }, Plane { bytes: &cr, stride: 40 }]),
        };
        let [y, pairs] = bytes_of(&planes, 35, 3);
        let words = |bytes: &[u8]| -> Vec<u16> {
            bytes.chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect()
        };
        let expected: Vec<u16> = (0..105).map(|at| (at * 9 % 1024) << 6).collect();
        assert_eq!(words(&y), expected);
        let expected = (0..36).flat_map(|at| [(1023 - at) << 6, (500 + at) << 6]);
        assert_eq!(words(&pairs), expected.collect::<Vec<u16>>());
    }

    #[test]
    fn a_picture_without_colour_is_grey() {
        let luma = [7; 16 * 4];
        for (ten_bits, width) in [(false, 15), (true, 7)] {
            let luma = Plane { bytes: &luma[..3 * 16 + 14], stride: 16 };
            let planes = Planes { ten_bits, luma, chroma: None };
            let [_, pairs] = bytes_of(&planes, width.min(14), 4);
            let grey: &[u8] = if ten_bits { &[0, 0x80] } else { &[128, 128] };
            assert!(pairs.chunks(2).all(|pair| pair == grey));
        }
    }
}
