//! What goes in one end comes out at the other: every source, geometry, stride and compression.

use std::ops::Range;

use proptest::prelude::*;
use vtremote_planes::{
    Compression, Compressor, Decompressor, Layout, Source, Target, max_compressed_len, slices,
};

/// A picture in the caller's memory, with everything needed to look at it as a [`Source`].
#[derive(Debug, Clone)]
struct Picture {
    kind: Kind,
    layout: Layout,
    strides: [usize; 2],
    planes: [Vec<u8>; 2],
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Rows,
    Planar8,
    Luma10,
    Planar10,
}

impl Picture {
    fn source(&self) -> Source<'_> {
        let [first, second] = &self.planes;
        let [first_stride, second_stride] = self.strides;
        match self.kind {
            Kind::Rows => Source::Rows { data: first, stride: first_stride },
            Kind::Luma10 => Source::Luma10 { data: first, stride: first_stride },
            Kind::Planar8 => Source::Planar8 {
                u: first,
                u_stride: first_stride,
                v: second,
                v_stride: second_stride,
            },
            Kind::Planar10 => Source::Planar10 {
                u: first,
                u_stride: first_stride,
                v: second,
                v_stride: second_stride,
            },
        }
    }

    /// The wire's bytes, found one at a time by index.
    fn naive(&self, rows: Range<usize>) -> Vec<u8> {
        let byte = |plane: usize, row: usize, at: usize| {
            self.planes[plane][row * self.strides[plane] + at]
        };
        let word = |plane: usize, row: usize, sample: usize| {
            let low = u32::from(byte(plane, row, 2 * sample));
            let value = (low + 256 * u32::from(byte(plane, row, 2 * sample + 1))) * 64 % 65_536;
            [(value % 256) as u8, (value / 256) as u8]
        };
        let mut wire = Vec::new();
        for row in rows {
            for at in 0..self.layout.row_bytes {
                wire.push(match self.kind {
                    Kind::Rows => byte(0, row, at),
                    Kind::Planar8 => byte(at % 2, row, at / 2),
                    Kind::Luma10 => word(0, row, at / 2)[at % 2],
                    Kind::Planar10 => word(at / 2 % 2, row, at / 4)[at % 2],
                });
            }
        }
        wire
    }
}

/// Content of any kind: flat, noise, or a pattern with long and short matches.
fn content(len: usize, seed: u32, style: u8) -> Vec<u8> {
    let mut state = seed | 1;
    (0..len)
        .map(|at| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            match style {
                0 => seed as u8,
                1 => (state >> 24) as u8,
                _ => ((at / 7) as u8).wrapping_add((state >> 31) as u8),
            }
        })
        .collect()
}

prop_compose! {
    fn pictures()(
        kind in prop::sample::select(&[Kind::Rows, Kind::Planar8, Kind::Luma10, Kind::Planar10][..]),
        (units, rows) in prop_oneof![
            16 => (0usize..90, 0usize..70),
            2 => Just((1, 1)),
            // More than one piece for zstd, also where a row is more than a piece.
            1 => (700usize..900, 100usize..200),
            1 => (40_000usize..50_000, 1usize..4),
        ],
        padding in prop::array::uniform2(prop_oneof![Just(0usize), 1usize..40]),
        last_row_padded in any::<bool>(),
        seed in any::<u32>(),
        style in 0u8..3,
    ) -> Picture {
        let (unit, planes) = match kind {
            Kind::Rows => (1, 1),
            Kind::Luma10 => (2, 1),
            Kind::Planar8 => (2, 2),
            Kind::Planar10 => (4, 2),
        };
        let layout = Layout { row_bytes: units * unit, rows };
        let row = layout.row_bytes / planes;
        let strides = padding.map(|padding| row + padding);
        let mut seed = seed;
        let planes = strides.map(|stride| {
            let len = stride * rows - if last_row_padded || rows == 0 { 0 } else { stride - row };
            seed = seed.wrapping_add(1);
            content(len, seed, style)
        });
        Picture { kind, layout, strides, planes }
    }
}

/// Decompresses into a picture of that stride, whose padding must come back untouched unless it
/// could be written in one go.
fn unpacked(
    decompressor: &mut Decompressor,
    compression: Compression,
    data: &[u8],
    layout: Layout,
    stride: usize,
) -> Vec<u8> {
    let Layout { row_bytes, rows } = layout;
    let len = if rows == 0 { 0 } else { stride * (rows - 1) + row_bytes };
    let mut picture = vec![0xa5; len];
    let into = Target { data: &mut picture, stride, row_bytes, rows };
    decompressor.decompress(compression, data, row_bytes, into).unwrap();
    let mut wire = Vec::new();
    for row in 0..rows {
        let (bytes, padding) = picture[row * stride..].split_at(row_bytes);
        wire.extend_from_slice(bytes);
        let padding = &padding[..padding.len().min(stride - row_bytes)];
        assert!(padding.iter().all(|&byte| byte == 0xa5), "padding of row {row} written");
    }
    wire
}

