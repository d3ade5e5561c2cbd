use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use vtremote_bitstream as bitstream;
use vtremote_link::Link;
use vtremote_planes::{Auto, Coding, Compression, Workers};
use vtremote_proto::limits::DEFAULT_CAP;
use vtremote_proto::message::{MAX_SIDE_DATA_BYTES, MAX_SIDE_DATA_RECORDS};
use vtremote_proto::session::{AdmitError, Client, ClientSettings};
use vtremote_proto::{Codec, CodecFlags, Generation, Limits};

use crate::buffers::Buffers;
use crate::log::Log;
use crate::message::Message;
use crate::packet::Packet;
use crate::prepare::{Made, Plan};
use crate::reader::Reader;
use crate::session::{Info, Session, Wire, check_coding, dial, no_thread, worker_count};
use crate::shared::{Direction, Shared};
use crate::writer::{AHEAD, Writer};
use crate::{Error, Frame, FrameSource, InputFormat, Level, LogSink, Settings, Video};

/// Kinds of side data of frames whose form docs/protocol.md section 5 gives: mastering display, content
/// light level. Servers that are not ours may take the bytes for a structure.
const HDR: [u32; 2] = [11, 14];

/// A session with one server that encodes one stream.
///
/// Dropping it ends the session at once: every thread is joined and every frame dropped when that
/// returns. Sending and receiving belong to one thread; which one may change.
pub struct Encoder {
    session: Session<Encoding>,
    video: Video,
    flushed: bool,
    /// The last frame found no room.
    refused: bool,
    /// It was said that side data is dropped.
    warned: bool,
    /// It was said that metadata of HDR is.
    left_out: bool,
}

/// What a session that encodes has under its lock.
#[derive(Default)]
pub(crate) struct Encoding {
    /// Admitted, and not yet taken by the writer.
    pub(crate) queue: VecDeque<(u32, Frame)>,
    /// What the workers have made since the writer looked.
    pub(crate) made: Vec<Made>,
    /// Received, and not yet handed over.
    pub(crate) packets: VecDeque<Packet>,
    /// Chooses how each is compressed, where that is to be chosen.
    pub(crate) auto: Option<Auto>,
    /// The pictures of frames whose packets have not been handed over, by pts.
    pub(crate) held: HashMap<i64, Arc<dyn FrameSource>>,
}

impl Direction for Encoding {
    const REMOTE: &'static str = "encoder";
    const SENT: &'static str = "frames";

    fn coding(&self) -> Coding {
        self.auto.as_ref().map(Auto::coding).unwrap_or_default()
    }

    fn summary(&self) -> Option<(Level, String)> {
        let auto = self.auto.as_ref()?;
        // What was over before there was anything to say has been no choice.
        let level = if auto.has_told() { Level::Info } else { Level::Debug };
        Some((level, auto.reason()))
    }
}

/// What became of a frame.
pub enum Sent {
    /// It is on its way. Its picture is held until its packet has been handed over.
    Taken,
    /// There is no room in the window, or too many packets wait to be received: here it is again.
    /// Receive, then try again.
    Full(Frame),
}

/// What there is to receive.
pub enum Received {
    /// The next packet.
    Packet(Packet),
    /// None in time, or none that could come before another frame is sent.
    Nothing,
    /// Every frame's packet has been handed over, and the server said that this is all.
    End,
}

impl Encoder {
    /// Connects, shakes hands and configures: all that can be refused is refused here.
    ///
    /// `log` gets lines from any of the session's threads, and none once the encoder is dropped.
    ///
    /// # Errors
    /// Everything but [`Error::Usage`] and [`Error::Packet`].
    pub fn open(
        settings: &Settings,
        video: &Video,
        log: Option<Arc<LogSink>>,
    ) -> Result<Self, Error> {
        let server = settings.server_address()?;
        let token = settings.server_token()?;
        let settings = &Settings { slices: settings.slices()?, ..settings.clone() };
        // What no session can have is refused before anybody is troubled.
        check(settings, video)?;
        Client::new(client_settings(settings, video, &token, Wire::Fixed(Coding::None))?)
            .map_err(|error| Error::Settings(error.to_string()))?;
        let link = dial(&server, settings.timeout)?;
        Self::shake_hands(link, server.to_string(), &token, settings, video, log)
    }

    /// As [`open`](Self::open), over a link that is there, whose peer is the server's name in messages.
    /// Host and environment are not looked at.
    pub fn open_over(
        link: Link,
        settings: &Settings,
        video: &Video,
        log: Option<Arc<LogSink>>,
    ) -> Result<Self, Error> {
        check(settings, video)?;
        let token = settings.token.clone().unwrap_or_default();
        let server = link.peer.clone();
        Self::shake_hands(link, server, &token, settings, video, log)
    }

