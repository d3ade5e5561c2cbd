//! One session's decoder: a queue, and a thread that the codec has to itself.

use crate::complaints::Complaints;
use crate::extradata::{Extradata, is_told, is_without_picture, not_decoded};
use crate::ffi::{self, AvError, Decoded, DecodedPicture};
use crate::pool::Pool;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use vtremote_backend::{
    Codec, CodedPacket, DecodedFrame, Error, FrameSink, Geometry, Next, PixelFormat, PlaneMemory,
    Pushed, Queue, Reference, SideData, Spare, Times, check_size,
};

/// Pictures that the sink may hold: some on their way out while others are compressed. What the
/// codec keeps for reference comes on top.
const PICTURES: usize = 6;

/// Packets that wait for the codec.
const PACKETS: usize = 4;

/// Parameter sets and SEI that may wait for the picture that they belong to, in bytes.
const MOST_WAITING: usize = 1 << 16;

/// Errors without a picture between them, at one packet or at the end: the pictures inside (16 of
/// the stream and one a thread) explain no more.
const MOST_ERRORS: usize = 256;

/// What the codec's thread works with.
pub(crate) struct Session {
    pub(crate) codec: Codec,
    /// The format that the client wishes for.
    pub(crate) wish: PixelFormat,
    pub(crate) decoder: ffi::Decoder,
    /// The decoder's, for error texts.
    pub(crate) name: &'static str,
    pub(crate) sink: Arc<dyn FrameSink>,
}

/// The user's end.
pub(crate) struct Decoder {
    shared: Arc<Shared>,
    /// Of the next packet.
    number: u64,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    queue: Queue<(u64, CodedPacket)>,
    spare: Spare,
    pool: Pool,
    /// What the sink was told, once.
    failure: OnceLock<Error>,
    abandoned: AtomicBool,
}

impl Decoder {
    pub(crate) fn start(session: Session) -> Result<Self, Error> {
        let shared = Arc::new(Shared {
            queue: Queue::new(PACKETS),
            spare: Spare::default(),
            pool: Pool::new(Vec::new(), PICTURES),
            failure: OnceLock::new(),
            abandoned: AtomicBool::new(false),
        });
        let worker = Worker {
            session,
            shared: Arc::clone(&shared),
            times: Times::default(),
            waiting: Vec::new(),
            complaints: Complaints::default(),
        };
        let thread = thread::Builder::new()
            .name("lavc-decoder".into())
            .spawn(move || worker.run())
            .map_err(|error| Error::Codec(format!("no thread for the decoder: {error}")))?;
        Ok(Decoder { shared, number: 0, thread: Some(thread) })
    }

    /// What the decoder has failed with, or that it was drained.
    fn over(&self) -> Error {
        let failure = self.shared.failure.get().cloned();
        failure.unwrap_or_else(|| Error::Internal("the decoder was drained already".into()))
    }
}

impl vtremote_backend::Decoder for Decoder {
    fn submit(
        &mut self,
        packet: CodedPacket,
        wait: Duration,
    ) -> Result<Option<CodedPacket>, Error> {
        match self.shared.queue.push((self.number, packet), wait) {
            Pushed::Taken => {
                self.number += 1;
                Ok(None)
            }
            Pushed::Refused((_, packet)) => Ok(Some(packet)),
            Pushed::Over => Err(self.over()),
        }
    }

    fn spare(&mut self) -> Vec<u8> {
        self.shared.spare.take()
    }

    fn drain(&mut self) -> Result<(), Error> {
        if self.shared.queue.end() { Ok(()) } else { Err(self.over()) }
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        self.shared.abandoned.store(true, Ordering::Relaxed);
        self.shared.queue.close();
        self.shared.pool.close();
        if let Some(thread) = self.thread.take() {
            // It catches its panics itself.
            let _ = thread.join();
        }
    }
}

struct Worker {
    session: Session,
    shared: Arc<Shared>,
    times: Times,
    /// Parameter sets and SEI from packets of their own. Without a picture such a packet is an error
    /// to H.264's decoder.
    waiting: Vec<u8>,
    complaints: Complaints,
}

/// Why the thread ends before the last picture.
enum Stop {
    Abandoned,
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Failed(error)
    }
}

impl Worker {
    /// Everything that the thread does; the sink is told how it ended.
    fn run(self) {
        let shared = Arc::clone(&self.shared);
        let sink = Arc::clone(&self.session.sink);
        let name = self.session.name;
        let mut worker = self;
        let end = catch_unwind(AssertUnwindSafe(|| worker.work()));
        let end = end.unwrap_or_else(|panic| Err(Error::Internal(panic_text(&*panic)).into()));
        // The codec goes first: what it says when it is closed comes before our last word.
        drop(worker);
        let last_word = AssertUnwindSafe(|| match end {
            _ if shared.abandoned.load(Ordering::Relaxed) => {}
            Ok(()) => sink.drained(),
            Err(Stop::Abandoned) => {}
            Err(Stop::Failed(error)) => {
                let error = match error {
                    Error::Codec(what) => Error::Codec(format!("{name}: {what}")),
                    error => error,
                };
                let _ = shared.failure.set(error.clone());
                shared.queue.close();
                sink.failed(error);
            }
        });
        // A sink that panics here has been told all the same.
        let _ = catch_unwind(last_word);
    }

