//! Section 9: what we add, negotiated.

use vtremote_proto::{
    Client, ClientSettings, Fields, FrameBegin, FrameHead, Generation, Geometry, GeometryChanges,
    HelloStatus, Limits, NO_REFERENCE, Options, Pace, PixelFormat, SideData, SliceHead,
    slice_message,
};

use crate::{
    client_rig::{ClientRig, decoding, settings},
    server_rig::ServerRig,
    speech,
};

const BOTH: &[(&str, &str)] = &[("x.ack.v1", "1"), ("x.slices.v1", "1")];

/// What a server of ours listed before `x.geometry.v1`.
const SLICES: &[&str] = &["h264", "hevc", "pixfmt.nv12", "pixfmt.p010", "x.ack.v1", "x.slices.v1"];

#[test]
fn an_extension_is_asked_for_only_where_it_is_listed() {
    for (capabilities, want_slices, ack, slices) in [
        (speech::CURRENT, true, false, false),
        (speech::OURS, true, true, true),
        (speech::OURS, false, true, false),
    ] {
        let mut rig = ClientRig::new(ClientSettings { want_slices, ..settings() });
        rig.hear(&speech::hello_ack(capabilities));
        let said = rig.said().pop().unwrap();
        assert_eq!(said.contains("x.ack.v1=1"), ack, "{said}");
        assert_eq!(said.contains("x.slices.v1=1"), slices, "{said}");
        assert_eq!((rig.client.server().ack, rig.client.server().slices), (ack, slices));
    }
}

#[test]
fn an_extension_that_was_not_offered_is_not_in_use() {
    let mut rig = ServerRig::new();
    rig.hear(&speech::hello());
    rig.server.accept(rig.now, &speech::ack_of(HelloStatus::Ok, speech::CURRENT));
    rig.hear(&speech::configure(BOTH));
    let client = rig.server.traits_of_client();
    assert_eq!((client.ack, client.slices), (false, false));
    assert_eq!(rig.unknown, ["x.ack.v1", "x.slices.v1"]);
    rig.configured();
    rig.hear_frame(0);
    rig.server.taken(rig.now, 1);
    assert_eq!(rig.said(), ["HELLO_ACK accepted", "CONFIGURE_ACK 1"]);
    assert_eq!(rig.hear(&speech::begin(1, 0, 2)), ["Closing"]);
}

#[test]
fn acks_count_what_the_backend_has_taken_and_only_the_latest_waits() {
    let mut rig = ServerRig::streaming(BOTH);
    rig.hear_frame(0);
    rig.server.taken(rig.now, 1);
    assert_eq!(rig.said(), ["ACK 1"]);
    rig.hear_frame(1);
    rig.hear_frame(2);
    rig.server.taken(rig.now, 1);
    rig.server.taken(rig.now, 1);
    assert_eq!(rig.said(), ["ACK 3"]);
    rig.server.taken(rig.now, 1);
    assert!(rig.said().is_empty());
}

#[test]
fn acks_count_packets_in_decode() {
    let mut rig = ServerRig::streaming(&[("mode", "decode"), ("x.ack.v1", "1")]);
    rig.hear(&speech::packet(0, 0));
    rig.server.taken(rig.now, 1);
    assert_eq!(rig.said(), ["ACK 1"]);
}

#[test]
fn a_repeat_is_not_among_what_was_taken() {
    let mut rig = ServerRig::streaming(BOTH);
    rig.hear_frame(0);
    rig.hear(&speech::frame(0));
    rig.server.taken(rig.now, 1);
    rig.server.taken(rig.now, 1);
    assert_eq!(rig.said(), ["ACK 1"]);
}

#[test]
fn the_slices_of_a_picture_come_in_any_order_with_other_messages_between() {
    let mut rig = ServerRig::streaming(BOTH);
    assert_eq!(rig.hear(&speech::begin(5, 9, 3)), ["FrameBegin 5"]);
    assert_eq!(rig.hear(&speech::slice(9, 2, 1, 0, 2)), ["Slice 2", "SliceEnd false"]);
    rig.hear(&speech::ping());
    assert_eq!(rig.hear(&speech::slice(9, 1, 0, 2, 1)), ["Slice 1", "SliceEnd false"]);
    assert_eq!(rig.server.unanswered(), 0);
    assert_eq!(rig.hear(&speech::slice(9, 0, 0, 0, 2)), ["Slice 0", "SliceEnd true"]);
    assert_eq!(rig.server.unanswered(), 1);
    rig.packet(5, 5);
    assert_eq!(rig.said(), ["PONG", "PACKET 5 5"]);
    rig.hear_frame(6);
}

