//! Closed captions go in with a frame and come out with it, through ffmpeg at both ends.

use std::fs;
use std::path::{Path, PathBuf};
use vtremote_bitstream::{Codec, access_units, sei};
use vtremote_tests::{Daemon, Ffmpeg, packets, scratch};

const FRAMES: usize = 40;

/// The captions of a frame, in cc_data_pkts: those of every tenth are as many as a message can have, and
/// have what in a stream would be a start code.
fn captions(frame: usize) -> Vec<u8> {
    let triplets = if frame.is_multiple_of(10) { 31 } else { 2 };
    (0..triplets).flat_map(|n| [0xfc, n, if n == 0 { frame as u8 } else { 0 }]).collect()
}

/// A stream with captions in every access unit, made without B-frames, so that they are in order.
fn captioned(daemon: &Daemon, dir: &Path) -> PathBuf {
    let plain = dir.join("plain.h264");
    let size = format!("testsrc2=size=160x96:rate=25:duration={}", FRAMES as f64 / 25.0);
    let encoder = Ffmpeg::new().args("-f lavfi -i").arg(size).args("-pix_fmt nv12");
    encoder.encoder("h264", daemon.address()).args("-b:v 300k").arg(&plain).run().ok();
    let plain = fs::read(plain).expect("a stream");
    let mut stream = Vec::new();
    let mut count = 0;
    for (number, unit) in access_units(Codec::H264, &plain).enumerate() {
        let message = sei::captions(&captions(number)).expect("captions");
        sei::insert(Codec::H264, unit, &[message], &mut stream).expect("an access unit");
        count += 1;
    }
    assert_eq!(count, FRAMES);
    let file = dir.join("captioned.h264");
    fs::write(&file, stream).expect("the stream is written");
    file
}

/// The captions in a file, in the order of showing.
fn captions_in(codec: &str, file: &Path) -> Vec<Vec<u8>> {
    let stream = file.with_extension(codec);
    Ffmpeg::new().arg("-i").arg(file).args("-c copy").arg(&stream).run().ok();
    let stream = fs::read(stream).expect("a stream");
    let format = if codec == "h264" { Codec::H264 } else { Codec::H265 };
    let found = access_units(format, &stream).map(|unit| sei::captions_in(format, unit));
    let pts = packets(file).into_iter().map(|packet| packet.pts.expect("a pts"));
    let mut found: Vec<_> = pts.zip(found).collect();
    found.sort_by_key(|(pts, _)| *pts);
    found.into_iter().map(|(_, captions)| captions).collect()
}

#[test]
fn captions_come_out_with_the_frames_that_they_came_with() {
    let dir = scratch("captions");
    let daemon = Daemon::libavcodec(&[]);
    let input = captioned(&daemon, &dir);
    let encode = |codec: &str, options: &str| {
        let out = dir.join("out.mp4");
        let encoder = Ffmpeg::new().args("-v warning -framerate 25 -i").arg(&input);
        let encoder = encoder.encoder(codec, daemon.address()).args(options).args("-b:v 300k");
        let finished = encoder.arg(&out).run();
        assert_eq!(finished.stderr, "", "{codec} {options}");
        finished.ok();
        captions_in(codec, &out)
    };
    let all: Vec<_> = (0..FRAMES).map(captions).collect();
    for options in ["-bf 0", "-bf 2", "-bf 3 -g 10", "-bf 2 -vt_remote_inflight 1"] {
        assert_eq!(encode("h264", options), all, "{options}");
    }
    let none = vec![Vec::<u8>::new(); FRAMES];
    assert_eq!(encode("h264", "-bf 2 -a53cc 0"), none);
    // As hevc_videotoolbox on the same machine, which has no such option.
    assert_eq!(encode("hevc", "-bf 2"), none);
}
