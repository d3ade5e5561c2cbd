use crate::service::Service;
use crate::settings::{LogFormat, LogLevel, Settings, Source};
use crate::{Error, Token};
use clap::{ArgAction, Parser, Subcommand};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::time::Duration;
use vtremote_link::Address;
use vtremote_proto::DEFAULT_PORT;

/// Serves this machine's video encoders to ffmpeg on other machines.
///
/// A client runs ffmpeg with -c:v h264_videotoolbox_remote or hevc_videotoolbox_remote and
/// -vt_remote_host THIS_MACHINE; raw frames come in over TCP, packets go back.
///
/// Nothing is exposed to the network unless you ask for it: the default is to listen on the loopback
/// interface only. Whoever can connect can use the encoders; set a token when you listen beyond it. The
/// connection is not encrypted.
#[derive(Debug, Parser)]
#[command(
    name = "vtremoted",
    version = env!("CARGO_PKG_VERSION"),
    disable_version_flag = true,
    args_conflicts_with_subcommands = true,
    after_long_help = AFTER_HELP
)]
pub struct Arguments {
    /// Address to listen on; may be given more than once
    ///
    /// HOST:PORT, HOST or :PORT, where HOST is an IPv4 address, an IPv6 address in brackets or a name.
    /// 0.0.0.0 and [::] mean every interface. Port 0 lets the system choose. [default: 127.0.0.1:5555]
    #[arg(long, value_name = "ADDRESS", env = "VTREMOTED_LISTEN", value_delimiter = ',')]
    listen: Vec<String>,

    /// Shared secret that clients must send with -vt_remote_token
    ///
    /// Other users of this machine can read command lines: prefer --token-file or VTREMOTED_TOKEN.
    /// --token wins over --token-file, and that over VTREMOTED_TOKEN. An empty token is an error.
    #[arg(long, value_name = "TOKEN", hide_env_values = true)]
    token: Option<String>,

    /// File whose content, less one line end, is the token
    #[arg(long, value_name = "FILE", env = "VTREMOTED_TOKEN_FILE")]
    token_file: Option<PathBuf>,

    /// Sessions at a time; further clients are told that the server is full [default: 4]
    #[arg(long, value_name = "N", env = "VTREMOTED_MAX_SESSIONS",
          value_parser = clap::value_parser!(u16).range(1..))]
    max_sessions: Option<u16>,

    /// What encodes: auto, libavcodec, videotoolbox or synthetic [default: auto]
    ///
    /// auto is VideoToolbox on a Mac and libavcodec elsewhere. synthetic encodes nothing: its packets say
    /// which frame they came from, for tests and measurements; synthetic:SCRIPT makes it delay, reorder or fail.
    #[arg(long, value_name = "NAME", env = "VTREMOTED_BACKEND")]
    backend: Option<String>,

    /// Encoder of the libavcodec backend for a codec, such as hevc=hevc_nvenc; may be given more than once
    ///
    /// [default: h264=libx264, hevc=libx265]
    #[arg(long, value_name = "CODEC=NAME", env = "VTREMOTED_ENCODER", value_delimiter = ',')]
    encoder: Vec<String>,

    /// Threads of each session's software encoder [default: one per processor]
    ///
    /// libx265 with four and more works on several frames at a time, and then its output can differ from
    /// run to run.
    #[arg(long, value_name = "N", env = "VTREMOTED_ENCODER_THREADS")]
    encoder_threads: Option<NonZero<usize>>,

    /// How long a client may take to introduce itself [default: 10s]
    #[arg(long, value_name = "DURATION", env = "VTREMOTED_HANDSHAKE_TIMEOUT", value_parser = duration)]
    handshake_timeout: Option<Duration>,

    /// How long a session may stand still [default: 60s]
    #[arg(long, value_name = "DURATION", env = "VTREMOTED_IDLE_TIMEOUT", value_parser = duration)]
    idle_timeout: Option<Duration>,

    /// How long sessions may go on after SIGTERM or Ctrl-C [default: 30s]
    #[arg(long, value_name = "DURATION", env = "VTREMOTED_DRAIN_TIMEOUT", value_parser = duration)]
    drain_timeout: Option<Duration>,

    /// Longest message that is accepted, in bytes [default: 268435456]
    ///
    /// A frame's message is never longer than its size and format can need, whatever this says.
    #[arg(long, value_name = "BYTES", env = "VTREMOTED_MAX_MESSAGE_BYTES",
          value_parser = clap::value_parser!(u32).range(65_536..))]
    max_message_bytes: Option<u32>,

    /// error, warn, info, debug or trace; or 0 (warn), 1 (info), 2 (debug) [default: info]
    #[arg(long, value_name = "LEVEL", env = "VTREMOTED_LOG_LEVEL", value_parser = log_level)]
    log_level: Option<LogLevel>,

    /// text or json [default: text]
    #[arg(long, value_name = "FORMAT", env = "VTREMOTED_LOG_FORMAT", value_parser = log_format)]
    log_format: Option<LogFormat>,

    /// Write the log to this file and not to standard error
    ///
    /// At 10 MB it becomes FILE.1, and that FILE.2, up to FILE.5. What prevents a start is written there, too.
    #[arg(long, value_name = "FILE", env = "VTREMOTED_LOG_FILE")]
    log_file: Option<PathBuf>,

    /// Serve one session, then exit
    ///
    /// Other clients are told that the server is full. One that connects and leaves without sending a
    /// frame was not a session.
    #[arg(long)]
    once: bool,

    /// Encode and decode some frames in every way that the backend lists, say how that went, and exit
    ///
    /// Nothing is listened on. Of the other flags those of the backend and of the log count.
    #[arg(long, conflicts_with = "once")]
    self_test: bool,

    /// Print the versions of the daemon and the protocol, and the backends
    #[arg(short = 'V', long, action = ArgAction::SetTrue)]
    version: bool,

    #[command(subcommand)]
    task: Option<Task>,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Installs vtremoted as a service of this Mac, updates, removes or looks at it
    Service(Service),
}

