use std::arch::x86_64::*;

use super::super::vector::{Bytes, Column, Family, Task, Vector};
// In place of the unsafe ones of the same names.
use super::sse2::{
    _mm_add_epi8, _mm_add_epi16, _mm_add_epi32, _mm_add_epi64, _mm_and_si128, _mm_andnot_si128,
    _mm_avg_epu8, _mm_avg_epu16, _mm_cmpeq_epi8, _mm_cmpgt_epi8, _mm_cvtsi32_si128,
    _mm_cvtsi128_si32, _mm_madd_epi16, _mm_max_epi16, _mm_max_epu8, _mm_min_epi16, _mm_min_epu8,
    _mm_movemask_epi8, _mm_or_si128, _mm_packs_epi16, _mm_packus_epi16, _mm_sad_epu8,
    _mm_set1_epi8, _mm_set1_epi16, _mm_set1_epi64x, _mm_setzero_si128, _mm_shuffle_epi32,
    _mm_shufflelo_epi16, _mm_sll_epi16, _mm_slli_epi16, _mm_slli_si128, _mm_sra_epi16,
    _mm_srai_epi16, _mm_srli_epi16, _mm_srli_si128, _mm_sub_epi8, _mm_sub_epi16, _mm_unpackhi_epi8,
    _mm_unpackhi_epi16, _mm_unpacklo_epi8, _mm_unpacklo_epi16, _mm_xor_si128,
};

/// What every x86-64 has.
pub(crate) struct Sse2;

impl Family for Sse2 {
    type Eight = Eight;
    type EightWide = Eight;
    type Ten = Ten;
    type TenWide = Ten;
}

/// AVX2, BMI1, BMI2 and LZCNT. Its kernels are the same code as SSE2's, compiled for these, but for
/// rows that are taken two tiles at a time.
pub(crate) struct Avx2;

impl Family for Avx2 {
    type Eight = Eight;
    type EightWide = WideEight;
    type Ten = Ten;
    type TenWide = WideTen;
}

pub(super) fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("lzcnt")
}

/// Does a task with what [`has_avx2`] looks for.
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
pub(super) fn with_avx2<T: Task>(task: T) -> T::Output {
    task.vector::<Avx2>()
}

#[inline(always)]
fn load<T>(from: &[T; 16]) -> [__m128i; 2] {
    const { assert!(size_of::<T>() == 1 || size_of::<T>() == 2) };
    let at = from.as_ptr().cast::<__m128i>();
    match size_of::<T>() {
        // SAFETY: sixteen bytes may be read, and `loadu` asks for no alignment.
        1 => [unsafe { _mm_loadu_si128(at) }; 2],
        // SAFETY: the same of twice sixteen bytes.
        _ => unsafe { [_mm_loadu_si128(at), _mm_loadu_si128(at.add(1))] },
    }
}

#[inline(always)]
fn load_bytes(from: &[u8]) -> __m128i {
    let from: &[u8; 16] = from[..16].try_into().unwrap();
    load(from)[0]
}

#[inline(always)]
fn store_bytes(value: __m128i, to: &mut [u8]) {
    let to: &mut [u8; 16] = (&mut to[..16]).try_into().unwrap();
    // SAFETY: sixteen bytes may be written, and `storeu` asks for no alignment.
    unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), value) }
}

/// Lanes below `count` are all ones.
#[inline(always)]
fn below(count: usize) -> __m128i {
    const EDGE: [u8; 32] = {
        let mut edge = [0; 32];
        let mut at = 0;
        while at < 16 {
            edge[at] = 0xff;
            at += 1;
        }
        edge
    };
    load_bytes(&EDGE[16 - count..])
}

/// `a` where the mask has ones, else `b`.
#[inline(always)]
fn select(mask: __m128i, a: __m128i, b: __m128i) -> __m128i {
    _mm_or_si128(_mm_and_si128(mask, a), _mm_andnot_si128(mask, b))
}

