//! Processes of this program in another part, which answer in lines of numbers.

use std::env;
use std::fmt::Display;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::str::FromStr;
use std::time::Duration;

use crate::Problem;

/// A part in progress; ended when dropped.
pub(crate) struct Process {
    part: &'static str,
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Process {
    /// Starts this program as `part`.
    pub(crate) fn start(part: &'static str, arguments: &[&dyn Display]) -> Result<Self, Problem> {
        Self::start_by(None, part, arguments)
    }

    /// Starts it by a command that becomes the program which its last arguments name.
    pub(crate) fn start_by(
        command: Option<Command>,
        part: &'static str,
        arguments: &[&dyn Display],
    ) -> Result<Self, Problem> {
        let program = env::current_exe()?;
        let mut command = match command {
            None => Command::new(program),
            Some(mut command) => {
                command.arg(program);
                command
            }
        };
        command.arg(part).args(arguments.iter().map(ToString::to_string));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = child.stdin.take().ok_or("a process without input")?;
        let output = child.stdout.take().ok_or("a process without output")?;
        Ok(Self { part, child, input, output: BufReader::new(output) })
    }

    /// Has it read a line.
    pub(crate) fn tell(&mut self, line: &str) -> Result<(), Problem> {
        Ok(writeln!(self.input, "{line}")?)
    }

    /// The next line that it prints.
    pub(crate) fn answer<T: FromStr>(&mut self) -> Result<T, Problem> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        line.trim().parse().map_err(|_| match line.trim() {
            "" => format!("the process {} ended without an answer", self.part).into(),
            other => format!("the process {} said {other:?}", self.part).into(),
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended by itself, unless the measurement failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What one end of a run has used, as its process says it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    pub(crate) wall: Duration,
    pub(crate) cpu: Duration,
    /// Bytes beyond those of the idle process, at the most; none where the system does not say.
    pub(crate) memory: Option<u64>,
}

impl Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let memory = self.memory.map_or(-1, |bytes| bytes as i64);
        write!(f, "{} {} {memory}", self.wall.as_nanos(), self.cpu.as_nanos())
    }
}

impl FromStr for Usage {
    type Err = Problem;

    fn from_str(line: &str) -> Result<Self, Problem> {
        let mut numbers = line.split(' ').map(str::parse::<i64>);
        let mut next = || numbers.next().ok_or("too few numbers")?.map_err(Problem::from);
        let mut nanos = || Ok::<_, Problem>(Duration::from_nanos(next()?.try_into()?));
        let (wall, cpu) = (nanos()?, nanos()?);
        Ok(Self { wall, cpu, memory: next()?.try_into().ok() })
    }
}
