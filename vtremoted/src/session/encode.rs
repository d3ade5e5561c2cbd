//! Pictures in, packets out.

use super::Shared;
use super::places::Places;
use std::collections::VecDeque;
use std::io::IoSliceMut;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tracing::debug;
use vtremote_backend::{
    EncodedPacket, Encoder, Error, FrameInfo, LeftOut, PacketSink, Picture, PlaneShape, RawRows,
    RowsMut, SideData,
};
use vtremote_planes::vtz::Geometry;
use vtremote_planes::{
    Begin, Compression, PictureDecoder, PictureReading, Scratch, Target, Workers,
};
use vtremote_proto::{
    FRAME_KEY, FrameHead, PACKET_KEY, Pace, PaceTimes, PacketHead, PlaneHead, SliceHead, error_code,
};

/// Slices that wait for a worker. Their memory is bounded by it, together with the one that comes in.
const QUEUE: usize = 4;

/// A session that encodes, from the reader's side.
pub(super) struct Encode {
    session: Arc<Shared>,
    encoder: Box<dyn Encoder>,
    planes: Vec<PlaneShape>,
    geometry: Geometry,
    /// Of FRAMEs.
    compression: Compression,
    pictures: PictureDecoder,
    workers: Workers<Unpack>,
    jobs: Arc<Jobs>,
    /// The frame that comes in: there is a picture from [`Encode::make_room`] on.
    frame: Option<Frame>,
    body: Option<Body>,
    /// Kinds of side data that are not carried, and were told.
    left_out: LeftOut,
    /// Pictures that were submitted, and what PACE tells besides.
    submitted: u32,
    times: PaceTimes,
}

struct Frame {
    head: FrameHead,
    side_data: Vec<SideData>,
    reading: PictureReading,
    picture: Option<Picture>,
    /// Planes that came without their last row.
    short: Vec<usize>,
}

/// Where the bytes that come next go.
enum Body {
    Raw(RawRows),
    Compressed { data: Vec<u8>, filled: usize, part: Part, rows: RowsMut },
}

/// What rows are, and how they are compressed.
struct Part {
    reading: PictureReading,
    plane: usize,
    mode: u8,
    stride: usize,
}

impl Encode {
    pub(super) fn new(
        session: Arc<Shared>,
        encoder: Box<dyn Encoder>,
        planes: Vec<PlaneShape>,
        geometry: Geometry,
        compression: Compression,
    ) -> std::io::Result<Self> {
        let threads = std::thread::available_parallelism().map_or(2, |cores| cores.get().min(4));
        let workers = Workers::new("slices", threads, QUEUE)?;
        let jobs = Arc::default();
        Ok(Encode {
            session,
            encoder,
            planes,
            geometry,
            compression,
            pictures: PictureDecoder::default(),
            workers,
            jobs,
            frame: None,
            body: None,
            left_out: LeftOut::default(),
            submitted: 0,
            times: PaceTimes::default(),
        })
    }

    /// A FRAME came, or a FRAME_BEGIN that says how its slices are to be read. A picture is needed before
    /// its data.
    ///
    /// # Errors
    /// It cannot be read, which is the peer's fault.
    pub(super) fn begin(
        &mut self,
        head: FrameHead,
        slices: Option<Begin<'_>>,
        side_data: Vec<SideData>,
    ) -> Result<(), vtremote_planes::Error> {
        self.body = None;
        let reading = match slices {
            Some(begin) => self.pictures.begin(self.geometry, begin)?,
            None => self.compression.into(),
        };
        self.frame = Some(Frame { head, side_data, reading, picture: None, short: Vec::new() });
        Ok(())
    }

    /// Whether the encoder must give a picture before reading goes on.
    pub(super) fn needs_picture(&self) -> bool {
        self.frame.as_ref().is_some_and(|frame| frame.picture.is_none())
    }

    /// Gets a picture from the encoder, if one becomes free in time.
    pub(super) fn make_room(&mut self, wait: Duration) -> Result<(), Error> {
        if let (Some(frame), Some(picture)) = (&mut self.frame, self.encoder.picture(wait)?) {
            frame.picture = Some(picture);
        }
        Ok(())
    }

