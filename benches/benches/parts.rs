//! What the parts of a session cost on one thread, a picture of 1080p NV12 or an access unit at a time.
#![allow(missing_docs)] // criterion_group makes a public function of its own.

use std::hint::black_box;
use std::time::Duration;

use criterion::{
    BenchmarkGroup, Criterion, criterion_group, criterion_main, measurement::WallTime,
};
use vtremote_benches::picture::NV12_1080P;
use vtremote_bitstream::{LengthSize, annexb, length_prefixed};
use vtremote_client::{FrameSource, OwnedPicture, Video};
use vtremote_planes::{
    Compression, Compressor, Decompressor, Layout, Target, default_slices, slices,
};
use vtremote_proto::{
    FrameBegin, FrameHead, Incoming, Limits, NO_REFERENCE, Rational, SideData, SliceHead,
    frame_message, slice_message,
};

/// What a socket gives at a time, about.
const PIECE: usize = 64 << 10;

/// An access unit as that of a keyframe, in bytes, and its slices.
const ACCESS_UNIT: usize = 256 << 10;
const SLICES: usize = 4;

type Group<'c> = BenchmarkGroup<'c, WallTime>;

fn parts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parts");
    // A minute for all of them.
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_millis(2500));
    group.sample_size(50);
    planes(&mut group);
    bitstream(&mut group);
    incoming(&mut group);
    group.finish();
}

fn layouts() -> Vec<Layout> {
    let unit = Rational { num: 1, den: 1 };
    let (width, height, format) = (NV12_1080P.width, NV12_1080P.height, NV12_1080P.format());
    Video { width, height, format, time_base: unit, frame_rate: unit }.layouts().collect()
}

fn picture() -> OwnedPicture {
    NV12_1080P.some(1)[0].as_ref().clone()
}

/// Whole planes to and fro.
fn planes(group: &mut Group<'_>) {
    let picture = picture();
    let (mut compressor, mut decompressor) = (Compressor::new(), Decompressor::new());
    for compression in Compression::ALL {
        let mut packed = [Vec::new(), Vec::new()];
        group.bench_function(format!("planes.compress.{compression}"), |bench| {
            bench.iter(|| {
                for ((index, layout), out) in (0..).zip(layouts()).zip(&mut packed) {
                    out.clear();
                    let source = picture.plane(index);
                    compressor.compress(compression, &source, layout, 0..layout.rows, out).unwrap();
                }
            });
        });
        let mut unpacked = layouts()
            .into_iter()
            .map(|Layout { row_bytes, rows }| vec![0; row_bytes * rows])
            .collect::<Vec<_>>();
        group.bench_function(format!("planes.decompress.{compression}"), |bench| {
            bench.iter(|| {
                for ((layout, packed), data) in layouts().iter().zip(&packed).zip(&mut unpacked) {
                    let Layout { row_bytes, rows } = *layout;
                    let into = Target { data, stride: row_bytes, row_bytes, rows };
                    decompressor.decompress(compression, packed, row_bytes, into).unwrap();
                }
            });
        });
    }
}

/// Start codes found, and replaced.
fn bitstream(group: &mut Group<'_>) {
    let mut state = 1u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // As after emulation prevention.
        ((state >> 24) as u8).max(4)
    };
    let mut unit = Vec::new();
    for _ in 0..SLICES {
        unit.extend_from_slice(&[0, 0, 1, 0x65]);
        unit.extend((0..ACCESS_UNIT / SLICES).map(|_| noise()));
    }
    let mut sample = Vec::new();
    annexb::to_length_prefixed(&unit, LengthSize::FOUR, &mut sample).unwrap();
    let mut out = Vec::with_capacity(2 * ACCESS_UNIT);
    group.bench_function("bitstream.scan", |bench| {
        bench.iter(|| annexb::nal_units(black_box(&unit)).count());
    });
    group.bench_function("bitstream.four_byte_start_codes", |bench| {
        bench.iter(|| {
            out.clear();
            annexb::with_four_byte_start_codes(&unit, &mut out).unwrap();
        });
    });
    group.bench_function("bitstream.to_length_prefixed", |bench| {
        bench.iter(|| {
            out.clear();
            annexb::to_length_prefixed(&unit, LengthSize::FOUR, &mut out).unwrap();
        });
    });
    group.bench_function("bitstream.to_annexb", |bench| {
        bench.iter(|| {
            out.clear();
            length_prefixed::to_annexb(&sample, LengthSize::FOUR, &mut out).unwrap();
        });
    });
}

/// A picture's messages parsed as they come from a socket, its body's bytes borrowed.
fn incoming(group: &mut Group<'_>) {
    for (name, message) in [("frame", frame()), ("slices", sliced())] {
        let limits =
            Limits::for_format(NV12_1080P.pixels, NV12_1080P.width, NV12_1080P.height, 256 << 20);
        let mut incoming = Incoming::new(limits);
        group.bench_function(format!("proto.incoming.{name}"), |bench| {
            bench.iter(|| {
                for mut piece in message.chunks(PIECE) {
                    while let (used, Some(item)) = incoming.read(piece).unwrap() {
                        black_box(item);
                        piece = &piece[used..];
                    }
                }
            });
        });
    }
}

const HEAD: FrameHead = FrameHead { pts: 0, duration: 1, flags: 0, planes: 2 };

fn frame() -> Vec<u8> {
    let number = |bytes: usize| bytes as u32;
    let planes: Vec<_> = layouts()
        .iter()
        .map(|plane| {
            let Layout { row_bytes, rows } = *plane;
            (number(row_bytes), number(rows), number(row_bytes * rows))
        })
        .collect();
    let parts = frame_message(&HEAD, &planes, &[]).unwrap();
    let mut message = Vec::new();
    for (head, (_, _, len)) in parts.heads.iter().zip(planes) {
        message.extend_from_slice(head);
        message.resize(message.len() + len as usize, 7);
    }
    message.extend_from_slice(&parts.tail);
    message
}

fn sliced() -> Vec<u8> {
    let (luma, chroma) = default_slices(NV12_1080P.height as usize);
    let cuts: Vec<_> = (0..)
        .zip(layouts())
        .zip([luma, chroma])
        .flat_map(|((plane, layout), count)| {
            slices(layout, count).map(move |rows| (plane, rows, layout.row_bytes))
        })
        .collect();
    let mut message = Vec::new();
    let begin = FrameBegin {
        head: HEAD,
        codec: 0,
        frame_id: 0,
        reference_id: NO_REFERENCE,
        slices: cuts.len() as u16,
        tables: &[],
        geometry: None,
        side_data: SideData::EMPTY,
    };
    begin.encode(&mut message).unwrap();
    for (index, (plane, rows, row_bytes)) in cuts.into_iter().enumerate() {
        let len = rows.len() * row_bytes;
        let head = SliceHead {
            frame_id: 0,
            index: index as u16,
            plane,
            mode: 0,
            first_row: rows.start as u32,
            rows: rows.len() as u32,
            len: len as u32,
        };
        message.extend_from_slice(&slice_message(&head).unwrap());
        message.resize(message.len() + len, 7);
    }
    message
}

criterion_group!(all, parts);
criterion_main!(all);
