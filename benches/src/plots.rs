//! Plots of a report, drawn from its report.json.

mod bars;
mod codec;
mod e2e;
mod latency;
mod links;

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
        let text = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let entries: Vec<Value> = serde_json::from_slice(&text)?;
        let figure =
            |entry: &Value| Some((entry["name"].as_str()?.into(), entry["value"].as_f64()?));
        Ok(Self(entries.iter().filter_map(figure).collect()))
    }

    fn value(&self, name: &str) -> Option<f64> {
        self.0.get(name).copied()
    }
}

/// Draws what the report of that directory has figures for: links.svg, links.png and so on. Says what it
/// leaves out.
pub(crate) fn draw(directory: &Path) -> Result<(), Problem> {
    let figures = Figures::read(&directory.join("report.json"))?;
    for (name, plot) in [
        ("codec", codec::plot(&figures)),
        ("links", links::plot(&figures)),
        ("latency", latency::plot(&figures)),
        ("e2e", e2e::plot(&figures)),
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

/// A drawing with its head, and the places of its panels.
fn sheet(
    title: &str,
    subtitle: &str,
    legend: &[Series],
    mark: Option<&Mark>,
    (columns, rows): (usize, usize),
    height: f64,
) -> (Drawing, Vec<Area>) {
    let whole = HEAD + rows as f64 * (height + GAP.1) + 8.0;
    let mut drawing = Drawing::new(WIDTH, whole);
    drawing.words((MARGIN, 44.0), Anchor::Start, TITLE, title);
    drawing.words((MARGIN, 68.0), Anchor::Start, SUBTITLE, subtitle);
    let mut x = MARGIN;
    for Series { name, colour, .. } in legend {
        drawing.fill(Area { x, y: 83.0, width: 12.0, height: 12.0 }, colour);
        drawing.words((x + 18.0, 93.0), Anchor::Start, LABEL, name);
        x += 18.0 + LABEL.width(name) + 20.0;
    }
    if let Some(Mark { name, .. }) = mark {
        drawing.dashes((x, 89.0), (x + 24.0, 89.0), RED);
        drawing.words((x + 32.0, 93.0), Anchor::Start, LABEL, name);
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

/// Round numbers from zero up to one that is not below `most`, three to five of them above zero.
fn ticks(most: f64) -> Vec<f64> {
    let rough = most.max(1e-9) / 4.0;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].map(|part| part * power);
    let step = step.into_iter().find(|step| *step >= rough * 0.8).unwrap_or(rough);
    (0..=(most / step).ceil() as usize).map(|number| number as f64 * step).collect()
}

/// A number of an axis, no longer than it need be.
fn tick(value: f64) -> String {
    format!("{}", (value * 1000.0).round() / 1000.0)
}

/// The same where numbers stand side by side.
fn thousands(value: f64) -> String {
    if value < 1000.0 { tick(value) } else { format!("{}k", tick(value / 1000.0)) }
}

/// A number beside what it is of.
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

/// A value to compare with, and what it is.
struct Mark {
    value: f64,
    name: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_a_few_round_numbers_and_room_for_all_values() {
        for (most, top) in [(0.9, 1.0), (1.45, 1.5), (60.0, 60.0), (303.0, 400.0), (1212.0, 1250.0)]
        {
            assert_eq!(ticks(most).last(), Some(&top), "{most}");
        }
        for most in (1..4000).map(|tenth| f64::from(tenth) / 10.0) {
            let ticks = ticks(most);
            assert!((4..=6).contains(&ticks.len()), "{most}: {ticks:?}");
            assert!(ticks.last() >= Some(&most), "{most}: {ticks:?}");
        }
    }
}
