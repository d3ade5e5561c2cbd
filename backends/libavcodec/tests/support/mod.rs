//! A moving picture, what an encoder makes of it, and what FFmpeg's own tools say of that.
#![allow(dead_code)] // Each test binary uses a part.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;
use vtremote_backend::{
    Backend, Codec, EncodedPacket, Encoder, EncoderConfig, Error, FrameInfo, Opened, PacketSink,
    Picture, PixelFormat, Ratio,
};
use vtremote_backend_libavcodec::{Libavcodec, Settings};
use vtremote_bitstream::annexb;

/// Far longer than anything takes here on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn backend() -> Libavcodec {
    Libavcodec::new(Settings::default()).expect("libx264 and libx265 are needed for these tests")
}

pub(crate) fn config(codec: Codec, format: PixelFormat) -> EncoderConfig {
    let mut config = EncoderConfig::new(codec, 320, 192, format, Ratio { num: 1, den: 30 });
    config.frame_rate = Some(Ratio { num: 30, den: 1 });
    config.rate.bitrate = Some(1_000_000);
    config
}

/// The codecs and formats that there are.
pub(crate) const KINDS: [(Codec, PixelFormat); 3] = [
    (Codec::H264, PixelFormat::Nv12),
    (Codec::H265, PixelFormat::Nv12),
    (Codec::H265, PixelFormat::P010),
];

/// Frames `0..count`, one tick each.
pub(crate) fn ticks(count: i64) -> Vec<FrameInfo> {
    (0..count).map(|pts| FrameInfo { pts, duration: 1, ..FrameInfo::default() }).collect()
}

/// Luma of the moving picture, in ten bits: waves, and a square that crosses them.
pub(crate) fn luma(x: usize, y: usize, t: usize) -> u16 {
    let square = (x.wrapping_sub(20 + 3 * t) % 256 < 32) && (40..80).contains(&y);
    let wave = |phase: usize| {
        let phase = phase % 512;
        if phase < 256 { phase as u16 } else { (511 - phase) as u16 }
    };
    let value = 200 + wave(2 * x + 5 * t) + wave(3 * y + 2 * t);
    if square { 900 } else { value }
}

/// Chroma, Cb with `which` 0 and Cr with 1.
pub(crate) fn chroma(x: usize, y: usize, t: usize, which: usize) -> u16 {
    let value = if which == 0 { 300 + (2 * x + t) % 400 } else { 700 - (2 * y + t) % 400 };
    value as u16
}

/// A pixel of four bytes: the same picture, in full colour.
fn pixel(format: PixelFormat, x: usize, y: usize, t: usize) -> [u8; 4] {
    let byte = |sample: u16| (sample >> 2) as u8;
    let [a, b, c] =
        [luma(x, y, t), chroma(x / 2, y / 2, t, 0), chroma(x / 2, y / 2, t, 1)].map(byte);
    // What is luma in one is green in the other, which codes alike.
    if format == PixelFormat::Ayuv { [77, a, b, c] } else { [b, a, c, 77] }
}

pub(crate) fn fill(picture: &Picture, format: PixelFormat, t: usize) {
    for plane in 0..picture.plane_count() {
        let (shape, stride) = picture.plane(plane).unwrap();
        let mut rows = picture.lend(plane, 0..shape.rows).unwrap();
        for (y, row) in rows.bytes().chunks_mut(stride).enumerate() {
            let sample = |x: usize| match plane {
                0 => luma(x, y, t),
                _ => chroma(x / 2, y, t, x % 2),
            };
            let row = &mut row[..shape.row_bytes];
            match format {
                PixelFormat::Nv12 => {
                    row.iter_mut().enumerate().for_each(|(x, byte)| *byte = (sample(x) >> 2) as u8);
                }
                PixelFormat::P010 | PixelFormat::P210 => {
                    for (x, bytes) in row.chunks_mut(2).enumerate() {
                        bytes.copy_from_slice(&(sample(x) << 6).to_le_bytes());
                    }
                }
                PixelFormat::Ayuv | PixelFormat::Bgra => {
                    for (x, bytes) in row.chunks_mut(4).enumerate() {
                        bytes.copy_from_slice(&pixel(format, x, y, t));
                    }
                }
            }
        }
    }
}

/// What a sink was told.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) packets: Vec<EncodedPacket>,
    pub(crate) drained: usize,
    pub(crate) failed: Vec<Error>,
}

