//! The codes of a frame: how they come from counts, go over the wire, and are looked up.

use super::class::{CLASSES, FIRST_CODED, FIRST_FLAT, Symbols};
use super::format::GROUPS;
use super::huffman::{self, MAX_CLASS_LENGTH, MAX_LENGTH};
use super::streams::Code;

/// The most symbols of a class.
const ALPHABET: usize = 256;

/// Entries of a table that turns bits into symbols.
pub(crate) const LOOKUP: usize = 1 << MAX_LENGTH;

/// Entries of a table that turns bits into classes.
pub(crate) const CLASS_LOOKUP: usize = 1 << MAX_CLASS_LENGTH;

/// What occurs in a frame, or in some of its blocks.
#[derive(Clone)]
pub(crate) struct Counts {
    /// Of symbols, by group and class.
    pub symbols: Box<[[[u32; ALPHABET]; FIRST_FLAT]; GROUPS]>,
    /// Of classes, by group and the class before.
    pub classes: Box<[[[u32; CLASSES]; CLASSES]; GROUPS]>,
}

impl Counts {
    pub(crate) fn new() -> Self {
        Self {
            symbols: Box::new([[[0; ALPHABET]; FIRST_FLAT]; GROUPS]),
            classes: Box::new([[[0; CLASSES]; CLASSES]; GROUPS]),
        }
    }

    pub(crate) fn clear(&mut self) {
        *self.symbols = [[[0; ALPHABET]; FIRST_FLAT]; GROUPS];
        *self.classes = [[[0; CLASSES]; CLASSES]; GROUPS];
    }

    pub(crate) fn add(&mut self, other: &Self) {
        let own = self.symbols.as_flattened_mut().as_flattened_mut();
        for (own, other) in own.iter_mut().zip(other.symbols.as_flattened().as_flattened()) {
            *own += other;
        }
        let own = self.classes.as_flattened_mut().as_flattened_mut();
        for (own, other) in own.iter_mut().zip(other.classes.as_flattened().as_flattened()) {
            *own += other;
        }
    }
}

/// Lengths of all codes: what the wire carries, and what lookups are made from.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Lengths {
    /// By group, class and symbol; 0 where there is no code. The first class is unused.
    symbols: Box<[[[u8; ALPHABET]; FIRST_FLAT]; GROUPS]>,
    /// The largest magnitude that has a code, of classes of single residuals.
    reach: [[u8; FIRST_FLAT]; GROUPS],
    /// By group, class before and class.
    classes: Box<[[[u8; CLASSES]; CLASSES]; GROUPS]>,
}

/// Calls `each` with the symbols of a class that may have a code, ascending as bytes.
fn alphabet(class: usize, reach: u8) -> impl Iterator<Item = u8> + Clone {
    let symbols = Symbols::of(class as u8);
    let (each, bits, largest) = symbols.packing();
    let (singles, reach) = (symbols == Symbols::Singles, i16::from(reach));
    (0..=u8::MAX).filter(move |&symbol| {
        if singles {
            return i16::from(symbol as i8).abs() <= reach;
        }
        let field = |at: usize| symbol >> (bits as usize * at) & ((1 << bits) - 1);
        u32::from(symbol) >> (bits * each as u32) == 0
            && (0..each).all(|at| field(at) <= 2 * largest)
    })
}

impl Lengths {
    /// The best codes for what was counted: see [`set`](Self::set).
    pub(crate) fn new(counts: &Counts) -> Self {
        let mut new = Self::none();
        new.set(counts);
        new
    }

    /// No codes at all.
    pub(crate) fn none() -> Self {
        Self {
            symbols: Box::new([[[0; ALPHABET]; FIRST_FLAT]; GROUPS]),
            reach: [[0; FIRST_FLAT]; GROUPS],
            classes: Box::new([[[0; CLASSES]; CLASSES]; GROUPS]),
        }
    }

