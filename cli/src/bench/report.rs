//! What was measured, for people.

use std::time::Duration;

use vtremote_planes::Coding;
use vtremote_proto::Codec;

use super::run::Ran;
use crate::server::say;

/// Another mode is worth an option if it is faster than what the client takes by itself by this.
const WORTH_IT: f64 = 1.05;

/// One way to encode and to decode, or why there is none.
#[derive(Clone)]
pub(super) struct Cell {
    pub(super) encode: Result<Ran, String>,
    pub(super) decode: Result<Ran, String>,
}

impl Cell {
    /// Frames per second, both directions taken together: twice as fast one way is worth as much as twice as
    /// fast the other way.
    fn speed(&self) -> f64 {
        let speeds = [&self.encode, &self.decode];
        let speeds = speeds.map(|ran| ran.as_ref().map_or(0.0, |ran| ran.frames_per_second));
        speeds.iter().map(|speed| speed.max(1e-3)).product::<f64>().sqrt()
    }

    /// Whether it is clearly faster than the other.
    pub(super) fn is_worth_it(&self, other: &Self) -> bool {
        self.speed() > other.speed() * WORTH_IT
    }
}

pub(super) struct Report {
    server: String,
    codec: Option<Codec>,
    round_trip: Duration,
    /// The reference size in every mode; None is the client's own choice.
    pub(super) modes: Vec<(Option<Coding>, Cell)>,
    /// The mode to set; None is the client's own choice.
    pub(super) best: Option<Coding>,
    /// Every size in the best mode.
    pub(super) sizes: Vec<(&'static str, Cell)>,
}

impl Report {
    pub(super) fn new(server: String, codec: Option<Codec>, round_trip: Duration) -> Self {
        let (modes, sizes) = (Vec::new(), Vec::new());
        Self { server, codec, round_trip, modes, best: None, sizes }
    }

    /// The fastest mode, if it is clearly faster than the client's own choice.
    pub(super) fn fastest(&self) -> Option<Coding> {
        let (_, own) = self.modes.iter().find(|(mode, _)| mode.is_none())?;
        let fastest = self.modes.iter().max_by(|a, b| a.1.speed().total_cmp(&b.1.speed()));
        fastest.filter(|(_, cell)| cell.is_worth_it(own)).and_then(|(mode, _)| *mode)
    }

    /// Bytes per second that the link was seen to carry, and whether it is known to carry no more:
    /// whether fewer bytes made more frames.
    fn link(&self, direction: impl Fn(&Cell) -> Option<&Ran>) -> Option<(f64, bool)> {
        let all: Vec<_> = self.modes.iter().filter_map(|(_, cell)| direction(cell)).collect();
        let most = all.iter().max_by(|a, b| a.wire.total_cmp(&b.wire))?;
        let limit = all.iter().any(|ran| {
            ran.frames_per_second > most.frames_per_second * WORTH_IT && ran.wire < most.wire
        });
        Some((most.wire, limit))
    }

    pub(super) fn print(&self) {
        let known = self.modes.iter().find_map(|(_, cell)| cell.encode.as_ref().ok());
        let named = known.map_or(String::new(), |ran| {
            format!(", {} {}", ran.info.server_name, ran.info.server_version)
        });
        say(format_args!("server      {}{}", self.server, named.trim_end()));
        say(format_args!("round trip  {:.2} ms", self.round_trip.as_secs_f64() * 1e3));
        for (name, link) in [
            ("link up", self.link(|cell| cell.encode.as_ref().ok())),
            ("link down", self.link(|cell| cell.decode.as_ref().ok())),
        ] {
            if let Some((rate, limit)) = link {
                let at_least = if limit { "" } else { "at least " };
                say(format_args!("{name:<12}{at_least}{:.0} Mb/s", rate * 8e-6));
            }
        }
        let codec = self.codec.map_or("", Codec::name);
        say(format_args!(""));
        say(format_args!("{:<12}{:<34}decode", format!("{codec} 1080p"), "encode"));
        for (mode, cell) in &self.modes {
            say(format_args!(
                "{:<12}{:<34}{}",
                mode_name(*mode),
                mode_cell(&cell.encode),
                mode_cell(&cell.decode)
            ));
        }
        say(format_args!(""));
        say(format_args!("{:<12}{:<34}decode", "to expect", "encode"));
        for (size, cell) in &self.sizes {
            say(format_args!(
                "{size:<12}{:<34}{}",
                size_cell(&cell.encode),
                size_cell(&cell.decode)
            ));
        }
        say(format_args!(""));
        match self.best {
            None => {
                say(format_args!("options     none needed: nothing is clearly faster than auto"))
            }
            Some(best) => say(format_args!("options     -vt_remote_wire_compression {best}")),
        }
    }
}

/// As the option's value has it.
pub(super) fn mode_name(mode: Option<Coding>) -> String {
    mode.map_or("auto".to_owned(), |mode| mode.to_string())
}

fn mode_cell(ran: &Result<Ran, String>) -> String {
    match ran {
        Ok(ran) => format!(
            "{:>6.1} fps {:>6.0} Mb/s {:>6.2} : 1",
            ran.frames_per_second,
            ran.wire * 8e-6,
            ran.ratio
        ),
        Err(problem) => problem.clone(),
    }
}

fn size_cell(ran: &Result<Ran, String>) -> String {
    match ran {
        Ok(ran) => format!("{:>6.1} fps", ran.frames_per_second),
        Err(problem) => problem.clone(),
    }
}
