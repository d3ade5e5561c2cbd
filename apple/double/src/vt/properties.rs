//! Which properties there are, and what they may be, by the headers' documentation.

use super::status::{K_VT_PARAMETER, K_VT_PROPERTY_NOT_SUPPORTED, K_VT_PROPERTY_READ_ONLY};
use crate::Hardware;
use crate::object::Object;
use vtremote_bitstream::Codec;

/// What a session is, as far as its properties depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Encoder {
    pub(crate) codec: Codec,
    /// HEVCWithAlpha.
    pub(crate) alpha: bool,
    /// None: a software encoder.
    pub(crate) hardware: Hardware,
    pub(crate) low_latency: bool,
}

/// The types of values, with what they may be.
enum Rule {
    Boolean,
    /// From, to.
    Number(f64, f64),
    Integer(i64, i64),
    OneOf(&'static [&'static str]),
    /// So many bytes.
    Data(usize),
    /// Two numbers each: bytes, seconds.
    RateLimits,
    AspectRatio,
    Profile,
    ReadOnly,
}

impl Rule {
    fn accepts(&self, encoder: &Encoder, value: &Object) -> bool {
        let integer = || value.number().and_then(|number| number.as_i64());
        match self {
            Rule::Boolean => value.boolean().is_some(),
            Rule::Number(from, to) => {
                value.number().is_some_and(|number| (*from..=*to).contains(&number.as_f64()))
            }
            Rule::Integer(from, to) => {
                integer().is_some_and(|number| (*from..=*to).contains(&number))
            }
            Rule::OneOf(texts) => value.text().is_some_and(|text| texts.contains(&text)),
            Rule::Data(size) => value.data().is_some_and(|data| data.len() == *size),
            Rule::RateLimits => value.array().is_some_and(|array| {
                let numbers = array.iter();
                let above_zero =
                    |item: &Object| item.number().is_some_and(|number| number.as_f64() > 0.0);
                !numbers.is_empty()
                    && numbers.len().is_multiple_of(2)
                    && numbers.iter().all(|number| above_zero(number))
            }),
            Rule::AspectRatio => value.dictionary().is_some_and(|ratio| {
                ["HorizontalSpacing", "VerticalSpacing"].iter().all(|key| {
                    let part = ratio.get(key);
                    let part = part.as_ref().and_then(|part| part.number()?.as_i64());
                    part.is_some_and(|part| part > 0)
                })
            }),
            Rule::Profile => value.text().is_some_and(|text| has_profile(encoder, text)),
            Rule::ReadOnly => false,
        }
    }
}

fn has_profile(encoder: &Encoder, profile: &str) -> bool {
    let full = encoder.hardware != Hardware::Intel;
    match encoder.codec {
        // High profiles only, of a level that the encoder chooses.
        Codec::H264 if encoder.low_latency => {
            matches!(profile, "H264_High_AutoLevel" | "H264_ConstrainedHigh_AutoLevel")
        }
        // Extended is in the headers, and in no encoder.
        Codec::H264 => profile.starts_with("H264_") && !profile.starts_with("H264_Extended"),
        Codec::H265 => match profile {
            "HEVC_Main_AutoLevel" => true,
            "HEVC_Main10_AutoLevel" => full && !encoder.alpha,
            "HEVC_Main42210_AutoLevel" => full && !encoder.alpha,
            _ => false,
        },
    }
}

const PRIMARIES: &[&str] =
    &["ITU_R_709_2", "EBU_3213", "SMPTE_C", "P22", "DCI_P3", "P3_D65", "ITU_R_2020"];
const TRANSFER: &[&str] = &[
    "ITU_R_709_2",
    "SMPTE_240M_1995",
    "UseGamma",
    "IEC_sRGB",
    "ITU_R_2020",
    "SMPTE_ST_428_1",
    "SMPTE_ST_2084_PQ",
    "ITU_R_2100_HLG",
    "Linear",
];
const MATRIX: &[&str] = &["ITU_R_709_2", "ITU_R_601_4", "SMPTE_240M_1995", "ITU_R_2020"];

