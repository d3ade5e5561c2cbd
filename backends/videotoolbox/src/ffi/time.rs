//! CMTime.

use objc2_core_media::{CMTime, CMTimeFlags};

/// A time or a duration, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Time {
    value: i64,
    timescale: i32,
}

impl Time {
    /// Not valid: no duration is known, or all frames are meant.
    pub(crate) const NONE: Self = Time { value: 0, timescale: 0 };

    /// `value / timescale` seconds.
    pub(crate) fn new(value: i64, timescale: i32) -> Self {
        Time { value, timescale }
    }

    /// None for a time that is not valid.
    pub(super) fn read(time: CMTime) -> Option<Self> {
        let CMTime { value, timescale, flags, .. } = time;
        let numeric = flags & (CMTimeFlags::Valid | CMTimeFlags::ImpliedValueFlagsMask);
        (numeric == CMTimeFlags::Valid && timescale > 0).then_some(Time { value, timescale })
    }

    pub(crate) fn is_before(self, other: Self) -> bool {
        let times = |value: i64, scale: i32| i128::from(value) * i128::from(scale);
        times(self.value, other.timescale) < times(other.value, self.timescale)
    }

    /// In seconds.
    pub(crate) fn seconds(self) -> f64 {
        self.value as f64 / f64::from(self.timescale)
    }

    pub(super) fn raw(self) -> CMTime {
        let valid = self.timescale > 0;
        let flags = if valid { CMTimeFlags::Valid } else { CMTimeFlags::empty() };
        CMTime { value: self.value, timescale: self.timescale, flags, epoch: 0 }
    }
}
