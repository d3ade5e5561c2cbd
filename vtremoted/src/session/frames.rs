//! A decoder's pictures on their way to the writer: checked, cut, compressed.
//!
//! ```text
//!   codec ─▶ pictures (one thread: order, back-pressure) ─▶ compressors ─▶ Line ─▶ Server
//! ```

use super::Shared;
use super::line::{Line, Place, Step, Unplaced};
use super::message::Message;
use super::pixels::{Pixels, geometry, layouts};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tracing::{debug, info};
use vtremote_backend::{
    DecodedFrame, DecoderConfig, Error, Fields, FrameSink, Geometry, LeftOut, PixelFormat, SideData,
};
use vtremote_link::TICK;
use vtremote_planes::{
    Auto, Begin, Choice, Coding, Compression, Compressor, Job, PictureCoding, PictureEncoder,
    Scratch, Setting, Trials, Work, Workers, default_slices, slices,
};
use vtremote_proto::{
    FrameBegin, FrameHead, GeometryChanges, NO_PTS, NO_REFERENCE, Rational, SliceHead, error_code,
    message,
};

/// Decoded pictures that may wait to be taken up; decoders bound themselves well below.
const QUEUE: usize = 256;

/// Pictures that wait to be written: a client that does not read must not fill our memory.
const FRAMES_AHEAD: usize = 4;

/// The mode of rows as they are where FRAME_BEGIN's codec is none.
const MODE_NONE: u8 = 0;

/// Takes the decoder's pictures to the session.
pub(super) struct Frames {
    /// Takes them up one after the other.
    pictures: Workers<TakeUp>,
    sending: Arc<Sending>,
}

/// How the pictures of a session are sent.
struct Sending {
    session: Arc<Shared>,
    line: Arc<Line>,
    /// None where nothing is compressed.
    compressors: Option<Workers<Compress>>,
    /// How pictures are coded that nobody chooses for.
    coding: Coding,
    /// As configured.
    width: u32,
    height: u32,
    /// What the client would like to get.
    wish: PixelFormat,
    /// The backend's: the client's is a wish.
    format: OnceLock<PixelFormat>,
    /// Side data goes along.
    side_data: bool,
    /// `x.slices.v1` is in use.
    slices: bool,
    /// `x.geometry.v1` is in use.
    geometry: bool,
    /// `x.pace.v1` is in use: each picture may be coded another way.
    paced: bool,
    begun: Mutex<Begun>,
}

/// What the decoder gave, in its turn.
struct TakeUp {
    sending: Arc<Sending>,
    what: Given,
}

enum Given {
    Frame(DecodedFrame),
    /// Behind the pictures that came before.
    Step(Step),
}

impl Job for TakeUp {
    fn run(self, _: &mut Scratch) {
        match self.what {
            Given::Frame(frame) => self.sending.take_up(frame),
            Given::Step(step) => Line::place(&self.sending.line).fill(step),
        }
    }
}

/// A part of a picture, to be compressed.
struct Compress {
    part: Part,
    message: Message,
    /// None: it is a trial, and goes nowhere.
    place: Option<Place>,
    /// Where each picture may be coded another way.
    making: Option<Making>,
}

/// Tells of a part that is being compressed what that gave, and that it no longer is. Dropped before, which a panic
/// does, it gave nothing.
struct Making {
    sending: Arc<Sending>,
    work: Work,
    /// As [`Part::rows`] has them.
    rows: Option<(u32, Range<usize>)>,
    is_trial: bool,
}

impl Making {
    /// It has become so many bytes, in that time.
    fn done(mut self, wire: u64, time: Duration) {
        (self.work.wire, self.work.time) = (wire, time);
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        self.sending.made(self.work, self.rows.take(), self.is_trial);
    }
}

enum Part {
    /// The last one says the picture's pts and what it is without compression, in bytes.
    Slice(Slice, PictureCoding, Option<(Option<i64>, u64)>),
    Whole(Picture, Compression),
}

impl Part {
    /// Of a slice, without compression, in bytes.
    fn raw(&self) -> u64 {
        match self {
            Part::Slice(slice, ..) => {
                let (_, layout) = slice.pixels.source(slice.plane);
                (layout.row_bytes * slice.rows.len()) as u64
            }
            Part::Whole(picture, _) => picture.raw,
        }
    }

