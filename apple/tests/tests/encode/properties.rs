//! What is set, in which order, and what it means if it is not taken.

use crate::session::{Session, config, h264, hevc};
use std::collections::BTreeMap;
use vtremote_apple_double::{Machine, Script, Value};
use vtremote_apple_tests::OverDouble;
use vtremote_backend::{
    Codec, Color, EncoderConfig, Entropy, Error, FrameInfo, PixelFormat, Quality, RateControl,
    Ratio, SideData,
};

fn over() -> OverDouble {
    OverDouble::new(Machine::apple_silicon())
}

/// What the last session was told, in its order; all that it took.
fn told(over: &OverDouble) -> Vec<(String, Value)> {
    let all = over.double().properties();
    let last = all.last().map_or(0, |property| property.session);
    let of_last = all.into_iter().filter(|property| property.session == last);
    of_last
        .map(|property| {
            assert_eq!(property.status, 0, "{property:?}");
            (property.name, property.value)
        })
        .collect()
}

fn set(over: &OverDouble, config: &EncoderConfig) -> Vec<(String, Value)> {
    let session = Session::open(over, config);
    assert_eq!(session.warnings, [""; 0]);
    drop(session);
    told(over)
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

/// Everything that can be asked for together.
fn all() -> EncoderConfig {
    let mut config = config(Codec::H264, PixelFormat::Nv12);
    config.rate =
        RateControl { bitrate: Some(600_000), max_rate: Some(800_000), ..RateControl::default() };
    (config.qmin, config.qmax) = (Some(10), Some(40));
    config.gop = Some(12);
    config.b_frames = 2;
    config.profile = Some(100);
    config.level = Some(40);
    config.entropy = Some(Entropy::Cabac);
    config.max_slice_bytes = Some(1200);
    config.max_ref_frames = Some(4);
    (config.prioritize_speed, config.power_efficient) = (Some(false), Some(true));
    config.spatial_aq = Some(true);
    (config.frames_before, config.frames_after) = (true, true);
    config.color = Color {
        full_range: None,
        matrix: Some(1),
        primaries: Some(9),
        transfer: Some(4),
        chroma_location: Some(1),
    };
    config.sample_aspect_ratio = Some(Ratio { num: 40, den: 33 });
    config
}

#[test]
fn properties_are_set_in_their_order() {
    let over = over();
    let spacing = |key: &str, value| (key.to_owned(), Value::Integer(value));
    let aspect = [spacing("HorizontalSpacing", 40), spacing("VerticalSpacing", 33)];
    let limits = vec![Value::Integer(100_000), Value::Integer(1)];
    let expected = [
        ("ExpectedFrameRate", Value::Real(30.0)),
        ("PrioritizeEncodingSpeedOverQuality", Value::Boolean(false)),
        ("RealTime", Value::Boolean(false)),
        ("MaximizePowerEfficiency", Value::Boolean(true)),
        ("MaxFrameDelayCount", Value::Integer(8)),
        ("AverageBitRate", Value::Integer(600_000)),
        ("DataRateLimits", Value::Array(limits)),
        ("AllowFrameReordering", Value::Boolean(true)),
        ("MaxKeyFrameInterval", Value::Integer(12)),
        ("MoreFramesBeforeStart", Value::Boolean(true)),
        ("MoreFramesAfterEnd", Value::Boolean(true)),
        ("PixelAspectRatio", Value::Dictionary(BTreeMap::from(aspect))),
        ("ColorPrimaries", text("ITU_R_2020")),
        ("TransferFunction", text("UseGamma")),
        ("GammaLevel", Value::Real(2.2)),
        ("YCbCrMatrix", text("ITU_R_709_2")),
        ("ProfileLevel", text("H264_High_4_0")),
        ("H264EntropyMode", text("CABAC")),
        ("MaxH264SliceBytes", Value::Integer(1200)),
        ("ReferenceBufferCount", Value::Integer(4)),
        ("SpatialAdaptiveQPLevel", Value::Integer(-1)),
        ("MinAllowedFrameQP", Value::Integer(10)),
        ("MaxAllowedFrameQP", Value::Integer(40)),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value));
    assert_eq!(set(&over, &all()), expected);
}

