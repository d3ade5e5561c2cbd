use crate::session;
use crate::settings::Settings;
use crate::slots::Slots;
use crate::{Error, Exit};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use tracing::{debug, error, info, warn};
use vtremote_backend::{Backend, Capabilities};
use vtremote_link::{ConnectError, Listener, TICK, TcpSettings, tcp_link};

/// Connections without a slot, beyond which the oldest of them goes if it has been there for
/// [`GRACE`]: so many that have had none, and as many that had one. Whoever only knocks thus cannot cut
/// off the last words of a session.
const MAX_WITHOUT_SLOT: usize = 64;

/// Beyond so many the oldest goes however young it is. A process may have 256 files open where nobody
/// has raised that, as on macOS.
const MOST_WITHOUT_SLOT: usize = 128;

/// Many clients that begin at once are no crowd at the door: each has this long for its HELLO.
const GRACE: Duration = Duration::from_secs(1);

/// How long sessions may take to tell their clients that the daemon ends.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// And at a second signal, which is to end the daemon at once: clients must not take its end for theirs.
const PARTING: Duration = Duration::from_millis(300);

/// Accepts connections and keeps account of them.
pub struct Daemon {
    shared: Arc<Shared>,
    listeners: Vec<Listener>,
    addresses: Vec<SocketAddr>,
}

/// Ends a daemon from another thread.
#[derive(Clone)]
pub struct Stop(Arc<Shared>);

/// What accepting and the sessions share.
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) backends: Vec<Arc<dyn Backend>>,
    pub(crate) slots: Arc<Slots>,
    next_id: AtomicU64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    stopping: bool,
    /// Every connection, oldest first.
    connections: BTreeMap<u64, Arc<session::Shared>>,
    /// A second signal came.
    at_once: bool,
    /// `--once`: how the session ended.
    served: Option<bool>,
}

