use crate::CodedPacket;

/// Finds seeks: some clients keep their session over them.
#[derive(Debug, Clone, Default)]
pub struct Times {
    /// Of the packet before.
    dts: Option<i64>,
    /// The highest since the last jump, for packets that have no dts.
    pts: Option<i64>,
}

impl Times {
    /// Whether a keyframe has an earlier time than what came before it. In decoding order nothing
    /// that is shown after a keyframe comes before it, so that no stream does that by itself.
    pub fn jump_back(&mut self, packet: &CodedPacket) -> bool {
        let back = match ((packet.dts, self.dts), (packet.pts, self.pts)) {
            ((Some(dts), Some(before)), _) => dts < before,
            (_, (Some(pts), Some(highest))) => pts < highest,
            _ => false,
        };
        let jump = back && packet.keyframe;
        if jump {
            self.pts = None;
        }
        self.dts = packet.dts;
        self.pts = self.pts.max(packet.pts);
        jump
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (pts, dts, keyframe) of packets, and where times jump back.
    fn jumps(packets: &[(Option<i64>, Option<i64>, bool)]) -> Vec<usize> {
        let mut times = Times::default();
        let packet = |&(pts, dts, keyframe)| CodedPacket {
            pts,
            dts,
            duration: 0,
            keyframe,
            data: Vec::new(),
            side_data: Vec::new(),
        };
        let packets = packets.iter().map(packet).enumerate();
        packets.filter_map(|(at, packet)| times.jump_back(&packet).then_some(at)).collect()
    }

    #[test]
    fn a_jump_back_is_one_at_a_keyframe() {
        let dts = |dts, keyframe| (Some(dts + 2), Some(dts), keyframe);
        assert_eq!(jumps(&[dts(0, true), dts(1, false), dts(2, true)]), []);
        assert_eq!(jumps(&[dts(5, true), dts(6, false), dts(1, true), dts(2, true)]), [2]);
        assert_eq!(jumps(&[dts(5, true), dts(1, false), dts(2, true)]), []);
    }

    #[test]
    fn without_dts_reordered_pts_are_no_jump() {
        let pts = |pts, keyframe| (Some(pts), None, keyframe);
        assert_eq!(jumps(&[pts(0, true), pts(4, false), pts(2, false), pts(8, true)]), []);
        assert_eq!(jumps(&[pts(0, true), pts(4, false), pts(2, true), pts(3, true)]), [2]);
    }

    #[test]
    fn the_same_time_throughout_or_none_is_no_jump() {
        assert_eq!(jumps(&[(Some(0), Some(0), true); 3]), []);
        assert_eq!(jumps(&[(None, None, true); 3]), []);
    }
}