#[inline(always)]
fn sum_of_quads(value: __m128i) -> u32 {
    (_mm_cvtsi128_si32(value) as u32)
        .wrapping_add(_mm_cvtsi128_si32(_mm_srli_si128::<8>(value)) as u32)
}

#[inline(always)]
fn sum_of_words(value: __m128i) -> u32 {
    let value = _mm_add_epi32(value, _mm_srli_si128::<8>(value));
    _mm_cvtsi128_si32(_mm_add_epi32(value, _mm_srli_si128::<4>(value))) as u32
}

/// Sixteen bytes.
#[derive(Clone, Copy)]
pub(crate) struct Eight(__m128i);

impl Eight {
    #[inline(always)]
    fn magnitude(self) -> __m128i {
        _mm_min_epu8(self.0, _mm_sub_epi8(_mm_setzero_si128(), self.0))
    }

    /// From a neighbour's change, around 128.
    #[inline(always)]
    fn change([now, then]: [Self; 2]) -> Self {
        Self(_mm_xor_si128(_mm_sub_epi8(now.0, then.0), _mm_set1_epi8(-128)))
    }
}

impl Vector for Eight {
    type Sample = u8;
    type Column = Self;
    type Cost = __m128i;

    const TILES: usize = 1;

    #[inline(always)]
    fn zero() -> Self {
        Self(_mm_setzero_si128())
    }

    #[inline(always)]
    fn load(from: &[u8]) -> Self {
        Self(load_bytes(from))
    }

    #[inline(always)]
    fn tile(self, _: usize) -> Self {
        self
    }

    #[inline(always)]
    fn median(Self(left): Self, Self(up): Self, Self(up_left): Self) -> Self {
        // Undoing it waits for `up` last.
        let gradient = _mm_add_epi8(_mm_sub_epi8(left, up_left), up);
        let (low, high) = (_mm_min_epu8(left, up), _mm_max_epu8(left, up));
        Self(_mm_max_epu8(low, _mm_min_epu8(high, gradient)))
    }

    #[inline(always)]
    fn average(left: Self, up: Self) -> Self {
        Self(_mm_avg_epu8(left.0, up.0))
    }

    #[inline(always)]
    fn moved(reference: Self, left: [Self; 2], up: [Self; 2], up_left: [Self; 2]) -> Self {
        let median = Self::median(Self::change(left), Self::change(up), Self::change(up_left));
        Self(_mm_add_epi8(reference.0, _mm_xor_si128(median.0, _mm_set1_epi8(-128))))
    }

    #[inline(always)]
    fn residual(self, prediction: Self) -> Self {
        Self(_mm_sub_epi8(self.0, prediction.0))
    }

    #[inline(always)]
    fn free() -> __m128i {
        _mm_setzero_si128()
    }

    #[inline(always)]
    fn cost(cost: __m128i, residual: Self) -> __m128i {
        _mm_add_epi64(cost, _mm_sad_epu8(residual.magnitude(), _mm_setzero_si128()))
    }

    #[inline(always)]
    fn costs(cost: __m128i) -> [u32; 2] {
        [sum_of_quads(cost), 0]
    }
}

impl Column for Eight {
    type Bytes = Self;

    #[inline(always)]
    fn splat(sample: u8) -> Self {
        Self(_mm_set1_epi8(sample as i8))
    }

    #[inline(always)]
    fn store(self, to: &mut [u8]) {
        store_bytes(self.0, to);
    }

    #[inline(always)]
    fn restore(prediction: Self, residual: Self) -> Self {
        Self(_mm_add_epi8(prediction.0, residual.0))
    }

    #[inline(always)]
    fn shift_in(self, first: u8) -> Self {
        Self(_mm_or_si128(_mm_slli_si128::<1>(self.0), _mm_cvtsi32_si128(first.into())))
    }

    #[inline(always)]
    fn first(self, count: usize, rest: Self) -> Self {
        Self(select(below(count), self.0, rest.0))
    }

