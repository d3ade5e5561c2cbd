//! Annex B and length-prefixed framing.

use vtremote_bitstream::{Error, LengthSize, annexb, length_prefixed};

fn size(bytes: u8) -> LengthSize {
    LengthSize::new(bytes).unwrap()
}

fn annexb_nals(data: &[u8]) -> Vec<&[u8]> {
    annexb::nal_units(data).collect()
}

fn to_length_prefixed(data: &[u8], bytes: u8) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    annexb::to_length_prefixed(data, size(bytes), &mut out).map(|()| out)
}

fn to_annexb(data: &[u8], bytes: u8) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    length_prefixed::to_annexb(data, size(bytes), &mut out).map(|()| out)
}

#[test]
fn start_codes_have_3_or_4_bytes() {
    assert_eq!(annexb_nals(&[0, 0, 1, 9, 0, 0, 0, 1, 8, 7]), [&[9][..], &[8, 7]]);
}

#[test]
fn leading_and_trailing_zeros_are_not_of_a_nal_unit() {
    let data = [0, 0, 0, 0, 0, 1, 9, 0x10, 0, 0, 0, 0, 0, 1, 8, 0, 0, 0];
    assert_eq!(annexb_nals(&data), [&[9, 0x10][..], &[8]]);
}

#[test]
fn what_only_resembles_a_start_code_stays_in_its_nal_unit() {
    let data = [0, 0, 1, 9, 0, 1, 0, 0, 3, 1, 0, 1, 0, 0, 2, 0, 0, 1, 5, 0, 1];
    assert_eq!(annexb_nals(&data), [&[9, 0, 1, 0, 0, 3, 1, 0, 1, 0, 0, 2][..], &[5, 0, 1]]);
}

#[test]
fn a_nal_unit_may_begin_with_a_zero_byte() {
    // H.265 TRAIL_N of the base layer has the header 00 01.
    assert_eq!(annexb_nals(&[0, 0, 1, 0, 1, 0x80, 0, 0, 1, 0, 1, 7]), [[0, 1, 0x80], [0, 1, 7]]);
}

#[test]
fn empty_nal_units_and_bytes_before_the_first_start_code_are_passed_over() {
    assert_eq!(annexb_nals(&[0, 0, 1, 0, 0, 1, 0, 0, 0, 1, 9, 0, 0, 1]), [[9]]);
    assert_eq!(annexb_nals(&[7, 7, 0, 0, 1, 9]), [[9]]);
    for nothing in [&[][..], &[0], &[0, 0, 0, 0], &[0, 0, 1], &[0, 0, 1, 0, 0], &[7, 7, 7]] {
        assert_eq!(annexb_nals(nothing), [[]; 0], "{nothing:?}");
    }
}

#[test]
fn the_remainder_begins_at_the_next_nal_unit() {
    let mut nals = annexb::nal_units(&[0, 0, 1, 0, 0, 1, 9, 8, 0, 0, 1, 7]);
    assert_eq!(nals.remainder(), [9, 8, 0, 0, 1, 7]);
    assert_eq!(nals.next(), Some(&[9, 8][..]));
    assert_eq!(nals.remainder(), [7]);
    assert_eq!(nals.next(), Some(&[7][..]));
    assert_eq!(nals.remainder(), []);
    assert_eq!(nals.next(), None);
}

#[test]
fn only_leading_zeros_may_stand_before_a_start_code() {
    for yes in [&[0, 0, 1][..], &[0, 0, 0, 1, 9], &[0, 0, 0, 0, 0, 1]] {
        assert!(annexb::begins_with_start_code(yes), "{yes:?}");
    }
    for no in [&[][..], &[1], &[0, 1], &[0, 0, 0], &[0, 0, 2, 0, 0, 1], &[9, 0, 0, 1]] {
        assert!(!annexb::begins_with_start_code(no), "{no:?}");
    }
}

#[test]
fn lengths_have_as_many_bytes_as_asked_for() {
    let data = [0, 0, 1, 9, 0, 0, 0, 1, 8, 7, 0];
    assert_eq!(to_length_prefixed(&data, 1), Ok(vec![1, 9, 2, 8, 7]));
    assert_eq!(to_length_prefixed(&data, 2), Ok(vec![0, 1, 9, 0, 2, 8, 7]));
    assert_eq!(to_length_prefixed(&data, 3), Ok(vec![0, 0, 1, 9, 0, 0, 2, 8, 7]));
    assert_eq!(to_length_prefixed(&data, 4), Ok(vec![0, 0, 0, 1, 9, 0, 0, 0, 2, 8, 7]));
}

