//! A session with the synthetic backend, for the tests beside this.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use vtremote_backend::{
    Backend, Codec, EncodedPacket, Encoder, EncoderConfig, Error, FrameInfo, Opened, PacketSink,
    PixelFormat, Ratio,
};
use vtremote_backend_synthetic::{Synthetic, hash_rows};

/// Far longer than anything takes here.
pub const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Packet(EncodedPacket),
    Drained,
    Failed(Error),
}

pub struct Forward(Mutex<Sender<Event>>);

impl Forward {
    fn send(&self, event: Event) {
        // Whoever listened may be gone.
        let _ = self.0.lock().unwrap().send(event);
    }
}

impl PacketSink for Forward {
    fn packet(&self, packet: EncodedPacket) {
        self.send(Event::Packet(packet));
    }

    fn warning(&self, message: String) {
        panic!("{message}");
    }

    fn drained(&self) {
        self.send(Event::Drained);
    }

    fn failed(&self, error: Error) {
        self.send(Event::Failed(error));
    }
}

pub struct Session {
    pub encoder: Box<dyn Encoder>,
    pub events: Receiver<Event>,
    pub opened: Opened<()>,
}

pub fn config(codec: Codec, format: PixelFormat) -> EncoderConfig {
    EncoderConfig::new(codec, 66, 34, format, Ratio { num: 1, den: 30 })
}

pub fn open(script: &str, config: &EncoderConfig) -> Session {
    let backend = Synthetic::new(script.parse().unwrap());
    let (sender, events) = channel();
    let sink = Arc::new(Forward(Mutex::new(sender)));
    let Opened { codec, parameter_sets, format, warnings } =
        backend.open_encoder(config, sink).unwrap();
    let opened = Opened { codec: (), parameter_sets, format, warnings };
    Session { encoder: codec, events, opened }
}

impl Session {
    /// Submits a frame of one colour, and gives its pixels' hash.
    pub fn send(&mut self, level: u8, frame: FrameInfo) -> u64 {
        let picture = self.encoder.picture(PATIENCE).unwrap().expect("a picture becomes free");
        let mut pixels = Vec::new();
        for plane in 0..picture.plane_count() {
            let rows = picture.plane(plane).unwrap().0.rows;
            let mut rows = picture.lend(plane, 0..rows).unwrap();
            let (stride, row_bytes) = (rows.stride(), rows.row_bytes());
            for row in rows.bytes().chunks_mut(stride) {
                let (row, padding) = row.split_at_mut(row_bytes);
                row.fill(level);
                // What is beside the picture must not count.
                padding.fill(!level);
                pixels.extend_from_slice(row);
            }
        }
        self.encoder.submit(picture, frame).unwrap();
        hash_rows([&pixels[..]])
    }

    /// So many frames with pts from 0 on; gives their hashes.
    pub fn send_many(&mut self, count: i64) -> Vec<u64> {
        let info = |pts| FrameInfo { pts, duration: 1, ..FrameInfo::default() };
        (0..count).map(|pts| self.send(pts as u8, info(pts))).collect()
    }

    pub fn event(&self) -> Event {
        self.events.recv_timeout(PATIENCE).expect("something comes")
    }

    /// What comes before drained.
    pub fn finish(mut self) -> Vec<EncodedPacket> {
        self.encoder.drain().unwrap();
        let mut packets = Vec::new();
        loop {
            match self.event() {
                Event::Packet(packet) => packets.push(packet),
                Event::Drained => return packets,
                Event::Failed(error) => panic!("{error}"),
            }
        }
    }
}
