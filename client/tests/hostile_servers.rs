//! Servers that stop anywhere: whatever of a session has come, its end is never taken for success.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use vtremote_client::{
    AccessUnit, Decoder, Encoder, Error, ErrorKind, Frame, InputFormat, OwnedPicture, Received,
    ReceivedPicture, Sent, SentPacket, Settings, Stream, Video,
};
use vtremote_link::{Link, Moved, memory_pair};
use vtremote_planes::vtz::{Format, Geometry};
use vtremote_planes::{Begin, Coding, Layout, PictureEncoder, Scratch, Source};
use vtremote_proto::{
    Codec, ConfigureAck, Done, FrameBegin, FrameHead, HelloAck, HelloStatus, NO_REFERENCE,
    PacketHead, PixelFormat, Rational, SideData, SliceHead, frame_message, packet_message,
    slice_message,
};

const EARLY: &[&str] = &["h264", "hevc"];
const CURRENT: &[&str] = &["h264", "hevc", "pixfmt.nv12", "pixfmt.p010", "side_data.v2"];
const OURS: &[&str] = &["h264", "hevc", "pixfmt.nv12", "pixfmt.p010", "x.ack.v1", "x.slices.v1"];

const OURS_WITH_VTZ: &[&str] =
    &["h264", "hevc", "pixfmt.nv12", "pixfmt.p010", "x.ack.v1", "x.slices.v1", "x.wire.vtz.v1"];

/// An avcC record of a stream of 16x16 pixels.
const RECORD: [u8; 31] = [
    1, 100, 0, 20, 255, 225, 0, 12, 103, 100, 0, 20, 172, 44, 169, 232, 7, 132, 2, 21, 1, 0, 4,
    104, 206, 56, 128, 253, 248, 248, 0,
];

/// Frames or packets of a session.
const INPUTS: i64 = 3;

/// What the server says, and what must have come before.
struct Answer {
    to: Asked,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Hello,
    Configure,
    /// So many frames or packets.
    Input(usize),
    Flush,
}

/// A session as the bytes that a server sends.
struct Valid {
    name: String,
    decode: bool,
    /// What the client asks for.
    coding: Coding,
    answers: Vec<Answer>,
}

/// What the server does after the last byte.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    /// Closes.
    Closes,
    /// Says that this is all, and goes on reading.
    Finishes,
    /// Says nothing any more, and goes on reading.
    Stalls,
    /// Does not even read.
    Freezes,
}

impl Valid {
    fn new(name: &str, capabilities: &[&str], decode: bool) -> Self {
        let mut answers = Vec::new();
        let mut bytes = Vec::new();
        let hello = HelloAck {
            status: HelloStatus::Ok,
            server_name: "hostile",
            server_version: "1",
            capabilities: capabilities.to_vec(),
            max_sessions: 4,
            active_sessions: 1,
        };
        hello.encode(&mut bytes).unwrap();
        answers.push(Answer { to: Asked::Hello, bytes });
        let mut bytes = Vec::new();
        let extradata: &[u8] = if decode { &[] } else { &RECORD };
        let ack = ConfigureAck { status: 0, extradata, pix_fmt: 1, warnings: vec!["odd"] };
        ack.encode(&mut bytes).unwrap();
        answers.push(Answer { to: Asked::Configure, bytes });
        let coding = match capabilities == OURS_WITH_VTZ {
            true => Coding::Vtz,
            false => Coding::None,
        };
        let outputs: Vec<_> = match (decode, coding) {
            (false, _) => (0..INPUTS).map(packet).collect(),
            (true, Coding::Vtz) => vtz_pictures(),
            (true, _) => (0..INPUTS).map(picture).collect(),
        };
        for (pts, bytes) in outputs.into_iter().enumerate() {
            answers.push(Answer { to: Asked::Input(pts + 1), bytes });
        }
        let mut bytes = Vec::new();
        Done.encode(&mut bytes);
        answers.push(Answer { to: Asked::Flush, bytes });
        let mode = if decode { "decode" } else { "encode" };
        Valid { name: format!("{mode}, {name}"), decode, coding, answers }
    }

    fn settings(&self, timeout: Duration) -> Settings {
        Settings { compression: Some(self.coding), ..settings(timeout) }
    }

    fn len(&self) -> usize {
        self.answers.iter().map(|answer| answer.bytes.len()).sum()
    }

