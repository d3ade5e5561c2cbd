//! Section 7: order, credit, end.

use std::time::Duration;

use vtremote_proto::{
    AdmitError, ClientError, ClientSettings, End, Generation, NO_PTS, OutputError,
};

use crate::{
    client_rig::{ClientRig, decoding, settings},
    server_rig::ServerRig,
    speech,
};

fn with_window(window: u32, capabilities: &[&str]) -> ClientRig {
    ClientRig::streaming(ClientSettings { window, ..settings() }, capabilities)
}

#[test]
fn a_session_goes_from_hello_to_done() {
    let mut rig = ServerRig::new();
    assert_eq!(rig.hear(&speech::hello()), ["Hello"]);
    rig.server.accept(rig.now, &speech::ack_of(vtremote_proto::HelloStatus::Ok, speech::OURS));
    assert_eq!(rig.hear(&speech::configure(&[])), ["Configure"]);
    rig.configured();
    rig.hear_frame(0);
    rig.packet(0, 0);
    assert_eq!(rig.hear(&speech::flush()), ["Drain"]);
    rig.server.drained(rig.now).unwrap();
    assert_eq!(rig.said(), ["HELLO_ACK accepted", "CONFIGURE_ACK 1", "PACKET 0 0", "DONE"]);
    rig.server.end_of_input(rig.now);
    assert_eq!(rig.server.over(), Some(&End::Done));
}

#[test]
fn the_window_counts_frames_without_a_packet() {
    for window in [1, 8, 16] {
        let mut rig = with_window(window, speech::CURRENT);
        rig.send_all(0..window.into());
        assert!(!rig.client.room(rig.now));
        assert_eq!(rig.send(-1), Err(AdmitError::NoRoom));
        rig.hear_packet(0, 0);
        assert_eq!(rig.send(-1), Ok(()));
        assert!(!rig.client.room(rig.now));
    }
}

#[test]
fn with_acks_the_window_counts_what_the_backend_has_not_taken() {
    let mut rig = with_window(4, speech::OURS);
    rig.send_all(0..4);
    assert!(!rig.client.room(rig.now));
    assert_eq!(rig.hear(&speech::ack(3)), ["Ack 3"]);
    rig.send_all(4..7);
    assert!(!rig.client.room(rig.now));
    assert_eq!(rig.client.outstanding(), 7);
    rig.hear_packet(0, 0);
    assert!(!rig.client.room(rig.now));
}

#[test]
fn a_window_that_adapts_shrinks_where_fewer_do_as_well_and_loses_nothing() {
    for capabilities in [speech::CURRENT, speech::OURS] {
        let mut rig = with_window(0, capabilities);
        assert_eq!(rig.client.window(), 16);
        assert_eq!(rig.client.most_in_flight(), 64);
        // An encoder that takes 100 a second however many wait for it.
        let (mut sent, mut answered) = (0, 0);
        while answered < 3000 {
            while rig.client.room(rig.now) {
                rig.send(sent).unwrap();
                sent += 1;
            }
            assert!(rig.client.outstanding() <= 64 + 3);
            rig.wait(0.01);
            answered += 1;
            if capabilities == speech::OURS {
                rig.hear(&speech::ack(answered as u32));
            }
            rig.hear_packet(answered - 1, answered - 1);
        }
        let (least, most) = if capabilities == speech::OURS { (3, 5) } else { (8, 12) };
        assert!((least..=most).contains(&rig.client.window()), "{}", rig.client.window());
    }
}

#[test]
fn what_has_come_and_waits_for_the_caller_takes_room_in_the_window() {
    for settings in [settings(), decoding()] {
        for capabilities in [speech::EARLY, speech::CURRENT, speech::OURS] {
            let settings = ClientSettings { window: 4, ..settings.clone() };
            let mut rig = ClientRig::streaming(settings, capabilities);
            rig.client.unclaimed(3);
            rig.send_all(0..1);
            assert!(!rig.client.room(rig.now));
            // A caller that is slow does not show that the codec holds anything back.
            assert_eq!(rig.client.room_at(), None);
            rig.wait(0.5);
            assert_eq!(rig.send(1), Err(AdmitError::NoRoom));
            rig.client.unclaimed(2);
            assert_eq!(rig.send(1), Ok(()));
        }
    }
}

