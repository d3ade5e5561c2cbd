//! Section 4: CONFIGURE and CONFIGURE_ACK.

use vtremote_proto::{
    ClientError, ClientSettings, Configure, ConfigureAck, End, Mode, OutputError, Rational,
};

use crate::{
    client_rig::{ClientRig, decoding, settings},
    server_rig::ServerRig,
    speech,
};

/// What a server says to this CONFIGURE, if it refuses.
fn refusal(configure: &Configure<'_>) -> Option<String> {
    let mut rig = ServerRig::accepted();
    rig.said();
    let mut bytes = Vec::new();
    configure.encode(&mut bytes).unwrap();
    rig.hear(&bytes);
    rig.said().pop()
}

#[test]
fn sizes_formats_and_modes_that_no_backend_has_are_refused_by_name() {
    let good = speech::configure_of(&[]);
    assert_eq!(refusal(&good), None);
    for (configure, says) in [
        (Configure { width: 0, ..good.clone() }, "ERROR 1: size 0x3 is not within 1 to 16384"),
        (Configure { height: u32::MAX, ..good.clone() }, "ERROR 1: size 4x4294967295"),
        (Configure { width: 16_385, ..good.clone() }, "ERROR 1: size 16385x3"),
        (Configure { pix_fmt: 6, ..good.clone() }, "ERROR 3: pixel format 6"),
        (Configure { pix_fmt: 0, ..good.clone() }, "ERROR 3: pixel format 0"),
        (speech::configure_of(&[("mode", "transcode")]), "ERROR 3: mode transcode"),
        (speech::configure_of(&[("mode", "dream")]), "ERROR 3: option mode"),
        (speech::configure_of(&[("bitrate", "fast")]), "ERROR 1: option bitrate"),
    ] {
        let said = refusal(&configure).expect("a refusal");
        assert!(said.starts_with(says), "{said}");
    }
}

#[test]
fn a_timebase_of_0_1_and_an_unknown_frame_rate_are_legal() {
    for den in [0, 1] {
        let configure = Configure {
            time_base: Rational { num: 0, den: 1 },
            frame_rate: Rational { num: 0, den },
            ..speech::configure_of(&[])
        };
        assert_eq!(refusal(&configure), None);
    }
}

#[test]
fn unknown_options_are_told_to_the_caller() {
    let rig = ServerRig::configuring(&[("gop", "30"), ("shiny", "1")]);
    assert_eq!(rig.unknown, ["shiny"]);
    assert_eq!(rig.options.unwrap().gop, 30);
}

#[test]
fn a_backend_that_does_not_start_within_four_seconds_is_a_timeout() {
    let mut rig = ServerRig::configuring(&[]);
    rig.wait(3.9);
    assert_eq!(rig.server.end(), None);
    rig.wait(0.2);
    assert!(rig.end().starts_with("error 6"), "{}", rig.end());
    let ack = ConfigureAck { status: 0, extradata: &[], pix_fmt: 1, warnings: Vec::new() };
    assert_eq!(rig.server.configured(rig.now, &ack), Err(OutputError::Closed));
    assert_eq!(rig.said().len(), 2);
}

#[test]
fn a_refused_configuration_is_an_error_with_its_reason() {
    let mut rig = ServerRig::configuring(&[]);
    rig.server.refuse_configure(rig.now, 1, "level: 13 is not to be had");
    assert_eq!(rig.said()[1], "ERROR 1: level: 13 is not to be had");
}

#[test]
fn a_record_over_65535_bytes_is_error_5() {
    let long = vec![1; 65_536];
    for (len, code) in [(65_535, None), (65_536, Some("ERROR 5"))] {
        let mut rig = ServerRig::configuring(&[]);
        let ack =
            ConfigureAck { status: 0, extradata: &long[..len], pix_fmt: 1, warnings: Vec::new() };
        assert_eq!(rig.server.configured(rig.now, &ack).is_err(), code.is_some());
        assert!(rig.said()[1].starts_with(code.unwrap_or("CONFIGURE_ACK")));
    }
}

#[test]
fn a_decode_client_gets_no_extradata() {
    let mut rig = ServerRig::configuring(&[("mode", "decode")]);
    let long = vec![1; 65_536];
    let ack = ConfigureAck { status: 0, extradata: &long, pix_fmt: 2, warnings: Vec::new() };
    assert_eq!(rig.server.configured(rig.now, &ack), Ok(()));
    assert_eq!(rig.said()[1], "CONFIGURE_ACK 2");
}

