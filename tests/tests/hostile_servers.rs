//! ffmpeg and servers that are broken, or mean it ill: one clear line and an exit code other than 0, in
//! time. None of these sessions may look like a success, however much of it has come.

use std::thread;
use std::time::Duration;
use vtremote_tests::{Daemon, Ffmpeg, Line, RawVideo, ScriptedServer, Shape, scratch, series};

const LIMIT: Duration = Duration::from_secs(60);

const FRAMES: usize = 20;
/// So many that a decoder does not have all of them when a server goes wrong.
const LONG: usize = 300;
const SHAPE: Shape = Shape { width: 64, height: 48, format: "nv12" };

const HELLO: u16 = 1;
const HELLO_ACK: u16 = 2;
const CONFIGURE: u16 = 3;
const CONFIGURE_ACK: u16 = 4;
const FRAME: u16 = 5;
const PACKET: u16 = 6;
const FLUSH: u16 = 7;
const DONE: u16 = 8;
const ERROR: u16 = 9;
const PING: u16 = 10;
const ACK: u16 = 0x4000;

const CURRENT: &[&str] = &["h264", "hevc", "pixfmt.nv12", "pixfmt.p010", "side_data.v2"];
const OURS: &[&str] = &["h264", "hevc", "pixfmt.nv12", "pixfmt.p010", "x.ack.v1", "x.slices.v1"];

/// An avcC record of 64x48 pixels.
const AVCC: [u8; 30] = [
    1, 66, 0, 30, 255, 225, 0, 11, 103, 66, 0, 30, 172, 44, 169, 4, 33, 160, 128, 1, 0, 4, 104,
    206, 56, 128, 0, 0, 0, 0,
];

fn message(kind: u16, payload: &[u8]) -> Vec<u8> {
    [header(kind, payload.len() as u32), payload.to_vec()].concat()
}

fn header(kind: u16, len: u32) -> Vec<u8> {
    [&b"VTR1\0\x01"[..], &kind.to_be_bytes(), &len.to_be_bytes()].concat()
}

fn text(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat()
}

fn hello_ack(status: u8, capabilities: &[&str]) -> Vec<u8> {
    let list: Vec<u8> = capabilities.iter().flat_map(|name| text(name.as_bytes())).collect();
    let count = [capabilities.len() as u8];
    let payload = [&[status][..], &text(b"scripted"), &text(b"1"), &count, &list, &[0, 4, 0, 1]];
    message(HELLO_ACK, &payload.concat())
}

fn configure_ack(extradata: &[u8], format: u8, warnings: &[&[u8]]) -> Vec<u8> {
    let list: Vec<u8> = warnings.iter().flat_map(|line| text(line)).collect();
    let payload = [&[0][..], &text(extradata), &[format, warnings.len() as u8], &list];
    message(CONFIGURE_ACK, &payload.concat())
}

fn packet_of(pts: i64, dts: i64, data: &[u8]) -> Vec<u8> {
    let times = [pts, dts, 1].map(i64::to_be_bytes).concat();
    let key = [0, 0, 0, u8::from(pts == 0)];
    message(PACKET, &[&times[..], &key, &(data.len() as u32).to_be_bytes(), data].concat())
}

fn packet(pts: i64) -> Vec<u8> {
    packet_of(pts, pts, &[0, 0, 0, 1, if pts == 0 { 0x65 } else { 0x41 }, 0x88, 0x99])
}

/// A raw FRAME with planes of these strides and heights.
fn frame(pts: i64, planes: &[(u32, u32)]) -> Vec<u8> {
    let times = [pts, 1].map(i64::to_be_bytes).concat();
    let mut payload = [&times[..], &[0, 0, 0, 0, planes.len() as u8]].concat();
    for (stride, height) in planes {
        let len = stride * height;
        payload.extend([*stride, *height, len].map(u32::to_be_bytes).concat());
        payload.resize(payload.len() + len as usize, 0x55);
    }
    message(FRAME, &payload)
}

fn error(payload: &[u8]) -> Vec<u8> {
    message(ERROR, payload)
}

