//! The inner loops that turn a caller's samples into those of the wire, one row at a time.
//!
//! Each loop walks fixed chunks in step, without an index or a bound to check, so that the
//! compiler turns it into vector code; `cargo bench -p vtremote-planes` shows whether it does.

/// A sample of P010 has its value in the high ten bits, one of yuv420p10le in the low ten.
const TEN_BIT_SHIFT: u32 = 6;

/// Writes `out` = u0 v0 u1 v1 …, bytes.
pub(crate) fn pairs8(u: &[u8], v: &[u8], out: &mut [u8]) {
    for ((pair, &u), &v) in out.chunks_exact_mut(2).zip(u).zip(v) {
        pair[0] = u;
        pair[1] = v;
    }
}

/// Writes `out` = u0 v0 u1 v1 …, 16-bit little-endian samples moved to the high ten bits.
pub(crate) fn pairs10(u: &[u8], v: &[u8], out: &mut [u8]) {
    let samples = u.chunks_exact(2).zip(v.chunks_exact(2));
    for (pair, (u, v)) in out.chunks_exact_mut(4).zip(samples) {
        let [u0, u1] = high10(u[0], u[1]);
        let [v0, v1] = high10(v[0], v[1]);
        pair.copy_from_slice(&[u0, u1, v0, v1]);
    }
}

/// Writes 16-bit little-endian samples moved to the high ten bits.
pub(crate) fn luma10(luma: &[u8], out: &mut [u8]) {
    for (sample, y) in out.chunks_exact_mut(2).zip(luma.chunks_exact(2)) {
        sample.copy_from_slice(&high10(y[0], y[1]));
    }
}

fn high10(low: u8, high: u8) -> [u8; 2] {
    (u16::from_le_bytes([low, high]) << TEN_BIT_SHIFT).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_bit_chroma_becomes_pairs_with_cb_first() {
        let mut out = [0; 6];
        pairs8(&[1, 2, 3], &[11, 12, 13], &mut out);
        assert_eq!(out, [1, 11, 2, 12, 3, 13]);
    }

    #[test]
    fn ten_bits_move_to_the_high_end_of_the_word() {
        let mut out = [0; 6];
        luma10(&[0x01, 0x00, 0xff, 0x03, 0x00, 0x02], &mut out);
        assert_eq!(out, [0x40, 0x00, 0xc0, 0xff, 0x00, 0x80]);
    }

    #[test]
    fn ten_bit_chroma_becomes_pairs_of_words() {
        let mut out = [0; 8];
        pairs10(&[0xff, 0x03, 0x01, 0x00], &[0x00, 0x02, 0x02, 0x00], &mut out);
        assert_eq!(out, [0xc0, 0xff, 0x00, 0x80, 0x40, 0x00, 0x80, 0x00]);
    }

    #[test]
    fn long_rows_agree_with_an_indexed_loop() {
        let u: Vec<u8> = (0..1003u32).map(|i| (i * 7) as u8).collect();
        let v: Vec<u8> = (0..1003u32).map(|i| (i * 13 + 5) as u8).collect();
        let mut out = vec![0; 2006];
        pairs8(&u, &v, &mut out);
        for i in 0..1003 {
            assert_eq!((out[2 * i], out[2 * i + 1]), (u[i], v[i]));
        }
    }
}
