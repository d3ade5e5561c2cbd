//! One connection: threads and bytes around `vtremote_proto::Server`.
//!
//! ```text
//!   reader ─▶ Server ─▶ encoder or decoder        (this thread; slice workers decompress)
//!   codec's threads ─▶ sink ─▶ Server ─▶ writer   (a thread of its own)
//! ```

mod config;
mod decode;
mod encode;
mod frames;
mod hello;
mod latency;
mod line;
mod message;
mod pixels;
mod places;
mod reader;
mod writer;

use crate::daemon::Registration;
use crate::settings::Settings;
use crate::slots::Slot;
use latency::Latency;
use message::Message;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use tracing::{error, info, warn};
use vtremote_backend::Error as BackendError;
use vtremote_link::{Closer, Link};
use vtremote_planes::Auto;
use vtremote_proto::{End, OutputError, Server, ServerSettings, error_code};

/// Messages whose memory is kept: as many as wait while a window's worth of packets comes at once, or the
/// slices of the pictures that wait while the client does not read.
const SPARE: usize = 128;

/// What the threads of one session share.
pub(crate) struct Shared {
    began: Instant,
    closer: Arc<dyn Closer>,
    /// `--once`.
    once: bool,
    state: Mutex<State>,
    /// Wakes the writer.
    output: Condvar,
    /// Wakes whoever waits for the session to get on.
    changed: Condvar,
}

struct State {
    server: Server<Message>,
    slot: Option<Slot>,
    /// Packets or pictures that the writer has not begun with.
    queued: usize,
    /// Since FLUSH: when the backend last gave something or the writer began with it, or FLUSH itself.
    draining: Option<Duration>,
    /// The writer sleeps until then unless it is woken: waking costs a call into the kernel, and what
    /// comes in with every few hundred kilobytes is seldom any of its business.
    writer_sleeps: Option<Duration>,
    /// How many wait for a change.
    waiting: usize,
    /// Written, and empty: memory for those to come.
    spare: Vec<Message>,
    report: Report,
    latency: Latency,
    /// The client is on this machine.
    is_local: bool,
    /// Chooses how each picture is compressed that goes out, where the client leaves that to us.
    auto: Option<Auto>,
    /// Parts of pictures that are being compressed where it does.
    making: usize,
}

/// What the session's line in the log says, beyond what the state machine counts.
#[derive(Default)]
struct Report {
    client: String,
    codec: String,
    mode: &'static str,
    width: u32,
    height: u32,
    /// When CONFIGURE_ACK went out.
    began: Option<Duration>,
    /// Of the pictures, without compression.
    raw_bytes: u64,
    /// Of the codec, once the session has begun.
    warnings: u64,
    /// That had a slot.
    accepted: bool,
}

impl State {
    /// How the session went; `None` if it was none, since the client only looked what there is, or asked
    /// for what cannot be had.
    fn served(&self) -> Option<bool> {
        let counts = self.server.counts();
        match self.server.end() {
            _ if !self.report.accepted => None,
            Some(End::Done) => Some(true),
            _ if counts.frames_in + counts.packets_in == 0 => None,
            _ => Some(false),
        }
    }
}

