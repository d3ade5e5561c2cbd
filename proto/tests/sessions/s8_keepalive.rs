//! Section 8: keepalive, deadlines, limits, errors.

use std::time::Duration;

use vtremote_proto::{ClientError, ClientSettings, End, Generation, HelloStatus, ServerSettings};

use crate::{
    client_rig::{ClientRig, decoding, settings},
    server_rig::ServerRig,
    speech,
};

// ── the server's PING ──

#[test]
fn a_server_pings_every_two_seconds_while_frames_are_unanswered() {
    let mut rig = ServerRig::streaming(&[]);
    rig.hear_frame(0);
    rig.wait(1.9);
    assert!(rig.said().is_empty());
    rig.wait(4.2);
    assert_eq!(rig.said(), ["PING"; 3]);
    rig.packet(0, 0);
    rig.said();
    rig.wait(20.0);
    assert!(rig.said().is_empty());
}

#[test]
fn what_a_server_sends_stands_for_a_ping() {
    let mut rig = ServerRig::streaming(&[]);
    (0..4).for_each(|pts| rig.hear_frame(pts));
    for pts in 0..3 {
        rig.wait(1.5);
        rig.packet(pts, pts);
        assert_eq!(rig.said(), [format!("PACKET {pts} {pts}")]);
    }
}

#[test]
fn a_server_pings_while_it_drains() {
    let mut rig = ServerRig::streaming(&[]);
    rig.hear(&speech::flush());
    rig.wait(7.0);
    assert_eq!(rig.said(), ["PING"; 3]);
}

#[test]
fn a_server_pings_while_a_frame_is_slow_to_arrive() {
    let mut rig = ServerRig::streaming(&[]);
    let frame = speech::frame(0);
    for byte in &frame[..20] {
        rig.hear(&[*byte]);
        rig.wait(0.5);
    }
    assert_eq!(rig.said(), ["PING"; 5]);
}

#[test]
fn a_server_does_not_ping_before_configure_ack() {
    let mut rig = ServerRig::accepted();
    rig.wait(9.0);
    assert_eq!(rig.said(), ["HELLO_ACK accepted"]);
    rig.hear(&speech::configure(&[]));
    rig.wait(3.9);
    assert!(rig.said().is_empty());
}

#[test]
fn a_server_does_not_ping_after_done() {
    let mut rig = ServerRig::streaming(&[]);
    rig.hear(&speech::flush());
    rig.server.drained(rig.now).unwrap();
    rig.wait(4.5);
    assert_eq!(rig.said(), ["DONE"]);
}

#[test]
fn in_decode_only_clients_with_decode_async_are_pinged() {
    for (options, pings) in
        [(&[("mode", "decode")][..], 0), (&[("mode", "decode"), ("decode_async", "1")], 3)]
    {
        let mut rig = ServerRig::streaming(options);
        rig.hear(&speech::packet(0, 0));
        rig.wait(7.0);
        assert_eq!(rig.said(), vec!["PING"; pings]);
    }
}

#[test]
fn no_ping_is_added_to_output_that_is_stuck() {
    let mut rig = ServerRig::streaming(&[]);
    (0..2).for_each(|pts| rig.hear_frame(pts));
    rig.stuck = true;
    rig.packet(0, 0);
    rig.wait(30.0);
    rig.stuck = false;
    assert_eq!(rig.said(), ["PACKET 0 0"]);
}

// ── PING answered ──

#[test]
fn ping_is_answered_between_configure_ack_and_done_only() {
    let mut rig = ServerRig::accepted();
    rig.hear(&speech::ping());
    rig.hear(&speech::configure(&[]));
    rig.hear(&speech::ping());
    assert_eq!(rig.said(), ["HELLO_ACK accepted"]);
    rig.configured();
    rig.hear(&speech::ping());
    assert_eq!(rig.said(), ["CONFIGURE_ACK 1", "PONG"]);
    rig.hear(&speech::flush());
    rig.hear(&speech::ping());
    rig.server.drained(rig.now).unwrap();
    rig.hear(&speech::ping());
    assert_eq!(rig.said(), ["PONG", "DONE"]);

    let mut rig = ClientRig::new(settings());
    rig.hear(&speech::ping());
    assert_eq!(rig.said(), ["HELLO h264"]);
    rig.hear(&speech::hello_ack(speech::CURRENT));
    rig.hear(&speech::ping());
    assert_eq!(rig.said(), ["CONFIGURE 30/1"]);
    rig.hear(&speech::configure_ack());
    rig.hear(&speech::ping());
    assert_eq!(rig.said(), ["PONG"]);
}

