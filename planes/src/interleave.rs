//! The inner loops that turn a caller's samples into those of the wire, one row at a time.
//!
//! Each loop walks fixed chunks in step, without an index or a bound to check, so that the
//! compiler turns it into vector code; `cargo bench -p vtremote-planes` shows whether it does.

/// A sample of P010 has its value in the high ten bits, one of yuv420p10le in the low ten.
const TEN_BIT_SHIFT: u32 = 6;

/// Writes `out` = u0 v0 u1 v1 …, bytes.
pub(crate) fn pairs8(u: &[u8], v: &[u8], out: &mut [u8]) {
    let (pairs, _) = out.as_chunks_mut();
    for ((pair, &u), &v) in pairs.iter_mut().zip(u).zip(v) {
        *pair = [u, v];
    }
}

/// Writes `out` = u0 v0 u1 v1 …, 16-bit little-endian samples moved to the high ten bits.
pub(crate) fn pairs10(u: &[u8], v: &[u8], out: &mut [u8]) {
    let ((u, _), (v, _), (pairs, _)) = (u.as_chunks(), v.as_chunks(), out.as_chunks_mut());
    for ((pair, &u), &v) in pairs.iter_mut().zip(u).zip(v) {
        // As one 32-bit word: stored byte by byte, this loop is not vectorised (3 against 25 GB/s).
        *pair = (u32::from(high10(u)) | u32::from(high10(v)) << 16).to_le_bytes();
    }
}

/// Writes 16-bit little-endian samples moved to the high ten bits.
pub(crate) fn luma10(luma: &[u8], out: &mut [u8]) {
    let ((luma, _), (samples, _)) = (luma.as_chunks(), out.as_chunks_mut());
    for (sample, &y) in samples.iter_mut().zip(luma) {
        *sample = high10(y).to_le_bytes();
    }
}

fn high10(sample: [u8; 2]) -> u16 {
    u16::from_le_bytes(sample) << TEN_BIT_SHIFT
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
