use super::session;
use super::status::{
    K_VT_COULD_NOT_FIND_VIDEO_DECODER, K_VT_INVALID_SESSION, K_VT_PARAMETER,
    K_VT_PIXEL_TRANSFER_NOT_SUPPORTED, K_VT_PROPERTY_NOT_SUPPORTED, K_VT_PROPERTY_READ_ONLY,
    K_VT_VIDEO_DECODER_BAD_DATA, K_VT_VIDEO_DECODER_UNSUPPORTED_DATA_FORMAT,
};
use crate::cf::boolean;
use crate::cm::{FormatDescription, Time};
use crate::cv;
use crate::object::{Object, Owned, Payload, payload};
use crate::state::{machine, note, outcome, scripted};
use crate::{Callbacks, Hardware, Outcome};
use engine::{Engine, Sample, SampleContext};
use flow::Flow;
use std::ffi::c_void;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use vtremote_bitstream::{Codec, LengthSize};

mod engine;
mod flow;
mod picture;

/// VTDecompressionOutputCallback.
type Callback =
    unsafe extern "C-unwind" fn(*mut c_void, *mut c_void, i32, u32, *const Object, Time, Time);

/// A VTDecompressionOutputCallbackRecord.
#[repr(C, packed(4))]
struct Record {
    callback: Option<Callback>,
    context: *mut c_void,
}

/// Where pictures go.
#[derive(Clone, Copy)]
pub(crate) struct Receiver {
    callback: Callback,
    context: *mut c_void,
}

// SAFETY: what the context is may be used from any thread, as VideoToolbox's callers know.
unsafe impl Send for Receiver {}
// SAFETY: as above.
unsafe impl Sync for Receiver {}

/// A VTDecompressionSession.
pub(crate) struct DecompressionSession {
    pub(crate) number: usize,
    kind: Kind,
    flow: Arc<Flow>,
    state: Mutex<State>,
}

/// What a session can decode.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Kind {
    codec: Codec,
    size: (i32, i32),
    /// Chroma format and bits.
    samples: (u8, u8),
    length_size: LengthSize,
}

#[derive(Default)]
struct State {
    worker: Option<JoinHandle<()>>,
    samples: usize,
    /// The parameter sets that the decoder has.
    sets: Vec<Vec<u8>>,
}

