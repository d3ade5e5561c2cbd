//! Which of several sequence parameter sets a stream is decoded with.

use crate::bit_writer::Writer;
use vtremote_bitstream::{ActiveSps, Codec, LengthSize, ParameterSets, annexb};

const CODECS: [Codec; 2] = [Codec::H264, Codec::H265];

/// One of 64 rows.
fn sps(codec: Codec, id: u64, width: u64) -> Vec<u8> {
    match codec {
        Codec::H264 => {
            let sps = Writer::default().u(8, 77).u(8, 0).u(8, 10).ues(&[id, 0, 2, 4]).u(1, 0);
            sps.ues(&[width / 16 - 1, 3]).flags(&[1, 1, 0, 0]).nal(&[0x67])
        }
        Codec::H265 => {
            let sps = Writer::default().u(8, 1).u(8, 1).u(32, 0).u(48, 0).u(8, 30);
            let sps = sps.ues(&[id, 1, width, 64]).u(1, 0).ues(&[0, 0, 4]).u(1, 1);
            let sps = sps.ues(&[4, 3, 0]).ues(&[0; 6]).flags(&[0; 4]).ue(0).flags(&[0; 5]);
            sps.nal(&[0x42, 1])
        }
    }
}

fn pps(codec: Codec, id: u64, sps: u64) -> Vec<u8> {
    let fields = Writer::default().ues(&[id, sps]).u(8, 0);
    fields.nal(if codec == Codec::H264 { &[0x68] } else { &[68, 1] })
}

/// The first slice of a picture that refers to a PPS, and that decoding can start with or not.
fn slice(codec: Codec, key: bool, pps: u64) -> Vec<u8> {
    let (fields, header): (_, &[u8]) = match (codec, key) {
        (Codec::H264, true) => (Writer::default().ues(&[0, 7]), &[0x65]),
        (Codec::H264, false) => (Writer::default().ues(&[0, 5]), &[0x41]),
        (Codec::H265, true) => (Writer::default().flags(&[1, 0]), &[42, 1]),
        (Codec::H265, false) => (Writer::default().flags(&[1]), &[2, 1]),
    };
    fields.ue(pps).u(16, 0xaaaa).nal(header)
}

fn stream(nals: &[Vec<u8>]) -> Vec<u8> {
    nals.iter().flat_map(|nal| [&[0, 0, 0, 1], nal.as_slice()].concat()).collect()
}

fn active(codec: Codec, extradata: &[Vec<u8>]) -> ActiveSps {
    let (sets, _) = ParameterSets::from_extradata(codec, &stream(extradata)).unwrap();
    ActiveSps::new(sets)
}

fn width(active: &ActiveSps) -> Option<u32> {
    active.facts().map(|facts| facts.width)
}

/// The width that `nals` change to.
fn take(active: &mut ActiveSps, nals: &[Vec<u8>]) -> Option<u32> {
    let changed = active.take(&stream(nals));
    if changed.is_some() {
        assert_eq!(changed, active.facts());
    }
    changed.map(|facts| facts.width)
}

#[test]
fn extradata_of_any_form_says_what_the_stream_is() {
    for codec in CODECS {
        let vps = vec![64, 1, 0x0c, 0x80];
        let sets = stream(&[vps, sps(codec, 0, 64), pps(codec, 0, 0)]);
        let (sets, _) = ParameterSets::from_extradata(codec, &sets).unwrap();
        let record = sets.to_record(LengthSize::FOUR).unwrap();
        let name: &[u8] = if codec == Codec::H264 { b"avcC" } else { b"hvcC" };
        let len = (record.len() as u32 + 8).to_be_bytes();
        let boxed = [&len, name, &record].concat();
        for extradata in [sets.to_annexb(), record, boxed] {
            let (sets, _) = ParameterSets::from_extradata(codec, &extradata).unwrap();
            assert_eq!(width(&ActiveSps::new(sets)), Some(64), "{codec}");
        }
    }
}

