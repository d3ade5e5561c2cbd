//! What a user reads when there is no session: one line that names host, cause and remedy.

mod server;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use server::{CURRENT, EARLY, Script, accept_tcp, serve_tcp};
use vtremote_client::{Encoder, ErrorKind, InputFormat, Settings, Video};
use vtremote_proto::{Codec, HelloStatus, PixelFormat, Rational};

fn video(format: PixelFormat) -> Video {
    let unit = Rational { num: 1, den: 25 };
    let format = InputFormat::Wire(format);
    Video { width: 64, height: 64, format, time_base: unit, frame_rate: unit }
}

fn settings(host: &str) -> Settings {
    let (codec, host) = (Some(Codec::H264), Some(host.to_owned()));
    Settings { codec, host, ..Settings::default() }
}

/// The line, without the server's address, and its kind.
fn refused(settings: &Settings, video: &Video) -> (ErrorKind, String) {
    let error = Encoder::open(settings, video, None).err().expect("a session");
    let line = error.to_string();
    assert!(!line.contains('\n'), "{line}");
    let host = format!("{}: ", settings.host.as_deref().unwrap_or_default());
    let line = line.strip_prefix(&host).map(str::to_owned).unwrap_or(line);
    (error.kind(), line)
}

fn refused_by(script: Script, change: impl FnOnce(&mut Settings)) -> (ErrorKind, String) {
    let (address, served) = serve_tcp(script);
    let mut settings = settings(&address);
    change(&mut settings);
    let refused = refused(&settings, &video(PixelFormat::Nv12));
    served.join().unwrap();
    refused
}

#[test]
fn a_port_where_nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let (kind, line) = refused(&settings(&address.to_string()), &video(PixelFormat::Nv12));
    let expected = format!("connection refused: is vtremoted running, on port {}?", address.port());
    assert_eq!((kind, line), (ErrorKind::Network, expected));
}

#[test]
fn a_name_that_does_not_exist() {
    let settings =
        Settings { timeout: Duration::from_secs(20), ..settings("no-such-host.invalid") };
    let (kind, line) = refused(&settings, &video(PixelFormat::Nv12));
    assert!(matches!(kind, ErrorKind::Network | ErrorKind::Timeout), "{line}");
    assert!(line.starts_with("no-such-host.invalid:5555: "), "{line}");
    assert!(line.ends_with("IP address works without"), "{line}");
}

#[test]
fn a_wrong_token_and_none() {
    let script = Script { token: "secret", ..Script::default() };
    let (kind, line) = refused_by(script.clone(), |settings| settings.token = Some("guess".into()));
    assert_eq!(kind, ErrorKind::Token);
    assert!(line.starts_with("wrong token: give the one"), "{line}");
    let (kind, line) = refused_by(script, |_| ());
    assert_eq!(kind, ErrorKind::Token);
    assert!(line.starts_with("the server wants a token and none was given: set token"), "{line}");
}

#[test]
fn a_full_server() {
    let script = Script { status: HelloStatus::Busy, ..Script::default() };
    let (kind, line) = refused_by(script, |_| ());
    assert_eq!(kind, ErrorKind::Full);
    assert!(line.starts_with("the server is full (4 of 4 sessions): try again later"), "{line}");
}

#[test]
fn an_option_that_the_server_refuses() {
    let script = Script { refusal: Some("profile 44 is not one of H.264's"), ..Script::default() };
    let expected = "the server refuses: profile 44 is not one of H.264's".to_owned();
    assert_eq!(refused_by(script, |_| ()), (ErrorKind::Refused, expected));
}

#[test]
fn a_format_or_an_extension_that_the_server_lacks() {
    let (address, served) = serve_tcp(Script { capabilities: EARLY, ..Script::default() });
    let (kind, line) = refused(&settings(&address), &video(PixelFormat::Bgra));
    served.join().unwrap();
    assert_eq!(kind, ErrorKind::Refused);
    assert!(line.starts_with("the server does not take bgra pictures: choose"), "{line}");

    let script = Script { capabilities: CURRENT, ..Script::default() };
    let (kind, line) = refused_by(script, |settings| settings.slices = Some(true));
    assert_eq!(kind, ErrorKind::Refused);
    assert_eq!(line, "the server does not have x.slices.v1: is it older than this?");

    let script = Script { capabilities: &["hevc", "pixfmt.nv12"], ..Script::default() };
    let (_, line) = refused_by(script, |_| ());
    assert_eq!(line, "the server does not do h264: choose another codec or server");
}

/// Something that is not vtremoted: reads a little, says `words`, closes.
fn stranger(words: &'static [u8]) -> (ErrorKind, String) {
    let (address, served) = accept_tcp(move |mut stream| {
        stream.set_nonblocking(false).unwrap();
        let _ = stream.read(&mut [0; 1024]);
        stream.write_all(words).unwrap();
    });
    let refused = refused(&settings(&address), &video(PixelFormat::Nv12));
    served.join().unwrap();
    refused
}

#[test]
fn other_software() {
    let asks = "not vtremoted: is the port right?";
    for (words, what) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "an HTTP server answers there"),
        (&[0x15, 3, 3, 0, 2, 2, 40], "what answers there speaks TLS"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "an SSH server answers there"),
        (b"220 mail ready\r\n", "what answers there speaks another protocol"),
    ] {
        assert_eq!(stranger(words), (ErrorKind::Protocol, format!("{what}, {asks}")));
    }
    let (kind, line) = stranger(b"");
    assert_eq!(kind, ErrorKind::Network);
    assert!(line.ends_with("is it vtremoted that listens there?"), "{line}");
}

#[test]
fn a_server_that_never_answers() {
    let (address, held) = accept_tcp(|stream| stream);
    let impatient = Settings { timeout: Duration::from_millis(300), ..settings(&address) };
    let (kind, line) = refused(&impatient, &video(PixelFormat::Nv12));
    assert_eq!(kind, ErrorKind::Timeout);
    let expected = "connected, but no answer within 300 ms: is it vtremoted that listens there?";
    assert_eq!(line, expected);
    drop(held.join().unwrap());
}

#[test]
fn settings_that_no_session_can_have_are_refused_before_anybody_is_troubled() {
    // Nothing listens there: a connection would be refused instead.
    let mut given = settings("127.0.0.1:1");
    let nv12 = video(PixelFormat::Nv12);
    let (kind, line) = refused(&given, &Video { width: 0, ..nv12 });
    assert!(kind == ErrorKind::Option && line.contains("0x64"), "{line}");
    let (kind, line) = refused(&given, &Video { width: 16384, height: 16384, ..nv12 });
    assert!(kind == ErrorKind::Option && line.contains("16384x16384"), "{line}");
    given.codec = None;
    let (kind, line) = refused(&given, &nv12);
    assert!(kind == ErrorKind::Option && line.contains("codec"), "{line}");
}
