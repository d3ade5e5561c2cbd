//! PACE, of `x.pace.v1` (docs/protocol.md section 9).

use std::time::Duration;

use crate::error::ReadError;
use crate::message::MessageType;
use crate::wire::Reader;

/// From the end that receives pictures: how far it is, and what held it up. All but the threads are totals
/// since the session began, which wrap with their field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// Pictures that were unpacked and handed on.
    pub pictures: u32,
    /// Threads that unpack.
    pub threads: u32,
    /// What unpacking took all of them together, in microseconds.
    pub unpacking_us: u32,
    /// How long nothing was read since unpacking was behind, in microseconds.
    pub behind_us: u32,
    /// How long nothing was read since whoever gets the pictures had no room, in microseconds.
    pub full_us: u32,
}

impl Pace {
    /// Bytes of its payload.
    const LEN: u32 = 20;

    /// With times as they are counted.
    pub fn new(
        pictures: u32,
        threads: u32,
        unpacking: Duration,
        behind: Duration,
        full: Duration,
    ) -> Self {
        // The totals wrap.
        let micros = |time: Duration| time.as_micros() as u32;
        let (unpacking_us, behind_us, full_us) = (micros(unpacking), micros(behind), micros(full));
        Self { pictures, threads, unpacking_us, behind_us, full_us }
    }

    /// What was added since `before`.
    pub fn since(&self, before: &Self) -> Self {
        Self {
            pictures: self.pictures.wrapping_sub(before.pictures),
            threads: self.threads,
            unpacking_us: self.unpacking_us.wrapping_sub(before.unpacking_us),
            behind_us: self.behind_us.wrapping_sub(before.behind_us),
            full_us: self.full_us.wrapping_sub(before.full_us),
        }
    }

    /// Appends the message to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&MessageType::Pace.header(Self::LEN));
        let Self { pictures, threads, unpacking_us, behind_us, full_us } = *self;
        for field in [pictures, threads, unpacking_us, behind_us, full_us] {
            out.extend_from_slice(&field.to_be_bytes());
        }
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ReadError> {
        let pace = Self {
            pictures: r.u32("pictures")?,
            threads: r.u32("threads")?,
            unpacking_us: r.u32("unpacking_us")?,
            behind_us: r.u32("behind_us")?,
            full_us: r.u32("full_us")?,
        };
        r.end()?;
        Ok(pace)
    }
}
