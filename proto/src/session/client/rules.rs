//! What a server may say, and when (docs/protocol.md sections 2 to 7).

use std::time::Duration;

use super::{
    Client, ClientError, ClientSettings, ClientStep, Generation, Incoming, MAX_NOTICES, MAX_PONGS,
    Order, PacketOut, ServerTraits, State, Window,
};
use crate::{
    Ack, Configure, ConfigureAck, ErrorMessage, Geometry, HelloAck, HelloStatus, Item, Mode,
    Notice, Pace, PacketHead, PixelFormat, Pong,
    session::{message, picture::Pictures, server::Pts},
};

fn violation<T>(what: impl Into<String>) -> Result<T, ClientError> {
    Err(ClientError::Violation(what.into()))
}

impl Client {
    pub(super) fn step<'a>(
        &mut self,
        now: Duration,
        item: Item<'a>,
    ) -> Result<ClientStep<'a>, ClientError> {
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
            Item::Ack(ack) => self.ack(now, ack),
            Item::Notice(notice) => self.notice(notice),
            Item::Pace(pace) => self.told(now, pace),
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
        if self.settings.window == 0 {
            self.window = Window::adaptive(self.server.ack, self.settings.picture_bytes());
        }
        self.configure(now)?;
        Ok(ClientStep::Connected(self.server.clone()))
    }

    pub(super) fn configure(&mut self, now: Duration) -> Result<(), ClientError> {
        let settings = &self.settings;
        let mut options = settings.options.clone();
        options.ack = self.server.ack;
        options.slices = self.server.slices;
        options.geometry = self.server.geometry;
        options.notice = self.server.notice;
        options.pace = self.server.pace;
        if !self.server.vtz {
            options.vtz = 0;
        }
        if !self.encodes() {
            // Servers know by it that frames may come at any time.
            options.decode_async = Some(true);
        }
        let pairs = options.to_pairs();
        let configure = Configure {
            width: settings.width,
            height: settings.height,
            pix_fmt: self.pix_fmt().to_wire(),
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

    /// What CONFIGURE asks for.
    fn pix_fmt(&self) -> PixelFormat {
        self.server.pix_fmt.unwrap_or(self.settings.pix_fmt)
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
        let pictures = match self.server.geometry {
            true => Pictures::told(self.pix_fmt()),
            false => Pictures::new(Geometry::new(*width, *height, pix_fmt), compressed, early),
        };
        self.pictures = Some(pictures.with_vtz(self.server.vtz));
        self.order = Order::by_pts(early);
        self.state = State::Streaming;
        (self.uploaded, self.probed, self.answered) = (now, now, now);
        let ConfigureAck { extradata, warnings, .. } = ack;
        Ok(ClientStep::Configured { extradata, pix_fmt, warnings })
    }

    fn ack<'a>(&mut self, now: Duration, ack: Ack) -> Result<ClientStep<'a>, ClientError> {
        if !self.server.ack || !self.streaming() {
            return violation("ACK out of order");
        }
        // The count on the wire wraps.
        let more = u64::from(ack.taken.wrapping_sub(self.taken as u32));
        if more > self.ledger.admitted() - self.taken {
            return violation(format!("ACK of {} messages, more than were sent", ack.taken));
        }
        let used = self.untaken();
        self.taken += more;
        self.answered = self.answered.max(now);
        self.window.delivered(now, more, used);
        Ok(ClientStep::Ack(ack))
    }

    /// PACE.
    fn told<'a>(&mut self, now: Duration, pace: Pace) -> Result<ClientStep<'a>, ClientError> {
        if !self.server.pace || !self.encodes() || !self.streaming() {
            return violation("PACE out of order");
        }
        let more = pace.since(&self.pace);
        // The count on the wire wraps.
        let known = self.paced + u64::from(more.pictures);
        if known > self.ledger.admitted() {
            return violation(format!("PACE of {known} pictures, more than were sent"));
        }
        (self.pace, self.paced) = (pace, known);
        self.answered = self.answered.max(now);
        Ok(ClientStep::Pace(more))
    }

    fn notice<'a>(&mut self, notice: Notice<'a>) -> Result<ClientStep<'a>, ClientError> {
        if !self.server.notice || !self.streaming() {
            return violation("NOTICE out of order");
        }
        self.notices += 1;
        // Beyond that it is no server of ours, and its lines could fill a disk.
        Ok(match self.notices {
            ..=MAX_NOTICES => ClientStep::Notice(notice.text),
            _ => ClientStep::Nothing,
        })
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
                self.answered_one(now);
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
                self.complete(now);
                Ok(ClientStep::FrameEnd(side_data))
            }
            Item::FrameBegin(begin) => {
                self.stream(Mode::Decode, "FRAME_BEGIN")?;
                if !self.server.slices {
                    return violation("FRAME_BEGIN though x.slices.v1 was not agreed");
                }
                fits(self.pictures()?.begin(&begin))?;
                self.incoming = Incoming::Picture { pts: begin.head.pts };
                self.activity.picture_since = Some(now);
                Ok(ClientStep::FrameBegin(begin))
            }
            Item::Slice(slice) => {
                self.stream(Mode::Decode, "SLICE")?;
                fits(self.pictures()?.slice(&slice))?;
                Ok(ClientStep::Slice(slice))
            }
            Item::SliceEnd => {
                let last = self.pictures()?.slice_end();
                self.activity.picture_since = (!last).then_some(now);
                if last {
                    self.complete(now);
                }
                Ok(ClientStep::SliceEnd { last })
            }
            _ => Ok(ClientStep::Nothing),
        }
    }

    /// The picture that came in is whole.
    fn complete(&mut self, now: Duration) {
        if let Incoming::Picture { pts } = self.incoming {
            self.received += 1;
            self.answered_one(now);
            self.ledger.decoded(pts, self.server.generation == Generation::Early);
            self.order.arrived(pts);
        }
        self.incoming = Incoming::Nothing;
    }

    /// A frame or packet gets its answer. Without acks that is when it leaves the window.
    fn answered_one(&mut self, now: Duration) {
        if !self.server.ack {
            self.window.delivered(now, 1, self.ledger.outstanding());
        }
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
}
