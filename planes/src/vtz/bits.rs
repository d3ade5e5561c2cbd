//! Blocks as bit planes, the fast mode.

use super::strip::BLOCK;

/// Bytes of one plane: a bit of every residual of a block.
pub(crate) const PLANE: usize = BLOCK / 8;

/// The most planes of a block: of ten bits.
pub(crate) const MAX_PLANES: usize = 10;

/// Writes the planes of a block of 8-bit residuals, the most significant first, and gives their
/// number: as many as its widest residual needs in zigzag order (0, −1, 1, −2, …).
pub(crate) fn pack_eight(block: &[u8; BLOCK], out: &mut [u8; PLANE * MAX_PLANES]) -> usize {
    pack(&block.map(|residual| u16::from(residual << 1 ^ ((residual as i8) >> 7) as u8)), out)
}

/// The same of ten bits.
pub(crate) fn pack_ten(block: &[u16; BLOCK], out: &mut [u8; PLANE * MAX_PLANES]) -> usize {
    pack(&block.map(|residual| residual << 1 ^ ((residual as i16) >> 15) as u16), out)
}

fn pack(zigzag: &[u16; BLOCK], out: &mut [u8; PLANE * MAX_PLANES]) -> usize {
    let all = zigzag.iter().fold(0, |all, value| all | value);
    let planes = (u16::BITS - all.leading_zeros()) as usize;
    for (plane, out) in out.as_chunks_mut().0[..planes].iter_mut().enumerate() {
        let bits = zigzag
            .iter()
            .enumerate()
            .fold(0, |bits, (at, value)| bits | u64::from(value >> (planes - 1 - plane) & 1) << at);
        *out = bits.to_le_bytes();
    }
    planes
}

/// 8-bit residuals from their planes, of which there are eight at most.
pub(crate) fn unpack_eight(planes: &[u8], block: &mut [u8; BLOCK]) {
    for (at, residual) in block.iter_mut().enumerate() {
        let value = zigzag(planes, at) as u8;
        *residual = value >> 1 ^ (value & 1).wrapping_neg();
    }
}

/// The same of ten bits, ten planes at most.
pub(crate) fn unpack_ten(planes: &[u8], block: &mut [u16; BLOCK]) {
    for (at, residual) in block.iter_mut().enumerate() {
        let value = zigzag(planes, at);
        *residual = value >> 1 ^ (value & 1).wrapping_neg();
    }
}

fn zigzag(planes: &[u8], at: usize) -> u16 {
    planes
        .as_chunks()
        .0
        .iter()
        .fold(0, |value, &plane| value << 1 | (u64::from_le_bytes(plane) >> at & 1) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_give_back_every_residual() {
        for spread in [1, 2, 3, 4, 8, 100, 255, 256] {
            let eight: [u8; BLOCK] = std::array::from_fn(|at| (at * 37 % spread) as u8);
            let ten: [u16; BLOCK] = std::array::from_fn(|at| (at * 37 % spread) as u16);
            let ten = ten.map(|value| value.wrapping_sub(spread as u16 / 2));
            let mut out = [0; PLANE * MAX_PLANES];
            let planes = pack_eight(&eight, &mut out);
            let mut back = [1; BLOCK];
            unpack_eight(&out[..planes * PLANE], &mut back);
            assert_eq!(back, eight);
            let planes = pack_ten(&ten, &mut out);
            let mut back = [1; BLOCK];
            unpack_ten(&out[..planes * PLANE], &mut back);
            assert_eq!(back, ten);
        }
    }

    #[test]
    fn a_block_has_as_many_planes_as_its_widest_residual() {
        let mut out = [0; PLANE * MAX_PLANES];
        for (residual, planes) in [(0, 0), (-1, 1), (1, 2), (-2, 2), (2, 3), (-128, 8), (127, 8)] {
            let mut block = [0; BLOCK];
            block[5] = residual as i8 as u8;
            assert_eq!(pack_eight(&block, &mut out), planes, "{residual}");
        }
        for (residual, planes) in [(-512, 10), (511, 10), (255, 9)] {
            let mut block = [0; BLOCK];
            block[5] = residual as i16 as u16;
            assert_eq!(pack_ten(&block, &mut out), planes, "{residual}");
        }
    }
}