#[derive(Default)]
pub(crate) struct Listener {
    told: Mutex<Told>,
    changed: Condvar,
}

impl Listener {
    /// What was told, once `enough` says so.
    pub(crate) fn wait(&self, enough: impl Fn(&Told) -> bool) -> Told {
        let told = self.told.lock().unwrap();
        let waited = self.changed.wait_timeout_while(told, PATIENCE, |told| !enough(told));
        let (mut told, timeout) = waited.unwrap();
        assert!(!timeout.timed_out(), "after {} packets nothing comes", told.packets.len());
        std::mem::take(&mut *told)
    }

    fn tell(&self, what: impl FnOnce(&mut Told)) {
        what(&mut self.told.lock().unwrap());
        self.changed.notify_all();
    }
}

impl PacketSink for Listener {
    fn packet(&self, packet: EncodedPacket) {
        self.tell(|told| told.packets.push(packet));
    }
    fn warning(&self, message: String) {
        panic!("{message}");
    }

    fn drained(&self) {
        self.tell(|told| told.drained += 1);
    }
    fn failed(&self, error: Error) {
        self.tell(|told| told.failed.push(error));
    }
}

pub(crate) fn open(
    backend: &Libavcodec,
    config: &EncoderConfig,
) -> (Opened<Box<dyn Encoder>>, Arc<Listener>) {
    let listener = Arc::new(Listener::default());
    let sink: Arc<dyn PacketSink> = listener.clone();
    let opened = backend.open_encoder(config, sink).unwrap_or_else(|error| panic!("{error}"));
    (opened, listener)
}

pub(crate) fn submit(
    encoder: &mut dyn Encoder,
    format: PixelFormat,
    frame: FrameInfo,
    t: usize,
) -> Result<(), Error> {
    let picture = encoder.picture(PATIENCE)?.expect("a picture becomes free");
    fill(&picture, format, t);
    encoder.submit(picture, frame).map(drop)
}

/// A finished encode.
pub(crate) struct Stream {
    pub(crate) codec: Codec,
    pub(crate) packets: Vec<EncodedPacket>,
    pub(crate) parameter_sets: Vec<u8>,
    pub(crate) warnings: Vec<String>,
}

pub(crate) fn encode(config: &EncoderConfig, frames: Vec<FrameInfo>) -> Stream {
    encode_with(&backend(), config, frames)
}

pub(crate) fn encode_with(
    backend: &Libavcodec,
    config: &EncoderConfig,
    frames: Vec<FrameInfo>,
) -> Stream {
    let (mut opened, listener) = open(backend, config);
    for (t, frame) in frames.into_iter().enumerate() {
        submit(&mut *opened.codec, config.format, frame, t).unwrap();
    }
    opened.codec.drain().unwrap();
    let told = listener.wait(|told| told.drained > 0 || !told.failed.is_empty());
    assert_eq!(told.failed, []);
    Stream {
        codec: config.codec,
        packets: told.packets,
        parameter_sets: opened.parameter_sets,
        warnings: opened.warnings,
    }
}

