use super::av;
use std::ffi::CString;
use std::ptr;

/// An AVDictionary.
pub(super) struct Options(pub(super) *mut av::AVDictionary);

impl Options {
    pub(super) fn new(pairs: &[(&str, String)]) -> Self {
        let mut options = Options(ptr::null_mut());
        for (name, value) in pairs {
            let (name, value) = (CString::new(*name), CString::new(value.as_str()));
            let (name, value) = (name.expect("no NUL"), value.expect("no NUL"));
            // SAFETY: both strings are terminated and are copied.
            let code = unsafe { av::av_dict_set(&mut options.0, name.as_ptr(), value.as_ptr(), 0) };
            assert!(code >= 0, "av_dict_set");
        }
        options
    }
}

impl Drop for Options {
    fn drop(&mut self) {
        // SAFETY: the dictionary is ours or null.
        unsafe { av::av_dict_free(&mut self.0) };
    }
}
