//! What arrives at the server is what the caller gave, however it travelled.

mod server;

use std::sync::Arc;
use std::thread;

use server::{
    CURRENT, EARLY, HEVC_SETS, OURS, PPS, SPS, Script, Seen, avcc, hevc_slice, serve, slice,
};
use vtremote_client::{Encoder, Frame, InputFormat, OwnedPicture, Received, Settings, Video};
use vtremote_link::memory_pair;
use vtremote_planes::Coding;
use vtremote_proto::{Codec, PixelFormat, Rational};

/// Odd each way, with rows enough for several slices.
const WIDTH: u32 = 67;
const HEIGHT: u32 = 547;

fn video(format: InputFormat) -> Video {
    let time_base = Rational { num: 1, den: 25 };
    Video { width: WIDTH, height: HEIGHT, format, time_base, frame_rate: time_base }
}

/// A sample of a picture: half noise, which no compression makes smaller, half smooth.
fn sample(plane: usize, x: usize, y: usize) -> u16 {
    let smooth = (x / 7 + y / 5 + 31 * plane) as u32;
    let noise = (x as u32 + 1).wrapping_mul(y as u32 + 7).wrapping_mul(2_654_435_761) >> 13;
    (if y % 200 < 100 { smooth } else { noise } & 0x3ff) as u16
}

/// The same picture in any format: planes of the caller's with `padding` bytes behind each row.
fn picture(format: InputFormat, padding: usize) -> OwnedPicture {
    let planes = (0..format.planes()).map(|plane| {
        let (row_bytes, rows) = format.plane_layout(WIDTH, HEIGHT, plane);
        let stride = row_bytes + padding;
        let mut data = vec![0xee; stride * rows];
        for y in 0..rows {
            let row = &mut data[y * stride..][..row_bytes];
            let wide = |value: u16, bytes: &mut [u8]| bytes.copy_from_slice(&value.to_le_bytes());
            match (format, plane) {
                (InputFormat::Yuv420p, _) | (InputFormat::Wire(PixelFormat::Nv12), 0) => {
                    row.iter_mut().enumerate().for_each(|(x, b)| *b = sample(plane, x, y) as u8);
                }
                (InputFormat::Wire(PixelFormat::Nv12), _) => {
                    let fill = |(x, b): (usize, &mut u8)| *b = sample(1 + x % 2, x / 2, y) as u8;
                    row.iter_mut().enumerate().for_each(fill);
                }
                (InputFormat::Yuv420p10, _) => {
                    let fill = |(x, b): (usize, &mut [u8])| wide(sample(plane, x, y), b);
                    row.chunks_exact_mut(2).enumerate().for_each(fill);
                }
                (InputFormat::Wire(PixelFormat::P010), 0) => {
                    let fill = |(x, b): (usize, &mut [u8])| wide(sample(0, x, y) << 6, b);
                    row.chunks_exact_mut(2).enumerate().for_each(fill);
                }
                (InputFormat::Wire(PixelFormat::P010), _) => {
                    let fill = |(x, b): (usize, &mut [u8])| {
                        wide(sample(1 + x % 2, x / 2, y) << 6, b);
                    };
                    row.chunks_exact_mut(2).enumerate().for_each(fill);
                }
                _ => row.iter_mut().enumerate().for_each(|(x, b)| *b = sample(0, x, y) as u8),
            }
        }
        // The last row has no padding: reading it would be reading beyond the picture.
        data.truncate(stride * (rows - 1) + row_bytes);
        (data, stride)
    });
    OwnedPicture::new(format, planes.collect()).unwrap()
}

/// The packets of three frames as a caller gets them, the second a keyframe.
fn packets(codec: Codec) -> Vec<Vec<u8>> {
    let sets: &[&[u8]] = match codec {
        Codec::H264 => &[SPS, PPS],
        Codec::Hevc => &HEVC_SETS,
    };
    let packet = |pts: i64| {
        let keyframe = pts < 2;
        let slice = match codec {
            Codec::H264 => slice(pts, keyframe),
            Codec::Hevc => hevc_slice(pts, keyframe),
        };
        let sets = if keyframe { sets } else { &[] };
        let nals = sets.iter().copied().chain([&slice[..]]);
        nals.flat_map(|nal| [&[0, 0, 0, 1], nal].concat()).collect()
    };
    (0..3).map(packet).collect()
}

/// What a server sees of three frames like that.
fn seen(
    codec: Codec,
    format: InputFormat,
    padding: usize,
    compression: Coding,
    slices: bool,
) -> Vec<Seen> {
    let (client, link, ..) = memory_pair(100_000);
    let extradata = if codec == Codec::H264 { avcc() } else { Vec::new() };
    let served = serve(link, Script { capabilities: OURS, extradata, ..Script::default() });
    let settings = Settings {
        codec: Some(codec),
        compression: Some(compression),
        slices: Some(slices),
        ..Settings::default()
    };
    let mut encoder = Encoder::open_over(client, &settings, &video(format), None).unwrap();
    for pts in 0..3 {
        let frame = Frame {
            pts,
            duration: 1,
            keyframe: pts == 1,
            side_data: vec![(7, vec![pts as u8; 3])],
            source: Arc::new(picture(format, padding)),
        };
        encoder.send_frame(frame).unwrap();
    }
    encoder.flush().unwrap();
    let mut received = Vec::new();
    while let Received::Packet(packet) = encoder.receive_packet(None).unwrap() {
        received.push(packet.data().to_vec());
    }
    assert_eq!(received, packets(codec));
    drop(encoder);
    let served = served.join().unwrap();
    assert_eq!(served.codec, codec.name());
    served.frames
}

