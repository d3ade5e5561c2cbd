//! The calls on a decoder.
#![allow(unsafe_code)]
// Every function's contract is the header's: pointers are NULL or valid for what they are for.
#![allow(clippy::missing_safety_doc)]

use std::ffi::{c_char, c_void};
use std::sync::Mutex;
use std::time::Duration;

use vtremote_client::{AccessUnit, Decoder, Error, ReceivedPicture, SentPacket, Stream};

use crate::call::{self, Handle, guard, misuse};
use crate::functions::log_sink;
use crate::pointers;
use crate::types::*;

/// Runs a call on a decoder.
///
/// # Safety
/// `decoder` is NULL or open.
unsafe fn on_decoder(
    decoder: *const vtremote_decoder,
    run: impl FnOnce(&mut Decoder) -> Result<vtremote_status, Error>,
) -> vtremote_status {
    // SAFETY: by contract. Everything behind it that changes is behind a lock.
    call::on(unsafe { decoder.as_ref() }.map(|decoder| &decoder.inner), run)
}

/// Connects, shakes hands and configures, as vtremote_encoder_open: what can be refused is refused here.
/// Of the options those of an encoder are VTREMOTE_ERROR_OPTION. Without extradata the session begins
/// with the first access unit that has parameter sets, and so do then such refusals.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vtremote_decoder_open(
    options: *const vtremote_options,
    stream: *const vtremote_stream,
    log: vtremote_log_fn,
    log_opaque: *mut c_void,
    decoder: *mut *mut vtremote_decoder,
    error: *mut c_char,
    error_size: usize,
) -> vtremote_status {
    let open = || {
        // SAFETY: by contract.
        let settings = unsafe { vtremote_options::settings(options) }?;
        // SAFETY: by contract.
        let stream = unsafe { pointers::sized(stream) }
            .ok_or_else(|| misuse("the stream is NULL or its size is not this library's"))?;
        // SAFETY: by contract.
        let extradata = unsafe { pointers::bytes(stream.extradata, stream.extradata_size) }
            .ok_or_else(|| misuse("the extradata are NULL or too many bytes"))?;
        let stream = Stream {
            width: stream.width,
            height: stream.height,
            time_base: call::time_base(stream.time_base_num, stream.time_base_den)?,
            frame_rate: call::rational("frame rate", stream.frame_rate_num, stream.frame_rate_den)?,
            extradata: extradata.to_vec(),
        };
        let opened = Decoder::open(&settings, &stream, log_sink(log, log_opaque))?;
        Ok(vtremote_decoder { inner: Mutex::new(Handle::new(opened)) })
    };
    // SAFETY: by contract.
    unsafe { call::open(decoder, error, error_size, open) }
}

/// Gives the decoder an access unit, in decoding order. Never waits but to connect, with the first and
/// after a reset.
///
/// VTREMOTE_OK: it is taken. VTREMOTE_AGAIN: there is no room; keep it, call receive, try again. Else it
/// was not taken either.
///
/// NULL instead of an access unit says that there are no more. Saying it again changes nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vtremote_decoder_send_packet(
    decoder: *mut vtremote_decoder,
    unit: *const vtremote_access_unit,
) -> vtremote_status {
    let send = |decoder: &mut Decoder| {
        if unit.is_null() {
            return decoder.flush().map(|()| VTREMOTE_OK);
        }
        // SAFETY: by contract.
        let unit = unsafe { pointers::sized(unit) }
            .ok_or_else(|| misuse("an access unit's size is not this library's"))?;
        let refuse = |problem: String| {
            let time = if unit.pts == VTREMOTE_NO_PTS { unit.dts } else { unit.pts };
            misuse(match time {
                VTREMOTE_NO_PTS => format!("an access unit without pts: {problem}"),
                time => format!("the access unit at {time}: {problem}"),
            })
        };
        if unit.flags & !VTREMOTE_PACKET_KEY != 0 {
            return Err(refuse(format!("flags {:#x} are unknown", unit.flags)));
        }
        // SAFETY: by contract.
        let data = unsafe { pointers::bytes(unit.data, unit.data_size) }
            .filter(|data| !data.is_empty())
            .ok_or_else(|| refuse("its data are NULL, empty or too many bytes".to_owned()))?;
        // SAFETY: by contract.
        let side_data = unsafe { pointers::side_data(unit.side_data, unit.side_data_count) }
            .ok_or_else(|| refuse("its side data are NULL, or too many or too large".to_owned()))?;
        let time = |ticks: i64| (ticks != VTREMOTE_NO_PTS).then_some(ticks);
        let sent = decoder.send_packet(AccessUnit {
            pts: time(unit.pts),
            dts: time(unit.dts),
            duration: unit.duration,
            keyframe: unit.flags & VTREMOTE_PACKET_KEY != 0,
            data: data.to_vec(),
            side_data,
        })?;
        Ok(match sent {
            SentPacket::Taken => VTREMOTE_OK,
            SentPacket::Full(_) => VTREMOTE_AGAIN,
        })
    };
    // SAFETY: by contract.
    unsafe { on_decoder(decoder, send) }
}

