//! Bytes that are refused, each with the error that says what is wrong with them and where.

use vtremote_proto::*;

use crate::message::{Gathered, Message, hex, with_header};

/// The error that these bytes end in; the same in one piece and byte by byte, and again after it.
#[track_caller]
fn refused(bytes: &[u8]) -> ReadError {
    let error = |pieces: &[usize]| {
        let mut incoming = Incoming::new(Limits::DEFAULT);
        let error = match Gathered::read(&mut incoming, bytes, pieces) {
            Ok(gathered) => panic!("not refused: {:?}", gathered.messages),
            Err(error) => error,
        };
        assert_eq!(incoming.read(&Message::Flush.bytes()), Err(error.clone()), "goes on");
        assert_eq!(incoming.body_left(), 0);
        error
    };
    let whole = error(&[bytes.len()]);
    assert_eq!(whole, error(&[1]));
    whole
}

#[track_caller]
fn malformed(message: MessageType, payload: &str, field: &'static str, offset: u32, fault: Fault) {
    let error = refused(&with_header(message, &hex(payload)));
    assert_eq!(error, ReadError::Malformed { message, field, offset, fault });
    assert_eq!(error.code(), Some(error_code::PROTOCOL));
}

fn out_of_range(value: u64, min: u64, max: u64) -> Fault {
    Fault::OutOfRange { value, min, max }
}

#[test]
fn another_protocol_is_known_by_its_first_bytes() {
    for bytes in [&b"G"[..], b"\x16\x03\x01", b"VTR2", b"VTR1\0\x02", b"VTR1\x01\x01", b"CNXN\0"] {
        let error = refused(bytes);
        assert_eq!(error, ReadError::NotVtr1);
        assert_eq!(error.code(), None);
    }
    let mut incoming = Incoming::new(Limits::DEFAULT);
    assert_eq!(incoming.read(b"VTR1\0\x01\0"), Ok((7, None)));
}

#[test]
fn another_protocol_is_known_between_messages_too() {
    let mut bytes = Message::Flush.bytes();
    bytes.extend(b"GET / HTTP/1.1");
    assert_eq!(refused(&bytes), ReadError::NotVtr1);
}

#[test]
fn a_length_over_the_limit_is_refused_by_the_header_alone() {
    let limits = Limits { frame: 1000, packet: 2000, slice: 3000, ..Limits::DEFAULT };
    for (message, max) in [
        (MessageType::Hello, 64 << 10),
        (MessageType::HelloAck, 64 << 10),
        (MessageType::Configure, 4 << 20),
        (MessageType::ConfigureAck, 4 << 20),
        (MessageType::Frame, 1000),
        (MessageType::Packet, 2000),
        (MessageType::Slice, 3000),
        (MessageType::FrameBegin, limits.frame_begin),
        (MessageType::Flush, 64 << 10),
        (MessageType::Done, 64 << 10),
        (MessageType::Error, 64 << 10),
        (MessageType::Ping, 64 << 10),
        (MessageType::Pong, 64 << 10),
        (MessageType::PacketAck, 64 << 10),
        (MessageType::Ack, 64 << 10),
        (MessageType::Notice, 64 << 10),
        (MessageType::Pace, 64 << 10),
        (MessageType::Other(99), 64 << 10),
    ] {
        for len in [max + 1, u32::MAX] {
            let error = Incoming::new(limits).read(&message.header(len)).map(|_| ()).unwrap_err();
            assert_eq!(error, ReadError::TooLong { message, len, max });
            assert_eq!(error.code(), Some(error_code::BAD_REQUEST));
        }
        let mut incoming = Incoming::new(limits);
        assert!(incoming.read(&message.header(max)).is_ok(), "{message} of {max} bytes");
        assert_eq!(incoming.held(), 0);
    }
}

