use crate::cf::constants;

constants! {
    kVTCompressionPropertyKey_AlphaChannelMode = "AlphaChannelMode";
    kVTAlphaChannelMode_StraightAlpha = "StraightAlpha";
    kVTCompressionPropertyKey_MaxKeyFrameInterval = "MaxKeyFrameInterval";
    kVTCompressionPropertyKey_AllowFrameReordering = "AllowFrameReordering";
    kVTCompressionPropertyKey_AllowOpenGOP = "AllowOpenGOP";
    kVTCompressionPropertyKey_AverageBitRate = "AverageBitRate";
    kVTCompressionPropertyKey_DataRateLimits = "DataRateLimits";
    kVTCompressionPropertyKey_Quality = "Quality";
    kVTCompressionPropertyKey_TargetQualityForAlpha = "TargetQualityForAlpha";
    kVTCompressionPropertyKey_MoreFramesBeforeStart = "MoreFramesBeforeStart";
    kVTCompressionPropertyKey_MoreFramesAfterEnd = "MoreFramesAfterEnd";
    kVTCompressionPropertyKey_PrioritizeEncodingSpeedOverQuality =
        "PrioritizeEncodingSpeedOverQuality";
    kVTCompressionPropertyKey_ProfileLevel = "ProfileLevel";
    kVTCompressionPropertyKey_HDRMetadataInsertionMode = "HDRMetadataInsertionMode";
    kVTHDRMetadataInsertionMode_Auto = "Auto";
    kVTCompressionPropertyKey_H264EntropyMode = "H264EntropyMode";
    kVTH264EntropyMode_CAVLC = "CAVLC";
    kVTH264EntropyMode_CABAC = "CABAC";
    kVTCompressionPropertyKey_MaxFrameDelayCount = "MaxFrameDelayCount";
    kVTCompressionPropertyKey_MaxH264SliceBytes = "MaxH264SliceBytes";
    kVTCompressionPropertyKey_RealTime = "RealTime";
    kVTCompressionPropertyKey_MaximizePowerEfficiency = "MaximizePowerEfficiency";
    kVTCompressionPropertyKey_ExpectedFrameRate = "ExpectedFrameRate";
    kVTVideoEncoderSpecification_EnableHardwareAcceleratedVideoEncoder =
        "EnableHardwareAcceleratedVideoEncoder";
    kVTVideoEncoderSpecification_RequireHardwareAcceleratedVideoEncoder =
        "RequireHardwareAcceleratedVideoEncoder";
    kVTEncodeFrameOptionKey_ForceKeyFrame = "ForceKeyFrame";
    kVTCompressionPropertyKey_PixelAspectRatio = "PixelAspectRatio";
    kVTCompressionPropertyKey_ColorPrimaries = "ColorPrimaries";
    kVTCompressionPropertyKey_TransferFunction = "TransferFunction";
    kVTCompressionPropertyKey_YCbCrMatrix = "YCbCrMatrix";
    kVTCompressionPropertyKey_MasteringDisplayColorVolume = "MasteringDisplayColorVolume";
    kVTCompressionPropertyKey_ContentLightLevelInfo = "ContentLightLevelInfo";
    kVTCompressionPropertyKey_GammaLevel = "GammaLevel";
    kVTVideoDecoderSpecification_EnableHardwareAcceleratedVideoDecoder =
        "EnableHardwareAcceleratedVideoDecoder";
    kVTCompressionPropertyKey_EncoderID = "EncoderID";
    kVTCompressionPropertyKey_UsingHardwareAcceleratedVideoEncoder =
        "UsingHardwareAcceleratedVideoEncoder";
    kVTVideoEncoderList_CodecType = "CodecType";
    kVTVideoEncoderList_EncoderID = "EncoderID";
    kVTVideoEncoderList_IsHardwareAccelerated = "IsHardwareAccelerated";
}
