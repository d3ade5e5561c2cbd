//! The libavcodec backend without a network, configured as the daemon would configure it.

use std::num::NonZero;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;
use vtremote_backend::{
    Backend, Codec, EncodedPacket, EncoderConfig, Error, FrameInfo, PacketSink, PixelFormat, Ratio,
};
use vtremote_backend_libavcodec::{Libavcodec, Settings};
use vtremote_tests::Shape;

#[derive(Default)]
struct State {
    bytes: Vec<u8>,
    end: Option<Result<(), Error>>,
}

#[derive(Default)]
struct Stream {
    state: Mutex<State>,
    changed: Condvar,
}

impl Stream {
    fn end(&self, result: Result<(), Error>) {
        self.state.lock().unwrap().end = Some(result);
        self.changed.notify_all();
    }
}

impl PacketSink for Stream {
    fn packet(&self, packet: EncodedPacket) {
        self.state.lock().unwrap().bytes.extend(packet.data);
    }
    fn warning(&self, message: String) {
        panic!("{message}");
    }

    fn drained(&self) {
        self.end(Ok(()));
    }
    fn failed(&self, error: Error) {
        self.end(Err(error));
    }
}

/// The stream of these frames at 25 frames per second, 600 kb/s, two B-frames, a keyframe every 24.
pub(crate) fn encode(codec: &str, shape: Shape, frames: usize) -> Vec<u8> {
    let codec = if codec == "h264" { Codec::H264 } else { Codec::H265 };
    let format = if shape.format == "nv12" { PixelFormat::Nv12 } else { PixelFormat::P010 };
    let ratio = |num, den| Ratio { num, den };
    let (width, height) = (shape.width as u32, shape.height as u32);
    let mut config = EncoderConfig::new(codec, width, height, format, ratio(1, 25));
    config.frame_rate = Some(ratio(25, 1));
    config.rate.bitrate = Some(600_000);
    config.b_frames = 2;
    config.gop = Some(24);

    let stream = Arc::new(Stream::default());
    let settings = Settings { threads: NonZero::new(2), ..Settings::default() };
    let backend = Libavcodec::new(settings).expect("libavcodec has its encoders");
    let opened = backend.open_encoder(&config, stream.clone()).expect("the encoder opens");
    let mut encoder = opened.codec;
    for number in 0..frames {
        let wait = Duration::from_secs(60);
        let picture = encoder.picture(wait).expect("a picture").expect("a picture in time");
        let frame = shape.frame(number);
        let mut rest = &frame[..];
        for plane in 0..picture.plane_count() {
            let (plane_shape, stride) = picture.plane(plane).expect("a plane");
            let mut rows = picture.lend(plane, 0..plane_shape.rows).expect("its rows");
            for row in rows.bytes().chunks_mut(stride) {
                let (line, after) = rest.split_at(plane_shape.row_bytes);
                row[..line.len()].copy_from_slice(line);
                rest = after;
            }
        }
        assert!(rest.is_empty(), "a frame has more bytes than the picture");
        let frame = FrameInfo { pts: number as i64, duration: 1, ..FrameInfo::default() };
        encoder.submit(picture, frame).expect("the frame is taken");
    }
    encoder.drain().expect("the encoder drains");
    let state = stream.state.lock().unwrap();
    let patience = Duration::from_secs(60);
    let waited = stream.changed.wait_timeout_while(state, patience, |state| state.end.is_none());
    let mut state = waited.unwrap().0;
    state.end.take().expect("an end in time").expect("no error");
    std::mem::take(&mut state.bytes)
}
