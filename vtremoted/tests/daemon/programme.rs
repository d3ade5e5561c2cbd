//! Flags, exit codes, signals and the log of the programme.

use crate::peer::{Message, Peer, assert_complete};
use crate::process::{Process, run, vtremoted};
use crate::video::{Form, SMALL};
use rustix::process::Signal;
use serde_json::Value;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use vtremote_proto::{FrameHead, PacketHead, frame_message};

/// A session of three frames, to its good end.
fn session(address: SocketAddr) {
    let mut peer = Peer::taken(address);
    peer.configured(SMALL, &[], &[]);
    assert_complete(&peer.encode(SMALL, 0..3, 3, false, Form::default()), SMALL, 0..3);
}

/// A session that is open and has one frame answered.
fn open_session(address: SocketAddr) -> Peer {
    let mut peer = Peer::taken(address);
    peer.configured(SMALL, &[], &[]);
    peer.send(&SMALL.message(0, Form::default()));
    assert!(matches!(peer.next(), Message::Packet(..)));
    peer
}

fn file(name: &str, content: &str, mode: u32) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = std::env::temp_dir().join(format!("vtremoted-{name}-{}", std::process::id()));
    std::fs::write(&path, content).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    path
}

#[test]
fn help_names_every_flag_the_environment_and_the_exit_codes() {
    let (code, help, _) = run(&["--help"]);
    assert_eq!(code, Some(0));
    for word in [
        "--listen",
        "--token",
        "--token-file",
        "--max-sessions",
        "--backend",
        "--encoder",
        "--encoder-threads",
        "--handshake-timeout",
        "--idle-timeout",
        "--drain-timeout",
        "--max-message-bytes",
        "--log-level",
        "--log-format",
        "--log-file",
        "service",
        "--once",
        "--self-test",
        "--version",
        "VTREMOTED_TOKEN",
        "SIGTERM",
        "EXIT CODES",
        "127.0.0.1:5555",
    ] {
        assert!(help.contains(word), "{word} is not in\n{help}");
    }
}

#[test]
fn version_tells_the_protocol_and_the_backends() {
    let (code, text, _) = run(&["--version"]);
    assert_eq!(code, Some(0));
    assert!(text.starts_with(&format!("vtremoted {}\n", env!("CARGO_PKG_VERSION"))), "{text}");
    assert!(text.contains("VTR1 version 1") && text.contains("synthetic"), "{text}");
    #[cfg(feature = "libavcodec")]
    assert!(text.contains("libavcodec ") && text.contains("FFmpeg"), "{text}");
}

