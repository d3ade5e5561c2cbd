//! What a frame carries into the stream besides its pixels: captions, and the metadata of HDR.

use crate::{EncoderConfig, FrameInfo, SideData};
use vtremote_bitstream::sei::{self, Sei};

/// How many bytes of captions one SEI message can have.
const CAPTIONS_OF_A_MESSAGE: usize = 31 * 3;

/// The metadata of HDR that holds from some frame on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hdr {
    /// As in [`EncoderConfig::mastering_display`].
    pub mastering_display: Option<[u8; 24]>,
    /// As in [`EncoderConfig::content_light`].
    pub content_light: Option<[u8; 4]>,
}

/// What the frames so far have said.
#[derive(Debug)]
pub struct Metadata {
    /// Whether frames' captions go into the stream.
    captions: bool,
    hdr: Hdr,
}

impl Metadata {
    /// Before the first frame: what CONFIGURE says.
    pub fn new(config: &EncoderConfig) -> Self {
        let EncoderConfig { a53_captions, mastering_display, content_light, .. } = *config;
        // Who sends captions and says nothing of them wants them.
        let captions = a53_captions != Some(false);
        Metadata { captions, hdr: Hdr { mastering_display, content_light } }
    }

    /// What goes into the stream with the next frame, in the order of showing. A frame without metadata
    /// of HDR has that of the frames before it, or CONFIGURE's. What [cannot be
    /// carried](SideData::not_carried) is left out.
    pub fn of(&mut self, frame: &FrameInfo) -> Messages {
        let mut captions = Vec::new();
        let carried = frame.side_data.iter().filter(|record| record.not_carried().is_none());
        for SideData { kind, data } in carried {
            match *kind {
                SideData::CAPTIONS if self.captions => captions.extend(caption_messages(data)),
                SideData::MASTERING_DISPLAY => {
                    let payload = data.as_slice().try_into().ok();
                    self.hdr.mastering_display = payload.or(self.hdr.mastering_display);
                }
                SideData::CONTENT_LIGHT => {
                    let payload = data.as_slice().try_into().ok();
                    self.hdr.content_light = payload.or(self.hdr.content_light);
                }
                _ => {}
            }
        }
        Messages { captions, hdr: self.hdr }
    }
}

/// What goes into the stream with a frame.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Messages {
    captions: Vec<Sei>,
    hdr: Hdr,
}

impl Messages {
    /// The metadata of HDR that holds from the frame on, if it is a keyframe.
    pub fn hdr(&self) -> Hdr {
        self.hdr
    }

    /// The SEI of its access unit. The metadata of HDR holds from keyframe to keyframe, and must be
    /// the same in between (H.265 D.3.28, D.3.35).
    pub fn sei(self, keyframe: bool) -> Vec<Sei> {
        let hdr = if keyframe { self.hdr } else { Hdr::default() };
        let display = hdr.mastering_display.map(Sei::mastering_display);
        let light = hdr.content_light.map(Sei::content_light);
        display.into_iter().chain(light).chain(self.captions).collect()
    }
}

/// A frame's closed captions as messages: those of two fields can be more than one has room for.
fn caption_messages(cc_data: &[u8]) -> impl Iterator<Item = Sei> {
    cc_data.chunks(CAPTIONS_OF_A_MESSAGE).filter_map(sei::captions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Codec, PixelFormat, Ratio};

    fn config() -> EncoderConfig {
        let time_base = Ratio { num: 1, den: 30 };
        EncoderConfig::new(Codec::H265, 64, 64, PixelFormat::P010, time_base)
    }

    fn frame(records: &[(u32, &[u8])]) -> FrameInfo {
        let record = |&(kind, data): &(u32, &[u8])| SideData { kind, data: data.to_vec() };
        FrameInfo { side_data: records.iter().map(record).collect(), ..FrameInfo::default() }
    }

    #[test]
    fn metadata_of_hdr_holds_until_a_frame_says_another() {
        let light = Some([1, 2, 3, 4]);
        let mut metadata = Metadata::new(&EncoderConfig { content_light: light, ..config() });
        let mut sei = |records: &[(u32, &[u8])]| metadata.of(&frame(records)).sei(true);
        assert_eq!(sei(&[]), [Sei::content_light([1, 2, 3, 4])]);
        let display = Sei::mastering_display([7; 24]);
        assert_eq!(sei(&[(11, &[7; 24])]), [display.clone(), Sei::content_light([1, 2, 3, 4])]);
        assert_eq!(sei(&[(14, &[5, 6, 7, 8])]), [display, Sei::content_light([5, 6, 7, 8])]);
        let structures: [(u32, &[u8]); 2] = [(11, &[9; 88]), (14, &[9; 8])];
        assert_eq!(sei(&structures), sei(&[]));
    }

    #[test]
    fn metadata_of_hdr_stands_at_keyframes_and_captions_at_every_frame() {
        let display = Some([7; 24]);
        let config = EncoderConfig { mastering_display: display, ..config() };
        let messages = Metadata::new(&config).of(&frame(&[(1, &[0xfc, 1, 2])]));
        let captions = sei::captions(&[0xfc, 1, 2]).unwrap();
        let display = Sei::mastering_display([7; 24]);
        assert_eq!(messages.clone().sei(true), [display, captions.clone()]);
        assert_eq!(messages.sei(false), [captions]);
    }

    #[test]
    fn captions_of_two_fields_may_need_two_messages() {
        let cc_data: Vec<u8> = (0..40).flat_map(|at| [0xfc, at, at]).collect();
        let messages = Metadata::new(&config()).of(&frame(&[(1, &cc_data)])).sei(false);
        let triplets = messages.iter().map(|message| message.to_captions().unwrap());
        assert_eq!(triplets.collect::<Vec<_>>().concat(), cc_data);
    }

    #[test]
    fn captions_that_are_no_triplets_are_left_out_and_what_is_beside_them_is_not() {
        let records: [(u32, &[u8]); 3] = [(1, &[0xfc, 1]), (1, &[0xfc, 3, 4]), (14, &[5, 6, 7, 8])];
        let messages = Metadata::new(&config()).of(&frame(&records)).sei(true);
        let captions = sei::captions(&[0xfc, 3, 4]).unwrap();
        assert_eq!(messages, [Sei::content_light([5, 6, 7, 8]), captions]);
    }
}
