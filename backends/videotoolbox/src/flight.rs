//! The frames that have had no packet, and the packets that wait for others.
//!
//! Frames are numbered as they are shown, from 0. Their packets come in decoding order, and go on in this
//! order, but not before all that is shown before them has come too. So what has gone on is always a
//! beginning of the stream, and a session that breaks off can be followed by another, whose keyframe is
//! the first frame that has not gone on.
//!
//! A packet's decoding time is the presentation time of an earlier frame: that many frames earlier as the
//! stream reorders at most. So it rises as those do, at a variable frame rate too, and never passes the
//! packet's own.

use std::collections::VecDeque;
use vtremote_backend::{EncodedPacket, SideData};

/// What is known of a frame until its packet has gone on.
#[derive(Debug)]
struct Frame<T> {
    pts: i64,
    duration: i64,
    /// What it is encoded from.
    input: T,
    packet: Option<Packet>,
}

/// What became of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) keyframe: bool,
    /// It has a decoding time of its own: it has come in its place.
    pub(crate) placed: bool,
    pub(crate) data: Vec<u8>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Flight<T> {
    /// How many frames had their packets go on: the number of the first of `frames`.
    gone: u64,
    frames: VecDeque<Frame<T>>,
    /// The packets that have come, in decoding order.
    waiting: VecDeque<u64>,
    times: DecodingTimes,
}

impl<T> Flight<T> {
    pub(crate) fn new() -> Self {
        Flight {
            gone: 0,
            frames: VecDeque::new(),
            waiting: VecDeque::new(),
            times: DecodingTimes::default(),
        }
    }

    /// How far the stream reorders at most, in frames. To be told before the first packet; later it has no
    /// effect.
    pub(crate) fn reorders_by(&mut self, depth: u8) {
        self.times.depth.get_or_insert(depth);
    }

    /// Whether the stream's depth is known.
    pub(crate) fn knows_depth(&self) -> bool {
        self.times.depth.is_some()
    }

    /// A frame goes in.
    pub(crate) fn enter(&mut self, pts: i64, duration: i64, input: T) {
        self.times.enter(pts, duration);
        self.frames.push_back(Frame { pts, duration, input, packet: None });
    }

    /// The number of the frame that will enter next.
    pub(crate) fn next(&self) -> u64 {
        self.gone + self.frames.len() as u64
    }

    /// The number of the first frame whose packet has not gone on.
    pub(crate) fn gone(&self) -> u64 {
        self.gone
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Presentation time and input of a frame that is waited for.
    pub(crate) fn input(&self, number: u64) -> Option<(i64, &T)> {
        let frame = self.frame(number).filter(|frame| frame.packet.is_none())?;
        Some((frame.pts, &frame.input))
    }

    fn frame(&self, number: u64) -> Option<&Frame<T>> {
        self.frames.get(usize::try_from(number.checked_sub(self.gone)?).ok()?)
    }

    /// A packet comes out. What can go on goes to `out`.
    ///
    /// # Errors
    /// A packet of a frame that is not waited for, or one whose decoding time cannot be right.
    pub(crate) fn arrive(
        &mut self,
        number: u64,
        packet: Packet,
        mut out: impl FnMut(EncodedPacket),
    ) -> Result<(), String> {
        let index = number.checked_sub(self.gone).and_then(|index| usize::try_from(index).ok());
        let frame = index.and_then(|index| self.frames.get_mut(index));
        let Some(frame) = frame.filter(|frame| frame.packet.is_none()) else {
            return Err(format!("a packet came for frame {number}, which has no packet to come"));
        };
        // A stream that is not reordered is decoded as it is shown, whoever was faster.
        let sorted = self.times.depth == Some(0) && !packet.placed;
        frame.packet = Some(packet);
        let place = match sorted {
            true => self.waiting.partition_point(|other| *other < number),
            false => self.waiting.len(),
        };
        self.waiting.insert(place, number);
        let mut last = 0;
        let complete = self.waiting.iter().enumerate().filter_map(|(index, number)| {
            last = last.max(number + 1);
            // As many as there are up to the one that is shown last.
            (last == self.gone + index as u64 + 1).then_some(index + 1)
        });
        let Some(complete) = complete.last() else { return Ok(()) };
        let group: Vec<u64> = self.waiting.drain(..complete).collect();
        let base = self.gone;
        let of = |number: &u64| (number - base) as usize;
        let pts: Vec<i64> = group.iter().map(|number| self.frames[of(number)].pts).collect();
        let dts = self.times.of(&pts)?;
        for (number, dts) in group.iter().zip(dts) {
            let frame = &mut self.frames[of(number)];
            let Some(Packet { keyframe, data, .. }) = frame.packet.take() else { continue };
            let (pts, duration, side_data) = (frame.pts, frame.duration, Vec::<SideData>::new());
            out(EncodedPacket { pts, dts, duration, keyframe, data, side_data });
        }
        self.frames.drain(..complete);
        self.gone += complete as u64;
        Ok(())
    }

    /// All that has not gone on has to come once more.
    pub(crate) fn restart(&mut self) {
        self.waiting.clear();
        self.frames.iter_mut().for_each(|frame| frame.packet = None);
    }
}

/// Presentation times that become decoding times.
#[derive(Debug, Default)]
struct DecodingTimes {
    depth: Option<u8>,
    /// Presentation times that have not become decoding times.
    pts: VecDeque<i64>,
    /// The first frame's, and how far it is to the next.
    first: Option<i64>,
    step: Option<i64>,
    /// How many decoding times there were.
    count: u64,
    last: Option<i64>,
}

impl DecodingTimes {
    fn enter(&mut self, pts: i64, duration: i64) {
        match self.first {
            None => {
                self.first = Some(pts);
                self.step = Some(duration).filter(|duration| *duration > 0);
            }
            Some(first) if self.step.is_none() => self.step = Some(pts.saturating_sub(first)),
            Some(_) => {}
        }
        self.pts.push_back(pts);
    }

