//! What is encoded: a picture that moves, and how well it came back.

use vtremote_backend::{Picture, PixelFormat, PlaneShape};

/// In pixels. No multiple of a macroblock: the last rows are cropped.
pub(super) const WIDTH: u32 = 640;
/// See [`WIDTH`].
pub(super) const HEIGHT: u32 = 360;
/// How many are encoded.
pub(super) const FRAMES: usize = 30;

/// Pixels from one frame to the next.
const STEP: u32 = 4;
/// The detail's wave, in pixels. No few steps are close to a multiple of it, so that any other frame than
/// the right one is far from it.
const DETAIL: f64 = 10.5;

/// Weights of red and blue in luma (H.265 E.3.1, matrix_coeffs).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Matrix {
    red: f64,
    blue: f64,
}

impl Matrix {
    pub(super) const BT709: Self = Matrix { red: 0.2126, blue: 0.0722 };
    pub(super) const BT601: Self = Matrix { red: 0.299, blue: 0.114 };
}

/// Smooth colours, which differ in every direction, and fine detail of luma.
fn rgb(x: f64, y: f64) -> [f64; 3] {
    let wave = |at: f64| (at * std::f64::consts::TAU).sin();
    let detail = 0.15 * wave(x / DETAIL) * wave(y / 24.0);
    let colours = [wave(x / 160.0), wave(x / 320.0 + y / 720.0), wave(x / 500.0 - y / 300.0)];
    colours.map(|colour| 0.5 + 0.3 * colour + detail)
}

/// All frames in one format: each is a part of one wide picture, some pixels on from the one before.
pub(super) struct Scene {
    format: PixelFormat,
    /// Each with the shape of its part in one frame, and its bytes in a row.
    planes: Vec<(PlaneShape, usize, Vec<u8>)>,
}

impl Scene {
    /// Y'CbCr by this matrix, in video range; RGB in full range.
    pub(super) fn new(format: PixelFormat, matrix: Matrix) -> Self {
        let wide = format.planes(WIDTH + STEP * FRAMES as u32, HEIGHT);
        let planes = format.planes(WIDTH, HEIGHT).into_iter().zip(wide).enumerate();
        let paint = |(plane, (shape, wide)): (usize, (PlaneShape, PlaneShape))| {
            let mut bytes = Vec::with_capacity(wide.row_bytes * wide.rows);
            for row in 0..wide.rows {
                let end = bytes.len() + wide.row_bytes;
                let mut x = 0;
                while bytes.len() < end {
                    paint(format, plane, matrix, x, row, &mut bytes);
                    x += 1;
                }
            }
            (shape, wide.row_bytes, bytes)
        };
        Scene { format, planes: planes.map(paint).collect() }
    }

    fn rows(&self, plane: usize, frame: usize) -> impl Iterator<Item = &[u8]> {
        let (shape, stride, bytes) = &self.planes[plane];
        let start = frame * STEP as usize * shape.row_bytes / WIDTH as usize;
        bytes.chunks(*stride).map(move |row| &row[start..start + shape.row_bytes])
    }

    /// Writes a frame to an encoder's picture; says why that has no room for it.
    pub(super) fn fill(&self, frame: usize, picture: &Picture) -> Result<(), String> {
        for (plane, (shape, ..)) in self.planes.iter().enumerate() {
            if picture.plane(plane).map(|(found, _)| found) != Some(*shape) {
                return Err(format!("plane {plane} of the encoder's picture is not {shape:?}"));
            }
            let lent = picture.lend(plane, 0..shape.rows);
            let mut lent = lent.map_err(|error| format!("the encoder's picture: {error}"))?;
            let stride = lent.stride();
            for (to, row) in lent.bytes().chunks_mut(stride).zip(self.rows(plane, frame)) {
                to[..row.len()].copy_from_slice(row);
            }
        }
        Ok(())
    }

    /// Peak signal to noise in dB, 99 at most: of luma, and of the worse chroma; of RGB of green, and of
    /// the worse of the others. The planes have no padding.
    pub(super) fn psnr(&self, frame: usize, planes: &[Vec<u8>]) -> Result<[f64; 2], String> {
        let expected = self.planes.iter().map(|(shape, ..)| shape.row_bytes * shape.rows);
        if !expected.eq(planes.iter().map(Vec::len)) {
            return Err("a picture's planes are not those of its format".into());
        }
        let (wide, components) = components(self.format);
        let [luma, first, second] = components.map(|(plane, offset, step)| {
            let row_bytes = self.planes[plane].0.row_bytes;
            let rows = self.rows(plane, frame).zip(planes[plane].chunks(row_bytes));
            let value = |bytes: &[u8]| match wide {
                true => f64::from(u16::from_le_bytes([bytes[0], bytes[1]])) / 256.0,
                false => f64::from(bytes[0]),
            };
            let (mut sum, mut count) = (0.0, 0.0);
            for (right, found) in rows {
                for at in (offset..row_bytes).step_by(step) {
                    sum += (value(&right[at..]) - value(&found[at..])).powi(2);
                    count += 1.0;
                }
            }
            (10.0 * (255.0 * 255.0 * count / sum).log10()).min(99.0)
        });
        Ok([luma, first.min(second)])
    }
}

