//! Keeps the machine from falling asleep while it works for somebody: a desktop Mac that nobody touches sleeps
//! after some minutes, whatever comes in over the network.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tracing::{debug, info};

/// What macOS has for it: no idle sleep as long as it runs.
const PROGRAM: &str = "/usr/bin/caffeinate";

/// Whether the machine is kept awake. Where there is no such program nothing is done.
#[derive(Debug)]
pub(crate) struct Awake {
    program: PathBuf,
    running: Option<Child>,
    told: bool,
}

impl Awake {
    pub(crate) fn new() -> Self {
        Self::with(Path::new(PROGRAM))
    }

    fn with(program: &Path) -> Self {
        Awake { program: program.to_owned(), running: None, told: false }
    }

    /// From now on.
    pub(crate) fn keep(&mut self) {
        if self.running.is_some() || !self.program.exists() {
            return;
        }
        // It ends with us, however we end.
        let ours = std::process::id().to_string();
        let mut command = Command::new(&self.program);
        command.args(["-i", "-w", &ours]).stdin(Stdio::null());
        match command.stdout(Stdio::null()).stderr(Stdio::null()).spawn() {
            Ok(child) => {
                self.running = Some(child);
                if !self.told {
                    self.told = true;
                    info!("this machine stays awake while there are sessions");
                }
            }
            Err(error) => {
                debug!(%error, "this machine may fall asleep: {}", self.program.display())
            }
        }
    }

    /// No longer.
    pub(crate) fn release(&mut self) {
        if let Some(mut child) = self.running.take() {
            // If it has ended by itself there is nothing to end.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::time::{Duration, Instant};

    /// The words that the program was called with, once it runs.
    fn called_with(words: &Path) -> String {
        let begin = Instant::now();
        loop {
            match fs::read_to_string(words) {
                Ok(text) if text.ends_with('\n') => return text.trim().to_owned(),
                _ if begin.elapsed() > Duration::from_secs(20) => panic!("it was not called"),
                _ => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    #[test]
    fn the_program_runs_from_the_first_session_to_the_end_of_the_last_and_not_without() {
        let dir = std::env::temp_dir().join(format!("vtremoted-awake-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let (program, words) = (dir.join("awake"), dir.join("words"));
        let script = format!("#!/bin/sh\necho \"$@\" > '{}'\nexec sleep 1000\n", words.display());
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();

        let mut awake = Awake::with(&program);
        awake.release();
        for _ in 0..2 {
            awake.keep();
            awake.keep();
            assert_eq!(called_with(&words), format!("-i -w {}", std::process::id()));
            assert!(awake.running.as_mut().unwrap().try_wait().unwrap().is_none());
            fs::remove_file(&words).unwrap();
            awake.release();
            assert!(awake.running.is_none() && !words.exists());
        }
        fs::remove_dir_all(&dir).unwrap();

        let mut awake = Awake::with(&program);
        awake.keep();
        assert!(awake.running.is_none());
    }
}
