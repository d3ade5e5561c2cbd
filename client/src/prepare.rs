//! From an admitted frame to its messages: cut, compressed by the workers, in order.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use vtremote_planes::vtz::Geometry;
use vtremote_planes::{
    Begin, Choice, Coding, Compression, Layout, PictureCoding, PictureEncoder, Scratch, Source,
    Trial, Trials, Tried, Work, default_slices, slices,
};
use vtremote_proto::{
    EncodeError, FrameBegin, FrameHead, NO_REFERENCE, SideData, SliceHead, message::MAX_PLANES,
};

use crate::buffers::Buffers;
use crate::message::{Body, Message};
use crate::picture::vtz_geometry;
use crate::{Frame, FrameSource, Video};

/// The mode of rows as they are where FRAME_BEGIN's codec is none.
const MODE_NONE: u8 = 0;

/// How every frame of a session is cut and sent.
pub(crate) struct Plan {
    layouts: Vec<Layout>,
    /// Of FRAMEs.
    compression: Compression,
    geometry: Geometry,
    /// Whether each cut is a SLICE of its own; otherwise all are the planes of one FRAME.
    slices: bool,
    cuts: Vec<(u8, Range<usize>)>,
    /// How many of them are of the first plane.
    of_luma: usize,
    /// Whether the server takes side data.
    side_data: bool,
}

impl Plan {
    pub(crate) fn new(
        video: &Video,
        compression: Compression,
        sliced: bool,
        side_data: bool,
    ) -> Self {
        let geometry = vtz_geometry(video.format.wire(), video.width, video.height);
        let layouts: Vec<_> = video.layouts().collect();
        let (luma, chroma) = default_slices(video.height as usize);
        let mut cuts = Vec::new();
        for (plane, &layout) in (0..).zip(&layouts) {
            let wanted = match (sliced, plane) {
                (false, _) => 1,
                (true, 0) => luma,
                (true, _) => chroma,
            };
            cuts.extend(slices(layout, wanted).map(|rows| (plane, rows)));
        }
        let of_luma = cuts.iter().filter(|(plane, _)| *plane == 0).count();
        Self { layouts, compression, geometry, slices: sliced, cuts, of_luma, side_data }
    }

    /// How many jobs a frame may be.
    pub(crate) fn parts(&self) -> usize {
        // One more is a trial.
        self.cuts.len() + 1
    }
}

impl Plan {
    /// Whether rows go out as they are where they are not compressed.
    fn sends_rows(&self) -> bool {
        self.slices || self.compression == Compression::None
    }

    /// How the planes of a FRAME are made, which all have the session's compression.
    fn frame(&self, coding: Coding) -> How {
        match (coding, self.compression) {
            (Coding::None, Compression::Zstd) => How::Stored,
            (_, compression) => How::Plane(compression),
        }
    }
}

/// What makes frames, one after the other.
#[derive(Default)]
pub(crate) struct Encoders {
    /// Those that are sent.
    pub(crate) pictures: PictureEncoder,
    /// Those of which some rows are made, to see what that gives.
    pub(crate) trials: Trials,
}

impl Encoders {
    /// Something was made. Says what a trial has shown, if this is the last of it.
    pub(crate) fn made(&mut self, plan: &Plan, made: &Made) -> Option<Tried> {
        let Some(part) = made.part else { return self.trials.made(made.work) };
        let (plane, rows) = plan.cuts.get(part)?;
        if *plane == 0 { self.trials.sent(made.frame, rows, made.work) } else { None }
    }

