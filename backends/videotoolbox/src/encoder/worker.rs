//! The thread that hands frames over, and the one that watches it.

use super::Input;
use super::shared::{Shared, State, is_loss, listener};
use crate::ffi::{Compression, Status};
use crate::options::hdr_properties;
use crate::session::Session;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, MutexGuard, PoisonError, mpsc};
use vtremote_backend::{Error, Hdr};

/// What there is to say of the session that it made.
pub(super) struct Started {
    pub(super) warnings: Vec<String>,
    pub(super) facts: Vec<String>,
}

/// What the thread works with.
pub(super) struct Worker {
    pub(super) shared: Arc<Shared>,
}

enum Job {
    Frame(u64, Input),
    /// No more frames come before their packets do.
    Complete,
    /// The session has to be made anew.
    Lost(Status),
    Over,
}

enum Ended {
    Drained,
    /// The sink knows, or does not want to.
    Told,
}

impl Worker {
    /// Everything that the thread does; the sink is told how it ended, once `opened` was told that there is
    /// a session.
    pub(super) fn run(self, opened: &mpsc::Sender<Result<Started, Error>>) {
        let over = Over(Arc::clone(&self.shared));
        let session = Session::open(&self.shared.plan, listener(&self.shared, 0));
        let compression = match session {
            Ok(Session { compression, pool, reorders, warnings, facts }) => {
                let mut state = self.shared.state();
                (state.pool, state.reorders) = (Some(Arc::new(pool)), reorders);
                state.told.clone_from(&warnings);
                drop(state);
                // Whoever waits no longer has closed it all.
                let _ = opened.send(Ok(Started { warnings, facts }));
                compression
            }
            Err(error) => {
                let _ = opened.send(Err(error));
                return;
            }
        };
        let end = catch_unwind(AssertUnwindSafe(|| self.work(compression)));
        let end = end.unwrap_or_else(|panic| Err(Error::Internal(panic_text(&*panic))));
        let mut state = self.shared.state();
        if !state.closed {
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
        drop(state);
        drop(over);
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
                    let state = self.stragglers();
                    if !state.is_well() {
                        return Ok(Ended::Told);
                    }
                    if state.lost.is_none() && !state.is_answered() {
                        return Err(self.shared.silence(&state));
                    }
                    if state.ended && state.flight.is_empty() {
                        return Ok(Ended::Drained);
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

    /// Packets may still come after VideoToolbox has said that all have: waits while they do.
    fn stragglers(&self) -> MutexGuard<'_, State> {
        let mut state = self.shared.state();
        state.resting = true;
        loop {
            let progress = state.progress;
            let silent = |state: &mut State| {
                let wanted = !state.is_answered() && state.is_well() && state.lost.is_none();
                wanted && state.progress == progress
            };
            let patience = self.shared.patience.answer;
            let waited = self.shared.changed.wait_timeout_while(state, patience, silent);
            let waited = waited.unwrap_or_else(PoisonError::into_inner);
            state = waited.0;
            let over = state.is_answered() || !state.is_well() || state.lost.is_some();
            if over || waited.1.timed_out() {
                return state;
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
        let mut state = self.shared.state();
        (state.progress, state.resting) = (state.progress + 1, true);
        let job = loop {
            if !state.is_well() {
                break Job::Over;
            }
            if let Some(status) = state.lost {
                break Job::Lost(status);
            }
            let number = state.next;
            if let Some((_, input)) = state.flight.input(number) {
                let mut input = input.clone();
                // A session begins with a keyframe, the second one in the middle of the stream.
                let first = number == state.flight.gone() && !state.proven;
                let every = self.shared.plan.keyframe_every;
                let due = |every: u32| number >= state.keyframe.saturating_add(every.into());
                input.keyframe |= first || every.is_some_and(due);
                if input.keyframe {
                    state.keyframe = number;
                }
                state.next += 1;
                break Job::Frame(number, input);
            }
            if state.ended {
                break Job::Complete;
            }
            let (progress, full) = (state.progress, self.shared.is_full(&state));
            let idle = |state: &mut State| {
                let nothing = state.next == state.flight.next() && !state.ended;
                let same = state.progress == progress && self.shared.is_full(state) == full;
                nothing && same && state.is_well() && state.lost.is_none()
            };
            let changed = &self.shared.changed;
            if full {
                // An encoder may want more frames than there can be before it gives the first packet.
                let waited = changed.wait_timeout_while(state, self.shared.patience.held, idle);
                let waited = waited.unwrap_or_else(PoisonError::into_inner);
                state = waited.0;
                if waited.1.timed_out() {
                    break Job::Complete;
                }
            } else {
                state = changed.wait_while(state, idle).unwrap_or_else(PoisonError::into_inner);
            }
        };
        (state.progress, state.resting) = (state.progress + 1, false);
        job
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
        let (sink, told) = (state.sink.clone(), state.told.clone());
        drop(state);
        let text = format!(
            "VideoToolbox's session was lost: {status}; another one goes on with {frames} frames"
        );
        if let Some(sink) = sink {
            // It may refuse what the first did not, which have been told.
            let new = session.warnings.into_iter().filter(|warning| !told.contains(warning));
            [text].into_iter().chain(new).for_each(|text| sink.warning(text));
        }
        Ok(session.compression)
    }
}

/// The thread has ended, however it did.
struct Over(Arc<Shared>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.state().over = true;
        self.0.ended.notify_all();
    }
}

/// How often it is looked whether there was any progress, in the time that it may take.
const LOOKS: u32 = 4;

/// Ends when the thread does, and with it all that it waited for; or tells the sink that it does not: nothing
/// says how long a call of VideoToolbox's may take.
pub(super) fn watch(shared: &Shared) {
    let mut state = shared.state();
    let (mut seen, mut looks) = (state.progress, 0);
    loop {
        let watched = |state: &mut State| state.is_well() && !state.over;
        let waited =
            shared.ended.wait_timeout_while(state, shared.patience.answer / LOOKS, watched);
        (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if !watched(&mut state) {
            return;
        }
        if state.resting || state.progress != seen {
            (seen, looks) = (state.progress, 0);
            continue;
        }
        looks += 1;
        if looks > LOOKS {
            state.stuck = true;
            let silence = shared.silence(&state);
            shared.fail(&mut state, silence);
            return;
        }
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("the encoder's thread panicked: {}", text.unwrap_or("no reason given"))
}
