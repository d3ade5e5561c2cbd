//! report.md for people and report.json for programs, which keep the names that they find.

use std::fmt::{self, Write};
use std::fs;
use std::path::Path;
use std::thread;

use serde_json::json;

use crate::e2e::FRAMES;
use crate::links::{DELAY, LEAST, WHOLE};
use crate::plots;
use crate::statistics::Quartiles;
use crate::{DECODE, DECODE_4K, DECODER_PICTURES, ENCODE, IN_FLIGHT, Load, PAIRS, Problem};

/// What a figure is to be.
enum Target {
    AtLeast(f64),
    AtMost(f64),
}

impl Target {
    fn verdict(&self, value: f64) -> &'static str {
        let met = match self {
            Self::AtLeast(least) => value >= *least,
            Self::AtMost(most) => value <= *most,
        };
        if met { "met" } else { "**not met**" }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(least) => write!(f, "≥ {least}"),
            Self::AtMost(most) => write!(f, "≤ {most}"),
        }
    }
}

/// `*` stands for any part of a name.
const TARGETS: [(&str, Target); 32] = [
    ("loopback.none.vs_bare_socket", Target::AtLeast(0.9)),
    ("loopback.none.cpu_vs_bare_socket", Target::AtMost(1.5)),
    ("loopback.none.cpu_ms_per_frame", Target::AtMost(2.5)),
    ("loopback.none.client_peak_frames", Target::AtMost((IN_FLIGHT + 4) as f64)),
    ("loopback.none.server_peak_frames", Target::AtMost((IN_FLIGHT + 4) as f64)),
    ("decode.p010.4k.vs_bare_socket", Target::AtLeast(0.8)),
    ("codec.clip.huff.size_vs_zstd1", Target::AtMost(0.46)),
    ("codec.clip.huff.encode_vs_zstd1", Target::AtLeast(1.8)),
    ("codec.clip.huff-sse2.encode_vs_zstd1", Target::AtLeast(1.5)),
    ("codec.clip.huff.decode_vs_zstd1", Target::AtLeast(0.9)),
    ("codec.clip.huff-sse2.decode_vs_zstd1", Target::AtLeast(0.9)),
    ("codec.clip.bits.encode_vs_zstd1", Target::AtLeast(3.0)),
    ("codec.clip.bits-sse2.encode_vs_zstd1", Target::AtLeast(2.6)),
    ("codec.camera.huff.size_vs_zstd1", Target::AtMost(0.5)),
    ("codec.camera.huff.encode_vs_zstd1", Target::AtLeast(1.8)),
    ("codec.camera.huff-sse2.encode_vs_zstd1", Target::AtLeast(1.5)),
    ("codec.camera.huff.decode_vs_zstd1", Target::AtLeast(0.9)),
    ("codec.camera.huff-sse2.decode_vs_zstd1", Target::AtLeast(0.9)),
    ("codec.camera.bits.encode_vs_zstd1", Target::AtLeast(3.0)),
    ("codec.camera.bits-sse2.encode_vs_zstd1", Target::AtLeast(2.6)),
    ("codec.grain.huff.size_vs_zstd1", Target::AtMost(0.63)),
    ("codec.grain.huff.encode_vs_zstd1", Target::AtLeast(0.9)),
    ("codec.grain.huff-sse2.encode_vs_zstd1", Target::AtLeast(0.9)),
    ("codec.grain.huff.decode_vs_zstd1", Target::AtLeast(0.7)),
    ("codec.grain.huff-sse2.decode_vs_zstd1", Target::AtLeast(0.7)),
    ("codec.grain.bits.encode_vs_zstd1", Target::AtLeast(1.8)),
    ("codec.grain.bits-sse2.encode_vs_zstd1", Target::AtLeast(1.8)),
    ("codec.clip.temporal.size_vs_zstd1", Target::AtMost(0.4)),
    ("codec.two_threads.encode_speedup", Target::AtLeast(1.8)),
    ("link.*auto_vs_best", Target::AtLeast(LEAST)),
    ("link.1g.1080p.nv12.*.one_core.auto.fps", Target::AtLeast(60.0)),
    ("latency.1g.1080p.over_wire_ms", Target::AtMost(3.0)),
];

/// What a figure counts.
#[derive(Clone, Copy)]
pub(crate) enum Unit {
    /// Of two runs next to each other.
    Ratio,
    /// Milliseconds.
    Ms,
    /// Microseconds.
    Us,
    /// Frames per second.
    Fps,
    /// Pictures' worth of memory.
    Frames,
    /// Megabytes.
    Mb,
    /// Megabytes of raw pictures per second.
    Mbs,
    /// Gigabits per second.
    Gbits,
    /// Instructions.
    Instructions,
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Ratio => "ratio",
            Self::Ms => "ms",
            Self::Us => "us",
            Self::Fps => "fps",
            Self::Frames => "frames",
            Self::Mb => "MB",
            Self::Mbs => "MB/s",
            Self::Gbits => "Gb/s",
            Self::Instructions => "instructions",
        }
    }
}

