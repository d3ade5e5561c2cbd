//! Section 6: what a PACKET may be.

use vtremote_proto::{ClientError, Generation, NO_PTS, OutputError, PacketHead};

use crate::{
    client_rig::{ClientRig, decoding},
    server_rig::ServerRig,
    speech,
};

/// A server with four frames to answer, of which the last packet is not yet out.
fn answering(packets: &[(i64, i64)]) -> (ServerRig, Result<(), OutputError>) {
    let mut rig = ServerRig::streaming(&[]);
    (0..4).for_each(|pts| rig.hear_frame(pts * 10));
    let mut result = Ok(());
    for &(pts, dts) in packets {
        result = rig.give(speech::head(pts, dts));
    }
    (rig, result)
}

#[test]
fn dts_rises_and_stays_at_or_below_pts_and_every_pts_comes_once() {
    let (mut rig, result) = answering(&[(0, -10), (30, 0), (10, 9), (20, 20)]);
    assert_eq!(result, Ok(()));
    assert_eq!(rig.said().len(), 4);
    for (packets, error) in [
        (&[(0, 0), (10, 0)][..], OutputError::DtsNotRising { pts: 10, dts: 0, previous: 0 }),
        (&[(0, 0), (10, -1)], OutputError::DtsNotRising { pts: 10, dts: -1, previous: 0 }),
        (&[(10, 11)], OutputError::DtsAfterPts { pts: 10, dts: 11 }),
        (&[(10, NO_PTS)], OutputError::DtsAfterPts { pts: 10, dts: NO_PTS }),
        (&[(10, 0), (10, 1)], OutputError::UnknownPts { pts: 10 }),
        (&[(11, 0)], OutputError::UnknownPts { pts: 11 }),
        (&[(NO_PTS, 0)], OutputError::UnknownPts { pts: NO_PTS }),
    ] {
        let (mut rig, result) = answering(packets);
        assert_eq!(result, Err(error.clone()));
        let said = rig.said();
        assert_eq!(said.len(), packets.len());
        assert_eq!(said.last(), Some(&format!("ERROR 5: {error}")));
    }
}

#[test]
fn a_breach_of_the_backends_names_the_pts() {
    let (rig, _) = answering(&[(10, 0), (20, 0)]);
    assert!(rig.end().contains("pts 20"), "{}", rig.end());
}

#[test]
fn a_session_that_ended_takes_no_output() {
    let mut rig = ServerRig::streaming(&[]);
    rig.hear_frame(0);
    rig.server.fail(rig.now, 2, "broken");
    assert_eq!(rig.give(speech::head(0, 0)), Err(OutputError::Closed));
    assert_eq!(rig.said(), ["ERROR 2: broken"]);
}

#[test]
fn a_client_restores_durations_from_its_own_record() {
    let mut rig = ClientRig::with(Generation::Early);
    rig.client.admit(rig.now, 0, 40).unwrap();
    rig.client.admit(rig.now, 1, 50).unwrap();
    let head = PacketHead { duration: 0, ..speech::head(1, 0) };
    assert_eq!(rig.hear(&speech::packet_of(head))[0], "Packet 1 0 50");
    let head = PacketHead { duration: 7, ..speech::head(0, 0) };
    assert!(rig.hear(&speech::packet_of(head))[0].ends_with(" 7"));
}

#[test]
fn a_client_makes_the_dts_of_existing_servers_rise() {
    for generation in [Generation::Early, Generation::Current] {
        let mut rig = ClientRig::with(generation);
        rig.send_all(0..4);
        let dts: Vec<_> = [(0, -3), (3, -3), (1, -5), (2, 9)]
            .into_iter()
            .map(|(pts, dts)| rig.hear(&speech::packet(pts, dts)).remove(0))
            .collect();
        assert_eq!(dts, ["Packet 0 -3 1", "Packet 3 -2 1", "Packet 1 -1 1", "Packet 2 2 1"]);
    }
}

#[test]
fn a_dts_out_of_order_fails_a_session_between_ours() {
    for dts in [-3, 2, NO_PTS] {
        let mut rig = ClientRig::with(Generation::Ours);
        rig.send_all(0..2);
        rig.hear_packet(0, -3);
        assert_eq!(rig.hear(&speech::packet(1, dts)), ["Failed"]);
        assert!(matches!(rig.failure(), ClientError::Violation(_)));
    }
}

#[test]
fn a_packet_that_no_frame_waits_for_fails_the_client() {
    let never = speech::packet(5, 5);
    let twice = speech::packet(0, 0);
    for packet in [never, twice, speech::empty_packet(5, 5)] {
        let mut rig = ClientRig::with(Generation::Current);
        rig.send_all(0..2);
        rig.hear_packet(0, 0);
        assert_eq!(rig.hear(&packet), ["Failed"]);
        assert!(rig.failure().to_string().contains("a packet for pts"), "{}", rig.failure());
    }
}

#[test]
fn an_empty_packet_for_an_answered_frame_is_ignored() {
    let mut rig = ClientRig::with(Generation::Current);
    rig.send_all(0..2);
    rig.hear_packet(0, 0);
    assert!(rig.hear(&speech::empty_packet(0, 0)).is_empty());
    assert_eq!(rig.client.outstanding(), 1);
    rig.hear_packet(1, 1);
}

#[test]
fn an_empty_packet_for_a_waiting_frame_is_its_loss() {
    let mut rig = ClientRig::with(Generation::Current);
    rig.send_all(0..2);
    assert_eq!(rig.hear(&speech::empty_packet(1, 0)), ["Failed"]);
    assert_eq!(rig.failure(), &ClientError::Missing { count: 1, first: 1 });
}

#[test]
fn decode_clients_may_send_any_times() {
    let mut rig = ServerRig::streaming(&[("mode", "decode")]);
    for (pts, dts) in [(0, 0), (0, 0), (NO_PTS, NO_PTS), (9, 5), (3, 5)] {
        let steps = rig.hear(&speech::packet(pts, dts));
        assert_eq!(steps, [format!("Packet {pts}"), "PacketEnd".into()]);
    }

    let mut rig = ClientRig::streaming(decoding(), speech::CURRENT);
    for pts in [0, 0, NO_PTS, 9, 3] {
        rig.send(pts).unwrap();
    }
}

#[test]
fn frames_of_an_early_server_are_shown_by_pts_and_those_of_others_as_they_come() {
    let order = |capabilities| {
        let mut rig = ClientRig::streaming(decoding(), capabilities);
        let mut shown = Vec::new();
        for pts in [0, 3, 1, 2] {
            rig.send(pts).unwrap();
            assert_eq!(rig.hear(&speech::frame(pts)).len(), 2);
            shown.extend(std::iter::from_fn(|| rig.client.next_in_order()));
        }
        rig.flush();
        assert_eq!(rig.hear(&speech::done()), ["Done"]);
        shown.extend(std::iter::from_fn(|| rig.client.next_in_order()));
        shown
    };
    assert_eq!(order(speech::EARLY), [0, 2, 3, 1]);
    assert_eq!(order(speech::CURRENT), [0, 1, 2, 3]);
}
