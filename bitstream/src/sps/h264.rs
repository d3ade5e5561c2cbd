//! H.264 7.3.2.1.1.

use super::vui::{self, Vui};
use super::{Frame, SampleFormat, StreamFacts, chroma_format, chroma_subsampling, sample_format};
use crate::bits::BitReader;
use crate::nal::{Codec, Header};

/// The beginning of an H.264 sequence parameter set (H.264 7.3.2.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct H264Sps {
    /// profile_idc.
    pub profile: u8,
    /// The constraint_set flags and the two reserved bits after them, as one byte.
    pub constraints: u8,
    /// level_idc.
    pub level: u8,
    /// seq_parameter_set_id, 0 to 31.
    pub id: u8,
    /// What is inferred, 8-bit 4:2:0, for the profiles that do not say it.
    pub format: SampleFormat,
}

impl H264Sps {
    /// From a NAL unit of type 7. None if a field is missing or out of its range.
    pub fn parse(nal: &[u8]) -> Option<Self> {
        Self::read(&mut BitReader::new(nal.get(Header::len(Codec::H264)..)?)).map(|(sps, _)| sps)
    }

    /// What is read includes separate_colour_plane_flag.
    fn read(bits: &mut BitReader<'_>) -> Option<(Self, bool)> {
        let profile = bits.u(8)? as u8;
        let constraints = bits.u(8)? as u8;
        let level = bits.u(8)? as u8;
        let id = bits.ue_up_to(31)?;
        let (format, separate_planes) = if says_format(profile) {
            let (chroma_format, separate_planes) = chroma_format(bits)?;
            (sample_format(bits, chroma_format, 6)?, separate_planes)
        } else {
            (SampleFormat { chroma_format: 1, luma_bits: 8, chroma_bits: 8 }, false)
        };
        Some((Self { profile, constraints, level, id, format }, separate_planes))
    }

    /// constraint_set3_flag.
    fn constraint_set3(&self) -> bool {
        self.constraints & 0x10 != 0
    }

    /// level_idc, with level 1b as 9 in every profile (A.3.1).
    fn level(&self) -> u8 {
        match self.profile {
            66 | 77 | 88 if self.level == 11 && self.constraint_set3() => 9,
            _ => self.level,
        }
    }

    /// What max_num_reorder_frames is inferred to be (E.2.1).
    fn inferred_reorder_depth(&self, frame_mbs: u32) -> u8 {
        match self.profile {
            44 | 86 | 100 | 110 | 122 | 244 if self.constraint_set3() => 0,
            _ => max_dpb_frames(self.level(), frame_mbs),
        }
    }
}

/// What slice headers are read with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SliceFacts {
    pub(crate) separate_planes: bool,
    /// ChromaArrayType is not 0.
    pub(crate) has_chroma: bool,
    /// Of frame_num.
    pub(crate) frame_num_bits: u32,
    pub(crate) order: OrderCount,
    pub(crate) frame_mbs_only: bool,
    /// mb_adaptive_frame_field_flag.
    pub(crate) adaptive_fields: bool,
}

/// How the picture order count is told: pic_order_cnt_type and what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OrderCount {
    /// 0: by its low bits, of which there are so many.
    LowBits(u32),
    /// 1: by its distance from a cycle.
    Cycle { always_expected: bool, non_reference: i32, top_to_bottom: i32, references: Vec<i32> },
    /// 2: by frame_num, since output order is decoding order.
    FrameNum,
}

pub(super) fn facts(nal: &[u8]) -> Option<StreamFacts> {
    all_facts(nal).map(|(facts, _)| facts)
}

pub(crate) fn slice_facts(nal: &[u8]) -> Option<SliceFacts> {
    all_facts(nal).map(|(_, slices)| slices)
}

