//! The picture that comes in: where its bytes go.

use std::io::IoSliceMut;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use vtremote_backend::{PlaneMemory, RawRows, RowsMut};
use vtremote_planes::{Begin, Job, PictureDecoder, PictureReading, Scratch, Target, Workers};
use vtremote_proto::{FrameBegin, Geometry, NO_REFERENCE, Pace, PaceTimes, PlaneHead, SliceHead};

use super::Decoding;
use crate::picture::vtz_geometry;
use crate::session::worker_count;
use crate::shared::{Shared, Trouble};

/// Parts that wait for a worker: their memory is bounded by it.
const QUEUE: usize = 4;

/// The picture that comes in, and the workers that unpack it.
pub(crate) struct Filling {
    shared: Arc<Shared<Decoding>>,
    /// So many threads unpack …
    threads: usize,
    /// … and are started when the first compressed part comes.
    workers: Option<Workers<Unpack>>,
    number: u64,
    planes: Vec<Arc<PlaneMemory>>,
    pictures: PictureDecoder,
    reading: PictureReading,
    /// Parts that workers have.
    running: Arc<Running>,
    body: Body,
    /// Pictures that were taken in whole, and what PACE tells besides.
    taken: u32,
    times: PaceTimes,
    /// One has begun and not ended.
    amid: bool,
    /// Raw planes that come without their last row, and the row.
    short: Vec<(usize, usize)>,
}

/// Where the next bytes go.
enum Body {
    Nowhere,
    Raw(RawRows),
    Compressed(Compressed),
}

struct Compressed {
    /// As long as some earlier one or longer: never cleared, so that no byte is written twice.
    data: Vec<u8>,
    len: usize,
    filled: usize,
    reading: PictureReading,
    plane: usize,
    mode: u8,
    stride: usize,
    rows: RowsMut,
    /// How many of them come.
    count: usize,
}

/// What workers have and had.
#[derive(Default)]
struct Running {
    work: Mutex<Work>,
    fewer: Condvar,
}

#[derive(Default)]
struct Work {
    /// Parts that workers have.
    parts: usize,
    /// What all parts that they had took together.
    time: Duration,
}

impl Running {
    fn lock(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there are none. Workers wait for nobody.
    fn wait(&self) {
        let none = self.fewer.wait_while(self.lock(), |work| work.parts > 0);
        drop(none.unwrap_or_else(PoisonError::into_inner));
    }
}

/// A part for a worker. Dropped undone, it failed for a reason that is ours.
struct Unpack {
    shared: Arc<Shared<Decoding>>,
    running: Arc<Running>,
    picture: u64,
    part: Option<Compressed>,
    outcome: Option<Result<(), vtremote_planes::Error>>,
}

impl Filling {
    pub(crate) fn new(shared: Arc<Shared<Decoding>>) -> Self {
        Self {
            shared,
            threads: worker_count(),
            workers: None,
            number: 0,
            planes: Vec::new(),
            pictures: PictureDecoder::default(),
            reading: PictureReading::default(),
            running: Arc::default(),
            body: Body::Nowhere,
            taken: 0,
            times: PaceTimes::default(),
            amid: false,
            short: Vec::new(),
        }
    }

    /// A picture begins, with planes to fill.
    pub(crate) fn begin(
        &mut self,
        number: u64,
        planes: &[Arc<PlaneMemory>],
        reading: PictureReading,
    ) {
        self.wait_for_followed();
        self.amid = true;
        self.number = number;
        self.planes.clear();
        self.planes.extend_from_slice(planes);
        self.reading = reading;
        self.body = Body::Nowhere;
        self.short.clear();
    }

    /// How the slices of a picture are to be read, which the session has checked as far as it can.
    pub(crate) fn reading(
        &mut self,
        begin: &FrameBegin<'_>,
        geometry: Geometry,
    ) -> Result<PictureReading, Trouble> {
        self.wait_for_followed();
        let reference = Some(begin.reference_id).filter(|id| *id != NO_REFERENCE);
        let FrameBegin { codec, tables, .. } = *begin;
        let geometry = vtz_geometry(geometry.format, geometry.width, geometry.height);
        let reading = self.pictures.begin(geometry, Begin { codec, reference, tables });
        reading.map_err(|error| match error.is_peer_fault() {
            true => Trouble::Picture { pts: begin.head.pts, error },
            false => Trouble::Internal(error.to_string()),
        })
    }

