//! `vtremote-bench plots`: what a report has figures for is drawn, with words that say what it is.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use resvg::tiny_skia::Pixmap;
use serde_json::{Value, json};

const PLOTS: [&str; 4] = ["codec", "links", "latency", "e2e"];

/// An empty directory with a report of these figures.
fn report(name: &str, figures: &[(String, f64)]) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).unwrap();
    write_report(&directory, figures);
    directory
}

fn write_report(directory: &Path, figures: &[(String, f64)]) {
    let figure = |(name, value): &(String, f64)| json!({ "name": name, "value": value });
    let figures: Vec<Value> = figures.iter().map(figure).collect();
    fs::write(directory.join("report.json"), serde_json::to_vec(&figures).unwrap()).unwrap();
}

/// Draws, and gives what was said.
fn draw(directory: &Path) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vtremote-bench"));
    let output = command.arg("plots").arg(directory).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    said
}

/// Everything that plots are drawn from, the n-th figure n.
fn figures() -> Vec<(String, f64)> {
    let mut names = Vec::new();
    for content in ["clip", "camera", "grain", "screen", "clip-p010", "grain-p010"] {
        for coding in ["none", "lz4", "zstd1", "bits", "huff", "temporal"] {
            names.push(format!("codec.{content}.{coding}.ratio"));
            names.push(format!("codec.{content}.{coding}.encode_mb_s"));
            names.push(format!("codec.{content}.{coding}.two_threads.encode_mb_s"));
        }
    }
    for rate in ["1g", "2.5g", "10g"] {
        let cells = ["1080p.nv12", "1080p.p010", "4k.nv12", "4k.p010", "delayed.1080p.nv12"];
        let cells = cells.iter().map(|cell| format!("link.{rate}.{cell}"));
        for cell in cells.chain(["link.1g.1080p.nv12.camera.one_core".into()]) {
            for mode in ["none", "lz4", "zstd", "vtz", "vtz-fast", "auto"] {
                names.push(format!("{cell}.{mode}.fps"));
                names.push(format!("{cell}.{mode}.decode_fps"));
            }
        }
    }
    for figure in ["ms", "wire_ms", "over_wire_ms", "over_wire_p99_ms"] {
        names.push(format!("latency.1g.1080p.{figure}"));
    }
    for codec in ["h264", "hevc"] {
        names.extend(["fps", "cpu"].map(|of| format!("e2e.{codec}.remote_vs_local.{of}")));
        for sessions in [1, 4, 8] {
            let figures = ["fps", "daemon_peak_mb", "client_peak_mb"];
            names.extend(figures.map(|of| format!("e2e.{codec}.{sessions}_sessions.{of}")));
        }
    }
    names.into_iter().zip((1..).map(f64::from)).collect()
}

/// The words of an SVG, which all begin within it.
fn words(file: &Path) -> BTreeSet<String> {
    let svg = fs::read_to_string(file).unwrap();
    let svg = roxmltree::Document::parse(&svg).unwrap();
    let size = |name| svg.root_element().attribute(name).unwrap().parse::<f64>().unwrap();
    let (width, height) = (size("width"), size("height"));
    let texts = svg.descendants().filter(|node| node.has_tag_name("text"));
    let word = |node: roxmltree::Node| {
        let place = |name| node.attribute(name).unwrap().parse::<f64>().unwrap();
        let word = node.text().unwrap().to_owned();
        assert!((0.0..width).contains(&place("x")), "{word} is outside of {width}");
        assert!((0.0..height).contains(&place("y")), "{word} is outside of {height}");
        word
    };
    texts.map(word).collect()
}

