//! Section 2: what is no message, no known message, or no message here.

use vtremote_proto::{ClientError, End, Generation};

use crate::{
    client_rig::{ClientRig, settings},
    server_rig::ServerRig,
    speech,
};

#[test]
fn other_software_is_closed_without_a_byte() {
    for bytes in [&b"GET / HTTP/1.1\r\n"[..], b"VTR1\0\x02\0\x01\0\0\0\0"] {
        let mut rig = ServerRig::new();
        rig.hear(bytes);
        assert_eq!(rig.server.over(), Some(&End::NotVtr1));
        assert!(rig.said().is_empty());
    }
}

#[test]
fn a_connection_that_closes_without_a_byte_is_over() {
    let mut rig = ServerRig::new();
    rig.server.end_of_input(rig.now);
    assert_eq!(rig.server.over(), Some(&End::ClientLeft { unanswered: 0 }));
    assert!(rig.said().is_empty());
}

#[test]
fn a_stream_that_loses_its_place_ends_with_error() {
    let mut rig = ServerRig::streaming(&[]);
    rig.hear(b"XXXXXXXXXXXX");
    assert_eq!(rig.said().len(), 1);
    assert!(rig.end().starts_with("error 7"), "{}", rig.end());
}

#[test]
fn unknown_messages_are_skipped_by_both_ends() {
    let mut rig = ServerRig::streaming(&[]);
    assert!(rig.hear(&speech::raw(99, &[1; 300])).is_empty());
    rig.hear_frame(0);

    let mut rig = ClientRig::with(Generation::Current);
    assert!(rig.hear(&speech::raw(0x4fff, b"later")).is_empty());
    rig.send_all(0..1);
    rig.hear_packet(0, 0);
}

#[test]
fn a_server_answers_what_only_servers_send_with_error_4() {
    let messages = [
        speech::hello_ack(speech::OURS),
        speech::configure_ack(),
        speech::done(),
        speech::raw(12, &[]),
        speech::ack(1),
    ];
    for message in messages {
        let mut rig = ServerRig::streaming(&[]);
        assert_eq!(rig.hear(&message), ["Closing"]);
        assert_eq!(rig.said(), ["ERROR 4: a message that only servers send"]);
    }
    // Whatever is in it.
    for kind in [2, 4] {
        let mut rig = ServerRig::streaming(&[]);
        rig.hear(&speech::raw(kind, &[]));
        let said = rig.said();
        assert!(said.len() == 1 && said[0].starts_with("ERROR 4"), "{said:?}");
    }
}

#[test]
fn a_client_fails_by_what_only_clients_send() {
    for message in [speech::hello(), speech::configure(&[]), speech::flush()] {
        let mut rig = ClientRig::with(Generation::Current);
        assert_eq!(rig.hear(&message), ["Failed"]);
        assert!(matches!(rig.failure(), ClientError::Violation(_)));
    }
}

#[test]
fn a_server_refuses_what_comes_before_its_turn() {
    let too_early: [(ServerRig, Vec<u8>); 6] = [
        (ServerRig::new(), speech::configure(&[])),
        (ServerRig::new(), speech::flush()),
        (ServerRig::accepted(), speech::hello()),
        (ServerRig::accepted(), speech::frame(1)),
        (ServerRig::configuring(&[]), speech::frame(1)),
        (ServerRig::configuring(&[]), speech::flush()),
    ];
    for (mut rig, message) in too_early {
        rig.said();
        assert_eq!(rig.hear(&message), ["Closing"]);
        let said = rig.said();
        assert!(said.len() == 1 && said[0].starts_with("ERROR 7"), "{said:?}");
    }
}

#[test]
fn a_client_fails_by_what_comes_before_its_turn() {
    for message in [speech::configure_ack(), speech::packet(1, 1), speech::done(), speech::ack(0)] {
        let mut rig = ClientRig::new(settings());
        assert_eq!(rig.hear(&message), ["Failed"]);
        assert!(matches!(rig.failure(), ClientError::Violation(_)));
    }
}

#[test]
fn each_direction_has_its_own_bulk() {
    let mut rig = ServerRig::streaming(&[]);
    assert_eq!(rig.hear(&speech::packet(1, 1)), ["Closing"]);
    assert_eq!(rig.said(), ["ERROR 4: PACKET in a session of the other direction"]);

    let mut rig = ServerRig::streaming(&[("mode", "decode")]);
    assert_eq!(rig.hear(&speech::frame(1)), ["Closing"]);
    assert_eq!(rig.said(), ["ERROR 4: FRAME in a session of the other direction"]);

    let mut rig = ClientRig::with(Generation::Current);
    assert_eq!(rig.hear(&speech::frame(1)), ["Failed"]);
}

#[test]
fn frames_after_flush_are_refused() {
    let mut rig = ServerRig::streaming(&[]);
    rig.hear(&speech::flush());
    assert_eq!(rig.hear(&speech::frame(1)), ["Closing"]);
    assert_eq!(rig.said(), ["ERROR 7: FRAME after FLUSH"]);
}

#[test]
fn a_message_that_contradicts_itself_ends_with_an_error_that_names_it() {
    let mut rig = ServerRig::accepted();
    rig.said();
    rig.hear(&speech::raw(3, &[0; 5]));
    let said = rig.said();
    assert!(said[0].contains("CONFIGURE"), "{said:?}");
}

#[test]
fn the_clients_error_ends_the_session_unanswered() {
    let mut rig = ServerRig::streaming(&[]);
    assert_eq!(rig.hear(&speech::error(2, "disk full")), ["Closing"]);
    assert_eq!(rig.end(), "the client sent error 2: disk full");
    assert!(rig.server.over().is_some());
    assert!(rig.said().is_empty());
}

#[test]
fn a_client_knows_what_is_no_server() {
    let mut rig = ClientRig::new(settings());
    rig.hear(b"SSH-2.0-OpenSSH_9.2\r\n");
    assert_eq!(rig.failure(), &ClientError::NotVtr1);
}

#[test]
fn a_client_says_which_message_of_the_servers_cannot_be_read() {
    let mut rig = ClientRig::with(Generation::Ours);
    rig.hear(&speech::raw(6, &[0; 5]));
    assert!(rig.failure().to_string().contains("PACKET"), "{}", rig.failure());
}
