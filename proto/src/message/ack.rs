//! ACK, of `x.ack.v1` (docs/protocol.md section 9).

use crate::error::ReadError;
use crate::message::MessageType;
use crate::wire::Reader;

/// From the server: how much input the backend has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// FRAMEs (encode) or PACKETs (decode) taken since the session began.
    pub taken: u32,
    /// What the last of them cost to decompress, in microseconds.
    pub decompress_us: u32,
}

impl Ack {
    /// Appends the message to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&MessageType::Ack.header(8));
        out.extend_from_slice(&self.taken.to_be_bytes());
        out.extend_from_slice(&self.decompress_us.to_be_bytes());
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ReadError> {
        let ack = Self { taken: r.u32("taken")?, decompress_us: r.u32("decompress_us")? };
        r.end()?;
        Ok(ack)
    }
}
