//! How many pictures are out.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// At most so many pictures at a time: with those who fill them, in the encoder, or held as a reference.
pub(crate) struct Permits {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    out: usize,
    count: usize,
    closed: bool,
}

/// One picture's. Given back on drop.
pub(crate) struct Permit(Arc<Permits>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.state().out -= 1;
        self.0.changed.notify_one();
    }
}

impl Permits {
    pub(crate) fn new(count: usize) -> Arc<Self> {
        let state = Mutex::new(State { out: 0, count, closed: false });
        Arc::new(Permits { state, changed: Condvar::new() })
    }

    /// From now on there are so many. If fewer than are out, the next is given once enough came back.
    pub(crate) fn set_count(&self, count: usize) {
        self.state().count = count;
        self.changed.notify_all();
    }

    /// None if none became free within `wait`, or there are no more.
    pub(crate) fn take(self: &Arc<Self>, wait: Duration) -> Option<Permit> {
        let none = |state: &mut State| state.out >= state.count && !state.closed;
        let waited = self.changed.wait_timeout_while(self.state(), wait, none);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if state.closed || state.out >= state.count {
            return None;
        }
        state.out += 1;
        Some(Permit(Arc::clone(self)))
    }

    /// Whether nobody can have one before one is given back.
    pub(crate) fn all_out(&self) -> bool {
        let state = self.state();
        state.out >= state.count
    }

    /// Wakes everybody who waits; nobody gets one any more.
    pub(crate) fn close(&self) {
        self.state().closed = true;
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic happens between two changes that belong together.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permit_can_be_had_again_once_it_was_given_back() {
        let permits = Permits::new(1);
        let permit = permits.take(Duration::ZERO).unwrap();
        assert!(permits.take(Duration::ZERO).is_none());
        drop(permit);
        assert!(permits.take(Duration::ZERO).is_some());
    }

    #[test]
    fn there_may_be_more_and_fewer_of_them_later() {
        let permits = Permits::new(1);
        let first = permits.take(Duration::ZERO).unwrap();
        permits.set_count(2);
        let second = permits.take(Duration::ZERO).unwrap();
        permits.set_count(1);
        drop(first);
        assert!(permits.take(Duration::ZERO).is_none());
        drop(second);
        assert!(permits.take(Duration::ZERO).is_some());
    }

    #[test]
    fn closing_wakes_those_who_wait() {
        let permits = Permits::new(0);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| permits.take(Duration::MAX).is_none());
            permits.close();
            assert!(waiting.join().unwrap());
        });
    }
}
