//! Codecs, pixel formats and fractions as the protocol names them.

use std::fmt;

/// A compressed video format (docs/protocol.md section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// H.264, "h264".
    H264,
    /// H.265, "hevc".
    Hevc,
}

impl Codec {
    /// The codec that HELLO or `out_codec` names.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "h264" => Some(Self::H264),
            "hevc" => Some(Self::Hevc),
            _ => None,
        }
    }

    /// Its name on the wire, which is also FFmpeg's.
    pub fn name(self) -> &'static str {
        match self {
            Self::H264 => "h264",
            Self::Hevc => "hevc",
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A fraction as it came: either part may be 0 (docs/protocol.md section 4 says what that means).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rational {
    /// Numerator.
    pub num: u32,
    /// Denominator.
    pub den: u32,
}

/// The layouts that pictures travel in (docs/protocol.md sections 4 and 5); the numbers are the
/// wire's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum PixelFormat {
    /// 4:2:0, 8 bits: a luma plane and one of Cb,Cr pairs.
    Nv12 = 1,
    /// As NV12, samples of 16 bits little-endian with the value in the high 10.
    P010 = 2,
    /// One plane of 4 bytes per pixel: blue, green, red, alpha.
    Bgra = 3,
    /// One plane of 4 bytes per pixel: alpha, Y, Cb, Cr.
    Ayuv = 4,
    /// As P010, but 4:2:2: as many chroma rows as luma rows.
    P210 = 5,
}

impl PixelFormat {
    /// Every format.
    pub const ALL: [Self; 5] = [Self::Nv12, Self::P010, Self::Bgra, Self::Ayuv, Self::P210];

    /// The format of this number in CONFIGURE and CONFIGURE_ACK.
    pub fn from_wire(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|&format| format as u8 == number)
    }

    /// Its number on the wire.
    pub fn to_wire(self) -> u8 {
        self as u8
    }

    /// How many planes a FRAME of it has.
    pub fn planes(self) -> u8 {
        match self {
            Self::Nv12 | Self::P010 | Self::P210 => 2,
            Self::Bgra | Self::Ayuv => 1,
        }
    }

    /// Bytes of a row without padding, and rows, of one plane of a picture of `width` x `height`
    /// pixels; (0, 0) for a plane that the format does not have.
    ///
    /// Chroma rows hold whole Cb,Cr pairs, and an odd height keeps its last chroma row.
    pub fn plane_layout(self, width: u32, height: u32, plane: u8) -> (usize, usize) {
        let (width, height) = (width as usize, height as usize);
        let pairs = width.div_ceil(2);
        let (row, rows) = match (self, plane) {
            (Self::Nv12, 0) => (Some(width), height),
            (Self::Nv12, 1) => (pairs.checked_mul(2), height.div_ceil(2)),
            (Self::P010 | Self::P210, 0) => (width.checked_mul(2), height),
            (Self::P010, 1) => (pairs.checked_mul(4), height.div_ceil(2)),
            (Self::P210, 1) => (pairs.checked_mul(4), height),
            (Self::Bgra | Self::Ayuv, 0) => (width.checked_mul(4), height),
            _ => (Some(0), 0),
        };
        (row.unwrap_or(usize::MAX), rows)
    }

    /// The format of 4:2:0 with as many bits: what any server and client has.
    pub fn to_420(self) -> Self {
        match self {
            Self::Nv12 | Self::Bgra | Self::Ayuv => Self::Nv12,
            Self::P010 | Self::P210 => Self::P010,
        }
    }

    /// Its name in capabilities ("pixfmt.nv12") and in what people read.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nv12 => "nv12",
            Self::P010 => "p010",
            Self::Bgra => "bgra",
            Self::Ayuv => "ayuv",
            Self::P210 => "p210",
        }
    }

    /// The capability by which a server says that it takes this format (docs/protocol.md
    /// section 3).
    pub fn capability(self) -> &'static str {
        match self {
            Self::Nv12 => "pixfmt.nv12",
            Self::P010 => "pixfmt.p010",
            Self::Bgra => "pixfmt.bgra",
            Self::Ayuv => "pixfmt.ayuv",
            Self::P210 => "pixfmt.p210",
        }
    }
}

impl fmt::Display for PixelFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_odd_size_keeps_its_last_chroma_row_and_pair() {
        assert_eq!(PixelFormat::Nv12.plane_layout(5, 3, 0), (5, 3));
        assert_eq!(PixelFormat::Nv12.plane_layout(5, 3, 1), (6, 2));
        assert_eq!(PixelFormat::P010.plane_layout(5, 3, 0), (10, 3));
        assert_eq!(PixelFormat::P010.plane_layout(5, 3, 1), (12, 2));
        assert_eq!(PixelFormat::P210.plane_layout(5, 3, 1), (12, 3));
        assert_eq!(PixelFormat::Bgra.plane_layout(5, 3, 0), (20, 3));
        assert_eq!(PixelFormat::Ayuv.plane_layout(5, 3, 0), (20, 3));
    }

    #[test]
    fn a_plane_that_the_format_lacks_is_empty() {
        for format in PixelFormat::ALL {
            assert_eq!(format.plane_layout(64, 64, format.planes()), (0, 0));
            assert_ne!(format.plane_layout(64, 64, format.planes() - 1), (0, 0));
        }
    }

    #[test]
    fn formats_have_the_numbers_of_the_wire() {
        let numbers = PixelFormat::ALL.map(|format| (format.to_wire(), format.name()));
        assert_eq!(numbers, [(1, "nv12"), (2, "p010"), (3, "bgra"), (4, "ayuv"), (5, "p210")]);
        for format in PixelFormat::ALL {
            assert_eq!(PixelFormat::from_wire(format.to_wire()), Some(format));
            assert_eq!(format.capability(), format!("pixfmt.{format}"));
        }
        assert_eq!(PixelFormat::from_wire(0), None);
        assert_eq!(PixelFormat::from_wire(6), None);
    }

    #[test]
    fn codecs_are_named_as_in_hello() {
        assert_eq!(Codec::from_name("h264"), Some(Codec::H264));
        assert_eq!(Codec::from_name("hevc"), Some(Codec::Hevc));
        assert_eq!(Codec::from_name("H264"), None);
        assert_eq!(Codec::Hevc.to_string(), "hevc");
    }
}
