//! Packets in, pictures out in slices that say what they are.

use crate::decode::{ASYNC, DECODE, Packets, decoder, expected, stream};
use crate::peer::{InSlices, Message, Peer};
use crate::service::{GUARD, Service, settings, synthetic};
use crate::video::{SMALL, Video};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use vtremote_backend::{
    Backend, Capabilities, CodedPacket, DecodedFrame, Decoder, DecoderConfig, Encoder,
    EncoderConfig, Error, FrameSink, Opened, PacketSink, PixelFormat, SideData,
};
use vtremote_planes::{Compression, Decompressor, Target};
use vtremote_proto::{
    Fields, Geometry, GeometryChanges, HelloStatus, Rational, error_code, packet_message,
};
use vtremoted::Settings;

const SLICES: (&str, &str) = ("x.slices.v1", "1");
const GEOMETRY: (&str, &str) = ("x.geometry.v1", "1");

fn slices(message: Message) -> InSlices {
    match message {
        Message::Slices(picture) => picture,
        other => panic!("{other:?}"),
    }
}

/// The picture as rawvideo has it; its slices must cover each row once.
fn unpacked(picture: &InSlices, video: Video) -> Vec<u8> {
    let shapes = video.planes();
    assert_eq!(usize::from(picture.planes), shapes.len());
    let mut planes: Vec<_> =
        shapes.iter().map(|shape| vec![0; shape.row_bytes * shape.rows]).collect();
    let mut covered: Vec<_> = shapes.iter().map(|shape| vec![false; shape.rows]).collect();
    let codec = Compression::from_wire(picture.codec).unwrap();
    for (index, (head, data)) in picture.slices.iter().enumerate() {
        assert_eq!((head.frame_id, usize::from(head.index)), (picture.frame_id, index));
        let plane = usize::from(head.plane);
        let row_bytes = shapes[plane].row_bytes;
        let rows = head.first_row as usize..(head.first_row + head.rows) as usize;
        for row in &mut covered[plane][rows.clone()] {
            assert!(!std::mem::replace(row, true), "a row twice");
        }
        let target = Target {
            data: &mut planes[plane][rows.start * row_bytes..rows.end * row_bytes],
            stride: row_bytes,
            row_bytes,
            rows: rows.len(),
        };
        let compression = if head.mode == 1 { Compression::None } else { codec };
        Decompressor::new().decompress(compression, data, row_bytes, target).unwrap();
    }
    assert!(covered.iter().flatten().all(|row| *row), "rows are missing");
    planes.concat()
}

fn video_of(geometry: Geometry) -> Video {
    let Geometry { width, height, .. } = geometry;
    let mut formats = PixelFormat::ALL.into_iter();
    let format = formats.find(|format| *format as u8 == geometry.format.to_wire()).unwrap();
    Video { format, width, height }
}

fn geometry_of(video: Video) -> Geometry {
    let format = vtremote_proto::PixelFormat::from_wire(video.format as u8).unwrap();
    Geometry::new(video.width, video.height, format)
}

fn send(peer: &mut Peer, packets: &Packets) {
    packets.iter().for_each(|(head, data)| peer.packet(head, data));
    peer.flush();
}

#[test]
fn the_extension_is_listed() {
    let service = Service::start("");
    let mut peer = Peer::connect(service.address);
    peer.send_hello("");
    let Message::HelloAck { capabilities, .. } = peer.next() else { panic!("no HELLO_ACK") };
    assert!(capabilities.iter().any(|name| name == "x.geometry.v1"), "{capabilities:?}");
}

#[test]
fn pictures_in_slices_come_in_presentation_order_and_to_the_byte() {
    let packets = stream("h264", "reorder=2", 24);
    let mut shown: Vec<_> = packets.iter().collect();
    shown.sort_by_key(|(head, _)| head.pts);
    let service = Service::start("");
    for compression in Compression::ALL {
        for video in [
            Video { format: PixelFormat::Nv12, width: 65, height: 37 },
            Video { format: PixelFormat::P010, width: 330, height: 517 },
            Video { format: PixelFormat::Bgra, width: 64, height: 300 },
        ] {
            for geometry in [false, true] {
                let number = (compression as u8).to_string();
                let told = if geometry { "1" } else { "0" };
                let options = [
                    ASYNC,
                    SLICES,
                    ("x.ack.v1", "1"),
                    ("x.geometry.v1", told),
                    ("wire_compression", &number),
                ];
                let mut peer = decoder(&service, "h264", video, &options);
                send(&mut peer, &packets);
                for (number, packet) in shown.iter().enumerate() {
                    let picture = slices(peer.next());
                    assert_eq!((picture.pts, picture.codec), (packet.0.pts, compression as u8));
                    assert_eq!(picture.frame_id as usize, number);
                    let first = geometry && number == 0;
                    assert_eq!(picture.geometry, first.then_some(geometry_of(video)));
                    let whole = video.format == PixelFormat::Nv12;
                    assert_eq!(picture.slices.len() == video.planes().len(), whole);
                    assert!(
                        unpacked(&picture, video) == expected("h264", packet, video),
                        "{compression} {number}"
                    );
                }
                assert_eq!(peer.next(), Message::Done);
                assert_eq!(peer.next(), Message::End);
            }
        }
    }
}

