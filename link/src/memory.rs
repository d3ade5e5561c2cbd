//! Links in memory, with little room and faults on demand: what a network does, without one.

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::{Closer, Link, LinkReader, LinkWriter, Moved, TICK};

/// Two ends joined in memory. In each direction at most `capacity` bytes (1 at least) are on their way,
/// so that a writer meets a full peer as it does on a network. `is_local` is false: what is tested is the
/// path over a network.
///
/// The third value steers the bytes from the first end to the second, the fourth those back.
pub fn memory_pair(capacity: usize) -> (Link, Link, Direction, Direction) {
    let there = Direction(Arc::new(Pipe::new(capacity)));
    let back = Direction(Arc::new(Pipe::new(capacity)));
    let first = end(&back, &there, "memory:second");
    let second = end(&there, &back, "memory:first");
    (first, second, there, back)
}

/// One direction of a pair, for a test to break.
#[derive(Clone, Debug)]
pub struct Direction(Arc<Pipe>);

impl Direction {
    /// From now on the reader meets an end, after what is already on its way; the writer an error.
    pub fn cut(&self) {
        self.0.change(|state| state.finished = true);
    }

    /// From now on both sides meet an error of this kind, at once.
    pub fn fail(&self, kind: io::ErrorKind) {
        self.0.change(|state| state.failure = Some(kind));
    }

    /// While stalled nothing is delivered; what fits is still taken from the writer.
    pub fn stall(&self, stalled: bool) {
        self.0.change(|state| state.stalled = stalled);
    }

    /// No call moves more than this many bytes.
    pub fn at_most(&self, bytes: usize) {
        self.0.change(|state| state.at_most = bytes.max(1));
    }

    /// How many bytes have been written so far.
    pub fn written(&self) -> u64 {
        self.0.lock().written
    }
}

#[derive(Debug)]
struct Pipe {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    bytes: VecDeque<u8>,
    capacity: usize,
    at_most: usize,
    written: u64,
    stalled: bool,
    finished: bool,
    failure: Option<io::ErrorKind>,
}

impl Pipe {
    fn new(capacity: usize) -> Self {
        let state = State {
            bytes: VecDeque::new(),
            capacity: capacity.max(1),
            at_most: usize::MAX,
            written: 0,
            stalled: false,
            finished: false,
            failure: None,
        };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Waits, a tick at most, while `blocked` holds and nothing has failed.
    fn wait(&self, blocked: impl Fn(&State) -> bool) -> io::Result<MutexGuard<'_, State>> {
        let (state, _) = self
            .changed
            .wait_timeout_while(self.lock(), TICK, |state| {
                state.failure.is_none() && blocked(state)
            })
            .unwrap_or_else(PoisonError::into_inner);
        match state.failure {
            Some(kind) => Err(kind.into()),
            None => Ok(state),
        }
    }
}

fn end(input: &Direction, output: &Direction, peer: &str) -> Link {
    let (input, output) = (&input.0, &output.0);
    Link {
        reader: Box::new(MemoryReader(input.clone())),
        writer: Box::new(MemoryWriter(output.clone())),
        closer: Arc::new(MemoryCloser { input: input.clone(), output: output.clone() }),
        peer: peer.to_owned(),
        is_local: false,
    }
}

struct MemoryReader(Arc<Pipe>);

