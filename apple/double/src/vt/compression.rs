use super::encoders::{Listed, encoders};
use super::properties::{self, Encoder};
use super::session;
use super::status::{
    K_VT_COULD_NOT_FIND_VIDEO_ENCODER, K_VT_INVALID_SESSION, K_VT_PARAMETER,
    K_VT_PIXEL_TRANSFER_NOT_SUPPORTED, K_VT_PROPERTY_NOT_SUPPORTED, K_VT_VIDEO_ENCODER_MALFUNCTION,
};
use crate::cf::{Dictionary, Number, boolean};
use crate::cm::Time;
use crate::cv::{self, PixelBuffer, Pool};
use crate::object::{Object, Owned, Payload, equal, payload};
use crate::state::{machine, note, outcome, scripted, with};
use crate::{Callbacks, Hardware, Outcome};
pub(crate) use engine::call_back;
use engine::{Engine, Work};
use flow::Flow;
use std::collections::BTreeMap;
use std::ffi::c_void;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use vtremote_bitstream::Codec;

mod engine;
mod flow;
mod picture;
mod plan;

/// VTCompressionOutputCallback.
type Callback = unsafe extern "C-unwind" fn(*mut c_void, *mut c_void, i32, u32, *const Object);

/// Where outputs go.
#[derive(Clone, Copy)]
pub(crate) struct Receiver {
    callback: Callback,
    context: *mut c_void,
}

// SAFETY: what the context is may be used from any thread, as VideoToolbox's callers know.
unsafe impl Send for Receiver {}
// SAFETY: as above.
unsafe impl Sync for Receiver {}

/// A VTCompressionSession.
pub(crate) struct CompressionSession {
    pub(crate) number: usize,
    codec_type: u32,
    encoder: Encoder,
    listed: Listed,
    size: (i32, i32),
    fourcc: u32,
    receiver: Receiver,
    properties: Mutex<BTreeMap<String, Owned>>,
    pool: Owned,
    flow: Arc<Flow>,
    started: Mutex<Started>,
}

#[derive(Default)]
struct Started {
    worker: Option<JoinHandle<()>>,
    frames: usize,
    last: Option<Time>,
}

fn text(dictionary: Option<&Dictionary>, key: &str) -> Option<Owned> {
    dictionary?.get(key)
}

fn flag(dictionary: Option<&Dictionary>, key: &str) -> Option<bool> {
    text(dictionary, key)?.boolean()
}

/// The encoder that there is for this, if there is one.
fn choose(codec_type: u32, specification: Option<&Dictionary>) -> Option<(Encoder, Listed)> {
    let hardware = machine().hardware;
    let required = flag(specification, "RequireHardwareAcceleratedVideoEncoder") == Some(true);
    let enabled = flag(specification, "EnableHardwareAcceleratedVideoEncoder") != Some(false);
    let low_latency = flag(specification, "EnableLowLatencyRateControl") == Some(true);
    let id = text(specification, "EncoderID");
    let id = id.as_ref().and_then(|id| id.text());
    let mut there = encoders(hardware).into_iter().filter(|listed| {
        listed.codec_type == codec_type
            && id.is_none_or(|id| listed.id == id)
            && if listed.hardware { enabled } else { !required }
    });
    let listed = there.next()?;
    let codec = if &codec_type.to_be_bytes() == b"avc1" { Codec::H264 } else { Codec::H265 };
    let hardware = if listed.hardware { hardware } else { Hardware::None };
    if low_latency {
        // Of hardware only, and of HEVC with Apple silicon only.
        match (codec, hardware) {
            (_, Hardware::None) | (Codec::H265, Hardware::Intel) => return None,
            _ => {}
        }
    }
    let alpha = &codec_type.to_be_bytes() == b"muxa";
    Some((Encoder { codec, alpha, hardware, low_latency }, listed))
}