#[test]
fn rows_that_compression_would_make_longer_go_out_raw() {
    let packets = stream("h264", "", 3);
    let service = Service::start("");
    let video = Video { format: PixelFormat::Nv12, width: 8, height: 2 };
    for compression in ["1", "2"] {
        let options = [ASYNC, SLICES, ("wire_compression", compression)];
        let mut peer = decoder(&service, "h264", video, &options);
        send(&mut peer, &packets);
        for packet in &packets {
            let picture = slices(peer.next());
            assert!(picture.slices.iter().all(|(head, _)| head.mode == 1), "{picture:?}");
            assert!(unpacked(&picture, video) == expected("h264", packet, video));
        }
        assert_eq!(peer.next(), Message::Done);
    }
}

#[test]
fn a_stream_that_changes_midway_says_at_each_change_what_it_is() {
    let packets = stream("hevc", "", 9);
    let service = Service::start("resize=3:70x141,format=5:p010le,colors=7,pictures=2");
    let colors = Geometry {
        color_range: 2,
        primaries: 9,
        transfer: 16,
        matrix: 9,
        chroma_location: 3,
        fields: Fields::BottomFirst,
        sample_aspect_ratio: Rational { num: 4, den: 3 },
        ..Geometry::new(70, 141, vtremote_proto::PixelFormat::P010)
    };
    let is = |number| match number {
        0..3 => geometry_of(SMALL),
        3..5 => Geometry::new(70, 141, vtremote_proto::PixelFormat::Nv12),
        5..7 => Geometry::new(70, 141, vtremote_proto::PixelFormat::P010),
        _ => colors,
    };
    for compression in ["0", "1", "2"] {
        let options = [ASYNC, SLICES, GEOMETRY, ("wire_compression", compression)];
        let mut peer = decoder(&service, "hevc", SMALL, &options);
        send(&mut peer, &packets);
        let mut changes = GeometryChanges::default();
        for (number, packet) in packets.iter().enumerate() {
            let picture = slices(peer.next());
            assert_eq!(picture.geometry, changes.next(is(number)), "{number}");
            let video = video_of(is(number));
            assert!(unpacked(&picture, video) == expected("hevc", packet, video), "{number}");
        }
        assert_eq!(peer.next(), Message::Done);
    }
}

#[test]
fn a_size_that_was_a_guess_is_corrected_by_the_first_picture() {
    let packets = stream("h264", "", 2);
    let service = Service::start("resize=0:64x36");
    let guess = Video { width: 1, height: 1, ..SMALL };
    let mut peer = decoder(&service, "h264", guess, &[ASYNC, SLICES, GEOMETRY]);
    send(&mut peer, &packets);
    let picture = slices(peer.next());
    assert_eq!(picture.geometry, Some(geometry_of(SMALL)));
    assert!(unpacked(&picture, SMALL) == expected("h264", &packets[0], SMALL));
}

#[test]
fn without_the_extension_another_size_is_an_error_behind_the_pictures_before_it() {
    let packets = stream("h264", "", 6);
    let service = Service::start("resize=3:70x141");
    for options in [&[ASYNC][..], &[ASYNC, SLICES], &[ASYNC, SLICES, ("wire_compression", "2")]] {
        let mut peer = decoder(&service, "h264", SMALL, options);
        send(&mut peer, &packets);
        for _ in 0..3 {
            assert!(matches!(peer.next(), Message::Frame(..) | Message::Slices(_)));
        }
        let (code, text) = peer.error();
        assert_eq!(code, error_code::BUSY_OR_CODEC);
        assert_eq!(text, "the stream is 70x141 nv12, not 64x36 nv12 as configured");
    }
}

