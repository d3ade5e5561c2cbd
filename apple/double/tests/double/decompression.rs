use crate::support::{Decoded, Decoder, Encoder, boolean, distance, number};
use objc2_core_foundation::CFRetained;
use objc2_core_media::CMSampleBuffer;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use vtremote_apple_double::{Callbacks, Double, Machine, Outcome, Script};
use vtremote_bitstream::Codec;

const FRAMES: usize = 14;

/// In decoding order, each with the number of its picture; keyframes are the first and the ninth.
fn stream(codec: Codec, reorder: bool) -> Vec<(usize, CFRetained<CMSampleBuffer>)> {
    let properties = [("AllowFrameReordering", boolean(reorder)), ("Quality", number(0.9))];
    let encoder = Encoder::new(codec, &properties).unwrap();
    (1..=FRAMES).for_each(|number| assert_eq!(encoder.encode(number, number == 9), 0));
    assert_eq!(encoder.complete(), 0);
    let outputs = encoder.outputs().into_iter();
    outputs.map(|output| (output.number, output.sample.unwrap())).collect()
}

/// That these are the pictures of the stream, in decoding order.
#[track_caller]
fn assert_pictures(outputs: &[Decoded], stream: &[(usize, CFRetained<CMSampleBuffer>)]) {
    let numbers: Vec<usize> = outputs.iter().map(|output| output.number).collect();
    assert_eq!(numbers, stream.iter().map(|(number, _)| *number).collect::<Vec<_>>());
    for output in outputs {
        assert_eq!(output.status, 0, "{}", output.number);
        let picture = output.picture.as_ref().expect("a picture");
        let distance = distance(picture, output.number);
        assert!(distance < 4.0, "picture {} is {distance} off", output.number);
    }
}

#[test]
fn pictures_are_those_that_were_encoded_in_decoding_order() {
    let _double = Double::new(Machine::apple_silicon());
    for codec in [Codec::H264, Codec::H265] {
        for reorder in [false, true] {
            let stream = stream(codec, reorder);
            let decoder = Decoder::new(&stream[0].1).unwrap();
            for (number, sample) in &stream {
                assert_eq!(decoder.decode(sample, *number, true), 0);
            }
            assert_eq!(decoder.wait(), 0);
            assert_pictures(&decoder.outputs(), &stream);
        }
    }
}

#[test]
fn pictures_are_the_same_wherever_one_waits_for_them() {
    let _double = Double::new(Machine::apple_silicon());
    for codec in [Codec::H264, Codec::H265] {
        let stream = stream(codec, true);
        let decoder = Decoder::new(&stream[0].1).unwrap();
        for (at, (number, sample)) in stream.iter().enumerate() {
            // Without the flag the picture is there when the call returns.
            assert_eq!(decoder.decode(sample, *number, at % 3 != 0), 0);
            if at % 4 == 1 {
                assert_eq!(decoder.wait(), 0);
            }
        }
        assert_eq!(decoder.wait(), 0);
        assert_pictures(&decoder.outputs(), &stream);
    }
}

#[test]
fn a_synchronous_call_returns_after_its_callback() {
    let _double = Double::new(Machine::apple_silicon());
    let stream = stream(Codec::H264, true);
    let decoder = Decoder::new(&stream[0].1).unwrap();
    for (number, sample) in &stream {
        assert_eq!(decoder.decode(sample, *number, false), 0);
        let outputs = decoder.outputs();
        assert_eq!(outputs.iter().map(|output| output.number).collect::<Vec<_>>(), [*number]);
    }
}

#[test]
fn a_picture_needs_no_later_sample_to_come() {
    let _double = Double::new(Machine::apple_silicon());
    let stream = stream(Codec::H265, true);
    let decoder = Decoder::new(&stream[0].1).unwrap();
    for (number, sample) in &stream[..5] {
        assert_eq!(decoder.decode(sample, *number, true), 0);
    }
    let mut seen = 0;
    while seen < 5 {
        seen += decoder.outputs().len();
        std::thread::yield_now();
    }
}

