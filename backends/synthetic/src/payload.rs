use crate::bits::unescape;
use vtremote_backend::SideData;
use vtremote_bitstream::annexb;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// What a packet says of the frame that it came from.
///
/// It stands in the packet's only slice, behind the slice header and from a byte's beginning, under
/// emulation prevention like all of a NAL unit. All integers are big-endian:
///
/// | offset | bytes | field |
/// |---|---|---|
/// | 0 | 8 | `VTSYNTH1` |
/// | 8 | 1 | 1 if there is a hash, else 0 |
/// | 9 | 8 | pts |
/// | 17 | 8 | the frame's number |
/// | 25 | 8 | the pixels' hash |
/// | 33 | 8 | the side data's hash, 0 if there is none |
/// | 41 | 4 | bytes of filling |
/// | 45 | 8 | XXH3 of the 45 bytes before |
/// | 53 | | filling, which the bytes before determine, then 0x80 |
///
/// so that every byte of a packet can be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payload {
    /// The frame's presentation time.
    pub pts: i64,
    /// Frames are counted from 0 in the order in which they were submitted.
    pub frame: u64,
    /// [`hash_rows`] of all planes; `None` with `hash=off`.
    pub hash: Option<u64>,
    /// [`hash_side_data`] of the frame's records.
    pub side_data: u64,
}

const MAGIC: &[u8; 8] = b"VTSYNTH1";
const CHECKED: usize = 45;
const HEAD: usize = CHECKED + 8;

/// Reads what a packet of this backend says; `None` if it is another's or a byte of its slice is
/// wrong.
pub fn read_payload(packet: &[u8]) -> Option<Payload> {
    annexb::nal_units(packet).find_map(|nal| {
        let slice = unescape(nal);
        // The slice header before it is a dozen bytes long.
        let at = slice.windows(MAGIC.len()).take(32).position(|window| window == MAGIC)?;
        Payload::read(slice.get(at..)?)
    })
}

/// XXH3 (64 bits, seed 0) of all rows in order, padding excluded: of a frame as rawvideo holds it.
pub fn hash_rows<'a>(rows: impl IntoIterator<Item = &'a [u8]>) -> u64 {
    let mut hash = Xxh3::new();
    rows.into_iter().for_each(|row| hash.update(row));
    hash.digest()
}

/// XXH3 of each record's kind (4 bytes, big-endian), length (likewise) and data; 0 if there is no
/// record.
pub fn hash_side_data(records: &[SideData]) -> u64 {
    if records.is_empty() {
        return 0;
    }
    let mut hash = Xxh3::new();
    for record in records {
        hash.update(&record.kind.to_be_bytes());
        hash.update(&(record.data.len() as u32).to_be_bytes());
        hash.update(&record.data);
    }
    hash.digest()
}

impl Payload {
    /// The bytes, without the 0x80 at the end.
    pub(crate) fn to_bytes(self, filling: u32) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEAD + filling as usize);
        out.extend_from_slice(MAGIC);
        out.push(self.hash.is_some().into());
        out.extend_from_slice(&self.pts.to_be_bytes());
        out.extend_from_slice(&self.frame.to_be_bytes());
        out.extend_from_slice(&self.hash.unwrap_or(0).to_be_bytes());
        out.extend_from_slice(&self.side_data.to_be_bytes());
        out.extend_from_slice(&filling.to_be_bytes());
        let check = xxh3_64(&out);
        out.extend_from_slice(&check.to_be_bytes());
        let words = Filling(check).take(filling as usize / 8 + 1);
        out.extend(words.flat_map(u64::to_be_bytes).take(filling as usize));
        out
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (head, rest) = bytes.split_at_checked(HEAD)?;
        let number = |at: usize| head.get(at..at + 8)?.try_into().ok().map(u64::from_be_bytes);
        let filling = u32::from_be_bytes(head.get(41..CHECKED)?.try_into().ok()?);
        let check = number(CHECKED)?;
        let (filled, end) = rest.split_at_checked(filling as usize)?;
        let expected = Filling(check).flat_map(u64::to_be_bytes);
        let whole = head.starts_with(MAGIC)
            && head[8] <= 1
            && check == xxh3_64(&head[..CHECKED])
            && filled.iter().copied().zip(expected).all(|(found, wanted)| found == wanted)
            && end == [0x80];
        whole.then_some(Payload {
            pts: number(9)? as i64,
            frame: number(17)?,
            hash: number(25).filter(|_| head[8] == 1),
            side_data: number(33)?,
        })
    }
}

/// Bytes that look random and are never under 4, so that they need no emulation prevention:
/// SplitMix64 with a bit of every byte set.
struct Filling(u64);

impl Iterator for Filling {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        Some(crate::pixels::mix(self.0) | 0x0404_0404_0404_0404)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slice::{Kind, Place, append_slice};
    use vtremote_backend::Codec;

    const PAYLOAD: Payload =
        Payload { pts: -7, frame: 0x0000_0100_0000_0003, hash: Some(0), side_data: 3 };
    const PLACE: Place =
        Place { kind: Kind::P, order: 1, references: 1, before: 0, after: 0, group: 0 };

    fn packet(codec: Codec, payload: Payload, filling: u32) -> Vec<u8> {
        let mut out = Vec::new();
        append_slice(&mut out, codec, &PLACE, &payload.to_bytes(filling));
        out
    }

    #[test]
    fn a_payload_full_of_zeros_comes_back_through_emulation_prevention() {
        for codec in [Codec::H264, Codec::H265] {
            for hash in [None, Some(0), Some(u64::MAX)] {
                let payload = Payload { hash, ..PAYLOAD };
                let packet = packet(codec, payload, 100);
                assert!(!packet[4..].windows(3).any(|three| three[..2] == [0, 0] && three[2] < 3));
                assert_eq!(read_payload(&packet), Some(payload));
            }
        }
    }

    #[test]
    fn a_changed_or_missing_byte_is_noticed() {
        let packet = packet(Codec::H264, PAYLOAD, 40);
        let start = packet.windows(8).position(|window| window == MAGIC).unwrap();
        for at in start..packet.len() {
            let mut changed = packet.clone();
            changed[at] ^= 0x10;
            assert_eq!(read_payload(&changed), None, "byte {at} changed");
            assert_eq!(read_payload(&packet[..at]), None, "cut at byte {at}");
        }
    }

    #[test]
    fn rows_hash_like_the_whole_frame() {
        let frame: Vec<u8> = (0..=255).cycle().take(3000).collect();
        assert_eq!(hash_rows(frame.chunks(70)), xxh3_64(&frame));
    }

    #[test]
    fn no_side_data_and_an_empty_record_differ() {
        assert_eq!(hash_side_data(&[]), 0);
        assert_ne!(hash_side_data(&[SideData { kind: 0, data: vec![] }]), 0);
    }
}