    /// Outputs that are complete within so many bytes.
    fn outputs(&self, len: usize) -> usize {
        let mut end = 0;
        let complete = |answer: &&Answer| {
            end += answer.bytes.len();
            end <= len && matches!(answer.to, Asked::Input(_))
        };
        self.answers.iter().filter(complete).count()
    }

    /// Lengths that are near the end of a message or of a header, and every `step`th of the others.
    fn prefixes(&self, step: usize) -> Vec<usize> {
        let mut near = vec![0, 1];
        let mut end = 0;
        for answer in &self.answers {
            near.extend([end + 11, end + 12, end + 13]);
            end += answer.bytes.len();
            near.extend([end - 1, end, end + 1]);
        }
        let all = 0..self.len();
        all.filter(|len| near.contains(len) || len % step == 0).collect()
    }
}

fn sessions() -> Vec<Valid> {
    let generations = [
        ("early server", EARLY),
        ("current server", CURRENT),
        ("our server", OURS),
        ("our server with vtz", OURS_WITH_VTZ),
    ];
    let both =
        |(name, capabilities)| [false, true].map(|decode| Valid::new(name, capabilities, decode));
    generations.into_iter().flat_map(both).collect()
}

fn packet(pts: i64) -> Vec<u8> {
    let data = [0, 0, 0, 1, if pts == 0 { 0x65 } else { 0x41 }, 0x88, 0x99];
    let flags = u32::from(pts == 0);
    let head = PacketHead { pts, dts: pts, duration: 1, flags, len: data.len() as u32 };
    let (before, after) = packet_message(&head, &[]).unwrap();
    [&before[..], &data, &after].concat()
}

fn picture(pts: i64) -> Vec<u8> {
    let head = FrameHead { pts, duration: 1, flags: 0, planes: 2 };
    let parts = frame_message(&head, &[(16, 16, 256), (16, 8, 128)], &[]).unwrap();
    let mut out = Vec::new();
    for (head, len) in parts.heads.into_iter().zip([256, 128]) {
        out.extend(head);
        out.resize(out.len() + len, 0x55);
    }
    out.extend(parts.tail);
    out
}

/// The pictures of a session as vtz, each predicted from the one before.
fn vtz_pictures() -> Vec<Vec<u8>> {
    let geometry = Geometry { format: Format::Nv12, width: 16, height: 16 };
    let (mut encoder, mut scratch) = (PictureEncoder::default(), Scratch::default());
    let mut pictures = Vec::new();
    for pts in 0..INPUTS {
        let (coding, Begin { codec, reference, tables }) =
            encoder.begin(Coding::Vtz, geometry, pts as u32).unwrap();
        assert_eq!(reference.is_some(), pts > 0);
        let mut out = vtz_begin(pts as u32, codec, reference.unwrap_or(NO_REFERENCE), tables);
        for (plane, rows) in [(0, 16), (1, 8)] {
            let data: Vec<u8> = (0..16 * rows).map(|at| (at / 5) as u8 + 3 * pts as u8).collect();
            let source = Source::Rows { data: &data, stride: 16 };
            let layout = Layout { row_bytes: 16, rows };
            let mut body = Vec::new();
            let mode =
                coding.slice(&mut scratch, &source, plane, layout, 0..rows, &mut body).unwrap();
            out.extend(vtz_slice(pts as u32, plane as u8, mode, &body));
        }
        encoder.made(&coding);
        pictures.push(out);
    }
    pictures
}

fn vtz_begin(id: u32, codec: u8, reference_id: u32, tables: &[u8]) -> Vec<u8> {
    let begin = FrameBegin {
        head: FrameHead { pts: id.into(), duration: 1, flags: 0, planes: 2 },
        codec,
        frame_id: id,
        reference_id,
        slices: 2,
        tables,
        geometry: None,
        side_data: SideData::EMPTY,
    };
    let mut out = Vec::new();
    begin.encode(&mut out).unwrap();
    out
}

/// A whole plane as a slice.
fn vtz_slice(frame_id: u32, plane: u8, mode: u8, data: &[u8]) -> Vec<u8> {
    let (index, first_row, rows) = (plane.into(), 0, [16, 8][usize::from(plane)]);
    let len = data.len() as u32;
    let head = SliceHead { frame_id, index, plane, mode, first_row, rows, len };
    [slice_message(&head).unwrap(), data.to_vec()].concat()
}

