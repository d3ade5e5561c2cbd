//! A client's deadlines (docs/protocol.md sections 4, 7 and 8).

use std::time::Duration;

use super::{Client, ClientError, Generation, STALL_WINDOW, State};
use crate::session::activity::Activity;

/// CONFIGURE_ACK gets at least this: servers have 4 s for it.
const MIN_START_TIMEOUT: Duration = Duration::from_secs(5);

/// Silence gets at least this, since a server's own PINGs come every 2 s.
const MIN_SILENCE: Duration = Duration::from_secs(3);

/// An early server, which sends no PING, has this long for the next packet once it must send one.
const EARLY_ANSWER: Duration = Duration::from_secs(30);

/// Others say by their PINGs that they are there, however long an encoder takes: but if this long nothing
/// comes of one that has all it can get, it never will.
const LATEST_ANSWER: Duration = Duration::from_secs(3600);

/// Early servers end a session in which nothing came for 10 s.
const KEEPALIVE: Duration = Duration::from_secs(4);

/// One message from its first byte to its last, and output of which nothing leaves.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(60);

/// After a failed write, the server's ERROR may still be on its way to us.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A process that comes this late to a deadline did not run: it was stopped, or the machine slept.
const STOPPED: Duration = Duration::from_secs(1);

/// Nothing is called late by a process that has not run for this long just before: what it waits for may
/// have come without having been read.
const LAST_LOOK: Duration = Duration::from_millis(500);

/// What a deadline is for, in the order in which they count when several have passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Timer {
    Write,
    HelloAck,
    ConfigureAck,
    Receive,
    Picture,
    Send,
    Answer,
    Silence,
    Ping,
}

impl Timer {
    /// What has moved since is learnt by other threads than the one that looks at the clock.
    fn waits_for_others(self) -> bool {
        matches!(
            self,
            Timer::Receive | Timer::Picture | Timer::Send | Timer::Answer | Timer::Silence
        )
    }
}

/// A wait that is about to be called too long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Doubt {
    /// The deadline.
    at: Duration,
    /// When the process was seen to run before it.
    since: Duration,
}

impl Client {
    /// When to call [`Self::tick`] if nothing happens before.
    pub fn deadline(&self) -> Option<Duration> {
        let due = |(at, timer): (Duration, Timer)| match timer.waits_for_others() {
            false => Some(at),
            true => (self.soonest_wait() == Some(at)).then(|| match self.doubted(at) {
                Some(since) => at.max(since.saturating_add(LAST_LOOK)),
                None => at.saturating_sub(LAST_LOOK),
            }),
        };
        self.timers().into_iter().flatten().filter_map(due).min()
    }

    /// The first deadline of those that other threads have to see met.
    fn soonest_wait(&self) -> Option<Duration> {
        let timers = self.timers().into_iter().flatten();
        timers.filter(|(_, timer)| timer.waits_for_others()).map(|(at, _)| at).min()
    }

    /// Since when it has been looked whether this deadline is met.
    fn doubted(&self, at: Duration) -> Option<Duration> {
        self.doubt.filter(|doubt| doubt.at == at).map(|doubt| doubt.since)
    }

