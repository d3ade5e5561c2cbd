use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::Address;

/// Why a name has no address.
#[derive(Debug)]
pub enum ResolveError {
    /// The resolver answered: no such name, or none that it can ask.
    Failed(io::Error),
    /// The resolver did not answer in time.
    TimedOut(Duration),
}

/// The socket addresses of `address`, in the resolver's order, never an empty list.
///
/// The system's resolver has no deadline, so it works in a thread of its own. One that never answers
/// leaks that thread and nothing else. A literal address takes no thread.
pub fn resolve(address: &Address, patience: Duration) -> Result<Vec<SocketAddr>, ResolveError> {
    if let Ok(ip) = address.host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, address.port)]);
    }
    let (answer, answers) = mpsc::channel();
    let Address { host, port } = address.clone();
    thread::Builder::new()
        .name("vtremote-resolve".into())
        .spawn(move || {
            let found = (host.as_str(), port).to_socket_addrs().map(Vec::from_iter);
            // Nobody listens once the deadline has passed.
            let _ = answer.send(found);
        })
        .map_err(ResolveError::Failed)?;
    match answers.recv_timeout(patience) {
        Ok(Ok(found)) if found.is_empty() => Err(ResolveError::Failed(io::Error::new(
            io::ErrorKind::NotFound,
            "the name has no address",
        ))),
        Ok(Ok(mut found)) => {
            let mut seen = Vec::with_capacity(found.len());
            found.retain(|one| {
                !seen.contains(one) && {
                    seen.push(*one);
                    true
                }
            });
            Ok(found)
        }
        Ok(Err(error)) => Err(ResolveError::Failed(error)),
        Err(mpsc::RecvTimeoutError::Timeout) => Err(ResolveError::TimedOut(patience)),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            Err(ResolveError::Failed(io::Error::other("the resolver's thread ended")))
        }
    }
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f),
            Self::TimedOut(after) => {
                write!(f, "the resolver has not answered within {} ms", after.as_millis())
            }
        }
    }
}

impl std::error::Error for ResolveError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_address_is_its_own_answer_even_without_time() {
        let address = Address { host: "::1".into(), port: 80 };
        let found = resolve(&address, Duration::ZERO).unwrap();
        assert_eq!(found, ["[::1]:80".parse().unwrap()]);
    }

    #[test]
    fn localhost_is_a_loopback_address() {
        let address = Address { host: "localhost".into(), port: 80 };
        let found = resolve(&address, Duration::from_secs(30)).unwrap();
        assert!(found.iter().all(|one| one.ip().is_loopback() && one.port() == 80), "{found:?}");
    }

    #[test]
    fn a_name_that_does_not_exist_says_so() {
        // RFC 6761 reserves the ending; no resolver may know a name under it.
        let address = Address { host: "no-such-host.invalid".into(), port: 80 };
        let error = resolve(&address, Duration::from_secs(30)).unwrap_err();
        assert!(matches!(error, ResolveError::Failed(_)), "{error}");
    }
}
