//! A session's worker: frames in, outputs back in decoding order.

use super::flow::Flow;
use super::plan::Plan;
use super::{Receiver, picture};
use crate::cf::{Dictionary, Number, boolean};
use crate::cm::{Attachment, BlockBuffer, FormatDescription, SampleBuffer, Time};
use crate::codec::{Encoder, Packet};
use crate::object::{Owned, Payload};
use crate::state::{note, with};
use crate::vt::status::{K_VT_INVALID_SESSION, K_VT_PARAMETER, K_VT_VIDEO_ENCODER_MALFUNCTION};
use crate::{Blocks, Outcome};
use std::collections::{BTreeMap, VecDeque};
use std::ffi::c_void;
use std::ptr;
use std::sync::{Arc, Mutex, PoisonError};
use vtremote_bitstream::{Codec, LengthSize, ParameterSets, annexb};

/// What a worker is told.
pub(crate) enum Work {
    Frame(Frame),
    /// Everything out.
    Complete,
}

/// A frame to encode.
pub(crate) struct Frame {
    pub(crate) buffer: Owned,
    pub(crate) presentation: Time,
    pub(crate) duration: Time,
    pub(crate) keyframe: bool,
    pub(crate) context: FrameContext,
    pub(crate) outcome: Option<Outcome>,
}

/// The caller's, which comes back with the output.
#[derive(Clone, Copy)]
pub(crate) struct FrameContext(pub(crate) *mut c_void);

// SAFETY: it is handed back and never looked at.
unsafe impl Send for FrameContext {}

/// One call of the callback.
pub(crate) struct Output {
    receiver: Receiver,
    context: FrameContext,
    status: i32,
    flags: u32,
    sample: Option<Owned>,
}

const ASYNCHRONOUS: u32 = 1;
const DROPPED: u32 = 2;

impl Output {
    pub(crate) fn call(self) {
        let Output { receiver, context, status, flags, sample } = self;
        let sample = sample.as_ref().map_or(ptr::null(), Owned::as_ptr);
        // SAFETY: callback and contexts are the caller's, who said that they belong together; the sample
        // lives until it returns.
        unsafe { (receiver.callback)(receiver.context, context.0, status, flags, sample) };
    }
}

/// What sessions still had when they were invalidated.
static KEPT: Mutex<Vec<Output>> = Mutex::new(Vec::new());

/// Calls that back; gives how much it was.
pub(crate) fn call_back() -> usize {
    let kept = std::mem::take(&mut *KEPT.lock().unwrap_or_else(PoisonError::into_inner));
    let count = kept.len();
    kept.into_iter().for_each(Output::call);
    count
}

struct Ready {
    output: Output,
    /// Comes after so many others.
    late: usize,
}

struct Inside {
    presentation: Time,
    duration: Time,
    context: FrameContext,
    late: usize,
    /// See [`alpha_layer`].
    alpha: Option<u64>,
}

pub(crate) struct Engine {
    plan: Plan,
    /// HEVCWithAlpha.
    has_alpha: bool,
    receiver: Receiver,
    flow: Arc<Flow>,
    encoder: Encoder,
    format: Owned,
    blocks: Blocks,
    /// Frames that the encoder has, by index.
    inside: BTreeMap<i64, Inside>,
    /// Presentation times in their order, for the decoding times.
    times: VecDeque<Time>,
    next_index: i64,
    keyframes: usize,
    taken: usize,
    answered: usize,
    ready: VecDeque<Ready>,
}

impl Engine {
    pub(crate) fn open(
        plan: Plan,
        codec_type: u32,
        size: (i32, i32),
        receiver: Receiver,
        flow: Arc<Flow>,
    ) -> Result<Self, String> {
        let encoder = Encoder::open(&plan.parameters)?;
        let untold = with(|state| state.script.untold);
        let format = match untold.then(|| plan.parameters.without_b_frames()) {
            // That of another, which does not reorder.
            Some(other) => format(&plan, codec_type, size, &Encoder::open(&other)?)?,
            None => format(&plan, codec_type, size, &encoder)?,
        };
        Ok(Engine {
            plan,
            has_alpha: &codec_type.to_be_bytes() == b"muxa",
            receiver,
            flow,
            encoder,
            format,
            blocks: with(|state| state.script.blocks),
            inside: BTreeMap::new(),
            times: VecDeque::new(),
            next_index: 0,
            keyframes: 0,
            taken: 0,
            answered: 0,
            ready: VecDeque::new(),
        })
    }

    pub(crate) fn run(mut self) {
        while let Some(work) = self.flow.next() {
            match work {
                Work::Frame(frame) => self.frame(frame),
                Work::Complete => self.complete(),
            }
        }
        if with(|state| state.script.afterwards) {
            self.keep();
        }
    }

