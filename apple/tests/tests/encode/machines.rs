//! What different Macs can do.

use crate::session::{PATIENCE, Session, assert_whole, config, encode, h264, hevc};
use vtremote_apple_double::{Machine, Outcome, Script};
use vtremote_apple_tests::OverDouble;
use vtremote_backend::{
    Backend, Codec, EncodedPacket, EncoderConfig, Error, FrameInfo, PixelFormat, Quality,
};
use vtremote_bitstream::{ParameterSets, annexb};

fn formats(over: &OverDouble, codec: Codec) -> Vec<PixelFormat> {
    let encoders = &over.capabilities().encoders;
    encoders.iter().find(|support| support.codec == codec).unwrap().formats.clone()
}

fn error(over: &OverDouble, config: &EncoderConfig) -> Error {
    Session::try_open(over, config).err().expect("it is refused")
}

#[test]
fn apple_silicon_takes_every_format() {
    let over = OverDouble::new(Machine::apple_silicon());
    let h264 = [PixelFormat::Nv12, PixelFormat::Bgra, PixelFormat::Ayuv];
    assert_eq!(formats(&over, Codec::H264), h264);
    assert_eq!(formats(&over, Codec::H265), PixelFormat::ALL);
    let names = over.capabilities().encoders.iter().map(|support| &support.implementation[..]);
    assert!(
        names.clone().all(|name| name.ends_with("(hardware)")),
        "{:?}",
        names.collect::<Vec<_>>()
    );
}

#[test]
fn what_is_in_use_at_the_start_is_tried_again() {
    let create = ["VTCompressionSessionCreate", "VTDecompressionSessionCreate"];
    let script = Script::new().fail(create[0], 1, -12915).fail(create[1], 3, -12913);
    let found = OverDouble::starting(Machine::apple_silicon(), script).capabilities().clone();
    assert_eq!(&found, OverDouble::new(Machine::apple_silicon()).capabilities());
}

#[test]
fn alpha_is_tried_again_if_all_encoders_are_in_use_at_the_start() {
    let config = EncoderConfig { alpha_quality: 0.5, ..config(Codec::H265, PixelFormat::Bgra) };
    // Behind a session for each of the eight kinds.
    for (failures, warnings) in [(1, 0), (3, 1)] {
        let fail = |script: Script, nth| script.fail("VTCompressionSessionCreate", nth, -12915);
        let script = (9..9 + failures).fold(Script::new(), fail);
        let over = OverDouble::starting(Machine::apple_silicon(), script);
        assert_eq!(Session::open(&over, &config).warnings.len(), warnings, "{failures} failures");
    }
}

#[test]
fn an_intel_mac_lists_what_it_has_and_refuses_the_rest() {
    let over = OverDouble::new(Machine::intel());
    let eight_bits = [PixelFormat::Nv12, PixelFormat::Bgra, PixelFormat::Ayuv];
    assert_eq!(formats(&over, Codec::H265), eight_bits);
    let quality = error(&over, &h264(|c| c.quality = Some(Quality::Percent(50))));
    assert!(matches!(quality, Error::Option { key: "global_quality", .. }), "{quality}");
    let constant = error(&over, &hevc(|c| c.rate.constant = true));
    assert!(matches!(constant, Error::Option { key: "constant_bit_rate", .. }), "{constant}");
}

