//! Links over TCP: the only file that knows sockets.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
#[cfg(unix)]
use std::os::fd::AsFd as AsPollable;
#[cfg(windows)]
use std::os::windows::io::AsSocket as AsPollable;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{SockRef, TcpKeepalive};

use crate::{Address, Closer, Link, LinkReader, LinkWriter, Moved, ResolveError, TICK, resolve};

/// What a kernel takes in one vectored call, on every system at least (IOV_MAX).
const MAX_SLICES: usize = 1024;

/// A read with room for more is amid bulk data. Segments that are full, and none is longer than 64 KiB, are
/// sent without waiting for acknowledgements; and asking for those costs an eighth of what receiving a
/// picture does.
#[cfg(target_os = "linux")]
const BULK: usize = 128 << 10;

/// How a TCP link behaves.
#[derive(Clone, Copy, Debug)]
pub struct TcpSettings {
    /// The longest wait of one call.
    pub tick: Duration,
    /// Acknowledge at once what arrives, on Linux: a peer without TCP_NODELAY that writes header and
    /// payload apart waits 43 ms for each small packet otherwise (docs/protocol.md section 1). The kernel
    /// forgets it, so it is said before every read that may wait for something small.
    pub quick_ack: bool,
    /// How long sent data may stay unacknowledged before the link is lost; Linux only.
    pub unacknowledged: Option<Duration>,
}

impl Default for TcpSettings {
    fn default() -> Self {
        Self { tick: TICK, quick_ack: false, unacknowledged: None }
    }
}

/// Why there is no connection.
#[derive(Debug)]
pub enum ConnectError {
    /// The name has no address.
    Resolve(ResolveError),
    /// None of the addresses answered; the error that says most, and the address that gave it.
    Connect {
        /// The address.
        address: SocketAddr,
        /// What it answered. [`io::ErrorKind::TimedOut`]: nothing.
        error: io::Error,
    },
}

/// Connects to the first address of `address` that answers. Each address gets an equal share of the time
/// that is left, so that one that swallows packets does not hide the others.
pub fn connect(
    address: &Address,
    patience: Duration,
    settings: &TcpSettings,
) -> Result<Link, ConnectError> {
    let begin = Instant::now();
    let candidates = resolve(address, patience).map_err(ConnectError::Resolve)?;
    let mut failure: Option<(SocketAddr, io::Error)> = None;
    for (index, &candidate) in candidates.iter().enumerate() {
        let left = patience.saturating_sub(begin.elapsed());
        let share = left / u32::try_from(candidates.len() - index).unwrap_or(u32::MAX);
        // A share of zero would be refused as an argument.
        let share = share.max(Duration::from_millis(1));
        let connected = TcpStream::connect_timeout(&candidate, share)
            .and_then(|stream| tcp_link(stream, settings));
        match connected {
            Ok(link) => return Ok(link),
            Err(error) => {
                let says_more =
                    failure.as_ref().is_none_or(|(_, old)| weight(&error) > weight(old));
                if says_more {
                    failure = Some((candidate, error));
                }
            }
        }
    }
    let (address, error) = failure.unwrap_or_else(|| {
        ((IpAddr::from([0; 4]), address.port).into(), io::ErrorKind::NotFound.into())
    });
    Err(ConnectError::Connect { address, error })
}

/// A host that refused is there; silence comes next; a missing route says least, since a machine without
/// IPv6 gives it for every IPv6 address.
fn weight(error: &io::Error) -> u8 {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => 2,
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => 1,
        _ => 0,
    }
}

/// A link over a stream that is connected.
pub fn tcp_link(stream: TcpStream, settings: &TcpSettings) -> io::Result<Link> {
    let peer = stream.peer_addr()?;
    stream.set_nodelay(true)?;
    // A timeout of zero would mean none, and Windows counts in milliseconds.
    let tick = settings.tick.max(Duration::from_millis(1));
    set_tick(&stream, tick)?;
    let socket = SockRef::from(&stream);
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(30))
        .with_interval(Duration::from_secs(10));
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(settings.unacknowledged)?;
    let is_local = peer.ip().to_canonical().is_loopback()
        || stream.local_addr().is_ok_and(|local| local.ip() == peer.ip());
    let stream = Arc::new(stream);
    Ok(Link {
        reader: Box::new(TcpReader { stream: stream.clone(), tick, quick_ack: settings.quick_ack }),
        writer: Box::new(TcpWriter { stream: stream.clone(), tick }),
        closer: Arc::new(TcpCloser { stream }),
        peer: SocketAddr::new(peer.ip().to_canonical(), peer.port()).to_string(),
        is_local,
    })
}

