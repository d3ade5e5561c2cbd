//! What goes wrong.

use crate::session::{PATIENCE, Session, assert_in_order, assert_whole, encode, h264, hevc};
use std::thread;
use std::time::{Duration, Instant};
use vtremote_apple_double::{Blocks, Callbacks, Machine, Outcome, Script};
use vtremote_apple_tests::OverDouble;
use vtremote_backend::{Codec, EncoderConfig, Error, FrameInfo, Ratio};
use vtremote_backend_videotoolbox::Patience;

fn over() -> OverDouble {
    OverDouble::new(Machine::apple_silicon())
}

/// How a session ends under this script, which begins with its first frame.
fn failure_of(config: &EncoderConfig, script: Script) -> String {
    failure_over(&over(), config, script, 40)
}

fn failure_over(over: &OverDouble, config: &EncoderConfig, script: Script, count: i64) -> String {
    let mut session = Session::open(over, config);
    over.double().script(script);
    session.send_all(count);
    what(session.failure())
}

fn what(error: Error) -> String {
    match error {
        Error::Codec(what) => what,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_frame_that_is_dropped_is_an_error_that_names_it() {
    for outcome in [Outcome::Drop, Outcome::Empty] {
        let what = failure_of(&h264(|_| {}), Script::new().encode(5, outcome));
        assert_eq!(what, "VideoToolbox has dropped the frame of pts 4");
    }
}

#[test]
fn a_dropped_frame_may_be_for_qmax_and_a_bit_rate_at_once() {
    let script = Script::new().encode(5, Outcome::Drop);
    let what = failure_of(&h264(|config| config.qmax = Some(28)), script);
    let expected =
        "VideoToolbox has dropped the frame of pts 4: qmax may be too low for the bit rate";
    assert_eq!(what, expected);
}

#[test]
fn a_frame_that_fails_is_an_error_that_names_the_status() {
    let what = failure_of(&hevc(|_| {}), Script::new().encode(5, Outcome::Error(-12902)));
    let expected = "VideoToolbox has failed at the frame of pts 4: a parameter is wrong \
                    (kVTParameterErr, -12902)";
    assert_eq!(what, expected);
}

#[test]
fn calls_that_fail_are_errors_that_name_the_status() {
    let script = Script::new().fail("VTCompressionSessionEncodeFrame", 3, -12902);
    let what = failure_of(&h264(|_| {}), script);
    let expected = "VideoToolbox takes no frame: a parameter is wrong (kVTParameterErr, -12902)";
    assert_eq!(what, expected);
    let script = Script::new().fail("VTCompressionSessionCompleteFrames", 1, -12904);
    let what = failure_of(&h264(|_| {}), script);
    let expected = "VideoToolbox does not complete its frames: no memory \
                    (kVTAllocationFailedErr, -12904)";
    assert_eq!(what, expected);
    let script = Script::new().fail("CVPixelBufferPoolCreatePixelBuffer", 3, -6662);
    let what = failure_of(&h264(|_| {}), script);
    assert_eq!(what, "no picture to fill: no memory (kCVReturnAllocationFailed, -6662)");
}

#[test]
fn a_packet_that_cannot_be_read_is_an_error() {
    let script = Script::new().fail("CMBlockBufferCopyDataBytes", 2, -12704);
    let what = failure_of(&h264(|_| {}), script);
    assert!(what.contains("kCMBlockBufferBadLengthParameterErr, -12704"), "{what}");
}

#[test]
fn after_a_session_that_is_lost_another_one_goes_on_without_loss() {
    let lost = [-12903, -17691, -12912].map(Outcome::Die);
    let lost = lost.into_iter().chain([Outcome::Invalidate]);
    for (outcome, b_frames) in lost.flat_map(|outcome| [(outcome, 0), (outcome, 2)]) {
        for (codec, config) in [
            (Codec::H264, h264(|c| c.b_frames = b_frames)),
            (Codec::H265, hevc(|c| c.b_frames = b_frames)),
        ] {
            let over = over();
            let mut session = Session::open(&over, &config);
            let listener = std::sync::Arc::clone(&session.listener);
            over.double().script(Script::new().encode(18, outcome));
            session.send_all(40);
            let packets = session.packets();
            assert_whole(&over, codec, &packets, 40);
            let keyframes = packets.iter().filter(|packet| packet.keyframe).count();
            assert_eq!(keyframes, 2, "{codec} {outcome:?} {b_frames}");
            let warnings = listener.wait(|told| Some(told.warnings.clone()));
            let [lost] = &warnings[..] else { panic!("{warnings:?}") };
            assert!(lost.starts_with("VideoToolbox's session was lost: "), "{lost}");
            assert!(lost.contains("another one goes on with"), "{lost}");
        }
    }
}

#[test]
fn a_session_that_is_lost_at_the_end_is_followed_by_another_too() {
    for b_frames in [0, 2] {
        let over = over();
        let mut session = Session::open(&over, &h264(|c| c.b_frames = b_frames));
        let complete = "VTCompressionSessionCompleteFrames";
        over.double().script(Script::new().fail(complete, 1, -12903));
        session.send_all(20);
        assert_whole(&over, Codec::H264, &session.packets(), 20);
    }
}

#[test]
fn a_session_that_is_lost_again_before_it_gave_anything_is_the_end() {
    let encode = "VTCompressionSessionEncodeFrame";
    let script = Script::new().fail(encode, 6, -12903).fail(encode, 7, -12903);
    let what = failure_of(&h264(|_| {}), script);
    assert!(what.starts_with("VideoToolbox's session was lost again: "), "{what}");
    assert!(what.contains("kVTInvalidSessionErr, -12903"), "{what}");
}

#[test]
fn a_session_that_was_of_use_may_be_lost_too() {
    let over = over();
    let mut session = Session::open(&over, &h264(|_| {}));
    let encode = "VTCompressionSessionEncodeFrame";
    over.double().script(Script::new().fail(encode, 15, -12903).fail(encode, 45, -12903));
    session.send_all(60);
    assert_whole(&over, Codec::H264, &session.packets(), 60);
}

#[test]
fn a_session_that_cannot_be_made_again_is_an_error_that_says_why() {
    let script = Script::new().fail("VTCompressionSessionEncodeFrame", 6, -12903).fail(
        "VTCompressionSessionCreate",
        1,
        -12915,
    );
    let what = failure_of(&h264(|_| {}), script);
    assert!(what.contains("kVTInvalidSessionErr, -12903"), "{what}");
    assert!(what.contains("kVTVideoEncoderNotAvailableNowErr, -12915"), "{what}");
}

#[test]
fn threads_and_memory_may_be_whose_they_like() {
    let blocks = [Blocks::Contiguous, Blocks::Split, Blocks::Long, Blocks::SplitLong];
    for (index, blocks) in blocks.into_iter().enumerate() {
        let callbacks = [Callbacks::Session, Callbacks::Fresh, Callbacks::Caller][index % 3];
        let over = over();
        over.double().script(Script::new().blocks(blocks).callbacks(callbacks));
        let packets = encode(&over, &hevc(|c| c.b_frames = 2), 20);
        assert_whole(&over, Codec::H265, &packets, 20);
    }
}

#[test]
fn packets_that_come_at_the_end_only_come() {
    let over = over();
    over.double().script(Script::new().hold());
    assert_whole(&over, Codec::H264, &encode(&over, &h264(|c| c.b_frames = 2), 20), 20);
}

#[test]
fn an_encoder_that_gives_nothing_before_the_end_cannot_stop_the_stream() {
    // More frames than there are pictures.
    for b_frames in [0, 2] {
        let over = OverDouble::impatient(Machine::apple_silicon());
        over.double().script(Script::new().hold());
        let packets = encode(&over, &h264(|c| c.b_frames = b_frames), 60);
        assert_whole(&over, Codec::H264, &packets, 60);
    }
}

#[test]
fn a_client_with_a_small_window_is_not_waited_for_either() {
    let over = OverDouble::impatient(Machine::apple_silicon());
    over.double().script(Script::new().hold());
    let mut session = Session::open(&over, &h264(|c| c.max_delay = Some(7)));
    for number in 0..24 {
        session.send(number).unwrap();
        // At most 8 are under way, as such clients have it.
        session.listener.wait(|told| (told.packets.len() as i64 > number - 8).then_some(()));
    }
    session.encoder.drain().unwrap();
    assert_whole(&over, Codec::H264, &session.packets(), 24);
}

#[test]
fn a_packet_that_never_comes_is_an_error_that_names_its_frame() {
    let expected = "VideoToolbox has said nothing for 4s of the frame of pts 4";
    for (b_frames, count) in [(0, 40), (2, 40), (0, 10)] {
        let over = OverDouble::impatient(Machine::apple_silicon());
        let config = h264(|c| c.b_frames = b_frames);
        let script = Script::new().encode(5, Outcome::Never);
        assert_eq!(failure_over(&over, &config, script, count), expected, "{b_frames} {count}");
    }
    let over = OverDouble::impatient(Machine::apple_silicon());
    let mut session = Session::open(&over, &h264(|c| c.max_delay = Some(7)));
    over.double().script(Script::new().encode(5, Outcome::Never));
    // This client sends no more before a packet comes.
    (0..12).for_each(|number| session.send(number).unwrap());
    assert_eq!(what(session.failure()), expected);
}

/// Threads that nobody waits for end when the call that they are in returns.
fn assert_nothing_stays(over: &OverDouble) {
    over.double().script(Script::new());
    let began = Instant::now();
    while !over.double().counters().is_clean() && began.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(10));
    }
    over.double().assert_none_alive();
}

