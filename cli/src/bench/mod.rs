//! `vtremote bench`: what this machine, the link and the server give together.

mod report;
mod run;
mod scene;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use vtremote_client::{Error, ErrorKind, FrameSource, Settings, Video};
use vtremote_planes::Coding;
use vtremote_proto::Codec;

use crate::exit;
use crate::server::{Server, codec};
use report::{Cell, Report, mode_name};
use run::Coded;

/// The size that every mode is measured with.
const REFERENCE: Size = Size { name: "1080p", width: 1920, height: 1080 };

/// Sizes that the best mode is measured with, too.
const OTHERS: [Size; 2] = [
    Size { name: "720p", width: 1280, height: 720 },
    Size { name: "4K", width: 3840, height: 2160 },
];

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
    let measurements = 2 * (1 + Coding::ALL.len() + OTHERS.len());
    let bar = ProgressBar::new(measurements as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}") {
        bar.set_style(style);
    }
    let mut bench = Bench { settings, time: arguments.time, bar };
    let report = bench.measure();
    bench.bar.finish_and_clear();
    report?.print();
    Ok(())
}

struct Bench {
    settings: Settings,
    time: Duration,
    bar: ProgressBar,
}

impl Bench {
    fn measure(&mut self) -> Result<Report, Error> {
        let server = self.settings.server_address()?.to_string();
        let round_trip = run::round_trip(&self.settings)?;
        let mut report = Report::new(server, self.settings.codec, round_trip);
        let modes = Coding::ALL.map(Some);
        let pictures = REFERENCE.pictures();
        for mode in [None].into_iter().chain(modes) {
            self.settings.compression = mode;
            match self.cell(REFERENCE, &pictures, mode) {
                Ok(cell) => report.modes.push((mode, cell)),
                // A server that does not have this mode is measured with the others.
                Err(Error::Missing { .. }) if mode.is_some() => self.bar.inc(2),
                Err(error) => return Err(error),
            }
        }
        drop(pictures);
        let best = report.best();
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
        let encoded = run::encode(&self.settings, &size.video(), pictures, self.time);
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

    fn decode(&self, coded: &Coded) -> Result<run::Ran, Error> {
        run::decode(&self.settings, coded, self.time)
    }
}
