//! From the order of decoding, in whatever order the decoder answers, to the order of showing.

use std::collections::{BTreeMap, VecDeque};

/// Where a picture belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// In decoding order, rising.
    pub(crate) number: u64,
    /// Everything before it is shown before it.
    pub(crate) begins_sequence: bool,
    /// The pictures of a sequence are shown in the order of their counts.
    pub(crate) count: i64,
    /// How many pictures may come before another one in decoding order and be shown behind it.
    pub(crate) depth: Depth,
}

/// See [`Place::depth`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Depth {
    /// What is waited for.
    pub(crate) least: usize,
    /// What it may come to, where the stream turns out to reorder more.
    pub(crate) most: usize,
}

/// What comes out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Shown<T> {
    InTurn(T),
    /// Another that is shown behind it came out before.
    Late(T),
}

/// Pictures that are decoded, and those that wait for others to be shown before them (H.264 C.4.5.3, H.265
/// C.5.2.4).
pub(crate) struct Order<T> {
    decoding: VecDeque<(Place, State<T>)>,
    waiting: BTreeMap<(i64, u64), T>,
    /// The count of the last that was shown of this sequence.
    shown: Option<i64>,
    /// How much deeper than was said the stream reorders.
    deeper: usize,
}

enum State<T> {
    Decoding,
    Done(Option<T>),
}

impl<T> Order<T> {
    pub(crate) fn new() -> Self {
        Order { decoding: VecDeque::new(), waiting: BTreeMap::new(), shown: None, deeper: 0 }
    }

    /// A picture goes to the decoder.
    pub(crate) fn begin(&mut self, place: Place) {
        self.decoding.push_back((place, State::Decoding));
    }

    /// What became of a picture: none of some. Gives what is to be shown now. A picture that is not being
    /// decoded, or was before, changes nothing.
    pub(crate) fn complete(&mut self, number: u64, picture: Option<T>) -> Vec<Shown<T>> {
        let found = self.decoding.iter_mut().find(|(place, _)| place.number == number);
        if let Some((_, state @ State::Decoding)) = found {
            *state = State::Done(picture);
        }
        let mut out = Vec::new();
        // In decoding order, so that what is shown when does not depend on the decoder's threads.
        while let Some((_, State::Done(_))) = self.decoding.front() {
            if let Some((place, State::Done(picture))) = self.decoding.pop_front() {
                self.take(place, picture, &mut out);
            }
        }
        out
    }

    /// Which pictures are being decoded.
    pub(crate) fn decoding(&self) -> Vec<u64> {
        let decoding = |(place, state): &(Place, State<T>)| match state {
            State::Decoding => Some(place.number),
            State::Done(_) => None,
        };
        self.decoding.iter().filter_map(decoding).collect()
    }

    /// Everything that waits, when no more come.
    pub(crate) fn rest(&mut self) -> Vec<Shown<T>> {
        self.shown = None;
        std::mem::take(&mut self.waiting).into_values().map(Shown::InTurn).collect()
    }

