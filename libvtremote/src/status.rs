//! Errors as numbers, and numbers as text.

use std::ffi::CStr;

use vtremote_client::{Error, ErrorKind};

use crate::types::{
    VTREMOTE_AGAIN, VTREMOTE_EOF, VTREMOTE_ERROR_AUTH, VTREMOTE_ERROR_BUSY,
    VTREMOTE_ERROR_INTERNAL, VTREMOTE_ERROR_INVALID, VTREMOTE_ERROR_MEMORY, VTREMOTE_ERROR_NETWORK,
    VTREMOTE_ERROR_OPTION, VTREMOTE_ERROR_PROTOCOL, VTREMOTE_ERROR_REFUSED, VTREMOTE_ERROR_REMOTE,
    VTREMOTE_ERROR_TIMEOUT, VTREMOTE_OK, vtremote_status,
};

pub(crate) fn of(error: &Error) -> vtremote_status {
    match error.kind() {
        ErrorKind::Usage => VTREMOTE_ERROR_INVALID,
        ErrorKind::Option => VTREMOTE_ERROR_OPTION,
        ErrorKind::Network => VTREMOTE_ERROR_NETWORK,
        ErrorKind::Timeout => VTREMOTE_ERROR_TIMEOUT,
        ErrorKind::Token => VTREMOTE_ERROR_AUTH,
        ErrorKind::Full => VTREMOTE_ERROR_BUSY,
        ErrorKind::Refused => VTREMOTE_ERROR_REFUSED,
        ErrorKind::Protocol => VTREMOTE_ERROR_PROTOCOL,
        ErrorKind::Remote => VTREMOTE_ERROR_REMOTE,
        ErrorKind::Memory => VTREMOTE_ERROR_MEMORY,
        ErrorKind::Internal => VTREMOTE_ERROR_INTERNAL,
    }
}

pub(crate) fn text(status: vtremote_status) -> &'static CStr {
    match status {
        VTREMOTE_OK => c"done",
        VTREMOTE_AGAIN => c"not now, try again",
        VTREMOTE_EOF => c"end of the stream",
        VTREMOTE_ERROR_INVALID => c"a call that is not allowed",
        VTREMOTE_ERROR_OPTION => c"an option that does not exist or cannot have this value",
        VTREMOTE_ERROR_NETWORK => c"no connection",
        VTREMOTE_ERROR_TIMEOUT => c"no answer in time",
        VTREMOTE_ERROR_AUTH => c"wrong token",
        VTREMOTE_ERROR_BUSY => c"the server is full",
        VTREMOTE_ERROR_REFUSED => c"refused by the server",
        VTREMOTE_ERROR_PROTOCOL => c"not a vtremote server, or a broken one",
        VTREMOTE_ERROR_REMOTE => c"the remote encoder failed",
        VTREMOTE_ERROR_MEMORY => c"out of memory",
        VTREMOTE_ERROR_INTERNAL => c"a defect in libvtremote",
        _ => c"an unknown status",
    }
}
