use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// How much a line of the log matters. The numbers are the C interface's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i32)]
pub enum Level {
    /// The session ends.
    Error = 0,
    /// Something that was asked for is not done.
    Warn = 1,
    /// What the session is: server, codec, compression.
    Info = 2,
    /// What happens, once a session.
    Debug = 3,
    /// What happens, frame by frame.
    Trace = 4,
}

impl FromStr for Level {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Ok(match name {
            "error" => Self::Error,
            "warn" => Self::Warn,
            "info" => Self::Info,
            "debug" => Self::Debug,
            "trace" => Self::Trace,
            _ => return Err(()),
        })
    }
}

/// Takes the library's lines, from any of its threads.
pub type LogSink = dyn Fn(Level, &str) + Send + Sync;

/// Where lines go, and which.
#[derive(Clone)]
pub(crate) struct Log {
    level: Level,
    sink: Option<Arc<LogSink>>,
}

impl Log {
    pub(crate) fn new(level: Level, sink: Option<Arc<LogSink>>) -> Self {
        Self { level, sink }
    }

    /// Gives the sink a line of this level if anybody wants it; it is not even written otherwise.
    pub(crate) fn line(&self, level: Level, line: fmt::Arguments<'_>) {
        if let Some(sink) = self.sink.as_ref().filter(|_| level <= self.level) {
            sink(level, &printable(&line.to_string()));
        }
    }
}

/// Text that has what a server or a system says in it, without what would break the line or steer a
/// terminal.
pub(crate) fn printable(text: &str) -> String {
    text.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn lines_above_the_level_are_not_given() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = lines.clone();
        let log = Log::new(
            Level::Warn,
            Some(Arc::new(move |level, line: &str| {
                sink.lock().unwrap().push((level, line.to_owned()));
            })),
        );
        log.line(Level::Warn, format_args!("a {}", 1));
        log.line(Level::Info, format_args!("b"));
        assert_eq!(*lines.lock().unwrap(), [(Level::Warn, "a 1".to_owned())]);
    }

    #[test]
    fn levels_have_names() {
        assert_eq!("trace".parse(), Ok(Level::Trace));
        assert_eq!("Info".parse::<Level>(), Err(()));
    }
}
