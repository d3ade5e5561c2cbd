//! Pictures like a camera's: soft shapes of several sizes that pan, and a sensor's noise.

use std::sync::Arc;

use vtremote_client::{FrameSource, InputFormat, OwnedPicture, Video};
use vtremote_proto::{PixelFormat, Rational};

/// So many pictures are made, and shown over and over: enough that an encoder finds motion, few enough
/// to be made in a moment.
const PICTURES: usize = 6;

/// What a picture is: NV12 at 60 frames per second.
pub(super) fn video(width: u32, height: u32) -> Video {
    Video {
        width,
        height,
        format: InputFormat::Wire(PixelFormat::Nv12),
        time_base: Rational { num: 1, den: 60 },
        frame_rate: Rational { num: 60, den: 1 },
    }
}

/// Pictures of that size, in the order of showing.
pub(super) fn pictures(video: &Video) -> Vec<Arc<dyn FrameSource>> {
    let (width, height) = (video.width as usize, video.height as usize);
    let mut noise = Noise(0x9E37_79B9_7F4A_7C15);
    (0..PICTURES)
        .filter_map(|number| {
            let mut luma = Vec::with_capacity(width * height);
            for y in 0..height {
                luma.extend((0..width).map(|x| {
                    let level = field(x + 3 * number, y + number, 0);
                    clamp(level + noise.sample())
                }));
            }
            let mut chroma = Vec::with_capacity(width * height / 2);
            for y in 0..height / 2 {
                for x in 0..width / 2 {
                    for plane in 1..3 {
                        let level = field(2 * x + 3 * number, 2 * y + number, plane);
                        chroma.push(clamp(96 + level / 4 + noise.sample() / 2));
                    }
                }
            }
            let planes = vec![(luma, width), (chroma, width)];
            OwnedPicture::new(video.format, planes)
                .map(|picture| Arc::new(picture) as Arc<dyn FrameSource>)
        })
        .collect()
}

/// Shapes of 128, 32 and 8 pixels, the smaller the fainter: a level from 16 to about 235.
fn field(x: usize, y: usize, plane: usize) -> i32 {
    let mut level = 16;
    for (octave, (bits, weight)) in [(7, 5), (5, 2), (3, 1)].into_iter().enumerate() {
        level += lattice(x, y, bits, plane * 8 + octave) * weight * 27 / 256;
    }
    level
}

/// Smooth noise between points `1 << bits` pixels apart: 0 to 255.
fn lattice(x: usize, y: usize, bits: u32, seed: usize) -> i32 {
    let (column, row) = (x >> bits, y >> bits);
    let within = (1 << bits) - 1;
    let (dx, dy) = ((x & within) as i32, (y & within) as i32);
    let point = |column: usize, row: usize| {
        let mut hash = (column * 0x1F1F_1F1F) ^ (row * 0x2545_F491) ^ (seed * 0x9E37_79B1);
        hash = (hash ^ (hash >> 15)).wrapping_mul(0x85EB_CA6B) & 0xFFFF_FFFF;
        ((hash ^ (hash >> 13)) & 0xFF) as i32
    };
    let span = 1 << bits;
    let mix = |from: i32, to: i32, at: i32| (from * (span - at) + to * at) >> bits;
    let upper = mix(point(column, row), point(column + 1, row), dx);
    let lower = mix(point(column, row + 1), point(column + 1, row + 1), dx);
    mix(upper, lower, dy)
}

/// A sensor's noise: about a level and a half of deviation, bell-shaped.
struct Noise(u64);

impl Noise {
    fn sample(&mut self) -> i32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        // The sum of four even ones from 0 to 3, less their mean.
        let bits = self.0 as i32;
        (bits & 3) + (bits >> 2 & 3) + (bits >> 4 & 3) + (bits >> 6 & 3) - 6
    }
}

fn clamp(level: i32) -> u8 {
    u8::try_from(level.clamp(0, 255)).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vtremote_planes::{Compression, Compressor};

    fn compressed(pictures: &[Arc<dyn FrameSource>], video: &Video) -> f64 {
        let mut compressor = Compressor::new();
        let mut out = Vec::new();
        for picture in pictures {
            for (index, layout) in (0..).zip(video.layouts()) {
                let source = picture.plane(index);
                let rows = 0..layout.rows;
                let kind = Compression::Zstd;
                compressor.compress(kind, &source, layout, rows, &mut out).unwrap();
            }
        }
        (video.raw_len() as usize * pictures.len()) as f64 / out.len() as f64
    }

    #[test]
    fn pictures_are_about_as_hard_to_compress_as_a_cameras() {
        let video = video(640, 360);
        let pictures = pictures(&video);
        assert_eq!(pictures.len(), PICTURES);
        for picture in &pictures {
            for (index, layout) in (0..).zip(video.layouts()) {
                assert_eq!(picture.plane(index).check(layout), Ok(()));
            }
        }
        // zstd makes 1.28 of real ones.
        let ratio = compressed(&pictures, &video);
        assert!((1.15..1.6).contains(&ratio), "{ratio}");
    }

    #[test]
    fn every_picture_is_another() {
        let video = video(64, 32);
        let pictures = pictures(&video);
        let bytes = |picture: &Arc<dyn FrameSource>| {
            let layout = video.layouts().next().unwrap();
            let mut out = Vec::new();
            let source = picture.plane(0);
            Compressor::new()
                .compress(Compression::None, &source, layout, 0..layout.rows, &mut out)
                .unwrap();
            out
        };
        assert!(pictures.windows(2).all(|pair| bytes(&pair[0]) != bytes(&pair[1])));
    }
}
