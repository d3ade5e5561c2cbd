//! The two ends of a link: a process with a daemon, and one with a client that does what it reads.
//!
//! Both have the pictures of a content ready, so that a session costs no more than opening it.

use std::fmt;
use std::io::{BufRead, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::str::FromStr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use vtremote_backend::Backend;
use vtremote_benches::content::{Content, Planes};
use vtremote_benches::picture::Kind;
use vtremote_client::{
    Decoder, Encoder, Frame, OwnedPicture, Received, ReceivedPicture, Sent, SentPacket, Settings,
};
use vtremote_planes::Coding;
use vtremote_proto::Codec;
use vtremoted::Daemon;

use crate::Problem;
use crate::loopback::{access_unit, server_settings, settings, stream, video};
use crate::showing::Showing;
use crate::statistics::Quartiles;

/// Different frames, again and again: of a film, four shots of six.
const FRAMES: usize = 24;
/// Of 4K, whose pictures have something of all shots: two of each.
const FRAMES_4K: usize = 8;

fn frames(kind: Kind) -> usize {
    if kind.height > 1080 { FRAMES_4K } else { FRAMES }
}

/// A window in which all of them are to be seen; what is shorter only shows that frames arrive.
const SHORTEST: Duration = Duration::from_millis(100);

/// What the client's process is asked to do, with a server at that address.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Request {
    /// Frames per second of a session in one direction: [`Pace`] is the answer.
    Pace { address: String, decodes: bool, mode: Mode, warm_up: Duration, window: Duration },
    /// What frames at a steady rate need: [`Delays`] are the answer.
    Delays { address: String, frames: usize },
    /// How soon so many bytes on a bare socket are across, so many times: Gb/s, the median, are the answer.
    Bulk { address: String, bytes: usize, times: usize },
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pace { address, decodes, mode, warm_up, window } => {
                let (warm_up, window) = (warm_up.as_millis(), window.as_millis());
                write!(f, "pace {address} {decodes} {mode} {warm_up} {window}")
            }
            Self::Delays { address, frames } => write!(f, "delays {address} {frames}"),
            Self::Bulk { address, bytes, times } => write!(f, "bulk {address} {bytes} {times}"),
        }
    }
}

impl FromStr for Request {
    type Err = Problem;

    fn from_str(line: &str) -> Result<Self, Problem> {
        let words: Vec<&str> = line.split(' ').collect();
        Ok(match words[..] {
            ["pace", address, decodes, mode, warm_up, window] => Self::Pace {
                address: address.into(),
                decodes: decodes.parse()?,
                mode: mode.parse()?,
                warm_up: Duration::from_millis(warm_up.parse()?),
                window: Duration::from_millis(window.parse()?),
            },
            ["delays", address, frames] => {
                Self::Delays { address: address.into(), frames: frames.parse()? }
            }
            ["bulk", address, bytes, times] => {
                Self::Bulk { address: address.into(), bytes: bytes.parse()?, times: times.parse()? }
            }
            _ => return Err(format!("{line}: no request").into()),
        })
    }
}

/// A value of `wire_compression`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Fixed(Coding),
    Auto,
}

impl Mode {
    pub(crate) const ALL: [Self; 6] = [
        Self::Fixed(Coding::None),
        Self::Fixed(Coding::Lz4),
        Self::Fixed(Coding::Zstd),
        Self::Fixed(Coding::VtzFast),
        Self::Fixed(Coding::Vtz),
        Self::Auto,
    ];

    fn coding(self) -> Option<Coding> {
        match self {
            Self::Fixed(coding) => Some(coding),
            Self::Auto => None,
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(coding) => coding.fmt(f),
            Self::Auto => f.pad("auto"),
        }
    }
}

impl FromStr for Mode {
    type Err = Problem;

    fn from_str(name: &str) -> Result<Self, Problem> {
        Ok(if name == "auto" { Self::Auto } else { Self::Fixed(name.parse()?) })
    }
}

/// How fast a session was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pace {
    /// Frames per second.
    pub(crate) fps: f64,
    /// How its last picture was coded.
    pub(crate) coding: Coding,
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.fps, self.coding)
    }
}

impl FromStr for Pace {
    type Err = Problem;

    fn from_str(line: &str) -> Result<Self, Problem> {
        let (fps, coding) = line.split_once(' ').ok_or("too few words")?;
        Ok(Self { fps: fps.parse()?, coding: coding.parse()? })
    }
}

/// From a frame's sending to its packet, and the bytes that went out for it, by frame.
pub(crate) struct Delays(pub(crate) Vec<(Duration, u64)>);

impl fmt::Display for Delays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(time, bytes)| write!(f, "{}:{bytes} ", time.as_nanos()))
    }
}

impl FromStr for Delays {
    type Err = Problem;

