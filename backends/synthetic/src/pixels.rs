//! The pictures that the decoder makes.

use crate::payload::hash_side_data;
use vtremote_backend::{Codec, CodedPacket, PixelFormat};
use vtremote_bitstream::annexb;
use xxhash_rust::xxh3::Xxh3;

/// The frame that the decoder makes of a packet, as rawvideo holds it (rows without padding, planes
/// in order); `None` if no slice is in the packet.
///
/// The seed is XXH3 of the packet's slices (NAL units without start code; parameter sets and SEI
/// come and go on a stream's way and do not count) and of [`hash_side_data`]. Each row begins with
/// eight bytes of it, mixed with the numbers of plane and row; from the ninth on, samples rise by
/// one from a first that the same number gives, and wrap. Samples of 16 bits hold ten bits in the
/// high ones.
pub fn expected_frame(
    codec: Codec,
    packet: &CodedPacket,
    format: PixelFormat,
    width: u32,
    height: u32,
) -> Option<Vec<u8>> {
    let seed = seed(codec, packet)?;
    let pixels = Pixels::new(format, width, height);
    let mut frame = Vec::new();
    for (plane, shape) in format.planes(width, height).into_iter().enumerate() {
        for row in 0..shape.rows {
            let start = frame.len();
            frame.resize(start + shape.row_bytes, 0);
            pixels.fill_row(seed, plane, row, &mut frame[start..]);
        }
    }
    Some(frame)
}

/// What a packet's pixels come from; `None` if no slice is in it.
pub(crate) fn seed(codec: Codec, packet: &CodedPacket) -> Option<u64> {
    let slices = match codec {
        Codec::H264 => 1..=5,
        Codec::H265 => 0..=31,
    };
    let is_slice =
        |nal: &&[u8]| codec.nal_unit_type(nal).is_some_and(|unit_type| slices.contains(&unit_type));
    let mut nals = annexb::nal_units(&packet.data).filter(is_slice).peekable();
    nals.peek()?;
    let mut hash = Xxh3::new();
    nals.for_each(|nal| hash.update(nal));
    hash.update(&hash_side_data(&packet.side_data).to_be_bytes());
    Some(hash.digest())
}

/// Fills rows.
pub(crate) struct Pixels {
    /// Rising samples: a row is a piece of it.
    ramp: Vec<u8>,
    deep: bool,
}

impl Pixels {
    pub(crate) fn new(format: PixelFormat, width: u32, height: u32) -> Self {
        let deep = matches!(format, PixelFormat::P010 | PixelFormat::P210);
        let planes = format.planes(width, height);
        let longest = planes.iter().map(|shape| shape.row_bytes).max().unwrap_or(0);
        let ramp = if deep {
            (0..longest / 2 + 1024).flat_map(|n| (((n & 1023) << 6) as u16).to_le_bytes()).collect()
        } else {
            (0..longest + 256).map(|n| n as u8).collect()
        };
        Pixels { ramp, deep }
    }

    pub(crate) fn fill_row(&self, seed: u64, plane: usize, row: usize, out: &mut [u8]) {
        let noise = mix(seed ^ mix((plane as u64) << 32 | row as u64));
        let first = if self.deep { 2 * (noise & 1023) } else { noise & 255 } as usize;
        out.copy_from_slice(&self.ramp[first..first + out.len()]);
        let mark = noise & if self.deep { 0xc0ff_c0ff_c0ff_c0ff } else { u64::MAX };
        out.iter_mut().zip(mark.to_be_bytes()).for_each(|(byte, marked)| *byte = marked);
    }
}

/// The last step of SplitMix64: every bit of the result depends on every bit of the number.
pub(crate) fn mix(number: u64) -> u64 {
    let number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}

#[cfg(test)]
mod tests {
    use super::*;
    use vtremote_backend::SideData;

    fn packet(data: &[u8]) -> CodedPacket {
        CodedPacket {
            pts: None,
            dts: None,
            duration: 0,
            keyframe: false,
            data: data.to_vec(),
            side_data: Vec::new(),
        }
    }

    fn frame(packet: &CodedPacket, format: PixelFormat) -> Option<Vec<u8>> {
        expected_frame(Codec::H264, packet, format, 33, 5)
    }

    #[test]
    fn samples_of_ten_bits_have_their_low_six_bits_clear() {
        let frame = frame(&packet(&[0, 0, 0, 1, 0x41, 9]), PixelFormat::P010).unwrap();
        assert_eq!(frame.len(), 2 * (33 * 5 + 34 * 3));
        assert!(frame.chunks(2).all(|sample| sample[0] & 0x3f == 0));
        assert!(frame.chunks(2).any(|sample| sample[0] & 0xc0 != 0));
    }

    #[test]
    fn every_row_differs_and_every_slice_byte_counts() {
        let one = frame(&packet(&[0, 0, 0, 1, 0x41, 9, 1]), PixelFormat::Bgra).unwrap();
        let other = frame(&packet(&[0, 0, 0, 1, 0x41, 9, 2]), PixelFormat::Bgra).unwrap();
        let rows: std::collections::HashSet<_> = one.chunks(132).chain(other.chunks(132)).collect();
        assert_eq!(rows.len(), 10);
    }

    #[test]
    fn framing_and_parameter_sets_do_not_count_but_side_data_does() {
        let plain = packet(&[0, 0, 0, 1, 0x41, 9, 1]);
        let dressed = packet(&[0, 0, 1, 0x67, 1, 0, 0, 0, 0, 1, 0x41, 9, 1, 0, 0]);
        assert_eq!(frame(&plain, PixelFormat::Nv12), frame(&dressed, PixelFormat::Nv12));
        let record = SideData { kind: 1, data: vec![2] };
        let with_record = CodedPacket { side_data: vec![record], ..plain.clone() };
        assert_ne!(frame(&plain, PixelFormat::Nv12), frame(&with_record, PixelFormat::Nv12));
    }

    #[test]
    fn no_slice_is_no_frame() {
        assert_eq!(frame(&packet(&[0, 0, 0, 1, 0x67, 1]), PixelFormat::Nv12), None);
        assert_eq!(frame(&packet(b"junk"), PixelFormat::Nv12), None);
    }
}
