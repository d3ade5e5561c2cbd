//! Whole decode sessions against a scripted server, in memory.

mod server;

use std::io::{self, IoSliceMut};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use server::decode::{Configured, Decoding, plane};
use server::{CURRENT, EARLY, Fate, GEOMETRY, OURS, Script, Served, packet, serve};
use vtremote_client::{
    AccessUnit, Decoder, Error, ErrorKind, Fields, Geometry, Level, LogSink, Picture,
    ReceivedPicture, SentPacket, Settings, Stream,
};
use vtremote_link::{Link, LinkReader, Moved, memory_pair};
use vtremote_planes::Compression;
use vtremote_proto::{Codec, HelloStatus, PixelFormat, Rational};

const PPS: &[u8] = &[0x68, 0xce, 0x38, 0x80];

/// Bits, most significant first.
#[derive(Default)]
struct Bits(Vec<bool>);

impl Bits {
    fn u(mut self, value: u32, bits: u32) -> Self {
        self.0.extend((0..bits).rev().map(|bit| value >> bit & 1 == 1));
        self
    }

    fn ue(self, value: u32) -> Self {
        let length = 32 - (value + 1).leading_zeros();
        self.u(0, length - 1).u(value + 1, length)
    }

    fn nal(self, header: u8) -> Vec<u8> {
        let bits = self.u(1, 1);
        let byte = |bits: &[bool]| {
            (0..8).fold(0, |byte, bit| byte << 1 | u8::from(bits.get(bit) == Some(&true)))
        };
        std::iter::once(header).chain(bits.0.chunks(8).map(byte)).collect()
    }
}

/// A sequence parameter set of H.264 for pictures of this size, of 10 bits if they are deep.
fn sps(width: u32, height: u32, deep: bool) -> Vec<u8> {
    let bits = Bits::default().u(if deep { 110 } else { 66 }, 8).u(0, 8).u(30, 8).ue(0);
    let bits = match deep {
        true => bits.ue(1).ue(2).ue(2).u(0, 2),
        false => bits,
    };
    // log2_max_frame_num, pic_order_cnt_type, max_num_ref_frames, no gaps.
    let bits = bits.ue(0).ue(2).ue(1).u(0, 1);
    let (columns, rows) = (width.div_ceil(16), height.div_ceil(16));
    let bits = bits.ue(columns - 1).ue(rows - 1).u(1, 1).u(1, 1);
    let (right, bottom) = ((columns * 16 - width) / 2, (rows * 16 - height) / 2);
    // Cropped, without VUI.
    bits.u(1, 1).ue(0).ue(right).ue(0).ue(bottom).u(0, 1).nal(0x67)
}

fn annexb(nals: &[&[u8]]) -> Vec<u8> {
    nals.iter().flat_map(|nal| [&[0, 0, 0, 1], *nal].concat()).collect()
}

fn sets(width: u32, height: u32, deep: bool) -> Vec<u8> {
    annexb(&[&sps(width, height, deep), PPS])
}

/// A sequence parameter set that ends before it has said the size.
fn unreadable() -> Vec<u8> {
    annexb(&[server::SPS, PPS])
}

fn stream(width: u32, height: u32) -> Stream {
    Stream {
        width,
        height,
        time_base: Rational { num: 1, den: 25 },
        frame_rate: Rational { num: 25, den: 1 },
        extradata: sets(width, height, false),
    }
}

fn settings() -> Settings {
    Settings { codec: Some(Codec::H264), ..Settings::default() }
}

fn unit(pts: i64) -> AccessUnit {
    AccessUnit {
        pts: Some(pts),
        dts: Some(pts),
        duration: 2,
        keyframe: pts == 0,
        data: packet(pts, pts == 0, false),
        side_data: Vec::new(),
    }
}

/// Presentation times in decoding order, with B-frames.
fn decoding_order(count: i64) -> Vec<i64> {
    let mut order: Vec<i64> = (0..count).collect();
    for group in order[1.min(count as usize)..].chunks_exact_mut(4) {
        let first = group[0];
        group.copy_from_slice(&[first + 3, first + 1, first, first + 2]);
    }
    order
}

/// The sessions that a decoder has begun, in order.
#[derive(Clone, Default)]
struct Sessions(Arc<Mutex<Vec<JoinHandle<Served>>>>);

impl Sessions {
    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn join(self) -> Vec<Served> {
        let sessions = std::mem::take(&mut *self.0.lock().unwrap());
        sessions.into_iter().map(|session| session.join().unwrap()).collect()
    }
}

/// A decoder in front of scripted servers in memory: each connection is to a new one of them.
fn try_open(
    script: &Script,
    settings: &Settings,
    stream: &Stream,
    log: Option<Arc<LogSink>>,
) -> (Result<Decoder, Error>, Sessions) {
    let sessions = Sessions::default();
    let (script, begun) = (script.clone(), sessions.clone());
    let connect = move || {
        let (client, link, ..) = memory_pair(4096);
        begun.0.lock().unwrap().push(serve(link, script.clone()));
        Ok(client)
    };
    (Decoder::open_over(connect, settings, stream, log), sessions)
}