#[test]
fn slices_tile_every_plane_exactly_once() {
    let begin = || speech::begin(5, 9, 3);
    let whole = || speech::slice(9, 0, 0, 0, 3);
    for (wrong, says) in [
        (vec![begin(), whole(), speech::slice(9, 1, 0, 2, 1)], "rows 2+1 of plane 0"),
        (vec![begin(), speech::slice(9, 0, 0, 1, 3)], "rows 1+3 of plane 0"),
        (vec![begin(), speech::slice(9, 0, 1, 2, 1)], "rows 2+1 of plane 1"),
        (vec![begin(), speech::slice(9, 0, 2, 0, 1)], "is of plane 2"),
        (vec![begin(), whole(), speech::slice(9, 0, 1, 0, 1)], "came twice"),
        (vec![begin(), speech::slice(9, 3, 0, 0, 1)], "came twice or is not one of 3"),
        (vec![begin(), speech::slice(8, 0, 0, 0, 3)], "amid frame 9"),
        (
            vec![
                begin(),
                speech::slice(9, 0, 0, 0, 1),
                speech::slice(9, 1, 0, 1, 1),
                speech::slice(9, 2, 1, 0, 2),
            ],
            "leaves rows uncovered",
        ),
        (vec![speech::slice(9, 0, 0, 0, 3)], "without its FRAME_BEGIN"),
        (vec![begin(), whole(), begin()], "before the last SLICE"),
        (vec![begin(), speech::frame(6)], "before the last SLICE"),
        (vec![begin(), whole(), speech::flush()], "FLUSH amid a picture"),
        (vec![speech::begin(5, 9, 1)], "1 slices"),
        (vec![speech::begin(5, 9, 6)], "6 slices for 5 rows"),
    ] {
        let mut rig = ServerRig::streaming(BOTH);
        rig.hear(&wrong.concat());
        let said = rig.said().pop().expect("an ERROR");
        assert!(said.starts_with("ERROR") && said.contains(says), "{said}");
    }
}

#[test]
fn a_slice_has_the_bytes_of_its_rows_or_compressed_ones() {
    let head =
        |mode, len| SliceHead { frame_id: 0, index: 0, plane: 0, mode, first_row: 0, rows: 3, len };
    for (codec, mode, len, good) in [
        (0, 0, 12, true),
        (0, 1, 12, true),
        (0, 0, 11, false),
        (1, 0, 11, true),
        (1, 0, 12 + 1024, true),
        (1, 0, 12 + 1025, false),
        (1, 0, 0, false),
        (1, 1, 12, true),
        (1, 1, 11, false),
        (0, 2, 12, false),
    ] {
        let mut rig = ServerRig::streaming(BOTH);
        let begin = FrameBegin { codec, ..begin_of() };
        let mut bytes = Vec::new();
        begin.encode(&mut bytes).unwrap();
        bytes.extend(slice_message(&head(mode, len)).unwrap());
        let steps = rig.hear(&bytes);
        assert_eq!(steps.contains(&"Slice 0".into()), good, "{codec} {mode} {len}");
    }
}

fn begin_of() -> FrameBegin<'static> {
    FrameBegin {
        head: FrameHead { pts: 0, duration: 1, flags: 0, planes: 2 },
        codec: 0,
        frame_id: 0,
        reference_id: NO_REFERENCE,
        slices: 2,
        tables: &[],
        geometry: None,
        side_data: SideData::EMPTY,
    }
}

#[test]
fn what_belongs_to_a_codec_that_was_not_agreed_is_refused() {
    for (begin, says) in [
        (FrameBegin { codec: 3, ..begin_of() }, "codec 3"),
        (FrameBegin { reference_id: 0, ..begin_of() }, "a reference or tables"),
        (FrameBegin { tables: &[1], ..begin_of() }, "a reference or tables"),
        (FrameBegin { head: FrameHead { planes: 1, ..begin_of().head }, ..begin_of() }, "1 planes"),
    ] {
        let mut rig = ServerRig::streaming(BOTH);
        let mut bytes = Vec::new();
        begin.encode(&mut bytes).unwrap();
        assert_eq!(rig.hear(&bytes), ["Closing"]);
        let said = rig.said().pop().expect("an ERROR");
        assert!(said.contains(says), "{said}");
    }
}

#[test]
fn a_picture_in_slices_is_never_a_repeat() {
    let mut rig = ServerRig::streaming(BOTH);
    let picture =
        [speech::begin(5, 0, 2), speech::slice(0, 0, 0, 0, 3), speech::slice(0, 1, 1, 0, 2)]
            .concat();
    assert_eq!(rig.hear(&picture).last().unwrap(), "SliceEnd true");
    assert_eq!(rig.hear(&picture), ["Closing"]);
    assert_eq!(rig.said(), ["ERROR 4: pts 5 came twice"]);
}

#[test]
fn decoded_pictures_may_come_in_slices_if_that_was_agreed() {
    let picture = [
        speech::begin(0, 1, 2),
        speech::slice(1, 1, 1, 0, 2),
        speech::ping(),
        speech::slice(1, 0, 0, 0, 3),
    ]
    .concat();
    let wants = ClientSettings { want_slices: true, ..decoding() };
    let mut rig = ClientRig::streaming(wants, SLICES);
    rig.send(0).unwrap();
    assert_eq!(
        rig.hear(&picture),
        ["FrameBegin 0", "Slice 1", "SliceEnd false", "Slice 0", "SliceEnd true"]
    );
    assert_eq!(rig.client.outstanding(), 0);
    assert_eq!(rig.client.next_in_order(), Some(0));

    let mut rig = ClientRig::streaming(decoding(), speech::OURS);
    rig.send(0).unwrap();
    assert_eq!(rig.hear(&picture), ["Failed"]);
}