/// # Errors
/// The status where it cannot be decoded here.
fn kind(format: &FormatDescription) -> Result<Kind, i32> {
    let codec = format.codec().ok_or(K_VT_COULD_NOT_FIND_VIDEO_DECODER)?;
    let facts = format.facts().ok_or(K_VT_VIDEO_DECODER_BAD_DATA)?;
    let length_size = format.length_size.ok_or(K_VT_VIDEO_DECODER_BAD_DATA)?;
    let bits = facts.format.luma_bits;
    let chroma = facts.format.chroma_format;
    let hardware = machine().hardware;
    let known = match (codec, chroma, bits) {
        (_, 0 | 1, 8) => true,
        (Codec::H265, 0 | 1, 9 | 10) => true,
        (Codec::H265, 2, 8..=10) => hardware != Hardware::Intel,
        (Codec::H265, 3, 8 | 10) => hardware == Hardware::AppleSilicon,
        (Codec::H264, 1 | 2, 10) | (Codec::H264, 2, 8) => hardware == Hardware::AppleSilicon,
        _ => false,
    };
    if !known {
        return Err(K_VT_VIDEO_DECODER_UNSUPPORTED_DATA_FORMAT);
    }
    let size = (facts.coded_width as i32, facts.coded_height as i32);
    Ok(Kind { codec, size, samples: (chroma, bits), length_size })
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn VTDecompressionSessionCreate(
    _allocator: *const Object,
    format: *const Object,
    specification: *const Object,
    attributes: *const Object,
    record: *const Record,
    out: *mut *const Object,
) -> i32 {
    scripted!("VTDecompressionSessionCreate");
    let format = payload!(format, FormatDescription);
    let kind = match kind(format) {
        Ok(kind) => kind,
        Err(status) => return status,
    };
    let specification = Object::maybe(specification).and_then(Object::dictionary);
    let required = specification
        .and_then(|known| known.get("RequireHardwareAcceleratedVideoDecoder")?.boolean());
    if required == Some(true) && machine().hardware == Hardware::None {
        return K_VT_COULD_NOT_FIND_VIDEO_DECODER;
    }
    let record = record.as_ref().map(|record| (record.callback, record.context));
    let Some((Some(callback), context)) = record else { return K_VT_PARAMETER };
    let receiver = Receiver { callback, context };
    let attributes = Object::maybe(attributes).and_then(Object::dictionary);
    let wished = attributes.and_then(|known| known.get("PixelFormatType")?.number()?.as_i64());
    let fourcc = wished.map_or_else(|| native(format), |wished| wished as u32);
    if cv::layout(fourcc).is_none_or(|layout| !layout.is_planar()) {
        return K_VT_PIXEL_TRANSFER_NOT_SUPPORTED;
    }
    let flow = Arc::new(Flow::new());
    let engine = Engine::open(
        (kind.codec, kind.length_size, kind.size),
        &format.annexb(),
        fourcc,
        receiver,
        Arc::clone(&flow),
    );
    let Ok(engine) = engine else { return K_VT_COULD_NOT_FIND_VIDEO_DECODER };
    let spawned = thread::Builder::new().name("double-decoder".into()).spawn(move || engine.run());
    let Ok(worker) = spawned else { return super::status::K_VT_ALLOCATION_FAILED };
    let state = State { worker: Some(worker), samples: 0, sets: format.sets().to_vec() };
    let number = session::number();
    let session = DecompressionSession { number, kind, flow, state: Mutex::new(state) };
    *out = Owned::new(Payload::DecompressionSession(session)).into_raw();
    0
}

/// What the decoder gives by itself.
fn native(format: &FormatDescription) -> u32 {
    let facts = format.facts();
    let full = facts.is_some_and(|facts| facts.full_range == Some(true));
    let wide = facts.is_some_and(|facts| facts.format.luma_bits > 8);
    let chroma = facts.map_or(1, |facts| facts.format.chroma_format);
    u32::from_be_bytes(match (chroma, wide, full) {
        (3, true, false) => *b"x444",
        (3, true, true) => *b"xf44",
        (3, false, false) => *b"444v",
        (3, false, true) => *b"444f",
        (2, true, false) => *b"x422",
        (2, true, true) => *b"xf22",
        (2, false, false) => *b"422v",
        (2, false, true) => *b"422f",
        (_, true, false) => *b"x420",
        (_, true, true) => *b"xf20",
        (_, false, false) => *b"420v",
        (_, false, true) => *b"420f",
    })
}

impl DecompressionSession {
    pub(crate) fn set(&self, name: &str, value: Option<&Object>) -> i32 {
        if self.flow.is_invalid() {
            return K_VT_INVALID_SESSION;
        }
        let number = || value.and_then(Object::number);
        let good = match name {
            "RealTime" | "MaximizePowerEfficiency" => {
                value.is_none_or(|value| value.boolean().is_some())
            }
            "ThreadCount" => number().is_some_and(|count| count.as_f64() >= 1.0),
            "UsingHardwareAcceleratedVideoDecoder" | "NumberOfFramesBeingDecoded" => {
                return K_VT_PROPERTY_READ_ONLY;
            }
            _ => return K_VT_PROPERTY_NOT_SUPPORTED,
        };
        if good { 0 } else { K_VT_PARAMETER }
    }

    pub(crate) fn get(&self, name: &str) -> Result<Option<Owned>, i32> {
        if self.flow.is_invalid() {
            return Err(K_VT_INVALID_SESSION);
        }
        match name {
            "UsingHardwareAcceleratedVideoDecoder" => {
                let hardware = boolean(machine().hardware != Hardware::None);
                // SAFETY: a constant.
                Ok(Some(unsafe { Owned::retained(hardware) }))
            }
            "RealTime" | "MaximizePowerEfficiency" | "ThreadCount" => Ok(None),
            _ => Err(K_VT_PROPERTY_NOT_SUPPORTED),
        }
    }

    /// Ends it; nothing is called back after this.
    fn invalidate(&self) {
        self.flow.invalidate();
        let worker = self.state.lock().unwrap_or_else(PoisonError::into_inner).worker.take();
        // From within a callback there is nothing to wait for but itself.
        let other = worker.filter(|worker| worker.thread().id() != thread::current().id());
        if other.is_some_and(|worker| worker.join().is_err()) {
            note("a thread of the double has panicked");
        }
    }
}

impl Drop for DecompressionSession {
    fn drop(&mut self) {
        self.invalidate();
    }
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn VTDecompressionSessionDecodeFrame(
    session: *const Object,
    sample: *const Object,
    decode_flags: u32,
    frame_context: *mut c_void,
    flags: *mut u32,
) -> i32 {
    scripted!("VTDecompressionSessionDecodeFrame");
    // The callback may release the last reference but this one.
    let kept = Owned::retained(session);
    let session = payload!(kept.as_ptr(), DecompressionSession);
    let sample = payload!(sample, SampleBuffer);
    if session.flow.is_invalid() {
        return K_VT_INVALID_SESSION;
    }
    let (Some(format), Some(bytes)) = (sample.format(), sample.bytes()) else {
        return K_VT_PARAMETER;
    };
    let Payload::FormatDescription(format) = &format.payload else { return K_VT_PARAMETER };
    if kind(format) != Ok(session.kind) {
        return super::status::K_VT_FORMAT_DESCRIPTION_CHANGE_NOT_SUPPORTED;
    }
    let mut state = session.state.lock().unwrap_or_else(PoisonError::into_inner);
    state.samples += 1;
    let outcome = outcome(|script| &mut script.decode, state.samples);
    if outcome == Some(Outcome::Invalidate) {
        drop(state);
        session.flow.invalidate();
        return K_VT_INVALID_SESSION;
    }
    let (presentation, duration) = sample.times();
    let changed = state.sets != format.sets();
    if changed {
        state.sets = format.sets().to_vec();
    }
    let asynchronous = decode_flags & 1 != 0;
    session.flow.push(Sample {
        bytes,
        sets: changed.then(|| format.annexb()),
        presentation,
        duration,
        context: SampleContext(frame_context),
        silent: decode_flags & 2 != 0,
        outcome,
    });
    drop(state);
    if let Some(flags) = flags.as_mut() {
        let within = !asynchronous || crate::state::callbacks() == Callbacks::Caller;
        *flags = u32::from(!within);
    }
    if asynchronous {
        session.flow.wait_for_room();
    } else {
        session.flow.finish();
    }
    0
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn VTDecompressionSessionWaitForAsynchronousFrames(
    session: *const Object,
) -> i32 {
    scripted!("VTDecompressionSessionWaitForAsynchronousFrames");
    let kept = Owned::retained(session);
    let session = payload!(kept.as_ptr(), DecompressionSession);
    if session.flow.finish() { 0 } else { K_VT_INVALID_SESSION }
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn VTDecompressionSessionCanAcceptFormatDescription(
    session: *const Object,
    format: *const Object,
) -> u8 {
    scripted!("VTDecompressionSessionCanAcceptFormatDescription");
    let session = payload!(session, DecompressionSession);
    let format = payload!(format, FormatDescription);
    u8::from(kind(format) == Ok(session.kind))
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn VTDecompressionSessionInvalidate(session: *const Object) {
    let kept = Owned::retained(session);
    payload!(kept.as_ptr(), DecompressionSession).invalidate();
}