    fn work(&mut self) -> Result<(), Stop> {
        loop {
            match self.shared.queue.next() {
                Next::Item((number, packet)) => self.decode(number, packet)?,
                Next::End => {
                    self.hand_over(None, "at the end")?;
                    self.complaints.rest().into_iter().for_each(|rest| self.warn(rest));
                    return Ok(());
                }
                Next::Closed => return Err(Stop::Abandoned),
            }
        }
    }

    fn decode(&mut self, number: u64, mut packet: CodedPacket) -> Result<(), Stop> {
        if self.times.jump_back(&packet) {
            self.hand_over(None, &format!("before packet {number}, where times jump back"))?;
            self.session.decoder.restart();
        }
        let codec = self.session.codec;
        let pts = packet.pts.map_or("none".to_owned(), |pts| pts.to_string());
        for record in
            packet.side_data.iter().filter(|record| record.kind == SideData::NEW_EXTRADATA)
        {
            match Extradata::read(codec, &record.data, self.session.wish) {
                Ok(Extradata { annexb, .. }) => self.wait_with(&annexb),
                Err(error) => self.warn(format!("packet {number} (pts {pts}): new {error}")),
            }
        }
        if is_without_picture(codec, &packet.data) && packet.data.len() <= MOST_WAITING {
            self.wait_with(&packet.data);
            return Ok(());
        }
        if packet.data.is_empty() {
            return Ok(());
        }
        if !self.waiting.is_empty() {
            self.waiting.append(&mut packet.data);
            packet.data = std::mem::take(&mut self.waiting);
        }
        let place = match self.session.decoder.lateness() {
            0 => format!("packet {number} (pts {pts})"),
            late => format!("packet {number} (pts {pts}) or one of the {late} before it"),
        };
        self.hand_over(Some(&packet), &place)?;
        self.shared.spare.keep(packet.data);
        Ok(())
    }

    /// Keeps parameter sets and SEI for the next picture. Of more than fit the earlier ones go: nobody
    /// means them any more.
    fn wait_with(&mut self, annexb: &[u8]) {
        if self.waiting.len() + annexb.len() > MOST_WAITING {
            self.waiting.clear();
        }
        self.waiting.extend_from_slice(annexb);
    }

    /// Gives the codec a packet, or the end, and the sink all that comes out.
    fn hand_over(&mut self, packet: Option<&CodedPacket>, place: &str) -> Result<(), Stop> {
        let (mut taken, mut error, mut errors) = (false, None, 0);
        let Worker { session, shared, .. } = self;
        loop {
            if !taken {
                taken = match session.decoder.send(packet) {
                    Ok(taken) => taken,
                    Err(fault) => {
                        error = Some(going_on(fault)?);
                        true
                    }
                };
            }
            match session.decoder.receive() {
                Ok(Decoded::Picture(picture)) => {
                    show(&picture, (session.codec, session.wish), &shared.pool, &*session.sink)?;
                    errors = 0;
                }
                Ok(Decoded::Again) if taken => break,
                Ok(Decoded::Again) => {
                    return Err(Error::Codec("it takes and gives nothing".into()).into());
                }
                Ok(Decoded::End) => break,
                Err(fault) => {
                    error = Some(going_on(fault)?);
                    errors += 1;
                    if errors > MOST_ERRORS {
                        return Err(Error::Codec(format!("{place}: errors without end")).into());
                    }
                }
            }
        }
        let lines = session.decoder.lines();
        for warning in self.complaints.about(place, lines, error.as_ref()) {
            self.warn(warning);
        }
        Ok(())
    }

    fn warn(&self, warning: String) {
        if !self.shared.abandoned.load(Ordering::Relaxed) {
            self.session.sink.warning(format!("{}: {warning}", self.session.name));
        }
    }
}

/// The error, if decoding goes on after it.
fn going_on(error: AvError) -> Result<AvError, Stop> {
    match error.is_out_of_memory() {
        true => Err(Error::Codec(error.to_string()).into()),
        false => Ok(error),
    }
}

/// Copies a picture out of the codec's memory, as soon as there is some for it, and gives it to the
/// sink.
fn show(
    picture: &DecodedPicture<'_>,
    (codec, wish): (Codec, PixelFormat),
    pool: &Pool,
    sink: &dyn FrameSink,
) -> Result<(), Stop> {
    let (width, height) = picture.size();
    check_size(width, height)?;
    let planes = picture.planes().map_err(|layout| not_decoded(codec, &layout))?;
    let format = planes.format;
    if !is_told(format, wish) {
        return Err(not_decoded(codec, format.name()).into());
    }
    pool.reshape(&format.planes(width, height));
    let memory = pool.take(Duration::MAX).ok_or(Stop::Abandoned)?;
    let rows = memory.iter().map(|plane| PlaneMemory::lend(plane, 0..plane.shape().rows));
    let mut rows = rows
        .collect::<Result<Vec<_>, _>>()
        .map_err(|lent| Error::Internal(format!("a picture of our own: {lent}")))?;
    planes.interleave(&mut rows);
    drop(rows);
    sink.frame(DecodedFrame {
        pts: picture.time(),
        duration: picture.duration(),
        geometry: Geometry {
            width,
            height,
            format,
            sample_aspect_ratio: picture.sample_aspect_ratio(),
            color: picture.color(),
            fields: picture.fields(),
        },
        picture: Reference::new(&memory)?,
        side_data: picture.side_data(),
    });
    Ok(())
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("the decoder's thread panicked: {}", text.unwrap_or("no reason given"))
}
