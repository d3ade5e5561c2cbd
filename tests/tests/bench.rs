//! `vtremote bench` against a real daemon.

use std::process::Command;

use vtremote_tests::{Daemon, Finished, program, run};

fn bench(arguments: &[&str]) -> Finished {
    run(Command::new(program("release/vtremote")).arg("bench").args(arguments))
}

/// Columns of a table's row.
fn row<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let of_that_name = |line: &&str| line.split_whitespace().next() == Some(name);
    let row = text.lines().find(of_that_name).unwrap_or_else(|| panic!("no {name} in:\n{text}"));
    row.split_whitespace().collect()
}

/// The numbers before the word "fps".
fn rates(row: &[&str]) -> Vec<f64> {
    let rates = row.windows(2).filter(|pair| pair[1] == "fps");
    rates.map(|pair| pair[0].parse().expect("a number")).collect()
}

#[test]
fn bench_measures_every_mode_and_size_both_ways() {
    let daemon = Daemon::synthetic("hash=off", &[]);
    let finished = bench(&[daemon.address(), "--time", "300ms"]);
    let text = String::from_utf8(finished.ok()).expect("text");
    for mode in ["auto", "none", "lz4", "zstd", "vtz", "vtz-fast"] {
        let rates = rates(&row(&text, mode));
        assert!(rates.len() == 2 && rates.iter().all(|rate| *rate > 0.0), "{mode} in:\n{text}");
    }
    for size in ["720p", "1080p", "4K"] {
        let rates = rates(&row(&text, size));
        assert!(rates.len() == 2 && rates.iter().all(|rate| *rate > 0.0), "{size} in:\n{text}");
    }
    assert_eq!(row(&text, "server")[1], daemon.address().to_owned() + ",");
    assert!(text.contains("options     "), "{text}");
    // Nothing is cut off, so that nobody looks for a fault in the server's log.
    for index in 0..16 {
        assert_eq!(daemon.session(index).end(), "done");
    }
}

#[test]
fn bench_says_what_is_wrong_in_one_line() {
    let daemon = Daemon::synthetic("", &["--token", "right"]);
    bench(&[daemon.address()]).failed_with("VTREMOTE_TOKEN");
    bench(&["127.0.0.1:1"]).failed_with("vtremoted");
    let daemon = Daemon::synthetic("fail=5", &[]);
    bench(&[daemon.address(), "--time", "300ms"]).failed_with("bench: ");
    bench(&["127.0.0.1:1", "--time", "1h"]).failed_with("200ms to 3s");
}