/// What a server does, and what the user reads of it.
#[derive(Clone)]
struct Case {
    name: String,
    says: &'static str,
    script: Vec<Line>,
}

/// Lines that several scripts begin with.
fn after(messages: &[(u16, usize, Vec<u8>)], rest: &[Line]) -> Vec<Line> {
    let heard = |(kind, count, answer): &(u16, usize, Vec<u8>)| {
        [Line::Hear(*kind, *count), Line::Say(answer.clone())]
    };
    messages.iter().flat_map(heard).chain(rest.iter().cloned()).collect()
}

fn say(bytes: Vec<u8>) -> Line {
    Line::Say(bytes)
}

fn case(name: &str, says: &'static str, script: Vec<Line>) -> Case {
    Case { name: name.to_owned(), says, script }
}

/// What can go wrong before there is a session, whatever it is to do.
fn before_the_session() -> Vec<Case> {
    let hello = |answer: Vec<u8>, rest: &[Line]| after(&[(HELLO, 1, answer)], rest);
    let configure = |answer: Vec<u8>, rest: &[Line]| {
        after(&[(HELLO, 1, hello_ack(0, OURS)), (CONFIGURE, 1, answer)], rest)
    };
    let tls = vec![0x15, 3, 3, 0, 2, 2, 40];
    let mut cases = vec![
        case("HTTP", "HTTP", hello(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), &[])),
        case(
            "HTTP that closes",
            "HTTP",
            hello(b"HTTP/1.0 400 No\r\n\r\n".to_vec(), &[Line::Close]),
        ),
        case("TLS", "TLS", hello(tls, &[Line::Close])),
        case("SSH", "SSH", vec![say(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec())]),
        case("mail", "another protocol", vec![say(b"220 mail\r\n".to_vec())]),
        case("silence", "no answer", vec![]),
        case("half a HELLO_ACK", "", hello(hello_ack(0, OURS)[..20].to_vec(), &[])),
        case(
            "half a HELLO_ACK, closed",
            "",
            hello(hello_ack(0, OURS)[..20].to_vec(), &[Line::Close]),
        ),
        case("closed at once", "connection", vec![Line::Close]),
        case("closed at HELLO", "connection", vec![Line::Hear(HELLO, 1), Line::Close]),
        case("busy", "full", hello(hello_ack(1, CURRENT), &[])),
        case("wrong token", "token", hello(hello_ack(2, CURRENT), &[])),
        case("no such codec", "codec", hello(hello_ack(3, CURRENT), &[])),
        case("internal", "internal", hello(hello_ack(4, CURRENT), &[])),
        case("a status of 77", "77", hello(hello_ack(77, CURRENT), &[])),
        case("no capabilities", "h264", hello(hello_ack(0, &[]), &[])),
        case(
            "255 capabilities that are not there",
            "HELLO_ACK",
            hello(message(HELLO_ACK, &[&[0][..], &text(b""), &text(b""), &[255]].concat()), &[]),
        ),
        case(
            "names that are not UTF-8",
            "HELLO_ACK",
            hello(message(HELLO_ACK, &[&[0][..], &text(b"\xff"), &text(b""), &[0]].concat()), &[]),
        ),
        case("CONFIGURE_ACK first", "out of order", hello(configure_ack(&AVCC, 1, &[]), &[])),
        case("HELLO_ACK twice", "out of order", configure(hello_ack(0, OURS), &[])),
        case("DONE in place of CONFIGURE_ACK", "DONE", configure(message(DONE, &[]), &[])),
        case("closed at CONFIGURE", "connection", configure(vec![], &[Line::Close])),
        case("silence at CONFIGURE", "CONFIGURE", configure(vec![], &[])),
        case(
            "CONFIGURE_ACK with a status",
            "CONFIGURE_ACK",
            configure(message(CONFIGURE_ACK, &[1, 0, 0, 1, 0]), &[]),
        ),
        case(
            "extradata beyond its message",
            "CONFIGURE_ACK",
            configure(message(CONFIGURE_ACK, &[0, 255, 255, 1]), &[]),
        ),
        case(
            "refusal with an escape sequence",
            "no  [31m red  line",
            configure(error(&[&[0, 0, 0, 1][..], &text(b"no \x1b[31m red\r\nline")].concat()), &[]),
        ),
        case(
            "refusal without a length",
            "plain words",
            configure(error(b"\0\0\0\x01plain words"), &[]),
        ),
        case(
            "refusal that is not UTF-8",
            "caf",
            configure(error(&[&[0, 0, 0, 1][..], &text(b"caf\xe9 \xff\xfe")].concat()), &[]),
        ),
        case("refusal without a word", "", configure(error(&[0, 0, 0, 3, 0, 0]), &[])),
        case("refusal of nothing at all", "", configure(error(&[]), &[])),
        case(
            "refusal of 60,000 bytes",
            "aaaa",
            configure(error(&[&[0, 0, 0, 1][..], &text(&[b'a'; 60_000])].concat()), &[]),
        ),
    ];
    for kind in [HELLO_ACK, CONFIGURE_ACK, FRAME, PACKET, DONE, ERROR, PING, ACK, 0x7777] {
        let bomb = |state| format!("type {kind} of 4 GiB {state}");
        let huge = header(kind, u32::MAX);
        let says = "4294967295";
        cases.push(Case { name: bomb("at HELLO"), says, script: hello(huge.clone(), &[]) });
        cases.push(Case { name: bomb("at CONFIGURE"), says, script: configure(huge, &[]) });
    }
    cases
}

