//! What can be wrong with bytes that came in, and with a message that is to go out.

use crate::error_code;
use crate::message::MessageType;

/// Why incoming bytes were refused: always the peer's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Wrong magic or version: some other software. The connection is closed without an ERROR.
    #[error("the peer does not speak VTR1 version 1")]
    NotVtr1,
    /// The header announces more than this kind of message may have; nothing of it was read.
    #[error("{message} of {len} bytes is longer than the {max} bytes allowed")]
    TooLong {
        /// Which message.
        message: MessageType,
        /// The announced payload length in bytes.
        len: u32,
        /// The limit in bytes.
        max: u32,
    },
    /// The payload contradicts itself or the protocol.
    #[error("{message}: {field} at byte {offset} {fault}")]
    Malformed {
        /// Which message.
        message: MessageType,
        /// Which field of it.
        field: &'static str,
        /// Where that field begins, in bytes from the payload's start.
        offset: u32,
        /// What is wrong with it.
        fault: Fault,
    },
}

impl ReadError {
    /// The code of the ERROR to answer with; none if the connection is closed without one.
    pub fn code(&self) -> Option<u32> {
        match self {
            Self::NotVtr1 => None,
            Self::TooLong { .. } => Some(error_code::BAD_REQUEST),
            Self::Malformed { .. } => Some(error_code::PROTOCOL),
        }
    }
}

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// It needs more bytes than the payload has left.
    #[error("runs past the end of the payload")]
    PastEnd,
    /// The payload goes on after its last field.
    #[error("should be the end, but {0} bytes follow")]
    Trailing(u32),
    /// Text that is not UTF-8.
    #[error("is not UTF-8")]
    NotUtf8,
    /// Text with a NUL in it.
    #[error("contains a NUL")]
    Nul,
    /// A record that may only be the first of its message.
    #[error("is not the first record")]
    NotFirst,
    /// A number outside of its range.
    #[error("is {value}, not between {min} and {max}")]
    OutOfRange {
        /// What came.
        value: u64,
        /// The least that is allowed.
        min: u64,
        /// The most that is allowed.
        max: u64,
    },
}

/// Why a message could not be built: always the caller's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// A field, or the whole payload, has more bytes or elements than the format can express or the
    /// default limits let through.
    #[error("{message}: {field} has {len}, more than {max}")]
    TooLong {
        /// Which message.
        message: MessageType,
        /// Which field of it.
        field: &'static str,
        /// How many bytes or elements there are.
        len: usize,
        /// How many there may be.
        max: usize,
    },
    /// A text contains a NUL.
    #[error("{message}: {field} contains a NUL")]
    Nul {
        /// Which message.
        message: MessageType,
        /// Which field of it.
        field: &'static str,
    },
    /// A FRAME's head announces another number of planes than were given.
    #[error("FRAME: the head announces {head} planes, but {given} were given")]
    PlaneCount {
        /// What the head says.
        head: u8,
        /// How many planes were given.
        given: usize,
    },
}