fn open(script: &Script, settings: &Settings, stream: &Stream) -> (Decoder, Sessions) {
    let (decoder, sessions) = try_open(script, settings, stream, None);
    (decoder.unwrap(), sessions)
}

/// Sends a packet, taking pictures whenever there is no room.
fn send(decoder: &mut Decoder, unit: AccessUnit, pictures: &mut Vec<Picture>) -> Result<(), Error> {
    let mut next = unit;
    while let SentPacket::Full(unit) = decoder.send_packet(next)? {
        next = unit;
        if let ReceivedPicture::Picture(picture) = decoder.receive_picture(None)? {
            pictures.push(picture);
        }
    }
    Ok(())
}

fn drain(decoder: &mut Decoder, pictures: &mut Vec<Picture>) -> Result<(), Error> {
    decoder.flush()?;
    loop {
        match decoder.receive_picture(None)? {
            ReceivedPicture::Picture(picture) => pictures.push(picture),
            ReceivedPicture::End => return Ok(()),
            ReceivedPicture::Nothing => panic!("nothing came though there are pictures to come"),
        }
    }
}

/// Decodes packets and flushes; gives the pictures and how it ended.
fn decode(
    decoder: &mut Decoder,
    units: impl IntoIterator<Item = AccessUnit>,
) -> (Vec<Picture>, Result<(), Error>) {
    let mut pictures = Vec::new();
    let outcome = (|| {
        for unit in units {
            send(decoder, unit, &mut pictures)?;
        }
        drain(decoder, &mut pictures)
    })();
    (pictures, outcome)
}

fn times(pictures: &[Picture]) -> Vec<i64> {
    pictures.iter().map(|picture| picture.pts.unwrap()).collect()
}

/// Every sample is the one that the server made.
fn assert_good(picture: &Picture) {
    let pts = picture.pts.unwrap();
    let Geometry { width, height, format, .. } = picture.geometry;
    assert_eq!(picture.planes().len(), usize::from(format.planes()));
    for (index, it) in picture.planes().enumerate() {
        let (row_bytes, rows) = format.plane_layout(width, height, index as u8);
        assert_eq!((it.row_bytes, it.rows, it.data.len()), (row_bytes, rows, rows * it.stride));
        assert_eq!((it.stride % 64, it.data.as_ptr().addr() % 64), (0, 0));
        let visible: Vec<u8> =
            it.data.chunks(it.stride).flat_map(|row| &row[..row_bytes]).copied().collect();
        assert!(visible == plane(pts, index, row_bytes, rows, row_bytes), "{pts} plane {index}");
    }
}

#[test]
fn every_picture_comes_once_in_the_order_of_showing_whatever_the_server_and_the_depth() {
    for (capabilities, in_decoding_order) in
        [(EARLY, true), (CURRENT, false), (OURS, false), (GEOMETRY, false)]
    {
        for (count, inflight, delay) in
            [(1, 1, 0), (2, 1, 0), (15, 16, 4), (33, 16, 4), (13, 2, 4), (25, 8, 20), (61, 64, 4)]
        {
            let settings = Settings { inflight, ..settings() };
            let decoding = Decoding { in_decoding_order, ..Decoding::default() };
            let script = Script { capabilities, delay, decoding, ..Script::default() };
            let (mut decoder, sessions) = open(&script, &settings, &stream(64, 48));
            let (pictures, outcome) =
                decode(&mut decoder, decoding_order(count).into_iter().map(unit));
            assert!(outcome.is_ok(), "{:?}", outcome.unwrap_err().to_string());
            assert_eq!(times(&pictures), Vec::from_iter(0..count), "{inflight} {delay}");
            assert!(pictures.iter().all(|picture| picture.duration == 2));
            pictures.iter().for_each(assert_good);
            let info = decoder.info();
            assert_eq!((info.sent, info.received), (count as u64, count as u64));
            assert_eq!(info.raw_bytes, count as u64 * 64 * 48 * 3 / 2);
            drop(decoder);
            let served = sessions.join();
            assert_eq!((served.len(), served[0].packets.len()), (1, count as usize));
        }
    }
}

#[test]
fn pictures_are_whole_whatever_the_compression_the_size_and_the_padding() {
    for capabilities in [EARLY, CURRENT, OURS, GEOMETRY] {
        for compression in Compression::ALL {
            for (width, height, padding) in [(64, 48, 0), (62, 34, 0), (62, 34, 2), (130, 18, 62)] {
                let settings = Settings { compression: Some(compression.into()), ..settings() };
                let decoding = Decoding { padding, ..Decoding::default() };
                let script = Script { capabilities, decoding, ..Script::default() };
                let (mut decoder, _sessions) = open(&script, &settings, &stream(width, height));
                let (pictures, outcome) = decode(&mut decoder, (0..5).map(unit));
                outcome.unwrap();
                assert_eq!(times(&pictures), [0, 1, 2, 3, 4]);
                pictures.iter().for_each(assert_good);
            }
        }
    }
}

