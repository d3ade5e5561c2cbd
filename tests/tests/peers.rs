//! Our ends against peers of every generation that somebody else wrote from docs/protocol.md.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use vtremote_tests::{Daemon, Ffmpeg, Peers, RawVideo, Shape, packets, program, run, scratch};

const GENERATIONS: [&str; 3] = ["early", "current", "ours"];
const FRAMES: usize = 20;

/// Checks all of them at a time: most of what peers do is to wait.
fn each<T: Send>(items: impl IntoIterator<Item = T>, check: impl Fn(T) + Sync) {
    thread::scope(|scope| {
        for item in items {
            let check = &check;
            scope.spawn(move || check(item));
        }
    });
}

// ── our client, their server ──

/// The sha256 of each picture that ffmpeg makes of an input.
#[track_caller]
fn hashes(input: Ffmpeg, pixels: &str) -> Vec<String> {
    let output = format!("-map 0:v -fps_mode passthrough -pix_fmt {pixels}");
    let text = input.args(&output).args("-f framehash -hash sha256 -").run().ok();
    let text = String::from_utf8(text).expect("framehash writes text");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit([',', ' ']).next().expect("a hash").to_owned()).collect()
}

/// The sha256 of what their encoder saw, one for each packet of a file.
fn seen(file: &Path) -> Vec<String> {
    let bytes = fs::read(file).expect("ffmpeg wrote a file");
    let mark = b"planes-sha256:";
    let found = bytes.windows(mark.len()).enumerate().filter(|(_, window)| window == mark);
    let hash = |at: usize| String::from_utf8_lossy(&bytes[at..at + 64]).into_owned();
    found.map(|(at, _)| hash(at + mark.len())).collect()
}

fn encode(video: &RawVideo, codec: &str, server: &str, options: &str) -> Ffmpeg {
    Ffmpeg::new().input(video).encoder(codec, server).args(options)
}

/// Encodes to MP4: every frame is there once, as it was, with times that MP4 takes.
#[track_caller]
fn every_frame_arrives(video: &RawVideo, codec: &str, server: &str, options: &str, dir: &Path) {
    let file = dir.join("out.mp4");
    encode(video, codec, server, options).arg(&file).run().ok();
    // Planar pictures are interleaved on their way.
    let pixels = video.shape.format.replace("yuv420p", "nv12");
    let mut sent = hashes(Ffmpeg::new().input(video), &pixels);
    let mut arrived = seen(&file);
    sent.sort();
    arrived.sort();
    assert_eq!(arrived, sent, "{codec} {options}");
    let stored = packets(&file);
    assert_eq!(stored.len(), video.frames, "{codec} {options}");
    let mut times: Vec<_> = stored.iter().map(|packet| packet.pts.expect("a pts")).collect();
    times.sort();
    let duration = stored[0].duration.expect("a duration");
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] == duration), "{times:?}, {duration}");
    assert!(stored.iter().all(|packet| packet.dts <= packet.pts), "{stored:?}");
    assert!(stored.iter().all(|packet| packet.duration == Some(duration)), "{stored:?}");
    assert!(stored.windows(2).all(|pair| pair[0].dts < pair[1].dts), "{stored:?}");
}

#[test]
fn encoders_at_every_generation() {
    let Some(peers) = Peers::find("encoders_at_every_generation") else { return };
    each(GENERATIONS, |generation| {
        let dir = scratch(&format!("peers-encode-{generation}"));
        let options = format!("--generation {generation} --client-is-ours --reorder 2");
        let server = peers.serve(9, &options);
        for (codec, format) in [("h264", "nv12"), ("hevc", "yuv420p"), ("hevc", "p010le")] {
            // An odd size has a last chroma sample of its own.
            let shape = Shape { width: 67, height: 35, format };
            let video = shape.video(FRAMES, &dir.join("in.raw"));
            for compression in ["none", "lz4", "zstd"] {
                let options = format!("-vt_remote_wire_compression {compression}");
                every_frame_arrives(&video, codec, server.address(), &options, &dir);
            }
        }
        for report in server.satisfied() {
            assert_eq!(report["frames"], FRAMES, "{report}");
        }
    });
}