    /// Of which picture, and which rows of it, if they are of its first plane.
    fn rows(&self) -> Option<(u32, Range<usize>)> {
        match self {
            Part::Slice(slice, ..) if slice.plane == 0 => {
                Some((slice.frame_id, slice.rows.clone()))
            }
            _ => None,
        }
    }
}

impl Job for Compress {
    fn run(self, scratch: &mut Scratch) {
        let Self { part, mut message, place, making } = self;
        let began = Instant::now();
        let made = match part {
            Part::Slice(slice, coding, last) => {
                slice.coded(coding, scratch, &mut message).map(|()| last)
            }
            Part::Whole(picture, compression) => {
                let (pts, raw) = (picture.pts, picture.raw);
                whole(picture, compression, &mut scratch.compressor, &mut message)
                    .map(|()| Some((pts, raw)))
            }
        };
        let session = making.as_ref().map(|making| Arc::clone(&making.sending.session));
        if let Some(making) = making {
            making.done(message.len(), began.elapsed());
        }
        let Some(place) = place else {
            if let Some(session) = session {
                drop(session.keep(message));
            }
            return;
        };
        place.fill(match made {
            Ok(Some((pts, raw))) => Step::Last { message, pts, raw },
            Ok(None) => Step::Part(message),
            Err(text) => Step::Refused(error_code::INTERNAL, text),
        });
    }
}

/// What pictures before have said.
struct Begun {
    frame_id: u32,
    changes: GeometryChanges,
    encoder: PictureEncoder,
    /// The last of them.
    last: Option<PictureCoding>,
    trials: Trials,
    /// Records that no client gets.
    left_out: LeftOut,
}

/// A picture that can be sent.
struct Picture {
    pixels: Pixels,
    pts: Option<i64>,
    head: FrameHead,
    geometry: vtremote_proto::Geometry,
    side_data: Vec<SideData>,
    raw: u64,
}

/// The code and the text of an ERROR.
type Refusal = (u32, String);

impl Frames {
    pub(super) fn new(
        session: Arc<Shared>,
        config: &DecoderConfig,
        coding: Coding,
        side_data: bool,
    ) -> std::io::Result<Self> {
        let client = session.lock().server.traits_of_client();
        let threads = std::thread::available_parallelism().map_or(2, |cores| cores.get().min(4));
        let compressors = match coding {
            Coding::None if !client.pace => None,
            _ => Some(Workers::new("compress", threads, threads)?),
        };
        if client.pace {
            let codings: &[_] = match client.vtz {
                true => &Coding::ALL,
                false => &[Coding::None, Coding::Lz4, Coding::Zstd],
            };
            let planes = config.format.planes(config.width, config.height);
            let bytes = planes.iter().map(|plane| plane.row_bytes * plane.rows).sum::<usize>();
            let mut state = session.lock();
            let is_local = state.is_local;
            let setting = Setting { frame_bytes: bytes as u64, threads, realtime: false, is_local };
            state.auto = Some(Auto::new(setting, codings));
        }
        let sending = Sending {
            line: Line::new(Arc::clone(&session)),
            session,
            compressors,
            coding,
            width: config.width,
            height: config.height,
            wish: config.format,
            format: OnceLock::new(),
            side_data,
            slices: client.slices,
            geometry: client.geometry,
            paced: client.pace,
            begun: Mutex::new(Begun {
                frame_id: 0,
                changes: GeometryChanges::default(),
                encoder: PictureEncoder::default(),
                last: None,
                trials: Trials::default(),
                left_out: LeftOut::default(),
            }),
        };
        Ok(Frames { pictures: Workers::new("pictures", 1, QUEUE)?, sending: Arc::new(sending) })
    }

    /// The format of the pictures to come, known before the first of them.
    pub(super) fn format_is(&self, format: PixelFormat) {
        self.sending.format.get_or_init(|| format);
    }

    /// Waits until the session has ended or the time has passed.
    pub(super) fn wait_for_end(&self, wait: Duration) {
        self.sending.session.wait_until(wait, |_| false);
    }

    fn give(&self, what: Given) {
        self.pictures.run(TakeUp { sending: Arc::clone(&self.sending), what });
    }
}

impl FrameSink for Frames {
    fn frame(&self, frame: DecodedFrame) {
        self.give(Given::Frame(frame));
    }

