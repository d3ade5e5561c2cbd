//! One connection to a server: its threads, and what they share.

use std::fmt;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use vtremote_link::{Address, ConnectError, Link, TcpSettings, connect};
use vtremote_planes::{Coding, Compression};
use vtremote_proto::Codec;
use vtremote_proto::session::ServerTraits;

use crate::shared::{Configured, Direction, Shared};
use crate::{Error, Level, Settings};

/// More workers than this find nothing to do for one stream.
const MAX_WORKERS: usize = 8;

/// What a session is and what it has done.
#[derive(Clone, Debug, Default)]
pub struct Info {
    /// The server as the user named it, with its port.
    pub server: String,
    /// The name that it gives itself; early servers give none.
    pub server_name: String,
    /// Its version.
    pub server_version: String,
    /// What it can do (docs/protocol.md section 3).
    pub capabilities: Vec<String>,
    /// Sessions that it had when this one began, this one included.
    pub active_sessions: u16,
    /// Sessions that it can have; 0 if it did not say.
    pub max_sessions: u16,
    /// What the planes are compressed with; where each picture may be another way, the last.
    pub compression: Coding,
    /// Whether pictures travel slice by slice.
    pub slices: bool,
    /// Frames (encode) or packets (decode) whose last byte was written.
    pub sent: u64,
    /// Packets (encode) or pictures (decode) that came in.
    pub received: u64,
    /// On this connection.
    pub bytes_sent: u64,
    /// On this connection.
    pub bytes_received: u64,
    /// What the pictures that were sent or received are without compression.
    pub raw_bytes: u64,
}

/// A connection, from the handshake on. Dropping it ends it at once and joins its threads.
pub(crate) struct Session<D: Direction> {
    pub(crate) shared: Arc<Shared<D>>,
    threads: Vec<JoinHandle<()>>,
    pub(crate) configured: Configured,
    wire: Wire,
}

impl<D: Direction> Session<D> {
    /// A session without threads.
    pub(crate) fn new(shared: Arc<Shared<D>>, wire: Wire) -> Self {
        let configured = Configured { server: Default::default(), extradata: Vec::new() };
        Self { shared, threads: Vec::with_capacity(2), configured, wire }
    }

    pub(crate) fn start(
        &mut self,
        name: &str,
        run: impl FnOnce() + Send + 'static,
    ) -> Result<(), Error> {
        let thread = thread::Builder::new().name(name.to_owned()).spawn(run).map_err(no_thread)?;
        self.threads.push(thread);
        Ok(())
    }

    /// Waits until the server has taken CONFIGURE, and says in the log what the session is: `what` of
    /// `settings`. Each answer has a deadline of the session's own.
    pub(crate) fn wait_for_configure(
        &mut self,
        settings: &Settings,
        what: &str,
    ) -> Result<(), Error> {
        let mut state = self.shared.lock();
        self.configured = loop {
            if let Some(error) = self.shared.error(&state) {
                return Err(error);
            }
            if let Some(configured) = &state.configured {
                break configured.clone();
            }
            state = self.shared.wait_for_input(state, None);
        };
        let most_in_flight = state.session.most_in_flight();
        drop(state);
        let Configured { server: traits, .. } = &self.configured;
        let asked_for = |capability: &str, is_there| match is_there {
            true => Ok(()),
            false => Err(Error::Missing {
                server: self.shared.server.clone(),
                capability: capability.to_owned(),
            }),
        };
        asked_for("x.slices.v1", settings.slices != Some(true) || traits.slices)?;
        let wants_vtz = settings.compression.is_some_and(|coding| vtz_wish(coding) != 0);
        asked_for("x.wire.vtz.v1", !wants_vtz || traits.vtz)?;
        self.shared.log.line(
            Level::Info,
            format_args!(
                "{}: {}, {} {what}, wire compression {}{}, {}{} {} in flight",
                self.shared.server,
                match (traits.name.as_str(), traits.version.as_str()) {
                    ("", _) => "a server that does not give its name".to_owned(),
                    (name, "") => name.to_owned(),
                    (name, version) => format!("{name} {version}"),
                },
                settings.codec.map_or("", Codec::name),
                self.wire,
                if traits.slices { " in slices" } else { "" },
                if settings.inflight == 0 { "up to " } else { "" },
                most_in_flight,
                D::SENT,
            ),
        );
        Ok(())
    }

    /// What the session is and what it has done so far; `raw_bytes` for so many messages sent.
    pub(crate) fn info(&self, raw_bytes: impl FnOnce(u64, &D) -> u64) -> Info {
        let state = self.shared.lock();
        let counts = state.session.counts();
        let traits = &self.configured.server;
        Info {
            server: self.shared.server.clone(),
            server_name: traits.name.clone(),
            server_version: traits.version.clone(),
            capabilities: state.greeting.capabilities.clone(),
            active_sessions: state.greeting.active_sessions,
            max_sessions: state.greeting.max_sessions,
            compression: match self.wire {
                Wire::Fixed(coding) => coding,
                Wire::Auto { .. } => state.own.coding(),
            },
            slices: traits.slices,
            sent: state.sent,
            received: counts.received,
            bytes_sent: counts.bytes_out,
            bytes_received: counts.bytes_in,
            raw_bytes: raw_bytes(state.sent, &state.own),
        }
    }
}

