//! Plots of a report, drawn from its report.json.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::Problem;
use crate::drawing::{Anchor, Area, Drawing, FAINT, GRID, INK, Style, remove};

/// Values by the names of report.json.
struct Figures(HashMap<String, f64>);

impl Figures {
    fn read(path: &Path) -> Result<Self, Problem> {
        let entries: Vec<Value> = serde_json::from_str(&fs::read_to_string(path)?)?;
        let figure =
            |entry: &Value| Some((entry["name"].as_str()?.into(), entry["value"].as_f64()?));
        Ok(Self(entries.iter().filter_map(figure).collect()))
    }

    fn value(&self, name: &str) -> Option<f64> {
        self.0.get(name).copied()
    }

    /// A bar as high as the figure, with its middle half.
    fn bar(&self, series: &Series, name: &str) -> Option<Bar> {
        let value = self.value(name)?;
        let quartile = |which| self.value(&format!("{name}.{which}")).unwrap_or(value);
        let middle = (quartile("q1"), quartile("q3"));
        Some(Bar { series: *series, value, middle })
    }
}

/// Draws what the report of that directory has figures for: links.svg, links.png and so on. Says what it
/// leaves out.
pub(crate) fn draw(directory: &Path) -> Result<(), Problem> {
    let figures = Figures::read(&directory.join("report.json"))?;
    for (name, plot) in [
        ("codec", codec(&figures)),
        ("links", links(&figures)),
        ("latency", latency(&figures)),
        ("e2e", e2e(&figures)),
    ] {
        let without = match plot {
            Some(drawing) => drawing.write(directory, name)?,
            None => {
                // Those of an earlier report are not of this one.
                remove(&directory.join(format!("{name}.svg")))?;
                remove(&directory.join(format!("{name}.png")))?;
                Some("the report has no figures for it".into())
            }
        };
        match without {
            None => eprintln!("{}/{name}.png", directory.display()),
            Some(reason) => eprintln!("no {name}.png: {reason}"),
        }
    }
    Ok(())
}

const TITLE: Style = Style::new(23.0, INK).bold();
const SUBTITLE: Style = Style::new(13.0, FAINT);
const PANEL_TITLE: Style = Style::new(14.0, INK).bold();
const LABEL: Style = Style::new(12.0, INK);
const TICK: Style = Style::new(11.0, FAINT);
const VALUE: Style = Style::new(10.0, INK);

/// Of every drawing.
const WIDTH: f64 = 1240.0;
const MARGIN: f64 = 36.0;
/// Above the panels: title, what it shows, and the legend.
const HEAD: f64 = 124.0;
/// Between panels: the axis on the left, and a title above.
const GAP: (f64, f64) = (62.0, 78.0);

/// A kind of bars or dots: its name in figures and for people, and its colour.
#[derive(Clone, Copy)]
struct Series {
    key: &'static str,
    name: &'static str,
    colour: &'static str,
}

const fn series(key: &'static str, name: &'static str, colour: &'static str) -> Series {
    Series { key, name, colour }
}

const GREY: &str = "#9ca3af";
const AMBER: &str = "#e69f00";
const BLUE: &str = "#4c9be8";
const LIGHT_GREEN: &str = "#7ccfa8";
const GREEN: &str = "#12946a";
const DARK_GREEN: &str = "#0b5040";
const RED: &str = "#cf3c62";

/// What compresses, as the codec's own figures name it.
const CODINGS: [Series; 6] = [
    series("none", "none", GREY),
    series("lz4", "LZ4", AMBER),
    series("zstd1", "zstd 1", BLUE),
    series("bits", "BITS", LIGHT_GREEN),
    series("huff", "HUFF", GREEN),
    series("temporal", "HUFF, temporal", DARK_GREEN),
];

/// What a session is asked for.
const MODES: [Series; 6] = [
    series("none", "none", GREY),
    series("lz4", "lz4", AMBER),
    series("zstd", "zstd", BLUE),
    series("vtz-fast", "vtz-fast", LIGHT_GREEN),
    series("vtz", "vtz", GREEN),
    series("auto", "auto", RED),
];

