//! Both ends of a session in memory: pipes of limited capacity, pieces of random size, a backend
//! that delays and reorders, a connection that breaks at any byte, and a clock that only moves when
//! nothing else does. A session that can go nowhere is a hang, and a test that fails.

use std::{collections::VecDeque, time::Duration};

use vtremote_proto::{
    Client, ClientError, ClientSettings, ClientStep, ConfigureAck, End, Geometry, GeometryChanges,
    HelloStatus, Incoming, Limits, Mode, Options, Outgoing, PacketHead, PixelFormat, Server,
    ServerSettings, ServerStep, packet_message,
};

use crate::{client_rig, speech};

/// What happens in a world.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) mode: Mode,
    pub(crate) capabilities: &'static [&'static str],
    pub(crate) slices: bool,
    pub(crate) frames: i64,
    pub(crate) window: u32,
    /// Frames that the backend holds back.
    pub(crate) delay: usize,
    /// Packets leave the encoder in another order than the frames came.
    pub(crate) reorder: bool,
    /// Bytes that a pipe holds, and at most move at a time.
    pub(crate) capacity: usize,
    /// Time that passes with every piece, once configured.
    pub(crate) pace: Duration,
    /// The backend does nothing until then.
    pub(crate) asleep: Duration,
    /// The backend breaks at this frame.
    pub(crate) breaks: Option<i64>,
    /// The connection breaks after so many bytes up, and down.
    pub(crate) cut_up: usize,
    pub(crate) cut_down: usize,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            seed: 1,
            mode: Mode::Encode,
            capabilities: speech::OURS,
            slices: false,
            frames: 20,
            window: 16,
            delay: 0,
            reorder: false,
            capacity: 64,
            pace: Duration::ZERO,
            asleep: Duration::ZERO,
            breaks: None,
            cut_up: usize::MAX,
            cut_down: usize::MAX,
        }
    }
}

/// What came of it.
pub(crate) struct Outcome {
    pub(crate) result: Result<(), ClientError>,
    pub(crate) end: End,
    /// pts of what the client received: packets in their order, frames as they are to be shown.
    pub(crate) received: Vec<i64>,
    /// dts of the packets.
    pub(crate) dts: Vec<i64>,
    pub(crate) took: Duration,
    pub(crate) bytes_up: usize,
    pub(crate) bytes_down: usize,
}

#[derive(Debug)]
struct Pipe {
    bytes: VecDeque<u8>,
    capacity: usize,
    passed: usize,
    cut: usize,
    closed: bool,
}

impl Pipe {
    fn new(capacity: usize, cut: usize) -> Self {
        Self { bytes: VecDeque::new(), capacity, passed: 0, cut, closed: false }
    }

    fn write(&mut self, from: &mut VecDeque<u8>, most: usize) -> usize {
        let room = self.capacity - self.bytes.len();
        let count = from.len().min(most).min(room).min(self.cut - self.passed);
        self.bytes.extend(from.drain(..count));
        self.passed += count;
        self.closed |= self.passed == self.cut;
        count
    }

    fn read(&mut self, most: usize) -> Vec<u8> {
        let count = self.bytes.len().min(most);
        self.bytes.drain(..count).collect()
    }
}

pub(crate) fn run(plan: Plan) -> Outcome {
    World::new(plan).run()
}

struct World {
    plan: Plan,
    random: u64,
    now: Duration,
    up: Pipe,
    down: Pipe,
    client: ClientSide,
    server: ServerSide,
}

struct ClientSide {
    client: Client,
    incoming: Incoming,
    connected: bool,
    next_frame: i64,
    /// Messages of admitted frames; the last of a frame with its number.
    bulk: VecDeque<(Vec<u8>, Option<u32>)>,
    writing: VecDeque<u8>,
    sending: Option<u32>,
    body: Vec<u8>,
    packet_pts: i64,
    completed: Vec<i64>,
    received: Vec<i64>,
    dts: Vec<i64>,
}

struct ServerSide {
    server: Server<Vec<u8>>,
    incoming: Incoming,
    writing: VecDeque<u8>,
    ready: bool,
    draining: bool,
    pts: i64,
    sum: u64,
    /// pts and sum of what the backend holds.
    held: Vec<(i64, u64)>,
    given: i64,
    changes: GeometryChanges,
    ended_input: bool,
}

