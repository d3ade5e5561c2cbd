//! Colour and the metadata of HDR go through ffmpeg at both ends, into the stream and out of it.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use vtremote_tests::{Daemon, Ffmpeg, probe, run, scratch, series, skip, stock};

/// BT.2020 on a display of 1000 to 0.0001 candela per square metre.
const HDR10: &str = "-x265-params log-level=none:hdr10=1:keyint=10:max-cll=1000,400:\
    master-display=G(8500,39850)B(6550,2300)R(35400,14600)WP(15635,16450)L(10000000,1) \
    -color_primaries bt2020 -color_trc smpte2084 -colorspace bt2020nc -color_range tv";

/// Of chroma samples; VideoToolbox writes none, which is the left.
fn location() -> &'static str {
    if Daemon::is_over_double() { "left" } else { "topleft" }
}

/// The options of the source's encoder.
fn hdr10() -> String {
    let location = location();
    format!("-c:v libx265 -pix_fmt yuv420p10le {HDR10} -chroma_sample_location {location}")
}

/// Of 24 frames in ten bits, by the distribution's ffmpeg; none where that is not installed.
fn source(test: &str, name: &str, options: &str) -> Option<PathBuf> {
    let Some(ffmpeg) = stock("ffmpeg") else {
        skip(test, "no ffmpeg is installed");
        return None;
    };
    let path = scratch(&format!("hdr-{test}")).join(name);
    let mut command = Command::new(ffmpeg);
    command.args(["-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i"]);
    command.args(["testsrc2=size=320x180:rate=25", "-frames:v", "24", "-preset", "veryfast"]);
    run(command.args(options.split_whitespace()).arg(&path)).ok();
    Some(path)
}

/// The metadata of HDR that ffprobe finds with each frame.
fn metadata(frames: &[Value]) -> Vec<Vec<&Value>> {
    let of_hdr = |record: &&Value| {
        let kind = record["side_data_type"].as_str().unwrap_or_default();
        kind.starts_with("Mastering display") || kind.starts_with("Content light")
    };
    let records = frames.iter().map(|frame| frame["side_data_list"].as_array());
    let mut all: Vec<Vec<_>> =
        records.map(|records| records.into_iter().flatten().filter(of_hdr).collect()).collect();
    for records in &mut all {
        records.sort_by_key(|record| record["side_data_type"].to_string());
    }
    all
}

fn colors(stream: &Value) -> [&Value; 5] {
    ["color_range", "color_primaries", "color_transfer", "color_space", "chroma_location"]
        .map(|key| &stream[key])
}

#[test]
fn hdr10_that_is_encoded_again_is_still_hdr10() {
    let Some(file) = source("hdr10", "in.mkv", &hdr10()) else { return };
    let daemon = Daemon::libavcodec(&[]);
    let (of_source, source_frames) = probe(&file);
    let expected = metadata(&source_frames);
    assert!(expected.iter().all(|records| records.len() == 2), "{expected:?}");
    for (name, options) in
        [("out.hevc", ""), ("out.mkv", "-bf 2 -g 10"), ("out.mp4", "-bf 2 -tag:v hvc1")]
    {
        let out = file.with_file_name(name);
        let encoder = Ffmpeg::new().args("-v warning -i").arg(&file).args("-map 0:v");
        let encoder = encoder.encoder("hevc", daemon.address()).args("-b:v 800k").args(options);
        let finished = encoder.arg(&out).run();
        assert_eq!(finished.stderr, "", "{name}");
        finished.ok();
        let (stream, frames) = probe(&out);
        assert_eq!(stream["profile"], "Main 10", "{name}");
        assert_eq!(stream["chroma_location"], location(), "{name}");
        assert_eq!(colors(&stream), colors(&of_source), "{name}");
        assert_eq!(metadata(&frames), expected, "{name}");
    }
}

#[test]
fn a_container_of_hdr10_says_so_before_the_first_frame() {
    const TEST: &str = "a_container_of_hdr10";
    if series() == "5.1" {
        return skip(TEST, "5.1 tells an encoder nothing of HDR before the first frame");
    }
    let Some(file) = source(TEST, "in.mkv", &hdr10()) else { return };
    let daemon = Daemon::libavcodec(&[]);
    let out = file.with_file_name("out.mp4");
    let encoder = Ffmpeg::new().args("-i").arg(&file).encoder("hevc", daemon.address());
    encoder.args("-b:v 800k").arg(&out).run().ok();
    let bytes = std::fs::read(&out).expect("a file");
    for kind in [b"mdcv", b"clli"] {
        assert!(bytes.windows(4).any(|word| word == kind), "{}", String::from_utf8_lossy(kind));
    }
}

