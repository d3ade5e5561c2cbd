//! From what a client asks for to the options of one encoder.
//!
//! Every field of [`EncoderConfig`] ends here in one of three ways: it becomes an option, it is
//! refused by its wire name because the stream would not be what was asked for, or it is named in a
//! warning. Hints that every client sends (`realtime=0`, `allow_sw=1`, …) are no reason for one. Only
//! captions and the metadata of HDR are no encoder's: [`vtremote_backend::Metadata`] has them.
//! docs/options.md says which.

mod coding;
mod color;
mod delay;
mod family;
mod level;
mod profile;
mod rate;
mod structure;

pub(crate) use family::Family;
pub(crate) use profile::{CONSTRAINED_HIGH, mark_constrained_high};

use crate::ffi::{Layout, Parameters};
use vtremote_backend::{EncoderConfig, Error, PixelFormat, Ratio, check_size};

/// What the daemon's user chose for all sessions.
#[derive(Debug, Clone)]
pub(crate) struct Tuning {
    pub(crate) preset: Option<String>,
    pub(crate) threads: usize,
}

/// What to open an encoder with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    pub(crate) parameters: Parameters,
    pub(crate) warnings: Vec<String>,
}

/// Fast enough for live 1080p on a few cores; FFmpeg's own default, medium, is not.
const PRESET: &str = "superfast";

/// What to open `encoder` with for this configuration, frames coming in `layout`.
///
/// # Errors
/// [`Error::Unsupported`] or [`Error::Option`].
pub(crate) fn plan(
    config: &EncoderConfig,
    encoder: &str,
    layout: Layout,
    tuning: &Tuning,
) -> Result<Plan, Error> {
    let mut draft = Draft {
        config,
        encoder,
        family: Family::of(encoder),
        tuning,
        b_frames: config.b_frames,
        average: None,
        peak: None,
        buffer: None,
        options: Vec::new(),
        native: Vec::new(),
        warnings: Vec::new(),
    };
    let size = draft.size()?;
    let time_base = draft.time_base()?;
    draft.profile(layout)?;
    draft.rate()?;
    draft.quantisers()?;
    draft.level()?;
    draft.structure();
    draft.small();
    draft.references()?;
    draft.delay();
    draft.color()?;
    draft.coding()?;
    draft.hints()?;
    let aspect = draft.aspect();
    let frame_rate = draft.frame_rate();
    draft.finish(Parameters { size, layout, time_base, frame_rate, aspect, options: Vec::new() })
}

struct Draft<'a> {
    config: &'a EncoderConfig,
    encoder: &'a str,
    family: Family,
    tuning: &'a Tuning,
    /// As they will be: profile, references and delay may reduce them.
    b_frames: u32,
    /// As they will be, in bits per second and bits.
    average: Option<u64>,
    peak: Option<u64>,
    buffer: Option<u64>,
    options: Vec<(&'static str, String)>,
    /// Of the encoder's own, beside libavcodec's: `x264-params`, `x265-params`.
    native: Vec<String>,
    warnings: Vec<String>,
}

