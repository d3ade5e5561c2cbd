//! `vtremote bench`: what this machine, the link and the server give together.

mod report;
mod run;
mod scene;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use vtremote_client::{Error, ErrorKind, FrameSource, Settings, Video};
use vtremote_planes::Coding;
use vtremote_proto::Codec;

use crate::exit;
use crate::server::{Server, codec};
use report::{Cell, Report, mode_name};
use run::{Coded, Span};

/// The size that every mode is measured with.
const REFERENCE: Size = Size { name: "1080p", width: 1920, height: 1080 };

/// Sizes that the best mode is measured with, too.
const OTHERS: [Size; 2] = [
    Size { name: "720p", width: 1280, height: 720 },
    Size { name: "4K", width: 3840, height: 2160 },
];

/// What all of it takes at most. Scenes are made beside.
const WHOLE: Duration = Duration::from_secs(55);

/// Shares a time out among measurements.
struct Shares {
    end: Instant,
    /// Weights of those to come.
    to_come: Duration,
}

impl Shares {
    /// What the next one may take, which has this weight: as much of what is left as its part of the weights. One
    /// that takes less leaves more to the others.
    fn next(&mut self, weight: Duration, now: Instant) -> Duration {
        let part = weight.as_secs_f64() / self.to_come.max(weight).as_secs_f64();
        self.to_come = self.to_come.saturating_sub(weight);
        self.end.saturating_duration_since(now).mul_f64(part)
    }
}

/// What people call pictures of a size.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Size {
    name: &'static str,
    width: u32,
    height: u32,
}

impl Size {
    fn video(self) -> Video {
        scene::video(self.width, self.height)
    }

    fn pictures(self) -> Vec<Arc<dyn FrameSource>> {
        scene::pictures(&self.video())
    }
}

/// Measures what to expect of a server over this link, in under a minute.
///
/// Has moving pictures with a camera's noise encoded and decoded again, as fast as it goes, with each
/// compression of the wire; says what the link and each of them give, how many frames per second to
/// expect of 720p, 1080p and 4K, and which options to set, if any.
///
/// It keeps this machine, the link and the server busy: what else runs there makes the figures smaller.
///
/// The token comes from --token-file, else from VTREMOTE_TOKEN, else from the file that
/// VTREMOTE_TOKEN_FILE names.
#[derive(Args)]
#[command(after_help = exit::HELP)]
pub(crate) struct Arguments {
    #[command(flatten)]
    server: Server,

    /// The codec: h264 or hevc
    #[arg(long, value_name = "CODEC", default_value = "h264", value_parser = codec)]
    codec: Codec,

    /// For each measurement, of which there are sixteen: 200ms to 3s
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = time)]
    time: Duration,
}

fn time(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    let allowed = Duration::from_millis(200)..=Duration::from_secs(3);
    if allowed.contains(&time) { Ok(time) } else { Err("not from 200ms to 3s".to_owned()) }
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    match bench(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            exit::code(error.kind())
        }
    }
}

fn bench(arguments: &Arguments) -> Result<(), Error> {
    let mut settings = arguments.server.settings("bench")?;
    settings.codec = Some(arguments.codec);
    let bar = ProgressBar::new(2 * (1 + Coding::ALL.len() + OTHERS.len()) as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}") {
        bar.set_style(style);
    }
    let shares = Shares { end: Instant::now() + WHOLE, to_come: Duration::ZERO };
    let mut bench = Bench { settings, time: arguments.time, bar, shares };
    let report = bench.measure();
    bench.bar.finish_and_clear();
    report?.print();
    Ok(())
}

struct Bench {
    settings: Settings,
    time: Duration,
    bar: ProgressBar,
    shares: Shares,
}

impl Bench {
    /// There are to be cells in these modes.
    fn expect(&mut self, modes: impl IntoIterator<Item = Option<Coding>>) {
        for mode in modes {
            let settings = Settings { compression: mode, ..self.settings.clone() };
            self.shares.to_come += 2 * Span::weight(&settings, self.time);
        }
    }

    /// What the next measurement may take.
    fn span(&mut self) -> Span {
        let weight = Span::weight(&self.settings, self.time);
        Span { time: self.time, within: self.shares.next(weight, Instant::now()) }
    }

