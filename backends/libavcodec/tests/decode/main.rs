//! What comes out of a decoder is what libavcodec gives, picture by picture.

mod order;
mod plain;
mod sink;

use plain::{Shown, Source, Stream, encode};
use sink::{Listener, PATIENCE, Told, config, decode_with, open, submit};
use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;
use vtremote_backend::{
    Backend, Codec, CodedPacket, Color, DecodedFrame, DecoderConfig, Error, Fields, FrameSink,
    Geometry, PixelFormat, Ratio, SideData,
};
use vtremote_backend_libavcodec::{Libavcodec, Settings};
use vtremote_bitstream::ParameterSets;
use vtremote_bitstream::sei::{self, Sei};
use vtremote_tests::pcm;

fn backend(threads: usize) -> Libavcodec {
    let settings = Settings { threads: NonZero::new(threads), ..Settings::default() };
    Libavcodec::new(settings).expect("libx264 and libx265 are needed for these tests")
}

fn decode(stream: &Stream) -> Told {
    decode_with(&backend(1), &config(stream), stream)
}

/// The frames of a stream in which nothing is wrong.
fn frames(threads: usize, config: &DecoderConfig, stream: &Stream) -> Vec<Shown> {
    let told = decode_with(&backend(threads), config, stream);
    assert_eq!((told.failed, told.warnings), (vec![], Vec::<String>::new()));
    told.frames
}

/// Frames of a pyramid, in groups of 8.
const PYRAMID: &[(&str, &str)] =
    &[("bf", "3"), ("b_strategy", "0"), ("b-pyramid", "normal"), ("g", "8")];
const X265_PYRAMID: &[(&str, &str)] = &[(
    "x265-params",
    "log-level=error:bframes=4:b-pyramid=1:b-adapt=0:keyint=8:open-gop=0:pools=1",
)];

/// Reordered streams of all that is decoded.
fn kinds() -> [Source<'static>; 4] {
    [
        Source { options: PYRAMID, ..Source::default() },
        Source { layout: "yuv420p10le", options: PYRAMID, ..Source::default() },
        Source { encoder: "libx265", options: X265_PYRAMID, ..Source::default() },
        Source {
            encoder: "libx265",
            layout: "yuv420p10le",
            options: X265_PYRAMID,
            ..Source::default()
        },
    ]
}

#[test]
fn pictures_and_times_are_libavcodecs_own() {
    for source in kinds() {
        for size in [(64, 48), (426, 240), (34, 18), (16, 16)] {
            // A size that libx265 takes.
            let size = if source.encoder == "libx265" && size.1 < 32 { (70, 34) } else { size };
            let frames_wanted = if size.0 > 100 { 6 } else { 21 };
            let stream = encode(&Source { size, frames: frames_wanted, ..source });
            let expected = plain::decode(&stream);
            assert_eq!(expected.len() as i64, frames_wanted);
            assert!(expected.windows(2).all(|pair| pair[0].pts < pair[1].pts));
            for (threads, max_delay) in [(1, None), (4, None), (4, Some(7)), (4, Some(0))] {
                let config = DecoderConfig { max_delay, ..config(&stream) };
                let found = frames(threads, &config, &stream);
                let what = (source.encoder, source.layout, size, threads, max_delay);
                assert_eq!(found, expected, "{what:?}");
            }
        }
    }
}

#[test]
fn large_pictures_are_decoded() {
    for (encoder, layout, size) in [
        ("libx265", "yuv420p10le", (854, 480)),
        ("libx264", "yuv420p", (1918, 1078)),
        ("libx264", "yuv420p", (4096, 2304)),
    ] {
        let stream = encode(&Source { encoder, layout, size, frames: 1, ..Source::default() });
        let found = frames(2, &config(&stream), &stream);
        assert!(found == plain::decode(&stream), "{size:?}");
    }
}

