//! The calls of launchctl, by what they are for.

use super::machine::{Answer, Machine};
use super::places::Places;
use crate::Error;
use std::time::Duration;

pub(crate) const LAUNCHCTL: &str = "/bin/launchctl";

/// How often, and so how long, something is waited for. A service that is stopped lets its sessions
/// finish for 30 s, and launchd ends it after 40.
const STEP: Duration = Duration::from_millis(250);
const STEPS_TO_STOP: u32 = 200;
/// launchd refuses a service for a moment after it has let go of its predecessor.
const STEPS_TO_TAKE: u32 = 20;

/// What launchd says of a service that it has.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Loaded {
    /// The process, if it runs.
    pub(crate) process: Option<u32>,
    /// How it ended the last time, in launchd's words.
    pub(crate) last_exit: Option<String>,
}

/// The service as launchd has it; `None` if it has none.
pub(crate) fn loaded(machine: &dyn Machine, places: &Places) -> Result<Option<Loaded>, Error> {
    let answer = launchctl(machine, &["print", &places.target()])?;
    if !answer.is_success() {
        return Ok(None);
    }
    // Of nested blocks, which are indented further, nothing is of interest.
    let value = |key: &str| {
        let lines = answer.output.lines().filter_map(|line| line.strip_prefix('\t'));
        let mut values = lines.filter_map(|line| line.strip_prefix(key)?.strip_prefix(" = "));
        values.next().map(str::to_owned)
    };
    let process = value("pid").and_then(|text| text.trim().parse().ok());
    let last_exit = value("last exit code").filter(|text| !text.contains("never exited"));
    Ok(Some(Loaded { process, last_exit }))
}

/// Stops the service, and waits until launchd has let go of it.
pub(crate) fn stop(machine: &dyn Machine, places: &Places) -> Result<(), Error> {
    let answer = launchctl(machine, &["bootout", &places.target()])?;
    for _ in 0..STEPS_TO_STOP {
        if loaded(machine, places)?.is_none() {
            return Ok(());
        }
        machine.pause(STEP);
    }
    Err(failed("bootout", places, &answer, "it is still there"))
}

/// Gives the service to launchd, which starts it.
pub(crate) fn start(machine: &dyn Machine, places: &Places, plist: &str) -> Result<(), Error> {
    // It may have been switched off; where it was not, this changes nothing.
    launchctl(machine, &["enable", &places.target()])?;
    let mut answer = launchctl(machine, &["bootstrap", &places.domain, plist])?;
    for _ in 0..STEPS_TO_TAKE {
        if answer.is_success() {
            break;
        }
        machine.pause(STEP);
        answer = launchctl(machine, &["bootstrap", &places.domain, plist])?;
    }
    if !answer.is_success() {
        let remedy = if places.is_system {
            "is its plist as `vtremoted service install` made it?"
        } else {
            "an agent needs its user logged in at the screen; --system, with sudo, does not"
        };
        return Err(failed("bootstrap", places, &answer, remedy));
    }
    Ok(())
}

fn launchctl(machine: &dyn Machine, arguments: &[&str]) -> Result<Answer, Error> {
    machine
        .run(LAUNCHCTL, arguments)
        .map_err(|error| Error::Start(format!("launchctl {}: {error}", arguments[0])))
}

fn failed(verb: &str, places: &Places, answer: &Answer, remedy: &str) -> Error {
    let complaint = answer.complaint.trim();
    let complaint = if complaint.is_empty() { "no reason given" } else { complaint };
    let code = answer.code.map_or_else(|| "a signal".to_owned(), |code| code.to_string());
    Error::Start(format!("launchctl {verb} {}: {complaint} ({code}); {remedy}", places.target()))
}

#[cfg(test)]
mod tests {
    use super::super::testing::Scratch;
    use super::*;

    #[test]
    fn of_launchd_s_report_only_the_service_s_own_lines_count() {
        let scratch = Scratch::new();
        scratch.machine.says(
            "gui/501/org.vtremote.vtremoted = {\n\tactive count = 1\n\tstate = running\n\n\tspawn type = \
             interactive (4)\n\tresource coalition = {\n\t\tpid = 7\n\t}\n\tpid = 4711\n\tlast exit code = 1\n}\n",
        );
        let loaded = loaded(&scratch.machine, &scratch.places).unwrap().unwrap();
        assert_eq!(loaded, Loaded { process: Some(4711), last_exit: Some("1".into()) });
        scratch
            .machine
            .says("x = {\n\tstate = not running\n\tlast exit code = (never exited)\n}\n");
        let loaded = super::loaded(&scratch.machine, &scratch.places).unwrap().unwrap();
        assert_eq!(loaded, Loaded { process: None, last_exit: None });
    }
}
