//! What sequence parameter sets say: those that x264 and x265 wrote, with what FFmpeg's
//! trace_headers reads in them, and those with what neither writes.

use crate::bit_writer::Writer;
use vtremote_bitstream::{Codec, SampleFormat, ShownSize, StreamFacts, Timing};

/// Bytes of hexadecimal digits.
fn hex(digits: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

const YUV420: SampleFormat = SampleFormat { chroma_format: 1, luma_bits: 8, chroma_bits: 8 };

const fn format(chroma_format: u8, bits: u8) -> SampleFormat {
    SampleFormat { chroma_format, luma_bits: bits, chroma_bits: bits }
}

/// What x264 writes at 25 frames a second unless it is told otherwise.
const X264: StreamFacts = StreamFacts {
    coded_width: 64,
    coded_height: 64,
    width: 64,
    height: 64,
    cut_at_start: false,
    format: YUV420,
    profile: 100,
    level: 10,
    maybe_interlaced: false,
    reorder_depth: 2,
    tells_reorder_depth: true,
    has_vui: true,
    sample_aspect_ratio: Some((1, 1)),
    full_range: None,
    primaries: 2,
    transfer: 2,
    matrix: 2,
    chroma_location: None,
    timing: Some(Timing { units_in_tick: 1, time_scale: 50 }),
};

const X265: StreamFacts = StreamFacts {
    profile: 1,
    level: 30,
    timing: Some(Timing { units_in_tick: 1, time_scale: 25 }),
    full_range: Some(false),
    ..X264
};

struct Case {
    name: &'static str,
    sps: &'static str,
    facts: StreamFacts,
}

const H264: &[Case] = &[
    Case {
        name: "Baseline, even crop",
        sps: "6742c028da01e0089ea6c044000003000400000300c83c60ca80",
        facts: StreamFacts {
            coded_width: 1920,
            coded_height: 1088,
            width: 1918,
            height: 1078,
            profile: 66,
            level: 40,
            reorder_depth: 0,
            ..X264
        },
    },
    Case {
        name: "B-pyramid, 34x18",
        sps: "6764000aacd94d78888c0440000003004000000c83c4896580",
        facts: StreamFacts { coded_width: 48, coded_height: 32, width: 34, height: 18, ..X264 },
    },
    Case {
        name: "interlaced 4:2:2 10 bits, which crops units of 2 rows",
        sps: "677a0028b6cd94078044fcb8088000000300800000190f8b16cb",
        facts: StreamFacts {
            coded_width: 1920,
            coded_height: 1088,
            width: 1920,
            height: 1080,
            format: format(2, 10),
            profile: 122,
            level: 40,
            maybe_interlaced: true,
            ..X264
        },
    },
    Case {
        name: "interlaced 4:2:0, which crops units of 4 rows",
        sps: "67640015acd9454f1111808800000300080000030190f8a14cb0",
        facts: StreamFacts {
            coded_width: 80,
            coded_height: 64,
            width: 66,
            height: 36,
            level: 21,
            maybe_interlaced: true,
            ..X264
        },
    },
    Case {
        name: "4:4:4",
        sps: "67f4000a91d643f8ff011000000300100000030320f1226480",
        facts: StreamFacts {
            coded_width: 48,
            coded_height: 16,
            width: 34,
            height: 16,
            format: format(3, 8),
            profile: 244,
            reorder_depth: 0,
            ..X264
        },
    },
    Case {
        name: "4:2:2, which crops single rows",
        sps: "677a000abcd94d7888fc0440000003004000000c83c4896580",
        facts: StreamFacts {
            coded_width: 48,
            coded_height: 32,
            width: 34,
            height: 18,
            format: format(2, 8),
            profile: 122,
            ..X264
        },
    },
    Case {
        name: "monochrome",
        sps: "6764000af36537b016c80000030008000003019078912cb0",
        facts: StreamFacts {
            coded_width: 48,
            coded_height: 48,
            width: 48,
            height: 48,
            format: format(0, 8),
            full_range: Some(true),
            ..X264
        },
    },
    Case {
        name: "High 10 Intra, whose VUI does not restrict the stream",
        sps: "676e100aa6cb884d80880000030008000003019020",
        facts: StreamFacts { format: format(1, 10), profile: 110, reorder_depth: 0, ..X264 },
    },
    Case {
        name: "colours, chroma location and an HRD before the reordering",
        sps: "67640014acd9416096c069c244026dc0000003004000000c9808003d090007a128b0c03e28532c",
        facts: StreamFacts {
            coded_width: 352,
            coded_height: 288,
            width: 352,
            height: 288,
            level: 20,
            full_range: Some(true),
            primaries: 9,
            transfer: 16,
            matrix: 9,
            chroma_location: Some(2),
            ..X264
        },
    },
    Case {
        name: "an aspect ratio of its own",
        sps: "6764000aacd94426ffc004400284000003000400000300c83c489658",
        facts: StreamFacts { sample_aspect_ratio: Some((17, 10)), ..X264 },
    },
    Case {
        name: "level 1b of the Baseline profile",
        sps: "6742d00bd902c4ec0440000003004000000503c48992",
        facts: StreamFacts {
            coded_width: 176,
            coded_height: 144,
            width: 176,
            height: 144,
            profile: 66,
            level: 9,
            reorder_depth: 0,
            timing: Some(Timing { units_in_tick: 1, time_scale: 20 }),
            ..X264
        },
    },
    Case {
        name: "level 6.2",
        sps: "6764003eacd94426c044000003000400000300c83c20106580",
        facts: StreamFacts { level: 62, ..X264 },
    },
];

const H265: &[Case] = &[
    Case {
        name: "even crop, no B-frames",
        sps: "420101016000000300900000030000030078a003c08011075365ba4a4c2f016808000003000800000300c8\
              40",
        facts: StreamFacts {
            coded_width: 1920,
            coded_height: 1088,
            width: 1918,
            height: 1078,
            level: 120,
            reorder_depth: 0,
            ..X265
        },
    },
    Case {
        name: "B-pyramid",
        sps: "42010101600000030090000003000003001ea034839c9265959ae4caf0168080000003008000000c84",
        facts: StreamFacts { coded_width: 104, coded_height: 56, width: 98, height: 50, ..X265 },
    },
    Case {
        name: "4:2:2 10 bits, which crops single rows",
        sps: "4201010408000003009d0800000300001eb024829c96d96566b932bc05a02000000300200000030321",
        facts: StreamFacts {
            coded_width: 72,
            coded_height: 40,
            width: 66,
            height: 38,
            format: format(2, 10),
            profile: 4,
            ..X265
        },
    },
    Case {
        name: "4:4:4 12 bits",
        sps: "420101040800000300980800000300001e900490539e7294b2b35c995e02d01000000300100000030190\
              80",
        facts: StreamFacts {
            coded_width: 72,
            coded_height: 40,
            width: 66,
            height: 34,
            format: format(3, 12),
            profile: 4,
            ..X265
        },
    },
    Case {
        name: "monochrome",
        sps: "4201010408000003009fc800000300001ec08204165959a4932bc05b020000030002000003003210",
        facts: StreamFacts { format: format(0, 8), profile: 4, full_range: Some(true), ..X265 },
    },
    Case {
        name: "fields",
        sps: "42010101600000030040000003000003001ea010204165959a4932bc05a1a000000300200000030321",
        facts: StreamFacts { coded_width: 128, width: 128, maybe_interlaced: true, ..X265 },
    },
    Case {
        name: "colours, chroma location and an HRD",
        sps: "42010102200000030090000003000003003ca00b080484d96566924caf02a7091009b63b700000030010\
              000003019600c565e000f424001e8488",
        facts: StreamFacts {
            coded_width: 352,
            coded_height: 288,
            width: 352,
            height: 288,
            format: format(1, 10),
            profile: 2,
            level: 60,
            sample_aspect_ratio: Some((12, 11)),
            full_range: Some(true),
            primaries: 9,
            transfer: 16,
            matrix: 9,
            chroma_location: Some(2),
            ..X265
        },
    },
    Case {
        name: "an aspect ratio of its own",
        sps: "42010101600000030090000003000003001ea020810596566924cafff007b004d6808000000300800000\
              0c84",
        facts: StreamFacts { sample_aspect_ratio: Some((123, 77)), ..X265 },
    },
    Case {
        name: "two temporal sub-layers",
        sps: "42010201600000030090000003000003001e0000a0208105965662b349265780b4040000030004000003\
              006420",
        facts: X265,
    },
    Case {
        name: "default scaling lists",
        sps: "42010101600000030090000003000003001ea020810596566924e5780b4040000003004000000642",
        facts: X265,
    },
    Case {
        name: "level 5.2, High tier",
        sps: "42010121600000030090000003000003009ca020810596566924caf0168080000003008000000c84",
        facts: StreamFacts { level: 156, ..X265 },
    },
];

fn all() -> impl Iterator<Item = (Codec, &'static str, Vec<u8>, StreamFacts)> {
    let of = |codec, cases: &'static [Case]| {
        cases.iter().map(move |case| (codec, case.name, hex(case.sps), case.facts))
    };
    of(Codec::H264, H264).chain(of(Codec::H265, H265))
}

