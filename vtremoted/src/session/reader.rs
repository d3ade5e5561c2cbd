//! The session's own thread: reads, and gives the backend what came.

use super::decode::Decode;
use super::encode::{Encode, Packets, Submitted};
use super::frames::Frames;
use super::places::Places;
use super::{Shared, code_of, config, hello, pixels};
use crate::daemon::Registration;
use std::io::{self, IoSliceMut};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::{debug, info, warn};
use vtremote_backend::{Backend, Capabilities, Codec, Error, PixelFormat, SideData};
use vtremote_link::{LinkReader, Moved, TICK};
use vtremote_planes::{Begin, Coding, Compression, Progress};
use vtremote_proto::session::ClientTraits;
use vtremote_proto::{
    Configure, ConfigureAck, FrameBegin, Incoming, Item, Limits, Mode, NO_REFERENCE, Options, Pace,
    PaceTimes, ServerStep, error_code,
};

/// What one read takes at most where the bytes have no place of their own.
const BUFFER: usize = 64 << 10;
/// Behind a body that is read to its place: enough for the heads that follow.
const BEHIND_BODY: usize = 512;
/// A server never stops reading for 4 s (docs/protocol.md section 8): while the backend has no room, so
/// much is read …
const TRICKLE: usize = 512 << 10;
/// … so often …
const TRICKLE_EVERY: Duration = Duration::from_secs(3);
/// … and at most this much kept. TCP tells the sender of room only when a good part of the kernel's
/// buffer, some megabytes, is free, so that less would not show.
const BACKLOG: usize = 16 << 20;

/// Reads and serves until the session's end is known. Its backend is gone then.
pub(super) fn read(
    session: &Arc<Shared>,
    link: &mut dyn LinkReader,
    registration: &Registration,
    peer: &str,
) {
    let patience = registration.shared.settings.idle_timeout;
    let stream = Stream::None;
    let mut reader = Reader { session, registration, peer, patience, stream, codec: None };
    let mut incoming = Incoming::new(Limits::DEFAULT);
    let mut buffer = Buffer::default();
    while reader.goes_on() && !buffer.ended {
        if reader.parse(&mut incoming, &mut buffer, link) {
            reader.receive(&mut incoming, &mut buffer, link);
        }
    }
    if !session.has_ended() {
        // What came with the end was not parsed yet.
        reader.parse(&mut incoming, &mut buffer, link);
        session.with(|server, now| server.end_of_input(now));
    }
    // After FLUSH the backend still has output to give.
    while reader.goes_on() {
        session.wait_until(TICK, |_| false);
    }
}

/// Reads and drops what still comes, so that our last words are not lost to a reset.
pub(super) fn discard(session: &Shared, link: &mut dyn LinkReader) {
    let mut dropped = vec![0; BUFFER];
    while session.lock().server.over().is_none() {
        match link.read(&mut dropped) {
            Ok(Moved::Bytes(bytes)) => session.with(|server, now| server.moved(now, bytes, false)),
            Ok(Moved::Nothing) => {}
            Ok(Moved::End) => return session.with(|server, now| server.end_of_input(now)),
            Err(error) => {
                session.with(|server, now| server.transport_failed(now, error.to_string()));
            }
        }
    }
}

/// Bytes that came with others and have not been parsed.
#[derive(Default)]
struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// The peer has finished, or the connection broke: there is nothing to read any more.
    ended: bool,
}

impl Buffer {
    fn parsed(&mut self, bytes: usize) {
        self.start += bytes;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            if self.bytes.len() > TRICKLE {
                self.bytes = Vec::new();
            }
        }
    }

    /// Room for so many more bytes.
    fn room(&mut self, bytes: usize) -> &mut [u8] {
        if self.bytes.len() < self.end + bytes {
            self.bytes.resize(self.end + bytes, 0);
        }
        &mut self.bytes[self.end..self.end + bytes]
    }
}

enum Stream {
    None,
    Encode(Box<Encode>),
    Decode(Box<Decode>),
}

struct Reader<'s> {
    session: &'s Arc<Shared>,
    registration: &'s Registration,
    peer: &'s str,
    /// How long the backend may take and give nothing.
    patience: Duration,
    stream: Stream,
    codec: Option<Codec>,
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Before the backend goes: it may wait for the session.
            self.session.fail(error_code::INTERNAL, "internal error: a defect of the server");
        }
    }
}

