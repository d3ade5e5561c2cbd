//! Whole sessions as the bytes that a client sends.

use crate::peer::Peer;
use crate::service::Service;
use crate::video::{Form, Video};
use vtremote_backend::PixelFormat;
use vtremote_planes::vtz::{Format, Geometry};
use vtremote_planes::{Begin, Coding, Compression, Layout, PictureEncoder, Scratch, Source};
use vtremote_proto::{
    Configure, Flush, FrameBegin, FrameHead, Hello, NO_REFERENCE, PacketHead, Ping, Rational,
    SideData, SliceHead, packet_message, slice_message,
};

pub(crate) const TINY: Video = Video { format: PixelFormat::Nv12, width: 16, height: 16 };

/// Pictures, or packets, of a session.
const INPUTS: i64 = 3;

/// What a message of a session is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    Hello,
    Configure,
    /// Completes no picture.
    Part,
    /// Completes a picture or packet.
    Input,
    Flush,
}

/// A session from HELLO to FLUSH.
pub(crate) struct Valid {
    pub(crate) name: &'static str,
    pub(crate) bytes: Vec<u8>,
    /// Where each message ends, and what it is good for.
    pub(crate) ends: Vec<(usize, Use)>,
}

impl Valid {
    fn new(name: &'static str, messages: Vec<(Use, Vec<u8>)>) -> Self {
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for (what, message) in messages {
            bytes.extend(message);
            ends.push((bytes.len(), what));
        }
        Valid { name, bytes, ends }
    }

    /// How many messages for this are complete within so many bytes.
    pub(crate) fn complete(&self, len: usize, what: Use) -> usize {
        self.ends.iter().filter(|(end, of)| *end <= len && *of == what).count()
    }

    pub(crate) fn inputs(&self) -> usize {
        self.complete(self.bytes.len(), Use::Input)
    }

    /// Lengths from nothing to everything: all that are near the end of a message or within the heads
    /// after it, and every `step`th of the others.
    pub(crate) fn prefixes(&self, step: usize) -> Vec<usize> {
        // With longer steps fewer of the heads' lengths, too.
        let behind = (60 / step).max(1);
        let near = |len: usize| {
            let starts = std::iter::once(0).chain(self.ends.iter().map(|(end, _)| *end));
            starts.into_iter().any(|start| len + 1 >= start && len <= start + behind)
        };
        (0..=self.bytes.len()).filter(|len| near(*len) || len % step == 0).collect()
    }
}

pub(crate) fn hello() -> Vec<u8> {
    let (token, codec, client_name, client_build) = ("", "h264", "hostile", "1");
    let mut out = Vec::new();
    Hello { token, codec, client_name, client_build }.encode(&mut out).unwrap();
    out
}

pub(crate) fn configure(video: Video, options: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    let configure = Configure {
        width: video.width,
        height: video.height,
        pix_fmt: video.format as u8,
        time_base: Rational { num: 1, den: 25 },
        frame_rate: Rational { num: 25, den: 1 },
        options: options.to_vec(),
        extradata: &[],
    };
    configure.encode(&mut out).unwrap();
    out
}

pub(crate) fn flush() -> Vec<u8> {
    let mut out = Vec::new();
    Flush.encode(&mut out);
    out
}

fn ping() -> Vec<u8> {
    let mut out = Vec::new();
    Ping.encode(&mut out);
    out
}

/// HELLO and CONFIGURE.
pub(crate) fn handshake(video: Video, options: &[(&str, &str)]) -> Vec<u8> {
    [hello(), configure(video, options)].concat()
}

fn encoding(name: &'static str, options: &[(&str, &str)], form: Form) -> Valid {
    let pictures = (0..INPUTS).map(|number| TINY.message(number, form));
    encoding_of(name, options, pictures.collect())
}

/// As [`encoding`], of pictures whose messages are these.
fn encoding_of(name: &'static str, options: &[(&str, &str)], pictures: Vec<Vec<u8>>) -> Valid {
    let mut messages = vec![
        (Use::Hello, hello()),
        (Use::Configure, configure(TINY, options)),
        (Use::Part, ping()),
    ];
    for bytes in pictures {
        // A picture in slices is several messages.
        let mut left = &bytes[..];
        while !left.is_empty() {
            let len = u32::from_be_bytes(left[8..12].try_into().unwrap()) as usize + 12;
            let what = if len == left.len() { Use::Input } else { Use::Part };
            messages.push((what, left[..len].to_vec()));
            left = &left[len..];
        }
    }
    messages.push((Use::Flush, flush()));
    Valid::new(name, messages)
}

