//! Driving a codec, and recording what comes of it.

use super::{EncoderCase, PATIENCE};
use crate::{
    CodedPacket, DecodedFrame, Decoder, EncodedPacket, Encoder, EncoderConfig, Error, FrameInfo,
    FrameSink, Geometry, Opened, PacketSink, Picture, PixelFormat, Reference, RowsMut,
};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};

/// Something that reached a sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event<T> {
    Output(T),
    Warning(String),
    Drained,
    Failed(Error),
}

impl<T> Event<T> {
    pub(super) fn output(self) -> Option<T> {
        match self {
            Event::Output(output) => Some(output),
            _ => None,
        }
    }
}

/// A sink that keeps everything in order.
pub(super) struct Recorder<T> {
    events: Mutex<Vec<Event<T>>>,
    changed: Condvar,
}

impl<T> Recorder<T> {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Recorder { events: Mutex::default(), changed: Condvar::new() })
    }

    fn add(&self, event: Event<T>) {
        self.events().push(event);
        self.changed.notify_all();
    }

    /// Waits for it, or for a failure.
    ///
    /// # Panics
    /// If it does not come, or a failure does.
    pub(super) fn wait_for(&self, what: &str, done: impl Fn(&[Event<T>]) -> bool) {
        let end =
            |events: &[Event<T>]| done(events) || matches!(events.last(), Some(Event::Failed(_)));
        let waited = self.changed.wait_timeout_while(self.events(), PATIENCE, |e| !end(e));
        let (events, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if let Some(Event::Failed(error)) = events.last() {
            panic!("the codec failed while {what} was waited for: {error}");
        }
        assert!(done(&events), "{what} never came; {} events did", events.len());
    }

    pub(super) fn wait_for_outputs(&self, count: usize) {
        self.wait_for(&format!("output {count}"), |events| outputs(events).count() >= count);
    }

    pub(super) fn wait_for_drained(&self) {
        self.wait_for("drained", |events| matches!(events.last(), Some(Event::Drained)));
    }

    pub(super) fn take(&self) -> Vec<Event<T>> {
        std::mem::take(&mut *self.events())
    }

    /// Panics unless all that came was output and, at the end, drained.
    pub(super) fn into_outputs(self: Arc<Self>) -> Vec<T> {
        let mut events = self.take();
        assert!(matches!(events.pop(), Some(Event::Drained)), "drained comes last");
        let output = |event| match event {
            Event::Output(output) => output,
            Event::Warning(warning) => panic!("a warning: {warning}"),
            Event::Drained => panic!("drained came twice"),
            Event::Failed(error) => panic!("the codec failed: {error}"),
        };
        events.into_iter().map(output).collect()
    }

    fn events(&self) -> MutexGuard<'_, Vec<Event<T>>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn outputs<T>(events: &[Event<T>]) -> impl Iterator<Item = &T> {
    events.iter().filter_map(|event| match event {
        Event::Output(output) => Some(output),
        _ => None,
    })
}

impl PacketSink for Recorder<EncodedPacket> {
    fn packet(&self, packet: EncodedPacket) {
        self.add(Event::Output(packet));
    }

    fn warning(&self, message: String) {
        self.add(Event::Warning(message));
    }

    fn drained(&self) {
        self.add(Event::Drained);
    }

    fn failed(&self, error: Error) {
        self.add(Event::Failed(error));
    }
}

/// A frame whose picture was copied and given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) pts: Option<i64>,
    pub(super) duration: i64,
    pub(super) geometry: Geometry,
    /// The planes without padding.
    pub(super) planes: Vec<Vec<u8>>,
}

impl FrameSink for Recorder<Shown> {
    fn frame(&self, frame: DecodedFrame) {
        let DecodedFrame { pts, duration, geometry, .. } = frame;
        let planes = copy(&frame.picture);
        drop(frame);
        self.add(Event::Output(Shown { pts, duration, geometry, planes }));
    }

    fn warning(&self, message: String) {
        self.add(Event::Warning(message));
    }

    fn drained(&self) {
        self.add(Event::Drained);
    }

    fn failed(&self, error: Error) {
        self.add(Event::Failed(error));
    }
}

/// Keeps the pictures.
impl FrameSink for Recorder<DecodedFrame> {
    fn frame(&self, frame: DecodedFrame) {
        self.add(Event::Output(frame));
    }

    fn warning(&self, message: String) {
        self.add(Event::Warning(message));
    }

    fn drained(&self) {
        self.add(Event::Drained);
    }

    fn failed(&self, error: Error) {
        self.add(Event::Failed(error));
    }
}

