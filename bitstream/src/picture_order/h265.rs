//! H.265 8.3.1, with the beginning of slice headers (7.3.6.1).

use super::{CodedPicture, Extent, Output};
use crate::annexb;
use crate::bits::BitReader;
use crate::nal::{Codec, Header, Role};
use crate::parameter_sets::{ParameterSets, SetKind};
use crate::sps::{H265SliceFacts, StreamFacts, h265_slice_facts};

/// The nal_unit_types that matter (table 7-1).
const RADL: std::ops::RangeInclusive<u8> = 6..=7;
const RASL: std::ops::RangeInclusive<u8> = 8..=9;
const IDR: std::ops::RangeInclusive<u8> = 19..=20;
const CRA: u8 = 21;
const IRAP: std::ops::RangeInclusive<u8> = 16..=23;
const END: std::ops::RangeInclusive<u8> = 36..=37;

#[derive(Clone, Debug)]
pub(super) struct State {
    /// PicOrderCntVal of prevTid0Pic.
    previous: i64,
    /// The next picture is the first of the stream, or behind an end of sequence.
    first: bool,
    /// NoRaslOutputFlag of the IRAP picture before.
    no_rasl: bool,
}

impl Default for State {
    fn default() -> Self {
        Self { previous: 0, first: true, no_rasl: false }
    }
}

impl State {
    pub(super) fn take(
        &mut self,
        sets: &ParameterSets,
        access_unit: &[u8],
    ) -> Option<CodedPicture> {
        let mut nals = annexb::nal_units(access_unit);
        let mut picture = None;
        let mut ended = false;
        loop {
            let nal = nals.remainder();
            match Role::of(Codec::H265, nal) {
                Role::Slice { .. } if picture.is_none() => picture = Some(self.picture(sets, nal)),
                _ => {}
            }
            ended |= Codec::H265.nal_unit_type(nal).is_some_and(|kind| END.contains(&kind));
            if nals.next().is_none() {
                break;
            }
        }
        self.first |= ended;
        picture?
    }

    fn picture(&mut self, sets: &ParameterSets, nal: &[u8]) -> Option<CodedPicture> {
        let Header { unit_type, temporal_id_plus1, .. } = Header::read(Codec::H265, nal)?;
        let bits = &mut BitReader::new(nal.get(Header::len(Codec::H265)..)?);
        let irap = IRAP.contains(&unit_type);
        let begins_sequence = irap && (unit_type != CRA || self.first);
        if irap {
            self.no_rasl = begins_sequence;
        }
        self.first = false;

        bits.flag().filter(|&first_segment| first_segment)?;
        if irap {
            bits.skip(1)?; // no_output_of_prior_pics_flag
        }
        let pps = Pps::read(sets.get(SetKind::Pps, bits.ue_up_to(63)?)?)?;
        let sps = sets.get(SetKind::Sps, pps.sps_id)?;
        let facts = StreamFacts::from_sps(Codec::H265, sps)?;
        let H265SliceFacts { separate_planes, order_bits } = h265_slice_facts(sps)?;
        bits.skip(pps.extra_bits)?;
        bits.ue_up_to(2)?; // slice_type
        let shown = !pps.output_flag_present || bits.flag()?;
        if separate_planes {
            bits.skip(2)?; // colour_plane_id
        }
        let order_count = if IDR.contains(&unit_type) {
            0
        } else {
            let low = i64::from(bits.u(order_bits)?);
            let range = 1 << order_bits;
            let high = if begins_sequence { 0 } else { high_bits(self.previous, low, range) };
            high.saturating_add(low)
        };
        let leading = RADL.contains(&unit_type) || RASL.contains(&unit_type);
        // Sub-layer non-reference pictures have the even types below 16.
        let reference = unit_type >= 16 || !unit_type.is_multiple_of(2);
        if temporal_id_plus1 == 1 && reference && !leading {
            self.previous = order_count;
        }
        Some(CodedPicture {
            begins_sequence,
            order_count,
            extent: Extent::Whole,
            earlier_field: None,
            output: match (RASL.contains(&unit_type) && self.no_rasl, shown) {
                (true, _) => Output::Skipped,
                (false, true) => Output::Shown,
                (false, false) => Output::Hidden,
            },
            facts,
        })
    }
}

/// What a count that ends in `low` has above it: that which makes it the nearest to `previous`. Both
/// codecs count so (H.264 8.2.1.1, H.265 8.3.1).
pub(super) fn high_bits(previous: i64, low: i64, range: i64) -> i64 {
    let (before, high) = (previous.rem_euclid(range), previous - previous.rem_euclid(range));
    if low < before && before - low >= range / 2 {
        high.saturating_add(range)
    } else if low > before && low - before > range / 2 {
        high.saturating_sub(range)
    } else {
        high
    }
}

/// The beginning of a picture parameter set (7.3.2.3.1).
struct Pps {
    sps_id: u8,
    output_flag_present: bool,
    /// num_extra_slice_header_bits.
    extra_bits: u32,
}

impl Pps {
    fn read(nal: &[u8]) -> Option<Self> {
        let bits = &mut BitReader::new(nal.get(Header::len(Codec::H265)..)?);
        bits.ue_up_to(63)?; // pps_pic_parameter_set_id
        let sps_id = bits.ue_up_to(15)?;
        bits.skip(1)?; // dependent_slice_segments_enabled_flag
        Some(Self { sps_id, output_flag_present: bits.flag()?, extra_bits: bits.u(3)? })
    }
}