#[test]
fn what_encoders_wrote_is_read() {
    for (codec, name, sps, facts) in all() {
        assert_eq!(StreamFacts::from_sps(codec, &sps), Some(facts), "{codec}, {name}");
    }
}

#[test]
fn a_cut_sps_never_says_anything_else() {
    for (codec, name, sps, facts) in all() {
        for len in 0..sps.len() {
            // H.265 says everything before its last bytes.
            let found = StreamFacts::from_sps(codec, &sps[..len]);
            assert!(found.is_none_or(|found| found == facts), "{codec}, {name}, {len} bytes");
        }
        assert_eq!(StreamFacts::from_sps(codec, &sps[..sps.len() / 2]), None, "{codec}, {name}");
    }
}

#[test]
fn no_damaged_bit_gives_a_fact_that_cannot_be() {
    for (codec, name, sps, _) in all() {
        for bit in 0..8 * sps.len() {
            let mut damaged = sps.clone();
            damaged[bit / 8] ^= 0x80 >> (bit % 8);
            let Some(facts) = StreamFacts::from_sps(codec, &damaged) else { continue };
            let case = format!("{codec}, {name}, bit {bit}");
            assert!((1..=facts.coded_width).contains(&facts.width), "{case}");
            assert!((1..=facts.coded_height).contains(&facts.height), "{case}");
            assert!(facts.coded_width <= 65536 && facts.coded_height <= 65536, "{case}");
            assert!(facts.format.chroma_format <= 3, "{case}");
            assert!((8..=16).contains(&facts.format.luma_bits), "{case}");
            assert!((8..=16).contains(&facts.format.chroma_bits), "{case}");
            assert!(facts.reorder_depth <= 16, "{case}");
        }
    }
}