#[test]
fn a_decoder_that_has_taken_the_window_gets_more_packets_once_it_has_kept_them_for_a_while() {
    for capabilities in [speech::CURRENT, speech::OURS] {
        let mut rig =
            ClientRig::streaming(ClientSettings { window: 2, ..decoding() }, capabilities);
        let mut sent = 0;
        let mut stalls = Vec::new();
        while sent < 200 && stalls.len() < 5 {
            if rig.send(sent) == Err(AdmitError::NoRoom) {
                let at = rig.client.room_at().expect("time makes room");
                assert_eq!(at - rig.now, Duration::from_millis(100));
                stalls.push(sent);
                rig.wait(0.1);
            } else {
                sent += 1;
                if capabilities == speech::OURS {
                    rig.hear(&speech::ack(sent as u32));
                }
            }
        }
        let most = if capabilities == speech::OURS { 2 + 3 } else { 2 };
        assert_eq!(stalls, [0, 8, 16, 32, 64].map(|more| most + more));
    }
}

#[test]
fn a_packet_that_the_decoder_has_not_taken_is_not_one_that_it_holds_back() {
    let settings = ClientSettings { window: 2, ..decoding() };
    let mut rig = ClientRig::streaming(settings, speech::OURS);
    for pts in 0..5 {
        rig.send(pts).unwrap();
        rig.hear(&speech::ack(pts as u32));
    }
    assert_eq!(rig.client.room_at(), None);
    rig.wait(0.5);
    assert!(!rig.client.room(rig.now));
    rig.hear(&speech::ack(5));
    rig.wait(0.1);
    assert!(rig.client.room(rig.now));
}

#[test]
fn a_decoder_that_takes_any_number_of_packets_and_gives_nothing_gets_them() {
    let settings = ClientSettings { window: 2, ..decoding() };
    let mut rig = ClientRig::streaming(settings, speech::OURS);
    let mut waits = 0;
    for pts in 0..1000 {
        while rig.send(pts).is_err() {
            rig.wait(0.1);
            waits += 1;
        }
        rig.hear(&speech::ack(pts as u32 + 1));
    }
    assert_eq!(waits, 5);
}

#[test]
fn with_acks_time_alone_makes_no_room() {
    let mut rig = with_window(1, speech::OURS);
    rig.send_all(0..1);
    assert_eq!(rig.client.room_at(), None);
    rig.wait(2.0);
    assert!(!rig.client.room(rig.now));
}

#[test]
fn an_encoder_that_has_not_taken_all_answers_before_it_gets_more_than_three_beyond_the_window() {
    let mut rig = with_window(4, speech::OURS);
    for pts in 0..7 {
        rig.send(pts).unwrap();
        rig.hear(&speech::ack(pts as u32));
    }
    assert_eq!(rig.send(7), Err(AdmitError::NoRoom));
    rig.hear_packet(0, 0);
    rig.send_all(7..8);
    assert!(!rig.client.room(rig.now));
    // It has all of them, and answers may still be on their way.
    rig.hear(&speech::ack(8));
    assert_eq!(rig.client.room_at(), Some(rig.now + Duration::from_millis(100)));
    assert!(!rig.client.room(rig.now));
    // It looks ahead: nothing that it holds takes room from here on.
    rig.wait(0.1);
    rig.send_all(8..12);
    rig.hear(&speech::ack(11));
    rig.send_all(12..15);
    assert!(!rig.client.room(rig.now));
}

#[test]
fn what_a_server_takes_without_ever_answering_is_bounded() {
    let mut rig = with_window(16, speech::OURS);
    for pts in 0..528 {
        if pts == 19 {
            rig.wait(0.1);
        }
        rig.send(pts).unwrap();
        rig.hear(&speech::ack(pts as u32 + 1));
    }
    rig.wait(1.0);
    assert_eq!(rig.send(528), Err(AdmitError::NoRoom));
}

