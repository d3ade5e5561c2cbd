//! The bare socket: one process writes pictures, another reads them into a buffer that it uses again.
//! Nothing that carries as many bytes between two processes over TCP can cost less by much.

use std::io::{IoSlice, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use vtremote_client::FrameSource;
use vtremote_planes::Source;

use crate::process::{Process, Usage};
use crate::{Load, Problem, Run, usage};

/// Nothing moves for so long: the measurement has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// One run of both ends. `down`: what receives is the client.
pub(crate) fn run(load: Load, down: bool) -> Result<Run, Problem> {
    let mut receiver = Process::start("bare-receive", &[&load])?;
    let port: u16 = receiver.answer()?;
    let sender: Usage = Process::start("bare-send", &[&load, &port])?.answer()?;
    let receiver = receiver.answer()?;
    Ok(match down {
        true => Run { load, client: receiver, server: sender },
        false => Run { load, client: sender, server: receiver },
    })
}

/// The process that writes.
pub(crate) fn send(load: Load, port: u16) -> Result<(), Problem> {
    // As many as a session has in turn, so that they pass through the caches alike.
    let pictures = load.kind.some(load.in_turn);
    let mut stream = prepare(TcpStream::connect(("127.0.0.1", port))?)?;
    let (mut began, cpu) = (Instant::now(), usage::cpu());
    for (number, picture) in pictures.iter().cycle().take(load.all()).enumerate() {
        if number == load.before {
            began = Instant::now();
        }
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
pub(crate) fn receive(load: Load) -> Result<(), Problem> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut picture = vec![0; load.kind.bytes()];
    println!("{}", listener.local_addr()?.port());
    let mut stream = prepare(listener.accept()?.0)?;
    let (mut began, cpu) = (Instant::now(), usage::cpu());
    for number in 0..load.all() {
        if number == load.before {
            began = Instant::now();
        }
        stream.read_exact(&mut picture)?;
    }
    let (wall, cpu) = (began.elapsed(), usage::cpu() - cpu);
    stream.write_all(&[1])?;
    println!("{}", Usage { wall, cpu, memory: None });
    Ok(())
}

fn prepare(stream: TcpStream) -> Result<TcpStream, Problem> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}
