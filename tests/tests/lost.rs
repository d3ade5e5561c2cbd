//! A server that is lost while ffmpeg decodes is a failed ffmpeg: never a short success.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use vtremote_tests::{Daemon, Ffmpeg, Finished, scratch, series};

/// Many more than the window and the threads of any decoder hold.
const PICTURES: usize = 200;
const LIMIT: Duration = Duration::from_secs(60);

/// When a server is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    /// Instead of the picture with this number: many packets have not been sent yet.
    Picture(usize),
    /// Instead of the picture with this number, once the client has sent all it has.
    Late(usize),
    /// Instead of the last pictures: the client has sent all it has.
    End,
    /// Instead of DONE: nothing is missing but that.
    Done,
}

/// How a server is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// The connection is closed without a word.
    Closed,
    /// An ERROR is sent.
    Error,
    /// Nothing more comes, and the connection stays.
    Silent,
}

const FRAME: u16 = 5;
const FLUSH: u16 = 7;
const DONE: u16 = 8;
const FRAME_BEGIN: u16 = 0x4001;

/// A whole message; none at the end of the connection.
fn message(stream: &mut TcpStream) -> Option<(u16, Vec<u8>)> {
    let mut bytes = vec![0; 12];
    stream.read_exact(&mut bytes).ok()?;
    let length = u32::from_be_bytes(bytes[8..].try_into().expect("four bytes"));
    bytes.resize(12 + length as usize, 0);
    stream.read_exact(&mut bytes[12..]).ok()?;
    Some((u16::from_be_bytes([bytes[6], bytes[7]]), bytes))
}

/// A way to the daemon on which it is lost, for one connection. Its address.
fn losing(daemon: &Daemon, when: When, how: How) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its number").to_string();
    let mut server = TcpStream::connect(daemon.address()).expect("the daemon");
    thread::spawn(move || {
        let (mut client, _) = listener.accept().expect("the client");
        // Whoever comes again is refused.
        drop(listener);
        let mut from_client = client.try_clone().expect("a handle");
        let mut to_server = server.try_clone().expect("a handle");
        let lost = Arc::new(AtomicBool::new(false));
        let lost_at_the_end = Arc::clone(&lost);
        let flushed = Arc::new(AtomicBool::new(false));
        let flushes = Arc::clone(&flushed);
        thread::spawn(move || {
            while let Some((kind, bytes)) = message(&mut from_client) {
                if kind == FLUSH {
                    flushes.store(true, Ordering::Relaxed);
                }
                if (kind, when) == (FLUSH, When::End) {
                    // The server never hears of the end, and so keeps its last pictures.
                    lost_at_the_end.store(true, Ordering::Relaxed);
                    lose(&mut from_client, how);
                    break;
                }
                if to_server.write_all(&bytes).is_err() {
                    break;
                }
            }
        });
        let mut pictures = 0;
        while let Some((kind, bytes)) = message(&mut server) {
            pictures += usize::from(matches!(kind, FRAME | FRAME_BEGIN));
            if when == When::Late(pictures) {
                // Where nothing comes the client sends on, up to the end.
                let began = Instant::now();
                while !flushed.load(Ordering::Relaxed) && began.elapsed() < LIMIT {
                    thread::sleep(Duration::from_millis(5));
                }
                lose(&mut client, how);
                break;
            }
            if when == When::Picture(pictures) || (kind, when) == (DONE, When::Done) {
                lose(&mut client, how);
                break;
            }
            if lost.load(Ordering::Relaxed) || client.write_all(&bytes).is_err() {
                break;
            }
        }
        if how == How::Silent {
            // What the client says is taken, and not answered.
            thread::sleep(LIMIT);
        }
    });
    address
}

