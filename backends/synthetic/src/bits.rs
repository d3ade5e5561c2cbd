//! Writing what parameter sets and slices are made of: bits, and NAL units around them.

/// A raw byte sequence payload under construction (H.264 and H.265 section 7.2 and 9.1/9.2).
#[derive(Default)]
pub(crate) struct BitWriter {
    bytes: Vec<u8>,
    /// Bits of the last byte that are still free.
    free: u32,
}

impl BitWriter {
    /// u(n): the low `count` bits of `value`, the highest first.
    pub(crate) fn u(&mut self, count: u32, value: u64) -> &mut Self {
        for shift in (0..count).rev() {
            if self.free == 0 {
                self.bytes.push(0);
                self.free = 8;
            }
            self.free -= 1;
            if let Some(last) = self.bytes.last_mut() {
                *last |= ((value >> shift & 1) as u8) << self.free;
            }
        }
        self
    }

    /// u(1).
    pub(crate) fn flag(&mut self, value: bool) -> &mut Self {
        self.u(1, value.into())
    }

    /// ue(v): an Exp-Golomb code.
    pub(crate) fn ue(&mut self, value: u32) -> &mut Self {
        let code = u64::from(value) + 1;
        let length = code.ilog2();
        self.u(length, 0).u(length + 1, code)
    }

    /// rbsp_trailing_bits() or byte_alignment(): a one, and zeros up to the next byte.
    pub(crate) fn stop(&mut self) -> &mut Self {
        self.flag(true);
        self.free = 0;
        self
    }

    /// The bytes, the last filled up with zeros.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// Appends a NAL unit after a 4-byte start code, with emulation prevention (section 7.4.1 of both).
pub(crate) fn append_nal(out: &mut Vec<u8>, header: &[u8], payload: &[u8]) {
    out.extend_from_slice(&[0, 0, 0, 1]);
    out.extend_from_slice(header);
    let (mut zeros, mut rest) = (0, payload);
    while let Some(&first) = rest.first() {
        if zeros == 2 && first <= 3 {
            out.push(3);
            zeros = 0;
        }
        // Nothing needs prevention from here to the next zero: filling is copied as a whole.
        let run = match first {
            0 => 1,
            _ => rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len()),
        };
        zeros = if first == 0 { zeros + 1 } else { 0 };
        let (done, left) = rest.split_at(run);
        out.extend_from_slice(done);
        rest = left;
    }
}

/// The payload of a NAL unit without the emulation prevention.
pub(crate) fn unescape(nal: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(nal.len());
    let mut zeros = 0;
    for &byte in nal {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_golomb_codes_are_those_of_the_table() {
        let mut bits = BitWriter::default();
        bits.ue(0).ue(1).ue(2).ue(3).ue(7).stop();
        // 1 010 011 00100 0001000 1
        assert_eq!(bits.into_bytes(), [0b1010_0110, 0b0100_0001, 0b0001_0000]);
    }

    #[test]
    fn a_start_code_never_appears_in_a_payload() {
        let payload = [0, 0, 0, 0, 1, 0, 0, 2, 0, 0, 3, 0, 0, 4, 0x80];
        let mut out = Vec::new();
        append_nal(&mut out, &[0x65], &payload);
        assert_eq!(out[..5], [0, 0, 0, 1, 0x65]);
        assert!(!out[4..].windows(3).any(|three| three[..2] == [0, 0] && three[2] < 3));
        assert_eq!(unescape(&out[5..]), payload);
    }
}
