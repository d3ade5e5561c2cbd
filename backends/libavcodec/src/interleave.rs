//! From the planes that libavcodec decodes to, to the wire's interleaved chroma and packed pixels: the
//! one time that a decoded picture is copied.

use crate::ffi::{Plane, Planes};
use std::slice::Chunks;
use vtremote_backend::{PixelFormat, RowsMut};

impl Planes<'_> {
    /// Writes the planes of a picture of that format and of the picture's size.
    ///
    /// # Panics
    /// If there are fewer planes than the format has.
    pub(crate) fn interleave(&self, planes: &mut [RowsMut]) {
        match self.format {
            PixelFormat::Nv12 => {
                each_row(self.luma, &mut planes[0], |from, to| to.copy_from_slice(from));
                self.pair8(&mut planes[1]);
            }
            PixelFormat::P010 | PixelFormat::P210 if self.widens => {
                each_row(self.luma, &mut planes[0], |from, to| {
                    let samples = from.iter().zip(to.as_chunks_mut::<2>().0);
                    samples.for_each(|(from, to)| *to = [0, *from]);
                });
                let Some([cb, cr]) = self.chroma else { return };
                each_pair_row(cb, cr, &mut planes[1], |cb, cr, to| {
                    for (to, (cb, cr)) in
                        to.as_chunks_mut::<4>().0.iter_mut().zip(cb.iter().zip(cr))
                    {
                        *to = [0, *cb, 0, *cr];
                    }
                });
            }
            PixelFormat::P010 | PixelFormat::P210 => {
                each_row(self.luma, &mut planes[0], |from, to| {
                    let samples = from.as_chunks::<2>().0.iter().zip(to.as_chunks_mut::<2>().0);
                    samples.for_each(|(from, to)| *to = high(*from));
                });
                self.pair10(&mut planes[1]);
            }
            PixelFormat::Ayuv => self.pack(&mut planes[0], |y, cb, cr| [OPAQUE, y, cb, cr]),
            PixelFormat::Bgra => self.pack(&mut planes[0], |g, b, r| [b, g, r, OPAQUE]),
        }
    }

    fn pair8(&self, pairs: &mut RowsMut) {
        let Some([cb, cr]) = self.chroma else {
            // No colour is the middle of the range.
            return pairs.bytes().fill(128);
        };
        each_pair_row(cb, cr, pairs, |cb, cr, to| {
            for (to, (cb, cr)) in to.as_chunks_mut::<2>().0.iter_mut().zip(cb.iter().zip(cr)) {
                *to = [*cb, *cr];
            }
        });
    }

    fn pair10(&self, pairs: &mut RowsMut) {
        let Some([cb, cr]) = self.chroma else {
            return pairs.bytes().as_chunks_mut::<2>().0.fill((512_u16 << 6).to_le_bytes());
        };
        each_pair_row(cb, cr, pairs, |cb, cr, to| {
            let samples = cb.as_chunks::<2>().0.iter().zip(cr.as_chunks::<2>().0);
            for (to, (cb, cr)) in to.as_chunks_mut::<4>().0.iter_mut().zip(samples) {
                let ([a, b], [c, d]) = (high(*cb), high(*cr));
                *to = [a, b, c, d];
            }
        });
    }

    fn pack(&self, pixels: &mut RowsMut, pixel: impl Fn(u8, u8, u8) -> [u8; 4]) {
        let Some([second, third]) = self.chroma else { return };
        let (stride, row_bytes) = (pixels.stride(), pixels.row_bytes());
        let rows = rows(self.luma).zip(rows(second)).zip(rows(third));
        for (((first, second), third), to) in rows.zip(pixels.bytes().chunks_mut(stride)) {
            let samples = first.iter().zip(second).zip(third);
            let pixels = to[..row_bytes].as_chunks_mut::<4>().0.iter_mut();
            for (to, ((first, second), third)) in pixels.zip(samples) {
                *to = pixel(*first, *second, *third);
            }
        }
    }
}

/// The alpha of a stream that has none.
const OPAQUE: u8 = 255;

/// A sample of ten bits with its bits high, as the wire has it.
fn high(sample: [u8; 2]) -> [u8; 2] {
    (u16::from_le_bytes(sample) << 6).to_le_bytes()
}

