use super::greeting::greet;
use std::io::{self, Read};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use vtremote_link::Address;

/// The longest that a program of the system may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What installing needs of a machine beside its files.
pub(crate) trait Machine {
    /// Who asks; 0 is the administrator.
    fn user_id(&self) -> u32;
    /// Runs a program of the system to its end.
    fn run(&self, program: &str, arguments: &[&str]) -> io::Result<Answer>;
    /// Lets time pass.
    fn pause(&self, time: Duration);
    /// The time.
    fn now(&self) -> Instant;
    /// Whether a vtremoted answers there, within this time; an error if not.
    fn greet(&self, address: &Address, patience: Duration) -> io::Result<()>;
}

/// What a program said.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// Its exit code; `None` after a signal.
    pub(crate) code: Option<i32>,
    /// Its standard output.
    pub(crate) output: String,
    /// Its standard error.
    pub(crate) complaint: String,
}

impl Answer {
    pub(crate) fn is_success(&self) -> bool {
        self.code == Some(0)
    }
}

/// The machine that this runs on.
pub(crate) struct ThisMachine;

impl Machine for ThisMachine {
    fn user_id(&self) -> u32 {
        rustix::process::geteuid().as_raw()
    }

    fn run(&self, program: &str, arguments: &[&str]) -> io::Result<Answer> {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        // Read while it runs: it would stand still at a full pipe.
        let output = reader(child.stdout.take());
        let complaint = reader(child.stderr.take());
        let begin = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if begin.elapsed() > PATIENCE {
                // It may have ended in this moment.
                let _ = child.kill();
                child.wait()?;
                return Err(io::ErrorKind::TimedOut.into());
            }
            thread::sleep(Duration::from_millis(10));
        };
        let text = |reader: thread::JoinHandle<String>| reader.join().unwrap_or_default();
        Ok(Answer { code: status.code(), output: text(output), complaint: text(complaint) })
    }

    fn pause(&self, time: Duration) {
        thread::sleep(time);
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn greet(&self, address: &Address, patience: Duration) -> io::Result<()> {
        greet(address, patience)
    }
}

/// What comes through a pipe, or as much of it as anyone reads.
fn reader(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe {
            // What came before a failure is what there is.
            let _ = pipe.take(1 << 20).read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_s_output_complaint_and_code_come_back() {
        let script = "printf said; printf complained >&2; exit 7";
        let answer = ThisMachine.run("/bin/sh", &["-c", script]).unwrap();
        assert_eq!((answer.output.as_str(), answer.complaint.as_str()), ("said", "complained"));
        assert_eq!(answer.code, Some(7));
        assert!(!answer.is_success());
    }

    #[test]
    fn more_than_a_pipe_holds_is_read_to_its_end() {
        let script = "head -c 300000 /dev/zero | tr '\\0' x";
        let answer = ThisMachine.run("/bin/sh", &["-c", script]).unwrap();
        assert_eq!(answer.output.len(), 300_000);
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error() {
        assert!(ThisMachine.run("/no/such/program", &[]).is_err());
    }
}
