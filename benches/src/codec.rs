//! What compression gives and costs on one thread, and on two, beside zstd 1 on the same frames.
//!
//! Frame by frame through every way in turn, so that what else the machine does hits all of them. One
//! thread's speed is by its own CPU time; what two give over one, which no thread's own time tells, by the
//! clock.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use vtremote_benches::content::{Content, Planes};
use vtremote_benches::picture::{Kind, NV12_1080P, P010_1080P};
use vtremote_planes::Compression;
use vtremote_planes::vtz::{Geometry, Isa, Method};

use crate::Problem;
use crate::report::{Report, Unit};
use crate::way::{Coded, Coding, Reading, Way, Worker, geometry};

/// Frames of each content: four shots of six.
const FRAMES: usize = 24;
/// Rounds of one thread and two.
const ROUNDS: usize = 5;

/// Adds the part of the report that begins with `codec`.
pub(crate) fn measure(report: &mut Report, contents: &[Content]) -> Result<(), Problem> {
    let mut speedups = Vec::new();
    for kind in [NV12_1080P, P010_1080P] {
        for &content in contents {
            let name = match kind.is_ten_bit() {
                false => format!("codec.{content}"),
                true => format!("codec.{content}-p010"),
            };
            eprint!("\r{name:<30}");
            match content.frames(kind, FRAMES) {
                Ok(frames) => {
                    one_thread(report, &name, kind, &frames)?;
                    speedups.extend(two_threads(report, &name, kind, &frames)?);
                }
                Err(reason) => report.absent(&name, reason),
            }
        }
    }
    eprintln!();
    report.add(
        "codec.two_threads.encode_speedup".into(),
        Unit::Ratio,
        speedups.into_iter().map(Some),
    );
    Ok(())
}

/// A way to code frames, and what it is called.
struct Lane {
    name: String,
    way: Way,
    coded: Coded,
    bytes: usize,
    /// By frame.
    encode: Vec<Duration>,
    decode: Vec<Duration>,
}

/// All ways; those of vtz for each set of instructions that this machine has, the best of them under
/// the bare name.
fn lanes(geometry: Geometry) -> Result<Vec<Lane>, Problem> {
    let mut ways: Vec<(String, Way)> = Compression::ALL
        .into_iter()
        .map(|compression| {
            let name = match compression {
                Compression::Zstd => "zstd1".into(),
                other => other.to_string(),
            };
            (name, Way::plain(geometry, compression))
        })
        .collect();
    // The reference is there to agree with, not to be fast.
    let best = Isa::best();
    for &isa in Isa::all().iter().filter(|&&isa| isa != Isa::SCALAR || isa == best) {
        let suffix = if isa == best { String::new() } else { format!("-{isa:?}").to_lowercase() };
        for (name, method, temporal) in [
            ("bits", Method::Bits, false),
            ("huff", Method::Huffman, false),
            ("temporal", Method::Huffman, true),
        ] {
            ways.push((format!("{name}{suffix}"), Way::vtz(geometry, isa, method, temporal)?));
        }
    }
    let lane = |(name, way)| Lane {
        name,
        way,
        coded: Coded::default(),
        bytes: 0,
        encode: Vec::new(),
        decode: Vec::new(),
    };
    Ok(ways.into_iter().map(lane).collect())
}

fn one_thread(
    report: &mut Report,
    name: &str,
    kind: Kind,
    frames: &[Planes],
) -> Result<(), Problem> {
    let mut lanes = lanes(geometry(kind))?;
    let mut worker = Worker::default();
    let mut back: Planes = frames[0].iter().map(|plane| vec![0; plane.len()]).collect();
    for frame in frames {
        for lane in &mut lanes {
            let start = cpu();
            lane.way.encode(frame, &mut worker, &mut lane.coded)?;
            lane.encode.push(cpu() - start);
            lane.bytes += lane.coded.bytes();
            back.iter_mut().for_each(|plane| plane.fill(1));
            let start = cpu();
            lane.way.decode(&lane.coded, &mut worker, &mut back)?;
            lane.decode.push(cpu() - start);
            if back != *frame {
                return Err(format!("{name}.{}: a frame came back changed", lane.name).into());
            }
        }
    }
    let raw = kind.bytes() as f64;
    let zstd = lanes.iter().position(|lane| lane.name == "zstd1").ok_or("no zstd")?;
    for lane in &lanes {
        let name = format!("{name}.{}", lane.name);
        let one = |value: f64| std::iter::once(Some(value));
        let ratio = raw * frames.len() as f64 / lane.bytes as f64;
        report.add(format!("{name}.ratio"), Unit::Ratio, one(ratio));
        let speed = |time: &Duration| Some(raw / 1e6 / time.as_secs_f64());
        report.add(format!("{name}.encode_mb_s"), Unit::Mbs, lane.encode.iter().map(speed));
        report.add(format!("{name}.decode_mb_s"), Unit::Mbs, lane.decode.iter().map(speed));
        if lane.way.is_vtz() {
            let (zstd, size) = (&lanes[zstd], lane.bytes as f64);
            report.add(format!("{name}.size_vs_zstd1"), Unit::Ratio, one(size / zstd.bytes as f64));
            // Of the same frame, and so next to each other.
            let ratio = |(ours, its): (&Duration, &Duration)| Some(its.div_duration_f64(*ours));
            let encode = lane.encode.iter().zip(&zstd.encode).map(ratio);
            report.add(format!("{name}.encode_vs_zstd1"), Unit::Ratio, encode);
            let decode = lane.decode.iter().zip(&zstd.decode).map(ratio);
            report.add(format!("{name}.decode_vs_zstd1"), Unit::Ratio, decode);
        }
    }
    Ok(())
}