/// Plays the first `len` bytes of a session, `at_once` of them at a time, each answer after what it
/// answers.
fn play(
    mut link: Link,
    valid: Arc<Valid>,
    len: usize,
    at_once: usize,
    then: Then,
) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut left = len;
        let mut heard = Heard::default();
        for answer in &valid.answers {
            while !heard.has(answer.to) {
                if !heard.more(&mut link) {
                    return;
                }
            }
            let mut bytes = &answer.bytes[..answer.bytes.len().min(left)];
            left -= bytes.len();
            while !bytes.is_empty() {
                match link.writer.write(&bytes[..bytes.len().min(at_once)]) {
                    Ok(Moved::Bytes(count)) => bytes = &bytes[count..],
                    Ok(_) => {}
                    // The client has gone, and says why.
                    Err(_) => return,
                }
            }
            if left == 0 {
                break;
            }
        }
        match then {
            Then::Closes => return,
            Then::Finishes => link.writer.finish().unwrap(),
            Then::Stalls => {}
            Then::Freezes => {
                // Until the client closes, which writing tells.
                while link.writer.write(&[]).is_ok() {
                    thread::sleep(Duration::from_millis(20));
                }
            }
        }
        while heard.more(&mut link) {}
    })
}

/// What the client has sent.
#[derive(Default)]
struct Heard {
    bytes: Vec<u8>,
    hello: bool,
    configure: bool,
    inputs: usize,
    flush: bool,
}

impl Heard {
    fn has(&self, asked: Asked) -> bool {
        match asked {
            Asked::Hello => self.hello,
            Asked::Configure => self.configure,
            Asked::Input(number) => self.inputs >= number,
            Asked::Flush => self.flush,
        }
    }

    /// Reads. Says whether there may be more.
    fn more(&mut self, link: &mut Link) -> bool {
        let mut bytes = [0; 4096];
        match link.reader.read(&mut bytes) {
            Ok(Moved::Bytes(count)) => self.bytes.extend_from_slice(&bytes[..count]),
            Ok(Moved::Nothing) => {}
            Ok(Moved::End) | Err(_) => return false,
        }
        while self.bytes.len() >= 12 {
            let end = 12 + u32::from_be_bytes(self.bytes[8..12].try_into().unwrap()) as usize;
            if self.bytes.len() < end {
                break;
            }
            match u16::from_be_bytes([self.bytes[6], self.bytes[7]]) {
                1 => self.hello = true,
                3 => self.configure = true,
                5 | 6 | 0x4001 => self.inputs += 1,
                7 => self.flush = true,
                _ => {}
            }
            self.bytes.drain(..end);
        }
        true
    }
}

fn settings(timeout: Duration) -> Settings {
    let compression = Some(Coding::None);
    Settings { codec: Some(Codec::H264), timeout, compression, ..Settings::default() }
}

const UNIT: Rational = Rational { num: 1, den: 25 };
const NV12: InputFormat = InputFormat::Wire(PixelFormat::Nv12);

fn video() -> Video {
    Video { width: 16, height: 16, format: NV12, time_base: UNIT, frame_rate: UNIT }
}

fn frame(pts: i64) -> Frame {
    let planes = vec![(vec![7; 256], 16), (vec![8; 128], 16)];
    let source = Arc::new(OwnedPicture::new(NV12, planes).unwrap());
    Frame { pts, duration: 1, keyframe: false, side_data: Vec::new(), source }
}

fn stream() -> Stream {
    let extradata = RECORD.to_vec();
    Stream { width: 16, height: 16, time_base: UNIT, frame_rate: UNIT, extradata }
}

fn access_unit(pts: i64) -> AccessUnit {
    AccessUnit {
        pts: Some(pts),
        dts: Some(pts),
        duration: 1,
        keyframe: pts == 0,
        data: vec![0, 0, 0, 2, if pts == 0 { 0x65 } else { 0x41 }, 0x88],
        side_data: Vec::new(),
    }
}

/// Runs a whole session over a link. Gives the number of outputs and how it ended.
fn run(link: Link, decode: bool, settings: &Settings) -> (usize, Result<(), Error>) {
    let mut outputs = 0;
    let end = if decode {
        decoded(link, settings, &mut outputs)
    } else {
        encoded(link, settings, &mut outputs)
    };
    (outputs, end)
}

fn encoded(link: Link, settings: &Settings, outputs: &mut usize) -> Result<(), Error> {
    let mut encoder = Encoder::open_over(link, settings, &video(), None)?;
    for pts in 0..INPUTS {
        let mut next = frame(pts);
        while let Sent::Full(refused) = encoder.send_frame(next)? {
            next = refused;
            *outputs += usize::from(matches!(encoder.receive_packet(None)?, Received::Packet(_)));
        }
    }
    encoder.flush()?;
    loop {
        match encoder.receive_packet(None)? {
            Received::Packet(_) => *outputs += 1,
            Received::Nothing => {}
            Received::End => return Ok(()),
        }
    }
}

