//! From an admitted frame to its messages: cut, compressed by the workers, in order.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use vtremote_planes::{Compression, Layout, Scratch, Source, default_slices, slices};
use vtremote_proto::{
    EncodeError, FrameBegin, FrameHead, NO_REFERENCE, SideData, SliceHead, frame_message,
    slice_message,
};

use crate::buffers::Buffers;
use crate::message::{Body, Message};
use crate::{Frame, FrameSource, Video};

/// A SLICE's data are compressed as FRAME_BEGIN says.
const MODE_COMPRESSED: u8 = 0;
/// A SLICE's data are the rows themselves.
const MODE_RAW: u8 = 1;

/// How every frame of a session is cut and sent.
pub(crate) struct Plan {
    layouts: Vec<Layout>,
    compression: Compression,
    /// Whether each cut is a SLICE of its own; otherwise all are the planes of one FRAME.
    slices: bool,
    cuts: Vec<(u8, Range<usize>)>,
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
        Self { layouts, compression, slices: sliced, cuts, side_data }
    }

    /// How many jobs a frame may be.
    pub(crate) fn parts(&self) -> usize {
        self.cuts.len()
    }
}

/// What a worker made of one part of a frame.
pub(crate) struct Made {
    pub(crate) frame: u32,
    pub(crate) part: usize,
    /// None: it could not, for a reason that is ours.
    pub(crate) body: Option<(u8, Body)>,
}

/// One part of a frame for a worker. Dropped undone, it reports that there will be no result.
pub(crate) struct Job<R: FnOnce(Made)> {
    frame: u32,
    part: usize,
    source: Option<Arc<dyn FrameSource>>,
    plane: u8,
    layout: Layout,
    rows: Range<usize>,
    compression: Compression,
    /// Whether rows that grow by compression may stay as they are.
    may_stay_raw: bool,
    report: Option<R>,
}

impl<R: FnOnce(Made)> Job<R> {
    /// Compresses or converts the part and reports it.
    pub(crate) fn run(mut self, scratch: &mut Scratch, buffers: &Arc<Buffers>) {
        let Some(source) = self.source.take() else { return };
        let mut out = buffers.take();
        let rows = source.plane(self.plane);
        let (layout, compressor) = (self.layout, &mut scratch.compressor);
        let made =
            compressor.compress(self.compression, &rows, layout, self.rows.clone(), &mut out);
        let mut mode = MODE_COMPRESSED;
        if made.is_ok() && self.may_stay_raw && out.len() >= layout.row_bytes * self.rows.len() {
            out.clear();
            rows.copy_rows(layout, self.rows.clone(), &mut out);
            mode = MODE_RAW;
        }
        // Once the report is out its frame may be released at any time, and that is not to wait for
        // this thread.
        drop(source);
        self.done(made.ok().map(|()| (mode, Body::Made(out))));
    }

    fn done(&mut self, body: Option<(u8, Body)>) {
        if let Some(report) = self.report.take() {
            report(Made { frame: self.frame, part: self.part, body });
        }
    }
}

impl<R: FnOnce(Made)> Drop for Job<R> {
    fn drop(&mut self) {
        self.source = None;
        self.done(None);
    }
}

/// A frame on its way out.
pub(crate) struct Prepared {
    pub(crate) number: u32,
    head: FrameHead,
    side_data: Vec<(u32, Vec<u8>)>,
    begun: bool,
    /// FRAME: what is there of its planes. Slices: empty.
    planes: Vec<Option<Body>>,
    /// Slices that are there and have not gone out.
    ready: VecDeque<(usize, u8, Body)>,
    /// How many parts have not gone out.
    left: usize,
}

impl Prepared {
    /// Cuts a frame up. What needs work is given to `job`; the rest is ready.
    pub(crate) fn new<R: FnOnce(Made)>(
        plan: &Plan,
        number: u32,
        frame: Frame,
        mut report: impl FnMut() -> R,
        mut job: impl FnMut(Job<R>),
    ) -> Self {
        let head = FrameHead {
            pts: frame.pts,
            duration: frame.duration,
            flags: if frame.keyframe { vtremote_proto::FRAME_KEY } else { 0 },
            planes: u8::try_from(plan.layouts.len()).unwrap_or(u8::MAX),
        };
        let mut prepared = Self {
            number,
            head,
            side_data: if plan.side_data { frame.side_data } else { Vec::new() },
            begun: false,
            planes: if plan.slices { Vec::new() } else { plan.cuts.iter().map(|_| None).collect() },
            ready: VecDeque::with_capacity(plan.cuts.len()),
            left: plan.cuts.len(),
        };
        let source = frame.source;
        for (part, (plane, rows)) in plan.cuts.iter().cloned().enumerate() {
            let layout = plan.layouts[usize::from(plane)];
            let as_on_the_wire = matches!(source.plane(plane), Source::Rows { .. });
            if plan.compression == Compression::None && as_on_the_wire {
                let body = Body::Lent { source: source.clone(), plane, layout, rows };
                prepared.take(part, MODE_COMPRESSED, body);
            } else {
                job(Job {
                    frame: number,
                    part,
                    source: Some(source.clone()),
                    plane,
                    layout,
                    rows,
                    compression: plan.compression,
                    may_stay_raw: plan.slices && plan.compression != Compression::None,
                    report: Some(report()),
                });
            }
        }
        prepared
    }

    /// Takes in a part that a worker made.
    pub(crate) fn take(&mut self, part: usize, mode: u8, body: Body) {
        match self.planes.get_mut(part) {
            Some(plane) => *plane = Some(body),
            None => self.ready.push_back((part, mode, body)),
        }
    }

