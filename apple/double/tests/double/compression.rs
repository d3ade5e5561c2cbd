use crate::support::{Encoded, Encoder, boolean, number, picture, time};
use objc2_core_foundation::{CFData, CFRetained, CFString, CFType};
use objc2_core_media::CMTime;
use objc2_core_video::CVAttachmentMode;
use objc2_video_toolbox::VTEncodeInfoFlags;
use std::collections::BTreeSet;
use std::ptr::NonNull;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use vtremote_apple_double::{Blocks, Callbacks, Double, Machine, Outcome, Script, Value};
use vtremote_bitstream::{Codec, LengthSize, length_prefixed, sei};

const CODECS: [Codec; 2] = [Codec::H264, Codec::H265];

fn numbers(outputs: &[Encoded]) -> Vec<usize> {
    outputs.iter().map(|output| output.number).collect()
}

fn decode_time(output: &Encoded) -> CMTime {
    unsafe { output.sample.as_ref().expect("a sample").decode_time_stamp() }
}

fn size(output: &Encoded) -> (usize, usize) {
    let sample = output.sample.as_ref().expect("a sample");
    let block = unsafe { sample.data_buffer() }.expect("a block");
    unsafe { (sample.total_sample_size(), block.data_length()) }
}

/// Those of its sample.
fn bytes(output: &Encoded) -> Vec<u8> {
    let block = unsafe { output.sample.as_ref().unwrap().data_buffer() }.unwrap();
    let mut bytes = vec![0_u8; size(output).0];
    let to = NonNull::from(&mut bytes[..]).cast();
    assert_eq!(unsafe { block.copy_data_bytes(0, bytes.len(), to) }, 0);
    bytes
}

#[test]
fn every_frame_is_called_back_once() {
    let _double = Double::new(Machine::apple_silicon());
    for codec in CODECS {
        let encoder = Encoder::new(codec, &[]).unwrap();
        (1..=20).for_each(|number| assert_eq!(encoder.encode(number, false), 0));
        assert_eq!(encoder.complete(), 0);
        let outputs = encoder.outputs();
        assert_eq!(outputs.len(), 20);
        assert_eq!(numbers(&outputs).into_iter().collect::<BTreeSet<_>>().len(), 20);
        assert!(outputs.iter().all(|output| output.status == 0 && output.sample.is_some()));
    }
}

#[test]
fn an_encoder_holds_back_what_it_may_and_no_more() {
    let _double = Double::new(Machine::apple_silicon());
    for most in [0, 3, 8] {
        let held = number(f64::from(most));
        let encoder = Encoder::new(Codec::H264, &[("MaxFrameDelayCount", held)]).unwrap();
        for frame in 1..=20 {
            assert_eq!(encoder.encode(frame, false), 0);
            let expected = usize::from(frame > most as usize);
            assert_eq!(encoder.outputs().len(), expected, "{most}, frame {frame}");
        }
        assert_eq!(encoder.complete(), 0);
        assert_eq!(encoder.outputs().len(), most as usize);
    }
}

#[test]
fn decoding_times_are_there_with_reordering_only_and_may_pass_presentation_times() {
    let _double = Double::new(Machine::apple_silicon());
    for codec in CODECS {
        let reorder =
            |yes| [("AllowFrameReordering", boolean(yes)), ("MaxFrameDelayCount", number(9.0))];
        let encoder = Encoder::new(codec, &reorder(true)).unwrap();
        (1..=12).for_each(|number| assert_eq!(encoder.encode(number, false), 0));
        encoder.complete();
        let outputs = encoder.outputs();
        assert_ne!(numbers(&outputs), (1..=12).collect::<Vec<_>>(), "reordered");
        let times: Vec<CMTime> = outputs.iter().map(decode_time).collect();
        assert_eq!(times, (1..=12).map(time).collect::<Vec<_>>());
        assert!(
            outputs
                .iter()
                .zip(&times)
                .any(|(output, decode)| { ({ decode.value }) > output.number as i64 })
        );

        let encoder = Encoder::new(codec, &reorder(false)).unwrap();
        (1..=12).for_each(|number| assert_eq!(encoder.encode(number, false), 0));
        encoder.complete();
        let outputs = encoder.outputs();
        assert_eq!(numbers(&outputs), (1..=12).collect::<Vec<_>>());
        assert!(outputs.iter().all(|output| ({ decode_time(output).flags }).0 == 0), "none valid");
    }
}