    fn shake_hands(
        link: Link,
        server: String,
        token: &str,
        settings: &Settings,
        video: &Video,
        log: Option<Arc<LogSink>>,
    ) -> Result<Self, Error> {
        let Link { reader, writer, closer, is_local, .. } = link;
        let wire = Wire::new(settings, is_local);
        let session = Client::new(client_settings(settings, video, token, wire)?)
            .map_err(|error| Error::Settings(error.to_string()))?;

        let planned = *video;
        let plan =
            move |slices, side_data| Plan::new(&planned, Compression::None, slices, side_data);
        let jobs = AHEAD * plan(true, true).parts().max(plan(false, true).parts());
        let lends = matches!(video.format, InputFormat::Wire(_));
        let workers = if matches!(wire, Wire::Fixed(Coding::None)) && lends {
            None
        } else {
            Some(Workers::new("vtremote-work", worker_count(), jobs).map_err(no_thread)?)
        };

        let log = Log::new(settings.log_level, log);
        let most_in_flight = session.most_in_flight();
        let shared = Shared::new(session, closer, log, server, !token.is_empty(), jobs);
        let codec = settings.codec;
        let in_band = !settings.options.flags.contains(CodecFlags::GLOBAL_HEADER);
        let Video { width, height, format, .. } = *video;
        let reader = Reader {
            shared: shared.clone(),
            link: reader,
            codec: match codec {
                Some(Codec::Hevc) => bitstream::Codec::H265,
                _ => bitstream::Codec::H264,
            },
            in_band,
            limits: Limits::for_format(format.wire(), width, height, DEFAULT_CAP),
            buffers: Buffers::new(most_in_flight),
        };
        let writer = Writer {
            shared: shared.clone(),
            link: writer,
            workers,
            video: *video,
            wire,
            realtime: settings.options.realtime == Some(true),
            made: Vec::new(),
            message: Message::default(),
            spare: Vec::with_capacity(AHEAD),
        };

        // From here on, dropping the session ends what has been started.
        let mut session = Session::new(shared, wire);
        session.start("vtremote-read", move || reader.run())?;
        session.start("vtremote-write", move || writer.run())?;
        session.wait_for_configure(settings, &format!("{width}x{height} {}", format.wire()))?;
        Ok(Self {
            session,
            video: *video,
            flushed: false,
            refused: false,
            warned: false,
            left_out: false,
        })
    }

    /// Gives the encoder a frame, or gets it back where there is no room. Never waits.
    ///
    /// After a failure there is no room until every packet that came before it has been received.
    ///
    /// # Errors
    /// [`Error::Usage`]: no pts, a pts that was there before, planes that are too small, more side data
    /// than a frame may have, or a frame after [`flush`](Self::flush). Else, why the session failed.
    pub fn send_frame(&mut self, mut frame: Frame) -> Result<Sent, Error> {
        for (index, layout) in (0..).zip(self.video.layouts()) {
            frame.source.plane(index).check(layout).map_err(|error| {
                Error::Usage(format!("plane {index} of the frame with pts {}: {error}", frame.pts))
            })?;
        }
        let side_data: usize = frame.side_data.iter().map(|(_, data)| data.len()).sum();
        if frame.side_data.len() > MAX_SIDE_DATA_RECORDS || side_data > MAX_SIDE_DATA_BYTES {
            return Err(Error::Usage(format!(
                "the frame with pts {} has {} records of side data with {side_data} bytes, more than \
                 {MAX_SIDE_DATA_RECORDS} or {MAX_SIDE_DATA_BYTES}",
                frame.pts,
                frame.side_data.len(),
            )));
        }
        if !frame.side_data.is_empty() && !self.session.configured.server.side_data && !self.warned
        {
            self.warned = true;
            let line = format_args!("the server takes no side data (captions): it is dropped");
            self.session.shared.log.line(Level::Warn, line);
        }
        if self.session.configured.server.generation != Generation::Ours {
            let before = frame.side_data.len();
            frame.side_data.retain(|(kind, _)| !HDR.contains(kind));
            if frame.side_data.len() < before && !self.left_out {
                self.left_out = true;
                let line = format_args!(
                    "metadata of HDR is left out of frames: its form is ours, and the server is not"
                );
                self.session.shared.log.line(Level::Debug, line);
            }
        }
        let shared = &self.session.shared;
        let mut state = shared.lock();
        let failed = shared.error(&state);
        // What arrived before a failure is handed over before the caller hears of it.
        let fetch_first = failed.is_some() && !state.own.packets.is_empty();
        if fetch_first {
            self.refused = true;
            return Ok(Sent::Full(frame));
        }
        if let Some(error) = failed {
            return Err(error);
        }
        let number = match state.session.admit(shared.now(), frame.pts, frame.duration) {
            Ok(number) => number,
            Err(AdmitError::NoRoom) => {
                self.refused = true;
                return Ok(Sent::Full(frame));
            }
            Err(AdmitError::DuplicatePts(pts)) => {
                let problem = "was there before: every frame needs one of its own";
                return Err(Error::Usage(format!("pts {pts} {problem}")));
            }
            Err(error) => return Err(Error::Usage(error.to_string())),
        };
        self.refused = false;
        state.own.held.insert(frame.pts, frame.source.clone());
        state.own.queue.push_back((number, frame));
        drop(state);
        shared.wake_writer();
        Ok(Sent::Taken)
    }

