//! What VideoToolbox decodes is what libavcodec decodes, in the same order, with the same times and side
//! data; and what goes wrong is told.

mod bare_sps;
mod faults;
mod streams;

use std::sync::Arc;
use streams::{Stream, config, decode, decoder_config, encode, encode_with, expected};
use vtremote_apple_double::{Callbacks, Machine, Outcome, Script};
use vtremote_apple_tests::OverDouble;
use vtremote_backend::{
    Backend, Codec, CodedPacket, Color, DecoderConfig, EncoderConfig, Error, Fields, PixelFormat,
    Ratio, SideData,
};
use vtremote_backend_videotoolbox::Patience;
use vtremote_bitstream::{ParameterSets, annexb};

const KINDS: [(Codec, PixelFormat); 3] = [
    (Codec::H264, PixelFormat::Nv12),
    (Codec::H265, PixelFormat::Nv12),
    (Codec::H265, PixelFormat::P010),
];

fn silicon() -> OverDouble {
    OverDouble::new(Machine::apple_silicon())
}

/// The frames of a stream in which nothing is wrong.
fn frames(backend: &OverDouble, stream: &Stream) -> Vec<streams::Shown> {
    let told = decode(backend, &decoder_config(stream), stream);
    assert_eq!((told.failed, told.warnings), (None, Vec::new()));
    told.frames
}

#[test]
fn pictures_and_times_are_those_of_libavcodec() {
    for (codec, format) in KINDS {
        for (width, height) in [(160, 96), (166, 98), (70, 34)] {
            for global_header in [false, true] {
                let config =
                    EncoderConfig { width, height, global_header, ..config(codec, format) };
                let stream = encode(&config, 25);
                let expected = expected(&stream);
                assert_eq!(expected.len(), 25);
                for rows in [16, 64, 256] {
                    let backend = OverDouble::new(Machine::apple_silicon().rows(rows));
                    let found = frames(&backend, &stream);
                    assert_eq!(found[0].geometry, expected[0].geometry);
                    assert!(found == expected, "{codec} {width}x{height} in rows of {rows}");
                }
            }
        }
    }
}

/// What nobody gets who does not ask for it.
const WHOLE: [PixelFormat; 3] = [PixelFormat::P210, PixelFormat::Ayuv, PixelFormat::Bgra];

/// What comes of a stream for a client that wishes for this format: of libavcodec, and over the double.
fn wishing(backend: &OverDouble, stream: &Stream, wish: PixelFormat) -> [streams::Told; 2] {
    let config = DecoderConfig { format: wish, ..decoder_config(stream) };
    [&*streams::LIBAVCODEC as &dyn Backend, backend].map(|backend| decode(backend, &config, stream))
}

#[test]
fn whole_colour_is_that_of_libavcodec_for_who_asks_for_it() {
    for format in WHOLE {
        let sizes =
            if format == PixelFormat::P210 { [(160, 96), (70, 35)] } else { [(160, 96), (71, 35)] };
        for ((width, height), full_range) in sizes.into_iter().zip([None, Some(true)]) {
            let plain = config(Codec::H265, format);
            let color = Color { full_range, ..plain.color };
            let config = EncoderConfig { width, height, color, ..plain };
            let stream = encode(&config, 12);
            for rows in [16, 64, 256] {
                let backend = OverDouble::new(Machine::apple_silicon().rows(rows));
                let [expected, found] = wishing(&backend, &stream, format);
                assert_eq!((found.failed, found.warnings), (None, Vec::new()));
                assert_eq!(found.frames[0].geometry, expected.frames[0].geometry);
                assert_eq!((expected.frames.len(), found.frames[0].geometry.format), (12, format));
                assert!(found.frames == expected.frames, "{format:?} in rows of {rows}");
            }
        }
        // A record says so before the first picture; who asks for something else is refused.
        let stream =
            encode(&EncoderConfig { global_header: true, ..config(Codec::H265, format) }, 1);
        let backend = silicon();
        for wish in PixelFormat::ALL {
            let config = DecoderConfig { format: wish, ..decoder_config(&stream) };
            let opened = backend.open_decoder(&config, Arc::new(streams::Listener::default()));
            match opened.map(|opened| opened.format) {
                Ok(told) => assert_eq!((told, wish), (format, format)),
                Err(error) => {
                    assert!(matches!(error, Error::Unsupported(_)) && wish != format, "{error}");
                }
            }
        }
    }
}

