//! The calls.
#![allow(unsafe_code)]
// Every function's contract is the header's: pointers are NULL or valid for what they are for.
#![allow(clippy::missing_safety_doc)]

use std::ffi::{CStr, CString, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::Duration;

use vtremote_client::{Encoder, Error, Frame, InputFormat, Received, Sent, Settings, Video};
use vtremote_proto::{PixelFormat, Rational};

use crate::pointers::{self, LentPicture, Log};
use crate::status;
use crate::types::*;

/// What stands behind `vtremote_options`.
#[derive(Default)]
pub(crate) struct Setting {
    settings: Settings,
    error: CString,
}

/// What stands behind `vtremote_encoder`.
pub(crate) struct Handle {
    encoder: Encoder,
    error: CString,
}

/// Runs `call`; a panic in it ends here, as `otherwise`.
fn guard<T>(otherwise: T, call: impl FnOnce() -> T) -> T {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(value) => value,
        Err(payload) => {
            // Dropping it could panic again.
            std::mem::forget(payload);
            otherwise
        }
    }
}

/// Runs a call on an encoder, and keeps the line about what went wrong.
///
/// # Safety
/// `encoder` is NULL or open.
unsafe fn on_encoder(
    encoder: *const vtremote_encoder,
    call: impl FnOnce(&mut Encoder) -> Result<vtremote_status, Error>,
) -> vtremote_status {
    // SAFETY: by contract. Everything behind it that changes is behind a lock.
    let Some(encoder) = (unsafe { encoder.as_ref() }) else { return VTREMOTE_ERROR_INVALID };
    guard(VTREMOTE_ERROR_INTERNAL, || {
        let mut handle = match encoder.inner.try_lock() {
            Ok(handle) => handle,
            Err(TryLockError::Poisoned(handle)) => handle.into_inner(),
            // Another thread is in a call, or this one is in a callback.
            Err(TryLockError::WouldBlock) => return VTREMOTE_ERROR_INVALID,
        };
        match call(&mut handle.encoder) {
            Ok(status) => status,
            Err(error) => {
                handle.error = pointers::line(&error.to_string());
                status::of(&error)
            }
        }
    })
}

fn misuse(problem: impl Into<String>) -> Error {
    Error::Usage(problem.into())
}

/// The version of the library that is loaded: major << 16 | minor << 8 | patch.
#[unsafe(no_mangle)]
pub extern "C" fn vtremote_version() -> u32 {
    VTREMOTE_VERSION_MAJOR << 16 | VTREMOTE_VERSION_MINOR << 8 | VTREMOTE_VERSION_PATCH
}

/// The same as text. Static.
#[unsafe(no_mangle)]
pub extern "C" fn vtremote_version_string() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}

/// What a status means, in a few words. Static, never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn vtremote_status_string(status: vtremote_status) -> *const c_char {
    status::text(status).as_ptr()
}

/// Options that are all at their defaults. To be freed with vtremote_options_free.
#[unsafe(no_mangle)]
pub extern "C" fn vtremote_options_new() -> *mut vtremote_options {
    guard(ptr::null_mut(), || Box::into_raw(Box::new(vtremote_options { inner: Mutex::default() })))
}

/// Sets an option. Of an unknown key, and of a value that does not parse, nothing is changed, the answer
/// is VTREMOTE_ERROR_OPTION, and vtremote_options_error says what is wrong.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vtremote_options_set(
    options: *mut vtremote_options,
    key: *const c_char,
    value: *const c_char,
) -> vtremote_status {
    // SAFETY: by contract.
    let Some(options) = (unsafe { options.as_ref() }) else { return VTREMOTE_ERROR_INVALID };
    guard(VTREMOTE_ERROR_INTERNAL, || {
        let mut options = options.inner.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: by contract.
        let (key, value) = unsafe { (pointers::text(key), pointers::text(value)) };
        let set = match (key, value) {
            (Some(key), Some(value)) => options.settings.set(key, value),
            _ => Err(misuse("an option's key or value is NULL or not UTF-8")),
        };
        match set {
            Ok(()) => VTREMOTE_OK,
            Err(error) => {
                options.error = pointers::line(&error.to_string());
                status::of(&error)
            }
        }
    })
}

