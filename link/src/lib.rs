//! What a session talks over: a byte stream in two halves and a handle that closes it.
//!
//! Client and server see [`LinkReader`], [`LinkWriter`] and [`Closer`] and never a socket, so that an
//! encrypted link or one in memory takes TCP's place without their noticing. No call waits longer
//! than a tick ([`TICK`] unless the link was told otherwise): deadlines are the caller's, who looks at
//! the clock whenever a call gives [`Moved::Nothing`].

#![forbid(unsafe_code)]

mod address;
mod memory;
mod resolve;
mod tcp;

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::sync::Arc;
use std::time::Duration;

pub use address::{Address, AddressError};
pub use memory::{Direction, memory_pair};
pub use resolve::{ResolveError, resolve};
pub use tcp::{ConnectError, Listener, TcpSettings, connect, tcp_link};

/// The longest that one call on a link waits before it gives [`Moved::Nothing`].
pub const TICK: Duration = Duration::from_millis(200);

/// What came of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// This many bytes, never 0.
    Bytes(usize),
    /// None within a tick. The link is as good as before.
    Nothing,
    /// Reading: the peer has finished sending, or the link was closed from this side.
    End,
}

/// The receiving half. A failure (a reset, for one) is an [`io::Error`], and final.
pub trait LinkReader: Send {
    /// Reads what is there into `into`, first slice first; waits for the first byte only, a tick at most.
    /// Slices without room give [`Moved::Nothing`].
    fn read_vectored(&mut self, into: &mut [IoSliceMut<'_>]) -> io::Result<Moved>;

    /// The same into one slice.
    fn read(&mut self, into: &mut [u8]) -> io::Result<Moved> {
        self.read_vectored(&mut [IoSliceMut::new(into)])
    }
}

/// The sending half.
pub trait LinkWriter: Send {
    /// Sends some bytes from the front of `from`; waits for room, a tick at most. Never gives
    /// [`Moved::End`]: a peer that has gone is an error.
    fn write_vectored(&mut self, from: &[IoSlice<'_>]) -> io::Result<Moved>;

    /// The same from one slice.
    fn write(&mut self, from: &[u8]) -> io::Result<Moved> {
        self.write_vectored(&[IoSlice::new(from)])
    }

    /// Says that nothing more will be sent; the peer reads an end. Receiving goes on.
    fn finish(&mut self) -> io::Result<()>;
}

/// Ends a link from any thread: calls that wait on either half come back at once.
pub trait Closer: Send + Sync {
    /// Closes both directions. Closing twice is closing once.
    fn close(&self);
}

/// One connection.
pub struct Link {
    /// The receiving half, for the thread that reads.
    pub reader: Box<dyn LinkReader>,
    /// The sending half, for the thread that writes.
    pub writer: Box<dyn LinkWriter>,
    /// Ends both.
    pub closer: Arc<dyn Closer>,
    /// The other end's address, for messages to people.
    pub peer: String,
    /// Whether both ends are on one machine, where compressing costs more than it saves.
    pub is_local: bool,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("peer", &self.peer).field("is_local", &self.is_local).finish()
    }
}
