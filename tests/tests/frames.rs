//! Frames in = packets out: each pts once, each packet of its frame, whatever the encoder does.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use vtremote_backend_synthetic::{hash_rows, read_payload};
use vtremote_bitstream::Codec;
use vtremote_tests::{Daemon, Ffmpeg, Packet, RawVideo, Shape, packets, scratch};

const SMALL: Shape = Shape { width: 64, height: 48, format: "nv12" };

/// Encodes to MP4, which stores both times, and checks every packet against the frame that it must have come from.
#[track_caller]
fn every_frame_becomes_its_packet(daemon: &Daemon, video: &RawVideo, options: &str, dir: &Path) {
    let (container, stream) = (dir.join("out.mp4"), dir.join("out.h264"));
    let ffmpeg = Ffmpeg::new().input(video).encoder("h264", daemon.address()).args(options);
    ffmpeg.arg(&container).run().ok();
    let stored = packets(&container);
    assert_eq!(stored.len(), video.frames, "{options}");
    let times: BTreeSet<_> = stored.iter().map(|packet| packet.pts.expect("a pts")).collect();
    assert_eq!(times.len(), video.frames, "{options}: a pts came twice");
    dts_rises(&stored);

    Ffmpeg::new().arg("-i").arg(&container).args("-c copy").arg(&stream).run().ok();
    let stream = fs::read(stream).expect("a stream");
    let mut hashes = BTreeSet::new();
    for unit in vtremote_bitstream::access_units(Codec::H264, &stream) {
        let payload = read_payload(unit).expect("every packet says where it came from");
        assert!(
            hashes.insert((payload.pts, payload.hash.expect("a hash"))),
            "frame {} came twice",
            payload.pts
        );
    }
    let expected: BTreeSet<_> = (0..video.frames)
        .map(|number| (number as i64, hash_rows([&SMALL.frame(number)[..]])))
        .collect();
    assert!(hashes == expected, "{options}: packets of other frames than were sent");
}

#[track_caller]
fn dts_rises(stored: &[Packet]) {
    for pair in stored.windows(2) {
        assert!(pair[0].dts < pair[1].dts, "dts {:?} then {:?}", pair[0].dts, pair[1].dts);
    }
    for packet in stored {
        assert!(packet.dts <= packet.pts, "{packet:?}");
    }
}

fn with_script(name: &str, script: &str, options: &str) {
    let dir = scratch(&format!("frames-{name}"));
    let daemon = Daemon::synthetic(script, &[]);
    for frames in [1, 2, 15, 16, 17, 3000] {
        let video = SMALL.video(frames, &dir.join("in.raw"));
        for depth in [1, 16] {
            let options = format!("{options} -vt_remote_inflight {depth}");
            every_frame_becomes_its_packet(&daemon, &video, &options, &dir);
        }
    }
}

#[test]
fn an_encoder_that_answers_at_once() {
    with_script("plain", "", "-bf 0");
}

#[test]
fn an_encoder_that_holds_frames_back() {
    with_script("delay", "delay=40", "-bf 0");
}

#[test]
fn an_encoder_that_reorders() {
    with_script("reorder", "reorder=3", "-bf 3");
}

#[test]
fn an_encoder_that_gives_packets_in_bursts() {
    with_script("burst", "delay=5,burst=7", "-bf 0");
}

#[test]
fn an_encoder_that_stalls() {
    with_script("stall", "delay=3,reorder=1,stall=14:3s", "-bf 1");
}

#[test]
fn b_frames_come_back_in_decoding_order_with_rising_dts() {
    let dir = scratch("frames-bf");
    let daemon = Daemon::libavcodec(&[]);
    let video = Shape { width: 160, height: 96, format: "nv12" }.video(40, &dir.join("in.raw"));
    for codec in ["h264", "hevc"] {
        for b_frames in 0..=3 {
            let out = dir.join(format!("{codec}-{b_frames}.mp4"));
            let encoder = Ffmpeg::new().input(&video).encoder(codec, daemon.address());
            encoder.args(&format!("-b:v 300k -bf {b_frames}")).arg(&out).run().ok();
            let stored = packets(&out);
            assert_eq!(stored.len(), 40, "{codec} -bf {b_frames}");
            dts_rises(&stored);
            let reordered = stored.windows(2).any(|pair| pair[1].pts < pair[0].pts);
            assert_eq!(reordered, b_frames > 0, "{codec} -bf {b_frames}");
        }
    }
}

#[test]
fn forced_keyframes_are_keyframes() {
    let dir = scratch("frames-keys");
    let daemon = Daemon::libavcodec(&[]);
    let video = Shape { width: 160, height: 96, format: "nv12" }.video(40, &dir.join("in.raw"));
    for codec in ["h264", "hevc"] {
        let out = dir.join(format!("{codec}.mkv"));
        let encoder = Ffmpeg::new().input(&video).encoder(codec, daemon.address());
        encoder.args("-b:v 300k -g 250 -bf 2 -force_key_frames 0.28,1.0").arg(&out).run().ok();
        let mut stored = packets(&out);
        stored.sort_by_key(|packet| packet.pts);
        let keys = stored.iter().enumerate().filter(|(_, packet)| packet.keyframe);
        assert_eq!(keys.map(|(index, _)| index).collect::<Vec<_>>(), [0, 7, 25], "{codec}");
    }
}

/// The frame times that ffmpeg gives an encoder, and those of what the remote one made of them.
fn times_survive(name: &str, filter: &str) {
    let dir = scratch(&format!("frames-{name}"));
    let daemon = Daemon::synthetic("delay=4,reorder=2", &[]);
    let video = SMALL.video(50, &dir.join("in.raw"));
    // As they come from the encoder: no container rounds or shifts them.
    let times = |ffmpeg: Ffmpeg| {
        let text = ffmpeg.args("-copyts -f framecrc -").run().ok();
        let text = String::from_utf8(text).expect("framecrc writes text");
        let line = |line: &str| {
            let mut fields = line.split(',').skip(1).map(|field| field.trim().parse().ok());
            let (dts, pts) = (fields.next().flatten(), fields.next().flatten());
            Packet { pts, dts, duration: None, size: 0, keyframe: false }
        };
        let mut sent: Vec<_> =
            text.lines().filter(|line| !line.starts_with('#')).map(line).collect();
        dts_rises(&sent);
        sent.sort_by_key(|packet| packet.pts);
        sent.into_iter().map(|packet| packet.pts.expect("a pts")).collect::<Vec<_>>()
    };
    let filtered =
        || Ffmpeg::new().input(&video).args(&format!("-vf {filter} -fps_mode passthrough"));
    let sent = times(filtered().args("-c:v rawvideo"));
    let came = times(filtered().encoder("h264", daemon.address()).args("-bf 2"));
    assert!(sent.len() > 20, "{} frames", sent.len());
    assert_eq!(came, sent);
}

#[test]
fn a_variable_frame_rate_keeps_its_times() {
    times_survive("vfr", "select='mod(n\\,7)*mod(n\\,3)',settb=1/1000");
}

#[test]
fn a_negative_start_keeps_its_times() {
    times_survive("negative", "setpts=PTS-3");
}
