//! From decoding order to presentation order.

/// Frames wait until nothing that is to be shown before them can come any more.
pub(crate) struct Presentation<T> {
    /// As many frames as wait before the first is let go; `None`: what dts says.
    depth: Option<usize>,
    /// By presentation time; those of one time in the order in which they came.
    held: Vec<(i64, T)>,
    last_pts: i64,
    last_dts: Option<i64>,
}

/// No stream reorders over more pictures than these (H.264 A.3.1, H.265 A.4.2): whoever's times say
/// otherwise has wrong times.
const MOST_HELD: usize = 16;

impl<T> Presentation<T> {
    pub(crate) fn new(depth: Option<u32>) -> Self {
        let depth = depth.map(|depth| depth as usize);
        Presentation { depth, held: Vec::new(), last_pts: i64::MIN, last_dts: None }
    }

    /// Takes a frame, and gives those whose turn it is.
    ///
    /// Later packets have later dts and no pts before their dts: whatever is to be shown up to now
    /// is complete. A keyframe that jumps back in time ends what was before it; a frame without pts
    /// comes right after the one before it.
    pub(crate) fn push(
        &mut self,
        pts: Option<i64>,
        dts: Option<i64>,
        keyframe: bool,
        item: T,
    ) -> Vec<T> {
        let jump = keyframe && dts.zip(self.last_dts).is_some_and(|(now, before)| now < before);
        let mut out = if jump { self.finish() } else { Vec::new() };
        self.last_dts = dts;
        self.last_pts = pts.unwrap_or(self.last_pts);
        let at = self.held.partition_point(|(held, _)| *held <= self.last_pts);
        self.held.insert(at, (self.last_pts, item));
        let ready = match (self.depth, dts) {
            (Some(depth), _) => self.held.len().saturating_sub(depth),
            (None, Some(dts)) => self.held.partition_point(|(pts, _)| *pts <= dts),
            (None, None) => self.held.len(),
        };
        let ready = ready.max(self.held.len().saturating_sub(MOST_HELD));
        out.extend(self.held.drain(..ready).map(|(_, item)| item));
        out
    }

    /// All that is left.
    pub(crate) fn finish(&mut self) -> Vec<T> {
        self.held.drain(..).map(|(_, item)| item).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn presented(depth: Option<u32>, frames: &[(Option<i64>, Option<i64>)]) -> Vec<Vec<usize>> {
        let mut presentation = Presentation::new(depth);
        let take = |(number, (pts, dts)): (usize, &(Option<i64>, Option<i64>))| {
            presentation.push(*pts, *dts, number == 0, number)
        };
        let mut out: Vec<_> = frames.iter().enumerate().map(take).collect();
        out.push(presentation.finish());
        out
    }

    #[test]
    fn a_frame_comes_as_soon_as_dts_reaches_it() {
        let frames = [(0, -1), (2, 0), (1, 1), (3, 2)].map(|(pts, dts)| (Some(pts), Some(dts)));
        assert_eq!(presented(None, &frames), [vec![], vec![0], vec![2], vec![1], vec![3]]);
    }

    #[test]
    fn without_times_frames_come_as_they_are() {
        assert_eq!(presented(None, &[(None, None); 2]), [vec![0], vec![1], vec![]]);
    }

    #[test]
    fn a_scripted_depth_does_not_look_at_dts() {
        let frames = [(2, 0), (1, 0), (0, 0)].map(|(pts, dts)| (Some(pts), Some(dts)));
        assert_eq!(presented(Some(2), &frames), [vec![], vec![], vec![2], vec![1, 0]]);
    }

    #[test]
    fn equal_times_keep_their_order() {
        let frames = [(Some(0), Some(-1)); 3];
        assert_eq!(presented(None, &frames).concat(), [0, 1, 2]);
    }

    #[test]
    fn times_that_never_let_a_frame_go_hold_no_more_than_sixteen() {
        let frames = [(Some(5), Some(i64::MIN)); 40];
        assert_eq!(presented(None, &frames).last().unwrap().len(), MOST_HELD);
    }

    #[test]
    fn a_keyframe_that_jumps_back_ends_what_was_before() {
        let mut presentation = Presentation::new(None);
        assert!(presentation.push(Some(100), Some(99), true, 'a').is_empty());
        assert_eq!(presentation.push(Some(0), Some(-1), true, 'b'), ['a']);
    }
}