#[test]
fn encoders_live_with_the_habits_of_servers() {
    let Some(peers) = Peers::find("encoders_live_with_the_habits_of_servers") else { return };
    let dir = scratch("peers-habits");
    let shape = Shape { width: 64, height: 48, format: "nv12" };
    let video = shape.video(40, &dir.join("in.raw"));
    let habits = [
        // More is held back than the window has room for.
        ("--generation current --reorder 7", "-vt_remote_inflight 8"),
        ("--generation current --reorder 12", "-vt_remote_inflight 4"),
        ("--generation early --reorder 3 --repeat-dts 2", "-vt_remote_inflight 1"),
        ("--generation ours --reorder 30 --expect-window 1 --ack-every 1", "-vt_remote_inflight 1"),
        ("--generation ours --ack-every 3 --codec-delay 5", "-vt_remote_inflight 8"),
        // It takes its time.
        ("--generation current --stall-at 9 --stall 1500", "-vt_remote_timeout_ms 1000"),
        (
            "--generation early --configure-delay 1000 --drain-delay 3500",
            "-vt_remote_timeout_ms 500",
        ),
        ("--generation current --no-pong --codec-delay 10", ""),
        ("--generation ours --chunk 7 --reorder 1", ""),
    ];
    each(habits.into_iter().enumerate(), |(number, (habits, options))| {
        let dir = scratch(&format!("peers-habits-{number}"));
        let server = peers.serve(1, &format!("{habits} --client-is-ours"));
        every_frame_arrives(&video, "h264", server.address(), options, &dir);
        server.satisfied();
    });
}

#[test]
fn a_stream_can_be_decoded_wherever_a_server_puts_its_parameter_sets() {
    let test = "a_stream_can_be_decoded_wherever_a_server_puts_its_parameter_sets";
    let Some(peers) = Peers::find(test) else { return };
    let dir = scratch("peers-parameter-sets");
    let shape = Shape { width: 64, height: 48, format: "nv12" };
    let video = shape.video(FRAMES, &dir.join("in.raw"));
    let sent = hashes(Ffmpeg::new().input(&video), "nv12");
    for codec in ["h264", "hevc"] {
        for habits in ["--no-extradata", "--no-inband-sets", "--no-inband-sets --short-start-codes"]
        {
            let habits = format!("--generation current --client-is-ours {habits}");
            let server = peers.serve(1, &habits);
            let file = dir.join(format!("out.{codec}"));
            encode(&video, codec, server.address(), "-g 6").arg(&file).run().ok();
            server.satisfied();
            assert_eq!(seen(&file), sent, "{codec} {habits}");
            let decoded = hashes(Ffmpeg::new().args("-xerror -i").arg(&file), "nv12");
            assert_eq!(decoded.len(), FRAMES, "{codec} {habits}");
        }
    }
}

#[test]
fn encoders_fail_where_a_server_does() {
    let Some(peers) = Peers::find("encoders_fail_where_a_server_does") else { return };
    let shape = Shape { width: 64, height: 48, format: "nv12" };
    let video = shape.video(40, &scratch("peers-encode-failures").join("in.raw"));
    let faults = [
        ("--generation early --drop 5", "frame"),
        ("--generation current --drop 5", "frame"),
        ("--generation ours --drop 40", "frame"),
        ("--generation early --bare-close-at 5", "closed"),
        ("--generation current --bare-close-at 30", "closed"),
        ("--generation ours --bare-close-at 40", "closed"),
        ("--generation current --error-at 7", "the codec failed, on purpose"),
        ("--generation ours --refuse because", "because"),
        ("--generation current --hello-status 1", "sessions"),
        ("--generation early --hello-status 2", "token"),
    ];
    each(faults, |(fault, says)| {
        let server = peers.serve(1, &format!("{fault} --client-is-ours"));
        let finished = encode(&video, "h264", server.address(), "-f null -").run();
        finished.failed_with(server.address());
        finished.failed_with(says);
        server.satisfied();
    });
}

