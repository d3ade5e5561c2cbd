//! Streams to decode, from libx264 and libx265, and what libavcodec makes of them.

use std::sync::{Arc, Condvar, LazyLock, Mutex};
use std::time::Duration;
use vtremote_backend::{
    Backend, Codec, CodedPacket, DecodedFrame, DecoderConfig, EncodedPacket, EncoderConfig, Error,
    FrameInfo, FrameSink, Geometry, PacketSink, PixelFormat, Ratio, SideData,
};
use vtremote_backend_libavcodec::{Libavcodec, Settings};

/// Far longer than anything takes here on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) static LIBAVCODEC: LazyLock<Libavcodec> = LazyLock::new(|| {
    let settings = Settings { preset: Some("ultrafast".into()), ..Settings::default() };
    Libavcodec::new(settings).expect("libx264 and libx265 are needed for these tests")
});

/// A coded stream.
#[derive(Clone)]
pub(crate) struct Stream {
    pub(crate) codec: Codec,
    /// The parameter sets, if they are not in the packets too.
    pub(crate) extradata: Vec<u8>,
    pub(crate) packets: Vec<CodedPacket>,
}

impl Stream {
    /// Another behind this one.
    pub(crate) fn then(mut self, other: Stream) -> Stream {
        let last = |stream: &Stream| stream.packets.iter().filter_map(|packet| packet.pts).max();
        let shift = last(&self).map_or(0, |last| last + 2);
        self.packets.extend(other.packets.into_iter().map(|packet| CodedPacket {
            pts: packet.pts.map(|pts| pts + shift),
            dts: packet.dts.map(|dts| dts + shift),
            ..packet
        }));
        self
    }

    pub(crate) fn without_times(mut self) -> Stream {
        self.packets.iter_mut().for_each(|packet| (packet.pts, packet.dts) = (None, None));
        self
    }
}

/// What streams begin with: small, parameter sets in-band.
pub(crate) fn config(codec: Codec, format: PixelFormat) -> EncoderConfig {
    EncoderConfig {
        frame_rate: Some(Ratio { num: 30, den: 1 }),
        b_frames: 3,
        gop: Some(8),
        ..EncoderConfig::new(codec, 160, 96, format, Ratio { num: 1, den: 60 })
    }
}

#[derive(Default)]
struct Packets {
    all: Mutex<(Vec<EncodedPacket>, bool)>,
    changed: Condvar,
}

impl PacketSink for Packets {
    fn packet(&self, packet: EncodedPacket) {
        self.all.lock().unwrap().0.push(packet);
    }

    fn warning(&self, message: String) {
        panic!("{message}");
    }

    fn drained(&self) {
        self.all.lock().unwrap().1 = true;
        self.changed.notify_all();
    }

    fn failed(&self, error: Error) {
        panic!("{error}");
    }
}

/// So many frames of a picture that moves, two ticks apart.
pub(crate) fn encode(config: &EncoderConfig, frames: i64) -> Stream {
    encode_with(config, frames, |_| Vec::new())
}

/// The same, with side data.
pub(crate) fn encode_with(
    config: &EncoderConfig,
    frames: i64,
    side_data: impl Fn(i64) -> Vec<SideData>,
) -> Stream {
    let sink = Arc::new(Packets::default());
    let opened = LIBAVCODEC.open_encoder(config, Arc::clone(&sink) as _).unwrap();
    let mut encoder = opened.codec;
    for frame in 0..frames {
        let picture = encoder.picture(PATIENCE).unwrap().expect("a picture in time");
        for plane in 0..picture.plane_count() {
            let (shape, stride) = picture.plane(plane).unwrap();
            let mut rows = picture.lend(plane, 0..shape.rows).unwrap();
            for (y, row) in rows.bytes().chunks_mut(stride).enumerate() {
                for (x, byte) in row[..shape.row_bytes].iter_mut().enumerate() {
                    // Of ten bits these are the high ones.
                    let wide = matches!(config.format, PixelFormat::P010 | PixelFormat::P210);
                    let high = !wide || x % 2 == 1;
                    let level = 40 + (3 * x + 5 * y + 7 * frame as usize + 50 * plane) % 180;
                    *byte = if high { level as u8 } else { 0 };
                }
            }
        }
        let info = FrameInfo {
            pts: 2 * frame,
            duration: 2 + frame % 2,
            side_data: side_data(frame),
            ..FrameInfo::default()
        };
        encoder.submit(picture, info).unwrap();
    }
    encoder.drain().unwrap();
    let all = sink.all.lock().unwrap();
    let (mut all, late) = sink.changed.wait_timeout_while(all, PATIENCE, |all| !all.1).unwrap();
    assert!(!late.timed_out(), "the encoder is never done");
    let packets = std::mem::take(&mut all.0).into_iter().map(|packet| CodedPacket {
        pts: Some(packet.pts),
        dts: Some(packet.dts),
        duration: packet.duration,
        keyframe: packet.keyframe,
        data: packet.data,
        side_data: Vec::new(),
    });
    let extradata = if config.global_header { opened.parameter_sets } else { Vec::new() };
    Stream { codec: config.codec, extradata, packets: packets.collect() }
}

