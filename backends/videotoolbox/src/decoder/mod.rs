//! One session's decoder: a queue, and a thread that gives the codec its packets.

mod order;
mod output;
mod picture;
mod probe;
mod stream;

pub(crate) use probe::decoders;

use crate::ffi::{CodedSample, Decoded, Decompression, FormatDescription, Status, Value, names};
use crate::permits::Permits;
use output::{Output, PICTURES, ends_session};
use picture::{Layout, check_picture};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use stream::{AccessUnit, Stream};
use vtremote_backend::{
    Codec, CodedPacket, DecoderConfig, Error, FrameSink, Next, PixelFormat, Pushed, Queue, Spare,
    check_size,
};
use vtremote_bitstream::{ParameterSets, SetKind, StreamFacts};

/// Packets that wait for the thread.
const PACKETS: usize = 4;

/// The user's end.
pub(crate) struct Decoder {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    queue: Queue<CodedPacket>,
    output: Output,
    sink: Arc<dyn FrameSink>,
    /// What the sink was told, once.
    failure: OnceLock<Error>,
    abandoned: AtomicBool,
    /// Of packets that were handed over.
    spare: Spare,
}

impl Shared {
    /// There can be no more pictures. The first reason counts.
    fn fail(&self, error: Error) {
        let error = match error {
            Error::Codec(what) => Error::Codec(format!("VideoToolbox: {what}")),
            error => error,
        };
        let _ = self.failure.set(error);
        self.output.close();
        self.queue.close();
    }
}

impl Decoder {
    /// Gives the format of the pictures too.
    ///
    /// # Errors
    /// [`Error::Unsupported`] and [`Error::Codec`], as far as the extradata tell what is to be decoded.
    pub(crate) fn open(
        config: &DecoderConfig,
        sink: Arc<dyn FrameSink>,
    ) -> Result<(Self, PixelFormat), Error> {
        check_size(config.width, config.height)?;
        let codec = config.codec;
        let (sets, _) = ParameterSets::from_extradata(codec, &config.extradata)
            .map_err(|error| Error::Codec(format!("extradata: {error}")))?;
        let facts = |nal| StreamFacts::from_sps(codec, nal);
        // Which of several is used is for the pictures to say.
        let facts = sets.of(SetKind::Sps).find_map(facts);
        let layout = facts.map(|facts| Layout::of(codec, &facts)).transpose()?;
        facts.map_or(Ok(()), |facts| check_picture(&facts))?;
        let permits = Permits::new(PICTURES);
        let shared = Arc::new(Shared {
            queue: Queue::new(PACKETS),
            output: Output::new(Arc::clone(&sink), permits, config.max_delay),
            sink,
            failure: OnceLock::new(),
            abandoned: AtomicBool::new(false),
            spare: Spare::default(),
        });
        let session = match layout {
            // Parameter sets that need others may come with the first picture.
            Some(layout) if sets.of(SetKind::Pps).next().is_some() => {
                let format = describe(codec, &sets).map_err(|status| {
                    Error::Codec(format!("extradata: no stream can be described by it: {status}"))
                })?;
                Some(Session::new(codec, format, layout, &shared)?)
            }
            _ => None,
        };
        let worker = Worker {
            codec,
            stream: Stream::new(codec, sets.clone()),
            shared: Arc::clone(&shared),
            sets,
            sets_changed: false,
            session,
            skipped: None,
        };
        let thread =
            thread::Builder::new()
                .name("vt-decoder".into())
                .spawn(move || worker.run())
                .map_err(|error| Error::Codec(format!("no thread for the decoder: {error}")))?;
        let format = layout.map_or(config.format, |layout| layout.format);
        Ok((Decoder { shared, thread: Some(thread) }, format))
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
        match self.shared.queue.push(packet, wait) {
            Pushed::Taken => Ok(None),
            Pushed::Refused(packet) => Ok(Some(packet)),
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
        self.shared.output.close();
        self.shared.queue.close();
        if let Some(thread) = self.thread.take() {
            // It catches its panics itself.
            let _ = thread.join();
        }
    }
}

/// A session of VideoToolbox's, and what it was made for.
struct Session {
    decompression: Decompression,
    format: FormatDescription,
    layout: Layout,
}

impl Session {
    fn new(
        codec: Codec,
        format: FormatDescription,
        layout: Layout,
        shared: &Arc<Shared>,
    ) -> Result<Self, Error> {
        // Weakly: what comes out when the decoder is gone goes nowhere.
        let shared = Arc::downgrade(shared);
        let listener = Arc::new(move |number, decoded| {
            let Some(shared) = shared.upgrade() else { return };
            if let Err(error) = shared.output.complete(number, decoded) {
                shared.fail(error);
            }
        });
        let specification = [(names::enable_hardware_decoder(), Value::Bool(true))];
        // Neither width nor height: pictures are to be as large as the stream says, and not scaled.
        let pictures = [(names::pixel_format(), Value::Int(layout.characters.cast_signed()))];
        let decompression = Decompression::new(&format, &specification, &pictures, listener)
            .map_err(|status| match status {
                Status::NO_DECODER | Status::UNSUPPORTED_DATA_FORMAT => {
                    Error::Unsupported(format!("{codec} of this kind: {status}"))
                }
                _ => Error::Codec(format!("{codec}: no decoder: {status}")),
            })?;
        Ok(Session { decompression, format, layout })
    }
}

/// A description of the stream by all of its parameter sets, those of H.265's other layers apart.
fn describe(codec: Codec, sets: &ParameterSets) -> Result<FormatDescription, Status> {
    let base = |nal: &&[u8]| match codec {
        Codec::H264 => true,
        // nuh_layer_id is 0: H.265 7.3.1.2.
        Codec::H265 => matches!(nal, [a, b, ..] if a & 1 == 0 && b >> 3 == 0),
    };
    let sets: Vec<&[u8]> = sets.iter().filter(base).collect();
    FormatDescription::from_parameter_sets(codec, &sets)
}

struct Worker {
    codec: Codec,
    stream: Stream,
    shared: Arc<Shared>,
    /// Of the next picture.
    sets: ParameterSets,
    /// The session was made for others.
    sets_changed: bool,
    session: Option<Session>,
    /// How many pictures were passed over since a session was lost; none if none was, or decoding goes on.
    skipped: Option<u64>,
}

/// Why the thread ends before the last picture.
enum Stop {
    /// Nobody wants them, or [`Shared::fail`] was told why.
    Closed,
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Failed(error)
    }
}