#[test]
fn properties_are_checked_for_name_type_and_range() {
    let double = Double::new(Machine::apple_silicon());
    let h264 = Encoder::new(Codec::H264, &[]).unwrap();
    let text: &CFType = &CFString::from_str("H264_High_AutoLevel");
    assert_eq!(h264.set("ProfileLevel", text), 0);
    assert_eq!(h264.set("ProfileLevel", &CFString::from_str("HEVC_Main_AutoLevel")), -12902);
    assert_eq!(h264.set("AverageBitRate", &number(1e6)), 0);
    assert_eq!(h264.set("AverageBitRate", &number(-1.0)), -12902);
    assert_eq!(h264.set("AverageBitRate", &boolean(true)), -12902);
    assert_eq!(h264.set("ConstantBitRate", &number(1e6)), -12902, "there is an average");
    assert_eq!(h264.set("RealTime", &number(1.0)), -12902);
    assert_eq!(h264.set("Quality", &number(1.5)), -12902);
    assert_eq!(h264.set("AllowOpenGOP", &boolean(false)), -12900, "H.265 only");
    assert_eq!(h264.set("NoSuchThing", &boolean(false)), -12900);
    assert_eq!(h264.set("EncoderID", text), -12901);
    let set = &double.properties()[0];
    assert_eq!(set.name, "ProfileLevel");
    assert_eq!((&set.value, set.status), (&Value::Text("H264_High_AutoLevel".into()), 0));
}

#[test]
fn an_intel_mac_has_less() {
    let _double = Double::new(Machine::intel());
    let hevc = Encoder::new(Codec::H265, &[]).unwrap();
    assert_eq!(hevc.set("Quality", &number(0.5)), -12900);
    assert_eq!(hevc.set("ConstantBitRate", &number(1e6)), -12900);
    assert_eq!(hevc.set("ProfileLevel", &CFString::from_str("HEVC_Main10_AutoLevel")), -12902);
}

#[test]
fn calls_fail_when_the_script_says_so() {
    let double = Double::new(Machine::apple_silicon());
    double.script(Script::new().fail("VTCompressionSessionCreate", 2, -12908));
    assert!(Encoder::new(Codec::H264, &[]).is_ok());
    assert_eq!(Encoder::new(Codec::H264, &[]).err(), Some(-12908));
    assert!(Encoder::new(Codec::H264, &[]).is_ok());

    double.script(Script::new().property("RealTime", -12900));
    let encoder = Encoder::new(Codec::H264, &[]).unwrap();
    assert_eq!(encoder.set("RealTime", &boolean(false)), -12900);
    assert_eq!(encoder.set("AllowTemporalCompression", &boolean(true)), 0);
}

#[test]
fn frames_are_dropped_fail_and_come_late() {
    let double = Double::new(Machine::apple_silicon());
    let script = Script::new()
        .encode(3, Outcome::Drop)
        .encode(5, Outcome::Error(-12912))
        .encode(7, Outcome::Empty)
        .encode(9, Outcome::Late(2));
    double.script(script);
    let still = [("AllowFrameReordering", boolean(false)), ("MaxFrameDelayCount", number(4.0))];
    let encoder = Encoder::new(Codec::H264, &still).unwrap();
    (1..=14).for_each(|number| assert_eq!(encoder.encode(number, false), 0));
    encoder.complete();
    let outputs = encoder.outputs();
    let of = |number| outputs.iter().find(|output| output.number == number).expect("an output");
    assert!(of(3).flags.contains(VTEncodeInfoFlags::FrameDropped));
    assert_eq!((of(3).status, of(5).status, of(7).status), (0, -12912, 0));
    assert!([3, 5, 7].iter().all(|number| of(*number).sample.is_none()));
    let order = numbers(&outputs);
    let at = |number| order.iter().position(|known| *known == number).unwrap();
    assert!(at(9) > at(11) && at(9) < at(13), "{order:?}");
}

#[test]
fn a_callback_that_never_comes_keeps_nobody() {
    let double = Double::new(Machine::apple_silicon());
    double.script(Script::new().encode(3, Outcome::Never));
    let encoder = Encoder::new(Codec::H264, &[("MaxFrameDelayCount", number(2.0))]).unwrap();
    (1..=8).for_each(|number| assert_eq!(encoder.encode(number, false), 0));
    assert_eq!(encoder.complete(), 0);
    let mut numbers = numbers(&encoder.outputs());
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 4, 5, 6, 7, 8]);
}