/// A frame, copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) pts: Option<i64>,
    pub(crate) duration: i64,
    pub(crate) geometry: Geometry,
    pub(crate) planes: Vec<Vec<u8>>,
    pub(crate) side_data: Vec<SideData>,
}

/// What a sink was told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) frames: Vec<Shown>,
    pub(crate) warnings: Vec<String>,
    pub(crate) drained: bool,
    pub(crate) failed: Option<Error>,
}

#[derive(Default)]
pub(crate) struct Listener {
    told: Mutex<Told>,
    changed: Condvar,
}

impl Listener {
    fn tell(&self, what: impl FnOnce(&mut Told)) {
        what(&mut self.told.lock().unwrap());
        self.changed.notify_all();
    }

    /// What it was told so far.
    pub(crate) fn told(&self) -> std::sync::MutexGuard<'_, Told> {
        self.told.lock().unwrap()
    }

    /// Waits until enough was told, or the decoder has failed.
    pub(crate) fn wait(&self, enough: impl Fn(&Told) -> bool) -> std::sync::MutexGuard<'_, Told> {
        let told = self.told.lock().unwrap();
        let wait = |told: &mut Told| !enough(told) && told.failed.is_none();
        let (told, late) = self.changed.wait_timeout_while(told, PATIENCE, wait).unwrap();
        assert!(!late.timed_out(), "after {} frames nothing comes", told.frames.len());
        told
    }
}

impl FrameSink for Listener {
    fn frame(&self, frame: DecodedFrame) {
        let planes = frame.picture.planes().iter().map(|plane| {
            let row = |row: &[u8]| row[..plane.shape().row_bytes].to_vec();
            plane.bytes().chunks(plane.stride()).flat_map(row).collect()
        });
        let shown = Shown {
            pts: frame.pts,
            duration: frame.duration,
            geometry: frame.geometry,
            planes: planes.collect(),
            side_data: frame.side_data.clone(),
        };
        drop(frame);
        self.tell(|told| told.frames.push(shown));
    }

    fn warning(&self, message: String) {
        self.tell(|told| told.warnings.push(message));
    }

    fn drained(&self) {
        self.tell(|told| told.drained = true);
    }

    fn failed(&self, error: Error) {
        self.tell(|told| told.failed = Some(error));
    }
}

pub(crate) fn decoder_config(stream: &Stream) -> DecoderConfig {
    DecoderConfig {
        codec: stream.codec,
        width: 160,
        height: 96,
        format: PixelFormat::Nv12,
        time_base: Ratio { num: 1, den: 60 },
        extradata: stream.extradata.clone(),
        max_delay: None,
    }
}

/// Everything that comes of a stream.
pub(crate) fn decode(backend: &dyn Backend, config: &DecoderConfig, stream: &Stream) -> Told {
    let sink = Arc::new(Listener::default());
    let mut decoder = backend.open_decoder(config, Arc::clone(&sink) as _).unwrap().codec;
    for packet in &stream.packets {
        match decoder.submit(packet.clone(), PATIENCE) {
            Ok(refused) => assert_eq!(refused, None, "room becomes free"),
            Err(_) => break,
        }
    }
    // What has failed says so to the sink.
    let _ = decoder.drain();
    drop(sink.wait(|told| told.drained));
    drop(decoder);
    let sink = Arc::into_inner(sink).expect("nobody else has the sink");
    sink.told.into_inner().unwrap()
}

/// What libavcodec makes of it.
pub(crate) fn expected(stream: &Stream) -> Vec<Shown> {
    let told = decode(&*LIBAVCODEC, &decoder_config(stream), stream);
    assert_eq!((told.failed, told.warnings), (None, Vec::new()));
    told.frames
}
