//! The thread that sends: control messages first, then frames in order.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;

use vtremote_link::{LinkWriter, Moved};
use vtremote_planes::{Compression, Workers};

use crate::encoder::Encoding;
use crate::message::Message;
use crate::prepare::{Made, Plan, Prepared};
use crate::shared::{Direction, Shared, Trouble, Watch};
use crate::{Frame, Video};

/// Frames that are being compressed or sent at once: the first leaves while the others are made.
/// Enough to keep four workers busy with whole planes.
pub(crate) const AHEAD: usize = 3;

/// Pieces of one call: rows with padding between them are one each, and a piece costs 16 bytes of stack.
const PIECES: usize = 256;

pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared<Encoding>>,
    pub(crate) link: Box<dyn LinkWriter>,
    /// None where nothing needs work.
    pub(crate) workers: Option<Workers>,
    pub(crate) video: Video,
    pub(crate) compression: Compression,
    /// What the workers have made.
    pub(crate) made: Vec<Made>,
}

/// What to send next.
struct Next {
    message: Message,
    /// The frame that this is the end of.
    completes: Option<u32>,
}

impl Writer {
    /// Sends until the session is over; then closes the link.
    pub(crate) fn run(mut self) {
        let _watch = Watch(self.shared.clone());
        let mut preparing = VecDeque::with_capacity(AHEAD);
        let mut plan = None;
        while let Some(next) = self.next(&mut plan, &mut preparing) {
            self.send(&next);
        }
        self.shared.closer.close();
        self.shared.wake_caller();
    }

    /// Waits for the next message; None when the session is over.
    fn next(
        &mut self,
        plan: &mut Option<Plan>,
        preparing: &mut VecDeque<Prepared>,
    ) -> Option<Next> {
        let shared = self.shared.clone();
        let mut state = shared.lock();
        loop {
            let now = shared.now();
            state.session.tick(now);
            if state.over() {
                return None;
            }
            if let Some(control) = state.session.next_control(now) {
                return Some(Next { message: Message::control(control), completes: None });
            }
            // The two lists change places, so that neither is ever made anew.
            std::mem::swap(&mut state.own.made, &mut self.made);
            for made in self.made.drain(..) {
                let Some((mode, body)) = made.body else {
                    let problem = format!("frame {} could not be compressed", made.frame);
                    state.trouble = Some(Trouble::Internal(problem));
                    return None;
                };
                let frame = preparing.iter_mut().find(|frame| frame.number == made.frame);
                if let Some(frame) = frame {
                    frame.take(made.part, mode, body);
                }
            }
            if let (None, Some(configured)) = (&plan, &state.configured) {
                let server = &configured.server;
                let (slices, side_data) = (server.slices, server.side_data);
                *plan = Some(Plan::new(&self.video, self.compression, slices, side_data));
            }
            let Some(plan) = plan else {
                let until = state.session.deadline();
                state = shared.wait_for_output(state, until);
                continue;
            };
            if preparing.len() < AHEAD
                && let Some((number, frame)) = state.own.queue.pop_front()
            {
                drop(state);
                preparing.push_back(self.prepare(plan, number, frame));
                state = shared.lock();
                continue;
            }
            if let Some(frame) = preparing.front_mut() {
                let number = frame.number;
                match frame.next(plan) {
                    Ok(None) => {}
                    Ok(Some((message, last))) => {
                        if last {
                            preparing.pop_front();
                        }
                        return Some(Next { message, completes: last.then_some(number) });
                    }
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

    fn prepare(&self, plan: &Plan, number: u32, frame: Frame) -> Prepared {
        let report = || {
            let shared = self.shared.clone();
            move |made| {
                shared.lock().own.made.push(made);
                shared.wake_writer();
            }
        };
        Prepared::new(plan, number, frame, report, |job| {
            if let Some(workers) = &self.workers {
                // The queue has room for every part of the frames that are prepared at once.
                let buffers = self.shared.buffers.clone();
                workers.run(move |scratch| job.run(scratch, &buffers));
            }
        })
    }

    fn send(&mut self, next: &Next) {
        if send(&self.shared, &mut *self.link, &next.message)
            && let Some(number) = next.completes
        {
            self.shared.sent(number);
        }
    }
}

/// Sends a message whole, or as much as the session lives to see. Says whether it was whole.
pub(crate) fn send<D: Direction>(
    shared: &Shared<D>,
    link: &mut dyn LinkWriter,
    message: &Message,
) -> bool {
    let mut sent = 0;
    let len = message.len();
    while sent < len {
        let mut pieces = [IoSlice::new(&[]); PIECES];
        let count = message.gather(sent, &mut pieces);
        let moved = link.write_vectored(&pieces[..count]);
        let now = shared.now();
        let mut state = shared.lock();
        match moved {
            Ok(Moved::Bytes(count)) => {
                sent += count;
                state.session.written(now, count);
            }
            Ok(Moved::Nothing | Moved::End) => {}
            // The server may have said why: the reader goes on until the session fails.
            Err(error) => {
                state.session.write_failed(now, error.to_string());
                while !state.over() {
                    let until = state.session.deadline();
                    state = shared.wait_for_output(state, until);
                    state.session.tick(shared.now());
                }
            }
        }
        state.session.tick(now);
        if state.over() {
            return false;
        }
    }
    true
}
