//! The thread that sends: control messages first, then frames in order.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;

use vtremote_link::{LinkWriter, Moved};
use vtremote_planes::{Auto, Choice, Coding, PictureCoding, Setting, Workers};
use vtremote_proto::EncodeError;

use crate::encoder::Encoding;
use crate::log::Level;
use crate::message::Message;
use crate::prepare::{Encoders, Job, Made, Plan, Prepared, Report, Spare};
use crate::session::Wire;
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
    pub(crate) workers: Option<Workers<Job<ToWriter>>>,
    pub(crate) video: Video,
    pub(crate) wire: Wire,
    pub(crate) realtime: bool,
    /// What the workers have made.
    pub(crate) made: Vec<Made>,
    /// What to send next, or was sent last: one message, or some of a frame.
    pub(crate) message: Message,
    /// Memory of frames that have gone out.
    pub(crate) spare: Vec<Spare>,
}

/// Makes frames, once it is known how.
struct Maker {
    plan: Plan,
    encoders: Encoders,
    /// How every frame is coded that nobody chooses for.
    coding: Coding,
    /// The last frame, as long as nothing was learnt from it.
    last: Option<PictureCoding>,
}

/// Slices that are ready leave together up to about so many bytes: each call wakes the server, and what
/// is behind them, such as a PONG, waits for this and no more.
const TOGETHER: usize = 512 << 10;

/// The next message of a frame, and those behind it that are ready, as [`Prepared::next`] gives them.
fn next_few(
    frame: &mut Prepared,
    plan: &Plan,
    messages: &mut Message,
) -> Result<Option<bool>, EncodeError> {
    let mut last = frame.next(plan, messages)?;
    while last == Some(false) && messages.len() < TOGETHER {
        match frame.next(plan, messages)? {
            None => break,
            more => last = more,
        }
    }
    Ok(last)
}

/// What the message to send next is.
struct Next {
    /// The frame that this is the end of.
    completes: Option<u32>,
}

/// Brings what a worker has made.
pub(crate) struct ToWriter(Arc<Shared<Encoding>>);

impl Report for ToWriter {
    fn made(self, made: Made) {
        let mut state = self.0.lock();
        state.own.made.push(made);
        drop(state);
        self.0.wake_writer();
    }
}

impl Writer {
    /// Sends until the session is over; then closes the link.
    pub(crate) fn run(mut self) {
        let _watch = Watch(self.shared.clone());
        let mut preparing = VecDeque::with_capacity(AHEAD);
        let mut maker = None;
        while let Some(next) = self.next(&mut maker, &mut preparing) {
            self.send(&next);
            self.message.clear();
        }
        self.shared.closer.close();
        self.shared.wake_caller();
    }