/// Runs ffmpeg against each, some at a time since many wait for a deadline.
fn each_fails(cases: Vec<Case>, ffmpeg: impl Fn(&str) -> Ffmpeg + Sync) {
    let mut wrong = Vec::new();
    for cases in cases.chunks(8) {
        let run = |case: &Case| {
            let server = ScriptedServer::start(case.script.clone());
            let finished = ffmpeg(server.address()).start().finish(LIMIT);
            let lines = |line: &&str| line.contains(server.address());
            let line = finished.stderr.lines().filter(lines).find(|line| line.contains(case.says));
            let clean = !finished.stderr.contains('\u{1b}');
            let failed = finished.status.code().is_some_and(|code| code != 0);
            (line.is_none() || !clean || !failed).then(|| {
                let Case { name, says, .. } = case;
                format!("{name}: {}, wanted {says:?} in:\n{}\n", finished.status, finished.stderr)
            })
        };
        thread::scope(|scope| {
            let run = &run;
            let threads: Vec<_> = cases.iter().map(|case| scope.spawn(move || run(case))).collect();
            wrong.extend(threads.into_iter().filter_map(|thread| thread.join().unwrap()));
        });
    }
    assert!(wrong.is_empty(), "{} went wrong\n{}", wrong.len(), wrong.join("\n"));
}

fn encode(video: &RawVideo, host: &str, codec: &str) -> Ffmpeg {
    let ffmpeg = Ffmpeg::new().input(video).encoder(codec, host);
    ffmpeg.args("-vt_remote_timeout_ms 500 -vt_remote_wire_compression none")
}

/// A session that encodes, up to the point where so many frames have come.
fn encoding(capabilities: &[&str], frames: usize, rest: &[Line]) -> Vec<Line> {
    let mut script = after(
        &[(HELLO, 1, hello_ack(0, capabilities)), (CONFIGURE, 1, configure_ack(&AVCC, 1, &[]))],
        &[Line::Hear(FRAME, frames)],
    );
    script.extend_from_slice(rest);
    script
}

#[test]
fn servers_that_go_wrong_before_an_encoder_is_there_are_named() {
    let video = SHAPE.video(FRAMES, &scratch("hostile-before-encode").join("in.raw"));
    each_fails(before_the_session(), |host| encode(&video, host, "h264").args("-f null -"));
}

