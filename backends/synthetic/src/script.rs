use std::fmt;
use std::str::FromStr;
use std::time::Duration;
use vtremote_backend::{PixelFormat, check_size};

/// Something that happens once, for a while: at which frame, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// Frames are counted from 0 in the order in which they were submitted.
    pub frame: u64,
    /// At least so long, unless the session ends before.
    pub time: Duration,
}

/// Pictures of a decoder that are of another size from one on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resize {
    /// The first of them.
    pub frame: u64,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
}

/// Pictures of a decoder that are of another format from one on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reformat {
    /// The first of them.
    pub frame: u64,
    /// Of the planes.
    pub format: PixelFormat,
}

/// How the backend behaves, read from a line of `key=value` with commas between:
///
/// | key | meaning |
/// |---|---|
/// | `delay=N` | N more outputs are held back |
/// | `reorder=N` | N B-frames in a row, whatever the client asks (see below for decoders) |
/// | `burst=N` | outputs come N at a time |
/// | `stall=FRAME:TIME` | the output stops before that frame |
/// | `cost=TIME` | what coding a frame takes |
/// | `slow=FRAME:TIME` | encoders give no picture, decoders take no packet, before that frame |
/// | `fail=FRAME` | the codec fails instead of giving that frame |
/// | `drop=FRAME` | a defect: that frame never comes out |
/// | `double=FRAME` | a defect: that frame comes out twice |
/// | `panic=FRAME` | a defect: submitting that frame panics |
/// | `size=BYTES` | packets are filled up to that size |
/// | `hash=off` | packets say nothing of the pixels, which saves reading them; pictures are painted once |
/// | `resize=FRAME:WxH` | decoders: that frame and those after it are of another size |
/// | `format=FRAME:NAME` | decoders: likewise of another format, by FFmpeg's name: `nv12`, `p010le`, … |
/// | `colors=FRAME` | decoders: likewise say what they are, see below |
/// | `pictures=N` | how many pictures there are before the caller has to wait, 8 unless told |
///
/// A decoder shows a frame as soon as the stream's dts lets it; with `reorder=N`, once N others
/// wait. To it `size` means nothing. With `hash=off` it paints a picture's memory when that is new, and
/// lets it be from then on. Its pictures have the size and format of the configuration, and of the
/// rest of their [`Geometry`](vtremote_backend::Geometry) nothing is known; from `colors` on they are
/// of full range, BT.2020 with the transfer of SMPTE 2084 (primaries 9, transfer 16, matrix 9), chroma
/// top left (3), of two fields with the bottom one first, and their pixels are 4:3.
///
/// Times are whole numbers with a unit: `20us`, `300ms`, `2s`. Each key is said at most once.
///
/// ```
/// use vtremote_backend_synthetic::Script;
/// let script: Script = "delay=3,stall=10:300ms".parse()?;
/// assert_eq!(script.delay, 3);
/// assert!("dealy=3".parse::<Script>().is_err());
/// # Ok::<(), vtremote_backend_synthetic::ScriptError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Outputs held back.
    pub delay: u32,
    /// B-frames in a row; `None`: what the client asks.
    pub reorder: Option<u32>,
    /// Outputs at a time, at least 1.
    pub burst: u32,
    /// The output stops before this frame.
    pub stall: Option<Pause>,
    /// What coding a frame takes.
    pub cost: Duration,
    /// No room before this frame.
    pub slow: Option<Pause>,
    /// The codec fails at this frame.
    pub fail: Option<u64>,
    /// This frame is lost without a word.
    pub drop: Option<u64>,
    /// This frame comes out twice.
    pub double: Option<u64>,
    /// Submitting this frame panics.
    pub panic: Option<u64>,
    /// Packets are at least so long, in bytes.
    pub size: usize,
    /// Whether packets carry a hash of the pixels, and each picture is made of its packet.
    pub hash: bool,
    /// Another size midway.
    pub resize: Option<Resize>,
    /// Another format midway.
    pub format: Option<Reformat>,
    /// Pictures say what they are from this frame on.
    pub colors: Option<u64>,
    /// How many pictures there are, at least 1.
    pub pictures: usize,
}

