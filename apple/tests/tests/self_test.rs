//! The daemon over the double without a client: what it says at its start, and its self-test.

use std::path::Path;
use std::process::Command;
use vtremote_tests::Daemon;

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_vtremoted-over-double"))
}

#[test]
fn what_is_not_found_at_the_start_is_in_the_log() {
    let daemon = Daemon::over_double(program(), "machine=intel", &[]);
    // A line of the log, which is JSON here.
    let line = daemon.says("VideoToolbox: H.265 from p010le: ");
    assert!(line.starts_with('{') && line.contains(r#""level":"WARN""#), "{line}");
    daemon.kill();
}

/// Runs it over a double that does what the script says: the exit code, standard output and error.
fn self_test(script: &str) -> (Option<i32>, String, String) {
    let mut command = Command::new(program());
    let output = command.arg("--self-test").env("VTREMOTE_DOUBLE", script).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// The lines of a case: what came of it, and what is said of it below.
fn case<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let mut lines = text.lines().skip_while(|line| !line.starts_with(&format!("  {name}: ")));
    let first = lines.next().unwrap_or_else(|| panic!("{name} is not in\n{text}"));
    let below = lines.take_while(|line| line.starts_with("    "));
    std::iter::once(first).chain(below).collect()
}

#[test]
fn the_self_test_tells_of_every_codec_and_depth_how_it_went_and_by_what() {
    // What nobody has asked for may be refused.
    let (code, text, complaint) = self_test("property=PrioritizeEncodingSpeedOverQuality:-12900");
    assert_eq!(code, Some(0), "{text}{complaint}");
    assert!(text.ends_with("\nself-test: OK\n"), "{text}");
    assert!(complaint.contains("double: clean"), "{complaint}");
    let listed = ["h264: nv12 bgra ayuv", "hevc: nv12 p010le bgra ayuv p210le"];
    for (codec, formats) in listed.map(|line| line.split_once(": ").unwrap()) {
        for format in formats.split(' ') {
            let lines = case(&text, &format!("{codec} {format}"));
            let coded = ["encode ", " fps, open ", " ms, ", " Mbit/s; "];
            let back = ["; decode ", "PSNR luma ", " dB, chroma "];
            for fact in coded.iter().chain(&back) {
                assert!(lines[0].contains(fact), "{fact} is not in {}", lines[0]);
            }
            assert!(lines[0].ends_with("; ok"), "{}", lines[0]);
            let id = if codec == "h264" { "avc" } else { "hevc" };
            let encoder = format!(
                "    encoder: com.apple.videotoolbox.videoencoder.ave.{id} (hardware), reorders frames"
            );
            assert_eq!(lines[1], encoder);
            let refused = "    encoder: refused PrioritizeEncodingSpeedOverQuality: ";
            assert!(lines[2].starts_with(refused) && lines[2].contains("-12900"), "{text}");
        }
    }
    let cases = text.lines().filter(|line| line.ends_with("; ok")).count();
    assert_eq!(cases, 8, "{text}");
}

#[test]
fn the_self_test_tells_what_an_encoder_can_be_set_to_and_what_it_makes_of_frames() {
    let (code, text, complaint) = self_test("");
    assert_eq!(code, Some(0), "{text}{complaint}");
    let has = |case: &[&str], begin: &str| case.iter().any(|line| line.starts_with(begin));
    let first = case(&text, "hevc nv12");
    for begin in [
        "    picture: 420v, 384 rows of 640 bytes, 640 apart; 192 rows of 640 bytes, 640 apart",
        "    packet of frame 0: pts 0.0000, dts 0.0000, ",
        "    packet of frame 5: pts 0.1667, dts 0.1333, ",
        "    lengths of 4 bytes",
        // A video, a sequence and a picture parameter set (H.265 7.4.2.2: types 32, 33 and 34).
        "    parameter set 4001",
        "    parameter set 4201",
        "    parameter set 4401",
        "    property MaxFrameDelayCount: 8 {PropertyReadWriteStatus ReadWrite}",
        "    property EncoderID: com.apple.videotoolbox.videoencoder.ave.hevc {PropertyReadWriteStatus ReadOnly}",
        "    property Quality: not set {",
    ] {
        assert!(has(&first, begin), "{begin} is not in\n{text}");
    }
    assert!(first.iter().any(|line| line.ends_with(", keyframe")), "{text}");
    // What is the same is told once, and what is not is told.
    let second = case(&text, "hevc p010le");
    assert!(has(&second, "    picture: x420, 384 rows of 1280 bytes, "), "{text}");
    assert!(!has(&second, "    property MaxFrameDelayCount"), "{text}");
}

#[test]
fn an_encoder_that_tells_nothing_more_passes_the_self_test() {
    let script = "fail=VTSessionCopySupportedPropertyDictionary:1:-12903";
    let (code, text, complaint) = self_test(script);
    assert_eq!(code, Some(0), "{text}{complaint}");
    let lines = case(&text, "h264 nv12");
    let said = lines.iter().find(|line| line.starts_with("    no list of properties: "));
    assert!(said.is_some_and(|line| line.contains("-12903")), "{text}");
    assert!(complaint.contains("double: clean"), "{complaint}");
}

#[test]
fn an_encoder_that_errs_fails_one_case_in_one_line_and_what_is_not_there_is_said() {
    let (code, text, complaint) = self_test("machine=intel encode=5:error:-12902 reorder=0");
    assert_eq!(code, Some(1), "{text}{complaint}");
    let failed: Vec<_> = text.lines().filter(|line| line.contains("FAILED: ")).collect();
    assert_eq!(failed.len(), 1, "{text}");
    assert!(failed[0].starts_with("  h264 nv12: FAILED: encoder: "), "{text}");
    assert!(failed[0].contains("-12902"), "{text}");
    assert!(text.ends_with("\nself-test: FAILED (1 of 6)\n"), "{text}");
    assert!(text.contains("\nnotice: VideoToolbox: H.265 from p010le: not supported: "), "{text}");
    // An encoder that was asked to reorder and does not.
    let lines = case(&text, "hevc nv12");
    assert!(lines[1].ends_with(".gva (hardware), keeps frames in order"), "{text}");
    assert!(complaint.contains("double: clean"), "{complaint}");
}

#[test]
fn a_machine_without_encoders_fails_the_self_test_with_the_reason() {
    let (code, text, complaint) = self_test("fail=VTCopyVideoEncoderList:1:-12908");
    assert_eq!(code, Some(1), "{text}{complaint}");
    assert!(text.contains("\nsystem ") && text.contains("\nhardware "), "{text}");
    let said = complaint.lines().find(|line| line.starts_with("vtremoted: ")).expect("a reason");
    assert!(said.contains("there is no list of encoders") && said.contains("-12908"), "{said}");
}
