use crate::cf::constants;

constants! {
    kCVPixelBufferPixelFormatTypeKey = "PixelFormatType";
    kCVPixelBufferWidthKey = "Width";
    kCVPixelBufferHeightKey = "Height";
    kCVImageBufferPixelAspectRatioKey = "CVPixelAspectRatio";
    kCVImageBufferPixelAspectRatioHorizontalSpacingKey = "HorizontalSpacing";
    kCVImageBufferPixelAspectRatioVerticalSpacingKey = "VerticalSpacing";
    kCVImageBufferColorPrimariesKey = "CVImageBufferColorPrimaries";
    kCVImageBufferTransferFunctionKey = "CVImageBufferTransferFunction";
    kCVImageBufferYCbCrMatrixKey = "CVImageBufferYCbCrMatrix";
    kCVImageBufferGammaLevelKey = "CVImageBufferGammaLevel";
    kCVImageBufferColorPrimaries_ITU_R_709_2 = "ITU_R_709_2";
    kCVImageBufferColorPrimaries_EBU_3213 = "EBU_3213";
    kCVImageBufferColorPrimaries_SMPTE_C = "SMPTE_C";
    kCVImageBufferColorPrimaries_P22 = "P22";
    kCVImageBufferColorPrimaries_DCI_P3 = "DCI_P3";
    kCVImageBufferColorPrimaries_P3_D65 = "P3_D65";
    kCVImageBufferColorPrimaries_ITU_R_2020 = "ITU_R_2020";
    kCVImageBufferTransferFunction_ITU_R_709_2 = "ITU_R_709_2";
    kCVImageBufferTransferFunction_SMPTE_240M_1995 = "SMPTE_240M_1995";
    kCVImageBufferTransferFunction_UseGamma = "UseGamma";
    kCVImageBufferTransferFunction_sRGB = "IEC_sRGB";
    kCVImageBufferTransferFunction_ITU_R_2020 = "ITU_R_2020";
    kCVImageBufferTransferFunction_SMPTE_ST_428_1 = "SMPTE_ST_428_1";
    kCVImageBufferTransferFunction_SMPTE_ST_2084_PQ = "SMPTE_ST_2084_PQ";
    kCVImageBufferTransferFunction_ITU_R_2100_HLG = "ITU_R_2100_HLG";
    kCVImageBufferTransferFunction_Linear = "Linear";
    kCVImageBufferYCbCrMatrix_ITU_R_709_2 = "ITU_R_709_2";
    kCVImageBufferYCbCrMatrix_ITU_R_601_4 = "ITU_R_601_4";
    kCVImageBufferYCbCrMatrix_SMPTE_240M_1995 = "SMPTE_240M_1995";
    kCVImageBufferYCbCrMatrix_ITU_R_2020 = "ITU_R_2020";
}
