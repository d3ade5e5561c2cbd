//! The session's own thread: reads, and gives the backend what came.

use super::decode::{Decode, Frames};
use super::encode::{Encode, Packets, Submitted};
use super::{Shared, code_of, config, hello};
use crate::daemon::Registration;
use std::io::{self, IoSliceMut};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::{debug, info, warn};
use vtremote_backend::{Backend, Codec, Error, PixelFormat, SideData};
use vtremote_link::{LinkReader, Moved, TICK};
use vtremote_planes::Compression;
use vtremote_proto::{
    Configure, ConfigureAck, Incoming, Item, Limits, Mode, Options, ServerStep, error_code,
};

/// What one read takes at most where the bytes have no place of their own.
const BUFFER: usize = 64 << 10;
/// Behind a body that is read to its place: enough for the heads that follow.
const BEHIND_BODY: usize = 512;
/// While the encoder has no room, so much is still read, a little at a time.
const BACKLOG: usize = 1 << 20;
/// A server never stops reading for 4 s (docs/protocol.md section 8).
const READ_AT_LEAST_EVERY: Duration = Duration::from_secs(3);
/// An encoder that takes nothing for this long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Reads until the connection ends.
pub(super) fn read(
    session: &Arc<Shared>,
    mut link: Box<dyn LinkReader>,
    registration: &Registration,
    peer: &str,
) {
    let mut reader = Reader { session, registration, peer, stream: Stream::None, codec: None };
    let mut incoming = Incoming::new(Limits::DEFAULT);
    let mut buffer = Buffer::default();
    loop {
        if !session.has_ended() && !reader.parse(&mut incoming, &mut buffer, &mut *link) {
            // The backend is no longer needed, and may be in the way of others.
            reader.stream = Stream::None;
        }
        match reader.receive(&mut incoming, &mut buffer, &mut *link) {
            Ok(Moved::Bytes(_) | Moved::Nothing) => {}
            Ok(Moved::End) => session.with(|server, now| server.end_of_input(now)),
            Err(error) => {
                session.with(|server, now| server.transport_failed(now, error.to_string()))
            }
        }
        if buffer.ended || session.lock().server.over().is_some() {
            return;
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
    stream: Stream,
    codec: Option<Codec>,
}

impl Reader<'_> {
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
    fn receive(
        &mut self,
        incoming: &mut Incoming,
        buffer: &mut Buffer,
        link: &mut dyn LinkReader,
    ) -> io::Result<Moved> {
        if self.session.has_ended() {
            // Read and dropped, so that our last words are not lost to a reset.
            let moved = read_into(buffer, link, BUFFER)?;
            (buffer.start, buffer.end) = (0, 0);
            return Ok(self.moved(moved, incoming.in_message()));
        }
        let body = incoming.body_left();
        let mut into = Vec::new();
        match &mut self.stream {
            _ if body == 0 || buffer.start < buffer.end => {}
            Stream::Encode(encode) => encode.direct(body, &mut into),
            Stream::Decode(decode) => decode.direct(body, &mut into),
            Stream::None => {}
        }
        let direct: usize = into.iter().map(|slice| slice.len()).sum();
        if direct == 0 {
            drop(into);
            let moved = read_into(buffer, link, BUFFER)?;
            return Ok(self.moved(moved, incoming.in_message()));
        }
        if direct == body {
            into.push(IoSliceMut::new(buffer.room(BEHIND_BODY)));
        }
        let moved = match link.read_vectored(&mut into) {
            Ok(moved) => moved,
            Err(error) => {
                buffer.ended = true;
                return Err(error);
            }
        };
        drop(into);
        match moved {
            Moved::Bytes(bytes) => {
                let of_body = bytes.min(direct);
                buffer.end += bytes - of_body;
                incoming.body_taken(of_body);
                match &mut self.stream {
                    Stream::Encode(encode) => encode.filled(of_body),
                    Stream::Decode(decode) => decode.filled(of_body),
                    Stream::None => {}
                }
            }
            Moved::End => buffer.ended = true,
            Moved::Nothing => {}
        }
        Ok(self.moved(moved, incoming.in_message()))
    }

    /// Tells the session's deadlines what came.
    fn moved(&self, moved: Moved, in_message: bool) -> Moved {
        if let Moved::Bytes(bytes) = moved {
            self.session.with(|server, now| server.moved(now, bytes, in_message));
        }
        moved
    }

    /// Waits until the backend has room for what comes next, reading on a little meanwhile.
    fn wait_for_backend(
        &mut self,
        in_message: bool,
        buffer: &mut Buffer,
        link: &mut dyn LinkReader,
    ) -> Result<(), Error> {
        let began = Instant::now();
        let mut last_read = began;
        loop {
            let ready = match &mut self.stream {
                Stream::Encode(encode) if encode.needs_picture() => {
                    encode.make_room(TICK)?;
                    !encode.needs_picture()
                }
                Stream::Decode(decode) if decode.has_packet() => {
                    let taken = decode.make_room(TICK)?;
                    if taken {
                        self.session.with(|server, now| server.taken(now, 0));
                    }
                    taken
                }
                _ => true,
            };
            if ready || self.session.has_ended() {
                return Ok(());
            }
            if began.elapsed() > PATIENCE {
                return Err(Error::Codec(format!("it has taken nothing for {PATIENCE:?}")));
            }
            let waiting = buffer.end - buffer.start;
            if last_read.elapsed() >= READ_AT_LEAST_EVERY && waiting < BACKLOG && !buffer.ended {
                last_read = Instant::now();
                match read_into(buffer, link, 4096) {
                    Ok(moved) => {
                        self.moved(moved, in_message);
                    }
                    Err(error) => {
                        let reason = error.to_string();
                        self.session.with(|server, now| server.transport_failed(now, reason));
                    }
                }
            }
        }
    }

    /// Does what an item asks for. Gives the limits that hold from here on, if they change.
    fn step(&mut self, item: Item<'_>) -> Result<Option<Limits>, Error> {
        let step = self.session.with(|server, now| server.receive(now, item));
        match (step, &mut self.stream) {
            (ServerStep::Hello(hello), _) => {
                self.codec = hello::answer(self.session, self.registration, &hello);
            }
            (ServerStep::Configure(configure, options, unknown), _) => {
                return self.configure(&configure, &options, &unknown);
            }
            (ServerStep::Frame(head), Stream::Encode(encode)) => {
                encode.begin(head, None, Vec::new());
            }
            (ServerStep::FrameBegin(begin), Stream::Encode(encode)) => {
                encode.begin(begin.head, Some(begin.codec), owned(begin.side_data));
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
            (ServerStep::Drain, Stream::Encode(encode)) => encode.drain()?,
            (ServerStep::Drain, Stream::Decode(decode)) => decode.drain()?,
            (ServerStep::Nothing | ServerStep::Closing | ServerStep::SliceEnd { .. }, _) => {}
            (step, _) => return Err(Error::Internal(format!("{step:?} without a backend"))),
        }
        Ok(None)
    }

    fn submitted(&self, submitted: Submitted) {
        self.session.with(|server, now| match submitted {
            Submitted::Taken { decompress_us } => server.taken(now, decompress_us),
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
        let report = &mut state.report;
        report.mode = if options.mode == Mode::Encode { "encode" } else { "decode" };
        (report.width, report.height) = (configure.width, configure.height);
        report.began = Some(now);
        let compression = Compression::from_wire(options.wire_compression).unwrap_or_default();
        if configured.is_ok() {
            info!(
                client = report.client,
                codec = report.codec,
                mode = report.mode,
                width = report.width,
                height = report.height,
                format = format.name(),
                compression = %compression,
                slices = client.slices,
                ack = client.ack,
                "session started"
            );
        }
        self.session.settle(&mut state);
        drop(state);
        self.stream = stream;
        let wire_format = vtremote_proto::PixelFormat::from_wire(format as u8);
        let wire_format = wire_format.ok_or_else(|| Error::Internal("no such format".into()))?;
        let cap = self.registration.shared.settings.max_message_bytes;
        Ok(Some(Limits::for_format(wire_format, configure.width, configure.height, cap)))
    }

    fn open_encoder(&self, configure: &Configure<'_>, options: &Options) -> Result<Opened, Error> {
        let codec = self.codec.ok_or_else(|| Error::Internal("no codec".into()))?;
        let client = self.session.lock().server.traits_of_client();
        let (config, mut warnings) = config::encoder(codec, configure, options, client)?;
        let backend = self.backend(codec, config.format, |capabilities| &capabilities.encoders)?;
        debug!(?config, backend = backend.name(), "opening the encoder");
        let side_data = backend.capabilities().side_data;
        let sink = Arc::new(Packets::new(Arc::clone(self.session), side_data));
        let opened = backend.open_encoder(&config, sink)?;
        warnings.extend(opened.warnings);
        let planes = config.format.planes(config.width, config.height);
        let compression = Compression::from_wire(options.wire_compression).unwrap_or_default();
        let encode = Encode::new(Arc::clone(self.session), opened.codec, planes, compression)
            .map_err(thread)?;
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
        let backend = self.backend(codec, config.format, |capabilities| &capabilities.decoders)?;
        let compression = Compression::from_wire(options.wire_compression).unwrap_or_default();
        let side_data = backend.capabilities().side_data;
        let frames = Frames::new(Arc::clone(self.session), &config, compression, side_data);
        let sink = Arc::new(frames.map_err(thread)?);
        let opened = backend.open_decoder(&config, sink)?;
        Ok(Opened {
            stream: Stream::Decode(Box::new(Decode::new(opened.codec))),
            parameter_sets: opened.parameter_sets,
            format: opened.format,
            warnings: opened.warnings,
        })
    }

    /// The first backend that has the codec in this format.
    fn backend(
        &self,
        codec: Codec,
        format: PixelFormat,
        of: impl Fn(&vtremote_backend::Capabilities) -> &Vec<vtremote_backend::Support>,
    ) -> Result<&Arc<dyn Backend>, Error> {
        let backends = &self.registration.shared.backends;
        let able = backends.iter().find(|backend| {
            let mut support = of(backend.capabilities()).iter();
            support.any(|support| support.codec == codec && support.formats.contains(&format))
        });
        able.ok_or_else(|| {
            let all = backends.iter().map(|backend| backend.name()).collect::<Vec<_>>().join(", ");
            let name = if codec == Codec::H264 { "h264" } else { "hevc" };
            Error::Unsupported(format!("{name} with {} in this mode by {all}", format.name()))
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

fn read_into(buffer: &mut Buffer, link: &mut dyn LinkReader, bytes: usize) -> io::Result<Moved> {
    let moved = link.read(buffer.room(bytes));
    match moved {
        Ok(Moved::Bytes(read)) => buffer.end += read,
        Ok(Moved::Nothing) => {}
        Ok(Moved::End) | Err(_) => buffer.ended = true,
    }
    moved
}

fn owned(side_data: vtremote_proto::SideData<'_>) -> Vec<SideData> {
    side_data.map(|(kind, data)| SideData { kind, data: data.to_vec() }).collect()
}

fn thread(error: io::Error) -> Error {
    Error::Internal(format!("no thread for it: {error}"))
}
