use super::launchd;
use super::machine::Machine;
use super::places::Places;
use super::plist::{self, Installed};
use super::readiness::{LogEnd, served, still_serves};
use crate::{Arguments, Error, Settings};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

const ID: &str = "/usr/bin/id";
const CHOWN: &str = "/usr/sbin/chown";

/// What is to be installed.
#[derive(Debug)]
pub(crate) struct Order<'a> {
    /// The program that is now running.
    pub(crate) executable: &'a Path,
    /// Its flags; without any, those of what is installed already.
    pub(crate) flags: &'a [String],
    /// Where the token is to be taken from.
    pub(crate) token_file: Option<&'a Path>,
    /// Whose process it is to be.
    pub(crate) user: Option<&'a str>,
    /// Who has called sudo.
    pub(crate) caller: Option<&'a str>,
}

/// Installs or updates the service and waits until it serves. Gives what to tell the user.
pub(crate) fn install(
    machine: &dyn Machine,
    places: &Places,
    order: &Order<'_>,
) -> Result<String, Error> {
    allowed(machine, places)?;
    let before = installed(places)?;
    let user = user(machine, places, order, before.as_ref())?;
    let flags = match before {
        Some(before) if order.flags.is_empty() => before.flags,
        _ => order.flags.to_vec(),
    };
    let settings = check(&flags)?;

    let here = |path: &Path| {
        let path = path.display().to_string();
        move |error: io::Error| Error::Start(format!("{path}: {error}"))
    };
    let content = fs::read(order.executable).map_err(here(order.executable))?;
    let plist = plist::write(places, &flags, user.as_deref()).into_bytes();
    let files = [
        (&places.token, token(places, order)?, 0o600),
        (&places.binary, content, 0o755),
        (&places.plist, plist, 0o644),
    ];
    let mut differ = Vec::new();
    for (path, content, mode) in &files {
        if !is_so(path, content, *mode).map_err(here(path))? {
            differ.push((path, content, *mode));
        }
    }

    let loaded = launchd::loaded(machine, places)?;
    let process = loaded.as_ref().and_then(|loaded| loaded.process);
    if let (true, Some(process)) = (differ.is_empty(), process)
        && still_serves(machine, &settings)
    {
        return Ok(format!(
            "the {} is installed as it is and serves, process {process}\n",
            places.name()
        ));
    }
    // Before anything is written: should this be cut short, what differs still does, and the next
    // installation does not take an old process for the new program's.
    if loaded.is_some() {
        launchd::stop(machine, places)?;
    }
    for directory in [Some(places.support.as_path()), Some(&places.logs), places.plist.parent()] {
        let Some(directory) = directory else { continue };
        make_directory(directory).map_err(here(directory))?;
    }
    for (path, content, mode) in differ {
        write(path, content, mode).map_err(here(path))?;
    }
    if let Some(user) = &user {
        // The program and its directory stay the administrator's.
        own(machine, user, &places.token)?;
        own(machine, user, &places.logs)?;
    }
    let path = places.plist.to_str();
    let path =
        path.ok_or_else(|| Error::Start(format!("{}: not UTF-8", places.plist.display())))?;
    let log = LogEnd::of(&places.log);
    launchd::start(machine, places, path)?;
    let process = served(machine, places, &settings, &log)?;
    Ok(told(places, &flags, process))
}

/// What is installed; an error if it is not as this program left it.
pub(crate) fn installed(places: &Places) -> Result<Option<Installed>, Error> {
    match fs::read(&places.plist) {
        Ok(bytes) => {
            let installed = plist::read(&String::from_utf8_lossy(&bytes), places);
            installed.map(Some).ok_or_else(|| {
                Error::Start(format!(
                    "{}: somebody has changed it; vtremoted service uninstall{} and install again, with the \
                     flags",
                    places.plist.display(),
                    places.flag()
                ))
            })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::Start(format!("{}: {error}", places.plist.display()))),
    }
}

/// Refuses the administrator's own agent, and what only the administrator may.
pub(crate) fn allowed(machine: &dyn Machine, places: &Places) -> Result<(), Error> {
    match (places.is_system, machine.user_id()) {
        (true, 0) => Ok(()),
        (true, _) => Err(Error::Usage("service: --system needs sudo".into())),
        (false, 0) => Err(Error::Usage(
            "service: as root only with --system; without it, leave sudo out: the service is your own"
                .into(),
        )),
        (false, _) => Ok(()),
    }
}

