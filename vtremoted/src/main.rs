//! `vtremoted`: see `vtremoted --help`.

use clap::Parser;
use std::process::ExitCode;
use vtremoted::{Arguments, backends, run};

fn main() -> ExitCode {
    let settings = match Arguments::parse().resolve() {
        Ok(settings) => settings,
        Err(error) => return error.report(),
    };
    match backends(&settings).and_then(|backends| run(&settings, &backends)) {
        Ok(exit) => exit.into(),
        Err(error) => error.report(),
    }
}