#[test]
fn a_stream_of_8_bits_in_a_session_of_p010_is_widened() {
    let packets = stream("h264", "", 3);
    let service = Service::start("format=1:nv12");
    let deep = Video { format: PixelFormat::P010, width: 65, height: 37 };
    let shallow = Video { format: PixelFormat::Nv12, ..deep };
    for options in [&[ASYNC][..], &[ASYNC, SLICES], &[ASYNC, ("wire_compression", "1")]] {
        let mut peer = decoder(&service, "h264", deep, options);
        send(&mut peer, &packets);
        for (number, packet) in packets.iter().enumerate() {
            let picture = match peer.next() {
                Message::Slices(picture) => unpacked(&picture, deep),
                Message::Frame(_, planes) => crate::decode::unpacked(
                    &planes,
                    deep,
                    if options.contains(&("wire_compression", "1")) {
                        Compression::Lz4
                    } else {
                        Compression::None
                    },
                ),
                other => panic!("{other:?}"),
            };
            if number == 0 {
                assert!(picture == expected("h264", packet, deep));
            } else {
                let samples = expected("h264", packet, shallow).into_iter();
                assert!(picture == samples.flat_map(|sample| [0, sample]).collect::<Vec<_>>());
            }
        }
        assert_eq!(peer.next(), Message::Done);
    }
}

#[test]
fn ten_bits_never_become_eight() {
    let packets = stream("h264", "", 3);
    let service = Service::start("format=1:p010le");
    let mut peer = decoder(&service, "h264", SMALL, &[ASYNC, SLICES]);
    send(&mut peer, &packets);
    let (code, text) = peer.error();
    assert_eq!(code, error_code::BUSY_OR_CODEC);
    assert_eq!(text, "the stream is 64x36 p010le, not 64x36 nv12 as configured");
}

#[test]
fn a_format_beyond_the_usual_two_is_sent_only_to_who_wished_for_it() {
    let packets = stream("h264", "", 3);
    let service = Service::start("format=1:bgra");
    let wish = Video { format: PixelFormat::Bgra, ..SMALL };
    let mut peer = decoder(&service, "h264", wish, &[ASYNC, SLICES, GEOMETRY, ("x.ack.v1", "1")]);
    send(&mut peer, &packets);
    (0..3).for_each(|_| drop(slices(peer.next())));
    assert_eq!(peer.next(), Message::Done);
    let mut peer = decoder(&service, "h264", SMALL, &[ASYNC, SLICES, GEOMETRY]);
    send(&mut peer, &packets);
    slices(peer.next());
    let (code, text) = peer.error();
    assert_eq!(code, error_code::BUSY_OR_CODEC);
    assert_eq!(text, "the stream is bgra, which was not asked for");
}

#[test]
fn a_wish_to_be_told_without_slices_or_to_encode_is_named_in_a_warning() {
    let service = Service::start("");
    for options in [&[DECODE, GEOMETRY][..], &[SLICES, GEOMETRY]] {
        let mut peer = Peer::taken(service.address);
        let warnings = peer.configured(SMALL, options, &[]);
        assert!(warnings.iter().any(|warning| warning.contains("x.geometry.v1")), "{warnings:?}");
    }
}

#[test]
fn a_decoder_that_fails_amid_pictures_is_an_error_behind_what_it_gave() {
    let packets = stream("h264", "", 10);
    for compression in ["0", "2"] {
        let service = Service::start("fail=5");
        let options = [ASYNC, SLICES, GEOMETRY, ("wire_compression", compression)];
        let mut peer = decoder(&service, "h264", SMALL, &options);
        packets.iter().for_each(|(head, data)| peer.packet(head, data));
        (0..5).for_each(|_| drop(slices(peer.next())));
        assert_eq!(peer.error().0, error_code::BUSY_OR_CODEC);
    }
}

// ── a decoder that is watched ──

/// The synthetic backend with side data on its pictures, and a count of the packets that it took.
struct Watched {
    backend: Arc<dyn Backend>,
    records: Vec<SideData>,
    taken: Arc<AtomicUsize>,
}

impl Watched {
    fn new(script: &str, records: Vec<SideData>) -> Self {
        Watched { backend: synthetic(script), records, taken: Arc::default() }
    }
}

struct Dressing(Arc<dyn FrameSink>, Vec<SideData>);

