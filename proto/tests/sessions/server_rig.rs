//! The server's end, driven by a scripted client.

use std::time::Duration;

use vtremote_proto::{
    ConfigureAck, HelloStatus, Incoming, Limits, Options, Outgoing, PacketHead, Server,
    ServerSettings, ServerStep,
};

use crate::speech;

pub(crate) struct ServerRig {
    pub(crate) server: Server<Vec<u8>>,
    pub(crate) now: Duration,
    pub(crate) options: Option<Options>,
    pub(crate) unknown: Vec<String>,
    incoming: Incoming,
    said: Vec<u8>,
    /// Nothing that the server says gets through.
    pub(crate) stuck: bool,
}

impl ServerRig {
    /// Waits for HELLO.
    pub(crate) fn new() -> Self {
        Self {
            server: Server::new(ServerSettings::default()),
            now: Duration::ZERO,
            options: None,
            unknown: Vec::new(),
            incoming: Incoming::new(Limits::DEFAULT),
            said: Vec::new(),
            stuck: false,
        }
    }

    /// Accepted with our capabilities; waits for CONFIGURE.
    pub(crate) fn accepted() -> Self {
        Self::accepted_with(ServerSettings::default())
    }

    fn accepted_with(settings: ServerSettings) -> Self {
        let mut rig = Self { server: Server::new(settings), ..Self::new() };
        assert_eq!(rig.hear(&speech::hello()), ["Hello"]);
        rig.server.accept(rig.now, &speech::ack_of(HelloStatus::Ok, speech::OURS));
        rig
    }

    /// Configured, with other deadlines.
    pub(crate) fn streaming_with(settings: ServerSettings, options: &[(&str, &str)]) -> Self {
        let mut rig = Self::accepted_with(settings);
        rig.hear(&speech::configure(options));
        rig.configured();
        rig
    }

    /// Waits for the backend.
    pub(crate) fn configuring(options: &[(&str, &str)]) -> Self {
        let mut rig = Self::accepted();
        assert_eq!(rig.hear(&speech::configure(options)), ["Configure"]);
        rig
    }

    /// Configured, with nothing said since.
    pub(crate) fn streaming(options: &[(&str, &str)]) -> Self {
        let mut rig = Self::configuring(options);
        rig.configured();
        assert_eq!(rig.said(), ["HELLO_ACK accepted", "CONFIGURE_ACK 1"]);
        rig
    }

    pub(crate) fn configured(&mut self) {
        let ack = ConfigureAck { status: 0, extradata: &[], pix_fmt: 1, warnings: Vec::new() };
        self.server.configured(self.now, &ack).unwrap();
    }

    /// The steps that these bytes give, as long as the session listens.
    pub(crate) fn hear(&mut self, mut bytes: &[u8]) -> Vec<String> {
        let (len, mut steps) = (bytes.len(), Vec::new());
        while self.server.end().is_none() {
            let (taken, item) = match self.incoming.read(bytes) {
                Ok((taken, Some(item))) => (taken, item),
                Ok((_, None)) => break,
                Err(error) => {
                    self.server.unreadable(self.now, &error);
                    break;
                }
            };
            bytes = &bytes[taken..];
            let step = match self.server.receive(self.now, item) {
                ServerStep::Nothing | ServerStep::Body(_) | ServerStep::Plane(_) => continue,
                ServerStep::Hello(_) => "Hello".into(),
                ServerStep::Configure(_, options, unknown) => {
                    self.options = Some(options);
                    self.unknown = unknown;
                    "Configure".into()
                }
                ServerStep::Frame(head) => format!("Frame {}", head.pts),
                ServerStep::FrameEnd(_) => "FrameEnd".into(),
                ServerStep::FrameBegin(begin) => format!("FrameBegin {}", begin.head.pts),
                ServerStep::Slice(slice) => format!("Slice {}", slice.index),
                ServerStep::SliceEnd { last } => format!("SliceEnd {last}"),
                ServerStep::Packet(head) => format!("Packet {}", head.pts),
                ServerStep::PacketEnd(_) => "PacketEnd".into(),
                ServerStep::Pace(pace) => format!("Pace {} {}", pace.pictures, pace.full_us),
                ServerStep::Drain => "Drain".into(),
                ServerStep::Closing => "Closing".into(),
            };
            steps.push(step);
        }
        self.server.moved(self.now, len, self.incoming.in_message());
        steps
    }

    /// Hears a FRAME of this pts as a new one.
    pub(crate) fn hear_frame(&mut self, pts: i64) {
        let steps = self.hear(&speech::frame(pts));
        assert_eq!(steps, [format!("Frame {pts}"), "FrameEnd".into()]);
    }

    /// The backend gives a packet.
    pub(crate) fn packet(&mut self, pts: i64, dts: i64) {
        self.give(speech::head(pts, dts)).unwrap();
    }

    pub(crate) fn give(&mut self, head: PacketHead) -> Result<(), vtremote_proto::OutputError> {
        self.server.packet(self.now, &head, speech::packet_of(head))
    }

    /// Lets time pass, tick by tick.
    pub(crate) fn wait(&mut self, seconds: f64) {
        let end = self.now + Duration::from_secs_f64(seconds);
        self.write();
        let mut still = 0;
        while let Some(at) = self.server.deadline().filter(|at| *at <= end) {
            still = if at > self.now { 0 } else { still + 1 };
            assert!(still < 10, "the deadline stays at {at:?}");
            self.now = self.now.max(at);
            self.server.tick(self.now);
            self.write();
        }
        self.now = end;
    }

    /// What the server said since this was last asked.
    pub(crate) fn said(&mut self) -> Vec<String> {
        self.write();
        speech::lines(&std::mem::take(&mut self.said))
    }

    /// The reason why the session ended, and must have.
    pub(crate) fn end(&self) -> String {
        self.server.end().expect("the session has ended").to_string()
    }

    fn write(&mut self) {
        while !self.stuck {
            let announced = self.server.has_output();
            let next = self.server.next(self.now);
            assert!(announced || next.is_none(), "output that nobody is woken for");
            let Some(Outgoing::Control(bytes) | Outgoing::Data(bytes)) = next else { break };
            self.server.written(self.now, bytes.len());
            self.said.extend(bytes);
        }
    }
}