#[test]
fn servers_that_go_wrong_while_encoding_are_named() {
    let video = SHAPE.video(FRAMES, &scratch("hostile-encode").join("in.raw"));
    let all: Vec<u8> = (0..FRAMES as i64).flat_map(packet).collect();
    let most: Vec<u8> = (0..FRAMES as i64 - 1).flat_map(packet).collect();
    let done = || message(DONE, &[]);
    let ours = |frames, rest: &[Line]| encoding(OURS, frames, rest);
    let current = |frames, rest: &[Line]| encoding(CURRENT, frames, rest);
    let flushed = |bytes: Vec<u8>| {
        current(1, &[say(packet(0)), Line::Hear(FRAME, FRAMES), Line::Hear(FLUSH, 1), say(bytes)])
    };
    let ack = |taken: u32| message(ACK, &[taken.to_be_bytes(), [0; 4]].concat());
    let mut cases = vec![
        case("DONE at first", "DONE", current(0, &[say(done())])),
        case("DONE amid frames", "DONE", current(3, &[say([packet(0), done()].concat())])),
        case(
            "DONE with a frame missing",
            "pts 19",
            flushed([&most[packet(0).len()..], &done()].concat()),
        ),
        case("DONE with a payload of 4 GiB", "4294967295", flushed(header(DONE, u32::MAX))),
        case("closed amid frames", "connection", current(3, &[say(packet(0)), Line::Close])),
        case(
            "closed after FLUSH",
            "connection",
            current(1, &[say(packet(0)), Line::Hear(FLUSH, 1), Line::Close]),
        ),
        case(
            "closed in place of DONE",
            "connection",
            current(FRAMES, &[say(all.clone()), Line::Close]),
        ),
        case("silence amid frames", "nothing", ours(3, &[say(packet(0))])),
        case("silence in place of DONE", "nothing", flushed(all[packet(0).len()..].to_vec())),
        case("half a packet, then silence", "nothing", ours(3, &[say(packet(0)[..30].to_vec())])),
        case(
            "half a packet, then closed",
            "connection",
            ours(3, &[say(packet(0)[..30].to_vec()), Line::Close]),
        ),
        case("a packet twice", "pts 0", current(3, &[say([packet(0), packet(0)].concat())])),
        case("a pts that nobody sent", "pts 999", current(3, &[say(packet(999))])),
        case("the lowest pts that there is", "pts", current(3, &[say(packet(i64::MIN))])),
        case(
            "dts that falls",
            "dts",
            ours(3, &[say([packet(0), packet_of(1, -5, &[0, 0, 1, 0x41, 9])].concat())]),
        ),
        case("dts above pts", "dts", ours(3, &[say(packet_of(0, 7, &[0, 0, 1, 0x65, 9]))])),
        case("a frame answered with nothing", "pts 0", current(3, &[say(packet_of(0, 0, &[]))])),
        case(
            "a packet without a start code",
            "pts 0",
            current(3, &[say(packet_of(0, 0, b"no start code"))]),
        ),
        case(
            "data beyond its packet",
            "PACKET",
            current(3, &[say(message(PACKET, &[&[0; 28][..], &[255; 4], &[1, 2, 3]].concat()))]),
        ),
        case(
            "side data of 4 GiB",
            "PACKET",
            current(
                3,
                &[say(message(
                    PACKET,
                    &[&[0; 28][..], &[0, 0, 0, 1, 0x65], &[1, 0, 0, 0, 1], &[255; 4]].concat(),
                ))],
            ),
        ),
        case("ACK of what was not sent", "ACK", ours(2, &[say(ack(1000))])),
        case("ACK that goes back", "ACK", ours(3, &[say([ack(2), ack(1)].concat())])),
        case("ACK that was not agreed to", "ACK", current(3, &[say(ack(1))])),
        case("FRAME to an encoder", "FRAME", current(3, &[say(frame(0, &[(64, 48), (64, 24)]))])),
        case("FLUSH from a server", "only clients send", current(3, &[say(message(FLUSH, &[]))])),
        case(
            "HELLO from a server",
            "only clients send",
            current(3, &[say(message(HELLO, &[0; 8]))]),
        ),
        case("CONFIGURE_ACK again", "out of order", current(3, &[say(configure_ack(&[], 1, &[]))])),
        case("no message amid messages", "VTR1", current(3, &[say(vec![0x41; 40])])),
        case(
            "100,000 PINGs, then closed",
            "connection",
            ours(1, &[say(message(PING, b"12345678").repeat(100_000)), Line::Close]),
        ),
        case(
            "ERROR at last",
            "lost it",
            flushed(
                [&all[packet(0).len()..], &error(&[&[0, 0, 0, 2][..], &text(b"lost it")].concat())]
                    .concat(),
            ),
        ),
        case(
            "255 warnings without a session",
            "connection",
            after(
                &[
                    (HELLO, 1, hello_ack(0, OURS)),
                    (CONFIGURE, 1, configure_ack(&AVCC, 1, &[&[b'w'; 10_000][..]; 255])),
                ],
                &[Line::Close],
            ),
        ),
        case(
            "more warnings than there are",
            "CONFIGURE_ACK",
            after(
                &[
                    (HELLO, 1, hello_ack(0, OURS)),
                    (CONFIGURE, 1, message(CONFIGURE_ACK, &[0, 0, 0, 1, 255])),
                ],
                &[],
            ),
        ),
    ];
    for (kind, state) in [(PACKET, "amid frames"), (FRAME, "amid frames"), (0x7777, "amid frames")]
    {
        let name = format!("type {kind} of 4 GiB {state}");
        let script = current(3, &[say(header(kind, u32::MAX))]);
        cases.push(Case { name, says: "4294967295", script });
    }
    each_fails(cases, |host| encode(&video, host, "h264").args("-f null -"));
}