#[test]
fn samples_fail_are_dropped_and_come_late() {
    let double = Double::new(Machine::apple_silicon());
    let stream = stream(Codec::H264, false);
    let script = Script::new()
        .decode(2, Outcome::Drop)
        .decode(3, Outcome::Error(-12911))
        .decode(5, Outcome::Late(1));
    double.script(script.callbacks(Callbacks::Fresh));
    let decoder = Decoder::new(&stream[0].1).unwrap();
    for (number, sample) in &stream {
        assert_eq!(decoder.decode(sample, *number, true), 0);
    }
    assert_eq!(decoder.wait(), 0);
    let outputs = decoder.outputs();
    assert_eq!(outputs.len(), FRAMES);
    let of = |number| outputs.iter().find(|output| output.number == number).unwrap();
    assert!(of(2).picture.is_none() && of(2).status == 0);
    assert!(of(3).picture.is_none() && of(3).status == -12911);
    let at = |number| outputs.iter().position(|output| output.number == number).unwrap();
    assert!(at(5) > at(6) && at(5) < at(7));
}

#[test]
fn an_answer_that_gets_lost_is_waited_for_by_nobody() {
    let double = Double::new(Machine::apple_silicon());
    let stream = stream(Codec::H264, false);
    for callbacks in [Callbacks::Session, Callbacks::Caller] {
        double.script(Script::new().decode(4, Outcome::Never).callbacks(callbacks));
        let decoder = Decoder::new(&stream[0].1).unwrap();
        for (number, sample) in &stream {
            assert_eq!(decoder.decode(sample, *number, true), 0);
        }
        assert_eq!(decoder.wait(), 0);
        let others: Vec<_> = stream.iter().filter(|(number, _)| *number != 4).cloned().collect();
        assert_pictures(&decoder.outputs(), &others);
    }
}

#[test]
fn a_call_that_stalls_goes_on_under_another_script() {
    let double = Double::new(Machine::apple_silicon());
    let stream = stream(Codec::H264, false);
    double.script(Script::new().stall("VTDecompressionSessionWaitForAsynchronousFrames", 1));
    let decoder = Decoder::new(&stream[0].1).unwrap();
    assert_eq!(decoder.decode(&stream[0].1, stream[0].0, true), 0);
    let other = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(20));
            other.store(true, Ordering::Relaxed);
            double.script(Script::new());
        });
        assert_eq!(decoder.wait(), 0);
        assert!(other.load(Ordering::Relaxed));
    });
}

#[test]
fn a_stream_of_another_codec_is_not_accepted() {
    let _double = Double::new(Machine::apple_silicon());
    let (h264, hevc) = (stream(Codec::H264, false), stream(Codec::H265, false));
    let decoder = Decoder::new(&h264[0].1).unwrap();
    let format = |sample: &CMSampleBuffer| unsafe { sample.format_description() }.unwrap();
    unsafe {
        assert!(decoder.session.can_accept_format_description(&format(&h264[1].1)));
        assert!(!decoder.session.can_accept_format_description(&format(&hevc[0].1)));
    }
    assert_eq!(decoder.decode(&hevc[0].1, 1, true), -12916);
}

#[test]
fn a_session_that_was_invalidated_decodes_no_more() {
    let double = Double::new(Machine::apple_silicon());
    let stream = stream(Codec::H264, false);
    double.script(Script::new().decode(3, Outcome::Invalidate));
    let decoder = Decoder::new(&stream[0].1).unwrap();
    let statuses: Vec<i32> =
        stream[..4].iter().map(|(number, sample)| decoder.decode(sample, *number, true)).collect();
    assert_eq!(statuses, [0, 0, -12903, -12903]);
    assert_eq!(decoder.wait(), -12903);
}

#[test]
fn damaged_data_is_an_error_of_its_own_picture() {
    let _double = Double::new(Machine::apple_silicon());
    let stream = stream(Codec::H264, false);
    let decoder = Decoder::new(&stream[0].1).unwrap();
    for (at, (number, sample)) in stream.iter().enumerate() {
        if at == 3 {
            let block = unsafe { sample.data_buffer() }.unwrap();
            let length = [0xff_u8; 4];
            let from = ptr::NonNull::from(&length).cast();
            let status = unsafe {
                objc2_core_media::CMBlockBuffer::replace_data_bytes(from, &block, 0, length.len())
            };
            assert_eq!(status, 0);
        }
        assert_eq!(decoder.decode(sample, *number, true), 0);
    }
    assert_eq!(decoder.wait(), 0);
    let outputs = decoder.outputs();
    assert_eq!(outputs.len(), FRAMES);
    assert_eq!((outputs[3].status, outputs[3].picture.is_some()), (-12909, false));
    // From the next keyframe on all is well.
    assert!(outputs[8..].iter().all(|output| output.status == 0 && output.picture.is_some()));
}
