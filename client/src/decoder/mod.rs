//! A session that decodes, and the ones that follow it after a seek or a change of the stream.

mod arrivals;
mod filling;
mod picture;
mod pool;
mod reader;
mod stream;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use vtremote_bitstream as bitstream;
use vtremote_link::Link;
use vtremote_planes::Coding;
use vtremote_proto::limits::DEFAULT_CAP;
use vtremote_proto::message::{MAX_SIDE_DATA_BYTES, MAX_SIDE_DATA_RECORDS};
use vtremote_proto::session::{AdmitError, Client, ClientSettings};
use vtremote_proto::{Codec, Mode, NO_PTS, PACKET_KEY, PacketHead};

use crate::buffers::Buffer;
use crate::log::Log;
use crate::message::Message;
use crate::session::{Info, Session, Wire, check_coding, dial};
use crate::shared::{Direction, Shared, State};
use crate::{Error, Geometry, Level, LogSink, Settings};
use arrivals::{Arrivals, Next};
use pool::Pool;
use reader::Reader;
use stream::Coded;
use writer::{Packet, Queue, Writer};

pub use picture::{Picture, Plane};
pub use stream::{AccessUnit, Stream};

/// So many pictures more than may wait for the caller come of packets that a decoder holds back: its
/// threads, its reordering, and what is held to put pictures in order.
const MAX_BEHIND: usize = 96;

/// The longest data of a packet: with its heads, side data, and parameter sets or start codes that it
/// may gain it must fit in what a server accepts.
const MAX_PACKET: usize = DEFAULT_CAP as usize - (4 << 20);

/// Decodes one stream at one server.
///
/// Pull model, as [`Encoder`](crate::Encoder): sending and receiving belong to one thread of the
/// caller's; which one may change. There is a connection as soon as the parameter sets are known, in
/// [`open`](Self::open) where the extradata has them, else with the first packet that does. Where the
/// server cannot follow a change of the stream's size or depth, or after [`reset`](Self::reset),
/// another connection takes its place.
///
/// Dropping it ends the session at once and joins every thread. Pictures stay valid.
pub struct Decoder {
    connect: Box<Connect>,
    /// The server as the user named it; otherwise the link's peer.
    server: Option<String>,
    token: String,
    settings: Settings,
    stream: Stream,
    log: Log,
    pool: Arc<Pool>,
    coded: Coded,
    session: Option<Session<Decoding>>,
    /// What the session was told that pictures are.
    configured: Option<Geometry>,
    /// The session ends because the stream has changed; the next packet begins another.
    changing: bool,
    flushed: bool,
    /// The last packet found no room.
    refused: bool,
    /// Packets before the first parameter sets.
    dropped: u64,
    /// It was said that side data is left out.
    left_out: bool,
}

/// Gives a connection to the server.
type Connect = dyn FnMut() -> Result<Link, Error> + Send;

/// What became of a packet.
pub enum SentPacket {
    /// It is on its way, or was dropped since decoding can only begin with parameter sets.
    Taken,
    /// There is no room in the window, or too many pictures wait to be received: here it is again.
    /// Receive, then try again.
    Full(AccessUnit),
}

/// What there is to receive.
pub enum ReceivedPicture {
    /// The next picture, in the order of showing.
    Picture(Picture),
    /// None in time, or none that could come before another packet is sent.
    Nothing,
    /// After a flush: every picture has been handed over, and the server said that this is all.
    End,
}

/// What a session that decodes has under its lock.
#[derive(Default)]
pub(crate) struct Decoding {
    queue: Queue,
    arrivals: Arrivals,
    /// Buffers for compressed data, to use again.
    spare: Vec<Vec<u8>>,
    /// What the pictures that came are without compression.
    raw_bytes: u64,
    /// How the last of them was compressed.
    coding: Coding,
}

impl Direction for Decoding {
    const REMOTE: &'static str = "decoder";
    const SENT: &'static str = "packets";

