//! Why a client's session failed.

use std::{error, fmt, time::Duration};

use crate::{HelloStatus, ReadError, session::server::Pts};

/// Why a client's session failed. Displayed, it is one clear line, without the host's name and
/// without a remedy, which the caller knows.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientError {
    /// The caller's: settings that no session can have.
    Settings(String),
    /// The server answered HELLO with a status that is not ok: full, a wrong token, …
    Refused(HelloStatus),
    /// The server does not list what this session needs.
    MissingCapability(String),
    /// The server's ERROR: show its text, the codes mean little (docs/protocol.md section 8).
    Server {
        /// The code.
        code: u32,
        /// The message.
        message: String,
    },
    /// The server closed the connection before DONE.
    Lost {
        /// What was waited for.
        awaited: &'static str,
        /// Frames or packets that were not answered.
        unanswered: usize,
    },
    /// The connection broke.
    Transport(String),
    /// The network's or the server's: something did not come in time.
    TimedOut {
        /// What.
        what: &'static str,
        /// The time it had.
        after: Duration,
    },
    /// The server's: a message that the protocol does not allow there.
    Violation(String),
    /// The server's: bytes that are no message.
    Unreadable(ReadError),
    /// What listens there is not a VTR1 server.
    NotVtr1,
    /// The server's: frames that never got their packet.
    Missing {
        /// How many are known to be lost.
        count: usize,
        /// The pts of the first of them.
        first: i64,
    },
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings(what) => write!(f, "{what}"),
            Self::Refused(HelloStatus::Busy) => write!(f, "the server is full"),
            Self::Refused(HelloStatus::AuthenticationFailed) => write!(f, "the token is wrong"),
            Self::Refused(status) => write!(f, "the server refused: {status}"),
            Self::MissingCapability(name) => write!(f, "the server does not have {name}"),
            Self::Server { code, message } => write!(f, "the server failed: {message} ({code})"),
            Self::Lost { awaited, unanswered: 0 } => {
                write!(f, "the server closed the connection before {awaited}")
            }
            Self::Lost { awaited, unanswered } => write!(
                f,
                "the server closed the connection before {awaited}, with {unanswered} unanswered"
            ),
            Self::Transport(reason) => write!(f, "connection lost: {reason}"),
            Self::TimedOut { what, after } => write!(f, "{what} within {after:?}"),
            Self::Violation(what) => write!(f, "the server broke the protocol: {what}"),
            Self::Unreadable(error) => write!(f, "the server broke the protocol: {error}"),
            Self::NotVtr1 => write!(f, "what listens there is not a vtremote server"),
            Self::Missing { count: 1, first } => {
                write!(f, "the server dropped the frame with pts {}", Pts(*first))
            }
            Self::Missing { count, first } => {
                write!(f, "the server dropped {count} frames, the first with pts {}", Pts(*first))
            }
        }
    }
}

impl error::Error for ClientError {}

/// Why a frame or packet was not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AdmitError {
    /// Encode: a frame without a pts.
    NoPts,
    /// Encode: the pts of an earlier frame.
    DuplicatePts(i64),
    /// The window is full: later.
    NoRoom,
    /// After flush.
    Flushed,
    /// Not configured yet, or the session has ended.
    Closed,
}

impl fmt::Display for AdmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPts => write!(f, "a frame without a pts"),
            Self::DuplicatePts(pts) => write!(f, "pts {pts} was sent before"),
            Self::NoRoom => write!(f, "the window is full"),
            Self::Flushed => write!(f, "the session was flushed"),
            Self::Closed => write!(f, "the session takes no input"),
        }
    }
}

impl error::Error for AdmitError {}
