//! H.264 and H.265 byte streams: Annex B, length-prefixed, avcC and hvcC.
//!
//! One coded stream has two framings. In an *Annex B* byte stream (Annex B of H.264 and of H.265)
//! NAL units follow start codes and the parameter sets are NAL units like the others; this is what
//! crosses the network (docs/protocol.md section 6). In ISO/IEC 14496-15 files and in VideoToolbox
//! each NAL unit follows its length and the parameter sets are in a record of their own, avcC or
//! hvcC. This crate converts between the two and says what stands in a packet:
//!
//! - [`annexb`] and [`length_prefixed`]: the NAL units of a packet in either framing, and each
//!   framing from the other;
//! - [`ParameterSets`]: from extradata of any form, from a packet; to a record, to Annex B, into a
//!   packet that lacks them;
//! - [`is_keyframe`], [`access_units()`], [`AccessUnits`]: what a decoder may start with, and where
//!   one access unit ends and the next begins;
//! - [`StreamFacts`] and [`ActiveSps`]: what the sequence parameter set says of the stream, and which
//!   of several is meant; [`sps`] also has the fields that a record repeats;
//! - [`PictureOrder`]: the order in which pictures are shown;
//! - [`sei`]: closed captions and the metadata of HDR, into an access unit and out of it.
//!
//! A *NAL unit* is always the bytes from its header to its last byte, emulation prevention
//! included, without start code, length or padding. Everything here may come from a hostile peer:
//! no input panics, and no memory is taken that the input does not fill.
#![forbid(unsafe_code)]

pub mod annexb;
pub mod length_prefixed;

mod access_unit;
mod active_sps;
mod avcc;
mod bits;
mod byte_reader;
mod error;
mod hvcc;
mod nal;
mod parameter_sets;
mod picture_order;
pub mod sei;
mod shown_size;
pub mod sps;

pub use access_unit::{AccessUnits, access_units, is_keyframe};
pub use active_sps::ActiveSps;
pub use error::Error;
pub use length_prefixed::LengthSize;
pub use nal::Codec;
pub use parameter_sets::{Framing, ParameterSets, SetKind};
pub use picture_order::{CodedPicture, Extent, Output, Parity, PictureOrder};
pub use shown_size::ShownSize;
pub use sps::{SampleFormat, StreamFacts, Timing};
