//! Symbols in eight streams of bits, least significant first, which a processor can follow at once.

use super::class::{CLASSES, Symbols};
use super::strip::BLOCK;
use super::tables::LOOKUP;

/// How many streams: residuals 8j to 8j + 7 of every block are in stream j.
pub(crate) const STREAMS: usize = 8;

/// The most bytes that a block adds to a stream.
const BLOCK_BYTES: usize = 11;

/// Writes the streams of a slice.
#[derive(Default)]
pub(crate) struct Writer {
    streams: [Stream; STREAMS],
}

#[derive(Default)]
struct Stream {
    bytes: Vec<u8>,
    len: usize,
    /// Fewer than eight bits that no whole byte holds yet.
    rest: u64,
    bits: u32,
}

impl Writer {
    /// Forgets what was written, and makes room for that many blocks.
    pub(crate) fn start(&mut self, blocks: usize) {
        for stream in &mut self.streams {
            let room = blocks * BLOCK_BYTES + 2 * size_of::<u64>();
            if stream.bytes.len() < room {
                stream.bytes.resize(room, 0);
            }
            (stream.len, stream.rest, stream.bits) = (0, 0, 0);
        }
    }

    /// Appends blocks with their classes, whose symbols lie in the front of 64 bytes each.
    #[inline(always)]
    pub(crate) fn write(&mut self, codes: &[[u32; 256]; CLASSES], classes: &[u8], symbols: &[u8]) {
        let symbols = symbols.as_chunks::<BLOCK>().0;
        for (half, streams) in self.streams.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            let mut state = streams.each_ref().map(|stream| (stream.len, stream.rest, stream.bits));
            let bytes = streams.each_mut().map(|stream| &mut stream.bytes[..]);
            for (&class, symbols) in classes.iter().zip(symbols) {
                let codes = &codes[usize::from(class)];
                macro_rules! put {
                    ($each:literal, $from:expr, $count:literal) => {
                        for stream in 0..4 {
                            let at = (4 * half + stream) * $each + $from;
                            let symbols: &[u8; $count] =
                                symbols[at..at + $count].try_into().unwrap();
                            let (len, rest, bits) = &mut state[stream];
                            put(codes, symbols, bytes[stream], len, rest, bits);
                        }
                    };
                }
                match Symbols::of(class) {
                    Symbols::None => {}
                    Symbols::Quads => put!(2, 0, 2),
                    Symbols::ThreeBitPairs | Symbols::FourBitPairs => put!(4, 0, 4),
                    Symbols::Singles => {
                        put!(8, 0, 4);
                        put!(8, 4, 4);
                    }
                }
            }
            for (stream, (len, rest, bits)) in streams.iter_mut().zip(state) {
                (stream.len, stream.rest, stream.bits) = (len, rest, bits);
            }
        }
    }

    /// The streams, each filled up with zero bits to a whole byte.
    pub(crate) fn finish(&mut self) -> [&[u8]; STREAMS] {
        for stream in &mut self.streams {
            if stream.bits > 0 {
                stream.bytes[stream.len] = stream.rest as u8;
                stream.len += 1;
                (stream.rest, stream.bits) = (0, 0);
            }
        }
        self.streams.each_ref().map(|stream| &stream.bytes[..stream.len])
    }
}

#[inline(always)]
fn put<const COUNT: usize>(
    codes: &[u32; 256],
    symbols: &[u8; COUNT],
    bytes: &mut [u8],
    len: &mut usize,
    rest: &mut u64,
    bits: &mut u32,
) {
    // Two by two, so that the codes of a batch do not all wait for each other's lengths.
    let (mut word, mut length) = (0, 0);
    for pair in symbols.as_chunks::<2>().0 {
        let [first, second] = pair.map(|symbol| u64::from(codes[usize::from(symbol)]));
        let both = first >> 8 | (second >> 8) << (first & 63);
        word |= both << (length & 63);
        length += (first & 255) + (second & 255);
    }
    *rest |= word << (*bits & 63);
    *bits += length as u32;
    bytes[*len..*len + 8].copy_from_slice(&rest.to_le_bytes());
    *len += (*bits >> 3) as usize;
    *rest >>= *bits & 0x38;
    *bits &= 7;
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

/// Reads the symbols of blocks of these classes into the front of 64 bytes each. `None` if a stream
/// ends before them. `data` holds eight bytes more than the streams.
#[inline(always)]
pub(crate) fn read(
    lookups: &[[u16; LOOKUP]; CLASSES],
    classes: &[u8],
    data: &[u8],
    cursors: &mut [Cursor; STREAMS],
    symbols: &mut [u8],
) -> Option<()> {
    let mut at = cursors.map(|cursor| cursor.at);
    let end = cursors.map(|cursor| cursor.end);
    for (&class, symbols) in classes.iter().zip(symbols.as_chunks_mut::<BLOCK>().0) {
        let lookup = &lookups[usize::from(class).min(CLASSES - 1)];
        macro_rules! take {
            ($each:literal, $from:literal, $count:literal) => {
                for half in [0, 4] {
                    let mut words = [0; 4];
                    for stream in 0..4 {
                        words[stream] = word(data, at[half + stream])?;
                    }
                    let mut lengths = [0; 4];
                    for symbol in 0..$count {
                        for stream in 0..4 {
                            let entry = lookup[words[stream] as usize % LOOKUP];
                            words[stream] >>= entry & 63;
                            lengths[stream] += usize::from(entry & 255);
                            symbols[(half + stream) * $each + $from + symbol] = (entry >> 8) as u8;
                        }
                    }
                    for stream in 0..4 {
                        at[half + stream] += lengths[stream];
                    }
                }
            };
        }
        match Symbols::of(class) {
            Symbols::None => continue,
            Symbols::Quads => take!(2, 0, 2),
            Symbols::ThreeBitPairs | Symbols::FourBitPairs => take!(4, 0, 4),
            Symbols::Singles => {
                take!(8, 0, 4);
                take!(8, 4, 4);
            }
        }
        if at.iter().zip(&end).any(|(at, end)| at > end) {
            return None;
        }
    }
    for (cursor, at) in cursors.iter_mut().zip(at) {
        cursor.at = at;
    }
    Some(())
}

/// At least 57 bits from there on.
#[inline(always)]
fn word(data: &[u8], at: usize) -> Option<u64> {
    let bytes = data.get(at >> 3..)?.first_chunk()?;
    Some(u64::from_le_bytes(*bytes) >> (at & 7))
}
