//! docs/options.md says what becomes of each option; here a session is opened for each of its rows, and what
//! becomes of the options is read in the stream, the error or the warnings.

use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use vtremote_bitstream::{ParameterSets, annexb, is_keyframe, sei};
use vtremote_client::{
    Encoder, Frame, InputFormat, Level, OwnedPicture, Received, Sent, Settings, Video,
};
use vtremote_proto::{Codec, CodecFlags, PixelFormat, Rational};
use vtremote_tests::{Daemon, Ffmpeg, Headers, Shape, probe, scratch};

/// Two seconds, unless the row says another rate.
const FRAMES: usize = 50;

/// What a row of the table says for one encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Honoured,
    Refused,
    Warned,
    /// A matter of another codec.
    None,
}

#[derive(Debug, Clone)]
struct Row {
    option: String,
    /// What the session is asked for, split at blanks.
    asked: Vec<String>,
    libx264: Outcome,
    libx265: Outcome,
}

fn document(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    fs::read_to_string(path).expect("the documents are there")
}

/// The cells of the tables' rows in a text.
fn cells(text: &str) -> impl Iterator<Item = Vec<&str>> {
    let rows = text.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix('|'));
    rows.map(|row| row.split('|').map(str::trim).collect())
}

/// What stands between backticks.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

fn rows() -> Vec<Row> {
    let outcome = |cell: &str| match cell {
        "honoured" => Outcome::Honoured,
        "refused" => Outcome::Refused,
        "warned" => Outcome::Warned,
        "–" => Outcome::None,
        other => panic!("{other:?} is no outcome of an option"),
    };
    let document = document("options.md");
    let (of_libavcodec, _) = document.split_once("\n## ").expect("another section");
    let rows = cells(of_libavcodec).filter(|cells| cells[0] != "option");
    let row = |cells: Vec<&str>| {
        let [option, asked, libx264, libx265, _] = cells[..] else { panic!("a row of {cells:?}") };
        Row {
            option: names(option).next().expect("an option").to_owned(),
            asked: names(asked).flat_map(str::split_whitespace).map(str::to_owned).collect(),
            libx264: outcome(libx264),
            libx265: outcome(libx265),
        }
    };
    rows.map(row).collect()
}

impl Row {
    /// The value that the row asks for.
    fn value(&self, key: &str) -> Option<&str> {
        self.asked.iter().find_map(|token| token.strip_prefix(key)?.strip_prefix('='))
    }

    fn number(&self, key: &str) -> Option<i64> {
        self.value(key).map(|value| value.parse().expect("a number"))
    }

    /// Whether each frame's packet comes before the next frame (AV_CODEC_FLAG_LOW_DELAY).
    fn is_at_once(&self) -> bool {
        self.number("flags").is_some_and(|flags| flags & 1 << 19 != 0)
    }

    /// Whether every picture is the same.
    fn is_still(&self) -> bool {
        self.asked.iter().any(|token| token == "still")
    }

    /// Pixels, format and frames per second.
    fn video(&self) -> (Shape, u32) {
        let mut shape = Shape { width: 160, height: 96, format: "nv12" };
        let mut fps = 25;
        let of_video = |token: &&String| !token.contains('=') && *token != "still";
        for token in self.asked.iter().filter(of_video) {
            let formats = ["p010le", "p210le", "ayuv", "bgra"];
            if let Some(format) = formats.into_iter().find(|format| format == token) {
                shape.format = format;
            } else if let Some(rate) = token.strip_suffix("fps") {
                fps = rate.parse().expect("a frame rate");
            } else {
                let (width, height) = token.split_once('x').expect("a size");
                shape.width = width.parse().expect("a width");
                shape.height = height.parse().expect("a height");
            }
        }
        (shape, fps)
    }
}

/// A frame's captions.
fn captions(pts: i64) -> Vec<u8> {
    vec![0xfc, 0x80 | pts as u8, 0x20, 0xfd, 0x80, 0x80]
}

struct Packet {
    pts: i64,
    keyframe: bool,
    data: Vec<u8>,
}

