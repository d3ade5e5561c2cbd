//! The rules of [`Decoder`]s. Each function is one rule, and panics where it is broken.

use super::DecoderCase;
use super::drive::{self, Event, Recorder, Shown, copy, outputs, returning, submit};
use crate::{
    Codec, CodedPacket, DecodedFrame, Decoder, DecoderConfig, EncoderConfig, Error, Geometry,
    Opened, PixelFormat, Ratio,
};
use std::sync::Arc;
use std::time::Duration;
use vtremote_bitstream::{ParameterSets, annexb};

/// A codec or format that the capabilities lack is [`Error::Unsupported`].
pub fn what_is_not_listed_is_refused(case: &DecoderCase) {
    let listed = &case.backend.capabilities().decoders;
    for codec in [Codec::H264, Codec::H265] {
        for format in PixelFormat::ALL {
            let mut known = listed.iter().filter(|support| support.codec == codec);
            if known.any(|support| support.formats.contains(&format)) {
                continue;
            }
            let config = DecoderConfig { codec, format, ..config(case, Vec::new()) };
            let opened = case.backend.open_decoder(&config, Recorder::<Shown>::new());
            assert!(matches!(opened, Err(Error::Unsupported(_))), "{codec:?} to {format:?}");
        }
    }
}

/// A size that no codec has is an error, before memory is taken for it.
pub fn an_impossible_size_is_refused(case: &DecoderCase) {
    for (width, height) in [(u32::MAX, u32::MAX), (u32::MAX, 16), (16, u32::MAX)] {
        let config = DecoderConfig { width, height, ..config(case, Vec::new()) };
        let opened = case.backend.open_decoder(&config, Recorder::<Shown>::new());
        assert!(opened.is_err(), "{width}x{height}");
    }
}

/// Each pts comes back once, with its own packet's duration.
pub fn every_packet_becomes_one_frame(case: &DecoderCase) {
    for b_frames in [0, 2] {
        let stream = Stream::new(case, b_frames, 20);
        let expected: Vec<_> = stream.times().collect();
        let mut times: Vec<_> = decode(case, stream.record, stream.packets)
            .into_iter()
            .map(|frame| (frame.pts, frame.duration))
            .collect();
        times.sort_unstable();
        assert_eq!(times, expected, "{b_frames} B-frames");
    }
}

/// A session that is drained at once says so and gives nothing.
pub fn no_packets_are_no_frames(case: &DecoderCase) {
    assert_eq!(decode(case, Stream::new(case, 0, 1).record, Vec::new()), []);
}

/// Frames come by pts, though packets come by dts.
pub fn frames_come_in_presentation_order(case: &DecoderCase) {
    let stream = Stream::new(case, 2, 20);
    let shown = decode(case, stream.record, stream.packets);
    assert!(shown.windows(2).all(|pair| pair[0].pts < pair[1].pts));
}

/// Frames are what [`Opened::format`] and the stream say; there are no parameter sets to tell.
pub fn frames_have_the_size_and_format_that_were_opened(case: &DecoderCase) {
    let stream = Stream::new(case, 0, 3);
    let config = config(case, stream.record.clone());
    let opened = case.backend.open_decoder(&config, Recorder::<Shown>::new()).unwrap();
    assert_eq!(opened.parameter_sets, []);
    let format = opened.format;
    drop(opened.codec);
    let shapes = format.planes(config.width, config.height);
    for frame in decode(case, stream.record, stream.packets) {
        let Geometry { width, height, .. } = frame.geometry;
        assert_eq!((width, height), (config.width, config.height));
        assert_eq!(frame.geometry.format, format);
        let lengths = frame.planes.iter().map(Vec::len);
        assert!(lengths.eq(shapes.iter().map(|shape| shape.row_bytes * shape.rows)));
    }
}

/// Extradata is a record, a record in its box, or Annex B; without any, the sets come in-band.
pub fn parameter_sets_are_taken_in_every_form(case: &DecoderCase) {
    let Stream { record, packets, .. } = Stream::new(case, 0, 4);
    let expected = decode(case, record.clone(), packets.clone());
    assert_eq!(decode(case, Vec::new(), packets.clone()), expected, "in-band only");
    let bare = Stream::with(case, 4, |config| config.global_header = true).packets;
    let (sets, _) = ParameterSets::from_record(case.codec, &record).unwrap();
    let mut boxed = u32::try_from(record.len() + 8).unwrap().to_be_bytes().to_vec();
    boxed.extend_from_slice(match case.codec {
        Codec::H264 => b"avcC",
        Codec::H265 => b"hvcC",
    });
    boxed.extend_from_slice(&record);
    let mut start_codes = Vec::new();
    for nal in sets.iter() {
        start_codes.extend_from_slice(&[0, 0, 0, 1]);
        start_codes.extend_from_slice(nal);
    }
    for (name, extradata) in [("bare", record), ("boxed", boxed), ("Annex B", start_codes)] {
        assert_eq!(decode(case, extradata, bare.clone()), expected, "{name}");
    }
}