/// Whether the encoder takes pictures of this format.
fn takes(encoder: &Encoder, fourcc: u32) -> bool {
    let Some(layout) = cv::layout(fourcc) else { return false };
    let wide = layout.depth > 8;
    let tall = matches!(&fourcc.to_be_bytes(), b"x422" | b"xf22");
    match encoder.codec {
        Codec::H264 => !wide,
        Codec::H265 if encoder.hardware == Hardware::Intel => !wide,
        Codec::H265 => !tall || !encoder.alpha,
    }
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn VTCompressionSessionCreate(
    _allocator: *const Object,
    width: i32,
    height: i32,
    codec_type: u32,
    specification: *const Object,
    attributes: *const Object,
    _data_allocator: *const Object,
    callback: Option<Callback>,
    context: *mut c_void,
    out: *mut *const Object,
) -> i32 {
    scripted!("VTCompressionSessionCreate");
    let specification = Object::maybe(specification).and_then(Object::dictionary);
    let attributes = Object::maybe(attributes).and_then(Object::dictionary);
    if [width, height].iter().any(|side| !(2..=16_384).contains(side)) {
        return K_VT_PARAMETER;
    }
    let Some(callback) = callback else { return K_VT_PARAMETER };
    let Some((encoder, listed)) = choose(codec_type, specification) else {
        return K_VT_COULD_NOT_FIND_VIDEO_ENCODER;
    };
    let number = |key: &str| attributes?.get(key)?.number()?.as_i64();
    let fourcc = match number("PixelFormatType") {
        Some(fourcc) => fourcc as u32,
        None => u32::from_be_bytes(*b"420v"),
    };
    for (key, side) in [("Width", width), ("Height", height)] {
        if number(key).is_some_and(|asked| asked != i64::from(side)) {
            return K_VT_PARAMETER;
        }
    }
    if !takes(&encoder, fourcc) {
        return K_VT_COULD_NOT_FIND_VIDEO_ENCODER;
    }
    let Some(pool) = Pool::new(fourcc, (width as usize, height as usize)) else {
        return K_VT_PIXEL_TRANSFER_NOT_SUPPORTED;
    };
    let session = CompressionSession {
        number: session::number(),
        codec_type,
        encoder,
        listed,
        // An encoder may change what it cannot do, and this one cannot do odd sides.
        size: (width & !1, height & !1),
        fourcc,
        receiver: Receiver { callback, context },
        properties: Mutex::default(),
        pool: Owned::new(Payload::PixelBufferPool(pool)),
        flow: Arc::new(Flow::new()),
        started: Mutex::default(),
    };
    *out = Owned::new(Payload::CompressionSession(session)).into_raw();
    0
}

impl CompressionSession {
    pub(crate) fn set(&self, name: &str, value: Option<&Object>) -> i32 {
        if self.flow.is_invalid() {
            return K_VT_INVALID_SESSION;
        }
        let mut known = self.properties.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(value) = value else {
            // Null is the default again.
            known.remove(name);
            let there = properties::is_known(&self.encoder, name);
            return if there { 0 } else { K_VT_PROPERTY_NOT_SUPPORTED };
        };
        let status = properties::check(&self.encoder, name, value);
        if status != 0 {
            return status;
        }
        // Two ways to say how many bits there are.
        let other = match name {
            "ConstantBitRate" => &["AverageBitRate", "DataRateLimits", "Quality"][..],
            "AverageBitRate" | "DataRateLimits" | "Quality" => &["ConstantBitRate"],
            _ => &[],
        };
        if other.iter().any(|other| known.contains_key(*other)) {
            return K_VT_PARAMETER;
        }
        // SAFETY: the value is one that was checked.
        known.insert(name.to_owned(), unsafe { Owned::retained(value) });
        0
    }

    /// What it is; null where it was not set.
    pub(crate) fn get(&self, name: &str) -> Result<Option<Owned>, i32> {
        if self.flow.is_invalid() {
            return Err(K_VT_INVALID_SESSION);
        }
        let told = |value: bool| {
            // SAFETY: a constant.
            Ok(Some(unsafe { Owned::retained(boolean(value)) }))
        };
        match name {
            "UsingHardwareAcceleratedVideoEncoder" => told(self.listed.hardware),
            "EncoderID" => Ok(Some(Owned::text(self.listed.id))),
            // What it does, and not what it was asked for.
            "AllowFrameReordering" => {
                let untold = with(|state| state.script.untold);
                told(!untold && self.plan().is_ok_and(|plan| plan.b_frames > 0))
            }
            "NumberOfPendingFrames" => {
                let number = Number::Integer(self.flow.pending() as i64);
                Ok(Some(Owned::new(Payload::Number(number))))
            }
            _ if properties::is_known(&self.encoder, name) => {
                let known = self.properties.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(known.get(name).cloned())
            }
            _ => Err(K_VT_PROPERTY_NOT_SUPPORTED),
        }
    }

    /// The properties that there are.
    pub(crate) fn supported(&self) -> Result<Dictionary, i32> {
        if self.flow.is_invalid() {
            return Err(K_VT_INVALID_SESSION);
        }
        let about = |writable: bool| {
            let status = Owned::text(if writable { "ReadWrite" } else { "ReadOnly" });
            let about = Dictionary::new(vec![(Owned::text("PropertyReadWriteStatus"), status)]);
            Owned::new(Payload::Dictionary(about))
        };
        let all = properties::all(&self.encoder).into_iter();
        Ok(Dictionary::new(
            all.map(|(name, writable)| (Owned::text(name), about(writable))).collect(),
        ))
    }

    /// What a picture says of itself otherwise than the session does: nobody knows what comes of that.
    fn contradiction(&self, picture: &PixelBuffer) -> Option<String> {
        const SAID_TWICE: [(&str, &str); 5] = [
            ("PixelAspectRatio", "CVPixelAspectRatio"),
            ("ColorPrimaries", "CVImageBufferColorPrimaries"),
            ("TransferFunction", "CVImageBufferTransferFunction"),
            ("YCbCrMatrix", "CVImageBufferYCbCrMatrix"),
            ("GammaLevel", "CVImageBufferGammaLevel"),
        ];
        let known = self.properties.lock().unwrap_or_else(PoisonError::into_inner);
        let differs = |(property, attachment): &&(&str, &str)| {
            let pair = known.get(*property).zip(picture.attachment(attachment));
            pair.is_some_and(|(session, picture)| !equal(session, &picture))
        };
        let (property, attachment) = SAID_TWICE.iter().find(differs)?;
        Some(format!("the {attachment} of a picture is not the session's {property}"))
    }

    fn plan(&self) -> Result<plan::Plan, i32> {
        let known = self.properties.lock().unwrap_or_else(PoisonError::into_inner);
        plan::plan(&self.encoder, self.size, self.fourcc, &known)
    }

    /// Opens the encoder, once. What cannot be together is found out here.
    fn start(&self) -> Result<std::sync::MutexGuard<'_, Started>, i32> {
        if self.flow.is_invalid() {
            return Err(K_VT_INVALID_SESSION);
        }
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        if started.worker.is_none() {
            let plan = self.plan()?;
            self.flow.begin(plan.most_held);
            let flow = Arc::clone(&self.flow);
            let engine = Engine::open(plan, self.codec_type, self.size, self.receiver, flow);
            let engine = engine.map_err(|error| {
                note(&format!("the encoder does not open: {error}"));
                K_VT_VIDEO_ENCODER_MALFUNCTION
            })?;
            let spawned = thread::Builder::new().name("double-encoder".into());
            let spawned = spawned.spawn(move || engine.run());
            started.worker = Some(spawned.map_err(|_| super::status::K_VT_ALLOCATION_FAILED)?);
        }
        Ok(started)
    }

    /// Ends it; nothing is called back after this.
    fn invalidate(&self) {
        self.flow.invalidate();
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        let worker = started.worker.take();
        drop(started);
        // From within a callback there is nothing to wait for but itself.
        let other = worker.filter(|worker| worker.thread().id() != thread::current().id());
        if other.is_some_and(|worker| worker.join().is_err()) {
            note("a thread of the double has panicked");
        }
    }
}