#[test]
fn low_latency_is_left_out_with_a_warning_where_there_is_none() {
    let over = OverDouble::new(Machine::intel());
    let low_delay = |config: EncoderConfig| EncoderConfig { low_delay: true, ..config };
    assert_eq!(Session::open(&over, &low_delay(h264(|_| {}))).warnings, [""; 0]);
    let session = Session::open(&over, &low_delay(hevc(|_| {})));
    let expected = "flags: LOW_DELAY: without low-latency rate control: not supported: there is no \
                    session for it: there is no such encoder (kVTCouldNotFindVideoEncoderErr, -12908)";
    assert_eq!(session.warnings, [expected]);
    drop(session);
    // Whatever is in its way.
    let script = Script::new().fail("VTCompressionSessionPrepareToEncodeFrames", 1, -12912);
    over.double().script(script);
    let session = Session::open(&over, &low_delay(h264(|_| {})));
    assert_eq!(session.warnings.len(), 1);
    let warning = &session.warnings[0];
    assert!(warning.starts_with("flags: LOW_DELAY: without low-latency rate control: "));
    assert!(warning.contains("kVTVideoEncoderMalfunctionErr, -12912"), "{warning}");
}

#[test]
fn with_low_latency_a_packet_comes_for_each_frame_at_once() {
    let over = OverDouble::new(Machine::apple_silicon());
    for config in [h264(|c| c.low_delay = true), hevc(|c| c.low_delay = true)] {
        let mut session = Session::open(&over, &config);
        assert_eq!(session.warnings, [""; 0]);
        for number in 0..5 {
            session.send(number).unwrap();
            session.listener.wait(|told| (told.packets.len() as i64 > number).then_some(()));
        }
    }
}

#[test]
fn with_low_latency_keyframes_come_as_they_were_asked_for() {
    for (codec, low_delay) in [
        (Codec::H264, h264(|c| (c.low_delay, c.gop) = (true, Some(4)))),
        (Codec::H265, hevc(|c| (c.low_delay, c.gop) = (true, Some(4)))),
    ] {
        let over = OverDouble::new(Machine::apple_silicon());
        let mut session = Session::open(&over, &low_delay);
        assert_eq!(session.warnings, [""; 0]);
        for pts in 0..14 {
            let keyframe = pts == 6;
            session.submit(FrameInfo { pts, keyframe, ..FrameInfo::default() }).unwrap();
        }
        session.encoder.drain().unwrap();
        let packets = session.packets();
        let keyframes = packets.iter().filter(|packet| packet.keyframe).map(|packet| packet.pts);
        assert_eq!(keyframes.collect::<Vec<_>>(), [0, 4, 6, 10]);
        assert_whole(&over, codec, &packets, 14);
    }
}

#[test]
fn a_profile_that_low_latency_does_not_have_is_a_warning_and_no_reason_to_be_without() {
    let over = OverDouble::new(Machine::apple_silicon());
    let warnings = |profile, level| {
        let set = |c: &mut EncoderConfig| {
            (c.low_delay, c.profile, c.level) = (true, Some(profile), level);
        };
        Session::open(&over, &h264(set)).warnings
    };
    assert_eq!(warnings(100, None), [""; 0]);
    assert_eq!(warnings(612, None), [""; 0]);
    let profile = "profile: low-latency rate control has High profiles only";
    assert_eq!(warnings(66, None), [profile]);
    assert_eq!(warnings(77, Some(41)), ["level: low-latency rate control chooses it", profile]);
}

#[test]
fn references_that_the_level_has_no_room_for_are_a_warning() {
    let over = OverDouble::new(Machine::apple_silicon());
    let with = |references| {
        h264(|c| {
            (c.width, c.height, c.max_ref_frames) = (1280, 720, Some(references));
            (c.profile, c.level) = (Some(100), Some(31));
        })
    };
    assert_eq!(Session::open(&over, &with(5)).warnings, [""; 0]);
    let mut session = Session::open(&over, &with(6));
    assert_eq!(session.warnings.len(), 1);
    let warning = &session.warnings[0];
    assert!(warning.starts_with("max_ref_frames: "), "{warning}");
    assert!(warning.contains("kVTParameterErr, -12902"), "{warning}");
    session.send_all(3);
    assert_eq!(session.packets().len(), 3);
}

