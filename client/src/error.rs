use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use vtremote_link::{Address, AddressError, ResolveError};
use vtremote_proto::session::ClientError;
use vtremote_proto::{HelloStatus, NO_PTS};

use crate::log::printable;

/// Why there is no session, or no session any more. Displayed, it is one line that names the server,
/// the cause and, where there is one, the remedy.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The user's: an unknown option, or a value that it cannot have.
    Option {
        /// Its key.
        key: String,
        /// What is wrong.
        problem: String,
    },
    /// The user's: no server is given.
    NoHost,
    /// The user's: more than one server is given.
    SeveralHosts {
        /// What was given.
        text: String,
    },
    /// The user's: what is given is no address.
    Host {
        /// What was given.
        text: String,
        /// What is wrong with it.
        error: AddressError,
    },
    /// The user's: the file that is to have the token does not.
    TokenFile {
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The user's: settings that no session can have.
    Settings(String),
    /// The calling program's: a call that is not allowed, or not now.
    Usage(String),
    /// The network's or the user's: the name has no address.
    Resolve {
        /// The server.
        server: Address,
        /// Why.
        error: ResolveError,
    },
    /// The network's or the server's: nothing answers there.
    Connect {
        /// The server.
        server: Address,
        /// Which of its addresses gave this answer.
        address: SocketAddr,
        /// The answer.
        error: io::Error,
        /// The time that it had.
        patience: Duration,
    },
    /// The user's: other software answers there.
    Stranger {
        /// The server.
        server: String,
        /// What software, as far as its first bytes tell.
        what: Stranger,
    },
    /// The server is full.
    Full {
        /// The server.
        server: String,
        /// How many sessions it has.
        active: u16,
        /// How many it can have; 0 if it did not say.
        max: u16,
    },
    /// The user's: the server wants another token.
    Token {
        /// The server.
        server: String,
        /// Whether any was given.
        given: bool,
    },
    /// The server cannot do what is asked for.
    Missing {
        /// The server.
        server: String,
        /// The capability that it does not list (docs/protocol.md section 3).
        capability: String,
    },
    /// The server took no CONFIGURE like this and says why.
    Refused {
        /// The server.
        server: String,
        /// Its words.
        message: String,
    },
    /// The session failed.
    Session {
        /// The server.
        server: String,
        /// What it does for us: "encoder" or "decoder".
        remote: &'static str,
        /// How.
        error: ClientError,
    },
    /// The server's: a packet that is not what was agreed.
    Packet {
        /// The server.
        server: String,
        /// The packet's pts.
        pts: i64,
        /// What is wrong with it.
        error: vtremote_bitstream::Error,
    },
    /// The server's: a picture that cannot be unpacked.
    Picture {
        /// The server.
        server: String,
        /// The picture's pts; i64::MIN if it has none.
        pts: i64,
        /// What is wrong with it.
        error: vtremote_planes::Error,
    },
    /// The server's: more pictures than the packets that it has explain.
    TooMany {
        /// The server.
        server: String,
        /// How many were waiting.
        pictures: usize,
    },
    /// The server's, or the caller's, who takes none: more of large pictures than are kept.
    TooLarge {
        /// The server.
        server: String,
        /// How many were waiting.
        pictures: usize,
        /// Their memory.
        bytes: u64,
    },
    /// This machine's: there is no memory for a picture.
    Memory {
        /// The server that sends it.
        server: String,
        /// How many bytes in one piece could not be had.
        bytes: usize,
    },
    /// A defect of ours, or a system out of resources.
    Internal(String),
}

/// What software answered in place of vtremoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stranger {
    /// An HTTP server.
    Http,
    /// One that wants TLS.
    Tls,
    /// An SSH server.
    Ssh,
    /// Some other.
    Unknown,
}

impl Stranger {
    /// By the first bytes that it sent.
    pub(crate) fn by_its_words(bytes: &[u8]) -> Self {
        match bytes {
            [b'H', b'T', b'T', b'P', ..] => Self::Http,
            // A TLS record (RFC 8446 section 5.1): an alert or a handshake.
            [0x15 | 0x16, 3, ..] => Self::Tls,
            [b'S', b'S', b'H', b'-', ..] => Self::Ssh,
            _ => Self::Unknown,
        }
    }
}

/// What kind of failure an [`Error`] is, for programs that act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The calling program's.
    Usage,
    /// The user's options.
    Option,
    /// No connection, or one that was lost.
    Network,
    /// Something did not come in time.
    Timeout,
    /// The token.
    Token,
    /// The server is full.
    Full,
    /// The server refuses codec, format or option.
    Refused,
    /// Not a vtremoted, or a broken one.
    Protocol,
    /// The remote codec failed.
    Remote,
    /// This machine has no memory for a picture.
    Memory,
    /// A defect of ours.
    Internal,
}