    pub(super) fn plane(&mut self, head: PlaneHead) -> Result<(), Error> {
        let plane = usize::from(head.index);
        let rows = head.height as usize;
        let frame = self.frame.as_mut().ok_or_else(out_of_order)?;
        if self.planes.get(plane).is_some_and(|shape| rows < shape.rows) {
            frame.short.push(plane);
        }
        let part =
            Part { reading: frame.reading.clone(), plane, mode: 0, stride: head.stride as usize };
        self.destination(part, 0..rows, head.len as usize)
    }

    pub(super) fn slice(&mut self, head: SliceHead) -> Result<(), Error> {
        let plane = usize::from(head.plane);
        let shape = self.planes.get(plane).ok_or_else(out_of_order)?;
        let stride = shape.row_bytes;
        let frame = self.frame.as_ref().ok_or_else(out_of_order)?;
        let part = Part { reading: frame.reading.clone(), plane, mode: head.mode, stride };
        let first = head.first_row as usize;
        let rows = first..first + head.rows as usize;
        self.destination(part, rows, head.len as usize)
    }

    fn destination(
        &mut self,
        part: Part,
        rows: std::ops::Range<usize>,
        len: usize,
    ) -> Result<(), Error> {
        let plane = part.plane;
        let picture = self.frame.as_ref().and_then(|frame| frame.picture.as_ref());
        let picture = picture.ok_or_else(out_of_order)?;
        let rows = picture.lend(plane, rows);
        let rows = rows.map_err(|error| Error::Internal(format!("plane {plane}: {error}")))?;
        self.body = Some(if part.reading.is_rows(part.mode) {
            Body::Raw(RawRows::new(rows, part.stride))
        } else {
            Body::Compressed { data: self.jobs.buffer(len), filled: 0, part, rows }
        });
        // A body of no bytes has no pieces.
        if len == 0 { self.put(&[]) } else { Ok(()) }
    }

    /// A piece of the body.
    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<(), Error> {
        match &mut self.body {
            Some(Body::Raw(rows)) => rows.put(bytes),
            Some(Body::Compressed { data, filled, .. }) => {
                let room = data.get_mut(*filled..*filled + bytes.len()).ok_or_else(out_of_order)?;
                room.copy_from_slice(bytes);
                *filled += bytes.len();
                self.hand_over_if_complete();
            }
            None => return Err(out_of_order()),
        }
        Ok(())
    }