impl Draft<'_> {
    fn set(&mut self, name: &'static str, value: impl ToString) {
        self.options.push((name, value.to_string()));
    }

    fn native(&mut self, name: &str, value: impl std::fmt::Display) {
        self.native.push(format!("{name}={value}"));
    }

    fn warn(&mut self, key: &str, what: impl std::fmt::Display) {
        self.warnings.push(format!("{key}: {what}"));
    }

    fn unused(&mut self, key: &str) {
        let encoder = self.encoder;
        self.warn(key, format_args!("not used by {encoder}"));
    }

    /// Of the software encoders.
    fn preset(&self) -> &str {
        self.tuning.preset.as_deref().unwrap_or(PRESET)
    }

    fn size(&self) -> Result<(i32, i32), Error> {
        check_size(self.config.width, self.config.height)?;
        let (chroma, halves) = match self.config.format {
            PixelFormat::Nv12 | PixelFormat::P010 => ("4:2:0", [true, true]),
            PixelFormat::P210 => ("4:2:2", [true, false]),
            PixelFormat::Bgra | PixelFormat::Ayuv => ("4:4:4", [false, false]),
        };
        let side = |name: &str, pixels: u32, halved: bool| {
            if halved && !pixels.is_multiple_of(2) && self.family.is_software() {
                return Err(Error::Unsupported(format!(
                    "{name} {pixels} is odd: {} takes only even sizes in {chroma}",
                    self.encoder
                )));
            }
            Ok(pixels as i32)
        };
        let [across, down] = halves;
        Ok((side("width", self.config.width, across)?, side("height", self.config.height, down)?))
    }

    /// x265's tree of coding units goes four blocks of 16 pixels at a time, and in a row of fewer writes
    /// behind its end (3.5; seen with valgrind): pictures of 34x18 corrupt the heap.
    fn small(&mut self) {
        if self.family == Family::X265 && self.config.width < 64 {
            self.native("cutree", 0);
        }
    }

    fn time_base(&self) -> Result<(i32, i32), Error> {
        let Ratio { num, den } = self.config.time_base;
        let fits = fraction(self.config.time_base).filter(|(num, den)| *num > 0 && *den > 0);
        fits.ok_or_else(|| Error::Unsupported(format!("timebase {num}/{den}")))
    }

    /// What rate control reckons with. x265 knows no timestamps, and x264 derives the level from
    /// it: so a rate that nobody has told must be a likely one. A timebase can be one (1/25) or not
    /// (1/90000).
    fn frame_rate(&self) -> Option<(i32, i32)> {
        let told =
            self.config.frame_rate.and_then(fraction).filter(|(num, den)| *num > 0 && *den > 0);
        let Ratio { num, den } = self.config.time_base;
        let likely = (5 * u64::from(num)..=240 * u64::from(num)).contains(&u64::from(den));
        told.or_else(|| fraction(Ratio { num: den, den: num }).filter(|_| likely)).or(Some((30, 1)))
    }

    fn finish(mut self, parameters: Parameters) -> Result<Plan, Error> {
        let native = self.native.join(":");
        match self.family {
            _ if native.is_empty() => {}
            Family::X264 => self.set("x264-params", native),
            Family::X265 => self.set("x265-params", native),
            _ => return Err(Error::Internal(format!("{native} for {}", self.encoder))),
        }
        let parameters = Parameters { options: self.options, ..parameters };
        Ok(Plan { parameters, warnings: self.warnings })
    }
}

