//! The client: sockets and threads around the client session.
//!
//! An [`Encoder`] is a session with one server. Its model is pull: [`Encoder::send_frame`] takes a frame
//! or says that there is no room, [`Encoder::receive_packet`] gives the next packet, or nothing, or the
//! end. A [`Decoder`] is its mirror: packets in, pictures out. Sending and receiving belong to one thread
//! of the caller's; the session's own threads do the rest:
//!
//! - the reader takes in whatever the server sends, pictures straight to where the caller gets them, so
//!   that sending and receiving never wait for each other and keepalive goes on while the caller does
//!   something else;
//! - the writer sends control messages first and then frames or packets in order, frames from the
//!   caller's own memory where they need no work;
//! - workers compress and interleave, or decompress, slice by slice.
//!
//! No thread outlives its encoder or decoder, and no frame that was lent. Pictures do, since they are the
//! caller's.

#![forbid(unsafe_code)]

mod error;
mod log;
mod picture;
mod settings;

mod encoder;
mod packet;

mod decoder;

mod buffers;
mod message;
mod prepare;
mod reader;
mod session;
mod shared;
mod writer;

pub use decoder::{AccessUnit, Decoder, Picture, Plane, ReceivedPicture, SentPacket, Stream};
pub use encoder::{Encoder, Received, Sent};
pub use error::{Error, ErrorKind, Stranger};
pub use log::{Level, LogSink};
pub use packet::Packet;
pub use picture::{Frame, FrameSource, InputFormat, OwnedPicture, Video};
pub use session::{Info, dial};
pub use settings::{DEFAULT_INFLIGHT, DEFAULT_TIMEOUT, Settings, token_in_file};
pub use vtremote_proto::{Fields, Geometry};
