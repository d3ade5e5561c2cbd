//! VTDecompressionSession.

use super::cf::{Text, Value, dictionary};
use super::listeners::Listeners;
use super::pixels::PixelBuffer;
use super::{CodedSample, FormatDescription, Status};
use objc2_core_foundation::CFRetained;
use objc2_core_media::{CMTime, kCMVideoCodecType_H264, kCMVideoCodecType_HEVC};
use objc2_core_video::CVImageBuffer;
use objc2_video_toolbox::{
    VTDecodeFrameFlags, VTDecodeInfoFlags, VTDecompressionOutputCallbackRecord,
    VTDecompressionSession, VTIsHardwareDecodeSupported,
};
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use vtremote_backend::Codec;

/// What became of a picture that was given to a decoder.
pub(crate) enum Decoded {
    Picture(PixelBuffer),
    /// There is none: it was not to be shown, or the decoder dropped it.
    Nothing,
    Failed(Status),
}

/// Whoever was told what became of a picture panicked.
pub(crate) struct Panicked;

/// Hears what became of each picture, by the number it was given. Called from threads of VideoToolbox, or
/// from within [`Decompression::decode`].
pub(crate) type DecodedListener = Arc<Hears>;

type Hears = dyn Fn(u64, Result<Decoded, Panicked>) + Send + Sync;

static LISTENERS: Listeners<Hears> = Listeners::new();

/// A decoder. Dropping it waits for what is in it, and then the listener hears nothing more.
pub(crate) struct Decompression {
    session: CFRetained<VTDecompressionSession>,
    listener: usize,
}

// SAFETY: a session may be used from any thread; this type is moved between threads and not shared.
unsafe impl Send for Decompression {}

impl Decompression {
    /// For a stream of this format, to pictures with these attributes.
    pub(crate) fn new(
        format: &FormatDescription,
        specification: &[(Text, Value)],
        pictures: &[(Text, Value)],
        listener: DecodedListener,
    ) -> Result<Self, Status> {
        let listener = LISTENERS.add(listener);
        let callback = VTDecompressionOutputCallbackRecord {
            decompressionOutputCallback: Some(decoded),
            decompressionOutputRefCon: ptr::without_provenance_mut(listener),
        };
        let mut session = ptr::null_mut();
        // SAFETY: the dictionaries have the types that VTDecompressionSession.h asks for, `decoded` has the
        // callback's, what it is given back is a number, and `session` is valid for the one pointer that is
        // written to it.
        let status = unsafe {
            VTDecompressionSession::create(
                None,
                format.raw(),
                Some(&dictionary(specification)),
                Some(&dictionary(pictures)),
                &callback,
                NonNull::from(&mut session),
            )
        };
        if let (0, Some(session)) = (status, NonNull::new(session)) {
            // SAFETY: a function of the name Create gives a reference that is ours to release.
            let session = unsafe { CFRetained::from_raw(session) };
            return Ok(Decompression { session, listener });
        }
        LISTENERS.remove(listener);
        Err(Status::check(status).err().unwrap_or(Status::ALLOCATION_FAILED))
    }

    /// Whether it can go on with pictures of this format.
    pub(crate) fn accepts(&self, format: &FormatDescription) -> bool {
        // SAFETY: there is nothing to it.
        unsafe { self.session.can_accept_format_description(format.raw()) }
    }

    /// Hands a picture over; it waits while the decoder is full. The listener hears of it under this number,
    /// maybe before this returns, but not if this is an error. One that is not `shown` is decoded for others
    /// to refer to.
    ///
    /// No picture is held back until others come: a decoder may do that only if it is told that it may.
    pub(crate) fn decode(
        &self,
        sample: &CodedSample,
        number: u64,
        shown: bool,
    ) -> Result<(), Status> {
        let mut flags = VTDecodeFrameFlags::Frame_EnableAsynchronousDecompression;
        if !shown {
            flags |= VTDecodeFrameFlags::Frame_DoNotOutputFrame;
        }
        let number = ptr::without_provenance_mut(number as usize);
        // SAFETY: what comes back with the picture is a number; what would be written to a null pointer is
        // not.
        Status::check(unsafe {
            self.session.decode_frame(sample.raw(), flags, number, ptr::null_mut())
        })
    }

    /// Waits until the listener has heard of every picture, those included that were held back.
    pub(crate) fn finish(&self) -> Result<(), Status> {
        // SAFETY: there is nothing to it.
        Status::check(unsafe { self.session.wait_for_asynchronous_frames() })
    }
}

impl Drop for Decompression {
    fn drop(&mut self) {
        // SAFETY: there is nothing to it. One that was lost has nothing to wait for, and says so.
        let _ = unsafe { self.session.wait_for_asynchronous_frames() };
        // SAFETY: it is not used afterwards.
        unsafe { self.session.invalidate() };
        LISTENERS.remove(self.listener);
    }
}

/// Whether this machine has hardware that decodes.
pub(crate) fn decodes_in_hardware(codec: Codec) -> bool {
    let codec = match codec {
        Codec::H264 => kCMVideoCodecType_H264,
        Codec::H265 => kCMVideoCodecType_HEVC,
    };
    // SAFETY: any codec may be asked for.
    unsafe { VTIsHardwareDecodeSupported(codec) }
}

unsafe extern "C-unwind" fn decoded(
    listener: *mut c_void,
    number: *mut c_void,
    status: i32,
    _: VTDecodeInfoFlags,
    image: *mut CVImageBuffer,
    _: CMTime,
    _: CMTime,
) {
    let Some(listener) = LISTENERS.get(listener.addr()) else { return };
    let tell = |decoded| {
        // Nothing of ours may unwind into VideoToolbox.
        catch_unwind(AssertUnwindSafe(|| listener(number.addr() as u64, decoded))).is_ok()
    };
    // SAFETY: a picture that is given is there until this returns.
    let image = unsafe { image.as_ref() };
    let decoded = match (Status::check(status), image) {
        (Err(status), _) => Decoded::Failed(status),
        (Ok(()), Some(image)) => Decoded::Picture(PixelBuffer::retain(image)),
        (Ok(()), None) => Decoded::Nothing,
    };
    if !tell(Ok(decoded)) {
        tell(Err(Panicked));
    }
}