/// Waits for a picture up to `timeout_ms`; 0 only looks, and with a negative one the session's own
/// deadlines are the end: with room for more packets, that may be as long as the decoder wants to see
/// more of them.
///
/// VTREMOTE_OK: `*picture` is the next in the order of showing, to be given to vtremote_picture_unref.
/// VTREMOTE_AGAIN: none in time; also at once where the last send_packet answered AGAIN and there is room
/// for that packet now. VTREMOTE_EOF: that was the last one. An error comes once every picture that
/// arrived before it has been handed over. Except for OK the picture is empty.
///
/// Not every packet becomes a picture: damaged ones may not, and of fields two make one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vtremote_decoder_receive_picture(
    decoder: *mut vtremote_decoder,
    picture: *mut vtremote_picture,
    timeout_ms: i32,
) -> vtremote_status {
    // SAFETY: by contract.
    let mut place = unsafe { pointers::sized_mut(picture) };
    if let Some(picture) = &mut place {
        **picture = pointers::no_picture();
    }
    let receive = |decoder: &mut Decoder| {
        let place =
            place.ok_or_else(|| misuse("the picture is NULL or its size is not this library's"))?;
        let patience = u64::try_from(timeout_ms).ok().map(Duration::from_millis);
        Ok(match decoder.receive_picture(patience)? {
            ReceivedPicture::Picture(received) => {
                *place = pointers::lend_picture(received);
                VTREMOTE_OK
            }
            ReceivedPicture::Nothing => VTREMOTE_AGAIN,
            ReceivedPicture::End => VTREMOTE_EOF,
        })
    };
    // SAFETY: by contract.
    unsafe { on_decoder(decoder, receive) }
}

/// Gives a picture's memory back and empties it; an empty one stays as it is. NULL is fine. May come
/// after close, and from any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vtremote_picture_unref(picture: *mut vtremote_picture) {
    // SAFETY: by contract.
    if let Some(picture) = unsafe { pointers::sized_mut(picture) } {
        // SAFETY: it came from receive_picture, which fills in `internal` always.
        guard((), || unsafe { pointers::take_picture_back(picture) });
    }
}

/// Forgets every packet and picture that is under way, an end and a failure too, for a seek: the next
/// packet begins anew, and should be a keyframe. Pictures that have been handed over stay valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vtremote_decoder_reset(decoder: *mut vtremote_decoder) -> vtremote_status {
    // SAFETY: by contract.
    unsafe {
        on_decoder(decoder, |decoder| {
            decoder.reset();
            Ok(VTREMOTE_OK)
        })
    }
}

/// One line about the last call that failed: what failed and what to do. "" if none has. Valid until
/// the next call on the decoder.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vtremote_decoder_error(decoder: *const vtremote_decoder) -> *const c_char {
    // SAFETY: by contract.
    call::error_line(unsafe { decoder.as_ref() }.map(|decoder| &decoder.inner))
}

/// Fills in `*info`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vtremote_decoder_info(
    decoder: *const vtremote_decoder,
    info: *mut vtremote_info,
) -> vtremote_status {
    let fill = |decoder: &mut Decoder| {
        // SAFETY: by contract.
        let place = unsafe { pointers::sized_mut(info) }
            .ok_or_else(|| misuse("the info is NULL or its size is not this library's"))?;
        pointers::fill_info(place, &decoder.info());
        Ok(VTREMOTE_OK)
    };
    // SAFETY: by contract.
    unsafe { on_decoder(decoder, fill) }
}

/// Ends the session at once if it is not over, and joins its threads; when it returns no callback is
/// running, and none will come. Pictures stay valid. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vtremote_decoder_close(decoder: *mut vtremote_decoder) {
    if !decoder.is_null() {
        // SAFETY: vtremote_decoder_open made it of a box, and it is not used again.
        guard((), || drop(unsafe { Box::from_raw(decoder) }));
    }
}
