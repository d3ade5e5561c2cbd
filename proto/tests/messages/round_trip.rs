//! Whatever can be said is understood, however it is cut into pieces; whatever else comes is
//! survived.

use proptest::collection::vec;
use proptest::prelude::*;
use vtremote_proto::*;

use crate::message::{Gathered, Message, Records};

fn bytes(max: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..=max)
}

fn text() -> impl Strategy<Value = String> {
    // Any characters but control characters, which an ERROR turns into spaces and others refuse.
    "\\PC{0,20}"
}

fn side_data() -> impl Strategy<Value = Records> {
    vec((any::<u32>(), bytes(40)), 0..=MAX_RECORDS)
}

const MAX_RECORDS: usize = message::MAX_SIDE_DATA_RECORDS;
const MAX_SIDE: u32 = message::MAX_SIDE;

prop_compose! {
    fn rational()(num in any::<u32>(), den in any::<u32>()) -> Rational {
        Rational { num, den }
    }
}

prop_compose! {
    fn configure()(
        size in any::<(u32, u32)>(),
        pix_fmt in any::<u8>(),
        time_base in rational(),
        frame_rate in rational(),
        options in vec((text(), text()), 0..10),
        extradata in bytes(200),
    ) -> Message {
        Message::Configure { size, pix_fmt, time_base, frame_rate, options, extradata }
    }
}

prop_compose! {
    fn hello_ack()(
        status in any::<u8>(),
        name in text(),
        version in text(),
        capabilities in vec(text(), 0..20),
        max in any::<u16>(),
        active in any::<u16>(),
    ) -> Message {
        Message::HelloAck { status, name, version, capabilities, max, active }
    }
}

prop_compose! {
    fn configure_ack()(
        status in any::<u8>(),
        extradata in bytes(200),
        pix_fmt in any::<u8>(),
        warnings in vec(text(), 0..5),
    ) -> Message {
        Message::ConfigureAck { status, extradata, pix_fmt, warnings }
    }
}

prop_compose! {
    fn frame_head()(
        pts in any::<i64>(),
        duration in any::<i64>(),
        flags in any::<u32>(),
        planes in 1..=message::MAX_PLANES,
    ) -> FrameHead {
        FrameHead { pts, duration, flags, planes }
    }
}

prop_compose! {
    fn frame()(head in frame_head(), side_data in side_data())(
        planes in vec((any::<u32>(), any::<u32>(), bytes(300)), usize::from(head.planes)),
        head in Just(head),
        side_data in Just(side_data),
    ) -> Message {
        Message::Frame(head, planes, side_data)
    }
}

prop_compose! {
    fn packet()(
        times in any::<(i64, i64, i64)>(),
        flags in any::<u32>(),
        data in bytes(300),
        side_data in side_data(),
    ) -> Message {
        let (pts, dts, duration) = times;
        let head = PacketHead { pts, dts, duration, flags, len: data.len() as u32 };
        Message::Packet(head, data, side_data)
    }
}

prop_compose! {
    fn geometry()(
        sides in (1..=MAX_SIDE, 1..=MAX_SIDE),
        format in prop::sample::select(PixelFormat::ALL.to_vec()),
        color in (0..=2u8, any::<u8>(), any::<u8>(), any::<u8>(), 0..=6u8),
        fields in prop::sample::select(vec![
            Fields::Progressive, Fields::TopFirst, Fields::BottomFirst,
        ]),
        aspect in (0..=i32::MAX as u32, 0..=i32::MAX as u32),
    ) -> Geometry {
        let (color_range, primaries, transfer, matrix, chroma_location) = color;
        Geometry {
            color_range, primaries, transfer, matrix, chroma_location, fields,
            sample_aspect_ratio: Rational { num: aspect.0, den: aspect.1 },
            ..Geometry::new(sides.0, sides.1, format)
        }
    }
}

prop_compose! {
    fn frame_begin()(
        head in frame_head(),
        codec in any::<u8>(),
        ids in any::<(u32, u32)>(),
        slices in 1..=message::MAX_SLICES,
        tables in bytes(300),
        geometry in proptest::option::of(geometry()),
        mut side_data in side_data(),
    ) -> Message {
        side_data.truncate(MAX_RECORDS - 1);
        Message::FrameBegin { head, codec, ids, slices, tables, geometry, side_data }
    }
}

prop_compose! {
    fn slice()(
        frame_id in any::<u32>(),
        index in 0..message::MAX_SLICES,
        plane in 0..message::MAX_PLANES,
        mode in any::<u8>(),
        rows in (0..u32::MAX).prop_flat_map(|first| (Just(first), 1..=u32::MAX - first)),
        data in bytes(300),
    ) -> Message {
        let (first_row, rows) = rows;
        let len = data.len() as u32;
        Message::Slice(SliceHead { frame_id, index, plane, mode, first_row, rows, len }, data)
    }
}

fn any_message() -> impl Strategy<Value = Message> {
    prop_oneof![
        [text(), text(), text(), text()].prop_map(Message::Hello),
        hello_ack(),
        configure(),
        configure_ack(),
        frame(),
        packet(),
        frame_begin(),
        slice(),
        Just(Message::Flush),
        Just(Message::Done),
        Just(Message::Ping),
        Just(Message::Pong),
        Just(Message::PacketAck),
        any::<(u32, u32)>()
            .prop_map(|(taken, decompress_us)| Message::Ack(Ack { taken, decompress_us })),
        (any::<u32>(), text()).prop_map(|(code, text)| Message::Error(code, text)),
        text().prop_map(Message::Notice),
        any::<[u32; 6]>().prop_map(
            |[pictures, threads, unpacking_us, behind_us, full_us, amid_us]| {
                Message::Pace(Pace { pictures, threads, unpacking_us, behind_us, full_us, amid_us })
            }
        ),
    ]
}

