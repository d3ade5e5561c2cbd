//! One session's decoder: a queue, and a thread that gives the codec its packets.

mod order;
mod output;
mod passed_over;
mod picture;
mod probe;
mod recent;
mod stream;
mod watched;

pub(crate) use probe::decoders;

use crate::backend::Notices;
use crate::ffi::{
    CodedSample, Decoded, Decompression, FormatDescription, Panicked, Status, Value, names,
};
use crate::patience::Patience;
use crate::permits::{Permit, Permits};
use output::{Output, PICTURES, Room, ends_session};
use passed_over::{Doubt, PassedOver};
use picture::{Layout, check_picture};
use recent::{Entry, MOST_BYTES, MOST_PACKETS, Recent, Start};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use stream::{AccessUnit, Stream};
use vtremote_backend::{
    Codec, CodedPacket, DecoderConfig, Error, FrameSink, Next, PixelFormat, Pushed, Queue, Spare,
    check_size,
};
use vtremote_bitstream::{ParameterSets, SetKind, StreamFacts};
use watched::Watched;

/// Packets that wait for the thread.
const PACKETS: usize = 4;

/// The user's end.
pub(crate) struct Decoder {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    /// Disconnected when the thread has ended.
    ended: mpsc::Receiver<()>,
    /// Looks whether the thread comes on.
    watch: Option<JoinHandle<()>>,
    patience: Duration,
    notices: Notices,
}

struct Shared {
    queue: Queue<CodedPacket>,
    output: Output,
    sink: Arc<dyn FrameSink>,
    /// Why no more pictures come.
    failure: OnceLock<Error>,
    abandoned: AtomicBool,
    /// The sink was told how it ended.
    told: AtomicBool,
    watched: Watched,
    /// The thread is in a call that does not return.
    stuck: AtomicBool,
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

    /// Tells the sink how it ended, once, and if anybody still wants to know.
    fn tell_end(&self) {
        if self.told.swap(true, Ordering::Relaxed) || self.abandoned.load(Ordering::Relaxed) {
            return;
        }
        let last_word = AssertUnwindSafe(|| match self.failure.get() {
            Some(error) => self.sink.failed(error.clone()),
            None => self.sink.drained(),
        });
        // A sink that panics here has been told all the same.
        let _ = catch_unwind(last_word);
    }

    /// Fails in the place of a thread that cannot, as it is in a call that does not return.
    fn watch(&self, patience: Duration) {
        if !self.watched.is_stuck(patience) {
            return;
        }
        self.stuck.store(true, Ordering::Relaxed);
        let rest = AssertUnwindSafe(|| self.output.give_up().and_then(|_| self.output.rest()));
        // Those that had come are shown; the reason is another.
        let _ = catch_unwind(rest);
        self.fail(Error::Codec(format!("the decoder has not come back for {patience:?}")));
        self.tell_end();
    }
}

