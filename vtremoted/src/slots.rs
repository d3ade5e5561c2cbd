use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The sessions that may run at a time.
#[derive(Debug)]
pub(crate) struct Slots {
    max: usize,
    taken: Mutex<usize>,
    freed: Condvar,
}

/// One session's place. Free again when dropped.
#[derive(Debug)]
pub(crate) struct Slot(Arc<Slots>);

impl Slots {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Slots { max, taken: Mutex::new(0), freed: Condvar::new() })
    }

    /// A place, if one is free or becomes so in time.
    pub(crate) fn take(self: &Arc<Self>, wait: Duration) -> Option<Slot> {
        let full = |taken: &mut usize| *taken >= self.max;
        let waited = self.freed.wait_timeout_while(self.count(), wait, full);
        let mut taken = waited.unwrap_or_else(PoisonError::into_inner).0;
        if full(&mut taken) {
            return None;
        }
        *taken += 1;
        Some(Slot(Arc::clone(self)))
    }

    pub(crate) fn max(&self) -> usize {
        self.max
    }

    pub(crate) fn taken(&self) -> usize {
        *self.count()
    }

    fn count(&self) -> MutexGuard<'_, usize> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        *self.0.count() -= 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_free_again_when_it_is_dropped() {
        let slots = Slots::new(1);
        let first = slots.take(Duration::ZERO);
        assert!(first.is_some());
        assert!(slots.take(Duration::ZERO).is_none());
        drop(first);
        assert_eq!(slots.taken(), 0);
        assert!(slots.take(Duration::ZERO).is_some());
    }
}
