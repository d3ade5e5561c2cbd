//! Parameter sets and slices that the encoders at hand do not write.

/// The fields of a NAL unit.
#[derive(Clone, Default)]
pub(crate) struct Writer(Vec<bool>);

impl Writer {
    pub(crate) fn u(mut self, bits: u32, value: u64) -> Self {
        self.0.extend((0..bits).rev().map(|bit| value >> bit & 1 == 1));
        self
    }

    pub(crate) fn flags(self, flags: &[u8]) -> Self {
        flags.iter().fold(self, |all, &flag| all.u(1, flag.into()))
    }

    pub(crate) fn ue(self, value: u64) -> Self {
        let bits = (value + 1).ilog2();
        self.u(bits, 0).u(bits + 1, value + 1)
    }

    pub(crate) fn ues(self, values: &[u64]) -> Self {
        values.iter().fold(self, |all, &value| all.ue(value))
    }

    pub(crate) fn se(self, value: i64) -> Self {
        self.ue(if value > 0 { 2 * value as u64 - 1 } else { 2 * value.unsigned_abs() })
    }

    pub(crate) fn ses(self, values: &[i64]) -> Self {
        values.iter().fold(self, |all, &value| all.se(value))
    }

    pub(crate) fn with(self, more: impl FnOnce(Self) -> Self) -> Self {
        more(self)
    }

    /// With the stop bit and emulation prevention.
    pub(crate) fn nal(mut self, header: &[u8]) -> Vec<u8> {
        self.0.push(true);
        let mut nal = header.to_vec();
        for byte in self.0.chunks(8) {
            let byte =
                byte.iter().enumerate().fold(0, |all, (at, &bit)| all | u8::from(bit) << (7 - at));
            if byte <= 3 && nal.ends_with(&[0, 0]) {
                nal.push(3);
            }
            nal.push(byte);
        }
        nal
    }
}
