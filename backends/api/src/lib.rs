//! What a codec backend is: the traits, and a conformance suite that every backend passes.
//!
//! A backend knows nothing of the wire. It is asked for an [`Encoder`] or a [`Decoder`], lends
//! [`Picture`]s whose rows are filled from outside, and gives its output to a sink that never blocks.
//!
//! ```text
//!   picture() ──▶ Picture ──lend──▶ RowsMut (filled by one or several threads)
//!   submit(Picture, FrameInfo)
//!                     … codec …  ──▶ PacketSink::packet, in decoding order
//!   drain()           … codec …  ──▶ PacketSink::drained, after the last packet
//! ```
#![deny(unsafe_code)]

#[cfg(feature = "conformance")]
pub mod conformance;

mod config;
mod decode;
mod encode;
mod error;
mod format;
mod memory;
mod metadata;
mod packet_queue;
mod picture;
mod raw_rows;
mod spare;
mod times;

pub use config::{
    Color, DecoderConfig, EncoderConfig, Entropy, LeftOut, MAX_SIDE, Quality, RateControl, Ratio,
    SideData, check_size,
};
pub use decode::{CodedPacket, DecodedFrame, Decoder, Fields, FrameSink, Geometry};
pub use encode::{EncodedPacket, Encoder, FrameInfo, PacketSink};
pub use error::Error;
pub use format::{PixelFormat, PlaneShape};
pub use memory::{Lent, OutOfMemory, PlaneMemory, Rows, RowsMut};
pub use metadata::{Hdr, Messages, Metadata};
pub use packet_queue::{Next, Pushed, Queue};
pub use picture::{Own, Picture, Planes, Reference};
pub use raw_rows::RawRows;
pub use spare::Spare;
pub use times::Times;
pub use vtremote_bitstream::Codec;

use std::sync::Arc;

/// Encoders and decoders of one kind, shared by all sessions of a daemon.
pub trait Backend: Send + Sync {
    /// A short name for logs and the command line: `libavcodec`, `videotoolbox`, `synthetic`.
    fn name(&self) -> &str;

    /// What it can do on this machine; asked for once, at start.
    fn capabilities(&self) -> &Capabilities;

    /// Opens an encoder. Returns within 4 s (docs/protocol.md section 4), warm-up included.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a codec or format it does not have, [`Error::Option`] for an option
    /// that it refuses by name, [`Error::Codec`] if the codec does not start.
    fn open_encoder(
        &self,
        config: &EncoderConfig,
        sink: Arc<dyn PacketSink>,
    ) -> Result<Opened<Box<dyn Encoder>>, Error>;

    /// Opens a decoder. Errors as for [`Backend::open_encoder`].
    fn open_decoder(
        &self,
        config: &DecoderConfig,
        sink: Arc<dyn FrameSink>,
    ) -> Result<Opened<Box<dyn Decoder>>, Error>;

    /// What a bug report should have of an encoder besides what [`Encoder::facts`] says, a line each: what it
    /// can be set to, and what it makes of a few frames. Comes back in a few seconds, whatever the codec does.
    fn details(&self, codec: Codec, format: PixelFormat) -> Vec<String> {
        let _ = (codec, format);
        Vec::new()
    }
}

/// What a backend can do on this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// One entry a codec that can be encoded.
    pub encoders: Vec<Support>,
    /// One entry a codec that can be decoded.
    pub decoders: Vec<Support>,
    /// Whether frame and packet side data is carried (`side_data.v2`).
    pub side_data: bool,
}

/// One codec, what does it, and from or to which pixel formats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Support {
    /// The codec.
    pub codec: Codec,
    /// What does the work, in its own name: `libx264`, `hevc_videotoolbox`.
    pub implementation: String,
    /// The pixel formats that are taken (encoders) or given (decoders).
    pub formats: Vec<PixelFormat>,
}

/// A codec that is ready, and what is known of it before the first frame.
pub struct Opened<T> {
    /// The encoder or decoder.
    pub codec: T,
    /// Encoders: the bare avcC or hvcC record (ISO 14496-15), never with a box header. Decoders: empty.
    pub parameter_sets: Vec<u8>,
    /// The format of the pictures that go in or come out.
    pub format: PixelFormat,
    /// Every option that was neither honoured nor refused, a line each, named.
    pub warnings: Vec<String>,
}
