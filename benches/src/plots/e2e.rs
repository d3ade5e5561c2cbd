//! ffmpeg with a daemon.

use super::bars::{Group, bars};
use super::{Figures, Mark, Series, series, sheet};
use crate::drawing::Drawing;
use crate::e2e::SESSIONS;

/// ffmpeg with a daemon beside ffmpeg alone, and several at once.
pub(super) fn plot(figures: &Figures) -> Option<Drawing> {
    let codecs =
        [series("h264", "H.264 (libx264)", "#7566c4"), series("hevc", "HEVC (libx265)", "#3a94a3")];
    let group = |name: String, figure: &str| {
        let bar = |codec: &Series| figures.bar(codec, &format!("e2e.{}.{figure}", codec.key));
        Group { name, bars: codecs.iter().filter_map(bar).collect() }
    };
    let by_sessions = |figure: &str| {
        SESSIONS
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
            Some(&AS_LOCAL),
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
        Some(&AS_LOCAL),
        (columns, panels.len().div_ceil(columns)),
        230.0,
    );
    for ((words, groups, mark), place) in panels.iter().zip(places) {
        bars(&mut drawing, place, *words, groups, *mark);
    }
    Some(drawing)
}

const AS_LOCAL: Mark = Mark { value: 1.0, name: "as local" };