#[test]
fn pictures_are_whole_however_small_the_pieces_are_that_they_come_in() {
    for capabilities in [CURRENT, OURS] {
        for (compression, most) in
            [(Compression::None, 1), (Compression::None, 700), (Compression::Zstd, 3)]
        {
            let settings = Settings { compression: Some(compression.into()), ..settings() };
            let decoding = Decoding { padding: 2, ..Decoding::default() };
            let script = Script { capabilities, decoding, ..Script::default() };
            let connect = move || {
                let (client, link, _, back) = memory_pair(4096);
                back.at_most(most);
                serve(link, script.clone());
                Ok(client)
            };
            let mut decoder =
                Decoder::open_over(connect, &settings, &stream(62, 34), None).unwrap();
            let (pictures, outcome) = decode(&mut decoder, (0..4).map(unit));
            outcome.unwrap();
            assert_eq!(pictures.len(), 4);
            pictures.iter().for_each(assert_good);
        }
    }
}

/// Ends after so many bytes.
struct Cut {
    link: Box<dyn LinkReader>,
    left: usize,
}

impl LinkReader for Cut {
    fn read_vectored(&mut self, into: &mut [IoSliceMut<'_>]) -> io::Result<Moved> {
        if self.left == 0 {
            return Ok(Moved::End);
        }
        let into = into.iter_mut().find(|piece| !piece.is_empty()).unwrap();
        let room = into.len().min(self.left);
        let moved = self.link.read(&mut into[..room])?;
        if let Moved::Bytes(bytes) = moved {
            self.left -= bytes;
        }
        Ok(moved)
    }
}

#[test]
fn a_connection_that_ends_anywhere_before_done_is_a_failure_after_every_whole_picture() {
    for capabilities in [EARLY, OURS] {
        let settings = Settings { compression: Some(Compression::None.into()), ..settings() };
        let decoding = Decoding { in_decoding_order: true, ..Decoding::default() };
        let script = Script { capabilities, decoding, ..Script::default() };
        let mut ends = 0;
        for left in (150..40_000).step_by(997) {
            let script = script.clone();
            let connect = move || {
                let (client, link, ..) = memory_pair(1 << 16);
                serve(link, script.clone());
                Ok(Link { reader: Box::new(Cut { link: client.reader, left }), ..client })
            };
            let Ok(mut decoder) = Decoder::open_over(connect, &settings, &stream(64, 48), None)
            else {
                continue;
            };
            let (pictures, outcome) = decode(&mut decoder, (0..8).map(unit));
            // A picture is 4608 bytes, and what goes around it.
            let (least, most) = (left.saturating_sub(1200) / 4850, left / 4608);
            assert!((least..=most).contains(&pictures.len()), "{} of {left}", pictures.len());
            assert_eq!(times(&pictures), Vec::from_iter(0..pictures.len() as i64));
            pictures.iter().for_each(assert_good);
            match outcome {
                Ok(()) => {
                    assert_eq!(pictures.len(), 8);
                    ends += 1;
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::Network, "{error}"),
            }
        }
        assert!(ends > 0);
    }
}

#[test]
fn slices_may_be_compressed_otherwise_than_frames() {
    let decoding = Decoding { compression: Some(Compression::Zstd), ..Decoding::default() };
    let settings = Settings { compression: Some(Compression::None.into()), ..settings() };
    let script = Script { decoding, ..Script::default() };
    let (mut decoder, _sessions) = open(&script, &settings, &stream(64, 48));
    let (pictures, outcome) = decode(&mut decoder, (0..20).map(unit));
    outcome.unwrap();
    assert_eq!(pictures.len(), 20);
    pictures.iter().for_each(assert_good);
}

#[test]
fn a_chroma_row_that_an_early_server_leaves_out_repeats_the_one_before() {
    for compression in Compression::ALL {
        let settings = Settings { compression: Some(compression.into()), ..settings() };
        let decoding =
            Decoding { short_chroma: true, in_decoding_order: true, ..Decoding::default() };
        let script = Script { capabilities: EARLY, decoding, ..Script::default() };
        // The parameter sets cannot say so: with 4:2:0 they crop by twos.
        let odd = Stream { height: 35, extradata: unreadable(), ..stream(64, 34) };
        let (mut decoder, _sessions) = open(&script, &settings, &odd);
        let (pictures, outcome) = decode(&mut decoder, (0..3).map(unit));
        outcome.unwrap();
        for picture in &pictures {
            let chroma = picture.planes().nth(1).unwrap();
            assert_eq!(chroma.rows, 18);
            let row = |row: usize| &chroma.data[row * chroma.stride..][..chroma.row_bytes];
            assert_eq!(row(17), row(16));
            assert_ne!(row(16), row(15));
        }
        assert_eq!(pictures.len(), 3);
    }
}

#[test]
fn packets_without_a_picture_and_pictures_without_a_packet_are_no_failure() {
    for capabilities in [CURRENT, OURS] {
        for (drops, doubles, expected) in [(Some(2), None, 100), (None, Some(3), 266)] {
            let decoding = Decoding { drops, doubles, ..Decoding::default() };
            let script = Script { capabilities, decoding, delay: 3, ..Script::default() };
            let (mut decoder, _sessions) = open(&script, &settings(), &stream(64, 48));
            let (pictures, outcome) = decode(&mut decoder, (0..200).map(unit));
            outcome.unwrap();
            assert_eq!(pictures.len(), expected);
            assert!(times(&pictures).is_sorted());
            pictures.iter().for_each(assert_good);
        }
    }
}

#[test]
fn a_server_may_give_no_picture_for_a_thousand_packets() {
    let decoding = Decoding { drops: Some(1), ..Decoding::default() };
    let script = Script { decoding, ..Script::default() };
    let (mut decoder, sessions) = open(&script, &settings(), &stream(64, 48));
    let (pictures, outcome) = decode(&mut decoder, (0..1000).map(unit));
    outcome.unwrap();
    assert!(pictures.is_empty());
    drop(decoder);
    assert_eq!(sessions.join()[0].packets.len(), 1000);
}

#[test]
fn packets_without_times_give_pictures_without() {
    let (mut decoder, sessions) = open(&Script::default(), &settings(), &stream(64, 48));
    let timeless = |pts| AccessUnit { pts: None, dts: None, ..unit(pts) };
    let (pictures, outcome) = decode(&mut decoder, (0..20).map(timeless));
    outcome.unwrap();
    assert_eq!(pictures.len(), 20);
    assert!(pictures.iter().all(|picture| picture.pts.is_none()));
    drop(decoder);
    let first = &sessions.join()[0].packets[0];
    assert_eq!((first.pts, first.dts, first.flags), (i64::MIN, i64::MIN, 1));
}

#[test]
fn the_server_is_told_what_the_parameter_sets_say() {
    // And not what the container does.
    let stream = |width, height| Stream { width: 7, height: 9, ..stream(width, height) };
    let (decoder, sessions) = open(&Script::default(), &settings(), &stream(320, 180));
    drop(decoder);
    let configured = Configured {
        format: PixelFormat::Nv12,
        size: (320, 180),
        extradata: sets(320, 180, false),
    };
    assert_eq!(sessions.join()[0].configured, Some(configured));
    let deep = Stream { extradata: sets(64, 48, true), ..stream(64, 48) };
    let (decoder, sessions) = open(&Script::default(), &settings(), &deep);
    drop(decoder);
    let served = sessions.join();
    assert_eq!(served[0].configured.as_ref().unwrap().format, PixelFormat::P010);
    assert_eq!(served[0].options.decode_async, Some(true));
}

#[test]
fn what_comes_before_the_first_parameter_sets_is_dropped_with_one_warning() {
    for capabilities in [EARLY, CURRENT, OURS] {
        let script = Script { capabilities, ..Script::default() };
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = lines.clone();
        let log: Arc<LogSink> = Arc::new(move |level, line: &str| {
            if level == Level::Warn {
                sink.lock().unwrap().push(line.to_owned());
            }
        });
        let bare = Stream { extradata: Vec::new(), ..stream(64, 48) };
        let (decoder, sessions) = try_open(&script, &settings(), &bare, Some(log));
        let mut decoder = decoder.unwrap();
        assert_eq!(sessions.count(), 0);
        let first = AccessUnit { data: [sets(64, 48, false), unit(3).data].concat(), ..unit(3) };
        let later = (4..9).map(unit);
        let units = (0..3).map(unit).chain([first]).chain(later);
        let (pictures, outcome) = decode(&mut decoder, units);
        outcome.unwrap();
        assert_eq!(times(&pictures), [3, 4, 5, 6, 7, 8]);
        drop(decoder);
        let served = sessions.join();
        let extradata = &served[0].configured.as_ref().unwrap().extradata;
        assert_eq!((served.len(), extradata), (1, &sets(64, 48, false)));
        let lines = lines.lock().unwrap();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].starts_with("3 packets before the first parameter sets"), "{lines:?}");
    }
}

