//! What a decoder gave, prepared by several threads and handed on in order.

use super::Shared;
use super::message::Message;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use vtremote_backend::Error;
use vtremote_proto::{NO_PTS, error_code};

/// What goes to the session once everything before it has.
pub(super) enum Step {
    /// A message of a picture, with more of them to come.
    Part(Message),
    /// The last message of a picture, or its only one.
    Last {
        message: Message,
        pts: Option<i64>,
        /// Bytes of its planes without compression.
        raw: u64,
    },
    /// The decoder has given everything.
    Drained,
    /// The decoder cannot go on.
    Failed(Error),
    /// A picture that cannot be sent: the ERROR's code and text.
    Refused(u32, String),
}

/// Places in the order in which they were taken. Each is filled at any time and by any thread, and
/// is handed on as soon as it and all before it are.
pub(super) struct Line<T = Arc<Shared>> {
    takes: T,
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Default)]
struct State {
    /// The number of the place in front.
    first: u64,
    places: VecDeque<Option<Step>>,
}

/// Who is at the end of a line.
pub(super) trait TakesSteps {
    fn step(&self, step: Step);
}

impl TakesSteps for Arc<Shared> {
    fn step(&self, step: Step) {
        match step {
            Step::Part(message) => self.output(|state, now| state.server.part(now, message)),
            Step::Last { message, pts, raw } => self.output(|state, now| {
                state.report.raw_bytes += raw;
                state.latency.end(pts.unwrap_or(NO_PTS));
                state.server.frame(now, message)
            }),
            Step::Drained => {
                let _ = self.with(|server, now| server.drained(now));
            }
            Step::Failed(error) => self.backend_failed(&error),
            Step::Refused(code, message) => self.fail(code, &message),
        }
    }
}

impl<T: TakesSteps> Line<T> {
    pub(super) fn new(takes: T) -> Arc<Self> {
        Arc::new(Line { takes, state: Mutex::default(), moved: Condvar::new() })
    }

    /// The next place.
    pub(super) fn place(line: &Arc<Self>) -> Place<T> {
        let mut state = line.lock();
        state.places.push_back(None);
        let number = state.first + state.places.len() as u64 - 1;
        Place { line: Arc::clone(line), number, filled: false }
    }

    /// Waits until so many places at most are taken, or the time has passed. Says whether it is so.
    pub(super) fn is_down_to(&self, places: usize, wait: Duration) -> bool {
        let longer = |state: &mut State| state.places.len() > places;
        let waited = self.moved.wait_timeout_while(self.lock(), wait, longer);
        waited.unwrap_or_else(PoisonError::into_inner).0.places.len() <= places
    }

    fn fill(&self, number: u64, step: Step) {
        let mut state = self.lock();
        let place = number.checked_sub(state.first).and_then(|place| usize::try_from(place).ok());
        if let Some(place) = place.and_then(|place| state.places.get_mut(place)) {
            *place = Some(step);
        }
        while matches!(state.places.front(), Some(Some(_))) {
            state.first += 1;
            // Under the lock: who fills the next place must not overtake.
            if let Some(step) = state.places.pop_front().flatten() {
                self.takes.step(step);
            }
        }
        drop(state);
        self.moved.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in a line. Dropped without being filled, which a panic does, it is a failure.
pub(super) struct Place<T: TakesSteps = Arc<Shared>> {
    line: Arc<Line<T>>,
    number: u64,
    filled: bool,
}

impl<T: TakesSteps> Place<T> {
    pub(super) fn fill(mut self, step: Step) {
        self.filled = true;
        self.line.fill(self.number, step);
    }
}

impl<T: TakesSteps> Drop for Place<T> {
    fn drop(&mut self) {
        if !self.filled {
            let what = "internal error: a picture could not be prepared";
            self.line.fill(self.number, Step::Refused(error_code::INTERNAL, what.into()));
        }
    }
}

/// A picture that has no place yet: should taking it up panic, that is a failure in its turn too.
pub(super) struct Unplaced<'a, T: TakesSteps = Arc<Shared>>(pub(super) &'a Arc<Line<T>>);

impl<T: TakesSteps> Drop for Unplaced<'_, T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            drop(Line::place(self.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Taken(Mutex<Vec<String>>);

    impl TakesSteps for Arc<Taken> {
        fn step(&self, step: Step) {
            self.0.lock().unwrap().push(match step {
                Step::Last { pts, .. } => format!("{}", pts.unwrap()),
                Step::Refused(code, _) => format!("error {code}"),
                Step::Drained => "drained".into(),
                Step::Part(_) | Step::Failed(_) => "other".into(),
            });
        }
    }

    fn last(pts: i64) -> Step {
        Step::Last { message: Message::default(), pts: Some(pts), raw: 0 }
    }

    const NOW: Duration = Duration::ZERO;

    #[test]
    fn what_is_filled_in_any_order_is_handed_on_in_the_order_of_the_places() {
        let taken = Arc::new(Taken::default());
        let line = Line::new(Arc::clone(&taken));
        let mut places: Vec<_> = (0..4).map(|_| Line::place(&line)).collect();
        places.pop().unwrap().fill(Step::Drained);
        places.pop().unwrap().fill(last(2));
        assert!(taken.0.lock().unwrap().is_empty());
        assert!(!line.is_down_to(3, NOW) && line.is_down_to(4, NOW));
        places.remove(0).fill(last(0));
        assert_eq!(*taken.0.lock().unwrap(), ["0"]);
        assert!(line.is_down_to(3, NOW));
        places.remove(0).fill(last(1));
        assert_eq!(*taken.0.lock().unwrap(), ["0", "1", "2", "drained"]);
        assert!(line.is_down_to(0, NOW));
    }

    #[test]
    fn places_that_many_threads_fill_keep_their_order() {
        let taken = Arc::new(Taken::default());
        let line = Line::new(Arc::clone(&taken));
        std::thread::scope(|scope| {
            let mut threads: Vec<Vec<_>> = (0..4).map(|_| Vec::new()).collect();
            (0..400)
                .for_each(|pts| threads[(pts * 7 % 4) as usize].push((Line::place(&line), pts)));
            for places in threads {
                scope.spawn(|| {
                    places.into_iter().rev().for_each(|(place, pts)| place.fill(last(pts)))
                });
            }
        });
        let expected: Vec<_> = (0..400).map(|pts| pts.to_string()).collect();
        assert_eq!(*taken.0.lock().unwrap(), expected);
    }

    #[test]
    fn a_picture_that_panics_before_it_has_a_place_is_an_error_in_its_turn() {
        let taken = Arc::new(Taken::default());
        let line = Line::new(Arc::clone(&taken));
        let first = Line::place(&line);
        drop(Unplaced(&line));
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _unplaced = Unplaced(&line);
            panic!("as a defect would");
        }));
        assert!(panicked.is_err());
        Line::place(&line).fill(Step::Drained);
        first.fill(last(0));
        assert_eq!(*taken.0.lock().unwrap(), ["0", "error 5", "drained"]);
    }

    #[test]
    fn a_place_that_is_given_up_is_an_error_in_its_turn() {
        let taken = Arc::new(Taken::default());
        let line = Line::new(Arc::clone(&taken));
        let (first, second) = (Line::place(&line), Line::place(&line));
        drop(second);
        assert!(taken.0.lock().unwrap().is_empty());
        first.fill(last(0));
        assert_eq!(*taken.0.lock().unwrap(), ["0", "error 5"]);
    }
}