#[test]
fn messages_of_exactly_the_limit_are_read() {
    // Three texts with their lengths, and an empty one, are 65536 bytes.
    let texts = [65535 - 1000, 1000 - 7, 0, 0].map(|len| "x".repeat(len));
    let hello = Message::Hello(texts);
    let extradata = vec![7; (4 << 20) - 25 - 2 - 4];
    let configure = Message::Configure {
        size: (64, 64),
        pix_fmt: 1,
        time_base: Rational { num: 1, den: 25 },
        frame_rate: Rational { num: 25, den: 1 },
        options: Vec::new(),
        extradata,
    };
    let begin = Message::FrameBegin {
        head: FrameHead { pts: 0, duration: 0, flags: 0, planes: 1 },
        codec: 0,
        ids: (0, NO_REFERENCE),
        slices: 1,
        tables: vec![7; 64 << 10],
        geometry: None,
        side_data: vec![(1, vec![7; 1 << 16]); 16],
    };
    let limits = Limits::DEFAULT;
    for (message, limit) in
        [(hello, limits.hello), (configure, limits.configure), (begin, limits.frame_begin)]
    {
        let bytes = message.bytes();
        assert_eq!(bytes.len(), 12 + limit as usize);
        let mut incoming = Incoming::new(limits);
        let gathered = Gathered::read(&mut incoming, &bytes, &[4096]).unwrap();
        assert!(gathered.messages == [message]);
    }
}

#[test]
fn new_limits_hold_from_the_next_header_on() {
    let ping = with_header(MessageType::Ping, &[0; 100]);
    let mut incoming = Incoming::new(Limits::DEFAULT);
    assert_eq!(incoming.read(&ping[..50]), Ok((50, None)));
    incoming.set_limits(Limits { control: 99, ..Limits::DEFAULT });
    assert_eq!(incoming.read(&ping[50..]), Ok((62, Some(Item::Ping(&[0; 100])))));
    let too_long = ReadError::TooLong { message: MessageType::Ping, len: 100, max: 99 };
    assert_eq!(incoming.read(&ping), Err(too_long));
}

#[test]
fn errors_read_as_sentences() {
    let error = refused(&with_header(MessageType::Hello, &hex("0000 0004 6832")));
    assert_eq!(error.to_string(), "HELLO: codec at byte 4 runs past the end of the payload");
    let error = refused(&MessageType::Other(0x123).header(1 << 20));
    let text = "message type 0x0123 of 1048576 bytes is longer than the 65536 bytes allowed";
    assert_eq!(error.to_string(), text);
}

#[test]
fn text_is_utf_8_without_nul() {
    malformed(MessageType::Hello, "0001 ff 0000 0000 0000", "token", 0, Fault::NotUtf8);
    malformed(MessageType::Hello, "0000 0003 680034 0000 0000", "codec", 2, Fault::Nul);
}

#[test]
fn a_message_that_ends_early_is_refused_at_the_field_that_it_lacks() {
    malformed(MessageType::Hello, "", "token", 0, Fault::PastEnd);
    malformed(MessageType::Hello, "0000 0000 0000 00", "client build", 6, Fault::PastEnd);
    malformed(MessageType::HelloAck, "00 0000 0000", "capability count", 5, Fault::PastEnd);
    malformed(MessageType::HelloAck, "00 0000 0000 02 0000", "capability", 8, Fault::PastEnd);
    malformed(MessageType::Configure, "00000780 000004", "height", 4, Fault::PastEnd);
    let fixed = "00000780 00000438 01 00000000 00000001 00000000 00000000";
    malformed(MessageType::Configure, &format!("{fixed} 00"), "option count", 25, Fault::PastEnd);
    let one = format!("{fixed} 0001 0001 61");
    malformed(MessageType::Configure, &one, "option value", 30, Fault::PastEnd);
    let extradata = format!("{fixed} 0000 00000002 07");
    malformed(MessageType::Configure, &extradata, "extradata", 31, Fault::PastEnd);
    malformed(MessageType::ConfigureAck, "00 0001", "extradata", 3, Fault::PastEnd);
    malformed(MessageType::ConfigureAck, "00 0000 01", "warning count", 4, Fault::PastEnd);
    malformed(MessageType::Ack, "00000005 000001", "decompress_us", 4, Fault::PastEnd);
    malformed(MessageType::Pace, "00000005 000001", "threads", 4, Fault::PastEnd);
    malformed(MessageType::Frame, "0000000000000007 00", "duration", 8, Fault::PastEnd);
    malformed(MessageType::Packet, "000000000000000b", "dts", 8, Fault::PastEnd);
    malformed(MessageType::Slice, "00000009 0003 01 00 00000010 00", "rows", 12, Fault::PastEnd);
}

