//! vtz beside zstd level 1, on the same frames in the same run, one thread and two.
//!
//! `cargo bench -p vtremote-planes --bench vtz [-- clip|camera|grain …]`. Speeds are MB/s of raw bytes
//! by the thread's own CPU time, medians over frames; compare the columns "of zstd", not machines. `clip`
//! is media/bbb-1080p24-8s.mp4 as the `ffmpeg` of this machine decodes it. `camera` and `grain` are a
//! photograph (VTZ_PHOTO names a file, of 2100x1200 pixels at least; else a soft picture is made up),
//! panned by sub-pixel steps, with noise of sigma 1 and 3 that is new in every sample.

use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};
use vtremote_planes::vtz::{
    Decoder, Encoder, Format, Geometry, Isa, Method, Mode, Options, SliceDecoder, SliceEncoder,
};
use vtremote_planes::{
    Compression, Compressor, Decompressor, Source, Target, default_slices, slices,
};

const WIDTH: usize = 1920;
const HEIGHT: usize = 1080;

fn main() {
    // Under `cargo test --benches` two frames are enough to see that all is well.
    let frames = if std::env::args().any(|arg| arg == "--bench") { 26 } else { 2 };
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    for name in ["clip", "camera", "grain"] {
        if !wanted.is_empty() && !wanted.iter().any(|wanted| wanted == name) {
            continue;
        }
        for format in [Format::Nv12, Format::P010] {
            let geometry = Geometry { format, width: WIDTH, height: HEIGHT };
            let Some(content) = content(name, geometry, frames) else {
                println!("{name}: no ffmpeg to decode it");
                continue;
            };
            table(name, geometry, &content);
        }
    }
}

/// What a way to send frames costs.
#[derive(Default)]
struct Cost {
    bytes: usize,
    /// Seconds of CPU time, by frame.
    encode: Vec<f64>,
    decode: Vec<f64>,
    /// Seconds by the clock.
    clock: Vec<f64>,
}

fn table(name: &str, geometry: Geometry, content: &[Vec<Vec<u8>>]) {
    let raw: usize = content.iter().flatten().map(Vec::len).sum();
    let mb = raw as f64 / content.len() as f64 / 1e6;
    println!(
        "\n{name} {:?}: {} frames\n{:<22}{:>8}{:>10}{:>10}{:>12}{:>10}{:>10}",
        geometry.format,
        content.len(),
        "",
        "ratio",
        "encode",
        "decode",
        "size/zstd",
        "enc/zstd",
        "dec/zstd"
    );
    // Frame by frame through every way, so that what else the machine does hits all of them.
    let mut zstd = Zstd::new(geometry);
    let mut ways = Vec::new();
    // The reference is there to agree with, not to be fast.
    let fast = Isa::all().iter().filter(|&&isa| isa != Isa::SCALAR || Isa::all().len() == 1);
    for &isa in fast {
        for (name, method, temporal) in [
            ("bits", Method::Bits, false),
            ("huffman", Method::Huffman, false),
            ("temporal", Method::Huffman, true),
        ] {
            let options = Options { method, temporal, keep: temporal };
            ways.push((format!("{name} {isa:?}"), Vtz::new(geometry, isa, options)));
        }
    }
    let options = Options { method: Method::Huffman, temporal: false, keep: false };
    let mut threads = [1, 2].map(|_| Vtz::new(geometry, Isa::best(), options));
    for frame in content {
        zstd.send(frame);
        ways.iter_mut().for_each(|(_, way)| way.send(frame, 1));
        threads.iter_mut().zip(1..).for_each(|(way, threads)| way.send(frame, threads));
    }
    let zstd = zstd.cost;
    let row = |name: &str, cost: &Cost| {
        println!(
            "{name:<22}{:>8.3}{:>10.0}{:>10.0}{:>12.3}{:>10.2}{:>10.2}",
            raw as f64 / cost.bytes as f64,
            mb / median(&cost.encode),
            mb / median(&cost.decode),
            cost.bytes as f64 / zstd.bytes as f64,
            median(&zstd.encode) / median(&cost.encode),
            median(&zstd.decode) / median(&cost.decode),
        );
    };
    row("zstd 1", &zstd);
    ways.iter().for_each(|(name, way)| row(name, &way.cost));
    let [one, two] = threads.map(|way| median(&way.cost.clock));
    println!("two threads: {:.2} times one (wall clock, encode)", one / two);
}

/// CPU seconds of this thread.
fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A plane and rows of it.
type Slice = (usize, std::ops::Range<usize>);

/// Slices as a session cuts them.
fn cut(geometry: Geometry) -> Vec<Slice> {
    let (luma, chroma) = default_slices(geometry.height);
    let wanted = [luma, chroma];
    (0..geometry.format.planes())
        .flat_map(|plane| {
            slices(geometry.layout(plane), wanted[plane]).map(move |rows| (plane, rows))
        })
        .collect()
}

fn sources(geometry: Geometry, frame: &[Vec<u8>]) -> Vec<Source<'_>> {
    let planes = frame.iter().enumerate();
    planes
        .map(|(plane, data)| Source::Rows { data, stride: geometry.layout(plane).row_bytes })
        .collect()
}