struct Encoded {
    codec: Codec,
    packets: Vec<Packet>,
    extradata: Vec<u8>,
    warnings: Vec<String>,
    headers: Headers,
    /// ffprobe's, of the stream and of its frames.
    stream: Value,
    frames: Vec<Value>,
}

/// Encodes what a row asks for; the error, where that is refused.
fn encode(row: &Row, codec: Codec, host: &str, dir: &Path) -> Result<Encoded, String> {
    let (shape, fps) = row.video();
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
    for (key, value) in row.asked.iter().filter_map(|token| token.split_once('=')) {
        settings.set(key, value).unwrap_or_else(|error| panic!("{key}={value}: {error}"));
    }
    let format = match shape.format {
        "nv12" => PixelFormat::Nv12,
        "p010le" => PixelFormat::P010,
        "p210le" => PixelFormat::P210,
        "ayuv" => PixelFormat::Ayuv,
        _ => PixelFormat::Bgra,
    };
    let (width, height) = (shape.width as u32, shape.height as u32);
    let video = Video {
        width,
        height,
        format: InputFormat::Wire(format),
        time_base: Rational { num: 1, den: fps },
        frame_rate: Rational { num: fps, den: 1 },
    };
    let mut encoder =
        Encoder::open(&settings, &video, Some(Arc::new(log))).map_err(|error| error.to_string())?;

    let mut packets = Vec::new();
    let receive =
        |encoder: &mut Encoder, packets: &mut Vec<Packet>| match encoder.receive_packet(None) {
            Ok(Received::Packet(packet)) => {
                let data = packet.data().to_vec();
                packets.push(Packet { pts: packet.pts, keyframe: packet.keyframe, data });
                true
            }
            Ok(Received::Nothing) => true,
            Ok(Received::End) => false,
            Err(error) => panic!("{row:?}: {error}"),
        };
    for number in 0..FRAMES {
        let bytes = shape.frame(if row.is_still() { 0 } else { number });
        let (row_bytes, rows) = video.format.plane_layout(width, height, 0);
        let (luma, chroma) = bytes.split_at(row_bytes * rows);
        let mut planes = vec![(luma.to_vec(), row_bytes), (chroma.to_vec(), row_bytes)];
        planes.truncate(video.format.planes());
        let picture = OwnedPicture::new(video.format, planes).expect("its planes");
        let pts = number as i64;
        let side_data = match row.option.as_str() {
            "a53_cc" => vec![(1, captions(pts))],
            _ => Vec::new(),
        };
        let source = Arc::new(picture);
        let mut frame = Frame { pts, duration: 1, keyframe: false, side_data, source };
        while let Sent::Full(back) = encoder.send_frame(frame).expect("the frame is taken") {
            frame = back;
            receive(&mut encoder, &mut packets);
        }
        if row.is_at_once() {
            // Nothing is looked ahead to: the packet is there before there is another frame.
            let packet = encoder.receive_packet(Some(Duration::from_secs(20)));
            let Ok(Received::Packet(packet)) = packet else {
                panic!("{row:?}: frame {number} waits")
            };
            assert_eq!(packet.pts, pts, "{row:?}");
            let data = packet.data().to_vec();
            packets.push(Packet { pts, keyframe: packet.keyframe, data });
        }
    }
    encoder.flush().expect("the session is flushed");
    while receive(&mut encoder, &mut packets) {}
    let extradata = encoder.extradata().to_vec();
    encoder.close();
    assert_eq!(packets.len(), FRAMES, "{row:?}");

    let file = dir.join(format!("out.{}", codec.name()));
    let sets = match settings.options.flags.contains(CodecFlags::GLOBAL_HEADER) {
        true => parameter_sets(codec, &extradata),
        false => Vec::new(),
    };
    let units = packets.iter().map(|packet| &packet.data[..]);
    fs::write(&file, std::iter::once(&sets[..]).chain(units).collect::<Vec<_>>().concat())
        .expect("the stream is written");
    let headers = Headers::of(&file);
    let (stream, frames) = probe(&file);
    let warnings = std::mem::take(&mut *warnings.lock().unwrap());
    Ok(Encoded { codec, packets, extradata, warnings, headers, stream, frames })
}