#[test]
fn the_session_that_is_thrown_away_is_like_the_one_that_is_kept() {
    let over = over();
    let before = over.double().properties().len();
    drop(Session::open(&over, &all()));
    let both = over.double().properties().split_off(before);
    let first = both[0].session;
    let strip = |property: &vtremote_apple_double::Property| {
        (property.name.clone(), property.value.clone())
    };
    let (one, other): (Vec<_>, Vec<_>) =
        both.iter().partition(|property| property.session == first);
    assert!(!one.is_empty());
    assert_eq!(
        one.into_iter().map(strip).collect::<Vec<_>>(),
        other.into_iter().map(strip).collect::<Vec<_>>()
    );
}

#[test]
fn hevc_has_properties_of_its_own() {
    let over = over();
    let mut config = config(Codec::H265, PixelFormat::P010);
    config.closed_gop = true;
    config.quality = Some(Quality::Percent(80));
    (config.mastering_display, config.content_light) = (Some([7; 24]), Some([1, 2, 3, 4]));
    (config.color.primaries, config.color.transfer) = (Some(9), Some(16));
    let set: BTreeMap<_, _> = set(&over, &config).into_iter().collect();
    for (name, value) in [
        ("Quality", Value::Real(0.8)),
        ("AllowOpenGOP", Value::Boolean(false)),
        ("ProfileLevel", text("HEVC_Main10_AutoLevel")),
        ("HDRMetadataInsertionMode", text("Auto")),
        ("MasteringDisplayColorVolume", Value::Data(vec![7; 24])),
        ("ContentLightLevelInfo", Value::Data(vec![1, 2, 3, 4])),
        ("TransferFunction", text("SMPTE_ST_2084_PQ")),
    ] {
        assert_eq!(set.get(name), Some(&value), "{name}");
    }
    assert_eq!(set.get("AverageBitRate"), None);
}

#[test]
fn in_real_time_nothing_is_set_for_a_batch() {
    let over = over();
    let names: Vec<_> =
        set(&over, &h264(|c| c.realtime = Some(true))).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["RealTime", "AverageBitRate", "AllowFrameReordering"]);
}

#[test]
fn a_constant_rate_takes_the_place_of_the_average() {
    let over = over();
    let set: BTreeMap<_, _> = set(&over, &hevc(|c| c.rate.constant = true)).into_iter().collect();
    assert_eq!(set.get("ConstantBitRate"), Some(&Value::Integer(500_000)));
    assert_eq!(set.get("AverageBitRate"), None);
}

#[test]
fn a_constant_rate_is_one_of_so_many_frames_per_second_in_real_time_too() {
    let over = over();
    let constant = hevc(|c| {
        (c.rate.constant, c.realtime) = (true, Some(true));
        c.frame_rate = Some(Ratio { num: 25, den: 1 });
    });
    let set: BTreeMap<_, _> = set(&over, &constant).into_iter().collect();
    assert_eq!(set.get("ExpectedFrameRate"), Some(&Value::Real(25.0)));
}

/// Of a property that is not taken: the option that is refused or warned of, if it is one.
fn without(config: &EncoderConfig, property: &str) -> Result<Vec<String>, Error> {
    let over = over();
    over.double().script(Script::new().property(property, -12900));
    let session = Session::try_open(&over, config)?;
    Ok(session.warnings.clone())
}

#[test]
fn a_property_without_which_the_stream_would_be_another_is_refused_by_its_option() {
    let quality = h264(|c| c.quality = Some(Quality::Percent(50)));
    let constant = h264(|c| c.rate.constant = true);
    for (property, option, config) in [
        ("AverageBitRate", "bitrate", &all()),
        ("DataRateLimits", "maxrate", &all()),
        ("Quality", "global_quality", &quality),
        ("ConstantBitRate", "constant_bit_rate", &constant),
        ("MaxKeyFrameInterval", "gop", &all()),
        ("PixelAspectRatio", "sar_num", &all()),
        ("ProfileLevel", "profile", &all()),
        ("MinAllowedFrameQP", "qmin", &all()),
        ("MaxAllowedFrameQP", "qmax", &all()),
    ] {
        let Err(Error::Option { key, reason }) = without(config, property) else {
            panic!("{property} is not refused");
        };
        assert_eq!(key, option);
        let expected =
            format!("{property}: it has no such property (kVTPropertyNotSupportedErr, -12900)");
        assert_eq!(reason, expected);
    }
}

