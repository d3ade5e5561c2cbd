//! ffmpeg with the remote encoders and a daemon, beside ffmpeg alone with the same encoder; and several
//! at once.
//!
//! The daemon has the libavcodec backend at its fastest preset, so that as little as possible of the time
//! is the encoder's. All of it is on the same processors: what remote costs more is the product's.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use vtremote_backend::Backend;
use vtremote_backend_libavcodec::Libavcodec;
use vtremote_benches::content::Content;
use vtremote_benches::picture::NV12_1080P;
use vtremote_link::Address;
use vtremoted::{Daemon, LogFormat, LogLevel};

use crate::process::{Process, Usage};
use crate::report::{Report, Unit};
use crate::{Problem, usage};

/// At once.
pub(crate) const SESSIONS: [usize; 3] = [1, 4, 8];

/// Frames of a run, by codec: some seconds' work.
pub(crate) const FRAMES: [(&str, usize); 2] = [("h264", 480), ("hevc", 128)];

/// Different frames; they are read again and again.
const IN_TURN: usize = 40;

/// How much is done.
pub(crate) struct Plan {
    /// Of remote and local; half as many of each number of sessions.
    rounds: usize,
    /// One in so many of the frames.
    share: usize,
}

/// What figures are of.
pub(crate) const WHOLE: Plan = Plan { rounds: 5, share: 1 };

/// Whether there are figures at all.
pub(crate) const SHORT: Plan = Plan { rounds: 1, share: 16 };

/// The preset of both ends.
const PRESET: &str = "ultrafast";

/// Of each encoder, at both ends.
const THREADS: usize = 2;

/// That of this checkout, with the remote encoders.
const OURS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/ffmpeg/bin/ffmpeg");
/// The system's, with libx264 and libx265.
const LOCAL: &str = "ffmpeg";

/// Adds the part of the report that begins with `e2e`.
pub(crate) fn measure(report: &mut Report, plan: &Plan) -> Result<(), Problem> {
    let film = match Film::new() {
        Ok(film) => film,
        Err(reason) => {
            report.absent("e2e", reason);
            return Ok(());
        }
    };
    for (codec, frames) in FRAMES {
        let least = IN_TURN.div_ceil(plan.share);
        let bench = Bench { codec, film: &film.0, frames: frames / plan.share, least };
        match bench.missing() {
            None => bench.measure(report, plan.rounds)?,
            Some(reason) => report.absent(&format!("e2e.{codec}"), reason),
        }
    }
    eprintln!();
    Ok(())
}

/// A file of frames as a decoder gives them, removed when dropped.
struct Film(PathBuf);

impl Film {
    fn new() -> Result<Self, String> {
        let mut bytes = Vec::with_capacity(IN_TURN * NV12_1080P.bytes());
        for planes in Content::Clip.frames(NV12_1080P, IN_TURN)? {
            let [luma, chroma] = &planes[..] else { return Err("pictures without chroma".into()) };
            bytes.extend_from_slice(luma);
            bytes.extend(chroma.iter().step_by(2));
            bytes.extend(chroma.iter().skip(1).step_by(2));
        }
        let name = format!("vtremote-bench-{}.yuv", std::process::id());
        let film = Self(std::env::temp_dir().join(name));
        fs::write(&film.0, bytes).map_err(|error| format!("{}: {error}", film.0.display()))?;
        Ok(film)
    }
}

impl Drop for Film {
    fn drop(&mut self) {
        // In the directory for such files, where it is harmless if it stays.
        let _ = fs::remove_file(&self.0);
    }
}

/// One codec.
struct Bench<'a> {
    codec: &'static str,
    film: &'a Path,
    frames: usize,
    /// Of each of several sessions: enough to fill its window.
    least: usize,
}

