//! The life of an encoder.

mod support;

use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::{KINDS, Listener, backend, config, encode, encode_with, open, submit, ticks};
use vtremote_backend::{
    Backend, Codec, EncodedPacket, EncoderConfig, Error, FrameInfo, PacketSink, PixelFormat,
};
use vtremote_backend_libavcodec::{Libavcodec, Settings};

#[test]
fn two_runs_give_the_same_bytes() {
    for threads in [1, 3] {
        let settings = Settings { threads: NonZero::new(threads), ..Settings::default() };
        let backend = Libavcodec::new(settings).unwrap();
        for (codec, format) in KINDS {
            let config = EncoderConfig { b_frames: 2, ..config(codec, format) };
            let run = || encode_with(&backend, &config, ticks(60)).packets;
            assert!(run() == run(), "{codec} {format:?} on {threads} threads");
        }
    }
}

#[test]
fn h265_is_repeatable_with_a_peak_rate_too() {
    let mut config = config(Codec::H265, PixelFormat::Nv12);
    config.rate.max_rate = Some(1_000_000);
    assert!(encode(&config, ticks(60)).packets == encode(&config, ticks(60)).packets);
}

#[test]
fn capabilities_are_what_was_found_to_work() {
    let backend = backend();
    let found = backend.capabilities();
    let list = |codec| found.encoders.iter().find(|support| support.codec == codec).unwrap();
    assert_eq!(list(Codec::H264).formats, [PixelFormat::Nv12]);
    assert_eq!(list(Codec::H264).implementation, "libx264");
    use PixelFormat::{Ayuv, Bgra, Nv12, P010, P210};
    assert_eq!(list(Codec::H265).formats, [Nv12, P010, P210, Ayuv, Bgra]);
    assert_eq!(list(Codec::H265).implementation, "libx265");
    for (support, name) in found.decoders.iter().zip(["h264", "hevc"]) {
        assert_eq!(support.implementation, name);
        assert_eq!(support.formats, PixelFormat::ALL);
    }
    assert_eq!(found.decoders.len(), 2);
}

#[test]
fn an_encoder_that_does_not_exist_is_an_error_that_lists_those_that_do() {
    let settings = Settings { hevc: Some("hevc_magic".into()), ..Settings::default() };
    let error = Libavcodec::new(settings).unwrap_err().to_string();
    assert!(error.contains("no encoder hevc_magic for H.265; it has "), "{error}");
    assert!(error.contains("libx265"), "{error}");
    // One that exists, but for another codec.
    let settings = Settings { hevc: Some("libx264".into()), ..Settings::default() };
    assert!(Libavcodec::new(settings).is_err());
}

#[test]
fn a_preset_that_does_not_exist_is_an_error_that_names_it() {
    let settings = Settings { preset: Some("warp".into()), ..Settings::default() };
    let error = Libavcodec::new(settings).unwrap_err().to_string();
    assert!(error.contains("warp"), "{error}");
}

#[test]
fn a_size_that_the_encoder_refuses_is_an_error_with_its_reason() {
    let config = EncoderConfig { width: 8, height: 8, ..config(Codec::H265, PixelFormat::Nv12) };
    let error = backend().open_encoder(&config, Arc::new(Listener::default())).err().unwrap();
    assert!(error.to_string().contains("Image size is too small (8x8)"), "{error}");
}

#[test]
fn a_format_that_the_encoder_does_not_take_is_refused() {
    for format in [PixelFormat::P010, PixelFormat::Bgra, PixelFormat::Ayuv, PixelFormat::P210] {
        let config = config(Codec::H264, format);
        let error = backend().open_encoder(&config, Arc::new(Listener::default())).err().unwrap();
        assert!(matches!(&error, Error::Unsupported(what) if what.contains(format.name())));
    }
}