#[test]
fn without_extradata_the_first_sps_in_the_stream_is_news() {
    for codec in CODECS {
        let mut active = ActiveSps::new(ParameterSets::new(codec));
        assert_eq!(width(&active), None);
        assert_eq!(take(&mut active, &[slice(codec, true, 0)]), None);
        // Decoding may begin with a recovery point, which is not a keyframe.
        let first = [sps(codec, 0, 64), pps(codec, 0, 0), slice(codec, false, 0)];
        assert_eq!(take(&mut active, &first), Some(64), "{codec}");
    }
}

#[test]
fn the_same_sps_again_is_no_news() {
    for codec in CODECS {
        let sets = [sps(codec, 0, 64), pps(codec, 0, 0)];
        let mut active = active(codec, &sets);
        assert_eq!(take(&mut active, &[&sets[..], &[slice(codec, true, 0)]].concat()), None);
        assert_eq!(take(&mut active, &[slice(codec, true, 0)]), None);
        assert_eq!(width(&active), Some(64));
    }
}

#[test]
fn another_sps_of_the_same_id_is_news_at_a_keyframe() {
    for codec in CODECS {
        let mut active = active(codec, &[sps(codec, 0, 64), pps(codec, 0, 0)]);
        let other = [sps(codec, 0, 128), pps(codec, 0, 0)];
        let inside = [&other[..], &[slice(codec, false, 0)]].concat();
        assert_eq!(take(&mut active, &inside), None, "{codec}: nothing may change here");
        assert_eq!(take(&mut active, &[slice(codec, true, 0)]), Some(128), "{codec}");
        assert_eq!(width(&active), Some(128));
    }
}

#[test]
fn the_first_slices_pps_names_the_sps() {
    for codec in CODECS {
        let sets = [
            sps(codec, 0, 64),
            sps(codec, 1, 128),
            sps(codec, 2, 256),
            pps(codec, 0, 0),
            pps(codec, 7, 1),
        ];
        let mut active = active(codec, &sets);
        assert_eq!(width(&active), Some(256), "{codec}: the last, while there is no slice");
        assert_eq!(take(&mut active, &[slice(codec, true, 0)]), Some(64), "{codec}");
        // No parameter set has to be in the packet that changes to another.
        assert_eq!(take(&mut active, &[slice(codec, false, 7)]), None, "{codec}");
        assert_eq!(take(&mut active, &[slice(codec, true, 7)]), Some(128), "{codec}");
        assert_eq!(take(&mut active, &[slice(codec, true, 3)]), Some(256), "{codec}: no such PPS");
    }
}

#[test]
fn an_sps_that_cannot_be_read_changes_nothing() {
    for codec in CODECS {
        let mut active = active(codec, &[sps(codec, 0, 64), pps(codec, 0, 0)]);
        let mut cut = sps(codec, 0, 128);
        cut.truncate(cut.len() - 3);
        assert_eq!(take(&mut active, &[cut, slice(codec, true, 0)]), None, "{codec}");
        assert_eq!(width(&active), Some(64), "{codec}");
    }
}

#[test]
fn what_an_encoder_wrote_is_followed() {
    let streams: [(Codec, &[u8]); 2] = [
        (Codec::H264, include_bytes!("../data/slices.264")),
        (Codec::H265, include_bytes!("../data/slices.265")),
    ];
    for (codec, bytes) in streams {
        let mut active = ActiveSps::new(ParameterSets::new(codec));
        let units = vtremote_bitstream::access_units(codec, bytes);
        let changes: Vec<_> = units.map(|unit| active.take(unit)).collect();
        let facts = changes[0].unwrap();
        assert_eq!((facts.width, facts.height, facts.reorder_depth), (64, 48, 2), "{codec}");
        assert!(changes[1..].iter().all(Option::is_none), "{codec}");
        assert!(annexb::nal_units(bytes).count() > changes.len());
    }
}
