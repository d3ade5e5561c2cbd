//! How a daemon stops.

use crate::peer::{Message, Peer, assert_complete};
use crate::service::{GUARD, Service, settings, synthetic};
use crate::video::{Form, SMALL, Video};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};
use vtremote_link::Address;
use vtremote_proto::{HelloStatus, error_code};
use vtremoted::{Daemon, Exit, Settings};

/// So that a test which would wait for it fails at its guard.
const NEVER: Duration = Duration::from_secs(3600);

#[test]
fn a_stop_lets_sessions_finish_and_takes_no_new_ones() {
    let service = Service::start("");
    let mut peer = Peer::encoder(&service, SMALL, &[]);
    peer.send(&SMALL.message(0, Form::default()));
    service.stop();
    // The listener closes within a tick.
    let began = Instant::now();
    while TcpStream::connect(service.address).is_ok() {
        assert!(began.elapsed() < GUARD, "it still accepts");
        std::thread::sleep(Duration::from_millis(10));
    }
    let packets = peer.encode(SMALL, 1..30, 8, false, Form::default());
    assert_complete(&packets, SMALL, 0..30);
    drop(peer);
    assert_eq!(service.exit(), Exit::Clean);
}

#[test]
fn sessions_that_go_on_beyond_the_drain_timeout_are_told() {
    let settings = Settings { drain_timeout: Duration::from_millis(100), ..settings() };
    let service = Service::with(&settings, "");
    let mut peer = Peer::encoder(&service, SMALL, &[]);
    service.stop();
    let (code, message) = peer.error();
    assert_eq!(code, error_code::BUSY_OR_CODEC);
    assert!(message.contains("shutting down"), "{message}");
    drop(peer);
    assert_eq!(service.exit(), Exit::Interrupted);
}

#[test]
fn a_client_that_does_not_even_read_cannot_hold_the_daemon() {
    let settings = Settings { drain_timeout: Duration::from_millis(100), ..settings() };
    let service = Service::with(&settings, "");
    let peer = Peer::encoder(&service, SMALL, &[]);
    service.stop();
    assert_eq!(service.exit(), Exit::Interrupted);
    drop(peer);
}

#[test]
fn connections_without_a_session_do_not_hold_up_a_stop() {
    let settings = Settings { drain_timeout: NEVER, handshake_timeout: NEVER, ..settings() };
    let service = Service::with(&settings, "");
    let silent = TcpStream::connect(service.address).unwrap();
    // It has been accepted once a later one is served.
    let mut peer = Peer::encoder(&service, SMALL, &[]);
    peer.flush();
    peer.rest();
    drop(peer);
    service.stop();
    assert_eq!(service.exit(), Exit::Clean);
    drop(silent);
}

#[test]
fn once_serves_one_session_and_tells_others_that_it_is_full() {
    let service = Service::with(&Settings { once: true, ..settings() }, "");
    let mut peer = Peer::encoder(&service, SMALL, &[]);
    let mut other = Peer::connect(service.address);
    assert_eq!(other.hello(""), vtremote_proto::HelloStatus::Busy);
    drop(other);
    assert_complete(&peer.encode(SMALL, 0..5, 5, false, Form::default()), SMALL, 0..5);
    // Nor is there room for another once the session has ended.
    let mut other = Peer::connect(service.address);
    assert_eq!(other.hello(""), vtremote_proto::HelloStatus::Busy);
    drop((other, peer));
    assert_eq!(service.exit(), Exit::Clean);
}

#[test]
fn once_is_not_used_up_by_a_client_that_asks_for_what_cannot_be_had() {
    let service = Service::with(&Settings { once: true, ..settings() }, "");
    let mut refused = Peer::taken(service.address);
    let answer = refused.configure(Video { width: 20_000, ..SMALL }, &[], &[]);
    assert!(matches!(answer, Message::Error { .. }), "{answer:?}");
    drop(refused);
    let mut peer = Peer::encoder(&service, SMALL, &[]);
    assert_complete(&peer.encode(SMALL, 0..5, 5, false, Form::default()), SMALL, 0..5);
    drop(peer);
    assert_eq!(service.exit(), Exit::Clean);
}

#[test]
fn once_is_not_used_up_by_a_client_that_only_looks() {
    let service = Service::with(&Settings { once: true, ..settings() }, "");
    drop(TcpStream::connect(service.address).unwrap());
    let mut looks = Peer::taken(service.address);
    looks.finish();
    assert_eq!(looks.next(), Message::End);
    let mut peer = Peer::encoder(&service, SMALL, &[]);
    assert_complete(&peer.encode(SMALL, 0..5, 5, false, Form::default()), SMALL, 0..5);
    drop(peer);
    assert_eq!(service.exit(), Exit::Clean);
}

#[test]
fn once_says_when_the_session_failed() {
    let service = Service::with(&Settings { once: true, ..settings() }, "fail=0");
    let mut peer = Peer::encoder(&service, SMALL, &[]);
    peer.send(&SMALL.message(0, Form::default()));
    peer.error();
    drop(peer);
    assert_eq!(service.exit(), Exit::Interrupted);
}

#[test]
fn an_address_in_use_is_named_before_any_encoder_is_asked_for() {
    let service = Service::start("");
    let address = Address { host: "127.0.0.1".into(), port: service.address.port() };
    let settings = Settings { listen: vec![address], ..settings() };
    let asked = || panic!("encoders are asked for");
    let error = Daemon::bind(&settings, asked).err().unwrap();
    assert!(error.to_string().contains(&service.address.to_string()), "{error}");
}

#[test]
fn clients_that_come_while_encoders_are_asked_for_are_served() {
    let bound = |_| {
        // A port that is free, and may be another's a moment later.
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let listen = vec![Address { host: "127.0.0.1".into(), port: free.port() }];
        let mut early = None;
        let daemon = Daemon::bind(&Settings { listen, ..settings() }, || {
            early = Some(Peer::connect(free));
            Ok(vec![synthetic("")])
        });
        daemon.ok().zip(early)
    };
    let (daemon, mut early) = (0..10).find_map(bound).expect("a port that stays free");
    let service = Service::serving(daemon);
    assert_eq!(early.hello(""), HelloStatus::Ok);
    early.configured(SMALL, &[], &[]);
    assert_complete(&early.encode(SMALL, 0..3, 3, false, Form::default()), SMALL, 0..3);
    drop(service);
}
