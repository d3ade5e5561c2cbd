//! Why a server's session ended, and what it refuses of its backend.

use std::{error, fmt};

use crate::{HelloStatus, NO_PTS};

/// Why a session ended. Displayed, it is one line for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// Everything was answered and DONE was sent.
    Done,
    /// The client closed the connection without FLUSH, with so many frames or packets unanswered.
    ClientLeft {
        /// Frames (encode) or packets (decode).
        unanswered: u64,
    },
    /// The HELLO was refused.
    Refused(HelloStatus),
    /// We sent ERROR: an option or property that cannot be had, a protocol violation of the
    /// client's, or a failure of the backend, as the code says (docs/protocol.md section 8).
    Failed {
        /// The ERROR's code.
        code: u32,
        /// The ERROR's message.
        message: String,
    },
    /// The client sent ERROR.
    ClientFailed {
        /// The ERROR's code.
        code: u32,
        /// The ERROR's message.
        message: String,
    },
    /// The client took nothing of what we had to send for the idle timeout.
    Stuck,
    /// What connected does not speak VTR1: other software uses the port too.
    NotVtr1,
    /// The connection broke.
    Transport(String),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => write!(f, "done"),
            Self::ClientLeft { unanswered: 0 } => write!(f, "the client left"),
            Self::ClientLeft { unanswered } => {
                write!(f, "the client left with {unanswered} unanswered")
            }
            Self::Refused(status) => write!(f, "refused: {status}"),
            Self::Failed { code, message } => write!(f, "error {code}: {message}"),
            Self::ClientFailed { code, message } => {
                write!(f, "the client sent error {code}: {message}")
            }
            Self::Stuck => write!(f, "the client stopped reading"),
            Self::NotVtr1 => write!(f, "not a VTR1 client"),
            Self::Transport(reason) => write!(f, "connection lost: {reason}"),
        }
    }
}

/// Output of the backend that may not go out. The client got ERROR 5 with this text.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum OutputError {
    /// No session that could take output: it has not begun, or it has ended.
    Closed,
    /// A packet for a frame that was answered before or never came.
    UnknownPts {
        /// The packet's pts.
        pts: i64,
    },
    /// A dts that is not above the one before (docs/protocol.md section 6).
    DtsNotRising {
        /// The packet's pts.
        pts: i64,
        /// Its dts.
        dts: i64,
        /// The dts of the packet before.
        previous: i64,
    },
    /// No dts, or one above the pts.
    DtsAfterPts {
        /// The packet's pts.
        pts: i64,
        /// Its dts.
        dts: i64,
    },
    /// The backend is drained and frames are unanswered.
    Dropped {
        /// How many.
        count: u64,
        /// The pts of the first of them.
        first: i64,
    },
    /// A message that the wire cannot carry, such as a parameter set record over 65,535 bytes.
    Unsendable(String),
}

impl fmt::Display for OutputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => write!(f, "the session takes no output"),
            Self::UnknownPts { pts } => {
                write!(f, "the encoder gave a packet for pts {}, which is not waiting", Pts(*pts))
            }
            Self::DtsNotRising { pts, dts, previous } => write!(
                f,
                "the encoder's packet for pts {} has dts {}, not above {previous}",
                Pts(*pts),
                Pts(*dts)
            ),
            Self::DtsAfterPts { pts, dts } => write!(
                f,
                "the encoder's packet for pts {} has dts {}, not at or below it",
                Pts(*pts),
                Pts(*dts)
            ),
            Self::Dropped { count, first } => {
                write!(f, "the encoder dropped {count} frames, the first with pts {}", Pts(*first))
            }
            Self::Unsendable(what) => write!(f, "cannot be sent: {what}"),
        }
    }
}

impl error::Error for OutputError {}

/// A timestamp as people read it.
pub(in crate::session) struct Pts(pub(in crate::session) i64);

impl fmt::Display for Pts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == NO_PTS { write!(f, "none") } else { write!(f, "{}", self.0) }
    }
}
