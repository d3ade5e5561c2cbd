//! A session in full flow takes nothing from the heap, at neither end. A test binary of its own: every
//! thread's allocations are counted, and those of other tests would be.

use std::alloc::System;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use vtremote_backend::Codec::H264;
use vtremote_backend::PixelFormat::Nv12;
use vtremote_backend::{
    Backend, CodedPacket, DecodedFrame, DecoderConfig, EncodedPacket, EncoderConfig, Error,
    FrameInfo, FrameSink, PacketSink, Ratio,
};
use vtremote_backend_synthetic::{Script, Synthetic};
use vtremote_client::{
    AccessUnit, Decoder, Encoder, Frame, InputFormat, OwnedPicture, Received, ReceivedPicture,
    Sent, SentPacket, Settings, Stream, Video,
};
use vtremote_link::Address;
use vtremote_planes::Coding;
use vtremote_proto::{Codec, Options, PixelFormat, Rational};
use vtremoted::{Daemon, LogFormat, LogLevel};

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Frames until every pool, queue and context has its size; with auto, until those of every coding have.
const WARM_UP: usize = 100;
const WARM_UP_OF_ALL: usize = 8 * WARM_UP;

fn warm_up(compression: Option<Coding>) -> usize {
    if compression.is_some() { WARM_UP } else { WARM_UP_OF_ALL }
}

/// Frames that are counted.
const COUNTED: usize = 1200;
/// How often queues and pools may still grow meanwhile: how much waits at once is the scheduler's choice,
/// and which of the pooled buffers gets the longest slice is too. It does not depend on how many frames
/// pass: whatever takes memory for every fourth of them is found.
const GROWTH: usize = COUNTED / 4 - 1;

/// In pixels: several slices.
const SIZE: (u32, u32) = (64, 256);

/// No keyframe is among those counted: the parameter sets before one are looked at anew.
const GOP: u32 = 10_000;

#[test]
fn a_session_in_full_flow_allocates_nothing() {
    let patience = Duration::from_secs(60);
    let script = Script { hash: false, ..Script::default() };
    let backends: Vec<Arc<dyn Backend>> = vec![Arc::new(Synthetic::new(script))];
    let settings = vtremoted::Settings {
        listen: vec![Address { host: "127.0.0.1".into(), port: 0 }],
        token: None,
        max_sessions: 1,
        backend: String::new(),
        encoders: Vec::new(),
        encoder_threads: None,
        handshake_timeout: patience,
        idle_timeout: patience,
        drain_timeout: patience,
        max_message_bytes: 256 << 20,
        log_level: LogLevel::Error,
        log_format: LogFormat::Text,
        log_file: None,
        once: false,
    };
    let daemon = Daemon::bind(&settings, || Ok(backends.clone())).unwrap();
    let port = daemon.addresses()[0].port();
    let stop = daemon.stop();
    let serving = thread::spawn(move || daemon.serve());
    let (mut encode, mut decode) = (Vec::new(), Vec::new());
    for compression in Coding::ALL.into_iter().map(Some).chain([None]) {
        for slices in [false, true] {
            let vtz = compression.is_some_and(|coding| coding.method().is_some());
            if vtz && !slices {
                continue;
            }
            let name = compression.map_or("auto".to_owned(), |coding| coding.to_string());
            for format in [InputFormat::Wire(PixelFormat::Nv12), InputFormat::Yuv420p] {
                let count = encode_session(port, compression, slices, format);
                encode.push((format!("{name}, slices {slices}, {format:?}"), count));
            }
            let count = decode_session(&*backends[0], port, compression, slices);
            decode.push((format!("{name}, slices {slices}"), count));
        }
    }
    stop.stop();
    serving.join().unwrap();
    // What a codec takes for its packets or pictures is its own affair.
    let encoder = encoder_alone(&*backends[0]);
    // And each packet is made by the caller.
    let decoder = decoder_alone(&*backends[0]) + COUNTED;
    assert!(encoder >= COUNTED && decoder >= COUNTED, "nothing is counted");
    for (alone, counts) in [(encoder, encode), (decoder, decode)] {
        let most = alone + GROWTH;
        assert!(counts.iter().all(|(_, count)| *count <= most), "over {most}: {counts:#?}");
    }
}

