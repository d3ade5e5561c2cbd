//! What FFmpeg's tools read in an elementary stream.

use crate::process::{ours, run};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// The headers of a stream, in its order.
#[derive(Debug)]
pub struct Headers(Vec<(String, i64)>);

impl Headers {
    /// Reads every header of a file with the `trace_headers` filter.
    ///
    /// # Panics
    /// If ffmpeg cannot read it.
    #[track_caller]
    pub fn of(file: &Path) -> Self {
        let mut command = Command::new(ours("ffmpeg"));
        command.args(["-hide_banner", "-nostdin", "-nostats", "-v", "info", "-i"]).arg(file);
        let traced =
            run(command.args(["-c", "copy", "-bsf:v", "trace_headers", "-f", "null", "-"]));
        assert!(traced.status.success(), "{}", traced.stderr);
        // `[trace_headers @ 0x1] 24    level_idc    00010100 = 20`
        let element = |line: &str| {
            let (_, line) = line.strip_prefix("[trace_headers @ ")?.split_once("] ")?;
            let mut words = line.split_whitespace();
            words.next()?.parse::<u64>().ok()?;
            let name = words.next()?.to_owned();
            let (_, value) = line.rsplit_once("= ")?;
            Some((name, value.trim().parse().ok()?))
        };
        Headers(traced.stderr.lines().filter_map(element).collect())
    }

    /// The values of a syntax element, by the standards' name for it.
    pub fn all(&self, name: &str) -> Vec<i64> {
        self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| *value).collect()
    }

    /// The one value that a syntax element has throughout the stream.
    ///
    /// # Panics
    /// If it has none, or more than one.
    #[track_caller]
    pub fn one(&self, name: &str) -> i64 {
        let mut values = self.all(name);
        values.dedup();
        let [value] = values[..] else { panic!("{name} is {values:?}") };
        value
    }

    /// Every element with its value, to see which follows which.
    pub fn elements(&self) -> impl Iterator<Item = (&str, i64)> {
        self.0.iter().map(|(name, value)| (&name[..], *value))
    }
}

/// What ffprobe says of a file: its first video stream, and all frames in the order of showing.
///
/// # Panics
/// If ffprobe cannot read it.
#[track_caller]
pub fn probe(file: &Path) -> (Value, Vec<Value>) {
    let mut command = Command::new(ours("ffprobe"));
    command.args(["-v", "error", "-of", "json", "-show_streams", "-show_frames"]);
    let json = run(command.args(["-select_streams", "v:0"]).arg(file)).ok();
    let mut json: Value = serde_json::from_slice(&json).expect("ffprobe writes JSON");
    let stream = json["streams"][0].take();
    let frames = json["frames"].as_array_mut().map(std::mem::take).unwrap_or_default();
    (stream, frames)
}
