//! The client's end of a session.

mod deadlines;
mod dts;
mod error;
mod ledger;
mod order;
mod rules;
mod settings;
mod window;

use std::{borrow::Cow, collections::VecDeque, time::Duration};

use dts::Dts;
pub use error::{AdmitError, ClientError};
use ledger::Ledger;
use order::Order;
pub use settings::{ClientSettings, Generation, ServerTraits};
use window::Window;

use super::{activity::Activity, message, pace::Paces, picture::Pictures};
use crate::{
    Ack, Flush, FrameBegin, FrameHead, Geometry, Hello, Item, Limits, Mode, NO_PTS, Pace, Ping,
    PixelFormat, PlaneHead, ReadError, SideData, SliceHead,
};

/// After this long with a full window, an empty queue and no input, the codec is holding frames back,
/// and one more is admitted. Without `x.ack.v1` an encoder gets them one by one …
const STALL: Duration = Duration::from_millis(100);

/// … up to so many in flight. (A packet may give no frame: in decode there is no such limit.)
const STALL_WINDOW: usize = 64;

/// With `x.ack.v1` the window counts what was not taken. What was taken and not answered, and what the
/// caller has yet to take, fills no more than the window and these, unless the codec holds that many.
const SLACK: usize = 3;

/// With `x.ack.v1` encoder delay costs no credit, and is at most this many frames.
const MAX_DELAY: usize = 512;

/// Decode: with the window unanswered and nothing arriving for as long, the decoder is taken to hold so
/// many packets more than that: its frame threads, say. Then twice as many, …
const LEAST_HELD_BACK: usize = 8;

/// … up to these: threads, reordering, field pairs, and what is lost of a damaged stream.
const MOST_HELD_BACK: usize = 96;

/// NOTICEs that are given out. Our servers send fewer.
const MAX_NOTICES: u64 = 64;

/// Unsent PONGs that are kept.
const MAX_PONGS: usize = 16;