    /// Memory that the next bytes of the body can be read into.
    pub(super) fn direct<'a>(&'a mut self, limit: usize, into: &mut Places<'a>) {
        match &mut self.body {
            Some(Body::Raw(rows)) => rows.direct(limit, into),
            Some(Body::Compressed { data, filled, .. }) => {
                let end = data.len().min(filled.saturating_add(limit));
                into.extend(data.get_mut(*filled..end).map(IoSliceMut::new));
            }
            None => {}
        }
    }

    /// So many bytes were read into [`Encode::direct`]'s memory.
    pub(super) fn filled(&mut self, bytes: usize) {
        match &mut self.body {
            Some(Body::Raw(rows)) => rows.filled(bytes),
            Some(Body::Compressed { filled, .. }) => {
                *filled += bytes;
                self.hand_over_if_complete();
            }
            None => {}
        }
    }

    /// Gives a plane or slice whose data is there to a worker.
    fn hand_over_if_complete(&mut self) {
        let complete = matches!(&self.body,
            Some(Body::Compressed { data, filled, .. }) if *filled == data.len());
        if !complete {
            return;
        }
        let Some(Body::Compressed { data, part, rows, .. }) = self.body.take() else { return };
        let job = Jobs::begin(&self.jobs);
        // Waits while the queue is full.
        let began = Instant::now();
        self.workers.run(Unpack { job, data, part, rows });
        self.times.behind += began.elapsed();
    }

    /// The frame is complete: it goes to the encoder. `side_data` is what stood at its end.
    pub(super) fn submit(&mut self, side_data: Vec<SideData>) -> Result<Submitted, Error> {
        // Rows that are still lent could not be submitted.
        self.body = None;
        let mut frame = self.frame.take().ok_or_else(out_of_order)?;
        let began = Instant::now();
        let decompressed = self.jobs.wait();
        self.times.behind += began.elapsed();
        let picture = frame.picture.take().ok_or_else(out_of_order)?;
        let micros = match decompressed {
            Ok(time) => {
                self.times.unpacking += time;
                u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
            }
            Err(Failure::Slice(error)) if error.is_peer_fault() => {
                return Ok(Submitted::Undecodable(error.to_string()));
            }
            Err(Failure::Slice(error)) => return Err(Error::Internal(error.to_string())),
            Err(Failure::Worker) => return Err(Error::Internal("a slice worker failed".into())),
        };
        for plane in frame.short {
            repeat_last_row(&picture, plane, &self.planes)?;
        }
        frame.side_data.extend(side_data);
        let left_out = &mut self.left_out;
        frame.side_data.retain(|record| {
            let Some(reason) = record.not_carried() else { return true };
            if left_out.is_news(record.kind) {
                debug!(kind = record.kind, pts = frame.head.pts, "side data is left out: {reason}");
            }
            false
        });
        let info = FrameInfo {
            pts: frame.head.pts,
            duration: frame.head.duration.max(0),
            keyframe: frame.head.flags & FRAME_KEY != 0,
            side_data: frame.side_data,
        };
        let raw: usize = self.planes.iter().map(|plane| plane.row_bytes * plane.rows).sum();
        let mut state = self.session.lock();
        state.report.raw_bytes += raw as u64;
        state.latency.begin(info.pts);
        drop(state);
        self.encoder.submit(picture, info)?;
        self.submitted = self.submitted.wrapping_add(1);
        Ok(Submitted::Taken { decompress_us: micros, pace: self.pace() })
    }

    /// Nothing was read for so long, since there was no room for what comes next.
    pub(super) fn was_full(&mut self, time: Duration) {
        self.times.full += time;
    }

    /// A read took so long.
    pub(super) fn waited(&mut self, time: Duration) {
        if self.frame.is_some() {
            self.times.amid += time;
        }
    }

    fn pace(&self) -> Pace {
        Pace::new(self.submitted, self.workers.threads(), &self.times)
    }

    pub(super) fn drain(&mut self) -> Result<(), Error> {
        self.encoder.drain()
    }
}

/// What came of a frame that was complete.
pub(super) enum Submitted {
    Taken {
        decompress_us: u32,
        /// After this one.
        pace: Pace,
    },
    /// Its data does not unpack: the peer's fault.
    Undecodable(String),
}

fn out_of_order() -> Error {
    Error::Internal("data without a place to go".into())
}

/// Some peers round the chroma rows of an odd height down: the last row stands for the one after it.
fn repeat_last_row(picture: &Picture, plane: usize, planes: &[PlaneShape]) -> Result<(), Error> {
    let Some(PlaneShape { row_bytes, rows }) = planes.get(plane).copied() else { return Ok(()) };
    let Some(first) = rows.checked_sub(2) else { return Ok(()) };
    let lent = picture.lend(plane, first..rows);
    let mut lent = lent.map_err(|error| Error::Internal(error.to_string()))?;
    let stride = lent.stride();
    lent.bytes().copy_within(..row_bytes, stride);
    Ok(())
}

/// The slices that workers have, and buffers to use again.
#[derive(Default)]
struct Jobs {
    state: Mutex<JobsState>,
    changed: Condvar,
}

#[derive(Default)]
struct JobsState {
    running: usize,
    error: Option<Failure>,
    time: Duration,
    buffers: VecDeque<Vec<u8>>,
}

