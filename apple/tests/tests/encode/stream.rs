//! What the packets are.

use crate::session::{Session, assert_in_order, assert_whole, config, encode, h264, hevc};
use vtremote_apple_double::{Machine, Script};
use vtremote_apple_tests::OverDouble;
use vtremote_backend::{
    Codec, Color, EncodedPacket, EncoderConfig, FrameInfo, PixelFormat, Ratio, SideData,
};
use vtremote_bitstream::sei::{self, Sei};
use vtremote_bitstream::{ParameterSets, SetKind, StreamFacts};

fn over() -> OverDouble {
    OverDouble::new(Machine::apple_silicon())
}

/// What the parameter sets say that are told before the first frame.
fn facts(over: &OverDouble, config: &EncoderConfig) -> StreamFacts {
    let session = Session::open(over, config);
    let (sets, _) = ParameterSets::from_record(config.codec, &session.parameter_sets).unwrap();
    let sps = sets.of(SetKind::Sps).next().expect("a set");
    StreamFacts::from_sps(config.codec, sps).expect("what it says")
}

#[test]
fn every_frame_is_shown_as_it_was_given() {
    let over = over();
    for b_frames in [0, 2] {
        for (codec, config) in [
            (Codec::H264, h264(|c| c.b_frames = b_frames)),
            (Codec::H265, hevc(|c| c.b_frames = b_frames)),
        ] {
            assert_whole(&over, codec, &encode(&over, &config, 40), 40);
        }
    }
}

#[test]
fn every_format_comes_out() {
    let over = over();
    for format in PixelFormat::ALL {
        assert_in_order(&encode(&over, &config(Codec::H265, format), 5), 5);
    }
    for format in [PixelFormat::Bgra, PixelFormat::Ayuv] {
        assert_in_order(&encode(&over, &config(Codec::H264, format), 5), 5);
    }
}

#[test]
fn the_stream_says_what_its_pictures_are() {
    let over = over();
    let described = |mut config: EncoderConfig| {
        (config.color.primaries, config.color.transfer, config.color.matrix) =
            (Some(9), Some(18), Some(9));
        config.color.full_range = Some(true);
        config.sample_aspect_ratio = Some(Ratio { num: 40, den: 33 });
        config
    };
    for config in [h264(|_| {}), config(Codec::H265, PixelFormat::P010)] {
        let facts = facts(&over, &described(config));
        assert_eq!((facts.primaries, facts.transfer, facts.matrix), (9, 18, 9));
        assert_eq!(facts.full_range, Some(true));
        assert_eq!(facts.sample_aspect_ratio, Some((40, 33)));
    }
}

#[test]
fn captions_are_in_the_access_unit_of_their_frame() {
    let over = over();
    let triplets = |pts: i64| vec![0xfc, 0x80 | pts as u8, 0x20, 0xfd, 0x80, 0x80];
    let frame = |pts| FrameInfo {
        pts,
        duration: 1,
        side_data: vec![SideData { kind: 1, data: triplets(pts) }],
        ..FrameInfo::default()
    };
    for (a53, b_frames) in [(None, 0), (Some(true), 2), (Some(false), 0)] {
        for (codec, config) in [
            (Codec::H264, h264(|c| (c.a53_captions, c.b_frames) = (a53, b_frames))),
            (Codec::H265, hevc(|c| (c.a53_captions, c.b_frames) = (a53, b_frames))),
        ] {
            let mut session = Session::open(&over, &config);
            (0..12).for_each(|pts| session.submit(frame(pts)).unwrap());
            session.encoder.drain().unwrap();
            let packets = session.packets();
            assert_eq!(packets.len(), 12);
            for packet in packets {
                let found = sei::captions_in(codec, &packet.data);
                let expected = if a53 == Some(false) { Vec::new() } else { triplets(packet.pts) };
                assert_eq!(found, expected, "{codec} pts {}", packet.pts);
            }
        }
    }
}

/// The metadata of HDR in each keyframe, by its number; none anywhere else.
fn hdr_of(codec: Codec, packets: &[EncodedPacket]) -> Vec<(i64, Vec<Sei>)> {
    let of_hdr = |message: &Sei| {
        message.to_mastering_display().is_some() || message.to_content_light().is_some()
    };
    let found = |packet: &EncodedPacket| -> Vec<Sei> {
        sei::messages_in(codec, &packet.data).filter(of_hdr).collect()
    };
    let (keyframes, others): (Vec<_>, Vec<_>) = packets.iter().partition(|packet| packet.keyframe);
    assert!(others.into_iter().all(|packet| found(packet).is_empty()));
    keyframes.into_iter().map(|packet| (packet.pts, found(packet))).collect()
}

