use rustix::process::{Pid, Signal};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// The path of a program below `target/`.
///
/// # Panics
/// If it has not been built.
pub fn program(path: &str) -> PathBuf {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target").join(path);
    assert!(program.exists(), "{} is missing: run `make build` first", program.display());
    program.canonicalize().expect("a program that exists has a path")
}

/// The series of the FFmpeg that these tests are to use, where it is not the one of `make build`.
fn asked_for() -> Option<String> {
    std::env::var("VTREMOTE_TEST_FFMPEG").ok().filter(|series| !series.is_empty())
}

/// The series of the FFmpeg that is tested: `7.1`.
///
/// # Panics
/// If it does not say.
pub fn series() -> String {
    let text = run(Command::new(ours("ffmpeg")).arg("-version")).ok();
    let text = String::from_utf8(text).expect("text");
    let version = text.split_whitespace().nth(2).expect("a version").trim_start_matches('n');
    version.splitn(3, '.').take(2).collect::<Vec<_>>().join(".")
}

/// The path of `ffmpeg` or `ffprobe` with our codecs: the one that `make build` makes, or that of the
/// series in `VTREMOTE_TEST_FFMPEG`, which `scripts/build SERIES` makes.
///
/// # Panics
/// If it has not been built.
pub fn ours(name: &str) -> PathBuf {
    let series = asked_for().map(|series| format!("-{series}")).unwrap_or_default();
    program(&format!("ffmpeg{series}/bin/{name}"))
}

/// An empty directory of this test's own.
pub fn scratch(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tmp/tests").join(name);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).expect("a directory for test files");
    dir
}

/// Says that a test was not run, and why; `make test` counts these lines.
pub fn skip(test: &str, reason: &str) {
    let series = asked_for().map(|series| format!(" with FFmpeg {series}")).unwrap_or_default();
    let test = format!("{test}{series}");
    eprintln!("skipped: {test}: {reason}");
    if let Some(list) = std::env::var_os("VTREMOTE_TEST_SKIPPED") {
        let file = fs::OpenOptions::new().create(true).append(true).open(list);
        let mut file = file.expect("the list of skipped tests");
        writeln!(file, "{test}: {reason}").expect("the list of skipped tests");
    }
}

/// How a process ended and what it said.
#[derive(Debug)]
pub struct Finished {
    /// Its exit status.
    pub status: ExitStatus,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error, as text.
    pub stderr: String,
}

impl Finished {
    /// Asserts success and gives standard output.
    ///
    /// # Panics
    /// If the process failed; the message has its standard error.
    #[track_caller]
    pub fn ok(self) -> Vec<u8> {
        assert!(self.status.success(), "{}\n{}", self.status, self.stderr);
        self.stdout
    }

    /// Asserts failure, by exit code and not by a signal, and that standard error has this text.
    ///
    /// # Panics
    /// If the process succeeded, crashed or said something else.
    #[track_caller]
    pub fn failed_with(&self, text: &str) {
        let code = self.status.code();
        assert!(code.is_some_and(|code| code != 0), "{}\n{}", self.status, self.stderr);
        assert!(self.stderr.contains(text), "no {text:?} in:\n{}", self.stderr);
    }
}

/// Runs a command to its end.
///
/// # Panics
/// If it cannot be started or does not end within two minutes.
#[track_caller]
pub fn run(command: &mut Command) -> Finished {
    Running::start(command).finish(Duration::from_secs(120))
}

/// A process whose standard error is being read. Killed when dropped.
pub struct Running {
    child: Child,
    stdout: Option<thread::JoinHandle<Vec<u8>>>,
    lines: Arc<(Mutex<Lines>, Condvar)>,
}

#[derive(Default)]
struct Lines {
    lines: Vec<String>,
    ended: bool,
}

impl Running {
    /// Starts a command with its output taken over and no standard input.
    ///
    /// # Panics
    /// If it cannot be started.
    #[track_caller]
    pub fn start(command: &mut Command) -> Self {
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("VTREMOTE") {
                let set_here =
                    command.get_envs().any(|(key, value)| key == name && value.is_some());
                if !set_here {
                    command.env_remove(name);
                }
            }
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => panic!("{command:?}: {error}"),
        };
        let mut stdout = child.stdout.take().expect("piped");
        let stderr = child.stderr.take().expect("piped");
        let stdout = thread::spawn(move || {
            let mut all = Vec::new();
            let _ = stdout.read_to_end(&mut all);
            all
        });
        let lines = Arc::new((Mutex::new(Lines::default()), Condvar::new()));
        let written = Arc::clone(&lines);
        thread::spawn(move || {
            let mut stderr = BufReader::new(stderr);
            let mut line = Vec::new();
            while stderr.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                written.0.lock().unwrap().lines.push(text);
                written.1.notify_all();
                line.clear();
            }
            written.0.lock().unwrap().ended = true;
            written.1.notify_all();
        });
        Running { child, stdout: Some(stdout), lines }
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// If it cannot be sent.
    pub fn signal(&self, signal: Signal) {
        rustix::process::kill_process(Pid::from_child(&self.child), signal).expect("a signal");
    }

    /// The first line of standard error, after the first `skip` matching ones, of which `find` makes
    /// something.
    ///
    /// # Panics
    /// If the process ends first, or none comes within a minute.
    #[track_caller]
    pub fn line<T>(&self, mut skip: usize, find: impl Fn(&str) -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_secs(60);
        let (lines, changed) = &*self.lines;
        let mut state = lines.lock().unwrap();
        let mut seen = 0;
        loop {
            while let Some(line) = state.lines.get(seen) {
                seen += 1;
                match find(line) {
                    Some(_) if skip > 0 => skip -= 1,
                    Some(found) => return found,
                    None => {}
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !state.ended,
                "the process ended without saying it:\n{}",
                state.lines.join("\n")
            );
            assert!(!left.is_zero(), "the line did not come:\n{}", state.lines.join("\n"));
            state = changed.wait_timeout(state, left).unwrap().0;
        }
    }

    /// Waits for the end.
    ///
    /// # Panics
    /// If it takes longer than `limit`: the process hangs.
    #[track_caller]
    pub fn finish(mut self, limit: Duration) -> Finished {
        let deadline = Instant::now() + limit;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                break status;
            }
            if Instant::now() > deadline {
                let _ = self.child.kill();
                let text = self.lines.0.lock().unwrap().lines.join("\n");
                panic!("the process did not end within {limit:?}:\n{text}");
            }
            thread::sleep(Duration::from_millis(5));
        };
        let (lines, changed) = &*self.lines;
        // What is still to be read of it is read at once, unless a child of the process holds it open.
        let state = lines.lock().unwrap();
        let waited = changed.wait_timeout_while(state, limit, |state| !state.ended).unwrap();
        assert!(!waited.1.timed_out(), "standard error stays open after the process's end");
        let state = waited.0;
        let stderr = state.lines.join("\n");
        drop(state);
        let stdout = self.stdout.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        Finished { status, stdout, stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
