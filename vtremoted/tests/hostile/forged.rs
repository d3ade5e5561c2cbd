//! Messages that say what is not so.

use crate::target::{Target, patient};
use crate::valid::{TINY, flush, handshake, hello, packets};
use crate::video::{Form, Video};
use vtremote_backend::PixelFormat;
use vtremote_proto::error_code::{AUTH_OR_CONFIG, BAD_REQUEST, PROTOCOL, UNSUPPORTED};

pub(crate) const ACK: (&str, &str) = ("x.ack.v1", "1");
pub(crate) const SLICES: (&str, &str) = ("x.slices.v1", "1");
const GEOMETRY: (&str, &str) = ("x.geometry.v1", "1");
const DECODE: [(&str, &str); 2] = [("mode", "decode"), ("decode_async", "1")];

const FRAME: u16 = 5;
const PACKET: u16 = 6;
pub(crate) const FRAME_BEGIN: u16 = 0x4001;
pub(crate) const SLICE: u16 = 0x4002;

fn header(kind: u16, len: u32) -> Vec<u8> {
    [&b"VTR1\0\x01"[..], &kind.to_be_bytes(), &len.to_be_bytes()].concat()
}

pub(crate) fn message(kind: u16, payload: &[u8]) -> Vec<u8> {
    [header(kind, payload.len() as u32), payload.to_vec()].concat()
}

