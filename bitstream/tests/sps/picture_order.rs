//! Streams that x264 and x265 do not write. Those that they do write are compared with their times where
//! they are encoded (backends/libavcodec/tests/decode).

use crate::bit_writer::Writer;
use vtremote_bitstream::{
    Codec, CodedPicture, Extent, Output, ParameterSets, Parity, PictureOrder,
};

/// An access unit of these NAL units.
fn unit(nals: &[Vec<u8>]) -> Vec<u8> {
    nals.iter().flat_map(|nal| [&[0, 0, 0, 1], &nal[..]].concat()).collect()
}

struct Stream {
    order: PictureOrder,
    sets: ParameterSets,
}

impl Stream {
    fn new(codec: Codec, sets: &[Vec<u8>]) -> Self {
        let sets = ParameterSets::from_annexb(codec, &unit(sets)).unwrap();
        Stream { order: PictureOrder::new(codec), sets }
    }

    fn take(&mut self, nals: &[Vec<u8>]) -> CodedPicture {
        self.order.take(&self.sets, &unit(nals)).expect("a picture whose headers can be read")
    }

    fn count(&mut self, nal: Vec<u8>) -> (bool, i64) {
        let picture = self.take(&[nal]);
        (picture.begins_sequence, picture.order_count)
    }
}

/// A Main profile SPS of 16x16 pixels, or 16x32 where there may be fields; frame_num has 4 bits.
fn h264_sps(order: impl FnOnce(Writer) -> Writer, frame_mbs_only: bool) -> Vec<u8> {
    let sps = Writer::default().u(8, 77).u(8, 0).u(8, 30).ues(&[0, 0]).with(order);
    let sps = sps.ue(4).u(1, 0).ues(&[0, 0]).u(1, frame_mbs_only.into());
    let sps = if frame_mbs_only { sps } else { sps.u(1, 0) };
    sps.flags(&[1, 0, 0]).nal(&[0x67])
}

/// With pic_order_cnt_lsb of 4 bits.
fn low_bits(sps: Writer) -> Writer {
    sps.ues(&[0, 0])
}

/// A PPS with two references in list 0, weights for P as told, and no order of bottom fields.
fn h264_pps(weighted: bool) -> Vec<u8> {
    let pps = Writer::default().ues(&[0, 0]).flags(&[0, 0]).ues(&[0, 1, 0]);
    pps.u(1, weighted.into()).u(2, 0).ses(&[0, 0, 0]).flags(&[0, 0, 0]).nal(&[0x68])
}

const IDR: u8 = 0x65;
const REFERENCE: u8 = 0x61;
const OTHER: u8 = 0x01;

/// The beginning of a slice of type P, or I in an IDR picture, of pic_order_cnt_type 0.
fn h264(header: u8, frame_num: u64, low: u64) -> Writer {
    let idr = header == IDR;
    let slice = Writer::default().ues(&[0, if idr { 7 } else { 5 }, 0]).u(4, frame_num);
    let slice = if idr { slice.ue(0) } else { slice };
    slice.u(4, low)
}

/// The same with what follows it in P slices, and no operations.
fn h264_frame(header: u8, frame_num: u64, low: u64) -> Vec<u8> {
    h264(header, frame_num, low).flags(&[0, 0, 0]).nal(&[header])
}

#[test]
fn low_bits_of_h264_wrap_both_ways() {
    let mut stream = Stream::new(Codec::H264, &[h264_sps(low_bits, true), h264_pps(false)]);
    assert_eq!(stream.count(h264_frame(IDR, 0, 0)), (true, 0));
    assert_eq!(stream.count(h264_frame(REFERENCE, 1, 6)), (false, 6));
    assert_eq!(stream.count(h264_frame(REFERENCE, 2, 13)), (false, 13));
    assert_eq!(stream.count(h264_frame(REFERENCE, 3, 3)), (false, 19));
    // What nobody refers to counts for nobody.
    assert_eq!(stream.count(h264_frame(OTHER, 4, 15)), (false, 15));
    assert_eq!(stream.count(h264_frame(REFERENCE, 4, 11)), (false, 27));
    assert_eq!(stream.count(h264_frame(IDR, 0, 0)), (true, 0));
}