impl Reader<'_> {
    /// Whether the session has not ended. A backend that does not come to an end after FLUSH ends it.
    fn goes_on(&self) -> bool {
        let state = self.session.lock();
        let late = |since| self.session.began.elapsed().saturating_sub(since) > self.patience;
        // A decoder waits for a client that reads slowly: the writer has a deadline for that.
        let late = state.queued == 0 && state.draining.is_some_and(late);
        let ended = state.server.end().is_some();
        drop(state);
        if late && !ended {
            let what = format!("no output for {:?}", self.patience);
            self.session.backend_failed(&Error::Codec(what));
        }
        !ended && !late
    }

    /// Parses what is in the buffer. False once the session takes nothing more.
    fn parse(
        &mut self,
        incoming: &mut Incoming,
        buffer: &mut Buffer,
        link: &mut dyn LinkReader,
    ) -> bool {
        loop {
            if let Err(error) = self.wait_for_backend(incoming.in_message(), buffer, link) {
                self.session.backend_failed(&error);
            }
            if self.session.has_ended() {
                return false;
            }
            let bytes = &buffer.bytes[buffer.start..buffer.end];
            let (taken, item) = match incoming.read(bytes) {
                Ok(read) => read,
                Err(error) => {
                    self.session.with(|server, now| server.unreadable(now, &error));
                    return false;
                }
            };
            let Some(item) = item else {
                buffer.parsed(taken);
                if taken > 0 && incoming.in_message() {
                    // Its deadline runs from its first byte.
                    self.session.with(|server, now| server.moved(now, 0, true));
                }
                return true;
            };
            let limits = self.step(item);
            buffer.parsed(taken);
            match limits {
                Ok(None) => {}
                Ok(Some(limits)) => incoming.set_limits(limits),
                Err(error) => self.session.backend_failed(&error),
            }
        }
    }

    /// Reads: what belongs in a picture goes there, what follows it to the buffer.
    fn receive(&mut self, incoming: &mut Incoming, buffer: &mut Buffer, link: &mut dyn LinkReader) {
        let body = incoming.body_left();
        let mut into = Places::new();
        match &mut self.stream {
            _ if body == 0 => {}
            Stream::Encode(encode) => encode.direct(body, &mut into),
            Stream::Decode(decode) => decode.direct(body, &mut into),
            Stream::None => {}
        }
        let direct = into.len();
        if direct == 0 {
            let began = Instant::now();
            self.read_into(buffer, link, BUFFER, incoming.in_message());
            if let Stream::Encode(encode) = &mut self.stream {
                encode.waited(began.elapsed());
            }
            return;
        }
        if direct == body {
            into.push(IoSliceMut::new(buffer.room(BEHIND_BODY)));
        }
        let began = Instant::now();
        let moved = link.read_vectored(into.as_mut());
        let waited = began.elapsed();
        let bytes = self.moved(moved, buffer, incoming.in_message());
        let of_body = bytes.min(direct);
        buffer.end += bytes - of_body;
        incoming.body_taken(of_body);
        match &mut self.stream {
            Stream::Encode(encode) => {
                encode.waited(waited);
                encode.filled(of_body);
            }
            Stream::Decode(decode) => decode.filled(of_body),
            Stream::None => {}
        }
    }

    /// Reads into the buffer.
    fn read_into(
        &self,
        buffer: &mut Buffer,
        link: &mut dyn LinkReader,
        bytes: usize,
        in_message: bool,
    ) {
        let moved = link.read(buffer.room(bytes));
        buffer.end += self.moved(moved, buffer, in_message);
    }

    /// Tells the session what came of reading. Gives the bytes.
    fn moved(&self, moved: io::Result<Moved>, buffer: &mut Buffer, in_message: bool) -> usize {
        match moved {
            Ok(Moved::Bytes(bytes)) => {
                self.session.with(|server, now| server.moved(now, bytes, in_message));
                return bytes;
            }
            Ok(Moved::Nothing) => {}
            Ok(Moved::End) => buffer.ended = true,
            Err(error) => {
                buffer.ended = true;
                self.session.with(|server, now| server.transport_failed(now, error.to_string()));
            }
        }
        0
    }

    /// Waits until the backend has room for what comes next, reading on a little meanwhile.
    fn wait_for_backend(
        &mut self,
        in_message: bool,
        buffer: &mut Buffer,
        link: &mut dyn LinkReader,
    ) -> Result<(), Error> {
        let mut began = Instant::now();
        let mut last_read = began;
        loop {
            let turn = Instant::now();
            let wanted = matches!(&self.stream, Stream::Encode(encode) if encode.needs_picture());
            let ready = match &mut self.stream {
                // A client that does not take its packets gets no more of them.
                Stream::Encode(encode)
                    if encode.needs_picture()
                        && !self.session.wait_until(TICK, |state| state.server.wants_input()) =>
                {
                    began = Instant::now();
                    false
                }
                Stream::Encode(encode) if encode.needs_picture() => {
                    encode.make_room(TICK)?;
                    !encode.needs_picture()
                }
                Stream::Decode(decode) if decode.has_packet() => {
                    let taken = decode.make_room(TICK);
                    if taken {
                        self.session.with(|server, now| server.taken(now, 0));
                    } else if self.session.lock().queued > 0 {
                        // It waits for a client that reads slowly.
                        began = Instant::now();
                    }
                    taken
                }
                _ => true,
            };
            if let Stream::Encode(encode) = &mut self.stream
                && wanted
            {
                encode.was_full(turn.elapsed());
            }
            if ready || self.session.has_ended() {
                return Ok(());
            }
            self.session.with(|server, now| server.held_up(now));
            if began.elapsed() > self.patience {
                return Err(Error::Codec(format!("it took nothing for {:?}", self.patience)));
            }
            if last_read.elapsed() >= TRICKLE_EVERY && buffer.end < BACKLOG && !buffer.ended {
                last_read = Instant::now();
                self.read_into(buffer, link, TRICKLE, in_message);
            }
        }
    }

    /// Does what an item asks for. Gives the limits that hold from here on, if they change.
    fn step(&mut self, item: Item<'_>) -> Result<Option<Limits>, Error> {
        let step = self.session.with(|server, now| server.receive(now, item));
        match (step, &mut self.stream) {
            (ServerStep::Hello(hello), _) => {
                self.codec = hello::answer(self.session, self.registration, &hello, self.peer);
            }
            (ServerStep::Configure(configure, options, unknown), _) => {
                return self.configure(&configure, &options, &unknown);
            }
            (ServerStep::Frame(head), Stream::Encode(encode)) => {
                encode.begin(head, None, Vec::new()).map_err(unreadable)?;
            }
            (ServerStep::FrameBegin(begin), Stream::Encode(encode)) => {
                let slices = slices_of(&begin);
                match encode.begin(begin.head, Some(slices), owned(begin.side_data)) {
                    Err(error) if error.is_peer_fault() => {
                        self.submitted(Submitted::Undecodable(error.to_string()));
                    }
                    begun => begun.map_err(unreadable)?,
                }
            }
            (ServerStep::Plane(head), Stream::Encode(encode)) => encode.plane(head)?,
            (ServerStep::Slice(head), Stream::Encode(encode)) => encode.slice(head)?,
            (ServerStep::Body(bytes), Stream::Encode(encode)) => encode.put(bytes)?,
            (ServerStep::Body(bytes), Stream::Decode(decode)) => decode.put(bytes),
            (ServerStep::FrameEnd(side_data), Stream::Encode(encode)) => {
                let submitted = encode.submit(owned(side_data))?;
                self.submitted(submitted);
            }
            (ServerStep::SliceEnd { last: true }, Stream::Encode(encode)) => {
                let submitted = encode.submit(Vec::new())?;
                self.submitted(submitted);
            }
            (ServerStep::Packet(head), Stream::Decode(decode)) => decode.begin(head),
            (ServerStep::PacketEnd(side_data), Stream::Decode(decode)) => {
                self.session.lock().latency.begin(decode.pts());
                decode.end(owned(side_data));
            }
            (ServerStep::Pace(pace), Stream::Decode(_)) => {
                let mut state = self.session.lock();
                if let Some(auto) = &mut state.auto {
                    auto.progress(self.session.began.elapsed(), progress(pace));
                }
            }
            (ServerStep::Drain, stream) => {
                self.session.lock().draining = Some(self.session.began.elapsed());
                match stream {
                    Stream::Encode(encode) => encode.drain()?,
                    Stream::Decode(decode) => decode.drain(),
                    Stream::None => return Err(Error::Internal("FLUSH without a backend".into())),
                }
            }
            (ServerStep::Nothing | ServerStep::Closing | ServerStep::SliceEnd { .. }, _) => {}
            (step, _) => return Err(Error::Internal(format!("{step:?} without a backend"))),
        }
        Ok(None)
    }

    fn submitted(&self, submitted: Submitted) {
        self.session.with(|server, now| match submitted {
            Submitted::Taken { decompress_us, pace } => {
                server.taken(now, decompress_us);
                server.pace(now, pace);
            }
            Submitted::Undecodable(error) => {
                let frame = server.counts().frames_in;
                let message = format!("frame {frame} does not decompress: {error}");
                server.fail(now, error_code::BAD_REQUEST, &message);
            }
        });
    }

    /// Answers CONFIGURE: opens the backend, or says what cannot be had.
    fn configure(
        &mut self,
        configure: &Configure<'_>,
        options: &Options,
        unknown: &[String],
    ) -> Result<Option<Limits>, Error> {
        let mut state = self.session.lock();
        state.report.mode = if options.mode == Mode::Encode { "encode" } else { "decode" };
        (state.report.width, state.report.height) = (configure.width, configure.height);
        drop(state);
        let opened = match options.mode {
            Mode::Encode => self.open_encoder(configure, options),
            Mode::Decode => self.open_decoder(configure, options),
            // The state machine has refused it.
            Mode::Transcode => return Ok(None),
        };
        let Opened { stream, parameter_sets, format, mut warnings } = match opened {
            Ok(opened) => opened,
            Err(error) => {
                info!(client = self.peer, %error, "configuration refused");
                let (code, message) = (code_of(&error), error.to_string());
                self.session.with(|server, now| server.refuse_configure(now, code, &message));
                return Ok(None);
            }
        };
        warnings.extend(
            unknown
                .iter()
                .map(|key| format!("option {} is not known: ignored", hello::printable(key))),
        );
        // The count is a byte on the wire.
        warnings.truncate(255);
        for warning in &warnings {
            warn!(client = self.peer, "{warning}");
        }
        let ack = ConfigureAck {
            status: 0,
            extradata: &parameter_sets,
            pix_fmt: format as u8,
            warnings: warnings.iter().map(String::as_str).collect(),
        };
        let mut state = self.session.lock();
        let now = self.session.began.elapsed();
        let configured = state.server.configured(now, &ack);
        let client = state.server.traits_of_client();
        state.report.began = Some(now);
        let report = &state.report;
        let compression = match client.pace {
            true => "auto".into(),
            false => coding(options, client).to_string(),
        };
        if configured.is_ok() {
            info!(
                client = report.client,
                codec = report.codec,
                mode = report.mode,
                width = report.width,
                height = report.height,
                format = format.name(),
                compression,
                slices = client.slices,
                ack = client.ack,
                "session started"
            );
        }
        self.session.settle(state);
        self.stream = stream;
        let wire_format = vtremote_proto::PixelFormat::from_wire(format as u8);
        let wire_format = wire_format.ok_or_else(|| Error::Internal("no such format".into()))?;
        let cap = self.registration.shared.settings.max_message_bytes;
        Ok(Some(match client.geometry {
            true => Limits::for_any_geometry(cap),
            false => Limits::for_format(wire_format, configure.width, configure.height, cap),
        }))
    }

    fn open_encoder(&self, configure: &Configure<'_>, options: &Options) -> Result<Opened, Error> {
        let codec = self.codec.ok_or_else(|| Error::Internal("no codec".into()))?;
        let client = self.session.lock().server.traits_of_client();
        let (config, mut warnings) = config::encoder(codec, configure, options, client)?;
        let backend = self.backend(Mode::Encode, codec, config.format)?;
        debug!(?config, backend = backend.name(), "opening the encoder");
        let side_data = backend.capabilities().side_data;
        let sink = Arc::new(Packets::new(Arc::clone(self.session), side_data));
        let opened = backend.open_encoder(&config, sink)?;
        warnings.extend(opened.warnings);
        let planes = config.format.planes(config.width, config.height);
        let compression = Compression::from_wire(options.wire_compression).unwrap_or_default();
        let geometry = pixels::geometry(config.format, config.width, config.height);
        let session = Arc::clone(self.session);
        let encode = Encode::new(session, opened.codec, planes, geometry, compression);
        let encode = encode.map_err(thread)?;
        Ok(Opened {
            stream: Stream::Encode(Box::new(encode)),
            parameter_sets: opened.parameter_sets,
            format: opened.format,
            warnings,
        })
    }

    fn open_decoder(&self, configure: &Configure<'_>, options: &Options) -> Result<Opened, Error> {
        let codec = self.codec.ok_or_else(|| Error::Internal("no codec".into()))?;
        let client = self.session.lock().server.traits_of_client();
        let config = config::decoder(codec, configure, client)?;
        let backend = self.backend(Mode::Decode, codec, config.format)?;
        let coding = coding(options, client);
        // Early clients read a FRAME to its last plane.
        let side_data = backend.capabilities().side_data && client.decode_async;
        let frames = Frames::new(Arc::clone(self.session), &config, coding, side_data);
        let sink = Arc::new(frames.map_err(thread)?);
        let opened = backend.open_decoder(&config, Arc::clone(&sink) as _)?;
        sink.format_is(opened.format);
        Ok(Opened {
            stream: Stream::Decode(Box::new(Decode::new(opened.codec, sink))),
            parameter_sets: opened.parameter_sets,
            format: opened.format,
            warnings: opened.warnings,
        })
    }

    /// The first backend that encodes or decodes the codec in this format.
    fn backend(
        &self,
        mode: Mode,
        codec: Codec,
        format: PixelFormat,
    ) -> Result<&Arc<dyn Backend>, Error> {
        let backends = &self.registration.shared.backends;
        let able = backends.iter().find(|backend| {
            let Capabilities { encoders, decoders, .. } = backend.capabilities();
            let mut all = if mode == Mode::Encode { encoders } else { decoders }.iter();
            all.any(|support| support.codec == codec && support.formats.contains(&format))
        });
        able.ok_or_else(|| {
            let all = backends.iter().map(|backend| backend.name()).collect::<Vec<_>>().join(", ");
            let what = if mode == Mode::Encode { "encodes" } else { "decodes" };
            Error::Unsupported(format!("none of {all} {what} {codec} as {}", format.name()))
        })
    }
}

