//! Planes as other implementations compress them.
//!
//! The hex was made with the LZ4 library 1.9.4 and the Zstandard library 1.5.4 through their Python
//! bindings, from a plane of 24x4 bytes whose rows count up every fourth byte and start 3 higher
//! than the row before.

use vtremote_planes::{Compression, Decompressor, Target};

const GRADIENT: [(&str, Compression, &str); 6] = [
    (
        "LZ4 fast",
        Compression::Lz4,
        "f8090000000001010101020202020303030304040404050505050c00c806060606070707070808\
         08080c00c8090909090a0a0a0a0b0b0b0b0c00c00c0c0c0c0d0d0d0d0e0e0e0e",
    ),
    (
        "zstd level 1",
        Compression::Zstd,
        "28b52ffd2060350200c4030000000001010101020202020303030304040404050505050606060607\
         070707080808080909\
         09090a0a0a0a0b0b0b0b0c0c0c0c0d0d0d0d0e0e0e0e0304092081c4cb18",
    ),
    (
        "zstd level 19",
        Compression::Zstd,
        "28b52ffd20603d0100a8000102030405060708090a0b0c0d0d0d0d0e0e0e0e10a8703eb01b03b0f3\
         1da8e10e0a7f7de8",
    ),
    (
        "zstd with a checksum",
        Compression::Zstd,
        "28b52ffd2460350200c4030000000001010101020202020303030304040404050505050606060607\
         070707080808080909\
         09090a0a0a0a0b0b0b0b0c0c0c0c0d0d0d0d0e0e0e0e0304092081c4cb184ceb1df3",
    ),
    (
        "zstd stream, no content size",
        Compression::Zstd,
        "28b52ffd0048350200c4030000000001010101020202020303030304040404050505050606060607\
         070707080808080909\
         09090a0a0a0a0b0b0b0b0c0c0c0c0d0d0d0d0e0e0e0e0304092081c4cb18",
    ),
    (
        "LZ4 with literals only",
        Compression::Lz4,
        "f051\
         000000000101010102020202030303030404040405050505\
         030303030404040405050505060606060707070708080808\
         060606060707070708080808090909090a0a0a0a0b0b0b0b\
         090909090a0a0a0a0b0b0b0b0c0c0c0c0d0d0d0d0e0e0e0e",
    ),
];

fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

#[test]
fn other_implementations_planes_are_read() {
    let plane: Vec<u8> = (0..96).map(|at| (at % 24 / 4 + at / 24 * 3) as u8).collect();
    let mut decompressor = Decompressor::new();
    for (name, compression, hex) in GRADIENT {
        for stride in [24, 32] {
            let mut picture = vec![0; stride * 4];
            let into = Target { data: &mut picture, stride, row_bytes: 24, rows: 4 };
            let done = decompressor.decompress(compression, &bytes(hex), 24, into);
            assert_eq!(done, Ok(()), "{name}");
            for (row, expected) in picture.chunks(stride).zip(plane.chunks(24)) {
                assert_eq!(&row[..24], expected, "{name}");
            }
        }
    }
}

#[test]
fn a_damaged_checksum_is_noticed() {
    let mut data = bytes(GRADIENT[3].2);
    *data.last_mut().unwrap() ^= 1;
    let mut picture = [0; 96];
    let into = Target { data: &mut picture, stride: 24, row_bytes: 24, rows: 4 };
    let error = Decompressor::new().decompress(Compression::Zstd, &data, 24, into).unwrap_err();
    assert!(error.is_peer_fault());
}

/// docs/protocol.md section 10, the FRAME payload.
#[test]
fn the_golden_lz4_plane_is_sixteen_times_0x11() {
    let mut picture = [0; 16];
    let into = Target { data: &mut picture, stride: 4, row_bytes: 4, rows: 4 };
    let data = bytes("16110100501111111111");
    Decompressor::new().decompress(Compression::Lz4, &data, 4, into).unwrap();
    assert_eq!(picture, [0x11; 16]);
}
