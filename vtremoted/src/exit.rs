use crate::log_file::LogFile;
use std::fmt;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// How a daemon ended well enough. The numbers are its exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: asked to stop, and every session finished; or `--once`, and the session did.
    Clean = 0,
    /// 3: sessions were cut off at the drain timeout; or `--once`, and the session failed.
    Interrupted = 3,
    /// 4: a second signal.
    AtOnce = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// Why a daemon did not start.
#[derive(Debug)]
pub enum Error {
    /// 2: a flag, a variable or a file of the user's; says which and what would be right.
    Usage(String),
    /// 1: the machine: an address in use, a codec that is not there.
    Start(String),
}

impl Error {
    /// Adds it to a log file, if that can be written.
    pub fn log_to(&self, path: &Path) {
        // Standard error has it, too.
        let _ = LogFile::open(path).and_then(|mut log| writeln!(log, "vtremoted: {self}"));
    }

    /// Writes it to standard error and gives the exit code.
    pub fn report(&self) -> ExitCode {
        eprintln!("vtremoted: {self}");
        match self {
            Error::Usage(_) => ExitCode::from(2),
            Error::Start(_) => ExitCode::from(1),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Usage(text) | Error::Start(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Error {}
