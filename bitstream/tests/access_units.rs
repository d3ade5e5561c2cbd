//! Access units, keyframes and the parameter sets before them, in what encoders write.

use vtremote_bitstream::{
    AccessUnits, Codec, Error, ParameterSets, SetKind, access_units, annexb, is_keyframe,
};

/// 64x48, ten pictures, a keyframe every four, two slices each, B-frames, parameter sets in-band.
struct Stream {
    codec: Codec,
    bytes: &'static [u8],
    /// Size in bytes and keyframe flag of the packets that ffprobe finds in it.
    packets: [(usize, bool); 10],
}

/// x264 with access unit delimiters; x265 without, with CRA pictures (open GOPs).
const STREAMS: [Stream; 2] = [
    Stream {
        codec: Codec::H264,
        bytes: include_bytes!("data/slices.264"),
        packets: [
            (625, true),
            (46, false),
            (33, false),
            (36, false),
            (632, true),
            (27, false),
            (27, false),
            (27, false),
            (628, true),
            (27, false),
        ],
    },
    Stream {
        codec: Codec::H265,
        bytes: include_bytes!("data/slices.265"),
        packets: [
            (646, true),
            (53, false),
            (30, false),
            (32, false),
            (660, true),
            (29, false),
            (30, false),
            (32, false),
            (659, true),
            (28, false),
        ],
    },
];

/// Pushes pieces of `piece` bytes and takes every access unit as soon as it is there.
fn in_pieces(codec: Codec, bytes: &[u8], piece: usize) -> Vec<Vec<u8>> {
    let mut units = AccessUnits::new(codec, 1 << 20);
    let mut all = Vec::new();
    let mut take = |units: &mut AccessUnits| {
        while let Some(unit) = units.next_unit().unwrap() {
            all.push(unit.to_vec());
        }
    };
    for piece in bytes.chunks(piece) {
        units.push(piece);
        take(&mut units);
    }
    units.finish();
    take(&mut units);
    all
}

fn join(nals: &[&[u8]]) -> Vec<u8> {
    nals.iter().flat_map(|nal| [&[0, 0, 1], *nal].concat()).collect()
}

/// The NAL units of each access unit.
fn split(codec: Codec, stream: &[u8]) -> Vec<Vec<&[u8]>> {
    access_units(codec, stream).map(|unit| annexb::nal_units(unit).collect()).collect()
}

fn without_delimiters(stream: &Stream) -> Vec<u8> {
    let nals = annexb::nal_units(stream.bytes)
        .filter(|nal| stream.codec.nal_unit_type(nal) != Some(9) || stream.codec == Codec::H265);
    join(&nals.collect::<Vec<_>>())
}

#[test]
fn access_units_are_the_packets_that_ffmpeg_finds() {
    for stream in &STREAMS {
        let mut rest = stream.bytes;
        let mut units = access_units(stream.codec, stream.bytes);
        for (len, key) in stream.packets {
            let (packet, tail) = rest.split_at(len);
            rest = tail;
            let unit = units.next().unwrap();
            // FFmpeg counts the first byte of a 4-byte start code to the packet before.
            assert!(annexb::nal_units(unit).eq(annexb::nal_units(packet)));
            assert_eq!(is_keyframe(stream.codec, unit), key);
        }
        assert_eq!(units.next(), None);
        assert_eq!(rest, []);
    }
}

#[test]
fn access_units_are_the_same_in_pieces_of_any_size() {
    for stream in &STREAMS {
        let whole: Vec<_> = access_units(stream.codec, stream.bytes).collect();
        for piece in [1, 2, 3, 4, 5, 7, 64, 700, stream.bytes.len()] {
            assert_eq!(in_pieces(stream.codec, stream.bytes, piece), whole, "{piece} bytes");
        }
    }
}

#[test]
fn pictures_are_told_apart_without_delimiters() {
    for stream in &STREAMS {
        let bytes = without_delimiters(stream);
        let found: Vec<_> = access_units(stream.codec, &bytes)
            .map(|unit| is_keyframe(stream.codec, unit))
            .collect();
        assert_eq!(found, stream.packets.map(|(_, key)| key));
    }
}

