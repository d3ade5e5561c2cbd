use super::sample::Sample;
use crate::STRIP_ROWS;
use std::collections::TryReserveError;

/// Columns beside the picture that the vector kernels may read and write.
const LEFT: usize = 32;
const RIGHT: usize = 64;

/// Rows of the picture in a strip, and lanes of the wavefront.
pub(crate) const LANES: usize = STRIP_ROWS;

/// Steps of a tile: as long as predictors are chosen for at once.
pub(crate) const TILE: usize = 16;

/// Residuals that are coded in one class: four steps.
pub(crate) const BLOCK: usize = 64;

/// Steps of the wavefront over rows of that width. At step t, lane i is at column t − i.
pub(crate) fn steps(width: usize) -> usize {
    (width + LANES - 1).next_multiple_of(TILE)
}

/// Tiles of a strip of that width.
pub(crate) fn tiles(width: usize) -> usize {
    steps(width) / TILE
}

/// Blocks of a strip of that width.
pub(crate) fn blocks(width: usize) -> usize {
    steps(width) * LANES / BLOCK
}

/// The row above a strip and its sixteen rows, of one component, with room on both sides.
#[derive(Default)]
pub(crate) struct Strip<S> {
    samples: Vec<S>,
    width: usize,
    stride: usize,
}

impl<S: Sample> Strip<S> {
    /// Makes it one of that width; content is undefined. Allocates only where no strip as large as
    /// `largest` was here before.
    pub(crate) fn fit(&mut self, width: usize, largest: usize) {
        debug_assert!(0 < width && width <= largest);
        let len = Self::len(largest);
        if self.samples.len() < len {
            self.samples.resize(len, S::MIDDLE);
        }
        (self.width, self.stride) = (width, LEFT + width + RIGHT);
    }

    /// The same where there may be no memory for it.
    pub(crate) fn try_fit(&mut self, width: usize, largest: usize) -> Result<(), TryReserveError> {
        self.samples.try_reserve_exact(Self::len(largest).saturating_sub(self.samples.len()))?;
        self.fit(width, largest);
        Ok(())
    }

    fn len(largest: usize) -> usize {
        (LEFT + largest + RIGHT) * (LANES + 1)
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// The picture's columns of a row: 0 is the row above, 1 to 16 those of the strip.
    pub(crate) fn row(&self, row: usize) -> &[S] {
        &self.samples[row * self.stride + LEFT..][..self.width]
    }

    pub(crate) fn row_mut(&mut self, row: usize) -> &mut [S] {
        &mut self.samples[row * self.stride + LEFT..][..self.width]
    }

    /// The samples with all that is beside them, for kernels.
    pub(crate) fn samples(&self) -> &[S] {
        &self.samples
    }

    pub(crate) fn samples_mut(&mut self) -> &mut [S] {
        &mut self.samples
    }

    /// Where in [`samples`](Self::samples) a row's column is. Columns −31 to width + 63 exist.
    pub(crate) fn index(&self, row: usize, column: isize) -> usize {
        (row * self.stride + LEFT).wrapping_add_signed(column)
    }

    /// What is left of every row: the first sample of the row above.
    pub(crate) fn corner(&self) -> S {
        self.samples[LEFT]
    }

    /// Fills what is left of every row.
    pub(crate) fn pad_left(&mut self, with: S) {
        for row in self.samples.chunks_exact_mut(self.stride).take(LANES + 1) {
            row[..LEFT].fill(with);
        }
    }

    /// Repeats the last sample of the row above and of the first `rows` rows to the right.
    pub(crate) fn pad_right(&mut self, rows: usize) {
        let end = LEFT + self.width;
        for row in self.samples.chunks_exact_mut(self.stride).take(rows + 1) {
            let last = row[end - 1];
            row[end..].fill(last);
        }
    }
}
