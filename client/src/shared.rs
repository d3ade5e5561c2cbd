//! What the caller's thread, the reader and the writer of a session share.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use vtremote_link::{Closer, Moved};
use vtremote_planes::Coding;
use vtremote_proto::session::{Client, ClientError, ServerTraits};
use vtremote_proto::{HelloAck, HelloStatus};

use crate::buffers::Buffers;
use crate::error::{Error, Stranger};
use crate::log::{Level, Log, printable};

/// As much of the server's first bytes as tells what it is.
const FIRST_WORDS: usize = 8;

/// After this long without output that the server owes, it is said that it is waited for.
const LONG: Duration = Duration::from_secs(60);

/// Which way pictures go: what a session has of its own besides what every session has.
pub(crate) trait Direction: Default + Send + 'static {
    /// What the server does for us, for messages.
    const REMOTE: &'static str;
    /// What is sent.
    const SENT: &'static str;

    /// How pictures are coded at the moment where each may be another way.
    fn coding(&self) -> Coding;

    /// What was chosen for them in the end, and why, with what the others would have cost; and whom that concerns.
    fn summary(&self) -> Option<(Level, String)>;
}

/// Everything that more than one thread of a session needs.
pub(crate) struct Shared<D> {
    state: Mutex<State<D>>,
    /// Wakes the writer.
    output: Condvar,
    /// Wakes the caller.
    input: Condvar,
    /// The writer waits on `output`. Waking costs a call into the kernel even if nobody waits. It is set
    /// under the lock, so whoever changes the state under the lock and looks afterwards sees it.
    writer_waits: AtomicBool,
    /// The caller waits on `input`; likewise.
    caller_waits: AtomicBool,
    begin: Instant,
    pub(crate) closer: Arc<dyn Closer>,
    pub(crate) log: Log,
    /// For bulk data on its way out.
    pub(crate) buffers: Arc<Buffers>,
    /// The server as the user named it.
    pub(crate) server: String,
    pub(crate) token_given: bool,
}

/// What the lock guards.
pub(crate) struct State<D> {
    pub(crate) session: Client,
    /// Set once by CONFIGURE_ACK.
    pub(crate) configured: Option<Configured>,
    /// The caller is leaving.
    pub(crate) closing: bool,
    pub(crate) trouble: Option<Trouble>,
    pub(crate) greeting: Greeting,
    /// Output that was last due since then was said to be waited for.
    waited_for: Option<Duration>,
    /// The first bytes that the server sent.
    first_words: Vec<u8>,
    /// Frames (encode) or packets (decode) whose last byte was written.
    pub(crate) sent: u64,
    pub(crate) own: D,
}

/// What the server said of itself in HELLO_ACK.
#[derive(Default)]
pub(crate) struct Greeting {
    pub(crate) capabilities: Vec<String>,
    pub(crate) active_sessions: u16,
    pub(crate) max_sessions: u16,
}

/// What CONFIGURE_ACK settled.
#[derive(Clone)]
pub(crate) struct Configured {
    pub(crate) server: ServerTraits,
    /// Annex B; empty if the server told none.
    pub(crate) extradata: Vec<u8>,
}

/// A failure that the session knows nothing of.
pub(crate) enum Trouble {
    Packet { pts: i64, error: vtremote_bitstream::Error },
    Picture { pts: i64, error: vtremote_planes::Error },
    TooMany { pictures: usize },
    TooLarge { pictures: usize, bytes: u64 },
    Memory { bytes: usize },
    Internal(String),
}

impl<D: Direction> Shared<D> {
    pub(crate) fn new(
        session: Client,
        closer: Arc<dyn Closer>,
        log: Log,
        server: String,
        token_given: bool,
        buffers: usize,
    ) -> Arc<Self> {
        let state = State {
            session,
            configured: None,
            closing: false,
            trouble: None,
            greeting: Greeting::default(),
            waited_for: None,
            first_words: Vec::new(),
            sent: 0,
            own: D::default(),
        };
        Arc::new(Self {
            state: Mutex::new(state),
            output: Condvar::new(),
            input: Condvar::new(),
            writer_waits: AtomicBool::new(false),
            caller_waits: AtomicBool::new(false),
            begin: Instant::now(),
            closer,
            log,
            buffers: Buffers::new(buffers),
            server,
            token_given,
        })
    }