#[test]
fn a_pong_overtakes_packets_but_not_configure_ack() {
    let mut rig = ServerRig::configuring(&[]);
    rig.configured();
    rig.hear_frame(0);
    rig.packet(0, 0);
    rig.hear(&speech::ping());
    assert_eq!(rig.said(), ["HELLO_ACK accepted", "CONFIGURE_ACK 1", "PONG", "PACKET 0 0"]);
}

#[test]
fn pongs_for_a_peer_that_does_not_read_are_bounded() {
    let mut rig = ServerRig::streaming(&[]);
    let mut client = ClientRig::with(Generation::Current);
    (rig.stuck, client.stuck) = (true, true);
    for _ in 0..1000 {
        rig.hear(&speech::ping());
        client.hear(&speech::ping());
    }
    (rig.stuck, client.stuck) = (false, false);
    assert_eq!(rig.said().len(), 16);
    assert_eq!(client.said().len(), 16);
    rig.hear(&speech::ping());
    client.hear(&speech::ping());
    assert_eq!((rig.said().len(), client.said().len()), (1, 1));
}

#[test]
fn a_server_wants_no_input_while_its_output_is_not_read() {
    let mut rig = ServerRig::streaming(&[]);
    rig.stuck = true;
    for pts in 0..256 {
        assert!(rig.server.wants_input());
        rig.hear_frame(pts);
        rig.packet(pts, pts);
    }
    assert!(!rig.server.wants_input());
    rig.stuck = false;
    assert_eq!(rig.said().len(), 256);
    assert!(rig.server.wants_input());
}

// ── the server's deadlines ──

#[test]
fn hello_and_configure_have_ten_seconds_each() {
    let mut rig = ServerRig::new();
    rig.wait(9.9);
    assert_eq!(rig.server.end(), None);
    rig.wait(0.2);
    assert_eq!(rig.said(), ["ERROR 6: no HELLO came in time"]);

    let mut rig = ServerRig::new();
    rig.wait(9.0);
    rig.hear(&speech::hello());
    rig.wait(30.0);
    assert_eq!(rig.server.end(), None);
    rig.server.accept(rig.now, &speech::ack_of(HelloStatus::Ok, speech::OURS));
    rig.wait(9.9);
    assert_eq!(rig.server.end(), None);
    rig.wait(0.2);
    assert_eq!(rig.said()[1], "ERROR 6: no CONFIGURE came in time");
}

#[test]
fn bytes_that_trickle_do_not_extend_the_handshake() {
    let mut rig = ServerRig::new();
    for byte in &speech::hello()[..12] {
        rig.hear(&[*byte]);
        rig.wait(0.9);
    }
    assert!(rig.end().starts_with("error 6"), "{}", rig.end());
}

#[test]
fn one_message_has_sixty_seconds_from_its_first_byte_to_its_last() {
    let mut rig = ServerRig::streaming(&[]);
    let frame = speech::frame(0);
    rig.hear(&frame[..1]);
    rig.wait(59.0);
    assert_eq!(rig.hear(&frame[1..]), ["Frame 0", "FrameEnd"]);

    rig.hear(&speech::frame(1)[..1]);
    for byte in &speech::frame(1)[1..13] {
        rig.wait(5.1);
        rig.hear(&[*byte]);
    }
    assert!(rig.end().contains("did not arrive completely"), "{}", rig.end());
}

#[test]
fn a_piece_that_ends_one_message_and_begins_the_next_restarts_the_deadline() {
    let mut rig = ServerRig::streaming(&[]);
    let bytes = [speech::frame(0), speech::frame(1), speech::frame(2)].concat();
    let len = bytes.len() / 3;
    rig.hear(&bytes[..10]);
    rig.wait(50.0);
    assert_eq!(rig.hear(&bytes[10..len + 10]), ["Frame 0", "FrameEnd"]);
    rig.wait(50.0);
    assert_eq!(rig.hear(&bytes[len + 10..]).len(), 4);
}

