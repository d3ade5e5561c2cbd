//! What the decoder shows.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use vtremote_backend::{
    Backend, Codec, CodedPacket, Color, DecodedFrame, DecoderConfig, Error, Fields, FrameSink,
    Geometry, PixelFormat, Ratio,
};
use vtremote_backend_synthetic::{Synthetic, expected_frame};

const PATIENCE: Duration = Duration::from_secs(60);

enum Event {
    Frame(Option<i64>, Vec<u8>, Geometry),
    Warning(String),
    Drained,
    Failed(Error),
}

struct Forward(Mutex<Sender<Event>>);

impl Forward {
    fn send(&self, event: Event) {
        let _ = self.0.lock().unwrap().send(event);
    }
}

impl FrameSink for Forward {
    fn frame(&self, frame: DecodedFrame) {
        let rows = frame.picture.planes().iter().flat_map(|plane| {
            let row_bytes = plane.shape().row_bytes;
            plane.bytes().chunks(plane.stride()).map(move |row| &row[..row_bytes])
        });
        self.send(Event::Frame(frame.pts, rows.flatten().copied().collect(), frame.geometry));
    }

    fn warning(&self, message: String) {
        self.send(Event::Warning(message));
    }

    fn drained(&self) {
        self.send(Event::Drained);
    }

    fn failed(&self, error: Error) {
        self.send(Event::Failed(error));
    }
}

fn config(codec: Codec, format: PixelFormat) -> DecoderConfig {
    DecoderConfig {
        codec,
        width: 35,
        height: 19,
        format,
        time_base: Ratio { num: 1, den: 1 },
        extradata: Vec::new(),
        max_delay: None,
    }
}

/// A slice that belongs to either codec: of type 1 to both.
fn packet(pts: i64) -> CodedPacket {
    let data = vec![0, 0, 0, 1, 0x01, 0x01, pts as u8, 0x80];
    CodedPacket {
        pts: Some(pts),
        dts: Some(pts),
        duration: 1,
        keyframe: pts == 0,
        data,
        side_data: Vec::new(),
    }
}

fn decode(script: &str, config: &DecoderConfig, packets: &[CodedPacket]) -> Vec<Event> {
    let (sender, events) = channel();
    let sink = Arc::new(Forward(Mutex::new(sender)));
    let backend = Synthetic::new(script.parse().unwrap());
    let mut decoder = backend.open_decoder(config, sink).unwrap().codec;
    for packet in packets {
        match decoder.submit(packet.clone(), PATIENCE) {
            Ok(refused) => assert_eq!(refused, None),
            Err(_) => break,
        }
    }
    let _ = decoder.drain();
    let ends = |event: &Event| matches!(event, Event::Drained | Event::Failed(_));
    let mut all: Vec<_> = Vec::new();
    while !all.last().is_some_and(ends) {
        all.push(events.recv_timeout(PATIENCE).expect("an end"));
    }
    all
}

fn times(events: &[Event]) -> Vec<i64> {
    let time = |event: &Event| match event {
        Event::Frame(pts, ..) => *pts,
        _ => None,
    };
    events.iter().filter_map(time).collect()
}

#[test]
fn frames_are_what_the_packets_say_in_every_format() {
    let formats = [PixelFormat::Nv12, PixelFormat::P010, PixelFormat::Bgra, PixelFormat::P210];
    for codec in [Codec::H264, Codec::H265] {
        for format in formats {
            let packets = [packet(0), packet(1), packet(2)];
            let events = decode("", &config(codec, format), &packets);
            for (event, packet) in events.iter().zip(&packets) {
                let Event::Frame(pts, pixels, _) = event else { panic!("no frame") };
                assert_eq!(*pts, packet.pts);
                let expected = expected_frame(codec, packet, format, 35, 19).unwrap();
                assert!(*pixels == expected, "{format:?} frame {pts:?}");
            }
            assert!(matches!(events[3], Event::Drained));
        }
    }
}

