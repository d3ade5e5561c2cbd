//! The rules of [`Encoder`](crate::Encoder)s. Each function is one rule, and panics where it is
//! broken.

use super::drive::{Session, encode, frames, outputs, paint, paint_rows, returning};
use super::{EncoderCase, PATIENCE};
use crate::{Codec, EncodedPacket, EncoderConfig, Error, FrameInfo, PixelFormat, Ratio};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use vtremote_bitstream::{ParameterSets, SetKind, is_keyframe};

/// B-frames that are asked for: none, and some.
const B_FRAMES: [u32; 2] = [0, 2];

/// Codecs and their formats stand in the capabilities once, the case's own among them.
pub fn a_backend_lists_what_it_has_once(case: &EncoderCase) {
    let capabilities = case.backend.capabilities();
    assert!(!case.backend.name().is_empty());
    for list in [&capabilities.encoders, &capabilities.decoders] {
        for (at, support) in list.iter().enumerate() {
            assert!(list[..at].iter().all(|other| other.codec != support.codec), "{support:?}");
            assert!(!support.implementation.is_empty(), "{support:?}");
            assert!(!support.formats.is_empty(), "{support:?}");
            let different: BTreeSet<_> = support.formats.iter().map(|f| *f as u8).collect();
            assert_eq!(different.len(), support.formats.len(), "{support:?}");
        }
    }
    let own = capabilities.encoders.iter().find(|support| support.codec == case.codec);
    assert!(own.expect("the case's codec is listed").formats.contains(&case.format));
}

/// A codec or format that the capabilities lack is [`Error::Unsupported`].
pub fn what_is_not_listed_is_refused(case: &EncoderCase) {
    let listed = &case.backend.capabilities().encoders;
    for codec in [Codec::H264, Codec::H265] {
        for format in PixelFormat::ALL {
            let mut known = listed.iter().filter(|support| support.codec == codec);
            if known.any(|support| support.formats.contains(&format)) {
                continue;
            }
            let opened = Session::try_open(case, &EncoderConfig { codec, format, ..case.config() });
            assert!(matches!(opened, Err(Error::Unsupported(_))), "{codec:?} from {format:?}");
        }
    }
}

/// A size that no codec has is an error, before memory is taken for it.
pub fn an_impossible_size_is_refused(case: &EncoderCase) {
    for (width, height) in [(u32::MAX, u32::MAX), (u32::MAX, 16), (16, u32::MAX), (0, 16)] {
        let config = EncoderConfig { width, height, ..case.config() };
        assert!(Session::try_open(case, &config).is_err(), "{width}x{height}");
    }
}

/// [`crate::Opened::parameter_sets`] is an avcC or hvcC without box header, complete, and fits into
/// CONFIGURE_ACK.
pub fn parameter_sets_are_a_bare_record(case: &EncoderCase) {
    for global_header in [false, true] {
        let session = Session::open(case, &EncoderConfig { global_header, ..case.config() });
        let record = &session.parameter_sets;
        assert!(record.len() <= usize::from(u16::MAX));
        assert_ne!(record.get(4..8), Some(&b"avcC"[..]));
        assert_ne!(record.get(4..8), Some(&b"hvcC"[..]));
        let (sets, _) = ParameterSets::from_record(case.codec, record).expect("a record");
        for kind in SetKind::ALL {
            let needed = kind != SetKind::SpsExtension && kind.unit_type(case.codec).is_some();
            assert!(!needed || sets.of(kind).next().is_some(), "no {kind}");
        }
        session.finish();
    }
}

/// Each plane of a picture has the rows and row bytes that the format gives it.
pub fn pictures_have_the_planes_of_their_format(case: &EncoderCase) {
    let config = case.config();
    let mut session = Session::open(case, &config);
    let picture = session.picture();
    let shapes = case.format.planes(config.width, config.height);
    assert_eq!(picture.plane_count(), shapes.len());
    for (index, expected) in shapes.iter().enumerate() {
        let (shape, stride) = picture.plane(index).expect("a plane that was counted");
        assert_eq!(shape, *expected);
        assert!(stride >= shape.row_bytes);
    }
}

/// Rows that several threads write at the same time give the packets that one thread's rows give.
pub fn several_threads_write_one_picture(case: &EncoderCase) {
    let config = case.config();
    let expected = encode(case, &config, &frames(3));
    let mut session = Session::open(case, &config);
    for (seed, frame) in frames(3).into_iter().enumerate() {
        let picture = session.picture();
        std::thread::scope(|scope| {
            for plane in 0..picture.plane_count() {
                let rows = picture.plane(plane).expect("a plane that was counted").0.rows;
                for part in [0..rows / 3, rows / 3..rows] {
                    let lent = picture.lend(plane, part).expect("rows that nobody else has");
                    scope.spawn(move || paint_rows(lent, case.format, seed as u64, plane));
                }
            }
        });
        session.encoder.submit(picture, frame).unwrap();
    }
    assert_eq!(session.finish(), expected);
}