    /// Says that there are no more frames. Saying it again changes nothing.
    ///
    /// # Errors
    /// Why the session failed, unless there are packets to receive before that.
    pub fn flush(&mut self) -> Result<(), Error> {
        let shared = &self.session.shared;
        let mut state = shared.lock();
        if let Some(error) = shared.error(&state).filter(|_| state.own.packets.is_empty()) {
            return Err(error);
        }
        state.session.flush(shared.now());
        drop(state);
        self.flushed = true;
        shared.wake_writer();
        Ok(())
    }

    /// The next packet. Waits for it for `patience`, or without that until the session's own deadlines
    /// end it: with frames outstanding and room for more, that is for as long as the encoder wants to
    /// see more of them.
    ///
    /// Gives [`Received::Nothing`] at once where the last frame found no room and would now, and where
    /// there is no frame left that a packet could come of.
    ///
    /// # Errors
    /// Why the session failed, once every packet that came before that has been handed over.
    pub fn receive_packet(&mut self, patience: Option<Duration>) -> Result<Received, Error> {
        let shared = &self.session.shared;
        let until = patience.map(|patience| shared.now().saturating_add(patience));
        let mut state = shared.lock();
        loop {
            if let Some(packet) = state.own.packets.pop_front() {
                let left = state.own.packets.len();
                state.session.unclaimed(left);
                let picture = state.own.held.remove(&packet.pts);
                drop(state);
                // Releasing it may run the caller's code, which must not find the lock taken.
                drop(picture);
                return Ok(Received::Packet(packet));
            }
            if let Some(error) = shared.error(&state) {
                return Err(error);
            }
            if state.session.done() {
                return Ok(Received::End);
            }
            let now = shared.now();
            let has_room = self.refused && state.session.room(now);
            // Not the session's count: a packet that it has counted may still be on its way to us.
            let idle = !self.flushed && state.own.held.is_empty();
            if has_room || idle || until.is_some_and(|until| until <= now) {
                return Ok(Received::Nothing);
            }
            let room_at = if self.refused { state.session.room_at() } else { None };
            let wake_at = room_at.into_iter().chain(until).min();
            state = shared.wait_for_input(state, wake_at);
        }
    }

    /// The parameter sets as Annex B with 4-byte start codes; empty if the server told none.
    pub fn extradata(&self) -> &[u8] {
        &self.session.configured.extradata
    }

    /// What the session is and what it has done so far.
    pub fn info(&self) -> Info {
        self.session.info(|sent, _| sent.saturating_mul(self.video.raw_len()))
    }

    /// The video that the session was opened for.
    pub fn video(&self) -> &Video {
        &self.video
    }

    /// Ends the session at once; the same as dropping it.
    pub fn close(self) {}
}

/// What the session itself does not check.
fn check(settings: &Settings, video: &Video) -> Result<(), Error> {
    check_coding(settings)?;
    let refuse = |problem: String| Err(Error::Settings(problem));
    if settings.codec.is_none() {
        return refuse("no codec given: set codec to h264 or hevc".to_owned());
    }
    let Video { width, height, .. } = *video;
    // A raw FRAME, its heads and the most side data must fit in what a server accepts.
    if video.raw_len() > u64::from(DEFAULT_CAP) - (2 << 20) {
        return refuse(format!("pictures of {width}x{height} are too large for the wire"));
    }
    Ok(())
}

fn client_settings(
    settings: &Settings,
    video: &Video,
    token: &str,
    wire: Wire,
) -> Result<ClientSettings, Error> {
    let mut options = settings.options.clone();
    options.wire_compression = wire.plain() as u8;
    options.vtz = wire.vtz_wish();
    options.pace = wire.is_auto();
    Ok(ClientSettings {
        token: token.to_owned(),
        codec: settings.codec.map_or("", Codec::name).to_owned(),
        client_name: settings.client_name.clone(),
        client_build: settings.client_build.clone(),
        width: video.width,
        height: video.height,
        pix_fmt: video.format.wire(),
        time_base: video.time_base,
        frame_rate: video.frame_rate,
        options,
        extradata: Vec::new(),
        window: settings.inflight,
        timeout: settings.timeout,
        want_slices: settings.slices != Some(false),
    })
}
