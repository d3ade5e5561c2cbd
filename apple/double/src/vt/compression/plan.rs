//! What an encoder's properties are to libx264 and libx265.

use crate::codec::Parameters;
use crate::cv;
use crate::object::Owned;
use crate::state::{machine, with};
use crate::vt::properties::Encoder;
use crate::vt::status::K_VT_PARAMETER;
use std::collections::BTreeMap;
use vtremote_bitstream::Codec;

/// How a session encodes.
pub(crate) struct Plan {
    pub(crate) parameters: Parameters,
    pub(crate) b_frames: u32,
    /// So many frames are held back, though they are ready.
    pub(crate) held: usize,
    /// No more than so many are in when a call returns.
    pub(crate) most_held: Option<usize>,
    /// Nothing comes out before the end.
    pub(crate) hold: bool,
    /// More reference pictures than the level has room for, which is found out at the first frame.
    pub(crate) too_many_references: bool,
    /// For the format description.
    pub(crate) aspect: Option<(i64, i64)>,
    pub(crate) full_range: bool,
}

struct Known<'a>(&'a BTreeMap<String, Owned>);

impl Known<'_> {
    fn flag(&self, name: &str) -> Option<bool> {
        self.0.get(name)?.boolean()
    }

    fn number(&self, name: &str) -> Option<f64> {
        Some(self.0.get(name)?.number()?.as_f64())
    }

    fn integer(&self, name: &str) -> Option<i64> {
        self.0.get(name)?.number()?.as_i64()
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.text()
    }
}