#[test]
fn a_container_may_cut_h264_where_the_stream_does_not() {
    // 48 rows are whole macroblocks, 40 is what the container says.
    let stream = encode(&Source::default());
    let cut = DecoderConfig { width: 64, height: 40, ..config(&stream) };
    let shown = frames(1, &cut, &stream);
    assert!(shown.iter().all(|frame| frame.size == (64, 40)));
    // A guess that is off by more is none.
    let guess = DecoderConfig { width: 64, height: 30, ..config(&stream) };
    assert_eq!(frames(1, &guess, &stream), plain::decode(&stream));
}

#[test]
fn pictures_without_colour_have_grey_chroma() {
    for (encoder, layout) in [("libx264", "gray"), ("libx265", "gray"), ("libx265", "gray10le")] {
        let stream = encode(&Source { encoder, layout, ..Source::default() });
        let found = frames(1, &config(&stream), &stream);
        assert_eq!(found, plain::decode(&stream), "{encoder} {layout}");
        let grey: &[u8] = if layout == "gray" { &[128, 128] } else { &[0, 128] };
        assert!(found.iter().all(|frame| frame.planes[1].chunks(2).all(|pair| pair == grey)));
    }
}

#[test]
fn what_nobody_asked_for_is_refused_by_name() {
    let decoded = "4:2:0 with 8 or 10 bits is decoded here, and 4:2:2 with as many and 4:4:4 with 8 for \
                   clients that ask for it";
    for (encoder, layout, at_open, later) in [
        ("libx264", "yuv422p", "H.264 in 4:2:2 with 8 bits", "H.264 in p210le"),
        ("libx264", "yuv444p", "H.264 in 4:4:4 with 8 bits", "H.264 in ayuv"),
        ("libx265", "yuv422p10le", "H.265 in 4:2:2 with 10 bits", "H.265 in p210le"),
        ("libx265", "yuv420p12le", "H.265 in 4:2:0 with 12 bits", "H.265 in yuv420p12le"),
    ] {
        let source = Source { encoder, layout, ..Source::default() };
        let with_header = encode(&Source { options: &[("flags", "+global_header")], ..source });
        let sink = Arc::new(Listener::default());
        let opened = backend(1).open_decoder(&config(&with_header), sink);
        let Err(Error::Unsupported(what)) = opened else { panic!("{layout} was opened") };
        assert_eq!(what, format!("{at_open}; {decoded}"));

        let told = decode(&encode(&source));
        let [Error::Unsupported(what)] = &told.failed[..] else { panic!("{:?}", told.failed) };
        assert_eq!(*what, format!("{later}; {decoded}"));
        assert_eq!((told.frames.len(), told.drained), (0, 0));
    }
}

#[test]
fn the_sps_and_not_the_wish_says_the_format() {
    let source = Source { options: &[("flags", "+global_header")], ..Source::default() };
    for (encoder, layout, format) in [
        ("libx264", "yuv420p", PixelFormat::Nv12),
        ("libx264", "yuv420p10le", PixelFormat::P010),
        ("libx265", "yuv420p", PixelFormat::Nv12),
        ("libx265", "yuv420p10le", PixelFormat::P010),
    ] {
        let stream = encode(&Source { encoder, layout, ..source });
        for wish in [PixelFormat::Nv12, PixelFormat::P010] {
            let open = |extradata: &[u8]| {
                let extradata = extradata.to_vec();
                let config = DecoderConfig { format: wish, extradata, ..config(&stream) };
                backend(1).open_decoder(&config, Arc::new(Listener::default())).unwrap().format
            };
            assert_eq!(open(&stream.extradata), format);
            assert_eq!(open(&[]), wish, "nothing else is known");
        }
        assert_eq!(frames(1, &config(&stream), &stream), plain::decode(&stream));
    }
}

