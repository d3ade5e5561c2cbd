//! The options of CONFIGURE, typed (docs/protocol.md section 4).

use std::fmt;

use crate::error_code;
use crate::format::Codec;

/// Why an option was refused: the value does not parse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("option {key}: {value:?} is not {expected}")]
pub struct OptionError {
    /// The option.
    pub key: &'static str,
    /// The value that came, cut at 64 characters.
    pub value: String,
    /// What would have been right.
    pub expected: &'static str,
}

impl OptionError {
    /// The code of the ERROR that answers it.
    pub fn code(&self) -> u32 {
        if self.key == "mode" { error_code::UNSUPPORTED } else { error_code::AUTH_OR_CONFIG }
    }
}

/// Defines [`Options`] and what walks over its keys from one table. A row is the field with its
/// type, its default and its key; after `if`, which values of the type are allowed, and what to say
/// of others.
macro_rules! options {
    (@expected $type:ty) => { <$type as Value>::EXPECTED };
    (@expected $type:ty, $expected:literal) => { $expected };

    ($(
        $(#[$doc:meta])*
        $field:ident: $type:ty = $default:expr, $key:literal
        $(if $allowed:expr, $expected:literal)?;
    )*) => {
        /// Every option of CONFIGURE. A new one has the defaults, which are what a missing option
        /// means.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Options {
            $($(#[$doc])* pub $field: $type,)*
        }

        impl Default for Options {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl Options {
            /// Sets one option from its text; false if there is none of this key.
            pub fn set(&mut self, key: &str, value: &str) -> Result<bool, OptionError> {
                match key {
                    $($key => {
                        let parsed = <$type as Value>::parse(value)$(.filter($allowed))?;
                        self.$field = parsed.ok_or_else(|| OptionError {
                            key: $key,
                            value: value.chars().take(64).collect(),
                            expected: options!(@expected $type $(, $expected)?),
                        })?;
                    })*
                    _ => return Ok(false),
                }
                Ok(true)
            }

            /// Keys and values of what differs from the defaults, for CONFIGURE.
            pub fn to_pairs(&self) -> Vec<(&'static str, String)> {
                let default = Self::default();
                let mut pairs = Vec::new();
                $(if self.$field != default.$field {
                    pairs.push(($key, self.$field.text()));
                })*
                pairs
            }

            /// Every key.
            pub fn keys() -> impl Iterator<Item = &'static str> {
                [$($key),*].into_iter()
            }
        }
    };
}

options! {
    /// What the session does.
    mode: Mode = Mode::Encode, "mode";
    /// How FRAME's planes are compressed: 0 not, 1 LZ4 block, 2 Zstandard frame.
    wire_compression: u8 = 0, "wire_compression"
        if |&n| n <= 2, "0 (none), 1 (LZ4) or 2 (Zstandard)";

    /// Bits per second; 0 not given.
    bitrate: u64 = 0, "bitrate";
    /// Bits per second; 0 not given.
    maxrate: u64 = 0, "maxrate";
    /// Bits; 0 not given.
    bufsize: u64 = 0, "bufsize";
    /// The longest distance between keyframes, in frames; 0 or less: the encoder's choice.
    gop: i32 = 0, "gop";
    /// The most B-frames in a row.
    max_b_frames: i32 = 0, "max_b_frames";
    /// FFmpeg's value: quality times 118 with [`CodecFlags::QSCALE`], else 0 to 100.
    global_quality: i32 = 0, "global_quality";
    /// FFmpeg's AVCodecContext.flags.
    flags: CodecFlags = CodecFlags(0), "flags";
    /// The least quantiser; -1 not given.
    qmin: i32 = -1, "qmin";
    /// The greatest quantiser; -1 not given.
    qmax: i32 = -1, "qmax";

    /// FFmpeg's AV_PROFILE_* number; -99 unknown.
    profile: i32 = -99, "profile";
    /// Ten times the level; 0 the encoder's choice.
    level: i32 = 0, "level";
    /// H.264's entropy coder: 0 the encoder's choice, 1 CAVLC, 2 CABAC.
    entropy: u8 = 0, "entropy" if |&n| n <= 2, "0 (auto), 1 (CAVLC) or 2 (CABAC)";
    /// The most bytes of an H.264 slice; 0 or less: any.
    max_slice_bytes: i32 = -1, "max_slice_bytes";
    /// A software encoder will do.
    allow_sw: bool = false, "allow_sw";
    /// Only a software encoder will do.
    require_sw: bool = false, "require_sw";
    /// There are frames before this stream's first.
    frames_before: bool = false, "frames_before";
    /// There are frames after this stream's last.
    frames_after: bool = false, "frames_after";
    /// Constant bit rate.
    constant_bit_rate: bool = false, "constant_bit_rate";
    /// Encode in real time.
    realtime: Option<bool> = None, "realtime";
    /// Prefer speed to quality.
    prio_speed: Option<bool> = None, "prio_speed";
    /// Prefer low power.
    power_efficient: Option<bool> = None, "power_efficient";
    /// Spatial adaptive quantisation.
    spatial_aq: Option<bool> = None, "spatial_aq";
    /// The most reference frames; 0 the encoder's choice.
    max_ref_frames: i32 = 0, "max_ref_frames";
    /// Quality of the alpha channel, 0 to 1; 0 none.
    alpha_quality: f64 = 0.0, "alpha_quality"
        if |q| (0.0..=1.0).contains(q), "a number from 0 to 1";

    /// AVCOL_RANGE_*; 0 unknown.
    color_range: u16 = 0, "color_range";
    /// AVCOL_SPC_*; 2 unknown.
    colorspace: u16 = 2, "colorspace";
    /// AVCOL_PRI_*; 2 unknown.
    color_primaries: u16 = 2, "color_primaries";
    /// AVCOL_TRC_*; 2 unknown.
    color_trc: u16 = 2, "color_trc";
    /// Sample aspect ratio, numerator; 0 unknown.
    sar_num: u32 = 0, "sar_num";
    /// Sample aspect ratio, denominator; 0 unknown.
    sar_den: u32 = 0, "sar_den";
    /// Write A/53 captions into the stream.
    a53_cc: Option<bool> = None, "a53_cc";
    /// Ours. The payload of the SEI message of this name: 48 hex digits.
    mastering_display: Option<[u8; 24]> = None, "mastering_display";
    /// Ours. The payload of the SEI message of this name: 8 hex digits.
    content_light: Option<[u8; 4]> = None, "content_light";
    /// Ours. AVCHROMA_LOC_*; 0 unknown.
    chroma_location: u8 = 0, "chroma_location";

    /// The client takes decoded frames whenever they come. Early clients don't send it.
    decode_async: Option<bool> = None, "decode_async";
    /// How many frames a client is prepared for the decoder to hold back.
    decode_reorder_depth: i32 = 2, "decode_reorder_depth";

    /// Transcode: the output's codec, or the input's.
    out_codec: Option<Codec> = None, "out_codec";
    /// Transcode: pixels per row of the output; 0 the input's.
    out_width: u32 = 0, "out_width";
    /// Transcode: rows of the output; 0 the input's.
    out_height: u32 = 0, "out_height";
    /// Transcode: how a picture becomes one of another shape.
    scale_mode: ScaleMode = ScaleMode::Stretch, "scale_mode";
    /// Transcode: send PACKET_ACK.
    packet_ack: bool = false, "packet_ack.v1";

    /// Ours. Send ACK (docs/protocol.md section 9).
    ack: bool = false, "x.ack.v1";
    /// Ours. Frames may travel as FRAME_BEGIN and SLICE (docs/protocol.md section 9).
    slices: bool = false, "x.slices.v1";
    /// Ours. Decoded pictures say what they are (docs/protocol.md section 9).
    geometry: bool = false, "x.geometry.v1";
    /// Ours. Send NOTICE (docs/protocol.md section 9).
    notice: bool = false, "x.notice.v1";
    /// Ours. Pictures in slices may be vtz (docs/protocol.md section 9): 0 no, 1 the sender's way, 2 in
    /// decode as fast as can be.
    vtz: u8 = 0, "x.wire.vtz.v1" if |wish| *wish <= 2, "0, 1 or 2";
    /// Ours. Whoever sends pictures codes each as it likes, and is sent PACE (docs/protocol.md section 9).
    pace: bool = false, "x.pace.v1";
}

impl Options {
    /// The options of a CONFIGURE and the keys that are not known. Of a key that comes twice the
    /// last value holds.
    pub fn parse(pairs: &[(&str, &str)]) -> Result<(Self, Vec<String>), OptionError> {
        let mut options = Self::default();
        let mut unknown = Vec::new();
        for (key, value) in pairs {
            if !options.set(key, value)? {
                unknown.push((*key).to_owned());
            }
        }
        Ok((options, unknown))
    }
}

/// What a session does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// FRAMEs in, PACKETs out.
    Encode,
    /// PACKETs in, FRAMEs out.
    Decode,
    /// PACKETs in, PACKETs out.
    Transcode,
}

/// How a picture becomes one of another shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScaleMode {
    /// Each direction by its own factor.
    Stretch,
    /// Whole and undistorted, with bars.
    Aspect,
    /// Filled and undistorted, cropped.
    AspectFill,
}

