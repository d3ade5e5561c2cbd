//! The test vectors of docs/protocol.md section 11, read and written.
//!
//! vtz_vectors.txt has one thing a line: `picture FORMAT WIDTH HEIGHT`; then for each frame `frame`
//! and `temporal` or `spatial`, `head` and hexadecimal, and for each slice `slice PLANE MODE FIRST-ROW ROWS`
//! with its data and, as `rows`, what comes out. `VTZ_WRITE=1 cargo test -p vtremote-planes --test
//! vtz_vectors` writes it anew, after a change of the format.

mod vtz_pictures;

use std::fmt::Write;
use std::path::Path;

use vtremote_planes::vtz::{
    Decoder, Encoder, Format, Geometry, Isa, Method, Mode, Options, SliceDecoder, SliceEncoder,
};
use vtremote_planes::{Target, slices};
use vtz_pictures::{Content, Picture, bytes, hex};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vtz_vectors.txt");

/// What a frame has, and how it is coded.
type Sent = (Content, Method);

const BRIGHTER: [Sent; 4] = [(Content::Brighter, Method::Huffman); 4];

/// What is sent: small, and between them every mode, predictor, class and component. vtz_reader.py counts.
fn written(isa: Isa) -> String {
    let streams: [(Format, usize, usize, &[Sent]); 10] = [
        (
            Format::Nv12,
            37,
            35,
            &[
                (Content::Camera, Method::Huffman),
                (Content::Camera, Method::Huffman),
                (Content::Sparse, Method::Huffman),
                (Content::Camera, Method::Bits),
            ],
        ),
        (
            Format::P010,
            37,
            35,
            &[
                (Content::Camera, Method::Huffman),
                (Content::Edges, Method::Huffman),
                (Content::Edges, Method::Huffman),
                (Content::Camera, Method::Bits),
            ],
        ),
        (Format::Nv12, 96, 32, &[(Content::Noise, Method::Huffman); 1]),
        (Format::Bgra, 21, 18, &[(Content::Camera, Method::Huffman); 2]),
        (Format::Ayuv, 21, 18, &[(Content::Gradient, Method::Huffman); 2]),
        (Format::P210, 19, 17, &[(Content::Gradient, Method::Bits); 2]),
        // Rows whose last blocks are not empty.
        (Format::Nv12, 129, 35, &[(Content::Louder, Method::Huffman)]),
        (Format::P010, 129, 35, &[(Content::Louder, Method::Huffman)]),
        (Format::Nv12, 33, 50, &BRIGHTER),
        (Format::P010, 33, 50, &BRIGHTER),
    ];
    let mut text = String::new();
    for (format, width, height, frames) in streams {
        let geometry = Geometry { format, width, height };
        writeln!(text, "picture {} {width} {height}", format as u8).unwrap();
        let mut encoder = Encoder::with_isa(geometry, isa).unwrap();
        for (at, &(content, method)) in frames.iter().enumerate() {
            // The third is the second again, but for one sample, and nothing refers to it.
            let mut picture = Picture::new(geometry, content, at as u32 - at as u32 / 2, 0);
            if at == 2 {
                picture.planes[0][5] ^= 0x80;
            }
            let options = Options { method, temporal: true, keep: at != 2 };
            frame(&mut encoder, geometry, &picture, options, &mut text);
        }
    }
    text
}

fn frame(
    encoder: &mut Encoder,
    geometry: Geometry,
    picture: &Picture,
    options: Options,
    text: &mut String,
) {
    let sources = picture.sources();
    let frame = encoder.begin(options);
    let mut writers = Vec::new();
    for (plane, source) in sources.iter().enumerate() {
        for rows in slices(geometry.layout(plane), 2) {
            let mut writer = SliceEncoder::new();
            writer.predict(&frame, source, plane, rows).unwrap();
            writers.push(writer);
        }
    }
    encoder.learn(&frame);
    let mut head = Vec::new();
    encoder.head(&frame, &mut head);
    let kind = if frame.is_temporal() { "temporal" } else { "spatial" };
    writeln!(text, "frame {kind}\nhead {}", hex(&head)).unwrap();
    for mut writer in writers {
        let (plane, rows) = writer.slice();
        let mut data = Vec::new();
        let mode = writer.pack(&encoder.tables(), &sources[plane], &mut data).unwrap() as u8;
        let row_bytes = geometry.layout(plane).row_bytes;
        let raw = &picture.planes[plane][rows.start * row_bytes..rows.end * row_bytes];
        let (first, count) = (rows.start, rows.len());
        writeln!(text, "slice {plane} {mode} {first} {count} {}", hex(&data)).unwrap();
        writeln!(text, "rows {}", hex(raw)).unwrap();
    }
}

#[test]
fn what_is_written_is_what_the_vectors_say() {
    if std::env::var_os("VTZ_WRITE").is_some() {
        std::fs::write(Path::new(FILE), written(Isa::SCALAR)).unwrap();
    }
    let vectors = include_str!("vtz_vectors.txt");
    for &isa in Isa::all() {
        let written = written(isa);
        for (at, (written, vector)) in written.lines().zip(vectors.lines()).enumerate() {
            assert_eq!(written, vector, "line {}, {isa:?}", at + 1);
        }
        assert_eq!(written.lines().count(), vectors.lines().count());
    }
}

#[test]
fn what_is_read_is_what_the_vectors_say() {
    let vectors = include_str!("vtz_vectors.txt");
    for &isa in Isa::all() {
        let mut lines = vectors.lines();
        let (mut decoder, mut reader) = (None, SliceDecoder::new());
        let mut geometry = Geometry { format: Format::Nv12, width: 0, height: 0 };
        let (mut temporal, mut frame, mut modes) = (false, None, Vec::new());
        while let Some(line) = lines.next() {
            let words: Vec<&str> = line.split(' ').collect();
            let number = |at: usize| -> usize { words[at].parse().unwrap() };
            match words[0] {
                "picture" => {
                    let format = Format::from_wire(number(1) as u8).unwrap();
                    geometry = Geometry { format, width: number(2), height: number(3) };
                    decoder = Some(Decoder::with_isa(geometry, isa).unwrap());
                }
                "frame" => temporal = words[1] == "temporal",
                "head" => {
                    let decoder = decoder.as_mut().unwrap();
                    frame = Some(decoder.begin(&bytes(words[1]), temporal).unwrap());
                }
                "slice" => {
                    let (plane, first, rows) = (number(1), number(3), number(4));
                    let mode = Mode::from_wire(number(2) as u8).unwrap();
                    modes.push(mode);
                    let stride = geometry.layout(plane).row_bytes;
                    let mut back = vec![0; stride * rows];
                    let into = Target { data: &mut back, stride, row_bytes: stride, rows };
                    let (frame, data) = (frame.as_ref().unwrap(), bytes(words[5]));
                    reader.decode(frame, plane, mode, first..first + rows, &data, into).unwrap();
                    let expected = lines.next().and_then(|line| line.strip_prefix("rows "));
                    assert_eq!(Some(&hex(&back)[..]), expected, "{line:.30}");
                }
                other => panic!("a line of {other:?}"),
            }
        }
        for mode in [Mode::Raw, Mode::Copy, Mode::Bits, Mode::Huffman] {
            assert!(modes.contains(&mode), "no vector of {mode:?}");
        }
    }
}

/// vtz_reader.py was written from docs/protocol.md, not from this code.
#[test]
fn another_reader_reads_the_vectors() {
    let reader = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vtz_reader.py");
    let output = std::process::Command::new("python3").arg(reader).output();
    let output = output.expect("this test needs python3");
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
