//! Parameter sets that say what a decoder has to know of a stream: its size, depth and reordering.

use crate::bits::{BitWriter, append_nal};
use vtremote_backend::{Codec, PixelFormat};

/// What the parameter sets of a stream are made from.
///
/// Like a hardware encoder this one makes 4:2:0 of packed 4:4:4 pictures. Chroma that is subsampled
/// has whole samples only, so the stream's size is the odd size rounded up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sequence {
    pub(crate) codec: Codec,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) format: PixelFormat,
    /// Whether there are B-frames.
    pub(crate) reordered: bool,
}

/// Bits of a picture order count in a slice header, and of H.264's frame_num.
pub(crate) const COUNT_BITS: u32 = 8;

impl Sequence {
    /// The parameter sets as Annex B: SPS and PPS, and for H.265 a VPS before them.
    pub(crate) fn parameter_sets(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self.codec {
            Codec::H264 => {
                append_nal(&mut out, &[0x67], &self.h264_sps());
                append_nal(&mut out, &[0x68], &h264_pps());
            }
            Codec::H265 => {
                append_nal(&mut out, &[32 << 1, 1], &self.h265_vps());
                append_nal(&mut out, &[33 << 1, 1], &self.h265_sps());
                append_nal(&mut out, &[34 << 1, 1], &h265_pps());
            }
        }
        out
    }

    fn depth(&self) -> u32 {
        match self.format {
            PixelFormat::P010 | PixelFormat::P210 => 10,
            PixelFormat::Nv12 | PixelFormat::Bgra | PixelFormat::Ayuv => 8,
        }
    }

    /// chroma_format_idc: 1 is 4:2:0, 2 is 4:2:2.
    fn chroma_format(&self) -> u32 {
        if self.format == PixelFormat::P210 { 2 } else { 1 }
    }

    /// Luma rows per chroma row: SubHeightC of H.264 and H.265 table 6-1. SubWidthC is always 2.
    fn chroma_rows(&self) -> u32 {
        if self.chroma_format() == 2 { 1 } else { 2 }
    }

    /// Frames that a decoder keeps to predict from.
    fn references(&self) -> u32 {
        1 + u32::from(self.reordered)
    }

    /// What is cut off at the right and at the bottom of blocks of this size, in chroma samples
    /// (frame_crop_*_offset of H.264 7.4.2.1.1, conf_win_*_offset of H.265 7.4.3.2.1).
    fn crop(&self, block: u32) -> (u32, u32) {
        let beyond = |size: u32| size.next_multiple_of(block) - size;
        (beyond(self.width) / 2, beyond(self.height) / self.chroma_rows())
    }

    /// H.264 7.3.2.1.1.
    fn h264_sps(&self) -> Vec<u8> {
        let (columns, rows) = (self.width.div_ceil(16), self.height.div_ceil(16));
        let profile = match (self.chroma_format(), self.depth()) {
            (2, _) => 122,
            (_, 10) => 110,
            _ => 100,
        };
        let mut sps = BitWriter::default();
        sps.u(8, profile).u(8, 0).u(8, h264_level(columns * rows).into());
        sps.ue(0).ue(self.chroma_format()).ue(self.depth() - 8).ue(self.depth() - 8);
        // No transform bypass, no scaling lists; frame_num, pic_order_cnt_type, pic_order_cnt_lsb.
        sps.flag(false).flag(false).ue(COUNT_BITS - 4).ue(0).ue(COUNT_BITS - 4);
        sps.ue(self.references()).flag(false).ue(columns - 1).ue(rows - 1);
        // frame_mbs_only_flag, direct_8x8_inference_flag.
        sps.flag(true).flag(true);
        let (right, bottom) = self.crop(16);
        sps.flag(right + bottom > 0);
        if right + bottom > 0 {
            sps.ue(0).ue(right).ue(0).ue(bottom);
        }
        // Of the VUI (E.1.1) nothing but bitstream_restriction_flag and what it brings.
        sps.flag(true).u(8, 0).flag(true);
        sps.flag(true).ue(0).ue(0).ue(15).ue(15);
        sps.ue(self.reordered.into()).ue(self.references());
        sps.stop();
        sps.into_bytes()
    }

    /// H.265 7.3.2.1.
    fn h265_vps(&self) -> Vec<u8> {
        let mut vps = BitWriter::default();
        // Id, base layer internal and available, one layer, one sub-layer, temporal nesting.
        vps.u(4, 0).u(2, 0b11).u(6, 0).u(3, 0).flag(true).u(16, 0xffff);
        self.profile_tier_level(&mut vps);
        self.sub_layer_ordering(&mut vps);
        // One layer set; neither timing nor extension.
        vps.u(6, 0).ue(0).flag(false).flag(false).stop();
        vps.into_bytes()
    }

