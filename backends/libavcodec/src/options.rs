//! From what a client asks for to the options of one encoder.
//!
//! Every field of [`EncoderConfig`] ends here in one of three ways: it becomes an option, it is
//! refused by its wire name because the stream would not be what was asked for, or it is named in a
//! warning. Hints that every client sends (`realtime=0`, `allow_sw=1`, …) are no reason for one.

use crate::ffi::{Layout, Parameters};
use vtremote_backend::{
    Codec, EncoderConfig, Entropy, Error, PixelFormat, Quality, Ratio, check_size,
};

/// What the daemon's user chose for all sessions.
#[derive(Debug, Clone)]
pub(crate) struct Tuning {
    pub(crate) preset: Option<String>,
    pub(crate) threads: usize,
}

/// An encoder whose own options are known, or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    X264,
    X265,
    Nvenc,
    Qsv,
    Other,
}

impl Family {
    pub(crate) fn of(encoder: &str) -> Self {
        match encoder {
            "libx264" => Family::X264,
            "libx265" => Family::X265,
            _ if encoder.ends_with("_nvenc") => Family::Nvenc,
            _ if encoder.ends_with("_qsv") => Family::Qsv,
            _ => Family::Other,
        }
    }

    /// How many pictures there are: one that is filled, one that waits, one in the codec, one for a
    /// reference and one to spare; more where the codec keeps its input while it reorders.
    pub(crate) fn pictures(self) -> usize {
        match self {
            Family::X264 | Family::X265 => 5,
            _ => 24,
        }
    }

    fn is_software(self) -> bool {
        matches!(self, Family::X264 | Family::X265)
    }
}

/// What to open an encoder with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    pub(crate) parameters: Parameters,
    pub(crate) warnings: Vec<String>,
}

/// Fast enough for live 1080p on a few cores; FFmpeg's own default, medium, is not.
const PRESET: &str = "superfast";

/// The most that fits all of an encoder's 32-bit arithmetic, in bits per second or bits.
const MOST_BITS: u64 = 2_000_000_000;

