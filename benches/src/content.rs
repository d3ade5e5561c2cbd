//! What pictures to measure show: a film, a camera's pictures, the same with strong grain, a screen.
//!
//! How well pictures compress, and how fast, depends on what they show, so that figures are given for
//! each. All of it is the same in every run. Where what they are made of is not installed, the reason is
//! the error.

use std::fmt;
use std::process::{Command, Stdio};
use std::str::FromStr;

use crate::picture::Kind;
use crate::screen::Screen;

/// A frame's planes without padding, as on the wire.
pub type Planes = Vec<Vec<u8>>;

/// What is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Content {
    /// The bundled film as it is decoded: soft, without noise.
    Clip,
    /// Photographs that pass by, with the noise of a sensor.
    Camera,
    /// The same with strong noise.
    Grain,
    /// Windows with text, some of which scrolls.
    Screen,
}

impl Content {
    /// All that there is.
    pub const ALL: [Self; 4] = [Self::Clip, Self::Camera, Self::Grain, Self::Screen];

    /// That many frames that follow each other, or why there are none.
    pub fn frames(self, kind: Kind, count: usize) -> Result<Vec<Planes>, String> {
        match self {
            Self::Clip => clip(kind, count),
            Self::Camera => camera(kind, count, 1.0),
            Self::Grain => camera(kind, count, 3.0),
            Self::Screen => Ok(screen(kind, count)),
        }
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Clip => "clip",
            Self::Camera => "camera",
            Self::Grain => "grain",
            Self::Screen => "screen",
        })
    }
}

impl FromStr for Content {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|content| content.to_string() == name);
        known.ok_or_else(|| format!("{name}: no such content"))
    }
}

/// Film and photographs have this size. Of larger pictures there are two by two of them: enlarged, they
/// would be softer than what has that size.
const CELL: (usize, usize) = (1920, 1080);

/// Scenes in a sequence of frames, of the film and of photographs alike.
const SHOTS: usize = 4;

/// How many cells a picture has in a row: 1 or 2.
fn cells(kind: Kind) -> Result<usize, String> {
    let (width, height) = (kind.width as usize, kind.height as usize);
    (1..=2)
        .find(|cells| (width, height) == (CELL.0 * cells, CELL.1 * cells))
        .ok_or_else(|| format!("{width}x{height} is not 1080p or 4K"))
}

const FILM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../media/bbb-1080p24-8s.mp4");

/// Seconds of the film between shots.
const APART: usize = 2;

/// Shots of the film in turn; in cells, of all at once.
fn clip(kind: Kind, count: usize) -> Result<Vec<Planes>, String> {
    let cells = cells(kind)?;
    let each = count.div_ceil(SHOTS);
    let shots: Vec<Vec<u8>> =
        (0..SHOTS).map(|shot| film(kind, APART * shot, each)).collect::<Result<_, _>>()?;
    let cell_bytes = kind.bytes() / (cells * cells);
    let frame = |number: usize| {
        let (shot, number) = (number / each, number % each);
        let mut above = 0;
        let planes = kind.planes().map(|(row_bytes, rows)| {
            let (cell_row, cell_rows) = (row_bytes / cells, rows / cells);
            let mut plane = Vec::with_capacity(row_bytes * rows);
            for row in 0..rows {
                for column in 0..cells {
                    let cell = shot + column + cells * (row / cell_rows);
                    let at = number * cell_bytes + above + row % cell_rows * cell_row;
                    plane.extend_from_slice(&shots[cell % SHOTS][at..][..cell_row]);
                }
            }
            above += cell_row * cell_rows;
            plane
        });
        planes.collect()
    };
    Ok((0..count).map(frame).collect())
}

/// So many frames of the film from that second on, one after the other.
fn film(kind: Kind, second: usize, count: usize) -> Result<Vec<u8>, String> {
    // Straight to P010, FFmpeg fills the bits below the ten.
    let formats =
        if kind.is_ten_bit() { "format=yuv420p10le,format=p010le" } else { "format=nv12" };
    let (second, frames) = (second.to_string(), count.to_string());
    let raw = ffmpeg(&["-ss", &second, "-i", FILM, "-vf", formats, "-frames:v", &frames])?;
    let sample = if kind.is_ten_bit() { 2 } else { 1 };
    if raw.len() != CELL.0 * CELL.1 * 3 / 2 * sample * count {
        return Err(format!("the film is too short for {count} frames from {second} s on"));
    }
    Ok(raw)
}

