//! Output that is late and comes in bursts.

use std::collections::VecDeque;

/// Holds `delay` items back, and gives the others `burst` at a time.
pub(crate) struct Outbox<T> {
    held: VecDeque<T>,
    delay: usize,
    burst: usize,
}

impl<T> Outbox<T> {
    /// At most `delay + burst - 1` items are held.
    pub(crate) fn new(delay: u32, burst: u32) -> Self {
        Outbox { held: VecDeque::new(), delay: delay as usize, burst: burst.max(1) as usize }
    }

    /// What comes out once this item is in.
    pub(crate) fn push(&mut self, item: T) -> impl Iterator<Item = T> + use<'_, T> {
        self.held.push_back(item);
        let ready = if self.held.len() >= self.delay + self.burst { self.burst } else { 0 };
        self.held.drain(..ready)
    }

    /// All that is left.
    pub(crate) fn finish(&mut self) -> impl Iterator<Item = T> + use<'_, T> {
        self.held.drain(..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_late_and_three_at_a_time() {
        let mut outbox = Outbox::new(2, 3);
        let out: Vec<Vec<u32>> = (0..9).map(|item| outbox.push(item).collect()).collect();
        assert_eq!(out[4], [0, 1, 2]);
        assert_eq!(out[7], [3, 4, 5]);
        assert_eq!(out.concat().len(), 6);
        assert_eq!(outbox.finish().collect::<Vec<_>>(), [6, 7, 8]);
    }
}