#[test]
fn four_two_two_of_h264_has_eight_bits_or_ten() {
    use vtremote_tests::pcm::{Picture, SIZE, Samples, packets_of};
    let picture = |pts: i64| {
        let level = 30 + 20 * pts as u8;
        Picture { pts, level, reference: true, bottom_field: None }
    };
    let pictures: Vec<Picture> = (0..5).map(picture).collect();
    for (samples, shift) in [(Samples::Tall(8), 8), (Samples::Tall(10), 6)] {
        let packets = packets_of(samples, &pictures).into_iter().zip(0..);
        let packets = packets.map(|(data, pts)| CodedPacket {
            pts: Some(pts),
            dts: None,
            duration: 1,
            keyframe: pts == 0,
            data,
            side_data: Vec::new(),
        });
        let packets = packets.collect();
        let stream = Stream { codec: Codec::H264, extradata: Vec::new(), packets };
        let [expected, found] = wishing(&silicon(), &stream, PixelFormat::P210);
        assert_eq!((found.failed, found.warnings), (None, Vec::new()));
        let high = |sample: u32| ((sample << shift) as u16).to_le_bytes();
        for (frame, picture) in found.frames.iter().zip(&pictures) {
            let luma = high(samples.luma(picture)).repeat((SIZE.0 * SIZE.1) as usize);
            let pair = |row| [high(samples.chroma(0, row)), high(samples.chroma(1, row))].concat();
            let chroma = (0..SIZE.1).flat_map(|row| pair(row).repeat(SIZE.0 as usize / 2));
            assert_eq!(frame.geometry.format, PixelFormat::P210);
            assert!(frame.planes == [luma, chroma.collect::<Vec<u8>>()], "{samples:?}");
        }
        assert_eq!(found.frames.len(), 5);
        // libavcodec's backend widens nothing.
        assert!(samples == Samples::Tall(8) || found.frames == expected.frames);
    }
}

#[test]
fn a_stream_may_change_to_what_was_asked_for_and_to_nothing_else() {
    let part = |format| encode(&config(Codec::H265, format), 9);
    let changing = part(PixelFormat::Nv12).then(part(PixelFormat::P210));
    let changing = changing.then(part(PixelFormat::P010)).then(part(PixelFormat::P210));
    let [expected, found] = wishing(&silicon(), &changing, PixelFormat::P210);
    assert_eq!((found.failed, found.warnings), (None, Vec::new()));
    assert_eq!(found.frames.len(), 36);
    assert!(found.frames == expected.frames);
    // Who asked for another gets what came before, and is told; here with the second keyframe of the change.
    for wish in [PixelFormat::Nv12, PixelFormat::Ayuv] {
        let [_, found] = wishing(&silicon(), &changing, wish);
        let Some(Error::Unsupported(what)) = found.failed else { panic!("{:?}", found.failed) };
        assert!(what.starts_with("H.265 in 4:2:2 with 10 bits; "), "{what}");
        assert!(found.frames == expected.frames[..9], "{}", found.frames.len());
    }
}

/// Parameter sets of 1280x720 from encoders, of kinds that nobody encodes here.
const H264_HIGH_10: &[u8] =
    b"\0\0\0\x01\x67\x6e\x00\x1f\xa6\xcb\x40\x28\x02\xdd\x80\x88\x00\x00\x03\x00\x08\x00\x00\x03\x01\xe0\x78\xc1\x95\
      \0\0\0\x01\x68\xee\x0f\xc8";