/// Pictures are bounded: a caller that keeps them gets `None`, and another once one is given back.
pub fn a_caller_with_all_the_pictures_gets_none_in_time(case: &EncoderCase) {
    let mut encoder = Session::open(case, &case.config()).encoder;
    let mut pictures = Vec::new();
    loop {
        let wait = Duration::from_millis(5);
        let call = move || (encoder.picture(wait), encoder);
        let (picture, back) = returning("picture()", call);
        encoder = back;
        match picture.unwrap() {
            Some(picture) => pictures.push(picture),
            None => break,
        }
        assert!(pictures.len() < 1000, "pictures without end");
    }
    assert!(!pictures.is_empty());
    pictures.pop();
    assert!(encoder.picture(PATIENCE).unwrap().is_some());
}

/// A picture whose rows somebody may still write to is not submitted; the session goes on.
pub fn lent_rows_are_not_submitted(case: &EncoderCase) {
    let mut session = Session::open(case, &case.config());
    let picture = session.picture();
    let rows = picture.lend(0, 0..1).unwrap();
    let submitted = session.encoder.submit(picture, FrameInfo::default());
    assert!(matches!(submitted, Err(Error::Internal(_))));
    drop(rows);
    session.send(0, FrameInfo::default());
    assert_eq!(session.finish().len(), 1);
}

/// A picture is submitted where it came from and nowhere else; both sessions go on.
pub fn pictures_of_another_encoder_are_refused(case: &EncoderCase) {
    let mut one = Session::open(case, &case.config());
    let mut other = Session::open(case, &case.config());
    let picture = one.picture();
    paint(&picture, case.format, 0);
    let submitted = other.encoder.submit(picture, FrameInfo::default());
    assert!(matches!(submitted, Err(Error::Internal(_))));
    for mut session in [one, other] {
        session.send(0, FrameInfo::default());
        assert_eq!(session.finish().len(), 1);
    }
}

/// Each pts comes back once, with B-frames and without.
pub fn every_frame_becomes_one_packet(case: &EncoderCase) {
    for b_frames in B_FRAMES {
        let config = EncoderConfig { b_frames, ..case.config() };
        let mut times: Vec<i64> =
            encode(case, &config, &frames(25)).iter().map(|p| p.pts).collect();
        times.sort_unstable();
        assert_eq!(times, (0..25).collect::<Vec<_>>(), "{b_frames} B-frames");
    }
}

/// A session that is drained at once says so and gives nothing.
pub fn no_frames_are_no_packets(case: &EncoderCase) {
    assert_eq!(encode(case, &case.config(), &[]), []);
}

/// A single frame comes out, whatever delay there would be.
pub fn one_frame_is_one_packet(case: &EncoderCase) {
    for b_frames in B_FRAMES {
        let config = EncoderConfig { b_frames, ..case.config() };
        assert_eq!(encode(case, &config, &frames(1)).len(), 1);
    }
}

/// A packet has its own frame's duration, 0 included.
pub fn durations_come_back_with_their_frames(case: &EncoderCase) {
    for b_frames in B_FRAMES {
        let config = EncoderConfig { b_frames, ..case.config() };
        let mut frames = frames(12);
        frames.iter_mut().for_each(|frame| frame.duration = frame.pts % 4);
        for packet in encode(case, &config, &frames) {
            assert_eq!(packet.duration, packet.pts % 4, "of pts {}", packet.pts);
        }
    }
}

/// In every timebase, at constant and variable frame rates, from negative times on.
pub fn dts_rises_and_never_passes_pts(case: &EncoderCase) {
    let bases: [(u32, u32, i64, &[i64]); 5] = [
        (1, 30, 0, &[1]),
        (1, 90_000, -9_000, &[3_000, 3_003]),
        (1001, 30_000, 5, &[1]),
        (1, 1_000, 0, &[33, 34, 33, 500, 1]),
        (1, 1_000_000, 1 << 40, &[40_000]),
    ];
    for (num, den, start, steps) in bases {
        for b_frames in B_FRAMES {
            let time_base = Ratio { num, den };
            let config = EncoderConfig { time_base, b_frames, ..case.config() };
            let steps = steps.iter().cycle().take(19);
            let mut pts = start;
            let timed = steps.map(|&duration| {
                let frame = FrameInfo { pts, duration, ..FrameInfo::default() };
                pts += duration;
                frame
            });
            let packets = encode(case, &config, &timed.collect::<Vec<_>>());
            assert_eq!(packets.len(), 19);
            let times: Vec<_> = packets.iter().map(|packet| (packet.dts, packet.pts)).collect();
            let what = format!("{num}/{den}, {b_frames} B-frames: {times:?}");
            assert!(times.windows(2).all(|pair| pair[0].0 < pair[1].0), "dts rises, {what}");
            assert!(times.iter().all(|(dts, pts)| dts <= pts), "dts up to pts, {what}");
        }
    }
}

