//! FRAME (docs/protocol.md section 5).

use crate::error::{EncodeError, ReadError};
use crate::message::{HEADER_LEN, MessageType, side_data};
use crate::wire::{Reader, Writer};

/// Flag of a frame to encode: make it a keyframe.
pub const FRAME_KEY: u32 = 1;

/// The most planes that a frame may have; formats today have one or two.
pub const MAX_PLANES: u8 = 4;

/// Bytes before the first plane.
pub(crate) const HEAD_LEN: u32 = 8 + 8 + 4 + 1;

/// Bytes before each plane's data.
pub(crate) const PLANE_HEAD_LEN: u32 = 4 + 4 + 4;

/// What a FRAME or FRAME_BEGIN says of the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHead {
    /// Presentation time in ticks of CONFIGURE's timebase, or [`NO_PTS`](crate::NO_PTS).
    pub pts: i64,
    /// Duration in the same ticks.
    pub duration: i64,
    /// [`FRAME_KEY`] or 0.
    pub flags: u32,
    /// How many planes follow: 1 to [`MAX_PLANES`].
    pub planes: u8,
}

impl FrameHead {
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ReadError> {
        let (pts, duration) = (r.i64("pts")?, r.i64("duration")?);
        let flags = r.u32("flags")?;
        let planes = r.u8("plane count")?;
        r.within(planes, 1, MAX_PLANES.into(), "plane count")?;
        Ok(Self { pts, duration, flags, planes })
    }

    pub(crate) fn write(&self, w: &mut Writer<'_>) {
        w.i64(self.pts);
        w.i64(self.duration);
        w.u32(self.flags);
        w.u8(self.planes);
    }
}

/// What precedes the data of one plane of a FRAME.
///
/// The data is `stride * height` bytes, or the compressed form of exactly that many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlaneHead {
    /// Which plane, from 0; not on the wire.
    pub index: u8,
    /// Bytes from one row to the next.
    pub stride: u32,
    /// Rows.
    pub height: u32,
    /// Bytes of data that follow.
    pub len: u32,
}

impl PlaneHead {
    pub(crate) fn read(r: &mut Reader<'_>, index: u8) -> Result<Self, ReadError> {
        let (stride, height) = (r.u32("stride")?, r.u32("plane height")?);
        Ok(Self { index, stride, height, len: r.u32("plane data length")? })
    }
}

/// A FRAME without its planes' data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameParts {
    /// What goes before each plane's data; the first includes the header.
    pub heads: Vec<Vec<u8>>,
    /// What goes after the last plane's data: side data, or nothing.
    pub tail: Vec<u8>,
}

/// The parts of a FRAME around its planes' data, of which `planes` gives stride in bytes, height in
/// rows and length in bytes; `side_data` is type and bytes.
pub fn frame_message(
    head: &FrameHead,
    planes: &[(u32, u32, u32)],
    side_data: &[(u32, &[u8])],
) -> Result<FrameParts, EncodeError> {
    let mut tail = Vec::new();
    head.encode(planes, side_data, &mut tail)?;
    let mut heads = Vec::with_capacity(planes.len());
    for plane in 0..planes.len() {
        let rest = tail.split_off(FrameHead::before_plane(plane) - FrameHead::after_plane(plane));
        heads.push(std::mem::replace(&mut tail, rest));
    }
    Ok(FrameParts { heads, tail })
}

impl FrameHead {
    /// Appends what is around the planes' data of a FRAME, without gaps; the data of the nth plane
    /// belongs behind the first [`before_plane`](Self::before_plane)`(n)` bytes. `planes` and
    /// `side_data` are those of [`frame_message`].
    pub fn encode(
        &self,
        planes: &[(u32, u32, u32)],
        side_data: &[(u32, &[u8])],
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        if usize::from(self.planes) != planes.len() {
            return Err(EncodeError::PlaneCount { head: self.planes, given: planes.len() });
        }
        let start = out.len();
        let result = self.append(planes, side_data, out);
        if result.is_err() {
            out.truncate(start);
        }
        result
    }

    fn append(
        &self,
        planes: &[(u32, u32, u32)],
        side_data: &[(u32, &[u8])],
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let data: u64 = planes.iter().map(|plane| u64::from(plane.2)).sum();
        let mut w = Writer::new(MessageType::Frame, out);
        w.count::<u8>(planes.len(), MAX_PLANES.into(), "planes")?;
        let around = Self::before_plane(planes.len()) - PLANE_HEAD_LEN as usize - HEADER_LEN;
        let tail = side_data::len(side_data);
        w.header((around as u64).saturating_add(data).saturating_add(tail))?;
        self.write(&mut w);
        for &(stride, height, len) in planes {
            w.u32(stride);
            w.u32(height);
            w.u32(len);
        }
        side_data::write(&mut w, side_data)
    }

    /// How many bytes of a FRAME that are not planes' data come before those of a plane.
    pub const fn before_plane(plane: usize) -> usize {
        HEADER_LEN + HEAD_LEN as usize + (plane + 1) * PLANE_HEAD_LEN as usize
    }

    /// How many of them come before the plane's head.
    const fn after_plane(plane: usize) -> usize {
        if plane == 0 { 0 } else { Self::before_plane(plane - 1) }
    }
}
