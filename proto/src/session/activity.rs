//! What moved on a connection, and when: the facts that every deadline of a session starts from.

use std::time::Duration;

use crate::Item;

/// The movement of bytes at one end of a connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Activity {
    /// When the last byte came in.
    pub(super) heard: Duration,
    /// When the last byte went out, or a message was given to the writer.
    pub(super) spoke: Duration,
    /// When the message that is coming in began.
    pub(super) message_since: Option<Duration>,
    /// When the last whole message came of a picture in slices that lacks others.
    pub(super) picture_since: Option<Duration>,
    /// Since when output waits without a byte of it leaving.
    pub(super) stuck_since: Option<Duration>,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
}

impl Activity {
    /// Bytes came in; `in_message` says whether the last of them left a message unfinished.
    pub(super) fn received(&mut self, now: Duration, bytes: usize, in_message: bool) {
        if bytes > 0 {
            self.heard = self.heard.max(now);
            self.bytes_in = self.bytes_in.saturating_add(bytes as u64);
        }
        self.message_since = match (in_message, self.message_since) {
            (false, _) => None,
            (true, Some(since)) => Some(since),
            (true, None) => Some(now),
        };
    }

    /// An item was parsed: those that end a message end its receive deadline too, since the bytes
    /// that completed it may also have begun the next.
    pub(super) fn parsed(&mut self, item: &Item<'_>) {
        let inside = matches!(
            item,
            Item::Frame(_) | Item::Plane(_) | Item::Packet(_) | Item::Slice(_) | Item::Body(_)
        );
        if !inside {
            self.message_since = None;
        }
    }

    /// Nothing could move until now, since nobody was there to see it: every wait begins anew.
    pub(super) fn resumed(&mut self, now: Duration) {
        self.heard = self.heard.max(now);
        let Self { message_since, picture_since, stuck_since, .. } = self;
        for since in [message_since, picture_since, stuck_since].into_iter().flatten() {
            *since = now;
        }
    }

    /// Nothing was read until now: what is still to come of a picture is not late.
    pub(super) fn held_up(&mut self, now: Duration) {
        for since in [&mut self.message_since, &mut self.picture_since].into_iter().flatten() {
            *since = now;
        }
    }

    /// Output waits to be written.
    pub(super) fn waiting(&mut self, now: Duration) {
        self.stuck_since.get_or_insert(now);
    }

    /// A message went to the writer.
    pub(super) fn given(&mut self, now: Duration) {
        self.waiting(now);
        self.spoke = self.spoke.max(now);
    }

    /// Bytes left.
    pub(super) fn written(&mut self, now: Duration, bytes: usize) {
        if bytes > 0 {
            self.spoke = self.spoke.max(now);
            self.bytes_out = self.bytes_out.saturating_add(bytes as u64);
            if let Some(since) = &mut self.stuck_since {
                *since = now.max(*since);
            }
        }
    }

    /// The writer came back and nothing more waits.
    pub(super) fn all_written(&mut self) {
        self.stuck_since = None;
    }
}
