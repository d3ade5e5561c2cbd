//! What goes from a session's caller to its codec thread.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use vtremote_backend::Error;

/// A queue with an end, that can also break down or be abandoned. Every wait ends at once in both
/// cases.
pub(crate) struct Inbox<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    items: VecDeque<T>,
    draining: bool,
    closed: bool,
    failed: Option<Error>,
}

/// Why a codec thread ends before its time.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The caller abandoned it.
    Closed,
    /// The codec failed.
    Failed(Error),
}

impl<T> Inbox<T> {
    pub(crate) fn new() -> Self {
        let state = State { items: VecDeque::new(), draining: false, closed: false, failed: None };
        Inbox { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Gives the item back if there are still `capacity` others after `wait`.
    pub(crate) fn push(
        &self,
        item: T,
        capacity: usize,
        wait: Duration,
    ) -> Result<Option<T>, Error> {
        let full = |state: &mut State<T>| state.failed.is_none() && state.items.len() >= capacity;
        let waited = self.changed.wait_timeout_while(self.lock(), wait, full);
        let (mut state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        state.usable()?;
        if timeout.timed_out() {
            return Ok(Some(item));
        }
        state.items.push_back(item);
        drop(state);
        self.changed.notify_all();
        Ok(None)
    }

    /// No more items come.
    pub(crate) fn drain(&self) -> Result<(), Error> {
        let mut state = self.lock();
        if let Some(error) = &state.failed {
            return Err(error.clone());
        }
        state.draining = true;
        drop(state);
        self.changed.notify_all();
        Ok(())
    }

    /// The next item; `None` after the last.
    pub(crate) fn next(&self) -> Result<Option<T>, End> {
        let idle = |state: &mut State<T>| {
            state.items.is_empty() && !state.draining && state.end().is_none()
        };
        let waited = self.changed.wait_while(self.lock(), idle);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        if let Some(end) = state.end() {
            return Err(end);
        }
        let item = state.items.pop_front();
        drop(state);
        self.changed.notify_all();
        Ok(item)
    }

    /// Waits, unless the end comes first.
    pub(crate) fn rest(&self, time: Duration) -> Result<(), End> {
        if time.is_zero() {
            return Ok(());
        }
        let going_on = |state: &mut State<T>| state.end().is_none();
        let waited = self.changed.wait_timeout_while(self.lock(), time, going_on);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.end().map_or(Ok(()), Err)
    }

    /// What the codec failed with.
    pub(crate) fn failure(&self) -> Option<Error> {
        self.lock().failed.clone()
    }

    /// The codec has failed: what is queued is dropped, and no more is taken.
    pub(crate) fn fail(&self, error: Error) {
        let mut state = self.lock();
        state.failed.get_or_insert(error);
        self.clear(state);
    }

    /// Abandons what is queued.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        self.clear(state);
    }

    /// Items may take locks of their own when they go: not under this one.
    fn clear(&self, mut state: MutexGuard<'_, State<T>>) {
        let items = std::mem::take(&mut state.items);
        drop(state);
        drop(items);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // No state is half changed anywhere where a panic could be.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    fn end(&self) -> Option<End> {
        match &self.failed {
            _ if self.closed => Some(End::Closed),
            Some(error) => Some(End::Failed(error.clone())),
            None => None,
        }
    }

    fn usable(&self) -> Result<(), Error> {
        match &self.failed {
            Some(error) => Err(error.clone()),
            None if self.draining => Err(Error::Internal("submitted after drain".into())),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    #[test]
    fn a_rest_ends_with_the_session() {
        let inbox = Inbox::<()>::new();
        std::thread::scope(|scope| {
            let resting = scope.spawn(|| inbox.rest(LONG));
            inbox.close();
            assert_eq!(resting.join().unwrap(), Err(End::Closed));
        });
    }

    #[test]
    fn a_full_queue_gives_the_item_back() {
        let inbox = Inbox::new();
        assert_eq!(inbox.push(1, 1, Duration::ZERO), Ok(None));
        assert_eq!(inbox.push(2, 1, Duration::ZERO), Ok(Some(2)));
        assert_eq!(inbox.next(), Ok(Some(1)));
        assert_eq!(inbox.push(2, 1, Duration::ZERO), Ok(None));
    }

    #[test]
    fn a_failure_wakes_whoever_waits_for_room() {
        let inbox = Inbox::new();
        inbox.push(1, 1, LONG).unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| inbox.push(2, 1, LONG));
            inbox.fail(Error::Codec("broken".into()));
            assert_eq!(waiting.join().unwrap(), Err(Error::Codec("broken".into())));
        });
    }

    #[test]
    fn nothing_is_taken_after_the_end() {
        let inbox = Inbox::new();
        inbox.push(1, 8, LONG).unwrap();
        inbox.drain().unwrap();
        assert!(matches!(inbox.push(2, 8, LONG), Err(Error::Internal(_))));
        assert_eq!((inbox.next(), inbox.next()), (Ok(Some(1)), Ok(None)));
    }
}
