//! A server for tests: the server session in one thread, with a script instead of an encoder or a
//! decoder.
//!
//! An encoder's packets are NAL units with the frame's pts in plain text, behind 3-byte start codes.

#![allow(dead_code, unreachable_pub, reason = "every test program uses another part of it")]

pub mod decode;

use std::collections::VecDeque;
use std::net::TcpStream;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use vtremote_link::{Link, Listener, Moved, TcpSettings, tcp_link};
use vtremote_planes::{Compression, Decompressor, Target};
use vtremote_proto::session::{Server, ServerSettings, ServerStep};
use vtremote_proto::{
    ConfigureAck, GeometryChanges, HelloAck, HelloStatus, Incoming, Item, Limits, Mode,
    NO_REFERENCE, Options, PACKET_KEY, PacketHead, PixelFormat, packet_message, session::Outgoing,
};

pub const EARLY: &[&str] = &["h264", "hevc"];
pub const CURRENT: &[&str] =
    &["h264", "hevc", "pixfmt.nv12", "pixfmt.p010", "pixfmt.bgra", "side_data.v2"];
pub const OURS: &[&str] = &[
    "h264",
    "hevc",
    "pixfmt.nv12",
    "pixfmt.p010",
    "pixfmt.bgra",
    "side_data.v2",
    "x.ack.v1",
    "x.slices.v1",
];

/// Those of our server, `x.geometry.v1` included.
pub const GEOMETRY: &[&str] =
    &["h264", "hevc", "pixfmt.nv12", "pixfmt.p010", "x.ack.v1", "x.slices.v1", "x.geometry.v1"];

pub const SPS: &[u8] = &[0x67, 0x42, 0, 0x1e, 0x80];
pub const PPS: &[u8] = &[0x68, 0xce, 0x80];

/// VPS, SPS and PPS of H.265: nothing but their headers (H.265 7.3.1.2).
pub const HEVC_SETS: [&[u8]; 3] = [&[0x40, 1, 1], &[0x42, 1, 1], &[0x44, 1, 1]];

/// An avcC record of [`SPS`] and [`PPS`].
pub fn avcc() -> Vec<u8> {
    let mut record = vec![1, 0x42, 0, 0x1e, 0xff, 0xe1, 0, SPS.len() as u8];
    record.extend_from_slice(SPS);
    record.extend_from_slice(&[1, 0, PPS.len() as u8]);
    record.extend_from_slice(PPS);
    record
}

/// What the server does.
#[derive(Clone)]
pub struct Script {
    pub name: &'static str,
    pub version: &'static str,
    pub capabilities: &'static [&'static str],
    pub token: &'static str,
    /// Answers HELLO with this.
    pub status: HelloStatus,
    /// Answers CONFIGURE with ERROR.
    pub refusal: Option<&'static str>,
    pub warning: Option<&'static str>,
    pub extradata: Vec<u8>,
    /// Puts parameter sets into the first keyframe.
    pub in_band: bool,
    /// Holds back this many frames.
    pub delay: usize,
    /// Makes every packet this many bytes longer.
    pub padding: usize,
    /// What its decoder does.
    pub decoding: decode::Decoding,
    /// What befalls it when the frame or packet of this number has come.
    pub fate: Option<(usize, Fate)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Closes without a word.
    Vanish,
    /// Reads on, and says nothing any more.
    Mute,
    /// Neither reads nor writes for so long that a slow client has gone by then, then closes.
    Freeze,
    /// ERROR.
    Fail,
    /// Bytes that are no message.
    Garbage,
    /// A packet that is not Annex B, or a picture that does not unpack.
    Broken,
    /// Never gives that frame's packet, or that packet's picture.
    Drop,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            name: "test",
            version: "1",
            capabilities: OURS,
            token: "",
            status: HelloStatus::Ok,
            refusal: None,
            warning: None,
            extradata: avcc(),
            in_band: true,
            delay: 0,
            padding: 0,
            decoding: decode::Decoding::default(),
            fate: None,
        }
    }
}

/// What the server saw.
#[derive(Debug, Default)]
pub struct Served {
    pub codec: String,
    pub client: String,
    pub options: Options,
    pub frames: Vec<Seen>,
    pub configured: Option<decode::Configured>,
    pub packets: Vec<decode::Coded>,
    pub pings: usize,
    pub end: String,
}