const AFTER_HELP: &str = "\
ENVIRONMENT
  VTREMOTED_TOKEN is the token if neither flag is given. Every other flag but
  --once and --self-test has a variable too, named in its help; a flag wins
  over its variable.

SIGNALS
  SIGTERM, SIGINT   stop accepting and let the sessions finish, for --drain-timeout at most
  the same again    end at once

EXIT CODES
  0  asked to stop, and every session finished (--once: the session finished);
     --self-test: nothing failed
  1  did not start: an address that cannot be listened on, an encoder that is not there;
     --self-test: something failed
  2  a wrong argument
  3  sessions were cut off at the drain timeout (--once: the session failed)
  4  a second signal

EXAMPLES
  vtremoted
      for ffmpeg on this machine: -vt_remote_host 127.0.0.1
  vtremoted --listen 0.0.0.0 --token-file /etc/vtremoted.token
      for the network
  vtremoted --self-test
      does this machine encode and decode as it should?";

impl Arguments {
    /// What is to be done about the service, if that is what was asked for.
    pub fn service(&self) -> Option<&Service> {
        self.task.as_ref().map(|Task::Service(service)| service)
    }

    /// Whether the codecs are to be tried, and nothing served.
    pub fn self_test(&self) -> bool {
        self.self_test
    }

    /// Where the log goes if not to standard error.
    pub fn log_file(&self) -> Option<&Path> {
        self.log_file.as_deref()
    }

    /// What these flags of a service mean, beside its token and its log; or why it cannot run with them.
    pub(crate) fn fit_for_a_service(flags: &[String]) -> Result<Settings, String> {
        let flags = flags.iter().map(String::as_str);
        let parsed = Self::try_parse_from(std::iter::once("vtremoted").chain(flags))
            .map_err(|error| error.to_string())?;
        let refused = [
            (
                parsed.task.is_some() || parsed.version || parsed.self_test,
                "only flags of the daemon can be a service's",
            ),
            (parsed.once, "--once: it would be started again after each session"),
            (
                parsed.token.is_some(),
                "--token: other users can read it; --token-file before the --",
            ),
            (parsed.token_file.is_some(), "--token-file stands before the --"),
            (parsed.log_file.is_some(), "--log-file: a service has its own"),
        ];
        if let Some((_, why)) = refused.iter().find(|(refused, _)| *refused) {
            return Err((*why).into());
        }
        let settings = parsed.resolve().map_err(|error| error.to_string())?;
        match settings.listen.iter().any(|address| address.port == 0) {
            true => Err("--listen: port 0 is another at each start, and clients know one".into()),
            false => Ok(settings),
        }
    }