    fn coding(&self) -> Coding {
        self.coding
    }

    /// The server chooses.
    fn summary(&self) -> Option<(Level, String)> {
        None
    }
}

impl State<Decoding> {
    /// Puts pictures in order, as far as that is certain.
    fn order(&mut self) {
        if self.trouble.is_some() {
            // The session does not know of it, and would wait for more.
            self.session.no_more_pictures();
        }
        while let Some(number) = self.session.next_in_order() {
            self.own.arrivals.show(number);
        }
        self.session.unclaimed(self.own.arrivals.waiting());
    }

    /// What there is for the caller.
    fn next(&mut self) -> Next {
        let next = self.own.arrivals.next();
        self.session.unclaimed(self.own.arrivals.waiting());
        next
    }
}

impl Decoder {
    /// Checks settings and stream and, where the parameter sets are known, connects, shakes hands and
    /// configures: what can be refused is refused here then, and else by the first packet that has
    /// them.
    ///
    /// `log` gets lines from any of the session's threads, and none once the decoder is dropped.
    ///
    /// # Errors
    /// Everything but [`Error::Usage`] and [`Error::Picture`].
    pub fn open(
        settings: &Settings,
        stream: &Stream,
        log: Option<Arc<LogSink>>,
    ) -> Result<Self, Error> {
        let server = settings.server_address()?;
        let token = settings.server_token()?;
        let settings = Settings { slices: settings.slices()?, ..settings.clone() };
        let (name, timeout) = (server.to_string(), settings.timeout);
        let connect = Box::new(move || dial(&server, timeout));
        Self::new(connect, Some(name), token, settings, stream, log)
    }

    /// As [`open`](Self::open), over links that `connect` gives, whose peer is the server's name in
    /// messages. Host and environment are not looked at.
    ///
    /// # Errors
    /// As [`open`](Self::open), and those of `connect`.
    pub fn open_over(
        connect: impl FnMut() -> Result<Link, Error> + Send + 'static,
        settings: &Settings,
        stream: &Stream,
        log: Option<Arc<LogSink>>,
    ) -> Result<Self, Error> {
        let token = settings.token.clone().unwrap_or_default();
        Self::new(Box::new(connect), None, token, settings.clone(), stream, log)
    }

    fn new(
        connect: Box<Connect>,
        server: Option<String>,
        token: String,
        settings: Settings,
        stream: &Stream,
        log: Option<Arc<LogSink>>,
    ) -> Result<Self, Error> {
        let codec = match settings.codec {
            Some(Codec::H264) => bitstream::Codec::H264,
            Some(Codec::Hevc) => bitstream::Codec::H265,
            None => {
                return Err(Error::Settings("no codec given: set codec to h264 or hevc".into()));
            }
        };
        settings.check_decoder()?;
        check_coding(&settings)?;
        let log = Log::new(settings.log_level, log);
        let (coded, error) = Coded::new(codec, stream, &settings.formats);
        if let Some(error) = error {
            let line = format_args!(
                "the stream's extradata cannot be read ({error}): parameter sets are taken from its \
                 packets"
            );
            log.line(Level::Warn, line);
        }
        let mut decoder = Self {
            connect,
            server,
            token,
            pool: Pool::new(0),
            settings,
            stream: stream.clone(),
            log,
            coded,
            session: None,
            configured: None,
            changing: false,
            flushed: false,
            refused: false,
            dropped: 0,
            left_out: false,
        };
        if let Some(geometry) = decoder.coded.facts() {
            decoder.begin(geometry)?;
        }
        Ok(decoder)
    }

