//! H.264 and H.265 byte streams: Annex B, length-prefixed, avcC and hvcC.

/// The video codecs that vtremote carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// ITU-T H.264, MPEG-4 part 10.
    H264,
    /// ITU-T H.265, HEVC.
    H265,
}
