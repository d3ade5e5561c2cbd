//! Whole sessions against a scripted server, in memory and over loopback sockets.

mod server;

use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use server::{CURRENT, EARLY, Fate, Script, Served, avcc, packet, serve, serve_tcp};
use vtremote_client::{
    Encoder, Error, ErrorKind, Frame, FrameSource, InputFormat, Level, Packet, Received, Sent,
    Settings, Video,
};
use vtremote_link::memory_pair;
use vtremote_planes::Source;
use vtremote_proto::{Codec, PixelFormat, Rational};

fn video(width: u32, height: u32) -> Video {
    Video {
        width,
        height,
        format: InputFormat::Wire(PixelFormat::Nv12),
        time_base: Rational { num: 1, den: 25 },
        frame_rate: Rational { num: 25, den: 1 },
    }
}

fn settings() -> Settings {
    Settings { codec: Some(Codec::H264), ..Settings::default() }
}

/// The pts of frames whose pictures have been released, in that order.
type Released = Arc<Mutex<Vec<i64>>>;

struct Picture {
    pts: i64,
    data: Vec<u8>,
    width: usize,
    released: Released,
}

impl FrameSource for Picture {
    fn plane(&self, index: u8) -> Source<'_> {
        let luma = self.data.len() / 3 * 2;
        let data = if index == 0 { &self.data[..luma] } else { &self.data[luma..] };
        Source::Rows { data, stride: self.width }
    }
}

impl Drop for Picture {
    fn drop(&mut self) {
        self.released.lock().unwrap().push(self.pts);
    }
}

fn frame(video: &Video, pts: i64, released: &Released) -> Frame {
    let data = vec![pts as u8; video.raw_len() as usize];
    let (width, released) = (video.width as usize, released.clone());
    Frame {
        pts,
        duration: 2,
        keyframe: false,
        side_data: Vec::new(),
        source: Arc::new(Picture { pts, data, width, released }),
    }
}

/// An encoder in front of a scripted server in memory, with room for `capacity` bytes each way.
fn open(
    script: Script,
    settings: &Settings,
    video: &Video,
    capacity: usize,
) -> (Encoder, JoinHandle<Served>) {
    let (client, link, ..) = memory_pair(capacity);
    let served = serve(link, script);
    (Encoder::open_over(client, settings, video, None).unwrap(), served)
}

/// Sends frames of these pts and flushes, taking packets whenever there is no room; gives the packets
/// and how it ended.
fn encode(
    encoder: &mut Encoder,
    pts: impl Iterator<Item = i64>,
    released: &Released,
) -> (Vec<Packet>, Result<(), Error>) {
    let video = *encoder.video();
    let mut packets = Vec::new();
    let outcome = (|| {
        for pts in pts {
            let mut next = frame(&video, pts, released);
            while let Sent::Full(frame) = encoder.send_frame(next)? {
                next = frame;
                if let Received::Packet(packet) = encoder.receive_packet(None)? {
                    packets.push(packet);
                }
            }
        }
        encoder.flush()?;
        loop {
            match encoder.receive_packet(None)? {
                Received::Packet(packet) => packets.push(packet),
                Received::End => return Ok(()),
                Received::Nothing => panic!("nothing came though there are frames to come"),
            }
        }
    })();
    (packets, outcome)
}

fn sorted(released: &Released) -> Vec<i64> {
    let mut released = released.lock().unwrap().clone();
    released.sort_unstable();
    released
}

#[test]
fn every_frame_comes_back_once_in_order_whatever_the_depth_and_the_delay() {
    for capabilities in [EARLY, CURRENT, server::OURS] {
        for (frames, inflight, delay) in
            [(1, 1, 0), (2, 1, 0), (15, 16, 7), (17, 16, 7), (40, 2, 1), (40, 8, 20), (60, 64, 0)]
        {
            let settings = Settings { inflight, ..settings() };
            let script = Script { capabilities, delay, ..Script::default() };
            let (mut encoder, served) = open(script, &settings, &video(64, 64), 4096);
            let released = Released::default();
            let (packets, outcome) = encode(&mut encoder, 0..frames, &released);
            assert!(outcome.is_ok(), "{:?}", outcome.unwrap_err().to_string());
            let pts: Vec<_> = packets.iter().map(|packet| packet.pts).collect();
            assert_eq!(pts, Vec::from_iter(0..frames));
            assert!(packets.iter().all(|packet| packet.duration == 2 && packet.dts <= packet.pts));
            let info = encoder.info();
            assert_eq!((info.sent, info.received), (frames as u64, frames as u64));
            drop(encoder);
            assert_eq!(sorted(&released), Vec::from_iter(0..frames));
            assert_eq!(served.join().unwrap().frames.len(), frames as usize);
        }
    }
}

