//! Whole sessions between our own ends, under every size of piece and every fault.

use std::time::Duration;

use vtremote_proto::{ClientError, End, Mode};

use crate::{
    speech,
    world::{Outcome, Plan, run},
};

/// Everything came back once, in order, and both ends say so.
fn complete(plan: Plan) -> Outcome {
    let frames: Vec<_> = (0..plan.frames).map(|frame| frame * 10).collect();
    let outcome = run(plan.clone());
    assert_eq!((&outcome.result, &outcome.end), (&Ok(()), &End::Done), "{plan:?}");
    assert!(outcome.dts.is_sorted_by(|a, b| a < b), "{plan:?}");
    let mut received = outcome.received.clone();
    if plan.reorder {
        assert!(plan.frames < 3 || !received.is_sorted());
        received.sort();
    }
    assert_eq!(received, frames, "{plan:?}");
    outcome
}

#[test]
fn every_frame_comes_back_once_whatever_the_pieces() {
    for seed in 0..8 {
        for capacity in [1, 2, 7, 64, 4096] {
            for frames in [1, 2, 15, 16, 17, 60] {
                complete(Plan { seed, capacity, frames, ..Plan::default() });
            }
        }
    }
}

#[test]
fn every_frame_comes_back_once_with_any_window_and_delay() {
    for capabilities in [speech::OURS, speech::CURRENT, speech::EARLY] {
        for window in [1, 2, 8, 16, 64, 128] {
            for delay in [0, 1, 7, 16, 44] {
                for reorder in [false, true] {
                    let plan = Plan { capabilities, window, delay, reorder, ..Plan::default() };
                    complete(Plan { frames: 150, capacity: 500, ..plan });
                }
            }
        }
    }
}

#[test]
fn encoder_delay_costs_one_stall_with_acks_and_one_a_frame_without() {
    let took = |capabilities| {
        complete(Plan { capabilities, window: 16, delay: 44, frames: 60, ..Plan::default() }).took
    };
    assert_eq!(took(speech::OURS), Duration::from_millis(100));
    assert!(took(speech::CURRENT) >= Duration::from_millis(100 * (45 - 16)));
}

#[test]
fn three_thousand_frames_come_back_at_windows_of_1_and_16() {
    for window in [1, 16] {
        complete(Plan { window, frames: 3000, capacity: 4096, reorder: true, ..Plan::default() });
    }
}

#[test]
fn pictures_in_slices_come_back_as_whole_ones_do() {
    for seed in 0..8 {
        for capacity in [1, 13, 4096] {
            complete(Plan { seed, capacity, slices: true, delay: 3, ..Plan::default() });
        }
    }
}

#[test]
fn every_decoded_frame_arrives_once_and_in_order() {
    for capabilities in [speech::OURS, speech::CURRENT, speech::EARLY] {
        for (window, delay, capacity) in [(1, 0, 1), (2, 1, 64), (16, 4, 7), (16, 15, 4096)] {
            for seed in 0..4 {
                let plan = Plan { capabilities, window, delay, capacity, seed, ..Plan::default() };
                complete(Plan { mode: Mode::Decode, ..plan });
            }
        }
    }
}

#[test]
fn decoded_pictures_that_change_midway_arrive_once_and_in_order() {
    for (window, delay, capacity) in [(1, 0, 1), (16, 4, 7), (16, 15, 4096)] {
        for seed in 0..4 {
            let plan = Plan { window, delay, capacity, seed, slices: true, ..Plan::default() };
            complete(Plan { mode: Mode::Decode, ..plan });
        }
    }
}

#[test]
fn a_slow_link_is_kept_alive_by_its_own_bytes_and_pings() {
    for capabilities in [speech::OURS, speech::EARLY] {
        for mode in [Mode::Encode, Mode::Decode] {
            let plan = Plan { capabilities, mode, capacity: 1, frames: 30, ..Plan::default() };
            let outcome = complete(Plan { pace: Duration::from_millis(400), ..plan });
            assert!(outcome.took > Duration::from_secs(600));
        }
    }
}

#[test]
fn an_encoder_that_sleeps_for_ten_minutes_loses_nothing() {
    let asleep = Duration::from_secs(600);
    for (frames, window) in [(3, 16), (60, 16), (60, 1)] {
        let outcome = complete(Plan { asleep, frames, window, ..Plan::default() });
        assert!(outcome.took >= asleep);
    }
}

#[test]
fn a_backend_that_breaks_is_told_after_the_packets_before_it() {
    for breaks in [0, 5, 19] {
        let outcome = run(Plan { breaks: Some(breaks), ..Plan::default() });
        let failure = ClientError::Server { code: 2, message: "the backend broke".into() };
        assert_eq!(outcome.result, Err(failure));
        assert_eq!(outcome.end, End::Failed { code: 2, message: "the backend broke".into() });
        assert!(outcome.received.iter().all(|pts| *pts < breaks * 10));
    }
}

#[test]
fn a_connection_that_breaks_at_any_byte_is_a_failure_and_never_a_hang() {
    for mode in [Mode::Encode, Mode::Decode] {
        let plan = Plan { mode, frames: 5, delay: 1, ..Plan::default() };
        let whole = complete(plan.clone());
        for cut_up in 1..whole.bytes_up {
            let outcome = run(Plan { cut_up, ..plan.clone() });
            let result = outcome.result;
            assert!(matches!(result, Err(ClientError::Lost { .. })), "{cut_up}: {result:?}");
            assert_ne!(outcome.end, End::Done);
            assert!(outcome.took < Duration::from_secs(70));
        }
        for cut_down in 1..whole.bytes_down {
            let outcome = run(Plan { cut_down, ..plan.clone() });
            let result = outcome.result;
            assert!(matches!(result, Err(ClientError::Lost { .. })), "{cut_down}: {result:?}");
            assert!(outcome.took < Duration::from_secs(70));
        }
    }
}

#[test]
fn packets_that_arrived_before_a_break_are_whole() {
    let plan = Plan { frames: 10, ..Plan::default() };
    let whole = complete(plan.clone());
    let cut_down = whole.bytes_down / 2;
    let outcome = run(Plan { cut_down, ..plan });
    assert!(!outcome.received.is_empty());
    assert!(whole.received.starts_with(&outcome.received));
}
