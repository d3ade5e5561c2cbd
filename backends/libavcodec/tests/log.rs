//! The log is one per process, so that this is a test binary of its own.

mod support;

use std::sync::{Arc, Mutex};
use support::{Listener, backend, config, encode_with, ticks};
use vtremote_backend::{Backend, Codec, EncoderConfig, PixelFormat};
use vtremote_backend_libavcodec::{LogLevel, set_log};

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
}