#[test]
fn another_nal_unit_is_not_an_sps() {
    for (codec, name, mut sps, _) in all() {
        // A PPS; and the H.265 SPS of another layer.
        sps[0] += if codec == Codec::H264 { 1 } else { 2 };
        assert_eq!(StreamFacts::from_sps(codec, &sps), None, "{codec}, {name}");
        sps[0] -= if codec == Codec::H264 { 1 } else { 2 };
        sps[1] |= 8;
        if codec == Codec::H265 {
            assert_eq!(StreamFacts::from_sps(codec, &sps), None, "{name}");
        }
    }
}

/// An H.264 SPS of 64x64 with what stands between its id and log2_max_frame_num, its picture order
/// count and its VUI.
fn h264(
    [profile, constraints, level]: [u64; 3],
    format: impl FnOnce(Writer) -> Writer,
    order: impl FnOnce(Writer) -> Writer,
    vui: impl FnOnce(Writer) -> Writer,
) -> Option<StreamFacts> {
    let sps = Writer::default().u(8, profile).u(8, constraints).u(8, level).ue(0);
    let sps = sps.with(format).ue(0).with(order).ue(4).u(1, 0).ues(&[3, 3]).flags(&[1, 1, 0]);
    StreamFacts::from_sps(Codec::H264, &sps.with(vui).nal(&[0x67]))
}

/// pic_order_cnt_type 0.
fn any_order(sps: Writer) -> Writer {
    sps.ue(0).ue(2)
}

fn no_format(sps: Writer) -> Writer {
    sps
}

fn no_vui(sps: Writer) -> Writer {
    sps.u(1, 0)
}

