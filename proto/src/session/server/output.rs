//! What a server has to say, in the order in which it goes out.

use std::collections::VecDeque;

use crate::{Ack, Pace, Ping, session::message};

/// The next message to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing<B> {
    /// A whole message.
    Control(Vec<u8>),
    /// A message that was queued with [`Server::packet`](crate::Server::packet) or
    /// [`Server::frame`](crate::Server::frame).
    Data(B),
}

/// Messages to be written. Handshake answers go first; PONG, ACK, PACE and PING overtake what waits.
#[derive(Debug)]
pub(super) struct Output<B> {
    pub(super) handshake: VecDeque<Vec<u8>>,
    pub(super) pongs: VecDeque<Vec<u8>>,
    pub(super) ack: Option<Ack>,
    pub(super) pace: Option<Pace>,
    pub(super) ping: bool,
    pub(super) queue: VecDeque<Outgoing<B>>,
    /// What was fetched last has not been written yet.
    pub(super) writing: bool,
    /// Memory for the next ACK or PACE.
    pub(super) spare: Vec<u8>,
}

impl<B> Output<B> {
    pub(super) fn new() -> Self {
        Self {
            handshake: VecDeque::new(),
            pongs: VecDeque::new(),
            ack: None,
            pace: None,
            ping: false,
            queue: VecDeque::new(),
            writing: false,
            spare: Vec::new(),
        }
    }

    pub(super) fn pending(&self) -> bool {
        self.writing
            || self.ping
            || self.ack.is_some()
            || self.pace.is_some()
            || !self.handshake.is_empty()
            || !self.pongs.is_empty()
            || !self.queue.is_empty()
    }

    pub(super) fn next(&mut self) -> Option<Outgoing<B>> {
        if let Some(message) = self.handshake.pop_front().or_else(|| self.pongs.pop_front()) {
            return Some(Outgoing::Control(message));
        }
        if let Some(ack) = self.ack.take() {
            let mut bytes = std::mem::take(&mut self.spare);
            bytes.clear();
            ack.encode(&mut bytes);
            return Some(Outgoing::Control(bytes));
        }
        if let Some(pace) = self.pace.take() {
            let mut bytes = std::mem::take(&mut self.spare);
            bytes.clear();
            pace.encode(&mut bytes);
            return Some(Outgoing::Control(bytes));
        }
        if std::mem::take(&mut self.ping) {
            return Some(Outgoing::Control(message(|out| Ping.encode(out))));
        }
        self.queue.pop_front()
    }
}
