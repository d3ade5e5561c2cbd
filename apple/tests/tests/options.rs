//! docs/options.md says what becomes of each option with VideoToolbox; here a session is opened for each row of
//! its table, and what becomes of the option is read in the error or the warnings. What is set for an option
//! that is honoured, tests/encode/properties.rs looks at.

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex};
use vtremote_client::{
    Encoder, Frame, InputFormat, Level, OwnedPicture, Received, Sent, Settings, Video,
};
use vtremote_proto::{Codec, PixelFormat, Rational};
use vtremote_tests::Daemon;

const FRAMES: usize = 4;

/// The rows of the tables in a section of the document: their cells.
fn rows(heading: Option<&str>) -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/options.md");
    let document = fs::read_to_string(path).expect("the document is there");
    let section = match heading {
        Some(heading) => document.split_once(heading).expect("the section").1,
        None => &document,
    };
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix('|'));
    rows.map(|row| row.split('|').map(|cell| cell.trim().replace('`', "")).collect()).collect()
}

fn of_videotoolbox() -> Vec<Vec<String>> {
    rows(Some("\n## VideoToolbox\n"))
}

/// Encodes what is asked for; gives the warnings, or the error where that is refused.
fn encode(asked: &str, codec: Codec, host: &str) -> Result<Vec<String>, String> {
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let log = {
        let warnings = Arc::clone(&warnings);
        move |level: Level, line: &str| {
            if level <= Level::Warn {
                warnings.lock().unwrap().push(line.to_owned());
            }
        }
    };
    let mut settings = Settings { codec: Some(codec), ..Settings::default() };
    settings.set("host", host).expect("a host");
    let (mut width, mut height, mut fps, mut format) = (160, 96, 25, PixelFormat::Nv12);
    for token in asked.split_whitespace() {
        if let Some((key, value)) = token.split_once('=') {
            settings.set(key, value).unwrap_or_else(|error| panic!("{key}={value}: {error}"));
        } else if let Some(rate) = token.strip_suffix("fps") {
            fps = rate.parse().expect("a rate");
        } else if let Some((across, down)) = token.split_once('x') {
            (width, height) = (across.parse().expect("a width"), down.parse().expect("a height"));
        } else if token != "still" {
            format = match token {
                "p010le" => PixelFormat::P010,
                "p210le" => PixelFormat::P210,
                "bgra" => PixelFormat::Bgra,
                other => panic!("{other:?} is no format"),
            };
        }
    }
    let format = InputFormat::Wire(format);
    let video = Video {
        width,
        height,
        format,
        time_base: Rational { num: 1, den: fps },
        frame_rate: Rational { num: fps, den: 1 },
    };
    let mut encoder =
        Encoder::open(&settings, &video, Some(Arc::new(log))).map_err(|error| error.to_string())?;
    let mut packets = 0;
    let mut receive = |encoder: &mut Encoder| match encoder.receive_packet(None) {
        Ok(Received::Packet(_)) => {
            packets += 1;
            true
        }
        Ok(Received::Nothing) => true,
        Ok(Received::End) => false,
        Err(error) => panic!("{asked}: {error}"),
    };
    for number in 0..FRAMES {
        let plane = |plane| {
            let (row_bytes, rows) = format.plane_layout(width, height, plane);
            let bytes = (0..row_bytes * rows).map(|at| (at / 3 + 31 * number) as u8);
            (bytes.collect(), row_bytes)
        };
        let planes = (0..format.planes()).map(plane).collect();
        let source = Arc::new(OwnedPicture::new(format, planes).expect("its planes"));
        let (pts, side_data) = (number as i64, Vec::new());
        let mut frame = Frame { pts, duration: 1, keyframe: false, side_data, source };
        while let Sent::Full(back) = encoder.send_frame(frame).expect("the frame is taken") {
            frame = back;
            receive(&mut encoder);
        }
    }
    encoder.flush().expect("the session is flushed");
    while receive(&mut encoder) {}
    encoder.close();
    assert_eq!(packets, FRAMES, "{asked}");
    let warnings = std::mem::take(&mut *warnings.lock().unwrap());
    Ok(warnings)
}

fn the_table_is_true(codec: Codec, column: usize) {
    let program = Path::new(env!("CARGO_BIN_EXE_vtremoted-over-double"));
    let daemon = Daemon::over_double(program, "", &[]);
    let mut wrong = Vec::new();
    let rows = of_videotoolbox();
    assert!(rows.len() > 100, "{} rows", rows.len());
    for row in rows {
        let (option, asked, expected) = (&row[0], &row[1], &row[column][..]);
        let named = |line: &String| line.contains(&option[..]);
        let check = || match (expected, encode(asked, codec, daemon.address())) {
            ("refused", Err(error)) => assert!(named(&error), "{error}"),
            ("warned", Ok(warnings)) => assert!(warnings.iter().any(named), "{warnings:?}"),
            ("honoured", Ok(warnings)) => assert_eq!(warnings, [""; 0]),
            (_, Ok(warnings)) => panic!("not refused; warnings: {warnings:?}"),
            (_, Err(error)) => panic!("refused: {error}"),
        };
        // All that is wrong is told at once.
        if expected != "–" && catch_unwind(AssertUnwindSafe(check)).is_err() {
            wrong.push(format!("{option}: {asked}"));
        }
    }
    assert!(wrong.is_empty(), "the table is wrong for {}:\n{}", codec.name(), wrong.join("\n"));
}

/// Apart by this name from what needs no daemon.
mod end_to_end {
    use super::*;

    #[test]
    fn what_the_table_says_of_h264_is_true() {
        the_table_is_true(Codec::H264, 2);
    }

    #[test]
    fn what_the_table_says_of_hevc_is_true() {
        the_table_is_true(Codec::Hevc, 3);
    }
}

#[test]
fn every_option_that_libavcodec_has_a_row_for_has_one() {
    let options = |rows: Vec<Vec<String>>| -> BTreeSet<String> {
        rows.into_iter().map(|row| row[0].clone()).collect()
    };
    let of_libavcodec = options(rows(None));
    assert!(of_libavcodec.len() > 30);
    assert_eq!(options(of_videotoolbox()), of_libavcodec);
}