    /// Makes these the best codes for what was counted. Every symbol that may occur has one: those
    /// that were not seen as if seen a quarter of a time, and a class that was not seen at all as if
    /// its residuals were few and small.
    pub(crate) fn set(&mut self, counts: &Counts) {
        *self.symbols = [[[0; ALPHABET]; FIRST_FLAT]; GROUPS];
        let (mut weights, mut lengths) = ([0; ALPHABET], [0; ALPHABET]);
        for group in 0..GROUPS {
            for class in FIRST_CODED..FIRST_FLAT {
                let counts = &counts.symbols[group][class];
                let reach = if Symbols::of(class as u8) == Symbols::Singles {
                    reach_of(counts, class)
                } else {
                    0
                };
                self.reach[group][class] = reach;
                let seen = counts.iter().any(|&count| count > 0);
                let mut count = 0;
                for symbol in alphabet(class, reach) {
                    weights[count] = match counts[usize::from(symbol)] {
                        0 if seen => 1,
                        0 => presumed(class, symbol),
                        times => times.saturating_mul(4),
                    };
                    count += 1;
                }
                huffman::lengths(&weights[..count], MAX_LENGTH, &mut lengths);
                for (symbol, &length) in alphabet(class, reach).zip(&lengths) {
                    self.symbols[group][class][usize::from(symbol)] = length;
                }
            }
            for (counts, lengths) in counts.classes[group].iter().zip(&mut self.classes[group]) {
                let weights = counts.map(|count| count.saturating_mul(4).max(1));
                huffman::lengths(&weights, MAX_CLASS_LENGTH, lengths);
            }
        }
    }

    /// Bits that the symbols and classes counted would take, and what is counted without a code.
    pub(crate) fn cost(&self, counts: &Counts) -> u64 {
        let price = |(&count, &length): (&u32, &u8)| {
            u64::from(count) * if length == 0 { 2 * MAX_LENGTH as u64 } else { length.into() }
        };
        let symbols = counts.symbols.as_flattened().as_flattened().iter();
        let lengths = self.symbols.as_flattened().as_flattened();
        symbols.zip(lengths).map(price).sum()
    }

    /// Appends them as docs/protocol.md has them: half a byte for each length.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let mut nibbles = Nibbles { out, half: None };
        for group in 0..GROUPS {
            for class in FIRST_CODED..FIRST_FLAT {
                let reach = self.reach[group][class];
                if Symbols::of(class as u8) == Symbols::Singles {
                    nibbles.push(reach & 15);
                    nibbles.push(reach >> 4);
                }
                for symbol in alphabet(class, reach) {
                    nibbles.push(self.symbols[group][class][usize::from(symbol)]);
                }
            }
            self.classes[group].as_flattened().iter().for_each(|&length| nibbles.push(length));
        }
        nibbles.finish();
    }

    /// Reads what [`write`](Self::write) wrote, all of `bytes`.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Result<(), &'static str> {
        let mut nibbles = bytes.iter().flat_map(|byte| [byte & 15, byte >> 4]);
        let mut next = || nibbles.next().ok_or("tables end early");
        let mut lengths = [0; ALPHABET];
        for group in 0..GROUPS {
            for class in FIRST_CODED..FIRST_FLAT {
                let mut reach = 0;
                if Symbols::of(class as u8) == Symbols::Singles {
                    reach = next()? | next()? << 4;
                    if !(1..=127).contains(&reach) {
                        return Err("reach of a class outside 1 to 127");
                    }
                }
                self.reach[group][class] = reach;
                let own = &mut self.symbols[group][class];
                *own = [0; ALPHABET];
                let mut count = 0;
                for symbol in alphabet(class, reach) {
                    lengths[count] = next()?;
                    own[usize::from(symbol)] = lengths[count];
                    count += 1;
                }
                if !huffman::is_complete(&lengths[..count], MAX_LENGTH) {
                    return Err("code of symbols is not complete");
                }
            }
            for lengths in self.classes[group].iter_mut() {
                for length in lengths.iter_mut() {
                    *length = next()?;
                }
                if !huffman::is_complete(lengths, MAX_CLASS_LENGTH) {
                    return Err("code of classes is not complete");
                }
            }
        }
        // At most the half of a byte that is left.
        if nibbles.next().is_some_and(|rest| rest != 0) || nibbles.next().is_some() {
            return Err("bytes after the tables");
        }
        Ok(())
    }

    /// Calls `each` with the symbol, code and length of all symbols of a class.
    fn codes(&self, group: usize, class: usize, mut each: impl FnMut(usize, u32, u32)) {
        let (mut symbols, mut lengths, mut count) = ([0; ALPHABET], [0; ALPHABET], 0);
        for (symbol, &length) in self.symbols[group][class].iter().enumerate() {
            if length > 0 {
                (symbols[count], lengths[count]) = (symbol, length);
                count += 1;
            }
        }
        huffman::codes(&lengths[..count], |at, code, length| each(symbols[at], code, length));
    }
}

