use crate::access_unit::is_keyframe;
use crate::annexb;
use crate::bits::BitReader;
use crate::nal::{Codec, Header, Role};
use crate::parameter_sets::{ParameterSets, SetKind};
use crate::sps::StreamFacts;

/// Follows which sequence parameter set a stream is decoded with, and what it says.
///
/// A stream may have several SPSs. The *active* one is that which the PPS of the first slice refers
/// to (H.264 7.4.1.2.1, H.265 7.4.2.4.2). While no slice has been seen, or if its PPS is not there,
/// the last one in the order of writing counts, that is, the one of the highest id.
#[derive(Clone, Debug)]
pub struct ActiveSps {
    sets: ParameterSets,
    facts: Option<StreamFacts>,
}

impl ActiveSps {
    /// Begins with the sets of the extradata, which may have none.
    pub fn new(sets: ParameterSets) -> Self {
        let facts = last_facts(&sets);
        Self { sets, facts }
    }

    /// What the active SPS says; none if there is no SPS yet that can be read.
    pub fn facts(&self) -> Option<StreamFacts> {
        self.facts
    }

    /// Takes in the next access unit, a byte stream, and gives the facts if it has changed any.
    ///
    /// Its parameter sets replace those of the same ids. Only a picture that decoding can start
    /// with may activate another SPS (see [`is_keyframe`]), so that no other changes the facts
    /// once they are known. Nor does an SPS that cannot be read: the stream is for its decoder to
    /// refuse.
    pub fn take(&mut self, access_unit: &[u8]) -> Option<StreamFacts> {
        let codec = self.sets.codec();
        self.sets.update(ParameterSets::in_access_unit(codec, access_unit));
        if self.facts.is_some() && !is_keyframe(codec, access_unit) {
            return None;
        }
        let facts = match referred_to(&self.sets, access_unit) {
            Some(sps) => StreamFacts::from_sps(codec, sps),
            None => last_facts(&self.sets),
        };
        let changed = facts.filter(|_| facts != self.facts);
        self.facts = facts.or(self.facts);
        changed
    }
}

fn last_facts(sets: &ParameterSets) -> Option<StreamFacts> {
    sets.of(SetKind::Sps).filter_map(|nal| StreamFacts::from_sps(sets.codec(), nal)).last()
}

/// The SPS of the first slice.
fn referred_to<'a>(sets: &'a ParameterSets, access_unit: &[u8]) -> Option<&'a [u8]> {
    let codec = sets.codec();
    let pps = sets.get(SetKind::Pps, first_slice_pps_id(codec, access_unit)?)?;
    let mut bits = BitReader::new(pps.get(Header::len(codec)..)?);
    bits.ue()?; // pps_pic_parameter_set_id
    sets.get(SetKind::Sps, bits.ue_up_to(31)?)
}

/// The slice header's pic_parameter_set_id (H.264 7.3.3, H.265 7.3.6.1).
fn first_slice_pps_id(codec: Codec, access_unit: &[u8]) -> Option<u8> {
    let mut nals = annexb::nal_units(access_unit);
    let key = loop {
        match Role::of(codec, nals.remainder()) {
            Role::Slice { key } => break key,
            _ => nals.next()?,
        };
    };
    let mut bits = BitReader::new(nals.remainder().get(Header::len(codec)..)?);
    match codec {
        Codec::H264 => {
            bits.ue()?; // first_mb_in_slice
            bits.ue()?; // slice_type
            bits.ue_up_to(255)
        }
        Codec::H265 => {
            bits.skip(1)?; // first_slice_segment_in_pic_flag
            if key {
                bits.skip(1)?; // no_output_of_prior_pics_flag
            }
            bits.ue_up_to(63)
        }
    }
}
