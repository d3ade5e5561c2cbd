//! `vtremoted`: see `vtremoted --help`.

use clap::Parser;
use std::process::ExitCode;
use vtremoted::{Arguments, backends, run, self_test};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(service) = arguments.service() {
        return service.run();
    }
    let log_file = arguments.log_file().map(ToOwned::to_owned);
    let tested = arguments.self_test();
    let ended = arguments.resolve().and_then(|settings| {
        if tested {
            return self_test(&settings);
        }
        let backends = backends(&settings)?;
        run(&settings, &backends).map(ExitCode::from)
    });
    match ended {
        Ok(code) => code,
        Err(error) => {
            // Nobody may be there to read standard error.
            if let Some(path) = log_file {
                error.log_to(&path);
            }
            error.report()
        }
    }
}
