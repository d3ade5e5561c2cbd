//! A session to look at.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;
use vtremote_apple_tests::OverDouble;
use vtremote_backend::{
    Backend, Codec, CodedPacket, DecodedFrame, DecoderConfig, EncodedPacket, Encoder,
    EncoderConfig, Error, FrameInfo, FrameSink, Opened, PacketSink, Picture, PixelFormat, Ratio,
};

/// Far longer than anything takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Small, 30 frames a second, with a bit rate as FFmpeg's clients always have one.
pub(crate) fn config(codec: Codec, format: PixelFormat) -> EncoderConfig {
    let mut config = EncoderConfig::new(codec, 160, 96, format, Ratio { num: 1, den: 30 });
    config.frame_rate = Some(Ratio { num: 30, den: 1 });
    config.rate.bitrate = Some(500_000);
    config
}

pub(crate) fn h264(set: impl FnOnce(&mut EncoderConfig)) -> EncoderConfig {
    let mut config = config(Codec::H264, PixelFormat::Nv12);
    set(&mut config);
    config
}

pub(crate) fn hevc(set: impl FnOnce(&mut EncoderConfig)) -> EncoderConfig {
    let mut config = config(Codec::H265, PixelFormat::Nv12);
    set(&mut config);
    config
}

/// What a sink was told.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) packets: Vec<EncodedPacket>,
    pub(crate) drained: usize,
    pub(crate) failed: Vec<Error>,
    pub(crate) warnings: Vec<String>,
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

    /// Waits until `enough` says so.
    pub(crate) fn wait<T>(&self, enough: impl Fn(&Told) -> Option<T>) -> T {
        let told = self.told.lock().unwrap();
        let none = |told: &mut Told| enough(told).is_none();
        let (told, _) = self.changed.wait_timeout_while(told, PATIENCE, none).unwrap();
        let (packets, failed) = (told.packets.len(), &told.failed);
        enough(&told).unwrap_or_else(|| panic!("after {packets} packets nothing comes: {failed:?}"))
    }
}

impl PacketSink for Listener {
    fn packet(&self, packet: EncodedPacket) {
        self.tell(|told| told.packets.push(packet));
    }
    fn warning(&self, message: String) {
        self.tell(|told| told.warnings.push(message));
    }

    fn drained(&self) {
        self.tell(|told| told.drained += 1);
    }
    fn failed(&self, error: Error) {
        self.tell(|told| told.failed.push(error));
    }
}

pub(crate) struct Session {
    pub(crate) encoder: Box<dyn Encoder>,
    pub(crate) listener: Arc<Listener>,
    pub(crate) parameter_sets: Vec<u8>,
    pub(crate) warnings: Vec<String>,
    config: EncoderConfig,
}

impl Session {
    pub(crate) fn try_open(over: &OverDouble, config: &EncoderConfig) -> Result<Self, Error> {
        let listener = Arc::new(Listener::default());
        let opened = over.open_encoder(config, listener.clone())?;
        let Opened { codec: encoder, parameter_sets, warnings, .. } = opened;
        Ok(Session { encoder, listener, parameter_sets, warnings, config: config.clone() })
    }

