//! Delay: a process that passes on what it reads a while later.
//!
//! It takes what comes as fast as it comes, until [`MOST`] are on their way: more than the fastest link
//! carries in that time, so that it delays and doesn't limit.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::Problem;

/// On the way in one direction: 10 Gb/s give 2.5 MB in 2 ms.
const MOST: usize = 4 << 20;
/// Read at once.
const CHUNK: usize = 64 << 10;

/// The process: connections to it are connections to that port of its own machine, `delay` away.
pub(crate) fn run(port: u16, delay: Duration) -> Result<(), Problem> {
    let listener = TcpListener::bind("0.0.0.0:0")?;
    println!("{}", listener.local_addr()?.port());
    for near in listener.incoming() {
        let near = near?;
        let far = TcpStream::connect(("127.0.0.1", port))?;
        for stream in [&near, &far] {
            stream.set_nodelay(true)?;
        }
        for (from, to) in
            [(near.try_clone()?, far.try_clone()?), (far.try_clone()?, near.try_clone()?)]
        {
            let (give, take) = sync_channel(MOST / CHUNK);
            let (spare, used) = sync_channel(MOST / CHUNK);
            thread::spawn(move || read(from, &give, &used));
            thread::spawn(move || write(to, &take, &spare, delay));
        }
    }
    Ok(())
}

/// What was read, and when.
type Chunk = (Instant, Vec<u8>, usize);

fn read(mut from: TcpStream, give: &SyncSender<Chunk>, used: &Receiver<Vec<u8>>) {
    loop {
        let mut memory = used.try_recv().unwrap_or_else(|_| vec![0; CHUNK]);
        // At the end of either side the writer shuts the other one down.
        let Ok(count @ 1..) = from.read(&mut memory) else { return };
        if give.send((Instant::now(), memory, count)).is_err() {
            return;
        }
    }
}

fn write(mut to: TcpStream, take: &Receiver<Chunk>, spare: &SyncSender<Vec<u8>>, delay: Duration) {
    for (read, memory, count) in take {
        thread::sleep((read + delay).saturating_duration_since(Instant::now()));
        if to.write_all(&memory[..count]).is_err() {
            break;
        }
        let _ = spare.try_send(memory);
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_forwarded_comes_whole_and_not_before_its_time() {
        let delay = Duration::from_millis(20);
        let near = TcpListener::bind("127.0.0.1:0").unwrap();
        let (to_near, far) = (near.local_addr().unwrap(), near);
        let (give, take) = sync_channel(4);
        let (spare, used) = sync_channel(4);
        let source = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut input = TcpStream::connect(source.local_addr().unwrap()).unwrap();
        let from = source.accept().unwrap().0;
        let to = TcpStream::connect(to_near).unwrap();
        let mut output = far.accept().unwrap().0;
        thread::spawn(move || read(from, &give, &used));
        thread::spawn(move || write(to, &take, &spare, delay));
        let sent: Vec<u8> = (0..300_000_u32).map(|byte| (byte % 251) as u8).collect();
        let began = Instant::now();
        let whole = sent.clone();
        thread::spawn(move || input.write_all(&whole).unwrap());
        let mut first = [0];
        output.read_exact(&mut first).unwrap();
        assert!(began.elapsed() >= delay);
        let mut rest = Vec::new();
        output.read_to_end(&mut rest).unwrap();
        assert_eq!([&first[..], &rest].concat(), sent);
    }
}