/// The largest magnitude among what was counted; where nothing was, what a block of the class is
/// likely to stay within.
fn reach_of(counts: &[u32; ALPHABET], class: usize) -> u8 {
    let magnitude = |symbol: usize| (symbol as u8 as i8).unsigned_abs().min(127);
    let seen = (0..ALPHABET).filter(|&symbol| counts[symbol] > 0).map(magnitude).max();
    seen.map_or(if class == 7 { 16 } else { 64 }, |seen| seen.max(1))
}

/// The weight of a symbol of a class that was not seen: it halves with every step or, in single
/// residuals, every sixth.
fn presumed(class: usize, symbol: u8) -> u32 {
    let symbols = Symbols::of(class as u8);
    let (each, bits, bias) = symbols.packing();
    let sum: u32 = match symbols {
        Symbols::Singles => u32::from((symbol as i8).unsigned_abs()) / 6,
        _ => (0..each as u32)
            .map(|at| symbol >> (bits * at) & ((1 << bits) - 1))
            .map(|field| u32::from(field.abs_diff(bias)))
            .sum(),
    };
    1 << 16_u32.saturating_sub(sum)
}

struct Nibbles<'a> {
    out: &'a mut Vec<u8>,
    half: Option<u8>,
}

impl Nibbles<'_> {
    fn push(&mut self, nibble: u8) {
        match self.half.take() {
            Some(low) => self.out.push(low | nibble << 4),
            None => self.half = Some(nibble),
        }
    }

    fn finish(self) {
        self.out.extend(self.half);
    }
}

/// Codes to write with. What has no code is 0.
pub(crate) struct Encoding {
    pub symbols: Box<[[[Code; ALPHABET]; CLASSES]; GROUPS]>,
    /// Code × 256 + length, by the class before.
    pub classes: Box<[[[u32; CLASSES]; CLASSES]; GROUPS]>,
    /// The largest magnitude that has a code; 255 where all that occurs has.
    pub reach: [[u8; CLASSES]; GROUPS],
}

impl Encoding {
    pub(crate) fn new() -> Self {
        Self {
            symbols: Box::new([[[Code::default(); ALPHABET]; CLASSES]; GROUPS]),
            classes: Box::new([[[0; CLASSES]; CLASSES]; GROUPS]),
            reach: [[255; CLASSES]; GROUPS],
        }
    }

    pub(crate) fn set(&mut self, lengths: &Lengths) {
        for group in 0..GROUPS {
            for class in FIRST_CODED..FIRST_FLAT {
                let entries = &mut self.symbols[group][class];
                *entries = [Code::default(); ALPHABET];
                lengths.codes(group, class, |symbol, code, length| {
                    entries[symbol] = Code::new(code, length);
                });
                if Symbols::of(class as u8) == Symbols::Singles {
                    self.reach[group][class] = lengths.reach[group][class];
                }
            }
            for class in FIRST_FLAT..CLASSES {
                self.symbols[group][class] =
                    std::array::from_fn(|symbol| Code::new(symbol as u32, 8));
            }
            for (entries, lengths) in self.classes[group].iter_mut().zip(&lengths.classes[group]) {
                huffman::codes(lengths, |class, code, length| entries[class] = code << 8 | length);
            }
        }
    }
}

/// Lookups to read with: each entry is symbol × 256 + length, by the bits that come.
pub(crate) struct Decoding {
    pub symbols: Box<[[[u16; LOOKUP]; CLASSES]]>,
    pub classes: Box<[[[u16; CLASS_LOOKUP]; CLASSES]]>,
}

impl Decoding {
    pub(crate) fn new() -> Self {
        let mut group = [[0; LOOKUP]; CLASSES];
        for entries in &mut group[FIRST_FLAT..] {
            *entries = std::array::from_fn(|bits| (bits as u16) << 8 | 8);
        }
        Self {
            symbols: vec![group; GROUPS].into_boxed_slice(),
            classes: vec![[[0; CLASS_LOOKUP]; CLASSES]; GROUPS].into_boxed_slice(),
        }
    }

