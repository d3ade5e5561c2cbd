//! From what a client asks for to the properties of a session, in the order in which they are set.
//!
//! Every field of [`EncoderConfig`] ends here in one of three ways: it becomes a property, it is refused by
//! its wire name because the stream would not be what was asked for, or it is named in a warning. A property
//! that the encoder then does not take is one of the latter two: see [`Need`]. docs/options.md has the list.

mod color;
mod profile;
mod rate;

pub(crate) use color::hdr_properties;

use crate::ffi::{Text, Value, names};
use vtremote_backend::{Codec, EncoderConfig, Entropy, Error, PixelFormat, Ratio};

/// How many frames an encoder may hold back, for clients who don't mind.
pub(crate) const MAX_FRAME_DELAY: u32 = 8;

/// In frames per second. What is above is rarer than a timebase.
const FAST_CAMERA: f64 = 120.0;

/// Of the rows that VideoToolbox has for reference pictures, slices and so on, H.264 and H.265 know at most
/// so many (H.264 A.3.1, H.265 A.4.2).
const MOST_REFERENCES: u32 = 16;

/// What a session is made from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    /// Four characters.
    pub(crate) codec: u32,
    pub(crate) size: (i32, i32),
    pub(crate) specification: Vec<(Text, Value)>,
    /// Of the pictures that come.
    pub(crate) source: Vec<(Text, Value)>,
    /// In this order.
    pub(crate) settings: Vec<Setting>,
    /// What each picture says of itself.
    pub(crate) attachments: Vec<(Text, Value)>,
    /// Whether this is rate control for conferences.
    pub(crate) low_latency: bool,
    /// Keyframes that are to be forced since the session makes none of itself: so many frames apart.
    pub(crate) keyframe_every: Option<u32>,
    pub(crate) warnings: Vec<String>,
}

/// A property to set.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Setting {
    pub(crate) property: Text,
    pub(crate) value: Value,
    pub(crate) need: Need,
}

/// What it means if a property is not taken. The options are named as on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Without it the stream would not be what this option asks for.
    Must(&'static str),
    /// This option is not honoured, which is a warning.
    Wish(&'static str),
    /// Nobody asked for it.
    Hint,
}

/// What not every machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extras {
    /// H.265 with an alpha layer.
    pub(crate) alpha: bool,
    /// Rate control for conferences.
    pub(crate) low_latency: bool,
    /// As many reference pictures as were asked for: what is too many only shows at the first frame.
    pub(crate) references: bool,
}

/// # Errors
/// [`Error::Option`], or [`Error::Unsupported`] for a size.
pub(crate) fn plan(config: &EncoderConfig, extras: Extras) -> Result<Plan, Error> {
    let side = |side: u32| {
        i32::try_from(side).map_err(|_| Error::Unsupported(format!("a side of {side} pixels")))
    };
    let size = (side(config.width)?, side(config.height)?);
    let mut draft = Draft {
        config,
        extras,
        low_latency: false,
        settings: Vec::new(),
        attachments: Vec::new(),
        warnings: Vec::new(),
    };
    draft.low_latency = draft.low_latency();
    let alpha = draft.alpha();
    let specification = draft.specification();
    draft.speed();
    draft.rate()?;
    let keyframe_every = draft.structure();
    draft.aspect();
    draft.color()?;
    draft.hdr();
    draft.profile()?;
    draft.coding()?;
    draft.spatial_aq();
    draft.alpha_quality(alpha);
    draft.quantisers()?;
    let Draft { low_latency, settings, attachments, warnings, .. } = draft;
    let format = i32::from_be_bytes(four_characters(config));
    Ok(Plan {
        codec: u32::from_be_bytes(match (config.codec, alpha) {
            (Codec::H264, _) => *b"avc1",
            (Codec::H265, false) => *b"hvc1",
            (Codec::H265, true) => *b"muxa",
        }),
        size,
        specification,
        source: vec![
            (names::pixel_format(), Value::Int(format)),
            (names::width(), Value::Int(size.0)),
            (names::height(), Value::Int(size.1)),
        ],
        settings,
        attachments,
        low_latency,
        keyframe_every,
        warnings,
    })
}

