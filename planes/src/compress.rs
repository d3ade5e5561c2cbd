use std::ops::Range;

use lz4_flex::block::{CompressTable, compress_into_with_table, get_maximum_output_size};
use zstd_safe::zstd_sys::ZSTD_EndDirective;
use zstd_safe::{CCtx, CParameter, InBuffer, OutBuffer, ResetDirective, get_error_name};

use crate::{Compression, Error, Layout, MAX_PLANE_BYTES, Source, max_compressed_len};

/// Level 1 is what keeps up with a camera: level 3 takes three times as long for a few per cent.
const ZSTD_LEVEL: i32 = 1;

/// Window of 16 MiB, cut down to the slice by zstd: the whole of a 10-bit 4K plane. With level 1's
/// own 512 KiB, a larger plane that comes in pieces wraps around in zstd's buffer: on 8-bit chroma
/// of 1080p and 4K that measured 10 to 20 % slower than the plane in one piece, and with this
/// window 0 to 3 % (best of 60 runs, on a machine with other work).
const ZSTD_WINDOW_LOG: u32 = 24;

/// Rows that must be packed or converted go to zstd in pieces of about this size, which a core's
/// cache holds between the two.
const PIECE_BYTES: usize = 128 << 10;

/// What a Zstandard frame begins with, and the most that a block of it may have.
const ZSTD_MAGIC: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();
const ZSTD_BLOCK: usize = 128 << 10;

/// Compresses slices of planes, reusing its contexts and scratch memory: one per thread.
///
/// Nothing is allocated before the first slice of each kind, nor by a slice like one before.
#[derive(Default)]
pub struct Compressor {
    lz4: Option<CompressTable>,
    zstd: Option<CCtx<'static>>,
    scratch: Vec<u8>,
}

impl Compressor {
    /// A compressor without any memory yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends the compressed form of exactly these rows, packed: stride = `layout.row_bytes` at
    /// the receiver. With [`Compression::None`] these are the rows themselves.
    ///
    /// Rows that lie in the caller's memory as on the wire are read there. Others are packed or
    /// converted on the way: straight into `out` for none, piece by piece for zstd, and through
    /// scratch of the slice's size for LZ4, whose blocks know no pieces.
    ///
    /// Errors are this side's fault, and leave `out` as it was: what [`Source::check`] says,
    /// [`Error::Rows`], [`Error::PlaneTooLarge`], [`Error::Compress`], [`Error::OutOfMemory`].
    pub fn compress(
        &mut self,
        compression: Compression,
        source: &Source<'_>,
        layout: Layout,
        rows: Range<usize>,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        raw_len(source, layout, &rows)?;
        let start = out.len();
        let done = match compression {
            Compression::None => {
                source.copy_rows(layout, rows, out);
                Ok(())
            }
            Compression::Lz4 => self.lz4(source, layout, rows, out),
            Compression::Zstd => self.zstd(source, layout, rows, out),
        };
        if done.is_err() {
            out.truncate(start);
        }
        done
    }

    /// Appends a Zstandard frame that has these rows as they are (RFC 8878, raw blocks): for a peer that
    /// expects [`Compression::Zstd`] where compressing costs more than it saves.
    ///
    /// Errors: those of [`compress`](Self::compress).
    pub fn store(
        &mut self,
        source: &Source<'_>,
        layout: Layout,
        rows: Range<usize>,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let raw_len = raw_len(source, layout, &rows)?;
        out.reserve(max_compressed_len(Compression::Zstd, raw_len));
        out.extend_from_slice(&ZSTD_MAGIC);
        // One segment, and a content size of four bytes.
        out.push(0b1010_0000);
        // Not above MAX_PLANE_BYTES.
        out.extend_from_slice(&(raw_len as u32).to_le_bytes());
        if raw_len == 0 {
            out.extend_from_slice(&raw_block(0, true));
        }
        let piece_rows = (ZSTD_BLOCK / layout.row_bytes.max(1)).max(1);
        let mut left = raw_len;
        let mut from = rows.start;
        while left > 0 {
            let to = rows.end.min(from.saturating_add(piece_rows));
            let raw = packed(source, layout, from..to, &mut self.scratch);
            for block in raw.chunks(ZSTD_BLOCK) {
                left -= block.len();
                out.extend_from_slice(&raw_block(block.len(), left == 0));
                out.extend_from_slice(block);
            }
            from = to;
        }
        Ok(())
    }

    fn lz4(
        &mut self,
        source: &Source<'_>,
        layout: Layout,
        rows: Range<usize>,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let table = self.lz4.get_or_insert_with(CompressTable::large);
        let raw = packed(source, layout, rows, &mut self.scratch);
        let start = out.len();
        out.resize(start + get_maximum_output_size(raw.len()), 0);
        let len = compress_into_with_table(raw, &mut out[start..], table).map_err(|_| {
            Error::Compress { compression: Compression::Lz4, detail: "output is too small" }
        })?;
        out.truncate(start + len);
        Ok(())
    }