    /// Every setting, from the flag, else the environment, else its default.
    ///
    /// Prints and exits for `--version`.
    ///
    /// # Errors
    /// [`Error::Usage`]: names the flag and what would be right.
    pub fn resolve(self) -> Result<Settings, Error> {
        if self.version {
            print!("{}", crate::banner::version());
            std::process::exit(0);
        }
        let listen = if self.listen.is_empty() {
            vec![Address { host: "127.0.0.1".into(), port: DEFAULT_PORT }]
        } else {
            self.listen.iter().map(|text| listen_address(text)).collect::<Result<_, _>>()?
        };
        let token = token(self.token, self.token_file.as_deref(), environment_token()?)?;
        let encoders = self.encoder.iter().map(|text| encoder(text)).collect::<Result<_, _>>()?;
        Ok(Settings {
            listen,
            token,
            max_sessions: self.max_sessions.unwrap_or(4).into(),
            backend: self.backend.unwrap_or_else(|| "auto".into()),
            encoders,
            encoder_threads: self.encoder_threads,
            handshake_timeout: self.handshake_timeout.unwrap_or(Duration::from_secs(10)),
            idle_timeout: self.idle_timeout.unwrap_or(Duration::from_secs(60)),
            drain_timeout: self.drain_timeout.unwrap_or(Duration::from_secs(30)),
            max_message_bytes: self.max_message_bytes.unwrap_or(256 << 20),
            log_level: self.log_level.unwrap_or(LogLevel::Info),
            log_format: self.log_format.unwrap_or(LogFormat::Text),
            log_file: self.log_file,
            once: self.once,
        })
    }
}

fn listen_address(text: &str) -> Result<Address, Error> {
    // ":5555" is every interface, as in other daemons.
    let port = text.strip_prefix(':').is_some_and(|rest| !rest.contains(':'));
    let full = if port { format!("[::]{text}") } else { text.to_owned() };
    Address::parse(&full, DEFAULT_PORT)
        .map_err(|error| Error::Usage(format!("--listen {text}: {error}")))
}

