//! Packets in. The pictures that they become are in [`frames`](super::frames).

use std::io::IoSliceMut;
use std::time::Duration;
use vtremote_backend::{CodedPacket, Decoder, Error, SideData};
use vtremote_proto::{NO_PTS, PACKET_KEY, PacketHead};

/// A session that decodes, from the reader's side.
pub(super) struct Decode {
    decoder: Box<dyn Decoder>,
    head: Option<PacketHead>,
    data: Vec<u8>,
    filled: usize,
    /// Complete, and not yet with the decoder.
    packet: Option<CodedPacket>,
}

impl Decode {
    pub(super) fn new(decoder: Box<dyn Decoder>) -> Self {
        Decode { decoder, head: None, data: Vec::new(), filled: 0, packet: None }
    }

    pub(super) fn begin(&mut self, head: PacketHead) {
        self.data.clear();
        self.data.resize(head.len as usize, 0);
        self.filled = 0;
        self.head = Some(head);
    }

    pub(super) fn put(&mut self, bytes: &[u8]) {
        if let Some(room) = self.data.get_mut(self.filled..self.filled + bytes.len()) {
            room.copy_from_slice(bytes);
            self.filled += bytes.len();
        }
    }

    pub(super) fn direct<'a>(&'a mut self, limit: usize, into: &mut Vec<IoSliceMut<'a>>) {
        let end = self.data.len().min(self.filled.saturating_add(limit));
        into.extend(self.data.get_mut(self.filled..end).map(IoSliceMut::new));
    }

    pub(super) fn filled(&mut self, bytes: usize) {
        self.filled += bytes;
    }

    /// Of the packet that comes in.
    pub(super) fn pts(&self) -> i64 {
        self.head.as_ref().map_or(NO_PTS, |head| head.pts)
    }

    /// The packet is complete. [`Decode::make_room`] hands it over.
    pub(super) fn end(&mut self, side_data: Vec<SideData>) {
        let Some(head) = self.head.take() else { return };
        let time = |ticks: i64| (ticks != NO_PTS).then_some(ticks);
        self.packet = Some(CodedPacket {
            pts: time(head.pts),
            dts: time(head.dts),
            duration: head.duration.max(0),
            keyframe: head.flags & PACKET_KEY != 0,
            data: std::mem::take(&mut self.data),
            side_data,
        });
    }

    /// Whether the decoder must take a packet before reading goes on.
    pub(super) fn has_packet(&self) -> bool {
        self.packet.is_some()
    }

    /// Hands the packet over, if the decoder has room for it in time. Says whether it did.
    pub(super) fn make_room(&mut self, wait: Duration) -> Result<bool, Error> {
        if let Some(packet) = self.packet.take() {
            self.packet = self.decoder.submit(packet, wait)?;
        }
        Ok(self.packet.is_none())
    }

    pub(super) fn drain(&mut self) -> Result<(), Error> {
        self.decoder.drain()
    }
}