    /// The next message if it is ready, and whether it is the frame's last.
    pub(crate) fn next(&mut self, plan: &Plan) -> Result<Option<(Message, bool)>, EncodeError> {
        let side_data: Vec<_> =
            self.side_data.iter().map(|(kind, data)| (*kind, &data[..])).collect();
        if !plan.slices {
            if self.planes.is_empty() || self.planes.iter().any(Option::is_none) {
                return Ok(None);
            }
            let bodies: Vec<Body> =
                std::mem::take(&mut self.planes).into_iter().flatten().collect();
            let planes: Vec<_> = bodies
                .iter()
                .zip(&plan.layouts)
                .map(|(body, layout)| {
                    (wire_len(layout.row_bytes), wire_len(layout.rows), wire_len(body.len()))
                })
                .collect();
            let parts = frame_message(&self.head, &planes, &side_data)?;
            let message =
                Message { parts: parts.heads.into_iter().zip(bodies).collect(), tail: parts.tail };
            return Ok(Some((message, true)));
        }
        if !self.begun {
            self.begun = true;
            let mut records = Vec::new();
            let begin = FrameBegin {
                head: self.head,
                codec: plan.compression as u8,
                frame_id: self.number,
                reference_id: NO_REFERENCE,
                slices: u16::try_from(plan.cuts.len()).unwrap_or(u16::MAX),
                tables: &[],
                geometry: None,
                side_data: SideData::new(&side_data, &mut records)?,
            };
            let mut bytes = Vec::new();
            begin.encode(&mut bytes)?;
            return Ok(Some((Message::control(bytes), false)));
        }
        let Some((part, mode, body)) = self.ready.pop_front() else { return Ok(None) };
        let (plane, rows) = &plan.cuts[part];
        let head = slice_message(&SliceHead {
            frame_id: self.number,
            index: u16::try_from(part).unwrap_or(u16::MAX),
            plane: *plane,
            mode,
            first_row: wire_len(rows.start),
            rows: wire_len(rows.len()),
            len: wire_len(body.len()),
        })?;
        self.left -= 1;
        Ok(Some((Message { parts: vec![(head, body)], tail: Vec::new() }, self.left == 0)))
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

    /// What the workers would report, part by part.
    fn made(plan: &Plan) -> (Prepared, Vec<Made>) {
        let (report, reports) = std::sync::mpsc::channel();
        let mut scratch = Scratch::default();
        let buffers = Buffers::new(8);
        let prepared = Prepared::new(
            plan,
            0,
            frame(),
            || {
                let report = report.clone();
                move |made| report.send(made).unwrap()
            },
            |job| job.run(&mut scratch, &buffers),
        );
        drop(report);
        (prepared, reports.iter().collect())
    }

    #[test]
    fn rows_that_compression_would_make_longer_stay_raw() {
        for compression in [Compression::Lz4, Compression::Zstd] {
            let plan = Plan::new(&video(), compression, true, false);
            let (_, made) = made(&plan);
            assert_eq!(made.len(), 5);
            for Made { part, body, .. } in made {
                let (mode, body) = body.unwrap();
                let (plane, rows) = &plan.cuts[part];
                let expected = if *plane == 0 { MODE_RAW } else { MODE_COMPRESSED };
                assert_eq!(mode, expected, "{compression} {part}");
                assert!(body.len() <= 64 * rows.len());
            }
        }
    }

    #[test]
    fn slices_go_out_as_they_finish_behind_the_head_of_their_frame() {
        let plan = Plan::new(&video(), Compression::Zstd, true, false);
        let (mut prepared, made) = made(&plan);
        let next = |prepared: &mut Prepared| prepared.next(&plan).unwrap();
        assert!(next(&mut prepared).is_some_and(|(_, last)| !last));
        assert!(next(&mut prepared).is_none());
        let parts = made.len();
        for (count, Made { part, body, .. }) in made.into_iter().rev().enumerate() {
            let (mode, body) = body.unwrap();
            prepared.take(part, mode, body);
            let (_, last) = next(&mut prepared).unwrap();
            assert_eq!(last, count + 1 == parts);
        }
        assert!(next(&mut prepared).is_none());
    }

    #[test]
    fn a_frame_in_one_message_waits_for_all_of_its_planes() {
        let plan = Plan::new(&video(), Compression::Lz4, false, false);
        let (mut prepared, made) = made(&plan);
        for Made { part, body, .. } in made {
            assert!(prepared.next(&plan).unwrap().is_none());
            let (mode, body) = body.unwrap();
            prepared.take(part, mode, body);
        }
        assert!(prepared.next(&plan).unwrap().is_some_and(|(_, last)| last));
        assert!(prepared.next(&plan).unwrap().is_none());
    }

    #[test]
    fn what_needs_no_work_is_ready_at_once_and_makes_no_jobs() {
        for slices in [false, true] {
            let plan = Plan::new(&video(), Compression::None, slices, false);
            let (mut prepared, made) = made(&plan);
            assert!(made.is_empty());
            let mut bytes = 0;
            while let Some((message, last)) = prepared.next(&plan).unwrap() {
                bytes += message.len();
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
        let prepared = Prepared::new(&plan, 3, frame, reporter, drop);
        drop((prepared, report));
        let made: Vec<_> = reports.iter().collect();
        assert_eq!(made.len(), 2);
        assert!(made.iter().all(|made| made.frame == 3 && made.body.is_none()));
        assert_eq!(Arc::strong_count(&source), 1);
    }
}
