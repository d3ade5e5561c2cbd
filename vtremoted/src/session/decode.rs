//! Packets in, pictures out.

use super::Shared;
use super::message::Message;
use super::rows::Places;
use std::io::IoSliceMut;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tracing::warn;
use vtremote_backend::{
    CodedPacket, DecodedFrame, Decoder, DecoderConfig, Error, FrameSink, Geometry, PixelFormat,
    SideData,
};
use vtremote_link::TICK;
use vtremote_planes::{Compression, Layout, Scratch, Source, Workers};
use vtremote_proto::{FrameHead, NO_PTS, PACKET_KEY, PacketHead, error_code, frame_message};

/// Decoded pictures that may wait to be compressed; decoders bound themselves well below.
const QUEUE: usize = 256;

/// Pictures that wait to be written: a client that does not read must not fill our memory.
const FRAMES_AHEAD: usize = 4;

/// A session that decodes, from the reader's side.
pub(super) struct Decode {
    decoder: Box<dyn Decoder>,
    head: Option<PacketHead>,
    data: Vec<u8>,
    filled: usize,
    /// Complete, and not yet with the decoder.
    packet: Option<CodedPacket>,
}

impl Decode {
    pub(super) fn new(decoder: Box<dyn Decoder>) -> Self {
        Decode { decoder, head: None, data: Vec::new(), filled: 0, packet: None }
    }

    pub(super) fn begin(&mut self, head: PacketHead) {
        self.data.clear();
        self.data.resize(head.len as usize, 0);
        self.filled = 0;
        self.head = Some(head);
    }

    pub(super) fn put(&mut self, bytes: &[u8]) {
        if let Some(room) = self.data.get_mut(self.filled..self.filled + bytes.len()) {
            room.copy_from_slice(bytes);
            self.filled += bytes.len();
        }
    }

    pub(super) fn direct<'a>(&'a mut self, limit: usize, into: &mut Places<'a>) {
        let end = self.data.len().min(self.filled.saturating_add(limit));
        into.extend(self.data.get_mut(self.filled..end).map(IoSliceMut::new));
    }

    pub(super) fn filled(&mut self, bytes: usize) {
        self.filled += bytes;
    }

    /// Of the packet that comes in.
    pub(super) fn pts(&self) -> i64 {
        self.head.as_ref().map_or(NO_PTS, |head| head.pts)
    }

    /// The packet is complete. [`Decode::make_room`] hands it over.
    pub(super) fn end(&mut self, side_data: Vec<SideData>) {
        let Some(head) = self.head.take() else { return };
        let time = |ticks: i64| (ticks != NO_PTS).then_some(ticks);
        self.packet = Some(CodedPacket {
            pts: time(head.pts),
            dts: time(head.dts),
            duration: head.duration.max(0),
            keyframe: head.flags & PACKET_KEY != 0,
            data: std::mem::take(&mut self.data),
            side_data,
        });
    }

    /// Whether the decoder must take a packet before reading goes on.
    pub(super) fn has_packet(&self) -> bool {
        self.packet.is_some()
    }

    /// Hands the packet over, if the decoder has room for it in time. Says whether it did.
    pub(super) fn make_room(&mut self, wait: Duration) -> Result<bool, Error> {
        if let Some(packet) = self.packet.take() {
            self.packet = self.decoder.submit(packet, wait)?;
        }
        Ok(self.packet.is_none())
    }

    pub(super) fn drain(&mut self) -> Result<(), Error> {
        self.decoder.drain()
    }
}

/// Takes the decoder's pictures to the session: compressed, in order, on a thread of their own.
pub(super) struct Frames {
    session: Arc<Shared>,
    worker: Workers,
    compression: Compression,
    width: u32,
    height: u32,
    /// The backend's: the client's is a wish.
    format: OnceLock<PixelFormat>,
    side_data: bool,
}