#[test]
fn an_ack_and_a_pace_have_nothing_after_their_fields() {
    let fault = Fault::Trailing(1);
    malformed(MessageType::Ack, "00000005 00000001 00", "end of payload", 8, fault);
    let six = "00000005 ".repeat(6) + "00";
    malformed(MessageType::Pace, &six, "end of payload", 24, fault);
}

#[test]
fn more_options_than_anyone_has_are_refused_by_their_count() {
    let payload = "00000780 00000438 01 00000000 00000001 00000000 00000000 0401";
    let fault = out_of_range(1025, 0, 1024);
    malformed(MessageType::Configure, payload, "option count", 25, fault);
}

const FRAME: &str = "0000000000000007 0000000000000001 00000001";
const PACKET: &str = "000000000000000b 000000000000000a 0000000000000003 00000001";

#[test]
fn a_frame_has_one_to_four_planes() {
    for count in [0, 5, 255] {
        let payload = format!("{FRAME} {count:02x}");
        let fault = out_of_range(count, 1, 4);
        malformed(MessageType::Frame, &payload, "plane count", 20, fault);
    }
}

#[test]
fn a_plane_leaves_room_for_the_planes_after_it() {
    let last = format!("{FRAME} 01 00000001 00000001 00000002 11");
    malformed(MessageType::Frame, &last, "plane data", 33, Fault::PastEnd);
    let huge = format!("{FRAME} 01 00000001 00000001 ffffffff 11");
    malformed(MessageType::Frame, &huge, "plane data", 33, Fault::PastEnd);
    let missing = format!("{FRAME} 02 00000001 00000001 00000001 11");
    malformed(MessageType::Frame, &missing, "plane data", 33, Fault::PastEnd);
    let cut = format!("{FRAME} 02 00000001 00000001 00000001 11 00000001 00000001 000000");
    malformed(MessageType::Frame, &cut, "plane data", 33, Fault::PastEnd);
    let none = format!("{FRAME} 01 00000001 0000");
    malformed(MessageType::Frame, &none, "plane height", 25, Fault::PastEnd);
}

#[test]
fn a_packet_s_data_fits_into_its_payload() {
    let payload = format!("{PACKET} 00000004 000001");
    malformed(MessageType::Packet, &payload, "data", 32, Fault::PastEnd);
    let huge = format!("{PACKET} ffffffff 000001");
    malformed(MessageType::Packet, &huge, "data", 32, Fault::PastEnd);
}

#[test]
fn side_data_fits_into_its_payload() {
    let packet = format!("{PACKET} 00000003 000001");
    let cut = format!("{packet} 01 0000002a 00000004 0708");
    malformed(MessageType::Packet, &cut, "side data", 44, Fault::PastEnd);
    let head = format!("{packet} 01 0000002a 000000");
    malformed(MessageType::Packet, &head, "side data size", 40, Fault::PastEnd);
    let count = format!("{packet} 01");
    malformed(MessageType::Packet, &count, "side data type", 36, Fault::PastEnd);
}

#[test]
fn side_data_ends_its_message() {
    let frame = format!("{FRAME} 01 00000001 00000001 00000001 11 00 00");
    malformed(MessageType::Frame, &frame, "end of payload", 35, Fault::Trailing(1));
    let packet = format!("{PACKET} 00000000 01 0000002a 00000001 07 0809");
    malformed(MessageType::Packet, &packet, "end of payload", 42, Fault::Trailing(2));
}