/// Allocations of both ends while [`COUNTED`] frames pass.
fn encode_session(
    port: u16,
    compression: Option<Coding>,
    slices: bool,
    format: InputFormat,
) -> usize {
    let (width, height) = SIZE;
    let unit = Rational { num: 1, den: 25 };
    let video = Video { width, height, format, time_base: unit, frame_rate: unit };
    let settings = Settings {
        codec: Some(Codec::H264),
        host: Some(format!("127.0.0.1:{port}")),
        token: Some(String::new()),
        compression,
        slices: Some(slices),
        ..Settings::default()
    };
    let planes = (0..format.planes()).map(|plane| {
        let (row, rows) = format.plane_layout(width, height, plane);
        ((0..row * rows).map(|at| (at * at / 4099) as u8).collect(), row)
    });
    let options = Options { gop: GOP as i32, ..Options::default() };
    let settings = Settings { options, ..settings };
    let picture = Arc::new(OwnedPicture::new(format, planes.collect()).unwrap());
    let mut encoder = Encoder::open(&settings, &video, None).unwrap();
    let mut number = 0;
    let mut flow = |frames: usize| {
        for pts in number..number + frames as i64 {
            let source = picture.clone();
            let mut frame =
                Frame { pts, duration: 1, keyframe: false, side_data: Vec::new(), source };
            while let Sent::Full(back) = encoder.send_frame(frame).unwrap() {
                frame = back;
                encoder.receive_packet(None).unwrap();
            }
            while let Received::Packet(packet) =
                encoder.receive_packet(Some(Duration::ZERO)).unwrap()
            {
                assert!(!packet.data().is_empty());
            }
        }
        number += frames as i64;
        // Until there is no frame that a packet could come of: what is in flight would count.
        while let Received::Packet(_) = encoder.receive_packet(None).unwrap() {}
    };
    flow(warm_up(compression));
    let region = Region::new(HEAP);
    flow(COUNTED);
    count(&region)
}

/// Allocations of the backend while it encodes as many frames for nobody.
fn encoder_alone(backend: &dyn Backend) -> usize {
    let nobody = Arc::new(Nobody::default());
    let mut encoder = backend.open_encoder(&encoder_config(), nobody.clone()).unwrap().codec;
    let mut number = 0;
    let mut flow = |frames: usize| {
        for pts in number..number + frames as i64 {
            let picture = encoder.picture(Duration::from_secs(60)).unwrap().unwrap();
            let frame = FrameInfo { pts, duration: 1, ..FrameInfo::default() };
            encoder.submit(picture, frame).unwrap();
        }
        number += frames as i64;
        while nobody.0.load(Ordering::SeqCst) < number as usize {
            thread::yield_now();
        }
    };
    flow(WARM_UP);
    let region = Region::new(HEAP);
    flow(COUNTED);
    count(&region)
}

/// A packet of a slice, as far as the synthetic decoder looks at it.
const SLICE: [u8; 8] = [0, 0, 0, 1, 0x41, 0x9a, 0xd0, 0x80];