#[test]
fn a_picture_in_slices_does_not_stop_for_sixty_seconds_however_many_pings_come() {
    let mut rig = ServerRig::streaming(&[("x.ack.v1", "1"), ("x.slices.v1", "1")]);
    let pinged = |rig: &mut ServerRig, seconds| {
        for _ in 0..seconds {
            rig.wait(1.0);
            rig.hear(&speech::ping());
        }
    };
    rig.hear(&speech::begin(0, 9, 2));
    pinged(&mut rig, 59);
    rig.hear(&speech::slice(9, 0, 0, 0, 3));
    pinged(&mut rig, 59);
    rig.hear(&speech::slice(9, 1, 1, 0, 2));
    // Between pictures a client may take its time.
    pinged(&mut rig, 200);
    rig.hear(&speech::begin(1, 10, 2));
    pinged(&mut rig, 59);
    assert!(rig.server.end().is_none());
    pinged(&mut rig, 1);
    let said = rig.said().pop().expect("an ERROR");
    assert_eq!(said, "ERROR 6: nothing more came of a picture within 60s");
}

#[test]
fn what_a_server_does_not_read_is_not_late() {
    let frame = speech::frame(0);
    let begin = speech::begin(0, 9, 2);
    for (message, in_message) in [(&begin[..], false), (&frame[..40], true)] {
        let mut rig = ServerRig::streaming(&[("x.ack.v1", "1"), ("x.slices.v1", "1")]);
        rig.hear(message);
        for _ in 0..100 {
            rig.wait(1.0);
            rig.server.held_up(rig.now);
            // Something is read, and kept for later.
            rig.server.moved(rig.now, 1, in_message);
        }
        assert!(rig.server.end().is_none());
        rig.wait(60.0);
        assert!(rig.server.end().is_some());
    }
}

#[test]
fn a_decoded_picture_does_not_stop_for_sixty_seconds_however_many_pings_come() {
    let wants = ClientSettings { want_slices: true, ..decoding() };
    let slices = ["h264", "hevc", "pixfmt.nv12", "x.slices.v1"];
    let mut rig = ClientRig::streaming(wants, &slices);
    (0..2).for_each(|pts| rig.send(pts).unwrap());
    rig.hear(&speech::begin(0, 9, 2));
    rig.wait_answered(59);
    rig.hear(&speech::slice(9, 0, 0, 0, 3));
    rig.wait_answered(59);
    rig.hear(&speech::slice(9, 1, 1, 0, 2));
    rig.wait_answered(200);
    rig.hear(&speech::begin(1, 10, 2));
    rig.wait_answered(59);
    assert_eq!(rig.client.failure(), None);
    rig.wait_answered(1);
    assert_eq!(timed_out(&rig), ("nothing more came of a picture", 60));
}

#[test]
fn a_session_in_which_nothing_moves_ends_after_sixty_seconds() {
    let mut rig = ServerRig::streaming(&[]);
    rig.wait(59.0);
    rig.hear(&speech::ping());
    assert_eq!(rig.said(), ["PONG"]);
    rig.wait(59.9);
    assert_eq!(rig.server.end(), None);
    rig.wait(0.2);
    assert_eq!(rig.said(), ["ERROR 6: nothing moved for 60s"]);
}

#[test]
fn an_existing_client_that_answers_no_ping_has_an_hour() {
    let mut rig = ServerRig::streaming(&[]);
    rig.hear_frame(0);
    rig.wait(3601.0);
    rig.hear(&speech::ping());
    // The first PING since is at 3,603 s.
    rig.wait(3601.9);
    assert_eq!(rig.server.end(), None);
    rig.wait(0.2);
    assert_eq!(rig.said().pop().unwrap(), "ERROR 6: nothing came for 3600s though we sent PINGs");
}

