//! The calls on an encoder.
#![allow(unsafe_code)]
// Every function's contract is the header's: pointers are NULL or valid for what they are for.
#![allow(clippy::missing_safety_doc)]

use std::ffi::{c_char, c_void};
use std::ptr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use vtremote_client::{Encoder, Error, Frame, InputFormat, Received, Sent, Video};
use vtremote_proto::PixelFormat;

use crate::call::{self, Handle, guard, misuse};
use crate::functions::log_sink;
use crate::pointers::{self, LentPicture};
use crate::types::*;

/// Runs a call on an encoder.
///
/// # Safety
/// `encoder` is NULL or open.
unsafe fn on_encoder(
    encoder: *const vtremote_encoder,
    run: impl FnOnce(&mut Encoder) -> Result<vtremote_status, Error>,
) -> vtremote_status {
    // SAFETY: by contract. Everything behind it that changes is behind a lock.
    call::on(unsafe { encoder.as_ref() }.map(|encoder| &encoder.inner), run)
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
    let open = || {
        // SAFETY: by contract.
        let settings = unsafe { vtremote_options::settings(options) }?;
        // SAFETY: by contract.
        let video = unsafe { pointers::sized(video) }
            .ok_or_else(|| misuse("the video is NULL or its size is not this library's"))?;
        let opened = Encoder::open(&settings, &video_of(video)?, log_sink(log, log_opaque))?;
        let extradata = opened.extradata().to_vec();
        Ok(vtremote_encoder { inner: Mutex::new(Handle::new(opened)), extradata })
    };
    // SAFETY: by contract.
    unsafe { call::open(encoder, error, error_size, open) }
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
    let time_base = call::time_base(video.time_base_num, video.time_base_den)?;
    let frame_rate = call::rational("frame rate", video.frame_rate_num, video.frame_rate_den)?;
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
    // SAFETY: by contract.
    call::error_line(unsafe { encoder.as_ref() }.map(|encoder| &encoder.inner))
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
        pointers::fill_info(place, &encoder.info());
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