#[test]
fn with_hash_off_a_picture_is_painted_once_and_stays_as_it_is() {
    let config = config(Codec::H264, PixelFormat::Nv12);
    let packets: Vec<_> = (0..3).map(packet).collect();
    let first = expected_frame(Codec::H264, &packets[0], config.format, 35, 19).unwrap();
    let events = decode("hash=off,pictures=1", &config, &packets);
    for (event, packet) in events.iter().zip(&packets) {
        let Event::Frame(pts, pixels, _) = event else { panic!("no frame") };
        assert!(*pts == packet.pts && *pixels == first);
    }
    assert!(matches!(events[3], Event::Drained));
}

#[test]
fn pictures_change_midway_as_the_script_says_and_say_so() {
    let packets: Vec<_> = (0..4).map(packet).collect();
    let script = "resize=1:50x21,format=2:p010le,colors=3,pictures=1";
    let events = decode(script, &config(Codec::H264, PixelFormat::Nv12), &packets);
    let colored = Geometry {
        sample_aspect_ratio: Some(Ratio { num: 4, den: 3 }),
        fields: Fields::BottomFirst,
        color: Color {
            full_range: Some(true),
            matrix: Some(9),
            primaries: Some(9),
            transfer: Some(16),
            chroma_location: Some(3),
        },
        ..Geometry::new(50, 21, PixelFormat::P010)
    };
    let expected = [
        Geometry::new(35, 19, PixelFormat::Nv12),
        Geometry::new(50, 21, PixelFormat::Nv12),
        Geometry::new(50, 21, PixelFormat::P010),
        colored,
    ];
    for ((event, packet), expected) in events.iter().zip(&packets).zip(expected) {
        let Event::Frame(_, pixels, geometry) = event else { panic!("no frame") };
        assert_eq!(*geometry, expected);
        let Geometry { format, width, height, .. } = expected;
        let picture = expected_frame(Codec::H264, packet, format, width, height).unwrap();
        assert!(*pixels == picture, "{expected:?}");
    }
}

#[test]
fn a_packet_without_a_slice_is_a_warning_that_names_it() {
    let empty = CodedPacket { data: vec![0, 0, 1, 0x67, 1], ..packet(1) };
    let events = decode("", &config(Codec::H264, PixelFormat::Nv12), &[packet(0), empty]);
    assert!(events.iter().any(|event| match event {
        Event::Warning(text) => text == "packet 1: no slice in it",
        _ => false,
    }));
    assert_eq!(times(&events), [0]);
}

#[test]
fn lost_and_doubled_frames_are_lost_and_doubled() {
    let packets: Vec<_> = (0..5).map(packet).collect();
    let config = config(Codec::H265, PixelFormat::Nv12);
    assert_eq!(times(&decode("drop=1,double=3", &config, &packets)), [0, 2, 3, 3, 4]);
}

#[test]
fn a_failure_ends_the_output() {
    let packets: Vec<_> = (0..5).map(packet).collect();
    let events = decode("fail=2", &config(Codec::H264, PixelFormat::Nv12), &packets);
    assert_eq!(times(&events), [0, 1]);
    let text = "packet 2: the script says so";
    assert!(matches!(&events[2], Event::Failed(Error::Codec(found)) if found == text));
}

#[test]
fn broken_extradata_is_an_error() {
    let config = DecoderConfig { extradata: vec![9; 30], ..config(Codec::H264, PixelFormat::Nv12) };
    let (sender, _events) = channel();
    let sink = Arc::new(Forward(Mutex::new(sender)));
    let opened = Synthetic::default().open_decoder(&config, sink);
    assert!(matches!(opened.err(), Some(Error::Codec(text)) if text.starts_with("extradata")));
}

#[test]
fn a_stall_of_a_day_ends_with_the_session() {
    let (sender, events) = channel();
    let sink = Arc::new(Forward(Mutex::new(sender)));
    let backend = Synthetic::new("stall=0:86400s".parse().unwrap());
    let config = config(Codec::H264, PixelFormat::Nv12);
    let mut decoder = backend.open_decoder(&config, sink).unwrap().codec;
    assert_eq!(decoder.submit(packet(0), PATIENCE), Ok(None));
    drop(decoder);
    assert!(events.recv().is_err());
}
