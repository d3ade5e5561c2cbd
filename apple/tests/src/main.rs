//! `vtremoted` with the VideoToolbox backend over the double, for tests with real clients and for its
//! self-test.
//!
//! `VTREMOTE_DOUBLE` says what the double is and what goes wrong, in the text form of
//! `vtremote_apple_double::Script`. At the end it fails if an object is alive, a pixel buffer locked or a
//! rule broken, and says which.
#![forbid(unsafe_code)]

use clap::Parser;
use std::process::ExitCode;
use std::sync::Arc;
use vtremote_apple_double::Double;
use vtremote_backend::Backend;
use vtremote_backend_videotoolbox::VideoToolbox;
use vtremoted::{Arguments, Error, start};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let script = std::env::var("VTREMOTE_DOUBLE").unwrap_or_default();
    let double = match Double::from_text(&script) {
        Ok(double) => double,
        Err(error) => {
            eprintln!("VTREMOTE_DOUBLE: {error}");
            return ExitCode::from(2);
        }
    };
    let ended = start(arguments, |_, notices| match VideoToolbox::new(notices) {
        Ok(backend) => Ok(vec![Arc::new(backend) as Arc<dyn Backend>]),
        Err(error) => Err(Error::Start(error.to_string())),
    });
    let counters = double.counters();
    // It has been looked at, and its own assertion would only say it again.
    std::mem::forget(double);
    if counters.is_clean() {
        eprintln!("double: clean");
        return ended;
    }
    eprintln!("{counters}");
    ExitCode::FAILURE
}
