use lz4_flex::block::{DecompressError, decompress_into};
use zstd_safe::{DCtx, find_frame_compressed_size, get_error_name, get_frame_content_size};

use crate::source::check_memory;
use crate::{Compression, Error, MAX_PLANE_BYTES};

/// Where the rows of a decompressed plane, or of a slice of one, go. The last row may lack its
/// padding. What lies between the rows may be overwritten.
#[derive(Debug)]
pub struct Target<'a> {
    /// The picture's memory, from its first row.
    pub data: &'a mut [u8],
    /// Bytes from one row to the next.
    pub stride: usize,
    /// Bytes of picture in a row.
    pub row_bytes: usize,
    /// Rows.
    pub rows: usize,
}

/// Decompresses planes and slices, reusing its context and scratch memory: one per thread.
#[derive(Default)]
pub struct Decompressor {
    zstd: Option<DCtx<'static>>,
    scratch: Vec<u8>,
}

impl Decompressor {
    /// A decompressor without any memory yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Unpacks what must be exactly `into.rows` rows, each of `stride` bytes on the wire, padding
    /// included (docs/protocol.md section 5), and writes the picture in them to `into`.
    ///
    /// The data goes straight into the picture where it has the wire's stride, else through
    /// scratch memory. That is sized by `stride` and `into.rows`, bounded by [`MAX_PLANE_BYTES`],
    /// and only once the data has been seen to be able to fill it: for a zstd frame that means
    /// its declared size (a frame that declares none is still held to the exact size), for LZ4
    /// that the block is long enough.
    ///
    /// Errors: this side's are [`Error::Stride`], [`Error::Memory`] and [`Error::OutOfMemory`]; the
    /// peer's are [`Error::WireStride`], [`Error::WireTooLarge`], [`Error::Size`] and
    /// [`Error::Malformed`]. After an error the picture's content is undefined: part of it may
    /// have been written.
    pub fn decompress(
        &mut self,
        compression: Compression,
        data: &[u8],
        stride: usize,
        into: Target<'_>,
    ) -> Result<(), Error> {
        let Target { data: picture, stride: picture_stride, row_bytes, rows } = into;
        check_memory(picture, picture_stride, row_bytes, rows)?;
        if stride < row_bytes {
            return Err(Error::WireStride { stride, row_bytes });
        }
        let raw_len = stride.saturating_mul(rows);
        if raw_len > MAX_PLANE_BYTES {
            return Err(Error::WireTooLarge { bytes: raw_len });
        }
        check_size(compression, data, raw_len)?;

        let raw = match compression {
            _ if stride == picture_stride && raw_len <= picture.len() => {
                return unpack(&mut self.zstd, compression, data, &mut picture[..raw_len]);
            }
            Compression::None => data,
            _ => {
                grow(&mut self.scratch, raw_len)?;
                let raw = &mut self.scratch[..raw_len];
                unpack(&mut self.zstd, compression, data, raw)?;
                raw
            }
        };
        if row_bytes > 0 {
            for (to, from) in picture.chunks_mut(picture_stride).zip(raw.chunks_exact(stride)) {
                to[..row_bytes].copy_from_slice(&from[..row_bytes]);
            }
        }
        Ok(())
    }
}

/// Fills `raw` with what `data` unpacks to, or fails.
fn unpack(
    zstd: &mut Option<DCtx<'static>>,
    compression: Compression,
    data: &[u8],
    raw: &mut [u8],
) -> Result<(), Error> {
    let len = match compression {
        Compression::None => {
            raw.copy_from_slice(data);
            data.len()
        }
        Compression::Lz4 => decompress_into(data, raw).map_err(lz4_malformed)?,
        Compression::Zstd => {
            let context = match zstd {
                Some(context) => context,
                none => none.insert(DCtx::try_create().ok_or(Error::OutOfMemory)?),
            };
            context.decompress(raw, data).map_err(zstd_malformed)?
        }
    };
    expect_size(compression, len as u64, raw.len())
}

/// Refuses, before any memory is taken for it, data that cannot unpack to `raw_len` bytes.
fn check_size(compression: Compression, data: &[u8], raw_len: usize) -> Result<(), Error> {
    match compression {
        Compression::None => expect_size(compression, data.len() as u64, raw_len),
        Compression::Lz4 => {
            // No byte of a block stands for more than 255 of the plane: that is what one adds to a
            // match's length, and a sequence's other bytes are worth less.
            if data.len().saturating_mul(255) < raw_len {
                return Err(Error::Malformed {
                    compression,
                    detail: "block too short for its plane",
                });
            }
            Ok(())
        }
        Compression::Zstd => {
            let declared = get_frame_content_size(data)
                .map_err(|_| Error::Malformed { compression, detail: "no frame header" })?;
            if let Some(declared) = declared {
                expect_size(compression, declared, raw_len)?;
            }
            // Decoding would go on to further frames: the plane is one, and nothing after it.
            if find_frame_compressed_size(data).map_err(zstd_malformed)? != data.len() {
                return Err(Error::Malformed { compression, detail: "bytes after the frame" });
            }
            Ok(())
        }
    }
}

fn expect_size(compression: Compression, found: u64, expected: usize) -> Result<(), Error> {
    let expected = expected as u64;
    if found == expected { Ok(()) } else { Err(Error::Size { compression, found, expected }) }
}

/// Makes `scratch` at least `len` bytes long. It never shrinks, so that it is zeroed only once.
fn grow(scratch: &mut Vec<u8>, len: usize) -> Result<(), Error> {
    if scratch.len() < len {
        scratch.try_reserve_exact(len - scratch.len()).map_err(|_| Error::OutOfMemory)?;
        scratch.resize(len, 0);
    }
    Ok(())
}

fn lz4_malformed(error: DecompressError) -> Error {
    let detail = match error {
        DecompressError::OutputTooSmall { .. } => "block unpacks to more than the plane",
        DecompressError::LiteralOutOfBounds => "literals run past the end of the block",
        DecompressError::ExpectedAnotherByte => "block ends within a sequence",
        DecompressError::OffsetZero => "match offset 0",
        DecompressError::OffsetOutOfBounds => "match offset before the start",
        _ => "invalid block",
    };
    Error::Malformed { compression: Compression::Lz4, detail }
}

fn zstd_malformed(code: usize) -> Error {
    Error::Malformed { compression: Compression::Zstd, detail: get_error_name(code) }
}
