use std::collections::BTreeSet;

use crate::{Codec, Error, PixelFormat};

/// The most pixels each way: what H.265 level 6.2 and every encoder here can do.
pub const MAX_SIDE: u32 = 16_384;

/// Refuses what no codec takes, before memory is taken for it.
///
/// # Errors
/// [`Error::Unsupported`] unless both sides are 1 to [`MAX_SIDE`] pixels.
pub fn check_size(width: u32, height: u32) -> Result<(), Error> {
    if [width, height].iter().all(|side| (1..=MAX_SIDE).contains(side)) {
        return Ok(());
    }
    let what = format!("a size of {width}x{height}: 1 to {MAX_SIDE} each way");
    Err(Error::Unsupported(what))
}

/// A fraction: a timebase, a frame rate, an aspect ratio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ratio {
    /// Numerator.
    pub num: u32,
    /// Denominator, never 0.
    pub den: u32,
}

/// How bits are spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RateControl {
    /// Average, in bits per second.
    pub bitrate: Option<u64>,
    /// Peak, in bits per second.
    pub max_rate: Option<u64>,
    /// The decoder's buffer, in bits.
    pub buffer: Option<u64>,
    /// Every second the same.
    pub constant: bool,
}

/// Quality instead of a bitrate, as FFmpeg's `global_quality` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quality {
    /// With the QSCALE flag: quality times 118 (FF_QP2LAMBDA).
    Lambda(u32),
    /// Without it: 0 to 100, 100 the best.
    Percent(u32),
}

/// H.264's entropy coders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entropy {
    /// Variable-length codes.
    Cavlc,
    /// Arithmetic coding.
    Cabac,
}

/// Colour description, in the numbers of ISO 23091-2 (FFmpeg's AVCOL_*). `None`: not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Color {
    /// True: full range, false: video range.
    pub full_range: Option<bool>,
    /// Matrix coefficients. 0 (RGB) is a value, not "unset".
    pub matrix: Option<u8>,
    /// Primaries.
    pub primaries: Option<u8>,
    /// Transfer characteristics.
    pub transfer: Option<u8>,
    /// AVCHROMA_LOC_*: 1 left, 2 centre, 3 top left, …
    pub chroma_location: Option<u8>,
}

/// Everything that an encoder is told before its first frame. `None` and `false` leave the choice to it.
#[derive(Debug, Clone, PartialEq)]
pub struct EncoderConfig {
    /// What to encode to.
    pub codec: Codec,
    /// In pixels, at least 1.
    pub width: u32,
    /// In pixels, at least 1.
    pub height: u32,
    /// Of the pictures that come.
    pub format: PixelFormat,
    /// Of every pts, dts and duration, in seconds.
    pub time_base: Ratio,
    /// Frames per second, where known.
    pub frame_rate: Option<Ratio>,
    /// Bits.
    pub rate: RateControl,
    /// Instead of a bitrate.
    pub quality: Option<Quality>,
    /// Lowest and highest quantiser.
    pub qmin: Option<i32>,
    /// See `qmin`.
    pub qmax: Option<i32>,
    /// Longest distance between keyframes, in frames.
    pub gop: Option<u32>,
    /// At most so many B-frames in a row.
    pub b_frames: u32,
    /// No frame refers across a keyframe.
    pub closed_gop: bool,
    /// As little delay as the encoder can do.
    pub low_delay: bool,
    /// Parameter sets only in [`crate::Opened::parameter_sets`]; else also before every keyframe.
    pub global_header: bool,
    /// FFmpeg's AV_PROFILE_* number.
    pub profile: Option<i32>,
    /// Ten times the level, as FFmpeg's options say it: 41 is 4.1.
    pub level: Option<u32>,
    /// H.264 only.
    pub entropy: Option<Entropy>,
    /// H.264 only, in bytes.
    pub max_slice_bytes: Option<u32>,
    /// Reference frames at most.
    pub max_ref_frames: Option<u32>,
    /// A software encoder may do it.
    pub allow_software: bool,
    /// Only a software encoder may do it.
    pub require_software: bool,
    /// Frames come at the speed of a camera. `Some(false)` is what FFmpeg's clients always send.
    pub realtime: Option<bool>,
    /// Speed before quality.
    pub prioritize_speed: Option<bool>,
    /// Less energy before speed.
    pub power_efficient: Option<bool>,
    /// Adaptive quantisation within a frame.
    pub spatial_aq: Option<bool>,
    /// Other frames will be put before these ones.
    pub frames_before: bool,
    /// Other frames will be put after these ones.
    pub frames_after: bool,
    /// Of the alpha plane, 0 to 1; 0: no alpha.
    pub alpha_quality: f32,
    /// Into the stream's description.
    pub color: Color,
    /// Of a pixel.
    pub sample_aspect_ratio: Option<Ratio>,
    /// Whether A/53 captions in side data go into the stream.
    pub a53_captions: Option<bool>,
    /// The payload of the SEI message: H.265 D.2.28.
    pub mastering_display: Option<[u8; 24]>,
    /// The payload of the SEI message: H.265 D.2.35.
    pub content_light: Option<[u8; 4]>,
    /// At most so many frames held back before a packet comes out (docs/protocol.md section 7): a client
    /// with a small window would otherwise wait for ever. What does not fit is reduced, with a warning.
    pub max_delay: Option<u32>,
}

