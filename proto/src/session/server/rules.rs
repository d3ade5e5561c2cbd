//! What a client may say, and when (docs/protocol.md sections 2 to 7).

use std::time::Duration;

use super::{Arrival, ClientTraits, End, Incoming, MAX_PONGS, Pts, Server, ServerStep, State};
use crate::{
    Configure, ErrorMessage, FrameHead, Geometry, Item, Mode, Options, Pace, PacketHead,
    PixelFormat, Pong, error_code,
    message::MAX_SIDE,
    session::{message, picture::Pictures},
};

/// What a client did wrong.
pub(super) struct Violation {
    pub(super) code: u32,
    pub(super) message: String,
}

impl Violation {
    fn order(message: impl Into<String>) -> Self {
        Self { code: error_code::PROTOCOL, message: message.into() }
    }

    fn bad(message: impl Into<String>) -> Self {
        Self { code: error_code::BAD_REQUEST, message: message.into() }
    }
}

struct Repeat {
    answer: Option<PacketHead>,
}

impl<B> Server<B> {
    pub(super) fn step<'a>(
        &mut self,
        now: Duration,
        item: Item<'a>,
    ) -> Result<ServerStep<'a>, Violation> {
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
            Item::Pace(pace) => self.told(pace),
            Item::Flush => self.flush(),
            Item::HelloAck(_)
            | Item::ConfigureAck(_)
            | Item::Done
            | Item::PacketAck
            | Item::Ack(_)
            | Item::Notice(_) => Err(Violation::bad("a message that only servers send")),
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
        let ack = agreed(options.ack, self.offered.ack, "x.ack.v1");
        let slices = agreed(options.slices, self.offered.slices, "x.slices.v1");
        let possible = self.offered.geometry && slices && mode == Mode::Decode;
        self.client = ClientTraits {
            mode,
            ack,
            slices,
            geometry: agreed(options.geometry, possible, "x.geometry.v1"),
            notice: agreed(options.notice, self.offered.notice, "x.notice.v1"),
            vtz: agreed(options.vtz != 0, self.offered.vtz && slices, "x.wire.vtz.v1"),
            pace: agreed(options.pace, self.offered.pace && slices, "x.pace.v1"),
            decode_async: options.decode_async == Some(true),
        };
        let compressed = options.wire_compression != 0;
        let geometry = Geometry::new(width, height, format);
        self.pictures = Some(Pictures::new(geometry, compressed, true).with_vtz(self.client.vtz));
        self.state = State::Configuring { since: now };
        Ok(ServerStep::Configure(configure, options, unknown))
    }

    /// PACE. After FLUSH pictures still go out, and it comes in.
    fn told<'a>(&mut self, pace: Pace) -> Result<ServerStep<'a>, Violation> {
        if !self.client.pace || self.client.mode != Mode::Decode || !self.streaming() {
            return Err(Violation::bad("PACE out of order"));
        }
        let more = pace.since(&self.pace);
        // The count on the wire wraps.
        let known = self.paced + u64::from(more.pictures);
        if known > self.counts.frames_out {
            let sent = self.counts.frames_out;
            return Err(Violation::bad(format!(
                "PACE of {known} pictures, of which {sent} were sent"
            )));
        }
        (self.pace, self.paced) = (pace, known);
        Ok(ServerStep::Pace(more))
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
                if let Some(repeat) = self.arrival(head.pts, head.duration)? {
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
                let FrameHead { pts, duration, .. } = begin.head;
                if self.arrival(pts, duration)?.is_some() {
                    return Err(Violation::bad(format!("pts {} came twice", Pts(pts))));
                }
                self.incoming = Incoming::Picture { pts };
                self.activity.picture_since = Some(now);
                Ok(ServerStep::FrameBegin(begin))
            }
            Item::Slice(slice) => {
                self.stream(Mode::Encode, "SLICE")?;
                self.pictures()?.slice(&slice).map_err(Violation::bad)?;
                Ok(ServerStep::Slice(slice))
            }
            Item::SliceEnd => {
                let last = self.pictures()?.slice_end();
                self.activity.picture_since = (!last).then_some(now);
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
    fn arrival(&mut self, pts: i64, duration: i64) -> Result<Option<Repeat>, Violation> {
        match self.answers.arrival(pts, duration) {
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
}