    fn warning(&self, message: String) {
        self.sending.session.warn(&format!("decoder: {message}"));
    }

    fn drained(&self) {
        self.give(Given::Step(Step::Drained));
    }

    fn failed(&self, error: Error) {
        self.give(Given::Step(Step::Failed(error)));
    }
}

impl Sending {
    /// Sends a picture, or ends the session with the reason why it cannot be sent.
    fn take_up(self: &Arc<Self>, frame: DecodedFrame) {
        let _unplaced = Unplaced(&self.line);
        let choice = self.choose();
        let parts = match self.compressors {
            Some(_) if self.slices && choice.mode != Coding::None => {
                1 + cuts(&frame.geometry).count()
            }
            _ => 1,
        };
        if !self.waits_for_room(parts) {
            return;
        }
        let first = Line::place(&self.line);
        match self.checked(frame) {
            Ok((picture, geometry)) if self.slices => {
                self.send_slices(picture, &geometry, choice, first);
            }
            Ok((picture, _)) => self.send_whole(picture, first),
            Err((code, text)) => first.fill(Step::Refused(code, text)),
        }
    }

    /// Waits until a picture that is queued in so many parts may be added to what is on its way. False once the
    /// session has ended. The decoder stops for want of pictures meanwhile.
    fn waits_for_room(&self, parts: usize) -> bool {
        let threads = self.compressors.as_ref().map_or(1, Workers::threads);
        // The next picture is compressed while this one is, unless it is predicted from it; whole ones each
        // by one thread.
        let last = self.lock().last.take();
        let in_work = match &last {
            Some(coding) if coding.is_followed() => 0,
            _ => parts.max(threads),
        };
        let written_later = (FRAMES_AHEAD - 1) * parts;
        while !self.session.has_ended() {
            if self.line.is_down_to(in_work, TICK)
                && self.session.wait_until(TICK, |state| state.queued <= written_later)
            {
                if let Some(last) = &last {
                    self.lock().encoder.made(last);
                }
                return true;
            }
        }
        false
    }

    fn lock(&self) -> MutexGuard<'_, Begun> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the client can have this picture, and as what.
    fn checked(&self, frame: DecodedFrame) -> Result<(Picture, Geometry), Refusal> {
        let DecodedFrame { pts, duration, geometry, picture, side_data } = frame;
        let Geometry { mut format, width, height, .. } = geometry;
        let pixels =
            on_the_wire(format).and_then(|format| Pixels::lent(picture, format, width, height));
        let mut pixels = pixels.ok_or_else(|| {
            let text = format!("the decoder's picture is not {width}x{height} {}", format.name());
            (error_code::INTERNAL, text)
        })?;
        if self.geometry {
            if !matches!(format, PixelFormat::Nv12 | PixelFormat::P010) && format != self.wish {
                let text = format!("the stream is {}, which was not asked for", format.name());
                return Err((error_code::BUSY_OR_CODEC, text));
            }
        } else {
            // Existing clients copy what they are told without a bound: every frame is as configured.
            let promised = self.format.get().copied().unwrap_or(format);
            let same_size = (width, height) == (self.width, self.height);
            match (format, promised) {
                (format, promised) if same_size && format == promised => {}
                (PixelFormat::Nv12, PixelFormat::P010) if same_size => {
                    pixels = pixels.widened();
                    format = PixelFormat::P010;
                }
                _ => {
                    let text = format!(
                        "the stream is {width}x{height} {}, not {}x{} {} as configured",
                        format.name(),
                        self.width,
                        self.height,
                        promised.name()
                    );
                    return Err((error_code::BUSY_OR_CODEC, text));
                }
            }
        }
        let shown = Geometry { format, ..geometry };
        let geometry = told(&shown).map_err(|text| (error_code::BUSY_OR_CODEC, text))?;
        let raw = pixels.layouts().map(|plane| plane.row_bytes * plane.rows).sum::<usize>() as u64;
        let planes = geometry.format.planes();
        let head = FrameHead { pts: pts.unwrap_or(NO_PTS), duration, flags: 0, planes };
        let side_data = self.fitting(side_data);
        Ok((Picture { pixels, pts, head, geometry, side_data, raw }, shown))
    }