#[test]
fn pictures_run_out_while_they_are_held_and_come_back() {
    for (codec, format) in KINDS {
        let (mut opened, _listener) = open(&backend(), &config(codec, format));
        let mut held = Vec::new();
        while let Some(picture) = opened.codec.picture(Duration::ZERO).unwrap() {
            held.push(picture);
            assert!(held.len() < 100);
        }
        assert!(held.len() >= 2, "{}", held.len());
        held.pop();
        assert!(opened.codec.picture(Duration::ZERO).unwrap().is_some());
    }
}

#[test]
fn dropping_in_mid_stream_ends_in_silence() {
    for (codec, format) in KINDS {
        let (mut opened, listener) = open(&backend(), &config(codec, format));
        for (t, frame) in ticks(9).into_iter().enumerate() {
            submit(&mut *opened.codec, format, frame, t).unwrap();
        }
        drop(opened);
        // The sink has no other owner now, so that nobody can call it any more.
        let listener = Arc::into_inner(listener).expect("the thread was joined");
        let told = listener.wait(|_| true);
        assert_eq!((told.drained, told.failed), (0, Vec::new()));
    }
}

#[test]
fn a_time_that_does_not_rise_is_refused_and_the_stream_goes_on() {
    let (mut opened, listener) = open(&backend(), &config(Codec::H264, PixelFormat::Nv12));
    let encoder = &mut *opened.codec;
    let mut try_submit = |pts| {
        let frame = FrameInfo { pts, ..FrameInfo::default() };
        submit(encoder, PixelFormat::Nv12, frame, 0)
    };
    try_submit(5).unwrap();
    assert!(matches!(try_submit(5), Err(Error::Codec(_))));
    assert!(matches!(try_submit(4), Err(Error::Codec(_))));
    assert!(matches!(try_submit(i64::MIN), Err(Error::Codec(_))));
    try_submit(6).unwrap();
    opened.codec.drain().unwrap();
    let told = listener.wait(|told| told.drained == 1);
    assert_eq!(told.packets.iter().map(|packet| packet.pts).collect::<Vec<_>>(), [5, 6]);
}

#[test]
fn nothing_is_taken_after_the_end() {
    let (mut opened, listener) = open(&backend(), &config(Codec::H264, PixelFormat::Nv12));
    let picture = opened.codec.picture(Duration::ZERO).unwrap().unwrap();
    opened.codec.drain().unwrap();
    let submitted = opened.codec.submit(picture, FrameInfo::default());
    assert!(matches!(submitted, Err(Error::Internal(_))));
    assert!(matches!(opened.codec.drain(), Err(Error::Internal(_))));
    assert!(listener.wait(|told| told.drained == 1).packets.is_empty());
}

/// A sink with a defect.
#[derive(Default)]
struct Panics {
    listener: Listener,
    packets: AtomicUsize,
}

impl PacketSink for Panics {
    fn packet(&self, _: EncodedPacket) {
        self.packets.fetch_add(1, Ordering::Relaxed);
        panic!("a defect of the sink");
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
fn a_panic_in_the_codecs_thread_is_a_failure_told_once() {
    let sink = Arc::new(Panics::default());
    let config = EncoderConfig { low_delay: true, ..config(Codec::H264, PixelFormat::Nv12) };
    let mut opened = backend().open_encoder(&config, sink.clone()).unwrap();
    submit(&mut *opened.codec, PixelFormat::Nv12, FrameInfo::default(), 0).unwrap();
    let told = sink.listener.wait(|told| !told.failed.is_empty());
    let [Error::Internal(what)] = &told.failed[..] else { panic!("{:?}", told.failed) };
    assert!(what.contains("a defect of the sink"), "{what}");
    assert_eq!(opened.codec.picture(Duration::from_secs(60)).unwrap_err(), told.failed[0]);
    assert_eq!(opened.codec.drain().unwrap_err(), told.failed[0]);
    drop(opened);
    let told = sink.listener.wait(|_| true);
    assert_eq!((told.drained, told.failed), (0, Vec::new()));
    assert_eq!(sink.packets.load(Ordering::Relaxed), 1);
}
