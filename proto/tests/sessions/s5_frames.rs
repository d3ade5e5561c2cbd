//! Section 5: what a FRAME may be, and FRAMEs that come twice.

use vtremote_proto::{ClientSettings, FrameHead, Generation, NO_PTS, Options, frame_message};

use crate::{
    client_rig::{ClientRig, decoding},
    server_rig::ServerRig,
    speech,
};

/// What a server says to a FRAME with these planes.
fn said_to(options: &[(&str, &str)], planes: &[(u32, u32, u32)]) -> Option<String> {
    let mut rig = ServerRig::streaming(options);
    rig.hear(&speech::frame_of(0, planes));
    rig.said().pop()
}

#[test]
fn a_frame_fits_the_configured_format() {
    for planes in [
        [(4, 3, 12), (4, 2, 8)],
        // Rows may be padded.
        [(64, 3, 192), (5, 2, 10)],
        // Some clients round the chroma rows of an odd height down.
        [(4, 3, 12), (4, 1, 4)],
    ] {
        assert_eq!(said_to(&[], &planes), None);
    }
    for (planes, says) in [
        (&[(4, 3, 12)][..], "a frame of 1 planes, nv12 has 2"),
        (&[(3, 3, 9), (4, 2, 8)], "plane 0 has a stride of 3"),
        (&[(4, 3, 12), (3, 2, 6)], "plane 1 has a stride of 3"),
        (&[(4 + (32 << 10) + 1, 3, 12), (4, 2, 8)], "plane 0 has a stride of 32773"),
        (&[(4, 2, 8), (4, 2, 8)], "plane 0 has 2 rows instead of 3"),
        (&[(4, 4, 16), (4, 2, 8)], "plane 0 has 4 rows instead of 3"),
        (&[(4, 3, 12), (4, 3, 12)], "plane 1 has 3 rows instead of 2"),
        (&[(4, 3, 12), (4, 0, 0)], "plane 1 has 0 rows instead of 2"),
        (&[(4, 3, 11), (4, 2, 8)], "plane 0 is 11 bytes, not 12"),
        (&[(4, 3, 12), (4, 2, 9)], "plane 1 is 9 bytes, not 8"),
    ] {
        let said = said_to(&[], planes).expect("an ERROR");
        assert!(said.starts_with("ERROR 4") && said.contains(says), "{said}");
    }
}

#[test]
fn compressed_planes_may_be_larger_than_raw_ones_by_what_codecs_add() {
    let lz4 = [("wire_compression", "1")];
    for (len, good) in [(1, true), (40, true), (12 + 1024, true), (12 + 1025, false), (0, false)] {
        assert_eq!(said_to(&lz4, &[(4, 3, len), (4, 2, 8)]).is_none(), good, "{len}");
    }
}

#[test]
fn a_frame_with_the_pts_of_the_one_before_is_not_encoded_but_answered_after_it() {
    let mut rig = ServerRig::streaming(&[]);
    rig.hear_frame(1);
    rig.hear_frame(2);
    assert!(rig.hear(&speech::frame(2)).is_empty());
    rig.packet(1, 0);
    assert_eq!(rig.said(), ["PACKET 1 0"]);
    rig.packet(2, 1);
    assert_eq!(rig.said(), ["PACKET 2 1", "PACKET 2 1 empty"]);
    assert_eq!(rig.server.counts().repeats, 1);
    assert_eq!(rig.server.counts().frames_in, 2);
    assert_eq!(rig.server.counts().packets_out, 2);
    assert_eq!(rig.server.unanswered(), 0);
}

#[test]
fn a_repeat_of_a_frame_that_was_answered_is_answered_at_once() {
    let mut rig = ServerRig::streaming(&[]);
    rig.hear_frame(7);
    rig.packet(7, 3);
    assert_eq!(rig.said(), ["PACKET 7 3"]);
    assert!(rig.hear(&speech::frame(7)).is_empty());
    assert_eq!(rig.said(), ["PACKET 7 3 empty"]);
}

#[test]
fn a_repeat_is_answered_before_its_frame_where_nothing_else_moves() {
    let mut rig = ServerRig::streaming(&[]);
    rig.hear_frame(1);
    rig.hear(&speech::frame(1));
    rig.wait(1.0);
    assert!(rig.said().is_empty(), "no packet without data is the first of a stream");
    rig.hear_frame(2);
    rig.hear_frame(3);
    rig.hear(&speech::frame(3));
    rig.packet(1, 0);
    assert_eq!(rig.said(), ["PACKET 1 0", "PACKET 1 0 empty"]);
    rig.wait(0.09);
    assert!(rig.said().is_empty());
    rig.wait(0.02);
    assert_eq!(rig.said(), ["PACKET 3 0 empty"]);
    // The client's window is known to be too small to wait once more.
    rig.hear_frame(4);
    rig.hear(&speech::frame(4));
    assert_eq!(rig.said(), ["PACKET 4 0 empty"]);
    for (pts, dts) in [(3, 1), (2, 2), (4, 3)] {
        rig.packet(pts, dts);
        assert_eq!(rig.said(), [format!("PACKET {pts} {dts}")]);
    }
}

