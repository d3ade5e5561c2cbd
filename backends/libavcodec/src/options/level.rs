//! What a stream of a level may be (H.264 table A-1, H.265 tables A.8 and A.9).

use super::Draft;
use crate::options::Family;
use vtremote_backend::{Codec, Error, Ratio};

/// H.264 level limits, in the units of table A-1.
struct H264Level {
    /// Ten times the level.
    level: u32,
    /// MaxMBPS: macroblocks per second.
    rate: u64,
    /// MaxFS: macroblocks.
    size: u64,
    /// MaxDpbMbs: macroblocks of all reference pictures.
    references: u64,
    /// MaxBR: 1000 bits per second, 1250 in the High profile.
    bitrate: u64,
    /// MaxCPB: 1000 bits, 1250 in the High profile.
    buffer: u64,
}

const fn h264(
    level: u32,
    rate: u64,
    size: u64,
    references: u64,
    bitrate: u64,
    buffer: u64,
) -> H264Level {
    H264Level { level, rate, size, references, bitrate, buffer }
}

/// Those that clients can ask for.
const H264: [H264Level; 10] = [
    h264(13, 11_880, 396, 2_376, 768, 2_000),
    h264(30, 40_500, 1_620, 8_100, 10_000, 10_000),
    h264(31, 108_000, 3_600, 18_000, 14_000, 14_000),
    h264(32, 216_000, 5_120, 20_480, 20_000, 20_000),
    h264(40, 245_760, 8_192, 32_768, 20_000, 25_000),
    h264(41, 245_760, 8_192, 32_768, 50_000, 62_500),
    h264(42, 522_240, 8_704, 34_816, 50_000, 62_500),
    h264(50, 589_824, 22_080, 110_400, 135_000, 135_000),
    h264(51, 983_040, 36_864, 184_320, 240_000, 240_000),
    h264(52, 2_073_600, 36_864, 184_320, 240_000, 240_000),
];

/// H.265 level limits.
struct H265Level {
    /// Ten times the level.
    level: u32,
    /// MaxLumaSr: samples per second.
    rate: u64,
    /// MaxLumaPs: samples.
    size: u64,
    /// MaxBR, and MaxCPB, which is the same number: 1000 bits per second, and 1000 bits. Of the High
    /// tier where there is one: libx265 takes it if the Main tier is too low.
    bits: u64,
}

const fn h265(level: u32, rate: u64, size: u64, bits: u64) -> H265Level {
    H265Level { level, rate, size, bits }
}

/// Those that clients can ask for.
const H265: [H265Level; 7] = [
    h265(30, 16_588_800, 552_960, 6_000),
    h265(31, 33_177_600, 983_040, 10_000),
    h265(40, 66_846_720, 2_228_224, 30_000),
    h265(41, 133_693_440, 2_228_224, 50_000),
    h265(50, 267_386_880, 8_912_896, 100_000),
    h265(51, 534_773_760, 8_912_896, 160_000),
    h265(52, 1_069_547_520, 8_912_896, 240_000),
];

/// A level, whatever the codec.
struct Limits {
    level: u32,
    /// Macroblocks of 16x16, or luma samples.
    size: u64,
    /// As `size`, per second.
    rate: u64,
    /// As the sides of the picture: macroblocks, or samples.
    side: u64,
    /// Bits per second.
    bitrate: u64,
    /// Bits.
    buffer: u64,
}