impl Jobs {
    fn lock(&self) -> MutexGuard<'_, JobsState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A buffer of exactly this length; its content is left over.
    fn buffer(&self, len: usize) -> Vec<u8> {
        let mut buffer = self.lock().buffers.pop_front().unwrap_or_default();
        buffer.resize(len, 0);
        buffer
    }

    fn begin(jobs: &Arc<Self>) -> Job {
        jobs.lock().running += 1;
        Job { jobs: Arc::clone(jobs), ended: false }
    }

    /// Waits for all of them; how long they took together, or the first error.
    fn wait(&self) -> Result<Duration, Failure> {
        let mut state = self.lock();
        while state.running > 0 {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let time = std::mem::take(&mut state.time);
        state.error.take().map_or(Ok(time), Err)
    }
}

/// Why the rows of a frame are not all there.
enum Failure {
    /// A slice does not unpack.
    Slice(vtremote_planes::Error),
    /// The worker panicked.
    Worker,
}

/// A plane or slice for a worker.
struct Unpack {
    job: Job,
    data: Vec<u8>,
    part: Part,
    rows: RowsMut,
}

impl vtremote_planes::Job for Unpack {
    fn run(self, scratch: &mut Scratch) {
        let Unpack { job, data, part, mut rows } = self;
        let Part { reading, plane, mode, stride } = part;
        let began = Instant::now();
        let (row_bytes, row_stride, range) = (rows.row_bytes(), rows.stride(), rows.rows());
        let into = Target { data: rows.bytes(), stride: row_stride, row_bytes, rows: range.len() };
        let result = reading.slice(scratch, plane, mode, range, &data, stride, into);
        // The next picture of vtz is to find nobody holding what this one was read with.
        drop((rows, reading));
        job.done(result, began.elapsed(), data);
    }
}

/// One slice at a worker. A job that panics is one that failed.
struct Job {
    jobs: Arc<Jobs>,
    ended: bool,
}

impl Job {
    fn done(mut self, result: Result<(), vtremote_planes::Error>, time: Duration, buffer: Vec<u8>) {
        let mut state = self.jobs.lock();
        state.time += time;
        if let Err(error) = result {
            state.error.get_or_insert(Failure::Slice(error));
        }
        if state.buffers.len() <= QUEUE {
            state.buffers.push_back(buffer);
        }
        drop(state);
        self.ended = true;
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        let mut state = self.jobs.lock();
        state.running -= 1;
        if !self.ended {
            state.error.get_or_insert(Failure::Worker);
        }
        drop(state);
        self.jobs.changed.notify_all();
    }
}

/// Takes the encoder's packets to the session.
pub(super) struct Packets {
    session: Arc<Shared>,
    side_data: bool,
}

impl Packets {
    pub(super) fn new(session: Arc<Shared>, side_data: bool) -> Self {
        Packets { session, side_data }
    }
}

impl PacketSink for Packets {
    fn packet(&self, packet: EncodedPacket) {
        let EncodedPacket { pts, dts, duration, keyframe, data, side_data } = packet;
        let side_data: Vec<(u32, &[u8])> = match self.side_data {
            true => side_data.iter().map(|record| (record.kind, &record.data[..])).collect(),
            false => Vec::new(),
        };
        let Ok(len) = u32::try_from(data.len()) else {
            return self.session.fail(error_code::INTERNAL, "a packet of over 4 GiB");
        };
        let flags = if keyframe { PACKET_KEY } else { 0 };
        let head = PacketHead { pts, dts, duration, flags, len };
        let mut message = self.session.message();
        if let Err(error) = head.encode(&side_data, message.heads()) {
            return self.session.fail(error_code::INTERNAL, &error.to_string());
        }
        message.insert(PacketHead::BEFORE_DATA, data);
        self.session.output(|state, now| {
            state.latency.end(pts);
            state.server.packet(now, &head, message)
        });
    }

    fn warning(&self, message: String) {
        self.session.warn(&format!("encoder: {message}"));
    }

    fn drained(&self) {
        let _ = self.session.with(|server, now| server.drained(now));
    }

    fn failed(&self, error: Error) {
        self.session.backend_failed(&error);
    }
}