/// One line about the last vtremote_options_set that failed; "" if none has. Valid until the next call
/// on these options.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vtremote_options_error(options: *const vtremote_options) -> *const c_char {
    const NONE: &CStr = c"";
    // SAFETY: by contract.
    let Some(options) = (unsafe { options.as_ref() }) else { return NONE.as_ptr() };
    options.inner.lock().unwrap_or_else(PoisonError::into_inner).error.as_ptr()
}

/// Frees options. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vtremote_options_free(options: *mut vtremote_options) {
    if !options.is_null() {
        // SAFETY: vtremote_options_new made it of a box, and it is not used again.
        guard((), || drop(unsafe { Box::from_raw(options) }));
    }
}

/// Connects, shakes hands and configures: what can be refused is refused here. On failure `*encoder`
/// is NULL, and `error`, unless it is NULL, holds one line that names host, cause and remedy, cut to
/// `error_size` bytes. The options may be freed afterwards. `log` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vtremote_encoder_open(
    options: *const vtremote_options,
    video: *const vtremote_video,
    log: vtremote_log_fn,
    log_opaque: *mut c_void,
    encoder: *mut *mut vtremote_encoder,
    error: *mut c_char,
    error_size: usize,
) -> vtremote_status {
    if !encoder.is_null() {
        // SAFETY: by contract.
        unsafe { encoder.write(ptr::null_mut()) };
    }
    let opened = guard(Err(Error::Internal("a panic while opening".to_owned())), || {
        if encoder.is_null() {
            return Err(misuse("the place for the encoder is NULL"));
        }
        // SAFETY: by contract.
        let options = unsafe { options.as_ref() }.ok_or_else(|| misuse("options are NULL"))?;
        // SAFETY: by contract.
        let video = unsafe { pointers::sized(video) }
            .ok_or_else(|| misuse("the video is NULL or its size is not this library's"))?;
        let settings = {
            let options = options.inner.lock().unwrap_or_else(PoisonError::into_inner);
            options.settings.clone()
        };
        let log = Log::new(log, log_opaque).map(|log| -> Arc<vtremote_client::LogSink> {
            Arc::new(move |level, message: &str| log.line(level as i32, message))
        });
        Encoder::open(&settings, &video_of(video)?, log)
    });
    // SAFETY: by contract.
    let tell = |line: &str| unsafe { pointers::fill_buffer(error, error_size, line) };
    match opened {
        Ok(opened) => {
            tell("");
            let extradata = opened.extradata().to_vec();
            let inner = Mutex::new(Handle { encoder: opened, error: CString::default() });
            let opened = Box::new(vtremote_encoder { inner, extradata });
            // SAFETY: by contract; without it nothing would have been opened.
            unsafe { encoder.write(Box::into_raw(opened)) };
            VTREMOTE_OK
        }
        Err(failure) => {
            tell(&failure.to_string());
            status::of(&failure)
        }
    }
}

fn video_of(video: &vtremote_video) -> Result<Video, Error> {
    let format = match video.pix_fmt {
        VTREMOTE_PIX_NV12 => InputFormat::Wire(PixelFormat::Nv12),
        VTREMOTE_PIX_P010LE => InputFormat::Wire(PixelFormat::P010),
        VTREMOTE_PIX_BGRA => InputFormat::Wire(PixelFormat::Bgra),
        VTREMOTE_PIX_AYUV => InputFormat::Wire(PixelFormat::Ayuv),
        VTREMOTE_PIX_P210LE => InputFormat::Wire(PixelFormat::P210),
        VTREMOTE_PIX_YUV420P => InputFormat::Yuv420p,
        VTREMOTE_PIX_YUV420P10LE => InputFormat::Yuv420p10,
        unknown => return Err(misuse(format!("pixel format {unknown} is unknown"))),
    };
    let rational = |what, num, den| match (u32::try_from(num), u32::try_from(den)) {
        (Ok(num), Ok(den)) => Ok(Rational { num, den }),
        _ => Err(misuse(format!("{what} {num}/{den} is negative"))),
    };
    let time_base = rational("time base", video.time_base_num, video.time_base_den)?;
    if time_base.den == 0 {
        return Err(misuse(format!("time base {}/0 is no number", time_base.num)));
    }
    let frame_rate = rational("frame rate", video.frame_rate_num, video.frame_rate_den)?;
    Ok(Video { width: video.width, height: video.height, format, time_base, frame_rate })
}

