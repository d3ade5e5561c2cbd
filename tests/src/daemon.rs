use crate::process::{Finished, Running, program};
use rustix::process::Signal;
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// A `vtremoted` on a loopback port of its own, killed when dropped.
pub struct Daemon {
    process: Running,
    address: String,
}

impl Daemon {
    /// Starts it with a synthetic backend that follows this script; `""` is the plain one.
    pub fn synthetic(script: &str, arguments: &[&str]) -> Self {
        let backend =
            if script.is_empty() { "synthetic".to_owned() } else { format!("synthetic:{script}") };
        Self::start(&[&["--backend", &backend], arguments].concat())
    }

    /// Starts it with the encoders of the installed FFmpeg.
    pub fn libavcodec(arguments: &[&str]) -> Self {
        Self::start(&[&["--backend", "libavcodec"], arguments].concat())
    }

    /// Starts it with these arguments and waits until it listens.
    ///
    /// # Panics
    /// If it does not come up.
    #[track_caller]
    pub fn start(arguments: &[&str]) -> Self {
        // Another build of it, with a sanitizer.
        let other = std::env::var_os("VTREMOTE_TEST_DAEMON").map(PathBuf::from);
        let mut command = Command::new(other.unwrap_or_else(|| program("release/vtremoted")));
        command.args(["--listen", "127.0.0.1:0", "--log-format", "json"]).args(arguments);
        let process = Running::start(&mut command);
        let address = process.line(0, |line| {
            let line: Value = serde_json::from_str(line).ok()?;
            (line["message"] == "listening").then(|| line["address"].as_str().map(str::to_owned))?
        });
        Daemon { process, address }
    }

    /// `host:port`, for `-vt_remote_host`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What the daemon says of the `index`th session that ended, counted from 0. Waits for it.
    #[track_caller]
    pub fn session(&self, index: usize) -> SessionReport {
        self.process.line(index, |line| {
            let line: Value = serde_json::from_str(line).ok()?;
            (line["message"] == "session ended").then_some(SessionReport(line))
        })
    }

    /// Waits for a line of the log that has this text.
    #[track_caller]
    pub fn says(&self, text: &str) -> String {
        self.process.line(0, |line| line.contains(text).then(|| line.to_owned()))
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Waits for its end.
    #[track_caller]
    pub fn finish(self) -> Finished {
        self.process.finish(Duration::from_secs(60))
    }
}

/// The line that the daemon writes when a session ends.
#[derive(Debug)]
pub struct SessionReport(Value);

impl SessionReport {
    /// A number of the line.
    #[track_caller]
    pub fn number(&self, field: &str) -> f64 {
        self.0[field].as_f64().unwrap_or_else(|| panic!("no number {field} in {}", self.0))
    }

    /// Why the session ended: `done`, or what went wrong.
    #[track_caller]
    pub fn end(&self) -> &str {
        self.0["end"].as_str().unwrap_or_else(|| panic!("no end in {}", self.0))
    }
}
