//! Ways to code frames: plain compression of whole planes or of slices, and vtz.

use std::ops::Range;

use vtremote_benches::content::Planes;
use vtremote_benches::picture::Kind;
use vtremote_planes::vtz::{
    Decoder, DecoderFrame, Encoder, EncoderFrame, Format, Geometry, Isa, Method, Mode, Options,
    SliceDecoder, SliceEncoder, Tables,
};
use vtremote_planes::{
    Compression, Compressor, Decompressor, Error, Layout, Source, Target, default_slices, slices,
};

/// What a thread needs to do a part of a frame in any way.
#[derive(Default)]
pub(crate) struct Worker {
    compressor: Compressor,
    decompressor: Decompressor,
    writer: SliceEncoder,
    reader: SliceDecoder,
}

/// One way, for frames of one geometry.
pub(crate) struct Way {
    geometry: Geometry,
    /// What one call codes: a plane and rows of it, in order.
    parts: Vec<(usize, Range<usize>)>,
    coder: Coder,
}

enum Coder {
    Plain(Compression),
    Vtz { options: Options, encoder: Box<Encoder>, decoder: Box<Decoder> },
}

/// A coded frame.
#[derive(Default)]
pub(crate) struct Coded {
    head: Vec<u8>,
    temporal: bool,
    parts: Vec<(Mode, Vec<u8>)>,
}

impl Coded {
    /// All that goes over the wire, but for messages' heads.
    pub(crate) fn bytes(&self) -> usize {
        self.head.len() + self.parts.iter().map(|(_, data)| data.len()).sum::<usize>()
    }
}

/// How a frame is written.
pub(crate) enum Coding {
    Plain(Compression),
    Vtz(EncoderFrame, Tables),
}

/// How a frame is read.
pub(crate) enum Reading {
    Plain(Compression),
    Vtz(DecoderFrame),
}

impl Way {
    /// Whole planes, as peers do that know no slices.
    pub(crate) fn plain(geometry: Geometry, compression: Compression) -> Self {
        let whole = |plane| (plane, 0..geometry.layout(plane).rows);
        let parts = (0..geometry.format.planes()).map(whole).collect();
        Self { geometry, parts, coder: Coder::Plain(compression) }
    }

    /// The same by slices, so that several threads can do it.
    pub(crate) fn plain_slices(geometry: Geometry, compression: Compression) -> Self {
        Self { geometry, parts: cut(geometry), coder: Coder::Plain(compression) }
    }

    /// vtz; `temporal` predicts each frame from the one before.
    pub(crate) fn vtz(
        geometry: Geometry,
        isa: Isa,
        method: Method,
        temporal: bool,
    ) -> Result<Self, Error> {
        let coder = Coder::Vtz {
            options: Options { method, temporal, keep: temporal },
            encoder: Box::new(Encoder::with_isa(geometry, isa)?),
            decoder: Box::new(Decoder::with_isa(geometry, isa)?),
        };
        Ok(Self { geometry, parts: cut(geometry), coder })
    }

    pub(crate) fn is_vtz(&self) -> bool {
        matches!(self.coder, Coder::Vtz { .. })
    }

    /// Codes a frame on this thread, with the tables of those before.
    pub(crate) fn encode(
        &mut self,
        frame: &Planes,
        worker: &mut Worker,
        coded: &mut Coded,
    ) -> Result<(), Error> {
        let coding = self.start(coded);
        self.writes(&coding, frame, coded).try_for_each(|part| part.run(worker))?;
        self.learn(&coding);
        Ok(())
    }

    /// Does of that what comes before the codes.
    pub(crate) fn predict(
        &mut self,
        frame: &Planes,
        worker: &mut Worker,
        coded: &mut Coded,
    ) -> Result<(), Error> {
        let coding = self.start(coded);
        self.writes(&coding, frame, coded).try_for_each(|part| part.predict(worker))
    }

    /// Restores it on this thread.
    pub(crate) fn decode(
        &mut self,
        coded: &Coded,
        worker: &mut Worker,
        back: &mut Planes,
    ) -> Result<(), Error> {
        let reading = self.open(coded)?;
        self.reads(&reading, coded, back).try_for_each(|part| part.run(worker))
    }

    /// Begins to write a frame.
    pub(crate) fn start(&mut self, coded: &mut Coded) -> Coding {
        coded.head.clear();
        coded.parts.resize_with(self.parts.len(), || (Mode::Raw, Vec::new()));
        match &mut self.coder {
            Coder::Plain(compression) => Coding::Plain(*compression),
            Coder::Vtz { options, encoder, .. } => {
                let frame = encoder.begin(*options);
                encoder.head(&frame, &mut coded.head);
                coded.temporal = frame.is_temporal();
                Coding::Vtz(frame, encoder.tables())
            }
        }
    }

