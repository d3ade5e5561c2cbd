//! What a person sees when something is wrong: an exit code and the right line, in time.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::thread;
use std::time::Duration;
use vtremote_tests::{Daemon, Ffmpeg, RawVideo, Shape, Signal, program, run, scratch};

const LIMIT: Duration = Duration::from_secs(60);

fn video(name: &str, frames: usize) -> RawVideo {
    let shape = Shape { width: 64, height: 48, format: "nv12" };
    shape.video(frames, &scratch(&format!("faults-{name}")).join("in.raw"))
}

fn encode(video: &RawVideo, host: &str, options: &str) -> Ffmpeg {
    let ffmpeg = Ffmpeg::new().input(video).encoder("h264", host);
    ffmpeg.args(options).args("-f null -")
}

/// Waits until a session has begun.
fn under_way(daemon: &Daemon) {
    daemon.says("session started");
}

#[test]
fn a_daemon_that_is_killed_ends_ffmpeg_with_an_error() {
    let video = video("killed", 2000);
    let daemon = Daemon::synthetic("cost=5ms", &[]);
    let ffmpeg = encode(&video, daemon.address(), "").start();
    under_way(&daemon);
    thread::sleep(Duration::from_millis(300));
    let address = daemon.address().to_owned();
    daemon.signal(Signal::KILL);
    let finished = ffmpeg.finish(LIMIT);
    finished.failed_with(&address);
    finished.failed_with("connection");
}

#[test]
fn a_daemon_that_stops_answering_ends_ffmpeg_with_an_error() {
    let video = video("stopped", 2000);
    let daemon = Daemon::synthetic("cost=5ms", &[]);
    let ffmpeg = encode(&video, daemon.address(), "-vt_remote_timeout_ms 1000").start();
    under_way(&daemon);
    thread::sleep(Duration::from_millis(300));
    daemon.signal(Signal::STOP);
    ffmpeg.finish(LIMIT).failed_with(daemon.address());
    daemon.signal(Signal::CONT);
}

#[test]
fn a_wrong_token_is_named() {
    let video = video("token", 3);
    let daemon = Daemon::synthetic("", &["--token", "right"]);
    encode(&video, daemon.address(), "-vt_remote_token wrong").run().failed_with("token");
    encode(&video, daemon.address(), "").run().failed_with("vt_remote_token");
    encode(&video, daemon.address(), "-vt_remote_token right").run().ok();
}

#[test]
fn a_full_server_is_named() {
    let video = video("full", 2000);
    let daemon = Daemon::synthetic("cost=20ms", &["--max-sessions", "1"]);
    let first = encode(&video, daemon.address(), "").start();
    under_way(&daemon);
    encode(&video, daemon.address(), "").run().failed_with("1 of 1 sessions");
    drop(first);
    daemon.session(0);
    let short = Shape { width: 64, height: 48, format: "nv12" };
    let short = short.video(3, &scratch("faults-full-after").join("in.raw"));
    encode(&short, daemon.address(), "").run().ok();
}

#[test]
fn a_wrong_port_is_named() {
    let video = video("port", 3);
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("its number").to_string();
    drop(free);
    let finished = encode(&video, &address, "").run();
    finished.failed_with(&address);
    finished.failed_with("refused");
    finished.failed_with("vtremoted");
}

#[test]
fn a_name_that_does_not_exist_is_named() {
    let video = video("name", 3);
    encode(&video, "no-such-host.invalid", "").run().failed_with("no-such-host.invalid");
}

/// A server that is something else: answers every connection with these bytes, or with nothing.
fn something_else(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its number").to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            thread::spawn(move || {
                let mut bytes = [0; 4096];
                let _ = stream.read(&mut bytes);
                let _ = stream.write_all(answer);
                while stream.read(&mut bytes).is_ok_and(|read| read > 0) {}
            });
        }
    });
    address
}

