//! What is written plays in an ffmpeg that knows nothing of us.

use std::fs;
use std::path::Path;
use std::process::Command;
use vtremote_tests::{Daemon, Ffmpeg, Shape, run, scratch, skip, stock};

/// Decodes with the distribution's ffmpeg, without a word on standard error; how many frames it saw.
#[track_caller]
fn frames_played(ffmpeg: &Path, file: &Path) -> usize {
    let mut command = Command::new(ffmpeg);
    command.args(["-nostdin", "-v", "warning", "-i"]).arg(file);
    let decoded =
        run(command.args(["-map", "0:v", "-fps_mode", "passthrough", "-f", "framemd5", "-"]));
    assert_eq!(decoded.stderr, "", "{}", file.display());
    let text = String::from_utf8(decoded.ok()).expect("framemd5 writes text");
    text.lines().filter(|line| !line.starts_with('#')).count()
}

#[test]
fn every_container_plays_in_stock_ffmpeg() {
    let Some(ffmpeg) = stock("ffmpeg") else {
        skip("every_container_plays_in_stock_ffmpeg", "no ffmpeg is installed");
        return;
    };
    let dir = scratch("files");
    let daemon = Daemon::libavcodec(&[]);
    for (codec, format) in [("h264", "nv12"), ("hevc", "nv12"), ("hevc", "p010le")] {
        let video = Shape { width: 320, height: 180, format }.video(50, &dir.join("in.raw"));
        let encode = |output: &str| {
            let encoder = Ffmpeg::new().input(&video).encoder(codec, daemon.address());
            encoder.args(&format!("-b:v 500k -bf 2 -g 25 {output}"))
        };
        for name in ["out.mp4", "out.mkv", "out.ts", &format!("out.{codec}")] {
            let file = dir.join(name);
            encode("").arg(&file).run().ok();
            assert_eq!(frames_played(&ffmpeg, &file), 50, "{}", file.display());
        }
        for (index, muxer) in ["mpegts", "matroska"].iter().enumerate() {
            let pattern = dir.join(format!("{codec}-{format}-{index}-%d"));
            let segments = format!("-map 0:v -f segment -segment_time 1 -segment_format {muxer}");
            encode(&segments).arg(&pattern).run().ok();
            let segment = |number: usize| {
                let file = dir.join(format!("{codec}-{format}-{index}-{number}"));
                file.exists().then(|| frames_played(&ffmpeg, &file))
            };
            let played: Vec<_> = (0..).map_while(segment).collect();
            assert!(played.len() > 1, "{codec} {muxer}: {} segment", played.len());
            assert_eq!(played.iter().sum::<usize>(), 50, "{codec} {muxer}: {played:?}");
        }
        let _ = fs::remove_file(dir.join("in.raw"));
    }
}

#[test]
fn audio_and_subtitles_stay_where_they_are() {
    let dir = scratch("files-audio");
    let daemon = Daemon::synthetic("", &[]);
    let clip = Path::new(env!("CARGO_MANIFEST_DIR")).join("../media/bbb-1080p24-8s.mp4");
    let out = dir.join("out.mkv");
    let input = Ffmpeg::new().arg("-i").arg(&clip).args("-map 0 -c:a copy -t 1 -vf scale=320:180");
    input.encoder("hevc", daemon.address()).arg(&out).run().ok();
    let audio = |file: &Path, limit: &str| {
        let hash = Ffmpeg::new().arg("-i").arg(file).args("-map 0:a -c copy").args(limit);
        hash.args("-f framemd5 -").run().ok()
    };
    let digests = |text: Vec<u8>| {
        let text = String::from_utf8(text).expect("framemd5 writes text");
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        // After the digest may come those of side data, which containers keep in their own ways.
        lines.filter_map(|line| line.split(',').nth(5).map(str::to_owned)).collect::<Vec<_>>()
    };
    let (copied, original) = (digests(audio(&out, "")), digests(audio(&clip, "")));
    assert!(copied.len() > 40, "{} packets of audio", copied.len());
    assert_eq!(copied[..], original[..copied.len()]);
}
