//! Blocks of 64 residuals, sorted by how active they are: each class has its own symbols and its
//! own code.

use super::strip::BLOCK;

/// How many classes there are.
pub(crate) const CLASSES: usize = 20;

/// The first of the classes whose symbols have a code that is told; class 0 has no symbols.
pub(crate) const FIRST_CODED: usize = 1;

/// The first of the flat classes, whose symbols are eight bits as they are.
pub(crate) const FIRST_FLAT: usize = 17;

/// What one symbol of a class stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Symbols {
    /// Nothing: all residuals are zero.
    None,
    /// Four residuals of −1 to 1, two bits for each.
    Quads,
    /// Two residuals of −3 to 3, three bits for each.
    ThreeBitPairs,
    /// Two residuals of −7 to 7, four bits for each.
    FourBitPairs,
    /// One residual of −128 to 127.
    Singles,
}

impl Symbols {
    /// Of a class.
    pub(crate) fn of(class: u8) -> Self {
        match class {
            0 => Self::None,
            1 | 2 => Self::Quads,
            3 | 4 => Self::ThreeBitPairs,
            5 | 6 => Self::FourBitPairs,
            _ => Self::Singles,
        }
    }

    /// Residuals in a symbol, bits for each of them, and the largest magnitude.
    pub(crate) fn packing(self) -> (usize, u32, u8) {
        match self {
            Self::None => (BLOCK, 0, 0),
            Self::Quads => (4, 2, 1),
            Self::ThreeBitPairs => (2, 3, 3),
            Self::FourBitPairs => (2, 4, 7),
            Self::Singles => (1, 8, 127),
        }
    }

    /// How many of them a block has.
    pub(crate) fn in_block(self) -> usize {
        match self {
            Self::None => 0,
            _ => BLOCK / self.packing().0,
        }
    }
}

/// How many low bits of each residual a class leaves out of its symbols: with ten bits only.
pub(crate) fn low_bits(class: u8) -> usize {
    match class {
        13 | 14 | 18 => 1,
        15 | 16 | 19 => 2,
        _ => 0,
    }
}

/// The flat class that leaves out that many low bits.
pub(crate) fn flat(low_bits: usize) -> u8 {
    (FIRST_FLAT + low_bits) as u8
}

/// The class that a block is tried in, from the largest magnitude of its residuals and their sum.
/// A choice of the writer's; the bounds were found on decoded video and on photographs.
pub(crate) fn choose(largest: u32, sum: u32) -> u8 {
    match (largest, sum) {
        (0, _) => 0,
        (1, ..=12) => 1,
        (1, _) => 2,
        (..=3, ..=44) => 3,
        (..=3, _) => 4,
        (..=7, ..=104) => 5,
        (..=7, _) => 6,
        (_, ..=144) => 7,
        (_, ..=208) => 8,
        (_, ..=304) => 9,
        (_, ..=448) => 10,
        (_, ..=736) => 11,
        _ => 12,
    }
}

/// The same with ten bits.
pub(crate) fn choose_ten(largest: u32, sum: u32) -> u8 {
    match (largest, sum) {
        (..=127, ..=736) => choose(largest, sum),
        (..=255, ..=1100) => 13,
        (..=255, ..=1700) => 14,
        (_, ..=2700) => 15,
        _ => 16,
    }
}

/// A block in its class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Classified {
    /// From [`choose`] or [`choose_ten`].
    pub class: u8,
    /// No symbol of [`Symbols::Singles`] has a larger magnitude.
    pub reach: u8,
}

/// Sorts a block of 8-bit residuals and writes its symbols to the front of `symbols`.
pub(crate) fn classify_eight(block: &[u8; BLOCK], symbols: &mut [u8; BLOCK]) -> Classified {
    let magnitude = |residual: u8| u32::from(residual.min(residual.wrapping_neg()));
    let largest = block.iter().map(|&residual| magnitude(residual)).max().unwrap_or(0);
    let class = choose(largest, block.iter().map(|&residual| magnitude(residual)).sum());
    *symbols = *block;
    pack(symbols, class);
    Classified { class, reach: largest as u8 }
}

/// Sorts a block of 10-bit residuals, writes its symbols to the front of `symbols` and its low bits
/// to that of `low`: for each of [`low_bits`] 64 of them, eight bytes.
pub(crate) fn classify_ten(
    block: &[u16; BLOCK],
    symbols: &mut [u8; BLOCK],
    low: &mut [u8; 16],
) -> Classified {
    let magnitude = |residual: u16| u32::from((residual as i16).unsigned_abs());
    let largest = block.iter().map(|&residual| magnitude(residual)).max().unwrap_or(0);
    let class = choose_ten(largest, block.iter().map(|&residual| magnitude(residual)).sum());
    let shift = low_bits(class);
    for (symbol, &residual) in symbols.iter_mut().zip(block) {
        *symbol = ((residual as i16) >> shift) as u8;
    }
    for (bit, plane) in low.as_chunks_mut().0.iter_mut().take(shift).enumerate() {
        *plane = plane_of(block.iter().map(|&residual| residual >> bit & 1 == 1)).to_le_bytes();
    }
    pack(symbols, class);
    Classified { class, reach: ((largest >> shift) + u32::from(shift > 0)) as u8 }
}