impl LinkReader for MemoryReader {
    fn read_vectored(&mut self, into: &mut [IoSliceMut<'_>]) -> io::Result<Moved> {
        let mut state = self.0.wait(|state| {
            (state.bytes.is_empty() || state.stalled) && !(state.finished && state.bytes.is_empty())
        })?;
        if state.bytes.is_empty() && state.finished {
            return Ok(Moved::End);
        }
        if state.stalled {
            return Ok(Moved::Nothing);
        }
        let mut moved = 0;
        for slice in into {
            let count = slice.len().min(state.bytes.len()).min(state.at_most - moved);
            for (to, from) in slice.iter_mut().zip(state.bytes.drain(..count)) {
                *to = from;
            }
            moved += count;
        }
        drop(state);
        self.0.changed.notify_all();
        Ok(if moved == 0 { Moved::Nothing } else { Moved::Bytes(moved) })
    }
}

/// Dropping either half is leaving, as it is with a socket.
impl Drop for MemoryReader {
    fn drop(&mut self) {
        self.0.change(|state| state.finished = true);
    }
}

struct MemoryWriter(Arc<Pipe>);

impl LinkWriter for MemoryWriter {
    fn write_vectored(&mut self, from: &[IoSlice<'_>]) -> io::Result<Moved> {
        let mut state =
            self.0.wait(|state| state.bytes.len() >= state.capacity && !state.finished)?;
        if state.finished {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let mut moved = 0;
        for slice in from {
            let room = (state.capacity - state.bytes.len()).min(state.at_most - moved);
            let count = slice.len().min(room);
            state.bytes.extend(&slice[..count]);
            moved += count;
        }
        state.written += moved as u64;
        drop(state);
        self.0.changed.notify_all();
        Ok(if moved == 0 { Moved::Nothing } else { Moved::Bytes(moved) })
    }

    fn finish(&mut self) -> io::Result<()> {
        self.0.change(|state| state.finished = true);
        Ok(())
    }
}

impl Drop for MemoryWriter {
    fn drop(&mut self) {
        self.0.change(|state| state.finished = true);
    }
}

struct MemoryCloser {
    input: Arc<Pipe>,
    output: Arc<Pipe>,
}

impl Closer for MemoryCloser {
    fn close(&self) {
        // What has arrived unread is lost with a closed socket, too.
        self.input.change(|state| {
            state.bytes.clear();
            state.finished = true;
        });
        self.output.change(|state| state.finished = true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_holds_no_more_than_its_capacity() {
        let (mut first, mut second, there, _) = memory_pair(4);
        assert_eq!(first.writer.write(b"abcdef").unwrap(), Moved::Bytes(4));
        assert_eq!(first.writer.write(b"ef").unwrap(), Moved::Nothing);
        let (mut left, mut right) = ([0; 1], [0; 8]);
        let mut into = [IoSliceMut::new(&mut left), IoSliceMut::new(&mut right)];
        assert_eq!(second.reader.read_vectored(&mut into).unwrap(), Moved::Bytes(4));
        assert_eq!((&left, &right[..3]), (b"a", &b"bcd"[..]));
        assert_eq!(there.written(), 4);
    }

    #[test]
    fn a_cut_delivers_what_is_on_its_way_and_then_ends() {
        let (mut first, mut second, there, _) = memory_pair(8);
        first.writer.write(b"ab").unwrap();
        there.cut();
        assert_eq!(second.reader.read(&mut [0; 8]).unwrap(), Moved::Bytes(2));
        assert_eq!(second.reader.read(&mut [0; 8]).unwrap(), Moved::End);
        assert_eq!(first.writer.write(b"c").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn a_stall_holds_bytes_back_until_it_ends() {
        let (mut first, mut second, there, _) = memory_pair(8);
        there.stall(true);
        first.writer.write(b"ab").unwrap();
        assert_eq!(second.reader.read(&mut [0; 8]).unwrap(), Moved::Nothing);
        there.stall(false);
        there.at_most(1);
        assert_eq!(second.reader.read(&mut [0; 8]).unwrap(), Moved::Bytes(1));
    }

    #[test]
    fn a_failure_is_met_by_both_sides() {
        let (mut first, mut second, there, _) = memory_pair(8);
        there.fail(io::ErrorKind::ConnectionReset);
        assert!(first.writer.write(b"ab").is_err());
        assert!(second.reader.read(&mut [0; 8]).is_err());
    }

    #[test]
    fn closing_one_end_ends_the_other() {
        let (first, mut second, _, _) = memory_pair(8);
        first.closer.close();
        assert_eq!(second.reader.read(&mut [0; 8]).unwrap(), Moved::End);
        assert!(second.writer.write(b"c").is_err());
    }
}
