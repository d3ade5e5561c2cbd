//! Section 1: one connection, one session, and its end.

use vtremote_proto::{End, Generation, HelloStatus, Outgoing, Server, ServerSettings};

use crate::{client_rig::ClientRig, server_rig::ServerRig, speech};

#[test]
fn a_session_takes_one_configure() {
    let mut rig = ServerRig::streaming(&[]);
    rig.hear(&speech::configure(&[]));
    assert_eq!(rig.said(), ["ERROR 7: CONFIGURE out of order"]);
}

#[test]
fn after_done_a_server_drops_what_comes_until_the_client_closes() {
    let mut rig = ServerRig::streaming(&[]);
    assert_eq!(rig.hear(&speech::flush()), ["Drain"]);
    rig.server.drained(rig.now).unwrap();
    for _ in 0..16 {
        rig.hear(&speech::flush());
    }
    assert_eq!(rig.said(), ["DONE"]);
    rig.wait(4.9);
    assert_eq!(rig.server.over(), None);
    rig.server.end_of_input(rig.now);
    assert_eq!(rig.server.over(), Some(&End::Done));
    assert!(rig.said().is_empty());
}

#[test]
fn a_client_that_stays_after_done_is_closed_after_five_seconds() {
    let mut rig = ServerRig::streaming(&[]);
    rig.hear(&speech::flush());
    rig.server.drained(rig.now).unwrap();
    assert_eq!(rig.said(), ["DONE"]);
    rig.wait(4.9);
    assert_eq!(rig.server.over(), None);
    rig.wait(0.2);
    assert_eq!(rig.server.over(), Some(&End::Done));
}

#[test]
fn the_five_seconds_begin_when_the_last_byte_was_written() {
    let mut rig = ServerRig::streaming(&[]);
    rig.hear(&speech::flush());
    rig.stuck = true;
    rig.server.drained(rig.now).unwrap();
    rig.wait(30.0);
    assert!(!rig.server.send_finished());
    assert_eq!(rig.server.over(), None);
    rig.stuck = false;
    assert_eq!(rig.said(), ["DONE"]);
    assert!(rig.server.send_finished());
    rig.wait(4.9);
    assert_eq!(rig.server.over(), None);
    rig.wait(0.2);
    assert_eq!(rig.server.over(), Some(&End::Done));
}

#[test]
fn a_client_that_closes_early_still_gets_what_was_queued_with_done() {
    let mut rig = ServerRig::streaming(&[]);
    rig.hear_frame(1);
    rig.hear(&speech::flush());
    rig.server.end_of_input(rig.now);
    rig.packet(1, 1);
    rig.server.drained(rig.now).unwrap();
    assert_eq!(rig.server.over(), None);
    assert_eq!(rig.said(), ["PACKET 1 1", "DONE"]);
    assert_eq!(rig.server.over(), Some(&End::Done));
}

#[test]
fn the_sending_side_is_finished_after_error_and_after_a_refusal_too() {
    let mut rig = ServerRig::streaming(&[]);
    rig.server.fail(rig.now, 2, "the encoder broke");
    assert!(!rig.server.send_finished());
    assert_eq!(rig.said(), ["ERROR 2: the encoder broke"]);
    assert!(rig.server.send_finished());
    assert_eq!(rig.server.over(), None);
    rig.wait(5.0);
    assert_eq!(
        rig.server.over(),
        Some(&End::Failed { code: 2, message: "the encoder broke".into() })
    );

    let mut rig = ServerRig::new();
    rig.hear(&speech::hello());
    rig.server.refuse(rig.now, &speech::ack_of(HelloStatus::Busy, speech::OURS));
    assert_eq!(rig.said(), ["HELLO_ACK busy"]);
    assert!(rig.server.send_finished());
    rig.server.end_of_input(rig.now);
    assert_eq!(rig.server.over(), Some(&End::Refused(HelloStatus::Busy)));
}

#[test]
fn the_slot_of_a_lingering_session_is_free() {
    let mut rig = ServerRig::streaming(&[]);
    assert_eq!(rig.server.end(), None);
    rig.server.fail(rig.now, 2, "the encoder broke");
    assert!(rig.server.end().is_some());
    assert_eq!(rig.server.over(), None);
}

#[test]
fn after_flush_a_client_says_nothing_but_pong() {
    let mut rig = ClientRig::with(Generation::Current);
    rig.send_all(0..3);
    rig.flush();
    for _ in 0..10 {
        rig.wait(2.0);
        rig.hear(&speech::ping());
        assert_eq!(rig.said(), ["PONG"]);
    }
}

#[test]
fn flush_waits_until_everything_that_was_admitted_is_sent() {
    let mut rig = ClientRig::with(Generation::Ours);
    let number = rig.client.admit(rig.now, 0, 1).unwrap();
    rig.client.flush(rig.now);
    assert!(rig.said().is_empty());
    rig.client.sent(rig.now, number);
    assert_eq!(rig.said(), ["FLUSH"]);
}

#[test]
fn header_and_payload_are_given_out_together() {
    let mut server = Server::<Vec<u8>>::new(ServerSettings::default());
    server.fail(std::time::Duration::ZERO, 6, "shutting down");
    let Some(Outgoing::Control(bytes)) = server.next(std::time::Duration::ZERO) else {
        panic!("an ERROR is queued")
    };
    assert_eq!(speech::lines(&bytes), ["ERROR 6: shutting down"]);
}
