//! MP4 files of kinds that no muxer at hand makes (ISO/IEC 14496-12 and 14496-15).

use std::fs;
use std::path::Path;
use vtremote_bitstream::{Codec, LengthSize, ParameterSets, annexb};

/// Samples that have their parameter sets in one sample description.
pub(crate) struct Part {
    description: Vec<u8>,
    samples: Vec<Vec<u8>>,
}

impl Part {
    /// Of access units in Annex B, of which the first is a keyframe, each a sample, with NAL units
    /// behind `lengths` bytes of length. Their parameter sets go to the description and are nowhere
    /// else.
    pub(crate) fn new<'a>(
        codec: Codec,
        (width, height): (u16, u16),
        lengths: u8,
        units: impl IntoIterator<Item = &'a [u8]>,
    ) -> Self {
        let lengths = LengthSize::new(lengths).expect("1 to 4 bytes");
        let mut sets = ParameterSets::new(codec);
        let samples = units.into_iter().map(|unit| {
            let mut rest = Vec::new();
            for nal in annexb::nal_units(unit).filter(|nal| !sets.insert(nal)) {
                rest.extend([&annexb::START_CODE[..], nal].concat());
            }
            let mut sample = Vec::new();
            annexb::to_length_prefixed(&rest, lengths, &mut sample).expect("a sample");
            sample
        });
        let samples = samples.collect();
        let record = sets.to_record(lengths).expect("parameter sets");
        let (entry, kind) = match codec {
            Codec::H264 => (b"avc1", b"avcC"),
            Codec::H265 => (b"hvc1", b"hvcC"),
        };
        let mut fields = [0; 78];
        // The data reference; 72 dpi; one picture per sample; 24 bits; no palette.
        fields[7] = 1;
        fields[24..26].copy_from_slice(&width.to_be_bytes());
        fields[26..28].copy_from_slice(&height.to_be_bytes());
        (fields[29], fields[33], fields[41]) = (72, 72, 1);
        fields[75..78].copy_from_slice(&[24, 0xff, 0xff]);
        Part { description: boxed(entry, &[&fields, &boxed(kind, &[&record])]), samples }
    }
}

/// Writes a file with one video track at `rate` samples a second. Samples are shown in the order in
/// which they are stored.
pub(crate) fn write(path: &Path, rate: u32, parts: &[Part]) {
    let samples = || parts.iter().flat_map(|part| &part.samples);
    let count = samples().count() as u32;
    let ftyp = boxed(b"ftyp", &[b"isom", &word(0x200), b"isom", b"mp41"]);
    let media: Vec<&[u8]> = samples().map(Vec::as_slice).collect();
    let mdat = boxed(b"mdat", &media);

    // Each part is a chunk, which has a description of its own.
    let (mut chunks, mut offsets, mut keys) = (Vec::new(), Vec::new(), Vec::new());
    let (mut offset, mut first) = (ftyp.len() as u32 + 8, 1);
    for (part, number) in parts.iter().zip(1..) {
        chunks.extend(words([number, part.samples.len() as u32, number]));
        offsets.extend(word(offset));
        keys.extend(word(first));
        offset += part.samples.iter().map(|sample| sample.len() as u32).sum::<u32>();
        first += part.samples.len() as u32;
    }
    let number = word(parts.len() as u32);
    let descriptions: Vec<_> = parts.iter().flat_map(|part| part.description.clone()).collect();
    let sizes: Vec<_> = samples().flat_map(|sample| word(sample.len() as u32)).collect();
    let tables = boxed(
        b"stbl",
        &[
            &full(b"stsd", 0, &[&number, &descriptions]),
            &full(b"stts", 0, &[&words([1, count, 1])]),
            &full(b"stss", 0, &[&number, &keys]),
            &full(b"stsc", 0, &[&number, &chunks]),
            &full(b"stsz", 0, &[&words([0, count]), &sizes]),
            &full(b"stco", 0, &[&number, &offsets]),
        ],
    );
    let data = full(b"dref", 0, &[&word(1), &full(b"url ", 1, &[])]);
    let information =
        boxed(b"minf", &[&full(b"vmhd", 1, &[&[0; 8]]), &boxed(b"dinf", &[&data]), &tables]);
    let times = words([0, 0, rate, count]);
    let media = boxed(
        b"mdia",
        &[
            // Of language "und".
            &full(b"mdhd", 0, &[&times, &[0x55, 0xc4, 0, 0]]),
            &full(b"hdlr", 0, &[&word(0), b"vide", &[0; 13]]),
            &information,
        ],
    );
    let matrix = words([0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x4000_0000]);
    let track = words([0, 0, 1, 0, count]);
    let movie = boxed(
        b"moov",
        &[
            &full(
                b"mvhd",
                0,
                &[&times, &words([0x10000, 0x100_0000, 0, 0]), &matrix, &[0; 24], &word(2)],
            ),
            // Enabled, and in the movie.
            &boxed(b"trak", &[&full(b"tkhd", 3, &[&track, &[0; 16], &matrix, &[0; 8]]), &media]),
        ],
    );
    fs::write(path, [ftyp, mdat, movie].concat()).expect("an MP4 file");
}

fn word(number: u32) -> [u8; 4] {
    number.to_be_bytes()
}

fn words<const N: usize>(numbers: [u32; N]) -> Vec<u8> {
    numbers.into_iter().flat_map(word).collect()
}

fn boxed(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    [&word(content.len() as u32 + 8)[..], kind, &content].concat()
}

/// A box with version 0 and flags.
fn full(kind: &[u8; 4], flags: u32, parts: &[&[u8]]) -> Vec<u8> {
    boxed(kind, &[&word(flags), &parts.concat()])
}
