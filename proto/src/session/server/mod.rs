//! The server's end of a session.

mod answers;
mod end;

use std::{collections::VecDeque, time::Duration};

use answers::{Answers, Arrival};
pub(super) use end::Pts;
pub use end::{End, OutputError};

use super::{
    activity::Activity,
    picture::{MAX_SIDE, Pictures},
};
use crate::{
    Ack, Configure, ConfigureAck, Done, ErrorMessage, FrameBegin, FrameHead, Hello, HelloAck,
    HelloStatus, Item, Mode, Options, PacketHead, Ping, PixelFormat, PlaneHead, Pong, ReadError,
    SideData, SliceHead, error_code,
};

/// CONFIGURE_ACK comes within this: existing clients give up after 5 s.
const START_TIMEOUT: Duration = Duration::from_secs(4);

/// A client of ours that sends nothing for this long though we PING is gone.
const SILENCE: Duration = Duration::from_secs(60);

/// Unsent PONGs that are kept; a client that PINGs on without reading gets no more.
const MAX_PONGS: usize = 16;

/// Unsent messages from which on the session wants no further input. Existing clients have at most
/// 128 frames unanswered.
const MAX_QUEUED: usize = 256;

/// The deadlines of a server's session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerSettings {
    /// For HELLO from the start, and for CONFIGURE from HELLO_ACK.
    pub handshake_timeout: Duration,
    /// For one message from its first byte to its last; for output of which nothing leaves; and for
    /// a session in which nothing moves either way.
    pub idle_timeout: Duration,
    /// After this long without a message to send, a client that waits for us gets a PING.
    pub ping_interval: Duration,
    /// How long input is still read and dropped after the session's end.
    pub linger: Duration,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            handshake_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            ping_interval: Duration::from_secs(2),
            linger: Duration::from_secs(5),
        }
    }
}

/// What a client asked for and was offered. Known from [`ServerStep::Configure`] on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientTraits {
    /// Encode or decode.
    pub mode: Mode,
    /// `x.ack.v1`: encoder delay costs this client no credit. To others a server holds back at most
    /// 7 frames (docs/protocol.md section 7).
    pub ack: bool,
    /// `x.slices.v1`: pictures may come and go in slices.
    pub slices: bool,
    /// A decode client that waits for one frame after every packet lacks this: give it no more
    /// delay than the stream's reordering. It gets no PING.
    pub decode_async: bool,
}

/// The next message to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing<B> {
    /// A whole message.
    Control(Vec<u8>),
    /// A message that was queued with [`Server::packet`] or [`Server::frame`].
    Data(B),
}

