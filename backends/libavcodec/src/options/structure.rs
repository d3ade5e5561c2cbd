//! The order of pictures, what they refer to, and the marks of a keyframe.

use super::Draft;
use crate::options::Family;
use vtremote_backend::Error;

/// The fewest reference pictures with which B-frames may be references themselves: two around such
/// a frame, itself, and the other of the next pair.
const PYRAMID: u32 = 4;

impl Draft<'_> {
    pub(super) fn structure(&mut self) {
        let mut flags = String::from("+global_header+cgop");
        if self.config.low_delay {
            flags.push_str("+low_delay");
        }
        // Parameter sets have to be known before the first frame, so that they are always asked for
        // here and put in-band by us. Closed groups always: a keyframe is where decoding can start.
        self.set("flags", flags);
        if let Some(gop) = self.config.gop.filter(|gop| *gop > 0) {
            self.set("g", gop.min(i32::MAX as u32));
        }
        match self.family {
            Family::X264 | Family::X265 | Family::Nvenc => self.set("forced-idr", 1),
            Family::Qsv => self.set("forced_idr", 1),
            Family::Other => {}
        }
        if self.family.is_software() {
            let preset = self.preset().to_owned();
            self.set("preset", preset);
        }
    }

    /// How many pictures frames may refer to: what is asked for, and what the level has room for.
    pub(super) fn references(&mut self) -> Result<(), Error> {
        let asked = self.config.max_ref_frames.filter(|references| *references > 0);
        if let Some(references) = asked.filter(|references| *references > 16) {
            let reason = format!("{references} is more than the 16 that a stream can have");
            return Err(Error::Option { key: "max_ref_frames", reason });
        }
        if !self.family.is_software() {
            if let Some(references) = asked {
                self.set("refs", references);
            }
            return Ok(());
        }
        let most = asked.unwrap_or(16).min(self.most_references());
        if most == 1 && self.b_frames > 0 {
            self.b_frames = 0;
            self.warn("max_b_frames", "0, since a B-frame needs two reference frames");
        }
        let pyramid = most >= PYRAMID;
        if !pyramid && self.b_frames > 0 {
            match self.family {
                Family::X264 => self.set("b-pyramid", "none"),
                _ => self.native("b-pyramid", 0),
            }
        }
        if asked.is_some() {
            // libx264 counts the pictures that are kept; libx265 those of the past only, beside one
            // of the future, or two in a pyramid.
            let future = match self.family {
                Family::X265 if self.b_frames > 0 => 1 + u32::from(pyramid),
                _ => 0,
            };
            self.set("refs", most - future);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{config, option, planned, reason};
    use vtremote_backend::{Codec, EncoderConfig};

    #[test]
    fn more_reference_frames_than_there_can_be_are_refused() {
        let config = EncoderConfig { max_ref_frames: Some(17), ..config(Codec::H265) };
        assert_eq!(reason(&config).0, "max_ref_frames");
    }

    #[test]
    fn a_level_limits_the_reference_frames() {
        let level = Some(31);
        let config = EncoderConfig { width: 1280, height: 720, level, ..config(Codec::H264) };
        // 3600 macroblocks of 18000.
        let refs = |max_ref_frames| {
            let plan = planned(&EncoderConfig { max_ref_frames, ..config.clone() }).unwrap();
            option(&plan, "refs")
        };
        assert_eq!(refs(Some(16)).as_deref(), Some("5"));
        assert_eq!(refs(Some(3)).as_deref(), Some("3"));
        // libavcodec keeps the preset's number below the level's.
        assert_eq!(refs(None), None);
    }

    #[test]
    fn one_reference_frame_leaves_no_room_for_b_frames() {
        for codec in [Codec::H264, Codec::H265] {
            let config = EncoderConfig { max_ref_frames: Some(1), b_frames: 2, ..config(codec) };
            let plan = planned(&config).unwrap();
            assert_eq!(option(&plan, "bf").as_deref(), Some("0"));
            assert_eq!(
                plan.warnings,
                ["max_b_frames: 0, since a B-frame needs two reference frames"]
            );
        }
    }
}