#[test]
fn a_frame_is_held_until_its_packet_is_handed_over() {
    let (mut encoder, served) = open(Script::default(), &settings(), &video(64, 64), 4096);
    let released = Released::default();
    for pts in 0..8 {
        let taken = encoder.send_frame(frame(&video(64, 64), pts, &released)).unwrap();
        assert!(matches!(taken, Sent::Taken));
    }
    encoder.flush().unwrap();
    while encoder.info().received < 8 {
        thread::yield_now();
    }
    assert!(released.lock().unwrap().is_empty());
    let mut handed_over = Vec::new();
    while let Received::Packet(packet) = encoder.receive_packet(None).unwrap() {
        handed_over.push(packet.pts);
        let released = released.lock().unwrap().clone();
        assert!(released.iter().all(|pts| handed_over.contains(pts)), "{released:?}");
    }
    drop(encoder);
    assert_eq!(sorted(&released), handed_over);
    served.join().unwrap();
}

#[test]
fn the_window_bounds_what_the_server_has_not_taken() {
    // It never says that it has taken the first.
    let script = Script { fate: Some((0, Fate::Mute)), ..Script::default() };
    let settings = Settings { inflight: 3, ..settings() };
    let (mut encoder, served) = open(script, &settings, &video(64, 64), 1 << 20);
    let released = Released::default();
    for pts in 0..3 {
        let sent = encoder.send_frame(frame(&video(64, 64), pts, &released)).unwrap();
        assert!(matches!(sent, Sent::Taken));
    }
    for _ in 0..2 {
        let sent = encoder.send_frame(frame(&video(64, 64), 3, &released)).unwrap();
        let Sent::Full(refused) = sent else { panic!("a frame more than the window has") };
        assert_eq!(refused.pts, 3);
    }
    assert_eq!(*released.lock().unwrap(), [3, 3]);
    encoder.close();
    assert_eq!(sorted(&released), [0, 1, 2, 3, 3]);
    served.join().unwrap();
}

#[test]
fn receiving_says_at_once_that_a_refused_frame_has_room() {
    let settings = Settings { inflight: 1, ..settings() };
    // The encoder holds everything back, so that no packet can end the wait.
    let script = Script { delay: 100, ..Script::default() };
    let (mut encoder, served) = open(script, &settings, &video(64, 64), 1 << 20);
    let released = Released::default();
    for pts in 0..10 {
        while let Sent::Full(_) = encoder.send_frame(frame(&video(64, 64), pts, &released)).unwrap()
        {
            assert!(matches!(encoder.receive_packet(None).unwrap(), Received::Nothing));
        }
    }
    encoder.close();
    served.join().unwrap();
}

#[test]
fn polling_never_waits_and_nothing_outstanding_gives_nothing() {
    let script = Script { delay: 100, ..Script::default() };
    let (mut encoder, served) = open(script, &settings(), &video(64, 64), 4096);
    assert!(matches!(encoder.receive_packet(None).unwrap(), Received::Nothing));
    let released = Released::default();
    encoder.send_frame(frame(&video(64, 64), 0, &released)).unwrap();
    let polled = encoder.receive_packet(Some(Duration::ZERO)).unwrap();
    assert!(matches!(polled, Received::Nothing));
    let waited = encoder.receive_packet(Some(Duration::from_millis(5))).unwrap();
    assert!(matches!(waited, Received::Nothing));
    drop(encoder);
    served.join().unwrap();
}

#[test]
fn a_packet_that_has_arrived_is_waited_for_until_it_is_put_together() {
    // Large, so that putting it together takes as long as a caller needs to look.
    let script = Script { padding: 1_900_000, ..Script::default() };
    let (address, served) = serve_tcp(script);
    let settings = Settings { host: Some(address), ..settings() };
    let mut encoder = Encoder::open(&settings, &video(64, 64), None).unwrap();
    let released = Released::default();
    for pts in 0..20 {
        encoder.send_frame(frame(&video(64, 64), pts, &released)).unwrap();
        let received = encoder.receive_packet(None).unwrap();
        assert!(matches!(received, Received::Packet(packet) if packet.pts == pts), "{pts}");
    }
    drop(encoder);
    served.join().unwrap();
}

