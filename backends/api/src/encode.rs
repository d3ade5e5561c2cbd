use crate::{Error, Picture, SideData};
use std::time::Duration;

/// An encoder of one session.
///
/// Dropping it abandons what is in flight and joins its threads, but for one that the system's codec does not
/// let go: that has what it uses, and ends by itself. The sink is not called afterwards.
pub trait Encoder: Send {
    /// A picture to fill. `None` if none became free within `wait`: that is backpressure.
    ///
    /// # Errors
    /// [`Error::Codec`] if the encoder has failed; the sink was told too.
    fn picture(&mut self, wait: Duration) -> Result<Option<Picture>, Error>;

    /// Hands a filled picture over. Does not wait for the codec. Every submitted frame becomes exactly
    /// one packet, or the sink's [`PacketSink::failed`].
    ///
    /// # Errors
    /// [`Error::Internal`] if rows of the picture are still lent or it is another encoder's;
    /// [`Error::Codec`] if the encoder has failed.
    fn submit(&mut self, picture: Picture, frame: FrameInfo) -> Result<(), Error>;

    /// No more frames come. Returns at once; the sink gets the packets that were held back and then
    /// [`PacketSink::drained`].
    ///
    /// # Errors
    /// [`Error::Codec`] if the encoder has failed.
    fn drain(&mut self) -> Result<(), Error>;

    /// What a bug report should have of the encoder that was really opened, a line each: its name, whether it
    /// is hardware, whether it reorders, and settings that it has refused without harm.
    fn facts(&self) -> Vec<String> {
        Vec::new()
    }
}

/// What is said of a frame besides its pixels.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FrameInfo {
    /// Presentation time, unique, in ticks of the timebase.
    pub pts: i64,
    /// In ticks; 0 unknown. Comes back with the frame's packet.
    pub duration: i64,
    /// Make it a keyframe (H.264: IDR; H.265: IDR).
    pub keyframe: bool,
    /// AVFrameSideDataType records.
    pub side_data: Vec<SideData>,
}

/// One access unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedPacket {
    /// The frame's.
    pub pts: i64,
    /// Strictly rising, never above `pts`.
    pub dts: i64,
    /// The frame's.
    pub duration: i64,
    /// Decoding can start here.
    pub keyframe: bool,
    /// Annex B with 4-byte start codes; parameter sets before every keyframe unless
    /// [`crate::EncoderConfig::global_header`].
    pub data: Vec<u8>,
    /// AVPacketSideDataType records.
    pub side_data: Vec<SideData>,
}

/// Where packets go, in decoding order. Called from the codec's threads; never blocks them.
pub trait PacketSink: Send + Sync {
    /// One access unit.
    fn packet(&self, packet: EncodedPacket);
    /// Something went wrong that loses nothing, as a session that had to be made anew.
    fn warning(&self, message: String);
    /// Everything that was submitted before [`Encoder::drain`] has come out. Nothing follows.
    fn drained(&self);
    /// The encoder has failed, or has dropped a frame. Nothing follows.
    fn failed(&self, error: Error);
}
