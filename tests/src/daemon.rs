use crate::process::{Finished, Running, program};
use rustix::process::Signal;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A `vtremoted` on a loopback port of its own, killed when dropped.
pub struct Daemon {
    /// None once it was finished.
    process: Option<Running>,
    address: String,
    /// It is told to end when dropped, and says by its exit code whether all was well.
    judges: bool,
}

impl Daemon {
    /// Starts it with a synthetic backend that follows this script; `""` is the plain one.
    pub fn synthetic(script: &str, arguments: &[&str]) -> Self {
        let backend =
            if script.is_empty() { "synthetic".to_owned() } else { format!("synthetic:{script}") };
        Self::start(&[&["--backend", &backend], arguments].concat())
    }

    /// Whether [`Daemon::libavcodec`] is the daemon of the workspace apple/.
    pub fn is_over_double() -> bool {
        std::env::var_os("VTREMOTE_TEST_OVER_DOUBLE").is_some()
    }

    /// Starts it with the encoders of the installed FFmpeg. `VTREMOTE_TEST_OVER_DOUBLE` names another daemon
    /// to take its place: that of the workspace apple/, whose exit code says whether it released all it had.
    pub fn libavcodec(arguments: &[&str]) -> Self {
        match std::env::var_os("VTREMOTE_TEST_OVER_DOUBLE") {
            Some(other) => Self::over_double(Path::new(&other), "", arguments),
            None => Self::start(&[&["--backend", "libavcodec"], arguments].concat()),
        }
    }

    /// Starts the daemon of the workspace apple/, over a double that does what the script says. When it is
    /// dropped it must end well; with `VTREMOTE_TEST_KILLS_DAEMONS` it is killed then.
    #[track_caller]
    pub fn over_double(program: &Path, script: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.env("VTREMOTE_DOUBLE", script);
        let mut daemon = Self::run(command, arguments);
        // ThreadSanitizer withholds the signal from it: it would not end.
        daemon.judges = std::env::var_os("VTREMOTE_TEST_KILLS_DAEMONS").is_none();
        daemon
    }

    /// Starts it with these arguments and waits until it listens.
    ///
    /// # Panics
    /// If it does not come up.
    #[track_caller]
    pub fn start(arguments: &[&str]) -> Self {
        // Another build of it, with a sanitizer.
        let other = std::env::var_os("VTREMOTE_TEST_DAEMON").map(PathBuf::from);
        Self::run(Command::new(other.unwrap_or_else(|| program("release/vtremoted"))), arguments)
    }

    #[track_caller]
    fn run(mut command: Command, arguments: &[&str]) -> Self {
        command.args(["--listen", "127.0.0.1:0", "--log-format", "json"]).args(arguments);
        let process = Running::start(&mut command);
        let address = process.line(0, |line| {
            let line: Value = serde_json::from_str(line).ok()?;
            (line["message"] == "listening").then(|| line["address"].as_str().map(str::to_owned))?
        });
        Daemon { process: Some(process), address, judges: false }
    }

    fn process(&self) -> &Running {
        self.process.as_ref().expect("a daemon that runs")
    }

    /// `host:port`, for `-vt_remote_host`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What the daemon says of the `index`th session that ended, counted from 0. Waits for it.
    #[track_caller]
    pub fn session(&self, index: usize) -> SessionReport {
        self.process().line(index, |line| {
            let line: Value = serde_json::from_str(line).ok()?;
            (line["message"] == "session ended").then_some(SessionReport(line))
        })
    }

    /// Waits for a line of the log that has this text.
    #[track_caller]
    pub fn says(&self, text: &str) -> String {
        self.process().line(0, |line| line.contains(text).then(|| line.to_owned()))
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        self.process().signal(signal);
    }

    /// Kills it.
    pub fn kill(mut self) {
        self.process = None;
    }

    /// Waits for its end.
    #[track_caller]
    pub fn finish(mut self) -> Finished {
        self.process.take().expect("a daemon that runs").finish(Duration::from_secs(60))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let Some(process) = self.process.take().filter(|_| self.judges) else { return };
        if std::thread::panicking() {
            return;
        }
        process.signal(Signal::TERM);
        let finished = process.finish(Duration::from_secs(60));
        assert!(finished.status.success(), "{}\n{}", finished.status, finished.stderr);
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
