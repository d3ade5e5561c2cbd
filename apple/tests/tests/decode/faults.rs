//! What goes wrong.

use super::*;
use crate::bare_sps::without_vuis;
use crate::streams::{Shown, Told};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use vtremote_backend::{DecodedFrame, FrameSink};
use vtremote_bitstream::StreamFacts;

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

/// Decoders that soon give up: nothing takes long here.
fn impatient() -> OverDouble {
    let patience = Patience { answer: Duration::from_millis(400), ..Patience::default() };
    OverDouble::with_patience(Machine::apple_silicon(), Script::new(), patience)
}

#[test]
fn an_answer_that_never_comes_costs_its_picture() {
    for callbacks in [Callbacks::Session, Callbacks::Caller] {
        let backend = impatient();
        let script =
            [5, 20].into_iter().fold(Script::new(), |s, nth| s.decode(nth, Outcome::Never));
        backend.double().script(script.callbacks(callbacks));
        let told = decode(&backend, &decoder_config(&stream()), &stream());
        assert_eq!(missing(&told, &expected(&stream())), [8, 38]);
        let [first, rest @ ..] = &told.warnings[..] else { panic!("{:?}", told.warnings) };
        assert!(
            first.contains("1 pictures got no answer within 400ms, and are given up"),
            "{first}"
        );
        assert_eq!(rest.len(), 1, "{rest:?}");
    }
}

#[test]
fn what_waits_for_an_answer_that_never_comes_needs_no_packet_to_be_shown() {
    let backend = impatient();
    backend.double().script(Script::new().decode(3, Outcome::Never));
    let sink = Arc::new(streams::Listener::default());
    let opened = backend.open_decoder(&decoder_config(&stream()), Arc::clone(&sink) as _);
    let mut decoder = opened.unwrap().codec;
    for packet in &stream().packets[..6] {
        assert_eq!(decoder.submit(packet.clone(), streams::PATIENCE), Ok(None));
    }
    let told = sink.wait(|told| told.frames.len() == 5);
    let pts: Vec<_> = told.frames.iter().filter_map(|frame| frame.pts).collect();
    assert_eq!(pts, [0, 2, 6, 8, 10]);
}

#[test]
fn a_session_that_is_silent_and_lost_is_followed_by_another() {
    let backend = impatient();
    let wait = "VTDecompressionSessionWaitForAsynchronousFrames";
    let script = Script::new().decode(1, Outcome::Never).fail(wait, 1, -12903);
    backend.double().script(script);
    let told = decode(&backend, &decoder_config(&stream()), &stream());
    assert_eq!(missing(&told, &expected(&stream())), [0; 0]);
    let [lost] = &told.warnings[..] else { panic!("{:?}", told.warnings) };
    assert!(lost.contains("a lost session: ") && lost.contains("a new one goes on"), "{lost}");
}

#[test]
fn a_decoder_that_stays_silent_fails() {
    let backend = impatient();
    let script = (5..=30).fold(Script::new(), |script, nth| script.decode(nth, Outcome::Never));
    backend.double().script(script);
    let told = decode(&backend, &decoder_config(&stream()), &stream());
    let Some(Error::Codec(what)) = &told.failed else { panic!("{:?}", told.failed) };
    assert!(what.contains("pictures got no answer within 400ms, as those before"), "{what}");
    assert_eq!((told.frames.len(), told.warnings.len()), (4, 1), "{:?}", told.warnings);
}

#[test]
fn a_decoder_that_never_begins_is_not_listed_and_holds_nobody_up() {
    let script = Script::new().stall("VTDecompressionSessionCreate", 1);
    let over = OverDouble::starting(Machine::apple_silicon(), script);
    let formats = |codec| {
        let mut decoders = over.capabilities().decoders.iter();
        decoders.find(|support| support.codec == codec).unwrap().formats.clone()
    };
    assert!(!formats(Codec::H264).contains(&PixelFormat::Nv12));
    assert!(formats(Codec::H265).contains(&PixelFormat::Nv12));
    // It comes back some time.
    over.double().script(Script::new());
    let until = Instant::now() + streams::PATIENCE;
    while !over.double().counters().is_clean() {
        assert!(Instant::now() < until, "{}", over.double().counters());
        std::thread::yield_now();
    }
}