/// Colours of HDR10.
fn hdr10(config: EncoderConfig) -> EncoderConfig {
    let color = Color { primaries: Some(9), transfer: Some(16), matrix: Some(9), ..config.color };
    EncoderConfig { color, ..config }
}

/// BT.2020 with this highest luminance, in units of 0.0001 candela per square metre.
fn display(luminance: u32) -> [u8; 24] {
    let points = [8500_u16, 39850, 6550, 2300, 35400, 14600, 15635, 16450];
    let bytes = [points.map(u16::to_be_bytes).concat(), luminance.to_be_bytes().to_vec()].concat();
    [bytes, vec![0, 0, 0, 1]].concat().try_into().unwrap()
}

#[test]
fn metadata_of_hdr_is_in_the_keyframes_from_the_frame_on_that_brings_it() {
    let (first, second) = (display(10_000_000), display(40_000_000));
    let light = [3, 0xe8, 1, 0x90];
    let both = |payload| vec![Sei::mastering_display(payload), Sei::content_light(light)];
    for (codec, format, b_frames, configured) in [
        (Codec::H264, PixelFormat::Nv12, 0, None),
        (Codec::H264, PixelFormat::Nv12, 2, Some(second)),
        (Codec::H265, PixelFormat::P010, 0, None),
        (Codec::H265, PixelFormat::P010, 2, None),
        (Codec::H265, PixelFormat::P010, 0, Some(second)),
    ] {
        let over = over();
        let mut config = config(codec, format);
        (config.b_frames, config.mastering_display) = (b_frames, configured);
        let mut session = Session::open(&over, &config);
        for pts in 0..24 {
            let of_this = |kind, data: &[u8]| SideData { kind, data: data.to_vec() };
            let side_data = match pts {
                0 => vec![
                    of_this(SideData::MASTERING_DISPLAY, &first),
                    of_this(SideData::CONTENT_LIGHT, &light),
                ],
                14 => vec![of_this(SideData::MASTERING_DISPLAY, &second)],
                _ => Vec::new(),
            };
            let keyframe = pts % 8 == 0;
            session.submit(FrameInfo { pts, duration: 1, keyframe, side_data }).unwrap();
        }
        session.encoder.drain().unwrap();
        let expected = [(0, both(first)), (8, both(first)), (16, both(second))];
        assert_eq!(hdr_of(codec, &session.packets()), expected, "{codec} {b_frames}");
    }
}

#[test]
fn metadata_of_hdr_is_written_once_whether_the_encoder_writes_it_or_not() {
    let (display, light) = (display(10_000_000), [3, 0xe8, 1, 0x90]);
    let expected = vec![Sei::mastering_display(display), Sei::content_light(light)];
    let p010 = || config(Codec::H265, PixelFormat::P010);
    let refused = Script::new().property("MasteringDisplayColorVolume", -12900);
    for (script, config, by_encoder) in [
        (Script::new(), hdr10(p010()), true),
        (Script::new(), p010(), false),
        (Script::new().no_hdr(), hdr10(p010()), false),
        (refused, p010(), false),
    ] {
        let over = over();
        over.double().script(script);
        let mut config = config;
        (config.mastering_display, config.content_light) = (Some(display), Some(light));
        config.gop = Some(4);
        let mut session = Session::open(&over, &config);
        assert_eq!(session.warnings, [""; 0]);
        session.send_all(6);
        let packets = session.packets();
        let both = [(0, expected.clone()), (4, expected.clone())];
        assert_eq!(hdr_of(Codec::H265, &packets), both, "written by the encoder: {by_encoder}");
    }
}

#[test]
fn captions_that_are_no_triplets_are_left_out() {
    let over = over();
    let mut session = Session::open(&over, &h264(|_| {}));
    for pts in 0..3 {
        let side_data = vec![SideData { kind: 1, data: vec![0xfc, 1, 2][..1 + pts].to_vec() }];
        let pts = pts as i64;
        session.submit(FrameInfo { pts, side_data, ..FrameInfo::default() }).unwrap();
    }
    session.encoder.drain().unwrap();
    let packets = session.packets();
    let captions = |packet: &EncodedPacket| sei::captions_in(Codec::H264, &packet.data);
    let found: Vec<_> = packets.iter().map(captions).collect();
    assert_eq!(found, [vec![], vec![], vec![0xfc, 1, 2]]);
}

#[test]
fn times_that_do_not_rise_are_an_error() {
    let over = over();
    let mut session = Session::open(&over, &h264(|_| {}));
    session.send(5).unwrap();
    let error = session.send(5).unwrap_err().to_string();
    assert!(error.contains("5 does not come after 5"), "{error}");
}