impl FrameSink for Dressing {
    fn frame(&self, frame: DecodedFrame) {
        self.0.frame(DecodedFrame { side_data: self.1.clone(), ..frame });
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

struct Counting(Box<dyn Decoder>, Arc<AtomicUsize>);

impl Decoder for Counting {
    fn submit(
        &mut self,
        packet: CodedPacket,
        wait: Duration,
    ) -> Result<Option<CodedPacket>, Error> {
        let refused = self.0.submit(packet, wait)?;
        self.1.fetch_add(usize::from(refused.is_none()), Ordering::Relaxed);
        Ok(refused)
    }
    fn drain(&mut self) -> Result<(), Error> {
        self.0.drain()
    }
}

impl Backend for Watched {
    fn name(&self) -> &str {
        "watched"
    }
    fn capabilities(&self) -> &Capabilities {
        self.backend.capabilities()
    }
    fn open_encoder(
        &self,
        config: &EncoderConfig,
        sink: Arc<dyn PacketSink>,
    ) -> Result<Opened<Box<dyn Encoder>>, Error> {
        self.backend.open_encoder(config, sink)
    }
    fn open_decoder(
        &self,
        config: &DecoderConfig,
        sink: Arc<dyn FrameSink>,
    ) -> Result<Opened<Box<dyn Decoder>>, Error> {
        let sink = Arc::new(Dressing(sink, self.records.clone()));
        let opened = self.backend.open_decoder(config, sink)?;
        let codec = Box::new(Counting(opened.codec, Arc::clone(&self.taken)));
        Ok(Opened { codec, ..opened })
    }
}

#[test]
fn side_data_goes_with_its_picture_and_what_a_message_cannot_hold_is_left_out() {
    let packets = stream("h264", "", 3);
    for (count, size, kept) in [(2, 100, 2), (17, 1, 15), (3, 500_000, 2)] {
        let record = |kind| SideData { kind, data: vec![kind as u8; size] };
        let records: Vec<_> = (40..40 + count).map(record).collect();
        let expected: Vec<_> =
            records.iter().take(kept).map(|record| (record.kind, record.data.clone())).collect();
        let service = Service::over(&settings(), Arc::new(Watched::new("", records)));
        // Early clients, who do not say `decode_async`, do not know side data.
        for (options, expected) in [
            (&[ASYNC, SLICES, GEOMETRY][..], &expected[..]),
            (&[ASYNC, SLICES], &expected),
            (&[SLICES], &[]),
        ] {
            let mut peer = decoder(&service, "h264", SMALL, options);
            send(&mut peer, &packets);
            for _ in &packets {
                assert!(slices(peer.next()).side_data == expected, "{count} of {size}");
            }
            assert_eq!(peer.next(), Message::Done);
        }
    }
}

#[test]
fn metadata_of_hdr_goes_only_to_clients_that_know_its_form() {
    let packets = stream("h264", "", 3);
    let captions = (SideData::CAPTIONS, vec![0xfc, 1, 2]);
    let all = [
        (SideData::MASTERING_DISPLAY, vec![7; 24]),
        captions.clone(),
        (SideData::CONTENT_LIGHT, vec![7; 4]),
    ];
    let records = all.clone().map(|(kind, data)| SideData { kind, data });
    let service = Service::over(&settings(), Arc::new(Watched::new("", records.to_vec())));
    for (options, expected) in
        [(&[ASYNC, SLICES, GEOMETRY][..], &all[..]), (&[ASYNC, SLICES], &[captions])]
    {
        let mut peer = decoder(&service, "h264", SMALL, options);
        send(&mut peer, &packets);
        for _ in &packets {
            assert!(slices(peer.next()).side_data == expected);
        }
        assert_eq!(peer.next(), Message::Done);
    }
}

#[test]
fn a_client_that_stops_reading_stops_the_decoder_and_loses_its_slot() {
    // Half of each row is noise, so that compressed pictures fill the kernel's buffers soon as well.
    let video = Video { format: PixelFormat::Nv12, width: 16, height: 16_384 };
    let packets = stream("h264", "", 1000);
    let bytes: Vec<u8> = packets
        .iter()
        .flat_map(|(head, data)| {
            let (before, after) = packet_message(head, &[]).unwrap();
            [&before[..], data, &after].concat()
        })
        .collect();
    // Uncompressed ones stay in the decoder's pool. What compresses without a bound gets far in 3 s.
    for (options, seconds) in [
        (&[ASYNC][..], 1),
        (&[ASYNC, SLICES, GEOMETRY], 1),
        (&[ASYNC, SLICES, GEOMETRY, ("wire_compression", "1")], 3),
    ] {
        let idle_timeout = Duration::from_secs(seconds);
        let settings = Settings { max_sessions: 1, idle_timeout, ..settings() };
        let watched = Watched::new("pictures=4", Vec::new());
        let taken = Arc::clone(&watched.taken);
        let service = Service::over(&settings, Arc::new(watched));
        let mut peer = decoder(&service, "h264", video, options);
        // It may break off: the session ends meanwhile.
        let _ = peer.stream.write_all(&bytes);
        let began = Instant::now();
        while Peer::connect(service.address).hello("") != HelloStatus::Ok {
            assert!(began.elapsed() < GUARD, "the slot is never free");
            std::thread::sleep(Duration::from_millis(50));
        }
        let taken = taken.load(Ordering::Relaxed);
        assert!((1..45).contains(&taken), "{taken} packets were decoded: {options:?}");
    }
}
