use std::fmt;

/// What a backend could not do, and whose fault it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The codec, pixel format, size or mode does not exist here; says which.
    Unsupported(String),
    /// An option of the user's is refused: its wire name, and why.
    Option {
        /// The option's name on the wire.
        key: &'static str,
        /// Why it cannot be, and what could.
        reason: String,
    },
    /// The codec failed at run time: what it said, at which frame.
    Codec(String),
    /// The backend broke its own rules: a defect.
    Internal(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Unsupported(what) => write!(f, "not supported: {what}"),
            Error::Option { key, reason } => write!(f, "option {key}: {reason}"),
            Error::Codec(what) => write!(f, "codec failed: {what}"),
            Error::Internal(what) => write!(f, "internal error: {what}"),
        }
    }
}

impl std::error::Error for Error {}