    /// Does what is due: a PING, or failure.
    pub fn tick(&mut self, now: Duration) {
        if let Some(at) = self.soonest_wait() {
            if now.saturating_sub(at) > STOPPED {
                // What came meanwhile has not been read, and what was to leave not been written.
                self.answered = now;
                return self.activity.resumed(now);
            }
            if at.saturating_sub(LAST_LOOK) <= now && self.doubted(at).is_none() {
                self.doubt = Some(Doubt { at, since: now });
            }
        }
        let looked = |at| {
            let since = self.doubted(at);
            since.is_some_and(|since| since.saturating_add(LAST_LOOK) <= now)
        };
        let due = |(at, timer): &(Duration, Timer)| {
            *at <= now && (!timer.waits_for_others() || looked(*at))
        };
        let Some((_, timer)) = self.timers().into_iter().flatten().find(due) else { return };
        let timed_out = |what, after| ClientError::TimedOut { what, after };
        let error = match timer {
            Timer::HelloAck => timed_out("no answer to HELLO", self.settings.timeout),
            Timer::ConfigureAck => timed_out("no answer to CONFIGURE", self.start_timeout()),
            Timer::Receive => timed_out("a message did not arrive completely", MESSAGE_TIMEOUT),
            Timer::Picture => timed_out("nothing more came of a picture", MESSAGE_TIMEOUT),
            Timer::Send => timed_out("the server took none of our output", MESSAGE_TIMEOUT),
            Timer::Answer => timed_out("the server gave no output", self.latest_answer()),
            Timer::Silence => timed_out("the server sent nothing", self.silence()),
            Timer::Write => {
                let reason = self.write_failure.take().map(|(_, reason)| reason);
                ClientError::Transport(reason.unwrap_or_default())
            }
            Timer::Ping => {
                self.output.ping = true;
                self.probed = self.probed.max(now);
                return self.activity.waiting(now);
            }
        };
        self.fail(error);
    }

    fn start_timeout(&self) -> Duration {
        self.settings.timeout.max(MIN_START_TIMEOUT)
    }

    /// How long a server that lives is never silent.
    fn silence(&self) -> Duration {
        match (self.state, self.server.generation) {
            // It sends no PING, and we may not send one.
            (State::Flushed { .. }, Generation::Early) => EARLY_ANSWER,
            _ => self.settings.timeout.max(MIN_SILENCE),
        }
    }

    /// Since when the server owes output that nothing on this side can hold up: it has the window full of what
    /// it does not take, or all that there is. None if it may wait for more, or for the caller.
    pub fn owed_since(&self) -> Option<Duration> {
        let owed = match (self.state, self.server.generation) {
            (State::Flushed { .. }, Generation::Early) => self.ledger.outstanding() > 0,
            (State::Flushed { .. }, _) => true,
            (State::Streaming, _) if self.unclaimed > 0 || self.unsent > 0 => false,
            (State::Streaming, _) if self.server.ack => self.untaken() >= self.window.size(),
            (State::Streaming, _) => self.ledger.outstanding() >= STALL_WINDOW,
            _ => false,
        };
        owed.then_some(self.answered)
    }

    fn latest_answer(&self) -> Duration {
        match self.server.generation {
            Generation::Early => EARLY_ANSWER,
            _ => LATEST_ANSWER,
        }
    }

    fn timers(&self) -> [Option<(Duration, Timer)>; 9] {
        if self.ended() {
            return [None; 9];
        }
        let Activity { heard, spoke, message_since, picture_since, stuck_since, .. } =
            self.activity;
        let silence = self.silence();
        let moved = heard.max(self.uploaded);
        let (hello, configure, streaming, flushed) = match self.state {
            State::Hello => (Some(Duration::ZERO), None, None, None),
            State::Configure { since } => (None, Some(since), None, None),
            State::Flushed { since } => (None, None, None, Some(moved.max(since))),
            _ => (None, None, Some(moved), None),
        };
        let pings = self.state == State::Streaming && !self.output.ping;
        let ping = pings.then(|| {
            let probe = moved.max(self.probed).saturating_add(silence / 2);
            probe.min(spoke.saturating_add(KEEPALIVE))
        });
        let after = |since: Option<Duration>, after, timer| {
            since.map(|since| (since.saturating_add(after), timer))
        };
        [
            after(self.write_failure.as_ref().map(|(at, _)| *at), LAST_WORDS, Timer::Write),
            after(hello, self.settings.timeout, Timer::HelloAck),
            after(configure, self.start_timeout(), Timer::ConfigureAck),
            after(message_since, MESSAGE_TIMEOUT, Timer::Receive),
            after(picture_since, MESSAGE_TIMEOUT, Timer::Picture),
            after(stuck_since, MESSAGE_TIMEOUT, Timer::Send),
            after(self.owed_since(), self.latest_answer(), Timer::Answer),
            after(streaming.or(flushed), silence, Timer::Silence),
            after(ping, Duration::ZERO, Timer::Ping),
        ]
    }
}
