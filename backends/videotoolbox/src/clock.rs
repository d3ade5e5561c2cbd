//! Times as VideoToolbox wants them.
//!
//! They tell it how far frames are apart. What a packet's times are comes from the frame it belongs to,
//! exactly, and never from what VideoToolbox made of these.

use crate::ffi::Time;
use vtremote_backend::Ratio;

/// Of timebases that are too fine for it, and have to be rounded.
const NANOSECONDS: i32 = 1_000_000_000;

/// Takes times as they come from outside, in ticks, and counts from the first.
#[derive(Debug)]
pub(crate) struct Clock {
    time_base: Ratio,
    first: Option<i64>,
    last: Option<i64>,
    last_value: Option<i64>,
}

impl Clock {
    pub(crate) fn new(time_base: Ratio) -> Self {
        Clock { time_base, first: None, last: None, last_value: None }
    }

    /// A frame's time and duration.
    ///
    /// # Errors
    /// A time that does not rise, or is too far from the first.
    pub(crate) fn tick(&mut self, pts: i64, duration: i64) -> Result<(Time, Time), String> {
        if pts == i64::MIN {
            return Err("a frame without a presentation time cannot be encoded".into());
        }
        if let Some(last) = self.last.filter(|last| pts <= *last) {
            return Err(format!("presentation time {pts} does not come after {last}"));
        }
        let first = *self.first.get_or_insert(pts);
        let too_far = || format!("presentation time {pts} is too far from the first, {first}");
        let (value, timescale) =
            pts.checked_sub(first).and_then(|since| self.scaled(since)).ok_or_else(too_far)?;
        // Rounding must not make two frames one.
        let value = match self.last_value {
            Some(last) => value.max(last.checked_add(1).ok_or_else(too_far)?),
            None => value,
        };
        self.last = Some(pts);
        self.last_value = Some(value);
        let duration = Some(duration).filter(|duration| *duration > 0);
        let duration = duration.and_then(|duration| self.scaled(duration));
        let duration = duration.map_or(Time::NONE, |(value, scale)| Time::new(value, scale));
        Ok((Time::new(value, timescale), duration))
    }

    fn scaled(&self, ticks: i64) -> Option<(i64, i32)> {
        let Ratio { num, den } = self.time_base;
        let value = i128::from(ticks) * i128::from(num);
        let (value, timescale) = match i32::try_from(den) {
            Ok(timescale) if timescale > 0 => (value, timescale),
            _ => (value * i128::from(NANOSECONDS) / i128::from(den.max(1)), NANOSECONDS),
        };
        Some((i64::try_from(value).ok()?, timescale))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_seconds_exactly() {
        let mut clock = Clock::new(Ratio { num: 1001, den: 30_000 });
        assert_eq!(clock.tick(-5, 2), Ok((Time::new(0, 30_000), Time::new(2002, 30_000))));
        assert_eq!(clock.tick(-2, 0), Ok((Time::new(3003, 30_000), Time::NONE)));
    }

    #[test]
    fn a_timebase_that_is_too_fine_is_rounded_and_times_still_rise() {
        let mut clock = Clock::new(Ratio { num: 1, den: u32::MAX });
        assert_eq!(clock.tick(0, 0), Ok((Time::new(0, NANOSECONDS), Time::NONE)));
        assert_eq!(clock.tick(1, 0), Ok((Time::new(1, NANOSECONDS), Time::NONE)));
        assert_eq!(clock.tick(2, 0), Ok((Time::new(2, NANOSECONDS), Time::NONE)));
        let (time, _) = clock.tick(i64::from(u32::MAX), 0).unwrap();
        assert_eq!(time, Time::new(1_000_000_000, NANOSECONDS));
    }

    #[test]
    fn times_must_rise_and_be_there() {
        let mut clock = Clock::new(Ratio { num: 1, den: 30 });
        assert!(clock.tick(i64::MIN, 0).is_err());
        clock.tick(5, 0).unwrap();
        assert!(clock.tick(5, 0).unwrap_err().contains("5 does not come after 5"));
        assert!(clock.tick(4, 0).is_err());
        clock.tick(6, 0).unwrap();
    }

    #[test]
    fn extreme_times_are_refused() {
        let mut clock = Clock::new(Ratio { num: 1, den: 30 });
        clock.tick(i64::MIN + 1, i64::MAX).unwrap();
        assert!(clock.tick(i64::MAX, 0).is_err());
        let mut clock = Clock::new(Ratio { num: u32::MAX, den: 1 });
        clock.tick(0, i64::MAX).unwrap();
        assert!(clock.tick(i64::MAX, 0).is_err());
        clock.tick(1, 0).unwrap();
    }
}