    /// Connects, shakes hands and configures.
    fn begin(&mut self, geometry: Geometry) -> Result<(), Error> {
        // What no session can have is refused before anybody is troubled.
        let refused =
            |error: vtremote_proto::session::ClientError| Error::Settings(error.to_string());
        Client::new(self.client_settings(geometry, Wire::Fixed(Coding::None))).map_err(refused)?;
        let Link { reader, writer, closer, peer, is_local } = (self.connect)()?;
        let wire = Wire::new(&self.settings, is_local);
        let client = Client::new(self.client_settings(geometry, wire)).map_err(refused)?;
        let most = client.most_in_flight();
        // Some pictures are with the caller, one is coming in.
        self.pool.keep(most + 4);
        let server = self.server.clone().unwrap_or(peer);
        let token_given = !self.token.is_empty();
        let shared = Shared::new(client, closer, self.log.clone(), server, token_given, 0);
        let reader = Reader {
            shared: shared.clone(),
            link: reader,
            pool: self.pool.clone(),
            geometry,
            compression: wire.plain(),
            most,
            untimed: false,
        };
        let writer = Writer { shared: shared.clone(), link: writer, message: Message::default() };
        // From here on, dropping the session ends what has been started.
        let mut session = Session::new(shared, wire);
        session.start("vtremote-read", move || reader.run())?;
        session.start("vtremote-write", move || writer.run())?;
        let Geometry { width, height, format, .. } = geometry;
        session.wait_for_configure(&self.settings, &format!("{width}x{height} {format}"))?;
        self.session = Some(session);
        self.configured = Some(geometry);
        Ok(())
    }

    /// Gives the decoder a packet, or gets it back where there is no room. Waits only to connect.
    ///
    /// After a failure there is no room until every picture that came before it has been received.
    ///
    /// # Errors
    /// [`Error::Usage`]: no data, or data that is neither Annex B nor what the extradata says, more
    /// side data than a packet may have, or a packet after [`flush`](Self::flush). Else, why there is no
    /// session, or why it failed.
    pub fn send_packet(&mut self, packet: AccessUnit) -> Result<SentPacket, Error> {
        if self.flushed {
            return Err(Error::Usage("a packet after the last: reset the decoder first".into()));
        }
        check(&packet)?;
        if self.is_full()? {
            self.refused = true;
            return Ok(SentPacket::Full(packet));
        }
        let converted = self.coded.take(&packet)?;
        let Some(geometry) = self.coded.facts() else {
            self.dropped += 1;
            return Ok(SentPacket::Taken);
        };
        if let Some(session) = &self.session
            && self.configured.is_some_and(|configured| {
                match session.configured.server.geometry {
                    // What is not 4:2:0 has to be asked for.
                    true => {
                        ![geometry.format.to_420(), configured.format].contains(&geometry.format)
                    }
                    false => !alike(&configured, &geometry),
                }
            })
        {
            // Whatever is on its way comes out first.
            session.shared.lock().session.flush(session.shared.now());
            session.shared.wake_writer();
            self.changing = true;
            self.refused = true;
            return Ok(SentPacket::Full(packet));
        }
        if self.session.is_none() {
            self.report_dropped();
            self.begin(geometry)?;
        }
        self.admit(packet, converted)
    }

    /// Whether another packet would find no room.
    fn is_full(&self) -> Result<bool, Error> {
        let Some(session) = &self.session else { return Ok(false) };
        let shared = &session.shared;
        let mut state = shared.lock();
        if let Some(error) = failure(shared, &mut state) {
            return Err(error);
        }
        Ok(self.changing || state.over() || !state.session.room(shared.now()))
    }