/// One frame that came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub pts: i64,
    pub duration: i64,
    pub flags: u32,
    pub side_data: Vec<(u32, Vec<u8>)>,
    /// Whole planes, rows without padding.
    pub planes: Vec<Vec<u8>>,
    /// It came as FRAME_BEGIN and SLICE.
    pub sliced: bool,
}

/// Serves one session on a thread.
pub fn serve(link: Link, script: Script) -> JoinHandle<Served> {
    thread::spawn(move || Session::new(link, script).run())
}

/// Serves one TCP connection on a port of its own.
pub fn serve_tcp(script: Script) -> (String, JoinHandle<Served>) {
    let (address, accepted) = accept_tcp(move |stream| {
        Session::new(tcp_link(stream, &TcpSettings::default()).unwrap(), script).run()
    });
    (address, accepted)
}

/// Gives the first connection to a port of its own to `serve`, on a thread.
pub fn accept_tcp<T: Send + 'static>(
    serve: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (String, JoinHandle<T>) {
    let listener = Listener::bind_to("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let thread = thread::spawn(move || {
        loop {
            if let Some((stream, _)) = listener.accept(Duration::from_secs(1)).unwrap() {
                return serve(stream);
            }
        }
    });
    (address, thread)
}

struct Session {
    link: Link,
    script: Script,
    server: Server<Vec<u8>>,
    begin: Instant,
    served: Served,
    format: Option<(PixelFormat, u32, u32)>,
    /// The frame that comes in.
    frame: Seen,
    codec: u8,
    /// Of the plane or slice that comes in: compression, plane, first row, rows, stride.
    part: (u8, usize, usize, usize, usize),
    data: Vec<u8>,
    /// Came, and not answered.
    held: VecDeque<(i64, i64, bool)>,
    answered: usize,
    /// The packet that comes in.
    coded: Option<PacketHead>,
    changes: GeometryChanges,
    fate: Option<Fate>,
}

impl Session {
    fn new(link: Link, script: Script) -> Self {
        let settings = ServerSettings { linger: Duration::from_secs(1), ..Default::default() };
        Self {
            link,
            script,
            server: Server::new(settings),
            begin: Instant::now(),
            served: Served::default(),
            format: None,
            frame: Seen::default(),
            codec: 0,
            part: (0, 0, 0, 0, 0),
            data: Vec::new(),
            held: VecDeque::new(),
            answered: 0,
            coded: None,
            changes: GeometryChanges::default(),
            fate: None,
        }
    }

    fn run(mut self) -> Served {
        let mut incoming = Incoming::new(Limits::DEFAULT);
        let mut buffer = vec![0; 50_000];
        let mut finished = false;
        loop {
            match self.fate {
                Some(Fate::Vanish) => {
                    self.served.end = "vanished".into();
                    return self.served;
                }
                Some(Fate::Freeze) => {
                    thread::sleep(Duration::from_secs(3));
                    self.fate = Some(Fate::Vanish);
                    continue;
                }
                _ => {}
            }
            if self.write().is_err() {
                self.served.end = "could not write".into();
                return self.served;
            }
            if let Some(end) = self.server.over() {
                self.served.end = end.to_string();
                return self.served;
            }
            if self.server.send_finished() && !finished {
                finished = true;
                let _ = self.link.writer.finish();
            }
            let now = self.begin.elapsed();
            match self.link.reader.read(&mut buffer) {
                Ok(Moved::Bytes(count)) => {
                    self.take(&mut incoming, &buffer[..count]);
                    self.server.moved(now, count, incoming.in_message());
                }
                Ok(Moved::Nothing) => self.server.tick(now),
                Ok(Moved::End) => {
                    self.fate = None;
                    self.server.end_of_input(now);
                }
                Err(error) => {
                    self.fate = None;
                    self.server.transport_failed(now, error.to_string());
                }
            }
        }
    }