#[test]
fn an_ack_that_was_not_agreed_fails_the_client() {
    let mut rig = ClientRig::with(Generation::Current);
    rig.send(0).unwrap();
    assert_eq!(rig.hear(&speech::ack(1)), ["Failed"]);
}

#[test]
fn parts_of_a_decoded_picture_go_out_before_the_last() {
    let mut rig = ServerRig::streaming(&[("mode", "decode"), ("x.slices.v1", "1")]);
    rig.hear(&speech::packet(0, 0));
    rig.server.part(rig.now, speech::begin(0, 0, 2)).unwrap();
    rig.server.part(rig.now, speech::slice(0, 0, 0, 0, 3)).unwrap();
    assert_eq!(rig.server.unanswered(), 1);
    rig.server.frame(rig.now, speech::slice(0, 1, 1, 0, 2)).unwrap();
    assert_eq!(rig.server.unanswered(), 0);
    assert_eq!(rig.said(), ["FRAME_BEGIN 0", "SLICE 0.0", "SLICE 0.1"]);
}

// ── x.geometry.v1 ──

/// Options of a client that decodes and wants to be told what the pictures are.
const TOLD: &[(&str, &str)] = &[("mode", "decode"), ("x.slices.v1", "1"), ("x.geometry.v1", "1")];

/// The rigs' picture, and one that is higher.
const SMALL: Geometry = Geometry::new(4, 3, PixelFormat::Nv12);
const HIGH: Geometry = Geometry::new(4, 5, PixelFormat::Nv12);

fn told() -> ClientRig {
    let wants = ClientSettings { want_slices: true, ..decoding() };
    let mut rig = ClientRig::streaming(wants, speech::OURS);
    (0..4).for_each(|pts| rig.send(pts).unwrap());
    rig
}

/// A picture of the rigs' size or of five rows.
fn picture(pts: i64, rows: u32, geometry: Option<Geometry>) -> Vec<u8> {
    [
        speech::begin_of(pts, 1, 2, geometry),
        speech::slice(1, 0, 0, 0, rows),
        speech::slice(1, 1, 1, 0, rows.div_ceil(2)),
    ]
    .concat()
}

#[test]
fn geometry_is_asked_for_in_decode_where_slices_are_used_and_it_is_listed() {
    for (settings, capabilities, wanted) in [
        (ClientSettings { want_slices: true, ..decoding() }, speech::OURS, true),
        (ClientSettings { want_slices: true, ..decoding() }, SLICES, false),
        (ClientSettings { want_slices: false, ..decoding() }, speech::OURS, false),
        (ClientSettings { want_slices: true, ..settings() }, speech::OURS, false),
    ] {
        // What the caller's options say does not count.
        let options = Options { geometry: true, ..settings.options.clone() };
        let mut rig = ClientRig::new(ClientSettings { options, ..settings });
        rig.hear(&speech::hello_ack(capabilities));
        let said = rig.said().pop().unwrap();
        assert_eq!(said.contains("x.geometry.v1=1"), wanted, "{said}");
        assert_eq!(rig.client.server().geometry, wanted);
    }
}

#[test]
fn geometry_is_in_use_only_in_decode_with_slices_and_named_where_it_is_not() {
    let rig = ServerRig::streaming(TOLD);
    assert!(rig.server.traits_of_client().geometry);
    assert!(rig.unknown.is_empty());
    for options in [
        &[("x.slices.v1", "1"), ("x.geometry.v1", "1")][..],
        &[("mode", "decode"), ("x.geometry.v1", "1")],
    ] {
        let rig = ServerRig::streaming(options);
        assert!(!rig.server.traits_of_client().geometry);
        assert_eq!(rig.unknown, ["x.geometry.v1"]);
    }
    let mut rig = ServerRig::new();
    rig.hear(&speech::hello());
    rig.server.accept(rig.now, &speech::ack_of(HelloStatus::Ok, SLICES));
    rig.hear(&speech::configure(TOLD));
    assert!(!rig.server.traits_of_client().geometry);
    assert_eq!(rig.unknown, ["x.geometry.v1"]);
}

#[test]
fn a_picture_is_checked_against_the_last_geometry_that_was_told() {
    let mut rig = told();
    assert_eq!(rig.client.geometry(), None);
    assert_eq!(rig.hear(&picture(0, 5, Some(HIGH))).last().unwrap(), "SliceEnd true");
    assert_eq!(rig.client.geometry(), Some(HIGH));
    assert_eq!(rig.hear(&picture(1, 5, None)).last().unwrap(), "SliceEnd true");
    assert_eq!(rig.client.geometry(), Some(HIGH));
    let small = Geometry { fields: Fields::TopFirst, ..SMALL };
    assert_eq!(rig.hear(&picture(2, 3, Some(small))).last().unwrap(), "SliceEnd true");
    assert_eq!(rig.client.geometry(), Some(small));
    assert_eq!(rig.hear(&picture(3, 5, None)).last().unwrap(), "Failed");
    assert!(rig.failure().to_string().contains("rows 0+5 of plane 0"), "{}", rig.failure());
}

