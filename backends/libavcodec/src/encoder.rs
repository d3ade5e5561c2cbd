//! One session's encoder: a queue, and a thread that the codec has to itself.

use crate::ffi::{self, Frame, Layout, Received};
use crate::planar::Conversion;
use crate::pool::Pool;
use crate::timing::{Clock, InFlight};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use vtremote_backend::{
    Codec, EncodedPacket, EncoderConfig, Error, FrameInfo, Messages, Metadata, PacketSink, Picture,
    PlaneMemory, Rows,
};
use vtremote_bitstream::sei::{self, Sei};
use vtremote_bitstream::{ParameterSets, annexb};

/// What the codec's thread works with.
pub(crate) struct Session {
    pub(crate) codec: ffi::Encoder,
    /// What it makes.
    pub(crate) format: Codec,
    /// The encoder's, for error texts.
    pub(crate) name: String,
    pub(crate) layout: Layout,
    pub(crate) size: (i32, i32),
    /// What goes before every keyframe.
    pub(crate) in_band: Option<ParameterSets>,
    pub(crate) conversion: Option<Conversion>,
    pub(crate) sink: Arc<dyn PacketSink>,
}

/// The user's end.
pub(crate) struct Encoder {
    pool: Arc<Pool>,
    /// Where the codec's thread may wait; closed with the other, so that nothing outlasts us.
    converted: Option<Arc<Pool>>,
    shared: Arc<Shared>,
    /// `None` once no more frames come.
    jobs: Option<SyncSender<Job>>,
    clock: Clock,
    metadata: Metadata,
    /// What it is.
    fact: String,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    /// What the sink was told, once.
    failure: OnceLock<Error>,
    abandoned: AtomicBool,
}

enum Job {
    Frame(Input),
    Drain,
}

/// A frame on its way to the codec.
struct Input {
    planes: Vec<Rows>,
    /// Time for the codec, and the first frame's.
    since: i64,
    first: i64,
    duration: i64,
    keyframe: bool,
    messages: Messages,
}

/// Marks a picture as this encoder's.
struct Ticket(Arc<Pool>);

impl Encoder {
    pub(crate) fn start(
        session: Session,
        config: &EncoderConfig,
        pictures: usize,
    ) -> Result<Self, Error> {
        let EncoderConfig { width, height, .. } = *config;
        let pool = Arc::new(Pool::new(config.format.planes(width, height), pictures));
        let converted = session.conversion.map(|conversion| {
            // One more than there are inputs: the codec may hold all of those, and one is written.
            Arc::new(Pool::new(conversion.planes(width, height), pictures + 1))
        });
        let shared =
            Arc::new(Shared { failure: OnceLock::new(), abandoned: AtomicBool::new(false) });
        // Every frame in it has a picture of the pool; and there is one Drain.
        let (jobs, queue) = sync_channel(pictures + 1);
        let kind = match session.codec.is_hardware() {
            Some(true) => "hardware",
            Some(false) => "software",
            None => "hardware or software",
        };
        let reordering =
            if session.codec.reorders() { "reorders frames" } else { "keeps frames in order" };
        let fact = format!("{} ({kind}), {reordering}", session.name);
        let worker =
            Worker { session, converted: converted.clone(), in_flight: InFlight::default() };
        let (pool_of_thread, shared_of_thread) = (Arc::clone(&pool), Arc::clone(&shared));
        let thread = thread::Builder::new()
            .name("lavc-encoder".into())
            .spawn(move || worker.run(&queue, &shared_of_thread, &pool_of_thread))
            .map_err(|error| Error::Codec(format!("no thread for the encoder: {error}")))?;
        Ok(Encoder {
            pool,
            converted,
            shared,
            jobs: Some(jobs),
            clock: Clock::default(),
            metadata: Metadata::new(config),
            fact,
            thread: Some(thread),
        })
    }