#[test]
fn a_call_that_does_not_return_is_an_error_and_keeps_nobody() {
    for (call, nth) in
        [("VTCompressionSessionEncodeFrame", 5), ("VTCompressionSessionCompleteFrames", 1)]
    {
        let over = OverDouble::impatient(Machine::apple_silicon());
        let script = Script::new().stall(call, nth);
        let what = failure_over(&over, &h264(|_| {}), script, 10);
        assert!(what.starts_with("VideoToolbox has said nothing for 4s of "), "{what}");
        assert_nothing_stays(&over);
    }
}

#[test]
fn an_encoder_that_is_dropped_within_a_call_that_does_not_return_is_gone() {
    let over = OverDouble::impatient(Machine::apple_silicon());
    let mut session = Session::open(&over, &h264(|_| {}));
    over.double().script(Script::new().stall("VTCompressionSessionEncodeFrame", 5));
    (0..12).for_each(|number| session.send(number).unwrap());
    drop(session);
    assert_nothing_stays(&over);
}

#[test]
fn a_session_that_is_not_made_in_time_is_an_error() {
    let over = over();
    // The first is the one that is thrown away.
    over.double().script(Script::new().stall("VTCompressionSessionCreate", 2));
    let error = Session::try_open(&over, &h264(|_| {})).err().expect("no session");
    assert_eq!(what(error), "VideoToolbox does not make the session in time");
    assert_nothing_stays(&over);
}

