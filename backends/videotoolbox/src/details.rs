//! What a report from a new Mac should have: what an encoder says of itself, and what comes of a few frames.

use crate::ffi::{Compression, Listener, Output, Sample, Text, Time, Value};
use crate::options::Plan;
use crate::session::{Session, blacken, picture};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use vtremote_backend::{Codec, EncoderConfig, Error, PixelFormat, PlaneShape};

/// Enough for B-frames that refer to B-frames.
const FRAMES: usize = 6;

/// Lines, as many as there are within this time. A session of this plan is made for them.
pub(crate) fn details(plan: Plan, config: &EncoderConfig, patience: Duration) -> Vec<String> {
    let (say, heard) = channel();
    let format = config.format;
    let shapes = format.planes(config.width, config.height);
    // As for a warm-up, nothing says how long VideoToolbox may take.
    let thread = thread::Builder::new().name("vt-details".into()).spawn(move || {
        if let Err(error) = tell(&plan, format, &shapes, &say) {
            // Nobody may wait any more.
            let _ = say.send(error.to_string());
        }
    });
    let thread = match thread {
        Ok(thread) => thread,
        Err(error) => return vec![format!("no thread: {error}")],
    };
    let deadline = Instant::now() + patience;
    let mut lines = Vec::new();
    loop {
        match heard.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => lines.push(line),
            Err(RecvTimeoutError::Timeout) => {
                lines.push(format!("nothing more within {patience:?}"));
                return lines;
            }
            // It has said its last word.
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    if thread.join().is_err() {
        lines.push("a panic".into());
    }
    lines
}

fn tell(
    plan: &Plan,
    format: PixelFormat,
    shapes: &[PlaneShape],
    say: &Sender<String>,
) -> Result<(), Error> {
    // Nobody may wait any more.
    let tell = |line| drop(say.send(line));
    // A codec's number is its four characters.
    let codec = if &plan.codec.to_be_bytes() == b"avc1" { Codec::H264 } else { Codec::H265 };
    let packets = Arc::new(Mutex::new(Vec::new()));
    let listener: Listener = {
        let packets = Arc::clone(&packets);
        Arc::new(move |number, output| {
            let line = match output {
                Output::Sample(sample) => packet(number, &sample, codec),
                Output::Dropped => vec![format!("packet of frame {number}: dropped")],
                Output::Failed(status) => vec![format!("packet of frame {number}: {status}")],
                Output::Panicked => vec![format!("packet of frame {number}: a panic")],
            };
            packets.lock().unwrap_or_else(PoisonError::into_inner).extend(line);
        })
    };
    let session = Session::open(plan, listener)?;
    let (first, planes) = picture(&session.pool, plan, shapes)?;
    let layout = planes.iter().map(|plane| {
        let PlaneShape { row_bytes, rows } = plane.shape();
        format!("{rows} rows of {row_bytes} bytes, {} apart", plane.stride())
    });
    let layout: Vec<_> = layout.collect();
    let characters: String = first.format().to_be_bytes().map(char::from).into_iter().collect();
    tell(format!("picture: {characters}, {}", layout.join("; ")));
    drop((first, planes));
    let failed = |status| Error::Codec(format!("the encoder takes no frame: {status}"));
    for number in 0..FRAMES {
        let (buffer, planes) = picture(&session.pool, plan, shapes)?;
        blacken(&planes, format)?;
        drop(planes);
        let times = (Time::new(number as i64, 30), Time::new(1, 30));
        session.compression.encode(&buffer, times, number == 0, number).map_err(failed)?;
    }
    session.compression.complete().map_err(failed)?;
    let mut heard = packets.lock().unwrap_or_else(PoisonError::into_inner);
    heard.drain(..).for_each(&tell);
    drop(heard);
    // Last, as what it is set to may be settled with the first frame.
    properties(&session.compression).into_iter().for_each(tell);
    Ok(())
}

/// Its times and size, and of a keyframe the parameter sets.
fn packet(number: usize, sample: &Sample<'_>, codec: Codec) -> Vec<String> {
    let seconds =
        |time: Option<Time>| time.map_or("none".into(), |t| format!("{:.4}", t.seconds()));
    let (shown, decoded) = (seconds(sample.presentation_time()), seconds(sample.decode_time()));
    let size = match sample.bytes() {
        Ok(bytes) => format!("{} bytes", bytes.len()),
        Err(status) => status.to_string(),
    };
    let key = if sample.is_sync() { ", keyframe" } else { "" };
    let mut lines =
        vec![format!("packet of frame {number}: pts {shown}, dts {decoded}, {size}{key}")];
    if sample.is_sync() {
        match sample.parameter_sets(codec) {
            Ok((sets, size)) => {
                lines.push(format!("lengths of {size} bytes"));
                let hex = |set| format!("parameter set {}", Value::Bytes(set));
                lines.extend(sets.into_iter().map(hex));
            }
            Err(status) => lines.push(format!("no parameter sets: {status}")),
        }
    }
    lines
}

/// Each, what it is set to, and what else is said of it.
fn properties(compression: &Compression) -> Vec<String> {
    let supported = match compression.supported() {
        Ok(supported) => supported,
        Err(status) => return vec![format!("no list of properties: {status}")],
    };
    let line = |(name, about): (Text, Value)| {
        let value = match compression.get(&name) {
            Ok(Some(value)) => value.to_string(),
            Ok(None) => "not set".into(),
            Err(status) => status.to_string(),
        };
        format!("property {name}: {value} {}", brief(about))
    };
    let mut lines: Vec<_> = supported.into_iter().map(line).collect();
    lines.sort_unstable();
    lines
}

/// Without the prose.
fn brief(about: Value) -> Value {
    let Value::Dictionary(mut entries) = about else { return about };
    entries.retain(|(key, _)| !key.to_string().contains("Documentation"));
    Value::Dictionary(entries)
}
