//! Planes of Y, Cb and Cr as pixel buffers.

use crate::codec::Frame;
use crate::object::{Owned, Payload};
use crate::vt::status::K_VT_PIXEL_TRANSFER_NOT_SUPPORTED;
use std::slice;

/// Copies a picture, as the buffer's format has it: in its depth and its range. What is between the rows is
/// left as it is.
///
/// # Errors
/// A status, if the picture's chroma is not the format's.
pub(super) fn from_frame(frame: &Frame, buffer: &Owned) -> Result<(), i32> {
    let Payload::PixelBuffer(pixels) = &buffer.payload else { return Ok(()) };
    let (ten_bits, shared) = frame.kind().ok_or(K_VT_PIXEL_TRANSFER_NOT_SUPPORTED)?;
    let chroma = pixels.layout.planes[1];
    if chroma.shared != shared {
        return Err(K_VT_PIXEL_TRANSFER_NOT_SUPPORTED);
    }
    let (chroma_columns, chroma_rows) = chroma.size(pixels.width, pixels.height);
    let wide = pixels.layout.depth > 8;
    let ranges = (frame.is_full_range(), pixels.layout.full_range);
    let put = |row: &mut [u8], at: usize, ten: u16| {
        if wide {
            row[2 * at..2 * at + 2].copy_from_slice(&(ten << 6).to_le_bytes());
        } else {
            row[at] = (ten >> 2) as u8;
        }
    };
    pixels.lock(false);
    let row_of = |plane: usize, row: usize| {
        let element = pixels.layout.planes[plane].element;
        pixels.plane(plane).map(|plane| {
            // SAFETY: the buffer is locked and nobody else has it yet; the plane has such a row.
            unsafe {
                let first = plane.memory.first().add(row * plane.stride);
                slice::from_raw_parts_mut(first, plane.width * element)
            }
        })
    };
    for y in 0..pixels.height {
        if let (Some(to), Some(from)) = (row_of(0, y), frame.row(0, y)) {
            for x in 0..pixels.width {
                put(to, x, in_range(sample(from, x, ten_bits), ranges, false));
            }
        }
    }
    for y in 0..chroma_rows {
        let Some(to) = row_of(1, y) else { continue };
        for plane in 0..2 {
            let from = frame.row(1 + plane, y);
            for x in 0..chroma_columns {
                // A grey picture has the middle.
                let ten = from.map_or(512, |from| sample(from, x, ten_bits));
                put(to, 2 * x + plane, in_range(ten, ranges, true));
            }
        }
    }
    pixels.unlock(false);
    Ok(())
}

/// In ten bits.
fn sample(row: &[u8], at: usize, ten_bits: bool) -> u16 {
    if ten_bits {
        u16::from_le_bytes([row[2 * at], row[2 * at + 1]])
    } else {
        u16::from(row[at]) << 2
    }
}

/// From the stream's range, if it is full, to the format's.
fn in_range(ten: u16, ranges: (bool, bool), chroma: bool) -> u16 {
    let ten = f64::from(ten);
    let (low, span, full) = if chroma { (512.0, 896.0, 512.0) } else { (64.0, 876.0, 0.0) };
    let value = match ranges {
        (false, true) => (ten - low) / span * 1023.0 + full,
        (true, false) => (ten - full) / 1023.0 * span + low,
        _ => ten,
    };
    value.round().clamp(0.0, 1023.0) as u16
}
