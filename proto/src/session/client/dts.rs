//! Decoding times made to rise (docs/protocol.md section 7: early servers may repeat one).

use crate::NO_PTS;

/// The dts of the packets that were handed over.
#[derive(Debug, Default)]
pub(super) struct Dts {
    last: Option<i64>,
}

impl Dts {
    /// Is this dts in order as it is: above the one before, and not above the pts?
    pub(super) fn in_order(&self, pts: i64, dts: i64) -> bool {
        dts != NO_PTS && dts <= pts && self.last.is_none_or(|last| dts > last)
    }

    /// The dts to hand over: the given one where it is in order, else the nearest that is above the
    /// one before. It stays at or below the pts unless the dts before leaves no room.
    pub(super) fn repair(&mut self, pts: i64, dts: i64) -> i64 {
        let wanted = if dts == NO_PTS { pts } else { dts.min(pts) };
        let dts = self.last.map_or(wanted, |last| wanted.max(last.saturating_add(1)));
        self.last = Some(dts);
        dts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rising_dts_stays_as_it_is() {
        let mut dts = Dts::default();
        assert_eq!(
            [(0, -2), (3, -1), (1, 0), (2, 1)].map(|(pts, it)| dts.repair(pts, it)),
            [-2, -1, 0, 1]
        );
    }

    #[test]
    fn a_repeated_dts_rises_by_one_tick() {
        let mut dts = Dts::default();
        assert_eq!(
            [(10, 0), (40, 0), (20, 0), (30, 20)].map(|(pts, it)| dts.repair(pts, it)),
            [0, 1, 2, 20]
        );
    }

    #[test]
    fn a_dts_above_the_pts_comes_down_to_it_if_there_is_room() {
        let mut dts = Dts::default();
        assert_eq!(dts.repair(5, 9), 5);
        assert_eq!(dts.repair(6, NO_PTS), 6);
        assert_eq!(dts.repair(6, 6), 7);
    }

    #[test]
    fn the_last_tick_of_all_is_no_overflow() {
        let mut dts = Dts::default();
        assert_eq!(dts.repair(i64::MAX, i64::MAX), i64::MAX);
        assert_eq!(dts.repair(i64::MAX, i64::MAX), i64::MAX);
    }
}