/// # Errors
/// A status where properties do not go together.
pub(crate) fn plan(
    encoder: &Encoder,
    size: (i32, i32),
    fourcc: u32,
    properties: &BTreeMap<String, Owned>,
) -> Result<Plan, i32> {
    let known = Known(properties);
    let script = with(|state| state.script.clone());
    let (scripted, hold) = (script.reorder, script.hold);
    let layout = cv::layout(fourcc).ok_or(K_VT_PARAMETER)?;
    // The others are for decoders to give.
    let taken = [b"420v", b"420f", b"x420", b"xf20", b"x422", b"xf22", b"BGRA", b"y408"];
    if !taken.contains(&&fourcc.to_be_bytes()) {
        return Err(K_VT_PARAMETER);
    }
    let h264 = encoder.codec == Codec::H264;
    let profile = known.text("ProfileLevel").unwrap_or_default();
    if encoder.low_latency && known.number("AverageBitRate").is_none() {
        return Err(K_VT_PARAMETER);
    }

    let most = known.integer("MaxFrameDelayCount").and_then(|most| usize::try_from(most).ok());
    let held = machine().held_frames;
    let held = if encoder.low_latency { 0 } else { most.map_or(held, |most| most.min(held)) };
    let baseline = profile.contains("Baseline");
    let allowed = known.flag("AllowFrameReordering").unwrap_or(true)
        && !baseline
        && !encoder.low_latency
        && !encoder.alpha;
    // libx264 holds as many frames as it has B-frames; libx265 those, a lookahead that is longer, and its
    // pipeline, but nothing without them.
    let room = if h264 { held } else { held.saturating_sub(4) / 2 } as u32;
    let b_frames = scripted.unwrap_or(if allowed { 2 } else { 0 }).min(room);

    let ten_bits = layout.depth > 8 || profile.contains("Main10") || profile.contains("42210");
    let ten_bits = ten_bits && !with(|state| state.script.eight_bits);
    let tall_chroma = matches!(&fourcc.to_be_bytes(), b"x422" | b"xf22");
    if layout.depth > 8 && matches!(profile, "HEVC_Main_AutoLevel") {
        return Err(K_VT_PARAMETER);
    }

    let mut options = vec![
        ("threads", "1".to_owned()),
        ("preset", "ultrafast".into()),
        ("flags", "+global_header+bitexact".into()),
        ("bf", b_frames.to_string()),
        ("forced-idr", "1".into()),
        ("color_range", if layout.full_range { "pc" } else { "tv" }.into()),
    ];
    if let Some(rate) = known.integer("AverageBitRate").or(known.integer("ConstantBitRate")) {
        options.push(("b", rate.to_string()));
    } else {
        // 1 is the best, 0.5 about what the encoders take by themselves.
        let quality = known.number("Quality").unwrap_or(0.5);
        options.push(("crf", (51.0 - quality * 46.0).to_string()));
    }
    match known.integer("MaxKeyFrameInterval") {
        // What is asked for has no effect: all are P frames behind the first.
        _ if encoder.low_latency => options.push(("g", i16::MAX.to_string())),
        None | Some(0) => options.push(("g", "250".into())),
        Some(gop) => options.push(("g", gop.to_string())),
    }
    if h264 && !fits_level(profile, size, &known) {
        return Err(K_VT_PARAMETER);
    }
    let mut too_many_references = false;
    if let Some(references) = known.integer("ReferenceBufferCount") {
        options.push(("refs", references.to_string()));
        too_many_references = references > most_references(h264, profile, size);
    }
    for (property, option, numbers) in [
        ("ColorPrimaries", "color_primaries", PRIMARIES),
        ("TransferFunction", "color_trc", TRANSFER),
        ("YCbCrMatrix", "colorspace", MATRIX),
    ] {
        let code = numbers.iter().find(|(text, _)| known.text(property) == Some(text));
        let code = match (code, known.number("GammaLevel")) {
            (Some(("UseGamma", _)), Some(gamma)) if gamma > 2.5 => Some(5),
            (Some((_, code)), _) => Some(*code),
            (None, _) => None,
        };
        options.extend(code.map(|code| (option, code.to_string())));
    }
    let mut aspect = None;
    if let Some(ratio) = properties.get("PixelAspectRatio").and_then(|ratio| ratio.dictionary()) {
        let part = |key| ratio.get(key).and_then(|part| part.number()?.as_i64()).unwrap_or(1);
        let (across, down) = (part("HorizontalSpacing"), part("VerticalSpacing"));
        aspect = Some((across, down));
    }

    let mut own = vec!["scenecut=0".to_owned(), "rc-lookahead=0".into(), "b-adapt=0".into()];
    if let Some((across, down)) = aspect {
        own.push(format!("sar={across}\\:{down}"));
    }
    if h264 {
        own.extend(["sync-lookahead=0".to_owned(), "mbtree=0".into(), "open-gop=0".into()]);
        // Else it waits for the next frame, to know how long this one is.
        own.push("force-cfr=1".into());
        let (name, level) = h264_profile(profile);
        options.extend(name.map(|name| ("profile", name.to_owned())));
        options.extend(level.map(|level| ("level", level)));
        match known.text("H264EntropyMode") {
            Some("CABAC") if !baseline => options.push(("coder", "cabac".into())),
            Some("CAVLC") => options.push(("coder", "cavlc".into())),
            _ => {}
        }
        if let Some(bytes) = known.integer("MaxH264SliceBytes") {
            own.push(format!("slice-max-size={bytes}"));
        }
        options.push(("x264-params", own.join(":")));
    } else {
        own.extend(["open-gop=0", "frame-threads=1", "pools=none"].map(str::to_owned));
        own.extend(["log-level=none", "info=0"].map(str::to_owned));
        if b_frames > 0 {
            own.retain(|item| !item.starts_with("rc-lookahead"));
            own.push(format!("rc-lookahead={}", b_frames + 1));
        }
        // Without such colours the mode has no effect.
        let hdr =
            matches!(known.text("TransferFunction"), Some("SMPTE_ST_2084_PQ" | "ITU_R_2100_HLG"))
                && known.text("ColorPrimaries") == Some("ITU_R_2020");
        let asked = known.text("HDRMetadataInsertionMode") != Some("None");
        if asked && hdr && !script.no_hdr {
            own.extend(mastering_display(properties.get("MasteringDisplayColorVolume")));
            own.extend(content_light(properties.get("ContentLightLevelInfo")));
        }
        options.push(("x265-params", own.join(":")));
    }

    let rate = known.number("ExpectedFrameRate").unwrap_or(30.0);
    let parameters = Parameters {
        codec: encoder.codec,
        size,
        ten_bits,
        tall_chroma,
        frame_rate: ((rate * 1000.0) as i32).max(1),
        options,
    };
    let most_held = if hold { None } else { most.or(Some(held)) };
    let full_range = layout.full_range;
    Ok(Plan {
        parameters,
        b_frames,
        held,
        most_held,
        hold,
        too_many_references,
        aspect,
        full_range,
    })
}

