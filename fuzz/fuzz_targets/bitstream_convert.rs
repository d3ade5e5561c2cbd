//! Packets in both framings: conversions keep every NAL unit, access units are the same in pieces
//! as in one, and added parameter sets and SEI messages are found again. The first byte of the input
//! chooses codec, length size and piece size; the second says how much of the rest is extradata, or
//! what the messages say.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vtremote_bitstream::{
    AccessUnits, Codec, LengthSize, ParameterSets, access_units, annexb, length_prefixed,
    sei::{self, Sei},
};

fuzz_target!(|data: &[u8]| {
    let [choice, extradata, rest @ ..] = data else { return };
    let codec = if choice & 1 == 0 { Codec::H264 } else { Codec::H265 };
    let size = LengthSize::new((choice >> 1 & 3) + 1).unwrap();
    let piece = usize::from(choice >> 3) + 1;
    let (extradata, packet) = rest.split_at(usize::from(*extradata).min(rest.len()));

    from_annexb(packet, size);
    from_length_prefixed(packet, size);
    in_pieces(codec, packet, piece);
    if let Ok((sets, _)) = ParameterSets::from_extradata(codec, extradata) {
        prepend(&sets, packet);
    }
    caption(codec, packet, extradata);
    metadata(codec, packet, extradata);
});

fn from_annexb(packet: &[u8], size: LengthSize) {
    let nals: Vec<_> = annexb::nal_units(packet).collect();
    assert!(nals.iter().all(|nal| nal.last().is_some_and(|&b| b != 0)));

    let mut sample = Vec::new();
    if annexb::to_length_prefixed(packet, size, &mut sample).is_ok() {
        let found: Result<Vec<_>, _> = length_prefixed::nal_units(&sample, size).collect();
        assert_eq!(found.as_ref(), Ok(&nals));
        let mut back = Vec::new();
        length_prefixed::to_annexb(&sample, size, &mut back).unwrap();
        let mut normal = Vec::new();
        annexb::with_four_byte_start_codes(packet, &mut normal).unwrap();
        assert_eq!(back, normal);
    } else {
        assert!(sample.is_empty());
    }
}

fn from_length_prefixed(sample: &[u8], size: LengthSize) {
    let nals: Result<Vec<_>, _> = length_prefixed::nal_units(sample, size).collect();
    let mut packet = Vec::new();
    let converted = length_prefixed::to_annexb(sample, size, &mut packet);
    assert_eq!(nals.as_ref().err(), converted.as_ref().err());
    let Ok(nals) = nals else { return assert!(packet.is_empty()) };
    let forbidden =
        |nal: &&[u8]| nal.last() == Some(&0) || nal.windows(3).any(|bytes| bytes == [0, 0, 1]);
    if !nals.iter().any(forbidden) {
        assert!(annexb::nal_units(&packet).eq(nals));
    }
}

fn in_pieces(codec: Codec, packet: &[u8], piece: usize) {
    let whole: Vec<_> = access_units(codec, packet).collect();
    let nals = whole.iter().flat_map(|unit| annexb::nal_units(unit));
    assert!(nals.eq(annexb::nal_units(packet)));

    let mut units = AccessUnits::new(codec, usize::MAX);
    let mut wanted = whole.iter();
    let mut pieces = packet.chunks(piece).peekable();
    while let Some(bytes) = pieces.next() {
        units.push(bytes);
        if pieces.peek().is_none() {
            units.finish();
        }
        while let Some(unit) = units.next_unit().unwrap() {
            assert_eq!(Some(&unit), wanted.next());
        }
    }
    assert_eq!(wanted.next(), None);
}

fn prepend(sets: &ParameterSets, packet: &[u8]) {
    // What a record holds may not survive in Annex B; what Annex B holds does.
    let codec = sets.codec();
    let Ok(sets) = ParameterSets::from_annexb(codec, &sets.to_annexb()) else { return };
    let mut once = Vec::new();
    if sets.prepend_missing(packet, &mut once).is_err() {
        return assert!(once.is_empty());
    }
    let mut twice = Vec::new();
    sets.prepend_missing(&once, &mut twice).unwrap();
    assert_eq!(once, twice);

    let mut wanted = sets;
    wanted.update(ParameterSets::in_access_unit(codec, packet));
    assert!(ParameterSets::in_access_unit(codec, &once).iter().eq(wanted.iter()));
}

fn caption(codec: Codec, packet: &[u8], cc_data: &[u8]) {
    let Some(captions) = sei::captions(cc_data) else { return };
    let mut out = Vec::new();
    if sei::insert(codec, packet, &[captions], &mut out).is_err() {
        return assert!(out.is_empty());
    }
    let nals: Vec<_> = annexb::nal_units(packet).collect();
    let captioned: Vec<_> = annexb::nal_units(&out).collect();
    let at = nals.iter().zip(&captioned).take_while(|(a, b)| a == b).count();
    // Where the packet has the same message already, the one behind it is taken for ours.
    assert_eq!(nals[..at], captioned[..at]);
    assert_eq!(nals[at..], captioned[at + 1..]);
    let before = sei::captions_in(codec, packet).len();
    assert_eq!(sei::captions_in(codec, &out).len(), before + cc_data.len());
    assert!(
        ParameterSets::in_access_unit(codec, &out)
            .iter()
            .eq(ParameterSets::in_access_unit(codec, packet).iter())
    );
}

fn metadata(codec: Codec, packet: &[u8], payload: &[u8]) {
    let Some((display, rest)) = payload.split_first_chunk() else { return };
    let Some((light, _)) = rest.split_first_chunk() else { return };
    let added = [Sei::mastering_display(*display), Sei::content_light(*light)];
    let mut out = Vec::new();
    if sei::insert(codec, packet, &added, &mut out).is_err() {
        return assert!(out.is_empty());
    }
    // Where SEI stands behind H.264's prefix of a slice, which it may not, ours comes before it.
    let found: Vec<_> = sei::messages_in(codec, &out).collect();
    assert_eq!(found.len(), sei::messages_in(codec, packet).count() + added.len());
    assert!(found.windows(added.len()).any(|run| run == added));
}
