use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

/// Buffers that are used again: a stream in full flow takes none from the heap.
pub(crate) struct Buffers {
    idle: Mutex<Vec<Vec<u8>>>,
    /// How many idle ones are worth keeping.
    keep: usize,
}

impl Buffers {
    pub(crate) fn new(keep: usize) -> Arc<Self> {
        Arc::new(Self { idle: Mutex::new(Vec::with_capacity(keep)), keep })
    }

    /// An empty buffer, with the memory of an earlier one if there is any.
    pub(crate) fn take(self: &Arc<Self>) -> Buffer {
        let bytes = self.lock().pop().unwrap_or_default();
        Buffer { bytes, home: Some(self.clone()) }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes whose memory goes back to its [`Buffers`] when they are dropped.
#[derive(Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    home: Option<Arc<Buffers>>,
}

impl Deref for Buffer {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.bytes
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(home) = &self.home {
            self.bytes.clear();
            let mut idle = home.lock();
            if idle.len() < home.keep {
                idle.push(std::mem::take(&mut self.bytes));
            }
        }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_comes_back_empty_and_no_more_than_is_kept() {
        let buffers = Buffers::new(1);
        let (mut first, mut second) = (buffers.take(), buffers.take());
        first.extend_from_slice(&[1; 1000]);
        second.extend_from_slice(&[2; 10]);
        drop((first, second));
        let again = buffers.take();
        assert!(again.is_empty() && again.capacity() >= 1000);
        assert_eq!(buffers.take().capacity(), 0);
    }
}
