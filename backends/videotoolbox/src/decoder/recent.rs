//! What a new session has to decode again to go on where another was lost.

use std::collections::VecDeque;

/// The most packets that are kept: ten seconds between keyframes, at 30 a second.
pub(crate) const MOST_PACKETS: usize = 300;

/// The most bytes of them.
pub(crate) const MOST_BYTES: usize = 64 << 20;

/// A picture that a session was given.
#[derive(Debug, Clone)]
pub(crate) struct Entry<T> {
    /// In decoding order, rising.
    pub(crate) number: u64,
    pub(crate) start: Start,
    /// The pictures of a sequence are shown in the order of their counts.
    pub(crate) count: i64,
    /// How large it is.
    pub(crate) bytes: usize,
    /// Whether it is of no use without what was decoded before the last keyframe, and nothing behind it
    /// refers to it: H.265's RASL pictures.
    pub(crate) refers_back: bool,
    pub(crate) coded: T,
}

/// Whether decoding can begin with a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    No,
    /// But what follows and is shown before it may refer to what was decoded before.
    Open,
    Closed,
}

/// The pictures since the last one with which decoding can begin, of those that may be needed.
pub(crate) struct Recent<T> {
    entries: VecDeque<Entry<T>>,
    bytes: usize,
    /// There were more than are kept, and no picture to begin with since.
    too_many: bool,
}

impl<T> Recent<T> {
    pub(crate) fn new() -> Self {
        Recent { entries: VecDeque::new(), bytes: 0, too_many: false }
    }

    /// A picture goes to the session; the pictures before `unanswered` have come out of it.
    pub(crate) fn push(&mut self, entry: Entry<T>, unanswered: u64) {
        if self.too_many && entry.start == Start::No {
            return;
        }
        self.too_many = false;
        self.bytes += entry.bytes;
        self.entries.push_back(entry);
        self.forget(unanswered);
        if self.entries.len() > MOST_PACKETS || self.bytes > MOST_BYTES {
            self.clear();
            self.too_many = true;
        }
    }

    /// What must be decoded again, in decoding order; none if that was more than is kept.
    pub(crate) fn all(&self) -> Option<impl Iterator<Item = &Entry<T>>> {
        let open = self.entries.front().is_some_and(|first| first.start == Start::Open);
        let wanted = move |entry: &&Entry<T>| !(open && entry.refers_back);
        (!self.too_many).then(|| self.entries.iter().filter(wanted))
    }

    /// Nothing of before is needed any more.
    pub(crate) fn clear(&mut self) {
        *self = Self::new();
    }

    /// Lets go of what the pictures from `unanswered` on do not need.
    fn forget(&mut self, unanswered: u64) {
        let (mut needed, mut open) = (0, None);
        for (at, entry) in self.entries.iter().enumerate() {
            if entry.number > unanswered {
                break;
            }
            match (entry.start, open) {
                (Start::Closed, _) => (needed, open) = (at, None),
                (Start::Open, _) => open = Some((at, entry.count)),
                // Shown behind it: what is shown before it is over.
                (Start::No, Some((start, count))) if entry.count > count => {
                    (needed, open) = (start, None);
                }
                (Start::No, _) => {}
            }
        }
        let gone: usize = self.entries.drain(..needed).map(|entry| entry.bytes).sum();
        self.bytes -= gone;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: u64, start: Start, count: i64) -> Entry<()> {
        let refers_back = start == Start::No && count < 0;
        Entry { number, start, count, bytes: 1, refers_back, coded: () }
    }

    fn kept(recent: &Recent<()>) -> Option<Vec<u64>> {
        Some(recent.all()?.map(|entry| entry.number).collect())
    }

    #[test]
    fn what_is_kept_begins_with_the_last_keyframe_that_every_unanswered_picture_is_behind() {
        let mut recent = Recent::new();
        for number in 0..7 {
            let start = if number % 3 == 0 { Start::Closed } else { Start::No };
            recent.push(entry(number, start, number as i64), number.saturating_sub(2));
        }
        assert_eq!(kept(&recent), Some(vec![3, 4, 5, 6]));
        recent.push(entry(7, Start::No, 7), 6);
        assert_eq!(kept(&recent), Some(vec![6, 7]));
    }

    #[test]
    fn an_open_keyframe_does_until_the_pictures_shown_before_it_are_over() {
        let mut recent = Recent::new();
        let pictures = [
            (Start::Closed, 0),
            (Start::No, 1),
            (Start::Open, 0),
            (Start::No, -2),
            (Start::No, -1),
            (Start::No, 4),
        ];
        for (number, (start, count)) in (0..).zip(pictures) {
            recent.push(entry(number, start, count), number);
            if number < 5 {
                assert_eq!(kept(&recent), Some((0..=number).collect()));
            }
        }
        // Those shown before it are not decoded again: they would lack what they refer to.
        assert_eq!(kept(&recent), Some(vec![2, 5]));
        recent.push(entry(6, Start::No, 2), 5);
        assert_eq!(kept(&recent), Some(vec![2, 5, 6]));
    }

    #[test]
    fn an_unanswered_picture_that_is_shown_before_an_open_keyframe_needs_the_one_before() {
        let mut recent = Recent::new();
        let pictures = [(Start::Closed, 0), (Start::Open, 0), (Start::No, -1), (Start::No, 3)];
        for (number, (start, count)) in (0..).zip(pictures) {
            recent.push(entry(number, start, count), number.min(2));
        }
        assert_eq!(kept(&recent), Some(vec![0, 1, 2, 3]));
    }

    #[test]
    fn a_session_may_begin_with_anything() {
        let mut recent = Recent::new();
        (0..3).for_each(|number| recent.push(entry(number, Start::No, number as i64), number));
        assert_eq!(kept(&recent), Some(vec![0, 1, 2]));
    }

    #[test]
    fn of_too_many_packets_none_is_kept_until_a_keyframe() {
        let mut recent = Recent::new();
        let most = MOST_PACKETS as u64;
        (0..most).for_each(|number| recent.push(entry(number, Start::No, 0), number));
        assert_eq!(kept(&recent).map(|kept| kept.len()), Some(MOST_PACKETS));
        recent.push(entry(most, Start::No, 0), most);
        recent.push(entry(most + 1, Start::No, 0), most + 1);
        assert_eq!(kept(&recent), None);
        recent.push(entry(most + 2, Start::Open, 0), most + 2);
        assert_eq!(kept(&recent), Some(vec![most + 2]));
    }

    #[test]
    fn of_too_many_bytes_none_is_kept_until_a_keyframe() {
        let mut recent = Recent::new();
        let of = |number, bytes| Entry { bytes, ..entry(number, Start::No, 0) };
        recent.push(of(0, MOST_BYTES), 0);
        assert_eq!(kept(&recent), Some(vec![0]));
        recent.push(of(1, 1), 1);
        assert_eq!(kept(&recent), None);
        // What was let go of does not count.
        recent.push(Entry { start: Start::Closed, ..of(2, MOST_BYTES) }, 2);
        recent.push(Entry { start: Start::Closed, ..of(3, MOST_BYTES) }, 3);
        assert_eq!(kept(&recent), Some(vec![3]));
    }
}
