//! A client that does what it is told, right or wrong.

use crate::service::{GUARD, Service};
use crate::video::{Form, Video};
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use vtremote_backend_synthetic::read_payload;
use vtremote_proto::{
    Configure, Flush, Geometry, Hello, HelloStatus, Incoming, Item, Limits, PacketHead, PlaneHead,
    Rational, SliceHead, packet_message,
};

pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    began: Instant,
    incoming: Incoming,
    items: VecDeque<Message>,
    /// What the message that comes in has so far.
    head: Option<Head>,
    bodies: Vec<(Option<PlaneHead>, Vec<u8>)>,
    /// What CONFIGURE says of the codec.
    pub(crate) codec: &'static str,
    /// Reads so many bytes at a time, so long after those before.
    pub(crate) pace: (usize, Duration),
}

enum Head {
    Packet(PacketHead),
    Frame(i64),
    /// How many slices are to come.
    Slices(u16, InSlices),
}

/// A picture that came as FRAME_BEGIN and SLICEs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InSlices {
    pub(crate) pts: i64,
    pub(crate) planes: u8,
    pub(crate) codec: u8,
    pub(crate) frame_id: u32,
    pub(crate) geometry: Option<Geometry>,
    pub(crate) side_data: Vec<(u32, Vec<u8>)>,
    pub(crate) slices: Vec<(SliceHead, Vec<u8>)>,
}

/// A message of the server's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Message {
    HelloAck {
        status: HelloStatus,
        capabilities: Vec<String>,
        max: u16,
        active: u16,
    },
    ConfigureAck {
        extradata: Vec<u8>,
        pix_fmt: u8,
        warnings: Vec<String>,
    },
    Packet(PacketHead, Vec<u8>),
    Frame(i64, Vec<(PlaneHead, Vec<u8>)>),
    Slices(InSlices),
    Done,
    Error(u32, String),
    Ping,
    Pong,
    Ack(u32),
    /// The server has closed its sending side.
    End,
}

use Message::*;

