//! What peers say: messages as bytes, and bytes as lines of text.

use vtremote_proto::{
    Configure, ConfigureAck, Done, ErrorMessage, FRAME_KEY, Flush, FrameBegin, FrameHead, Geometry,
    Hello, HelloAck, HelloStatus, Incoming, Item, Limits, MessageType, NO_REFERENCE, PACKET_KEY,
    PacketHead, Ping, Pong, Rational, SideData, SliceHead, frame_message, packet_message,
    slice_message,
};

/// Every picture is 4x3 NV12: rows of 4 bytes, 3 of luma and 2 of chroma.
pub(crate) const WIDTH: u32 = 4;
pub(crate) const HEIGHT: u32 = 3;

/// What an early server lists, a current one, and one of ours.
pub(crate) const EARLY: &[&str] = &["h264", "hevc"];
pub(crate) const CURRENT: &[&str] =
    &["h264", "hevc", "pixfmt.nv12", "pixfmt.p010", "side_data.v2", "packet_ack.v1"];
pub(crate) const OURS: &[&str] = &[
    "h264",
    "hevc",
    "pixfmt.nv12",
    "pixfmt.p010",
    "side_data.v2",
    "x.ack.v1",
    "x.slices.v1",
    "x.wire.vtz.v1",
    "x.geometry.v1",
    "x.notice.v1",
    "x.pace.v1",
];

fn bytes(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    out
}

pub(crate) fn hello() -> Vec<u8> {
    let hello = Hello { token: "T", codec: "h264", client_name: "test", client_build: "1" };
    bytes(|out| hello.encode(out).unwrap())
}

pub(crate) fn ack_of<'a>(status: HelloStatus, capabilities: &[&'a str]) -> HelloAck<'a> {
    let name = if capabilities == EARLY { "" } else { "server" };
    HelloAck {
        status,
        server_name: name,
        server_version: name,
        capabilities: capabilities.to_vec(),
        max_sessions: 4,
        active_sessions: 1,
    }
}

pub(crate) fn hello_ack(capabilities: &[&str]) -> Vec<u8> {
    bytes(|out| ack_of(HelloStatus::Ok, capabilities).encode(out).unwrap())
}

pub(crate) fn configure_of<'a>(options: &[(&'a str, &'a str)]) -> Configure<'a> {
    Configure {
        width: WIDTH,
        height: HEIGHT,
        pix_fmt: 1,
        time_base: Rational { num: 1, den: 30 },
        frame_rate: Rational { num: 30, den: 1 },
        options: options.to_vec(),
        extradata: &[],
    }
}

pub(crate) fn configure(options: &[(&str, &str)]) -> Vec<u8> {
    bytes(|out| configure_of(options).encode(out).unwrap())
}

pub(crate) fn configure_ack() -> Vec<u8> {
    let ack = ConfigureAck { status: 0, extradata: &[], pix_fmt: 1, warnings: Vec::new() };
    bytes(|out| ack.encode(out).unwrap())
}

/// A FRAME whose planes have these strides, heights and lengths.
pub(crate) fn frame_of(pts: i64, planes: &[(u32, u32, u32)]) -> Vec<u8> {
    let head = FrameHead { pts, duration: 1, flags: FRAME_KEY, planes: planes.len() as u8 };
    let parts = frame_message(&head, planes, &[]).unwrap();
    let mut out = Vec::new();
    for (head, plane) in parts.heads.iter().zip(planes) {
        out.extend_from_slice(head);
        out.extend(std::iter::repeat_n(pts as u8, plane.2 as usize));
    }
    out.extend_from_slice(&parts.tail);
    out
}

pub(crate) fn frame(pts: i64) -> Vec<u8> {
    frame_of(pts, &[(4, 3, 12), (4, 2, 8)])
}

pub(crate) fn begin(pts: i64, frame_id: u32, slices: u16) -> Vec<u8> {
    begin_of(pts, frame_id, slices, None)
}

/// A FRAME_BEGIN that says what its picture is.
pub(crate) fn begin_of(
    pts: i64,
    frame_id: u32,
    slices: u16,
    geometry: Option<Geometry>,
) -> Vec<u8> {
    let head = FrameHead { pts, duration: 1, flags: 0, planes: 2 };
    let begin = FrameBegin {
        head,
        codec: 0,
        frame_id,
        reference_id: NO_REFERENCE,
        slices,
        tables: &[],
        geometry,
        side_data: SideData::EMPTY,
    };
    bytes(|out| begin.encode(out).unwrap())
}

/// A SLICE of raw rows.
pub(crate) fn slice(frame_id: u32, index: u16, plane: u8, first_row: u32, rows: u32) -> Vec<u8> {
    let len = rows * 4;
    let head = SliceHead { frame_id, index, plane, mode: 0, first_row, rows, len };
    let mut out = slice_message(&head).unwrap();
    out.extend(std::iter::repeat_n(7, len as usize));
    out
}