/// A stream of their encoder, with frames that come in another order than they are shown in.
#[track_caller]
fn stream(peers: &Peers, codec: &str, format: &'static str, reorder: usize, dir: &Path) -> PathBuf {
    let shape = Shape { width: 66, height: 34, format };
    let video = shape.video(FRAMES, &dir.join("in.raw"));
    let file = dir.join(format!("{format}-{reorder}.{codec}"));
    let server = peers.serve(1, &format!("--reorder {reorder}"));
    encode(&video, codec, server.address(), "-g 8").arg(&file).run().ok();
    server.satisfied();
    file
}

/// What their client gets of the stream from their server: the sha256 of each picture, as they are shown.
#[track_caller]
fn pictures(peers: &Peers, codec: &str, format: &str, file: &Path) -> Vec<String> {
    let server = peers.serve(1, "");
    let stream = format!("--codec {codec} --format {format} --file {}", file.display());
    let options = format!("{stream} --width 66 --height 34 --pts true --expect-mock");
    let told = peers.client("decode", server.address(), &options);
    server.satisfied();
    let hashes = told["frame_sha256"].as_array().expect("hashes");
    hashes.iter().map(|hash| hash.as_str().expect("a hash").to_owned()).collect()
}

#[test]
fn decoders_at_every_generation() {
    let Some(peers) = Peers::find("decoders_at_every_generation") else { return };
    let streams = [("h264", "nv12", "nv12"), ("hevc", "nv12", "nv12"), ("hevc", "p010le", "p010")];
    each(streams, |(codec, pixels, format)| {
        let dir = scratch(&format!("peers-decode-{codec}-{format}"));
        let file = stream(&peers, codec, pixels, 0, &dir);
        let expected = pictures(&peers, codec, format, &file);
        assert_eq!(expected.len(), FRAMES);
        for generation in GENERATIONS {
            let server =
                peers.serve(3, &format!("--generation {generation} --client-is-ours --reorder 1"));
            for compression in ["none", "lz4", "zstd"] {
                let decoder = Ffmpeg::new().decoder(codec, server.address());
                let decoder = decoder.args(&format!("-vt_remote_wire_compression {compression}"));
                let shown = hashes(decoder.arg("-i").arg(&file), pixels);
                assert_eq!(shown, expected, "{codec} {pixels} {generation} {compression}");
            }
            server.satisfied();
        }
    });
}

#[test]
fn decoders_fail_where_a_server_does() {
    let Some(peers) = Peers::find("decoders_fail_where_a_server_does") else { return };
    let dir = scratch("peers-decode-failures");
    let file = stream(&peers, "h264", "nv12", 0, &dir);
    let faults = [
        ("--generation early --bare-close-at 5", "closed"),
        ("--generation current --bare-close-at 20", "closed"),
        ("--generation ours --bare-close-at 12", "closed"),
        ("--generation current --error-at 7", "the codec failed, on purpose"),
        ("--generation ours --refuse because", "because"),
    ];
    each(faults, |(fault, says)| {
        let server = peers.serve(1, &format!("{fault} --client-is-ours"));
        let decoder = Ffmpeg::new().args("-xerror").decoder("h264", server.address());
        let finished = decoder.arg("-i").arg(&file).args("-f null -").run();
        finished.failed_with(server.address());
        finished.failed_with(says);
        server.satisfied();
    });
}

#[test]
fn probe_finds_every_generation_good() {
    let Some(peers) = Peers::find("probe_finds_every_generation_good") else { return };
    for generation in GENERATIONS {
        let server = peers.serve(2, &format!("--generation {generation} --client-is-ours"));
        let mut probe = Command::new(program("release/vtremote"));
        let text = run(probe.args(["probe", server.address()])).ok();
        let text = String::from_utf8(text).expect("text");
        assert!(text.contains("probe: OK"), "{text}");
        server.satisfied();
    }
}

// ── their client, our server ──

/// A daemon that has one slot: a session whose slot is not free in time makes the next one fail.
fn daemons() -> [Daemon; 2] {
    let arguments = ["--max-sessions", "1"];
    [Daemon::synthetic("", &arguments), Daemon::libavcodec(&arguments)]
}