/// What a whole session warns of, and the pts of its pictures.
fn warnings_of(script: &Script, units: Vec<AccessUnit>) -> (Vec<String>, Vec<Option<i64>>) {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = lines.clone();
    let log: Arc<LogSink> = Arc::new(move |level, line: &str| {
        if level == Level::Warn {
            sink.lock().unwrap().push(line.to_owned());
        }
    });
    let (decoder, _sessions) = try_open(script, &settings(), &stream(64, 48), Some(log));
    let mut decoder = decoder.unwrap();
    let (pictures, outcome) = decode(&mut decoder, units);
    outcome.unwrap();
    drop(decoder);
    let lines = lines.lock().unwrap().clone();
    (lines, pictures.iter().map(|picture| picture.pts).collect())
}

#[test]
fn a_server_that_gives_no_picture_at_all_is_a_warning() {
    for capabilities in [EARLY, CURRENT, OURS, GEOMETRY] {
        let decoding = Decoding { drops: Some(1), ..Decoding::default() };
        let script = Script { capabilities, decoding, ..Script::default() };
        let (lines, pictures) = warnings_of(&script, (0..5).map(unit).collect());
        assert_eq!(lines, ["the server gave no picture for 5 packets"]);
        assert!(pictures.is_empty());
        let decoding = Decoding { drops: Some(2), ..Decoding::default() };
        let (lines, _) = warnings_of(&Script { decoding, ..script }, (0..5).map(unit).collect());
        assert!(lines.is_empty(), "{lines:?}");
    }
}