/// FFmpeg's AVCodecContext.flags, of which some have a meaning here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CodecFlags(pub u32);

impl CodecFlags {
    /// Constant quality: `global_quality` is a quality times 118.
    pub const QSCALE: Self = Self(1 << 1);
    /// As little delay as possible.
    pub const LOW_DELAY: Self = Self(1 << 19);
    /// Parameter sets in the extradata instead of before every keyframe.
    pub const GLOBAL_HEADER: Self = Self(1 << 22);
    /// No frame refers across a keyframe.
    pub const CLOSED_GOP: Self = Self(1 << 31);

    /// Whether all of these are set.
    pub fn contains(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }
}

impl std::ops::BitOr for CodecFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What an option's text can be.
trait Value: Sized {
    const EXPECTED: &'static str;
    fn parse(text: &str) -> Option<Self>;
    fn text(&self) -> String;
}

macro_rules! integers {
    ($($type:ty: $expected:literal),*) => {$(
        impl Value for $type {
            const EXPECTED: &'static str = $expected;

            fn parse(text: &str) -> Option<Self> {
                text.parse().ok()
            }

            fn text(&self) -> String {
                self.to_string()
            }
        }
    )*};
}

integers! {
    u8: "a number from 0 to 255",
    u16: "a number from 0 to 65535",
    u32: "a number from 0 to 4294967295",
    u64: "a number from 0 to 18446744073709551615",
    i32: "a number from -2147483648 to 2147483647"
}

