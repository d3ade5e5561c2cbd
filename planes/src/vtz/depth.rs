use super::bits::{self, MAX_PLANES, PLANE};
use super::class::{self, Classified};
use super::format::Component;
use super::sample::Sample;
use super::strip::BLOCK;
use super::vector::{Column, Family, Vector};
use crate::Source;

/// What differs between 8 and 10 bits: how samples lie in a caller's rows, and how blocks of them are
/// coded.
pub(crate) trait Depth: Sample {
    /// Sixteen samples.
    type Column<F: Family>: Column<Sample = Self>;
    /// As many as a family likes best to predict.
    type Wide<F: Family>: Vector<Sample = Self, Column = Self::Column<F>>;

    /// Planes of a block in mode BITS, at most.
    const MAX_PLANES: usize;

    /// Takes a component's samples of a row out of the caller's memory. The result is zero if the
    /// samples say all that the row says.
    fn gather(
        source: &Source<'_>,
        row: usize,
        component: Component,
        of: usize,
        out: &mut [Self],
    ) -> u16;

    /// Puts the components of a row, in the plane's order, together as on the wire.
    fn scatter(components: &'static [Component], samples: [&[Self]; 4], row: &mut [u8]);

    /// See [`class::choose`].
    fn choose(largest: u32, sum: u32) -> u8;

    /// See [`class::classify_eight`] and [`class::classify_ten`].
    fn classify(block: &[Self; BLOCK], symbols: &mut [u8; BLOCK], low: &mut [u8; 16])
    -> Classified;

    /// Residuals from the symbols of a class and its low bits, eight bytes for each of them.
    fn expand(class: u8, symbols: &mut [u8; BLOCK], low: &[u8], block: &mut [Self; BLOCK]);

    /// See [`bits::pack_eight`].
    fn pack(block: &[Self; BLOCK], out: &mut [u8; PLANE * MAX_PLANES]) -> usize;

    /// See [`bits::unpack_eight`].
    fn unpack(planes: &[u8], block: &mut [Self; BLOCK]);
}

/// One sample of each group of bytes.
fn every<const OF: usize>(bytes: &[u8], out: &mut [u8], sample: impl Fn([u8; OF]) -> u8) {
    for (out, &group) in out.iter_mut().zip(bytes.as_chunks().0) {
        *out = sample(group);
    }
}

impl Depth for u8 {
    type Column<F: Family> = F::Eight;
    type Wide<F: Family> = F::EightWide;

    const MAX_PLANES: usize = 8;

    fn gather(
        source: &Source<'_>,
        row: usize,
        component: Component,
        of: usize,
        out: &mut [Self],
    ) -> u16 {
        let (bytes, of, at) = match *source {
            Source::Planar8 { u, u_stride, .. } if component.at == 0 => {
                (&u[row * u_stride..], 1, 0)
            }
            Source::Planar8 { v, v_stride, .. } => (&v[row * v_stride..], 1, 0),
            Source::Rows { data, stride }
            | Source::Luma10 { data, stride }
            | Source::Planar10 { u: data, u_stride: stride, .. } => {
                (&data[row * stride..], of, component.at)
            }
        };
        // With places that the compiler knows, it takes many samples at once.
        match (of, at, component.less) {
            (1, ..) => out.copy_from_slice(&bytes[..out.len()]),
            (2, 0, _) => every(bytes, out, |[first, _]: [u8; 2]| first),
            (2, ..) => every(bytes, out, |[_, second]: [u8; 2]| second),
            (_, _, None) => every(bytes, out, |four: [u8; 4]| four[at & 3]),
            (_, _, Some(less)) => {
                every(bytes, out, |four: [u8; 4]| four[at & 3].wrapping_sub(four[less & 3]));
            }
        }
        0
    }

    fn scatter(components: &'static [Component], samples: [&[Self]; 4], row: &mut [u8]) {
        let [a, b, c, d] = samples;
        match *components {
            [_, _] => crate::interleave::pairs8(a, b, row),
            // Green first, the other two less it; or luma first. Alpha is last in both.
            [_, Component { less: Some(_), .. }, ..] => {
                let pixels = row.as_chunks_mut().0.iter_mut();
                for ((((pixel, &g), &b), &r), &alpha) in pixels.zip(a).zip(b).zip(c).zip(d) {
                    *pixel = [b.wrapping_add(g), g, r.wrapping_add(g), alpha];
                }
            }
            [_, _, _, _] => {
                let pixels = row.as_chunks_mut().0.iter_mut();
                for ((((pixel, &y), &u), &v), &alpha) in pixels.zip(a).zip(b).zip(c).zip(d) {
                    *pixel = [alpha, y, u, v];
                }
            }
            _ => row.copy_from_slice(a),
        }
    }

