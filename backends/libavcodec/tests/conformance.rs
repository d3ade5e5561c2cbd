//! The rules that every backend keeps.

use std::num::NonZero;
use std::sync::Arc;
use vtremote_backend::conformance::{DecoderCase, EncoderCase};
use vtremote_backend::{Backend, Codec, PixelFormat, decoder_conformance, encoder_conformance};
use vtremote_backend_libavcodec::{Libavcodec, Settings};

fn backend(threads: usize) -> Arc<dyn Backend> {
    let settings = Settings { threads: NonZero::new(threads), ..Settings::default() };
    Arc::new(Libavcodec::new(settings).expect("libx264 and libx265 are needed for these tests"))
}

/// With a bitrate, as FFmpeg's clients always have one.
fn case(codec: Codec, format: PixelFormat, threads: usize) -> EncoderCase {
    let adjust = |config: &mut vtremote_backend::EncoderConfig| {
        config.rate.bitrate.get_or_insert(500_000);
    };
    EncoderCase { adjust, ..EncoderCase::new(backend(threads), codec, format) }
}

encoder_conformance!(h264_nv12, case(Codec::H264, PixelFormat::Nv12, 2));
encoder_conformance!(h264_nv12_on_four_threads, case(Codec::H264, PixelFormat::Nv12, 4));
encoder_conformance!(h265_nv12, case(Codec::H265, PixelFormat::Nv12, 2));
encoder_conformance!(h265_p010, case(Codec::H265, PixelFormat::P010, 1));
encoder_conformance!(h265_p210, case(Codec::H265, PixelFormat::P210, 2));
encoder_conformance!(h265_ayuv, case(Codec::H265, PixelFormat::Ayuv, 2));
encoder_conformance!(h265_bgra, case(Codec::H265, PixelFormat::Bgra, 2));

// x265 works on two frames at a time here, and its rate control then depends on how fast each goes.
encoder_conformance!(
    h265_p010_on_four_threads,
    EncoderCase { repeatable: false, ..case(Codec::H265, PixelFormat::P010, 4) }
);

fn decoder(codec: Codec, format: PixelFormat, threads: usize) -> DecoderCase {
    let source = case(codec, format, 1);
    DecoderCase { source, ..DecoderCase::new(backend(threads), codec, format) }
}

decoder_conformance!(decoded_h264_nv12, decoder(Codec::H264, PixelFormat::Nv12, 1));
decoder_conformance!(decoded_h264_nv12_on_four_threads, decoder(Codec::H264, PixelFormat::Nv12, 4));
decoder_conformance!(decoded_h265_nv12, decoder(Codec::H265, PixelFormat::Nv12, 1));
decoder_conformance!(decoded_h265_p010, decoder(Codec::H265, PixelFormat::P010, 1));
decoder_conformance!(decoded_h265_p010_on_four_threads, decoder(Codec::H265, PixelFormat::P010, 4));
decoder_conformance!(decoded_h265_p210, decoder(Codec::H265, PixelFormat::P210, 2));
decoder_conformance!(decoded_h265_ayuv, decoder(Codec::H265, PixelFormat::Ayuv, 2));
decoder_conformance!(decoded_h265_bgra, decoder(Codec::H265, PixelFormat::Bgra, 2));
