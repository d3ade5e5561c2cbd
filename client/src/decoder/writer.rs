//! The thread that sends: control messages first, then packets in order.

use std::collections::VecDeque;
use std::sync::Arc;

use vtremote_link::LinkWriter;
use vtremote_proto::{EncodeError, PacketHead};

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
    /// Adds its message.
    fn put(self, message: &mut Message) -> Result<(), EncodeError> {
        let records: Vec<_> =
            self.side_data.iter().map(|(kind, data)| (*kind, data.as_slice())).collect();
        let data_at = message.heads.len() + PacketHead::BEFORE_DATA;
        self.head.encode(&records, &mut message.heads)?;
        message.bodies.push((data_at, Body::Made(self.data)));
        Ok(())
    }
}

pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared<Decoding>>,
    pub(crate) link: Box<dyn LinkWriter>,
    /// What to send next, or was sent last.
    pub(crate) message: Message,
}

impl Writer {
    /// Sends until the session is over; then closes the link.
    pub(crate) fn run(mut self) {
        let _watch = Watch(self.shared.clone());
        while let Some(completes) = self.next() {
            if send(&self.shared, &mut *self.link, &self.message)
                && let Some(number) = completes
            {
                self.shared.sent(number);
            }
            self.message.clear();
        }
        self.shared.closer.close();
        self.shared.wake_caller();
    }

    /// Waits for the next message, and gives the packet that it is; None when the session is over.
    fn next(&mut self) -> Option<Option<u32>> {
        let shared = self.shared.clone();
        let mut state = shared.lock();
        loop {
            let now = shared.now();
            state.session.tick(now);
            if state.over() {
                return None;
            }
            if let Some(control) = state.session.next_control(now) {
                state.session.reuse(std::mem::replace(&mut self.message.heads, control));
                return Some(None);
            }
            if let Some(packet) = state.own.queue.pop_front() {
                let number = packet.number;
                match packet.put(&mut self.message) {
                    Ok(()) => return Some(Some(number)),
                    Err(error) => {
                        state.trouble = Some(Trouble::Internal(error.to_string()));
                        return None;
                    }
                }
            }
            let until = state.session.deadline();
            state = shared.wait_for_output(state, until);
        }
    }
}

/// Packets that were admitted and that the writer has not taken yet.
pub(crate) type Queue = VecDeque<Packet>;
