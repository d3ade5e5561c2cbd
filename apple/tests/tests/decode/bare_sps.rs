//! SPS of H.264 without what is not mandatory, and of another id.

use vtremote_bitstream::annexb;

/// The bits of an SPS, emulation prevention left out.
struct Bits {
    bits: Vec<bool>,
    at: usize,
}

impl Bits {
    fn of(bytes: &[u8]) -> Self {
        let mut zeros = 0;
        let mut bits = Vec::new();
        for &byte in bytes {
            if zeros >= 2 && byte == 3 {
                zeros = 0;
                continue;
            }
            zeros = if byte == 0 { zeros + 1 } else { 0 };
            bits.extend((0..8).rev().map(|bit| byte >> bit & 1 == 1));
        }
        Bits { bits, at: 0 }
    }

    fn flag(&mut self) -> bool {
        self.at += 1;
        self.bits[self.at - 1]
    }

    fn ue(&mut self) -> u32 {
        let mut zeros = 0;
        while !self.flag() {
            zeros += 1;
        }
        (0..zeros).fold(1, |value, _| value << 1 | u32::from(self.flag())) - 1
    }
}

/// This SPS of x264's without a VUI: nothing says how far its stream reorders, but the level, which becomes
/// 4.0.
fn without_vui(nal: &[u8]) -> Vec<u8> {
    let mut sps = Bits::of(&nal[1..]);
    let profile = nal[1];
    sps.at = 24;
    sps.ue();
    if profile >= 100 {
        // Format of chroma, two depths, lossless, and no matrices.
        for _ in 0..3 {
            sps.ue();
        }
        sps.flag();
        assert!(!sps.flag(), "scaling matrices");
    }
    sps.ue();
    if sps.ue() == 0 {
        sps.ue();
    }
    sps.ue();
    sps.flag();
    for _ in 0..2 {
        sps.ue();
    }
    if !sps.flag() {
        sps.flag();
    }
    sps.flag();
    if sps.flag() {
        for _ in 0..4 {
            sps.ue();
        }
    }
    let mut bits = sps.bits[..sps.at].to_vec();
    // No VUI, and the end.
    bits.extend([false, true]);
    bits.resize(bits.len().next_multiple_of(8), false);
    let bytes =
        bits.chunks(8).map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit)));
    let mut bytes: Vec<u8> = bytes.collect();
    bytes[2] = 40;
    let mut out = vec![nal[0]];
    let mut zeros = 0;
    for byte in bytes {
        if zeros >= 2 && byte <= 3 {
            out.push(3);
            zeros = 0;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
    out
}

/// This packet with such SPS.
pub(crate) fn without_vuis(packet: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for nal in annexb::nal_units(packet) {
        out.extend_from_slice(&annexb::START_CODE);
        match nal[0] & 31 {
            7 => out.extend(without_vui(nal)),
            _ => out.extend_from_slice(nal),
        }
    }
    out
}

/// These sets of x264's, whose ids are 0, with an SPS of id 1 that the PPS refers to.
pub(crate) fn with_sps_1(annexb: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for nal in annexb::nal_units(annexb) {
        // Behind profile, constraints and level; behind the PPS's own id.
        let at = match nal[0] & 31 {
            7 => 24,
            8 => 1,
            _ => panic!("a NAL unit of type {}", nal[0] & 31),
        };
        let mut bits = Bits::of(&nal[1..]).bits;
        assert!(bits[at], "the id is 0");
        // The stop bit moves: what is behind it goes, and comes again as is needed.
        while bits.pop() == Some(false) {}
        bits.splice(at..=at, [false, true, false]);
        bits.push(true);
        bits.resize(bits.len().next_multiple_of(8), false);
        let bytes =
            bits.chunks(8).map(|byte| byte.iter().fold(0, |sum, &bit| sum << 1 | u8::from(bit)));
        out.extend_from_slice(&[0, 0, 0, 1, nal[0]]);
        let mut zeros = 0;
        for byte in bytes {
            if zeros == 2 && byte <= 3 {
                out.push(3);
                zeros = 0;
            }
            zeros = if byte == 0 { zeros + 1 } else { 0 };
            out.push(byte);
        }
    }
    out
}