#[test]
fn pictures_without_times_of_an_early_server_are_one_warning() {
    for (capabilities, warns) in [(EARLY, true), (CURRENT, false)] {
        let decoding = Decoding { in_decoding_order: warns, ..Decoding::default() };
        let script = Script { capabilities, decoding, ..Script::default() };
        let untimed = |pts| AccessUnit { pts: None, ..unit(pts) };
        let (lines, pictures) = warnings_of(&script, (0..5).map(untimed).collect());
        assert_eq!(pictures, [None; 5]);
        assert_eq!(lines.len(), usize::from(warns), "{lines:?}");
        assert!(lines.iter().all(|line| line.contains("in the order of decoding")), "{lines:?}");
    }
}

#[test]
fn a_damaged_parameter_set_does_not_hide_the_good_one() {
    // Of id 30, and ends there.
    let damaged = Bits::default().u(66, 8).u(0, 8).u(30, 8).ue(30).nal(0x67);
    let extradata = [sets(64, 48, false), annexb(&[&damaged])].concat();
    let (mut decoder, _) =
        open(&Script::default(), &settings(), &Stream { extradata, ..stream(64, 48) });
    let (pictures, outcome) = decode(&mut decoder, (0..5).map(unit));
    outcome.unwrap();
    assert_eq!(times(&pictures), [0, 1, 2, 3, 4]);
}

#[test]
fn a_stream_without_parameter_sets_ends_without_a_session() {
    let bare = Stream { extradata: Vec::new(), ..stream(64, 48) };
    let (mut decoder, sessions) = open(&Script::default(), &settings(), &bare);
    assert!(matches!(decoder.receive_picture(None), Ok(ReceivedPicture::Nothing)));
    let (pictures, outcome) = decode(&mut decoder, (0..3).map(unit));
    outcome.unwrap();
    assert_eq!((pictures.len(), sessions.count()), (0, 0));
}

#[test]
fn a_stream_that_changes_goes_on_in_another_session_and_loses_nothing() {
    for (capabilities, in_decoding_order) in [(EARLY, true), (CURRENT, false), (OURS, false)] {
        let decoding = Decoding { in_decoding_order, ..Decoding::default() };
        let script = Script { capabilities, decoding, delay: 4, ..Script::default() };
        let (mut decoder, sessions) = open(&script, &settings(), &stream(64, 48));
        let parts = [(64, 48, false), (64, 48, true), (64, 48, true), (96, 30, false)];
        let units = (0..80).map(|pts| {
            let (width, height, deep) = parts[pts as usize / 20];
            let keyframe = pts % 20 == 0;
            let sets = if keyframe { sets(width, height, deep) } else { Vec::new() };
            let slice = packet(pts, keyframe, false);
            AccessUnit { keyframe, data: [sets, slice].concat(), ..unit(pts) }
        });
        let (pictures, outcome) = decode(&mut decoder, units);
        outcome.unwrap();
        assert_eq!(times(&pictures), Vec::from_iter(0..80));
        for (number, picture) in pictures.iter().enumerate() {
            let (width, height, deep) = parts[number / 20];
            let format = if deep { PixelFormat::P010 } else { PixelFormat::Nv12 };
            let Geometry { width: w, height: h, format: f, .. } = picture.geometry;
            assert_eq!((w, h, f), (width, height, format));
            assert_good(picture);
        }
        drop(decoder);
        let served = sessions.join();
        let packets: Vec<_> = served.iter().map(|served| served.packets.len()).collect();
        assert_eq!(packets, [20, 40, 20]);
    }
}

#[test]
fn pictures_that_say_what_they_are_change_within_a_session() {
    let first = Geometry {
        color_range: 1,
        primaries: 9,
        transfer: 16,
        matrix: 9,
        chroma_location: 1,
        fields: Fields::TopFirst,
        sample_aspect_ratio: Rational { num: 4, den: 3 },
        ..Geometry::new(66, 50, PixelFormat::P010)
    };
    let second = Geometry::new(130, 128, PixelFormat::Nv12);
    let third = Geometry { color_range: 2, ..second };
    let geometry = vec![(0, first), (10, second), (20, third)];
    let decoding = Decoding { geometry, ..Decoding::default() };
    let script = Script { capabilities: GEOMETRY, decoding, ..Script::default() };
    // What the container and the parameter sets say is wrong, and does not matter.
    let (mut decoder, sessions) = open(&script, &settings(), &stream(64, 48));
    let units = (0..30).map(|pts| {
        let sets = if pts == 10 { sets(32, 32, true) } else { Vec::new() };
        AccessUnit { data: [sets, packet(pts, pts % 10 == 0, false)].concat(), ..unit(pts) }
    });
    let (pictures, outcome) = decode(&mut decoder, units);
    outcome.unwrap();
    for (number, picture) in pictures.iter().enumerate() {
        assert_eq!(picture.geometry, [first, second, third][number / 10]);
        assert_good(picture);
    }
    assert_eq!((pictures.len(), sessions.count()), (30, 1));
}

