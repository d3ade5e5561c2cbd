//! OSStatus and CVReturn: what a function of Apple's answers.

use std::fmt;

/// What went wrong, as a number that is never 0. Shown by its name and meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Status(pub(crate) i32);

impl Status {
    /// `Ok` for 0.
    pub(crate) fn check(status: i32) -> Result<(), Self> {
        if status == 0 { Ok(()) } else { Err(Status(status)) }
    }

    pub(crate) const ALLOCATION_FAILED: Self = Status(-12904);
    pub(crate) const PARAMETER: Self = Status(-12902);
    pub(crate) const NO_ENCODER: Self = Status(-12908);
    pub(crate) const BAD_LENGTH: Self = Status(-12704);
    pub(crate) const EMPTY_BLOCK: Self = Status(-12706);
    pub(crate) const NO_VALUE: Self = Status(-12718);
    pub(crate) const INVALID_SESSION: Self = Status(-12903);
    pub(crate) const NO_DECODER: Self = Status(-12906);
    pub(crate) const UNSUPPORTED_DATA_FORMAT: Self = Status(-12910);
    pub(crate) const DECODER_MALFUNCTION: Self = Status(-12911);
    pub(crate) const ENCODER_MALFUNCTION: Self = Status(-12912);
    pub(crate) const DECODER_REMOVED: Self = Status(-17690);
    pub(crate) const SESSION_MALFUNCTION: Self = Status(-17691);
}

