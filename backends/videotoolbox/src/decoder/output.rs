//! What comes out of a session: from its threads to the sink.

use super::order::{Depth, Order, Place, Shown};
use super::picture::{Layout, Shelf, geometry};
use super::stream::AccessUnit;
use crate::ffi::{Decoded, PixelBuffer, Status};
use crate::permits::{Permit, Permits};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use vtremote_backend::{
    Codec, DecodedFrame, Error, FrameSink, Geometry, Planes, Reference, SideData,
};
use vtremote_bitstream::CodedPicture;

/// Decoded pictures that may be out, beside those that wait for others to be shown before them: in the
/// decoder's queue, and at the sink.
pub(crate) const PICTURES: usize = 10;

/// Takes what a session gives, in any order and from any thread, and gives it to the sink.
pub(crate) struct Output {
    codec: Codec,
    sink: Arc<dyn FrameSink>,
    shelf: Shelf,
    permits: Arc<Permits>,
    /// See [`vtremote_backend::DecoderConfig::max_delay`].
    max_delay: Option<u32>,
    /// How long a session that has pictures may give no answer.
    patience: Duration,
    state: Mutex<State>,
}

/// Whether there is room for another picture.
pub(crate) enum Room {
    For(Permit),
    /// The session has pictures and gives no answer.
    Silence,
    /// There is to be no more output.
    Closed,
}

struct State {
    order: Order<Frame>,
    decoding: BTreeMap<u64, Expected>,
    /// Of the next picture.
    number: u64,
    /// Decoding times of pictures that have no time of showing.
    dts: BTreeSet<(i64, u64)>,
    /// The most that any picture so far may wait for. Those of a stream before may wait still, and are
    /// let go by pictures that follow.
    deepest: usize,
    /// Counts the sessions: what one says that is gone does not count.
    session: u64,
    /// Why the session can decode no more.
    lost: Option<Status>,
    /// How many pictures have come out of all sessions.
    pictures: u64,
    /// How many answers have come of all sessions.
    answers: u64,
    /// When the last of them came, or the first picture that waits for one went in.
    heard: Instant,
    /// The last warning, and how often it came again.
    repeated: Repeated,
    closed: bool,
}

/// A picture that is being decoded.
struct Expected {
    name: String,
    picture: CodedPicture,
    size: (u32, u32),
    layout: Layout,
    pts: Option<i64>,
    dts: Option<i64>,
    duration: i64,
    side_data: Vec<SideData>,
    permit: Permit,
}

/// A picture that is to be shown.
struct Frame {
    name: String,
    planes: Planes,
    geometry: Geometry,
    pts: Option<i64>,
    duration: i64,
    side_data: Vec<SideData>,
    permit: Permit,
}

impl Output {
    pub(crate) fn new(
        codec: Codec,
        sink: Arc<dyn FrameSink>,
        permits: Arc<Permits>,
        max_delay: Option<u32>,
        patience: Duration,
    ) -> Self {
        let state = State {
            order: Order::new(),
            decoding: BTreeMap::new(),
            number: 0,
            dts: BTreeSet::new(),
            deepest: 0,
            session: 0,
            lost: None,
            pictures: 0,
            answers: 0,
            heard: Instant::now(),
            repeated: Repeated::default(),
            closed: false,
        };
        let (shelf, state) = (Shelf::default(), Mutex::new(state));
        Output { codec, sink, shelf, permits, max_delay, patience, state }
    }

    /// Waits until there is room for a picture, for as long as the sink keeps others.
    pub(crate) fn room(&self, picture: &CodedPicture) -> Room {
        {
            let mut state = self.lock();
            state.deepest = state.deepest.max(self.depth(picture).most);
            if state.lost.is_none() {
                self.permits.set_count(PICTURES + state.deepest);
            }
        }
        loop {
            let left = self.until_silence();
            if left.is_zero() {
                return Room::Silence;
            }
            match self.permits.take(left) {
                Some(permit) => return Room::For(permit),
                None if self.lock().closed => return Room::Closed,
                None => {}
            }
        }
    }

    /// How long until no answer has come for too long: without end while none is due.
    pub(crate) fn until_silence(&self) -> Duration {
        let state = self.lock();
        match state.decoding.is_empty() {
            true => Duration::MAX,
            false => self.patience.saturating_sub(state.heard.elapsed()),
        }
    }

    /// A picture goes to the decoder: gives its number.
    pub(crate) fn begin(&self, unit: &AccessUnit, layout: Layout, permit: Permit) -> u64 {
        let depth = self.depth(&unit.picture);
        let mut state = self.lock();
        if state.decoding.is_empty() {
            state.heard = Instant::now();
        }
        let number = state.number;
        state.number += 1;
        let CodedPicture { begins_sequence, order_count, .. } = unit.picture;
        state.order.begin(Place { number, begins_sequence, count: order_count, depth });
        if let (None, Some(dts)) = (unit.pts, unit.dts) {
            state.dts.insert((dts, number));
        }
        let expected = Expected {
            name: unit.name(),
            picture: unit.picture,
            size: unit.size,
            layout,
            pts: unit.pts,
            dts: unit.dts,
            duration: unit.duration,
            side_data: unit.side_data.clone(),
            permit,
        };
        state.decoding.insert(number, expected);
        number
    }