/// Most B-frames in a row.
pub(crate) const MAX_REORDER: u32 = 16;

impl Default for Script {
    fn default() -> Self {
        Script {
            delay: 0,
            reorder: None,
            burst: 1,
            stall: None,
            cost: Duration::ZERO,
            slow: None,
            fail: None,
            drop: None,
            double: None,
            panic: None,
            size: 0,
            hash: true,
            resize: None,
            format: None,
            colors: None,
            pictures: 8,
        }
    }
}

/// What is wrong with a script; always its writer's fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScriptError {
    /// There is no such key.
    UnknownKey(String),
    /// The key was there before.
    Repeated(String),
    /// The value is not what the key takes.
    Value {
        /// The key.
        key: String,
        /// What was said.
        value: String,
        /// What could be said.
        wanted: &'static str,
    },
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ScriptError::UnknownKey(key) => write!(f, "synthetic backend: unknown key {key:?}"),
            ScriptError::Repeated(key) => write!(f, "synthetic backend: {key} is said twice"),
            ScriptError::Value { key, value, wanted } => {
                write!(f, "synthetic backend: {key}={value}: {wanted} is wanted")
            }
        }
    }
}

impl std::error::Error for ScriptError {}

impl FromStr for Script {
    type Err = ScriptError;

    fn from_str(line: &str) -> Result<Self, ScriptError> {
        let mut script = Script::default();
        let mut seen = Vec::new();
        for item in line.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            let (key, value) = item.split_once('=').unwrap_or((item, ""));
            if seen.contains(&key) {
                return Err(ScriptError::Repeated(key.into()));
            }
            seen.push(key);
            let bad = |wanted| ScriptError::Value { key: key.into(), value: value.into(), wanted };
            let count = |low: u32, high: u32, wanted| {
                let number = value.parse().ok().filter(|number| (low..=high).contains(number));
                number.ok_or_else(|| bad(wanted))
            };
            let frame = || value.parse().map(Some).map_err(|_| bad("a frame's number"));
            let pause = || pause(value).map(Some).ok_or_else(|| bad("FRAME:TIME, as in 10:300ms"));
            match key {
                "delay" => script.delay = count(0, 1024, "0 to 1024")?,
                "reorder" => script.reorder = Some(count(0, MAX_REORDER, "0 to 16")?),
                "burst" => script.burst = count(1, 1024, "1 to 1024")?,
                "stall" => script.stall = pause()?,
                "cost" => script.cost = time(value).ok_or_else(|| bad("a time, as in 2ms"))?,
                "slow" => script.slow = pause()?,
                "fail" => script.fail = frame()?,
                "drop" => script.drop = frame()?,
                "double" => script.double = frame()?,
                "panic" => script.panic = frame()?,
                "size" => script.size = count(0, 1 << 26, "0 to 67108864 bytes")? as usize,
                "hash" => {
                    script.hash = match value {
                        "on" => true,
                        "off" => false,
                        _ => return Err(bad("on or off")),
                    }
                }
                "resize" => {
                    script.resize =
                        Some(resize(value).ok_or_else(|| bad("FRAME:WxH, as in 10:640x360"))?);
                }
                "format" => {
                    script.format =
                        Some(reformat(value).ok_or_else(|| bad("FRAME:NAME, as in 10:p010le"))?);
                }
                "colors" => script.colors = frame()?,
                "pictures" => script.pictures = count(1, 256, "1 to 256")? as usize,
                _ => return Err(ScriptError::UnknownKey(key.into())),
            }
        }
        Ok(script)
    }
}

fn pause(value: &str) -> Option<Pause> {
    let (frame, length) = value.split_once(':')?;
    Some(Pause { frame: frame.parse().ok()?, time: time(length)? })
}