#[test]
fn the_format_of_a_picture_is_the_one_that_was_told() {
    let mut rig = told();
    let deep = Geometry::new(2, 3, PixelFormat::P010);
    assert_eq!(rig.hear(&picture(0, 3, Some(deep))).last().unwrap(), "SliceEnd true");
}

#[test]
fn a_format_that_was_not_wished_for_fails_the_client_by_its_name() {
    let high_chroma = Geometry::new(4, 3, PixelFormat::P210);
    let mut rig = told();
    assert_eq!(rig.hear(&picture(0, 3, Some(high_chroma))), ["Failed"]);
    let said = rig.failure().to_string();
    assert!(said.contains("a picture of p210, which was not asked for"), "{said}");

    let pix_fmt = PixelFormat::P210;
    let wants = ClientSettings { want_slices: true, pix_fmt, ..decoding() };
    let mut rig = ClientRig::streaming(wants, &[speech::OURS, &["pixfmt.p210"]].concat());
    (0..2).for_each(|pts| rig.send(pts).unwrap());
    assert_eq!(rig.hear(&speech::begin_of(0, 1, 2, Some(high_chroma))), ["FrameBegin 0"]);
}

#[test]
fn only_a_server_that_can_say_so_is_asked_for_more_colour_than_4_2_0() {
    let asked = |pix_fmt, want_slices, listed: &[&str]| {
        let wants = ClientSettings { want_slices, pix_fmt, ..decoding() };
        let mut rig = ClientRig::new(wants);
        rig.hear(&speech::hello_ack(listed));
        assert_eq!(rig.client.failure(), None);
        PixelFormat::from_wire(rig.configure()[8]).unwrap()
    };
    let able = [speech::OURS, &["pixfmt.p210", "pixfmt.ayuv"]].concat();
    assert_eq!(asked(PixelFormat::P210, true, &able), PixelFormat::P210);
    assert_eq!(asked(PixelFormat::Ayuv, true, &able), PixelFormat::Ayuv);
    assert_eq!(asked(PixelFormat::Bgra, true, &able), PixelFormat::Nv12);
    assert_eq!(asked(PixelFormat::P210, false, &able), PixelFormat::P010);
    assert_eq!(asked(PixelFormat::P210, true, speech::OURS), PixelFormat::P010);
    let current = [speech::CURRENT, &["pixfmt.p210"]].concat();
    assert_eq!(asked(PixelFormat::P210, true, &current), PixelFormat::P010);
    assert_eq!(asked(PixelFormat::Ayuv, true, speech::EARLY), PixelFormat::Nv12);
}

#[test]
fn a_picture_of_more_pixels_than_decoders_give_fails_the_client_by_its_size() {
    let largest = Geometry::new(16_384, 4096, PixelFormat::Nv12);
    let mut rig = told();
    assert_eq!(rig.hear(&speech::begin_of(0, 1, 2, Some(largest))), ["FrameBegin 0"]);
    let mut rig = told();
    let beyond = Geometry { height: 4097, ..largest };
    assert_eq!(rig.hear(&speech::begin_of(0, 1, 2, Some(beyond))), ["Failed"]);
    let said = rig.failure().to_string();
    assert!(said.contains("16384x4097: it has more than 67108864 pixels"), "{said}");
}

#[test]
fn a_stream_of_such_pictures_is_not_even_asked_for() {
    let settings = ClientSettings { width: 16_384, height: 4097, ..decoding() };
    let refused = Client::new(settings).unwrap_err().to_string();
    assert!(refused.contains("16384x4097"), "{refused}");
}

#[test]
fn the_first_picture_says_what_it_is() {
    let mut rig = told();
    assert_eq!(rig.hear(&picture(0, 3, None)), ["Failed"]);
    let said = rig.failure().to_string();
    assert!(said.contains("the first picture does not say what it is"), "{said}");
}

#[test]
fn pictures_that_say_what_they_are_only_come_in_slices() {
    for before in [Vec::new(), picture(0, 3, Some(SMALL))] {
        let mut rig = told();
        rig.hear(&before);
        assert_eq!(rig.hear(&speech::frame(1)), ["Failed"]);
        assert!(rig.failure().to_string().contains("a FRAME where x.geometry.v1"));
    }
}

