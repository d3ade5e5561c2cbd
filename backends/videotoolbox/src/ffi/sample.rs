//! CMSampleBuffer, CMBlockBuffer and CMVideoFormatDescription, as an encoder's output has them.

use super::status::Status;
use super::time::Time;
use objc2_core_foundation::{CFBoolean, CFDictionary, CFString, CFType};
use objc2_core_media::{
    CMFormatDescription, CMSampleBuffer, CMVideoFormatDescriptionGetH264ParameterSetAtIndex,
    CMVideoFormatDescriptionGetHEVCParameterSetAtIndex, kCMSampleAttachmentKey_NotSync,
};
use std::ffi::c_int;
use std::ptr::{self, NonNull};
use std::slice;
use vtremote_backend::Codec;

/// One access unit, while its owner shows it.
pub(crate) struct Sample<'a>(pub(super) &'a CMSampleBuffer);

impl Sample<'_> {
    /// Whether decoding can begin with it: everything that is not said to be otherwise.
    pub(crate) fn is_sync(&self) -> bool {
        // SAFETY: it asks for what is there, and makes nothing.
        let attachments = unsafe { self.0.sample_attachments_array(false) };
        let Some(attachments) = attachments.filter(|array| !array.is_empty()) else { return true };
        // SAFETY: the array has a dictionary for each sample (CMSampleBuffer.h), whose keys are strings and
        // whose values are objects; it is kept and not changed meanwhile.
        let not_sync = unsafe {
            let first = attachments.value_at_index(0).cast::<CFDictionary<CFString, CFType>>();
            first.as_ref().and_then(|first| first.get(kCMSampleAttachmentKey_NotSync))
        };
        let not_sync =
            not_sync.and_then(|value| Some(value.downcast_ref::<CFBoolean>()?.as_bool()));
        !not_sync.unwrap_or(false)
    }

    /// When it is shown; none where nothing says.
    pub(crate) fn presentation_time(&self) -> Option<Time> {
        // SAFETY: it only reads.
        Time::read(unsafe { self.0.presentation_time_stamp() })
    }

    /// When it is to be decoded; none where that is when it is shown.
    pub(crate) fn decode_time(&self) -> Option<Time> {
        // SAFETY: it only reads.
        Time::read(unsafe { self.0.decode_time_stamp() })
    }

    /// NAL units behind their lengths.
    ///
    /// Of the sample's own size: its block may be longer, and be made of several pieces.
    pub(crate) fn bytes(&self) -> Result<Vec<u8>, Status> {
        // SAFETY: these only read.
        let (block, len) = unsafe { (self.0.data_buffer(), self.0.total_sample_size()) };
        let block = block.filter(|_| len > 0).ok_or(Status::EMPTY_BLOCK)?;
        // SAFETY: as above.
        if len > unsafe { block.data_length() } {
            return Err(Status::BAD_LENGTH);
        }
        let mut bytes = vec![0; len];
        // SAFETY: there are `len` bytes to write to, and the block has as many.
        Status::check(unsafe {
            block.copy_data_bytes(0, len, NonNull::from(&mut bytes[..]).cast())
        })?;
        Ok(bytes)
    }

    /// The NAL units of the parameter sets, and how many bytes the lengths in [`Sample::bytes`] have.
    pub(crate) fn parameter_sets(&self, codec: Codec) -> Result<(Vec<Vec<u8>>, u8), Status> {
        // SAFETY: it only reads.
        let format = unsafe { self.0.format_description() };
        let format = format.ok_or(Status::NO_VALUE)?;
        let (_, count, length_size) = parameter_set(&format, codec, 0)?;
        let sets = (0..count).map(|index| Ok(parameter_set(&format, codec, index)?.0));
        let length_size = u8::try_from(length_size).map_err(|_| Status::NO_VALUE)?;
        Ok((sets.collect::<Result<_, Status>>()?, length_size))
    }
}

/// A parameter set, how many there are, and the size of a NAL unit's length.
fn parameter_set(
    format: &CMFormatDescription,
    codec: Codec,
    index: usize,
) -> Result<(Vec<u8>, usize, c_int), Status> {
    let (mut bytes, mut len, mut count, mut length_size) = (ptr::null(), 0, 0, 0);
    let get = match codec {
        Codec::H264 => CMVideoFormatDescriptionGetH264ParameterSetAtIndex,
        Codec::H265 => CMVideoFormatDescriptionGetHEVCParameterSetAtIndex,
    };
    // SAFETY: each pointer is valid for the one value that is written to it.
    let status = unsafe { get(format, index, &mut bytes, &mut len, &mut count, &mut length_size) };
    Status::check(status)?;
    if bytes.is_null() {
        return Err(Status::NO_VALUE);
    }
    // SAFETY: so many bytes are there as long as the format is, which the caller holds.
    let set = unsafe { slice::from_raw_parts(bytes, len) }.to_vec();
    Ok((set, count, length_size))
}