/// The samples of a plane that belong to this column and row of it.
fn paint(format: PixelFormat, plane: usize, by: Matrix, x: usize, row: usize, to: &mut Vec<u8>) {
    let (x, y) = (x as f64, row as f64);
    let coded = |x, y| {
        let [r, g, b] = rgb(x, y);
        let luma = by.red * r + (1.0 - by.red - by.blue) * g + by.blue * b;
        let chroma = |from: f64, weight: f64| 128.0 + 112.0 * (from - luma) / (1.0 - weight);
        [16.0 + 219.0 * luma, chroma(b, by.blue), chroma(r, by.red)]
    };
    let byte = |value: f64| value.round() as u8;
    let word = |value: f64| (((value * 4.0).round() as u16) << 6).to_le_bytes();
    // Chroma is sampled at the left one of its pixels and, in 4:2:0, between its two rows.
    match (format, plane) {
        (PixelFormat::Nv12, 0) => to.push(byte(coded(x, y)[0])),
        (PixelFormat::Nv12, _) => {
            to.extend(coded(2.0 * x, 2.0 * y + 0.5)[1..].iter().map(|v| byte(*v)))
        }
        (PixelFormat::P010 | PixelFormat::P210, 0) => to.extend(word(coded(x, y)[0])),
        (PixelFormat::P010, _) => {
            to.extend(coded(2.0 * x, 2.0 * y + 0.5)[1..].iter().flat_map(|v| word(*v)));
        }
        (PixelFormat::P210, _) => to.extend(coded(2.0 * x, y)[1..].iter().flat_map(|v| word(*v))),
        (PixelFormat::Ayuv, _) => {
            to.push(255);
            to.extend(coded(x, y).map(byte));
        }
        (PixelFormat::Bgra, _) => {
            let [r, g, b] = rgb(x, y).map(|value| byte(255.0 * value));
            to.extend([b, g, r, 255]);
        }
    }
}

/// Whether samples have two bytes, and of each component, luma or green first: its plane, its first byte,
/// and bytes from one to the next.
fn components(format: PixelFormat) -> (bool, [(usize, usize, usize); 3]) {
    match format {
        PixelFormat::Nv12 => (false, [(0, 0, 1), (1, 0, 2), (1, 1, 2)]),
        PixelFormat::P010 | PixelFormat::P210 => (true, [(0, 0, 2), (1, 0, 4), (1, 2, 4)]),
        PixelFormat::Ayuv => (false, [(0, 1, 4), (0, 2, 4), (0, 3, 4)]),
        PixelFormat::Bgra => (false, [(0, 1, 4), (0, 0, 4), (0, 2, 4)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(scene: &Scene, number: usize) -> Vec<Vec<u8>> {
        (0..scene.planes.len())
            .map(|plane| scene.rows(plane, number).collect::<Vec<_>>().concat())
            .collect()
    }

    #[test]
    fn a_frame_is_itself_and_far_from_every_other_one() {
        for format in PixelFormat::ALL {
            let scene = Scene::new(format, Matrix::BT709);
            assert_eq!(scene.psnr(7, &frame(&scene, 7)), Ok([99.0; 2]), "{format:?}");
            for other in (0..FRAMES).filter(|other| *other != 7) {
                let [luma, _] = scene.psnr(7, &frame(&scene, other)).unwrap();
                assert!(luma < 30.0, "{format:?} {other}: {luma}");
            }
        }
    }

    #[test]
    fn components_that_changed_places_are_far_from_right() {
        for format in [PixelFormat::Nv12, PixelFormat::P010, PixelFormat::P210] {
            let scene = Scene::new(format, Matrix::BT709);
            let mut planes = frame(&scene, 0);
            let sample = if format == PixelFormat::Nv12 { 1 } else { 2 };
            for pair in planes[1].chunks_exact_mut(2 * sample) {
                pair.rotate_left(sample);
            }
            let [luma, chroma] = scene.psnr(0, &planes).unwrap();
            assert!(luma > 98.0 && chroma < 25.0, "{format:?}: {luma} {chroma}");
        }
    }

    #[test]
    fn ten_bits_in_the_low_half_are_far_from_right() {
        let scene = Scene::new(PixelFormat::P010, Matrix::BT709);
        let mut planes = frame(&scene, 0);
        for sample in planes.iter_mut().flat_map(|plane| plane.chunks_exact_mut(2)) {
            let low = u16::from_le_bytes([sample[0], sample[1]]) >> 6;
            sample.copy_from_slice(&low.to_le_bytes());
        }
        assert!(scene.psnr(0, &planes).unwrap().iter().all(|psnr| *psnr < 15.0));
    }
}
