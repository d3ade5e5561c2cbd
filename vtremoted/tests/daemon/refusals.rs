//! Who gets a session, and who does not.

use crate::peer::{Message, Peer, assert_complete};
use crate::service::{GUARD, Listing, Service, settings, synthetic};
use crate::video::{Form, SMALL};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};
use vtremote_backend::PixelFormat::{self, Ayuv, Bgra, Nv12, P010, P210};
use vtremote_backend::{Capabilities, Codec, Support};
use vtremote_proto::{HelloStatus, error_code};
use vtremoted::{Settings, Source, Token};

fn with_token() -> Settings {
    let token = Some((Token::new("secret").unwrap(), Source::Environment));
    Settings { token, ..settings() }
}

/// Everything up to the end, however the connection ends.
fn all_bytes(mut stream: TcpStream) -> Vec<u8> {
    stream.set_read_timeout(Some(GUARD)).unwrap();
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Err(error) if error.kind() != std::io::ErrorKind::ConnectionReset => panic!("{error}"),
        _ => bytes,
    }
}

/// Connects until the server has a slot. It has none at first if somebody is to lose it.
fn eventually_taken(service: &Service) -> Peer {
    let began = Instant::now();
    loop {
        let mut peer = Peer::connect(service.address);
        match peer.hello("") {
            HelloStatus::Ok => return peer,
            HelloStatus::Busy => assert!(began.elapsed() < GUARD / 2, "the slot stays taken"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_full_server_reads_hello_and_says_so() {
    let service = Service::with(&Settings { max_sessions: 2, ..settings() }, "");
    let first = Peer::encoder(&service, SMALL, &[]);
    let _second = Peer::taken(service.address);
    let mut third = Peer::connect(service.address);
    third.send_hello("");
    match third.next() {
        Message::HelloAck { status, max, active, .. } => {
            assert_eq!((status, max, active), (HelloStatus::Busy, 2, 2));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(third.next(), Message::End);
    drop(first);
    eventually_taken(&service);
}

#[test]
fn a_client_that_comes_back_at_once_finds_its_slot_free() {
    let service = Service::with(&Settings { max_sessions: 1, ..settings() }, "");
    for _ in 0..200 {
        drop(Peer::taken(service.address));
    }
}

#[test]
fn the_pixel_formats_that_are_listed_are_those_of_the_codec_that_is_asked_for() {
    let of = |codec, formats: &[PixelFormat]| Support {
        codec,
        implementation: "any".into(),
        formats: formats.to_vec(),
    };
    let synthetic = synthetic("");
    let capabilities = Capabilities {
        encoders: vec![of(Codec::H264, &[Nv12, Ayuv]), of(Codec::H265, &[Nv12, P010, P210])],
        decoders: vec![of(Codec::H265, &[P010, Bgra])],
        ..synthetic.capabilities().clone()
    };
    let service = Service::over(&settings(), Arc::new(Listing(synthetic, capabilities)));
    for (codec, formats) in [
        // Early and current clients require the first two, whatever they are about to encode.
        ("h264", &["pixfmt.nv12", "pixfmt.p010", "pixfmt.ayuv"][..]),
        ("hevc", &["pixfmt.nv12", "pixfmt.p010", "pixfmt.bgra", "pixfmt.p210"]),
    ] {
        let mut peer = Peer::connect(service.address);
        peer.codec = codec;
        peer.send_hello("");
        let Message::HelloAck { capabilities, .. } = peer.next() else { panic!("{codec}") };
        let listed = capabilities.iter().filter(|listed| listed.starts_with("pixfmt."));
        assert_eq!(listed.collect::<Vec<_>>(), formats, "{codec}");
        assert!(["h264", "hevc"].iter().all(|codec| capabilities.iter().any(|one| one == codec)));
    }
}

#[test]
fn a_server_lists_what_clients_require_and_what_its_backend_has() {
    let service = Service::start("");
    let mut peer = Peer::connect(service.address);
    peer.send_hello("");
    let Message::HelloAck { status, capabilities, max, active } = peer.next() else { panic!() };
    assert_eq!((status, max, active), (HelloStatus::Ok, 4, 1));
    for capability in [
        "h264",
        "hevc",
        "pixfmt.nv12",
        "pixfmt.p010",
        "pixfmt.bgra",
        "pixfmt.ayuv",
        "pixfmt.p210",
        "hwframes.videotoolbox.input",
        "hwframes.videotoolbox.output",
        "side_data.v2",
        "x.ack.v1",
        "x.slices.v1",
    ] {
        assert!(capabilities.iter().any(|listed| listed == capability), "{capability}");
    }
    assert!(!capabilities.iter().any(|listed| listed == "packet_ack.v1"), "nothing is transcoded");
}

#[test]
fn a_wrong_token_is_refused_and_holds_nobody_up() {
    let service = Service::with(&with_token(), "");
    let mut wrong = Peer::connect(service.address);
    wrong.send_hello("guess");
    let mut none = Peer::connect(service.address);
    none.send_hello("");
    // Served to its end while the others wait for their answers.
    let mut right = Peer::connect(service.address);
    assert_eq!(right.hello("secret"), HelloStatus::Ok);
    right.configured(SMALL, &[], &[]);
    assert_complete(&right.encode(SMALL, 0..3, 3, false, Form::default()), SMALL, 0..3);
    for peer in [&mut wrong, &mut none] {
        match peer.next() {
            Message::HelloAck { status, .. } => {
                assert_eq!(status, HelloStatus::AuthenticationFailed);
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(peer.next(), Message::End);
    }
}

#[test]
fn wrong_tokens_take_no_slot() {
    let service = Service::with(&Settings { max_sessions: 1, ..with_token() }, "");
    let mut guesses: Vec<_> = (0..8).map(|_| Peer::connect(service.address)).collect();
    guesses.iter_mut().for_each(|peer| peer.send_hello("guess"));
    let mut right = Peer::connect(service.address);
    assert_eq!(right.hello("secret"), HelloStatus::Ok);
}

#[test]
fn a_codec_that_does_not_exist_here_is_unsupported() {
    let service = Service::start("");
    let mut peer = Peer::connect(service.address);
    peer.codec = "av1";
    assert_eq!(peer.hello(""), HelloStatus::Unsupported);
    assert_eq!(peer.next(), Message::End);
}

#[test]
fn other_software_on_the_port_gets_no_byte() {
    let service = Service::start("");
    for greeting in [&b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"[..], b"\x16\x03\x01\x02\x00", b"V\n"]
    {
        let mut stream = TcpStream::connect(service.address).unwrap();
        stream.write_all(greeting).unwrap();
        assert_eq!(all_bytes(stream), b"", "{greeting:?}");
    }
}

#[test]
fn two_hundred_connections_that_never_speak_keep_nobody_from_working() {
    let service = Service::start("");
    let mut working = Peer::encoder(&service, SMALL, &[]);
    working.send(&SMALL.message(0, Form::default()));
    let silent: Vec<_> = (0..200).map(|_| TcpStream::connect(service.address).unwrap()).collect();
    let mut new = Peer::encoder(&service, SMALL, &[]);
    assert_complete(&new.encode(SMALL, 0..20, 8, false, Form::default()), SMALL, 0..20);
    working.send(&SMALL.message(1, Form::default()));
    working.flush();
    assert_complete(&working.rest(), SMALL, 0..2);
    // There is a bound: the oldest of them had to go, without a word.
    for stream in silent.into_iter().take(20) {
        assert_eq!(all_bytes(stream), b"");
    }
}

#[test]
fn a_client_that_never_speaks_is_ended_at_the_handshake_timeout() {
    let settings = Settings { handshake_timeout: Duration::from_millis(200), ..settings() };
    let service = Service::with(&settings, "");
    // One before HELLO, one after it.
    let mut silent = Peer::connect(service.address);
    assert_eq!(silent.error().0, error_code::TIMEOUT);
    let mut half = Peer::taken(service.address);
    assert_eq!(half.error().0, error_code::TIMEOUT);
}

#[test]
fn a_client_that_vanishes_frees_its_slot() {
    let service = Service::with(&Settings { max_sessions: 1, ..settings() }, "stall=0:600s");
    // After HELLO, after CONFIGURE, amid a frame, with frames unanswered, after FLUSH.
    drop(Peer::taken(service.address));
    let mut peer = eventually_taken(&service);
    peer.configured(SMALL, &[], &[]);
    drop(peer);
    let mut peer = eventually_taken(&service);
    peer.configured(SMALL, &[], &[]);
    peer.send(&SMALL.message(0, Form::default())[..1000]);
    drop(peer);
    let mut peer = eventually_taken(&service);
    peer.configured(SMALL, &[], &[]);
    (0..3).for_each(|number| peer.send(&SMALL.message(number, Form::default())));
    drop(peer);
    eventually_taken(&service);
}

#[test]
fn a_client_that_comes_back_finds_its_slot_free() {
    let service = Service::with(&Settings { max_sessions: 1, ..settings() }, "");
    for _ in 0..50 {
        let mut peer = Peer::encoder(&service, SMALL, &[]);
        (0..3).for_each(|number| peer.send(&SMALL.message(number, Form::default())));
        peer.flush();
        // It does not even wait for the connection's end.
        while peer.next() != Message::Done {}
    }
}

#[test]
fn a_refused_configuration_frees_its_slot() {
    let service = Service::with(&Settings { max_sessions: 1, ..settings() }, "");
    for _ in 0..20 {
        let mut peer = Peer::taken(service.address);
        let refused = peer.configure(SMALL, &[("mode", "transcode")], &[]);
        assert!(matches!(refused, Message::Error(..)));
    }
}