    #[inline(always)]
    fn transpose(rows: &mut [Self; 16]) {
        for _ in 0..4 {
            let from = *rows;
            for at in 0..8 {
                let (a, b) = (from[at].0, from[at + 8].0);
                rows[2 * at] = Self(_mm_unpacklo_epi8(a, b));
                rows[2 * at + 1] = Self(_mm_unpackhi_epi8(a, b));
            }
        }
    }

    #[inline(always)]
    fn activity(block: &[Self; 4]) -> (u32, u32) {
        let zero = _mm_setzero_si128();
        let [a, b, c, d] = [
            block[0].magnitude(),
            block[1].magnitude(),
            block[2].magnitude(),
            block[3].magnitude(),
        ];
        let largest = _mm_max_epu8(_mm_max_epu8(a, b), _mm_max_epu8(c, d));
        let largest = _mm_max_epu8(largest, _mm_srli_si128::<8>(largest));
        let largest = _mm_max_epu8(largest, _mm_srli_si128::<4>(largest));
        let largest = _mm_max_epu8(largest, _mm_srli_si128::<2>(largest));
        let largest = _mm_max_epu8(largest, _mm_srli_si128::<1>(largest));
        let first = _mm_add_epi64(_mm_sad_epu8(a, zero), _mm_sad_epu8(b, zero));
        let second = _mm_add_epi64(_mm_sad_epu8(c, zero), _mm_sad_epu8(d, zero));
        let sum = sum_of_quads(_mm_add_epi64(first, second));
        (_mm_cvtsi128_si32(largest) as u32 & 0xff, sum)
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
        let sign = _mm_cmpgt_epi8(_mm_setzero_si128(), self.0);
        [Self(_mm_xor_si128(_mm_add_epi8(self.0, self.0), sign)), Self::zero()]
    }

    #[inline(always)]
    fn unzigzag([value, _]: [Self; 2]) -> Self {
        let half = value.shift_right::<1>().0;
        let sign = _mm_sub_epi8(_mm_setzero_si128(), _mm_and_si128(value.0, _mm_set1_epi8(1)));
        Self(_mm_xor_si128(half, sign))
    }

    #[inline(always)]
    fn low(self) -> Self {
        self
    }

    #[inline(always)]
    fn with_low(self, low: Self) -> Self {
        Self(_mm_or_si128(self.0, low.0))
    }
}

impl Bytes for Eight {
    #[inline(always)]
    fn splat(byte: u8) -> Self {
        Self(_mm_set1_epi8(byte as i8))
    }

    #[inline(always)]
    fn high(of: &[u16; 16]) -> Self {
        let [first, second] = load(of).map(_mm_srli_epi16::<8>);
        Self(_mm_packus_epi16(first, second))
    }

    #[inline(always)]
    fn store(self, to: &mut [u8; 16]) {
        store_bytes(self.0, to);
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(_mm_add_epi8(self.0, other.0))
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self(_mm_sub_epi8(self.0, other.0))
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        Self(_mm_and_si128(self.0, other.0))
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        Self(_mm_or_si128(self.0, other.0))
    }

    #[inline(always)]
    fn shift_left<const BY: i32>(self) -> Self {
        let mask = _mm_set1_epi8((0xff << BY) as u8 as i8);
        Self(_mm_and_si128(_mm_slli_epi16::<BY>(self.0), mask))
    }

    #[inline(always)]
    fn shift_right<const BY: i32>(self) -> Self {
        let mask = _mm_set1_epi8((0xff >> BY) as u8 as i8);
        Self(_mm_and_si128(_mm_srli_epi16::<BY>(self.0), mask))
    }

    #[inline(always)]
    fn raise(self, by: usize) -> Self {
        Self(_mm_sll_epi16(self.0, _mm_cvtsi32_si128(by as i32)))
    }

