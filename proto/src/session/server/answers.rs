//! Every FRAME of an encode session against its PACKET (docs/protocol.md sections 5 to 7).

use std::collections::BTreeSet;

use crate::{NO_PTS, PacketHead, session::OutputError};

/// How often one FRAME may be repeated. Early clients repeat the one that fills their window once.
const MAX_REPEATS: u32 = 16;

/// What an arriving FRAME is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    New,
    /// The frame just before it once more, with its answer if that is due now.
    Repeat(Option<PacketHead>),
    /// A pts that is still to be answered, and not the one just before.
    Duplicate,
    /// Repeated beyond [`MAX_REPEATS`].
    Excess,
}

/// The frames that wait for their packets.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// Their pts.
    waiting: BTreeSet<i64>,
    /// Frames without a pts: any packet without one answers one of them.
    unnamed: u64,
    /// Repeats that wait for the packet of their frame, in the order in which they came.
    repeats: Vec<Repeated>,
    /// The client may need the answer to a repeat before it can send what the encoder waits for.
    at_once: bool,
    last_frame: Option<LastFrame>,
    last_dts: Option<i64>,
}

#[derive(Debug)]
struct LastFrame {
    pts: i64,
    repeats: u32,
}

#[derive(Debug, Clone, Copy)]
struct Repeated {
    pts: i64,
    duration: i64,
}

impl Repeated {
    /// The packet without data that answers it. Its dts is the last one that there was, so that dts never
    /// falls; it is not above the pts, which is that of the newest frame when the repeat comes.
    fn answer(self, dts: i64) -> PacketHead {
        let Repeated { pts, duration } = self;
        PacketHead { pts, dts, duration, flags: 0, len: 0 }
    }
}

impl Answers {
    /// What a FRAME of this pts would be. Repeats are noted; new frames once [`Self::begun`].
    pub(super) fn arrival(&mut self, pts: i64, duration: i64) -> Arrival {
        if pts == NO_PTS {
            return Arrival::New;
        }
        let waits = self.waiting.contains(&pts);
        if let Some(last) = self.last_frame.as_mut().filter(|last| last.pts == pts) {
            if last.repeats == MAX_REPEATS {
                return Arrival::Excess;
            }
            last.repeats += 1;
            let repeat = Repeated { pts, duration };
            let answer = self.last_dts.filter(|_| self.at_once || !waits);
            if answer.is_none() {
                self.repeats.push(repeat);
            }
            return Arrival::Repeat(answer.map(|dts| repeat.answer(dts)));
        }
        if waits { Arrival::Duplicate } else { Arrival::New }
    }

    /// A new frame came in.
    pub(super) fn begun(&mut self, pts: i64) {
        if pts == NO_PTS {
            self.unnamed += 1;
            self.last_frame = None;
        } else {
            self.waiting.insert(pts);
            self.last_frame = Some(LastFrame { pts, repeats: 0 });
        }
    }

    /// The backend gave a packet; the packets without data that must follow it for repeats.
    pub(super) fn answered(&mut self, packet: &PacketHead) -> Result<Vec<PacketHead>, OutputError> {
        let PacketHead { pts, dts, .. } = *packet;
        if let Some(previous) = self.last_dts.filter(|previous| dts <= *previous) {
            return Err(OutputError::DtsNotRising { pts, dts, previous });
        }
        if dts == NO_PTS || (pts != NO_PTS && dts > pts) {
            return Err(OutputError::DtsAfterPts { pts, dts });
        }
        let known = if pts == NO_PTS {
            self.unnamed.checked_sub(1).map(|unnamed| self.unnamed = unnamed).is_some()
        } else {
            self.waiting.remove(&pts)
        };
        if !known {
            return Err(OutputError::UnknownPts { pts });
        }
        self.last_dts = Some(dts);
        let due = |repeat: &mut Repeated| repeat.pts == pts;
        Ok(self.repeats.extract_if(.., due).map(|repeat| repeat.answer(dts)).collect())
    }

    /// Whether repeats wait that could be answered: a packet went out before.
    pub(super) fn owes_repeats(&self) -> bool {
        !self.repeats.is_empty() && self.last_dts.is_some()
    }

    /// Answers all repeats that wait, and those to come as they come: the encoder holds back so much of
    /// the client's window that both would wait for each other.
    pub(super) fn answer_repeats(&mut self) -> Vec<PacketHead> {
        let Some(dts) = self.last_dts else { return Vec::new() };
        self.at_once = true;
        self.repeats.drain(..).map(|repeat| repeat.answer(dts)).collect()
    }

    /// How many frames wait, and the earliest of them.
    pub(super) fn waiting(&self) -> Option<(u64, i64)> {
        let count = self.unnamed + self.waiting.len() as u64;
        let first = self.waiting.first().copied().unwrap_or(NO_PTS);
        (count > 0).then_some((count, first))
    }
}