#[test]
fn an_ack_of_more_than_was_sent_fails_the_client() {
    let mut rig = with_window(4, speech::OURS);
    rig.send_all(0..2);
    rig.hear(&speech::ack(2));
    assert_eq!(rig.hear(&speech::ack(3)), ["Failed"]);
    assert!(matches!(rig.failure(), ClientError::Violation(_)));
}

#[test]
fn an_ack_that_goes_back_fails_the_client() {
    let mut rig = with_window(4, speech::OURS);
    rig.send_all(0..2);
    rig.hear(&speech::ack(2));
    assert_eq!(rig.hear(&speech::ack(1)), ["Failed"]);
}

#[test]
fn a_stalled_window_grows_by_one_frame_each_hundred_milliseconds_up_to_sixty_four() {
    let mut rig = with_window(8, speech::EARLY);
    rig.send_all(0..8);
    for pts in 8..64 {
        assert!(!rig.client.room(rig.now));
        let at = rig.client.room_at().expect("time makes room");
        assert_eq!(at - rig.now, Duration::from_millis(100));
        rig.wait(0.1);
        rig.send(pts).unwrap();
    }
    assert_eq!(rig.client.room_at(), None);
    rig.wait(1.0);
    assert_eq!(rig.send(64), Err(AdmitError::NoRoom));
}

#[test]
fn a_stalled_window_grows_only_when_the_queue_is_empty_and_nothing_arrives() {
    let mut rig = with_window(1, speech::CURRENT);
    let number = rig.client.admit(rig.now, 0, 1).unwrap();
    rig.wait(1.0);
    assert_eq!(rig.client.room_at(), None);
    rig.client.sent(rig.now, number);
    rig.wait(0.09);
    rig.hear(&speech::ping());
    rig.wait(0.09);
    assert!(!rig.client.room(rig.now));
    rig.wait(0.01);
    assert!(rig.client.room(rig.now));
}

#[test]
fn a_duplicate_pts_is_refused_by_name_answered_or_not() {
    let mut rig = ClientRig::with(Generation::Current);
    rig.send_all(0..2);
    rig.hear_packet(0, 0);
    for pts in 0..2 {
        assert_eq!(rig.send(pts), Err(AdmitError::DuplicatePts(pts)));
    }
    assert_eq!(rig.send(NO_PTS), Err(AdmitError::NoPts));
    assert_eq!(rig.client.counts().admitted, 2);
}

#[test]
fn nothing_is_admitted_before_configure_ack_after_flush_or_after_the_end() {
    let mut rig = ClientRig::new(settings());
    assert_eq!(rig.send(0), Err(AdmitError::Closed));

    let mut rig = ClientRig::with(Generation::Current);
    rig.client.flush(rig.now);
    assert!(!rig.client.room(rig.now));
    assert_eq!(rig.send(0), Err(AdmitError::Flushed));
    rig.said();
    assert_eq!(rig.send(0), Err(AdmitError::Flushed));

    let mut rig = ClientRig::with(Generation::Current);
    rig.client.end_of_input(rig.now);
    assert_eq!(rig.send(0), Err(AdmitError::Closed));
}

#[test]
fn done_with_everything_answered_ends_a_session() {
    let mut rig = ClientRig::with(Generation::Current);
    rig.send_all(0..3);
    rig.flush();
    (0..3).for_each(|pts| rig.hear_packet(pts, pts));
    assert_eq!(rig.hear(&speech::done()), ["Done"]);
    assert!(rig.client.done());
    rig.client.end_of_input(rig.now);
    assert_eq!(rig.client.failure(), None);
    assert_eq!(rig.client.deadline(), None);
}

#[test]
fn done_with_frames_unanswered_names_the_first_of_them() {
    let mut rig = ClientRig::with(Generation::Early);
    rig.send_all(0..5);
    rig.flush();
    [0, 2, 4].into_iter().for_each(|pts| rig.hear_packet(pts, pts));
    assert_eq!(rig.hear(&speech::done()), ["Failed"]);
    assert_eq!(rig.failure(), &ClientError::Missing { count: 2, first: 1 });
    assert!(!rig.client.done());
}

