//! Our own client: what it sends arrives to the byte, whatever the way, and so does what it is sent.

use crate::service::{Service, settings as service_settings};
use std::sync::Arc;
use std::time::Duration;
use vtremote_client::{
    AccessUnit, Decoder, Encoder, Frame, InputFormat, OwnedPicture, Picture, Received,
    ReceivedPicture, Sent, SentPacket, Settings, Stream, Video,
};
use vtremote_planes::Coding;
use vtremote_proto::{Codec, PixelFormat, Rational};

const UNIT: Rational = Rational { num: 1, den: 25 };

/// Every coding, and auto.
fn codings() -> impl Iterator<Item = Option<Coding>> {
    Coding::ALL.into_iter().map(Some).chain([None])
}

fn settings(service: &Service, coding: impl Into<Option<Coding>>) -> Settings {
    Settings {
        codec: Some(Codec::Hevc),
        host: Some(service.address.to_string()),
        token: Some(String::new()),
        compression: coding.into(),
        ..Settings::default()
    }
}

/// A picture of which one part stands still, one moves and one is noise; of ten bits, unless its number
/// says that the low bits are in use too.
fn picture(video: Video, number: usize) -> OwnedPicture {
    let mut state = 1 + number as u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as usize
    };
    let planes = video.layouts().map(|layout| {
        let mut rows = Vec::new();
        for y in 0..layout.rows {
            rows.extend((0..layout.row_bytes).map(|x| match y * 3 / layout.rows.max(1) {
                0 => (x / 3 + y) as u8,
                1 => (x / 2 + 5 * number) as u8,
                _ => noise() as u8,
            }));
        }
        let ten_bits = matches!(video.format.wire(), PixelFormat::P010 | PixelFormat::P210);
        if ten_bits && number % 4 != 3 {
            rows.iter_mut().step_by(2).for_each(|low| *low &= 0xc0);
        }
        (rows, layout.row_bytes)
    });
    OwnedPicture::new(video.format, planes.collect()).unwrap()
}

/// Packets of so many pictures, by pts, and bytes that were sent.
fn encode(settings: &Settings, video: Video, frames: usize) -> (Vec<(i64, Vec<u8>)>, u64) {
    let mut encoder = Encoder::open(settings, &video, None).unwrap();
    let mut packets = Vec::new();
    let mut take = |received| match received {
        Received::Packet(packet) => {
            packets.push((packet.pts, packet.data().to_vec()));
            true
        }
        Received::Nothing => true,
        Received::End => false,
    };

    for number in 0..frames {
        let source = Arc::new(picture(video, number));
        let pts = number as i64;
        let (duration, keyframe, side_data) = (1, false, Vec::new());
        let mut next = Frame { pts, duration, keyframe, side_data, source };
        while let Sent::Full(frame) = encoder.send_frame(next).unwrap() {
            take(encoder.receive_packet(None).unwrap());
            next = frame;
        }
    }
    encoder.flush().unwrap();
    while take(encoder.receive_packet(None).unwrap()) {}
    let bytes = encoder.info().bytes_sent;
    drop(encoder);
    packets.sort();
    (packets, bytes)
}

#[test]
fn pictures_arrive_to_the_byte_in_every_coding_and_format() {
    // Its packets have a sum of the picture's bytes.
    let service = Service::start("reorder=2");
    for format in PixelFormat::ALL {
        for (width, height) in [(33, 17), (322, 181), (16, 1)] {
            let format = InputFormat::Wire(format);
            let video = Video { width, height, format, time_base: UNIT, frame_rate: UNIT };
            let (expected, raw) = encode(&settings(&service, Coding::None), video, 12);
            assert_eq!(expected.len(), 12);
            for coding in codings() {
                let (packets, bytes) = encode(&settings(&service, coding), video, 12);
                assert!(packets == expected, "{coding:?}, {width}x{height} {format:?}");
                let small = width * height < 1000;
                let may_be_raw = matches!(coding, None | Some(Coding::None));
                assert!(small || may_be_raw || bytes < raw, "{coding:?}: {bytes}, {raw}");
            }
        }
    }
}