/// The properties of this encoder.
fn rules(encoder: &Encoder) -> impl Iterator<Item = (&'static str, Rule)> {
    let h264 = encoder.codec == Codec::H264;
    let silicon = encoder.hardware == Hardware::AppleSilicon;
    let most = i64::from(i32::MAX);
    // The last: whether there is one.
    let rules = [
        ("AllowTemporalCompression", Rule::Boolean, true),
        ("AllowFrameReordering", Rule::Boolean, true),
        ("RealTime", Rule::Boolean, true),
        ("AllowOpenGOP", Rule::Boolean, !h264),
        ("MaximizePowerEfficiency", Rule::Boolean, encoder.hardware != Hardware::None),
        ("PrioritizeEncodingSpeedOverQuality", Rule::Boolean, true),
        ("MoreFramesBeforeStart", Rule::Boolean, true),
        ("MoreFramesAfterEnd", Rule::Boolean, true),
        ("AverageBitRate", Rule::Integer(0, most), true),
        ("ConstantBitRate", Rule::Integer(1, most), silicon && !encoder.low_latency),
        ("DataRateLimits", Rule::RateLimits, true),
        ("Quality", Rule::Number(0.0, 1.0), silicon),
        ("TargetQualityForAlpha", Rule::Number(0.0, 1.0), encoder.alpha),
        ("AlphaChannelMode", Rule::OneOf(&["StraightAlpha", "PremultipliedAlpha"]), encoder.alpha),
        ("MaxKeyFrameInterval", Rule::Integer(0, most), true),
        ("MaxKeyFrameIntervalDuration", Rule::Number(0.0, 1e9), true),
        ("MaxFrameDelayCount", Rule::Integer(-1, most), true),
        ("ExpectedFrameRate", Rule::Number(f64::MIN_POSITIVE, 1e6), true),
        ("ProfileLevel", Rule::Profile, true),
        ("H264EntropyMode", Rule::OneOf(&["CAVLC", "CABAC"]), h264),
        ("MaxH264SliceBytes", Rule::Integer(1, most), h264),
        ("ReferenceBufferCount", Rule::Integer(1, 16), silicon),
        // It must be disabled with low latency.
        (
            "SpatialAdaptiveQPLevel",
            Rule::Integer(if encoder.low_latency { 0 } else { -1 }, 0),
            silicon,
        ),
        ("MinAllowedFrameQP", Rule::Integer(0, 51), encoder.hardware != Hardware::None),
        ("MaxAllowedFrameQP", Rule::Integer(0, 51), encoder.hardware != Hardware::None),
        ("PixelAspectRatio", Rule::AspectRatio, true),
        ("ColorPrimaries", Rule::OneOf(PRIMARIES), true),
        ("TransferFunction", Rule::OneOf(TRANSFER), true),
        ("YCbCrMatrix", Rule::OneOf(MATRIX), true),
        ("GammaLevel", Rule::Number(f64::MIN_POSITIVE, 10.0), true),
        ("HDRMetadataInsertionMode", Rule::OneOf(&["None", "Auto"]), !h264),
        ("MasteringDisplayColorVolume", Rule::Data(24), !h264),
        ("ContentLightLevelInfo", Rule::Data(4), !h264),
        ("UsingHardwareAcceleratedVideoEncoder", Rule::ReadOnly, true),
        ("EncoderID", Rule::ReadOnly, true),
        ("NumberOfPendingFrames", Rule::ReadOnly, true),
    ];
    rules.into_iter().filter(|(.., there)| *there).map(|(name, rule, _)| (name, rule))
}

/// None if this encoder has no such property.
fn rule(encoder: &Encoder, name: &str) -> Option<Rule> {
    rules(encoder).find(|(known, _)| *known == name).map(|(_, rule)| rule)
}

/// The names of all, and whether they can be set.
pub(crate) fn all(encoder: &Encoder) -> Vec<(&'static str, bool)> {
    rules(encoder).map(|(name, rule)| (name, !matches!(rule, Rule::ReadOnly))).collect()
}

/// Whether a property can be read: one that there is.
pub(crate) fn is_known(encoder: &Encoder, name: &str) -> bool {
    rule(encoder, name).is_some()
}

/// What setting a property to a value gives.
pub(crate) fn check(encoder: &Encoder, name: &str, value: &Object) -> i32 {
    match rule(encoder, name) {
        None => K_VT_PROPERTY_NOT_SUPPORTED,
        Some(Rule::ReadOnly) => K_VT_PROPERTY_READ_ONLY,
        Some(rule) if rule.accepts(encoder, value) => 0,
        Some(_) => K_VT_PARAMETER,
    }
}
