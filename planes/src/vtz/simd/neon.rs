use std::arch::aarch64::*;

use super::super::vector::{Bytes, Column, Family, Vector};

/// What every AArch64 has.
pub(crate) struct Neon;

impl Family for Neon {
    type Eight = Eight;
    type EightWide = Eight;
    type Ten = Ten;
    type TenWide = Ten;
}

/// An expression of intrinsics that take and give values only; those with pointers are the four functions below.
macro_rules! neon {
    ($expression:expr) => {
        // SAFETY: every AArch64 that Rust knows has NEON, and nothing else is asked of who calls these.
        unsafe { $expression }
    };
}

/// The place of each lane in the mask of its half.
const BITS: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128];

#[inline(always)]
fn load(from: &[u8; 16]) -> uint8x16_t {
    // SAFETY: there is NEON, and sixteen bytes are read where sixteen are.
    unsafe { vld1q_u8(from.as_ptr()) }
}

#[inline(always)]
fn store(to: &mut [u8; 16], bytes: uint8x16_t) {
    // SAFETY: there is NEON, and sixteen bytes are written where there is room for sixteen.
    unsafe { vst1q_u8(to.as_mut_ptr(), bytes) }
}

#[inline(always)]
fn load_words(from: &[u16; 8]) -> uint16x8_t {
    // SAFETY: there is NEON, and eight words are read where eight are.
    unsafe { vld1q_u16(from.as_ptr()) }
}

#[inline(always)]
fn store_words(to: &mut [u16; 8], words: uint16x8_t) {
    // SAFETY: there is NEON, and eight words are written where there is room for eight.
    unsafe { vst1q_u16(to.as_mut_ptr(), words) }
}

/// Both halves of sixteen words.
#[inline(always)]
fn words(from: &[u16; 16]) -> [uint16x8_t; 2] {
    let (first, second) = (from.first_chunk().unwrap(), from.last_chunk().unwrap());
    [load_words(first), load_words(second)]
}

/// Lanes below `count` are all ones.
#[inline(always)]
fn below(count: usize) -> uint8x16_t {
    const LANES: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
    neon!(vcltq_u8(load(&LANES), vdupq_n_u8(count as u8)))
}

/// Sixteen bytes.
#[derive(Clone, Copy)]
pub(crate) struct Eight(uint8x16_t);

impl Eight {
    #[inline(always)]
    fn magnitude(self) -> uint8x16_t {
        neon!(vreinterpretq_u8_s8(vabsq_s8(vreinterpretq_s8_u8(self.0))))
    }

    /// A neighbour's change, around 128.
    #[inline(always)]
    fn change([now, then]: [Self; 2]) -> Self {
        neon!(Self(veorq_u8(vsubq_u8(now.0, then.0), vdupq_n_u8(0x80))))
    }
}

impl Vector for Eight {
    type Sample = u8;
    type Column = Self;
    type Cost = uint16x8_t;

    const TILES: usize = 1;

    #[inline(always)]
    fn zero() -> Self {
        neon!(Self(vdupq_n_u8(0)))
    }

    #[inline(always)]
    fn load(from: &[u8]) -> Self {
        Self(load(from[..16].try_into().unwrap()))
    }

    #[inline(always)]
    fn tile(self, _: usize) -> Self {
        self
    }

    #[inline(always)]
    fn median(Self(left): Self, Self(up): Self, Self(up_left): Self) -> Self {
        neon!({
            // Undoing it waits for `up` last.
            let gradient = vaddq_u8(vsubq_u8(left, up_left), up);
            Self(vmaxq_u8(vminq_u8(left, up), vminq_u8(vmaxq_u8(left, up), gradient)))
        })
    }

    #[inline(always)]
    fn average(left: Self, up: Self) -> Self {
        neon!(Self(vrhaddq_u8(left.0, up.0)))
    }

    #[inline(always)]
    fn moved(reference: Self, left: [Self; 2], up: [Self; 2], up_left: [Self; 2]) -> Self {
        let median = Self::median(Self::change(left), Self::change(up), Self::change(up_left));
        neon!(Self(vaddq_u8(reference.0, veorq_u8(median.0, vdupq_n_u8(0x80)))))
    }

    #[inline(always)]
    fn residual(self, prediction: Self) -> Self {
        neon!(Self(vsubq_u8(self.0, prediction.0)))
    }

    #[inline(always)]
    fn free() -> uint16x8_t {
        neon!(vdupq_n_u16(0))
    }

    #[inline(always)]
    fn cost(cost: uint16x8_t, residual: Self) -> uint16x8_t {
        // Sixteen rows of twice 128 are far from the end of 16 bits.
        neon!(vpadalq_u8(cost, residual.magnitude()))
    }

