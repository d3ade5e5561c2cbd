//! Whether a service that launchd has started serves, or why it does not.

use super::launchd::{self, Loaded};
use super::machine::Machine;
use super::places::Places;
use crate::Error;
use crate::banner::says_listening;
use crate::settings::{LogLevel, Settings};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use vtremote_link::Address;

/// How long a service may take to begin: it asks VideoToolbox what there is, and waits for each answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often it is looked at.
const STEP: Duration = Duration::from_millis(250);

/// As much of a log is read, in bytes. What a daemon says until it serves is a few lines.
const MOST: u64 = 1 << 20;

/// As much of a line is shown, in characters.
const SHOWN: usize = 400;

/// What a log gets from now on.
#[derive(Debug)]
pub(crate) struct LogEnd {
    path: PathBuf,
    from: u64,
}

impl LogEnd {
    pub(crate) fn of(path: &Path) -> Self {
        let from = path.metadata().map_or(0, |file| file.len());
        LogEnd { path: path.to_owned(), from }
    }

    /// What was added. A log that is shorter than it was is another one.
    fn added(&self) -> io::Result<String> {
        let mut file = File::open(&self.path)?;
        if file.metadata()?.len() >= self.from {
            file.seek(SeekFrom::Start(self.from))?;
        }
        let mut bytes = Vec::new();
        file.take(MOST).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// Waits until the service serves. Gives its process.
///
/// The log says when it does, and where its level leaves that out, an answer to HELLO.
pub(crate) fn served(
    machine: &dyn Machine,
    places: &Places,
    settings: &Settings,
    log: &LogEnd,
) -> Result<u32, Error> {
    let is_silent = matches!(settings.log_level, LogLevel::Error | LogLevel::Warn);
    let deadline = machine.now() + PATIENCE;
    loop {
        // None yet is nothing that was added.
        let added = log.added().unwrap_or_default();
        let serves =
            added.lines().any(says_listening) || is_silent && answers(machine, settings, deadline);
        // After the sign of it: whoever gave that may have been another, or have ended since.
        let loaded = launchd::loaded(machine, places)?;
        let left = deadline.saturating_duration_since(machine.now());
        let what = match &loaded {
            Some(Loaded { process: Some(process), .. }) if serves => return Ok(*process),
            Some(Loaded { process: None, last_exit: Some(exit) }) => {
                format!("it does not run (its exit code: {exit})")
            }
            _ if left > Duration::ZERO => {
                machine.pause(STEP.min(left));
                continue;
            }
            Some(Loaded { last_exit: Some(exit), .. }) => {
                format!("it ends again and again (its exit code: {exit})")
            }
            _ => format!("it does not listen after {} s", PATIENCE.as_secs()),
        };
        let log = places.log.display();
        let last = match added.lines().rfind(|line| !line.trim().is_empty()) {
            Some(line) => {
                let line = line.chars().filter(|char| !char.is_control()).take(SHOWN);
                format!("the last line of {log}: {}", line.collect::<String>())
            }
            None => format!("{log} says nothing"),
        };
        return Err(Error::Start(format!("service: installed, but {what}; {last}")));
    }
}

/// Whether one that runs already answers.
pub(crate) fn still_serves(machine: &dyn Machine, settings: &Settings) -> bool {
    answers(machine, settings, machine.now() + PATIENCE)
}

/// Whether a vtremoted answers HELLO at one of the addresses.
fn answers(machine: &dyn Machine, settings: &Settings, deadline: Instant) -> bool {
    settings.listen.iter().any(|address| {
        let left = deadline.saturating_duration_since(machine.now());
        machine.greet(&reachable(address), left).is_ok()
    })
}

/// An address to listen on, as one of this machine can reach it.
fn reachable(address: &Address) -> Address {
    let host = match address.host.parse::<IpAddr>() {
        Ok(IpAddr::V4(v4)) if v4.is_unspecified() => "127.0.0.1".into(),
        Ok(IpAddr::V6(v6)) if v6.is_unspecified() => "::1".into(),
        _ => address.host.clone(),
    };
    Address { host, port: address.port }
}