/// A VUI with nothing but an aspect ratio, to see that what came before it was read to its end.
fn aspect_16_11(sps: Writer) -> Writer {
    sps.flags(&[1, 1]).u(8, 4).flags(&[0; 8])
}

#[test]
fn without_a_vui_everything_is_unspecified() {
    let facts = StreamFacts {
        profile: 77,
        reorder_depth: 16,
        tells_reorder_depth: false,
        has_vui: false,
        sample_aspect_ratio: None,
        timing: None,
        ..X264
    };
    assert_eq!(h264([77, 0, 10], no_format, any_order, no_vui), Some(facts));
}

#[test]
fn a_container_is_believed_until_a_stream_is_not_what_it_says() {
    let coded = StreamFacts { coded_width: 1920, coded_height: 1088, ..X264 };
    let full = StreamFacts { width: 1920, height: 1088, ..coded };
    let next = |codec, facts: &StreamFacts, size| ShownSize::new(codec, size).next(facts);
    assert_eq!(next(Codec::H264, &full, (1920, 1080)), (1920, 1080));
    assert_eq!(next(Codec::H264, &full, (1910, 1088)), (1910, 1088));
    assert_eq!(next(Codec::H265, &full, (1920, 1080)), (1920, 1088));
    for other in [(1920, 1072), (1920, 1089), (0, 1080), (1904, 1088), (1920, u32::MAX)] {
        assert_eq!(next(Codec::H264, &full, other), (1920, 1088), "{other:?}");
    }
    let cut = StreamFacts { cut_at_start: true, ..full };
    assert_eq!(next(Codec::H264, &cut, (1920, 1080)), (1920, 1088));

    let mut size = ShownSize::new(Codec::H264, (1920, 1080));
    assert_eq!([size.next(&full), size.of(&full)], [(1920, 1080); 2]);
    assert_eq!(size.next(&X264), (64, 64));
    assert_eq!([size.next(&full), size.of(&full)], [(1920, 1088); 2]);
}

#[test]
fn without_a_restriction_as_many_frames_as_the_level_holds_may_be_reordered() {
    let depth = |codec: [u64; 3], width: u64| {
        let [profile, constraints, level] = codec;
        let sps = Writer::default().u(8, profile).u(8, constraints).u(8, level).ue(0);
        let sps = if profile == 100 { sps.ues(&[1, 0, 0]).flags(&[0, 0]) } else { sps };
        let sps = sps.ue(0).with(any_order).ue(4).u(1, 0).ues(&[width / 16 - 1, 35]);
        let sps = sps.flags(&[1, 1, 0, 0]).nal(&[0x67]);
        StreamFacts::from_sps(Codec::H264, &sps).map(|facts| facts.reorder_depth)
    };
    // MaxDpbMbs over 45 x 36 macroblocks, and over 120 x 36.
    assert_eq!(depth([77, 0, 30], 720), Some(5));
    assert_eq!(depth([77, 0, 31], 720), Some(11));
    assert_eq!(depth([100, 0, 40], 1920), Some(7));
    assert_eq!(depth([100, 0, 51], 1920), Some(16), "never more than 16");
    assert_eq!(depth([77, 0, 99], 720), Some(16), "a level that does not exist");
    assert_eq!(depth([77, 0x10, 11], 720), Some(0), "level 1b");
    assert_eq!(depth([100, 0x10, 40], 1920), Some(0), "an intra profile");
}

#[test]
fn pictures_that_come_in_output_order_are_not_reordered() {
    let facts = h264([77, 0, 10], no_format, |sps| sps.ue(2), no_vui);
    assert_eq!(facts.map(|facts| facts.reorder_depth), Some(0));
}

#[test]
fn h264_scaling_lists_are_passed_over() {
    let lists = |count: usize| {
        move |sps: Writer| {
            // One in full, one that stops at once and one that stops later; the others are absent.
            let sps = sps.u(1, 1).ses(&[[2, -1, 127, -128]; 4].concat());
            let sps = sps.u(1, 1).se(-8).u(1, 1).ses(&[1, 1, -10]);
            sps.flags(&vec![0; count - 3])
        }
    };
    let facts = StreamFacts { sample_aspect_ratio: Some((16, 11)), timing: None, ..X264 };
    let inferred = StreamFacts { reorder_depth: 16, tells_reorder_depth: false, ..facts };
    let high = |sps: Writer| sps.ues(&[1, 0, 0]).flags(&[0, 1]).with(lists(8));
    assert_eq!(h264([100, 0, 10], high, any_order, aspect_16_11), Some(inferred));

    // 4:4:4 with separate colour planes, and with twelve lists.
    let planes = |sps: Writer| sps.ue(3).u(1, 1).ues(&[2, 1]).flags(&[0, 1]).with(lists(12));
    let facts = StreamFacts {
        profile: 244,
        format: SampleFormat { chroma_format: 3, luma_bits: 10, chroma_bits: 9 },
        ..inferred
    };
    assert_eq!(h264([244, 0, 10], planes, any_order, aspect_16_11), Some(facts));
}