fn rows(plane: Plane<'_>) -> Chunks<'_, u8> {
    plane.bytes.chunks(plane.stride)
}

fn each_row(from: Plane<'_>, to: &mut RowsMut, convert: impl Fn(&[u8], &mut [u8])) {
    let (stride, row_bytes) = (to.stride(), to.row_bytes());
    for (row, target) in from.bytes.chunks(from.stride).zip(to.bytes().chunks_mut(stride)) {
        // Of samples that are widened there are half as many bytes.
        convert(&row[..row_bytes.min(row.len())], &mut target[..row_bytes]);
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
        let chroma = (row_bytes / 2).min(cb.len()).min(cr.len());
        convert(&cb[..chroma], &cr[..chroma], &mut target[..row_bytes]);
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

    fn bytes_of(planes: &Planes<'_>, width: u32, height: u32) -> Vec<Vec<u8>> {
        let shapes = planes.format.planes(width, height).into_iter();
        let made: Vec<_> = shapes.map(|shape| Arc::new(PlaneMemory::allocate(shape, 64))).collect();
        let lend = |plane: &Arc<_>| PlaneMemory::lend(plane, 0..plane.shape().rows).unwrap();
        let mut rows: Vec<_> = made.iter().map(lend).collect();
        planes.interleave(&mut rows);
        drop(rows);
        let bytes = |plane: &Arc<_>| {
            let rows = PlaneMemory::read(plane).unwrap();
            let row = |row: &[u8]| row[..rows.shape().row_bytes].to_vec();
            rows.bytes().chunks(rows.stride()).flat_map(row).collect()
        };
        made.iter().map(bytes).collect()
    }

    #[test]
    fn eight_bits_of_four_two_two_become_the_high_ones_of_p210() {
        let luma: Vec<u8> = (0..8 * 2).collect();
        let (cb, cr): (Vec<u8>, Vec<u8>) = ((100..108).collect(), (200..208).collect());
        let planes = Planes {
            format: PixelFormat::P210,
            widens: true,
            luma: Plane { bytes: &luma[..8 + 5], stride: 8 },
            chroma: Some([
                Plane { bytes: &cb[..4 + 3], stride: 4 },
                Plane { bytes: &cr[..4 + 3], stride: 4 },
            ]),
        };
        let wide = |samples: &[u8]| samples.iter().flat_map(|v| [0, *v]).collect::<Vec<_>>();
        let [y, pairs] = &bytes_of(&planes, 5, 2)[..] else { panic!("two planes") };
        assert_eq!(*y, wide(&[0, 1, 2, 3, 4, 8, 9, 10, 11, 12]));
        let expected = [100, 200, 101, 201, 102, 202, 104, 204, 105, 205, 106, 206];
        assert_eq!(*pairs, wide(&expected));
    }

    #[test]
    fn eight_bits_of_an_odd_size_become_nv12() {
        let luma: Vec<u8> = (0..40 * 3).map(|at| at as u8).collect();
        let cb: Vec<u8> = (0..24 * 2).map(|at| 100 + at as u8).collect();
        let cr: Vec<u8> = (0..32 * 2).map(|at| 180 + at as u8).collect();
        let planes = Planes {
            widens: false,
            format: PixelFormat::Nv12,
            luma: Plane { bytes: &luma[..2 * 40 + 37], stride: 40 },
            chroma: Some([
                Plane { bytes: &cb[..24 + 19], stride: 24 },
                Plane { bytes: &cr[..32 + 19], stride: 32 },
            ]),
        };
        let [y, pairs] = &bytes_of(&planes, 37, 3)[..] else { panic!("two planes") };
        let expected: Vec<u8> =
            (0..3).flat_map(|row| luma[40 * row..][..37].iter().copied()).collect();
        assert_eq!(*y, expected);
        let row = |row: usize| (0..19).flat_map(move |x| [(row, x, 0), (row, x, 1)]);
        let expected = (0..2).flat_map(row).map(|(row, x, which)| match which {
            0 => cb[24 * row + x],
            _ => cr[32 * row + x],
        });
        assert_eq!(*pairs, expected.collect::<Vec<_>>());
    }

    #[test]
    fn ten_bits_become_the_high_bits_of_p010() {
        let luma = plane(35, 3, 80, |at| (at * 9) as u16 % 1024);
        let cb = plane(18, 2, 48, |at| 1023 - at as u16);
        let cr = plane(18, 2, 40, |at| 500 + at as u16);
        let planes = Planes {
            widens: false,
            format: PixelFormat::P010,
            luma: Plane { bytes: &luma, stride: 80 },
            chroma: Some([Plane { bytes: &cb, stride: 48 }, Plane { bytes: &cr, stride: 40 }]),
        };
        let [y, pairs] = &bytes_of(&planes, 35, 3)[..] else { panic!("two planes") };
        let words = |bytes: &[u8]| -> Vec<u16> {
            bytes.chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect()
        };
        let expected: Vec<u16> = (0..105).map(|at| (at * 9 % 1024) << 6).collect();
        assert_eq!(words(y), expected);
        let expected = (0..36).flat_map(|at| [(1023 - at) << 6, (500 + at) << 6]);
        assert_eq!(words(pairs), expected.collect::<Vec<u16>>());
    }

    #[test]
    fn a_picture_without_colour_is_grey() {
        let luma = [7; 16 * 4];
        for (format, width) in [(PixelFormat::Nv12, 15), (PixelFormat::P010, 7)] {
            let luma = Plane { bytes: &luma[..3 * 16 + 14], stride: 16 };
            let planes = Planes { format, widens: false, luma, chroma: None };
            let pairs = &bytes_of(&planes, width.min(14), 4)[1];
            let grey: &[u8] = if format == PixelFormat::P010 { &[0, 0x80] } else { &[128, 128] };
            assert!(pairs.chunks(2).all(|pair| pair == grey));
        }
    }

    #[test]
    fn full_colour_is_packed_with_an_alpha_that_hides_nothing() {
        let planes = [10, 60, 110].map(|first| {
            let rows = (0..3_u8).flat_map(|y| (0..16).map(move |x| first + 16 * y + x));
            rows.collect::<Vec<u8>>()
        });
        let plane = |at: usize| Plane { bytes: &planes[at][..2 * 16 + 13], stride: 16 };
        for (format, order) in [
            (PixelFormat::Ayuv, [None, Some(0), Some(1), Some(2)]),
            (PixelFormat::Bgra, [Some(1), Some(0), Some(2), None]),
        ] {
            let picture = Planes {
                format,
                widens: false,
                luma: plane(0),
                chroma: Some([plane(1), plane(2)]),
            };
            let expected = (0..3).flat_map(|y| (0..13).map(move |x| 16 * y + x)).flat_map(|at| {
                let planes = &planes;
                order.map(|plane| plane.map_or(255, |plane: usize| planes[plane][at]))
            });
            assert_eq!(bytes_of(&picture, 13, 3), [expected.collect::<Vec<_>>()]);
        }
    }
}