/// The codec in the terms of its streams.
fn format(codec: Codec) -> vtremote_bitstream::Codec {
    match codec {
        Codec::H264 => vtremote_bitstream::Codec::H264,
        Codec::Hevc => vtremote_bitstream::Codec::H265,
    }
}

/// The parameter sets of a record, as they stand in a stream.
fn parameter_sets(codec: Codec, record: &[u8]) -> Vec<u8> {
    let sets = ParameterSets::from_extradata(format(codec), record);
    sets.expect("extradata is a record").0.to_annexb()
}

impl Encoded {
    fn h264(&self) -> bool {
        self.codec == Codec::H264
    }

    fn nal_units(&self) -> impl Iterator<Item = (u8, &[u8])> {
        let nals = self.packets.iter().flat_map(|packet| annexb::nal_units(&packet.data));
        nals.filter_map(|nal| Some((format(self.codec).nal_unit_type(nal)?, nal)))
    }

    fn slices(&self) -> impl Iterator<Item = &[u8]> {
        let h264 = self.h264();
        let is_slice = move |kind| if h264 { matches!(kind, 1..=5) } else { kind < 32 };
        self.nal_units().filter(move |(kind, _)| is_slice(*kind)).map(|(_, nal)| nal)
    }

    /// The quantiser that each slice begins with.
    fn quantisers(&self) -> Vec<i64> {
        let init = if self.h264() { "pic_init_qp_minus26" } else { "init_qp_minus26" };
        let init = 26 + self.headers.one(init);
        self.headers.all("slice_qp_delta").into_iter().map(|delta| init + delta).collect()
    }

    /// In the order of showing: I, P and B.
    fn types(&self) -> String {
        self.frames.iter().filter_map(|frame| frame["pict_type"].as_str()).collect()
    }

    /// In bits per second, at 25 frames per second.
    fn bitrate(&self) -> f64 {
        self.bits().sum::<f64>() * 25.0 / FRAMES as f64
    }

    fn bits(&self) -> impl Iterator<Item = f64> {
        self.packets.iter().map(|packet| packet.data.len() as f64 * 8.0)
    }

    fn keyframes(&self) -> Vec<i64> {
        self.packets.iter().filter(|packet| packet.keyframe).map(|packet| packet.pts).collect()
    }

    /// The first packet, and the bits that it lacks, where a buffer that is filled at `peak` bits per
    /// second and holds `buffer` bits runs empty while each picture is taken out of it.
    fn underflow(&self, peak: f64, buffer: f64) -> Option<(usize, f64)> {
        let mut fill = buffer;
        self.bits().enumerate().find_map(|(index, bits)| {
            let lacks = bits - fill;
            fill = (fill - bits + peak / 25.0).min(buffer);
            (lacks > 0.0).then_some((index, lacks))
        })
    }