    /// Of complete codes.
    pub(crate) fn set(&mut self, lengths: &Lengths) {
        for group in 0..GROUPS {
            for class in FIRST_CODED..FIRST_FLAT {
                let mut filling = Filling { entries: &mut self.symbols[group][class], bits: 0 };
                lengths.codes(group, class, |symbol, code, length| {
                    filling.enter(symbol, code, length);
                });
                filling.repeat(MAX_LENGTH as u32);
            }
            for (entries, lengths) in self.classes[group].iter_mut().zip(&lengths.classes[group]) {
                let mut filling = Filling { entries, bits: 0 };
                huffman::codes(lengths, |class, code, length| filling.enter(class, code, length));
                filling.repeat(MAX_CLASS_LENGTH as u32);
            }
        }
    }
}

/// A lookup that is made from codes of ascending length: what it has for as many bits as the longest so
/// far, twice, is what it has for one more, but for the codes of that length.
struct Filling<'a> {
    entries: &'a mut [u16],
    bits: u32,
}

impl Filling<'_> {
    fn enter(&mut self, symbol: usize, code: u32, length: u32) {
        self.repeat(length);
        self.entries[code as usize] = (symbol as u16) << 8 | length as u16;
    }

    /// Up to entries for that many bits.
    fn repeat(&mut self, bits: u32) {
        while self.bits < bits {
            let half = 1 << self.bits;
            self.entries.copy_within(..half, half);
            self.bits += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted() -> Counts {
        let mut counts = Counts::new();
        for group in 0..GROUPS {
            for class in [1, 4, 6, 7, 12] {
                for symbol in alphabet(class, 20 * group as u8 + 9) {
                    counts.symbols[group][class][usize::from(symbol)] = u32::from(symbol) % 7;
                }
            }
            counts.classes[group][3][4] = 100;
        }
        counts
    }

    #[test]
    fn tables_come_back_as_they_were_sent() {
        for counts in [Counts::new(), counted()] {
            let lengths = Lengths::new(&counts);
            let mut sent = Vec::new();
            lengths.write(&mut sent);
            let mut back = Lengths::new(&Counts::new());
            assert_eq!(back.read(&sent), Ok(()));
            assert!(back == lengths);
            for len in 0..sent.len() {
                assert_eq!(back.read(&sent[..len]), Err("tables end early"));
            }
            sent.push(0);
            assert_eq!(back.read(&sent), Err("bytes after the tables"));
        }
    }

    #[test]
    fn every_symbol_of_a_class_has_a_code() {
        for counts in [Counts::new(), counted()] {
            let mut encoding = Encoding::new();
            encoding.set(&Lengths::new(&counts));
            for (class, symbols) in [(1, 81), (2, 81), (3, 49), (4, 49), (5, 225), (6, 225)] {
                let coded =
                    encoding.symbols[0][class].iter().filter(|code| code.length() > 0).count();
                assert_eq!(coded, symbols);
            }
            for class in 7..FIRST_FLAT {
                let reach = encoding.reach[1][class];
                for residual in -i16::from(reach)..=i16::from(reach) {
                    assert_ne!(encoding.symbols[1][class][usize::from(residual as u8)].length(), 0);
                }
            }
        }
    }

    #[test]
    fn bits_are_looked_up_as_the_symbol_that_they_were_written_for() {
        let lengths = Lengths::new(&counted());
        let (mut encoding, mut decoding) = (Encoding::new(), Decoding::new());
        encoding.set(&lengths);
        decoding.set(&lengths);
        for group in 0..GROUPS {
            for class in FIRST_CODED..CLASSES {
                for (symbol, code) in encoding.symbols[group][class].iter().enumerate() {
                    if code.length() > 0 {
                        let bits = (code.0 >> (u64::BITS - code.length())) as usize;
                        // Whatever bits come behind it.
                        let found = &decoding.symbols[group][class][bits..];
                        for &found in found.iter().step_by(1 << code.length()) {
                            assert_eq!(u32::from(found), (symbol as u32) << 8 | code.length());
                        }
                    }
                }
            }
        }
    }
}
