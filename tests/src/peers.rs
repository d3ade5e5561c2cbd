use crate::process::{Finished, Running, run, skip};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The client and the server of tests/peers, which share nothing with our ends and say what those do wrong.
pub struct Peers {
    python: PathBuf,
}

impl Peers {
    /// None, and the test is skipped, where there is no Python with the modules that they need.
    pub fn find(test: &str) -> Option<Self> {
        let python = ["python3", "/usr/bin/python3"].into_iter().find(|python| {
            let modules = Command::new(python).args(["-c", "import lz4.block, zstandard"]).output();
            modules.is_ok_and(|output| output.status.success())
        });
        if python.is_none() {
            skip(test, "no python3 with lz4 and zstandard");
        }
        Some(Peers { python: python?.into() })
    }

    fn command(&self, arguments: &str) -> Command {
        let vtr1 = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/vtr1.py");
        let mut command = Command::new("sh");
        // What it says goes where lines can be waited for.
        command.args(["-c", "exec \"$@\" >&2", "sh"]).arg(&self.python).arg(vtr1);
        command.args(arguments.split_whitespace());
        command
    }

    /// Its server for so many sessions, on a port of its own, with these options.
    #[track_caller]
    pub fn serve(&self, sessions: usize, options: &str) -> PeerServer {
        let arguments = format!("serve --sessions {sessions} {options}");
        let process = Running::start(&mut self.command(&arguments));
        let address = process.line(0, |line| line.strip_prefix("listening on ").map(str::to_owned));
        PeerServer { process, address }
    }

    /// Runs its client, which finds nothing wrong with the server, and gives what it tells.
    ///
    /// # Panics
    /// If it does find something wrong.
    #[track_caller]
    pub fn client(&self, mode: &str, server: &str, options: &str) -> Value {
        // Small, because their pictures are made in Python.
        let arguments = format!("{mode} {server} --width 96 --height 64 {options}");
        let finished = run(&mut self.command(&arguments));
        assert!(finished.status.success(), "{mode} {options}\n{}", finished.stderr);
        let line = finished.stderr.lines().last().expect("a line");
        serde_json::from_str(line).expect("JSON")
    }
}

/// A server of tests/peers.
pub struct PeerServer {
    process: Running,
    address: String,
}

impl PeerServer {
    /// `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Waits until it has had all its sessions, and gives what it tells of each.
    ///
    /// # Panics
    /// If a client did something wrong.
    #[track_caller]
    pub fn satisfied(self) -> Vec<Value> {
        let Finished { status, stderr, .. } = self.process.finish(Duration::from_secs(60));
        assert!(status.success(), "{stderr}");
        let report = |line: &str| {
            let (_, report) = line.strip_prefix("session ")?.split_once(": ")?;
            serde_json::from_str(report).ok()
        };
        stderr.lines().filter_map(report).collect()
    }
}
