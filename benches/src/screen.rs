//! A desktop that nobody has drawn: windows with text in made-up letters.

use crate::content::Random;

/// Luma, Cb and Cr.
pub(crate) type Pixel = [u8; 3];

/// Pixels of a letter's cell, and letters that there are.
const LETTER: (usize, usize) = (9, 18);
const LETTERS: usize = 64;

/// Windows over a background.
pub(crate) struct Screen {
    width: usize,
    height: usize,
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
        Self { width, height, pixels: vec![[0; 3]; width * height], windows }
    }

    /// Row by row, what is to be seen then.
    pub(crate) fn frame(&mut self, number: usize) -> &[Pixel] {
        let Self { width, height, pixels, windows } = self;
        for (y, row) in pixels.chunks_exact_mut(*width).enumerate() {
            // A background that goes from one colour to another.
            let down = (y * 64 / *height) as u8;
            for (x, pixel) in row.iter_mut().enumerate() {
                let across = (x * 32 / *width) as u8;
                *pixel = [50 + down + across / 2, 150 - down / 4, 110 + across / 4];
            }
        }
        for window in windows {
            window.paint(number, *width, pixels);
        }
        pixels
    }
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

/// How much of each pixel's area a letter covers, of 255.
type Letter = [u8; LETTER.0 * LETTER.1];

/// Letters of two to four strokes, with soft edges.
fn letters(random: &mut Random) -> Vec<Letter> {
    let letter = |_| {
        let mut letter = [0; LETTER.0 * LETTER.1];
        for _ in 0..2 + random.below(3) {
            let mut end = || (1.5 + random.below(6) as f32, 4.0 + random.below(10) as f32);
            let (from, to) = (end(), end());
            // Most strokes of letters are upright or level.
            let to = match random.below(4) {
                0 => to,
                1 => (to.0, from.1),
                _ => (from.0, to.1),
            };
            for (at, covered) in letter.iter_mut().enumerate() {
                let x = (at % LETTER.0) as f32 + 0.5;
                let y = (at / LETTER.0) as f32 + 0.5;
                let near = (1.3 - distance((x, y), from, to)).clamp(0.0, 1.0);
                *covered = (*covered).max((near * 255.0) as u8);
            }
        }
        letter
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
        let columns = width / LETTER.0 - 2;
        for line in 0..height / LETTER.1 {
            // Lines begin further in, end where they end, and some are empty.
            let mut column = 1 + 4 * random.below(4);
            let end = column + random.below(columns as u32);
            while column < end.min(columns) {
                let ink = style.ink[random.below(style.ink.len() as u32)];
                for _ in 0..1 + random.below(9) {
                    if column < columns {
                        let letter = &letters[random.below(LETTERS as u32)];
                        let at = line * LETTER.1 * width + column * LETTER.0;
                        put(letter, ink, &mut pixels[at..], width);
                    }
                    column += 1;
                }
                column += 1;
            }
        }
        Self { width, height, pixels }
    }
}

/// Puts a letter onto rows of that width.
fn put(letter: &Letter, ink: Pixel, pixels: &mut [Pixel], width: usize) {
    for (row, covered) in pixels.chunks_mut(width).zip(letter.chunks_exact(LETTER.0)) {
        for (pixel, &covered) in row.iter_mut().zip(covered) {
            for (sample, ink) in pixel.iter_mut().zip(ink) {
                let (covered, rest) = (u32::from(covered), 255 - u32::from(covered));
                *sample = ((u32::from(*sample) * rest + u32::from(ink) * covered) / 255) as u8;
            }
        }
    }
}