    /// The rows of a trial and how they are made; None where it would show nothing, or another is under way.
    fn trial(
        &mut self,
        plan: &Plan,
        trial: Trial<Coding>,
        number: u32,
        source: &dyn FrameSource,
    ) -> Option<(Range<usize>, How)> {
        let lent = trial.mode == Coding::None && plan.sends_rows();
        if lent && matches!(source.plane(0), Source::Rows { .. }) {
            // It costs nothing, and gives what it gives.
            return None;
        }
        let (_, rows) = plan.cuts.get(self.trials.slice(plan.of_luma))?;
        let coding = self.trials.begin(trial, plan.geometry, number, rows.clone())?;
        let how = if plan.slices { How::Slice(coding) } else { plan.frame(trial.mode) };
        Some((rows.clone(), how))
    }
}

/// What a worker made of one part of a frame.
pub(crate) struct Made {
    pub(crate) frame: u32,
    /// None: it was a trial.
    pub(crate) part: Option<usize>,
    /// None: it could not, for a reason that is ours, or it was a trial.
    pub(crate) body: Option<(u8, Body)>,
    pub(crate) work: Work,
}

/// Who is told what a worker has made.
pub(crate) trait Report: Send + 'static {
    fn made(self, made: Made);
}

impl<F: FnOnce(Made) + Send + 'static> Report for F {
    fn made(self, made: Made) {
        self(made);
    }
}

/// How a part is compressed.
#[derive(Clone)]
enum How {
    /// A plane of a FRAME.
    Plane(Compression),
    /// A plane of a FRAME that is to be a Zstandard frame, and is not worth compressing.
    Stored,
    Slice(PictureCoding),
}

/// One part of a frame for a worker. Dropped undone, it reports that there will be no result.
pub(crate) struct Job<R: Report> {
    frame: u32,
    part: Option<usize>,
    source: Option<Arc<dyn FrameSource>>,
    plane: u8,
    layout: Layout,
    rows: Range<usize>,
    how: How,
    coding: Coding,
    /// Where its result goes.
    buffers: Arc<Buffers>,
    report: Option<R>,
}

impl<R: Report> vtremote_planes::Job for Job<R> {
    /// Compresses or converts the part and reports it.
    fn run(mut self, scratch: &mut Scratch) {
        let Some(source) = self.source.take() else { return };
        let mut out = self.buffers.take();
        let rows = source.plane(self.plane);
        let (layout, range) = (self.layout, self.rows.clone());
        let began = Instant::now();
        let made = match &self.how {
            How::Plane(compression) => scratch
                .compressor
                .compress(*compression, &rows, layout, range, &mut out)
                .map(|()| MODE_NONE),
            How::Stored => {
                scratch.compressor.store(&rows, layout, range, &mut out).map(|()| MODE_NONE)
            }
            How::Slice(coding) => {
                coding.slice(scratch, &rows, usize::from(self.plane), layout, range, &mut out)
            }
        };
        let time = began.elapsed();
        // A slice may need no data at all.
        let head = if matches!(self.how, How::Slice(_)) { SliceHead::LEN } else { 0 };
        // Once the report is out its frame may be released and the next one begin at any time, and neither
        // is to wait for this thread.
        drop(source);
        self.how = How::Plane(Compression::None);
        let wire = (head + out.len()) as u64;
        let body = made.ok().map(|mode| (mode, Body::Made(out)));
        self.done(body.filter(|_| self.part.is_some()), wire, time);
    }
}

impl<R: Report> Job<R> {
    fn done(&mut self, body: Option<(u8, Body)>, wire: u64, time: Duration) {
        if let Some(report) = self.report.take() {
            let raw = (self.layout.row_bytes * self.rows.len()) as u64;
            let work = Work { coding: self.coding, raw, wire, time };
            report.made(Made { frame: self.frame, part: self.part, body, work });
        }
    }
}

impl<R: Report> Drop for Job<R> {
    fn drop(&mut self) {
        self.source = None;
        self.done(None, 0, Duration::ZERO);
    }
}

