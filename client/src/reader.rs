//! The thread that takes in what the server sends.

use std::sync::Arc;

use vtremote_bitstream::{Codec, ParameterSets};
use vtremote_link::LinkReader;
use vtremote_planes::Progress;
use vtremote_proto::session::{ClientStep, PacketOut};
use vtremote_proto::{Incoming, Item, Limits, PACKET_KEY, Pace, PaceTimes, SideData};

use crate::buffers::Buffers;
use crate::encoder::Encoding;
use crate::log::Level;
use crate::packet::{Finisher, Packet};
use crate::shared::{Shared, Trouble, Watch};

/// Bytes that one call takes in. Packets are small beside frames; many of them arrive at once.
const READ: usize = 64 << 10;

pub(crate) struct Reader {
    pub(crate) shared: Arc<Shared<Encoding>>,
    pub(crate) link: Box<dyn LinkReader>,
    pub(crate) codec: Codec,
    /// Parameter sets go before every keyframe.
    pub(crate) in_band: bool,
    /// Once CONFIGURE_ACK has come.
    pub(crate) limits: Limits,
    pub(crate) buffers: Arc<Buffers>,
}

/// What the items of the stream are put together in.
struct Stream {
    finisher: Finisher,
    /// The packet that is coming in.
    packet: Option<PacketOut>,
    access_unit: Vec<u8>,
}

impl Reader {
    /// Reads until the session is over.
    pub(crate) fn run(mut self) {
        let _watch = Watch(self.shared.clone());
        let none = ParameterSets::new(self.codec);
        let mut stream = Stream {
            finisher: Finisher::new(none, self.in_band, self.buffers.clone()),
            packet: None,
            access_unit: Vec::new(),
        };
        let mut incoming = Incoming::new(Limits::DEFAULT);
        let mut buffer = vec![0; READ];
        loop {
            if let Some(count) = self.shared.read(self.link.read(&mut buffer)) {
                let now = self.shared.now();
                self.take(&mut incoming, &mut stream, &buffer[..count]);
                self.shared.lock().session.moved(now, count, incoming.in_message());
            }
            let state = self.shared.lock();
            let over = state.over();
            let to_write = over || state.session.has_control();
            drop(state);
            if to_write {
                self.shared.wake_writer();
            }
            self.shared.wake_caller();
            if over {
                return;
            }
        }
    }

    /// Takes in bytes, item by item, until they are used up or the session is over.
    fn take(&mut self, incoming: &mut Incoming, stream: &mut Stream, mut bytes: &[u8]) {
        self.shared.lock().hear(bytes);
        loop {
            let now = self.shared.now();
            let item = match incoming.read(bytes) {
                Ok((used, Some(item))) => {
                    bytes = &bytes[used..];
                    item
                }
                Ok((_, None)) => return,
                Err(error) => return self.shared.lock().session.unreadable(now, &error),
            };
            let step = {
                let mut state = self.shared.lock();
                if let Item::HelloAck(ack) = &item {
                    state.greet(ack);
                }
                state.session.receive(now, item)
            };
            match step {
                ClientStep::Configured { extradata, warnings, .. } => {
                    for warning in warnings {
                        self.shared.log.line(Level::Warn, format_args!("server: {warning}"));
                    }
                    let sets = self.parameter_sets(extradata);
                    let extradata = sets.to_annexb();
                    stream.finisher = Finisher::new(sets, self.in_band, self.buffers.clone());
                    self.shared.lock().configure(extradata);
                    incoming.set_limits(self.limits);
                }
                ClientStep::Packet(packet) => {
                    stream.access_unit.clear();
                    stream.packet = Some(packet);
                }
                // Limits keep it to what the format can need.
                ClientStep::Body(data) => stream.access_unit.extend_from_slice(data),
                ClientStep::PacketEnd(side_data) => {
                    let mut state = self.shared.lock();
                    let told = state.configured.as_ref().is_some_and(|known| known.server.pace);
                    if let (false, Some(auto)) = (told, &mut state.own.auto) {
                        auto.arrived(now);
                    }
                    drop(state);
                    self.packet(stream, side_data);
                }
                ClientStep::Pace(pace) => {
                    if let Some(auto) = &mut self.shared.lock().own.auto {
                        auto.progress(now, progress(pace));
                    }
                }
                ClientStep::Notice(text) => {
                    self.shared.log.line(Level::Warn, format_args!("server: {text}"));
                }
                ClientStep::Done | ClientStep::Failed => return,
                _ => {}
            }
        }
    }

    /// A packet is complete: into the caller's form and the queue.
    fn packet(&self, stream: &mut Stream, side_data: SideData<'_>) {
        let Some(PacketOut { pts, dts, duration, flags, .. }) = stream.packet.take() else {
            return;
        };
        let keyframe = flags & PACKET_KEY != 0;
        match stream.finisher.finish(&stream.access_unit, keyframe) {
            Ok(data) => {
                let trace = format_args!("packet pts {pts} dts {dts}, {} bytes", data.len());
                self.shared.log.line(Level::Trace, trace);
                let side_data = side_data.map(|(kind, data)| (kind, data.to_vec())).collect();
                let packet = Packet { pts, dts, duration, keyframe, side_data, data };
                let mut state = self.shared.lock();
                state.own.packets.push_back(packet);
                let waiting = state.own.packets.len();
                state.session.unclaimed(waiting);
            }
            Err(error) => self.shared.fail(Trouble::Packet { pts, error }),
        }
    }

    /// The parameter sets of CONFIGURE_ACK; none if there are none, or none that can be read.
    fn parameter_sets(&self, extradata: &[u8]) -> ParameterSets {
        match ParameterSets::from_extradata(self.codec, extradata) {
            Ok((sets, _)) => sets,
            Err(error) => {
                let line = format_args!(
                    "the server's extradata cannot be read ({error}): parameter sets are taken from \
                     the first keyframe"
                );
                self.shared.log.line(Level::Warn, line);
                ParameterSets::new(self.codec)
            }
        }
    }
}

/// PACE in the terms of what chooses.
fn progress(pace: Pace) -> Progress {
    let PaceTimes { unpacking, behind, full, amid } = pace.times();
    let (pictures, threads) = (pace.pictures, pace.threads as usize);
    Progress { pictures, threads, unpacking, behind, full, amid }
}
