//! The messages that say everything by their type: FLUSH, DONE, PING, PONG, PACKET_ACK
//! (docs/protocol.md section 2).
//!
//! They are written empty, but for a PONG that echoes, and read with any payload that the limits
//! let through: all but PING's is dropped.

use crate::message::MessageType;

/// From the client: no more input, send what remains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flush;

/// From the server: there is no more output. Always empty, since some clients fail otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done;

/// From a transcoding server, if negotiated: a PACKET was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketAck;

/// Asks for a [`Pong`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ping;

/// Answers a [`Ping`], and may echo its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pong<'a>(pub &'a [u8]);

impl Flush {
    /// Appends the message to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&MessageType::Flush.header(0));
    }
}

impl Done {
    /// Appends the message to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&MessageType::Done.header(0));
    }
}

impl PacketAck {
    /// Appends the message to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&MessageType::PacketAck.header(0));
    }
}

impl Ping {
    /// Appends the message to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&MessageType::Ping.header(0));
    }
}

impl Pong<'_> {
    /// The most of a PING's payload that is echoed: enough for a counter or a time, and no way to
    /// make us send much for a PING that we were sent.
    pub const MAX_ECHO: usize = 64;

    /// Appends the message to `out`; a payload over [`Pong::MAX_ECHO`] bytes is left out.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let echo = if self.0.len() <= Self::MAX_ECHO { self.0 } else { &[] };
        out.extend_from_slice(&MessageType::Pong.header(echo.len() as u32));
        out.extend_from_slice(echo);
    }
}