#[test]
fn without_hardware_software_has_to_be_allowed() {
    let over = OverDouble::new(Machine::software());
    let refused = error(&over, &h264(|_| {}));
    assert!(matches!(refused, Error::Option { key: "allow_sw", .. }), "{refused}");
    assert!(refused.to_string().contains("kVTCouldNotFindVideoEncoderErr"), "{refused}");
    for set in [
        |c: &mut EncoderConfig| c.allow_software = true,
        |c: &mut EncoderConfig| c.require_software = true,
    ] {
        assert_whole(&over, Codec::H264, &encode(&over, &h264(set), 10), 10);
    }
}

#[test]
fn a_size_that_nobody_encodes_is_no_matter_of_software() {
    let over = OverDouble::new(Machine::apple_silicon());
    let odd = error(&over, &h264(|c| c.width = 161));
    assert!(matches!(odd, Error::Unsupported(_)), "{odd}");
}

#[test]
fn software_can_be_required_where_there_is_hardware() {
    let over = OverDouble::new(Machine::apple_silicon());
    let packets = encode(&over, &h264(|c| c.require_software = true), 10);
    assert_whole(&over, Codec::H264, &packets, 10);
}

#[test]
fn a_size_that_the_encoder_changes_is_refused() {
    let over = OverDouble::new(Machine::apple_silicon());
    for (codec, format) in [(Codec::H264, PixelFormat::Nv12), (Codec::H265, PixelFormat::P010)] {
        let odd = EncoderConfig { width: 161, height: 97, ..config(codec, format) };
        let refused = Session::try_open(&over, &odd).err().unwrap().to_string();
        assert!(refused.contains("VideoToolbox makes 160x96 of 161x97"), "{refused}");
    }
}

#[test]
fn a_depth_that_the_encoder_changes_is_refused() {
    let over = OverDouble::new(Machine::apple_silicon());
    over.double().script(Script::new().eight_bits());
    let refused = error(&over, &config(Codec::H265, PixelFormat::P010));
    assert!(matches!(refused, Error::Unsupported(_)), "{refused}");
    assert!(refused.to_string().contains("VideoToolbox makes 8 bits of p010le"), "{refused}");
    // So does a session that follows another.
    over.double().script(Script::new());
    let mut session = Session::open(&over, &config(Codec::H265, PixelFormat::P010));
    over.double().script(Script::new().eight_bits().encode(5, Outcome::Die(-12903)));
    session.send_all(20);
    let failure = session.failure();
    assert!(failure.to_string().contains("VideoToolbox makes 8 bits of p010le"), "{failure}");
    over.double().script(Script::new().eight_bits());
    // What has eight bits anyway is as it is.
    let packets = encode(&over, &config(Codec::H265, PixelFormat::Nv12), 10);
    assert_whole(&over, Codec::H265, &packets, 10);
}

#[test]
fn alpha_is_encoded_where_it_can_be() {
    let with_alpha = |format| EncoderConfig { alpha_quality: 0.5, ..config(Codec::H265, format) };
    let over = OverDouble::new(Machine::apple_silicon());
    for format in [PixelFormat::Bgra, PixelFormat::Ayuv] {
        let mut session = Session::open(&over, &with_alpha(format));
        assert_eq!(session.warnings, [""; 0]);
        // What the stream says of its alpha is in the record.
        let (sets, _) = ParameterSets::from_record(Codec::H265, &session.parameter_sets).unwrap();
        assert!(sets.sei().any(|nal| nal.starts_with(&[0x4e, 1, 165])));
        session.send_all(5);
        assert_eq!(session.packets().len(), 5);
        // And, where the stream has its sets, behind them.
        let mut session =
            Session::open(&over, &EncoderConfig { global_header: false, ..with_alpha(format) });
        session.send_all(2);
        let packets = session.packets();
        let has = |packet: &EncodedPacket| {
            annexb::nal_units(&packet.data).any(|nal| nal.starts_with(&[0x4e, 1, 165]))
        };
        assert_eq!((has(&packets[0]), has(&packets[1])), (true, false));
    }
    drop(over);
    let over = OverDouble::new(Machine::intel());
    let session = Session::open(&over, &with_alpha(PixelFormat::Bgra));
    assert_eq!(session.warnings, ["alpha_quality: this machine encodes no alpha; it is left out"]);
}