#[test]
fn an_access_unit_is_given_as_soon_as_the_next_begins() {
    let mut units = AccessUnits::new(Codec::H264, 100);
    units.push(&[0, 0, 0, 1, 0x65, 0x88, 7, 0, 0, 0, 1, 0x41]);
    assert_eq!(units.next_unit(), Ok(None));
    units.push(&[0x9a, 3]);
    assert_eq!(units.next_unit(), Ok(Some(&[0, 0, 0, 1, 0x65, 0x88, 7][..])));
    assert_eq!(units.next_unit(), Ok(None));
    units.finish();
    assert_eq!(units.next_unit(), Ok(Some(&[0, 0, 0, 1, 0x41, 0x9a, 3][..])));
    assert_eq!(units.next_unit(), Ok(None));
}

#[test]
fn padding_and_what_precedes_the_first_start_code_are_in_no_access_unit() {
    let bytes = [7, 0, 7, 0, 0, 0, 0, 1, 0x65, 0x88, 0, 0, 0, 0, 1, 0x41, 0x9a, 3, 0, 0];
    let wanted = [&[0, 0, 0, 1, 0x65, 0x88][..], &[0, 0, 0, 1, 0x41, 0x9a, 3]];
    assert_eq!(access_units(Codec::H264, &bytes).collect::<Vec<_>>(), wanted);
    for piece in 1..bytes.len() {
        assert_eq!(in_pieces(Codec::H264, &bytes, piece), wanted, "{piece} bytes");
    }
}

#[test]
fn streams_without_a_nal_unit_have_no_access_unit() {
    for bytes in [&[][..], &[0, 0, 0, 0], &[7, 7, 7, 7], &[0, 0, 1], &[0, 0, 1, 0, 0, 1, 0]] {
        assert_eq!(access_units(Codec::H265, bytes).count(), 0);
        assert!(bytes.is_empty() || in_pieces(Codec::H265, bytes, 1).is_empty());
    }
}

#[test]
fn h264_access_units_begin_with_what_7_4_1_2_3_lists() {
    let (idr, slice): (&[u8], &[u8]) = (&[0x65, 0x88], &[0x65, 0x40]);
    for begins in [[0x09, 0x10], [0x67, 1], [0x68, 1], [0x06, 1], [0x0e, 1], [0x72, 1]] {
        let stream = join(&[idr, slice, &begins, idr, slice]);
        assert_eq!(split(Codec::H264, &stream), [vec![idr, slice], vec![&begins, idr, slice]]);
    }
    // End of sequence, end of stream, filler, SPS extension, auxiliary slice, slice extension.
    for stays in [[0x0a, 1], [0x0b, 1], [0x0c, 1], [0x6d, 1], [0x13, 0x80], [0x74, 0x80]] {
        let stream = join(&[idr, &stays, idr]);
        assert_eq!(split(Codec::H264, &stream), [vec![idr, &stays], vec![idr]]);
    }
}

#[test]
fn an_h264_picture_begins_where_idr_or_reference_changes_even_if_its_first_slice_is_lost() {
    let (idr, reference, other): (&[u8], &[u8], &[u8]) = (&[0x65, 0x40], &[0x41, 0x40], &[1, 0x40]);
    let stream = join(&[idr, idr, reference, reference, other]);
    let wanted = [vec![idr, idr], vec![reference, reference], vec![other]];
    assert_eq!(split(Codec::H264, &stream), wanted);
}

#[test]
fn h264_data_partitions_stay_together() {
    let (a, b, c): (&[u8], &[u8], &[u8]) = (&[0x62, 0x88], &[0x63, 0x88], &[0x64, 0x88]);
    let stream = join(&[a, b, c, a, b]);
    assert_eq!(split(Codec::H264, &stream), [vec![a, b, c], vec![a, b]]);
}

#[test]
fn h265_access_units_begin_with_what_7_4_2_4_4_lists() {
    let (first, slice): (&[u8], &[u8]) = (&[0x26, 1, 0x80], &[0x26, 1, 0x40]);
    for begins in [[0x46, 1], [0x40, 1], [0x42, 1], [0x44, 1], [0x4e, 1], [0x52, 1], [0x60, 1]] {
        let stream = join(&[first, slice, &begins, first]);
        assert_eq!(split(Codec::H265, &stream), [vec![first, slice], vec![&begins, first]]);
    }
    // End of sequence, end of bitstream, filler, suffix SEI; parameter set and slice of layer 1.
    for stays in [[0x48, 1], [0x4a, 1], [0x4c, 1], [0x50, 1], [0x42, 9], [0x26, 9]] {
        let stays = [stays[0], stays[1], 0x80];
        let stream = join(&[first, &stays, first]);
        assert_eq!(split(Codec::H265, &stream), [vec![first, &stays], vec![first]]);
    }
}