    /// Queues a packet, in its converted form if it has one.
    fn admit(
        &mut self,
        packet: AccessUnit,
        converted: Option<Vec<u8>>,
    ) -> Result<SentPacket, Error> {
        let Some(session) = &self.session else { return Ok(SentPacket::Full(packet)) };
        let shared = &session.shared;
        let pts = packet.pts.unwrap_or(NO_PTS);
        let mut state = shared.lock();
        let number = match state.session.admit(shared.now(), pts, packet.duration) {
            Ok(number) => number,
            // It has just failed: the caller hears why with the next call.
            Err(AdmitError::NoRoom | AdmitError::Closed) => {
                self.refused = true;
                return Ok(SentPacket::Full(packet));
            }
            Err(error) => return Err(Error::Usage(error.to_string())),
        };
        self.refused = false;
        let mut data = Buffer::default();
        *data = converted.unwrap_or(packet.data);
        let head = PacketHead {
            pts,
            dts: packet.dts.unwrap_or(NO_PTS),
            duration: packet.duration,
            flags: if packet.keyframe { PACKET_KEY } else { 0 },
            // No packet is that long: see check.
            len: u32::try_from(data.len()).unwrap_or(u32::MAX),
        };
        let mut side_data = packet.side_data;
        let dropped = !session.configured.server.side_data && !side_data.is_empty();
        if dropped {
            side_data.clear();
        }
        state.own.queue.push_back(Packet { number, head, data, side_data });
        drop(state);
        if dropped && !self.left_out {
            self.left_out = true;
            let line = format_args!("the server takes no side data of packets: it is left out");
            shared.log.line(Level::Debug, line);
        }
        shared.wake_writer();
        Ok(SentPacket::Taken)
    }

    /// Says that there are no more packets: the remaining pictures come, then the end. Saying it again
    /// changes nothing.
    ///
    /// # Errors
    /// Why the session failed, unless there are pictures to receive before that.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.report_dropped();
        if let Some(session) = &self.session {
            let shared = &session.shared;
            let mut state = shared.lock();
            if let Some(error) = failure(shared, &mut state) {
                return Err(error);
            }
            state.session.flush(shared.now());
            drop(state);
            shared.wake_writer();
        }
        self.flushed = true;
        Ok(())
    }

    /// The next picture. Waits for it for `patience`, or without that until the session's own
    /// deadlines end it: with packets outstanding and room for more, that is for as long as the
    /// decoder wants to see more of them.
    ///
    /// Gives [`ReceivedPicture::Nothing`] at once where the last packet found no room and would now,
    /// and where there is no packet left that a picture could come of.
    ///
    /// # Errors
    /// Why the session failed, once every picture that came before that has been handed over.
    pub fn receive_picture(
        &mut self,
        patience: Option<Duration>,
    ) -> Result<ReceivedPicture, Error> {
        let Some(session) = &self.session else {
            return Ok(if self.flushed { ReceivedPicture::End } else { ReceivedPicture::Nothing });
        };
        let shared = &session.shared;
        let until = patience.map(|patience| shared.now().saturating_add(patience));
        let mut state = shared.lock();
        loop {
            if let Some(error) = failure(shared, &mut state) {
                return Err(error);
            }
            let next = state.next();
            if let Next::Picture(picture) = next {
                return Ok(ReceivedPicture::Picture(picture));
            }
            let now = shared.now();
            let mut wake_at = until;
            if matches!(next, Next::Nothing) {
                if state.session.done() {
                    break;
                }
                let has_room = self.refused && !self.changing && state.session.room(now);
                let outstanding = state.session.outstanding() + state.own.arrivals.len();
                let idle = !self.flushed && !self.changing && outstanding == 0;
                if has_room || idle {
                    return Ok(ReceivedPicture::Nothing);
                }
                let room_at = if self.refused { state.session.room_at() } else { None };
                wake_at = room_at.into_iter().chain(until).min();
            }
            if until.is_some_and(|until| until <= now) {
                return Ok(ReceivedPicture::Nothing);
            }
            state = shared.wait_for_input(state, wake_at);
        }
        drop(state);
        if !self.changing {
            return Ok(ReceivedPicture::End);
        }
        // The next packet begins another session, with what the stream is now.
        self.end_session();
        Ok(if self.flushed { ReceivedPicture::End } else { ReceivedPicture::Nothing })
    }

    /// Forgets everything that is on its way, for a seek: the next packet begins anew, in a session of
    /// its own. Pictures that the caller has stay valid.
    pub fn reset(&mut self) {
        self.report_dropped();
        let unused = |session: &Session<Decoding>| {
            let state = session.shared.lock();
            state.session.counts().admitted == 0 && !state.over()
        };
        // A session that has not decoded anything yet has nothing to forget; one that was flushed, by the
        // caller or for a change of the stream, takes nothing any more.
        if self.flushed || self.changing || !self.session.as_ref().is_some_and(unused) {
            self.end_session();
        }
        self.flushed = false;
        self.refused = false;
    }

    fn end_session(&mut self) {
        self.session = None;
        self.configured = None;
        self.changing = false;
        self.refused = false;
    }

    fn report_dropped(&mut self) {
        if self.dropped > 0 {
            let line = format_args!(
                "{} packets before the first parameter sets were dropped: nothing can be decoded \
                 without",
                self.dropped
            );
            self.log.line(Level::Warn, line);
            self.dropped = 0;
        }
    }

    /// What the session is and what it has done so far; where there is none yet, little but the
    /// server's name.
    pub fn info(&self) -> Info {
        match &self.session {
            Some(session) => session.info(|_, own| own.raw_bytes),
            None => Info { server: self.server.clone().unwrap_or_default(), ..Info::default() },
        }
    }

    /// How many pictures' memory there is: with the caller, on its way, or kept for later.
    pub fn pictures(&self) -> usize {
        self.pool.count()
    }

    /// Ends the session at once; the same as dropping it.
    pub fn close(self) {}

    fn client_settings(&self, geometry: Geometry, wire: Wire) -> ClientSettings {
        let settings = &self.settings;
        let mut options = settings.options.clone();
        options.mode = Mode::Decode;
        options.wire_compression = wire.plain() as u8;
        options.vtz = wire.vtz_wish();
        options.pace = wire.is_auto();
        ClientSettings {
            token: self.token.clone(),
            codec: settings.codec.map_or("", Codec::name).to_owned(),
            client_name: settings.client_name.clone(),
            client_build: settings.client_build.clone(),
            width: geometry.width,
            height: geometry.height,
            pix_fmt: geometry.format,
            time_base: self.stream.time_base,
            frame_rate: self.stream.frame_rate,
            options,
            extradata: self.coded.sets(),
            window: settings.inflight,
            timeout: settings.timeout,
            want_slices: settings.slices != Some(false),
        }
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        self.end_session();
        self.pool.close();
    }
}

