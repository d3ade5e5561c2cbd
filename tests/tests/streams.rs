//! The elementary stream is the backend's own, whatever way the frames took.

use std::fs;
use std::path::{Path, PathBuf};
use vtremote_tests::{Daemon, Ffmpeg, RawVideo, Shape, packets, scratch};

mod in_process;

/// libx265 with more threads gives other bytes now and then.
const REPEATABLE: [&str; 2] = ["--encoder-threads", "2"];

/// Encodes over a daemon and gives the elementary stream.
fn remote(
    video: &RawVideo,
    codec: &str,
    host: &str,
    options: &str,
    slices: &str,
    to: PathBuf,
) -> Vec<u8> {
    Ffmpeg::new()
        .input(video)
        .env("VTREMOTE_SLICES", slices)
        .encoder(codec, host)
        .args(&format!("-b:v 600k -bf 2 -g 24 {options} -f {codec}"))
        .arg(&to)
        .run()
        .ok();
    fs::read(to).expect("ffmpeg wrote a stream")
}

fn every_way_gives_the_backends_own_stream(codec: &str, format: &'static str) {
    let dir = scratch(&format!("streams-{codec}-{format}"));
    let shape = Shape { width: 320, height: 180, format };
    let video = shape.video(60, &dir.join("in.raw"));
    let expected = in_process::encode(codec, shape, 60);
    assert!(expected.len() > 20_000, "{} bytes are no 60 frames", expected.len());

    let daemon = Daemon::libavcodec(&REPEATABLE);
    for compression in ["none", "lz4", "zstd", "vtz", "vtz-fast"] {
        for slices in ["0", "1"] {
            if slices == "0" && compression.starts_with("vtz") {
                continue;
            }
            for depth in [1, 2, 16, 64] {
                let options = format!(
                    "-vt_remote_wire_compression {compression} -vt_remote_inflight {depth}"
                );
                let out = dir.join("out.bin");
                let stream = remote(&video, codec, daemon.address(), &options, slices, out);
                assert!(
                    stream == expected,
                    "{compression}, slices {slices}, depth {depth}: {} bytes, not the same as {}",
                    stream.len(),
                    expected.len()
                );
            }
        }
    }
}

#[test]
fn h264_from_nv12_is_the_same_on_every_way() {
    every_way_gives_the_backends_own_stream("h264", "nv12");
}

#[test]
fn hevc_from_nv12_is_the_same_on_every_way() {
    every_way_gives_the_backends_own_stream("hevc", "nv12");
}

#[test]
fn hevc_from_p010_is_the_same_on_every_way() {
    every_way_gives_the_backends_own_stream("hevc", "p010le");
}

#[test]
fn planar_input_gives_the_stream_of_semi_planar_input() {
    let dir = scratch("streams-planar");
    let daemon = Daemon::libavcodec(&REPEATABLE);
    for (codec, planar, interleaved) in [
        ("h264", "yuv420p", "nv12"),
        ("hevc", "yuv420p", "nv12"),
        ("hevc", "yuv420p10le", "p010le"),
    ] {
        for compression in ["none", "lz4", "zstd", "vtz", "vtz-fast"] {
            let stream = |format| {
                let shape = Shape { width: 318, height: 178, format };
                let video = shape.video(12, &dir.join(format!("{format}.raw")));
                let options = format!("-vt_remote_wire_compression {compression}");
                let out = dir.join("out.bin");
                remote(&video, codec, daemon.address(), &options, "1", out)
            };
            assert!(stream(planar) == stream(interleaved), "{codec} {planar} {compression}");
        }
    }
}

/// The parameter sets of a file's extradata or stream, as trace_headers counts them.
fn parameter_sets(file: &Path) -> usize {
    let traced = Ffmpeg::new()
        .args("-v trace -i")
        .arg(file)
        .args("-c copy -map 0:v -bsf:v trace_headers -f null -")
        .run();
    assert!(traced.status.success(), "{}", traced.stderr);
    traced.stderr.lines().filter(|line| line.contains("Sequence Parameter Set")).count()
}

#[test]
fn parameter_sets_stand_before_every_keyframe_or_only_in_the_header() {
    let dir = scratch("streams-headers");
    let daemon = Daemon::libavcodec(&[]);
    let video = Shape { width: 64, height: 64, format: "nv12" }.video(24, &dir.join("in.raw"));
    for codec in ["h264", "hevc"] {
        let encode = |name: &str| {
            let out = dir.join(name);
            let encoder = Ffmpeg::new().input(&video).encoder(codec, daemon.address());
            encoder.args("-b:v 200k -g 6").arg(&out).run().ok();
            out
        };
        // Without a global header every keyframe has them, and the demuxer makes extradata of the first.
        let in_band = encode(&format!("out.{codec}"));
        let keyframes = packets(&in_band).iter().filter(|packet| packet.keyframe).count();
        assert!(keyframes >= 4, "{codec}: {keyframes} keyframes");
        assert_eq!(parameter_sets(&in_band), keyframes + 1, "{codec} in-band");
        // Matroska asks for a global header: once, in the extradata.
        assert_eq!(parameter_sets(&encode(&format!("{codec}.mkv"))), 1, "{codec} in the header");
    }
}