/// Allocations of both ends and their caller while [`COUNTED`] packets become pictures.
fn decode_session(
    backend: &dyn Backend,
    port: u16,
    compression: Option<Coding>,
    slices: bool,
) -> usize {
    let unit = Rational { num: 1, den: 25 };
    let (width, height) = SIZE;
    let stream =
        Stream { width, height, time_base: unit, frame_rate: unit, extradata: extradata(backend) };
    let settings = Settings {
        codec: Some(Codec::H264),
        host: Some(format!("127.0.0.1:{port}")),
        token: Some(String::new()),
        compression,
        slices: Some(slices),
        ..Settings::default()
    };
    let mut decoder = Decoder::open(&settings, &stream, None).unwrap();
    let (mut number, shown) = (0, Cell::new(0));
    let mut flow = |packets: usize| {
        let receive = |decoder: &mut Decoder, patience| {
            let ReceivedPicture::Picture(picture) = decoder.receive_picture(patience).unwrap()
            else {
                return false;
            };
            assert_eq!(picture.pts, Some(shown.get()));
            shown.set(shown.get() + 1);
            true
        };
        for pts in number..number + packets as i64 {
            let mut packet = AccessUnit {
                pts: Some(pts),
                dts: Some(pts),
                duration: 1,
                keyframe: pts == 0,
                data: SLICE.to_vec(),
                side_data: Vec::new(),
            };
            while let SentPacket::Full(back) = decoder.send_packet(packet).unwrap() {
                // Only where nothing more goes in: the pictures that wait are as many as can be.
                packet = back;
                receive(&mut decoder, None);
            }
        }
        number += packets as i64;
        while receive(&mut decoder, None) {}
        assert_eq!(shown.get(), number);
    };
    flow(warm_up(compression));
    let region = Region::new(HEAP);
    flow(COUNTED);
    count(&region)
}

/// The parameter sets of an encoder's stream.
fn extradata(backend: &dyn Backend) -> Vec<u8> {
    backend.open_encoder(&encoder_config(), Arc::new(Nobody::default())).unwrap().parameter_sets
}

fn encoder_config() -> EncoderConfig {
    let (width, height) = SIZE;
    let time_base = Ratio { num: 1, den: 25 };
    EncoderConfig { gop: Some(GOP), ..EncoderConfig::new(H264, width, height, Nv12, time_base) }
}

/// Allocations of the backend while it makes as many pictures for nobody.
fn decoder_alone(backend: &dyn Backend) -> usize {
    let (width, height) = SIZE;
    let config = DecoderConfig {
        codec: H264,
        width,
        height,
        format: Nv12,
        time_base: Ratio { num: 1, den: 25 },
        extradata: Vec::new(),
        max_delay: None,
    };
    let nobody = Arc::new(Nobody::default());
    let mut decoder = backend.open_decoder(&config, nobody.clone()).unwrap().codec;
    let mut number = 0;
    let mut flow = |packets: usize| {
        for pts in number..number + packets as i64 {
            let (mut data, side_data) = (decoder.spare(), Vec::new());
            data.clear();
            data.extend_from_slice(&SLICE);
            let pts = Some(pts);
            let packet =
                CodedPacket { pts, dts: pts, duration: 1, keyframe: false, data, side_data };
            assert_eq!(decoder.submit(packet, Duration::from_secs(60)), Ok(None));
        }
        number += packets as i64;
        while nobody.0.load(Ordering::SeqCst) < number as usize {
            thread::yield_now();
        }
    };
    flow(WARM_UP);
    let region = Region::new(HEAP);
    flow(COUNTED);
    count(&region)
}

/// Counts what it gets, and has no use for it.
#[derive(Default)]
struct Nobody(AtomicUsize);

impl PacketSink for Nobody {
    fn packet(&self, _: EncodedPacket) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
    fn warning(&self, message: String) {
        panic!("{message}");
    }

    fn drained(&self) {}
    fn failed(&self, error: Error) {
        panic!("{error}");
    }
}

impl FrameSink for Nobody {
    fn frame(&self, _: DecodedFrame) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
    fn warning(&self, message: String) {
        panic!("{message}");
    }
    fn drained(&self) {}
    fn failed(&self, error: Error) {
        panic!("{error}");
    }
}

fn count(region: &Region<'_, System>) -> usize {
    let change = region.change();
    change.allocations + change.reallocations
}
