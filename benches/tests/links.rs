//! `vtremote-bench links`, as short as it can be: every cell has a figure, under the name that it has always
//! had, and the links are links.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// In Gb/s, and what goes at once after a pause, in bytes.
const RATES: [(&str, f64, f64); 3] =
    [("1g", 1.0, 65_536.0), ("2.5g", 2.5, 131_072.0), ("10g", 10.0, 262_144.0)];
const MODES: [&str; 6] = ["none", "lz4", "zstd", "vtz-fast", "vtz", "auto"];
const DIRECTIONS: [&str; 2] = ["", "decode_"];

/// What the report says, and its lines on what is absent.
fn report() -> (BTreeMap<String, f64>, Vec<String>) {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("links");
    fs::create_dir_all(&directory).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_vtremote-bench"));
    let output = command.args(["links", "short"]).current_dir(&directory).output().unwrap();
    let (said, table) =
        (String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{said}");
    let absent = table.lines().filter(|line| line.contains("| absent: ")).map(str::to_owned);
    let report = fs::read(directory.join("target/bench/links-short/report.json")).unwrap();
    let report: Vec<Value> = serde_json::from_slice(&report).unwrap();
    let figure = |figure: &Value| {
        let name = figure.get("name").and_then(Value::as_str).unwrap().to_owned();
        (name, figure.get("value").and_then(Value::as_f64).unwrap())
    };
    (report.iter().map(figure).collect(), absent.collect())
}

#[test]
fn every_cell_has_a_figure_and_no_link_is_faster_than_its_name() {
    let (report, absent) = report();
    let is_absent = |name: &str| absent.iter().any(|line| line.starts_with(&format!("| {name} |")));
    // Neither may be had everywhere: namespaces, and ffmpeg, which decodes the film.
    if is_absent("link") || is_absent("link.*.1080p.nv12") {
        return vtremote_tests::skip("benches/tests/links", &absent.join(" "));
    }
    let figure = |name: &str| *report.get(name).unwrap_or_else(|| panic!("no {name}"));
    for (rate, gbit_s, burst) in RATES {
        let lone = figure(&format!("link.{rate}.lone_mb_gbit_s"));
        assert!(lone < gbit_s * 1e6 / (1e6 - burst), "{lone} Gb/s of {gbit_s}");
        let bulk = figure(&format!("link.{rate}.bulk_gbit_s"));
        assert!(bulk < gbit_s, "{bulk} Gb/s of {gbit_s}");
        let cells = ["1080p.nv12", "1080p.p010", "4k.nv12", "4k.p010", "delayed.1080p.nv12"];
        for (cell, direction) in cells.iter().flat_map(|cell| DIRECTIONS.map(|way| (cell, way))) {
            for mode in MODES {
                assert!(figure(&format!("link.{rate}.{cell}.{mode}.{direction}fps")) > 0.0);
            }
            assert!(figure(&format!("link.{rate}.{cell}.{direction}auto_vs_best")) > 0.0);
        }
    }
    for content in ["clip", "camera", "grain", "screen"] {
        let cell = format!("link.1g.1080p.nv12.{content}.one_core");
        for mode in MODES.into_iter().filter(|_| !is_absent(&cell)) {
            assert!(figure(&format!("{cell}.{mode}.fps")) > 0.0);
        }
    }
    for name in ["ms", "wire_ms", "over_wire_ms", "over_wire_p99_ms"] {
        figure(&format!("latency.1g.1080p.{name}"));
    }
}
