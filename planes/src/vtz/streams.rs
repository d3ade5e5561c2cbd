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

/// Reads the symbols of blocks of these classes, and gives each block's in the front of 64 bytes to
/// `each`, with its number. `None` if a stream ends before them. `data` holds eight bytes more than
/// the streams.
#[inline(always)]
pub(crate) fn read(
    lookups: &[[u16; LOOKUP]; CLASSES],
    classes: &[u8],
    data: &[u8],
    cursors: &mut [Cursor; STREAMS],
    mut each: impl FnMut(usize, &mut [u8; BLOCK]),
) -> Option<()> {
    let mut at = cursors.map(|cursor| cursor.at);
    for (block, &class) in classes.iter().enumerate() {
        let mut symbols = [0; BLOCK];
        let lookup = &lookups[usize::from(class).min(CLASSES - 1)];
        macro_rules! take {
            ($($stream:literal)*; $each:literal, $count:literal) => {{$(
                let batch = take::<$count>(lookup, data, &mut at[$stream])?;
                symbols[$stream * $each..][..$count].copy_from_slice(&batch);
                if $each > $count {
                    let batch = take::<$count>(lookup, data, &mut at[$stream])?;
                    symbols[$stream * $each + $count..][..$count].copy_from_slice(&batch);
                }
            )*}};
        }
        match Symbols::of(class) {
            Symbols::None => {}
            Symbols::Quads => take!(0 1 2 3 4 5 6 7; 2, 2),
            Symbols::ThreeBitPairs | Symbols::FourBitPairs => take!(0 1 2 3 4 5 6 7; 4, 4),
            Symbols::Singles => take!(0 1 2 3 4 5 6 7; 8, 4),
        }
        each(block, &mut symbols);
    }
    for (cursor, at) in cursors.iter_mut().zip(at) {
        cursor.at = at;
    }
    cursors.iter().all(|cursor| cursor.at <= cursor.end).then_some(())
}

/// Up to four symbols of a stream: 44 bits.
///
/// They are put together in a register. Stored one by one they would be bait for a compiler that
/// makes vectors of everything, lengths included, lane by lane.
#[inline(always)]
fn take<const COUNT: usize>(
    lookup: &[u16; LOOKUP],
    data: &[u8],
    at: &mut usize,
) -> Option<[u8; COUNT]> {
    let mut word = word(data, *at)?;
    let (mut symbols, mut length) = (0_u32, 0_u32);
    for symbol in 0..COUNT {
        let entry = u32::from(lookup[word as usize % LOOKUP]);
        word >>= entry & 63;
        symbols |= (entry >> 8) << (8 * symbol);
        length += entry;
    }
    *at += (length & 255) as usize;
    symbols.to_le_bytes().first_chunk().copied()
}

/// At least 57 bits from there on.
#[inline(always)]
fn word(data: &[u8], at: usize) -> Option<u64> {
    let bytes = data.get(at >> 3..)?.first_chunk()?;
    Some(u64::from_le_bytes(*bytes) >> (at & 7))
}
