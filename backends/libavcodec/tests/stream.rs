//! What is in the streams, as FFmpeg's own tools read it. Needs the commands ffmpeg and ffprobe.

mod support;

use support::{KINDS, config, encode, ticks};
use vtremote_backend::{
    Codec, EncoderConfig, FrameInfo, PixelFormat, Quality, RateControl, Ratio, SideData,
};
use vtremote_bitstream::annexb;
use vtremote_bitstream::sei::{self, Sei};

#[test]
fn what_is_decoded_is_what_was_encoded() {
    for (codec, format) in KINDS {
        let config = EncoderConfig {
            rate: RateControl { bitrate: Some(4_000_000), ..RateControl::default() },
            b_frames: 2,
            ..config(codec, format)
        };
        let (psnr, frames) = encode(&config, ticks(40)).psnr(320, 192);
        assert_eq!(frames, 40, "{codec} {format:?}");
        assert!(psnr > 38.0, "{codec} {format:?}: {psnr} dB");
    }
}

#[test]
fn ten_bits_are_ten_bits() {
    let fine = |format, profile| {
        let config = EncoderConfig {
            quality: Some(Quality::Percent(98)),
            profile,
            ..config(Codec::H265, format)
        };
        let stream = encode(&config, ticks(4));
        let odd = stream.decoded().iter().filter(|sample| *sample % 4 != 0).count();
        (stream.probe("profile,pix_fmt"), stream.psnr(320, 192).0, odd > 10_000)
    };
    let (ten, psnr_of_ten, odd) = fine(PixelFormat::P010, None);
    assert_eq!(ten, "Main 10\nyuv420p10le");
    assert!(odd, "the lower two bits are empty");
    let (eight, psnr_of_eight, _) = fine(PixelFormat::Nv12, None);
    assert_eq!(eight, "Main\nyuv420p");
    assert!(psnr_of_ten > psnr_of_eight, "{psnr_of_ten} dB with ten bits, {psnr_of_eight} with 8");
    let (widened, ..) = fine(PixelFormat::Nv12, Some(2));
    assert_eq!(widened, "Main 10\nyuv420p10le");
}

#[test]
fn the_bitrate_is_roughly_what_was_asked_for() {
    for (codec, format) in KINDS {
        let size = |bitrate| {
            let config = EncoderConfig {
                rate: RateControl { bitrate: Some(bitrate), ..RateControl::default() },
                ..config(codec, format)
            };
            let stream = encode(&config, ticks(120));
            8.0 * stream.bytes().len() as f64 / 4.0
        };
        for asked in [120_000, 300_000] {
            let ratio = size(asked) / asked as f64;
            assert!((0.5..1.6).contains(&ratio), "{codec} {format:?}: {ratio} of {asked}");
        }
    }
}

#[test]
fn the_peak_rate_holds() {
    for (codec, format) in KINDS {
        let rate = RateControl {
            bitrate: Some(600_000),
            max_rate: Some(600_000),
            buffer: Some(300_000),
            constant: false,
        };
        let stream = encode(&EncoderConfig { rate, ..config(codec, format) }, ticks(120));
        let sizes: Vec<_> = stream.packets.iter().map(|packet| 8 * packet.data.len()).collect();
        let second = sizes.windows(30).map(|sizes| sizes.iter().sum::<usize>()).max();
        // A second's worth, the buffer, and a little for what rate control cannot foresee.
        assert!(second < Some(990_000), "{codec} {format:?}: {second:?} bits in a second");
    }
}

#[test]
fn better_quality_is_a_bigger_stream() {
    for (codec, format) in KINDS {
        let size = |quality| {
            let config = EncoderConfig { quality: Some(quality), ..config(codec, format) };
            encode(&config, ticks(10)).bytes().len()
        };
        assert!(size(Quality::Percent(80)) > 2 * size(Quality::Percent(30)), "{codec}");
        assert_eq!(size(Quality::Percent(60)), size(Quality::Lambda(60 * 118)), "{codec}");
    }
}

#[test]
fn forced_keyframes_are_idr_pictures() {
    for (codec, format) in KINDS {
        for b_frames in [0, 2] {
            let config = EncoderConfig { b_frames, gop: Some(600), ..config(codec, format) };
            let mut frames = ticks(40);
            for at in [7, 8, 23] {
                frames[at].keyframe = true;
            }
            let stream = encode(&config, frames);
            for pts in [0, 7, 8, 23] {
                assert!(stream.idr().contains(&pts), "{codec} {b_frames}: {:?}", stream.idr());
            }
            assert_eq!(stream.idr(), stream.keyframes());
        }
    }
}

