//! The daemon over the double without a client: what it says at its start, and its self-test.

use std::path::Path;
use std::process::Command;
use vtremote_tests::Daemon;

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_vtremoted-over-double"))
}

#[test]
fn what_is_not_found_at_the_start_is_in_the_log() {
    let daemon = Daemon::over_double(program(), "machine=intel", &[]);
    // A line of the log, which is JSON here.
    let line = daemon.says("VideoToolbox: H.265 from p010le: ");
    assert!(line.starts_with('{') && line.contains(r#""level":"WARN""#), "{line}");
}
