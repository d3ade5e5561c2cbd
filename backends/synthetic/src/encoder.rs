use crate::inbox::{End, Inbox};
use crate::options::{Held, unused};
use crate::order::{Coded, Order};
use crate::outbox::Outbox;
use crate::parameter_sets::Sequence;
use crate::payload::{Payload, hash_rows, hash_side_data};
use crate::pool::{Pool, Slot};
use crate::script::Script;
use crate::slice::{Kind, append_slice};
use crate::slow::Slow;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use vtremote_backend::{
    Codec, EncodedPacket, Encoder, EncoderConfig, Error, FrameInfo, Opened, PacketSink, Picture,
    PlaneMemory, Planes,
};
use vtremote_bitstream::{LengthSize, ParameterSets};

/// Frames from one keyframe to the next where the client leaves it to the encoder.
const DEFAULT_GOP: u32 = 60;

pub(crate) fn open(
    script: &Script,
    config: &EncoderConfig,
    sink: Arc<dyn PacketSink>,
) -> Result<Opened<Box<dyn Encoder>>, Error> {
    let EncoderConfig { codec, width, height, format, .. } = *config;
    let mut warnings = Vec::new();
    let held = Held::fit(config, script, &mut warnings);
    warnings.extend(unused(config));
    let sequence = Sequence { codec, width, height, format, reordered: held.reorder > 0 };
    let sets = sequence.parameter_sets();
    let record = ParameterSets::from_annexb(codec, &sets)
        .and_then(|sets| sets.to_record(LengthSize::FOUR))
        .map_err(|error| Error::Internal(format!("parameter sets: {error}")))?;
    let inbox = Arc::new(Inbox::new());
    let coder = Coder {
        codec,
        in_band: if config.global_header { Vec::new() } else { sets },
        gop: config.gop.filter(|gop| *gop > 0).unwrap_or(DEFAULT_GOP),
        since_key: 0,
        order: Order::new(held.reorder),
        outbox: Outbox::new(held.delay, held.burst),
        script: script.clone(),
        inbox: Arc::clone(&inbox),
        sink,
    };
    let thread = std::thread::Builder::new().name("synthetic encoder".into());
    let thread = thread.spawn(move || coder.run());
    let thread = thread.map_err(|error| Error::Codec(format!("no thread: {error}")))?;
    let encoder = SyntheticEncoder {
        pool: Pool::new(format, width, height, script.pictures),
        inbox,
        thread: Some(thread),
        slow: Slow::new(script.slow),
        panic: script.panic,
        submitted: 0,
        last_pts: None,
    };
    Ok(Opened { codec: Box::new(encoder), parameter_sets: record, format, warnings })
}

struct SyntheticEncoder {
    pool: Arc<Pool>,
    inbox: Arc<Inbox<Job>>,
    thread: Option<JoinHandle<()>>,
    slow: Slow,
    panic: Option<u64>,
    submitted: u64,
    last_pts: Option<i64>,
}

/// A frame on its way to the codec thread.
struct Job {
    number: u64,
    planes: Planes,
    info: FrameInfo,
    // After the planes: whoever waits for the slot finds the memory free.
    _slot: Slot,
}

impl SyntheticEncoder {
    fn failed(&self) -> Result<(), Error> {
        self.inbox.failure().map_or(Ok(()), Err)
    }
}

impl Encoder for SyntheticEncoder {
    fn picture(&mut self, wait: Duration) -> Result<Option<Picture>, Error> {
        self.failed()?;
        let slow = self.slow.left(self.submitted);
        if !slow.is_zero() {
            // Nobody else has this encoder, so that nothing has to interrupt it but a failure.
            let rested = self.inbox.rest(slow.min(wait));
            if rested.is_err() || slow > wait {
                return self.failed().map(|()| None);
            }
        }
        let taken = self.pool.take(Some(wait.saturating_sub(slow)));
        self.failed()?;
        Ok(taken.map(|(planes, slot)| Picture::new(planes, Box::new(slot))))
    }

    fn submit(&mut self, picture: Picture, frame: FrameInfo) -> Result<(), Error> {
        self.failed()?;
        let number = self.submitted;
        if self.panic == Some(number) {
            panic!("the synthetic backend's script says panic={number}");
        }
        let (planes, own) = picture.take()?;
        let slot = own.downcast::<Slot>().ok().filter(|slot| slot.is_of(&self.pool));
        let slot = slot.ok_or_else(|| Error::Internal("another encoder's picture".into()))?;
        if let Some(last) = self.last_pts.filter(|last| frame.pts <= *last) {
            let what = format!("frame {number}: pts {} does not follow {last}", frame.pts);
            self.inbox.fail(Error::Codec(what.clone()));
            return Err(Error::Codec(what));
        }
        let pts = frame.pts;
        let job = Job { number, planes, info: frame, _slot: *slot };
        // Pictures bound the queue.
        self.inbox.push(job, usize::MAX, Duration::ZERO)?;
        self.submitted += 1;
        self.last_pts = Some(pts);
        Ok(())
    }

