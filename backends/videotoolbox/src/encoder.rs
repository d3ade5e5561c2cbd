//! One session's encoder: a thread that hands frames over, and what VideoToolbox's threads say of them.

use crate::Notices;
use crate::clock::Clock;
use crate::ffi::{Access, Compression, Listener, Output, PixelBuffer, Pool, Sample, Status, Time};
use crate::flight::{Flight, Packet};
use crate::options::{Plan, hdr_properties};
use crate::permits::{Permit, Permits};
use crate::session::{Session, parameter_sets, picture};

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use vtremote_backend::{
    Codec, EncoderConfig, Error, FrameInfo, Hdr, Messages, Metadata, PacketSink, Picture,
    PlaneShape, Reference,
};
use vtremote_bitstream::sei::{self, Sei};
use vtremote_bitstream::{ParameterSets, SetKind, StreamFacts, length_prefixed};

/// Pictures of a session: what the encoder may hold back and reorder, what waits for it, and what is filled.
const PICTURES: usize = 24;

/// How long packets may still come after VideoToolbox has said that all have.
const STRAGGLERS: Duration = Duration::from_secs(5);

/// The user's end.
pub(crate) struct Encoder {
    shared: Arc<Shared>,
    permits: Arc<Permits>,
    clock: Clock,
    metadata: Metadata,
    facts: Vec<String>,
    thread: Option<JoinHandle<()>>,
}

/// What everybody has.
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    permits: Arc<Permits>,
    plan: Plan,
    codec: Codec,
    shapes: Vec<PlaneShape>,
    /// The parameter sets that the client has, if it wants them nowhere else.
    header: Option<ParameterSets>,
    /// What the plan says of HDR: a session is told where its first frame says another.
    hdr: Hdr,
    notices: Notices,
}

struct State {
    flight: Flight<Input>,
    /// The frame to hand over next.
    next: u64,
    /// No more frames come.
    ended: bool,
    /// Nobody listens any more.
    closed: bool,
    /// The sink was told so.
    failure: Option<Error>,
    /// The session is to be made anew, and why.
    lost: Option<Status>,
    /// How many sessions there were before this one.
    generation: u64,
    /// Whether this one has given a packet.
    proven: bool,
    /// Whether it says that it reorders frames.
    reorders: bool,
    /// Of the packet before, if it had one.
    decode_time: Option<Time>,
    /// None before there is a session.
    pool: Option<Arc<Pool>>,
    sink: Option<Arc<dyn PacketSink>>,
}

/// A frame, until its packet has gone on: a session that breaks off is followed by another.
#[derive(Clone)]
struct Input {
    buffer: PixelBuffer,
    time: (Time, Time),
    keyframe: bool,
    messages: Messages,
    _permit: Arc<Permit>,
}

/// Marks a picture as this encoder's.
struct Ticket {
    permits: Arc<Permits>,
    permit: Arc<Permit>,
    buffer: PixelBuffer,
}

impl Encoder {
    /// `header`: parameter sets that the client has already, if it wants them nowhere else.
    pub(crate) fn start(
        plan: Plan,
        config: &EncoderConfig,
        header: Option<ParameterSets>,
        notices: Notices,
        sink: Arc<dyn PacketSink>,
    ) -> Result<(Self, Vec<String>), Error> {
        let EncoderConfig { mastering_display, content_light, .. } = *config;
        let permits = Permits::new(PICTURES);
        let state = State {
            flight: Flight::new(),
            next: 0,
            ended: false,
            closed: false,
            failure: None,
            lost: None,
            generation: 0,
            proven: false,
            reorders: false,
            decode_time: None,
            pool: None,
            sink: Some(sink),
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            changed: Condvar::new(),
            permits: Arc::clone(&permits),
            plan,
            codec: config.codec,
            shapes: config.format.planes(config.width, config.height),
            header,
            hdr: Hdr { mastering_display, content_light },
            notices,
        });
        let session = Session::open(&shared.plan, listener(&shared, 0))?;
        let Session { compression, pool, reorders, warnings, facts } = session;
        {
            let mut state = shared.state();
            (state.pool, state.reorders) = (Some(Arc::new(pool)), reorders);
        }
        let worker = Worker { shared: Arc::clone(&shared) };
        let thread = thread::Builder::new()
            .name("vt-encoder".into())
            .spawn(move || worker.run(compression))
            .map_err(|error| Error::Codec(format!("no thread for the encoder: {error}")))?;
        let encoder = Encoder {
            shared,
            permits,
            clock: Clock::new(config.time_base),
            metadata: Metadata::new(config),
            facts,
            thread: Some(thread),
        };
        Ok((encoder, warnings))
    }
}

