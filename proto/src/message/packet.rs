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
    let mut after = Vec::new();
    side_data::write(&mut Writer::new(MessageType::Packet, &mut after), side_data)?;

    let mut before = Vec::with_capacity(HEADER_LEN + HEAD_LEN as usize);
    let mut w = Writer::new(MessageType::Packet, &mut before);
    w.header(u64::from(HEAD_LEN) + u64::from(head.len) + after.len() as u64)?;
    w.i64(head.pts);
    w.i64(head.dts);
    w.i64(head.duration);
    w.u32(head.flags);
    w.u32(head.len);
    Ok((before, after))
}