#[test]
fn existing_decode_clients_get_nv12_or_p010_or_an_error() {
    for (options, pix_fmt, accepted) in [
        (&[("mode", "decode")][..], 3, false),
        (&[("mode", "decode")], 2, true),
        (&[("mode", "decode"), ("x.ack.v1", "1")], 3, true),
    ] {
        let mut rig = ServerRig::configuring(options);
        let ack = ConfigureAck { status: 0, extradata: &[], pix_fmt, warnings: Vec::new() };
        assert_eq!(rig.server.configured(rig.now, &ack).is_ok(), accepted);
        let said = rig.said();
        let expected = if accepted { "CONFIGURE_ACK" } else { "ERROR 3" };
        assert!(said[1].starts_with(expected), "{said:?}");
    }
}

#[test]
fn a_probing_session_that_closes_frees_its_slot_at_once() {
    let mut rig = ServerRig::accepted();
    let probe = Configure { pix_fmt: 2, ..speech::configure_of(&[("mode", "decode")]) };
    let mut bytes = Vec::new();
    probe.encode(&mut bytes).unwrap();
    assert_eq!(rig.hear(&bytes), ["Configure"]);
    rig.configured();
    rig.server.end_of_input(rig.now);
    assert_eq!(rig.server.over(), Some(&End::ClientLeft { unanswered: 0 }));
}

/// The CONFIGURE that a client sends to a server with these capabilities.
fn configure_for(settings: ClientSettings, capabilities: &[&str]) -> String {
    let mut rig = ClientRig::new(settings);
    assert_eq!(rig.hear(&speech::hello_ack(capabilities)), ["Connected"]);
    rig.said().pop().expect("a CONFIGURE")
}

#[test]
fn an_unknown_frame_rate_becomes_one_that_existing_servers_take() {
    let with = |num, den| ClientSettings {
        frame_rate: Rational { num: 0, den: 1 },
        time_base: Rational { num, den },
        ..settings()
    };
    assert_eq!(configure_for(with(1001, 30000), speech::CURRENT), "CONFIGURE 30000/1001");
    assert_eq!(configure_for(with(1, 25), speech::EARLY), "CONFIGURE 25/1");
    assert_eq!(configure_for(with(1, 90000), speech::CURRENT), "CONFIGURE 30/1");
    assert_eq!(configure_for(with(0, 1), speech::CURRENT), "CONFIGURE 30/1");
    assert!(configure_for(with(1, 25), speech::OURS).starts_with("CONFIGURE 0/1"));
    assert_eq!(configure_for(settings(), speech::CURRENT), "CONFIGURE 30/1");
}

#[test]
fn a_decode_client_says_that_frames_may_come_at_any_time() {
    let said = configure_for(decoding(), speech::CURRENT);
    assert!(said.contains("mode=decode") && said.contains("decode_async=1"), "{said}");
}

#[test]
fn a_decoder_is_told_a_format_that_exists() {
    for (pix_fmt, mode, good) in
        [(9, Mode::Decode, false), (2, Mode::Decode, true), (9, Mode::Encode, true)]
    {
        let wanted = if mode == Mode::Decode { decoding() } else { settings() };
        let mut rig = ClientRig::new(wanted);
        rig.hear(&speech::hello_ack(speech::CURRENT));
        let ack = ConfigureAck { status: 0, extradata: &[], pix_fmt, warnings: Vec::new() };
        let mut bytes = Vec::new();
        ack.encode(&mut bytes).unwrap();
        assert_eq!(rig.hear(&bytes), [if good { "Configured" } else { "Failed" }]);
    }
}

#[test]
fn a_status_that_is_not_0_is_no_configuration() {
    let mut rig = ClientRig::new(settings());
    rig.hear(&speech::hello_ack(speech::CURRENT));
    let ack = ConfigureAck { status: 1, extradata: &[], pix_fmt: 1, warnings: Vec::new() };
    let mut bytes = Vec::new();
    ack.encode(&mut bytes).unwrap();
    assert_eq!(rig.hear(&bytes), ["Failed"]);
    assert!(matches!(rig.failure(), ClientError::Violation(_)));
}
