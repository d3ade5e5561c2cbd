use std::fmt;

use super::pool::Memory;
use crate::Geometry;

/// One decoded picture. Its memory is used again once it is dropped, on whatever thread and after
/// the decoder is closed too.
pub struct Picture {
    /// In units of the time base; none where its packet had none.
    pub pts: Option<i64>,
    /// In units of the time base; 0 unknown.
    pub duration: i64,
    /// What it is: with a stream that changes, not that of the one before.
    pub geometry: Geometry,
    /// FFmpeg's AVFrameSideDataType numbers and what they have.
    pub side_data: Vec<(u32, Vec<u8>)>,
    pub(crate) memory: Memory,
}

/// One plane of a picture.
#[derive(Clone, Copy, Debug)]
pub struct Plane<'a> {
    /// `rows` times `stride` bytes, the first at an address that is a multiple of 64. 64 bytes more
    /// lie behind them, without a meaning.
    pub data: &'a [u8],
    /// Bytes from one row to the next: a multiple of 64.
    pub stride: usize,
    /// Bytes of picture in a row.
    pub row_bytes: usize,
    /// Rows.
    pub rows: usize,
}

impl Picture {
    /// The planes, as many as the format has.
    pub fn planes(&self) -> impl ExactSizeIterator<Item = Plane<'_>> {
        self.memory.rows().iter().map(|rows| Plane {
            data: rows.bytes(),
            stride: rows.stride(),
            row_bytes: rows.shape().row_bytes,
            rows: rows.shape().rows,
        })
    }
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Picture")
            .field("pts", &self.pts)
            .field("geometry", &self.geometry)
            .finish_non_exhaustive()
    }
}