/// The lines that need no codec; with one the self-test has tests of its own.
#[test]
fn the_self_test_says_what_this_machine_is_and_what_it_skips() {
    let (code, text, _) = run(&["--self-test", "--backend", "synthetic"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.starts_with(&format!("vtremoted {}\n", env!("CARGO_PKG_VERSION"))), "{text}");
    for line in ["\nsystem ", "\nhardware ", " processors\n", "\nsynthetic: no codec: skipped\n"] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert!(text.ends_with("\nself-test: SKIPPED\n"), "{text}");
}

#[cfg(feature = "libavcodec")]
#[test]
fn the_self_test_passes_with_every_encoder_of_libavcodec() {
    // An address that cannot be listened on: nothing is.
    let arguments = ["--self-test", "--backend", "libavcodec", "--listen", "192.0.2.1"];
    let (code, text, complaint) = run(&arguments);
    assert_eq!(code, Some(0), "{text}{complaint}");
    for case in ["h264 nv12", "hevc nv12", "hevc p010le"] {
        let line = text.lines().find(|line| line.trim_start().starts_with(&format!("{case}: ")));
        let line = line.unwrap_or_else(|| panic!("{case} is not in\n{text}"));
        assert!(line.contains("PSNR luma ") && line.ends_with("; ok"), "{line}");
    }
    assert!(text.ends_with("\nself-test: OK\n"), "{text}");
}

#[test]
fn wrong_arguments_are_refused_by_name_with_exit_code_2() {
    for (arguments, word) in [
        (&["--colour"][..], "--colour"),
        (&["stray"], "stray"),
        (&["--listen", "127.0.0.1:99999"], "--listen"),
        (&["--max-sessions", "0"], "--max-sessions"),
        (&["--idle-timeout", "soon"], "300ms"),
        (&["--log-level", "loud"], "--log-level"),
        (&["--token", ""], "--token"),
        (&["--token-file", "/nowhere/at/all"], "/nowhere/at/all"),
        (&["--backend", "magic"], "magic"),
        (&["--backend", "synthetic:dealy=3"], "dealy"),
        (&["--backend", "synthetic", "--encoder", "hevc=hevc_nvenc"], "--encoder"),
    ] {
        let (code, _, error) = run(arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {error}");
        assert!(error.contains(word), "{arguments:?}: {error}");
    }
}

#[test]
fn an_empty_token_in_the_environment_is_an_error() {
    let output = vtremoted(&[]).env("VTREMOTED_TOKEN", "").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("VTREMOTED_TOKEN"));
}

#[test]
fn what_cannot_start_says_so_in_one_line_with_exit_code_1() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (arguments, word) in [
        (&["--backend", "videotoolbox"][..], "videotoolbox"),
        (&["--backend", "synthetic", "--listen", &address], &address),
        (&["--backend", "synthetic", "--listen", "192.0.2.1"], "192.0.2.1"),
    ] {
        let (code, _, error) = run(arguments);
        assert_eq!(code, Some(1), "{arguments:?}: {error}");
        assert!(error.contains(word), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn the_first_lines_say_who_may_use_what_and_how() {
    let (mut process, address) = Process::start(&[]);
    let example = process.line("ffmpeg");
    assert!(example.contains(&format!("-vt_remote_host {address}")), "{example}");
    let log = process.log.join("\n");
    assert!(log.contains(&format!("listening on {address}")), "{log}");
    assert!(log.contains("h264") && log.contains("hevc") && log.contains("synthetic"), "{log}");
    assert!(log.contains("no token"), "{log}");
    assert!(!log.contains("anyone on the network"), "it is on loopback only: {log}");
}

#[test]
fn beyond_loopback_without_a_token_there_is_a_warning() {
    let arguments = ["--backend", "synthetic", "--listen", "127.0.0.1:0", "--listen", "0.0.0.0:0"];
    let (process, _) = Process::listening(vtremoted(&arguments));
    assert!(process.log.join("\n").contains("anyone on the network"), "{:#?}", process.log);
}

#[test]
fn a_token_never_shows_in_the_log_and_its_source_does() {
    for (mode, warned) in [(0o600, false), (0o644, true)] {
        let path = file(&format!("token-{mode:o}"), "verysecret\n", mode);
        let name = path.to_str().unwrap();
        let (mut process, address) =
            Process::start(&["--token-file", name, "--log-level", "trace"]);
        let mut peer = Peer::connect(address);
        assert_eq!(peer.hello("verysecret"), vtremote_proto::HelloStatus::Ok);
        drop(peer);
        process.line("session ended");
        let log = process.log.join("\n");
        assert!(log.contains(name) && !log.contains("verysecret"), "{log}");
        assert_eq!(log.contains("can read"), warned, "{log}");
        std::fs::remove_file(path).unwrap();
    }
}

#[test]
fn a_session_s_end_is_one_line_of_text() {
    let (mut process, address) = Process::start(&[]);
    session(address);
    let line = process.line("session ended");
    for field in ["client=", "codec=", "mode=", "width=64", "height=36", "frames=3", "packets=3"] {
        assert!(line.contains(field), "{field} is not in {line}");
    }
}

#[test]
fn log_lines_in_json_parse_and_have_the_fields() {
    let (mut process, address) =
        Process::start(&["--log-format", "json", "--backend", "synthetic:panic=3"]);
    session(address);
    process.line("session ended");
    let mut peer = Peer::taken(address);
    peer.configured(SMALL, &[("wire_compression", "1")], &[]);
    let form = Form { compression: vtremote_planes::Compression::Lz4, ..Form::default() };
    (0..5).for_each(|number| peer.send(&SMALL.message(number, form)));
    peer.error();
    drop(peer);
    process.line("session ended");
    process.signal(Signal::TERM);
    let lines: Vec<Value> =
        process.rest().iter().map(|line| serde_json::from_str(line).expect(line)).collect();
    let named = |message: &'static str| lines.iter().filter(move |line| line["message"] == message);
    let listening = named("listening").next().unwrap();
    assert_eq!(listening["address"], address.to_string());
    let ended: Vec<_> = named("session ended").collect();
    let good = ended[0];
    assert_eq!((&good["level"], &good["end"]), (&"INFO".into(), &"done".into()));
    assert_eq!((&good["codec"], &good["mode"]), (&"h264".into(), &"encode".into()));
    assert!(good["client"].as_str().unwrap().contains("(test 1)"), "{good}");
    for (field, value) in
        [("width", 64), ("height", 36), ("frames", 3), ("packets", 3), ("raw_bytes", 3 * 64 * 54)]
    {
        assert_eq!(good[field], value, "{field} in {good}");
    }
    for field in ["bytes_in", "bytes_out", "fps", "ratio", "p50_ms", "p99_ms"] {
        assert!(good[field].as_f64().unwrap() > 0.0, "{field} in {good}");
    }
    let bad = ended[1];
    assert_eq!(bad["level"], "ERROR");
    assert!(bad["end"].as_str().unwrap().contains("error 5"), "{bad}");
    assert!(bad["ratio"].as_f64().unwrap() > 1.5, "the frames are compressed: {bad}");
    assert!(lines.iter().any(|line| line["message"].as_str().unwrap().contains("panic")));
}

#[test]
fn what_a_decoder_complains_of_is_counted_in_its_session_s_line() {
    let (mut process, address) = Process::start(&["--log-format", "json"]);
    let mut peer = Peer::taken(address);
    peer.configured(SMALL, &[("mode", "decode"), ("decode_async", "1")], &[]);
    let head = PacketHead { pts: 0, dts: 0, duration: 1, flags: 0, len: 5 };
    (0..3).for_each(|pts| peer.packet(&PacketHead { pts, dts: pts, ..head }, &[0, 0, 1, 0x67, 9]));
    peer.flush();
    assert_eq!(peer.next(), Message::Done);
    drop(peer);
    let line: Value = serde_json::from_str(&process.line("session ended")).unwrap();
    assert_eq!((&line["warnings"], &line["frames"]), (&3.into(), &0.into()), "{line}");
}

#[test]
fn side_data_that_is_not_carried_is_a_debug_line_once_a_kind() {
    let (mut process, address) = Process::start(&["--log-level", "debug"]);
    let mut peer = Peer::taken(address);
    peer.configured(SMALL, &[("mode", "decode"), ("decode_async", "1")], &[]);
    // Kinds of packets and of frames are different numbers.
    let records: [(u32, &[u8]); 3] = [(1, &[]), (17, b"x"), (99, b"y")];
    for pts in 0..3 {
        let head = PacketHead { pts, dts: pts, duration: 1, flags: 0, len: 5 };
        let (before, after) = vtremote_proto::packet_message(&head, &records).unwrap();
        peer.send(&[&before[..], &[0, 0, 1, 0x67, 9], &after].concat());
    }
    peer.flush();
    assert_eq!(peer.next(), Message::Done);
    drop(peer);
    process.line("session ended");

    let mut peer = Peer::taken(address);
    peer.configured(SMALL, &[], &[]);
    for pts in 0..3 {
        let head = FrameHead { pts, duration: 1, flags: 0, planes: 2 };
        let planes = [(64, 36, 64 * 36), (64, 18, 64 * 18)];
        let parts = frame_message(&head, &planes, &[(1, &[1, 2, 3]), (99, b"y")]).unwrap();
        let bodies = [vec![7; 64 * 36], vec![7; 64 * 18]];
        let mut bytes: Vec<u8> =
            parts.heads.into_iter().zip(bodies).flat_map(|(a, b)| [a, b]).flatten().collect();
        bytes.extend(parts.tail);
        peer.send(&bytes);
    }
    drop(peer);
    process.line("session ended");
    process.signal(Signal::TERM);
    let lines: Vec<_> =
        process.rest().iter().filter(|line| line.contains("is left out")).cloned().collect();
    let kinds = |text: &str| {
        let of_text = lines.iter().filter(|line| line.contains(text));
        of_text.filter_map(|line| line.split("kind=").nth(1)?.split(' ').next()).collect::<Vec<_>>()
    };
    assert_eq!(kinds("side data of packets"), ["17", "99"], "{lines:#?}");
    assert_eq!(kinds("there is no form for it"), ["99"], "{lines:#?}");
    assert_eq!(lines.len(), 3, "{lines:#?}");
}

#[test]
fn a_log_file_has_what_standard_error_would_have_and_a_start_that_failed() {
    let path = file("log", "older\n", 0o644);
    let name = path.to_str().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = port.local_addr().unwrap().to_string();
    for arguments in [
        // The address is in use.
        ["--log-file", name, "--backend", "synthetic", "--listen", &taken],
        // No address.
        ["--log-file", name, "--backend", "synthetic", "--listen", "http://x"],
    ] {
        let (code, _, complaint) = run(&arguments);
        assert_ne!(code, Some(0));
        let log = std::fs::read_to_string(&path).unwrap();
        assert!(log.ends_with(&complaint) && complaint.contains("listen"), "{complaint}: {log}");
    }
    drop(port);
    let arguments =
        ["--log-file", name, "--backend", "synthetic", "--listen", "127.0.0.1:0", "--once"];
    let mut child = vtremoted(&arguments).spawn().unwrap();
    let address = loop {
        let log = std::fs::read_to_string(&path).unwrap();
        if let Some((_, rest)) = log.split_once("listening on ")
            && let Some((address, _)) = rest.split_once('\n')
        {
            break address.parse().unwrap();
        }
        assert!(child.try_wait().unwrap().is_none(), "it does not listen: {log}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    session(address);
    assert!(child.wait().unwrap().success());
    let log = std::fs::read_to_string(&path).unwrap();
    assert!(log.starts_with("older\n") && log.contains("session ended"), "{log}");
    assert!(!log.contains('\x1b'), "there are colours in it: {log}");
    std::fs::remove_file(path).unwrap();
}

#[cfg(not(target_os = "macos"))]
#[test]
fn a_service_where_there_is_no_launchd_is_a_line_that_says_what_to_do() {
    for action in ["install", "uninstall", "status"] {
        let mut command = vtremoted(&["service", action]);
        // Settings of a daemon that are in the environment are no contradiction.
        let output = command.env("VTREMOTED_LISTEN", "0.0.0.0").output().unwrap();
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{complaint}");
        assert!(complaint.contains("systemd") && complaint.lines().count() == 1, "{complaint}");
    }
}

#[test]
fn flags_of_the_daemon_before_service_are_refused() {
    let (code, _, complaint) = run(&["--listen", "0.0.0.0", "service", "install"]);
    assert_eq!(code, Some(2), "{complaint}");
}

#[test]
fn a_refusal_is_logged_with_its_reason() {
    let (mut process, address) = Process::start(&["--token", "secret"]);
    let mut peer = Peer::connect(address);
    peer.hello("guess");
    drop(peer);
    let line = process.line("connection refused");
    assert!(line.contains("127.0.0.1") && line.contains("authentication"), "{line}");
}

#[test]
fn a_signal_lets_the_session_finish() {
    for signal in [Signal::TERM, Signal::INT] {
        let (mut process, address) = Process::start(&[]);
        let mut peer = open_session(address);
        process.signal(signal);
        process.line("stopping");
        assert!(TcpStream::connect(address).is_err(), "it still accepts");
        assert_eq!(peer.encode(SMALL, 1..5, 4, false, Form::default()).len(), 4);
        drop(peer);
        assert_eq!(process.exit_code(), Some(0), "{signal:?}");
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let (mut process, address) = Process::start(&["--drain-timeout", "1h"]);
    let mut peer = open_session(address);
    process.signal(Signal::INT);
    process.line("stopping");
    assert!(process.is_running());
    process.signal(Signal::INT);
    // Not without a word: existing clients take a bare end for success.
    assert!(peer.error().1.contains("shutting down"));
    drop(peer);
    process.line("session ended");
    assert_eq!(process.exit_code(), Some(4));
}

#[test]
fn a_session_that_outlasts_the_drain_is_cut_off_with_exit_code_3() {
    let (mut process, address) = Process::start(&["--drain-timeout", "100ms"]);
    let mut peer = open_session(address);
    process.signal(Signal::TERM);
    assert!(peer.error().1.contains("shutting down"));
    drop(peer);
    assert_eq!(process.exit_code(), Some(3));
}

#[test]
fn once_tells_by_its_exit_code_how_the_session_went() {
    let (mut process, address) = Process::start(&["--once"]);
    session(address);
    assert_eq!(process.exit_code(), Some(0));
    let (mut process, address) = Process::start(&["--once"]);
    drop(open_session(address));
    assert_eq!(process.exit_code(), Some(3));
}

#[test]
fn a_process_out_of_file_descriptors_serves_again_once_it_has_some() {
    let (mut process, address) = Process::with_files(24, &[]);
    let mut working = open_session(address);
    let silent: Vec<_> = (0..40).map(|_| TcpStream::connect(address).unwrap()).collect();
    process.line("cannot accept");
    // Those that it has go on.
    working.send(&SMALL.message(1, Form::default()));
    assert!(matches!(working.next(), Message::Packet(..)));
    drop(silent);
    session(address);
    working.flush();
    assert_eq!(working.next(), Message::Done);
    let log = process.log.join("\n");
    assert_eq!(log.matches("cannot accept").count(), 1, "{log}");
}

#[test]
fn a_log_that_nobody_reads_any_more_ends_nothing() {
    let (mut process, address) = Process::start(&["--log-level", "trace"]);
    process.stop_reading();
    // The reading thread ends with the first line that nobody wants.
    (0..8).for_each(|_| session(address));
    process.signal(Signal::TERM);
    assert_eq!(process.exit_code(), Some(0));
}

#[cfg(feature = "libavcodec")]
#[test]
fn frames_become_a_stream_of_libavcodec_s() {
    let (mut process, address) = Process::start(&["--backend", "libavcodec"]);
    let video = crate::video::Video { width: 320, height: 192, ..SMALL };
    for codec in ["h264", "hevc"] {
        let mut peer = Peer::connect(address);
        peer.codec = codec;
        peer.hello("");
        peer.configured(video, &[("bitrate", "1000000")], &[]);
        // A window of 8, which libx264's own delay of 44 frames would block.
        let packets = peer.encode(video, 0..20, 8, false, Form::default());
        assert_eq!(packets.len(), 20, "{codec}");
        let line = process.line("session ended");
        assert!(line.contains(codec) && line.contains("done"), "{line}");
    }
}
