//! `vtremote probe` as a user runs it.

#[path = "../../client/tests/server/mod.rs"]
mod server;

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};
use std::thread;
use std::time::Duration;

use server::{OURS, Script, serve, serve_tcp};
use vtremote_link::{Listener, TcpSettings, tcp_link};
use vtremote_proto::HelloStatus;

/// What a server lists that has another format of HEVC.
const DEEPER: &[&str] = &["h264", "hevc", "pixfmt.nv12", "pixfmt.p010", "pixfmt.p210", "x.ack.v1"];

fn probe(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vtremote"));
    for variable in ["VTREMOTE_HOST", "VTREMOTE_TOKEN", "VTREMOTE_TOKEN_FILE"] {
        command.env_remove(variable);
    }
    command.arg("probe").args(arguments).envs(environment.iter().copied()).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The one line on standard error.
fn error(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    let line = text.strip_suffix('\n').unwrap().to_owned();
    assert!(!line.contains('\n'), "{text}");
    line
}

#[test]
fn a_good_server_passes_every_step_with_every_codec() {
    let listener = Listener::bind_to("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serving = thread::spawn(move || {
        // One session for each codec, of which a server may have different formats.
        let sessions = [OURS, DEEPER].map(|capabilities| {
            let (stream, _) = loop {
                if let Some(accepted) = listener.accept(Duration::from_secs(1)).unwrap() {
                    break accepted;
                }
            };
            let link = tcp_link(stream, &TcpSettings::default()).unwrap();
            serve(link, Script { token: "secret", delay: 3, capabilities, ..Script::default() })
        });
        sessions.map(|session| session.join().unwrap())
    });
    let output = probe(&[&address], &[("VTREMOTE_TOKEN", "secret")]);
    assert!(output.status.success(), "{}", error(&output));
    let text = out(&output);
    let names: Vec<_> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(
        names,
        ["resolve", "connect", "hello", "token", "offers", "h264", "offers", "hevc", "probe:"],
        "{text}"
    );
    assert!(text.contains("hello     test 1, 1 of 4 sessions"), "{text}");
    assert!(text.contains(&format!("offers    {}\n", OURS.join(" "))), "{text}");
    assert!(text.contains(&format!("offers    with hevc: {}\n", DEEPER.join(" "))), "{text}");
    assert!(text.ends_with("probe: OK\n"));
    let served = serving.join().unwrap();
    let codecs: Vec<_> = served.iter().map(|session| session.codec.as_str()).collect();
    assert_eq!(codecs, ["h264", "hevc"]);
    assert!(served.iter().all(|session| session.frames.len() == 30 && session.end == "done"));
}

#[test]
fn a_token_file_is_read() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("token");
    fs::write(&path, "secret\n").unwrap();
    let (address, served) = serve_tcp(Script { token: "secret", ..Script::default() });
    let output = probe(&[&address, "--codec", "hevc", "--token-file", path.to_str().unwrap()], &[]);
    assert!(output.status.success(), "{}", error(&output));
    assert_eq!(served.join().unwrap().codec, "hevc");
}

#[test]
fn every_failure_has_its_code_and_names_its_remedy() {
    let failing = |script: Script, code, words: &str| {
        let (address, served) = serve_tcp(script);
        let output = probe(&[&address, "--codec", "h264"], &[]);
        served.join().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", error(&output));
        let line = error(&output);
        assert!(line.starts_with(&format!("probe: {address}: ")) && line.contains(words), "{line}");
    };
    failing(Script { token: "secret", ..Script::default() }, 5, "VTREMOTE_TOKEN");
    let full = Script { status: HelloStatus::Busy, ..Script::default() };
    failing(full, 6, "--max-sessions");
    let no_codec = Script { capabilities: &["hevc", "pixfmt.nv12"], ..Script::default() };
    failing(no_codec, 7, "choose another codec");
    failing(Script { fate: Some((3, server::Fate::Fail)), ..Script::default() }, 9, "broke");

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let output = probe(&[&address, "--timeout", "150ms"], &[]);
    assert_eq!(output.status.code(), Some(4), "{}", error(&output));
    drop(listener);
    let output = probe(&[], &[("VTREMOTE_HOST", &address)]);
    assert_eq!(output.status.code(), Some(3));
    assert!(error(&output).contains("is vtremoted running"), "{}", error(&output));
}

#[test]
fn a_wrong_command_line_is_code_2() {
    for arguments in [
        &["h", "--timeout", "5"][..],
        &["h", "--codec", "av1"],
        &["h", "--nonsense"],
        &["a,b"],
        &["http://mac"],
        &["h", "--token-file", "/nonexistent/token"],
        &[],
    ] {
        let output = probe(arguments, &[]);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
    }
}

#[test]
fn help_says_what_the_exit_codes_mean() {
    let output = probe(&["--help"], &[]);
    let text = out(&output);
    for words in ["--token-file", "VTREMOTE_HOST", "Exit codes:", "thirty", "default: 5s"] {
        assert!(text.contains(words), "{words}: {text}");
    }
}
