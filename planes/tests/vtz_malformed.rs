//! What a peer must not send is an error of the peer's, without a panic or memory taken for it.

mod vtz_pictures;

use proptest::prelude::*;
use vtremote_planes::vtz::{
    Decoder, Encoder, Format, Geometry, Method, Mode, Options, SliceDecoder, SliceEncoder,
};
use vtremote_planes::{Error, Target};
use vtz_pictures::{Content, Picture};

const GEOMETRY: Geometry = Geometry { format: Format::P010, width: 50, height: 20 };

/// A frame of one slice of luma.
#[derive(Clone)]
struct Sent {
    head: Vec<u8>,
    mode: Mode,
    data: Vec<u8>,
}

fn sent(method: Method) -> Sent {
    let picture = Picture::new(GEOMETRY, Content::Camera, 0, 0);
    let source = picture.sources()[0];
    let mut encoder = Encoder::new(GEOMETRY).unwrap();
    let frame = encoder.begin(Options { method, temporal: false, keep: true });
    let mut writer = SliceEncoder::new();
    writer.predict(&frame, &source, 0, 0..20).unwrap();
    encoder.learn(&frame);
    let (mut head, mut data) = (Vec::new(), Vec::new());
    encoder.head(&frame, &mut head);
    let mode = writer.pack(&encoder.tables(), &source, &mut data).unwrap();
    assert!(matches!(mode, Mode::Bits | Mode::Huffman));
    Sent { head, mode, data }
}

fn read(sent: &Sent) -> Result<Vec<u8>, Error> {
    let mut decoder = Decoder::new(GEOMETRY).unwrap();
    let frame = decoder.begin(&sent.head, false)?;
    let mut picture = vec![0; 100 * 20];
    let into = Target { data: &mut picture, stride: 100, row_bytes: 100, rows: 20 };
    SliceDecoder::new().decode(&frame, 0, sent.mode, 0..20, &sent.data, into)?;
    Ok(picture)
}

