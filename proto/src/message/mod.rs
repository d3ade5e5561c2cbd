//! The messages, one file each; this one has what they share: the header and the types.

use std::fmt;

mod hello;
mod hello_ack;

mod configure;
mod configure_ack;

pub(crate) mod frame;
pub(crate) mod packet;
pub(crate) mod side_data;

mod control;
mod error_message;

mod ack;
pub(crate) mod frame_begin;
mod geometry;
mod notice;
mod pace;
pub(crate) mod slice;

pub use ack::Ack;
pub use configure::{Configure, MAX_OPTIONS};
pub use configure_ack::ConfigureAck;
pub use control::{Done, Flush, PacketAck, Ping, Pong};
pub use error_message::ErrorMessage;
pub use frame::{FRAME_KEY, FrameHead, FrameParts, MAX_PLANES, PlaneHead, frame_message};
pub use frame_begin::{FrameBegin, MAX_SLICES, MAX_TABLES, NO_REFERENCE};
pub use geometry::{Fields, GEOMETRY, Geometry, GeometryChanges, MAX_PIXELS, MAX_SIDE};
pub use hello::Hello;
pub use hello_ack::{HelloAck, HelloStatus};
pub use notice::Notice;
pub use pace::{Pace, PaceTimes};
pub use packet::{PACKET_KEY, PacketHead, packet_message};
pub use side_data::{MAX_SIDE_DATA_BYTES, MAX_SIDE_DATA_RECORDS, SideData};
pub use slice::{SliceHead, slice_message};

/// Bytes of a message's header (docs/protocol.md section 2).
pub const HEADER_LEN: usize = 12;

/// What every message begins with: the magic "VTR1" and version 1.
pub const PREAMBLE: [u8; 6] = *b"VTR1\x00\x01";

/// The kind of a message (docs/protocol.md sections 2 and 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageType {
    /// 1, the client's first.
    Hello,
    /// 2, the server's answer.
    HelloAck,
    /// 3, what the stream will be.
    Configure,
    /// 4, the server's answer to that.
    ConfigureAck,
    /// 5, a picture.
    Frame,
    /// 6, an access unit.
    Packet,
    /// 7, no more input.
    Flush,
    /// 8, no more output.
    Done,
    /// 9, the sender gives up.
    Error,
    /// 10, is the peer there?
    Ping,
    /// 11, it is.
    Pong,
    /// 12, a PACKET was accepted.
    PacketAck,
    /// 0x4000, of `x.ack.v1`: how much input was taken.
    Ack,
    /// 0x4001, of `x.slices.v1`: a picture without its data.
    FrameBegin,
    /// 0x4002, of `x.slices.v1`: some rows of a plane.
    Slice,
    /// 0x4003, of `x.notice.v1`: something went wrong, and the session goes on.
    Notice,
    /// 0x4004, of `x.pace.v1`: how far the receiver of pictures is.
    Pace,
    /// Any other number: to be skipped.
    Other(u16),
}

impl MessageType {
    /// Every kind that has a meaning, with its number and its name.
    const TABLE: [(Self, u16, &'static str); 17] = [
        (Self::Hello, 1, "HELLO"),
        (Self::HelloAck, 2, "HELLO_ACK"),
        (Self::Configure, 3, "CONFIGURE"),
        (Self::ConfigureAck, 4, "CONFIGURE_ACK"),
        (Self::Frame, 5, "FRAME"),
        (Self::Packet, 6, "PACKET"),
        (Self::Flush, 7, "FLUSH"),
        (Self::Done, 8, "DONE"),
        (Self::Error, 9, "ERROR"),
        (Self::Ping, 10, "PING"),
        (Self::Pong, 11, "PONG"),
        (Self::PacketAck, 12, "PACKET_ACK"),
        (Self::Ack, 0x4000, "ACK"),
        (Self::FrameBegin, 0x4001, "FRAME_BEGIN"),
        (Self::Slice, 0x4002, "SLICE"),
        (Self::Notice, 0x4003, "NOTICE"),
        (Self::Pace, 0x4004, "PACE"),
    ];

    /// The kind of this number.
    pub fn from_wire(number: u16) -> Self {
        let known = Self::TABLE.into_iter().find(|row| row.1 == number);
        known.map_or(Self::Other(number), |row| row.0)
    }

    /// Its number on the wire.
    pub fn to_wire(self) -> u16 {
        match self {
            Self::Other(number) => number,
            known => Self::TABLE.into_iter().find(|row| row.0 == known).map_or(0, |row| row.1),
        }
    }

    /// The header of a message of this kind with a payload of `len` bytes.
    pub fn header(self, len: u32) -> [u8; HEADER_LEN] {
        let mut header = [0; HEADER_LEN];
        header[..6].copy_from_slice(&PREAMBLE);
        header[6..8].copy_from_slice(&self.to_wire().to_be_bytes());
        header[8..].copy_from_slice(&len.to_be_bytes());
        header
    }
}

impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::TABLE.into_iter().find(|row| row.0 == *self) {
            Some((_, _, name)) => f.write_str(name),
            None => write!(f, "message type {:#06x}", self.to_wire()),
        }
    }
}