pub(crate) fn packet_of(head: PacketHead) -> Vec<u8> {
    let (mut out, after) = packet_message(&head, &[]).unwrap();
    out.extend(std::iter::repeat_n(head.pts as u8, head.len as usize));
    out.extend_from_slice(&after);
    out
}

pub(crate) fn head(pts: i64, dts: i64) -> PacketHead {
    PacketHead { pts, dts, duration: 1, flags: PACKET_KEY, len: 5 }
}

pub(crate) fn packet(pts: i64, dts: i64) -> Vec<u8> {
    packet_of(head(pts, dts))
}

pub(crate) fn empty_packet(pts: i64, dts: i64) -> Vec<u8> {
    packet_of(PacketHead { len: 0, ..head(pts, dts) })
}

pub(crate) fn flush() -> Vec<u8> {
    bytes(|out| Flush.encode(out))
}

pub(crate) fn done() -> Vec<u8> {
    bytes(|out| Done.encode(out))
}

pub(crate) fn error(code: u32, text: &str) -> Vec<u8> {
    bytes(|out| ErrorMessage::new(code, text).encode(out))
}

pub(crate) fn ping() -> Vec<u8> {
    bytes(|out| Ping.encode(out))
}

pub(crate) fn pong() -> Vec<u8> {
    bytes(|out| Pong(&[]).encode(out))
}

pub(crate) fn ack(taken: u32) -> Vec<u8> {
    bytes(|out| vtremote_proto::Ack { taken, decompress_us: 9 }.encode(out))
}

pub(crate) fn pace(pictures: u32, full_us: u32) -> Vec<u8> {
    bytes(|out| vtremote_proto::Pace { pictures, full_us, ..Default::default() }.encode(out))
}

pub(crate) fn notice(text: &str) -> Vec<u8> {
    bytes(|out| vtremote_proto::Notice { text: text.into() }.encode(out))
}

/// A message of any type, as other software might send it.
pub(crate) fn raw(kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = MessageType::from_wire(kind).header(payload.len() as u32).to_vec();
    out.extend_from_slice(payload);
    out
}

/// What an item says, in a line; nothing for what only continues another.
pub(crate) fn line(item: &Item<'_>) -> Option<String> {
    Some(match item {
        Item::Hello(hello) => format!("HELLO {}", hello.codec),
        Item::HelloAck(ack) => format!("HELLO_ACK {}", ack.status),
        Item::Configure(configure) => {
            let rate = configure.frame_rate;
            let options: String =
                configure.options.iter().map(|(key, value)| format!(" {key}={value}")).collect();
            format!("CONFIGURE {}/{}{options}", rate.num, rate.den)
        }
        Item::ConfigureAck(ack) => format!("CONFIGURE_ACK {}", ack.pix_fmt),
        Item::Frame(frame) => format!("FRAME {}", frame.pts),
        Item::Packet(packet) if packet.len == 0 => {
            format!("PACKET {} {} empty", packet.pts, packet.dts)
        }
        Item::Packet(packet) => format!("PACKET {} {}", packet.pts, packet.dts),
        Item::FrameBegin(begin) => format!("FRAME_BEGIN {}", begin.head.pts),
        Item::Slice(slice) => format!("SLICE {}.{}", slice.frame_id, slice.index),
        Item::Flush => "FLUSH".into(),
        Item::Done => "DONE".into(),
        Item::Error(error) => format!("ERROR {}: {}", error.code, error.message),
        Item::Ping(_) => "PING".into(),
        Item::Pong => "PONG".into(),
        Item::PacketAck => "PACKET_ACK".into(),
        Item::Ack(ack) => format!("ACK {}", ack.taken),
        Item::Pace(pace) => format!("PACE {}", pace.pictures),
        Item::Notice(notice) => format!("NOTICE {}", notice.text),
        Item::Unknown { kind, .. } => format!("UNKNOWN {kind}"),
        Item::Plane(_)
        | Item::FrameEnd(_)
        | Item::PacketEnd(_)
        | Item::SliceEnd
        | Item::Body(_) => return None,
    })
}

/// The messages in `bytes`, one line each.
pub(crate) fn lines(bytes: &[u8]) -> Vec<String> {
    let mut incoming = Incoming::new(Limits::DEFAULT);
    let (mut rest, mut lines) = (bytes, Vec::new());
    loop {
        let (taken, item) = incoming.read(rest).expect("we send what can be read");
        let Some(item) = item else { break };
        lines.extend(line(&item));
        rest = &rest[taken..];
    }
    assert!(!incoming.in_message(), "we send whole messages");
    lines
}
