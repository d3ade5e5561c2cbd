use super::install::allowed;
use super::launchd;
use super::machine::Machine;
use super::places::Places;
use crate::Error;
use std::fs;
use std::io;

/// Stops the service and removes what starts it. Gives what to tell the user.
pub(crate) fn uninstall(machine: &dyn Machine, places: &Places) -> Result<String, Error> {
    allowed(machine, places)?;
    let was_loaded = launchd::loaded(machine, places)?.is_some();
    if was_loaded {
        launchd::stop(machine, places)?;
    }
    let mut removed = was_loaded;
    for path in [&places.plist, &places.binary] {
        match fs::remove_file(path) {
            Ok(()) => removed = true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::Start(format!("{}: {error}", path.display()))),
        }
    }
    if !removed {
        return Ok(format!("the {} is not installed\n", places.name()));
    }
    let mut text = format!("the {} is stopped and removed\n", places.name());
    let kept =
        [&places.token, &places.logs].map(|path| path.exists().then(|| path.display().to_string()));
    let kept = kept.into_iter().flatten().collect::<Vec<_>>();
    if !kept.is_empty() {
        text += &format!("still there: {}\n", kept.join(", "));
    }
    Ok(text)
}
