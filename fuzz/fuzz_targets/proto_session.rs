//! Either end of a session against a peer that says anything in any pieces, a caller that does
//! anything, and time that passes at will: what the end says is in order, what it hands over is
//! consistent, and it always comes to an end.
//!
//! Input: the role, then a script of operations, each with the bytes that it needs.
#![no_main]

use std::{collections::BTreeSet, time::Duration};

use libfuzzer_sys::fuzz_target;
use vtremote_proto::{
    Client, ClientSettings, ClientStep, Configure, ConfigureAck, Geometry, HelloStatus, Incoming, Limits,
    Mode, Options, Outgoing, PixelFormat, Rational, ReadError, Server, ServerSettings, ServerStep,
};

#[allow(dead_code)]
#[path = "../../proto/tests/sessions/speech.rs"]
mod speech;

const LIMITS: Limits = Limits { frame: 4096, packet: 4096, slice: 4096, ..Limits::DEFAULT };

fuzz_target!(|data: &[u8]| {
    let Some((role, script)) = data.split_first() else { return };
    let mut script = Script(script);
    if role & 1 == 0 { server(&mut script) } else { client(&mut script, role >> 1) }
});

struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn number(&mut self) -> u8 {
        self.byte().unwrap_or(0)
    }

    fn raw(&mut self) -> &'a [u8] {
        let len = usize::from(self.number()).min(self.0.len());
        let (raw, rest) = self.0.split_at(len);
        self.0 = rest;
        raw
    }

    /// What the peer says: mostly messages that could be meant, sometimes not.
    fn speech(&mut self, kind: u8) -> Vec<u8> {
        let of = self.number();
        let pts = i64::from(of as i8);
        let capabilities = [speech::EARLY, speech::CURRENT, speech::OURS][usize::from(of % 3)];
        let options = &[
            ("mode", "decode"),
            ("x.ack.v1", "1"),
            ("x.slices.v1", "1"),
            ("decode_async", "1"),
            ("wire_compression", "2"),
            ("mode", "transcode"),
            ("x.geometry.v1", "1"),
        ];
        let geometry = match of >> 6 {
            0 => Some(Geometry::new(speech::WIDTH, speech::HEIGHT, PixelFormat::Nv12)),
            1 => Some(Geometry::new(2, speech::HEIGHT, PixelFormat::P010)),
            _ => None,
        };
        match kind % 16 {
            0 => self.raw().to_vec(),
            1 => speech::hello(),
            2 => speech::hello_ack(capabilities),
            3 => {
                let chosen = (0..options.len()).filter(|bit| of >> bit & 1 == 1);
                let chosen: Vec<_> = chosen.map(|bit| options[bit]).collect();
                let mut out = Vec::new();
                let configure = Configure { extradata: &[1], ..speech::configure_of(&chosen) };
                configure.encode(&mut out).unwrap();
                out
            }
            4 => speech::configure_ack(),
            5 | 6 => speech::frame(pts),
            7 | 8 => speech::packet(pts, i64::from(self.number() as i8)),
            9 => speech::empty_packet(pts, pts),
            10 => speech::begin_of(pts, of.into(), 2, geometry),
            11 => speech::slice(of.into(), (of & 1).into(), of & 1, 0, 3 - u32::from(of & 1)),
            12 => speech::flush(),
            13 => speech::ping(),
            14 => speech::ack(of.into()),
            _ => [speech::done(), speech::error(2, "x"), speech::pong(), speech::raw(99, b"x")]
                [usize::from(of % 4)]
            .clone(),
        }
    }
}

/// A tick at the deadline must be worth it: deadlines may not stand still.
fn ticks(
    now: &mut Duration,
    end: Duration,
    mut deadline: impl FnMut() -> Option<Duration>,
    mut tick: impl FnMut(Duration),
) {
    let mut still = 0;
    while let Some(at) = deadline().filter(|at| *at <= end) {
        still = if at > *now { 0 } else { still + 1 };
        assert!(still < 10, "the deadline stays at {at:?}");
        *now = at.max(*now);
        tick(*now);
    }
    *now = end.max(*now);
}

// ── the server ──

struct Said {
    lines: Vec<String>,
}

impl Said {
    fn hear(&mut self, bytes: &[u8]) {
        let lines = speech::lines(bytes);
        assert_eq!(lines.len(), 1, "one whole message at a time");
        self.lines.extend(lines);
    }

    fn at(&self, start: &str) -> Option<usize> {
        self.lines.iter().position(|line| line.starts_with(start))
    }