const H264_HIGH_422: &[u8] =
    b"\0\0\0\x01\x67\x7a\x00\x1f\xbc\xb4\x02\x80\x2d\xd8\x08\x80\x00\x00\x03\x00\x80\x00\x00\x1e\x07\x8c\x19\x50\
      \0\0\0\x01\x68\xce\x0f\xc8";

/// What comes of opening a decoder with this extradata.
fn opened(backend: &OverDouble, codec: Codec, extradata: &[u8]) -> Result<PixelFormat, Error> {
    let stream = Stream { codec, extradata: extradata.to_vec(), packets: Vec::new() };
    let sink = Arc::new(streams::Listener::default());
    backend.open_decoder(&decoder_config(&stream), sink).map(|opened| opened.format)
}

#[test]
fn what_is_listed_is_what_there_is_a_decoder_for() {
    use PixelFormat::{Ayuv, Bgra, Nv12, P010, P210};
    for (machine, formats, of_h265) in [
        (Machine::apple_silicon(), &[Nv12, P010, P210][..], &[Nv12, P010, P210, Ayuv, Bgra][..]),
        (Machine::intel(), &[Nv12], &[Nv12, P010]),
        (Machine::software(), &[Nv12], &[Nv12, P010, P210]),
    ] {
        let backend = OverDouble::new(machine);
        let of = |codec| {
            let mut known = backend.capabilities().decoders.iter();
            known.find(|support| support.codec == codec).unwrap().formats.clone()
        };
        assert_eq!(of(Codec::H264), formats);
        assert_eq!(of(Codec::H265), of_h265);
        match opened(&backend, Codec::H264, H264_HIGH_10) {
            Ok(format) => assert_eq!((format, formats.len()), (PixelFormat::P010, 3)),
            Err(Error::Unsupported(what)) => {
                assert!(what.contains("kVTVideoDecoderUnsupportedDataFormatErr"), "{what}");
                assert_eq!(formats.len(), 1);
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn without_times_the_order_is_the_streams_own() {
    for (codec, format) in KINDS {
        let stream = encode(&config(codec, format), 30);
        let expected = expected(&stream);
        let found = frames(&silicon(), &stream.without_times());
        assert!(found.iter().all(|frame| frame.pts.is_none()));
        assert!(found.iter().map(|frame| &frame.planes).eq(expected.iter().map(|e| &e.planes)));
    }
}

#[test]
fn a_time_of_decoding_stands_in_for_one_of_showing() {
    let mut stream = encode(&config(Codec::H264, PixelFormat::Nv12), 20);
    let expected = expected(&stream);
    let times: Vec<_> = stream.packets.iter().map(|packet| packet.dts).collect();
    stream.packets.iter_mut().for_each(|packet| packet.pts = None);
    let found = frames(&silicon(), &stream);
    assert!(found.iter().map(|frame| frame.pts).eq(times));
    assert!(found.iter().map(|frame| &frame.planes).eq(expected.iter().map(|e| &e.planes)));
}

#[test]
fn answers_of_many_threads_and_out_of_turn_change_nothing() {
    let stream = encode(&config(Codec::H265, PixelFormat::Nv12), 25);
    let expected = expected(&stream);
    for callbacks in [Callbacks::Session, Callbacks::Fresh, Callbacks::Caller] {
        let backend = silicon();
        let late = Script::new().callbacks(callbacks);
        let late = late.decode(2, Outcome::Late(3)).decode(9, Outcome::Late(1));
        backend.double().script(late.decode(20, Outcome::Late(9)));
        assert!(frames(&backend, &stream) == expected, "{callbacks:?}");
    }
}

#[test]
fn a_stream_may_change_its_size_and_its_depth() {
    for codec in [Codec::H264, Codec::H265] {
        let first = encode(&config(codec, PixelFormat::Nv12), 11);
        let larger = EncoderConfig { width: 320, height: 192, ..config(codec, PixelFormat::Nv12) };
        let stream = first.clone().then(encode(&larger, 11));
        let stream = match codec {
            Codec::H264 => stream,
            Codec::H265 => stream.then(encode(&config(codec, PixelFormat::P010), 11)),
        };
        let stream = stream.then(first);
        let expected = expected(&stream);
        assert_eq!(expected.len(), if codec == Codec::H264 { 33 } else { 44 });
        assert!(frames(&silicon(), &stream) == expected, "{codec}");
    }
}

#[test]
fn what_only_the_container_cuts_is_cut() {
    for codec in [Codec::H264, Codec::H265] {
        let stream = encode(&config(codec, PixelFormat::Nv12), 9);
        let larger = EncoderConfig { width: 320, height: 192, ..config(codec, PixelFormat::Nv12) };
        let changing = stream.clone().then(encode(&larger, 9)).then(stream.clone());
        // Less than a macroblock of each side; more than that; more than there is.
        for (width, height) in [(149, 90), (160, 80), (170, 96)] {
            for stream in [&stream, &changing] {
                let config = DecoderConfig { width, height, ..decoder_config(stream) };
                let told = decode(&*streams::LIBAVCODEC, &config, stream);
                let found = decode(&silicon(), &config, stream);
                assert_eq!((&found.failed, &found.warnings), (&None, &Vec::new()));
                assert!(found.frames == told.frames, "{codec} {width}x{height}");
                let cut = codec == Codec::H264 && width == 149;
                let size = if cut { (149, 90) } else { (160, 96) };
                let first = found.frames[0].geometry;
                assert_eq!((first.width, first.height), size, "{codec}");
            }
        }
    }
}

#[test]
fn a_session_goes_on_with_parameter_sets_that_it_accepts() {
    for codec in [Codec::H264, Codec::H265] {
        let first = encode(&config(codec, PixelFormat::Nv12), 11);
        let other = EncoderConfig { max_ref_frames: Some(1), ..config(codec, PixelFormat::Nv12) };
        let sar = Some(Ratio { num: 4, den: 3 });
        let other = EncoderConfig { sample_aspect_ratio: sar, ..other };
        let stream = first.clone().then(encode(&other, 11)).then(first);
        let expected = expected(&stream);
        assert_eq!(expected.len(), 33);
        let backend = silicon();
        // A second session would not come about.
        backend.double().script(Script::new().fail("VTDecompressionSessionCreate", 2, -12913));
        assert!(frames(&backend, &stream) == expected, "{codec}");
        // If it accepts them not, there is another one, and nothing is lost.
        let accept = "VTDecompressionSessionCanAcceptFormatDescription";
        backend.double().script(Script::new().fail(accept, 1, 1).fail(accept, 2, 1));
        assert!(frames(&backend, &stream) == expected, "{codec}, not accepted");
    }
}

#[test]
fn new_extradata_beside_a_packet_counts_from_there() {
    for codec in [Codec::H264, Codec::H265] {
        let header = |width| EncoderConfig {
            width,
            global_header: true,
            ..config(codec, PixelFormat::Nv12)
        };
        let (first, mut second) = (encode(&header(160), 9), encode(&header(320), 9));
        let data = std::mem::take(&mut second.extradata);
        second.packets[0].side_data.push(SideData { kind: 1, data });
        let stream = first.then(second);
        assert!(frames(&silicon(), &stream) == expected(&stream), "{codec}");
    }
}

#[test]
fn pictures_are_described_by_the_parameter_set_that_they_refer_to() {
    let header = |width| EncoderConfig {
        width,
        global_header: true,
        ..config(Codec::H264, PixelFormat::Nv12)
    };
    let annexb =
        |record: &[u8]| ParameterSets::from_extradata(Codec::H264, record).unwrap().0.to_annexb();
    let (small, large) = (encode(&header(160), 9), encode(&header(320), 9));
    let (first, second) =
        (annexb(&small.extradata), bare_sps::with_sps_1(&annexb(&large.extradata)));
    // In-band, behind the others, which stay.
    let mut stream = small.then(large);
    stream.packets[0].data.splice(0..0, first);
    stream.packets[9].data.splice(0..0, second);
    stream.extradata.clear();
    let expected = expected(&stream);
    assert_eq!(expected.iter().map(|frame| frame.geometry.width).max(), Some(320));
    assert_eq!(expected.len(), 18);
    assert!(frames(&silicon(), &stream) == expected);
}

#[test]
fn one_number_is_extradata_beside_a_packet_and_captions_beside_a_frame() {
    assert_eq!(SideData::NEW_EXTRADATA, SideData::CAPTIONS);
    let captions = |number: i64| vec![0xfc, 1, number as u8];
    let record = |data| SideData { kind: SideData::CAPTIONS, data };
    for codec in [Codec::H264, Codec::H265] {
        let header = EncoderConfig { global_header: true, ..config(codec, PixelFormat::Nv12) };
        // Beside each frame, to the encoder; and the only parameter sets beside a packet.
        let mut stream = encode_with(&header, 9, |number| vec![record(captions(number))]);
        let extradata = std::mem::take(&mut stream.extradata);
        stream.packets[0].side_data.push(record(extradata.clone()));
        let mut swapped = encode(&header, 9);
        let packet = &mut swapped.packets[3];
        packet.side_data.push(record(captions(3)));
        let silicon = silicon();
        for backend in [&*streams::LIBAVCODEC as &dyn Backend, &silicon] {
            let told = decode(backend, &decoder_config(&stream), &stream);
            assert_eq!((told.failed, told.warnings.len(), told.frames.len()), (None, 0, 9));
            for (number, frame) in (0..).zip(&told.frames) {
                assert_eq!(frame.side_data, [record(captions(number))], "{codec}");
            }
            // Captions beside a packet are no captions, and no extradata.
            let told = decode(backend, &decoder_config(&swapped), &swapped);
            assert_eq!((told.failed, told.frames.len()), (None, 9));
            assert!(told.warnings.iter().any(|what| what.contains("extradata")), "{codec}");
            assert!(told.frames.iter().all(|frame| frame.side_data.is_empty()), "{codec}");
        }
        // Parameter sets beside a frame change nothing.
        let mut wrong = extradata;
        wrong.resize(wrong.len().next_multiple_of(3), 0);
        let with_sets = encode_with(&header, 9, |number| match number {
            4 => vec![record(wrong.clone())],
            _ => Vec::new(),
        });
        assert_eq!(with_sets.extradata, swapped.extradata);
        let told = decode(&silicon, &decoder_config(&with_sets), &with_sets);
        assert_eq!((told.failed, told.warnings.len(), told.frames.len()), (None, 0, 9));
    }
}

#[test]
fn geometry_is_what_the_stream_says() {
    for (codec, format) in KINDS {
        for full_range in [None, Some(false), Some(true)] {
            {
                let color = Color {
                    full_range,
                    matrix: Some(9),
                    primaries: Some(9),
                    transfer: Some(16),
                    chroma_location: Some(3),
                };
                let sample_aspect_ratio = Some(Ratio { num: 40, den: 33 });
                let config = EncoderConfig { color, sample_aspect_ratio, ..config(codec, format) };
                let stream = encode(&EncoderConfig { width: 158, ..config }, 2);
                let expected = expected(&stream);
                let found = frames(&silicon(), &stream);
                assert_eq!(found[0].geometry.color.primaries, Some(9));
                assert_eq!(found[0].geometry, expected[0].geometry, "{codec} {full_range:?}");
                assert!(found == expected);
            }
        }
    }
}

#[test]
fn captions_come_out_with_their_pictures() {
    let captions = |frame: i64| {
        let data = [0xfc, 0x80 + frame as u8, 0x2f].repeat(1 + frame as usize % 3);
        vec![SideData { kind: 1, data }]
    };
    for codec in [Codec::H264, Codec::H265] {
        let stream = encode_with(&config(codec, PixelFormat::Nv12), 15, captions);
        let found = frames(&silicon(), &stream);
        let side_data: Vec<_> = found.iter().map(|frame| frame.side_data.clone()).collect();
        assert_eq!(side_data, (0..15).map(captions).collect::<Vec<_>>(), "{codec}");
        assert!(found == expected(&stream));
    }
}

#[test]
fn the_metadata_of_hdr_comes_out_with_every_picture() {
    let mut display = [0; 24];
    for (at, byte) in display.iter_mut().enumerate() {
        *byte = if at % 2 == 0 { 0x12 } else { 3 * at as u8 };
    }
    let config = EncoderConfig {
        mastering_display: Some(display),
        content_light: Some([3, 0xe8, 1, 0x90]),
        ..config(Codec::H265, PixelFormat::P010)
    };
    let stream = encode(&config, 20);
    let found = frames(&silicon(), &stream);
    let kinds = |frame: &streams::Shown| frame.side_data.iter().map(|r| r.kind).collect::<Vec<_>>();
    let both = [SideData::MASTERING_DISPLAY, SideData::CONTENT_LIGHT];
    assert!(found.iter().all(|frame| kinds(frame) == both));
    assert_eq!(found[0].side_data[0].data, display);
    assert!(found == expected(&stream));
}

/// Frames of two fields, each in a packet of its own.
fn fields(bottom_first: bool) -> Stream {
    use vtremote_tests::pcm::{Picture, packets};
    let picture = |at: i64, bottom: bool| Picture {
        pts: at,
        level: 30 + 10 * at as u8 + u8::from(bottom),
        reference: true,
        bottom_field: Some(bottom),
    };
    let pictures: Vec<_> =
        (0..6).flat_map(|at| [picture(at, bottom_first), picture(at, !bottom_first)]).collect();
    let packets = packets(&pictures).into_iter().zip(&pictures).enumerate();
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

#[test]
fn two_fields_become_one_picture() {
    for (bottom_first, which) in [(false, Fields::TopFirst), (true, Fields::BottomFirst)] {
        let apart = fields(bottom_first);
        let mut together = apart.clone();
        together.packets = apart
            .packets
            .chunks(2)
            .map(|pair| {
                let data = [&pair[0].data[..], &pair[1].data[..]].concat();
                CodedPacket { data, ..pair[0].clone() }
            })
            .collect();
        let expected = expected(&apart);
        assert_eq!(expected.len(), 6);
        assert_eq!(expected[0].geometry.color.chroma_location, None, "nothing is said of it");
        for stream in [apart, together] {
            let found = frames(&silicon(), &stream);
            assert!(found.iter().all(|frame| frame.geometry.fields == which));
            assert!(found == expected, "{which:?}");
        }
    }
}

#[test]
fn a_field_without_a_partner_holds_nothing_up() {
    let mut stream = fields(false);
    stream.packets.remove(5);
    let told = decode(&silicon(), &decoder_config(&stream), &stream);
    assert_eq!((told.failed, told.drained), (None, true));
    // The double's decoder makes no picture of it.
    let pts: Vec<_> = told.frames.iter().map(|frame| frame.pts).collect();
    assert_eq!(pts, [0, 1, 3, 4, 5].map(Some));
    let [warning] = &told.warnings[..] else { panic!("{:?}", told.warnings) };
    assert!(warning.contains("packet 4 (pts 2)"), "{warning}");
}

#[test]
fn a_seek_back_shows_everything_again() {
    for (codec, format) in KINDS {
        let stream = encode(&config(codec, format), 13);
        let once = expected(&stream);
        let mut twice = stream.clone();
        twice.packets.extend(stream.packets);
        let found = frames(&silicon(), &twice);
        assert!(found.iter().eq(once.iter().chain(&once)), "{codec}");
    }
}

#[test]
fn a_stream_that_is_joined_midway_begins_with_what_can_be_decoded() {
    // The second keyframe begins a group that leads with pictures which refer to the one before.
    let stream = encode(&config(Codec::H265, PixelFormat::Nv12), 30);
    let sets: Vec<u8> = {
        let sets = ParameterSets::in_access_unit(Codec::H265, &stream.packets[0].data);
        sets.iter().flat_map(|nal| [&annexb::START_CODE, nal].concat()).collect()
    };
    let keys = stream.packets.iter().enumerate().filter(|(_, packet)| packet.keyframe);
    let second = keys.map(|(at, _)| at).nth(1).expect("a second keyframe");
    let mut joined = stream.clone();
    joined.packets.drain(..second);
    joined.extradata = sets;
    assert!(frames(&silicon(), &joined) == expected(&joined));
}

#[test]
fn parameter_sets_in_packets_of_their_own_count() {
    for codec in [Codec::H264, Codec::H265] {
        let header = EncoderConfig { global_header: true, ..config(codec, PixelFormat::Nv12) };
        let mut stream = encode(&header, 9);
        let (sets, _) = ParameterSets::from_extradata(codec, &stream.extradata).unwrap();
        stream.extradata = Vec::new();
        let first = CodedPacket { data: sets.to_annexb(), ..stream.packets[0].clone() };
        let expected = {
            let mut whole = stream.clone();
            whole.packets[0].data.splice(..0, sets.to_annexb());
            expected(&whole)
        };
        stream.packets.insert(0, first);
        assert!(frames(&silicon(), &stream) == expected, "{codec}");
    }
}

#[test]
fn what_was_not_asked_for_is_refused_by_name() {
    let text = "H.264 in 4:2:2 with 8 bits; 4:2:0 with 8 or 10 bits is decoded here, and 4:2:2 with 8 or \
                10 bits and 4:4:4 with 8 for clients that ask for it";
    let refused = opened(&silicon(), Codec::H264, H264_HIGH_422);
    assert_eq!(refused, Err(Error::Unsupported(text.into())));
    // In the stream it comes behind the pictures before it; at the end there is no more to wait for.
    let mut stream = encode(&config(Codec::H264, PixelFormat::Nv12), 9);
    let expected = expected(&stream);
    // An IDR picture's slice header, as far as it is read, and more.
    let slice = b"\0\0\0\x01\x65\xb8\x04\x0f\xff\xff\xff\xff";
    stream.packets.push(CodedPacket {
        pts: Some(40),
        dts: Some(40),
        data: [H264_HIGH_422, slice].concat(),
        ..stream.packets[0].clone()
    });
    let told = decode(&silicon(), &decoder_config(&stream), &stream);
    assert_eq!((told.failed, told.drained), (Some(Error::Unsupported(text.into())), false));
    assert!(told.frames == expected);
}

#[test]
fn a_client_with_a_small_window_gets_frames_without_more_packets() {
    for (codec, format) in KINDS {
        let stream = encode(&EncoderConfig { b_frames: 0, ..config(codec, format) }, 12);
        let backend = silicon();
        let sink = Arc::new(streams::Listener::default());
        let config = DecoderConfig { max_delay: Some(0), ..decoder_config(&stream) };
        let opened = backend.open_decoder(&config, Arc::clone(&sink) as _);
        let mut decoder = opened.unwrap().codec;
        for (count, packet) in (1..).zip(&stream.packets) {
            assert_eq!(decoder.submit(packet.clone(), streams::PATIENCE), Ok(None));
            drop(sink.wait(|told| told.frames.len() >= count));
        }
        drop(decoder);
    }
}