#[test]
fn operation_5_begins_a_sequence_like_an_idr_picture() {
    for weighted in [false, true] {
        let sets = [h264_sps(low_bits, true), h264_pps(weighted)];
        let mut stream = Stream::new(Codec::H264, &sets);
        stream.count(h264_frame(IDR, 0, 0));
        let slice = h264(REFERENCE, 1, 9);
        // One reference more than the PPS says, and a list of them that is modified.
        let slice = slice.flags(&[1]).ue(2).flags(&[1]).ues(&[0, 4, 3]);
        let slice = match weighted {
            // Weights of luma for the first, of chroma for the second, none for the third.
            true => slice.ues(&[5, 5]).flags(&[1]).ses(&[3, -2]).flags(&[0, 0, 1]),
            false => slice,
        };
        let slice = match weighted {
            true => slice.ses(&[1, 2, 3, 4]).flags(&[0, 0]),
            false => slice,
        };
        let slice = slice.flags(&[1]).ues(&[1, 0, 3, 2, 1, 5, 0]);
        assert_eq!(stream.count(slice.nal(&[REFERENCE])), (true, 0));
        assert_eq!(stream.count(h264_frame(REFERENCE, 1, 15)), (false, -1));
        assert_eq!(stream.count(h264_frame(REFERENCE, 2, 2)), (false, 2));
    }
}

#[test]
fn counts_that_go_in_cycles_are_followed() {
    // Expected: 2 and then 6 more in turns, one less where nobody refers to the picture.
    let order = |sps: Writer| sps.ue(1).u(1, 0).ses(&[-1, 0]).ue(2).ses(&[2, 6]);
    let mut stream = Stream::new(Codec::H264, &[h264_sps(order, true), h264_pps(false)]);
    let frame = |header: u8, frame_num: u64, delta: i64| {
        let slice = Writer::default().ues(&[0, 7, 0]).u(4, frame_num);
        let slice = if header == IDR { slice.ue(0) } else { slice };
        slice.se(delta).flags(&[0, 0]).nal(&[header])
    };
    assert_eq!(stream.count(frame(IDR, 0, 0)), (true, 0));
    assert_eq!(stream.count(frame(REFERENCE, 1, 0)), (false, 2));
    assert_eq!(stream.count(frame(OTHER, 2, 0)), (false, 1));
    assert_eq!(stream.count(frame(REFERENCE, 2, 3)), (false, 11));
    assert_eq!(stream.count(frame(REFERENCE, 3, 0)), (false, 10));
    for frame_num in 4..16 {
        stream.count(frame(REFERENCE, frame_num, 0));
    }
    assert_eq!(stream.count(frame(REFERENCE, 0, 0)), (false, 64), "frame 16");
}

#[test]
fn without_counts_the_order_is_that_of_decoding() {
    let order = |sps: Writer| sps.ue(2);
    let mut stream = Stream::new(Codec::H264, &[h264_sps(order, true), h264_pps(false)]);
    let frame = |header: u8, frame_num: u64| {
        let slice = Writer::default().ues(&[0, 7, 0]).u(4, frame_num);
        let slice = if header == IDR { slice.ue(0) } else { slice };
        slice.flags(&[0, 0]).nal(&[header])
    };
    assert_eq!(stream.count(frame(IDR, 0)), (true, 0));
    assert_eq!(stream.count(frame(REFERENCE, 1)), (false, 2));
    assert_eq!(stream.count(frame(OTHER, 2)), (false, 3));
    assert_eq!(stream.count(frame(REFERENCE, 2)), (false, 4));
}

/// A slice of a field.
fn field(header: u8, frame_num: u64, parity: Parity, low: u64) -> Vec<u8> {
    let slice = Writer::default().ues(&[0, 7, 0]).u(4, frame_num);
    let slice = slice.flags(&[1, u8::from(parity == Parity::Bottom)]);
    let slice = if header == IDR { slice.ue(0) } else { slice };
    slice.u(4, low).flags(&[0, 0]).nal(&[header])
}

#[test]
fn two_fields_are_a_picture_in_one_access_unit_or_two() {
    let mut stream = Stream::new(Codec::H264, &[h264_sps(low_bits, false), h264_pps(false)]);
    let picture = |picture: CodedPicture| {
        let CodedPicture { begins_sequence, order_count, extent, earlier_field, .. } = picture;
        (begins_sequence, order_count, extent, earlier_field)
    };
    let (top, bottom) = (Parity::Top, Parity::Bottom);
    let first = stream.take(&[field(IDR, 0, top, 0), field(IDR, 0, top, 0)]);
    assert_eq!(picture(first), (true, 0, Extent::FirstField, Some(top)));
    let second = stream.take(&[field(REFERENCE, 0, bottom, 1)]);
    assert_eq!(picture(second), (false, 1, Extent::SecondField, Some(bottom)));

    let both = [field(REFERENCE, 1, bottom, 4), field(REFERENCE, 1, top, 5)];
    assert_eq!(picture(stream.take(&both)), (false, 4, Extent::Whole, Some(bottom)));

    // Fields without partners: the next one is of another frame.
    for (frame_num, low) in [(2, 8), (3, 10)] {
        let alone = stream.take(&[field(OTHER, frame_num, top, low)]);
        assert_eq!(picture(alone), (false, low as i64, Extent::FirstField, Some(top)));
    }
    let frame = Writer::default().ues(&[0, 7, 0]).u(4, 3).flags(&[0]).u(4, 12).flags(&[0, 0]);
    assert_eq!(picture(stream.take(&[frame.nal(&[OTHER])])), (false, 12, Extent::Whole, None));
}