fn decoded(link: Link, settings: &Settings, outputs: &mut usize) -> Result<(), Error> {
    let mut link = Some(link);
    let connect = move || Ok(link.take().expect("one connection"));
    let mut decoder = Decoder::open_over(connect, settings, &stream(), None)?;
    for pts in 0..INPUTS {
        let mut packet = access_unit(pts);
        while let SentPacket::Full(refused) = decoder.send_packet(packet)? {
            packet = refused;
            let received = decoder.receive_picture(None)?;
            *outputs += usize::from(matches!(received, ReceivedPicture::Picture(_)));
        }
    }
    decoder.flush()?;
    loop {
        match decoder.receive_picture(None)? {
            ReceivedPicture::Picture(_) => *outputs += 1,
            ReceivedPicture::Nothing => {}
            ReceivedPicture::End => return Ok(()),
        }
    }
}

/// The session failed, with one line that names the server and no more output than had come.
#[track_caller]
fn failed(valid: &Valid, len: usize, name: &str, (outputs, end): (usize, Result<(), Error>)) {
    let whom = format!("{} after {len} of {} bytes", valid.name, valid.len());
    let error = end.expect_err(&whom);
    let line = error.to_string();
    assert!(line.starts_with(name) && !line.contains('\n'), "{whom}: {line}");
    let kinds = [ErrorKind::Network, ErrorKind::Timeout, ErrorKind::Protocol];
    assert!(kinds.contains(&error.kind()), "{whom}: {:?}: {line}", error.kind());
    assert!(outputs <= valid.outputs(len), "{whom}: {outputs}");
}

/// One connection, of which the server plays a prefix.
fn against(valid: &Arc<Valid>, len: usize, then: Then, timeout: Duration) {
    let (client, link, ..) = memory_pair(1 << 20);
    let name = client.peer.clone();
    let server = play(link, valid.clone(), len, usize::MAX, then);
    failed(valid, len, &name, run(client, valid.decode, &valid.settings(timeout)));
    server.join().unwrap();
}

/// So that what ends a session is not the clock.
const LONG: Duration = Duration::from_secs(60);

#[test]
fn whole_sessions_end_well_however_they_come_in_pieces() {
    for valid in sessions().into_iter().map(Arc::new) {
        for at_once in [1, 13, usize::MAX] {
            for then in [Then::Closes, Then::Finishes, Then::Stalls] {
                let (client, link, ..) = memory_pair(1 << 20);
                let server = play(link, valid.clone(), valid.len(), at_once, then);
                let (outputs, end) = run(client, valid.decode, &valid.settings(LONG));
                end.unwrap_or_else(|error| {
                    panic!("{}, {at_once} bytes a time: {error}", valid.name)
                });
                assert_eq!(outputs, INPUTS as usize, "{}", valid.name);
                server.join().unwrap();
            }
        }
    }
}

#[test]
fn a_server_that_closes_anywhere_is_an_error() {
    for valid in sessions().into_iter().map(Arc::new) {
        for len in valid.prefixes(2) {
            against(&valid, len, Then::Closes, LONG);
        }
    }
}

#[test]
fn a_server_that_stops_sending_anywhere_is_an_error() {
    for valid in sessions().into_iter().map(Arc::new) {
        for len in valid.prefixes(2) {
            against(&valid, len, Then::Finishes, LONG);
        }
    }
}

/// Many at a time, since each waits for its deadline. Early servers may take 30 s, which is for virtual
/// time: proto's tests have it.
#[test]
fn a_server_that_stalls_anywhere_is_an_error_in_time() {
    let began = Instant::now();
    thread::scope(|scope| {
        let valid = sessions().into_iter().filter(|valid| !valid.name.contains("early"));
        for valid in valid.map(Arc::new) {
            for (then, len) in valid
                .prefixes(23)
                .into_iter()
                .flat_map(|len| [(Then::Stalls, len), (Then::Freezes, len)])
            {
                let valid = valid.clone();
                scope.spawn(move || against(&valid, len, then, Duration::from_millis(300)));
            }
        }
    });
    // A bound on hanging. The longest deadline that applies is one of 5 s; the next is one of 60 s.
    assert!(began.elapsed() < Duration::from_secs(55), "they outlast their deadlines");
}