    #[inline(always)]
    fn costs(cost: uint16x8_t) -> [u32; 2] {
        neon!([vaddlvq_u16(cost), 0])
    }
}

impl Column for Eight {
    type Bytes = Self;

    #[inline(always)]
    fn splat(sample: u8) -> Self {
        neon!(Self(vdupq_n_u8(sample)))
    }

    #[inline(always)]
    fn store(self, to: &mut [u8]) {
        store((&mut to[..16]).try_into().unwrap(), self.0);
    }

    #[inline(always)]
    fn restore(prediction: Self, residual: Self) -> Self {
        neon!(Self(vaddq_u8(prediction.0, residual.0)))
    }

    #[inline(always)]
    fn shift_in(self, first: u8) -> Self {
        neon!(Self(vextq_u8::<15>(vdupq_n_u8(first), self.0)))
    }

    #[inline(always)]
    fn first(self, count: usize, rest: Self) -> Self {
        neon!(Self(vbslq_u8(below(count), self.0, rest.0)))
    }

    #[inline(always)]
    fn transpose(rows: &mut [Self; 16]) {
        for _ in 0..4 {
            let from = *rows;
            for at in 0..8 {
                [rows[2 * at], rows[2 * at + 1]] = Self::zip(from[at], from[at + 8]);
            }
        }
    }

    #[inline(always)]
    fn activity(block: &[Self; 4]) -> (u32, u32) {
        let [a, b, c, d] = block.map(Self::magnitude);
        neon!({
            let largest = vmaxvq_u8(vmaxq_u8(vmaxq_u8(a, b), vmaxq_u8(c, d)));
            let sums = vpadalq_u8(vpadalq_u8(vpadalq_u8(vpaddlq_u8(a), b), c), d);
            (largest.into(), vaddlvq_u16(sums))
        })
    }

    #[inline(always)]
    fn narrow(self, _: usize) -> Self {
        self
    }

    #[inline(always)]
    fn widen(bytes: Self, _: usize) -> Self {
        bytes
    }

    #[inline(always)]
    fn zigzag(self) -> [Self; 2] {
        neon!({
            let sign = vreinterpretq_u8_s8(vshrq_n_s8::<7>(vreinterpretq_s8_u8(self.0)));
            [Self(veorq_u8(vaddq_u8(self.0, self.0), sign)), Self::zero()]
        })
    }

    #[inline(always)]
    fn unzigzag([value, _]: [Self; 2]) -> Self {
        neon!({
            let sign = vsubq_u8(vdupq_n_u8(0), vandq_u8(value.0, vdupq_n_u8(1)));
            Self(veorq_u8(vshrq_n_u8::<1>(value.0), sign))
        })
    }

    #[inline(always)]
    fn low(self) -> Self {
        self
    }

    #[inline(always)]
    fn with_low(self, low: Self) -> Self {
        self.or(low)
    }
}

impl Bytes for Eight {
    #[inline(always)]
    fn splat(byte: u8) -> Self {
        neon!(Self(vdupq_n_u8(byte)))
    }

    #[inline(always)]
    fn high(of: &[u16; 16]) -> Self {
        let [first, second] = words(of);
        neon!(Self(vuzp2q_u8(vreinterpretq_u8_u16(first), vreinterpretq_u8_u16(second))))
    }

    #[inline(always)]
    fn store(self, to: &mut [u8; 16]) {
        store(to, self.0);
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        neon!(Self(vaddq_u8(self.0, other.0)))
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        neon!(Self(vsubq_u8(self.0, other.0)))
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        neon!(Self(vandq_u8(self.0, other.0)))
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        neon!(Self(vorrq_u8(self.0, other.0)))
    }

    #[inline(always)]
    fn shift_left<const BY: i32>(self) -> Self {
        neon!(Self(vshlq_n_u8::<BY>(self.0)))
    }

    #[inline(always)]
    fn shift_right<const BY: i32>(self) -> Self {
        neon!(Self(vshrq_n_u8::<BY>(self.0)))
    }

    #[inline(always)]
    fn raise(self, by: usize) -> Self {
        neon!(Self(vshlq_u8(self.0, vdupq_n_s8(by as i8))))
    }

    #[inline(always)]
    fn unzip(self, second: Self) -> [Self; 2] {
        neon!([Self(vuzp1q_u8(self.0, second.0)), Self(vuzp2q_u8(self.0, second.0))])
    }

    #[inline(always)]
    fn zip(even: Self, odd: Self) -> [Self; 2] {
        neon!([Self(vzip1q_u8(even.0, odd.0)), Self(vzip2q_u8(even.0, odd.0))])
    }

