//! docs/options.md says what becomes of each option with VideoToolbox; here a session is opened for each row of
//! its table, and what becomes of the option is read in the error, the warnings, the properties that are set and
//! the stream. That they are the right ones, tests/encode/properties.rs looks at.

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use vtremote_apple_double::{Machine, Value};
use vtremote_apple_tests::OverDouble;
use vtremote_client::{
    Encoder, Frame, InputFormat, Level, OwnedPicture, Received, Sent, Settings, Video,
};
use vtremote_link::Address;
use vtremote_proto::{Codec, PixelFormat, Rational};
use vtremoted::{Daemon, LogFormat, LogLevel, Stop};

const FRAMES: usize = 4;

/// What is asked for here holds without it, too: it is the default, or the profile that the format has anyway. Which
/// encoders there may be is no property: tests/encode/machines.rs.
const AS_WITHOUT: [&str; 16] = [
    "gop=0",
    "flags=0 max_b_frames=2 gop=12",
    "flags=-2147483648 max_b_frames=2 gop=12",
    "profile=2 p010le",
    "profile=4 p210le",
    "bitrate=300000 flags=524288 profile=100",
    "max_slice_bytes=0",
    "allow_sw=0",
    "allow_sw=1",
    "require_sw=1",
    "realtime=0",
    "prio_speed=1",
    "power_efficient=0",
    "color_range=1",
    "chroma_location=1",
    "a53_cc=0",
];

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

/// A daemon in this process, of which can be seen what it sets.
struct Server {
    over: Arc<OverDouble>,
    address: String,
    stop: Stop,
}

impl Server {
    fn start() -> Self {
        let over = Arc::new(OverDouble::new(Machine::apple_silicon()));
        let settings = vtremoted::Settings {
            listen: vec![Address { host: "127.0.0.1".into(), port: 0 }],
            token: None,
            max_sessions: 4,
            backend: "videotoolbox".into(),
            encoders: Vec::new(),
            encoder_threads: None,
            handshake_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            drain_timeout: Duration::from_secs(30),
            max_message_bytes: 256 << 20,
            log_level: LogLevel::Info,
            log_format: LogFormat::Text,
            log_file: None,
            once: false,
        };
        let backend = Arc::clone(&over);
        let daemon = Daemon::bind(&settings, || Ok(vec![backend as _])).expect("a daemon");
        let (address, stop) = (daemon.addresses()[0].to_string(), daemon.stop());
        std::thread::spawn(move || daemon.serve());
        Server { over, address, stop }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.stop();
    }
}

/// What comes of a session.
#[derive(Debug)]
struct Encoded {
    warnings: Vec<String>,
    /// What was set, in all of its sessions.
    properties: Vec<(String, Value)>,
    stream: Vec<u8>,
}

impl Encoded {
    fn is_like(&self, other: &Self) -> bool {
        self.properties == other.properties && self.stream == other.stream
    }
}

/// Encodes what is asked for; the error where that is refused.
fn encode(asked: &str, codec: Codec, server: &Server) -> Result<Encoded, String> {
    let before = server.over.double().properties().len();
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
    settings.set("host", &server.address).expect("a host");
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
    let (mut packets, mut stream) = (0, encoder.extradata().to_vec());
    let mut receive = |encoder: &mut Encoder| match encoder.receive_packet(None) {
        Ok(Received::Packet(packet)) => {
            packets += 1;
            stream.extend_from_slice(packet.data());
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
        let side_data =
            if asked.contains("a53_cc") { vec![(1, vec![0xfc, 0x80, 0x80])] } else { Vec::new() };
        let pts = number as i64;
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
    let set = server.over.double().properties().split_off(before);
    let properties = set.into_iter().map(|property| (property.name, property.value)).collect();
    Ok(Encoded { warnings, properties, stream })
}

fn the_table_is_true(codec: Codec, column: usize) {
    let server = Server::start();
    let mut wrong = Vec::new();
    let rows = of_videotoolbox();
    assert!(rows.len() > 100, "{} rows", rows.len());
    for row in rows {
        let (option, asked, expected) = (&row[0], &row[1], &row[column][..]);
        let named = |line: &String| line.contains(&option[..]);
        let check = || match (expected, encode(asked, codec, &server)) {
            ("refused", Err(error)) => assert!(named(&error), "{error}"),
            ("warned", Ok(encoded)) => {
                assert!(encoded.warnings.iter().any(named), "{:?}", encoded.warnings);
            }
            ("honoured", Ok(encoded)) => {
                assert_eq!(encoded.warnings, [""; 0]);
                let own = |token: &&str| token.split('=').next() != Some(&option[..]);
                let without = asked.split_whitespace().filter(own).collect::<Vec<_>>().join(" ");
                let without = encode(&without, codec, &server).expect("less is not refused");
                let same = AS_WITHOUT.contains(&&asked[..]);
                assert_eq!(encoded.is_like(&without), same, "nothing is done for it");
            }
            (_, Ok(encoded)) => panic!("not refused; warnings: {:?}", encoded.warnings),
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