fn all_facts(nal: &[u8]) -> Option<(StreamFacts, SliceFacts)> {
    if Codec::H264.nal_unit_type(nal) != Some(7) {
        return None;
    }
    let bits = &mut BitReader::new(nal.get(Header::len(Codec::H264)..)?);
    let (sps, separate_planes) = H264Sps::read(bits)?;
    if says_format(sps.profile) {
        bits.skip(1)?; // qpprime_y_zero_transform_bypass_flag
        if bits.flag()? {
            skip_scaling_lists(bits, sps.format.chroma_format)?;
        }
    }
    let frame_num_bits = 4 + u32::from(bits.ue_up_to(12)?);
    let order = read_pic_order_cnt(bits)?;
    bits.ue_up_to(16)?; // max_num_ref_frames
    bits.skip(1)?; // gaps_in_frame_num_value_allowed_flag
    let mbs_across = bits.ue()?.checked_add(1)?;
    let map_units_down = bits.ue()?.checked_add(1)?;
    let frame_mbs_only = bits.flag()?;
    let adaptive_fields = !frame_mbs_only && bits.flag()?;
    bits.skip(1)?; // direct_8x8_inference_flag

    // A map unit is a pair of macroblocks where there may be fields, and cropping cuts from both.
    let mbs_down = map_units_down.checked_mul(if frame_mbs_only { 1 } else { 2 })?;
    let (across, down) = chroma_subsampling(sps.format.chroma_format);
    let frame = Frame {
        width: mbs_across.checked_mul(16)?,
        height: mbs_down.checked_mul(16)?,
        crop_unit: (across, if frame_mbs_only { down } else { 2 * down }),
        crop: super::window(bits)?,
    };
    let (width, height) = frame.shown()?;

    let mut vui = Vui::default();
    let mut reorder_depth = None;
    let has_vui = bits.flag()?;
    if has_vui {
        vui = vui::read_signal(bits)?;
        if bits.flag()? {
            vui.timing = vui::read_timing(bits)?;
            bits.skip(1)?; // fixed_frame_rate_flag
        }
        reorder_depth = read_reorder_depth(bits)?;
    }
    let told = match order {
        OrderCount::FrameNum => Some(0),
        _ => reorder_depth,
    };
    let inferred = || sps.inferred_reorder_depth(mbs_across * mbs_down);
    let reorder_depth = told.unwrap_or_else(inferred);
    let slices = SliceFacts {
        separate_planes,
        has_chroma: sps.format.chroma_format != 0 && !separate_planes,
        frame_num_bits,
        order,
        frame_mbs_only,
        adaptive_fields,
    };
    let facts = StreamFacts {
        coded_width: frame.width,
        coded_height: frame.height,
        width,
        height,
        cut_at_start: frame.cut_at_start(),
        format: sps.format,
        profile: sps.profile,
        level: sps.level(),
        maybe_interlaced: !frame_mbs_only,
        reorder_depth,
        tells_reorder_depth: told.is_some() || reorder_depth == 0,
        has_vui,
        sample_aspect_ratio: vui.sample_aspect_ratio,
        full_range: vui.full_range,
        primaries: vui.primaries,
        transfer: vui.transfer,
        matrix: vui.matrix,
        chroma_location: vui.chroma_location,
        timing: vui.timing,
    };
    Some((facts, slices))
}

/// Whether chroma format, bit depths and scaling lists are there.
fn says_format(profile: u8) -> bool {
    matches!(profile, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135)
}

/// seq_scaling_list_present_flag and scaling_list() (7.3.2.1.1.1): six of 4x4, then two of 8x8, or
/// six if chroma has as many samples as luma.
fn skip_scaling_lists(bits: &mut BitReader<'_>, chroma_format: u8) -> Option<()> {
    for list in 0..if chroma_format == 3 { 12 } else { 8 } {
        if !bits.flag()? {
            continue;
        }
        let mut scale = 8;
        for _ in 0..if list < 6 { 16 } else { 64 } {
            scale = (scale + bits.se_in(-128..=127)? + 256) % 256;
            if scale == 0 {
                break; // The rest of the list is as what came before.
            }
        }
    }
    Some(())
}

/// pic_order_cnt_type and what belongs to it (8.2.1).
fn read_pic_order_cnt(bits: &mut BitReader<'_>) -> Option<OrderCount> {
    match bits.ue_up_to(2)? {
        // log2_max_pic_order_cnt_lsb_minus4
        0 => Some(OrderCount::LowBits(4 + u32::from(bits.ue_up_to(12)?))),
        1 => {
            let always_expected = bits.flag()?; // delta_pic_order_always_zero_flag
            let non_reference = bits.se()?;
            let top_to_bottom = bits.se()?;
            let cycle = bits.ue_up_to(255)?;
            let references = (0..cycle).map(|_| bits.se()).collect::<Option<_>>()?;
            Some(OrderCount::Cycle { always_expected, non_reference, top_to_bottom, references })
        }
        _ => Some(OrderCount::FrameNum),
    }
}

