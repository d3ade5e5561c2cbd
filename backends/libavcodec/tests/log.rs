//! The log is one per process, so that this is a test binary of its own.

mod support;

use std::num::NonZero;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;
use support::{Listener, backend, config, encode_with, ticks};
use vtremote_backend::{
    Backend, Codec, CodedPacket, DecodedFrame, DecoderConfig, EncoderConfig, Error, FrameSink,
    PixelFormat, Ratio,
};
use vtremote_backend_libavcodec::{Libavcodec, LogLevel, Settings, set_log};

#[test]
fn what_libavcodec_says_goes_to_the_hook() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let hook = Arc::clone(&lines);
    assert!(set_log(move |level, line| hook.lock().unwrap().push((level, line.to_owned()))));
    assert!(!set_log(|_, _| panic!("the first hook stays")));

    // Trying what works is not worth a line, though libavcodec calls it an error.
    let backend = backend();
    assert_eq!(*lines.lock().unwrap(), []);

    encode_with(&backend, &config(Codec::H264, PixelFormat::Nv12), ticks(2));
    let said = std::mem::take(&mut *lines.lock().unwrap());
    let profile = |(level, line): &(LogLevel, String)| {
        *level == LogLevel::Info && line.starts_with("profile High, level ")
    };
    assert!(said.iter().any(profile), "{said:?}");
    assert!(said.iter().all(|(_, line)| !line.ends_with('\n')), "{said:?}");

    let tiny = EncoderConfig { width: 8, height: 8, ..config(Codec::H265, PixelFormat::Nv12) };
    assert!(backend.open_encoder(&tiny, Arc::new(Listener::default())).is_err());
    let said = lines.lock().unwrap().clone();
    assert_eq!(said, [(LogLevel::Error, "Image size is too small (8x8).".to_owned())]);

    // What a decoder finds wrong is told with the packet, and not again.
    lines.lock().unwrap().clear();
    for threads in [1, 3] {
        let settings = Settings { threads: NonZero::new(threads), ..Settings::default() };
        let backend = Libavcodec::new(settings).unwrap();
        let warnings = Arc::new(Warnings::default());
        let config = DecoderConfig {
            codec: Codec::H264,
            width: 64,
            height: 64,
            format: PixelFormat::Nv12,
            time_base: Ratio { num: 1, den: 30 },
            extradata: Vec::new(),
            low_delay: false,
        };
        let mut opened = backend.open_decoder(&config, warnings.clone()).unwrap();
        let junk = CodedPacket {
            pts: Some(7),
            dts: None,
            duration: 0,
            keyframe: false,
            data: vec![0x5a; 20],
            side_data: Vec::new(),
        };
        for _ in 0..5 {
            assert!(opened.codec.submit(junk.clone(), Duration::from_secs(60)).unwrap().is_none());
        }
        opened.codec.drain().unwrap();
        let told = warnings.told.lock().unwrap();
        let waited =
            warnings.changed.wait_timeout_while(told, Duration::from_secs(60), |told| !told.1);
        let (told, _) = waited.unwrap();
        assert!(told.0[0].contains("No start code is found."), "{:?}", told.0);
        assert_eq!(*lines.lock().unwrap(), [], "{threads} threads");
    }
}

/// What was wrong, and whether it is over.
#[derive(Default)]
struct Warnings {
    told: Mutex<(Vec<String>, bool)>,
    changed: Condvar,
}

impl FrameSink for Warnings {
    fn frame(&self, _: DecodedFrame) {}
    fn warning(&self, message: String) {
        self.told.lock().unwrap().0.push(message);
    }
    fn drained(&self) {
        self.told.lock().unwrap().1 = true;
        self.changed.notify_all();
    }
    fn failed(&self, _: Error) {
        self.drained();
    }
}
