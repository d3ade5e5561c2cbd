//! A test picture that moves: smooth ramps that drift, and a square that runs across them.

use std::sync::Arc;

use vtremote_client::{Frame, InputFormat, OwnedPicture, Video};
use vtremote_proto::{PixelFormat, Rational};

/// 320x180 at 30 frames per second, NV12: every server takes that.
pub(crate) const VIDEO: Video = Video {
    width: 320,
    height: 180,
    format: InputFormat::Wire(PixelFormat::Nv12),
    time_base: Rational { num: 1, den: 30 },
    frame_rate: Rational { num: 30, den: 1 },
};

/// Pixels of the square's side.
const SQUARE: usize = 32;

/// The frame of this number, from 0.
pub(crate) fn frame(number: usize) -> Option<Frame> {
    let (width, height) = (VIDEO.width as usize, VIDEO.height as usize);
    let (left, top) = (number * 8 % (width - SQUARE), number * 3 % (height - SQUARE));
    let within =
        |x: usize, y: usize| (left..left + SQUARE).contains(&x) && (top..top + SQUARE).contains(&y);
    let luma = (0..width * height).map(|at| {
        let (x, y) = (at % width, at / width);
        if within(x, y) { 235 } else { 16 + ((x + y + 2 * number) % 200) as u8 }
    });
    let chroma = (0..width * height / 2).map(|at| {
        let (x, y) = (at % width, at / width);
        if at % 2 == 0 { 64 + (x / 4 + number) as u8 % 128 } else { 64 + y as u8 % 128 }
    });
    let planes = vec![(luma.collect(), width), (chroma.collect(), width)];
    Some(Frame {
        pts: i64::try_from(number).ok()?,
        duration: 1,
        keyframe: false,
        side_data: Vec::new(),
        source: Arc::new(OwnedPicture::new(VIDEO.format, planes)?),
    })
}