fn refused(sent: &Sent) -> &'static str {
    match read(sent) {
        Err(Error::Vtz(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn data_and_heads_cut_short_or_too_long_are_refused() {
    for method in [Method::Bits, Method::Huffman] {
        let good = sent(method);
        assert_eq!(read(&good).unwrap(), Picture::new(GEOMETRY, Content::Camera, 0, 0).planes[0]);
        for len in (0..good.data.len()).step_by(3) {
            refused(&Sent { data: good.data[..len].to_vec(), ..good.clone() });
        }
        for len in 0..good.head.len() {
            // Without its tables, this is a head of a frame that has none.
            let sent = Sent { head: good.head[..len].to_vec(), ..good.clone() };
            if method == Method::Huffman || len == 0 {
                refused(&sent);
            }
        }
        for extra in [0, 1, 255] {
            let longer = |bytes: &[u8]| [bytes, &[extra]].concat();
            refused(&Sent { data: longer(&good.data), ..good.clone() });
            refused(&Sent { head: longer(&good.head), ..good.clone() });
        }
    }
}

#[test]
fn flags_that_mean_nothing_are_refused() {
    let mut decoder = Decoder::new(GEOMETRY).unwrap();
    assert_eq!(decoder.begin(&[], false).err(), Some(Error::Vtz("frame without a head")));
    assert_eq!(decoder.begin(&[4], false).err(), Some(Error::Vtz("unknown flags")));
    assert_eq!(decoder.begin(&[0, 0], false).err(), Some(Error::Vtz("tables without their flag")));
    assert_eq!(decoder.begin(&[1], false).err(), Some(Error::Vtz("tables end early")));
}

#[test]
fn what_needs_a_reference_is_refused_without_one() {
    let mut decoder = Decoder::new(GEOMETRY).unwrap();
    let reason = Error::Vtz("a reference that was not kept");
    assert_eq!(decoder.begin(&[0], true).err(), Some(reason));
    let copy = Sent { head: vec![0], mode: Mode::Copy, data: vec![] };
    assert_eq!(refused(&copy), "a copy without a reference");
    let mut bits = sent(Method::Bits);
    bits.data[0] |= 2;
    assert_eq!(refused(&bits), "a predictor without a reference");
}

#[test]
fn codes_before_any_tables_are_refused() {
    let good = sent(Method::Huffman);
    assert_eq!(refused(&Sent { head: vec![0], ..good.clone() }), "codes before any tables");
    // Nor are tables in use that were refused.
    let mut decoder = Decoder::new(GEOMETRY).unwrap();
    decoder.begin(&good.head, false).unwrap();
    assert!(decoder.begin(&good.head[..9], false).is_err());
    let frame = decoder.begin(&[0], false).unwrap();
    let mut picture = vec![0; 100 * 20];
    let into = Target { data: &mut picture, stride: 100, row_bytes: 100, rows: 20 };
    let read = SliceDecoder::new().decode(&frame, 0, good.mode, 0..20, &good.data, into);
    assert_eq!(read, Err(Error::Vtz("codes before any tables")));
}

#[test]
fn a_slice_must_be_whole_strips_and_a_plane_must_be_there() {
    let good = sent(Method::Bits);
    let mut decoder = Decoder::new(GEOMETRY).unwrap();
    let frame = decoder.begin(&good.head, false).unwrap();
    let mut picture = vec![0; 100 * 40];
    let mut read = |plane: usize, rows: std::ops::Range<usize>| {
        let count = rows.len();
        let into = Target { data: &mut picture, stride: 100, row_bytes: 100, rows: count };
        SliceDecoder::new().decode(&frame, plane, good.mode, rows, &good.data, into)
    };
    let reason = Error::Vtz("a slice that is not whole strips");
    let backwards = std::ops::Range { start: 16, end: 0 };
    for rows in [0..8, 8..20, 0..0, 0..21, 16..36, backwards] {
        assert_eq!(read(0, rows), Err(reason.clone()));
    }
    assert_eq!(read(2, 0..20), Err(Error::Vtz("no such plane")));
    assert_eq!(read(0, 0..20), Ok(()));
}

#[test]
fn rows_of_another_shape_are_our_own_fault() {
    let good = sent(Method::Bits);
    let frame = Decoder::new(GEOMETRY).unwrap().begin(&good.head, false).unwrap();
    let mut picture = vec![0; 100 * 20];
    for (stride, row_bytes, rows) in [(100, 99, 20), (100, 100, 19), (99, 100, 20), (101, 100, 20)]
    {
        let into = Target { data: &mut picture, stride, row_bytes, rows };
        let read = SliceDecoder::new().decode(&frame, 0, good.mode, 0..20, &good.data, into);
        assert!(read.is_err_and(|error| !error.is_peer_fault()));
    }
    for (width, height) in [(0, 1), (1, 0), (16_385, 1), (1, usize::MAX)] {
        let geometry = Geometry { width, height, ..GEOMETRY };
        assert_eq!(Decoder::new(geometry).err(), Some(Error::Geometry { width, height }));
        assert_eq!(Encoder::new(geometry).err(), Some(Error::Geometry { width, height }));
    }
}

#[test]
fn a_reader_works_after_every_kind_of_refusal() {
    let good = sent(Method::Huffman);
    let mut decoder = Decoder::new(GEOMETRY).unwrap();
    let mut reader = SliceDecoder::new();
    let frame = decoder.begin(&good.head, false).unwrap();
    let expected = Picture::new(GEOMETRY, Content::Camera, 0, 0);
    for len in (0..good.data.len()).step_by(7) {
        for data in [&good.data[..len], &good.data] {
            let mut picture = vec![0; 100 * 20];
            let into = Target { data: &mut picture, stride: 100, row_bytes: 100, rows: 20 };
            let read = reader.decode(&frame, 0, good.mode, 0..20, data, into);
            assert_eq!(read.is_ok(), data.len() == good.data.len());
            assert!(read.is_err() || picture == expected.planes[0]);
        }
    }
}

proptest! {
    #[test]
    fn any_change_of_bytes_gives_a_picture_or_the_peers_fault(
        method in prop::sample::select(&[Method::Bits, Method::Huffman][..]),
        in_head in any::<bool>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut sent = sent(method);
        let bytes = if in_head { &mut sent.head } else { &mut sent.data };
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Err(error) = read(&sent) {
            prop_assert!(error.is_peer_fault(), "{}", error);
        }
    }
}
