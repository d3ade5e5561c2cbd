//! The client's end, driven by a scripted server.

use std::time::Duration;

use vtremote_proto::{
    AdmitError, Client, ClientError, ClientSettings, ClientStep, Generation, Incoming, Limits,
    Mode, Options, PixelFormat, Rational,
};

use crate::speech;

/// What the rigs' clients want.
pub(crate) fn settings() -> ClientSettings {
    ClientSettings {
        token: "T".into(),
        codec: "h264".into(),
        client_name: "test".into(),
        client_build: "1".into(),
        width: speech::WIDTH,
        height: speech::HEIGHT,
        pix_fmt: PixelFormat::Nv12,
        time_base: Rational { num: 1, den: 30 },
        frame_rate: Rational { num: 30, den: 1 },
        options: Options::default(),
        extradata: Vec::new(),
        window: 16,
        timeout: Duration::from_secs(5),
        want_slices: false,
    }
}

/// The same, to decode.
pub(crate) fn decoding() -> ClientSettings {
    let options = Options { mode: Mode::Decode, ..Options::default() };
    ClientSettings { options, extradata: vec![1], ..settings() }
}

pub(crate) struct ClientRig {
    pub(crate) client: Client,
    pub(crate) now: Duration,
    incoming: Incoming,
    said: Vec<u8>,
    /// Nothing that the client says gets through.
    pub(crate) stuck: bool,
}

impl ClientRig {
    /// Waits for HELLO_ACK.
    pub(crate) fn new(settings: ClientSettings) -> Self {
        Self {
            client: Client::new(settings).unwrap(),
            now: Duration::ZERO,
            incoming: Incoming::new(Limits::DEFAULT),
            said: Vec::new(),
            stuck: false,
        }
    }

    /// Configured by a server with these capabilities, with nothing said since.
    pub(crate) fn streaming(settings: ClientSettings, capabilities: &[&str]) -> Self {
        let mut rig = Self::new(settings);
        assert_eq!(rig.hear(&speech::hello_ack(capabilities)), ["Connected"]);
        assert_eq!(rig.hear(&speech::configure_ack()), ["Configured"]);
        assert_eq!(rig.said().len(), 2);
        rig
    }

    /// The same with an early server, a current one, and one of ours.
    pub(crate) fn with(generation: Generation) -> Self {
        let capabilities = match generation {
            Generation::Early => speech::EARLY,
            Generation::Current => speech::CURRENT,
            Generation::Ours => speech::OURS,
        };
        Self::streaming(settings(), capabilities)
    }

    /// The steps that these bytes give.
    pub(crate) fn hear(&mut self, mut bytes: &[u8]) -> Vec<String> {
        let (len, mut steps) = (bytes.len(), Vec::new());
        while self.client.failure().is_none() {
            let (taken, item) = match self.incoming.read(bytes) {
                Ok((taken, Some(item))) => (taken, item),
                Ok((_, None)) => break,
                Err(error) => {
                    self.client.unreadable(self.now, &error);
                    break;
                }
            };
            bytes = &bytes[taken..];
            let step = match self.client.receive(self.now, item) {
                ClientStep::Nothing | ClientStep::Body(_) | ClientStep::Plane(_) => continue,
                ClientStep::Connected(_) => "Connected".into(),
                ClientStep::Configured { .. } => "Configured".into(),
                ClientStep::Packet(packet) => {
                    format!("Packet {} {} {}", packet.pts, packet.dts, packet.duration)
                }
                ClientStep::PacketEnd(_) => "PacketEnd".into(),
                ClientStep::Frame(frame) => format!("Frame {}", frame.pts),
                ClientStep::FrameEnd(_) => "FrameEnd".into(),
                ClientStep::FrameBegin(begin) => format!("FrameBegin {}", begin.head.pts),
                ClientStep::Slice(slice) => format!("Slice {}", slice.index),
                ClientStep::SliceEnd { last } => format!("SliceEnd {last}"),
                ClientStep::Ack(ack) => format!("Ack {}", ack.taken),
                ClientStep::Pace(pace) => format!("Pace {} {}", pace.pictures, pace.full_us),
                ClientStep::Notice(text) => format!("Notice {text}"),
                ClientStep::Done => "Done".into(),
                ClientStep::Failed => "Failed".into(),
            };
            steps.push(step);
        }
        self.client.moved(self.now, len, self.incoming.in_message());
        steps
    }

    /// Hears a packet that is handed over.
    pub(crate) fn hear_packet(&mut self, pts: i64, dts: i64) {
        let steps = self.hear(&speech::packet(pts, dts));
        assert_eq!(steps, [format!("Packet {pts} {dts} 1"), "PacketEnd".into()]);
    }

    /// Admits a frame or packet and sends it at once.
    pub(crate) fn send(&mut self, pts: i64) -> Result<(), AdmitError> {
        self.write();
        let number = self.client.admit(self.now, pts, 1)?;
        self.client.written(self.now, 100);
        self.client.sent(self.now, number);
        Ok(())
    }

    /// Sends frames of these pts, for which there must be room.
    pub(crate) fn send_all(&mut self, pts: std::ops::Range<i64>) {
        pts.for_each(|pts| self.send(pts).unwrap());
    }

    /// FLUSH goes out.
    pub(crate) fn flush(&mut self) {
        self.client.flush(self.now);
        assert_eq!(self.said().last().unwrap(), "FLUSH");
    }

    /// Lets time pass, tick by tick.
    pub(crate) fn wait(&mut self, seconds: f64) {
        let end = self.now + Duration::from_secs_f64(seconds);
        self.write();
        let mut still = 0;
        while let Some(at) = self.client.deadline().filter(|at| *at <= end) {
            still = if at > self.now { 0 } else { still + 1 };
            assert!(still < 10, "the deadline stays at {at:?}");
            self.now = self.now.max(at);
            self.client.tick(self.now);
            self.write();
        }
        self.now = end;
    }

    /// Lets time pass with a PONG from the server every second.
    pub(crate) fn wait_answered(&mut self, seconds: u32) {
        for _ in 0..seconds {
            self.wait(1.0);
            self.hear(&speech::pong());
        }
    }

    /// What the client said since this was last asked, bulk left out.
    pub(crate) fn said(&mut self) -> Vec<String> {
        self.write();
        speech::lines(&std::mem::take(&mut self.said))
    }

    /// The payload of the CONFIGURE that the client sent.
    pub(crate) fn configure(&mut self) -> Vec<u8> {
        self.write();
        let mut rest = &self.said[..];
        loop {
            let (header, behind) = rest.split_first_chunk::<12>().expect("a CONFIGURE");
            let len = u32::from_be_bytes([header[8], header[9], header[10], header[11]]) as usize;
            let (payload, next) = behind.split_at(len);
            match header[7] {
                3 => return payload.to_vec(),
                _ => rest = next,
            }
        }
    }

    /// The failure, which there must be.
    pub(crate) fn failure(&self) -> &ClientError {
        self.client.failure().expect("the session has failed")
    }

    fn write(&mut self) {
        while !self.stuck {
            let announced = self.client.has_control();
            let next = self.client.next_control(self.now);
            assert_eq!(announced, next.is_some());
            let Some(bytes) = next else { break };
            self.client.written(self.now, bytes.len());
            self.said.extend(bytes);
        }
    }
}