#[test]
fn keyframes_are_a_group_of_pictures_apart() {
    for (codec, format) in KINDS {
        let config = EncoderConfig { b_frames: 1, gop: Some(12), ..config(codec, format) };
        assert_eq!(encode(&config, ticks(40)).idr(), [0, 12, 24, 36], "{codec} {format:?}");
    }
}

#[test]
fn there_are_as_many_b_frames_as_asked() {
    for (codec, format) in KINDS {
        for b_frames in 0..=3 {
            let config = EncoderConfig { b_frames, ..config(codec, format) };
            let stream = encode(&config, ticks(40));
            let types = stream.probe_frames("frame=pict_type").concat();
            let longest = types.split(|kind| kind != 'B').map(str::len).max().unwrap();
            let fits = longest <= b_frames as usize && (longest > 0) == (b_frames > 0);
            assert!(fits, "{codec} {b_frames}: {types}");
            assert_eq!(types.len(), 40);
        }
    }
}

#[test]
fn the_profile_is_the_one_asked_for() {
    let profile = |codec, format, profile| {
        let config = EncoderConfig { profile: Some(profile), b_frames: 0, ..config(codec, format) };
        encode(&config, ticks(3)).probe("profile")
    };
    let h264 = |number| profile(Codec::H264, PixelFormat::Nv12, number);
    assert_eq!(h264(66), "Constrained Baseline");
    assert_eq!(h264(578), "Constrained Baseline");
    assert_eq!(h264(77), "Main");
    assert_eq!(h264(100), "High");
    assert_eq!(h264(612), "High");
    assert_eq!(profile(Codec::H265, PixelFormat::Nv12, 1), "Main");
    assert_eq!(profile(Codec::H265, PixelFormat::Nv12, 2), "Main 10");
    assert_eq!(profile(Codec::H265, PixelFormat::P010, 2), "Main 10");
}

#[test]
fn the_level_is_the_one_asked_for() {
    for (codec, format, level) in
        [(Codec::H264, PixelFormat::Nv12, "41"), (Codec::H265, PixelFormat::P010, "123")]
    {
        let config = EncoderConfig { level: Some(41), ..config(codec, format) };
        assert_eq!(encode(&config, ticks(3)).probe("level"), level, "{codec}");
    }
}

#[test]
fn color_and_aspect_ratio_are_in_the_stream() {
    for (codec, format) in KINDS {
        let mut config = config(codec, format);
        config.color.full_range = Some(true);
        config.color.matrix = Some(9);
        config.color.primaries = Some(9);
        config.color.transfer = Some(16);
        config.color.chroma_location = Some(3);
        config.sample_aspect_ratio = Some(Ratio { num: 64, den: 45 });
        let stream = encode(&config, ticks(3));
        let probed = |entry| stream.probe(entry);
        assert_eq!(probed("color_range"), "pc", "{codec}");
        assert_eq!(probed("color_space"), "bt2020nc");
        assert_eq!(probed("color_primaries"), "bt2020");
        assert_eq!(probed("color_transfer"), "smpte2084");
        assert_eq!(probed("chroma_location"), "topleft");
        assert_eq!(probed("sample_aspect_ratio"), "64:45");
    }
}

#[test]
fn color_that_nobody_told_is_not_invented() {
    for (codec, format) in KINDS {
        let stream = encode(&config(codec, format), ticks(3));
        assert_eq!(
            stream.probe("color_space,color_primaries,color_transfer"),
            "unknown\n".repeat(3).trim()
        );
    }
}

#[test]
fn hdr_metadata_is_in_the_stream() {
    let shorts = [13250u16, 34500, 7500, 3000, 34000, 16000, 15635, 16450];
    let mut display = shorts.map(u16::to_be_bytes).concat();
    display.extend([10_000_000u32, 50].map(u32::to_be_bytes).concat());
    let light = [0x03, 0xe8, 0x01, 0x90];
    for (codec, format) in KINDS {
        let config = EncoderConfig {
            mastering_display: Some(display.clone().try_into().unwrap()),
            content_light: Some(light),
            ..config(codec, format)
        };
        // payloadType and payloadSize, then the payload: H.264 7.3.2.3.1, H.265 7.3.5.
        let messages = [[&[137, 24], &display[..]].concat(), [&[144, 4], &light[..]].concat()];
        let packets = encode(&config, ticks(2)).packets;
        for message in messages {
            let found = annexb::nal_units(&packets[0].data)
                .any(|nal| without_escapes(nal).windows(message.len()).any(|at| at == message));
            assert!(found, "{codec} {format:?}: no message {}", message[0]);
        }
    }
}