    fn drain(&mut self) -> Result<(), Error> {
        self.inbox.drain()
    }
}

impl Drop for SyntheticEncoder {
    fn drop(&mut self) {
        self.inbox.close();
        if let Some(thread) = self.thread.take() {
            // Its panic, if it had one, was reported where it happened.
            let _ = thread.join();
        }
    }
}

/// What the codec thread has.
struct Coder {
    codec: Codec,
    /// Empty if the parameter sets are to stand in the header only.
    in_band: Vec<u8>,
    gop: u32,
    since_key: u32,
    order: Order<Frame>,
    outbox: Outbox<Coded<Frame>>,
    script: Script,
    inbox: Arc<Inbox<Job>>,
    sink: Arc<dyn PacketSink>,
}

/// A frame that was read.
struct Frame {
    payload: Payload,
    duration: i64,
}

impl Coder {
    fn run(mut self) {
        match self.code() {
            Ok(()) => self.sink.drained(),
            Err(End::Closed) => {}
            Err(End::Failed(error)) => {
                self.inbox.fail(error.clone());
                self.sink.failed(error);
            }
        }
    }

    fn code(&mut self) -> Result<(), End> {
        while let Some(job) = self.inbox.next()? {
            self.inbox.rest(self.script.cost)?;
            let key = job.info.keyframe || self.since_key >= self.gop;
            self.since_key = if key { 1 } else { self.since_key + 1 };
            let frame = self.read(job)?;
            let (pts, duration) = (frame.payload.pts, frame.duration);
            let mut coded = Vec::new();
            self.order.push(frame, pts, duration, key, &mut |frame| coded.push(frame));
            self.give(coded)?;
        }
        let mut coded = Vec::new();
        self.order.finish(&mut |frame| coded.push(frame));
        self.give(coded)?;
        let rest: Vec<_> = self.outbox.finish().collect();
        rest.iter().try_for_each(|frame| self.output(frame))
    }

    /// All of a frame that its packet tells; its picture is free afterwards.
    fn read(&self, job: Job) -> Result<Frame, End> {
        let hash = self.script.hash.then(|| hash_planes(&job.planes)).transpose();
        let payload = Payload {
            pts: job.info.pts,
            frame: job.number,
            hash: hash.map_err(End::Failed)?,
            side_data: hash_side_data(&job.info.side_data),
        };
        Ok(Frame { payload, duration: job.info.duration })
    }

    fn give(&mut self, coded: Vec<Coded<Frame>>) -> Result<(), End> {
        for frame in coded {
            let ready: Vec<_> = self.outbox.push(frame).collect();
            ready.iter().try_for_each(|frame| self.output(frame))?;
        }
        Ok(())
    }

    fn output(&self, frame: &Coded<Frame>) -> Result<(), End> {
        let number = frame.item.payload.frame;
        if let Some(stall) = self.script.stall.filter(|stall| stall.frame == number) {
            self.inbox.rest(stall.time)?;
        }
        if self.script.fail == Some(number) {
            return Err(End::Failed(Error::Codec(format!("frame {number}: the script says so"))));
        }
        let times = match Some(number) {
            lost if lost == self.script.drop => 0,
            twice if twice == self.script.double => 2,
            _ => 1,
        };
        (0..times).for_each(|_| self.sink.packet(self.packet(frame)));
        Ok(())
    }

    fn packet(&self, frame: &Coded<Frame>) -> EncodedPacket {
        let keyframe = frame.place.kind == Kind::Idr;
        let Frame { payload, duration } = frame.item;
        let sets: &[u8] = if keyframe { &self.in_band } else { &[] };
        // Slice header, stop bit and start code are counted roughly: `size` is a least size.
        let filling = self.script.size.saturating_sub(sets.len() + SMALLEST_SLICE);
        let mut data = Vec::with_capacity(self.script.size + sets.len() + 2 * SMALLEST_SLICE);
        data.extend_from_slice(sets);
        append_slice(&mut data, self.codec, &frame.place, &payload.to_bytes(filling as u32));
        EncodedPacket {
            pts: payload.pts,
            dts: frame.dts,
            duration,
            keyframe,
            data,
            side_data: Vec::new(),
        }
    }
}

/// Bytes of a slice without filling, headers included: no slice is shorter.
const SMALLEST_SLICE: usize = 61;

fn hash_planes(planes: &Planes) -> Result<u64, Error> {
    let read = |plane| PlaneMemory::read(plane).map_err(|lent| Error::Internal(lent.to_string()));
    let planes = planes.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    Ok(hash_rows(planes.iter().flat_map(|plane| {
        let row_bytes = plane.shape().row_bytes;
        plane.bytes().chunks(plane.stride()).map(move |row| &row[..row_bytes.min(row.len())])
    })))
}
