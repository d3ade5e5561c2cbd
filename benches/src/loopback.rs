//! Sessions: a client's process and a daemon's, with the synthetic backend.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use vtremote_backend::{Backend, EncodedPacket, EncoderConfig, Error, PacketSink, Ratio};
use vtremote_backend_synthetic::{Script, Synthetic};
use vtremote_benches::picture::Kind;
use vtremote_client::{
    AccessUnit, Decoder, Encoder, Frame, OwnedPicture, Received, ReceivedPicture, Sent, SentPacket,
    Settings, Stream, Video,
};
use vtremote_link::Address;
use vtremote_planes::Coding;
use vtremote_proto::{Codec, Rational};
use vtremoted::{Daemon, LogFormat, LogLevel};

use crate::process::{Process, Usage};
use crate::{IN_FLIGHT, Load, Problem, Run, usage};

/// Nothing moves for so long: the measurement has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// One run of both ends of a session that encodes.
pub(crate) fn run_encode(load: Load, compression: Coding) -> Result<Run, Problem> {
    let mut server = Process::start("serve", &[])?;
    let port: u16 = server.answer()?;
    let client: Usage = Process::start("encode", &[&load, &port, &compression])?.answer()?;
    Ok(Run { load, client, server: server.answer()? })
}

/// One run of both ends of a session that decodes, without compression.
pub(crate) fn run_decode(load: Load) -> Result<Run, Problem> {
    let mut server = Process::start("serve", &[])?;
    let port: u16 = server.answer()?;
    let client: Usage = Process::start("decode", &[&load, &port])?.answer()?;
    Ok(Run { load, client, server: server.answer()? })
}

/// The process that serves one session.
pub(crate) fn serve() -> Result<(), Problem> {
    let script = Script { hash: false, ..Script::default() };
    let backend: Arc<dyn Backend> = Arc::new(Synthetic::new(script));
    let settings = vtremoted::Settings { once: true, ..server_settings("127.0.0.1") };
    let daemon = Daemon::bind(&settings, || Ok(vec![backend]))?;
    let port = daemon.addresses().first().ok_or("a daemon without an address")?.port();
    let (idle, began, cpu) = (usage::memory(), Instant::now(), usage::cpu());
    println!("{port}");
    daemon.serve();
    let memory = beyond(idle);
    println!("{}", Usage { wall: began.elapsed(), cpu: usage::cpu() - cpu, memory });
    Ok(())
}

/// Of a daemon.
pub(crate) fn server_settings(host: &str) -> vtremoted::Settings {
    vtremoted::Settings {
        listen: vec![Address { host: host.into(), port: 0 }],
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
        log_file: None,
        once: false,
    }
}