#[test]
fn geometry_is_what_the_stream_says() {
    let x264 = [
        ("x264-params", "sar=4/3:range=tv:chromaloc=2"),
        ("color_primaries", "bt2020"),
        ("color_trc", "smpte2084"),
        ("colorspace", "bt2020nc"),
    ];
    let told = decode(&encode(&Source { options: &x264, frames: 2, ..Source::default() }));
    let full = Geometry {
        sample_aspect_ratio: Some(Ratio { num: 4, den: 3 }),
        color: Color {
            full_range: Some(false),
            matrix: Some(9),
            primaries: Some(9),
            transfer: Some(16),
            // x264's numbers are one less than FFmpeg's.
            chroma_location: Some(3),
        },
        ..Geometry::new(64, 48, PixelFormat::Nv12)
    };
    assert_eq!(told.geometry, [full; 2]);

    let told = decode(&encode(&Source { layout: "yuvj420p", frames: 1, ..Source::default() }));
    assert_eq!(told.geometry[0].color.full_range, Some(true));
    let told = decode(&encode(&Source { encoder: "libx265", frames: 1, ..Source::default() }));
    let Color { matrix, primaries, transfer, .. } = told.geometry[0].color;
    assert_eq!((matrix, primaries, transfer), (None, None, None));
    assert_eq!(told.geometry[0].sample_aspect_ratio, None);
}

#[test]
fn interlaced_pictures_say_which_field_is_first() {
    for (top_first, fields) in [(true, Fields::TopFirst), (false, Fields::BottomFirst)] {
        let options = &[("flags", "+ildct+ilme")];
        let stream = encode(&Source { options, top_first, ..Source::default() });
        let told = decode(&stream);
        assert_eq!(told.frames, plain::decode(&stream));
        assert!(told.geometry.iter().all(|geometry| geometry.fields == fields), "{fields:?}");
    }
}

#[test]
fn captions_come_with_their_pictures() {
    let captions = |at: i64| Some(vec![0xfc, 0x80 + at as u8, 0x41]).filter(|_| at % 3 != 1);
    let stream = encode(&Source { options: PYRAMID, captions, ..Source::default() });
    let told = decode(&stream);
    let expected = (0..12).map(|at| {
        captions(at).map(|data| SideData { kind: 1, data }).into_iter().collect::<Vec<_>>()
    });
    assert_eq!(told.side_data, expected.collect::<Vec<_>>());
}

#[test]
fn metadata_of_hdr_comes_with_every_picture() {
    // BT.2020, 1000 to 0.0001 candela per square metre; 1000 and 400.
    let points = [8_500_u16, 39_850, 6_550, 2_300, 35_400, 14_600, 15_635, 16_450];
    let mut display = points.map(u16::to_be_bytes).concat();
    display.extend([10_000_000_u32, 1].map(u32::to_be_bytes).concat());
    let display: [u8; 24] = display.try_into().unwrap();
    let light = [3, 0xe8, 1, 0x90];
    let source =
        Source { encoder: "libx265", layout: "yuv420p10le", size: (70, 34), ..Source::default() };
    let mut stream = encode(&source);
    for packet in stream.packets.iter_mut().filter(|packet| packet.keyframe) {
        let messages = [Sei::mastering_display(display), Sei::content_light(light)];
        let mut data = Vec::new();
        sei::insert(Codec::H265, &packet.data, &messages, &mut data).unwrap();
        packet.data = data;
    }
    let told = decode(&stream);
    assert_eq!((told.failed, told.side_data.len()), (vec![], 12));
    for mut records in told.side_data {
        records.sort_by_key(|record| record.kind);
        let kinds = [SideData::MASTERING_DISPLAY, SideData::CONTENT_LIGHT];
        let data = [display.to_vec(), light.to_vec()];
        let expected: Vec<_> =
            kinds.into_iter().zip(data).map(|(kind, data)| SideData { kind, data }).collect();
        assert_eq!(records, expected);
    }
}

/// A packet's records of these numbers are a replay gain, skipped samples, a subtitle's place and a
/// mastering display; 11 and 14 are HDR's among the kinds of frames.
#[test]
fn side_data_of_packets_is_not_taken_for_that_of_pictures() {
    let mut stream = encode(&Source::default());
    for packet in &mut stream.packets {
        let record = |kind, len| SideData { kind, data: vec![9; len] };
        packet.side_data = vec![record(7, 3), record(11, 24), record(14, 4), record(20, 88)];
    }
    let told = decode(&stream);
    assert_eq!((told.failed, told.warnings), (vec![], Vec::<String>::new()));
    assert_eq!(told.side_data, vec![Vec::new(); 12]);
}