/// Decoding starts with the first packet, and that is the first frame.
pub fn the_first_packet_is_a_keyframe(case: &EncoderCase) {
    for b_frames in B_FRAMES {
        let packets = encode(case, &EncoderConfig { b_frames, ..case.config() }, &frames(5));
        assert!(packets[0].keyframe);
        assert_eq!(packets[0].pts, 0);
    }
}

/// A frame with [`FrameInfo::keyframe`] becomes an IDR picture.
pub fn forced_keyframes_are_keyframes(case: &EncoderCase) {
    for b_frames in B_FRAMES {
        let config = EncoderConfig { b_frames, ..case.config() };
        let mut frames = frames(16);
        let forced = [3, 4, 11];
        forced.iter().for_each(|at| frames[*at].keyframe = true);
        let packets: BTreeMap<i64, EncodedPacket> =
            encode(case, &config, &frames).into_iter().map(|packet| (packet.pts, packet)).collect();
        for at in forced {
            let packet = &packets[&(at as i64)];
            assert!(packet.keyframe, "frame {at} with {b_frames} B-frames");
            let idr: &[u8] = match case.codec {
                Codec::H264 => &[5],
                Codec::H265 => &[19, 20],
            };
            let mut types = nal_types(case.codec, &packet.data);
            assert!(types.any(|unit_type| idr.contains(&unit_type)), "frame {at} is no IDR");
        }
    }
}

/// [`EncodedPacket::keyframe`] is what the NAL units are.
pub fn keyframe_flags_agree_with_the_bitstream(case: &EncoderCase) {
    for b_frames in B_FRAMES {
        let config = EncoderConfig { b_frames, gop: Some(6), ..case.config() };
        for packet in encode(case, &config, &frames(20)) {
            assert_eq!(packet.keyframe, is_keyframe(case.codec, &packet.data), "{}", packet.pts);
        }
    }
}

/// [`EncoderConfig::gop`] is kept, or a warning names it.
pub fn keyframes_are_no_further_apart_than_asked(case: &EncoderCase) {
    for b_frames in B_FRAMES {
        let config = EncoderConfig { b_frames, gop: Some(5), ..case.config() };
        let mut session = Session::open(case, &config);
        if session.warnings.iter().any(|warning| warning.contains("gop")) {
            continue;
        }
        for (seed, frame) in frames(23).into_iter().enumerate() {
            session.send(seed as u64, frame);
        }
        let packets = session.finish();
        let mut keys: Vec<i64> = packets.iter().filter(|p| p.keyframe).map(|p| p.pts).collect();
        keys.sort_unstable();
        keys.push(23);
        assert!(keys.windows(2).all(|pair| pair[1] - pair[0] <= 5), "{keys:?}");
    }
}

/// Without a global header every keyframe, and nothing else, begins with the sets of the record.
pub fn in_band_parameter_sets_stand_before_every_keyframe(case: &EncoderCase) {
    let mut session = Session::open(case, &EncoderConfig { gop: Some(4), ..case.config() });
    let (record, _) = ParameterSets::from_record(case.codec, &session.parameter_sets).unwrap();
    let mut frames = frames(11);
    frames[6].keyframe = true;
    for (seed, frame) in frames.into_iter().enumerate() {
        session.send(seed as u64, frame);
    }
    for packet in session.finish() {
        let sets = ParameterSets::in_access_unit(case.codec, &packet.data);
        let as_expected =
            if packet.keyframe { sets.iter().eq(record.iter()) } else { sets.is_empty() };
        assert!(as_expected, "pts {}: sets unlike the record's", packet.pts);
    }
}

/// With a global header there are no parameter sets in any packet.
pub fn a_global_header_keeps_parameter_sets_out_of_the_packets(case: &EncoderCase) {
    let config = EncoderConfig { global_header: true, gop: Some(4), ..case.config() };
    for packet in encode(case, &config, &frames(11)) {
        assert!(ParameterSets::in_access_unit(case.codec, &packet.data).is_empty());
    }
}

