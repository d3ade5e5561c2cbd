//! Pictures that their number determines, in every form in which they travel.

use std::ops::Range;
use vtremote_backend::{PixelFormat, PlaneShape};
use vtremote_backend_synthetic::hash_rows;
use vtremote_planes::{Compression, Compressor, Layout, Source};
use vtremote_proto::{
    FrameBegin, FrameHead, NO_REFERENCE, SideData, SliceHead, frame_message, slice_message,
};

#[derive(Clone, Copy)]
pub(crate) struct Video {
    pub(crate) format: PixelFormat,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

pub(crate) const SMALL: Video = Video { format: PixelFormat::Nv12, width: 64, height: 36 };

/// How a FRAME is sent.
#[derive(Clone, Copy, Default)]
pub(crate) struct Form {
    pub(crate) compression: Compression,
    /// Bytes behind each row.
    pub(crate) padding: usize,
    /// Chroma without its last row.
    pub(crate) short_chroma: bool,
    /// FRAME_BEGIN and so many SLICEs a plane instead, the last of them first.
    pub(crate) slices: Option<usize>,
}

impl Video {
    pub(crate) fn planes(&self) -> Vec<PlaneShape> {
        self.format.planes(self.width, self.height)
    }

    /// The planes of a picture, rows without padding.
    pub(crate) fn picture(&self, number: i64) -> Vec<Vec<u8>> {
        let plane = |(plane, shape): (usize, PlaneShape)| {
            let byte = |row: usize, column: usize| {
                // Flat enough that it can be compressed.
                (number as usize * 7 + plane * 50 + row / 3 + column / 5) as u8
            };
            let row = |row| (0..shape.row_bytes).map(move |column| byte(row, column));
            (0..shape.rows).flat_map(row).collect()
        };
        self.planes().into_iter().enumerate().map(plane).collect()
    }

    /// What the synthetic encoder says of it.
    pub(crate) fn hash(&self, number: i64) -> u64 {
        hash_rows(self.picture(number).iter().map(|plane| &plane[..]))
    }

    /// The message or messages of a picture whose pts is its number.
    pub(crate) fn message(&self, number: i64, form: Form) -> Vec<u8> {
        let mut picture = self.picture(number);
        let mut shapes = self.planes();
        if form.short_chroma {
            for (plane, shape) in picture.iter_mut().zip(&mut shapes).skip(1) {
                shape.rows -= 1;
                plane.truncate(shape.rows * shape.row_bytes);
            }
        }
        match form.slices {
            None => whole(number, &picture, &shapes, form),
            Some(slices) => in_slices(number, &picture, &shapes, form, slices),
        }
    }
}

fn compressed(
    compression: Compression,
    plane: &[u8],
    shape: PlaneShape,
    rows: Range<usize>,
) -> Vec<u8> {
    let source = Source::Rows { data: plane, stride: shape.row_bytes };
    let layout = Layout { row_bytes: shape.row_bytes, rows: shape.rows };
    let mut out = Vec::new();
    Compressor::new().compress(compression, &source, layout, rows, &mut out).unwrap();
    out
}

fn head(number: i64, planes: usize) -> FrameHead {
    FrameHead { pts: number, duration: 1, flags: 0, planes: planes as u8 }
}

fn whole(number: i64, picture: &[Vec<u8>], shapes: &[PlaneShape], form: Form) -> Vec<u8> {
    let mut bodies = Vec::new();
    let mut heads = Vec::new();
    for (plane, shape) in picture.iter().zip(shapes) {
        let stride = shape.row_bytes + form.padding;
        let padded: Vec<u8> = plane
            .chunks(shape.row_bytes)
            .flat_map(|row| row.iter().copied().chain(std::iter::repeat_n(0xee, form.padding)))
            .collect();
        let wide = PlaneShape { row_bytes: stride, rows: shape.rows };
        let body = compressed(form.compression, &padded, wide, 0..shape.rows);
        heads.push((stride as u32, shape.rows as u32, body.len() as u32));
        bodies.push(body);
    }
    let parts = frame_message(&head(number, picture.len()), &heads, &[]).unwrap();
    let mut out: Vec<u8> =
        parts.heads.into_iter().zip(bodies).flat_map(|(a, b)| [a, b]).flatten().collect();
    out.extend(parts.tail);
    out
}

fn in_slices(
    number: i64,
    picture: &[Vec<u8>],
    shapes: &[PlaneShape],
    form: Form,
    slices: usize,
) -> Vec<u8> {
    let mut messages = Vec::new();
    for (plane, (data, shape)) in picture.iter().zip(shapes).enumerate() {
        let layout = Layout { row_bytes: shape.row_bytes, rows: shape.rows };
        for rows in vtremote_planes::slices(layout, slices) {
            let body = compressed(form.compression, data, *shape, rows.clone());
            let index = messages.len() as u16;
            let head = SliceHead {
                frame_id: number as u32,
                index,
                plane: plane as u8,
                mode: 0,
                first_row: rows.start as u32,
                rows: rows.len() as u32,
                len: body.len() as u32,
            };
            messages.push([slice_message(&head).unwrap(), body].concat());
        }
    }
    let begin = FrameBegin {
        head: head(number, picture.len()),
        codec: form.compression as u8,
        frame_id: number as u32,
        reference_id: NO_REFERENCE,
        slices: messages.len() as u16,
        tables: &[],
        geometry: None,
        side_data: SideData::EMPTY,
    };
    let mut out = Vec::new();
    begin.encode(&mut out).unwrap();
    messages.iter().rev().for_each(|message| out.extend_from_slice(message));
    out
}
