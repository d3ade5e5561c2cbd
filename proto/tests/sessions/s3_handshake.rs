//! Section 3: HELLO and HELLO_ACK.

use vtremote_proto::{
    Client, ClientError, ClientSettings, End, Generation, HelloStatus, Mode, Options, PixelFormat,
};

use crate::{
    client_rig::{ClientRig, settings},
    server_rig::ServerRig,
    speech,
};

const REFUSALS: [HelloStatus; 4] = [
    HelloStatus::Busy,
    HelloStatus::AuthenticationFailed,
    HelloStatus::Unsupported,
    HelloStatus::Internal,
];

#[test]
fn hello_is_read_before_it_is_refused() {
    for status in REFUSALS {
        let mut rig = ServerRig::new();
        rig.server.refuse(rig.now, &speech::ack_of(status, speech::OURS));
        assert!(rig.said().is_empty());
        assert_eq!(rig.hear(&speech::hello()), ["Hello"]);
        rig.server.refuse(rig.now, &speech::ack_of(status, speech::OURS));
        assert_eq!(rig.said(), [format!("HELLO_ACK {status}")]);
        assert_eq!(rig.server.end(), Some(&End::Refused(status)));
    }
}

#[test]
fn a_refusal_is_never_sent_as_ok() {
    let mut rig = ServerRig::new();
    rig.hear(&speech::hello());
    rig.server.refuse(rig.now, &speech::ack_of(HelloStatus::Ok, speech::OURS));
    assert_eq!(rig.server.end(), Some(&End::Refused(HelloStatus::Internal)));
}

#[test]
fn a_client_says_hello_first_and_nothing_more_until_it_is_answered() {
    let mut rig = ClientRig::new(settings());
    rig.wait(4.0);
    assert_eq!(rig.said(), ["HELLO h264"]);
    assert_eq!(rig.hear(&speech::hello_ack(speech::CURRENT)), ["Connected"]);
    assert_eq!(rig.said(), ["CONFIGURE 30/1"]);
}

#[test]
fn a_client_keeps_the_status_of_its_refusal() {
    for status in REFUSALS {
        let mut rig = ClientRig::new(settings());
        let mut bytes = Vec::new();
        speech::ack_of(status, speech::OURS).encode(&mut bytes).unwrap();
        assert_eq!(rig.hear(&bytes), ["Failed"]);
        assert_eq!(rig.failure(), &ClientError::Refused(status));
    }
}

#[test]
fn a_server_is_known_by_what_it_lists() {
    let generation = |capabilities| {
        let mut rig = ClientRig::new(settings());
        rig.hear(&speech::hello_ack(capabilities));
        let server = rig.client.server().clone();
        (server.generation, server.side_data, server.ack)
    };
    assert_eq!(generation(speech::EARLY), (Generation::Early, false, false));
    assert_eq!(generation(speech::CURRENT), (Generation::Current, true, false));
    assert_eq!(generation(speech::OURS), (Generation::Ours, true, true));
}

#[test]
fn unknown_capabilities_change_nothing() {
    let mut rig = ClientRig::new(settings());
    let listed: Vec<_> = speech::CURRENT.iter().copied().chain(["warp.v9"]).collect();
    assert_eq!(rig.hear(&speech::hello_ack(&listed)), ["Connected"]);
    assert_eq!(rig.client.server().generation, Generation::Current);
}

#[test]
fn an_early_server_takes_nv12_and_p010_and_nothing_else() {
    for (pix_fmt, missing) in [
        (PixelFormat::Nv12, None),
        (PixelFormat::P010, None),
        (PixelFormat::Bgra, Some("pixfmt.bgra")),
        (PixelFormat::P210, Some("pixfmt.p210")),
    ] {
        let mut rig = ClientRig::new(ClientSettings { pix_fmt, ..settings() });
        rig.hear(&speech::hello_ack(speech::EARLY));
        let failure = missing.map(|name| ClientError::MissingCapability(name.into()));
        assert_eq!(rig.client.failure(), failure.as_ref());
    }
}

#[test]
fn a_capability_that_is_needed_and_not_listed_is_named() {
    let mut rig = ClientRig::new(settings());
    assert_eq!(rig.hear(&speech::hello_ack(&["h264", "pixfmt.p010"])), ["Failed"]);
    assert_eq!(rig.failure(), &ClientError::MissingCapability("pixfmt.nv12".into()));

    let mut rig = ClientRig::new(ClientSettings { codec: "hevc".into(), ..settings() });
    assert_eq!(rig.hear(&speech::hello_ack(&["h264", "pixfmt.nv12"])), ["Failed"]);
    assert_eq!(rig.failure(), &ClientError::MissingCapability("hevc".into()));
}

#[test]
fn transcoding_is_refused_before_anything_is_sent() {
    let options = Options { mode: Mode::Transcode, ..Options::default() };
    let refused = Client::new(ClientSettings { options, ..settings() }).unwrap_err();
    assert_eq!(refused.to_string(), "transcoding is not built yet");
}

#[test]
fn a_token_that_no_message_can_carry_is_refused_before_anything_is_sent() {
    for token in ["a\0b".to_string(), "x".repeat(70_000)] {
        let refused = Client::new(ClientSettings { token, ..settings() }).unwrap_err();
        assert!(matches!(refused, ClientError::Settings(_)), "{refused}");
    }
}

#[test]
fn windows_are_one_to_a_hundred_and_twenty_eight_or_adapt() {
    for (window, refusal) in
        [(0, None), (1, None), (128, None), (129, Some("a window of 129 is not within 1 to 128"))]
    {
        let refused = Client::new(ClientSettings { window, ..settings() }).err();
        assert_eq!(refused.map(|error| error.to_string()).as_deref(), refusal);
    }
}
