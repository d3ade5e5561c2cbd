//! What goes wrong.

use super::*;
use crate::streams::{Shown, Told};

/// Everything that comes of a stream under a script, and of libavcodec without.
fn under(script: Script, stream: &Stream) -> (Told, Vec<Shown>) {
    let backend = silicon();
    backend.double().script(script);
    (decode(&backend, &decoder_config(stream), stream), expected(stream))
}

/// Keyframes at 0, 8, 16, 24; no B-frames.
fn stream() -> Stream {
    let config = config(Codec::H264, PixelFormat::Nv12);
    encode(&EncoderConfig { b_frames: 0, closed_gop: true, ..config }, 30)
}

/// The pts of frames that did not come. Those that did are as they should be.
fn missing(told: &Told, expected: &[Shown]) -> Vec<i64> {
    assert_eq!((&told.failed, told.drained), (&None, true), "{:?}", told.warnings);
    let mut found = told.frames.iter().peekable();
    let gone = expected.iter().filter(|frame| match found.peek() {
        Some(next) if next.pts == frame.pts => {
            assert!(found.next() == Some(frame), "another picture at {:?}", frame.pts);
            false
        }
        _ => true,
    });
    let gone = gone.filter_map(|frame| frame.pts).collect();
    assert_eq!(found.next().map(|frame| frame.pts), None, "a frame that should not be there");
    gone
}

#[test]
fn a_picture_that_fails_is_a_warning_with_its_name() {
    for (outcome, text) in [
        (Outcome::Error(-12909), "the data are damaged (kVTVideoDecoderBadDataErr, -12909)"),
        (Outcome::Drop, "no picture comes of it"),
        (Outcome::Empty, "no picture comes of it"),
    ] {
        let (told, expected) = under(Script::new().decode(5, outcome), &stream());
        // Only that one: the double decodes it, and keeps it.
        assert_eq!(missing(&told, &expected), [8], "{outcome:?}");
        assert_eq!(told.warnings, [format!("VideoToolbox: packet 4 (pts 8): {text}")]);
    }
}

#[test]
fn a_refused_packet_is_a_warning() {
    let script = Script::new().fail("VTDecompressionSessionDecodeFrame", 30, -12909);
    let (told, expected) = under(script, &stream());
    assert_eq!(missing(&told, &expected), [58]);
    let [warning] = &told.warnings[..] else { panic!("{:?}", told.warnings) };
    assert!(warning.contains("packet 29 (pts 58)") && warning.contains("BadDataErr"), "{warning}");
}

#[test]
fn the_same_fault_over_and_over_is_told_once_and_counted() {
    let script = (3..8).fold(Script::new(), |script, nth| script.decode(nth, Outcome::Drop));
    let (told, expected) = under(script, &stream());
    assert_eq!(missing(&told, &expected), [4, 6, 8, 10, 12]);
    assert_eq!(told.warnings.len(), 2, "{:?}", told.warnings);
    assert!(told.warnings[1].contains("4 more times"), "{:?}", told.warnings);
}

#[test]
fn a_lost_session_goes_on_with_the_next_keyframe() {
    // Nothing is in the session's queue.
    let caller = || Script::new().callbacks(Callbacks::Caller);
    let (told, expected) = under(caller().decode(12, Outcome::Invalidate), &stream());
    assert_eq!(missing(&told, &expected), [22, 24, 26, 28, 30]);
    let [lost, skipped] = &told.warnings[..] else { panic!("{:?}", told.warnings) };
    assert!(lost.contains("kVTInvalidSessionErr, -12903"), "{lost}");
    assert!(skipped.contains("packet 16") && skipped.contains("5 pictures"), "{skipped}");
}

#[test]
fn nothing_is_lost_with_a_session_that_ends_at_a_keyframe() {
    let script = Script::new().callbacks(Callbacks::Caller).decode(17, Outcome::Invalidate);
    let (told, expected) = under(script, &stream());
    assert_eq!(missing(&told, &expected), [0; 0]);
    let [lost] = &told.warnings[..] else { panic!("{:?}", told.warnings) };
    assert!(lost.contains("kVTInvalidSessionErr"), "{lost}");
}

