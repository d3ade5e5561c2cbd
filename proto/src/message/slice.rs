//! SLICE, of `x.slices.v1` (docs/protocol.md section 9).

use crate::error::{EncodeError, ReadError};
use crate::message::{HEADER_LEN, MAX_PLANES, MAX_SLICES, MessageType};
use crate::wire::{Reader, Writer};

/// Bytes before the data.
pub(crate) const HEAD_LEN: u32 = 4 + 2 + 1 + 1 + 4 + 4;

/// What precedes the data of a SLICE: some rows of one plane, packed without padding, or the
/// compressed form of exactly that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SliceHead {
    /// Of which FRAME_BEGIN.
    pub frame_id: u32,
    /// Which slice of that frame, from 0.
    pub index: u16,
    /// Which plane, from 0.
    pub plane: u8,
    /// 0 as the frame's codec says, 1 raw; further modes belong to the codec.
    pub mode: u8,
    /// The first row of the plane that the slice has.
    pub first_row: u32,
    /// How many rows it has, at least 1.
    pub rows: u32,
    /// Bytes of data: what the payload has after this head.
    pub len: u32,
}

impl SliceHead {
    /// `len` is what the header leaves for the data.
    pub(crate) fn read(r: &mut Reader<'_>, len: u32) -> Result<Self, ReadError> {
        let frame_id = r.u32("frame id")?;
        let index = r.u16("slice index")?;
        r.within(index, 0, u64::from(MAX_SLICES) - 1, "slice index")?;
        let plane = r.u8("plane")?;
        r.within(plane, 0, u64::from(MAX_PLANES) - 1, "plane")?;
        let mode = r.u8("mode")?;
        let first_row = r.u32("first row")?;
        let rows = r.u32("rows")?;
        r.within(rows, 1, (u32::MAX - first_row).into(), "rows")?;
        Ok(Self { frame_id, index, plane, mode, first_row, rows, len })
    }
}

/// The part of a SLICE before its `head.len` bytes of data, which end it.
pub fn slice_message(head: &SliceHead) -> Result<Vec<u8>, EncodeError> {
    let mut out = Vec::with_capacity(HEADER_LEN + HEAD_LEN as usize);
    head.encode(&mut out)?;
    Ok(out)
}

impl SliceHead {
    /// What comes before the data of a SLICE, in bytes.
    pub const LEN: usize = HEADER_LEN + HEAD_LEN as usize;

    /// Appends what comes before the data of a SLICE.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let mut w = Writer::new(MessageType::Slice, out);
        w.header(u64::from(HEAD_LEN) + u64::from(self.len))?;
        w.u32(self.frame_id);
        w.u16(self.index);
        w.u8(self.plane);
        w.u8(self.mode);
        w.u32(self.first_row);
        w.u32(self.rows);
        Ok(())
    }
}