#[test]
fn packets_with_dts_only_are_shown_by_it() {
    let mut stream = encode(&Source { options: PYRAMID, ..Source::default() });
    stream.packets.iter_mut().for_each(|packet| packet.pts = None);
    let found = frames(1, &config(&stream), &stream);
    assert_eq!(found, plain::decode(&stream));
    stream.packets.iter_mut().for_each(|packet| packet.dts = None);
    let found = frames(1, &config(&stream), &stream);
    assert_eq!(found.len(), 12);
    assert!(found.iter().all(|frame| frame.pts.is_none()));
}

/// Each picture in a packet of its own.
fn by_hand(pictures: &[pcm::Picture]) -> Stream {
    let packets = pcm::packets(pictures).into_iter().zip(pictures).enumerate();
    let packets = packets.map(|(at, (data, picture))| CodedPacket {
        pts: Some(picture.pts),
        dts: None,
        duration: 1,
        keyframe: at == 0,
        data,
        side_data: Vec::new(),
    });
    Stream { codec: Codec::H264, extradata: Vec::new(), packets: packets.collect() }
}

/// Two fields of a frame.
fn fields(pts: i64, level: u8, bottom_first: bool) -> [pcm::Picture; 2] {
    [bottom_first, !bottom_first].map(|bottom| pcm::Picture {
        pts,
        level: level + u8::from(bottom),
        reference: true,
        bottom_field: Some(bottom),
    })
}

#[test]
fn two_packets_of_a_field_each_become_one_picture() {
    let pictures: Vec<_> = (0..6).flat_map(|at| fields(at, 30 + 10 * at as u8, false)).collect();
    let mut stream = by_hand(&pictures);
    // As a demuxer does that knows no more of the second field.
    stream.packets.iter_mut().skip(1).step_by(2).for_each(|packet| packet.pts = None);
    let told = decode(&stream);
    assert_eq!((told.failed, told.warnings), (vec![], Vec::<String>::new()));
    assert!(told.geometry.iter().all(|geometry| geometry.fields == Fields::TopFirst));
    for (frame, at) in told.frames.iter().zip(0..) {
        assert_eq!(frame.pts, Some(at));
        let level = 30 + 10 * at as u8;
        for (row, y) in frame.planes[0].chunks(pcm::SIZE.0 as usize).zip(0..) {
            assert!(row.iter().all(|sample| *sample == level + y % 2), "row {y} of picture {at}");
        }
    }
    assert_eq!(told.frames.len(), 6);
}

/// A pyramid in decoding order.
fn silent_pyramid() -> Stream {
    let picture = |pts: i64, reference| pcm::Picture {
        pts,
        level: 20 + pts as u8,
        reference,
        bottom_field: None,
    };
    let group = |at: i64| {
        [(8, true), (4, true), (2, true), (1, false), (3, false), (6, true), (5, false), (7, false)]
            .map(|(pts, reference)| picture(at + pts, reference))
    };
    let pictures: Vec<_> =
        [picture(0, true)].into_iter().chain((0..4).flat_map(|at| group(8 * at))).collect();
    by_hand(&pictures)
}

#[test]
fn no_picture_is_lost_where_the_stream_does_not_say_how_far_it_reorders() {
    let stream = silent_pyramid();
    // What libavcodec does by itself: it finds out, and throws away what comes too late.
    assert!(plain::decode(&stream).len() < 33);
    for threads in [1, 4] {
        let found = frames(threads, &config(&stream), &stream);
        let levels: Vec<_> = found.iter().map(|frame| (frame.pts, frame.planes[0][0])).collect();
        let expected = (0..33).map(|pts| (Some(pts), 20 + pts as u8));
        assert_eq!(levels, expected.collect::<Vec<_>>(), "{threads} threads");
    }
}

