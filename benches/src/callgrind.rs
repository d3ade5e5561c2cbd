//! Instructions of the codec's stages, which are the same however busy the machine is.
//!
//! valgrind's callgrind counts those of a process. The same process with one round of a stage more
//! differs by just this round.

use std::env;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

use vtremote_benches::content::{Content, Planes};
use vtremote_benches::picture::{Kind, NV12_1080P, P010_1080P};
use vtremote_planes::vtz::{Geometry, Isa, Method};

use crate::Problem;
use crate::report::{Report, Unit};
use crate::way::{Coded, Way, Worker, geometry};

/// What can be done with a frame, and with which method, temporal or not.
const STAGES: [(&str, Step, Method, bool); 9] = [
    ("bits.predict", Step::Predict, Method::Bits, false),
    ("bits.encode", Step::Encode, Method::Bits, false),
    ("bits.decode", Step::Decode, Method::Bits, false),
    ("huff.predict", Step::Predict, Method::Huffman, false),
    ("huff.encode", Step::Encode, Method::Huffman, false),
    ("huff.decode", Step::Decode, Method::Huffman, false),
    ("temporal.predict", Step::Predict, Method::Huffman, true),
    ("temporal.encode", Step::Encode, Method::Huffman, true),
    ("temporal.decode", Step::Decode, Method::Huffman, true),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// All that comes before the codes: residuals, in their classes and counted, or as bit planes.
    Predict,
    /// That and the codes.
    Encode,
    Decode,
}

/// Rows of a frame that are enough: 16 strips of luma.
const ROWS: usize = 256;
/// Frames that a round codes, one predicted from the other in turn.
const FRAMES: usize = 2;

/// Adds the part of the report that begins with `instructions`.
pub(crate) fn measure(report: &mut Report, contents: &[Content]) -> Result<(), Problem> {
    if Command::new("valgrind").arg("--version").stdout(Stdio::null()).status().is_err() {
        report.absent("instructions", "valgrind is not installed");
        return Ok(());
    }
    for (content, kind) in [
        (Content::Clip, NV12_1080P),
        (Content::Camera, NV12_1080P),
        (Content::Grain, NV12_1080P),
        (Content::Camera, P010_1080P),
    ] {
        if !contents.contains(&content) {
            continue;
        }
        let suffix = if kind.is_ten_bit() { "-p010" } else { "" };
        let name = format!("instructions.{content}{suffix}");
        let frames = match content.frames(kind, 4 * FRAMES) {
            Ok(frames) => frames,
            Err(reason) => {
                report.absent(&name, reason);
                continue;
            }
        };
        let pixels: Vec<u8> = frames[..FRAMES]
            .iter()
            .flatten()
            .zip([ROWS, ROWS / 2].into_iter().cycle())
            .flat_map(|(plane, rows)| {
                let row_bytes = plane.len() / (kind.height as usize * rows / ROWS);
                &plane[..rows * row_bytes]
            })
            .copied()
            .collect();
        let samples = kind.width as usize * (ROWS + ROWS / 2) * FRAMES;
        for (stage, ..) in STAGES {
            eprint!("\r{:<60}", format!("{name}.{stage}"));
            let [fewer, more] = [1, 2].map(|rounds| instructions(stage, kind, rounds, &pixels));
            match fewer.and_then(|fewer| Ok(more? - fewer)) {
                Ok(count) => {
                    let each = Some(count as f64 / samples as f64);
                    let name = format!("{name}.{stage}.per_sample");
                    report.add(name, Unit::Instructions, std::iter::once(each));
                }
                Err(problem) => report.absent(&format!("{name}.{stage}"), problem.to_string()),
            }
        }
    }
    eprintln!();
    Ok(())
}

/// Of that many rounds of a stage, and of what comes before them.
fn instructions(stage: &str, kind: Kind, rounds: usize, pixels: &[u8]) -> Result<u64, Problem> {
    let mut child = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe()?)
        .args(["stage", stage, &kind.to_string(), &rounds.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    // A process that ends early says why below.
    _ = child.stdin.take().ok_or("no pipe to valgrind")?.write_all(pixels);
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let after = |mark| said.lines().find_map(|line| Some(line.split_once(mark)?.1.trim()));
    if let Some(bytes) = after("unhandled instruction bytes:") {
        return Err(format!("valgrind does not know the instruction {bytes}").into());
    }
    if !output.status.success() {
        return Err(format!("the stage {stage} failed under valgrind").into());
    }
    Ok(after("Collected :").ok_or("valgrind counted nothing")?.parse()?)
}

/// The process that is counted: rounds of a stage with the frames that are its input.
pub(crate) fn stage(stage: &str, kind: &str, rounds: &str) -> Result<(), Problem> {
    let (kind, rounds): (Kind, usize) = (kind.parse()?, rounds.parse()?);
    let known = STAGES.iter().find(|(name, ..)| *name == stage);
    let &(_, step, method, temporal) = known.ok_or("no such stage")?;
    let geometry = Geometry { height: ROWS, ..geometry(kind) };
    let mut frames: Vec<Planes> = Vec::new();
    for _ in 0..FRAMES {
        let planes = (0..geometry.format.planes()).map(|plane| {
            let layout = geometry.layout(plane);
            let mut plane = vec![0; layout.row_bytes * layout.rows];
            std::io::stdin().read_exact(&mut plane).map(|()| plane)
        });
        frames.push(planes.collect::<Result<_, _>>()?);
    }
    let mut way = Way::vtz(geometry, Isa::best(), method, temporal)?;
    let (mut worker, mut back) = (Worker::default(), frames[0].clone());
    let mut coded: Vec<Coded> = frames.iter().map(|_| Coded::default()).collect();
    // The first round of each step takes the memory; the first of all makes the tables.
    let encode = |way: &mut Way, worker: &mut Worker, coded: &mut [Coded]| {
        frames.iter().zip(coded).try_for_each(|(frame, coded)| way.encode(frame, worker, coded))
    };
    encode(&mut way, &mut worker, &mut coded)?;
    if step == Step::Decode {
        for _ in 0..=rounds {
            coded.iter().try_for_each(|coded| way.decode(coded, &mut worker, &mut back))?;
        }
        return Ok(());
    }
    for _ in 0..rounds {
        match step {
            Step::Predict => frames
                .iter()
                .zip(&mut coded)
                .try_for_each(|(frame, coded)| way.predict(frame, &mut worker, coded))?,
            _ => encode(&mut way, &mut worker, &mut coded)?,
        }
    }
    Ok(())
}