    /// The parts of a frame to be written, each on any thread.
    pub(crate) fn writes<'a>(
        &'a self,
        coding: &'a Coding,
        frame: &'a Planes,
        coded: &'a mut Coded,
    ) -> impl Iterator<Item = Write<'a>> {
        self.parts.iter().zip(&mut coded.parts).map(move |((plane, rows), out)| {
            let layout = self.geometry.layout(*plane);
            let source = Source::Rows { data: &frame[*plane], stride: layout.row_bytes };
            Write { coding, source, plane: *plane, layout, rows: rows.clone(), out }
        })
    }

    /// All parts of a frame were written.
    pub(crate) fn learn(&mut self, coding: &Coding) {
        if let (Coder::Vtz { encoder, .. }, Coding::Vtz(frame, _)) = (&mut self.coder, coding) {
            encoder.learn(frame);
        }
    }

    /// Begins to read a frame.
    pub(crate) fn open(&mut self, coded: &Coded) -> Result<Reading, Error> {
        Ok(match &mut self.coder {
            Coder::Plain(compression) => Reading::Plain(*compression),
            Coder::Vtz { decoder, .. } => Reading::Vtz(decoder.begin(&coded.head, coded.temporal)?),
        })
    }

    /// The parts of a frame to be read, each on any thread.
    pub(crate) fn reads<'a>(
        &'a self,
        reading: &'a Reading,
        coded: &'a Coded,
        back: &'a mut Planes,
    ) -> impl Iterator<Item = Read<'a>> {
        let mut rest: Vec<&mut [u8]> = back.iter_mut().map(|plane| &mut plane[..]).collect();
        self.parts.iter().zip(&coded.parts).map(move |((plane, rows), (mode, data))| {
            let row_bytes = self.geometry.layout(*plane).row_bytes;
            let own = rest[*plane].split_off_mut(..rows.len() * row_bytes).unwrap_or_default();
            let into = Target { data: own, stride: row_bytes, row_bytes, rows: rows.len() };
            Read { reading, plane: *plane, mode: *mode, rows: rows.clone(), data, into }
        })
    }
}

/// A part of a frame to be written.
pub(crate) struct Write<'a> {
    coding: &'a Coding,
    source: Source<'a>,
    plane: usize,
    layout: Layout,
    rows: Range<usize>,
    out: &'a mut (Mode, Vec<u8>),
}

impl Write<'_> {
    pub(crate) fn run(self, worker: &mut Worker) -> Result<(), Error> {
        let Self { coding, source, plane, layout, rows, out: (mode, data) } = self;
        data.clear();
        match coding {
            Coding::Plain(compression) => {
                worker.compressor.compress(*compression, &source, layout, rows, data)
            }
            Coding::Vtz(frame, tables) => {
                worker.writer.predict(frame, &source, plane, rows)?;
                *mode = worker.writer.pack(tables, &source, data)?;
                Ok(())
            }
        }
    }

    fn predict(self, worker: &mut Worker) -> Result<(), Error> {
        match self.coding {
            Coding::Plain(_) => Ok(()),
            Coding::Vtz(frame, _) => {
                worker.writer.predict(frame, &self.source, self.plane, self.rows)
            }
        }
    }
}

/// A part of a frame to be read.
pub(crate) struct Read<'a> {
    reading: &'a Reading,
    plane: usize,
    mode: Mode,
    rows: Range<usize>,
    data: &'a [u8],
    into: Target<'a>,
}

impl Read<'_> {
    pub(crate) fn run(self, worker: &mut Worker) -> Result<(), Error> {
        let Self { reading, plane, mode, rows, data, into } = self;
        match reading {
            Reading::Plain(compression) => {
                let stride = into.row_bytes;
                worker.decompressor.decompress(*compression, data, stride, into)
            }
            Reading::Vtz(frame) => worker.reader.decode(frame, plane, mode, rows, data, into),
        }
    }
}

/// What pictures of a kind look like.
pub(crate) fn geometry(kind: Kind) -> Geometry {
    let format = if kind.is_ten_bit() { Format::P010 } else { Format::Nv12 };
    Geometry { format, width: kind.width as usize, height: kind.height as usize }
}

/// Slices as a session cuts them.
fn cut(geometry: Geometry) -> Vec<(usize, Range<usize>)> {
    let (luma, chroma) = default_slices(geometry.height);
    let planes = (0..geometry.format.planes()).zip([luma, chroma]);
    planes
        .flat_map(|(plane, wanted)| {
            slices(geometry.layout(plane), wanted).map(move |rows| (plane, rows))
        })
        .collect()
}
