//! What goes from a session's caller to its codec's thread: for backends.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A queue of so many items, with an end. Nobody waits at it once it is closed.
pub struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    capacity: usize,
}

struct State<T> {
    items: VecDeque<T>,
    /// No more items come.
    ended: bool,
    closed: bool,
}

/// What became of an item.
#[derive(Debug, PartialEq, Eq)]
pub enum Pushed<T> {
    /// It is in the queue.
    Taken,
    /// There was no room in time.
    Refused(T),
    /// The queue has ended or was closed.
    Over,
}

/// What there is to take.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<T> {
    /// The oldest.
    Item(T),
    /// The last item was taken, and no more come.
    End,
    /// The queue was closed.
    Closed,
}

impl<T> Queue<T> {
    /// Of at most so many items.
    pub fn new(capacity: usize) -> Self {
        let state = State { items: VecDeque::new(), ended: false, closed: false };
        Queue { state: Mutex::new(state), changed: Condvar::new(), capacity }
    }

    /// Waits for room.
    pub fn push(&self, item: T, wait: Duration) -> Pushed<T> {
        let full = |state: &mut State<T>| !state.over() && state.items.len() >= self.capacity;
        let waited = self.changed.wait_timeout_while(self.state(), wait, full);
        let (mut state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        if state.over() {
            return Pushed::Over;
        }
        if timeout.timed_out() {
            return Pushed::Refused(item);
        }
        state.items.push_back(item);
        drop(state);
        self.changed.notify_all();
        Pushed::Taken
    }

    /// No more items come. `false` if that was known, or the queue is closed.
    pub fn end(&self) -> bool {
        let mut state = self.state();
        let news = !state.over();
        state.ended = true;
        drop(state);
        self.changed.notify_all();
        news
    }

    /// Waits for an item, or the end.
    pub fn next(&self) -> Next<T> {
        loop {
            if let Some(next) = self.next_within(Duration::MAX) {
                return next;
            }
        }
    }

    /// The same for as long as this at most: none if nothing came.
    pub fn next_within(&self, wait: Duration) -> Option<Next<T>> {
        let idle = |state: &mut State<T>| state.items.is_empty() && !state.over();
        let waited = self.changed.wait_timeout_while(self.state(), wait, idle);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if state.closed {
            return Some(Next::Closed);
        }
        let item = state.items.pop_front();
        if item.is_none() && !state.ended {
            return None;
        }
        drop(state);
        self.changed.notify_all();
        Some(item.map_or(Next::End, Next::Item))
    }

    /// Wakes everybody who waits; what is in it is dropped.
    pub fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        let items = std::mem::take(&mut state.items);
        drop(state);
        drop(items);
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        // Nothing that can panic happens between two changes that belong together.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    fn over(&self) -> bool {
        self.ended || self.closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_too_many_comes_back() {
        let queue = Queue::new(2);
        assert_eq!(queue.push(1, Duration::ZERO), Pushed::Taken);
        assert_eq!(queue.push(2, Duration::ZERO), Pushed::Taken);
        assert_eq!(queue.push(3, Duration::ZERO), Pushed::Refused(3));
        assert_eq!(queue.next(), Next::Item(1));
        assert_eq!(queue.push(3, Duration::ZERO), Pushed::Taken);
    }

    #[test]
    fn the_end_comes_behind_the_last_item() {
        let queue = Queue::new(2);
        queue.push(1, Duration::ZERO);
        assert!(queue.end());
        assert!(!queue.end());
        assert_eq!(queue.push(2, Duration::ZERO), Pushed::Over);
        assert_eq!(queue.next(), Next::Item(1));
        assert_eq!(queue.next(), Next::End);
    }

    #[test]
    fn nothing_in_time_is_neither_an_item_nor_the_end() {
        let queue = Queue::new(2);
        assert_eq!(queue.next_within(Duration::ZERO), None);
        queue.push(1, Duration::ZERO);
        queue.end();
        assert_eq!(queue.next_within(Duration::ZERO), Some(Next::Item(1)));
        assert_eq!(queue.next_within(Duration::ZERO), Some(Next::End));
    }

    #[test]
    fn closing_wakes_both_ends() {
        let (full, empty) = (Queue::new(1), Queue::<u8>::new(1));
        full.push(0, Duration::ZERO);
        std::thread::scope(|scope| {
            let pushing = scope.spawn(|| full.push(1, Duration::MAX));
            let taking = scope.spawn(|| empty.next());
            full.close();
            empty.close();
            assert_eq!(pushing.join().unwrap(), Pushed::Over);
            assert_eq!(taking.join().unwrap(), Next::Closed);
        });
    }
}