#[test]
fn the_limit_holds_for_each_access_unit_and_not_for_the_stream() {
    let stream = join(&[&[0x65, 0x88, 1, 1, 1, 1, 1][..]].repeat(20));
    let mut units = AccessUnits::new(Codec::H264, 10);
    units.push(&stream);
    units.finish();
    let mut count = 0;
    while units.next_unit().unwrap().is_some() {
        count += 1;
    }
    assert_eq!(count, 20);

    let too_long = Err(Error::AccessUnitTooLong { limit: 9 });
    for piece in [1, stream.len()] {
        let mut units = AccessUnits::new(Codec::H264, 9);
        let found: Vec<_> = stream
            .chunks(piece)
            .map(|piece| {
                units.push(piece);
                units.next_unit().map(|unit| unit.is_some())
            })
            .collect();
        assert_eq!(found.last(), Some(&too_long));
        assert_eq!(units.next_unit(), Err(Error::AccessUnitTooLong { limit: 9 }));
    }
}

#[test]
fn another_stream_may_follow_one_that_was_finished() {
    let mut units = AccessUnits::new(Codec::H264, 100);
    for _ in 0..2 {
        units.push(&[9, 9, 0, 0, 1, 0x65, 0x88]);
        units.finish();
        assert_eq!(units.next_unit(), Ok(Some(&[0, 0, 1, 0x65, 0x88][..])));
        assert_eq!(units.next_unit(), Ok(None));
    }
}

#[test]
fn keyframes_are_idr_in_h264_and_irap_in_h265() {
    for unit_type in 1..32 {
        let key = is_keyframe(Codec::H264, &join(&[&[9, 0x10], &[0x60 | unit_type, 0x88]]));
        assert_eq!(key, unit_type == 5, "H.264 type {unit_type}");
    }
    for unit_type in 0..64 {
        let key = is_keyframe(Codec::H265, &join(&[&[0x46, 1, 0x50], &[unit_type << 1, 1, 0x80]]));
        assert_eq!(key, (16..24).contains(&unit_type), "H.265 type {unit_type}");
    }
    assert!(!is_keyframe(Codec::H265, &join(&[&[0x26, 9, 0x80]])), "another layer");
    assert!(!is_keyframe(Codec::H264, &[]));
}

#[test]
fn the_sets_of_an_access_unit_are_those_before_its_first_slice() {
    for stream in &STREAMS {
        let unit = access_units(stream.codec, stream.bytes).next().unwrap();
        let sets = ParameterSets::in_access_unit(stream.codec, unit);
        assert_eq!(sets.of(SetKind::Sps).count(), 1);
        assert_eq!(sets.of(SetKind::Pps).count(), 1);
        assert_eq!(sets.of(SetKind::Vps).count(), usize::from(stream.codec == Codec::H265));
        let all = ParameterSets::from_annexb(stream.codec, stream.bytes).unwrap();
        assert_eq!(sets.iter().collect::<Vec<_>>(), all.iter().collect::<Vec<_>>());

        let second = access_units(stream.codec, stream.bytes).nth(1).unwrap();
        assert!(ParameterSets::in_access_unit(stream.codec, second).is_empty());
    }
}

#[test]
fn sets_that_an_access_unit_lacks_are_put_behind_its_delimiter() {
    let [sps, pps, other]: [&[u8]; 3] =
        [&[0x67, 77, 0, 30, 0x80], &[0x68, 0xce], &[0x68, 0x4e, 0x3c]];
    let sets = ParameterSets::from_annexb(Codec::H264, &join(&[sps, pps])).unwrap();
    let (delimiter, sei, idr): (&[u8], &[u8], &[u8]) = (&[9, 0x10], &[6, 1, 0x80], &[0x65, 0x88]);
    let prepended = |nals: &[&[u8]]| {
        let mut out = Vec::new();
        sets.prepend_missing(&join(nals), &mut out).unwrap();
        annexb::nal_units(&out).map(<[u8]>::to_vec).collect::<Vec<_>>()
    };
    assert_eq!(prepended(&[delimiter, sei, idr]), [delimiter, sps, pps, sei, idr]);
    assert_eq!(prepended(&[idr]), [sps, pps, idr]);
    assert_eq!(prepended(&[sei, sps, pps, idr]), [sei, sps, pps, idr], "nothing is missing");
    assert_eq!(prepended(&[delimiter, sei, other, idr]), [delimiter, sps, pps, other, sei, idr]);
}

