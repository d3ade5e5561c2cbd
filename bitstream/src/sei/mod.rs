//! Supplemental enhancement information (H.264 7.3.2.3 and annex D, H.265 7.3.2.4 and annex D):
//! messages about a picture, in NAL units before its first slice.
//!
//! Of the messages there are closed captions: ATSC A/53 Part 4 (6.2.3) in a
//! user_data_registered_itu_t_t35 (D.1.5 of H.264, D.2.6 of H.265); and those of HDR: the colour
//! volume of the display that a film was mastered on, how light its pictures are, and a transfer
//! that is preferred to the one in the parameter sets. All of them are the same in both codecs.

mod captions;
mod hdr;

pub use captions::{captions, captions_in};

use crate::annexb::{self, NalUnits, write_nal_unit};
use crate::bits::{BitReader, write_escaped};
use crate::error::Error;
use crate::nal::{Codec, Header, Role};

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sei {
    pub(crate) payload_type: usize,
    payload: Vec<u8>,
}

/// Appends `access_unit`, a byte stream, to `out` with `messages` in a NAL unit of their own, and
/// with 4-byte start codes. No messages add none.
///
/// The NAL unit stands behind the delimiter, the parameter sets and the SEI that is already there,
/// which may have to be the first (H.264 7.4.1.2.3), and before the first slice. Messages about HDR
/// take the place of those of their type, which may not contradict each other (H.265 D.3.28, D.3.35).
///
/// # Errors
/// [`Error::NoStartCode`].
pub fn insert(
    codec: Codec,
    access_unit: &[u8],
    messages: &[Sei],
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let nals = annexb::checked_nal_units(access_unit)?;
    let len: usize = messages.iter().map(|message| message.payload.len() + 16).sum();
    out.reserve(access_unit.len() + 2 * len);

    let mut waiting = (!messages.is_empty()).then_some(messages);
    for nal in nals {
        if belongs_to_picture(codec, nal)
            && let Some(messages) = waiting.take()
        {
            write_nal_unit(&nal_unit(codec, Header::read(codec, nal), messages), out);
        }
        match without_replaced(codec, nal, messages) {
            Some(rest) if rest.is_empty() => {}
            Some(rest) => write_nal_unit(&rest, out),
            None => write_nal_unit(nal, out),
        }
    }
    if let Some(messages) = waiting {
        write_nal_unit(&nal_unit(codec, None, messages), out);
    }
    Ok(())
}

/// A NAL unit of SEI without what `messages` say anew, empty if nothing is left; `None` if there is
/// nothing of it in the NAL unit. Behind part of a message nothing is kept.
fn without_replaced(codec: Codec, nal: &[u8], messages: &[Sei]) -> Option<Vec<u8>> {
    let kept = |message: &Sei| {
        let same = |new: &Sei| new.is_of_hdr() && new.payload_type == message.payload_type;
        !messages.iter().any(same)
    };
    if Role::of(codec, nal) != Role::Sei || !messages.iter().any(Sei::is_of_hdr) {
        return None;
    }
    let (header, payload) = nal.split_at_checked(Header::len(codec))?;
    let mut bits = BitReader::new(payload);
    let own: Vec<Sei> = std::iter::from_fn(|| Sei::read(&mut bits)).collect();
    if own.iter().all(kept) {
        return None;
    }
    let rest: Vec<Sei> = own.into_iter().filter(kept).collect();
    Some(if rest.is_empty() { Vec::new() } else { written(header.to_vec(), &rest) })
}

/// The messages before the first slice of `access_unit`, a byte stream, in their order. Behind part
/// of one nothing of its NAL unit is read.
pub fn messages_in(codec: Codec, access_unit: &[u8]) -> Messages<'_> {
    Messages { codec, nals: annexb::nal_units(access_unit), bits: BitReader::new(&[]) }
}

/// See [`messages_in`].
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    codec: Codec,
    nals: NalUnits<'a>,
    /// What is left of a NAL unit of messages.
    bits: BitReader<'a>,
}

impl Iterator for Messages<'_> {
    type Item = Sei;

    fn next(&mut self) -> Option<Sei> {
        loop {
            if let Some(message) = Sei::read(&mut self.bits) {
                return Some(message);
            }
            // All slices follow the first: none of them has to be read.
            if matches!(Role::of(self.codec, self.nals.remainder()), Role::Slice { .. }) {
                return None;
            }
            let nal = self.nals.next()?;
            let is_sei = Role::of(self.codec, nal) == Role::Sei;
            let payload = nal.get(Header::len(self.codec)..).filter(|_| is_sei);
            self.bits = BitReader::new(payload.unwrap_or_default());
        }
    }
}

impl Sei {
    /// sei_message (7.3.2.3.1 of H.264, 7.3.5 of H.265).
    fn write(&self, rbsp: &mut Vec<u8>) {
        for mut number in [self.payload_type, self.payload.len()] {
            while number >= 0xff {
                rbsp.push(0xff);
                number -= 0xff;
            }
            rbsp.push(number as u8);
        }
        rbsp.extend_from_slice(&self.payload);
    }

    fn payload_of(&self, payload_type: usize) -> Option<&[u8]> {
        (self.payload_type == payload_type).then_some(&self.payload)
    }

    /// None where there is no further message, or part of one.
    fn read(bits: &mut BitReader<'_>) -> Option<Self> {
        let mut number = || {
            let mut number = 0usize;
            loop {
                let byte = bits.u(8)?;
                number = number.checked_add(byte as usize)?;
                if byte != 0xff {
                    return Some(number);
                }
            }
        };
        let (payload_type, len) = (number()?, number()?);
        let payload = (0..len).map(|_| bits.u(8).map(|byte| byte as u8)).collect::<Option<_>>()?;
        Some(Self { payload_type, payload })
    }
}

/// `picture` is the header of the NAL unit that the messages are put before.
fn nal_unit(codec: Codec, picture: Option<Header>, messages: &[Sei]) -> Vec<u8> {
    let header = match codec {
        Codec::H264 => vec![6],
        // TemporalId is at least that of the access unit (H.265 7.4.2.2).
        Codec::H265 => vec![39 << 1, picture.map_or(1, |header| header.temporal_id_plus1)],
    };
    written(header, messages)
}

/// A NAL unit of this header.
fn written(header: Vec<u8>, messages: &[Sei]) -> Vec<u8> {
    let mut nal = header;
    let mut rbsp = Vec::new();
    messages.iter().for_each(|message| message.write(&mut rbsp));
    rbsp.push(0x80); // rbsp_trailing_bits
    write_escaped(&rbsp, &mut nal);
    nal
}

/// Whether SEI has to stand before `nal`: it is a slice, or H.264's prefix of one, which nothing
/// may be put behind (H.264 7.4.1.2.3).
fn belongs_to_picture(codec: Codec, nal: &[u8]) -> bool {
    matches!(Role::of(codec, nal), Role::Slice { .. })
        || codec == Codec::H264 && codec.nal_unit_type(nal) == Some(14)
}