    /// The next picture may be predicted from the one before: all parts of that are to be unpacked first.
    fn wait_for_followed(&mut self) {
        if self.reading.is_followed() {
            let began = Instant::now();
            self.running.wait();
            self.times.behind += began.elapsed();
        }
    }

    /// The number of the picture.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// What the picture is without compression.
    pub(crate) fn raw_bytes(&self) -> u64 {
        let bytes = |plane: &Arc<PlaneMemory>| plane.shape().row_bytes * plane.shape().rows;
        self.planes.iter().map(bytes).sum::<usize>() as u64
    }

    /// A plane begins. The session has checked it.
    pub(crate) fn plane(&mut self, head: &PlaneHead) -> Result<(), Trouble> {
        let (plane, rows) = (usize::from(head.index), head.height as usize);
        let all = self.planes.get(plane).ok_or_else(misplaced)?.shape().rows;
        if rows < all && self.reading.is_rows(0) {
            self.short.push((plane, rows));
        }
        let (stride, len) = (head.stride as usize, head.len as usize);
        self.part(plane, 0, 0..all, rows, stride, len)
    }

    /// A slice begins. The session has checked it.
    pub(crate) fn slice(&mut self, head: &SliceHead) -> Result<(), Trouble> {
        let plane = usize::from(head.plane);
        let stride = self.planes.get(plane).ok_or_else(misplaced)?.shape().row_bytes;
        let (first, count) = (head.first_row as usize, head.rows as usize);
        let rows = first..first.saturating_add(count);
        self.part(plane, head.mode, rows, count, stride, head.len as usize)
    }

    /// `count` of `rows` come; only the last of a plane may be missing.
    fn part(
        &mut self,
        plane: usize,
        mode: u8,
        rows: Range<usize>,
        count: usize,
        stride: usize,
        len: usize,
    ) -> Result<(), Trouble> {
        let memory = self.planes.get(plane).ok_or_else(misplaced)?;
        let rows = PlaneMemory::lend(memory, rows).map_err(|_| misplaced())?;
        if self.reading.is_rows(mode) {
            self.body = Body::Raw(RawRows::new(rows, stride));
            return Ok(());
        }
        let mut data = self.shared.lock().own.spare.pop().unwrap_or_default();
        if data.len() < len {
            let missing = data.try_reserve_exact(len - data.len());
            missing.map_err(|_| Trouble::Memory { bytes: len })?;
            data.resize(len, 0);
        }
        let reading = self.reading.clone();
        let part = Compressed { data, len, filled: 0, reading, plane, mode, stride, rows, count };
        self.body = Body::Compressed(part);
        // A body of no bytes has no pieces.
        if len == 0 { self.unpack() } else { Ok(()) }
    }