#[test]
fn after_a_reset_the_next_packet_begins_anew_and_old_pictures_stay() {
    let script = Script { delay: 3, ..Script::default() };
    let (mut decoder, sessions) = open(&script, &settings(), &stream(64, 48));
    let mut kept = Vec::new();
    for round in 0..20 {
        let mut pictures = Vec::new();
        for pts in 0..10 {
            send(&mut decoder, unit(100 * round + pts), &mut pictures).unwrap();
        }
        if round % 3 == 0 {
            drain(&mut decoder, &mut pictures).unwrap();
            assert_eq!(pictures.len(), 10);
        } else {
            while pictures.is_empty() {
                if let ReceivedPicture::Picture(picture) = decoder.receive_picture(None).unwrap() {
                    pictures.push(picture);
                }
            }
        }
        assert_eq!(pictures[0].pts, Some(100 * round));
        kept.push(pictures.remove(0));
        decoder.reset();
        decoder.reset();
    }
    kept.iter().for_each(assert_good);
    // What waits to be used again, and what we hold.
    assert!(decoder.pictures() <= 20 + 20, "{}", decoder.pictures());
    assert_eq!(sessions.count(), 20);
    drop(decoder);
    kept.iter().for_each(assert_good);
    sessions.join();
}

#[test]
fn a_session_that_has_decoded_nothing_survives_a_reset() {
    let (mut decoder, sessions) = open(&Script::default(), &settings(), &stream(64, 48));
    decoder.reset();
    let (pictures, outcome) = decode(&mut decoder, (0..3).map(unit));
    outcome.unwrap();
    assert_eq!((pictures.len(), sessions.count()), (3, 1));
}

#[test]
fn a_session_that_ends_for_a_change_of_the_stream_does_not_survive_a_reset() {
    let script = Script { capabilities: EARLY, ..Script::default() };
    let (mut decoder, sessions) = open(&script, &settings(), &stream(64, 48));
    let other =
        AccessUnit { data: [sets(96, 30, false), packet(0, true, false)].concat(), ..unit(0) };
    assert!(matches!(decoder.send_packet(other.clone()), Ok(SentPacket::Full(_))));
    decoder.reset();
    assert!(matches!(decoder.send_packet(other), Ok(SentPacket::Taken)));
    assert_eq!(sessions.count(), 2);
}

#[test]
fn after_the_end_a_reset_lets_packets_in_again() {
    let (mut decoder, sessions) = open(&Script::default(), &settings(), &stream(64, 48));
    for _ in 0..3 {
        let (pictures, outcome) = decode(&mut decoder, (0..3).map(unit));
        outcome.unwrap();
        assert_eq!(pictures.len(), 3);
        assert!(matches!(decoder.receive_picture(None), Ok(ReceivedPicture::End)));
        let error = decoder.send_packet(unit(3)).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Usage);
        decoder.reset();
    }
    assert_eq!(sessions.count(), 3);
}

#[test]
fn what_came_before_a_failure_is_handed_over_first() {
    for (capabilities, in_decoding_order) in [(EARLY, true), (OURS, false)] {
        for (fate, kind) in [
            (Fate::Vanish, ErrorKind::Network),
            (Fate::Fail, ErrorKind::Remote),
            (Fate::Garbage, ErrorKind::Protocol),
            (Fate::Broken, ErrorKind::Protocol),
        ] {
            let decoding = Decoding { in_decoding_order, ..Decoding::default() };
            let fate = Some((10, fate));
            let script = Script { capabilities, decoding, fate, ..Script::default() };
            let (mut decoder, _sessions) = open(&script, &settings(), &stream(64, 48));
            let (pictures, outcome) = decode(&mut decoder, (0..30).map(unit));
            let error = outcome.unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            let line = error.to_string();
            assert!(line.starts_with("memory:second: ") && !line.contains('\n'), "{line}");
            assert!(pictures.len() >= 10, "{} {line} {capabilities:?}", pictures.len());
            assert_eq!(times(&pictures), Vec::from_iter(0..pictures.len() as i64));
            pictures.iter().for_each(assert_good);
            // It stays like that until a reset.
            assert!(decoder.send_packet(unit(50)).is_err());
            assert!(decoder.receive_picture(None).is_err());
            decoder.reset();
            assert!(matches!(decoder.receive_picture(None), Ok(ReceivedPicture::Nothing)));
        }
    }
}

#[test]
fn the_remote_decoder_is_what_failed() {
    let fate = Some((0, Fate::Fail));
    let (mut decoder, _sessions) =
        open(&Script { fate, ..Script::default() }, &settings(), &stream(64, 48));
    let line = decode(&mut decoder, [unit(0)]).1.unwrap_err().to_string();
    assert_eq!(line, "memory:second: the remote decoder failed: the decoder broke");
}