    /// The session's clock.
    pub(crate) fn now(&self) -> Duration {
        self.begin.elapsed()
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State<D>> {
        // Nothing that holds the lock runs foreign code, and a thread of ours that panics ends the
        // session by itself (see Watch).
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn wake_writer(&self) {
        // Once is enough.
        if self.writer_waits.swap(false, Ordering::Relaxed) {
            self.output.notify_one();
        }
    }

    pub(crate) fn wake_caller(&self) {
        if self.caller_waits.swap(false, Ordering::Relaxed) {
            self.input.notify_all();
        }
    }

    /// Waits for something to write, or the time `until`.
    pub(crate) fn wait_for_output<'a>(
        &'a self,
        state: MutexGuard<'a, State<D>>,
        until: Option<Duration>,
    ) -> MutexGuard<'a, State<D>> {
        self.wait((&self.output, &self.writer_waits), state, until)
    }

    /// Waits for something that concerns the caller, or the time `until`.
    pub(crate) fn wait_for_input<'a>(
        &'a self,
        state: MutexGuard<'a, State<D>>,
        until: Option<Duration>,
    ) -> MutexGuard<'a, State<D>> {
        self.wait((&self.input, &self.caller_waits), state, until)
    }

    fn wait<'a>(
        &self,
        (condition, waits): (&Condvar, &AtomicBool),
        state: MutexGuard<'a, State<D>>,
        until: Option<Duration>,
    ) -> MutexGuard<'a, State<D>> {
        /// However far a deadline is: a lost wake-up would cost this and no more.
        const LONGEST: Duration = Duration::from_secs(1);
        let left = until.map_or(LONGEST, |until| until.saturating_sub(self.now()).min(LONGEST));
        // Timers look for what is due, so that waiting for nothing must still let time pass.
        let left = left.max(Duration::from_millis(1));
        waits.store(true, Ordering::Relaxed);
        let waited = condition.wait_timeout(state, left);
        waits.store(false, Ordering::Relaxed);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Ends the session over something that it does not know of itself.
    pub(crate) fn fail(&self, trouble: Trouble) {
        self.lock().trouble.get_or_insert(trouble);
        self.wake_writer();
        self.wake_caller();
    }

    /// The last byte of the frame or packet of this number was written.
    pub(crate) fn sent(&self, number: u32) {
        let mut state = self.lock();
        state.session.sent(self.now(), number);
        state.sent += 1;
    }

    /// Tells the session what came of a read. Gives the bytes that came, which are for the caller to
    /// tell of.
    pub(crate) fn read(&self, moved: io::Result<Moved>) -> Option<usize> {
        let now = self.now();
        let mut state = self.lock();
        match moved {
            Ok(Moved::Bytes(count)) => return Some(count),
            Ok(Moved::Nothing) => {
                state.session.tick(now);
                let late = state.is_late(now);
                drop(state);
                if late {
                    let (server, remote, long) = (&self.server, D::REMOTE, LONG.as_secs());
                    let line = format_args!(
                        "{server} is there, but its {remote} has given nothing for {long} s: it is slow, or stuck"
                    );
                    self.log.line(Level::Warn, line);
                }
            }
            // After closing on this side both are what was asked for.
            Ok(Moved::End) if !state.over() => state.session.end_of_input(now),
            Err(error) if !state.over() => state.session.transport_failed(now, error.to_string()),
            Ok(Moved::End) | Err(_) => {}
        }
        None
    }

    /// Why the session failed, if it did.
    pub(crate) fn error(&self, state: &State<D>) -> Option<Error> {
        if state.trouble.is_none() && state.session.failure().is_none() {
            return None;
        }
        let server = self.server.clone();
        match &state.trouble {
            Some(Trouble::Packet { pts, error }) => {
                return Some(Error::Packet { server, pts: *pts, error: *error });
            }
            Some(Trouble::Picture { pts, error }) => {
                return Some(Error::Picture { server, pts: *pts, error: error.clone() });
            }
            Some(Trouble::TooMany { pictures }) => {
                return Some(Error::TooMany { server, pictures: *pictures });
            }
            Some(Trouble::TooLarge { pictures, bytes }) => {
                return Some(Error::TooLarge { server, pictures: *pictures, bytes: *bytes });
            }
            Some(Trouble::Memory { bytes }) => {
                return Some(Error::Memory { server, bytes: *bytes });
            }
            Some(Trouble::Internal(problem)) => return Some(Error::Internal(problem.clone())),
            None => {}
        }
        Some(match state.session.failure()? {
            ClientError::Settings(problem) => Error::Settings(problem.clone()),
            ClientError::NotVtr1 => {
                Error::Stranger { server, what: Stranger::by_its_words(&state.first_words) }
            }
            ClientError::Refused(HelloStatus::Busy) => {
                let Greeting { active_sessions, max_sessions, .. } = state.greeting;
                Error::Full { server, active: active_sessions, max: max_sessions }
            }
            ClientError::Refused(HelloStatus::AuthenticationFailed) => {
                Error::Token { server, given: self.token_given }
            }
            ClientError::MissingCapability(capability) => {
                Error::Missing { server, capability: capability.clone() }
            }
            ClientError::Server { message, .. } if state.configured.is_none() => {
                Error::Refused { server, message: message.clone() }
            }
            error => Error::Session { server, remote: D::REMOTE, error: error.clone() },
        })
    }
}

