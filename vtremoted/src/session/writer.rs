use super::Shared;
use std::io::IoSlice;
use std::sync::PoisonError;
use std::time::Duration;
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
            session.settle(&mut state);
        }
        if let Some(message) = state.server.next(now) {
            if matches!(message, Outgoing::Data(_)) {
                state.queued = state.queued.saturating_sub(1);
                state.draining = state.draining.map(|_| now);
                session.settle(&mut state);
            }
            drop(state);
            match message {
                Outgoing::Control(bytes) => all(session, &mut *link, &mut [IoSlice::new(&bytes)]),
                Outgoing::Data(message) => all(session, &mut *link, &mut message.slices()),
            }
            state = session.lock();
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
        let wait = state.server.deadline().map(|deadline| deadline.saturating_sub(now));
        // A deadline always exists until the session is over; the bound is for a defect.
        let wait = wait.unwrap_or(Duration::from_secs(1));
        let waited = session.changed.wait_timeout(state, wait);
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
    }
}

/// Writes one message to its end, or until the session is over.
fn all(session: &Shared, link: &mut dyn LinkWriter, mut parts: &mut [IoSlice<'_>]) {
    IoSlice::advance_slices(&mut parts, 0);
    while !parts.is_empty() {
        match link.write_vectored(parts) {
            Ok(Moved::Bytes(bytes)) => {
                IoSlice::advance_slices(&mut parts, bytes);
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
