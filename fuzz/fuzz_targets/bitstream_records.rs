//! Extradata of any form: what is read can be written as Annex B and as a record, and is then read
//! as the same. The first byte of the input chooses codec and length size.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vtremote_bitstream::{Codec, LengthSize, ParameterSets, SetKind};

/// Whether Annex B can carry it: a record can hold bytes that emulation prevention forbids.
fn is_encapsulated(nal: &[u8]) -> bool {
    nal.last() != Some(&0) && !nal.windows(3).any(|bytes| bytes == [0, 0, 1])
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, extradata)) = data.split_first() else { return };
    let codec = if choice & 1 == 0 { Codec::H264 } else { Codec::H265 };
    let size = LengthSize::new((choice >> 1 & 3) + 1).unwrap();
    let Ok((sets, _)) = ParameterSets::from_extradata(codec, extradata) else { return };

    if sets.iter().chain(sets.sei()).all(is_encapsulated) {
        assert_eq!(ParameterSets::from_annexb(codec, &sets.to_annexb()).as_ref(), Ok(&sets));
    }
    if let Ok(record) = sets.to_record(size) {
        let (back, back_size) = ParameterSets::from_record(codec, &record).unwrap();
        assert_eq!(back_size, size);
        for kind in [SetKind::Vps, SetKind::Sps, SetKind::Pps] {
            assert!(back.of(kind).eq(sets.of(kind)), "{kind}");
        }
        assert!(back.sei().eq(sets.sei()));
        assert_eq!(back.to_record(size).as_ref(), Ok(&record));
    }
});