/// A drawing with its head, and the places of its panels.
fn sheet(
    title: &str,
    subtitle: &str,
    legend: &[Series],
    (columns, rows): (usize, usize),
    height: f64,
) -> (Drawing, Vec<Area>) {
    let whole = HEAD + rows as f64 * (height + GAP.1) - 16.0;
    let mut drawing = Drawing::new(WIDTH, whole);
    drawing.words((MARGIN, 44.0), Anchor::Start, TITLE, title);
    drawing.words((MARGIN, 68.0), Anchor::Start, SUBTITLE, subtitle);
    let mut x = MARGIN;
    for Series { name, colour, .. } in legend {
        drawing.fill(Area { x, y: 83.0, width: 12.0, height: 12.0 }, colour);
        drawing.words((x + 18.0, 93.0), Anchor::Start, LABEL, name);
        x += 18.0 + LABEL.width(name) + 20.0;
    }
    let width = (WIDTH - 2.0 * MARGIN) / columns as f64;
    let panel = |number: usize| {
        let (column, row) = ((number % columns) as f64, (number / columns) as f64);
        Area {
            x: MARGIN + column * width + GAP.0 - 26.0,
            y: HEAD + row * (height + GAP.1) + 28.0,
            width: width - GAP.0 + if columns > 1 { 6.0 } else { 26.0 },
            height,
        }
    };
    (drawing, (0..columns * rows).map(panel).collect())
}

/// Round numbers up to one that is not below `most`, four to six of them above zero.
fn ticks(most: f64) -> Vec<f64> {
    let rough = most.max(1e-9) / 4.0;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].map(|part| part * power);
    let step = step.into_iter().find(|step| *step >= rough * 0.8).unwrap_or(rough);
    (0..=(most / step).ceil() as usize).map(|number| number as f64 * step).collect()
}

/// A number of an axis, no longer than it need be.
fn tick(value: f64) -> String {
    match value {
        large if large >= 10_000.0 => format!("{}k", large / 1000.0),
        value => format!("{}", (value * 1000.0).round() / 1000.0),
    }
}

/// A number at a bar.
fn short(value: f64) -> String {
    match value {
        large if large >= 99.95 => format!("{large:.0}"),
        middle if middle >= 9.995 => format!("{middle:.1}"),
        small => format!("{small:.2}"),
    }
}

/// Title, horizontal lines and their numbers from zero up; returns where a value is.
fn upright_axis(
    drawing: &mut Drawing,
    panel: Area,
    title: &str,
    unit: &str,
    most: f64,
) -> impl Fn(f64) -> f64 + use<> {
    let ticks = ticks(most);
    let top = ticks.last().copied().unwrap_or(most);
    let at = move |value: f64| panel.bottom() - value / top * panel.height;
    drawing.words((panel.x, panel.y - 14.0), Anchor::Start, PANEL_TITLE, title);
    drawing.words((panel.right(), panel.y - 14.0), Anchor::End, TICK, unit);
    for value in ticks {
        let y = at(value);
        let (colour, width) = if value == 0.0 { (FAINT, 1.0) } else { (GRID, 1.0) };
        drawing.line((panel.x, y), (panel.right(), y), colour, width);
        drawing.words((panel.x - 7.0, y + 4.0), Anchor::End, TICK, &tick(value));
    }
    at
}

struct Bar {
    series: Series,
    value: f64,
    /// Where the middle half of the values lies.
    middle: (f64, f64),
}

/// Bars that stand beside each other.
struct Group {
    name: String,
    bars: Vec<Bar>,
}

/// A value to compare with, and what it is.
struct Mark {
    value: f64,
    name: &'static str,
}

fn bars(
    drawing: &mut Drawing,
    panel: Area,
    (title, unit): (&str, &str),
    groups: &[Group],
    mark: Option<&Mark>,
) {
    let all = groups.iter().flat_map(|group| &group.bars);
    let most = all.map(|bar| bar.value.max(bar.middle.1)).fold(0.0, f64::max);
    // With room for the numbers above the bars.
    let most = most.max(mark.map_or(0.0, |mark| mark.value)) * 1.12;
    let at = upright_axis(drawing, panel, title, unit, most);
    let share = panel.width / groups.len().max(1) as f64;
    for (number, group) in groups.iter().enumerate() {
        let middle = panel.x + (number as f64 + 0.5) * share;
        // A few bars are not to become walls.
        let width = (share * 0.84 / group.bars.len().max(1) as f64).min(46.0);
        let left = middle - width * group.bars.len() as f64 / 2.0;
        for (number, Bar { series, value, middle: (low, high) }) in group.bars.iter().enumerate() {
            let (x, y) = (left + number as f64 * width, at(*value));
            let area =
                Area { x: x + 0.5, y, width: width - 1.0, height: (panel.bottom() - y).max(0.8) };
            drawing.fill(area, series.colour);
            let x = x + width / 2.0;
            if at(*low) - at(*high) > 3.0 {
                drawing.line((x, at(*low)), (x, at(*high)), INK, 1.0);
            }
            let style = if series.key == "auto" { VALUE.bold() } else { VALUE };
            let (words, y) = (short(*value), y.min(at(*high)) - 4.0);
            if style.width(&words) < width {
                drawing.words((x, y), Anchor::Middle, style, &words);
            } else {
                drawing.words_upwards((x, y), style, &words);
            }
        }
        let place = (middle, panel.bottom() + 18.0);
        drawing.words(place, Anchor::Middle, LABEL, &group.name);
    }
    if let Some(Mark { value, name }) = mark {
        let y = at(*value);
        drawing.dashes((panel.x, y), (panel.right(), y), RED);
        let style = Style::new(11.0, RED);
        let width = style.width(name) + 6.0;
        // Over the bars, on paper of its own.
        let paper = Area { x: panel.right() - width, y: y - 15.0, width, height: 13.0 };
        drawing.fill(paper, "#fcfcfbd0");
        drawing.words((panel.right() - 3.0, y - 5.0), Anchor::End, style, name);
    }
}

