//! The short-term reference picture sets of an H.265 SPS (H.265 7.3.7).

use crate::bits::BitReader;

/// More pictures than any decoded picture buffer holds (A.4.2).
const MAX_PICTURES: usize = 16;
const MAX_DELTA_MINUS1: u32 = (1 << 15) - 1;

/// Passes over num_short_term_ref_pic_sets and the sets.
///
/// A set may be told by its difference from the one before, with a flag for each of that one's
/// pictures. Only who follows what they are knows how many flags there will be.
pub(super) fn skip_short_term_sets(bits: &mut BitReader<'_>) -> Option<()> {
    let mut set = Set::default();
    for index in 0..bits.ue_up_to(64)? {
        // inter_ref_pic_set_prediction_flag
        set = if index > 0 && bits.flag()? { set.read_next(bits)? } else { Set::read(bits)? };
    }
    Some(())
}

/// Differences of picture order count: those below 0, then those above, each from the nearest to
/// the farthest (7.4.8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Set {
    deltas: [i32; MAX_PICTURES],
    len: usize,
}

impl Set {
    fn deltas(&self) -> &[i32] {
        &self.deltas[..self.len]
    }

    fn push(&mut self, delta: i32) -> Option<()> {
        *self.deltas.get_mut(self.len)? = delta;
        self.len += 1;
        Some(())
    }

    fn read(bits: &mut BitReader<'_>) -> Option<Self> {
        let before = bits.ue_up_to(MAX_PICTURES as u8)?;
        let after = bits.ue_up_to(MAX_PICTURES as u8 - before)?;
        let mut set = Self::default();
        for (count, sign) in [(before, -1), (after, 1)] {
            let mut delta = 0;
            for _ in 0..count {
                delta += sign * read_distance(bits)?;
                bits.skip(1)?; // used_by_curr_pic_s0_flag, …_s1_flag
                set.push(delta)?;
            }
        }
        Some(set)
    }

    /// The set behind this one, told by the difference (equations 7-61 and 7-62): each of our
    /// pictures, and ours itself, may be one of its.
    fn read_next(&self, bits: &mut BitReader<'_>) -> Option<Self> {
        let sign = if bits.flag()? { -1 } else { 1 }; // delta_rps_sign
        let shift = sign * read_distance(bits)?; // abs_delta_rps_minus1
        let mut next = Self::default();
        for delta in self.deltas().iter().copied().chain([0]) {
            // used_by_curr_pic_flag, and use_delta_flag, which is 1 where it is absent
            let kept = bits.flag()? || bits.flag()?;
            // What is at distance 0 is the current picture itself.
            if kept && delta + shift != 0 {
                next.push(delta + shift)?;
            }
        }
        next.deltas[..next.len].sort_unstable_by_key(|&delta| (delta > 0, delta.unsigned_abs()));
        Some(next)
    }
}

/// A distance in picture order count that is written less 1.
fn read_distance(bits: &mut BitReader<'_>) -> Option<i32> {
    let minus1 = bits.ue().filter(|&minus1| minus1 <= MAX_DELTA_MINUS1)?;
    Some(minus1 as i32 + 1)
}
