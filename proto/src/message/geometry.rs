//! The geometry record of FRAME_BEGIN, of `x.geometry.v1` (docs/protocol.md section 9).

use crate::error::{Fault, ReadError};
use crate::format::{PixelFormat, Rational};
use crate::wire::Reader;

/// The side data type of the record, out of reach of FFmpeg's numbers.
pub const GEOMETRY: u32 = 0x5654_0001;

/// Bytes of the record, its head not counted.
pub(crate) const LEN: usize = 24;

/// Pictures are at most this wide and high (docs/protocol.md section 4).
pub const MAX_SIDE: u32 = 16_384;

/// Decoded pictures have at most so many pixels: more than 8192 x 8192 no decoder gives.
pub const MAX_PIXELS: u64 = 1 << 26;

/// FFmpeg has the parts of fractions as signed numbers.
const MAX_ASPECT: u64 = i32::MAX as u64;

/// What a decoded picture is, besides its samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// In pixels, after cropping: 1 to [`MAX_SIDE`].
    pub width: u32,
    /// In pixels, after cropping: 1 to [`MAX_SIDE`].
    pub height: u32,
    /// Of the planes.
    pub format: PixelFormat,
    /// AVCOL_RANGE_*, 0 to 2; 0 not told.
    pub color_range: u8,
    /// AVCOL_PRI_*, any number; 2 not told.
    pub primaries: u8,
    /// AVCOL_TRC_*, any number; 2 not told.
    pub transfer: u8,
    /// AVCOL_SPC_*, any number; 2 not told, 0 is RGB.
    pub matrix: u8,
    /// AVCHROMA_LOC_*, 0 to 6; 0 not told.
    pub chroma_location: u8,
    /// How the picture was taken.
    pub fields: Fields,
    /// Of a pixel; not told if either part is 0. Neither part exceeds 2³¹ - 1.
    pub sample_aspect_ratio: Rational,
}

/// How a picture was taken; the numbers are the wire's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Fields {
    /// At one time, or nothing is known.
    #[default]
    Progressive = 0,
    /// As two fields, the one of the even rows (0, 2, …) first.
    TopFirst = 1,
    /// As two fields, the one of the odd rows first.
    BottomFirst = 2,
}

impl Geometry {
    /// A picture of which no more is told.
    pub const fn new(width: u32, height: u32, format: PixelFormat) -> Self {
        Self {
            width,
            height,
            format,
            color_range: 0,
            primaries: 2,
            transfer: 2,
            matrix: 2,
            chroma_location: 0,
            fields: Fields::Progressive,
            sample_aspect_ratio: Rational { num: 0, den: 0 },
        }
    }

    /// The record's payload.
    pub(crate) fn record(&self) -> [u8; LEN] {
        let Rational { num, den } = self.sample_aspect_ratio;
        let mut record = [0; LEN];
        for (at, number) in [(0, self.width), (4, self.height), (16, num), (20, den)] {
            record[at..at + 4].copy_from_slice(&number.to_be_bytes());
        }
        record[8..15].copy_from_slice(&[
            self.format.to_wire(),
            self.color_range,
            self.primaries,
            self.transfer,
            self.matrix,
            self.chroma_location,
            self.fields as u8,
        ]);
        record
    }

    /// The record that `r` has next, its length checked before.
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ReadError> {
        let side = |r: &mut Reader<'_>, field| {
            let side = r.u32(field)?;
            r.within(side, 1, MAX_SIDE.into(), field)
        };
        let (width, height) = (side(r, "geometry width")?, side(r, "geometry height")?);
        let byte = |r: &mut Reader<'_>, min, max, field| {
            let number = r.u8(field)?;
            r.within(number, min, max, field)
        };
        let format = r.clone().u8("geometry pixel format")?;
        let (value, max) = (format.into(), PixelFormat::ALL.len() as u64);
        let unknown = Fault::OutOfRange { value, min: 1, max };
        let format = PixelFormat::from_wire(format)
            .ok_or_else(|| r.bad("geometry pixel format", unknown))?;
        r.u8("geometry pixel format")?;
        let color_range = byte(r, 0, 2, "geometry colour range")?;
        let (primaries, transfer, matrix) =
            (r.u8("geometry primaries")?, r.u8("geometry transfer")?, r.u8("geometry matrix")?);
        let chroma_location = byte(r, 0, 6, "geometry chroma location")?;
        let fields = match byte(r, 0, 2, "geometry fields")? {
            1 => Fields::TopFirst,
            2 => Fields::BottomFirst,
            _ => Fields::Progressive,
        };
        byte(r, 0, 0, "geometry reserved byte")?;
        let aspect = |r: &mut Reader<'_>| {
            let part = r.u32("geometry sample aspect ratio")?;
            r.within(part, 0, MAX_ASPECT, "geometry sample aspect ratio")
        };
        let sample_aspect_ratio = Rational { num: aspect(r)?, den: aspect(r)? };
        Ok(Self {
            width,
            height,
            format,
            color_range,
            primaries,
            transfer,
            matrix,
            chroma_location,
            fields,
            sample_aspect_ratio,
        })
    }
}

/// Which pictures need a record: the first, and each that is not like the one before.
#[derive(Clone, Debug, Default)]
pub struct GeometryChanges {
    last: Option<Geometry>,
}

impl GeometryChanges {
    /// What the next picture's FRAME_BEGIN has to say, if it has to say anything. To be asked for
    /// every picture, in the order in which they go out.
    pub fn next(&mut self, geometry: Geometry) -> Option<Geometry> {
        (self.last.replace(geometry) != Some(geometry)).then_some(geometry)
    }
}