#[test]
fn the_answer_to_a_repeat_never_lets_dts_fall() {
    let mut rig = ServerRig::streaming(&[]);
    (1..=3).for_each(|pts| rig.hear_frame(pts));
    for (pts, dts) in [(1, 0), (3, 1), (2, 2)] {
        rig.packet(pts, dts);
    }
    rig.said();
    rig.hear(&speech::frame(3));
    assert_eq!(rig.said(), ["PACKET 3 2 empty"]);
}

#[test]
fn a_repeats_planes_are_dropped_and_the_next_frame_is_whole() {
    let mut rig = ServerRig::streaming(&[]);
    rig.hear_frame(1);
    let both = [speech::frame(1), speech::frame(2)].concat();
    assert_eq!(rig.hear(&both), ["Frame 2", "FrameEnd"]);
}

#[test]
fn frames_without_a_pts_are_no_repeats_of_each_other() {
    let mut rig = ServerRig::streaming(&[]);
    rig.hear_frame(NO_PTS);
    rig.hear_frame(NO_PTS);
    assert_eq!(rig.server.unanswered(), 2);
    rig.packet(NO_PTS, 0);
    rig.packet(NO_PTS, 1);
    assert_eq!(rig.server.unanswered(), 0);
    assert!(rig.give(speech::head(NO_PTS, 2)).is_err());
}

#[test]
fn a_pts_that_still_waits_and_is_not_the_last_is_refused() {
    let mut rig = ServerRig::streaming(&[]);
    rig.hear_frame(1);
    rig.hear_frame(2);
    assert_eq!(rig.hear(&speech::frame(1)), ["Closing"]);
    assert_eq!(rig.said(), ["ERROR 4: pts 1 came twice"]);
}

#[test]
fn a_frame_is_not_repeated_without_end() {
    for answered in [false, true] {
        let mut rig = ServerRig::streaming(&[]);
        rig.hear_frame(1);
        if answered {
            rig.packet(1, 1);
        }
        for _ in 0..16 {
            assert!(rig.hear(&speech::frame(1)).is_empty());
        }
        assert_eq!(rig.hear(&speech::frame(1)), ["Closing"]);
    }
}

/// Does a decode client take a FRAME with these planes?
fn client_takes(capabilities: &[&str], compression: u8, planes: &[(u32, u32, u32)]) -> bool {
    let wants = decoding();
    let options = Options { wire_compression: compression, ..wants.options };
    let mut rig = ClientRig::streaming(ClientSettings { options, ..wants }, capabilities);
    rig.send(0).unwrap();
    rig.hear(&speech::frame_of(0, planes)) == ["Frame 0", "FrameEnd"]
}

#[test]
fn a_decoded_frame_has_the_size_of_configure_and_every_chroma_row() {
    let whole = [(4, 3, 12), (4, 2, 8)];
    let short = [(4, 3, 12), (4, 1, 4)];
    let large = [(4, 4, 16), (4, 2, 8)];
    assert!(client_takes(speech::CURRENT, 0, &whole));
    assert!(client_takes(speech::EARLY, 0, &short));
    assert!(!client_takes(speech::CURRENT, 0, &short));
    assert!(!client_takes(speech::EARLY, 0, &large));
    assert!(client_takes(speech::CURRENT, 2, &[(4, 3, 30), (4, 2, 9)]));
    assert!(!client_takes(speech::CURRENT, 0, &[(4, 3, 30), (4, 2, 9)]));
}

#[test]
fn a_frame_of_another_plane_count_fails_a_decode_client() {
    let mut rig = ClientRig::streaming(decoding(), speech::CURRENT);
    let head = FrameHead { pts: 0, duration: 0, flags: 0, planes: 1 };
    let parts = frame_message(&head, &[(4, 3, 0)], &[]).unwrap();
    assert_eq!(rig.hear(&parts.heads[0]), ["Failed"]);
}

#[test]
fn side_data_may_go_to_servers_that_list_it() {
    for (generation, listed) in
        [(Generation::Early, false), (Generation::Current, true), (Generation::Ours, true)]
    {
        assert_eq!(ClientRig::with(generation).client.server().side_data, listed);
    }
}
