//! avcC and hvcC against what an independent muxer writes, and against hostile bytes.

use vtremote_bitstream::{Codec, Error, Framing, LengthSize, ParameterSets, SetKind};

/// Parameter sets of an encoder, in Annex B, and the record that FFmpeg's mov muxer made of them.
struct Sample {
    codec: Codec,
    annexb: &'static str,
    record: &'static str,
}

/// x264 and x265, FFmpeg 5.1: H.264 High, Constrained Baseline and High 4:2:2 10; H.265 Main,
/// Main 10 and Rext 4:2:2 10 in High tier; Main 10 with mastering display and light level SEI.
const SAMPLES: [Sample; 7] = [
    Sample {
        codec: Codec::H264,
        annexb: "000000016764000cacd941419f9f011000000300100000030320f14299600000000168ef\
                 8fcb",
        record: "0164000cffe1001a6764000cacd941419f9f011000000300100000030320f14299600100\
                 0468ef8fcbfdf8f800",
    },
    Sample {
        codec: Codec::H264,
        annexb: "000000016742c00ada11ec0440000003004000000c83c489a80000000168ce0fc8",
        record: "0142c00affe100156742c00ada11ec0440000003004000000c83c489a801000468ce0fc8",
    },
    Sample {
        codec: Codec::H264,
        annexb: "00000001677a000ab6cd9447b011000003000100000300320f1225960000000168ef89cb",
        record: "017a000affe10018677a000ab6cd9447b011000003000100000300320f12259601000468\
                 ef89cbfefafa00",
    },
    Sample {
        codec: Codec::H265,
        annexb: "0000000140010c01ffff01600000030090000003000003003c9594090000000142010101\
                 600000030090000003000003003ca00a080c1f3e595952930bc05a020000030002000003\
                 003210000000014401c073c189",
        record: "0101600000009000000000003cf000fcfdf8f800000f03200001001840010c01ffff0160\
                 0000030090000003000003003c959409210001002b420101016000000300900000030000\
                 03003ca00a080c1f3e595952930bc05a02000003000200000300321022000100064401c0\
                 73c189",
    },
    Sample {
        codec: Codec::H265,
        annexb: "0000000140010c01ffff02200000030090000003000003003c9594090000000142010102\
                 200000030090000003000003003ca00a080c1f3b6595952930bc05a02000000300200000\
                 030321000000014401c073c189",
        record: "0102200000009000000000003cf000fcfdfafa00000f03200001001840010c01ffff0220\
                 0000030090000003000003003c959409210001002b420101022000000300900000030000\
                 03003ca00a080c1f3b6595952930bc05a0200000030020000003032122000100064401c0\
                 73c189",
    },
    Sample {
        codec: Codec::H265,
        annexb: "0000000140010c01ffff2408000003009d08000003000099959409000000014201012408\
                 000003009d08000003000099b02083136595952930bc05a0200000030020000003032100\
                 0000014401c073c089",
        record: "0124080000009d080000000099f000fcfefafa00000f03200001001740010c01ffff2408\
                 000003009d0800000300009995940921000100284201012408000003009d080000030000\
                 99b02083136595952930bc05a0200000030020000003032122000100064401c073c089",
    },
    Sample {
        codec: Codec::H265,
        annexb: "0000000140010c01ffff02200000030090000003000003001e9594090000000142010102\
                 200000030090000003000003001ea02083136595952930bc05a020000003002000000303\
                 21000000014401c073c089000000014e01900403e8019080000000014e01891833c286c4\
                 1d4c0bb884d03e803d13404200989680000003000180",
        record: "0102200000009000000000001ef000fcfdfafa00000f04200001001840010c01ffff0220\
                 0000030090000003000003001e9594092100010029420101022000000300900000030000\
                 03001ea02083136595952930bc05a0200000030020000003032122000100064401c073c0\
                 8927000200094e01900403e8019080001e4e01891833c286c41d4c0bb884d03e803d1340\
                 4200989680000003000180",
    },
];

/// avcC without the fields of its High profile, and with a stub for an SPS.
const STUB: &str = "0164001fffe100046764001f01000468ee3c80";

fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<_> = digits.chars().filter_map(|c| c.to_digit(16)).collect();
    assert_eq!(digits.len() % 2, 0);
    digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}

fn boxed(tag: &[u8; 4], record: &[u8]) -> Vec<u8> {
    let mut bytes = (record.len() as u32 + 8).to_be_bytes().to_vec();
    bytes.extend_from_slice(tag);
    bytes.extend_from_slice(record);
    bytes
}