#[test]
fn a_call_that_hangs_returns_under_another_script() {
    let double = Double::new(Machine::apple_silicon());
    double.script(Script::new().stall("VTCompressionSessionCompleteFrames", 2));
    let (done, returned) = mpsc::channel();
    let other = thread::spawn(move || {
        let encoder = Encoder::new(Codec::H264, &[]).unwrap();
        for number in 1..=2 {
            assert_eq!(encoder.encode(number, false), 0);
            assert_eq!(encoder.complete(), 0);
            done.send(number).unwrap();
        }
    });
    assert_eq!(returned.recv(), Ok(1));
    assert_eq!(returned.recv_timeout(Duration::from_millis(200)).ok(), None);
    double.script(Script::new());
    assert_eq!(returned.recv(), Ok(2));
    other.join().unwrap();
}

#[test]
fn a_session_that_was_invalidated_stays_so_and_calls_nothing_back() {
    let double = Double::new(Machine::apple_silicon());
    double.script(Script::new().encode(4, Outcome::Invalidate));
    let encoder = Encoder::new(Codec::H264, &[]).unwrap();
    (1..=3).for_each(|number| assert_eq!(encoder.encode(number, false), 0));
    assert_eq!(encoder.encode(4, false), -12903);
    assert_eq!(encoder.encode(5, false), -12903);
    assert_eq!(encoder.complete(), -12903);
    assert!(encoder.outputs().is_empty());
    // The next session is as good as ever.
    let encoder = Encoder::new(Codec::H264, &[]).unwrap();
    (1..=6).for_each(|number| assert_eq!(encoder.encode(number, false), 0));
    assert_eq!(encoder.complete(), 0);
    assert_eq!(encoder.outputs().len(), 6);
}

#[test]
fn a_session_that_dies_answers_all_that_it_has() {
    let double = Double::new(Machine::apple_silicon());
    double.script(Script::new().encode(4, Outcome::Die(-12912)));
    let encoder = Encoder::new(Codec::H264, &[]).unwrap();
    (1..=4).for_each(|number| assert_eq!(encoder.encode(number, false), 0));
    assert_eq!(encoder.complete(), -12903);
    let mut outputs = encoder.outputs();
    outputs.sort_by_key(|output| output.number);
    assert_eq!(numbers(&outputs), [1, 2, 3, 4]);
    assert!(outputs.iter().all(|output| output.status == -12912));
}

#[test]
fn callbacks_come_on_the_threads_that_were_asked_for() {
    let double = Double::new(Machine::apple_silicon());
    for callbacks in [Callbacks::Session, Callbacks::Fresh, Callbacks::Caller] {
        double.script(Script::new().callbacks(callbacks));
        let encoder = Encoder::new(Codec::H264, &[]).unwrap();
        (1..=6).for_each(|number| assert_eq!(encoder.encode(number, false), 0));
        assert_eq!(encoder.complete(), 0);
        let outputs = encoder.outputs();
        let threads: Vec<_> = outputs.iter().map(|output| output.thread).collect();
        assert_eq!(threads.len(), 6);
        let mine = threads.contains(&thread::current().id());
        assert_eq!(mine, callbacks == Callbacks::Caller);
        let same = threads.windows(2).all(|pair| pair[0] == pair[1]);
        assert_eq!(same, callbacks != Callbacks::Fresh);
    }
}

#[test]
fn blocks_are_split_and_longer_than_their_sample() {
    let double = Double::new(Machine::apple_silicon());
    let mut first = None;
    for blocks in [Blocks::Contiguous, Blocks::Split, Blocks::Long, Blocks::SplitLong] {
        double.script(Script::new().blocks(blocks));
        let encoder = Encoder::new(Codec::H264, &[]).unwrap();
        assert_eq!(encoder.encode(1, false), 0);
        assert_eq!(encoder.complete(), 0);
        let output = encoder.outputs().remove(0);
        let (sample, there) = size(&output);
        let long = matches!(blocks, Blocks::Long | Blocks::SplitLong);
        assert_eq!(there > sample, long);
        // The same bytes, wherever they lie.
        let bytes = bytes(&output);
        assert_eq!(*first.get_or_insert(bytes.clone()), bytes);
    }
}