/// Where a slice goes in a picture without padding.
fn target<'a>(geometry: Geometry, picture: &'a mut [Vec<u8>], (plane, rows): &Slice) -> Target<'a> {
    let row_bytes = geometry.layout(*plane).row_bytes;
    let data = &mut picture[*plane][rows.start * row_bytes..rows.end * row_bytes];
    Target { data, stride: row_bytes, row_bytes, rows: rows.len() }
}

struct Zstd {
    geometry: Geometry,
    compressor: Compressor,
    decompressor: Decompressor,
    outs: Vec<Vec<u8>>,
    cost: Cost,
}

impl Zstd {
    fn new(geometry: Geometry) -> Self {
        Self {
            geometry,
            compressor: Compressor::new(),
            decompressor: Decompressor::new(),
            outs: vec![Vec::new(); geometry.format.planes()],
            cost: Cost::default(),
        }
    }

    fn send(&mut self, frame: &[Vec<u8>]) {
        let Self { geometry, compressor, decompressor, outs, cost } = self;
        let sources = sources(*geometry, frame);
        let mut picture = frame.to_vec();
        let from = cpu();
        // Peers compress a plane at once.
        for (plane, out) in outs.iter_mut().enumerate() {
            let layout = geometry.layout(plane);
            out.clear();
            compressor
                .compress(Compression::Zstd, &sources[plane], layout, 0..layout.rows, out)
                .unwrap();
        }
        let between = cpu();
        for (plane, out) in outs.iter().enumerate() {
            let layout = geometry.layout(plane);
            let into = target(*geometry, &mut picture, &(plane, 0..layout.rows));
            decompressor.decompress(Compression::Zstd, out, layout.row_bytes, into).unwrap();
        }
        cost.decode.push(cpu() - between);
        cost.encode.push(between - from);
        cost.bytes += outs.iter().map(Vec::len).sum::<usize>();
    }
}

/// A stream that sends each frame with the tables of the frame before.
struct Vtz {
    geometry: Geometry,
    options: Options,
    cut: Vec<Slice>,
    encoder: Encoder,
    decoder: Decoder,
    writers: Vec<SliceEncoder>,
    reader: SliceDecoder,
    outs: Vec<(Mode, Vec<u8>)>,
    cost: Cost,
}

impl Vtz {
    fn new(geometry: Geometry, isa: Isa, options: Options) -> Self {
        let cut = cut(geometry);
        Self {
            geometry,
            options,
            encoder: Encoder::with_isa(geometry, isa).unwrap(),
            decoder: Decoder::with_isa(geometry, isa).unwrap(),
            writers: cut.iter().map(|_| SliceEncoder::new()).collect(),
            reader: SliceDecoder::new(),
            outs: cut.iter().map(|_| (Mode::Raw, Vec::new())).collect(),
            cut,
            cost: Cost::default(),
        }
    }

    fn send(&mut self, content: &[Vec<u8>], threads: usize) {
        let Self { geometry, encoder, decoder, cut, writers, reader, outs, cost, .. } = self;
        let sources = sources(*geometry, content);
        let (from, clock) = (cpu(), Instant::now());
        let frame = encoder.begin(self.options);
        let mut head = Vec::new();
        encoder.head(&frame, &mut head);
        let tables = encoder.tables();
        let write = |(slice, writer, out): (&Slice, &mut SliceEncoder, &mut (Mode, Vec<u8>))| {
            let (plane, rows) = slice;
            writer.predict(&frame, &sources[*plane], *plane, rows.clone()).unwrap();
            out.1.clear();
            out.0 = writer.pack(&tables, &sources[*plane], &mut out.1).unwrap();
        };
        let jobs = cut.iter().zip(&mut *writers).zip(&mut *outs);
        let jobs = jobs.map(|((cut, writer), out)| (cut, writer, out));
        if threads == 1 {
            jobs.for_each(write);
        } else {
            let jobs = std::sync::Mutex::new(jobs);
            let work = || {
                loop {
                    let next = jobs.lock().unwrap().next();
                    let Some(job) = next else { return };
                    write(job);
                }
            };
            thread::scope(|scope| {
                for _ in 1..threads {
                    scope.spawn(work);
                }
                work();
            });
        }
        encoder.learn(&frame);
        cost.encode.push(cpu() - from);
        cost.clock.push(clock.elapsed().as_secs_f64());

        let mut picture: Vec<Vec<u8>> = content.iter().map(|plane| vec![1; plane.len()]).collect();
        let from = cpu();
        let reading = decoder.begin(&head, frame.is_temporal()).unwrap();
        for (slice, (mode, out)) in cut.iter().zip(&*outs) {
            let into = target(*geometry, &mut picture, slice);
            reader.decode(&reading, slice.0, *mode, slice.1.clone(), out, into).unwrap();
        }
        cost.decode.push(cpu() - from);
        assert!(picture == content, "a frame came back changed");
        cost.bytes += head.len() + outs.iter().map(|(_, out)| out.len()).sum::<usize>();
    }
}

