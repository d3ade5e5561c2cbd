//! What every call has around it: a panic boundary, and for those on a session its lock and its error.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::{Mutex, TryLockError};

use vtremote_client::Error;
use vtremote_proto::Rational;

use crate::pointers;
use crate::status;
use crate::types::{VTREMOTE_ERROR_INTERNAL, VTREMOTE_ERROR_INVALID, VTREMOTE_OK, vtremote_status};

/// What stands behind `vtremote_encoder` and `vtremote_decoder`.
pub(crate) struct Handle<S> {
    pub(crate) session: S,
    error: CString,
}

impl<S> Handle<S> {
    pub(crate) fn new(session: S) -> Self {
        Self { session, error: CString::default() }
    }
}

/// Runs `call`; a panic in it ends here, as `otherwise`.
pub(crate) fn guard<T>(otherwise: T, call: impl FnOnce() -> T) -> T {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(value) => value,
        Err(payload) => {
            // Dropping it could panic again. What that gives is not dropped.
            std::mem::forget(catch_unwind(AssertUnwindSafe(|| drop(payload))));
            otherwise
        }
    }
}

/// Runs a call on a session, and keeps the line about what went wrong. None is a NULL handle.
pub(crate) fn on<S>(
    handle: Option<&Mutex<Handle<S>>>,
    call: impl FnOnce(&mut S) -> Result<vtremote_status, Error>,
) -> vtremote_status {
    let Some(handle) = handle else { return VTREMOTE_ERROR_INVALID };
    guard(VTREMOTE_ERROR_INTERNAL, || {
        let mut handle = match handle.try_lock() {
            Ok(handle) => handle,
            Err(TryLockError::Poisoned(handle)) => handle.into_inner(),
            // Another thread is in a call, or this one is in a callback.
            Err(TryLockError::WouldBlock) => return VTREMOTE_ERROR_INVALID,
        };
        match call(&mut handle.session) {
            Ok(status) => status,
            Err(error) => {
                handle.error = pointers::line(&error.to_string());
                status::of(&error)
            }
        }
    })
}

/// The line that [`on`] has kept; "" if there is none. Valid until the next call on the handle.
pub(crate) fn error_line<S>(handle: Option<&Mutex<Handle<S>>>) -> *const c_char {
    const NONE: &CStr = c"";
    match handle.map(Mutex::try_lock) {
        Some(Ok(handle)) => handle.error.as_ptr(),
        Some(Err(TryLockError::Poisoned(handle))) => handle.into_inner().error.as_ptr(),
        Some(Err(TryLockError::WouldBlock)) | None => NONE.as_ptr(),
    }
}

/// Runs the opening of a session: `*place` is it, or NULL, and `error` has the line about why not.
///
/// # Safety
/// `place` is NULL or one for a pointer, `error` is NULL or has room for `error_size` bytes.
pub(crate) unsafe fn open<H>(
    place: *mut *mut H,
    error: *mut c_char,
    error_size: usize,
    open: impl FnOnce() -> Result<H, Error>,
) -> vtremote_status {
    if !place.is_null() {
        // SAFETY: by contract.
        unsafe { place.write(ptr::null_mut()) };
    }
    let opened = guard(Err(Error::Internal("a panic while opening".to_owned())), || {
        if place.is_null() {
            return Err(misuse("the place for the session is NULL"));
        }
        open().map(Box::new)
    });
    // SAFETY: by contract.
    let tell = |line: &str| unsafe { pointers::fill_buffer(error, error_size, line) };
    match opened {
        Ok(opened) => {
            tell("");
            // SAFETY: by contract; without it nothing would have been opened.
            unsafe { place.write(Box::into_raw(opened)) };
            VTREMOTE_OK
        }
        Err(failure) => {
            tell(&failure.to_string());
            status::of(&failure)
        }
    }
}

pub(crate) fn misuse(problem: impl Into<String>) -> Error {
    Error::Usage(problem.into())
}

/// A rational of C's, both parts at least 0.
pub(crate) fn rational(what: &str, num: i32, den: i32) -> Result<Rational, Error> {
    match (u32::try_from(num), u32::try_from(den)) {
        (Ok(num), Ok(den)) => Ok(Rational { num, den }),
        _ => Err(misuse(format!("{what} {num}/{den} is negative"))),
    }
}

/// A time base of C's.
pub(crate) fn time_base(num: i32, den: i32) -> Result<Rational, Error> {
    let time_base = rational("time base", num, den)?;
    if time_base.den == 0 {
        return Err(misuse(format!("time base {num}/0 is no number")));
    }
    Ok(time_base)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_answer() {
        assert_eq!(guard(VTREMOTE_ERROR_INTERNAL, || panic!("a test's panic")), -11);
    }
}
