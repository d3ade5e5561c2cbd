//! H.264 8.2.1, with slice headers (7.3.3) as far as they matter for it.

use super::h265::high_bits;
use super::{CodedPicture, Extent, Output, Parity};
use crate::annexb;
use crate::bits::BitReader;
use crate::nal::{Codec, Header, Role};
use crate::parameter_sets::{ParameterSets, SetKind};
use crate::sps::{H264OrderCount, H264SliceFacts, StreamFacts, h264_slice_facts};

#[derive(Clone, Debug, Default)]
pub(super) struct State {
    /// prevPicOrderCntMsb with prevPicOrderCntLsb.
    previous: i64,
    /// prevFrameNum.
    frame_num: u32,
    /// prevFrameNumOffset.
    frame_num_offset: i64,
    /// A field that waits for its partner.
    first_field: Option<FirstField>,
}

#[derive(Clone, Copy, Debug)]
struct FirstField {
    parity: Parity,
    frame_num: u32,
}

impl State {
    pub(super) fn take(
        &mut self,
        sets: &ParameterSets,
        access_unit: &[u8],
    ) -> Option<CodedPicture> {
        let mut nals = annexb::nal_units(access_unit);
        let mut picture: Option<CodedPicture> = None;
        // A frame's first slice tells all. Of a field the others may be its partner's.
        while picture.is_none_or(|picture| picture.extent == Extent::FirstField) {
            let nal = nals.remainder();
            if let Role::Slice { key } = Role::of(Codec::H264, nal) {
                match (Slice::read(sets, nal, key), &mut picture) {
                    (None, None) => {
                        self.first_field = None;
                        return None;
                    }
                    (None, Some(_)) => return picture,
                    (Some(slice), None) => picture = Some(self.picture(&slice)),
                    (Some(slice), Some(first)) => {
                        if self.is_partner(&slice) {
                            self.picture(&slice);
                            first.extent = Extent::Whole;
                        }
                    }
                }
            }
            if nals.next().is_none() {
                break;
            }
        }
        picture
    }

    fn is_partner(&self, slice: &Slice) -> bool {
        self.first_field.is_some_and(|first| {
            slice.field.is_some_and(|parity| parity != first.parity)
                && slice.frame_num == first.frame_num
                && !slice.idr
        })
    }

    fn picture(&mut self, slice: &Slice) -> CodedPicture {
        let extent = match slice.field {
            None => Extent::Whole,
            Some(_) if self.is_partner(slice) => Extent::SecondField,
            Some(_) => Extent::FirstField,
        };
        self.first_field = match (extent, slice.field) {
            (Extent::FirstField, Some(parity)) => {
                Some(FirstField { parity, frame_num: slice.frame_num })
            }
            _ => None,
        };
        let [top, bottom] = self.order_counts(slice);
        let mut order_count = match slice.field {
            None => top.min(bottom),
            Some(Parity::Top) => top,
            Some(Parity::Bottom) => bottom,
        };
        if slice.resets {
            // memory_management_control_operation 5: as if an IDR picture came next (8.2.1).
            self.previous = match slice.field {
                None => top - order_count,
                Some(_) => 0,
            };
            (self.frame_num, self.frame_num_offset) = (0, 0);
            order_count = 0;
        }
        let earlier = if bottom < top { Parity::Bottom } else { Parity::Top };
        CodedPicture {
            begins_sequence: extent != Extent::SecondField && (slice.idr || slice.resets),
            order_count,
            extent,
            earlier_field: slice.field.or(slice.sps.adaptive_fields.then_some(earlier)),
            output: Output::Shown,
            facts: slice.facts,
        }
    }