/// They might still come with the keyframes; where they do not, nobody could decode the stream.
#[test]
fn parameter_sets_that_come_nowhere_are_a_failure() {
    let video = SHAPE.video(FRAMES, &scratch("hostile-sets").join("in.raw"));
    for (codec, extradata) in [("hevc", &[1; 22][..]), ("h264", &[0xa5; 300]), ("h264", &[1])] {
        let ack = configure_ack(extradata, 1, &[]);
        let mut script = after(&[(HELLO, 1, hello_ack(0, CURRENT)), (CONFIGURE, 1, ack)], &[]);
        script.extend((0..FRAMES).flat_map(|n| [Line::Hear(FRAME, n + 1), say(packet(n as i64))]));
        script.extend([Line::Hear(FLUSH, 1), say(message(DONE, &[]))]);
        let server = ScriptedServer::start(script);
        let finished =
            encode(&video, server.address(), codec).args("-flags +global_header -f null -").run();
        assert!(finished.stderr.contains("extradata cannot be read"), "{}", finished.stderr);
        assert!(finished.stderr.contains("without them"), "{}", finished.stderr);
        assert!(finished.stderr.contains("there is no SPS"), "{}", finished.stderr);
        assert!(!finished.status.success(), "{}", finished.stderr);
    }
}

/// A stream to decode.
fn stream(name: &str, frames: usize) -> std::path::PathBuf {
    let dir = scratch(name);
    let video = SHAPE.video(frames, &dir.join("in.raw"));
    let daemon = Daemon::synthetic("", &[]);
    let out = dir.join("in.mp4");
    Ffmpeg::new().input(&video).encoder("h264", daemon.address()).arg(&out).run().ok();
    out
}

fn decode(file: &std::path::Path, host: &str, options: &str) -> Ffmpeg {
    let decoder = format!("-c:v h264_videotoolbox_remote -vt_remote_host {host}");
    let ffmpeg = Ffmpeg::new().args(options).args(&decoder);
    let ffmpeg = ffmpeg.args("-vt_remote_timeout_ms 500 -vt_remote_wire_compression none -i");
    ffmpeg.arg(file).args("-f null -")
}

#[test]
fn servers_that_go_wrong_before_a_decoder_is_there_are_named() {
    let file = stream("hostile-before-decode", FRAMES);
    each_fails(before_the_session(), |host| decode(&file, host, ""));
}