/// What a received item means.
#[derive(Debug)]
pub enum ClientStep<'a> {
    /// Nothing to do.
    Nothing,
    /// The server took HELLO. CONFIGURE is queued.
    Connected(ServerTraits),
    /// Frames (encode) or packets (decode) can be sent.
    Configured {
        /// Encode: avcC or hvcC; may be empty, then the first keyframe has the parameter sets.
        extradata: &'a [u8],
        /// Decode: the format of the frames to come, or with `x.geometry.v1` a first guess. Encode:
        /// that of the settings. [`Client::limits`] hold from here on.
        pix_fmt: PixelFormat,
        /// Options that are not honoured.
        warnings: Vec<&'a str>,
    },
    /// Encode: a packet begins.
    Packet(PacketOut),
    /// Data of the plane, slice or packet that began last.
    Body(&'a [u8]),
    /// Encode: the packet is complete, and its frame answered.
    PacketEnd(SideData<'a>),
    /// Decode: a picture begins. When it is complete ask [`Client::next_in_order`].
    Frame(FrameHead),
    /// Decode: a plane begins, with the rows of the configured format; early servers may leave out
    /// the last chroma row of an odd height.
    Plane(PlaneHead),
    /// Decode: the picture is complete.
    FrameEnd(SideData<'a>),
    /// Decode: a picture in slices begins. What it is, is [`Client::geometry`]; if it is not like the
    /// one before, [`Client::limits`] are others.
    FrameBegin(FrameBegin<'a>),
    /// Decode: a slice begins. The slices of a picture cover every row of every plane once.
    Slice(SliceHead),
    /// Decode: a slice is complete.
    SliceEnd {
        /// And so is the picture.
        last: bool,
    },
    /// The server's backend took more: there may be room.
    Ack(Ack),
    /// Something went wrong at the server, and the session goes on: one line for people.
    Notice(Cow<'a, str>),
    /// Encode: how far the server is, and what held it up, since it said so last.
    Pace(Pace),
    /// Everything was answered.
    Done,
    /// See [`Client::failure`]. What was received before is good.
    Failed,
}

/// The head of a packet, as it is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketOut {
    /// The number of its frame, as [`Client::admit`] gave it.
    pub frame: u32,
    /// Its frame's pts.
    pub pts: i64,
    /// Above the one before; at or below the pts, unless an early server left no room for that.
    pub dts: i64,
    /// The server's, or its frame's where the server gave none.
    pub duration: i64,
    /// [`PACKET_KEY`](crate::PACKET_KEY) or 0.
    pub flags: u32,
    /// Bytes of data that follow.
    pub len: u32,
}

/// What went through a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClientCounts {
    /// Frames (encode) or packets (decode) admitted.
    pub admitted: u64,
    /// Packets (encode) or frames (decode) received.
    pub received: u64,
    /// What the server's backend has taken, as far as it says so.
    pub taken: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes written.
    pub bytes_out: u64,
}

/// The client's end of one connection. Bulk messages are the caller's: it asks for room, admits one,
/// writes it, and says so.
#[derive(Debug)]
pub struct Client {
    settings: ClientSettings,
    /// The server is known before it counts.
    window: Window,
    state: State,
    server: ServerTraits,
    activity: Activity,
    output: Output,
    pictures: Option<Pictures>,
    /// The packet that comes in.
    incoming: Incoming,
    ledger: Ledger,
    dts: Dts,
    order: Order,
    taken: u64,
    /// What the server last said in PACE, and how many pictures that are.
    pace: Pace,
    paced: u64,
    /// When PACE goes out.
    paces: Paces,
    received: u64,
    notices: u64,
    /// Of what was received, what waits for nothing but the caller.
    unclaimed: usize,
    /// How many more than the window the codec holds back, as far as it has shown.
    held_back: usize,
    /// Messages that were admitted and not sent.
    unsent: u32,
    /// When the last of them was sent.
    sent_at: Duration,
    /// When bulk last moved: as long as it does, the connection lives.
    uploaded: Duration,
    /// The packet that is on its way goes out because nothing comes: it says nothing of the server.
    pressed: bool,
    /// When the last PING was queued.
    probed: Duration,
    /// When an answer last moved, or first became due.
    answered: Duration,
    doubt: Option<deadlines::Doubt>,
    flush: bool,
    write_failure: Option<(Duration, String)>,
    failure: Option<ClientError>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Waits for HELLO_ACK.
    Hello,
    /// Waits for CONFIGURE_ACK.
    Configure {
        since: Duration,
    },
    Streaming,
    /// FLUSH went out.
    Flushed {
        since: Duration,
    },
    Done,
    Failed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Incoming {
    Nothing,
    /// The packet of this frame.
    Packet {
        frame: u32,
    },
    /// The empty answer to a frame that was answered before.
    Repeat,
    Picture {
        pts: i64,
    },
}

/// Control messages to be written.
#[derive(Debug, Default)]
struct Output {
    queue: VecDeque<Vec<u8>>,
    pongs: usize,
    ping: bool,
    pace: Option<Pace>,
    /// Memory for the next PACE.
    spare: Vec<u8>,
}

impl Client {
    /// A session whose HELLO is queued; it begins now, at time zero.
    ///
    /// # Errors
    /// [`ClientError::Settings`], for what no session can have.
    pub fn new(settings: ClientSettings) -> Result<Self, ClientError> {
        settings.check()?;
        let mut client = Self {
            window: Window::fixed(settings.window as usize),
            state: State::Hello,
            server: ServerTraits::default(),
            activity: Activity::default(),
            output: Output::default(),
            pictures: None,
            incoming: Incoming::Nothing,
            ledger: Ledger::default(),
            dts: Dts::default(),
            order: Order::default(),
            taken: 0,
            pace: Pace::default(),
            paced: 0,
            paces: Paces::default(),
            received: 0,
            notices: 0,
            unclaimed: 0,
            held_back: 0,
            unsent: 0,
            sent_at: Duration::ZERO,
            uploaded: Duration::ZERO,
            pressed: false,
            probed: Duration::ZERO,
            answered: Duration::ZERO,
            doubt: None,
            flush: false,
            write_failure: None,
            failure: None,
            settings,
        };
        let ClientSettings { token, codec, client_name, client_build, .. } = &client.settings;
        let hello = Hello { token, codec, client_name, client_build };
        let mut bytes = Vec::new();
        hello.encode(&mut bytes).map_err(|error| ClientError::Settings(error.to_string()))?;
        client.queue(Duration::ZERO, bytes);
        Ok(client)
    }

    // ── input ──

    /// What an item means.
    pub fn receive<'a>(&mut self, now: Duration, item: Item<'a>) -> ClientStep<'a> {
        self.activity.parsed(&item);
        self.activity.heard = self.activity.heard.max(now);
        match self.state {
            State::Failed => return ClientStep::Failed,
            State::Done => return ClientStep::Nothing,
            _ => {}
        }
        match self.step(now, item) {
            Ok(step) => step,
            Err(error) => {
                self.fail(error);
                ClientStep::Failed
            }
        }
    }

    /// Bytes came in, after their items were received; `in_message` says whether a message is
    /// unfinished (see [`Incoming::in_message`](crate::Incoming::in_message)).
    pub fn moved(&mut self, now: Duration, read: usize, in_message: bool) {
        self.activity.received(now, read, in_message);
    }

    /// The bytes that came in are no message.
    pub fn unreadable(&mut self, _now: Duration, error: &ReadError) {
        self.fail(match error {
            ReadError::NotVtr1 if self.state == State::Hello => ClientError::NotVtr1,
            error => ClientError::Unreadable(error.clone()),
        });
    }

    /// The server closed the connection: a failure, unless it had said DONE or ERROR.
    pub fn end_of_input(&mut self, _now: Duration) {
        if let Some((_, reason)) = self.write_failure.take() {
            return self.fail(ClientError::Transport(reason));
        }
        let awaited = match self.state {
            State::Hello => "HELLO_ACK",
            State::Configure { .. } => "CONFIGURE_ACK",
            _ => "DONE",
        };
        self.fail(ClientError::Lost { awaited, unanswered: self.ledger.outstanding() });
    }

    /// Reading failed: the connection is broken.
    pub fn transport_failed(&mut self, _now: Duration, reason: String) {
        self.fail(ClientError::Transport(reason));
    }

    /// Writing failed. The server may have said why: read on until the session fails, which is 2 s
    /// at most.
    pub fn write_failed(&mut self, now: Duration, reason: String) {
        self.write_failure.get_or_insert((now, reason));
    }

    // ── output ──

    /// Decode: how far the caller's end is, and what held it up. A server that uses `x.pace.v1` is told, now and
    /// then.
    pub fn pace(&mut self, now: Duration, pace: Pace) {
        if self.streaming() && self.server.pace && !self.encodes() && self.paces.due(now) {
            self.output.pace = Some(pace);
            self.activity.waiting(now);
        }
    }

    /// How many packets (encode) or pictures (decode) have come and wait for nothing but the caller:
    /// they hold memory as what is in flight does, and take as much of the window.
    pub fn unclaimed(&mut self, count: usize) {
        self.unclaimed = count;
    }

    /// May another frame (encode) or packet (decode) be admitted?
    pub fn room(&self, now: Duration) -> bool {
        if self.state != State::Streaming || self.flush {
            return false;
        }
        if self.server.ack && self.untaken() + self.unclaimed >= self.window.size() {
            return false;
        }
        let bounded = match (self.server.ack, self.encodes()) {
            (true, true) if self.ledger.outstanding() >= self.most_outstanding() => return false,
            // It is not known to hold any of them: some streams give no picture for a thousand packets.
            (true, false) if self.held_back == MOST_HELD_BACK => true,
            _ => !self.is_full(),
        };
        bounded || self.room_at().is_some_and(|at| at <= now)
    }

    /// When there will be room though nothing arrives, if there is none now.
    pub fn room_at(&self) -> Option<Duration> {
        let may_be_held_back = match self.encodes() {
            true if !self.server.ack => self.ledger.outstanding() < STALL_WINDOW,
            // What it has not taken yet it does not wait for.
            _ => !self.server.ack || self.untaken() == 0,
        };
        let stalled = self.state == State::Streaming
            && !self.flush
            && self.unsent == 0
            && self.unclaimed == 0
            && self.is_full()
            && may_be_held_back;
        stalled.then(|| self.activity.heard.max(self.sent_at).saturating_add(STALL))
    }

    /// Admits a frame (encode) or packet (decode), which the caller is then to send. Gives its
    /// number, from 0.
    ///
    /// # Errors
    /// Why not; nothing has changed then.
    pub fn admit(&mut self, now: Duration, pts: i64, duration: i64) -> Result<u32, AdmitError> {
        match self.state {
            State::Streaming if !self.flush => {}
            State::Streaming | State::Flushed { .. } | State::Done => {
                return Err(AdmitError::Flushed);
            }
            _ => return Err(AdmitError::Closed),
        }
        if self.encodes() {
            if pts == NO_PTS {
                return Err(AdmitError::NoPts);
            }
            if self.ledger.knows(pts) {
                return Err(AdmitError::DuplicatePts(pts));
            }
        }
        if !self.room(now) {
            return Err(AdmitError::NoRoom);
        }
        self.pressed = self.is_full() && !self.encodes();
        match (self.is_full(), self.encodes()) {
            (true, true) if self.server.ack => self.held_back = MAX_DELAY,
            // The decoder has shown that it wants more of them. Each time costs time: they are few.
            (true, false) => {
                self.held_back = (2 * self.held_back).clamp(LEAST_HELD_BACK, MOST_HELD_BACK);
            }
            _ => {}
        }
        let number = self.ledger.admit(pts, duration);
        if !self.encodes() {
            self.ledger.write_off_beyond(self.most_outstanding());
        }
        // What may become due with it is not late yet.
        self.answered = self.answered.max(now);
        self.unsent += 1;
        self.activity.waiting(now);
        Ok(number)
    }

    /// The last byte of an admitted message was written.
    pub fn sent(&mut self, now: Duration, _number: u32) {
        self.unsent = self.unsent.saturating_sub(1);
        self.sent_at = self.sent_at.max(now);
        if !self.pressed {
            self.uploaded = self.uploaded.max(now);
        }
        self.settle();
    }

    /// No more will be admitted: FLUSH goes out once everything was sent.
    pub fn flush(&mut self, now: Duration) {
        if self.state == State::Streaming && !self.flush {
            self.flush = true;
            self.activity.waiting(now);
        }
    }

    /// The next control message; it goes out between two whole messages, before bulk. Asking for it
    /// says that the one before was written.
    pub fn next_control(&mut self, now: Duration) -> Option<Vec<u8>> {
        if self.ended() {
            return None;
        }
        let next = self.output.queue.pop_front();
        let next = next.or_else(|| {
            self.output.pongs = 0;
            if std::mem::take(&mut self.output.ping) && self.state == State::Streaming {
                return Some(message(|out| Ping.encode(out)));
            }
            if let Some(pace) = self.output.pace.take()
                && self.streaming()
            {
                let mut bytes = std::mem::take(&mut self.output.spare);
                bytes.clear();
                pace.encode(&mut bytes);
                return Some(bytes);
            }
            if self.flush && self.unsent == 0 && self.state == State::Streaming {
                self.state = State::Flushed { since: now };
                self.answered = self.answered.max(now);
                return Some(message(|out| Flush.encode(out)));
            }
            None
        });
        match next {
            Some(_) => self.activity.given(now),
            None => self.settle(),
        }
        next
    }

    /// Memory that is not needed any more, for a control message to come.
    pub fn reuse(&mut self, memory: Vec<u8>) {
        self.output.spare = memory;
    }

    /// Whether [`Self::next_control`] has a message.
    pub fn has_control(&self) -> bool {
        let due = self.output.ping || (self.flush && self.unsent == 0);
        let due = due && self.state == State::Streaming;
        let paced = self.output.pace.is_some() && self.streaming();
        !self.ended() && (!self.output.queue.is_empty() || due || paced)
    }

    /// Bytes were written, of control messages or bulk.
    pub fn written(&mut self, now: Duration, bytes: usize) {
        self.activity.written(now, bytes);
        if self.unsent > 0 && bytes > 0 && !self.pressed {
            self.uploaded = self.uploaded.max(now);
        }
    }

    // ── outcome ──

    /// What the server is and offers; meaningful from [`ClientStep::Connected`] on.
    pub fn server(&self) -> &ServerTraits {
        &self.server
    }

    /// What the picture that began last is. In sessions without `x.geometry.v1` all have CONFIGURE's
    /// size and CONFIGURE_ACK's format, known before the first; with it nothing is known before.
    pub fn geometry(&self) -> Option<Geometry> {
        self.pictures.as_ref().and_then(Pictures::geometry)
    }

    /// The limits of incoming messages: from CONFIGURE_ACK on, those of the pictures in
    /// [`Self::geometry`]. FRAME, PACKET and SLICE never have more than `cap` bytes.
    pub fn limits(&self, cap: u32) -> Limits {
        match self.geometry() {
            Some(Geometry { format, width, height, .. }) => {
                Limits::for_format(format, width, height, cap)
            }
            None => Limits::for_any_geometry(cap),
        }
    }

    /// Why the session failed.
    pub fn failure(&self) -> Option<&ClientError> {
        self.failure.as_ref()
    }

    /// Every frame was answered and the server said DONE: the connection can be closed.
    pub fn done(&self) -> bool {
        self.state == State::Done
    }

    /// Decode: which of the pictures that were completed, counted from 0, is to be shown next.
    /// Nothing if that takes more of them. To be asked until nothing comes, after every picture, after
    /// DONE and after a failure.
    pub fn next_in_order(&mut self) -> Option<u64> {
        self.order.next()
    }

    /// Decode: the caller takes no more pictures, so that those which it has are all to be shown.
    pub fn no_more_pictures(&mut self) {
        self.order.end();
    }

    /// Frames (encode) or packets (decode) that were admitted and not answered.
    pub fn outstanding(&self) -> usize {
        self.ledger.outstanding()
    }

    /// The most that there is ever room for.
    pub fn most_in_flight(&self) -> usize {
        self.settings.most_in_flight()
    }

    /// How many may be on their way: the settings' number, or what an adaptive window has come to.
    pub fn window(&self) -> usize {
        self.window.size()
    }

    /// What went through so far.
    pub fn counts(&self) -> ClientCounts {
        ClientCounts {
            admitted: self.ledger.admitted(),
            received: self.received,
            taken: self.taken,
            bytes_in: self.activity.bytes_in,
            bytes_out: self.activity.bytes_out,
        }
    }
}

impl Client {
    fn encodes(&self) -> bool {
        self.settings.options.mode == Mode::Encode
    }

    /// What the server's backend has not said that it has taken.
    fn untaken(&self) -> usize {
        (self.ledger.admitted() - self.taken) as usize
    }

    /// What is unanswered, and what the caller has yet to take, fills the window.
    fn is_full(&self) -> bool {
        let slack = if self.server.ack { SLACK } else { 0 };
        let window = self.window.size() + slack + self.held_back;
        self.ledger.outstanding() + self.unclaimed >= window
    }

    fn most_outstanding(&self) -> usize {
        self.window.size() + MAX_DELAY
    }

    fn streaming(&self) -> bool {
        matches!(self.state, State::Streaming | State::Flushed { .. })
    }

    fn ended(&self) -> bool {
        matches!(self.state, State::Done | State::Failed)
    }

    fn fail(&mut self, error: ClientError) {
        if !self.ended() {
            self.state = State::Failed;
            self.failure = Some(error);
            self.order.end();
        }
    }

    fn queue(&mut self, now: Duration, message: Vec<u8>) {
        self.output.queue.push_back(message);
        self.activity.waiting(now);
    }

    /// Where no output waits, no send deadline runs.
    fn settle(&mut self) {
        let Output { queue, ping, pace, .. } = &self.output;
        if self.unsent == 0 && queue.is_empty() && !ping && pace.is_none() {
            self.activity.all_written();
        }
    }
}