#[test]
fn a_port_that_is_something_else_is_named() {
    let video = video("else", 3);
    for answer in
        [&b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"[..], b"SSH-2.0-OpenSSH\r\n"]
    {
        let finished = encode(&video, &something_else(answer), "").run();
        finished.failed_with("not vtremoted");
    }
    let silent = something_else(b"");
    let finished = encode(&video, &silent, "-vt_remote_timeout_ms 500").run();
    finished.failed_with(&silent);
}

#[test]
fn a_frame_that_the_encoder_loses_is_an_error() {
    let video = video("lost", 100);
    for script in ["drop=20", "double=20", "fail=20"] {
        let daemon = Daemon::synthetic(script, &[]);
        let finished = encode(&video, daemon.address(), "").run();
        finished.failed_with(daemon.address());
    }
}

#[test]
fn no_host_at_all_says_what_to_set() {
    let video = video("none", 3);
    let ffmpeg = Ffmpeg::new().input(&video).args("-c:v h264_videotoolbox_remote -f null -");
    ffmpeg.run().failed_with("vt_remote_host");
}

#[test]
fn a_compression_that_does_not_exist_is_refused() {
    let video = video("compression", 3);
    let daemon = Daemon::synthetic("", &[]);
    encode(&video, daemon.address(), "-vt_remote_wire_compression brotli")
        .run()
        .failed_with("brotli");
}

#[test]
fn an_interrupted_ffmpeg_frees_its_slot() {
    let video = video("vanish", 2000);
    let daemon = Daemon::synthetic("cost=20ms", &["--max-sessions", "1"]);
    let ffmpeg = encode(&video, daemon.address(), "").start();
    under_way(&daemon);
    ffmpeg.signal(Signal::KILL);
    assert_ne!(daemon.session(0).end(), "done");
    let shape = Shape { width: 64, height: 48, format: "nv12" };
    let short = shape.video(3, &scratch("faults-vanish-after").join("in.raw"));
    encode(&short, daemon.address(), "").run().ok();
}

#[test]
fn a_terminated_daemon_lets_its_sessions_finish() {
    let video = video("drain", 150);
    let daemon = Daemon::synthetic("cost=10ms", &[]);
    let ffmpeg = encode(&video, daemon.address(), "").start();
    under_way(&daemon);
    daemon.signal(Signal::TERM);
    ffmpeg.finish(LIMIT).ok();
    assert_eq!(daemon.session(0).end(), "done");
    daemon.finish().ok();
}

#[test]
fn one_info_line_says_server_backend_codec_and_compression() {
    let video = video("info", 3);
    let daemon = Daemon::libavcodec(&[]);
    for compression in ["none", "zstd", "vtz", "vtz-fast"] {
        let options = format!("-vt_remote_wire_compression {compression}");
        let finished = encode(&video, daemon.address(), &options).run();
        let lines: Vec<_> =
            finished.stderr.lines().filter(|line| line.contains(daemon.address())).collect();
        assert_eq!(lines.len(), 1, "{}", finished.stderr);
        for word in ["h264_videotoolbox_remote", "vtremoted (libavcodec)", "h264", compression] {
            assert!(lines[0].contains(word), "no {word} in: {}", lines[0]);
        }
        finished.ok();
    }
}

fn probe(arguments: &[&str]) -> vtremote_tests::Finished {
    run(Command::new(program("release/vtremote")).arg("probe").args(arguments))
}

#[test]
fn probe_says_what_a_server_can_do() {
    let daemon = Daemon::libavcodec(&[]);
    let text = String::from_utf8(probe(&[daemon.address()]).ok()).expect("text");
    for word in ["h264", "hevc", "30"] {
        assert!(text.contains(word), "no {word} in:\n{text}");
    }
}

#[test]
fn probe_names_a_remedy_for_every_failure() {
    let daemon = Daemon::synthetic("", &["--token", "right"]);
    probe(&[daemon.address()]).failed_with("VTREMOTE_TOKEN");
    probe(&["127.0.0.1:1"]).failed_with("vtremoted");
    probe(&["no-such-host.invalid"]).failed_with("no-such-host.invalid");
    probe(&[&something_else(b"HTTP/1.1 400 Bad Request\r\n\r\n")]).failed_with("not vtremoted");
}