impl Worker {
    /// Everything that the thread does; the sink is told how it ended.
    fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let work = AssertUnwindSafe(|| {
            let end = self.work();
            if let Err(Stop::Failed(_)) = end {
                // Behind the pictures that came before.
                self.end_session()?;
                self.shared.output.rest()?;
            }
            end
        });
        let end = catch_unwind(work)
            .unwrap_or_else(|panic| Err(Error::Internal(panic_text(&*panic)).into()));
        // The session goes first: what it says when it is closed comes before our last word.
        drop(self);
        if let Err(Stop::Failed(error)) = end {
            shared.fail(error);
        }
        let last_word = AssertUnwindSafe(|| match shared.failure.get() {
            _ if shared.abandoned.load(Ordering::Relaxed) => {}
            Some(error) => shared.sink.failed(error.clone()),
            None => shared.sink.drained(),
        });
        // A sink that panics here has been told all the same.
        let _ = catch_unwind(last_word);
    }

    fn work(&mut self) -> Result<(), Stop> {
        loop {
            let packet = match self.shared.queue.next() {
                Next::Item(packet) => packet,
                Next::End => break,
                Next::Closed => return Err(Stop::Closed),
            };
            let taken = self.stream.take(&packet);
            self.shared.spare.keep(packet.data);
            for (name, what) in &taken.warnings {
                self.shared.output.warning(name, what);
            }
            for unit in taken.units {
                self.decode(unit)?;
            }
        }
        if let Some(unit) = self.stream.rest() {
            self.decode(unit)?;
        }
        self.end_session()?;
        self.tell_skipped("the end");
        Ok(self.shared.output.rest()?)
    }

    fn decode(&mut self, mut unit: AccessUnit) -> Result<(), Stop> {
        if let Some(sets) = unit.sets.take() {
            (self.sets, self.sets_changed) = (sets, true);
        }
        if let Some(status) = self.shared.output.lost() {
            self.lose_session(status)?;
        }
        if self.skipped.is_some() {
            if !unit.keyframe {
                self.skipped = self.skipped.map(|skipped| skipped + 1);
                return Ok(());
            }
            self.tell_skipped(&unit.name());
        }
        let Some(status) = self.submit(&unit)? else { return Ok(()) };
        self.lose_session(status)?;
        if unit.keyframe {
            // Nothing is lost with it: it is where decoding would go on.
            self.skipped = None;
            if let Some(status) = self.submit(&unit)? {
                self.lose_session(status)?;
            }
        }
        self.skipped = self.skipped.map(|skipped| skipped + 1);
        Ok(())
    }

    /// Hands a picture to the session, or a new one where that does not fit. Gives why the session can decode
    /// no more, if it can't.
    fn submit(&mut self, unit: &AccessUnit) -> Result<Option<Status>, Stop> {
        let shared = Arc::clone(&self.shared);
        let Some(session) = self.session_for(unit)? else { return Ok(None) };
        let number = shared.output.begin(unit, session.layout).ok_or(Stop::Closed)?;
        let shown = unit.picture.output != vtremote_bitstream::Output::Hidden;
        let sample = CodedSample::new(&unit.slices, &session.format);
        match sample.and_then(|sample| session.decompression.decode(&sample, number, shown)) {
            Ok(()) => Ok(None),
            Err(status) if ends_session(status) => {
                shared.output.withdraw(number)?;
                Ok(Some(status))
            }
            Err(status) => {
                shared.output.complete(number, Decoded::Failed(status))?;
                Ok(None)
            }
        }
    }

    /// None if the parameter sets describe no stream.
    fn session_for(&mut self, unit: &AccessUnit) -> Result<Option<&Session>, Stop> {
        let layout = Layout::of(self.codec, &unit.picture.facts)?;
        check_picture(&unit.picture.facts)?;
        let fits = |session: &Session| session.layout == layout;
        if self.sets_changed || !self.session.as_ref().is_some_and(fits) {
            let format = match describe(self.codec, &self.sets) {
                Ok(format) => format,
                Err(status) => {
                    let what = format!("its parameter sets describe no stream: {status}");
                    self.shared.output.warning(&unit.name(), &what);
                    return Ok(None);
                }
            };
            match &mut self.session {
                Some(session) if fits(session) && session.decompression.accepts(&format) => {
                    session.format = format;
                }
                _ => {
                    self.end_session()?;
                    self.session = Some(Session::new(self.codec, format, layout, &self.shared)?);
                }
            }
            self.sets_changed = false;
        }
        Ok(self.session.as_ref())
    }

    /// Waits for what is being decoded, and ends the session.
    fn end_session(&mut self) -> Result<(), Stop> {
        let Some(session) = self.session.take() else { return Ok(()) };
        let finished = session.decompression.finish();
        drop(session);
        let missing = self.shared.output.give_up()?;
        let lost = self.shared.output.lost();
        if missing > 0 {
            let why = finished.err().or(lost).map(|status| format!(": {status}"));
            let what = format!("{missing} pictures did not come out{}", why.unwrap_or_default());
            self.shared.output.warning("the end of a session", &what);
        }
        Ok(())
    }

    /// The session is gone. Decoding goes on with the next keyframe.
    fn lose_session(&mut self, status: Status) -> Result<(), Stop> {
        drop(self.session.take());
        let missing = self.shared.output.give_up()?;
        // Its last pictures may have said the same.
        self.shared.output.lost();
        let what = match missing {
            0 => format!("{status}; decoding goes on with a keyframe"),
            _ => format!("{status}; {missing} pictures are lost; decoding goes on with a keyframe"),
        };
        self.shared.output.warning("a lost session", &what);
        self.skipped = Some(0);
        Ok(())
    }

    fn tell_skipped(&mut self, until: &str) {
        if let Some(skipped @ 1..) = self.skipped.take() {
            let what = format!("{skipped} pictures before it had no keyframe to begin with");
            self.shared.output.warning(until, &what);
        }
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("the decoder's thread panicked: {}", text.unwrap_or("no reason given"))
}
