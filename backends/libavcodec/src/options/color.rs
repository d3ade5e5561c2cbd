//! What the stream says of its pictures: colour, shape of pixels, HDR.

use super::{Draft, fraction};
use crate::options::Family;
use vtremote_backend::{Error, Ratio};

impl Draft<'_> {
    /// Numbers of ISO 23091-2. Reserved ones are refused: no decoder could know what they mean.
    pub(super) fn color(&mut self) -> Result<(), Error> {
        let color = self.config.color;
        if let Some(full) = color.full_range {
            self.set("color_range", if full { "pc" } else { "tv" });
        }
        let known = |key, value: Option<u8>, known: &dyn Fn(u8) -> bool| match value {
            Some(value) if !known(value) => {
                Err(Error::Option { key, reason: format!("{value} is not a number for it here") })
            }
            value => Ok(value),
        };
        // 0 is RGB, which H.264 and H.265 allow in 4:4:4 only (H.264 E.2.1).
        let matrix = known("colorspace", color.matrix, &|n| matches!(n, 1 | 2 | 4..=14))?;
        let software = self.family.is_software();
        let primaries = known("color_primaries", color.primaries, &|n| {
            // libx264 would leave it out, libx265 not open.
            matches!(n, 1 | 2 | 4..=12) || n == 22 && !software
        })?;
        let transfer = known("color_trc", color.transfer, &|n| matches!(n, 1 | 2 | 4..=18))?;
        let location = known("chroma_location", color.chroma_location, &|n| n <= 6)?;
        let numbers = [
            ("colorspace", matrix),
            ("color_primaries", primaries),
            ("color_trc", transfer),
            ("chroma_sample_location", location),
        ];
        for (name, value) in numbers {
            if let Some(value) = value {
                self.set(name, value);
            }
        }
        Ok(())
    }

    pub(super) fn aspect(&mut self) -> Option<(i32, i32)> {
        let Ratio { num, den } = self.config.sample_aspect_ratio?;
        let aspect = fraction(Ratio { num, den }).filter(|(num, den)| *num > 0 && *den > 0);
        // Both write 16 bits at most (H.264 E.1.1, H.265 E.2.1), libavcodec less for libx264.
        let most = if self.family == Family::X264 { 4096 } else { 65_535 };
        match aspect {
            None => {
                self.warn(
                    "sar_num",
                    format_args!("the aspect ratio {num}:{den} cannot be written"),
                );
            }
            Some((num, den)) if num.max(den) > most => {
                self.warn("sar_num", format_args!("{num}:{den} is written as near as can be"));
            }
            Some(_) => {}
        }
        aspect
    }

    /// H.265 D.2.28 and D.2.35, which H.264 D.2.29 and D.2.31 repeat.
    pub(super) fn hdr(&mut self) {
        if let Some(payload) = self.config.mastering_display {
            let short = |at: usize| u16::from_be_bytes([payload[at], payload[at + 1]]);
            let long = |at: usize| u32::from(short(at)) << 16 | u32::from(short(at + 2));
            let point = |name: &str, at| format!("{name}({},{})", short(at), short(at + 2));
            let value = [
                point("G", 0),
                point("B", 4),
                point("R", 8),
                point("WP", 12),
                format!("L({},{})", long(16), long(20)),
            ];
            match self.family {
                Family::X264 => self.native("mastering-display", value.concat()),
                Family::X265 => self.native("master-display", value.concat()),
                _ => self.unused("mastering_display"),
            }
        }
        if let Some([a, b, c, d]) = self.config.content_light {
            let (most, average) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            match self.family {
                Family::X264 => self.native("cll", format_args!("{most},{average}")),
                Family::X265 => self.native("max-cll", format_args!("{most},{average}")),
                _ => self.unused("content_light"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{config, option, planned, reason};
    use vtremote_backend::{Codec, EncoderConfig};

    #[test]
    fn color_code_0_is_a_value_and_not_a_4_2_0_one() {
        let with = |set: &dyn Fn(&mut EncoderConfig)| {
            let mut config = config(Codec::H264);
            set(&mut config);
            config
        };
        assert_eq!(reason(&with(&|c| c.color.matrix = Some(0))).0, "colorspace");
        assert_eq!(reason(&with(&|c| c.color.primaries = Some(0))).0, "color_primaries");
        assert_eq!(reason(&with(&|c| c.color.transfer = Some(255))).0, "color_trc");
        assert_eq!(reason(&with(&|c| c.color.chroma_location = Some(7))).0, "chroma_location");
        let plan = planned(&config(Codec::H264)).unwrap();
        for name in ["colorspace", "color_primaries", "color_trc", "color_range"] {
            assert_eq!(option(&plan, name), None);
        }
    }
}
