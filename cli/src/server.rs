//! The server that a command is about.

use std::io::Write;
use std::time::Duration;

use clap::Args;
use vtremote_client::{Error, Settings, token_in_file};
use vtremote_proto::Codec;

/// How every command names it.
#[derive(Args)]
pub(crate) struct Server {
    /// The server: a name or address, IPv6 in brackets, and a port unless it is 5555
    #[arg(value_name = "HOST[:PORT]", env = "VTREMOTE_HOST")]
    host: String,

    /// A file with the server's token on its only line
    #[arg(long, value_name = "FILE")]
    token_file: Option<String>,

    /// For connecting, each answer, and then silence: 100ms to 60s
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = timeout)]
    timeout: Duration,
}

impl Server {
    /// Settings of a session with it, for a command of this name.
    ///
    /// # Errors
    /// [`Error::TokenFile`].
    pub(crate) fn settings(&self, command: &str) -> Result<Settings, Error> {
        let mut settings = Settings {
            host: Some(self.host.clone()),
            token: self.token_file.as_deref().map(token_in_file).transpose()?,
            timeout: self.timeout,
            client_name: format!("vtremote {command}"),
            ..Settings::default()
        };
        settings.token = Some(settings.server_token()?);
        Ok(settings)
    }
}

fn timeout(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    let allowed = Duration::from_millis(100)..=Duration::from_secs(60);
    if allowed.contains(&time) { Ok(time) } else { Err("not from 100ms to 60s".to_owned()) }
}

/// A codec by its name.
pub(crate) fn codec(text: &str) -> Result<Codec, String> {
    Codec::from_name(text).ok_or_else(|| "not h264 or hevc".to_owned())
}

/// A line on standard output. Whoever stopped reading it has what was wanted.
pub(crate) fn say(line: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