/// Whether the level of the profile has room for pictures of this size, so many a second, with so many bits
/// (H.264 A.3.1, table A-1): MaxFS, MaxMBPS, and MaxBR of the High profiles.
fn fits_level(profile: &str, (width, height): (i32, i32), known: &Known<'_>) -> bool {
    let (most, most_in_a_second, kilobits) = match h264_profile(profile).1.as_deref() {
        Some("1.3") => (396, 11_880, 768),
        Some("3.0") => (1620, 40_500, 10_000),
        Some("3.1") => (3600, 108_000, 14_000),
        Some("3.2") => (5120, 216_000, 20_000),
        Some("4.0") => (8192, 245_760, 20_000),
        Some("4.1") => (8192, 245_760, 50_000),
        Some("4.2") => (8704, 522_240, 50_000),
        Some("5.0") => (22_080, 589_824, 135_000),
        Some("5.1") => (36_864, 983_040, 240_000),
        Some("5.2") => (36_864, 2_073_600, 240_000),
        _ => return true,
    };
    let macroblocks = i64::from((width + 15) / 16) * i64::from((height + 15) / 16);
    let rate = known.number("ExpectedFrameRate").unwrap_or(0.0);
    let bits = known.integer("AverageBitRate").or(known.integer("ConstantBitRate")).unwrap_or(0);
    macroblocks <= most
        && macroblocks as f64 * rate <= most_in_a_second as f64
        && bits <= kilobits * 1250
}

/// How many a level has room for (H.264 A.3.1); where the encoder chooses it, the highest. One of those of
/// H.265 is the picture itself (A.4.2).
fn most_references(h264: bool, profile: &str, (width, height): (i32, i32)) -> i64 {
    if !h264 {
        return 15;
    }
    // MaxDpbMbs.
    let room = match h264_profile(profile).1.as_deref() {
        Some("1.3") => 2376,
        Some("3.0") => 8100,
        Some("3.1") => 18_000,
        Some("3.2") => 20_480,
        Some("4.0" | "4.1") => 32_768,
        Some("4.2") => 34_816,
        Some("5.0") => 110_400,
        _ => 184_320,
    };
    let macroblocks = i64::from((width + 15) / 16) * i64::from((height + 15) / 16);
    (room / macroblocks).min(16)
}

/// Of the strings `H264_Main_4_1` and `H264_Main_AutoLevel`.
fn h264_profile(text: &str) -> (Option<&'static str>, Option<String>) {
    let mut parts = text.split('_').skip(1);
    let name = match parts.next() {
        Some("Baseline" | "ConstrainedBaseline") => Some("baseline"),
        Some("Main") => Some("main"),
        Some("High" | "ConstrainedHigh") => Some("high"),
        _ => None,
    };
    let level: Vec<&str> = parts.filter(|part| *part != "AutoLevel").collect();
    (name, (!level.is_empty()).then(|| level.join(".")))
}

fn words(bytes: &[u8]) -> Vec<u32> {
    let (words, _) = bytes.as_chunks::<2>();
    words.iter().map(|word| u16::from_be_bytes(*word).into()).collect()
}

fn mastering_display(data: Option<&Owned>) -> Option<String> {
    let data = data?.data()?;
    let points = words(&data[..16]);
    let [gx, gy, bx, by, rx, ry, wx, wy] = points[..] else { return None };
    let long = |at: usize| u32::from_be_bytes([data[at], data[at + 1], data[at + 2], data[at + 3]]);
    let (most, least) = (long(16), long(20));
    Some(format!(
        "master-display=G({gx},{gy})B({bx},{by})R({rx},{ry})WP({wx},{wy})L({most},{least})"
    ))
}

fn content_light(data: Option<&Owned>) -> Option<String> {
    let levels = words(data?.data()?);
    let [most, average] = levels[..] else { return None };
    Some(format!("max-cll={most},{average}"))
}

const PRIMARIES: &[(&str, u8)] = &[
    ("ITU_R_709_2", 1),
    ("EBU_3213", 5),
    ("SMPTE_C", 6),
    ("P22", 6),
    ("DCI_P3", 11),
    ("P3_D65", 12),
    ("ITU_R_2020", 9),
];
const TRANSFER: &[(&str, u8)] = &[
    ("ITU_R_709_2", 1),
    ("SMPTE_240M_1995", 7),
    ("UseGamma", 4),
    ("IEC_sRGB", 13),
    ("ITU_R_2020", 14),
    ("SMPTE_ST_428_1", 17),
    ("SMPTE_ST_2084_PQ", 16),
    ("ITU_R_2100_HLG", 18),
    ("Linear", 8),
];
const MATRIX: &[(&str, u8)] =
    &[("ITU_R_709_2", 1), ("ITU_R_601_4", 6), ("SMPTE_240M_1995", 7), ("ITU_R_2020", 9)];
