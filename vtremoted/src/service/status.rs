use super::install::installed;
use super::launchd;
use super::machine::Machine;
use super::places::Places;
use crate::Error;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// How a service is.
#[derive(Debug)]
pub(crate) struct Status {
    /// Whether its process is there.
    pub(crate) running: bool,
    /// All of it, in lines.
    pub(crate) text: String,
}

/// Looks, and changes nothing. `executable` is the program that asks.
pub(crate) fn status(
    machine: &dyn Machine,
    places: &Places,
    executable: Option<&Path>,
) -> Result<Status, Error> {
    let loaded = launchd::loaded(machine, places)?;
    let there = places.plist.exists();
    if loaded.is_none() && !there {
        let text = format!("{}: not installed\n", places.name());
        return Ok(Status { running: false, text });
    }
    let process = loaded.as_ref().and_then(|loaded| loaded.process);
    let mut text = match (&loaded, process) {
        (_, Some(process)) => format!("{}: running, process {process}\n", places.name()),
        (Some(loaded), None) => {
            let exit = loaded.last_exit.as_deref().unwrap_or("none yet");
            format!("{}: not running; its last exit code: {exit}\n", places.name())
        }
        (None, None) => format!("{}: installed, and launchd does not have it\n", places.name()),
    };
    let mut line = |name: &str, what: String| text += &format!("  {name:<8} {what}\n");
    let binary = &places.binary;
    let note = match (fs::read(binary), executable.and_then(|path| fs::read(path).ok())) {
        (Err(error), _) => format!(": {error}"),
        (Ok(installed), Some(own)) if installed != own => {
            format!(
                ": another than this one; vtremoted service install{} updates it",
                places.flag()
            )
        }
        _ => String::new(),
    };
    line("program", format!("{}{note}", binary.display()));
    match installed(places) {
        Ok(Some(installed)) => {
            if let Some(user) = installed.user {
                line("user", user);
            }
            line("flags", installed.flags.join(" "));
        }
        Ok(None) => line("plist", format!("{}: not there", places.plist.display())),
        Err(error) => line("plist", error.to_string()),
    }
    let note = match fs::metadata(&places.token).map(|file| file.permissions().mode() & 0o7777) {
        Ok(0o600) => String::new(),
        Ok(mode) => {
            format!(": its mode is {mode:o}; vtremoted service install{} mends it", places.flag())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => ": not there".into(),
        Err(error) => format!(": {error}"),
    };
    line("token", format!("{}{note}", places.token.display()));
    line("log", places.log.display().to_string());
    Ok(Status { running: process.is_some(), text })
}
