//! The client's end of a session.

mod dts;
mod error;
mod ledger;
mod order;
mod settings;

use std::{collections::VecDeque, time::Duration};

use dts::Dts;
pub use error::{AdmitError, ClientError};
use ledger::Ledger;
use order::Order;
pub use settings::{ClientSettings, Generation, ServerTraits};

use super::{activity::Activity, picture::Pictures, server::Pts};
use crate::{
    Ack, Configure, ConfigureAck, ErrorMessage, Flush, FrameBegin, FrameHead, Hello, HelloAck,
    HelloStatus, Item, Mode, NO_PTS, PacketHead, Ping, PixelFormat, PlaneHead, Pong, ReadError,
    SideData, SliceHead,
};

/// CONFIGURE_ACK gets at least this: servers have 4 s for it.
const MIN_START_TIMEOUT: Duration = Duration::from_secs(5);

/// Silence gets at least this, since a server's own PINGs come every 2 s.
const MIN_SILENCE: Duration = Duration::from_secs(3);

/// An early server, which sends no PING, has this long for the next packet once it must send one.
const EARLY_ANSWER: Duration = Duration::from_secs(30);

/// Early servers end a session in which nothing came for 10 s.
const KEEPALIVE: Duration = Duration::from_secs(4);

/// One message from its first byte to its last, and output of which nothing leaves.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(60);

/// After a failed write, the server's ERROR may still be on its way to us.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Without `x.ack.v1`: after this long with a full window, an empty queue and no input, the
/// encoder is holding frames back, and one more is admitted …
const STALL: Duration = Duration::from_millis(100);

/// … up to so many in flight.
const STALL_WINDOW: usize = 64;

/// With `x.ack.v1` encoder delay costs no credit, and is at most this many frames.
const MAX_DELAY: usize = 512;

/// Unsent PONGs that are kept.
const MAX_PONGS: usize = 16;

/// What a received item means.
#[derive(Debug)]
pub enum ClientStep<'a> {
    /// Nothing to do.
    Nothing,
    /// The server took HELLO. CONFIGURE is queued, unless [`Client::awaits_parameter_sets`].
    Connected(ServerTraits),
    /// Frames (encode) or packets (decode) can be sent.
    Configured {
        /// Encode: avcC or hvcC; may be empty, then the first keyframe has the parameter sets.
        extradata: &'a [u8],
        /// Decode: the format of the frames to come. Encode: that of the settings.
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
    /// Decode: a picture in slices begins.
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
    received: u64,
    /// Messages that were admitted and not sent.
    unsent: u32,
    /// When the last of them was sent.
    sent_at: Duration,
    /// When bulk last moved: as long as it does, the connection lives.
    uploaded: Duration,
    /// When the last PING was queued.
    probed: Duration,
    /// When an answer last moved, or first became due.
    answered: Duration,
    flush: bool,
    write_failure: Option<(Duration, String)>,
    failure: Option<ClientError>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Waits for HELLO_ACK.
    Hello,
    /// Waits for the caller's parameter sets.
    ParameterSets,
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
}

/// What a deadline is for, in the order in which they count when several have passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Timer {
    Write,
    HelloAck,
    ConfigureAck,
    Receive,
    Send,
    Answer,
    Silence,
    Ping,
}

