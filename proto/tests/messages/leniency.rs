//! What is read although it is not what the protocol asks for, because peers in the field send it
//! or may come to.

use vtremote_proto::*;

use crate::message::{Gathered, Message, hex, with_header};

fn read(kind: MessageType, payload: &[u8]) -> Message {
    let bytes = with_header(kind, payload);
    let mut incoming = Incoming::new(Limits::DEFAULT);
    let gathered = Gathered::read(&mut incoming, &bytes, &[bytes.len()]);
    gathered.expect("a readable message").messages.remove(0)
}

const HELLO_ACK: &str = "00 0000 0000 01 000468323634";

fn counts(payload: &str) -> (u16, u16) {
    match read(MessageType::HelloAck, &hex(payload)) {
        Message::HelloAck { capabilities, max, active, .. } => {
            assert_eq!(capabilities, ["h264"]);
            (max, active)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_hello_ack_may_end_before_its_session_counts() {
    assert_eq!(counts(HELLO_ACK), (0, 0));
    assert_eq!(counts(&format!("{HELLO_ACK} 0004")), (4, 0));
    assert_eq!(counts(&format!("{HELLO_ACK} 0004 0001")), (4, 1));
}

#[test]
fn handshake_messages_may_have_more_fields_than_we_know() {
    assert_eq!(counts(&format!("{HELLO_ACK} 0004 0001 ff")), (4, 1));
    let hello = "0000 000468323634 0000 0000";
    let known = read(MessageType::Hello, &hex(hello));
    assert_eq!(read(MessageType::Hello, &hex(&format!("{hello} 00ff"))), known);
    let ack = "00 0000 01 00";
    let known = read(MessageType::ConfigureAck, &hex(ack));
    assert_eq!(read(MessageType::ConfigureAck, &hex(&format!("{ack} 00ff"))), known);
    let configure = "00000010 00000010 01 00000000 00000001 00000000 00000000 0000 00000000";
    let known = read(MessageType::Configure, &hex(configure));
    assert_eq!(read(MessageType::Configure, &hex(&format!("{configure} 00ff"))), known);
}

#[test]
fn a_configure_may_end_before_its_options_or_its_extradata() {
    let fixed = "00000780 00000438 01 00000000 00000001 00000000 00000000";
    let rest = |payload: String| match read(MessageType::Configure, &hex(&payload)) {
        Message::Configure { size: (1920, 1080), options, extradata, .. } => {
            (options.len(), extradata)
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(rest(fixed.to_owned()), (0, vec![]));
    assert_eq!(rest(format!("{fixed} 0001 0001 61 0001 62")), (1, vec![]));
    assert_eq!(rest(format!("{fixed} 0001 0001 61 0001 62 00000001 07")), (1, vec![7]));
}

#[test]
fn control_messages_may_have_a_payload() {
    assert_eq!(read(MessageType::Done, b"bye"), Message::Done);
    assert_eq!(read(MessageType::Flush, b"bye"), Message::Flush);
    assert_eq!(read(MessageType::Pong, b"bye"), Message::Pong);
    assert_eq!(read(MessageType::PacketAck, b"bye"), Message::PacketAck);
}

#[test]
fn a_ping_says_what_a_pong_may_echo() {
    let bytes = with_header(MessageType::Ping, b"42");
    let mut incoming = Incoming::new(Limits::DEFAULT);
    assert_eq!(incoming.read(&bytes), Ok((14, Some(Item::Ping(b"42")))));
}

#[test]
fn a_pong_echoes_what_is_short_and_nothing_of_what_is_long() {
    let pong = |payload: &[u8]| {
        let mut out = Vec::new();
        Pong(payload).encode(&mut out);
        out
    };
    assert_eq!(pong(b"42"), with_header(MessageType::Pong, b"42"));
    assert_eq!(pong(&[7; Pong::MAX_ECHO]), with_header(MessageType::Pong, &[7; Pong::MAX_ECHO]));
    assert_eq!(pong(&[7; Pong::MAX_ECHO + 1]), with_header(MessageType::Pong, b""));
}

#[track_caller]
fn error(payload: &[u8], code: u32, text: &str) {
    assert_eq!(read(MessageType::Error, payload), Message::Error(code, text.to_owned()));
}

#[test]
fn an_error_is_read_whatever_it_looks_like() {
    error(b"\0\0\0\x02\0\x04busy", 2, "busy");
    error(b"\0\0\0\x02busy", 2, "busy"); // no length
    error(b"\0\0\0\x02b", 2, "b");
    error(b"\0\0\0\x02\0\x00", 2, "");
    error(b"\0\0\0\x02", 2, "");
    error(b"no", 0, "no");
    error(b"", 0, "");
    error(b"\0\0\0\x02\0\x04busy and more", 2, "busy");
}

#[test]
fn an_error_that_is_not_text_is_shown_as_far_as_it_is() {
    error(b"\0\0\0\x02\0\x05bu\xffsy", 2, "bu\u{fffd}sy");
    error(b"\0\0\0\x02\0\x06a\r\n\x1b[m", 2, "a   [m");
}

#[test]
fn an_error_that_is_too_long_to_send_is_cut_between_characters() {
    let text = "ä".repeat(ErrorMessage::MAX_TEXT);
    match read_back(&ErrorMessage::new(5, &text)) {
        Message::Error(5, sent) => assert_eq!(sent, "ä".repeat(ErrorMessage::MAX_TEXT / 2)),
        other => panic!("{other:?}"),
    }
    match read_back(&ErrorMessage::new(5, format!("x{text}"))) {
        Message::Error(5, sent) => assert_eq!(sent.len(), ErrorMessage::MAX_TEXT - 1),
        other => panic!("{other:?}"),
    }
}

fn read_back(error: &ErrorMessage<'_>) -> Message {
    let mut bytes = Vec::new();
    error.encode(&mut bytes);
    read(MessageType::Error, &bytes[12..])
}

#[test]
fn unknown_messages_are_announced_and_skipped() {
    let mut bytes = with_header(MessageType::Other(0x4fff), &[7; 1000]);
    bytes.extend(with_header(MessageType::Other(13), b""));
    bytes.extend(Message::Done.bytes());
    for len in [1, 500, 5000] {
        let mut incoming = Incoming::new(Limits::DEFAULT);
        let mut seen = Vec::new();
        for mut piece in bytes.chunks(len) {
            loop {
                let (taken, item) = incoming.read(piece).unwrap();
                piece = &piece[taken..];
                seen.push(match item {
                    Some(Item::Unknown { kind, len }) => (kind, len),
                    Some(Item::Done) => (8, 0),
                    Some(other) => panic!("{other:?}"),
                    None => break,
                });
                assert!(incoming.held() < 12);
            }
        }
        assert_eq!(seen, [(0x4fff, 1000), (13, 0), (8, 0)]);
        assert!(!incoming.in_message());
    }
}
