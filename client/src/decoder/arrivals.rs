//! Pictures from their first byte until the caller has them.

use std::collections::VecDeque;

use vtremote_proto::NO_PTS;

use super::Picture;
use super::pool::Memory;
use crate::Geometry;

/// Pictures that come in, wait for workers, for their turn, or for the caller. They are numbered in
/// the order in which they begin, which is that in which the server sends them.
#[derive(Default)]
pub(crate) struct Arrivals {
    slots: Vec<Slot>,
    begun: u64,
    /// The order of showing, as far as it is certain.
    order: VecDeque<u64>,
}

struct Slot {
    number: u64,
    pts: i64,
    duration: i64,
    geometry: Geometry,
    side_data: Vec<(u32, Vec<u8>)>,
    memory: Memory,
    /// Parts of it that workers have.
    jobs: usize,
    /// All of its bytes are here.
    whole: bool,
    /// A part of it could not be unpacked.
    broken: bool,
}

/// What there is for the caller.
pub(crate) enum Next {
    Picture(Picture),
    /// Workers have parts of it.
    Soon,
    Nothing,
}

impl Arrivals {
    /// The number of the picture that begins next.
    pub(crate) fn next_number(&self) -> u64 {
        self.begun
    }

    /// A picture begins.
    pub(crate) fn begin(&mut self, pts: i64, duration: i64, geometry: Geometry, memory: Memory) {
        let number = self.begun;
        self.begun += 1;
        let (side_data, jobs, whole, broken) = (Vec::new(), 0, false, false);
        self.slots.push(Slot {
            number,
            pts,
            duration,
            geometry,
            side_data,
            memory,
            jobs,
            whole,
            broken,
        });
    }

    /// A worker gets a part of this picture.
    pub(crate) fn job_begins(&mut self, number: u64) {
        if let Some(slot) = self.slot(number) {
            slot.jobs += 1;
        }
    }

    /// A worker is done with a part. If that failed, gives the picture's pts.
    pub(crate) fn job_ends(&mut self, number: u64, good: bool) -> Option<i64> {
        let slot = self.slot(number)?;
        slot.jobs = slot.jobs.saturating_sub(1);
        slot.broken |= !good;
        (!good).then_some(slot.pts)
    }

    /// Side data of the picture.
    pub(crate) fn side_data<'a>(
        &mut self,
        number: u64,
        records: impl Iterator<Item = (u32, &'a [u8])>,
    ) {
        if let Some(slot) = self.slot(number) {
            slot.side_data.extend(records.map(|(kind, data)| (kind, data.to_vec())));
        }
    }

    /// All bytes of the picture have come. Gives its pts.
    pub(crate) fn whole(&mut self, number: u64) -> Option<i64> {
        let slot = self.slot(number)?;
        slot.whole = true;
        Some(slot.pts)
    }

    /// The picture of this number is the next to be shown.
    pub(crate) fn show(&mut self, number: u64) {
        self.order.push_back(number);
    }

    /// How many pictures there are, those included whose turn is not known.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// The memory of those.
    pub(crate) fn bytes(&self) -> u64 {
        self.slots.iter().map(|slot| slot.memory.bytes()).sum()
    }

    /// How many wait for nothing but the caller, and perhaps workers.
    pub(crate) fn waiting(&self) -> usize {
        self.order.len()
    }

    /// Whether there is a picture for the caller, now or as soon as workers are done with it.
    pub(crate) fn ready(&self) -> bool {
        let first = self.order.front();
        first.is_some_and(|number| {
            self.slots.iter().any(|slot| slot.number == *number && slot.whole && !slot.broken)
        })
    }

    /// What there is for the caller.
    pub(crate) fn next(&mut self) -> Next {
        let Some(&number) = self.order.front() else { return Next::Nothing };
        let Some(at) = self.slots.iter().position(|slot| slot.number == number) else {
            return Next::Nothing;
        };
        let slot = &mut self.slots[at];
        if slot.broken || !slot.whole {
            return Next::Nothing;
        }
        if slot.jobs > 0 || slot.memory.complete().is_err() {
            return Next::Soon;
        }
        self.order.pop_front();
        // The order of the slots has no meaning but for being found soon: the oldest goes most often.
        let Slot { pts, duration, geometry, side_data, memory, .. } = self.slots.remove(at);
        let pts = (pts != NO_PTS).then_some(pts);
        Next::Picture(Picture { pts, duration, geometry, side_data, memory })
    }

    fn slot(&mut self, number: u64) -> Option<&mut Slot> {
        self.slots.iter_mut().rev().find(|slot| slot.number == number)
    }
}
