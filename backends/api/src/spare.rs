use std::sync::{Mutex, MutexGuard, PoisonError};

/// So many are kept: as packets wait for a codec, and some more.
const MOST: usize = 16;

/// Longer ones are not: whoever sends one long packet shall not have its memory taken for good.
const LONGEST: usize = 1 << 20;

/// For backends: memory of packets that were decoded, until [`crate::Decoder::spare`] is asked for it.
#[derive(Debug, Default)]
pub struct Spare(Mutex<Vec<Vec<u8>>>);

impl Spare {
    /// Nobody needs these bytes any more.
    pub fn keep(&self, memory: Vec<u8>) {
        let mut kept = self.lock();
        if kept.len() < MOST && memory.capacity() <= LONGEST {
            kept.push(memory);
        }
    }

    /// Memory with some earlier bytes in it; empty where there is none.
    pub fn take(&self) -> Vec<u8> {
        self.lock().pop().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        // Nothing is half done anywhere where a panic could be.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded_in_number_and_in_length() {
        let spare = Spare::default();
        spare.keep(Vec::with_capacity(LONGEST + 1));
        assert_eq!(spare.take().capacity(), 0);
        (0..2 * MOST).for_each(|_| spare.keep(vec![1; 10]));
        let taken = (0..2 * MOST).map(|_| spare.take()).filter(|memory| memory.capacity() > 0);
        assert_eq!(taken.count(), MOST);
    }
}
