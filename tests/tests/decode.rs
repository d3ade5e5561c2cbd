//! Remote pictures are those of a local decoder, whatever the stream, and decoding goes on where a local
//! one would.

mod mp4;

use mp4::Part;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use vtremote_bitstream::{Codec, access_units, sei};
use vtremote_tests::{
    Daemon, Ffmpeg, Running, Signal, WithoutExtensions, pcm, run, scratch, series, skip, stock,
};

/// Streams that only other encoders make. None where the distribution's ffmpeg is not installed.
struct Source {
    ffmpeg: PathBuf,
    dir: PathBuf,
}

impl Source {
    fn new(test: &str) -> Option<Self> {
        let ffmpeg = stock("ffmpeg");
        if ffmpeg.is_none() {
            skip(test, "no ffmpeg is installed");
        }
        Some(Source { ffmpeg: ffmpeg?, dir: scratch(&format!("decode-{test}")) })
    }

    /// A file of moving pictures, `frames` of them at 25 a second, coded as `options` say.
    #[track_caller]
    fn coded(&self, name: &str, size: &str, frames: usize, options: &str) -> PathBuf {
        let path = self.dir.join(name);
        let mut command = Command::new(&self.ffmpeg);
        command.args(["-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i"]);
        command.arg(format!("testsrc2=size={size}:rate=25"));
        command.args(["-frames:v", &frames.to_string(), "-preset", "veryfast"]);
        // Without it x265 writes to the terminal.
        if options.contains("libx265") && !options.contains("-x265-params") {
            command.args(["-x265-params", "log-level=none"]);
        }
        run(command.args(options.split_whitespace()).arg(&path)).ok();
        path
    }

    /// Files after each other in one file.
    fn joined(&self, name: &str, parts: &[PathBuf]) -> PathBuf {
        let path = self.dir.join(name);
        let bytes: Vec<u8> =
            parts.iter().flat_map(|part| fs::read(part).expect("a part")).collect();
        fs::write(&path, bytes).expect("the whole");
        path
    }
}

const H264: &str = "-c:v libx264 -pix_fmt yuv420p";
const H264_10: &str = "-c:v libx264 -pix_fmt yuv420p10le";
const HEVC: &str = "-c:v libx265 -pix_fmt yuv420p";
const HEVC_10: &str = "-c:v libx265 -pix_fmt yuv420p10le";

fn codec_of(options: &str) -> &'static str {
    if options.contains("libx265") { "hevc" } else { "h264" }
}

fn pixels_of(options: &str) -> &'static str {
    if options.contains("10le") { "p010le" } else { "nv12" }
}

/// A decoder's pictures: times, size and hash of each as framemd5 tells them, and what showinfo says of
/// them (time, format, position of chroma, aspect, size, fields; range and colours).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Decoded {
    frames: Vec<String>,
    shown: Vec<String>,
    colors: Vec<String>,
    stderr: String,
}

/// Decodes a file by `decoder`, which has the options before `-i`.
#[track_caller]
fn decode(decoder: Ffmpeg, file: &Path, pixels: &str) -> Decoded {
    let filter = format!("-map 0:v -vf showinfo=checksum=0,format={pixels} -fps_mode passthrough");
    let ffmpeg = decoder.arg("-i").arg(file).args(&filter).args("-f framemd5 -");
    let finished = ffmpeg.run();
    let stderr = finished.stderr.clone();
    let text = String::from_utf8(finished.ok()).expect("framemd5 writes text");
    let frames = text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
    let shown = stderr.lines().filter_map(shown).collect();
    let colors = stderr.lines().filter_map(|line| Some(line.split_once(" color_range:")?.1));
    let colors = colors.map(|line| match line.strip_prefix("unknown ") {
        // So does a scaler of 5.1, which may stand before showinfo, where a decoder gives planes apart.
        Some(rest) if series() == "5.1" => format!("tv {rest}"),
        _ => line.to_owned(),
    });
    let colors = colors.collect();
    Decoded { frames, shown, colors, stderr }
}

/// What showinfo says of a frame that does not depend on who decoded it: between "pts:" and "iskey:",
/// but neither the format's name nor the position in the file.
fn shown(line: &str) -> Option<String> {
    let line = line.split_once(" pts:")?.1.split_once(" iskey:")?.0;
    let words = line.split_whitespace();
    Some(words.filter(|word| !word.starts_with("fmt:")).collect::<Vec<_>>().join(" "))
}