fn ffmpeg(arguments: &[&str]) -> Result<Vec<u8>, String> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin"])
        .args(arguments)
        .args(["-f", "rawvideo", "-"])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("ffmpeg: {error}"))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("ffmpeg: {}", said.lines().last().unwrap_or_default()))
}

/// Photographs of Debian's mate-backgrounds and plasma-workspace-wallpapers, as they were taken: from
/// soft ones to such with texture all over.
const PHOTOGRAPHS: [&str; SHOTS] = [
    "/usr/share/backgrounds/mate/nature/LadyBird.jpg",
    "/usr/share/wallpapers/FallenLeaf/contents/images/2560x1600.jpg",
    "/usr/share/backgrounds/mate/nature/Wood.jpg",
    "/usr/share/wallpapers/ColorfulCups/contents/images/2560x1600.jpg",
];

/// What is read of each: room for a pan of some dozens of frames.
const PHOTOGRAPH: (usize, usize) = (2200, 1300);

/// Pixels that a frame is further than the one before.
const PAN: (f32, f32) = (1.3, 0.7);

/// Samples of a photograph in 8 bits, luma and both chroma, all of the same size.
struct Photograph([Vec<u8>; 3]);

impl Photograph {
    fn read(file: &str) -> Result<Self, String> {
        if !std::path::Path::new(file).exists() {
            return Err("mate-backgrounds or plasma-workspace-wallpapers is not installed".into());
        }
        let (width, height) = PHOTOGRAPH;
        let filter = format!("crop={width}:{height},format=yuv444p");
        let raw = ffmpeg(&["-i", file, "-vf", &filter, "-frames:v", "1"])?;
        let mut planes = raw.chunks_exact(width * height).map(<[u8]>::to_vec);
        let mut next = || planes.next().ok_or_else(|| format!("{file} is too small"));
        Ok(Self([next()?, next()?, next()?]))
    }

    /// Between samples, in proportion.
    fn at(&self, plane: usize, x: f32, y: f32) -> f32 {
        let (width, plane) = (PHOTOGRAPH.0, &self.0[plane]);
        let (left, top) = (x as usize, y as usize);
        let (right, below) = (x - left as f32, y - top as f32);
        let row = |top: usize| {
            let at = top * width + left;
            let (a, b) = (f32::from(plane[at]), f32::from(plane[at + 1]));
            a + (b - a) * right
        };
        let (a, b) = (row(top), row(top + 1));
        a + (b - a) * below
    }
}

/// A shot of each photograph in turn; in cells, of all at once.
fn camera(kind: Kind, count: usize, sigma: f32) -> Result<Vec<Planes>, String> {
    let cells = cells(kind)?;
    let photographs: Vec<Photograph> =
        PHOTOGRAPHS.into_iter().map(Photograph::read).collect::<Result<_, _>>()?;
    // Ten bits have four times the levels, and noise of 0.6 of what that would make it.
    let sigma = if kind.is_ten_bit() { 2.4 * sigma } else { sigma };
    let mut noise = Normal::new(sigma);
    let frame = |number: usize| {
        let shot = number / count.div_ceil(SHOTS);
        let (left, top) = (20.0 + PAN.0 * number as f32, 20.0 + PAN.1 * number as f32);
        paint(kind, |plane, step, x, y| {
            let (cell, x, y) = (
                x * step / CELL.0 + cells * (y * step / CELL.1),
                (x * step % CELL.0) as f32 + left,
                (y * step % CELL.1) as f32 + top,
            );
            let value = photographs[(shot + cell) % SHOTS].at(plane, x, y);
            (value, noise.next())
        })
    };
    (0..count).map(frame).map(Ok).collect()
}