impl Draft<'_> {
    /// The levels of this codec, with the limits that they have in the profile that was asked for.
    fn levels(&self) -> Vec<Limits> {
        // A side is at most the square root of eight times the size (H.264 A.3.1, H.265 A.4.1).
        let side = |size: u64| (8 * size).isqrt();
        match self.config.codec {
            Codec::H264 => {
                let per_unit = if self.is_high() { 1250 } else { 1000 };
                let limits = |l: &H264Level| Limits {
                    level: l.level,
                    size: l.size,
                    rate: l.rate,
                    side: side(l.size),
                    bitrate: l.bitrate * per_unit,
                    buffer: l.buffer * per_unit,
                };
                H264.iter().map(limits).collect()
            }
            Codec::H265 => {
                let limits = |l: &H265Level| Limits {
                    level: l.level,
                    size: l.size,
                    rate: l.rate,
                    side: side(l.size),
                    bitrate: l.bits * 1000,
                    buffer: l.bits * 1000,
                };
                H265.iter().map(limits).collect()
            }
        }
    }

    /// Width and height as levels count them: pictures are coded in whole macroblocks, and by libx265
    /// in blocks of 8x8 samples.
    fn coded_size(&self) -> (u64, u64) {
        let side = |pixels: u32| match self.config.codec {
            Codec::H264 => u64::from(pixels).div_ceil(16),
            Codec::H265 => u64::from(pixels).next_multiple_of(8),
        };
        (side(self.config.width), side(self.config.height))
    }

    /// What of the stream is too much for a level, in words.
    fn excess(&self, limits: &Limits) -> Option<String> {
        let (across, down) = self.coded_size();
        let (picture, size) =
            (across * down, format!("{}x{}", self.config.width, self.config.height));
        if picture > limits.size || across.max(down) > limits.side {
            return Some(size);
        }
        // A rate that nobody has told is no reason to refuse.
        if let Some(Ratio { num, den }) = self.config.frame_rate
            && picture.saturating_mul(num.into()) > limits.rate.saturating_mul(den.into())
        {
            let rate = f64::from(num) / f64::from(den.max(1));
            let rate = (rate * 1000.0).round() / 1000.0;
            return Some(format!("{size} at {rate} frames per second"));
        }
        let above = |bits: Option<u64>, most: u64| bits.filter(|bits| *bits > most);
        if let Some(bits) = above(self.average.max(self.peak), limits.bitrate) {
            return Some(format!("{bits} bits per second"));
        }
        above(self.buffer, limits.buffer).map(|bits| format!("a buffer of {bits} bits"))
    }

    /// Whether the bits that a level allows are those of the High profile.
    fn is_high(&self) -> bool {
        match self.config.profile {
            Some(66 | 77 | 578) => false,
            Some(100 | 612) => true,
            // It is high by itself, but with the one preset that leaves out everything.
            _ => self.family != Family::X264 || self.preset() != "ultrafast",
        }
    }

    /// How many reference pictures a stream of this level can have (H.264 A.3.1, H.265 A.4.2).
    pub(super) fn most_references(&self) -> u32 {
        let (across, down) = self.coded_size();
        let (picture, level) = (across * down, self.config.level);
        let most = match self.config.codec {
            Codec::H264 => H264
                .iter()
                .find(|known| Some(known.level) == level)
                .map(|known| known.references / picture),
            Codec::H265 => {
                let known = H265.iter().find(|known| Some(known.level) == level);
                // One less than the standard says, which counts the picture that is being decoded.
                known.map(|known| match known.size {
                    size if picture * 4 <= size => 15,
                    size if picture * 2 <= size => 11,
                    size if picture * 4 <= size * 3 => 7,
                    _ => 5,
                })
            }
        };
        most.map_or(16, |most| most.clamp(1, 16) as u32)
    }

    /// Asks for the level, where the stream fits into it.
    pub(super) fn level(&mut self) -> Result<(), Error> {
        let Some(level) = self.config.level.filter(|level| *level > 0) else {
            return Ok(());
        };
        let refused = |reason: String| Err(Error::Option { key: "level", reason });
        let levels = self.levels();
        let Some(limits) = levels.iter().find(|known| known.level == level) else {
            let reason = format!("{} has no level {}", self.config.codec, Name(level));
            return refused(reason);
        };
        // What the local encoder's tables have no name for, although the standard does.
        if self.config.codec == Codec::H264
            && level == 13
            && let Some(profile @ (77 | 100 | 612)) = self.config.profile
        {
            let profile = if profile == 77 { "main" } else { "high" };
            return refused(format!("1.3 goes with the baseline profile, not with {profile}"));
        }
        if self.family.is_software()
            && let Some(excess) = self.excess(limits)
        {
            let fits = levels.iter().find(|limits| self.excess(limits).is_none());
            let remedy = match fits {
                Some(fits) => format!("{} can", Name(fits.level)),
                None => "no level can".into(),
            };
            return refused(format!("{} cannot hold {excess}: {remedy}", Name(level)));
        }
        match self.family {
            Family::X265 => self.native("level-idc", Name(level)),
            // H.265 7.4.4: general_level_idc is thirty times the level.
            _ if self.config.codec == Codec::H265 => self.set("level", level * 3),
            _ => self.set("level", level),
        }
        Ok(())
    }
}