#[track_caller]
fn locally(codec: &str, file: &Path, pixels: &str) -> Decoded {
    decode(Ffmpeg::new().args(&format!("-c:v {codec}")), file, pixels)
}

impl Decoded {
    /// FFmpeg 5.1 guesses the times of packets that have none, and those after a jump, by how many
    /// pictures have come when the next packet is there, so that they are others with every decoder.
    fn but_for_guessed_times(mut self) -> Self {
        if series() == "5.1" {
            for frame in &mut self.frames {
                *frame = frame.split(',').skip(4).collect();
            }
            for shown in &mut self.shown {
                let words = shown.split_whitespace().skip_while(|word| !word.starts_with("sar:"));
                *shown = words.collect::<Vec<_>>().join(" ");
            }
        }
        self
    }

    /// FFmpeg's decoders tell colours as soon as they have read of them, a few pictures early.
    fn but_for_colors_around_changes(mut self) -> Self {
        self.colors = [10, 30, 50].map(|amid| self.colors[amid].clone()).into();
        self
    }

    /// Whether pictures were taken as fields, and which came first, is told by `x.geometry.v1` only.
    fn but_for_fields(&self) -> Self {
        let all_else = |shown: &String| {
            let words = shown.split(' ').filter(|word| !word.starts_with("i:"));
            words.collect::<Vec<_>>().join(" ")
        };
        Decoded { shown: self.shown.iter().map(all_else).collect(), ..self.clone() }
    }
}

#[track_caller]
fn same(remote: &Decoded, local: &Decoded, what: &str) {
    assert!(!local.frames.is_empty(), "{what}: nothing to compare");
    for (remote, local) in [
        (&remote.frames, &local.frames),
        (&remote.shown, &local.shown),
        (&remote.colors, &local.colors),
    ] {
        for (number, (one, other)) in remote.iter().zip(local).enumerate() {
            assert_eq!(one, other, "{what}: picture {number}");
        }
    }
    assert_eq!(remote.frames.len(), local.frames.len(), "{what}");
}

/// Decodes at the daemon and here, and compares.
#[track_caller]
fn as_locally(daemon: &Daemon, options: &str, file: &Path) {
    let (codec, pixels) = (codec_of(options), pixels_of(options));
    let remote = decode(Ffmpeg::new().decoder(codec, daemon.address()), file, pixels);
    same(&remote, &locally(codec, file, pixels), &format!("{} {options}", file.display()));
}

#[test]
fn pictures_of_every_size() {
    let Some(source) = Source::new("pictures_of_every_size") else { return };
    let daemon = Daemon::libavcodec(&[]);
    for (size, frames) in [("350x198", 12), ("854x480", 8), ("1918x1078", 4), ("4096x2304", 2)] {
        for options in [H264, HEVC] {
            let file = source.coded("in.mp4", size, frames, options);
            as_locally(&daemon, options, &file);
        }
    }
    as_locally(&daemon, H264, &source.coded("in.mp4", "16x16", 12, H264));
    as_locally(&daemon, HEVC, &source.coded("in.mp4", "64x64", 12, HEVC));
    // libx265 would write behind its memory otherwise.
    let small = format!("{HEVC} -x265-params log-level=none:cutree=0");
    for size in ["16x16", "34x18", "62x34", "98x66"] {
        as_locally(&daemon, &small, &source.coded("in.mp4", size, 12, &small));
    }
    for (size, frames, options) in [
        ("854x480", 8, HEVC_10),
        ("1918x1078", 4, HEVC_10),
        ("4096x2304", 2, HEVC_10),
        ("1278x718", 6, H264_10),
        ("4096x2304", 2, H264_10),
    ] {
        as_locally(&daemon, options, &source.coded("in.mp4", size, frames, options));
    }
}