/// The hashes of the alpha that the encoder was given, as the double puts them into packets.
fn alpha_in(packet: &EncodedPacket) -> Option<u64> {
    let mut nals = annexb::nal_units(&packet.data);
    let layer = nals.find(|nal| nal.starts_with(&[0x50, 0x09, 5, 32]))?;
    u64::from_str_radix(std::str::from_utf8(layer.get(20..36)?).ok()?, 16).ok()
}

#[test]
fn alpha_arrives_as_it_is_whatever_the_rows() {
    for (format, place) in [(PixelFormat::Bgra, 3), (PixelFormat::Ayuv, 0)] {
        for (width, rows) in [(160, 16), (162, 64), (70, 256)] {
            let over = OverDouble::new(Machine::apple_silicon().rows(rows));
            let config = EncoderConfig { alpha_quality: 0.5, width, ..config(Codec::H265, format) };
            let mut session = Session::open(&over, &config);
            let mut expected = Vec::new();
            for pts in 0..9 {
                let picture = session.encoder.picture(PATIENCE).unwrap().expect("a picture");
                let (shape, _) = picture.plane(0).unwrap();
                let mut lent = picture.lend(0, 0..shape.rows).unwrap();
                let stride = lent.stride();
                // Another alpha in each pixel and picture, in rows with something else between them.
                let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
                for (y, row) in lent.bytes().chunks_mut(stride).enumerate() {
                    row.fill(0xee);
                    for (x, pixel) in row[..shape.row_bytes].chunks_mut(4).enumerate() {
                        let alpha = (7 * x + 13 * y + 31 * pts) as u8;
                        pixel.fill(100);
                        pixel[place] = alpha;
                        hash = (hash ^ u64::from(alpha)).wrapping_mul(0x0100_0000_01b3);
                    }
                }
                drop(lent);
                expected.push((pts as i64, Some(hash)));
                let info = FrameInfo { pts: pts as i64, duration: 1, ..FrameInfo::default() };
                session.encoder.submit(picture, info).unwrap();
            }
            session.encoder.drain().unwrap();
            let packets = session.packets();
            let found: Vec<_> = packets.iter().map(|p| (p.pts, alpha_in(p))).collect();
            assert_eq!(found, expected, "{format:?} {width} in rows of {rows}");
        }
    }
}

#[test]
fn a_client_with_a_small_window_is_given_few_frames_of_delay() {
    let over = OverDouble::new(Machine::apple_silicon());
    for (b_frames, most) in [(0, 6), (2, 4)] {
        drop(Session::open(&over, &h264(|c| (c.max_delay, c.b_frames) = (Some(7), b_frames))));
        let all = over.double().properties();
        let last = all.iter().rev().find(|property| property.name == "MaxFrameDelayCount");
        let value = last.map(|property| &property.value);
        assert_eq!(value, Some(&vtremote_apple_double::Value::Integer(most)));
    }
}

#[test]
fn what_a_mac_fails_at_is_not_listed() {
    let over = OverDouble::new(Machine::apple_silicon());
    // A session that is tried, whatever the list says.
    over.double().script(Script::new().property("ProfileLevel", -12902));
    let notices = std::sync::Arc::new(|_: String| {});
    let backend = vtremote_backend_videotoolbox::VideoToolbox::new(notices).unwrap();
    let hevc = backend.capabilities().encoders.iter().find(|s| s.codec == Codec::H265).unwrap();
    assert_eq!(hevc.formats, [PixelFormat::Nv12, PixelFormat::Bgra, PixelFormat::Ayuv]);
}