/// Whose process it is to be; `None` where that is not to be said.
fn user(
    machine: &dyn Machine,
    places: &Places,
    order: &Order<'_>,
    before: Option<&Installed>,
) -> Result<Option<String>, Error> {
    if !places.is_system {
        return Ok(None);
    }
    let before = before.and_then(|before| before.user.as_deref());
    let caller = order.caller.filter(|caller| !caller.is_empty() && *caller != "root");
    let Some(user) = order.user.or(before).or(caller) else {
        let what = "service: whose process is it to be? --user NAME (it needs no rights)";
        return Err(Error::Usage(what.into()));
    };
    let answer = machine.run(ID, &["-u", "--", user]).map_err(|error| cannot(ID, &error))?;
    match answer.output.trim().parse::<u32>() {
        Ok(_) if answer.is_success() => Ok(Some(user.to_owned())),
        _ => Err(Error::Usage(format!("service: this machine has no user {user}"))),
    }
}

/// That launchd could start a vtremoted with these flags, and again and again. Gives what they mean.
fn check(flags: &[String]) -> Result<Settings, Error> {
    let refuse = |why: String| Err(Error::Usage(format!("service: {why}")));
    if let Some(flag) = flags.iter().find(|flag| flag.contains(char::is_control)) {
        return refuse(format!("a control character in {flag:?}"));
    }
    Arguments::fit_for_a_service(flags).or_else(refuse)
}

/// Whether a file is there with this content and this mode.
fn is_so(path: &Path, content: &[u8], mode: u32) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(file) if file.is_file() && file.permissions().mode() & 0o7777 == mode => {
            Ok(fs::read(path)? == content)
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(false),
    }
}

/// A directory, and those above it, that others may look into.
fn make_directory(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    path.parent().map_or(Ok(()), make_directory)?;
    fs::create_dir(path)?;
    // The mode that it was made with was less the user's mask, and with sudo's it would be root's alone.
    fs::set_permissions(path, Permissions::from_mode(0o755))
}

/// Writes a file in place of the old one and never into it: whoever reads it meanwhile sees one or the
/// other, and macOS kills a program whose file no longer has the content that was signed. Nothing but its
/// bytes comes along, neither the mark of a download nor other attributes.
fn write(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    // What an installation that was cut short has left.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut open = OpenOptions::new();
    let mut file = open.write(true).create_new(true).mode(mode).open(&new)?;
    file.write_all(content)?;
    // The mode that it was made with was less the user's mask.
    file.set_permissions(Permissions::from_mode(mode))?;
    file.sync_all()?;
    fs::rename(&new, path)
}

/// The token: from the file that was named, else the one that there is, else a new one.
fn token(places: &Places, order: &Order<'_>) -> Result<Vec<u8>, Error> {
    let at = |path: &Path, error: io::Error| Error::Start(format!("{}: {error}", path.display()));
    if let Some(path) = order.token_file {
        let content = fs::read(path).map_err(|error| at(path, error))?;
        if content.trim_ascii().is_empty() {
            return Err(Error::Usage(format!("{}: there is no token in it", path.display())));
        }
        return Ok(content);
    }
    match fs::read(&places.token) {
        Ok(content) if !content.trim_ascii().is_empty() => return Ok(content),
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(at(&places.token, error));
        }
        _ => {}
    }
    random_token().map_err(|error| at(&places.token, error))
}

fn random_token() -> io::Result<Vec<u8>> {
    let mut bytes = [0; 24];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let digits = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    Ok((digits + "\n").into_bytes())
}

fn own(machine: &dyn Machine, user: &str, path: &Path) -> Result<(), Error> {
    let path = path.to_string_lossy();
    let answer = machine.run(CHOWN, &["-h", user, &path]).map_err(|error| cannot(CHOWN, &error))?;
    if answer.is_success() {
        return Ok(());
    }
    Err(Error::Start(format!("chown {user} {path}: {}", answer.complaint.trim())))
}

fn cannot(program: &str, error: &io::Error) -> Error {
    Error::Start(format!("{program}: {error}"))
}

fn told(places: &Places, flags: &[String], process: u32) -> String {
    let mut text = format!(
        "the {} serves, process {process}\n  token  {}\n  log    {}\n",
        places.name(),
        places.token.display(),
        places.log.display()
    );
    if !flags.iter().any(|flag| flag.starts_with("--listen")) {
        text += &format!(
            "It serves this machine only. For others: vtremoted service install{} -- --listen 0.0.0.0\n",
            places.flag()
        );
    }
    text
}