impl Client {
    /// A session whose HELLO is queued; it begins now, at time zero.
    ///
    /// # Errors
    /// [`ClientError::Settings`], for what no session can have.
    pub fn new(settings: ClientSettings) -> Result<Self, ClientError> {
        settings.check()?;
        let mut client = Self {
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
            received: 0,
            unsent: 0,
            sent_at: Duration::ZERO,
            uploaded: Duration::ZERO,
            probed: Duration::ZERO,
            answered: Duration::ZERO,
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
            State::ParameterSets | State::Configure { .. } => "CONFIGURE_ACK",
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

    /// Decode: the settings had no parameter sets, and this server needs them before it can be
    /// configured.
    pub fn awaits_parameter_sets(&self) -> bool {
        self.state == State::ParameterSets
    }

    /// Decode: the parameter sets that [`Self::awaits_parameter_sets`]; CONFIGURE is queued.
    pub fn parameter_sets(&mut self, now: Duration, extradata: Vec<u8>) {
        if self.state == State::ParameterSets {
            self.settings.extradata = extradata;
            if let Err(error) = self.configure(now) {
                self.fail(error);
            }
        }
    }

    // ── output ──

    /// May another frame (encode) or packet (decode) be admitted?
    pub fn room(&self, now: Duration) -> bool {
        if self.state != State::Streaming || self.flush {
            return false;
        }
        let outstanding = self.ledger.outstanding();
        let window = u64::from(self.settings.window);
        if self.server.ack {
            let ahead = self.ledger.admitted() - self.taken;
            return ahead < window && outstanding < self.settings.window as usize + MAX_DELAY;
        }
        (outstanding as u64) < window || self.room_at().is_some_and(|at| at <= now)
    }

    /// When there will be room though nothing arrives, if there is none now.
    pub fn room_at(&self) -> Option<Duration> {
        let outstanding = self.ledger.outstanding();
        let stalled = self.state == State::Streaming
            && !self.flush
            && !self.server.ack
            && self.unsent == 0
            && outstanding >= self.settings.window as usize
            && outstanding < STALL_WINDOW;
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
        let number = self.ledger.admit(pts, duration);
        if self.ledger.outstanding() == STALL_WINDOW {
            self.answered = self.answered.max(now);
        }
        self.unsent += 1;
        self.activity.waiting(now);
        Ok(number)
    }

    /// The last byte of an admitted message was written.
    pub fn sent(&mut self, now: Duration, _number: u32) {
        self.unsent = self.unsent.saturating_sub(1);
        self.sent_at = self.sent_at.max(now);
        self.uploaded = self.uploaded.max(now);
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

    /// Bytes were written, of control messages or bulk.
    pub fn written(&mut self, now: Duration, bytes: usize) {
        self.activity.written(now, bytes);
        if self.unsent > 0 && bytes > 0 {
            self.uploaded = self.uploaded.max(now);
        }
    }

    // ── time ──

    /// When to call [`Self::tick`] if nothing happens before.
    pub fn deadline(&self) -> Option<Duration> {
        self.timers().into_iter().flatten().map(|(at, _)| at).min()
    }

    /// Does what is due: a PING, or failure.
    pub fn tick(&mut self, now: Duration) {
        let due = self.timers().into_iter().flatten().find(|(at, _)| *at <= now);
        let Some((_, timer)) = due else { return };
        let timed_out = |what, after| ClientError::TimedOut { what, after };
        let error = match timer {
            Timer::HelloAck => timed_out("no answer to HELLO", self.settings.timeout),
            Timer::ConfigureAck => timed_out("no answer to CONFIGURE", self.start_timeout()),
            Timer::Receive => timed_out("a message did not arrive completely", MESSAGE_TIMEOUT),
            Timer::Send => timed_out("the server took none of our output", MESSAGE_TIMEOUT),
            Timer::Answer => timed_out("the server gave no output", EARLY_ANSWER),
            Timer::Silence => timed_out("the server sent nothing", self.silence()),
            Timer::Write => {
                let reason = self.write_failure.take().map(|(_, reason)| reason);
                ClientError::Transport(reason.unwrap_or_default())
            }
            Timer::Ping => {
                self.output.ping = true;
                self.probed = self.probed.max(now);
                return self.activity.waiting(now);
            }
        };
        self.fail(error);
    }

    // ── outcome ──

    /// What the server is and offers; meaningful from [`ClientStep::Connected`] on.
    pub fn server(&self) -> &ServerTraits {
        &self.server
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
    /// Nothing if that takes more of them. To be asked until nothing comes, after every picture and
    /// after DONE.
    pub fn next_in_order(&mut self) -> Option<u64> {
        self.order.next()
    }

    /// Frames (encode) or packets (decode) that were admitted and not answered.
    pub fn outstanding(&self) -> usize {
        self.ledger.outstanding()
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

fn violation<T>(what: impl Into<String>) -> Result<T, ClientError> {
    Err(ClientError::Violation(what.into()))
}

impl Client {
    fn step<'a>(&mut self, now: Duration, item: Item<'a>) -> Result<ClientStep<'a>, ClientError> {
        match item {
            Item::HelloAck(ack) if self.state == State::Hello => self.connected(now, &ack),
            Item::ConfigureAck(ack) if matches!(self.state, State::Configure { .. }) => {
                self.configured(now, ack)
            }
            Item::HelloAck(_) | Item::ConfigureAck(_) => violation("a handshake out of order"),
            Item::Ping(payload) => {
                if self.streaming() && self.output.pongs < MAX_PONGS {
                    self.output.pongs += 1;
                    self.queue(now, message(|out| Pong(payload).encode(out)));
                }
                Ok(ClientStep::Nothing)
            }
            Item::Pong | Item::PacketAck | Item::Unknown { .. } => Ok(ClientStep::Nothing),
            Item::Error(ErrorMessage { code, message }) => {
                Err(ClientError::Server { code, message: message.into_owned() })
            }
            Item::Hello(_) | Item::Configure(_) | Item::Flush => {
                violation("a message that only clients send")
            }
            Item::Ack(ack) => self.ack(ack),
            Item::Done => self.finish(),
            Item::Body(data) => {
                self.answered = self.answered.max(now);
                Ok(ClientStep::Body(data))
            }
            Item::Packet(_) | Item::PacketEnd(_) => self.packet_item(now, item),
            Item::Frame(_)
            | Item::Plane(_)
            | Item::FrameEnd(_)
            | Item::FrameBegin(_)
            | Item::Slice(_)
            | Item::SliceEnd => self.picture_item(now, item),
        }
    }

    fn connected<'a>(
        &mut self,
        now: Duration,
        ack: &HelloAck<'_>,
    ) -> Result<ClientStep<'a>, ClientError> {
        if ack.status != HelloStatus::Ok {
            return Err(ClientError::Refused(ack.status));
        }
        self.server = ServerTraits::new(ack, &self.settings)?;
        let needs_sets = !self.encodes() && self.server.generation != Generation::Ours;
        if needs_sets && self.settings.extradata.is_empty() {
            self.state = State::ParameterSets;
        } else {
            self.configure(now)?;
        }
        Ok(ClientStep::Connected(self.server.clone()))
    }

    fn configure(&mut self, now: Duration) -> Result<(), ClientError> {
        let settings = &self.settings;
        let mut options = settings.options.clone();
        options.ack = self.server.ack;
        options.slices = self.server.slices;
        if !self.encodes() {
            // Servers know by it that frames may come at any time.
            options.decode_async = Some(true);
        }
        let pairs = options.to_pairs();
        let configure = Configure {
            width: settings.width,
            height: settings.height,
            pix_fmt: settings.pix_fmt.to_wire(),
            time_base: settings.time_base,
            frame_rate: settings.frame_rate_for(self.server.generation),
            options: pairs.iter().map(|(key, value)| (*key, value.as_str())).collect(),
            extradata: &settings.extradata,
        };
        let mut bytes = Vec::new();
        configure.encode(&mut bytes).map_err(|error| ClientError::Settings(error.to_string()))?;
        self.queue(now, bytes);
        self.state = State::Configure { since: now };
        Ok(())
    }

    fn configured<'a>(
        &mut self,
        now: Duration,
        ack: ConfigureAck<'a>,
    ) -> Result<ClientStep<'a>, ClientError> {
        if ack.status != 0 {
            return violation(format!("CONFIGURE_ACK with status {}", ack.status));
        }
        let pix_fmt = match PixelFormat::from_wire(ack.pix_fmt) {
            _ if self.encodes() => self.settings.pix_fmt,
            Some(format) => format,
            None => return violation(format!("frames of pixel format {}", ack.pix_fmt)),
        };
        let early = self.server.generation == Generation::Early;
        let ClientSettings { width, height, options, .. } = &self.settings;
        let compressed = options.wire_compression != 0;
        self.pictures = Some(Pictures::new(pix_fmt, *width, *height, compressed, early));
        self.order = Order::by_pts(early);
        self.state = State::Streaming;
        (self.uploaded, self.probed, self.answered) = (now, now, now);
        let ConfigureAck { extradata, warnings, .. } = ack;
        Ok(ClientStep::Configured { extradata, pix_fmt, warnings })
    }