#[test]
fn a_caller_that_never_receives_is_stopped() {
    let settings = Settings { inflight: 20, ..settings() };
    let (mut encoder, served) = open(Script::default(), &settings, &video(64, 64), 4096);
    let released = Released::default();
    let mut sent = 0;
    loop {
        // One at a time: what the encoder has taken without an answer is not in the window.
        while encoder.info().received < sent as u64 {
            thread::yield_now();
        }
        match encoder.send_frame(frame(&video(64, 64), sent, &released)).unwrap() {
            Sent::Taken => sent += 1,
            Sent::Full(_) => break,
        }
        assert!(sent < 1000, "every frame is taken and no packet fetched");
    }
    // Its packets fill the window. The last is counted just before it is there to be fetched.
    assert!((20..=21).contains(&sent), "{sent}");
    // Receiving makes room, and nothing is lost.
    let (packets, outcome) = encode(&mut encoder, sent..sent + 5, &released);
    assert!(outcome.is_ok(), "{}", outcome.unwrap_err());
    let pts: Vec<_> = packets.iter().map(|packet| packet.pts).collect();
    assert_eq!(pts, Vec::from_iter(0..sent + 5));
    drop(encoder);
    served.join().unwrap();
}

#[test]
fn no_frames_at_all_end_well() {
    let (mut encoder, served) = open(Script::default(), &settings(), &video(64, 64), 4096);
    let (packets, outcome) = encode(&mut encoder, 0..0, &Released::default());
    assert!(packets.is_empty() && outcome.is_ok());
    assert!(matches!(encoder.receive_packet(None).unwrap(), Received::End));
    encoder.flush().unwrap();
    drop(encoder);
    assert_eq!(served.join().unwrap().end, "done");
}

#[test]
fn misuse_is_refused_and_changes_nothing() {
    let (mut encoder, served) = open(Script::default(), &settings(), &video(64, 64), 4096);
    let released = Released::default();
    let usage = |outcome: Result<Sent, Error>| match outcome {
        Err(error) if error.kind() == ErrorKind::Usage => error.to_string(),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("taken"),
    };
    let small = frame(&video(64, 32), 0, &released);
    assert!(usage(encoder.send_frame(small)).starts_with("plane 0 of the frame with pts 0: "));
    let side_data = vec![(7, vec![0; 600_000]); 2];
    let heavy = Frame { side_data, ..frame(&video(64, 64), 0, &released) };
    assert!(usage(encoder.send_frame(heavy)).contains("1200000 bytes"));
    let without_pts = frame(&video(64, 64), i64::MIN, &released);
    assert_eq!(usage(encoder.send_frame(without_pts)), "a frame without a pts");
    encoder.send_frame(frame(&video(64, 64), 5, &released)).unwrap();
    let twice = frame(&video(64, 64), 5, &released);
    assert!(usage(encoder.send_frame(twice)).starts_with("pts 5 was there before"));
    let (packets, outcome) = encode(&mut encoder, [6].into_iter(), &released);
    assert!(outcome.is_ok() && packets.len() == 2);
    usage(encoder.send_frame(frame(&video(64, 64), 7, &released)));
    drop(encoder);
    served.join().unwrap();
}

#[test]
fn packets_have_four_byte_start_codes_and_keyframes_their_parameter_sets() {
    for (extradata, in_band) in [(avcc(), true), (avcc(), false), (Vec::new(), true)] {
        let script = Script { extradata: extradata.clone(), in_band, ..Script::default() };
        let (mut encoder, served) = open(script, &settings(), &video(64, 64), 4096);
        let released = Released::default();
        for pts in 0..3 {
            let keyframe = pts == 2;
            let next = Frame { keyframe, ..frame(&video(64, 64), pts, &released) };
            encoder.send_frame(next).unwrap();
        }
        let (packets, _) = encode(&mut encoder, 3..3, &released);
        let data: Vec<_> = packets.iter().map(|packet| packet.data().to_vec()).collect();
        assert_eq!(data, [packet(0, true, true), packet(1, false, false), packet(2, true, true)]);
        assert_eq!(packets.iter().map(|p| p.keyframe).collect::<Vec<_>>(), [true, false, true]);
        drop(encoder);
        served.join().unwrap();
    }
}