fn lose(client: &mut TcpStream, how: How) {
    if how == How::Error {
        let text = b"the decoder is out of order";
        let mut bytes = b"VTR1\0\x01\0\x09".to_vec();
        bytes.extend((6 + text.len() as u32).to_be_bytes());
        bytes.extend(2_u32.to_be_bytes());
        bytes.extend((text.len() as u16).to_be_bytes());
        bytes.extend(text);
        let _ = client.write_all(&bytes);
    }
    if how != How::Silent {
        let _ = client.shutdown(Shutdown::Both);
    }
}

/// A film with sound, as the common case has it.
fn film(name: &str) -> PathBuf {
    let dir = scratch(&format!("lost-{name}"));
    let file = dir.join("film.mkv");
    let daemon = Daemon::libavcodec(&[]);
    let seconds = PICTURES as f64 / 25.0;
    let encoder = Ffmpeg::new()
        .args("-f lavfi -i")
        .arg(format!("testsrc2=size=160x96:rate=25:duration={seconds}"))
        .args("-f lavfi -i")
        .arg(format!("sine=sample_rate=48000:duration={seconds}"))
        .encoder("h264", daemon.address());
    encoder.args("-pix_fmt nv12 -b:v 300k -bf 2 -g 25 -c:a aac").arg(&file).run().ok();
    file
}

/// Decodes it, by a server that is lost.
fn decoded(film: &PathBuf, when: When, how: How, options: &str) -> Finished {
    let daemon = Daemon::libavcodec(&[]);
    let address = losing(&daemon, when, how);
    let decoder = Ffmpeg::new().args("-v info").args(options).decoder("h264", &address);
    let decoder = decoder.args("-vt_remote_timeout_ms 500 -i").arg(film);
    let finished = decoder.args("-f null -").start().finish(LIMIT);
    let stderr = &finished.stderr;
    let what = format!("{when:?} {how:?} {options}: {}\n{stderr}", finished.status);
    let lines = || stderr.lines().enumerate();
    let ours: Vec<_> = lines().filter(|(_, line)| line.contains("missing")).collect();
    assert_eq!(ours.len(), 1, "not one line that says it: {what}");
    assert!(ours[0].1.contains(&address), "{what}");
    // FFmpeg's own lines, the last of which are all that many people read.
    let theirs = lines().find(|(_, line)| line.to_lowercase().contains("error"));
    assert!(theirs.is_none_or(|theirs| ours[0].0 <= theirs.0), "not first: {what}");
    assert!(stderr.lines().count() < 60, "a flood: {what}");
    // Of a silent way the daemon does not know yet.
    daemon.kill();
    finished
}

#[test]
fn a_server_that_is_lost_midway_fails_ffmpeg() {
    let film = film("midway");
    for how in [How::Closed, How::Error, How::Silent] {
        // A silent one takes three seconds to be noticed.
        let numbers = if how == How::Silent { 1..2 } else { 0..4 };
        for (number, options) in &[(1, ""), (5, "-an"), (40, ""), (75, "")][numbers] {
            let finished = decoded(&film, When::Picture(*number), how, options);
            assert!(finished.status.code().is_some_and(|code| code != 0), "{how:?} {number}");
        }
    }
}

#[test]
fn a_server_that_is_lost_at_the_end_fails_ffmpeg_but_7_1() {
    let film = film("end");
    // It counts errors against pictures in integers, so that only nothing but errors is too many.
    let fails = series() != "7.1";
    for when in [When::Late(PICTURES - 5), When::End, When::Done] {
        for how in [How::Closed, How::Error, How::Silent] {
            if (when, how) == (When::Done, How::Silent) {
                continue;
            }
            for (options, fails) in [("", fails), ("-xerror", true)] {
                let finished = decoded(&film, when, how, options);
                assert!(finished.stderr.contains("-xerror makes"), "{}", finished.stderr);
                let code = finished.status.code();
                assert_eq!(code.is_some_and(|code| code != 0), fails, "{when:?} {how:?} {options}");
                assert!(code.is_some(), "{when:?} {how:?} {options}: a crash");
            }
        }
    }
}
