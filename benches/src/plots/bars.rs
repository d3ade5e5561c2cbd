//! Bars in groups.

use super::{Figures, LABEL, Mark, RED, Series, VALUE, short, upright_axis};
use crate::drawing::{Anchor, Area, Drawing, INK};

impl Figures {
    /// A bar as high as the figure, with its middle half.
    pub(super) fn bar(&self, series: &Series, name: &str) -> Option<Bar> {
        let value = self.value(name)?;
        let quartile = |which| self.value(&format!("{name}.{which}")).unwrap_or(value);
        let middle = (quartile("q1"), quartile("q3"));
        Some(Bar { series: *series, value, middle })
    }
}

/// A number at a narrow bar.
fn shorter(value: f64) -> String {
    match value {
        large if large >= 9.95 => format!("{large:.0}"),
        small => format!("{small:.1}"),
    }
}

pub(super) struct Bar {
    series: Series,
    value: f64,
    /// Where the middle half of the values lies.
    middle: (f64, f64),
}

/// Bars that stand beside each other.
pub(super) struct Group {
    pub(super) name: String,
    pub(super) bars: Vec<Bar>,
}

/// A panel of them.
pub(super) fn bars(
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
    if let Some(Mark { value, .. }) = mark {
        drawing.dashes((panel.x, at(*value)), (panel.right(), at(*value)), RED);
    }
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
            let y = y.min(at(*high)) - 4.0;
            if width > style.width("0.00") {
                drawing.words((x, y), Anchor::Middle, style, &short(*value));
            } else {
                drawing.words_upwards((x, y), style, &shorter(*value));
            }
        }
        let place = (middle, panel.bottom() + 18.0);
        drawing.words(place, Anchor::Middle, LABEL, &group.name);
    }
}
