//! Incoming bytes, in whatever pieces they arrive, as items.

use std::ops::Range;

use crate::error::{Fault, ReadError};
use crate::limits::Limits;
use crate::message::{
    Ack, Configure, ConfigureAck, ErrorMessage, FrameBegin, FrameHead, HEADER_LEN, Hello, HelloAck,
    MessageType, Notice, PREAMBLE, Pace, PacketHead, PlaneHead, SideData, SliceHead, frame, packet,
    side_data, slice,
};
use crate::wire::Reader;

/// What [`Incoming`] makes of the bytes: a whole message, or a part of one that carries bulk data.
///
/// | message | items |
/// |---|---|
/// | FRAME | `Frame`, then per plane `Plane` and its `Body` pieces, then `FrameEnd` |
/// | PACKET | `Packet`, its `Body` pieces, `PacketEnd` |
/// | SLICE | `Slice`, its `Body` pieces, `SliceEnd` |
/// | any other | one item |
///
/// The pieces of a body are as long together as its head says, never empty, and none of them if
/// that is 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// HELLO.
    Hello(Hello<'a>),
    /// HELLO_ACK.
    HelloAck(HelloAck<'a>),
    /// CONFIGURE.
    Configure(Configure<'a>),
    /// CONFIGURE_ACK.
    ConfigureAck(ConfigureAck<'a>),
    /// The beginning of a FRAME.
    Frame(FrameHead),
    /// The beginning of its next plane.
    Plane(PlaneHead),
    /// Its end.
    FrameEnd(SideData<'a>),
    /// The beginning of a PACKET.
    Packet(PacketHead),
    /// Its end.
    PacketEnd(SideData<'a>),
    /// FRAME_BEGIN.
    FrameBegin(FrameBegin<'a>),
    /// The beginning of a SLICE.
    Slice(SliceHead),
    /// Its end.
    SliceEnd,
    /// The next piece of the plane's, packet's or slice's data.
    Body(&'a [u8]),
    /// FLUSH.
    Flush,
    /// DONE.
    Done,
    /// ERROR.
    Error(ErrorMessage<'a>),
    /// PING, with what a PONG may echo.
    Ping(&'a [u8]),
    /// PONG.
    Pong,
    /// PACKET_ACK.
    PacketAck,
    /// ACK.
    Ack(Ack),
    /// NOTICE.
    Notice(Notice<'a>),
    /// PACE.
    Pace(Pace),
    /// A message that has no meaning here; its payload is skipped.
    Unknown {
        /// The type's number.
        kind: u16,
        /// The payload's length in bytes.
        len: u32,
    },
}

/// Takes a peer's bytes in whatever pieces they arrive and says what they mean.
///
/// What arrives whole is borrowed from the input; only what is cut by the end of a piece is copied,
/// and never bulk data. So it holds at most the longest of HELLO, CONFIGURE, FRAME_BEGIN, a control
/// message and one message's side data, and no more than was received.
///
/// ```
/// use vtremote_proto::{Flush, Incoming, Item, Limits};
///
/// let mut bytes = Vec::new();
/// Flush.encode(&mut bytes);
///
/// let mut incoming = Incoming::new(Limits::DEFAULT);
/// let mut input = &bytes[..];
/// loop {
///     let (taken, item) = incoming.read(input)?;
///     input = &input[taken..];
///     match item {
///         Some(Item::Flush) => println!("no more input"),
///         Some(other) => println!("{other:?}"),
///         None => break, // all of the input was taken: read more from the transport
///     }
/// }
/// # Ok::<(), vtremote_proto::ReadError>(())
/// ```
#[derive(Debug)]
pub struct Incoming {
    limits: Limits,
    state: State,
    /// The beginning of the field or message that the last piece of input cut.
    held: Vec<u8>,
    /// `held` was given out as an item and is to be dropped.
    spent: bool,
}

/// What comes next.
#[derive(Clone, Debug)]
enum State {
    Header,
    /// A message that is read as a whole.
    Whole(MessageType, Payload),
    /// The fixed fields of a message that carries bulk data.
    Head(Bulk, Payload),
    /// The head of the plane `index` of `planes`.
    Plane {
        index: u8,
        planes: u8,
        at: Payload,
    },
    /// Bulk data, and what follows it.
    Body(u32, Then),
    /// All that the payload has left, which may be nothing.
    SideData(Bulk, Payload),
    SliceEnd,
    /// The payload of an unknown message, never empty.
    Skip(u32),
    /// After an error no position in the stream has a meaning.
    Broken(ReadError),
}

impl State {
    fn skip(len: u32) -> Self {
        if len == 0 { Self::Header } else { Self::Skip(len) }
    }
}

/// What follows a body, in a message whose payload goes on at the position given.
#[derive(Clone, Copy, Debug)]
enum Then {
    Plane { index: u8, planes: u8, at: Payload },
    SideData(Bulk, Payload),
    SliceEnd,
}

impl From<Then> for State {
    fn from(then: Then) -> Self {
        match then {
            Then::Plane { index, planes, at } => Self::Plane { index, planes, at },
            Then::SideData(of, at) => Self::SideData(of, at),
            Then::SliceEnd => Self::SliceEnd,
        }
    }
}

/// A position in a payload.
#[derive(Clone, Copy, Debug)]
struct Payload {
    offset: u32,
    left: u32,
}

impl Payload {
    /// As much of a head of `len` bytes as the payload has: reading it finds what is missing.
    fn head(self, len: u32) -> usize {
        self.left.min(len) as usize
    }

    /// The position `len` bytes on, if the payload goes that far.
    fn after(self, len: u32) -> Option<Self> {
        Some(Self { offset: self.offset.checked_add(len)?, left: self.left.checked_sub(len)? })
    }
}

/// The messages that carry bulk data.
#[derive(Clone, Copy, Debug)]
enum Bulk {
    Frame,
    Packet,
    Slice,
}

impl Bulk {
    fn message(self) -> MessageType {
        match self {
            Self::Frame => MessageType::Frame,
            Self::Packet => MessageType::Packet,
            Self::Slice => MessageType::Slice,
        }
    }

    fn head_len(self) -> u32 {
        match self {
            Self::Frame => frame::HEAD_LEN,
            Self::Packet => packet::HEAD_LEN,
            Self::Slice => slice::HEAD_LEN,
        }
    }
}

/// Where bytes lie that were asked for.
#[derive(Clone, Debug)]
enum Place {
    Held,
    Input(Range<usize>),
}

impl Place {
    fn of<'a>(&self, held: &'a [u8], input: &'a [u8]) -> &'a [u8] {
        match self {
            Self::Held => held,
            Self::Input(range) => &input[range.clone()],
        }
    }
}

/// What is complete, before it is borrowed.
enum Ready {
    Item(Item<'static>),
    Body(Range<usize>),
    Message(MessageType, Place),
    SideData(Bulk, Payload, Place),
}

impl Incoming {
    /// At the beginning of a connection.
    pub fn new(limits: Limits) -> Self {
        Self { limits, state: State::Header, held: Vec::new(), spent: false }
    }

    /// Replaces the limits, from the next header on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Takes bytes from the front of `input`; says how many, and which item they completed.
    ///
    /// To be called again, with what is left of the input even if that is empty, until there is no
    /// item: then all of the input was taken and the next item needs more. (Some items, as the end
    /// of a FRAME without side data, need no bytes of their own.) So for input that is not empty
    /// the answer is never (0, None).
    ///
    /// # Errors
    /// What the peer got wrong; from then on every call repeats it.
    pub fn read<'a>(&'a mut self, input: &'a [u8]) -> Result<(usize, Option<Item<'a>>), ReadError> {
        if std::mem::take(&mut self.spent) {
            self.forget_held();
        }
        let mut used = 0;
        let ready = match self.next(input, &mut used) {
            Ok(ready) => ready,
            Err(error) => {
                self.held = Vec::new();
                self.state = State::Broken(error.clone());
                return Err(error);
            }
        };
        let Self { state, held, spent, .. } = self;
        let mut lying = |place: Place| {
            *spent = matches!(place, Place::Held);
            place.of(held, input)
        };
        let item = match ready {
            None => return Ok((used, None)),
            Some(Ready::Item(item)) => Ok(item),
            Some(Ready::Body(range)) => Ok(Item::Body(&input[range])),
            Some(Ready::Message(message, place)) => parse(message, lying(place)),
            Some(Ready::SideData(of, at, place)) => {
                let mut reader = Reader::new(of.message(), at.offset, lying(place));
                SideData::read(&mut reader).map(|side_data| match of {
                    Bulk::Packet => Item::PacketEnd(side_data),
                    _ => Item::FrameEnd(side_data),
                })
            }
        };
        if let Err(error) = &item {
            *state = State::Broken(error.clone());
        }
        Ok((used, Some(item?)))
    }

    /// Moves on until something is complete or the input is used up.
    fn next(&mut self, input: &[u8], used: &mut usize) -> Result<Option<Ready>, ReadError> {
        loop {
            let rest = input.len() - *used;
            self.state = match self.state {
                State::Header => {
                    let Some(place) = self.gather(HEADER_LEN, input, used) else {
                        // Other software may never send twelve bytes: it is told by its first ones.
                        let len = self.held.len().min(PREAMBLE.len());
                        let ours = self.held[..len] == PREAMBLE[..len];
                        return if ours { Ok(None) } else { Err(ReadError::NotVtr1) };
                    };
                    let (message, len) = header(place.of(&self.held, input), &self.limits)?;
                    self.forget_held();
                    let at = Payload { offset: 0, left: len };
                    match message {
                        MessageType::Frame => State::Head(Bulk::Frame, at),
                        MessageType::Packet => State::Head(Bulk::Packet, at),
                        MessageType::Slice => State::Head(Bulk::Slice, at),
                        MessageType::Other(kind) => {
                            self.state = State::skip(len);
                            return Ok(Some(Ready::Item(Item::Unknown { kind, len })));
                        }
                        _ => State::Whole(message, at),
                    }
                }
                State::Whole(message, at) => {
                    let Some(place) = self.gather(at.left as usize, input, used) else {
                        return Ok(None);
                    };
                    self.state = State::Header;
                    return Ok(Some(Ready::Message(message, place)));
                }
                State::Head(message, at) => {
                    let Some(place) = self.gather(at.head(message.head_len()), input, used) else {
                        return Ok(None);
                    };
                    let (item, next) = after_head(message, at, place.of(&self.held, input))?;
                    self.forget_held();
                    self.state = next;
                    return Ok(Some(Ready::Item(item)));
                }
                State::Plane { index, planes, at } => {
                    let Some(place) = self.gather(at.head(frame::PLANE_HEAD_LEN), input, used)
                    else {
                        return Ok(None);
                    };
                    let bytes = place.of(&self.held, input);
                    let (item, next) = after_plane_head(index, planes, at, bytes)?;
                    self.forget_held();
                    self.state = next;
                    return Ok(Some(Ready::Item(item)));
                }
                State::Body(0, then) => then.into(),
                State::Body(_, _) if rest == 0 => return Ok(None),
                State::Body(left, then) => {
                    let len = rest.min(left as usize);
                    let range = *used..*used + len;
                    *used += len;
                    self.state = State::Body(left - len as u32, then);
                    return Ok(Some(Ready::Body(range)));
                }
                State::SideData(of, at) => {
                    let Some(place) = self.gather(at.left as usize, input, used) else {
                        return Ok(None);
                    };
                    self.state = State::Header;
                    return Ok(Some(Ready::SideData(of, at, place)));
                }
                State::SliceEnd => {
                    self.state = State::Header;
                    return Ok(Some(Ready::Item(Item::SliceEnd)));
                }
                State::Skip(_) if rest == 0 => return Ok(None),
                State::Skip(left) => {
                    let len = rest.min(left as usize);
                    *used += len;
                    State::skip(left - len as u32)
                }
                State::Broken(ref error) => return Err(error.clone()),
            };
        }
    }

    /// The next `len` bytes in one place, or None if the input ends before: then they are held.
    fn gather(&mut self, len: usize, input: &[u8], used: &mut usize) -> Option<Place> {
        let rest = &input[*used..];
        let missing = len - self.held.len();
        if self.held.is_empty() && rest.len() >= len {
            *used += len;
            return Some(Place::Input(*used - len..*used));
        }
        let taken = missing.min(rest.len());
        if self.held.capacity() - self.held.len() < taken {
            // Grows with what arrives, not with what is announced, and never beyond that.
            self.held.reserve_exact(taken.max(self.held.len()).min(missing));
        }
        self.held.extend_from_slice(&rest[..taken]);
        *used += taken;
        (taken == missing).then_some(Place::Held)
    }

    /// Drops what was held. A long message's memory is given back, since few are long.
    fn forget_held(&mut self) {
        if self.held.capacity() > KEPT { self.held = Vec::new() } else { self.held.clear() }
    }

    /// Bytes of bulk data that come next. They may be read from the transport straight to their
    /// place and reported by [`Incoming::body_taken`], instead of passing through
    /// [`Incoming::read`].
    pub fn body_left(&self) -> usize {
        match self.state {
            State::Body(left, _) => left as usize,
            _ => 0,
        }
    }

    /// Reports that the next `len` bytes of bulk data were read elsewhere.
    ///
    /// # Panics
    /// If `len` is more than [`Incoming::body_left`], which is a fault of the caller.
    pub fn body_taken(&mut self, len: usize) {
        assert!(len <= self.body_left(), "{len} bytes taken of {}", self.body_left());
        if let State::Body(left, _) = &mut self.state {
            *left -= len as u32;
        }
    }

    /// Whether a message has begun and not ended.
    pub fn in_message(&self) -> bool {
        match self.state {
            State::Header => !self.held.is_empty() && !self.spent,
            State::Broken(_) => false,
            _ => true,
        }
    }

    /// How many bytes it holds of what the last piece of input cut.
    pub fn held(&self) -> usize {
        if self.spent { 0 } else { self.held.len() }
    }
}

/// The memory that is kept from one message to the next.
const KEPT: usize = 64 << 10;

/// Which message a header announces, and the length of its payload.
fn header(bytes: &[u8], limits: &Limits) -> Result<(MessageType, u32), ReadError> {
    let Some((&PREAMBLE, &[t0, t1, l0, l1, l2, l3])) = bytes.split_first_chunk() else {
        return Err(ReadError::NotVtr1);
    };
    let message = MessageType::from_wire(u16::from_be_bytes([t0, t1]));
    let len = u32::from_be_bytes([l0, l1, l2, l3]);
    let max = limits.of(message);
    if len > max { Err(ReadError::TooLong { message, len, max }) } else { Ok((message, len)) }
}

/// What the head of a bulk message says, and what comes next.
fn after_head(of: Bulk, at: Payload, head: &[u8]) -> Result<(Item<'static>, State), ReadError> {
    let mut r = Reader::new(of.message(), 0, head);
    let after = |len| at.after(of.head_len()).and_then(|at| at.after(len));
    match of {
        Bulk::Frame => {
            let head = FrameHead::read(&mut r)?;
            let at = after(0).ok_or_else(|| r.bad("planes", Fault::PastEnd))?;
            Ok((Item::Frame(head), State::Plane { index: 0, planes: head.planes, at }))
        }
        Bulk::Packet => {
            let head = PacketHead::read(&mut r)?;
            let at = after(head.len).ok_or_else(|| r.bad("data", Fault::PastEnd))?;
            let tail = side_data_at(of, at)?;
            Ok((Item::Packet(head), State::Body(head.len, tail)))
        }
        Bulk::Slice => {
            let head = SliceHead::read(&mut r, at.left.saturating_sub(slice::HEAD_LEN))?;
            Ok((Item::Slice(head), State::Body(head.len, Then::SliceEnd)))
        }
    }
}

/// What the head of a FRAME's plane says, and what comes after its data.
fn after_plane_head(
    index: u8,
    planes: u8,
    at: Payload,
    head: &[u8],
) -> Result<(Item<'static>, State), ReadError> {
    let mut r = Reader::new(MessageType::Frame, at.offset, head);
    let head = PlaneHead::read(&mut r, index)?;
    let to_come = planes.saturating_sub(index + 1);
    let at = at
        .after(frame::PLANE_HEAD_LEN)
        .and_then(|at| at.after(head.len))
        .filter(|at| at.left >= u32::from(to_come) * frame::PLANE_HEAD_LEN)
        .ok_or_else(|| r.bad("plane data", Fault::PastEnd))?;
    let then = match to_come {
        0 => side_data_at(Bulk::Frame, at)?,
        _ => Then::Plane { index: index + 1, planes, at },
    };
    Ok((Item::Plane(head), State::Body(head.len, then)))
}

/// Side data is the only part of a bulk message that is held, so its length is checked before any
/// of it is.
fn side_data_at(of: Bulk, at: Payload) -> Result<Then, ReadError> {
    if at.left <= side_data::MAX_LEN {
        return Ok(Then::SideData(of, at));
    }
    let (value, max) = (at.left.into(), side_data::MAX_LEN.into());
    Err(ReadError::Malformed {
        message: of.message(),
        field: "side data length",
        offset: at.offset,
        fault: Fault::OutOfRange { value, min: 0, max },
    })
}

/// The item that a whole message is.
fn parse(message: MessageType, payload: &[u8]) -> Result<Item<'_>, ReadError> {
    let mut r = Reader::new(message, 0, payload);
    Ok(match message {
        MessageType::Hello => Item::Hello(Hello::read(&mut r)?),
        MessageType::HelloAck => Item::HelloAck(HelloAck::read(&mut r)?),
        MessageType::Configure => Item::Configure(Configure::read(&mut r)?),
        MessageType::ConfigureAck => Item::ConfigureAck(ConfigureAck::read(&mut r)?),
        MessageType::FrameBegin => Item::FrameBegin(FrameBegin::read(&mut r)?),
        MessageType::Flush => Item::Flush,
        MessageType::Done => Item::Done,
        MessageType::Error => Item::Error(ErrorMessage::read(payload)),
        MessageType::Ping => Item::Ping(payload),
        MessageType::Pong => Item::Pong,
        MessageType::PacketAck => Item::PacketAck,
        MessageType::Ack => Item::Ack(Ack::read(&mut r)?),
        MessageType::Notice => Item::Notice(Notice::read(payload)),
        MessageType::Pace => Item::Pace(Pace::read(&mut r)?),
        // The first three are read as they arrive and the last is skipped, so none gets here.
        MessageType::Frame | MessageType::Packet | MessageType::Slice | MessageType::Other(_) => {
            Item::Unknown { kind: message.to_wire(), len: payload.len() as u32 }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configure(len: u32) -> Incoming {
        let mut incoming = Incoming::new(Limits::DEFAULT);
        assert_eq!(incoming.read(&MessageType::Configure.header(len)), Ok((12, None)));
        incoming
    }

    #[test]
    fn a_header_allocates_nothing() {
        let incoming = configure(4 << 20);
        assert_eq!(incoming.held.capacity(), 0);
        assert!(incoming.in_message());
    }

    #[test]
    fn memory_grows_with_what_arrives_and_never_beyond_the_message() {
        let len = 1_000_003;
        let mut incoming = configure(len);
        let mut left = len as usize;
        for size in (1..).map(|turn| turn * turn) {
            let piece = vec![0; size.min(left)];
            left -= piece.len();
            if left == 0 {
                break;
            }
            assert_eq!(incoming.read(&piece), Ok((piece.len(), None)));
            let received = len as usize - left;
            assert_eq!(incoming.held(), received);
            let twice = 2 * received.max(piece.len());
            assert!(incoming.held.capacity() <= twice.min(len as usize));
        }
    }

    #[test]
    fn a_long_message_s_memory_is_given_back_and_a_short_one_s_kept() {
        for (len, kept) in [(1000, 1000), (100_000, 0)] {
            let mut incoming = configure(len);
            let payload = vec![0; len as usize];
            assert_eq!(incoming.read(&payload[1..]), Ok((payload.len() - 1, None)));
            let (taken, item) = incoming.read(&payload[..1]).unwrap();
            assert_eq!(taken, 1);
            assert!(matches!(item, Some(Item::Configure(_))));
            assert_eq!((incoming.held(), incoming.in_message()), (0, false));
            assert_eq!(incoming.read(&[]), Ok((0, None)));
            assert_eq!(incoming.held.capacity(), kept);
        }
    }

    #[test]
    fn a_message_that_comes_whole_is_borrowed() {
        let ping = [&MessageType::Ping.header(3)[..], b"abc"].concat();
        let mut incoming = Incoming::new(Limits::DEFAULT);
        match incoming.read(&ping) {
            Ok((15, Some(Item::Ping(payload)))) => {
                assert_eq!(payload.as_ptr(), ping[12..].as_ptr())
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(incoming.held.capacity(), 0);
    }

    #[test]
    fn a_body_is_borrowed_however_much_of_it_comes() {
        let mut incoming = Incoming::new(Limits::DEFAULT);
        let head = PacketHead { pts: 0, dts: 0, duration: 0, flags: 0, len: 1 << 20 };
        let (before, _) = crate::packet_message(&head, &[]).unwrap();
        assert_eq!(incoming.read(&before), Ok((before.len(), Some(Item::Packet(head)))));
        let data = vec![7; 1 << 20];
        let (first, rest) = data.split_at(1000);
        for piece in [first, rest] {
            assert_eq!(incoming.read(piece), Ok((piece.len(), Some(Item::Body(piece)))));
        }
        assert_eq!(incoming.held.capacity(), 0);
        assert!(incoming.in_message(), "its end was not given out yet");
        assert_eq!(incoming.read(&[]), Ok((0, Some(Item::PacketEnd(SideData::EMPTY)))));
        assert!(!incoming.in_message());
    }

    #[test]
    #[should_panic(expected = "6 bytes taken of 5")]
    fn more_of_a_body_than_there_is_cannot_be_taken() {
        let mut incoming = Incoming::new(Limits::DEFAULT);
        let head = PacketHead { pts: 0, dts: 0, duration: 0, flags: 0, len: 5 };
        incoming.read(&crate::packet_message(&head, &[]).unwrap().0).unwrap();
        incoming.body_taken(6);
    }
}