    fn zstd(
        &mut self,
        source: &Source<'_>,
        layout: Layout,
        rows: Range<usize>,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let context = match &mut self.zstd {
            Some(context) => context,
            none => none.insert(new_context()?),
        };
        // Forgets what an error may have left half done.
        context.reset(ResetDirective::SessionOnly).map_err(zstd_failed)?;
        let raw_len = layout.row_bytes * rows.len();
        out.reserve(max_compressed_len(Compression::Zstd, raw_len));
        if let Some(raw) = source.contiguous(layout, rows.clone()) {
            return feed(context, raw, ZSTD_EndDirective::ZSTD_e_end, out);
        }
        // Known from the first piece on, the size stands in the frame's header.
        context.set_pledged_src_size(Some(raw_len as u64)).map_err(zstd_failed)?;
        let piece_rows = (PIECE_BYTES / layout.row_bytes.max(1)).max(1);
        let mut from = rows.start;
        loop {
            let to = rows.end.min(from.saturating_add(piece_rows));
            let raw = packed(source, layout, from..to, &mut self.scratch);
            if to == rows.end {
                return feed(context, raw, ZSTD_EndDirective::ZSTD_e_end, out);
            }
            feed(context, raw, ZSTD_EndDirective::ZSTD_e_continue, out)?;
            from = to;
        }
    }
}

/// What these rows are in bytes, if they can be compressed.
fn raw_len(source: &Source<'_>, layout: Layout, rows: &Range<usize>) -> Result<usize, Error> {
    source.check(layout)?;
    if rows.start > rows.end || rows.end > layout.rows {
        return Err(Error::Rows { start: rows.start, end: rows.end, rows: layout.rows });
    }
    let raw_len = layout.row_bytes.saturating_mul(rows.len());
    if raw_len > MAX_PLANE_BYTES {
        return Err(Error::PlaneTooLarge { bytes: raw_len });
    }
    Ok(raw_len)
}

/// The header of a block that has so many bytes as they are.
fn raw_block(len: usize, last: bool) -> [u8; 3] {
    let [first, second, third, _] = ((len as u32) << 3 | u32::from(last)).to_le_bytes();
    [first, second, third]
}

/// The wire's bytes of `rows`, in the caller's memory if they lie there, else in `scratch`, which
/// only ever grows: clearing it would mean zeroing it again for the next slice.
fn packed<'a>(
    source: &Source<'a>,
    layout: Layout,
    rows: Range<usize>,
    scratch: &'a mut Vec<u8>,
) -> &'a [u8] {
    if let Some(bytes) = source.contiguous(layout, rows.clone()) {
        return bytes;
    }
    let len = layout.row_bytes * rows.len();
    if scratch.len() < len {
        scratch.resize(len, 0);
    }
    source.pack(layout, rows, &mut scratch[..len]);
    &scratch[..len]
}

fn new_context() -> Result<CCtx<'static>, Error> {
    let mut context = CCtx::try_create().ok_or(Error::OutOfMemory)?;
    for parameter in
        [CParameter::CompressionLevel(ZSTD_LEVEL), CParameter::WindowLog(ZSTD_WINDOW_LOG)]
    {
        context.set_parameter(parameter).map_err(zstd_failed)?;
    }
    Ok(context)
}

/// Gives zstd the whole of `raw` and appends what comes out; if `then` ends the frame, all of it.
fn feed(
    context: &mut CCtx<'static>,
    raw: &[u8],
    then: ZSTD_EndDirective,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let ends = then == ZSTD_EndDirective::ZSTD_e_end;
    let mut input = InBuffer::around(raw);
    loop {
        if out.len() == out.capacity() {
            // The room that was reserved holds a frame written at once; pieces are not promised to
            // fit it.
            out.reserve(PIECE_BYTES);
        }
        let len = out.len();
        let mut output = OutBuffer::around_pos(out, len);
        let unwritten =
            context.compress_stream2(&mut output, &mut input, then).map_err(zstd_failed)?;
        if if ends { unwritten == 0 } else { input.pos() == raw.len() } {
            return Ok(());
        }
    }
}

fn zstd_failed(code: usize) -> Error {
    Error::Compress { compression: Compression::Zstd, detail: get_error_name(code) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_are_stored_are_a_zstandard_frame_of_themselves() {
        let memory: Vec<u8> = (0..900_000_usize).map(|at| (at * at / 4099) as u8).collect();
        for (row_bytes, rows, stride) in
            [(1000, 300, 1000), (1000, 300, 2000), (200_000, 3, 250_000), (1, 1, 1), (7, 0, 7)]
        {
            let (layout, source) =
                (Layout { row_bytes, rows }, Source::Rows { data: &memory, stride });
            let mut stored = vec![9];
            Compressor::new().store(&source, layout, 0..rows, &mut stored).unwrap();
            let raw = row_bytes * rows;
            assert!(stored.len() <= 1 + max_compressed_len(Compression::Zstd, raw));
            let mut back = vec![0; raw];
            let into = crate::Target { data: &mut back, stride: row_bytes, row_bytes, rows };
            let zstd = Compression::Zstd;
            crate::Decompressor::new().decompress(zstd, &stored[1..], row_bytes, into).unwrap();
            let mut expected = Vec::new();
            source.copy_rows(layout, 0..rows, &mut expected);
            assert!(back == expected, "{row_bytes} x {rows}");
        }
    }

    #[test]
    fn a_warm_zstd_context_keeps_its_memory() {
        let memory: Vec<u8> = (0..600_000_usize).map(|at| (at * at / 4099) as u8).collect();
        let layout = Layout { row_bytes: 1000, rows: 300 };
        let mut compressor = Compressor::new();
        let mut sizes = Vec::new();
        for _ in 0..4 {
            // At once, and in pieces.
            for stride in [1000, 2000] {
                let source = Source::Rows { data: &memory, stride };
                compressor
                    .compress(Compression::Zstd, &source, layout, 0..300, &mut Vec::new())
                    .unwrap();
            }
            sizes.push(compressor.zstd.as_ref().unwrap().sizeof());
        }
        assert!(sizes[1..].iter().all(|size| *size == sizes[0]), "{sizes:?}");
    }
}