/// Clients send start codes of three bytes too, and zeros behind NAL units.
pub fn start_codes_of_three_bytes_are_as_good(case: &DecoderCase) {
    let Stream { record, packets, .. } = Stream::new(case, 0, 4);
    let expected = decode(case, record.clone(), packets.clone());
    let short = packets.into_iter().map(|packet| {
        let nals = annexb::nal_units(&packet.data);
        let data = nals.flat_map(|nal| [&[0, 0, 1], nal, &[0, 0]].concat()).collect();
        CodedPacket { data, ..packet }
    });
    assert_eq!(decode(case, record, short.collect()), expected);
}

/// Memory is bounded: while the receiver keeps its frames, packets are given back in time, and
/// taken again once it lets go of some. The others stay as they are.
pub fn frames_that_are_held_give_packets_back(case: &DecoderCase) {
    let stream = Stream::new(case, 0, 20);
    let sink = Recorder::<DecodedFrame>::new();
    let mut decoder = open(case, &config(case, stream.record.clone()), Arc::clone(&sink) as _);
    let mut packets = stream.repeated();
    let mut refused = loop {
        let packet =
            packets.next().expect("a packet is refused, where frames without end are held");
        let call = move || (decoder.submit(packet, Duration::from_millis(20)), decoder);
        let (answer, back) = returning("submit()", call);
        decoder = back;
        if let Some(refused) = answer.unwrap() {
            break refused;
        }
    };
    sink.wait_for_outputs(1);
    let mut held: Vec<DecodedFrame> = sink.take().into_iter().filter_map(Event::output).collect();
    let kept = held.split_off(held.len() / 2 + 1);
    let before: Vec<_> = kept.iter().map(|frame| copy(&frame.picture)).collect();
    drop(held);
    for packet in packets.take(3) {
        refused = (0..1000)
            .try_fold(refused, |packet, _| {
                drop(sink.take());
                decoder.submit(packet, Duration::from_millis(50)).unwrap().ok_or(())
            })
            .map_or_else(|()| packet, |_| panic!("no packet is taken though frames were let go"));
    }
    assert!(kept.iter().map(|frame| copy(&frame.picture)).eq(before));
    returning("drop", move || drop(decoder));
}

/// What cannot be decoded is told, and what comes after the next keyframe is decoded.
pub fn a_corrupt_packet_is_a_warning(case: &DecoderCase) {
    let Stream { record, mut packets, .. } = Stream::with(case, 10, |config| config.gop = Some(5));
    let times: Vec<_> = packets.iter().map(|packet| packet.pts).collect();
    let pts = packets[4].pts.map(|pts| pts + 1);
    let data = [0x5a; 40].to_vec();
    let junk = CodedPacket { pts, dts: pts, keyframe: false, data, ..packets[4].clone() };
    packets.insert(5, junk);
    let sink = Recorder::<Shown>::new();
    let mut decoder = open(case, &config(case, record), Arc::clone(&sink) as _);
    packets.into_iter().for_each(|packet| submit(&mut *decoder, packet));
    decoder.drain().unwrap();
    sink.wait_for_drained();
    drop(decoder);
    let events = sink.take();
    assert!(events.iter().any(|event| matches!(event, Event::Warning(_))), "no warning");
    let shown: Vec<_> = outputs(&events).map(|frame| frame.pts).collect();
    assert!(times.iter().all(|pts| shown.contains(pts)), "{times:?} became {shown:?}");
}

/// With [`DecoderConfig::max_delay`], and a stream that is not reordered, frames come although no more
/// packets do: where nothing may be held back, one for each packet.
pub fn packets_held_back_are_no_more_than_allowed(case: &DecoderCase) {
    for most in [0, 3] {
        let stream = Stream::new(case, 0, 12);
        let config = DecoderConfig { max_delay: Some(most), ..config(case, stream.record) };
        let sink = Recorder::<Shown>::new();
        let mut decoder = open(case, &config, Arc::clone(&sink) as _);
        for (sent, packet) in (1..).zip(stream.packets) {
            submit(&mut *decoder, packet);
            sink.wait_for_outputs(usize::saturating_sub(sent, most as usize));
        }
    }
}