fn environment_token() -> Result<Option<String>, Error> {
    match std::env::var("VTREMOTED_TOKEN") {
        Ok(token) => Ok(Some(token)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => {
            Err(Error::Usage("VTREMOTED_TOKEN is not UTF-8".into()))
        }
    }
}

fn token(
    flag: Option<String>,
    file: Option<&Path>,
    environment: Option<String>,
) -> Result<Option<(Token, Source)>, Error> {
    let (text, source, name) = if let Some(text) = flag {
        (text, Source::Flag, "--token".to_owned())
    } else if let Some(path) = file {
        let name = format!("--token-file {}", path.display());
        let text = std::fs::read_to_string(path)
            .map_err(|error| Error::Usage(format!("{name}: {error}")))?;
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let text = text.strip_suffix('\r').unwrap_or(text).to_owned();
        (text, Source::File(path.to_owned()), name)
    } else if let Some(text) = environment {
        (text, Source::Environment, "VTREMOTED_TOKEN".to_owned())
    } else {
        return Ok(None);
    };
    if text.len() > 1024 || text.contains('\0') {
        return Err(Error::Usage(format!("{name}: a token has at most 1024 bytes and no NUL")));
    }
    match Token::new(&text) {
        Some(token) => Ok(Some((token, source))),
        None => Err(Error::Usage(format!("{name}: an empty token protects nothing; leave it out"))),
    }
}

fn encoder(text: &str) -> Result<(String, String), Error> {
    match text.split_once('=') {
        Some((codec @ ("h264" | "hevc"), name)) if !name.is_empty() => {
            Ok((codec.to_owned(), name.to_owned()))
        }
        _ => Err(Error::Usage(format!(
            "--encoder {text}: it is h264=NAME or hevc=NAME, such as hevc=hevc_nvenc"
        ))),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err("it must be longer than nothing".into()),
        Ok(duration) if duration > Duration::from_secs(86_400) => Err("it is a day at most".into()),
        Ok(duration) => Ok(duration),
        Err(_) => Err("a duration is written 300ms, 10s or 2m".into()),
    }
}

fn log_level(text: &str) -> Result<LogLevel, String> {
    match text {
        "error" => Ok(LogLevel::Error),
        "warn" | "0" => Ok(LogLevel::Warn),
        "info" | "1" => Ok(LogLevel::Info),
        "debug" | "2" => Ok(LogLevel::Debug),
        "trace" => Ok(LogLevel::Trace),
        _ => Err("it is error, warn, info, debug, trace, 0, 1 or 2".into()),
    }
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("it is text or json".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(arguments: &[&str]) -> Result<Settings, String> {
        let arguments = [&["vtremoted"], arguments].concat();
        let parsed = Arguments::try_parse_from(arguments).map_err(|error| error.to_string())?;
        parsed.resolve().map_err(|error| error.to_string())
    }

    #[test]
    fn without_flags_it_listens_on_loopback_only() {
        let settings = resolve(&[]).unwrap();
        assert_eq!(settings.listen.len(), 1);
        assert_eq!(settings.listen[0].to_string(), "127.0.0.1:5555");
        assert_eq!(settings.max_sessions, 4);
        assert!(settings.token.is_none());
    }

    #[test]
    fn listen_takes_names_ipv6_and_repetition() {
        let flags = ["--listen", "[::1]:7000", "--listen", "localhost", "--listen", ":0"];
        let listen = resolve(&flags).unwrap().listen;
        let listen: Vec<_> = listen.iter().map(ToString::to_string).collect();
        assert_eq!(listen, ["[::1]:7000", "localhost:5555", "[::]:0"]);
        let bare = resolve(&["--listen", "::1", "--listen", "::"]).unwrap().listen;
        let bare: Vec<_> = bare.iter().map(ToString::to_string).collect();
        assert_eq!(bare, ["[::1]:5555", "[::]:5555"]);
    }

    #[test]
    fn durations_are_written_as_people_write_them() {
        let settings = resolve(&["--idle-timeout", "300ms", "--drain-timeout", "2m"]).unwrap();
        assert_eq!(settings.idle_timeout, Duration::from_millis(300));
        assert_eq!(settings.drain_timeout, Duration::from_secs(120));
        assert!(resolve(&["--idle-timeout", "0s"]).is_err());
        assert!(resolve(&["--idle-timeout", "soon"]).is_err());
    }

    #[test]
    fn an_unknown_argument_is_refused() {
        assert!(resolve(&["--colour"]).is_err());
        assert!(resolve(&["stray"]).is_err());
    }

    #[test]
    fn an_empty_token_is_refused_wherever_it_comes_from() {
        assert!(resolve(&["--token", ""]).is_err());
        assert!(token(None, None, Some(String::new())).is_err());
        let empty = std::env::temp_dir().join(format!("vtremoted-empty-{}", std::process::id()));
        std::fs::write(&empty, "\n").unwrap();
        assert!(token(None, Some(&empty), None).is_err());
        std::fs::remove_file(empty).unwrap();
    }

    #[test]
    fn a_token_flag_wins_over_the_file_and_that_over_the_environment() {
        let file = std::env::temp_dir().join(format!("vtremoted-token-{}", std::process::id()));
        std::fs::write(&file, "from the file\r\n").unwrap();
        let source = |flag: Option<&str>, file, environment: Option<&str>| {
            let token =
                token(flag.map(str::to_owned), file, environment.map(str::to_owned)).unwrap();
            token.unwrap()
        };
        let all = source(Some("flag"), Some(&file), Some("environment"));
        assert_eq!(all, (Token::new("flag").unwrap(), Source::Flag));
        let two = source(None, Some(&file), Some("environment"));
        assert_eq!(two, (Token::new("from the file").unwrap(), Source::File(file.clone())));
        assert_eq!(source(None, None, Some("environment")).1, Source::Environment);
        std::fs::remove_file(file).unwrap();
    }

    #[test]
    fn an_encoder_names_its_codec() {
        let settings = resolve(&["--encoder", "hevc=hevc_nvenc"]).unwrap();
        assert_eq!(settings.encoders, [("hevc".to_owned(), "hevc_nvenc".to_owned())]);
        assert!(resolve(&["--encoder", "hevc_nvenc"]).is_err());
        assert!(resolve(&["--encoder", "vp9=libvpx"]).is_err());
    }

    #[test]
    fn log_levels_have_names_and_numbers() {
        assert_eq!(resolve(&["--log-level", "2"]).unwrap().log_level, LogLevel::Debug);
        assert_eq!(resolve(&["--log-level", "trace"]).unwrap().log_level, LogLevel::Trace);
        assert!(resolve(&["--log-level", "3"]).is_err());
    }
}
