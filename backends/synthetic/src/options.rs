//! Which options have no meaning here, and what becomes of those that do not fit together.

use crate::script::{MAX_REORDER, Script};
use vtremote_backend::EncoderConfig;

/// What is held back, after everything was made to fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    /// B-frames in a row.
    pub(crate) reorder: u32,
    /// Packets held back besides.
    pub(crate) delay: u32,
    /// Packets at a time.
    pub(crate) burst: u32,
}

impl Held {
    /// What the client and the script ask for, as far as `max_delay` lets: B-frames go before the
    /// script's delay, and that before its bursts.
    pub(crate) fn fit(config: &EncoderConfig, script: &Script, warnings: &mut Vec<String>) -> Self {
        let mut room = config.max_delay.unwrap_or(u32::MAX);
        let mut reduce = |name: &str, wanted: u32, most: u32, why: &str| {
            if wanted > most {
                warnings.push(format!("{name}: {wanted} reduced to {most}, {why}"));
            }
            wanted.min(most)
        };
        const WINDOW: &str = "the client does not wait for more frames";
        let (name, asked) = match script.reorder {
            Some(scripted) => ("script's reorder", scripted),
            None => ("max_b_frames", config.b_frames),
        };
        let asked = match config.low_delay {
            true => reduce(name, asked, 0, "low delay is asked for"),
            false => reduce(name, asked, MAX_REORDER, "the most that there can be"),
        };
        let reorder = reduce(name, asked, room, WINDOW);
        room -= reorder;
        let delay = reduce("script's delay", script.delay, room, WINDOW);
        room -= delay;
        let burst = reduce("script's burst", script.burst, room.saturating_add(1), WINDOW);
        Held { reorder, delay, burst }
    }
}

/// A line for each option that was set and changes nothing here, under its name on the wire.
///
/// That the encoder is software, that every keyframe closes its group and that nothing is done for
/// the sake of speed or latency is what it is like by itself: asking for it is no reason for a
/// warning.
pub(crate) fn unused(config: &EncoderConfig) -> impl Iterator<Item = String> {
    let EncoderConfig { rate, color, .. } = config;
    let options = [
        ("bitrate", rate.bitrate.is_some()),
        ("maxrate", rate.max_rate.is_some()),
        ("bufsize", rate.buffer.is_some()),
        ("constant_bit_rate", rate.constant),
        ("global_quality", config.quality.is_some()),
        ("qmin", config.qmin.is_some()),
        ("qmax", config.qmax.is_some()),
        ("profile", config.profile.is_some()),
        ("level", config.level.is_some()),
        ("entropy", config.entropy.is_some()),
        ("max_slice_bytes", config.max_slice_bytes.is_some()),
        ("max_ref_frames", config.max_ref_frames.is_some()),
        ("realtime", config.realtime == Some(true)),
        ("prio_speed", config.prioritize_speed == Some(true)),
        ("power_efficient", config.power_efficient == Some(true)),
        ("spatial_aq", config.spatial_aq == Some(true)),
        ("alpha_quality", config.alpha_quality != 0.0),
        ("color_range", color.full_range.is_some()),
        ("colorspace", color.matrix.is_some()),
        ("color_primaries", color.primaries.is_some()),
        ("color_trc", color.transfer.is_some()),
        ("chroma_location", color.chroma_location.is_some()),
        ("sar_num", config.sample_aspect_ratio.is_some()),
        ("a53_cc", config.a53_captions == Some(true)),
        ("mastering_display", config.mastering_display.is_some()),
        ("content_light", config.content_light.is_some()),
    ];
    let set = options.into_iter().filter(|(_, set)| *set);
    set.map(|(name, _)| format!("{name}: not used by the synthetic encoder"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use vtremote_backend::{Codec, PixelFormat, Ratio};

    fn config() -> EncoderConfig {
        let time_base = Ratio { num: 1, den: 30 };
        EncoderConfig::new(Codec::H264, 64, 64, PixelFormat::Nv12, time_base)
    }

    fn fit(config: &EncoderConfig, script: &str) -> (Held, Vec<String>) {
        let mut warnings = Vec::new();
        let held = Held::fit(config, &script.parse().unwrap(), &mut warnings);
        (held, warnings)
    }

    #[test]
    fn a_client_with_a_small_window_gets_its_packets_and_a_warning() {
        let config = EncoderConfig { b_frames: 2, max_delay: Some(7), ..config() };
        let (held, warnings) = fit(&config, "delay=9,burst=4");
        assert_eq!(held, Held { reorder: 2, delay: 5, burst: 1 });
        assert_eq!(warnings.len(), 2);
        assert!(warnings[0].starts_with("script's delay: 9 reduced to 5"));
    }

    #[test]
    fn what_fits_is_no_reason_for_a_warning() {
        let config = EncoderConfig { b_frames: 2, max_delay: Some(7), ..config() };
        let fits = (Held { reorder: 2, delay: 4, burst: 2 }, vec![]);
        assert_eq!(fit(&config, "delay=4,burst=2"), fits);
    }

    #[test]
    fn a_hostile_number_of_b_frames_is_reduced() {
        let config = EncoderConfig { b_frames: u32::MAX, ..config() };
        let (held, warnings) = fit(&config, "");
        assert_eq!(held.reorder, MAX_REORDER);
        assert!(warnings[0].starts_with("max_b_frames"));
    }

    #[test]
    fn low_delay_rules_b_frames_out_by_name() {
        let config = EncoderConfig { b_frames: 2, low_delay: true, ..config() };
        let (held, warnings) = fit(&config, "");
        assert_eq!(held.reorder, 0);
        assert!(warnings[0].starts_with("max_b_frames"));
    }

    #[test]
    fn unused_options_are_named_and_what_clients_always_send_is_not() {
        let mut config = EncoderConfig { realtime: Some(false), allow_software: true, ..config() };
        assert_eq!(unused(&config).count(), 0);
        config.color.matrix = Some(0);
        config.qmin = Some(-1);
        let names = ["qmin: not used by", "colorspace: not used by"];
        assert!(unused(&config).zip(names).all(|(line, name)| line.starts_with(name)));
        assert_eq!(unused(&config).count(), 2);
    }
}
