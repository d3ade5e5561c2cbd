use crate::picture::{RawVideo, Shape};
use crate::process::{Finished, Running, ours, run};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A command line of the ffmpeg that has our encoders and decoders.
pub struct Ffmpeg(Command);

impl Ffmpeg {
    /// `ffmpeg`, quiet but for what matters, and never asking.
    pub fn new() -> Self {
        let mut command = Command::new(ours("ffmpeg"));
        command.args(["-hide_banner", "-nostdin", "-nostats", "-y"]);
        Ffmpeg(command)
    }

    /// Arguments, split at spaces.
    pub fn args(mut self, arguments: &str) -> Self {
        self.0.args(arguments.split_whitespace());
        self
    }

    /// One argument as it is.
    pub fn arg(mut self, argument: impl AsRef<std::ffi::OsStr>) -> Self {
        self.0.arg(argument);
        self
    }

    /// Raw video as input, at 25 frames per second.
    pub fn input(self, video: &RawVideo) -> Self {
        let Shape { width, height, format } = video.shape;
        let raw = format!("-f rawvideo -pix_fmt {format} -video_size {width}x{height}");
        self.args(&raw).args("-framerate 25 -i").arg(&video.path)
    }

    /// The remote encoder of a codec (`h264`, `hevc`) at a server.
    pub fn encoder(self, codec: &str, server: &str) -> Self {
        self.args(&format!("-c:v {codec}_videotoolbox_remote -vt_remote_host {server}"))
    }

    /// The remote decoder of a codec at a server, for the input that is named next.
    pub fn decoder(self, codec: &str, server: &str) -> Self {
        self.encoder(codec, server)
    }

    /// An environment variable.
    pub fn env(mut self, key: &str, value: &str) -> Self {
        self.0.env(key, value);
        self
    }

    /// Runs it to its end.
    #[track_caller]
    pub fn run(mut self) -> Finished {
        run(&mut self.0)
    }

    /// Starts it.
    #[track_caller]
    pub fn start(mut self) -> Running {
        Running::start(&mut self.0)
    }
}

impl Default for Ffmpeg {
    fn default() -> Self {
        Self::new()
    }
}

/// The ffmpeg of the distribution, which knows nothing of us.
pub fn stock(name: &str) -> Option<PathBuf> {
    ["/usr/bin", "/opt/homebrew/bin", "/usr/local/bin"]
        .iter()
        .map(|dir| Path::new(dir).join(name))
        .find(|path| path.exists())
}

/// A packet as a demuxer sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Ticks.
    pub pts: Option<i64>,
    /// Ticks.
    pub dts: Option<i64>,
    /// Ticks.
    pub duration: Option<i64>,
    /// Bytes.
    pub size: usize,
    /// Has the keyframe flag.
    pub keyframe: bool,
}

/// The video packets of a file, in the order in which they are stored.
#[track_caller]
pub fn packets(file: &Path) -> Vec<Packet> {
    let mut command = Command::new(ours("ffprobe"));
    command.args(["-v", "error", "-select_streams", "v", "-of", "compact=p=0"]);
    command.args(["-show_entries", "packet=pts,dts,duration,size,flags"]).arg(file);
    let text = String::from_utf8(run(&mut command).ok()).expect("ffprobe writes UTF-8");
    let packet = |line: &str| {
        let field = |name: &str| {
            line.split('|').find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
        };
        let number = |name| field(name).and_then(|value| value.parse().ok());
        Packet {
            pts: number("pts"),
            dts: number("dts"),
            duration: number("duration"),
            size: number("size").unwrap_or(0) as usize,
            keyframe: field("flags").is_some_and(|flags| flags.contains('K')),
        }
    };
    text.lines().filter(|line| line.contains("size=")).map(packet).collect()
}