    /// Asserts that the stream has what the row asked for.
    fn is_as_asked(&self, row: &Row, other: impl Fn(&[(&str, &str)]) -> Encoded) {
        let asked = |key| row.number(key).expect("the row says it");
        let stream = |field: &str| &self.stream[field];
        match row.option.as_str() {
            "bitrate" => {
                let rate = self.bitrate() / asked("bitrate") as f64;
                assert!((0.6..1.4).contains(&rate), "{rate} times the rate that was asked for");
            }
            option @ ("maxrate" | "bufsize") => {
                let (peak, buffer) = (asked("maxrate") as f64, asked(option) as f64);
                assert_eq!(self.underflow(peak, buffer), None);
                // With a second's buffer, or none, the same pictures take more.
                let free = other(&[(option, "0")]).underflow(peak, buffer);
                assert!(free.is_some(), "it was no limit");
            }
            "constant_bit_rate" => {
                assert_eq!(self.headers.one("cbr_flag[0]"), 1);
                let scale = 6 + self.headers.one("bit_rate_scale");
                let rate = (self.headers.one("bit_rate_value_minus1[0]") + 1) << scale;
                assert!((rate - asked("bitrate")).abs() < 1 << scale, "{rate} bits per second");
                assert_eq!(self.underflow(rate as f64, rate as f64), None);
                if row.is_still() {
                    let second = self.bits().skip(25).sum::<f64>() / rate as f64;
                    assert!((0.95..1.05).contains(&second), "{second} of the rate");
                }
            }
            "gop" => match asked("gop") {
                0 => assert_eq!(self.keyframes(), [0]),
                gop => {
                    let mut keyframes = self.keyframes();
                    keyframes.push(FRAMES as i64);
                    let farthest = keyframes.windows(2).map(|pair| pair[1] - pair[0]).max();
                    assert_eq!(farthest, Some(gop), "{keyframes:?}");
                }
            },
            "max_b_frames" => {
                let types = self.types();
                let longest = types.split(|kind| kind != 'B').map(str::len).max();
                let most = asked("max_b_frames") as usize;
                assert!(longest.is_some_and(|run| run > 0 && run <= most), "{types}");
            }
            "global_quality" => {
                let value = asked("global_quality") as f64;
                let quality = if row.number("flags") == Some(2) { value / 118.0 } else { value };
                let quantisers = self.quantisers();
                let mean = quantisers.iter().sum::<i64>() as f64 / quantisers.len() as f64;
                let expected = 51.0 - 0.51 * quality;
                // The factor is the quantiser of an average picture, which these are not.
                assert!((mean - expected).abs() < 8.0, "{mean} for {expected}");
            }
            "flags" => self.has_flags(asked("flags")),
            "qmin" => {
                let (least, quantisers) = (asked("qmin"), self.quantisers());
                assert!(quantisers.iter().all(|qp| *qp >= least), "{quantisers:?}");
            }
            "qmax" => {
                let (most, quantisers) = (asked("qmax"), self.quantisers());
                assert!(quantisers.iter().all(|qp| *qp <= most), "{quantisers:?}");
                assert!(quantisers.contains(&most), "{quantisers:?}: it was no limit");
            }
            "profile" => self.has_profile(asked("profile")),
            "level" => match self.h264() {
                true => assert_eq!(self.headers.one("level_idc"), asked("level")),
                false => assert_eq!(self.headers.one("general_level_idc"), 3 * asked("level")),
            },
            "entropy" => {
                assert_eq!(self.headers.one("entropy_coding_mode_flag"), asked("entropy") - 1);
            }
            "max_slice_bytes" => match asked("max_slice_bytes") {
                0 => assert_eq!(self.slices().count(), FRAMES),
                most => {
                    let longest = self.slices().map(<[u8]>::len).max().unwrap_or(0);
                    assert!(longest as i64 <= most, "a slice of {longest} bytes");
                    assert!(self.slices().count() > FRAMES, "it was no limit");
                }
            },
            // That there is a stream is all that they ask for.
            "allow_sw" | "require_sw" | "realtime" => {}
            "spatial_aq" => {
                let on = asked("spatial_aq");
                let value = if on == 1 { "0" } else { "1" };
                let other = other(&[("spatial_aq", value)]);
                assert!(self.bits().ne(other.bits()), "on and off are the same");
            }
            "max_ref_frames" => self.refers_to(asked("max_ref_frames")),
            "color_range" => {
                // No flag is no full range (H.264 E.2.1, H.265 E.3.1).
                let flags = self.headers.all("video_full_range_flag");
                let full = flags.first() == Some(&1);
                assert_eq!(full, asked("color_range") == 2);
                assert!(!full || stream("color_range") == "pc");
            }
            "colorspace" => {
                assert_eq!(self.headers.one("matrix_coefficients"), asked("colorspace"));
            }
            "color_primaries" => {
                assert_eq!(self.headers.one("colour_primaries"), asked("color_primaries"));
            }
            "color_trc" => {
                assert_eq!(self.headers.one("transfer_characteristics"), asked("color_trc"));
            }
            "chroma_location" => {
                let name = if asked("chroma_location") == 1 { "left" } else { "topleft" };
                // No type is the left, which x264 leaves out (H.264 E.2.1, H.265 E.3.1).
                let types = self.headers.all("chroma_sample_loc_type_top_field");
                let kind = types.first().copied().unwrap_or(0);
                assert_eq!(kind, asked("chroma_location") - 1);
                assert_eq!(stream("chroma_location"), name);
            }
            "sar_num" | "sar_den" => {
                let aspect = format!("{}:{}", asked("sar_num"), asked("sar_den"));
                assert_eq!(stream("sample_aspect_ratio"), &aspect);
            }
            "a53_cc" => {
                for packet in &self.packets {
                    let written = sei::captions_in(format(self.codec), &packet.data);
                    let expected = match asked("a53_cc") {
                        0 => Vec::new(),
                        _ => captions(packet.pts),
                    };
                    assert_eq!(written, expected, "frame {}", packet.pts);
                }
                // FFmpeg's own reader finds them too.
                let found = self.frames.iter().filter(|frame| {
                    let records = frame["side_data_list"].as_array();
                    let kind = |record: &Value| {
                        record["side_data_type"] == "ATSC A53 Part 4 Closed Captions"
                    };
                    records.is_some_and(|records| records.iter().any(kind))
                });
                let expected = if asked("a53_cc") == 0 { 0 } else { FRAMES };
                assert_eq!(found.count(), expected);
            }
            "mastering_display" => {
                assert_eq!(
                    self.headers.all("min_display_mastering_luminance").len(),
                    self.keyframes().len()
                );
                let payload = row.value("mastering_display").expect("the row says it");
                let hex = |range| i64::from_str_radix(&payload[range], 16).expect("digits");
                assert_eq!(self.headers.one("display_primaries_x[0]"), hex(0..4));
                assert_eq!(self.headers.one("white_point_y"), hex(28..32));
                assert_eq!(self.headers.one("max_display_mastering_luminance"), hex(32..40));
                assert_eq!(self.headers.one("min_display_mastering_luminance"), hex(40..48));
            }
            "content_light" => {
                assert_eq!(self.headers.one("max_content_light_level"), 1000);
                assert_eq!(self.headers.one("max_pic_average_light_level"), 400);
            }
            unchecked => panic!("nobody checks {unchecked}"),
        }
    }