/// Everything that was measured.
#[derive(Default)]
pub(crate) struct Report {
    figures: Vec<(String, Unit, Quartiles)>,
    absent: Vec<(String, String)>,
    notes: Vec<String>,
}

impl Report {
    /// A figure by its values in all runs; absent if a run has none.
    pub(crate) fn add(
        &mut self,
        name: String,
        unit: Unit,
        values: impl Iterator<Item = Option<f64>>,
    ) {
        let values: Option<Vec<f64>> = values.collect();
        match values.and_then(Quartiles::of) {
            Some(quartiles) => self.figures.push((name, unit, quartiles)),
            None => self.absent.push((name, "this system does not tell".into())),
        }
    }

    /// A figure that cannot be had.
    pub(crate) fn absent(&mut self, name: &str, reason: impl Into<String>) {
        self.absent.push((name.to_owned(), reason.into()));
    }

    /// Something that a figure does not say of itself.
    pub(crate) fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// Writes both files and the plots, and shows the table.
    pub(crate) fn write(&self, directory: &str) -> Result<(), Problem> {
        let directory = Path::new(directory);
        fs::create_dir_all(directory)?;
        let entry = |name: String, value: f64, unit: &Unit| json!({ "name": name, "value": value, "unit": unit.name() });
        let figures = self.figures.iter().flat_map(|(name, unit, Quartiles { q1, median, q3 })| {
            [
                entry(name.clone(), *median, unit),
                entry(format!("{name}.q1"), *q1, unit),
                entry(format!("{name}.q3"), *q3, unit),
            ]
        });
        let figures: Vec<_> = figures.collect();
        let text = serde_json::to_string_pretty(&figures)? + "\n";
        fs::write(directory.join("report.json"), text)?;
        let text = self.markdown()?;
        print!("{text}");
        fs::write(directory.join("report.md"), text)?;
        plots::draw(directory)
    }

