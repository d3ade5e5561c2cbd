//! CONFIGURE_ACK (docs/protocol.md section 4).

use crate::error::{EncodeError, ReadError};
use crate::message::MessageType;
use crate::wire::{self, Reader};

/// The server's answer to a CONFIGURE that it accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigureAck<'a> {
    /// 0; a refusal is an ERROR.
    pub status: u8,
    /// The bare avcC or hvcC record, at most 65,535 bytes; may be empty.
    pub extradata: &'a [u8],
    /// A [`PixelFormat`](crate::PixelFormat)'s number: when decoding, that of the FRAMEs to come.
    pub pix_fmt: u8,
    /// One line for each option that was neither honoured nor refused; at most 255.
    pub warnings: Vec<&'a str>,
}

impl<'a> ConfigureAck<'a> {
    /// Appends the message to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        wire::encode(out, MessageType::ConfigureAck, |w| {
            w.u8(self.status);
            w.bytes16(self.extradata, "extradata")?;
            w.u8(self.pix_fmt);
            let count = w.count(self.warnings.len(), u8::MAX.into(), "warnings")?;
            w.u8(count);
            self.warnings.iter().try_for_each(|warning| w.str(warning, "warning"))
        })
    }

    /// What follows the last field is left for later versions of the protocol.
    pub(crate) fn read(r: &mut Reader<'a>) -> Result<Self, ReadError> {
        let status = r.u8("status")?;
        let extradata = r.bytes16("extradata")?;
        let pix_fmt = r.u8("pix_fmt")?;
        let count = r.u8("warning count")?;
        let warnings = (0..count).map(|_| r.str("warning")).collect::<Result<_, _>>()?;
        Ok(Self { status, extradata, pix_fmt, warnings })
    }
}
