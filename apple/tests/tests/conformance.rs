//! The rules that every backend keeps.

use std::sync::{Arc, LazyLock};
use vtremote_apple_double::Machine;
use vtremote_apple_tests::OverDouble;
use vtremote_backend::conformance::{DecoderCase, EncoderCase};
use vtremote_backend::{Backend, Codec, PixelFormat};
use vtremote_backend_libavcodec::{Libavcodec, Settings};

fn backend(machine: Machine) -> Arc<dyn Backend> {
    Arc::new(OverDouble::new(machine))
}

vtremote_backend::encoder_conformance!(
    h264_nv12,
    EncoderCase::new(backend(Machine::apple_silicon()), Codec::H264, PixelFormat::Nv12)
);

vtremote_backend::encoder_conformance!(
    hevc_nv12_in_rows_of_256_bytes,
    EncoderCase::new(backend(Machine::apple_silicon().rows(256)), Codec::H265, PixelFormat::Nv12)
);

vtremote_backend::encoder_conformance!(
    hevc_p010_in_rows_of_16_bytes,
    EncoderCase::new(backend(Machine::apple_silicon().rows(16)), Codec::H265, PixelFormat::P010)
);

vtremote_backend::encoder_conformance!(
    h264_of_an_intel_mac,
    EncoderCase::new(backend(Machine::intel()), Codec::H264, PixelFormat::Nv12)
);

vtremote_backend::encoder_conformance!(
    hevc_of_software,
    EncoderCase {
        adjust: |config| config.allow_software = true,
        ..EncoderCase::new(backend(Machine::software()), Codec::H265, PixelFormat::Nv12)
    }
);

/// Its packets come from a software encoder, where there is no other.
fn of_software(mut case: DecoderCase) -> DecoderCase {
    case.source.adjust = |config| config.allow_software = true;
    case
}

vtremote_backend::decoder_conformance!(
    decode_h264_nv12,
    DecoderCase::new(backend(Machine::apple_silicon()), Codec::H264, PixelFormat::Nv12)
);

vtremote_backend::decoder_conformance!(
    decode_hevc_nv12_in_rows_of_256_bytes,
    DecoderCase::new(backend(Machine::apple_silicon().rows(256)), Codec::H265, PixelFormat::Nv12)
);

vtremote_backend::decoder_conformance!(
    decode_hevc_p010_in_rows_of_16_bytes,
    DecoderCase::new(backend(Machine::apple_silicon().rows(16)), Codec::H265, PixelFormat::P010)
);

vtremote_backend::decoder_conformance!(
    decode_h264_of_an_intel_mac,
    DecoderCase::new(backend(Machine::intel()), Codec::H264, PixelFormat::Nv12)
);

vtremote_backend::decoder_conformance!(
    decode_hevc_of_software,
    of_software(DecoderCase::new(backend(Machine::software()), Codec::H265, PixelFormat::Nv12))
);

vtremote_backend::decoder_conformance!(
    decode_hevc_p210,
    DecoderCase::new(backend(Machine::apple_silicon()), Codec::H265, PixelFormat::P210)
);

static LIBAVCODEC: LazyLock<Arc<Libavcodec>> = LazyLock::new(|| {
    let settings = Settings { preset: Some("ultrafast".into()), ..Settings::default() };
    Arc::new(Libavcodec::new(settings).expect("libx265 is needed for these tests"))
});

/// Its packets come from libx265: VideoToolbox encodes no 4:4:4.
fn of_libavcodec(case: DecoderCase) -> DecoderCase {
    let backend = Arc::clone(&*LIBAVCODEC) as Arc<dyn Backend>;
    DecoderCase { source: EncoderCase::new(backend, case.codec, case.format), ..case }
}

vtremote_backend::decoder_conformance!(
    decode_hevc_ayuv,
    of_libavcodec(DecoderCase::new(
        backend(Machine::apple_silicon()),
        Codec::H265,
        PixelFormat::Ayuv
    ))
);

vtremote_backend::decoder_conformance!(
    decode_hevc_bgra,
    of_libavcodec(DecoderCase::new(
        backend(Machine::apple_silicon()),
        Codec::H265,
        PixelFormat::Bgra
    ))
);