#[test]
fn planar_pictures_arrive_as_interleaved_ones_do() {
    let service = Service::start("");
    for (planar, wire) in
        [(InputFormat::Yuv420p, PixelFormat::Nv12), (InputFormat::Yuv420p10, PixelFormat::P010)]
    {
        let shape =
            |format| Video { width: 66, height: 35, format, time_base: UNIT, frame_rate: UNIT };
        let interleaved = shape(InputFormat::Wire(wire));
        let expected = encode_samples(&settings(&service, Coding::None), interleaved);
        assert_eq!(expected.len(), 6);
        for coding in codings() {
            let packets = encode_samples(&settings(&service, coding), shape(planar));
            assert!(packets == expected, "{coding:?}, {wire}");
        }
    }
}

/// A sample of luma, Cb or Cr, of ten bits if `deep`.
fn sample(plane: usize, column: usize, row: usize, number: usize, deep: bool) -> u16 {
    let sample = (column * (plane + 1) + 3 * row + 5 * number) as u16;
    sample % if deep { 1024 } else { 256 }
}

/// Packets of six pictures of the same samples, in planes of their own or as on the wire.
fn encode_samples(settings: &Settings, video: Video) -> Vec<(i64, Vec<u8>)> {
    let mut encoder = Encoder::open(settings, &video, None).unwrap();
    let deep = video.format.wire() == PixelFormat::P010;
    for number in 0..6 {
        let planes = (0..video.format.planes()).map(|plane| {
            let (row_bytes, rows) = video.format.plane_layout(video.width, video.height, plane);
            let mut bytes = Vec::new();
            for row in 0..rows {
                for at in 0..row_bytes / if deep { 2 } else { 1 } {
                    // The second plane on the wire has pairs.
                    let is_pairs = plane == 1 && video.format.planes() == 2;
                    let (of, column) = if is_pairs { (1 + at % 2, at / 2) } else { (plane, at) };
                    let sample = sample(of, column, row, number, deep);
                    let shift = if video.format.planes() == 2 { 6 } else { 0 };
                    match deep {
                        true => bytes.extend((sample << shift).to_le_bytes()),
                        false => bytes.push(sample as u8),
                    }
                }
            }
            (bytes, row_bytes)
        });
        let source = Arc::new(OwnedPicture::new(video.format, planes.collect()).unwrap());
        let (pts, duration, keyframe, side_data) = (number as i64, 1, false, Vec::new());
        let sent = encoder.send_frame(Frame { pts, duration, keyframe, side_data, source });
        assert!(matches!(sent.unwrap(), Sent::Taken));
    }
    encoder.flush().unwrap();
    let mut packets = Vec::new();
    while let Received::Packet(packet) = encoder.receive_packet(None).unwrap() {
        packets.push((packet.pts, packet.data().to_vec()));
    }
    packets
}

/// Without padding.
fn planes_of(picture: &Picture) -> Vec<Vec<u8>> {
    let planes = picture.planes().map(|plane| {
        let rows = (0..plane.rows)
            .flat_map(|row| plane.data[row * plane.stride..][..plane.row_bytes].iter().copied());
        rows.collect()
    });
    planes.collect()
}

/// Pictures that a stream becomes: pts and planes without padding.
fn decode(
    settings: &Settings,
    stream: &Stream,
    packets: &[AccessUnit],
) -> Vec<(i64, Vec<Vec<u8>>)> {
    let mut decoder = Decoder::open(settings, stream, None).unwrap();
    let mut pictures = Vec::new();
    let mut take = |received| match received {
        ReceivedPicture::Picture(picture) => {
            pictures.push((picture.pts.unwrap(), planes_of(&picture)));
            true
        }
        ReceivedPicture::Nothing => true,
        ReceivedPicture::End => false,
    };
    for packet in packets {
        let mut next = packet.clone();
        while let SentPacket::Full(packet) = decoder.send_packet(next).unwrap() {
            take(decoder.receive_picture(None).unwrap());
            next = packet;
        }
    }
    decoder.flush().unwrap();
    while take(decoder.receive_picture(None).unwrap()) {}
    pictures
}

