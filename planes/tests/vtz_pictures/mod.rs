//! Pictures to send, and both ends of a stream that carries them.
#![allow(dead_code)] // Not every test uses all of it.

use vtremote_planes::vtz::{
    Decoder, Encoder, Geometry, Isa, Mode, Options, SliceDecoder, SliceEncoder,
};
use vtremote_planes::{Source, Target, slices};

/// What is in a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    Constant,
    Gradient,
    /// A soft picture that moves, with some noise.
    Camera,
    /// Edges from one end of the range to the other.
    Edges,
    Noise,
    /// Nothing, with a spot here and there.
    Sparse,
    /// Noise that becomes stronger from left to right.
    Louder,
    /// The same noise in every frame, each brighter than the one before, and from white to black.
    Brighter,
}

impl Content {
    pub(crate) const ALL: [Self; 8] = [
        Self::Constant,
        Self::Gradient,
        Self::Camera,
        Self::Edges,
        Self::Noise,
        Self::Sparse,
        Self::Louder,
        Self::Brighter,
    ];

    /// A sample of ten bits.
    fn sample(self, x: usize, y: usize, frame: u32, state: &mut u32) -> u16 {
        *state ^= *state << 13;
        *state ^= *state >> 17;
        *state ^= *state << 5;
        let noise = *state >> 8;
        let sample = match self {
            Self::Constant => 517,
            Self::Gradient => x as u32 * 3 + y as u32 * 2 + frame,
            Self::Camera => {
                let wave = |at: f32| (at.sin() * 180.0) as i32;
                let (x, y) = (x as f32 + frame as f32 * 0.6, y as f32);
                let soft = 512 + wave(x * 0.05 + y * 0.03) + wave(x * 0.013 - y * 0.07);
                // More noise below than above, so that there are many kinds of blocks.
                let spread = 1 + y as u32 * 2 % 97;
                soft as u32 + noise % spread
            }
            Self::Edges => {
                if (x / 5 + y / 3 + frame as usize).is_multiple_of(2) {
                    0
                } else {
                    1023
                }
            }
            Self::Noise => noise,
            Self::Sparse => {
                if noise.is_multiple_of(97) {
                    noise / 97
                } else {
                    64
                }
            }
            Self::Louder => {
                let spread = 1 << (x / 12 % 11);
                512 + noise % spread - spread / 2
            }
            Self::Brighter => {
                let texture =
                    ((x as u32 * 0x9e37) ^ (y as u32 * 0x85eb)).wrapping_mul(0x27d4_eb2d) >> 20;
                texture + frame * 148
            }
        };
        sample as u16 & 0x3ff
    }
}

/// Planes as on the wire, but for their strides.
pub(crate) struct Picture {
    pub(crate) planes: Vec<Vec<u8>>,
    pub(crate) strides: Vec<usize>,
}

impl Picture {
    pub(crate) fn new(geometry: Geometry, content: Content, frame: u32, padding: usize) -> Self {
        let (mut planes, mut strides) = (Vec::new(), Vec::new());
        let mut state = 0x9e37_79b9 ^ frame.wrapping_mul(0x85eb_ca6b);
        for plane in 0..geometry.format.planes() {
            let layout = geometry.layout(plane);
            let stride = layout.row_bytes + padding;
            let mut bytes = vec![0xee; stride * layout.rows];
            for (y, row) in bytes.chunks_mut(stride).enumerate() {
                let row = &mut row[..layout.row_bytes];
                if geometry.format.is_ten_bit() {
                    for (x, out) in row.chunks_mut(2).enumerate() {
                        let sample = content.sample(x, y, frame, &mut state) << 6;
                        out.copy_from_slice(&sample.to_le_bytes());
                    }
                } else {
                    for (x, out) in row.iter_mut().enumerate() {
                        *out = (content.sample(x, y, frame, &mut state) >> 2) as u8;
                    }
                }
            }
            // The last row may lack its padding.
            bytes.truncate(bytes.len() - padding);
            planes.push(bytes);
            strides.push(stride);
        }
        Self { planes, strides }
    }