/// Has calls on the stream wait for a tick.
#[cfg(not(windows))]
fn set_tick(stream: &TcpStream, tick: Duration) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(tick))?;
    stream.set_write_timeout(Some(tick))
}

/// Waits for the stream; whether it can be read or written.
#[cfg(not(windows))]
fn is_ready(_: &TcpStream, _: PollFlags, _: Duration) -> io::Result<bool> {
    // The call itself waits.
    Ok(true)
}

/// There a socket whose call has run into its timeout may have lost data, says its documentation
/// (SO_SNDTIMEO). So nothing waits but the question whether it is ready.
#[cfg(windows)]
fn set_tick(stream: &TcpStream, _: Duration) -> io::Result<()> {
    stream.set_nonblocking(true)
}

#[cfg(windows)]
fn is_ready(stream: &TcpStream, what: PollFlags, tick: Duration) -> io::Result<bool> {
    wait(stream, what, tick)
}

/// Whether a socket can do `what`, or has failed, within `time`.
fn wait(socket: &impl AsPollable, what: PollFlags, time: Duration) -> io::Result<bool> {
    let time = Timespec::try_from(time).map_err(|_| io::ErrorKind::InvalidInput)?;
    match poll(&mut [PollFd::new(socket, what)], Some(&time)) {
        Ok(ready) => Ok(ready > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

struct TcpReader {
    stream: Arc<TcpStream>,
    tick: Duration,
    quick_ack: bool,
}

impl LinkReader for TcpReader {
    fn read_vectored(&mut self, into: &mut [IoSliceMut<'_>]) -> io::Result<Moved> {
        let room: usize = into.iter().map(|slice| slice.len()).sum();
        if room == 0 {
            return Ok(Moved::Nothing);
        }
        #[cfg(target_os = "linux")]
        if self.quick_ack && room <= BULK {
            // Only slower where it fails.
            let _ = SockRef::from(&*self.stream).set_tcp_quickack(true);
        }
        #[cfg(not(target_os = "linux"))]
        let _ = self.quick_ack;
        if !is_ready(&self.stream, PollFlags::IN, self.tick)? {
            return Ok(Moved::Nothing);
        }
        let slices = into.len().min(MAX_SLICES);
        match (&*self.stream).read_vectored(&mut into[..slices]) {
            Ok(0) => Ok(Moved::End),
            Ok(bytes) => Ok(Moved::Bytes(bytes)),
            Err(error) => nothing_yet(error),
        }
    }
}

struct TcpWriter {
    stream: Arc<TcpStream>,
    tick: Duration,
}

impl LinkWriter for TcpWriter {
    fn write_vectored(&mut self, from: &[IoSlice<'_>]) -> io::Result<Moved> {
        // A slice of nothing at the front must not make a call that moves nothing.
        let first = from.iter().position(|slice| !slice.is_empty());
        let Some(from) = first.map(|first| &from[first..]) else { return Ok(Moved::Nothing) };
        if !is_ready(&self.stream, PollFlags::OUT, self.tick)? {
            return Ok(Moved::Nothing);
        }
        let from = &from[..from.len().min(MAX_SLICES)];
        // Where there is no such flag, std has set SO_NOSIGPIPE when it made the socket.
        #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
        let flags = libc::MSG_NOSIGNAL;
        #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
        let flags = 0;
        match SockRef::from(&*self.stream).send_vectored_with_flags(from, flags) {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            Ok(bytes) => Ok(Moved::Bytes(bytes)),
            Err(error) => nothing_yet(error),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        match self.stream.shutdown(Shutdown::Write) {
            Err(error) if error.kind() != io::ErrorKind::NotConnected => Err(error),
            _ => Ok(()),
        }
    }
}

struct TcpCloser {
    stream: Arc<TcpStream>,
}

impl Closer for TcpCloser {
    fn close(&self) {
        // Fails if the peer was first, which is what was wanted.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// A tick that passed, or a signal that interrupted the call, is no failure. [`io::ErrorKind::TimedOut`] is
/// one: nowhere is it a tick, and everywhere a peer that the system has given up.
fn nothing_yet(error: io::Error) -> io::Result<Moved> {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(Moved::Nothing),
        _ => Err(error),
    }
}

/// Takes connections on one address.
#[derive(Debug)]
pub struct Listener {
    inner: TcpListener,
}

impl Listener {
    /// Listens on every address of `address`: one listener each. Port 0 picks a free one.
    ///
    /// An address that this machine does not have is passed over if it has another: `localhost` is
    /// also `::1` where there is no IPv6.
    pub fn bind(address: &Address, patience: Duration) -> Result<Vec<Self>, ConnectError> {
        Self::bind_to_each(resolve(address, patience).map_err(ConnectError::Resolve)?)
    }

    fn bind_to_each(addresses: Vec<SocketAddr>) -> Result<Vec<Self>, ConnectError> {
        let (mut listeners, mut missing) = (Vec::new(), None);
        for address in addresses {
            match Self::bind_to(address) {
                Ok(listener) => listeners.push(listener),
                Err(error) if is_missing(&error) => missing = Some((address, error)),
                Err(error) => return Err(ConnectError::Connect { address, error }),
            }
        }
        match missing {
            Some((address, error)) if listeners.is_empty() => {
                Err(ConnectError::Connect { address, error })
            }
            _ => Ok(listeners),
        }
    }

    /// Listens on exactly this address.
    pub fn bind_to(address: SocketAddr) -> io::Result<Self> {
        let inner = TcpListener::bind(address)?;
        // accept must not block when the peer has left between poll and accept.
        inner.set_nonblocking(true)?;
        Ok(Self { inner })
    }

    /// Where it listens, with the port that the system picked if it was asked to.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    /// The next connection, or none within `patience`. Make a link of it with [`tcp_link`].
    pub fn accept(&self, patience: Duration) -> io::Result<Option<(TcpStream, SocketAddr)>> {
        if !wait(&self.inner, PollFlags::IN, patience)? {
            return Ok(None);
        }
        match self.inner.accept() {
            Ok(accepted) => Ok(Some(accepted)),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock
                        | io::ErrorKind::Interrupted
                        | io::ErrorKind::ConnectionAborted
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// Whether the machine lacks the address, or its whole family.
fn is_missing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(NO_SUCH_FAMILY)
}

#[cfg(unix)]
const NO_SUCH_FAMILY: i32 = libc::EAFNOSUPPORT;
/// WSAEAFNOSUPPORT.
#[cfg(windows)]
const NO_SUCH_FAMILY: i32 = 10047;

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resolve(error) => error.fmt(f),
            Self::Connect { address, error } => write!(f, "{address}: {error}"),
        }
    }
}

impl std::error::Error for ConnectError {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::thread;

    fn listener() -> (Listener, Address) {
        let listener = Listener::bind_to("127.0.0.1:0".parse().unwrap()).unwrap();
        let local = listener.local_addr().unwrap();
        (listener, Address { host: local.ip().to_string(), port: local.port() })
    }

    fn pair() -> (Link, TcpStream) {
        let (listener, address) = listener();
        let link = connect(&address, Duration::from_secs(10), &TcpSettings::default()).unwrap();
        let (stream, _) = listener.accept(Duration::from_secs(10)).unwrap().unwrap();
        stream.set_nonblocking(false).unwrap();
        (link, stream)
    }

    #[test]
    fn bytes_arrive_in_order_over_many_slices() {
        let (mut link, mut stream) = pair();
        let data: Vec<u8> = (0..4000u32).flat_map(u32::to_be_bytes).collect();
        // More slices than one call takes, some of them empty.
        let slices: Vec<_> =
            data.chunks(3).flat_map(|chunk| [IoSlice::new(&[]), IoSlice::new(chunk)]).collect();
        let mut slices = &mut slices.clone()[..];
        while !slices.is_empty() {
            if let Moved::Bytes(bytes) = link.writer.write_vectored(slices).unwrap() {
                IoSlice::advance_slices(&mut slices, bytes);
            } else {
                break;
            }
        }
        link.writer.finish().unwrap();
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap();
        assert_eq!(received, data);
        assert!(link.is_local);
    }

    #[test]
    fn a_silent_peer_is_nothing_yet_and_a_peer_that_left_is_the_end() {
        let (mut link, mut stream) = pair();
        let mut buffer = [0; 8];
        assert_eq!(link.reader.read(&mut buffer).unwrap(), Moved::Nothing);
        stream.write_all(b"abc").unwrap();
        assert_eq!(link.reader.read(&mut buffer).unwrap(), Moved::Bytes(3));
        drop(stream);
        assert_eq!(link.reader.read(&mut buffer).unwrap(), Moved::End);
    }

    #[test]
    fn a_peer_that_the_system_has_given_up_is_a_failure() {
        let given_up = nothing_yet(io::ErrorKind::TimedOut.into());
        assert_eq!(given_up.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(nothing_yet(io::ErrorKind::WouldBlock.into()).unwrap(), Moved::Nothing);
    }

    #[test]
    fn waiting_to_read_ends_with_what_comes_and_waiting_to_write_at_once() {
        let (listener, address) = listener();
        let mut sender = TcpStream::connect((address.host.as_str(), address.port)).unwrap();
        let (receiver, _) = listener.accept(Duration::from_secs(10)).unwrap().unwrap();
        assert!(!wait(&receiver, PollFlags::IN, Duration::from_millis(1)).unwrap());
        assert!(wait(&receiver, PollFlags::OUT, Duration::from_secs(10)).unwrap());
        sender.write_all(b"a").unwrap();
        assert!(wait(&receiver, PollFlags::IN, Duration::from_secs(10)).unwrap());
    }

    #[test]
    fn a_full_peer_is_nothing_yet_too() {
        let (mut link, _stream) = pair();
        let block = vec![0; 1 << 20];
        while link.writer.write(&block).unwrap() != Moved::Nothing {}
    }

    #[test]
    fn closing_wakes_a_reader_that_waits() {
        let (mut link, _stream) = pair();
        let closer = link.closer.clone();
        let waiting = thread::spawn(move || {
            loop {
                match link.reader.read(&mut [0; 8]).unwrap() {
                    Moved::Nothing => {}
                    other => return other,
                }
            }
        });
        closer.close();
        closer.close();
        assert_eq!(waiting.join().unwrap(), Moved::End);
    }

    #[test]
    fn a_port_where_nobody_listens_refuses() {
        let (listener, address) = listener();
        drop(listener);
        let error =
            connect(&address, Duration::from_secs(10), &TcpSettings::default()).unwrap_err();
        assert!(matches!(
            error,
            ConnectError::Connect { error, .. } if error.kind() == io::ErrorKind::ConnectionRefused
        ));
    }

    #[test]
    fn no_connection_in_time_is_none() {
        let (listener, _) = listener();
        assert!(listener.accept(Duration::from_millis(1)).unwrap().is_none());
    }

    #[test]
    fn a_name_is_listened_on_at_each_of_its_addresses() {
        let address = Address { host: "localhost".into(), port: 0 };
        let listeners = Listener::bind(&address, Duration::from_secs(30)).unwrap();
        assert!(!listeners.is_empty());
        for listener in listeners {
            assert!(listener.local_addr().unwrap().ip().is_loopback());
        }
    }

    #[test]
    fn an_address_that_the_machine_lacks_is_passed_over_if_there_is_another() {
        // RFC 5737: nobody has it.
        let missing: SocketAddr = "192.0.2.1:0".parse().unwrap();
        let loopback: SocketAddr = "127.0.0.1:0".parse().unwrap();
        for addresses in [[missing, loopback], [loopback, missing]] {
            let listeners = Listener::bind_to_each(addresses.into()).unwrap();
            assert_eq!(listeners.len(), 1);
            assert_eq!(listeners[0].local_addr().unwrap().ip(), loopback.ip());
        }
        let error = Listener::bind_to_each(vec![missing]).unwrap_err();
        assert!(matches!(error, ConnectError::Connect { address, .. } if address == missing));
    }

    #[test]
    fn an_address_that_is_taken_is_an_error_whatever_else_there_is() {
        let (holder, _) = listener();
        let taken = holder.local_addr().unwrap();
        let free = "127.0.0.1:0".parse().unwrap();
        let error = Listener::bind_to_each(vec![free, taken]).unwrap_err();
        assert!(matches!(error, ConnectError::Connect { address, .. } if address == taken));
    }
}