impl EncoderConfig {
    /// A configuration with nothing but what there must be.
    pub fn new(
        codec: Codec,
        width: u32,
        height: u32,
        format: PixelFormat,
        time_base: Ratio,
    ) -> Self {
        EncoderConfig {
            codec,
            width,
            height,
            format,
            time_base,
            frame_rate: None,
            rate: RateControl::default(),
            quality: None,
            qmin: None,
            qmax: None,
            gop: None,
            b_frames: 0,
            closed_gop: false,
            low_delay: false,
            global_header: false,
            profile: None,
            level: None,
            entropy: None,
            max_slice_bytes: None,
            max_ref_frames: None,
            allow_software: false,
            require_software: false,
            realtime: None,
            prioritize_speed: None,
            power_efficient: None,
            spatial_aq: None,
            frames_before: false,
            frames_after: false,
            alpha_quality: 0.0,
            color: Color::default(),
            sample_aspect_ratio: None,
            a53_captions: None,
            mastering_display: None,
            content_light: None,
            max_delay: None,
        }
    }
}

/// Everything that a decoder is told before its first packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecoderConfig {
    /// What to decode.
    pub codec: Codec,
    /// What the container says, in pixels; the stream may say otherwise.
    pub width: u32,
    /// See `width`.
    pub height: u32,
    /// The format that is wished for.
    pub format: PixelFormat,
    /// Of every pts, dts and duration; `1/1` where times are opaque.
    pub time_base: Ratio,
    /// avcC, hvcC (with or without box header) or Annex B parameter sets; empty: they come in-band.
    pub extradata: Vec<u8>,
    /// At most so many packets are held back before a frame comes out (docs/protocol.md section 7), or
    /// as many as the stream's own reordering needs where that is more: a client with a small window would
    /// otherwise wait for ever.
    pub max_delay: Option<u32>,
}

/// One record of frame or packet side data. The two number spaces are different.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SideData {
    /// FFmpeg's AVFrameSideDataType or AVPacketSideDataType number.
    pub kind: u32,
    /// The record, as docs/protocol.md section 5 has it: never a structure of FFmpeg's.
    pub data: Vec<u8>,
}

/// Which kinds of records were left out, and told: the next frame mostly has the same.
#[derive(Debug, Default)]
pub struct LeftOut(BTreeSet<u32>);

impl LeftOut {
    /// What a peer invents is no reason to fill a log.
    const MOST: usize = 32;

    /// Whether that a record of this kind is left out has not been told yet.
    pub fn is_news(&mut self, kind: u32) -> bool {
        self.0.len() < Self::MOST && self.0.insert(kind)
    }
}

/// Kinds of frames that backends carry into a stream and out of it.
impl SideData {
    /// AV_PKT_DATA_NEW_EXTRADATA, of a packet: other parameter sets.
    pub const NEW_EXTRADATA: u32 = 1;
    /// A/53 captions: cc_data_pkts of 3 bytes each.
    pub const CAPTIONS: u32 = 1;
    /// The payload of the SEI message: H.265 D.2.28, 24 bytes.
    pub const MASTERING_DISPLAY: u32 = 11;
    /// The payload of the SEI message: H.265 D.2.35, 4 bytes.
    pub const CONTENT_LIGHT: u32 = 14;

    /// Why a frame's record cannot be carried into a stream; `None` if it can, as far as its kind and
    /// length tell.
    pub fn not_carried(&self) -> Option<String> {
        let len = self.data.len();
        let expected = match self.kind {
            SideData::CAPTIONS if len.is_multiple_of(3) => return None,
            SideData::CAPTIONS => {
                return Some(format!("captions of {len} bytes are no triplets"));
            }
            SideData::MASTERING_DISPLAY => 24,
            SideData::CONTENT_LIGHT => 4,
            _ => return Some("there is no form for it".into()),
        };
        (len != expected).then(|| format!("it has {len} bytes and not the {expected} of its form"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_news_once_and_not_every_number_that_there_is() {
        let mut left_out = LeftOut::default();
        assert!(left_out.is_news(7) && !left_out.is_news(7) && left_out.is_news(8));
        assert_eq!((100..200).filter(|kind| left_out.is_news(*kind)).count(), 30);
    }

    #[test]
    fn what_is_no_form_of_ours_is_not_carried() {
        let carried = |kind, len| SideData { kind, data: vec![0; len] }.not_carried().is_none();
        assert!(carried(1, 6) && carried(11, 24) && carried(14, 4));
        // FFmpeg's structures of the same kinds, and kinds of which nothing is known.
        // Part of a triplet.
        assert!(carried(1, 0) && !carried(1, 1) && !carried(1, 5));
        assert!(!carried(11, 88) && !carried(14, 8) && !carried(17, 24) && !carried(6, 36));
    }
}