    /// A server's messages are in the order of docs/protocol.md section 7.
    fn check_server(&self) {
        let end = self.lines.len().saturating_sub(1);
        for last in ["DONE", "ERROR"] {
            assert!(self.at(last).is_none_or(|at| at == end), "{:?}", self.lines);
        }
        let configured = self.at("CONFIGURE_ACK").unwrap_or(self.lines.len());
        for inside in ["PING", "PONG", "ACK", "PACKET", "FRAME"] {
            assert!(self.at(inside).is_none_or(|at| at > configured), "{:?}", self.lines);
        }
    }

    /// After FLUSH a client says nothing but PONG.
    fn check_client(&self) {
        let flush = self.at("FLUSH").unwrap_or(self.lines.len());
        assert!(self.lines.iter().skip(flush + 1).all(|line| line == "PONG"), "{:?}", self.lines);
        let configured = self.at("CONFIGURE").unwrap_or(self.lines.len());
        for inside in ["PING", "PONG", "FLUSH"] {
            assert!(self.at(inside).is_none_or(|at| at > configured), "{:?}", self.lines);
        }
    }
}

fn server(script: &mut Script<'_>) {
    let mut server = Server::<Vec<u8>>::new(ServerSettings::default());
    let mut incoming = Incoming::new(LIMITS);
    let mut said = Said { lines: Vec::new() };
    let mut now = Duration::ZERO;
    let mut mode = Mode::Encode;
    while let Some(operation) = script.byte() {
        match operation % 32 {
            kind @ 0..16 => {
                let bytes = script.speech(kind);
                let keep = bytes.len().saturating_sub((operation >> 5).into());
                if let Err(error) = hear_as_server(&mut server, &mut incoming, now, &bytes[..keep])
                {
                    server.unreadable(now, &error);
                }
                server.moved(now, keep, incoming.in_message());
            }
            16 | 17 => {
                let status = HelloStatus::from_wire(operation >> 6);
                server.accept(now, &speech::ack_of(status, speech::OURS));
            }
            18 | 19 => {
                let pix_fmt = 1 + (operation >> 5);
                let ack = ConfigureAck { status: 0, extradata: &[], pix_fmt, warnings: vec![] };
                let _ = server.configured(now, &ack);
                mode = server.traits_of_client().mode;
            }
            20..=23 => {
                let (pts, dts) = (script.number() as i8, script.number() as i8);
                if mode == Mode::Decode {
                    let _ = server.frame(now, speech::frame(pts.into()));
                } else {
                    let head = speech::head(pts.into(), dts.into());
                    let _ = server.packet(now, &head, speech::packet_of(head));
                }
            }
            24 => server.taken(now, 1),
            25 => drop(server.drained(now)),
            26 if operation >> 6 == 3 => server.fail(now, 2, "broken"),
            27 if operation >> 6 == 3 => server.end_of_input(now),
            28 | 29 => write_as_server(&mut server, now, &mut said),
            _ => {
                let end = now + Duration::from_millis(250) * script.number().into();
                let cell = std::cell::RefCell::new(&mut server);
                ticks(
                    &mut now,
                    end,
                    || cell.borrow().deadline(),
                    |now| cell.borrow_mut().tick(now),
                );
            }
        }
        assert!(server.over().is_none() || server.end().is_some());
    }
    // Whatever happened, the session ends once its client and its backend are done.
    write_as_server(&mut server, now, &mut said);
    server.end_of_input(now);
    let _ = server.drained(now);
    write_as_server(&mut server, now, &mut said);
    assert!(server.over().is_some());
    assert_eq!(server.deadline(), None);
}

fn write_as_server(server: &mut Server<Vec<u8>>, now: Duration, said: &mut Said) {
    while let Some(Outgoing::Control(bytes) | Outgoing::Data(bytes)) = server.next(now) {
        server.written(now, bytes.len());
        said.hear(&bytes);
    }
    said.check_server();
}

fn hear_as_server(
    server: &mut Server<Vec<u8>>,
    incoming: &mut Incoming,
    now: Duration,
    mut bytes: &[u8],
) -> Result<(), ReadError> {
    loop {
        let (taken, item) = incoming.read(bytes)?;
        bytes = &bytes[taken..];
        let Some(item) = item else { return Ok(()) };
        let ended = server.end().is_some();
        let step = server.receive(now, item);
        assert!(!ended || matches!(step, ServerStep::Closing));
        assert!(!matches!(step, ServerStep::Closing) || server.end().is_some());
    }
}

// ── the client ──

