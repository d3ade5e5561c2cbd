//! PACE, of `x.pace.v1` (docs/protocol.md section 9).

use std::time::Duration;

use crate::error::ReadError;
use crate::message::{HEADER_LEN, MessageType};
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
    /// How long more was waited for of a picture that had begun, in microseconds.
    pub amid_us: u32,
}

/// What a receiver of pictures counts, since the session began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PaceTimes {
    /// What unpacking took all threads together.
    pub unpacking: Duration,
    /// How long nothing was read since unpacking was behind.
    pub behind: Duration,
    /// How long nothing was read since whoever gets the pictures had no room.
    pub full: Duration,
    /// How long more was waited for of a picture that had begun.
    pub amid: Duration,
}

impl Pace {
    /// Bytes of its payload.
    const LEN: u32 = 24;

    /// With times as they are counted.
    pub fn new(pictures: u32, threads: usize, times: &PaceTimes) -> Self {
        let micros = |time: Duration| time.as_micros() as u32;
        Self {
            pictures,
            threads: u32::try_from(threads).unwrap_or(u32::MAX),
            unpacking_us: micros(times.unpacking),
            behind_us: micros(times.behind),
            full_us: micros(times.full),
            amid_us: micros(times.amid),
        }
    }

    /// The times in it.
    pub fn times(&self) -> PaceTimes {
        let time = |micros: u32| Duration::from_micros(micros.into());
        PaceTimes {
            unpacking: time(self.unpacking_us),
            behind: time(self.behind_us),
            full: time(self.full_us),
            amid: time(self.amid_us),
        }
    }

    /// What was added since `before`.
    pub fn since(&self, before: &Self) -> Self {
        Self {
            pictures: self.pictures.wrapping_sub(before.pictures),
            threads: self.threads,
            unpacking_us: self.unpacking_us.wrapping_sub(before.unpacking_us),
            behind_us: self.behind_us.wrapping_sub(before.behind_us),
            full_us: self.full_us.wrapping_sub(before.full_us),
            amid_us: self.amid_us.wrapping_sub(before.amid_us),
        }
    }

    /// Appends the message to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.reserve(HEADER_LEN + Self::LEN as usize);
        out.extend_from_slice(&MessageType::Pace.header(Self::LEN));
        let Self { pictures, threads, unpacking_us, behind_us, full_us, amid_us } = *self;
        for field in [pictures, threads, unpacking_us, behind_us, full_us, amid_us] {
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
            amid_us: r.u32("amid_us")?,
        };
        r.end()?;
        Ok(pace)
    }
}