impl Bench<'_> {
    fn remote(&self) -> String {
        format!("{}_videotoolbox_remote", self.codec)
    }

    fn local(&self) -> &'static str {
        if self.codec == "h264" { "libx264" } else { "libx265" }
    }

    /// Why nothing can be measured.
    fn missing(&self) -> Option<String> {
        if !Path::new(OURS).exists() {
            return Some("target/ffmpeg/bin/ffmpeg is not built: make build".into());
        }
        let programs = [(OURS, self.remote()), (LOCAL, self.local().into())];
        programs.into_iter().find_map(|(program, encoder)| {
            let help = ["-hide_banner", "-h", &format!("encoder={encoder}")];
            let output = Command::new(program).args(help).stdin(Stdio::null()).output();
            match output {
                Err(error) => Some(format!("{program}: {error}")),
                // ffmpeg says that it knows none, and ends well.
                Ok(output) if !output.stdout.starts_with(b"Encoder ") => {
                    let whose = if program == OURS { "this checkout's" } else { "the system's" };
                    Some(format!("{whose} ffmpeg has no {encoder}"))
                }
                Ok(_) => None,
            }
        })
    }

    fn measure(&self, report: &mut Report, rounds: usize) -> Result<(), Problem> {
        let codec = self.codec;
        let mut ratios = Vec::new();
        for round in 0..rounds {
            eprint!("\r{:<44}", format!("e2e.{codec}: pair {} of {rounds}", round + 1));
            let (remote, local) = if round % 2 == 0 {
                let local = self.run_local()?;
                (self.run_remote(1)?, local)
            } else {
                (self.run_remote(1)?, self.run_local()?)
            };
            let ffmpeg = &remote.clients[0];
            let cpu = ffmpeg.cpu + remote.daemon.cpu;
            ratios
                .push((local.wall.div_duration_f64(ffmpeg.wall), cpu.div_duration_f64(local.cpu)));
        }
        let name = format!("e2e.{codec}.remote_vs_local");
        let ratio = |of: fn(&(f64, f64)) -> f64| ratios.iter().map(move |ratio| Some(of(ratio)));
        report.add(format!("{name}.fps"), Unit::Ratio, ratio(|(fps, _)| *fps));
        report.add(format!("{name}.cpu"), Unit::Ratio, ratio(|(_, cpu)| *cpu));
        let rounds = rounds.div_ceil(2);
        let mut runs = SESSIONS.map(|_| Vec::new());
        for round in 0..rounds {
            for (sessions, runs) in SESSIONS.into_iter().zip(&mut runs) {
                let name = format!("e2e.{codec}.{sessions}_sessions");
                eprint!("\r{:<44}", format!("{name}: run {} of {rounds}", round + 1));
                runs.push(self.run_remote(sessions)?);
            }
        }
        for (sessions, runs) in SESSIONS.into_iter().zip(&runs) {
            let name = format!("e2e.{codec}.{sessions}_sessions");
            report.add(format!("{name}.fps"), Unit::Fps, runs.iter().map(|run| Some(run.fps)));
            let mb = |usage: &Usage| Some(usage.memory? as f64 / 1e6);
            let daemon = runs.iter().map(|run| mb(&run.daemon));
            report.add(format!("{name}.daemon_peak_mb"), Unit::Mb, daemon);
            let clients = runs.iter().flat_map(|run| run.clients.iter().map(mb));
            report.add(format!("{name}.client_peak_mb"), Unit::Mb, clients);
        }
        Ok(())
    }

    fn run_local(&self) -> Result<Usage, Problem> {
        let mut command = self.ffmpeg(LOCAL, self.local(), self.frames);
        // What the daemon sets, so that the encoder does the same, and gives the same.
        command.args(["-preset", PRESET, "-threads", &THREADS.to_string()]);
        command.args(["-flags", "+cgop", "-forced-idr", "1"]);
        if self.codec == "hevc" {
            let parameters = format!("pools={THREADS}:frame-threads=1:log-level=error:info=0");
            command.args(["-x265-params", &parameters]);
        }
        Ffmpeg::start(command)?.finish(self.frames)
    }

    /// So many sessions at once, each with its share of the frames.
    fn run_remote(&self, sessions: usize) -> Result<Remote, Problem> {
        let mut daemon = Process::start("e2e-serve", &[&sessions])?;
        let port: u16 = daemon.answer()?;
        let frames = (self.frames / sessions).max(self.least);
        let began = Instant::now();
        let mut running = Vec::new();
        for _ in 0..sessions {
            let mut command = self.ffmpeg(OURS, &self.remote(), frames);
            command.args(["-vt_remote_host", &format!("127.0.0.1:{port}")]);
            running.push(Ffmpeg::start(command)?);
        }
        let clients: Vec<Usage> = thread::scope(|scope| {
            let finish = |ffmpeg: Ffmpeg| scope.spawn(move || ffmpeg.finish(frames));
            let running: Vec<_> = running.into_iter().map(finish).collect();
            let ended = |ended: thread::ScopedJoinHandle<Result<Usage, Problem>>| {
                ended
                    .join()
                    .unwrap_or_else(|_| Err("a thread that waits for ffmpeg panicked".into()))
            };
            running.into_iter().map(ended).collect::<Result<_, _>>()
        })?;
        let fps = (sessions * frames) as f64 / began.elapsed().as_secs_f64();
        daemon.tell("stop")?;
        Ok(Remote { fps, clients, daemon: daemon.answer()? })
    }

    /// Up to the encoder's own options, and what comes after them.
    fn ffmpeg(&self, program: &str, encoder: &str, frames: usize) -> Command {
        let mut command = Command::new(program);
        // Whoever uses vtremote may have a server or settings in the environment.
        for (name, _) in std::env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"VTREMOTE") {
                command.env_remove(name);
            }
        }
        let size = format!("{}x{}", NV12_1080P.width, NV12_1080P.height);
        command
            .args(["-hide_banner", "-nostdin", "-nostats", "-benchmark", "-progress", "-"])
            .args(["-stats_period", "0.1"])
            .args(["-f", "rawvideo", "-pix_fmt", "yuv420p", "-video_size", &size])
            .args(["-framerate", "24", "-stream_loop", "-1", "-i"])
            .arg(self.film)
            .args(["-frames:v", &frames.to_string(), "-f", "null"])
            .args(["-c:v", encoder, "-b:v", "6M", "-bf", "0", "-g", "48"]);
        command
    }
}