    /// TopFieldOrderCnt and BottomFieldOrderCnt. Of a field only its own means anything.
    fn order_counts(&mut self, slice: &Slice) -> [i64; 2] {
        if slice.idr {
            (self.previous, self.frame_num, self.frame_num_offset) = (0, 0, 0);
        } else if self.frame_num > slice.frame_num {
            let range = 1 << slice.sps.frame_num_bits;
            self.frame_num_offset = self.frame_num_offset.saturating_add(range);
        }
        self.frame_num = slice.frame_num;
        let frames = self.frame_num_offset.saturating_add(i64::from(slice.frame_num));
        match &slice.sps.order {
            H264OrderCount::LowBits(bits) => {
                let low = i64::from(slice.order_low);
                let count = high_bits(self.previous, low, 1 << bits).saturating_add(low);
                if slice.reference {
                    self.previous = count;
                }
                [count, count.saturating_add(i64::from(slice.deltas[0]))]
            }
            H264OrderCount::Cycle { non_reference, top_to_bottom, references, .. } => {
                let length = references.len() as i64;
                let before = match (length, slice.reference) {
                    (0, _) => 0,
                    (_, true) => frames,
                    (_, false) => (frames - 1).max(0),
                };
                let sum = |offsets: &[i32]| offsets.iter().map(|&o| i64::from(o)).sum::<i64>();
                let mut expected = 0;
                if before > 0 {
                    let (cycles, rest) = ((before - 1) / length, (before - 1) % length);
                    expected = cycles.saturating_mul(sum(references));
                    expected = expected.saturating_add(sum(&references[..=rest as usize]));
                }
                if !slice.reference {
                    expected = expected.saturating_add(i64::from(*non_reference));
                }
                let top = expected.saturating_add(i64::from(slice.deltas[0]));
                let bottom = top.saturating_add(i64::from(*top_to_bottom));
                [top, bottom.saturating_add(i64::from(slice.deltas[1]))]
            }
            H264OrderCount::FrameNum => {
                let count = frames.saturating_mul(2) - i64::from(!slice.reference);
                [count; 2]
            }
        }
    }
}

/// A slice header.
struct Slice {
    sps: H264SliceFacts,
    facts: StreamFacts,
    idr: bool,
    reference: bool,
    frame_num: u32,
    field: Option<Parity>,
    /// pic_order_cnt_lsb.
    order_low: u32,
    /// delta_pic_order_cnt_bottom and 0, or delta_pic_order_cnt.
    deltas: [i32; 2],
    /// memory_management_control_operation 5 is among the operations.
    resets: bool,
}

impl Slice {
    fn read(sets: &ParameterSets, nal: &[u8], idr: bool) -> Option<Self> {
        let bits = &mut BitReader::new(nal.get(Header::len(Codec::H264)..)?);
        bits.ue()?; // first_mb_in_slice
        let kind = bits.ue_up_to(9)? % 5;
        let pps = Pps::read(sets.get(SetKind::Pps, bits.ue_up_to(255)?)?)?;
        let sps = sets.get(SetKind::Sps, pps.sps_id)?;
        let facts = StreamFacts::from_sps(Codec::H264, sps)?;
        let sps = h264_slice_facts(sps)?;
        if sps.separate_planes {
            bits.skip(2)?; // colour_plane_id
        }
        let frame_num = bits.u(sps.frame_num_bits)?;
        let field = match !sps.frame_mbs_only && bits.flag()? {
            true if bits.flag()? => Some(Parity::Bottom),
            true => Some(Parity::Top),
            false => None,
        };
        if idr {
            bits.ue()?; // idr_pic_id
        }
        let bottom_too = pps.order_of_bottom_field && field.is_none();
        let (mut order_low, mut deltas) = (0, [0; 2]);
        match sps.order {
            H264OrderCount::LowBits(len) => {
                order_low = bits.u(len)?;
                if bottom_too {
                    deltas[0] = bits.se()?;
                }
            }
            H264OrderCount::Cycle { always_expected: false, .. } => {
                deltas[0] = bits.se()?;
                if bottom_too {
                    deltas[1] = bits.se()?;
                }
            }
            _ => {}
        }
        let reference = nal[0] & 0x60 != 0;
        let marking = Marking { pps: &pps, has_chroma: sps.has_chroma, kind };
        // Who cannot read so far takes it for what nearly every picture is.
        let resets = reference && !idr && marking.resets(bits).unwrap_or(false);
        Some(Slice { facts, idr, reference, frame_num, field, order_low, deltas, resets, sps })
    }
}

/// What stands between the picture order count and dec_ref_pic_marking (7.3.3.3), and that.
struct Marking<'a> {
    pps: &'a Pps,
    has_chroma: bool,
    /// slice_type modulo 5.
    kind: u8,
}

/// Slice types (table 7-6).
const P: u8 = 0;
const B: u8 = 1;
const SP: u8 = 3;

