//! Closed captions and the metadata of HDR, into access units and out of them.

use proptest::collection::vec;
use proptest::prelude::*;
use vtremote_bitstream::sei::{self, Sei};
use vtremote_bitstream::{Codec, Error, access_units, annexb};

/// Two triplets: a CEA-608 pair and a CEA-708 packet's start.
const CC_DATA: [u8; 6] = [0xfc, 0x94, 0x20, 0xff, 0x02, 0x21];

fn inserted(codec: Codec, access_unit: &[u8], cc_data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let captions = sei::captions(cc_data).unwrap();
    sei::insert(codec, access_unit, &[captions], &mut out).unwrap();
    out
}

fn stream(nals: &[&[u8]]) -> Vec<u8> {
    nals.iter().flat_map(|nal| [&[0, 0, 0, 1], *nal].concat()).collect()
}

#[test]
fn captions_are_written_as_atsc_says() {
    let message = [
        &[4, 17][..], // user_data_registered_itu_t_t35 of 17 bytes
        &[0xb5, 0, 0x31, b'G', b'A', b'9', b'4', 3],
        &[0xc2, 0xff],
        &CC_DATA,
        &[0xff],
        &[0x80],
    ]
    .concat();
    let slice = [0x65, 0x88];
    let sei = [&[6][..], &message].concat();
    assert_eq!(inserted(Codec::H264, &stream(&[&slice]), &CC_DATA), stream(&[&sei, &slice]));

    // In H.265 with the TemporalId of the picture.
    let slice = [2, 3, 0x88];
    let sei = [&[39 << 1, 3][..], &message].concat();
    assert_eq!(inserted(Codec::H265, &stream(&[&slice]), &CC_DATA), stream(&[&sei, &slice]));
}

#[test]
fn what_looks_like_a_start_code_is_escaped() {
    let cc_data = [0, 0, 0, 0, 0, 1, 0, 0, 2, 0, 0, 3];
    let unit = inserted(Codec::H264, &stream(&[&[0x65, 0x88]]), &cc_data);
    let escaped = [0, 0, 3, 0, 0, 3, 0, 1, 0, 0, 3, 2, 0, 0, 3, 3, 0xff, 0x80];
    let sei = annexb::nal_units(&unit).next().unwrap();
    assert!(sei.ends_with(&escaped), "{sei:02x?}");
    assert_eq!(sei::captions_in(Codec::H264, &unit), cc_data);
}

#[test]
fn captions_are_1_to_31_whole_triplets() {
    for len in 0..=100 {
        let valid = len % 3 == 0 && (1..=31).contains(&(len / 3));
        assert_eq!(sei::captions(&vec![0xfc; len]).is_some(), valid, "{len} bytes");
    }
}

#[test]
fn captions_stand_behind_all_else_and_before_the_first_slice() {
    // Delimiter, SPS, PPS, SEI, prefix, two slices.
    let h264: [&[u8]; 7] =
        [&[9, 0xf0], &[0x67, 1], &[0x68, 1], &[6, 5], &[14, 1], &[5, 2], &[5, 3]];
    let unit = inserted(Codec::H264, &stream(&h264), &CC_DATA);
    let types: Vec<_> = annexb::nal_units(&unit).map(|nal| nal[0] & 0x1f).collect();
    assert_eq!(types, [9, 7, 8, 6, 6, 14, 5, 5]);

    // Delimiter, VPS, SPS, PPS, SEI, two slices, suffix SEI.
    let h265 = [35, 32, 33, 34, 39, 1, 1, 40].map(|unit_type: u8| [unit_type << 1, 1, 9]);
    let unit = inserted(Codec::H265, &stream(&h265.each_ref().map(|nal| &nal[..])), &CC_DATA);
    let types: Vec<_> = annexb::nal_units(&unit).map(|nal| nal[0] >> 1).collect();
    assert_eq!(types, [35, 32, 33, 34, 39, 39, 1, 1, 40]);
}

#[test]
fn without_a_slice_captions_come_last() {
    let unit = inserted(Codec::H264, &stream(&[&[9, 0xf0]]), &CC_DATA);
    assert_eq!(sei::captions_in(Codec::H264, &unit), CC_DATA);
    assert_eq!(annexb::nal_units(&unit).map(|nal| nal[0]).collect::<Vec<_>>(), [9, 6]);
}

#[test]
fn several_messages_share_a_nal_unit() {
    let messages = [sei::captions(&CC_DATA[..3]).unwrap(), sei::captions(&CC_DATA[3..]).unwrap()];
    let mut out = Vec::new();
    sei::insert(Codec::H265, &stream(&[&[2, 1, 0x88]]), &messages, &mut out).unwrap();
    assert_eq!(annexb::nal_units(&out).count(), 2);
    assert_eq!(sei::captions_in(Codec::H265, &out), CC_DATA);
}

