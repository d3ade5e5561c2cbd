//! The rules of a backend, kept under every script that is not itself a defect.

use std::sync::Arc;
use vtremote_backend::conformance::{DecoderCase, EncoderCase};
use vtremote_backend::{Backend, Codec, PixelFormat, decoder_conformance, encoder_conformance};
use vtremote_backend_synthetic::Synthetic;

fn backend(script: &str) -> Arc<dyn Backend> {
    Arc::new(Synthetic::new(script.parse().unwrap()))
}

fn encoder(script: &str, codec: Codec, format: PixelFormat) -> EncoderCase {
    EncoderCase::new(backend(script), codec, format)
}

fn decoder(script: &str, codec: Codec, format: PixelFormat) -> DecoderCase {
    let source = encoder("", codec, format);
    DecoderCase { source, ..DecoderCase::new(backend(script), codec, format) }
}

encoder_conformance!(h264_nv12, encoder("", Codec::H264, PixelFormat::Nv12));
encoder_conformance!(h265_nv12, encoder("", Codec::H265, PixelFormat::Nv12));
encoder_conformance!(h265_p010, encoder("", Codec::H265, PixelFormat::P010));
encoder_conformance!(h264_bgra, encoder("", Codec::H264, PixelFormat::Bgra));
encoder_conformance!(h265_ayuv_filled, encoder("size=3000", Codec::H265, PixelFormat::Ayuv));
encoder_conformance!(h264_p210_late, encoder("delay=9", Codec::H264, PixelFormat::P210));
encoder_conformance!(h265_reordered, encoder("reorder=5", Codec::H265, PixelFormat::Nv12));
encoder_conformance!(
    late_reordered_bursts,
    encoder("delay=3,reorder=2,burst=4", Codec::H264, PixelFormat::Nv12)
);
encoder_conformance!(
    one_picture_and_slow,
    encoder("pictures=1,cost=200us,slow=2:5ms,stall=3:5ms", Codec::H265, PixelFormat::Nv12)
);
encoder_conformance!(hash_off, encoder("hash=off", Codec::H264, PixelFormat::Nv12));

decoder_conformance!(from_h264_to_nv12, decoder("", Codec::H264, PixelFormat::Nv12));
decoder_conformance!(from_h265_to_p010, decoder("", Codec::H265, PixelFormat::P010));
decoder_conformance!(from_h265_to_bgra, decoder("reorder=4", Codec::H265, PixelFormat::Bgra));
decoder_conformance!(
    from_h264_late_and_in_bursts,
    decoder("delay=3,burst=4", Codec::H264, PixelFormat::P210)
);
decoder_conformance!(
    from_h265_one_picture_and_slow,
    decoder("pictures=1,cost=200us,slow=2:5ms,stall=3:5ms", Codec::H265, PixelFormat::Nv12)
);