    /// Of packets in decoding order which go on together.
    fn of(&mut self, pts: &[i64]) -> Result<Vec<i64>, String> {
        let mut times: Vec<i64> = pts.iter().map(|_| self.next()).collect();
        // An encoder that reorders further than it says: earlier, as far as there is room.
        let mut most = i64::MAX;
        for (time, pts) in times.iter_mut().zip(pts).rev() {
            *time = (*time).min(*pts).min(most);
            most = time.saturating_sub(1);
        }
        for (time, pts) in times.iter_mut().zip(pts) {
            if let Some(last) = self.last {
                *time = (*time).max(last.saturating_add(1));
            }
            if *time > *pts {
                return Err(format!("there is no decoding time for presentation time {pts}"));
            }
            self.last = Some(*time);
        }
        Ok(times)
    }

    fn next(&mut self) -> i64 {
        let depth = u64::from(self.depth.unwrap_or(0));
        let before = depth.saturating_sub(self.count);
        self.count += 1;
        match before {
            0 => self.pts.pop_front().unwrap_or(i64::MAX),
            // Before there was any.
            before => {
                let first = self.first.unwrap_or(0);
                let step = self.step.unwrap_or(1);
                let time = step.checked_mul(before as i64).and_then(|far| first.checked_sub(far));
                time.unwrap_or_else(|| first.saturating_sub(before as i64))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet() -> Packet {
        Packet { keyframe: false, placed: false, data: Vec::new() }
    }

    /// Frames of these times, whose packets come in this order: pts and dts, in groups as they go on.
    fn run(depth: u8, pts: &[i64], order: &[u64]) -> Result<Vec<Vec<(i64, i64)>>, String> {
        let mut flight = Flight::new();
        flight.reorders_by(depth);
        pts.iter().for_each(|pts| flight.enter(*pts, 0, ()));
        let mut groups = Vec::new();
        for number in order {
            let mut group = Vec::new();
            flight.arrive(*number, packet(), |packet| group.push((packet.pts, packet.dts)))?;
            groups.push(group);
        }
        groups.retain(|group| !group.is_empty());
        Ok(groups)
    }

    fn times(depth: u8, pts: &[i64], order: &[u64]) -> Vec<(i64, i64)> {
        let times = run(depth, pts, order).unwrap().concat();
        assert_eq!(times.len(), order.len());
        assert!(times.windows(2).all(|pair| pair[0].1 < pair[1].1), "{times:?}");
        assert!(times.iter().all(|(pts, dts)| dts <= pts), "{times:?}");
        times
    }

    #[test]
    fn without_reordering_a_packet_is_decoded_when_it_is_shown() {
        assert_eq!(times(0, &[7, 8, 30], &[0, 1, 2]), [(7, 7), (8, 8), (30, 30)]);
    }

    #[test]
    fn with_reordering_decoding_is_ahead_by_its_depth() {
        let found = times(1, &[0, 1, 2, 3, 4], &[0, 2, 1, 4, 3]);
        assert_eq!(found, [(0, -1), (2, 0), (1, 1), (4, 2), (3, 3)]);
        let found = times(2, &[0, 1, 2, 3, 4], &[0, 4, 2, 1, 3]);
        assert_eq!(found, [(0, -2), (4, -1), (2, 0), (1, 1), (3, 2)]);
    }

    #[test]
    fn a_variable_frame_rate_keeps_times_in_order() {
        times(2, &[0, 33, 67, 100, 600, 601], &[0, 4, 2, 1, 3, 5]);
        times(1, &[i64::MIN + 1, 0, 5], &[0, 2, 1]);
    }

    #[test]
    fn an_encoder_that_reorders_less_than_it_says_is_ahead_all_the_same() {
        assert_eq!(times(2, &[0, 1, 2], &[0, 1, 2]), [(0, -2), (1, -1), (2, 0)]);
    }

    #[test]
    fn an_encoder_that_reorders_further_than_it_says_is_followed_while_there_is_room() {
        times(1, &[0, 10, 20, 30, 40], &[0, 4, 2, 1, 3]);
        // No decoding time is left between 0 and 1.
        let crowded = run(1, &[0, 1, 2, 3, 4], &[0, 4, 3, 2, 1]);
        assert!(crowded.unwrap_err().contains("no decoding time"));
    }

    #[test]
    fn a_packet_waits_for_what_is_shown_before_it() {
        let groups = run(1, &[0, 1, 2, 3, 4], &[0, 2, 1, 4, 3]).unwrap();
        assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2, 2]);
        // Frame 4 is there before 1: 1 has to go on first, and comes behind it.
        let groups = run(2, &[0, 1, 2, 3, 4], &[0, 2, 4, 1, 3]).unwrap();
        assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), [1, 4]);
    }