#[test]
fn done_before_flush_is_a_violation() {
    let mut rig = ClientRig::with(Generation::Current);
    assert_eq!(rig.hear(&speech::done()), ["Failed"]);
    assert!(matches!(rig.failure(), ClientError::Violation(_)));
}

#[test]
fn the_end_of_input_before_done_is_a_failure_at_every_stage() {
    let lost = |rig: &mut ClientRig| {
        rig.client.end_of_input(rig.now);
        match rig.failure() {
            ClientError::Lost { awaited, unanswered } => (*awaited, *unanswered),
            other => panic!("{other}"),
        }
    };
    let mut rig = ClientRig::new(settings());
    assert_eq!(lost(&mut rig), ("HELLO_ACK", 0));

    let mut rig = ClientRig::new(settings());
    rig.hear(&speech::hello_ack(speech::CURRENT));
    assert_eq!(lost(&mut rig), ("CONFIGURE_ACK", 0));

    let mut rig = ClientRig::with(Generation::Early);
    rig.send_all(0..3);
    rig.hear_packet(0, 0);
    assert_eq!(lost(&mut rig), ("DONE", 2));

    let mut rig = ClientRig::with(Generation::Early);
    rig.send_all(0..3);
    rig.flush();
    (0..3).for_each(|pts| rig.hear_packet(pts, pts));
    assert_eq!(lost(&mut rig), ("DONE", 0));
}

#[test]
fn a_frame_that_eighty_one_later_ones_were_answered_past_is_missing_at_once() {
    let mut rig = ClientRig::with(Generation::Early);
    rig.send(-7).unwrap();
    for pts in 0..80 {
        rig.send(pts).unwrap();
        rig.hear_packet(pts, pts);
    }
    rig.send(80).unwrap();
    assert_eq!(rig.hear(&speech::packet(80, 80)), ["Packet 80 80 1", "Failed"]);
    assert_eq!(rig.failure(), &ClientError::Missing { count: 1, first: -7 });
}

#[test]
fn a_server_that_is_drained_with_frames_unanswered_says_so_instead_of_done() {
    let mut rig = ServerRig::streaming(&[]);
    (3..6).for_each(|pts| rig.hear_frame(pts));
    rig.packet(3, 3);
    rig.hear(&speech::flush());
    let dropped = OutputError::Dropped { count: 2, first: 4 };
    assert_eq!(rig.server.drained(rig.now), Err(dropped.clone()));
    assert_eq!(rig.said(), ["PACKET 3 3".to_string(), format!("ERROR 5: {dropped}")]);
}

#[test]
fn a_server_is_done_only_after_flush() {
    let mut rig = ServerRig::streaming(&[]);
    assert_eq!(rig.server.drained(rig.now), Err(OutputError::Closed));
    assert!(rig.said().is_empty());
    assert_eq!(rig.server.end(), None);
}

#[test]
fn a_server_never_closes_a_stream_without_error() {
    type Fault = fn(&mut ServerRig);
    let faults: [Fault; 5] = [
        |rig| rig.server.fail(rig.now, 2, "the encoder broke"),
        |rig| drop(rig.hear(&speech::hello())),
        |rig| drop(rig.hear(b"garbage garbage")),
        |rig| drop(rig.give(speech::head(99, 99))),
        |rig| rig.wait(60.0),
    ];
    for fault in faults {
        let mut rig = ServerRig::streaming(&[]);
        fault(&mut rig);
        assert_eq!(rig.server.over(), None);
        let said = rig.said();
        assert!(said.len() == 1 && said[0].starts_with("ERROR"), "{said:?}");
    }
}