/// The end of vui_parameters (E.1.1) from nal_hrd_parameters_present_flag on: the
/// max_num_reorder_frames, if there is one.
fn read_reorder_depth(bits: &mut BitReader<'_>) -> Option<Option<u8>> {
    let nal_hrd = skip_hrd(bits)?;
    let vcl_hrd = skip_hrd(bits)?;
    if nal_hrd || vcl_hrd {
        bits.skip(1)?; // low_delay_hrd_flag
    }
    bits.skip(1)?; // pic_struct_present_flag
    if !bits.flag()? {
        return Some(None);
    }
    bits.skip(1)?; // motion_vectors_over_pic_boundaries_flag
    for _ in 0..4 {
        bits.ue_up_to(16)?; // max_bytes_per_pic_denom to log2_max_mv_length_vertical
    }
    bits.ue_up_to(16).map(Some)
}

/// A flag, and hrd_parameters (E.1.2) where it says so.
fn skip_hrd(bits: &mut BitReader<'_>) -> Option<bool> {
    let present = bits.flag()?;
    if present {
        let schedules = bits.ue_up_to(31)? + 1;
        bits.skip(4 + 4)?; // bit_rate_scale, cpb_size_scale
        for _ in 0..schedules {
            bits.ue()?; // bit_rate_value_minus1
            bits.ue()?; // cpb_size_value_minus1
            bits.skip(1)?; // cbr_flag
        }
        bits.skip(4 * 5)?; // four lengths
    }
    Some(present)
}

/// MaxDpbFrames (A.3.1, A.3.2), the most that there can be for a level that does not exist.
fn max_dpb_frames(level: u8, frame_mbs: u32) -> u8 {
    let max_dpb_mbs = match level {
        9 | 10 => 396,
        11 => 900,
        12 | 13 | 20 => 2_376,
        21 => 4_752,
        22 | 30 => 8_100,
        31 => 18_000,
        32 => 20_480,
        40 | 41 => 32_768,
        42 => 34_816,
        50 => 110_400,
        51 | 52 => 184_320,
        60..=62 => 696_320,
        _ => u32::MAX,
    };
    (max_dpb_mbs / frame_mbs).min(16) as u8
}

#[cfg(test)]
mod tests {
    use super::super::tests::nal;
    use super::*;

    #[test]
    fn an_h264_high_sps_says_its_format() {
        // id 3, 4:4:4 with the colour plane flag, 14 and 13 bits.
        let fields = [(244, 8), (0x10, 8), (31, 8), (4, 5), (4, 5), (1, 1), (7, 5), (6, 5), (1, 1)];
        let sps = H264Sps::parse(&nal(&[0x67], &fields));
        let format = SampleFormat { chroma_format: 3, luma_bits: 14, chroma_bits: 13 };
        assert_eq!(
            sps,
            Some(H264Sps { profile: 244, constraints: 0x10, level: 31, id: 3, format })
        );
    }

    #[test]
    fn an_h264_main_sps_is_8_bit_4_2_0() {
        let sps = H264Sps::parse(&[0x67, 77, 0, 30, 0x80]).unwrap();
        assert_eq!(sps.format, SampleFormat { chroma_format: 1, luma_bits: 8, chroma_bits: 8 });
    }

    #[test]
    fn fields_out_of_their_range_are_refused() {
        let with = |id, chroma: (u64, u32), depth| {
            H264Sps::parse(&nal(&[0x67], &[(100, 8), (0, 8), (30, 8), id, chroma, depth, (1, 1)]))
        };
        assert!(with((32, 11), (2, 3), (7, 5)).is_some());
        assert!(with((33, 11), (2, 3), (7, 5)).is_none(), "id 32");
        assert!(with((32, 11), (5, 5), (7, 5)).is_none(), "chroma_format_idc 4");
        assert!(with((32, 11), (2, 3), (8, 7)).is_none(), "15 bits");
    }
}