    /// What it still has is called back after its end.
    fn keep(self) {
        let (receiver, flags) = (self.receiver, ASYNCHRONOUS);
        let without_sample = |inside: Inside| Output {
            receiver,
            context: inside.context,
            status: K_VT_INVALID_SESSION,
            flags,
            sample: None,
        };
        let ready = self.ready.into_iter().map(|ready| ready.output);
        let inside = self.inside.into_values().map(without_sample);
        KEPT.lock().unwrap_or_else(PoisonError::into_inner).extend(ready.chain(inside));
    }

    fn frame(&mut self, frame: Frame) {
        self.taken += 1;
        let Frame { buffer, presentation, duration, keyframe, context, outcome } = frame;
        // What is never heard of is not held back.
        self.answered += usize::from(outcome == Some(Outcome::Never));
        if self.plan.too_many_references {
            return self.without_sample(context, K_VT_PARAMETER, ASYNCHRONOUS);
        }
        let late = match outcome {
            Some(Outcome::Late(count)) => count,
            Some(Outcome::Drop) => return self.without_sample(context, 0, ASYNCHRONOUS | DROPPED),
            Some(Outcome::Empty) => return self.without_sample(context, 0, ASYNCHRONOUS),
            Some(Outcome::Error(status)) => {
                return self.without_sample(context, status, ASYNCHRONOUS);
            }
            Some(Outcome::Die(status)) => return self.die(context, status),
            Some(Outcome::Never) => return self.flow.lose(),
            // That has been answered where it was asked.
            Some(Outcome::Invalidate) | None => 0,
        };
        let index = self.next_index;
        self.next_index += 1;
        self.times.push_back(presentation);
        let Payload::PixelBuffer(pixels) = &buffer.payload else { return };
        let packed = self.has_alpha && !pixels.layout.is_planar();
        let alpha = packed.then(|| picture::alpha(pixels));
        self.inside.insert(index, Inside { presentation, duration, context, late, alpha });
        let parameters = &self.plan.parameters;
        let picture = picture::to_frame(pixels, parameters.ten_bits, parameters.tall_chroma);
        drop(buffer);
        let encoded = self.encoder.encode(Some((picture, index, keyframe)));
        self.packets(encoded);
        self.emit(false);
        if !self.plan.hold && self.taken - self.answered > self.plan.held {
            note("the codec behind the double holds back more frames than an encoder may");
            self.flow.begin(None);
        }
    }

    fn complete(&mut self) {
        if self.next_index > 0 {
            let encoded = self.encoder.encode(None);
            self.packets(encoded);
        }
        self.emit(true);
        if !self.inside.is_empty() {
            note("an encoder that was drained has not given all frames");
        }
        // One that was drained takes no more.
        if std::mem::take(&mut self.next_index) > 0 {
            match Encoder::open(&self.plan.parameters) {
                Ok(encoder) => self.encoder = encoder,
                Err(error) => note(&format!("the encoder does not open again: {error}")),
            }
            self.times.clear();
        }
        self.flow.completed();
    }

    /// An output that is nothing but news.
    fn without_sample(&mut self, context: FrameContext, status: i32, flags: u32) {
        let output = Output { receiver: self.receiver, context, status, flags, sample: None };
        self.ready.push_back(Ready { output, late: 0 });
        self.emit(false);
    }

    /// All that it has comes back with an error, and no more comes.
    fn die(&mut self, context: FrameContext, status: i32) {
        let inside = std::mem::take(&mut self.inside).into_values();
        let ready = std::mem::take(&mut self.ready).into_iter().map(|ready| ready.output.context);
        let contexts: Vec<_> = ready.chain(inside.map(|inside| inside.context)).collect();
        for context in contexts.into_iter().chain([context]) {
            let (receiver, flags) = (self.receiver, ASYNCHRONOUS);
            self.flow.answer(Output { receiver, context, status, flags, sample: None });
        }
        self.flow.invalidate();
    }

    fn packets(&mut self, encoded: Result<Vec<Packet>, String>) {
        match encoded {
            Ok(packets) => packets.into_iter().for_each(|packet| self.packet(packet)),
            Err(error) => {
                note(&format!("the encoder fails: {error}"));
                let inside = std::mem::take(&mut self.inside);
                for inside in inside.into_values() {
                    let status = K_VT_VIDEO_ENCODER_MALFUNCTION;
                    self.without_sample(inside.context, status, ASYNCHRONOUS);
                }
            }
        }
    }

