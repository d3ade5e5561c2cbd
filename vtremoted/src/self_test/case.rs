//! One codec and pixel format: there, back, and whether it is what it was.

use super::scene::{FRAMES, HEIGHT, Matrix, Scene, WIDTH};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};
use vtremote_backend::{
    Backend, Codec, CodedPacket, Color, DecodedFrame, DecoderConfig, EncodedPacket, EncoderConfig,
    Error, FrameInfo, FrameSink, Geometry, PacketSink, PixelFormat, RateControl, Ratio,
};
use vtremote_bitstream::{ParameterSets, SampleFormat, SetKind, StreamFacts, is_keyframe};

/// In bits per second: several times what the scene needs.
const BITRATE: u64 = 4_000_000;
/// In dB, of the worst frame. Encoders reach 40 with this; whatever stands in a wrong place has 25 and less.
const FLOOR: f64 = 30.0;
const TIME_BASE: Ratio = Ratio { num: 1, den: 30 };
const BT709: u8 = 1;

/// What is tried.
#[derive(Clone)]
pub(super) struct Case {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) codec: Codec,
    pub(super) format: PixelFormat,
    /// How long all of it may take.
    pub(super) patience: Duration,
}

/// How a codec did.
#[derive(Debug)]
pub(super) struct Speed {
    pub(super) open: Duration,
    pub(super) frames_per_second: f64,
}

/// What was found, as far as it came.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) encode: Option<Speed>,
    /// In bits per second.
    pub(super) bitrate: f64,
    pub(super) decode: Option<Speed>,
    /// Of luma and chroma, in the worst frame.
    pub(super) psnr: Option<[f64; 2]>,
    /// What nothing here decodes.
    pub(super) not_decoded: Option<String>,
    /// What the encoder is.
    pub(super) facts: Vec<String>,
    pub(super) warnings: Vec<String>,
    pub(super) failure: Option<String>,
}

impl Case {
    /// Tries it. Comes back though the backend may not: its thread is then left to itself.
    pub(super) fn run(&self) -> Report {
        let (done, report) = channel();
        let case = self.clone();
        let thread = std::thread::Builder::new().name("self-test".into()).spawn(move || {
            let mut report = Report::default();
            report.failure = case.try_it(&mut report).err();
            // Nobody waits any more if it took too long.
            let _ = done.send(report);
        });
        let failed = |why: String| Report { failure: Some(why), ..Report::default() };
        if let Err(error) = thread {
            return failed(format!("there is no thread for it: {error}"));
        }
        // Somewhat longer than the waits within, which know better what they waited for.
        match report.recv_timeout(self.patience + self.patience / 4) {
            Ok(report) => report,
            Err(RecvTimeoutError::Timeout) => {
                failed(format!("the backend did not return within {:?}", self.patience))
            }
            Err(RecvTimeoutError::Disconnected) => failed("the backend panicked".into()),
        }
    }

    fn try_it(&self, report: &mut Report) -> Result<(), String> {
        let deadline = Instant::now() + self.patience;
        let (extradata, packets) =
            self.encode(deadline, report).map_err(|e| format!("encoder: {e}"))?;
        let facts = check_packets(self.codec, &packets).map_err(|e| format!("encoder: {e}"))?;
        let Some(format) = self.decoded(facts.format) else {
            let SampleFormat { chroma_format, luma_bits, .. } = facts.format;
            let chroma = ["4:0:0", "4:2:0", "4:2:2", "4:4:4"][usize::from(chroma_format.min(3))];
            report.not_decoded = Some(format!("{chroma} with {luma_bits} bits"));
            return Ok(());
        };
        let frames = self.decode(deadline, format, extradata, packets, report);
        let frames = frames.map_err(|error| format!("decoder: {error}"))?;
        self.check_frames(&frames, report).map_err(|error| format!("decoder: {error}"))
    }