#[test]
fn a_geometry_that_was_not_agreed_is_a_violation_at_either_end() {
    let wants = ClientSettings { want_slices: true, ..decoding() };
    let mut rig = ClientRig::streaming(wants, SLICES);
    rig.send(0).unwrap();
    assert_eq!(rig.client.geometry(), Some(SMALL));
    assert_eq!(rig.hear(&picture(0, 3, Some(SMALL))), ["Failed"]);
    assert!(rig.failure().to_string().contains("geometry, which was not agreed"));

    let mut rig = ServerRig::streaming(BOTH);
    assert_eq!(rig.hear(&picture(0, 3, Some(SMALL))), ["Closing"]);
    assert_eq!(rig.said(), ["ERROR 4: FRAME_BEGIN has a geometry, which was not agreed"]);
}

#[test]
fn slices_are_bounded_by_the_picture_that_they_are_of() {
    let mut rig = told();
    let cap = 1 << 20;
    assert_eq!(rig.client.limits(cap), Limits::for_any_geometry(cap));
    assert_eq!(rig.client.limits(cap).slice, cap);
    for geometry in [HIGH, SMALL, Geometry::new(16_384, 4096, PixelFormat::Nv12)] {
        rig.hear(&speech::begin_of(0, 1, 2, Some(geometry)));
        let Geometry { format, width, height, .. } = geometry;
        assert_eq!(rig.client.limits(cap), Limits::for_format(format, width, height, cap));
        assert!(rig.client.limits(cap).slice <= cap);
        let (rows, chroma) = (geometry.height, geometry.height / 2 + geometry.height % 2);
        if rows < 10 {
            let slices = [speech::slice(1, 0, 0, 0, rows), speech::slice(1, 1, 1, 0, chroma)];
            assert_eq!(rig.hear(&slices.concat()).last().unwrap(), "SliceEnd true");
        }
    }
}

#[test]
fn without_the_extension_pictures_are_what_the_handshake_said() {
    let rig = ClientRig::streaming(decoding(), speech::CURRENT);
    assert_eq!(rig.client.geometry(), Some(SMALL));
    let limits = Limits::for_format(PixelFormat::Nv12, 4, 3, 1 << 20);
    assert_eq!(rig.client.limits(1 << 20), limits);
}

#[test]
fn only_a_picture_unlike_the_one_before_needs_a_record() {
    let mut changes = GeometryChanges::default();
    assert_eq!(changes.next(SMALL), Some(SMALL));
    assert_eq!(changes.next(SMALL), None);
    let full = Geometry { color_range: 2, ..SMALL };
    assert_eq!(changes.next(full), Some(full));
    assert_eq!(changes.next(full), None);
    assert_eq!(changes.next(SMALL), Some(SMALL));
}

// ── x.notice.v1 ──

#[test]
fn what_goes_wrong_is_told_where_that_was_agreed_in_its_turn_and_at_most_32_times() {
    let mut rig = ServerRig::streaming(&[("x.notice.v1", "1")]);
    rig.hear_frame(0);
    rig.packet(0, 0);
    rig.server.notice(rig.now, "one\nline");
    assert_eq!(rig.said(), ["PACKET 0 0", "NOTICE one line"]);
    (0..40).for_each(|_| rig.server.notice(rig.now, "more"));
    assert_eq!(rig.said(), ["NOTICE more"; 31]);
    rig.hear(&speech::flush());
    rig.server.drained(rig.now).unwrap();
    rig.server.notice(rig.now, "too late");
    assert_eq!(rig.said(), ["NOTICE 9 warnings more are in the log of the server only", "DONE"]);

    let mut rig = ServerRig::streaming(&[]);
    rig.server.notice(rig.now, "not agreed");
    assert!(rig.said().is_empty());
}

#[test]
fn a_client_gives_out_what_its_server_tells_up_to_64_times() {
    let mut rig = ClientRig::streaming(settings(), speech::OURS);
    assert_eq!(rig.hear(&speech::notice("a frame was late")), ["Notice a frame was late"]);
    let heard: Vec<_> = (0..100).flat_map(|_| rig.hear(&speech::notice("x"))).collect();
    assert_eq!(heard.iter().filter(|step| *step == "Notice x").count(), 63);
    assert_eq!(rig.client.failure(), None);
}

#[test]
fn a_notice_that_was_not_agreed_is_a_violation() {
    let mut rig = ClientRig::streaming(settings(), speech::CURRENT);
    rig.hear(&speech::notice("x"));
    assert!(rig.failure().to_string().contains("NOTICE"), "{}", rig.failure());
    let mut rig = ServerRig::streaming(&[("x.notice.v1", "1")]);
    rig.hear(&speech::notice("x"));
    assert!(rig.end().contains("only servers send"), "{}", rig.end());
}

// ── x.wire.vtz.v1 ──

