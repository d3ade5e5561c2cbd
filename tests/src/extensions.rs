use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

/// Bytes of a message's header, the last four of which say how many follow (docs/protocol.md section 2).
const HEADER: usize = 12;

/// Something between clients and a server that keeps from them what the server can do beyond the
/// original protocol (docs/protocol.md section 9), so that nobody asks for it.
pub struct WithoutExtensions {
    address: String,
}

impl WithoutExtensions {
    /// Listens on a loopback port of its own until the process ends.
    ///
    /// # Panics
    /// If there is no port.
    pub fn before(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its number").to_string();
        let server = server.to_owned();
        thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(&server)) else {
                    return;
                };
                let back = (client.try_clone(), server.try_clone());
                thread::spawn(move || forward(client, server));
                if let (Ok(client), Ok(server)) = back {
                    thread::spawn(move || answer(server, client));
                }
            }
        });
        WithoutExtensions { address }
    }

    /// `host:port`, for `-vt_remote_host`.
    pub fn address(&self) -> &str {
        &self.address
    }
}

/// Copies what comes until nothing more does, or can be passed on.
fn forward(mut from: TcpStream, mut to: TcpStream) -> io::Result<()> {
    to.set_nodelay(true)?;
    let copied = io::copy(&mut from, &mut to);
    let _ = from.shutdown(Shutdown::Read);
    to.shutdown(Shutdown::Write)?;
    copied.map(drop)
}

/// Copies what a server says: HELLO_ACK, in which the names of extensions become names that mean
/// nothing, and all else.
fn answer(mut server: TcpStream, mut client: TcpStream) -> io::Result<()> {
    let mut message = vec![0; HEADER];
    server.read_exact(&mut message)?;
    let len = u32::from_be_bytes([message[8], message[9], message[10], message[11]]);
    message.resize(HEADER + len as usize, 0);
    server.read_exact(&mut message[HEADER..])?;
    for name in [&b"x.ack.v"[..], b"x.slices.v", b"x.geometry.v"] {
        let found = message.windows(name.len()).position(|bytes| bytes == name);
        message[found.expect("our daemon has all of them")] = b'-';
    }
    client.write_all(&message)?;
    forward(server, client)
}
