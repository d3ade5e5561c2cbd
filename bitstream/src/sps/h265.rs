//! H.265 7.3.2.2.1, with what it contains.

use super::reference_pictures::skip_short_term_sets;
use super::vui::{self, Vui};
use super::{Frame, SampleFormat, StreamFacts, chroma_format, chroma_subsampling, sample_format};
use crate::bits::BitReader;
use crate::nal::{Codec, Header};

/// The beginning of an H.265 sequence parameter set (H.265 7.3.2.2.1 and 7.3.3) of the base layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct H265Sps {
    /// general_profile_space, general_tier_flag and general_profile_idc, as one byte.
    pub profile: u8,
    /// The general_profile_compatibility_flags, that of profile 0 in the highest bit.
    pub compatibility: u32,
    /// The 48 bits between the compatibility flags and the level: general_progressive_source_flag
    /// to general_inbld_flag.
    pub constraints: u64,
    /// general_level_idc.
    pub level: u8,
    /// Temporal sub-layers, 1 to 7.
    pub temporal_layers: u8,
    /// sps_temporal_id_nesting_flag.
    pub temporal_id_nesting: bool,
    /// sps_seq_parameter_set_id, 0 to 15.
    pub id: u8,
    /// Chroma format and bit depths.
    pub format: SampleFormat,
}

impl H265Sps {
    /// From a NAL unit of type 33 with nuh_layer_id 0. None if a field is missing or out of its
    /// range.
    pub fn parse(nal: &[u8]) -> Option<Self> {
        if Header::read(Codec::H265, nal)?.layer != 0 {
            return None;
        }
        let mut bits = BitReader::new(nal.get(Header::len(Codec::H265)..)?);
        Self::read(&mut bits).map(|(sps, ..)| sps)
    }

    /// What is read includes the picture's size, which has not been checked, and
    /// separate_colour_plane_flag.
    fn read(bits: &mut BitReader<'_>) -> Option<(Self, Frame, bool)> {
        bits.skip(4)?; // sps_video_parameter_set_id
        let sub_layers = bits.u(3).filter(|&n| n <= 6)?;
        let temporal_id_nesting = bits.flag()?;
        let profile = bits.u(8)? as u8;
        let compatibility = bits.u(32)?;
        let constraints = u64::from(bits.u(32)?) << 16 | u64::from(bits.u(16)?);
        let level = bits.u(8)? as u8;
        skip_sub_layers(bits, sub_layers)?;
        let id = bits.ue_up_to(15)?;
        let (chroma_format, separate_planes) = chroma_format(bits)?;
        let frame = Frame {
            width: bits.ue()?,
            height: bits.ue()?,
            crop_unit: chroma_subsampling(chroma_format),
            crop: super::window(bits)?,
        };
        let format = sample_format(bits, chroma_format, 8)?;
        let sps = Self {
            profile,
            compatibility,
            constraints,
            level,
            temporal_layers: sub_layers as u8 + 1,
            temporal_id_nesting,
            id,
            format,
        };
        Some((sps, frame, separate_planes))
    }

    /// general_interlaced_source_flag.
    fn interlaced_source(&self) -> bool {
        self.constraints >> 46 & 1 == 1
    }
}

/// What slice headers are read with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SliceFacts {
    pub(crate) separate_planes: bool,
    /// Of slice_pic_order_cnt_lsb.
    pub(crate) order_bits: u32,
}

pub(crate) fn slice_facts(nal: &[u8]) -> Option<SliceFacts> {
    all_facts(nal).map(|(_, slices)| slices)
}

pub(super) fn facts(nal: &[u8]) -> Option<StreamFacts> {
    all_facts(nal).map(|(facts, _)| facts)
}