#[test]
fn another_property_that_is_not_taken_is_a_warning_that_names_it_and_the_status() {
    let closed = hevc(|c| (c.closed_gop, c.rate.max_rate) = (true, Some(700_000)));
    for (property, option, config) in [
        ("PrioritizeEncodingSpeedOverQuality", "prio_speed", &all()),
        ("MaximizePowerEfficiency", "power_efficient", &all()),
        ("AllowFrameReordering", "max_b_frames", &all()),
        ("MoreFramesBeforeStart", "frames_before", &all()),
        ("MoreFramesAfterEnd", "frames_after", &all()),
        ("ColorPrimaries", "color_primaries", &all()),
        ("TransferFunction", "color_trc", &all()),
        ("YCbCrMatrix", "colorspace", &all()),
        ("H264EntropyMode", "entropy", &all()),
        ("MaxH264SliceBytes", "max_slice_bytes", &all()),
        ("ReferenceBufferCount", "max_ref_frames", &all()),
        ("SpatialAdaptiveQPLevel", "spatial_aq", &all()),
        ("DataRateLimits", "maxrate", &closed),
        ("AllowOpenGOP", "flags", &closed),
    ] {
        let warnings = without(config, property).unwrap_or_else(|error| panic!("{error}"));
        let expected = format!(
            "{option}: {property}: it has no such property (kVTPropertyNotSupportedErr, -12900)"
        );
        assert_eq!(warnings, [expected]);
    }
}

#[test]
fn what_nobody_asked_for_is_no_warning() {
    for property in [
        "ExpectedFrameRate",
        "PrioritizeEncodingSpeedOverQuality",
        "RealTime",
        "MaximizePowerEfficiency",
        "MaxFrameDelayCount",
    ] {
        let plain = h264(|c| c.realtime = Some(false));
        assert_eq!(without(&plain, property).unwrap(), [""; 0], "{property}");
    }
}

#[test]
fn a_client_that_may_wait_for_ever_is_warned() {
    let warnings = without(&h264(|c| c.max_delay = Some(7)), "MaxFrameDelayCount").unwrap();
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].starts_with("delay: MaxFrameDelayCount: "), "{warnings:?}");
}

#[test]
fn what_cannot_be_together_is_refused_before_there_is_a_session() {
    let over = over();
    let before = over.double().properties().len();
    let refused = Session::try_open(&over, &h264(|c| c.profile = Some(110)));
    assert!(matches!(refused.err(), Some(Error::Option { key: "profile", .. })));
    assert_eq!(over.double().properties().len(), before);
}

#[test]
fn a_session_is_told_the_metadata_of_hdr_of_its_first_frame() {
    let over = over();
    let mut session = Session::open(&over, &hevc(|c| c.content_light = Some([9; 4])));
    let before = told(&over).len();
    let side_data = vec![
        SideData { kind: SideData::MASTERING_DISPLAY, data: vec![7; 24] },
        SideData { kind: SideData::CONTENT_LIGHT, data: vec![1, 2, 3, 4] },
    ];
    session.submit(FrameInfo { pts: 0, duration: 1, side_data, ..FrameInfo::default() }).unwrap();
    session.send(1).unwrap();
    session.encoder.drain().unwrap();
    assert_eq!(session.packets().len(), 2);
    let expected = [
        ("HDRMetadataInsertionMode", text("Auto")),
        ("MasteringDisplayColorVolume", Value::Data(vec![7; 24])),
        ("ContentLightLevelInfo", Value::Data(vec![1, 2, 3, 4])),
    ];
    let expected = expected.map(|(property, value)| (property.to_owned(), value));
    assert_eq!(told(&over)[before..], expected);
}
