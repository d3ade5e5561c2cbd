//! What slices of a frame share, at both ends.

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::depth::Depth;
use super::format::{Geometry, Plane};
use super::strip::Strip;
use crate::{Error, Layout, STRIP_ROWS};

/// How a slice's data is to be read; the numbers are those of SLICE (docs/protocol.md, vtz).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Mode {
    /// The rows as they are.
    Raw = 1,
    /// The reference's rows; no data.
    Copy = 2,
    /// Residuals as bit planes: fast.
    Bits = 3,
    /// Residuals in Huffman codes: small.
    Huffman = 4,
}

impl Mode {
    /// The mode of that number, if there is one.
    pub fn from_wire(number: u8) -> Option<Self> {
        [Self::Raw, Self::Copy, Self::Bits, Self::Huffman]
            .into_iter()
            .find(|mode| *mode as u8 == number)
    }
}

/// Set in the first byte of a frame's head: tables follow.
pub(crate) const HAS_TABLES: u8 = 1;
/// Set there too: the next frame may refer to this one.
pub(crate) const IS_KEPT: u8 = 2;

/// The samples of the frame that may be referred to, strip by strip. Slices of one frame on several
/// threads have different strips, so that nobody waits for a lock.
pub(crate) enum References {
    Eight(Strips<u8>),
    Ten(Strips<u16>),
}

pub(crate) struct Strips<S> {
    /// By plane, strip and component.
    planes: Vec<Vec<Mutex<Strip<S>>>>,
}

impl References {
    /// Without any memory for samples yet.
    pub(crate) fn new(geometry: Geometry) -> Self {
        if geometry.format.is_ten_bit() {
            Self::Ten(Strips::new(geometry))
        } else {
            Self::Eight(Strips::new(geometry))
        }
    }

    /// Takes the memory for samples, once: how much, the peer may have said.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub(crate) fn reserve(&self, geometry: Geometry) -> Result<(), Error> {
        match self {
            Self::Eight(strips) => strips.reserve(geometry),
            Self::Ten(strips) => strips.reserve(geometry),
        }
    }
}

impl<S: Depth> Strips<S> {
    fn new(geometry: Geometry) -> Self {
        let planes = (0..geometry.format.planes()).map(|plane| {
            let Plane { components, rows, .. } = geometry.plane(plane);
            let strips = rows.div_ceil(STRIP_ROWS) * components.len();
            (0..strips).map(|_| Mutex::default()).collect()
        });
        Self { planes: planes.collect() }
    }

    fn reserve(&self, geometry: Geometry) -> Result<(), Error> {
        for (plane, strips) in self.planes.iter().enumerate() {
            let width = geometry.plane(plane).width;
            for strip in strips {
                lock(strip).try_fit(width, geometry.width).map_err(|_| Error::OutOfMemory)?;
            }
        }
        Ok(())
    }

    /// The strip of a component, to look at or to exchange.
    pub(crate) fn strip(
        &self,
        plane: usize,
        components: usize,
        strip: usize,
        component: usize,
    ) -> MutexGuard<'_, Strip<S>> {
        lock(&self.planes[plane][strip * components + component])
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Samples are samples; a thread that panicked has failed its own frame.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether rows are a slice: whole strips, but for what the last one lacks, and at least one row.
pub(crate) fn check_slice(rows: &Range<usize>, layout: Layout) -> Result<(), Error> {
    let whole = |edge: usize| edge.is_multiple_of(STRIP_ROWS);
    if rows.start < rows.end
        && rows.end <= layout.rows
        && whole(rows.start)
        && (whole(rows.end) || rows.end == layout.rows)
    {
        return Ok(());
    }
    Err(Error::Rows { start: rows.start, end: rows.end, rows: layout.rows })
}