/// The parameter sets as Annex B with 4-byte start codes, and their length in `*size`; NULL and 0 if
/// the server told none. Valid until close.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vtremote_encoder_extradata(
    encoder: *const vtremote_encoder,
    size: *mut usize,
) -> *const u8 {
    // SAFETY: by contract.
    let extradata = unsafe { encoder.as_ref() }.map_or(&[][..], |encoder| &encoder.extradata);
    if !size.is_null() {
        // SAFETY: by contract.
        unsafe { size.write(extradata.len()) };
    }
    if extradata.is_empty() { ptr::null() } else { extradata.as_ptr() }
}

/// Gives the encoder a frame. Never waits.
///
/// VTREMOTE_OK: it is taken, and its planes must stay valid and unchanged until it is released.
/// VTREMOTE_AGAIN: there is no room; keep it, call receive, try again. Else it was not taken either.
///
/// NULL instead of a frame says that there are no more. Saying it again changes nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vtremote_encoder_send_frame(
    encoder: *mut vtremote_encoder,
    frame: *const vtremote_frame,
) -> vtremote_status {
    let send = |encoder: &mut Encoder| {
        if frame.is_null() {
            return encoder.flush().map(|()| VTREMOTE_OK);
        }
        // SAFETY: by contract.
        let frame = unsafe { pointers::sized(frame) }
            .ok_or_else(|| misuse("a frame's size is not this library's"))?;
        let refuse =
            |problem: String| misuse(format!("the frame with pts {}: {problem}", frame.pts));
        if frame.flags & !VTREMOTE_FRAME_KEY != 0 {
            return Err(refuse(format!("flags {:#x} are unknown", frame.flags)));
        }
        // SAFETY: by contract.
        let side_data = unsafe { pointers::side_data(frame.side_data, frame.side_data_count) }
            .ok_or_else(|| refuse("its side data are NULL, or too many or too large".to_owned()))?;
        // SAFETY: by contract.
        let picture = unsafe { LentPicture::new(frame, encoder.video()) }.map_err(refuse)?;
        let picture = Arc::new(picture);
        let sent = encoder.send_frame(Frame {
            pts: frame.pts,
            duration: frame.duration,
            keyframe: frame.flags & VTREMOTE_FRAME_KEY != 0,
            side_data,
            source: picture.clone(),
        })?;
        Ok(match sent {
            Sent::Taken => {
                // Our own reference keeps it from being dropped before this.
                picture.accept();
                VTREMOTE_OK
            }
            Sent::Full(_) => VTREMOTE_AGAIN,
        })
    };
    // SAFETY: by contract.
    unsafe { on_encoder(encoder, send) }
}

/// Waits for a packet up to `timeout_ms`; 0 only looks, and with a negative one the session's own
/// deadlines are the end: with frames outstanding and room for more, that may be as long as the encoder
/// wants to see more of them.
///
/// VTREMOTE_OK: `*packet` is it, to be given to vtremote_packet_unref. VTREMOTE_AGAIN: none in time;
/// also at once where the last send_frame answered AGAIN and there is room for that frame now, and where
/// no frame is left that a packet could come of. VTREMOTE_EOF: that was the last one. An error comes
/// once every packet that arrived before it has been handed over. Except for OK the packet is empty.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vtremote_encoder_receive_packet(
    encoder: *mut vtremote_encoder,
    packet: *mut vtremote_packet,
    timeout_ms: i32,
) -> vtremote_status {
    // SAFETY: by contract.
    let mut place = unsafe { pointers::sized_mut(packet) };
    if let Some(packet) = &mut place {
        **packet = pointers::no_packet();
    }
    let receive = |encoder: &mut Encoder| {
        let packet =
            place.ok_or_else(|| misuse("the packet is NULL or its size is not this library's"))?;
        let patience = u64::try_from(timeout_ms).ok().map(Duration::from_millis);
        Ok(match encoder.receive_packet(patience)? {
            Received::Packet(received) => {
                *packet = pointers::lend(received);
                VTREMOTE_OK
            }
            Received::Nothing => VTREMOTE_AGAIN,
            Received::End => VTREMOTE_EOF,
        })
    };
    // SAFETY: by contract.
    unsafe { on_encoder(encoder, receive) }
}