#[test]
fn every_way_to_code_pictures() {
    let Some(source) = Source::new("every_way_to_code_pictures") else { return };
    let daemon = Daemon::libavcodec(&[]);
    for (base, structures) in [
        (
            H264,
            &[
                "-g 1",
                "-bf 0 -g 10",
                "-bf 3 -b_strategy 0 -g 30 -x264-params b-pyramid=normal:open-gop=1:keyint=8",
                "-coder cavlc -refs 5 -slices 4",
                "-intra-refresh 1 -g 10",
                "-flags +ildct+ilme -x264-params tff=1",
                "-flags +ildct+ilme -x264-params bff=1 -bf 2",
                "-x264-params fake-interlaced=1",
                "-colorspace bt709 -color_primaries bt709 -color_trc bt709 -vf setsar=4/3",
            ][..],
        ),
        (H264_10, &["-bf 2 -g 12"]),
        (HEVC, &["-x265-params log-level=none:bframes=0", "-x265-params log-level=none:keyint=8"]),
        (
            HEVC_10,
            &[
                "-x265-params log-level=none:bframes=8:open-gop=1:keyint=10:min-keyint=1",
                "-color_primaries bt2020 -color_trc smpte2084 -colorspace bt2020nc",
            ],
        ),
    ] {
        for structure in structures {
            let options = format!("{base} {structure}");
            as_locally(&daemon, &options, &source.coded("in.mkv", "352x288", 40, &options));
        }
    }
}

#[test]
fn four_two_two_keeps_its_colour() {
    let Some(source) = Source::new("four_two_two") else { return };
    let daemon = Daemon::libavcodec(&[]);
    for codec in ["libx264", "libx265"] {
        for pixels in ["yuv422p", "yuv422p10le"] {
            let options = format!("-c:v {codec} -pix_fmt {pixels} -bf 2");
            let file = source.coded("in.mkv", "350x198", 20, &options);
            let codec = codec_of(&options);
            // Ours are p210le, in which eight bits are the high ones.
            let remote = decode(Ffmpeg::new().decoder(codec, daemon.address()), &file, pixels);
            same(&remote, &locally(codec, &file, pixels), &options);
        }
    }
}

#[test]
fn full_range_stays_full() {
    let Some(source) = Source::new("full_range_stays_full") else { return };
    let daemon = Daemon::libavcodec(&[]);
    let options = format!("{H264} -color_range pc -colorspace bt709");
    let file = source.coded("in.mkv", "352x288", 20, &options);
    // Local decoders have a pixel format of its own for it, which format=nv12 alone would convert.
    let as_it_is = "yuvj420p|nv12,scale=in_range=pc:out_range=pc,format=nv12";
    let remote = decode(Ffmpeg::new().decoder("h264", daemon.address()), &file, as_it_is);
    same(&remote, &locally("h264", &file, as_it_is), "full range");
    let full = |line: &&str| line.contains("color_range:pc");
    assert_eq!(remote.stderr.lines().filter(full).count(), 20);
}

#[test]
fn every_way_over_the_wire() {
    let Some(source) = Source::new("every_way_over_the_wire") else { return };
    let daemon = Daemon::libavcodec(&[]);
    for base in [H264, HEVC_10] {
        let (codec, pixels) = (codec_of(base), pixels_of(base));
        let file = source.coded("in.mp4", "350x198", 40, base);
        let local = locally(codec, &file, pixels);
        for compression in ["none", "lz4", "zstd", "vtz", "vtz-fast"] {
            for slices in ["0", "1"] {
                // It only travels in slices.
                if slices == "0" && compression.starts_with("vtz") {
                    continue;
                }
                let inflight = match (compression, slices) {
                    ("none", _) => 1,
                    ("lz4", "1") => 2,
                    _ => 16,
                };
                let decoder = Ffmpeg::new().env("VTREMOTE_SLICES", slices);
                let options = format!(
                    "-vt_remote_wire_compression {compression} -vt_remote_inflight {inflight}"
                );
                let decoder = decoder.decoder(codec, daemon.address()).args(&options);
                let what = format!("{base} {options} slices {slices}");
                same(&decode(decoder, &file, pixels), &local, &what);
            }
        }
    }
}

/// Frames that are coded as two fields, and some that are not. Each field or frame in a packet.
fn fields(bottom_first: bool) -> Vec<Vec<u8>> {
    let picture = |pts: i64, bottom_field: Option<bool>| pcm::Picture {
        pts,
        level: 30 + 5 * pts as u8 + u8::from(bottom_field == Some(true)),
        reference: pts % 3 != 1,
        bottom_field,
    };
    let frames = (0..24).flat_map(|pts| match pts % 5 {
        4 => vec![picture(pts, None)],
        _ => [bottom_first, !bottom_first].map(|bottom| picture(pts, Some(bottom))).into(),
    });
    pcm::packets(&frames.collect::<Vec<_>>())
}