impl Marking<'_> {
    fn resets(&self, bits: &mut BitReader<'_>) -> Option<bool> {
        if self.pps.redundant_pictures {
            bits.ue()?; // redundant_pic_cnt
        }
        if self.kind == B {
            bits.skip(1)?; // direct_spatial_mv_pred_flag
        }
        let mut references = self.pps.references;
        let lists = match self.kind {
            P | SP => 1,
            B => 2,
            _ => 0,
        };
        // num_ref_idx_active_override_flag
        if lists > 0 && bits.flag()? {
            for count in &mut references[..lists] {
                *count = bits.ue_up_to(31)? + 1;
            }
        }
        for _ in 0..lists {
            skip_list_modification(bits)?;
        }
        let weighted = match self.kind {
            P | SP => self.pps.weighted,
            B => self.pps.weighted_b == 1,
            _ => false,
        };
        if weighted {
            self.skip_weights(bits, &references[..lists])?;
        }
        // adaptive_ref_pic_marking_mode_flag
        if !bits.flag()? {
            return Some(false);
        }
        loop {
            let operands = match bits.ue_up_to(6)? {
                0 => return Some(false),
                5 => return Some(true),
                3 => 2,
                _ => 1,
            };
            for _ in 0..operands {
                bits.ue()?;
            }
        }
    }

    /// pred_weight_table (7.3.3.2).
    fn skip_weights(&self, bits: &mut BitReader<'_>, references: &[u8]) -> Option<()> {
        bits.ue()?; // luma_log2_weight_denom
        if self.has_chroma {
            bits.ue()?; // chroma_log2_weight_denom
        }
        for _ in 0..references.iter().map(|&count| u32::from(count)).sum() {
            let luma = if bits.flag()? { 2 } else { 0 };
            (0..luma).try_for_each(|_| bits.se().map(drop))?;
            let chroma = if self.has_chroma && bits.flag()? { 4 } else { 0 };
            (0..chroma).try_for_each(|_| bits.se().map(drop))?;
        }
        Some(())
    }
}

/// One list of ref_pic_list_modification (7.3.3.1).
fn skip_list_modification(bits: &mut BitReader<'_>) -> Option<()> {
    if bits.flag()? {
        while bits.ue_up_to(3)? != 3 {
            bits.ue()?;
        }
    }
    Some(())
}

/// A picture parameter set (7.3.2.2).
struct Pps {
    sps_id: u8,
    /// bottom_field_pic_order_in_frame_present_flag.
    order_of_bottom_field: bool,
    /// num_ref_idx_l0_default_active and num_ref_idx_l1_default_active.
    references: [u8; 2],
    weighted: bool,
    weighted_b: u32,
    redundant_pictures: bool,
}

impl Pps {
    fn read(nal: &[u8]) -> Option<Self> {
        let bits = &mut BitReader::new(nal.get(Header::len(Codec::H264)..)?);
        bits.ue_up_to(255)?; // pic_parameter_set_id
        let sps_id = bits.ue_up_to(31)?;
        bits.skip(1)?; // entropy_coding_mode_flag
        let order_of_bottom_field = bits.flag()?;
        let groups = bits.ue_up_to(7)? + 1;
        if groups > 1 {
            skip_slice_groups(bits, groups)?;
        }
        let references = [bits.ue_up_to(31)? + 1, bits.ue_up_to(31)? + 1];
        let (weighted, weighted_b) = (bits.flag()?, bits.u(2)?);
        for _ in 0..3 {
            bits.se()?; // pic_init_qp_minus26, pic_init_qs_minus26, chroma_qp_index_offset
        }
        bits.skip(2)?; // deblocking_filter_control_present_flag, constrained_intra_pred_flag
        let redundant_pictures = bits.flag()?;
        Some(Pps {
            sps_id,
            order_of_bottom_field,
            references,
            weighted,
            weighted_b,
            redundant_pictures,
        })
    }
}

fn skip_slice_groups(bits: &mut BitReader<'_>, groups: u8) -> Option<()> {
    match bits.ue_up_to(6)? {
        0 => (0..groups).try_for_each(|_| bits.ue().map(drop)),
        1 => Some(()),
        2 => (0..2 * (groups - 1)).try_for_each(|_| bits.ue().map(drop)),
        6 => {
            let bits_each = (groups - 1).ilog2() + 1;
            let units = bits.ue()?;
            (0..=units).try_for_each(|_| bits.skip(bits_each))
        }
        // slice_group_change_direction_flag, slice_group_change_rate_minus1
        _ => bits.skip(1).and_then(|()| bits.ue().map(drop)),
    }
}
