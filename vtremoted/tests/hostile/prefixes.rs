//! Every prefix of valid sessions, after which the client leaves, stops or goes on byte by byte.

use crate::answers::{Answers, CONFIGURE_ACK, DONE, HELLO_ACK};
use crate::target::{SHORT, Target, gone, impatient, patient};
use crate::valid::{Use, Valid, sessions};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::num::NonZero;
use std::time::Duration;

/// Connections at a time. Of those without a slot, which all are at first, the daemon has 64.
const CROWD: usize = 60;

/// One prefix in so many is tried. All are, unless a build in which each takes longer asks for fewer.
fn stride() -> usize {
    let stride = std::env::var("VTREMOTE_TEST_STRIDE");
    stride.map_or(1, |stride| stride.parse::<NonZero<usize>>().expect("a number from 1").get())
}

/// What `len` bytes of the session can have as answers, of which a deadline may have cut off the last.
#[track_caller]
fn fits(valid: &Valid, len: usize, answers: &Answers) {
    answers.are_legal();
    for (what, count) in [
        (Use::Hello, answers.count(HELLO_ACK)),
        (Use::Configure, answers.count(CONFIGURE_ACK)),
        (Use::Input, answers.outputs()),
        (Use::Flush, answers.count(DONE)),
    ] {
        assert!(count <= valid.complete(len, what), "{what:?}: {answers:?}");
    }
    if answers.is_done() {
        assert_eq!(answers.outputs(), valid.inputs(), "a short success: {answers:?}");
    }
}

/// The client was told the end: that its time is up, or, if it has flushed, that this is all.
fn ended(valid: &Valid, len: usize, answers: &Answers) -> bool {
    answers.timed_out() || valid.complete(len, Use::Flush) > 0 && answers.is_done()
}

/// Runs `attack` on batches of connections that have sent a prefix each, and looks after the daemon
/// behind each batch. Gives how many there were.
///
/// `attack` says which prefixes had no answer. On a machine that is busy with other things a thread may
/// not run for as long as the short deadline is, and the daemon then closes as if nobody had read: the
/// prefix is tried again.
fn on_every_prefix(
    target: &Target,
    step: usize,
    attack: impl Fn(&Valid, Vec<(usize, TcpStream)>) -> Vec<usize>,
) -> usize {
    let mut count = 0;
    for (index, valid) in sessions().iter().enumerate() {
        // The handshakes differ in their options only.
        let first = |len: &usize| index == 0 || valid.complete(*len, Use::Hello) > 0;
        let all = valid.prefixes(step).into_iter().filter(first);
        // Another remainder in each session, so that not all begin with the same.
        let mut left: Vec<_> = all.skip(index % stride()).step_by(stride()).collect();
        count += left.len();
        let mut batches = left.len().div_ceil(CROWD) * 4;
        while !left.is_empty() {
            assert!(batches > 0, "{}: no answer at {left:?}", valid.name);
            batches -= 1;
            let batch = left.split_off(left.len().saturating_sub(CROWD));
            let sent = |len: &usize| (*len, target.sent(&valid.bytes[..*len]));
            left.extend(attack(valid, batch.iter().map(sent).collect()));
            target.is_well();
        }
    }
    count
}

#[test]
fn a_client_that_closes_anywhere_leaves_nothing_behind() {
    let target = Target::new(&impatient(CROWD + 1), "");
    let count = on_every_prefix(&target, 1, |_, connections| {
        drop(connections);
        Vec::new()
    });
    assert!(count > 2000 / stride(), "{count}");
}

#[test]
fn a_client_that_stops_sending_anywhere_gets_what_it_has_sent_for() {
    let target = Target::new(&patient_of(CROWD + 1), "");
    let count = on_every_prefix(&target, 1, |valid, connections| {
        for (len, mut stream) in connections {
            // It fails if the server has answered and left already.
            let _ = stream.shutdown(Shutdown::Write);
            let answers = Answers::to_the_end(&mut stream);
            fits(valid, len, &answers);
            // It has left, unless it has flushed before.
            let flushed = valid.complete(len, Use::Flush) > 0;
            assert_eq!(answers.is_done(), flushed, "{} at {len}: {answers:?}", valid.name);
            assert_eq!(answers.error(), None, "{} at {len}: {answers:?}", valid.name);
        }
        Vec::new()
    });
    assert!(count > 2000 / stride(), "{count}");
}

#[test]
fn a_client_that_stalls_anywhere_is_told_in_time() {
    let target = Target::new(&impatient(CROWD + 1), "");
    let count = on_every_prefix(&target, 5, |valid, connections| {
        let answered = |(len, stream): (usize, TcpStream)| {
            let answers = Answers::to_the_end(&mut { stream });
            fits(valid, len, &answers);
            (!ended(valid, len, &answers)).then_some(len)
        };
        connections.into_iter().filter_map(answered).collect()
    });
    assert!(count > 1000 / stride(), "{count}");
}

