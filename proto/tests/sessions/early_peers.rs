//! Peers of the field, early and current, scripted as they behave, each through a whole session.

use std::collections::VecDeque;

use vtremote_proto::{
    ClientError, ClientSettings, Configure, ConfigureAck, End, Generation, HelloAck, HelloStatus,
    PacketHead,
};

use crate::{
    client_rig::{ClientRig, decoding, settings},
    server_rig::ServerRig,
    speech,
};

/// An encode client of the field against a server whose backend holds `delay` frames back. It fills its
/// window before it reads. Gives the pts of the packets with data, or nothing if the two wait for each
/// other.
fn encode_with(window: i64, repeats: bool, delay: usize, frames: i64) -> Option<Vec<i64>> {
    let mut rig = ServerRig::streaming(&[]);
    let (mut held, mut received) = (VecDeque::new(), Vec::new());
    let (mut next, mut credit) = (0, window);
    while received.len() < frames as usize {
        let flushed = next == frames;
        while next < frames && credit > 0 {
            let message = speech::frame(next);
            // An early client sends the frame that fills its window twice, and counts both.
            let copies = if repeats && credit == 1 { 2 } else { 1 };
            for _ in 0..copies {
                if !rig.hear(&message).is_empty() {
                    held.push_back(next);
                }
                credit -= 1;
            }
            next += 1;
        }
        if next == frames && !flushed {
            for _ in 0..16 {
                rig.hear(&speech::flush());
            }
        }
        while held.len() > if next == frames { 0 } else { delay } {
            let pts = held.pop_front().unwrap();
            rig.packet(pts, pts);
        }
        let mut lines = rig.said();
        if lines.is_empty() {
            rig.wait(0.1);
            lines = rig.said();
        }
        if lines.is_empty() {
            return None;
        }
        for line in lines {
            credit += 1;
            if let Some(packet) = line.strip_prefix("PACKET ").filter(|it| !it.ends_with("empty")) {
                received.push(packet.split(' ').next().unwrap().parse().unwrap());
            }
        }
    }
    rig.server.drained(rig.now).unwrap();
    assert_eq!(rig.said(), ["DONE"]);
    rig.server.end_of_input(rig.now);
    assert_eq!(rig.server.over(), Some(&End::Done));
    Some(received)
}

#[test]
fn an_early_client_that_repeats_frame_and_flush_gets_every_packet_once() {
    for (window, delay) in
        [(1, 0), (2, 0), (2, 1), (8, 3), (8, 4), (8, 7), (15, 7), (16, 7), (128, 7)]
    {
        let received = encode_with(window, true, delay, 100);
        assert_eq!(received, Some((0..100).collect()), "{window} {delay}");
    }
}

#[test]
fn a_silent_window_of_eight_goes_on_with_seven_frames_held_back_and_not_with_eight() {
    assert_eq!(encode_with(8, false, 7, 100), Some((0..100).collect()));
    assert_eq!(encode_with(8, false, 8, 100), None);
}

#[test]
fn a_client_that_closes_before_flush_is_over_without_another_byte() {
    let mut rig = ServerRig::streaming(&[]);
    (0..8).for_each(|pts| rig.hear_frame(pts));
    rig.packet(0, 0);
    rig.said();
    rig.server.end_of_input(rig.now);
    assert_eq!(rig.server.over(), Some(&End::ClientLeft { unanswered: 7 }));
    assert!(rig.said().is_empty());
    assert_eq!(rig.server.deadline(), None);
}

#[test]
fn an_early_hevc_decode_client_probes_and_then_decodes() {
    let configure = Configure {
        pix_fmt: 2,
        time_base: vtremote_proto::Rational { num: 0, den: 1 },
        frame_rate: vtremote_proto::Rational { num: 0, den: 1 },
        extradata: &[1, 2, 3],
        ..speech::configure_of(&[("mode", "decode")])
    };
    let mut bytes = Vec::new();
    configure.encode(&mut bytes).unwrap();

    let mut probe = ServerRig::accepted();
    assert_eq!(probe.hear(&bytes), ["Configure"]);
    probe.configured();
    probe.server.end_of_input(probe.now);
    assert!(probe.server.over().is_some());

    let mut rig = ServerRig::accepted();
    assert_eq!(rig.hear(&bytes), ["Configure"]);
    rig.configured();
    rig.said();
    // It sends pts 0 for "none", waits for a frame after each packet, and is never pinged.
    for _ in 0..5 {
        assert_eq!(rig.hear(&speech::packet(0, 0)), ["Packet 0", "PacketEnd"]);
        rig.wait(4.9);
        rig.server.frame(rig.now, speech::frame(0)).unwrap();
        assert_eq!(rig.said(), ["FRAME 0"]);
    }
    assert_eq!(rig.hear(&speech::flush()), ["Drain"]);
    rig.server.drained(rig.now).unwrap();
    assert_eq!(rig.said(), ["DONE"]);
}

#[test]
fn a_current_client_that_pauses_inside_a_window_is_pinged_and_kept() {
    let mut rig = ServerRig::streaming(&[("realtime", "0")]);
    (0..8).for_each(|pts| rig.hear_frame(pts));
    rig.wait(600.0);
    assert!(rig.said().iter().all(|line| line == "PING"));
    (0..8).for_each(|pts| rig.packet(pts, pts));
    assert_eq!(rig.said().len(), 8);
    assert_eq!(rig.server.end(), None);
}

