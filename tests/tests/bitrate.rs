//! The bit rate that was asked for is the one that comes, on the bundled clip played for half a minute.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use vtremote_tests::{Daemon, Ffmpeg, run, scratch, skip, stock};

/// Bits per second.
const RATE: f64 = 2_000_000.0;

/// How often the clip of eight seconds is played.
const TIMES: u64 = 4;

/// What both ends of a comparison are asked for.
const OPTIONS: &str = "-b:v 2M -bf 2 -g 48";

/// The clip as raw frames of 640x360, so that each encoder gets the same, and soon.
struct Clip {
    frames: PathBuf,
    seconds: f64,
}

impl Clip {
    fn new(dir: &Path) -> Self {
        let clip = Path::new(env!("CARGO_MANIFEST_DIR")).join("../media/bbb-1080p24-8s.mp4");
        let frames = dir.join("clip.yuv");
        let decoder = Ffmpeg::new().arg("-i").arg(clip).args("-an -fps_mode passthrough");
        decoder.args("-vf scale=640:360 -pix_fmt yuv420p -f rawvideo").arg(&frames).run().ok();
        let count =
            fs::metadata(&frames).expect("the frames are there").len() / (640 * 360 * 3 / 2);
        assert!(count > 150, "{count} frames are not the clip");
        Clip { frames, seconds: (TIMES * count) as f64 / 24.0 }
    }

    /// The arguments that read it.
    fn input(&self) -> Vec<String> {
        let raw = "-f rawvideo -pix_fmt yuv420p -video_size 640x360 -framerate 24 -stream_loop";
        let mut arguments: Vec<_> = raw.split(' ').map(str::to_owned).collect();
        let path = self.frames.to_str().expect("a path in UTF-8");
        arguments.extend([(TIMES - 1).to_string(), "-i".into(), path.into()]);
        arguments
    }

    fn rate(&self, stream: &Path) -> f64 {
        fs::metadata(stream).expect("a stream").len() as f64 * 8.0 / self.seconds
    }

    /// Bits per second of a remote encoder.
    fn remote(&self, codec: &str, dir: &Path) -> f64 {
        let daemon = Daemon::libavcodec(&[]);
        let out = dir.join(format!("remote.{codec}"));
        let input = self.input().into_iter().fold(Ffmpeg::new(), Ffmpeg::arg);
        input.encoder(codec, daemon.address()).args(OPTIONS).arg(&out).run().ok();
        self.rate(&out)
    }
}

#[test]
fn libx264_comes_within_a_tenth_of_the_rate() {
    let dir = scratch("bitrate-h264");
    let clip = Clip::new(&dir);
    let rate = clip.remote("h264", &dir) / RATE;
    fs::remove_file(&clip.frames).expect("the frames were ours");
    assert!((0.9..=1.1).contains(&rate), "{rate} of the rate");
}

#[test]
fn libx265_gives_the_rate_that_it_gives_locally() {
    let Some(ffmpeg) = stock("ffmpeg") else {
        skip("libx265_gives_the_rate_that_it_gives_locally", "no ffmpeg is installed");
        return;
    };
    let dir = scratch("bitrate-hevc");
    let clip = Clip::new(&dir);
    let remote = clip.remote("hevc", &dir);
    let out = dir.join("local.hevc");
    let mut local = Command::new(ffmpeg);
    local.args(["-v", "error", "-nostdin", "-y"]).args(clip.input());
    local.args(["-c:v", "libx265", "-preset", "superfast", "-flags", "+cgop"]);
    local.args(OPTIONS.split(' ')).args(["-x265-params", "log-level=error"]);
    run(local.arg(&out)).ok();
    let local = clip.rate(&out);
    fs::remove_file(&clip.frames).expect("the frames were ours");
    let ratio = remote / local;
    assert!((0.98..=1.02).contains(&ratio), "{remote} is {ratio} times {local}, the local one");
}