    /// A piece of the body came with other bytes.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        match &mut self.body {
            Body::Raw(rows) => {
                rows.put(bytes);
                Ok(())
            }
            Body::Compressed(Compressed { data, filled, len, .. }) => {
                let end = filled.saturating_add(bytes.len()).min(*len);
                let room = data.get_mut(*filled..end).filter(|room| room.len() == bytes.len());
                room.ok_or_else(misplaced)?.copy_from_slice(bytes);
                self.filled(bytes.len())
            }
            Body::Nowhere => Err(misplaced()),
        }
    }

    /// The memory that the next `limit` bytes of the body can be read into; none where they must pass
    /// through a buffer.
    pub(crate) fn direct<'a>(&'a mut self, limit: usize, into: &mut impl Extend<IoSliceMut<'a>>) {
        match &mut self.body {
            Body::Raw(rows) => rows.direct(limit, into),
            Body::Compressed(Compressed { data, filled, len, .. }) => {
                let end = filled.saturating_add(limit).min(*len);
                into.extend(data.get_mut(*filled..end).map(IoSliceMut::new));
            }
            Body::Nowhere => {}
        }
    }

    /// So many bytes were read to there.
    pub(crate) fn filled(&mut self, bytes: usize) -> Result<(), Trouble> {
        match &mut self.body {
            Body::Raw(rows) => rows.filled(bytes),
            Body::Compressed(part) => {
                part.filled += bytes;
                if part.filled == part.len {
                    self.unpack()?;
                }
            }
            Body::Nowhere => {}
        }
        Ok(())
    }

    /// Gives the part, which is here, to a worker.
    fn unpack(&mut self) -> Result<(), Trouble> {
        let Body::Compressed(part) = std::mem::replace(&mut self.body, Body::Nowhere) else {
            return Err(misplaced());
        };
        let workers = match &self.workers {
            Some(workers) => workers,
            None => {
                let workers = Workers::new("vtremote-work", self.threads, QUEUE);
                let problem = |error| format!("no thread can be started: {error}");
                self.workers.insert(workers.map_err(|error| Trouble::Internal(problem(error)))?)
            }
        };
        self.shared.lock().own.arrivals.job_begins(self.number);
        self.running.lock().parts += 1;
        let (shared, running) = (self.shared.clone(), self.running.clone());
        let (picture, part) = (self.number, Some(part));
        let job = Unpack { shared, running, picture, part, outcome: None };
        // Waits while the queue is full.
        let began = Instant::now();
        workers.run(job);
        self.times.behind += began.elapsed();
        Ok(())
    }

    /// A read took so long.
    pub(crate) fn waited(&mut self, time: Duration) {
        if self.amid {
            self.times.amid += time;
        }
    }

    /// How far this end is, and what held it up.
    pub(crate) fn pace(&self) -> Pace {
        let unpacking = self.running.lock().time;
        Pace::new(self.taken, self.threads, &PaceTimes { unpacking, ..self.times })
    }

    /// All parts of the picture have come.
    pub(crate) fn end(&mut self) -> Result<(), Trouble> {
        self.body = Body::Nowhere;
        self.taken = self.taken.wrapping_add(1);
        self.amid = false;
        for (plane, count) in self.short.drain(..) {
            let memory = self.planes.get(plane).ok_or_else(misplaced)?;
            let rows = PlaneMemory::lend(memory, 0..memory.shape().rows);
            repeat_last_row(&mut rows.map_err(|_| misplaced())?, count);
        }
        Ok(())
    }
}

/// Early servers round the chroma rows of an odd height down: the last of `count` rows stands for the
/// one after it.
fn repeat_last_row(rows: &mut RowsMut, count: usize) {
    let (stride, row_bytes) = (rows.stride(), rows.row_bytes());
    if let Some(last) = count.checked_sub(1) {
        rows.bytes().copy_within(last * stride..last * stride + row_bytes, count * stride);
    }
}

impl Job for Unpack {
    fn run(mut self, scratch: &mut Scratch) {
        let Some(part) = &mut self.part else { return };
        let Compressed { data, len, reading, plane, mode, stride, rows, count, .. } = part;
        let (picture_stride, row_bytes) = (rows.stride(), rows.row_bytes());
        let range = rows.rows().start..rows.rows().start + *count;
        let into = Target { data: rows.bytes(), stride: picture_stride, row_bytes, rows: *count };
        let packed = &data[..*len];
        let began = Instant::now();
        let result = reading.slice(scratch, *plane, *mode, range, packed, *stride, into);
        self.running.lock().time += began.elapsed();
        if *count < rows.rows().len() {
            repeat_last_row(rows, *count);
        }
        self.outcome = Some(result);
    }
}

impl Drop for Unpack {
    fn drop(&mut self) {
        let data = self.part.take().map(|part| {
            // The picture may be handed over as soon as this is done.
            drop(part.rows);
            part.data
        });
        self.running.lock().parts -= 1;
        self.running.fewer.notify_all();
        let mut state = self.shared.lock();
        state.own.spare.extend(data);
        let good = matches!(self.outcome, Some(Ok(())));
        let pts = state.own.arrivals.job_ends(self.picture, good);
        if let Some(pts) = pts {
            state.trouble.get_or_insert(match self.outcome.take() {
                Some(Err(error)) if error.is_peer_fault() => Trouble::Picture { pts, error },
                Some(Err(error)) => Trouble::Internal(error.to_string()),
                _ => Trouble::Internal("a worker panicked".to_owned()),
            });
        }
        drop(state);
        self.shared.wake_caller();
        if pts.is_some() {
            self.shared.wake_writer();
        }
    }
}

fn misplaced() -> Trouble {
    Trouble::Internal("data of a picture without a place to go".to_owned())
}