/// A level as people say it.
struct Name(u32);

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.0 / 10, self.0 % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{config, planned, reason};
    use super::*;
    use vtremote_backend::{EncoderConfig, PixelFormat};

    fn sized(codec: Codec, width: u32, height: u32, level: u32) -> EncoderConfig {
        EncoderConfig { width, height, level: Some(level), ..config(codec) }
    }

    #[test]
    fn a_level_that_is_too_low_for_the_size_is_refused_and_the_lowest_that_is_not_is_named() {
        for (codec, level, lowest) in
            [(Codec::H264, 13, "4.0"), (Codec::H264, 32, "4.0"), (Codec::H265, 31, "4.0")]
        {
            let (key, reason) = reason(&sized(codec, 1920, 1080, level));
            let expected = format!("{} cannot hold 1920x1080: {lowest} can", Name(level));
            assert_eq!((key, reason), ("level", expected));
        }
        for level in [40, 41, 50, 51, 52] {
            planned(&sized(Codec::H264, 1920, 1080, level)).unwrap();
            planned(&sized(Codec::H265, 1920, 1080, level)).unwrap();
        }
    }

    #[test]
    fn a_side_can_be_too_long_for_a_level_that_has_room_for_the_samples() {
        assert!(reason(&sized(Codec::H264, 4096, 64, 31)).1.contains("4096x64: 4.0 can"));
        planned(&sized(Codec::H264, 2704, 64, 31)).unwrap();
        assert!(reason(&sized(Codec::H265, 2816, 64, 31)).1.contains("2816x64: 4.0 can"));
    }

    #[test]
    fn a_level_that_is_too_low_for_the_frame_rate_is_refused() {
        let at = |codec, num, level| EncoderConfig {
            frame_rate: Some(Ratio { num, den: 1001 }),
            ..sized(codec, 1920, 1080, level)
        };
        let (key, said) = reason(&at(Codec::H264, 60_000, 41));
        assert_eq!(key, "level");
        assert_eq!(said, "4.1 cannot hold 1920x1080 at 59.94 frames per second: 4.2 can");
        planned(&at(Codec::H264, 30_000, 41)).unwrap();
        assert!(reason(&at(Codec::H265, 60_000, 40)).1.ends_with(": 4.1 can"));
    }

    #[test]
    fn a_frame_rate_that_nobody_told_is_no_reason_to_refuse_a_level() {
        let time_base = Ratio { num: 1, den: 60 };
        planned(&EncoderConfig { time_base, ..sized(Codec::H264, 1920, 1080, 40) }).unwrap();
    }

    #[test]
    fn the_high_profile_has_more_bits_at_the_same_level() {
        let with = |profile, bits| {
            let mut config = sized(Codec::H264, 1280, 720, 31);
            config.profile = profile;
            config.rate.bitrate = Some(bits);
            config
        };
        for profile in [None, Some(100), Some(612)] {
            planned(&with(profile, 17_500_000)).unwrap();
            assert!(reason(&with(profile, 17_500_001)).1.ends_with("bits per second: 3.2 can"));
        }
        for profile in [66, 77, 578] {
            planned(&with(Some(profile), 14_000_000)).unwrap();
            assert_eq!(reason(&with(Some(profile), 14_000_001)).0, "level");
        }
    }

    #[test]
    fn a_peak_or_a_buffer_beyond_the_level_is_refused() {
        let mut config = sized(Codec::H265, 640, 360, 30);
        config.rate.max_rate = Some(6_000_001);
        assert_eq!(reason(&config).1, "3.0 cannot hold 6000001 bits per second: 3.1 can");
        config.rate.max_rate = Some(5_000_000);
        config.rate.buffer = Some(40_000_000);
        assert_eq!(reason(&config).1, "3.0 cannot hold a buffer of 40000000 bits: 4.1 can");
        config.rate.buffer = Some(400_000_000);
        assert!(reason(&config).1.ends_with(": no level can"));
    }

    #[test]
    fn levels_that_a_codec_does_not_have_are_refused() {
        for level in [13, 32, 42] {
            let (key, reason) = reason(&sized(Codec::H265, 64, 64, level));
            assert_eq!((key, reason), ("level", format!("H.265 has no level {}", Name(level))));
        }
        assert_eq!(reason(&sized(Codec::H264, 64, 64, 7)).0, "level");
    }

    #[test]
    fn level_1_3_is_for_baseline() {
        let with = |profile| EncoderConfig { profile, ..sized(Codec::H264, 176, 144, 13) };
        for profile in [None, Some(66), Some(578)] {
            planned(&with(profile)).unwrap();
        }
        for profile in [77, 100, 612] {
            assert_eq!(reason(&with(Some(profile))).0, "level");
        }
    }

    #[test]
    fn ten_bits_have_the_same_levels() {
        let config =
            EncoderConfig { format: PixelFormat::P010, ..sized(Codec::H265, 1280, 720, 31) };
        planned(&config).unwrap();
    }
}
