use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

const PING: u16 = 10;
const PONG: &[u8] = b"VTR1\0\x01\0\x0b\0\0\0\0";

/// One line of what a [`ScriptedServer`] does.
#[derive(Debug, Clone)]
pub enum Line {
    /// Waits until so many messages of this type have come whole since the connection began. FRAME_BEGIN
    /// counts as FRAME. Meanwhile PINGs are answered.
    Hear(u16, usize),
    /// Sends these bytes.
    Say(Vec<u8>),
    /// Closes the connection; without it the server reads on, silent, until the client leaves.
    Close,
}

/// A server that says what its script says, right or wrong, on every connection.
pub struct ScriptedServer {
    address: String,
}

impl ScriptedServer {
    /// Listens on a loopback port of its own until the process ends.
    ///
    /// # Panics
    /// If there is no port.
    pub fn start(script: Vec<Line>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its number").to_string();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let script = script.clone();
                // A client that leaves early ends the script.
                thread::spawn(move || play(stream, &script));
            }
        });
        ScriptedServer { address }
    }

    /// `host:port`, for `-vt_remote_host`.
    pub fn address(&self) -> &str {
        &self.address
    }
}

fn play(mut stream: TcpStream, script: &[Line]) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    // One that neither reads nor leaves.
    stream.set_write_timeout(Some(Duration::from_secs(60)))?;
    let mut heard = Heard::default();
    for line in script {
        match line {
            Line::Hear(kind, count) => {
                while heard.count(*kind) < *count {
                    if !heard.more(&mut stream)? {
                        return Ok(());
                    }
                    for _ in 0..std::mem::take(&mut heard.pings) {
                        stream.write_all(PONG)?;
                    }
                }
            }
            Line::Say(bytes) => stream.write_all(bytes)?,
            Line::Close => return Ok(()),
        }
    }
    while heard.more(&mut stream)? {}
    Ok(())
}

#[derive(Default)]
struct Heard {
    bytes: Vec<u8>,
    kinds: Vec<u16>,
    /// Those that are not answered yet.
    pings: usize,
}

impl Heard {
    fn count(&self, kind: u16) -> usize {
        self.kinds.iter().filter(|heard| **heard == kind).count()
    }

    fn more(&mut self, stream: &mut TcpStream) -> std::io::Result<bool> {
        let mut bytes = [0; 65536];
        let read = stream.read(&mut bytes)?;
        self.bytes.extend_from_slice(&bytes[..read]);
        while let [_, _, _, _, _, _, a, b, c, d, e, f, ..] = self.bytes[..] {
            let end = 12 + u32::from_be_bytes([c, d, e, f]) as usize;
            if self.bytes.len() < end {
                break;
            }
            let kind = u16::from_be_bytes([a, b]);
            self.pings += usize::from(kind == PING);
            self.kinds.push(match kind {
                0x4001 => 5,
                kind => kind,
            });
            self.bytes.drain(..end);
        }
        Ok(read > 0)
    }
}
