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
/// Its rows are lent in disjoint ranges, so that several threads can write at once. The backend chose
/// the stride.
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

/// The rows of a picture, read-only, for as long as this is held.
pub struct Reference {
    planes: Vec<Rows>,
}

impl Reference {
    /// For backends.
    ///
    /// # Errors
    /// [`Error::Internal`] if rows are lent for writing.
    pub fn new(planes: &[Arc<PlaneMemory>]) -> Result<Self, Error> {
        let read = |plane: &Arc<PlaneMemory>| PlaneMemory::read(plane);
        let planes = planes.iter().map(read).collect::<Result<_, Lent>>();
        let planes = planes.map_err(|_| Error::Internal("rows are still lent".into()))?;
        Ok(Reference { planes })
    }

    /// The planes, in order.
    pub fn planes(&self) -> &[Rows] {
        &self.planes
    }
}
