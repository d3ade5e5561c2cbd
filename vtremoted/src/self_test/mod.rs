//! `vtremoted --self-test`: whether the encoders and decoders of this machine do what they should.
//!
//! Nothing is listened on: each codec and pixel format that the backend lists is driven in this process.

mod case;
mod scene;

#[cfg(all(test, feature = "libavcodec"))]
mod tests;

use crate::banner::codec_name;
use crate::service::{Machine, ThisMachine};
use crate::{Error, Notices};
use case::{Case, Report};
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread::available_parallelism;
use std::time::Duration;
use vtremote_backend::{Backend, Codec};

/// How long a case may take, which is seconds on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Prints what this machine is, a line a case, and the verdict. The code is 0 if nothing failed.
///
/// # Errors
/// [`Error`] if there is no such backend, it does not start, or nothing can be printed.
pub(crate) fn self_test(
    backends: impl FnOnce(Notices) -> Result<Vec<Arc<dyn Backend>>, Error>,
) -> Result<ExitCode, Error> {
    let mut out = io::stdout();
    let printed = |result: io::Result<ExitCode>| {
        result.map_err(|error| Error::Start(format!("standard output: {error}")))
    };
    // Before a backend may fail: a report of that has it, too.
    printed(write!(out, "{}{}", crate::banner::version(), machine()).map(|()| ExitCode::SUCCESS))?;
    let (tell, notices) = channel();
    // The test ends before a backend may: nobody listens any more.
    let opened = backends(Arc::new(move |line| drop(tell.send(line))));
    // Where there is no backend they may be the reason.
    printed(say(&notices, "", &mut out).map(|()| ExitCode::SUCCESS))?;
    printed(verdict(&opened?, PATIENCE, &notices, &mut out))
}

/// A line on the system, and one on the hardware.
fn machine() -> String {
    let ask = |program: &str, arguments: &[&str]| {
        let answer =
            ThisMachine.run(program, arguments).ok().filter(|answer| answer.is_success())?;
        Some(answer.output.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    let constants = || format!("{} {}", std::env::consts::OS, std::env::consts::ARCH);
    let mut system = ask("uname", &["-srm"]).unwrap_or_else(constants);
    let model = if cfg!(target_vendor = "apple") {
        if let Some(version) = ask("sw_vers", &["-productVersion"]) {
            system = format!("macOS {version}, {system}");
        }
        ask("sysctl", &["-n", "hw.model", "machdep.cpu.brand_string"])
    } else {
        let facts = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = facts.lines().find_map(|line| line.strip_prefix("model name"));
        model.map(|model| model.trim_start_matches([' ', '\t', ':']).to_owned())
    };
    let processors = available_parallelism().map_or(1, usize::from);
    let model = model.unwrap_or_else(|| "unknown".into());
    format!("system {system}\nhardware {model}, {processors} processors\n")
}

/// Runs every case of these backends.
fn verdict(
    backends: &[Arc<dyn Backend>],
    patience: Duration,
    notices: &Receiver<String>,
    out: &mut dyn Write,
) -> io::Result<ExitCode> {
    let (mut run, mut failed, mut without_codec) = (0, 0, false);
    for backend in backends {
        let name = backend.name();
        if name == "synthetic" {
            // Its packets say which frame they came from: there are no pictures to compare.
            writeln!(out, "{name}: no codec: skipped")?;
            without_codec = true;
            continue;
        }
        let capabilities = backend.capabilities();
        for codec in [Codec::H264, Codec::H265] {
            let of = |kind: &str, supports: &[vtremote_backend::Support]| {
                let support = supports.iter().find(|support| support.codec == codec);
                let what = support.map_or("none", |support| &support.implementation);
                format!("{kind} {what}")
            };
            let encoder = of("encoder", &capabilities.encoders);
            let decoder = of("decoder", &capabilities.decoders);
            writeln!(out, "{name} {}: {encoder}, {decoder}", codec_name(codec))?;
            let support = capabilities.encoders.iter().find(|support| support.codec == codec);
            let formats = support.map_or(&[][..], |support| &support.formats);
            let mut told = BTreeSet::new();
            for &format in formats {
                let report = Case { backend: Arc::clone(backend), codec, format, patience }.run();
                run += 1;
                failed += usize::from(report.failure.is_some());
                print(&report, &format!("{} {}", codec_name(codec), format.name()), out)?;
                // What is the same for all formats is told once.
                for line in backend
                    .details(codec, format)
                    .into_iter()
                    .filter(|line| told.insert(line.clone()))
                {
                    writeln!(out, "    {line}")?;
                }
                say(notices, "    ", out)?;
            }
            let decoded = capabilities.decoders.iter().find(|support| support.codec == codec);
            let decoded = decoded.map_or(&[][..], |support| &support.formats).iter();
            let only: Vec<_> =
                decoded.filter(|format| !formats.contains(format)).map(|f| f.name()).collect();
            if !only.is_empty() {
                let only = only.join(" ");
                writeln!(out, "  {} {only}: decoded only: skipped", codec_name(codec))?;
            }
        }
    }
    let (line, code) = match (run, failed) {
        (0, _) if without_codec => ("self-test: SKIPPED".into(), 0),
        (0, _) => ("self-test: FAILED (nothing here encodes)".into(), 1),
        (_, 0) => ("self-test: OK".into(), 0),
        _ => (format!("self-test: FAILED ({failed} of {run})"), 1),
    };
    writeln!(out, "{line}")?;
    Ok(ExitCode::from(code))
}

/// What a backend has told since it was looked at last.
fn say(notices: &Receiver<String>, indent: &str, out: &mut dyn Write) -> io::Result<()> {
    notices.try_iter().try_for_each(|line| writeln!(out, "{indent}notice: {line}"))
}

fn print(report: &Report, case: &str, out: &mut dyn Write) -> io::Result<()> {
    let mut facts = Vec::new();
    if let Some(speed) = &report.encode {
        let (open, fps) = (speed.open.as_millis(), speed.frames_per_second);
        let rate = report.bitrate / 1e6;
        facts.push(format!("encode {fps:.0} fps, open {open} ms, {rate:.1} Mbit/s"));
    }
    if let Some(speed) = &report.decode {
        let (open, fps) = (speed.open.as_millis(), speed.frames_per_second);
        facts.push(format!("decode {fps:.0} fps, open {open} ms"));
    }
    if let Some([luma, chroma]) = report.psnr {
        facts.push(format!("PSNR luma {luma:.1} dB, chroma {chroma:.1} dB"));
    }
    if let Some(what) = &report.not_decoded {
        facts.push(format!("not decoded: nothing here decodes {what}"));
    }
    let end = match &report.failure {
        None => "ok".into(),
        Some(why) => format!("FAILED: {why}"),
    };
    facts.push(end);
    writeln!(out, "  {case}: {}", facts.join("; "))?;
    report.facts.iter().try_for_each(|fact| writeln!(out, "    encoder: {fact}"))?;
    report.warnings.iter().try_for_each(|warning| writeln!(out, "    warning: {warning}"))
}
