//! What this machine has.

use crate::Hardware;
use crate::cf::{Array, Dictionary, Number, boolean};
use crate::object::{Object, Owned, Payload};
use crate::state::{machine, scripted};

/// An encoder of a machine.
pub(crate) struct Listed {
    pub(crate) codec_type: u32,
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) hardware: bool,
}

const fn listed(fourcc: &[u8; 4], id: &'static str, name: &'static str, hardware: bool) -> Listed {
    Listed { codec_type: u32::from_be_bytes(*fourcc), id, name, hardware }
}

/// Those of Apple's that are for these codecs, the one that would be taken first.
pub(crate) fn encoders(hardware: Hardware) -> Vec<Listed> {
    let mut all = Vec::new();
    match hardware {
        Hardware::AppleSilicon => all.extend([
            listed(
                b"avc1",
                "com.apple.videotoolbox.videoencoder.ave.avc",
                "Apple H.264 (HW)",
                true,
            ),
            listed(
                b"hvc1",
                "com.apple.videotoolbox.videoencoder.ave.hevc",
                "Apple HEVC (HW)",
                true,
            ),
            listed(
                b"muxa",
                "com.apple.videotoolbox.videoencoder.hevc.alpha",
                "Apple HEVC with Alpha (HW)",
                true,
            ),
        ]),
        Hardware::Intel => all.extend([
            listed(
                b"avc1",
                "com.apple.videotoolbox.videoencoder.h264.gva",
                "Apple H.264 (HW)",
                true,
            ),
            listed(
                b"hvc1",
                "com.apple.videotoolbox.videoencoder.hevc.gva",
                "Apple HEVC (HW)",
                true,
            ),
        ]),
        Hardware::None => {}
    }
    all.extend([
        listed(b"avc1", "com.apple.videotoolbox.videoencoder.h264", "Apple H.264 (SW)", false),
        listed(b"hvc1", "com.apple.videotoolbox.videoencoder.hevc.422v2", "Apple HEVC (SW)", false),
    ]);
    all
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn VTCopyVideoEncoderList(
    _options: *const Object,
    out: *mut *const Object,
) -> i32 {
    scripted!("VTCopyVideoEncoderList");
    let dictionary = |encoder: Listed| {
        let codec = Payload::Number(Number::Integer(encoder.codec_type.into()));
        let mut pairs = vec![
            (Owned::text("CodecType"), Owned::new(codec)),
            (Owned::text("EncoderID"), Owned::text(encoder.id)),
            (Owned::text("DisplayName"), Owned::text(encoder.name)),
            (Owned::text("EncoderName"), Owned::text(encoder.name)),
        ];
        if encoder.hardware {
            // SAFETY: a constant.
            let accelerated = unsafe { Owned::retained(boolean(true)) };
            pairs.push((Owned::text("IsHardwareAccelerated"), accelerated));
        }
        Owned::new(Payload::Dictionary(Dictionary::new(pairs)))
    };
    let list = encoders(machine().hardware).into_iter().map(dictionary).collect();
    *out = Owned::new(Payload::Array(Array::new(list))).into_raw();
    0
}

#[unsafe(no_mangle)]
extern "C-unwind" fn VTIsHardwareDecodeSupported(codec_type: u32) -> u8 {
    scripted!("VTIsHardwareDecodeSupported");
    let hardware = machine().hardware;
    let known = matches!(&codec_type.to_be_bytes(), b"avc1" | b"hvc1");
    u8::from(known && hardware != Hardware::None)
}
