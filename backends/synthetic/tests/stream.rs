//! What other software reads in the streams. Needs the command ffprobe.

mod session;

use session::{config, open};
use std::path::PathBuf;
use std::process::Command;
use vtremote_backend::{Codec, EncoderConfig, FrameInfo, PixelFormat};
use vtremote_bitstream::{AccessUnits, ParameterSets};

/// What ffprobe reads from a stream.
fn probe(name: &str, codec: Codec, stream: &[u8], entries: &str) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, stream).unwrap();
    let demuxer = match codec {
        Codec::H264 => "h264",
        Codec::H265 => "hevc",
    };
    let mut ffprobe = Command::new("ffprobe");
    ffprobe.args(["-v", "quiet", "-of", "csv=p=0", "-f", demuxer, "-show_entries", entries]);
    let output = ffprobe.arg(&path).output();
    let output = output.unwrap_or_else(|error| panic!("ffprobe is needed for this test: {error}"));
    String::from_utf8(output.stdout).unwrap()
}

fn stream(name: &str, codec: Codec, config: &EncoderConfig) -> (String, Vec<u8>) {
    let mut session = open("reorder=2", config);
    session.send_many(13);
    let data = session.finish().into_iter().flat_map(|packet| packet.data).collect();
    let extension = if codec == Codec::H264 { "264" } else { "265" };
    (format!("{name}.{extension}"), data)
}

#[test]
fn ffprobe_reads_size_depth_profile_and_reordering_from_the_parameter_sets() {
    use PixelFormat::{Ayuv, Bgra, Nv12, P010, P210};
    let cases = [
        (Codec::H264, Nv12, "High,66,34,1,yuv420p,20"),
        (Codec::H264, P010, "High 10,66,34,1,yuv420p10le,20"),
        (Codec::H264, P210, "High 4:2:2,66,34,1,yuv422p10le,20"),
        (Codec::H264, Bgra, "High,66,34,1,yuv420p,20"),
        (Codec::H265, Nv12, "Main,66,34,1,yuv420p,60"),
        (Codec::H265, P010, "Main 10,66,34,1,yuv420p10le,60"),
        (Codec::H265, P210, "Rext,66,34,1,yuv422p10le,60"),
        (Codec::H265, Ayuv, "Main,66,34,1,yuv420p,60"),
    ];
    for (codec, format, expected) in cases {
        let (name, data) = stream(format.name(), codec, &config(codec, format));
        let entries = "stream=profile,width,height,has_b_frames,pix_fmt,level";
        let found = probe(&name, codec, &data, entries);
        assert_eq!(found.trim(), expected, "{codec} from {format:?}");
    }
}

#[test]
fn ffprobe_finds_every_packet_and_every_keyframe() {
    for codec in [Codec::H264, Codec::H265] {
        let config = EncoderConfig { gop: Some(5), ..config(codec, PixelFormat::Nv12) };
        let (name, data) = stream("packets", codec, &config);
        let found = probe(&name, codec, &data, "packet=flags");
        let keys: Vec<_> = found.lines().map(|flags| flags.starts_with('K')).collect();
        let expected: Vec<_> = (0..13).map(|packet| [0, 5, 10].contains(&packet)).collect();
        assert_eq!(keys, expected, "{codec}");
    }
}

#[test]
fn a_size_that_chroma_cannot_halve_is_rounded_up_in_the_stream() {
    for codec in [Codec::H264, Codec::H265] {
        let config = EncoderConfig { width: 35, height: 19, ..config(codec, PixelFormat::Nv12) };
        let (name, data) = stream("odd", codec, &config);
        let found = probe(&name, codec, &data, "stream=width,height");
        assert_eq!(found.trim(), "36,20", "{codec}");
    }
}

#[test]
fn large_sizes_are_written_as_they_are() {
    for codec in [Codec::H264, Codec::H265] {
        let config =
            EncoderConfig { width: 3840, height: 2160, ..config(codec, PixelFormat::P010) };
        let (name, data) = {
            let mut session = open("hash=off,pictures=1", &config);
            session.send(0, FrameInfo::default());
            let name = format!("large{}", if codec == Codec::H264 { ".264" } else { ".265" });
            (name, session.finish().remove(0).data)
        };
        let found = probe(&name, codec, &data, "stream=width,height,level");
        let level = if codec == Codec::H264 { 51 } else { 150 };
        assert_eq!(found.trim(), format!("3840,2160,{level}"));
    }
}

#[test]
fn a_stream_falls_apart_into_the_access_units_that_it_was_made_of() {
    for codec in [Codec::H264, Codec::H265] {
        let mut session = open("reorder=1", &config(codec, PixelFormat::Nv12));
        session.send_many(8);
        let packets = session.finish();
        let mut units = AccessUnits::new(codec, 1 << 20);
        packets.iter().for_each(|packet| units.push(&packet.data));
        units.finish();
        for packet in packets {
            assert_eq!(units.next_unit().unwrap(), Some(&packet.data[..]));
        }
        assert_eq!(units.next_unit().unwrap(), None);
    }
}

#[test]
fn the_record_holds_the_sets_of_the_stream() {
    for codec in [Codec::H264, Codec::H265] {
        let mut session = open("", &config(codec, PixelFormat::P010));
        session.send_many(1);
        let record = std::mem::take(&mut session.opened.parameter_sets);
        let (sets, _) = ParameterSets::from_record(codec, &record).unwrap();
        let packet = session.finish().remove(0);
        assert_eq!(ParameterSets::in_access_unit(codec, &packet.data), sets);
    }
}