impl Error {
    /// What kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Usage(_) => ErrorKind::Usage,
            Self::Option { .. }
            | Self::NoHost
            | Self::SeveralHosts { .. }
            | Self::Host { .. }
            | Self::TokenFile { .. }
            | Self::Settings(_) => ErrorKind::Option,
            Self::Resolve { error: ResolveError::TimedOut(_), .. } => ErrorKind::Timeout,
            Self::Connect { error, .. } if is_timeout(error) => ErrorKind::Timeout,
            Self::Resolve { .. } | Self::Connect { .. } => ErrorKind::Network,
            Self::Full { .. } => ErrorKind::Full,
            Self::Token { .. } => ErrorKind::Token,
            Self::Missing { .. } | Self::Refused { .. } => ErrorKind::Refused,
            Self::Stranger { .. }
            | Self::Packet { .. }
            | Self::Picture { .. }
            | Self::TooMany { .. }
            | Self::TooLarge { .. } => ErrorKind::Protocol,
            Self::Memory { .. } => ErrorKind::Memory,
            Self::Session { error, .. } => match error {
                ClientError::Settings(_) => ErrorKind::Option,
                ClientError::Refused(HelloStatus::Unsupported)
                | ClientError::MissingCapability(_) => ErrorKind::Refused,
                ClientError::Refused(HelloStatus::Busy) => ErrorKind::Full,
                ClientError::Refused(HelloStatus::AuthenticationFailed) => ErrorKind::Token,
                ClientError::Refused(_)
                | ClientError::Server { .. }
                | ClientError::Missing { .. } => ErrorKind::Remote,
                ClientError::Lost { .. } | ClientError::Transport(_) => ErrorKind::Network,
                ClientError::TimedOut { .. } => ErrorKind::Timeout,
                _ => ErrorKind::Protocol,
            },
            Self::Internal(_) => ErrorKind::Internal,
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = String::new();
        self.write(&mut line)?;
        f.write_str(&printable(&line))
    }
}

impl std::error::Error for Error {}

