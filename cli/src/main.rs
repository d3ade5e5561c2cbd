//! The vtremote command: looks at a server from the client's side, and measures what it gives.

#![forbid(unsafe_code)]

mod bench;
mod exit;
mod pattern;
mod probe;
mod server;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Looks at a vtremote server from the client's side.
#[derive(Parser)]
#[command(name = "vtremote", version, about, long_about = None, after_help = exit::HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Bench(bench::Arguments),
    Probe(probe::Arguments),
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Probe(arguments) => probe::run(&arguments),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