/// Sixty-four bits, the first the least significant.
fn plane_of(bits: impl Iterator<Item = bool>) -> u64 {
    bits.enumerate().fold(0, |plane, (at, bit)| plane | u64::from(bit) << at)
}

/// Puts what a class takes together into one symbol each.
fn pack(block: &mut [u8; BLOCK], class: u8) {
    let (each, bits, bias) = Symbols::of(class).packing();
    if each == 1 || bits == 0 {
        return;
    }
    for symbol in 0..BLOCK / each {
        let residuals = &block[symbol * each..(symbol + 1) * each];
        block[symbol] = residuals
            .iter()
            .rev()
            .fold(0, |symbol, residual| symbol << bits | residual.wrapping_add(bias));
    }
}

/// Turns the symbols of a class, in the front of `block`, into residuals, without their low bits.
pub(crate) fn unpack(block: &mut [u8; BLOCK], class: u8) {
    let (each, bits, bias) = Symbols::of(class).packing();
    match each {
        1 => {}
        BLOCK => block.fill(0),
        _ => {
            for at in (0..BLOCK).rev() {
                let field = block[at / each] >> (bits as usize * (at % each)) & ((1 << bits) - 1);
                block[at] = field.wrapping_sub(bias);
            }
        }
    }
}

/// 10-bit residuals from what [`unpack`] gives and the block's low bits.
pub(crate) fn widen(symbols: &[u8; BLOCK], low: &[u8], residuals: &mut [u16; BLOCK]) {
    let planes = low.as_chunks().0;
    for (at, (residual, &symbol)) in residuals.iter_mut().zip(symbols).enumerate() {
        let high = i16::from(symbol as i8) << planes.len();
        *residual = planes.iter().enumerate().fold(high as u16, |residual, (bit, &plane)| {
            residual | ((u64::from_le_bytes(plane) >> at & 1) as u16) << bit
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(seed: u32, spread: u32) -> [u8; BLOCK] {
        let mut state = seed | 1;
        std::array::from_fn(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 16) % (2 * spread + 1)).wrapping_sub(spread) as u8
        })
    }

    #[test]
    fn symbols_give_back_the_residuals_of_every_class() {
        for spread in [0, 1, 2, 3, 5, 7, 8, 12, 20, 40, 90, 127] {
            for seed in 0..50 {
                let residuals = block(seed, spread);
                let mut symbols = [0; BLOCK];
                let Classified { class, reach } = classify_eight(&residuals, &mut symbols);
                assert!(usize::from(class) < 13 && u32::from(reach) <= spread);
                unpack(&mut symbols, class);
                assert_eq!(symbols, residuals, "class {class}");
            }
        }
    }

    #[test]
    fn ten_bits_come_back_with_their_low_bits() {
        for spread in [0, 1, 3, 7, 30, 100, 127, 128, 200, 255, 256, 400, 511] {
            for seed in 0..50 {
                let mut state: u32 = seed * 77 + 1;
                let residuals: [u16; BLOCK] = std::array::from_fn(|_| {
                    state = (state * 75 + 74) % 65_537;
                    (state % (2 * spread + 1)).wrapping_sub(spread) as u16
                });
                let (mut symbols, mut low) = ([0; BLOCK], [0; 16]);
                let Classified { class, reach } = classify_ten(&residuals, &mut symbols, &mut low);
                unpack(&mut symbols, class);
                let largest = symbols.iter().map(|&symbol| (symbol as i8).unsigned_abs()).max();
                assert!(largest.is_some_and(|largest| largest <= reach));
                let mut back = [0; BLOCK];
                widen(&symbols, &low[..8 * low_bits(class)], &mut back);
                assert_eq!(back, residuals, "class {class}");
            }
        }
    }

    #[test]
    fn the_first_residual_of_a_symbol_is_its_lowest_field() {
        let (mut residuals, mut symbols) = ([0; BLOCK], [0; BLOCK]);
        residuals[1] = 1;
        residuals[2] = 255;
        classify_eight(&residuals, &mut symbols);
        assert_eq!(symbols[0], 0b01_00_10_01);
        unpack(&mut symbols, 1);
        assert_eq!(symbols[..4], [0, 1, 255, 0]);
    }
}