    /// What the decoder is asked for; `None` if it has nothing for such a stream.
    fn decoded(&self, stream: SampleFormat) -> Option<PixelFormat> {
        let decoders = &self.backend.capabilities().decoders;
        let formats = &decoders.iter().find(|support| support.codec == self.codec)?.formats;
        let of_stream = match (stream.chroma_format, stream.luma_bits) {
            (1, 8) => Some(PixelFormat::Nv12),
            (1, 10) => Some(PixelFormat::P010),
            _ => None,
        };
        let has = |format: &PixelFormat| formats.contains(format);
        Some(self.format).filter(has).or(of_stream.filter(has))
    }

    fn encode(
        &self,
        deadline: Instant,
        report: &mut Report,
    ) -> Result<(Vec<u8>, Vec<EncodedPacket>), String> {
        let mut config = EncoderConfig::new(self.codec, WIDTH, HEIGHT, self.format, TIME_BASE);
        config.frame_rate = Some(Ratio { num: TIME_BASE.den, den: TIME_BASE.num });
        config.rate = RateControl { bitrate: Some(BITRATE), ..RateControl::default() };
        (config.gop, config.b_frames) = (Some(FRAMES as u32 / 2), 2);
        (config.allow_software, config.realtime) = (true, Some(false));
        if self.format != PixelFormat::Bgra {
            let told = Some(BT709);
            let range = Some(false);
            config.color = Color {
                full_range: range,
                matrix: told,
                primaries: told,
                transfer: told,
                chroma_location: None,
            };
        }
        let scene = Scene::new(self.format, Matrix::BT709);
        let (sink, events) = channel();
        let begin = Instant::now();
        let opened = self.backend.open_encoder(&config, Arc::new(Sink(sink))).map_err(text)?;
        let (open, begin) = (begin.elapsed(), Instant::now());
        report.warnings.extend(opened.warnings.iter().map(|warning| format!("encoder: {warning}")));
        let mut encoder = opened.codec;
        report.facts = encoder.facts();
        for number in 0..FRAMES {
            let picture = encoder.picture(left(deadline)).map_err(text)?;
            let picture =
                picture.ok_or_else(|| format!("no picture for frame {number} in time"))?;
            scene.fill(number, &picture)?;
            let frame = FrameInfo { pts: number as i64, duration: 1, ..FrameInfo::default() };
            encoder.submit(picture, frame).map(drop).map_err(text)?;
        }
        encoder.drain().map_err(text)?;
        let packets = collect(&events, deadline, &mut report.warnings)?;
        report.encode = Some(speed(open, begin));
        drop(encoder);
        silent(&events)?;
        let bytes: usize = packets.iter().map(|packet| packet.data.len()).sum();
        report.bitrate = 8.0 * bytes as f64 * f64::from(TIME_BASE.den) / FRAMES as f64;
        Ok((opened.parameter_sets, packets))
    }

    fn decode(
        &self,
        deadline: Instant,
        format: PixelFormat,
        extradata: Vec<u8>,
        packets: Vec<EncodedPacket>,
        report: &mut Report,
    ) -> Result<Vec<Shown>, String> {
        let (codec, width, height, time_base) = (self.codec, WIDTH, HEIGHT, TIME_BASE);
        let config =
            DecoderConfig { codec, width, height, format, time_base, extradata, max_delay: None };
        let (sink, events) = channel();
        let begin = Instant::now();
        let opened = self.backend.open_decoder(&config, Arc::new(Sink(sink))).map_err(text)?;
        let (open, begin) = (begin.elapsed(), Instant::now());
        report.warnings.extend(opened.warnings.iter().map(|warning| format!("decoder: {warning}")));
        let mut decoder = opened.codec;
        for (number, packet) in packets.into_iter().enumerate() {
            let EncodedPacket { pts, dts, duration, keyframe, data, side_data } = packet;
            let (pts, dts) = (Some(pts), Some(dts));
            let packet = CodedPacket { pts, dts, duration, keyframe, data, side_data };
            if decoder.submit(packet, left(deadline)).map_err(text)?.is_some() {
                return Err(format!("packet {number} was not taken in time"));
            }
        }
        decoder.drain().map_err(text)?;
        let frames = collect(&events, deadline, &mut report.warnings)?;
        report.decode = Some(speed(open, begin));
        drop(decoder);
        silent(&events)?;
        Ok(frames)
    }

