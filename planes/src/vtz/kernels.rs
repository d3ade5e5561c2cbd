//! The loops over many blocks, for each set of instructions.

use super::class::{CLASSES, low_bits};
use super::depth::Depth;
use super::isa::Isa;
use super::streams::{self, Cursor, STREAMS, Writer};
use super::strip::BLOCK;
use super::tables::LOOKUP;

/// Sorts blocks into classes.
pub(crate) fn classify<S: Depth>(
    isa: Isa,
    residuals: &[[S; BLOCK]],
    symbols: &mut [[u8; BLOCK]],
    (low, low_len): (&mut Vec<u8>, &mut usize),
    classes: &mut [u8],
    reaches: &mut [u8],
) {
    let blocks = residuals.iter().zip(symbols).zip(classes).zip(reaches);
    for (((block, symbols), class), reach) in blocks {
        let mut unused = [0; 16];
        let end = low.len();
        let room = low[(*low_len).min(end)..].first_chunk_mut().unwrap_or(&mut unused);
        let classified = S::classify(isa, block, symbols, room);
        (*class, *reach) = (classified.class, classified.reach);
        *low_len += 8 * low_bits(classified.class);
    }
}

/// See [`Writer::write`].
pub(crate) fn write(
    isa: Isa,
    writer: &mut Writer,
    codes: &[[u32; 256]; CLASSES],
    classes: &[u8],
    symbols: &[u8],
) {
    match isa {
        Isa::Scalar => writer.write(codes, classes, symbols),
    }
}

/// See [`streams::read`].
pub(crate) fn read(
    isa: Isa,
    lookups: &[[u16; LOOKUP]; CLASSES],
    classes: &[u8],
    data: &[u8],
    cursors: &mut [Cursor; STREAMS],
    symbols: &mut [u8],
) -> Option<()> {
    match isa {
        Isa::Scalar => streams::read(lookups, classes, data, cursors, symbols),
    }
}

/// Residuals of blocks from their symbols and their low bits, which are taken from the front of
/// `low`.
pub(crate) fn expand<S: Depth>(
    isa: Isa,
    classes: &[u8],
    symbols: &mut [u8],
    low: &mut &[u8],
    residuals: &mut [[S; BLOCK]],
) {
    let symbols = symbols.as_chunks_mut().0;
    for ((&class, symbols), block) in classes.iter().zip(symbols).zip(residuals) {
        let (own, rest) = low.split_at(8 * low_bits(class));
        S::expand(isa, class, symbols, own, block);
        *low = rest;
    }
}
