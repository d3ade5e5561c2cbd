//! `vtremoted`: see `vtremoted --help`.

use clap::Parser;
use std::process::ExitCode;
use vtremoted::{Arguments, backends, run};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(service) = arguments.service() {
        return service.run();
    }
    let log_file = arguments.log_file().map(ToOwned::to_owned);
    let served = arguments.resolve().and_then(|settings| {
        let backends = backends(&settings)?;
        run(&settings, &backends)
    });
    match served {
        Ok(exit) => exit.into(),
        Err(error) => {
            // Nobody may be there to read standard error.
            if let Some(path) = log_file {
                error.log_to(&path);
            }
            error.report()
        }
    }
}