/// The process that encodes.
pub(crate) fn encode(load: Load, port: u16, compression: Coding) -> Result<(), Problem> {
    let kind = load.kind;
    let settings = settings(Codec::H264, format!("127.0.0.1:{port}"), Some(compression));
    // A caller's pool: what a session may hold, and some for what it should not.
    let pictures = kind.some(2 * IN_FLIGHT);
    let idle = usage::memory();
    let mut encoder = Encoder::open(&settings, &video(kind), None)?;
    let (began, cpu) = (Instant::now(), usage::cpu());
    let mut most_held = 0;
    for number in 0..load.all() {
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
    let lent = (most_held * kind.bytes()) as u64;
    let memory = beyond(idle).map(|bytes| bytes + lent);
    println!("{}", Usage { wall, cpu, memory });
    std::io::stdout().flush()?;
    Ok(())
}

/// The process that decodes.
pub(crate) fn decode(load: Load, port: u16) -> Result<(), Problem> {
    let settings = settings(Codec::Hevc, format!("127.0.0.1:{port}"), Some(Coding::None));
    let Load { kind, .. } = load;
    let stream = stream(kind)?;
    let idle = usage::memory();
    let mut decoder = Decoder::open(&settings, &stream, None)?;
    let (mut began, cpu) = (Instant::now(), usage::cpu());
    let mut received = 0;
    // As FFmpeg's next filter, which has done with a picture when it comes for another.
    let mut receive = |decoder: &mut Decoder, patience| -> Result<bool, Problem> {
        let ReceivedPicture::Picture(picture) = decoder.receive_picture(patience)? else {
            return Ok(false);
        };
        if picture.geometry.format != kind.pixels || picture.pts != Some(received as i64) {
            return Err(format!("{picture:?} in place of picture {received}").into());
        }
        received += 1;
        if received == load.before {
            began = Instant::now();
        }
        Ok(true)
    };
    for number in 0..load.all() {
        let mut packet = access_unit(number);
        while let SentPacket::Full(back) = decoder.send_packet(packet)? {
            packet = back;
            receive(&mut decoder, None)?;
        }
        while receive(&mut decoder, Some(Duration::ZERO))? {}
    }
    decoder.flush()?;
    while receive(&mut decoder, None)? {}
    let (wall, cpu) = (began.elapsed(), usage::cpu() - cpu);
    if received != load.all() {
        return Err(format!("{received} of {} pictures came", load.all()).into());
    }
    println!("{}", Usage { wall, cpu, memory: beyond(idle) });
    Ok(())
}

/// What is encoded of such pictures.
pub(crate) fn video(kind: Kind) -> Video {
    let Kind { width, height, .. } = kind;
    Video { width, height, format: kind.format(), time_base: UNIT, frame_rate: RATE }
}

/// What is decoded to such pictures, of HEVC.
pub(crate) fn stream(kind: Kind) -> Result<Stream, Problem> {
    let Kind { width, height, .. } = kind;
    let extradata = parameter_sets(kind)?;
    Ok(Stream { width, height, time_base: UNIT, frame_rate: RATE, extradata })
}

/// A packet of it.
pub(crate) fn access_unit(number: usize) -> AccessUnit {
    let (pts, keyframe) = (Some(number as i64), number == 0);
    let (data, side_data) = (SLICE.to_vec(), Vec::new());
    AccessUnit { pts, dts: pts, duration: 1, keyframe, data, side_data }
}

/// A slice of HEVC, as far as the synthetic decoder looks at it.
const SLICE: [u8; 8] = [0, 0, 0, 1, 0x02, 0x01, 0xd0, 0x80];

/// Those of a stream of such pictures.
fn parameter_sets(kind: Kind) -> Result<Vec<u8>, Problem> {
    struct Nobody;
    impl PacketSink for Nobody {
        fn packet(&self, _: EncodedPacket) {}
        fn warning(&self, _: String) {}

        fn drained(&self) {}
        fn failed(&self, _: Error) {}
    }
    let pixels = vtremote_backend::PixelFormat::ALL;
    let pixels = pixels.into_iter().find(|format| *format as u8 == kind.pixels.to_wire());
    let pixels = pixels.ok_or("a format that backends do not have")?;
    let time_base = Ratio { num: UNIT.num, den: UNIT.den };
    let codec = vtremote_backend::Codec::H265;
    let config = EncoderConfig::new(codec, kind.width, kind.height, pixels, time_base);
    Ok(Synthetic::default().open_encoder(&config, Arc::new(Nobody))?.parameter_sets)
}

/// Of time stamps.
const UNIT: Rational = Rational { num: 1, den: 60 };
/// Frames per second.
const RATE: Rational = Rational { num: 60, den: 1 };

/// Of a client.
pub(crate) fn settings(codec: Codec, host: String, compression: Option<Coding>) -> Settings {
    Settings {
        codec: Some(codec),
        host: Some(host),
        token: Some(String::new()),
        inflight: IN_FLIGHT as u32,
        compression,
        slices: Some(true),
        timeout: PATIENCE,
        ..Settings::default()
    }
}

/// Pictures that the session has not given back.
fn held(pictures: &[Arc<OwnedPicture>]) -> usize {
    pictures.iter().filter(|picture| Arc::strong_count(picture) > 1).count()
}

/// The most memory that this process has had beyond what it had idle.
fn beyond(idle: Option<u64>) -> Option<u64> {
    Some(usage::peak_memory()?.saturating_sub(idle?))
}
