//! What the server said, read without its own parser.

use crate::service::GUARD;
use std::fmt;
use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use vtremote_proto::error_code;

pub(crate) const HELLO_ACK: u16 = 2;
pub(crate) const CONFIGURE_ACK: u16 = 4;
pub(crate) const FRAME: u16 = 5;
pub(crate) const PACKET: u16 = 6;
pub(crate) const DONE: u16 = 8;
pub(crate) const ERROR: u16 = 9;
const PING: u16 = 10;
const PONG: u16 = 11;
const ACK: u16 = 0x4000;
const FRAME_BEGIN: u16 = 0x4001;
const SLICE: u16 = 0x4002;

/// Everything that came on one connection.
#[derive(Default)]
pub(crate) struct Answers {
    /// Type and payload of each message, in order.
    pub(crate) messages: Vec<(u16, Vec<u8>)>,
    /// Bytes behind the last whole message.
    pub(crate) rest: usize,
}

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lengths = self.messages.iter().map(|(kind, payload)| (kind, payload.len()));
        write!(f, "types and lengths {:?}", lengths.collect::<Vec<_>>())?;
        self.error().map_or(Ok(()), |error| write!(f, ", {error:?}"))?;
        write!(f, ", {} bytes more", self.rest)
    }
}

impl Answers {
    /// Reads to the end, which a reset is too.
    #[track_caller]
    pub(crate) fn to_the_end(stream: &mut TcpStream) -> Self {
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(GUARD)).unwrap();
        let mut bytes = Vec::new();
        match stream.read_to_end(&mut bytes) {
            Err(error) if error.kind() != ErrorKind::ConnectionReset => {
                panic!("the connection stays open: {error}")
            }
            _ => Self::of(&bytes),
        }
    }

    #[track_caller]
    pub(crate) fn of(mut bytes: &[u8]) -> Self {
        let mut messages = Vec::new();
        while let Some((header, after)) = bytes.split_at_checked(12) {
            assert_eq!(header[..6], *b"VTR1\0\x01", "no header: {header:02x?}");
            let kind = u16::from_be_bytes([header[6], header[7]]);
            let len = u32::from_be_bytes([header[8], header[9], header[10], header[11]]);
            let Some((payload, after)) = after.split_at_checked(len as usize) else { break };
            messages.push((kind, payload.to_vec()));
            bytes = after;
        }
        Answers { messages, rest: bytes.len() }
    }

    pub(crate) fn count(&self, kind: u16) -> usize {
        self.messages.iter().filter(|message| message.0 == kind).count()
    }

    /// Packets or pictures.
    pub(crate) fn outputs(&self) -> usize {
        self.count(PACKET) + self.count(FRAME) + self.count(FRAME_BEGIN)
    }

    /// Code and text of the ERROR, which is the last word.
    pub(crate) fn error(&self) -> Option<(u32, String)> {
        let (kind, payload) = self.messages.last()?;
        let (code, text) = payload.split_at_checked(4)?;
        let code = u32::from_be_bytes(code.try_into().unwrap());
        (*kind == ERROR).then(|| (code, String::from_utf8_lossy(text.get(2..).unwrap()).into()))
    }

    pub(crate) fn is_done(&self) -> bool {
        self.messages.last().is_some_and(|message| message.0 == DONE)
    }

    pub(crate) fn timed_out(&self) -> bool {
        self.error().is_some_and(|(code, _)| code == error_code::TIMEOUT)
    }

    /// Whole messages of the server's, in the order of section 7 of the protocol: the handshake, output,
    /// and one last word.
    #[track_caller]
    pub(crate) fn are_legal(&self) {
        assert_eq!(self.rest, 0, "a message is cut short: {self:?}");
        let place = |kind| match kind {
            HELLO_ACK => 0,
            CONFIGURE_ACK => 1,
            FRAME | PACKET | PING | PONG | ACK | FRAME_BEGIN | SLICE => 2,
            DONE | ERROR => 3,
            _ => panic!("no message of a server's: {self:?}"),
        };
        let places: Vec<u32> = self.messages.iter().map(|message| place(message.0)).collect();
        assert!(places.is_sorted(), "{self:?}");
        for once in [0, 1, 3] {
            assert!(places.iter().filter(|place| **place == once).count() <= 1, "{self:?}");
        }
    }
}