/// A backend that is ready.
struct Opened {
    stream: Stream,
    parameter_sets: Vec<u8>,
    format: PixelFormat,
    warnings: Vec<String>,
}

fn owned(side_data: vtremote_proto::SideData<'_>) -> Vec<SideData> {
    side_data.map(|(kind, data)| SideData { kind, data: data.to_vec() }).collect()
}

/// How pictures are coded that this server sends: as the client would like it, since both ends can.
fn coding(options: &Options, client: ClientTraits) -> Coding {
    match (client.vtz, options.vtz) {
        (true, 2) => Coding::VtzFast,
        (true, _) => Coding::Vtz,
        (false, _) => Compression::from_wire(options.wire_compression).unwrap_or_default().into(),
    }
}

/// PACE in the terms of what chooses.
fn progress(pace: Pace) -> Progress {
    let PaceTimes { unpacking, behind, full, amid } = pace.times();
    let (pictures, threads) = (pace.pictures, pace.threads as usize);
    Progress { pictures, threads, unpacking, behind, full, amid }
}

/// How the slices of a picture are to be read.
fn slices_of<'a>(begin: &FrameBegin<'a>) -> Begin<'a> {
    let reference = Some(begin.reference_id).filter(|id| *id != NO_REFERENCE);
    Begin { codec: begin.codec, reference, tables: begin.tables }
}

fn unreadable(error: vtremote_planes::Error) -> Error {
    Error::Internal(error.to_string())
}

fn thread(error: io::Error) -> Error {
    Error::Internal(format!("no thread for it: {error}"))
}
