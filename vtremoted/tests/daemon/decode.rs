//! Packets in, pictures out.

use crate::peer::{Message, Peer};
use crate::service::{Listing, Service, settings};
use crate::video::{Form, SMALL, Video};
use std::io::{ErrorKind, Write};
use std::sync::Arc;
use std::time::Duration;
use vtremote_backend::{Capabilities, Codec, CodedPacket, PixelFormat};
use vtremote_backend_synthetic::expected_frame;
use vtremote_planes::{Compression, Decompressor, Target};
use vtremote_proto::{HelloStatus, PACKET_KEY, PacketHead, PlaneHead, error_code, packet_message};
use vtremoted::Settings;

pub(crate) const DECODE: (&str, &str) = ("mode", "decode");
pub(crate) const ASYNC: (&str, &str) = ("decode_async", "1");

pub(crate) type Packets = Vec<(PacketHead, Vec<u8>)>;

/// A stream to decode.
pub(crate) fn stream(codec: &'static str, script: &str, count: i64) -> Packets {
    let service = Service::start(script);
    let mut peer = Peer::connect(service.address);
    peer.codec = codec;
    peer.hello("");
    peer.configured(SMALL, &[], &[]);
    peer.encode(SMALL, 0..count, 8, false, Form::default())
}

pub(crate) fn decoder(
    service: &Service,
    codec: &'static str,
    video: Video,
    options: &[(&str, &str)],
) -> Peer {
    let mut peer = Peer::connect(service.address);
    peer.codec = codec;
    assert_eq!(peer.hello(""), HelloStatus::Ok);
    peer.configured(video, &[&[DECODE], options].concat(), &[]);
    peer
}

/// The picture of a FRAME, as rawvideo has it.
pub(crate) fn unpacked(
    planes: &[(PlaneHead, Vec<u8>)],
    video: Video,
    compression: Compression,
) -> Vec<u8> {
    let mut picture = Vec::new();
    for ((head, data), shape) in planes.iter().zip(video.planes()) {
        assert_eq!((head.stride as usize, head.height as usize), (shape.row_bytes, shape.rows));
        let start = picture.len();
        picture.resize(start + shape.row_bytes * shape.rows, 0);
        let target = Target {
            data: &mut picture[start..],
            stride: shape.row_bytes,
            row_bytes: shape.row_bytes,
            rows: shape.rows,
        };
        let mut decompressor = Decompressor::new();
        decompressor.decompress(compression, data, shape.row_bytes, target).unwrap();
    }
    picture
}

pub(crate) fn expected(codec: &str, packet: &(PacketHead, Vec<u8>), video: Video) -> Vec<u8> {
    let (head, data) = packet;
    let coded = CodedPacket {
        pts: Some(head.pts),
        dts: Some(head.dts),
        duration: head.duration,
        keyframe: head.flags & PACKET_KEY != 0,
        data: data.clone(),
        side_data: Vec::new(),
    };
    let codec = if codec == "h264" { Codec::H264 } else { Codec::H265 };
    expected_frame(codec, &coded, video.format, video.width, video.height).unwrap()
}

fn frame(message: Message) -> (i64, Vec<(PlaneHead, Vec<u8>)>) {
    match message {
        Message::Frame(pts, planes) => (pts, planes),
        other => panic!("{other:?}"),
    }
}

#[test]
fn frames_come_in_presentation_order_and_to_the_byte() {
    for codec in ["h264", "hevc"] {
        let packets = stream(codec, "reorder=2", 40);
        let mut shown: Vec<_> = packets.iter().collect();
        shown.sort_by_key(|(head, _)| head.pts);
        let service = Service::start("");
        for compression in Compression::ALL {
            for format in [PixelFormat::Nv12, PixelFormat::P010] {
                let video = Video { format, width: 65, height: 37 };
                let number = (compression as u8).to_string();
                let options = [ASYNC, ("wire_compression", &number)];
                let mut peer = decoder(&service, codec, video, &options);
                packets.iter().for_each(|(head, data)| peer.packet(head, data));
                peer.flush();
                for packet in &shown {
                    let (pts, planes) = frame(peer.next());
                    assert_eq!(pts, packet.0.pts);
                    let picture = unpacked(&planes, video, compression);
                    assert!(
                        picture == expected(codec, packet, video),
                        "{codec} {compression} {pts}"
                    );
                }
                assert_eq!(peer.next(), Message::Done);
                assert_eq!(peer.next(), Message::End);
            }
        }
    }
}

#[test]
fn an_early_client_gets_a_frame_after_every_packet() {
    let packets = stream("h264", "", 10);
    let service = Service::start("delay=4,burst=3");
    let mut peer = decoder(&service, "h264", SMALL, &[]);
    for packet in &packets {
        peer.packet(&packet.0, &packet.1);
        let (pts, planes) = frame(peer.next_of_all());
        assert_eq!(pts, packet.0.pts);
        assert!(unpacked(&planes, SMALL, Compression::None) == expected("h264", packet, SMALL));
    }
    peer.flush();
    assert_eq!(peer.next(), Message::Done);
}

#[test]
fn packets_are_acknowledged_to_a_client_that_asks() {
    let packets = stream("h264", "", 5);
    let service = Service::start("");
    let mut peer = decoder(&service, "h264", SMALL, &[ASYNC, ("x.ack.v1", "1")]);
    packets.iter().for_each(|(head, data)| peer.packet(head, data));
    peer.flush();
    let mut taken = 0;
    loop {
        match peer.next_of_all() {
            Message::Ack(count) => taken = count,
            Message::Done => break,
            _ => {}
        }
    }
    assert_eq!(taken, 5);
}

