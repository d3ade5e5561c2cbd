//! Pictures in, packets out.

use crate::peer::{Message, Peer, assert_complete};
use crate::service::Service;
use crate::video::{Form, SMALL, Video};
use vtremote_backend::PixelFormat;
use vtremote_planes::Compression;
use vtremote_proto::PacketHead;

const ACK: (&str, &str) = ("x.ack.v1", "1");
const SLICES: (&str, &str) = ("x.slices.v1", "1");

#[test]
fn every_frame_comes_back_once_whatever_their_number_and_the_window() {
    let service = Service::start("");
    for count in [1, 2, 15, 16, 17, 300] {
        for window in [1, 8, 16] {
            let mut peer = Peer::encoder(&service, SMALL, &[]);
            let packets = peer.encode(SMALL, 0..count, window, false, Form::default());
            assert_complete(&packets, SMALL, 0..count);
        }
    }
}

#[test]
fn delay_reordering_and_bursts_cost_a_client_that_counts_acks_no_credit() {
    let service = Service::start("delay=9,reorder=3,burst=4");
    for count in [1, 2, 15, 16, 17, 300] {
        for window in [1, 2, 16, 64] {
            let mut peer = Peer::encoder(&service, SMALL, &[ACK]);
            let packets = peer.encode(SMALL, 0..count, window, true, Form::default());
            assert_complete(&packets, SMALL, 0..count);
        }
    }
}

#[test]
fn a_client_with_a_window_of_8_is_not_left_waiting_by_an_encoder_that_delays() {
    let service = Service::start("delay=44,reorder=3,burst=9");
    let mut peer = Peer::taken(service.address);
    let warnings = peer.configured(SMALL, &[], &[]);
    assert!(warnings.iter().any(|warning| warning.contains("delay")), "{warnings:?}");
    let packets = peer.encode(SMALL, 0..50, 8, false, Form::default());
    assert_complete(&packets, SMALL, 0..50);
}

#[test]
fn packets_are_the_same_however_the_planes_travel() {
    let service = Service::start("reorder=2");
    let video = Video { format: PixelFormat::P010, width: 322, height: 181 };
    let mut all: Vec<Vec<(PacketHead, Vec<u8>)>> = Vec::new();
    for compression in Compression::ALL {
        for slices in [None, Some(1), Some(5)] {
            let number = (compression as u8).to_string();
            let options = [ACK, SLICES, ("wire_compression", &number)];
            let mut peer = Peer::encoder(&service, video, &options);
            let form = Form { compression, slices, ..Form::default() };
            all.push(peer.encode(video, 0..20, 8, true, form));
        }
    }
    assert_complete(&all[0], video, 0..20);
    assert!(all.iter().all(|packets| *packets == all[0]));
}

#[test]
fn padding_behind_the_rows_changes_nothing() {
    let service = Service::start("");
    let video = Video { format: PixelFormat::Nv12, width: 50, height: 37 };
    for compression in Compression::ALL {
        // 14 makes the stride that of the backend's pictures.
        for padding in [0, 1, 14, 200] {
            let number = (compression as u8).to_string();
            let mut peer = Peer::encoder(&service, video, &[("wire_compression", &number)]);
            let form = Form { compression, padding, ..Form::default() };
            assert_complete(&peer.encode(video, 0..5, 4, false, form), video, 0..5);
        }
    }
}

#[test]
fn every_pixel_format_arrives_to_the_byte() {
    let service = Service::start("");
    use PixelFormat::{Ayuv, Bgra, Nv12, P010, P210};
    for format in [Nv12, P010, Bgra, Ayuv, P210] {
        for codec in ["h264", "hevc"] {
            let video = Video { format, width: 33, height: 17 };
            let mut peer = Peer::connect(service.address);
            peer.codec = codec;
            peer.hello("");
            peer.configured(video, &[], &[]);
            assert_complete(&peer.encode(video, 0..3, 2, false, Form::default()), video, 0..3);
        }
    }
}

#[test]
fn chroma_of_an_odd_height_may_come_without_its_last_row() {
    let service = Service::start("");
    let video = Video { format: PixelFormat::Nv12, width: 16, height: 9 };
    for compression in Compression::ALL {
        let number = (compression as u8).to_string();
        let mut peer = Peer::encoder(&service, video, &[("wire_compression", &number)]);
        let form = Form { compression, short_chroma: true, ..Form::default() };
        let packets = peer.encode(video, 0..1, 1, false, form);
        // The row that is missing repeats the one above it.
        let mut picture = video.picture(0);
        let last = picture[1].len() - 16;
        picture[1].copy_within(last - 16..last, last);
        let expected =
            vtremote_backend_synthetic::hash_rows(picture.iter().map(|plane| &plane[..]));
        let payload = vtremote_backend_synthetic::read_payload(&packets[0].1).unwrap();
        assert_eq!(payload.hash, Some(expected), "{compression}");
    }
}