#[test]
fn side_data_has_at_most_sixteen_records() {
    let record = "0000002a 00000000";
    let packet = |count: usize| format!("{PACKET} 00000000 {count:02x} {}", record.repeat(count));
    let sixteen = with_header(MessageType::Packet, &hex(&packet(16)));
    let mut incoming = Incoming::new(Limits::DEFAULT);
    assert!(Gathered::read(&mut incoming, &sixteen, &[7]).is_ok());
    let fault = out_of_range(17, 0, 16);
    malformed(MessageType::Packet, &packet(17), "side data count", 32, fault);
}

#[test]
fn side_data_has_at_most_a_mebibyte() {
    let packet = |sizes: &[usize]| {
        let mut payload = hex(&format!("{PACKET} 00000000 {:02x}", sizes.len()));
        for &size in sizes {
            payload.extend([0, 0, 0, 1]);
            payload.extend((size as u32).to_be_bytes());
            payload.extend(vec![7; size]);
        }
        with_header(MessageType::Packet, &payload)
    };
    let read = |bytes: &[u8]| {
        Gathered::read(&mut Incoming::new(Limits::DEFAULT), bytes, &[4096]).map(|_| ())
    };
    assert_eq!(read(&packet(&[1 << 20])), Ok(()));
    assert_eq!(read(&packet(&[1 << 19, 1 << 19])), Ok(()));
    assert_eq!(
        read(&packet(&[1 << 19, (1 << 19) + 1])),
        Err(ReadError::Malformed {
            message: MessageType::Packet,
            field: "side data size",
            offset: 33 + 8 + (1 << 19) + 4,
            fault: out_of_range((1 << 19) + 1, 0, 1 << 19),
        })
    );
}

#[test]
fn side_data_that_could_not_be_held_is_refused_before_any_of_it_comes() {
    let max = 1 + 16 * 8 + (1 << 20);
    for over in [0, 1] {
        let head = PacketHead { pts: 0, dts: 0, duration: 0, flags: 0, len: 0 };
        let (mut bytes, _) = packet_message(&head, &[]).unwrap();
        bytes[8..12].copy_from_slice(&(32 + max + over as u32).to_be_bytes());
        let mut incoming = Incoming::new(Limits::DEFAULT);
        let result = incoming.read(&bytes).map(|_| ());
        let refused = Err(ReadError::Malformed {
            message: MessageType::Packet,
            field: "side data length",
            offset: 32,
            fault: out_of_range(u64::from(max) + 1, 0, max.into()),
        });
        assert_eq!(result, if over == 1 { refused } else { Ok(()) });
    }
}

/// A FRAME_BEGIN whose side data begins at byte 36.
fn begin_with(side_data: &str) -> String {
    format!("{FRAME} 02 00 00000000 ffffffff 0002 00000000 {side_data}")
}

#[test]
fn a_geometry_has_no_number_outside_its_tables() {
    let good = "00000780 00000438 02 01 ff ff ff 06 02 00 7fffffff 7fffffff";
    let bytes = with_header(MessageType::FrameBegin, &hex(&begin_with(&record(good))));
    assert!(Gathered::read(&mut Incoming::new(Limits::DEFAULT), &bytes, &[5]).is_ok());
    for (at, bad, value, min, max, field) in [
        (0, "00000000", 0, 1, 16384, "geometry width"),
        (0, "00004001", 16385, 1, 16384, "geometry width"),
        (4, "00000000", 0, 1, 16384, "geometry height"),
        (4, "ffffffff", 0xffff_ffff, 1, 16384, "geometry height"),
        (8, "00", 0, 1, 5, "geometry pixel format"),
        (8, "06", 6, 1, 5, "geometry pixel format"),
        (9, "03", 3, 0, 2, "geometry colour range"),
        (13, "07", 7, 0, 6, "geometry chroma location"),
        (14, "03", 3, 0, 2, "geometry fields"),
        (15, "01", 1, 0, 0, "geometry reserved byte"),
        (16, "80000000", 1 << 31, 0, (1 << 31) - 1, "geometry sample aspect ratio"),
        (20, "80000000", 1 << 31, 0, (1 << 31) - 1, "geometry sample aspect ratio"),
    ] {
        let mut payload = hex(good);
        payload[at..at + bad.len() / 2].copy_from_slice(&hex(bad));
        let payload: String = payload.iter().map(|byte| format!("{byte:02x}")).collect();
        let fault = out_of_range(value, min, max);
        let begin = begin_with(&record(&payload));
        malformed(MessageType::FrameBegin, &begin, field, 36 + 9 + at as u32, fault);
    }
}