/// Every packet begins with a start code, and each of them is `00 00 00 01`.
pub fn start_codes_have_four_bytes(case: &EncoderCase) {
    for packet in encode(case, &case.config(), &frames(6)) {
        assert_eq!(packet.data.get(..4), Some(&[0, 0, 0, 1][..]));
        let short = packet.data.windows(4).position(|four| four[0] != 0 && four[1..] == [0, 0, 1]);
        assert_eq!(short, None, "a short start code");
    }
}

/// With [`EncoderConfig::max_delay`] packets come although no more frames do: a client whose window
/// is larger than the delay never waits for ever.
pub fn frames_held_back_are_no_more_than_allowed(case: &EncoderCase) {
    const MOST: usize = 7;
    for b_frames in [0, 1, 3, 16] {
        let config = EncoderConfig { b_frames, max_delay: Some(MOST as u32), ..case.config() };
        let mut session = Session::open(case, &config);
        for (number, frame) in frames(30).into_iter().enumerate() {
            session.send(number as u64, frame);
            session.sink.wait_for_outputs((number + 1).saturating_sub(MOST));
        }
        assert_eq!(session.finish().len(), 30);
    }
}

/// The last thing that reaches the sink is drained, once, after every packet.
pub fn nothing_follows_drained(case: &EncoderCase) {
    for b_frames in B_FRAMES {
        let mut session = Session::open(case, &EncoderConfig { b_frames, ..case.config() });
        for (seed, frame) in frames(9).into_iter().enumerate() {
            session.send(seed as u64, frame);
        }
        // It looks at what came only once the encoder was dropped and has joined its threads.
        assert_eq!(session.finish().len(), 9);
    }
}

/// Dropping an encoder ends its threads; pictures and rows that are still out stay good.
pub fn dropping_in_the_middle_joins_and_is_silent(case: &EncoderCase) {
    for (count, drain) in [(0, false), (1, false), (9, false), (9, true)] {
        let mut session = Session::open(case, &EncoderConfig { b_frames: 2, ..case.config() });
        for (seed, frame) in frames(count).into_iter().enumerate() {
            session.send(seed as u64, frame);
        }
        let picture = session.picture();
        if drain {
            session.encoder.drain().unwrap();
        }
        let Session { encoder, sink, .. } = session;
        returning("drop", move || drop(encoder));
        assert_eq!(Arc::strong_count(&sink), 1, "somebody still has the sink");
        assert!(outputs(&sink.take()).count() <= count as usize);
        paint(&picture, case.format, 1);
    }
}

/// Odd sizes work, with chroma rounded up, or are [`Error::Unsupported`].
pub fn odd_sizes_are_encoded_or_refused(case: &EncoderCase) {
    for (width, height) in [(161, 96), (160, 97), (161, 97)] {
        let config = EncoderConfig { width, height, ..case.config() };
        let mut session = match Session::try_open(case, &config) {
            Err(Error::Unsupported(_)) => continue,
            opened => opened.unwrap_or_else(|error| panic!("{width}x{height}: {error}")),
        };
        let picture = session.picture();
        for (index, expected) in case.format.planes(width, height).into_iter().enumerate() {
            assert_eq!(picture.plane(index).map(|(shape, _)| shape), Some(expected));
        }
        drop(picture);
        for (seed, frame) in frames(3).into_iter().enumerate() {
            session.send(seed as u64, frame);
        }
        assert_eq!(session.finish().len(), 3);
    }
}

/// Two sessions of one configuration give the same packets for the same frames.
pub fn the_same_frames_give_the_same_packets(case: &EncoderCase) {
    for b_frames in B_FRAMES {
        let config = EncoderConfig { b_frames, ..case.config() };
        let [mut first, mut second] = [(); 2].map(|()| encode(case, &config, &frames(20)));
        if !case.repeatable {
            first.iter_mut().chain(&mut second).for_each(|packet| packet.data.clear());
        }
        assert!(first == second, "{b_frames} B-frames");
    }
}

/// Two sessions at the same time give what each gives alone.
pub fn sessions_do_not_mix(case: &EncoderCase) {
    let config = case.config();
    let expected = encode(case, &config, &frames(10));
    let mut one = Session::open(case, &config);
    let mut other = Session::open(case, &EncoderConfig { gop: Some(3), ..config });
    for (seed, frame) in frames(10).into_iter().enumerate() {
        one.send(seed as u64, frame.clone());
        other.send(seed as u64 + 1, frame);
    }
    assert_eq!(one.finish(), expected);
    assert_eq!(other.finish().len(), 10);
}

fn nal_types(codec: Codec, data: &[u8]) -> impl Iterator<Item = u8> {
    vtremote_bitstream::annexb::nal_units(data).filter_map(move |nal| codec.nal_unit_type(nal))
}
