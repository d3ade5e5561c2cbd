//! What a client admitted against what came back (docs/protocol.md sections 5 to 7).

use std::collections::VecDeque;

use crate::NO_PTS;

/// A frame that so many later ones were answered past was dropped: no decoded-picture buffer and
/// no window of another server's explains it (64 in flight and a reordering of 16).
const MAX_PASSED: u32 = 64 + 16;

/// How many pts are remembered to tell a duplicate. All unanswered ones are among them.
const REMEMBERED: usize = 1024;

/// Input that was admitted and not answered, in the order of admission.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    waiting: VecDeque<Waiting>,
    /// The pts that were admitted last, answered or not.
    recent: VecDeque<i64>,
    admitted: u64,
}

/// A frame (encode) or packet (decode) that waits for its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) number: u32,
    pub(super) pts: i64,
    pub(super) duration: i64,
    /// Answers that came for later ones.
    passed: u32,
}

impl Ledger {
    /// Notes one more; its number counts from 0.
    pub(super) fn admit(&mut self, pts: i64, duration: i64) -> u32 {
        // 2^32 frames are two years at 60 a second.
        let number = self.admitted as u32;
        self.admitted += 1;
        self.waiting.push_back(Waiting { number, pts, duration, passed: 0 });
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back(pts);
        number
    }

    pub(super) fn admitted(&self) -> u64 {
        self.admitted
    }

    pub(super) fn outstanding(&self) -> usize {
        self.waiting.len()
    }

    /// Was this pts admitted, as far back as is remembered?
    pub(super) fn knows(&self, pts: i64) -> bool {
        self.recent.contains(&pts)
    }

    pub(super) fn by_pts(&self, pts: i64) -> Option<&Waiting> {
        self.waiting.iter().find(|waiting| waiting.pts == pts)
    }

    /// Encode: the frame of this number is answered.
    ///
    /// # Errors
    /// The frames that were dropped, as far as this answer proves it: how many, and the first pts.
    pub(super) fn answer(&mut self, number: u32) -> Result<(), (usize, i64)> {
        if let Some(at) = self.waiting.iter().position(|waiting| waiting.number == number) {
            self.remove(at);
        }
        let mut lost = self.waiting.iter().filter(|waiting| waiting.passed > MAX_PASSED);
        lost.next().map_or(Ok(()), |first| Err((1 + lost.count(), first.pts)))
    }

    /// Decode: a frame came. Packets that it proves to give none are written off: those sent before
    /// its own where frames come in decoding order, else those that would be shown before it. Where
    /// times are missing or jump, they are written off in time.
    pub(super) fn decoded(&mut self, pts: i64, in_decoding_order: bool) {
        let named = |waiting: &Waiting| pts != NO_PTS && waiting.pts == pts;
        match self.waiting.iter().position(named) {
            Some(at) if in_decoding_order => drop(self.waiting.drain(..=at)),
            Some(at) => {
                self.remove(at);
                self.waiting.retain(|waiting| waiting.pts == NO_PTS || waiting.pts >= pts);
            }
            None => drop(self.waiting.pop_front()),
        }
        self.waiting.retain(|waiting| waiting.passed <= MAX_PASSED);
    }

    /// Decode: no more than so many are waited for; the oldest gave no frame.
    pub(super) fn write_off_beyond(&mut self, most: usize) {
        while self.waiting.len() > most {
            self.waiting.pop_front();
        }
    }

    /// How many wait, and the earliest pts among them.
    pub(super) fn missing(&self) -> Option<(usize, i64)> {
        let first = self.waiting.iter().map(|waiting| waiting.pts).min()?;
        Some((self.waiting.len(), first))
    }

    fn remove(&mut self, at: usize) {
        self.waiting.remove(at);
        for earlier in self.waiting.iter_mut().take(at) {
            earlier.passed += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_lost_once_eighty_one_later_ones_were_answered() {
        let mut ledger = Ledger::default();
        let lost = ledger.admit(-5, 1);
        assert_eq!(lost, 0);
        for pts in 0..80 {
            let number = ledger.admit(pts, 1);
            assert_eq!(ledger.answer(number), Ok(()));
        }
        let number = ledger.admit(80, 1);
        assert_eq!(ledger.answer(number), Err((1, -5)));
    }

    fn waiting(admitted: &[i64], decoded: i64, in_decoding_order: bool) -> Vec<i64> {
        let mut ledger = Ledger::default();
        for &pts in admitted {
            ledger.admit(pts, 0);
        }
        ledger.decoded(decoded, in_decoding_order);
        ledger.waiting.iter().map(|waiting| waiting.pts).collect()
    }

    #[test]
    fn a_packet_that_would_be_shown_before_a_frame_that_came_gives_none() {
        assert_eq!(waiting(&[0, 4, 2, 1, 3], 2, false), [4, 3]);
        assert_eq!(waiting(&[0, 4, 2, 1, 3], 2, true), [1, 3]);
    }

    #[test]
    fn a_packet_whose_time_says_nothing_is_written_off_after_eighty_one_later_frames() {
        let mut ledger = Ledger::default();
        ledger.admit(NO_PTS, 1);
        for pts in 0..80 {
            ledger.admit(pts, 1);
            ledger.decoded(pts, false);
            assert_eq!(ledger.outstanding(), 1);
        }
        ledger.admit(80, 1);
        ledger.decoded(80, false);
        assert_eq!(ledger.outstanding(), 0);
    }

    #[test]
    fn a_frame_of_unknown_pts_answers_the_oldest_packet() {
        assert_eq!(waiting(&[1, 2], NO_PTS, false), [2]);
        assert_eq!(waiting(&[1, 2], 7, true), [2]);
    }

    #[test]
    fn the_oldest_are_written_off_beyond_a_number() {
        let mut ledger = Ledger::default();
        for pts in 0..5 {
            ledger.admit(pts, 0);
        }
        ledger.write_off_beyond(3);
        assert_eq!(ledger.missing(), Some((3, 2)));
    }

    #[test]
    fn the_thousand_and_twenty_four_latest_pts_are_remembered() {
        let mut ledger = Ledger::default();
        for pts in 0..1025 {
            let number = ledger.admit(pts, 0);
            assert_eq!(ledger.answer(number), Ok(()));
        }
        assert!(!ledger.knows(0));
        assert!(ledger.knows(1));
        assert!(ledger.knows(1024));
    }
}
