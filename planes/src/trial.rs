//! Rows that are compressed a second time to see what that gives, and thrown away.
//!
//! What they would be is compared with what the same rows are as they are sent: pictures that follow each
//! other may differ more than ways to compress them do.

use std::ops::Range;

use crate::vtz::Geometry;
use crate::{Coding, PictureCoding, PictureEncoder, Trial, Work};

/// From a slice to the one that is next: a prime number above the most slices that a plane has, so that each has
/// its turn, and none next to the one before.
const STEP: usize = 131;

/// One trial after the other, at one end of a session.
#[derive(Default)]
pub struct Trials {
    pictures: PictureEncoder,
    /// How the last was made.
    last: Option<PictureCoding>,
    under_way: Option<UnderWay>,
    /// How many have counted.
    counted: usize,
}

struct UnderWay {
    picture: u32,
    rows: Range<usize>,
    counts: bool,
    made: Option<Work>,
    sent: Option<Work>,
}

/// The same rows of a picture, made twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tried {
    /// As a trial.
    pub made: Work,
    /// As they are sent.
    pub sent: Work,
}

impl Trials {
    /// Which of so many slices of the first plane is to be made twice. Each in its turn, since no part of a picture
    /// stands for all of it.
    pub fn slice(&self, slices: usize) -> usize {
        self.counted.wrapping_mul(STEP) % slices.max(1)
    }

    /// How these rows of a picture are to be made; None where that would show nothing, or another trial is
    /// under way.
    pub fn begin(
        &mut self,
        trial: Trial<Coding>,
        geometry: Geometry,
        picture: u32,
        rows: Range<usize>,
    ) -> Option<PictureCoding> {
        let Trial { mode: coding, counts } = trial;
        // One that only waits for what is sent may do so in vain.
        let busy = self.under_way.as_ref().is_some_and(|trial| trial.made.is_none());
        // Only what predicts from the picture before has to see that first.
        if busy || !counts && coding != Coding::Vtz {
            return None;
        }
        if let Some(last) = self.last.take() {
            self.pictures.made(&last);
        }
        let (made, _) = self.pictures.begin(coding, geometry, picture).ok()?;
        self.last = Some(made.clone());
        self.counted = self.counted.wrapping_add(usize::from(counts));
        self.under_way = Some(UnderWay { picture, rows, counts, made: None, sent: None });
        Some(made)
    }

    /// The rows were made, or could not be.
    pub fn made(&mut self, work: Work) -> Option<Tried> {
        self.under_way.as_mut()?.made = Some(work);
        self.tried()
    }

    /// Rows of the first plane of a picture were made as they are sent, maybe those of the trial.
    pub fn sent(&mut self, picture: u32, rows: &Range<usize>, work: Work) -> Option<Tried> {
        let same = |trial: &&mut UnderWay| trial.picture == picture && trial.rows == *rows;
        self.under_way.as_mut().filter(same)?.sent = Some(work);
        self.tried()
    }

    fn tried(&mut self) -> Option<Tried> {
        let trial = self.under_way.as_ref()?;
        let tried = Tried { made: trial.made?, sent: trial.sent? };
        let counts = trial.counts;
        self.under_way = None;
        counts.then_some(tried)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vtz::Format;
    use std::time::Duration;

    const GEOMETRY: Geometry = Geometry { format: Format::Nv12, width: 64, height: 64 };

    fn work(coding: Coding) -> Work {
        Work { coding, raw: 64, wire: 32, time: Duration::from_micros(1) }
    }

    #[test]
    fn there_is_one_trial_at_a_time_and_only_the_second_of_two_that_predict_counts() {
        let trial = |mode, counts| Trial { mode, counts };
        let mut trials = Trials::default();
        let begin = |trials: &mut Trials, trial, picture| {
            trials.begin(trial, GEOMETRY, picture, 0..8).map(|made| made.is_followed())
        };
        assert_eq!(begin(&mut trials, trial(Coding::Zstd, false), 0), None);
        assert!(begin(&mut trials, trial(Coding::Vtz, false), 1).is_some());
        assert_eq!(begin(&mut trials, trial(Coding::Vtz, true), 2), None);
        assert_eq!(trials.sent(1, &(0..8), work(Coding::None)), None);
        assert_eq!(trials.made(work(Coding::Vtz)), None);
        assert_eq!(begin(&mut trials, trial(Coding::Vtz, true), 3), Some(true));
        assert_eq!(trials.made(work(Coding::Vtz)), None);
        let tried = Tried { made: work(Coding::Vtz), sent: work(Coding::Lz4) };
        assert_eq!(trials.sent(3, &(0..8), work(Coding::Lz4)), Some(tried));
        assert_eq!(trials.sent(3, &(0..8), work(Coding::Lz4)), None);
    }

    #[test]
    fn every_slice_has_its_turn_and_one_that_predicts_is_seen_twice() {
        for slices in 1..=64 {
            let mut trials = Trials::default();
            let mut seen = vec![0; slices];
            for picture in 0..2 * slices as u32 {
                seen[trials.slice(slices)] += 1;
                let trial = Trial { mode: Coding::Vtz, counts: picture % 2 == 1 };
                assert!(trials.begin(trial, GEOMETRY, picture, 0..8).is_some());
                trials.made(work(Coding::Vtz));
            }
            assert_eq!(seen, vec![2; slices]);
        }
    }

    #[test]
    fn rows_are_compared_with_the_same_rows_of_the_same_picture() {
        let mut trials = Trials::default();
        let trial = Trial { mode: Coding::Zstd, counts: true };
        assert!(trials.begin(trial, GEOMETRY, 5, 8..16).is_some());
        assert_eq!(trials.made(work(Coding::Zstd)), None);
        assert_eq!(trials.sent(4, &(8..16), work(Coding::None)), None);
        assert_eq!(trials.sent(5, &(0..8), work(Coding::None)), None);
        // What is never sent is not waited for.
        assert!(trials.begin(trial, GEOMETRY, 6, 8..16).is_some());
        assert_eq!(trials.sent(5, &(8..16), work(Coding::None)), None);
        assert_eq!(trials.sent(6, &(8..16), work(Coding::None)), None);
        assert!(trials.made(work(Coding::Zstd)).is_some());
    }
}