fn all_facts(nal: &[u8]) -> Option<(StreamFacts, SliceFacts)> {
    let header = Header::read(Codec::H265, nal)?;
    if (header.unit_type, header.layer) != (33, 0) {
        return None;
    }
    let bits = &mut BitReader::new(nal.get(Header::len(Codec::H265)..)?);
    let (sps, frame, separate_planes) = H265Sps::read(bits)?;
    let (width, height) = frame.shown()?;
    let poc_lsb_bits = 4 + u32::from(bits.ue_up_to(12)?);
    let reorder_depth = read_reorder_depth(bits, sps.temporal_layers)?;

    let log2_min_block = 3 + bits.ue_up_to(3)?;
    let whole_blocks = |side: u32| side.is_multiple_of(1 << log2_min_block);
    if !whole_blocks(frame.width) || !whole_blocks(frame.height) {
        return None;
    }
    for _ in 0..3 {
        bits.ue_up_to(3)?; // log2_diff_max_min_luma_coding_block_size to log2_diff_max_min_…
    }
    for _ in 0..2 {
        bits.ue_up_to(4)?; // max_transform_hierarchy_depth_inter, …_intra
    }
    // scaling_list_enabled_flag, sps_scaling_list_data_present_flag
    if bits.flag()? && bits.flag()? {
        skip_scaling_lists(bits)?;
    }
    bits.skip(2)?; // amp_enabled_flag, sample_adaptive_offset_enabled_flag
    if bits.flag()? {
        skip_pcm(bits)?;
    }
    skip_short_term_sets(bits)?;
    if bits.flag()? {
        for _ in 0..bits.ue_up_to(32)? {
            bits.skip(poc_lsb_bits + 1)?; // lt_ref_pic_poc_lsb_sps, used_by_curr_pic_lt_sps_flag
        }
    }
    bits.skip(2)?; // sps_temporal_mvp_enabled_flag, strong_intra_smoothing_enabled_flag

    // What stands behind the VUI's timing, its hrd_parameters and the extensions of the parameter
    // set, says nothing that is asked for here.
    let mut vui = Vui::default();
    let mut fields = false;
    let has_vui = bits.flag()?;
    if has_vui {
        vui = vui::read_signal(bits)?;
        bits.skip(1)?; // neutral_chroma_indication_flag
        fields = bits.flag()?;
        bits.skip(1)?; // frame_field_info_present_flag
        super::window(bits)?; // the default display window, which nobody has to apply
        if bits.flag()? {
            vui.timing = vui::read_timing(bits)?;
        }
    }
    let facts = StreamFacts {
        coded_width: frame.width,
        coded_height: frame.height,
        width,
        height,
        cut_at_start: frame.cut_at_start(),
        format: sps.format,
        profile: sps.profile & 0x1f,
        level: sps.level,
        maybe_interlaced: fields || sps.interlaced_source(),
        reorder_depth,
        tells_reorder_depth: true,
        has_vui,
        sample_aspect_ratio: vui.sample_aspect_ratio,
        full_range: vui.full_range,
        primaries: vui.primaries,
        transfer: vui.transfer,
        matrix: vui.matrix,
        chroma_location: vui.chroma_location,
        timing: vui.timing,
    };
    Some((facts, SliceFacts { separate_planes, order_bits: poc_lsb_bits }))
}

/// The id of an H.265 sequence parameter set of any layer (H.265 7.3.2.2.1 with F.7.3.2.2.1, where
/// those of other layers may have no profile_tier_level).
pub(crate) fn id(nal: &[u8]) -> Option<u8> {
    let layer = Header::read(Codec::H265, nal)?.layer;
    let mut bits = BitReader::new(nal.get(Header::len(Codec::H265)..)?);
    bits.skip(4)?;
    let sub_layers = bits.u(3)?;
    if sub_layers < 7 {
        bits.skip(1 + 96)?;
        skip_sub_layers(&mut bits, sub_layers)?;
    } else if layer == 0 {
        return None;
    }
    bits.ue_up_to(15)
}

/// The end of profile_tier_level (H.265 7.3.3), behind general_level_idc.
fn skip_sub_layers(bits: &mut BitReader<'_>, sub_layers: u32) -> Option<()> {
    if sub_layers == 0 {
        return Some(());
    }
    let mut len = 0;
    for _ in 0..sub_layers {
        len += if bits.flag()? { 88 } else { 0 }; // sub_layer_profile_present_flag
        len += if bits.flag()? { 8 } else { 0 }; // sub_layer_level_present_flag
    }
    bits.skip(2 * (8 - sub_layers) + len)
}

/// sps_max_num_reorder_pics of the highest sub-layer, which comes last, or alone.
fn read_reorder_depth(bits: &mut BitReader<'_>, temporal_layers: u8) -> Option<u8> {
    let mut reorder_depth = 0;
    let each = bits.flag()?; // sps_sub_layer_ordering_info_present_flag
    for _ in 0..if each { temporal_layers } else { 1 } {
        let buffered = bits.ue_up_to(15)?; // sps_max_dec_pic_buffering_minus1
        reorder_depth = bits.ue_up_to(buffered)?;
        bits.ue()?; // sps_max_latency_increase_plus1
    }
    Some(reorder_depth)
}

