//! `vtremote-bench e2e`, as short as it can be: every figure is there, or why it is not.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

#[test]
#[ignore = "needs the ffmpeg of make build; scripts/test runs it once there is one"]
fn every_figure_is_there_or_why_it_is_not() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("e2e");
    fs::create_dir_all(&directory).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_vtremote-bench"));
    let output = command.args(["e2e", "short"]).current_dir(&directory).output().unwrap();
    let (said, table) =
        (String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{said}");
    let report = fs::read(directory.join("target/bench/e2e-short/report.json")).unwrap();
    let report: Vec<Value> = serde_json::from_slice(&report).unwrap();
    let figure = |figure: &Value| {
        let name = figure.get("name").and_then(Value::as_str).unwrap().to_owned();
        (name, figure.get("value").and_then(Value::as_f64).unwrap())
    };
    let report: BTreeMap<String, f64> = report.iter().map(figure).collect();
    let absent = |name: &str| {
        table
            .lines()
            .find(|line| line.starts_with(&format!("| {name} | absent: ")))
            .map(str::to_owned)
    };
    let mut missing = Vec::new();
    for codec in ["h264", "hevc"] {
        let codec = format!("e2e.{codec}");
        if let Some(reason) = absent("e2e").or_else(|| absent(&codec)) {
            missing.push(reason);
            continue;
        }
        let mut names: Vec<String> =
            ["fps", "cpu"].map(|of| format!("{codec}.remote_vs_local.{of}")).into();
        for sessions in [1, 4, 8] {
            let name = |of| format!("{codec}.{sessions}_sessions.{of}");
            names.push(name("fps"));
            // Not every system tells of memory.
            let memory = ["daemon_peak_mb", "client_peak_mb"].map(name);
            names.extend(memory.into_iter().filter(|name| absent(name).is_none()));
        }
        for name in names {
            let value = *report.get(&name).unwrap_or_else(|| panic!("no {name}: {table}"));
            assert!(value > 0.0, "{name}: {value}");
        }
    }
    if !missing.is_empty() {
        vtremote_tests::skip("benches/tests/e2e", &missing.join(" "));
    }
}
