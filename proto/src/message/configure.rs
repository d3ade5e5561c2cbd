//! CONFIGURE (docs/protocol.md section 4).

use crate::error::{EncodeError, ReadError};
use crate::format::Rational;
use crate::message::MessageType;
use crate::wire::{self, Reader};

/// The most options that a CONFIGURE may have; peers send about fifty.
pub const MAX_OPTIONS: usize = 1024;

/// What the stream of this session will be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configure<'a> {
    /// Pixels per row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// A [`PixelFormat`](crate::PixelFormat)'s number: what is uploaded when encoding, a wish when
    /// decoding.
    pub pix_fmt: u8,
    /// Seconds per tick of every pts, dts and duration; 0/1 means 1/1.
    pub time_base: Rational,
    /// Frames per second; 0/1 or 0/0 means unknown.
    pub frame_rate: Rational,
    /// Keys and values for [`Options::parse`](crate::Options::parse).
    pub options: Vec<(&'a str, &'a str)>,
    /// Empty for encode; for decode avcC, hvcC or Annex B parameter sets, or nothing.
    pub extradata: &'a [u8],
}

impl<'a> Configure<'a> {
    /// Appends the message to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        wire::encode(out, MessageType::Configure, |w| {
            w.u32(self.width);
            w.u32(self.height);
            w.u8(self.pix_fmt);
            for part in
                [self.time_base.num, self.time_base.den, self.frame_rate.num, self.frame_rate.den]
            {
                w.u32(part);
            }
            let count = w.count(self.options.len(), MAX_OPTIONS, "options")?;
            w.u16(count);
            for (key, value) in &self.options {
                w.str(key, "option key")?;
                w.str(value, "option value")?;
            }
            w.bytes32(self.extradata, "extradata")
        })
    }

    /// The payload may end before the options or before the extradata, and what follows that is
    /// left for later versions of the protocol.
    pub(crate) fn read(r: &mut Reader<'a>) -> Result<Self, ReadError> {
        let (width, height) = (r.u32("width")?, r.u32("height")?);
        let pix_fmt = r.u8("pix_fmt")?;
        let time_base = Rational { num: r.u32("time base")?, den: r.u32("time base")? };
        let frame_rate = Rational { num: r.u32("frame rate")?, den: r.u32("frame rate")? };
        let mut options = Vec::new();
        if !r.is_empty() {
            let count = r.u16("option count")?;
            r.within(count, 0, MAX_OPTIONS as u64, "option count")?;
            for _ in 0..count {
                options.push((r.str("option key")?, r.str("option value")?));
            }
        }
        let extradata = if r.is_empty() { &[] } else { r.bytes32("extradata")? };
        Ok(Self { width, height, pix_fmt, time_base, frame_rate, options, extradata })
    }
}