#[test]
fn what_was_not_written_is_not_counted_as_sent() {
    let valid = Arc::new(Valid::new("our server", OURS, false));
    let handshake: usize = valid.answers[..2].iter().map(|answer| answer.bytes.len()).sum();
    // Less than a frame fits in, and nobody reads it.
    let room = 300;
    let (client, link, there, _) = memory_pair(room);
    let server = play(link, valid, handshake, usize::MAX, Then::Freezes);
    let mut encoder = Encoder::open_over(client, &settings(LONG), &video(), None).unwrap();
    let before = encoder.info().bytes_sent;
    for pts in 0..INPUTS {
        assert!(matches!(encoder.send_frame(frame(pts)).unwrap(), Sent::Taken));
    }
    // The writer has begun with the first of them.
    while encoder.info().bytes_sent < before + room as u64 {
        thread::yield_now();
    }
    let info = encoder.info();
    assert_eq!((info.sent, info.received, info.raw_bytes), (0, 0, 0));
    assert!(info.bytes_sent < before + 2 * room as u64, "more than has room: {}", info.bytes_sent);
    // Nor is what was cut off amid a frame.
    there.fail(std::io::ErrorKind::ConnectionReset);
    assert!(encoder.receive_packet(None).is_err());
    let info = encoder.info();
    assert_eq!((info.sent, info.received, info.raw_bytes), (0, 0, 0));
    encoder.close();
    server.join().unwrap();
}

#[test]
fn after_a_reset_nothing_comes_of_the_session_before() {
    let valid = Arc::new(Valid::new("our server", OURS, true));
    // The first session ends with pictures that have come and such as have not.
    let short = valid.len() - picture(2).len();
    let mut servers = Vec::new();
    let mut lengths = vec![valid.len(), short];
    let (given, links) = std::sync::mpsc::channel();
    let connect = move || {
        let (client, link, ..) = memory_pair(1 << 20);
        let len = lengths.pop().expect("two connections");
        given.send(play(link, valid.clone(), len, usize::MAX, Then::Stalls)).unwrap();
        Ok(client)
    };
    let mut decoder = Decoder::open_over(connect, &settings(LONG), &stream(), None).unwrap();
    (0..INPUTS).for_each(|pts| {
        let sent = decoder.send_packet(access_unit(pts)).unwrap();
        assert!(matches!(sent, SentPacket::Taken));
    });
    decoder.flush().unwrap();
    let first = decoder.receive_picture(None).unwrap();
    assert!(matches!(first, ReceivedPicture::Picture(picture) if picture.pts == Some(0)));
    decoder.reset();
    // As if there had been nothing: a packet may come again, and each becomes one picture.
    (0..INPUTS).for_each(|pts| {
        let sent = decoder.send_packet(access_unit(pts)).unwrap();
        assert!(matches!(sent, SentPacket::Taken));
    });
    decoder.flush().unwrap();
    let mut shown = Vec::new();
    loop {
        match decoder.receive_picture(None).unwrap() {
            ReceivedPicture::Picture(picture) => shown.push(picture.pts),
            ReceivedPicture::Nothing => {}
            ReceivedPicture::End => break,
        }
    }
    assert_eq!(shown, [Some(0), Some(1), Some(2)]);
    drop(decoder);
    servers.extend(links);
    assert_eq!(servers.len(), 2);
    servers.into_iter().for_each(|server| server.join().unwrap());
}