    /// H.265 7.3.2.2: coding blocks of 8 to 16, transform blocks of 4 to 16, every tool off.
    fn h265_sps(&self) -> Vec<u8> {
        let mut sps = BitWriter::default();
        sps.u(4, 0).u(3, 0).flag(true);
        self.profile_tier_level(&mut sps);
        sps.ue(0).ue(self.chroma_format());
        sps.ue(self.width.next_multiple_of(8)).ue(self.height.next_multiple_of(8));
        let (right, bottom) = self.crop(8);
        sps.flag(right + bottom > 0);
        if right + bottom > 0 {
            sps.ue(0).ue(right).ue(0).ue(bottom);
        }
        sps.ue(self.depth() - 8).ue(self.depth() - 8).ue(COUNT_BITS - 4);
        self.sub_layer_ordering(&mut sps);
        sps.ue(0).ue(1).ue(0).ue(2).ue(0).ue(0);
        // Scaling lists, AMP, SAO, PCM; reference picture sets stand in the slices; long-term
        // references, temporal motion vectors, smoothing; VUI, extension.
        sps.u(4, 0).ue(0).u(3, 0).u(2, 0).stop();
        sps.into_bytes()
    }

    /// H.265 7.3.3, main tier.
    fn profile_tier_level(&self, out: &mut BitWriter) {
        let (profile, compatible) = match (self.chroma_format(), self.depth()) {
            (2, _) => (4, 1 << (31 - 4)),
            (_, 10) => (2, 1 << (31 - 2)),
            _ => (1, 1 << (31 - 1) | 1 << (31 - 2)),
        };
        // Progressive, frames only.
        out.u(3, 0).u(5, profile).u(32, compatible).u(4, 0b1001);
        // A.3.5: Main 4:2:2 10 is the range extension with at most 12, 10 bits and 4:2:2.
        let constraints = if profile == 4 { 0b1_1010_0001 } else { 0 };
        out.u(9, constraints).u(34, 0).flag(false);
        out.u(8, h265_level(u64::from(self.width) * u64::from(self.height)).into());
    }

    /// Of the VPS and of the SPS: what the decoder stores and reorders.
    fn sub_layer_ordering(&self, out: &mut BitWriter) {
        // max_dec_pic_buffering_minus1: the references beside the picture itself.
        out.flag(true).ue(self.references()).ue(self.reordered.into()).ue(0);
    }
}

/// H.264 7.3.2.2: every tool off.
fn h264_pps() -> Vec<u8> {
    let mut pps = BitWriter::default();
    pps.ue(0).ue(0).u(2, 0).ue(0).ue(0).ue(0).u(3, 0).ue(0).ue(0).ue(0).u(3, 0).stop();
    pps.into_bytes()
}

/// H.265 7.3.2.3: every tool off.
fn h265_pps() -> Vec<u8> {
    let mut pps = BitWriter::default();
    pps.ue(0).ue(0).u(7, 0).ue(0).ue(0).ue(0).u(3, 0).ue(0).ue(0).u(6, 0).u(1, 0);
    // Deblocking control, scaling lists, list modification; merge level; extensions.
    pps.u(3, 0).ue(0).u(2, 0).stop();
    pps.into_bytes()
}

/// level_idc by MaxFS of H.264 table A-1, in macroblocks; speed and rate are not looked at.
fn h264_level(macroblocks: u32) -> u8 {
    const LEVELS: [(u32, u8); 8] = [
        (396, 20),
        (1620, 30),
        (3600, 31),
        (8192, 40),
        (8704, 42),
        (22080, 50),
        (36864, 51),
        (139264, 60),
    ];
    LEVELS.iter().find(|(most, _)| macroblocks <= *most).map_or(62, |(_, level)| *level)
}

/// general_level_idc by MaxLumaPs of H.265 table A.8.
fn h265_level(samples: u64) -> u8 {
    const LEVELS: [(u64, u8); 6] = [
        (122_880, 60),
        (552_960, 90),
        (983_040, 93),
        (2_228_224, 120),
        (8_912_896, 150),
        (35_651_584, 180),
    ];
    LEVELS.iter().find(|(most, _)| samples <= *most).map_or(186, |(_, level)| *level)
}
