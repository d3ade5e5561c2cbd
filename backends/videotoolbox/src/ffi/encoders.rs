//! The list of a machine's encoders.

use super::status::Status;
use objc2_core_foundation::{
    CFArray, CFBoolean, CFDictionary, CFNumber, CFRetained, CFString, CFType,
};
use objc2_video_toolbox::{
    VTCopyVideoEncoderList, kVTVideoEncoderList_CodecType, kVTVideoEncoderList_EncoderID,
    kVTVideoEncoderList_IsHardwareAccelerated,
};
use std::ptr::{self, NonNull};

/// One encoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EncoderInfo {
    /// Four characters.
    pub(crate) codec: u32,
    /// As Apple names it: `com.apple.videotoolbox.videoencoder.ave.avc`.
    pub(crate) id: String,
    pub(crate) hardware: bool,
}

/// All encoders of this machine.
pub(crate) fn encoders() -> Result<Vec<EncoderInfo>, Status> {
    let mut list = ptr::null();
    // SAFETY: `list` is valid for the one pointer that is written to it.
    Status::check(unsafe { VTCopyVideoEncoderList(None, NonNull::from(&mut list)) })?;
    let list = NonNull::new(list.cast_mut()).ok_or(Status::ALLOCATION_FAILED)?;
    // SAFETY: a function of the name Copy gives a reference that is ours to release, here to an array of
    // objects.
    let list = unsafe { CFRetained::from_raw(list.cast::<CFArray<CFType>>()) };
    Ok(list.iter().filter_map(|entry| describe(&entry)).collect())
}

fn describe(entry: &CFType) -> Option<EncoderInfo> {
    let entry: *const CFDictionary = entry.downcast_ref::<CFDictionary>()?;
    // SAFETY: it is a dictionary, with strings for keys and objects for values (VTVideoEncoderList.h).
    let entry = unsafe { &*entry.cast::<CFDictionary<CFString, CFType>>() };
    // SAFETY: constants of the framework, which it has set before this program started.
    let (codec, id, hardware) = unsafe {
        (
            entry.get(kVTVideoEncoderList_CodecType)?,
            entry.get(kVTVideoEncoderList_EncoderID)?,
            entry.get(kVTVideoEncoderList_IsHardwareAccelerated),
        )
    };
    let hardware = hardware.and_then(|value| Some(value.downcast_ref::<CFBoolean>()?.as_bool()));
    Some(EncoderInfo {
        codec: codec.downcast_ref::<CFNumber>()?.as_i64()? as u32,
        id: id.downcast_ref::<CFString>()?.to_string(),
        hardware: hardware.unwrap_or(false),
    })
}
