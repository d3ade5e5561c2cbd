//! A picture in slices, whatever its codec: what both ends do for each of them.
//!
//! ```text
//!   PictureEncoder ─ begin ─▶ PictureCoding ─ slice ─▶ bytes and a mode, on any thread
//!   PictureDecoder ─ begin ─▶ PictureReading ─ slice ─▶ rows, on any thread
//! ```

use std::ops::Range;

use crate::vtz::{self, Geometry, Mode, Options};
use crate::{Coding, Compression, Error, Layout, Scratch, Source, Target};

/// The codec in FRAME_BEGIN that is vtz (docs/protocol.md section 9).
pub const VTZ_CODEC: u8 = 3;

/// A SLICE's data are compressed as FRAME_BEGIN's codec says; not with vtz, which has modes of its own.
const MODE_CODEC: u8 = 0;
/// A SLICE's data are the rows themselves.
const MODE_RAW: u8 = Mode::Raw as u8;

/// The sending end of a session's pictures in slices.
#[derive(Default)]
pub struct PictureEncoder {
    vtz: Option<Vtz>,
}

/// vtz for pictures of one size and format.
struct Vtz {
    geometry: Geometry,
    encoder: vtz::Encoder,
    head: Vec<u8>,
    /// The id of the last picture that was kept.
    kept: u32,
}

/// How the slices of one picture are made.
#[derive(Clone)]
pub struct PictureCoding(Kind);

#[derive(Clone)]
enum Kind {
    Plain(Compression),
    Vtz(vtz::EncoderFrame, vtz::Tables),
}

/// What FRAME_BEGIN says of a picture's codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begin<'a> {
    /// Its number.
    pub codec: u8,
    /// The picture that this one is predicted from.
    pub reference: Option<u32>,
    /// The field "tables".
    pub tables: &'a [u8],
}

impl PictureEncoder {
    /// Starts a picture with this id that is coded so, and says what FRAME_BEGIN is to say of it. With vtz
    /// each picture is predicted from the last one in Huffman codes, so every slice of that has been made.
    ///
    /// Errors: [`Error::Geometry`].
    pub fn begin(
        &mut self,
        coding: Coding,
        geometry: Geometry,
        id: u32,
    ) -> Result<(PictureCoding, Begin<'_>), Error> {
        // What was kept is of another size, whatever codec this picture has.
        if self.vtz.as_ref().is_some_and(|vtz| vtz.geometry != geometry) {
            self.vtz = None;
        }
        let Some(method) = coding.method() else {
            let compression = coding.plain();
            let begin = Begin { codec: compression as u8, reference: None, tables: &[] };
            return Ok((PictureCoding(Kind::Plain(compression)), begin));
        };
        let vtz = match &mut self.vtz {
            Some(vtz) => vtz,
            none => {
                let encoder = vtz::Encoder::new(geometry)?;
                none.insert(Vtz { geometry, encoder, head: Vec::new(), kept: 0 })
            }
        };
        let temporal = method == vtz::Method::Huffman;
        let frame = vtz.encoder.begin(Options { method, temporal, keep: temporal });
        vtz.head.clear();
        vtz.encoder.head(&frame, &mut vtz.head);
        let tables = vtz.encoder.tables();
        let reference = frame.is_temporal().then_some(vtz.kept);
        if frame.is_kept() {
            vtz.kept = id;
        }
        let begin = Begin { codec: VTZ_CODEC, reference, tables: &vtz.head };
        Ok((PictureCoding(Kind::Vtz(frame, tables)), begin))
    }

    /// Every slice of the picture that began last has been made.
    pub fn made(&mut self, picture: &PictureCoding) {
        if let (Some(vtz), Kind::Vtz(frame, _)) = (&mut self.vtz, &picture.0) {
            vtz.encoder.learn(frame);
        }
    }
}

impl PictureCoding {
    /// Whether all slices must have been made before the next picture begins.
    pub fn is_followed(&self) -> bool {
        matches!(&self.0, Kind::Vtz(frame, _) if frame.is_kept() || frame.is_temporal())
    }

    /// Appends a slice's data to `out` and gives its mode. Rows that do not get smaller stay as they are.
    ///
    /// Errors, this side's fault: those of [`Compressor::compress`](crate::Compressor::compress).
    pub fn slice(
        &self,
        scratch: &mut Scratch,
        source: &Source<'_>,
        plane: usize,
        layout: Layout,
        rows: Range<usize>,
        out: &mut Vec<u8>,
    ) -> Result<u8, Error> {
        let compression = match &self.0 {
            Kind::Plain(compression) => *compression,
            Kind::Vtz(frame, tables) => {
                let slices = scratch.vtz_encoder.get_or_insert_default();
                slices.predict(frame, source, plane, rows)?;
                return slices.pack(tables, source, out).map(|mode| mode as u8);
            }
        };
        let start = out.len();
        scratch.compressor.compress(compression, source, layout, rows.clone(), out)?;
        let raw = layout.row_bytes * rows.len();
        if compression != Compression::None && out.len() - start >= raw {
            out.truncate(start);
            source.copy_rows(layout, rows, out);
            return Ok(MODE_RAW);
        }
        Ok(MODE_CODEC)
    }
}

/// The receiving end of a session's pictures in slices.
#[derive(Default)]
pub struct PictureDecoder {
    vtz: Option<(Geometry, vtz::Decoder)>,
}

/// How the slices of one picture are read.
#[derive(Clone)]
pub struct PictureReading(ReadKind);

#[derive(Clone)]
enum ReadKind {
    Plain(Compression),
    Vtz(vtz::DecoderFrame),
}