impl Shared {
    pub(crate) fn new(settings: &Settings, link: &Link) -> Self {
        let default = ServerSettings::default();
        let server = Server::new(ServerSettings {
            handshake_timeout: settings.handshake_timeout,
            idle_timeout: settings.idle_timeout,
            // Well before that: a client that answers is to be heard in time.
            ping_interval: default.ping_interval.min(settings.idle_timeout / 4),
            ..default
        });
        let state = State {
            server,
            slot: None,
            queued: 0,
            draining: None,
            writer_sleeps: None,
            waiting: 0,
            spare: Vec::with_capacity(SPARE),
            report: Report::default(),
            latency: Latency::default(),
            is_local: false,
            auto: None,
            making: 0,
        };
        Shared {
            began: Instant::now(),
            closer: Arc::clone(&link.closer),
            once: settings.once,
            state: Mutex::new(state),
            output: Condvar::new(),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A thread that panics ends the session; what is left to do is to say so and close.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the state machine and wakes whom that concerns.
    fn with<T>(&self, act: impl FnOnce(&mut Server<Message>, Duration) -> T) -> T {
        let mut state = self.lock();
        let done = act(&mut state.server, self.began.elapsed());
        self.settle(state);
        done
    }

    /// The slot is free as soon as the session's end is known and its output no longer takes memory:
    /// before the client reads its last words, so that it finds the slot free when it comes back.
    fn settle(&self, mut state: MutexGuard<'_, State>) {
        let server = &state.server;
        let ended = server.over().is_some() || (server.end().is_some() && state.queued == 0);
        // With --once nobody else is to have the slot of the one session.
        if ended && !(self.once && state.served().is_some()) {
            state.slot = None;
        }
        let concerns_writer = |until| {
            let server = &state.server;
            let earlier = server.deadline().is_some_and(|deadline| deadline < until);
            earlier || server.has_output() || server.end().is_some()
        };
        let wake_writer = state.writer_sleeps.is_some_and(concerns_writer);
        if wake_writer {
            // Once is enough.
            state.writer_sleeps = None;
        }
        let wake_others = state.waiting > 0;
        // Whoever wakes up needs the lock.
        drop(state);
        if wake_writer {
            self.output.notify_one();
        }
        if wake_others {
            self.changed.notify_all();
        }
    }

    /// The session is over, or is only waiting for its last words to arrive.
    fn has_ended(&self) -> bool {
        self.lock().server.end().is_some()
    }

    /// Queues a packet or picture, if `give` gets it past the state machine.
    fn output(&self, give: impl FnOnce(&mut State, Duration) -> Result<(), OutputError>) {
        let mut state = self.lock();
        let now = self.began.elapsed();
        // Otherwise the client has gone, or a breach has ended the session with an ERROR.
        if give(&mut state, now).is_ok() {
            state.queued += 1;
            state.draining = state.draining.map(|_| now);
        }
        self.settle(state);
    }

    /// An empty message, in the memory of an earlier one.
    fn message(&self) -> Message {
        self.lock().spare.pop().unwrap_or_default()
    }

    /// Keeps the memory of a message that was written.
    fn keep(&self, mut message: Message) -> MutexGuard<'_, State> {
        message.clear();
        let mut state = self.lock();
        if state.spare.len() < SPARE {
            state.spare.push(message);
        }
        state
    }

    /// Waits until this holds, the session has ended or the time has passed. Says whether it holds.
    fn wait_until(&self, wait: Duration, holds: impl Fn(&State) -> bool) -> bool {
        let waits = |state: &mut State| state.server.end().is_none() && !holds(state);
        let mut state = self.lock();
        state.waiting += 1;
        let waited = self.changed.wait_timeout_while(state, wait, waits);
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.waiting -= 1;
        holds(&state)
    }

    fn fail(&self, code: u32, message: &str) {
        self.with(|server, now| server.fail(now, code, message));
    }

    /// Something went wrong and the session goes on: for the log, the session's line in it and the client.
    fn warn(&self, text: &str) {
        let mut state = self.lock();
        let client = state.report.client.clone();
        state.report.warnings += 1;
        state.server.notice(self.began.elapsed(), text);
        self.settle(state);
        warn!(client, "{text}");
    }

    fn backend_failed(&self, error: &BackendError) {
        self.fail(code_of(error), &error.to_string());
    }

    /// The daemon ends: the client is told.
    pub(crate) fn shut_down(&self) {
        self.fail(error_code::BUSY_OR_CODEC, "the server is shutting down");
    }

    /// Ends the connection at once.
    pub(crate) fn close(&self) {
        self.with(|server, now| server.transport_failed(now, "closed by the server".into()));
        self.closer.close();
    }

    /// How long it has been connected.
    pub(crate) fn age(&self) -> Duration {
        self.began.elapsed()
    }

    /// Has no slot yet, or is not to have one.
    pub(crate) fn is_stranger(&self) -> bool {
        let state = self.lock();
        !state.report.accepted && state.server.over().is_none()
    }

    /// Has a slot no longer: its last words are on their way.
    pub(crate) fn is_leaving(&self) -> bool {
        let state = self.lock();
        state.report.accepted && state.slot.is_none() && state.server.over().is_none()
    }

    /// Ends the connection unless it is a session, or one whose last words are on their way.
    pub(crate) fn turn_away(&self) {
        if self.is_stranger() && !self.has_ended() {
            self.close();
        }
    }
}

/// The ERROR code for a backend's error (docs/protocol.md section 8).
fn code_of(error: &BackendError) -> u32 {
    match error {
        BackendError::Unsupported(_) => error_code::UNSUPPORTED,
        BackendError::Option { .. } => error_code::AUTH_OR_CONFIG,
        BackendError::Codec(_) => error_code::BUSY_OR_CODEC,
        BackendError::Internal(_) => error_code::INTERNAL,
    }
}

/// Serves one connection to its end. Runs on a thread of its own.
pub(crate) fn serve(link: Link, session: &Arc<Shared>, registration: &Registration) {
    let Link { mut reader, writer, peer, is_local, .. } = link;
    let mut state = session.lock();
    (state.report.client, state.is_local) = (peer.clone(), is_local);
    drop(state);
    let writing = Arc::clone(session);
    let name = thread::current().name().unwrap_or("session").to_owned() + "-writer";
    let writer = thread::Builder::new().name(name).spawn(move || {
        let _ = catch_unwind(AssertUnwindSafe(|| writer::write(&writing, writer)));
        // The session is over, and the reader is to notice.
        writing.close();
    });
    let writer = match writer {
        Ok(writer) => writer,
        Err(error) => {
            error!(client = peer, %error, "a connection could not be served");
            return session.close();
        }
    };
    let read =
        catch_unwind(AssertUnwindSafe(|| reader::read(session, &mut *reader, registration, &peer)));
    if read.is_err() {
        error!(client = peer, "a session panicked; the others go on");
    }
    reader::discard(session, &mut *reader);
    // The writer ends when the session is over, for which there is always a deadline.
    let _ = writer.join();
    let state = session.lock();
    report(&state, session.began.elapsed());
    let served = state.served();
    drop(state);
    if let Some(well) = served {
        registration.served(well);
    }
}

/// The one line about a session that ended.
fn report(state: &State, now: Duration) {
    let Report { client, codec, mode, width, height, began, raw_bytes, warnings, accepted } =
        &state.report;
    let end = state.server.end().map_or("closed".into(), ToString::to_string);
    if !accepted {
        match state.server.end() {
            // Health checks and port scans come and go.
            Some(End::NotVtr1) | Some(End::ClientLeft { .. }) | None => {
                tracing::debug!(client, end, "connection without a session")
            }
            Some(_) => warn!(client, end, "connection refused"),
        }
        return;
    }
    let counts = state.server.counts();
    let decode = *mode == "decode";
    let (frames, packets, wire) = if decode {
        (counts.frames_out, counts.packets_in, counts.bytes_out)
    } else {
        (counts.frames_in, counts.packets_out, counts.bytes_in)
    };
    let seconds = began.map_or(0.0, |began| now.saturating_sub(began).as_secs_f64());
    let rate = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
    let fps = (rate(frames) * 100.0).round() / 100.0;
    let ratio = if wire > 0 { *raw_bytes as f64 / wire as f64 } else { 0.0 };
    let ratio = (ratio * 1000.0).round() / 1000.0;
    let (p50_ms, p99_ms) = (state.latency.percentile(0.50), state.latency.percentile(0.99));
    let wire = state.auto.as_ref().map(Auto::reason);
    macro_rules! line {
        ($level:ident) => {
            $level!(
                client,
                codec,
                mode,
                width,
                height,
                frames,
                packets,
                bytes_in = counts.bytes_in,
                bytes_out = counts.bytes_out,
                raw_bytes,
                fps,
                ratio,
                p50_ms,
                p99_ms,
                wire,
                warnings,
                end,
                "session ended"
            )
        };
    }
    match state.server.end() {
        Some(End::Done) => line!(info),
        Some(End::ClientLeft { .. }) => line!(warn),
        _ => line!(error),
    }
}