#[test]
fn deadlines_that_are_shorter_than_an_hour_keep_their_proportion() {
    let settings = ServerSettings {
        idle_timeout: Duration::from_secs(1),
        ping_interval: Duration::from_millis(250),
        ..ServerSettings::default()
    };
    for (options, seconds) in [(&[][..], 60.0), (&[("x.ack.v1", "1")][..], 1.0)] {
        let mut rig = ServerRig::streaming_with(settings.clone(), options);
        rig.hear_frame(0);
        rig.wait(seconds);
        assert_eq!(rig.server.end(), None, "{options:?}");
        rig.wait(0.5);
        assert!(rig.said().pop().unwrap().starts_with("ERROR 6: nothing came for"), "{options:?}");
    }
}

#[test]
fn a_client_of_ours_that_is_silent_for_sixty_seconds_of_pings_is_gone() {
    let mut rig = ServerRig::streaming(&[("x.ack.v1", "1")]);
    rig.hear_frame(0);
    rig.wait(61.0);
    rig.hear(&speech::pong());
    // The first PING since is at 62 s.
    rig.wait(60.9);
    assert_eq!(rig.server.end(), None);
    rig.wait(0.2);
    assert_eq!(rig.said().pop().unwrap(), "ERROR 6: nothing came for 60s though we sent PINGs");
}

#[test]
fn output_of_which_nothing_leaves_ends_the_session_after_sixty_seconds() {
    let mut rig = ServerRig::streaming(&[]);
    rig.hear_frame(0);
    rig.hear_frame(1);
    rig.stuck = true;
    rig.packet(0, 0);
    rig.wait(30.0);
    rig.hear(&speech::ping());
    rig.wait(29.9);
    assert_eq!(rig.server.over(), None);
    rig.wait(0.2);
    assert_eq!(rig.server.over(), Some(&End::Stuck));
}

#[test]
fn the_send_deadline_runs_only_while_nothing_moves() {
    let mut rig = ServerRig::streaming(&[]);
    rig.hear_frame(0);
    rig.packet(0, 0);
    assert!(rig.server.next(rig.now).is_some());
    rig.stuck = true;
    for _ in 0..10 {
        rig.wait(59.0);
        rig.server.written(rig.now, 1);
    }
    assert_eq!(rig.server.over(), None);
    rig.wait(60.1);
    assert_eq!(rig.server.over(), Some(&End::Stuck));
}

#[test]
fn a_lingering_session_whose_error_is_not_read_is_closed_too() {
    let mut rig = ServerRig::streaming(&[]);
    rig.stuck = true;
    rig.server.fail(rig.now, 2, "the encoder broke");
    rig.wait(60.1);
    assert!(rig.server.over().is_some());
    assert_eq!(rig.end(), "error 2: the encoder broke");
}

#[test]
fn a_length_over_the_limit_is_error_4_before_its_payload() {
    let mut rig = ServerRig::accepted();
    rig.said();
    let mut header = speech::raw(3, &[]);
    header[8..12].copy_from_slice(&(5u32 << 20).to_be_bytes());
    rig.hear(&header);
    let said = rig.said();
    assert!(said.len() == 1 && said[0].starts_with("ERROR 4: CONFIGURE"), "{said:?}");
}

// ── the client's PING ──

#[test]
fn a_client_pings_after_four_seconds_of_sending_nothing() {
    let wants = ClientSettings { timeout: Duration::from_secs(60), ..settings() };
    let mut rig = ClientRig::streaming(wants, speech::CURRENT);
    rig.wait(3.9);
    assert!(rig.said().is_empty());
    rig.wait(8.2);
    assert_eq!(rig.said(), ["PING"; 3]);
    rig.wait(2.0);
    rig.send(0).unwrap();
    rig.wait(3.9);
    assert!(rig.said().is_empty());
}

#[test]
fn a_client_keeps_an_idle_session_alive_however_long_its_caller_pauses() {
    let mut rig = ClientRig::with(Generation::Early);
    for _ in 0..300 {
        rig.wait(2.0);
        if rig.said().contains(&"PING".to_string()) {
            rig.hear(&speech::pong());
        }
    }
    assert_eq!(rig.client.failure(), None);
    rig.send(0).unwrap();
}

