use super::{Sei, messages_in};
use crate::nal::Codec;

/// payloadType of user_data_registered_itu_t_t35.
const REGISTERED_USER_DATA: usize = 4;
/// What makes user data ATSC's closed captions: the country (United States), the provider (ATSC),
/// user_identifier "GA94" and user_data_type_code 3.
const CAPTIONS: [u8; 8] = [0xb5, 0, 0x31, b'G', b'A', b'9', b'4', 3];
/// cc_count has 5 bits.
const MAX_TRIPLETS: usize = 31;

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

/// The closed captions before the first slice of `access_unit`, a byte stream: the cc_data_pkts of
/// all messages, 3 bytes each. Messages that contradict themselves have none.
pub fn captions_in(codec: Codec, access_unit: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    for message in messages_in(codec, access_unit) {
        all.extend_from_slice(message.to_captions().unwrap_or_default());
    }
    all
}

impl Sei {
    /// The cc_data_pkts, if these are captions and process_cc_data_flag is set.
    pub fn to_captions(&self) -> Option<&[u8]> {
        let [flags, _, rest @ ..] =
            self.payload_of(REGISTERED_USER_DATA)?.strip_prefix(&CAPTIONS)?
        else {
            return None;
        };
        if flags & 0x40 == 0 {
            return None;
        }
        rest.get(..3 * usize::from(flags & 0x1f))
    }
}
