//! One session's encoder: a thread that hands frames over, and what VideoToolbox's threads say of them.

mod shared;
mod worker;

use crate::clock::Clock;
use crate::ffi::{PixelBuffer, Time};
use crate::flight::Flight;
use crate::options::{MAX_FRAME_DELAY, Plan};
use crate::patience::Patience;
use crate::permits::{Permit, Permits};
use crate::session::picture;
use shared::{Shared, State};
use worker::{Started, Worker, watch};

use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use vtremote_backend::{
    EncoderConfig, Error, FrameInfo, Hdr, Messages, Metadata, PacketSink, Picture, PlaneShape,
};
use vtremote_bitstream::ParameterSets;

/// Pictures of a session: what the encoder may hold back and reorder, what waits for it, and what is filled.
const MOST_PICTURES: usize = 24;

/// What the encoder may hold back, one that it works on, one on its way to it, and two that are filled.
const FEWEST_PICTURES: usize = MAX_FRAME_DELAY as usize + 4;

/// Of all pictures of a session, in bytes; fewer than [`FEWEST_PICTURES`] are of no use, whatever their size.
const MOST_MEMORY: usize = 384 << 20;

/// The user's end.
pub(crate) struct Encoder {
    shared: Arc<Shared>,
    permits: Arc<Permits>,
    clock: Clock,
    metadata: Metadata,
    /// Of its first session.
    facts: Vec<String>,
    /// Hands frames over.
    thread: Option<JoinHandle<()>>,
    /// Watches it.
    watch: Option<JoinHandle<()>>,
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
    permit: Permit,
    buffer: PixelBuffer,
}

/// Around what an encoder does for its user.
pub(crate) struct Surroundings {
    /// Parameter sets that the client has already, if it wants them nowhere else.
    pub(crate) header: Option<ParameterSets>,
    pub(crate) patience: Patience,
}

/// How many of these a session has.
fn pictures(shapes: &[PlaneShape]) -> usize {
    let plane = |shape: &PlaneShape| shape.row_bytes.saturating_mul(shape.rows);
    let bytes = shapes.iter().map(plane).fold(1, usize::saturating_add);
    (MOST_MEMORY / bytes).clamp(FEWEST_PICTURES, MOST_PICTURES)
}

impl Encoder {
    /// With the warnings of its session, which has to be there `within` this time.
    ///
    /// # Errors
    /// As those of [`crate::session::Session::open`], and [`Error::Codec`] if it takes longer.
    pub(crate) fn start(
        plan: Plan,
        config: &EncoderConfig,
        surroundings: Surroundings,
        within: Duration,
        sink: Arc<dyn PacketSink>,
    ) -> Result<(Self, Vec<String>), Error> {
        let Surroundings { header, patience } = surroundings;
        let EncoderConfig { mastering_display, content_light, max_delay, .. } = *config;
        let shapes = config.format.planes(config.width, config.height);
        let permits = Permits::new(pictures(&shapes));
        let shared = Arc::new(Shared {
            state: Mutex::new(State::new()),
            changed: Condvar::new(),
            ended: Condvar::new(),
            permits: Arc::clone(&permits),
            plan,
            codec: config.codec,
            size: (config.width, config.height),
            format: config.format,
            shapes,
            header,
            hdr: Hdr { mastering_display, content_light },
            max_delay,
            patience,
        });
        let no_thread = |error| Error::Codec(format!("no thread for the encoder: {error}"));
        let (told, opened) = mpsc::channel();
        let worker = Worker { shared: Arc::clone(&shared) };
        let thread = thread::Builder::new().name("vt-encoder".into());
        let thread = thread.spawn(move || worker.run(&told)).map_err(no_thread)?;
        let mut encoder = Encoder {
            shared,
            permits,
            clock: Clock::new(config.time_base),
            metadata: Metadata::new(config),
            facts: Vec::new(),
            thread: Some(thread),
            watch: None,
        };
        let Started { warnings, facts } = match opened.recv_timeout(within) {
            Ok(started) => started?,
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                return Err(Error::Internal("making the session panicked".into()));
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {
                encoder.shared.state().stuck = true;
                return Err(Error::Codec("VideoToolbox does not make the session in time".into()));
            }
        };
        encoder.facts = facts;
        encoder.shared.state().sink = Some(sink);
        let watched = Arc::clone(&encoder.shared);
        let watch_thread = thread::Builder::new().name("vt-watch".into());
        let spawned = watch_thread.spawn(move || watch(&watched)).map_err(no_thread)?;
        encoder.watch = Some(spawned);
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
        let ticket = Ticket { permits, permit, buffer };
        Ok(Some(Picture::new(planes, Box::new(ticket))))
    }

    fn submit(&mut self, picture: Picture, frame: FrameInfo) -> Result<(), Error> {
        self.shared.state().check()?;
        let (planes, own) = picture.take()?;
        let Ok(ticket) = own.downcast::<Ticket>() else {
            return Err(Error::Internal("the picture is another encoder's".into()));
        };
        let Ticket { permits, permit, buffer } = *ticket;
        if !Arc::ptr_eq(&permits, &self.permits) {
            return Err(Error::Internal("the picture is another encoder's".into()));
        }
        // Nobody writes from here on.
        drop(planes);
        let messages = self.metadata.of(&frame);
        let FrameInfo { pts, duration, keyframe, .. } = frame;
        let time = self.clock.tick(pts, duration).map_err(Error::Codec)?;
        let input = Input { buffer, time, keyframe, messages, _permit: Arc::new(permit) };
        let mut state = self.shared.state();
        state.check()?;
        if state.ended {
            return Err(Error::Internal("the encoder was drained already".into()));
        }
        state.flight.enter(pts, duration, input);
        drop(state);
        self.shared.changed.notify_all();
        Ok(())
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

/// What VideoToolbox does not come back from keeps nobody: its thread has all that it uses, and ends by itself.
impl Drop for Encoder {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.closed = true;
        let sink = state.sink.take();
        drop(state);
        self.shared.changed.notify_all();
        self.shared.ended.notify_all();
        self.permits.close();
        let works = |state: &mut State| !state.over && !state.stuck;
        let patience = self.shared.patience.answer;
        let waited = self.shared.ended.wait_timeout_while(self.shared.state(), patience, works);
        let over = waited.unwrap_or_else(PoisonError::into_inner).0.over;
        for thread in self.watch.take().into_iter().chain(self.thread.take().filter(|_| over)) {
            // It catches its panics itself.
            let _ = thread.join();
        }
        drop(sink);
        // The frames that had no packet: their pictures go with the session.
        let flight = std::mem::replace(&mut self.shared.state().flight, Flight::new());
        drop(flight);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vtremote_backend::PixelFormat;

    #[test]
    fn pictures_of_a_session_are_fewer_where_they_are_large() {
        let of = |format: PixelFormat, width, height| pictures(&format.planes(width, height));
        assert_eq!(of(PixelFormat::Nv12, 1920, 1080), MOST_PICTURES);
        assert_eq!(of(PixelFormat::P010, 3840, 2160), 16);
        assert_eq!(of(PixelFormat::P010, 8192, 4320), FEWEST_PICTURES);
    }
}