    fn check(&self) -> Result<(), Error> {
        self.shared.failure.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    fn queue(&self, job: Job) -> Result<(), Error> {
        let jobs = self.jobs.as_ref();
        let jobs = jobs.ok_or_else(|| Error::Internal("the encoder was drained already".into()))?;
        jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => Error::Internal("more frames than pictures".into()),
            // The thread ends early only after it has failed.
            TrySendError::Disconnected(_) => self
                .check()
                .err()
                .unwrap_or_else(|| Error::Internal("the encoder's thread has ended".into())),
        })
    }
}

impl vtremote_backend::Encoder for Encoder {
    fn picture(&mut self, wait: Duration) -> Result<Option<Picture>, Error> {
        self.check()?;
        let planes = self.pool.take(wait);
        self.check()?;
        Ok(planes.map(|planes| Picture::new(planes, Box::new(Ticket(Arc::clone(&self.pool))))))
    }

    fn submit(&mut self, picture: Picture, frame: FrameInfo) -> Result<(), Error> {
        self.check()?;
        let (planes, own) = picture.take()?;
        match own.downcast_ref::<Ticket>() {
            Some(Ticket(pool)) if Arc::ptr_eq(pool, &self.pool) => {}
            _ => return Err(Error::Internal("the picture is another encoder's".into())),
        }
        let rows = planes.iter().map(PlaneMemory::read).collect::<Result<_, _>>();
        let rows = rows.map_err(|lent| Error::Internal(lent.to_string()))?;
        let messages = self.metadata.of(&frame);
        let (since, first) = self.clock.tick(frame.pts).map_err(Error::Codec)?;
        let FrameInfo { duration, keyframe, .. } = frame;
        let input = Input { planes: rows, since, first, duration, keyframe, messages };
        self.queue(Job::Frame(input))
    }

    fn drain(&mut self) -> Result<(), Error> {
        self.check()?;
        self.queue(Job::Drain)?;
        self.jobs = None;
        Ok(())
    }

    fn facts(&self) -> Vec<String> {
        vec![self.fact.clone()]
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        self.shared.abandoned.store(true, Ordering::Relaxed);
        self.jobs = None;
        self.pool.close();
        self.converted.iter().for_each(|pool| pool.close());
        if let Some(thread) = self.thread.take() {
            // It catches its panics itself.
            let _ = thread.join();
        }
    }
}

struct Worker {
    session: Session,
    converted: Option<Arc<Pool>>,
    in_flight: InFlight,
}

impl Worker {
    /// Everything that the thread does; the sink is told how it ended.
    fn run(self, queue: &Receiver<Job>, shared: &Shared, pool: &Pool) {
        let sink = Arc::clone(&self.session.sink);
        let name = self.session.name.clone();
        let mut worker = self;
        let end = catch_unwind(AssertUnwindSafe(|| worker.work(queue, shared)));
        let end = end.unwrap_or_else(|panic| Err(Error::Internal(panic_text(&*panic))));
        // The codec goes first: what it says when it is closed comes before our last word.
        drop(worker);
        let last_word = AssertUnwindSafe(|| match end {
            _ if shared.abandoned.load(Ordering::Relaxed) => {}
            Ok(Ended::Drained) => sink.drained(),
            Ok(Ended::Abandoned) => {}
            Err(error) => {
                let error = match error {
                    Error::Codec(what) => Error::Codec(format!("{name}: {what}")),
                    error => error,
                };
                let _ = shared.failure.set(error.clone());
                pool.close();
                sink.failed(error);
            }
        });
        // A sink that panics here has been told all the same.
        let _ = catch_unwind(last_word);
    }

    fn work(&mut self, queue: &Receiver<Job>, shared: &Shared) -> Result<Ended, Error> {
        while let Ok(job) = queue.recv() {
            if shared.abandoned.load(Ordering::Relaxed) {
                break;
            }
            match job {
                Job::Frame(input) => self.encode(input)?,
                Job::Drain => {
                    self.hand_over(None)?;
                    return match self.in_flight.len() {
                        0 => Ok(Ended::Drained),
                        lost => Err(Error::Codec(format!("{lost} frames came out as no packet"))),
                    };
                }
            }
        }
        Ok(Ended::Abandoned)
    }

