//! Every FRAME of an encode session against its PACKET (docs/protocol.md sections 5 to 7).

use std::collections::BTreeMap;

use crate::{NO_PTS, PacketHead, session::OutputError};

/// How often one FRAME may be repeated. Early clients repeat the one that fills their window once.
const MAX_REPEATS: u32 = 16;

/// What an arriving FRAME is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    New,
    /// The frame just before it once more. If that one's packet went out already, here it is
    /// again, without data.
    Repeat(Option<PacketHead>),
    /// A pts that is still to be answered, and not the one just before.
    Duplicate,
    /// Repeated beyond [`MAX_REPEATS`].
    Excess,
}

/// The frames that wait for their packets.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// pts → how often it was repeated since.
    waiting: BTreeMap<i64, u32>,
    /// Frames without a pts: any packet without one answers one of them.
    unnamed: u64,
    last_frame: Option<LastFrame>,
    last_dts: Option<i64>,
}

#[derive(Debug)]
struct LastFrame {
    pts: i64,
    repeats: u32,
    answer: Option<PacketHead>,
}

impl Answers {
    /// What a FRAME of this pts would be. Repeats are noted; new frames once [`Self::begun`].
    pub(super) fn arrival(&mut self, pts: i64) -> Arrival {
        if pts == NO_PTS {
            return Arrival::New;
        }
        if let Some(last) = self.last_frame.as_mut().filter(|last| last.pts == pts) {
            if last.repeats == MAX_REPEATS {
                return Arrival::Excess;
            }
            last.repeats += 1;
            if let Some(repeats) = self.waiting.get_mut(&pts) {
                *repeats += 1;
            }
            return Arrival::Repeat(last.answer);
        }
        if self.waiting.contains_key(&pts) { Arrival::Duplicate } else { Arrival::New }
    }

    /// A new frame came in.
    pub(super) fn begun(&mut self, pts: i64) {
        if pts == NO_PTS {
            self.unnamed += 1;
            self.last_frame = None;
        } else {
            self.waiting.insert(pts, 0);
            self.last_frame = Some(LastFrame { pts, repeats: 0, answer: None });
        }
    }

    /// The backend gave a packet; how many packets without data must follow it for repeats.
    pub(super) fn answered(&mut self, packet: &PacketHead) -> Result<u32, OutputError> {
        let PacketHead { pts, dts, .. } = *packet;
        if let Some(previous) = self.last_dts.filter(|previous| dts <= *previous) {
            return Err(OutputError::DtsNotRising { pts, dts, previous });
        }
        if dts == NO_PTS || (pts != NO_PTS && dts > pts) {
            return Err(OutputError::DtsAfterPts { pts, dts });
        }
        let repeats = if pts == NO_PTS {
            self.unnamed = self.unnamed.checked_sub(1).ok_or(OutputError::UnknownPts { pts })?;
            0
        } else {
            self.waiting.remove(&pts).ok_or(OutputError::UnknownPts { pts })?
        };
        self.last_dts = Some(dts);
        if let Some(last) = self.last_frame.as_mut().filter(|last| last.pts == pts) {
            last.answer = Some(PacketHead { flags: 0, len: 0, ..*packet });
        }
        Ok(repeats)
    }

    /// How many frames wait, and the earliest of them.
    pub(super) fn waiting(&self) -> Option<(u64, i64)> {
        let count = self.unnamed + self.waiting.len() as u64;
        let first = self.waiting.keys().next().copied().unwrap_or(NO_PTS);
        (count > 0).then_some((count, first))
    }
}
