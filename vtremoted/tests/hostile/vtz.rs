//! Pictures of vtz that are none: docs/protocol.md sections 9 and 11.

use crate::forged::{
    ACK, FRAME_BEGIN, SLICE, SLICES, is_refused, message, numbers, resident, slice,
};
use crate::target::{Target, patient};
use crate::valid::{TINY, Use, encode_vtz, flush, handshake};
use crate::video::Video;
use vtremote_backend::PixelFormat;

const VTZ: (&str, &str) = ("x.wire.vtz.v1", "1");
const NONE: u32 = u32::MAX;

/// Flags of a FRAME_BEGIN.
const LOOSE: &[u8] = &[0];
const KEPT: &[u8] = &[2];

/// Modes of slices.
const RAW: u8 = 1;
const COPY: u8 = 2;
const BITS: u8 = 3;
const HUFFMAN: u8 = 4;

/// FRAME_BEGIN of a picture of two slices.
fn begin(id: u32, reference: u32, tables: &[u8]) -> Vec<u8> {
    begin_of(id, reference, 2, tables)
}

fn begin_of(id: u32, reference: u32, slices: u16, tables: &[u8]) -> Vec<u8> {
    let head = [numbers(&[0, id, 0, 1, 0]), vec![2, 3], numbers(&[id, reference])].concat();
    let tables = [&numbers(&[tables.len() as u32])[..], tables].concat();
    message(FRAME_BEGIN, &[&head[..], &slices.to_be_bytes(), &tables].concat())
}

/// A SLICE of frame `id` with the whole of a plane.
fn whole(id: u32, plane: u8, mode: u8, data: &[u8]) -> Vec<u8> {
    let rows = [16, 8][usize::from(plane)];
    let head = slice(id, plane.into(), plane, mode, (0, rows), 0);
    // Without its header, which has the length.
    message(SLICE, &[&head[12..], data].concat())
}

/// A picture whose rows are all there is to it.
fn raw(id: u32, reference: u32, flags: &[u8]) -> Vec<u8> {
    let (luma, chroma) = (whole(id, 0, RAW, &[0x55; 256]), whole(id, 1, RAW, &[0x55; 128]));
    [begin(id, reference, flags), luma, chroma].concat()
}

/// Flags and tables of the first picture of [`encode_vtz`].
fn tables() -> Vec<u8> {
    let valid = encode_vtz();
    // Behind HELLO, CONFIGURE and PING.
    let begin = &valid.bytes[valid.ends[2].0 + 12..valid.ends[3].0];
    let len = u32::from_be_bytes(begin[32..36].try_into().unwrap());
    let tables = begin[36..][..len as usize].to_vec();
    assert_eq!(tables[0], 3, "it is kept and has tables");
    tables
}

#[test]
fn every_mode_but_that_of_bits_is_in_the_session_that_others_are_made_of() {
    let valid = encode_vtz();
    let mut start = 0;
    let mut modes = Vec::new();
    for (end, what) in &valid.ends {
        let message = &valid.bytes[start..*end];
        if message[6..8] == [0x40, 2] {
            modes.push(message[12 + 7]);
            assert!(matches!(what, Use::Part | Use::Input));
        }
        start = *end;
    }
    assert!(modes.contains(&HUFFMAN), "{modes:?}");
    assert!(modes.ends_with(&[COPY, COPY]), "{modes:?}");
}

