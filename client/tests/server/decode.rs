//! The server's half of a decode session: pictures made of packets by a script instead of a decoder.
//!
//! A packet's pts stands in its slice in plain text; the pictures' samples follow from it.

use std::time::Duration;

use vtremote_planes::{Compression, Compressor, Layout, Source, slices};
use vtremote_proto::{
    FrameBegin, FrameHead, NO_REFERENCE, PixelFormat, SideData, SliceHead, frame_message,
    slice_message,
};

use super::{Fate, Session};

/// What the decoder does.
#[derive(Clone, Default)]
pub struct Decoding {
    /// Answers in decoding order, as early servers do.
    pub in_decoding_order: bool,
    /// Gives no picture for every packet of such a number, from 1.
    pub drops: Option<usize>,
    /// Gives two pictures for every packet of such a number.
    pub doubles: Option<usize>,
    /// Keeps every picture until it is flushed.
    pub keeps: bool,
    /// Rows of FRAMEs are so much longer than they need to be.
    pub padding: usize,
    /// Leaves out the last chroma row of an odd height.
    pub short_chroma: bool,
    /// Every picture has this.
    pub side_data: Vec<(u32, Vec<u8>)>,
    /// How slices and FRAMEs are compressed, whatever was asked for.
    pub compression: Option<Compression>,
}

/// CONFIGURE, as far as it is about pictures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configured {
    pub format: PixelFormat,
    pub size: (u32, u32),
    pub extradata: Vec<u8>,
}

/// A packet that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coded {
    pub pts: i64,
    pub dts: i64,
    pub flags: u32,
    pub data: Vec<u8>,
    pub side_data: Vec<(u32, Vec<u8>)>,
}

/// A sample of the picture of this pts.
pub fn sample(pts: i64, plane: usize, row: usize, column: usize) -> u8 {
    ((pts as usize).wrapping_mul(31) + plane * 77 + row * 3 + column / 5) as u8
}

/// A plane of the picture of this pts, rows `stride` bytes apart.
pub fn plane(pts: i64, plane: usize, row_bytes: usize, rows: usize, stride: usize) -> Vec<u8> {
    let byte = |row: usize, column: usize| {
        if column < row_bytes { sample(pts, plane, row, column) } else { 0xee }
    };
    (0..rows).flat_map(|row| (0..stride).map(move |column| byte(row, column))).collect()
}

impl Session {
    /// A packet is complete.
    pub(super) fn packet_end(&mut self, now: Duration, side_data: SideData<'_>) {
        let Some(head) = self.coded.take() else { return };
        let number = self.served.packets.len();
        self.served.packets.push(Coded {
            pts: head.pts,
            dts: head.dts,
            flags: head.flags,
            data: std::mem::take(&mut self.data),
            side_data: side_data.map(|(kind, data)| (kind, data.into())).collect(),
        });
        let every = |nth: Option<usize>| nth.is_some_and(|nth| (number + 1).is_multiple_of(nth));
        let copies = match () {
            () if every(self.script.decoding.drops) => 0,
            () if every(self.script.decoding.doubles) => 2,
            () => 1,
        };
        for _ in 0..copies {
            self.held.push_back((head.pts, head.duration, false));
        }
        match self.script.fate {
            Some((at, fate)) if at == number => {
                self.fate = Some(fate);
                match fate {
                    Fate::Fail => self.server.fail(now, 2, "the decoder broke"),
                    Fate::Garbage => {
                        let _ = self.write();
                        let _ = self.link.writer.write(&[0xff; 64]);
                    }
                    Fate::Mute | Fate::Freeze => return,
                    Fate::Vanish => {
                        let _ = self.write();
                    }
                    Fate::Drop => {
                        self.held.pop_back();
                    }
                    Fate::Broken => {}
                }
            }
            _ => {}
        }
        self.server.taken(now, 0);
        while !self.script.decoding.keeps && self.held.len() > self.script.delay {
            self.show(now);
        }
    }