#[test]
fn a_client_that_hears_nothing_asks_at_half_of_its_patience() {
    let mut rig = ClientRig::with(Generation::Current);
    for pts in 0..4 {
        rig.wait(0.6);
        rig.send(pts).unwrap();
    }
    assert!(rig.said().is_empty());
    rig.stuck = false;
    rig.wait(2.6);
    assert_eq!(rig.said(), ["PING"]);
}

#[test]
fn a_client_does_not_ping_before_configure_ack_nor_after_flush() {
    let wants = ClientSettings { timeout: Duration::from_secs(60), ..settings() };
    let mut rig = ClientRig::new(wants.clone());
    rig.wait(20.0);
    rig.hear(&speech::hello_ack(speech::CURRENT));
    rig.wait(20.0);
    assert_eq!(rig.said(), ["HELLO h264", "CONFIGURE 30/1"]);

    let mut rig = ClientRig::streaming(wants, speech::CURRENT);
    rig.flush();
    rig.wait(50.0);
    assert!(rig.said().is_empty());
}

#[test]
fn a_ping_that_flush_overtakes_in_time_is_not_sent_after_it() {
    let mut rig = ClientRig::with(Generation::Current);
    rig.stuck = true;
    rig.wait(4.5);
    rig.client.flush(rig.now);
    rig.stuck = false;
    assert_eq!(rig.said(), ["PING", "FLUSH"]);
}

// ── the client's deadlines ──

fn timed_out(rig: &ClientRig) -> (&'static str, u64) {
    match rig.failure() {
        ClientError::TimedOut { what, after } => (*what, after.as_secs()),
        other => panic!("{other}"),
    }
}

#[test]
fn hello_ack_has_the_timeout_and_configure_ack_five_seconds_at_least() {
    for (timeout, start) in [(1, 5), (8, 8)] {
        let wants = ClientSettings { timeout: Duration::from_secs(timeout), ..settings() };
        let mut rig = ClientRig::new(wants.clone());
        rig.wait(timeout as f64 - 0.1);
        assert_eq!(rig.client.failure(), None);
        rig.wait(0.2);
        assert_eq!(timed_out(&rig), ("no answer to HELLO", timeout));

        let mut rig = ClientRig::new(wants);
        rig.wait(0.9);
        rig.hear(&speech::hello_ack(speech::CURRENT));
        rig.wait(start as f64 - 0.1);
        assert_eq!(rig.client.failure(), None);
        rig.wait(0.2);
        assert_eq!(timed_out(&rig), ("no answer to CONFIGURE", start));
    }
}

#[test]
fn silence_ends_a_session_after_the_timeout_but_not_before_three_seconds() {
    for (timeout, patience) in [(0.1, 3), (5.0, 5), (20.0, 20)] {
        let wants = ClientSettings { timeout: Duration::from_secs_f64(timeout), ..settings() };
        for generation in [speech::EARLY, speech::CURRENT, speech::OURS] {
            let mut rig = ClientRig::streaming(wants.clone(), generation);
            rig.send_all(0..1);
            rig.wait(f64::from(patience) - 0.1);
            assert_eq!(rig.client.failure(), None);
            rig.wait(0.2);
            assert_eq!(timed_out(&rig), ("the server sent nothing", patience as u64));
        }
    }
}

#[test]
fn an_encoder_may_take_its_time_while_pongs_arrive() {
    for generation in [Generation::Current, Generation::Ours] {
        let mut rig = ClientRig::with(generation);
        rig.send_all(0..16);
        rig.wait_answered(3598);
        assert_eq!(rig.client.failure(), None);
    }
}