/// A frame on its way out.
pub(crate) struct Prepared {
    pub(crate) number: u32,
    head: FrameHead,
    side_data: Vec<(u32, Vec<u8>)>,
    /// FRAME_BEGIN, until it has gone out.
    begin: Vec<u8>,
    /// How its slices are made.
    coding: Option<PictureCoding>,
    /// FRAME: what is there of its planes.
    planes: [Option<Body>; MAX_PLANES as usize],
    /// Slices that are there and have not gone out.
    ready: Ready,
    /// How many parts have not gone out.
    left: usize,
    /// How many have not been made.
    unmade: usize,
}

/// Memory of frames that have gone out.
#[derive(Default)]
pub(crate) struct Spare {
    ready: Ready,
    begin: Vec<u8>,
}

impl Spare {
    /// For frames of so many parts.
    pub(crate) fn new(parts: usize) -> Self {
        Self { ready: Ready::with_capacity(parts), begin: Vec::new() }
    }
}

/// Parts by number, each with its mode.
type Ready = VecDeque<(usize, u8, Body)>;

impl Prepared {
    /// Cuts a frame up. What needs work is given to `job`, which is to use `buffers`; the rest is ready.
    /// `encoders` may begin another picture.
    ///
    /// # Errors
    /// What cannot be said in a FRAME_BEGIN, or pictures that cannot be coded.
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn new<R: Report>(
        plan: &Plan,
        encoders: &mut Encoders,
        choice: Choice<Coding>,
        number: u32,
        frame: Frame,
        spare: Spare,
        buffers: &Arc<Buffers>,
        mut report: impl FnMut() -> R,
        mut job: impl FnMut(Job<R>),
    ) -> Result<Self, String> {
        let head = FrameHead {
            pts: frame.pts,
            duration: frame.duration,
            flags: if frame.keyframe { vtremote_proto::FRAME_KEY } else { 0 },
            planes: u8::try_from(plan.layouts.len()).unwrap_or(u8::MAX),
        };
        let coding = choice.mode;
        let Spare { ready, begin } = spare;
        let mut prepared = Self {
            number,
            head,
            side_data: if plan.side_data { frame.side_data } else { Vec::new() },
            begin,
            coding: None,
            planes: Default::default(),
            ready,
            left: plan.cuts.len(),
            unmade: 0,
        };
        let how = match plan.slices {
            true => How::Slice(prepared.begin(plan, &mut encoders.pictures, coding)?),
            false => plan.frame(coding),
        };
        let source = frame.source;
        for (part, (plane, rows)) in plan.cuts.iter().cloned().enumerate() {
            let layout = plan.layouts[usize::from(plane)];
            let as_on_the_wire = matches!(source.plane(plane), Source::Rows { .. });
            if coding == Coding::None && as_on_the_wire && plan.sends_rows() {
                let body = Body::Lent { source: source.clone(), plane, layout, rows };
                prepared.put(plan, part, MODE_NONE, body);
            } else {
                prepared.unmade += 1;
                job(Job {
                    frame: number,
                    part: Some(part),
                    source: Some(source.clone()),
                    plane,
                    layout,
                    rows,
                    how: how.clone(),
                    coding,
                    buffers: buffers.clone(),
                    report: Some(report()),
                });
            }
        }
        if let Some(trial) = choice.trial
            && let Some((rows, how)) = encoders.trial(plan, trial, number, &*source)
        {
            if prepared.unmade == 0 {
                let raw = (plan.layouts[0].row_bytes * rows.len()) as u64;
                let work = Work { coding, raw, wire: raw, time: Duration::ZERO };
                encoders.trials.sent(number, &rows, work);
            }
            job(Job {
                frame: number,
                part: None,
                source: Some(source),
                plane: 0,
                layout: plan.layouts[0],
                rows,
                how,
                coding: trial.mode,
                buffers: buffers.clone(),
                report: Some(report()),
            });
        }
        Ok(prepared)
    }

