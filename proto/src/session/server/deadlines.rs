//! A server's deadlines (docs/protocol.md sections 1, 4 and 8).

use std::time::Duration;

use super::{End, Server, ServerSettings, State};
use crate::{Mode, error_code, session::activity::Activity};

/// CONFIGURE_ACK comes within this: existing clients give up after 5 s.
const START_TIMEOUT: Duration = Duration::from_secs(4);

/// A client that does not use `x.ack.v1` may answer no PING while its caller pauses: it is gone after as many
/// idle timeouts of silence, an hour. One of ours that sends nothing though we PING is gone after one.
const PAUSE: u32 = 60;

/// A client that may be waiting for the answer to a repeat gets it when nothing moved for this long.
const REPEAT_PATIENCE: Duration = Duration::from_millis(100);

/// What a deadline is for, in the order in which they count when several have passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Timer {
    Hello,
    Configure,
    Start,
    Receive,
    Picture,
    Send,
    Idle,
    Silence,
    Linger,
    Repeats,
    Ping,
}

impl<B> Server<B> {
    /// When to call [`Self::tick`] if nothing happens before.
    pub fn deadline(&self) -> Option<Duration> {
        self.timers().map(|(at, _)| at).min()
    }

    /// Does what is due: a PING, the answer to a repeat, an ERROR, the end.
    pub fn tick(&mut self, now: Duration) {
        let due = self.timers().filter(|(at, _)| *at <= now).map(|(_, timer)| timer).next();
        let Some(timer) = due else { return };
        let idle = self.settings.idle_timeout;
        let text = match timer {
            Timer::Hello => "no HELLO came in time".into(),
            Timer::Configure => "no CONFIGURE came in time".into(),
            Timer::Start => format!("the backend did not start within {START_TIMEOUT:?}"),
            Timer::Receive => format!("a message did not arrive completely within {idle:?}"),
            Timer::Picture => format!("nothing more came of a picture within {idle:?}"),
            Timer::Idle => format!("nothing moved for {idle:?}"),
            Timer::Silence => {
                format!("nothing came for {:?} though we sent PINGs", self.silence())
            }
            Timer::Send => return self.finish(End::Stuck),
            Timer::Linger => return self.over_now(),
            Timer::Repeats => {
                for repeat in self.answers.answer_repeats() {
                    self.answer_repeat(now, &repeat);
                }
                return;
            }
            Timer::Ping => {
                self.output.ping = true;
                self.activity.waiting(now);
                self.unheard_since.get_or_insert(now);
                return;
            }
        };
        self.fail(now, error_code::TIMEOUT, &text);
    }

    /// A client waits for us and can take a PING.
    fn pings(&self) -> bool {
        let waits = self.state == State::Draining
            || self.unanswered() > 0
            || self.activity.message_since.is_some();
        let takes = self.client.mode == Mode::Encode || self.client.decode_async;
        self.streaming() && waits && takes && !self.output.pending()
    }

    /// The client's window may be full of frames that the encoder holds back, and of repeats of them.
    fn owes_repeats(&self) -> bool {
        self.state == State::Streaming && self.answers.owes_repeats() && !self.output.pending()
    }

    /// How long a client that lives is never silent while we PING.
    fn silence(&self) -> Duration {
        self.settings.idle_timeout.saturating_mul(if self.client.ack { 1 } else { PAUSE })
    }

    fn timers(&self) -> impl Iterator<Item = (Duration, Timer)> {
        let ServerSettings { handshake_timeout, idle_timeout, ping_interval, linger } =
            self.settings;
        let Activity { heard, spoke, message_since, picture_since, stuck_since, .. } =
            self.activity;
        let streaming = self.streaming();
        let receiving = !self.closing() && self.state != State::Hello;
        [
            (
                matches!(self.state, State::Hello).then_some(Duration::ZERO),
                handshake_timeout,
                Timer::Hello,
            ),
            (self.since_hello_ack(), handshake_timeout, Timer::Configure),
            (self.since_configure(), START_TIMEOUT, Timer::Start),
            (message_since.filter(|_| receiving), idle_timeout, Timer::Receive),
            (picture_since.filter(|_| streaming), idle_timeout, Timer::Picture),
            (stuck_since.filter(|_| self.state != State::Over), idle_timeout, Timer::Send),
            (streaming.then_some(heard.max(spoke)), idle_timeout, Timer::Idle),
            (self.unheard_since.filter(|_| streaming), self.silence(), Timer::Silence),
            (self.since_sent(), linger, Timer::Linger),
            (self.owes_repeats().then_some(heard.max(spoke)), REPEAT_PATIENCE, Timer::Repeats),
            (self.pings().then_some(spoke), ping_interval, Timer::Ping),
        ]
        .into_iter()
        .filter_map(|(since, after, timer)| Some((since?.saturating_add(after), timer)))
    }

    fn since_hello_ack(&self) -> Option<Duration> {
        match self.state {
            State::Configure { since } => Some(since),
            _ => None,
        }
    }

    fn since_configure(&self) -> Option<Duration> {
        match self.state {
            State::Configuring { since } => Some(since),
            _ => None,
        }
    }

    fn since_sent(&self) -> Option<Duration> {
        match self.state {
            State::Lingering { since } => since,
            _ => None,
        }
    }
}