    fn check_frames(&self, frames: &[Shown], report: &mut Report) -> Result<(), String> {
        let times: Vec<_> = frames.iter().map(|frame| frame.pts).collect();
        if !times.iter().copied().eq((0..FRAMES as i64).map(Some)) {
            return Err(format!("not every pts once and in order: {}", list(&times)));
        }
        let Some(Shown { geometry, .. }) = frames.first() else { return Ok(()) };
        if let Some(at) = frames.iter().position(|frame| frame.geometry != *geometry) {
            return Err(format!("frame {at} is {:?} after {geometry:?}", frames[at].geometry));
        }
        let Geometry { width, height, format, color, .. } = *geometry;
        if (width, height) != (WIDTH, HEIGHT) {
            return Err(format!("pictures of {width}x{height} and not {WIDTH}x{HEIGHT}"));
        }
        let ten = |format| matches!(format, PixelFormat::P010 | PixelFormat::P210);
        if ten(format) != ten(self.format) {
            return Err(format!("{} pictures come back as {}", self.format.name(), format.name()));
        }
        let rgb = self.format == PixelFormat::Bgra;
        let told = [color.matrix, color.primaries, color.transfer];
        if !rgb && (color.full_range == Some(true) || told != [Some(BT709); 3]) {
            return Err(format!("BT.709 in video range comes back as {color:?}"));
        }
        let matrices: &[Matrix] = match (rgb && format != PixelFormat::Bgra, color.matrix) {
            (false, _) | (true, Some(1)) => &[Matrix::BT709],
            (true, Some(5 | 6)) => &[Matrix::BT601],
            // Not told, and whoever encoded it chose.
            (true, _) => &[Matrix::BT709, Matrix::BT601],
        };
        let mut best = [f64::NEG_INFINITY; 2];
        for matrix in matrices {
            let found = worst(&Scene::new(format, *matrix), frames)?;
            if found[1] > best[1] {
                best = found;
            }
        }
        report.psnr = Some(best);
        match best.iter().all(|psnr| *psnr >= FLOOR) {
            true => Ok(()),
            false => Err(format!("wrong pictures: PSNR is below {FLOOR} dB")),
        }
    }
}

/// The PSNR of luma and chroma, each in its worst frame.
fn worst(scene: &Scene, frames: &[Shown]) -> Result<[f64; 2], String> {
    let mut worst = [f64::INFINITY; 2];
    for (number, frame) in frames.iter().enumerate() {
        let [luma, chroma] = scene.psnr(number, &frame.planes)?;
        worst = [worst[0].min(luma), worst[1].min(chroma)];
    }
    Ok(worst)
}

/// The rules of [`EncodedPacket`]; gives what the stream says of itself.
fn check_packets(codec: Codec, packets: &[EncodedPacket]) -> Result<StreamFacts, String> {
    let mut times: Vec<_> = packets.iter().map(|packet| Some(packet.pts)).collect();
    times.sort_unstable();
    if !times.iter().copied().eq((0..FRAMES as i64).map(Some)) {
        return Err(format!("not every pts once: {}", list(&times)));
    }
    if let Some(packet) = packets.iter().find(|packet| packet.dts > packet.pts) {
        return Err(format!("dts {} is above pts {}", packet.dts, packet.pts));
    }
    if let Some(two) = packets.windows(2).find(|two| two[0].dts >= two[1].dts) {
        return Err(format!("dts {} follows {}", two[1].dts, two[0].dts));
    }
    let first = packets.first().ok_or("no packet")?;
    if !first.keyframe || !is_keyframe(codec, &first.data) {
        return Err("the first packet is no keyframe".into());
    }
    let sets = ParameterSets::in_access_unit(codec, &first.data);
    let kinds = [(SetKind::Vps, "VPS"), (SetKind::Sps, "SPS"), (SetKind::Pps, "PPS")];
    let needed = kinds.iter().filter(|(kind, _)| codec == Codec::H265 || *kind != SetKind::Vps);
    for (kind, name) in needed {
        if sets.of(*kind).next().is_none() {
            return Err(format!("the first packet has no {name}"));
        }
    }
    let facts = sets.of(SetKind::Sps).find_map(|sps| StreamFacts::from_sps(codec, sps));
    facts.ok_or_else(|| "the SPS cannot be read".into())
}

