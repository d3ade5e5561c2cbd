//! CONFIGURE as backends understand it (docs/protocol.md section 4).

use vtremote_backend::{
    Codec, Color, DecoderConfig, EncoderConfig, Entropy, Error, PixelFormat, Quality, RateControl,
    Ratio, check_size,
};
use vtremote_proto::{ClientTraits, CodecFlags, Configure, Options, Rational, ScaleMode};

/// How many frames an encoder, or packets a decoder, may hold back for a client whose window it does
/// not know (docs/protocol.md section 7).
const MAX_DELAY: u32 = 7;

fn format(number: u8) -> Result<PixelFormat, Error> {
    let format = PixelFormat::ALL.into_iter().find(|format| *format as u8 == number);
    format.ok_or_else(|| Error::Unsupported(format!("pixel format {number}")))
}

/// 0/1 is legal and means that times are opaque.
fn time_base(time_base: Rational) -> Result<Ratio, Error> {
    match time_base {
        Rational { num: 0, den: 1 } => Ok(Ratio { num: 1, den: 1 }),
        Rational { num: 0, .. } | Rational { den: 0, .. } => {
            Err(Error::Unsupported(format!("a timebase of {}/{}", time_base.num, time_base.den)))
        }
        Rational { num, den } => Ok(Ratio { num, den }),
    }
}

/// What the encoder is told, and a warning for each option that means nothing to one.
pub(super) fn encoder(
    codec: Codec,
    configure: &Configure<'_>,
    options: &Options,
    client: ClientTraits,
) -> Result<(EncoderConfig, Vec<String>), Error> {
    let (width, height) = (configure.width, configure.height);
    check_size(width, height)?;
    let format = format(configure.pix_fmt)?;
    let mut config =
        EncoderConfig::new(codec, width, height, format, time_base(configure.time_base)?);
    let mut warnings = Vec::new();
    let Rational { num, den } = configure.frame_rate;
    config.frame_rate = (num > 0 && den > 0).then_some(Ratio { num, den });
    let given = |bits: u64| (bits > 0).then_some(bits);
    config.rate = RateControl {
        bitrate: given(options.bitrate),
        max_rate: given(options.maxrate),
        buffer: given(options.bufsize),
        constant: options.constant_bit_rate,
    };
    let flags = options.flags;
    let quality = u32::try_from(options.global_quality).ok().filter(|quality| *quality > 0);
    config.quality = match (flags.contains(CodecFlags::QSCALE), quality) {
        (_, None) => None,
        (true, Some(lambda)) => Some(Quality::Lambda(lambda)),
        (false, Some(percent @ ..=100)) => Some(Quality::Percent(percent)),
        (false, Some(beyond)) => {
            let reason = format!("{beyond} is above 100, the best quality there is");
            return Err(Error::Option { key: "global_quality", reason });
        }
    };
    config.qmin = (options.qmin >= 0).then_some(options.qmin);
    config.qmax = (options.qmax >= 0).then_some(options.qmax);
    config.gop = positive(options.gop);
    config.b_frames = positive(options.max_b_frames).unwrap_or(0);
    config.closed_gop = flags.contains(CodecFlags::CLOSED_GOP);
    config.low_delay = flags.contains(CodecFlags::LOW_DELAY);
    config.global_header = flags.contains(CodecFlags::GLOBAL_HEADER);
    config.profile = (options.profile != -99).then_some(options.profile);
    config.level = match options.level {
        0 => None,
        13 | 30 | 31 | 32 | 40 | 41 | 42 | 50 | 51 | 52 => positive(options.level),
        level => {
            let reason = format!("there is no level {level}; 41 is 4.1");
            return Err(Error::Option { key: "level", reason });
        }
    };
    let h264 = codec == Codec::H264;
    config.entropy = match options.entropy {
        1 => Some(Entropy::Cavlc),
        2 => Some(Entropy::Cabac),
        _ => None,
    };
    config.max_slice_bytes = positive(options.max_slice_bytes);
    if !h264 {
        // Clients of HEVC always send max_slice_bytes=0: only a real value is worth a word.
        for (key, set) in [
            ("entropy", config.entropy.take().is_some()),
            ("max_slice_bytes", config.max_slice_bytes.take().is_some()),
        ] {
            if set {
                warnings.push(format!("{key} is for H.264 only: ignored"));
            }
        }
    }
    let RateControl { bitrate, max_rate, constant, .. } = config.rate;
    if let (Some(average), Some(peak), false, None) = (bitrate, max_rate, constant, config.quality)
        && peak < average
    {
        let text =
            format!("bitrate: {average} is above maxrate {peak}: the stream has no more than that");
        warnings.push(text);
    }
    for (key, set) in [
        ("out_codec", options.out_codec.is_some()),
        ("out_width", options.out_width > 0),
        ("out_height", options.out_height > 0),
        ("scale_mode", options.scale_mode != ScaleMode::Stretch),
        ("packet_ack.v1", options.packet_ack),
    ] {
        if set {
            warnings.push(format!("{key} is for transcoding only: ignored"));
        }
    }
    config.max_ref_frames = positive(options.max_ref_frames);
    config.allow_software = options.allow_sw;
    config.require_software = options.require_sw;
    config.realtime = options.realtime;
    config.prioritize_speed = options.prio_speed;
    config.power_efficient = options.power_efficient;
    config.spatial_aq = options.spatial_aq;
    config.frames_before = options.frames_before;
    config.frames_after = options.frames_after;
    config.alpha_quality = options.alpha_quality as f32;
    config.color = color(options)?;
    let (num, den) = (options.sar_num, options.sar_den);
    config.sample_aspect_ratio = (num > 0 && den > 0).then_some(Ratio { num, den });
    config.a53_captions = options.a53_cc;
    config.mastering_display = options.mastering_display;
    config.content_light = options.content_light;
    config.max_delay = (!client.ack).then_some(MAX_DELAY);
    Ok((config, warnings))
}

