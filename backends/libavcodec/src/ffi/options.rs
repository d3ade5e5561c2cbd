use super::{AvError, av};
use std::ffi::{CStr, CString};
use std::ptr;

/// An AVDictionary: what a codec is opened with, and afterwards what it did not know.
pub(super) struct Options(pub(super) *mut av::AVDictionary);

impl Default for Options {
    fn default() -> Self {
        Options(ptr::null_mut())
    }
}

impl Options {
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<(), AvError> {
        let invalid = |_| AvError::text(format!("option {name} contains a NUL"));
        let key = CString::new(name).map_err(invalid)?;
        let value = CString::new(value).map_err(invalid)?;
        // SAFETY: both strings are terminated and are copied.
        match unsafe { av::av_dict_set(&mut self.0, key.as_ptr(), value.as_ptr(), 0) } {
            0.. => Ok(()),
            code => Err(AvError::new(code, None)),
        }
    }

    pub(super) fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        let mut entry = ptr::null();
        loop {
            // SAFETY: the dictionary is valid or null, the entry null or the one before; the empty
            // key with IGNORE_SUFFIX matches every entry.
            unsafe {
                entry = av::av_dict_get(self.0, c"".as_ptr(), entry, av::AV_DICT_IGNORE_SUFFIX);
                if entry.is_null() {
                    return names;
                }
                names.push(CStr::from_ptr((*entry).key).to_string_lossy().into_owned());
            }
        }
    }
}

impl Drop for Options {
    fn drop(&mut self) {
        // SAFETY: the dictionary is ours or null.
        unsafe { av::av_dict_free(&mut self.0) };
    }
}