#[test]
fn with_a_global_header_the_extradata_is_annex_b_and_packets_stay_as_they_are() {
    let mut settings = settings();
    settings.set("flags", "4194304").unwrap();
    let script = Script { in_band: false, ..Script::default() };
    let (mut encoder, served) = open(script, &settings, &video(64, 64), 4096);
    let sets: Vec<u8> =
        [server::SPS, server::PPS].iter().flat_map(|nal| [&[0, 0, 0, 1], *nal].concat()).collect();
    assert_eq!(encoder.extradata(), sets);
    let (packets, _) = encode(&mut encoder, 0..1, &Released::default());
    assert_eq!(packets[0].data(), packet(0, true, false));
    drop(encoder);
    assert!(served.join().unwrap().options.flags.0 != 0);
}

#[test]
fn what_came_before_a_failure_is_handed_over_first() {
    for (fate, kind) in [
        (Fate::Vanish, ErrorKind::Network),
        (Fate::Fail, ErrorKind::Remote),
        (Fate::Garbage, ErrorKind::Protocol),
        (Fate::Broken, ErrorKind::Protocol),
        (Fate::Drop, ErrorKind::Remote),
    ] {
        let script = Script { fate: Some((5, fate)), ..Script::default() };
        let (mut encoder, served) = open(script, &settings(), &video(64, 64), 1 << 20);
        let released = Released::default();
        let (packets, outcome) = encode(&mut encoder, 0..10, &released);
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().starts_with("memory:"), "{error}");
        let pts: Vec<_> = packets.iter().map(|packet| packet.pts).collect();
        assert_eq!(pts[..5], [0, 1, 2, 3, 4], "{error}");
        // It stays failed, and never says that it has ended well.
        let again = encoder.receive_packet(None);
        assert_eq!(again.err().unwrap().to_string(), error.to_string());
        assert!(encoder.flush().is_err());
        assert!(encoder.send_frame(frame(&video(64, 64), 99, &released)).is_err());
        drop(encoder);
        served.join().unwrap();
    }
}

#[test]
fn a_caller_that_only_sends_receives_what_came_before_it_hears_of_a_failure() {
    let script = Script { fate: Some((5, Fate::Fail)), ..Script::default() };
    let settings = Settings { inflight: 128, ..settings() };
    let (mut encoder, served) = open(script, &settings, &video(64, 64), 1 << 20);
    let released = Released::default();
    // The window is never full: a frame is refused only once the failure has arrived.
    let refused = (0..120).find(|&pts| {
        thread::sleep(Duration::from_millis(5));
        let sent = encoder.send_frame(frame(&video(64, 64), pts, &released));
        matches!(sent.expect("packets wait to be received"), Sent::Full(_))
    });
    assert!(refused.is_some(), "the failure did not arrive");
    encoder.flush().expect("packets wait to be received");
    for expected in 0..5 {
        let received = encoder.receive_packet(None).unwrap();
        let Received::Packet(packet) = received else { panic!("packet {expected} is missing") };
        assert_eq!(packet.pts, expected);
    }
    assert_eq!(encoder.receive_packet(None).err().unwrap().kind(), ErrorKind::Remote);
    assert!(encoder.send_frame(frame(&video(64, 64), 200, &released)).is_err());
    drop(encoder);
    served.join().unwrap();
}

#[test]
fn a_server_that_falls_silent_is_given_up() {
    let settings = Settings { timeout: Duration::from_millis(100), ..settings() };
    let script = Script { fate: Some((1, Fate::Mute)), ..Script::default() };
    let (mut encoder, served) = open(script, &settings, &video(64, 64), 1 << 20);
    let (_, outcome) = encode(&mut encoder, 0..4, &Released::default());
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    drop(encoder);
    served.join().unwrap();
}

#[test]
fn a_caller_that_pauses_finds_its_session_alive_and_its_packets_waiting() {
    // Longer than the silence that this client, and this server's, would end over.
    let settings = Settings { timeout: Duration::from_millis(100), ..settings() };
    let (mut encoder, served) = open(Script::default(), &settings, &video(64, 64), 4096);
    let released = Released::default();
    for pts in 0..4 {
        encoder.send_frame(frame(&video(64, 64), pts, &released)).unwrap();
    }
    thread::sleep(Duration::from_millis(3500));
    let (packets, outcome) = encode(&mut encoder, 4..8, &released);
    assert!(outcome.is_ok(), "{}", outcome.unwrap_err());
    assert_eq!(packets.len(), 8);
    drop(encoder);
    assert!(served.join().unwrap().pings > 0);
}

