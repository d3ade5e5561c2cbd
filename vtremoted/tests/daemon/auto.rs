//! What `auto` comes to: over a link that is slow, and against servers that know only FRAMEs.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use vtremote_client::{
    AccessUnit, Decoder, Encoder, Frame, InputFormat, Level, LogSink, OwnedPicture, Received,
    ReceivedPicture, Sent, SentPacket, Settings, Stream, Video, dial,
};
use vtremote_link::Address;
use vtremote_planes::Coding;
use vtremote_proto::{Codec, PixelFormat, Rational};

use crate::service::Service;

const UNIT: Rational = Rational { num: 1, den: 25 };
const VIDEO: Video = Video {
    width: 320,
    height: 180,
    format: InputFormat::Wire(PixelFormat::Nv12),
    time_base: UNIT,
    frame_rate: UNIT,
};
const FRAMES: usize = 300;

/// Bytes that are passed on at a time, and how long each takes: 4 MB/s.
const PIECE: usize = 16 << 10;
const TURN: Duration = Duration::from_millis(4);

/// A link to the service that carries so little that what is sent waits for it, both ways.
fn slow(service: &Service) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (near, far) = (listener.local_addr().unwrap(), service.address);
    thread::spawn(move || {
        while let Ok((client, _)) = listener.accept() {
            let server = TcpStream::connect(far).unwrap();
            let pairs =
                [(client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client)];
            for (from, to) in pairs {
                thread::spawn(move || pass_on(from, to));
            }
        }
    });
    near
}

fn pass_on(mut from: TcpStream, mut to: TcpStream) {
    let mut piece = vec![0; PIECE];
    while let Ok(count @ 1..) = from.read(&mut piece) {
        if to.write_all(&piece[..count]).is_err() {
            break;
        }
        if count == PIECE {
            thread::sleep(TURN);
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

fn settings(address: SocketAddr) -> Settings {
    let host = Some(address.to_string());
    let token = Some(String::new());
    Settings { codec: Some(Codec::H264), host, token, ..Settings::default() }
}

/// Smooth, and moving.
fn picture(number: usize) -> Arc<OwnedPicture> {
    let planes = VIDEO.layouts().map(|layout| {
        let rows = 0..layout.rows;
        let row = |y: usize| (0..layout.row_bytes).map(move |x| (x / 8 + y / 5 + number) as u8);
        (rows.flat_map(row).collect(), layout.row_bytes)
    });
    Arc::new(OwnedPicture::new(VIDEO.format, planes.collect()).unwrap())
}

/// The packets of all frames.
fn encode(encoder: &mut Encoder) -> Vec<AccessUnit> {
    let mut packets = Vec::new();
    let mut take = |received| match received {
        Received::Packet(packet) => {
            packets.push(AccessUnit {
                pts: Some(packet.pts),
                dts: Some(packet.dts),
                duration: 1,
                keyframe: packet.keyframe,
                data: packet.data().to_vec(),
                side_data: Vec::new(),
            });
            true
        }
        Received::Nothing => true,
        Received::End => false,
    };
    for number in 0..FRAMES {
        let (pts, duration, keyframe, side_data) = (number as i64, 1, false, Vec::new());
        let mut next = Frame { pts, duration, keyframe, side_data, source: picture(number) };
        while let Sent::Full(frame) = encoder.send_frame(next).unwrap() {
            take(encoder.receive_packet(None).unwrap());
            next = frame;
        }
    }
    encoder.flush().unwrap();
    while take(encoder.receive_packet(None).unwrap()) {}
    packets
}

/// What the log of a session says.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    fn sink(&self) -> Option<Arc<LogSink>> {
        let lines = self.0.clone();
        Some(Arc::new(move |_, line: &str| lines.lock().unwrap().push(line.to_owned())))
    }

    fn with(&self, text: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|line| line.contains(text)).count()
    }
}

#[test]
fn what_goes_up_a_slow_link_is_compressed_and_the_log_says_why() {
    let service = Service::start("");
    let lines = Lines::default();
    let settings = Settings { log_level: Level::Debug, ..settings(slow(&service)) };
    let mut encoder = Encoder::open(&settings, &VIDEO, lines.sink()).unwrap();
    assert_eq!(encode(&mut encoder).len(), FRAMES);
    let info = encoder.info();
    assert_ne!(info.compression, Coding::None);
    assert!(info.bytes_sent < info.raw_bytes / 2, "{} of {}", info.bytes_sent, info.raw_bytes);
    drop(encoder);
    assert_eq!(lines.with("wire compression auto"), 1);
    // When it has settled, which on a busy machine may be never, and at the end.
    assert!(lines.with("wire compression: ") < 4, "{:?}", lines.0);
    assert_eq!(lines.with("wire compression at the end: "), 1, "{:?}", lines.0);
    assert!(lines.with("frames/s possible: none") > 0, "{:?}", lines.0);
}

#[test]
fn what_comes_down_a_slow_link_is_compressed() {
    let service = Service::start("");
    let quick = Settings { compression: Some(Coding::None), ..settings(service.address) };
    let mut encoder = Encoder::open(&quick, &VIDEO, None).unwrap();
    let packets = encode(&mut encoder);
    let extradata = encoder.extradata().to_vec();
    let (width, height) = (VIDEO.width, VIDEO.height);
    let stream = Stream { width, height, time_base: UNIT, frame_rate: UNIT, extradata };
    let mut decoder = Decoder::open(&settings(slow(&service)), &stream, None).unwrap();
    let mut pictures = Vec::new();
    let mut take = |received| match received {
        ReceivedPicture::Picture(picture) => {
            pictures.push(picture.pts.unwrap());
            true
        }
        ReceivedPicture::Nothing => true,
        ReceivedPicture::End => false,
    };
    for packet in packets {
        let mut next = packet;
        while let SentPacket::Full(packet) = decoder.send_packet(next).unwrap() {
            take(decoder.receive_picture(None).unwrap());
            next = packet;
        }
    }
    decoder.flush().unwrap();
    while take(decoder.receive_picture(None).unwrap()) {}
    assert!(pictures.into_iter().eq(0..FRAMES as i64));
    let info = decoder.info();
    assert_ne!(info.compression, Coding::None);
    let received = info.bytes_received;
    assert!(received < info.raw_bytes * 3 / 4, "{received} of {}", info.raw_bytes);
}

#[test]
fn frames_in_one_message_are_compressed_or_not_as_the_link_wants_it() {
    let service = Service::start("");
    let through = |address: SocketAddr| {
        let settings = Settings { slices: Some(false), ..settings(address) };
        let address = Address { host: address.ip().to_string(), port: address.port() };
        let mut link = dial(&address, settings.timeout).unwrap();
        // As if it were another machine, so that FRAMEs are Zstandard frames.
        link.is_local = false;
        let mut encoder = Encoder::open_over(link, &settings, &VIDEO, None).unwrap();
        let packets: Vec<_> = encode(&mut encoder).into_iter().map(|unit| unit.data).collect();
        (packets, encoder.info())
    };
    let (quick, info) = through(service.address);
    assert!(!info.slices);
    let (slow, info) = through(slow(&service));
    assert_eq!(info.compression, Coding::Zstd);
    assert!(info.bytes_sent < info.raw_bytes / 2, "{} of {}", info.bytes_sent, info.raw_bytes);
    // Packets have a sum of the picture's bytes.
    assert!(quick == slow);
}
