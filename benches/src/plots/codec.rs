//! How small, and how fast.

use super::{
    AMBER, BLUE, DARK_GREEN, Figures, GREEN, GREY, LABEL, LIGHT_GREEN, RED, Series, TICK, series,
    sheet, thousands, upright_axis,
};
use crate::drawing::{Anchor, Area, Drawing, GRID, PAPER, Style};

/// What compresses, as the codec's own figures name it.
const CODINGS: [Series; 6] = [
    series("none", "none", GREY),
    series("lz4", "LZ4", AMBER),
    series("zstd1", "zstd 1", BLUE),
    series("bits", "BITS", LIGHT_GREEN),
    series("huff", "HUFF", GREEN),
    series("temporal", "HUFF, temporal", DARK_GREEN),
];

/// Ratio by speed of each coding, a panel for each content and format.
pub(super) fn plot(figures: &Figures) -> Option<Drawing> {
    let contents = ["clip", "camera", "grain", "screen"];
    let formats = [
        ("", "NV12", 60.0 * 1920.0 * 1080.0 * 1.5 / 1e6),
        ("-p010", "P010", 60.0 * 1920.0 * 1080.0 * 3.0 / 1e6),
    ];
    let cells = formats.into_iter().flat_map(|(suffix, format, pace)| {
        let name = move |content| {
            (format!("codec.{content}{suffix}"), format!("{content}, {format}"), pace)
        };
        contents.into_iter().map(name)
    });
    let speeds = |name: &str, key: &str| {
        let one = figures.value(&format!("{name}.{key}.encode_mb_s"))?;
        let two = figures.value(&format!("{name}.{key}.two_threads.encode_mb_s"));
        Some((figures.value(&format!("{name}.{key}.ratio"))?, one, two))
    };
    let panels: Vec<(String, f64, Vec<Dot>)> = cells
        .map(|(name, title, pace)| {
            let dots = CODINGS.iter().filter_map(|series| {
                let (ratio, one, two) = speeds(&name, series.key)?;
                Some(Dot { series: *series, ratio, one, two })
            });
            (title, pace, dots.collect())
        })
        .filter(|(_, _, dots): &(_, _, Vec<Dot>)| !dots.is_empty())
        .collect();
    let ends = panels.iter().flat_map(|(_, pace, dots)| {
        let speeds = dots.iter().flat_map(|dot| [Some(dot.one), dot.two]).flatten();
        speeds.chain([*pace])
    });
    let (least, most) =
        ends.fold((f64::MAX, 0.0), |(least, most), speed| (speed.min(least), speed.max(most)));
    if panels.is_empty() {
        return None;
    }
    let columns = panels.len().min(contents.len());
    let (mut drawing, places) = sheet(
        "Lossless compression of raw pictures: how small, and how fast",
        "Full dots: one thread. Rings: the same by slices on two threads. Further up is smaller, further right is faster.",
        &CODINGS,
        None,
        (columns, panels.len().div_ceil(columns)),
        250.0,
    );
    let range = (least * 0.8, most * 1.3);
    for ((title, pace, dots), place) in panels.iter().zip(places) {
        scatter(&mut drawing, place, title, *pace, dots, range);
    }
    Some(drawing)
}

/// A coding's ratio, and its speed on one thread and two.
struct Dot {
    series: Series,
    ratio: f64,
    one: f64,
    two: Option<f64>,
}

fn scatter(
    drawing: &mut Drawing,
    panel: Area,
    title: &str,
    pace: f64,
    dots: &[Dot],
    (least, most): (f64, f64),
) {
    let highest = dots.iter().map(|dot| dot.ratio).fold(0.0, f64::max);
    let y = upright_axis(drawing, panel, title, "ratio, raw : coded", highest * 1.12);
    let x = |speed: f64| panel.x + (speed / least).ln() / (most / least).ln() * panel.width;
    let powers = (0..7).map(|power| 10_f64.powi(power));
    let speeds = powers.flat_map(|power| [1.0, 2.0, 5.0].map(|part| part * power));
    for speed in speeds.filter(|speed| (least..most).contains(speed)) {
        drawing.line((x(speed), panel.y), (x(speed), panel.bottom()), GRID, 1.0);
        let place = (x(speed), panel.bottom() + 16.0);
        drawing.words(place, Anchor::Middle, TICK, &thousands(speed));
    }
    let place = (panel.x + panel.width / 2.0, panel.bottom() + 33.0);
    drawing.words(place, Anchor::Middle, TICK, "encode, MB/s of raw pictures");
    drawing.dashes((x(pace), panel.y), (x(pace), panel.bottom()), RED);
    let style = Style::new(10.0, RED);
    let place = (x(pace) + 4.0, panel.bottom() - 6.0);
    drawing.words(place, Anchor::Start, style, "1080p60");
    let box_around = |x: f64, y: f64, width: f64, height: f64| Area {
        x: x - width / 2.0,
        y: y - height / 2.0,
        width,
        height,
    };
    let mut taken = vec![
        box_around(x(pace), panel.y + panel.height / 2.0, 4.0, panel.height),
        Area { y: place.1 - 10.0, height: 12.0, x: x(pace), width: style.width("1080p60") },
    ];
    for Dot { series, ratio, one, two } in dots {
        let (from, y) = ((x(*one), y(*ratio)), y(*ratio));
        if let Some(two) = two {
            let to = (x(*two), y);
            drawing.line(from, to, series.colour, 2.0);
            drawing.dot(to, 4.0, PAPER, series.colour);
            taken.push(box_around((from.0 + to.0) / 2.0, y, (to.0 - from.0).abs() + 8.0, 8.0));
        }
        drawing.dot(from, 5.5, series.colour, PAPER);
        taken.push(box_around(from.0, y, 11.0, 11.0));
    }
    // The longest first: it fits where others would, too.
    let longest = |dot: &&Dot| std::cmp::Reverse(dot.series.name.len());
    let mut dots: Vec<&Dot> = dots.iter().collect();
    dots.sort_by_key(longest);
    for Dot { series, ratio, one, two } in dots {
        let (width, height) = (LABEL.width(series.name), LABEL.size);
        // Around the dot, around the ring, and somewhat further away; the colour tells whose it is where
        // there is no room.
        let sides = [
            (0.0, -15.0),
            (0.0, 15.0),
            (-1.0, 0.0),
            (1.0, 0.0),
            (-0.5, -16.0),
            (0.5, -16.0),
            (-0.5, 17.0),
            (0.5, 17.0),
        ];
        let ends = [*one, two.unwrap_or(*one)].map(x);
        let places = ends.into_iter().flat_map(|x| sides.map(|side| (x, side)));
        let places = places.map(|(x, (across, down))| {
            box_around(x + across * (width / 2.0 + 11.0), y(*ratio) + down, width, height)
        });
        let places: Vec<Area> = places.filter(|area| panel.holds(*area)).collect();
        let free = |taken: &[Area]| {
            let free = |area: &&Area| !taken.iter().any(|other| area.touches(*other));
            places.iter().find(free).copied()
        };
        // Rather over the line, which is the first, than not at all.
        if let Some(area) = free(&taken).or_else(|| free(&taken[1..])) {
            taken.push(area);
            let place = (area.x + width / 2.0, area.bottom() - 2.0);
            drawing.words(place, Anchor::Middle, LABEL, series.name);
        }
    }
}