    #[inline(always)]
    fn unzip(self, second: Self) -> [Self; 2] {
        let low = _mm_set1_epi16(0xff);
        let even = _mm_packus_epi16(_mm_and_si128(self.0, low), _mm_and_si128(second.0, low));
        let odd = _mm_packus_epi16(_mm_srli_epi16::<8>(self.0), _mm_srli_epi16::<8>(second.0));
        [Self(even), Self(odd)]
    }

    #[inline(always)]
    fn zip(even: Self, odd: Self) -> [Self; 2] {
        [Self(_mm_unpacklo_epi8(even.0, odd.0)), Self(_mm_unpackhi_epi8(even.0, odd.0))]
    }

    #[inline(always)]
    fn mask(self) -> u16 {
        _mm_movemask_epi8(self.0) as u16
    }

    #[inline(always)]
    fn from_mask(mask: u16) -> Self {
        let bit = _mm_set1_epi64x(i64::from_le_bytes([1, 2, 4, 8, 16, 32, 64, 128]));
        let both = _mm_cvtsi32_si128(mask.into());
        let both = _mm_unpacklo_epi8(both, both);
        let both = _mm_shuffle_epi32::<0b0101_0000>(_mm_shufflelo_epi16::<0b0101_0000>(both));
        Self(_mm_cmpeq_epi8(_mm_and_si128(both, bit), bit))
    }
}

/// Sixteen 16-bit samples.
#[derive(Clone, Copy)]
pub(crate) struct Ten(__m128i, __m128i);

/// Calls a function of vectors for both halves.
macro_rules! halves {
    ($function:ident, $a:expr, $b:expr) => {{
        let (a, b) = ($a, $b);
        Ten($function(a.0, b.0), $function(a.1, b.1))
    }};
}

impl Ten {
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        halves!(_mm_sub_epi16, self, other)
    }

    #[inline(always)]
    fn magnitude(self) -> Self {
        halves!(_mm_max_epi16, self, Self::zero().sub(self))
    }

    /// The low bytes of both halves.
    #[inline(always)]
    fn low_bytes(self) -> Eight {
        let low = _mm_set1_epi16(0xff);
        Eight(_mm_packus_epi16(_mm_and_si128(self.0, low), _mm_and_si128(self.1, low)))
    }
}

impl Vector for Ten {
    type Sample = u16;
    type Column = Self;
    type Cost = __m128i;

    const TILES: usize = 1;

    #[inline(always)]
    fn zero() -> Self {
        Self(_mm_setzero_si128(), _mm_setzero_si128())
    }

    #[inline(always)]
    fn load(from: &[u16]) -> Self {
        let from: &[u16; 16] = from[..16].try_into().unwrap();
        let [low, high] = load(from);
        Self(low, high)
    }

    #[inline(always)]
    fn tile(self, _: usize) -> Self {
        self
    }

    #[inline(always)]
    fn median(left: Self, up: Self, up_left: Self) -> Self {
        let gradient = halves!(_mm_add_epi16, left.sub(up_left), up);
        let (low, high) = (halves!(_mm_min_epi16, left, up), halves!(_mm_max_epi16, left, up));
        halves!(_mm_max_epi16, low, halves!(_mm_min_epi16, high, gradient))
    }

    #[inline(always)]
    fn average(left: Self, up: Self) -> Self {
        halves!(_mm_avg_epu16, left, up)
    }

    #[inline(always)]
    fn moved(reference: Self, left: [Self; 2], up: [Self; 2], up_left: [Self; 2]) -> Self {
        let change = |[now, then]: [Self; 2]| now.sub(then);
        let median = Self::median(change(left), change(up), change(up_left));
        halves!(_mm_add_epi16, reference, median)
    }

    #[inline(always)]
    fn residual(self, prediction: Self) -> Self {
        let Self(low, high) = self.sub(prediction);
        let wrap = |value| _mm_srai_epi16::<6>(_mm_slli_epi16::<6>(value));
        Self(wrap(low), wrap(high))
    }

    #[inline(always)]
    fn free() -> __m128i {
        _mm_setzero_si128()
    }

