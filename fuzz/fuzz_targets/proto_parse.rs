//! A peer's bytes in arbitrary pieces: whatever they are, they mean the same as in one piece,
//! nothing beyond the limits is held, and what was understood can be said again.
//!
//! Input: a count n, n lengths of pieces, the bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vtremote_proto::{EncodeError, Incoming, Item, Limits, Options, ReadError};

/// Small, so that inputs reach them.
const LIMITS: Limits = Limits {
    hello: 600,
    configure: 1200,
    control: 300,
    frame: 1500,
    packet: 1500,
    frame_begin: 800,
    slice: 1500,
};

/// The longest message that is read as a whole; side data is less than a FRAME or PACKET.
const MOST_HELD: usize = 1500;

fuzz_target!(|data: &[u8]| {
    let Some((&count, rest)) = data.split_first() else { return };
    let Some((lengths, stream)) = rest.split_at_checked(usize::from(count % 16)) else { return };
    let whole = read(stream, &[]);
    assert_eq!(read(stream, lengths), whole);
});

/// What is understood, as text; the pieces of a body joined. Every other piece's bodies are taken
/// past the reader.
fn read(stream: &[u8], lengths: &[u8]) -> (Vec<String>, Option<ReadError>) {
    let mut incoming = Incoming::new(LIMITS);
    let mut items = Vec::new();
    let mut body: Vec<u8> = Vec::new();
    let mut rest = stream;
    let mut turns = lengths.iter().cycle();
    for turn in 0.. {
        let len = turns.next().map_or(rest.len(), |&len| usize::from(len).max(1));
        let (mut piece, later) = rest.split_at(len.min(rest.len()));
        rest = later;
        loop {
            let past = incoming.body_left().min(piece.len());
            if turn % 2 == 1 && past > 0 {
                incoming.body_taken(past);
                body.extend(&piece[..past]);
                piece = &piece[past..];
            }
            let (taken, item) = match incoming.read(piece) {
                Ok(read) => read,
                Err(error) => {
                    assert_eq!(incoming.held(), 0);
                    return (items, Some(error));
                }
            };
            piece = &piece[taken..];
            match item {
                Some(Item::Body(piece)) => body.extend(piece),
                Some(item) => {
                    said_again(&item);
                    let data = std::mem::take(&mut body);
                    items.push(format!("{data:?} {item:?}"));
                }
                None => break,
            }
        }
        assert!(piece.is_empty(), "no item, but bytes are left");
        assert!(incoming.held() <= MOST_HELD);
        if rest.is_empty() {
            break;
        }
    }
    items.push(format!("{body:?} {}", incoming.in_message()));
    (items, None)
}

/// What came can be written, and reads the same.
fn said_again(item: &Item<'_>) {
    let mut out = Vec::new();
    let written: Result<(), EncodeError> = match item {
        Item::Hello(hello) => hello.encode(&mut out),
        Item::HelloAck(ack) => ack.encode(&mut out),
        Item::Configure(configure) => {
            if let Ok((options, _)) = Options::parse(&configure.options) {
                let pairs = options.to_pairs();
                let pairs: Vec<_> = pairs.iter().map(|(key, value)| (*key, &value[..])).collect();
                assert_eq!(Options::parse(&pairs), Ok((options, Vec::new())));
            }
            configure.encode(&mut out)
        }
        Item::ConfigureAck(ack) => ack.encode(&mut out),
        Item::FrameBegin(begin) => begin.encode(&mut out),
        Item::Error(error) => {
            error.encode(&mut out);
            Ok(())
        }
        Item::FrameEnd(side_data) | Item::PacketEnd(side_data) => {
            assert_eq!(side_data.len(), side_data.count());
            return;
        }
        _ => return,
    };
    written.expect("what came is within the limits");
    let mut incoming = Incoming::new(Limits::DEFAULT);
    assert_eq!(incoming.read(&out).map(|read| read.1.as_ref() == Some(item)), Ok(true));
}