#[test]
fn a_decoder_that_does_not_come_back_is_left_behind() {
    let backend = impatient();
    for call in ["DecodeFrame", "WaitForAsynchronousFrames"] {
        let call = format!("VTDecompressionSession{call}");
        backend.double().script(Script::new().stall(&call, 1));
        let sink = Arc::new(streams::Listener::default());
        let opened = backend.open_decoder(&decoder_config(&stream()), Arc::clone(&sink) as _);
        let mut decoder = opened.unwrap().codec;
        assert_eq!(decoder.submit(stream().packets[0].clone(), streams::PATIENCE), Ok(None));
        decoder.drain().unwrap();
        drop(decoder);
        // Whatever it does when it comes back, nobody hears of it.
        let frames = sink.told().frames.len();
        backend.double().script(Script::new());
        let until = Instant::now() + streams::PATIENCE;
        while !backend.double().counters().is_clean() {
            assert!(Instant::now() < until, "{}", backend.double().counters());
            std::thread::yield_now();
        }
        let told = sink.told();
        assert_eq!((told.frames.len(), told.drained, &told.failed), (frames, false, &None));
    }
}

/// Among them waiting for what is decoded, where an answer has got lost; and making a session in the midst of it.
#[test]
fn a_decoder_that_does_not_come_back_says_so_while_it_is_used() {
    let wait = "VTDecompressionSessionWaitForAsynchronousFrames";
    for (script, shown) in [
        (Script::new().stall("VTDecompressionSessionDecodeFrame", 5), 4),
        // What waits for the one that does not come is shown.
        (Script::new().decode(5, Outcome::Never).stall(wait, 1), 5),
        (Script::new().stall("VTDecompressionSessionCreate", 1), 0),
    ] {
        let backend = impatient();
        backend.double().script(script);
        let sink = Arc::new(streams::Listener::default());
        // Nothing tells of the stream before its first packet.
        let config = DecoderConfig { extradata: Vec::new(), ..decoder_config(&stream()) };
        let mut decoder = backend.open_decoder(&config, Arc::clone(&sink) as _).unwrap().codec;
        for packet in &stream().packets[..6] {
            if decoder.submit(packet.clone(), streams::PATIENCE).is_err() {
                break;
            }
        }
        let what = "VideoToolbox: the decoder has not come back for 400ms";
        let failed = Some(Error::Codec(what.into()));
        {
            let told = sink.wait(|told| told.failed.is_some());
            assert_eq!((&told.failed, told.frames.len()), (&failed, shown), "{:?}", told.warnings);
        }
        assert_eq!(decoder.drain().err(), failed);
        drop(decoder);
        backend.double().script(Script::new());
        let until = Instant::now() + streams::PATIENCE;
        while !backend.double().counters().is_clean() {
            assert!(Instant::now() < until, "{}", backend.double().counters());
            std::thread::yield_now();
        }
        // What is told of it once it is back, nobody hears.
        assert_eq!(sink.told().frames.len(), shown);
    }
}

#[test]
fn a_session_that_is_not_made_in_time_is_an_error_and_keeps_nobody() {
    let patience = Patience { open: Duration::from_millis(500), ..Patience::default() };
    let machine = Machine::apple_silicon();
    let backend = OverDouble::with_patience(machine, Script::new(), patience);
    backend.double().script(Script::new().stall("VTDecompressionSessionCreate", 1));
    let sink = Arc::new(streams::Listener::default());
    // A stream whose parameter sets are known before the first packet.
    let config = config(Codec::H264, PixelFormat::Nv12);
    let stream = encode(&EncoderConfig { b_frames: 0, global_header: true, ..config }, 30);
    assert!(!stream.extradata.is_empty());
    let config = decoder_config(&stream);
    let Err(Error::Codec(what)) = backend.open_decoder(&config, Arc::clone(&sink) as _) else {
        panic!("a decoder without a session");
    };
    assert_eq!(what, "VideoToolbox does not make the session in time");
    // The next one finds it as ever.
    let told = decode(&backend, &config, &stream);
    assert_eq!(missing(&told, &expected(&stream)), [0; 0]);
    backend.double().script(Script::new());
    let until = Instant::now() + streams::PATIENCE;
    while !backend.double().counters().is_clean() {
        assert!(Instant::now() < until, "{}", backend.double().counters());
        std::thread::yield_now();
    }
    let told = sink.told();
    assert_eq!((told.frames.len(), told.drained, &told.failed), (0, false, &None));
}

#[test]
fn the_same_fault_over_and_over_is_told_once_and_counted() {
    let script = (3..8).fold(Script::new(), |script, nth| script.decode(nth, Outcome::Drop));
    let (told, expected) = under(script, &stream());
    assert_eq!(missing(&told, &expected), [4, 6, 8, 10, 12]);
    assert_eq!(told.warnings.len(), 2, "{:?}", told.warnings);
    assert!(told.warnings[1].contains("4 more times"), "{:?}", told.warnings);
}