impl Error {
    fn write(&self, f: &mut impl fmt::Write) -> fmt::Result {
        match self {
            Self::Option { key, problem } => write!(f, "option \"{key}\": {problem}"),
            Self::NoHost => write!(
                f,
                "no server given: set host (vt_remote_host in ffmpeg), or VTREMOTE_HOST in the \
                 environment, to HOST or HOST:PORT"
            ),
            Self::SeveralHosts { text } => write!(
                f,
                "host \"{text}\": failover from one server to the next is not there yet: give one"
            ),
            Self::Host { text, error } => write!(f, "host \"{text}\": {error}"),
            Self::TokenFile { path, problem } => write!(f, "token file {path}: {problem}"),
            Self::Settings(problem) => write!(f, "{problem}"),
            Self::Usage(problem) => write!(f, "{problem}"),
            Self::Resolve { server, error: error @ ResolveError::TimedOut(_) } => write!(
                f,
                "{server}: {error}: does this machine's name service work? The server's IP address \
                 works without"
            ),
            Self::Resolve { server, error } => write!(
                f,
                "{server}: {error}: is the name right, and known in this network? The server's IP \
                 address works without"
            ),
            Self::Connect { server, address, error, patience } => {
                write!(f, "{server}: ")?;
                if server.host != address.ip().to_string() {
                    write!(f, "{}: ", address.ip())?;
                }
                match error.kind() {
                    io::ErrorKind::ConnectionRefused if address.ip().is_loopback() => {
                        write!(
                            f,
                            "connection refused: is vtremoted running, on port {}?",
                            server.port
                        )
                    }
                    io::ErrorKind::ConnectionRefused => write!(
                        f,
                        "connection refused: is vtremoted running there, with --listen 0.0.0.0:{}?",
                        server.port
                    ),
                    io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => write!(
                        f,
                        "no way there ({error}): is this machine in the same network, and the server \
                         up?"
                    ),
                    _ if is_timeout(error) => write!(
                        f,
                        "no answer within {} ms: is the machine up, and does its firewall let port \
                         {} through?",
                        patience.as_millis(),
                        server.port
                    ),
                    _ => write!(f, "cannot connect: {error}"),
                }
            }
            Self::Stranger { server, what } => {
                let what = match what {
                    Stranger::Http => "an HTTP server answers there",
                    Stranger::Tls => "what answers there speaks TLS",
                    Stranger::Ssh => "an SSH server answers there",
                    Stranger::Unknown => "what answers there speaks another protocol",
                };
                write!(f, "{server}: {what}, not vtremoted: is the port right?")
            }
            Self::Full { server, active, max } => {
                write!(f, "{server}: the server is full")?;
                if *max > 0 {
                    write!(f, " ({active} of {max} sessions)")?;
                }
                write!(f, ": try again later, or start vtremoted with a greater --max-sessions")
            }
            Self::Token { server, given: true } => write!(
                f,
                "{server}: wrong token: give the one that vtremoted was started with (token, \
                 VTREMOTE_TOKEN or VTREMOTE_TOKEN_FILE)"
            ),
            Self::Token { server, given: false } => write!(
                f,
                "{server}: the server wants a token and none was given: set token \
                 (vt_remote_token in ffmpeg), VTREMOTE_TOKEN or VTREMOTE_TOKEN_FILE"
            ),
            Self::Missing { server, capability } => {
                write!(f, "{server}: ")?;
                match capability.strip_prefix("pixfmt.") {
                    Some(format) => write!(
                        f,
                        "the server does not take {format} pictures: choose another pixel format, or \
                         another server"
                    ),
                    None if matches!(capability.as_str(), "h264" | "hevc") => {
                        write!(
                            f,
                            "the server does not do {capability}: choose another codec or server"
                        )
                    }
                    None => {
                        write!(f, "the server does not have {capability}: is it older than this?")
                    }
                }
            }
            Self::Refused { server, message } => {
                write!(f, "{server}: the server refuses: {message}")
            }
            Self::Session { server, remote, error } => {
                write!(f, "{server}: ")?;
                match error {
                    ClientError::NotVtr1 => {
                        write!(f, "what answers there is not vtremoted: is the port right?")
                    }
                    ClientError::Lost { awaited: "HELLO_ACK", .. } => write!(
                        f,
                        "the connection was closed without an answer: is it vtremoted that listens there?"
                    ),
                    ClientError::TimedOut { what: "no answer to HELLO", after } => write!(
                        f,
                        "connected, but no answer within {} ms: is it vtremoted that listens there?",
                        after.as_millis()
                    ),
                    ClientError::Server { message, .. } => {
                        write!(f, "the remote {remote} failed: {message}")
                    }
                    ClientError::Lost { .. } | ClientError::Transport(_) => {
                        write!(f, "{error}: vtremoted's log may say why")
                    }
                    ClientError::Unreadable(_) | ClientError::Violation(_) => {
                        write!(f, "{error}: are client and server of versions that fit together?")
                    }
                    ClientError::TimedOut { what, after } => write!(
                        f,
                        "{what} within {} ms: is the network up, and the server alive?",
                        after.as_millis()
                    ),
                    _ => write!(f, "{error}"),
                }
            }
            Self::Packet { server, pts, error } => {
                write!(f, "{server}: the server sent a broken packet for pts {pts}: {error}")
            }
            Self::Picture { server, pts, error } => {
                write!(f, "{server}: the server sent a broken picture")?;
                if *pts != NO_PTS {
                    write!(f, " for pts {pts}")?;
                }
                write!(f, ": {error}: are client and server of versions that fit together?")
            }
            Self::TooMany { server, pictures } => write!(
                f,
                "{server}: the server sends more pictures than it got packets for: {pictures} wait"
            ),
            Self::TooLarge { server, pictures, bytes } => write!(
                f,
                "{server}: {pictures} pictures with {} MiB wait to be taken, and the server sends more: \
                 a smaller window (inflight, vt_remote_inflight in ffmpeg) needs less",
                bytes >> 20
            ),
            Self::Memory { server, bytes } => write!(
                f,
                "{server}: no memory for a picture that the server sends: {bytes} bytes of it in one \
                 piece"
            ),
            Self::Internal(problem) => write!(f, "a defect in vtremote: {problem}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connect(kind: io::ErrorKind, host: &str) -> String {
        let server = Address { host: host.into(), port: 5555 };
        let ip = host.parse().unwrap_or([10, 0, 0, 2].into());
        let (address, error) = (SocketAddr::new(ip, 5555), kind.into());
        Error::Connect { server, address, error, patience: Duration::from_secs(5) }.to_string()
    }

    #[test]
    fn a_connection_that_is_refused_asks_for_the_daemon() {
        assert_eq!(
            connect(io::ErrorKind::ConnectionRefused, "mac.local"),
            "mac.local:5555: 10.0.0.2: connection refused: is vtremoted running there, with \
             --listen 0.0.0.0:5555?"
        );
        assert_eq!(
            connect(io::ErrorKind::ConnectionRefused, "127.0.0.1"),
            "127.0.0.1:5555: connection refused: is vtremoted running, on port 5555?"
        );
    }

    #[test]
    fn a_connection_that_is_not_answered_asks_for_machine_and_firewall() {
        let line = connect(io::ErrorKind::TimedOut, "10.0.0.9");
        assert!(line.contains("within 5000 ms") && line.contains("firewall"), "{line}");
        let line = connect(io::ErrorKind::NetworkUnreachable, "10.0.0.9");
        assert!(line.contains("same network"), "{line}");
    }

    #[test]
    fn a_servers_words_stay_on_one_line() {
        let message = "bad\noption\u{1b}[2J".into();
        let error = Error::Refused { server: "mac:5555".into(), message };
        assert_eq!(error.to_string(), "mac:5555: the server refuses: bad option [2J");
    }

    #[test]
    fn other_software_is_known_by_its_first_bytes() {
        assert_eq!(Stranger::by_its_words(b"HTTP/1.1 400"), Stranger::Http);
        assert_eq!(Stranger::by_its_words(&[0x15, 3, 1, 0, 2]), Stranger::Tls);
        assert_eq!(Stranger::by_its_words(b"SSH-2.0-"), Stranger::Ssh);
        assert_eq!(Stranger::by_its_words(b""), Stranger::Unknown);
    }
}
