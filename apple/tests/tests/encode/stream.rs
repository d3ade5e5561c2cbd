//! What the packets are.

use crate::session::{Session, assert_in_order, assert_whole, config, encode, h264, hevc};
use vtremote_apple_double::Machine;
use vtremote_apple_tests::OverDouble;
use vtremote_backend::{Codec, EncoderConfig, FrameInfo, PixelFormat, Ratio, SideData};
use vtremote_bitstream::{ParameterSets, SetKind, StreamFacts, sei};

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

#[test]
fn captions_that_are_no_triplets_are_an_error() {
    let over = over();
    let mut session = Session::open(&over, &h264(|_| {}));
    let side_data = vec![SideData { kind: 1, data: vec![1, 2] }];
    let frame = FrameInfo { pts: 7, side_data, ..FrameInfo::default() };
    let error = session.submit(frame).unwrap_err().to_string();
    assert!(error.contains("frame 7 has captions of 2 bytes"), "{error}");
}

#[test]
fn times_that_do_not_rise_are_an_error() {
    let over = over();
    let mut session = Session::open(&over, &h264(|_| {}));
    session.send(5).unwrap();
    let error = session.send(5).unwrap_err().to_string();
    assert!(error.contains("5 does not come after 5"), "{error}");
}