    #[inline(always)]
    fn mask(self) -> u16 {
        neon!({
            let sign = vreinterpretq_u8_s8(vshrq_n_s8::<7>(vreinterpretq_s8_u8(self.0)));
            let bits = vandq_u8(sign, load(&BITS));
            let (low, high) = (vaddv_u8(vget_low_u8(bits)), vaddv_u8(vget_high_u8(bits)));
            u16::from_le_bytes([low, high])
        })
    }

    #[inline(always)]
    fn from_mask(mask: u16) -> Self {
        let [low, high] = mask.to_le_bytes();
        neon!(Self(vtstq_u8(vcombine_u8(vdup_n_u8(low), vdup_n_u8(high)), load(&BITS))))
    }
}

/// Sixteen 16-bit samples.
#[derive(Clone, Copy)]
pub(crate) struct Ten(int16x8_t, int16x8_t);

/// Calls an intrinsic for both halves.
macro_rules! halves {
    ($function:ident, $a:expr, $b:expr) => {{
        let (a, b) = ($a, $b);
        neon!(Ten($function(a.0, b.0), $function(a.1, b.1)))
    }};
}

impl Ten {
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        halves!(vsubq_s16, self, other)
    }

    #[inline(always)]
    fn magnitude(self) -> Self {
        neon!(Self(vabsq_s16(self.0), vabsq_s16(self.1)))
    }

    /// The low bytes.
    #[inline(always)]
    fn low_bytes(self) -> Eight {
        neon!({
            let low = |half| vmovn_u16(vreinterpretq_u16_s16(half));
            Eight(vcombine_u8(low(self.0), low(self.1)))
        })
    }
}

impl Vector for Ten {
    type Sample = u16;
    type Column = Self;
    type Cost = int32x4_t;

    const TILES: usize = 1;

    #[inline(always)]
    fn zero() -> Self {
        neon!(Self(vdupq_n_s16(0), vdupq_n_s16(0)))
    }

    #[inline(always)]
    fn load(from: &[u16]) -> Self {
        let [first, second] = words(from[..16].try_into().unwrap());
        neon!(Self(vreinterpretq_s16_u16(first), vreinterpretq_s16_u16(second)))
    }

    #[inline(always)]
    fn tile(self, _: usize) -> Self {
        self
    }

    #[inline(always)]
    fn median(left: Self, up: Self, up_left: Self) -> Self {
        let gradient = halves!(vaddq_s16, left.sub(up_left), up);
        let (low, high) = (halves!(vminq_s16, left, up), halves!(vmaxq_s16, left, up));
        halves!(vmaxq_s16, low, halves!(vminq_s16, high, gradient))
    }

    #[inline(always)]
    fn average(left: Self, up: Self) -> Self {
        halves!(vrhaddq_s16, left, up)
    }

    #[inline(always)]
    fn moved(reference: Self, left: [Self; 2], up: [Self; 2], up_left: [Self; 2]) -> Self {
        let change = |[now, then]: [Self; 2]| now.sub(then);
        let median = Self::median(change(left), change(up), change(up_left));
        halves!(vaddq_s16, reference, median)
    }

    #[inline(always)]
    fn residual(self, prediction: Self) -> Self {
        let Self(low, high) = self.sub(prediction);
        neon!({
            let wrap = |value| vshrq_n_s16::<6>(vshlq_n_s16::<6>(value));
            Self(wrap(low), wrap(high))
        })
    }

    #[inline(always)]
    fn free() -> int32x4_t {
        neon!(vdupq_n_s32(0))
    }

    #[inline(always)]
    fn cost(cost: int32x4_t, residual: Self) -> int32x4_t {
        let Self(low, high) = residual.magnitude();
        neon!(vpadalq_s16(cost, vaddq_s16(low, high)))
    }

    #[inline(always)]
    fn costs(cost: int32x4_t) -> [u32; 2] {
        neon!([vaddvq_s32(cost) as u32, 0])
    }
}

impl Column for Ten {
    type Bytes = Eight;

    #[inline(always)]
    fn splat(sample: u16) -> Self {
        neon!(Self(vdupq_n_s16(sample as i16), vdupq_n_s16(sample as i16)))
    }

    #[inline(always)]
    fn store(self, to: &mut [u16]) {
        let (first, second) = to[..16].split_at_mut(8);
        let [low, high] = neon!([vreinterpretq_u16_s16(self.0), vreinterpretq_u16_s16(self.1)]);
        store_words(first.try_into().unwrap(), low);
        store_words(second.try_into().unwrap(), high);
    }

    #[inline(always)]
    fn restore(prediction: Self, residual: Self) -> Self {
        halves!(vandq_s16, halves!(vaddq_s16, prediction, residual), Self::splat(0x3ff))
    }