/// The layout of the pictures, as CoreVideo calls it. Where it has one for each range, the stream is
/// described by it.
fn four_characters(config: &EncoderConfig) -> [u8; 4] {
    let full = config.color.full_range == Some(true);
    *match (config.format, full) {
        (PixelFormat::Nv12, false) => b"420v",
        (PixelFormat::Nv12, true) => b"420f",
        (PixelFormat::P010, false) => b"x420",
        (PixelFormat::P010, true) => b"xf20",
        (PixelFormat::P210, false) => b"x422",
        (PixelFormat::P210, true) => b"xf22",
        (PixelFormat::Bgra, _) => b"BGRA",
        (PixelFormat::Ayuv, _) => b"y408",
    }
}

struct Draft<'a> {
    config: &'a EncoderConfig,
    extras: Extras,
    /// Low-latency rate control has an endless group of pictures, no reordering, no lookahead, and High
    /// profiles of a level of its own, whatever is set.
    low_latency: bool,
    settings: Vec<Setting>,
    attachments: Vec<(Text, Value)>,
    warnings: Vec<String>,
}

impl Draft<'_> {
    fn set(&mut self, property: Text, value: Value, need: Need) {
        self.settings.push(Setting { property, value, need });
    }

    fn warn(&mut self, option: &str, why: &str) {
        self.warnings.push(format!("{option}: {why}"));
    }

    fn low_latency(&mut self) -> bool {
        let EncoderConfig { low_delay, quality, rate, .. } = self.config;
        if !low_delay {
            return false;
        }
        if quality.is_some() || rate.bitrate.is_none() {
            self.warn("flags", "LOW_DELAY: low-latency rate control needs a bit rate");
            return false;
        }
        self.extras.low_latency
    }

    fn specification(&self) -> Vec<(Text, Value)> {
        let EncoderConfig { require_software, allow_software, .. } = *self.config;
        let mut specification = vec![match (require_software, allow_software) {
            (true, _) => (names::enable_hardware(), Value::Bool(false)),
            (false, false) => (names::require_hardware(), Value::Bool(true)),
            (false, true) => (names::enable_hardware(), Value::Bool(true)),
        }];
        if self.low_latency {
            specification.push((names::enable_low_latency(), Value::Bool(true)));
        }
        specification
    }

    /// As fast as it goes, unless frames come at the speed of a camera; then what the encoder does of itself.
    fn speed(&mut self) {
        let EncoderConfig { realtime, prioritize_speed, power_efficient, .. } = *self.config;
        let batch = realtime != Some(true);
        // A constant bit rate is one of so many frames per second.
        let wanted = batch || self.config.rate.constant;
        if let (true, Some(rate)) = (wanted, self.frame_rate()) {
            self.set(names::expected_frame_rate(), Value::Float(rate), Need::Hint);
        }
        let mut choose = |property, asked: Option<bool>, default, option| {
            let need = if asked.is_some() { Need::Wish(option) } else { Need::Hint };
            if let Some(value) = asked.or(batch.then_some(default)) {
                self.set(property, Value::Bool(value), need);
            }
        };
        choose(names::prioritize_speed(), prioritize_speed, true, "prio_speed");
        // Every client says 0: no reason for a warning where there is no such property.
        choose(names::real_time(), realtime.filter(|realtime| *realtime), false, "realtime");
        choose(names::maximize_power_efficiency(), power_efficient, false, "power_efficient");
        let most = match self.config.max_delay {
            // Packets wait here for those that are shown before them: with reordering some more frames
            // are held than the encoder holds.
            Some(most) => {
                Some(most.saturating_sub(if self.reorders() { 3 } else { 1 }).min(MAX_FRAME_DELAY))
            }
            None => batch.then_some(MAX_FRAME_DELAY),
        };
        if let Some(most) = most.filter(|_| !self.low_latency) {
            // Such a client may wait for ever without.
            let bounded = self.config.max_delay.is_some();
            let need = if bounded { Need::Wish("delay") } else { Need::Hint };
            self.set(names::max_frame_delay_count(), Value::Int(most.max(1) as i32), need);
        }
    }

    /// Frames per second. Clients that don't know them may say how many ticks a second has (docs/protocol.md
    /// section 4), by which no encoder should spend its bits.
    fn frame_rate(&self) -> Option<f64> {
        let EncoderConfig { time_base, frame_rate, .. } = *self.config;
        let Ratio { num, den } = frame_rate?;
        let rate = f64::from(num) / f64::from(den);
        let ticks = f64::from(time_base.den) / f64::from(time_base.num);
        (rate <= FAST_CAMERA || rate != ticks).then_some(rate)
    }

    /// Whether there may be B-frames. How many in a row is the encoder's choice.
    fn reorders(&self) -> bool {
        let EncoderConfig { b_frames, low_delay, .. } = *self.config;
        b_frames > 0 && !low_delay && self.has_b_frames()
    }

    /// Gives the distance of keyframes if they have to be forced.
    fn structure(&mut self) -> Option<u32> {
        let EncoderConfig { b_frames, gop, frames_before, frames_after, .. } = *self.config;
        let reorders = self.reorders();
        if b_frames > 0 && !reorders {
            self.warn("max_b_frames", "there are none with low delay, and none in this profile");
        }
        if !self.low_latency {
            let need = if reorders { Need::Wish("max_b_frames") } else { Need::Hint };
            self.set(names::allow_frame_reordering(), Value::Bool(reorders), need);
            if let Some(gop) = gop {
                let gop = i32::try_from(gop).unwrap_or(i32::MAX);
                self.set(names::max_key_frame_interval(), Value::Int(gop), Need::Must("gop"));
            }
        }
        if frames_before {
            let need = Need::Wish("frames_before");
            self.set(names::more_frames_before_start(), Value::Bool(true), need);
        }
        if frames_after {
            let need = Need::Wish("frames_after");
            self.set(names::more_frames_after_end(), Value::Bool(true), need);
        }
        // 0 leaves it to the encoder.
        gop.filter(|gop| self.low_latency && *gop > 0)
    }

    fn coding(&mut self) -> Result<(), Error> {
        let EncoderConfig { codec, entropy, closed_gop, max_slice_bytes, .. } = *self.config;
        match (codec, entropy) {
            (Codec::H264, Some(Entropy::Cabac)) if self.is_baseline() => {
                let reason = "baseline has CAVLC only".into();
                return Err(Error::Option { key: "entropy", reason });
            }
            (Codec::H264, Some(entropy)) => {
                let mode = match entropy {
                    Entropy::Cavlc => names::cavlc(),
                    Entropy::Cabac => names::cabac(),
                };
                self.set(names::h264_entropy_mode(), Value::Text(mode), Need::Wish("entropy"));
            }
            (Codec::H265, Some(_)) => self.warn("entropy", "H.265 has CABAC only"),
            (_, None) => {}
        }
        // A keyframe that is asked for is an IDR picture, where a file may be cut: of H.264 it is in any case.
        if codec == Codec::H265 {
            let need = if closed_gop { Need::Wish("flags") } else { Need::Hint };
            self.set(names::allow_open_gop(), Value::Bool(false), need);
        }
        match (codec, max_slice_bytes) {
            (Codec::H264, Some(bytes)) => {
                let bytes = i32::try_from(bytes).unwrap_or(i32::MAX);
                let need = Need::Wish("max_slice_bytes");
                self.set(names::max_h264_slice_bytes(), Value::Int(bytes), need);
            }
            (Codec::H265, Some(_)) => self.warn("max_slice_bytes", "for H.264 only"),
            (_, None) => {}
        }
        if let Some(references) = self.config.max_ref_frames {
            if references > MOST_REFERENCES {
                let reason = format!("{references} is more than {MOST_REFERENCES}");
                return Err(Error::Option { key: "max_ref_frames", reason });
            }
            if self.extras.references {
                let (value, need) = (Value::Int(references as i32), Need::Wish("max_ref_frames"));
                self.set(names::reference_buffer_count(), value, need);
            }
        }
        Ok(())
    }

    fn spatial_aq(&mut self) {
        // kVTQPModulationLevel_Default and _Disable. Low-latency rate control has to be without.
        let (level, need) = match (self.config.spatial_aq, self.low_latency) {
            (Some(true), true) => {
                self.warn("spatial_aq", "not with low-latency rate control");
                (0, Need::Hint)
            }
            (None, true) => (0, Need::Hint),
            (Some(true), false) => (-1, Need::Wish("spatial_aq")),
            (Some(false), _) => (0, Need::Wish("spatial_aq")),
            (None, false) => return,
        };
        self.set(names::spatial_adaptive_qp_level(), Value::Int(level), need);
    }

    /// Whether the stream has an alpha layer.
    fn alpha(&mut self) -> bool {
        let EncoderConfig { codec, format, alpha_quality, .. } = *self.config;
        if alpha_quality <= 0.0 {
            return false;
        }
        let why = match (codec, format) {
            (Codec::H264, _) => "H.264 has no alpha here; it is not encoded",
            (_, PixelFormat::Bgra | PixelFormat::Ayuv) if self.extras.alpha => return true,
            (_, PixelFormat::Bgra | PixelFormat::Ayuv) => {
                "this machine encodes no alpha; it is left out"
            }
            _ => "these pictures have no alpha",
        };
        self.warn("alpha_quality", why);
        false
    }

    fn alpha_quality(&mut self, alpha: bool) {
        if alpha {
            let quality = f64::from(self.config.alpha_quality);
            // As FFmpeg has it; VideoToolbox would take it for premultiplied.
            let straight = Value::Text(names::straight_alpha());
            self.set(names::alpha_channel_mode(), straight, Need::Hint);
            let need = Need::Wish("alpha_quality");
            self.set(names::target_quality_for_alpha(), Value::Float(quality), need);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const ALL: Extras = Extras { alpha: true, low_latency: true, references: true };

    pub(crate) fn config(codec: Codec, format: PixelFormat) -> EncoderConfig {
        let mut config = EncoderConfig::new(codec, 320, 192, format, Ratio { num: 1, den: 30 });
        config.rate.bitrate = Some(1_000_000);
        config
    }

    pub(crate) fn with(
        codec: Codec,
        format: PixelFormat,
        set: impl FnOnce(&mut EncoderConfig),
    ) -> EncoderConfig {
        let mut config = config(codec, format);
        set(&mut config);
        config
    }

    pub(crate) fn planned(config: &EncoderConfig) -> Plan {
        plan(config, ALL).unwrap_or_else(|error| panic!("{error}"))
    }

    pub(crate) fn refused(config: &EncoderConfig) -> &'static str {
        match plan(config, ALL) {
            Err(Error::Option { key, .. }) => key,
            other => panic!("{other:?}"),
        }
    }

    /// What a property is set to.
    pub(crate) fn value(plan: &Plan, property: &Text) -> Option<Value> {
        let mut found = plan.settings.iter().filter(|setting| setting.property == *property);
        let value = found.next().map(|setting| setting.value.clone());
        assert!(found.next().is_none(), "{property} is set twice");
        value
    }

    #[test]
    fn a_batch_is_encoded_as_fast_as_it_goes() {
        let plan = planned(&with(Codec::H264, PixelFormat::Nv12, |c| {
            c.frame_rate = Some(Ratio { num: 30000, den: 1001 });
            c.realtime = Some(false);
        }));
        let rate = value(&plan, &names::expected_frame_rate());
        assert_eq!(rate, Some(Value::Float(30000.0 / 1001.0)));
        assert_eq!(value(&plan, &names::prioritize_speed()), Some(Value::Bool(true)));
        assert_eq!(value(&plan, &names::real_time()), Some(Value::Bool(false)));
        assert_eq!(value(&plan, &names::maximize_power_efficiency()), Some(Value::Bool(false)));
        assert_eq!(value(&plan, &names::max_frame_delay_count()), Some(Value::Int(8)));
        assert_eq!(plan.warnings, [""; 0]);
    }

    #[test]
    fn ticks_are_not_taken_for_frames() {
        let rate = |ticks, frames| {
            let plan = planned(&with(Codec::H264, PixelFormat::Nv12, |c| {
                c.time_base = Ratio { num: 1, den: ticks };
                c.frame_rate = Some(Ratio { num: frames, den: 1 });
            }));
            value(&plan, &names::expected_frame_rate())
        };
        assert_eq!(rate(1000, 1000), None);
        assert_eq!(rate(90_000, 90_000), None);
        assert_eq!(rate(1000, 240), Some(Value::Float(240.0)));
        assert_eq!(rate(120, 120), Some(Value::Float(120.0)));
        assert_eq!(rate(25, 25), Some(Value::Float(25.0)));
    }

    #[test]
    fn a_group_of_pictures_is_closed() {
        let closed = |codec, asked| {
            let config = with(codec, PixelFormat::Nv12, |c| c.closed_gop = asked);
            let plan = planned(&config);
            let set = plan.settings.iter().find(|set| set.property == names::allow_open_gop());
            set.map(|set| (set.value.clone(), set.need))
        };
        let off = Value::Bool(false);
        assert_eq!(closed(Codec::H265, false), Some((off.clone(), Need::Hint)));
        assert_eq!(closed(Codec::H265, true), Some((off, Need::Wish("flags"))));
        assert_eq!(closed(Codec::H264, true), None);
    }

    #[test]
    fn in_real_time_nothing_is_set_for_a_batch() {
        let realtime = |c: &mut EncoderConfig| {
            c.frame_rate = Some(Ratio { num: 30, den: 1 });
            c.realtime = Some(true);
        };
        let plan = planned(&with(Codec::H264, PixelFormat::Nv12, realtime));
        let set: Vec<_> = plan.settings.iter().map(|s| s.property.to_string()).collect();
        assert_eq!(set, ["RealTime", "AverageBitRate", "AllowFrameReordering"]);
        assert_eq!(value(&plan, &names::real_time()), Some(Value::Bool(true)));
        // But what is asked for is, and no client waits for ever.
        let plan = planned(&with(Codec::H264, PixelFormat::Nv12, |c| {
            realtime(c);
            (c.prioritize_speed, c.power_efficient) = (Some(true), Some(true));
            c.max_delay = Some(7);
        }));
        assert_eq!(value(&plan, &names::prioritize_speed()), Some(Value::Bool(true)));
        assert_eq!(value(&plan, &names::maximize_power_efficiency()), Some(Value::Bool(true)));
        assert_eq!(value(&plan, &names::max_frame_delay_count()), Some(Value::Int(6)));
    }

    #[test]
    fn a_client_with_a_small_window_gets_its_packets() {
        let delay = |b_frames| {
            let plan = planned(&with(Codec::H265, PixelFormat::Nv12, |c| {
                (c.max_delay, c.b_frames) = (Some(7), b_frames);
            }));
            value(&plan, &names::max_frame_delay_count())
        };
        assert_eq!(delay(0), Some(Value::Int(6)));
        assert_eq!(delay(2), Some(Value::Int(4)));
    }

    #[test]
    fn the_choice_of_software_is_the_clients() {
        let specification = |require, allow| {
            let config = with(Codec::H264, PixelFormat::Nv12, |c| {
                (c.require_software, c.allow_software) = (require, allow);
            });
            planned(&config).specification
        };
        let require = (names::require_hardware(), Value::Bool(true));
        assert_eq!(specification(false, false), [require]);
        assert_eq!(specification(false, true), [(names::enable_hardware(), Value::Bool(true))]);
        let disable = (names::enable_hardware(), Value::Bool(false));
        assert_eq!(specification(true, false), std::slice::from_ref(&disable));
        assert_eq!(specification(true, true), [disable]);
    }

    #[test]
    fn low_delay_is_low_latency_rate_control_where_there_is_a_bit_rate() {
        let low = with(Codec::H264, PixelFormat::Nv12, |c| {
            (c.low_delay, c.b_frames, c.spatial_aq) = (true, 2, Some(true));
        });
        let plan = planned(&low);
        let on = (names::enable_low_latency(), Value::Bool(true));
        assert!(plan.specification.contains(&on));
        assert_eq!(value(&plan, &names::spatial_adaptive_qp_level()), Some(Value::Int(0)));
        let options: Vec<_> = plan.warnings.iter().map(|w| w.split(':').next().unwrap()).collect();
        assert_eq!(options, ["max_b_frames", "spatial_aq"]);

        let without = Extras { low_latency: false, ..ALL };
        assert!(!super::plan(&low, without).unwrap().specification.contains(&on));
        let mut no_rate = low.clone();
        no_rate.rate.bitrate = None;
        let plan = planned(&no_rate);
        assert!(!plan.specification.contains(&on));
        assert!(plan.warnings[0].starts_with("flags: "), "{:?}", plan.warnings);
    }

    #[test]
    fn what_low_latency_rate_control_has_of_itself_is_not_set() {
        let low = |set: fn(&mut EncoderConfig)| {
            planned(&with(Codec::H264, PixelFormat::Nv12, |c| {
                (c.low_delay, c.gop, c.max_delay) = (true, Some(12), Some(7));
                set(c);
            }))
        };
        let plan = low(|_| {});
        for property in [
            names::allow_frame_reordering(),
            names::max_key_frame_interval(),
            names::max_frame_delay_count(),
            names::profile_level(),
        ] {
            assert_eq!(value(&plan, &property), None, "{property}");
        }
        assert_eq!(plan.keyframe_every, Some(12));
        assert_eq!(plan.warnings, [""; 0]);
        assert_eq!(low(|c| c.gop = Some(0)).keyframe_every, None);
        assert_eq!(planned(&config(Codec::H264, PixelFormat::Nv12)).keyframe_every, None);
        // High is what it is, and another profile of its kind it may have.
        assert_eq!(low(|c| c.profile = Some(100)).warnings, [""; 0]);
        let constrained = value(&low(|c| c.profile = Some(612)), &names::profile_level());
        let name = names::profile("H264_ConstrainedHigh_AutoLevel");
        assert_eq!(constrained, Some(Value::Text(name)));
        let plan = low(|c| (c.profile, c.level) = (Some(77), Some(41)));
        assert_eq!(value(&plan, &names::profile_level()), None);
        let options: Vec<_> = plan.warnings.iter().map(|w| w.split(':').next().unwrap()).collect();
        assert_eq!(options, ["level", "profile"]);
    }

    #[test]
    fn buffers_say_the_range_that_the_stream_is_to_have() {
        let format = |format, full_range| {
            let config = with(Codec::H265, format, |c| c.color.full_range = full_range);
            let Value::Int(characters) = planned(&config).source[0].1 else { panic!() };
            String::from_utf8(characters.to_be_bytes().to_vec()).unwrap()
        };
        assert_eq!(format(PixelFormat::Nv12, None), "420v");
        assert_eq!(format(PixelFormat::Nv12, Some(true)), "420f");
        assert_eq!(format(PixelFormat::P010, Some(false)), "x420");
        assert_eq!(format(PixelFormat::P010, Some(true)), "xf20");
        assert_eq!(format(PixelFormat::P210, None), "x422");
        assert_eq!(format(PixelFormat::P210, Some(true)), "xf22");
        assert_eq!(format(PixelFormat::Bgra, None), "BGRA");
        assert_eq!(format(PixelFormat::Ayuv, None), "y408");
    }

    #[test]
    fn alpha_is_encoded_where_it_can_be_and_was_asked_for() {
        let plan_of = |codec, format, quality, extras| {
            plan(&with(codec, format, |c| c.alpha_quality = quality), extras).unwrap()
        };
        let plan = plan_of(Codec::H265, PixelFormat::Bgra, 0.5, ALL);
        assert_eq!(plan.codec.to_be_bytes(), *b"muxa");
        assert_eq!(value(&plan, &names::target_quality_for_alpha()), Some(Value::Float(0.5)));
        let straight = Value::Text(names::straight_alpha());
        assert_eq!(value(&plan, &names::alpha_channel_mode()), Some(straight));
        assert_eq!(plan.warnings, [""; 0]);
        let plan = plan_of(Codec::H265, PixelFormat::Ayuv, 0.0, ALL);
        assert_eq!(plan.codec.to_be_bytes(), *b"hvc1");
        for (codec, format, alpha) in [
            (Codec::H264, PixelFormat::Bgra, true),
            (Codec::H265, PixelFormat::Nv12, true),
            (Codec::H265, PixelFormat::Bgra, false),
        ] {
            let plan = plan_of(codec, format, 0.5, Extras { alpha, ..ALL });
            assert_ne!(plan.codec.to_be_bytes(), *b"muxa");
            assert!(plan.warnings[0].starts_with("alpha_quality: "));
        }
    }
}
