//! Apple's names for properties, attributes and their values.

use super::cf::{Text, constant};
use objc2_core_video as cv;
use objc2_video_toolbox as vt;

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident = $source:expr;)*) => {
        $($(#[$doc])* pub(crate) fn $name() -> Text { $source })*
    };
}

// What is to be found where in a specification, and in the attributes of buffers.
names! {
    enable_hardware =
        constant!(vt::kVTVideoEncoderSpecification_EnableHardwareAcceleratedVideoEncoder);
    require_hardware =
        constant!(vt::kVTVideoEncoderSpecification_RequireHardwareAcceleratedVideoEncoder);
    enable_hardware_decoder =
        constant!(vt::kVTVideoDecoderSpecification_EnableHardwareAcceleratedVideoDecoder);
    enable_low_latency = Text::literal("EnableLowLatencyRateControl");
    pixel_format = constant!(cv::kCVPixelBufferPixelFormatTypeKey);
    width = constant!(cv::kCVPixelBufferWidthKey);
    height = constant!(cv::kCVPixelBufferHeightKey);
}

// Properties of a session.
names! {
    expected_frame_rate = constant!(vt::kVTCompressionPropertyKey_ExpectedFrameRate);
    prioritize_speed = constant!(vt::kVTCompressionPropertyKey_PrioritizeEncodingSpeedOverQuality);
    real_time = constant!(vt::kVTCompressionPropertyKey_RealTime);
    maximize_power_efficiency = constant!(vt::kVTCompressionPropertyKey_MaximizePowerEfficiency);
    max_frame_delay_count = constant!(vt::kVTCompressionPropertyKey_MaxFrameDelayCount);
    quality = constant!(vt::kVTCompressionPropertyKey_Quality);
    average_bit_rate = constant!(vt::kVTCompressionPropertyKey_AverageBitRate);
    constant_bit_rate = Text::literal("ConstantBitRate");
    data_rate_limits = constant!(vt::kVTCompressionPropertyKey_DataRateLimits);
    allow_frame_reordering = constant!(vt::kVTCompressionPropertyKey_AllowFrameReordering);
    max_key_frame_interval = constant!(vt::kVTCompressionPropertyKey_MaxKeyFrameInterval);
    more_frames_before_start = constant!(vt::kVTCompressionPropertyKey_MoreFramesBeforeStart);
    more_frames_after_end = constant!(vt::kVTCompressionPropertyKey_MoreFramesAfterEnd);
    pixel_aspect_ratio = constant!(vt::kVTCompressionPropertyKey_PixelAspectRatio);
    color_primaries = constant!(vt::kVTCompressionPropertyKey_ColorPrimaries);
    transfer_function = constant!(vt::kVTCompressionPropertyKey_TransferFunction);
    ycbcr_matrix = constant!(vt::kVTCompressionPropertyKey_YCbCrMatrix);
    gamma_level = constant!(vt::kVTCompressionPropertyKey_GammaLevel);
    hdr_metadata_insertion = constant!(vt::kVTCompressionPropertyKey_HDRMetadataInsertionMode);
    mastering_display = constant!(vt::kVTCompressionPropertyKey_MasteringDisplayColorVolume);
    content_light_level = constant!(vt::kVTCompressionPropertyKey_ContentLightLevelInfo);
    profile_level = constant!(vt::kVTCompressionPropertyKey_ProfileLevel);
    h264_entropy_mode = constant!(vt::kVTCompressionPropertyKey_H264EntropyMode);
    allow_open_gop = constant!(vt::kVTCompressionPropertyKey_AllowOpenGOP);
    max_h264_slice_bytes = constant!(vt::kVTCompressionPropertyKey_MaxH264SliceBytes);
    reference_buffer_count = Text::literal("ReferenceBufferCount");
    spatial_adaptive_qp_level = Text::literal("SpatialAdaptiveQPLevel");
    alpha_channel_mode = constant!(vt::kVTCompressionPropertyKey_AlphaChannelMode);
    target_quality_for_alpha = constant!(vt::kVTCompressionPropertyKey_TargetQualityForAlpha);
    min_allowed_frame_qp = Text::literal("MinAllowedFrameQP");
    max_allowed_frame_qp = Text::literal("MaxAllowedFrameQP");
    encoder_id = constant!(vt::kVTCompressionPropertyKey_EncoderID);
    using_hardware = constant!(vt::kVTCompressionPropertyKey_UsingHardwareAcceleratedVideoEncoder);
    /// Of a frame.
    force_key_frame = constant!(vt::kVTEncodeFrameOptionKey_ForceKeyFrame);
}

// Values of properties.
names! {
    horizontal_spacing = constant!(cv::kCVImageBufferPixelAspectRatioHorizontalSpacingKey);
    vertical_spacing = constant!(cv::kCVImageBufferPixelAspectRatioVerticalSpacingKey);
    cavlc = constant!(vt::kVTH264EntropyMode_CAVLC);
    cabac = constant!(vt::kVTH264EntropyMode_CABAC);
    straight_alpha = constant!(vt::kVTAlphaChannelMode_StraightAlpha);
    hdr_metadata_auto = constant!(vt::kVTHDRMetadataInsertionMode_Auto);
}

/// `H264_High_4_1`, `HEVC_Main10_AutoLevel`: some are later than macOS 11, and all are called so.
pub(crate) fn profile(name: &str) -> Text {
    Text::literal(name)
}

// Colour: what it is, and under which key a picture says it.
names! {
    primaries_key = constant!(cv::kCVImageBufferColorPrimariesKey);
    transfer_key = constant!(cv::kCVImageBufferTransferFunctionKey);
    matrix_key = constant!(cv::kCVImageBufferYCbCrMatrixKey);
    chroma_top_key = constant!(cv::kCVImageBufferChromaLocationTopFieldKey);
    chroma_bottom_key = constant!(cv::kCVImageBufferChromaLocationBottomFieldKey);
    chroma_left = constant!(cv::kCVImageBufferChromaLocation_Left);
    chroma_center = constant!(cv::kCVImageBufferChromaLocation_Center);
    chroma_top_left = constant!(cv::kCVImageBufferChromaLocation_TopLeft);
    chroma_top = constant!(cv::kCVImageBufferChromaLocation_Top);
    chroma_bottom_left = constant!(cv::kCVImageBufferChromaLocation_BottomLeft);
    chroma_bottom = constant!(cv::kCVImageBufferChromaLocation_Bottom);
    aspect_key = constant!(cv::kCVImageBufferPixelAspectRatioKey);
    gamma_key = constant!(cv::kCVImageBufferGammaLevelKey);
    primaries_709 = constant!(cv::kCVImageBufferColorPrimaries_ITU_R_709_2);
    primaries_ebu = constant!(cv::kCVImageBufferColorPrimaries_EBU_3213);
    primaries_smpte_c = constant!(cv::kCVImageBufferColorPrimaries_SMPTE_C);
    primaries_p22 = constant!(cv::kCVImageBufferColorPrimaries_P22);
    primaries_2020 = constant!(cv::kCVImageBufferColorPrimaries_ITU_R_2020);
    primaries_dci_p3 = constant!(cv::kCVImageBufferColorPrimaries_DCI_P3);
    primaries_p3_d65 = constant!(cv::kCVImageBufferColorPrimaries_P3_D65);
    transfer_709 = constant!(cv::kCVImageBufferTransferFunction_ITU_R_709_2);
    transfer_240m = constant!(cv::kCVImageBufferTransferFunction_SMPTE_240M_1995);
    transfer_gamma = constant!(cv::kCVImageBufferTransferFunction_UseGamma);
    transfer_linear = constant!(cv::kCVImageBufferTransferFunction_Linear);
    transfer_srgb = constant!(cv::kCVImageBufferTransferFunction_sRGB);
    transfer_2020 = constant!(cv::kCVImageBufferTransferFunction_ITU_R_2020);
    transfer_pq = constant!(cv::kCVImageBufferTransferFunction_SMPTE_ST_2084_PQ);
    transfer_428 = constant!(cv::kCVImageBufferTransferFunction_SMPTE_ST_428_1);
    transfer_hlg = constant!(cv::kCVImageBufferTransferFunction_ITU_R_2100_HLG);
    matrix_709 = constant!(cv::kCVImageBufferYCbCrMatrix_ITU_R_709_2);
    matrix_601 = constant!(cv::kCVImageBufferYCbCrMatrix_ITU_R_601_4);
    matrix_240m = constant!(cv::kCVImageBufferYCbCrMatrix_SMPTE_240M_1995);
    matrix_2020 = constant!(cv::kCVImageBufferYCbCrMatrix_ITU_R_2020);
}