#[test]
fn a_probing_session_that_leaves_without_flush_frees_its_slot() {
    let service = Service::with(&Settings { max_sessions: 1, ..settings() }, "");
    let video = Video { format: PixelFormat::P010, ..SMALL };
    for _ in 0..10 {
        let mut peer = decoder(&service, "hevc", video, &[]);
        // Its end is known once the server has closed too.
        peer.finish();
        assert_eq!(peer.next(), Message::End);
    }
}

#[test]
fn a_decoder_that_fails_or_panics_is_an_error() {
    let packets = stream("h264", "", 10);
    // The last of them fails when nothing more is asked of it.
    for (script, code) in [
        ("fail=3", error_code::BUSY_OR_CODEC),
        ("panic=3", error_code::INTERNAL),
        ("cost=100ms,fail=9", error_code::BUSY_OR_CODEC),
    ] {
        let service = Service::start(script);
        let mut peer = decoder(&service, "h264", SMALL, &[ASYNC]);
        packets.iter().for_each(|(head, data)| peer.packet(head, data));
        peer.flush();
        assert_eq!(peer.error().0, code, "{script}");
    }
}

#[test]
fn a_decoder_without_room_for_a_while_loses_nothing() {
    let packets = stream("h264", "", 30);
    let service = Service::start("slow=3:700ms,pictures=2");
    let mut peer = decoder(&service, "h264", SMALL, &[ASYNC]);
    packets.iter().for_each(|(head, data)| peer.packet(head, data));
    peer.flush();
    for packet in &packets {
        assert_eq!(frame(peer.next()).0, packet.0.pts);
    }
    assert_eq!(peer.next(), Message::Done);
}

#[test]
fn a_client_that_does_not_read_is_not_read_from_without_bound() {
    // A third of a MiB a frame and a quarter a packet: what is beyond the kernel's buffers is in ours.
    let packets = stream("h264", "size=262144", 200);
    let service = Service::start("");
    let video = Video { format: PixelFormat::Nv12, width: 640, height: 360 };
    let mut peer = decoder(&service, "h264", video, &[ASYNC]);
    peer.stream.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    let bytes: Vec<u8> = packets
        .iter()
        .flat_map(|(head, data)| {
            let (before, after) = packet_message(head, &[]).unwrap();
            [&before[..], data, &after].concat()
        })
        .collect();
    let mut sent = 0;
    let refused = loop {
        match peer.stream.write(&bytes[sent..]) {
            Ok(0) => panic!("the server took all of {} bytes", bytes.len()),
            Ok(count) => sent += count,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{refused}");
    // Once it reads, all is well.
    let mut sending = peer.stream.try_clone().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            sending.set_write_timeout(Some(crate::service::GUARD)).unwrap();
            sending.write_all(&bytes[sent..]).unwrap();
        });
        for packet in &packets {
            assert_eq!(frame(peer.next()).0, packet.0.pts);
        }
    });
    peer.flush();
    assert_eq!(peer.next(), Message::Done);
}

#[test]
fn a_client_that_reads_slowly_is_not_taken_for_a_decoder_that_stands_still() {
    let packets = stream("h264", "", 8);
    let settings = Settings { idle_timeout: Duration::from_millis(800), ..settings() };
    let service = Service::with(&settings, "pictures=2");
    // A picture takes longer than the backend may take and give nothing, but bytes move all the time.
    let video = Video { format: PixelFormat::Nv12, width: 1920, height: 1080 };
    let mut peer = decoder(&service, "h264", video, &[ASYNC]);
    peer.pace = (48 << 10, Duration::from_millis(16));
    packets.iter().for_each(|(head, data)| peer.packet(head, data));
    peer.flush();
    for packet in &packets {
        assert_eq!(frame(peer.next()).0, packet.0.pts);
    }
    assert_eq!(peer.next(), Message::Done);
}

#[test]
fn a_backend_that_does_not_decode_says_so() {
    let synthetic = crate::service::synthetic("");
    let capabilities = Capabilities { decoders: Vec::new(), ..synthetic.capabilities().clone() };
    let service = Service::over(&settings(), Arc::new(Listing(synthetic, capabilities)));
    let mut peer = Peer::taken(service.address);
    match peer.configure(SMALL, &[DECODE], &[]) {
        Message::Error(code, message) => {
            assert_eq!(code, error_code::UNSUPPORTED);
            assert!(message.contains("decode") && message.contains("listing"), "{message}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_backend_that_only_decodes_does_that_and_refuses_to_encode() {
    let packets = stream("h264", "", 3);
    let synthetic = crate::service::synthetic("");
    let capabilities = Capabilities { encoders: Vec::new(), ..synthetic.capabilities().clone() };
    let service = Service::over(&settings(), Arc::new(Listing(synthetic, capabilities)));
    let mut peer = decoder(&service, "h264", SMALL, &[ASYNC]);
    packets.iter().for_each(|(head, data)| peer.packet(head, data));
    peer.flush();
    for packet in &packets {
        assert_eq!(frame(peer.next()).0, packet.0.pts);
    }
    assert_eq!(peer.next(), Message::Done);
    let mut peer = Peer::taken(service.address);
    match peer.configure(SMALL, &[], &[]) {
        Message::Error(code, message) => {
            assert_eq!(code, error_code::UNSUPPORTED);
            assert!(message.contains("encode"), "{message}");
        }
        other => panic!("{other:?}"),
    }
}