#[test]
fn a_cycle_of_picture_order_counts_is_passed_over() {
    let order = |len: u64| {
        move |sps: Writer| {
            let sps = sps.ue(1).u(1, 0).ses(&[-3, i64::from(i32::MAX)]).ue(len);
            sps.ses(&vec![-7; len as usize])
        }
    };
    let ratio = |len| h264([77, 0, 10], no_format, order(len), aspect_16_11);
    assert_eq!(ratio(255).and_then(|facts| facts.sample_aspect_ratio), Some((16, 11)));
    assert_eq!(ratio(256), None);
}

#[test]
fn both_of_h264s_hrds_are_passed_over() {
    let hrd = |schedules: u64| {
        move |vui: Writer| {
            let vui = vui.u(1, 1).ue(schedules - 1).u(8, 0x21);
            let each = |vui: Writer, at| vui.ue(u64::from(u32::MAX) - 1 - at).ue(at).u(1, 1);
            (0..schedules).fold(vui, each).u(20, 0x55555)
        }
    };
    let vui = |first, second| {
        move |sps: Writer| {
            let vui = sps.u(1, 1).flags(&[0; 5]).with(hrd(first)).with(hrd(second));
            // low_delay_hrd_flag, pic_struct_present_flag, the restriction: three frames of four.
            vui.flags(&[1, 1, 1, 1]).ues(&[2, 1, 16, 16, 3, 4])
        }
    };
    let depth = |first, second| {
        let facts = h264([77, 0, 10], no_format, any_order, vui(first, second));
        facts.map(|facts| facts.reorder_depth)
    };
    assert_eq!(depth(1, 32), Some(3));
    assert_eq!(depth(32, 1), Some(3));
    assert_eq!(depth(33, 1), None);
}

#[test]
fn every_aspect_ratio_of_the_table_is_known_and_reserved_ones_are_not() {
    let ratio = |idc: u64| {
        let vui = |sps: Writer| sps.flags(&[1, 1]).u(8, idc).flags(&[0; 8]);
        h264([77, 0, 10], no_format, any_order, vui).unwrap().sample_aspect_ratio
    };
    assert_eq!(ratio(0), None);
    assert_eq!(ratio(1), Some((1, 1)));
    assert_eq!(ratio(13), Some((160, 99)));
    assert_eq!(ratio(16), Some((2, 1)));
    assert_eq!(ratio(17), None);
    assert_eq!(ratio(254), None);
}

#[test]
fn a_time_or_ratio_of_zero_is_unspecified() {
    let vui = |sps: Writer| {
        let vui = sps.flags(&[1, 1]).u(8, 255).u(16, 0).u(16, 1).flags(&[0, 0, 0]);
        vui.u(1, 1).u(32, 0).u(32, 25).flags(&[1, 0, 0, 0, 0])
    };
    let facts = h264([77, 0, 10], no_format, any_order, vui).unwrap();
    assert_eq!((facts.sample_aspect_ratio, facts.timing), (None, None));
}

#[test]
fn cropping_leaves_at_least_one_sample() {
    let width = |left: u64, right: u64| {
        let sps = Writer::default().u(8, 77).u(8, 0).u(8, 10).ues(&[0, 0, 2, 4]).u(1, 0);
        let sps = sps.ues(&[3, 3]).flags(&[1, 1, 1]).ues(&[left, right, 0, 0]).u(1, 0);
        StreamFacts::from_sps(Codec::H264, &sps.nal(&[0x67])).map(|facts| facts.width)
    };
    assert_eq!(width(15, 16), Some(2));
    assert_eq!(width(16, 16), None);
    assert_eq!(width(u64::from(u32::MAX) - 1, u64::from(u32::MAX) - 1), None);
}

