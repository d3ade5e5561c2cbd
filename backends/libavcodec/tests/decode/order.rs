//! The order of showing as `vtremote_bitstream` reads it from slice headers, held against the times that
//! the encoders give.

use super::{Source, by_hand, encode, fields, kinds};
use crate::plain::Stream;
use vtremote_bitstream::{Extent, ParameterSets, PictureOrder};

/// The pts of a stream's pictures in the order of their counts.
fn shown(stream: &Stream) -> Vec<Option<i64>> {
    let mut sets = ParameterSets::from_annexb(stream.codec, &stream.extradata).unwrap();
    let mut order = PictureOrder::new(stream.codec);
    let mut sequence = 0;
    let mut pictures = Vec::new();
    for packet in &stream.packets {
        sets.update(ParameterSets::in_access_unit(stream.codec, &packet.data));
        let picture = order.take(&sets, &packet.data).expect("a picture in each packet");
        sequence += u32::from(picture.begins_sequence);
        if picture.extent != Extent::SecondField {
            pictures.push((sequence, picture.order_count, packet.pts));
        }
    }
    pictures.sort_by_key(|&(sequence, count, _)| (sequence, count));
    assert!(pictures.windows(2).all(|pair| pair[0].0 < pair[1].0 || pair[0].1 < pair[1].1));
    pictures.into_iter().map(|(.., pts)| pts).collect()
}

#[test]
fn counts_of_slices_agree_with_times() {
    let open = "log-level=error:bframes=4:b-pyramid=1:b-adapt=0:keyint=8:open-gop=1:pools=1";
    let open = [("x265-params", open)];
    let fields =
        [("x264-params", "interlaced=1:bframes=3:b-pyramid=normal:weightp=2:ref=4:keyint=16")];
    let weights =
        [("x264-params", "bframes=5:b-adapt=0:weightp=2:weightb=1:ref=5:open-gop=1:keyint=9")];
    let more = [
        Source { encoder: "libx265", options: &open, ..Source::default() },
        Source { options: &fields, ..Source::default() },
        Source { options: &weights, ..Source::default() },
    ];
    for source in kinds().into_iter().chain(more) {
        // Low bits of the count wrap.
        let stream = encode(&Source { size: (64, 64), frames: 150, ..source });
        let expected: Vec<_> = (0..150).map(|frame| Some(2 * frame)).collect();
        assert_eq!(shown(&stream), expected, "{} {:?}", source.encoder, source.options);
    }
}

#[test]
fn two_fields_in_packets_of_their_own_are_one_picture() {
    let pictures: Vec<_> = (0..20).flat_map(|at| fields(2 * at, 100, at % 2 == 1)).collect();
    let expected: Vec<_> = (0..20).map(|frame| Some(2 * frame)).collect();
    assert_eq!(shown(&by_hand(&pictures)), expected);
}