#[test]
fn vtz_is_asked_for_where_it_is_wanted_and_listed_and_slices_are_used() {
    let without = &[SLICES, &["side_data.v2"]].concat();
    for (wish, want_slices, capabilities, asked) in [
        (1, true, speech::OURS, "1"),
        (2, true, speech::OURS, "2"),
        (0, true, speech::OURS, ""),
        (1, false, speech::OURS, ""),
        (1, true, without, ""),
    ] {
        for settings in [settings(), decoding()] {
            let options = Options { vtz: wish, ..settings.options.clone() };
            let wants = ClientSettings { want_slices, options, ..settings };
            let mut rig = ClientRig::new(wants);
            rig.hear(&speech::hello_ack(capabilities));
            let said = rig.said().pop().unwrap();
            let says = format!("x.wire.vtz.v1={asked}");
            assert_eq!(said.contains(&says) && !asked.is_empty(), !asked.is_empty(), "{said}");
            assert_eq!(said.contains("x.wire.vtz.v1"), !asked.is_empty(), "{said}");
            assert_eq!(rig.client.server().vtz, !asked.is_empty());
        }
    }
}

#[test]
fn vtz_is_in_use_only_with_slices_and_named_where_it_is_not() {
    let rig = ServerRig::streaming(&[("x.slices.v1", "1"), ("x.wire.vtz.v1", "1")]);
    assert!(rig.server.traits_of_client().vtz);
    assert!(rig.unknown.is_empty());
    let rig = ServerRig::streaming(&[("x.wire.vtz.v1", "1")]);
    assert!(!rig.server.traits_of_client().vtz);
    assert_eq!(rig.unknown, ["x.wire.vtz.v1"]);
}

#[test]
fn frames_of_vtz_have_flags_and_refer_only_to_the_last_that_was_kept() {
    let vtz = |frame_id: u32, reference_id, tables| FrameBegin {
        codec: 3,
        head: FrameHead { pts: frame_id.into(), ..begin_of().head },
        frame_id,
        reference_id,
        tables,
        ..begin_of()
    };
    const LOOSE: &[u8] = &[0];
    const KEPT: &[u8] = &[2];
    let plain = FrameBegin { head: FrameHead { pts: 2, ..begin_of().head }, ..begin_of() };
    for (frames, says) in [
        (vec![vtz(0, NO_REFERENCE, KEPT), vtz(1, 0, KEPT), vtz(2, 1, LOOSE), vtz(3, 1, KEPT)], ""),
        (vec![vtz(0, NO_REFERENCE, KEPT), vtz(1, NO_REFERENCE, LOOSE), plain, vtz(3, 0, KEPT)], ""),
        (vec![vtz(0, NO_REFERENCE, KEPT), vtz(1, 0, KEPT), vtz(2, 0, KEPT)], "frame 0, which"),
        (vec![vtz(0, NO_REFERENCE, LOOSE), vtz(1, 0, KEPT)], "frame 0, which is not kept"),
        (vec![vtz(0, 0, KEPT)], "frame 0, which is not kept"),
        (vec![vtz(0, NO_REFERENCE, &[])], "without its flags"),
        (vec![vtz(NO_REFERENCE, NO_REFERENCE, KEPT)], "without an id"),
    ] {
        let mut rig = ServerRig::streaming(&[("x.slices.v1", "1"), ("x.wire.vtz.v1", "1")]);
        let mut last = String::new();
        for begin in frames {
            let mut bytes = Vec::new();
            begin.encode(&mut bytes).unwrap();
            for (plane, rows) in [(0, 3), (1, 2)] {
                let len = rows * 4;
                let (frame_id, index) = (begin.frame_id, u16::from(plane));
                let slice = SliceHead { frame_id, index, plane, mode: 1, first_row: 0, rows, len };
                bytes.extend(slice_message(&slice).unwrap());
                bytes.resize(bytes.len() + len as usize, 0);
            }
            last = rig.hear(&bytes).pop().unwrap();
        }
        let said = rig.said().pop().unwrap_or_default();
        match says {
            "" => assert_eq!(last, "SliceEnd true", "{said}"),
            says => assert!(said.contains(says), "{said}"),
        }
    }
}

const VTZ: &[(&str, &str)] = &[("x.slices.v1", "1"), ("x.wire.vtz.v1", "1")];

/// A client that decodes and has asked for vtz of a server that can.
fn vtz_client() -> ClientRig {
    let options = Options { vtz: 1, ..decoding().options };
    let wants = ClientSettings { want_slices: true, options, ..decoding() };
    let mut rig = ClientRig::streaming(wants, speech::OURS);
    (0..4).for_each(|pts| rig.send(pts).unwrap());
    rig
}

#[test]
fn a_slice_of_vtz_is_as_long_as_its_mode_allows() {
    // Three rows of four bytes.
    for (mode, len, good) in [
        (0, 12, false),
        (1, 12, true),
        (1, 11, false),
        (1, 13, false),
        (2, 0, true),
        (2, 1, false),
        (3, 0, false),
        (3, 1, true),
        (3, 12, true),
        (3, 13, false),
        (4, 0, false),
        (4, 1, true),
        (4, 12, true),
        (4, 13, false),
        (5, 12, false),
        (255, 12, false),
    ] {
        let first_row = 0;
        let slice = SliceHead { frame_id: 0, index: 0, plane: 0, mode, first_row, rows: 3, len };
        let begin = |geometry| {
            let begin = FrameBegin { codec: 3, tables: &[0], geometry, ..begin_of() };
            let mut bytes = Vec::new();
            begin.encode(&mut bytes).unwrap();
            bytes.extend(slice_message(&slice).unwrap());
            bytes
        };
        let taken = |steps: Vec<String>| steps.contains(&"Slice 0".into());
        let mut rig = ServerRig::streaming(VTZ);
        assert_eq!(taken(rig.hear(&begin(None))), good, "mode {mode}, {len} bytes");
        if !good {
            assert!(rig.said().pop().unwrap().starts_with("ERROR 4: SLICE 0 of frame 0"));
        }
        let mut rig = vtz_client();
        assert_eq!(taken(rig.hear(&begin(Some(SMALL)))), good, "mode {mode}, {len} bytes");
        assert_eq!(rig.client.failure().is_some(), !good);
    }
}

