//! Side data, at the end of FRAME, PACKET and FRAME_BEGIN (docs/protocol.md section 5).

use crate::error::{EncodeError, ReadError};
use crate::message::MessageType;
use crate::wire::{Reader, Writer};

/// The most records of side data that a message may have.
pub const MAX_SIDE_DATA_RECORDS: usize = 16;

/// The most bytes that the records of a message may have together, their heads not counted.
pub const MAX_SIDE_DATA_BYTES: usize = 1 << 20;

/// The longest side data on the wire: count, record heads, bytes.
pub(crate) const MAX_LEN: u32 = (1 + 8 * MAX_SIDE_DATA_RECORDS + MAX_SIDE_DATA_BYTES) as u32;

/// The side data of a frame or packet: an iterator over type and bytes, checked when it was read.
///
/// The types are FFmpeg's: AVFrameSideDataType in FRAME and FRAME_BEGIN, AVPacketSideDataType in
/// PACKET. The two are different number spaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SideData<'a> {
    left: u8,
    records: &'a [u8],
}

impl<'a> SideData<'a> {
    /// None.
    pub const EMPTY: Self = Self { left: 0, records: &[] };

    /// These records, type and bytes, laid out in `buffer` for a [`FrameBegin`](crate::FrameBegin)
    /// to send. (FRAME and PACKET take the records themselves.)
    pub fn new(records: &[(u32, &[u8])], buffer: &'a mut Vec<u8>) -> Result<Self, EncodeError> {
        buffer.clear();
        write(&mut Writer::new(MessageType::FrameBegin, buffer), records)?;
        Ok(match buffer.split_first() {
            Some((&left, records)) => Self { left, records },
            None => Self::EMPTY,
        })
    }

    pub(crate) fn write(&self, w: &mut Writer<'_>) {
        if self.left > 0 {
            w.u8(self.left);
            w.raw(self.records);
        }
    }

    /// The records as they are on the wire, without their number.
    pub(crate) fn records(&self) -> &'a [u8] {
        self.records
    }

    /// Bytes of the records, their heads not counted.
    pub(crate) fn bytes(&self) -> usize {
        self.map(|(_, data)| data.len()).sum()
    }

    /// The records that are all of what `r` has left, which may be nothing.
    pub(crate) fn read(r: &mut Reader<'a>) -> Result<Self, ReadError> {
        if r.is_empty() {
            return Ok(Self::EMPTY);
        }
        let left = r.u8("side data count")?;
        r.within(left, 0, MAX_SIDE_DATA_RECORDS as u64, "side data count")?;
        let mut walk = r.clone();
        let mut bytes = 0;
        for _ in 0..left {
            walk.u32("side data type")?;
            let size = walk.u32("side data size")?;
            walk.within(size, 0, (MAX_SIDE_DATA_BYTES - bytes) as u64, "side data size")?;
            bytes += walk.take(size as usize, "side data")?.len();
        }
        walk.end()?;
        Ok(Self { left, records: r.take(r.left(), "side data")? })
    }
}

impl<'a> Iterator for SideData<'a> {
    type Item = (u32, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let (kind, rest) = self.records.split_first_chunk()?;
        let (size, rest) = rest.split_first_chunk()?;
        let (data, rest) = rest.split_at_checked(u32::from_be_bytes(*size) as usize)?;
        self.records = rest;
        Some((u32::from_be_bytes(*kind), data))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left.into(), Some(self.left.into()))
    }
}

impl ExactSizeIterator for SideData<'_> {}

/// Appends `records`; nothing at all if there are none, since not every peer knows side data.
pub(crate) fn write(w: &mut Writer<'_>, records: &[(u32, &[u8])]) -> Result<(), EncodeError> {
    if records.is_empty() {
        return Ok(());
    }
    let count = w.count(records.len(), MAX_SIDE_DATA_RECORDS, "side data records")?;
    let bytes = records.iter().fold(0usize, |sum, record| sum.saturating_add(record.1.len()));
    w.count::<u32>(bytes, MAX_SIDE_DATA_BYTES, "side data")?;
    w.u8(count);
    for (kind, data) in records {
        w.u32(*kind);
        w.bytes32(data, "side data")?;
    }
    Ok(())
}