    #[inline(always)]
    fn cost(cost: __m128i, residual: Self) -> __m128i {
        let Self(low, high) = residual.magnitude();
        let both = _mm_madd_epi16(_mm_add_epi16(low, high), _mm_set1_epi16(1));
        _mm_add_epi32(cost, both)
    }

    #[inline(always)]
    fn costs(cost: __m128i) -> [u32; 2] {
        [sum_of_words(cost), 0]
    }
}

impl Column for Ten {
    type Bytes = Eight;

    #[inline(always)]
    fn splat(sample: u16) -> Self {
        let all = _mm_set1_epi16(sample as i16);
        Self(all, all)
    }

    #[inline(always)]
    fn store(self, to: &mut [u16]) {
        let to: &mut [u16; 16] = (&mut to[..16]).try_into().unwrap();
        let at = to.as_mut_ptr().cast::<__m128i>();
        // SAFETY: twice sixteen bytes may be written, and `storeu` asks for no alignment.
        unsafe {
            _mm_storeu_si128(at, self.0);
            _mm_storeu_si128(at.add(1), self.1);
        }
    }

    #[inline(always)]
    fn restore(prediction: Self, residual: Self) -> Self {
        let sum = halves!(_mm_add_epi16, prediction, residual);
        halves!(_mm_and_si128, sum, Self::splat(0x3ff))
    }

    #[inline(always)]
    fn shift_in(self, first: u16) -> Self {
        let low = _mm_or_si128(_mm_slli_si128::<2>(self.0), _mm_cvtsi32_si128(first.into()));
        Self(low, _mm_or_si128(_mm_slli_si128::<2>(self.1), _mm_srli_si128::<14>(self.0)))
    }

    #[inline(always)]
    fn first(self, count: usize, rest: Self) -> Self {
        let mask = below(count);
        Self(
            select(_mm_unpacklo_epi8(mask, mask), self.0, rest.0),
            select(_mm_unpackhi_epi8(mask, mask), self.1, rest.1),
        )
    }