#[test]
fn no_messages_add_nothing() {
    let unit = stream(&[&[9, 0xf0], &[0x65, 0x88]]);
    let mut out = Vec::new();
    sei::insert(Codec::H264, &unit, &[], &mut out).unwrap();
    assert_eq!(out, unit);
}

#[test]
fn what_is_no_byte_stream_is_refused() {
    let mut out = vec![7];
    let captions = [sei::captions(&CC_DATA).unwrap()];
    let refused = sei::insert(Codec::H264, &[0, 0, 0, 9], &captions, &mut out);
    assert_eq!((refused, out), (Err(Error::NoStartCode), vec![7]));
}

#[test]
fn every_access_unit_of_an_encoder_keeps_all_that_it_had() {
    let streams: [(Codec, &[u8]); 2] = [
        (Codec::H264, include_bytes!("data/slices.264")),
        (Codec::H265, include_bytes!("data/slices.265")),
    ];
    for (codec, bytes) in streams {
        for (at, unit) in access_units(codec, bytes).enumerate() {
            assert_eq!(sei::captions_in(codec, unit), []);
            let captioned = inserted(codec, unit, &[0xfc, at as u8, 0]);
            assert_eq!(access_units(codec, &captioned).count(), 1, "{codec}, {at}");
            assert_eq!(sei::captions_in(codec, &captioned), [0xfc, at as u8, 0]);
            let mut others: Vec<_> = annexb::nal_units(&captioned).collect();
            let before = annexb::nal_units(unit).count();
            let added = others.iter().rposition(|nal| {
                codec.nal_unit_type(nal) == Some(if codec == Codec::H264 { 6 } else { 39 })
            });
            others.remove(added.unwrap());
            assert_eq!(others.len(), before);
            assert!(annexb::nal_units(unit).eq(others), "{codec}, {at}");
        }
    }
}

#[test]
fn user_data_that_is_cut_or_something_else_has_no_captions() {
    let whole = [
        &[6, 4, 17, 0xb5, 0, 0x31, b'G', b'A', b'9', b'4', 3, 0xc2, 0xff][..],
        &CC_DATA,
        &[0xff, 0x80],
    ]
    .concat();
    let found = |sei: &[u8]| sei::captions_in(Codec::H264, &stream(&[sei, &[0x65, 0x88]]));
    assert_eq!(found(&whole), CC_DATA);
    for len in 1..whole.len() - 1 {
        assert_eq!(found(&whole[..len]), [], "{len} bytes");
    }
    let changed = |at: usize, byte: u8| {
        let mut sei = whole.clone();
        sei[at] = byte;
        found(&sei)
    };
    assert_eq!(changed(1, 5), [], "another payload type");
    assert_eq!(changed(10, 6), [], "bar data");
    assert_eq!(changed(11, 0x82), [], "not to be processed");
    assert_eq!(changed(11, 0xc3), [], "more triplets than bytes");
    assert_eq!(changed(11, 0xc1), CC_DATA[..3], "fewer triplets than bytes");
}

/// DCI-P3 with 1000 to 0.0001 candela per square metre.
const DISPLAY: [u8; 24] = [
    0x33, 0xc2, 0x86, 0xc4, 0x1d, 0x4c, 0x0b, 0xb8, 0x84, 0xd0, 0x3e, 0x8f, 0x3d, 0x13, 0x40, 0x42,
    0, 0x98, 0x96, 0x80, 0, 0, 0, 1,
];
const LIGHT: [u8; 4] = [0x03, 0xe8, 0x01, 0x90];

#[test]
fn metadata_of_hdr_is_written_as_the_standards_say() {
    let mut out = Vec::new();
    let slice = [0x26, 1, 0x88];
    let messages = [Sei::mastering_display(DISPLAY), Sei::content_light(LIGHT)];
    sei::insert(Codec::H265, &stream(&[&slice]), &messages, &mut out).unwrap();
    // With an emulation prevention byte in the lowest luminance.
    let (display, lowest) = DISPLAY.split_at(20);
    let escaped = [lowest[0], lowest[1], 3, lowest[2], lowest[3]];
    let message =
        [&[39 << 1, 1, 137, 24][..], display, &escaped, &[144, 4], &LIGHT, &[0x80]].concat();
    assert_eq!(out, stream(&[&message, &slice]));
}

#[test]
fn metadata_of_hdr_comes_out_among_other_messages() {
    for (codec, slice) in [(Codec::H264, &[0x65, 0x88][..]), (Codec::H265, &[0x26, 1, 0x88])] {
        let mut once = Vec::new();
        let captions = sei::captions(&CC_DATA).unwrap();
        let messages = [captions.clone(), Sei::mastering_display(DISPLAY)];
        sei::insert(codec, &stream(&[slice]), &messages, &mut once).unwrap();
        let mut out = Vec::new();
        let more = [Sei::content_light(LIGHT)];
        sei::insert(codec, &once, &more, &mut out).unwrap();
        let found: Vec<_> = sei::messages_in(codec, &out).collect();
        assert_eq!(found, [&messages[..], &more].concat());
        assert_eq!(sei::captions_in(codec, &out), CC_DATA);
        let only = |at: usize| {
            let message = &found[at];
            (
                message.to_captions().is_some(),
                message.to_mastering_display(),
                message.to_content_light(),
            )
        };
        assert_eq!(only(0), (true, None, None));
        assert_eq!(only(1), (false, Some(DISPLAY), None));
        assert_eq!(only(2), (false, None, Some(LIGHT)));
    }
}