/// A frame from its samples. `sample` has luma, Cb and Cr as planes 0 to 2, how many pixels there are
/// between two of their samples, and where in the plane one is; it gives the value in levels of 8 bits,
/// and what is added to it in levels of the picture's own.
fn paint(kind: Kind, mut sample: impl FnMut(usize, usize, usize, usize) -> (f32, f32)) -> Planes {
    let (width, height) = (kind.width as usize, kind.height as usize);
    let ten_bit = kind.is_ten_bit();
    let planes = [(1, 0..1), (2, 1..3)].into_iter().map(|(step, components)| {
        let mut plane = Vec::with_capacity(width * height * 2);
        for y in 0..height / step {
            for x in 0..width / step {
                for component in components.clone() {
                    let (value, more) = sample(component, step, x, y);
                    // Casts stay within the numbers that there are.
                    if ten_bit {
                        let value = ((value * 4.0 + more + 0.5) as u16).min(1023);
                        plane.extend_from_slice(&(value << 6).to_le_bytes());
                    } else {
                        plane.push((value + more + 0.5) as u8);
                    }
                }
            }
        }
        plane
    });
    planes.collect()
}

/// A screen that its programs paint on.
fn screen(kind: Kind, count: usize) -> Vec<Planes> {
    let mut screen = Screen::new(kind.width as usize, kind.height as usize);
    let frame = |number: usize| {
        let pixels = screen.frame(number);
        let width = kind.width as usize;
        paint(kind, |component, step, x, y| {
            let at = y * step * width + x * step;
            let all: u32 = (0..step)
                .flat_map(|row| (0..step).map(move |column| at + row * width + column))
                .map(|at| u32::from(pixels[at][component]))
                .sum();
            (all as f32 / (step * step) as f32, 0.0)
        })
    };
    (0..count).map(frame).collect()
}

/// Noise of a normal distribution: drawn anew for each sample from many that were drawn before.
struct Normal {
    drawn: Vec<f32>,
    state: Random,
}

impl Normal {
    fn new(sigma: f32) -> Self {
        let mut state = Random(0x9e37_79b9_7f4a_7c15);
        let mut uniform = || (state.next() as f32 + 0.5) / (1_u64 << 32) as f32;
        let drawn = (0..1 << 16).map(|_| {
            let (radius, angle) =
                ((-2.0 * uniform().ln()).sqrt(), uniform() * std::f32::consts::TAU);
            sigma * radius * angle.cos()
        });
        Self { drawn: drawn.collect(), state }
    }

    fn next(&mut self) -> f32 {
        self.drawn[self.state.next() as usize % self.drawn.len()]
    }
}

/// Numbers without any order, the same in every run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as u32
    }

    /// From 0 to `end`, without it.
    pub(crate) fn below(&mut self, end: u32) -> usize {
        (self.next() % end) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::{NV12_1080P, P010_1080P};

    #[test]
    fn frames_of_a_screen_are_alike_and_not_the_same() {
        let frames = Content::Screen.frames(NV12_1080P, 2).unwrap();
        let changed = frames[0][0].iter().zip(&frames[1][0]).filter(|(a, b)| a != b).count();
        let share = changed as f64 / frames[0][0].len() as f64;
        assert!((0.01..0.5).contains(&share), "{share} of the luma has changed");
        assert_eq!(frames, Content::Screen.frames(NV12_1080P, 2).unwrap());
    }

    #[test]
    fn ten_bits_lie_above_six_zeros() {
        let frames = Content::Screen.frames(P010_1080P, 1).unwrap();
        assert_eq!(frames[0].iter().map(Vec::len).sum::<usize>(), P010_1080P.bytes());
        let samples = frames[0].iter().flat_map(|plane| plane.as_chunks::<2>().0);
        assert!(samples.clone().all(|&sample| u16::from_le_bytes(sample) & 63 == 0));
        assert!(samples.clone().any(|&sample| u16::from_le_bytes(sample) >> 6 & 3 != 0));
    }

    #[test]
    fn noise_has_the_spread_that_was_asked_for() {
        let mut noise = Normal::new(3.0);
        let squares: f64 = (0..100_000).map(|_| f64::from(noise.next()).powi(2)).sum();
        let sigma = (squares / 100_000.0).sqrt();
        assert!((2.9..3.1).contains(&sigma), "{sigma}");
    }
}