/// Side data that is only the geometry record of this payload.
fn record(payload: &str) -> String {
    format!("01 56540001 {:08x} {payload}", hex(payload).len())
}

#[test]
fn a_geometry_has_twenty_four_bytes() {
    for len in [0, 23, 25] {
        let fault = out_of_range(len, 24, 24);
        let begin = begin_with(&record(&"00".repeat(len as usize)));
        malformed(MessageType::FrameBegin, &begin, "geometry record size", 41, fault);
    }
}

#[test]
fn a_geometry_is_the_first_record_and_the_only_one() {
    let geometry = format!("56540001 00000018 00000001 00000001 01 {}", "00".repeat(15));
    for records in [format!("{geometry} {geometry}"), format!("00000003 00000000 {geometry}")] {
        let begin = begin_with(&format!("02 {records}"));
        malformed(MessageType::FrameBegin, &begin, "geometry record", 36, Fault::NotFirst);
    }
}

#[test]
fn a_geometry_counts_with_the_side_data_for_the_limits() {
    let begin = |count: usize, size: usize| {
        let data = vec![7; size];
        let records = vec![(3, &data[..]); count];
        let mut buffer = Vec::new();
        let side_data = SideData::new(&records, &mut buffer).unwrap();
        let head = FrameHead { pts: 0, duration: 0, flags: 0, planes: 2 };
        let geometry = Some(Geometry::new(1, 1, PixelFormat::Nv12));
        let ids = (0, NO_REFERENCE);
        let (frame_id, reference_id) = ids;
        let (codec, slices, tables) = (0, 2, &[][..]);
        FrameBegin { head, codec, frame_id, reference_id, slices, tables, geometry, side_data }
            .encode(&mut Vec::new())
    };
    assert_eq!(begin(15, 0), Ok(()));
    assert!(begin(16, 0).is_err());
    assert_eq!(begin(1, (1 << 20) - 24), Ok(()));
    assert!(begin(1, (1 << 20) - 23).is_err());
}

#[test]
fn a_frame_begin_announces_at_least_one_slice_and_not_too_many() {
    for count in [0, 257] {
        let payload = format!("{FRAME} 01 00 00000001 ffffffff {count:04x}");
        let fault = out_of_range(count, 1, 256);
        malformed(MessageType::FrameBegin, &payload, "slice count", 30, fault);
    }
}

#[test]
fn a_frame_begin_s_tables_are_bounded() {
    let payload = format!("{FRAME} 01 00 00000001 ffffffff 0001 00010001");
    let fault = out_of_range(65537, 0, 65536);
    malformed(MessageType::FrameBegin, &payload, "table length", 32, fault);
    let cut = format!("{FRAME} 01 00 00000001 ffffffff 0001 00000002 00");
    malformed(MessageType::FrameBegin, &cut, "tables", 36, Fault::PastEnd);
}