#[test]
fn a_message_behind_the_first_slice_is_another_pictures() {
    let unit = stream(&[&[0x26, 1, 0x88], &[39 << 1, 1, 144, 4, 3, 0xe8, 1, 0x90, 0x80]]);
    assert_eq!(sei::messages_in(Codec::H265, &unit).count(), 0);
}

#[test]
fn metadata_that_is_too_short_is_none_and_what_stands_behind_it_is_left_out() {
    let found = |message: &[u8]| {
        let sei = [&[39 << 1, 1][..], message, &[0x80]].concat();
        let unit = stream(&[&sei, &[0x26, 1, 0x88]]);
        let found: Vec<_> = sei::messages_in(Codec::H265, &unit).collect();
        assert_eq!(found.len(), 1, "{message:02x?}");
        (found[0].to_content_light(), found[0].to_mastering_display())
    };
    assert_eq!(found(&[144, 3, 3, 0xe8, 1]), (None, None));
    assert_eq!(found(&[144, 4, 3, 0xe8, 1, 0x90]), (Some(LIGHT), None));
    assert_eq!(found(&[144, 6, 3, 0xe8, 1, 0x90, 9, 9]), (Some(LIGHT), None));
    assert_eq!(found(&[&[137, 23][..], &[7; 23]].concat()), (None, None));
    assert_eq!(found(&[&[137, 25][..], &[7; 25]].concat()), (None, Some([7; 24])));
}

proptest! {
    #[test]
    fn metadata_of_hdr_that_went_in_comes_out(
        h265: bool,
        display in any::<[u8; 24]>(),
        light in any::<[u8; 4]>(),
    ) {
        let (codec, slice): (_, &[u8]) =
            if h265 { (Codec::H265, &[2, 1, 0x88]) } else { (Codec::H264, &[0x65, 0x88]) };
        let mut unit = Vec::new();
        let messages = [Sei::content_light(light), Sei::mastering_display(display)];
        sei::insert(codec, &stream(&[slice]), &messages, &mut unit).unwrap();
        prop_assert_eq!(annexb::nal_units(&unit).count(), 2);
        let found: Vec<_> = sei::messages_in(codec, &unit).collect();
        prop_assert_eq!(found, messages);
    }

    #[test]
    fn captions_that_went_in_come_out(
        h265: bool,
        triplets in vec(vec(prop_oneof![Just(0u8), Just(1), Just(3), any::<u8>()], 3), 1..=31),
    ) {
        let (codec, slice): (_, &[u8]) =
            if h265 { (Codec::H265, &[2, 1, 0x88]) } else { (Codec::H264, &[0x65, 0x88]) };
        let unit = inserted(codec, &stream(&[slice]), &triplets.concat());
        prop_assert_eq!(annexb::nal_units(&unit).count(), 2);
        prop_assert_eq!(sei::captions_in(codec, &unit), triplets.concat());
    }
}

#[test]
fn metadata_of_hdr_takes_the_place_of_what_is_there() {
    for (codec, slice) in [(Codec::H264, &[0x65, 0x88][..]), (Codec::H265, &[38, 1, 0x88][..])] {
        let captions = sei::captions(&CC_DATA).unwrap();
        let with = |unit: &[u8], messages: &[Sei]| {
            let mut out = Vec::new();
            sei::insert(codec, unit, messages, &mut out).unwrap();
            out
        };
        let found = |unit: &[u8]| sei::messages_in(codec, unit).collect::<Vec<_>>();
        let (display, light) = (Sei::mastering_display([7; 24]), Sei::content_light([1; 4]));
        let before = [display.clone(), captions.clone(), light.clone()];
        let unit = with(&stream(&[slice]), &before);
        let other = Sei::content_light([2; 4]);
        let after = with(&unit, std::slice::from_ref(&other));
        assert_eq!(found(&after), [display.clone(), captions.clone(), other.clone()]);
        let both = [Sei::mastering_display([8; 24]), other];
        assert_eq!(found(&with(&unit, &both)), [&[captions.clone()][..], &both].concat());
        // A NAL unit of which nothing is left is none.
        let alone = with(&stream(&[slice]), std::slice::from_ref(&display));
        assert_eq!(with(&alone, &both), with(&stream(&[slice]), &both));
        // Captions add to captions.
        let twice = with(&unit, std::slice::from_ref(&captions));
        assert_eq!(found(&twice), [&before[..], &[captions]].concat());
    }
}