    #[inline(always)]
    fn transpose(rows: &mut [Self; 16]) {
        let quarter = |first: usize, half: fn(Ten) -> __m128i, rows: &[Self; 16]| {
            let mut quarter: [__m128i; 8] = std::array::from_fn(|at| half(rows[first + at]));
            for _ in 0..3 {
                let from = quarter;
                for at in 0..4 {
                    quarter[2 * at] = _mm_unpacklo_epi16(from[at], from[at + 4]);
                    quarter[2 * at + 1] = _mm_unpackhi_epi16(from[at], from[at + 4]);
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
        let largest =
            halves!(_mm_max_epi16, halves!(_mm_max_epi16, a, b), halves!(_mm_max_epi16, c, d));
        let largest = _mm_max_epi16(largest.0, largest.1);
        let largest = _mm_max_epi16(largest, _mm_srli_si128::<8>(largest));
        let largest = _mm_max_epi16(largest, _mm_srli_si128::<4>(largest));
        let largest = _mm_max_epi16(largest, _mm_srli_si128::<2>(largest));
        let sums =
            halves!(_mm_add_epi16, halves!(_mm_add_epi16, a, b), halves!(_mm_add_epi16, c, d));
        let sums = _mm_madd_epi16(_mm_add_epi16(sums.0, sums.1), _mm_set1_epi16(1));
        (_mm_cvtsi128_si32(largest) as u32 & 0xffff, sum_of_words(sums))
    }

    #[inline(always)]
    fn narrow(self, low_bits: usize) -> Eight {
        let by = _mm_cvtsi32_si128(low_bits as i32);
        Eight(_mm_packs_epi16(_mm_sra_epi16(self.0, by), _mm_sra_epi16(self.1, by)))
    }

    #[inline(always)]
    fn widen(bytes: Eight, low_bits: usize) -> Self {
        let by = _mm_cvtsi32_si128(low_bits as i32);
        let sign = _mm_cmpgt_epi8(_mm_setzero_si128(), bytes.0);
        Self(
            _mm_sll_epi16(_mm_unpacklo_epi8(bytes.0, sign), by),
            _mm_sll_epi16(_mm_unpackhi_epi8(bytes.0, sign), by),
        )
    }

    #[inline(always)]
    fn zigzag(self) -> [Eight; 2] {
        let zigzag =
            |value| _mm_xor_si128(_mm_add_epi16(value, value), _mm_srai_epi16::<15>(value));
        let value = Self(zigzag(self.0), zigzag(self.1));
        let above =
            Eight(_mm_packus_epi16(_mm_srli_epi16::<8>(value.0), _mm_srli_epi16::<8>(value.1)));
        [value.low_bytes(), above]
    }

    #[inline(always)]
    fn unzigzag([low, above]: [Eight; 2]) -> Self {
        let value = Self(_mm_unpacklo_epi8(low.0, above.0), _mm_unpackhi_epi8(low.0, above.0));
        let restore = |value| {
            let sign = _mm_sub_epi16(_mm_setzero_si128(), _mm_and_si128(value, _mm_set1_epi16(1)));
            _mm_xor_si128(_mm_srli_epi16::<1>(value), sign)
        };
        Self(restore(value.0), restore(value.1))
    }

    #[inline(always)]
    fn low(self) -> Eight {
        self.low_bytes()
    }

    #[inline(always)]
    fn with_low(self, low: Eight) -> Self {
        let zero = _mm_setzero_si128();
        Self(
            _mm_or_si128(self.0, _mm_unpacklo_epi8(low.0, zero)),
            _mm_or_si128(self.1, _mm_unpackhi_epi8(low.0, zero)),
        )
    }
}

/// An expression of AVX2 intrinsics.
macro_rules! avx2 {
    ($expression:expr) => {
        // SAFETY: the types that use this are only in tasks that `with_avx2` does, which says that the
        // instructions are there. What is loaded and stored is as long as the vector.
        unsafe { $expression }
    };
}

/// Two tiles of bytes.
#[derive(Clone, Copy)]
pub(crate) struct WideEight(__m256i);

impl WideEight {
    #[inline(always)]
    fn change([now, then]: [Self; 2]) -> Self {
        avx2!(Self(_mm256_xor_si256(_mm256_sub_epi8(now.0, then.0), _mm256_set1_epi8(-128))))
    }
}

impl Vector for WideEight {
    type Sample = u8;
    type Column = Eight;
    type Cost = __m256i;

    const TILES: usize = 2;

    #[inline(always)]
    fn zero() -> Self {
        avx2!(Self(_mm256_setzero_si256()))
    }

    #[inline(always)]
    fn load(from: &[u8]) -> Self {
        let from: &[u8; 32] = from[..32].try_into().unwrap();
        avx2!(Self(_mm256_loadu_si256(from.as_ptr().cast())))
    }

    #[inline(always)]
    fn tile(self, tile: usize) -> Eight {
        avx2!(Eight(if tile == 0 {
            _mm256_castsi256_si128(self.0)
        } else {
            _mm256_extracti128_si256::<1>(self.0)
        }))
    }

    #[inline(always)]
    fn median(Self(left): Self, Self(up): Self, Self(up_left): Self) -> Self {
        avx2!({
            let gradient = _mm256_sub_epi8(_mm256_add_epi8(left, up), up_left);
            let (low, high) = (_mm256_min_epu8(left, up), _mm256_max_epu8(left, up));
            Self(_mm256_max_epu8(low, _mm256_min_epu8(high, gradient)))
        })
    }

    #[inline(always)]
    fn average(left: Self, up: Self) -> Self {
        avx2!(Self(_mm256_avg_epu8(left.0, up.0)))
    }

    #[inline(always)]
    fn moved(reference: Self, left: [Self; 2], up: [Self; 2], up_left: [Self; 2]) -> Self {
        let median = Self::median(Self::change(left), Self::change(up), Self::change(up_left));
        avx2!({
            let change = _mm256_xor_si256(median.0, _mm256_set1_epi8(-128));
            Self(_mm256_add_epi8(reference.0, change))
        })
    }

    #[inline(always)]
    fn residual(self, prediction: Self) -> Self {
        avx2!(Self(_mm256_sub_epi8(self.0, prediction.0)))
    }

    #[inline(always)]
    fn free() -> __m256i {
        avx2!(_mm256_setzero_si256())
    }

    #[inline(always)]
    fn cost(cost: __m256i, residual: Self) -> __m256i {
        avx2!({
            let sums = _mm256_sad_epu8(_mm256_abs_epi8(residual.0), _mm256_setzero_si256());
            _mm256_add_epi64(cost, sums)
        })
    }

    #[inline(always)]
    fn costs(cost: __m256i) -> [u32; 2] {
        avx2!([
            sum_of_quads(_mm256_castsi256_si128(cost)),
            sum_of_quads(_mm256_extracti128_si256::<1>(cost)),
        ])
    }
}

/// A tile of 16-bit samples.
#[derive(Clone, Copy)]
pub(crate) struct WideTen(__m256i);

impl WideTen {
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        avx2!(Self(_mm256_sub_epi16(self.0, other.0)))
    }
}

impl Vector for WideTen {
    type Sample = u16;
    type Column = Ten;
    type Cost = __m256i;

    const TILES: usize = 1;

    #[inline(always)]
    fn zero() -> Self {
        avx2!(Self(_mm256_setzero_si256()))
    }

    #[inline(always)]
    fn load(from: &[u16]) -> Self {
        let from: &[u16; 16] = from[..16].try_into().unwrap();
        avx2!(Self(_mm256_loadu_si256(from.as_ptr().cast())))
    }

    #[inline(always)]
    fn tile(self, _: usize) -> Ten {
        avx2!(Ten(_mm256_castsi256_si128(self.0), _mm256_extracti128_si256::<1>(self.0)))
    }

    #[inline(always)]
    fn median(Self(left): Self, Self(up): Self, Self(up_left): Self) -> Self {
        avx2!({
            let gradient = _mm256_sub_epi16(_mm256_add_epi16(left, up), up_left);
            let (low, high) = (_mm256_min_epi16(left, up), _mm256_max_epi16(left, up));
            Self(_mm256_max_epi16(low, _mm256_min_epi16(high, gradient)))
        })
    }

    #[inline(always)]
    fn average(left: Self, up: Self) -> Self {
        avx2!(Self(_mm256_avg_epu16(left.0, up.0)))
    }

    #[inline(always)]
    fn moved(reference: Self, left: [Self; 2], up: [Self; 2], up_left: [Self; 2]) -> Self {
        let median =
            Self::median(left[0].sub(left[1]), up[0].sub(up[1]), up_left[0].sub(up_left[1]));
        avx2!(Self(_mm256_add_epi16(reference.0, median.0)))
    }

    #[inline(always)]
    fn residual(self, prediction: Self) -> Self {
        let value = self.sub(prediction).0;
        avx2!(Self(_mm256_srai_epi16::<6>(_mm256_slli_epi16::<6>(value))))
    }

    #[inline(always)]
    fn free() -> __m256i {
        avx2!(_mm256_setzero_si256())
    }

    #[inline(always)]
    fn cost(cost: __m256i, residual: Self) -> __m256i {
        avx2!({
            let sums = _mm256_madd_epi16(_mm256_abs_epi16(residual.0), _mm256_set1_epi16(1));
            _mm256_add_epi32(cost, sums)
        })
    }

    #[inline(always)]
    fn costs(cost: __m256i) -> [u32; 2] {
        avx2!({
            let (low, high) = (_mm256_castsi256_si128(cost), _mm256_extracti128_si256::<1>(cost));
            [sum_of_words(_mm_add_epi32(low, high)), 0]
        })
    }
}