#[test]
fn servers_that_go_wrong_while_decoding_are_named() {
    let decoding = |packets: usize, rest: &[Line]| {
        let mut script = after(
            &[(HELLO, 1, hello_ack(0, CURRENT)), (CONFIGURE, 1, configure_ack(&[], 1, &[]))],
            &[Line::Hear(PACKET, packets)],
        );
        script.extend_from_slice(rest);
        script
    };
    let good = |pts: i64| frame(pts, &[(64, 48), (64, 24)]);
    let bad = |planes: &[(u32, u32)]| decoding(3, &[say(frame(0, planes))]);
    let cases = vec![
        case("DONE at first", "DONE", decoding(0, &[say(message(DONE, &[]))])),
        case(
            "DONE amid packets",
            "DONE",
            decoding(3, &[say([good(0), message(DONE, &[])].concat())]),
        ),
        case("closed at first", "connection", decoding(0, &[Line::Close])),
        case("closed amid packets", "connection", decoding(3, &[say(good(0)), Line::Close])),
        case(
            "closed in place of DONE",
            "connection",
            decoding(3, &[say(good(0)), Line::Hear(FLUSH, 1), Line::Close]),
        ),
        case("silence", "nothing", decoding(3, &[say(good(0))])),
        case(
            "silence in place of DONE",
            "nothing",
            decoding(3, &[say(good(0)), Line::Hear(FLUSH, 1)]),
        ),
        case("half a frame, then silence", "nothing", decoding(3, &[say(good(0)[..500].to_vec())])),
        case(
            "half a frame, then closed",
            "connection",
            decoding(3, &[say(good(0)[..500].to_vec()), Line::Close]),
        ),
        case("no plane", "FRAME", bad(&[])),
        case("one plane", "1 planes", bad(&[(64, 48)])),
        case("three planes", "3 planes", bad(&[(64, 48), (64, 24), (64, 24)])),
        case("a stride below the row", "stride of 63", bad(&[(63, 48), (64, 24)])),
        case("a stride of 0", "stride of 0", bad(&[(0, 48), (64, 24)])),
        case("a stride far above the row", "stride of 40000", bad(&[(40_000, 48), (64, 24)])),
        case("a row more", "49 rows", bad(&[(64, 49), (64, 24)])),
        case("chroma of half the rows", "12 rows", bad(&[(64, 48), (64, 12)])),
        case(
            "more frames than packets",
            "",
            decoding(3, &[say((0..500).flat_map(good).collect())]),
        ),
        case(
            "ERROR amid packets",
            "went away",
            decoding(
                3,
                &[say(error(&[&[0, 0, 0, 2][..], &text(b"the decoder went away")].concat()))],
            ),
        ),
        case("PACKET from a decoder", "PACKET", decoding(3, &[say(packet(0))])),
        case("ACK that was not agreed to", "ACK", decoding(3, &[say(message(ACK, &[0; 8]))])),
        case("a frame of 4 GiB", "4294967295", decoding(3, &[say(header(FRAME, u32::MAX))])),
        case(
            "a pixel format of 77",
            "77",
            after(
                &[(HELLO, 1, hello_ack(0, CURRENT)), (CONFIGURE, 1, configure_ack(&[], 77, &[]))],
                &[],
            ),
        ),
        case(
            "100,000 PINGs, then closed",
            "connection",
            decoding(1, &[say(message(PING, b"12345678").repeat(100_000)), Line::Close]),
        ),
    ];
    // ffmpeg goes on after a decoder's error, up to a share of errors, unless it is told not to.
    let file = stream("hostile-decode", FRAMES);
    each_fails(cases.clone(), |host| decode(&file, host, "-xerror"));
    let at_the_end = |case: &Case| case.name.contains("in place of DONE");
    let (at_the_end, midway): (Vec<_>, _) = cases.into_iter().partition(at_the_end);
    let long = stream("hostile-decode-long", LONG);
    each_fails(midway, |host| decode(&long, host, ""));
    // 7.1 forgives what goes wrong once the decoder has the last packet: tests/lost.rs.
    if series() != "7.1" {
        each_fails(at_the_end, |host| decode(&file, host, ""));
    }
}