#[test]
fn where_nothing_may_be_held_back_there_is_no_delay_but_the_reordering() {
    // B-frames between references, none of which is a reference: one picture of reordering.
    let x264 = [("bf", "2"), ("b_strategy", "0"), ("b-pyramid", "none")];
    let x265 = [("x265-params", "log-level=error:bframes=2:b-pyramid=0:b-adapt=0:pools=1")];
    for (encoder, options) in [("libx264", &x264[..]), ("libx265", &x265[..])] {
        let stream = encode(&Source { encoder, options, ..Source::default() });
        let sink = Arc::new(Listener::default());
        let config = DecoderConfig { max_delay: Some(0), ..config(&stream) };
        let mut decoder = open(&backend(4), &config, &sink);
        for (sent, packet) in (1..).zip(&stream.packets) {
            submit(&mut *decoder, packet);
            // libx265 says two where one would do.
            let reordering = if encoder == "libx265" { 2 } else { 1 };
            drop(sink.wait(|told| told.frames.len() + reordering >= sent));
        }
    }
}

#[test]
fn where_seven_packets_may_be_held_back_no_threads_and_no_rules_hold_more() {
    let encoded = kinds().map(|source| encode(&Source { frames: 24, ..source }));
    // The last does not say that it reorders by three pictures, and its level allows for sixteen.
    for stream in encoded.into_iter().chain([silent_pyramid()]) {
        let sets = ParameterSets::in_access_unit(stream.codec, &stream.packets[0].data);
        let extradata = sets.to_annexb();
        let sink = Arc::new(Listener::default());
        let config = DecoderConfig { max_delay: Some(7), extradata, ..config(&stream) };
        let mut decoder = open(&backend(16), &config, &sink);
        // What comes too late while the reordering is being found out is not shown.
        let lost = stream.packets.len() - plain::decode(&stream).len();
        for (sent, packet) in (1..).zip(&stream.packets) {
            submit(&mut *decoder, packet);
            drop(sink.wait(|told| told.frames.len() + lost + 7 >= sent));
        }
    }
}

#[test]
fn a_seek_back_loses_no_picture_of_either_part() {
    for source in kinds() {
        for threads in [1, 4] {
            let stream = encode(&Source { frames: 24, ..source });
            // 19 packets, and again from the second group on.
            let mut seeking = stream.clone();
            let keyframes = (0..24).filter(|at| stream.packets[*at].keyframe);
            let second = keyframes.clone().nth(1).unwrap();
            let cut = 19.max(second + 1);
            let back = stream.packets[second..].to_vec();
            seeking.packets.truncate(cut);
            let mut expected = plain::decode(&seeking);
            let part = Stream { packets: back.clone(), ..stream.clone() };
            expected.extend(plain::decode(&part));
            seeking.packets.extend(back);
            let found = frames(threads, &config(&stream), &seeking);
            assert_eq!(found, expected, "{} {}", source.encoder, source.layout);
            assert_eq!(found.len(), cut + 24 - second);
        }
    }
}

#[test]
fn size_and_depth_may_change_midway() {
    let part =
        |encoder, layout, size| encode(&Source { encoder, layout, size, ..Source::default() });
    for parts in [
        [("libx264", "yuv420p", (64, 48)), ("libx264", "yuv420p", (96, 80))],
        [("libx264", "yuv420p", (64, 48)), ("libx264", "yuv420p10le", (64, 48))],
        [("libx265", "yuv420p", (96, 80)), ("libx265", "yuv420p10le", (64, 48))],
    ] {
        let [first, second] = parts.map(|(encoder, layout, size)| part(encoder, layout, size));
        let mut both = first.clone();
        both.packets.extend(second.packets.iter().cloned().map(|packet| CodedPacket {
            pts: packet.pts.map(|pts| pts + 100),
            dts: packet.dts.map(|dts| dts + 100),
            ..packet
        }));
        let expected = plain::decode(&both);
        assert_eq!(expected.len(), 24);
        assert_ne!(
            (expected[11].size, expected[11].format),
            (expected[12].size, expected[12].format)
        );
        for threads in [1, 4] {
            assert_eq!(frames(threads, &config(&both), &both), expected, "{parts:?}");
        }
    }
}