    fn choose(largest: u32, sum: u32) -> u8 {
        class::choose(largest, sum)
    }

    fn classify(block: &[Self; BLOCK], symbols: &mut [u8; BLOCK], _: &mut [u8; 16]) -> Classified {
        class::classify_eight(block, symbols)
    }

    fn expand(class: u8, symbols: &mut [u8; BLOCK], _: &[u8], block: &mut [Self; BLOCK]) {
        class::unpack(symbols, class);
        *block = *symbols;
    }

    fn pack(block: &[Self; BLOCK], out: &mut [u8; PLANE * MAX_PLANES]) -> usize {
        bits::pack_eight(block, out)
    }

    fn unpack(planes: &[u8], block: &mut [Self; BLOCK]) {
        bits::unpack_eight(planes, block);
    }
}

/// The low bits of a 16-bit sample that hold no part of its value.
const BELOW: u16 = 0x3f;

impl Depth for u16 {
    type Column<F: Family> = F::Ten;
    type Wide<F: Family> = F::TenWide;

    const MAX_PLANES: usize = 10;

    fn gather(
        source: &Source<'_>,
        row: usize,
        component: Component,
        of: usize,
        out: &mut [Self],
    ) -> u16 {
        let low = |bytes: &[u8], out: &mut [Self]| {
            // Of samples in the low ten bits the others are left behind, as on the wire.
            for (out, &sample) in out.iter_mut().zip(bytes.as_chunks().0) {
                *out = u16::from_le_bytes(sample) & 0x3ff;
            }
            0
        };
        match *source {
            Source::Luma10 { data, stride } => low(&data[row * stride..], out),
            Source::Planar10 { u, u_stride, .. } if component.at == 0 => {
                low(&u[row * u_stride..], out)
            }
            Source::Planar10 { v, v_stride, .. } => low(&v[row * v_stride..], out),
            Source::Rows { data, stride } | Source::Planar8 { u: data, u_stride: stride, .. } => {
                let bytes = &data[row * stride..];
                let mut below = 0;
                if of == 1 {
                    for (out, &sample) in out.iter_mut().zip(bytes.as_chunks().0) {
                        let sample = u16::from_le_bytes(sample);
                        below |= sample;
                        *out = sample >> 6;
                    }
                } else {
                    let shift = component.at as u32 * 16;
                    for (out, &pair) in out.iter_mut().zip(bytes.as_chunks().0) {
                        let sample = (u32::from_le_bytes(pair) >> shift) as u16;
                        below |= sample;
                        *out = sample >> 6;
                    }
                }
                below & BELOW
            }
        }
    }

    fn scatter(components: &'static [Component], samples: [&[Self]; 4], row: &mut [u8]) {
        let [a, b, ..] = samples;
        if components.len() == 1 {
            for (out, &sample) in row.as_chunks_mut().0.iter_mut().zip(a) {
                *out = (sample << 6).to_le_bytes();
            }
        } else {
            for ((out, &a), &b) in row.as_chunks_mut().0.iter_mut().zip(a).zip(b) {
                *out = (u32::from(a << 6) | u32::from(b << 6) << 16).to_le_bytes();
            }
        }
    }

    fn choose(largest: u32, sum: u32) -> u8 {
        class::choose_ten(largest, sum)
    }

    fn classify(
        block: &[Self; BLOCK],
        symbols: &mut [u8; BLOCK],
        low: &mut [u8; 16],
    ) -> Classified {
        class::classify_ten(block, symbols, low)
    }

    fn expand(class: u8, symbols: &mut [u8; BLOCK], low: &[u8], block: &mut [Self; BLOCK]) {
        class::unpack(symbols, class);
        class::widen(symbols, low, block);
    }

    fn pack(block: &[Self; BLOCK], out: &mut [u8; PLANE * MAX_PLANES]) -> usize {
        bits::pack_ten(block, out)
    }

    fn unpack(planes: &[u8], block: &mut [Self; BLOCK]) {
        bits::unpack_ten(planes, block);
    }
}
