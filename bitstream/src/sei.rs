//! Supplemental enhancement information (H.264 7.3.2.3 and annex D, H.265 7.3.2.4 and annex D):
//! messages about a picture, in NAL units before its first slice.
//!
//! Of the messages there are closed captions: ATSC A/53 Part 4 (6.2.3) in a
//! user_data_registered_itu_t_t35 (D.1.5 of H.264, D.2.6 of H.265).

use crate::annexb::{self, write_nal_unit};
use crate::bits::{BitReader, write_escaped};
use crate::error::Error;
use crate::nal::{Codec, Header, Role};

/// payloadType of user_data_registered_itu_t_t35.
const REGISTERED_USER_DATA: usize = 4;
/// What makes user data ATSC's closed captions: the country (United States), the provider (ATSC),
/// user_identifier "GA94" and user_data_type_code 3.
const CAPTIONS: [u8; 8] = [0xb5, 0, 0x31, b'G', b'A', b'9', b'4', 3];
/// cc_count has 5 bits.
const MAX_TRIPLETS: usize = 31;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sei {
    payload_type: usize,
    payload: Vec<u8>,
}

/// The closed captions of one picture.
///
/// `cc_data` is the cc_data_pkts of A/53, 1 to 31 of 3 bytes each: what FFmpeg's side data
/// AV_FRAME_DATA_A53_CC holds. None if there are none, more, or part of one.
pub fn captions(cc_data: &[u8]) -> Option<Sei> {
    let (triplets, rest) = (cc_data.len() / 3, cc_data.len() % 3);
    if !(1..=MAX_TRIPLETS).contains(&triplets) || rest > 0 {
        return None;
    }
    let mut payload = CAPTIONS.to_vec();
    // A reserved 1, process_cc_data_flag, a zero_bit and cc_count; then a reserved byte.
    payload.extend_from_slice(&[0xc0 | triplets as u8, 0xff]);
    payload.extend_from_slice(cc_data);
    payload.push(0xff); // marker_bits
    Some(Sei { payload_type: REGISTERED_USER_DATA, payload })
}

/// Appends `access_unit`, a byte stream, to `out` with `messages` in a NAL unit of their own, and
/// with 4-byte start codes. No messages add none.
///
/// The NAL unit stands behind the delimiter, the parameter sets and the SEI that is already there,
/// which may have to be the first (H.264 7.4.1.2.3), and before the first slice.
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
        write_nal_unit(nal, out);
    }
    if let Some(messages) = waiting {
        write_nal_unit(&nal_unit(codec, None, messages), out);
    }
    Ok(())
}

/// The closed captions before the first slice of `access_unit`, a byte stream: the cc_data_pkts of
/// all messages, 3 bytes each. Messages that contradict themselves have none.
pub fn captions_in(codec: Codec, access_unit: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    let mut nals = annexb::nal_units(access_unit);
    while !matches!(Role::of(codec, nals.remainder()), Role::Slice { .. }) {
        let Some(nal) = nals.next() else { break };
        if Role::of(codec, nal) == Role::Sei {
            let mut bits = BitReader::new(nal.get(Header::len(codec)..).unwrap_or_default());
            while let Some(message) = Sei::read(&mut bits) {
                all.extend_from_slice(message.cc_data().unwrap_or_default());
            }
        }
    }
    all
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

    /// The cc_data_pkts, if these are captions and process_cc_data_flag is set.
    fn cc_data(&self) -> Option<&[u8]> {
        if self.payload_type != REGISTERED_USER_DATA {
            return None;
        }
        let [flags, _, rest @ ..] = self.payload.strip_prefix(&CAPTIONS)? else { return None };
        if flags & 0x40 == 0 {
            return None;
        }
        rest.get(..3 * usize::from(flags & 0x1f))
    }
}

/// `picture` is the header of the NAL unit that the messages are put before.
fn nal_unit(codec: Codec, picture: Option<Header>, messages: &[Sei]) -> Vec<u8> {
    let mut nal = match codec {
        Codec::H264 => vec![6],
        // TemporalId is at least that of the access unit (H.265 7.4.2.2).
        Codec::H265 => vec![39 << 1, picture.map_or(1, |header| header.temporal_id_plus1)],
    };
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
