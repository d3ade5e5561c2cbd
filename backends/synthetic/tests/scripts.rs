//! What scripts do.

mod session;

use session::{Event, PATIENCE, config, open};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::TryRecvError;
use std::time::Duration;
use vtremote_backend::{Codec, EncodedPacket, Error, FrameInfo, PixelFormat, SideData};
use vtremote_backend_synthetic::{hash_side_data, read_payload};

fn nv12() -> vtremote_backend::EncoderConfig {
    config(Codec::H264, PixelFormat::Nv12)
}

fn times(packets: &[EncodedPacket]) -> Vec<i64> {
    packets.iter().map(|packet| packet.pts).collect()
}

#[test]
fn a_packet_tells_its_frames_number_time_and_visible_pixels() {
    for codec in [Codec::H264, Codec::H265] {
        for format in [PixelFormat::Nv12, PixelFormat::P010, PixelFormat::Bgra] {
            let mut session = open("reorder=2", &config(codec, format));
            let hashes = session.send_many(9);
            for packet in session.finish() {
                let payload = read_payload(&packet.data).unwrap();
                assert_eq!((payload.pts, payload.frame as i64), (packet.pts, packet.pts));
                assert_eq!(payload.hash, Some(hashes[packet.pts as usize]));
            }
        }
    }
}

#[test]
fn without_hashes_a_packet_still_tells_its_frame() {
    let mut session = open("hash=off", &nv12());
    session.send_many(2);
    let payload = read_payload(&session.finish()[1].data).unwrap();
    assert_eq!((payload.frame, payload.hash), (1, None));
}

#[test]
fn side_data_is_in_the_packet_as_a_hash() {
    let mut session = open("", &nv12());
    let side_data = vec![SideData { kind: 24, data: vec![1, 2, 3] }];
    let expected = hash_side_data(&side_data);
    session.send(0, FrameInfo { side_data, ..FrameInfo::default() });
    assert_eq!(read_payload(&session.finish()[0].data).unwrap().side_data, expected);
}

#[test]
fn a_delay_holds_so_many_frames_and_no_more() {
    let mut session = open("delay=3", &nv12());
    session.send_many(5);
    assert!(matches!(session.event(), Event::Packet(packet) if packet.pts == 0));
    assert!(matches!(session.event(), Event::Packet(packet) if packet.pts == 1));
    // The codec thread has nothing more to do: it is asked for the rest only by the drain.
    let packets = session.finish();
    assert_eq!(times(&packets), [2, 3, 4]);
}

#[test]
fn a_delay_that_the_client_does_not_allow_is_reduced_with_a_warning() {
    let config = vtremote_backend::EncoderConfig { max_delay: Some(2), ..nv12() };
    let session = open("delay=40", &config);
    assert!(session.opened.warnings.iter().any(|line| line.contains("delay: 40 reduced to 2")));
}

#[test]
fn b_frames_come_after_the_frame_that_they_need() {
    let mut session = open("", &vtremote_backend::EncoderConfig { b_frames: 2, ..nv12() });
    session.send_many(6);
    assert_eq!(times(&session.finish()), [0, 3, 1, 2, 5, 4]);
}

#[test]
fn a_script_overrules_the_b_frames_that_the_client_asks_for() {
    let mut session = open("reorder=0", &vtremote_backend::EncoderConfig { b_frames: 2, ..nv12() });
    session.send_many(4);
    assert_eq!(times(&session.finish()), [0, 1, 2, 3]);
}

#[test]
fn a_size_is_the_least_that_a_packet_has() {
    for codec in [Codec::H264, Codec::H265] {
        let mut session = open("size=500", &config(codec, PixelFormat::Nv12));
        session.send_many(3);
        for packet in session.finish() {
            assert!((500..520).contains(&packet.data.len()), "{}", packet.data.len());
            assert!(read_payload(&packet.data).is_some());
        }
    }
}

