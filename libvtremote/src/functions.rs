//! The calls that belong to no session: versions, texts, options.
#![allow(unsafe_code)]
// Every function's contract is the header's: pointers are NULL or valid for what they are for.
#![allow(clippy::missing_safety_doc)]

use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr;
use std::sync::{Arc, Mutex, PoisonError};

use vtremote_client::{Error, LogSink, Settings};

use crate::call::{guard, misuse};
use crate::pointers::{self, Log};
use crate::status;
use crate::types::*;

/// What stands behind `vtremote_options`.
#[derive(Default)]
pub(crate) struct Setting {
    settings: Settings,
    error: CString,
}

impl vtremote_options {
    /// What has been set so far.
    ///
    /// # Safety
    /// `options` is NULL or what `vtremote_options_new` gave.
    pub(crate) unsafe fn settings(options: *const Self) -> Result<Settings, Error> {
        // SAFETY: by contract.
        let options = unsafe { options.as_ref() }.ok_or_else(|| misuse("options are NULL"))?;
        Ok(options.inner.lock().unwrap_or_else(PoisonError::into_inner).settings.clone())
    }
}

/// The caller's callback for lines of the log.
pub(crate) fn log_sink(function: vtremote_log_fn, opaque: *mut c_void) -> Option<Arc<LogSink>> {
    Log::new(function, opaque).map(|log| -> Arc<LogSink> {
        Arc::new(move |level, message: &str| log.line(level as i32, message))
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headers_version_is_the_packages() {
        let numbers = [VTREMOTE_VERSION_MAJOR, VTREMOTE_VERSION_MINOR, VTREMOTE_VERSION_PATCH];
        assert_eq!(numbers.map(|n| n.to_string()).join("."), env!("CARGO_PKG_VERSION"));
        assert_eq!(vtremote_version(), 0x00_01_00);
    }
}
