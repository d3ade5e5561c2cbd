//! HELLO_ACK (docs/protocol.md section 3).

use std::fmt;

use crate::error::{EncodeError, ReadError};
use crate::message::MessageType;
use crate::wire::{self, Reader};

/// The server's answer to HELLO: whether it takes the client, and what it can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HelloAck<'a> {
    /// Anything but [`HelloStatus::Ok`] ends the session.
    pub status: HelloStatus,
    /// The server's software; early servers leave it empty.
    pub server_name: &'a str,
    /// Its version; early servers leave it empty.
    pub server_version: &'a str,
    /// What the server can do; at most 255.
    pub capabilities: Vec<&'a str>,
    /// How many sessions it takes at a time; 0 if it did not say.
    pub max_sessions: u16,
    /// How many it has; 0 if it did not say.
    pub active_sessions: u16,
}

impl<'a> HelloAck<'a> {
    /// Appends the message to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        wire::encode(out, MessageType::HelloAck, |w| {
            w.u8(self.status.to_wire());
            w.str(self.server_name, "server name")?;
            w.str(self.server_version, "server version")?;
            let count = w.count(self.capabilities.len(), u8::MAX.into(), "capabilities")?;
            w.u8(count);
            for capability in &self.capabilities {
                w.str(capability, "capability")?;
            }
            w.u16(self.max_sessions);
            w.u16(self.active_sessions);
            Ok(())
        })
    }

    /// Whether the server listed this capability.
    pub fn has(&self, capability: &str) -> bool {
        self.capabilities.contains(&capability)
    }

    /// The payload may end before either of the trailing counts, and what follows them is left for
    /// later versions of the protocol.
    pub(crate) fn read(r: &mut Reader<'a>) -> Result<Self, ReadError> {
        let status = HelloStatus::from_wire(r.u8("status")?);
        let server_name = r.str("server name")?;
        let server_version = r.str("server version")?;
        let count = r.u8("capability count")?;
        let capabilities = (0..count).map(|_| r.str("capability")).collect::<Result<_, _>>()?;
        let mut trailing = |field| if r.left() < 2 { Ok(0) } else { r.u16(field) };
        let max_sessions = trailing("max sessions")?;
        let active_sessions = trailing("active sessions")?;
        Ok(Self {
            status,
            server_name,
            server_version,
            capabilities,
            max_sessions,
            active_sessions,
        })
    }
}

/// Whether a server takes the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HelloStatus {
    /// 0: it does.
    Ok,
    /// 1: every session is taken.
    Busy,
    /// 2: the token is wrong.
    AuthenticationFailed,
    /// 3: the codec is not supported.
    Unsupported,
    /// 4: the server has a fault.
    Internal,
    /// A refusal whose meaning is not known.
    Other(u8),
}

impl HelloStatus {
    /// The status of this number.
    pub fn from_wire(number: u8) -> Self {
        match number {
            0 => Self::Ok,
            1 => Self::Busy,
            2 => Self::AuthenticationFailed,
            3 => Self::Unsupported,
            4 => Self::Internal,
            other => Self::Other(other),
        }
    }

    /// Its number on the wire.
    pub fn to_wire(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Busy => 1,
            Self::AuthenticationFailed => 2,
            Self::Unsupported => 3,
            Self::Internal => 4,
            Self::Other(number) => number,
        }
    }
}

impl fmt::Display for HelloStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok => f.write_str("accepted"),
            Self::Busy => f.write_str("busy"),
            Self::AuthenticationFailed => f.write_str("authentication failed"),
            Self::Unsupported => f.write_str("codec not supported"),
            Self::Internal => f.write_str("internal error"),
            Self::Other(number) => write!(f, "refused with status {number}"),
        }
    }
}