#[test]
fn fields_in_packets_of_their_own_or_two_in_one() {
    let dir = scratch("decode-fields");
    let daemon = Daemon::libavcodec(&[]);
    let plain = WithoutExtensions::before(daemon.address());
    let size = (pcm::SIZE.0 as u16, pcm::SIZE.1 as u16);
    for bottom_first in [false, true] {
        let packets = fields(bottom_first);
        let raw = dir.join("fields.h264");
        fs::write(&raw, packets.concat()).expect("a stream");
        let mut files = vec![raw.clone()];
        for name in ["copy.mkv", "copy.mp4", "copy.ts"] {
            let file = dir.join(name);
            Ffmpeg::new().args("-r 50 -i").arg(&raw).args("-c copy").arg(&file).run().ok();
            files.push(file);
        }
        let units = || packets.iter().map(Vec::as_slice);
        files.push(dir.join("apart.mp4"));
        mp4::write(&dir.join("apart.mp4"), 50, &[Part::new(Codec::H264, size, 4, units())]);
        // Of five frames the first four are two packets each.
        let (mut paired, mut left) = (Vec::new(), units());
        for at in 0..24 {
            let packets = if at % 5 == 4 { 1 } else { 2 };
            paired.push(left.by_ref().take(packets).collect::<Vec<_>>().concat());
        }
        files.push(dir.join("paired.mp4"));
        let paired = Part::new(Codec::H264, size, 4, paired.iter().map(Vec::as_slice));
        mp4::write(&dir.join("paired.mp4"), 25, &[paired]);
        for file in files {
            let local = locally("h264", &file, "nv12").but_for_guessed_times();
            assert_eq!(local.frames.len(), 24, "{}", file.display());
            let fields = local.shown.iter().filter(|shown| !shown.contains("i:P")).count();
            assert!(fields >= 19, "{:?}", local.shown);
            for server in [daemon.address(), plain.address()] {
                let remote = decode(Ffmpeg::new().decoder("h264", server), &file, "nv12");
                let what = format!("{} at {server}", file.display());
                let remote = remote.but_for_guessed_times();
                if server == daemon.address() {
                    same(&remote, &local, &what);
                } else {
                    same(&remote.but_for_fields(), &local.but_for_fields(), &what);
                }
            }
        }
    }
}

#[test]
fn packets_without_times() {
    let Some(source) = Source::new("packets_without_times") else { return };
    let daemon = Daemon::libavcodec(&[]);
    for (name, options) in [("in.h264", H264), ("in.hevc", HEVC), ("in.avi", H264)] {
        let file = source.coded(name, "352x288", 40, options);
        let codec = codec_of(options);
        let remote = decode(Ffmpeg::new().decoder(codec, daemon.address()), &file, "nv12");
        let local = locally(codec, &file, "nv12");
        same(&remote.but_for_guessed_times(), &local.but_for_guessed_times(), name);
    }
}

#[test]
fn what_the_container_leaves_out_is_not_shown() {
    let Some(source) = Source::new("what_the_container_leaves_out") else { return };
    let daemon = Daemon::libavcodec(&[]);
    let whole = source.coded("in.mp4", "352x288", 60, &format!("{H264} -bf 2 -g 25"));
    let cut = source.dir.join("cut.mp4");
    // Amid a group of pictures: those before are in the file, and its edit list says to skip them.
    let copy = Ffmpeg::new().args("-ss 1.3 -i").arg(&whole).args("-c copy");
    copy.arg(&cut).run().ok();
    as_locally(&daemon, H264, &cut);
}

#[test]
fn what_only_the_container_cuts_is_cut() {
    let Some(source) = Source::new("what_only_the_container_cuts") else { return };
    let daemon = Daemon::libavcodec(&[]);
    let plain = WithoutExtensions::before(daemon.address());
    for (codec, options) in [(Codec::H264, H264), (Codec::H265, HEVC)] {
        let name = codec_of(options);
        let stream =
            source.coded(&format!("in.{name}"), "352x288", 10, &format!("{options} -bf 0"));
        let stream = fs::read(stream).expect("a stream");
        // Less than a macroblock of each side; more than that; more than there is.
        for (size, shown) in
            [((341, 274), (341, 274)), ((352, 272), (352, 288)), ((360, 288), (352, 288))]
        {
            let file = source.dir.join("cut.mp4");
            mp4::write(&file, 25, &[Part::new(codec, size, 4, access_units(codec, &stream))]);
            let local = locally(name, &file, "nv12");
            if codec == Codec::H264 {
                let shown = format!("s:{}x{}", shown.0, shown.1);
                assert!(local.shown.iter().all(|line| line.contains(&shown)), "{:?}", local.shown);
            }
            for server in [daemon.address(), plain.address()] {
                let remote = decode(Ffmpeg::new().decoder(name, server), &file, "nv12");
                same(&remote, &local, &format!("{name} {size:?} at {server}"));
            }
        }
    }
}

