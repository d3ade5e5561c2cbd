//! `make bench`: measures sessions beside a bare socket that moves the same bytes, and the codec beside
//! zstd, and writes target/bench/report.md and report.json.
//!
//! Two processes a run, as in use: so each end's CPU and memory are its own. The machine may have
//! other work, so runs alternate and every ratio is of two runs next to each other.

mod bare;
mod callgrind;
mod codec;
mod drawing;
mod e2e;
mod ends;
mod forwarder;
mod links;
mod loopback;
mod namespaces;
mod parts;
mod plots;
mod process;
mod report;
mod showing;
mod statistics;
mod usage;
mod way;

use std::env;
use std::error::Error;
use std::fmt;
use std::path::Path;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use vtremote_benches::content::Content;
use vtremote_benches::picture::{Kind, NV12_1080P, P010_4K};
use vtremote_planes::Coding;

use process::Usage;
use report::{Report, Unit};

/// Pairs of runs.
const PAIRS: usize = 20;
/// The session's window, which is the default.
const IN_FLIGHT: usize = vtremote_client::DEFAULT_INFLIGHT as usize;

/// Why something could not be measured.
type Problem = Box<dyn Error + Send + Sync>;

/// Pictures of 1080p, encoded: from the first on, opening a session aside.
const ENCODE: Load = Load { kind: NV12_1080P, in_turn: IN_FLIGHT, before: 0, frames: 200 };
/// The same, decoded.
const DECODE: Load = Load { before: IN_FLIGHT, in_turn: DECODER_PICTURES, ..ENCODE };
/// Pictures of 4K, decoded.
const DECODE_4K: Load = Load { kind: P010_4K, ..DECODE };
/// The pictures of the synthetic decoder.
const DECODER_PICTURES: usize = 8;

/// What a run moves.
#[derive(Clone, Copy)]
struct Load {
    kind: Kind,
    /// So many different pictures.
    in_turn: usize,
    /// Pictures until both ends have all their memory, which are not timed.
    before: usize,
    /// Pictures that are timed.
    frames: usize,
}

impl Load {
    /// All pictures of a run.
    fn all(self) -> usize {
        self.before + self.frames
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, in_turn, before, frames } = self;
        write!(f, "{kind}:{in_turn}:{before}:{frames}")
    }
}

impl FromStr for Load {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let parts: Vec<&str> = text.split(':').collect();
        let [kind, in_turn, before, frames] = parts[..] else {
            return Err(format!("{text}: no load").into());
        };
        let (kind, in_turn) = (kind.parse()?, in_turn.parse()?);
        Ok(Self { kind, in_turn, before: before.parse()?, frames: frames.parse()? })
    }
}

/// What both ends of one run have used. The bare socket's ends take the places of those that send and
/// receive pictures.
struct Run {
    load: Load,
    client: Usage,
    server: Usage,
}

impl Run {
    /// Frames per second, from the first that is timed to the last answer.
    fn fps(&self) -> f64 {
        self.load.frames as f64 / self.client.wall.as_secs_f64()
    }

    /// Milliseconds per frame, both ends.
    fn cpu(&self) -> f64 {
        self.cpu_of(&self.client) + self.cpu_of(&self.server)
    }

    /// Milliseconds per frame, one end.
    fn cpu_of(&self, end: &Usage) -> f64 {
        end.cpu.as_secs_f64() * 1000.0 / self.load.all() as f64
    }