#[test]
fn h264_carries_the_metadata_of_hdr_too() {
    const TEST: &str = "h264_carries_the_metadata_of_hdr";
    if series() == "5.1" {
        return skip(TEST, "5.1 does not read it in H.264");
    }
    let Some(file) = source(TEST, "in.mkv", &hdr10()) else { return };
    let daemon = Daemon::libavcodec(&[]);
    let out = file.with_file_name("out.h264");
    let encoder = Ffmpeg::new().args("-i").arg(&file).encoder("h264", daemon.address());
    encoder.args("-b:v 800k -bf 2").arg(&out).run().ok();
    let (_, source_frames) = probe(&file);
    let (_, frames) = probe(&out);
    let expected = metadata(&source_frames)[0].clone();
    // FFmpeg's decoder gives it with the keyframes.
    for (frame, found) in frames.iter().zip(metadata(&frames)) {
        let expected = if frame["key_frame"] == 1 { &expected[..] } else { &[] };
        assert_eq!(found, expected);
    }
}

#[test]
fn colour_and_shape_of_pixels_are_in_the_stream_of_either_codec() {
    let dir = scratch("hdr-colour");
    let daemon = Daemon::libavcodec(&[]);
    // Hybrid log-gamma, PQ in full range, and what television has.
    for (colour, expected) in [
        ("tv:bt2020:arib-std-b67:bt2020nc", ["tv", "bt2020", "arib-std-b67", "bt2020nc"]),
        ("pc:bt2020:smpte2084:bt2020nc", ["pc", "bt2020", "smpte2084", "bt2020nc"]),
        ("tv:bt709:bt709:bt709", ["tv", "bt709", "bt709", "bt709"]),
    ] {
        let words: Vec<_> = colour.split(':').collect();
        let [range, primaries, transfer, matrix] = words[..] else { panic!("four words") };
        for (codec, format) in [("h264", "nv12"), ("hevc", "p010le")] {
            let out = dir.join(format!("out.{codec}"));
            let encoder = Ffmpeg::new().args("-f lavfi -i testsrc2=size=320x180:rate=25");
            let filter = format!(
                "-frames:v 6 -vf format={format},setsar=4/3,setparams=range={range}:\
                 color_primaries={primaries}:color_trc={transfer}:colorspace={matrix}"
            );
            let encoder = encoder.args(&filter).encoder(codec, daemon.address());
            // What 5.1 does not take from the frames.
            let encoder = encoder.args(&format!(
                "-color_range {range} -color_primaries {primaries} -color_trc {transfer} \
                 -colorspace {matrix} -b:v 500k"
            ));
            encoder.arg(&out).run().ok();
            let (stream, frames) = probe(&out);
            // libx264 leaves out what a decoder takes for granted.
            let range = stream["color_range"].as_str().unwrap_or("tv");
            let [_, rest @ .., _] = colors(&stream);
            assert_eq!(
                (range, rest.map(|word| word.as_str().unwrap_or("none"))),
                (expected[0], [expected[1], expected[2], expected[3]]),
                "{codec} {colour}"
            );
            assert_eq!(stream["sample_aspect_ratio"], "4:3", "{codec} {colour}");
            assert_eq!(frames.len(), 6);
        }
    }
}

/// What showinfo says of the frames' colours, and of captions and HDR that they carry, in order.
fn shown(decoder: Ffmpeg, file: &Path) -> Vec<String> {
    let decoder = decoder.args("-i").arg(file).args("-vf showinfo=checksum=0 -f null -");
    let finished = decoder.run();
    assert!(finished.status.success(), "{}", finished.stderr);
    let kinds = ["mastering display", "content light level", "a/53", "color_range:"];
    let known = |line: &&str| kinds.iter().any(|kind| line.to_lowercase().contains(kind));
    let text = |line: &str| line.split_once("] ").map(|(_, text)| text.to_owned());
    finished.stderr.lines().filter(known).filter_map(text).collect()
}

#[test]
fn decoded_pictures_carry_what_those_of_a_local_decoder_do() {
    let Some(file) = source("decoded", "in.mkv", &hdr10()) else { return };
    let daemon = Daemon::libavcodec(&[]);
    for slices in ["0", "1"] {
        let decoder = Ffmpeg::new().env("VTREMOTE_SLICES", slices);
        let remote = shown(decoder.decoder("hevc", daemon.address()), &file);
        let mut local = shown(Ffmpeg::new().args("-c:v hevc"), &file);
        assert_eq!(local.len(), 3 * 24, "{local:?}");
        // The form is ours, and goes only where pictures say what they are.
        if slices == "0" {
            local.retain(|line| line.starts_with("color_range"));
        }
        assert_eq!(remote, local, "slices {slices}");
    }
}