    /// Says so, once a kind.
    fn leaves_out(&self, record: &SideData, reason: &str) {
        if self.lock().left_out.is_news(record.kind) {
            debug!(kind = record.kind, "side data of pictures is left out: {reason}");
        }
    }

    /// As many records as a message takes besides the geometry.
    fn fitting(&self, mut records: Vec<SideData>) -> Vec<SideData> {
        if !self.side_data {
            for record in records.drain(..) {
                self.leaves_out(&record, "the client takes none");
            }
        }
        if !self.geometry {
            // The form is ours: other clients may take the bytes for a structure.
            let hdr = [SideData::MASTERING_DISPLAY, SideData::CONTENT_LIGHT];
            records.retain(|record| {
                let fits = !hdr.contains(&record.kind);
                if !fits {
                    self.leaves_out(record, "its form is ours, and the client is not");
                }
                fits
            });
        }
        let mut room = message::MAX_SIDE_DATA_BYTES - 24;
        let fits = records.iter().take(message::MAX_SIDE_DATA_RECORDS - 1).take_while(|record| {
            let fits = record.data.len() <= room;
            room = room.saturating_sub(record.data.len());
            fits
        });
        let kept = fits.count();
        if kept < records.len() {
            let count = records.len() - kept;
            let text = format!("a picture's side data is too long: {count} records are left out");
            self.session.warn(&text);
            records.truncate(kept);
        }
        records
    }

    /// As FRAME_BEGIN and SLICEs.
    fn send_slices(
        self: &Arc<Self>,
        picture: Picture,
        shown: &Geometry,
        choice: Choice<Coding>,
        first: Place,
    ) {
        let cuts = cuts(shown);
        let count = cuts.clone().count();
        let mut message = self.session.message();
        let mode = choice.mode;
        let (frame_id, coding) = match self.begin(&picture, shown, mode, count, message.heads()) {
            Ok(begun) => begun,
            Err(text) => return first.fill(Step::Refused(error_code::INTERNAL, text)),
        };
        let Picture { pixels, pts, raw, .. } = picture;
        self.try_out(choice, &pixels, shown, frame_id);
        let slices = cuts.enumerate().map(|(index, (plane, rows))| {
            let pixels = pixels.clone();
            Slice { pixels, frame_id, index, plane, rows }
        });
        let compressors = self.compressors.as_ref().filter(|_| mode != Coding::None);
        let Some(compressors) = compressors else {
            // There is nothing to wait for: all of them are written at once.
            for slice in slices {
                if let Err(text) = slice.raw(&mut message) {
                    return first.fill(Step::Refused(error_code::INTERNAL, text));
                }
            }
            return first.fill(Step::Last { message, pts, raw });
        };
        first.fill(Step::Part(message));
        self.makes(count);
        for slice in slices {
            let last = (slice.index + 1 == count).then_some((pts, raw));
            let part = Part::Slice(slice, coding.clone(), last);
            compressors.run(self.compress(part, Some(Line::place(&self.line)), mode));
        }
    }

    /// How the next picture is to be coded. Says in the log what was chosen, when that has settled.
    fn choose(&self) -> Choice<Coding> {
        let mut state = self.session.lock();
        let now = self.session.began.elapsed();
        let Some(auto) = &mut state.auto else {
            return Choice { mode: self.coding, trial: None };
        };
        let (choice, news) = (auto.begin(), auto.news(now));
        if let Some(wire) = news {
            let client = state.report.client.clone();
            drop(state);
            info!(client, wire, "wire compression chosen");
        }
        choice
    }

    /// Has some rows of a picture compressed a second time to see what that gives, if that is wanted.
    fn try_out(
        self: &Arc<Self>,
        choice: Choice<Coding>,
        pixels: &Pixels,
        shown: &Geometry,
        frame_id: u32,
    ) {
        // Rows as they are cost nothing, and give what they give.
        let Some(trial) = choice.trial.filter(|trial| trial.mode != Coding::None) else { return };
        let Some(compressors) = &self.compressors else { return };
        let Geometry { format, width, height, .. } = *shown;
        let geometry = geometry(format, width, height);
        let of_luma = cuts(shown).filter(|(plane, _)| *plane == 0);
        let mut begun = self.lock();
        let turn = begun.trials.slice(of_luma.clone().count());
        let Some((_, rows)) = of_luma.clone().nth(turn) else { return };
        let slice = Slice { pixels: pixels.clone(), frame_id, index: 0, plane: 0, rows };
        let rows = slice.rows.clone();
        let Some(coding) = begun.trials.begin(trial, geometry, frame_id, rows.clone()) else {
            return;
        };
        let part = Part::Slice(slice, coding, None);
        if choice.mode == Coding::None {
            let raw = part.raw();
            let work = Work { coding: choice.mode, raw, wire: raw, time: Duration::ZERO };
            begun.trials.sent(frame_id, &rows, work);
        }
        drop(begun);
        self.makes(1);
        compressors.run(self.compress(part, None, trial.mode));
    }