#[test]
fn there_are_lengths_of_1_to_4_bytes() {
    assert_eq!([0, 5, 255].map(LengthSize::new), [None; 3]);
    let limits = [1, 2, 3, 4].map(|bytes| size(bytes).max_nal_unit_len());
    assert_eq!(limits, [0xff, 0xffff, 0xff_ffff, 0xffff_ffff]);
}

#[test]
fn a_nal_unit_too_long_for_its_length_is_an_error_and_writes_nothing() {
    for (bytes, limit) in [(1, 0xff), (2, 0xffff), (3, 0xff_ffff)] {
        let mut data = vec![0, 0, 1, 9, 0, 0, 1];
        data.resize(7 + limit, 9);
        let mut out = vec![42];
        annexb::to_length_prefixed(&data, size(bytes), &mut out).unwrap();
        assert_eq!(out.len(), 1 + usize::from(bytes) * 2 + 1 + limit);
        data.push(9);
        let mut out = vec![42];
        assert_eq!(
            annexb::to_length_prefixed(&data, size(bytes), &mut out),
            Err(Error::NalUnitTooLong { len: limit + 1, limit })
        );
        assert_eq!(out, [42]);
    }
}

#[test]
fn bytes_that_are_not_annex_b_are_an_error() {
    for data in [&[9][..], &[0, 0, 0], &[9, 0, 0, 1, 9]] {
        assert_eq!(to_length_prefixed(data, 4), Err(Error::NoStartCode));
        let mut out = vec![42];
        assert_eq!(annexb::with_four_byte_start_codes(data, &mut out), Err(Error::NoStartCode));
        assert_eq!(out, [42]);
    }
}

#[test]
fn nothing_becomes_nothing() {
    assert_eq!(to_length_prefixed(&[], 4), Ok(vec![]));
    assert_eq!(to_annexb(&[], 4), Ok(vec![]));
    let mut out = vec![];
    annexb::with_four_byte_start_codes(&[], &mut out).unwrap();
    assert_eq!(out, []);
}

#[test]
fn a_packet_gets_4_byte_start_codes_and_loses_its_padding() {
    let mut out = vec![42];
    let data = [0, 0, 1, 9, 0x10, 0, 0, 1, 8, 0, 0, 0, 0, 1, 7, 0];
    annexb::with_four_byte_start_codes(&data, &mut out).unwrap();
    assert_eq!(out, [42, 0, 0, 0, 1, 9, 0x10, 0, 0, 0, 1, 8, 0, 0, 0, 1, 7]);
}

#[test]
fn a_sample_becomes_annex_b_with_4_byte_start_codes() {
    let wanted = [0, 0, 0, 1, 9, 0, 0, 0, 1, 8, 7];
    assert_eq!(to_annexb(&[1, 9, 2, 8, 7], 1), Ok(wanted.to_vec()));
    assert_eq!(to_annexb(&[0, 0, 0, 1, 9, 0, 0, 0, 2, 8, 7], 4), Ok(wanted.to_vec()));
}

#[test]
fn empty_nal_units_of_a_sample_are_passed_over() {
    assert_eq!(to_annexb(&[0, 1, 9, 0, 0], 1), Ok(vec![0, 0, 0, 1, 9]));
}

#[test]
fn a_sample_cut_inside_a_nal_unit_is_truncated_and_writes_nothing() {
    for bytes in 1..=4 {
        let whole = to_length_prefixed(&[0, 0, 1, 9, 8, 0, 0, 1, 7, 6], bytes).unwrap();
        let first = usize::from(bytes) + 2;
        for len in 1..whole.len() {
            let mut out = vec![42];
            let cut = length_prefixed::to_annexb(&whole[..len], size(bytes), &mut out);
            if len == first {
                assert_eq!((cut, out.len()), (Ok(()), 1 + 4 + 2));
            } else {
                assert!(matches!(cut, Err(Error::Truncated { .. })), "{len} of {bytes}: {cut:?}");
                assert_eq!(out, [42]);
            }
        }
    }
}

#[test]
fn the_nal_units_of_a_sample_end_with_the_error() {
    let mut nals = length_prefixed::nal_units(&[0xff, 0xff, 0xff, 0xff, 9], LengthSize::FOUR);
    assert_eq!(nals.next(), Some(Err(Error::Truncated { what: "a NAL unit", offset: 4 })));
    assert_eq!(nals.next(), None);
}