#[test]
fn a_client_that_trickles_from_anywhere_on_cannot_outlast_the_deadline_of_a_message() {
    let target = Target::new(&impatient(CROWD + 1), "");
    let count = on_every_prefix(&target, 23, |valid, connections| {
        let mut trickles: Vec<_> = connections
            .into_iter()
            .map(|(len, stream)| {
                stream.set_nonblocking(true).unwrap();
                Trickle { stream, began: len, sent: len, read: Vec::new() }
            })
            .collect();
        let mut unanswered = Vec::new();
        // A byte each in each round. A message of 50 bytes, and so every session, outlasts its deadline.
        let mut rounds = 0;
        while !trickles.is_empty() {
            trickles.retain_mut(|trickle| {
                let over = trickle.is_over(valid);
                if over {
                    let answers = Answers::of(&trickle.read);
                    fits(valid, trickle.sent, &answers);
                    let ended = ended(valid, trickle.sent, &answers);
                    unanswered.extend((!ended).then_some(trickle.began));
                }
                !over
            });
            std::thread::sleep(SHORT / 30);
            rounds += 1;
            assert!(rounds < 3000, "{} sessions go on", trickles.len());
        }
        unanswered
    });
    assert!(count > 500 / stride(), "{count}");
}

struct Trickle {
    stream: TcpStream,
    /// The prefix that was sent at once.
    began: usize,
    sent: usize,
    read: Vec<u8>,
}

impl Trickle {
    /// Reads what there is. Says whether the server has ended the session, as it must; if not, sends one
    /// byte more.
    fn is_over(&mut self, valid: &Valid) -> bool {
        let mut bytes = [0; 4096];
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => return true,
                Ok(read) => self.read.extend_from_slice(&bytes[..read]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => {
                    assert!(gone(&error), "{error}");
                    return true;
                }
            }
        }
        if let Some(byte) = valid.bytes.get(self.sent) {
            match self.stream.write(&[*byte]) {
                Ok(sent) => self.sent += sent,
                Err(error) => assert!(gone(&error) || error.kind() == ErrorKind::WouldBlock),
            }
        }
        false
    }
}

fn patient_of(max_sessions: usize) -> vtremoted::Settings {
    vtremoted::Settings { max_sessions, ..patient() }
}

#[test]
fn sessions_that_come_byte_by_byte_are_served_whole() {
    let target = Target::new(&patient(), "");
    for valid in sessions() {
        let mut stream = target.connect();
        for byte in &valid.bytes {
            stream.write_all(&[*byte]).unwrap();
        }
        let answers = Answers::to_the_end(&mut stream);
        fits(&valid, valid.bytes.len(), &answers);
        assert!(answers.is_done(), "{}: {answers:?}", valid.name);
    }
    target.is_well();
}

#[test]
fn a_session_in_which_a_message_comes_twice_ends_with_done_or_error() {
    let target = Target::new(&patient(), "");
    for valid in sessions() {
        let mut start = 0;
        for (end, _) in &valid.ends {
            // Each message twice, one at a time: a second HELLO, CONFIGURE, picture, FLUSH.
            let twice =
                [&valid.bytes[..*end], &valid.bytes[start..*end], &valid.bytes[*end..]].concat();
            let mut stream = target.sent(&twice);
            let answers = Answers::to_the_end(&mut stream);
            answers.are_legal();
            let ended = answers.is_done()
                || answers.error().is_some_and(|(code, _)| [4, 5, 7, 2].contains(&code));
            assert!(ended, "{} at {start}: {answers:?}", valid.name);
            start = *end;
        }
    }
    target.is_well();
}

/// For the codec that takes its time: what the client does meanwhile is seen while it waits.
#[test]
fn a_client_that_leaves_a_slow_codec_frees_its_slot() {
    let target = Target::new(&impatient(4), "cost=50ms,delay=2");
    for valid in sessions() {
        for (end, _) in &valid.ends {
            drop(target.sent(&valid.bytes[..*end]));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    target.is_well();
}

/// PINGs go out while frames are unanswered, and their going is no sign of the client.
#[test]
fn a_client_that_leaves_frames_unanswered_is_told_in_time_though_it_is_pinged() {
    const PING: u16 = 10;
    let idle = Duration::from_millis(100);
    let settings = vtremoted::Settings { idle_timeout: idle, ..impatient(8) };
    let target = Target::new(&settings, "delay=3");
    for valid in sessions() {
        let mut inputs = valid.ends.iter().filter(|(_, what)| *what == Use::Input);
        let Some((end, _)) = inputs.next_back() else { continue };
        let answers = Answers::to_the_end(&mut target.sent(&valid.bytes[..*end]));
        assert!(answers.timed_out(), "{}: {answers:?}", valid.name);
        // Early clients of decoders hang on a PING.
        let pinged = answers.count(PING) > 0;
        assert!(pinged || valid.name == "decode", "{}: {answers:?}", valid.name);
    }
    target.is_well();
}
