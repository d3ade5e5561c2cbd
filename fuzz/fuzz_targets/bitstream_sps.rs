//! Sequence parameter sets: what is read in them can be, a record says the same, and whoever follows
//! a stream knows what the last change said. Pictures have a place in the order of showing, or none. The first byte of the input chooses the codec and how
//! much of the rest is extradata.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vtremote_bitstream::{
    ActiveSps, Codec, ParameterSets, PictureOrder, SetKind, StreamFacts, access_units, annexb, sps,
};

fuzz_target!(|data: &[u8]| {
    let Some((choice, rest)) = data.split_first() else { return };
    let codec = if choice & 1 == 0 { Codec::H264 } else { Codec::H265 };
    let (extradata, stream) = rest.split_at(usize::from(choice >> 1).min(rest.len()));

    for nal in annexb::nal_units(stream) {
        if let Some(facts) = StreamFacts::from_sps(codec, nal) {
            assert_eq!(codec.nal_unit_type(nal), SetKind::Sps.unit_type(codec));
            check(codec, nal, facts);
        }
    }

    let sets = match ParameterSets::from_extradata(codec, extradata) {
        Ok((sets, _)) => sets,
        Err(_) => ParameterSets::new(codec),
    };
    let mut order = (PictureOrder::new(codec), sets.clone());
    let mut active = ActiveSps::new(sets);
    for unit in access_units(codec, stream) {
        order.1.update(ParameterSets::in_access_unit(codec, unit));
        if let Some(picture) = order.0.take(&order.1, unit) {
            assert!(picture.facts.reorder_depth <= 16);
        }
        let before = active.facts();
        match active.take(unit) {
            Some(changed) => assert!(active.facts() == Some(changed) && before != Some(changed)),
            None => assert_eq!(active.facts(), before),
        }
    }
});

fn check(codec: Codec, nal: &[u8], facts: StreamFacts) {
    assert!((1..=facts.coded_width).contains(&facts.width));
    assert!((1..=facts.coded_height).contains(&facts.height));
    assert!(facts.coded_width <= 65536 && facts.coded_height <= 65536);
    assert!(facts.reorder_depth <= 16);
    assert!(facts.sample_aspect_ratio.is_none_or(|(width, height)| width > 0 && height > 0));
    assert!(facts.timing.is_none_or(|time| time.units_in_tick > 0 && time.time_scale > 0));
    assert!(facts.chroma_location.is_none_or(|location| location <= 5));
    let (format, profile) = match codec {
        Codec::H264 => sps::H264Sps::parse(nal).map(|sps| (sps.format, sps.profile)),
        Codec::H265 => sps::H265Sps::parse(nal).map(|sps| (sps.format, sps.profile & 0x1f)),
    }
    .unwrap();
    assert_eq!((facts.format, facts.profile), (format, profile));
}
