//! The thread that takes in what the server sends: pictures go straight to where they stay.

use std::io::IoSliceMut;
use std::sync::Arc;
use std::time::Instant;

use vtremote_backend::OutOfMemory;
use vtremote_link::LinkReader;
use vtremote_planes::{Compression, PictureReading};
use vtremote_proto::limits::DEFAULT_CAP;
use vtremote_proto::session::ClientStep;
use vtremote_proto::{FrameHead, Generation, Geometry, Incoming, Item, Limits, NO_PTS, SideData};

use super::filling::Filling;
use super::pool::Pool;
use super::{Decoding, MAX_BEHIND};
use crate::log::Level;
use crate::shared::{Shared, Trouble, Watch};

/// What one read takes at most where the bytes have no place of their own.
const BUFFER: usize = 64 << 10;
/// Behind a body that is read to its place: enough for the heads that follow.
const BEHIND_BODY: usize = 512;
/// Pieces of one call: rows with padding between them are one each.
const PIECES: usize = 65;

/// Pictures beyond [`ALWAYS`] more than the window wait only while all of them have no more bytes than
/// this: a server can make large ones of few bytes on the wire.
const MAX_BYTES: u64 = 4 << 30;
const ALWAYS: usize = 4;

pub(crate) struct Reader {
    pub(crate) shared: Arc<Shared<Decoding>>,
    pub(crate) link: Box<dyn LinkReader>,
    pub(crate) pool: Arc<Pool>,
    /// What the pictures are: what the last said of itself, until then the configured.
    pub(crate) geometry: Geometry,
    /// Of FRAMEs.
    pub(crate) compression: Compression,
    /// How many pictures may wait for the caller, not counting those of packets that a decoder held back.
    pub(crate) most: usize,
    /// A picture came without a pts from a server whose order it would tell.
    pub(crate) untimed: bool,
}

/// Bytes that came with others and have not been parsed.
struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

/// What a read brought.
enum News {
    /// More of a picture at most: it concerns nobody yet.
    Bytes,
    /// Something that a thread may wait for.
    Items,
}

/// Where one read goes: memory in pieces.
struct Pieces<'a> {
    slices: [IoSliceMut<'a>; PIECES],
    count: usize,
    bytes: usize,
}

impl<'a> Extend<IoSliceMut<'a>> for Pieces<'a> {
    fn extend<I: IntoIterator<Item = IoSliceMut<'a>>>(&mut self, pieces: I) {
        for (slot, piece) in self.slices[self.count..].iter_mut().zip(pieces) {
            self.bytes += piece.len();
            self.count += 1;
            *slot = piece;
        }
    }
}

impl Reader {
    /// Reads until the session is over.
    pub(crate) fn run(mut self) {
        let _watch = Watch(self.shared.clone());
        let mut filling = Filling::new(self.shared.clone());
        let mut incoming = Incoming::new(Limits::DEFAULT);
        let mut buffer = Buffer { bytes: vec![0; BUFFER + BEHIND_BODY], start: 0, end: 0 };
        loop {
            let news = match self.read(&mut incoming, &mut buffer, &mut filling) {
                Ok(News::Bytes) => false,
                Ok(News::Items) => true,
                Err(trouble) => {
                    self.shared.fail(trouble);
                    true
                }
            };
            let over = self.shared.lock().over();
            if news || over {
                self.shared.wake_writer();
                self.shared.wake_caller();
            }
            if over {
                return;
            }
        }
    }