impl Stream {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.packets.iter().flat_map(|packet| packet.data.iter().copied()).collect()
    }

    /// The pts of the packets that begin with, or contain, an IDR picture.
    pub(crate) fn idr(&self) -> Vec<i64> {
        let is_idr = |packet: &&EncodedPacket| {
            annexb::nal_units(&packet.data).any(|nal| {
                let kind = self.codec.nal_unit_type(nal);
                match self.codec {
                    Codec::H264 => kind == Some(5),
                    Codec::H265 => matches!(kind, Some(19 | 20)),
                }
            })
        };
        self.packets.iter().filter(is_idr).map(|packet| packet.pts).collect()
    }

    pub(crate) fn keyframes(&self) -> Vec<i64> {
        self.packets.iter().filter(|packet| packet.keyframe).map(|packet| packet.pts).collect()
    }

    /// Runs a tool over the stream and gives what it writes to stdout.
    fn tool(&self, program: &str, before: &[&str], after: &[&str]) -> Vec<u8> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let (extension, demuxer) = match self.codec {
            Codec::H264 => ("h264", "h264"),
            Codec::H265 => ("h265", "hevc"),
        };
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("stream-{}-{number}.{extension}", std::process::id());
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::write(&path, self.bytes()).unwrap();
        let output = Command::new(program)
            .args(["-v", "error", "-f", demuxer])
            .args(before)
            .arg("-i")
            .arg(&path)
            .args(after)
            .output()
            .unwrap_or_else(|error| panic!("{program} is needed for this test: {error}"));
        fs::remove_file(&path).unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{program}: {said}");
        output.stdout
    }

    /// What ffprobe reads from the stream's own headers.
    pub(crate) fn probe(&self, entry: &str) -> String {
        let entries = format!("stream={entry}");
        let after = ["-show_entries", &entries, "-of", "default=nw=1:nk=1"];
        String::from_utf8(self.tool("ffprobe", &[], &after)).unwrap().trim().to_owned()
    }

    /// One line a frame, in presentation order.
    pub(crate) fn probe_frames(&self, entries: &str) -> Vec<String> {
        let after = ["-show_entries", entries, "-of", "csv=p=0"];
        let text = String::from_utf8(self.tool("ffprobe", &[], &after)).unwrap();
        let lines = text.lines().map(|line| line.trim_end_matches(',').to_owned());
        lines.filter(|line| !line.is_empty()).collect()
    }

    /// The signal-to-noise ratio in dB of a picture in more colour than 4:2:0, as FFmpeg writes it in
    /// the layout `raw`: p210le, yuv444p or gbrp.
    pub(crate) fn psnr_of(
        &self,
        format: PixelFormat,
        raw: &str,
        width: usize,
        height: usize,
    ) -> f64 {
        let after = ["-f", "rawvideo", "-pix_fmt", raw, "-fps_mode", "passthrough", "-"];
        let bytes = self.tool("ffmpeg", &[], &after);
        let area = width * height;
        let (mut squares, mut samples) = (0.0, 0);
        let mut compare = |found: f64, painted: f64, most: f64| {
            squares += ((found - painted) / most).powi(2);
            samples += 1;
        };
        if format == PixelFormat::P210 {
            for (t, picture) in bytes.chunks_exact(4 * area).enumerate() {
                let (y, pairs) = picture.split_at(2 * area);
                let sample = |pair: &[u8]| f64::from(u16::from_le_bytes([pair[0], pair[1]]) >> 6);
                for (at, pair) in y.chunks(2).enumerate() {
                    compare(sample(pair), luma(at % width, at / width, t).into(), 1023.0);
                }
                for (at, pair) in pairs.chunks(2).enumerate() {
                    let (x, row) = (at % width, at / width);
                    compare(sample(pair), chroma(x / 2, row, t, x % 2).into(), 1023.0);
                }
            }
        } else {
            for (t, picture) in bytes.chunks_exact(3 * area).enumerate() {
                for at in 0..area {
                    let painted = match (pixel(format, at % width, at / width, t), format) {
                        ([_, y, cb, cr], PixelFormat::Ayuv) => [y, cb, cr],
                        ([b, g, r, _], _) => [g, b, r],
                    };
                    for (plane, painted) in painted.into_iter().enumerate() {
                        compare(picture[plane * area + at].into(), painted.into(), 255.0);
                    }
                }
            }
        }
        10.0 * (f64::from(samples) / squares).log10()
    }

    /// All frames in planar 4:2:0 with samples of 16 bits, ten of them used.
    pub(crate) fn decoded(&self) -> Vec<u16> {
        let raw = self.tool(
            "ffmpeg",
            &[],
            &["-f", "rawvideo", "-pix_fmt", "yuv420p10le", "-fps_mode", "passthrough", "-"],
        );
        raw.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect()
    }

    /// The signal-to-noise ratio in dB of luma and both chroma planes together, and the frames.
    pub(crate) fn psnr(&self, width: usize, height: usize) -> (f64, usize) {
        let decoded = self.decoded();
        let (luma_size, chroma_size) = (width * height, width * height / 4);
        let mut squares = 0.0;
        for (at, sample) in decoded.iter().enumerate() {
            let (t, at) = (at / (luma_size * 3 / 2), at % (luma_size * 3 / 2));
            let source = match at.checked_sub(luma_size) {
                None => luma(at % width, at / width, t),
                Some(at) => {
                    let (which, at) = (at / chroma_size, at % chroma_size);
                    chroma(at % (width / 2), at / (width / 2), t, which)
                }
            };
            squares += (f64::from(*sample) - f64::from(source)).powi(2);
        }
        let mean = squares / decoded.len() as f64;
        (10.0 * (1023.0 * 1023.0 / mean).log10(), decoded.len() / (luma_size * 3 / 2))
    }
}