#[test]
fn decoded_pictures_come_to_the_byte_in_every_coding_also_when_they_change() {
    for script in ["", "resize=9:50x34", "format=7:p010le"] {
        let service = Service::start(script);
        let format = InputFormat::Wire(PixelFormat::Nv12);
        let video = Video { width: 130, height: 70, format, time_base: UNIT, frame_rate: UNIT };
        let mut encoder = Encoder::open(&settings(&service, Coding::None), &video, None).unwrap();
        let mut packets = Vec::new();
        for pts in 0..20 {
            let source = Arc::new(picture(video, pts as usize));
            let (duration, keyframe, side_data) = (1, false, Vec::new());
            let frame = Frame { pts, duration, keyframe, side_data, source };
            while let Sent::Full(_) = encoder.send_frame(frame.clone()).unwrap() {
                encoder_packets(&mut encoder, &mut packets);
            }
        }
        encoder.flush().unwrap();
        while packets.len() < 20 {
            encoder_packets(&mut encoder, &mut packets);
        }
        let extradata = encoder.extradata().to_vec();
        drop(encoder);
        let (width, height) = (video.width, video.height);
        let stream = Stream { width, height, time_base: UNIT, frame_rate: UNIT, extradata };
        let expected = decode(&settings(&service, Coding::None), &stream, &packets);
        assert_eq!(expected.len(), 20, "{script}");
        for coding in codings() {
            let pictures = decode(&settings(&service, coding), &stream, &packets);
            assert!(pictures == expected, "{coding:?}, {script}");
        }
    }
}

fn encoder_packets(encoder: &mut Encoder, packets: &mut Vec<AccessUnit>) {
    if let Received::Packet(packet) = encoder.receive_packet(None).unwrap() {
        packets.push(AccessUnit {
            pts: Some(packet.pts),
            dts: Some(packet.dts),
            duration: 1,
            keyframe: packet.keyframe,
            data: packet.data().to_vec(),
            side_data: Vec::new(),
        });
    }
}

/// Whoever plays a film may stop it for a while, and an encoder's source may have nothing: the server's
/// deadlines pass, and nothing is lost.
#[test]
fn a_caller_may_pause_for_longer_than_any_of_the_servers_deadlines() {
    let (idle, pause) = (Duration::from_secs(2), Duration::from_millis(4200));
    let service = Service::with(
        &vtremoted::Settings { idle_timeout: idle, ..service_settings() },
        "reorder=2",
    );
    let format = InputFormat::Wire(PixelFormat::Nv12);
    let video = Video { width: 64, height: 48, format, time_base: UNIT, frame_rate: UNIT };
    // Where nothing is to be said our client asks after half of the silence that it allows.
    let timeout = Duration::from_secs(3);
    let settings = Settings { timeout, ..settings(&service, Coding::Zstd) };
    let (unpaused, _) = encode(&settings, video, 20);
    let mut encoder = Encoder::open(&settings, &video, None).unwrap();
    let mut packets = Vec::new();
    for pts in 0..20 {
        let source = Arc::new(picture(video, pts as usize));
        let (duration, keyframe, side_data) = (1, false, Vec::new());
        let frame = Frame { pts, duration, keyframe, side_data, source };
        while let Sent::Full(_) = encoder.send_frame(frame.clone()).unwrap() {
            encoder_packets(&mut encoder, &mut packets);
        }
        if pts == 9 {
            std::thread::sleep(pause);
        }
    }
    encoder.flush().unwrap();
    while packets.len() < 20 {
        encoder_packets(&mut encoder, &mut packets);
    }
    assert!(matches!(encoder.receive_packet(None).unwrap(), Received::End));
    let extradata = encoder.extradata().to_vec();
    drop(encoder);
    let mut paused: Vec<_> = packets.iter().map(|it| (it.pts.unwrap(), it.data.clone())).collect();
    paused.sort();
    assert!(paused == unpaused, "other packets");

    let (width, height) = (video.width, video.height);
    let stream = Stream { width, height, time_base: UNIT, frame_rate: UNIT, extradata };
    let expected = decode(&settings, &stream, &packets);
    assert_eq!(expected.len(), 20);
    let mut decoder = Decoder::open(&settings, &stream, None).unwrap();
    let mut pictures = Vec::new();
    for (number, packet) in packets.iter().enumerate() {
        let mut next = packet.clone();
        while let SentPacket::Full(packet) = decoder.send_packet(next).unwrap() {
            if let ReceivedPicture::Picture(picture) = decoder.receive_picture(None).unwrap() {
                pictures.push((picture.pts.unwrap(), planes_of(&picture)));
            }
            next = packet;
        }
        if number == 9 {
            std::thread::sleep(pause);
        }
    }
    decoder.flush().unwrap();
    std::thread::sleep(pause);
    while let ReceivedPicture::Picture(picture) = decoder.receive_picture(None).unwrap() {
        pictures.push((picture.pts.unwrap(), planes_of(&picture)));
    }
    assert!(pictures == expected, "other pictures");
}