impl Default for PictureReading {
    fn default() -> Self {
        Self(ReadKind::Plain(Compression::None))
    }
}

impl From<Compression> for PictureReading {
    fn from(compression: Compression) -> Self {
        Self(ReadKind::Plain(compression))
    }
}

impl PictureDecoder {
    /// Starts the picture of a FRAME_BEGIN whose reference, if it names one, is the last picture that was
    /// kept. Every slice of the picture before has been read.
    ///
    /// Errors, the peer's fault: [`Error::Vtz`]. This side's: [`Error::Geometry`].
    pub fn begin(&mut self, geometry: Geometry, begin: Begin<'_>) -> Result<PictureReading, Error> {
        if self.vtz.as_ref().is_some_and(|(of, _)| *of != geometry) {
            self.vtz = None;
        }
        if begin.codec != VTZ_CODEC {
            let compression = Compression::from_wire(begin.codec);
            let compression = compression.ok_or(Error::Vtz("a codec that does not exist"))?;
            return Ok(compression.into());
        }
        let (_, decoder) = match &mut self.vtz {
            Some(vtz) => vtz,
            none => none.insert((geometry, vtz::Decoder::new(geometry)?)),
        };
        let frame = decoder.begin(begin.tables, begin.reference.is_some())?;
        Ok(PictureReading(ReadKind::Vtz(frame)))
    }
}

impl PictureReading {
    /// How the picture was coded, as far as FRAME_BEGIN tells.
    pub fn coding(&self) -> Coding {
        match &self.0 {
            ReadKind::Plain(compression) => (*compression).into(),
            // Who keeps pictures does so for Huffman codes.
            ReadKind::Vtz(frame) if frame.is_kept() => Coding::Vtz,
            ReadKind::Vtz(_) => Coding::VtzFast,
        }
    }

    /// Whether a slice of that mode is its rows and nothing else is to be done with them than to put them
    /// where they belong.
    pub fn is_rows(&self, mode: u8) -> bool {
        match &self.0 {
            ReadKind::Plain(compression) => mode == MODE_RAW || *compression == Compression::None,
            ReadKind::Vtz(frame) => mode == MODE_RAW && !frame.is_kept(),
        }
    }

    /// Whether all slices must have been read before the next picture begins.
    pub fn is_followed(&self) -> bool {
        matches!(&self.0, ReadKind::Vtz(frame) if frame.is_kept() || frame.is_temporal())
    }

    /// Reads a slice into the rows that it has; without vtz its own rows are `stride` bytes apart.
    ///
    /// Errors: those of [`Decompressor::decompress`](crate::Decompressor::decompress) and of
    /// [`SliceDecoder::decode`](crate::vtz::SliceDecoder::decode).
    #[allow(clippy::too_many_arguments)]
    pub fn slice(
        &self,
        scratch: &mut Scratch,
        plane: usize,
        mode: u8,
        rows: Range<usize>,
        data: &[u8],
        stride: usize,
        into: Target<'_>,
    ) -> Result<(), Error> {
        match &self.0 {
            ReadKind::Plain(compression) => {
                let compression = if mode == MODE_RAW { Compression::None } else { *compression };
                scratch.decompressor.decompress(compression, data, stride, into)
            }
            ReadKind::Vtz(frame) => {
                let mode = Mode::from_wire(mode).ok_or(Error::Vtz("a mode that does not exist"))?;
                scratch.vtz_decoder.decode(frame, plane, mode, rows, data, into)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vtz::Format;

    /// As both ends of a session would have it, slice by slice; every other one of another size.
    #[test]
    fn pictures_come_back_to_the_byte_however_their_codings_follow_each_other() {
        let geometry = |height| Geometry { format: Format::Nv12, width: 70, height };
        let mut state = 7_u32;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as usize
        };
        let (mut encoder, mut decoder) = (PictureEncoder::default(), PictureDecoder::default());
        let mut scratch = Scratch::default();
        let mut height = 40;
        for id in 0..400 {
            if random() % 20 == 0 {
                height = 90 - height;
            }
            let coding = Coding::ALL[random() % Coding::ALL.len()];
            let layouts = [(height, 70), (height / 2, 70)];
            let planes = layouts.map(|(rows, row_bytes)| {
                let sample = |at: usize| (at / 9 + id / 3 + at % row_bytes / 5) as u8;
                (0..rows * row_bytes).map(sample).collect::<Vec<_>>()
            });
            let (made, begin) = encoder.begin(coding, geometry(height), id as u32).unwrap();
            let (codec, reference, tables) = (begin.codec, begin.reference, begin.tables.to_vec());
            let begin = Begin { codec, reference, tables: &tables };
            let reading = decoder.begin(geometry(height), begin).unwrap();
            assert!(coding.method().is_some() || reading.coding() == coding);
            for (plane, (data, (rows, row_bytes))) in planes.iter().zip(layouts).enumerate() {
                let (layout, mut bytes) = (Layout { row_bytes, rows }, Vec::new());
                let source = Source::Rows { data, stride: row_bytes };
                let mode =
                    made.slice(&mut scratch, &source, plane, layout, 0..rows, &mut bytes).unwrap();
                let mut back = vec![0; data.len()];
                let into = Target { data: &mut back, stride: row_bytes, row_bytes, rows };
                let range = 0..rows;
                if reading.is_rows(mode) {
                    back.copy_from_slice(&bytes);
                } else {
                    let read =
                        reading.slice(&mut scratch, plane, mode, range, &bytes, row_bytes, into);
                    read.unwrap();
                }
                assert!(back == *data, "picture {id}, {coding}, plane {plane}");
            }
            encoder.made(&made);
        }
    }
}