impl vtremote_backend::Encoder for Encoder {
    fn picture(&mut self, wait: Duration) -> Result<Option<Picture>, Error> {
        self.shared.state().check()?;
        let permit = self.permits.take(wait);
        let pool = {
            let state = self.shared.state();
            state.check()?;
            state.pool.clone()
        };
        let (Some(permit), Some(pool)) = (permit, pool) else { return Ok(None) };
        let (buffer, planes) = match picture(&pool, &self.shared.plan, &self.shared.shapes) {
            Ok(made) => made,
            Err(error) => return Err(self.shared.fail(&mut self.shared.state(), error)),
        };
        let permits = Arc::clone(&self.permits);
        let ticket = Ticket { permits, permit: Arc::new(permit), buffer };
        Ok(Some(Picture::new(planes, Box::new(ticket))))
    }

    fn submit(&mut self, picture: Picture, frame: FrameInfo) -> Result<Reference, Error> {
        self.shared.state().check()?;
        let (planes, own) = picture.take()?;
        let Ok(ticket) = own.downcast::<Ticket>() else {
            return Err(Error::Internal("the picture is another encoder's".into()));
        };
        let Ticket { permits, permit, buffer } = *ticket;
        if !Arc::ptr_eq(&permits, &self.permits) {
            return Err(Error::Internal("the picture is another encoder's".into()));
        }
        // Nobody writes from here on: VideoToolbox reads it, and so may the caller.
        drop(planes);
        let locked = buffer.lock(Access::Read);
        let locked =
            locked.map_err(|status| Error::Codec(format!("a picture cannot be read: {status}")))?;
        let planes = locked.planes(&self.shared.shapes).map_err(Error::Codec)?;
        let reference = Reference::holding(&planes, Box::new(Arc::clone(&permit)))?;
        drop(planes);
        let messages = self.metadata.of(&frame)?;
        let FrameInfo { pts, duration, keyframe, .. } = frame;
        let time = self.clock.tick(pts, duration).map_err(Error::Codec)?;
        let input = Input { buffer, time, keyframe, messages, _permit: permit };
        let mut state = self.shared.state();
        state.check()?;
        if state.ended {
            return Err(Error::Internal("the encoder was drained already".into()));
        }
        state.flight.enter(pts, duration, input);
        drop(state);
        self.shared.changed.notify_all();
        Ok(reference)
    }

    fn drain(&mut self) -> Result<(), Error> {
        let mut state = self.shared.state();
        state.check()?;
        if state.ended {
            return Err(Error::Internal("the encoder was drained already".into()));
        }
        state.ended = true;
        drop(state);
        self.shared.changed.notify_all();
        Ok(())
    }

