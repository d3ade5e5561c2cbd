//! What a packet's times are: the frame's own, and a decoding time that can be relied upon.

use std::collections::HashMap;
use vtremote_backend::Messages;

/// Farther from the first frame than this (in ticks) no frame may be: codecs multiply times by
/// rates.
const SPAN: i64 = 1 << 53;

/// Takes times as they come from outside; gives times as encoders like them.
///
/// Encoders count from 0, whatever the stream's first time is: x264 takes times below 0 for errors,
/// and far times lose bits where they are computed in floating point.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    first: Option<i64>,
    last: Option<i64>,
}

impl Clock {
    /// The time for the encoder, and the first frame's time, which was subtracted.
    ///
    /// # Errors
    /// A time that does not rise, or is too far from the first.
    pub(crate) fn tick(&mut self, pts: i64) -> Result<(i64, i64), String> {
        if pts == i64::MIN {
            return Err("a frame without a presentation time cannot be encoded".into());
        }
        let first = *self.first.get_or_insert(pts);
        match self.last {
            Some(last) if pts <= last => {
                return Err(format!("presentation time {pts} does not come after {last}"));
            }
            _ => {}
        }
        match pts.checked_sub(first) {
            Some(since) if since <= SPAN => {
                self.last = Some(pts);
                Ok((since, first))
            }
            _ => Err(format!("presentation time {pts} is too far from the first, {first}")),
        }
    }
}

/// The frames that are in the encoder, and what is owed to their packets.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    first: i64,
    last_dts: Option<i64>,
    /// By the encoder's time: duration and SEI.
    frames: HashMap<i64, (i64, Messages)>,
}

/// What a packet gets of its frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owed {
    pub(crate) pts: i64,
    pub(crate) dts: i64,
    pub(crate) duration: i64,
    pub(crate) messages: Messages,
}

impl InFlight {
    /// A frame goes in, at the encoder's time.
    pub(crate) fn enter(&mut self, since: i64, first: i64, duration: i64, messages: Messages) {
        self.first = first;
        self.frames.insert(since, (duration, messages));
    }

    /// A packet comes out, with the encoder's times.
    ///
    /// # Errors
    /// A packet of no frame, or one whose decoding time cannot be made right.
    pub(crate) fn leave(&mut self, since: i64, dts: Option<i64>) -> Result<Owed, String> {
        let frame = self.frames.remove(&since);
        let (duration, messages) = frame.ok_or_else(|| {
            format!("a packet has presentation time {since}, which no frame in flight has")
        })?;
        let impossible = || format!("no decoding time for the packet of presentation time {since}");
        let pts = self.first.checked_add(since).ok_or_else(impossible)?;
        let dts = self.first.checked_add(dts.unwrap_or(since).min(since)).ok_or_else(impossible)?;
        let dts = match self.last_dts {
            Some(last) => dts.max(last.checked_add(1).ok_or_else(impossible)?),
            None => dts,
        };
        if dts > pts {
            return Err(impossible());
        }
        self.last_dts = Some(dts);
        Ok(Owed { pts, dts, duration, messages })
    }

    /// How many frames have had no packet.
    pub(crate) fn len(&self) -> usize {
        self.frames.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_flight(first: i64, frames: &[i64]) -> InFlight {
        let mut in_flight = InFlight::default();
        frames.iter().for_each(|since| in_flight.enter(*since, first, 7, Messages::default()));
        in_flight
    }

    #[test]
    fn times_begin_at_zero_for_the_encoder() {
        let mut clock = Clock::default();
        assert_eq!(clock.tick(-500), Ok((0, -500)));
        assert_eq!(clock.tick(-400), Ok((100, -500)));
        assert_eq!(clock.tick(3), Ok((503, -500)));
    }

    #[test]
    fn times_must_rise() {
        let mut clock = Clock::default();
        clock.tick(5).unwrap();
        assert!(clock.tick(5).unwrap_err().contains("5 does not come after 5"));
        assert!(clock.tick(4).is_err());
        assert_eq!(clock.tick(6), Ok((1, 5)));
    }

    #[test]
    fn extreme_times_are_refused() {
        assert!(Clock::default().tick(i64::MIN).is_err());
        let mut clock = Clock::default();
        assert_eq!(clock.tick(i64::MIN + 1), Ok((0, i64::MIN + 1)));
        assert!(clock.tick(i64::MAX).is_err());
        assert!(in_flight(i64::MIN + 1, &[0]).leave(0, Some(-2)).is_err());
    }

    #[test]
    fn a_packet_has_its_frames_times() {
        let mut flight = in_flight(1000, &[0, 10, 20]);
        let owed = |pts, dts| Ok(Owed { pts, dts, duration: 7, messages: Messages::default() });
        assert_eq!(flight.leave(0, Some(-10)), owed(1000, 990));
        assert_eq!(flight.leave(20, Some(0)), owed(1020, 1000));
        assert_eq!(flight.len(), 1);
    }

    #[test]
    fn a_decoding_time_that_does_not_rise_is_moved_up() {
        let mut flight = in_flight(0, &[0, 10, 20]);
        flight.leave(0, Some(0)).unwrap();
        assert_eq!(flight.leave(20, Some(0)).unwrap().dts, 1);
        assert_eq!(flight.leave(10, None).unwrap().dts, 10);
    }

    #[test]
    fn a_decoding_time_above_the_presentation_time_is_an_error_where_it_cannot_be_lower() {
        let mut flight = in_flight(0, &[0, 10, 20]);
        assert_eq!(flight.leave(20, Some(30)).unwrap().dts, 20);
        assert!(flight.leave(10, Some(10)).is_err());
    }

    #[test]
    fn a_packet_of_no_frame_is_an_error() {
        let mut flight = in_flight(0, &[0]);
        flight.leave(0, Some(0)).unwrap();
        assert!(flight.leave(0, Some(0)).is_err());
    }
}
