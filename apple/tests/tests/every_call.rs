//! Whichever of its calls fails, and whichever time: the backend loses nothing in silence, and leaves nothing
//! behind. Either all is there and right, or it says what is wrong.

#[allow(dead_code, reason = "the encoder's tests have more to look at")]
#[path = "encode/session.rs"]
mod session;
#[allow(dead_code, reason = "the decoder's tests have more to look at")]
#[path = "decode/streams.rs"]
mod streams;

use session::{Session, assert_in_order, assert_whole, h264, hevc};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use streams::{LIBAVCODEC, Listener, PATIENCE, Shown, Stream, decode, decoder_config};
use vtremote_apple_double::{CALLS, Double, Machine, Script};
use vtremote_apple_tests::OverDouble;
use vtremote_backend::{Backend, Codec, Decoder, DecoderConfig, EncoderConfig, Error, PixelFormat};
use vtremote_backend_videotoolbox::Patience;
use vtremote_bitstream::is_keyframe;

const FRAMES: i64 = 12;

/// What no call of the backend gives of itself; each names the status.
const STATUS: i32 = -12_345;

/// What a function gives that fails: a status, or nothing where it gives a number.
fn failure(call: &str) -> i32 {
    const NUMBERS: [&str; 13] = [
        "CFArrayGetCount",
        "CFGetTypeID",
        "CFStringGetBytes",
        "CFStringGetLength",
        "CMBlockBufferGetDataLength",
        "CMSampleBufferGetTotalSampleSize",
        "CVPixelBufferGetBytesPerRow",
        "CVPixelBufferGetBytesPerRowOfPlane",
        "CVPixelBufferGetHeight",
        "CVPixelBufferGetHeightOfPlane",
        "CVPixelBufferGetPixelFormatType",
        "CVPixelBufferGetPlaneCount",
        "CVPixelBufferGetWidth",
    ];
    if NUMBERS.contains(&call) { 0 } else { STATUS }
}

/// What came of a run, in a word, and what was called how often if the script counts.
type End = (String, BTreeMap<String, usize>);

/// Which call of so many.
type Which = fn(usize) -> usize;

const FIRST: Which = |_| 1;
const MIDDLE: Which = |count| count.div_ceil(2);
const LAST: Which = |count| count;

/// Goes through everything that can fail within `act`, which has a script to begin with. Gives what was called.
fn each_failure(which: &[Which], act: impl Fn(Script) -> End) -> BTreeSet<String> {
    let (_, calls) = act(Script::new().counted());
    for (call, count) in &calls {
        for nth in which.iter().map(|which| which(*count)).collect::<BTreeSet<_>>() {
            println!("{call}, call {nth} of {count}:");
            let (end, _) = act(Script::new().fail(call, nth, failure(call)));
            println!("  {end}");
        }
    }
    calls.into_keys().collect()
}

/// A backend that soon gives up what never comes.
fn patience() -> Patience {
    Patience { answer: Duration::from_secs(4), ..Patience::default() }
}

fn over() -> OverDouble {
    OverDouble::with_patience(Machine::apple_silicon(), Script::new(), patience())
}

/// One line that says more than that something is wrong.
fn said(error: &Error) -> String {
    let text = error.to_string();
    assert!(text.len() > 20 && !text.contains(['\n', '\r']), "{text:?}");
    assert!(!matches!(error, Error::Internal(_)), "{error:?}");
    text
}

/// Encodes with these options: all packets come, each what it says it is, or there is one error.
fn encoding(config: &EncoderConfig) -> BTreeSet<String> {
    let over = over();
    each_failure(&[FIRST, MIDDLE, LAST], |script| {
        over.double().script(script);
        let end = match Session::try_open(&over, config) {
            Ok(session) => encoded(&over, config, session),
            Err(error) => (format!("refused: {}", said(&error)), over.double().calls()),
        };
        over.double().assert_none_alive();
        end
    })
}

fn encoded(over: &OverDouble, config: &EncoderConfig, mut session: Session) -> End {
    session.send_all(FRAMES);
    let failed = session.listener.wait(|told| {
        let over = told.drained > 0 || !told.failed.is_empty();
        over.then(|| told.failed.first().cloned())
    });
    if let Some(error) = failed {
        // Once, and not as if it were done.
        assert_eq!(session.failure(), error);
        return (format!("failed: {}", said(&error)), over.double().calls());
    }
    let packets = session.packets();
    let calls = over.double().calls();
    for packet in packets.iter().filter(|packet| packet.keyframe) {
        assert!(is_keyframe(config.codec, &packet.data), "pts {}", packet.pts);
    }
    assert!(packets.iter().any(|packet| packet.keyframe));
    over.double().script(Script::new());
    match config.format {
        PixelFormat::Nv12 => assert_whole(over, config.codec, &packets, FRAMES),
        _ => assert_in_order(&packets, FRAMES),
    }
    ("all packets".into(), calls)
}