#[test]
fn a_repeated_frame_is_answered_without_data() {
    let service = Service::start("");
    let mut peer = Peer::encoder(&service, SMALL, &[]);
    for number in [0, 1, 1, 2] {
        peer.send(&SMALL.message(number, Form::default()));
    }
    peer.flush();
    let packets = peer.rest();
    let lens: Vec<_> = packets.iter().map(|(head, data)| (head.pts, data.is_empty())).collect();
    assert_eq!(lens, [(0, false), (1, false), (1, true), (2, false)]);
}

#[test]
fn flush_may_come_16_times() {
    let service = Service::start("delay=5");
    let mut peer = Peer::encoder(&service, SMALL, &[]);
    for number in 0..7 {
        peer.send(&SMALL.message(number, Form::default()));
    }
    (0..16).for_each(|_| peer.flush());
    assert_complete(&peer.rest(), SMALL, 0..7);
}

#[test]
fn a_client_that_closes_its_sending_side_after_flush_gets_everything() {
    let service = Service::start("delay=5,cost=5ms");
    let mut peer = Peer::encoder(&service, SMALL, &[]);
    for number in 0..7 {
        peer.send(&SMALL.message(number, Form::default()));
    }
    peer.flush();
    peer.finish();
    assert_complete(&peer.rest(), SMALL, 0..7);
}

#[test]
fn a_session_without_a_frame_ends_well() {
    let service = Service::start("");
    let mut peer = Peer::encoder(&service, SMALL, &[]);
    peer.flush();
    assert_eq!(peer.rest(), []);
}

#[test]
fn bytes_may_arrive_one_by_one() {
    let service = Service::start("");
    let video = Video { format: PixelFormat::Nv12, width: 8, height: 6 };
    for (compression, slices) in [(0, None), (2, None), (1, Some(2))] {
        let number = compression.to_string();
        let options = [ACK, SLICES, ("wire_compression", &number)];
        let mut peer = Peer::encoder(&service, video, &options);
        let compression = Compression::from_wire(compression).unwrap();
        for frame in 0..2 {
            let form = Form { compression, slices, ..Form::default() };
            let message = video.message(frame, form);
            message.chunks(1).for_each(|byte| peer.send(byte));
        }
        peer.flush();
        assert_complete(&peer.rest(), video, 0..2);
    }
}

#[test]
fn a_client_that_waits_for_a_stalled_encoder_gets_pings_and_then_its_packets() {
    let service = Service::start("stall=1:2500ms");
    let mut peer = Peer::encoder(&service, SMALL, &[]);
    for number in 0..3 {
        peer.send(&SMALL.message(number, Form::default()));
    }
    peer.flush();
    let mut messages = Vec::new();
    while messages.last() != Some(&Message::Done) {
        messages.push(peer.next_of_all());
    }
    assert!(messages.contains(&Message::Ping));
    let packets = messages.iter().filter(|message| matches!(message, Message::Packet(..)));
    assert_eq!(packets.count(), 3);
}

#[test]
fn an_encoder_without_room_for_a_while_loses_nothing() {
    let service = Service::start("slow=4:700ms,pictures=2");
    let mut peer = Peer::encoder(&service, SMALL, &[]);
    assert_complete(&peer.encode(SMALL, 0..40, 16, false, Form::default()), SMALL, 0..40);
}

#[test]
fn a_ping_is_answered_also_amid_a_stream() {
    let service = Service::start("");
    let mut peer = Peer::encoder(&service, SMALL, &[]);
    peer.send(&SMALL.message(0, Form::default()));
    peer.ping();
    peer.flush();
    let mut messages = Vec::new();
    while messages.last() != Some(&Message::Done) {
        messages.push(peer.next_of_all());
    }
    assert!(messages.contains(&Message::Pong));
}

#[test]
fn parameter_sets_come_with_the_answer_to_configure() {
    let service = Service::start("");
    let mut peer = Peer::taken(service.address);
    match peer.configure(SMALL, &[], &[]) {
        Message::ConfigureAck { extradata, pix_fmt, .. } => {
            assert_eq!((extradata[0], pix_fmt), (1, 1), "an avcC record and NV12");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn options_that_mean_nothing_here_are_warnings_by_name() {
    let service = Service::start("");
    let mut peer = Peer::taken(service.address);
    let options = [("colour", "blue"), ("out_width", "640"), ("bitrate", "1000000")];
    let warnings = peer.configured(SMALL, &options, &[]);
    for key in ["colour", "out_width", "bitrate"] {
        assert!(warnings.iter().any(|warning| warning.contains(key)), "{key}: {warnings:?}");
    }
}

#[test]
fn sessions_at_the_same_time_do_not_mix() {
    let service = Service::start("delay=2,cost=1ms");
    std::thread::scope(|scope| {
        for client in 0..4 {
            let address = service.address;
            scope.spawn(move || {
                let numbers = client * 1000..client * 1000 + 50;
                let mut peer = Peer::taken(address);
                peer.configured(SMALL, &[], &[]);
                let packets = peer.encode(SMALL, numbers.clone(), 8, false, Form::default());
                assert_complete(&packets, SMALL, numbers);
            });
        }
    });
}