    /// Begins the picture, and writes its FRAME_BEGIN.
    fn begin(
        &mut self,
        plan: &Plan,
        encoder: &mut PictureEncoder,
        coding: Coding,
    ) -> Result<PictureCoding, String> {
        let (coding, Begin { codec, reference, tables }) =
            encoder.begin(coding, plan.geometry, self.number).map_err(|error| error.to_string())?;
        let side_data: Vec<_> =
            self.side_data.iter().map(|(kind, data)| (*kind, &data[..])).collect();
        let mut records = Vec::new();
        let encoded = SideData::new(&side_data, &mut records).and_then(|side_data| {
            let begin = FrameBegin {
                head: self.head,
                codec,
                frame_id: self.number,
                reference_id: reference.unwrap_or(NO_REFERENCE),
                slices: u16::try_from(plan.cuts.len()).unwrap_or(u16::MAX),
                tables,
                geometry: None,
                side_data,
            };
            begin.encode(&mut self.begin)
        });
        encoded.map_err(|error| error.to_string())?;
        self.coding = Some(coding.clone());
        Ok(coding)
    }

    /// How its slices are made, once they are.
    pub(crate) fn made(&self) -> Option<&PictureCoding> {
        self.coding.as_ref().filter(|_| self.unmade == 0)
    }

    /// Whether the next frame may begin.
    pub(crate) fn may_be_followed(&self) -> bool {
        self.unmade == 0 || !self.coding.as_ref().is_some_and(PictureCoding::is_followed)
    }

    /// Takes in a part that a worker made.
    pub(crate) fn take(&mut self, plan: &Plan, part: usize, mode: u8, body: Body) {
        self.unmade -= 1;
        self.put(plan, part, mode, body);
    }

    fn put(&mut self, plan: &Plan, part: usize, mode: u8, body: Body) {
        if plan.slices {
            self.ready.push_back((part, mode, body));
        } else if let Some(plane) = self.planes.get_mut(part) {
            *plane = Some(body);
        }
    }

    /// Appends the next message, if it is ready, to `message`, where at most others of this frame are, and
    /// says whether it is the frame's last.
    pub(crate) fn next(
        &mut self,
        plan: &Plan,
        message: &mut Message,
    ) -> Result<Option<bool>, EncodeError> {
        let Message { heads, bodies } = message;
        if !plan.slices {
            let side_data: Vec<_> =
                self.side_data.iter().map(|(kind, data)| (*kind, &data[..])).collect();
            let mut planes = [(0, 0, 0); MAX_PLANES as usize];
            let count = plan.layouts.len().min(planes.len());
            for ((layout, body), plane) in plan.layouts.iter().zip(&self.planes).zip(&mut planes) {
                let Some(body) = body else { return Ok(None) };
                *plane = (wire_len(layout.row_bytes), wire_len(layout.rows), wire_len(body.len()));
            }
            self.head.encode(&planes[..count], &side_data, heads)?;
            let made = self.planes.iter_mut().map_while(Option::take).enumerate();
            bodies.extend(made.map(|(plane, body)| (FrameHead::before_plane(plane), body)));
            return Ok(Some(true));
        }
        if !self.begin.is_empty() {
            heads.append(&mut self.begin);
            return Ok(Some(false));
        }
        let Some((part, mode, body)) = self.ready.pop_front() else { return Ok(None) };
        let (plane, rows) = &plan.cuts[part];
        let head = SliceHead {
            frame_id: self.number,
            index: u16::try_from(part).unwrap_or(u16::MAX),
            plane: *plane,
            mode,
            first_row: wire_len(rows.start),
            rows: wire_len(rows.len()),
            len: wire_len(body.len()),
        };
        head.encode(heads)?;
        bodies.push((heads.len(), body));
        self.left -= 1;
        Ok(Some(self.left == 0))
    }

    /// All of it has gone out: its memory, for another.
    pub(crate) fn into_spare(self) -> Spare {
        Spare { ready: self.ready, begin: self.begin }
    }
}