impl<D: Direction> Drop for Session<D> {
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        self.shared.wake_writer();
        self.shared.closer.close();
        for thread in self.threads.drain(..) {
            // A panic in it has ended the session; there is nobody left to tell.
            let _ = thread.join();
        }
        if let Some((level, summary)) = self.shared.lock().own.summary() {
            let line = format_args!("wire compression at the end: {summary}");
            self.shared.log.line(level, line);
        }
        // The caller may hold packets, and they the buffers' home, but nothing holds a picture now.
        let own = std::mem::take(&mut self.shared.lock().own);
        // Releasing a picture may run the caller's code, which must not find the lock taken.
        drop(own);
    }
}

/// Connects to a server, within `patience`.
///
/// # Errors
/// [`Error::Resolve`], [`Error::Connect`].
pub fn dial(server: &Address, patience: Duration) -> Result<Link, Error> {
    connect(server, patience, &TcpSettings::default()).map_err(|error| match error {
        ConnectError::Resolve(error) => Error::Resolve { server: server.clone(), error },
        ConnectError::Connect { address, error } => {
            Error::Connect { server: server.clone(), address, error, patience }
        }
    })
}

/// How pictures are to travel.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wire {
    Fixed(Coding),
    /// Each as it suits the connection.
    Auto {
        is_local: bool,
    },
}

impl Wire {
    pub(crate) fn new(settings: &Settings, is_local: bool) -> Self {
        settings.compression.map_or(Self::Auto { is_local }, Self::Fixed)
    }

    /// What FRAMEs have, all of a session the same: on one machine compression costs more than it saves.
    pub(crate) fn plain(self) -> Compression {
        match self {
            Self::Fixed(coding) => coding.plain(),
            Self::Auto { is_local: true } => Compression::None,
            Self::Auto { is_local: false } => Compression::Zstd,
        }
    }

    /// Whether each picture may be another way.
    pub(crate) fn is_auto(self) -> bool {
        matches!(self, Self::Auto { .. })
    }

    /// Whether both ends are known to be on one machine.
    pub(crate) fn is_local(self) -> bool {
        matches!(self, Self::Auto { is_local: true })
    }

    /// What CONFIGURE says in the option `x.wire.vtz.v1`.
    pub(crate) fn vtz_wish(self) -> u8 {
        match self {
            Self::Fixed(coding) => vtz_wish(coding),
            Self::Auto { .. } => 1,
        }
    }

    /// How every frame is coded that nobody chooses for, and what there is to choose from with this server.
    pub(crate) fn codings(self, server: &ServerTraits) -> (Coding, &'static [Coding]) {
        match self {
            Self::Fixed(coding) if server.vtz => (coding, &[]),
            Self::Fixed(coding) => (coding.plain().into(), &[]),
            Self::Auto { .. } if server.vtz => (Coding::None, &Coding::ALL),
            Self::Auto { .. } if server.slices => {
                (Coding::None, &[Coding::None, Coding::Lz4, Coding::Zstd])
            }
            // All FRAMEs of a session are compressed alike, but a Zstandard frame may hold rows as they are.
            Self::Auto { is_local: false } => (Coding::Zstd, &[Coding::None, Coding::Zstd]),
            Self::Auto { is_local: true } => (Coding::None, &[]),
        }
    }
}

impl fmt::Display for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(coding) => coding.fmt(f),
            Self::Auto { .. } => f.write_str("auto"),
        }
    }
}

/// Refuses vtz where slices are not to be.
///
/// # Errors
/// [`Error::Settings`].
pub(crate) fn check_coding(settings: &Settings) -> Result<(), Error> {
    match settings.compression {
        Some(coding) if vtz_wish(coding) != 0 && settings.slices == Some(false) => {
            let problem = format!("wire_compression={coding} is only for frames in slices");
            Err(Error::Settings(problem))
        }
        _ => Ok(()),
    }
}

/// What CONFIGURE says of it: the option `x.wire.vtz.v1`.
fn vtz_wish(coding: Coding) -> u8 {
    match coding {
        Coding::Vtz => 1,
        Coding::VtzFast => 2,
        Coding::None | Coding::Lz4 | Coding::Zstd => 0,
    }
}

/// How many workers a session has.
pub(crate) fn worker_count() -> usize {
    thread::available_parallelism().map_or(1, usize::from).min(MAX_WORKERS)
}

pub(crate) fn no_thread(error: std::io::Error) -> Error {
    Error::Internal(format!("no thread can be started: {error}"))
}