impl Frames {
    pub(super) fn new(
        session: Arc<Shared>,
        config: &DecoderConfig,
        compression: Compression,
        side_data: bool,
    ) -> std::io::Result<Self> {
        let worker = Workers::new("pictures", 1, QUEUE)?;
        let DecoderConfig { width, height, .. } = *config;
        let format = OnceLock::new();
        Ok(Frames { session, worker, compression, width, height, format, side_data })
    }

    /// The format of the pictures to come, known before the first of them.
    pub(super) fn format_is(&self, format: PixelFormat) {
        self.format.get_or_init(|| format);
    }
}

impl FrameSink for Frames {
    fn frame(&self, frame: DecodedFrame) {
        // Existing clients copy what they are told without a bound: every frame is as configured.
        let format = self.format.get().copied().unwrap_or(frame.geometry.format);
        let Geometry { width, height, .. } = frame.geometry;
        if (width, height, frame.geometry.format) != (self.width, self.height, format) {
            return self.session.fail(
                error_code::BUSY_OR_CODEC,
                &format!(
                    "the stream is {width}x{height} {}, not {}x{} {} as configured",
                    frame.geometry.format.name(),
                    self.width,
                    self.height,
                    format.name()
                ),
            );
        }
        let (session, compression) = (Arc::clone(&self.session), self.compression);
        let side_data = self.side_data;
        self.worker.run(Box::new(move |scratch| {
            match message(&frame, compression, side_data, scratch) {
                Ok((message, raw)) => {
                    // The decoder stops for want of pictures while this one waits.
                    while !session.has_ended()
                        && !session.wait_until(TICK, |state| state.queued < FRAMES_AHEAD)
                    {
                    }
                    session.output(|state, now| {
                        state.report.raw_bytes += raw;
                        state.latency.end(frame.pts.unwrap_or(NO_PTS));
                        state.server.frame(now, message)
                    });
                }
                Err(error) => session.fail(error_code::INTERNAL, &error),
            }
        }));
    }

    fn warning(&self, message: String) {
        warn!("decoder: {message}");
    }

    fn drained(&self) {
        // Behind the pictures that are still being compressed.
        let session = Arc::clone(&self.session);
        self.worker.run(Box::new(move |_| {
            let _ = session.with(|server, now| server.drained(now));
        }));
    }

    fn failed(&self, error: Error) {
        let session = Arc::clone(&self.session);
        self.worker.run(Box::new(move |_| session.backend_failed(&error)));
    }
}

/// The FRAME message of a picture, and the bytes of its planes without compression.
fn message(
    frame: &DecodedFrame,
    compression: Compression,
    side_data: bool,
    scratch: &mut Scratch,
) -> Result<(Message, u64), String> {
    let mut bodies = Vec::new();
    let mut planes = Vec::new();
    let mut raw = 0;
    for plane in frame.picture.planes() {
        let shape = plane.shape();
        let layout = Layout { row_bytes: shape.row_bytes, rows: shape.rows };
        let source = Source::Rows { data: plane.bytes(), stride: plane.stride() };
        let mut body = Vec::new();
        let packed =
            scratch.compressor.compress(compression, &source, layout, 0..shape.rows, &mut body);
        packed.map_err(|error| error.to_string())?;
        let number = |bytes: usize| u32::try_from(bytes).map_err(|_| "a plane of over 4 GiB");
        planes.push((number(shape.row_bytes)?, number(shape.rows)?, number(body.len())?));
        raw += (shape.row_bytes * shape.rows) as u64;
        bodies.push(body);
    }
    let count = u8::try_from(planes.len()).map_err(|error| error.to_string())?;
    let pts = frame.pts.unwrap_or(NO_PTS);
    let head = FrameHead { pts, duration: frame.duration, flags: 0, planes: count };
    let records: Vec<(u32, &[u8])> = match side_data {
        true => frame.side_data.iter().map(|record| (record.kind, &record.data[..])).collect(),
        false => Vec::new(),
    };
    let parts = frame_message(&head, &planes, &records).map_err(|error| error.to_string())?;
    let mut message = Message::default();
    for (head, body) in parts.heads.into_iter().zip(bodies) {
        message.push(head);
        message.push(body);
    }
    message.push(parts.tail);
    Ok((message, raw))
}