/// A frame whose picture was copied and given back.
struct Shown {
    pts: Option<i64>,
    geometry: Geometry,
    /// Without padding.
    planes: Vec<Vec<u8>>,
}

enum Event<T> {
    Output(T),
    Warning(String),
    Drained,
    Failed(Error),
}

/// Hands on what comes; nobody listens any more where the case has failed.
struct Sink<T>(Sender<Event<T>>);

impl PacketSink for Sink<EncodedPacket> {
    fn packet(&self, packet: EncodedPacket) {
        let _ = self.0.send(Event::Output(packet));
    }

    fn warning(&self, message: String) {
        let _ = self.0.send(Event::Warning(message));
    }

    fn drained(&self) {
        let _ = self.0.send(Event::Drained);
    }

    fn failed(&self, error: Error) {
        let _ = self.0.send(Event::Failed(error));
    }
}

impl FrameSink for Sink<Shown> {
    fn frame(&self, frame: DecodedFrame) {
        let copy = |plane: &vtremote_backend::Rows| {
            let row_bytes = plane.shape().row_bytes;
            let rows = plane.bytes().chunks(plane.stride());
            rows.map(|row| &row[..row_bytes]).collect::<Vec<_>>().concat()
        };
        let planes = frame.picture.planes().iter().map(copy).collect();
        let _ =
            self.0.send(Event::Output(Shown { pts: frame.pts, geometry: frame.geometry, planes }));
    }

    fn warning(&self, message: String) {
        let _ = self.0.send(Event::Warning(message));
    }

    fn drained(&self) {
        let _ = self.0.send(Event::Drained);
    }

    fn failed(&self, error: Error) {
        let _ = self.0.send(Event::Failed(error));
    }
}

/// All that comes until it is drained.
fn collect<T>(
    events: &Receiver<Event<T>>,
    deadline: Instant,
    warnings: &mut Vec<String>,
) -> Result<Vec<T>, String> {
    let mut outputs = Vec::new();
    loop {
        match events.recv_timeout(left(deadline)) {
            Ok(Event::Output(_)) if outputs.len() >= 2 * FRAMES => {
                return Err(format!("more than {} came of {FRAMES} frames", outputs.len()));
            }
            Ok(Event::Output(output)) => outputs.push(output),
            Ok(Event::Warning(warning)) => warnings.push(format!("decoder: {warning}")),
            Ok(Event::Drained) => return Ok(outputs),
            Ok(Event::Failed(error)) => return Err(error.to_string()),
            Err(_) => {
                let count = outputs.len();
                return Err(format!("it hangs: {count} of {FRAMES} came, and then nothing"));
            }
        }
    }
}

fn silent<T>(events: &Receiver<Event<T>>) -> Result<(), String> {
    match events.try_recv() {
        Ok(_) => Err("something came after the end".into()),
        Err(_) => Ok(()),
    }
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

fn speed(open: Duration, begin: Instant) -> Speed {
    let frames_per_second = FRAMES as f64 / begin.elapsed().as_secs_f64().max(1e-6);
    Speed { open, frames_per_second }
}

fn text(error: Error) -> String {
    error.to_string()
}

fn list(times: &[Option<i64>]) -> String {
    let time = |time: &Option<i64>| time.map_or("none".into(), |time| time.to_string());
    times.iter().map(time).collect::<Vec<_>>().join(" ")
}
