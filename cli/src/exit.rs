//! Exit codes: one for each kind of failure, the same for every command.

use std::process::ExitCode;

use vtremote_client::ErrorKind;

/// What help says about them.
pub(crate) const HELP: &str = "\
Exit codes:
  0  everything was well
  1  a defect in vtremote, or no memory
  2  the command line or the environment is wrong
  3  no connection, or it was lost
  4  no answer in time
  5  the token is wrong, or one is wanted
  6  the server is full
  7  the server refuses codec, format or option
  8  not a vtremoted, or a broken one
  9  the remote encoder failed";

pub(crate) fn code(kind: ErrorKind) -> ExitCode {
    ExitCode::from(match kind {
        ErrorKind::Internal | ErrorKind::Memory | ErrorKind::Usage => 1,
        ErrorKind::Option => 2,
        ErrorKind::Network => 3,
        ErrorKind::Timeout => 4,
        ErrorKind::Token => 5,
        ErrorKind::Full => 6,
        ErrorKind::Refused => 7,
        ErrorKind::Protocol => 8,
        ErrorKind::Remote => 9,
    })
}