fn positive(number: i32) -> Option<u32> {
    u32::try_from(number).ok().filter(|number| *number > 0)
}

/// Unset is 0 for the range and 2 for the others: a matrix of 0 is RGB, and said so.
fn color(options: &Options) -> Result<Color, Error> {
    let code = |key: &'static str, code: u16| match u8::try_from(code) {
        Ok(2) => Ok(None),
        Ok(code) => Ok(Some(code)),
        Err(_) => Err(Error::Option { key, reason: format!("there is no code {code}") }),
    };
    let full_range = match options.color_range {
        0 => None,
        1 => Some(false),
        2 => Some(true),
        range => {
            let reason = format!("{range} is not 0 (unknown), 1 (video) or 2 (full)");
            return Err(Error::Option { key: "color_range", reason });
        }
    };
    Ok(Color {
        full_range,
        matrix: code("colorspace", options.colorspace)?,
        primaries: code("color_primaries", options.color_primaries)?,
        transfer: code("color_trc", options.color_trc)?,
        chroma_location: (options.chroma_location > 0).then_some(options.chroma_location),
    })
}

/// What the decoder is told.
pub(super) fn decoder(
    codec: Codec,
    configure: &Configure<'_>,
    client: ClientTraits,
) -> Result<DecoderConfig, Error> {
    let (width, height) = (configure.width, configure.height);
    check_size(width, height)?;
    Ok(DecoderConfig {
        codec,
        width,
        height,
        format: format(configure.pix_fmt)?,
        time_base: time_base(configure.time_base)?,
        extradata: configure.extradata.to_vec(),
        max_delay: match (client.decode_async, client.ack) {
            // It waits for a frame after every packet.
            (false, _) => Some(0),
            (true, false) => Some(MAX_DELAY),
            (true, true) => None,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configure<'a>(options: &'a [(&'a str, &'a str)]) -> Configure<'a> {
        let rational = |num, den| Rational { num, den };
        Configure {
            width: 640,
            height: 360,
            pix_fmt: 1,
            time_base: rational(1, 25),
            frame_rate: rational(25, 1),
            options: options.to_vec(),
            extradata: &[],
        }
    }

    fn encoder_for(
        codec: Codec,
        pairs: &[(&str, &str)],
    ) -> Result<(EncoderConfig, Vec<String>), Error> {
        let configure = configure(pairs);
        let (options, _) = Options::parse(&configure.options).unwrap();
        // A server that has not seen a CONFIGURE yet knows nothing of the client: no extension.
        let client = vtremote_proto::Server::<()>::new(Default::default()).traits_of_client();
        encoder(codec, &configure, &options, client)
    }

    #[test]
    fn defaults_leave_everything_to_the_encoder() {
        let (config, warnings) = encoder_for(Codec::H264, &[]).unwrap();
        let rate = Ratio { num: 25, den: 1 };
        let mut plain =
            EncoderConfig::new(Codec::H264, 640, 360, PixelFormat::Nv12, Ratio { num: 1, den: 25 });
        plain.frame_rate = Some(rate);
        plain.max_delay = Some(7);
        assert_eq!(config, plain);
        assert!(warnings.is_empty());
    }

    #[test]
    fn a_matrix_of_0_is_rgb_and_2_is_unset() {
        let (config, _) = encoder_for(Codec::H264, &[("colorspace", "0")]).unwrap();
        assert_eq!(config.color.matrix, Some(0));
        let (config, _) = encoder_for(Codec::H264, &[("colorspace", "2")]).unwrap();
        assert_eq!(config.color.matrix, None);
        let refused = encoder_for(Codec::H264, &[("color_trc", "300")]).unwrap_err();
        assert!(matches!(refused, Error::Option { key: "color_trc", .. }));
    }

    #[test]
    fn quality_is_read_as_the_qscale_flag_says() {
        let (config, _) = encoder_for(Codec::H264, &[("global_quality", "65")]).unwrap();
        assert_eq!(config.quality, Some(Quality::Percent(65)));
        let refused = encoder_for(Codec::H264, &[("global_quality", "101")]).unwrap_err();
        assert!(matches!(refused, Error::Option { key: "global_quality", .. }));
        let lambda = [("global_quality", "2360"), ("flags", "2")];
        assert_eq!(
            encoder_for(Codec::H264, &lambda).unwrap().0.quality,
            Some(Quality::Lambda(2360))
        );
    }

    #[test]
    fn flags_are_signed_on_the_wire() {
        let flags = i32::MIN + (1 << 22) + (1 << 19);
        let (config, _) = encoder_for(Codec::H264, &[("flags", &flags.to_string())]).unwrap();
        assert!(config.closed_gop && config.global_header && config.low_delay);
    }

    #[test]
    fn options_of_h264_are_a_warning_for_hevc_unless_unset() {
        let (config, warnings) = encoder_for(Codec::H265, &[("entropy", "2")]).unwrap();
        assert_eq!(config.entropy, None);
        assert!(warnings[0].contains("entropy"));
        let (_, warnings) = encoder_for(Codec::H265, &[("max_slice_bytes", "0")]).unwrap();
        assert!(warnings.is_empty());
    }

    #[test]
    fn options_of_transcoding_are_a_warning_by_name() {
        let (_, warnings) = encoder_for(Codec::H264, &[("out_width", "1280")]).unwrap();
        assert!(warnings[0].starts_with("out_width"));
    }

    #[test]
    fn impossible_sizes_formats_and_timebases_are_refused() {
        let client = vtremote_proto::Server::<()>::new(Default::default()).traits_of_client();
        let refuses = |change: &dyn Fn(&mut Configure<'_>)| {
            let mut configure = configure(&[]);
            change(&mut configure);
            let refused = encoder(Codec::H264, &configure, &Options::default(), client);
            assert!(matches!(refused, Err(Error::Unsupported(_))));
        };
        refuses(&|configure| configure.width = 0);
        refuses(&|configure| configure.height = 100_000);
        refuses(&|configure| configure.pix_fmt = 6);
        refuses(&|configure| configure.time_base = Rational { num: 1, den: 0 });
    }

    #[test]
    fn a_decoder_holds_back_no_more_than_its_client_can_do_without() {
        let mut client = vtremote_proto::Server::<()>::new(Default::default()).traits_of_client();
        let mut max_delay = |decode_async, ack| {
            (client.decode_async, client.ack) = (decode_async, ack);
            decoder(Codec::H264, &configure(&[]), client).unwrap().max_delay
        };
        assert_eq!(max_delay(false, false), Some(0));
        assert_eq!(max_delay(true, false), Some(7));
        assert_eq!(max_delay(true, true), None);
    }

    #[test]
    fn a_timebase_of_0_over_1_means_opaque_times() {
        assert_eq!(time_base(Rational { num: 0, den: 1 }), Ok(Ratio { num: 1, den: 1 }));
    }
}