/// How a session can be lost at its nth picture: by what a call gives, or by what comes of a picture later,
/// to the thread that calls or to another.
fn losses(nth: usize) -> [Script; 4] {
    [
        Script::new().decode(nth, Outcome::Invalidate),
        Script::new().callbacks(Callbacks::Caller).decode(nth, Outcome::Invalidate),
        Script::new().decode(nth, Outcome::Die(-17691)),
        Script::new().callbacks(Callbacks::Caller).decode(nth, Outcome::Die(-17690)),
    ]
}

/// What comes of a stream where its session is lost, in each way at each of these pictures.
fn with_losses(
    stream: &Stream,
    expected: &[Shown],
    pictures: std::ops::RangeInclusive<usize>,
    judge: impl Fn(&Told, &str),
) {
    let backend = silicon();
    for script in pictures.flat_map(losses) {
        let what = format!("{script:?}");
        backend.double().script(script);
        let told = decode(&backend, &decoder_config(stream), stream);
        assert_eq!(missing(&told, expected), [0; 0], "{what}: {:?}", told.warnings);
        judge(&told, &what);
    }
}

#[test]
fn nothing_is_lost_with_a_session_wherever_that_happens() {
    // Pyramids of B-frames; keyframes that lead with pictures which refer to what was before them.
    for (codec, closed_gop) in [(Codec::H264, true), (Codec::H265, true), (Codec::H265, false)] {
        let config = EncoderConfig { closed_gop, ..config(codec, PixelFormat::Nv12) };
        let stream = encode(&config, 20);
        with_losses(&stream, &expected(&stream), 1..=20, |told, what| {
            let [lost] = &told.warnings[..] else { panic!("{what}: {:?}", told.warnings) };
            let goes_on = lost.contains("a lost session: ") && lost.contains("a new one goes on");
            assert!(goes_on && !lost.contains("pictures are lost"), "{codec}, {what}: {lost}");
        });
    }
}

#[test]
fn fields_and_streams_that_change_survive_the_loss_of_a_session() {
    let first = encode(&config(Codec::H265, PixelFormat::Nv12), 7);
    let changing = first.then(encode(&config(Codec::H265, PixelFormat::P010), 7));
    let one = |told: &Told, what: &str| {
        assert_eq!(told.warnings.len(), 1, "{what}: {:?}", told.warnings);
    };
    with_losses(&changing, &expected(&changing), 1..=7, one);
    let fields = super::fields(false);
    with_losses(&fields, &expected(&fields), 1..=6, one);
}

#[test]
fn sessions_may_be_lost_again_and_again_as_long_as_pictures_come_out() {
    let caller = Script::new().callbacks(Callbacks::Caller);
    // Each session gets one picture further than the one before.
    let script = (2..8).fold(caller, |script, nth| script.decode(nth, Outcome::Invalidate));
    let (told, expected) = under(script, &stream());
    assert_eq!(missing(&told, &expected), [0; 0]);
    assert_eq!(told.warnings.len(), 6, "{:?}", told.warnings);
}

#[test]
fn a_session_that_is_lost_again_before_a_picture_came_out_fails_the_decoder() {
    let caller = Script::new().callbacks(Callbacks::Caller).decode(4, Outcome::Invalidate);
    let cases = losses(1).map(|script| (script.decode(1, Outcome::Invalidate), 0));
    for (script, shown) in cases.into_iter().chain([(caller.decode(4, Outcome::Die(-17691)), 3)]) {
        let (told, expected) = under(script, &stream());
        let Some(Error::Codec(what)) = &told.failed else { panic!("{:?}", told.failed) };
        assert!(what.contains("lost again before a picture came out"), "{what}");
        assert!(!told.drained && told.frames == expected[..shown], "{}", told.frames.len());
    }
}

#[test]
fn a_decoder_that_fails_at_one_picture_again_goes_on_with_the_next_keyframe() {
    let script = Script::new().callbacks(Callbacks::Caller);
    let script = script.decode(4, Outcome::Error(-12911)).decode(4, Outcome::Error(-12911));
    let (told, expected) = under(script, &stream());
    assert_eq!(missing(&told, &expected), [6, 8, 10, 12, 14], "{:?}", told.warnings);
    let [first, again, skipped] = &told.warnings[..] else { panic!("{:?}", told.warnings) };
    assert!(first.contains("VTVideoDecoderMalfunctionErr") && first.contains("goes on"), "{first}");
    assert!(again.contains("; 1 pictures are lost; decoding goes on with a keyframe"), "{again}");
    assert!(skipped.contains("packet 8") && skipped.contains("4 pictures"), "{skipped}");
}