    /// So many more parts are being compressed.
    fn makes(&self, parts: usize) {
        let mut state = self.session.lock();
        if state.auto.is_some() {
            state.making += parts;
        }
    }

    /// One part less is, with what [`Part::rows`] says of it.
    fn made(&self, work: Work, rows: Option<(u32, Range<usize>)>, is_trial: bool) {
        let tried = match rows {
            _ if is_trial => self.lock().trials.made(work),
            Some((picture, rows)) => self.lock().trials.sent(picture, &rows, work),
            None => None,
        };
        let mut state = self.session.lock();
        state.making = state.making.saturating_sub(1);
        let Some(auto) = &mut state.auto else { return };
        if let Some(tried) = tried {
            auto.tried(tried);
        }
        if !is_trial {
            auto.made(work);
        }
    }

    fn compress(self: &Arc<Self>, part: Part, place: Option<Place>, coding: Coding) -> Compress {
        let making = self.paced.then(|| Making {
            sending: Arc::clone(self),
            work: Work { coding, raw: part.raw(), wire: 0, time: Duration::ZERO },
            rows: part.rows(),
            is_trial: place.is_none(),
        });
        Compress { part, message: self.session.message(), place, making }
    }

    /// Appends the FRAME_BEGIN of the next picture, and gives its id and how its slices are coded.
    fn begin(
        &self,
        picture: &Picture,
        shown: &Geometry,
        coding: Coding,
        slices: usize,
        out: &mut Vec<u8>,
    ) -> Result<(u32, PictureCoding), String> {
        let mut begun = self.lock();
        let Begun { frame_id: id, changes, encoder, last, .. } = &mut *begun;
        let frame_id = *id;
        // The last number means none.
        *id = if frame_id + 1 == NO_REFERENCE { 0 } else { frame_id + 1 };
        let changed = changes.next(picture.geometry);
        let Geometry { format, width, height, .. } = *shown;
        let (coding, Begin { codec, reference, tables }) = encoder
            .begin(coding, geometry(format, width, height), frame_id)
            .map_err(|error| error.to_string())?;
        let mut records = Vec::new();
        let encoded = vtremote_proto::SideData::new(&borrowed(&picture.side_data), &mut records)
            .and_then(|side_data| {
                let begin = FrameBegin {
                    head: picture.head,
                    codec,
                    frame_id,
                    reference_id: reference.unwrap_or(NO_REFERENCE),
                    slices: number(slices),
                    tables,
                    geometry: changed.filter(|_| self.geometry),
                    side_data,
                };
                begin.encode(out)
            });
        encoded.map_err(|error| error.to_string())?;
        *last = Some(coding.clone());
        Ok((frame_id, coding))
    }

    /// As a FRAME.
    fn send_whole(self: &Arc<Self>, picture: Picture, place: Place) {
        let part = Part::Whole(picture, self.coding.plain());
        let work = self.compress(part, Some(place), self.coding);
        match &self.compressors {
            // It compresses nothing.
            None => work.run(&mut Scratch::default()),
            Some(compressors) => compressors.run(work),
        }
    }
}

/// The format's number on the wire.
fn on_the_wire(format: PixelFormat) -> Option<vtremote_proto::PixelFormat> {
    vtremote_proto::PixelFormat::from_wire(format as u8)
}

/// The slices of a picture: plane and rows. About one for 128 luma rows, and a quarter as many of
/// chroma.
fn cuts(geometry: &Geometry) -> impl Iterator<Item = (usize, Range<usize>)> + Clone + use<> {
    let Geometry { format, width, height, .. } = *geometry;
    let (luma, chroma) = default_slices(height as usize);
    let planes = on_the_wire(format).map(|format| layouts(format, width, height));
    planes.into_iter().flatten().enumerate().flat_map(move |(plane, layout)| {
        let wanted = if plane == 0 { luma } else { chroma };
        slices(layout, wanted).map(move |rows| (plane, rows))
    })
}