/// Frames, by plane without padding.
fn content(name: &str, geometry: Geometry, frames: usize) -> Option<Vec<Vec<Vec<u8>>>> {
    match name {
        "clip" => clip(geometry, frames),
        "camera" => Some(camera(geometry, frames.min(10), 1.0)),
        _ => Some(camera(geometry, frames.min(10), 3.0)),
    }
}

fn clip(geometry: Geometry, frames: usize) -> Option<Vec<Vec<Vec<u8>>>> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../media/bbb-1080p24-8s.mp4");
    // Straight to P010, FFmpeg fills the bits below the ten.
    let (middle, format) =
        if geometry.format.is_ten_bit() { ("yuv420p10le", "p010le") } else { ("yuv420p", "nv12") };
    let filter = format!("format={middle},format={format}");
    let frames = frames.to_string();
    let raw = ffmpeg(&["-i", file, "-vf", &filter, "-frames:v", &frames, "-f", "rawvideo", "-"])?;
    let sizes = [0, 1].map(|plane| {
        let layout = geometry.layout(plane);
        layout.row_bytes * layout.rows
    });
    let frames = raw.chunks_exact(sizes[0] + sizes[1]);
    Some(frames.map(|frame| vec![frame[..sizes[0]].to_vec(), frame[sizes[0]..].to_vec()]).collect())
}

fn ffmpeg(args: &[&str]) -> Option<Vec<u8>> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin"])
        .args(args)
        .stderr(Stdio::inherit())
        .output()
        .ok()?;
    (output.status.success() && !output.stdout.is_empty()).then_some(output.stdout)
}

/// A still picture, larger than the frames, in three planes of its own size.
struct Photo {
    width: usize,
    planes: [Vec<u8>; 3],
}

const PHOTO: (usize, usize) = (2100, 1200);

impl Photo {
    fn new() -> Self {
        let (width, height) = PHOTO;
        let crop = format!("crop={width}:{height},format=yuv444p");
        let named = std::env::var("VTZ_PHOTO").ok();
        let read =
            named.and_then(|file| ffmpeg(&["-i", &file, "-vf", &crop, "-f", "rawvideo", "-"]));
        let size = width * height;
        let bytes = read.unwrap_or_else(|| {
            (0..3 * size)
                .map(|at| {
                    let (x, y) = ((at % width) as f64, (at % size / width) as f64);
                    let wave = |a: f64, b: f64| (x * a + y * b).sin();
                    let soft = wave(0.011, 0.007) * 50.0 + wave(-0.05, 0.08) * 14.0;
                    (120.0 + soft + wave(0.4, 0.3) * 4.0) as u8
                })
                .collect()
        });
        let mut planes = bytes.chunks_exact(size).map(<[u8]>::to_vec);
        Self { width, planes: std::array::from_fn(|_| planes.next().unwrap()) }
    }

    /// Between the samples.
    fn at(&self, plane: usize, x: f64, y: f64) -> f64 {
        let (left, top) = (x as usize, y as usize);
        let (right, below) = (x - left as f64, y - top as f64);
        let sample = |x, y| f64::from(self.planes[plane][y * self.width + x]);
        (sample(left, top) * (1.0 - right) + sample(left + 1, top) * right) * (1.0 - below)
            + (sample(left, top + 1) * (1.0 - right) + sample(left + 1, top + 1) * right) * below
    }
}

fn camera(geometry: Geometry, frames: usize, sigma: f64) -> Vec<Vec<Vec<u8>>> {
    let photo = Photo::new();
    let mut state = 1_u64;
    let mut uniform = move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) as f64 + 0.5) / (1_u64 << 31) as f64
    };
    let mut normal =
        move || (-2.0 * uniform().ln()).sqrt() * (uniform() * std::f64::consts::TAU).cos();
    // Ten bits have four times the levels, and noise of 0.6 of what that would make it.
    let (scale, sigma) =
        if geometry.format.is_ten_bit() { (4.0, 2.4 * sigma) } else { (1.0, sigma) };
    let mut sample = move |value: f64, out: &mut Vec<u8>| {
        let value = (value * scale + normal() * sigma).round().clamp(0.0, 256.0 * scale - 1.0);
        if scale > 1.0 {
            out.extend_from_slice(&((value as u16) << 6).to_le_bytes());
        } else {
            out.push(value as u8);
        }
    };
    let frame = |frame: usize| {
        let (left, top) = (20.0 + 1.3 * frame as f64, 20.0 + 0.7 * frame as f64);
        let (mut luma, mut chroma) = (Vec::new(), Vec::new());
        for y in 0..geometry.height {
            for x in 0..geometry.width {
                sample(photo.at(0, left + x as f64, top + y as f64), &mut luma);
            }
        }
        for y in 0..geometry.height / 2 {
            for x in 0..geometry.width / 2 {
                for plane in [1, 2] {
                    let (x, y) = (left + 2.0 * x as f64, top + 2.0 * y as f64);
                    sample(photo.at(plane, x, y), &mut chroma);
                }
            }
        }
        vec![luma, chroma]
    };
    (0..frames).map(frame).collect()
}
