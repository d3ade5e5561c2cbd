//! Symbols in eight streams of bits, least significant first, which a processor can follow at once.

use super::class::{CLASSES, Symbols};
use super::strip::BLOCK;
use super::tables::LOOKUP;

/// How many streams: residuals 8j to 8j + 7 of every block are in stream j.
pub(crate) const STREAMS: usize = 8;

/// The most bytes that a block adds to a stream.
const BLOCK_BYTES: usize = 11;

/// What a stream is written to at once: eight bytes from one of the first eight on.
const ROOM: usize = 16;

/// Writes the streams of a slice.
#[derive(Default)]
pub(crate) struct Writer {
    /// All streams, each with room of its own.
    bytes: Vec<u8>,
    streams: [Stream; STREAMS],
}

#[derive(Default)]
struct Stream {
    start: usize,
    /// Where the next whole byte goes. A slice and all that it may become are far below 4 GiB.
    at: u32,
    /// The last bits in the highest places, the very last the highest; those that no whole byte holds
    /// yet are among them. What is below has been written, or is lengths of codes.
    last: u64,
    /// How many no whole byte holds yet: fewer than eight.
    rest: u64,
}

/// A code to write with: its bits in the highest places, and its length in the lowest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Code(pub u64);

impl Code {
    pub(crate) fn new(bits: u32, length: u32) -> Self {
        Self(u64::from(bits) << (u64::BITS - length) | u64::from(length))
    }
}

#[cfg(test)]
impl Code {
    /// In bits; none has 0.
    pub(crate) fn length(self) -> u32 {
        self.0 as u32 & 63
    }
}

impl Writer {
    /// Forgets what was written, and makes room for that many blocks.
    pub(crate) fn start(&mut self, blocks: usize) {
        let room = blocks * BLOCK_BYTES + ROOM;
        if self.bytes.len() < room * STREAMS {
            self.bytes.resize(room * STREAMS, 0);
        }
        for (number, stream) in self.streams.iter_mut().enumerate() {
            let start = number * room;
            *stream = Stream { start, at: start as u32, last: 0, rest: 0 };
        }
    }

    /// Appends blocks with their classes, whose symbols lie in the front of 64 bytes each.
    #[inline(always)]
    pub(crate) fn write(&mut self, codes: &[[Code; 256]; CLASSES], classes: &[u8], symbols: &[u8]) {
        let Self { bytes, streams } = self;
        for (&class, symbols) in classes.iter().zip(symbols.as_chunks::<BLOCK>().0) {
            let codes = &codes[usize::from(class)];
            macro_rules! put {
                ($each:literal) => {
                    for (stream, symbols) in streams.iter_mut().zip(symbols.as_chunks().0) {
                        stream.put::<$each>(codes, symbols, bytes);
                    }
                };
            }
            match Symbols::of(class) {
                Symbols::None => {}
                Symbols::Quads => put!(2),
                Symbols::ThreeBitPairs | Symbols::FourBitPairs => put!(4),
                Symbols::Singles => put!(8),
            }
        }
    }

    /// The streams, each filled up with zero bits to a whole byte.
    pub(crate) fn finish(&mut self) -> [&[u8]; STREAMS] {
        let Self { bytes, streams } = self;
        for stream in &mut *streams {
            if stream.rest > 0 {
                bytes[stream.at as usize] = (stream.last >> (u64::BITS as u64 - stream.rest)) as u8;
                stream.at += 1;
                stream.rest = 0;
            }
        }
        streams.each_ref().map(|stream| &bytes[stream.start..stream.at as usize])
    }
}