// ── servers ──

/// HELLO_ACK as an early server sends it.
fn early_hello_ack() -> Vec<u8> {
    let ack = HelloAck {
        status: HelloStatus::Ok,
        server_name: "",
        server_version: "",
        capabilities: speech::EARLY.to_vec(),
        max_sessions: 4,
        active_sessions: 1,
    };
    let mut bytes = Vec::new();
    ack.encode(&mut bytes).unwrap();
    bytes
}

fn with_early_server() -> ClientRig {
    let mut rig = ClientRig::new(settings());
    assert_eq!(rig.hear(&early_hello_ack()), ["Connected"]);
    assert_eq!(rig.client.server().generation, Generation::Early);
    assert_eq!(rig.client.server().name, "");
    assert_eq!(rig.hear(&speech::configure_ack()), ["Configured"]);
    rig.said();
    rig
}

/// A packet of an early server: no duration.
fn early_packet(pts: i64, dts: i64) -> Vec<u8> {
    speech::packet_of(PacketHead { duration: 0, ..speech::head(pts, dts) })
}

#[test]
fn an_early_hello_ack_may_end_before_the_session_counts() {
    let mut bytes = early_hello_ack();
    bytes.truncate(bytes.len() - 4);
    let len = bytes.len() as u32 - 12;
    bytes[8..12].copy_from_slice(&len.to_be_bytes());
    let mut rig = ClientRig::new(settings());
    assert_eq!(rig.hear(&bytes), ["Connected"]);
}

#[test]
fn an_early_servers_durations_and_dts_are_repaired_through_a_session() {
    let mut rig = with_early_server();
    rig.send_all(0..6);
    let mut steps = Vec::new();
    for (pts, dts) in [(0, 0), (1, 0), (2, 1), (3, 3), (4, 3), (5, 5)] {
        steps.extend(rig.hear(&early_packet(pts, dts)).into_iter().filter(|it| it != "PacketEnd"));
    }
    let expected: Vec<_> = (0..6).map(|pts| format!("Packet {pts} {pts} 1")).collect();
    assert_eq!(steps, expected);
    rig.flush();
    assert_eq!(rig.hear(&speech::done()), ["Done"]);
}

#[test]
fn a_frame_that_an_early_server_drops_is_found_at_done() {
    let mut rig = with_early_server();
    rig.send_all(0..3);
    rig.hear(&early_packet(0, 0));
    rig.hear(&early_packet(2, 2));
    rig.flush();
    assert_eq!(rig.hear(&speech::done()), ["Failed"]);
    assert_eq!(rig.failure(), &ClientError::Missing { count: 1, first: 1 });
    assert_eq!(rig.failure().to_string(), "the server dropped the frame with pts 1");
}

#[test]
fn an_early_server_that_closes_without_error_is_a_failure() {
    let mut rig = with_early_server();
    rig.send_all(0..16);
    (0..9).for_each(|pts| drop(rig.hear(&early_packet(pts, pts))));
    rig.client.end_of_input(rig.now);
    assert_eq!(rig.failure(), &ClientError::Lost { awaited: "DONE", unanswered: 7 });
}

#[test]
fn an_early_server_is_kept_from_its_idle_limit_of_ten_seconds() {
    let mut rig = with_early_server();
    let mut quiet = 0.0f64;
    for _ in 0..100 {
        rig.wait(0.5);
        quiet += 0.5;
        if !rig.said().is_empty() {
            quiet = 0.0;
            rig.hear(&speech::pong());
        }
        assert!(quiet < 10.0);
    }
    assert_eq!(rig.client.failure(), None);
}

#[test]
fn an_early_decoder_gets_no_extensions_and_its_frames_are_sorted() {
    let mut rig = ClientRig::new(ClientSettings { want_slices: true, ..decoding() });
    rig.hear(&early_hello_ack());
    let said = rig.said().pop().unwrap();
    assert!(!said.contains("x."), "{said}");
    rig.hear(&speech::configure_ack());
    for pts in [0, 2, 1] {
        rig.send(pts).unwrap();
        assert_eq!(rig.hear(&speech::frame(pts)).len(), 2);
    }
    rig.flush();
    rig.hear(&speech::done());
    let shown: Vec<_> = std::iter::from_fn(|| rig.client.next_in_order()).collect();
    assert_eq!(shown, [0, 2, 1]);
}

#[test]
fn a_current_server_with_warnings_and_pings_completes_a_session() {
    let mut rig = ClientRig::new(settings());
    assert_eq!(rig.hear(&speech::hello_ack(speech::CURRENT)), ["Connected"]);
    let ack = ConfigureAck {
        status: 0,
        extradata: &[1, 0x64, 0, 0x1f],
        pix_fmt: 1,
        warnings: vec!["max_ref_frames is not supported"],
    };
    let mut bytes = Vec::new();
    ack.encode(&mut bytes).unwrap();
    assert_eq!(rig.hear(&bytes), ["Configured"]);
    rig.said();
    for pts in 0..40 {
        rig.send(pts).unwrap();
        rig.hear(&speech::ping());
        rig.hear_packet(pts, pts);
    }
    rig.flush();
    assert_eq!(rig.hear(&[speech::ping(), speech::done()].concat()), ["Done"]);
    assert_eq!(rig.client.counts().received, 40);
}