/// In libavcodec's numbers, if it fits; reduced.
fn fraction(Ratio { num, den }: Ratio) -> Option<(i32, i32)> {
    let divisor = gcd(num, den).max(1);
    Some((i32::try_from(num / divisor).ok()?, i32::try_from(den / divisor).ok()?))
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vtremote_backend::{Codec, Entropy};

    pub(super) fn tuning(threads: usize) -> Tuning {
        Tuning { preset: None, threads }
    }

    pub(super) fn config(codec: Codec) -> EncoderConfig {
        let time_base = Ratio { num: 1, den: 30 };
        let mut config = EncoderConfig::new(codec, 128, 96, PixelFormat::Nv12, time_base);
        config.rate.bitrate = Some(300_000);
        config
    }

    fn planned_with(config: &EncoderConfig, tuning: &Tuning) -> Result<Plan, Error> {
        let layout = match (config.codec, config.format) {
            (Codec::H264, _) => return plan(config, "libx264", Layout::Nv12, tuning),
            (Codec::H265, PixelFormat::Nv12) => Layout::Yuv420p,
            (Codec::H265, PixelFormat::P010) => Layout::Yuv420p10,
            (Codec::H265, PixelFormat::P210) => Layout::Yuv422p10,
            (Codec::H265, PixelFormat::Ayuv) => Layout::Yuv444p,
            (Codec::H265, PixelFormat::Bgra) => Layout::Gbrp,
        };
        plan(config, "libx265", layout, tuning)
    }

    pub(super) fn planned(config: &EncoderConfig) -> Result<Plan, Error> {
        planned_with(config, &tuning(2))
    }

    pub(super) fn plan_with_preset(config: &EncoderConfig, preset: &str) -> Plan {
        planned_with(config, &Tuning { preset: Some(preset.into()), threads: 2 }).unwrap()
    }

    pub(super) fn option(plan: &Plan, name: &str) -> Option<String> {
        let options = &plan.parameters.options;
        options.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
    }

    /// What a configuration is refused for: the option and why.
    pub(super) fn reason(config: &EncoderConfig) -> (&'static str, String) {
        match planned(config) {
            Err(Error::Option { key, reason }) => (key, reason),
            other => panic!("not refused by name: {other:?}"),
        }
    }

    #[test]
    fn what_every_client_sends_is_no_reason_for_a_warning() {
        for codec in [Codec::H264, Codec::H265] {
            let config = EncoderConfig {
                realtime: Some(false),
                allow_software: true,
                require_software: true,
                max_slice_bytes: Some(0),
                level: Some(0),
                profile: Some(-99),
                a53_captions: Some(true),
                max_delay: Some(7),
                ..config(codec)
            };
            assert_eq!(planned(&config).unwrap().warnings, Vec::<String>::new(), "{codec}");
        }
    }

    #[test]
    fn what_is_not_honoured_is_named() {
        let config = EncoderConfig {
            realtime: Some(true),
            prioritize_speed: Some(true),
            power_efficient: Some(false),
            frames_before: true,
            frames_after: true,
            alpha_quality: 0.5,
            entropy: Some(Entropy::Cavlc),
            max_slice_bytes: Some(1400),
            ..config(Codec::H265)
        };
        let warnings = planned(&config).unwrap().warnings;
        let keys = [
            "realtime",
            "prio_speed",
            "power_efficient",
            "frames_before",
            "frames_after",
            "alpha_quality",
            "entropy",
            "max_slice_bytes",
        ];
        for key in keys {
            let named =
                warnings.iter().filter(|line| line.starts_with(&format!("{key}: "))).count();
            assert_eq!(named, 1, "{key}: {warnings:?}");
        }
        assert_eq!(warnings.len(), keys.len());
    }

    #[test]
    fn odd_sizes_are_refused_in_one_clear_line() {
        for codec in [Codec::H264, Codec::H265] {
            let config = EncoderConfig { width: 321, ..config(codec) };
            let error = planned(&config).unwrap_err().to_string();
            assert!(error.starts_with("not supported: width 321 is odd: libx26"), "{error}");
        }
        let sized = |format, width, height| {
            planned(&EncoderConfig { format, width, height, ..config(Codec::H265) })
        };
        assert!(sized(PixelFormat::P210, 321, 180).is_err());
        sized(PixelFormat::P210, 320, 181).unwrap();
        sized(PixelFormat::Ayuv, 321, 181).unwrap();
    }

    #[test]
    fn timebases_that_libavcodec_cannot_hold_are_refused() {
        let with = |num, den| {
            planned(&EncoderConfig { time_base: Ratio { num, den }, ..config(Codec::H264) })
        };
        assert!(matches!(with(1, u32::MAX), Err(Error::Unsupported(_))));
        assert!(matches!(with(0, 1), Err(Error::Unsupported(_))));
        assert_eq!(with(u32::MAX - 1, u32::MAX - 1).unwrap().parameters.time_base, (1, 1));
    }

    #[test]
    fn a_rate_that_nobody_told_is_a_likely_one() {
        let rate = |num, den| {
            let time_base = Ratio { num, den };
            let config = EncoderConfig { time_base, frame_rate: None, ..config(Codec::H265) };
            planned(&config).unwrap().parameters.frame_rate
        };
        assert_eq!(rate(1001, 30000), Some((30000, 1001)));
        assert_eq!(rate(1, 90000), Some((30, 1)));
        assert_eq!(rate(1, 1), Some((30, 1)));
        assert_eq!(rate(u32::MAX / 2, 3), Some((30, 1)));
    }
}