    fn markdown(&self) -> Result<String, Problem> {
        let mut out = String::new();
        let e2e_frames =
            FRAMES.map(|(codec, frames)| format!("{frames} frames ({codec})")).join(" or ");
        writeln!(out, "# Benchmarks\n\n{}\n", machine())?;
        let moved = |load: &Load| {
            let Load { kind, frames, .. } = load;
            format!("{frames} pictures of {kind} ({} bytes each)", kind.bytes())
        };
        writeln!(
            out,
            "Medians of {PAIRS} pairs of runs; the middle half of the runs in brackets. Ratios are of the \
             two runs of a pair. A run encodes {}, or decodes {} or {}.\n",
            moved(&ENCODE),
            moved(&DECODE),
            moved(&DECODE_4K),
        )?;
        writeln!(out, "| figure | value | unit | target | |\n|---|---|---|---|---|")?;
        for (name, unit, Quartiles { q1, median, q3 }) in &self.figures {
            let (target, met) = match target(name) {
                Some(target) => (target.to_string(), target.verdict(*median)),
                None => Default::default(),
            };
            let unit = unit.name();
            let value = format!("{} ({} – {})", short(*median), short(*q1), short(*q3));
            writeln!(out, "| {name} | {value} | {unit} | {target} | {met} |")?;
        }
        for (name, reason) in &self.absent {
            let target = target(name).map(Target::to_string).unwrap_or_default();
            writeln!(out, "| {name} | absent: {reason} | | {target} | |")?;
        }
        if !self.notes.is_empty() {
            writeln!(out)?;
        }
        for note in &self.notes {
            writeln!(out, "- {note}.")?;
        }
        write!(
            out,
            "
- **loopback.X**: an encode session, its planes uncompressed (none) or as LZ4 or Zstandard, between a
  client's process and a daemon's with the synthetic backend (`hash=off`), which reads no pixel. It
  begins with the first frame when the connection is configured, and ends with the last packet.
- **decode.X**: a decode session of such pictures, uncompressed, from a daemon with the synthetic backend
  (`hash=off`), which paints each of its {DECODER_PICTURES} pictures once and then sends them as they are, so
  that no decoder's time is in it. The caller drops a picture before it asks for the next. The time is that
  from the client's picture {before} to its last: by then both ends have all their memory.
- **bare**: a process that writes as many pictures to a TCP connection of the same machine and one that
  reads them into a buffer of one picture; TCP_NODELAY, the system's socket buffers. Beside an encode
  session it ends when the writer knows that all was read; beside a decode session the reader takes the
  time, from the same picture on. The writer has as many pictures in turn as the session has in full flow
  ({IN_FLIGHT} to encode, {DECODER_PICTURES} decoded), so that both find as little of them in the caches.
- **cpu**: what both processes used, all threads and the kernel's work for them included; of the client
  from the first frame to the end, of the daemon from before the connection to after it, per picture that
  was moved, timed or not.
- **peak_frames**: the most memory that a process had beyond what it had before the session (VmHWM - VmRSS
  of /proc, so buffers, stacks and the codecs' contexts count), in pictures. What an encode session's client
  sends is there before, so the pictures that the session held at once are added. Sockets' buffers are the
  kernel's and do not count.
- **codec.X**: frames of a content (clip: the bundled film; camera and grain: photographs that pass by, with
  a sensor's noise and with strong grain; screen: windows with text that scrolls; 1080p NV12, or P010
  where the name says so) on one thread, frame after frame through every mode in turn, by the thread's CPU
  time. MB/s are of raw bytes; **vs_zstd1** is beside zstd level 1 of whole planes on the same frame. A mode
  with a set of instructions behind its name has only those, else the best of this machine.
- **two_threads**: the slices of eight frames on two threads, and how much sooner than on one, by the clock.
- **link.RATE.SIZE.FORMAT.MODE.fps**: frames per second of a session that encodes, between processes in two
  network namespaces; the cable between them is shaped to 1, 2.5 or 10 Gb/s each way (tbf; headers count,
  `bulk` is a bare socket's payload), also for a lone megabyte after a pause (`lone_mb`, of which the
  shaper's burst of 64, 128 or 256 KiB is not held back). The frames are the film's unless a content is named, as
  many as there is room for; the backend is the synthetic one. **decode_fps**: of one that decodes; its
  backend gives out the content's pictures at once. From the first frame's arrival there is a warm-up of
  {warm_up} s, and of {auto_warm_up} s for auto, then a window of at least {window} s, for fixed modes twice (before auto's,
  which is as long as both, and after it); it ends with a whole turn of the pictures, if that is not three
  times as long, so that all modes have had the same ones.
- **delayed**: the same through a process that holds back what it gets for {delay} ms in each direction.
- **one_core**: the client is bound to one processor.
- **auto_vs_best**: beside the fastest fixed mode of the cell. A note says what auto took last where it is
  below {LEAST}. Its figure holds the spans, of a quarter of a second or more, in which it used a mode that
  turned out to be slower. Where both ends share the processors, as here, the stages do not overlap as it
  expects of a mode that it has not used; and 10 Gb/s is what two processors can hardly fill.
- **latency**: a lone frame of the film 30 times a second, auto with `realtime`, adaptive window, two
  processors for the client: from its sending to its packet (**ms**); the time that its bytes need on the cable
  (**wire_ms**); the one less the other (**over_wire_ms**, and its 99th percentile).
- **instructions.X.per_sample**: of a stage of the codec, by valgrind's callgrind: the same in every run.
- **parts**: one call each, a thread of its own, by criterion.
- **e2e.CODEC**: ffmpeg with the remote encoder and a daemon with the libavcodec backend, beside the system's
  ffmpeg with libx264 or libx265 in itself, all on the same processors: preset ultrafast on two threads, 6
  Mb/s, no B-frames; {e2e_frames} of the film as planar pictures from a file.
  **remote_vs_local.fps** by ffmpeg's own time, **cpu** of ffmpeg and the daemon together: two runs next to each
  other.
- **N_sessions**: so many at once, each with its share of the frames: frames per second of all together, from
  the start of the first process to the end of the last; the most memory of the daemon and of an ffmpeg.
",
            before = DECODE.before,
            warm_up = WHOLE.warm_up.as_secs_f64(),
            auto_warm_up = WHOLE.auto_warm_up.as_secs_f64(),
            window = WHOLE.window.as_secs_f64(),
            delay = DELAY.as_millis(),
        )?;
        Ok(out)
    }
}

fn target(name: &str) -> Option<&'static Target> {
    let is_of = |pattern: &str| match pattern.split_once('*') {
        None => pattern == name,
        Some((before, after)) => {
            name.strip_prefix(before).is_some_and(|rest| rest.ends_with(after))
        }
    };
    TARGETS.iter().find(|(of, _)| is_of(of)).map(|(_, target)| target)
}

fn short(value: f64) -> String {
    match value {
        large if large >= 100.0 => format!("{large:.0}"),
        value => format!("{value:.2}"),
    }
}

/// What was measured on.
fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let model = read("/proc/cpuinfo");
    let model = model.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("", |model| model.trim_start_matches([' ', '\t', ':']));
    let kernel = read("/proc/sys/kernel/osrelease");
    let cores = thread::available_parallelism().map_or(0, usize::from);
    format!(
        "{} {}, {} cores{}{}",
        std::env::consts::OS,
        kernel.trim(),
        cores,
        if model.is_empty() { "" } else { ", " },
        model
    )
}