    fn encode(&mut self, input: Input) -> Result<(), Error> {
        let Input { planes, since, first, duration, keyframe, messages } = input;
        let codec_error = |error: ffi::AvError| Error::Codec(error.to_string());
        let (layout, size) = (self.session.layout, self.session.size);
        let mut frame = Frame::new(layout, size, since, keyframe).map_err(codec_error)?;
        for (index, rows) in self.converted(planes)?.into_iter().enumerate() {
            frame.lend(index, rows).map_err(codec_error)?;
        }
        self.in_flight.enter(since, first, duration, messages);
        self.hand_over(Some(frame))
    }

    /// The planes as the encoder wants them.
    fn converted(&self, mut planes: Vec<Rows>) -> Result<Vec<Rows>, Error> {
        let (Some(conversion), Some(pool)) = (self.session.conversion, &self.converted) else {
            return Ok(planes);
        };
        let internal = |lent: vtremote_backend::Lent| Error::Internal(lent.to_string());
        let targets = pool.take(Duration::from_secs(10));
        let targets = targets.ok_or_else(|| Error::Codec("it gives no input back".into()))?;
        let lend = |plane: &Arc<PlaneMemory>| PlaneMemory::lend(plane, 0..plane.shape().rows);
        let mut rows = targets.iter().map(lend).collect::<Result<Vec<_>, _>>().map_err(internal)?;
        conversion.run(&planes, &mut rows);
        drop(rows);
        // The luma stays where the conversion has none of its own.
        planes.truncate(3_usize.saturating_sub(targets.len()));
        for plane in &targets {
            planes.push(PlaneMemory::read(plane).map_err(internal)?);
        }
        Ok(planes)
    }

    /// Gives the codec a frame, or the end, and the sink all that comes out.
    fn hand_over(&mut self, frame: Option<Frame>) -> Result<(), Error> {
        let codec_error = |error: ffi::AvError| Error::Codec(error.to_string());
        let mut taken = false;
        loop {
            if !taken {
                taken = self.session.codec.send(frame.as_ref()).map_err(codec_error)?;
            }
            let received = self.session.codec.receive().map_err(codec_error)?;
            let packet = match received {
                Received::Packet(packet) => packet,
                Received::Again if taken => return Ok(()),
                Received::Again => return Err(Error::Codec("it takes and gives nothing".into())),
                Received::End => return Ok(()),
            };
            let owed = self.in_flight.leave(packet.pts(), packet.dts()).map_err(Error::Codec)?;
            let keyframe = packet.keyframe();
            let sets = self.session.in_band.as_ref().filter(|_| keyframe);
            let sei = owed.messages.sei(keyframe);
            let data = access_unit(self.session.format, packet.data(), &sei, sets);
            let data = data.map_err(|error| Error::Codec(format!("its packet: {error}")))?;
            self.session.sink.packet(EncodedPacket {
                pts: owed.pts,
                dts: owed.dts,
                duration: owed.duration,
                keyframe,
                data,
                side_data: Vec::new(),
            });
        }
    }
}

/// What goes out for what the codec has made; `sets` stand before every keyframe.
fn access_unit(
    format: Codec,
    coded: &[u8],
    messages: &[Sei],
    sets: Option<&ParameterSets>,
) -> Result<Vec<u8>, vtremote_bitstream::Error> {
    let mut with_messages = Vec::new();
    let coded = match messages {
        [] => coded,
        _ => {
            sei::insert(format, coded, messages, &mut with_messages)?;
            &with_messages
        }
    };
    let mut data = Vec::with_capacity(coded.len() + 16);
    match sets {
        Some(sets) => sets.prepend_missing(coded, &mut data)?,
        None => annexb::with_four_byte_start_codes(coded, &mut data)?,
    }
    Ok(data)
}

enum Ended {
    Drained,
    Abandoned,
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("the encoder's thread panicked: {}", text.unwrap_or("no reason given"))
}