fn tag(codec: Codec) -> &'static [u8; 4] {
    match codec {
        Codec::H264 => b"avcC",
        Codec::H265 => b"hvcC",
    }
}

fn sets(sample: &Sample) -> ParameterSets {
    ParameterSets::from_annexb(sample.codec, &hex(sample.annexb)).unwrap()
}

/// A set as small as a kind can be, with an id of its own.
fn pps(id: u8) -> Vec<u8> {
    // ue(v) with 8 leading zeros says 255 to 510, of which 255 is a PPS id.
    let code = u32::from(id) + 1;
    let zeros = code.ilog2();
    let bits = (code << (31 - 2 * zeros)) | 1 << (29 - 2 * zeros);
    let mut nal = vec![0x68];
    nal.extend_from_slice(&bits.to_be_bytes()[..3]);
    nal
}

#[test]
fn records_are_the_muxers_to_the_byte() {
    for sample in &SAMPLES {
        let record = sets(sample).to_record(LengthSize::FOUR).unwrap();
        assert_eq!(record, hex(sample.record));
    }
}

#[test]
fn records_give_back_the_encoders_parameter_sets() {
    for sample in &SAMPLES {
        let (sets, size) = ParameterSets::from_record(sample.codec, &hex(sample.record)).unwrap();
        assert_eq!(sets.to_annexb(), hex(sample.annexb));
        assert_eq!(size, LengthSize::FOUR);
    }
}

#[test]
fn extradata_may_be_bare_boxed_or_annex_b() {
    for sample in &SAMPLES {
        let record = hex(sample.record);
        let lengths = Framing::LengthPrefixed(LengthSize::FOUR);
        let from = |bytes: &[u8]| ParameterSets::from_extradata(sample.codec, bytes).unwrap();
        assert_eq!(from(&record), (sets(sample), lengths));
        assert_eq!(from(&boxed(tag(sample.codec), &record)), (sets(sample), lengths));
        assert_eq!(from(&hex(sample.annexb)), (sets(sample), Framing::AnnexB));
        assert_eq!(from(&hex(sample.annexb)[1..]), (sets(sample), Framing::AnnexB));
    }
}

#[test]
fn a_box_whose_size_looks_like_a_start_code_is_still_a_box() {
    let mut wanted = sets(&SAMPLES[0]);
    (1..40).for_each(|id| assert!(wanted.insert(&pps(id))));
    let boxed = boxed(b"avcC", &wanted.to_record(LengthSize::FOUR).unwrap());
    assert_eq!(boxed[..3], [0, 0, 1]);
    let (found, framing) = ParameterSets::from_extradata(Codec::H264, &boxed).unwrap();
    assert_eq!(found, wanted);
    assert_eq!(framing, Framing::LengthPrefixed(LengthSize::FOUR));
}

#[test]
fn no_extradata_is_no_parameter_sets() {
    for codec in [Codec::H264, Codec::H265] {
        let (sets, framing) = ParameterSets::from_extradata(codec, &[]).unwrap();
        assert!(sets.is_empty());
        assert_eq!(framing, Framing::AnnexB);
    }
}

#[test]
fn the_record_of_the_other_codec_is_refused() {
    for sample in &SAMPLES {
        let other = match sample.codec {
            Codec::H264 => Codec::H265,
            Codec::H265 => Codec::H264,
        };
        let boxed = boxed(tag(sample.codec), &hex(sample.record));
        assert_eq!(
            ParameterSets::from_extradata(other, &boxed),
            Err(Error::UnknownExtradata(other))
        );
    }
}

#[test]
fn an_hvcc_of_version_0_is_read() {
    let mut record = hex(SAMPLES[3].record);
    record[0] = 0;
    let (found, _) = ParameterSets::from_extradata(Codec::H265, &record).unwrap();
    assert_eq!(found, sets(&SAMPLES[3]));
}

#[test]
fn an_avcc_may_end_before_the_sample_format() {
    let (sets, size) = ParameterSets::from_record(Codec::H264, &hex(STUB)).unwrap();
    assert_eq!(sets.of(SetKind::Sps).collect::<Vec<_>>(), [hex("6764001f")]);
    assert_eq!(sets.of(SetKind::Pps).collect::<Vec<_>>(), [hex("68ee3c80")]);
    assert_eq!(size.bytes(), 4);
    assert_eq!(sets.to_record(size), Err(Error::UnreadableSps(Codec::H264)));
}