fn client(script: &mut Script<'_>, variant: u8) {
    let decode = variant & 1 == 1;
    let mode = if decode { Mode::Decode } else { Mode::Encode };
    let window = 1 + u32::from(variant >> 3);
    let settings = ClientSettings {
        token: String::new(),
        codec: "h264".into(),
        client_name: String::new(),
        client_build: String::new(),
        width: speech::WIDTH,
        height: speech::HEIGHT,
        pix_fmt: PixelFormat::Nv12,
        time_base: Rational { num: 1, den: 30 },
        frame_rate: Rational { num: 0, den: 1 },
        options: Options { mode, ..Options::default() },
        extradata: if variant & 2 == 0 { vec![1] } else { vec![] },
        window,
        timeout: Duration::from_secs(5),
        want_slices: variant & 4 == 4,
    };
    let mut client = Client::new(settings).unwrap();
    let mut incoming = Incoming::new(LIMITS);
    let mut said = Said { lines: Vec::new() };
    let mut now = Duration::ZERO;
    let mut unsent = Vec::new();
    let mut handed = Handed::default();
    while let Some(operation) = script.byte() {
        match operation % 32 {
            kind @ 0..16 => {
                let bytes = script.speech(kind);
                let keep = bytes.len().saturating_sub((operation >> 5).into());
                match hear_as_client(&mut client, &mut incoming, now, &bytes[..keep], &mut handed) {
                    Ok(()) => client.moved(now, keep, incoming.in_message()),
                    Err(error) => client.unreadable(now, &error),
                }
            }
            16..=21 => {
                let pts = i64::from(script.number() as i8);
                let room = client.room(now);
                if let Ok(number) = client.admit(now, pts, 1) {
                    assert!(room);
                    handed.admitted.insert(pts);
                    unsent.push(number);
                }
            }
            22..=24 => {
                if let Some(number) = unsent.pop() {
                    client.written(now, 77);
                    client.sent(now, number);
                }
            }
            25 => client.flush(now),
            26 if operation >> 6 == 3 => client.end_of_input(now),
            27 if operation >> 6 == 3 => client.write_failed(now, "broken".into()),
            26..=29 => write_as_client(&mut client, now, &mut said),
            _ => {
                let end = now + Duration::from_millis(250) * script.number().into();
                let cell = std::cell::RefCell::new(&mut client);
                ticks(
                    &mut now,
                    end,
                    || cell.borrow().deadline(),
                    |now| cell.borrow_mut().tick(now),
                );
            }
        }
        assert!(client.outstanding() <= window as usize + 512);
        assert!(!client.done() || decode || client.outstanding() == 0);
    }
    write_as_client(&mut client, now, &mut said);
    client.end_of_input(now);
    assert!(client.done() != client.failure().is_some());
    assert_eq!(client.deadline(), None);
}

fn write_as_client(client: &mut Client, now: Duration, said: &mut Said) {
    while let Some(bytes) = client.next_control(now) {
        client.written(now, bytes.len());
        said.hear(&bytes);
    }
    said.check_client();
}

/// What a client handed over.
#[derive(Default)]
struct Handed {
    admitted: BTreeSet<i64>,
    answered: BTreeSet<i64>,
    last_dts: Option<i64>,
    frames: u64,
    shown: BTreeSet<u64>,
}

fn hear_as_client(
    client: &mut Client,
    incoming: &mut Incoming,
    now: Duration,
    mut bytes: &[u8],
    handed: &mut Handed,
) -> Result<(), ReadError> {
    loop {
        let (taken, item) = incoming.read(bytes)?;
        bytes = &bytes[taken..];
        let Some(item) = item else { return Ok(()) };
        match client.receive(now, item) {
            ClientStep::Packet(packet) => {
                assert!(handed.admitted.contains(&packet.pts));
                assert!(handed.answered.insert(packet.pts), "pts {} twice", packet.pts);
                assert!(handed.last_dts < Some(packet.dts));
                handed.last_dts = Some(packet.dts);
            }
            ClientStep::FrameBegin(begin) => {
                assert!(begin.geometry.is_none() || begin.geometry == client.geometry());
                incoming.set_limits(client.limits(4096));
            }
            ClientStep::FrameEnd(_) | ClientStep::SliceEnd { last: true } => handed.frames += 1,
            ClientStep::Failed => assert!(client.failure().is_some()),
            _ => {}
        }
        while let Some(number) = client.next_in_order() {
            assert!(number < handed.frames && handed.shown.insert(number));
        }
    }
}
