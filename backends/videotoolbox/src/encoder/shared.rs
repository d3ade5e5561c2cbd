//! What a session's threads have in common, and what VideoToolbox's threads say of its frames.

use super::Input;
use crate::ffi::{Listener, Output, Pool, Sample, Status, Time, names};
use crate::flight::{Flight, Packet};
use crate::options::Plan;
use crate::patience::Patience;
use crate::permits::Permits;
use crate::session::{as_asked, parameter_sets};

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use vtremote_backend::{Codec, Error, Hdr, PacketSink, PixelFormat, PlaneShape};
use vtremote_bitstream::sei::{self, Sei};
use vtremote_bitstream::{ParameterSets, SetKind, StreamFacts, is_keyframe, length_prefixed};

/// How many frames without a packet an error names.
const MOST_NAMED: usize = 8;

/// What everybody has.
pub(super) struct Shared {
    pub(super) state: Mutex<State>,
    pub(super) changed: Condvar,
    /// There is nobody to work for any more, or nobody who works.
    pub(super) ended: Condvar,
    pub(super) permits: Arc<Permits>,
    pub(super) plan: Plan,
    pub(super) codec: Codec,
    pub(super) size: (u32, u32),
    pub(super) format: PixelFormat,
    pub(super) shapes: Vec<PlaneShape>,
    /// The parameter sets that the client has, if it wants them nowhere else.
    pub(super) header: Option<ParameterSets>,
    /// What the plan says of HDR: a session is told where its first frame says another.
    pub(super) hdr: Hdr,
    /// See [`vtremote_backend::EncoderConfig::max_delay`].
    pub(super) max_delay: Option<u32>,
    pub(super) patience: Patience,
}

pub(super) struct State {
    pub(super) flight: Flight<Input>,
    /// The frame to hand over next.
    pub(super) next: u64,
    /// The last keyframe that was asked for.
    pub(super) keyframe: u64,
    /// No more frames come.
    pub(super) ended: bool,
    /// Nobody listens any more.
    pub(super) closed: bool,
    /// The sink was told so.
    pub(super) failure: Option<Error>,
    /// The session is to be made anew, and why.
    pub(super) lost: Option<Status>,
    /// How many sessions there were before this one.
    pub(super) generation: u64,
    /// Whether this one has given a packet.
    pub(super) proven: bool,
    /// Whether it says that it reorders frames.
    pub(super) reorders: bool,
    /// Of the packet before, if it had one.
    pub(super) decode_time: Option<Time>,
    /// None before there is a session.
    pub(super) pool: Option<Arc<Pool>>,
    pub(super) sink: Option<Arc<dyn PacketSink>>,
    /// The warnings of the first session.
    pub(super) told: Vec<String>,
    /// Answers of VideoToolbox, and calls that have begun or returned.
    pub(super) progress: u64,
    /// The thread is in no call of VideoToolbox's.
    pub(super) resting: bool,
    /// A call of VideoToolbox's has not returned for so long that nobody waits for it any more.
    pub(super) stuck: bool,
    /// The thread has ended, and with it the session.
    pub(super) over: bool,
}

/// Hears of the frames of one session. Of an earlier one it hears no more.
pub(super) fn listener(shared: &Arc<Shared>, generation: u64) -> Listener {
    let shared = Arc::clone(shared);
    Arc::new(move |number, output| {
        let mut state = shared.state();
        if state.generation == generation {
            state.progress += 1;
            shared.hear(&mut state, number as u64, output);
        }
    })
}

impl State {
    pub(super) fn new() -> Self {
        State {
            flight: Flight::new(),
            next: 0,
            keyframe: 0,
            ended: false,
            closed: false,
            failure: None,
            lost: None,
            generation: 0,
            proven: false,
            reorders: false,
            decode_time: None,
            pool: None,
            sink: None,
            told: Vec::new(),
            progress: 0,
            resting: false,
            stuck: false,
            over: false,
        }
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        self.failure.clone().map_or(Ok(()), Err)
    }

    /// There is still somebody to work for.
    pub(super) fn is_well(&self) -> bool {
        !self.closed && self.failure.is_none()
    }

