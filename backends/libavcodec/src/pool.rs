//! Pictures whose memory is used again and again.
//!
//! A picture's memory is its pool's again when everybody has let go of it, in whatever order: the
//! one who fills it, the one who holds a reference, and libavcodec, which may keep a frame for as
//! long as it reorders.

use crate::ffi::Block;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use vtremote_backend::{PlaneShape, Planes};

/// At most so many pictures.
pub(crate) struct Pool {
    shelf: Arc<Shelf>,
}

struct Shelf {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// Of the pictures that are given; those of earlier shapes may still be out.
    shapes: Arc<[PlaneShape]>,
    /// Of these shapes.
    free: Vec<Block>,
    /// How many more may be made.
    unmade: usize,
    closed: bool,
}

impl Pool {
    /// Memory is taken when it is first needed.
    pub(crate) fn new(shapes: Vec<PlaneShape>, pictures: usize) -> Self {
        let state =
            State { shapes: shapes.into(), free: Vec::new(), unmade: pictures, closed: false };
        let shelf = Shelf { state: Mutex::new(state), changed: Condvar::new() };
        Pool { shelf: Arc::new(shelf) }
    }

    /// From now on pictures have these shapes. There are no more of them for that: those that are
    /// still out, of whatever shapes, count.
    pub(crate) fn reshape(&self, shapes: &[PlaneShape]) {
        let mut state = self.shelf.state();
        if *state.shapes != *shapes {
            state.shapes = shapes.into();
            state.unmade += state.free.len();
            let blocks = std::mem::take(&mut state.free);
            drop(state);
            drop(blocks);
        }
    }

    /// The planes of a picture; `None` if none became free within `wait`, or the pool was closed.
    pub(crate) fn take(&self, wait: Duration) -> Option<Planes> {
        // A wait that does not fit the clock is a wait without end.
        let deadline = Instant::now().checked_add(wait);
        let mut state = self.shelf.state();
        let (block, shapes) = loop {
            if state.closed {
                return None;
            }
            if let Some(block) = state.free.pop() {
                break (block, Arc::clone(&state.shapes));
            }
            if state.unmade > 0 {
                state.unmade -= 1;
                let shapes = Arc::clone(&state.shapes);
                drop(state);
                break (Block::new(&shapes), shapes);
            }
            let left = match deadline {
                Some(deadline) => deadline.saturating_duration_since(Instant::now()),
                None => Duration::MAX,
            };
            if left.is_zero() {
                return None;
            }
            state = self.shelf.wait(state, left);
        };
        let (shelf, of_block) = (Arc::clone(&self.shelf), Arc::clone(&shapes));
        let planes = block.into_planes(&shapes, move |block| shelf.put(block, &of_block));
        Some(planes.into_iter().map(Arc::new).collect())
    }

    /// Wakes everybody who waits; no more pictures are given.
    pub(crate) fn close(&self) {
        self.shelf.state().closed = true;
        self.shelf.changed.notify_all();
    }
}

impl Shelf {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic happens between two changes that belong together.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, block: Block, shapes: &[PlaneShape]) {
        let mut state = self.state();
        if *state.shapes == *shapes {
            state.free.push(block);
        } else {
            state.unmade += 1;
            drop(state);
            drop(block);
        }
        self.changed.notify_one();
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, left: Duration) -> MutexGuard<'a, State> {
        let waited = self.changed.wait_timeout(state, left);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vtremote_backend::{PixelFormat, PlaneMemory};

    fn pool(pictures: usize) -> Pool {
        Pool::new(PixelFormat::Nv12.planes(50, 10), pictures)
    }

    fn take(pool: &Pool) -> Option<Planes> {
        pool.take(Duration::ZERO)
    }

    #[test]
    fn a_picture_is_free_again_when_its_last_plane_is() {
        let pool = pool(1);
        let mut planes = take(&pool).unwrap();
        assert!(take(&pool).is_none());
        let chroma = planes.pop().unwrap();
        drop(planes);
        assert!(take(&pool).is_none());
        let rows = PlaneMemory::read(&chroma).unwrap();
        drop(chroma);
        assert!(take(&pool).is_none());
        drop(rows);
        assert!(take(&pool).is_some());
    }

    #[test]
    fn memory_is_used_again() {
        let pool = pool(3);
        let address = |planes: &Planes| PlaneMemory::read(&planes[0]).unwrap().bytes().as_ptr();
        let first = take(&pool).map(|planes| address(&planes));
        for _ in 0..5 {
            assert_eq!(take(&pool).map(|planes| address(&planes)), first);
        }
    }

    #[test]
    fn pictures_of_earlier_shapes_count_until_they_are_back() {
        let pool = pool(2);
        let (first, second) = (take(&pool), take(&pool));
        let shapes = PixelFormat::P010.planes(20, 6);
        pool.reshape(&shapes);
        assert!(take(&pool).is_none());
        drop(first);
        let other = take(&pool).unwrap();
        assert!(other.iter().map(|plane| plane.shape()).eq(shapes));
        assert!(take(&pool).is_none());
        drop((second, other));
        assert!(take(&pool).is_some());
    }

    #[test]
    fn planes_of_a_picture_do_not_overlap() {
        let pool = pool(1);
        let planes = take(&pool).unwrap();
        for (value, plane) in (1..).zip(&planes) {
            let rows = plane.shape().rows;
            PlaneMemory::lend(plane, 0..rows).unwrap().bytes().fill(value);
        }
        for (value, plane) in (1..).zip(&planes) {
            assert!(PlaneMemory::read(plane).unwrap().bytes().iter().all(|byte| *byte == value));
        }
    }

    #[test]
    fn one_who_waits_gets_what_another_gives_back() {
        let pool = pool(1);
        let planes = take(&pool);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| pool.take(Duration::MAX).is_some());
            drop(planes);
            assert!(waiting.join().unwrap());
        });
    }

    #[test]
    fn closing_wakes_those_who_wait() {
        let pool = pool(0);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| pool.take(Duration::MAX).is_none());
            pool.close();
            assert!(waiting.join().unwrap());
        });
    }
}