/// A stream that says of what shape its samples are and what colours they mean.
fn told(codec: &str) -> String {
    let base = if codec == "hevc" { HEVC } else { H264 };
    let colors = "colour_primaries=9:transfer_characteristics=14:matrix_coefficients=9";
    format!("{base} -bsf:v {codec}_metadata=sample_aspect_ratio=4/3:{colors}")
}

#[test]
fn a_stream_that_changes_midway() {
    let Some(source) = Source::new("a_stream_that_changes_midway") else { return };
    let daemon = Daemon::libavcodec(&[]);
    for (name, parts) in [
        ("size.ts", [("352x288", H264), ("640x360", H264), ("128x96", H264)]),
        ("size.h264", [("352x288", H264), ("350x198", H264), ("352x288", H264)]),
        ("depth.hevc", [("352x288", HEVC), ("352x288", HEVC_10), ("320x180", HEVC)]),
        ("told.h264", [("352x288", H264), ("352x288", &told("h264")), ("352x288", H264)]),
        ("told.hevc", [("352x288", HEVC), ("352x288", &told("hevc")), ("352x288", HEVC)]),
    ] {
        let extension = name.rsplit('.').next().expect("an extension");
        let parts: Vec<_> = (0..)
            .zip(parts)
            .map(|(number, (size, options))| {
                source.coded(&format!("part-{number}.{extension}"), size, 20, options)
            })
            .collect();
        let file = source.joined(name, &parts);
        let codec = if extension == "hevc" { "hevc" } else { "h264" };
        let remote = decode(Ffmpeg::new().decoder(codec, daemon.address()), &file, "nv12|p010le");
        let local = locally(codec, &file, "nv12|p010le");
        assert_eq!(local.frames.len(), 60, "{name}");
        let [remote, local] = [remote, local].map(Decoded::but_for_guessed_times);
        let [remote, local] = [remote, local].map(Decoded::but_for_colors_around_changes);
        let told = local.colors.iter().any(|colors| colors.contains("bt2020"));
        assert_eq!(told, name.starts_with("told"), "{:?}", local.colors);
        same(&remote, &local, name);
    }
}

#[test]
fn parameter_sets_that_the_container_changes_midway() {
    let Some(source) = Source::new("parameter_sets_that_change") else { return };
    let daemon = Daemon::libavcodec(&[]);
    let plain = WithoutExtensions::before(daemon.address());
    let x265 = format!("{HEVC} -x265-params log-level=none:bframes=0");
    let deep = format!("{HEVC_10} -x265-params log-level=none:bframes=0");
    let (cavlc, cabac) = (format!("{H264} -bf 0 -coder cavlc"), format!("{H264} -bf 0"));
    for (codec, parts) in [
        (Codec::H264, [((352, 288), &cabac, 4), ((640, 360), &cabac, 4), ((352, 288), &cavlc, 2)]),
        (Codec::H265, [((352, 288), &x265, 4), ((640, 360), &x265, 4), ((352, 288), &deep, 2)]),
    ] {
        let name = codec_of(parts[0].1);
        let parts = parts.map(|((width, height), options, lengths)| {
            let size = format!("{width}x{height}");
            let file = source.coded(&format!("part.{name}"), &size, 20, &format!("{options} -g 8"));
            let stream = fs::read(file).expect("a stream");
            Part::new(codec, (width, height), lengths, access_units(codec, &stream))
        });
        let file = source.dir.join(format!("{name}.mp4"));
        mp4::write(&file, 25, &parts);
        for seek in ["", "-ss 0.5", "-ss 1.4", "-stream_loop 1"] {
            let local = Ffmpeg::new().args(seek).args(&format!("-c:v {name}"));
            let local = decode(local, &file, "nv12|p010le");
            for server in [daemon.address(), plain.address()] {
                let remote = Ffmpeg::new().args(seek).decoder(name, server);
                let remote = decode(remote, &file, "nv12|p010le");
                same(&remote, &local, &format!("{name} {seek} at {server}"));
            }
            let whole = [("", 60), ("-stream_loop 1", 120)];
            if let Some((_, frames)) = whole.iter().find(|(known, _)| *known == seek) {
                assert_eq!(local.frames.len(), *frames, "{name} {seek}");
            }
        }
    }
}

