//! What a server allows its clients, and what a client asks for.

use std::time::Duration;

use crate::Mode;

/// The deadlines of a server's session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerSettings {
    /// For HELLO from the start, and for CONFIGURE from HELLO_ACK.
    pub handshake_timeout: Duration,
    /// For one message from its first byte to its last; for output of which nothing leaves; and for
    /// a session in which nothing moves either way.
    pub idle_timeout: Duration,
    /// After this long without a message to send, a client that waits for us gets a PING.
    pub ping_interval: Duration,
    /// How long input is still read and dropped after the session's end.
    pub linger: Duration,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            handshake_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            ping_interval: Duration::from_secs(2),
            linger: Duration::from_secs(5),
        }
    }
}

/// What a client asked for and was offered. Known from [`ServerStep::Configure`](crate::ServerStep) on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientTraits {
    /// Encode or decode.
    pub mode: Mode,
    /// `x.ack.v1`: encoder delay costs this client no credit. To others a server holds back at most
    /// 7 frames (docs/protocol.md section 7).
    pub ack: bool,
    /// `x.slices.v1`: pictures may come and go in slices.
    pub slices: bool,
    /// `x.geometry.v1`: every decoded picture goes out in slices and says what it is.
    pub geometry: bool,
    /// `x.notice.v1`: the client is told what goes wrong on the way.
    pub notice: bool,
    /// `x.wire.vtz.v1`: slices may be vtz.
    pub vtz: bool,
    /// `x.pace.v1`: whoever sends pictures codes each as it likes, and is told how the other keeps up.
    pub pace: bool,
    /// A decode client that waits for one frame after every packet lacks this: give it no more
    /// delay than the stream's reordering. It gets no PING.
    pub decode_async: bool,
}
