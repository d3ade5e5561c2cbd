//! A server whose pictures, in slices, are of any bytes, against the client's decoder: each that comes whole is
//! handed over once and in its order, and the rest is one error.
//!
//! Input: that of vtz_decode, with more kinds of events: 6 to 9, a picture of a codec without tables, with the
//! codec in a byte; and from 10 on, a message of this type, the length in two bytes, the payload.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use vtremote_client::{
    AccessUnit, Decoder, Error, Level, ReceivedPicture, SentPacket, Settings, Stream,
};
use vtremote_link::{LinkWriter, Moved, memory_pair};
use vtremote_proto::{
    Codec, FrameBegin, FrameHead, Geometry, NO_REFERENCE, PixelFormat, Rational, SideData,
    SliceHead, slice_message,
};

#[allow(dead_code)]
#[path = "../../proto/tests/sessions/speech.rs"]
mod speech;

/// SPS and PPS of 64x48 in 8 bits.
const EXTRADATA: &[u8] = include_bytes!("client_pictures.h264");

const PACKETS: i64 = 8;

/// Enough for what a script says, so that nobody waits for who does not read.
const ROOM: usize = 1 << 22;

fuzz_target!(|input: &[u8]| {
    let &[format, width, height, ref events @ ..] = input else { return };
    // Others have to be asked for by the stream's parameter sets.
    let format = if format % 2 == 0 { PixelFormat::Nv12 } else { PixelFormat::P010 };
    let geometry = Geometry::new(width.into(), height.into(), format);
    let (pictures, said) = said(geometry, events);
    let (ours, theirs, ..) = memory_pair(ROOM);
    let mut writer = theirs.writer;
    write(&mut *writer, &[speech::hello_ack(speech::OURS), speech::configure_ack()].concat());
    let mut link = Some(ours);
    let settings = Settings {
        codec: Some(Codec::H264),
        slices: Some(true),
        formats: PixelFormat::ALL.to_vec(),
        timeout: Duration::from_secs(5),
        log_level: Level::Error,
        ..Settings::default()
    };
    let unit = Rational { num: 1, den: 30 };
    let (time_base, frame_rate) = (unit, Rational { num: 30, den: 1 });
    let extradata = EXTRADATA.to_vec();
    let stream = Stream { width: 64, height: 48, time_base, frame_rate, extradata };
    let connect = move || link.take().ok_or_else(|| Error::Usage("once".into()));
    let mut decoder = Decoder::open_over(connect, &settings, &stream, None).expect("a session");
    for pts in 0..PACKETS {
        let packet = AccessUnit {
            pts: Some(pts),
            dts: Some(pts),
            duration: 1,
            keyframe: pts == 0,
            data: vec![0, 0, 0, 1, 0x65, 0x88],
            side_data: Vec::new(),
        };
        assert!(matches!(decoder.send_packet(packet), Ok(SentPacket::Taken)));
    }
    write(&mut *writer, &said);
    writer.finish().expect("it is there");
    let (mut received, mut last) = (0, None);
    loop {
        match decoder.receive_picture(Some(Duration::from_secs(5))) {
            Ok(ReceivedPicture::Picture(picture)) => {
                received += 1;
                let pts = picture.pts;
                assert!(pts > last || pts.is_none(), "{pts:?} behind {last:?}");
                last = pts.or(last);
            }
            Ok(ReceivedPicture::Nothing) => panic!("a link that has ended says nothing"),
            Ok(ReceivedPicture::End) | Err(_) => break,
        }
    }
    assert!(received <= pictures, "{received} of {pictures}");
});

fn write(writer: &mut dyn LinkWriter, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        // The client may have hung up.
        match writer.write(bytes) {
            Ok(Moved::Bytes(count)) => bytes = &bytes[count..],
            Ok(Moved::Nothing) => {}
            Ok(Moved::End) => return,
            Err(_) => return,
        }
    }
}

/// A length in two bytes, and as much.
fn part(events: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = events.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))
}

/// How many pictures begin, and the messages.
fn said(geometry: Geometry, mut events: &[u8]) -> (usize, Vec<u8>) {
    let (mut out, mut pictures) = (Vec::new(), 0_u32);
    let (mut kept, mut index) = (NO_REFERENCE, 0);
    while let Some((&kind, rest)) = events.split_first()
        && out.len() < ROOM / 2
        && pictures < 24
    {
        events = rest;
        match kind {
            0..2 | 6..10 => {
                let (codec, tables) = match kind {
                    6.. => {
                        let Some((&codec, rest)) = events.split_first() else { break };
                        events = rest;
                        (codec, &[][..])
                    }
                    _ => {
                        let Some((tables, rest)) = part(events) else { break };
                        events = rest;
                        (3, tables)
                    }
                };
                let head = FrameHead {
                    pts: pictures.into(),
                    duration: 1,
                    flags: 0,
                    planes: geometry.format.planes(),
                };
                let begin = FrameBegin {
                    head,
                    codec,
                    frame_id: pictures,
                    reference_id: if kind == 1 { kept } else { NO_REFERENCE },
                    slices: slices(events).max(1),
                    tables,
                    geometry: (pictures == 0 || kind == 9).then_some(geometry),
                    side_data: SideData::EMPTY,
                };
                if begin.encode(&mut out).is_err() {
                    break;
                }
                if tables.first().is_some_and(|flags| flags & 2 != 0) {
                    kept = pictures;
                }
                (pictures, index) = (pictures + 1, 0);
            }
            2..6 => {
                let Some((&[plane, first, strips], rest)) = events.split_first_chunk() else {
                    break;
                };
                let Some((data, rest)) = part(rest) else { break };
                events = rest;
                let plane = plane % geometry.format.planes();
                let rows = if plane == 0 { geometry.height } else { geometry.height.div_ceil(2) };
                let first_row = u32::from(first) * 16;
                let head = SliceHead {
                    frame_id: pictures.saturating_sub(1),
                    index,
                    plane,
                    mode: kind - 1,
                    first_row,
                    rows: (u32::from(strips) * 16).min(rows.saturating_sub(first_row)),
                    len: data.len() as u32,
                };
                let Ok(message) = slice_message(&head) else { break };
                out.extend_from_slice(&message);
                out.extend_from_slice(data);
                index = index.saturating_add(1);
            }
            kind => {
                let Some((payload, rest)) = part(events) else { break };
                events = rest;
                out.extend(speech::raw(kind.into(), payload));
            }
        }
    }
    (pictures as usize, out)
}

/// How many slices come before the next picture.
fn slices(mut events: &[u8]) -> u16 {
    let mut count = 0;
    while let Some((2..6, rest)) = events.split_first() {
        let Some((_, rest)) = rest.split_at_checked(3).and_then(|(_, rest)| part(rest)) else {
            break;
        };
        (events, count) = (rest, count + 1);
    }
    count
}