/// Finite, since NaN and infinity are numbers to nobody who encodes video.
impl Value for f64 {
    const EXPECTED: &'static str = "a number";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok().filter(|number: &Self| number.is_finite())
    }

    fn text(&self) -> String {
        self.to_string()
    }
}

/// True unless "0", so there is no text that it is not.
impl Value for bool {
    const EXPECTED: &'static str = "0 or 1";

    fn parse(text: &str) -> Option<Self> {
        Some(text != "0")
    }

    fn text(&self) -> String {
        u8::from(*self).to_string()
    }
}

impl Value for Option<bool> {
    const EXPECTED: &'static str = "-1 (default), 0 or 1";

    fn parse(text: &str) -> Option<Self> {
        match text {
            "-1" => Some(None),
            "0" => Some(Some(false)),
            "1" => Some(Some(true)),
            _ => None,
        }
    }

    fn text(&self) -> String {
        self.map_or(-1, i32::from).to_string()
    }
}

/// Written signed, as FFmpeg has it; read either way.
impl Value for CodecFlags {
    const EXPECTED: &'static str = "a number of 32 bits";

    fn parse(text: &str) -> Option<Self> {
        let signed = || text.parse().ok().map(i32::cast_unsigned);
        text.parse().ok().or_else(signed).map(Self)
    }

    fn text(&self) -> String {
        self.0.cast_signed().to_string()
    }
}

macro_rules! hex {
    ($($len:literal: $expected:literal),*) => {$(
        impl Value for Option<[u8; $len]> {
            const EXPECTED: &'static str = $expected;

            fn parse(text: &str) -> Option<Self> {
                let digits = text.as_bytes();
                if digits.len() != 2 * $len {
                    return None;
                }
                let mut bytes = [0; $len];
                for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
                    let digit = |index: usize| char::from(pair[index]).to_digit(16);
                    *byte = (digit(0)? << 4 | digit(1)?) as u8;
                }
                Some(Some(bytes))
            }

            fn text(&self) -> String {
                self.iter().flatten().map(|byte| format!("{byte:02x}")).collect()
            }
        }
    )*};
}

hex! { 24: "48 hex digits", 4: "8 hex digits" }

impl Value for Mode {
    const EXPECTED: &'static str = "encode, decode or transcode";

    fn parse(text: &str) -> Option<Self> {
        match text {
            "encode" => Some(Self::Encode),
            "decode" => Some(Self::Decode),
            "transcode" => Some(Self::Transcode),
            _ => None,
        }
    }

    fn text(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Encode => "encode",
            Self::Decode => "decode",
            Self::Transcode => "transcode",
        })
    }
}

impl Value for Option<Codec> {
    const EXPECTED: &'static str = "h264 or hevc";

    fn parse(text: &str) -> Option<Self> {
        Codec::from_name(text).map(Some)
    }

    fn text(&self) -> String {
        self.map_or("", Codec::name).to_owned()
    }
}

