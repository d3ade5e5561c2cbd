//! The daemon under attack.

use crate::answers::{Answers, CONFIGURE_ACK, HELLO_ACK};
use crate::service::{GUARD, Service, settings};
use crate::valid::{Valid, hello, sessions};
use std::io::{ErrorKind, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use vtremoted::Settings;

/// A short deadline, so that thousands of sessions can run into it.
pub(crate) const SHORT: Duration = Duration::from_millis(300);

/// Threads and memory are those of the process: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// A daemon that must be well after whatever is done to it.
pub(crate) struct Target {
    pub(crate) service: Service,
    /// What a client that behaves sends.
    well_behaved: Valid,
    _alone: MutexGuard<'static, ()>,
}

/// With deadlines of [`SHORT`], and room for `max_sessions`.
pub(crate) fn impatient(max_sessions: usize) -> Settings {
    Settings { max_sessions, handshake_timeout: SHORT, idle_timeout: SHORT, ..settings() }
}

/// With the usual deadlines: what ends a session is not the clock.
pub(crate) fn patient() -> Settings {
    settings()
}

impl Target {
    pub(crate) fn new(settings: &Settings, script: &str) -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let service = Service::with(settings, script);
        Target { service, well_behaved: sessions().swap_remove(0), _alone: alone }
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.service.address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_write_timeout(Some(GUARD)).unwrap();
        stream
    }

    /// A connection on which these bytes were sent. The server may end it before it has them all.
    pub(crate) fn sent(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = self.connect();
        match stream.write_all(bytes) {
            Err(error) if !gone(&error) => panic!("{error}"),
            _ => stream,
        }
    }

    /// Sends these bytes, and gives what comes up to the server's end of the connection.
    #[track_caller]
    pub(crate) fn answers(&self, bytes: &[u8]) -> Answers {
        let answers = Answers::to_the_end(&mut self.sent(bytes));
        answers.are_legal();
        answers
    }

    /// Sends these bytes, of which the last are what the server must refuse. Gives its ERROR.
    #[track_caller]
    pub(crate) fn refusal(&self, bytes: &[u8]) -> (u32, String) {
        let answers = self.answers(bytes);
        answers.error().unwrap_or_else(|| panic!("no ERROR: {answers:?}"))
    }

    /// How many sessions the server says that it has, one for who asks included.
    pub(crate) fn sessions(&self) -> u8 {
        let mut stream = self.sent(&hello());
        stream.shutdown(Shutdown::Write).unwrap();
        let answers = Answers::to_the_end(&mut stream);
        answers.messages.first().map_or(u8::MAX, |(_, ack)| ack[ack.len() - 1])
    }

    /// Every slot is free, a client is served, and of its threads and all others none is left.
    #[track_caller]
    pub(crate) fn is_well(&self) {
        let began = Instant::now();
        loop {
            let mut stream = self.sent(&self.well_behaved.bytes);
            stream.shutdown(Shutdown::Write).unwrap();
            let answers = Answers::to_the_end(&mut stream);
            answers.are_legal();
            let sessions = answers.messages.first().and_then(|(kind, payload)| {
                (*kind == HELLO_ACK).then(|| payload[payload.len() - 1])
            });
            // A session's end is known a moment after its connection's, and on a machine that is busy with
            // other things a deadline may be too short for anybody.
            if sessions == Some(1) && answers.is_done() {
                assert_eq!(answers.count(CONFIGURE_ACK), 1, "{answers:?}");
                assert_eq!(answers.outputs(), self.well_behaved.inputs(), "{answers:?}");
                break;
            }
            assert!(began.elapsed() < GUARD / 2, "the next client is not served: {answers:?}");
        }
        while threads() > 0 {
            assert!(began.elapsed() < GUARD / 2, "{} threads of sessions are left", threads());
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// The server has ended the connection.
pub(crate) fn gone(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
}

/// How many threads of sessions there are: readers, writers, slice workers and codecs.
fn threads() -> usize {
    // Only Linux lists them.
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return 0 };
    let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm")).ok();
    let names = tasks.flatten().filter_map(name);
    names
        .filter(|name| {
            ["session-", "slices", "compress", "pictures", "synthetic"]
                .iter()
                .any(|of| name.starts_with(of))
        })
        .count()
}