impl Daemon {
    /// Listens on every address of the settings, and only then asks for the backends: that may take seconds,
    /// and an address that is in use should be said at once. Clients that come meanwhile are connected by
    /// the system, and wait until they are served.
    ///
    /// # Errors
    /// [`Error::Start`] names the address that cannot be had, and why; or no backend can do anything. And
    /// what `backends` gives.
    pub fn bind(
        settings: &Settings,
        backends: impl FnOnce() -> Result<Vec<Arc<dyn Backend>>, Error>,
    ) -> Result<Self, Error> {
        let mut listeners = Vec::new();
        for address in &settings.listen {
            let bound = Listener::bind(address, Duration::from_secs(10));
            listeners.extend(bound.map_err(|error| match error {
                ConnectError::Connect { address, error } => {
                    Error::Start(format!("cannot listen on {address}: {error}"))
                }
                error => Error::Start(format!("cannot listen on {address}: {error}")),
            })?);
        }
        let addresses = listeners.iter().map(Listener::local_addr).collect::<Result<_, _>>();
        let addresses = addresses.map_err(|error| Error::Start(error.to_string()))?;
        let backends = backends()?;
        let idle = |backend: &Arc<dyn Backend>| {
            let Capabilities { encoders, decoders, .. } = backend.capabilities();
            encoders.is_empty() && decoders.is_empty()
        };
        if backends.iter().all(idle) {
            let what = "no backend can encode or decode anything on this machine";
            return Err(Error::Start(what.into()));
        }
        let shared = Arc::new(Shared {
            settings: settings.clone(),
            backends,
            slots: Slots::new(if settings.once { 1 } else { settings.max_sessions }),
            next_id: AtomicU64::new(0),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        Ok(Daemon { shared, listeners, addresses })
    }

    /// Where it listens, with the ports that the system chose.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    pub(crate) fn backends(&self) -> &[Arc<dyn Backend>] {
        &self.shared.backends
    }

    /// Ends the daemon from another thread.
    pub fn stop(&self) -> Stop {
        Stop(Arc::clone(&self.shared))
    }

    /// Makes SIGTERM and SIGINT stop the daemon; the second of them ends the process with exit code 4.
    ///
    /// # Errors
    /// [`Error::Start`] if the system refuses.
    pub fn stop_on_signals(&self) -> Result<(), Error> {
        let refused = |error: std::io::Error| Error::Start(format!("signals: {error}"));
        let mut signals = Signals::new([SIGTERM, SIGINT]).map_err(refused)?;
        let stop = self.stop();
        let thread = thread::Builder::new().name("signals".into());
        let thread = thread.spawn(move || {
            let mut first = true;
            for _ in signals.forever() {
                if !first {
                    warn!("ending at once");
                    stop.0.lock().at_once = true;
                    stop.0.cut_off(PARTING);
                    std::process::exit(Exit::AtOnce as i32);
                }
                first = false;
                stop.stop();
            }
        });
        thread.map(drop).map_err(refused)
    }

    /// Serves until it is stopped.
    pub fn serve(self) -> Exit {
        let Daemon { shared, listeners, .. } = self;
        thread::scope(|scope| {
            for listener in listeners {
                let shared = &shared;
                scope.spawn(move || accept(&listener, shared));
            }
        });
        // Nothing new comes from here on: the listeners are closed.
        shared.each(session::Shared::turn_away);
        let left = shared.lock().connections.len();
        if left > 0 {
            let patience = shared.settings.drain_timeout;
            info!(connections = left, "stopping within {patience:?}");
        }
        let finished = shared.wait_until_empty(shared.settings.drain_timeout);
        if !finished {
            shared.cut_off(LAST_WORDS);
        }
        let state = shared.lock();
        match state.served {
            // The thread that heard the signal may be still about to end the process.
            _ if state.at_once => Exit::AtOnce,
            Some(false) => Exit::Interrupted,
            _ if finished => Exit::Clean,
            _ => Exit::Interrupted,
        }
    }
}

impl Stop {
    /// No more connections are accepted, and [`Daemon::serve`] returns once the sessions have finished,
    /// or at the drain timeout.
    pub fn stop(&self) {
        self.0.lock().stopping = true;
        self.0.changed.notify_all();
    }
}

/// Accepts until the daemon stops. Nothing that one connection does holds it up.
fn accept(listener: &Listener, shared: &Arc<Shared>) {
    let mut failing = false;
    while !shared.lock().stopping {
        match listener.accept(TICK) {
            Ok(Some((stream, peer))) => {
                failing = false;
                if let Err(error) = begin(stream, shared) {
                    warn!(%peer, %error, "a connection could not be served");
                }
            }
            Ok(None) => {}
            Err(error) => {
                // Out of file descriptors or memory, most likely: the connection waits in the system's
                // queue until a session has ended.
                if !failing {
                    error!(%error, "cannot accept connections at the moment");
                }
                failing = true;
                thread::sleep(TICK);
            }
        }
    }
}

fn begin(stream: TcpStream, shared: &Arc<Shared>) -> std::io::Result<()> {
    let link = tcp_link(
        stream,
        &TcpSettings {
            quick_ack: true,
            unacknowledged: Some(shared.settings.idle_timeout),
            ..TcpSettings::default()
        },
    )?;
    let id = shared.next_id.fetch_add(1, Ordering::Relaxed);
    let session = Arc::new(session::Shared::new(&shared.settings, &link));
    let mut state = shared.lock();
    state.connections.insert(id, Arc::clone(&session));
    for without_slot in [session::Shared::is_stranger, session::Shared::is_leaving] {
        let those = || state.connections.values().filter(|session| without_slot(session));
        let count = those().count();
        if let Some(oldest) = those().next().filter(|oldest| goes(count, oldest.age())) {
            debug!("too many connections without a session: closing the oldest");
            oldest.close();
        }
    }
    drop(state);
    let registration = Registration { id, shared: Arc::clone(shared) };
    let thread = thread::Builder::new().name(format!("session-{id}"));
    thread.spawn(move || session::serve(link, &session, &registration)).map(drop)
}

/// Whether the oldest of so many connections without a slot has to go for a newer one.
fn goes(count: usize, age: Duration) -> bool {
    count > MOST_WITHOUT_SLOT || (count > MAX_WITHOUT_SLOT && age >= GRACE)
}

/// A connection's place in the daemon's account; gone when dropped.
pub(crate) struct Registration {
    id: u64,
    pub(crate) shared: Arc<Shared>,
}

impl Registration {
    /// A session that had a slot has ended.
    pub(crate) fn served(&self, well: bool) {
        if self.shared.settings.once {
            let mut state = self.shared.lock();
            state.served.get_or_insert(well);
            state.stopping = true;
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.shared.lock().connections.remove(&self.id);
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // What is done under the lock cannot be left half done by a panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn each(&self, act: fn(&session::Shared)) {
        self.lock().connections.values().for_each(|session| act(session));
    }

    /// Ends every connection: with an ERROR, which has so long to arrive, then without.
    fn cut_off(&self, patience: Duration) {
        self.each(session::Shared::shut_down);
        if !self.wait_until_empty(patience) {
            self.each(session::Shared::close);
            self.wait_until_empty(PARTING);
        }
    }

    fn wait_until_empty(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        let mut state = self.lock();
        while !state.connections.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_time_for_its_hello_however_many_connect_in_the_same_instant() {
        let young = GRACE - Duration::from_nanos(1);
        assert!(!goes(MAX_WITHOUT_SLOT, Duration::MAX));
        assert!(!goes(MAX_WITHOUT_SLOT + 1, young));
        assert!(goes(MAX_WITHOUT_SLOT + 1, GRACE));
        assert!(!goes(MOST_WITHOUT_SLOT, young));
        assert!(goes(MOST_WITHOUT_SLOT + 1, Duration::ZERO));
    }
}
