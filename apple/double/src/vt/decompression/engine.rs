//! A session's worker: samples in, pictures back in decoding order.
//!
//! VideoToolbox gives each picture as soon as its sample is decoded, whatever the order in which pictures are
//! shown. libavcodec gives them in that order only, and thus later. So each answer waits until libavcodec has
//! given its picture; and when no sample comes, the decoder is drained of all it has. A decoder that was
//! drained has forgotten its references: before the next sample it gets everything since the last picture that
//! needs none once more.

use super::flow::{Flow, Next};
use super::{Receiver, picture};
use crate::Outcome;
use crate::cm::Time;
use crate::codec::{Decoded, Decoder, Frame};
use crate::cv::Pool;
use crate::object::Owned;
use crate::state::note;
use crate::vt::status::K_VT_VIDEO_DECODER_BAD_DATA;
use std::collections::{BTreeMap, VecDeque};
use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;
use vtremote_bitstream::{Codec, LengthSize, length_prefixed};

/// A sample to decode.
pub(crate) struct Sample {
    pub(crate) bytes: Vec<u8>,
    /// Parameter sets in Annex B, where they have changed.
    pub(crate) sets: Option<Vec<u8>>,
    pub(crate) presentation: Time,
    pub(crate) duration: Time,
    pub(crate) context: SampleContext,
    /// Its picture is not wanted.
    pub(crate) silent: bool,
    pub(crate) outcome: Option<Outcome>,
}

/// The caller's, which comes back with the picture.
#[derive(Clone, Copy)]
pub(crate) struct SampleContext(pub(crate) *mut c_void);

// SAFETY: it is handed back and never looked at.
unsafe impl Send for SampleContext {}

/// One call of the callback.
pub(crate) struct Output {
    receiver: Receiver,
    context: SampleContext,
    status: i32,
    flags: u32,
    picture: Option<Owned>,
    presentation: Time,
    duration: Time,
}

const ASYNCHRONOUS: u32 = 1;
const DROPPED: u32 = 2;

impl Output {
    pub(crate) fn call(self) {
        let Output { receiver, context, status, flags, picture, presentation, duration } = self;
        let picture = picture.as_ref().map_or(ptr::null(), Owned::as_ptr);
        // SAFETY: callback and contexts are the caller's, who said that they belong together; the picture
        // lives until it returns.
        unsafe {
            (receiver.callback)(
                receiver.context,
                context.0,
                status,
                flags,
                picture,
                presentation,
                duration,
            );
        }
    }
}

enum Result {
    Awaited,
    Picture(Frame),
    Corrupt,
}

struct Waiting {
    index: i64,
    sample: Sample,
    result: Result,
    late: usize,
}

pub(crate) struct Engine {
    codec: Codec,
    length_size: LengthSize,
    /// What its pictures have at most, which the format description has said.
    size: (i32, i32),
    fourcc: u32,
    receiver: Receiver,
    flow: Arc<Flow>,
    decoder: Decoder,
    pools: BTreeMap<(usize, usize), Pool>,
    next_index: i64,
    waiting: VecDeque<Waiting>,
    /// What the decoder needs to go on after it was drained.
    since_refresh: Vec<(i64, Vec<u8>)>,
    drained: bool,
}

impl Engine {
    pub(crate) fn open(
        (codec, length_size, size): (Codec, LengthSize, (i32, i32)),
        sets: &[u8],
        fourcc: u32,
        receiver: Receiver,
        flow: Arc<Flow>,
    ) -> std::result::Result<Self, String> {
        Ok(Engine {
            codec,
            length_size,
            size,
            fourcc,
            receiver,
            flow,
            decoder: Decoder::open(codec, sets)?,
            pools: BTreeMap::new(),
            next_index: 0,
            waiting: VecDeque::new(),
            since_refresh: Vec::new(),
            drained: false,
        })
    }

    pub(crate) fn run(mut self) {
        loop {
            match self.flow.next(self.waiting.len()) {
                Next::Sample(sample) => self.sample(sample),
                Next::Quiet => self.quiet(),
                Next::End => return,
            }
            self.emit();
        }
    }

    fn sample(&mut self, mut sample: Sample) {
        let index = self.next_index;
        self.next_index += 1;
        let late = match sample.outcome {
            Some(Outcome::Late(count)) => count,
            Some(Outcome::Die(status)) => return self.die(sample, status),
            _ => 0,
        };
        let (bytes, sets) = (std::mem::take(&mut sample.bytes), sample.sets.take());
        let mut waiting = Waiting { index, sample, result: Result::Awaited, late };
        let mut access_unit = sets.unwrap_or_default();
        let framed = length_prefixed::to_annexb(&bytes, self.length_size, &mut access_unit);
        if framed.is_err() || bytes.is_empty() {
            waiting.result = Result::Corrupt;
            return self.waiting.push_back(waiting);
        }
        self.waiting.push_back(waiting);
        if self.refreshes(&access_unit) {
            self.since_refresh.clear();
        } else if self.drained {
            let again = std::mem::take(&mut self.since_refresh);
            for (index, access_unit) in &again {
                let decoded = self.decoder.decode(Some((access_unit, *index)));
                self.take(decoded);
            }
            self.since_refresh = again;
        }
        self.drained = false;
        let decoded = self.decoder.decode(Some((&access_unit, index)));
        self.since_refresh.push((index, access_unit));
        let corrupt = decoded.corrupt;
        self.take(decoded);
        if corrupt {
            self.set(index, Result::Corrupt);
        }
    }