    fn ack<'a>(&mut self, ack: Ack) -> Result<ClientStep<'a>, ClientError> {
        if !self.server.ack || !self.streaming() {
            return violation("ACK out of order");
        }
        // The count on the wire wraps.
        let more = u64::from(ack.taken.wrapping_sub(self.taken as u32));
        if more > self.ledger.admitted() - self.taken {
            return violation(format!("ACK of {} messages, more than were sent", ack.taken));
        }
        self.taken += more;
        Ok(ClientStep::Ack(ack))
    }

    fn packet_item<'a>(
        &mut self,
        now: Duration,
        item: Item<'a>,
    ) -> Result<ClientStep<'a>, ClientError> {
        match item {
            Item::Packet(head) => {
                self.stream(Mode::Encode, "PACKET")?;
                self.answered = self.answered.max(now);
                self.packet(head)
            }
            Item::PacketEnd(side_data) => {
                let Incoming::Packet { frame } = self.incoming else {
                    self.incoming = Incoming::Nothing;
                    return Ok(ClientStep::Nothing);
                };
                self.incoming = Incoming::Nothing;
                self.answered = self.answered.max(now);
                self.received += 1;
                self.ledger
                    .answer(frame)
                    .map_err(|(count, first)| ClientError::Missing { count, first })?;
                Ok(ClientStep::PacketEnd(side_data))
            }
            _ => Ok(ClientStep::Nothing),
        }
    }

    fn packet<'a>(&mut self, head: PacketHead) -> Result<ClientStep<'a>, ClientError> {
        let PacketHead { pts, dts, duration, flags, len } = head;
        let Some(waiting) = self.ledger.by_pts(pts) else {
            if len == 0 && self.ledger.knows(pts) {
                // How servers answer a frame that came twice. Ours never do, so it costs nothing.
                self.incoming = Incoming::Repeat;
                return Ok(ClientStep::Nothing);
            }
            return violation(format!("a packet for pts {}, which none waits for", Pts(pts)));
        };
        if len == 0 {
            return Err(ClientError::Missing { count: 1, first: pts });
        }
        if self.server.generation == Generation::Ours && !self.dts.in_order(pts, dts) {
            return violation(format!("dts {} of pts {} is out of order", Pts(dts), Pts(pts)));
        }
        let frame = waiting.number;
        let duration = if duration == 0 { waiting.duration } else { duration };
        let dts = self.dts.repair(pts, dts);
        self.incoming = Incoming::Packet { frame };
        Ok(ClientStep::Packet(PacketOut { frame, pts, dts, duration, flags, len }))
    }

    fn picture_item<'a>(
        &mut self,
        now: Duration,
        item: Item<'a>,
    ) -> Result<ClientStep<'a>, ClientError> {
        let fits = |result: Result<(), String>| result.map_err(ClientError::Violation);
        self.answered = self.answered.max(now);
        match item {
            Item::Frame(head) => {
                self.stream(Mode::Decode, "FRAME")?;
                fits(self.pictures()?.frame(&head))?;
                self.incoming = Incoming::Picture { pts: head.pts };
                Ok(ClientStep::Frame(head))
            }
            Item::Plane(head) => {
                fits(self.pictures()?.plane(&head))?;
                Ok(ClientStep::Plane(head))
            }
            Item::FrameEnd(side_data) => {
                self.pictures()?.frame_end();
                self.complete();
                Ok(ClientStep::FrameEnd(side_data))
            }
            Item::FrameBegin(begin) => {
                self.stream(Mode::Decode, "FRAME_BEGIN")?;
                if !self.server.slices {
                    return violation("FRAME_BEGIN though x.slices.v1 was not agreed");
                }
                fits(self.pictures()?.begin(&begin))?;
                self.incoming = Incoming::Picture { pts: begin.head.pts };
                Ok(ClientStep::FrameBegin(begin))
            }
            Item::Slice(slice) => {
                self.stream(Mode::Decode, "SLICE")?;
                fits(self.pictures()?.slice(&slice))?;
                Ok(ClientStep::Slice(slice))
            }
            Item::SliceEnd => {
                let last = self.pictures()?.slice_end();
                if last {
                    self.complete();
                }
                Ok(ClientStep::SliceEnd { last })
            }
            _ => Ok(ClientStep::Nothing),
        }
    }

    /// The picture that came in is whole.
    fn complete(&mut self) {
        if let Incoming::Picture { pts } = self.incoming {
            self.received += 1;
            self.ledger.answer_pts(pts);
            self.order.arrived(pts);
        }
        self.incoming = Incoming::Nothing;
    }

    /// DONE.
    fn finish<'a>(&mut self) -> Result<ClientStep<'a>, ClientError> {
        if !matches!(self.state, State::Flushed { .. }) {
            return violation("DONE before FLUSH");
        }
        if self.pictures.as_ref().is_some_and(Pictures::unfinished) {
            return violation("DONE amid a picture");
        }
        // A decoder may have nothing to show for a packet; an encoder owes one packet per frame.
        if let Some((count, first)) = self.ledger.missing().filter(|_| self.encodes()) {
            return Err(ClientError::Missing { count, first });
        }
        self.state = State::Done;
        self.order.end();
        Ok(ClientStep::Done)
    }

    /// Is `what` in order here?
    fn stream(&self, mode: Mode, what: &str) -> Result<(), ClientError> {
        if !self.streaming() {
            return violation(format!("{what} before CONFIGURE_ACK"));
        }
        if self.settings.options.mode != mode {
            return violation(format!("{what} in a session of the other direction"));
        }
        Ok(())
    }

    fn pictures(&mut self) -> Result<&mut Pictures, ClientError> {
        let none = || ClientError::Violation("a picture before CONFIGURE_ACK".into());
        self.pictures.as_mut().ok_or_else(none)
    }

    fn encodes(&self) -> bool {
        self.settings.options.mode == Mode::Encode
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
        }
    }

    fn queue(&mut self, now: Duration, message: Vec<u8>) {
        self.output.queue.push_back(message);
        self.activity.waiting(now);
    }

    /// Where no output waits, no send deadline runs.
    fn settle(&mut self) {
        if self.unsent == 0 && self.output.queue.is_empty() && !self.output.ping {
            self.activity.all_written();
        }
    }

    fn start_timeout(&self) -> Duration {
        self.settings.timeout.max(MIN_START_TIMEOUT)
    }

    /// How long a server that lives is never silent.
    fn silence(&self) -> Duration {
        match (self.state, self.server.generation) {
            // It sends no PING, and we may not send one.
            (State::Flushed { .. }, Generation::Early) => EARLY_ANSWER,
            _ => self.settings.timeout.max(MIN_SILENCE),
        }
    }

    fn timers(&self) -> [Option<(Duration, Timer)>; 8] {
        if self.ended() {
            return [None; 8];
        }
        let Activity { heard, spoke, message_since, stuck_since, .. } = self.activity;
        let silence = self.silence();
        let moved = heard.max(self.uploaded);
        let (hello, configure, streaming, flushed) = match self.state {
            State::Hello => (Some(Duration::ZERO), None, None, None),
            State::ParameterSets => (None, None, None, None),
            State::Configure { since } => (None, Some(since), None, None),
            State::Flushed { since } => (None, None, None, Some(moved.max(since))),
            _ => (None, None, Some(moved), None),
        };
        let owed = match self.state {
            State::Streaming => self.ledger.outstanding() >= STALL_WINDOW,
            State::Flushed { .. } => self.ledger.outstanding() > 0,
            _ => false,
        };
        let owed = owed && self.server.generation == Generation::Early;
        let pings = self.state == State::Streaming && !self.output.ping;
        let ping = pings.then(|| {
            let probe = moved.max(self.probed).saturating_add(silence / 2);
            probe.min(spoke.saturating_add(KEEPALIVE))
        });
        let after = |since: Option<Duration>, after, timer| {
            since.map(|since| (since.saturating_add(after), timer))
        };
        [
            after(self.write_failure.as_ref().map(|(at, _)| *at), LAST_WORDS, Timer::Write),
            after(hello, self.settings.timeout, Timer::HelloAck),
            after(configure, self.start_timeout(), Timer::ConfigureAck),
            after(message_since, MESSAGE_TIMEOUT, Timer::Receive),
            after(stuck_since, MESSAGE_TIMEOUT, Timer::Send),
            after(owed.then_some(self.answered), EARLY_ANSWER, Timer::Answer),
            after(streaming.or(flushed), silence, Timer::Silence),
            after(ping, Duration::ZERO, Timer::Ping),
        ]
    }
}

/// One message as bytes.
fn message(encode: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    encode(&mut out);
    out
}