/// What sessions used.
struct Remote {
    /// All together, from the start of the first process to the end of the last.
    fps: f64,
    clients: Vec<Usage>,
    daemon: Usage,
}

/// One in progress; ended when dropped.
struct Ffmpeg(Option<Child>);

impl Ffmpeg {
    fn start(mut command: Command) -> Result<Self, Problem> {
        // The output, which the muxer does not write.
        command.arg("-").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(Self(Some(command.spawn()?)))
    }

    /// What it says that it used, once it has encoded all frames.
    fn finish(mut self, frames: usize) -> Result<Usage, Problem> {
        let child = self.0.as_mut().ok_or("an ffmpeg that has ended")?;
        let (mut encoded, mut memory) = (None, None);
        // Not by its own maxrss: that counts what this process had when it started ffmpeg.
        for line in BufReader::new(child.stdout.take().ok_or("no output")?).lines() {
            memory = memory.max(usage::peak_memory_of(child.id()));
            encoded = line?.strip_prefix("frame=").map(str::to_owned).or(encoded);
        }
        let child = self.0.take().ok_or("an ffmpeg that has ended")?;
        let output = child.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().last().unwrap_or_default();
        if !output.status.success() {
            return Err(format!("ffmpeg: {last}").into());
        }
        if encoded.as_ref().and_then(|number| number.trim().parse().ok()) != Some(frames) {
            return Err(format!("ffmpeg: {encoded:?} of {frames} frames: {last}").into());
        }
        let benchmark = said.lines().find_map(|line| {
            line.strip_prefix("bench: ").filter(|line| line.starts_with("utime="))
        });
        let benchmark = benchmark.ok_or("ffmpeg does not say what it used")?;
        let seconds = |key: &str| -> Result<Duration, Problem> {
            let value =
                benchmark.split(' ').find_map(|word| word.strip_prefix(key)?.strip_suffix('s'));
            let value = value.ok_or("ffmpeg does not say what it used")?;
            Ok(Duration::try_from_secs_f64(value.parse()?)?)
        };
        let (wall, cpu) = (seconds("rtime=")?, seconds("utime=")? + seconds("stime=")?);
        Ok(Usage { wall, cpu, memory })
    }
}

impl Drop for Ffmpeg {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            // Another one has failed.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The process of the daemon, which says its port, serves until it reads a line, and then says what it
/// used since, and the most memory that it had in all.
pub(crate) fn serve(sessions: usize) -> Result<(), Problem> {
    let settings = vtremoted::Settings {
        listen: vec![Address { host: "127.0.0.1".into(), port: 0 }],
        token: None,
        max_sessions: sessions,
        backend: "libavcodec".into(),
        encoders: Vec::new(),
        encoder_threads: NonZero::new(THREADS),
        handshake_timeout: PATIENCE,
        idle_timeout: PATIENCE,
        drain_timeout: PATIENCE,
        max_message_bytes: 256 << 20,
        log_level: LogLevel::Error,
        log_format: LogFormat::Text,
        log_file: None,
        once: false,
    };
    let encoders = vtremote_backend_libavcodec::Settings {
        preset: Some(PRESET.into()),
        threads: settings.encoder_threads,
        ..Default::default()
    };
    let backend: Arc<dyn Backend> = Arc::new(Libavcodec::new(encoders)?);
    let daemon = Daemon::bind(&settings, || Ok(vec![backend]))?;
    let port = daemon.addresses().first().ok_or("a daemon without an address")?.port();
    let stop = daemon.stop();
    let (began, cpu) = (Instant::now(), usage::cpu());
    println!("{port}");
    let serving = thread::spawn(|| daemon.serve());
    // A line, or the end of whoever measures.
    io::stdin().lock().read_line(&mut String::new())?;
    stop.stop();
    serving.join().map_err(|_| "the daemon panicked")?;
    let memory = usage::peak_memory();
    println!("{}", Usage { wall: began.elapsed(), cpu: usage::cpu() - cpu, memory });
    Ok(())
}

/// Nothing moves for so long: the measurement has failed.
const PATIENCE: Duration = Duration::from_secs(60);
