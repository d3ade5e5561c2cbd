use crate::memory::{Lent, PlaneMemory, Rows, RowsMut};
use crate::{Error, PixelFormat, PlaneShape};
use std::any::Any;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// The planes of a picture, in order.
pub type Planes = Vec<Arc<PlaneMemory>>;

/// What a backend puts into a picture to find it again in [`crate::Encoder::submit`].
pub type Own = Box<dyn Any + Send>;

/// A picture of the encoder's own memory, to be filled from outside.
///
/// Its rows are lent in disjoint ranges, so that several threads can write at once. The backend
/// chose the stride.
pub struct Picture {
    planes: Planes,
    own: Own,
}

impl Picture {
    /// For backends: planes, and what the backend wants to find again.
    pub fn new(planes: Planes, own: Own) -> Self {
        Picture { planes, own }
    }

    /// A picture of ordinary memory, rows `align` bytes apart or a multiple of it.
    pub fn allocate(format: PixelFormat, width: u32, height: u32, align: usize, own: Own) -> Self {
        let planes = format.planes(width, height).into_iter();
        Picture {
            planes: planes.map(|shape| Arc::new(PlaneMemory::allocate(shape, align))).collect(),
            own,
        }
    }

    /// How many planes there are.
    pub fn plane_count(&self) -> usize {
        self.planes.len()
    }

    /// The shape and stride of a plane.
    pub fn plane(&self, index: usize) -> Option<(PlaneShape, usize)> {
        self.planes.get(index).map(|plane| (plane.shape(), plane.stride()))
    }

    /// Rows to write to. They come back when the returned handle is dropped.
    ///
    /// # Errors
    /// [`Lent`] if there is no such plane, no such rows, or some of them are lent already.
    pub fn lend(&self, plane: usize, rows: Range<usize>) -> Result<RowsMut, Lent> {
        PlaneMemory::lend(self.planes.get(plane).ok_or(Lent)?, rows)
    }

    /// For backends: the planes as they were filled, and what the backend had put in.
    ///
    /// # Errors
    /// [`Error::Internal`] if rows are still lent.
    pub fn take(self) -> Result<(Planes, Own), Error> {
        match self.planes.iter().position(|plane| plane.is_lent()) {
            Some(plane) => Err(Error::Internal(format!("rows of plane {plane} are still lent"))),
            None => Ok((self.planes, self.own)),
        }
    }
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Picture").field("planes", &self.planes).finish_non_exhaustive()
    }
}

/// The rows of a picture, read-only, for as long as this or a clone of it is held.
///
/// It can be shared: several threads may read at once. A clone is the same picture and costs no memory.
#[derive(Clone)]
pub struct Reference(Arc<Held>);

struct Held {
    rows: HeldRows,
    // After the rows: when the backend hears of its drop, they are free already.
    _own: Option<Box<dyn Any + Send + Sync>>,
}

/// The common numbers of planes need no memory besides the reference's.
enum HeldRows {
    One([Rows; 1]),
    Two([Rows; 2]),
    Any(Vec<Rows>),
}

impl Reference {
    /// For backends.
    ///
    /// # Errors
    /// [`Error::Internal`] if rows are lent for writing.
    pub fn new(planes: &[Arc<PlaneMemory>]) -> Result<Self, Error> {
        Self::new_with(planes, None)
    }

    /// For backends: the same, and something that is dropped after the rows were given back, so
    /// that a backend which waits for the memory can be woken.
    ///
    /// # Errors
    /// As [`Reference::new`].
    pub fn holding(
        planes: &[Arc<PlaneMemory>],
        own: Box<dyn Any + Send + Sync>,
    ) -> Result<Self, Error> {
        Self::new_with(planes, Some(own))
    }

    fn new_with(
        planes: &[Arc<PlaneMemory>],
        own: Option<Box<dyn Any + Send + Sync>>,
    ) -> Result<Self, Error> {
        let read = |plane: &Arc<PlaneMemory>| {
            let lent = |_: Lent| Error::Internal("rows are still lent".into());
            PlaneMemory::read(plane).map_err(lent)
        };
        let rows = match planes {
            [plane] => HeldRows::One([read(plane)?]),
            [luma, chroma] => HeldRows::Two([read(luma)?, read(chroma)?]),
            planes => HeldRows::Any(planes.iter().map(read).collect::<Result<_, _>>()?),
        };
        Ok(Reference(Arc::new(Held { rows, _own: own })))
    }

    /// The planes, in order.
    pub fn planes(&self) -> &[Rows] {
        match &self.0.rows {
            HeldRows::One(rows) => rows,
            HeldRows::Two(rows) => rows,
            HeldRows::Any(rows) => rows,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PlaneShape;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn a_reference_gives_its_rows_back_before_what_it_holds() {
        struct Watch(Arc<PlaneMemory>, Arc<AtomicBool>);
        impl Drop for Watch {
            fn drop(&mut self) {
                self.1.store(PlaneMemory::lend(&self.0, 0..2).is_ok(), Ordering::Relaxed);
            }
        }
        let plane = Arc::new(PlaneMemory::allocate(PlaneShape { row_bytes: 4, rows: 2 }, 1));
        let free = Arc::new(AtomicBool::new(false));
        let watch = Watch(Arc::clone(&plane), Arc::clone(&free));
        let first = Reference::holding(std::slice::from_ref(&plane), Box::new(watch)).unwrap();
        let second = first.clone();
        drop(first);
        assert!(PlaneMemory::lend(&plane, 0..2).is_err() && second.planes().len() == 1);
        drop(second);
        assert!(free.load(Ordering::Relaxed));
    }

    #[test]
    fn a_picture_with_lent_rows_is_not_taken() {
        let picture = Picture::allocate(PixelFormat::Nv12, 4, 4, 1, Box::new(()));
        let rows = picture.lend(1, 0..1).unwrap();
        assert!(matches!(picture.take(), Err(Error::Internal(_))));
        drop(rows);
    }
}