#[test]
fn the_length_size_is_written_and_read() {
    for sample in &SAMPLES {
        for size in (1..=4).filter_map(LengthSize::new) {
            let record = sets(sample).to_record(size).unwrap();
            let (_, found) = ParameterSets::from_record(sample.codec, &record).unwrap();
            assert_eq!(found, size);
        }
    }
}

#[test]
fn sps_extensions_go_into_the_avcc_and_back() {
    // seq_parameter_set_id 0, aux_format_idc 0, no additional extension.
    let extension = hex("6dd0");
    let mut with_alpha = sets(&SAMPLES[0]);
    assert!(with_alpha.insert(&extension));
    let record = with_alpha.to_record(LengthSize::FOUR).unwrap();
    assert!(record.ends_with(&hex("fdf8f80100026dd0")));
    let (found, _) = ParameterSets::from_record(Codec::H264, &record).unwrap();
    assert_eq!(found, with_alpha);
    assert_eq!(found.of(SetKind::SpsExtension).collect::<Vec<_>>(), [extension]);
}

#[test]
fn a_set_replaces_the_one_of_its_id_and_no_other() {
    let mut sets = sets(&SAMPLES[0]);
    let count = sets.iter().count();
    assert!(sets.insert(&pps(7)));
    assert_eq!(sets.iter().count(), count + 1);
    let mut later = pps(7);
    later.push(0x99);
    assert!(sets.insert(&later));
    assert_eq!(sets.iter().count(), count + 1);
    assert_eq!(sets.of(SetKind::Pps).last(), Some(&later[..]));
}

#[test]
fn an_sps_that_ends_behind_its_id_still_has_it() {
    let mut sets = ParameterSets::new(Codec::H264);
    let nals = ["6764001f80", "6764001f48"].map(hex);
    nals.iter().for_each(|nal| assert!(sets.insert(nal)));
    assert_eq!(sets.of(SetKind::Sps).collect::<Vec<_>>(), nals);
}

#[test]
fn several_sps_give_the_record_that_holds_for_all() {
    // The second SPS of id 1: level 12 -> 40, constraint flags 0x00 -> 0x10.
    let mut both = sets(&SAMPLES[0]);
    both.insert(&hex("67641028 4bd941419f9f01100000030010"));
    let record = both.to_record(LengthSize::FOUR).unwrap();
    assert_eq!(record[1..4], [100, 0, 40]);

    let mut mixed = sets(&SAMPLES[0]);
    // Profile 122, id 1, 4:2:2, 10 bits.
    mixed.insert(&hex("677a0028 4db36cd9447b0110"));
    assert_eq!(mixed.to_record(LengthSize::FOUR), Err(Error::MixedFormats));

    // H.265, id 1: profile 5 in Main tier at level 186 beside profile 4 in High tier at 153.
    let mut both = sets(&SAMPLES[5]);
    both.insert(&hex("420101050c000003009000000300000300ba4c0800c0dc"));
    assert_eq!(both.of(SetKind::Sps).count(), 2);
    let record = both.to_record(LengthSize::FOUR).unwrap();
    assert_eq!(record[1..13], hex("25 08000000 900000000000 99"));
}

#[test]
fn without_an_sps_or_a_pps_there_is_no_record() {
    for sample in &SAMPLES {
        let all = sets(sample);
        let kinds = SetKind::ALL.into_iter().filter(|&kind| all.of(kind).next().is_some());
        for missing in kinds {
            let mut rest = ParameterSets::new(sample.codec);
            let others = SetKind::ALL.into_iter().filter(|&kind| kind != missing);
            others.flat_map(|kind| all.of(kind)).for_each(|nal| assert!(rest.insert(nal)));
            assert_eq!(rest.to_record(LengthSize::FOUR), Err(Error::MissingParameterSet(missing)));
        }
    }
}

#[test]
fn a_count_that_the_record_cannot_say_is_an_error() {
    let mut many = sets(&SAMPLES[0]);
    (0..=254).for_each(|id| assert!(many.insert(&pps(id))));
    let record = many.to_record(LengthSize::FOUR).unwrap();
    assert_eq!(ParameterSets::from_record(Codec::H264, &record).unwrap().0, many);
    many.insert(&pps(255));
    assert_eq!(
        many.to_record(LengthSize::FOUR),
        Err(Error::TooManyNalUnits { count: 256, limit: 255 })
    );
}