#[test]
fn a_size_that_no_level_has_is_refused() {
    let facts = |across: u64, down: u64| {
        let sps = Writer::default().u(8, 77).u(8, 0).u(8, 10).ues(&[0, 0, 2, 4]).u(1, 0);
        let sps = sps.ues(&[across - 1, down - 1]).flags(&[0, 0, 1, 0, 0]);
        let facts = StreamFacts::from_sps(Codec::H264, &sps.nal(&[0x67]));
        facts.map(|facts| (facts.coded_width, facts.coded_height))
    };
    assert_eq!(facts(4096, 2048), Some((65536, 65536)));
    assert_eq!(facts(4097, 2), None);
    assert_eq!(facts(2, 2049), None);
    assert_eq!(facts(u64::from(u32::MAX), u64::from(u32::MAX)), None);
}

/// An H.265 SPS of 64x64 in Main, of one sub-layer, with what stands between
/// sample_adaptive_offset_enabled_flag and sps_temporal_mvp_enabled_flag; and scaling lists.
fn h265(
    lists: impl FnOnce(Writer) -> Writer,
    middle: impl FnOnce(Writer) -> Writer,
) -> Option<StreamFacts> {
    let sps = Writer::default().u(8, 1).u(8, 1).u(32, 0x6000_0000).u(48, 0x9000 << 32).u(8, 30);
    let sps = sps.ues(&[0, 1, 64, 64]).u(1, 0).ues(&[0, 0, 4]);
    let sps = sps.u(1, 1).ues(&[4, 3, 0]).ues(&[0, 3, 0, 3, 0, 0]).with(lists);
    let sps = sps.flags(&[1, 1]).with(middle).flags(&[1, 1]);
    let vui = sps.flags(&[1, 1]).u(8, 4).flags(&[0; 10]);
    StreamFacts::from_sps(Codec::H265, &vui.u(1, 0).nal(&[0x42, 1]))
}

const HAND_MADE: StreamFacts = StreamFacts {
    reorder_depth: 3,
    sample_aspect_ratio: Some((16, 11)),
    full_range: None,
    timing: None,
    ..X265
};

fn no_lists(sps: Writer) -> Writer {
    sps.u(1, 0)
}

/// No PCM, no reference picture sets, no long-term pictures.
fn nothing(sps: Writer) -> Writer {
    sps.u(1, 0).ue(0).u(1, 0)
}

#[test]
fn h265_scaling_lists_are_passed_over() {
    let lists = |sps: Writer| {
        let mut sps = sps.flags(&[1, 1]);
        for (size, lists) in [6, 6, 6, 2].into_iter().enumerate() {
            // The first in full, the others as the first.
            let first = if size > 1 { sps.u(1, 1).se(247) } else { sps.u(1, 1) };
            let coefficients = if size == 0 { 16 } else { 64 };
            sps = first.ses(&vec![-128; coefficients]);
            sps = (1..lists).fold(sps, |sps, list| sps.u(1, 0).ue(list));
        }
        sps
    };
    assert_eq!(h265(lists, nothing), Some(HAND_MADE));
    assert_eq!(h265(|sps| sps.flags(&[1, 0]), nothing), Some(HAND_MADE), "the default lists");
    assert_eq!(h265(|sps| sps.flags(&[1, 1, 0]).ue(1), nothing), None, "a list before the first");
}

#[test]
fn pcm_and_long_term_pictures_are_passed_over() {
    let middle = |count: u64| {
        move |sps: Writer| {
            let sps = sps.u(1, 1).u(8, 0x77).ues(&[0, 2]).u(1, 1).ue(0).u(1, 1).ue(count);
            (0..count).fold(sps, |sps, at| sps.u(8, 0xa0 | at).u(1, at & 1))
        }
    };
    assert_eq!(h265(no_lists, middle(32)), Some(HAND_MADE));
    assert_eq!(h265(no_lists, middle(33)), None);
}