/// What a decoded picture of this pts is: height and primaries change, not always at once.
fn geometry_of(pts: i64) -> Geometry {
    let geometry = Geometry::new(4, if pts % 60 < 30 { 3 } else { 5 }, PixelFormat::Nv12);
    Geometry { primaries: (pts / 20 % 3) as u8, ..geometry }
}

impl World {
    fn new(plan: Plan) -> Self {
        let wants = match plan.mode {
            Mode::Decode => client_rig::decoding(),
            _ => client_rig::settings(),
        };
        let options = Options { gop: 12, ..wants.options };
        let wants =
            ClientSettings { window: plan.window, want_slices: plan.slices, options, ..wants };
        Self {
            random: plan.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            now: Duration::ZERO,
            up: Pipe::new(plan.capacity, plan.cut_up),
            down: Pipe::new(plan.capacity, plan.cut_down),
            client: ClientSide {
                client: Client::new(wants).unwrap(),
                incoming: Incoming::new(Limits::DEFAULT),
                connected: false,
                next_frame: 0,
                bulk: VecDeque::new(),
                writing: VecDeque::new(),
                sending: None,
                body: Vec::new(),
                packet_pts: 0,
                completed: Vec::new(),
                received: Vec::new(),
                dts: Vec::new(),
            },
            server: ServerSide {
                server: Server::new(ServerSettings::default()),
                incoming: Incoming::new(Limits::DEFAULT),
                writing: VecDeque::new(),
                ready: false,
                draining: false,
                pts: 0,
                sum: 0,
                held: Vec::new(),
                given: 0,
                changes: GeometryChanges::default(),
                ended_input: false,
            },
            plan,
        }
    }

    fn run(mut self) -> Outcome {
        while !(self.client_over() && self.server.server.over().is_some()) {
            let moved = self.client_writes()
                | self.server_reads()
                | self.backend_works()
                | self.server_writes()
                | self.client_reads();
            if moved {
                self.now += if self.client.connected { self.plan.pace } else { Duration::ZERO };
            } else {
                let next = self.next_event().unwrap_or_else(|| panic!("a hang: {:?}", self.plan));
                self.now = self.now.max(next);
                assert!(self.now < Duration::from_secs(86_400), "no end: {:?}", self.plan);
            }
            self.tick();
        }
        let result = self.client.client.failure().cloned().map_or(Ok(()), Err);
        Outcome {
            result,
            end: self.server.server.over().cloned().unwrap(),
            received: self.client.received,
            dts: self.client.dts,
            took: self.now,
            bytes_up: self.up.passed,
            bytes_down: self.down.passed,
        }
    }