    fn has_flags(&self, flags: i64) {
        let decodable = |packet: &Packet| is_keyframe(format(self.codec), &packet.data);
        assert!(self.packets.iter().filter(|packet| packet.keyframe).all(decodable));
        if flags & 1 << 19 != 0 {
            assert!(!self.types().contains('B'));
        }
        let is_set =
            |kind: u8| if self.h264() { matches!(kind, 7 | 8) } else { matches!(kind, 32..=34) };
        let sets = self.nal_units().filter(|(kind, _)| is_set(*kind)).count();
        match flags & 1 << 22 {
            0 => {
                let kinds = if self.h264() { 2 } else { 3 };
                assert!(sets >= kinds * self.keyframes().len(), "{sets} parameter sets");
            }
            _ => assert_eq!((sets, self.extradata.is_empty()), (0, false)),
        }
        // Closed groups: nothing that is shown before a keyframe is coded after it, and nothing in a
        // keyframe's group needs another: it is IDR.
        let mut shown = 0;
        for packet in &self.packets {
            if packet.keyframe {
                let mut kinds = annexb::nal_units(&packet.data)
                    .filter_map(|nal| format(self.codec).nal_unit_type(nal));
                let idr = |kind| if self.h264() { kind == 5 } else { matches!(kind, 19 | 20) };
                assert!(kinds.any(idr), "keyframe {} is no IDR picture", packet.pts);
                shown = packet.pts;
            }
            assert!(packet.pts >= shown, "{} after keyframe {shown}", packet.pts);
        }
    }