/// What the client is told of a picture. What cannot be said is not told, but for the size.
fn told(geometry: &Geometry) -> Result<vtremote_proto::Geometry, String> {
    let Geometry { format, width, height, color, fields, sample_aspect_ratio, .. } = *geometry;
    let most = message::MAX_SIDE;
    if ![width, height].iter().all(|side| (1..=most).contains(side)) {
        return Err(format!("the stream is {width}x{height}: 1 to {most} each way can be sent"));
    }
    let most = message::MAX_PIXELS;
    if u64::from(width) * u64::from(height) > most {
        return Err(format!("the stream is {width}x{height}: at most {most} pixels can be sent"));
    }
    let format = on_the_wire(format).ok_or_else(|| format!("{} has no number", format.name()))?;
    let ratio = sample_aspect_ratio.filter(|ratio| ratio.num.max(ratio.den) <= i32::MAX as u32);
    let (num, den) = ratio.map_or((0, 0), |ratio| (ratio.num, ratio.den));
    Ok(vtremote_proto::Geometry {
        color_range: color.full_range.map_or(0, |full| if full { 2 } else { 1 }),
        primaries: color.primaries.unwrap_or(2),
        transfer: color.transfer.unwrap_or(2),
        matrix: color.matrix.unwrap_or(2),
        chroma_location: color.chroma_location.filter(|location| *location <= 6).unwrap_or(0),
        fields: match fields {
            Fields::Progressive => vtremote_proto::Fields::Progressive,
            Fields::TopFirst => vtremote_proto::Fields::TopFirst,
            Fields::BottomFirst => vtremote_proto::Fields::BottomFirst,
        },
        sample_aspect_ratio: Rational { num, den },
        ..vtremote_proto::Geometry::new(width, height, format)
    })
}

/// Some rows of a plane, to become a SLICE.
struct Slice {
    pixels: Pixels,
    frame_id: u32,
    index: usize,
    plane: usize,
    rows: Range<usize>,
}

impl Slice {
    /// Appends what comes before the data.
    fn head(&self, mode: u8, len: usize, message: &mut Message) -> Result<(), String> {
        let head = SliceHead {
            frame_id: self.frame_id,
            index: number(self.index),
            plane: number(self.plane),
            mode,
            first_row: number(self.rows.start),
            rows: number(self.rows.len()),
            len: number(len),
        };
        head.encode(message.heads()).map_err(|error| error.to_string())
    }

    /// Appended with the rows as they lie in the picture, which nothing compresses.
    fn raw(self, message: &mut Message) -> Result<(), String> {
        let (_, layout) = self.pixels.source(self.plane);
        self.head(MODE_NONE, layout.row_bytes * self.rows.len(), message)?;
        let at = message.heads().len();
        message.insert_rows(at, self.pixels, self.plane, self.rows);
        Ok(())
    }

    /// Appended as the picture is coded.
    fn coded(
        self,
        coding: PictureCoding,
        scratch: &mut Scratch,
        message: &mut Message,
    ) -> Result<(), String> {
        let (source, layout) = self.pixels.source(self.plane);
        let mut body = message.buffer();
        let rows = self.rows.clone();
        let mode = coding.slice(scratch, &source, self.plane, layout, rows, &mut body);
        // The next picture may begin as soon as this is out, and is to find nobody holding it.
        drop(coding);
        self.head(mode.map_err(|error| error.to_string())?, body.len(), message)?;
        let at = message.heads().len();
        message.insert_made(at, body);
        Ok(())
    }
}

