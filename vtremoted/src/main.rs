//! `vtremoted`: see `vtremoted --help`.

use clap::Parser;
use std::process::ExitCode;
use vtremoted::{Arguments, backends, start};

fn main() -> ExitCode {
    start(Arguments::parse(), backends)
}
