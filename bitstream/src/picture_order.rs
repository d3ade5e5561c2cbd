//! The order in which coded pictures are shown (8.2.1 and C.4 of H.264, 8.3.1 and C.5.2 of H.265).
//!
//! A decoder that gives its pictures in the order of decoding leaves it to its caller to sort them.
//! Times do not help: a byte stream has none, and containers are wrong about them. What decides is the
//! *picture order count*, which each slice header tells a part of.

mod h264;
mod h265;

use crate::nal::Codec;
use crate::parameter_sets::ParameterSets;
use crate::sps::StreamFacts;

/// Follows the picture order counts of a stream.
#[derive(Clone, Debug)]
pub struct PictureOrder(State);

#[derive(Clone, Debug)]
enum State {
    H264(h264::State),
    H265(h265::State),
}

/// A coded picture, as far as its headers tell when to show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodedPicture {
    /// Whether everything that was decoded before is shown before it, and everything that follows is
    /// counted from it.
    pub begins_sequence: bool,
    /// PicOrderCnt: the pictures of a sequence are shown in the order of their counts.
    pub order_count: i64,
    /// What the access unit has of the picture.
    pub extent: Extent,
    /// The earlier of its two fields; none if it is progressive, as far as the headers tell.
    pub earlier_field: Option<Parity>,
    /// Whether it is to be decoded and shown.
    pub output: Output,
    /// What its sequence parameter set says.
    pub facts: StreamFacts,
}

/// How much of a picture there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// A frame, or both of its fields.
    Whole,
    /// One field, whose partner may be the next picture in decoding order.
    FirstField,
    /// The partner of the field before.
    SecondField,
}

/// A field of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parity {
    /// The even rows.
    Top,
    /// The odd rows.
    Bottom,
}

/// What becomes of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// It is shown.
    Shown,
    /// Others may refer to it, but it is not shown (pic_output_flag of H.265).
    Hidden,
    /// It refers to pictures before the one that decoding began with, and can't be decoded (H.265's
    /// RASL pictures, 8.1.3).
    Skipped,
}

impl PictureOrder {
    /// At the beginning of a stream.
    pub fn new(codec: Codec) -> Self {
        Self(match codec {
            Codec::H264 => State::H264(h264::State::default()),
            Codec::H265 => State::H265(h265::State::default()),
        })
    }

    /// The picture of the next access unit, a byte stream; `sets` are the parameter sets up to and with
    /// its own. None if it has no picture, or one whose headers cannot be read.
    pub fn take(&mut self, sets: &ParameterSets, access_unit: &[u8]) -> Option<CodedPicture> {
        match &mut self.0 {
            State::H264(state) => state.take(sets, access_unit),
            State::H265(state) => state.take(sets, access_unit),
        }
    }
}
