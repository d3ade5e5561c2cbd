//! The VTR1 wire protocol: messages, limits, and both ends of a session as state machines.
//!
//! Nothing in here does I/O, reads a clock or starts a thread: bytes and elapsed time come in,
//! items and bytes go out. The layout of every message is in docs/protocol.md; the section numbers
//! in these pages are its.
//!
//! - Reading: [`Incoming`] turns bytes, in whatever pieces they arrive, into [`Item`]s, within
//!   [`Limits`], without ever buffering a picture.
//! - Writing: every message has an `encode` that appends it to a buffer; the three that carry bulk
//!   data have [`frame_message`], [`packet_message`] and [`slice_message`], which make the bytes
//!   around that data, so that it is written from where it lies.
#![forbid(unsafe_code)]

mod wire;

pub mod error;
pub mod error_code;
pub mod format;
pub mod incoming;
pub mod limits;
pub mod message;
pub mod options;
pub mod session;

pub use error::{EncodeError, Fault, ReadError};
pub use format::{Codec, PixelFormat, Rational};
pub use incoming::{Incoming, Item};
pub use limits::Limits;
pub use message::{
    Ack, Configure, ConfigureAck, Done, ErrorMessage, FRAME_KEY, Fields, Flush, FrameBegin,
    FrameHead, FrameParts, GEOMETRY, Geometry, GeometryChanges, Hello, HelloAck, HelloStatus,
    MessageType, NO_REFERENCE, Notice, PACKET_KEY, Pace, PaceTimes, PacketAck, PacketHead, Ping,
    PlaneHead, Pong, SideData, SliceHead, frame_message, packet_message, slice_message,
};
pub use options::{CodecFlags, Mode, OptionError, Options, ScaleMode};

pub use session::{
    AdmitError, Client, ClientCounts, ClientError, ClientSettings, ClientStep, ClientTraits, End,
    Generation, Outgoing, OutputError, PacketOut, Server, ServerCounts, ServerSettings, ServerStep,
    ServerTraits,
};

/// The TCP port of the protocol (docs/protocol.md section 1).
pub const DEFAULT_PORT: u16 = 5555;

/// The pts, dts or duration that means "none" (docs/protocol.md section 5).
pub const NO_PTS: i64 = i64::MIN;