/// The lengths of pieces: often so short that they cut every field.
fn pieces() -> impl Strategy<Value = Vec<usize>> {
    vec(prop_oneof![1..4usize, 1..40usize, 1..4000usize], 1..20)
}

/// What an [`Incoming`] with the limits of [`small`] holds less of: the longest message that is
/// read as a whole has 400 bytes, and the side data of a FRAME or PACKET is less than all of it.
const MOST_HELD: usize = 400;

fn small() -> Limits {
    Limits {
        hello: 100,
        configure: 300,
        control: 50,
        frame: 420,
        packet: 420,
        frame_begin: 400,
        slice: 1000,
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_in_whatever_pieces_it_comes(
        messages in vec(any_message(), 1..8),
        pieces in pieces(),
    ) {
        let stream: Vec<u8> = messages.iter().flat_map(Message::bytes).collect();
        let mut incoming = Incoming::new(Limits::DEFAULT);
        let gathered = Gathered::read(&mut incoming, &stream, &pieces).unwrap();
        prop_assert_eq!(gathered.messages, messages);
        prop_assert!(!incoming.in_message());
    }

    #[test]
    fn a_stream_that_ends_inside_a_message_is_known_to(
        messages in vec(any_message(), 1..4),
        pieces in pieces(),
        end in any::<prop::sample::Index>(),
    ) {
        let bytes: Vec<_> = messages.iter().map(Message::bytes).collect();
        let mut ends: Vec<usize> = vec![0];
        ends.extend(bytes.iter().scan(0, |at, bytes| { *at += bytes.len(); Some(*at) }));
        let stream = bytes.concat();
        let end = end.index(stream.len() + 1);
        let mut incoming = Incoming::new(Limits::DEFAULT);
        let gathered = Gathered::read(&mut incoming, &stream[..end], &pieces).unwrap();
        let whole = ends.iter().filter(|&&at| at > 0 && at <= end).count();
        prop_assert_eq!(&gathered.messages, &messages[..whole]);
        prop_assert_eq!(incoming.in_message(), !ends.contains(&end));
    }

    #[test]
    fn bodies_may_be_read_past_the_reader(message in prop_oneof![frame(), packet(), slice()]) {
        let stream = message.bytes();
        let mut incoming = Incoming::new(Limits::DEFAULT);
        let mut gathered = Gathered::default();
        let mut rest = &stream[..];
        while !rest.is_empty() || incoming.in_message() {
            let body = incoming.body_left();
            if body > 0 {
                // As a transport that gives a body in two reads.
                for len in [body / 2, body - body / 2] {
                    let (piece, later) = rest.split_at(len);
                    if len > 0 {
                        gathered.item(Item::Body(piece));
                    }
                    incoming.body_taken(len);
                    rest = later;
                }
                prop_assert_eq!(incoming.body_left(), 0);
            }
            let (taken, item) = incoming.read(rest).unwrap();
            prop_assert!(!matches!(item, Some(Item::Body(_))));
            rest = &rest[taken..];
            match item {
                Some(item) => gathered.item(item),
                None => break,
            }
        }
        prop_assert_eq!(gathered.messages, [message]);
    }

    #[test]
    fn no_bytes_are_too_strange_and_none_are_hoarded(
        junk in vec(any::<u8>(), 0..3000),
        pieces in pieces(),
    ) {
        survives(&junk, &pieces)?;
    }

    #[test]
    fn no_payload_is_too_strange(
        kind in prop_oneof![0..14u16, 0x4000..0x4004u16],
        payload in vec(prop_oneof![Just(0u8), 0..4u8, any::<u8>()], 0..400),
        lie in -4..4i64,
        pieces in pieces(),
    ) {
        let len = (payload.len() as i64 + lie).max(0) as u32;
        let header = MessageType::from_wire(kind).header(len);
        survives(&[&header, &payload[..]].concat(), &pieces)?;
    }

    #[test]
    fn no_damage_is_too_strange(
        messages in vec(any_message(), 1..4),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        pieces in pieces(),
    ) {
        let mut stream: Vec<u8> = messages.iter().flat_map(Message::bytes).collect();
        for (at, byte) in damage {
            let at = at.index(stream.len());
            stream[at] = byte;
        }
        survives(&stream, &pieces)?;
    }
}

/// Reads anything under small limits, and checks what is promised of anything.
fn survives(stream: &[u8], pieces: &[usize]) -> Result<(), TestCaseError> {
    let mut incoming = Incoming::new(small());
    let mut gathered = Gathered::default();
    let mut rest = stream;
    for &len in pieces.iter().cycle() {
        let (piece, later) = rest.split_at(len.min(rest.len()));
        rest = later;
        let result = gathered.piece(&mut incoming, piece);
        prop_assert!(incoming.held() <= MOST_HELD);
        if result.is_err() {
            prop_assert_eq!(gathered.piece(&mut incoming, rest), result);
            prop_assert_eq!(incoming.held(), 0);
            break;
        }
        if rest.is_empty() {
            break;
        }
    }
    Ok(())
}
