//! What a peer must not send is an error of the peer's, without a panic or memory taken for it.

use proptest::prelude::*;
use vtremote_planes::{
    Compression, Compressor, Decompressor, Error, Layout, MAX_PLANE_BYTES, Source, Target,
};

const ROW: usize = 48;
const ROWS: usize = 20;

fn plane() -> Vec<u8> {
    (0..ROW * ROWS).map(|at| (at * at / 50) as u8).collect()
}

fn compressed(compression: Compression) -> Vec<u8> {
    let (mut out, raw) = (Vec::new(), plane());
    let source = Source::Rows { data: &raw, stride: ROW };
    let layout = Layout { row_bytes: ROW, rows: ROWS };
    Compressor::new().compress(compression, &source, layout, 0..ROWS, &mut out).unwrap();
    out
}

/// Both ways to decode, straight into the picture and through scratch, which have to agree.
fn decode(compression: Compression, data: &[u8], wire_stride: usize) -> Result<Vec<u8>, Error> {
    let mut decompressor = Decompressor::new();
    let mut run = |stride: usize| {
        let mut picture = vec![0; stride * ROWS];
        let into = Target { data: &mut picture, stride, row_bytes: ROW, rows: ROWS };
        decompressor.decompress(compression, data, wire_stride, into)?;
        Ok(picture.chunks(stride).flat_map(|row| row[..ROW].to_vec()).collect::<Vec<u8>>())
    };
    let straight = run(wire_stride.clamp(ROW, 4 * ROW));
    assert_eq!(straight, run(5 * ROW));
    straight
}

fn assert_refused(compression: Compression, data: &[u8]) -> Error {
    let error = decode(compression, data, ROW).unwrap_err();
    assert!(error.is_peer_fault(), "{error}");
    error
}

#[test]
fn data_cut_short_anywhere_is_refused() {
    for compression in Compression::ALL {
        let data = compressed(compression);
        assert_eq!(decode(compression, &data, ROW).unwrap(), plane());
        for len in 0..data.len() {
            assert_refused(compression, &data[..len]);
        }
    }
}

#[test]
fn bytes_after_the_end_are_refused() {
    for compression in Compression::ALL {
        for extra in [&[0][..], &[0xff], &[0, 0, 0], &[0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]] {
            assert_refused(compression, &[&compressed(compression), extra].concat());
        }
    }
}

#[test]
fn a_second_frame_is_refused_even_if_empty() {
    let mut empty = Vec::new();
    let source = Source::Rows { data: &[], stride: 0 };
    let layout = Layout { row_bytes: 0, rows: 0 };
    Compressor::new().compress(Compression::Zstd, &source, layout, 0..0, &mut empty).unwrap();
    let error = assert_refused(Compression::Zstd, &[compressed(Compression::Zstd), empty].concat());
    let compression = Compression::Zstd;
    assert_eq!(error, Error::Malformed { compression, detail: "bytes after the frame" });
}

#[test]
fn a_plane_of_another_size_is_refused() {
    for compression in Compression::ALL {
        let data = compressed(compression);
        // One byte of stride more or less: the data holds too little, or too much.
        let error = decode(compression, &data, ROW + 1).unwrap_err();
        assert!(error.is_peer_fault(), "{error}");
        let error = decode(compression, &data, ROW - 1).unwrap_err();
        assert_eq!(error, Error::WireStride { stride: ROW - 1, row_bytes: ROW });
        let mut picture = vec![0; ROW * (ROWS - 1)];
        let into = Target { data: &mut picture, stride: ROW, row_bytes: ROW, rows: ROWS - 1 };
        let error = Decompressor::new().decompress(compression, &data, ROW, into).unwrap_err();
        assert!(error.is_peer_fault(), "{error}");
    }
}

#[test]
fn a_frame_that_declares_four_gigabytes_is_refused_by_its_header() {
    // Single segment, 8-byte content size; then one run-length block of 128 KiB.
    let bomb = [
        &[0x28, 0xb5, 0x2f, 0xfd, 0xe0][..],
        &(4u64 << 30).to_le_bytes(),
        &[0x03, 0x00, 0x10, 0x11],
    ]
    .concat();
    let error = assert_refused(Compression::Zstd, &bomb);
    let (found, expected) = (4 << 30, (ROW * ROWS) as u64);
    assert_eq!(error, Error::Size { compression: Compression::Zstd, found, expected });
}

#[test]
fn a_frame_of_undeclared_size_fills_the_plane_and_no_more() {
    // A window of 128 KiB, no content size, one last run-length block of that length.
    let frame = |len: u32| {
        let block = (len << 3) | 0b011;
        let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38];
        frame.extend_from_slice(&block.to_le_bytes()[..3]);
        frame.push(0x42);
        frame
    };
    let fits = (ROW * ROWS) as u32;
    assert_eq!(decode(Compression::Zstd, &frame(fits), ROW).unwrap(), vec![0x42; ROW * ROWS]);
    assert_refused(Compression::Zstd, &frame(fits - 1));
    assert_refused(Compression::Zstd, &frame(fits + 1));
    assert_refused(Compression::Zstd, &frame(128 << 10));
}

