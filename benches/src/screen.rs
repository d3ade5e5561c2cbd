//! A desktop that nobody has drawn: windows with text in made-up letters.

use crate::content::Random;

/// Luma, Cb and Cr.
pub(crate) type Pixel = [u8; 3];

/// Pixels of a letter's cell, the width of the narrowest, and letters that there are.
const LETTER: (usize, usize) = (10, 18);
const NARROWEST: usize = 5;
const LETTERS: usize = 64;
/// Places between two pixels where a letter may begin.
const PHASES: usize = 4;

/// Windows over a background.
pub(crate) struct Screen {
    width: usize,
    background: Vec<Pixel>,
    pixels: Vec<Pixel>,
    windows: Vec<Window>,
}

/// A part of a page under a bar with a title.
struct Window {
    left: usize,
    top: usize,
    width: usize,
    height: usize,
    page: Page,
    /// Pixels that the page moves by, a frame.
    scroll: usize,
    style: Style,
}

#[derive(Clone, Copy)]
struct Style {
    paper: Pixel,
    ink: &'static [Pixel],
    bar: Pixel,
}

/// An editor's, white on black.
const DARK: Style = Style {
    paper: [38, 130, 127],
    ink: &[[200, 128, 128], [150, 90, 150], [140, 160, 100], [110, 128, 128]],
    bar: [55, 130, 127],
};
/// Of what is read, black on white.
const LIGHT: Style =
    Style { paper: [235, 128, 128], ink: &[[40, 128, 128], [90, 180, 100]], bar: [205, 128, 128] };
/// A terminal's.
const GREEN: Style = Style { paper: [22, 128, 128], ink: &[[160, 96, 84]], bar: [60, 128, 128] };

/// Height of a window's bar in pixels, and the frame's line between it and what is around.
const BAR: usize = 32;
const LINE: Pixel = [90, 128, 128];

/// Lines of text, of which a window shows some.
struct Page {
    width: usize,
    height: usize,
    pixels: Vec<Pixel>,
}

impl Screen {
    /// Larger ones show more, not larger letters.
    pub(crate) fn new(width: usize, height: usize) -> Self {
        let mut random = Random(0x2545_f491_4f6c_dd1d);
        let letters = letters(&mut random);
        let mut window = |place: [usize; 4], style: Style, scroll: usize| {
            // In hundredths of the screen.
            let [left, top, across, down] = place;
            let (left, top) = (left * width / 100, top * height / 100);
            let (width, height) = (across * width / 100, down * height / 100);
            let page = Page::new(&mut random, &letters, style, width, 3 * height);
            Window { left, top, width, height, page, scroll, style }
        };
        let windows = vec![
            window([2, 4, 46, 86], DARK, 3),
            window([50, 3, 48, 60], LIGHT, 12),
            window([56, 52, 36, 40], GREEN, 0),
        ];
        let background = background(&mut random, width, height);
        Self { width, background, pixels: vec![[0; 3]; width * height], windows }
    }

    /// Row by row, what is to be seen then.
    pub(crate) fn frame(&mut self, number: usize) -> &[Pixel] {
        let Self { width, background, pixels, windows } = self;
        pixels.copy_from_slice(background);
        for window in windows {
            window.paint(number, *width, pixels);
        }
        pixels
    }
}

/// Clouds with grain, as soft and as rough as a photograph.
fn background(random: &mut Random, width: usize, height: usize) -> Vec<Pixel> {
    let mut pixels = vec![[90.0, 140.0, 112.0]; width * height];
    for (size, strength) in [(256, 40.0), (64, 16.0), (16, 5.0), (4, 2.5), (1, 1.5)] {
        let across = width / size + 2;
        let corners: Vec<f32> = (0..across * (height / size + 2))
            .map(|_| strength * (random.below(1001) as f32 / 500.0 - 1.0))
            .collect();
        for (at, pixel) in pixels.iter_mut().enumerate() {
            let (x, y) = (at % width, at / width);
            let (right, below) = ((x % size) as f32 / size as f32, (y % size) as f32 / size as f32);
            let corner =
                |row: usize, column: usize| corners[(y / size + row) * across + x / size + column];
            let level = |row| corner(row, 0) * (1.0 - right) + corner(row, 1) * right;
            let value = level(0) * (1.0 - below) + level(1) * below;
            *pixel = [pixel[0] + value, pixel[1] - value / 6.0, pixel[2] + value / 8.0];
        }
    }
    pixels.into_iter().map(|pixel| pixel.map(|value| value as u8)).collect()
}