#[test]
fn packets_before_an_error_still_go_out() {
    let mut rig = ServerRig::streaming(&[]);
    rig.hear_frame(0);
    rig.packet(0, 0);
    rig.server.fail(rig.now, 2, "the encoder broke");
    assert_eq!(rig.said(), ["PACKET 0 0", "ERROR 2: the encoder broke"]);

    let mut rig = ClientRig::with(Generation::Current);
    rig.send_all(0..2);
    let bytes = [speech::packet(0, 0), speech::error(2, "the encoder broke")].concat();
    assert_eq!(rig.hear(&bytes), ["Packet 0 0 1", "PacketEnd", "Failed"]);
    let failure = ClientError::Server { code: 2, message: "the encoder broke".into() };
    assert_eq!(rig.failure(), &failure);
}

#[test]
fn a_client_that_vanishes_frees_its_slot_at_once() {
    let mut rig = ServerRig::streaming(&[]);
    rig.hear_frame(0);
    rig.server.end_of_input(rig.now);
    assert_eq!(rig.server.over(), Some(&End::ClientLeft { unanswered: 1 }));

    let mut rig = ServerRig::streaming(&[]);
    rig.server.transport_failed(rig.now, "reset by peer".into());
    assert_eq!(rig.server.over(), Some(&End::Transport("reset by peer".into())));
}

#[test]
fn after_a_failed_write_the_servers_reason_is_still_read() {
    let mut rig = ClientRig::with(Generation::Current);
    rig.client.write_failed(rig.now, "broken pipe".into());
    rig.hear(&speech::error(2, "the encoder broke"));
    assert!(matches!(rig.failure(), ClientError::Server { .. }));

    for closes in [false, true] {
        let mut rig = ClientRig::with(Generation::Current);
        rig.client.write_failed(rig.now, "broken pipe".into());
        if closes {
            rig.client.end_of_input(rig.now);
        } else {
            rig.wait(1.9);
            assert_eq!(rig.client.failure(), None);
            rig.wait(0.2);
        }
        assert_eq!(rig.failure(), &ClientError::Transport("broken pipe".into()));
    }
}

#[test]
fn a_decode_client_bounds_the_packets_without_a_frame() {
    let wants = ClientSettings { window: 2, ..decoding() };
    let mut rig = ClientRig::streaming(wants, speech::CURRENT);
    rig.send_all(0..2);
    assert_eq!(rig.send(2), Err(AdmitError::NoRoom));
    assert_eq!(rig.hear(&speech::frame(1)), ["Frame 1", "FrameEnd"]);
    assert_eq!(rig.send(2), Ok(()));
}

#[test]
fn a_decoder_may_have_no_frame_for_a_packet() {
    let mut rig = ClientRig::streaming(decoding(), speech::CURRENT);
    rig.send_all(0..2);
    rig.hear(&speech::frame(1));
    rig.flush();
    assert_eq!(rig.hear(&speech::done()), ["Done"]);

    let mut rig = ServerRig::streaming(&[("mode", "decode")]);
    rig.hear(&speech::packet(0, 0));
    rig.hear(&speech::flush());
    assert_eq!(rig.server.drained(rig.now), Ok(()));
    assert_eq!(rig.said(), ["DONE"]);
}

#[test]
fn early_decode_clients_are_known_by_what_they_do_not_send() {
    let is_async = |options: &[(&str, &str)]| {
        ServerRig::streaming(options).server.traits_of_client().decode_async
    };
    assert!(!is_async(&[("mode", "decode")]));
    assert!(!is_async(&[("mode", "decode"), ("decode_async", "0")]));
    assert!(is_async(&[("mode", "decode"), ("decode_async", "1")]));
}

#[test]
fn decoded_frames_go_out_in_the_order_of_the_backend() {
    let mut rig = ServerRig::streaming(&[("mode", "decode")]);
    rig.hear(&speech::packet(0, 0));
    rig.hear(&speech::packet(1, 1));
    rig.server.frame(rig.now, speech::frame(1)).unwrap();
    rig.server.frame(rig.now, speech::frame(0)).unwrap();
    assert_eq!(rig.said(), ["FRAME 1", "FRAME 0"]);
    assert_eq!(rig.server.packet(rig.now, &speech::head(0, 0), vec![]), Err(OutputError::Closed));
}