    fn has_profile(&self, profile: i64) {
        if self.codec == Codec::Hevc {
            assert_eq!(self.headers.one("general_profile_idc"), profile);
            let layouts: &[_] = match profile {
                1 => &["yuv420p"],
                2 => &["yuv420p10le"],
                _ => &["yuv422p10le", "yuv444p", "gbrp"],
            };
            assert!(layouts.iter().any(|layout| self.stream["pix_fmt"] == *layout));
            return;
        }
        let constraints: Vec<_> =
            (0..6).filter(|n| self.headers.one(&format!("constraint_set{n}_flag")) == 1).collect();
        let (number, constraints_asked): (i64, &[i32]) = match profile {
            66 | 578 => (66, &[0, 1]),
            77 => (77, &[1]),
            612 => (100, &[4, 5]),
            other => (other, &[]),
        };
        assert_eq!(self.headers.one("profile_idc"), number);
        assert_eq!(constraints, constraints_asked);
        let transform = self.headers.all("transform_8x8_mode_flag");
        assert_eq!(transform.contains(&1), number == 100);
        if matches!(profile, 66 | 578) {
            assert_eq!(self.headers.one("entropy_coding_mode_flag"), 0);
        }
    }

    /// Asserts that no picture has more references than these.
    fn refers_to(&self, most: i64) {
        if self.h264() {
            assert!(self.headers.one("max_num_ref_frames") <= most);
            return;
        }
        let default = |list: char| {
            1 + self.headers.one(&format!("num_ref_idx_l{list}_default_active_minus1"))
        };
        let (before, after) = (default('0'), default('1'));
        // slice_type, then what the slice says of its lists, where it is not the default.
        let mut slice = [0; 2];
        for (name, value) in self.headers.elements() {
            match (name, value) {
                ("slice_type", 0) => slice = [before, after],
                ("slice_type", 1) => slice = [before, 0],
                ("slice_type", _) => slice = [0, 0],
                ("num_ref_idx_l0_active_minus1", count) => slice[0] = count + 1,
                ("num_ref_idx_l1_active_minus1", count) => slice[1] = count + 1,
                ("slice_qp_delta", _) => {
                    assert!(slice.iter().sum::<i64>() <= most, "{slice:?} references of {most}");
                }
                _ => {}
            }
        }
    }
}

/// Opens a session for every row, and sees what becomes of it.
fn the_table_is_true(codec: Codec, outcome: impl Fn(&Row) -> Outcome) {
    let dir = scratch(&format!("options-{}", codec.name()));
    // With more, a rate that is limited gives other bytes each time.
    let daemon = Daemon::libavcodec(&["--encoder-threads", "1"]);
    let open = |row: &Row| encode(row, codec, daemon.address(), &dir);
    let mut wrong = Vec::new();
    for row in rows() {
        let check = || {
            let result = match outcome(&row) {
                Outcome::None => return,
                _ => open(&row),
            };
            let named = |line: &String| line.contains(&row.option);
            match (outcome(&row), result) {
                (Outcome::Refused, Err(error)) => assert!(named(&error), "{error}"),
                (Outcome::Warned, Ok(encoded)) => {
                    assert!(encoded.warnings.iter().any(named), "{:?}", encoded.warnings);
                }
                (Outcome::Honoured, Ok(encoded)) => {
                    assert_eq!(encoded.warnings, Vec::<String>::new());
                    encoded.is_as_asked(&row, |changed| {
                        let mut row = row.clone();
                        for (key, value) in changed {
                            row.asked.push(format!("{key}={value}"));
                        }
                        open(&row).expect("a session with another value")
                    });
                }
                (_, Ok(encoded)) => panic!("not refused; warnings: {:?}", encoded.warnings),
                (_, Err(error)) => panic!("refused: {error}"),
            }
        };
        // All that is wrong is told at once.
        if catch_unwind(AssertUnwindSafe(check)).is_err() {
            wrong.push(format!("{}: {}", row.option, row.asked.join(" ")));
        }
    }
    assert!(wrong.is_empty(), "the table is wrong for {}:\n{}", codec.name(), wrong.join("\n"));
}