#[test]
fn a_session_without_parameter_sets_in_time_goes_on_with_a_warning() {
    let patience = Patience { open: PATIENCE, ..Patience::default() };
    let over = OverDouble::with_patience(Machine::apple_silicon(), Script::new(), patience);
    over.double().script(Script::new().stall("VTCompressionSessionCreate", 1));
    let mut session = Session::open(&over, &h264(|_| {}));
    let expected = "the parameter sets come with the first keyframe: it takes long";
    assert_eq!(session.warnings, [expected]);
    session.send_all(10);
    assert_whole(&over, Codec::H264, &session.packets(), 10);
    assert_nothing_stays(&over);
}

#[test]
fn a_packet_that_is_late_takes_its_place() {
    let over = over();
    let mut session = Session::open(&over, &h264(|_| {}));
    over.double().script(Script::new().encode(4, Outcome::Late(3)));
    session.send_all(20);
    let packets = session.packets();
    assert!(packets.windows(2).all(|pair| pair[0].pts < pair[1].pts));
    assert_whole(&over, Codec::H264, &packets, 20);
}

#[test]
fn a_packet_that_is_late_where_frames_are_reordered_is_an_error() {
    let what = failure_of(&h264(|c| c.b_frames = 2), Script::new().encode(4, Outcome::Late(3)));
    assert!(what.contains("behind one that is decoded later"), "{what}");
}

#[test]
fn an_encoder_that_reorders_more_than_it_was_asked_to_is_followed() {
    for b_frames in [1, 2, 4] {
        for (codec, config) in [(Codec::H264, h264(|_| {})), (Codec::H265, hevc(|_| {}))] {
            let over = over();
            over.double().script(Script::new().reorder(b_frames));
            assert_whole(&over, codec, &encode(&over, &config, 20), 20);
        }
    }
}

