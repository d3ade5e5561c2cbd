//! VTCompressionSession.

use super::cf::{Text, Value, dictionary};
use super::listeners::Listeners;
use super::names;
use super::pixels::{PixelBuffer, Pool};
use super::sample::Sample;
use super::status::Status;
use super::time::Time;
use objc2_core_foundation::{CFDictionary, CFRetained, CFType};
use objc2_core_media::CMSampleBuffer;
use objc2_video_toolbox::{
    VTCompressionSession, VTEncodeInfoFlags, VTSessionCopyProperty,
    VTSessionCopySupportedPropertyDictionary, VTSessionSetProperty,
};
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};
use std::sync::Arc;

/// What became of a frame.
pub(crate) enum Output<'a> {
    Sample(Sample<'a>),
    /// The encoder has left it out.
    Dropped,
    Failed(Status),
    /// The listener panicked over it.
    Panicked,
}

/// Hears what becomes of each frame, by the number it was given. Called from threads of VideoToolbox.
pub(crate) type Listener = Arc<dyn Fn(usize, Output<'_>) + Send + Sync>;

/// An encoder. Dropping it ends it, whatever is still in it.
pub(crate) struct Compression {
    session: CFRetained<VTCompressionSession>,
    listener: usize,
}

// SAFETY: a session may be used from any thread; this type is moved between threads and not shared.
unsafe impl Send for Compression {}

impl Compression {
    /// Frames of this size to a stream of this codec (four characters).
    pub(crate) fn new(
        codec: u32,
        size: (i32, i32),
        specification: &[(Text, Value)],
        source: &[(Text, Value)],
        listener: Listener,
    ) -> Result<Self, Status> {
        let listener = LISTENERS.add(listener);
        let mut session = ptr::null_mut();
        // SAFETY: the dictionaries have the types that VTCompressionSession.h asks for, `output` has the
        // callback's, what it is given back is a number, and `session` is valid for the one pointer that
        // is written to it.
        let status = unsafe {
            VTCompressionSession::create(
                None,
                size.0,
                size.1,
                codec,
                Some(&dictionary(specification)),
                Some(&dictionary(source)),
                None,
                Some(output),
                ptr::without_provenance_mut(listener),
                NonNull::from(&mut session),
            )
        };
        if let (0, Some(session)) = (status, NonNull::new(session)) {
            // SAFETY: a function of the name Create gives a reference that is ours to release.
            let session = unsafe { CFRetained::from_raw(session) };
            return Ok(Compression { session, listener });
        }
        LISTENERS.remove(listener);
        Err(Status::check(status).err().unwrap_or(Status::ALLOCATION_FAILED))
    }

    pub(crate) fn set(&self, property: &Text, value: &Value) -> Result<(), Status> {
        // SAFETY: a session is one of the objects that have properties, and checks the value's type.
        Status::check(unsafe {
            VTSessionSetProperty(&self.session, &property.string(), Some(&value.object()))
        })
    }

    /// A property that is true or false; none if it is not there.
    pub(crate) fn flag(&self, property: &Text) -> Option<bool> {
        match self.get(property) {
            Ok(Some(Value::Bool(value))) => Some(value),
            _ => None,
        }
    }

    /// A property that is a text; none if it is not there.
    pub(crate) fn text(&self, property: &Text) -> Option<String> {
        match self.get(property) {
            Ok(Some(Value::Text(text))) => Some(text.to_string()),
            _ => None,
        }
    }

    /// What a property is; none if it is nothing.
    pub(crate) fn get(&self, property: &Text) -> Result<Option<Value>, Status> {
        let mut value: *mut CFType = ptr::null_mut();
        let out = (&raw mut value).cast::<c_void>();
        // SAFETY: `out` is valid for the one pointer that is written to it.
        let status = unsafe { VTSessionCopyProperty(&self.session, &property.string(), None, out) };
        Status::check(status)?;
        // SAFETY: a function of the name Copy gives a reference that is ours to release.
        let value = NonNull::new(value).map(|value| unsafe { CFRetained::from_raw(value) });
        Ok(value.map(|value| Value::of(&value)))
    }

    /// The properties that there are by their names, with what is said of each: its type, whether it can be
    /// set, and to what.
    pub(crate) fn supported(&self) -> Result<Vec<(Text, Value)>, Status> {
        let mut properties: *const CFDictionary = ptr::null();
        let out = NonNull::from(&mut properties);
        // SAFETY: `out` is valid for the one pointer that is written to it.
        Status::check(unsafe { VTSessionCopySupportedPropertyDictionary(&self.session, out) })?;
        let Some(properties) = NonNull::new(properties.cast_mut()) else { return Ok(Vec::new()) };
        // SAFETY: as above.
        let properties = unsafe { CFRetained::from_raw(properties) };
        match Value::of(&properties) {
            Value::Dictionary(entries) => Ok(entries),
            _ => Ok(Vec::new()),
        }
    }

    /// Where the buffers for its frames come from.
    pub(crate) fn pool(&self) -> Option<Pool> {
        // SAFETY: it gives a reference of its own to what there is.
        unsafe { self.session.pixel_buffer_pool() }.map(Pool::new)
    }

    /// To be called when all properties are set.
    pub(crate) fn prepare(&self) -> Result<(), Status> {
        // SAFETY: there is nothing to it.
        Status::check(unsafe { self.session.prepare_to_encode_frames() })
    }

    /// Hands a frame over. The listener hears of it under this number, maybe before this returns. It waits
    /// while the encoder is full.
    pub(crate) fn encode(
        &self,
        buffer: &PixelBuffer,
        (time, duration): (Time, Time),
        keyframe: bool,
        number: usize,
    ) -> Result<(), Status> {
        let force = [(names::force_key_frame(), Value::Bool(true))];
        let properties = keyframe.then(|| dictionary(&force));
        // SAFETY: the dictionary has the types that VTCompressionProperties.h asks for; what comes back with
        // the frame is a number; what would be written to a null pointer is not.
        Status::check(unsafe {
            self.session.encode_frame(
                buffer.raw(),
                time.raw(),
                duration.raw(),
                properties.as_deref(),
                ptr::without_provenance_mut(number),
                ptr::null_mut(),
            )
        })
    }

    /// Waits until the listener has heard of every frame.
    pub(crate) fn complete(&self) -> Result<(), Status> {
        // SAFETY: there is nothing to it.
        Status::check(unsafe { self.session.complete_frames(Time::NONE.raw()) })
    }
}

impl Drop for Compression {
    fn drop(&mut self) {
        // SAFETY: it is not used afterwards.
        unsafe { self.session.invalidate() };
        LISTENERS.remove(self.listener);
    }
}

static LISTENERS: Listeners<dyn Fn(usize, Output<'_>) + Send + Sync> = Listeners::new();

unsafe extern "C-unwind" fn output(
    listener: *mut c_void,
    frame: *mut c_void,
    status: i32,
    flags: VTEncodeInfoFlags,
    sample: *mut CMSampleBuffer,
) {
    let Some(listener) = LISTENERS.get(listener.addr()) else { return };
    let tell = |output| {
        // Nothing of ours may unwind into VideoToolbox.
        catch_unwind(AssertUnwindSafe(|| listener(frame.addr(), output))).is_ok()
    };
    // SAFETY: a sample that is given is there until this returns.
    let sample = unsafe { sample.as_ref() };
    let told = match (Status::check(status), sample) {
        (Err(status), _) => tell(Output::Failed(status)),
        (Ok(()), _) if flags.contains(VTEncodeInfoFlags::FrameDropped) => tell(Output::Dropped),
        (Ok(()), Some(sample)) => tell(Output::Sample(Sample(sample))),
        (Ok(()), None) => tell(Output::Dropped),
    };
    if !told {
        tell(Output::Panicked);
    }
}