    /// The most pictures' worth of memory at once, one end.
    fn peak_frames(&self, end: &Usage) -> Option<f64> {
        end.memory.map(|bytes| bytes as f64 / self.load.kind.bytes() as f64)
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        [] => measure(),
        ["loopback"] => loopback(),
        ["codec", ref contents @ ..] => codec(contents),
        ["e2e"] => measure_e2e(e2e::WHOLE, "target/bench/e2e"),
        ["e2e", "short"] => measure_e2e(e2e::SHORT, "target/bench/e2e-short"),
        ["e2e-serve", sessions] => parse(sessions).and_then(e2e::serve),
        ["plots"] => plots::draw(Path::new("target/bench")),
        ["plots", directory] => plots::draw(Path::new(directory)),
        ["links", "short"] => measure_links(links::SHORT, &[], "target/bench/links-short"),
        ["links"] => measure_links(links::WHOLE, &[], "target/bench/links"),
        ["links", ref cells @ ..] => measure_links(links::WHOLE, cells, "target/bench/links-some"),
        ["link-server", kind, content] => {
            both(kind, content).and_then(|(kind, content)| ends::serve(kind, content))
        }
        ["link-client", kind, content] => {
            both(kind, content).and_then(|(kind, content)| ends::act(kind, content))
        }
        ["forward", port, micros] => both(port, micros)
            .and_then(|(port, micros)| forwarder::run(port, Duration::from_micros(micros))),
        ["stage", stage, kind, rounds] => callgrind::stage(stage, kind, rounds),
        ["bare-send", load, port] => {
            both(load, port).and_then(|(load, port)| bare::send(load, port))
        }
        ["bare-receive", load] => parse(load).and_then(bare::receive),
        ["serve"] => loopback::serve(),
        ["encode", load, port, compression] => both(load, port)
            .and_then(|(load, port)| loopback::encode(load, port, parse(compression)?)),
        ["decode", load, port] => {
            both(load, port).and_then(|(load, port)| loopback::decode(load, port))
        }
        _ => Err(
            "usage: vtremote-bench [loopback | codec [CONTENT …] | links [short | CELL …] | e2e [short] | \
                  plots [DIRECTORY]]"
                .into(),
        ),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("vtremote-bench: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn parse<T: FromStr<Err: Into<Problem>>>(text: &str) -> Result<T, Problem> {
    text.parse().map_err(Into::into)
}

fn both<A, B>(a: &str, b: &str) -> Result<(A, B), Problem>
where
    A: FromStr<Err: Into<Problem>>,
    B: FromStr<Err: Into<Problem>>,
{
    Ok((parse(a)?, parse(b)?))
}

fn measure() -> Result<(), Problem> {
    let mut report = Report::default();
    sessions(&mut report)?;
    codec::measure(&mut report, &Content::ALL)?;
    callgrind::measure(&mut report, &Content::ALL)?;
    links::measure(&mut report, links::WHOLE, &[])?;
    e2e::measure(&mut report, &e2e::WHOLE)?;
    parts::collect(&mut report)?;
    report.write("target/bench")
}

/// The part of it that is about sessions beside the bare socket alone.
fn loopback() -> Result<(), Problem> {
    let mut report = Report::default();
    sessions(&mut report)?;
    report.write("target/bench/loopback")
}

fn sessions(report: &mut Report) -> Result<(), Problem> {
    for compression in Coding::ALL {
        let name = format!("loopback.{compression}");
        let bare = || bare::run(ENCODE, false);
        session(report, &name, bare, || loopback::run_encode(ENCODE, compression))?;
    }
    for load in [DECODE, DECODE_4K] {
        let name = format!("decode.{}", load.kind);
        session(report, &name, || bare::run(load, true), || loopback::run_decode(load))?;
    }
    Ok(())
}

/// The part of it that is about compression alone, of all contents or of some.
fn codec(contents: &[&str]) -> Result<(), Problem> {
    let mut report = Report::default();
    let mut contents: Vec<Content> =
        contents.iter().map(|name| name.parse()).collect::<Result<_, _>>()?;
    if contents.is_empty() {
        contents = Content::ALL.to_vec();
    }
    codec::measure(&mut report, &contents)?;
    callgrind::measure(&mut report, &contents)?;
    report.write("target/bench/codec")
}

/// The part of it that is about links alone.
fn measure_links(plan: links::Plan, cells: &[&str], directory: &str) -> Result<(), Problem> {
    let mut report = Report::default();
    links::measure(&mut report, plan, cells)?;
    report.write(directory)
}

/// The part of it that is about ffmpeg.
fn measure_e2e(plan: e2e::Plan, directory: &str) -> Result<(), Problem> {
    let mut report = Report::default();
    e2e::measure(&mut report, &plan)?;
    report.write(directory)
}

/// Sessions of one kind against the bare socket.
fn session(
    report: &mut Report,
    name: &str,
    bare: impl Fn() -> Result<Run, Problem>,
    product: impl Fn() -> Result<Run, Problem>,
) -> Result<(), Problem> {
    let pairs = pairs(name, bare, product)?;
    let mut figure = |figure: &str, unit, value: &dyn Fn(&Pair) -> Option<f64>| {
        report.add(format!("{name}.{figure}"), unit, pairs.iter().map(value))
    };
    let ratio = |of: fn(&Run) -> f64| move |pair: &Pair| Some(of(&pair.product) / of(&pair.bare));
    figure("vs_bare_socket", Unit::Ratio, &ratio(Run::fps));
    figure("cpu_vs_bare_socket", Unit::Ratio, &ratio(Run::cpu));
    figure("cpu_ms_per_frame", Unit::Ms, &|pair| Some(pair.product.cpu()));
    let of_product = |of: fn(&Run) -> f64| move |pair: &Pair| Some(of(&pair.product));
    figure("client_cpu_ms_per_frame", Unit::Ms, &of_product(|run| run.cpu_of(&run.client)));
    figure("server_cpu_ms_per_frame", Unit::Ms, &of_product(|run| run.cpu_of(&run.server)));
    figure("bare_cpu_ms_per_frame", Unit::Ms, &|pair| Some(pair.bare.cpu()));
    figure("fps", Unit::Fps, &of_product(Run::fps));
    figure("bare_fps", Unit::Fps, &|pair| Some(pair.bare.fps()));
    let peak =
        |of: fn(&Run) -> &Usage| move |pair: &Pair| pair.product.peak_frames(of(&pair.product));
    figure("client_peak_frames", Unit::Frames, &peak(|run| &run.client));
    figure("server_peak_frames", Unit::Frames, &peak(|run| &run.server));
    Ok(())
}

/// Two runs next to each other.
struct Pair {
    bare: Run,
    product: Run,
}

/// Pairs of runs, in turn with the one first and with the other.
fn pairs(
    name: &str,
    bare: impl Fn() -> Result<Run, Problem>,
    product: impl Fn() -> Result<Run, Problem>,
) -> Result<Vec<Pair>, Problem> {
    let pair = |number| {
        eprint!("\r{name}: pair {} of {PAIRS} ", number + 1);
        if number % 2 == 0 {
            let bare = bare()?;
            Ok(Pair { bare, product: product()? })
        } else {
            let product = product()?;
            Ok(Pair { bare: bare()?, product })
        }
    };
    let pairs = (0..PAIRS).map(pair).collect();
    eprintln!();
    pairs
}
