//! Pixel buffers as planes of Y, Cb and Cr.

use crate::codec::Frame;
use crate::cv::PixelBuffer;
use std::slice;

/// The alpha of packed pixels, row by row without what is between the rows, as a hash: FNV-1a of 64 bits.
pub(super) fn alpha(pixels: &PixelBuffer) -> u64 {
    let place = if &pixels.fourcc.to_be_bytes() == b"BGRA" { 3 } else { 0 };
    pixels.lock(true);
    let rows = (0..pixels.height).map(|y| rows(pixels, 0, y));
    let alpha = rows.flat_map(|row| row.iter().skip(place).step_by(4));
    let hash = alpha.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    pixels.unlock(true);
    hash
}

/// A copy of the pixels in eight or ten bits, with or without chroma rows for every row, and without alpha.
pub(super) fn to_frame(pixels: &PixelBuffer, ten_bits: bool, tall_chroma: bool) -> Frame {
    let mut frame = Frame::new(pixels.width, pixels.height, ten_bits, tall_chroma);
    // As whoever has the buffer may: for reading.
    pixels.lock(true);
    if pixels.layout.is_planar() {
        planar(pixels, &mut frame, ten_bits);
    } else {
        packed(pixels, &mut frame, ten_bits);
    }
    pixels.unlock(true);
    frame
}

fn rows(pixels: &PixelBuffer, plane: usize, row: usize) -> &[u8] {
    let element = pixels.layout.planes[plane].element;
    let Some(plane) = pixels.plane(plane) else { return &[] };
    // SAFETY: the buffer is locked, and the plane has such a row.
    unsafe {
        let first = plane.memory.first().add(row * plane.stride);
        slice::from_raw_parts(first, plane.width * element)
    }
}

/// One sample in ten bits, of a row of words of which the high ten are meant, or of bytes.
fn sample(row: &[u8], at: usize, wide: bool) -> u16 {
    if wide {
        u16::from_le_bytes([row[2 * at], row[2 * at + 1]]) >> 6
    } else {
        u16::from(row[at]) << 2
    }
}

fn put(row: &mut [u8], at: usize, ten: u16, ten_bits: bool) {
    if ten_bits {
        row[2 * at..2 * at + 2].copy_from_slice(&ten.to_le_bytes());
    } else {
        row[at] = (ten >> 2) as u8;
    }
}

fn planar(pixels: &PixelBuffer, frame: &mut Frame, ten_bits: bool) {
    let wide = pixels.layout.depth > 8;
    let (width, height) = frame.size();
    for y in 0..height {
        let from = rows(pixels, 0, y);
        let to = frame.row_mut(0, y);
        (0..width).for_each(|x| put(to, x, sample(from, x, wide), ten_bits));
    }
    for y in 0..frame.chroma_rows() {
        let from = rows(pixels, 1, y);
        for plane in 0..2 {
            let to = frame.row_mut(1 + plane, y);
            for x in 0..width.div_ceil(2) {
                put(to, x, sample(from, 2 * x + plane, wide), ten_bits);
            }
        }
    }
}

/// BGRA by the matrix of BT.709 in video range, and AYUV as it is; chroma is that of every other pixel.
fn packed(pixels: &PixelBuffer, frame: &mut Frame, ten_bits: bool) {
    let bgra = &pixels.fourcc.to_be_bytes() == b"BGRA";
    let (width, height) = frame.size();
    let pixel = |row: &[u8], x: usize| {
        let four = &row[4 * x..4 * x + 4];
        if !bgra {
            return [four[1], four[2], four[3]].map(|sample| u16::from(sample) << 2);
        }
        let [b, g, r] = [four[0], four[1], four[2]].map(f64::from);
        let luma = 0.2126 * r + 0.7152 * g + 0.0722 * b;
        let ten = |value: f64| (value * 4.0).round() as u16;
        let cb = 128.0 + (b - luma) / 1.8556 * 224.0 / 255.0;
        let cr = 128.0 + (r - luma) / 1.5748 * 224.0 / 255.0;
        [ten(16.0 + luma * 219.0 / 255.0), ten(cb), ten(cr)]
    };
    for y in 0..height {
        let from = rows(pixels, 0, y);
        let to = frame.row_mut(0, y);
        (0..width).for_each(|x| put(to, x, pixel(from, x)[0], ten_bits));
    }
    let down = height.div_ceil(frame.chroma_rows());
    for y in 0..frame.chroma_rows() {
        let from = rows(pixels, 0, (y * down).min(height - 1));
        for plane in 1..3 {
            let to = frame.row_mut(plane, y);
            (0..width.div_ceil(2)).for_each(|x| put(to, x, pixel(from, 2 * x)[plane], ten_bits));
        }
    }
}