    fn write(&mut self) -> std::io::Result<()> {
        if matches!(self.fate, Some(Fate::Mute)) {
            return Ok(());
        }
        while let Some(message) = self.server.next(self.begin.elapsed()) {
            let (Outgoing::Control(bytes) | Outgoing::Data(bytes)) = message;
            let mut left = &bytes[..];
            while !left.is_empty() {
                if let Moved::Bytes(count) = self.link.writer.write(left)? {
                    left = &left[count..];
                    self.server.written(self.begin.elapsed(), count);
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, incoming: &mut Incoming, mut bytes: &[u8]) {
        loop {
            let now = self.begin.elapsed();
            match incoming.read(bytes) {
                Ok((used, Some(item))) => {
                    bytes = &bytes[used..];
                    self.item(now, item);
                }
                Ok((_, None)) => return,
                Err(error) => return self.server.unreadable(now, &error),
            }
        }
    }

    fn item(&mut self, now: Duration, item: Item<'_>) {
        if matches!(item, Item::Ping(_)) {
            self.served.pings += 1;
        }
        match self.server.receive(now, item) {
            ServerStep::Hello(hello) => {
                self.served.codec = hello.codec.into();
                self.served.client = format!("{} {}", hello.client_name, hello.client_build);
                let status = match self.script.status {
                    HelloStatus::Ok if hello.token != self.script.token => {
                        HelloStatus::AuthenticationFailed
                    }
                    status => status,
                };
                let ack = HelloAck {
                    status,
                    server_name: self.script.name,
                    server_version: self.script.version,
                    capabilities: self.script.capabilities.to_vec(),
                    max_sessions: 4,
                    active_sessions: if status == HelloStatus::Busy { 4 } else { 1 },
                };
                self.server.accept(now, &ack);
            }
            ServerStep::Configure(configure, options, _) => {
                let format = PixelFormat::from_wire(configure.pix_fmt).unwrap();
                self.format = Some((format, configure.width, configure.height));
                self.served.options = options;
                self.served.configured = Some(decode::Configured {
                    format,
                    size: (configure.width, configure.height),
                    extradata: configure.extradata.into(),
                });
                if let Some(refusal) = self.script.refusal {
                    return self.server.refuse_configure(now, 1, refusal);
                }
                let ack = ConfigureAck {
                    status: 0,
                    extradata: &self.script.extradata,
                    pix_fmt: configure.pix_fmt,
                    warnings: self.script.warning.into_iter().collect(),
                };
                self.server.configured(now, &ack).unwrap();
            }
            ServerStep::Frame(head) => {
                self.begin_frame(head.pts, head.duration, head.flags, false);
                self.codec = self.served.options.wire_compression;
            }
            ServerStep::Plane(head) => {
                self.end_part();
                let rows = head.height as usize;
                self.part = (self.codec, head.index.into(), 0, rows, head.stride as usize);
            }
            ServerStep::FrameEnd(side_data) => {
                self.end_part();
                self.frame.side_data = side_data.map(|(kind, data)| (kind, data.into())).collect();
                self.end_frame(now);
            }
            ServerStep::FrameBegin(begin) => {
                assert_eq!((begin.reference_id, begin.tables.len()), (NO_REFERENCE, 0));
                let head = begin.head;
                self.begin_frame(head.pts, head.duration, head.flags, true);
                self.frame.side_data =
                    begin.side_data.map(|(kind, data)| (kind, data.into())).collect();
                self.codec = begin.codec;
            }
            ServerStep::Slice(head) => {
                let plane = usize::from(head.plane);
                let codec = if head.mode == 1 { 0 } else { self.codec };
                let (first, rows) = (head.first_row as usize, head.rows as usize);
                self.part = (codec, plane, first, rows, self.layout(plane).0);
            }
            ServerStep::SliceEnd { last } => {
                self.end_part();
                if last {
                    self.end_frame(now);
                }
            }
            ServerStep::Packet(head) => {
                self.coded = Some(head);
                self.data.clear();
            }
            ServerStep::PacketEnd(side_data) => self.packet_end(now, side_data),
            ServerStep::Body(data) => self.data.extend_from_slice(data),
            ServerStep::Drain => {
                while self.held.front().is_some() {
                    match self.served.options.mode {
                        Mode::Decode => self.show(now),
                        _ => self.answer(now),
                    }
                }
                // After a failure of its own there is nothing to drain.
                let _ = self.server.drained(now);
            }
            _ => {}
        }
    }

    fn layout(&self, plane: usize) -> (usize, usize) {
        let (format, width, height) = self.format.unwrap();
        format.plane_layout(width, height, plane as u8)
    }

    fn begin_frame(&mut self, pts: i64, duration: i64, flags: u32, sliced: bool) {
        let format = self.format.unwrap().0;
        let planes = (0..usize::from(format.planes()))
            .map(|plane| {
                let (row, rows) = self.layout(plane);
                vec![0; row * rows]
            })
            .collect();
        self.frame = Seen { pts, duration, flags, planes, sliced, ..Seen::default() };
        self.data.clear();
    }

    fn end_part(&mut self) {
        let (codec, plane, first, rows, stride) = self.part;
        if rows == 0 {
            return;
        }
        let row_bytes = self.layout(plane).0;
        // Ours never sends padding.
        assert_eq!(stride, row_bytes);
        let data = &mut self.frame.planes[plane][first * row_bytes..(first + rows) * row_bytes];
        let target = Target { data, stride: row_bytes, row_bytes, rows };
        let codec = Compression::from_wire(codec).unwrap();
        Decompressor::new().decompress(codec, &self.data, stride, target).unwrap();
        self.data.clear();
        self.part = (0, 0, 0, 0, 0);
    }

    fn end_frame(&mut self, now: Duration) {
        let frame = std::mem::take(&mut self.frame);
        let number = self.served.frames.len();
        let keyframe = number == 0 || frame.flags & 1 != 0;
        self.held.push_back((frame.pts, frame.duration, keyframe));
        self.served.frames.push(frame);
        match self.script.fate {
            Some((at, fate)) if at == number => {
                self.fate = Some(fate);
                match fate {
                    Fate::Fail => self.server.fail(now, 2, "the encoder broke"),
                    Fate::Garbage => {
                        let _ = self.write();
                        let _ = self.link.writer.write(&[0xff; 64]);
                    }
                    Fate::Drop => {
                        self.held.pop_back();
                    }
                    Fate::Mute | Fate::Freeze => return,
                    Fate::Vanish => {
                        let _ = self.write();
                    }
                    Fate::Broken => {}
                }
            }
            _ => {}
        }
        self.server.taken(now, 0);
        while self.held.len() > self.script.delay {
            self.answer(now);
        }
    }

    /// Gives the packet of the oldest frame that is held.
    fn answer(&mut self, now: Duration) {
        let Some((pts, duration, keyframe)) = self.held.pop_front() else { return };
        let mut data = Vec::new();
        let mut nal = |bytes: &[u8]| {
            data.extend_from_slice(&[0, 0, 1]);
            data.extend_from_slice(bytes);
        };
        // Those of H.265 always stand in the stream.
        if self.served.codec == "hevc" {
            if keyframe {
                HEVC_SETS.iter().for_each(|set| nal(set));
            }
        } else if keyframe && self.script.in_band && self.answered == 0 {
            nal(SPS);
            nal(PPS);
        }
        let slice = match &*self.served.codec {
            "hevc" => hevc_slice(pts, keyframe),
            _ => slice(pts, keyframe),
        };
        nal(&[slice, vec![0xaa; self.script.padding]].concat());
        if self.fate == Some(Fate::Broken) {
            data = b"no start code".to_vec();
        }
        let head = PacketHead {
            pts,
            dts: pts,
            duration,
            flags: if keyframe { PACKET_KEY } else { 0 },
            len: data.len() as u32,
        };
        let (mut message, tail) = packet_message(&head, &[]).unwrap();
        message.extend_from_slice(&data);
        message.extend_from_slice(&tail);
        self.answered += 1;
        // A session that has ended takes no packet.
        let _ = self.server.packet(now, &head, message);
    }
}

/// The NAL unit of a frame's packet.
pub fn slice(pts: i64, keyframe: bool) -> Vec<u8> {
    let kind = if keyframe { 0x65 } else { 0x41 };
    let mut nal = vec![kind];
    nal.extend_from_slice(format!("pts {pts}").as_bytes());
    nal
}

/// The same of H.265: IDR_W_RADL or TRAIL_R (H.265 7.3.1.2).
pub fn hevc_slice(pts: i64, keyframe: bool) -> Vec<u8> {
    [&[if keyframe { 0x26 } else { 0x02 }, 1], &slice(pts, keyframe)[1..]].concat()
}

/// A whole packet as a caller gets it: `sets` before the slice, 4-byte start codes.
pub fn packet(pts: i64, keyframe: bool, sets: bool) -> Vec<u8> {
    let slice = slice(pts, keyframe);
    let nals: &[&[u8]] = if sets { &[SPS, PPS, &slice] } else { &[&slice] };
    nals.iter().flat_map(|nal| [&[0, 0, 0, 1], *nal].concat()).collect()
}
