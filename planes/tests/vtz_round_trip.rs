//! What goes through vtz comes out as it was: every format, size, stride, content and cut.

mod vtz_pictures;

use proptest::prelude::*;
use vtremote_planes::Source;
use vtremote_planes::vtz::{Format, Geometry, Isa, Method, Mode, Options};
use vtz_pictures::{Content, Picture, Stream};

const BOTH: [Method; 2] = [Method::Bits, Method::Huffman];

fn options(method: Method) -> Options {
    Options { method, temporal: true, keep: true }
}

#[test]
fn every_content_in_every_format_comes_back() {
    for format in Format::ALL {
        for content in Content::ALL {
            for method in BOTH {
                let geometry = Geometry { format, width: 150, height: 70 };
                let mut stream = Stream::new(geometry);
                for frame in 0..3 {
                    let picture = Picture::new(geometry, content, frame, 7);
                    stream.send(&picture, options(method), 2);
                }
            }
        }
    }
}

#[test]
fn every_small_size_comes_back() {
    for format in [Format::Nv12, Format::P010, Format::Bgra] {
        for width in (1..20).chain([31, 32, 33, 47, 48, 49, 63, 64, 65]) {
            for height in [1, 15, 17, 33] {
                let geometry = Geometry { format, width, height };
                let mut stream = Stream::new(geometry);
                for (frame, method) in
                    [(0, Method::Huffman), (1, Method::Huffman), (2, Method::Bits)]
                {
                    let picture = Picture::new(geometry, Content::Camera, frame, width % 3);
                    stream.send(&picture, options(method), 3);
                }
            }
        }
    }
}

#[test]
fn the_longest_rows_and_the_highest_columns_come_back() {
    for (width, height) in [(8192, 17), (3, 8192), (16_384, 2), (1, 16_384)] {
        for format in [Format::Nv12, Format::P010] {
            let geometry = Geometry { format, width, height };
            let mut stream = Stream::new(geometry);
            for frame in 0..2 {
                let picture = Picture::new(geometry, Content::Camera, frame, 0);
                stream.send(&picture, options(Method::Huffman), 64);
            }
        }
    }
}

#[test]
fn every_number_of_slices_gives_the_same_picture() {
    let geometry = Geometry { format: Format::Nv12, width: 40, height: 1000 };
    let mut stream = Stream::new(geometry);
    for wanted in 1..64 {
        // Other slices than those of the reference, too.
        let picture = Picture::new(geometry, Content::Camera, wanted, 0);
        stream.send(&picture, options(Method::Huffman), wanted as usize);
    }
}

#[test]
fn what_does_not_move_is_copied() {
    for format in Format::ALL {
        let geometry = Geometry { format, width: 100, height: 64 };
        let mut stream = Stream::new(geometry);
        let picture = Picture::new(geometry, Content::Camera, 0, 0);
        stream.send(&picture, options(Method::Huffman), 2);
        let sent = stream.send(&picture, options(Method::Huffman), 2);
        assert!(sent.iter().all(|slice| slice.mode == Mode::Copy && slice.bytes == 0));
    }
}

#[test]
fn ten_bits_with_more_below_them_go_as_they_are() {
    let geometry = Geometry { format: Format::P010, width: 100, height: 64 };
    let mut stream = Stream::new(geometry);
    let mut picture = Picture::new(geometry, Content::Camera, 0, 0);
    stream.send(&picture, options(Method::Huffman), 2);
    picture.planes[0][200 * 40] |= 1;
    let sent = stream.send(&picture, options(Method::Huffman), 2);
    let modes: Vec<Mode> = sent.iter().map(|slice| slice.mode).collect();
    assert_eq!(modes, [Mode::Copy, Mode::Raw, Mode::Copy, Mode::Copy]);
    // The reference is what the ten bits say.
    picture.planes[0][200 * 40] &= !1;
    let sent = stream.send(&picture, options(Method::Huffman), 2);
    assert!(sent.iter().all(|slice| slice.mode == Mode::Copy));
}