    fn next_event(&self) -> Option<Duration> {
        let wants_room = self.client.next_frame < self.plan.frames;
        let asleep = (!self.server.held.is_empty() || self.server.draining)
            .then_some(self.plan.asleep)
            .filter(|at| *at > self.now);
        [
            self.client.client.deadline(),
            self.server.server.deadline(),
            self.client.client.room_at().filter(|_| wants_room),
            asleep,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn tick(&mut self) {
        while self.client.client.deadline().is_some_and(|at| at <= self.now) {
            self.client.client.tick(self.now);
        }
        while self.server.server.deadline().is_some_and(|at| at <= self.now) {
            self.server.server.tick(self.now);
        }
        // Whoever is over closes its socket.
        if self.client_over() {
            self.up.closed = true;
        }
        if self.server.server.over().is_some() {
            (self.up.closed, self.down.closed) = (true, true);
        } else if self.server.server.send_finished() && self.server.writing.is_empty() {
            self.down.closed = true;
        }
        // A connection that broke in one direction is broken in both.
        if self.up.passed == self.up.cut || self.down.passed == self.down.cut {
            (self.up.closed, self.down.closed) = (true, true);
        }
    }

    fn client_over(&self) -> bool {
        self.client.client.done() || self.client.client.failure().is_some()
    }

    /// A number from 1 to `most`.
    fn piece(&mut self, most: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        1 + (self.random % most as u64) as usize
    }

    // ── the client's side ──

    fn client_writes(&mut self) -> bool {
        let piece = self.piece(self.plan.capacity);
        let (side, now) = (&mut self.client, self.now);
        if self.up.closed {
            return false;
        }
        if side.connected && side.next_frame == self.plan.frames {
            side.client.flush(now);
        }
        if side.connected && side.next_frame < self.plan.frames && side.client.room(now) {
            let pts = side.next_frame * 10;
            let number = side.client.admit(now, pts, 10).unwrap();
            side.next_frame += 1;
            let mut messages = match self.plan.mode {
                Mode::Decode => vec![speech::packet(pts, pts)],
                _ if self.plan.slices => vec![
                    speech::begin(pts, number, 3),
                    speech::slice(number, 1, 0, 2, 1),
                    speech::slice(number, 2, 1, 0, 2),
                    speech::slice(number, 0, 0, 0, 2),
                ],
                _ => vec![speech::frame(pts)],
            };
            let last = messages.pop().unwrap();
            side.bulk.extend(messages.into_iter().map(|message| (message, None)));
            side.bulk.push_back((last, Some(number)));
        }
        if side.writing.is_empty() {
            if let Some(control) = side.client.next_control(now) {
                side.writing.extend(control);
            } else if let Some((message, number)) = side.bulk.pop_front() {
                side.writing.extend(message);
                side.sending = number;
            }
        }
        let count = self.up.write(&mut side.writing, piece);
        if count > 0 {
            side.client.written(now, count);
            if side.writing.is_empty()
                && let Some(number) = side.sending.take()
            {
                side.client.sent(now, number);
            }
        }
        count > 0
    }

    fn client_reads(&mut self) -> bool {
        let piece = self.piece(self.plan.capacity);
        let bytes = self.down.read(piece);
        if self.client_over() {
            return !bytes.is_empty();
        }
        if bytes.is_empty() {
            if self.down.closed && self.down.bytes.is_empty() {
                self.client.client.end_of_input(self.now);
                return true;
            }
            return false;
        }
        let side = &mut self.client;
        let mut rest = &bytes[..];
        while !(side.client.done() || side.client.failure().is_some()) {
            let (taken, item) = match side.incoming.read(rest) {
                Ok((taken, Some(item))) => (taken, item),
                Ok((_, None)) => break,
                Err(error) => panic!("the server wrote {error}"),
            };
            rest = &rest[taken..];
            match side.client.receive(self.now, item) {
                ClientStep::Configured { .. } => side.connected = true,
                ClientStep::Packet(packet) => {
                    side.body.clear();
                    side.packet_pts = packet.pts;
                    side.dts.push(packet.dts);
                    assert!(packet.dts <= packet.pts && packet.duration == 10);
                }
                ClientStep::Frame(frame) => side.packet_pts = frame.pts,
                ClientStep::Body(data) => side.body.extend_from_slice(data),
                ClientStep::PacketEnd(_) => {
                    // The server's sum over the frame's bytes, whichever way they came.
                    let byte = if self.plan.slices { 7 } else { side.packet_pts as u8 };
                    assert_eq!(side.body, (20 * u64::from(byte)).to_be_bytes());
                    side.received.push(side.packet_pts);
                }
                ClientStep::FrameBegin(begin) => {
                    side.packet_pts = begin.head.pts;
                    assert_eq!(side.client.geometry(), Some(geometry_of(begin.head.pts)));
                }
                ClientStep::FrameEnd(_) | ClientStep::SliceEnd { last: true } => {
                    side.completed.push(side.packet_pts);
                }
                ClientStep::Failed
                | ClientStep::Done
                | ClientStep::Nothing
                | ClientStep::Connected(_)
                | ClientStep::Ack(_)
                | ClientStep::Notice(_)
                | ClientStep::Pace(_)
                | ClientStep::Slice(_)
                | ClientStep::SliceEnd { last: false }
                | ClientStep::Plane(_) => {}
            }
            let completed = &side.completed;
            let shown = std::iter::from_fn(|| side.client.next_in_order());
            side.received.extend(shown.map(|number| completed[number as usize]));
        }
        side.client.moved(self.now, bytes.len(), side.incoming.in_message());
        true
    }

    // ── the server's side ──

    fn server_reads(&mut self) -> bool {
        let piece = self.piece(self.plan.capacity);
        let side = &mut self.server;
        if side.server.over().is_some() || !side.server.wants_input() {
            return false;
        }
        let bytes = self.up.read(piece);
        if bytes.is_empty() {
            if self.up.closed && self.up.bytes.is_empty() && !side.ended_input {
                side.ended_input = true;
                side.server.end_of_input(self.now);
                return true;
            }
            return false;
        }
        let mut rest = &bytes[..];
        while side.server.end().is_none() {
            let (taken, item) = match side.incoming.read(rest) {
                Ok((taken, Some(item))) => (taken, item),
                Ok((_, None)) => break,
                Err(error) => panic!("the client wrote {error}"),
            };
            rest = &rest[taken..];
            let step = side.server.receive(self.now, item);
            match step {
                ServerStep::Hello(_) => {
                    let ack = speech::ack_of(HelloStatus::Ok, self.plan.capabilities);
                    side.server.accept(self.now, &ack);
                }
                ServerStep::Configure(_, options, unknown) => {
                    assert_eq!((options.gop, unknown), (12, vec![]));
                    side.ready = true;
                }
                ServerStep::Frame(head) => (side.pts, side.sum) = (head.pts, 0),
                ServerStep::FrameBegin(begin) => (side.pts, side.sum) = (begin.head.pts, 0),
                ServerStep::Packet(head) => (side.pts, side.sum) = (head.pts, 0),
                ServerStep::Body(data) => {
                    side.sum += data.iter().map(|byte| u64::from(*byte)).sum::<u64>();
                }
                ServerStep::FrameEnd(_)
                | ServerStep::PacketEnd(_)
                | ServerStep::SliceEnd { last: true } => {
                    side.held.push((side.pts, side.sum));
                    side.server.taken(self.now, 1);
                    if self.plan.breaks.is_some_and(|at| side.pts == at * 10) {
                        side.server.fail(self.now, 2, "the backend broke");
                    }
                }
                ServerStep::Drain => side.draining = true,
                _ => {}
            }
        }
        side.server.moved(self.now, bytes.len(), side.incoming.in_message());
        true
    }

    fn backend_works(&mut self) -> bool {
        let side = &mut self.server;
        if std::mem::take(&mut side.ready) {
            let ack = ConfigureAck { status: 0, extradata: &[], pix_fmt: 1, warnings: vec![] };
            return side.server.configured(self.now, &ack).is_ok();
        }
        if side.server.end().is_some() || self.now < self.plan.asleep {
            return false;
        }
        let group = if self.plan.reorder { 3 } else { 1 };
        let whole = side.held.len() > self.plan.delay.max(group - 1);
        if !(whole || side.draining && !side.held.is_empty()) {
            return side.draining && side.server.drained(self.now).is_ok();
        }
        // Of every three frames the last comes first, as a P-frame does before its B-frames.
        let first = side.given % 3 == 0 && group == 3;
        let at = if first { side.held.len().min(3) - 1 } else { 0 };
        let (pts, sum) = side.held.remove(at);
        let dts = if group == 3 { (side.given - 2) * 10 } else { pts };
        side.given += 1;
        match self.plan.mode {
            Mode::Decode if side.server.traits_of_client().geometry => {
                let geometry = geometry_of(pts);
                let told = side.changes.next(geometry);
                let (id, rows) = (pts as u32, geometry.height);
                for part in [
                    speech::begin_of(pts, id, 2, told),
                    speech::slice(id, 1, 1, 0, rows.div_ceil(2)),
                ] {
                    side.server.part(self.now, part).unwrap();
                }
                side.server.frame(self.now, speech::slice(id, 0, 0, 0, rows)).unwrap();
            }
            Mode::Decode => side.server.frame(self.now, speech::frame(pts)).unwrap(),
            _ => {
                let head = PacketHead { pts, dts, duration: 10, flags: 0, len: 8 };
                let (mut message, after) = packet_message(&head, &[]).unwrap();
                message.extend(sum.to_be_bytes());
                message.extend(after);
                side.server.packet(self.now, &head, message).unwrap();
            }
        }
        true
    }

    fn server_writes(&mut self) -> bool {
        let piece = self.piece(self.plan.capacity);
        let side = &mut self.server;
        if self.down.closed {
            if self.down.passed == self.down.cut || self.up.passed == self.up.cut {
                side.server.transport_failed(self.now, "broken".into());
            }
            return false;
        }
        if side.writing.is_empty()
            && let Some(Outgoing::Control(message) | Outgoing::Data(message)) =
                side.server.next(self.now)
        {
            side.writing.extend(message);
        }
        let count = self.down.write(&mut side.writing, piece);
        side.server.written(self.now, count);
        count > 0
    }
}
