use std::ops::RangeInclusive;

/// Reads the fields of a NAL unit's payload, bit by bit, without its emulation prevention bytes
/// (H.264 7.3.1, H.265 7.3.1.1). Every method gives none beyond the end.
#[derive(Clone, Debug)]
pub(crate) struct BitReader<'a> {
    bytes: std::slice::Iter<'a, u8>,
    /// Zero bytes seen directly before the next one.
    zeros: u32,
    current: u8,
    /// How many bits of `current` have not been read.
    left: u32,
}

impl<'a> BitReader<'a> {
    /// `payload` begins behind the NAL unit header.
    pub(crate) fn new(payload: &'a [u8]) -> Self {
        Self { bytes: payload.iter(), zeros: 0, current: 0, left: 0 }
    }

    /// u(n), n ≤ 32.
    pub(crate) fn u(&mut self, bits: u32) -> Option<u32> {
        let mut value = 0u64;
        let mut wanted = bits;
        while wanted > 0 {
            if self.left == 0 {
                self.current = self.next_byte()?;
                self.left = 8;
            }
            let taken = wanted.min(self.left);
            self.left -= taken;
            let taken_bits = u64::from(self.current) >> self.left & ((1 << taken) - 1);
            value = value << taken | taken_bits;
            wanted -= taken;
        }
        u32::try_from(value).ok()
    }

    pub(crate) fn flag(&mut self) -> Option<bool> {
        self.u(1).map(|bit| bit == 1)
    }

    /// Passes over any number of bits.
    pub(crate) fn skip(&mut self, mut bits: u32) -> Option<()> {
        while bits > 0 {
            let step = bits.min(32);
            self.u(step)?;
            bits -= step;
        }
        Some(())
    }

    /// ue(v) (H.264 9.1, H.265 9.2), none for more than 2³² - 2, which no field may hold.
    pub(crate) fn ue(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        // 2^zeros - 1 + a number below 2^zeros: at most 2³² - 2.
        Some(((1u64 << zeros) - 1) as u32 + self.u(zeros)?)
    }

    /// ue(v) that may not be above `max`.
    pub(crate) fn ue_up_to(&mut self, max: u8) -> Option<u8> {
        u8::try_from(self.ue()?).ok().filter(|&value| value <= max)
    }

    /// se(v) (H.264 9.1.1, H.265 9.2.2).
    pub(crate) fn se(&mut self) -> Option<i32> {
        let code = self.ue()?;
        // 1, -1, 2, -2 and so on; half of the largest code is 2³¹ - 1.
        let magnitude = code.div_ceil(2) as i32;
        Some(if code % 2 == 1 { magnitude } else { -magnitude })
    }

    /// se(v) that must be in `range`.
    pub(crate) fn se_in(&mut self, range: RangeInclusive<i32>) -> Option<i32> {
        self.se().filter(|value| range.contains(value))
    }

    fn next_byte(&mut self) -> Option<u8> {
        let mut byte = *self.bytes.next()?;
        if self.zeros >= 2 && byte == 3 {
            self.zeros = 0;
            byte = *self.bytes.next()?;
        }
        self.zeros = if byte == 0 { self.zeros + 1 } else { 0 };
        Some(byte)
    }
}

/// Appends `rbsp`, which does not end with a zero byte, with emulation prevention bytes (H.264
/// 7.4.1.1, H.265 7.4.2.3). What `out` ends with must not be a zero byte.
pub(crate) fn write_escaped(rbsp: &[u8], out: &mut Vec<u8>) {
    let mut zeros = 0;
    for &byte in rbsp {
        if zeros >= 2 && byte <= 3 {
            out.push(3);
            zeros = 0;
        }
        out.push(byte);
        zeros = if byte == 0 { zeros + 1 } else { 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_golomb_codes_are_those_of_the_table() {
        // 1 010 011 00100 00101 00110 00111 0001000, then padding.
        let mut bits = BitReader::new(&[0b1010_0110, 0b0100_0010, 0b1001_1000, 0b1110_0010, 0]);
        let values: Vec<_> = (0..8).map(|_| bits.ue()).collect();
        assert_eq!(values, (0..8).map(Some).collect::<Vec<_>>());
    }

    #[test]
    fn signed_exp_golomb_codes_alternate() {
        let mut bits = BitReader::new(&[0b1010_0110, 0b0100_0010, 0b1001_1000, 0b1110_0010, 0]);
        let values: Vec<_> = (0..8).map_while(|_| bits.se()).collect();
        assert_eq!(values, [0, 1, -1, 2, -2, 3, -3, 4]);
        let largest = [0, 0, 3, 0, 1, 0xff, 0xff, 0xff, 0xfe];
        assert_eq!(BitReader::new(&largest).se(), Some(-i32::MAX));
    }

    #[test]
    fn the_largest_exp_golomb_code_is_read_and_a_longer_one_refused() {
        let mut largest = vec![0, 0, 3, 0, 1, 0xff, 0xff, 0xff, 0xfe];
        assert_eq!(BitReader::new(&largest).ue(), Some(u32::MAX - 1));
        largest[4] = 0;
        assert_eq!(BitReader::new(&largest).ue(), None);
    }

    #[test]
    fn emulation_prevention_bytes_are_not_read() {
        let mut bits = BitReader::new(&[0, 0, 3, 0, 0, 3, 3, 0, 3]);
        assert_eq!(bits.u(32), Some(0));
        assert_eq!(bits.u(24), Some(0x03_0003));
        assert_eq!(bits.u(1), None);
    }

    #[test]
    fn fields_may_begin_and_end_anywhere() {
        let mut bits = BitReader::new(&[0xa5, 0x5a, 0xff, 0x01, 0x80]);
        assert_eq!(bits.u(3), Some(0b101));
        assert_eq!(bits.skip(5), Some(()));
        assert_eq!(bits.u(0), Some(0));
        assert_eq!(bits.u(24), Some(0x5a_ff01));
        assert_eq!(bits.flag(), Some(true));
        assert_eq!(bits.skip(8), None);
    }
}