/// The most B-frames in a row that libx264 and libx265 take.
const MOST_B_FRAMES: u32 = 16;

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
        options: Vec::new(),
        native: Vec::new(),
        warnings: Vec::new(),
    };
    let size = draft.size()?;
    let time_base = draft.time_base()?;
    draft.profile(layout)?;
    draft.rate()?;
    draft.structure();
    draft.delay();
    draft.color()?;
    draft.tools()?;
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
    /// As they will be: profile and delay may reduce them.
    b_frames: u32,
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

    fn size(&self) -> Result<(i32, i32), Error> {
        check_size(self.config.width, self.config.height)?;
        let side = |name: &str, pixels: u32| {
            if !pixels.is_multiple_of(2) && self.family.is_software() {
                return Err(Error::Unsupported(format!(
                    "{name} {pixels} is odd: {} takes only even sizes in 4:2:0",
                    self.encoder
                )));
            }
            Ok(pixels as i32)
        };
        Ok((side("width", self.config.width)?, side("height", self.config.height)?))
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

    fn aspect(&mut self) -> Option<(i32, i32)> {
        let Ratio { num, den } = self.config.sample_aspect_ratio?;
        let aspect = fraction(Ratio { num, den }).filter(|(num, den)| *num > 0 && *den > 0);
        if aspect.is_none() {
            self.warn("sar_num", format_args!("the aspect ratio {num}:{den} cannot be written"));
        }
        aspect
    }

    /// FFmpeg's profile numbers: AV_PROFILE_H264_*, AV_PROFILE_HEVC_*.
    fn profile(&mut self, layout: Layout) -> Result<(), Error> {
        let Some(profile) = self.config.profile.filter(|profile| *profile != -99) else {
            return Ok(());
        };
        let refused = |reason: String| Err(Error::Option { key: "profile", reason });
        match (self.config.codec, profile) {
            (Codec::H264, 66 | 578) => {
                if self.b_frames > 0 {
                    self.b_frames = 0;
                    self.warn("max_b_frames", "0, since the baseline profile has no B-frames");
                }
                if self.config.entropy == Some(Entropy::Cabac) {
                    let reason = "the baseline profile has CAVLC only".into();
                    return Err(Error::Option { key: "entropy", reason });
                }
                self.named_profile(profile, "baseline");
            }
            (Codec::H264, 77) => self.named_profile(profile, "main"),
            (Codec::H264, 100) => self.high_profile(profile),
            (Codec::H264, 612) => {
                if self.b_frames > 0 {
                    self.b_frames = 0;
                    self.warn(
                        "max_b_frames",
                        "0, since the constrained high profile has no B-frames",
                    );
                }
                self.warn("profile", "constrained_high is signalled as high");
                self.high_profile(100);
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
            (Codec::H265, 4) => return refused("main42210 needs p210le pictures".into()),
            _ => return refused(format!("{profile} is none that {} makes here", self.encoder)),
        }
        Ok(())
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

    fn rate(&mut self) -> Result<(), Error> {
        let rate = self.config.rate;
        let bits = |key, bits: Option<u64>| match bits.filter(|bits| *bits > 0) {
            Some(bits) if bits > MOST_BITS => {
                Err(Error::Option { key, reason: format!("{bits} is more than {MOST_BITS}") })
            }
            // Rates are thousands of bits to the encoders, and 0 would be "no rate".
            bits => Ok(bits.map(|bits| bits.max(1000))),
        };
        let average = bits("bitrate", rate.bitrate)?.filter(|_| self.config.quality.is_none());
        let mut peak = bits("maxrate", rate.max_rate)?;
        let mut buffer = bits("bufsize", rate.buffer)?;
        match (average, self.config.quality) {
            (_, Some(quality)) => self.quality(quality)?,
            (Some(average), None) => self.set("b", average),
            (None, None) => {}
        }
        if rate.constant {
            match average {
                Some(average) => {
                    peak = Some(average);
                    if self.family == Family::X264 {
                        // With filler, so that every second really is the same.
                        self.set("nal-hrd", "cbr");
                    }
                }
                None => self.warn("constant_bit_rate", "not used without a bitrate"),
            }
        }
        match (peak, buffer) {
            (Some(peak), None) => buffer = Some(peak), // A second's worth.
            (None, Some(_)) => {
                self.warn("bufsize", "not used without maxrate");
                buffer = None;
            }
            _ => {}
        }
        if let (Some(peak), Some(buffer)) = (peak, buffer) {
            self.set("maxrate", peak);
            self.set("bufsize", buffer);
            if self.family == Family::X265 {
                // Otherwise two runs of the same give different bytes.
                self.native("const-vbv", 1);
            }
        }
        Ok(())
    }

    /// Both of FFmpeg's scales are 0 to 100, 100 the best, once QSCALE's 118 is taken out.
    fn quality(&mut self, quality: Quality) -> Result<(), Error> {
        let percent = match quality {
            Quality::Lambda(value) => f64::from(value) / 118.0,
            Quality::Percent(value) => f64::from(value),
        };
        if percent > 100.0 {
            let reason = format!("{percent:.0} is more than 100");
            return Err(Error::Option { key: "global_quality", reason });
        }
        if self.family.is_software() {
            // 51 is the coarsest quantiser; 0 would be lossless, which is another profile.
            self.set("crf", format_args!("{:.2}", (51.0 - 0.51 * percent).max(1.0)));
        } else {
            self.set("global_quality", percent.round());
            let encoder = self.encoder;
            self.warn("global_quality", format_args!("on {encoder}'s own scale"));
        }
        Ok(())
    }

    /// The order of pictures, and the marks of a keyframe.
    fn structure(&mut self) {
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
            self.set("preset", self.tuning.preset.as_deref().unwrap_or(PRESET).to_owned());
        }
    }

    /// B-frames, lookahead and threads: all that holds frames back.
    fn delay(&mut self) {
        let (mut room, mut reason) = match self.config.max_delay {
            _ if self.config.low_delay => (0, "for low delay".into()),
            None => (u32::MAX, String::new()),
            Some(most) => {
                let room = match self.family {
                    // Its lookahead is longer than a run of B-frames and comes before it; and there
                    // is one frame thread at least.
                    Family::X265 => most.saturating_sub(X265_PIPELINE + 2) / 2,
                    // One more is held back because a frame's duration is the time to the next one.
                    _ => most.saturating_sub(1),
                };
                if !self.family.is_software() && self.family != Family::Nvenc {
                    let encoder = self.encoder;
                    self.warnings.push(format!("{encoder} may hold back more than {most} frames"));
                }
                (room, format!("since at most {most} frames may be held back"))
            }
        };
        if room > MOST_B_FRAMES {
            (room, reason) = (MOST_B_FRAMES, "which is the most there is".into());
        }
        if self.b_frames > room {
            self.b_frames = room;
            self.warn("max_b_frames", format_args!("{room}, {reason}"));
        }
        self.set("bf", self.b_frames);
        match self.family {
            Family::X264 => self.x264_delay(),
            Family::X265 => self.x265_delay(),
            Family::Nvenc => self.set("delay", 0),
            Family::Qsv => self.set("async_depth", 1),
            Family::Other => {}
        }
    }

    /// Held back: B-frames, frame threads but one, lookahead, and one frame for its duration.
    fn x264_delay(&mut self) {
        let threads = self.tuning.threads;
        let none = self.config.low_delay || self.config.max_delay == Some(0);
        let room = self.config.max_delay.map_or(usize::MAX, |most| most as usize);
        let frame_threads = match none {
            true => 1,
            false => threads.min(room.saturating_sub(self.b_frames as usize).max(1)),
        };
        if frame_threads > 1 || threads == 1 {
            self.set("threads", frame_threads);
            self.set("thread_type", "frame");
        } else {
            self.set("threads", threads);
            self.set("thread_type", "slice");
        }
        if none {
            self.native("force-cfr", 1);
        }
        if none || self.config.max_delay.is_some() {
            self.native("sync-lookahead", 0);
            self.set("rc-lookahead", self.b_frames);
            // The choice of B-frames by trellis looks four times as far.
            self.set("b_strategy", 1);
        }
    }

    /// Held back, as measured with x265 3.5: lookahead, B-frames, frame threads and two frames; one
    /// more now and then with several frame threads. x265 wants a lookahead longer than a run of
    /// B-frames.
    fn x265_delay(&mut self) {
        let threads = self.tuning.threads;
        self.native("pools", threads);
        self.native("log-level", "error");
        self.native("info", 0);
        if self.config.low_delay {
            return self.x265_holds_nothing();
        }
        let frame_threads = x265_frame_threads(threads);
        let shortest = self.b_frames + 1;
        let Some(most) = self.config.max_delay else {
            self.native("frame-threads", frame_threads);
            if shortest > X265_SHORTEST_PRESET {
                self.native("rc-lookahead", shortest.max(X265_LOOKAHEAD));
            }
            return;
        };
        match most.checked_sub(self.b_frames + X265_PIPELINE).filter(|room| *room > shortest) {
            Some(room) => {
                let frame_threads = frame_threads.min(room - shortest);
                let lookahead = (room - frame_threads).min(X265_LOOKAHEAD.max(shortest));
                self.native("frame-threads", frame_threads);
                self.native("rc-lookahead", lookahead);
                self.native("b-adapt", 0);
            }
            None => self.x265_holds_nothing(),
        }
    }

    fn x265_holds_nothing(&mut self) {
        self.native("frame-threads", 1);
        self.native("rc-lookahead", 0);
        self.native("scenecut", 0);
        self.native("cutree", 0);
    }

    /// Numbers of ISO 23091-2. Reserved ones are refused: no decoder could know what they mean.
    fn color(&mut self) -> Result<(), Error> {
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
        let x265 = self.family == Family::X265;
        let primaries = known("color_primaries", color.primaries, &|n| {
            matches!(n, 1 | 2 | 4..=12) || n == 22 && !x265
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

    /// How a picture is coded.
    fn tools(&mut self) -> Result<(), Error> {
        let config = self.config;
        for (key, value) in [("qmin", config.qmin), ("qmax", config.qmax)] {
            match value {
                Some(value @ 0..=51) => self.set(key, value),
                Some(value) => {
                    let reason = format!("{value} is not a quantiser from 0 to 51");
                    return Err(Error::Option { key, reason });
                }
                None => {}
            }
        }
        if let (Some(qmin), Some(qmax)) = (config.qmin, config.qmax)
            && qmin > qmax
        {
            let reason = format!("{qmin} is more than qmax, {qmax}");
            return Err(Error::Option { key: "qmin", reason });
        }
        if let Some(level) = config.level.filter(|level| *level > 0) {
            self.level(level)?;
        }
        if let Some(refs) = config.max_ref_frames.filter(|refs| *refs > 0) {
            if refs > 16 {
                let reason = format!("{refs} is more than the 16 that a stream can have");
                return Err(Error::Option { key: "max_ref_frames", reason });
            }
            self.set("refs", refs);
        }
        match (config.entropy, self.family, config.codec) {
            (None, ..) => {}
            (Some(_), _, Codec::H265) => self.warn("entropy", "H.265 has one entropy coder only"),
            (Some(entropy), Family::Other, _) => {
                let encoder = self.encoder;
                self.warn("entropy", format_args!("{entropy:?} or not is {encoder}'s choice"));
            }
            (Some(Entropy::Cavlc), ..) => self.set("coder", "cavlc"),
            (Some(Entropy::Cabac), ..) => self.set("coder", "cabac"),
        }
        match config.max_slice_bytes.filter(|bytes| *bytes > 0) {
            Some(bytes) if self.family == Family::X264 => {
                self.set("slice-max-size", bytes.min(i32::MAX as u32));
            }
            Some(_) => self.unused("max_slice_bytes"),
            None => {}
        }
        match (config.spatial_aq, self.family) {
            (None, _) => {}
            (Some(on), Family::X264) => self.set("aq-mode", i32::from(on)),
            (Some(on), Family::X265) => self.native("aq-mode", i32::from(on)),
            (Some(_), _) => self.unused("spatial_aq"),
        }
        if self.config.a53_captions == Some(true) {
            self.warn("a53_cc", "captions are not written into the stream yet");
        }
        self.hdr();
        Ok(())
    }

    fn level(&mut self, level: u32) -> Result<(), Error> {
        if !matches!(level, 10..=62) {
            let reason = format!("{level} is not ten times a level");
            return Err(Error::Option { key: "level", reason });
        }
        // H.265 table A.8.
        let h265 = matches!(level, 10 | 20 | 21 | 30 | 31 | 40 | 41 | 50..=52 | 60..=62);
        if self.config.codec == Codec::H265 && !h265 {
            let reason = format!("H.265 has no level {}.{}", level / 10, level % 10);
            return Err(Error::Option { key: "level", reason });
        }
        match self.family {
            Family::X265 => self.native("level-idc", format_args!("{}.{}", level / 10, level % 10)),
            // H.265 7.4.4: general_level_idc is thirty times the level.
            _ if self.config.codec == Codec::H265 => self.set("level", level * 3),
            _ => self.set("level", level),
        }
        Ok(())
    }

    /// H.265 D.2.28 and D.2.35, which H.264 D.2.29 and D.2.31 repeat.
    fn hdr(&mut self) {
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

    /// What says more about the machine than about the stream.
    fn hints(&mut self) -> Result<(), Error> {
        let config = self.config;
        if config.require_software && !self.family.is_software() {
            let reason = format!("this server encodes with {}", self.encoder);
            return Err(Error::Option { key: "require_sw", reason });
        }
        let asked = [
            ("realtime", config.realtime == Some(true)),
            ("prio_speed", config.prioritize_speed.is_some()),
            ("power_efficient", config.power_efficient.is_some()),
            ("frames_before", config.frames_before),
            ("frames_after", config.frames_after),
            ("alpha_quality", config.alpha_quality > 0.0),
        ];
        for (key, _) in asked.into_iter().filter(|(_, asked)| *asked) {
            self.unused(key);
        }
        Ok(())
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

/// What x265 holds back beside lookahead, B-frames and frame threads, and one to be sure.
const X265_PIPELINE: u32 = 3;

/// The lookahead of x265's fastest preset, in frames.
const X265_SHORTEST_PRESET: u32 = 5;

/// The lookahead of its preset superfast; more is of little use to it.
const X265_LOOKAHEAD: u32 = 10;

/// Frames that x265 works on at the same time. Its threads mostly work within a frame; a second
/// frame fills the gaps at the frame's beginning and end.
fn x265_frame_threads(threads: usize) -> u32 {
    match threads {
        0..4 => 1,
        4..8 => 2,
        8..16 => 3,
        _ => 4,
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
    use crate::ffi::{self, Frame, Received};
    use std::sync::Arc;
    use vtremote_backend::PlaneMemory;

    /// The most frames that an encoder holds back while frames come, as it is and not as it is
    /// said.
    fn held_back(encoder: &str, parameters: &Parameters, frames: i64) -> i64 {
        let (mut codec, _) = ffi::Encoder::open(encoder, parameters, false).unwrap();
        let (width, height) = parameters.size;
        let shapes = match parameters.layout {
            Layout::Nv12 => PixelFormat::Nv12.planes(width as u32, height as u32),
            _ => {
                let mut planes = PixelFormat::Nv12.planes(width as u32, height as u32);
                planes[1].row_bytes /= 2;
                vec![planes[0], planes[1], planes[1]]
            }
        };
        let (mut packets, mut most) = (0, 0);
        for pts in 0..frames {
            let mut frame = Frame::new(parameters.layout, parameters.size, pts, false).unwrap();
            for (index, shape) in shapes.iter().enumerate() {
                let plane = Arc::new(PlaneMemory::allocate(*shape, 64));
                let mut rows = PlaneMemory::lend(&plane, 0..shape.rows).unwrap();
                for (at, byte) in rows.bytes().iter_mut().enumerate() {
                    *byte = (at as i64 * 3 + pts * 5) as u8;
                }
                drop(rows);
                frame.lend(index, PlaneMemory::read(&plane).unwrap()).unwrap();
            }
            assert!(codec.send(Some(&frame)).unwrap());
            while let Received::Packet(_) = codec.receive().unwrap() {
                packets += 1;
            }
            most = most.max(pts + 1 - packets);
        }
        most
    }

    fn tuning(threads: usize) -> Tuning {
        Tuning { preset: None, threads }
    }

    fn config(codec: Codec) -> EncoderConfig {
        let time_base = Ratio { num: 1, den: 30 };
        let mut config = EncoderConfig::new(codec, 128, 96, PixelFormat::Nv12, time_base);
        config.rate.bitrate = Some(300_000);
        config
    }

    fn planned(config: &EncoderConfig) -> Result<Plan, Error> {
        match config.codec {
            Codec::H264 => plan(config, "libx264", Layout::Nv12, &tuning(2)),
            Codec::H265 => plan(config, "libx265", Layout::Yuv420p, &tuning(2)),
        }
    }

    fn option(plan: &Plan, name: &str) -> Option<String> {
        let options = &plan.parameters.options;
        options.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
    }

    #[test]
    fn no_more_frames_are_held_back_than_may_be() {
        for (codec, encoder, layout) in
            [(Codec::H264, "libx264", Layout::Nv12), (Codec::H265, "libx265", Layout::Yuv420p)]
        {
            for (b_frames, threads, most) in [0, 1, 2, 3, 16]
                .into_iter()
                .flat_map(|b| [1, 2, 3, 4].into_iter().map(move |threads| (b, threads)))
                .flat_map(|(b, threads)| [0, 7, 12].into_iter().map(move |most| (b, threads, most)))
                .chain([(4, 4, 16), (16, 3, 64), (99, 8, 255)])
            {
                let config = EncoderConfig { b_frames, max_delay: Some(most), ..config(codec) };
                let plan = plan(&config, encoder, layout, &tuning(threads)).unwrap();
                let held = held_back(encoder, &plan.parameters, 40.max(i64::from(most)));
                let case = format!("{encoder}: {b_frames} B-frames, {threads} threads");
                assert!(held <= i64::from(most), "{case}: {held} held back, {most} allowed");
                let reduced = option(&plan, "bf") != Some(b_frames.to_string());
                let said = plan.warnings.iter().any(|line| line.starts_with("max_b_frames: "));
                assert_eq!(reduced, said, "{case}: {:?}", plan.warnings);
            }
        }
    }

    #[test]
    fn any_number_of_b_frames_opens_an_encoder() {
        for (codec, encoder, layout) in
            [(Codec::H264, "libx264", Layout::Nv12), (Codec::H265, "libx265", Layout::Yuv420p)]
        {
            for preset in ["ultrafast", "superfast", "slow"] {
                for b_frames in (0..=16).chain([17, u32::MAX]) {
                    let tuning = Tuning { preset: Some(preset.into()), threads: 2 };
                    let config = EncoderConfig { b_frames, ..config(codec) };
                    let plan = plan(&config, encoder, layout, &tuning).unwrap();
                    let opened = ffi::Encoder::open(encoder, &plan.parameters, false);
                    let refused = opened.err().map(|error| error.to_string());
                    assert_eq!(refused, None, "{encoder} {preset}: {b_frames} B-frames");
                    assert_eq!(option(&plan, "bf"), Some(b_frames.min(16).to_string()));
                }
            }
        }
    }

    #[test]
    fn low_delay_holds_nothing_back() {
        for (codec, encoder, layout) in
            [(Codec::H264, "libx264", Layout::Nv12), (Codec::H265, "libx265", Layout::Yuv420p)]
        {
            let config = EncoderConfig { low_delay: true, b_frames: 2, ..config(codec) };
            let plan = plan(&config, encoder, layout, &tuning(3)).unwrap();
            assert_eq!(held_back(encoder, &plan.parameters, 20), 0, "{encoder}");
            assert_eq!(plan.warnings, ["max_b_frames: 0, for low delay"]);
        }
    }

    #[test]
    fn captions_that_are_not_written_are_a_warning_by_name() {
        let with = |a53_captions| {
            let config = EncoderConfig { a53_captions, ..config(Codec::H264) };
            plan(&config, "libx264", Layout::Nv12, &tuning(2)).unwrap().warnings
        };
        assert!(with(Some(true))[0].starts_with("a53_cc"));
        assert!(with(Some(false)).is_empty() && with(None).is_empty());
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

    fn refused(config: &EncoderConfig) -> &'static str {
        match planned(config) {
            Err(Error::Option { key, .. }) => key,
            other => panic!("not refused by name: {other:?}"),
        }
    }

    #[test]
    fn what_would_give_another_stream_is_refused_by_name() {
        let h264 = config(Codec::H264);
        let h265 = config(Codec::H265);
        let p010 = EncoderConfig { format: PixelFormat::P010, ..h265.clone() };
        for profile in [88, 110, 122, 1] {
            assert_eq!(
                refused(&EncoderConfig { profile: Some(profile), ..h264.clone() }),
                "profile"
            );
        }
        for config in [
            EncoderConfig { profile: Some(1), ..p010 },
            EncoderConfig { profile: Some(4), ..h265.clone() },
            EncoderConfig { profile: Some(2), ..h265.clone() },
        ] {
            assert_eq!(refused(&config), "profile");
        }
        let cabac =
            EncoderConfig { profile: Some(66), entropy: Some(Entropy::Cabac), ..h264.clone() };
        assert_eq!(refused(&cabac), "entropy");
        assert_eq!(refused(&EncoderConfig { qmin: Some(52), ..h264.clone() }), "qmin");
        assert_eq!(
            refused(&EncoderConfig { qmin: Some(9), qmax: Some(8), ..h264.clone() }),
            "qmin"
        );
        assert_eq!(refused(&EncoderConfig { level: Some(7), ..h265.clone() }), "level");
        assert_eq!(refused(&EncoderConfig { level: Some(32), ..h265.clone() }), "level");
        assert_eq!(
            refused(&EncoderConfig { max_ref_frames: Some(17), ..h265.clone() }),
            "max_ref_frames"
        );
        let mut config = h264.clone();
        config.rate.bitrate = Some(u64::MAX);
        assert_eq!(refused(&config), "bitrate");
        let quality = Some(Quality::Lambda(118 * 101));
        assert_eq!(refused(&EncoderConfig { quality, ..h264 }), "global_quality");
    }

    #[test]
    fn color_code_0_is_a_value_and_not_a_4_2_0_one() {
        let with = |set: &dyn Fn(&mut EncoderConfig)| {
            let mut config = config(Codec::H264);
            set(&mut config);
            config
        };
        assert_eq!(refused(&with(&|c| c.color.matrix = Some(0))), "colorspace");
        assert_eq!(refused(&with(&|c| c.color.primaries = Some(0))), "color_primaries");
        assert_eq!(refused(&with(&|c| c.color.transfer = Some(255))), "color_trc");
        assert_eq!(refused(&with(&|c| c.color.chroma_location = Some(7))), "chroma_location");
        let plan = planned(&config(Codec::H264)).unwrap();
        for name in ["colorspace", "color_primaries", "color_trc", "color_range"] {
            assert_eq!(option(&plan, name), None);
        }
    }

    #[test]
    fn odd_sizes_are_refused_in_one_clear_line() {
        for codec in [Codec::H264, Codec::H265] {
            let config = EncoderConfig { width: 321, ..config(codec) };
            let error = planned(&config).unwrap_err().to_string();
            assert!(error.starts_with("not supported: width 321 is odd: libx26"), "{error}");
        }
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

    #[test]
    fn a_peak_without_a_buffer_gets_a_second_of_it() {
        let mut config = config(Codec::H265);
        config.rate.max_rate = Some(400_000);
        let plan = planned(&config).unwrap();
        assert_eq!(option(&plan, "maxrate").as_deref(), Some("400000"));
        assert_eq!(option(&plan, "bufsize").as_deref(), Some("400000"));
        assert!(option(&plan, "x265-params").unwrap().contains("const-vbv=1"));
    }
}