impl Decoder {
    /// Gives the format of the pictures too.
    ///
    /// # Errors
    /// [`Error::Unsupported`] and [`Error::Codec`], as far as the extradata tell what is to be decoded; and
    /// [`Error::Codec`] if VideoToolbox does not make a session of it in time.
    pub(crate) fn open(
        config: &DecoderConfig,
        sink: Arc<dyn FrameSink>,
        patience: Patience,
        notices: Notices,
    ) -> Result<(Self, PixelFormat), Error> {
        check_size(config.width, config.height)?;
        let codec = config.codec;
        let (sets, _) = ParameterSets::from_extradata(codec, &config.extradata)
            .map_err(|error| Error::Codec(format!("extradata: {error}")))?;
        let facts = |nal| StreamFacts::from_sps(codec, nal);
        // Which of several is used is for the pictures to say.
        let facts = sets.of(SetKind::Sps).find_map(facts);
        let wish = config.format;
        let layout = facts.map(|facts| Layout::of(codec, &facts, wish)).transpose()?;
        facts.map_or(Ok(()), |facts| check_picture(&facts))?;
        let permits = Permits::new(PICTURES);
        let shared = Arc::new(Shared {
            queue: Queue::new(PACKETS),
            output: Output::new(
                codec,
                Arc::clone(&sink),
                permits,
                config.max_delay,
                patience.answer,
            ),
            sink,
            failure: OnceLock::new(),
            abandoned: AtomicBool::new(false),
            told: AtomicBool::new(false),
            watched: Watched::default(),
            stuck: AtomicBool::new(false),
            spare: Spare::default(),
        });
        // Parameter sets that need others may come with the first picture.
        let whole = |_: &_| sets.of(SetKind::Pps).next().is_some();
        let first = layout.zip(facts).filter(whole);
        let mut worker = Worker {
            codec,
            wish,
            patience: patience.answer,
            stream: Stream::new(codec, sets.clone(), (config.width, config.height)),
            shared: Arc::clone(&shared),
            sets,
            sets_changed: false,
            session: None,
            recent: Recent::new(),
            pictures_at_loss: None,
            answers_at_silence: None,
            decodes: false,
            begins_sequence: false,
            passed_over: None,
        };
        let (ends, ended) = mpsc::channel();
        let (told, opened) = mpsc::channel();
        let work = move || {
            let _ends: mpsc::Sender<()> = ends;
            let session = worker.open(first);
            let has_opened = session.is_ok();
            // Whoever waits no longer has closed it all.
            let _ = told.send(session);
            if has_opened {
                worker.run();
            }
        };
        let thread = thread::Builder::new().name("vt-decoder".into()).spawn(work);
        let thread = thread.map_err(no_thread)?;
        let format = layout.map_or(wish, |layout| layout.format);
        let (thread, watch, patience_of_calls) = (Some(thread), None, patience.answer);
        let mut decoder =
            Decoder { shared, thread, ended, watch, patience: patience_of_calls, notices };
        match opened.recv_timeout(patience.open) {
            Ok(opened) => {
                opened?;
                let shared = Arc::clone(&decoder.shared);
                let watch = move || shared.watch(patience_of_calls);
                let watch = thread::Builder::new().name("vt-watch".into()).spawn(watch);
                decoder.watch = Some(watch.map_err(no_thread)?);
                Ok((decoder, format))
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                Err(Error::Internal("making the session panicked".into()))
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {
                decoder.thread.take().into_iter().for_each(|thread| decoder.leave(thread));
                Err(Error::Codec("VideoToolbox does not make the session in time".into()))
            }
        }
    }

    /// The thread is in a call that does not return: it tells nobody any more, and ends with that.
    fn leave(&self, thread: JoinHandle<()>) {
        drop(thread);
        (self.notices)("VideoToolbox: a decoder does not end, and is left behind".into());
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
            let stuck = self.shared.stuck.load(Ordering::Relaxed);
            let over = || self.ended.recv_timeout(self.patience);
            match stuck || over() == Err(mpsc::RecvTimeoutError::Timeout) {
                true => self.leave(thread),
                // It has told of its panics.
                false => drop(thread.join()),
            }
        }
        self.shared.watched.over();
        // It catches its panics itself.
        let _ = self.watch.take().map(JoinHandle::join);
    }
}

/// A session of VideoToolbox's, and what it was made for.
struct Session {
    decompression: Decompression,
    /// Of the next picture.
    format: FormatDescription,
    /// The SPS of that.
    facts: StreamFacts,
    layout: Layout,
    /// See [`Output::new_session`].
    number: u64,
}