#[test]
fn an_encoder_that_reorders_and_does_not_say_so_is_followed_while_there_is_room() {
    let over = over();
    over.double().script(Script::new().reorder(2).untold());
    let mut config = h264(|_| {});
    config.time_base = Ratio { num: 1, den: 3000 };
    let mut session = Session::open(&over, &config);
    for number in 0..12 {
        session
            .submit(FrameInfo { pts: 100 * number, duration: 100, ..FrameInfo::default() })
            .unwrap();
    }
    session.encoder.drain().unwrap();
    let packets = session.packets();
    let times: Vec<_> = packets.iter().map(|packet| (packet.dts, packet.pts)).collect();
    assert_eq!(times.len(), 12);
    assert!(times.windows(2).all(|pair| pair[0].0 < pair[1].0), "{times:?}");
    assert!(times.iter().all(|(dts, pts)| dts <= pts), "{times:?}");
    // As they are decoded, and not as they are shown.
    assert_eq!(times[..4].iter().map(|(_, pts)| *pts).collect::<Vec<_>>(), [0, 300, 100, 200]);
}

#[test]
fn an_encoder_that_reorders_and_does_not_say_so_is_an_error_where_there_is_no_room() {
    let over = over();
    over.double().script(Script::new().reorder(2).untold());
    let mut session = Session::open(&over, &h264(|_| {}));
    session.send_all(12);
    let what = what(session.failure());
    assert!(what.contains("there is no decoding time"), "{what}");
}

#[test]
fn an_encoder_that_reorders_less_than_it_was_asked_to_is_a_warning() {
    let over = over();
    over.double().script(Script::new().reorder(0));
    let mut session = Session::open(&over, &h264(|c| c.b_frames = 2));
    assert_eq!(session.warnings, ["max_b_frames: this encoder has no B-frames"]);
    session.send_all(10);
    let packets = session.packets();
    assert_in_order(&packets, 10);
    assert!(packets.iter().all(|packet| packet.dts == packet.pts));
}

#[test]
fn a_session_that_does_not_start_says_why() {
    let over = over();
    let failing = |script| {
        over.double().script(script);
        match Session::try_open(&over, &h264(|_| {})) {
            Err(error) => error.to_string(),
            Ok(_) => panic!("it opens"),
        }
    };
    let create = failing(Script::new().fail("VTCompressionSessionCreate", 1, -12915));
    assert!(create.contains("kVTVideoEncoderNotAvailableNowErr"), "{create}");
    // The second is that of the session proper.
    let create = failing(Script::new().fail("VTCompressionSessionCreate", 2, -12915));
    assert!(create.contains("kVTVideoEncoderNotAvailableNowErr"), "{create}");
    let prepare = "VTCompressionSessionPrepareToEncodeFrames";
    let prepare = failing(Script::new().fail(prepare, 1, -12912));
    assert!(prepare.contains("kVTVideoEncoderMalfunctionErr"), "{prepare}");
    let first = failing(Script::new().encode(1, Outcome::Drop));
    assert!(first.contains("drops its first frame"), "{first}");
    let first = failing(Script::new().encode(1, Outcome::Error(-12912)));
    assert!(first.contains("kVTVideoEncoderMalfunctionErr"), "{first}");
}

#[test]
fn what_a_session_says_after_its_end_goes_nowhere() {
    // Of a session that is dropped.
    let over = over();
    let mut session = Session::open(&over, &h264(|_| {}));
    over.double().script(Script::new().afterwards());
    (0..16).for_each(|number| session.send(number).unwrap());
    session.listener.wait(|told| told.packets.first().map(|_| ()));
    drop(session);
    assert!(over.double().call_back() > 0);
    over.double().assert_none_alive();
    // Of one that another has followed.
    let mut session = Session::open(&over, &h264(|_| {}));
    over.double().script(Script::new().afterwards().encode(18, Outcome::Invalidate));
    session.send_all(40);
    session.listener.wait(|told| (told.drained > 0).then_some(()));
    assert!(over.double().call_back() > 0);
    assert_whole(&over, Codec::H264, &session.packets(), 40);
}

#[test]
fn an_encoder_that_is_dropped_with_frames_in_it_leaves_nothing() {
    for b_frames in [0, 2] {
        let over = over();
        let mut session = Session::open(&over, &h264(|c| c.b_frames = b_frames));
        (0..12).for_each(|number| session.send(number).unwrap());
        drop(session);
        over.double().assert_none_alive();
    }
}
