//! Many at once, and those who do not listen.

use crate::answers::Answers;
use crate::target::{Target, patient};
use crate::valid::{TINY, flush, handshake, hello};
use crate::video::Form;
use std::io::{Read, Write};
use std::net::TcpStream;
use vtremoted::Settings;

#[test]
fn busy_clients_that_do_not_read_their_answer_hold_nobody_up() {
    let target = Target::new(&Settings { max_sessions: 1, ..patient() }, "");
    let mut working = target.sent(&handshake(TINY, &[]));
    working.read_exact(&mut [0; 12]).unwrap();
    let busy: Vec<TcpStream> = (0..100).map(|_| target.sent(&hello())).collect();
    // The last of them is answered though none has read.
    let answers = target.answers(&hello());
    assert_eq!(answers.messages[0].1[0], 1, "{answers:?}");
    // And who works goes on.
    working.write_all(&[TINY.message(0, Form::default()), flush()].concat()).unwrap();
    let mut rest = Vec::new();
    working.read_to_end(&mut rest).unwrap();
    assert!(rest.ends_with(&[0, 8, 0, 0, 0, 0]), "no DONE");
    drop(busy);
    target.is_well();
}

/// What a session that has ended has still to say is its client's, however many others knock.
#[test]
fn a_crowd_at_the_door_does_not_cut_off_the_last_words_of_a_session() {
    // More than the kernel's buffers take, so that the last packet waits for the client to read.
    let target = Target::new(&patient(), "size=16777216");
    let whole = [handshake(TINY, &[]), TINY.message(0, Form::default()), flush()].concat();
    let mut slow = target.sent(&whole);
    // Its slot is free once it has ended; nobody has read a byte of the packet until then.
    slow.peek(&mut [0]).unwrap();
    while target.sessions() > 1 {}
    let crowd: Vec<TcpStream> = (0..100).map(|_| target.connect()).collect();
    // All of them have been accepted once a later one is served.
    assert!(target.answers(&whole).is_done());
    let answers = Answers::to_the_end(&mut slow);
    answers.are_legal();
    assert!(answers.is_done(), "{} messages, {} bytes more", answers.messages.len(), answers.rest);
    drop(crowd);
    target.is_well();
}

#[test]
fn pings_by_the_thousand_of_a_client_that_does_not_read_are_dropped_and_not_kept() {
    let target = Target::new(&patient(), "");
    let ping = b"VTR1\0\x01\0\x0a\0\0\0\x08pingpong";
    let mut bytes = handshake(TINY, &[]);
    bytes.extend(ping.repeat(100_000));
    bytes.extend([TINY.message(0, Form::default()), flush()].concat());
    let mut stream = target.sent(&bytes);
    let answers = Answers::to_the_end(&mut stream);
    answers.are_legal();
    assert!(answers.is_done() && answers.outputs() == 1, "{:?}", answers.error());
    target.is_well();
}