    fn packet(&mut self, packet: Packet) {
        let Some(inside) = self.inside.remove(&packet.index) else {
            return note("the encoder gave a frame twice");
        };
        let Inside { presentation, duration, context, late, alpha } = inside;
        let time = self.times.pop_front().unwrap_or(Time::INVALID);
        let decode = if self.plan.b_frames > 0 { time } else { Time::INVALID };
        let mut bytes = self.length_prefixed(&packet.data);
        bytes.extend(alpha.into_iter().flat_map(alpha_layer));
        let not_sync = if packet.keyframe {
            self.keyframes += 1;
            // Both are what a key frame has.
            if self.keyframes % 2 == 1 { Attachment::Absent } else { Attachment::Is(false) }
        } else {
            Attachment::Is(true)
        };
        let times = (presentation, decode, duration);
        let block = block(&bytes, self.blocks);
        let sample =
            SampleBuffer::encoded(block, bytes.len(), self.format.clone(), times, not_sync);
        let sample = Some(Owned::new(Payload::SampleBuffer(sample)));
        let output =
            Output { receiver: self.receiver, context, status: 0, flags: ASYNCHRONOUS, sample };
        self.ready.push_back(Ready { output, late });
    }

    /// Without parameter sets and delimiters, which VideoToolbox has elsewhere and nowhere.
    fn length_prefixed(&self, data: &[u8]) -> Vec<u8> {
        let codec = self.plan.parameters.codec;
        let left_out = match codec {
            Codec::H264 => 7..=9,
            Codec::H265 => 32..=35,
        };
        let mut bytes = Vec::with_capacity(data.len() + 16);
        for nal in annexb::nal_units(data) {
            let unit_type = codec.nal_unit_type(nal);
            if !unit_type.is_some_and(|unit_type| left_out.contains(&unit_type)) {
                bytes.extend_from_slice(&(nal.len() as u32).to_be_bytes());
                bytes.extend_from_slice(nal);
            }
        }
        bytes
    }

    /// Calls back what is not held back, or everything.
    fn emit(&mut self, all: bool) {
        while !self.ready.is_empty() {
            let held = self.taken - self.answered;
            if !all && (self.plan.hold || held <= self.plan.held) {
                return;
            }
            // The first that is not late; they all are at most until the last comes.
            let at = self.ready.iter().position(|ready| ready.late == 0).unwrap_or(0);
            let Some(ready) = self.ready.remove(at) else { return };
            self.ready.iter_mut().take(at).for_each(|late| late.late -= 1);
            self.answered += 1;
            self.flow.answer(ready.output);
        }
    }
}

/// The SEI by which HEVC with alpha says what its other layer is (H.265 F.14.2.8), as a description has it.
const ALPHA_CHANNEL_INFO: [u8; 13] = [0, 0, 0, 1, 0x4e, 1, 165, 4, 0, 0, 0x7f, 0x90, 0x80];

/// What stands for a picture's alpha layer, behind its length: a suffix SEI of that layer, user data with the
/// hash of the alpha in sixteen digits.
fn alpha_layer(hash: u64) -> Vec<u8> {
    // Type 40, layer 1, temporal id 0 (H.265 7.3.1.2); payload 5 of 32 bytes, of which 16 are a name.
    let mut nal = vec![0x50, 0x09, 5, 32];
    nal.extend_from_slice(b"alpha of vt-dbl.");
    nal.extend_from_slice(format!("{hash:016x}").as_bytes());
    nal.push(0x80);
    [&(nal.len() as u32).to_be_bytes(), &nal[..]].concat()
}

fn format(
    plan: &Plan,
    codec_type: u32,
    size: (i32, i32),
    encoder: &Encoder,
) -> Result<Owned, String> {
    let mut stream = encoder.parameter_sets();
    if &codec_type.to_be_bytes() == b"muxa" {
        stream.extend_from_slice(&ALPHA_CHANNEL_INFO);
    }
    let sets = ParameterSets::from_annexb(plan.parameters.codec, &stream);
    let sets = sets.map_err(|error| error.to_string())?;
    // SAFETY: a constant.
    let range = unsafe { Owned::retained(boolean(plan.full_range)) };
    let mut more = vec![(Owned::text("FullRangeVideo"), range)];
    if let Some((across, down)) = plan.aspect {
        let number = |number| Owned::new(Payload::Number(Number::Integer(number)));
        let ratio = Dictionary::new(vec![
            (Owned::text("HorizontalSpacing"), number(across)),
            (Owned::text("VerticalSpacing"), number(down)),
        ]);
        let ratio = Owned::new(Payload::Dictionary(ratio));
        more.push((Owned::text("CVPixelAspectRatio"), ratio));
    }
    let format = FormatDescription::of(codec_type, size, &sets, LengthSize::FOUR, more);
    let format = format.ok_or("parameter sets that are no record")?;
    Ok(Owned::new(Payload::FormatDescription(format)))
}

/// The bytes as the script wants them to lie.
fn block(bytes: &[u8], blocks: Blocks) -> BlockBuffer {
    let junk = if blocks.long() { &[0xff; 37][..] } else { &[] };
    if !blocks.split() || bytes.len() < 8 {
        return BlockBuffer::of(&[&[bytes, junk].concat()]);
    }
    // Within the first length, and in the middle.
    let (first, rest) = bytes.split_at(3);
    let (second, third) = rest.split_at(rest.len() / 2);
    BlockBuffer::of(&[first, second, &[third, junk].concat()])
}
