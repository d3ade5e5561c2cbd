//! Sessions over links.

use super::bars::{Group, bars};
use super::{AMBER, BLUE, Figures, GREEN, GREY, LIGHT_GREEN, Mark, RED, Series, series, sheet};
use crate::drawing::Drawing;

/// What a session is asked for.
const MODES: [Series; 6] = [
    series("none", "none", GREY),
    series("lz4", "lz4", AMBER),
    series("zstd", "zstd", BLUE),
    series("vtz-fast", "vtz-fast", LIGHT_GREEN),
    series("vtz", "vtz", GREEN),
    series("auto", "auto", RED),
];

/// Frames per second of each mode: a panel for each link and direction, then those that are of one kind of
/// pictures.
pub(super) fn plot(figures: &Figures) -> Option<Drawing> {
    let mut panels = Vec::new();
    for (figure, direction) in DIRECTIONS {
        for (rate, link) in RATES {
            let cells = KINDS.map(|(kind, name)| (format!("link.{rate}.{kind}"), name));
            panels.push((format!("{link}, {direction}"), groups(figures, &cells, figure)));
        }
    }
    let cells = ["clip", "camera", "grain", "screen"];
    let cells = cells.map(|content| (format!("link.1g.1080p.nv12.{content}.one_core"), content));
    let title = "1 Gb/s, one client core, encode";
    panels.push((title.into(), groups(figures, &cells, "fps")));
    for (figure, direction) in DIRECTIONS {
        let cells = RATES.map(|(rate, link)| (format!("link.{rate}.delayed.1080p.nv12"), link));
        let title = format!("2 ms further away, {direction}");
        panels.push((title, groups(figures, &cells, figure)));
    }
    panels.retain(|(_, groups)| !groups.is_empty());
    if panels.is_empty() {
        return None;
    }
    let mark = Mark { value: 60.0, name: "60 frames per second" };
    let columns = panels.len().min(RATES.len());
    let (mut drawing, places) = sheet(
        "Frames per second over a link, by compression",
        "Two processes of one machine over a shaped link; the film, and 1080p NV12, where nothing else is said. Thin lines: \
         the middle half of the runs.",
        &MODES,
        Some(&mark),
        (columns, panels.len().div_ceil(columns)),
        240.0,
    );
    for ((title, groups), place) in panels.iter().zip(places) {
        bars(&mut drawing, place, (title, "fps"), groups, Some(&mark));
    }
    Some(drawing)
}

/// And what figures call them.
const RATES: [(&str, &str); 3] = [("1g", "1 Gb/s"), ("2.5g", "2.5 Gb/s"), ("10g", "10 Gb/s")];
const KINDS: [(&str, &str); 4] = [
    ("1080p.nv12", "1080p NV12"),
    ("1080p.p010", "1080p P010"),
    ("4k.nv12", "4K NV12"),
    ("4k.p010", "4K P010"),
];
const DIRECTIONS: [(&str, &str); 2] = [("fps", "encode"), ("decode_fps", "decode")];

/// The modes of each cell that has some.
fn groups(figures: &Figures, cells: &[(String, &str)], figure: &str) -> Vec<Group> {
    let group = |(cell, name): &(String, &str)| {
        let bar = |mode: &Series| figures.bar(mode, &format!("{cell}.{}.{figure}", mode.key));
        Group { name: (*name).into(), bars: MODES.iter().filter_map(bar).collect() }
    };
    cells.iter().map(group).filter(|group| !group.bars.is_empty()).collect()
}