/// The messages of pictures of vtz in one slice a plane, the last of them first. Their pts and ids count
/// from 0, and they show what the picture with each of these numbers shows.
fn in_vtz(video: Video, coding: Coding, shown: &[i64]) -> Vec<Vec<u8>> {
    assert_eq!(video.format, PixelFormat::Nv12);
    let (width, height) = (video.width as usize, video.height as usize);
    let geometry = Geometry { format: Format::Nv12, width, height };
    let (mut encoder, mut scratch) = (PictureEncoder::default(), Scratch::default());
    let picture = |(pts, number): (usize, &i64)| {
        let (picture, shapes) = (video.picture(*number), video.planes());
        let id = pts as u32;
        let (made, begin) = encoder.begin(coding, geometry, id).unwrap();
        let Begin { codec, reference, tables } = begin;
        let begin = FrameBegin {
            head: FrameHead { pts: pts as i64, duration: 1, flags: 0, planes: shapes.len() as u8 },
            codec,
            frame_id: id,
            reference_id: reference.unwrap_or(NO_REFERENCE),
            slices: shapes.len() as u16,
            tables,
            geometry: None,
            side_data: SideData::EMPTY,
        };
        let mut out = Vec::new();
        begin.encode(&mut out).unwrap();
        for (plane, (data, shape)) in picture.iter().zip(&shapes).enumerate().rev() {
            let source = Source::Rows { data, stride: shape.row_bytes };
            let layout = Layout { row_bytes: shape.row_bytes, rows: shape.rows };
            let mut body = Vec::new();
            let rows = 0..shape.rows;
            let mode = made.slice(&mut scratch, &source, plane, layout, rows, &mut body).unwrap();
            let head = SliceHead {
                frame_id: id,
                index: plane as u16,
                plane: plane as u8,
                mode,
                first_row: 0,
                rows: shape.rows as u32,
                len: body.len() as u32,
            };
            out.extend(slice_message(&head).unwrap());
            out.extend(body);
        }
        encoder.made(&made);
        out
    };
    shown.iter().enumerate().map(picture).collect()
}

fn decoding(name: &'static str, options: &[(&str, &str)], packets: &[Vec<u8>]) -> Valid {
    let options = &[&[("mode", "decode"), ("decode_async", "1")], options].concat();
    let mut messages = vec![(Use::Hello, hello()), (Use::Configure, configure(TINY, options))];
    messages.extend(packets.iter().map(|packet| (Use::Input, packet.clone())));
    messages.push((Use::Flush, flush()));
    Valid::new(name, messages)
}

pub(crate) fn packet(head: &PacketHead, data: &[u8]) -> Vec<u8> {
    let (before, after) = packet_message(head, &[]).unwrap();
    [&before[..], data, &after].concat()
}

/// The PACKETs of a short stream.
pub(crate) fn packets() -> Vec<Vec<u8>> {
    let service = Service::start("");
    let mut peer = Peer::encoder(&service, TINY, &[]);
    let packets = peer.encode(TINY, 0..INPUTS, 8, false, Form::default());
    packets.iter().map(|(head, data)| packet(head, data)).collect()
}

/// One of each way in which pictures and packets travel.
pub(crate) fn sessions() -> Vec<Valid> {
    let packets = packets();
    let form = |compression, slices| Form { compression, slices, ..Form::default() };
    let (ack, slices) = (("x.ack.v1", "1"), ("x.slices.v1", "1"));
    let geometry = ("x.geometry.v1", "1");
    let vtz = |wish| ("x.wire.vtz.v1", wish);
    let (lz4, zstd) = (("wire_compression", "1"), ("wire_compression", "2"));
    vec![
        encoding("encode, raw", &[], Form::default()),
        encoding("encode, lz4", &[lz4], form(Compression::Lz4, None)),
        encoding("encode, zstd, ack", &[zstd, ack], form(Compression::Zstd, None)),
        encoding("encode, slices", &[ack, slices], form(Compression::None, Some(2))),
        encoding("encode, slices, zstd", &[ack, slices], form(Compression::Zstd, Some(2))),
        encode_vtz(),
        encoding_of(
            "encode, vtz-fast",
            &[ack, slices, vtz("2")],
            in_vtz(TINY, Coding::VtzFast, &[0, 1, 2]),
        ),
        decoding("decode", &[], &packets),
        decoding("decode, ack, zstd", &[ack, zstd], &packets),
        decoding("decode, geometry", &[ack, slices, geometry], &packets),
        decoding("decode, vtz", &[ack, slices, geometry, vtz("1")], &packets),
    ]
}

/// Pictures of vtz, of which the last is a copy of the one before it.
pub(crate) fn encode_vtz() -> Valid {
    let options = [("x.ack.v1", "1"), ("x.slices.v1", "1"), ("x.wire.vtz.v1", "1")];
    encoding_of("encode, vtz", &options, in_vtz(TINY, Coding::Vtz, &[0, 1, 1]))
}