#[test]
fn slices_of_vtz_are_whole_strips() {
    // 40 rows of luma are strips of 16, 16 and 8.
    let high = Geometry::new(4, 40, PixelFormat::Nv12);
    for (first_row, rows, good) in [
        (0, 16, true),
        (0, 32, true),
        (0, 40, true),
        (16, 16, true),
        (16, 24, true),
        (32, 8, true),
        (0, 8, false),
        (8, 8, false),
        (8, 32, false),
        (16, 8, false),
        (33, 7, false),
    ] {
        for codec in [3, 0] {
            let tables: &[u8] = if codec == 3 { &[0] } else { &[] };
            let geometry = Some(high);
            let begin = FrameBegin { codec, slices: 5, tables, geometry, ..begin_of() };
            let mut bytes = Vec::new();
            begin.encode(&mut bytes).unwrap();
            let len = rows * 4;
            let slice =
                SliceHead { frame_id: 0, index: 0, plane: 0, mode: 1, first_row, rows, len };
            bytes.extend(slice_message(&slice).unwrap());
            let steps = vtz_client().hear(&bytes);
            // Other codecs are free in it.
            let good = good || codec == 0;
            assert_eq!(steps.contains(&"Slice 0".into()), good, "{codec}: {first_row}+{rows}");
        }
    }
}

#[test]
fn a_picture_of_another_size_refers_to_none_from_before() {
    let begin = |id: u32, reference_id, geometry: Option<Geometry>| {
        let head = FrameHead { pts: id.into(), ..begin_of().head };
        let tables = &[2];
        let codec = 3;
        let begin =
            FrameBegin { head, codec, frame_id: id, reference_id, tables, geometry, ..begin_of() };
        let mut bytes = Vec::new();
        begin.encode(&mut bytes).unwrap();
        bytes
    };
    let rows = |id, rows: u32| {
        let slice = |plane, rows: u32| {
            let (index, first_row, len) = (u16::from(plane), 0, rows * 4);
            let head = SliceHead { frame_id: id, index, plane, mode: 1, first_row, rows, len };
            let mut bytes = slice_message(&head).unwrap();
            bytes.resize(bytes.len() + len as usize, 0);
            bytes
        };
        [slice(0, rows), slice(1, rows.div_ceil(2))].concat()
    };
    let first = [begin(0, NO_REFERENCE, Some(SMALL)), rows(0, 3)].concat();
    // Colours are no size.
    let full = Geometry { color_range: 2, ..SMALL };
    for (then, good) in [
        (begin(1, 0, None), true),
        (begin(1, 0, Some(full)), true),
        (begin(1, 0, Some(HIGH)), false),
        (begin(1, 0, Some(Geometry::new(4, 3, PixelFormat::P010))), false),
        (begin(1, NO_REFERENCE, Some(HIGH)), true),
    ] {
        let mut rig = vtz_client();
        assert_eq!(rig.hear(&first).last().unwrap(), "SliceEnd true");
        let step = rig.hear(&then).pop().unwrap();
        assert_eq!(step, if good { "FrameBegin 1" } else { "Failed" });
        if !good {
            let failure = rig.client.failure().unwrap().to_string();
            assert!(failure.contains("frame 0, which is not kept"), "{failure}");
        }
    }
}

#[test]
fn vtz_that_was_not_agreed_fails_the_client() {
    let mut bytes = Vec::new();
    FrameBegin { codec: 3, tables: &[0], ..begin_of() }.encode(&mut bytes).unwrap();
    let wants = ClientSettings { want_slices: true, ..decoding() };
    let mut rig = ClientRig::streaming(wants, SLICES);
    rig.send(0).unwrap();
    assert_eq!(rig.hear(&bytes), ["Failed"]);
    assert!(rig.client.failure().unwrap().to_string().contains("codec 3"));
}

#[test]
fn frames_of_vtz_break_no_rule_unseen_at_the_client_either() {
    let told = |reference_id, tables: &'static [u8]| {
        let (codec, geometry) = (3, Some(SMALL));
        let begin = FrameBegin { codec, reference_id, tables, geometry, ..begin_of() };
        let mut bytes = Vec::new();
        begin.encode(&mut bytes).unwrap();
        bytes
    };
    for (bytes, says) in [
        (told(0, &[0]), "frame 0, which is not kept"),
        (told(0, &[2]), "frame 0, which is not kept"),
        (told(NO_REFERENCE, &[]), "without its flags"),
    ] {
        let mut rig = vtz_client();
        assert_eq!(rig.hear(&bytes), ["Failed"]);
        let failure = rig.client.failure().unwrap().to_string();
        assert!(failure.contains(says), "{failure}");
    }
}