/// Why the session failed, once every picture that came before that has been handed over.
fn failure(shared: &Shared<Decoding>, state: &mut State<Decoding>) -> Option<Error> {
    // The end of a session lets go of pictures that waited for their turn.
    state.order();
    shared.error(state).filter(|_| !state.own.arrivals.ready())
}

/// Whether pictures of the two fit the same CONFIGURE.
fn alike(one: &Geometry, other: &Geometry) -> bool {
    (one.width, one.height, one.format) == (other.width, other.height, other.format)
}

/// What a packet must be.
fn check(packet: &AccessUnit) -> Result<(), Error> {
    let side_data: usize = packet.side_data.iter().map(|(_, data)| data.len()).sum();
    let problem = if packet.data.is_empty() {
        "has no data".to_owned()
    } else if packet.data.len() > MAX_PACKET {
        format!("has {} bytes: they are too many for the wire", packet.data.len())
    } else if packet.side_data.len() > MAX_SIDE_DATA_RECORDS || side_data > MAX_SIDE_DATA_BYTES {
        format!(
            "has {} records of side data with {side_data} bytes, more than {MAX_SIDE_DATA_RECORDS} or \
             {MAX_SIDE_DATA_BYTES}",
            packet.side_data.len()
        )
    } else {
        return Ok(());
    };
    let pts = packet.pts.map_or("none".to_owned(), |pts| pts.to_string());
    Err(Error::Usage(format!("the packet with pts {pts} {problem}")))
}
