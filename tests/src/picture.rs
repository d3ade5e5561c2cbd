use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Size and format of raw video.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// FFmpeg's name: `nv12`, `yuv420p`, `p010le`, `yuv420p10le`, `p210le`, `ayuv`, `bgra`.
    pub format: &'static str,
}

/// A file of raw frames without padding, every one different, with motion and texture.
pub struct RawVideo {
    /// Of every frame.
    pub shape: Shape,
    /// How many there are.
    pub frames: usize,
    /// Where they are.
    pub path: PathBuf,
}

impl Shape {
    /// The frame's bytes. Formats with the same samples get the same picture.
    pub fn frame(self, number: usize) -> Vec<u8> {
        let (width, height) = (self.width, self.height);
        let luma = |x: usize, y: usize| {
            let texture = (x * 7 + y * 13 + (x * y) / 9) % 61;
            let bar = if (x + 5 * number) % width < width / 6 { 60 } else { 0 };
            (64 + texture + bar + (y + 3 * number) % 37) as u16
        };
        let chroma = |x: usize, y: usize, plane: usize| {
            (96 + (x + y * (2 + plane) + number * (1 + 2 * plane)) % 64) as u16
        };
        if matches!(self.format, "ayuv" | "bgra") {
            let pixel = |x, y| [luma(x, y), chroma(x, y, 0), chroma(x, y, 1), 255];
            let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
            return pixels.flat_map(|(x, y)| pixel(x, y)).map(|sample| sample as u8).collect();
        }
        let half_width = width.div_ceil(2);
        let half_height = if self.format == "p210le" { height } else { height.div_ceil(2) };
        let mut samples = Vec::with_capacity(width * height * 2);
        for y in 0..height {
            samples.extend((0..width).map(|x| luma(x, y)));
        }
        if matches!(self.format, "nv12" | "p010le" | "p210le") {
            for y in 0..half_height {
                samples.extend((0..half_width).flat_map(|x| [chroma(x, y, 0), chroma(x, y, 1)]));
            }
        } else {
            for plane in 0..2 {
                for y in 0..half_height {
                    samples.extend((0..half_width).map(|x| chroma(x, y, plane)));
                }
            }
        }
        match self.format {
            "nv12" | "yuv420p" => samples.into_iter().map(|sample| sample as u8).collect(),
            // Two low bits that 8-bit video does not have, so that a lost one shows.
            "p010le" | "p210le" => {
                samples.into_iter().flat_map(|v| ((v * 4 + v % 3) << 6).to_le_bytes()).collect()
            }
            "yuv420p10le" => {
                samples.into_iter().flat_map(|v| (v * 4 + v % 3).to_le_bytes()).collect()
            }
            other => panic!("no raw video of format {other}"),
        }
    }

    /// Writes a file of frames.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn video(self, frames: usize, path: &Path) -> RawVideo {
        let mut file = BufWriter::new(File::create(path).expect("a file for raw video"));
        for number in 0..frames {
            file.write_all(&self.frame(number)).expect("raw video");
        }
        file.flush().expect("raw video");
        RawVideo { shape: self, frames, path: path.to_owned() }
    }
}