    /// Whether nothing before this access unit is needed from here on: H.264 and H.265 IDR pictures.
    fn refreshes(&self, access_unit: &[u8]) -> bool {
        let types = vtremote_bitstream::annexb::nal_units(access_unit)
            .filter_map(|nal| self.codec.nal_unit_type(nal));
        let idr: &[u8] = match self.codec {
            Codec::H264 => &[5],
            Codec::H265 => &[19, 20],
        };
        types.into_iter().any(|unit_type| idr.contains(&unit_type))
    }

    fn take(&mut self, decoded: Decoded) {
        for frame in decoded.frames {
            self.set(frame.index(), Result::Picture(frame));
        }
    }

    fn set(&mut self, index: i64, result: Result) {
        let waiting = self.waiting.iter_mut().find(|waiting| waiting.index == index);
        if let Some(waiting) = waiting.filter(|one| matches!(one.result, Result::Awaited)) {
            waiting.result = result;
        }
    }

    /// What the decoder still has; what it has not is no picture.
    fn quiet(&mut self) {
        let decoded = self.decoder.decode(None);
        self.take(decoded);
        self.decoder.restart();
        self.drained = true;
        for waiting in &mut self.waiting {
            if matches!(waiting.result, Result::Awaited) {
                waiting.result = Result::Corrupt;
            }
            waiting.late = 0;
        }
    }

    fn emit(&mut self) {
        loop {
            // In decoding order, but for those that are to come late.
            let Some(at) = self.waiting.iter().position(|waiting| waiting.late == 0) else {
                return;
            };
            if matches!(self.waiting[at].result, Result::Awaited) {
                return;
            }
            let Some(waiting) = self.waiting.remove(at) else { return };
            self.waiting.iter_mut().take(at).for_each(|late| late.late -= 1);
            if waiting.sample.outcome == Some(Outcome::Never) {
                self.flow.lose();
                continue;
            }
            let output = self.output(waiting);
            self.flow.answer(output);
        }
    }

    fn output(&mut self, waiting: Waiting) -> Output {
        let Waiting { sample, result, .. } = waiting;
        let (mut status, mut flags, mut picture) = (0, ASYNCHRONOUS, None);
        match (sample.outcome, result) {
            (Some(Outcome::Drop), _) => flags |= DROPPED,
            (Some(Outcome::Empty), _) => {}
            (Some(Outcome::Error(scripted)), _) => status = scripted,
            (_, Result::Picture(_)) if sample.silent => flags |= DROPPED,
            (_, Result::Picture(frame)) => match self.picture(&frame) {
                Ok(buffer) => picture = Some(buffer),
                Err(error) => status = error,
            },
            (_, Result::Corrupt | Result::Awaited) => status = K_VT_VIDEO_DECODER_BAD_DATA,
        }
        let Sample { context, presentation, duration, .. } = sample;
        let receiver = self.receiver;
        Output { receiver, context, status, flags, picture, presentation, duration }
    }

    fn picture(&mut self, frame: &Frame) -> std::result::Result<Owned, i32> {
        let size = frame.size();
        if (self.size.0 as usize) < size.0 || (self.size.1 as usize) < size.1 {
            note("a picture is larger than the format description that its session was made with");
        }
        if !self.pools.contains_key(&size) {
            let pool = Pool::new(self.fourcc, size).ok_or(K_VT_VIDEO_DECODER_BAD_DATA)?;
            self.pools.insert(size, pool);
        }
        let buffer = self.pools[&size].buffer()?;
        picture::from_frame(frame, &buffer)?;
        Ok(buffer)
    }

    /// All that it has comes back with an error, and no more comes.
    fn die(&mut self, sample: Sample, status: i32) {
        let waiting = std::mem::take(&mut self.waiting).into_iter().map(|waiting| waiting.sample);
        for sample in waiting.chain([sample]) {
            let Sample { context, presentation, duration, .. } = sample;
            let (receiver, flags, picture) = (self.receiver, ASYNCHRONOUS, None);
            let output =
                Output { receiver, context, status, flags, picture, presentation, duration };
            self.flow.answer(output);
        }
        self.flow.invalidate();
    }
}