#[test]
fn output_that_a_server_owes_may_take_an_hour_of_its_pings() {
    for generation in [Generation::Current, Generation::Ours] {
        let mut rig = ClientRig::with(generation);
        rig.send_all(0..3);
        rig.wait_answered(7200);
        assert_eq!(rig.client.owed_since(), None, "it may wait for more of them");
        rig.flush();
        let flushed = rig.now;
        assert_eq!(rig.client.owed_since(), Some(flushed));
        let pinged = |rig: &mut ClientRig, seconds: u32| {
            for _ in 0..seconds / 2 {
                rig.hear(&speech::ping());
                rig.wait(2.0);
            }
        };
        pinged(&mut rig, 3590);
        rig.hear_packet(0, 0);
        assert_eq!(rig.client.owed_since(), Some(rig.now));
        pinged(&mut rig, 3598);
        assert_eq!(rig.client.failure(), None);
        pinged(&mut rig, 4);
        assert_eq!(timed_out(&rig), ("the server gave no output", 3600));
    }
}

#[test]
fn a_server_of_ours_that_takes_nothing_of_a_full_window_has_an_hour() {
    let mut rig = ClientRig::with(Generation::Ours);
    rig.wait_answered(7200);
    rig.send_all(0..16);
    let full = rig.now;
    rig.wait_answered(3598);
    assert_eq!((rig.client.owed_since(), rig.client.failure()), (Some(full), None));
    rig.client.unclaimed(1);
    assert_eq!(rig.client.owed_since(), None, "the caller has to take something first");
    rig.client.unclaimed(0);
    rig.hear(&speech::ack(1));
    assert_eq!(rig.client.owed_since(), None, "there is room");
    rig.send(16).unwrap();
    rig.wait_answered(3598);
    assert_eq!(rig.client.failure(), None);
    rig.wait_answered(4);
    assert_eq!(timed_out(&rig), ("the server gave no output", 3600));
}

#[test]
fn a_client_that_was_stopped_has_not_heard_silence() {
    let wants = ClientSettings { timeout: Duration::from_secs(5), ..settings() };
    let mut rig = ClientRig::streaming(wants, speech::OURS);
    rig.send_all(0..1);
    rig.wait(2.0);
    // Nobody asks the session for an hour: what the server says meanwhile is not read either.
    rig.now += Duration::from_secs(3600);
    rig.client.tick(rig.now);
    assert_eq!(rig.client.failure(), None);
    rig.wait(4.9);
    assert_eq!(rig.client.failure(), None);
    rig.wait(0.2);
    assert_eq!(timed_out(&rig), ("the server sent nothing", 5));
}

/// However short: the server's PINGs may lie in the socket.
#[test]
fn what_came_while_a_client_was_stopped_is_read_before_silence_is_called() {
    let wants = ClientSettings { timeout: Duration::from_secs(5), ..settings() };
    for stopped in [4.51, 5.0, 5.01, 5.3, 5.999, 6.0] {
        let mut rig = ClientRig::streaming(wants.clone(), speech::OURS);
        rig.send_all(0..1);
        rig.now += Duration::from_secs_f64(stopped);
        rig.client.tick(rig.now);
        rig.wait(0.4);
        assert_eq!(rig.client.failure(), None, "after {stopped} s");
        rig.hear(&speech::ping());
        rig.wait(4.9);
        assert_eq!(rig.client.failure(), None, "after {stopped} s");
        rig.wait(0.2);
        assert_eq!(timed_out(&rig), ("the server sent nothing", 5), "after {stopped} s");
    }
}

#[test]
fn an_upload_that_moves_is_not_silence_and_one_that_stands_is() {
    let mut rig = ClientRig::with(Generation::Current);
    rig.client.admit(rig.now, 0, 1).unwrap();
    rig.stuck = true;
    for _ in 0..30 {
        rig.wait(4.0);
        rig.client.written(rig.now, 1);
    }
    assert_eq!(rig.client.failure(), None);
    rig.wait(5.1);
    assert_eq!(timed_out(&rig).0, "the server sent nothing");
}

/// A decoder may want many packets before it gives a picture: more of them are sent where nothing comes.
#[test]
fn packets_that_go_out_because_nothing_comes_do_not_hide_a_servers_silence() {
    for generation in [speech::EARLY, speech::CURRENT, speech::OURS] {
        let mut rig = ClientRig::streaming(decoding(), generation);
        let mut pts = 0;
        while rig.client.failure().is_none() {
            while rig.client.room(rig.now) {
                rig.send(pts).unwrap();
                pts += 1;
            }
            rig.wait(0.1);
            assert!(rig.now < Duration::from_secs(10), "{pts} packets later");
        }
        assert_eq!(timed_out(&rig), ("the server sent nothing", 5));
    }
}

