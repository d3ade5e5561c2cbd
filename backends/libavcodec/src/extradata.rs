//! What stands before a stream, and what stands between its pictures.

use vtremote_backend::{Codec, Error, PixelFormat};
use vtremote_bitstream::sps::{H264Sps, H265Sps, SampleFormat, StreamFacts};
use vtremote_bitstream::{Framing, ParameterSets, SetKind, annexb};

/// Extradata as a decoder of Annex B wants it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Extradata {
    /// Annex B; empty if there is none.
    pub(crate) annexb: Vec<u8>,
    /// Of the pictures, as an SPS says it.
    pub(crate) format: Option<PixelFormat>,
    /// The most that the SPSs allow the stream to reorder, in pictures; `None` if there is none that
    /// can be read to its end.
    pub(crate) reordering: Option<u8>,
}

impl Extradata {
    /// From extradata of any form.
    ///
    /// # Errors
    /// [`Error::Codec`] if it is none, [`Error::Unsupported`] if it announces other pictures than
    /// 4:2:0 in 8 or 10 bits, or those that are wished for.
    pub(crate) fn read(codec: Codec, extradata: &[u8], wish: PixelFormat) -> Result<Self, Error> {
        if extradata.is_empty() {
            return Ok(Extradata::default());
        }
        let (sets, framing) = ParameterSets::from_extradata(codec, extradata)
            .map_err(|error| Error::Codec(format!("extradata: {error}")))?;
        let annexb = match framing {
            // As it is: the SEI in it may name the encoder, whose defects libavcodec makes up for.
            Framing::AnnexB => extradata.to_vec(),
            Framing::LengthPrefixed(_) => sets.to_annexb(),
        };
        let mut formats = sets.of(SetKind::Sps).filter_map(|nal| {
            let samples = match codec {
                Codec::H264 => H264Sps::parse(nal)?.format,
                Codec::H265 => H265Sps::parse(nal)?.format,
            };
            let facts = StreamFacts::from_sps(codec, nal);
            Some((samples, facts.is_some_and(|facts| facts.matrix == RGB)))
        });
        // Which of several is used is for the pictures to say.
        let format = formats.next().map(|(samples, rgb)| pixel_format(codec, samples, rgb, wish));
        let format = format.transpose()?;
        let facts = sets.of(SetKind::Sps).filter_map(|nal| StreamFacts::from_sps(codec, nal));
        let reordering = facts.map(|facts| facts.reorder_depth).max();
        Ok(Extradata { annexb, format, reordering })
    }
}

/// The matrix of streams that are green, blue and red (H.264 E.2.1, H.265 E.3.1).
const RGB: u8 = 0;

fn pixel_format(
    codec: Codec,
    samples: SampleFormat,
    rgb: bool,
    wish: PixelFormat,
) -> Result<PixelFormat, Error> {
    let SampleFormat { chroma_format, luma_bits, chroma_bits } = samples;
    let format = match (chroma_format, luma_bits, chroma_bits) {
        (0, 8, _) | (1, 8, 8) => Some(PixelFormat::Nv12),
        (0, 10, _) | (1, 10, 10) => Some(PixelFormat::P010),
        (2, 8, 8) | (2, 10, 10) => Some(PixelFormat::P210),
        (3, 8, 8) if rgb => Some(PixelFormat::Bgra),
        (3, 8, 8) => Some(PixelFormat::Ayuv),
        _ => None,
    };
    format.filter(|format| is_told(*format, wish)).ok_or_else(|| {
        let chroma = ["4:0:0", "4:2:0", "4:2:2", "4:4:4"];
        let chroma = chroma.get(usize::from(chroma_format)).unwrap_or(&"unknown chroma");
        let bits = match chroma_bits == luma_bits {
            true => format!("{luma_bits} bits"),
            false => format!("{luma_bits} and {chroma_bits} bits"),
        };
        not_decoded(codec, &format!("{chroma} with {bits}"))
    })
}

/// Whether a client that wishes for `wish` is told a picture of this format: every client knows those
/// of 4:2:0, and the others only who asks for one (docs/protocol.md section 9).
pub(crate) fn is_told(format: PixelFormat, wish: PixelFormat) -> bool {
    matches!(format, PixelFormat::Nv12 | PixelFormat::P010) || format == wish
}

/// The error for pictures of another kind than are decoded.
pub(crate) fn not_decoded(codec: Codec, what: &str) -> Error {
    let known = "4:2:0 with 8 or 10 bits is decoded here, and 4:2:2 with as many and 4:4:4 with 8 for \
                 clients that ask for it";
    Error::Unsupported(format!("{codec} in {what}; {known}"))
}