    fn facts(&self) -> Vec<String> {
        self.facts.clone()
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.closed = true;
        let sink = state.sink.take();
        drop(state);
        self.shared.changed.notify_all();
        self.permits.close();
        if let Some(thread) = self.thread.take() {
            // It catches its panics itself.
            let _ = thread.join();
        }
        drop(sink);
        // The frames that had no packet: their pictures go with the session.
        let flight = std::mem::replace(&mut self.shared.state().flight, Flight::new());
        drop(flight);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Hears of the frames of one session. Of an earlier one it hears no more.
fn listener(shared: &Arc<Shared>, generation: u64) -> Listener {
    let shared = Arc::clone(shared);
    Arc::new(move |number, output| {
        let mut state = shared.state();
        if state.generation == generation {
            shared.hear(&mut state, number as u64, output);
        }
    })
}

impl State {
    fn check(&self) -> Result<(), Error> {
        self.failure.clone().map_or(Ok(()), Err)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Packets go to the sink under this lock; one that panics there is an error of its own (`hear`).
        lock(&self.state)
    }

    /// The sink is told, once; gives the error back.
    fn fail(&self, state: &mut State, error: Error) -> Error {
        if let Some(earlier) = &state.failure {
            return earlier.clone();
        }
        state.failure = Some(error.clone());
        self.permits.close();
        self.changed.notify_all();
        if let Some(sink) = state.sink.take() {
            let told = catch_unwind(AssertUnwindSafe(|| sink.failed(error.clone())));
            // A sink that panics here has been told all the same.
            drop(told);
        }
        error
    }

    /// What became of a frame.
    fn hear(&self, state: &mut State, number: u64, output: Output<'_>) {
        if state.closed || state.failure.is_some() || state.lost.is_some() {
            return;
        }
        let pts = state.flight.input(number).map(|(pts, _)| pts);
        let frame = pts.map_or_else(|| "a frame".into(), |pts| format!("the frame of pts {pts}"));
        let failed = match output {
            Output::Sample(sample) => match self.packet(state, number, &sample) {
                Ok(()) => return self.changed.notify_all(),
                Err(error) => error,
            },
            Output::Dropped => Error::Codec(format!("VideoToolbox has dropped {frame}")),
            Output::Failed(status) if is_loss(status) => {
                state.lost = Some(status);
                return self.changed.notify_all();
            }
            Output::Failed(status) => {
                Error::Codec(format!("VideoToolbox has failed at {frame}: {status}"))
            }
            Output::Panicked => Error::Internal(format!("the output of {frame} panicked")),
        };
        self.fail(state, failed);
    }

    /// Hands on what an encoder has made, and what has waited for it.
    fn packet(&self, state: &mut State, number: u64, sample: &Sample<'_>) -> Result<(), Error> {
        let (pts, input) = state.flight.input(number).ok_or_else(|| {
            Error::Codec(format!("VideoToolbox gives a packet too many, for frame {number}"))
        })?;
        let keyframe = sample.is_sync();
        let messages = input.messages.clone().sei(keyframe);
        let (sets, size) = parameter_sets(sample, self.codec)?;
        let bytes = sample.bytes();
        let bytes =
            bytes.map_err(|status| Error::Codec(format!("a packet cannot be read: {status}")))?;
        let data = self.access_unit(&bytes, size, &messages, keyframe.then_some(&sets));
        let data = data.map_err(|error| Error::Codec(format!("VideoToolbox's packet: {error}")))?;
        if !state.flight.knows_depth() {
            let depth = depth(&sets, state.reorders);
            state.flight.reorders_by(depth);
        }
        // Of a stream that is not reordered the packets are put in order; of one that is their own must do.
        let decode_time = sample.decode_time();
        if let (Some(before), Some(time)) = (state.decode_time, decode_time)
            && time.is_before(before)
        {
            return Err(Error::Codec(format!(
                "VideoToolbox gives the packet of pts {pts} behind one that is decoded later"
            )));
        }
        state.decode_time = decode_time;
        let Some(sink) = state.sink.clone() else { return Ok(()) };
        let packet = Packet { keyframe, data };
        state.flight.arrive(number, packet, |packet| sink.packet(packet)).map_err(Error::Codec)?;
        state.proven = true;
        Ok(())
    }

    /// Annex B, with the sets that a keyframe needs.
    fn access_unit(
        &self,
        bytes: &[u8],
        size: vtremote_bitstream::LengthSize,
        messages: &[Sei],
        sets: Option<&ParameterSets>,
    ) -> Result<Vec<u8>, vtremote_bitstream::Error> {
        let mut coded = Vec::with_capacity(bytes.len() + 16);
        length_prefixed::to_annexb(bytes, size, &mut coded)?;
        if !messages.is_empty() {
            let mut with_messages = Vec::new();
            sei::insert(self.codec, &coded, messages, &mut with_messages)?;
            coded = with_messages;
        }
        // What the client has already it needs no more, unless the session writes others by now.
        match sets.filter(|sets| self.header.as_ref() != Some(*sets)) {
            Some(sets) => {
                let mut data = Vec::with_capacity(coded.len() + 256);
                sets.prepend_missing(&coded, &mut data)?;
                Ok(data)
            }
            None => Ok(coded),
        }
    }
}

/// How many frames the stream reorders at most: what its parameter sets say, or, where those of H.264
/// leave it open, what the encoder says.
fn depth(sets: &ParameterSets, reorders: bool) -> u8 {
    let facts = sets.of(SetKind::Sps).next();
    let facts = facts.and_then(|sps| StreamFacts::from_sps(sets.codec(), sps));
    match facts {
        Some(facts) if facts.tells_reorder_depth => facts.reorder_depth,
        _ if !reorders => 0,
        // One for B-frames, one more for those that others refer to.
        Some(facts) => facts.reorder_depth.min(2),
        None => 2,
    }
}

/// Whether another session may do what this one cannot any more.
fn is_loss(status: Status) -> bool {
    matches!(status, Status::INVALID_SESSION | Status::SESSION_MALFUNCTION)
}

/// What the thread works with.
struct Worker {
    shared: Arc<Shared>,
}

enum Job {
    Frame(u64, Input),
    /// All frames are handed over, and no more come.
    Complete,
    /// The session has to be made anew.
    Lost(Status),
    Over,
}

impl Worker {
    /// Everything that the thread does; the sink is told how it ended.
    fn run(self, compression: Compression) {
        let end = catch_unwind(AssertUnwindSafe(|| self.work(compression)));
        let end = end.unwrap_or_else(|panic| Err(Error::Internal(panic_text(&*panic))));
        let mut state = self.shared.state();
        if state.closed {
            return;
        }
        match end {
            Ok(Ended::Drained) => {
                if let Some(sink) = state.sink.take() {
                    // A sink that panics here has been told all the same.
                    let _ = catch_unwind(AssertUnwindSafe(|| sink.drained()));
                }
            }
            Ok(Ended::Told) => {}
            Err(error) => {
                self.shared.fail(&mut state, error);
            }
        }
    }

    fn work(&self, compression: Compression) -> Result<Ended, Error> {
        let mut compression = compression;
        // Has had no frame.
        let mut fresh = true;
        loop {
            match self.job() {
                Job::Frame(number, input) => {
                    let Input { buffer, time, keyframe, messages, .. } = &input;
                    if std::mem::take(&mut fresh) {
                        self.tell_hdr(&compression, messages.hdr());
                    }
                    let taken = compression.encode(buffer, *time, *keyframe, number as usize);
                    self.check(taken, "VideoToolbox takes no frame")?;
                }
                Job::Complete => {
                    let completed = compression.complete();
                    self.check(completed, "VideoToolbox does not complete its frames")?;
                    let state = self.shared.state();
                    let more = |state: &mut State| {
                        !state.flight.is_empty() && state.is_well() && state.lost.is_none()
                    };
                    let waited = self.shared.changed.wait_timeout_while(state, STRAGGLERS, more);
                    let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
                    if !state.is_well() {
                        return Ok(Ended::Told);
                    }
                    if state.flight.is_empty() {
                        return Ok(Ended::Drained);
                    }
                    if state.lost.is_none() {
                        let lost = state.flight.next() - state.flight.gone();
                        return Err(Error::Codec(format!("{lost} frames came out as no packet")));
                    }
                }
                Job::Lost(status) => {
                    drop(compression);
                    compression = self.again(status)?;
                    fresh = true;
                }
                Job::Over => return Ok(Ended::Told),
            }
        }
    }

    /// A session hears of its first frame's metadata of HDR, if CONFIGURE had other.
    fn tell_hdr(&self, compression: &Compression, hdr: Hdr) {
        if hdr == self.shared.hdr {
            return;
        }
        for (property, value) in hdr_properties(hdr) {
            // The stream says it in any case: `packet` sees to that.
            let _ = compression.set(&property, &value);
        }
    }

    fn job(&self) -> Job {
        let idle = |state: &mut State| {
            let nothing = state.next == state.flight.next() && !state.ended;
            nothing && state.is_well() && state.lost.is_none()
        };
        let waited = self.shared.changed.wait_while(self.shared.state(), idle);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        if !state.is_well() {
            return Job::Over;
        }
        if let Some(status) = state.lost {
            return Job::Lost(status);
        }
        let number = state.next;
        let Some((_, input)) = state.flight.input(number) else { return Job::Complete };
        let mut input = input.clone();
        // A session begins with a keyframe, the second one in the middle of the stream.
        input.keyframe |= number == state.flight.gone() && !state.proven;
        state.next += 1;
        Job::Frame(number, input)
    }

    /// A call that did not succeed is the end, or of this session only.
    fn check(&self, result: Result<(), Status>, what: &str) -> Result<(), Error> {
        match result {
            Err(status) if is_loss(status) => {
                self.shared.state().lost.get_or_insert(status);
                Ok(())
            }
            Err(status) => Err(Error::Codec(format!("{what}: {status}"))),
            Ok(()) => Ok(()),
        }
    }

    /// Another session, which is given all frames that had no packet.
    fn again(&self, status: Status) -> Result<Compression, Error> {
        let generation = {
            let mut state = self.shared.state();
            if state.generation > 0 && !state.proven {
                return Err(Error::Codec(format!(
                    "VideoToolbox's session was lost again: {status}"
                )));
            }
            state.generation += 1;
            state.generation
        };
        let session = Session::open(&self.shared.plan, listener(&self.shared, generation));
        let session = session.map_err(|error| {
            Error::Codec(format!("VideoToolbox's session was lost ({status}): {error}"))
        })?;
        let mut state = self.shared.state();
        state.flight.restart();
        state.next = state.flight.gone();
        (state.lost, state.proven, state.decode_time) = (None, false, None);
        state.pool = Some(Arc::new(session.pool));
        let frames = state.flight.next() - state.next;
        drop(state);
        let text = format!(
            "VideoToolbox's session was lost: {status}; another one goes on with {frames} frames"
        );
        (self.shared.notices)(text);
        Ok(session.compression)
    }
}

impl State {
    /// There is still somebody to work for.
    fn is_well(&self) -> bool {
        !self.closed && self.failure.is_none()
    }
}

enum Ended {
    Drained,
    /// The sink knows, or does not want to.
    Told,
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("the encoder's thread panicked: {}", text.unwrap_or("no reason given"))
}