    fn measure(&mut self) -> Result<Report, Error> {
        let server = self.settings.server_address()?.to_string();
        let round_trip = run::round_trip(&self.settings)?;
        let mut report = Report::new(server, self.settings.codec, round_trip);
        let pictures = REFERENCE.pictures();
        let modes = [None].into_iter().chain(Coding::ALL.map(Some));
        self.expect(modes.clone());
        // As many as of sizes that are to come, in whatever mode.
        self.expect(OTHERS.map(|_| None));
        for mode in modes {
            self.settings.compression = mode;
            match self.cell(REFERENCE, &pictures, mode) {
                Ok(cell) => report.modes.push((mode, cell)),
                // A server that does not have this mode is measured with the others.
                Err(Error::Missing { .. }) if mode.is_some() => self.bar.inc(2),
                Err(error) => return Err(error),
            }
        }
        if let Some(mode) = report.fastest() {
            // The fastest of several that are alike is so by luck: it has to be once more.
            let both = [None, Some(mode)];
            self.expect(both);
            self.bar.inc_length(4);
            let [own, cell] = both.map(|mode| {
                self.settings.compression = mode;
                self.cell(REFERENCE, &pictures, mode)
            });
            report.best = cell?.is_worth_it(&own?).then_some(mode);
        }
        drop(pictures);
        let best = report.best;
        self.settings.compression = best;
        for size in OTHERS {
            let cell = self.cell(size, &size.pictures(), best)?;
            report.sizes.push((size.name, cell));
        }
        if let Some((_, cell)) = report.modes.iter().find(|(mode, _)| *mode == best) {
            report.sizes.insert(1, (REFERENCE.name, cell.clone()));
        }
        Ok(report)
    }

    /// Encodes, and decodes what came of it. Whoever cannot decode, or has no room for other sizes, shows
    /// that as a result; a server that does not encode the size that everything is compared at is no
    /// server to measure.
    fn cell(
        &mut self,
        size: Size,
        pictures: &[Arc<dyn FrameSource>],
        mode: Option<Coding>,
    ) -> Result<Cell, Error> {
        let refused = |error: Error| match error.kind() {
            ErrorKind::Refused | ErrorKind::Remote | ErrorKind::Option => Ok(Err(error)),
            _ => Err(error),
        };
        let mode = mode_name(mode);
        self.bar.set_message(format!("encode {} {mode}", size.name));
        let span = self.span();
        let encoded = run::encode(&self.settings, &size.video(), pictures, span);
        self.bar.inc(1);
        self.bar.set_message(format!("decode {} {mode}", size.name));
        let cell = match encoded {
            Ok((ran, coded)) => {
                let decoded = self.decode(&coded).map(Ok).or_else(refused)?;
                Cell { encode: Ok(ran), decode: decoded.map_err(|error| error.to_string()) }
            }
            Err(error) if size == REFERENCE => return Err(error),
            Err(error) => {
                let problem = refused(error)?.map_err(|error: Error| error.to_string());
                Cell { encode: problem, decode: Err("nothing to decode".to_owned()) }
            }
        };
        self.bar.inc(1);
        Ok(cell)
    }

    fn decode(&mut self, coded: &Coded) -> Result<run::Ran, Error> {
        let span = self.span();
        run::decode(&self.settings, coded, span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measurements_that_take_all_they_may_are_over_in_time_and_have_time_each() {
        let began = Instant::now();
        let weights = [3500, 3500, 2000, 2000, 2000, 3500].map(Duration::from_millis);
        let end = began + Duration::from_secs(10);
        let mut shares = Shares { end, to_come: weights.iter().sum() };
        let mut now = began;
        for weight in weights {
            let share = shares.next(weight, now);
            assert!(share > weight / 2, "{share:?} of {weight:?}");
            now += share;
        }
        let over = now.saturating_duration_since(end);
        assert!(over < Duration::from_millis(1), "{over:?}");
        // One that nobody expected, and nothing left.
        assert_eq!(shares.next(weights[0], end), Duration::ZERO);
    }

    #[test]
    fn what_is_not_used_is_left_to_the_others() {
        let began = Instant::now();
        let second = Duration::from_secs(1);
        let mut shares = Shares { end: began + 4 * second, to_come: 2 * second };
        assert_eq!(shares.next(second, began), 2 * second);
        assert_eq!(shares.next(second, began + second), 3 * second);
    }
}