    /// How far pictures are sorted. What a stream does not say is found out where there is little time to
    /// wait: a client with a small window would wait for ever.
    fn depth(&self, picture: &CodedPicture) -> Depth {
        let most = usize::from(picture.facts.reorder_depth);
        match self.max_delay {
            Some(delay) if !picture.facts.tells_reorder_depth => {
                Depth { least: most.min(delay as usize), most }
            }
            _ => Depth { least: most, most },
        }
    }

    /// There is a new session: gives its number.
    pub(crate) fn new_session(&self) -> u64 {
        let mut state = self.lock();
        (state.session, state.lost) = (state.session + 1, None);
        state.heard = Instant::now();
        state.session
    }

    /// What became of a picture, as this session says. A picture that the session was lost with may come of
    /// another.
    ///
    /// # Errors
    /// Why there can be no more of them.
    pub(crate) fn complete(
        &self,
        session: u64,
        number: u64,
        decoded: Decoded,
    ) -> Result<(), Error> {
        let expected = {
            let mut state = self.lock();
            if session != state.session {
                return Ok(());
            }
            (state.answers, state.heard) = (state.answers + 1, Instant::now());
            match decoded {
                Decoded::Failed(status) if ends_session(status) => {
                    self.lose(&mut state, status);
                    return Ok(());
                }
                _ => state.decoding.remove(&number),
            }
        };
        let Some(expected) = expected else { return Ok(()) };
        let Expected { dts, ref name, .. } = expected;
        let name = name.clone();
        let hidden = expected.picture.output == vtremote_bitstream::Output::Hidden;
        let (mut warning, mut ended) = (None, Ok(()));
        let mut frame = None;
        match decoded {
            // Not to show it is a hint, which VideoToolbox need not take.
            Decoded::Picture(_) if hidden => {}
            // Copying takes its time: not under the lock.
            Decoded::Picture(buffer) => match self.frame(expected, &buffer) {
                Ok(made) => frame = Some(made),
                Err(error) => ended = Err(error),
            },
            Decoded::Nothing if hidden => {}
            Decoded::Nothing => warning = Some("no picture comes of it".to_owned()),
            Decoded::Failed(status) => warning = Some(status.to_string()),
        }
        let mut state = self.lock();
        state.pictures += u64::from(frame.is_some());
        if let Some(what) = warning {
            self.warn(&mut state, &name, &what);
        }
        if let (None, Some(dts)) = (&frame, dts) {
            state.dts.remove(&(dts, number));
        }
        let shown = state.order.complete(number, frame);
        self.show(&mut state, shown).and(ended)
    }

    fn frame(&self, expected: Expected, buffer: &PixelBuffer) -> Result<Frame, Error> {
        let Expected {
            name, picture, size: shown, layout, pts, duration, side_data, permit, ..
        } = expected;
        // What the parameter set cuts from the picture is cut already. Where it is not, no more is shown. A
        // side that is odd may have been made even.
        let side = |pixels: usize, shown: u32| {
            let pixels = u32::try_from(pixels).unwrap_or(u32::MAX).min(shown);
            Some(pixels).filter(|pixels| *pixels > 0 && *pixels >= shown - shown % 2)
        };
        let size = buffer.size();
        let (Some(width), Some(height)) = (side(size.0, shown.0), side(size.1, shown.1)) else {
            return Err(Error::Codec(format!(
                "a picture that cannot be read: it has {}x{} pixels, not {}x{}",
                size.0, size.1, shown.0, shown.1
            )));
        };
        let size = (width, height);
        let planes = self.shelf.copy(buffer, layout, size)?;
        let geometry = geometry(self.codec, &picture, size, layout.format);
        Ok(Frame { name, planes, geometry, pts, duration, side_data, permit })
    }

    /// Nothing will come of a picture, and nobody need be told.
    ///
    /// # Errors
    /// As [`Output::complete`].
    pub(crate) fn withdraw(&self, number: u64) -> Result<(), Error> {
        let mut state = self.lock();
        if let Some(Expected { dts: Some(dts), .. }) = state.decoding.remove(&number) {
            state.dts.remove(&(dts, number));
        }
        let shown = state.order.complete(number, None);
        self.show(&mut state, shown)
    }