#[test]
fn damaged_and_missing_packets_cost_what_they_cost_the_servers_decoder_at_home() {
    let Some(source) = Source::new("damaged_and_missing_packets") else { return };
    let daemon = Daemon::libavcodec(&[]);
    for base in [H264, HEVC] {
        let whole = source.coded("in.ts", "352x288", 100, &format!("{base} -g 20"));
        for damage in [
            "noise=drop='eq(mod(n\\,10)\\,5)'",
            "noise=drop='lt(n\\,7)'",
            "noise=amount='if(eq(mod(n\\,9)\\,4)\\,50\\,0)'",
        ] {
            let file = source.dir.join("damaged.ts");
            let copy = Ffmpeg::new().arg("-i").arg(&whole).args("-c copy -bsf:v").arg(damage);
            copy.arg(&file).run().ok();
            // What a decoder makes of damage is a matter of its version: the server's is the installed.
            let mut command = Command::new(&source.ffmpeg);
            command.args(["-nostdin", "-v", "quiet", "-i"]).arg(&file);
            command.args(["-map", "0:v", "-fps_mode", "passthrough", "-vf", "format=nv12"]);
            command.args(["-f", "framemd5", "-"]);
            let installed =
                String::from_utf8(run(&mut command).ok()).expect("framemd5 writes text");
            let pixels = |line: &str| line.rsplit(',').next().expect("a hash").trim().to_owned();
            let pictures = installed.lines().filter(|line| !line.starts_with('#'));
            let installed = pictures.map(pixels).collect::<Vec<_>>();
            assert!(installed.len() > 50, "{base} {damage}: {} pictures", installed.len());
            let decoder = Ffmpeg::new().decoder(codec_of(base), daemon.address());
            let remote = decode(decoder, &file, "nv12");
            let pictures = remote.frames.iter().map(|line| pixels(line)).collect::<Vec<_>>();
            assert_eq!(pictures.len(), installed.len(), "{base} {damage}");
            // What takes the place of damage within a picture depends on how its threads ran.
            let (noise, same) = (damage.contains("amount"), pictures == installed);
            assert!(noise || same, "{base} {damage}: other pictures");
            // Who decodes reads of it, and not only who keeps the server.
            let told = remote.stderr.contains("server: decoder: ");
            assert!(told || !noise, "{base} {damage}: {}", remote.stderr);
        }
    }
}

#[test]
fn captions_come_with_their_pictures() {
    let Some(source) = Source::new("captions_come_with_their_pictures") else { return };
    let daemon = Daemon::libavcodec(&[]);
    for (options, codec) in [(H264, Codec::H264), (HEVC, Codec::H265)] {
        let plain = source.coded(
            "plain.bin",
            "128x96",
            12,
            &format!("{options} -bf 2 -f {}", codec_of(options)),
        );
        let mut stream = Vec::new();
        for (number, unit) in access_units(codec, &fs::read(plain).expect("a stream")).enumerate() {
            let messages = sei::captions(&[0xfc, 0x80, number as u8]).expect("captions");
            sei::insert(codec, unit, &[messages], &mut stream).expect("an access unit");
        }
        let file = source.dir.join("captions.bin");
        fs::write(&file, stream).expect("a stream with captions");
        let captions = |decoder: Ffmpeg| {
            let decoded = decode(decoder.args(&format!("-f {}", codec_of(options))), &file, "nv12");
            decoded
                .stderr
                .lines()
                .filter(|line| line.contains("A/53") || line.contains("A53"))
                .count()
        };
        assert_eq!(captions(Ffmpeg::new()), 12);
        assert_eq!(captions(Ffmpeg::new().decoder(codec_of(options), daemon.address())), 12);
    }
}