/// Ratio by speed of each coding, a panel for each content and format.
fn codec(figures: &Figures) -> Option<Drawing> {
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
    let y = upright_axis(drawing, panel, title, "raw : coded", highest * 1.12);
    let x = |speed: f64| panel.x + (speed / least).ln() / (most / least).ln() * panel.width;
    let powers = (0..7).map(|power| 10_f64.powi(power));
    let speeds = powers.flat_map(|power| [1.0, 2.0, 5.0].map(|part| part * power));
    for speed in speeds.filter(|speed| (least..most).contains(speed)) {
        drawing.line((x(speed), panel.y), (x(speed), panel.bottom()), GRID, 1.0);
        let place = (x(speed), panel.bottom() + 16.0);
        drawing.words(place, Anchor::Middle, Style { size: 10.0, ..TICK }, &tick(speed));
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
    let mut taken = vec![Area {
        x: place.0 - 6.0,
        y: place.1 - 10.0,
        width: style.width("1080p60"),
        height: 12.0,
    }];
    for Dot { series, ratio, one, two } in dots {
        let (from, y) = ((x(*one), y(*ratio)), y(*ratio));
        if let Some(two) = two {
            let to = (x(*two), y);
            drawing.line(from, to, series.colour, 2.0);
            drawing.dot(to, 4.0, "#fcfcfb", series.colour);
            taken.push(box_around((from.0 + to.0) / 2.0, y, (to.0 - from.0).abs() + 8.0, 8.0));
        }
        drawing.dot(from, 5.5, series.colour, "#fcfcfb");
        taken.push(box_around(from.0, y, 11.0, 11.0));
    }
    for Dot { series, ratio, one, .. } in dots {
        let (x, y) = (x(*one), y(*ratio));
        let (width, height) = (LABEL.width(series.name), LABEL.size);
        // Around the dot, and somewhat further away; the colour tells whose it is where there is no room.
        let sides = [
            (0.0, -15.0),
            (0.0, 15.0),
            (-1.0, 0.0),
            (1.0, 0.0),
            (-0.5, -16.0),
            (0.5, -16.0),
            (-0.5, 17.0),
            (0.5, 17.0),
            (0.0, -28.0),
            (0.0, 28.0),
        ];
        let places = sides.map(|(across, down): (f64, f64)| {
            box_around(x + across * (width / 2.0 + 11.0), y + down, width, height)
        });
        let free =
            |area: &&Area| panel.holds(**area) && !taken.iter().any(|other| area.touches(*other));
        if let Some(&area) = places.iter().find(free) {
            taken.push(area);
            let place = (area.x + width / 2.0, area.bottom() - 2.0);
            drawing.words(place, Anchor::Middle, LABEL, series.name);
        }
    }
}

/// Frames per second of each mode, a panel for each link and direction.
fn links(figures: &Figures) -> Option<Drawing> {
    let rates = [("1g", "1 Gb/s"), ("2.5g", "2.5 Gb/s"), ("10g", "10 Gb/s")];
    let kinds = [
        ("1080p.nv12", "1080p NV12"),
        ("1080p.p010", "1080p P010"),
        ("4k.nv12", "4K NV12"),
        ("4k.p010", "4K P010"),
    ];
    let mut panels = Vec::new();
    for (figure, direction) in [("fps", "encode"), ("decode_fps", "decode")] {
        for (rate, link) in rates {
            let groups = kinds.iter().map(|(kind, name)| {
                let bar = |mode: &Series| {
                    figures.bar(mode, &format!("link.{rate}.{kind}.{}.{figure}", mode.key))
                };
                Group { name: (*name).into(), bars: MODES.iter().filter_map(bar).collect() }
            });
            let groups: Vec<Group> = groups.filter(|group| !group.bars.is_empty()).collect();
            panels.push((format!("{link}, {direction}"), groups));
        }
    }
    panels.retain(|(_, groups)| !groups.is_empty());
    if panels.is_empty() {
        return None;
    }
    let columns = panels.len().min(rates.len());
    let (mut drawing, places) = sheet(
        "Frames per second over a link, by compression",
        "The film, between two processes of one machine over a shaped link; thin lines are the middle half of the runs.",
        &MODES,
        (columns, panels.len().div_ceil(columns)),
        250.0,
    );
    let mark = Mark { value: 60.0, name: "60 fps" };
    for ((title, groups), place) in panels.iter().zip(places) {
        bars(&mut drawing, place, (title, "frames per second"), groups, Some(&mark));
    }
    Some(drawing)
}

/// What a lone frame waits for.
fn latency(figures: &Figures) -> Option<Drawing> {
    let parts = [
        series("ms", "from sending to the packet", GREY),
        series("wire_ms", "its bytes on the cable", BLUE),
        series("over_wire_ms", "all the rest", GREEN),
    ];
    let late = Series { key: "over_wire_p99_ms", ..parts[2] };
    let bar = |series: &Series| figures.bar(series, &format!("latency.1g.1080p.{}", series.key));
    let groups =
        [("median", &parts[..]), ("99th percentile", &[late][..])].map(|(name, series)| Group {
            name: name.into(),
            bars: series.iter().filter_map(bar).collect(),
        });
    let groups: Vec<Group> = groups.into_iter().filter(|group| !group.bars.is_empty()).collect();
    if groups.is_empty() {
        return None;
    }
    let (mut drawing, places) = sheet(
        "What a lone frame waits for",
        "1080p NV12, 30 frames per second over 1 Gb/s, realtime, auto, adaptive window; the encoder takes no time.",
        &parts,
        (1, 1),
        270.0,
    );
    let mark = Mark { value: 3.0, name: "the rest is to be at most 3 ms" };
    for place in places {
        bars(&mut drawing, place, ("1 Gb/s, 1080p", "ms"), &groups, Some(&mark));
    }
    Some(drawing)
}

/// ffmpeg with a daemon beside ffmpeg alone, and several at once.
fn e2e(figures: &Figures) -> Option<Drawing> {
    let codecs = [series("h264", "H.264 (libx264)", BLUE), series("hevc", "HEVC (libx265)", GREEN)];
    let group = |name: String, figure: &str| {
        let bar = |codec: &Series| figures.bar(codec, &format!("e2e.{}.{figure}", codec.key));
        Group { name, bars: codecs.iter().filter_map(bar).collect() }
    };
    let by_sessions = |figure: &str| {
        [1, 4, 8]
            .map(|sessions| {
                let name =
                    if sessions == 1 { "1 session".into() } else { format!("{sessions} sessions") };
                group(name, &format!("{sessions}_sessions.{figure}"))
            })
            .into_iter()
            .collect()
    };
    let mut panels = vec![
        (
            ("Remote beside local", "remote : local"),
            vec![
                group("frames per second".into(), "remote_vs_local.fps"),
                group("CPU time".into(), "remote_vs_local.cpu"),
            ],
            Some(Mark { value: 1.0, name: "as local" }),
        ),
        (("Sessions at once", "frames per second, together"), by_sessions("fps"), None),
        (("The daemon's memory", "MB at the most"), by_sessions("daemon_peak_mb"), None),
        (("Each ffmpeg's memory", "MB at the most"), by_sessions("client_peak_mb"), None),
    ];
    for (_, groups, _) in &mut panels {
        groups.retain(|group| !group.bars.is_empty());
    }
    panels.retain(|(_, groups, _)| !groups.is_empty());
    if panels.is_empty() {
        return None;
    }
    let columns = panels.len().min(2);
    let (mut drawing, places) = sheet(
        "ffmpeg with a daemon on the same machine, beside ffmpeg alone",
        "1080p, the fastest preset of the same encoder on the same processors; thin lines are the middle half of the runs.",
        &codecs,
        (columns, panels.len().div_ceil(columns)),
        230.0,
    );
    for ((words, groups, mark), place) in panels.iter().zip(places) {
        bars(&mut drawing, place, *words, groups, mark.as_ref());
    }
    Some(drawing)
}