    pub(crate) fn sources(&self) -> Vec<Source<'_>> {
        let planes = self.planes.iter().zip(&self.strides);
        planes.map(|(data, &stride)| Source::Rows { data, stride }).collect()
    }
}

/// How a slice was sent.
pub(crate) struct Sent {
    pub(crate) mode: Mode,
    pub(crate) bytes: usize,
    pub(crate) raw: usize,
}

/// Both ends.
pub(crate) struct Stream {
    geometry: Geometry,
    encoder: Encoder,
    decoder: Decoder,
    slices: Vec<SliceEncoder>,
    reader: SliceDecoder,
    /// Heads and slices of all frames.
    pub(crate) sent: Vec<Vec<u8>>,
    frames: usize,
}

impl Stream {
    pub(crate) fn new(geometry: Geometry) -> Self {
        Self::with_isa(geometry, Isa::best())
    }

    pub(crate) fn with_isa(geometry: Geometry, isa: Isa) -> Self {
        Self {
            geometry,
            encoder: Encoder::with_isa(geometry, isa).unwrap(),
            decoder: Decoder::with_isa(geometry, isa).unwrap(),
            slices: Vec::new(),
            reader: SliceDecoder::new(),
            sent: Vec::new(),
            frames: 0,
        }
    }

    pub(crate) fn send(&mut self, picture: &Picture, options: Options, wanted: usize) -> Vec<Sent> {
        self.send_from(picture, &picture.sources(), options, wanted)
    }

    /// Sends what `sources` have, and sees that it comes out as `picture`.
    pub(crate) fn send_from(
        &mut self,
        picture: &Picture,
        sources: &[Source<'_>],
        options: Options,
        wanted: usize,
    ) -> Vec<Sent> {
        let Self { geometry, encoder, decoder, slices: writers, reader, .. } = self;
        let frame = encoder.begin(options);
        let mut cut = Vec::new();
        for plane in 0..geometry.format.planes() {
            cut.extend(slices(geometry.layout(plane), wanted).map(|rows| (plane, rows)));
        }
        writers.resize_with(cut.len().max(writers.len()), SliceEncoder::new);
        for ((plane, rows), writer) in cut.iter().zip(&mut *writers) {
            writer.predict(&frame, &sources[*plane], *plane, rows.clone()).unwrap();
        }
        // Tables of the frame itself and of the one before take turns.
        let own = self.frames.is_multiple_of(2);
        self.frames += 1;
        if own {
            encoder.learn(&frame);
        }
        let mut head = Vec::new();
        encoder.head(&frame, &mut head);
        let reading = decoder.begin(&head, frame.is_temporal()).unwrap();
        self.sent.push(head);

        let mut back: Vec<Vec<u8>> = picture.planes.iter().map(|p| vec![0x55; p.len()]).collect();
        let mut sent = Vec::new();
        for ((plane, rows), writer) in cut.iter().zip(&mut *writers) {
            let layout = geometry.layout(*plane);
            let mut data = vec![];
            let mode = writer.pack(&encoder.tables(), &sources[*plane], &mut data).unwrap();
            let stride = picture.strides[*plane];
            let into = Target {
                data: &mut back[*plane][rows.start * stride..],
                stride,
                row_bytes: layout.row_bytes,
                rows: rows.len(),
            };
            reader.decode(&reading, *plane, mode, rows.clone(), &data, into).unwrap();
            sent.push(Sent { mode, bytes: data.len(), raw: layout.row_bytes * rows.len() });
            self.sent.push(data);
        }
        if !own {
            encoder.learn(&frame);
        }
        for (plane, (back, was)) in back.iter().zip(&picture.planes).enumerate() {
            let (stride, row_bytes) = (picture.strides[plane], geometry.layout(plane).row_bytes);
            for (y, (back, was)) in back.chunks(stride).zip(was.chunks(stride)).enumerate() {
                assert!(back[..row_bytes] == was[..row_bytes], "plane {plane}, row {y}");
                assert!(back[row_bytes..].iter().all(|&byte| byte == 0x55), "padding of row {y}");
            }
        }
        sent
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn bytes(hex: &str) -> Vec<u8> {
    let digits: String = hex.split_whitespace().collect();
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}