/// Number, Apple's name, and what it means here. VTErrors.h, CMBlockBuffer.h, CMSampleBuffer.h,
/// CMFormatDescription.h, CVReturn.h, MacErrors.h, and of QuickTime's ImageCompression.h what codecs still
/// answer.
const NAMES: &[(i32, &str, &str)] = &[
    (-50, "paramErr", "a parameter is wrong"),
    (-108, "memFullErr", "no memory"),
    (-6660, "kCVReturnError", "it failed"),
    (-6661, "kCVReturnInvalidArgument", "a parameter is wrong"),
    (-6662, "kCVReturnAllocationFailed", "no memory"),
    (-6663, "kCVReturnUnsupported", "not supported"),
    (-6680, "kCVReturnInvalidPixelFormat", "no buffers of this pixel format"),
    (-6681, "kCVReturnInvalidSize", "no buffers of this size"),
    (-6682, "kCVReturnInvalidPixelBufferAttributes", "no buffers with these attributes"),
    (-6683, "kCVReturnPixelBufferNotOpenGLCompatible", "not for OpenGL"),
    (-6684, "kCVReturnPixelBufferNotMetalCompatible", "not for Metal"),
    (-6689, "kCVReturnWouldExceedAllocationThreshold", "too many buffers are in use"),
    (-6690, "kCVReturnPoolAllocationFailed", "the pool of buffers cannot be made"),
    (-6691, "kCVReturnInvalidPoolAttributes", "no pool of buffers with these attributes"),
    (-6692, "kCVReturnRetry", "the buffers are being looked through; try again"),
    (-8960, "codecErr", "the codec has failed"),
    (-8961, "noCodecErr", "there is no such codec"),
    (-8969, "codecBadDataErr", "the data are damaged"),
    (-8973, "codecOpenErr", "the codec does not start"),
    (-12210, "kVTVideoDecoderAuthorizationErr", "the decoder may not be used"),
    (-12211, "kVTVideoEncoderAuthorizationErr", "the encoder may not be used"),
    (-12212, "kVTColorCorrectionPixelTransferFailedErr", "the pixels could not be converted"),
    (-12213, "kVTMultiPassStorageIdentifierMismatchErr", "of another multi-pass storage"),
    (-12214, "kVTMultiPassStorageInvalidErr", "the multi-pass storage is not valid"),
    (-12215, "kVTFrameSiloInvalidTimeStampErr", "a time is not valid"),
    (-12216, "kVTFrameSiloInvalidTimeRangeErr", "a range of times is not valid"),
    (-12217, "kVTCouldNotFindTemporalFilterErr", "no temporal filter"),
    (-12218, "kVTPixelTransferNotPermittedErr", "the pixels may not be converted"),
    (-12219, "kVTColorCorrectionImageRotationFailedErr", "the picture could not be rotated"),
    (-12700, "kCMBlockBufferStructureAllocationFailedErr", "no memory for a block"),
    (-12701, "kCMBlockBufferBlockAllocationFailedErr", "no memory for a block's bytes"),
    (-12702, "kCMBlockBufferBadCustomBlockSourceErr", "a block has no source"),
    (-12703, "kCMBlockBufferBadOffsetParameterErr", "an offset beyond the block"),
    (-12704, "kCMBlockBufferBadLengthParameterErr", "a length beyond the block"),
    (-12705, "kCMBlockBufferBadPointerParameterErr", "a block was not given"),
    (-12706, "kCMBlockBufferEmptyBBufErr", "the block is empty"),
    (-12707, "kCMBlockBufferUnallocatedBlockErr", "the block's bytes are not there"),
    (-12708, "kCMBlockBufferInsufficientSpaceErr", "a block is too small"),
    (-12710, "kCMFormatDescriptionError_InvalidParameter", "no format can be described from it"),
    (-12711, "kCMFormatDescriptionError_AllocationFailed", "no memory for a format"),
    (-12718, "kCMFormatDescriptionError_ValueNotAvailable", "the format does not say this"),
    (-12730, "kCMSampleBufferError_AllocationFailed", "no memory for a sample"),
    (-12731, "kCMSampleBufferError_RequiredParameterMissing", "a parameter is missing"),
    (-12732, "kCMSampleBufferError_AlreadyHasDataBuffer", "the sample has its data already"),
    (-12733, "kCMSampleBufferError_BufferNotReady", "the sample is not there yet"),
    (-12734, "kCMSampleBufferError_SampleIndexOutOfRange", "there are fewer samples"),
    (-12735, "kCMSampleBufferError_BufferHasNoSampleSizes", "the sample has no size"),
    (-12736, "kCMSampleBufferError_BufferHasNoSampleTimingInfo", "the sample has no times"),
    (-12737, "kCMSampleBufferError_ArrayTooSmall", "an array is too small"),
    (-12738, "kCMSampleBufferError_InvalidEntryCount", "a count does not fit"),
    (-12739, "kCMSampleBufferError_CannotSubdivide", "the sample cannot be divided"),
    (-12740, "kCMSampleBufferError_SampleTimingInfoInvalid", "the sample's times are not valid"),
    (-12741, "kCMSampleBufferError_InvalidMediaTypeForOperation", "not for this kind of sample"),
    (-12742, "kCMSampleBufferError_InvalidSampleData", "the sample's data are damaged"),
    (-12743, "kCMSampleBufferError_InvalidMediaFormat", "the sample's format is not valid"),
    (-12744, "kCMSampleBufferError_Invalidated", "the sample is not valid any more"),
    (-12900, "kVTPropertyNotSupportedErr", "it has no such property"),
    (-12901, "kVTPropertyReadOnlyErr", "the property cannot be set"),
    (-12902, "kVTParameterErr", "a parameter is wrong"),
    (-12903, "kVTInvalidSessionErr", "the session is not valid any more"),
    (-12904, "kVTAllocationFailedErr", "no memory"),
    (-12905, "kVTPixelTransferNotSupportedErr", "these pixels cannot be converted"),
    (-12906, "kVTCouldNotFindVideoDecoderErr", "there is no such decoder"),
    (-12907, "kVTCouldNotCreateInstanceErr", "the codec does not start"),
    (-12908, "kVTCouldNotFindVideoEncoderErr", "there is no such encoder"),
    (-12909, "kVTVideoDecoderBadDataErr", "the data are damaged"),
    (-12910, "kVTVideoDecoderUnsupportedDataFormatErr", "it does not decode this kind of stream"),
    (-12911, "kVTVideoDecoderMalfunctionErr", "the decoder has failed"),
    (-12912, "kVTVideoEncoderMalfunctionErr", "the encoder has failed"),
    (-12913, "kVTVideoDecoderNotAvailableNowErr", "all decoders are in use"),
    (-12914, "kVTPixelRotationNotSupportedErr", "the picture cannot be rotated"),
    (-12915, "kVTVideoEncoderNotAvailableNowErr", "all encoders are in use"),
    (-12916, "kVTFormatDescriptionChangeNotSupportedErr", "it cannot go on with another format"),
    (-12917, "kVTInsufficientSourceColorDataErr", "the picture's colours are not described"),
    (-12918, "kVTCouldNotCreateColorCorrectionDataErr", "the colours cannot be corrected"),
    (-12919, "kVTColorSyncTransformConvertFailedErr", "the colours could not be converted"),
    (-16750, "kCMSampleBufferError_DataFailed", "the sample's data could not be had"),
    (-16751, "kCMSampleBufferError_DataCanceled", "the sample's data were given up"),
    (-17690, "kVTVideoDecoderRemovedErr", "the decoder was removed"),
    (-17691, "kVTSessionMalfunctionErr", "the session has failed"),
    (-17692, "kVTVideoDecoderNeedsRosettaErr", "the decoder needs Rosetta"),
    (-17693, "kVTVideoEncoderNeedsRosettaErr", "the encoder needs Rosetta"),
    (-17694, "kVTVideoDecoderReferenceMissingErr", "a picture is missing that it refers to"),
    (
        -17695,
        "kVTVideoDecoderCallbackMessagingErr",
        "a picture got lost on its way from the decoder",
    ),
    (-17696, "kVTVideoDecoderUnknownErr", "the decoder does not say what"),
    (-17697, "kVTExtensionDisabledErr", "the codec's extension is switched off"),
    (-17698, "kVTVideoEncoderMVHEVCVideoLayerIDsMismatchErr", "the layers do not match"),
    (-17699, "kVTCouldNotOutputTaggedBufferGroupErr", "no group of pictures can be given"),
    (-19510, "kVTCouldNotFindExtensionErr", "there is no such extension"),
    (-19511, "kVTExtensionConflictErr", "two extensions are in each other's way"),
    (-19512, "kVTVideoEncoderAutoWhiteBalanceNotLockedErr", "the white balance is not fixed"),
];

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Status(number) = self;
        match NAMES.iter().find(|(known, ..)| known == number) {
            Some((_, name, meaning)) => write!(f, "{meaning} ({name}, {number})"),
            None => write!(f, "OSStatus {number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_shown_by_its_meaning_and_name() {
        let text = Status::INVALID_SESSION.to_string();
        assert_eq!(text, "the session is not valid any more (kVTInvalidSessionErr, -12903)");
        assert_eq!(Status(-1).to_string(), "OSStatus -1");
    }

    #[test]
    fn a_number_has_one_name() {
        for pair in NAMES.windows(2) {
            assert!(pair[0].0 > pair[1].0, "{pair:?}");
        }
    }
}