impl<D> State<D> {
    /// The server's first bytes say what it is, should it be no server of ours.
    pub(crate) fn hear(&mut self, bytes: &[u8]) {
        if self.configured.is_none() && self.first_words.len() < FIRST_WORDS {
            let missing = FIRST_WORDS - self.first_words.len();
            self.first_words.extend_from_slice(&bytes[..bytes.len().min(missing)]);
        }
    }

    /// Whether to say that output is late: once for each that is waited for.
    fn is_late(&mut self, now: Duration) -> bool {
        let since = self.session.owed_since();
        let late = since.is_some_and(|since| now.saturating_sub(since) >= LONG);
        let news = late && self.waited_for != since;
        if news {
            self.waited_for = since;
        }
        news
    }

    /// The server is there.
    pub(crate) fn greet(&mut self, ack: &HelloAck<'_>) {
        self.greeting = Greeting {
            capabilities: ack.capabilities.iter().map(|name| printable(name)).collect(),
            active_sessions: ack.active_sessions,
            max_sessions: ack.max_sessions,
        };
    }

    /// CONFIGURE_ACK came, with these parameter sets as Annex B.
    pub(crate) fn configure(&mut self, extradata: Vec<u8>) {
        let mut server = self.session.server().clone();
        server.name = printable(&server.name);
        server.version = printable(&server.version);
        self.configured = Some(Configured { server, extradata });
    }

    /// Whether nothing more is to be sent or received.
    pub(crate) fn over(&self) -> bool {
        self.closing
            || self.trouble.is_some()
            || self.session.done()
            || self.session.failure().is_some()
    }
}

/// Ends the session if the thread that holds it panics, so that nobody waits for that thread.
pub(crate) struct Watch<D: Direction>(pub(crate) Arc<Shared<D>>);

impl<D: Direction> Drop for Watch<D> {
    fn drop(&mut self) {
        if thread::panicking() {
            let name = thread::current().name().unwrap_or_default().to_owned();
            self.0.fail(Trouble::Internal(format!("{name} panicked")));
            self.0.closer.close();
        }
    }
}
