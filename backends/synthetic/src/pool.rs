//! The pictures of a session: a bounded number of them, their memory used again.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use vtremote_backend::{PixelFormat, PlaneMemory, PlaneShape, Planes};

/// Rows begin at a cache line.
const ALIGN: usize = 64;

/// Counts slots, not memory: a picture whose slot is free but whose rows somebody still reads is
/// put aside, and another's memory is used.
pub(crate) struct Pool {
    limit: usize,
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Default)]
struct State {
    used: usize,
    closed: bool,
    shapes: Vec<PlaneShape>,
    memory: Vec<Planes>,
}

/// A picture's place among the pool's; free again when this is dropped.
pub(crate) struct Slot {
    pool: Arc<Pool>,
    /// Nobody has had the picture's memory before.
    pub(crate) is_new: bool,
}

impl Pool {
    pub(crate) fn new(format: PixelFormat, width: u32, height: u32, limit: usize) -> Arc<Self> {
        let state = State { shapes: format.planes(width, height), ..State::default() };
        Arc::new(Pool { limit, state: Mutex::new(state), freed: Condvar::new() })
    }

    /// From here on pictures have these planes.
    pub(crate) fn reshape(&self, shapes: Vec<PlaneShape>) {
        let mut state = self.lock();
        if state.shapes != shapes {
            state.shapes = shapes;
            state.memory.clear();
        }
    }

    /// A picture; `None` if none became free within `wait` (`None`: however long that takes) or if
    /// the pool was closed.
    pub(crate) fn take(self: &Arc<Self>, wait: Option<Duration>) -> Option<(Planes, Slot)> {
        let none_free = |state: &mut State| state.used >= self.limit && !state.closed;
        let state = self.lock();
        let mut state = match wait {
            None => self.freed.wait_while(state, none_free).unwrap_or_else(PoisonError::into_inner),
            Some(wait) => {
                let waited = self.freed.wait_timeout_while(state, wait, none_free);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        if state.closed || state.used >= self.limit {
            return None;
        }
        state.used += 1;
        let unread = |planes: &&Planes| planes.iter().all(|plane| Arc::strong_count(plane) == 1);
        let found = state.memory.iter().find(unread).cloned();
        let shapes = state.shapes.clone();
        drop(state);
        let slot = Slot { pool: Arc::clone(self), is_new: found.is_none() };
        let planes = found.unwrap_or_else(|| {
            let allocate = |shape: &PlaneShape| Arc::new(PlaneMemory::allocate(*shape, ALIGN));
            let planes: Planes = shapes.iter().map(allocate).collect();
            self.lock().memory.push(planes.clone());
            planes
        });
        Some((planes, slot))
    }

    /// Ends every wait.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.freed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing is half changed anywhere where a panic could be.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    pub(crate) fn is_of(&self, pool: &Arc<Pool>) -> bool {
        Arc::ptr_eq(&self.pool, pool)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.pool.lock().used -= 1;
        self.pool.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Option<Duration> = Some(Duration::ZERO);

    fn pool(limit: usize) -> Arc<Pool> {
        Pool::new(PixelFormat::Nv12, 4, 4, limit)
    }

    #[test]
    fn memory_is_used_again_once_nobody_reads_it() {
        let pool = pool(1);
        let (planes, slot) = pool.take(NOW).unwrap();
        let reader = PlaneMemory::read(&planes[0]).unwrap();
        let first = Arc::as_ptr(&planes[0]);
        drop((planes, slot));
        let (other, slot) = pool.take(NOW).unwrap();
        assert_ne!(Arc::as_ptr(&other[0]), first);
        drop((reader, other, slot));
        assert_eq!(Arc::as_ptr(&pool.take(NOW).unwrap().0[0]), first);
    }

    #[test]
    fn pictures_of_another_shape_count_with_those_before() {
        let pool = pool(2);
        let held = pool.take(NOW).unwrap();
        pool.reshape(PixelFormat::P010.planes(8, 8));
        let (planes, slot) = pool.take(NOW).unwrap();
        assert_eq!(planes[0].shape(), PlaneShape { row_bytes: 16, rows: 8 });
        assert!(pool.take(NOW).is_none());
        drop((held, planes, slot));
        assert_eq!(pool.take(NOW).unwrap().0[0].shape().row_bytes, 16);
    }

    #[test]
    fn there_are_so_many_pictures_and_no_more() {
        let pool = pool(2);
        let held = (pool.take(NOW).unwrap(), pool.take(NOW).unwrap());
        assert!(pool.take(NOW).is_none());
        drop(held);
        assert!(pool.take(NOW).is_some());
    }

    #[test]
    fn closing_ends_a_wait() {
        let pool = pool(1);
        let _held = pool.take(NOW).unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| pool.take(None).is_none());
            pool.close();
            assert!(waiting.join().unwrap());
        });
    }
}
