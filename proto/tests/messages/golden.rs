//! Payloads that peers in the field produce (docs/protocol.md section 10), read and written; and
//! those of our own messages, as docs/protocol.md section 9 lays them out.

use vtremote_proto::*;

use crate::message::{Gathered, Message, hex, with_header};

/// What a message with this payload says, checked to be the same in one piece and byte by byte.
fn read(kind: MessageType, payload: &str) -> Message {
    let bytes = with_header(kind, &hex(payload));
    let read = |pieces: &[usize]| {
        let gathered = Gathered::read(&mut Incoming::new(Limits::DEFAULT), &bytes, pieces);
        gathered.expect("a good message").messages
    };
    let mut whole = read(&[bytes.len()]);
    assert_eq!(whole, read(&[1]));
    assert_eq!(whole.len(), 1);
    whole.remove(0)
}

/// Reads as `message`, and `message` is written as that.
#[track_caller]
fn both_ways(kind: MessageType, payload: &str, message: Message) {
    assert_eq!(read(kind, payload), message);
    assert_eq!(message.bytes(), with_header(kind, &hex(payload)));
}

#[test]
fn hello() {
    let payload = "0005544f4b454e000468323634000d66666d7065672d636c69656e7400086275696c64313233";
    assert_eq!(hex(payload).len(), 38);
    let fields = ["TOKEN", "h264", "ffmpeg-client", "build123"].map(str::to_owned);
    both_ways(MessageType::Hello, payload, Message::Hello(fields));
}

#[test]
fn hello_ack_of_an_early_server() {
    both_ways(
        MessageType::HelloAck,
        "00 0000 0000 02 000468323634 000468657663 0004 0001",
        Message::HelloAck {
            status: 0,
            name: String::new(),
            version: String::new(),
            capabilities: vec!["h264".into(), "hevc".into()],
            max: 4,
            active: 1,
        },
    );
}

#[test]
fn configure() {
    both_ways(
        MessageType::Configure,
        "00000780 00000438 01 00000001 0000001e 0000001e 00000001 0002 \
         0007 62697472617465 0007 32303030303030 0003 676f70 0002 3630 00000000",
        Message::Configure {
            size: (1920, 1080),
            pix_fmt: 1,
            time_base: Rational { num: 1, den: 30 },
            frame_rate: Rational { num: 30, den: 1 },
            options: vec![("bitrate".into(), "2000000".into()), ("gop".into(), "60".into())],
            extradata: Vec::new(),
        },
    );
}

#[test]
fn configure_ack() {
    both_ways(
        MessageType::ConfigureAck,
        "00 0003 016400 02 01 0002 6f6b",
        Message::ConfigureAck {
            status: 0,
            extradata: vec![0x01, 0x64, 0x00],
            pix_fmt: 2,
            warnings: vec!["ok".into()],
        },
    );
}

#[test]
fn frame_with_a_count_of_no_side_data() {
    let payload = "0000000000000007 0000000000000001 00000001 01 00000004 00000004 0000000a \
                   16110100501111111111 00";
    let frame = Message::Frame(
        FrameHead { pts: 7, duration: 1, flags: FRAME_KEY, planes: 1 },
        vec![(4, 4, hex("16110100501111111111"))],
        Vec::new(),
    );
    assert_eq!(read(MessageType::Frame, payload), frame);
    // Ours leaves the count out: not every peer knows side data.
    let written = with_header(MessageType::Frame, &hex(payload.strip_suffix(" 00").unwrap()));
    assert_eq!(frame.bytes(), written);
}

#[test]
fn packet_with_two_records_of_side_data() {
    both_ways(
        MessageType::Packet,
        "000000000000000b 000000000000000a 0000000000000003 00000001 00000003 000001 \
         02 0000002a 00000003 070809 00000007 00000002 0a0b",
        Message::Packet(
            PacketHead { pts: 11, dts: 10, duration: 3, flags: PACKET_KEY, len: 3 },
            vec![0, 0, 1],
            vec![(42, vec![7, 8, 9]), (7, vec![10, 11])],
        ),
    );
}