pub(crate) fn numbers(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

/// A text as the wire has it, whatever is in it.
fn text(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat()
}

/// CONFIGURE up to the number of options.
fn configure(width: u32, height: u32, format: u8, options: u16) -> Vec<u8> {
    let options = options.to_be_bytes();
    [&numbers(&[width, height])[..], &[format], &numbers(&[1, 25, 25, 1]), &options].concat()
}

/// The end of every attack: the peer's fault is said to be the peer's, and the daemon goes on.
#[track_caller]
pub(crate) fn is_refused(target: &Target, what: &str, bytes: &[u8]) {
    let (code, text) = target.refusal(bytes);
    let peers = [AUTH_OR_CONFIG, UNSUPPORTED, BAD_REQUEST, PROTOCOL];
    assert!(peers.contains(&code), "{what}: ERROR {code} {text}");
    assert!(!text.is_empty() && !text.contains(char::is_control), "{what}: {text:?}");
}

#[test]
fn a_length_of_4_gib_is_refused_by_its_header_in_every_state() {
    let target = Target::new(&patient(), "");
    let states = [
        ("at first", Vec::new()),
        ("after HELLO", hello()),
        ("encoding", handshake(TINY, &[ACK, SLICES])),
        ("decoding", handshake(TINY, &DECODE)),
        ("decoding anything", handshake(TINY, &[&DECODE[..], &[ACK, SLICES, GEOMETRY]].concat())),
        ("flushed", [handshake(TINY, &[]), TINY.message(0, Form::default())].concat()),
    ];
    for (state, before) in states {
        for kind in (0..=13).chain(0x4000..=0x4003).chain([0x7fff, 0xffff]) {
            let (code, text) = target.refusal(&[before.clone(), header(kind, u32::MAX)].concat());
            assert_eq!(code, BAD_REQUEST, "type {kind} {state}: {text}");
        }
    }
    target.is_well();
}

#[test]
fn sizes_and_formats_that_no_picture_has_are_refused() {
    let target = Target::new(&patient(), "");
    let large = u32::MAX;
    for (width, height) in [(0, 0), (0, 16), (16, 0), (16385, 16), (16, 16385), (large, large)] {
        for mode in ["encode", "decode"] {
            let video = Video { width, height, ..TINY };
            let bytes = handshake(video, &[("mode", mode)]);
            is_refused(&target, &format!("{mode} {width}x{height}"), &bytes);
        }
    }
    for format in [0, 6, 7, 255] {
        let bytes = message(3, &configure(16, 16, format, 0));
        is_refused(&target, &format!("format {format}"), &[hello(), bytes].concat());
    }
    target.is_well();
}

#[test]
fn options_are_bounded_in_number_and_length() {
    let target = Target::new(&patient(), "");
    let options = |count: u16, key: &[u8], value: &[u8]| {
        let pairs = [text(key), text(value)].concat().repeat(count.into());
        let payload = [configure(16, 16, 1, count), pairs, numbers(&[0])].concat();
        [hello(), message(3, &payload)].concat()
    };
    // So many as are said, and none of them.
    is_refused(&target, "65,535 options", &options(u16::MAX, b"k", b"v"));
    let none = message(3, &configure(16, 16, 1, u16::MAX));
    is_refused(&target, "65,535 options that are not there", &[hello(), none].concat());
    is_refused(&target, "1025 options", &options(1025, b"", b""));
    for (what, key, value) in [
        ("NUL in a key", &b"a\0b"[..], &b"1"[..]),
        ("NUL in a value", b"bitrate", b"1\0"),
        ("a key that is not UTF-8", b"\xff\xfe", b"1"),
        ("a value that is not UTF-8", b"bitrate", b"\xc3("),
    ] {
        is_refused(&target, what, &options(1, key, value));
    }
    // Legal, if odd: taken, with one line for each at most.
    let long = [b'k'; 65535];
    for (count, key) in [(1024, &b"unknown"[..]), (31, &long), (1, b"\x1b[31m\r\n")] {
        let mut bytes = options(count, key, key);
        bytes.extend(TINY.message(0, Form::default()));
        bytes.extend(flush());
        let answers = target.answers(&bytes);
        assert!(answers.is_done() && answers.outputs() == 1, "{answers:?}");
        assert!(answers.messages[1].1.len() < 255 * 200, "the warnings quote what is long");
        assert!(!answers.messages[1].1[5..].contains(&0x1b), "control characters come back");
    }
    is_refused(&target, "over 4 MiB of options", &options(33, &long, &long));
    target.is_well();
}

#[test]
fn texts_of_hello_are_texts() {
    let target = Target::new(&patient(), "");
    for (what, codec) in
        [("NUL", &b"h2\x0064"[..]), ("no UTF-8", b"\xff\xff"), ("long", &[b'x'; 300])]
    {
        let payload = [text(b""), text(codec), text(b"name"), text(b"build")].concat();
        let answers = target.answers(&message(1, &payload));
        // A codec that is none gets a status, and what is no text an ERROR.
        assert!(answers.error().is_some() || answers.messages[0].1[0] == 3, "{what}: {answers:?}");
        assert_eq!(answers.messages.len(), 1);
    }
    is_refused(&target, "a text beyond its payload", &message(1, &[0xff, 0xff, b'a']));
    target.is_well();
}

/// Head of a FRAME.
fn frame(planes: u8, heads: &[(u32, u32, u32)], data: &[u8]) -> Vec<u8> {
    let mut payload = [numbers(&[0, 0, 0, 1, 0]), vec![planes]].concat();
    for (stride, height, len) in heads {
        payload.extend(numbers(&[*stride, *height, *len]));
        payload.extend(data.iter().cycle().take((*len).min(1 << 16) as usize));
    }
    message(FRAME, &payload)
}

#[test]
fn planes_that_do_not_fit_the_picture_are_refused() {
    let target = Target::new(&patient(), "");
    let (luma, chroma) = ((16, 16, 256), (16, 8, 128));
    let max = u32::MAX;
    for (what, planes, heads) in [
        ("no plane", 0, &[][..]),
        ("one plane", 1, &[luma]),
        ("three planes", 3, &[luma, chroma, chroma]),
        ("255 planes", 255, &[luma, chroma]),
        ("planes that are not there", 2, &[luma]),
        ("a stride below the row", 2, &[(15, 16, 240), chroma]),
        ("a stride of 0", 2, &[(0, 16, 0), chroma]),
        ("a stride far above the row", 2, &[(16 + 32769, 16, 16 * (16 + 32769)), chroma]),
        ("a stride whose product overflows", 2, &[(0x1000_0001, 16, 16), chroma]),
        ("the largest numbers", 2, &[(max, max, max), chroma]),
        ("a row more", 2, &[(16, 17, 272), chroma]),
        ("a row less", 2, &[(16, 15, 240), chroma]),
        ("no rows", 2, &[(16, 0, 0), chroma]),
        ("a length that is too short", 2, &[(16, 16, 255), chroma]),
        ("a length that is too long", 2, &[(16, 16, 257), chroma]),
        ("a length beyond the message", 2, &[luma, (16, 8, max)]),
        ("chroma of luma's size", 2, &[luma, luma]),
    ] {
        for options in [&[][..], &[("wire_compression", "2")]] {
            let bytes = [handshake(TINY, options), frame(planes, heads, &[0x55])].concat();
            is_refused(&target, what, &bytes);
        }
    }
    target.is_well();
}

#[test]
fn side_data_is_bounded_and_ends_with_its_message() {
    let target = Target::new(&patient(), "");
    let record = |size: u32, data: usize| [numbers(&[1, size]), vec![7; data]].concat();
    let mebi = 1 << 20;
    for (what, side_data) in [
        ("17 records", [vec![17], record(0, 0).repeat(17)].concat()),
        ("255 records that are not there", vec![255]),
        ("a record of 4 GiB", [vec![1], record(u32::MAX, 10)].concat()),
        ("more than a MiB", [vec![2], record(mebi, mebi as usize), record(1, 1)].concat()),
        ("a byte behind it", vec![0, 0]),
        ("a size beyond the message", [vec![1], record(11, 10)].concat()),
    ] {
        let whole = TINY.message(0, Form::default());
        let frame = [&whole[12..], &side_data].concat();
        let bytes = [handshake(TINY, &[]), message(FRAME, &frame)].concat();
        is_refused(&target, what, &bytes);
        let packet = [&packets()[0][12..], &side_data].concat();
        let bytes = [handshake(TINY, &DECODE), message(PACKET, &packet)].concat();
        is_refused(&target, what, &bytes);
        let slices = Form { slices: Some(1), ..Form::default() };
        let begin = &TINY.message(0, slices)[12..48];
        let begin = message(FRAME_BEGIN, &[begin, &side_data].concat());
        is_refused(&target, what, &[handshake(TINY, &[ACK, SLICES]), begin].concat());
    }
    target.is_well();
}

#[test]
fn messages_of_the_other_direction_or_mode_are_refused() {
    let target = Target::new(&patient(), "");
    let encode = handshake(TINY, &[ACK, SLICES]);
    let decode = handshake(TINY, &[&DECODE[..], &[ACK, SLICES, GEOMETRY]].concat());
    let frame = TINY.message(0, Form::default());
    let slices = TINY.message(0, Form { slices: Some(1), ..Form::default() });
    for (what, before, message) in [
        ("FRAME while decoding", &decode, &frame),
        ("FRAME_BEGIN while decoding", &decode, &slices),
        ("PACKET while encoding", &encode, &packets()[0]),
        ("FRAME_BEGIN without agreement", &handshake(TINY, &[]), &slices),
        ("HELLO again", &encode, &hello()),
        ("FRAME before CONFIGURE", &hello(), &frame),
        ("FLUSH before CONFIGURE", &hello(), &flush()),
        ("FLUSH at first", &Vec::new(), &flush()),
        ("FRAME after FLUSH", &[encode.clone(), flush()].concat(), &frame),
    ] {
        // After DONE there is nobody to refuse anything.
        let slow = [&before[..], message].concat();
        let answers = target.answers(&slow);
        let refused =
            answers.error().is_some_and(|(code, _)| matches!(code, BAD_REQUEST | PROTOCOL));
        assert!(
            refused || what.ends_with("after FLUSH") && answers.is_done(),
            "{what}: {answers:?}"
        );
    }
    for kind in [2, 4, 8, 12, 0x4000] {
        for before in [&Vec::new(), &hello(), &encode, &decode] {
            for payload in [&[][..], &[0; 8], &[0xff; 300]] {
                let bytes = [before.clone(), message(kind, payload)].concat();
                let (code, text) = target.refusal(&bytes);
                assert!(matches!(code, BAD_REQUEST | PROTOCOL), "type {kind}: {code} {text}");
            }
        }
    }
    target.is_well();
}

/// FRAME_BEGIN of frame 0 with these numbers of planes, codec and slices.
fn begin(planes: u8, codec: u8, reference: u32, slices: u16, rest: &[u8]) -> Vec<u8> {
    let head = [numbers(&[0, 0, 0, 1, 0]), vec![planes, codec], numbers(&[0, reference])].concat();
    message(FRAME_BEGIN, &[&head[..], &slices.to_be_bytes(), rest].concat())
}

/// A raw SLICE of frame `id`: so many bytes of data.
pub(crate) fn slice(
    id: u32,
    index: u16,
    plane: u8,
    mode: u8,
    rows: (u32, u32),
    len: usize,
) -> Vec<u8> {
    let head = [&numbers(&[id])[..], &index.to_be_bytes(), &[plane, mode]].concat();
    message(SLICE, &[head, numbers(&[rows.0, rows.1]), vec![0x55; len]].concat())
}

#[test]
fn slices_that_do_not_make_up_their_picture_are_refused() {
    let target = Target::new(&patient(), "");
    let no_reference = u32::MAX;
    let no_tables = numbers(&[0]);
    let begins = |slices| begin(2, 0, no_reference, slices, &no_tables);
    let (luma, chroma) = (slice(0, 0, 0, 1, (0, 16), 256), slice(0, 1, 1, 1, (0, 8), 128));
    for (what, messages) in [
        ("a slice of no picture", vec![luma.clone()]),
        ("one index twice", vec![begins(2), luma.clone(), slice(0, 0, 1, 1, (0, 8), 128)]),
        ("an index that is too high", vec![begins(2), slice(0, 2, 0, 1, (0, 16), 256)]),
        (
            "rows that overlap",
            vec![begins(3), slice(0, 0, 0, 1, (0, 9), 144), slice(0, 1, 0, 1, (8, 8), 128)],
        ),
        ("the same rows again", vec![begins(3), luma.clone(), slice(0, 1, 0, 1, (0, 16), 256)]),
        ("rows that are missing", vec![begins(2), slice(0, 0, 0, 1, (0, 15), 240), chroma.clone()]),
        ("no rows", vec![begins(3), slice(0, 0, 0, 1, (0, 0), 0)]),
        ("rows below the picture", vec![begins(2), slice(0, 0, 0, 1, (16, 1), 16)]),
        ("rows beyond 32 bits", vec![begins(2), slice(0, 0, 0, 1, (u32::MAX, 2), 32)]),
        (
            "all rows that there are numbers for",
            vec![begins(2), slice(0, 0, 0, 1, (0, u32::MAX), 9)],
        ),
        ("a third plane", vec![begins(3), slice(0, 0, 2, 1, (0, 8), 128)]),
        ("a mode that does not exist", vec![begins(2), slice(0, 0, 0, 2, (0, 16), 256)]),
        ("another frame's", vec![begins(2), slice(1, 0, 0, 1, (0, 16), 256)]),
        ("less data than rows", vec![begins(2), slice(0, 0, 0, 1, (0, 16), 255)]),
        ("more data than rows", vec![begins(2), slice(0, 0, 0, 1, (0, 16), 257)]),
        ("no data", vec![begins(2), slice(0, 0, 0, 1, (0, 16), 0)]),
        ("a picture within a picture", vec![begins(2), luma.clone(), begins(2)]),
        ("a FRAME within a picture", vec![begins(2), TINY.message(1, Form::default())]),
        ("FLUSH within a picture", vec![begins(2), luma.clone(), flush()]),
        ("the same picture again", vec![begins(2), luma.clone(), chroma.clone(), begins(2)]),
        ("one slice for two planes", vec![begins(1)]),
        ("no slices", vec![begins(0)]),
        ("257 slices", vec![begins(257)]),
        ("more slices than rows", vec![begins(25)]),
        ("one plane", vec![begin(1, 0, no_reference, 2, &no_tables)]),
        ("no plane", vec![begin(0, 0, no_reference, 2, &no_tables)]),
        ("255 planes", vec![begin(255, 0, no_reference, 2, &no_tables)]),
        ("a codec that does not exist", vec![begin(2, 3, no_reference, 2, &no_tables)]),
        ("a reference", vec![begin(2, 0, 0, 2, &no_tables)]),
        ("tables", vec![begin(2, 0, no_reference, 2, &[0, 0, 0, 1, 9])]),
        ("tables of 4 GiB", vec![begin(2, 0, no_reference, 2, &[255; 4])]),
        (
            "geometry from a client",
            vec![begin(
                2,
                0,
                no_reference,
                2,
                &[
                    &no_tables[..],
                    &[1],
                    &numbers(&[0x5654_0001, 24, 16, 16]),
                    &[1, 0, 2, 2, 2, 0, 0, 0],
                    &numbers(&[0, 0]),
                ]
                .concat(),
            )],
        ),
    ] {
        let bytes = [handshake(TINY, &[ACK, SLICES]), messages.concat()].concat();
        is_refused(&target, what, &bytes);
    }
    target.is_well();
}

#[test]
fn packets_that_say_what_is_not_so_are_refused() {
    let target = Target::new(&patient(), "");
    let head = |len: u32| [numbers(&[0, 0, 0, 0, 0, 1, 1]), numbers(&[len])].concat();
    for options in [&DECODE[..], &[&DECODE[..], &[ACK, SLICES, GEOMETRY]].concat()] {
        for (what, payload) in [
            ("a length beyond the message", [head(11), vec![0; 10]].concat()),
            ("a length of 4 GiB", [head(u32::MAX), vec![0; 10]].concat()),
            ("half a head", head(0)[..20].to_vec()),
            ("nothing", Vec::new()),
        ] {
            let bytes = [handshake(TINY, options), message(PACKET, &payload)].concat();
            is_refused(&target, what, &bytes);
        }
    }
    // What is in it is the decoder's to judge; that it cannot is no defect of the server.
    for data in [&b"no start code"[..], &[0; 100], &[0, 0, 1], &[0, 0, 0, 1, 0x67]] {
        let payload = [head(data.len() as u32), data.to_vec()].concat();
        let bytes = [handshake(TINY, &DECODE), message(PACKET, &payload), flush()].concat();
        let answers = target.answers(&bytes);
        assert!(answers.is_done() || answers.error().is_some_and(|(code, _)| code != 6));
    }
    target.is_well();
}

/// Sizes that let the compressed form be long, and so much longer what it unpacks to.
const LARGE: Video = Video { format: PixelFormat::Nv12, width: 1920, height: 1080 };
const LUMA: u32 = 1920 * 1080;

/// A Zstandard frame (RFC 8878) of about so many bytes, nothing but blocks that repeat a byte 2^17 times.
fn zstd_bomb(head: &[u8], len: usize) -> Vec<u8> {
    let mut out = [&[0x28, 0xb5, 0x2f, 0xfd], head].concat();
    // Its maximal size, type 1 (RLE), not the last.
    let block = [&((1u32 << 17 << 3) | 2).to_le_bytes()[..3], &[0x11]].concat();
    while out.len() + 8 <= len {
        out.extend_from_slice(&block);
    }
    let last = [&((1u32 << 17 << 3) | 3).to_le_bytes()[..3], &[0x11]].concat();
    out.extend_from_slice(&last);
    out
}

/// An LZ4 block of about so many bytes: a literal, and a match that goes on 255 bytes for each of them.
fn lz4_bomb(len: usize) -> Vec<u8> {
    let mut out = vec![0x1f, 0x11, 1, 0];
    out.resize(len - 1, 0xff);
    out.push(0);
    out
}

#[test]
fn compressed_planes_that_unpack_to_gigabytes_are_refused_within_bounds() {
    let target = Target::new(&patient(), "");
    let longest = (LUMA + LUMA / 128) as usize;
    let window = |descriptor: u8| vec![0x00, descriptor];
    let of_size = |size: u64| [&[0xe0], &size.to_le_bytes()[..]].concat();
    let bombs = [
        ("zstd of a window of 2 MiB", 2, zstd_bomb(&window(0x58), longest)),
        ("zstd of a window of 3.75 TiB", 2, zstd_bomb(&window(0xff), longest)),
        ("zstd that says 2^63 bytes", 2, zstd_bomb(&of_size(1 << 63), longest)),
        ("zstd that says what is expected", 2, zstd_bomb(&of_size(LUMA.into()), longest)),
        ("zstd that says a byte more", 2, zstd_bomb(&of_size(u64::from(LUMA) + 1), 100)),
        ("zstd that unpacks to little more", 2, zstd_bomb(&window(0x58), 80)),
        ("zstd that unpacks to too little", 2, zstd_bomb(&window(0x58), 20)),
        ("lz4", 1, lz4_bomb(longest)),
        ("lz4 that unpacks to too little", 1, lz4_bomb(100)),
        ("noise as zstd", 2, vec![0x3c; longest]),
        ("noise as lz4", 1, vec![0x3c; longest]),
        (
            "skippable frames",
            2,
            [&[0x50, 0x2a, 0x4d, 0x18], &[0u8; 4][..]].concat().repeat(longest / 8),
        ),
    ];
    let before = resident();
    for (what, codec, bomb) in &bombs {
        let number = codec.to_string();
        let (len, rows) = (bomb.len() as u32, 1080);
        let heads = [numbers(&[1920, rows, len]), bomb.clone()].concat();
        // The chroma plane after it shows that the daemon goes on reading until it knows.
        let chroma = [numbers(&[1920, rows / 2, 1]), vec![0]].concat();
        let payload = [numbers(&[0, 0, 0, 1, 0]), vec![2], heads, chroma].concat();
        let options = [("wire_compression", &number[..])];
        is_refused(&target, what, &[handshake(LARGE, &options), message(FRAME, &payload)].concat());

        let head = slice(0, 0, 0, 0, (0, rows), 0);
        let in_slice = message(SLICE, &[&head[12..], bomb].concat());
        let chroma = slice(0, 1, 1, 1, (0, rows / 2), LUMA as usize / 2);
        let begin = begin(2, *codec, u32::MAX, 2, &numbers(&[0]));
        let bytes = [handshake(LARGE, &[ACK, SLICES]), begin, in_slice, chroma].concat();
        is_refused(&target, what, &bytes);
    }
    let grown = resident().saturating_sub(before);
    assert!(grown < 128 << 20, "{grown} bytes more than before");
    target.is_well();
}

/// The most memory that the process has had at a time since this was asked last, in bytes.
pub(crate) fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<usize>().ok());
    // Makes it what there is now (proc(5)).
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    kib.unwrap_or(0) << 10
}