#[test]
fn a_seek_begins_anew() {
    let Some(source) = Source::new("a_seek_begins_anew") else { return };
    let daemon = Daemon::libavcodec(&[]);
    for options in [H264, HEVC] {
        let file = source.coded("in.mp4", "352x288", 100, &format!("{options} -g 25"));
        let codec = codec_of(options);
        for seek in
            ["-stream_loop 3", "-ss 1.3", "-ss 3.9", "-ss 2 -t 0.5", "-ss 1.3 -noaccurate_seek"]
        {
            let remote = Ffmpeg::new().args(seek).decoder(codec, daemon.address());
            let local = Ffmpeg::new().args(seek).args(&format!("-c:v {codec}"));
            same(&decode(remote, &file, "nv12"), &decode(local, &file, "nv12"), seek);
        }
    }
}

/// A remote decoder that takes about two seconds for its 50 pictures, as a player does.
fn player(daemon: &Daemon, file: &Path) -> Ffmpeg {
    let decoder = Ffmpeg::new().args("-re").decoder("h264", daemon.address());
    decoder.args("-vt_remote_timeout_ms 3000 -i").arg(file)
}

fn until_the_fifth_picture(player: &Running) {
    player.line(4, |line| line.contains(" pts:").then_some(()));
}

#[test]
fn a_player_may_pause_for_longer_than_any_timeout() {
    let Some(source) = Source::new("a_player_may_pause") else { return };
    let daemon = Daemon::libavcodec(&[]);
    let file = source.coded("in.mp4", "352x288", 50, H264);
    let player = player(&daemon, &file).args("-vf showinfo=checksum=0 -f framemd5 -").start();
    until_the_fifth_picture(&player);
    player.signal(Signal::STOP);
    // The client takes no silence for one that is shorter than three seconds.
    std::thread::sleep(Duration::from_secs(4));
    player.signal(Signal::CONT);
    let text = String::from_utf8(player.finish(Duration::from_secs(60)).ok()).expect("text");
    assert_eq!(text.lines().filter(|line| !line.starts_with('#')).count(), 50);
}

#[test]
fn who_stops_in_the_middle_leaves_its_place_to_the_next() {
    let Some(source) = Source::new("who_stops_in_the_middle") else { return };
    let daemon = Daemon::libavcodec(&["--max-sessions", "1"]);
    let file = source.coded("in.mp4", "352x288", 100, H264);
    for number in 0..3 {
        let decoder = Ffmpeg::new().decoder("h264", daemon.address()).arg("-i").arg(&file);
        decoder.args("-frames:v 5 -f null -").run().ok();
        daemon.session(number);
    }
}

#[test]
fn a_server_that_is_lost_ends_decoding_with_an_error() {
    let Some(source) = Source::new("a_server_that_is_lost") else { return };
    let file = source.coded("in.mp4", "352x288", 50, H264);
    for options in ["-xerror", ""] {
        let daemon = Daemon::libavcodec(&[]);
        let player = player(&daemon, &file).args(options).args("-vf showinfo -f null -").start();
        until_the_fifth_picture(&player);
        let address = daemon.address().to_owned();
        daemon.kill();
        player.finish(Duration::from_secs(60)).failed_with(&address);
    }
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let Some(source) = Source::new("a_server_that_is_not_there") else { return };
    let file = source.coded("in.mp4", "128x96", 2, H264);
    let decoder = Ffmpeg::new().decoder("h264", "127.0.0.1:1").arg("-i").arg(&file);
    decoder.args("-f null -").run().failed_with("127.0.0.1:1");
}

#[test]
fn decoding_and_encoding_at_once_is_either_after_the_other() {
    let Some(source) = Source::new("decoding_and_encoding_at_once") else { return };
    let daemon = Daemon::libavcodec(&[]);
    let file = source.coded("in.mp4", "640x360", 60, H264);
    let transcoded = |decoder: Ffmpeg| {
        let encoder = decoder.arg("-i").arg(&file).encoder("hevc", daemon.address());
        let text = encoder.args("-b:v 500k -bf 2 -f framemd5 -").run().ok();
        let text = String::from_utf8(text).expect("framemd5 writes text");
        text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>()
    };
    let remote = transcoded(Ffmpeg::new().decoder("h264", daemon.address()));
    assert_eq!(remote.len(), 60);
    assert_eq!(remote, transcoded(Ffmpeg::new().args("-c:v h264")));
}