#[test]
fn pictures_of_vtz_that_break_its_rules_are_refused() {
    let target = Target::new(&patient(), "");
    let tables = tables();
    let bits = |planes: u8, len| [&[0, planes * 17, planes * 17][..], &vec![0; len]].concat();
    let cut = &tables[..tables.len() - 1];
    let long = [&tables[..], &[0]].concat();
    let flagged = |flags: u8, rest: &[u8]| [&[flags][..], rest].concat();
    let kept = || raw(0, NONE, KEPT);
    let luma = |begin: Vec<u8>, mode, data: &[u8]| {
        // The chroma after it is as it should be.
        [begin, whole(0, 0, mode, data), whole(0, 1, RAW, &[0; 128])].concat()
    };
    let none = || begin(0, NONE, LOOSE);
    let with_tables = || begin(0, NONE, &tables);
    for (what, messages) in [
        ("no flags", begin(0, NONE, &[])),
        ("unknown flags", begin(0, NONE, &[4])),
        ("all flags", begin(0, NONE, &[255])),
        ("tables that are not there", begin(0, NONE, &[1])),
        ("tables without their flag", begin(0, NONE, &flagged(2, &tables[1..]))),
        ("tables that are cut", begin(0, NONE, cut)),
        ("tables that go on", begin(0, NONE, &long)),
        ("tables of noise", begin(0, NONE, &flagged(1, &[0x5a; 900]))),
        ("tables of zeros", begin(0, NONE, &flagged(1, &[0; 900]))),
        ("tables of ones", begin(0, NONE, &flagged(1, &[255; 65535]))),
        ("more than tables may be", begin(0, NONE, &flagged(1, &[0x11; 65536]))),
        ("257 slices", begin_of(0, NONE, 257, LOOSE)),
        ("a reference that never was", begin(0, 0, LOOSE)),
        ("itself as the reference", begin(0, 0, KEPT)),
        ("a reference that was not kept", [raw(0, NONE, LOOSE), begin(1, 0, LOOSE)].concat()),
        ("an older reference", [kept(), raw(1, 0, KEPT), begin(2, 0, KEPT)].concat()),
        ("a later reference", [kept(), begin(1, 2, LOOSE)].concat()),
        ("a picture to keep that has no id", begin(NONE, NONE, KEPT)),
        ("mode 0", luma(none(), 0, &[0x55; 256])),
        ("mode 5", luma(none(), 5, &[0x55; 256])),
        ("mode 255", luma(none(), 255, &[0x55; 256])),
        ("too few raw rows", luma(none(), RAW, &[0x55; 255])),
        ("too many raw rows", luma(none(), RAW, &[0x55; 257])),
        ("a copy of nothing", luma(none(), COPY, &[])),
        (
            "a copy without reference",
            [kept(), begin(1, NONE, KEPT), whole(1, 0, COPY, &[])]
                .concat()
                .into_iter()
                .chain(whole(1, 1, RAW, &[0; 128]))
                .collect(),
        ),
        ("a copy with data", [kept(), begin(1, 0, KEPT), whole(1, 0, COPY, &[0])].concat()),
        ("bits of nothing", luma(none(), BITS, &[])),
        ("bits that are cut", luma(none(), BITS, &bits(0, 0)[..2])),
        ("bits that go on", luma(none(), BITS, &bits(0, 40))),
        ("more planes than bits", luma(none(), BITS, &bits(9, 200))),
        ("bits as long as the rows", luma(none(), BITS, &[0; 256])),
        ("bits longer than the rows", luma(none(), BITS, &[0; 257])),
        ("a predictor from no reference", luma(none(), BITS, &flagged(2, &[0; 4]))),
        ("noise as bits", luma(none(), BITS, &[0xa7; 200])),
        ("codes without tables", luma(none(), HUFFMAN, &[0; 100])),
        ("codes of nothing", luma(with_tables(), HUFFMAN, &[])),
        ("codes that are cut", luma(with_tables(), HUFFMAN, &[0; 36])),
        ("noise as codes", luma(with_tables(), HUFFMAN, &[0xa7; 200])),
        ("streams of 4 GiB", luma(with_tables(), HUFFMAN, &flagged(0, &[255; 150]))),
        ("codes longer than the rows", luma(with_tables(), HUFFMAN, &[0; 257])),
        ("half a strip", [begin_of(0, NONE, 3, LOOSE), slice(0, 0, 0, RAW, (0, 8), 128)].concat()),
        (
            "the other half of a strip",
            [begin_of(0, NONE, 3, LOOSE), slice(0, 0, 0, RAW, (8, 8), 128)].concat(),
        ),
    ] {
        let bytes = [handshake(TINY, &[ACK, SLICES, VTZ]), messages, flush()].concat();
        is_refused(&target, what, &bytes);
    }
    target.is_well();
}

#[test]
fn vtz_that_was_not_agreed_is_refused() {
    let target = Target::new(&patient(), "");
    let off = ("x.wire.vtz.v1", "0");
    for options in [&[ACK, SLICES][..], &[ACK, VTZ], &[ACK, SLICES, off], &[]] {
        let bytes = [handshake(TINY, options), raw(0, NONE, LOOSE)].concat();
        is_refused(&target, &format!("{options:?}"), &bytes);
    }
    for wish in ["3", "-1", "yes", ""] {
        let options = [ACK, SLICES, ("x.wire.vtz.v1", wish)];
        let (_, text) = target.refusal(&handshake(TINY, &options));
        assert!(text.contains("x.wire.vtz.v1"), "{wish:?}: {text}");
    }
    target.is_well();
}

/// Some of what a bit is turned in is data like any other: then the picture is another, and no more.
#[test]
fn a_turned_bit_anywhere_in_a_session_ends_in_done_or_error() {
    let target = Target::new(&patient(), "");
    let valid = encode_vtz();
    // Behind the handshake and PING, and in no length of a message: those are prefixes by another name.
    let first = valid.ends[2].0;
    let (mut done, mut refused) = (0, 0);
    let mut start = first;
    for (end, what) in &valid.ends[3..] {
        // Times are for the codec to judge.
        let times = if valid.bytes[start + 7] == 1 { 20 } else { 0 };
        for at in start + 12 + times..*end {
            let mut bytes = valid.bytes.clone();
            bytes[at] ^= 1 << (at % 8);
            let answers = target.answers(&bytes);
            assert!(answers.outputs() <= valid.complete(valid.bytes.len(), Use::Input));
            match answers.error() {
                None => {
                    assert!(answers.is_done(), "{what:?}, byte {at}: {answers:?}");
                    done += 1;
                }
                Some((code, text)) => {
                    assert!([1, 3, 4, 7].contains(&code), "byte {at}: ERROR {code} {text}");
                    refused += 1;
                }
            }
        }
        start = *end;
    }
    assert!(done > 10 && refused > 100, "{done}, {refused}");
    target.is_well();
}

#[test]
fn noise_takes_no_more_memory_than_the_picture_that_it_is_said_to_be() {
    let target = Target::new(&patient(), "");
    let large = Video { format: PixelFormat::Nv12, width: 1920, height: 1080 };
    let luma = 1920 * 1080;
    let tables = tables();
    let before = resident();
    for mode in [BITS, HUFFMAN] {
        for byte in [0, 0x3c, 0xff] {
            let head = slice(0, 0, 0, mode, (0, 1080), 0);
            let data = vec![byte; luma - 1];
            let noise = message(SLICE, &[&head[12..], &data].concat());
            let chroma = slice(0, 1, 1, RAW, (0, 540), luma / 2);
            let picture = [begin(0, NONE, &tables), noise, chroma].concat();
            let bytes = [handshake(large, &[ACK, SLICES, VTZ]), picture].concat();
            is_refused(&target, &format!("mode {mode} of {byte:#x}"), &bytes);
        }
    }
    let grown = resident().saturating_sub(before);
    assert!(grown < 128 << 20, "{grown} bytes more than before");
    target.is_well();
}
