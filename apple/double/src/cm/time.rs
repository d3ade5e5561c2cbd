/// A CMTime.
#[repr(C, packed(4))]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Time {
    pub(crate) value: i64,
    pub(crate) timescale: i32,
    flags: u32,
    epoch: i64,
}

const VALID: u32 = 1;
const INDEFINITE: u32 = 1 << 4;
const INFINITE: u32 = 1 << 2 | 1 << 3;

impl Time {
    pub(crate) const INVALID: Time = Time { value: 0, timescale: 0, flags: 0, epoch: 0 };

    /// Whether it is a point in time, and not none or infinity.
    pub(crate) fn is_numeric(self) -> bool {
        let (flags, timescale) = (self.flags, self.timescale);
        flags & VALID != 0 && flags & (INDEFINITE | INFINITE) == 0 && timescale > 0
    }

    /// Whether it is earlier than another point in time.
    pub(crate) fn is_before(self, other: Time) -> bool {
        let (value, timescale) = (i128::from(self.value), i128::from(self.timescale));
        let (theirs, their_scale) = (i128::from(other.value), i128::from(other.timescale));
        value * their_scale < theirs * timescale
    }
}