#[test]
fn a_slice_has_rows_of_a_plane_that_can_exist() {
    let slice = |index: u64, plane: u64, first: u64, rows: u64| {
        format!("00000009 {index:04x} {plane:02x} 00 {first:08x} {rows:08x}")
    };
    let check = |payload: String, field, offset, fault| {
        malformed(MessageType::Slice, &payload, field, offset, fault);
    };
    check(slice(256, 0, 0, 1), "slice index", 4, out_of_range(256, 0, 255));
    check(slice(0, 4, 0, 1), "plane", 6, out_of_range(4, 0, 3));
    check(slice(0, 0, 0, 0), "rows", 12, out_of_range(0, 1, 0xffff_ffff));
    check(slice(0, 0, 0xffff_ffff, 1), "rows", 12, out_of_range(1, 1, 0));
    check(slice(0, 0, 0xffff_fff0, 16), "rows", 12, out_of_range(16, 1, 15));
}

#[test]
fn what_cannot_be_written_is_an_error_and_leaves_the_buffer_as_it_was() {
    let long = "x".repeat(65536);
    let mut out = vec![1, 2, 3];
    let hello = Hello { token: "", codec: "", client_name: &long, client_build: "" };
    assert_eq!(
        hello.encode(&mut out),
        Err(EncodeError::TooLong {
            message: MessageType::Hello,
            field: "client name",
            len: 65536,
            max: 65535
        })
    );
    let hello = Hello { token: "a\0b", codec: "", client_name: "", client_build: "" };
    let nul = EncodeError::Nul { message: MessageType::Hello, field: "token" };
    assert_eq!(hello.encode(&mut out), Err(nul));
    // Each text fits, but not the message.
    let hello = Hello { token: &long[1..], codec: "h264", client_name: "", client_build: "" };
    assert!(matches!(
        hello.encode(&mut out),
        Err(EncodeError::TooLong { field: "payload", len: 65547, max: 65536, .. })
    ));
    let mut ack = ConfigureAck { status: 0, extradata: &[0; 65536], pix_fmt: 1, warnings: vec![] };
    assert!(matches!(
        ack.encode(&mut out),
        Err(EncodeError::TooLong { field: "extradata", len: 65536, max: 65535, .. })
    ));
    (ack.extradata, ack.warnings) = (&[], vec![""; 256]);
    assert!(matches!(
        ack.encode(&mut out),
        Err(EncodeError::TooLong { field: "warnings", len: 256, max: 255, .. })
    ));
    assert_eq!(out, [1, 2, 3]);
}

#[test]
fn bulk_messages_that_cannot_be_written_are_errors() {
    let head = FrameHead { pts: 0, duration: 0, flags: 0, planes: 2 };
    let planes = EncodeError::PlaneCount { head: 2, given: 1 };
    assert_eq!(frame_message(&head, &[(1, 1, 1)], &[]), Err(planes));
    assert!(matches!(
        frame_message(&head, &[(1, 1, u32::MAX); 2], &[]),
        Err(EncodeError::TooLong { field: "payload", .. })
    ));
    let five = FrameHead { planes: 5, ..head };
    assert!(matches!(
        frame_message(&five, &[(1, 1, 1); 5], &[]),
        Err(EncodeError::TooLong { field: "planes", len: 5, max: 4, .. })
    ));
    let packet = PacketHead { pts: 0, dts: 0, duration: 0, flags: 0, len: u32::MAX };
    assert!(matches!(packet_message(&packet, &[]), Err(EncodeError::TooLong { .. })));
    let packet = PacketHead { len: 0, ..packet };
    assert!(matches!(
        packet_message(&packet, &[(0, &[][..]); 17]),
        Err(EncodeError::TooLong { field: "side data records", len: 17, max: 16, .. })
    ));
    assert!(matches!(
        packet_message(&packet, &[(0, &[0; (1 << 19) + 1][..]); 2]),
        Err(EncodeError::TooLong { field: "side data", .. })
    ));
    let slice = SliceHead {
        frame_id: 0,
        index: 0,
        plane: 0,
        mode: 0,
        first_row: 0,
        rows: 1,
        len: u32::MAX - 16,
    };
    assert!(slice_message(&slice).is_ok());
    let slice = SliceHead { len: u32::MAX - 15, ..slice };
    assert!(matches!(slice_message(&slice), Err(EncodeError::TooLong { .. })));
}