#[test]
fn a_server_that_falls_silent_is_given_up() {
    let fate = Some((5, Fate::Mute));
    let script = Script { fate, ..Script::default() };
    let settings = Settings { timeout: Duration::from_millis(100), ..settings() };
    let (mut decoder, _sessions) = open(&script, &settings, &stream(64, 48));
    let (pictures, outcome) = decode(&mut decoder, (0..30).map(unit));
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Timeout);
    assert!(pictures.len() <= 5);
}

#[test]
fn refusals_come_from_open_where_the_parameter_sets_are_known_and_else_from_the_first_packet() {
    let full = Script { status: HelloStatus::Busy, ..Script::default() };
    let refused = Script { refusal: Some("no such profile"), ..Script::default() };
    for (script, kind) in [(full, ErrorKind::Full), (refused, ErrorKind::Refused)] {
        let (decoder, _sessions) = try_open(&script, &settings(), &stream(64, 48), None);
        assert_eq!(decoder.err().unwrap().kind(), kind);
        let bare = Stream { extradata: Vec::new(), ..stream(64, 48) };
        let (mut decoder, _sessions) = open(&script, &settings(), &bare);
        let first = AccessUnit { data: [sets(64, 48, false), unit(0).data].concat(), ..unit(0) };
        assert_eq!(decoder.send_packet(first).err().unwrap().kind(), kind);
    }
}

