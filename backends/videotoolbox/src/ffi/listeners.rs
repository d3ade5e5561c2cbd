use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Who hears of the output of which session.
///
/// VideoToolbox is given a number and not a pointer: nothing says that it calls back no more once a session
/// is invalidated, and what it has to say then goes nowhere.
pub(super) struct Listeners<L: ?Sized>(Mutex<Known<L>>);

struct Known<L: ?Sized> {
    last: usize,
    all: BTreeMap<usize, Arc<L>>,
}

impl<L: ?Sized> Listeners<L> {
    pub(super) const fn new() -> Self {
        Listeners(Mutex::new(Known { last: 0, all: BTreeMap::new() }))
    }

    /// Gives the number, which is never 0.
    pub(super) fn add(&self, listener: Arc<L>) -> usize {
        let mut known = self.lock();
        known.last += 1;
        let number = known.last;
        known.all.insert(number, listener);
        number
    }

    pub(super) fn get(&self, number: usize) -> Option<Arc<L>> {
        self.lock().all.get(&number).cloned()
    }

    pub(super) fn remove(&self, number: usize) {
        let removed = self.lock().all.remove(&number);
        // What it holds may be anything: not under the lock.
        drop(removed);
    }

    fn lock(&self) -> MutexGuard<'_, Known<L>> {
        // Nothing that can panic happens between two changes that belong together.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