#[test]
fn messages_of_a_record_stand_behind_its_sets_once() {
    let [vps, sps, pps]: [&[u8]; 3] = [&[0x40, 1, 1], &[0x42, 1, 1], &[0x44, 1, 0xc1]];
    let (sei, same): (&[u8], &[u8]) = (&[0x4e, 1, 165, 1, 8, 0x80], &[0x4e, 1, 165, 1, 9, 0x80]);
    let other: &[u8] = &[0x4e, 1, 5, 1, 8, 0x80];
    let idr: &[u8] = &[0x26, 1, 0x88];
    let record = join(&[vps, sps, pps, sei]);
    let sets = ParameterSets::from_annexb(Codec::H265, &record).unwrap();
    let prepended = |nals: &[&[u8]]| {
        let mut out = Vec::new();
        sets.prepend_missing(&join(nals), &mut out).unwrap();
        annexb::nal_units(&out).map(<[u8]>::to_vec).collect::<Vec<_>>()
    };
    assert_eq!(prepended(&[idr]), [vps, sps, pps, sei, idr]);
    assert_eq!(prepended(&[other, idr]), [vps, sps, pps, sei, other, idr]);
    // What the access unit says itself counts.
    assert_eq!(prepended(&[same, idr]), [vps, sps, pps, same, idr]);
    assert_eq!(prepended(&[vps, sps, pps, idr]), [vps, sps, pps, idr], "nothing is missing");
}

#[test]
fn of_several_sps_the_pps_go_with_theirs() {
    // Ids 0 and 1 behind profile, constraints and level; PPSs 0, 1 and 2 of SPSs 0, 1 and 1.
    let [first, second]: [&[u8]; 2] = [&[0x67, 77, 0, 30, 0x80], &[0x67, 77, 0, 30, 0x50]];
    let [a, b, c]: [&[u8]; 3] = [&[0x68, 0xe0], &[0x68, 0x4a], &[0x68, 0x6a]];
    let sets = ParameterSets::from_annexb(Codec::H264, &join(&[first, second, a, b, c])).unwrap();
    let of = |meant: &[u8]| {
        let of_sps = sets.of_sps(|sps| sps == meant);
        of_sps.iter().map(<[u8]>::to_vec).collect::<Vec<_>>()
    };
    assert_eq!(of(first), [first, a]);
    assert_eq!(of(second), [second, b, c]);
}

#[test]
fn the_sets_of_an_access_unit_win_over_older_ones_of_the_same_id() {
    let (old, new): (&[u8], &[u8]) = (&[0x67, 77, 0, 30, 0x80], &[0x67, 77, 0, 40, 0x80]);
    let (pps, idr): (&[u8], &[u8]) = (&[0x68, 0xce], &[0x65, 0x88]);
    let sets = ParameterSets::from_annexb(Codec::H264, &join(&[old, pps])).unwrap();
    let mut out = Vec::new();
    sets.prepend_missing(&join(&[new, idr]), &mut out).unwrap();
    assert_eq!(annexb::nal_units(&out).collect::<Vec<_>>(), [new, pps, idr]);

    let mut updated = sets.clone();
    updated.update(ParameterSets::in_access_unit(Codec::H264, &out));
    assert_eq!(updated.iter().collect::<Vec<_>>(), [new, pps]);
}

#[test]
fn with_their_sets_taken_away_and_put_back_streams_are_what_they_were() {
    for stream in &STREAMS {
        let sets = ParameterSets::from_annexb(stream.codec, stream.bytes).unwrap();
        for unit in access_units(stream.codec, stream.bytes) {
            if !is_keyframe(stream.codec, unit) {
                continue;
            }
            let bare: Vec<_> =
                annexb::nal_units(unit).filter(|nal| !sets.iter().any(|set| set == *nal)).collect();
            let mut restored = Vec::new();
            sets.prepend_missing(&join(&bare), &mut restored).unwrap();
            let mut wanted = Vec::new();
            annexb::with_four_byte_start_codes(unit, &mut wanted).unwrap();
            assert_eq!(restored, wanted);
        }
    }
}
