//! A stream each way and codec with every FFmpeg that the codecs support.

use std::path::Path;
use vtremote_tests::{Daemon, Ffmpeg, Shape, packets, scratch};

/// Times, size and hash of each picture.
#[track_caller]
fn pictures(decoder: Ffmpeg, file: &Path, pixels: &str) -> Vec<String> {
    let decoder = decoder.args("-i").arg(file).args("-map 0:v -fps_mode passthrough -pix_fmt");
    let text = decoder.args(pixels).args("-f framemd5 -").run().ok();
    let text = String::from_utf8(text).expect("framemd5 writes text");
    text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

#[test]
fn what_is_encoded_there_is_decoded_there_as_here() {
    let dir = scratch("versions");
    let daemon = Daemon::libavcodec(&[]);
    for (codec, format) in [("h264", "nv12"), ("hevc", "nv12"), ("hevc", "p010le")] {
        let video = Shape { width: 320, height: 182, format }.video(30, &dir.join("in.raw"));
        let file = dir.join(format!("{codec}-{format}.mp4"));
        let encoder = Ffmpeg::new().args("-v error").input(&video);
        let encoder = encoder.encoder(codec, daemon.address()).args("-b:v 500k -bf 2 -g 10");
        let finished = encoder.arg(&file).run();
        assert_eq!(finished.stderr, "", "{codec} {format}");
        finished.ok();
        let packets = packets(&file);
        assert_eq!(packets.len(), 30, "{codec} {format}");
        assert!(packets.windows(2).all(|two| two[0].dts < two[1].dts), "{codec} {format}");

        let local = pictures(Ffmpeg::new().args(&format!("-c:v {codec}")), &file, format);
        let remote = pictures(Ffmpeg::new().decoder(codec, daemon.address()), &file, format);
        assert_eq!(local.len(), 30, "{codec} {format}");
        assert_eq!(remote, local, "{codec} {format}");
    }
}