#[test]
fn the_daemon_encodes_for_every_generation() {
    let Some(peers) = Peers::find("the_daemon_encodes_for_every_generation") else { return };
    each(daemons(), |daemon| {
        for generation in GENERATIONS {
            for (number, habits) in [
                "--codec h264",
                "--codec hevc --compression 1 --global-header",
                "--codec hevc --format p010 --compression 2 --option max_b_frames=2",
                "--codec h264 --compression 2 --option max_b_frames=3 --key-every 7 --half-close",
                "--codec h264 --split-header --no-nodelay --window 8 --zero-side-data",
            ]
            .into_iter()
            .enumerate()
            {
                let options = format!("--generation {generation} --expect ours {habits}");
                let told = peers.client("encode", daemon.address(), &options);
                assert_eq!(told["packets"], 30, "{number} {told}");
                assert_eq!(told["dropped"], 0, "{number} {told}");
            }
        }
    });
}

#[test]
fn small_windows_lose_nothing_to_an_encoder_that_holds_frames_back() {
    let test = "small_windows_lose_nothing_to_an_encoder_that_holds_frames_back";
    let Some(peers) = Peers::find(test) else { return };
    let daemon = Daemon::libavcodec(&[]);
    for (habits, windows) in
        [("--generation early", [8, 9, 12, 15]), ("--generation current", [8; 4])]
    {
        for (window, codec) in windows.into_iter().zip(["h264", "hevc", "h264", "hevc"]) {
            let options =
                format!("{habits} --codec {codec} --window {window} --timeout 2 --frames 40");
            let options = format!("{options} --option max_b_frames=3");
            let told = peers.client("encode", daemon.address(), &options);
            assert_eq!(told["packets"], 40, "{options}: {told}");
            assert_eq!(told["dropped"], 0, "{options}: {told}");
            assert_eq!(told["empty"], told["repeats"], "{options}: {told}");
        }
    }
    // One frame at a time, each of them repeated.
    let options = "--generation early --window 1 --frames 10 --option flags=524288";
    let told = peers.client("encode", daemon.address(), options);
    assert_eq!((&told["packets"], &told["repeats"]), (&10.into(), &10.into()), "{told}");
}

#[test]
fn the_daemon_decodes_for_every_generation() {
    let Some(peers) = Peers::find("the_daemon_decodes_for_every_generation") else { return };
    let streams = [("h264", "nv12", "nv12"), ("hevc", "nv12", "nv12"), ("hevc", "p010le", "p010")];
    each(streams, |(codec, pixels, format)| {
        let dir = scratch(&format!("peers-decode-here-{codec}-{format}"));
        let file = stream(&peers, codec, pixels, 2, &dir);
        let daemon = Daemon::libavcodec(&["--max-sessions", "1"]);
        for generation in GENERATIONS {
            let stream = format!("--codec {codec} --format {format} --file {}", file.display());
            let options =
                format!("{stream} --width 66 --height 34 --generation {generation} --expect ours");
            let habits: &[&str] = match generation {
                "early" => &["", "--compression 2"],
                "current" => &["", "--compression 1 --extradata annexb"],
                _ => &["", "--compression 2 --extradata none"],
            };
            for habit in habits {
                let told = peers.client("decode", daemon.address(), &format!("{options} {habit}"));
                assert_eq!(told["frames"], FRAMES, "{options} {habit}: {told}");
            }
        }
    });
}

#[test]
fn clients_that_leave_free_their_slot() {
    let Some(peers) = Peers::find("clients_that_leave_free_their_slot") else { return };
    each(daemons(), |daemon| {
        let (mut sessions, mut complete) = (0, 0);
        for (mode, leaves, count) in [
            ("encode", "--leave-after hello", 1),
            ("encode", "--leave-after input", 1),
            ("encode", "--bare-close-at 5", 1),
            ("decode", "--bare-close-at 9", 1),
            ("encode", "--probe-first", 2),
            ("decode", "--generation early --codec hevc", 2),
        ] {
            peers.client(mode, daemon.address(), leaves);
            sessions += count;
            complete += count - 1;
            // One that is probed may be done before the end of its probe is told.
            let ends = (0..sessions).filter(|session| daemon.session(*session).end() == "done");
            assert_eq!(ends.count(), complete, "{mode} {leaves}");
        }
        peers.client("encode", daemon.address(), "--frames 2");
    });
}