/// The same frames whatever the way; what is sent is in the format of the first.
fn assert_all_alike(codec: Codec, formats: &[InputFormat]) {
    let mut expected: Option<Vec<Seen>> = None;
    for &format in formats {
        for padding in [0, 13] {
            for compression in [Coding::None, Coding::Lz4, Coding::Zstd] {
                for slices in [false, true] {
                    let mut frames = seen(codec, format, padding, compression, slices);
                    assert!(frames.iter().all(|frame| frame.sliced == slices));
                    frames.iter_mut().for_each(|frame| frame.sliced = false);
                    let expected = expected.get_or_insert_with(|| frames.clone());
                    let what = format!("{format:?}, {padding} bytes of padding, {compression}");
                    assert!(*expected == frames, "{what}, slices: {slices}");
                }
            }
        }
    }
    let frames = expected.unwrap();
    let heads: Vec<_> = frames.iter().map(|frame| (frame.pts, frame.flags)).collect();
    assert_eq!(heads, [(0, 0), (1, 1), (2, 0)]);
    assert_eq!(frames[2].side_data, [(7, vec![2; 3])]);
    // The picture itself, packed: compared with the samples, not only with itself.
    let luma = frames[0].planes[0].clone();
    let wide = luma.len() > (WIDTH * HEIGHT) as usize;
    let at = |x: usize, y: usize| match (formats[0].wire(), wide) {
        (PixelFormat::P010, _) => {
            let at = 2 * (y * WIDTH as usize + x);
            u16::from_le_bytes([luma[at], luma[at + 1]]) >> 6
        }
        (_, true) => u16::from(luma[y * 4 * WIDTH as usize + x]),
        _ => u16::from(luma[y * WIDTH as usize + x]),
    };
    let mask = if formats[0].wire() == PixelFormat::P010 { 0x3ff } else { 0xff };
    for (x, y) in [(0, 0), (66, 546), (33, 150), (5, 99)] {
        assert_eq!(at(x, y), sample(0, x, y) & mask, "{x},{y}");
    }
}

#[test]
fn eight_bits_are_the_same_planar_or_not_padded_or_not_compressed_or_not() {
    for codec in [Codec::H264, Codec::Hevc] {
        assert_all_alike(codec, &[InputFormat::Wire(PixelFormat::Nv12), InputFormat::Yuv420p]);
    }
}

#[test]
fn ten_bits_are_the_same_planar_or_not_padded_or_not_compressed_or_not() {
    let formats = [InputFormat::Wire(PixelFormat::P010), InputFormat::Yuv420p10];
    assert_all_alike(Codec::Hevc, &formats);
}

#[test]
fn a_format_of_one_plane_travels_as_well() {
    assert_all_alike(Codec::H264, &[InputFormat::Wire(PixelFormat::Bgra)]);
}

#[test]
fn slices_are_used_where_the_server_has_them() {
    for (capabilities, wanted, used) in
        [(OURS, None, true), (OURS, Some(false), false), (CURRENT, None, false)]
    {
        let (client, link, ..) = memory_pair(4096);
        let served = serve(link, Script { capabilities, ..Script::default() });
        let settings = Settings { codec: Some(Codec::H264), slices: wanted, ..Settings::default() };
        let format = InputFormat::Wire(PixelFormat::Nv12);
        let encoder = Encoder::open_over(client, &settings, &video(format), None).unwrap();
        assert_eq!(encoder.info().slices, used);
        drop(encoder);
        assert_eq!(served.join().unwrap().options.slices, used);
    }
}

#[test]
fn bytes_may_come_and_go_one_at_a_time() {
    let (client, link, there, back) = memory_pair(64);
    there.at_most(7);
    back.at_most(1);
    let served = serve(link, Script::default());
    let settings = Settings { codec: Some(Codec::H264), inflight: 2, ..Settings::default() };
    let format = InputFormat::Yuv420p;
    let mut encoder = Encoder::open_over(client, &settings, &video(format), None).unwrap();
    let source = Arc::new(picture(format, 0));
    for pts in 0..2 {
        let source = source.clone();
        let frame = Frame { pts, duration: 0, keyframe: false, side_data: Vec::new(), source };
        encoder.send_frame(frame).unwrap();
    }
    encoder.flush().unwrap();
    let mut packets = 0;
    while let Received::Packet(_) = encoder.receive_packet(None).unwrap() {
        packets += 1;
        thread::yield_now();
    }
    assert_eq!(packets, 2);
    drop(encoder);
    assert_eq!(served.join().unwrap().frames.len(), 2);
}

#[test]
fn metadata_of_hdr_goes_only_to_servers_that_know_its_form() {
    let all = [(11, vec![7; 24]), (1, vec![0xfc, 1, 2]), (14, vec![7; 4])];
    for (capabilities, expected) in [(OURS, &all[..]), (CURRENT, &all[1..2]), (EARLY, &[])] {
        let (client, link, ..) = memory_pair(100_000);
        let served = serve(link, Script { capabilities, ..Script::default() });
        let settings = Settings { codec: Some(Codec::H264), ..Settings::default() };
        let format = InputFormat::Wire(PixelFormat::Nv12);
        let mut encoder = Encoder::open_over(client, &settings, &video(format), None).unwrap();
        let source = Arc::new(picture(format, 0));
        let side_data = all.to_vec();
        encoder
            .send_frame(Frame { pts: 0, duration: 1, keyframe: false, side_data, source })
            .unwrap();
        encoder.flush().unwrap();
        while let Received::Packet(_) = encoder.receive_packet(None).unwrap() {}
        drop(encoder);
        assert_eq!(served.join().unwrap().frames[0].side_data, expected);
    }
}