#[test]
fn packets_without_a_picture_are_nothing_wrong() {
    for source in [Source::default(), Source { encoder: "libx265", ..Source::default() }] {
        let stream = encode(&Source { options: &[("flags", "+global_header")], ..source });
        let expected = plain::decode(&stream);
        let blank = CodedPacket {
            pts: None,
            dts: None,
            duration: 0,
            keyframe: false,
            data: Vec::new(),
            side_data: Vec::new(),
        };
        let mut scattered = Stream { extradata: Vec::new(), ..stream.clone() };
        scattered.packets.insert(5, blank.clone());
        scattered
            .packets
            .insert(0, CodedPacket { data: stream.extradata.clone(), ..blank.clone() });
        scattered.packets.insert(0, blank.clone());
        scattered.packets.push(CodedPacket { data: stream.extradata.clone(), ..blank.clone() });
        for threads in [1, 4] {
            assert_eq!(frames(threads, &config(&scattered), &scattered), expected);
        }

        // The same as side data, which is of any form.
        let mut announced = Stream { extradata: Vec::new(), ..stream.clone() };
        let data = stream.extradata.clone();
        announced.packets[0].side_data.push(SideData { kind: 1, data });
        assert_eq!(frames(1, &config(&announced), &announced), expected);
    }
}

/// Numbers that are the same every time.
fn numbers(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed;
    move |below| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    }
}

#[test]
fn damaged_streams_are_shown_as_libavcodec_shows_them() {
    for source in kinds() {
        for seed in 0..4 {
            let mut next = numbers(seed);
            let mut stream = encode(&Source { size: (96, 64), frames: 32, ..source });
            for packet in &mut stream.packets[1..] {
                let len = packet.data.len();
                match next(8) {
                    0 => packet.data.truncate(len / 2),
                    1 if !packet.keyframe => {
                        for _ in 0..3 {
                            packet.data[8 + next(len - 8)] ^= 1 << next(8);
                        }
                    }
                    _ => {}
                }
            }
            // A hole, before the last group.
            stream.packets.drain(10..12);
            let expected = plain::decode(&stream);
            let told = decode(&stream);
            assert_eq!((told.failed, told.drained), (vec![], 1));
            assert_eq!(told.frames, expected, "{} {} {seed}", source.encoder, source.layout);
            assert!(!told.warnings.is_empty());
            // On several threads libavcodec conceals less, but shows as many.
            let told = decode_with(&backend(4), &config(&stream), &stream);
            assert_eq!((told.failed, told.drained), (vec![], 1));
            let times = |frames: &[Shown]| -> Vec<_> {
                frames.iter().map(|frame| (frame.pts, frame.duration)).collect()
            };
            assert_eq!(times(&told.frames), times(&expected));
        }
    }
}

#[test]
fn a_warning_names_the_packet_and_says_what_libavcodec_said() {
    let mut stream = encode(&Source { frames: 9, ..Source::default() });
    let data = &mut stream.packets[4].data;
    data.truncate(30);
    let told = decode(&stream);
    let [warning] = &told.warnings[..] else { panic!("{:?}", told.warnings) };
    let expected = "h264: packet 4 (pts 8): Invalid level prefix, and 1 more line";
    assert_eq!(warning, expected);
    // What is no packet at all, a hundred times.
    let junk = CodedPacket { data: vec![0x5a; 20], ..stream.packets[5].clone() };
    stream = encode(&Source { frames: 9, ..Source::default() });
    stream.packets.splice(6..6, std::iter::repeat_n(junk, 100));
    let told = decode(&stream);
    let [first, rest] = &told.warnings[..] else { panic!("{:?}", told.warnings) };
    assert!(first.starts_with("h264: packet 6 (pts 10): "), "{first}");
    assert!(first.contains("No start code is found."), "{first}");
    assert!(first.ends_with("(Invalid data found when processing input)"), "{first}");
    assert!(rest.starts_with("h264: the same of 99 more packets: "), "{rest}");
    assert_eq!(told.frames.len(), 9);
    // With frame threads it is one of a few packets.
    let told = decode_with(&backend(3), &config(&stream), &stream);
    let first = &told.warnings[0];
    assert!(first.contains(" or one of the 2 before it: No start code is found."), "{first}");
}

