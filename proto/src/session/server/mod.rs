//! The server's end of a session.

mod answers;
mod deadlines;
mod end;
mod output;
mod rules;
mod settings;

use std::time::Duration;

use answers::{Answers, Arrival};
pub(super) use end::Pts;
pub use end::{End, OutputError};
pub use output::Outgoing;
use output::Output;
use rules::Violation;
pub use settings::{ClientTraits, ServerSettings};

use super::{activity::Activity, message, pace::Paces, picture::Pictures};
use crate::{
    Ack, Configure, ConfigureAck, Done, ErrorMessage, FrameBegin, FrameHead, Hello, HelloAck,
    HelloStatus, Item, Mode, Notice, Options, Pace, PacketHead, PlaneHead, ReadError, SideData,
    SliceHead, error_code,
};

/// Unsent PONGs that are kept; a client that PINGs on without reading gets no more.
const MAX_PONGS: usize = 16;

/// NOTICEs of one session: a stream that is damaged throughout has one for every packet.
const MAX_NOTICES: u64 = 32;

/// Unsent messages from which on the session wants no further input. Existing clients have at most
/// 128 frames unanswered.
const MAX_QUEUED: usize = 256;

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
    /// Decode: how far the client is, and what held it up, since it said so last.
    Pace(Pace),
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
    /// What the client last said in PACE, and how many pictures that are.
    pace: Pace,
    paced: u64,
    /// When PACE goes out.
    paces: Paces,
    /// NOTICEs that there were, sent or not.
    notices: u64,
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
    geometry: bool,
    notice: bool,
    vtz: bool,
    pace: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Incoming {
    Nothing,
    Picture { pts: i64 },
    Repeat,
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
                geometry: false,
                notice: false,
                vtz: false,
                pace: false,
                decode_async: false,
            },
            pictures: None,
            incoming: Incoming::Nothing,
            answers: Answers::default(),
            taken: 0,
            pace: Pace::default(),
            paced: 0,
            paces: Paces::default(),
            notices: 0,
            output: Output::new(),
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

    /// The backend had no room until now, so that what came was not parsed: the deadlines of a picture
    /// that is coming in do not count that time.
    pub fn held_up(&mut self, now: Duration) {
        self.activity.held_up(now);
    }

    /// The bytes that came in are no message. What is no VTR1 at all gets no answer.
    pub fn unreadable(&mut self, now: Duration, error: &ReadError) {
        match error {
            ReadError::NotVtr1 if self.state == State::Hello => self.finish(End::NotVtr1),
            _ => {
                use crate::MessageType::{ConfigureAck, Done, HelloAck, PacketAck};
                let code = match error {
                    // Whatever is in it, a client has no business to send it (section 2).
                    ReadError::Malformed {
                        message: HelloAck | ConfigureAck | Done | PacketAck,
                        ..
                    } => error_code::BAD_REQUEST,
                    _ => error.code().unwrap_or(error_code::PROTOCOL),
                };
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
        self.offered = Offered {
            ack: ack.has("x.ack.v1"),
            slices: ack.has("x.slices.v1"),
            geometry: ack.has("x.geometry.v1"),
            notice: ack.has("x.notice.v1"),
            vtz: ack.has("x.wire.vtz.v1"),
            pace: ack.has("x.pace.v1"),
        };
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

    /// Encode: how far the backend is, and what held us up. A client that uses `x.pace.v1` is told, now and
    /// then.
    pub fn pace(&mut self, now: Duration, pace: Pace) {
        let wanted = self.client.pace && self.client.mode == Mode::Encode;
        if self.streaming() && wanted && self.paces.due(now) {
            self.output.pace = Some(pace);
            self.activity.waiting(now);
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
        for repeat in repeats {
            self.answer_repeat(now, &repeat);
        }
        Ok(())
    }

    /// Decode: queues the FRAME message `body`, or the last part of a picture in slices.
    ///
    /// # Errors
    /// [`OutputError::Closed`] if the session takes no frames.
    pub fn frame(&mut self, now: Duration, body: B) -> Result<(), OutputError> {
        self.part(now, body)?;
        self.counts.frames_out += 1;
        Ok(())
    }

    /// Decode: queues messages of a picture in slices, its last one not among them.
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

    /// Something went wrong that does not end the session: a client that uses `x.notice.v1` is told, after
    /// what is queued. Of many only the first are sent, and with DONE how many there were besides.
    pub fn notice(&mut self, now: Duration, text: &str) {
        if self.streaming() && self.client.notice {
            self.notices += 1;
            if self.notices <= MAX_NOTICES {
                self.queue_notice(now, text);
            }
        }
    }

    fn queue_notice(&mut self, now: Duration, text: &str) {
        let notice = Notice { text: text.into() };
        self.queue(now, Outgoing::Control(message(|out| notice.encode(out))));
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
        let untold = self.notices.saturating_sub(MAX_NOTICES);
        if untold > 0 {
            self.queue_notice(
                now,
                &format!("{untold} warnings more are in the log of the server only"),
            );
        }
        self.queue(now, Outgoing::Control(message(|out| Done.encode(out))));
        self.linger(End::Done);
        Ok(())
    }

    /// The backend failed, or the server shuts down: ERROR, after what is queued.
    pub fn fail(&mut self, now: Duration, code: u32, text: &str) {
        if self.closing() {
            return;
        }
        let error = ErrorMessage::new(code, text);
        self.queue(now, Outgoing::Control(message(|out| error.encode(out))));
        self.linger(End::Failed { code, message: text.into() });
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

    /// Takes the memory of a control message that was written, for the next: there is an ACK for every
    /// picture.
    pub fn reuse(&mut self, bytes: Vec<u8>) {
        self.output.spare = bytes;
    }

    /// Whether a message waits to be written.
    pub fn has_output(&self) -> bool {
        self.output.pending()
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

impl<B> Server<B> {
    fn answer_repeat(&mut self, now: Duration, answer: &PacketHead) {
        if let Ok((mut bytes, tail)) = crate::packet_message(answer, &[]) {
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
}