#[test]
fn a_lost_frame_is_lost_without_a_word() {
    let mut session = open("drop=2", &nv12());
    session.send_many(4);
    assert_eq!(times(&session.finish()), [0, 1, 3]);
}

#[test]
fn a_doubled_frame_comes_twice() {
    let mut session = open("double=2", &nv12());
    session.send_many(4);
    assert_eq!(times(&session.finish()), [0, 1, 2, 2, 3]);
}

#[test]
fn a_failure_is_the_last_thing_and_reaches_every_later_call() {
    let mut session = open("fail=1", &nv12());
    session.send_many(2);
    assert!(matches!(session.event(), Event::Packet(packet) if packet.pts == 0));
    let Event::Failed(error) = session.event() else { panic!("no failure") };
    assert_eq!(error, Error::Codec("frame 1: the script says so".into()));
    assert_eq!(session.encoder.picture(PATIENCE).unwrap_err(), error);
    assert_eq!(session.encoder.drain().unwrap_err(), error);
    drop(session.encoder);
    assert_eq!(session.events.try_recv(), Err(TryRecvError::Disconnected));
}

#[test]
fn a_panic_leaves_the_session_and_its_threads_end() {
    let mut session = open("panic=1", &nv12());
    session.send_many(1);
    assert!(matches!(session.event(), Event::Packet(_)));
    let panicked = catch_unwind(AssertUnwindSafe(|| session.send_many(1)));
    let message = panicked.unwrap_err();
    assert!(message.downcast_ref::<String>().unwrap().contains("panic=1"));
    drop(session.encoder);
    assert!(session.events.recv().is_err());
}

#[test]
fn a_stall_of_a_day_ends_with_the_session() {
    let mut session = open("stall=1:86400s", &nv12());
    session.send_many(2);
    assert!(matches!(session.event(), Event::Packet(packet) if packet.pts == 0));
    drop(session.encoder);
    assert_eq!(session.events.try_recv(), Err(TryRecvError::Disconnected));
}

#[test]
fn pictures_run_out_while_the_output_stalls() {
    let mut session = open("stall=0:86400s,pictures=3", &nv12());
    session.send_many(1);
    // The first frame was read and is stuck behind its picture.
    let taken = [(); 3].map(|()| session.encoder.picture(PATIENCE).unwrap().unwrap());
    assert!(session.encoder.picture(Duration::from_millis(1)).unwrap().is_none());
    drop(taken);
}

#[test]
fn a_slow_frame_gets_no_picture_though_there_are_some() {
    let mut session = open("slow=1:86400s", &nv12());
    session.send_many(1);
    assert!(session.encoder.picture(Duration::from_millis(1)).unwrap().is_none());
    let mut session = open("slow=1:1ms", &nv12());
    session.send_many(3);
    assert_eq!(session.finish().len(), 3);
}

#[test]
fn a_frame_that_goes_back_in_time_is_an_error_that_says_so() {
    let mut session = open("", &nv12());
    session.send(0, FrameInfo { pts: 7, ..FrameInfo::default() });
    let picture = session.encoder.picture(PATIENCE).unwrap().unwrap();
    let frame = FrameInfo { pts: 7, ..FrameInfo::default() };
    let error = session.encoder.submit(picture, frame).err().unwrap();
    assert_eq!(error, Error::Codec("frame 1: pts 7 does not follow 7".into()));
    let failed = session.events.iter().find(|event| !matches!(event, Event::Packet(_)));
    assert_eq!(failed, Some(Event::Failed(error)));
}

#[test]
fn a_frame_after_the_drain_is_the_callers_mistake() {
    let mut session = open("", &nv12());
    let picture = session.encoder.picture(PATIENCE).unwrap().unwrap();
    session.encoder.drain().unwrap();
    let submitted = session.encoder.submit(picture, FrameInfo::default());
    assert!(matches!(submitted, Err(Error::Internal(_))));
}
