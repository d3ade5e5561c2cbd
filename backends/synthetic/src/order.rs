//! From presentation order to decoding order: B-frames, keyframes and dts.

use crate::slice::{Kind, Place};
use std::collections::VecDeque;

/// A frame on its way, with the place that it got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Coded<T> {
    pub(crate) item: T,
    pub(crate) place: Place,
    pub(crate) dts: i64,
}

/// Puts frames into decoding order: runs of B-frames behind the P-frame after them. Groups are
/// closed: the frame before a keyframe ends its run as a P-frame.
pub(crate) struct Order<T> {
    /// B-frames in a row.
    run: usize,
    waiting: Vec<(T, u64)>,
    times: VecDeque<i64>,
    started: bool,
    /// Of the next frame, in its group.
    order: u64,
    group: u64,
    references: u64,
    /// `order` of the newest reference.
    anchor: u64,
}

impl<T> Order<T> {
    pub(crate) fn new(run: u32) -> Self {
        Order {
            run: run as usize,
            waiting: Vec::new(),
            times: VecDeque::new(),
            started: false,
            order: 0,
            group: 0,
            references: 0,
            anchor: 0,
        }
    }

    /// Takes the next frame; times rise. What can be coded now goes to `out`. The first is a
    /// keyframe.
    ///
    /// With B-frames the nth packet has the pts of the frame before the nth in presentation order
    /// as its dts: no B-frame is a reference, so that one frame of delay is enough for runs of any
    /// length.
    pub(crate) fn push(
        &mut self,
        item: T,
        pts: i64,
        duration: i64,
        key: bool,
        out: &mut impl FnMut(Coded<T>),
    ) {
        let key = key || !self.started;
        if key {
            self.finish(out);
        }
        if !self.started && self.run > 0 {
            self.times.push_back(pts.saturating_sub(duration.max(1)));
        }
        self.times.push_back(pts);
        if key {
            self.group += u64::from(self.started);
            self.started = true;
            (self.order, self.references, self.anchor) = (1, 1, 0);
            let place = Place { kind: Kind::Idr, references: 0, ..self.place(0) };
            self.give(item, place, out);
            return;
        }
        self.waiting.push((item, self.order));
        self.order += 1;
        if self.waiting.len() > self.run {
            self.finish(out);
        }
    }

    /// Ends the run: its last frame becomes a P-frame, the others follow it.
    pub(crate) fn finish(&mut self, out: &mut impl FnMut(Coded<T>)) {
        let Some((item, order)) = self.waiting.pop() else { return };
        let before = self.anchor;
        self.give(item, Place { kind: Kind::P, before, ..self.place(order) }, out);
        (self.references, self.anchor) = (self.references + 1, order);
        for (item, at) in std::mem::take(&mut self.waiting) {
            let place = Place { kind: Kind::B, before, after: order, ..self.place(at) };
            self.give(item, place, out);
        }
    }

    fn place(&self, order: u64) -> Place {
        let Order { references, anchor, group, .. } = *self;
        Place { kind: Kind::P, order, references, before: anchor, after: 0, group }
    }

    fn give(&mut self, item: T, place: Place, out: &mut impl FnMut(Coded<T>)) {
        // One time was put in per frame, and a frame comes out after it went in.
        let dts = self.times.pop_front().unwrap_or_default();
        out(Coded { item, place, dts });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (frame, kind, order, dts), with pts ten times the frame's number.
    fn coded(run: u32, frames: i64, keys: &[i64]) -> Vec<(i64, Kind, u64, i64)> {
        let mut order = Order::new(run);
        let mut coded = Vec::new();
        let mut take = |frame: Coded<i64>| {
            coded.push((frame.item, frame.place.kind, frame.place.order, frame.dts));
        };
        for frame in 0..frames {
            order.push(frame, 10 * frame, 10, keys.contains(&frame), &mut take);
        }
        order.finish(&mut take);
        coded
    }

    #[test]
    fn without_b_frames_dts_is_pts() {
        let frames = coded(0, 3, &[]);
        assert_eq!(frames, [(0, Kind::Idr, 0, 0), (1, Kind::P, 1, 10), (2, Kind::P, 2, 20)]);
    }

    #[test]
    fn a_run_follows_the_frame_after_it() {
        let expected = [
            (0, Kind::Idr, 0, -10),
            (3, Kind::P, 3, 0),
            (1, Kind::B, 1, 10),
            (2, Kind::B, 2, 20),
            (5, Kind::P, 5, 30),
            (4, Kind::B, 4, 40),
        ];
        assert_eq!(coded(2, 6, &[]), expected);
    }

    #[test]
    fn a_keyframe_ends_the_run_before_it() {
        let expected = [
            (0, Kind::Idr, 0, -10),
            (2, Kind::P, 2, 0),
            (1, Kind::B, 1, 10),
            (3, Kind::Idr, 0, 20),
            (4, Kind::P, 1, 30),
        ];
        assert_eq!(coded(3, 5, &[3]), expected);
    }

    #[test]
    fn dts_rises_and_never_passes_pts_whatever_the_run_and_the_keys() {
        for run in 0..5 {
            for key in 1..12 {
                let frames = coded(run, 13, &[key, key + 1]);
                assert_eq!(frames.len(), 13);
                assert!(frames.windows(2).all(|pair| pair[0].3 < pair[1].3));
                assert!(frames.iter().all(|frame| frame.3 <= 10 * frame.0));
            }
        }
    }

    #[test]
    fn times_at_the_end_of_their_range_do_not_overflow() {
        let mut order = Order::new(1);
        let mut last = None;
        order.push((), i64::MIN, i64::MAX, true, &mut |frame| last = Some(frame.dts));
        assert_eq!(last, Some(i64::MIN));
    }
}