fn resize(value: &str) -> Option<Resize> {
    let (frame, size) = value.split_once(':')?;
    let (width, height) = size.split_once('x')?;
    let (width, height) = (width.parse().ok()?, height.parse().ok()?);
    check_size(width, height).ok()?;
    Some(Resize { frame: frame.parse().ok()?, width, height })
}

fn reformat(value: &str) -> Option<Reformat> {
    let (frame, name) = value.split_once(':')?;
    let format = PixelFormat::ALL.into_iter().find(|format| format.name() == name)?;
    Some(Reformat { frame: frame.parse().ok()?, format })
}

/// A day at most, so that adding it to a clock never overflows.
fn time(value: &str) -> Option<Duration> {
    let (number, unit) = value.split_at(value.find(|c: char| !c.is_ascii_digit())?);
    let micros = match unit {
        "us" => 1,
        "ms" => 1_000,
        "s" => 1_000_000,
        _ => return None,
    };
    let micros = number.parse::<u64>().ok()?.checked_mul(micros)?;
    Some(Duration::from_micros(micros)).filter(|time| *time <= Duration::from_secs(86_400))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(line: &str) -> String {
        line.parse::<Script>().unwrap_err().to_string()
    }

    #[test]
    fn every_key_is_read() {
        let line = "delay=1,reorder=2,burst=3,stall=4:5ms,cost=6us,slow=7:8s,fail=9,drop=10,\
                    double=11,panic=12,size=13,hash=off,pictures=14,resize=15:16x17,\
                    format=18:p210le,colors=19";
        let pause = |frame, time| Some(Pause { frame, time });
        let expected = Script {
            delay: 1,
            reorder: Some(2),
            burst: 3,
            stall: pause(4, Duration::from_millis(5)),
            cost: Duration::from_micros(6),
            slow: pause(7, Duration::from_secs(8)),
            fail: Some(9),
            drop: Some(10),
            double: Some(11),
            panic: Some(12),
            size: 13,
            hash: false,
            pictures: 14,
            resize: Some(Resize { frame: 15, width: 16, height: 17 }),
            format: Some(Reformat { frame: 18, format: PixelFormat::P210 }),
            colors: Some(19),
        };
        assert_eq!(line.parse(), Ok(expected));
    }

    #[test]
    fn an_empty_script_is_the_default() {
        assert_eq!("".parse(), Ok(Script::default()));
    }

    #[test]
    fn unknown_and_repeated_keys_are_errors() {
        assert_eq!(error("dealy=3"), "synthetic backend: unknown key \"dealy\"");
        assert_eq!(error("delay=3,delay=3"), "synthetic backend: delay is said twice");
    }

    #[test]
    fn a_value_out_of_bounds_is_an_error_that_says_the_bounds() {
        assert_eq!(error("burst=0"), "synthetic backend: burst=0: 1 to 1024 is wanted");
        assert!(error("delay=-1").contains("0 to 1024"));
        assert!(error("size=99999999999").contains("67108864"));
        assert!(error("pictures=").contains("1 to 256"));
        assert!(error("hash=maybe").contains("on or off"));
        assert!(error("fail=x").contains("frame's number"));
        for size in ["5", "5:6", "5:0x4", "5:4x99999", "x:4x4"] {
            assert!(error(&format!("resize={size}")).contains("FRAME:WxH"), "{size}");
        }
        for format in ["5", "5:p010", ":nv12", "x:nv12"] {
            assert!(error(&format!("format={format}")).contains("FRAME:NAME"), "{format}");
        }
    }

    #[test]
    fn a_time_has_a_unit_and_an_end() {
        for bad in ["cost=3", "cost=3h", "cost=ms", "cost=-3ms", "cost=99999999999999999999s"] {
            assert!(error(bad).contains("as in 2ms"), "{bad}");
        }
        assert!(error("cost=86401s").contains("as in 2ms"));
        assert!(error("stall=300ms").contains("as in 10:300ms"));
    }
}