/// Appends the FRAME of a picture.
fn whole(
    picture: Picture,
    compression: Compression,
    compressor: &mut Compressor,
    message: &mut Message,
) -> Result<(), String> {
    let Picture { pixels, head, side_data, .. } = picture;
    let mut heads = [(0, 0, 0); message::MAX_PLANES as usize];
    let mut planes = 0;
    for ((plane, layout), entry) in pixels.layouts().enumerate().zip(&mut heads) {
        let at = FrameHead::before_plane(plane);
        let len = match compression {
            Compression::None => {
                message.insert_rows(at, pixels.clone(), plane, 0..layout.rows);
                layout.row_bytes * layout.rows
            }
            compression => {
                let mut body = message.buffer();
                let (source, _) = pixels.source(plane);
                let rows = 0..layout.rows;
                let packed = compressor.compress(compression, &source, layout, rows, &mut body);
                packed.map_err(|error| error.to_string())?;
                let len = body.len();
                message.insert_made(at, body);
                len
            }
        };
        *entry = (number(layout.row_bytes), number(layout.rows), number(len));
        planes += 1;
    }
    let encoded = head.encode(&heads[..planes], &borrowed(&side_data), message.heads());
    encoded.map_err(|error| error.to_string())
}

fn borrowed(records: &[SideData]) -> Vec<(u32, &[u8])> {
    records.iter().map(|record| (record.kind, &record.data[..])).collect()
}

/// For numbers that pictures of at most 16,384 each way cannot make too large.
fn number<T: TryFrom<usize>>(number: usize) -> T {
    T::try_from(number).unwrap_or_else(|_| unreachable!("{number} is beyond any picture"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use vtremote_backend::PlaneShape;
    use vtremote_planes::Trial;

    /// How pictures of 64x32 are sent to a client that leaves to us how each is compressed.
    fn sending() -> Arc<Sending> {
        let settings = crate::Arguments::parse_from(["vtremoted"]).resolve().unwrap();
        let (link, ..) = vtremote_link::memory_pair(1 << 16);
        let session = Arc::new(Shared::new(&settings, &link));
        let setting =
            Setting { frame_bytes: 64 * 48, threads: 1, realtime: false, is_local: false };
        session.lock().auto = Some(Auto::new(setting, &Coding::ALL));
        Arc::new(Sending {
            line: Line::new(Arc::clone(&session)),
            session,
            compressors: None,
            coding: Coding::None,
            width: 64,
            height: 32,
            wish: PixelFormat::Nv12,
            format: OnceLock::new(),
            side_data: false,
            slices: true,
            geometry: true,
            paced: true,
            begun: Mutex::new(Begun {
                frame_id: 0,
                changes: GeometryChanges::default(),
                encoder: PictureEncoder::default(),
                last: None,
                trials: Trials::default(),
                left_out: LeftOut::default(),
            }),
        })
    }

    #[test]
    fn a_part_whose_compression_panics_is_under_way_no_longer() {
        let sending = sending();
        let trial = || {
            let trial = Trial { mode: Coding::Zstd, counts: true };
            let size = geometry(PixelFormat::Nv12, 64, 32);
            sending.lock().trials.begin(trial, size, 0, 0..16)
        };
        for is_trial in [true, false] {
            let coding = trial().expect("no other is under way");
            let pixels =
                Pixels::Made([(PlaneShape { row_bytes: 64, rows: 32 }, vec![0; 64 * 32])].into());
            // No SLICE has such a number.
            let slice = Slice { pixels, frame_id: 0, index: usize::MAX, plane: 0, rows: 0..16 };
            sending.makes(1);
            let place = (!is_trial).then(|| Line::place(&sending.line));
            let work = sending.compress(Part::Slice(slice, coding, None), place, Coding::Zstd);
            assert_eq!(sending.session.lock().making, 1);
            let ran = catch_unwind(AssertUnwindSafe(|| work.run(&mut Scratch::default())));
            assert!(ran.is_err());
            assert_eq!(sending.session.lock().making, 0);
        }
    }

    #[test]
    fn pictures_that_no_client_takes_are_not_told_of() {
        let told = |width, height| told(&Geometry::new(width, height, PixelFormat::Nv12));
        for (width, height) in [(1, 1), (8192, 8192), (16_384, 4096), (4096, 16_384)] {
            let told = told(width, height).expect("it can be sent");
            assert_eq!((told.width, told.height), (width, height));
        }
        let refused = "the stream is 16384x4097: at most 67108864 pixels can be sent";
        assert_eq!(told(16_384, 4097).unwrap_err(), refused);
        let refused = "the stream is 16385x8: 1 to 16384 each way can be sent";
        assert_eq!(told(16_385, 8).unwrap_err(), refused);
        told(8, 0).unwrap_err();
        told(u32::MAX, u32::MAX).unwrap_err();
    }
}
