//! The bare socket: one process writes pictures, another reads them into a buffer that it uses again.
//! Nothing that carries as many bytes between two processes over TCP can cost less by much.

use std::io::{IoSlice, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use vtremote_benches::picture;
use vtremote_client::FrameSource;
use vtremote_planes::Source;

use crate::process::{Process, Usage};
use crate::{FRAMES, IN_FLIGHT, Problem, Run, usage};

/// Nothing moves for so long: the measurement has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// One run of both ends.
pub(crate) fn run() -> Result<Run, Problem> {
    let mut receiver = Process::start("bare-receive", &[])?;
    let port: u16 = receiver.answer()?;
    let sender: Usage = Process::start("bare-send", &[&port])?.answer()?;
    Ok(Run { client: sender, server: receiver.answer()? })
}

/// The process that writes.
pub(crate) fn send(port: u16) -> Result<(), Problem> {
    // As many as a session has in flight, so that they pass through the caches alike.
    let pictures = picture::some(IN_FLIGHT);
    let mut stream = prepare(TcpStream::connect(("127.0.0.1", port))?)?;
    let (began, cpu) = (Instant::now(), usage::cpu());
    for picture in pictures.iter().cycle().take(FRAMES) {
        let mut planes = [0, 1].map(|plane| match picture.plane(plane) {
            Source::Rows { data, .. } => IoSlice::new(data),
            _ => IoSlice::new(&[]),
        });
        let mut left = &mut planes[..];
        while !left.is_empty() {
            let written = stream.write_vectored(left)?;
            IoSlice::advance_slices(&mut left, written);
        }
    }
    stream.read_exact(&mut [0])?;
    println!("{}", Usage { wall: began.elapsed(), cpu: usage::cpu() - cpu, memory: None });
    Ok(())
}

/// The process that reads.
pub(crate) fn receive() -> Result<(), Problem> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut picture = vec![0; picture::bytes()];
    println!("{}", listener.local_addr()?.port());
    let mut stream = prepare(listener.accept()?.0)?;
    let (began, cpu) = (Instant::now(), usage::cpu());
    for _ in 0..FRAMES {
        stream.read_exact(&mut picture)?;
    }
    stream.write_all(&[1])?;
    println!("{}", Usage { wall: began.elapsed(), cpu: usage::cpu() - cpu, memory: None });
    Ok(())
}

fn prepare(stream: TcpStream) -> Result<TcpStream, Problem> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}
