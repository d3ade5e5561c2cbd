//! Where the bytes of a plane or slice go.

use std::io::IoSliceMut;

/// As many as [`vtremote_backend::RawRows`] gives at a time, and what is behind them.
const MOST: usize = 65;

/// Where the bytes of one read go, first place first.
pub(super) struct Places<'a> {
    slices: [IoSliceMut<'a>; MOST],
    count: usize,
}

impl<'a> Places<'a> {
    pub(super) fn new() -> Self {
        Places { slices: std::array::from_fn(|_| IoSliceMut::new(&mut [])), count: 0 }
    }

    /// One more, unless there are as many as one read takes.
    pub(super) fn push(&mut self, place: IoSliceMut<'a>) {
        if let Some(slice) = self.slices.get_mut(self.count) {
            *slice = place;
            self.count += 1;
        }
    }

    pub(super) fn as_mut(&mut self) -> &mut [IoSliceMut<'a>] {
        &mut self.slices[..self.count]
    }

    /// In bytes.
    pub(super) fn len(&self) -> usize {
        self.slices[..self.count].iter().map(|slice| slice.len()).sum()
    }
}

impl<'a> Extend<IoSliceMut<'a>> for Places<'a> {
    fn extend<I: IntoIterator<Item = IoSliceMut<'a>>>(&mut self, places: I) {
        places.into_iter().for_each(|place| self.push(place));
    }
}