/// The last thing that reaches the sink is drained, once, after every frame.
pub fn nothing_follows_drained(case: &DecoderCase) {
    let stream = Stream::new(case, 2, 9);
    let sink = Recorder::<Shown>::new();
    let mut decoder = open(case, &config(case, stream.record), Arc::clone(&sink) as _);
    stream.packets.into_iter().for_each(|packet| submit(&mut *decoder, packet));
    decoder.drain().unwrap();
    sink.wait_for_drained();
    drop(decoder);
    assert_eq!(sink.into_outputs().len(), 9);
}

/// Dropping a decoder ends its threads, also while it waits for frames that are held; those stay
/// good.
pub fn dropping_in_the_middle_joins_and_is_silent(case: &DecoderCase) {
    for count in [0, 1, 9] {
        let stream = Stream::new(case, 2, 9);
        let sink = Recorder::<DecodedFrame>::new();
        let mut decoder = open(case, &config(case, stream.record), Arc::clone(&sink) as _);
        for packet in stream.packets.into_iter().take(count) {
            let refused = decoder.submit(packet, Duration::from_millis(20)).unwrap();
            if refused.is_some() {
                break;
            }
        }
        returning("drop", move || drop(decoder));
        assert_eq!(Arc::strong_count(&sink), 1, "somebody still has the sink");
        let events = sink.take();
        assert!(outputs(&events).count() <= count);
        outputs(&events).for_each(|frame| assert!(!copy(&frame.picture).is_empty()));
    }
}

/// Two sessions of one configuration give the same frames for the same packets.
pub fn the_same_packets_give_the_same_frames(case: &DecoderCase) {
    let Stream { record, packets } = Stream::new(case, 2, 20);
    let frames = decode(case, record.clone(), packets.clone());
    assert_eq!(decode(case, record, packets), frames);
}

/// A coded stream.
struct Stream {
    record: Vec<u8>,
    packets: Vec<CodedPacket>,
}

impl Stream {
    fn new(case: &DecoderCase, b_frames: u32, count: i64) -> Self {
        Stream::with(case, count, |config| config.b_frames = b_frames)
    }

    /// Frames two ticks apart, with durations of 2 and 3.
    fn with(case: &DecoderCase, count: i64, adjust: impl Fn(&mut EncoderConfig)) -> Self {
        let mut config = case.source.config();
        adjust(&mut config);
        let mut session = drive::Session::open(&case.source, &config);
        let record = session.parameter_sets.clone();
        for (seed, mut frame) in drive::frames(count).into_iter().enumerate() {
            (frame.pts, frame.duration) = (2 * frame.pts, 2 + frame.pts % 2);
            session.send(seed as u64, frame);
        }
        let coded = session.finish().into_iter().map(|packet| CodedPacket {
            pts: Some(packet.pts),
            dts: Some(packet.dts),
            duration: packet.duration,
            keyframe: packet.keyframe,
            data: packet.data,
            side_data: Vec::new(),
        });
        Stream { record, packets: coded.collect() }
    }

    /// (pts, duration), in order.
    fn times(&self) -> impl Iterator<Item = (Option<i64>, i64)> + use<> {
        let count = self.packets.len() as i64;
        (0..count).map(|number| (Some(2 * number), 2 + number % 2))
    }

    /// The same over and over, a thousand packets or more, with times that go on.
    fn repeated(&self) -> impl Iterator<Item = CodedPacket> {
        let span = 2 * self.packets.len() as i64;
        (0..1 + 1000 / self.packets.len() as i64).flat_map(move |round| {
            self.packets.iter().cloned().map(move |mut packet| {
                packet.pts = packet.pts.map(|pts| pts + round * span);
                packet.dts = packet.dts.map(|dts| dts + round * span);
                packet
            })
        })
    }
}

fn config(case: &DecoderCase, extradata: Vec<u8>) -> DecoderConfig {
    let EncoderConfig { width, height, .. } = case.source.config();
    DecoderConfig {
        codec: case.codec,
        width,
        height,
        format: case.format,
        time_base: Ratio { num: 1, den: 30 },
        extradata,
        max_delay: None,
    }
}

fn open(
    case: &DecoderCase,
    config: &DecoderConfig,
    sink: Arc<dyn crate::FrameSink>,
) -> Box<dyn Decoder> {
    let opened = case.backend.open_decoder(config, sink);
    let Opened { codec, .. } = opened.unwrap_or_else(|error| panic!("{config:?}: {error}"));
    codec
}

fn decode(case: &DecoderCase, extradata: Vec<u8>, packets: Vec<CodedPacket>) -> Vec<Shown> {
    let sink = Recorder::<Shown>::new();
    let mut decoder = open(case, &config(case, extradata), Arc::clone(&sink) as _);
    packets.into_iter().for_each(|packet| submit(&mut *decoder, packet));
    decoder.drain().unwrap_or_else(|error| panic!("{error}"));
    sink.wait_for_drained();
    drop(decoder);
    sink.into_outputs()
}
