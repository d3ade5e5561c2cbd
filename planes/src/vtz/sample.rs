use std::fmt::Debug;

/// Bytes for 8 bits, `u16` for ten. Prediction is exact arithmetic on them: modulo 256 for 8 bits,
/// on integers and then modulo 1024 for ten.
pub(crate) trait Sample: Copy + Default + Eq + Debug + Send + Sync + 'static {
    /// What stands for the samples that a slice's first row and column do not have.
    const MIDDLE: Self;

    /// The median of left, up and left + up − up-left, as it is for the format's arithmetic.
    fn median(left: Self, up: Self, up_left: Self) -> Self;

    /// The mean of left and up, rounded up.
    fn average(left: Self, up: Self) -> Self;

    /// The reference's sample plus the median of what its neighbours have changed by: each pair is
    /// a neighbour and the reference's sample at the same place.
    fn moved(reference: Self, left: [Self; 2], up: [Self; 2], up_left: [Self; 2]) -> Self;

    /// What is coded, in two's complement. The prediction may lie outside the range of samples.
    fn residual(self, prediction: Self) -> Self;

    /// The sample again.
    fn restore(prediction: Self, residual: Self) -> Self;

    /// |residual|.
    fn magnitude(self) -> u32;
}

impl Sample for u8 {
    const MIDDLE: Self = 128;

    fn median(left: Self, up: Self, up_left: Self) -> Self {
        let gradient = left.wrapping_add(up).wrapping_sub(up_left);
        left.min(up).max(left.max(up).min(gradient))
    }

    fn average(left: Self, up: Self) -> Self {
        (u16::from(left) + u16::from(up)).div_ceil(2) as u8
    }

    fn moved(reference: Self, left: [Self; 2], up: [Self; 2], up_left: [Self; 2]) -> Self {
        // Around 128, so that small changes of either sign are near each other.
        let change = |[now, then]: [Self; 2]| now.wrapping_sub(then) ^ 0x80;
        let median = Self::median(change(left), change(up), change(up_left)) ^ 0x80;
        reference.wrapping_add(median)
    }

    fn residual(self, prediction: Self) -> Self {
        self.wrapping_sub(prediction)
    }

    fn restore(prediction: Self, residual: Self) -> Self {
        prediction.wrapping_add(residual)
    }

    fn magnitude(self) -> u32 {
        u32::from(self.min(self.wrapping_neg()))
    }
}

impl Sample for u16 {
    const MIDDLE: Self = 512;

    fn median(left: Self, up: Self, up_left: Self) -> Self {
        let [left, up, up_left] = [left, up, up_left].map(|sample| sample as i16);
        let gradient = left.wrapping_add(up).wrapping_sub(up_left);
        left.min(up).max(left.max(up).min(gradient)) as Self
    }

    fn average(left: Self, up: Self) -> Self {
        (u32::from(left) + u32::from(up)).div_ceil(2) as Self
    }

    fn moved(reference: Self, left: [Self; 2], up: [Self; 2], up_left: [Self; 2]) -> Self {
        let change = |[now, then]: [Self; 2]| now.wrapping_sub(then);
        reference.wrapping_add(Self::median(change(left), change(up), change(up_left)))
    }

    fn residual(self, prediction: Self) -> Self {
        // The sign of the tenth bit, through all of them.
        (((self.wrapping_sub(prediction) << 6) as i16) >> 6) as Self
    }

    fn restore(prediction: Self, residual: Self) -> Self {
        prediction.wrapping_add(residual) & 0x3ff
    }

    fn magnitude(self) -> u32 {
        u32::from((self as i16).unsigned_abs())
    }
}