#[test]
fn every_plot_has_words_for_what_it_shows() {
    let directory = report("plots", &figures());
    draw(&directory);
    for (plot, expected) in [
        (
            "codec",
            &[
                "clip, NV12",
                "camera, NV12",
                "grain, NV12",
                "screen, NV12",
                "clip, P010",
                "grain, P010",
                "none",
                "LZ4",
                "zstd 1",
                "BITS",
                "HUFF",
                "HUFF, temporal",
                "1080p60",
                "ratio, raw : coded",
                "encode, MB/s of raw pictures",
            ][..],
        ),
        (
            "links",
            &[
                "1 Gb/s, encode",
                "2.5 Gb/s, encode",
                "10 Gb/s, encode",
                "1 Gb/s, decode",
                "2.5 Gb/s, decode",
                "10 Gb/s, decode",
                "1 Gb/s, one client core, encode",
                "camera",
                "2 ms further away, encode",
                "2 ms further away, decode",
                "1080p NV12",
                "1080p P010",
                "4K NV12",
                "4K P010",
                "none",
                "lz4",
                "zstd",
                "vtz",
                "vtz-fast",
                "auto",
                "fps",
                "60 frames per second",
            ],
        ),
        (
            "latency",
            &["median", "99th percentile", "its bytes on the cable", "all the rest", "0 ms"],
        ),
        (
            "e2e",
            &[
                "H.264 (libx264)",
                "HEVC (libx265)",
                "frames per second",
                "CPU time",
                "1 session",
                "4 sessions",
                "8 sessions",
                "MB at the most",
                "as local",
            ],
        ),
    ] {
        let words = words(&directory.join(format!("{plot}.svg")));
        for expected in expected {
            assert!(words.contains(*expected), "{plot}.svg without {expected:?}: {words:?}");
        }
    }
}

#[test]
fn bars_are_as_high_as_their_figures() {
    let cell = |mode, fps| (format!("link.1g.4k.nv12.{mode}.fps"), fps);
    let directory = report("bars", &[cell("lz4", 30.0), cell("auto", 120.0)]);
    draw(&directory);
    let svg = fs::read_to_string(directory.join("links.svg")).unwrap();
    let svg = roxmltree::Document::parse(&svg).unwrap();
    let height = |colour| {
        let rects = svg.descendants().filter(|node| node.has_tag_name("rect"));
        let bars = rects.filter(|node| node.attribute("fill") == Some(colour));
        let heights = bars.map(|node| node.attribute("height").unwrap().parse::<f64>().unwrap());
        heights.fold(0.0, f64::max)
    };
    let ratio = height("#cf3c62") / height("#e69f00");
    assert!((ratio - 4.0).abs() < 0.02, "{ratio}");
}

#[test]
fn a_png_shows_what_its_svg_does() {
    let directory = report("png", &figures());
    let said = draw(&directory);
    if said.contains("no fonts") {
        return vtremote_tests::skip("benches/tests/plots", "this system has no fonts");
    }
    for (plot, colour) in PLOTS.into_iter().zip([
        [0x12, 0x94, 0x6a],
        [0xcf, 0x3c, 0x62],
        [0x4c, 0x9b, 0xe8],
        [0x75, 0x66, 0xc4],
    ]) {
        let png = Pixmap::load_png(directory.join(format!("{plot}.png"))).unwrap();
        let is_of = |pixel: &&resvg::tiny_skia::PremultipliedColorU8| {
            [pixel.red(), pixel.green(), pixel.blue()] == colour
        };
        let pixels = png.pixels().iter().filter(is_of).count();
        assert!(pixels > 100, "{plot}.png has {pixels} pixels of {colour:?}");
    }
}

#[test]
fn plots_of_an_earlier_report_do_not_stay() {
    let directory = report("earlier", &figures());
    draw(&directory);
    write_report(&directory, &[("parts.nothing".into(), 1.0)]);
    let said = draw(&directory);
    for plot in PLOTS {
        assert!(
            said.contains(&format!("no {plot}.png: the report has no figures for it")),
            "{said}"
        );
        assert!(!directory.join(format!("{plot}.svg")).exists());
        assert!(!directory.join(format!("{plot}.png")).exists());
    }
}
