//! The thread that sends: control messages first, then packets in order.

use std::collections::VecDeque;
use std::sync::Arc;

use vtremote_link::LinkWriter;
use vtremote_proto::{EncodeError, PacketHead, packet_message};

use super::Decoding;
use crate::buffers::Buffer;
use crate::message::{Body, Message};
use crate::shared::{Shared, Trouble, Watch};
use crate::writer::send;

/// A packet on its way out.
pub(crate) struct Packet {
    pub(crate) number: u32,
    pub(crate) head: PacketHead,
    pub(crate) data: Buffer,
    pub(crate) side_data: Vec<(u32, Vec<u8>)>,
}

impl Packet {
    fn message(self) -> Result<Message, EncodeError> {
        let records: Vec<_> =
            self.side_data.iter().map(|(kind, data)| (*kind, data.as_slice())).collect();
        let (before, tail) = packet_message(&self.head, &records)?;
        Ok(Message { parts: vec![(before, Body::Made(self.data))], tail })
    }
}

pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared<Decoding>>,
    pub(crate) link: Box<dyn LinkWriter>,
}

impl Writer {
    /// Sends until the session is over; then closes the link.
    pub(crate) fn run(mut self) {
        let _watch = Watch(self.shared.clone());
        while let Some((message, completes)) = self.next() {
            if send(&self.shared, &mut *self.link, &message)
                && let Some(number) = completes
            {
                self.shared.sent(number);
            }
        }
        self.shared.closer.close();
        self.shared.wake_caller();
    }

    /// Waits for the next message, and the packet that it is; None when the session is over.
    fn next(&self) -> Option<(Message, Option<u32>)> {
        let mut state = self.shared.lock();
        loop {
            let now = self.shared.now();
            state.session.tick(now);
            if state.over() {
                return None;
            }
            if let Some(control) = state.session.next_control(now) {
                return Some((Message::control(control), None));
            }
            if let Some(packet) = state.own.queue.pop_front() {
                let number = packet.number;
                match packet.message() {
                    Ok(message) => return Some((message, Some(number))),
                    Err(error) => {
                        state.trouble = Some(Trouble::Internal(error.to_string()));
                        return None;
                    }
                }
            }
            let until = state.session.deadline();
            state = self.shared.wait_for_output(state, until);
        }
    }
}

/// Packets that were admitted and that the writer has not taken yet.
pub(crate) type Queue = VecDeque<Packet>;