#[test]
fn after_flush_existing_and_our_servers_keep_the_session_by_their_pings() {
    for generation in [Generation::Current, Generation::Ours] {
        let mut rig = ClientRig::with(generation);
        rig.send_all(0..3);
        rig.wait(1.0);
        rig.flush();
        for _ in 0..60 {
            rig.wait(2.0);
            rig.hear(&speech::ping());
        }
        assert_eq!(rig.client.failure(), None);
        rig.wait(5.1);
        assert_eq!(timed_out(&rig), ("the server sent nothing", 5));
    }
}

#[test]
fn silence_is_counted_anew_from_flush() {
    let wants = ClientSettings { timeout: Duration::from_secs(20), ..settings() };
    let mut rig = ClientRig::streaming(wants, speech::CURRENT);
    rig.wait(19.0);
    rig.flush();
    rig.wait(19.9);
    assert_eq!(rig.client.failure(), None);
    rig.wait(0.2);
    assert_eq!(timed_out(&rig), ("the server sent nothing", 20));
}

#[test]
fn after_flush_an_early_server_has_thirty_seconds_for_each_packet() {
    let mut rig = ClientRig::with(Generation::Early);
    rig.send_all(0..3);
    rig.flush();
    rig.wait(29.0);
    rig.hear_packet(0, 0);
    rig.wait(29.0);
    rig.hear(&speech::ping());
    rig.wait(0.9);
    assert_eq!(rig.client.failure(), None);
    rig.wait(0.2);
    assert_eq!(timed_out(&rig), ("the server gave no output", 30));
}

#[test]
fn after_flush_an_early_server_has_thirty_seconds_for_done() {
    let mut rig = ClientRig::with(Generation::Early);
    rig.flush();
    rig.wait(29.9);
    assert_eq!(rig.client.failure(), None);
    rig.wait(0.2);
    assert_eq!(timed_out(&rig), ("the server sent nothing", 30));
}

#[test]
fn an_early_server_with_sixty_four_frames_has_thirty_seconds_for_a_packet() {
    let wants = ClientSettings { window: 128, ..settings() };
    let mut rig = ClientRig::streaming(wants, speech::EARLY);
    rig.send_all(0..63);
    rig.wait_answered(100);
    assert_eq!(rig.client.failure(), None);
    rig.send(63).unwrap();
    rig.wait_answered(29);
    rig.hear_packet(0, 0);
    rig.send(64).unwrap();
    rig.wait_answered(29);
    assert_eq!(rig.client.failure(), None);
    rig.wait_answered(1);
    assert_eq!(timed_out(&rig), ("the server gave no output", 30));
}

#[test]
fn one_message_of_the_servers_has_sixty_seconds() {
    let mut rig = ClientRig::with(Generation::Current);
    rig.send_all(0..1);
    for byte in &speech::packet(0, 0)[..32] {
        rig.hear(&[*byte]);
        rig.wait(2.0);
        if rig.client.failure().is_some() {
            break;
        }
    }
    assert_eq!(timed_out(&rig), ("a message did not arrive completely", 60));
}

#[test]
fn a_server_that_pings_and_never_reads_is_given_up_after_sixty_seconds() {
    let mut rig = ClientRig::with(Generation::Current);
    rig.client.admit(rig.now, 0, 1).unwrap();
    rig.stuck = true;
    for _ in 0..59 {
        rig.wait(1.0);
        rig.hear(&speech::ping());
    }
    assert_eq!(rig.client.failure(), None);
    rig.wait(1.1);
    assert_eq!(timed_out(&rig), ("the server took none of our output", 60));
}

#[test]
fn the_text_of_an_error_is_shown_whatever_its_code() {
    for code in [1, 2, 4, 77] {
        let mut rig = ClientRig::new(settings());
        rig.hear(&speech::hello_ack(speech::CURRENT));
        rig.hear(&speech::error(code, "profile: main10 needs P010"));
        assert!(rig.failure().to_string().contains("profile: main10 needs P010"));
    }
}
