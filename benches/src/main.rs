//! `make bench`: measures sessions beside a bare socket that moves the same bytes, and writes
//! target/bench/report.md and report.json.
//!
//! Two processes a run, as in use: so each end's CPU and memory are its own. The machine may have
//! other work, so runs alternate and every ratio is of two runs next to each other.

mod bare;
mod loopback;
mod parts;
mod process;
mod report;
mod statistics;
mod usage;

use std::env;
use std::error::Error;
use std::process::ExitCode;
use std::str::FromStr;

use vtremote_benches::picture;
use vtremote_planes::Compression;

use process::Usage;
use report::{Report, Unit};

/// Frames of a run.
const FRAMES: usize = 200;
/// Pairs of runs.
const PAIRS: usize = 20;
/// The session's window, which is the default.
const IN_FLIGHT: usize = vtremote_client::DEFAULT_INFLIGHT as usize;

/// Why something could not be measured.
type Problem = Box<dyn Error + Send + Sync>;

/// What both ends of one run have used. Of the bare socket, the sender takes the client's place.
struct Run {
    client: Usage,
    server: Usage,
}

impl Run {
    /// Frames per second, from the first that was sent to the last answer.
    fn fps(&self) -> f64 {
        FRAMES as f64 / self.client.wall.as_secs_f64()
    }

    /// Milliseconds per frame, both ends.
    fn cpu(&self) -> f64 {
        cpu(&self.client) + cpu(&self.server)
    }
}

/// Milliseconds per frame.
fn cpu(usage: &Usage) -> f64 {
    usage.cpu.as_secs_f64() * 1000.0 / FRAMES as f64
}

/// The most pictures' worth of memory at once.
fn peak_frames(usage: &Usage) -> Option<f64> {
    usage.memory.map(|bytes| bytes as f64 / picture::bytes() as f64)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        [] => measure(),
        ["bare-send", port] => parse(port).and_then(bare::send),
        ["bare-receive"] => bare::receive(),
        ["serve"] => loopback::serve(),
        ["encode", port, compression] => {
            parse(port).and_then(|port| loopback::encode(port, parse(compression)?))
        }
        _ => Err("usage: vtremote-bench, without arguments".into()),
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

fn measure() -> Result<(), Problem> {
    let mut report = Report::default();
    for compression in Compression::ALL {
        encode_session(&mut report, compression)?;
    }
    decode_session(&mut report);
    parts::collect(&mut report)?;
    report.write("target/bench")
}

/// An encode session of 1080p NV12 against the bare socket.
fn encode_session(report: &mut Report, compression: Compression) -> Result<(), Problem> {
    let pairs = pairs(&format!("loopback.{compression}"), || loopback::run(compression))?;
    let mut figure = |name: &str, unit, value: &dyn Fn(&Pair) -> Option<f64>| {
        report.add(format!("loopback.{compression}.{name}"), unit, pairs.iter().map(value))
    };
    let ratio = |of: fn(&Run) -> f64| move |pair: &Pair| Some(of(&pair.product) / of(&pair.bare));
    figure("vs_bare_socket", Unit::Ratio, &ratio(Run::fps));
    figure("cpu_vs_bare_socket", Unit::Ratio, &ratio(Run::cpu));
    figure("cpu_ms_per_frame", Unit::Ms, &|pair| Some(pair.product.cpu()));
    figure("client_cpu_ms_per_frame", Unit::Ms, &|pair| Some(cpu(&pair.product.client)));
    figure("server_cpu_ms_per_frame", Unit::Ms, &|pair| Some(cpu(&pair.product.server)));
    figure("bare_cpu_ms_per_frame", Unit::Ms, &|pair| Some(pair.bare.cpu()));
    figure("fps", Unit::Fps, &|pair| Some(pair.product.fps()));
    figure("bare_fps", Unit::Fps, &|pair| Some(pair.bare.fps()));
    figure("client_peak_frames", Unit::Frames, &|pair| peak_frames(&pair.product.client));
    figure("server_peak_frames", Unit::Frames, &|pair| peak_frames(&pair.product.server));
    Ok(())
}

/// A decode session of 4K P010 against the bare socket, downwards.
fn decode_session(report: &mut Report) {
    report.absent("decode.p010.4k.vs_bare_socket", "there is no decoding client yet");
}

/// Two runs next to each other.
struct Pair {
    bare: Run,
    product: Run,
}

/// Pairs of runs, in turn with the one first and with the other.
fn pairs(name: &str, product: impl Fn() -> Result<Run, Problem>) -> Result<Vec<Pair>, Problem> {
    let pair = |number| {
        eprint!("\r{name}: pair {} of {PAIRS} ", number + 1);
        if number % 2 == 0 {
            let bare = bare::run()?;
            Ok(Pair { bare, product: product()? })
        } else {
            let product = product()?;
            Ok(Pair { bare: bare::run()?, product })
        }
    };
    let pairs = (0..PAIRS).map(pair).collect();
    eprintln!();
    pairs
}