    pub(crate) fn open(over: &OverDouble, config: &EncoderConfig) -> Self {
        Session::try_open(over, config).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Hands over the frame of this number, which shows it; a tick each.
    pub(crate) fn send(&mut self, number: i64) -> Result<(), Error> {
        self.submit(FrameInfo { pts: number, duration: 1, ..FrameInfo::default() })
    }

    pub(crate) fn submit(&mut self, frame: FrameInfo) -> Result<(), Error> {
        let picture = self.encoder.picture(PATIENCE)?.expect("a picture becomes free");
        paint(&picture, self.config.format, frame.pts);
        self.encoder.submit(picture, frame).map(drop)
    }

    /// As many as go.
    pub(crate) fn send_all(&mut self, count: i64) {
        for number in 0..count {
            if self.send(number).is_err() {
                return;
            }
        }
        // After a failure there is nothing to drain.
        let _ = self.encoder.drain();
    }

    /// The packets of a session that ends well.
    pub(crate) fn packets(self) -> Vec<EncodedPacket> {
        let (packets, failed) = self.listener.wait(|told| {
            let over = told.drained > 0 || !told.failed.is_empty();
            over.then(|| (told.packets.clone(), told.failed.clone()))
        });
        assert_eq!(failed, []);
        drop(self.encoder);
        packets
    }

    /// How a session ends that does not end well. What comes before is good.
    pub(crate) fn failure(self) -> Error {
        let error = self.listener.wait(|told| told.failed.first().cloned());
        drop(self.encoder);
        self.listener.wait(|told| {
            assert_eq!((told.drained, told.failed.len()), (0, 1));
            Some(())
        });
        error
    }
}

/// Frames `0..count` of a session.
pub(crate) fn encode(over: &OverDouble, config: &EncoderConfig, count: i64) -> Vec<EncodedPacket> {
    let mut session = Session::open(over, config);
    session.send_all(count);
    session.packets()
}

/// The luma of a frame, which says its number.
fn level(number: i64) -> u8 {
    40 + (number * 5 % 160) as u8
}

fn paint(picture: &Picture, format: PixelFormat, number: i64) {
    for plane in 0..picture.plane_count() {
        let (shape, _) = picture.plane(plane).unwrap();
        let mut rows = picture.lend(plane, 0..shape.rows).unwrap();
        let level = if plane == 0 { level(number) } else { 128 };
        match format {
            PixelFormat::P010 | PixelFormat::P210 => rows
                .bytes()
                .chunks_exact_mut(2)
                .for_each(|sample| sample.copy_from_slice(&[0, level])),
            _ => rows.bytes().fill(level),
        }
    }
}

/// The pts of each frame with a sample of its luma, and whether that was all.
type Shown = (Vec<(Option<i64>, u8)>, bool);

#[derive(Default)]
struct Frames {
    told: Mutex<Shown>,
    changed: Condvar,
}

impl FrameSink for Frames {
    fn frame(&self, frame: DecodedFrame) {
        let rows = &frame.picture.planes()[0];
        let luma = rows.bytes()[rows.stride() * 40 + 80];
        self.told.lock().unwrap().0.push((frame.pts, luma));
    }
    fn warning(&self, message: String) {
        panic!("a warning: {message}");
    }
    fn drained(&self) {
        self.told.lock().unwrap().1 = true;
        self.changed.notify_all();
    }
    fn failed(&self, error: Error) {
        panic!("{error}");
    }
}

/// Decodes a stream of 8 bits: each frame of `0..count` is shown once, in its order, and shows its number.
pub(crate) fn assert_whole(over: &OverDouble, codec: Codec, packets: &[EncodedPacket], count: i64) {
    assert_in_order(packets, count);
    let config = DecoderConfig {
        codec,
        width: 160,
        height: 96,
        format: PixelFormat::Nv12,
        time_base: Ratio { num: 1, den: 30 },
        extradata: Vec::new(),
        max_delay: None,
    };
    let frames = Arc::new(Frames::default());
    let mut decoder = over.open_decoder(&config, frames.clone()).unwrap().codec;
    for packet in packets {
        let EncodedPacket { pts, dts, duration, keyframe, data, .. } = packet.clone();
        let (pts, dts, side_data) = (Some(pts), Some(dts), Vec::new());
        let coded = CodedPacket { pts, dts, duration, keyframe, data, side_data };
        assert_eq!(decoder.submit(coded, PATIENCE), Ok(None));
    }
    decoder.drain().unwrap();
    let told = frames.told.lock().unwrap();
    let (told, _) = frames.changed.wait_timeout_while(told, PATIENCE, |told| !told.1).unwrap();
    let pts: Vec<_> = told.0.iter().map(|(pts, _)| pts.expect("a time")).collect();
    assert_eq!(pts, (0..count).collect::<Vec<_>>());
    for (pts, luma) in &told.0 {
        let expected = level(pts.unwrap_or_default());
        assert!(luma.abs_diff(expected) < 5, "frame {pts:?} shows {luma}, not {expected}");
    }
    drop(told);
    drop(decoder);
}

/// Every pts once, dts rising and up to pts.
pub(crate) fn assert_in_order(packets: &[EncodedPacket], count: i64) {
    let times: Vec<_> = packets.iter().map(|packet| (packet.dts, packet.pts)).collect();
    assert!(times.windows(2).all(|pair| pair[0].0 < pair[1].0), "{times:?}");
    assert!(times.iter().all(|(dts, pts)| dts <= pts), "{times:?}");
    let mut pts: Vec<_> = times.iter().map(|(_, pts)| *pts).collect();
    pts.sort_unstable();
    assert_eq!(pts, (0..count).collect::<Vec<_>>());
}
