//! Whether the thread that calls VideoToolbox comes on: nothing says how long a call may take.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What a thread tells of itself, and who looks at that.
#[derive(Default)]
pub(super) struct Watched {
    state: Mutex<State>,
    over: Condvar,
}

#[derive(Default)]
struct State {
    /// Calls that have returned, and answers that have come.
    progress: u64,
    /// The thread waits for others than VideoToolbox.
    resting: bool,
    over: bool,
}

/// How often it is looked in the time that a call may take.
const LOOKS: u32 = 4;

impl Watched {
    /// A call has returned, or an answer has come.
    pub(super) fn progress(&self) {
        self.state().progress += 1;
    }

    /// What this does may take as long as it likes.
    pub(super) fn resting<T>(&self, wait: impl FnOnce() -> T) -> T {
        self.state().resting = true;
        let waited = wait();
        let mut state = self.state();
        (state.resting, state.progress) = (false, state.progress + 1);
        waited
    }

    /// The thread has ended, or nobody looks at it any more.
    pub(super) fn over(&self) {
        self.state().over = true;
        self.over.notify_all();
    }

    /// Waits until the thread has ended, or has not come on for so long though it rested not.
    pub(super) fn is_stuck(&self, patience: Duration) -> bool {
        let mut state = self.state();
        let (mut seen, mut looks) = (state.progress, 0);
        loop {
            let goes_on = |state: &mut State| !state.over;
            let waited = self.over.wait_timeout_while(state, patience / LOOKS, goes_on);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
            if state.over {
                return false;
            }
            if state.resting || state.progress != seen {
                (seen, looks) = (state.progress, 0);
                continue;
            }
            looks += 1;
            if looks > LOOKS {
                return true;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic happens between two changes that belong together.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
