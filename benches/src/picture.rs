//! The pictures that are sent: a soft picture under noise that is new in every sample.

use std::sync::Arc;

use vtremote_client::{InputFormat, OwnedPicture};
use vtremote_proto::PixelFormat;

/// 1920x1080.
pub const WIDTH: u32 = 1920;
/// See [`WIDTH`].
pub const HEIGHT: u32 = 1080;
/// What is sent.
pub const FORMAT: InputFormat = InputFormat::Wire(PixelFormat::Nv12);

/// Bytes of one picture.
pub fn bytes() -> usize {
    planes().iter().map(|(row, rows)| row * rows).sum()
}

/// Different pictures in memory of their own.
pub fn some(count: usize) -> Vec<Arc<OwnedPicture>> {
    let mut noise = Noise(0x9e37_79b9);
    let mut picture = |shift: usize| {
        let planes = planes().map(|(row_bytes, rows)| {
            let plane = (0..row_bytes * rows).map(|at| {
                let (row, column) = (at / row_bytes, at % row_bytes);
                (((row + column + shift) / 16) as u8).wrapping_add(noise.next())
            });
            (plane.collect(), row_bytes)
        });
        OwnedPicture::new(FORMAT, planes.into())
    };
    (0..count).filter_map(|number| picture(4 * number)).map(Arc::new).collect()
}

/// Row bytes and rows.
fn planes() -> [(usize, usize); 2] {
    [0, 1].map(|plane| FORMAT.plane_layout(WIDTH, HEIGHT, plane))
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
