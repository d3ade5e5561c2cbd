//! What this Mac decodes, asked by starting a decoder for a stream of each kind.

use super::picture::Layout;
use super::{describe, names};
use crate::backend::tried;
use crate::ffi::{Decompression, Status, Value, decodes_in_hardware};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;
use vtremote_backend::{Codec, Error, PixelFormat, Support};
use vtremote_bitstream::{ParameterSets, SetKind, StreamFacts};

/// Codec, what its pictures come as, and parameter sets.
type Kind = (Codec, PixelFormat, [&'static [u8]; 3]);

/// Parameter sets of 1280x720, progressive: H.264 Main, High 10 and High 4:2:2; H.265 Main, Main 10, 4:2:2 with 10
/// bits, and 4:4:4 with 8 bits in colours of video and of RGB.
const KINDS: [Kind; 8] = [
    (
        Codec::H264,
        PixelFormat::Nv12,
        [
            b"\x67\x4d\x40\x1f\xda\x01\x40\x16\xec\x04\x40\x00\x00\x03\x00\x40\x00\x00\x0f\x03\xc6\x0c\
              \xa8",
            b"\x68\xee\x0f\xc8",
            b"",
        ],
    ),
    (
        Codec::H264,
        PixelFormat::P010,
        [
            b"\x67\x6e\x00\x1f\xa6\xcb\x40\x28\x02\xdd\x80\x88\x00\x00\x03\x00\x08\x00\x00\x03\x01\xe0\
              \x78\xc1\x95",
            b"\x68\xee\x0f\xc8",
            b"",
        ],
    ),
    (
        Codec::H264,
        PixelFormat::P210,
        [
            b"\x67\x7a\x00\x1f\xb6\xcb\x40\x28\x02\xdd\x80\x88\x00\x00\x03\x00\x08\x00\x00\x03\x01\xe0\
              \x78\xc1\x95",
            b"\x68\xce\x0f\xc8",
            b"",
        ],
    ),
    (
        Codec::H265,
        PixelFormat::Nv12,
        [
            b"\x40\x01\x0c\x01\xff\xff\x01\x60\x00\x00\x03\x00\x90\x00\x00\x03\x00\x00\x03\x00\x5d\xba\
              \x02\x40",
            b"\x42\x01\x01\x01\x60\x00\x00\x03\x00\x90\x00\x00\x03\x00\x00\x03\x00\x5d\xa0\x02\x80\x80\
              \x2d\x16\x5b\xa4\xa4\xc2\xf0\x16\x80\x80\x00\x00\x03\x00\x80\x00\x00\x0f\x04",
            b"\x44\x01\xc0\x73\xc1\x89",
        ],
    ),
    (
        Codec::H265,
        PixelFormat::P010,
        [
            b"\x40\x01\x0c\x01\xff\xff\x02\x20\x00\x00\x03\x00\x90\x00\x00\x03\x00\x00\x03\x00\x5d\xba\
              \x02\x40",
            b"\x42\x01\x01\x02\x20\x00\x00\x03\x00\x90\x00\x00\x03\x00\x00\x03\x00\x5d\xa0\x02\x80\x80\
              \x2d\x13\x65\xba\x4a\x4c\x2f\x01\x68\x08\x00\x00\x03\x00\x08\x00\x00\x03\x00\xf0\x40",
            b"\x44\x01\xc0\x73\xc1\x89",
        ],
    ),
    (
        Codec::H265,
        PixelFormat::P210,
        [
            b"\x40\x01\x0c\x01\xff\xff\x04\x08\x00\x00\x03\x00\x9d\x08\x00\x00\x03\x00\x00\x5d\x95\x98\
              \x09",
            b"\x42\x01\x01\x04\x08\x00\x00\x03\x00\x9d\x08\x00\x00\x03\x00\x00\x5d\xb0\x02\x80\x80\x2d\
              \x13\x65\x95\x9a\x49\x32\xbc\x05\xa0\x20\x00\x00\x03\x00\x20\x00\x00\x03\x03\xc1",
            b"\x44\x01\xc1\x72\xb4\x62\x40",
        ],
    ),
    (
        Codec::H265,
        PixelFormat::Ayuv,
        [
            b"\x40\x01\x0c\x01\xff\xff\x04\x08\x00\x00\x03\x00\x9e\x08\x00\x00\x03\x00\x00\x5d\x95\x98\
              \x09",
            b"\x42\x01\x01\x04\x08\x00\x00\x03\x00\x9e\x08\x00\x00\x03\x00\x00\x5d\x90\x00\x50\x10\x05\
              \xa2\xcb\x2b\x34\x92\x65\x78\x0b\x40\x40\x00\x00\x03\x00\x40\x00\x00\x07\x82",
            b"\x44\x01\xc1\x72\x86\x0c\x46\x24",
        ],
    ),
    (
        Codec::H265,
        PixelFormat::Bgra,
        [
            b"\x40\x01\x0c\x01\xff\xff\x04\x08\x00\x00\x03\x00\x9e\x08\x00\x00\x03\x00\x00\x5d\x95\x98\
              \x09",
            b"\x42\x01\x01\x04\x08\x00\x00\x03\x00\x9e\x08\x00\x00\x03\x00\x00\x5d\x90\x00\x50\x10\x05\
              \xa2\xcb\x2b\x34\x92\x65\x78\x0b\x70\x20\x20\x00\x40\x00\x00\x03\x00\x40\x00\x00\x07\x82",
            b"\x44\x01\xc1\x72\x86\x0c\x46\x24",
        ],
    ),
];

/// What is decoded, and a line for each kind that is not. One that VideoToolbox says nothing of for so long
/// is none, and its thread is left behind.
pub(crate) fn decoders(patience: Duration) -> (Vec<Support>, Vec<String>) {
    let (found, refused) = tried(KINDS.to_vec(), |kind| starts_in_time(*kind, patience));
    let refusals = refused
        .into_iter()
        .map(|((codec, format, _), error)| format!("{codec} to {}: {error}", format.name()))
        .collect();
    let mut decoders: Vec<Support> = Vec::new();
    for (codec, format, _) in KINDS.into_iter().filter(|kind| found.contains(kind)) {
        match decoders.iter_mut().find(|support| support.codec == codec) {
            Some(support) => support.formats.push(format),
            None => {
                let kind = if decodes_in_hardware(codec) { "hardware" } else { "software" };
                let implementation = format!("VideoToolbox ({kind})");
                decoders.push(Support { codec, implementation, formats: vec![format] });
            }
        }
    }
    (decoders, refusals)
}

fn starts_in_time((codec, format, sets): Kind, patience: Duration) -> Result<(), Error> {
    let (done, result) = mpsc::channel();
    let thread = thread::Builder::new().name("vt-probe".into());
    let spawned = thread.spawn(move || {
        let _ = done.send(starts(codec, format, &sets));
    });
    spawned.map_err(|error| Error::Codec(format!("no thread: {error}")))?;
    result.recv_timeout(patience).unwrap_or_else(|error| {
        Err(match error {
            mpsc::RecvTimeoutError::Timeout => {
                Error::Unsupported(format!("VideoToolbox says nothing for {patience:?}"))
            }
            mpsc::RecvTimeoutError::Disconnected => Error::Internal("trying it panicked".into()),
        })
    })
}

fn starts(codec: Codec, format: PixelFormat, nals: &[&[u8]]) -> Result<(), Error> {
    let mut sets = ParameterSets::new(codec);
    for nal in nals {
        sets.insert(nal);
    }
    let error = |status: Status| match status {
        Status::NO_DECODER | Status::UNSUPPORTED_DATA_FORMAT | Status::PARAMETER => {
            Error::Unsupported(status.to_string())
        }
        _ => Error::Codec(status.to_string()),
    };
    let facts = sets.of(SetKind::Sps).find_map(|nal| StreamFacts::from_sps(codec, nal));
    let facts =
        facts.ok_or_else(|| Error::Internal("parameter sets that cannot be read".into()))?;
    let description = describe(codec, &sets, &facts).map_err(error)?;
    let specification = [(names::enable_hardware_decoder(), Value::Bool(true))];
    let characters = Layout::of(codec, &facts, format)?.characters.cast_signed();
    let pictures = [(names::pixel_format(), Value::Int(characters))];
    Decompression::new(&description, &specification, &pictures, Arc::new(|_, _| ()))
        .map(drop)
        .map_err(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kinds_are_what_they_are_said_to_be() {
        for (codec, format, nals) in KINDS {
            let mut sets = ParameterSets::new(codec);
            assert!(nals.iter().all(|nal| nal.is_empty() || sets.insert(nal)));
            let facts = sets.of(SetKind::Sps).find_map(|nal| StreamFacts::from_sps(codec, nal));
            let facts = facts.unwrap();
            assert_eq!((facts.width, facts.height), (1280, 720));
            assert_eq!(Layout::of(codec, &facts, format).map(|layout| layout.format), Ok(format));
        }
    }
}
