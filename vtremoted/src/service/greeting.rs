use std::io;
use std::time::{Duration, Instant};
use vtremote_link::{Address, Link, Moved, TcpSettings, connect};
use vtremote_proto::{Hello, Incoming, Item, Limits};

/// Whether a vtremoted answers at this address: with HELLO_ACK, whatever that says. It is asked without a
/// token, so that it refuses and no session is begun.
///
/// # Errors
/// Nobody is there, nothing comes within `patience`, or something else than HELLO_ACK.
pub(crate) fn greet(address: &Address, patience: Duration) -> io::Result<()> {
    let deadline = Instant::now() + patience;
    let settings = TcpSettings::default();
    let link = connect(address, patience, &settings)
        .map_err(|error| io::Error::other(format!("{address}: {error:?}")))?;
    let (client_name, client_build) = ("vtremoted service", env!("CARGO_PKG_VERSION"));
    let hello = Hello { token: "", codec: "h264", client_name, client_build };
    let mut message = Vec::new();
    hello.encode(&mut message).map_err(io::Error::other)?;
    exchange(link, &message, deadline)
}

fn exchange(mut link: Link, mut message: &[u8], deadline: Instant) -> io::Result<()> {
    let mut incoming = Incoming::new(Limits::DEFAULT);
    let mut bytes = [0; 4096];
    while Instant::now() < deadline {
        if !message.is_empty() {
            if let Moved::Bytes(sent) = link.writer.write(message)? {
                message = &message[sent..];
            }
            continue;
        }
        let mut read = match link.reader.read(&mut bytes)? {
            Moved::Bytes(count) => &bytes[..count],
            Moved::Nothing => continue,
            Moved::End => return Err(io::ErrorKind::UnexpectedEof.into()),
        };
        while !read.is_empty() {
            let (taken, item) = incoming.read(read).map_err(io::Error::other)?;
            match item {
                Some(Item::HelloAck(_)) => return Ok(()),
                Some(_) => return Err(io::ErrorKind::InvalidData.into()),
                None => read = &read[taken..],
            }
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Arguments, Daemon};
    use clap::Parser;
    use std::io::Write;
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::thread;
    use vtremote_backend_synthetic::{Script, Synthetic};

    const GUARD: Duration = Duration::from_secs(60);

    fn local(port: u16) -> Address {
        Address { host: "127.0.0.1".into(), port }
    }

    #[test]
    fn a_daemon_is_one_though_it_wants_a_token() {
        let flags = ["vtremoted", "--listen", "127.0.0.1:0", "--token", "secret"];
        let settings = Arguments::parse_from(flags).resolve().unwrap();
        let backend = Synthetic::new(Script::default());
        let daemon = Daemon::bind(&settings, || Ok(vec![Arc::new(backend)])).unwrap();
        let (port, stop) = (daemon.addresses()[0].port(), daemon.stop());
        let served = thread::spawn(|| daemon.serve());
        greet(&local(port), GUARD).unwrap();
        stop.stop();
        served.join().unwrap();
    }

    #[test]
    fn nobody_is_none_and_so_is_who_says_nothing_or_something_else() {
        let bound = || {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = local(listener.local_addr().unwrap().port());
            (listener, address)
        };
        let (silent, address) = bound();
        assert!(greet(&address, Duration::from_millis(50)).is_err(), "it says nothing");
        drop(silent);
        assert!(greet(&address, GUARD).is_err(), "nobody is there");

        let (listener, address) = bound();
        let other = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(b"220 mail.example ESMTP\r\n").unwrap();
            // Until the other end goes: it is not to be an end that it reads.
            let _ = io::copy(&mut stream, &mut io::sink());
        });
        let error = greet(&address, GUARD).unwrap_err();
        assert_ne!(error.kind(), io::ErrorKind::TimedOut);
        other.join().unwrap();
    }
}
