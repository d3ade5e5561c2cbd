//! The memory of pictures, which is used again.

use std::mem::take;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vtremote_backend::{Lent, OutOfMemory, PlaneMemory, PlaneShape, Rows};

use crate::Geometry;

/// Rows begin at multiples of so many bytes, and as many lie behind each plane: FFmpeg's filters read
/// such pictures where they are.
const ALIGN: usize = 64;

/// Where the memory of pictures comes from, and where it returns to from whatever thread drops it.
pub(crate) struct Pool {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    idle: Vec<Planes>,
    /// How many idle ones are worth keeping.
    keep: usize,
    /// Pictures that exist, lent or idle.
    count: usize,
}

#[derive(Default)]
struct Planes {
    memory: Vec<Arc<PlaneMemory>>,
    /// Once the picture is complete.
    rows: Vec<Rows>,
}

impl Pool {
    /// A pool that keeps at most `keep` pictures that nobody has.
    pub(crate) fn new(keep: usize) -> Arc<Self> {
        let state = State { idle: Vec::with_capacity(keep), keep, count: 0 };
        Arc::new(Self { state: Mutex::new(state) })
    }

    /// From now on at most `keep` pictures that nobody has are kept.
    pub(crate) fn keep(&self, keep: usize) {
        let mut state = self.lock();
        state.keep = keep;
        let more = keep.saturating_sub(state.idle.len());
        state.idle.reserve(more);
    }

    /// Memory for such a picture, with what an earlier one left in it.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn take(self: &Arc<Self>, geometry: &Geometry) -> Result<Memory, OutOfMemory> {
        let Geometry { width, height, format, .. } = *geometry;
        let shapes = (0..format.planes()).map(|plane| {
            let (row_bytes, rows) = format.plane_layout(width, height, plane);
            PlaneShape { row_bytes, rows }
        });
        let mut state = self.lock();
        let idle = state.idle.pop();
        let fits = |planes: &Planes| shapes.clone().eq(planes.memory.iter().map(|it| it.shape()));
        let (mut planes, unfit) = match idle {
            Some(planes) if fits(&planes) => (planes, Vec::new()),
            // With the stream's size the rest of them have had their day too.
            Some(planes) => {
                let mut unfit = take(&mut state.idle);
                unfit.push(planes);
                (Planes::default(), unfit)
            }
            None => (Planes::default(), Vec::new()),
        };
        state.count -= unfit.len();
        drop(state);
        drop(unfit);
        if planes.memory.is_empty() {
            let allocate = |shape| PlaneMemory::try_allocate(shape, ALIGN).map(Arc::new);
            planes.memory = shapes.map(allocate).collect::<Result<_, _>>()?;
            self.lock().count += 1;
        }
        Ok(Memory { planes, home: self.clone() })
    }

    /// Nothing is worth keeping any more.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.keep = 0;
        let idle = take(&mut state.idle);
        state.count -= idle.len();
        drop(state);
        drop(idle);
    }

    /// How many pictures' memory there is.
    pub(crate) fn count(&self) -> usize {
        self.lock().count
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A thread that panics between these few lines leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The planes of one picture; they go back to their pool when this is dropped.
pub(crate) struct Memory {
    planes: Planes,
    home: Arc<Pool>,
}

impl Memory {
    /// The planes, to be written to.
    pub(crate) fn planes(&self) -> &[Arc<PlaneMemory>] {
        &self.planes.memory
    }

    /// How much it is.
    pub(crate) fn bytes(&self) -> u64 {
        let bytes = |plane: &Arc<PlaneMemory>| plane.stride() * plane.shape().rows;
        self.planes.memory.iter().map(bytes).sum::<usize>() as u64
    }

    /// From now on it is only read.
    ///
    /// # Errors
    /// Somebody still writes to it.
    pub(crate) fn complete(&mut self) -> Result<(), Lent> {
        let Planes { memory, rows } = &mut self.planes;
        rows.clear();
        for plane in memory {
            let read = PlaneMemory::read(plane).inspect_err(|_| rows.clear());
            rows.push(read?);
        }
        Ok(())
    }

    /// The planes, once it is complete.
    pub(crate) fn rows(&self) -> &[Rows] {
        &self.planes.rows
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let mut planes = take(&mut self.planes);
        planes.rows.clear();
        let mut state = self.home.lock();
        if state.idle.len() < state.keep {
            state.idle.push(planes);
        } else {
            state.count -= 1;
            drop(state);
            drop(planes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vtremote_proto::PixelFormat;

    fn geometry(width: u32, height: u32) -> Geometry {
        Geometry::new(width, height, PixelFormat::Nv12)
    }

    fn address(memory: &Memory) -> usize {
        PlaneMemory::read(&memory.planes()[0]).unwrap().bytes().as_ptr().addr()
    }

    #[test]
    fn memory_is_used_again_and_no_more_is_kept_than_is_worth_it() {
        let pool = Pool::new(1);
        let (first, second) =
            (pool.take(&geometry(64, 64)).unwrap(), pool.take(&geometry(64, 64)).unwrap());
        assert_eq!(pool.count(), 2);
        let kept = address(&first);
        drop(first);
        drop(second);
        assert_eq!(pool.count(), 1);
        assert_eq!(address(&pool.take(&geometry(64, 64)).unwrap()), kept);
    }

    #[test]
    fn with_another_size_all_of_the_old_one_goes() {
        let pool = Pool::new(4);
        let old: Vec<_> = (0..3).map(|_| pool.take(&geometry(64, 64)).unwrap()).collect();
        drop(old);
        assert_eq!(pool.count(), 3);
        let new = pool.take(&geometry(32, 64)).unwrap();
        assert_eq!((pool.count(), new.planes()[0].shape().row_bytes), (1, 32));
    }

    #[test]
    fn a_picture_for_which_there_is_no_memory_is_an_error_and_none_is_counted() {
        let pool = Pool::new(4);
        assert!(pool.take(&geometry(u32::MAX, u32::MAX)).is_err());
        assert_eq!(pool.count(), 0);
    }

    #[test]
    fn what_is_still_lent_when_the_pool_closes_is_freed_when_it_comes_back() {
        let pool = Pool::new(4);
        let (idle, lent) =
            (pool.take(&geometry(8, 8)).unwrap(), pool.take(&geometry(8, 8)).unwrap());
        drop(idle);
        pool.close();
        assert_eq!(pool.count(), 1);
        drop(lent);
        assert_eq!(pool.count(), 0);
    }

    #[test]
    fn what_is_complete_is_not_written_to() {
        let pool = Pool::new(1);
        let mut memory = pool.take(&geometry(8, 8)).unwrap();
        let lent = PlaneMemory::lend(&memory.planes()[1], 0..1).unwrap();
        assert!(memory.complete().is_err());
        drop((lent, PlaneMemory::lend(&memory.planes()[0], 0..1).unwrap()));
        memory.complete().unwrap();
        assert_eq!(memory.rows().len(), 2, "what was tried before leaves nothing");
        assert!(PlaneMemory::lend(&memory.planes()[0], 0..1).is_err());
    }
}