#[test]
fn what_the_table_says_of_libx264_is_true() {
    the_table_is_true(Codec::H264, |row| row.libx264);
}

#[test]
fn what_the_table_says_of_libx265_is_true() {
    the_table_is_true(Codec::Hevc, |row| row.libx265);
}

#[test]
fn every_option_of_the_protocol_has_a_row() {
    let protocol = document("protocol.md");
    let (_, section) = protocol.split_once("## 4. ").expect("section 4");
    let (section, _) = section.split_once("\n## 5. ").expect("section 5");
    let (_, table) = section.split_once("| key | type |").expect("the table of options");
    let table = table.split("\n\n").next().unwrap_or_default();
    let keys: BTreeSet<_> =
        cells(table).flat_map(|cells| names(cells[0]).collect::<Vec<_>>()).collect();
    assert!(keys.len() > 40, "{keys:?}");

    let document = document("options.md");
    let others = document.split_once("These are no encoder's: ").expect("the other options").1;
    let others = others.split_once(". ").expect("a sentence").0;
    let rows = rows();
    let listed: BTreeSet<_> = rows.iter().map(|row| &row.option[..]).chain(names(others)).collect();
    assert_eq!(listed, keys);
}

/// Pictures of which ffmpeg itself has nothing to complain about.
const PICTURES: &str =
    "-v warning -f lavfi -i testsrc2=size=160x96:rate=25:duration=1.2,format=yuv420p";

#[test]
fn a_plain_session_has_no_warnings() {
    let dir = scratch("options-plain");
    let daemon = Daemon::libavcodec(&[]);
    for codec in ["h264", "hevc"] {
        for options in ["", "-b:v 300k", "-b:v 300k -bf 2 -g 25", "-pix_fmt nv12"] {
            let encoder = Ffmpeg::new().args(PICTURES).encoder(codec, daemon.address());
            let encoder = encoder.args(options);
            let finished = encoder.arg(dir.join("out.mp4")).run();
            assert_eq!(finished.stderr, "", "{codec} {options}");
            finished.ok();
        }
    }
}

#[test]
fn ffmpegs_names_become_the_options() {
    let dir = scratch("options-ffmpeg");
    let daemon = Daemon::libavcodec(&[]);
    let encode = |codec: &str, options: &str| {
        let out = dir.join(format!("out.{codec}"));
        let encoder = Ffmpeg::new().args(PICTURES);
        let finished = encoder.encoder(codec, daemon.address()).args(options).arg(&out).run();
        assert_eq!(finished.stderr, "", "{codec} {options}");
        finished.ok();
        Headers::of(&out)
    };
    let headers = encode(
        "h264",
        "-b:v 300k -maxrate 300k -bufsize 300k -constant_bit_rate 1 -profile:v constrained_high -level 3.1 \
         -coder cavlc -max_ref_frames 2 -vf setsar=7/5,setparams=range=pc:colorspace=bt709",
    );
    for (element, value) in [
        ("profile_idc", 100),
        ("constraint_set5_flag", 1),
        ("level_idc", 31),
        ("entropy_coding_mode_flag", 0),
        ("max_num_ref_frames", 2),
        ("cbr_flag[0]", 1),
        ("sar_width", 7),
        ("video_full_range_flag", 1),
        ("matrix_coefficients", 1),
    ] {
        assert_eq!(headers.one(element), value, "{element}");
    }
    let headers = encode("hevc", "-q:v 60 -profile:v main10 -flags +cgop+low_delay -qmin 20");
    assert_eq!(headers.one("general_profile_idc"), 2);
    let refused = Ffmpeg::new().args(PICTURES).encoder("h264", daemon.address());
    let refused = refused.args("-profile:v main -level 1.3").arg(dir.join("out.h264")).run();
    refused.failed_with("level");
    let warned = Ffmpeg::new().args(PICTURES).encoder("hevc", daemon.address());
    let warned = warned.args("-realtime 1").arg(dir.join("out.hevc")).run();
    assert!(warned.stderr.contains("realtime"), "{}", warned.stderr);
    warned.ok();
}
