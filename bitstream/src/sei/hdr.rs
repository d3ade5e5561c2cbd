use super::Sei;

/// payloadType of mastering_display_colour_volume.
const MASTERING_DISPLAY: usize = 137;
/// payloadType of content_light_level_info.
const CONTENT_LIGHT: usize = 144;

/// Of a keyframe: they hold until the next one.
impl Sei {
    /// The colour volume of the display that was mastered on (H.264 D.1.29, H.265 D.2.28).
    ///
    /// `payload` is the message's: x and y of green, blue, red and white in units of 0.00002, 16 bits
    /// each; the highest and the lowest luminance in units of 0.0001 candela per square metre, 32
    /// bits each; all big-endian. An application's business is whether these are possible.
    pub fn mastering_display(payload: [u8; 24]) -> Self {
        Self { payload_type: MASTERING_DISPLAY, payload: payload.to_vec() }
    }

    /// How light the pictures are (H.264 D.1.31, H.265 D.2.35).
    ///
    /// `payload` is the message's: MaxCLL and MaxFALL in candela per square metre, 16 bits each,
    /// big-endian; 0 is unknown.
    pub fn content_light(payload: [u8; 4]) -> Self {
        Self { payload_type: CONTENT_LIGHT, payload: payload.to_vec() }
    }

    /// Of which an access unit has one at most.
    pub(super) fn is_of_hdr(&self) -> bool {
        matches!(self.payload_type, MASTERING_DISPLAY | CONTENT_LIGHT)
    }

    /// The payload, if this is [`mastering_display`](Self::mastering_display). What an extension of
    /// the standard may put behind it is left out, here and below.
    pub fn to_mastering_display(&self) -> Option<[u8; 24]> {
        self.payload_of(MASTERING_DISPLAY)?.first_chunk().copied()
    }

    /// The payload, if this is [`content_light`](Self::content_light).
    pub fn to_content_light(&self) -> Option<[u8; 4]> {
        self.payload_of(CONTENT_LIGHT)?.first_chunk().copied()
    }
}
