//! Packets in. The pictures that they become are in [`frames`](super::frames).

use super::frames::Frames;
use super::places::Places;
use std::io::IoSliceMut;
use std::sync::Arc;
use std::time::Duration;
use tracing::debug;
use vtremote_backend::{CodedPacket, Decoder, FrameSink, LeftOut, SideData};
use vtremote_proto::{NO_PTS, PACKET_KEY, PacketHead};

/// More than most packets have: their memory is had at once.
const AT_ONCE: usize = 1 << 20;

/// A packet's data as it comes in. Its length is the client's word: beyond [`AT_ONCE`] there is memory
/// for twice what has come.
#[derive(Default)]
struct Data {
    bytes: Vec<u8>,
    filled: usize,
    len: usize,
}

impl Data {
    /// In the memory of an earlier packet's; what is in that is not cleared.
    fn new(len: usize, mut bytes: Vec<u8>) -> Self {
        bytes.resize(len.min(AT_ONCE), 0);
        Data { bytes, filled: 0, len }
    }

    /// Where the next bytes go: at most `limit`, and none only if that is 0 or all have come.
    fn room(&mut self, limit: usize) -> &mut [u8] {
        if self.filled == self.bytes.len() && self.filled < self.len {
            self.bytes.resize(self.len.min(self.filled.saturating_mul(2)), 0);
        }
        let end = self.bytes.len().min(self.filled.saturating_add(limit));
        &mut self.bytes[self.filled..end]
    }

    fn put(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = self.room(bytes.len());
            let (now, later) = bytes.split_at(room.len());
            if now.is_empty() {
                return;
            }
            room.copy_from_slice(now);
            self.filled += now.len();
            bytes = later;
        }
    }
}

/// A session that decodes, from the reader's side.
pub(super) struct Decode {
    decoder: Box<dyn Decoder>,
    /// Where its pictures go, and its failure too: behind them.
    frames: Arc<Frames>,
    failed: bool,
    head: Option<PacketHead>,
    data: Data,
    /// Complete, and not yet with the decoder.
    packet: Option<CodedPacket>,
    /// Records that no decoder takes.
    left_out: LeftOut,
}

impl Decode {
    pub(super) fn new(decoder: Box<dyn Decoder>, frames: Arc<Frames>) -> Self {
        let (head, data, packet) = (None, Data::default(), None);
        let left_out = LeftOut::default();
        Decode { decoder, frames, failed: false, head, data, packet, left_out }
    }

    pub(super) fn begin(&mut self, head: PacketHead) {
        self.data = Data::new(head.len as usize, self.decoder.spare());
        self.head = Some(head);
    }

    pub(super) fn put(&mut self, bytes: &[u8]) {
        self.data.put(bytes);
    }

    pub(super) fn direct<'a>(&'a mut self, limit: usize, into: &mut Places<'a>) {
        let room = self.data.room(limit);
        into.extend((!room.is_empty()).then(|| IoSliceMut::new(room)));
    }

    pub(super) fn filled(&mut self, bytes: usize) {
        self.data.filled += bytes;
    }

    /// Of the packet that comes in.
    pub(super) fn pts(&self) -> i64 {
        self.head.as_ref().map_or(NO_PTS, |head| head.pts)
    }

    /// The packet is complete. [`Decode::make_room`] hands it over.
    pub(super) fn end(&mut self, mut side_data: Vec<SideData>) {
        let Some(head) = self.head.take() else { return };
        let left_out = &mut self.left_out;
        side_data.retain(|record| {
            let taken = record.kind == SideData::NEW_EXTRADATA;
            if !taken && left_out.is_news(record.kind) {
                let (kind, pts) = (record.kind, head.pts);
                debug!(
                    kind,
                    pts, "side data of packets is left out: decoders take parameter sets only"
                );
            }
            taken
        });
        let time = |ticks: i64| (ticks != NO_PTS).then_some(ticks);
        self.packet = Some(CodedPacket {
            pts: time(head.pts),
            dts: time(head.dts),
            duration: head.duration.max(0),
            keyframe: head.flags & PACKET_KEY != 0,
            data: std::mem::take(&mut self.data).bytes,
            side_data,
        });
    }

    /// Whether the decoder must take a packet before reading goes on.
    pub(super) fn has_packet(&self) -> bool {
        self.packet.is_some() || self.failed
    }

    /// Hands the packet over, if the decoder has room for it in time. Says whether it did. One that has
    /// failed takes nothing more: the session ends behind the pictures that it gave before.
    pub(super) fn make_room(&mut self, wait: Duration) -> bool {
        if self.failed {
            self.frames.wait_for_end(wait);
        } else if let Some(packet) = self.packet.take() {
            match self.decoder.submit(packet, wait) {
                Ok(refused) => self.packet = refused,
                Err(error) => {
                    self.failed = true;
                    self.frames.failed(error);
                }
            }
        }
        !self.has_packet()
    }

    pub(super) fn drain(&mut self) {
        if let Err(error) = self.decoder.drain() {
            self.frames.failed(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_has_memory_only_as_its_bytes_come() {
        let mut data = Data::new(256 << 20, Vec::new());
        assert_eq!(data.bytes.len(), AT_ONCE);
        let room = data.room(usize::MAX).len();
        data.filled += room;
        assert_eq!((room, data.room(7).len()), (AT_ONCE, 7));
        assert_eq!(data.bytes.len(), 2 * AT_ONCE);
        assert_eq!(Data::new(9, Vec::new()).bytes.len(), 9);
    }

    #[test]
    fn a_packet_has_the_memory_of_an_earlier_one_whichever_is_longer() {
        for earlier in [3, 9, 4000] {
            let memory = vec![7; earlier];
            let (room, first) = (memory.capacity(), memory.as_ptr());
            let mut data = Data::new(9, memory);
            data.put(&[1; 9]);
            assert_eq!(data.bytes, [1; 9]);
            assert!(room < 9 || data.bytes.as_ptr() == first);
        }
    }

    #[test]
    fn a_packet_is_whole_however_its_bytes_come() {
        let whole: Vec<u8> = (0..3 * AT_ONCE + 5).map(|at| (at % 251) as u8).collect();
        for piece in [65_536, 999_999, usize::MAX] {
            let mut data = Data::new(whole.len(), vec![0xee; 77]);
            for (number, bytes) in whole.chunks(piece.min(whole.len())).enumerate() {
                if number % 2 == 0 {
                    data.put(bytes);
                    continue;
                }
                let mut bytes = bytes;
                while !bytes.is_empty() {
                    let room = data.room(bytes.len());
                    let (now, later) = bytes.split_at(room.len());
                    room.copy_from_slice(now);
                    data.filled += now.len();
                    bytes = later;
                }
            }
            assert!(data.bytes == whole && data.room(1).is_empty());
        }
    }
}
