//! What a lone frame waits for.

use super::{
    BLUE, Figures, GREEN, LABEL, Mark, RED, Series, TICK, series, sheet, short, tick, ticks,
};
use crate::drawing::{Anchor, Area, Drawing, FAINT, GRID};

const PARTS: [Series; 2] = [
    series("wire_ms", "its bytes on the cable", BLUE),
    series("over_wire_ms", "all the rest", GREEN),
];

/// What all but the bytes' time on the cable is to be, in milliseconds.
const MOST: f64 = 3.0;
const HEIGHT: f64 = 46.0;

/// Two bars from left to right: half of the frames, and all but one in a hundred.
pub(super) fn plot(figures: &Figures) -> Option<Drawing> {
    let value = |name: &str| figures.value(&format!("latency.1g.1080p.{name}"));
    let wire = value("wire_ms")?;
    let rows =
        [("median", value("over_wire_ms")?), ("99th percentile", value("over_wire_p99_ms")?)];
    let mark = Mark { value: wire + MOST, name: "3 ms more than the bytes need" };
    let (mut drawing, places) = sheet(
        "What a lone frame waits for, from its sending to its packet",
        "The film, 1080p NV12, 30 frames per second over 1 Gb/s; realtime, auto, adaptive window; an encoder that \
         takes no time.",
        &PARTS,
        Some(&mark),
        (1, 1),
        2.0 * HEIGHT + 14.0,
    );
    let panel = places.first()?;
    let panel = Area {
        x: panel.x + 90.0,
        y: panel.y - 30.0,
        width: panel.width - 120.0,
        height: 2.0 * HEIGHT + 40.0,
    };
    let most = rows.iter().map(|(_, rest)| wire + rest).fold(wire + MOST, f64::max) * 1.08;
    let ticks = ticks(most);
    let x = |ms: f64| panel.x + ms / ticks.last().copied().unwrap_or(most) * panel.width;
    for &ms in &ticks {
        let colour = if ms == 0.0 { FAINT } else { GRID };
        drawing.line((x(ms), panel.y), (x(ms), panel.bottom()), colour, 1.0);
        let words = if ms == 0.0 { "0 ms".into() } else { tick(ms) };
        drawing.words((x(ms), panel.bottom() + 18.0), Anchor::Middle, TICK, &words);
    }
    for (row, (name, rest)) in rows.into_iter().enumerate() {
        let y = panel.y + 14.0 + row as f64 * (HEIGHT + 12.0);
        let middle = y + HEIGHT / 2.0 + 4.0;
        drawing.words((panel.x - 12.0, middle), Anchor::End, LABEL, name);
        let mut from = 0.0;
        for (part, ms) in PARTS.iter().zip([wire, rest]) {
            let (left, right) = (x(from), x(from + ms));
            let area = Area { x: left, y, width: (right - left - 1.0).max(0.8), height: HEIGHT };
            drawing.fill(area, part.colour);
            from += ms;
        }
        let words = format!("{} + {} ms", short(wire), short(rest));
        drawing.words((x(from) + 8.0, middle), Anchor::Start, LABEL, &words);
    }
    drawing.dashes((x(mark.value), panel.y), (x(mark.value), panel.bottom()), RED);
    Some(drawing)
}