#[test]
fn a_caller_that_pauses_is_waited_for_and_costs_no_more_memory_than_the_window() {
    for capabilities in [CURRENT, OURS] {
        let script = Script { capabilities, ..Script::default() };
        let timeout = Duration::from_millis(100);
        let settings = Settings { inflight: 4, timeout, ..settings() };
        let (mut decoder, sessions) = open(&script, &settings, &stream(64, 48));
        let mut next = 0;
        // Until nothing more goes in though all that went in has come back.
        let mut still = 0;
        while still < 50 {
            match decoder.send_packet(unit(next)).unwrap() {
                SentPacket::Taken => (next, still) = (next + 1, 0),
                SentPacket::Full(_) => {
                    still += 1;
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        }
        // Some more had gone before their pictures came.
        assert!((4..=7).contains(&next), "{next}");
        assert!(decoder.pictures() <= 7, "{}", decoder.pictures());
        // Longer than the silence that this client, and this server's, would end over.
        std::thread::sleep(Duration::from_millis(3500));
        let mut pictures = Vec::new();
        for pts in next..next + 20 {
            send(&mut decoder, unit(pts), &mut pictures).unwrap();
        }
        drain(&mut decoder, &mut pictures).unwrap();
        assert_eq!(times(&pictures), Vec::from_iter(0..next + 20));
        drop(decoder);
        assert!(sessions.join()[0].pings > 0);
    }
}

#[test]
fn a_caller_that_falls_behind_has_no_more_pictures_than_the_window_whatever_the_decoder_holds() {
    for capabilities in [EARLY, CURRENT, OURS, GEOMETRY] {
        for delay in [0, 3, 7] {
            let script = Script { capabilities, delay, ..Script::default() };
            let settings = Settings { inflight: 8, ..settings() };
            let (mut decoder, sessions) = open(&script, &settings, &stream(64, 48));
            let mut pictures = Vec::new();
            for pts in 0..200 {
                // As many as go in, and then one comes out.
                send(&mut decoder, unit(pts), &mut pictures).unwrap();
                if pts % 50 == 49 {
                    std::thread::sleep(Duration::from_millis(20));
                }
                pictures.drain(..).for_each(|picture| assert_good(&picture));
                // Early servers' pictures are put in order, too. One is with us.
                let most = if capabilities == EARLY { 8 + 16 } else { 8 + 4 };
                assert!(decoder.pictures() <= most + 1, "{} {delay}", decoder.pictures());
            }
            drop(decoder);
            sessions.join();
        }
    }
}

#[test]
fn the_memory_of_pictures_is_used_again() {
    let settings = Settings { inflight: 3, ..settings() };
    let (mut decoder, _sessions) = open(&Script::default(), &settings, &stream(64, 48));
    let mut count = 0;
    for pts in 0..200 {
        let mut pictures = Vec::new();
        send(&mut decoder, unit(pts), &mut pictures).unwrap();
        count += pictures.len();
        pictures.iter().for_each(assert_good);
        assert!(decoder.pictures() <= 8, "{}", decoder.pictures());
    }
    assert!(count > 150, "{count}");
}

#[test]
fn pictures_outlive_their_decoder_and_are_dropped_on_any_thread() {
    let (mut decoder, _sessions) = open(&Script::default(), &settings(), &stream(64, 48));
    let (pictures, outcome) = decode(&mut decoder, (0..5).map(unit));
    outcome.unwrap();
    decoder.close();
    pictures.iter().for_each(assert_good);
    std::thread::spawn(move || drop(pictures)).join().unwrap();
}

#[test]
fn receiving_says_at_once_that_a_refused_packet_has_room() {
    let settings = Settings { inflight: 1, ..settings() };
    let (mut decoder, _sessions) = open(&Script::default(), &settings, &stream(64, 48));
    assert!(matches!(decoder.receive_picture(None), Ok(ReceivedPicture::Nothing)));
    for pts in 0..50 {
        let mut next = unit(pts);
        while let SentPacket::Full(unit) = decoder.send_packet(next).unwrap() {
            next = unit;
            // Without a limit: it would wait for ever if it did not see the room.
            decoder.receive_picture(None).unwrap();
        }
    }
}

#[test]
fn packets_behind_lengths_are_sent_as_annex_b() {
    let nal = |data: &[u8]| [&(data.len() as u32).to_be_bytes(), data].concat();
    let sps = sps(64, 48, false);
    let mut record = vec![1, sps[1], sps[2], sps[3], 0xff, 0xe1, 0, sps.len() as u8];
    record.extend_from_slice(&sps);
    record.extend_from_slice(&[1, 0, PPS.len() as u8]);
    record.extend_from_slice(PPS);
    let stream = Stream { extradata: record.clone(), ..stream(64, 48) };
    let (mut decoder, sessions) = open(&Script::default(), &settings(), &stream);
    let slice = |pts| server::slice(pts, pts == 0);
    let units = [
        AccessUnit { data: nal(&slice(0)), ..unit(0) },
        // A converter may have made it Annex B already.
        AccessUnit { data: annexb(&[&slice(1)]), ..unit(1) },
        // Parameter sets may come beside a packet.
        AccessUnit { data: nal(&slice(2)), side_data: vec![(1, record)], ..unit(2) },
    ];
    let (pictures, outcome) = decode(&mut decoder, units);
    outcome.unwrap();
    assert_eq!(pictures.len(), 3);
    drop(decoder);
    let served = sessions.join();
    let data: Vec<_> = served[0].packets.iter().map(|packet| packet.data.clone()).collect();
    let expected = [annexb(&[&slice(0)]), annexb(&[&slice(1)]), annexb(&[&sps, PPS, &slice(2)])];
    assert_eq!(data, expected);
}

#[test]
fn misuse_is_refused_and_changes_nothing() {
    let (mut decoder, _sessions) = open(&Script::default(), &settings(), &stream(64, 48));
    for bad in [
        AccessUnit { data: Vec::new(), ..unit(0) },
        AccessUnit { data: vec![7; 20], ..unit(0) },
        AccessUnit { side_data: vec![(2, Vec::new()); 17], ..unit(0) },
    ] {
        let error = decoder.send_packet(bad).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
        assert!(error.to_string().starts_with("the packet with pts 0"), "{error}");
    }
    let (pictures, outcome) = decode(&mut decoder, (0..3).map(unit));
    outcome.unwrap();
    assert_eq!(pictures.len(), 3);
}

#[test]
fn options_that_only_encoders_have_are_refused_by_name() {
    let mut settings = settings();
    settings.set("bitrate", "2000000").unwrap();
    let (decoder, sessions) = try_open(&Script::default(), &settings, &stream(64, 48), None);
    let line = decoder.err().unwrap().to_string();
    assert_eq!(line, "option \"bitrate\": only encoders have it, and this is a decoder");
    assert_eq!(sessions.count(), 0);
}

#[test]
fn side_data_goes_both_ways_where_the_server_takes_it() {
    for (capabilities, told) in [(EARLY, 0), (CURRENT, 1), (OURS, 1)] {
        let side_data = vec![(1, vec![1, 2, 3])];
        let decoding = Decoding { side_data: side_data.clone(), ..Decoding::default() };
        let script = Script { capabilities, decoding, ..Script::default() };
        let (mut decoder, sessions) = open(&script, &settings(), &stream(64, 48));
        let units = (0..3).map(|pts| AccessUnit { side_data: vec![(9, vec![7])], ..unit(pts) });
        let (pictures, outcome) = decode(&mut decoder, units);
        outcome.unwrap();
        assert!(pictures.iter().all(|picture| picture.side_data == side_data));
        drop(decoder);
        assert_eq!(sessions.join()[0].packets[0].side_data.len(), told);
    }
}

#[test]
fn a_server_that_sends_more_than_its_packets_explain_is_given_up() {
    let decoding = Decoding { doubles: Some(1), keeps: true, ..Decoding::default() };
    let script = Script { decoding, ..Script::default() };
    let (mut decoder, _sessions) = open(&script, &settings(), &stream(64, 48));
    let mut pictures = Vec::new();
    for pts in 0..200 {
        send(&mut decoder, unit(pts), &mut pictures).unwrap();
    }
    decoder.flush().unwrap();
    // Nothing is fetched until it is over.
    while decoder.flush().is_ok() && decoder.info().received < 112 {
        std::thread::sleep(Duration::from_millis(1));
    }
    let error = loop {
        match decoder.receive_picture(None) {
            Ok(ReceivedPicture::Picture(_)) => {}
            Ok(_) => panic!("an end"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
}
