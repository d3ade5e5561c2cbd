use super::Shared;
use super::message::{Message, PIECES};
use std::io::IoSlice;
use std::sync::PoisonError;
use std::time::{Duration, Instant};
use vtremote_link::{LinkWriter, Moved};
use vtremote_proto::Outgoing;

/// Writes what the session gives and keeps its deadlines, until it is over.
pub(super) fn write(session: &Shared, mut link: Box<dyn LinkWriter>) {
    let mut finished = false;
    let mut state = session.lock();
    loop {
        let now = session.began.elapsed();
        let due = |deadline: Option<Duration>| deadline.is_some_and(|deadline| deadline <= now);
        if due(state.server.deadline()) {
            state.server.tick(now);
            session.settle(state);
            state = session.lock();
        }
        if let Some(message) = state.server.next(now) {
            if matches!(message, Outgoing::Data(_)) {
                state.queued = state.queued.saturating_sub(1);
                state.draining = state.draining.map(|_| now);
            }
            session.settle(state);
            match message {
                Outgoing::Control(bytes) => {
                    let message = Message::control(bytes);
                    all(session, &mut *link, &message);
                    state = session.lock();
                    state.server.reuse(message.into_heads());
                }
                Outgoing::Data(message) => {
                    let (began, bytes) = (Instant::now(), message.len());
                    all(session, &mut *link, &message);
                    state = session.keep(message);
                    if let Some(auto) = &mut state.auto {
                        auto.wrote(bytes, began.elapsed());
                    }
                }
            }
            continue;
        }
        if state.server.send_finished() && !finished {
            finished = true;
            // A peer that has gone already has nothing to read.
            let _ = link.finish();
        }
        if state.server.over().is_some() {
            return;
        }
        // A deadline always exists until the session is over; the bound is for a defect.
        let until = state.server.deadline().unwrap_or(now + Duration::from_secs(1));
        state.writer_sleeps = Some(until);
        let idle = state.making == 0;
        let waited = session.output.wait_timeout(state, until.saturating_sub(now));
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.writer_sleeps = None;
        if idle && let Some(auto) = &mut state.auto {
            auto.starved(session.began.elapsed().saturating_sub(now));
        }
    }
}

/// Writes one message to its end, or until the session is over.
fn all(session: &Shared, link: &mut dyn LinkWriter, message: &Message) {
    let mut written = 0;
    loop {
        let mut pieces = [IoSlice::new(&[]); PIECES];
        let count = message.gather(written, &mut pieces);
        if count == 0 {
            return;
        }
        match link.write_vectored(&pieces[..count]) {
            Ok(Moved::Bytes(bytes)) => {
                written += bytes;
                session.with(|server, now| server.written(now, bytes));
            }
            Ok(_) => session.with(|server, now| server.tick(now)),
            Err(error) => {
                session.with(|server, now| server.transport_failed(now, error.to_string()));
            }
        }
        if session.lock().server.over().is_some() {
            return;
        }
    }
}