/// H.264 7.3.1, H.265 7.3.1.1: without emulation_prevention_three_byte.
fn without_escapes(nal: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut zeros = 0;
    for byte in nal {
        if zeros == 2 && *byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        out.push(*byte);
    }
    out
}

#[test]
fn a_new_keyframe_is_as_good_as_a_new_stream() {
    for (codec, format) in KINDS {
        let mut stream =
            encode(&EncoderConfig { gop: Some(10), ..config(codec, format) }, ticks(30));
        let first = stream.packets.iter().position(|packet| packet.pts == 20).unwrap();
        stream.packets.drain(..first);
        assert_eq!(stream.probe_frames("frame=pict_type").len(), 10, "{codec}");
    }
}

#[test]
fn frames_may_come_at_any_pace_and_begin_before_zero() {
    for (codec, format) in KINDS {
        for b_frames in 0..=3 {
            let config = EncoderConfig {
                b_frames,
                time_base: Ratio { num: 1, den: 90_000 },
                frame_rate: None,
                ..config(codec, format)
            };
            let gaps = [1, 3003, 90_000, 1, 1, 500, 7_000_000, 3003];
            let mut pts = -100_000;
            let frames: Vec<_> = (0..40)
                .map(|at| {
                    pts += gaps[at % gaps.len()];
                    FrameInfo { pts, duration: at as i64, ..FrameInfo::default() }
                })
                .collect();
            let stream = encode(&config, frames.clone());
            let mut last = i64::MIN;
            for packet in &stream.packets {
                assert!(packet.dts > last && packet.dts <= packet.pts, "{codec} {b_frames}");
                last = packet.dts;
            }
            let mut times: Vec<_> = stream.packets.iter().map(|p| (p.pts, p.duration)).collect();
            times.sort_unstable();
            assert_eq!(times, frames.iter().map(|f| (f.pts, f.duration)).collect::<Vec<_>>());
        }
    }
}

/// Frames with captions, but every fourth; those of the third are more than one message holds.
fn captioned(count: i64) -> (Vec<FrameInfo>, Vec<Vec<u8>>) {
    let captions = |pts: i64| match pts {
        _ if pts % 4 == 3 => Vec::new(),
        2 => (0..40 * 3).collect(),
        _ => vec![0xfc, 0x80 | pts as u8, 0, 0xfd, 0, 0],
    };
    let all: Vec<_> = (0..count).map(captions).collect();
    let mut frames = ticks(count);
    for (frame, data) in frames.iter_mut().zip(&all).filter(|(_, data)| !data.is_empty()) {
        frame.side_data.push(SideData { kind: 1, data: data.clone() });
        // What is not known is passed over.
        frame.side_data.push(SideData { kind: 77, data: vec![1, 2, 3, 4] });
        // So is part of a triplet.
        frame.side_data.push(SideData { kind: 1, data: vec![0xfc, 1, 2, 0xfd] });
    }
    (frames, all)
}

#[test]
fn captions_come_out_with_their_frames() {
    for (codec, format) in KINDS {
        for (b_frames, a53_captions) in
            [(0, Some(true)), (2, Some(true)), (3, None), (2, Some(false))]
        {
            let config = EncoderConfig { b_frames, a53_captions, ..config(codec, format) };
            let (frames, captions) = captioned(20);
            let stream = encode(&config, frames);
            for packet in &stream.packets {
                let found = vtremote_bitstream::sei::captions_in(codec, &packet.data);
                let expected = match a53_captions {
                    Some(false) => &[][..],
                    _ => &captions[packet.pts as usize],
                };
                assert_eq!(found, expected, "{codec}, {b_frames} B-frames: frame {}", packet.pts);
            }
            // Every tool still reads it.
            assert_eq!(stream.probe_frames("frame=pict_type").len(), 20);
        }
    }
}

/// BT.2020 at 1000 to 0.0001 candela per square metre; 1000 and 400.
const DISPLAY: [u8; 24] = *b"\x21\x34\x9b\xaa\x19\x96\x08\xfc\x8a\x48\x39\x08\x3d\x13\x40\x42\
                             \x00\x98\x96\x80\x00\x00\x00\x01";
const LIGHT: [u8; 4] = [0x03, 0xe8, 0x01, 0x90];

