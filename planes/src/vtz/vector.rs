//! What the kernels ask of a processor: samples side by side.

use super::sample::Sample;
use super::strip::BLOCK;

/// Samples of one or two tiles in a row.
pub(crate) trait Vector: Copy {
    type Sample: Sample;
    /// Sixteen of them.
    type Column: Column<Sample = Self::Sample>;
    /// Sums of magnitudes.
    type Cost: Copy;

    /// Tiles that it is as wide as: 1 or 2.
    const TILES: usize;

    fn zero() -> Self;
    /// The first 16 · `TILES` of them.
    fn load(from: &[Self::Sample]) -> Self;
    /// Samples of one tile.
    fn tile(self, tile: usize) -> Self::Column;

    /// See [`Sample`], for each of them.
    fn median(left: Self, up: Self, up_left: Self) -> Self;
    fn average(left: Self, up: Self) -> Self;
    fn moved(reference: Self, left: [Self; 2], up: [Self; 2], up_left: [Self; 2]) -> Self;
    fn residual(self, prediction: Self) -> Self;

    fn free() -> Self::Cost;
    /// With the magnitudes of residuals.
    fn cost(cost: Self::Cost, residual: Self) -> Self::Cost;
    /// By tile.
    fn costs(cost: Self::Cost) -> [u32; 2];
}

/// Sixteen samples, of the lanes of one step.
pub(crate) trait Column: Vector<Column = Self> {
    type Bytes: Bytes;

    fn splat(sample: Self::Sample) -> Self;
    fn store(self, to: &mut [Self::Sample]);
    fn restore(prediction: Self, residual: Self) -> Self;
    /// Each lane from the one before, and the first from `first`.
    fn shift_in(self, first: Self::Sample) -> Self;
    /// The first `count` of these, the others from `rest`.
    fn first(self, count: usize, rest: Self) -> Self;
    fn transpose(rows: &mut [Self; 16]);

    /// The largest magnitude of a block, and the sum of them.
    fn activity(block: &[Self; 4]) -> (u32, u32);
    /// Two's complement of the residuals without that many low bits, which fits into bytes.
    fn narrow(self, low_bits: usize) -> Self::Bytes;
    /// The other way, with zeros in the low bits.
    fn widen(bytes: Self::Bytes, low_bits: usize) -> Self;
    /// The residuals in zigzag order: the low eight bits, and what is above.
    fn zigzag(self) -> [Self::Bytes; 2];
    /// The other way.
    fn unzigzag(parts: [Self::Bytes; 2]) -> Self;
    /// The low bits of the residuals, eight of them.
    fn low(self) -> Self::Bytes;
    /// With the low bits of `low`, where these have zeros.
    fn with_low(self, low: Self::Bytes) -> Self;
}

/// Sixteen bytes.
pub(crate) trait Bytes: Copy {
    fn splat(byte: u8) -> Self;
    /// The high bytes.
    fn high(of: &[u16; 16]) -> Self;
    fn store(self, to: &mut [u8; 16]);
    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    fn and(self, other: Self) -> Self;
    fn or(self, other: Self) -> Self;
    fn shift_left<const BY: i32>(self) -> Self;
    fn shift_right<const BY: i32>(self) -> Self;
    /// Up to eight bits to the left, of bytes that stay below 256.
    fn raise(self, by: usize) -> Self;
    /// The even and the odd ones of twice sixteen.
    fn unzip(self, second: Self) -> [Self; 2];
    /// The other way.
    fn zip(even: Self, odd: Self) -> [Self; 2];
    /// The highest bit of each, the first the least significant.
    fn mask(self) -> u16;
    /// All bits set where the mask has one.
    fn from_mask(mask: u16) -> Self;
}

/// A block's sixteen bytes at a time.
#[inline(always)]
pub(crate) fn store<B: Bytes>(parts: [B; 4], block: &mut [u8; BLOCK]) {
    for (part, to) in parts.into_iter().zip(block.as_chunks_mut().0) {
        part.store(to);
    }
}

/// A set of instructions.
pub(crate) trait Family {
    type Eight: Column<Sample = u8>;
    type EightWide: Vector<Sample = u8, Column = Self::Eight>;
    type Ten: Column<Sample = u16>;
    type TenWide: Vector<Sample = u16, Column = Self::Ten>;
}

/// Something that each family can do in its own way.
pub(crate) trait Task {
    type Output;
    /// As the reference has it.
    fn scalar(self) -> Self::Output;
    /// The same. To be inlined into a function that has the instructions.
    fn vector<F: Family>(self) -> Self::Output;
}
