//! Rows that are compressed to see what that gives, and thrown away.

use std::ops::Range;

use crate::vtz::Geometry;
use crate::{Coding, PictureCoding, PictureEncoder, STRIP_ROWS, Trial};

/// How many rows.
const ROWS: usize = 128;

/// One trial after the other, at one end of a session.
#[derive(Default)]
pub struct Trials {
    pictures: PictureEncoder,
    /// How the last was made.
    last: Option<PictureCoding>,
    /// One is under way, and whether it is to be counted.
    under_way: Option<bool>,
}

impl Trials {
    /// Which rows of the first plane, of so many: in the middle, where most pictures have something to show.
    pub fn rows(all: usize) -> Range<usize> {
        let first = (all / 2).saturating_sub(ROWS / 2) / STRIP_ROWS * STRIP_ROWS;
        first..all.min(first + ROWS)
    }

    /// How they are to be made; None where that would show nothing, or another trial is under way.
    pub fn begin(
        &mut self,
        trial: Trial<Coding>,
        geometry: Geometry,
        id: u32,
    ) -> Option<PictureCoding> {
        let Trial { mode: coding, counts } = trial;
        // Only what predicts from the picture before has to see that first.
        if self.under_way.is_some() || !counts && coding != Coding::Vtz {
            return None;
        }
        if let Some(last) = self.last.take() {
            self.pictures.made(&last);
        }
        let (made, _) = self.pictures.begin(coding, geometry, id).ok()?;
        self.last = Some(made.clone());
        self.under_way = Some(counts);
        Some(made)
    }

    /// They were made, or could not be. Says whether that is to be counted.
    pub fn end(&mut self) -> bool {
        self.under_way.take() == Some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vtz::Format;

    #[test]
    fn there_is_one_trial_at_a_time_and_only_the_second_of_two_that_predict_counts() {
        let geometry = Geometry { format: Format::Nv12, width: 64, height: 64 };
        let trial = |mode, counts| Trial { mode, counts };
        let mut trials = Trials::default();
        assert!(trials.begin(trial(Coding::Zstd, false), geometry, 0).is_none());
        assert!(trials.begin(trial(Coding::Vtz, false), geometry, 1).is_some());
        assert!(trials.begin(trial(Coding::Vtz, true), geometry, 2).is_none());
        assert!(!trials.end());
        assert!(
            trials
                .begin(trial(Coding::Vtz, true), geometry, 3)
                .is_some_and(|made| made.is_followed())
        );
        assert!(trials.end());
        assert!(!trials.end());
    }

    #[test]
    fn rows_are_whole_strips_but_for_the_end() {
        for (all, rows) in [(0, 0..0), (1, 0..1), (100, 0..100), (1080, 464..592), (130, 0..128)] {
            assert_eq!(Trials::rows(all), rows);
        }
    }
}