#[test]
fn more_than_is_kept_is_not_decoded_again() {
    let config =
        EncoderConfig { gop: Some(310), b_frames: 0, ..config(Codec::H264, PixelFormat::Nv12) };
    let stream = encode(&config, 320);
    let caller = || Script::new().callbacks(Callbacks::Caller);
    let (told, expected) = under(caller().decode(300, Outcome::Invalidate), &stream);
    assert_eq!(missing(&told, &expected), [0; 0], "{:?}", told.warnings);
    let (told, expected) = under(caller().decode(301, Outcome::Invalidate), &stream);
    // From the three hundred and first to the keyframe.
    assert_eq!(missing(&told, &expected), (300..310).map(|at| 2 * at).collect::<Vec<_>>());
    let [lost, skipped] = &told.warnings[..] else { panic!("{:?}", told.warnings) };
    assert!(lost.contains("1 pictures are lost: more than 300 packets or 64 MiB"), "{lost}");
    assert!(skipped.contains("packet 310") && skipped.contains("9 pictures"), "{skipped}");
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
            assert_eq!((told.failed, told.drained), (None, true), "{codec}, {seed}");
            assert!(!told.frames.is_empty());
        }
    }
}

/// Where this packet's first sequence parameter set is, without its start code.
fn place_of_sps(codec: Codec, packet: &[u8]) -> std::ops::Range<usize> {
    let sps = annexb::nal_units(packet)
        .find(|nal| StreamFacts::from_sps(codec, nal).is_some())
        .expect("an SPS");
    let start = packet.windows(sps.len()).position(|bytes| bytes == sps).unwrap();
    start..start + sps.len()
}

#[test]
fn a_turned_bit_of_parameter_sets_costs_no_more_than_the_pictures_that_came_with_them() {
    for codec in [Codec::H264, Codec::H265] {
        let short = config(codec, PixelFormat::Nv12);
        let clean = encode(&EncoderConfig { gop: Some(4), closed_gop: true, ..short }, 12);
        let (expected, backend) = (expected(&clean), silicon());
        let shown = |told: &Told, from: i64, to: i64| {
            let shown = |frame: &&Shown| frame.pts.is_some_and(|pts| (from..to).contains(&pts));
            let frames: Vec<Shown> = told.frames.iter().filter(shown).cloned().collect();
            frames == expected.iter().filter(shown).cloned().collect::<Vec<_>>()
        };
        for bit in 0..8 * place_of_sps(codec, &clean.packets[4].data).len() {
            // Of the middle of the stream, and of its end.
            let group = if bit % 16 < 8 { 4 } else { 8 };
            let mut stream = clean.clone();
            let data = &mut stream.packets[group].data;
            let place = place_of_sps(codec, data).start + bit / 8;
            data[place] ^= 1 << (bit % 8);
            let told = decode(&backend, &decoder_config(&stream), &stream);
            let what = format!("{codec}, bit {bit}: {:?}", told.warnings);
            assert_eq!((&told.failed, told.drained), (&None, true), "{what}");
            let (from, to) = (2 * group as i64, 2 * group as i64 + 8);
            assert!(shown(&told, 0, from) && shown(&told, to, 24), "{what}");
        }
    }
}

/// Pictures of another kind than are decoded here, from the keyframes on that are named.
fn with_others(mut stream: Stream, at: &[usize]) -> Stream {
    for &at in at {
        let packet = &mut stream.packets[at];
        let slices = annexb::nal_units(&packet.data).filter(|nal| nal[0] & 31 == 5);
        let slices: Vec<u8> = slices.flat_map(|nal| [&annexb::START_CODE, nal].concat()).collect();
        packet.data = [H264_HIGH_422, &slices].concat();
    }
    stream
}

#[test]
fn a_stream_that_once_says_it_is_another_goes_on_with_the_next_parameter_sets() {
    let clean = stream();
    let mut doubled = with_others(clean.clone(), &[8]);
    // The same again proves nothing.
    doubled.packets.insert(9, doubled.packets[8].clone());
    for stream in [with_others(clean.clone(), &[8]), doubled] {
        let told = decode(&silicon(), &decoder_config(&stream), &stream);
        assert_eq!(missing(&told, &expected(&clean)), (8..16).map(|at| 2 * at).collect::<Vec<_>>());
        let [first, .., last] = &told.warnings[..] else { panic!("{:?}", told.warnings) };
        assert!(first.contains("packet 8 (pts 16): ") && first.contains("4:2:2"), "{first}");
        assert!(last.contains("parameter sets to decode them by"), "{last}");
    }
}

