//! Between the callers of a session and its worker.

use super::engine::{Output, Sample};
use crate::Callbacks;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

/// Samples that are in work when a call returns: a decoder's queue is not without end.
const MOST: usize = 24;

/// How long nothing must come before a decoder gives what it would else give with the next sample. Which
/// pictures come, and in which order, does not depend on it.
const QUIET: Duration = Duration::from_millis(15);

/// What both sides know.
pub(crate) struct Flow {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    invalid: bool,
    work: VecDeque<Sample>,
    taken: usize,
    answered: usize,
    /// Somebody waits until everything was answered.
    waiting: usize,
    outbox: VecDeque<Output>,
    worker: Option<ThreadId>,
}

/// What a worker does next.
pub(crate) enum Next {
    Sample(Sample),
    /// Nothing comes for now: what was taken can be answered.
    Quiet,
    End,
}

impl Flow {
    pub(crate) fn new() -> Self {
        Flow { state: Mutex::default(), changed: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_invalid(&self) -> bool {
        self.state().invalid
    }

    pub(crate) fn push(&self, sample: Sample) {
        let mut state = self.state();
        state.taken += 1;
        state.work.push_back(sample);
        drop(state);
        self.changed.notify_all();
    }

    pub(crate) fn wait_for_room(&self) {
        let within = crate::state::callbacks() == Callbacks::Caller;
        let most = if within { 0 } else { MOST };
        self.serve(|state| state.taken - state.answered <= most);
    }

    /// Waits until everything was answered; false if the session became invalid first.
    pub(crate) fn finish(&self) -> bool {
        self.serve(|state| state.taken == state.answered)
    }

    fn serve(&self, done: impl Fn(&State) -> bool) -> bool {
        let mut state = self.state();
        // A callback that waits would wait for itself.
        if state.worker == Some(thread::current().id()) {
            return true;
        }
        state.waiting += 1;
        self.changed.notify_all();
        let valid = loop {
            if state.invalid {
                break false;
            }
            if let Some(output) = state.outbox.pop_front() {
                drop(state);
                output.call();
                state = self.state();
                state.answered += 1;
                self.changed.notify_all();
                continue;
            }
            if done(&state) {
                break true;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        };
        state.waiting -= 1;
        valid
    }

    pub(crate) fn invalidate(&self) {
        let mut state = self.state();
        state.invalid = true;
        let (work, outbox) = (std::mem::take(&mut state.work), std::mem::take(&mut state.outbox));
        drop(state);
        self.changed.notify_all();
        drop((work, outbox));
    }

    /// For the worker, which has so many samples that it has not answered.
    pub(crate) fn next(&self, unanswered: usize) -> Next {
        let mut state = self.state();
        state.worker = Some(thread::current().id());
        loop {
            if state.invalid {
                return Next::End;
            }
            if let Some(sample) = state.work.pop_front() {
                return Next::Sample(sample);
            }
            if unanswered == 0 {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            if state.waiting > 0 {
                return Next::Quiet;
            }
            let (back, waited) =
                self.changed.wait_timeout(state, QUIET).unwrap_or_else(PoisonError::into_inner);
            state = back;
            if waited.timed_out() && state.work.is_empty() && !state.invalid {
                return Next::Quiet;
            }
        }
    }

    /// For the worker: nobody hears what became of a sample.
    pub(crate) fn lose(&self) {
        self.state().answered += 1;
        self.changed.notify_all();
    }

    /// For the worker: gives an output to where it is to be called back.
    pub(crate) fn answer(&self, output: Output) {
        if self.is_invalid() {
            return;
        }
        match crate::state::callbacks() {
            Callbacks::Session => output.call(),
            Callbacks::Fresh => {
                let called = thread::spawn(move || output.call()).join();
                called.expect("a callback does not panic");
            }
            Callbacks::Caller => {
                self.state().outbox.push_back(output);
                self.changed.notify_all();
                return;
            }
        }
        self.state().answered += 1;
        self.changed.notify_all();
    }
}
