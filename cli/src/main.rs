//! The vtremote command: looks at a server from the client's side.

#![forbid(unsafe_code)]

mod exit;
mod pattern;
mod probe;

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
    Probe(probe::Arguments),
}

fn main() -> ExitCode {
    match Arguments::parse().command {
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