    fn from_str(line: &str) -> Result<Self, Problem> {
        let delay = |word: &str| -> Result<_, Problem> {
            let (time, bytes) = word.split_once(':').ok_or("no delay")?;
            Ok((Duration::from_nanos(time.parse()?), bytes.parse()?))
        };
        Ok(Self(line.split_whitespace().map(delay).collect::<Result<_, _>>()?))
    }
}

/// The process that serves until it is ended; it says its daemon's port and the bare socket's.
pub(crate) fn serve(kind: Kind, content: Content) -> Result<(), Problem> {
    let frames = content.frames(kind, frames(kind))?;
    let backend: Arc<dyn Backend> = Arc::new(Showing::new(kind, &frames)?);
    drop(frames);
    let settings = vtremoted::Settings { max_sessions: 4, ..server_settings("0.0.0.0") };
    let daemon = Daemon::bind(&settings, || Ok(vec![backend]))?;
    let port = daemon.addresses().first().ok_or("a daemon without an address")?.port();
    let bulk = TcpListener::bind("0.0.0.0:0")?;
    println!("{port}\n{}", bulk.local_addr()?.port());
    thread::spawn(move || bulk.incoming().flatten().try_for_each(swallow));
    daemon.serve();
    Ok(())
}

/// Reads as many bytes as it is told, again and again, and answers each time.
fn swallow(mut stream: TcpStream) -> std::io::Result<()> {
    let mut memory = vec![0; 256 << 10];
    let mut count = [0; 8];
    while stream.read_exact(&mut count).is_ok() {
        let mut left = u64::from_le_bytes(count);
        while left > 0 {
            let some = left.min(memory.len() as u64) as usize;
            let read = stream.read(&mut memory[..some])? as u64;
            left -= read;
            if read == 0 {
                return Ok(());
            }
        }
        stream.write_all(&[1])?;
    }
    Ok(())
}

/// The process that does what it reads, and says what came of it.
pub(crate) fn act(kind: Kind, content: Content) -> Result<(), Problem> {
    let client = Client { kind, pictures: pictures(kind, content.frames(kind, frames(kind))?) };
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        match line?.parse()? {
            Request::Pace { address, decodes, mode, warm_up, window } => {
                // The time that the meter is for says whether all are to be seen.
                let content = if window < SHORTEST { 1 } else { client.pictures.len() as u32 };
                let (began, from, frames) = (None, None, 0);
                let meter = Meter { warm_up, window, content, began, from, frames };
                let pace = match decodes {
                    false => client.encode(address, mode, meter)?,
                    true => client.decode(address, mode, meter)?,
                };
                println!("{pace}");
            }
            Request::Delays { address, frames } => println!("{}", client.delays(address, frames)?),
            Request::Bulk { address, bytes, times } => {
                println!("{}", bulk(&address, bytes, times)?)
            }
        }
    }
    Ok(())
}

fn pictures(kind: Kind, frames: Vec<Planes>) -> Vec<Arc<OwnedPicture>> {
    let strides = || kind.planes().map(|(row_bytes, _)| row_bytes);
    let picture = |planes: Planes| {
        OwnedPicture::new(kind.format(), planes.into_iter().zip(strides()).collect())
    };
    frames.into_iter().filter_map(picture).map(Arc::new).collect()
}

/// Longer than so many windows nobody waits for the last of the pictures.
const MOST_WINDOWS: u32 = 3;

/// Frames per second of what arrives after a while. All frames of a content are counted equally often: they are not
/// equally small.
struct Meter {
    warm_up: Duration,
    window: Duration,
    /// After so many the content begins again.
    content: u32,
    /// When the first came, and the first that is counted.
    began: Option<Instant>,
    from: Option<Instant>,
    frames: u32,
}

impl Meter {
    /// One has arrived. Gives the rate once that is known.
    fn arrived(&mut self) -> Option<f64> {
        let now = Instant::now();
        let began = *self.began.get_or_insert(now);
        if now - began < self.warm_up {
            return None;
        }
        let Some(from) = self.from else {
            self.from = Some(now);
            return None;
        };
        self.frames += 1;
        let (passed, is_turn) = (now - from, self.frames.is_multiple_of(self.content));
        let is_over = passed >= self.window && is_turn || passed >= MOST_WINDOWS * self.window;
        is_over.then(|| f64::from(self.frames) / passed.as_secs_f64())
    }
}

struct Client {
    kind: Kind,
    pictures: Vec<Arc<OwnedPicture>>,
}

impl Client {
    fn frame(&self, number: usize) -> Frame {
        let source = self.pictures[number % self.pictures.len()].clone();
        Frame { pts: number as i64, duration: 1, keyframe: false, side_data: Vec::new(), source }
    }