    /// Waits for the next message; None when the session is over.
    fn next(
        &mut self,
        maker: &mut Option<Maker>,
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
                self.message.heads = control;
                return Some(Next { completes: None });
            }
            // The two lists change places, so that neither is ever made anew.
            std::mem::swap(&mut state.own.made, &mut self.made);
            for made in self.made.drain(..) {
                if let (Some(auto), Some(Maker { plan, encoders, .. })) =
                    (&mut state.own.auto, &mut *maker)
                {
                    if let Some(tried) = encoders.made(plan, &made) {
                        auto.tried(tried);
                    }
                    if made.part.is_some() {
                        auto.made(made.work);
                    }
                }
                let Some(part) = made.part else { continue };
                let Some((mode, body)) = made.body else {
                    let problem = format!("frame {} could not be compressed", made.frame);
                    state.trouble = Some(Trouble::Internal(problem));
                    return None;
                };
                let frame = preparing.iter_mut().find(|frame| frame.number == made.frame);
                if let (Some(maker), Some(frame)) = (&mut *maker, frame) {
                    frame.take(&maker.plan, part, mode, body);
                    maker.last = frame.made().cloned().or(maker.last.take());
                }
            }
            if let (None, Some(configured)) = (&maker, &state.configured) {
                let server = &configured.server;
                let (slices, side_data) = (server.slices, server.side_data);
                let plan = Plan::new(&self.video, self.wire.plain(), slices, side_data);
                let (coding, choices) = self.wire.codings(server);
                let setting = Setting {
                    frame_bytes: self.video.raw_len(),
                    threads: self.workers.as_ref().map_or(1, Workers::threads),
                    realtime: self.realtime,
                    is_local: self.wire.is_local(),
                };
                state.own.auto = (choices.len() > 1).then(|| Auto::new(setting, choices));
                *maker = Some(Maker { plan, encoders: Encoders::default(), coding, last: None });
            }
            let Some(maker) = maker else {
                let until = state.session.deadline();
                state = shared.wait_for_output(state, until);
                continue;
            };
            if preparing.len() < AHEAD
                && preparing.back().is_none_or(Prepared::may_be_followed)
                && let Some((number, frame)) = state.own.queue.pop_front()
            {
                let choice = match &mut state.own.auto {
                    Some(auto) => auto.begin(),
                    None => Choice { mode: maker.coding, trial: None },
                };
                let news = state.own.auto.as_mut().and_then(|auto| auto.news(now));
                drop(state);
                if let Some(line) = news {
                    let line = format_args!("wire compression: {line}");
                    self.shared.log.line(Level::Info, line);
                }
                let prepared = self.prepare(maker, choice, number, frame);
                state = shared.lock();
                match prepared {
                    Ok(prepared) => preparing.push_back(prepared),
                    Err(problem) => {
                        state.trouble = Some(Trouble::Internal(problem));
                        return None;
                    }
                }
                continue;
            }
            let behind = preparing.len().saturating_sub(1);
            if let Some(frame) = preparing.front_mut() {
                let number = frame.number;
                match next_few(frame, &maker.plan, &mut self.message) {
                    Ok(None) => {}
                    Ok(Some(last)) => {
                        if let Some(auto) = &mut state.own.auto {
                            auto.writes(now, behind, self.message.len() as u64);
                        }
                        if last {
                            self.spare.extend(preparing.pop_front().map(Prepared::into_spare));
                        }
                        return Some(Next { completes: last.then_some(number) });
                    }
                    Err(error) => {
                        state.trouble = Some(Trouble::Internal(error.to_string()));
                        return None;
                    }
                }
            }
            let until = state.session.deadline();
            let has_room = state.session.room(now);
            let tells = state.session.server().pace;
            state = shared.wait_for_output(state, until);
            if let (true, Some(auto)) = (preparing.is_empty(), &mut state.own.auto) {
                let time = shared.now().saturating_sub(now);
                // Who tells nothing may have no room, or the link be slow: that is taken for this.
                if has_room || tells { auto.starved(time) } else { auto.wrote(0, time) }
            }
        }
    }

    fn prepare(
        &mut self,
        maker: &mut Maker,
        choice: Choice<Coding>,
        number: u32,
        frame: Frame,
    ) -> Result<Prepared, String> {
        let Maker { plan, encoders, last, .. } = maker;
        if let Some(last) = last.take() {
            encoders.pictures.made(&last);
        }
        let spare = self.spare.pop().unwrap_or_else(|| Spare::new(plan.parts()));
        let report = || ToWriter(self.shared.clone());
        let buffers = &self.shared.buffers;
        Prepared::new(plan, encoders, choice, number, frame, spare, buffers, report, |job| {
            if let Some(workers) = &self.workers {
                // The queue has room for every part of the frames that are prepared at once.
                workers.run(job);
            }
        })
    }

    fn send(&mut self, next: &Next) {
        let began = self.shared.now();
        let whole = send(&self.shared, &mut *self.link, &self.message);
        if let Some(auto) = &mut self.shared.lock().own.auto {
            auto.wrote(self.message.len() as u64, self.shared.now().saturating_sub(began));
        }
        if whole && let Some(number) = next.completes {
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