#[test]
fn a_stream_that_becomes_another_ends_with_what_it_is() {
    let long =
        EncoderConfig { gop: Some(500), b_frames: 0, ..config(Codec::H264, PixelFormat::Nv12) };
    let (short, long) = (stream(), encode(&long, 320));
    let ended = |stream: &Stream, frames: usize, warnings: usize| {
        let told = decode(&silicon(), &decoder_config(stream), stream);
        let Some(Error::Unsupported(what)) = &told.failed else { panic!("{:?}", told.failed) };
        assert!(what.starts_with("H.264 in 4:2:2 with 8 bits"), "{what}");
        assert_eq!((told.frames.len(), told.warnings.len()), (frames, warnings));
    };
    // It says so of its very first picture; again with the next keyframe; not again, but for long; and to its
    // end, where no turned bit explains it.
    ended(&with_others(short.clone(), &[0]), 0, 0);
    ended(&with_others(short.clone(), &[8, 16]), 8, 1);
    let Stream { packets, .. } = with_others(long.clone(), &[0]);
    ended(&short.clone().then(Stream { packets, ..long }), 30, 1);
    ended(&with_others(short, &[24]), 24, 1);
}

#[test]
fn pictures_that_wait_for_many_others_do_not_stop_those_that_wait_for_none() {
    let base = config(Codec::H264, PixelFormat::Nv12);
    let mut stream = encode(&EncoderConfig { b_frames: 3, gop: Some(100), ..base.clone() }, 24);
    for packet in &mut stream.packets {
        packet.data = without_vuis(&packet.data);
    }
    let stream = stream.then(encode(&EncoderConfig { b_frames: 0, ..base }, 10));
    let told = decode(&silicon(), &decoder_config(&stream), &stream);
    assert_eq!((told.frames.len(), told.failed, told.warnings.len()), (34, None, 0));
}

/// Panics over its third picture.
#[derive(Default)]
struct Panics {
    listener: streams::Listener,
    frames: AtomicUsize,
}

impl FrameSink for Panics {
    fn frame(&self, frame: DecodedFrame) {
        assert_ne!(self.frames.fetch_add(1, Ordering::Relaxed), 2, "the third");
        self.listener.frame(frame);
    }
    fn warning(&self, message: String) {
        self.listener.warning(message);
    }
    fn drained(&self) {
        self.listener.drained();
    }
    fn failed(&self, error: Error) {
        self.listener.failed(error);
    }
}

#[test]
fn a_panic_over_a_picture_is_a_failure_and_no_good_end() {
    let stream = stream();
    let backend = silicon();
    let sink = Arc::new(Panics::default());
    let opened = backend.open_decoder(&decoder_config(&stream), Arc::clone(&sink) as _);
    let mut decoder = opened.unwrap().codec;
    for packet in &stream.packets {
        match decoder.submit(packet.clone(), streams::PATIENCE) {
            Ok(refused) => assert_eq!(refused, None, "room becomes free"),
            Err(_) => break,
        }
    }
    let _ = decoder.drain();
    let told = sink.listener.wait(|told| told.drained || told.failed.is_some());
    assert!(matches!(told.failed, Some(Error::Internal(_))), "{:?}", told.failed);
}

#[test]
fn a_sequence_begins_with_the_first_picture_of_it_that_a_session_is_given() {
    for codec in [Codec::H264, Codec::H265] {
        let part = encode(&config(codec, PixelFormat::Nv12), 9);
        let larger = EncoderConfig { width: 320, ..config(codec, PixelFormat::Nv12) };
        let stream = part.then(encode(&larger, 18));
        // Nothing comes of the second's first keyframe, and its pictures are counted anew.
        let create = format!(
            "CMVideoFormatDescriptionCreateFrom{}ParameterSets",
            if codec == Codec::H264 { "H264" } else { "HEVC" }
        );
        let (told, _) = under(Script::new().fail(&create, 2, -12710), &stream);
        let pts: Vec<_> = told.frames.iter().map(|frame| frame.pts).collect();
        assert!(pts.is_sorted() && pts.len() >= 9 + 10, "{codec} {pts:?}");
        assert!(told.warnings[0].contains("its parameter sets describe no stream"));
    }
}