#[test]
fn a_set_longer_than_65535_bytes_is_an_error() {
    for sample in &SAMPLES {
        let mut sets = sets(sample);
        let mut long = sets.of(SetKind::Pps).last().unwrap().to_vec();
        long.resize(0xffff, 0x55);
        sets.insert(&long);
        let record = sets.to_record(LengthSize::FOUR).unwrap();
        assert_eq!(ParameterSets::from_record(sample.codec, &record).unwrap().0, sets);
        long.push(0x55);
        sets.insert(&long);
        assert_eq!(
            sets.to_record(LengthSize::FOUR),
            Err(Error::NalUnitTooLong { len: 0x1_0000, limit: 0xffff })
        );
    }
}

#[test]
fn a_record_cut_anywhere_before_its_last_set_ends_is_truncated() {
    for sample in &SAMPLES {
        let record = hex(sample.record);
        // Behind the sets an avcC has the sample format, which may be missing.
        let profile_fields = match (sample.codec, record[1]) {
            (Codec::H264, 66) | (Codec::H265, _) => 0,
            (Codec::H264, _) => 4,
        };
        for len in 0..record.len() - profile_fields {
            let cut = ParameterSets::from_record(sample.codec, &record[..len]);
            assert!(matches!(cut, Err(Error::Truncated { .. })), "{len} bytes: {cut:?}");
        }
    }
}

#[test]
fn counts_and_lengths_beyond_the_end_are_truncated() {
    let truncated = |codec, record: &[u8]| {
        let found = ParameterSets::from_record(codec, record);
        assert!(matches!(found, Err(Error::Truncated { .. })), "{found:?}");
    };
    let avcc = hex(SAMPLES[1].record);
    let mut many_sps = avcc[..6].to_vec();
    many_sps[5] = 0xff;
    truncated(Codec::H264, &many_sps);
    let mut many_pps = avcc.clone();
    many_pps[29] = 255;
    truncated(Codec::H264, &many_pps);
    let mut long = avcc.clone();
    long[6..8].fill(0xff);
    truncated(Codec::H264, &long);

    let hvcc = hex(SAMPLES[3].record);
    let mut many_arrays = hvcc.clone();
    many_arrays[22] = 255;
    truncated(Codec::H265, &many_arrays);
    let mut many_nals = hvcc.clone();
    many_nals[24..26].fill(0xff);
    assert!(ParameterSets::from_record(Codec::H265, &many_nals).is_err());
    let mut long = hvcc.clone();
    long[26..28].fill(0xff);
    truncated(Codec::H265, &long);
}

#[test]
fn a_nal_unit_among_those_of_another_type_is_refused() {
    let mut avcc = hex(SAMPLES[0].record);
    avcc[8] = 0x68;
    assert_eq!(
        ParameterSets::from_record(Codec::H264, &avcc),
        Err(Error::MisplacedNalUnit { expected: 7, found: Some(8) })
    );
    let empty = hex("0164001fffe10000");
    assert_eq!(
        ParameterSets::from_record(Codec::H264, &empty),
        Err(Error::MisplacedNalUnit { expected: 7, found: None })
    );
    let mut hvcc = hex(SAMPLES[3].record);
    hvcc[23] = 33;
    assert_eq!(
        ParameterSets::from_record(Codec::H265, &hvcc),
        Err(Error::MisplacedNalUnit { expected: 33, found: Some(32) })
    );
}

#[test]
fn arrays_of_other_types_and_suffix_sei_are_dropped() {
    let mut hvcc = hex(SAMPLES[3].record);
    hvcc[22] += 2;
    hvcc.extend(hex("28 0001 0003 500180")); // suffix SEI
    hvcc.extend(hex("23 0001 0003 460150")); // access unit delimiter
    let (found, _) = ParameterSets::from_record(Codec::H265, &hvcc).unwrap();
    assert_eq!(found, sets(&SAMPLES[3]));
}

#[test]
fn extradata_that_is_nothing_known_is_refused() {
    for codec in [Codec::H264, Codec::H265] {
        for bytes in [&b"\x02\x64\x00\x1f"[..], b"\0\0\0\0\0\0", b"\0\0\x02gd", b"moov"] {
            assert_eq!(
                ParameterSets::from_extradata(codec, bytes),
                Err(Error::UnknownExtradata(codec)),
                "{bytes:?}"
            );
        }
    }
}
