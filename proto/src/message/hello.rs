//! HELLO (docs/protocol.md section 3).

use crate::error::{EncodeError, ReadError};
use crate::message::MessageType;
use crate::wire::{self, Reader};

/// The client's first message: who it is and which codec it wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello<'a> {
    /// The shared secret; empty if there is none.
    pub token: &'a str,
    /// "h264" or "hevc"; when transcoding, the input's.
    pub codec: &'a str,
    /// The client's software.
    pub client_name: &'a str,
    /// The version or build of that software.
    pub client_build: &'a str,
}

impl<'a> Hello<'a> {
    /// Appends the message to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        wire::encode(out, MessageType::Hello, |w| {
            w.str(self.token, "token")?;
            w.str(self.codec, "codec")?;
            w.str(self.client_name, "client name")?;
            w.str(self.client_build, "client build")
        })
    }

    /// What follows the last field is left for later versions of the protocol.
    pub(crate) fn read(r: &mut Reader<'a>) -> Result<Self, ReadError> {
        Ok(Self {
            token: r.str("token")?,
            codec: r.str("codec")?,
            client_name: r.str("client name")?,
            client_build: r.str("client build")?,
        })
    }
}