impl Peer {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(GUARD)).unwrap();
        stream.set_write_timeout(Some(GUARD)).unwrap();
        stream.set_nodelay(true).unwrap();
        Peer {
            stream,
            began: Instant::now(),
            incoming: Incoming::new(Limits::DEFAULT),
            items: VecDeque::new(),
            head: None,
            bodies: Vec::new(),
            codec: "h264",
            pace: (65536, Duration::ZERO),
        }
    }

    /// Connected, and taken by the server.
    pub(crate) fn taken(address: SocketAddr) -> Self {
        let mut peer = Self::connect(address);
        assert_eq!(peer.hello(""), HelloStatus::Ok);
        peer
    }

    /// A session that encodes, ready for frames.
    pub(crate) fn encoder(service: &Service, video: Video, options: &[(&str, &str)]) -> Self {
        let mut peer = Self::taken(service.address);
        peer.configured(video, options, &[]);
        peer
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    pub(crate) fn send_hello(&mut self, token: &str) {
        let (codec, client_name, client_build) = (self.codec, "test", "1");
        let mut out = Vec::new();
        Hello { token, codec, client_name, client_build }.encode(&mut out).unwrap();
        self.send(&out);
    }

    /// Says who it is. Gives the server's answer.
    pub(crate) fn hello(&mut self, token: &str) -> HelloStatus {
        self.send_hello(token);
        match self.next() {
            HelloAck { status, .. } => status,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn configure(
        &mut self,
        video: Video,
        options: &[(&str, &str)],
        extradata: &[u8],
    ) -> Message {
        let mut out = Vec::new();
        let configure = Configure {
            width: video.width,
            height: video.height,
            pix_fmt: video.format as u8,
            time_base: Rational { num: 1, den: 25 },
            frame_rate: Rational { num: 25, den: 1 },
            options: options.to_vec(),
            extradata,
        };
        configure.encode(&mut out).unwrap();
        self.send(&out);
        self.next()
    }

    /// The server's warnings; it must take the configuration.
    pub(crate) fn configured(
        &mut self,
        video: Video,
        options: &[(&str, &str)],
        extradata: &[u8],
    ) -> Vec<String> {
        match self.configure(video, options, extradata) {
            ConfigureAck { warnings, .. } => warnings,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn packet(&mut self, head: &PacketHead, data: &[u8]) {
        let (before, after) = packet_message(head, &[]).unwrap();
        self.send(&[&before[..], data, &after].concat());
    }

    pub(crate) fn flush(&mut self) {
        let mut out = Vec::new();
        Flush.encode(&mut out);
        self.send(&out);
    }

    pub(crate) fn ping(&mut self) {
        let mut out = Vec::new();
        vtremote_proto::Ping.encode(&mut out);
        self.send(&out);
    }

    pub(crate) fn finish(&mut self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// The next message, but for PING and ACK.
    pub(crate) fn next(&mut self) -> Message {
        loop {
            match self.next_of_all() {
                Ping | Ack(_) => {}
                other => return other,
            }
        }
    }

    /// The next message of any kind.
    pub(crate) fn next_of_all(&mut self) -> Message {
        loop {
            if let Some(message) = self.items.pop_front() {
                return message;
            }
            // A server that only sends PING would never let a read time out.
            assert!(self.began.elapsed() < 2 * GUARD, "the session does not end");
            let (at_once, apart) = self.pace;
            std::thread::sleep(apart);
            let mut bytes = vec![0; at_once];
            match self.stream.read(&mut bytes) {
                Ok(0) => return End,
                Ok(read) => self.parse(&bytes[..read]),
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return End,
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn parse(&mut self, mut bytes: &[u8]) {
        loop {
            let (taken, item) = self.incoming.read(bytes).unwrap();
            bytes = &bytes[taken..];
            let Some(item) = item else { return };
            let message = match item {
                Item::HelloAck(ack) => HelloAck {
                    status: ack.status,
                    capabilities: ack.capabilities.iter().map(ToString::to_string).collect(),
                    max: ack.max_sessions,
                    active: ack.active_sessions,
                },
                Item::ConfigureAck(ack) => ConfigureAck {
                    extradata: ack.extradata.to_vec(),
                    pix_fmt: ack.pix_fmt,
                    warnings: ack.warnings.iter().map(ToString::to_string).collect(),
                },
                Item::Packet(head) => {
                    self.head = Some(Head::Packet(head));
                    self.bodies = vec![(None, Vec::new())];
                    continue;
                }
                Item::Frame(head) => {
                    self.head = Some(Head::Frame(head.pts));
                    self.bodies.clear();
                    continue;
                }
                Item::Plane(head) => {
                    self.bodies.push((Some(head), Vec::new()));
                    continue;
                }
                Item::Body(piece) => {
                    match &mut self.head {
                        Some(Head::Slices(_, picture)) => {
                            picture.slices.last_mut().unwrap().1.extend_from_slice(piece);
                        }
                        _ => self.bodies.last_mut().unwrap().1.extend_from_slice(piece),
                    }
                    continue;
                }
                Item::FrameBegin(begin) => {
                    assert!(self.head.is_none(), "a picture inside another");
                    let owned = |(kind, data): (u32, &[u8])| (kind, data.to_vec());
                    let picture = InSlices {
                        pts: begin.head.pts,
                        planes: begin.head.planes,
                        codec: begin.codec,
                        frame_id: begin.frame_id,
                        geometry: begin.geometry,
                        side_data: begin.side_data.map(owned).collect(),
                        slices: Vec::new(),
                    };
                    self.head = Some(Head::Slices(begin.slices, picture));
                    continue;
                }
                Item::Slice(head) => match &mut self.head {
                    Some(Head::Slices(_, picture)) => {
                        picture.slices.push((head, Vec::new()));
                        continue;
                    }
                    _ => panic!("a slice of no picture"),
                },
                Item::SliceEnd => match self.head.take() {
                    Some(Head::Slices(count, picture))
                        if usize::from(count) == picture.slices.len() =>
                    {
                        Slices(picture)
                    }
                    unfinished => {
                        self.head = unfinished;
                        continue;
                    }
                },
                Item::PacketEnd(_) | Item::FrameEnd(_) => {
                    let mut bodies = std::mem::take(&mut self.bodies);
                    match self.head.take().unwrap() {
                        Head::Packet(head) => Packet(head, bodies.remove(0).1),
                        Head::Frame(pts) => {
                            let plane =
                                |(head, data): (Option<PlaneHead>, _)| (head.unwrap(), data);
                            Frame(pts, bodies.into_iter().map(plane).collect())
                        }
                        Head::Slices(..) => panic!("the end of another message"),
                    }
                }
                Item::Done => Done,
                Item::Error(error) => Error(error.code, error.message.into_owned()),
                Item::Ping(_) => Ping,
                Item::Pong => Pong,
                Item::Ack(ack) => Ack(ack.taken),
                other => panic!("{other:?}"),
            };
            self.items.push_back(message);
        }
    }

    /// Sends the frames of these numbers, at most `window` of them unanswered (with `acks`: not taken),
    /// then FLUSH. Gives the packets up to DONE.
    pub(crate) fn encode(
        &mut self,
        video: Video,
        numbers: std::ops::Range<i64>,
        window: usize,
        acks: bool,
        form: Form,
    ) -> Vec<(PacketHead, Vec<u8>)> {
        let mut packets = Vec::new();
        let mut taken = 0;
        for (sent, number) in numbers.enumerate() {
            while sent - if acks { taken } else { packets.len() } >= window {
                match self.next_of_all() {
                    Packet(head, data) => packets.push((head, data)),
                    Ack(count) => taken = count as usize,
                    Ping => {}
                    other => panic!("{other:?}"),
                }
            }
            self.send(&video.message(number, form));
        }
        self.flush();
        packets.extend(self.rest());
        packets
    }

    /// The packets up to DONE, behind which the server closes.
    pub(crate) fn rest(&mut self) -> Vec<(PacketHead, Vec<u8>)> {
        let mut packets = Vec::new();
        loop {
            match self.next() {
                Packet(head, data) => packets.push((head, data)),
                Done => break,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(self.next(), End);
        packets
    }

    /// Reads on to the ERROR, behind which the server closes.
    pub(crate) fn error(&mut self) -> (u32, String) {
        loop {
            match self.next() {
                Packet(..) | Frame(..) | Slices(..) => {}
                Error(code, message) => {
                    assert_eq!(self.next(), End);
                    return (code, message);
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

/// Every frame is there once, with the pixels that were sent, and times are in order.
pub(crate) fn assert_complete(
    packets: &[(PacketHead, Vec<u8>)],
    video: Video,
    numbers: std::ops::Range<i64>,
) {
    for pair in packets.windows(2) {
        assert!(pair[0].0.dts < pair[1].0.dts, "dts {} then {}", pair[0].0.dts, pair[1].0.dts);
    }
    let mut seen = Vec::new();
    for (head, data) in packets {
        assert!(head.dts <= head.pts);
        assert_eq!(head.duration, 1);
        let payload = read_payload(data).expect("a packet of the synthetic backend's");
        assert_eq!(payload.pts, head.pts);
        assert_eq!(payload.hash, Some(video.hash(head.pts)), "the pixels of frame {}", head.pts);
        seen.push(head.pts);
    }
    seen.sort_unstable();
    assert_eq!(seen, numbers.collect::<Vec<_>>());
}