#[test]
fn what_cannot_be_read_has_no_place() {
    let sps = h264_sps(low_bits, true);
    let mut order = PictureOrder::new(Codec::H264);
    let without_pps = ParameterSets::from_annexb(Codec::H264, &unit(&[sps])).unwrap();
    let slice = h264_frame(IDR, 0, 0);
    assert_eq!(order.take(&without_pps, &unit(std::slice::from_ref(&slice))), None);
    let sets = [h264_sps(low_bits, true), h264_pps(false)];
    let sets = ParameterSets::from_annexb(Codec::H264, &unit(&sets)).unwrap();
    assert_eq!(order.take(&sets, &unit(&[slice[..2].to_vec()])), None);
    assert_eq!(order.take(&sets, &unit(&[vec![0x68, 0xee]])), None, "no picture at all");
    assert_eq!(order.take(&sets, &[]), None);
}

/// An SPS of 16x16 pixels, with slice_pic_order_cnt_lsb of 4 bits.
fn h265_sps() -> Vec<u8> {
    let sps = Writer::default().u(4, 0).u(3, 0).u(1, 1);
    let sps = sps.u(8, 1).u(32, 0x6000_0000).u(48, 0x9000_0000_0000).u(8, 30);
    let sps = sps.ues(&[0, 1, 16, 16]).flags(&[0]).ues(&[0, 0, 0]).flags(&[1]).ues(&[4, 2, 0]);
    let sps = sps.ues(&[0, 0, 0, 0, 0, 0]).flags(&[0, 0, 0, 0]).ue(0).flags(&[0, 0, 0]);
    sps.flags(&[0, 0]).nal(&[0x42, 1])
}

/// A PPS whose slices have pic_output_flag and two more bits.
fn h265_pps() -> Vec<u8> {
    Writer::default().ues(&[0, 0]).flags(&[0, 1]).u(3, 2).nal(&[0x44, 1])
}

const TRAIL_N: u8 = 0;
const TRAIL_R: u8 = 1;
const RASL_N: u8 = 8;
const IDR_W_RADL: u8 = 19;
const CRA: u8 = 21;

fn h265(kind: u8, low: u64) -> Vec<u8> {
    h265_slice(kind, low, true)
}

fn h265_slice(kind: u8, low: u64, output: bool) -> Vec<u8> {
    let slice = Writer::default().flags(&[1]);
    let slice = if kind >= 16 { slice.flags(&[0]) } else { slice };
    let slice = slice.ue(0).u(2, 0).ue(2).u(1, output.into());
    let slice = if kind == IDR_W_RADL { slice } else { slice.u(4, low) };
    slice.u(8, 0x55).nal(&[kind << 1, 1])
}

fn h265_stream() -> Stream {
    Stream::new(Codec::H265, &[h265_sps(), h265_pps()])
}

#[test]
fn low_bits_of_h265_wrap_both_ways() {
    let mut stream = h265_stream();
    assert_eq!(stream.count(h265(IDR_W_RADL, 0)), (true, 0));
    assert_eq!(stream.count(h265(TRAIL_R, 8)), (false, 8));
    assert_eq!(stream.count(h265(TRAIL_R, 0)), (false, 16));
    assert_eq!(stream.count(h265(TRAIL_N, 12)), (false, 12));
    assert_eq!(stream.count(h265(TRAIL_R, 14)), (false, 14));
    assert_eq!(stream.count(h265(IDR_W_RADL, 0)), (true, 0));
}

#[test]
fn what_refers_to_before_the_beginning_is_skipped() {
    let mut stream = h265_stream();
    assert_eq!(stream.count(h265(CRA, 8)), (true, 8));
    assert_eq!(stream.take(&[h265(RASL_N, 6)]).output, Output::Skipped);
    assert_eq!(stream.take(&[h265(TRAIL_R, 9)]).output, Output::Shown);
    // In the middle of a stream there is what they refer to.
    assert_eq!(stream.count(h265(CRA, 14)), (false, 14));
    assert_eq!(stream.take(&[h265(RASL_N, 12)]).output, Output::Shown);
    // Behind the end of a sequence there is not.
    stream.take(&[h265(TRAIL_R, 15), vec![36 << 1, 1]]);
    assert_eq!(stream.count(h265(CRA, 4)), (true, 4));
    assert_eq!(stream.take(&[h265(RASL_N, 2)]).output, Output::Skipped);
}

#[test]
fn a_picture_may_say_that_it_is_not_shown() {
    let mut stream = h265_stream();
    stream.take(&[h265(IDR_W_RADL, 0)]);
    assert_eq!(stream.take(&[h265_slice(TRAIL_R, 1, false)]).output, Output::Hidden);
}