    /// A session has ended, and what it has not answered it never will. Gives how many pictures that are.
    ///
    /// # Errors
    /// As [`Output::complete`].
    pub(crate) fn give_up(&self) -> Result<usize, Error> {
        let unanswered = self.lock().order.decoding();
        unanswered.iter().try_for_each(|number| self.withdraw(*number))?;
        Ok(unanswered.len())
    }

    /// Shows what waits, and tells what was counted: no more come.
    ///
    /// # Errors
    /// As [`Output::complete`].
    pub(crate) fn rest(&self) -> Result<(), Error> {
        let mut state = self.lock();
        let shown = state.order.rest();
        self.show(&mut state, shown)?;
        if let Some(rest) = state.repeated.rest() {
            self.tell(&state, rest);
        }
        Ok(())
    }

    /// The session can decode no more.
    pub(crate) fn lose_session(&self, status: Status) {
        self.lose(&mut self.lock(), status);
    }

    fn lose(&self, state: &mut State, status: Status) {
        state.lost = state.lost.or(Some(status));
        // Whoever waits for one of its pictures to be let go of would wait for ever.
        self.permits.set_count(usize::MAX);
    }

    /// Why the session can decode no more, if it can't.
    pub(crate) fn lost(&self) -> Option<Status> {
        self.lock().lost
    }

    /// The pictures that the sessions have not answered.
    pub(crate) fn unanswered(&self) -> BTreeSet<u64> {
        self.lock().decoding.keys().copied().collect()
    }

    /// The first of them.
    pub(crate) fn first_unanswered(&self) -> Option<u64> {
        self.lock().decoding.first_key_value().map(|(number, _)| *number)
    }

    /// How many pictures have come out of all sessions.
    pub(crate) fn pictures(&self) -> u64 {
        self.lock().pictures
    }

    /// How many answers have come of all sessions.
    pub(crate) fn answers(&self) -> u64 {
        self.lock().answers
    }

    /// Something is wrong with what is named, and decoding goes on.
    pub(crate) fn warning(&self, name: &str, what: &str) {
        self.warn(&mut self.lock(), name, what);
    }

    /// Nothing reaches the sink any more.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.permits.close();
    }

    fn warn(&self, state: &mut State, name: &str, what: &str) {
        for warning in state.repeated.about(name, what) {
            self.tell(state, warning);
        }
    }

    fn tell(&self, state: &State, warning: String) {
        if !state.closed {
            self.sink.warning(format!("VideoToolbox: {warning}"));
        }
    }

    /// Under the lock, which keeps the order. The sink does not block, and does not call back; what it lets
    /// go of gives its permit back.
    fn show(&self, state: &mut State, shown: Vec<Shown<Frame>>) -> Result<(), Error> {
        for shown in shown {
            let (frame, late) = match shown {
                Shown::InTurn(frame) => (frame, false),
                Shown::Late(frame) => (frame, true),
            };
            let Frame { name, planes, geometry, pts, duration, side_data, permit } = frame;
            // Without a time of its own it has the earliest time of decoding that nobody had.
            let pts = pts.or_else(|| state.dts.pop_first().map(|(dts, _)| dts));
            if late {
                self.warn(state, &name, "its turn is over, it is not shown");
            } else if !state.closed {
                let picture = Reference::holding(&planes, Box::new(permit))?;
                let frame = DecodedFrame { pts, duration, geometry, picture, side_data };
                self.sink.frame(frame);
            }
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A sink that panicked was given what it was given.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a session that says so decodes no more.
pub(crate) fn ends_session(status: Status) -> bool {
    matches!(
        status,
        Status::INVALID_SESSION
            | Status::SESSION_MALFUNCTION
            | Status::DECODER_MALFUNCTION
            | Status::DECODER_REMOVED
    )
}

/// Warnings. The same over and over is told once, and then counted.
#[derive(Default)]
struct Repeated {
    last: String,
    again: u64,
}

impl Repeated {
    fn about(&mut self, name: &str, what: &str) -> Vec<String> {
        if self.last == what {
            self.again += 1;
            return Vec::new();
        }
        let mut warnings: Vec<String> = self.rest().into_iter().collect();
        what.clone_into(&mut self.last);
        warnings.push(format!("{name}: {what}"));
        warnings
    }

    fn rest(&mut self) -> Option<String> {
        let again = std::mem::take(&mut self.again);
        (again > 0).then(|| format!("the same {again} more times: {}", self.last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_over_and_over_is_told_once_and_counted() {
        let mut repeated = Repeated::default();
        assert_eq!(repeated.about("packet 1", "bad"), ["packet 1: bad"]);
        assert!(repeated.about("packet 2", "bad").is_empty());
        assert!(repeated.about("packet 3", "bad").is_empty());
        let told = repeated.about("packet 4", "worse");
        assert_eq!(told, ["the same 2 more times: bad", "packet 4: worse"]);
        assert_eq!(repeated.rest(), None);
    }
}
