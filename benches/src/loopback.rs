//! An encode session: a client's process and a daemon's, with the synthetic backend.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use vtremote_backend::Backend;
use vtremote_backend_synthetic::{Script, Synthetic};
use vtremote_benches::picture;
use vtremote_client::{Encoder, Frame, OwnedPicture, Received, Sent, Settings, Video};
use vtremote_link::Address;
use vtremote_planes::Compression;
use vtremote_proto::{Codec, Rational};
use vtremoted::{Daemon, LogFormat, LogLevel};

use crate::process::{Process, Usage};
use crate::{FRAMES, IN_FLIGHT, Problem, Run, usage};

/// Nothing moves for so long: the measurement has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// One run of both ends.
pub(crate) fn run(compression: Compression) -> Result<Run, Problem> {
    let mut server = Process::start("serve", &[])?;
    let port: u16 = server.answer()?;
    let client: Usage = Process::start("encode", &[&port, &compression])?.answer()?;
    Ok(Run { client, server: server.answer()? })
}

/// The process that serves one session.
pub(crate) fn serve() -> Result<(), Problem> {
    let script = Script { hash: false, ..Script::default() };
    let backends: [Arc<dyn Backend>; 1] = [Arc::new(Synthetic::new(script))];
    let settings = vtremoted::Settings {
        listen: vec![Address { host: "127.0.0.1".into(), port: 0 }],
        token: None,
        max_sessions: 1,
        backend: "synthetic:hash=off".into(),
        encoders: Vec::new(),
        encoder_threads: None,
        handshake_timeout: PATIENCE,
        idle_timeout: PATIENCE,
        drain_timeout: PATIENCE,
        max_message_bytes: 256 << 20,
        log_level: LogLevel::Error,
        log_format: LogFormat::Text,
        once: true,
    };
    let daemon = Daemon::bind(&settings, &backends)?;
    let port = daemon.addresses().first().ok_or("a daemon without an address")?.port();
    let (idle, began, cpu) = (usage::memory(), Instant::now(), usage::cpu());
    println!("{port}");
    daemon.serve();
    let memory = beyond(idle);
    println!("{}", Usage { wall: began.elapsed(), cpu: usage::cpu() - cpu, memory });
    Ok(())
}

/// The process that encodes.
pub(crate) fn encode(port: u16, compression: Compression) -> Result<(), Problem> {
    let unit = Rational { num: 1, den: 60 };
    let rate = Rational { num: 60, den: 1 };
    let video = Video {
        width: picture::WIDTH,
        height: picture::HEIGHT,
        format: picture::FORMAT,
        time_base: unit,
        frame_rate: rate,
    };
    let settings = Settings {
        codec: Some(Codec::H264),
        host: Some(format!("127.0.0.1:{port}")),
        token: Some(String::new()),
        inflight: IN_FLIGHT as u32,
        compression: Some(compression),
        slices: Some(true),
        timeout: PATIENCE,
        ..Settings::default()
    };
    // A caller's pool: what a session may hold, and some for what it should not.
    let pictures = picture::some(2 * IN_FLIGHT);
    let idle = usage::memory();
    let mut encoder = Encoder::open(&settings, &video, None)?;
    let (began, cpu) = (Instant::now(), usage::cpu());
    let mut most_held = 0;
    for number in 0..FRAMES {
        let source = loop {
            match pictures.iter().find(|picture| Arc::strong_count(picture) == 1) {
                Some(picture) => break picture.clone(),
                None => _ = encoder.receive_packet(None)?,
            }
        };
        let pts = number as i64;
        let mut frame = Frame { pts, duration: 1, keyframe: false, side_data: Vec::new(), source };
        while let Sent::Full(back) = encoder.send_frame(frame)? {
            frame = back;
            encoder.receive_packet(None)?;
        }
        most_held = most_held.max(held(&pictures));
        // As FFmpeg does after each frame.
        while let Received::Packet(_) = encoder.receive_packet(Some(Duration::ZERO))? {}
    }
    encoder.flush()?;
    while !matches!(encoder.receive_packet(None)?, Received::End) {}
    let (wall, cpu) = (began.elapsed(), usage::cpu() - cpu);
    let lent = (most_held * picture::bytes()) as u64;
    let memory = beyond(idle).map(|bytes| bytes + lent);
    println!("{}", Usage { wall, cpu, memory });
    std::io::stdout().flush()?;
    Ok(())
}

/// Pictures that the session has not given back.
fn held(pictures: &[Arc<OwnedPicture>]) -> usize {
    pictures.iter().filter(|picture| Arc::strong_count(picture) > 1).count()
}

/// The most memory that this process has had beyond what it had idle.
fn beyond(idle: Option<u64>) -> Option<u64> {
    Some(usage::peak_memory()?.saturating_sub(idle?))
}
