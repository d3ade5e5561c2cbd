//! The log goes to standard error or to a file, a line an event.

use crate::Error;
use crate::log_file::LogFile;
use crate::settings::{LogFormat, LogLevel, Settings};
use std::io::IsTerminal;
use std::panic::PanicHookInfo;
use std::sync::Mutex;
use tracing::subscriber::set_global_default;
use tracing::{Subscriber, error};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

/// Sets the process's log up. A second call in one process changes nothing.
///
/// # Errors
/// [`Error::Start`] names the file that cannot be written.
pub(crate) fn begin(settings: &Settings) -> Result<(), Error> {
    let log = subscriber(settings)?;
    // There is a log already where tests run several daemons in one process.
    if set_global_default(log).is_ok() {
        std::panic::set_hook(Box::new(panicked));
        #[cfg(feature = "libavcodec")]
        follow_libavcodec();
    }
    Ok(())
}

/// Writes the log as the settings have it.
///
/// # Errors
/// [`Error::Start`] names the file that cannot be written.
pub(crate) fn subscriber(settings: &Settings) -> Result<Box<dyn Subscriber + Send + Sync>, Error> {
    let level = match settings.log_level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let (writer, coloured) = match &settings.log_file {
        None => (BoxMakeWriter::new(std::io::stderr), std::io::stderr().is_terminal()),
        Some(path) => {
            let file = LogFile::open(path)
                .map_err(|error| Error::Start(format!("--log-file {}: {error}", path.display())))?;
            (BoxMakeWriter::new(Mutex::new(file)), false)
        }
    };
    let log = fmt().with_max_level(level).with_writer(writer).with_target(false);
    // Whoever reads the log may go: a line that cannot be written must not end a session, which a
    // complaint on the same standard error would.
    let log = log.log_internal_errors(false);
    Ok(match settings.log_format {
        LogFormat::Text => Box::new(log.with_ansi(coloured).finish()),
        LogFormat::Json => {
            Box::new(log.json().flatten_event(true).with_current_span(false).finish())
        }
    })
}

/// A panic is a line of the log like any other.
fn panicked(panic: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let payload = panic.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    error!(thread, place, "panic: {}", text.unwrap_or("no message"));
}

#[cfg(feature = "libavcodec")]
fn follow_libavcodec() {
    use tracing::{debug, warn};
    use vtremote_backend_libavcodec::{LogLevel, set_log};
    set_log(|level, line| match level {
        LogLevel::Error => error!("libavcodec: {line}"),
        LogLevel::Warning => warn!("libavcodec: {line}"),
        // A dozen lines a session, of statistics for the most part.
        LogLevel::Info => debug!("libavcodec: {line}"),
    });
}