impl Stream {
    /// Appends the codes of symbols.
    #[inline(always)]
    fn put<const COUNT: usize>(
        &mut self,
        codes: &[Code; 256],
        symbols: &[u8; COUNT],
        bytes: &mut [u8],
    ) {
        let (mut last, mut bits, mut at) = (self.last, self.rest, 0);
        let first = self.at as usize;
        let room: &mut [u8; ROOM] = (&mut bytes[first..first + ROOM]).try_into().unwrap();
        for symbols in symbols.chunks(4) {
            for &symbol in symbols {
                let Code(code) = codes[usize::from(symbol)];
                last = last >> (code & 63) | code;
                // Its own bits are far above those of the sum of lengths.
                bits = bits.wrapping_add(code);
            }
            // At most 51: four codes of eleven, and seven.
            bits &= 63;
            let word = last >> (bits.wrapping_neg() & 63);
            room[at..at + 8].copy_from_slice(&word.to_le_bytes());
            at += bits as usize >> 3;
            bits &= 7;
        }
        *self = Self { start: self.start, at: self.at + at as u32, last, rest: bits };
    }
}

/// Where a stream is read, in bits from the start of the data, and where it ends.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cursor {
    pub at: usize,
    pub end: usize,
}

impl Cursor {
    /// Whether all was read but the bits that fill up the last byte.
    pub(crate) fn is_done(self) -> bool {
        self.at <= self.end && self.end - self.at < 8
    }
}

/// Blocks that are looked up before any is handed on: what was written in small pieces is in memory by
/// the time that it is read in large ones.
const AHEAD: usize = 8;

/// Looks up the symbols of blocks of these classes, and gives each block's entries, of which there are
/// [`Symbols::in_block`] in front, to `each`, with its number. `None` if a stream ends before them. `data`
/// holds eight bytes more than the streams.
#[inline(always)]
pub(crate) fn read(
    lookups: &[[u16; LOOKUP]; CLASSES],
    classes: &[u8],
    data: &[u8],
    cursors: &mut [Cursor; STREAMS],
    mut each: impl FnMut(usize, &[u16; BLOCK]),
) -> Option<()> {
    let mut blocks = [[0; BLOCK]; AHEAD];
    for (first, classes) in classes.chunks(AHEAD).enumerate() {
        for (entries, &class) in blocks.iter_mut().zip(classes) {
            let lookup = &lookups[usize::from(class).min(CLASSES - 1)];
            match Symbols::of(class) {
                Symbols::None => {}
                Symbols::Quads => take::<2, 0, 2>(cursors, lookup, data, entries)?,
                Symbols::ThreeBitPairs | Symbols::FourBitPairs => {
                    take::<4, 0, 4>(cursors, lookup, data, entries)?;
                }
                Symbols::Singles => {
                    take::<8, 0, 4>(cursors, lookup, data, entries)?;
                    take::<8, 4, 4>(cursors, lookup, data, entries)?;
                }
            }
        }
        for (at, entries) in blocks.iter().take(classes.len()).enumerate() {
            each(first * AHEAD + at, entries);
        }
    }
    cursors.iter().all(|cursor| cursor.at <= cursor.end).then_some(())
}

/// Looks up symbols `FROM` and the `COUNT` from there on, at most four, of the `EACH` that every stream has in
/// a block: 44 bits. A stream's symbols wait for each other; so all streams go step by step together, which
/// keeps a processor busy however few instructions it looks ahead.
#[inline(always)]
fn take<const EACH: usize, const FROM: usize, const COUNT: usize>(
    cursors: &mut [Cursor; STREAMS],
    lookup: &[u16; LOOKUP],
    data: &[u8],
    entries: &mut [u16; BLOCK],
) -> Option<()> {
    let mut words = [0; STREAMS];
    for (word, cursor) in words.iter_mut().zip(&*cursors) {
        let first = cursor.at >> 3;
        let bytes = data.get(first..first + 8)?.first_chunk()?;
        // The highest bit, which is not needed, will tell how far the word was shifted from here on.
        *word = u64::from_le_bytes(*bytes) >> (cursor.at & 7) | 1 << 63;
    }
    for step in FROM..FROM + COUNT {
        for (stream, word) in words.iter_mut().enumerate() {
            let entry = lookup[*word as usize % LOOKUP];
            *word >>= entry & 63;
            entries[stream * EACH + step] = entry;
        }
    }
    for (cursor, word) in cursors.iter_mut().zip(words) {
        cursor.at += word.leading_zeros() as usize;
    }
    Some(())
}