// ── x.pace.v1 ──

/// A client that leaves the coding of pictures to who sends them.
fn at_liberty(of: ClientSettings) -> ClientSettings {
    let options = Options { vtz: 1, pace: true, ..of.options.clone() };
    ClientSettings { options, want_slices: true, ..of }
}

const PACE: &[(&str, &str)] = &[("x.slices.v1", "1"), ("x.pace.v1", "1")];

#[test]
fn vtz_at_the_choice_of_who_sends_is_asked_for_only_where_that_is_known() {
    let older: Vec<_> = speech::OURS.iter().copied().filter(|name| *name != "x.pace.v1").collect();
    for (capabilities, both) in [(speech::OURS, true), (&older, false)] {
        let mut rig = ClientRig::new(at_liberty(settings()));
        rig.hear(&speech::hello_ack(capabilities));
        let said = rig.said().pop().unwrap();
        assert_eq!(said.contains("x.pace.v1=1"), both, "{said}");
        assert_eq!(said.contains("x.wire.vtz.v1=1"), both, "{said}");
    }
    let mut rig = ServerRig::streaming(&[("x.pace.v1", "1")]);
    assert_eq!(rig.unknown, ["x.pace.v1"], "without slices");
    rig.hear(&speech::pace(0, 0));
    assert!(rig.said()[0].contains("ERROR 4"));
}

#[test]
fn a_server_that_encodes_tells_its_pace_now_and_then_and_the_client_what_was_added() {
    let mut rig = ServerRig::streaming(PACE);
    let pace = |pictures| Pace { pictures, ..Pace::default() };
    rig.hear_frame(0);
    rig.server.pace(rig.now, pace(1));
    rig.hear_frame(1);
    rig.server.pace(rig.now, pace(2));
    assert_eq!(rig.said(), ["PACE 1"]);
    rig.wait(0.1);
    rig.server.pace(rig.now, pace(2));
    assert_eq!(rig.said(), ["PACE 2"]);
    let mut rig = ServerRig::streaming(BOTH);
    rig.server.pace(rig.now, pace(0));
    assert!(rig.said().is_empty());

    let mut rig = ClientRig::streaming(at_liberty(settings()), speech::OURS);
    (0..3).for_each(|pts| rig.send(pts).unwrap());
    assert_eq!(rig.hear(&speech::pace(1, u32::MAX)), [format!("Pace 1 {}", u32::MAX)]);
    assert_eq!(rig.hear(&speech::pace(3, 1)), ["Pace 2 2"], "totals wrap");
    rig.hear(&speech::pace(4, 1));
    assert!(rig.failure().to_string().contains("PACE of 4 pictures"), "{}", rig.failure());
}

#[test]
fn a_client_that_decodes_tells_its_pace_and_never_of_more_than_was_sent() {
    let mut rig = ClientRig::streaming(at_liberty(decoding()), speech::OURS);
    rig.client.pace(rig.now, Pace { pictures: 7, ..Pace::default() });
    assert!(rig.client.has_control());
    assert_eq!(rig.said().pop().unwrap(), "PACE 7");

    let options = [PACE, &[("mode", "decode")]].concat();
    let mut rig = ServerRig::streaming(&options);
    rig.hear(&speech::packet(0, 0));
    rig.server.part(rig.now, speech::begin(0, 1, 1)).unwrap();
    rig.server.frame(rig.now, speech::slice(0, 1, 1, 0, 2)).unwrap();
    assert_eq!(rig.hear(&speech::pace(1, 5)), ["Pace 1 5"]);
    rig.hear(&speech::flush());
    assert_eq!(rig.hear(&speech::pace(1, 6)), ["Pace 0 1"], "pictures still go out after FLUSH");
    assert_eq!(rig.hear(&speech::pace(2, 6)), ["Closing"]);
    assert!(rig.said().pop().unwrap().contains("ERROR 4: PACE of 2 pictures"));
}

#[test]
fn a_pace_that_was_not_agreed_or_comes_from_who_sends_pictures_is_a_breach() {
    for (of, capabilities) in [
        (settings(), speech::OURS),
        (at_liberty(settings()), speech::CURRENT),
        (at_liberty(decoding()), speech::OURS),
    ] {
        let mut rig = ClientRig::streaming(of, capabilities);
        rig.hear(&speech::pace(0, 0));
        assert!(rig.failure().to_string().contains("PACE"), "{}", rig.failure());
    }
    for options in [PACE, BOTH] {
        let mut rig = ServerRig::streaming(options);
        assert_eq!(rig.hear(&speech::pace(0, 0)), ["Closing"]);
    }
}
