//! Packets as the caller gets them.

use std::fmt;
use std::sync::Arc;

use vtremote_bitstream::{Error, ParameterSets, SetKind, annexb};

use crate::buffers::{Buffer, Buffers};

/// One access unit.
#[derive(Debug)]
pub struct Packet {
    /// In units of the time base; its frame's.
    pub pts: i64,
    /// In units of the time base; strictly rising, at most pts.
    pub dts: i64,
    /// In units of the time base; its frame's.
    pub duration: i64,
    /// A decoder can begin here.
    pub keyframe: bool,
    /// FFmpeg's AVPacketSideDataType numbers and what they have.
    pub side_data: Vec<(u32, Vec<u8>)>,
    pub(crate) data: Buffer,
}

impl Packet {
    /// Annex B with 4-byte start codes (H.264 and H.265 Annex B).
    pub fn data(&self) -> &[u8] {
        &self.data
    }
}

/// Brings access units into the form that callers get, whatever form their server gives them.
pub(crate) struct Finisher {
    /// The latest of each parameter set.
    sets: ParameterSets,
    /// Whether parameter sets stand before every keyframe: there is no global header.
    in_band: bool,
    buffers: Arc<Buffers>,
}

impl Finisher {
    pub(crate) fn new(sets: ParameterSets, in_band: bool, buffers: Arc<Buffers>) -> Self {
        Self { sets, in_band, buffers }
    }

    /// The access unit with 4-byte start codes, and a keyframe with every parameter set it needs.
    ///
    /// A keyframe before any parameter set is an error: nobody could decode what follows.
    pub(crate) fn finish(&mut self, access_unit: &[u8], keyframe: bool) -> Result<Buffer, Error> {
        let mut out = self.buffers.take();
        if keyframe && (self.in_band || self.sets.is_empty()) {
            self.sets.update(ParameterSets::in_access_unit(self.sets.codec(), access_unit));
            if self.sets.is_empty() {
                return Err(Error::MissingParameterSet(SetKind::Sps));
            }
        }
        if keyframe && self.in_band {
            self.sets.prepend_missing(access_unit, &mut out)?;
        } else {
            annexb::with_four_byte_start_codes(access_unit, &mut out)?;
        }
        Ok(out)
    }
}

impl fmt::Debug for Finisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Finisher").field("in_band", &self.in_band).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vtremote_bitstream::Codec;

    const SPS: [u8; 5] = [0x67, 0x42, 0, 0x1e, 0x80];
    const PPS: [u8; 3] = [0x68, 0xce, 0x80];
    const IDR: [u8; 3] = [0x65, 0x88, 0x80];

    fn stream(nals: &[&[u8]], start_code: &[u8]) -> Vec<u8> {
        nals.iter().flat_map(|nal| [start_code, nal].concat()).collect()
    }

    fn finisher(sets: &[&[u8]], in_band: bool) -> Finisher {
        let sets = stream(sets, &[0, 0, 0, 1]);
        let sets = ParameterSets::from_extradata(Codec::H264, &sets).unwrap().0;
        Finisher::new(sets, in_band, Buffers::new(1))
    }

    #[test]
    fn a_keyframe_needs_parameter_sets_from_somewhere() {
        let bare = stream(&[&IDR], &[0, 0, 0, 1]);
        let whole = stream(&[&SPS, &PPS, &IDR], &[0, 0, 0, 1]);
        for in_band in [true, false] {
            let missing = Err(Error::MissingParameterSet(SetKind::Sps));
            assert_eq!(finisher(&[], in_band).finish(&bare, true).map(|_| ()), missing);
            assert!(finisher(&[&SPS, &PPS], in_band).finish(&bare, true).is_ok());
            let mut later = finisher(&[], in_band);
            assert!(later.finish(&whole, true).is_ok());
            assert!(later.finish(&bare, true).is_ok(), "they are known by now");
        }
    }

    #[test]
    fn start_codes_become_four_bytes_long() {
        let mut finisher = finisher(&[], true);
        let slice = [0x41, 0x9a, 0x80];
        let made = finisher.finish(&stream(&[&slice], &[0, 0, 1]), false).unwrap();
        assert_eq!(*made, stream(&[&slice], &[0, 0, 0, 1]));
    }

    #[test]
    fn a_keyframe_without_parameter_sets_gets_those_of_the_extradata() {
        let idr = stream(&[&IDR], &[0, 0, 0, 1]);
        let whole = stream(&[&SPS, &PPS, &IDR], &[0, 0, 0, 1]);
        assert_eq!(*finisher(&[&SPS, &PPS], true).finish(&idr, true).unwrap(), whole);
        assert_eq!(*finisher(&[&SPS, &PPS], true).finish(&whole, true).unwrap(), whole);
        assert_eq!(*finisher(&[&SPS, &PPS], false).finish(&idr, true).unwrap(), idr);
    }

    #[test]
    fn without_extradata_later_keyframes_get_the_first_ones_sets() {
        let mut finisher = finisher(&[], true);
        let whole = stream(&[&SPS, &PPS, &IDR], &[0, 0, 0, 1]);
        assert_eq!(*finisher.finish(&whole, true).unwrap(), whole);
        assert_eq!(*finisher.finish(&stream(&[&IDR], &[0, 0, 1]), true).unwrap(), whole);
    }

    #[test]
    fn what_has_no_start_code_is_refused() {
        assert!(finisher(&[], true).finish(&[0, 0, 0, 3, 0x65, 1, 2], true).is_err());
        assert!(finisher(&[], true).finish(&[0x65, 1, 2], false).is_err());
    }
}