#[test]
fn pictures_of_vtz_that_break_its_rules_fail_the_session() {
    let chroma = |id| vtz_slice(id, 1, 1, &[0x80; 128]);
    let luma = |begin: Vec<u8>, mode, data: &[u8]| {
        [begin, vtz_slice(0, 0, mode, data), chroma(0)].concat()
    };
    let none = |tables| vtz_begin(0, 3, NO_REFERENCE, tables);
    let raw = |begin: Vec<u8>, id| [begin, vtz_slice(id, 0, 1, &[7; 256]), chroma(id)].concat();
    let first = vtz_pictures().swap_remove(0);
    let tables = u32::from_be_bytes(first[44..48].try_into().unwrap()) as usize;
    let tables = &first[48..][..tables];
    let cut = &tables[..tables.len() - 1];
    for (what, first, second) in [
        ("no flags", Vec::new(), none(&[])),
        ("unknown flags", Vec::new(), none(&[8])),
        ("tables that are not there", Vec::new(), none(&[1])),
        ("tables that are cut", Vec::new(), none(cut)),
        ("tables of noise", Vec::new(), none(&[0x5b; 700])),
        ("a reference that never was", Vec::new(), vtz_begin(0, 3, 0, &[2])),
        ("one that was not kept", raw(none(&[0]), 0), vtz_begin(1, 3, 0, &[0])),
        ("one of another number", raw(none(&[2]), 0), vtz_begin(1, 3, 5, &[0])),
        ("a copy of nothing", Vec::new(), luma(none(&[0]), 2, &[])),
        ("no bits", Vec::new(), luma(none(&[0]), 3, &[])),
        ("noise as bits", Vec::new(), luma(none(&[0]), 3, &[0x9d; 200])),
        ("codes without tables", Vec::new(), luma(none(&[0]), 4, &[0; 60])),
        ("noise as codes", Vec::new(), luma(none(tables), 4, &[0x9d; 200])),
        ("more than the rows", Vec::new(), luma(none(tables), 4, &[0; 257])),
        ("mode 0", Vec::new(), luma(none(&[0]), 0, &[7; 256])),
        ("mode 9", Vec::new(), luma(none(&[0]), 9, &[7; 256])),
    ] {
        let mut valid = Valid::new(what, OURS_WITH_VTZ, true);
        let good = usize::from(!first.is_empty());
        valid.answers[2].bytes = if first.is_empty() { second.clone() } else { first };
        if good == 1 {
            valid.answers[3].bytes = second;
        }
        let (client, link, ..) = memory_pair(1 << 20);
        let name = client.peer.clone();
        let settings = valid.settings(LONG);
        let len = valid.len();
        let server = play(link, Arc::new(valid), len, usize::MAX, Then::Stalls);
        let (outputs, end) = run(client, true, &settings);
        let error = end.expect_err(what);
        assert_eq!(error.kind(), ErrorKind::Protocol, "{what}: {error}");
        let line = error.to_string();
        assert!(line.starts_with(&name) && !line.contains('\n'), "{what}: {line}");
        assert!(outputs <= good, "{what}: {outputs}");
        server.join().unwrap();
    }
}

/// The session after it begins without a reference, whatever the one before had.
#[test]
fn after_a_reset_pictures_of_vtz_refer_to_none_of_before() {
    let valid = Arc::new(Valid::new("vtz", OURS_WITH_VTZ, true));
    let stale = {
        let mut stale = Valid::new("stale", OURS_WITH_VTZ, true);
        // What would go on where the first session was left.
        stale.answers.remove(2);
        Arc::new(stale)
    };
    for (second, ends_well) in [(valid.clone(), true), (stale, false)] {
        let (given, servers) = std::sync::mpsc::channel();
        let mut sessions = vec![second, valid.clone()];
        let connect = move || {
            let (client, link, ..) = memory_pair(1 << 20);
            let valid = sessions.pop().expect("two connections");
            let len = valid.len();
            given.send(play(link, valid, len, usize::MAX, Then::Stalls)).unwrap();
            Ok(client)
        };
        let settings = valid.settings(LONG);
        let mut decoder = Decoder::open_over(connect, &settings, &stream(), None).unwrap();
        let mut ends = Vec::new();
        for _ in 0..2 {
            let mut whole = || -> Result<usize, Error> {
                let mut shown = 0;
                for pts in 0..INPUTS {
                    let mut next = access_unit(pts);
                    // What has come already takes its room.
                    while let SentPacket::Full(packet) = decoder.send_packet(next)? {
                        let received = decoder.receive_picture(None)?;
                        shown += usize::from(matches!(received, ReceivedPicture::Picture(_)));
                        next = packet;
                    }
                }
                decoder.flush()?;
                loop {
                    match decoder.receive_picture(None)? {
                        ReceivedPicture::Picture(_) => shown += 1,
                        ReceivedPicture::Nothing => {}
                        ReceivedPicture::End => return Ok(shown),
                    }
                }
            };
            ends.push(whole().map_err(|error| error.to_string()));
            decoder.reset();
        }
        drop(decoder);
        assert_eq!(ends[0], Ok(INPUTS as usize));
        match (&ends[1], ends_well) {
            (Ok(shown), true) => assert_eq!(*shown, INPUTS as usize),
            (Err(error), false) => assert!(error.contains("frame 0, which is not kept"), "{error}"),
            (end, _) => panic!("{end:?}"),
        }
        servers.iter().for_each(|server| server.join().unwrap());
    }
}