    /// As many frames as there is room for, as FFmpeg does: what has come is fetched after each.
    fn encode(&self, address: String, mode: Mode, mut meter: Meter) -> Result<Pace, Problem> {
        let settings = settings(Codec::H264, address, mode.coding());
        let mut encoder = Encoder::open(&settings, &video(self.kind), None)?;
        for number in 0.. {
            let mut frame = self.frame(number);
            let mut patience = Some(Duration::ZERO);
            loop {
                while let Received::Packet(_) = encoder.receive_packet(patience)? {
                    patience = Some(Duration::ZERO);
                    if let Some(fps) = meter.arrived() {
                        return Ok(Pace { fps, coding: encoder.info().compression });
                    }
                }
                match encoder.send_frame(frame)? {
                    Sent::Full(back) => (frame, patience) = (back, None),
                    _ => break,
                }
            }
        }
        Err("no frame is left".into())
    }

    fn decode(&self, address: String, mode: Mode, mut meter: Meter) -> Result<Pace, Problem> {
        let settings = settings(Codec::Hevc, address, mode.coding());
        let mut decoder = Decoder::open(&settings, &stream(self.kind)?, None)?;
        for number in 0.. {
            let mut packet = access_unit(number);
            let mut patience = Some(Duration::ZERO);
            loop {
                while let ReceivedPicture::Picture(_) = decoder.receive_picture(patience)? {
                    patience = Some(Duration::ZERO);
                    if let Some(fps) = meter.arrived() {
                        return Ok(Pace { fps, coding: decoder.info().compression });
                    }
                }
                match decoder.send_packet(packet)? {
                    SentPacket::Full(back) => (packet, patience) = (back, None),
                    _ => break,
                }
            }
        }
        Err("no packet is left".into())
    }

    /// Frames at a steady rate, each alone on its way, with the option `realtime`.
    fn delays(&self, address: String, frames: usize) -> Result<Delays, Problem> {
        let mut settings = settings(Codec::H264, address, None);
        settings.options.realtime = Some(true);
        let settings = Settings { inflight: 0, ..settings };
        let mut encoder = Encoder::open(&settings, &video(self.kind), None)?;
        let mut delays = Vec::with_capacity(frames);
        let began = Instant::now();
        for number in 0..STEADY_WARM_UP + frames {
            let due = began + STEADY * number as u32;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let before = encoder.info().bytes_sent;
            let sent = Instant::now();
            if !matches!(encoder.send_frame(self.frame(number))?, Sent::Taken) {
                return Err("no room for a lone frame".into());
            }
            if !matches!(encoder.receive_packet(None)?, Received::Packet(_)) {
                return Err("no packet for a frame".into());
            }
            let time = sent.elapsed();
            if number >= STEADY_WARM_UP {
                delays.push((time, encoder.info().bytes_sent - before));
            }
        }
        Ok(Delays(delays))
    }
}

/// From a frame to the next where they come at a steady rate.
const STEADY: Duration = Duration::from_nanos(1_000_000_000 / 30);
/// Of those, frames before the ones that count.
const STEADY_WARM_UP: usize = 90;

/// Gb/s of so many bytes, from the first byte's sending to the answer that all have come; the median of
/// so many times, a pause before each.
fn bulk(address: &str, bytes: usize, times: usize) -> Result<f64, Problem> {
    /// In which a shaper's bucket fills, and TCP does not forget how much it may send.
    const PAUSE: Duration = Duration::from_millis(20);
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut message = vec![0; 8 + bytes];
    message[..8].copy_from_slice(&(bytes as u64).to_le_bytes());
    let mut rates = Vec::new();
    // The first widens TCP's window.
    for time in 0..=times {
        thread::sleep(PAUSE);
        let began = Instant::now();
        stream.write_all(&message)?;
        stream.read_exact(&mut [0])?;
        if time > 0 {
            rates.push(8e-9 * bytes as f64 / began.elapsed().as_secs_f64());
        }
    }
    Ok(Quartiles::of(rates).ok_or("no time")?.median)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_answers_are_lines() {
        let address = || "10.9.0.2:7".to_owned();
        let (warm_up, window) = (Duration::from_millis(300), Duration::from_secs(1));
        for mode in Mode::ALL {
            let asked = Request::Pace { address: address(), decodes: true, mode, warm_up, window };
            assert_eq!(asked.to_string().parse::<Request>().unwrap(), asked);
        }
        let asked = Request::Bulk { address: address(), bytes: 1 << 20, times: 9 };
        assert_eq!(asked.to_string().parse::<Request>().unwrap(), asked);
        let asked = Request::Delays { address: address(), frames: 3 };
        assert_eq!(asked.to_string().parse::<Request>().unwrap(), asked);
        let pace = Pace { fps: 59.94, coding: Coding::VtzFast };
        assert_eq!(pace.to_string().parse::<Pace>().unwrap(), pace);
        let delays = vec![(Duration::from_nanos(1_500_001), 7), (Duration::ZERO, 0)];
        assert_eq!(Delays(delays.clone()).to_string().parse::<Delays>().unwrap().0, delays);
        assert!("pace 10.9.0.2:7".parse::<Request>().is_err());
    }
}