#[test]
fn an_encoder_reorders_what_the_script_says_and_tells_so() {
    let double = Double::new(Machine::apple_silicon());
    for (asked, does) in [(true, 0), (false, 2)] {
        double.script(Script::new().reorder(does));
        let delay = ("MaxFrameDelayCount", number(8.0));
        let properties = [("AllowFrameReordering", boolean(asked)), delay];
        let encoder = Encoder::new(Codec::H264, &properties).unwrap();
        (1..=12).for_each(|number| assert_eq!(encoder.encode(number, false), 0));
        encoder.complete();
        let in_order = numbers(&encoder.outputs()).is_sorted();
        assert_eq!(in_order, does == 0);
    }
}

#[test]
fn a_held_encoder_gives_nothing_before_it_is_completed() {
    let double = Double::new(Machine::apple_silicon());
    double.script(Script::new().hold());
    let encoder = Encoder::new(Codec::H264, &[("MaxFrameDelayCount", number(2.0))]).unwrap();
    (1..=30).for_each(|number| assert_eq!(encoder.encode(number, false), 0));
    assert!(encoder.outputs().is_empty());
    assert_eq!(encoder.complete(), 0);
    assert_eq!(encoder.outputs().len(), 30);
}

#[test]
fn metadata_of_hdr_is_written_with_colours_of_hdr_only() {
    let double = Double::new(Machine::apple_silicon());
    let text = |text| CFRetained::<CFType>::from(CFString::from_str(text));
    for (transfer, script, written) in [
        ("SMPTE_ST_2084_PQ", Script::new(), true),
        ("ITU_R_2100_HLG", Script::new(), true),
        ("ITU_R_709_2", Script::new(), false),
        ("SMPTE_ST_2084_PQ", Script::new().no_hdr(), false),
    ] {
        double.script(script);
        let light = CFData::from_bytes(&[3, 0xe8, 1, 0x90]).into();
        let properties = [
            ("ContentLightLevelInfo", light),
            ("ColorPrimaries", text("ITU_R_2020")),
            ("TransferFunction", text(transfer)),
        ];
        let encoder = Encoder::new(Codec::H265, &properties).unwrap();
        assert_eq!(encoder.encode(1, false), 0);
        assert_eq!(encoder.complete(), 0);
        let output = encoder.outputs().remove(0);
        let mut stream = Vec::new();
        length_prefixed::to_annexb(&bytes(&output), LengthSize::FOUR, &mut stream).unwrap();
        let found = sei::messages_in(Codec::H265, &stream).any(|m| m.to_content_light().is_some());
        assert_eq!(found, written, "{transfer}");
    }
}

#[test]
fn pictures_that_contradict_their_session_are_noted() {
    let double = Double::new(Machine::apple_silicon());
    let text = |text| CFRetained::<CFType>::from(CFString::from_str(text));
    for (said, violations) in [("ITU_R_709_2", 0), ("ITU_R_2020", 1)] {
        let encoder = Encoder::new(Codec::H264, &[("YCbCrMatrix", text("ITU_R_709_2"))]).unwrap();
        let picture = picture(1);
        let key = CFString::from_str("CVImageBufferYCbCrMatrix");
        unsafe { picture.set_attachment(&key, &text(said), CVAttachmentMode::ShouldPropagate) };
        assert_eq!(encoder.encode_picture(&picture, 1, false), 0);
        assert_eq!(encoder.complete(), 0);
        drop(encoder);
        let noted = double.counters().violations;
        assert_eq!(noted.len(), violations, "{noted:?}");
        assert!(noted.iter().all(|what| what.contains("YCbCrMatrix")), "{noted:?}");
    }
    double.forgive();
}

#[test]
fn times_that_do_not_rise_are_refused() {
    let double = Double::new(Machine::apple_silicon());
    let encoder = Encoder::new(Codec::H264, &[]).unwrap();
    assert_eq!(encoder.encode(2, false), 0);
    assert_eq!(encoder.encode(2, false), -12902);
    assert_eq!(encoder.encode(1, false), -12902);
    drop(encoder);
    assert_eq!(double.counters().violations.len(), 2);
    double.forgive();
}