/// Whether an access unit holds parameter sets, SEI and the like, and nothing else: no picture comes
/// of it.
pub(crate) fn is_without_picture(codec: Codec, data: &[u8]) -> bool {
    let mut nals = annexb::nal_units(data);
    let mut any = false;
    loop {
        // Its header only: a slice need not be read to its end.
        let rest = nals.remainder();
        let known = match (codec, codec.nal_unit_type(rest)) {
            // SEI, SPS, PPS, delimiter, filler, SPS extension, subset SPS (H.264 table 7-1).
            (Codec::H264, Some(kind)) => matches!(kind, 6..=9 | 12 | 13 | 15),
            // VPS, SPS, PPS, delimiter; filler, SEI (H.265 table 7-1).
            (Codec::H265, Some(kind)) => matches!(kind, 32..=35 | 38..=40),
            (_, None) => rest.is_empty() && any,
        };
        if !known || rest.is_empty() {
            return known;
        }
        any = true;
        nals.next();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An SPS that goes on with these bits behind the level.
    fn h264_sps(profile: u8, bits: &str) -> Vec<u8> {
        let bits: Vec<u8> = bits.bytes().filter(|bit| *bit != b' ').map(|bit| bit - b'0').collect();
        let byte =
            |bits: &[u8]| bits.iter().rev().zip(0..).fold(0, |byte, (bit, at)| byte | bit << at);
        let bytes = bits.chunks(8).map(|bits| byte(bits) << (8 - bits.len()));
        [0, 0, 0, 1, 0x67, profile, 0, 30].into_iter().chain(bytes).chain([0x80]).collect()
    }

    #[test]
    fn the_sps_tells_depth_and_chroma() {
        let wishing = |wish, profile, bits: &str| {
            let extradata = Extradata::read(Codec::H264, &h264_sps(profile, bits), wish);
            extradata.map(|extradata| extradata.format)
        };
        let format = |profile, bits: &str| wishing(PixelFormat::Nv12, profile, bits);
        assert_eq!(format(77, "1"), Ok(Some(PixelFormat::Nv12)));
        // The id, chroma_format_idc, both depths.
        assert_eq!(format(100, "1 010 1 1"), Ok(Some(PixelFormat::Nv12)));
        assert_eq!(format(110, "1 010 011 011"), Ok(Some(PixelFormat::P010)));
        assert_eq!(format(110, "1 1 011 1"), Ok(Some(PixelFormat::P010)));
        for (bits, name) in [
            ("1 011 1 1", "H.264 in 4:2:2 with 8 bits"),
            ("1 00100 0 1 1", "H.264 in 4:4:4 with 8 bits"),
            ("1 010 010 010", "H.264 in 4:2:0 with 9 bits"),
            ("1 010 1 011", "H.264 in 4:2:0 with 8 and 10 bits"),
        ] {
            let Err(Error::Unsupported(what)) = format(122, bits) else { panic!("{name}") };
            assert!(what.starts_with(name), "{what}");
        }
        let p210 = Ok(Some(PixelFormat::P210));
        assert_eq!(wishing(PixelFormat::P210, 122, "1 011 011 011"), p210);
        assert!(wishing(PixelFormat::P010, 122, "1 011 011 011").is_err());
        assert!(wishing(PixelFormat::Ayuv, 122, "1 011 011 011").is_err());
        let ayuv = Ok(Some(PixelFormat::Ayuv));
        assert_eq!(wishing(PixelFormat::Ayuv, 244, "1 00100 0 1 1"), ayuv);
    }

    #[test]
    fn no_extradata_says_nothing_and_no_sense_is_an_error() {
        assert_eq!(Extradata::read(Codec::H265, &[], PixelFormat::Nv12), Ok(Extradata::default()));
        assert!(matches!(
            Extradata::read(Codec::H265, &[9, 9], PixelFormat::Nv12),
            Err(Error::Codec(_))
        ));
    }

    #[test]
    fn a_packet_of_parameter_sets_has_no_picture() {
        let h264 = |data: &[u8]| is_without_picture(Codec::H264, data);
        assert!(h264(&[0, 0, 1, 9, 0xf0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 1, 0, 0]));
        assert!(!h264(&[0, 0, 1, 0x67, 1, 0, 0, 1, 0x65, 1]));
        assert!(!h264(&[0, 0, 1, 0x67, 1, 0, 0, 1, 0x0a]), "the end of a sequence is an event");
        assert!(!h264(&[0x67, 0x68, 0x69]), "no NAL unit at all");
        assert!(!h264(&[]));
        let h265 = |data: &[u8]| is_without_picture(Codec::H265, data);
        assert!(h265(&[0, 0, 1, 0x40, 1, 7, 0, 0, 1, 0x42, 1, 7, 0, 0, 1, 0x4e, 1, 7]));
        assert!(!h265(&[0, 0, 1, 0x26, 1, 7]));
    }
}
