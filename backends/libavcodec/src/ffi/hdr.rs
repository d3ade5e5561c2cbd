//! FFmpeg's structures of HDR metadata, as far as their fields are fixed (libavutil's
//! mastering_display_metadata.h: what may be added comes behind), to the payloads of SEI messages.

use super::av::AVRational;
use std::ptr;

/// AVMasteringDisplayMetadata. The generated bindings lack that header.
#[derive(Clone, Copy)]
#[repr(C)]
struct MasteringDisplay {
    /// x and y of red, green and blue.
    primaries: [[AVRational; 2]; 3],
    white: [AVRational; 2],
    /// In candela per square metre.
    min_luminance: AVRational,
    max_luminance: AVRational,
    has_primaries: i32,
    has_luminance: i32,
}

/// AVContentLightMetadata.
#[derive(Clone, Copy)]
#[repr(C)]
struct ContentLight {
    max: u32,
    average: u32,
}

/// The payload of H.265 D.2.28, zeros for what is not known; `None` if nothing is.
pub(super) fn mastering_display(record: &[u8]) -> Option<[u8; 24]> {
    let display: MasteringDisplay = read(record)?;
    if display.has_primaries == 0 && display.has_luminance == 0 {
        return None;
    }
    let mut payload = [0; 24];
    if display.has_primaries != 0 {
        let [red, green, blue] = display.primaries;
        let points = [green, blue, red, display.white].into_iter().flatten();
        for (bytes, value) in payload.as_chunks_mut::<2>().0.iter_mut().zip(points) {
            *bytes = u16::try_from(units(value, 50_000)).unwrap_or(u16::MAX).to_be_bytes();
        }
    }
    if display.has_luminance != 0 {
        payload[16..20].copy_from_slice(&units(display.max_luminance, 10_000).to_be_bytes());
        payload[20..].copy_from_slice(&units(display.min_luminance, 10_000).to_be_bytes());
    }
    Some(payload)
}

/// The payload of H.265 D.2.35.
pub(super) fn content_light(record: &[u8]) -> Option<[u8; 4]> {
    let light: ContentLight = read(record)?;
    let [a, b] = [light.max, light.average]
        .map(|level| u16::try_from(level).unwrap_or(u16::MAX).to_be_bytes());
    Some([a[0], a[1], b[0], b[1]])
}

/// How many times a fraction has 1/`unit`, rounded.
fn units(AVRational { num, den }: AVRational, unit: i64) -> u32 {
    match (i64::from(num), i64::from(den)) {
        (0.., 1..) => {
            let (num, den) = (i64::from(num), i64::from(den));
            u32::try_from((num * unit + den / 2) / den).unwrap_or(u32::MAX)
        }
        _ => 0,
    }
}

/// A structure of numbers only, at the beginning of a record.
fn read<T: Copy>(record: &[u8]) -> Option<T> {
    let whole = record.get(..size_of::<T>())?;
    // SAFETY: there are as many bytes as the structure has, any of which are valid integers; it is
    // read wherever it lies.
    Some(unsafe { ptr::read_unaligned(whole.as_ptr().cast()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(words: &[i32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    /// DCI-P3 at 1000 to 0.0001 candela per square metre, as FFmpeg's decoders have it.
    fn display(has_primaries: i32, has_luminance: i32) -> Vec<u8> {
        let points = [34_000, 16_000, 13_250, 34_500, 7_500, 3_000, 15_635, 16_450];
        let mut words: Vec<i32> = points.into_iter().flat_map(|point| [point, 50_000]).collect();
        words.extend([1, 10_000, 1000, 1, has_primaries, has_luminance]);
        record(&words)
    }

    #[test]
    fn a_mastering_display_becomes_the_payload_of_its_message() {
        let points = [13_250_u16, 34_500, 7_500, 3_000, 34_000, 16_000, 15_635, 16_450];
        let points = points.map(u16::to_be_bytes).concat();
        let luminance = [10_000_000_u32, 1].map(u32::to_be_bytes).concat();
        let payload = mastering_display(&display(1, 1)).unwrap();
        assert_eq!((&payload[..16], &payload[16..]), (&points[..], &luminance[..]));
        let payload = mastering_display(&display(0, 1)).unwrap();
        assert_eq!((&payload[..16], &payload[16..]), (&[0; 16][..], &luminance[..]));
        let payload = mastering_display(&display(1, 0)).unwrap();
        assert_eq!((&payload[..16], &payload[16..]), (&points[..], &[0; 8][..]));
        assert_eq!(mastering_display(&display(0, 0)), None);
        assert_eq!(mastering_display(&display(1, 1)[..87]), None);
    }

    #[test]
    fn fractions_are_rounded_and_those_that_cannot_be_are_0() {
        let units = |num, den, unit| units(AVRational { num, den }, unit);
        assert_eq!(units(708, 1000, 50_000), 35_400);
        assert_eq!(units(1, 3, 10_000), 3_333);
        assert_eq!(units(2, 3, 10_000), 6_667);
        assert_eq!(units(i32::MAX, 1, 50_000), u32::MAX);
        assert_eq!([units(1, 0, 10), units(-1, 2, 10), units(1, -2, 10)], [0; 3]);
    }

    #[test]
    fn light_levels_are_16_bits() {
        assert_eq!(content_light(&record(&[1000, 400])), Some([3, 0xe8, 1, 0x90]));
        assert_eq!(content_light(&record(&[70_000, -1])), Some([0xff; 4]));
        assert_eq!(content_light(&record(&[1000])), None);
    }
}