/// An encoder and its sink.
pub(super) struct Session {
    pub(super) encoder: Box<dyn Encoder>,
    pub(super) sink: Arc<Recorder<EncodedPacket>>,
    pub(super) parameter_sets: Vec<u8>,
    pub(super) warnings: Vec<String>,
    format: PixelFormat,
}

impl Session {
    pub(super) fn open(case: &EncoderCase, config: &EncoderConfig) -> Self {
        Session::try_open(case, config).unwrap_or_else(|error| panic!("{config:?}: {error}"))
    }

    pub(super) fn try_open(case: &EncoderCase, config: &EncoderConfig) -> Result<Self, Error> {
        let sink = Recorder::new();
        let opened = case.backend.open_encoder(config, Arc::clone(&sink) as _)?;
        let Opened { codec, parameter_sets, format, warnings } = opened;
        assert_eq!(format, config.format, "an encoder takes the format that was configured");
        Ok(Session { encoder: codec, sink, parameter_sets, warnings, format })
    }

    /// A picture, for which there is as much time as it takes.
    pub(super) fn picture(&mut self) -> Picture {
        let picture = self.encoder.picture(PATIENCE).unwrap_or_else(|error| panic!("{error}"));
        picture.expect("a picture becomes free")
    }

    /// Submits a frame whose pixels the seed gives.
    pub(super) fn send(&mut self, seed: u64, frame: FrameInfo) {
        let picture = self.picture();
        paint(&picture, self.format, seed);
        self.encoder.submit(picture, frame).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Drains, and gives all that came out.
    pub(super) fn finish(mut self) -> Vec<EncodedPacket> {
        self.encoder.drain().unwrap_or_else(|error| panic!("{error}"));
        self.sink.wait_for_drained();
        let Session { encoder, sink, .. } = self;
        drop(encoder);
        sink.into_outputs()
    }
}

/// Frames of one session, from a configuration.
pub(super) fn encode(
    case: &EncoderCase,
    config: &EncoderConfig,
    frames: &[FrameInfo],
) -> Vec<EncodedPacket> {
    let mut session = Session::open(case, config);
    for (seed, frame) in frames.iter().enumerate() {
        session.send(seed as u64, frame.clone());
    }
    session.finish()
}

/// So many frames, a tick each.
pub(super) fn frames(count: i64) -> Vec<FrameInfo> {
    (0..count).map(|pts| FrameInfo { pts, duration: 1, ..FrameInfo::default() }).collect()
}

/// A gradient that moves with the seed.
pub(super) fn paint_row(format: PixelFormat, seed: u64, plane: usize, row: usize, out: &mut [u8]) {
    let level = |x: usize| (x + 2 * row + 3 * seed as usize + 64 * plane) as u8;
    match format {
        PixelFormat::P010 | PixelFormat::P210 => {
            for (x, sample) in out.chunks_exact_mut(2).enumerate() {
                sample.copy_from_slice(&(u16::from(level(x)) << 8).to_le_bytes());
            }
        }
        _ => out.iter_mut().enumerate().for_each(|(x, byte)| *byte = level(x)),
    }
}

pub(super) fn paint(picture: &Picture, format: PixelFormat, seed: u64) {
    for plane in 0..picture.plane_count() {
        let (shape, _) = picture.plane(plane).expect("a plane that was counted");
        let rows = picture.lend(plane, 0..shape.rows).expect("rows that nobody else has");
        paint_rows(rows, format, seed, plane);
    }
}

pub(super) fn paint_rows(mut lent: RowsMut, format: PixelFormat, seed: u64, plane: usize) {
    let (rows, stride, row_bytes) = (lent.rows(), lent.stride(), lent.row_bytes());
    for (row, out) in rows.zip(lent.bytes().chunks_mut(stride)) {
        paint_row(format, seed, plane, row, &mut out[..row_bytes]);
    }
}

/// The planes without padding.
pub(super) fn copy(reference: &Reference) -> Vec<Vec<u8>> {
    let plane = |plane: &crate::Rows| {
        let row_bytes = plane.shape().row_bytes;
        let rows = plane.bytes().chunks(plane.stride());
        rows.flat_map(|row| &row[..row_bytes]).copied().collect()
    };
    reference.planes().iter().map(plane).collect()
}

/// Hands a packet over, for which there is as much time as it takes.
pub(super) fn submit(decoder: &mut dyn Decoder, packet: CodedPacket) {
    let refused = decoder.submit(packet, PATIENCE).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(refused, None, "room becomes free");
}

/// Does something that must come back.
///
/// # Panics
/// If it does not.
pub(super) fn returning<T: Send + 'static>(
    what: &str,
    call: impl FnOnce() -> T + Send + 'static,
) -> T {
    let (done, result) = mpsc::channel();
    std::thread::spawn(move || done.send(call()));
    result.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{what} does not return"))
}