#[test]
fn reference_picture_sets_that_are_told_by_difference_are_followed() {
    let middle = |sps: Writer| {
        let sps = sps.u(1, 0).ue(5);
        // -1 -3 | +2.
        let sps = sps.ues(&[2, 1]).ue(0).u(1, 1).ue(1).u(1, 0).ue(1).u(1, 1);
        // Shifted by -2: -3, -5, 0 which is dropped, and -2; the flags are used or, not used, kept.
        let sps = sps.flags(&[1, 1]).ue(1).flags(&[1, 0, 1, 1, 1]);
        // -2 -3 -5, so four flags. Shifted by +4: +2, +1, -1 which is not kept, and +4.
        let sps = sps.flags(&[1, 0]).ue(3).flags(&[1, 1, 0, 0, 1]);
        // +1 +2 +4, so four flags. One that has none, and one in full of none.
        let sps = sps.flags(&[1, 0]).ue(0).flags(&[0; 8]).u(1, 0).ues(&[0, 0]);
        sps.u(1, 0)
    };
    assert_eq!(h265(no_lists, middle), Some(HAND_MADE));
}

#[test]
fn reference_picture_sets_beyond_the_buffer_are_refused() {
    let explicit = |before: u64, after: u64| {
        move |sps: Writer| {
            let sps = sps.u(1, 0).ue(1).ues(&[before, after]);
            (0..before + after).fold(sps, |sps, _| sps.ue(32767).u(1, 1)).u(1, 0)
        }
    };
    assert_eq!(h265(no_lists, explicit(16, 0)), Some(HAND_MADE));
    assert_eq!(h265(no_lists, explicit(8, 8)), Some(HAND_MADE));
    assert_eq!(h265(no_lists, explicit(8, 9)), None);

    // Each keeps all of the one before, and that one itself.
    let growing = |count: u64| {
        move |sps: Writer| {
            let sps = sps.u(1, 0).ue(count).ues(&[0, 0]);
            let next =
                |sps: Writer, len: u64| sps.flags(&[1, 1]).ue(0).flags(&vec![1; len as usize]);
            (1..count).fold(sps, next).u(1, 0)
        }
    };
    assert_eq!(h265(no_lists, growing(17)), Some(HAND_MADE));
    assert_eq!(h265(no_lists, growing(18)), None);

    let many = |count: u64| {
        move |sps: Writer| {
            let sps = sps.u(1, 0).ue(count).ues(&[0, 0]);
            (1..count).fold(sps, |sps, _| sps.u(1, 0).ues(&[0, 0])).u(1, 0)
        }
    };
    assert_eq!(h265(no_lists, many(64)), Some(HAND_MADE));
    assert_eq!(h265(no_lists, many(65)), None);
}

#[test]
fn an_h265_size_is_a_multiple_of_the_smallest_block() {
    let facts = |width: u64, log2_block_minus3: u64| {
        let sps = Writer::default().u(8, 1).u(8, 1).u(32, 0).u(48, 0).u(8, 30);
        let sps = sps.ues(&[0, 1, width, 64]).u(1, 0).ues(&[0, 0, 4]).u(1, 1).ues(&[4, 3, 0]);
        let sps = sps.ue(log2_block_minus3).ues(&[0, 0, 0, 0, 0]).flags(&[0, 0, 0, 0]).ue(0);
        StreamFacts::from_sps(Codec::H265, &sps.flags(&[0; 5]).nal(&[0x42, 1]))
    };
    assert_eq!(facts(72, 0).map(|facts| facts.width), Some(72));
    assert_eq!(facts(72, 1), None);
    assert_eq!(facts(0, 0), None);
}

#[test]
fn an_interlaced_h265_source_may_be_interlaced_without_being_fields() {
    let sps = |flags: u64| {
        let sps = Writer::default().u(8, 1).u(8, 1).u(32, 0).u(4, flags).u(44, 0).u(8, 30);
        let sps = sps.ues(&[0, 1, 64, 64]).u(1, 0).ues(&[0, 0, 4]).u(1, 1).ues(&[4, 3, 0]);
        let sps = sps.ues(&[0; 6]).flags(&[0, 0, 0, 0]).ue(0).flags(&[0; 5]);
        StreamFacts::from_sps(Codec::H265, &sps.nal(&[0x42, 1])).unwrap().maybe_interlaced
    };
    assert!(!sps(0b1000));
    assert!(sps(0b0100));
    assert!(sps(0b1100), "each picture says what it is");
}
