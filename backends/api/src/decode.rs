use crate::{Color, Error, PixelFormat, Ratio, Reference, SideData};
use std::time::Duration;

/// A decoder of one session. Dropping it is as for [`crate::Encoder`].
pub trait Decoder: Send {
    /// Hands over one access unit; waits while too many frames are undelivered. Gives the packet back
    /// if there was no room within `wait`.
    ///
    /// A corrupt packet is a warning to the sink and decoding goes on.
    ///
    /// # Errors
    /// [`Error::Codec`] if the decoder cannot go on.
    fn submit(&mut self, packet: CodedPacket, wait: Duration)
    -> Result<Option<CodedPacket>, Error>;

    /// Memory of a packet that it has done with, for the data of another; what is in it means nothing.
    /// Empty where there is none, or the decoder keeps none ([`crate::Spare`] is where others do).
    fn spare(&mut self) -> Vec<u8> {
        Vec::new()
    }

    /// No more packets come. Returns at once; [`FrameSink::drained`] follows the last frame.
    ///
    /// # Errors
    /// [`Error::Codec`] if the decoder has failed.
    fn drain(&mut self) -> Result<(), Error>;
}

/// One access unit to decode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodedPacket {
    /// Presentation time in ticks of the timebase, `None` unknown.
    pub pts: Option<i64>,
    /// Decoding time, `None` unknown.
    pub dts: Option<i64>,
    /// In ticks; 0 unknown.
    pub duration: i64,
    /// Whether the sender calls it a keyframe.
    pub keyframe: bool,
    /// Annex B, start codes of 3 or 4 bytes.
    pub data: Vec<u8>,
    /// AVPacketSideDataType records.
    pub side_data: Vec<SideData>,
}

/// What a decoded picture is, besides its samples: what the stream says, not what a container guesses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// In pixels, after cropping.
    pub width: u32,
    /// In pixels, after cropping.
    pub height: u32,
    /// Of the planes.
    pub format: PixelFormat,
    /// Of a pixel; `None` where the stream does not say.
    pub sample_aspect_ratio: Option<Ratio>,
    /// As the stream's video usability information says it.
    pub color: Color,
    /// Whether the picture is two fields, and which is the earlier.
    pub fields: Fields,
}

/// How a picture was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fields {
    /// At one time, or nothing is known.
    #[default]
    Progressive,
    /// As two fields, the one of the even rows (0, 2, …) first.
    TopFirst,
    /// As two fields, the one of the odd rows first.
    BottomFirst,
}

impl Geometry {
    /// A progressive picture of which no more is known.
    pub fn new(width: u32, height: u32, format: PixelFormat) -> Self {
        Geometry {
            width,
            height,
            format,
            sample_aspect_ratio: None,
            color: Color::default(),
            fields: Fields::Progressive,
        }
    }
}

/// One decoded picture, in presentation order.
pub struct DecodedFrame {
    /// The packet's, where it had one.
    pub pts: Option<i64>,
    /// The packet's.
    pub duration: i64,
    /// What the picture is: with a stream that changes, not that of the one before.
    pub geometry: Geometry,
    /// The planes, read-only; the memory is the decoder's again when this is dropped.
    pub picture: Reference,
    /// AVFrameSideDataType records.
    pub side_data: Vec<SideData>,
}

/// Where frames go, in presentation order. Called from the codec's threads; never blocks them.
pub trait FrameSink: Send + Sync {
    /// One picture.
    fn frame(&self, frame: DecodedFrame);
    /// Something was wrong with a packet, and decoding goes on.
    fn warning(&self, message: String);
    /// Everything that was submitted before [`Decoder::drain`] has come out. Nothing follows.
    fn drained(&self);
    /// The decoder cannot go on. Nothing follows.
    fn failed(&self, error: Error);
}