#[test]
fn messages_that_are_only_a_header() {
    for (kind, message, header) in [
        (MessageType::Flush, Message::Flush, "56545231 0001 0007 00000000"),
        (MessageType::Done, Message::Done, "56545231 0001 0008 00000000"),
        (MessageType::Ping, Message::Ping, "56545231 0001 000a 00000000"),
        (MessageType::Pong, Message::Pong, "56545231 0001 000b 00000000"),
        (MessageType::PacketAck, Message::PacketAck, "56545231 0001 000c 00000000"),
    ] {
        assert_eq!(message.bytes(), hex(header));
        assert_eq!(read(kind, ""), message);
    }
}

#[test]
fn error() {
    both_ways(
        MessageType::Error,
        "00000002 0004 62757379",
        Message::Error(error_code::BUSY_OR_CODEC, "busy".into()),
    );
}

#[test]
fn ack() {
    assert_eq!(MessageType::Ack.to_wire(), 0x4000);
    let ack = Ack { taken: 5, decompress_us: 300 };
    both_ways(MessageType::Ack, "00000005 0000012c", Message::Ack(ack));
}

#[test]
fn pace() {
    assert_eq!(MessageType::Pace.to_wire(), 0x4004);
    let pace = Pace {
        pictures: 5,
        threads: 2,
        unpacking_us: 300,
        behind_us: 7,
        full_us: u32::MAX,
        amid_us: 1,
    };
    let bytes = "00000005 00000002 0000012c 00000007 ffffffff 00000001";
    both_ways(MessageType::Pace, bytes, Message::Pace(pace));
}

#[test]
fn notice() {
    assert_eq!(MessageType::Notice.to_wire(), 0x4003);
    both_ways(MessageType::Notice, "6f6e65206c696e65", Message::Notice("one line".into()));
}

#[test]
fn frame_begin() {
    assert_eq!(MessageType::FrameBegin.to_wire(), 0x4001);
    both_ways(
        MessageType::FrameBegin,
        "8000000000000000 0000000000000001 00000001 02 \
         02 00000009 ffffffff 000c 00000002 abcd 01 00000003 00000001 7f",
        Message::FrameBegin {
            head: FrameHead { pts: NO_PTS, duration: 1, flags: FRAME_KEY, planes: 2 },
            codec: 2,
            ids: (9, NO_REFERENCE),
            slices: 12,
            tables: vec![0xab, 0xcd],
            geometry: None,
            side_data: vec![(3, vec![0x7f])],
        },
    );
}

#[test]
fn frame_begin_with_a_geometry() {
    both_ways(
        MessageType::FrameBegin,
        "0000000000000007 0000000000000001 00000000 02 00 00000000 ffffffff 000a 00000000 \
         02 56540001 00000018 00000780 00000438 02 01 09 10 09 01 01 00 00000004 00000003 \
         00000003 00000001 7f",
        Message::FrameBegin {
            head: FrameHead { pts: 7, duration: 1, flags: 0, planes: 2 },
            codec: 0,
            ids: (0, NO_REFERENCE),
            slices: 10,
            tables: Vec::new(),
            geometry: Some(Geometry {
                color_range: 1,
                primaries: 9,
                transfer: 16,
                matrix: 9,
                chroma_location: 1,
                fields: Fields::TopFirst,
                sample_aspect_ratio: Rational { num: 4, den: 3 },
                ..Geometry::new(1920, 1080, PixelFormat::P010)
            }),
            side_data: vec![(3, vec![0x7f])],
        },
    );
}

#[test]
fn slice() {
    assert_eq!(MessageType::Slice.to_wire(), 0x4002);
    both_ways(
        MessageType::Slice,
        "00000009 0003 01 00 00000010 00000020 010203",
        Message::Slice(
            SliceHead { frame_id: 9, index: 3, plane: 1, mode: 0, first_row: 16, rows: 32, len: 3 },
            vec![1, 2, 3],
        ),
    );
}
