//! Profile and level.

use super::{Draft, Need};
use crate::ffi::{Value, names};
use vtremote_backend::{Codec, EncoderConfig, Error, PixelFormat};

/// FFmpeg's AV_PROFILE_* numbers: profile_idc, and flags for constraint_set1 (bit 9).
const BASELINE: i32 = 66;
const CONSTRAINED_BASELINE: i32 = 66 | 1 << 9;
const MAIN: i32 = 77;
const EXTENDED: i32 = 88;
const HIGH: i32 = 100;
const CONSTRAINED_HIGH: i32 = 100 | 1 << 9;
const HEVC_MAIN: i32 = 1;
const HEVC_MAIN_10: i32 = 2;
const HEVC_REXT: i32 = 4;

/// The levels that VideoToolbox has names for, but for 1.3.
const LEVELS: [u32; 9] = [30, 31, 32, 40, 41, 42, 50, 51, 52];

impl Draft<'_> {
    /// Whether the profile has B-frames (H.264 A.2).
    pub(super) fn has_b_frames(&self) -> bool {
        let EncoderConfig { codec, profile, .. } = *self.config;
        !(self.is_baseline() || codec == Codec::H264 && profile == Some(CONSTRAINED_HIGH))
    }

    /// Whether the profile has neither B-frames nor CABAC.
    pub(super) fn is_baseline(&self) -> bool {
        let EncoderConfig { codec, profile, level, b_frames, .. } = *self.config;
        codec == Codec::H264
            && match profile {
                Some(profile) => matches!(profile, BASELINE | CONSTRAINED_BASELINE),
                None => level.is_some() && b_frames == 0,
            }
    }

    pub(super) fn profile(&mut self) -> Result<(), Error> {
        let (name, need) = match self.config.codec {
            Codec::H264 => self.h264_profile()?,
            Codec::H265 => self.h265_profile()?,
        };
        if let Some(name) = name {
            self.set(names::profile_level(), Value::Text(names::profile(&name)), need);
        }
        Ok(())
    }

    fn h264_profile(&mut self) -> Result<(Option<String>, Need), Error> {
        let (name, need) = self.h264_name()?;
        if !self.low_latency {
            return Ok((name, need));
        }
        if self.config.level.is_some() {
            self.warn("level", "low-latency rate control chooses it");
        }
        match self.config.profile {
            None | Some(HIGH) => {}
            Some(CONSTRAINED_HIGH) => return Ok((name, Need::Wish("profile"))),
            Some(_) => self.warn("profile", "low-latency rate control has High profiles only"),
        }
        Ok((None, need))
    }

    fn h264_name(&self) -> Result<(Option<String>, Need), Error> {
        let EncoderConfig { profile, level, b_frames, .. } = *self.config;
        let refuse = |key, reason: String| Err(Error::Option { key, reason });
        let need = Need::Must(if profile.is_some() { "profile" } else { "level" });
        let profile = match (profile, level) {
            (Some(profile), _) => profile,
            // As the local encoder chooses.
            (None, Some(_)) if b_frames > 0 => MAIN,
            (None, Some(_)) => BASELINE,
            (None, None) => return Ok((None, need)),
        };
        let (name, levels): (_, &[u32]) = match profile {
            BASELINE => ("Baseline", &LEVELS),
            CONSTRAINED_BASELINE => ("ConstrainedBaseline", &[]),
            MAIN => ("Main", &LEVELS),
            EXTENDED => ("Extended", &[50]),
            HIGH => ("High", &LEVELS),
            CONSTRAINED_HIGH => ("ConstrainedHigh", &[]),
            _ => return refuse("profile", format!("{profile} is none that VideoToolbox encodes")),
        };
        let level = match level {
            None => "AutoLevel".into(),
            Some(13) if profile == BASELINE => "1_3".into(),
            Some(level) if levels.contains(&level) => format!("{}_{}", level / 10, level % 10),
            Some(level) => {
                let (whole, tenth) = (level / 10, level % 10);
                return refuse("level", format!("VideoToolbox has no {whole}.{tenth} of {name}"));
            }
        };
        Ok((Some(format!("H264_{name}_{level}")), need))
    }

    fn h265_profile(&mut self) -> Result<(Option<String>, Need), Error> {
        let EncoderConfig { profile, level, format, .. } = *self.config;
        let refuse = |reason: String| Err(Error::Option { key: "profile", reason });
        if level.is_some() {
            self.warn("level", "VideoToolbox chooses levels of H.265 itself");
        }
        let name = match (profile, format) {
            (None, PixelFormat::P010) => "Main10",
            (None, PixelFormat::P210) => "Main42210",
            (None, _) => return Ok((None, Need::Hint)),
            (Some(HEVC_MAIN), PixelFormat::P010 | PixelFormat::P210) => {
                return refuse("main has 8 bits".into());
            }
            (Some(HEVC_MAIN), _) => "Main",
            (Some(HEVC_MAIN_10), PixelFormat::P210) => return refuse("main 10 is 4:2:0".into()),
            (Some(HEVC_MAIN_10), _) => "Main10",
            (Some(HEVC_REXT), PixelFormat::P210) => "Main42210",
            (Some(HEVC_REXT), _) => return refuse("4:2:2 needs p210le".into()),
            (Some(other), _) => {
                return refuse(format!("{other} is none that VideoToolbox encodes"));
            }
        };
        Ok((Some(format!("HEVC_{name}_AutoLevel")), Need::Must("profile")))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{planned, refused, value, with};
    use crate::ffi::{Value, names};
    use vtremote_backend::{Codec, EncoderConfig, PixelFormat};

    fn name(config: &EncoderConfig) -> Option<String> {
        value(&planned(config), &names::profile_level()).map(|value| match value {
            Value::Text(text) => text.to_string(),
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn h264_profiles_and_levels_have_apples_names() {
        let h264 = |profile, level, b_frames| {
            name(&with(Codec::H264, PixelFormat::Nv12, |c| {
                (c.profile, c.level, c.b_frames) = (profile, level, b_frames);
            }))
        };
        assert_eq!(h264(None, None, 2), None);
        assert_eq!(h264(None, Some(41), 0).unwrap(), "H264_Baseline_4_1");
        assert_eq!(h264(None, Some(41), 1).unwrap(), "H264_Main_4_1");
        assert_eq!(h264(Some(66), Some(13), 0).unwrap(), "H264_Baseline_1_3");
        assert_eq!(h264(Some(578), None, 0).unwrap(), "H264_ConstrainedBaseline_AutoLevel");
        assert_eq!(h264(Some(77), Some(30), 0).unwrap(), "H264_Main_3_0");
        assert_eq!(h264(Some(88), Some(50), 0).unwrap(), "H264_Extended_5_0");
        assert_eq!(h264(Some(88), None, 0).unwrap(), "H264_Extended_AutoLevel");
        assert_eq!(h264(Some(100), Some(52), 0).unwrap(), "H264_High_5_2");
        assert_eq!(h264(Some(612), None, 0).unwrap(), "H264_ConstrainedHigh_AutoLevel");
    }

    #[test]
    fn h265_profiles_follow_the_format() {
        let h265 = |format, profile| name(&with(Codec::H265, format, |c| c.profile = profile));
        assert_eq!(h265(PixelFormat::Nv12, None), None);
        assert_eq!(h265(PixelFormat::Nv12, Some(1)).unwrap(), "HEVC_Main_AutoLevel");
        assert_eq!(h265(PixelFormat::Nv12, Some(2)).unwrap(), "HEVC_Main10_AutoLevel");
        assert_eq!(h265(PixelFormat::P010, None).unwrap(), "HEVC_Main10_AutoLevel");
        assert_eq!(h265(PixelFormat::P210, None).unwrap(), "HEVC_Main42210_AutoLevel");
        assert_eq!(h265(PixelFormat::P210, Some(4)).unwrap(), "HEVC_Main42210_AutoLevel");
        let plan = planned(&with(Codec::H265, PixelFormat::Nv12, |c| c.level = Some(41)));
        assert!(plan.warnings[0].starts_with("level: "));
    }

    #[test]
    fn what_has_no_name_is_refused() {
        let h264 = |profile, level| {
            refused(&with(Codec::H264, PixelFormat::Nv12, |c| {
                (c.profile, c.level) = (profile, level);
            }))
        };
        assert_eq!(h264(Some(110), None), "profile");
        assert_eq!(h264(Some(77), Some(13)), "level");
        assert_eq!(h264(Some(578), Some(41)), "level");
        assert_eq!(h264(Some(100), Some(35)), "level");
        let h265 =
            |format, profile| refused(&with(Codec::H265, format, |c| c.profile = Some(profile)));
        for (format, profile) in [
            (PixelFormat::P010, 1),
            (PixelFormat::P210, 2),
            (PixelFormat::P010, 4),
            (PixelFormat::Nv12, 100),
        ] {
            assert_eq!(h265(format, profile), "profile");
        }
    }
}