/// Decodes: of the frames each comes once, in its order, as libavcodec shows it; what does not come is told.
fn decoding(stream: &Stream, format: PixelFormat) -> BTreeSet<String> {
    let config = DecoderConfig { format, ..decoder_config(stream) };
    let expected = expected_as(&config, stream);
    assert!(expected.len() as i64 == FRAMES);
    let over = over();
    each_failure(&[FIRST, MIDDLE, LAST], |script| {
        over.double().script(script);
        let sink = Arc::new(Listener::default());
        let end = match over.open_decoder(&config, Arc::clone(&sink) as _) {
            Ok(opened) => decoded(opened.codec, stream, &expected, &sink),
            Err(error) => format!("refused: {}", said(&error)),
        };
        let calls = over.double().calls();
        // The frames have memory of the double's.
        over.double().assert_none_alive();
        (end, calls)
    })
}

/// What libavcodec makes of it.
fn expected_as(config: &DecoderConfig, stream: &Stream) -> Vec<Shown> {
    let told = decode(&*LIBAVCODEC, config, stream);
    assert_eq!((told.failed, told.warnings), (None, Vec::new()));
    told.frames
}

fn decoded(
    mut decoder: Box<dyn Decoder>,
    stream: &Stream,
    expected: &[Shown],
    sink: &Listener,
) -> String {
    for packet in &stream.packets {
        match decoder.submit(packet.clone(), PATIENCE) {
            Ok(refused) => assert_eq!(refused, None, "room becomes free"),
            // What has failed says so to the sink.
            Err(_) => break,
        }
    }
    let _ = decoder.drain();
    drop(sink.wait(|told| told.drained));
    drop(decoder);
    let told = sink.told();
    // In order, and none twice: each is found behind the one before. Others may refer to one that is missing.
    let mut left = expected.iter();
    for frame in &told.frames {
        let there = left.find(|expected| expected.pts == frame.pts);
        assert!(there.is_some(), "out of order: {:?}", frame.pts);
        assert!(
            there == Some(frame) || !told.warnings.is_empty(),
            "another picture {:?}",
            frame.pts
        );
    }
    let missing = expected.len() - told.frames.len();
    match &told.failed {
        Some(error) => format!("{missing} missing, failed: {}", said(error)),
        None => {
            assert!(missing == 0 || !told.warnings.is_empty(), "{missing} missing in silence");
            format!("{missing} missing, warnings: {:?}", told.warnings)
        }
    }
}

/// Looks at a machine: nothing is listed that there is not, or the reason is given why there is nothing.
fn starting() -> BTreeSet<String> {
    let whole = over().capabilities().clone();
    // It may take a second each time.
    each_failure(&[FIRST], |script| {
        let double = Double::new(Machine::apple_silicon());
        match OverDouble::over(double, script, patience()) {
            Ok(over) => {
                let calls = over.double().calls();
                let found = over.capabilities();
                let pairs =
                    [(&whole.encoders, &found.encoders), (&whole.decoders, &found.decoders)];
                for (whole, found) in pairs {
                    for support in found {
                        let known = whole.iter().find(|known| known.codec == support.codec);
                        let known = known.expect("a codec that there is");
                        assert!(
                            support.formats.iter().all(|format| known.formats.contains(format))
                        );
                    }
                }
                over.double().assert_none_alive();
                (if *found == whole { "all" } else { "less" }.into(), calls)
            }
            Err(error) => (format!("no backend: {}", said(&error)), BTreeMap::new()),
        }
    })
}

/// The lines of a self-test: there are some, whatever it is that fails.
fn details() -> BTreeSet<String> {
    let over = over();
    each_failure(&[FIRST, MIDDLE, LAST], |script| {
        over.double().script(script);
        let lines = over.details(Codec::H265, PixelFormat::Nv12);
        let calls = over.double().calls();
        assert!(!lines.is_empty() && !lines.contains(&"a panic".to_owned()), "{lines:?}");
        over.double().assert_none_alive();
        (format!("{} lines", lines.len()), calls)
    })
}

#[test]
fn whichever_call_fails() {
    let streams = [
        (Codec::H264, PixelFormat::Nv12),
        (Codec::H265, PixelFormat::P010),
        (Codec::H265, PixelFormat::Bgra),
    ];
    let decoded = streams.map(|(codec, format)| {
        let [part, other] = [160, 192].map(|width| {
            let config = EncoderConfig { width, ..streams::config(codec, format) };
            streams::encode(&config, FRAMES / 2)
        });
        decoding(&part.then(other), format)
    });
    let bgra = session::config(Codec::H265, PixelFormat::Bgra);
    let encoded = [h264(|config| config.b_frames = 2), hevc(|_| {}), bgra];
    let encoded = encoded.map(|config| encoding(&config));
    let others = [starting(), details()];
    // None was left out because nothing calls it.
    let called: BTreeSet<String> =
        decoded.into_iter().chain(encoded).chain(others).flatten().collect();
    let never: Vec<_> = CALLS.iter().filter(|call| !called.contains(**call)).collect();
    assert!(never.is_empty(), "{never:?}");
}