/// Settings whose pictures are longer than a message can be are refused at the start.
fn wire_len(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{InputFormat, OwnedPicture};
    use vtremote_planes::Job as _;
    use vtremote_proto::{PixelFormat, Rational};

    fn video() -> Video {
        let unit = Rational { num: 1, den: 25 };
        let format = InputFormat::Wire(PixelFormat::Nv12);
        Video { width: 64, height: 512, format, time_base: unit, frame_rate: unit }
    }

    /// Luma is noise, chroma is flat.
    fn frame() -> Frame {
        let mut state = 1u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        let luma = (0..64 * 512).map(|_| noise()).collect();
        let planes = vec![(luma, 64), (vec![128; 64 * 256], 64)];
        let source = Arc::new(OwnedPicture::new(video().format, planes).unwrap());
        Frame { pts: 7, duration: 1, keyframe: true, side_data: Vec::new(), source }
    }

    fn of(mode: Coding) -> Choice<Coding> {
        Choice { mode, trial: None }
    }

    /// What the workers would report, part by part.
    fn made(plan: &Plan, choice: Choice<Coding>) -> (Prepared, Vec<Made>) {
        let (report, reports) = std::sync::mpsc::channel();
        let mut scratch = Scratch::default();
        let prepared = Prepared::new(
            plan,
            &mut Encoders::default(),
            choice,
            0,
            frame(),
            Spare::default(),
            &Buffers::new(8),
            || {
                let report = report.clone();
                move |made| report.send(made).unwrap()
            },
            |job| job.run(&mut scratch),
        )
        .unwrap();
        drop(report);
        (prepared, reports.iter().collect())
    }

    #[test]
    fn rows_that_compression_would_make_longer_stay_raw() {
        for coding in [Coding::Lz4, Coding::Zstd, Coding::Vtz, Coding::VtzFast] {
            let plan = Plan::new(&video(), Compression::None, true, false);
            let (_, made) = made(&plan, of(coding));
            assert_eq!(made.len(), 5);
            for Made { part, body, .. } in made {
                let (mode, body) = body.unwrap();
                let (plane, rows) = &plan.cuts[part.unwrap()];
                assert_eq!(mode == 1, *plane == 0, "{coding} {part:?}");
                assert!(body.len() <= 64 * rows.len());
            }
        }
    }

    #[test]
    fn a_slice_that_is_as_before_has_cost_its_head() {
        let plan = Plan::new(&video(), Compression::None, true, false);
        let mut encoders = Encoders::default();
        let mut scratch = Scratch::default();
        let buffers = Buffers::new(8);
        for number in 0..2 {
            let (report, reports) = std::sync::mpsc::channel();
            let reporter = || {
                let report = report.clone();
                move |made| report.send(made).unwrap()
            };
            let prepared = Prepared::new(
                &plan,
                &mut encoders,
                of(Coding::Vtz),
                number,
                frame(),
                Spare::default(),
                &buffers,
                reporter,
                |job| job.run(&mut scratch),
            );
            drop(report);
            encoders.pictures.made(&prepared.unwrap().coding.unwrap());
            for made in reports.iter().filter(|_| number == 1) {
                assert_eq!(made.work.wire, SliceHead::LEN as u64);
            }
        }
    }

    #[test]
    fn slices_go_out_as_they_finish_behind_the_head_of_their_frame() {
        let plan = Plan::new(&video(), Compression::None, true, false);
        let (mut prepared, made) = made(&plan, of(Coding::Zstd));
        let next = |prepared: &mut Prepared| prepared.next(&plan, &mut Message::default()).unwrap();
        assert_eq!(next(&mut prepared), Some(false));
        assert_eq!(next(&mut prepared), None);
        let parts = made.len();
        for (count, Made { part, body, .. }) in made.into_iter().rev().enumerate() {
            let (mode, body) = body.unwrap();
            prepared.take(&plan, part.unwrap(), mode, body);
            assert_eq!(next(&mut prepared), Some(count + 1 == parts));
        }
        assert_eq!(next(&mut prepared), None);
    }

    #[test]
    fn a_frame_in_one_message_waits_for_all_of_its_planes() {
        let plan = Plan::new(&video(), Compression::Lz4, false, false);
        let (mut prepared, made) = made(&plan, of(Coding::Lz4));
        let next = |prepared: &mut Prepared| prepared.next(&plan, &mut Message::default()).unwrap();
        for Made { part, body, .. } in made {
            assert_eq!(next(&mut prepared), None);
            let (mode, body) = body.unwrap();
            prepared.take(&plan, part.unwrap(), mode, body);
        }
        assert_eq!(next(&mut prepared), Some(true));
        assert_eq!(next(&mut prepared), None);
    }

    #[test]
    fn what_needs_no_work_is_ready_at_once_and_makes_no_jobs() {
        for slices in [false, true] {
            let plan = Plan::new(&video(), Compression::None, slices, false);
            let (mut prepared, made) = made(&plan, of(Coding::None));
            assert!(made.is_empty());
            let mut bytes = 0;
            let mut message = Message::default();
            while let Some(last) = prepared.next(&plan, &mut message).unwrap() {
                bytes += message.len();
                message.clear();
                if last {
                    break;
                }
            }
            assert!(bytes > 64 * 512 * 3 / 2, "{bytes}");
        }
    }

    #[test]
    fn a_job_that_is_dropped_undone_reports_that_there_is_no_result() {
        let plan = Plan::new(&video(), Compression::Zstd, false, false);
        let (report, reports) = std::sync::mpsc::channel();
        let reporter = || {
            let report = report.clone();
            move |made| report.send(made).unwrap()
        };
        let frame = frame();
        let source = frame.source.clone();
        let buffers = Buffers::new(1);
        let prepared = Prepared::new(
            &plan,
            &mut Encoders::default(),
            of(Coding::Zstd),
            3,
            frame,
            Spare::default(),
            &buffers,
            reporter,
            drop,
        );
        drop((prepared, report));
        let made: Vec<_> = reports.iter().collect();
        assert_eq!(made.len(), 2);
        assert!(made.iter().all(|made| made.frame == 3 && made.body.is_none()));
        assert_eq!(Arc::strong_count(&source), 1);
    }

    #[test]
    fn a_trial_is_one_job_more_that_goes_nowhere() {
        let plan = Plan::new(&video(), Compression::Zstd, true, false);
        let trial = Some(Trial { mode: Coding::VtzFast, counts: true });
        let (mut prepared, made) = made(&plan, Choice { mode: Coding::None, trial });
        let [Made { part: None, body: None, work, .. }] = &made[..] else { panic!() };
        assert_eq!((work.coding, work.raw), (Coding::VtzFast, 128 * 64));
        assert!(work.wire <= work.raw + SliceHead::LEN as u64);
        let mut message = Message::default();
        while prepared.next(&plan, &mut message).unwrap() != Some(true) {}

        let source = frame().source;
        let mut encoders = Encoders::default();
        let none = Trial { mode: Coding::None, counts: true };
        assert!(encoders.trial(&plan, none, 0, &*source).is_none(), "rows as they are");
        let plan = Plan::new(&video(), Compression::Zstd, false, false);
        assert!(encoders.trial(&plan, none, 0, &*source).is_some());
        assert!(encoders.trial(&plan, none, 0, &*source).is_none(), "another is under way");
    }

    #[test]
    fn frames_that_are_to_be_compressed_may_hold_rows_as_they_are() {
        let plan = Plan::new(&video(), Compression::Zstd, false, false);
        let (_, made) = made(&plan, of(Coding::None));
        for Made { work, .. } in made {
            assert_eq!(work.coding, Coding::None);
            assert!(work.wire > work.raw && work.wire < work.raw + 20);
        }
    }
}
