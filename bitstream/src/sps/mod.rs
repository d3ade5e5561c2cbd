//! Sequence parameter sets: what they say of the stream.
//!
//! [`StreamFacts`] is all that somebody who sets up a decoder needs; [`H264Sps`] and [`H265Sps`]
//! are the first fields of each codec, as far as the records repeat them.

mod h264;
mod h265;
mod reference_pictures;
mod vui;

pub use h264::H264Sps;
pub use h265::H265Sps;

pub(crate) use h264::{
    OrderCount as H264OrderCount, SliceFacts as H264SliceFacts, slice_facts as h264_slice_facts,
};
pub(crate) use h265::{
    SliceFacts as H265SliceFacts, id as h265_id, slice_facts as h265_slice_facts,
};

use crate::bits::BitReader;
use crate::nal::Codec;

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

/// What a sequence parameter set says of the stream, in the same terms for both codecs.
///
/// Sizes are in luma samples. The codes are those of the specifications' annexes E, which are
/// those of ISO/IEC 23091-2; what is absent from the stream has the value that is inferred for it,
/// or is none where there is no such value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StreamFacts {
    /// Width of the coded pictures, 1 to 65536.
    pub coded_width: u32,
    /// Height of the coded frames, 1 to 65536. An H.264 frame may be coded as two fields.
    pub coded_height: u32,
    /// Width that is shown: of H.264's frame cropping, H.265's conformance window.
    pub width: u32,
    /// Height that is shown.
    pub height: u32,
    /// Whether samples are cut off on the left or at the top.
    pub cut_at_start: bool,
    /// Chroma format and bit depths.
    pub format: SampleFormat,
    /// profile_idc or general_profile_idc.
    pub profile: u8,
    /// level_idc: ten times the level, 9 for level 1b. general_level_idc: thirty times the level.
    pub level: u8,
    /// Whether pictures may be interlaced: H.264's frame_mbs_only_flag is 0; H.265's field_seq_flag
    /// or general_interlaced_source_flag is 1.
    pub maybe_interlaced: bool,
    /// How many pictures at most come before another one in decoding order and behind it in output
    /// order, 0 to 16: max_num_reorder_frames, or what H.264 E.2.1 infers without it;
    /// sps_max_num_reorder_pics of the highest sub-layer.
    pub reorder_depth: u8,
    /// Whether the parameter set says so. What is inferred is the most that there can be, and mostly far
    /// more than there is.
    pub tells_reorder_depth: bool,
    /// Whether there is video usability information, which all that follows is.
    pub has_vui: bool,
    /// Width to height of a sample; none if unspecified.
    pub sample_aspect_ratio: Option<(u16, u16)>,
    /// video_full_range_flag; none if unspecified, which is as good as false.
    pub full_range: Option<bool>,
    /// colour_primaries; 2 is unspecified.
    pub primaries: u8,
    /// transfer_characteristics; 2 is unspecified.
    pub transfer: u8,
    /// matrix_coeffs, H.264's matrix_coefficients; 2 is unspecified.
    pub matrix: u8,
    /// chroma_sample_loc_type_top_field, 0 to 5; none if unspecified.
    pub chroma_location: Option<u8>,
    /// None if unspecified. What an H.265 VPS says of it is not looked at.
    pub timing: Option<Timing>,
}

/// What the parameter set says of time.
///
/// A tick is the time of a field in H.264, so that a frame has two of them, and that of a picture
/// in H.265. Only a fixed rate makes this the frame rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timing {
    /// num_units_in_tick, not 0: how many of the clock's units a tick has.
    pub units_in_tick: u32,
    /// time_scale, not 0: how many of the clock's units a second has.
    pub time_scale: u32,
}

impl StreamFacts {
    /// From an SPS (H.264 7.3.2.1.1, H.265 7.3.2.2.1), that of H.265's base layer. None if it is
    /// anything else, or if a field is missing or out of its range.
    pub fn from_sps(codec: Codec, nal: &[u8]) -> Option<Self> {
        match codec {
            Codec::H264 => h264::facts(nal),
            Codec::H265 => h265::facts(nal),
        }
    }
}

/// The coded size, and what is cut from it.
#[derive(Clone, Copy, Debug)]
struct Frame {
    width: u32,
    height: u32,
    /// Luma samples in a unit of `crop`, across and down.
    crop_unit: (u32, u32),
    /// Left, right, top, bottom.
    crop: [u32; 4],
}

impl Frame {
    /// Sides of more than 65536 samples are in no level of either codec.
    const MAX_SIDE: u32 = 1 << 16;

    fn cut_at_start(&self) -> bool {
        let [left, _, top, _] = self.crop;
        left > 0 || top > 0
    }

    /// Width and height that are shown; none if nothing is, or if the coded size is out of range.
    fn shown(&self) -> Option<(u32, u32)> {
        let side = |coded: u32, unit: u32, [before, after]: [u32; 2]| {
            let cut = u64::from(unit) * (u64::from(before) + u64::from(after));
            let shown = u64::from(coded).checked_sub(cut).filter(|&shown| shown > 0)?;
            u32::try_from(shown).ok().filter(|_| coded <= Self::MAX_SIDE)
        };
        let [left, right, top, bottom] = self.crop;
        Some((
            side(self.width, self.crop_unit.0, [left, right])?,
            side(self.height, self.crop_unit.1, [top, bottom])?,
        ))
    }
}

/// SubWidthC and SubHeightC (table 6-1 of both specifications), 1 where there is no chroma.
fn chroma_subsampling(chroma_format: u8) -> (u32, u32) {
    match chroma_format {
        1 => (2, 2),
        2 => (2, 1),
        _ => (1, 1),
    }
}

/// Four numbers of a window, or zeros where a flag says that there is none.
fn window(bits: &mut BitReader<'_>) -> Option<[u32; 4]> {
    if !bits.flag()? {
        return Some([0; 4]);
    }
    Some([bits.ue()?, bits.ue()?, bits.ue()?, bits.ue()?])
}

/// chroma_format_idc and separate_colour_plane_flag.
fn chroma_format(bits: &mut BitReader<'_>) -> Option<(u8, bool)> {
    let chroma_format = bits.ue_up_to(3)?;
    let separate_planes = chroma_format == 3 && bits.flag()?;
    Some((chroma_format, separate_planes))
}

/// bit_depth_luma_minus8 and bit_depth_chroma_minus8.
fn sample_format(
    bits: &mut BitReader<'_>,
    chroma_format: u8,
    max_minus8: u8,
) -> Option<SampleFormat> {
    Some(SampleFormat {
        chroma_format,
        luma_bits: 8 + bits.ue_up_to(max_minus8)?,
        chroma_bits: 8 + bits.ue_up_to(max_minus8)?,
    })
}

#[cfg(test)]
mod tests {
    /// The bytes of a NAL unit of which the header and then (value, bits) are given; ue(v) codes
    /// are written as the number that they read as, plus 1. No emulation prevention.
    pub(super) fn nal(header: &[u8], fields: &[(u64, u32)]) -> Vec<u8> {
        let mut bits: Vec<bool> = Vec::new();
        for &(value, len) in fields {
            bits.extend((0..len).rev().map(|bit| value >> bit & 1 == 1));
        }
        let bytes = bits.chunks(8).map(|byte| {
            byte.iter().enumerate().fold(0, |all, (at, &bit)| all | u8::from(bit) << (7 - at))
        });
        header.iter().copied().chain(bytes).collect()
    }
}