impl Session {
    fn new(
        codec: Codec,
        (format, facts): (FormatDescription, StreamFacts),
        layout: Layout,
        shared: &Arc<Shared>,
    ) -> Result<Self, Error> {
        let session = shared.output.new_session();
        // Weakly: what comes out when the decoder is gone goes nowhere.
        let shared = Arc::downgrade(shared);
        let listener = Arc::new(move |number, decoded| {
            let Some(shared) = shared.upgrade() else { return };
            shared.watched.progress();
            let completed = match decoded {
                Ok(decoded) => shared.output.complete(session, number, decoded),
                // It was taken out before, if it came: nobody knows what became of it.
                Err(Panicked) => {
                    Err(Error::Internal(format!("there was a panic over picture {number}")))
                }
            };
            if let Err(error) = completed {
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
        Ok(Session { decompression, format, facts, layout, number: session })
    }
}

/// A description of pictures of which this SPS tells, by the parameter sets that they may refer to: others may be
/// of another size, or what damage made of some. Those of H.265's other layers are left out.
fn describe(
    codec: Codec,
    sets: &ParameterSets,
    of: &StreamFacts,
) -> Result<FormatDescription, Status> {
    let base = |nal: &&[u8]| match codec {
        Codec::H264 => true,
        // nuh_layer_id is 0: H.265 7.3.1.2.
        Codec::H265 => matches!(nal, [a, b, ..] if a & 1 == 0 && b >> 3 == 0),
    };
    let sets = sets.of_sps(|sps| StreamFacts::from_sps(codec, sps).as_ref() == Some(of));
    FormatDescription::from_parameter_sets(codec, &sets.iter().filter(base).collect::<Vec<_>>())
}

struct Worker {
    codec: Codec,
    /// The format that the client wishes for.
    wish: PixelFormat,
    patience: Duration,
    stream: Stream,
    shared: Arc<Shared>,
    /// Of the next picture.
    sets: ParameterSets,
    /// The session was made for others.
    sets_changed: bool,
    session: Option<Session>,
    recent: Recent<Coded>,
    /// How many pictures had come out when a session was lost.
    pictures_at_loss: Option<u64>,
    /// How many answers had come when a session was silent for too long.
    answers_at_silence: Option<u64>,
    /// Whether a session has been given a picture.
    decodes: bool,
    /// A sequence began with a picture that no session was given: it begins with the next one that is.
    begins_sequence: bool,
    passed_over: Option<PassedOver>,
}

/// A picture as a session was given it.
struct Coded {
    sample: CodedSample,
    format: FormatDescription,
    shown: bool,
}

/// How a session goes on where another was lost.
struct Resumed {
    /// Packets that are decoded again.
    again: usize,
    /// Pictures that do not come out, as what they need is not kept.
    missing: usize,
}

/// Why the thread ends before the last picture.
enum Stop {
    /// Nobody wants them, or [`Shared::fail`] was told why.
    Closed,
    Failed(Error),
    /// The parameter sets say that the stream cannot be decoded: see [`Worker::doubt`].
    Doubted(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Failed(error)
    }
}

impl Worker {
    /// Makes the session that extradata describe whole.
    fn open(&mut self, first: Option<(Layout, StreamFacts)>) -> Result<(), Error> {
        if let Some((layout, facts)) = first {
            let format = describe(self.codec, &self.sets, &facts).map_err(|status| {
                Error::Codec(format!("extradata: no stream can be described by it: {status}"))
            })?;
            let session = Session::new(self.codec, (format, facts), layout, &self.shared)?;
            self.session = Some(session);
        }
        Ok(())
    }

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
        shared.tell_end();
        shared.watched.over();
    }

    fn work(&mut self) -> Result<(), Stop> {
        loop {
            let shared = &self.shared;
            let next = || shared.queue.next_within(shared.output.until_silence());
            let packet = match shared.watched.resting(next) {
                Some(Next::Item(packet)) => packet,
                Some(Next::End) => break,
                Some(Next::Closed) => return Err(Stop::Closed),
                None => {
                    self.break_silence()?;
                    continue;
                }
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
        if let Some(error) = self.passed_over.as_mut().and_then(PassedOver::end) {
            return Err(error.into());
        }
        self.end_session()?;
        self.tell_passed_over("the end");
        Ok(self.shared.output.rest()?)
    }

    fn decode(&mut self, mut unit: AccessUnit) -> Result<(), Stop> {
        let sets = unit.sets.take();
        let before = sets.map(|sets| std::mem::replace(&mut self.sets, sets));
        self.sets_changed |= before.is_some();
        unit.picture.begins_sequence |= self.begins_sequence;
        self.begins_sequence = unit.picture.begins_sequence;
        let permit = loop {
            let room = || self.shared.output.room(&unit.picture);
            match self.shared.watched.resting(room) {
                Room::For(permit) => break permit,
                Room::Silence => self.break_silence()?,
                Room::Closed => return Err(Stop::Closed),
            }
        };
        self.keep_session()?;
        if let Some(passed_over) = &mut self.passed_over
            && !passed_over.may_end_with(&unit)
        {
            return Ok(passed_over.another()?);
        }
        match self.submit(&unit, permit) {
            Err(Stop::Doubted(error)) => self.doubt(unit, before, error),
            submitted => submitted,
        }
    }

    /// A picture comes with parameter sets by which it cannot be decoded. Of a stream that could be until now
    /// they may be damaged: its pictures are passed over until others come, and the stream has changed if that
    /// takes too long, or the sets are told once more. `before` are those before, if these are new.
    fn doubt(
        &mut self,
        unit: AccessUnit,
        before: Option<ParameterSets>,
        error: Error,
    ) -> Result<(), Stop> {
        if !self.decodes {
            return Err(error.into());
        }
        let passed_over = self.passed_over.get_or_insert_default();
        if before.is_none() && passed_over.is_told_again(&unit) {
            return Err(error.into());
        }
        let what =
            format!("{error}; pictures are passed over, as its parameter sets may be damaged");
        self.shared.output.warning(&unit.name(), &what);
        let doubt = Doubt::new(error, unit, before.as_ref(), &self.sets);
        Ok(passed_over.doubt(doubt, before.is_some())?)
    }

    /// Hands a picture to the session, or a new one where that does not fit.
    fn submit(&mut self, unit: &AccessUnit, permit: Permit) -> Result<(), Stop> {
        let (codec, shared) = (self.codec, Arc::clone(&self.shared));
        if self.session_for(unit)?.is_none() {
            return Ok(());
        }
        self.tell_passed_over(&unit.name());
        self.decodes = true;
        let Some(session) = &self.session else { return Ok(()) };
        let number = shared.output.begin(unit, session.layout, permit);
        self.begins_sequence = false;
        let format = session.format.clone();
        let sample = match CodedSample::new(&unit.slices, &format) {
            Ok(sample) => sample,
            Err(status) => {
                shared.output.complete(session.number, number, Decoded::Failed(status))?;
                return Ok(());
            }
        };
        let shown = unit.picture.output != vtremote_bitstream::Output::Hidden;
        let decoded = session.decompression.decode(&sample, number, shown);
        if let Err(status) = decoded {
            shared.output.complete(session.number, number, Decoded::Failed(status))?;
        }
        let entry = Entry {
            number,
            start: match (unit.keyframe, unit.picture.begins_sequence) {
                (false, _) => Start::No,
                (true, false) => Start::Open,
                (true, true) => Start::Closed,
            },
            count: unit.picture.order_count,
            bytes: unit.slices.len(),
            refers_back: unit.refers_back(codec),
            coded: Coded { sample, format, shown },
        };
        self.recent.push(entry, shared.output.first_unanswered().unwrap_or(u64::MAX));
        match decoded {
            Err(status) if ends_session(status) => self.keep_session(),
            _ => Ok(()),
        }
    }

    /// None if the parameter sets describe no stream.
    fn session_for(&mut self, unit: &AccessUnit) -> Result<Option<&Session>, Stop> {
        let facts = &unit.picture.facts;
        let layout = Layout::of(self.codec, facts, self.wish).map_err(Stop::Doubted)?;
        check_picture(facts).map_err(Stop::Doubted)?;
        let fits = |session: &Session| session.layout == layout;
        let described = |session: &Session| fits(session) && session.facts == *facts;
        if self.sets_changed || !self.session.as_ref().is_some_and(described) {
            let format = match describe(self.codec, &self.sets, facts) {
                Ok(format) => format,
                Err(status) => {
                    let what = format!("its parameter sets describe no stream: {status}");
                    self.shared.output.warning(&unit.name(), &what);
                    return Ok(None);
                }
            };
            match &mut self.session {
                Some(session) if fits(session) && session.decompression.accepts(&format) => {
                    (session.format, session.facts) = (format, *facts);
                }
                _ => {
                    self.end_session()?;
                    let session = Session::new(self.codec, (format, *facts), layout, &self.shared);
                    self.session = Some(session.map_err(Stop::Doubted)?);
                }
            }
            self.sets_changed = false;
        }
        Ok(self.session.as_ref())
    }

    /// Waits for what is being decoded, and ends the session.
    fn end_session(&mut self) -> Result<(), Stop> {
        let mut finished = Ok(());
        while let Some(session) = &self.session {
            finished = session.decompression.finish();
            if let Err(status) = finished
                && ends_session(status)
            {
                self.shared.output.lose_session(status);
            }
            match self.shared.output.lost() {
                Some(_) if self.shared.output.first_unanswered().is_some() => {
                    self.keep_session()?
                }
                _ => break,
            }
        }
        drop(self.session.take());
        self.recent.clear();
        let missing = self.shared.output.give_up()?;
        if missing > 0 {
            let why = finished.err().map(|status| format!(": {status}"));
            let what = format!("{missing} pictures did not come out{}", why.unwrap_or_default());
            self.shared.output.warning("the end of a session", &what);
        }
        Ok(())
    }

    /// Gives up the pictures of which nothing is heard: answers get lost between processes. If the session
    /// turns out to be lost, they are decoded again.
    ///
    /// # Errors
    /// If no answer has come since this was so before.
    fn break_silence(&mut self) -> Result<(), Stop> {
        if !self.shared.output.until_silence().is_zero() {
            return Ok(());
        }
        if let Some(session) = &self.session
            && let Err(status) = session.decompression.finish()
            && ends_session(status)
        {
            self.shared.output.lose_session(status);
        }
        if self.shared.output.lost().is_some() {
            return self.keep_session();
        }
        let missing = self.shared.output.give_up()?;
        if missing == 0 {
            return Ok(());
        }
        let answers = self.shared.output.answers();
        let what = format!("{missing} pictures got no answer within {:?}", self.patience);
        if self.answers_at_silence.replace(answers) == Some(answers) {
            return Err(Error::Codec(format!("{what}, as those before")).into());
        }
        self.shared.output.warning("a silent session", &format!("{what}, and are given up"));
        Ok(())
    }

    /// Where the session is lost, makes another that goes on in its place, without loss. Decoding goes on with
    /// the next keyframe only where too much would have to be decoded again, or the data are to blame.
    fn keep_session(&mut self) -> Result<(), Stop> {
        let shared = Arc::clone(&self.shared);
        while let Some(status) = shared.output.lost()
            && let Some(Session { decompression, format, facts, layout, .. }) = self.session.take()
        {
            // What it still has to say comes first.
            drop(decompression);
            let pictures = shared.output.pictures();
            let again = self.pictures_at_loss.replace(pictures) == Some(pictures);
            let resumed = match again {
                false => self.decode_again(&format, facts, layout),
                // A decoder that fails at the same picture each time: it is the picture's fault.
                true if status == Status::DECODER_MALFUNCTION => Ok(None),
                true => {
                    Err(Error::Codec(format!("lost again before a picture came out: {status}")))
                }
            };
            let resumed = match resumed {
                Ok(resumed) => resumed,
                Err(error) => {
                    // What waits for them is shown.
                    shared.output.give_up()?;
                    return Err(error.into());
                }
            };
            let (goes_on, missing) = match resumed {
                Some(Resumed { again, missing }) => {
                    (format!("a new one goes on, {again} packets are decoded again"), missing)
                }
                None => {
                    self.recent.clear();
                    self.passed_over = Some(PassedOver::default());
                    ("decoding goes on with a keyframe".into(), shared.output.give_up()?)
                }
            };
            let most = MOST_BYTES >> 20;
            let lost = match missing {
                0 => String::new(),
                _ if again => format!("; {missing} pictures are lost"),
                _ => format!(
                    "; {missing} pictures are lost: \
                     more than {MOST_PACKETS} packets or {most} MiB would have to be decoded again"
                ),
            };
            let what = format!("{status}{lost}; {goes_on}");
            shared.output.warning("a lost session", &what);
        }
        Ok(())
    }

    /// Makes a session that goes on where another was lost. None if it would have to decode more than is kept.
    fn decode_again(
        &mut self,
        format: &FormatDescription,
        facts: StreamFacts,
        layout: Layout,
    ) -> Result<Option<Resumed>, Error> {
        let output = &self.shared.output;
        let Some(recent) = self.recent.all() else { return Ok(None) };
        let mut session: Option<Session> = None;
        let (mut unanswered, mut again) = (output.unanswered(), 0);
        for Entry { number, coded, .. } in recent {
            let Coded { sample, format, shown } = coded;
            let session = match &mut session {
                Some(session) => session,
                None => {
                    let described = (format.clone(), facts);
                    session.insert(Session::new(self.codec, described, layout, &self.shared)?)
                }
            };
            // Those that came out before are there to be referred to.
            let shown = unanswered.remove(number) && *shown;
            self.shared.watched.progress();
            if let Err(status) = session.decompression.decode(sample, *number, shown) {
                output.complete(session.number, *number, Decoded::Failed(status))?;
            }
            again += 1;
        }
        unanswered.iter().try_for_each(|number| output.withdraw(*number))?;
        self.session = session.map(|session| Session { format: format.clone(), ..session });
        Ok(Some(Resumed { again, missing: unanswered.len() }))
    }

    fn tell_passed_over(&mut self, until: &str) {
        if let Some(what) = self.passed_over.take().and_then(|passed_over| passed_over.told()) {
            self.shared.output.warning(until, &what);
        }
    }
}

fn no_thread(error: std::io::Error) -> Error {
    Error::Codec(format!("no thread for the decoder: {error}"))
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("the decoder's thread panicked: {}", text.unwrap_or("no reason given"))
}