#[test]
fn noise_takes_no_more_than_its_rows() {
    for method in BOTH {
        for format in Format::ALL {
            let geometry = Geometry { format, width: 64, height: 64 };
            let picture = Picture::new(geometry, Content::Noise, 0, 0);
            for slice in Stream::new(geometry).send(&picture, options(method), 2) {
                assert!(slice.bytes <= slice.raw);
            }
        }
    }
}

#[test]
fn a_frame_that_is_not_kept_leaves_the_reference_as_it_was() {
    let geometry = Geometry { format: Format::Nv12, width: 200, height: 80 };
    let mut stream = Stream::new(geometry);
    for frame in 0..12 {
        let picture = Picture::new(geometry, Content::Camera, frame, 0);
        let options = Options {
            method: if frame % 5 == 4 { Method::Bits } else { Method::Huffman },
            temporal: frame % 4 != 3,
            keep: frame % 3 != 2,
        };
        stream.send(&picture, options, 2);
    }
}

#[test]
fn planar_sources_give_what_their_pairs_give() {
    let (width, height) = (90, 40);
    for format in [Format::Nv12, Format::P010] {
        let geometry = Geometry { format, width, height };
        let picture = Picture::new(geometry, Content::Camera, 0, 0);
        let bytes = if format == Format::P010 { 2 } else { 1 };
        let part = |from: usize| -> Vec<u8> {
            let pairs = picture.planes[1].chunks(2 * bytes);
            pairs.flat_map(|pair| low(&pair[from * bytes..][..bytes])).collect()
        };
        let (u, v) = (part(0), part(1));
        let luma: Vec<u8> = picture.planes[0].chunks(bytes).flat_map(low).collect();
        let (luma_stride, stride) = (width * bytes, width / 2 * bytes);
        let sources = if format == Format::P010 {
            [
                Source::Luma10 { data: &luma, stride: luma_stride },
                Source::Planar10 { u: &u, u_stride: stride, v: &v, v_stride: stride },
            ]
        } else {
            [
                Source::Rows { data: &luma, stride: luma_stride },
                Source::Planar8 { u: &u, u_stride: stride, v: &v, v_stride: stride },
            ]
        };
        Stream::new(geometry).send_from(&picture, &sources, options(Method::Huffman), 2);
    }
}

/// A sample of ten bits in the low end.
fn low(sample: &[u8]) -> Vec<u8> {
    match *sample {
        [low, high] => (u16::from_le_bytes([low, high]) >> 6).to_le_bytes().to_vec(),
        _ => sample.to_vec(),
    }
}

#[test]
fn every_set_of_instructions_writes_the_same_bytes() {
    for format in Format::ALL {
        for content in Content::ALL {
            let geometry = Geometry { format, width: 333, height: 49 };
            let mut all: Vec<Vec<Vec<u8>>> = Vec::new();
            for &isa in Isa::all() {
                let mut stream = Stream::with_isa(geometry, isa);
                for frame in 0..4 {
                    let picture = Picture::new(geometry, content, frame, 0);
                    let method = if frame == 3 { Method::Bits } else { Method::Huffman };
                    stream.send(&picture, options(method), 2);
                }
                all.push(stream.sent);
            }
            assert!(all.iter().all(|sent| *sent == all[0]), "{format:?}, {content:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_pictures_come_back(
        format in prop::sample::select(&Format::ALL[..]),
        (width, height) in (1usize..140, 1usize..80),
        padding in 0usize..9,
        content in prop::sample::select(&Content::ALL[..]),
        method in prop::sample::select(&BOTH[..]),
        temporal in any::<bool>(),
        wanted in 1usize..6,
    ) {
        let geometry = Geometry { format, width, height };
        let mut stream = Stream::new(geometry);
        for frame in 0..3 {
            let picture = Picture::new(geometry, content, frame, padding);
            stream.send(&picture, Options { method, temporal, keep: temporal }, wanted);
        }
    }
}