/// scaling_list_data (7.3.4).
fn skip_scaling_lists(bits: &mut BitReader<'_>) -> Option<()> {
    for size in 0..4 {
        // Of 32x32 there are only two lists, those of luma.
        for list in 0..if size == 3 { 2 } else { 6 } {
            if !bits.flag()? {
                bits.ue_up_to(list)?; // scaling_list_pred_matrix_id_delta
                continue;
            }
            if size > 1 {
                bits.se_in(-7..=247)?; // scaling_list_dc_coef_minus8
            }
            for _ in 0..if size == 0 { 16 } else { 64 } {
                bits.se_in(-128..=127)?; // scaling_list_delta_coef
            }
        }
    }
    Some(())
}

/// From pcm_sample_bit_depth_luma_minus1 to pcm_loop_filter_disabled_flag.
fn skip_pcm(bits: &mut BitReader<'_>) -> Option<()> {
    bits.skip(4 + 4)?;
    bits.ue_up_to(2)?; // log2_min_pcm_luma_coding_block_size_minus3
    bits.ue_up_to(2)?; // log2_diff_max_min_pcm_luma_coding_block_size
    bits.skip(1)
}

#[cfg(test)]
mod tests {
    use super::super::tests::nal;
    use super::*;

    const GENERAL: [(u64, u32); 5] =
        [(0x22, 8), (0x2000_0001, 32), (0x9000, 16), (0x1234_5678, 32), (93, 8)];

    fn h265(sub_layers: u64, presence: &[(u64, u32)]) -> Vec<(u64, u32)> {
        let mut fields = vec![(0, 4), (sub_layers, 3), (1, 1)];
        fields.extend(GENERAL);
        fields.extend(presence);
        // id 2, 4:2:2, 63x31 with a conformance window, 10 and 12 bits.
        fields.extend([(3, 3), (3, 3), (64, 13), (32, 11), (1, 1)]);
        fields.extend([(1, 1), (2, 3), (1, 1), (2, 3), (3, 3), (5, 5), (1, 1)]);
        fields
    }

    fn expected(temporal_layers: u8) -> H265Sps {
        H265Sps {
            profile: 0x22,
            compatibility: 0x2000_0001,
            constraints: 0x9000_1234_5678,
            level: 93,
            temporal_layers,
            temporal_id_nesting: true,
            id: 2,
            format: SampleFormat { chroma_format: 2, luma_bits: 10, chroma_bits: 12 },
        }
    }

    #[test]
    fn an_h265_sps_says_what_its_record_will() {
        assert_eq!(H265Sps::parse(&nal(&[0x42, 1], &h265(0, &[]))), Some(expected(1)));
    }

    #[test]
    fn sub_layer_profiles_and_levels_are_passed_over() {
        // Two sub-layers, the first with profile and level, the second with a level.
        let presence = [
            (0b1101, 4),
            (0, 12),
            (0x7777_7777, 32),
            (0x7777_7777, 32),
            (0x77_7777, 24),
            (9, 8),
            (9, 8),
        ];
        let sps = nal(&[0x42, 1], &h265(2, &presence));
        assert_eq!(H265Sps::parse(&sps), Some(expected(3)));
        assert_eq!(id(&sps), Some(2));
    }

    #[test]
    fn an_h265_sps_of_another_layer_has_an_id_but_no_facts() {
        // nuh_layer_id 1; sps_ext_or_max_sub_layers_minus1 7: the id follows at once.
        let sps = nal(&[0x42, 9], &[(0, 4), (7, 3), (6, 5), (1, 1)]);
        assert_eq!(id(&sps), Some(5));
        assert_eq!(H265Sps::parse(&sps), None);
        assert_eq!(id(&nal(&[0x42, 1], &[(0, 4), (7, 3), (6, 5), (1, 1)])), None);
    }

    #[test]
    fn an_sps_cut_anywhere_before_its_last_field_is_none() {
        let whole = nal(&[0x42, 1], &h265(0, &[]));
        for len in 0..whole.len() - 1 {
            assert_eq!(H265Sps::parse(&whole[..len]), None, "{len} bytes");
        }
    }
}