    #[test]
    fn what_has_not_gone_on_comes_once_more() {
        let mut flight = Flight::new();
        flight.reorders_by(1);
        (0..5).for_each(|pts| flight.enter(pts, 1, pts));
        let mut out = Vec::new();
        for number in [0, 2] {
            flight.arrive(number, packet(), |packet| out.push((packet.pts, packet.dts))).unwrap();
        }
        assert_eq!((flight.gone(), flight.next()), (1, 5));
        flight.restart();
        for number in [1, 3, 2, 4] {
            assert_eq!(flight.input(number), Some((number as i64, &(number as i64))));
            flight.arrive(number, packet(), |packet| out.push((packet.pts, packet.dts))).unwrap();
        }
        assert_eq!(out, [(0, -1), (1, 0), (3, 1), (2, 2), (4, 3)]);
        assert!(flight.is_empty());
    }

    #[test]
    fn a_packet_that_is_late_takes_its_place_where_nothing_is_reordered() {
        assert_eq!(times(0, &[0, 1, 2, 3], &[0, 2, 3, 1]), [(0, 0), (1, 1), (2, 2), (3, 3)]);
    }

    #[test]
    fn a_packet_in_its_place_stays_there_though_nobody_has_said_that_the_stream_is_reordered() {
        let run = |far: i64| {
            let mut flight = Flight::new();
            flight.reorders_by(0);
            (0..4).for_each(|number| flight.enter(number * far, far, ()));
            let mut out = Vec::new();
            for number in [0, 3, 1, 2] {
                let packet = Packet { placed: true, ..packet() };
                flight.arrive(number, packet, |packet| out.push((packet.pts, packet.dts)))?;
            }
            Ok::<_, String>(out)
        };
        assert_eq!(run(10).unwrap(), [(0, 0), (30, 9), (10, 10), (20, 20)]);
        assert!(run(1).unwrap_err().contains("no decoding time"));
    }

    #[test]
    fn a_packet_comes_once() {
        let mut flight = Flight::new();
        (0..3).for_each(|pts| flight.enter(pts, 1, ()));
        flight.arrive(0, packet(), |_| {}).unwrap();
        flight.arrive(2, packet(), |_| {}).unwrap();
        for number in [0, 2, 3, u64::MAX] {
            assert!(flight.arrive(number, packet(), |_| {}).is_err(), "{number}");
        }
    }
}
