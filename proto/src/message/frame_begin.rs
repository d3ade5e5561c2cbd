//! FRAME_BEGIN, of `x.slices.v1` (docs/protocol.md section 9).

use crate::error::{EncodeError, Fault, ReadError};
use crate::message::{
    FrameHead, GEOMETRY, Geometry, MAX_SIDE_DATA_BYTES, MAX_SIDE_DATA_RECORDS, MessageType,
    SideData, frame, geometry, side_data,
};
use crate::wire::{self, Reader};

/// The reference id that means "none".
pub const NO_REFERENCE: u32 = u32::MAX;

/// The most slices that a frame may have: 64 for each plane.
pub const MAX_SLICES: u16 = 64 * frame::MAX_PLANES as u16;

/// The most bytes of coding tables that a frame may bring.
pub const MAX_TABLES: usize = 64 << 10;

/// The longest FRAME_BEGIN.
pub(crate) const MAX_LEN: u32 =
    frame::HEAD_LEN + 1 + 4 + 4 + 2 + 4 + MAX_TABLES as u32 + side_data::MAX_LEN;

/// Announces a frame whose data comes in SLICEs, in any order, that together tile every plane
/// exactly once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameBegin<'a> {
    /// As in FRAME.
    pub head: FrameHead,
    /// How slices of mode 0 are compressed: a number of the option `wire_compression`.
    pub codec: u8,
    /// Names the frame in its SLICEs and in later frames' `reference_id`.
    pub frame_id: u32,
    /// The frame that this one was predicted from, or [`NO_REFERENCE`].
    pub reference_id: u32,
    /// How many SLICEs follow: 1 to [`MAX_SLICES`].
    pub slices: u16,
    /// Tables of the codec, at most [`MAX_TABLES`] bytes; empty if it has none or they are those of
    /// the frame before.
    pub tables: &'a [u8],
    /// Of `x.geometry.v1`: what this picture and those after it are. On the wire it is the first
    /// record of the side data.
    pub geometry: Option<Geometry>,
    /// As in FRAME; [`FrameBegin::geometry`] is not among it, and counts with it for the limits.
    pub side_data: SideData<'a>,
}

impl<'a> FrameBegin<'a> {
    /// Appends the message to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        wire::encode(out, MessageType::FrameBegin, |w| {
            self.head.write(w);
            w.u8(self.codec);
            w.u32(self.frame_id);
            w.u32(self.reference_id);
            w.u16(w.count(self.slices.into(), MAX_SLICES.into(), "slices")?);
            w.count::<u32>(self.tables.len(), MAX_TABLES, "tables")?;
            w.bytes32(self.tables, "tables")?;
            let Some(geometry) = self.geometry else {
                self.side_data.write(w);
                return Ok(());
            };
            let records = 1 + self.side_data.len();
            let bytes = geometry::LEN + self.side_data.bytes();
            w.count::<u32>(bytes, MAX_SIDE_DATA_BYTES, "side data")?;
            w.u8(w.count(records, MAX_SIDE_DATA_RECORDS, "side data records")?);
            w.u32(GEOMETRY);
            w.bytes32(&geometry.record(), "geometry")?;
            w.raw(self.side_data.records());
            Ok(())
        })
    }

    pub(crate) fn read(r: &mut Reader<'a>) -> Result<Self, ReadError> {
        let head = FrameHead::read(r)?;
        let codec = r.u8("codec")?;
        let (frame_id, reference_id) = (r.u32("frame id")?, r.u32("reference id")?);
        let slices = r.u16("slice count")?;
        r.within(slices, 1, MAX_SLICES.into(), "slice count")?;
        let len = r.u32("table length")?;
        r.within(len, 0, MAX_TABLES as u64, "table length")?;
        let tables = r.take(len as usize, "tables")?;
        let start = r.clone();
        let mut side_data = SideData::read(r)?;
        let mut rest = side_data;
        let mut geometry = None;
        if let Some((GEOMETRY, _)) = rest.next() {
            let mut walk = start.clone();
            walk.u8("side data count")?;
            walk.u32("side data type")?;
            let len = walk.u32("geometry record size")?;
            walk.within(len, geometry::LEN as u64, geometry::LEN as u64, "geometry record size")?;
            geometry = Some(Geometry::read(&mut walk)?);
            side_data = rest;
        }
        if rest.any(|(kind, _)| kind == GEOMETRY) {
            return Err(start.bad("geometry record", Fault::NotFirst));
        }
        Ok(Self { head, codec, frame_id, reference_id, slices, tables, geometry, side_data })
    }
}
