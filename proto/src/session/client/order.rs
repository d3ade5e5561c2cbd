//! Decoded frames in the order in which they are shown (docs/protocol.md sections 6 and 7).

/// As many frames as H.264 and H.265 allow to overtake another.
const MAX_REORDER: usize = 16;

/// Frames that have arrived and were not handed over. Early servers send them in decode order, one
/// for each packet: those are ordered by pts, frames of the same pts as they came.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// pts and arrival number; sorted, latest first, where frames are reordered.
    held: Vec<(i64, u64)>,
    arrived: u64,
    by_pts: bool,
    ended: bool,
}

impl Order {
    /// Whether frames must be ordered by pts.
    pub(super) fn by_pts(by_pts: bool) -> Self {
        Self { by_pts, ..Self::default() }
    }

    pub(super) fn arrived(&mut self, pts: i64) {
        let frame = (pts, self.arrived);
        self.arrived += 1;
        let at = if self.by_pts { self.held.partition_point(|held| *held > frame) } else { 0 };
        self.held.insert(at, frame);
    }

    /// No frame comes any more.
    pub(super) fn end(&mut self) {
        self.ended = true;
    }

    /// The arrival number of the frame that is next to be shown, if that is certain.
    pub(super) fn next(&mut self) -> Option<u64> {
        let certain = !self.by_pts || self.ended || self.held.len() > MAX_REORDER;
        if certain { self.held.pop().map(|(_, number)| number) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_in_the_order_of_showing_pass_through() {
        let mut order = Order::by_pts(false);
        order.arrived(5);
        order.arrived(3);
        assert_eq!([order.next(), order.next(), order.next()], [Some(0), Some(1), None]);
    }

    #[test]
    fn frames_in_decode_order_come_out_by_pts() {
        let mut order = Order::by_pts(true);
        for pts in [0, 4, 2, 1, 3] {
            order.arrived(pts);
        }
        assert_eq!(order.next(), None);
        order.end();
        let shown: Vec<_> = std::iter::from_fn(|| order.next()).collect();
        assert_eq!(shown, [0, 3, 2, 4, 1]);
    }

    #[test]
    fn equal_pts_keep_the_order_of_arrival_and_a_full_hold_lets_the_first_go() {
        let mut order = Order::by_pts(true);
        (0..17).for_each(|_| order.arrived(0));
        assert_eq!(order.next(), Some(0));
        assert_eq!(order.next(), None);
    }
}
