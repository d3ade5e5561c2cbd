//! What a client is told when something breaks, and that only its session breaks.

use crate::peer::{Message, Peer, assert_complete};
use crate::service::{Service, settings};
use crate::video::{Form, SMALL};
use std::time::Duration;
use vtremote_planes::Compression;
use vtremote_proto::error_code;

/// The ERROR of a session that sends ten frames to a backend with this script.
fn error_of(script: &str) -> (u32, String) {
    let service = Service::start(script);
    let mut peer = Peer::encoder(&service, SMALL, &[]);
    for number in 0..10 {
        peer.send(&SMALL.message(number, Form::default()));
    }
    peer.flush();
    peer.error()
}

#[test]
fn a_lost_frame_is_an_error_and_not_a_good_end() {
    let (code, message) = error_of("drop=3");
    assert_eq!(code, error_code::INTERNAL);
    assert!(message.contains("pts 3"), "{message}");
}

#[test]
fn a_doubled_frame_is_an_error() {
    let (code, message) = error_of("double=3");
    assert_eq!(code, error_code::INTERNAL);
    assert!(message.contains("pts 3"), "{message}");
}

#[test]
fn an_encoder_that_fails_is_an_error_that_says_where() {
    let (code, message) = error_of("fail=3");
    assert_eq!(code, error_code::BUSY_OR_CODEC);
    assert!(message.contains("frame 3"), "{message}");
}

#[test]
fn an_encoder_that_fails_after_flush_is_an_error_that_says_where() {
    // When it fails nothing more is asked of it.
    let (code, message) = error_of("cost=100ms,fail=9");
    assert_eq!(code, error_code::BUSY_OR_CODEC);
    assert!(message.contains("frame 9"), "{message}");
}

#[test]
fn a_panic_ends_its_own_session_with_an_error_and_no_other() {
    let service = Service::start("panic=3");
    let mut bystander = Peer::encoder(&service, SMALL, &[]);
    bystander.send(&SMALL.message(0, Form::default()));
    let mut victim = Peer::encoder(&service, SMALL, &[]);
    for number in 0..10 {
        victim.send(&SMALL.message(number, Form::default()));
    }
    assert_eq!(victim.error().0, error_code::INTERNAL);
    bystander.send(&SMALL.message(1, Form::default()));
    bystander.flush();
    assert_complete(&bystander.rest(), SMALL, 0..2);
    let mut later = Peer::encoder(&service, SMALL, &[]);
    assert_complete(&later.encode(SMALL, 0..3, 3, false, Form::default()), SMALL, 0..3);
}

#[test]
fn data_that_does_not_decompress_is_an_error_that_names_the_frame() {
    for compression in [Compression::Lz4, Compression::Zstd] {
        let service = Service::start("");
        let number = (compression as u8).to_string();
        let mut peer = Peer::encoder(&service, SMALL, &[("wire_compression", &number)]);
        let form = Form { compression, ..Form::default() };
        peer.send(&SMALL.message(0, form));
        let mut broken = SMALL.message(1, form);
        // Header, head of the frame, head of the plane: then its data.
        broken[12 + 21 + 12..][..8].fill(0xff);
        peer.send(&broken);
        let (code, message) = peer.error();
        assert_eq!(code, error_code::BAD_REQUEST, "{compression}");
        assert!(message.contains("frame 2"), "{message}");
    }
}

#[test]
fn planes_of_the_wrong_size_are_refused() {
    let service = Service::start("");
    let mut peer = Peer::encoder(&service, SMALL, &[]);
    let other = crate::video::Video { height: 40, ..SMALL };
    peer.send(&other.message(0, Form::default()));
    assert_eq!(peer.error().0, error_code::BAD_REQUEST);
}

#[test]
fn garbage_amid_a_session_is_an_error_and_not_a_bare_end() {
    let service = Service::start("");
    let mut peer = Peer::encoder(&service, SMALL, &[]);
    peer.send(b"GET / HTTP/1.1\r\n\r\n");
    assert_eq!(peer.error().0, error_code::PROTOCOL);
}

#[test]
fn a_message_longer_than_its_format_needs_is_refused_by_its_header() {
    let service = Service::start("");
    let mut peer = Peer::encoder(&service, SMALL, &[]);
    peer.send(&vtremote_proto::MessageType::Frame.header(200 << 20));
    assert_eq!(peer.error().0, error_code::BAD_REQUEST);
}

#[test]
fn configurations_that_cannot_be_had_are_refused_by_name() {
    let service = Service::start("");
    for (options, code, word) in [
        (("mode", "transcode"), error_code::UNSUPPORTED, "transcode"),
        (("mode", "sideways"), error_code::UNSUPPORTED, "mode"),
        (("bitrate", "fast"), error_code::AUTH_OR_CONFIG, "bitrate"),
        (("level", "99"), error_code::AUTH_OR_CONFIG, "level"),
        (("global_quality", "101"), error_code::AUTH_OR_CONFIG, "global_quality"),
    ] {
        let mut peer = Peer::taken(service.address);
        match peer.configure(SMALL, &[options], &[]) {
            Message::Error(found, message) => {
                assert_eq!(found, code, "{message}");
                assert!(message.contains(word), "{message}");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(peer.next(), Message::End);
    }
}

#[test]
fn a_backend_that_gives_nothing_after_flush_is_an_error() {
    // Longer than two seconds: PING goes out meanwhile, so that the connection itself is not idle.
    let settings = vtremoted::Settings { idle_timeout: Duration::from_secs(3), ..settings() };
    let service = Service::with(&settings, "stall=1:600s");
    let mut peer = Peer::encoder(&service, SMALL, &[]);
    for number in 0..3 {
        peer.send(&SMALL.message(number, Form::default()));
    }
    peer.flush();
    let (code, message) = peer.error();
    assert_eq!(code, error_code::BUSY_OR_CODEC);
    assert!(message.contains("no output"), "{message}");
}

#[test]
fn a_backend_that_takes_nothing_is_an_error() {
    let settings = vtremoted::Settings { idle_timeout: Duration::from_millis(500), ..settings() };
    let service = Service::with(&settings, "slow=1:600s");
    let mut peer = Peer::encoder(&service, SMALL, &[]);
    for number in 0..3 {
        peer.send(&SMALL.message(number, Form::default()));
    }
    peer.error();
}

#[test]
fn a_client_that_stands_still_is_told_and_ended() {
    let settings = vtremoted::Settings { idle_timeout: Duration::from_millis(300), ..settings() };
    let service = Service::with(&settings, "");
    let mut peer = Peer::encoder(&service, SMALL, &[]);
    assert_eq!(peer.error().0, error_code::TIMEOUT);
    // And one that stops amid a message.
    let mut peer = Peer::encoder(&service, SMALL, &[]);
    peer.send(&SMALL.message(0, Form::default())[..500]);
    assert_eq!(peer.error().0, error_code::TIMEOUT);
}
