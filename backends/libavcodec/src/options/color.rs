//! What the stream says of its pictures: colour, shape of pixels, HDR.

use super::{Draft, fraction};
use crate::options::Family;
use vtremote_backend::{Error, PixelFormat, Ratio};

impl Draft<'_> {
    /// Numbers of ISO 23091-2. Reserved ones are refused: no decoder could know what they mean.
    pub(super) fn color(&mut self) -> Result<(), Error> {
        let color = self.config.color;
        let rgb = self.config.format == PixelFormat::Bgra;
        // Of RGB nobody says that all of its range is used.
        if let Some(full) = color.full_range.or(rgb.then_some(true)) {
            self.set("color_range", if full { "pc" } else { "tv" });
        }
        let known = |key, value: Option<u8>, known: &dyn Fn(u8) -> bool| match value {
            Some(value) if !known(value) => {
                Err(Error::Option { key, reason: format!("{value} is not a number for it here") })
            }
            value => Ok(value),
        };
        // 0 is RGB (H.265 E.3.1), and nothing else is: there is no matrix then.
        let matrix = known("colorspace", color.matrix, &|n| match rgb {
            true => matches!(n, 0 | 2),
            false => matches!(n, 1 | 2 | 4..=14),
        })?;
        let matrix = if rgb { Some(0) } else { matrix };
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
}

#[cfg(test)]
mod tests {
    use super::super::tests::{config, option, planned, reason};
    use vtremote_backend::{Codec, Color, EncoderConfig, PixelFormat};

    #[test]
    fn rgb_has_all_of_its_range_and_no_matrix() {
        let rgb = EncoderConfig { format: PixelFormat::Bgra, ..config(Codec::H265) };
        let plan = planned(&rgb).unwrap();
        assert_eq!(option(&plan, "colorspace").as_deref(), Some("0"));
        assert_eq!(option(&plan, "color_range").as_deref(), Some("pc"));
        let with = |matrix| {
            let color = Color { matrix: Some(matrix), ..Color::default() };
            EncoderConfig { color, ..rgb.clone() }
        };
        planned(&with(0)).unwrap();
        assert_eq!(reason(&with(1)).0, "colorspace");
    }

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