    #[inline(always)]
    fn shift_in(self, first: u16) -> Self {
        neon!({
            let low = vextq_s16::<7>(vdupq_n_s16(first as i16), self.0);
            Self(low, vextq_s16::<7>(self.0, self.1))
        })
    }

    #[inline(always)]
    fn first(self, count: usize, rest: Self) -> Self {
        let mask = below(count);
        neon!({
            let low = vreinterpretq_u16_u8(vzip1q_u8(mask, mask));
            let high = vreinterpretq_u16_u8(vzip2q_u8(mask, mask));
            Self(vbslq_s16(low, self.0, rest.0), vbslq_s16(high, self.1, rest.1))
        })
    }

    #[inline(always)]
    fn transpose(rows: &mut [Self; 16]) {
        let quarter = |first: usize, half: fn(Ten) -> int16x8_t, rows: &[Self; 16]| {
            let mut quarter: [int16x8_t; 8] = std::array::from_fn(|at| half(rows[first + at]));
            for _ in 0..3 {
                let from = quarter;
                for at in 0..4 {
                    quarter[2 * at] = neon!(vzip1q_s16(from[at], from[at + 4]));
                    quarter[2 * at + 1] = neon!(vzip2q_s16(from[at], from[at + 4]));
                }
            }
            quarter
        };
        let (a, b) = (quarter(0, |row| row.0, rows), quarter(0, |row| row.1, rows));
        let (c, d) = (quarter(8, |row| row.0, rows), quarter(8, |row| row.1, rows));
        for at in 0..8 {
            rows[at] = Self(a[at], c[at]);
            rows[at + 8] = Self(b[at], d[at]);
        }
    }

    #[inline(always)]
    fn activity(block: &[Self; 4]) -> (u32, u32) {
        let [a, b, c, d] = block.map(Self::magnitude);
        let largest = halves!(vmaxq_s16, halves!(vmaxq_s16, a, b), halves!(vmaxq_s16, c, d));
        // Eight times 512 are within 16 bits.
        let sums = halves!(vaddq_s16, halves!(vaddq_s16, a, b), halves!(vaddq_s16, c, d));
        neon!({
            let largest = vmaxvq_s16(vmaxq_s16(largest.0, largest.1));
            (largest as u32, vaddlvq_s16(vaddq_s16(sums.0, sums.1)) as u32)
        })
    }

    #[inline(always)]
    fn narrow(self, low_bits: usize) -> Eight {
        neon!({
            let by = vdupq_n_s16(-(low_bits as i16));
            let (low, high) = (vshlq_s16(self.0, by), vshlq_s16(self.1, by));
            Eight(vreinterpretq_u8_s8(vcombine_s8(vqmovn_s16(low), vqmovn_s16(high))))
        })
    }

    #[inline(always)]
    fn widen(bytes: Eight, low_bits: usize) -> Self {
        neon!({
            let (by, bytes) = (vdupq_n_s16(low_bits as i16), vreinterpretq_s8_u8(bytes.0));
            let (low, high) = (vmovl_s8(vget_low_s8(bytes)), vmovl_s8(vget_high_s8(bytes)));
            Self(vshlq_s16(low, by), vshlq_s16(high, by))
        })
    }

    #[inline(always)]
    fn zigzag(self) -> [Eight; 2] {
        neon!({
            let zigzag = |value| veorq_s16(vaddq_s16(value, value), vshrq_n_s16::<15>(value));
            let value = Self(zigzag(self.0), zigzag(self.1));
            let above = |half| vshrn_n_u16::<8>(vreinterpretq_u16_s16(half));
            [value.low_bytes(), Eight(vcombine_u8(above(value.0), above(value.1)))]
        })
    }

    #[inline(always)]
    fn unzigzag([low, above]: [Eight; 2]) -> Self {
        neon!({
            let restore = |bytes| {
                let value = vreinterpretq_u16_u8(bytes);
                let half = vreinterpretq_s16_u16(vshrq_n_u16::<1>(value));
                let odd = vreinterpretq_s16_u16(vandq_u16(value, vdupq_n_u16(1)));
                veorq_s16(half, vnegq_s16(odd))
            };
            Self(restore(vzip1q_u8(low.0, above.0)), restore(vzip2q_u8(low.0, above.0)))
        })
    }

    #[inline(always)]
    fn low(self) -> Eight {
        self.low_bytes()
    }

    #[inline(always)]
    fn with_low(self, low: Eight) -> Self {
        neon!({
            let wide = |half| vreinterpretq_s16_u16(vmovl_u8(half));
            Self(
                vorrq_s16(self.0, wide(vget_low_u8(low.0))),
                vorrq_s16(self.1, wide(vget_high_u8(low.0))),
            )
        })
    }
}
