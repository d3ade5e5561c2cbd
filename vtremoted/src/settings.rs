use crate::Token;
use std::fmt;
use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;
use vtremote_link::Address;

/// Where the token came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `--token`.
    Flag,
    /// The file that `--token-file` names.
    File(PathBuf),
    /// `VTREMOTED_TOKEN`.
    Environment,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Flag => f.write_str("--token"),
            Source::File(path) => write!(f, "{}", path.display()),
            Source::Environment => f.write_str("VTREMOTED_TOKEN"),
        }
    }
}

/// Everything that a daemon is told, resolved.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen.
    pub listen: Vec<Address>,
    /// What clients must send, and where it was set.
    pub token: Option<(Token, Source)>,
    /// Sessions at a time.
    pub max_sessions: usize,
    /// `auto`, `libavcodec`, `videotoolbox`, `synthetic` or `synthetic:SCRIPT`.
    pub backend: String,
    /// Encoders of the libavcodec backend that are not its defaults: codec (`h264`, `hevc`) and name.
    pub encoders: Vec<(String, String)>,
    /// Threads of a session's software encoder; as many as there are processors if `None`.
    pub encoder_threads: Option<NonZero<usize>>,
    /// For HELLO, and for CONFIGURE after it.
    pub handshake_timeout: Duration,
    /// For a session in which nothing moves.
    pub idle_timeout: Duration,
    /// For sessions to finish after SIGTERM.
    pub drain_timeout: Duration,
    /// The longest message that is accepted, in bytes.
    pub max_message_bytes: u32,
    /// What is logged.
    pub log_level: LogLevel,
    /// And how.
    pub log_format: LogFormat,
    /// And where to, if not to standard error.
    pub log_file: Option<PathBuf>,
    /// End after one session.
    pub once: bool,
}

/// What is logged: this and what is graver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// What ended a session or the daemon.
    Error,
    /// What a person should look at.
    Warn,
    /// A few lines a session.
    Info,
    /// What a bug report needs.
    Debug,
    /// Every message.
    Trace,
}

/// The form of the log's lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}
