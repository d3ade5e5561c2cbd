//! No thread outlives its encoder or decoder, whatever the session was doing. One test at a time, since
//! they count the threads of the process.
#![cfg(target_os = "linux")]

mod server;

use std::fs;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use server::{Fate, Script, accept_tcp, serve, serve_tcp};
use vtremote_client::{
    AccessUnit, Decoder, Encoder, Frame, InputFormat, OwnedPicture, Received, ReceivedPicture,
    Settings, Stream, Video,
};
use vtremote_link::memory_pair;
use vtremote_planes::Coding;
use vtremote_proto::{Codec, HelloStatus, Rational};

/// The client's threads that there are now, by name.
fn threads() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    tasks
        .filter_map(|task| fs::read_to_string(task.unwrap().path().join("comm")).ok())
        .filter(|name| name.starts_with("vtremote-"))
        .collect()
}

fn assert_no_threads(when: &str) {
    // A thread that has been joined may stay listed for a moment.
    for _ in 0..1000 {
        if threads().is_empty() {
            return;
        }
        thread::yield_now();
    }
    assert_eq!(threads(), [""; 0], "{when}");
}

/// Threads are the process's.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn a_decoder_that_closes_or_is_reset_in_every_state_joins_every_thread() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let unit = Rational { num: 1, den: 25 };
    let stream = Stream {
        width: 640,
        height: 360,
        time_base: unit,
        frame_rate: unit,
        // Baseline, 640x360 without VUI.
        extradata: [
            &[0, 0, 0, 1, 0x67, 66, 0, 30, 0xda, 0x02, 0x80, 0xbf, 0xe5, 0x40][..],
            &[0, 0, 0, 1, 0x68, 0xce, 0x38, 0x80],
        ]
        .concat(),
    };
    let packet = |pts| AccessUnit {
        pts: Some(pts),
        dts: Some(pts),
        duration: 1,
        keyframe: pts == 0,
        data: server::packet(pts, pts == 0, false),
        side_data: Vec::new(),
    };
    for (number, (when, packets, fate, flush, receive)) in [
        ("idle", 0, None, false, 0),
        ("packets on their way", 16, None, false, 0),
        ("some received", 16, None, false, 3),
        ("flushed", 16, None, true, 0),
        ("done", 16, None, true, 17),
        ("muted", 16, Some((1, Fate::Mute)), true, 0),
        ("blocked", 16, Some((0, Fate::Freeze)), true, 0),
        ("failed", 16, Some((2, Fate::Fail)), true, 17),
        ("broken", 16, Some((2, Fate::Broken)), true, 17),
        ("vanished", 16, Some((2, Fate::Vanish)), true, 17),
    ]
    .into_iter()
    .enumerate()
    {
        let (address, served) = serve_tcp(Script { fate, ..Script::default() });
        let settings = Settings {
            codec: Some(Codec::H264),
            host: Some(address),
            compression: Some(Coding::Lz4),
            ..Settings::default()
        };
        let mut decoder = Decoder::open(&settings, &stream, None).unwrap();
        let all = (0..100_000).any(|_| {
            thread::yield_now();
            threads().len() >= 2
        });
        assert!(all, "{when}: {:?}", threads());
        for pts in 0..packets {
            // After a failure there is no sending.
            let _ = decoder.send_packet(packet(pts));
        }
        if flush {
            let _ = decoder.flush();
        }
        let mut pictures = Vec::new();
        for _ in 0..receive {
            match decoder.receive_picture(None) {
                Ok(ReceivedPicture::Picture(picture)) => pictures.push(picture),
                _ => break,
            }
        }
        if number % 2 == 1 {
            decoder.reset();
        } else {
            decoder.close();
        }
        assert_no_threads(when);
        drop(pictures);
        served.join().unwrap();
    }
}

#[test]
fn closing_in_every_state_joins_every_thread() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let unit = Rational { num: 1, den: 25 };
    let format = InputFormat::Yuv420p;
    let (width, height) = (1280, 720);
    let video = Video { width, height, format, time_base: unit, frame_rate: unit };
    let settings = Settings { codec: Some(Codec::H264), ..Settings::default() };
    let planes = (0..3).map(|plane| {
        let (row, rows) = format.plane_layout(width, height, plane);
        (vec![plane as u8; row * rows], row)
    });
    let source = Arc::new(OwnedPicture::new(format, planes.collect()).unwrap());
    let frame = |pts| Frame {
        pts,
        duration: 1,
        keyframe: false,
        side_data: Vec::new(),
        source: source.clone(),
    };

    // Before there is a session.
    let refusals = [
        Script { status: HelloStatus::Busy, ..Script::default() },
        Script { token: "secret", ..Script::default() },
        Script { refusal: Some("no"), ..Script::default() },
    ];
    for script in refusals {
        let (client, link, ..) = memory_pair(4096);
        let served = serve(link, script);
        assert!(Encoder::open_over(client, &settings, &video, None).is_err());
        assert_no_threads("refused");
        served.join().unwrap();
    }
    let (address, held) = accept_tcp(|stream| stream);
    let host = Some(address);
    let impatient =
        Settings { host, timeout: std::time::Duration::from_millis(100), ..settings.clone() };
    assert!(Encoder::open(&impatient, &video, None).is_err());
    assert_no_threads("no answer");
    drop(held.join().unwrap());

    // In the middle, at the end, and after a failure; each time with as many frames as there is room.
    for (when, frames, fate, flush, receive) in [
        ("idle", 0, None, false, 0),
        ("frames on their way", 16, None, false, 0),
        ("some received", 16, None, false, 3),
        ("flushed", 16, None, true, 0),
        ("done", 16, None, true, 17),
        ("muted", 16, Some((1, Fate::Mute)), true, 0),
        ("blocked", 16, Some((0, Fate::Freeze)), true, 0),
        ("failed", 16, Some((2, Fate::Fail)), true, 17),
        ("vanished", 16, Some((2, Fate::Vanish)), true, 17),
    ] {
        let (address, served) = serve_tcp(Script { fate, ..Script::default() });
        let settings = Settings { host: Some(address), ..settings.clone() };
        let mut encoder = Encoder::open(&settings, &video, None).unwrap();
        // A thread takes its name once it runs. Without a count there would be nothing to go down.
        let all = (0..100_000).any(|_| {
            thread::yield_now();
            threads().len() >= 3
        });
        assert!(all, "{when}: {:?}", threads());
        for pts in 0..frames {
            // After a failure there is no sending.
            let _ = encoder.send_frame(frame(pts));
        }
        if flush {
            let _ = encoder.flush();
        }
        for _ in 0..receive {
            if !matches!(encoder.receive_packet(None), Ok(Received::Packet(_))) {
                break;
            }
        }
        drop(encoder);
        assert_no_threads(when);
        assert_eq!(Arc::strong_count(&source), 1, "{when}");
        served.join().unwrap();
    }
}