#[test]
fn one_info_line_says_what_the_session_is_and_warnings_are_passed_on() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = lines.clone();
    let (client, link, ..) = memory_pair(4096);
    let served = serve(link, Script { warning: Some("no B-frames"), ..Script::default() });
    let log = move |level: Level, line: &str| sink.lock().unwrap().push((level, line.to_owned()));
    let encoder =
        Encoder::open_over(client, &settings(), &video(64, 32), Some(Arc::new(log))).unwrap();
    drop(encoder);
    served.join().unwrap();
    let info = "memory:second: test 1, h264 64x32 nv12, wire compression auto in slices, 16 frames \
                in flight";
    let expected =
        [(Level::Warn, "server: no B-frames".to_owned()), (Level::Info, info.to_owned())];
    assert_eq!(*lines.lock().unwrap(), expected);
}

#[test]
fn what_a_server_says_neither_breaks_a_line_nor_steers_a_terminal() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = lines.clone();
    let (client, link, ..) = memory_pair(4096);
    let script = Script {
        name: "a\u{1b}[2J",
        version: "1\n2",
        capabilities: &["h264", "pixfmt.nv12", "x.\u{7}"],
        warning: Some("gop: \r\nnone"),
        ..Script::default()
    };
    let served = serve(link, script);
    let log = move |_: Level, line: &str| sink.lock().unwrap().push(line.to_owned());
    let encoder =
        Encoder::open_over(client, &settings(), &video(64, 32), Some(Arc::new(log))).unwrap();
    let info = encoder.info();
    assert_eq!((info.server_name.as_str(), info.server_version.as_str()), ("a [2J", "1 2"));
    assert_eq!(info.capabilities, ["h264", "pixfmt.nv12", "x. "]);
    drop(encoder);
    served.join().unwrap();
    let lines = lines.lock().unwrap();
    assert_eq!(lines[0], "server: gop:   none");
    assert!(lines[1].starts_with("memory:second: a [2J 1 2, h264 "), "{}", lines[1]);
}

#[test]
fn over_sockets_everything_is_the_same_and_loopback_is_not_compressed() {
    let (address, served) = serve_tcp(Script { token: "secret", ..Script::default() });
    let mut settings = settings();
    settings.host = Some(address.clone());
    settings.token = Some("secret".into());
    // Larger than what a socket's buffers take at once.
    let video = video(1920, 1080);
    let mut encoder = Encoder::open(&settings, &video, None).unwrap();
    let released = Released::default();
    let (packets, outcome) = encode(&mut encoder, 0..20, &released);
    assert!(outcome.is_ok(), "{}", outcome.unwrap_err());
    assert_eq!(packets.len(), 20);
    let info = encoder.info();
    assert_eq!((info.server, info.compression.to_string()), (address, "none".to_owned()));
    assert_eq!(info.raw_bytes, 20 * video.raw_len());
    assert!(info.bytes_sent > info.raw_bytes);
    drop(encoder);
    let served = served.join().unwrap();
    assert_eq!(served.client, format!("vtremote {}", env!("CARGO_PKG_VERSION")));
    for (index, frame) in served.frames.iter().enumerate() {
        assert!(frame.planes.concat().iter().all(|&byte| byte == index as u8));
    }
}

#[test]
fn a_server_that_does_not_read_does_not_keep_the_client_from_closing() {
    let script = Script { fate: Some((0, Fate::Freeze)), ..Script::default() };
    let (address, served) = serve_tcp(script);
    let settings = Settings { host: Some(address), ..settings() };
    let video = video(1920, 1080);
    let mut encoder = Encoder::open(&settings, &video, None).unwrap();
    let released = Released::default();
    for pts in 0..16 {
        encoder.send_frame(frame(&video, pts, &released)).unwrap();
    }
    encoder.close();
    assert_eq!(sorted(&released), Vec::from_iter(0..16));
    served.join().unwrap();
}

#[test]
fn sending_and_receiving_do_not_wait_for_each_other() {
    // The server does not read while it writes, and neither direction has room for a message.
    let script = Script { padding: 20_000, ..Script::default() };
    let (mut encoder, served) = open(script, &settings(), &video(64, 64), 1000);
    let released = Released::default();
    let (packets, outcome) = encode(&mut encoder, 0..200, &released);
    assert!(outcome.is_ok(), "{}", outcome.unwrap_err());
    assert_eq!(packets.len(), 200);
    drop(encoder);
    served.join().unwrap();
}