/// Gives a packet's memory back and empties it; an empty one stays as it is. NULL is fine. May come
/// after close, and from any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vtremote_packet_unref(packet: *mut vtremote_packet) {
    // SAFETY: by contract.
    if let Some(packet) = unsafe { pointers::sized_mut(packet) } {
        // SAFETY: it came from receive_packet, which fills in `internal` always.
        guard((), || unsafe { pointers::take_back(packet) });
    }
}

/// One line about the last call that failed: what failed and what to do. "" if none has. Valid until
/// the next call on the encoder.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vtremote_encoder_error(encoder: *const vtremote_encoder) -> *const c_char {
    const NONE: &CStr = c"";
    // SAFETY: by contract.
    let Some(encoder) = (unsafe { encoder.as_ref() }) else { return NONE.as_ptr() };
    match encoder.inner.try_lock() {
        Ok(handle) => handle.error.as_ptr(),
        Err(TryLockError::Poisoned(handle)) => handle.into_inner().error.as_ptr(),
        Err(TryLockError::WouldBlock) => NONE.as_ptr(),
    }
}

/// Fills in `*info`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vtremote_encoder_info(
    encoder: *const vtremote_encoder,
    info: *mut vtremote_info,
) -> vtremote_status {
    let fill = |encoder: &mut Encoder| {
        // SAFETY: by contract.
        let place = unsafe { pointers::sized_mut(info) }
            .ok_or_else(|| misuse("the info is NULL or its size is not this library's"))?;
        let info = encoder.info();
        pointers::fill(&mut place.server, &info.server);
        pointers::fill(&mut place.server_name, &info.server_name);
        pointers::fill(&mut place.server_version, &info.server_version);
        pointers::fill(&mut place.wire_compression, &info.compression.to_string());
        place.frames_sent = info.sent;
        place.packets_received = info.received;
        place.bytes_sent = info.bytes_sent;
        place.bytes_received = info.bytes_received;
        place.raw_bytes = info.raw_bytes;
        Ok(VTREMOTE_OK)
    };
    // SAFETY: by contract.
    unsafe { on_encoder(encoder, fill) }
}

/// Ends the session at once if it is not over, joins its threads, and releases every frame; when it
/// returns no callback is running, and none will come. Packets stay valid. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vtremote_encoder_close(encoder: *mut vtremote_encoder) {
    if !encoder.is_null() {
        // SAFETY: vtremote_encoder_open made it of a box, and it is not used again.
        guard((), || drop(unsafe { Box::from_raw(encoder) }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headers_version_is_the_packages() {
        let numbers = [VTREMOTE_VERSION_MAJOR, VTREMOTE_VERSION_MINOR, VTREMOTE_VERSION_PATCH];
        assert_eq!(numbers.map(|n| n.to_string()).join("."), env!("CARGO_PKG_VERSION"));
        assert_eq!(vtremote_version(), 0x00_01_00);
    }

    #[test]
    fn a_panic_becomes_an_answer() {
        assert_eq!(guard(VTREMOTE_ERROR_INTERNAL, || panic!("a test's panic")), -11);
    }

    #[test]
    fn a_time_base_must_be_a_number() {
        let video = vtremote_video {
            size: size_of::<vtremote_video>(),
            width: 2,
            height: 2,
            pix_fmt: VTREMOTE_PIX_NV12,
            time_base_num: 0,
            time_base_den: 1,
            frame_rate_num: 0,
            frame_rate_den: 0,
        };
        assert!(video_of(&video).is_ok());
        assert!(video_of(&vtremote_video { time_base_den: 0, ..video }).is_err());
        assert!(video_of(&vtremote_video { time_base_num: -1, ..video }).is_err());
        assert!(video_of(&vtremote_video { frame_rate_den: -1, ..video }).is_err());
        assert!(video_of(&vtremote_video { pix_fmt: 6, ..video }).is_err());
    }
}
