//! PACKET (docs/protocol.md section 6).

use crate::error::{EncodeError, ReadError};
use crate::message::{HEADER_LEN, MessageType, side_data};
use crate::wire::{Reader, Writer};

/// Flag of a packet: it is a keyframe.
pub const PACKET_KEY: u32 = 1;

/// Bytes before the data.
pub(crate) const HEAD_LEN: u32 = 8 + 8 + 8 + 4 + 4;

/// What precedes the data of a PACKET: one access unit in Annex B form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketHead {
    /// Presentation time in ticks of CONFIGURE's timebase, or [`NO_PTS`](crate::NO_PTS).
    pub pts: i64,
    /// Decoding time in the same ticks.
    pub dts: i64,
    /// Duration in the same ticks.
    pub duration: i64,
    /// [`PACKET_KEY`] or 0.
    pub flags: u32,
    /// Bytes of data that follow; 0 is the answer to a repeated frame.
    pub len: u32,
}

impl PacketHead {
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ReadError> {
        Ok(Self {
            pts: r.i64("pts")?,
            dts: r.i64("dts")?,
            duration: r.i64("duration")?,
            flags: r.u32("flags")?,
            len: r.u32("data length")?,
        })
    }
}

/// The parts of a PACKET before and after its `head.len` bytes of data; `side_data` is type and
/// bytes.
pub fn packet_message(
    head: &PacketHead,
    side_data: &[(u32, &[u8])],
) -> Result<(Vec<u8>, Vec<u8>), EncodeError> {
    let mut before = Vec::new();
    head.encode(side_data, &mut before)?;
    let after = before.split_off(PacketHead::BEFORE_DATA);
    Ok((before, after))
}

impl PacketHead {
    /// How many bytes of a PACKET come before its data.
    pub const BEFORE_DATA: usize = HEADER_LEN + HEAD_LEN as usize;

    /// Appends what is around the data of a PACKET, without a gap: [`Self::BEFORE_DATA`] bytes, and
    /// the rest, which comes behind the data. `side_data` is that of [`packet_message`].
    pub fn encode(&self, side_data: &[(u32, &[u8])], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let start = out.len();
        let result = self.append(side_data, out);
        if result.is_err() {
            out.truncate(start);
        }
        result
    }

    fn append(&self, side_data: &[(u32, &[u8])], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let mut w = Writer::new(MessageType::Packet, out);
        let tail = side_data::len(side_data);
        w.header(u64::from(HEAD_LEN) + u64::from(self.len) + tail)?;
        w.i64(self.pts);
        w.i64(self.dts);
        w.i64(self.duration);
        w.u32(self.flags);
        w.u32(self.len);
        side_data::write(&mut w, side_data)
    }
}
