//! What packing, compressing and decompressing cost, one thread, on slices of a 4K picture.
//!
//! `cargo bench -p vtremote-planes`. Speeds are GB/s of raw wire bytes, the median of many runs.
//! The content is a gradient under a little noise: compare rows with each other, not with video.

use std::time::{Duration, Instant};

use vtremote_planes::{Compression, Compressor, Decompressor, Layout, Source, Target};

const WIDTH: usize = 3840;
const ROWS: usize = 144;
/// Of a row of the picture that is decompressed into, where it is not the wire's.
const PADDING: usize = 64;

fn main() {
    // Under `cargo test --benches` one run of each is enough to see that all is well.
    let runs = if std::env::args().any(|arg| arg == "--bench") { 101 } else { 1 };
    let noise = content(2 * WIDTH * ROWS);
    let (u, v) = noise.split_at(WIDTH * ROWS);
    let narrow = Layout { row_bytes: WIDTH, rows: ROWS };
    let wide = Layout { row_bytes: 2 * WIDTH, rows: ROWS };
    let sources = [
        ("rows", Source::Rows { data: u, stride: WIDTH }, narrow),
        ("rows, padded", Source::Rows { data: &noise, stride: 2 * WIDTH }, narrow),
        ("8-bit pairs", Source::Planar8 { u, u_stride: WIDTH, v, v_stride: WIDTH }, wide),
        ("10-bit luma", Source::Luma10 { data: &noise, stride: 2 * WIDTH }, wide),
        ("10-bit pairs", Source::Planar10 { u, u_stride: WIDTH, v, v_stride: WIDTH }, wide),
    ];
    println!(
        "{:<14}{:>6}{:>12}{:>14}{:>12}{:>8}",
        "source", "", "compress", "decompress", "scattered", "ratio"
    );
    let (mut compressor, mut decompressor) = (Compressor::new(), Decompressor::new());
    for (name, source, layout) in sources {
        let Layout { row_bytes, rows } = layout;
        let raw = row_bytes * rows;
        let mut picture = vec![0; (row_bytes + PADDING) * rows];
        for compression in Compression::ALL {
            let mut out = Vec::new();
            let pack = median(runs, || {
                out.clear();
                compressor.compress(compression, &source, layout, 0..rows, &mut out).unwrap();
            });
            let [straight, scattered] = [row_bytes, row_bytes + PADDING].map(|stride| {
                median(runs, || {
                    let into = Target { data: &mut picture, stride, row_bytes, rows };
                    decompressor.decompress(compression, &out, row_bytes, into).unwrap();
                })
            });
            let speed = |time: Duration| raw as f64 / time.as_nanos() as f64;
            println!(
                "{name:<14}{compression:>6}{:>12.2}{:>14.2}{:>12.2}{:>8.2}",
                speed(pack),
                speed(straight),
                speed(scattered),
                raw as f64 / out.len() as f64,
            );
        }
    }
}

fn median(runs: usize, mut run: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..runs)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[runs / 2]
}

fn content(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    (0..len)
        .map(|at| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            (at % WIDTH / 64) as u8 + (state % 4) as u8
        })
        .collect()
}