#[test]
fn a_size_that_only_an_attacker_wants_takes_no_memory() {
    let picture = |pts| pcm::Picture { pts, level: 9, reference: true, bottom_field: None };
    let mut stream = by_hand(&[picture(0), picture(1)]);
    let end = pcm::sps(pcm::SIZE, false).len();
    stream.packets[0].data.splice(..end, pcm::sps((12_288, 12_288), false));
    let told = decode(&stream);
    assert_eq!((told.failed, told.frames), (vec![], vec![]));
    assert!(told.warnings[0].contains("image parameters invalid"), "{:?}", told.warnings);
}

#[test]
fn a_sink_that_keeps_its_pictures_is_given_few() {
    let stream = encode(&Source { frames: 60, ..Source::default() });
    let sink = Arc::new(Listener::holding());
    let mut decoder = open(&backend(2), &config(&stream), &sink);
    let mut packets = stream.packets.iter();
    let refused = packets.find(|packet| {
        decoder.submit((*packet).clone(), Duration::from_millis(100)).unwrap().is_some()
    });
    let refused = refused.expect("a packet is given back");
    assert_eq!(sink.wait(|told| told.frames.len() == 6).held.len(), 6);
    // It goes on where they are let go of, and no packet was lost by it.
    let mut rest: Vec<_> = [refused].into_iter().chain(packets).cloned().collect();
    rest.reverse();
    while let Some(packet) = rest.pop() {
        sink.told().held.clear();
        rest.extend(decoder.submit(packet, Duration::from_millis(20)).unwrap());
    }
    decoder.drain().unwrap();
    while sink.told().drained == 0 {
        sink.told().held.clear();
        std::thread::yield_now();
    }
    let found = std::mem::take(&mut sink.told().frames);
    assert_eq!(found, plain::decode(&stream));
}

#[test]
fn nothing_is_taken_after_the_end() {
    let stream = encode(&Source { frames: 2, ..Source::default() });
    let sink = Arc::new(Listener::default());
    let mut decoder = open(&backend(1), &config(&stream), &sink);
    submit(&mut *decoder, &stream.packets[0]);
    decoder.drain().unwrap();
    let late = decoder.submit(stream.packets[1].clone(), PATIENCE);
    assert!(matches!(late, Err(Error::Internal(_))));
    assert!(matches!(decoder.drain(), Err(Error::Internal(_))));
    assert_eq!(sink.wait(|told| told.drained > 0).frames.len(), 1);
}

/// A sink with a defect.
#[derive(Default)]
struct Panics(Listener);

impl FrameSink for Panics {
    fn frame(&self, _: DecodedFrame) {
        panic!("a defect of the sink");
    }
    fn warning(&self, message: String) {
        self.0.warning(message);
    }
    fn drained(&self) {
        self.0.drained();
    }
    fn failed(&self, error: Error) {
        self.0.failed(error);
    }
}

#[test]
fn a_panic_in_the_codecs_thread_is_a_failure_told_once() {
    let stream = encode(&Source { frames: 2, ..Source::default() });
    let sink = Arc::new(Panics::default());
    let config = DecoderConfig { max_delay: Some(0), ..config(&stream) };
    let mut decoder = backend(1).open_decoder(&config, sink.clone()).unwrap().codec;
    submit(&mut *decoder, &stream.packets[0]);
    let failed = sink.0.wait(|_| false).failed.clone();
    let [Error::Internal(what)] = &failed[..] else { panic!("{failed:?}") };
    assert!(what.contains("a defect of the sink"), "{what}");
    let after = decoder.submit(stream.packets[1].clone(), PATIENCE);
    assert_eq!(after.unwrap_err(), failed[0]);
    assert_eq!(decoder.drain().unwrap_err(), failed[0]);
    drop(decoder);
    let told = sink.0.told();
    assert_eq!((told.drained, told.failed.len()), (0, 1));
}
