//! The pictures that are moved: a soft picture under noise that is new in every byte.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use vtremote_client::{InputFormat, OwnedPicture};
use vtremote_proto::PixelFormat;

/// What pictures are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    name: &'static str,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// On the wire.
    pub pixels: PixelFormat,
}

/// 1920x1080 of 8 bits.
pub const NV12_1080P: Kind =
    Kind { name: "nv12.1080p", width: 1920, height: 1080, pixels: PixelFormat::Nv12 };
/// 3840x2160 of 8 bits.
pub const NV12_4K: Kind =
    Kind { name: "nv12.4k", width: 3840, height: 2160, pixels: PixelFormat::Nv12 };
/// 1920x1080 of 10 bits.
pub const P010_1080P: Kind =
    Kind { name: "p010.1080p", width: 1920, height: 1080, pixels: PixelFormat::P010 };
/// 3840x2160 of 10 bits.
pub const P010_4K: Kind =
    Kind { name: "p010.4k", width: 3840, height: 2160, pixels: PixelFormat::P010 };

impl Kind {
    /// Those that are measured.
    pub const ALL: [Self; 4] = [NV12_1080P, P010_1080P, NV12_4K, P010_4K];

    /// Whether samples have ten bits, above six zeros.
    pub fn is_ten_bit(self) -> bool {
        self.pixels == PixelFormat::P010
    }

    /// The same for an encoder.
    pub fn format(self) -> InputFormat {
        InputFormat::Wire(self.pixels)
    }

    /// Bytes of one picture.
    pub fn bytes(self) -> usize {
        self.planes().map(|(row_bytes, rows)| row_bytes * rows).sum()
    }

    /// Different pictures in memory of their own.
    pub fn some(self, count: usize) -> Vec<Arc<OwnedPicture>> {
        let mut noise = Noise(0x9e37_79b9);
        let mut picture = |shift: usize| {
            let planes = self.planes().map(|(row_bytes, rows)| {
                let row =
                    |row: usize| (0..row_bytes).map(move |column| (row + column + shift) / 16);
                let plane =
                    (0..rows).flat_map(row).map(|soft| (soft as u8).wrapping_add(noise.next()));
                (plane.collect(), row_bytes)
            });
            OwnedPicture::new(self.format(), planes.collect())
        };
        (0..count).filter_map(|number| picture(4 * number)).map(Arc::new).collect()
    }

    /// Row bytes and rows.
    pub fn planes(self) -> impl Iterator<Item = (usize, usize)> {
        let Self { width, height, pixels, .. } = self;
        (0..pixels.planes()).map(move |plane| pixels.plane_layout(width, height, plane))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|kind| kind.name == name);
        known.ok_or_else(|| format!("{name}: no such pictures"))
    }
}

/// The sum of two even ones of -1 to 2, which is near to what a camera's sensor adds.
struct Noise(u32);

impl Noise {
    fn next(&mut self) -> u8 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        ((self.0 >> 8 & 3) + (self.0 >> 16 & 3)) as u8
    }
}
