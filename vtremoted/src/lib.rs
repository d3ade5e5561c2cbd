//! The vtremote daemon: serves the encoders of this machine over TCP.
//!
//! ```text
//!   arguments ─▶ settings ─▶ Daemon ─┬─ one thread a listener: accept
//!                                           └─ per connection: reader, writer, slice workers
//! ```
//!
//! The protocol itself is `vtremote_proto::Server`; what is here moves bytes between it, the network
//! and a backend.
#![forbid(unsafe_code)]

mod arguments;
mod awake;
mod banner;
mod choice;
mod daemon;
mod exit;
mod log;
mod log_file;
mod self_test;
mod service;
mod session;
mod settings;
mod slots;
mod token;

pub use arguments::Arguments;
pub use choice::backends;
pub use daemon::{Daemon, Stop};
pub use exit::{Error, Exit};
pub use service::Service;
pub use settings::{LogFormat, LogLevel, Settings, Source};
pub use token::Token;

use std::process::ExitCode;
use std::sync::Arc;
use vtremote_backend::Backend;

/// Hears what a backend has to say to whoever runs the daemon: a line each.
pub type Notices = Arc<dyn Fn(String) + Send + Sync>;

/// Does what the arguments ask for, to its end. `backends` is called where something is to be encoded; the
/// first of them that has a codec serves it.
pub fn start(
    arguments: Arguments,
    backends: impl FnOnce(&Settings, Notices) -> Result<Vec<Arc<dyn Backend>>, Error>,
) -> ExitCode {
    if let Some(service) = arguments.service() {
        return service.run();
    }
    let log_file = arguments.log_file().map(ToOwned::to_owned);
    let tested = arguments.self_test();
    let ended = arguments.resolve().and_then(|settings| {
        log::begin(&settings)?;
        if tested {
            return self_test::self_test(|notices| backends(&settings, notices));
        }
        serve(&settings, |notices| backends(&settings, notices)).map(ExitCode::from)
    });
    match ended {
        Ok(code) => code,
        Err(error) => {
            // Nobody may be there to read standard error.
            if let Some(path) = log_file {
                error.log_to(&path);
            }
            error.report()
        }
    }
}

/// Serves until a signal, or, with `--once`, until one session has ended.
fn serve(
    settings: &Settings,
    backends: impl FnOnce(Notices) -> Result<Vec<Arc<dyn Backend>>, Error>,
) -> Result<Exit, Error> {
    let notices: Notices = Arc::new(|line| tracing::warn!("{line}"));
    let daemon = Daemon::bind(settings, || backends(notices))?;
    // Before anyone can read the address and send one.
    daemon.stop_on_signals()?;
    banner::print(&daemon);
    Ok(daemon.serve())
}