#[test]
fn metadata_of_hdr_stands_before_every_keyframe_and_nowhere_else() {
    for (codec, format) in KINDS {
        for global_header in [false, true] {
            let config = EncoderConfig {
                mastering_display: Some(DISPLAY),
                content_light: Some(LIGHT),
                gop: Some(10),
                b_frames: 2,
                global_header,
                ..config(codec, format)
            };
            let stream = encode(&config, ticks(24));
            assert_eq!(stream.warnings, Vec::<String>::new());
            assert!(stream.keyframes().len() >= 3);
            for packet in &stream.packets {
                let messages = sei::messages_in(codec, &packet.data);
                let hdr: Vec<_> = messages
                    .filter(|sei| {
                        sei.to_mastering_display().is_some() || sei.to_content_light().is_some()
                    })
                    .collect();
                let expected = [Sei::mastering_display(DISPLAY), Sei::content_light(LIGHT)];
                assert_eq!(hdr, expected[..if packet.keyframe { 2 } else { 0 }], "{codec}");
            }
        }
    }
}

#[test]
fn metadata_of_hdr_that_comes_with_a_frame_is_in_the_stream_from_its_keyframe_on() {
    let mut frames = ticks(30);
    frames[10].keyframe = true;
    frames[10].side_data = vec![
        SideData { kind: SideData::CONTENT_LIGHT, data: LIGHT.to_vec() },
        SideData { kind: SideData::MASTERING_DISPLAY, data: DISPLAY.to_vec() },
    ];
    frames[20].keyframe = true;
    let config = EncoderConfig {
        content_light: Some([0, 1, 0, 1]),
        ..config(Codec::H265, PixelFormat::P010)
    };
    let stream = encode(&config, frames);
    let of = |pts: i64| {
        let packet = stream.packets.iter().find(|packet| packet.pts == pts).unwrap();
        let messages: Vec<_> = sei::messages_in(Codec::H265, &packet.data).collect();
        let display = messages.iter().find_map(Sei::to_mastering_display);
        (display, messages.iter().find_map(Sei::to_content_light))
    };
    assert_eq!(of(0), (None, Some([0, 1, 0, 1])));
    assert_eq!(of(10), (Some(DISPLAY), Some(LIGHT)));
    assert_eq!(of(20), (Some(DISPLAY), Some(LIGHT)));
    // As FFmpeg's own reader finds it.
    let entries = "frame=pict_type:side_data=max_content,max_luminance";
    let lines = stream.probe_frames(entries);
    let keyframes: Vec<_> = lines.iter().filter(|line| line.starts_with("I,")).collect();
    assert_eq!(keyframes, ["I,1", "I,10000000/10000", "I,10000000/10000"], "{lines:?}");
    assert_eq!(lines.iter().filter(|line| *line == "1000").count(), 20, "{lines:?}");
}

#[test]
fn what_has_more_colour_than_4_2_0_keeps_it() {
    use PixelFormat::{Ayuv, Bgra, P210};
    for (format, described, raw) in [
        (P210, "Rext\nyuv422p10le\ntv\nunknown", "p210le"),
        (Ayuv, "Rext\nyuv444p\ntv\nunknown", "yuv444p"),
        (Bgra, "Rext\ngbrp\npc\ngbr", "gbrp"),
    ] {
        let config = EncoderConfig {
            quality: Some(Quality::Percent(95)),
            b_frames: 2,
            ..config(Codec::H265, format)
        };
        let stream = encode(&config, ticks(6));
        assert_eq!(stream.warnings, Vec::<String>::new());
        assert_eq!(stream.probe("profile,pix_fmt,color_range,color_space"), described);
        let psnr = stream.psnr_of(format, raw, 320, 192);
        assert!(psnr > 38.0, "{format:?}: {psnr} dB");
    }
}

#[test]
fn full_colour_may_have_odd_sizes() {
    for format in [PixelFormat::Ayuv, PixelFormat::Bgra] {
        let config = EncoderConfig { width: 321, height: 191, ..config(Codec::H265, format) };
        assert_eq!(encode(&config, ticks(3)).probe("width,height"), "321\n191");
    }
}

/// x265 has once written behind its memory with some of them, which ends the process.
#[test]
fn pictures_may_be_small() {
    for (codec, format) in KINDS {
        for (width, height) in [(34, 18), (16, 16), (40, 24), (48, 18), (64, 18), (18, 64)] {
            let small = EncoderConfig { width, height, b_frames: 2, ..config(codec, format) };
            assert_eq!(
                encode(&small, ticks(30)).psnr(width as usize, height as usize).1,
                30,
                "{codec} {width}x{height}"
            );
        }
    }
}
