//! Sequence parameter sets: as far as the records repeat them.

use crate::bits::BitReader;
use crate::nal::{Codec, Header};

/// How samples are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SampleFormat {
    /// chroma_format_idc: 0 monochrome, 1 4:2:0, 2 4:2:2, 3 4:4:4.
    pub chroma_format: u8,
    /// Bits of a luma sample, 8 to 16.
    pub luma_bits: u8,
    /// Bits of a chroma sample, 8 to 16.
    pub chroma_bits: u8,
}

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
        let mut bits = BitReader::new(nal.get(Header::len(Codec::H264)..)?);
        let profile = bits.u(8)? as u8;
        let constraints = bits.u(8)? as u8;
        let level = bits.u(8)? as u8;
        let id = bits.ue_up_to(31)?;
        let format = match profile {
            100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135 => {
                sample_format(&mut bits, 6, |_| Some(()))?
            }
            _ => SampleFormat { chroma_format: 1, luma_bits: 8, chroma_bits: 8 },
        };
        Some(Self { profile, constraints, level, id, format })
    }
}

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
        bits.skip(4)?; // sps_video_parameter_set_id
        let sub_layers = bits.u(3).filter(|&n| n <= 6)?;
        let temporal_id_nesting = bits.flag()?;
        let profile = bits.u(8)? as u8;
        let compatibility = bits.u(32)?;
        let constraints = u64::from(bits.u(32)?) << 16 | u64::from(bits.u(16)?);
        let level = bits.u(8)? as u8;
        skip_sub_layers(&mut bits, sub_layers)?;
        let id = bits.ue_up_to(15)?;
        let format = sample_format(&mut bits, 8, |bits| {
            bits.ue()?; // pic_width_in_luma_samples
            bits.ue()?; // pic_height_in_luma_samples
            if bits.flag()? {
                (0..4).try_for_each(|_| bits.ue().map(drop))?; // conformance window
            }
            Some(())
        })?;
        Some(Self {
            profile,
            compatibility,
            constraints,
            level,
            temporal_layers: sub_layers as u8 + 1,
            temporal_id_nesting,
            id,
            format,
        })
    }
}

/// The id of an H.265 sequence parameter set of any layer (H.265 7.3.2.2.1 with F.7.3.2.2.1, where
/// those of other layers may have no profile_tier_level).
pub(crate) fn h265_id(nal: &[u8]) -> Option<u8> {
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

/// chroma_format_idc to bit_depth_chroma_minus8; `size` reads what H.265 has between the two.
fn sample_format(
    bits: &mut BitReader<'_>,
    max_depth_minus8: u8,
    size: impl FnOnce(&mut BitReader<'_>) -> Option<()>,
) -> Option<SampleFormat> {
    let chroma_format = bits.ue_up_to(3)?;
    if chroma_format == 3 {
        bits.skip(1)?; // separate_colour_plane_flag
    }
    size(bits)?;
    Some(SampleFormat {
        chroma_format,
        luma_bits: 8 + bits.ue_up_to(max_depth_minus8)?,
        chroma_bits: 8 + bits.ue_up_to(max_depth_minus8)?,
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes of a NAL unit of which the header and then (value, bits) are given; ue(v) codes
    /// are written as the number that they read as, plus 1. No emulation prevention.
    fn nal(header: &[u8], fields: &[(u64, u32)]) -> Vec<u8> {
        let mut bits: Vec<bool> = Vec::new();
        for &(value, len) in fields {
            bits.extend((0..len).rev().map(|bit| value >> bit & 1 == 1));
        }
        let bytes = bits.chunks(8).map(|byte| {
            byte.iter().enumerate().fold(0, |all, (at, &bit)| all | u8::from(bit) << (7 - at))
        });
        header.iter().copied().chain(bytes).collect()
    }

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
        assert_eq!(h265_id(&sps), Some(2));
    }

    #[test]
    fn an_h265_sps_of_another_layer_has_an_id_but_no_facts() {
        // nuh_layer_id 1; sps_ext_or_max_sub_layers_minus1 7: the id follows at once.
        let sps = nal(&[0x42, 9], &[(0, 4), (7, 3), (6, 5), (1, 1)]);
        assert_eq!(h265_id(&sps), Some(5));
        assert_eq!(H265Sps::parse(&sps), None);
        assert_eq!(h265_id(&nal(&[0x42, 1], &[(0, 4), (7, 3), (6, 5), (1, 1)])), None);
    }

    #[test]
    fn an_sps_cut_anywhere_before_its_last_field_is_none() {
        let whole = nal(&[0x42, 1], &h265(0, &[]));
        for len in 0..whole.len() - 1 {
            assert_eq!(H265Sps::parse(&whole[..len]), None, "{len} bytes");
        }
    }
}