    /// All that was handed over has had its packet go on.
    pub(super) fn is_answered(&self) -> bool {
        self.flight.gone() >= self.next
    }
}

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // Packets go to the sink under this lock; one that panics there is an error of its own (`hear`).
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// No frame can come, or the client may send none, before a packet does.
    pub(super) fn is_full(&self, state: &State) -> bool {
        let held = state.flight.next() - state.flight.gone();
        let over = self.max_delay.is_some_and(|most| held > u64::from(most));
        held > 0 && (over || self.permits.all_out())
    }

    /// VideoToolbox has said nothing for so long that it will not: the frames that were handed over and had
    /// no answer are lost.
    pub(super) fn silence(&self, state: &State) -> Error {
        let numbers = state.flight.gone()..state.next;
        let lost = numbers.filter_map(|number| state.flight.input(number).map(|(pts, _)| pts));
        let lost: Vec<String> = lost.map(|pts| pts.to_string()).collect();
        let named = lost[..lost.len().min(MOST_NAMED)].join(", ");
        let what = match lost.len() {
            0 => String::new(),
            1 => format!(" of the frame of pts {named}"),
            2..=MOST_NAMED => format!(" of the frames of pts {named}"),
            len => format!(" of {len} frames, of pts {named} and so on"),
        };
        let long = self.patience.answer;
        Error::Codec(format!("VideoToolbox has said nothing for {long:?}{what}"))
    }

    /// The sink is told, once; gives the error back.
    pub(super) fn fail(&self, state: &mut State, error: Error) -> Error {
        if let Some(earlier) = &state.failure {
            return earlier.clone();
        }
        state.failure = Some(error.clone());
        self.permits.close();
        self.changed.notify_all();
        self.ended.notify_all();
        if let Some(sink) = state.sink.take() {
            let told = catch_unwind(AssertUnwindSafe(|| sink.failed(error.clone())));
            // A sink that panics here has been told all the same.
            drop(told);
        }
        error
    }

    /// What became of a frame.
    fn hear(&self, state: &mut State, number: u64, output: Output<'_>) {
        if state.closed || state.failure.is_some() || state.lost.is_some() {
            return;
        }
        let pts = state.flight.input(number).map(|(pts, _)| pts);
        let frame = pts.map_or_else(|| "a frame".into(), |pts| format!("the frame of pts {pts}"));
        let failed = match output {
            Output::Sample(sample) => match self.packet(state, number, &sample) {
                Ok(()) => return self.changed.notify_all(),
                Err(error) => error,
            },
            Output::Dropped => {
                // It may do so to keep to both.
                let held = [names::max_allowed_frame_qp(), names::average_bit_rate()];
                let set = |property| self.plan.settings.iter().any(|set| set.property == property);
                let both = held.into_iter().all(set);
                let why = if both { ": qmax may be too low for the bit rate" } else { "" };
                Error::Codec(format!("VideoToolbox has dropped {frame}{why}"))
            }
            Output::Failed(status) if is_loss(status) => {
                state.lost = Some(status);
                return self.changed.notify_all();
            }
            Output::Failed(status) => {
                Error::Codec(format!("VideoToolbox has failed at {frame}: {status}"))
            }
            Output::Panicked => Error::Internal(format!("the output of {frame} panicked")),
        };
        self.fail(state, failed);
    }

    /// Hands on what an encoder has made, and what has waited for it.
    fn packet(&self, state: &mut State, number: u64, sample: &Sample<'_>) -> Result<(), Error> {
        let (pts, input) = state.flight.input(number).ok_or_else(|| {
            Error::Codec(format!("VideoToolbox gives a packet too many, for frame {number}"))
        })?;
        let time = input.time.0;
        let (sets, size) = parameter_sets(sample, self.codec)?;
        if !state.proven {
            as_asked(&sets, self.size, self.format)?;
        }
        let bytes = sample.bytes();
        let bytes =
            bytes.map_err(|status| Error::Codec(format!("a packet cannot be read: {status}")))?;
        let wrong = |error| Error::Codec(format!("VideoToolbox's packet of pts {pts}: {error}"));
        let mut coded = Vec::with_capacity(bytes.len() + 16);
        length_prefixed::to_annexb(&bytes, size, &mut coded).map_err(wrong)?;
        // A sample of which nothing is said counts as one to begin with, whatever it is.
        let keyframe = sample.is_sync() && is_keyframe(self.codec, &coded);
        let messages = input.messages.clone().sei(keyframe);
        let data = self.access_unit(coded, &messages, keyframe.then_some(&sets)).map_err(wrong)?;
        let decode_time = sample.decode_time();
        if !state.flight.knows_depth() {
            // Whatever it says, what is decoded before it is shown is decoded before others are.
            let ahead = decode_time.is_some_and(|decoded| decoded.is_before(time));
            let depth = match depth(&sets, state.reorders || ahead) {
                0 if ahead => 1,
                depth => depth,
            };
            state.flight.reorders_by(depth);
        }
        // Of a stream that is not reordered the packets are put in order; of one that is their own must do.
        if let (Some(before), Some(time)) = (state.decode_time, decode_time)
            && time.is_before(before)
        {
            return Err(Error::Codec(format!(
                "VideoToolbox gives the packet of pts {pts} behind one that is decoded later"
            )));
        }
        state.decode_time = decode_time;
        let Some(sink) = state.sink.clone() else { return Ok(()) };
        let packet = Packet { keyframe, placed: decode_time.is_some(), data };
        state.flight.arrive(number, packet, |packet| sink.packet(packet)).map_err(Error::Codec)?;
        state.proven = true;
        Ok(())
    }

    /// With its messages, and the sets that a keyframe needs.
    fn access_unit(
        &self,
        mut coded: Vec<u8>,
        messages: &[Sei],
        sets: Option<&ParameterSets>,
    ) -> Result<Vec<u8>, vtremote_bitstream::Error> {
        if !messages.is_empty() {
            let mut with_messages = Vec::new();
            sei::insert(self.codec, &coded, messages, &mut with_messages)?;
            coded = with_messages;
        }
        // What the client has already it needs no more, unless the session writes others by now.
        match sets.filter(|sets| self.header.as_ref() != Some(*sets)) {
            Some(sets) => {
                let mut data = Vec::with_capacity(coded.len() + 256);
                sets.prepend_missing(&coded, &mut data)?;
                Ok(data)
            }
            None => Ok(coded),
        }
    }
}

/// How many frames the stream reorders at most: what its parameter sets say, or, where those of H.264
/// leave it open, what the encoder says.
fn depth(sets: &ParameterSets, reorders: bool) -> u8 {
    let facts = sets.of(SetKind::Sps).next();
    let facts = facts.and_then(|sps| StreamFacts::from_sps(sets.codec(), sps));
    match facts {
        Some(facts) if facts.tells_reorder_depth => facts.reorder_depth,
        _ if !reorders => 0,
        // One for B-frames, one more for those that others refer to.
        Some(facts) => facts.reorder_depth.min(2),
        None => 2,
    }
}

/// Whether another session may do what this one cannot any more.
pub(super) fn is_loss(status: Status) -> bool {
    // The encoder's own failure leaves a session that takes nothing more, too.
    matches!(
        status,
        Status::INVALID_SESSION | Status::SESSION_MALFUNCTION | Status::ENCODER_MALFUNCTION
    )
}