    fn take(&mut self, place: Place, picture: Option<T>, out: &mut Vec<Shown<T>>) {
        if place.begins_sequence {
            out.append(&mut self.rest());
        }
        if let Some(picture) = picture {
            if self.shown.is_some_and(|shown| place.count < shown) {
                self.deeper += 1;
                out.push(Shown::Late(picture));
            } else {
                self.waiting.insert((place.count, place.number), picture);
            }
        }
        let Depth { least, most } = place.depth;
        self.deeper = self.deeper.min(most.saturating_sub(least));
        while self.waiting.len() > least + self.deeper
            && let Some(((count, _), picture)) = self.waiting.pop_first()
        {
            self.shown = Some(count);
            out.push(Shown::InTurn(picture));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(number: u64, begins_sequence: bool, count: i64, depth: usize) -> Place {
        let depth = Depth { least: depth, most: depth };
        Place { number, begins_sequence, count, depth }
    }

    /// Pictures are their numbers.
    fn in_turn(shown: Vec<Shown<u64>>) -> Vec<u64> {
        let number = |shown| match shown {
            Shown::InTurn(number) => number,
            Shown::Late(number) => panic!("{number} is late"),
        };
        shown.into_iter().map(number).collect()
    }

    /// Counts in decoding order, each answered at once; the counts in the order of showing.
    fn shown(counts: &[i64], depth: usize) -> Vec<i64> {
        let mut order = Order::new();
        let mut all = Vec::new();
        for (number, &count) in (0..).zip(counts) {
            order.begin(place(number, number == 0, count, depth));
            all.extend(in_turn(order.complete(number, Some(number))));
        }
        all.extend(in_turn(order.rest()));
        all.into_iter().map(|number| counts[number as usize]).collect()
    }

    #[test]
    fn pictures_come_by_their_counts() {
        assert_eq!(shown(&[0, 8, 4, 2, 6, 16, 12], 2), [0, 2, 4, 6, 8, 12, 16]);
        assert_eq!(shown(&[0, 2, 4], 0), [0, 2, 4]);
    }

    #[test]
    fn no_more_pictures_wait_than_the_depth() {
        let mut order = Order::new();
        for number in 0..10 {
            order.begin(place(number, number == 0, number as i64, 2));
            let out = in_turn(order.complete(number, Some(number)));
            assert_eq!(out, number.checked_sub(2).into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_the_decoder_answers_first_waits_for_its_turn() {
        let mut order = Order::new();
        (0..4).for_each(|number| order.begin(place(number, number == 0, number as i64, 0)));
        assert_eq!(order.complete(2, Some(2)), []);
        assert_eq!(order.complete(1, Some(1)), []);
        assert_eq!(order.decoding(), [0, 3]);
        assert_eq!(in_turn(order.complete(0, Some(0))), [0, 1, 2]);
        assert_eq!(in_turn(order.complete(3, Some(3))), [3]);
    }

    #[test]
    fn a_picture_that_failed_holds_nothing_up() {
        let mut order = Order::new();
        (0..3).for_each(|number| order.begin(place(number, number == 0, number as i64, 0)));
        assert_eq!(order.complete(1, None), []);
        assert_eq!(in_turn(order.complete(0, Some(0))), [0]);
        assert_eq!(in_turn(order.complete(2, Some(2))), [2]);
    }

    #[test]
    fn an_answer_too_many_changes_nothing() {
        let mut order = Order::new();
        order.begin(place(0, true, 0, 0));
        order.begin(place(1, false, 1, 0));
        assert_eq!(order.complete(1, Some(1)), []);
        assert_eq!(order.complete(1, Some(7)), []);
        assert_eq!(order.complete(9, Some(9)), []);
        assert_eq!(in_turn(order.complete(0, Some(0))), [0, 1]);
        assert_eq!(order.complete(0, Some(0)), []);
    }

    #[test]
    fn a_new_sequence_shows_what_waits_of_the_one_before() {
        let mut order = Order::new();
        order.begin(place(0, true, 0, 4));
        order.begin(place(1, false, 8, 4));
        order.begin(place(2, false, 4, 4));
        (0..3).for_each(|number| assert_eq!(order.complete(number, Some(number)), []));
        // Counts begin anew.
        order.begin(place(3, true, 0, 4));
        assert_eq!(in_turn(order.complete(3, Some(3))), [0, 2, 1]);
        assert_eq!(in_turn(order.rest()), [3]);
        // Even if nothing came of the picture that it began with.
        order.begin(place(4, false, 6, 4));
        order.begin(place(5, true, 0, 4));
        assert_eq!(order.complete(4, Some(4)), []);
        assert_eq!(in_turn(order.complete(5, None)), [4]);
    }

    #[test]
    fn a_depth_that_was_too_small_grows_to_what_there_may_be() {
        let mut order = Order::new();
        let mut late = Vec::new();
        let mut all = Vec::new();
        for (number, count) in (0..).zip([0, 8, 4, 2, 6, 16, 12, 10, 14, 24, 20, 18, 22]) {
            let depth = Depth { least: 0, most: 2 };
            order.begin(Place { depth, ..place(number, number == 0, count, 0) });
            for shown in order.complete(number, Some(count)) {
                match shown {
                    Shown::InTurn(count) => all.push(count),
                    Shown::Late(count) => late.push(count),
                }
            }
        }
        all.extend(order.rest().into_iter().map(|shown| match shown {
            Shown::InTurn(count) => count,
            Shown::Late(count) => panic!("{count}"),
        }));
        assert_eq!(late, [4, 2, 6]);
        assert_eq!(all, [0, 8, 10, 12, 14, 16, 18, 20, 22, 24]);
    }
}