#[test]
fn a_giant_match_or_literal_length_is_refused() {
    let match_bomb = [&[0x1f, 0x11, 0x01, 0x00][..], &[0xff; 1 << 16], &[0x00, 0x50]].concat();
    assert_refused(Compression::Lz4, &match_bomb);
    let literal_bomb = [&[0xf0][..], &[0xff; 1 << 16], &[0x00]].concat();
    assert_refused(Compression::Lz4, &literal_bomb);
    assert_refused(Compression::Lz4, &[0xff; 1 << 12]);
}

#[test]
fn a_match_from_before_the_start_reads_nothing() {
    for offset in [[0x00, 0x00], [0x02, 0x00], [0xff, 0xff]] {
        let block = [&[0x1f, 0x11][..], &offset, &[0xff, 0xff, 0xff, 0x80, 0x50, 1, 2, 3, 4, 5]];
        assert_refused(Compression::Lz4, &block.concat());
    }
}

#[test]
fn a_stride_beyond_all_bounds_takes_no_memory() {
    for compression in Compression::ALL {
        let data = compressed(compression);
        for stride in [MAX_PLANE_BYTES / ROWS + 1, usize::MAX / 2, usize::MAX] {
            let mut picture = vec![0; ROW * ROWS];
            let into = Target { data: &mut picture, stride: ROW, row_bytes: ROW, rows: ROWS };
            let mut refused = Ok(());
            let taken = allocation_counter::measure(|| {
                refused = Decompressor::new().decompress(compression, &data, stride, into);
            });
            let bytes = stride.saturating_mul(ROWS);
            assert_eq!(refused, Err(Error::WireTooLarge { bytes }));
            assert_eq!(taken.bytes_max, 0);
        }
    }
}

#[test]
fn a_large_plane_of_little_data_takes_no_memory() {
    let stride = MAX_PLANE_BYTES / ROWS;
    for compression in Compression::ALL {
        let data = compressed(compression);
        let mut picture = vec![0; ROW * ROWS];
        let into = Target { data: &mut picture, stride: ROW, row_bytes: ROW, rows: ROWS };
        let mut refused = Ok(());
        let taken = allocation_counter::measure(|| {
            refused = Decompressor::new().decompress(compression, &data, stride, into);
        });
        assert!(refused.is_err_and(|error| error.is_peer_fault()));
        assert_eq!(taken.bytes_max, 0, "{compression}");
    }
}

#[test]
fn a_picture_that_is_too_small_is_our_own_fault() {
    for compression in Compression::ALL {
        let data = compressed(compression);
        for (len, stride, error) in [
            (ROW * ROWS - 1, ROW, Error::Memory { needed: ROW * ROWS, given: ROW * ROWS - 1 }),
            (ROW * ROWS, ROW - 1, Error::Stride { stride: ROW - 1, row_bytes: ROW }),
        ] {
            let mut picture = vec![0; len];
            let into = Target { data: &mut picture, stride, row_bytes: ROW, rows: ROWS };
            assert!(!error.is_peer_fault());
            assert_eq!(Decompressor::new().decompress(compression, &data, ROW, into), Err(error));
        }
    }
}

#[test]
fn a_decompressor_works_after_every_kind_of_refusal() {
    let mut decompressor = Decompressor::new();
    for compression in Compression::ALL {
        let good = compressed(compression);
        for len in 0..good.len() {
            let mut picture = vec![0; ROW * ROWS];
            for (data, is_good) in [(&good[..len], false), (&good[..], true)] {
                let into = Target { data: &mut picture, stride: ROW, row_bytes: ROW, rows: ROWS };
                let done = decompressor.decompress(compression, data, ROW, into);
                assert_eq!(done.is_ok(), is_good);
            }
            assert_eq!(picture, plane());
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_plane_or_the_peers_fault(
        compression in prop::sample::select(&Compression::ALL[..]),
        data in prop::collection::vec(any::<u8>(), 0..200),
        stride in ROW..ROW + 4,
    ) {
        if let Err(error) = decode(compression, &data, stride) {
            prop_assert!(error.is_peer_fault(), "{}", error);
        }
    }

    #[test]
    fn any_change_of_bytes_gives_a_plane_or_the_peers_fault(
        compression in prop::sample::select(&Compression::ALL[..]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut data = compressed(compression);
        for (at, byte) in changes {
            let at = at.index(data.len());
            data[at] = byte;
        }
        if let Err(error) = decode(compression, &data, ROW) {
            prop_assert!(error.is_peer_fault(), "{}", error);
        }
    }
}
