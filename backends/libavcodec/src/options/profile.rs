//! Profiles: FFmpeg's numbers AV_PROFILE_H264_* and AV_PROFILE_HEVC_*.

use super::Draft;
use crate::ffi::Layout;
use crate::options::Family;
use vtremote_backend::{Codec, Entropy, Error, PixelFormat};

/// AV_PROFILE_H264_CONSTRAINED and AV_PROFILE_H264_HIGH.
pub(crate) const CONSTRAINED_HIGH: i32 = 512 | 100;

impl Draft<'_> {
    pub(super) fn profile(&mut self, layout: Layout) -> Result<(), Error> {
        let Some(profile) = self.config.profile.filter(|profile| *profile != -99) else {
            return Ok(());
        };
        let refused = |reason: String| Err(Error::Option { key: "profile", reason });
        match (self.config.codec, profile) {
            (Codec::H264, 66 | 578) => {
                self.no_b_frames("the baseline profile has no B-frames");
                if self.config.entropy == Some(Entropy::Cabac) {
                    let reason = "the baseline profile has CAVLC only".into();
                    return Err(Error::Option { key: "entropy", reason });
                }
                self.named_profile(profile, "baseline");
            }
            (Codec::H264, 77) => {
                self.named_profile(profile, "main");
                if self.family == Family::X264 && self.preset() == "ultrafast" {
                    // Without a tool of the main profile the stream would be a baseline one.
                    self.set("weightp", 1);
                }
            }
            (Codec::H264, 88) => {
                return refused(format!("extended (88) is none that {} makes", self.encoder));
            }
            (Codec::H264, 100) => self.high_profile(profile),
            (Codec::H264, CONSTRAINED_HIGH) => {
                self.no_b_frames("the constrained high profile has no B-frames");
                if !self.family.is_software() {
                    self.warn("profile", "constrained_high is signalled as high");
                }
                self.high_profile(100);
            }
            (Codec::H265, 1 | 2) if !is_420(self.config.format) => {
                let format = self.config.format.name();
                return refused(format!(
                    "main and main10 are 4:2:0; {format} pictures need rext (4)"
                ));
            }
            (Codec::H265, 1) if self.config.format == PixelFormat::Nv12 => {
                self.named_profile(profile, "main");
            }
            (Codec::H265, 1) => {
                return refused("main has 8 bits; p010le pictures need main10 (2)".into());
            }
            (Codec::H265, 2) if layout == Layout::Yuv420p10 || layout == Layout::P010 => {
                self.named_profile(profile, "main10");
            }
            (Codec::H265, 2) => {
                return refused(format!("{} does main10 from p010le pictures only", self.encoder));
            }
            (Codec::H265, 4) => match self.config.format {
                PixelFormat::P210 => self.named_profile(profile, "main422-10"),
                PixelFormat::Ayuv | PixelFormat::Bgra => self.named_profile(profile, "main444-8"),
                PixelFormat::Nv12 | PixelFormat::P010 => {
                    return refused("main42210 needs p210le pictures".into());
                }
            },
            _ => return refused(format!("{profile} is none that {} makes here", self.encoder)),
        }
        Ok(())
    }

    fn no_b_frames(&mut self, reason: &str) {
        if self.b_frames > 0 {
            self.b_frames = 0;
            self.warn("max_b_frames", format_args!("0, since {reason}"));
        }
    }

    fn named_profile(&mut self, number: i32, name: &str) {
        // The software encoders' own option is a name; the others' options differ, but they all
        // read the number in the codec context.
        if self.family.is_software() {
            self.set("profile", name)
        } else {
            self.set("profile", number)
        }
    }

    fn high_profile(&mut self, number: i32) {
        self.named_profile(number, "high");
        if self.family == Family::X264 {
            // Without it the fastest preset writes a stream of the main profile.
            self.set("8x8dct", 1);
        }
    }
}

fn is_420(format: PixelFormat) -> bool {
    matches!(format, PixelFormat::Nv12 | PixelFormat::P010)
}