impl Window {
    fn paint(&self, number: usize, across: usize, pixels: &mut [Pixel]) {
        let Self { left, top, width, height, page, scroll, style } = self;
        let first = number * scroll % page.height;
        for y in 0..*height {
            let row = &mut pixels[(top + y) * across + left..][..*width];
            match y.checked_sub(BAR) {
                _ if y == 0 || y + 1 == *height => row.fill(LINE),
                None => row.fill(style.bar),
                Some(y) => {
                    let from = (first + y) % page.height * page.width;
                    row.copy_from_slice(&page.pixels[from..][..*width]);
                }
            }
            row[0] = LINE;
            row[width - 1] = LINE;
        }
    }
}

/// A letter: its width, and how much of each pixel's area it covers, of 255, by phase.
struct Letter {
    /// In parts of a pixel: there are [`PHASES`] of them.
    width: usize,
    covered: [[u8; LETTER.0 * LETTER.1]; PHASES],
}

/// Letters of two to four strokes, with soft edges.
fn letters(random: &mut Random) -> Vec<Letter> {
    let letter = |_| {
        let width = NARROWEST + random.below((LETTER.0 - NARROWEST) as u32);
        let strokes: Vec<_> = (0..2 + random.below(3))
            .map(|_| {
                let mut end = || {
                    let x = random.below(width as u32 - 2) as f32;
                    (1.0 + x, 4.0 + random.below(10) as f32)
                };
                let (from, to) = (end(), end());
                // Most strokes of letters are upright or level.
                match random.below(4) {
                    0 => (from, to),
                    1 => (from, (to.0, from.1)),
                    _ => (from, (from.0, to.1)),
                }
            })
            .collect();
        let covered = std::array::from_fn(|phase| {
            std::array::from_fn(|at| {
                let x = (at % LETTER.0) as f32 + 0.5 - phase as f32 / PHASES as f32;
                let y = (at / LETTER.0) as f32 + 0.5;
                let near = strokes.iter().map(|&(from, to)| distance((x, y), from, to));
                let near = near.fold(f32::INFINITY, f32::min);
                ((1.3 - near).clamp(0.0, 1.0) * 255.0) as u8
            })
        });
        Letter { width: PHASES * width + random.below(PHASES as u32), covered }
    };
    (0..LETTERS).map(letter).collect()
}

/// From a point to the stroke between two others.
fn distance((x, y): (f32, f32), from: (f32, f32), to: (f32, f32)) -> f32 {
    let (across, down) = (to.0 - from.0, to.1 - from.1);
    let length = (across * across + down * down).max(1e-6);
    let along = (((x - from.0) * across + (y - from.1) * down) / length).clamp(0.0, 1.0);
    (x - from.0 - along * across).hypot(y - from.1 - along * down)
}

impl Page {
    fn new(
        random: &mut Random,
        letters: &[Letter],
        style: Style,
        width: usize,
        height: usize,
    ) -> Self {
        let mut pixels = vec![style.paper; width * height];
        // In parts of a pixel, up to where a letter still fits.
        let room = PHASES * (width - 2 * LETTER.0);
        for line in 0..height / LETTER.1 {
            // Lines begin further in, and end where they end.
            let mut x = PHASES * (8 + 32 * random.below(4));
            let end = (x + random.below(room as u32)).min(room);
            while x < end {
                let ink = style.ink[random.below(style.ink.len() as u32)];
                for _ in 0..1 + random.below(9) {
                    let letter = &letters[random.below(LETTERS as u32)];
                    if x < room {
                        let at = line * LETTER.1 * width + x / PHASES;
                        put(&letter.covered[x % PHASES], ink, &mut pixels[at..], width);
                    }
                    x += letter.width;
                }
                x += PHASES * NARROWEST;
            }
        }
        Self { width, height, pixels }
    }
}

/// Puts a letter onto rows of that width.
fn put(covered: &[u8], ink: Pixel, pixels: &mut [Pixel], width: usize) {
    for (row, covered) in pixels.chunks_mut(width).zip(covered.chunks_exact(LETTER.0)) {
        for (pixel, &covered) in row.iter_mut().zip(covered) {
            for (sample, ink) in pixel.iter_mut().zip(ink) {
                let (covered, rest) = (u32::from(covered), 255 - u32::from(covered));
                *sample = ((u32::from(*sample) * rest + u32::from(ink) * covered) / 255) as u8;
            }
        }
    }
}