#[test]
fn a_malfunction_loses_no_more_than_what_was_in_the_decoder_and_up_to_the_next_keyframe() {
    for status in [-12911, -17690, -17691] {
        let (told, expected) = under(Script::new().decode(4, Outcome::Die(status)), &stream());
        let missing = missing(&told, &expected);
        assert!(missing.contains(&6), "{missing:?}");
        // It dies when it comes to the fourth: a group or two, as fast as packets came.
        assert!(missing.iter().all(|pts| *pts < 32), "{missing:?}");
        let status = status.to_string();
        assert!(told.warnings.iter().any(|warning| warning.contains(&status)), "{told:?}");
    }
}

#[test]
fn a_session_that_does_not_come_about_again_fails_the_decoder() {
    let script = Script::new().callbacks(Callbacks::Caller).decode(12, Outcome::Invalidate);
    let script = script.fail("VTDecompressionSessionCreate", 2, -12913);
    let (told, expected) = under(script, &stream());
    let Some(Error::Codec(what)) = &told.failed else { panic!("{:?}", told.failed) };
    assert!(what.contains("kVTVideoDecoderNotAvailableNowErr"), "{what}");
    assert!(!told.drained && told.frames == expected[..11], "{} frames", told.frames.len());
}

#[test]
fn a_session_that_cannot_begin_is_an_error_with_its_name() {
    for (status, name) in
        [(-12906, "kVTCouldNotFindVideoDecoderErr"), (-12913, "kVTVideoDecoderNotAvailableNowErr")]
    {
        let config = config(Codec::H265, PixelFormat::Nv12);
        let stream = encode(&EncoderConfig { global_header: true, ..config }, 2);
        let backend = silicon();
        backend.double().script(Script::new().fail("VTDecompressionSessionCreate", 1, status));
        let sink = Arc::new(streams::Listener::default());
        let opened = backend.open_decoder(&decoder_config(&stream), sink);
        let error = opened.map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("H.265"), "{error}");
    }
}

#[test]
fn calls_that_fail_leave_nothing_behind() {
    for call in [
        "CMBlockBufferCreateWithMemoryBlock",
        "CMBlockBufferReplaceDataBytes",
        "CMSampleBufferCreateReady",
        "CMVideoFormatDescriptionCreateFromH264ParameterSets",
    ] {
        // The warnings say that pictures are missing, and the double that nothing is alive.
        let (told, expected) = under(Script::new().fail(call, 1, -12704), &stream());
        assert_eq!(missing(&told, &expected).first(), Some(&0), "{call}");
        assert!(told.warnings[0].contains("packet 0 (pts 0)"), "{call}: {:?}", told.warnings);
    }
    let script = Script::new().fail("CVPixelBufferLockBaseAddress", 5, -6660);
    let (told, _) = under(script, &stream());
    let Some(Error::Codec(what)) = &told.failed else { panic!("{told:?}") };
    assert!(what.contains("kCVReturnError"), "{what}");
}

#[test]
fn before_any_parameter_sets_packets_are_warnings() {
    let header = EncoderConfig { global_header: true, ..config(Codec::H264, PixelFormat::Nv12) };
    let mut stream = encode(&header, 5);
    stream.extradata = Vec::new();
    let told = decode(&silicon(), &decoder_config(&stream), &stream);
    assert_eq!((told.frames.len(), told.failed, told.drained), (0, None, true));
    assert!(told.warnings[0].contains("there are no parameter sets yet"), "{:?}", told.warnings);
}

#[test]
fn damaged_packets_never_end_a_session() {
    for codec in [Codec::H264, Codec::H265] {
        let clean = encode(&config(codec, PixelFormat::Nv12), 24);
        for seed in 0..24u64 {
            let mut stream = clean.clone();
            let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let mut next = |below: usize| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                (random % below as u64) as usize
            };
            // Bits are turned, bytes cut, packets lost and doubled, the first apart.
            for _ in 0..4 {
                let at = 1 + next(stream.packets.len() - 1);
                let data = &mut stream.packets[at].data;
                match next(4) {
                    0 => data.truncate(5 + next(data.len() - 5)),
                    1 => drop(stream.packets.remove(at)),
                    2 => stream.packets.insert(at, stream.packets[at].clone()),
                    _ => {
                        let place = next(data.len());
                        data[place] ^= 1 << next(8);
                    }
                }
            }
            let told = decode(&silicon(), &decoder_config(&stream), &stream);
            let unsupported = matches!(told.failed, Some(Error::Unsupported(_)));
            assert!(told.drained || unsupported, "{codec}, {seed}: {:?}", told.failed);
            assert!(!told.frames.is_empty());
        }
    }
}