/// Says in H.264 parameter sets of the High profile, in Annex B, that they are of its constrained
/// form: no fields and no B slices (H.264 A.2.4.2). libx264 never says so.
pub(crate) fn mark_constrained_high(parameter_sets: &mut [u8]) {
    let start_codes = parameter_sets.windows(3).enumerate().filter(|(_, code)| *code == [0, 0, 1]);
    let nals: Vec<_> = start_codes.map(|(at, _)| at + 3).collect();
    for at in nals {
        if let Some([header, 100, constraints]) = parameter_sets.get_mut(at..at + 3)
            && *header & 0x1f == 7
        {
            // constraint_set4_flag and constraint_set5_flag. One byte 0 fewer at most: there are no
            // two in a row before a level, and so no emulation prevention either way.
            *constraints |= 0x0c;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{config, option, plan_with_preset, planned, reason};
    use super::*;
    use vtremote_backend::EncoderConfig;

    #[test]
    fn profiles_that_cannot_be_are_refused_by_name() {
        let with = |codec, profile| EncoderConfig { profile: Some(profile), ..config(codec) };
        for profile in [88, 110, 122, 1] {
            assert_eq!(reason(&with(Codec::H264, profile)).0, "profile");
        }
        for profile in [2, 3, 4] {
            assert_eq!(reason(&with(Codec::H265, profile)).0, "profile");
        }
        let p010 = EncoderConfig { format: PixelFormat::P010, ..with(Codec::H265, 1) };
        assert_eq!(reason(&p010).0, "profile");
        for format in [PixelFormat::P210, PixelFormat::Ayuv, PixelFormat::Bgra] {
            for profile in [1, 2] {
                let config = EncoderConfig { format, ..with(Codec::H265, profile) };
                assert_eq!(reason(&config).0, "profile");
            }
        }
    }

    #[test]
    fn the_range_extensions_are_what_the_format_needs() {
        let profile = |format| {
            let config = EncoderConfig { profile: Some(4), format, ..config(Codec::H265) };
            option(&planned(&config).unwrap(), "profile")
        };
        assert_eq!(profile(PixelFormat::P210).as_deref(), Some("main422-10"));
        assert_eq!(profile(PixelFormat::Ayuv).as_deref(), Some("main444-8"));
        assert_eq!(profile(PixelFormat::Bgra).as_deref(), Some("main444-8"));
    }

    #[test]
    fn baseline_has_neither_cabac_nor_b_frames() {
        for profile in [66, 578] {
            let config = EncoderConfig { profile: Some(profile), ..config(Codec::H264) };
            let cabac = EncoderConfig { entropy: Some(Entropy::Cabac), ..config.clone() };
            assert_eq!(reason(&cabac).0, "entropy");
            let plan = planned(&EncoderConfig { b_frames: 2, ..config }).unwrap();
            assert_eq!(
                plan.warnings,
                ["max_b_frames: 0, since the baseline profile has no B-frames"]
            );
            assert_eq!(option(&plan, "bf").as_deref(), Some("0"));
        }
    }

    #[test]
    fn the_fastest_preset_has_a_tool_of_the_profile_that_was_asked_for() {
        let plan = |profile| {
            let config = EncoderConfig { profile: Some(profile), ..config(Codec::H264) };
            plan_with_preset(&config, "ultrafast")
        };
        assert_eq!(option(&plan(77), "weightp").as_deref(), Some("1"));
        assert_eq!(option(&plan(100), "8x8dct").as_deref(), Some("1"));
    }

    #[test]
    fn constrained_high_is_marked_in_sequence_parameter_sets_of_the_high_profile_only() {
        let mut sets = *b"\0\0\0\x01\x67\x64\0\x1f\xac\0\0\x01\x68\x64\0\x3c\0\0\x01\x67\x4d\0\x1f\0\0\x01\x67";
        mark_constrained_high(&mut sets);
        assert_eq!(
            sets,
            *b"\0\0\0\x01\x67\x64\x0c\x1f\xac\0\0\x01\x68\x64\0\x3c\0\0\x01\x67\x4d\0\x1f\0\0\x01\x67"
        );
    }
}
