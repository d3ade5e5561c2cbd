//! The programme itself, as a process.

use crate::service::GUARD;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Instant;

/// Killed when dropped.
pub(crate) struct Process {
    child: Child,
    lines: Receiver<String>,
    /// What it has said so far.
    pub(crate) log: Vec<String>,
}

/// The programme with these arguments and nothing of our environment that means anything to it.
pub(crate) fn vtremoted(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vtremoted"));
    command.args(arguments);
    quiet(command)
}

fn quiet(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("VTREMOTED_") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs it to its end.
pub(crate) fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = vtremoted(arguments).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

impl Process {
    /// On a port of its own, with the synthetic backend.
    pub(crate) fn start(arguments: &[&str]) -> (Self, SocketAddr) {
        Self::listening(vtremoted(&serving(arguments)))
    }

    /// The same with at most so many open files.
    pub(crate) fn with_files(limit: usize, arguments: &[&str]) -> (Self, SocketAddr) {
        let mut shell = Command::new("sh");
        let script = format!("ulimit -n {limit}; exec \"$0\" \"$@\"");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_vtremoted")]).args(serving(arguments));
        Self::listening(quiet(shell))
    }

    pub(crate) fn listening(mut command: Command) -> (Self, SocketAddr) {
        let mut child = command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (line, lines) = channel();
        thread::spawn(move || {
            // Ends when nobody listens: the pipe closes then.
            let _ = stderr.lines().map_while(Result::ok).try_for_each(|text| line.send(text));
        });
        let mut process = Process { child, lines, log: Vec::new() };
        let found = process.line("listening");
        let at = found.find("127.0.0.1:").unwrap();
        let address = &found[at..];
        let end = address.find(|char: char| !char.is_ascii_digit() && !".:".contains(char));
        let address = address[..end.unwrap_or(address.len())].parse().unwrap();
        (process, address)
    }

    /// The next line with this in it.
    pub(crate) fn line(&mut self, part: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(GUARD);
            let line = line.unwrap_or_else(|_| panic!("no {part:?} in {:#?}", self.log));
            self.log.push(line.clone());
            if line.contains(part) {
                return line;
            }
        }
    }

    /// What it still says, until it closes its log.
    pub(crate) fn rest(&mut self) -> &[String] {
        while let Ok(line) = self.lines.recv_timeout(GUARD) {
            self.log.push(line);
        }
        &self.log
    }

    /// Nobody reads its log any more.
    pub(crate) fn stop_reading(&mut self) {
        self.lines = channel().1;
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Its exit code, once it has ended; `None` if a signal killed it.
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        let began = Instant::now();
        while self.is_running() {
            assert!(began.elapsed() < GUARD, "it does not end: {:#?}", self.log);
            thread::sleep(std::time::Duration::from_millis(5));
        }
        self.child.wait().unwrap().code()
    }
}

fn serving<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    let backend = arguments.contains(&"--backend");
    let backend: &[&str] = if backend { &[] } else { &["--backend", "synthetic"] };
    [&["--listen", "127.0.0.1:0"], backend, arguments].concat()
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
