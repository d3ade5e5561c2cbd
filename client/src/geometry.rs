use vtremote_proto::{PixelFormat, Rational};

/// What a decoded picture is, besides its samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// In pixels, after cropping.
    pub width: u32,
    /// In pixels, after cropping.
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
    /// Of a pixel; not told if either part is 0.
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
    pub fn new(width: u32, height: u32, format: PixelFormat) -> Self {
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
}
