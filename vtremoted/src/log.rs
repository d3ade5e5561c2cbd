//! The log goes to standard error, a line an event.

use crate::settings::{LogFormat, LogLevel, Settings};
use std::io::IsTerminal;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt;

/// Sets the process's log up. A second call in one process changes nothing.
pub(crate) fn begin(settings: &Settings) {
    let level = match settings.log_level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let log = fmt().with_max_level(level).with_writer(std::io::stderr).with_target(false);
    // Fails only if a log is there already: tests run several daemons in one process.
    let _ = match settings.log_format {
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => log.json().flatten_event(true).with_current_span(false).try_init(),
    };
}