#[test]
fn hdr10_survives_decoding_and_encoding_elsewhere() {
    let Some(file) = source("transcoded", "in.mkv", &hdr10()) else { return };
    let daemon = Daemon::libavcodec(&[]);
    let out = file.with_file_name("out.mkv");
    let decoder = Ffmpeg::new().decoder("hevc", daemon.address()).arg("-i").arg(&file);
    decoder.encoder("hevc", daemon.address()).args("-b:v 800k").arg(&out).run().ok();
    let ((of_source, source_frames), (stream, frames)) = (probe(&file), probe(&out));
    assert_eq!(colors(&stream), colors(&of_source));
    assert_eq!(metadata(&frames), metadata(&source_frames));
}

#[test]
fn side_data_that_is_not_carried_is_a_debug_line_with_its_reason() {
    // libx265 names itself in a message, which decoders hand on.
    let Some(file) = source("left-out", "in.hevc", "-c:v libx265 -x265-params log-level=none")
    else {
        return;
    };
    let daemon = Daemon::libavcodec(&[]);
    let said = |level: &str| {
        let encoder = Ffmpeg::new().args(&format!("-v {level} -i")).arg(&file);
        let encoder = encoder.encoder("hevc", daemon.address());
        let finished = encoder.arg(file.with_file_name("out.hevc")).run();
        assert!(finished.status.success(), "{}", finished.stderr);
        let lines = finished.stderr.lines().filter(|line| line.contains("Side data is left out"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let lines = said("debug");
    let [line] = &lines[..] else { panic!("{lines:?}") };
    let reason = "User Data Unregistered SEI message (20), for which the protocol has no form";
    assert!(line.contains(reason), "{line}");
    assert_eq!(said("verbose"), Vec::<String>::new());
}

/// Each frame, as framemd5 tells it.
fn pictures(decoder: Ffmpeg, file: &Path, format: &str) -> Vec<String> {
    let decoder = decoder.arg("-i").arg(file).args("-vf").arg(format!("format={format}"));
    let text = String::from_utf8(decoder.args("-f framemd5 -").run().ok()).expect("text");
    text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

#[test]
fn more_colour_than_4_2_0_goes_to_the_server_and_comes_back() {
    let dir = scratch("hdr-formats");
    let daemon = Daemon::libavcodec(&[]);
    for (format, profile, coded) in [
        ("p210le", "main42210", "yuv422p10le"),
        ("bgra", "rext", "gbrp"),
        ("ayuv", "rext", "yuv444p"),
    ] {
        if format == "ayuv" && matches!(&*series(), "5.1" | "7.1") {
            skip("more_colour_than_4_2_0: ayuv", "this ffmpeg does not know the format");
            continue;
        }
        let out = dir.join("out.mkv");
        let size = if format == "p210le" { "320x181" } else { "321x179" };
        let encoder = Ffmpeg::new().args("-v warning -f lavfi -i");
        let encoder = encoder.arg(format!("testsrc2=size={size}:rate=25"));
        let encoder = encoder.args(&format!("-frames:v 12 -pix_fmt {format}"));
        let encoder = encoder.encoder("hevc", daemon.address()).args("-b:v 2M -bf 2 -profile:v");
        let finished = encoder.arg(profile).arg(&out).run();
        assert_eq!(finished.stderr, "", "{format}");
        finished.ok();
        let (stream, frames) = probe(&out);
        assert_eq!((&stream["profile"], &stream["pix_fmt"]), (&"Rext".into(), &coded.into()));
        assert_eq!(frames.len(), 12);
        for slices in ["0", "1"] {
            let decoder = Ffmpeg::new().env("VTREMOTE_SLICES", slices);
            let decoder = decoder.decoder("hevc", daemon.address());
            if slices == "0" {
                // Where pictures cannot say what they are, they are 4:2:0 or none.
                let refused = decoder.arg("-i").arg(&out).args("-f null -").run();
                refused.failed_with("clients that ask for it");
                continue;
            }
            let local = pictures(Ffmpeg::new().args("-c:v hevc"), &out, format);
            assert_eq!(pictures(decoder, &out, format), local, "{format}");
            assert_eq!(local.len(), 12);
        }
    }
}