impl Drop for CompressionSession {
    fn drop(&mut self) {
        self.invalidate();
    }
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn VTCompressionSessionPrepareToEncodeFrames(
    session: *const Object,
) -> i32 {
    scripted!("VTCompressionSessionPrepareToEncodeFrames");
    payload!(session, CompressionSession).start().map_or_else(|status| status, |_| 0)
}

/// Belongs to the session.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn VTCompressionSessionGetPixelBufferPool(
    session: *const Object,
) -> *const Object {
    scripted!("VTCompressionSessionGetPixelBufferPool");
    let session = payload!(session, CompressionSession);
    if session.flow.is_invalid() {
        return std::ptr::null();
    }
    session.pool.as_ptr()
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn VTCompressionSessionEncodeFrame(
    session: *const Object,
    buffer: *const Object,
    presentation: Time,
    duration: Time,
    options: *const Object,
    frame_context: *mut c_void,
    flags: *mut u32,
) -> i32 {
    scripted!("VTCompressionSessionEncodeFrame");
    // The callback may release the last reference but this one.
    let kept = Owned::retained(session);
    let session = payload!(kept.as_ptr(), CompressionSession);
    let pixels = payload!(buffer, PixelBuffer);
    let options = Object::maybe(options).and_then(Object::dictionary);
    if pixels.is_written_to() {
        note("VTCompressionSessionEncodeFrame of a buffer that is locked for writing");
        return K_VT_PARAMETER;
    }
    if (pixels.width as i32 & !1, pixels.height as i32 & !1) != session.size
        || pixels.fourcc != session.fourcc
    {
        return K_VT_PIXEL_TRANSFER_NOT_SUPPORTED;
    }
    if !presentation.is_numeric() {
        return K_VT_PARAMETER;
    }
    if let Some(what) = session.contradiction(pixels) {
        note(&what);
    }
    let mut started = match session.start() {
        Ok(started) => started,
        Err(status) => return status,
    };
    if started.last.is_some_and(|last| !last.is_before(presentation)) {
        note("VTCompressionSessionEncodeFrame with a time that is not later than the one before");
        return K_VT_PARAMETER;
    }
    started.last = Some(presentation);
    started.frames += 1;
    let outcome = outcome(|script| &mut script.encode, started.frames);
    if outcome == Some(Outcome::Invalidate) {
        drop(started);
        session.flow.invalidate();
        return K_VT_INVALID_SESSION;
    }
    let work = Work::Frame(engine::Frame {
        buffer: Owned::retained(buffer),
        presentation,
        duration,
        keyframe: flag(options, "ForceKeyFrame") == Some(true),
        context: engine::FrameContext(frame_context),
        outcome,
    });
    session.flow.push(work);
    drop(started);
    if let Some(flags) = flags.as_mut() {
        const ASYNCHRONOUS: u32 = 1;
        *flags = if crate::state::callbacks() == Callbacks::Caller { 0 } else { ASYNCHRONOUS };
    }
    // The documented meaning of MaxFrameDelayCount: it returns when so many at most are still in.
    session.flow.wait_for_room();
    0
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn VTCompressionSessionCompleteFrames(
    session: *const Object,
    _until: Time,
) -> i32 {
    scripted!("VTCompressionSessionCompleteFrames");
    let kept = Owned::retained(session);
    let session = payload!(kept.as_ptr(), CompressionSession);
    if session.flow.is_invalid() {
        return K_VT_INVALID_SESSION;
    }
    let started = session.started.lock().unwrap_or_else(PoisonError::into_inner);
    if started.worker.is_none() {
        return 0;
    }
    drop(started);
    session.flow.complete()
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn VTCompressionSessionInvalidate(session: *const Object) {
    let kept = Owned::retained(session);
    payload!(kept.as_ptr(), CompressionSession).invalidate();
}