/// What a received item means.
#[derive(Debug)]
pub enum ServerStep<'a> {
    /// Nothing to do.
    Nothing,
    /// Answer with [`Server::accept`] or [`Server::refuse`].
    Hello(Hello<'a>),
    /// With the options parsed, and the keys that are unknown or ask for what was not offered.
    /// Answer with [`Server::configured`] or [`Server::refuse_configure`] within 4 s.
    Configure(Configure<'a>, Options, Vec<String>),
    /// Encode: a picture begins.
    Frame(FrameHead),
    /// Encode: a plane begins, with exactly the rows of the configured format, or one chroma row
    /// less of an odd height.
    Plane(PlaneHead),
    /// Data of the plane, slice or packet that began last.
    Body(&'a [u8]),
    /// Encode: the picture is complete. Once the backend has it, call [`Server::taken`].
    FrameEnd(SideData<'a>),
    /// Encode: a picture in slices begins.
    FrameBegin(FrameBegin<'a>),
    /// Encode: a slice begins. The slices of a picture cover every row of every plane once.
    Slice(SliceHead),
    /// Encode: a slice is complete.
    SliceEnd {
        /// And so is the picture. Once the backend has it, call [`Server::taken`].
        last: bool,
    },
    /// Decode: a packet begins.
    Packet(PacketHead),
    /// Decode: a packet is complete. Once the backend has it, call [`Server::taken`].
    PacketEnd(SideData<'a>),
    /// FLUSH: drain the backend, then call [`Server::drained`].
    Drain,
    /// The session has ended: what is still read is dropped, and need not be parsed.
    Closing,
}

/// What went through a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ServerCounts {
    /// Pictures received, repeats not counted.
    pub frames_in: u64,
    /// Packets queued, those for repeats not counted.
    pub packets_out: u64,
    /// Packets received.
    pub packets_in: u64,
    /// Pictures queued.
    pub frames_out: u64,
    /// FRAMEs that repeated the one before and were answered without data.
    pub repeats: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes written.
    pub bytes_out: u64,
}

/// The server's end of one connection. `B` is the caller's form of a whole PACKET or FRAME message.
#[derive(Debug)]
pub struct Server<B> {
    settings: ServerSettings,
    state: State,
    activity: Activity,
    /// Capabilities listed in HELLO_ACK.
    offered: Offered,
    client: ClientTraits,
    pictures: Option<Pictures>,
    /// The picture that comes in: its pts, or none if it is a repeat to be dropped.
    incoming: Incoming,
    answers: Answers,
    taken: u32,
    output: Output<B>,
    /// When the first PING since the last received byte was sent.
    unheard_since: Option<Duration>,
    input_ended: bool,
    end: Option<End>,
    counts: ServerCounts,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Waits for HELLO.
    Hello,
    /// The caller decides about HELLO.
    Deciding,
    /// Waits for CONFIGURE since HELLO_ACK.
    Configure {
        since: Duration,
    },
    /// The caller configures its backend since CONFIGURE.
    Configuring {
        since: Duration,
    },
    Streaming,
    /// FLUSH came.
    Draining,
    /// The last message is queued, or sent since; input is dropped.
    Lingering {
        since: Option<Duration>,
    },
    Over,
}

#[derive(Debug, Clone, Copy, Default)]
struct Offered {
    ack: bool,
    slices: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Incoming {
    Nothing,
    Picture { pts: i64 },
    Repeat,
}

/// Messages to be written. Handshake answers go first; PONG, ACK and PING overtake what waits.
#[derive(Debug)]
struct Output<B> {
    handshake: VecDeque<Vec<u8>>,
    pongs: VecDeque<Vec<u8>>,
    ack: Option<Ack>,
    ping: bool,
    queue: VecDeque<Outgoing<B>>,
    /// What was fetched last has not been written yet.
    writing: bool,
}

impl<B> Output<B> {
    fn pending(&self) -> bool {
        self.writing
            || self.ping
            || self.ack.is_some()
            || !self.handshake.is_empty()
            || !self.pongs.is_empty()
            || !self.queue.is_empty()
    }

    fn next(&mut self) -> Option<Outgoing<B>> {
        if let Some(message) = self.handshake.pop_front().or_else(|| self.pongs.pop_front()) {
            return Some(Outgoing::Control(message));
        }
        if let Some(ack) = self.ack.take() {
            return Some(Outgoing::Control(message(|out| ack.encode(out))));
        }
        if std::mem::take(&mut self.ping) {
            return Some(Outgoing::Control(message(|out| Ping.encode(out))));
        }
        self.queue.pop_front()
    }
}

/// What a deadline is for, in the order in which they count when several have passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Timer {
    Hello,
    Configure,
    Start,
    Receive,
    Send,
    Idle,
    Silence,
    Linger,
    Ping,
}

impl<B> Server<B> {
    /// A session that waits for HELLO; it begins now, at time zero.
    pub fn new(settings: ServerSettings) -> Self {
        Self {
            settings,
            state: State::Hello,
            activity: Activity::default(),
            offered: Offered::default(),
            client: ClientTraits {
                mode: Mode::Encode,
                ack: false,
                slices: false,
                decode_async: false,
            },
            pictures: None,
            incoming: Incoming::Nothing,
            answers: Answers::default(),
            taken: 0,
            output: Output {
                handshake: VecDeque::new(),
                pongs: VecDeque::new(),
                ack: None,
                ping: false,
                queue: VecDeque::new(),
                writing: false,
            },
            unheard_since: None,
            input_ended: false,
            end: None,
            counts: ServerCounts::default(),
        }
    }

    // ── input ──

    /// What an item means. One that breaks the rules queues an ERROR and gives
    /// [`ServerStep::Closing`].
    pub fn receive<'a>(&mut self, now: Duration, item: Item<'a>) -> ServerStep<'a> {
        self.activity.parsed(&item);
        if self.closing() {
            return ServerStep::Closing;
        }
        match self.step(now, item) {
            Ok(step) => step,
            Err(Violation { code, message }) => {
                self.fail(now, code, &message);
                ServerStep::Closing
            }
        }
    }

    /// Bytes came in, after their items were received; `in_message` says whether a message is
    /// unfinished (see [`Incoming::in_message`](crate::Incoming::in_message)).
    pub fn moved(&mut self, now: Duration, read: usize, in_message: bool) {
        self.activity.received(now, read, in_message);
        if read > 0 {
            self.unheard_since = None;
        }
    }

    /// The bytes that came in are no message. What is no VTR1 at all gets no answer.
    pub fn unreadable(&mut self, now: Duration, error: &ReadError) {
        match error {
            ReadError::NotVtr1 if self.state == State::Hello => self.finish(End::NotVtr1),
            _ => {
                let code = error.code().unwrap_or(error_code::PROTOCOL);
                self.fail(now, code, &error.to_string());
            }
        }
    }

    /// The client closed its sending side. After FLUSH the remaining output still goes out;
    /// before, the session is over.
    pub fn end_of_input(&mut self, now: Duration) {
        self.input_ended = true;
        match self.state {
            State::Draining => {}
            State::Lingering { .. } => self.sent_everything(now),
            _ => self.finish(End::ClientLeft { unanswered: self.unanswered() }),
        }
    }

    /// The connection broke: the session is over.
    pub fn transport_failed(&mut self, _now: Duration, reason: String) {
        self.finish(End::Transport(reason));
    }

    /// Whether more should be read. False while so much output waits for the client that further
    /// input would only add to it.
    pub fn wants_input(&self) -> bool {
        self.output.queue.len() < MAX_QUEUED
    }

    // ── answers and output ──

    /// Answers [`ServerStep::Hello`]. A status other than ok refuses. The extensions among the
    /// capabilities are those that the client may ask for.
    pub fn accept(&mut self, now: Duration, ack: &HelloAck<'_>) {
        if self.state != State::Deciding {
            return;
        }
        let mut bytes = Vec::new();
        if let Err(error) = ack.encode(&mut bytes) {
            return self.fail(now, error_code::INTERNAL, &error.to_string());
        }
        self.queue_handshake(now, bytes);
        self.offered = Offered { ack: ack.has("x.ack.v1"), slices: ack.has("x.slices.v1") };
        if ack.status == HelloStatus::Ok {
            self.state = State::Configure { since: now };
        } else {
            self.linger(End::Refused(ack.status));
        }
    }

    /// Answers [`ServerStep::Hello`] with a status that is not ok; ok is sent as internal.
    pub fn refuse(&mut self, now: Duration, ack: &HelloAck<'_>) {
        let status = match ack.status {
            HelloStatus::Ok => HelloStatus::Internal,
            status => status,
        };
        self.accept(now, &HelloAck { status, ..ack.clone() });
    }

    /// Answers [`ServerStep::Configure`]: the backend is ready. In decode the extradata is left
    /// out.
    ///
    /// # Errors
    /// [`OutputError::Unsendable`] if the wire or the client cannot have this answer; the client
    /// got an ERROR. [`OutputError::Closed`] if the session ended meanwhile.
    pub fn configured(&mut self, now: Duration, ack: &ConfigureAck<'_>) -> Result<(), OutputError> {
        if !matches!(self.state, State::Configuring { .. }) {
            return Err(OutputError::Closed);
        }
        let decode = self.client.mode == Mode::Decode;
        if decode && !self.client.ack && !matches!(ack.pix_fmt, 1 | 2) {
            let message = format!("this client cannot take frames of pixel format {}", ack.pix_fmt);
            self.fail(now, error_code::UNSUPPORTED, &message);
            return Err(OutputError::Unsendable(message));
        }
        let extradata = if decode { &[] } else { ack.extradata };
        let mut bytes = Vec::new();
        match (ConfigureAck { extradata, ..ack.clone() }).encode(&mut bytes) {
            Ok(()) => {
                self.queue_handshake(now, bytes);
                self.state = State::Streaming;
                Ok(())
            }
            Err(error) => Err(self.breach(now, OutputError::Unsendable(error.to_string()))),
        }
    }

    /// Answers [`ServerStep::Configure`] with an ERROR that says which option or property cannot
    /// be had, and why.
    pub fn refuse_configure(&mut self, now: Duration, code: u32, message: &str) {
        self.fail(now, code, message);
    }

    /// What the client asked for; meaningful from [`ServerStep::Configure`] on.
    pub fn traits_of_client(&self) -> ClientTraits {
        self.client
    }

    /// The backend has the picture or packet that was completed last, whose data took so many
    /// microseconds to decompress. A client that uses `x.ack.v1` is told.
    pub fn taken(&mut self, now: Duration, decompress_us: u32) {
        let received = self.counts.frames_in + self.counts.packets_in;
        if self.streaming() && u64::from(self.taken) < received {
            // The count is cumulative and wraps with its field.
            self.taken = self.taken.wrapping_add(1);
            if self.client.ack {
                self.output.ack = Some(Ack { taken: self.taken, decompress_us });
                self.activity.waiting(now);
            }
        }
    }

    /// Encode: queues the PACKET message `body` whose head is `packet`, and packets without data
    /// for the repeats of its frame.
    ///
    /// # Errors
    /// A pts that no frame waits for, or a dts out of order: the client gets ERROR 5 and the
    /// session ends. [`OutputError::Closed`] if it had ended.
    pub fn packet(
        &mut self,
        now: Duration,
        packet: &PacketHead,
        body: B,
    ) -> Result<(), OutputError> {
        if !self.streaming() || self.client.mode != Mode::Encode {
            return Err(OutputError::Closed);
        }
        let repeats = match self.answers.answered(packet) {
            Ok(repeats) => repeats,
            Err(error) => return Err(self.breach(now, error)),
        };
        self.queue(now, Outgoing::Data(body));
        self.counts.packets_out += 1;
        for _ in 0..repeats {
            self.answer_repeat(now, packet);
        }
        Ok(())
    }

    /// Decode: queues the FRAME message `body`, or the last message of a picture in slices.
    ///
    /// # Errors
    /// [`OutputError::Closed`] if the session takes no frames.
    pub fn frame(&mut self, now: Duration, body: B) -> Result<(), OutputError> {
        self.part(now, body)?;
        self.counts.frames_out += 1;
        Ok(())
    }

    /// Decode: queues a message of a picture in slices that is not its last.
    ///
    /// # Errors
    /// [`OutputError::Closed`] if the session takes no frames.
    pub fn part(&mut self, now: Duration, body: B) -> Result<(), OutputError> {
        if !self.streaming() || self.client.mode != Mode::Decode {
            return Err(OutputError::Closed);
        }
        self.queue(now, Outgoing::Data(body));
        Ok(())
    }

    /// The backend has given everything: DONE.
    ///
    /// # Errors
    /// [`OutputError::Dropped`] if frames are unanswered; the client gets ERROR 5 instead.
    /// [`OutputError::Closed`] if no drain was under way.
    pub fn drained(&mut self, now: Duration) -> Result<(), OutputError> {
        if self.state != State::Draining {
            return Err(OutputError::Closed);
        }
        if let Some((count, first)) = self.answers.waiting() {
            return Err(self.breach(now, OutputError::Dropped { count, first }));
        }
        self.queue(now, Outgoing::Control(message(|out| Done.encode(out))));
        self.linger(End::Done);
        Ok(())
    }

    /// The backend failed, or the server shuts down: ERROR, after what is queued.
    pub fn fail(&mut self, now: Duration, code: u32, message: &str) {
        if self.closing() {
            return;
        }
        let error = ErrorMessage { code, message: message.into() };
        self.queue(now, Outgoing::Control(self::message(|out| error.encode(out))));
        self.linger(End::Failed { code, message: message.into() });
    }

    /// The next whole message to write. Asking for it says that the one before was written.
    pub fn next(&mut self, now: Duration) -> Option<Outgoing<B>> {
        if self.state == State::Over {
            return None;
        }
        let next = self.output.next();
        self.output.writing = next.is_some();
        if next.is_some() {
            self.activity.given(now);
        } else {
            self.activity.all_written();
            self.sent_everything(now);
        }
        next
    }

    /// Bytes were written.
    pub fn written(&mut self, now: Duration, bytes: usize) {
        self.activity.written(now, bytes);
    }

    /// The last message was written: shut the sending side down, and read on until
    /// [`Self::over`].
    pub fn send_finished(&self) -> bool {
        matches!(self.state, State::Lingering { since: Some(_) } | State::Over)
    }

    // ── time ──

    /// When to call [`Self::tick`] if nothing happens before.
    pub fn deadline(&self) -> Option<Duration> {
        self.timers().map(|(at, _)| at).min()
    }

    /// Does what is due: a PING, an ERROR, the end.
    pub fn tick(&mut self, now: Duration) {
        let due = self.timers().filter(|(at, _)| *at <= now).map(|(_, timer)| timer).next();
        let Some(timer) = due else { return };
        let idle = self.settings.idle_timeout;
        let text = match timer {
            Timer::Hello => "no HELLO came in time".into(),
            Timer::Configure => "no CONFIGURE came in time".into(),
            Timer::Start => format!("the backend did not start within {START_TIMEOUT:?}"),
            Timer::Receive => format!("a message did not arrive completely within {idle:?}"),
            Timer::Idle => format!("nothing moved for {idle:?}"),
            Timer::Silence => format!("nothing came for {SILENCE:?} though we sent PINGs"),
            Timer::Send => return self.finish(End::Stuck),
            Timer::Linger => return self.over_now(),
            Timer::Ping => {
                self.output.ping = true;
                self.activity.waiting(now);
                self.unheard_since.get_or_insert(now);
                return;
            }
        };
        self.fail(now, error_code::TIMEOUT, &text);
    }

    // ── outcome ──

    /// Why the session ended, as soon as that is known. Its slot is free; the connection stays
    /// until [`Self::over`].
    pub fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// The connection can be closed, and why.
    pub fn over(&self) -> Option<&End> {
        self.end.as_ref().filter(|_| self.state == State::Over)
    }

    /// Frames (encode) or packets (decode) that the backend owes output for.
    pub fn unanswered(&self) -> u64 {
        match self.client.mode {
            Mode::Encode => self.answers.waiting().map_or(0, |(count, _)| count),
            _ => self.counts.packets_in.saturating_sub(self.counts.frames_out),
        }
    }

    /// What went through so far.
    pub fn counts(&self) -> ServerCounts {
        let Activity { bytes_in, bytes_out, .. } = self.activity;
        ServerCounts { bytes_in, bytes_out, ..self.counts }
    }
}

/// What a client did wrong.
struct Violation {
    code: u32,
    message: String,
}

impl Violation {
    fn order(message: impl Into<String>) -> Self {
        Self { code: error_code::PROTOCOL, message: message.into() }
    }

    fn bad(message: impl Into<String>) -> Self {
        Self { code: error_code::BAD_REQUEST, message: message.into() }
    }
}

impl<B> Server<B> {
    fn step<'a>(&mut self, now: Duration, item: Item<'a>) -> Result<ServerStep<'a>, Violation> {
        match item {
            Item::Hello(hello) if self.state == State::Hello => {
                self.state = State::Deciding;
                Ok(ServerStep::Hello(hello))
            }
            Item::Hello(_) => Err(Violation::order("a second HELLO")),
            Item::Configure(configure) if matches!(self.state, State::Configure { .. }) => {
                self.configure(now, configure)
            }
            Item::Configure(_) => Err(Violation::order("CONFIGURE out of order")),
            Item::Ping(payload) => {
                // Before CONFIGURE_ACK an answer would fail both ends (docs/protocol.md section 8).
                if self.streaming() && self.output.pongs.len() < MAX_PONGS {
                    self.output.pongs.push_back(message(|out| Pong(payload).encode(out)));
                    self.activity.waiting(now);
                }
                Ok(ServerStep::Nothing)
            }
            Item::Pong | Item::Unknown { .. } => Ok(ServerStep::Nothing),
            Item::Error(ErrorMessage { code, message }) => {
                self.finish(End::ClientFailed { code, message: message.into_owned() });
                Ok(ServerStep::Closing)
            }
            Item::Flush => self.flush(),
            Item::HelloAck(_)
            | Item::ConfigureAck(_)
            | Item::Done
            | Item::PacketAck
            | Item::Ack(_) => Err(Violation::bad("a message that only servers send")),
            Item::Body(_) if self.incoming == Incoming::Repeat => Ok(ServerStep::Nothing),
            Item::Body(data) => Ok(ServerStep::Body(data)),
            Item::Packet(_) | Item::PacketEnd(_) => self.packet_item(item),
            Item::Frame(_)
            | Item::Plane(_)
            | Item::FrameEnd(_)
            | Item::FrameBegin(_)
            | Item::Slice(_)
            | Item::SliceEnd => self.picture_item(now, item),
        }
    }

    fn configure<'a>(
        &mut self,
        now: Duration,
        configure: Configure<'a>,
    ) -> Result<ServerStep<'a>, Violation> {
        let refuse = |code, message: String| Err(Violation { code, message });
        let (options, mut unknown) = match Options::parse(&configure.options) {
            Ok(parsed) => parsed,
            Err(error) => return refuse(error.code(), error.to_string()),
        };
        let mode = options.mode;
        if mode == Mode::Transcode {
            return refuse(error_code::UNSUPPORTED, "mode transcode is not supported".into());
        }
        let Configure { width, height, pix_fmt, .. } = configure;
        if ![width, height].iter().all(|side| (1..=MAX_SIDE).contains(side)) {
            let message = format!("size {width}x{height} is not within 1 to {MAX_SIDE} each way");
            return refuse(error_code::AUTH_OR_CONFIG, message);
        }
        let Some(format) = PixelFormat::from_wire(pix_fmt) else {
            let message = format!("pixel format {pix_fmt} is not supported");
            return refuse(error_code::UNSUPPORTED, message);
        };
        let mut agreed = |asked: bool, offered: bool, key: &str| {
            if asked && !offered {
                unknown.push(key.into());
            }
            asked && offered
        };
        self.client = ClientTraits {
            mode,
            ack: agreed(options.ack, self.offered.ack, "x.ack.v1"),
            slices: agreed(options.slices, self.offered.slices, "x.slices.v1"),
            decode_async: options.decode_async == Some(true),
        };
        let compressed = options.wire_compression != 0;
        self.pictures = Some(Pictures::new(format, width, height, compressed, true));
        self.state = State::Configuring { since: now };
        Ok(ServerStep::Configure(configure, options, unknown))
    }

    fn packet_item<'a>(&mut self, item: Item<'a>) -> Result<ServerStep<'a>, Violation> {
        match item {
            Item::Packet(packet) => {
                self.stream(Mode::Decode, "PACKET")?;
                Ok(ServerStep::Packet(packet))
            }
            Item::PacketEnd(side_data) => {
                self.counts.packets_in += 1;
                Ok(ServerStep::PacketEnd(side_data))
            }
            _ => Ok(ServerStep::Nothing),
        }
    }

    fn picture_item<'a>(
        &mut self,
        now: Duration,
        item: Item<'a>,
    ) -> Result<ServerStep<'a>, Violation> {
        if self.incoming == Incoming::Repeat {
            if matches!(item, Item::FrameEnd(_)) {
                self.incoming = Incoming::Nothing;
            }
            return Ok(ServerStep::Nothing);
        }
        match item {
            Item::Frame(head) => {
                self.stream(Mode::Encode, "FRAME")?;
                self.pictures()?.frame(&head).map_err(Violation::bad)?;
                if let Some(repeat) = self.arrival(head.pts)? {
                    self.pictures()?.frame_end();
                    self.incoming = Incoming::Repeat;
                    self.counts.repeats += 1;
                    if let Some(answer) = repeat.answer {
                        self.answer_repeat(now, &answer);
                    }
                    return Ok(ServerStep::Nothing);
                }
                self.incoming = Incoming::Picture { pts: head.pts };
                Ok(ServerStep::Frame(head))
            }
            Item::Plane(head) => {
                self.pictures()?.plane(&head).map_err(Violation::bad)?;
                Ok(ServerStep::Plane(head))
            }
            Item::FrameEnd(side_data) => {
                self.pictures()?.frame_end();
                self.complete();
                Ok(ServerStep::FrameEnd(side_data))
            }
            Item::FrameBegin(begin) => {
                self.stream(Mode::Encode, "FRAME_BEGIN")?;
                if !self.client.slices {
                    return Err(Violation::bad("FRAME_BEGIN though x.slices.v1 was not agreed"));
                }
                self.pictures()?.begin(&begin).map_err(Violation::bad)?;
                let pts = begin.head.pts;
                if self.arrival(pts)?.is_some() {
                    return Err(Violation::bad(format!("pts {} came twice", Pts(pts))));
                }
                self.incoming = Incoming::Picture { pts };
                Ok(ServerStep::FrameBegin(begin))
            }
            Item::Slice(slice) => {
                self.stream(Mode::Encode, "SLICE")?;
                self.pictures()?.slice(&slice).map_err(Violation::bad)?;
                Ok(ServerStep::Slice(slice))
            }
            Item::SliceEnd => {
                let last = self.pictures()?.slice_end();
                if last {
                    self.complete();
                }
                Ok(ServerStep::SliceEnd { last })
            }
            _ => Ok(ServerStep::Nothing),
        }
    }

    fn flush<'a>(&mut self) -> Result<ServerStep<'a>, Violation> {
        match self.state {
            State::Streaming if self.pictures.as_ref().is_some_and(Pictures::unfinished) => {
                Err(Violation::order("FLUSH amid a picture"))
            }
            State::Streaming => {
                self.state = State::Draining;
                Ok(ServerStep::Drain)
            }
            // Early clients repeat it up to 16 times.
            State::Draining => Ok(ServerStep::Nothing),
            _ => Err(Violation::order("FLUSH before CONFIGURE_ACK")),
        }
    }

    /// Is `what` in order here?
    fn stream(&self, mode: Mode, what: &str) -> Result<(), Violation> {
        match self.state {
            State::Streaming if self.client.mode == mode => Ok(()),
            State::Streaming => {
                Err(Violation::bad(format!("{what} in a session of the other direction")))
            }
            State::Draining => Err(Violation::order(format!("{what} after FLUSH"))),
            _ => Err(Violation::order(format!("{what} before CONFIGURE_ACK"))),
        }
    }

    fn pictures(&mut self) -> Result<&mut Pictures, Violation> {
        self.pictures.as_mut().ok_or_else(|| Violation::order("a picture before CONFIGURE_ACK"))
    }

    /// The repeat that a frame of this pts is, if it is one.
    fn arrival(&mut self, pts: i64) -> Result<Option<Repeat>, Violation> {
        match self.answers.arrival(pts) {
            Arrival::New => Ok(None),
            Arrival::Repeat(answer) => Ok(Some(Repeat { answer })),
            Arrival::Duplicate => Err(Violation::bad(format!("pts {} came twice", Pts(pts)))),
            Arrival::Excess => {
                Err(Violation::bad(format!("pts {} came again and again", Pts(pts))))
            }
        }
    }

    /// The picture that came in is whole.
    fn complete(&mut self) {
        if let Incoming::Picture { pts } = self.incoming {
            self.answers.begun(pts);
            self.counts.frames_in += 1;
        }
        self.incoming = Incoming::Nothing;
    }

    fn answer_repeat(&mut self, now: Duration, answer: &PacketHead) {
        let head = PacketHead { flags: 0, len: 0, ..*answer };
        if let Ok((mut bytes, tail)) = crate::packet_message(&head, &[]) {
            bytes.extend_from_slice(&tail);
            self.queue(now, Outgoing::Control(bytes));
        }
    }

    fn breach(&mut self, now: Duration, error: OutputError) -> OutputError {
        self.fail(now, error_code::INTERNAL, &error.to_string());
        error
    }

    fn queue_handshake(&mut self, now: Duration, message: Vec<u8>) {
        self.output.handshake.push_back(message);
        self.activity.waiting(now);
    }

    fn queue(&mut self, now: Duration, outgoing: Outgoing<B>) {
        self.output.queue.push_back(outgoing);
        self.activity.waiting(now);
    }

    fn streaming(&self) -> bool {
        matches!(self.state, State::Streaming | State::Draining)
    }

    fn closing(&self) -> bool {
        matches!(self.state, State::Lingering { .. } | State::Over)
    }

    /// The last message is queued.
    fn linger(&mut self, end: End) {
        self.end.get_or_insert(end);
        self.state = State::Lingering { since: None };
    }

    /// Over at once: nobody is there to read what is queued.
    fn finish(&mut self, end: End) {
        self.end.get_or_insert(end);
        self.over_now();
    }

    fn over_now(&mut self) {
        self.state = State::Over;
        self.output.queue.clear();
    }

    /// Where nothing waits to be written any more, the linger time begins, or the session is over
    /// because the client has closed too.
    fn sent_everything(&mut self, now: Duration) {
        if let State::Lingering { since } = &mut self.state
            && !self.output.pending()
        {
            since.get_or_insert(now);
            if self.input_ended {
                self.over_now();
            }
        }
    }

    /// A client waits for us and can take a PING.
    fn pings(&self) -> bool {
        let waits = self.state == State::Draining
            || self.unanswered() > 0
            || self.activity.message_since.is_some();
        let takes = self.client.mode == Mode::Encode || self.client.decode_async;
        self.streaming() && waits && takes && !self.output.pending()
    }

    fn timers(&self) -> impl Iterator<Item = (Duration, Timer)> {
        let ServerSettings { handshake_timeout, idle_timeout, ping_interval, linger } =
            self.settings;
        let Activity { heard, spoke, message_since, stuck_since, .. } = self.activity;
        let streaming = self.streaming();
        let receiving = !self.closing() && self.state != State::Hello;
        [
            (
                matches!(self.state, State::Hello).then_some(Duration::ZERO),
                handshake_timeout,
                Timer::Hello,
            ),
            (self.since_hello_ack(), handshake_timeout, Timer::Configure),
            (self.since_configure(), START_TIMEOUT, Timer::Start),
            (message_since.filter(|_| receiving), idle_timeout, Timer::Receive),
            (stuck_since.filter(|_| self.state != State::Over), idle_timeout, Timer::Send),
            (streaming.then_some(heard.max(spoke)), idle_timeout, Timer::Idle),
            (self.unheard_since.filter(|_| streaming && self.client.ack), SILENCE, Timer::Silence),
            (self.since_sent(), linger, Timer::Linger),
            (self.pings().then_some(spoke), ping_interval, Timer::Ping),
        ]
        .into_iter()
        .filter_map(|(since, after, timer)| Some((since?.saturating_add(after), timer)))
    }

    fn since_hello_ack(&self) -> Option<Duration> {
        match self.state {
            State::Configure { since } => Some(since),
            _ => None,
        }
    }

    fn since_configure(&self) -> Option<Duration> {
        match self.state {
            State::Configuring { since } => Some(since),
            _ => None,
        }
    }

    fn since_sent(&self) -> Option<Duration> {
        match self.state {
            State::Lingering { since } => since,
            _ => None,
        }
    }
}

struct Repeat {
    answer: Option<PacketHead>,
}

/// One message as bytes.
fn message(encode: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    encode(&mut out);
    out
}