proptest! {
    #[test]
    fn packed_rows_equal_those_of_a_naive_loop(picture in pictures()) {
        let (source, layout) = (picture.source(), picture.layout);
        prop_assert_eq!(source.check(layout), Ok(()));
        for rows in slices(layout, 3) {
            let mut out = vec![7];
            source.copy_rows(layout, rows.clone(), &mut out);
            prop_assert_eq!(out[0], 7);
            prop_assert!(out[1..] == picture.naive(rows));
        }
    }

    #[test]
    fn lent_rows_are_the_packed_ones(picture in pictures()) {
        let (source, layout) = (picture.source(), picture.layout);
        if let Some(lent) = source.contiguous(layout, 0..layout.rows) {
            prop_assert!(lent == picture.naive(0..layout.rows));
        } else {
            let as_is = matches!(picture.kind, Kind::Rows);
            prop_assert!(!as_is || picture.strides[0] != layout.row_bytes);
        }
    }

    #[test]
    fn every_slice_comes_back_into_any_stride(
        picture in pictures(),
        wanted in 1usize..6,
        padding in prop_oneof![Just(0usize), 1usize..40],
    ) {
        let (source, layout) = (picture.source(), picture.layout);
        let (mut compressor, mut decompressor) = (Compressor::new(), Decompressor::new());
        for compression in Compression::ALL {
            let mut out = b"before".to_vec();
            for rows in slices(layout, wanted) {
                let start = out.len();
                compressor
                    .compress(compression, &source, layout, rows.clone(), &mut out)
                    .unwrap();
                let data = &out[start..];
                let slice = Layout { rows: rows.len(), ..layout };
                let raw_len = layout.row_bytes * rows.len();
                prop_assert!(data.len() <= max_compressed_len(compression, raw_len));
                let stride = layout.row_bytes + padding;
                let wire = unpacked(&mut decompressor, compression, data, slice, stride);
                prop_assert!(wire == picture.naive(rows), "{}", compression);
            }
            prop_assert_eq!(&out[..6], b"before");
        }
    }

    #[test]
    fn padding_on_the_wire_is_left_behind(
        (row_bytes, rows) in (0usize..60, 0usize..30),
        wire_padding in 0usize..20,
        picture_padding in 0usize..20,
        last_row_padded in any::<bool>(),
        seed in any::<u32>(),
    ) {
        let (wire_stride, stride) = (row_bytes + wire_padding, row_bytes + picture_padding);
        let raw = content(wire_stride * rows, seed, 2);
        let wire = Layout { row_bytes: wire_stride, rows };
        let source = Source::Rows { data: &raw, stride: wire_stride };
        let missing = if last_row_padded || rows == 0 { 0 } else { picture_padding };
        for compression in Compression::ALL {
            let mut data = Vec::new();
            Compressor::new().compress(compression, &source, wire, 0..rows, &mut data).unwrap();
            let mut picture = vec![0; stride * rows - missing];
            let into = Target { data: &mut picture, stride, row_bytes, rows };
            Decompressor::new().decompress(compression, &data, wire_stride, into).unwrap();
            for row in 0..rows {
                prop_assert_eq!(
                    &picture[row * stride..][..row_bytes],
                    &raw[row * wire_stride..][..row_bytes]
                );
            }
        }
    }
}

#[test]
fn a_zstd_frame_carries_its_content_size_in_one_piece_and_in_many() {
    let memory = content(5_000 * 200, 3, 2);
    let layout = Layout { row_bytes: 4_000, rows: 200 };
    let packed = Source::Rows { data: &memory, stride: 4_000 };
    let padded = Source::Rows { data: &memory, stride: 5_000 };
    for (source, rows) in [(packed, 0..200), (padded, 0..200), (padded, 7..8), (padded, 9..9)] {
        let mut out = Vec::new();
        let raw_len = 4_000 * rows.len() as u64;
        Compressor::new().compress(Compression::Zstd, &source, layout, rows, &mut out).unwrap();
        assert_eq!(zstd_safe::get_frame_content_size(&out).unwrap(), Some(raw_len));
        assert_eq!(zstd_safe::find_frame_compressed_size(&out), Ok(out.len()));
    }
}

#[test]
fn a_refused_slice_leaves_the_output_and_the_compressor_as_they_were() {
    use vtremote_planes::Error;
    let memory = [1; 64];
    let source = Source::Rows { data: &memory, stride: 8 };
    let layout = Layout { row_bytes: 8, rows: 8 };
    let mut compressor = Compressor::new();
    for compression in Compression::ALL {
        let mut out = b"kept".to_vec();
        let reversed = Range { start: 3, end: 2 };
        for (layout, rows, error) in [
            (layout, 0..9, Error::Rows { start: 0, end: 9, rows: 8 }),
            (layout, reversed, Error::Rows { start: 3, end: 2, rows: 8 }),
            (Layout { rows: 9, ..layout }, 0..1, Error::Memory { needed: 72, given: 64 }),
            (Layout { row_bytes: 9, ..layout }, 0..1, Error::Stride { stride: 8, row_bytes: 9 }),
        ] {
            let refused = compressor.compress(compression, &source, layout, rows, &mut out);
            assert!(!error.is_peer_fault());
            assert_eq!(refused, Err(error));
            assert_eq!(out, b"kept");
        }
        compressor.compress(compression, &source, layout, 0..8, &mut out).unwrap();
        let wire = unpacked(&mut Decompressor::new(), compression, &out[4..], layout, 8);
        assert_eq!(wire, memory);
    }
}