/// The same frames by slices on one thread and on two, in turn, without a wait between frames. Gives how
/// much faster two threads encode with Huffman codes, by round.
fn two_threads(
    report: &mut Report,
    name: &str,
    kind: Kind,
    frames: &[Planes],
) -> Result<Vec<f64>, Problem> {
    let frames = &frames[..frames.len() / 3];
    let mut speedups = Vec::new();
    let geometry = geometry(kind);
    let vtz = |method| Way::vtz(geometry, Isa::best(), method, false);
    let ways = [
        ("none", Way::plain_slices(geometry, Compression::None)),
        ("lz4", Way::plain_slices(geometry, Compression::Lz4)),
        ("zstd1", Way::plain_slices(geometry, Compression::Zstd)),
        ("bits", vtz(Method::Bits)?),
        ("huff", vtz(Method::Huffman)?),
    ];
    for (mode, mut way) in ways {
        let mut workers = [Worker::default(), Worker::default()];
        let mut coded: Vec<Coded> = frames.iter().map(|_| Coded::default()).collect();
        let mut back = frames.to_vec();
        let (mut encode, mut decode) = (Vec::new(), Vec::new());
        // The first round takes the memory, and has no tables yet.
        for round in 0..=ROUNDS {
            let mut times = [(Duration::ZERO, Duration::ZERO); 2];
            for (time, threads) in times.iter_mut().zip(1..) {
                let workers = &mut workers[..threads];
                back.iter_mut().flatten().for_each(|plane| plane.fill(1));
                let start = Instant::now();
                write(&mut way, frames, &mut coded, workers)?;
                time.0 = start.elapsed();
                let start = Instant::now();
                read(&mut way, &coded, &mut back, workers)?;
                time.1 = start.elapsed();
                if back != frames {
                    return Err(format!("{name}.{mode}: a frame came back changed").into());
                }
            }
            if round > 0 {
                encode.push([times[0].0, times[1].0]);
                decode.push([times[0].1, times[1].1]);
            }
        }
        let raw = (kind.bytes() * frames.len()) as f64 / 1e6;
        let name = format!("{name}.{mode}.two_threads");
        for (what, times) in [("encode", &encode), ("decode", &decode)] {
            let speed = times.iter().map(|[_, two]| Some(raw / two.as_secs_f64()));
            report.add(format!("{name}.{what}_mb_s"), Unit::Mbs, speed);
            let ratios = times.iter().map(|[one, two]| one.div_duration_f64(*two));
            report.add(format!("{name}.{what}_speedup"), Unit::Ratio, ratios.clone().map(Some));
            if (mode, what) == ("huff", "encode") {
                speedups.extend(ratios);
            }
        }
    }
    Ok(speedups)
}

fn write(
    way: &mut Way,
    frames: &[Planes],
    coded: &mut [Coded],
    workers: &mut [Worker],
) -> Result<(), Problem> {
    let codings: Vec<Coding> = coded.iter_mut().map(|coded| way.start(coded)).collect();
    let jobs = codings.iter().zip(frames).zip(coded);
    let jobs = jobs.flat_map(|((coding, frame), coded)| way.writes(coding, frame, coded));
    share(workers, jobs, |worker, job| job.run(worker))?;
    codings.iter().for_each(|coding| way.learn(coding));
    Ok(())
}

fn read(
    way: &mut Way,
    coded: &[Coded],
    back: &mut [Planes],
    workers: &mut [Worker],
) -> Result<(), Problem> {
    let readings: Vec<Reading> =
        coded.iter().map(|coded| way.open(coded)).collect::<Result<_, _>>()?;
    let jobs = readings.iter().zip(coded).zip(back);
    let jobs = jobs.flat_map(|((reading, coded), back)| way.reads(reading, coded, back));
    share(workers, jobs, |worker, job| job.run(worker))
}

/// Does jobs with each worker on a thread of its own.
fn share<J: Send>(
    workers: &mut [Worker],
    jobs: impl Iterator<Item = J> + Send,
    run: impl Fn(&mut Worker, J) -> Result<(), vtremote_planes::Error> + Sync,
) -> Result<(), Problem> {
    let jobs = Mutex::new(jobs);
    let work = |worker: &mut Worker| -> Result<(), vtremote_planes::Error> {
        loop {
            // A thread that panicked ends all of this.
            let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(job) = job else { return Ok(()) };
            run(worker, job)?;
        }
    };
    let Some((first, others)) = workers.split_first_mut() else { return Ok(()) };
    thread::scope(|scope| {
        let others: Vec<_> = others.iter_mut().map(|own| scope.spawn(|| work(own))).collect();
        work(first)?;
        others.into_iter().try_for_each(|other| other.join().unwrap_or(Ok(())))
    })
    .map_err(Problem::from)
}

/// CPU time of this thread.
fn cpu() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}
