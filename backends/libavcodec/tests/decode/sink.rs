//! A sink that keeps what comes, and sessions over it.

use crate::plain::{Shown, Stream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;
use vtremote_backend::{
    Backend, CodedPacket, DecodedFrame, Decoder, DecoderConfig, Error, FrameSink, Geometry,
    PixelFormat, Ratio, SideData,
};
use vtremote_backend_libavcodec::Libavcodec;

/// Far longer than anything takes here on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What a sink was told.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) frames: Vec<Shown>,
    pub(crate) geometry: Vec<Geometry>,
    pub(crate) side_data: Vec<Vec<SideData>>,
    pub(crate) warnings: Vec<String>,
    pub(crate) drained: usize,
    pub(crate) failed: Vec<Error>,
    /// Frames as they came, if they are not to be let go of.
    pub(crate) held: Vec<DecodedFrame>,
}

#[derive(Default)]
pub(crate) struct Listener {
    told: Mutex<Told>,
    changed: Condvar,
    hold: bool,
}

impl Listener {
    pub(crate) fn holding() -> Self {
        Listener { hold: true, ..Listener::default() }
    }

    pub(crate) fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap()
    }

    pub(crate) fn wait(&self, enough: impl Fn(&Told) -> bool) -> MutexGuard<'_, Told> {
        let enough = |told: &Told| enough(told) || !told.failed.is_empty();
        let waited = self.changed.wait_timeout_while(self.told(), PATIENCE, |told| !enough(told));
        let (told, timeout) = waited.unwrap();
        assert!(!timeout.timed_out(), "after {} frames nothing comes", told.frames.len());
        told
    }

    fn tell(&self, what: impl FnOnce(&mut Told)) {
        what(&mut self.told());
        self.changed.notify_all();
    }
}

impl FrameSink for Listener {
    fn frame(&self, mut frame: DecodedFrame) {
        let planes = frame.picture.planes().iter().map(|plane| {
            let row = |row: &[u8]| row[..plane.shape().row_bytes].to_vec();
            plane.bytes().chunks(plane.stride()).flat_map(row).collect()
        });
        let Geometry { width, height, format, .. } = frame.geometry;
        let shown = Shown {
            pts: frame.pts,
            duration: frame.duration,
            size: (width, height),
            format,
            planes: planes.collect(),
        };
        self.tell(|told| {
            told.frames.push(shown);
            told.geometry.push(frame.geometry);
            told.side_data.push(std::mem::take(&mut frame.side_data));
            told.held.extend(Some(frame).filter(|_| self.hold));
        });
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

pub(crate) fn config(stream: &Stream) -> DecoderConfig {
    DecoderConfig {
        codec: stream.codec,
        // Nothing that fits a stream here: the stream says it.
        width: 4000,
        height: 4000,
        format: PixelFormat::Nv12,
        time_base: Ratio { num: 1, den: 60 },
        extradata: stream.extradata.clone(),
        low_delay: false,
    }
}

pub(crate) fn open(
    backend: &Libavcodec,
    config: &DecoderConfig,
    sink: &Arc<Listener>,
) -> Box<dyn Decoder> {
    let sink: Arc<dyn FrameSink> = sink.clone();
    backend.open_decoder(config, sink).unwrap_or_else(|error| panic!("{error}")).codec
}

pub(crate) fn submit(decoder: &mut dyn Decoder, packet: &CodedPacket) {
    let refused = decoder.submit(packet.clone(), PATIENCE).unwrap();
    assert!(refused.is_none(), "there is room in time");
}

/// Everything that comes of a stream.
pub(crate) fn decode_with(backend: &Libavcodec, config: &DecoderConfig, stream: &Stream) -> Told {
    let sink = Arc::new(Listener::default());
    let mut decoder = open(backend, config, &sink);
    for packet in &stream.packets {
        if decoder.submit(packet.clone(), PATIENCE).is_err() {
            break;
        }
    }
    let _ = decoder.drain();
    drop(sink.wait(|told| told.drained > 0));
    drop(decoder);
    let told = Arc::into_inner(sink).expect("the thread was joined").told;
    told.into_inner().unwrap()
}
