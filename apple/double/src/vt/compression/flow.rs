//! Between the callers of a session and its worker.

use super::engine::{Output, Work};
use crate::Callbacks;
use crate::vt::status::K_VT_INVALID_SESSION;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

/// What both sides know.
pub(crate) struct Flow {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    invalid: bool,
    work: VecDeque<Work>,
    /// Frames that were handed over, and outputs that were called back.
    taken: usize,
    answered: usize,
    /// Outputs that the next caller of a function calls back itself.
    outbox: VecDeque<Output>,
    /// The worker has nothing to do.
    idle: bool,
    /// Frames that may be in the encoder when a call returns; None: any number.
    most_held: Option<usize>,
    completions: usize,
    completed: usize,
    worker: Option<ThreadId>,
}

impl Flow {
    pub(crate) fn new() -> Self {
        Flow { state: Mutex::default(), changed: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn begin(&self, most_held: Option<usize>) {
        self.state().most_held = most_held;
    }

    pub(crate) fn is_invalid(&self) -> bool {
        self.state().invalid
    }

    pub(crate) fn pending(&self) -> usize {
        let state = self.state();
        state.taken - state.answered
    }

    pub(crate) fn push(&self, work: Work) {
        let mut state = self.state();
        state.taken += usize::from(matches!(work, Work::Frame(_)));
        state.idle = false;
        state.work.push_back(work);
        drop(state);
        self.changed.notify_all();
    }

    /// Waits until no more frames are in the encoder than may be, calling back what is for the caller.
    pub(crate) fn wait_for_room(&self) {
        let caller = crate::state::callbacks() == Callbacks::Caller;
        self.serve(|state| {
            let held = state.taken - state.answered;
            let room = state.most_held.is_none_or(|most| held <= most);
            room && (!caller || state.idle)
        });
    }

    /// Waits until everything that was handed over has been answered.
    pub(crate) fn complete(&self) -> i32 {
        let mut state = self.state();
        state.completions += 1;
        let mine = state.completions;
        state.idle = false;
        state.work.push_back(Work::Complete);
        drop(state);
        self.changed.notify_all();
        let valid = self.serve(|state| state.completed >= mine);
        if valid { 0 } else { K_VT_INVALID_SESSION }
    }

    /// False if the session has become invalid first.
    fn serve(&self, done: impl Fn(&State) -> bool) -> bool {
        let mut state = self.state();
        // A callback that encodes would wait for itself.
        if state.worker == Some(thread::current().id()) {
            return true;
        }
        loop {
            if state.invalid {
                return false;
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
                return true;
            }
            state = self.wait(state);
        }
    }

    pub(crate) fn invalidate(&self) {
        let mut state = self.state();
        state.invalid = true;
        let (work, outbox) = (std::mem::take(&mut state.work), std::mem::take(&mut state.outbox));
        drop(state);
        self.changed.notify_all();
        drop((work, outbox));
    }

    /// For the worker: what to do next; None if that is nothing, for ever.
    pub(crate) fn next(&self) -> Option<Work> {
        let mut state = self.state();
        state.worker = Some(thread::current().id());
        loop {
            if state.invalid {
                return None;
            }
            match state.work.pop_front() {
                Some(work) => return Some(work),
                None if !state.idle => {
                    state.idle = true;
                    self.changed.notify_all();
                }
                None => state = self.wait(state),
            }
        }
    }

    /// For the worker: nobody hears what became of a frame.
    pub(crate) fn lose(&self) {
        self.state().answered += 1;
        self.changed.notify_all();
    }

    /// For the worker: gives an output to where it is to be called back.
    pub(crate) fn answer(&self, output: Output) {
        match crate::state::callbacks() {
            Callbacks::Session => {
                if self.is_invalid() {
                    return;
                }
                output.call();
            }
            Callbacks::Fresh => {
                if self.is_invalid() {
                    return;
                }
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

    /// For the worker: a Complete was done, but for what callers call back.
    pub(crate) fn completed(&self) {
        let mut state = self.state();
        while !state.outbox.is_empty() && !state.invalid {
            state = self.wait(state);
        }
        state.completed += 1;
        drop(state);
        self.changed.notify_all();
    }
}