    /// Gives the picture that is next.
    pub(super) fn show(&mut self, now: Duration) {
        let first = match self.script.decoding.in_decoding_order {
            true => 0,
            // Where times are equal or missing, as they came.
            false => (0..self.held.len()).min_by_key(|&at| self.held[at].0).unwrap_or(0),
        };
        let Some((pts, duration, _)) = self.held.remove(first) else { return };
        let Decoding { padding, short_chroma, side_data, compression, .. } =
            self.script.decoding.clone();
        let compression = compression
            .or(Compression::from_wire(self.served.options.wire_compression))
            .unwrap_or_default();
        let sliced = self.server.traits_of_client().slices;
        let planes = usize::from(self.format.unwrap().0.planes());
        let head = FrameHead { pts, duration, flags: 0, planes: planes as u8 };
        let records: Vec<_> = side_data.iter().map(|(kind, data)| (*kind, &data[..])).collect();
        let mut compressor = Compressor::new();
        let mut compress = |source: &[u8], stride, layout, rows| {
            let mut out = Vec::new();
            let source = Source::Rows { data: source, stride };
            compressor.compress(compression, &source, layout, rows, &mut out).unwrap();
            out
        };
        let mut bodies = Vec::new();
        for index in 0..planes {
            let (row_bytes, mut rows) = self.layout(index);
            if short_chroma && index > 0 && self.format.unwrap().2 % 2 == 1 {
                rows -= 1;
            }
            let stride = if sliced { row_bytes } else { row_bytes + padding };
            let raw = plane(pts, index, row_bytes, rows, stride);
            bodies.push((raw, Layout { row_bytes: stride, rows }));
        }
        if !sliced {
            let data: Vec<_> = bodies
                .iter()
                .map(|(raw, layout)| compress(raw, layout.row_bytes, *layout, 0..layout.rows))
                .collect();
            let heads: Vec<_> = bodies
                .iter()
                .zip(&data)
                .map(|((_, layout), data)| {
                    (layout.row_bytes as u32, layout.rows as u32, data.len() as u32)
                })
                .collect();
            let parts = frame_message(&head, &heads, &records).unwrap();
            let mut message = Vec::new();
            for (head, mut data) in parts.heads.into_iter().zip(data) {
                self.break_it(&mut data);
                message.extend_from_slice(&head);
                message.extend_from_slice(&data);
            }
            message.extend_from_slice(&parts.tail);
            let _ = self.server.frame(now, message);
            return;
        }
        let cuts: Vec<_> = bodies
            .iter()
            .enumerate()
            .flat_map(|(index, (_, layout))| slices(*layout, 3).map(move |rows| (index, rows)))
            .collect();
        let frame_id = self.answered as u32;
        self.answered += 1;
        let mut buffer = Vec::new();
        let begin = FrameBegin {
            head,
            codec: compression as u8,
            frame_id,
            reference_id: NO_REFERENCE,
            slices: cuts.len() as u16,
            geometry: None,
            tables: &[],
            side_data: SideData::new(&records, &mut buffer).unwrap(),
        };
        let mut message = Vec::new();
        begin.encode(&mut message).unwrap();
        let _ = self.server.part(now, message);
        // In any order: the last first.
        for (number, (plane, rows)) in cuts.iter().enumerate().rev() {
            let (raw, layout) = &bodies[*plane];
            // Every third is raw, as if compression had not made it smaller.
            let mode = u8::from(number % 3 == 2);
            let mut data = match mode {
                0 => compress(raw, layout.row_bytes, *layout, rows.clone()),
                _ => raw[rows.start * layout.row_bytes..rows.end * layout.row_bytes].to_vec(),
            };
            if mode == 0 {
                self.break_it(&mut data);
            }
            let head = SliceHead {
                frame_id,
                index: number as u16,
                plane: *plane as u8,
                mode,
                first_row: rows.start as u32,
                rows: rows.len() as u32,
                len: data.len() as u32,
            };
            let mut message = slice_message(&head).unwrap();
            message.extend_from_slice(&data);
            let _ = match number {
                0 => self.server.frame(now, message),
                _ => self.server.part(now, message),
            };
        }
    }

    fn break_it(&self, data: &mut [u8]) {
        if self.fate == Some(Fate::Broken) {
            data.fill(0xff);
        }
    }
}