impl Value for ScaleMode {
    const EXPECTED: &'static str = "stretch, aspect or aspect_fill";

    fn parse(text: &str) -> Option<Self> {
        match text {
            "stretch" | "resize" | "scale" => Some(Self::Stretch),
            "aspect" | "fit" | "letterbox" => Some(Self::Aspect),
            "aspect_fill" | "aspectfill" | "fill" | "crop" => Some(Self::AspectFill),
            _ => None,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Stretch => "stretch",
            Self::Aspect => "aspect",
            Self::AspectFill => "aspect_fill",
        }
        .to_owned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The whole table of docs/protocol.md section 4: key, default as text, a value that parses and
    /// one that does not ("" where everything parses).
    const TABLE: [(&str, &str, &str, &str); 51] = [
        ("mode", "encode", "transcode", "Encode"),
        ("wire_compression", "0", "2", "3"),
        ("bitrate", "0", "9223372036854775807", "-1"),
        ("maxrate", "0", "4000000", "4M"),
        ("bufsize", "0", "8000000", " 8"),
        ("gop", "0", "-1", "3.0"),
        ("max_b_frames", "0", "3", "x"),
        ("global_quality", "0", "7670", "65x"),
        ("flags", "0", "-2143289344", "4294967296"),
        ("qmin", "-1", "10", "1e1"),
        ("qmax", "-1", "51", "0x33"),
        ("profile", "-99", "578", "high"),
        ("level", "0", "41", "4.1"),
        ("entropy", "0", "2", "3"),
        ("max_slice_bytes", "-1", "1400", "99999999999"),
        ("allow_sw", "0", "1", ""),
        ("require_sw", "0", "1", ""),
        ("frames_before", "0", "1", ""),
        ("frames_after", "0", "1", ""),
        ("constant_bit_rate", "0", "1", ""),
        ("realtime", "-1", "0", "2"),
        ("prio_speed", "-1", "1", "true"),
        ("power_efficient", "-1", "1", "-2"),
        ("spatial_aq", "-1", "1", "01"),
        ("max_ref_frames", "0", "4", "four"),
        ("alpha_quality", "0", "0.5", "nan"),
        ("color_range", "0", "1", "tv"),
        ("colorspace", "2", "9", "bt2020nc"),
        ("color_primaries", "2", "9", "-1"),
        ("color_trc", "2", "256", "65536"),
        ("sar_num", "0", "4", "4:3"),
        ("sar_den", "0", "3", "-3"),
        ("a53_cc", "-1", "1", "yes"),
        ("decode_async", "-1", "0", "maybe"),
        ("decode_reorder_depth", "2", "16", "deep"),
        ("out_codec", "", "hevc", "av1"),
        ("out_width", "0", "1280", "-1280"),
        ("out_height", "0", "720", "720p"),
        ("scale_mode", "stretch", "aspect_fill", "zoom"),
        ("packet_ack.v1", "0", "1", ""),
        (
            "mastering_display",
            "",
            "84d03e8033c286c41d4c0bb83d1340420098968000000032",
            "84d03e8033c286c41d4c0bb83d134042009896800000003",
        ),
        ("content_light", "", "03e80190", "03e8019g"),
        ("chroma_location", "0", "1", "left"),
        ("x.ack.v1", "0", "1", ""),
        ("x.slices.v1", "0", "1", ""),
        ("x.geometry.v1", "0", "1", ""),
        ("x.notice.v1", "0", "1", ""),
        ("x.wire.vtz.v1", "0", "2", "3"),
        ("x.pace.v1", "0", "1", ""),
        ("alpha_quality", "0", "1", "inf"),
        ("alpha_quality", "0", "0.000000", "1.5"),
    ];

    #[test]
    fn every_key_of_the_table_is_known_and_no_other() {
        let mut keys: Vec<_> = Options::keys().collect();
        keys.sort_unstable();
        let mut table: Vec<_> = TABLE.iter().map(|row| row.0).collect();
        table.sort_unstable();
        table.dedup();
        assert_eq!(keys, table);
    }

    #[test]
    fn a_value_comes_back_as_it_went_in() {
        for (key, default, value, _) in TABLE {
            let (options, unknown) = Options::parse(&[(key, value)]).unwrap();
            assert!(unknown.is_empty());
            let pairs = options.to_pairs();
            if options == Options::default() {
                assert_eq!((value, default), ("0.000000", "0"));
                assert!(pairs.is_empty());
            } else {
                assert_eq!(pairs, [(key, value.to_owned())]);
            }
        }
    }

    #[test]
    fn a_default_that_is_sent_is_still_the_default() {
        for (key, default, _, _) in TABLE {
            if !default.is_empty() {
                let (options, _) = Options::parse(&[(key, default)]).unwrap();
                assert_eq!(options, Options::default(), "{key}");
            }
        }
        assert!(Options::default().to_pairs().is_empty());
    }

    #[test]
    fn a_value_that_does_not_parse_is_refused_by_its_key_and_changes_nothing() {
        for (key, _, _, bad) in TABLE {
            if !bad.is_empty() {
                let mut options = Options::default();
                let error = options.set(key, bad).unwrap_err();
                assert_eq!((error.key, &error.value[..]), (key, bad));
                assert!(error.to_string().starts_with(&format!("option {key}: {bad:?} is not ")));
                assert_eq!(options, Options::default());
            }
        }
    }

    #[test]
    fn refusals_say_what_would_be_right() {
        let refusal = |key, value| Options::parse(&[(key, value)]).unwrap_err();
        let error = refusal("entropy", "cabac");
        assert_eq!(
            error.to_string(),
            r#"option entropy: "cabac" is not 0 (auto), 1 (CAVLC) or 2 (CABAC)"#
        );
        assert_eq!(error.code(), error_code::AUTH_OR_CONFIG);
        let error = refusal("mode", "remux");
        assert_eq!(error.to_string(), r#"option mode: "remux" is not encode, decode or transcode"#);
        assert_eq!(error.code(), error_code::UNSUPPORTED);
        assert_eq!(refusal("gop", &"9".repeat(1000)).value.len(), 64);
    }

    #[test]
    fn unknown_keys_are_told_and_the_last_of_two_values_holds() {
        let pairs = [("gop", "1"), ("turbo", "11"), ("gop", "2"), ("", "")];
        let (options, unknown) = Options::parse(&pairs).unwrap();
        assert_eq!(options.gop, 2);
        assert_eq!(unknown, ["turbo", ""]);
    }

    #[test]
    fn switches_are_on_unless_0() {
        for (value, on) in [("0", false), ("1", true), ("", true), ("00", true), ("no", true)] {
            assert_eq!(Options::parse(&[("allow_sw", value)]).unwrap().0.allow_sw, on);
        }
    }

    #[test]
    fn flags_may_come_signed_or_not() {
        for text in ["-2147483646", "2147483650"] {
            let (options, _) = Options::parse(&[("flags", text)]).unwrap();
            assert_eq!(options.flags, CodecFlags::CLOSED_GOP | CodecFlags::QSCALE);
            assert!(options.flags.contains(CodecFlags::QSCALE));
            assert!(!options.flags.contains(CodecFlags::QSCALE | CodecFlags::LOW_DELAY));
        }
    }

    #[test]
    fn scale_modes_have_more_than_one_name() {
        for (names, mode) in [
            (&["stretch", "resize", "scale"][..], ScaleMode::Stretch),
            (&["aspect", "fit", "letterbox"], ScaleMode::Aspect),
            (&["aspect_fill", "aspectfill", "fill", "crop"], ScaleMode::AspectFill),
        ] {
            for name in names {
                let (options, _) = Options::parse(&[("scale_mode", name)]).unwrap();
                assert_eq!(options.scale_mode, mode);
            }
        }
    }

    proptest! {
        #[test]
        fn any_set_of_values_survives_the_wire(
            numbers in any::<(u64, i32, i32, u32, u16, u8)>(),
            alpha_quality in 0.0..=1.0f64,
            hex in any::<(Option<[u8; 24]>, Option<[u8; 4]>)>(),
            switches in any::<(bool, Option<bool>, bool)>(),
        ) {
            let options = Options {
                bitrate: numbers.0,
                gop: numbers.1,
                qmin: numbers.2,
                flags: CodecFlags(numbers.3),
                colorspace: numbers.4,
                chroma_location: numbers.5,
                alpha_quality,
                mastering_display: hex.0,
                content_light: hex.1,
                ack: switches.0,
                a53_cc: switches.1,
                allow_sw: switches.2,
                ..Options::default()
            };
            let pairs = options.to_pairs();
            let pairs: Vec<_> = pairs.iter().map(|(key, value)| (*key, &value[..])).collect();
            prop_assert_eq!(Options::parse(&pairs), Ok((options, Vec::new())));
        }

        #[test]
        fn no_value_is_too_strange(
            key in prop::sample::select(Options::keys().collect::<Vec<_>>()),
            value in any::<String>(),
        ) {
            let mut options = Options::default();
            match options.set(key, &value) {
                Ok(known) => prop_assert!(known),
                Err(error) => prop_assert_eq!(error.key, key),
            }
        }
    }
}
