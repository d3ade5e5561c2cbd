//! A machine that is none: files below a scratch directory, and a launchd that keeps its rules.

use super::machine::{Answer, Machine};
use super::places::Places;
use super::{install::Order, launchd::LAUNCHCTL};
use std::cell::{Cell, OnceCell, RefCell};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use vtremote_link::Address;

/// What the log of a service has once it serves.
pub(crate) const LISTENING: &str = "2026-11-23T05:00:00.000000Z  INFO listening on 127.0.0.1:5555";

/// A directory that is gone after the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("vtremoted-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Folder(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// A launchd with room for one service, and the other programs that are called.
#[derive(Default)]
pub(crate) struct FakeMachine {
    pub(crate) user_id: Cell<u32>,
    /// The plist that it was given, and the process that it made of it.
    pub(crate) service: RefCell<Option<(PathBuf, Option<u32>)>>,
    /// Every program that was run, with its arguments.
    pub(crate) calls: RefCell<Vec<String>>,
    /// How many times a service that was stopped still shows.
    pub(crate) slow_to_stop: Cell<u32>,
    /// How many times a service is refused for a reason that passes.
    pub(crate) refusals: Cell<u32>,
    /// The service ends at once, each time that it is started.
    pub(crate) fails: Cell<bool>,
    /// It ends at once, and launchd lets it be for a while.
    pub(crate) stays_down: Cell<bool>,
    /// What the service adds to its log after it was started, each so long after.
    pub(crate) says: RefCell<Vec<(Duration, &'static str)>>,
    /// Where that is.
    pub(crate) log: PathBuf,
    /// From so long after it was started on it answers HELLO.
    pub(crate) answers_after: Cell<Duration>,
    /// Whom somebody has asked with HELLO.
    pub(crate) asked: RefCell<Vec<Address>>,
    began: OnceCell<Instant>,
    passed: Cell<Duration>,
    started: Cell<Duration>,
    to_say: RefCell<Vec<(Duration, &'static str)>>,
    processes: Cell<u32>,
    stopping: Cell<Option<u32>>,
    said: RefCell<Option<String>>,
}

impl FakeMachine {
    /// What launchctl is to answer once to whatever it is asked.
    pub(crate) fn says(&self, text: &str) {
        *self.said.borrow_mut() = Some(text.to_owned());
    }

    /// A service that was asked to stop goes on.
    pub(crate) fn forget_stopping(&self) {
        self.stopping.set(None);
    }

    pub(crate) fn process(&self) -> Option<u32> {
        self.service.borrow().as_ref().and_then(|(_, process)| *process)
    }

    /// How long it has been since the beginning.
    pub(crate) fn passed(&self) -> Duration {
        self.passed.get()
    }

    /// The service says what it has to say by now.
    fn speak(&self) {
        let now = self.passed.get();
        let mut log = OpenOptions::new().append(true).create(true).open(&self.log).unwrap();
        self.to_say.borrow_mut().retain(|(time, line)| {
            let due = *time <= now;
            if due {
                writeln!(log, "{line}").unwrap();
            }
            !due
        });
    }

    fn new_process(&self) -> u32 {
        self.processes.set(self.processes.get() + 1);
        1000 + self.processes.get()
    }

    fn launchctl(&self, arguments: &[&str]) -> Answer {
        let code = |code, complaint: &str| Answer {
            code: Some(code),
            complaint: complaint.into(),
            ..Answer::default()
        };
        let mut service = self.service.borrow_mut();
        match arguments {
            ["print", _] => {
                if let Some(left) = self.stopping.get() {
                    if left == 0 {
                        self.stopping.set(None);
                        *service = None;
                    } else {
                        self.stopping.set(Some(left - 1));
                    }
                }
                let Some((_, process)) = &mut *service else {
                    return code(113, "Could not find service");
                };
                if self.stays_down.get() {
                    *process = None;
                } else if self.fails.get() {
                    // Started again and again: each time it is another process.
                    *process = Some(self.new_process());
                }
                let process = process.map(|id| format!("\tpid = {id}\n")).unwrap_or_default();
                let exit =
                    if self.fails.get() || self.stays_down.get() { "1" } else { "(never exited)" };
                let output = format!("x = {{\n{process}\tlast exit code = {exit}\n}}\n");
                Answer { code: Some(0), output, ..Answer::default() }
            }
            ["bootout", _] if service.is_none() => code(3, "Boot-out failed: 3: No such process"),
            ["bootout", _] => {
                self.stopping.set(Some(self.slow_to_stop.get()));
                code(0, "")
            }
            ["enable", _] => code(0, ""),
            ["bootstrap", _, _] if self.refusals.get() > 0 => {
                self.refusals.set(self.refusals.get() - 1);
                code(5, "Bootstrap failed: 5: Input/output error")
            }
            ["bootstrap", _, _] if service.is_some() => {
                code(5, "Bootstrap failed: 5: Input/output error")
            }
            ["bootstrap", _, plist] => {
                assert!(Path::new(plist).is_file(), "launchd is given no file: {plist}");
                *service = Some(((*plist).into(), Some(self.new_process())));
                let now = self.passed.get();
                self.started.set(now);
                let says = self.says.borrow();
                *self.to_say.borrow_mut() =
                    says.iter().map(|(time, line)| (now + *time, *line)).collect();
                self.speak();
                code(0, "")
            }
            _ => panic!("launchctl {arguments:?}"),
        }
    }
}

impl Machine for FakeMachine {
    fn user_id(&self) -> u32 {
        self.user_id.get()
    }

    fn run(&self, program: &str, arguments: &[&str]) -> io::Result<Answer> {
        self.calls.borrow_mut().push(format!("{program} {}", arguments.join(" ")));
        if let Some(output) = self.said.borrow_mut().take() {
            return Ok(Answer { code: Some(0), output, ..Answer::default() });
        }
        Ok(match program {
            LAUNCHCTL => self.launchctl(arguments),
            "/usr/bin/id" if arguments.last() == Some(&"nobody-here") => {
                Answer { code: Some(1), complaint: "no such user".into(), ..Answer::default() }
            }
            "/usr/bin/id" => Answer { code: Some(0), output: "501\n".into(), ..Answer::default() },
            "/usr/sbin/chown" => Answer { code: Some(0), ..Answer::default() },
            _ => panic!("{program} {arguments:?}"),
        })
    }

    fn pause(&self, time: Duration) {
        self.passed.set(self.passed.get() + time);
        self.speak();
    }

    fn now(&self) -> Instant {
        *self.began.get_or_init(Instant::now) + self.passed.get()
    }

    fn greet(&self, address: &Address, patience: Duration) -> io::Result<()> {
        self.asked.borrow_mut().push(address.clone());
        let answer = self.started.get() + self.answers_after.get();
        let wait = answer.saturating_sub(self.passed.get());
        self.pause(wait.min(patience));
        if wait <= patience { Ok(()) } else { Err(io::ErrorKind::TimedOut.into()) }
    }
}

/// A machine, the places on it, and a program to install.
pub(crate) struct Scratch {
    folder: Folder,
    pub(crate) machine: FakeMachine,
    pub(crate) places: Places,
    pub(crate) executable: PathBuf,
}

impl Scratch {
    /// For the service of a user.
    pub(crate) fn new() -> Self {
        Self::at(501, |root| Places::agent(&root.join("Users/ann"), 501))
    }

    /// For that of the machine.
    pub(crate) fn system() -> Self {
        Self::at(0, Places::daemon)
    }

    fn at(user_id: u32, places: impl Fn(&Path) -> Places) -> Self {
        let folder = Folder::new();
        let executable = folder.path().join("built");
        fs::write(&executable, "a program").unwrap();
        let places = places(folder.path());
        let machine = FakeMachine {
            user_id: Cell::new(user_id),
            says: RefCell::new(vec![(Duration::from_secs(1), LISTENING)]),
            log: places.log.clone(),
            ..FakeMachine::default()
        };
        Scratch { folder, machine, places, executable }
    }

    pub(crate) fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn order<'a>(&'a self, flags: &'a [String]) -> Order<'a> {
        Order {
            executable: &self.executable,
            flags,
            token_file: None,
            user: None,
            caller: Some("ann"),
        }
    }
}
