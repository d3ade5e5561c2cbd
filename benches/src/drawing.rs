//! Drawings of lines, boxes and words, as SVG and, from the same text, as PNG.

use std::fmt::{Display, Write};
use std::fs;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::fontdb::Database;
use resvg::usvg::{Options, Tree};

use crate::Problem;

/// Of words and axes.
pub(crate) const INK: &str = "#24292f";
/// Of what explains.
pub(crate) const FAINT: &str = "#6b7280";
/// Of lines behind the data.
pub(crate) const GRID: &str = "#e5e7eb";
pub(crate) const PAPER: &str = "#fcfcfb";

/// Those of Debian, of a Mac and of most others.
const FONTS: &str = "DejaVu Sans, Helvetica Neue, Helvetica, Arial, sans-serif";
/// Of the PNG, per unit of the drawing.
const PIXELS: f32 = 1.5;

/// Where a word's place is in it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// How words look.
#[derive(Clone, Copy)]
pub(crate) struct Style {
    pub(crate) size: f64,
    pub(crate) colour: &'static str,
    pub(crate) bold: bool,
}

impl Style {
    pub(crate) const fn new(size: f64, colour: &'static str) -> Self {
        Self { size, colour, bold: false }
    }

    pub(crate) const fn bold(self) -> Self {
        Self { bold: true, ..self }
    }

    /// About how wide words are: on the safe side, as the font is not known.
    pub(crate) fn width(self, words: &str) -> f64 {
        let letter = if self.bold { 0.66 } else { 0.59 };
        words.chars().count() as f64 * self.size * letter
    }
}

/// A place and a size; y grows downwards.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Area {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

impl Area {
    pub(crate) fn right(self) -> f64 {
        self.x + self.width
    }

    pub(crate) fn bottom(self) -> f64 {
        self.y + self.height
    }

    pub(crate) fn touches(self, other: Self) -> bool {
        let across = self.x < other.right() && other.x < self.right();
        across && self.y < other.bottom() && other.y < self.bottom()
    }

    pub(crate) fn holds(self, other: Self) -> bool {
        let across = self.x <= other.x && other.right() <= self.right();
        across && self.y <= other.y && other.bottom() <= self.bottom()
    }
}

pub(crate) struct Drawing {
    width: f64,
    height: f64,
    body: String,
}

impl Drawing {
    pub(crate) fn new(width: f64, height: f64) -> Self {
        let mut drawing = Self { width, height, body: String::new() };
        drawing.fill(Area { x: 0.0, y: 0.0, width, height }, PAPER);
        drawing
    }

    fn element(&mut self, element: impl Display) {
        // Writing to a string does not fail.
        let _ = writeln!(self.body, "{element}");
    }

    pub(crate) fn fill(&mut self, area: Area, colour: &str) {
        let Area { x, y, width, height } = area;
        self.element(format_args!(
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" fill="{colour}"/>"#
        ));
    }

    pub(crate) fn line(&mut self, from: (f64, f64), to: (f64, f64), colour: &str, width: f64) {
        self.stroke(from, to, colour, width, "");
    }

    pub(crate) fn dashes(&mut self, from: (f64, f64), to: (f64, f64), colour: &str) {
        self.stroke(from, to, colour, 1.2, r#" stroke-dasharray="5 4""#);
    }

    fn stroke(&mut self, from: (f64, f64), to: (f64, f64), colour: &str, width: f64, how: &str) {
        let ((x1, y1), (x2, y2)) = (from, to);
        self.element(format_args!(
            r#"<line x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}" stroke="{colour}" stroke-width="{width}"{how}/>"#
        ));
    }

    pub(crate) fn dot(&mut self, (x, y): (f64, f64), radius: f64, fill: &str, rim: &str) {
        self.element(format_args!(
            r#"<circle cx="{x:.1}" cy="{y:.1}" r="{radius}" fill="{fill}" stroke="{rim}" stroke-width="1.5"/>"#
        ));
    }

    /// Words on a line at that y.
    pub(crate) fn words(&mut self, place: (f64, f64), anchor: Anchor, style: Style, words: &str) {
        self.text(place, anchor, style, words, "");
    }

    /// Words from there upwards, the line's middle at that x.
    pub(crate) fn words_upwards(&mut self, (x, y): (f64, f64), style: Style, words: &str) {
        let x = x + style.size * 0.36;
        let turn = format!(r#" transform="rotate(-90 {x:.1} {y:.1})""#);
        self.text((x, y), Anchor::Start, style, words, &turn);
    }

    fn text(&mut self, place: (f64, f64), anchor: Anchor, style: Style, words: &str, turn: &str) {
        let ((x, y), Style { size, colour, bold }) = (place, style);
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let weight = if bold { r#" font-weight="bold""# } else { "" };
        let words = words.replace('&', "&amp;").replace('<', "&lt;");
        // With a rim of paper, so that lines behind do not cross the letters.
        let rim = format!(r#"stroke="{PAPER}" stroke-width="3" paint-order="stroke""#);
        self.element(format_args!(
            r#"<text x="{x:.1}" y="{y:.1}" font-size="{size}" text-anchor="{anchor}" fill="{colour}" {rim}{weight}{turn}>{words}</text>"#
        ));
    }

    fn svg(&self) -> String {
        let Self { width, height, body } = self;
        format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" font-family="{FONTS}">
{body}</svg>
"#
        )
    }

    /// Writes `name.svg` and `name.png` there; the latter not on a system without fonts, which would be
    /// a plot without words. Returns why not.
    pub(crate) fn write(&self, directory: &Path, name: &str) -> Result<Option<String>, Problem> {
        let svg = self.svg();
        fs::write(directory.join(format!("{name}.svg")), &svg)?;
        let png = directory.join(format!("{name}.png"));
        let fonts = fonts();
        if fonts.is_empty() {
            remove(&png)?;
            return Ok(Some("this system has no fonts for words".into()));
        }
        let options = Options { fontdb: fonts, ..Options::default() };
        let tree = Tree::from_str(&svg, &options)?;
        let pixels = |length: f64| (length as f32 * PIXELS).round() as u32;
        let mut pixmap =
            Pixmap::new(pixels(self.width), pixels(self.height)).ok_or("a plot without size")?;
        resvg::render(&tree, Transform::from_scale(PIXELS, PIXELS), &mut pixmap.as_mut());
        pixmap.save_png(png)?;
        Ok(None)
    }
}

/// Removes a file that may not be there.
pub(crate) fn remove(path: &Path) -> Result<(), Problem> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// Those of the system. Whichever is first takes the place of the usual ones where none of them is
/// installed.
fn fonts() -> Arc<Database> {
    static ALL: OnceLock<Arc<Database>> = OnceLock::new();
    let load = || {
        let mut fonts = Database::new();
        fonts.load_system_fonts();
        let family = fonts.faces().find_map(|face| Some(face.families.first()?.0.clone()));
        if let Some(family) = family {
            fonts.set_sans_serif_family(family);
        }
        Arc::new(fonts)
    };
    Arc::clone(ALL.get_or_init(load))
}