    /// One read, and what it means.
    fn read(
        &mut self,
        incoming: &mut Incoming,
        buffer: &mut Buffer,
        filling: &mut Filling,
    ) -> Result<News, Trouble> {
        let body = incoming.body_left();
        let mut pieces = Pieces {
            slices: std::array::from_fn(|_| IoSliceMut::new(&mut [])),
            count: 0,
            bytes: 0,
        };
        if body > 0 {
            filling.direct(body, &mut pieces);
        }
        let direct = pieces.bytes;
        if direct == 0 || direct == body {
            let room = if direct == 0 { BUFFER } else { BEHIND_BODY };
            pieces.extend([IoSliceMut::new(&mut buffer.bytes[..room])]);
        }
        let count = pieces.count;
        let began = Instant::now();
        let moved = self.link.read_vectored(&mut pieces.slices[..count]);
        let waited = began.elapsed();
        let Some(bytes) = self.shared.read(moved) else { return Ok(News::Bytes) };
        filling.waited(waited);
        let now = self.shared.now();
        let of_body = bytes.min(direct);
        incoming.body_taken(of_body);
        filling.filled(of_body)?;
        (buffer.start, buffer.end) = (0, bytes - of_body);
        let mut state = self.shared.lock();
        state.hear(&buffer.bytes[..buffer.end]);
        if of_body > 0 {
            // The session is to know that a picture is coming in.
            state.session.receive(now, Item::Body(&[]));
        }
        drop(state);
        let news = self.take(incoming, buffer, filling)?;
        self.shared.lock().session.moved(now, bytes, incoming.in_message());
        Ok(news)
    }

    /// Takes in what is in the buffer, item by item, until it is used up or the session is over.
    fn take(
        &mut self,
        incoming: &mut Incoming,
        buffer: &mut Buffer,
        filling: &mut Filling,
    ) -> Result<News, Trouble> {
        let mut news = News::Bytes;
        loop {
            let now = self.shared.now();
            let item = match incoming.read(&buffer.bytes[buffer.start..buffer.end]) {
                Ok((used, Some(item))) => {
                    buffer.start += used;
                    item
                }
                Ok((_, None)) => return Ok(news),
                Err(error) => {
                    self.shared.lock().session.unreadable(now, &error);
                    return Ok(News::Items);
                }
            };
            let step = {
                let mut state = self.shared.lock();
                if let Item::HelloAck(ack) = &item {
                    state.greet(ack);
                }
                state.session.receive(now, item)
            };
            if !matches!(
                step,
                ClientStep::Body(_)
                    | ClientStep::Plane(_)
                    | ClientStep::Slice(_)
                    | ClientStep::SliceEnd { last: false }
            ) {
                news = News::Items;
            }
            match step {
                ClientStep::Configured { pix_fmt, warnings, .. } => {
                    for warning in warnings {
                        self.shared.log.line(Level::Warn, format_args!("server: {warning}"));
                    }
                    self.geometry.format = pix_fmt;
                    let mut state = self.shared.lock();
                    state.configure(Vec::new());
                    incoming.set_limits(state.session.limits(DEFAULT_CAP));
                }
                ClientStep::Frame(head) => {
                    self.report_untimed(head.pts);
                    let reading = self.compression.into();
                    self.begin(filling, head, self.geometry, reading, SideData::EMPTY)?;
                }
                ClientStep::Plane(head) => filling.plane(&head)?,
                ClientStep::FrameEnd(side_data) => self.end(filling, side_data)?,
                ClientStep::FrameBegin(begin) => {
                    // The session has refused other numbers.
                    let told = match &self.shared.lock().session {
                        session if session.server().geometry => session.geometry(),
                        _ => None,
                    };
                    let geometry = told.unwrap_or(self.geometry);
                    let reading = filling.reading(&begin, geometry)?;
                    self.shared.lock().own.coding = reading.coding();
                    self.begin(filling, begin.head, geometry, reading, begin.side_data)?;
                    if told.is_some() {
                        incoming.set_limits(self.shared.lock().session.limits(DEFAULT_CAP));
                    }
                }
                ClientStep::Slice(head) => filling.slice(&head)?,
                ClientStep::SliceEnd { last: true } => self.end(filling, SideData::EMPTY)?,
                ClientStep::Body(data) => filling.put(data)?,
                ClientStep::Notice(text) => {
                    self.shared.log.line(Level::Warn, format_args!("server: {text}"));
                }
                ClientStep::Done => {
                    self.report_nothing();
                    return Ok(News::Items);
                }
                ClientStep::Failed => return Ok(News::Items),
                _ => {}
            }
        }
    }

