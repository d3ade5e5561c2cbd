//! `vtremoted service`: makes vtremoted a service of the machine that it runs on, by launchd.
//!
//! Everything is a file at a fixed place ([`Places`]) and a few calls of launchctl, through [`Machine`],
//! so that all of it runs in a test.

mod greeting;
mod install;
mod launchd;
mod machine;
mod places;
mod plist;
mod readiness;
mod status;
mod uninstall;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use crate::Error;
use clap::{Args, Subcommand};
pub(crate) use machine::{Machine, ThisMachine};
use places::Places;
use std::path::PathBuf;
use std::process::ExitCode;

#[cfg(test)]
pub(crate) use testing::Folder;

/// What `vtremoted service` is told.
#[derive(Debug, Args)]
pub struct Service {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Installs this vtremoted as a service and starts it; or updates what is installed
    ///
    /// As an agent it runs while you are logged in. With --system (and sudo) it runs from the machine's
    /// start, whoever is logged in. What is installed already keeps its flags, its user and its token; if
    /// nothing differs, nothing is done.
    #[command(after_help = INSTALL_EXAMPLES)]
    Install(Install),
    /// Stops the service and removes it; the token and the log stay
    Uninstall {
        /// The machine's service and not your own
        #[arg(long)]
        system: bool,
    },
    /// Says what is installed and whether it runs; the exit code is 0 if it does and 1 if not
    Status,
}

#[derive(Debug, Args)]
struct Install {
    /// For the machine, from its start; needs sudo
    #[arg(long)]
    system: bool,

    /// Whose process it is, with --system [default: who calls sudo]
    #[arg(long, value_name = "NAME", requires = "system")]
    user: Option<String>,

    /// Take the token from this file; otherwise one is made
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// Flags of the service's vtremoted, as --listen 0.0.0.0
    #[arg(last = true, value_name = "FLAGS")]
    flags: Vec<String>,
}

const INSTALL_EXAMPLES: &str = "\
EXAMPLES
  vtremoted service install -- --listen 0.0.0.0
  sudo vtremoted service install --system -- --listen 0.0.0.0 --max-sessions 2
  vtremoted service install
      after an update of vtremoted: the new one, with the flags of the old one";

impl Service {
    /// Does it, and says what was done.
    pub fn run(&self) -> ExitCode {
        match self.done() {
            Ok((text, code)) => {
                print!("{text}");
                code
            }
            Err(error) => error.report(),
        }
    }

    fn done(&self) -> Result<(String, ExitCode), Error> {
        if !cfg!(target_os = "macos") {
            return Err(Error::Start(
                "service: this is for macOS, whose launchd runs it. Elsewhere let the system's own service \
                 manager run vtremoted, as a systemd unit for one: it stays in the foreground, logs to \
                 standard error and finishes its sessions after SIGTERM"
                    .into(),
            ));
        }
        let machine = ThisMachine;
        let own = || Ok(Places::agent(&home()?, machine.user_id()));
        let places = |system| if system { Ok(Places::daemon("/".as_ref())) } else { own() };
        match &self.action {
            Action::Install(wanted) => {
                let executable = std::env::current_exe()
                    .map_err(|error| Error::Start(format!("service: where am I? {error}")))?;
                let places = places(wanted.system)?;
                let caller = std::env::var("SUDO_USER").ok();
                let order = install::Order {
                    executable: &executable,
                    flags: &wanted.flags,
                    token_file: wanted.token_file.as_deref(),
                    user: wanted.user.as_deref(),
                    caller: caller.as_deref(),
                };
                Ok((install::install(&machine, &places, &order)?, ExitCode::SUCCESS))
            }
            Action::Uninstall { system } => {
                Ok((uninstall::uninstall(&machine, &places(*system)?)?, ExitCode::SUCCESS))
            }
            Action::Status => {
                let executable = std::env::current_exe().ok();
                let mut running = false;
                let mut text = String::new();
                for places in [own()?, Places::daemon("/".as_ref())] {
                    let status = status::status(&machine, &places, executable.as_deref())?;
                    running |= status.running;
                    text += &status.text;
                }
                Ok((text, if running { ExitCode::SUCCESS } else { ExitCode::from(1) }))
            }
        }
    }
}

fn home() -> Result<PathBuf, Error> {
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
    home.map(PathBuf::from).ok_or_else(|| Error::Usage("service: HOME is not set".into()))
}
