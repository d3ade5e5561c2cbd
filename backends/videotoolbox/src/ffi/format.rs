//! CMVideoFormatDescription, as a decoder is given it.

use super::Status;
use objc2_core_foundation::CFRetained;
use objc2_core_media::{
    CMFormatDescription, CMVideoFormatDescriptionCreateFromH264ParameterSets,
    CMVideoFormatDescriptionCreateFromHEVCParameterSets,
};
use std::ptr::{self, NonNull};
use vtremote_backend::Codec;
use vtremote_bitstream::LengthSize;

/// What a decoder is told of a stream: its parameter sets, and that NAL units stand behind their lengths.
#[derive(Clone)]
pub(crate) struct FormatDescription(CFRetained<CMFormatDescription>);

impl FormatDescription {
    /// From NAL units, which are parameter sets of this codec: an SPS and a PPS at least, for H.265 a VPS
    /// too. Samples have lengths of [`LengthSize::FOUR`].
    pub(crate) fn from_parameter_sets(codec: Codec, sets: &[&[u8]]) -> Result<Self, Status> {
        let sets: Vec<&[u8]> = sets.iter().copied().filter(|set| !set.is_empty()).collect();
        let mut pointers: Vec<NonNull<u8>> =
            sets.iter().map(|set| NonNull::from(*set).cast()).collect();
        let mut sizes: Vec<usize> = sets.iter().map(|set| set.len()).collect();
        let (count, length) = (sets.len(), LengthSize::FOUR.bytes() as i32);
        let (pointers, sizes) =
            (NonNull::from(&mut pointers[..]).cast(), NonNull::from(&mut sizes[..]).cast());
        let mut made: *const CMFormatDescription = ptr::null();
        let out = NonNull::from(&mut made);
        let status = match codec {
            // SAFETY: there are `count` pointers, each to as many bytes as the size of the same place says,
            // and all outlive the call, which copies what it keeps.
            Codec::H264 => unsafe {
                CMVideoFormatDescriptionCreateFromH264ParameterSets(
                    None, count, pointers, sizes, length, out,
                )
            },
            // SAFETY: as above; there are no extensions.
            Codec::H265 => unsafe {
                CMVideoFormatDescriptionCreateFromHEVCParameterSets(
                    None, count, pointers, sizes, length, None, out,
                )
            },
        };
        Status::check(status)?;
        let made = NonNull::new(made.cast_mut()).ok_or(Status::ALLOCATION_FAILED)?;
        // SAFETY: a function of the name Create gives a reference that is ours to release.
        Ok(FormatDescription(unsafe { CFRetained::from_raw(made) }))
    }

    pub(super) fn raw(&self) -> &CMFormatDescription {
        &self.0
    }
}
