//! The vtremote daemon: serves the encoders of this machine over TCP.
//!
//! ```text
//!   arguments ─▶ settings ─▶ run ─▶ Daemon ─┬─ one thread a listener: accept
//!                                           └─ per connection: reader, writer, slice workers
//! ```
//!
//! The protocol itself is `vtremote_proto::Server`; what is here moves bytes between it, the network
//! and a backend.
#![forbid(unsafe_code)]

mod arguments;
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
pub use self_test::self_test;
pub use service::Service;
pub use settings::{LogFormat, LogLevel, Settings, Source};
pub use token::Token;

use std::sync::Arc;
use vtremote_backend::Backend;

/// Serves until a signal, or, with `--once`, until one session has ended. The first backend that has a
/// codec serves it.
///
/// # Errors
/// [`Error`] if the log cannot be written, no address can be listened on or no backend can encode anything.
pub fn run(settings: &Settings, backends: &[Arc<dyn Backend>]) -> Result<Exit, Error> {
    log::begin(settings)?;
    let daemon = Daemon::bind(settings, backends)?;
    // Before anyone can read the address and send one.
    daemon.stop_on_signals()?;
    banner::print(&daemon);
    Ok(daemon.serve())
}
