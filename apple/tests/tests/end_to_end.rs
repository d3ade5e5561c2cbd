//! ffmpeg and the daemon over the double, each as a process. When a test ends its daemon ends, and fails the
//! test if it has not released and unlocked everything.

/// Apart by this name from what needs no ffmpeg.
mod end_to_end {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};
    use vtremote_tests::{Daemon, Ffmpeg, Finished, RawVideo, Shape, packets, scratch};

    const FRAMES: usize = 50;

    fn daemon(script: &str) -> Daemon {
        let program = Path::new(env!("CARGO_BIN_EXE_vtremoted-over-double"));
        Daemon::over_double(program, script, &[])
    }

    fn video(dir: &Path, format: &'static str) -> RawVideo {
        let shape = Shape { width: 176, height: 144, format };
        shape.video(FRAMES, &dir.join("in.raw"))
    }

    fn encode(
        daemon: &Daemon,
        video: &RawVideo,
        codec: &str,
        options: &str,
        out: &Path,
    ) -> Finished {
        let ffmpeg = Ffmpeg::new().input(video).encoder(codec, daemon.address());
        ffmpeg.args("-b:v 2M").args(options).arg(out).run()
    }

    #[track_caller]
    fn every_frame_is_in(file: &Path, frames: usize) {
        let stored = packets(file);
        let times: BTreeSet<_> = stored.iter().map(|packet| packet.pts.expect("a pts")).collect();
        assert_eq!((stored.len(), times.len()), (frames, frames));
        assert!(stored.windows(2).all(|pair| pair[0].dts < pair[1].dts), "dts rises");
        assert!(stored.iter().all(|packet| packet.dts <= packet.pts), "dts up to pts");
    }

    /// The PSNR of what was encoded, of the whole film, in dB.
    #[track_caller]
    fn likeness(video: &RawVideo, file: &Path) -> f64 {
        let compare = Ffmpeg::new().arg("-i").arg(file).input(video);
        let compare = compare.args("-lavfi [0:v][1:v]psnr -f null -").run();
        let line = compare.stderr.clone();
        compare.ok();
        let average = line.split("average:").nth(1).expect("a PSNR").split_whitespace().next();
        average.unwrap().parse().expect("a number")
    }

    #[track_caller]
    fn well_encoded(script: &str, codec: &str, format: &'static str, options: &str) -> String {
        let name = format!("apple-{script}-{codec}-{format}-{options}");
        let dir = scratch(&name.replace(|c: char| !c.is_ascii_alphanumeric(), "-"));
        let (video, out) = (video(&dir, format), dir.join("out.mp4"));
        let daemon = daemon(script);
        let finished = encode(&daemon, &video, codec, options, &out);
        let stderr = finished.stderr.clone();
        finished.ok();
        every_frame_is_in(&out, FRAMES);
        let likeness = likeness(&video, &out);
        assert!(likeness > 30.0, "{likeness} dB");
        stderr
    }

    #[test]
    fn every_codec_and_depth_is_encoded() {
        for options in ["-bf 0", "-bf 2 -g 20", "-bf 2 -vt_remote_inflight 8"] {
            well_encoded("", "h264", "nv12", options);
            well_encoded("rows=256", "hevc", "nv12", options);
            well_encoded("rows=16", "hevc", "p010le", options);
        }
    }

    #[test]
    fn an_encoder_may_order_and_call_back_as_it_likes() {
        for script in [
            "reorder=0",
            "reorder=2",
            "callbacks=fresh",
            "callbacks=caller",
            "blocks=split-long",
            "machine=intel",
        ] {
            well_encoded(script, "h264", "nv12", "-bf 2");
            well_encoded(script, "h264", "nv12", "-bf 0");
        }
    }

    #[test]
    fn an_encoder_may_give_nothing_before_the_end() {
        let dir = scratch("apple-hold");
        let out = dir.join("out.mp4");
        // As many as a server may hold back.
        let options = "-bf 2 -frames:v 7";
        encode(&daemon("hold"), &video(&dir, "nv12"), "h264", options, &out).ok();
        every_frame_is_in(&out, 7);
    }

    #[test]
    fn a_session_that_is_lost_costs_no_frame() {
        for script in ["encode=20:invalidate", "encode=20:die:-12903"] {
            for (codec, options) in [("h264", "-bf 2"), ("hevc", "-bf 0")] {
                let stderr = well_encoded(script, codec, "nv12", options);
                let told = "server: encoder: VideoToolbox's session was lost";
                assert!(stderr.contains(told), "{script} {codec}: {stderr}");
            }
        }
    }

    #[test]
    fn a_frame_that_is_lost_ends_ffmpeg_with_an_error() {
        for (script, text) in [
            ("encode=20:drop", "dropped"),
            ("encode=20:error:-12902", "-12902"),
            ("fail=VTCompressionSessionEncodeFrame:20:-12904", "-12904"),
        ] {
            let dir = scratch("apple-lost");
            let (video, out) = (video(&dir, "nv12"), dir.join("out.mp4"));
            let daemon = daemon(script);
            encode(&daemon, &video, "h264", "", &out).failed_with(text);
        }
    }

    /// Callbacks come in decoding order by Apple's word. Where that is the order of times it can be mended.
    #[test]
    fn frames_out_of_order_are_put_in_order_or_end_ffmpeg_with_an_error() {
        let script = "encode=20:late:3";
        well_encoded(script, "h264", "nv12", "-bf 0");
        let dir = scratch("apple-late");
        let (video, out) = (video(&dir, "nv12"), dir.join("out.mp4"));
        let daemon = daemon(script);
        encode(&daemon, &video, "h264", "-bf 2", &out).failed_with("decoded later");
    }

    fn stream(dir: &Path, options: &str) -> PathBuf {
        let out = dir.join("stream.mp4");
        encode(&daemon(""), &video(dir, "nv12"), "h264", options, &out).ok();
        out
    }

    fn decoded(script: &str, file: &Path) -> (usize, String) {
        let daemon = daemon(script);
        let decoder = Ffmpeg::new().args("-v warning").decoder("h264", daemon.address());
        let decoder = decoder.arg("-i").arg(file).args("-fps_mode passthrough -f framemd5 -").run();
        let stderr = decoder.stderr.clone();
        let list = String::from_utf8(decoder.ok()).expect("text");
        (list.lines().filter(|line| !line.starts_with('#')).count(), stderr)
    }

    #[test]
    fn every_picture_is_decoded_whatever_threads_it_comes_on() {
        let dir = scratch("apple-decode");
        for options in ["-bf 0", "-bf 2 -g 20"] {
            let stream = stream(&dir, options);
            for script in ["", "callbacks=fresh", "callbacks=caller", "rows=256", "decode=9:late:2"]
            {
                assert_eq!(decoded(script, &stream).0, FRAMES, "{options} {script}");
            }
        }
    }

    #[test]
    fn four_two_two_is_decoded_to_what_ffmpeg_decodes() {
        let file = scratch("apple-422").join("stream.mkv");
        let daemon = daemon("rows=256");
        let encoder = Ffmpeg::new().args("-f lavfi -i testsrc2=size=320x180:rate=25 -frames:v 20");
        let encoder = encoder.args("-pix_fmt p210le").encoder("hevc", daemon.address());
        encoder.args("-b:v 2M -bf 2").arg(&file).run().ok();
        let pictures = |decoder: Ffmpeg| {
            let decoder = decoder.arg("-i").arg(&file).args("-vf format=p210le -f framemd5 -");
            let list = String::from_utf8(decoder.run().ok()).expect("text");
            let pictures = list.lines().filter(|line| !line.starts_with('#'));
            pictures.map(str::to_owned).collect::<Vec<_>>()
        };
        let local = pictures(Ffmpeg::new().args("-c:v hevc"));
        assert_eq!(local.len(), 20);
        assert_eq!(pictures(Ffmpeg::new().decoder("hevc", daemon.address())), local);
    }

    #[test]
    fn an_answer_that_never_comes_costs_a_picture_and_not_the_session() {
        let dir = scratch("apple-decode-never");
        let stream = stream(&dir, "-bf 0 -g 10");
        assert_eq!(decoded("decode=30:never", &stream).0, FRAMES - 1);
    }

    #[test]
    fn a_picture_that_does_not_come_is_not_the_end() {
        let dir = scratch("apple-decode-lost");
        let stream = stream(&dir, "-bf 0 -g 10");
        for script in ["decode=7:drop", "decode=7:error:-12909", "decode=7:empty"] {
            let (pictures, _) = decoded(script, &stream);
            assert_eq!(pictures, FRAMES - 1, "{script}");
        }
    }

    #[test]
    fn a_session_that_is_lost_costs_no_picture() {
        let dir = scratch("apple-decode-invalid");
        let stream = stream(&dir, "-bf 0 -g 10");
        for script in ["decode=7:invalidate", "decode=7:die:-12911"] {
            let (pictures, stderr) = decoded(script, &stream);
            assert_eq!(pictures, FRAMES, "{script}");
            assert!(stderr.contains("server: decoder: VideoToolbox: "), "{script}: {stderr}");
        }
    }
}