    /// Packets need not give pictures, but where none did the stream is hardly what it is taken for.
    fn report_nothing(&self) {
        let counts = self.shared.lock().session.counts();
        if counts.received == 0 && counts.admitted > 0 {
            let packets = counts.admitted;
            let line = format_args!("the server gave no picture for {packets} packets");
            self.shared.log.line(Level::Warn, line);
        }
    }

    /// An early server sends pictures in the order of decoding, and only their times tell another.
    fn report_untimed(&mut self, pts: i64) {
        let early = || self.shared.lock().session.server().generation == Generation::Early;
        if pts == NO_PTS && !self.untimed && early() {
            self.untimed = true;
            let line = format_args!(
                "the server's pictures have no pts: they come in the order of decoding"
            );
            self.shared.log.line(Level::Warn, line);
        }
    }

    /// A picture begins.
    fn begin(
        &self,
        filling: &mut Filling,
        head: FrameHead,
        geometry: Geometry,
        reading: PictureReading,
        side_data: SideData<'_>,
    ) -> Result<(), Trouble> {
        let state = self.shared.lock();
        let arrivals = &state.own.arrivals;
        bounded(arrivals.len(), arrivals.bytes(), self.most)?;
        drop(state);
        let memory = self.pool.take(&geometry);
        let memory = memory.map_err(|OutOfMemory { bytes }| Trouble::Memory { bytes })?;
        let mut state = self.shared.lock();
        let arrivals = &mut state.own.arrivals;
        let number = arrivals.next_number();
        filling.begin(number, memory.planes(), reading);
        arrivals.begin(head.pts, head.duration, geometry, memory);
        arrivals.side_data(number, side_data);
        Ok(())
    }

    /// The picture is complete, but for what workers have of it.
    fn end(&self, filling: &mut Filling, side_data: SideData<'_>) -> Result<(), Trouble> {
        filling.end()?;
        let number = filling.number();
        let mut state = self.shared.lock();
        state.own.arrivals.side_data(number, side_data);
        let pts = state.own.arrivals.whole(number);
        state.own.raw_bytes += filling.raw_bytes();
        state.order();
        state.session.pace(self.shared.now(), filling.pace());
        let to_write = state.session.has_control();
        drop(state);
        if to_write {
            self.shared.wake_writer();
        }
        self.shared.wake_caller();
        if let Some(pts) = pts {
            self.shared.log.line(Level::Trace, format_args!("picture {number}, pts {pts}"));
        }
        Ok(())
    }
}

/// Whether another picture may begin where so many of so many bytes wait.
fn bounded(pictures: usize, bytes: u64, most: usize) -> Result<(), Trouble> {
    if pictures >= most + MAX_BEHIND {
        return Err(Trouble::TooMany { pictures });
    }
    if pictures >= most + ALWAYS && bytes >= MAX_BYTES {
        return Err(Trouble::TooLarge { pictures, bytes });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_beyond_the_window_wait_only_where_they_are_small() {
        assert!(bounded(19, u64::MAX, 16).is_ok());
        assert!(bounded(20, MAX_BYTES - 1, 16).is_ok());
        let refused = bounded(20, MAX_BYTES, 16);
        assert!(matches!(refused, Err(Trouble::TooLarge { pictures: 20, bytes: MAX_BYTES })));
        assert!(bounded(16 + MAX_BEHIND - 1, 0, 16).is_ok());
        let refused = bounded(16 + MAX_BEHIND, 0, 16);
        assert!(matches!(refused, Err(Trouble::TooMany { pictures: 112 })));
    }
}
