//! Properties of every stream, not only of those that an encoder wrote.

use proptest::collection::vec;
use proptest::prelude::*;
use vtremote_bitstream::{
    AccessUnits, Codec, Framing, LengthSize, ParameterSets, access_units, annexb, length_prefixed,
};

/// Payload bytes with emulation prevention (H.264 7.4.1, H.265 7.4.2.1) and a last byte that is not
/// zero, behind a header.
fn nal(header: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut nal = header.to_vec();
    for &byte in payload {
        if byte <= 3 && nal.ends_with(&[0, 0]) {
            nal.push(3);
        }
        nal.push(byte);
    }
    nal.push(0x80);
    nal
}

/// Mostly bytes that matter to start codes.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    vec(prop_oneof![4 => Just(0), 2 => Just(1), 1 => Just(3), 2 => any::<u8>()], 0..40)
}

fn codec() -> impl Strategy<Value = Codec> {
    prop_oneof![Just(Codec::H264), Just(Codec::H265)]
}

fn nal_of(codec: Codec, unit_type: u8, payload: &[u8]) -> Vec<u8> {
    match codec {
        Codec::H264 => nal(&[0x60 | unit_type], payload),
        Codec::H265 => nal(&[unit_type << 1, 1], payload),
    }
}

/// NAL units of any type that the header can say.
fn nals_of(codec: Codec) -> impl Strategy<Value = Vec<Vec<u8>>> {
    let types: u8 = if codec == Codec::H264 { 32 } else { 64 };
    let nal = (0..types, payload());
    vec(nal.prop_map(move |(unit_type, payload)| nal_of(codec, unit_type, &payload)), 0..12)
}

fn nals() -> impl Strategy<Value = (Codec, Vec<Vec<u8>>)> {
    codec().prop_flat_map(|codec| (Just(codec), nals_of(codec)))
}

/// A byte stream with start codes and padding of any length, `zeros` telling how long.
fn join(nals: &[Vec<u8>], zeros: &[u8]) -> Vec<u8> {
    let mut zeros = zeros.iter().cycle();
    let mut stream = Vec::new();
    for nal in nals {
        stream.resize(stream.len() + 2 + usize::from(*zeros.next().unwrap_or(&1)), 0);
        stream.push(1);
        stream.extend_from_slice(nal);
    }
    stream
}

fn size() -> impl Strategy<Value = LengthSize> {
    (1..=4u8).prop_map(|bytes| LengthSize::new(bytes).unwrap())
}

proptest! {
    #[test]
    fn nal_units_go_through_both_framings_unchanged(
        (_, nals) in nals(), zeros in vec(0..4u8, 1..4), size in size(),
    ) {
        let stream = join(&nals, &zeros);
        prop_assert_eq!(annexb::nal_units(&stream).collect::<Vec<_>>(), nals.clone());

        let mut sample = Vec::new();
        annexb::to_length_prefixed(&stream, size, &mut sample).unwrap();
        let found: Result<Vec<_>, _> = length_prefixed::nal_units(&sample, size).collect();
        prop_assert_eq!(found.unwrap(), nals.clone());

        let mut back = Vec::new();
        length_prefixed::to_annexb(&sample, size, &mut back).unwrap();
        let mut normal = Vec::new();
        annexb::with_four_byte_start_codes(&stream, &mut normal).unwrap();
        prop_assert_eq!(&back, &normal);
        prop_assert_eq!(normal, join(&nals, &[1]));
    }

    #[test]
    fn access_units_hold_every_nal_unit_once(
        (codec, nals) in nals(), zeros in vec(0..4u8, 1..4), pieces in vec(1..50usize, 1..4),
    ) {
        let stream = join(&nals, &zeros);
        let whole: Vec<_> = access_units(codec, &stream).collect();
        prop_assert_eq!(whole.iter().flat_map(|u| annexb::nal_units(u)).collect::<Vec<_>>(), nals);

        let mut units = AccessUnits::new(codec, usize::MAX);
        let mut found = Vec::new();
        let mut rest = &stream[..];
        for &piece in pieces.iter().cycle() {
            let (head, tail) = rest.split_at(piece.min(rest.len()));
            rest = tail;
            units.push(head);
            if rest.is_empty() {
                units.finish();
            }
            while let Some(unit) = units.next_unit().unwrap() {
                found.push(unit.to_vec());
            }
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(found, whole);
    }

    #[test]
    fn parameter_sets_go_through_annex_b_unchanged((codec, nals) in nals()) {
        let sets = ParameterSets::from_annexb(codec, &join(&nals, &[0])).unwrap();
        let (back, framing) = ParameterSets::from_extradata(codec, &sets.to_annexb()).unwrap();
        prop_assert_eq!(back, sets);
        prop_assert_eq!(framing, Framing::AnnexB);
    }

    #[test]
    fn parameter_sets_go_through_a_record_unchanged(
        codec in codec(), others in vec((0..4u8, payload()), 0..20), size in size(),
    ) {
        // One SPS that can be read, others that may replace it, and any number of other sets.
        let (sps, types): (&[u8], _) = match codec {
            Codec::H264 => (&[77, 0, 30, 0x80], [8, 8, 13, 13]),
            Codec::H265 => (
                &[1, 1, 0x60, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 60, 0xa0, 0x20, 0x81, 5, 0xff],
                [32, 34, 34, 39],
            ),
        };
        let required: &[u8] = if codec == Codec::H264 { &[7, 8] } else { &[33, 32, 34] };
        let mut nals: Vec<_> = others
            .iter()
            .map(|(at, payload)| nal_of(codec, types[usize::from(*at)], payload))
            .collect();
        nals.extend(required.iter().map(|&unit_type| nal_of(codec, unit_type, sps)));
        let mut sets = ParameterSets::from_annexb(codec, &join(&nals, &[1])).unwrap();
        if codec == Codec::H264 {
            // Main has no place for SPS extensions in its record.
            sets.insert(&nal(&[0x67], &[100, 0, 30, 0xae]));
        }
        let record = sets.to_record(size).unwrap();
        prop_assert_eq!(ParameterSets::from_record(codec, &record), Ok((sets, size)));
    }

    #[test]
    fn an_access_unit_lacks_nothing_once_it_has_been_prepended_to(
        (codec, nals, sets) in
            codec().prop_flat_map(|codec| (Just(codec), nals_of(codec), nals_of(codec))),
    ) {
        let sets = ParameterSets::from_annexb(codec, &join(&sets, &[0])).unwrap();
        let mut once = Vec::new();
        sets.prepend_missing(&join(&nals, &[0]), &mut once).unwrap();
        let mut twice = Vec::new();
        sets.prepend_missing(&once, &mut twice).unwrap();
        prop_assert_eq!(&twice, &once);

        let carried = ParameterSets::in_access_unit(codec, &join(&nals, &[0]));
        let mut wanted = sets;
        wanted.update(carried);
        let found = ParameterSets::in_access_unit(codec, &once);
        prop_assert!(found.iter().eq(wanted.iter()));
    }

    #[test]
    fn no_bytes_panic(codec in codec(), bytes in vec(any::<u8>(), 0..200), size in size()) {
        let _ = ParameterSets::from_extradata(codec, &bytes).map(|(sets, _)| sets.to_record(size));
        let _ = length_prefixed::to_annexb(&bytes, size, &mut Vec::new());
        let _ = annexb::to_length_prefixed(&bytes, size, &mut Vec::new());
        access_units(codec, &bytes).for_each(drop);
    }
}
