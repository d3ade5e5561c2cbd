//! Video usability information (E.1.1 of H.264, E.2.1 of H.265): what both codecs have.

use super::Timing;
use crate::bits::BitReader;

/// What is in the VUI, and what is inferred where it isn't.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vui {
    pub(super) sample_aspect_ratio: Option<(u16, u16)>,
    pub(super) full_range: Option<bool>,
    pub(super) primaries: u8,
    pub(super) transfer: u8,
    pub(super) matrix: u8,
    pub(super) chroma_location: Option<u8>,
    pub(super) timing: Option<Timing>,
}

const UNSPECIFIED: u8 = 2;

impl Default for Vui {
    fn default() -> Self {
        Self {
            sample_aspect_ratio: None,
            full_range: None,
            primaries: UNSPECIFIED,
            transfer: UNSPECIFIED,
            matrix: UNSPECIFIED,
            chroma_location: None,
            timing: None,
        }
    }
}

/// Table E-1 from aspect_ratio_idc 1 on.
const ASPECT_RATIOS: [(u16, u16); 16] = [
    (1, 1),
    (12, 11),
    (10, 11),
    (16, 11),
    (40, 33),
    (24, 11),
    (20, 11),
    (32, 11),
    (80, 33),
    (18, 11),
    (15, 11),
    (64, 33),
    (160, 99),
    (4, 3),
    (3, 2),
    (2, 1),
];
const EXTENDED_SAR: u8 = 255;

/// From aspect_ratio_info_present_flag to chroma_sample_loc_type_bottom_field.
pub(super) fn read_signal(bits: &mut BitReader<'_>) -> Option<Vui> {
    let mut vui = Vui::default();
    if bits.flag()? {
        vui.sample_aspect_ratio = read_aspect_ratio(bits)?;
    }
    if bits.flag()? {
        bits.skip(1)?; // overscan_appropriate_flag
    }
    if bits.flag()? {
        bits.skip(3)?; // video_format
        vui.full_range = Some(bits.flag()?);
        if bits.flag()? {
            vui.primaries = bits.u(8)? as u8;
            vui.transfer = bits.u(8)? as u8;
            vui.matrix = bits.u(8)? as u8;
        }
    }
    if bits.flag()? {
        vui.chroma_location = Some(bits.ue_up_to(5)?);
        bits.ue_up_to(5)?; // chroma_sample_loc_type_bottom_field
    }
    Some(vui)
}

/// num_units_in_tick and time_scale. Zeros, which are not allowed, count as unspecified: there are
/// streams that have them.
pub(super) fn read_timing(bits: &mut BitReader<'_>) -> Option<Option<Timing>> {
    let timing = Timing { units_in_tick: bits.u(32)?, time_scale: bits.u(32)? };
    Some(Some(timing).filter(|timing| timing.units_in_tick > 0 && timing.time_scale > 0))
}

/// Reserved codes, and ratios with a 0, are unspecified.
fn read_aspect_ratio(bits: &mut BitReader<'_>) -> Option<Option<(u16, u16)>> {
    match bits.u(8)? as u8 {
        EXTENDED_SAR => {
            let ratio = (bits.u(16)? as u16, bits.u(16)? as u16);
            Some(Some(ratio).filter(|&(width, height)| width > 0 && height > 0))
        }
        0 => Some(None),
        idc => Some(ASPECT_RATIOS.get(usize::from(idc) - 1).copied()),
    }
}
