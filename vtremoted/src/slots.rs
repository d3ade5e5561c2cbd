use crate::awake::Awake;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The sessions that may run at a time.
#[derive(Debug)]
pub(crate) struct Slots {
    max: usize,
    taken: Mutex<Taken>,
    freed: Condvar,
}

#[derive(Debug)]
struct Taken {
    count: usize,
    /// As long as there is one.
    awake: Awake,
}

/// One session's place. Free again when dropped.
#[derive(Debug)]
pub(crate) struct Slot(Arc<Slots>);

impl Slots {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        let taken = Mutex::new(Taken { count: 0, awake: Awake::new() });
        Arc::new(Slots { max, taken, freed: Condvar::new() })
    }

    /// A place, if one is free or becomes so in time.
    pub(crate) fn take(self: &Arc<Self>, wait: Duration) -> Option<Slot> {
        let full = |taken: &mut Taken| taken.count >= self.max;
        let waited = self.freed.wait_timeout_while(self.lock(), wait, full);
        let mut taken = waited.unwrap_or_else(PoisonError::into_inner).0;
        if full(&mut taken) {
            return None;
        }
        taken.count += 1;
        taken.awake.keep();
        Some(Slot(Arc::clone(self)))
    }

    pub(crate) fn max(&self) -> usize {
        self.max
    }

    pub(crate) fn taken(&self) -> usize {
        self.lock().count
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.0.lock();
        taken.count -= 1;
        if taken.count == 0 {
            taken.awake.release();
        }
        drop(taken);
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
