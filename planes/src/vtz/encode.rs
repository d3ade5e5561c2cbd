use std::mem::swap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::bits::{MAX_PLANES, PLANE};
use super::class::{self, Symbols, flat, low_bits};
use super::depth::Depth;
use super::format::{Component, Geometry, MAX_COMPONENTS, Plane};
use super::frame::{HAS_TABLES, IS_KEPT, Mode, References, Strips, check_slice};
use super::kernels::{Classify, Pack, Write};
use super::predict::Predictor;
use super::simd::Isa;
use super::streams::{STREAMS, Writer};
use super::strip::{BLOCK, LANES, Strip, blocks, steps, tiles};
use super::tables::{Counts, Encoding, Lengths};
use super::wavefront::Forward;
use crate::{Error, Layout, STRIP_ROWS, Source};

/// How the residuals of a frame are coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Method {
    /// As bit planes: fast.
    Bits,
    /// In Huffman codes: small.
    #[default]
    Huffman,
}

/// What to do with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// How its residuals are coded.
    pub method: Method,
    /// Whether it may be predicted from the last frame that was kept, if there is one.
    pub temporal: bool,
    /// Whether later frames may be predicted from it.
    pub keep: bool,
}

/// The writing end of a stream of frames: what lasts from one to the next.
///
/// For each frame: [`begin`](Self::begin), then [`SliceEncoder::predict`] for every slice, on any
/// threads; [`head`](Self::head) for FRAME_BEGIN; [`SliceEncoder::pack`] for every slice with the
/// [`tables`](Self::tables); and [`learn`](Self::learn) from the frame. Learning before the head makes the
/// tables fit the frame itself, but no slice can be sent before the last has been predicted. Learning
/// after makes them fit the next frame, and slices leave as they finish.
pub struct Encoder {
    geometry: Geometry,
    isa: Isa,
    references: Arc<References>,
    has_reference: bool,
    /// Of frames, those that nobody holds any more among them.
    counts: Vec<Arc<Mutex<Counts>>>,
    lengths: Lengths,
    /// The tables in use are the last of them; the others wait to be used again.
    tables: Vec<Arc<Encoding>>,
    /// Whether the peer has been told them.
    told: bool,
    /// What the tables cost over the entropy of what they were made for.
    excess: f64,
}

/// A frame that is being written: what its slices need, on any thread.
#[derive(Clone)]
pub struct EncoderFrame {
    geometry: Geometry,
    isa: Isa,
    references: Arc<References>,
    method: Method,
    temporal: bool,
    keep: bool,
    /// What its slices have.
    counts: Arc<Mutex<Counts>>,
}

impl EncoderFrame {
    /// Whether it is predicted from the last frame that was kept: FRAME_BEGIN then names that one.
    pub fn is_temporal(&self) -> bool {
        self.temporal
    }

    /// Whether later frames may be predicted from it.
    pub fn is_kept(&self) -> bool {
        self.keep
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // A thread that panicked has failed its own frame.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The codes that a frame is written with.
#[derive(Clone)]
pub struct Tables(Arc<Encoding>);

/// What tables take on the wire, about: 0.2 % of a 1080p frame of video. Making them takes about a
/// quarter of a millisecond.
const TABLE_BYTES: f64 = 2300.0;

/// How much more than necessary the tables may cost before there are new ones.
const TOLERANCE: f64 = 0.005;

/// Tables that wait to be used again, at most: as many as there are frames under way.
const SPARE_TABLES: usize = 4;

impl Encoder {
    /// For pictures of that geometry, with the best instructions that the machine has.
    ///
    /// Errors: [`Error::Geometry`].
    pub fn new(geometry: Geometry) -> Result<Self, Error> {
        Self::with_isa(geometry, Isa::best())
    }

    /// The same with chosen instructions. What is written does not depend on them.
    pub fn with_isa(geometry: Geometry, isa: Isa) -> Result<Self, Error> {
        if !geometry.is_valid() {
            return Err(Error::Geometry { width: geometry.width, height: geometry.height });
        }
        let lengths = Lengths::new(&Counts::new());
        let mut tables = Encoding::new();
        tables.set(&lengths);
        Ok(Self {
            geometry,
            isa,
            references: Arc::new(References::new(geometry)),
            has_reference: false,
            counts: Vec::new(),
            lengths,
            tables: vec![Arc::new(tables)],
            told: false,
            excess: 0.0,
        })
    }

    /// Starts a frame. The slices of the one before have been predicted if either is kept.
    pub fn begin(&mut self, options: Options) -> EncoderFrame {
        let Options { method, temporal, keep } = options;
        // Where there is no memory for it, nothing refers to it.
        let keep = keep && (self.has_reference || self.references.reserve(self.geometry).is_ok());
        let temporal = temporal && self.has_reference;
        self.has_reference |= keep;
        let counts = self.counts_of_a_frame();
        let (geometry, isa, references) = (self.geometry, self.isa, self.references.clone());
        EncoderFrame { geometry, isa, references, method, temporal, keep, counts }
    }

    fn counts_of_a_frame(&mut self) -> Arc<Mutex<Counts>> {
        for counts in &mut self.counts {
            if let Some(free) = Arc::get_mut(counts) {
                free.get_mut().unwrap_or_else(PoisonError::into_inner).clear();
                return counts.clone();
            }
        }
        let counts = Arc::new(Mutex::new(Counts::new()));
        self.counts.truncate(SPARE_TABLES);
        self.counts.push(counts.clone());
        counts
    }

    /// Forgets the frame that was kept. Due when a frame was begun and not all of its slices were
    /// predicted and sent.
    pub fn forget(&mut self) {
        self.has_reference = false;
        self.told = false;
    }

    /// Appends what FRAME_BEGIN carries in its field "tables" to `out`.
    pub fn head(&mut self, frame: &EncoderFrame, out: &mut Vec<u8>) {
        let tables = frame.method == Method::Huffman && !self.told;
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        out.push(flag(tables, HAS_TABLES) | flag(frame.keep, IS_KEPT));
        if tables {
            self.lengths.write(out);
            self.told = true;
        }
    }

    /// The codes of the frame whose head was written last, until [`learn`](Self::learn) makes new ones
    /// for the next: to be taken once a frame.
    pub fn tables(&self) -> Tables {
        Tables(self.tables[self.tables.len() - 1].clone())
    }

    /// Makes new tables for the next head if what the frame's slices have, as far as they were predicted,
    /// calls for it.
    pub fn learn(&mut self, frame: &EncoderFrame) {
        let counts = &*frame.counts();
        let least = entropy(counts);
        // So little that the tables would take more than they save, even if only one block of
        // `COUNTED_EVERY` was counted.
        if least <= 2.0 * TABLE_BYTES {
            return;
        }
        if self.lengths.cost(counts) as f64 <= least * (self.excess + TOLERANCE) {
            return;
        }
        self.lengths.set(counts);
        self.excess = self.lengths.cost(counts) as f64 / least;
        self.told = false;
        let spare = self.tables.iter_mut().position(|tables| Arc::get_mut(tables).is_some());
        let mut tables = match spare {
            Some(at) => self.tables.remove(at),
            None => {
                self.tables.truncate(SPARE_TABLES);
                Arc::new(Encoding::new())
            }
        };
        if let Some(tables) = Arc::get_mut(&mut tables) {
            tables.set(&self.lengths);
        }
        self.tables.push(tables);
    }
}

/// Bits that the symbols counted are worth.
fn entropy(counts: &Counts) -> f64 {
    let bits = |counts: &[u32]| {
        let total: u32 = counts.iter().sum();
        let seen = counts.iter().filter(|&&count| count > 0);
        let log = |count: u32| f64::from((count as f32).log2()) * f64::from(count);
        if total == 0 { 0.0 } else { log(total) - seen.map(|&count| log(count)).sum::<f64>() }
    };
    counts.symbols.as_flattened().iter().map(|counts| bits(counts)).sum()
}

/// Writes slices, one at a time, and keeps its memory: one per slice that is under way.
pub struct SliceEncoder {
    eight: Work<u8>,
    ten: Work<u16>,
    isa: Isa,
    mode: Mode,
    plane: usize,
    layout: Layout,
    rows: Range<usize>,
    components: &'static [Component],
    /// Blocks of one component in a strip.
    unit: usize,
    counts: Counts,
    coded: Coded,
    writer: Writer,
    class_bits: Vec<u8>,
}

/// Scratch for the samples of a strip.
#[derive(Default)]
struct Work<S> {
    strip: Strip<S>,
    reference: Strip<S>,
    /// By component, the last row of the strip above, and of the reference's.
    above: [[Vec<S>; 2]; MAX_COMPONENTS],
    residuals: Vec<S>,
}

/// What a slice has come to before the codes are known.
#[derive(Default)]
struct Coded {
    predictors: Vec<u8>,
    /// By block: the class, or the number of planes.
    classes: Vec<u8>,
    reaches: Vec<u8>,
    /// Sixty-four bytes per block; or the planes, one right after the other.
    symbols: Vec<u8>,
    symbols_len: usize,
    low: Vec<u8>,
    low_len: usize,
}

impl Default for SliceEncoder {
    fn default() -> Self {
        Self::new()
    }
}

impl SliceEncoder {
    /// One without any memory for samples yet.
    pub fn new() -> Self {
        Self {
            eight: Work::default(),
            ten: Work::default(),
            isa: Isa::SCALAR,
            mode: Mode::Raw,
            plane: 0,
            layout: Layout { row_bytes: 0, rows: 0 },
            rows: 0..0,
            components: &[],
            unit: 0,
            counts: Counts::new(),
            coded: Coded::default(),
            writer: Writer::default(),
            class_bits: Vec::new(),
        }
    }

    /// Predicts the rows of a plane and sorts the residuals, up to where the codes are needed.
    ///
    /// `rows` are whole strips of 16, but for what the plane's last strip lacks. The slices of a frame
    /// tile its planes; which one is predicted first does not matter.
    ///
    /// Errors are this side's fault: [`Error::Rows`] and what [`Source::check`] says.
    pub fn predict(
        &mut self,
        frame: &EncoderFrame,
        source: &Source<'_>,
        plane: usize,
        rows: Range<usize>,
    ) -> Result<(), Error> {
        let layout = frame.geometry.layout(plane);
        check_slice(&rows, layout)?;
        source.check(layout)?;
        let shape = frame.geometry.plane(plane);
        (self.isa, self.plane, self.layout, self.rows) = (frame.isa, plane, layout, rows);
        (self.components, self.unit) = (shape.components, blocks(shape.width));
        self.counts.clear();
        match &*frame.references {
            References::Eight(strips) => {
                let job = Job { frame, strips, source, plane, shape, rows: self.rows.clone() };
                self.mode = job.run(&mut self.eight, &mut self.coded, &mut self.counts);
            }
            References::Ten(strips) => {
                let job = Job { frame, strips, source, plane, shape, rows: self.rows.clone() };
                self.mode = job.run(&mut self.ten, &mut self.coded, &mut self.counts);
            }
        }
        if self.mode == Mode::Huffman {
            frame.counts().add(&self.counts);
        }
        Ok(())
    }

    /// Appends the data of the slice that was predicted last to `out`, and says how it is coded.
    /// `source` is that of the prediction: rows that do not get smaller are sent as they are. Never
    /// appends more than these.
    ///
    /// Errors, this side's fault: what [`Source::check`] says.
    pub fn pack(
        &mut self,
        tables: &Tables,
        source: &Source<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Mode, Error> {
        source.check(self.layout)?;
        let raw_len = self.layout.row_bytes * self.rows.len();
        let start = out.len();
        match self.mode {
            Mode::Raw | Mode::Copy => {}
            Mode::Bits => self.pack_bits(raw_len, out),
            Mode::Huffman => self.pack_huffman(&tables.0, raw_len, out),
        }
        if self.mode != Mode::Copy && (out.len() - start >= raw_len || out.len() == start) {
            out.truncate(start);
            source.copy_rows(self.layout, self.rows.clone(), out);
            return Ok(Mode::Raw);
        }
        Ok(self.mode)
    }

    /// The plane and the rows of the slice that was predicted last.
    pub fn slice(&self) -> (usize, Range<usize>) {
        (self.plane, self.rows.clone())
    }

    fn pack_bits(&self, raw_len: usize, out: &mut Vec<u8>) {
        let Coded { predictors, classes: planes, symbols, symbols_len, .. } = &self.coded;
        let symbols = &symbols[..*symbols_len];
        if predictors.len().div_ceil(4) + planes.len().div_ceil(2) + symbols.len() >= raw_len {
            return;
        }
        put_predictors(predictors, out);
        out.extend(planes.chunks(2).map(|pair| pair[0] | pair.get(1).unwrap_or(&0) << 4));
        out.extend_from_slice(symbols);
    }

    fn pack_huffman(&mut self, tables: &Encoding, raw_len: usize, out: &mut Vec<u8>) {
        let Coded { predictors, classes, reaches, symbols, low, low_len, .. } = &mut self.coded;
        let low = &low[..*low_len];
        self.writer.start(classes.len());
        let mut class_bits = ClassBits::new(&mut self.class_bits, classes.len());
        let groups = self.components.iter().map(|component| component.group).cycle();
        let units = classes.chunks_mut(self.unit).zip(reaches.chunks(self.unit));
        let units = units.zip(symbols.chunks_mut(self.unit * BLOCK));
        for (((classes, reaches), symbols), group) in units.zip(groups) {
            let reach = &tables.reach[group];
            let mut before = 0;
            for (at, class) in classes.iter_mut().enumerate() {
                if reaches[at] > reach[usize::from(*class)] {
                    *class = wider(*class, reaches[at], reach);
                }
                class_bits.put(tables.classes[group][usize::from(before)][usize::from(*class)]);
                before = *class;
            }
            let (writer, codes) = (&mut self.writer, &tables.symbols[group]);
            self.isa.run(Write { writer, codes, classes, symbols });
        }
        let class_bytes = class_bits.finish();
        let streams = self.writer.finish();
        let lens = [class_bytes].into_iter().chain(streams);
        let len = lens.clone().map(|bytes| bytes.len()).sum::<usize>()
            + predictors.len().div_ceil(4)
            + 4 * (1 + STREAMS)
            + low.len()
            + TAIL.len();
        if len >= raw_len {
            return;
        }
        out.reserve(len);
        put_predictors(predictors, out);
        for bytes in lens.clone() {
            out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
        }
        for bytes in lens {
            out.extend_from_slice(bytes);
        }
        out.extend_from_slice(low);
        out.extend_from_slice(&TAIL);
    }
}

/// What ends a slice of [`Mode::Huffman`], so that readers may take eight bytes at once.
pub(crate) const TAIL: [u8; 8] = [0; 8];

/// The next class in which a block's symbols are single residuals that all have a code.
fn wider(class: u8, reach: u8, reaches: &[u8; class::CLASSES]) -> u8 {
    let last = match low_bits(class) {
        0 => 12,
        1 => 14,
        _ => 16,
    };
    (class + 1..=last)
        .find(|&class| reach <= reaches[usize::from(class)])
        .unwrap_or(flat(low_bits(class)))
}

fn put_predictors(predictors: &[u8], out: &mut Vec<u8>) {
    out.extend(
        predictors
            .chunks(4)
            .map(|four| four.iter().rev().fold(0, |byte, predictor| byte << 2 | predictor)),
    );
}

/// Writes the codes of classes.
struct ClassBits<'a> {
    out: &'a mut Vec<u8>,
    rest: u64,
    bits: u32,
}

impl<'a> ClassBits<'a> {
    fn new(out: &'a mut Vec<u8>, blocks: usize) -> Self {
        out.clear();
        out.reserve(blocks + 8);
        Self { out, rest: 0, bits: 0 }
    }

    fn put(&mut self, entry: u32) {
        self.rest |= u64::from(entry >> 8) << self.bits;
        self.bits += entry & 255;
        if self.bits >= 32 {
            self.out.extend_from_slice(&(self.rest as u32).to_le_bytes());
            self.rest >>= 32;
            self.bits -= 32;
        }
    }

    fn finish(self) -> &'a [u8] {
        let bytes = self.bits.div_ceil(8) as usize;
        self.out.extend_from_slice(&self.rest.to_le_bytes()[..bytes]);
        self.out
    }
}

/// One slice to be predicted.
struct Job<'a, S> {
    frame: &'a EncoderFrame,
    strips: &'a Strips<S>,
    source: &'a Source<'a>,
    plane: usize,
    shape: Plane,
    rows: Range<usize>,
}

impl<S: Depth> Job<'_, S> {
    fn run(&self, work: &mut Work<S>, coded: &mut Coded, counts: &mut Counts) -> Mode {
        let Plane { components, width, .. } = self.shape;
        let strips = self.rows.len().div_ceil(STRIP_ROWS) * components.len();
        coded.start(strips * tiles(width), strips * blocks(width), S::MAX_PLANES > 8);
        work.residuals.resize(steps(width) * LANES, S::default());
        let (mut below, mut all_still) = (0, self.frame.temporal);
        let mut unit = 0;
        for top in self.rows.clone().step_by(STRIP_ROWS) {
            let rows = STRIP_ROWS.min(self.rows.end - top);
            for (at, &component) in components.iter().enumerate() {
                below |= self.load(work, top, rows, at, component);
                let still = self.predict(work, top, rows, at, unit, &mut coded.predictors);
                all_still &= still;
                self.sort(work, still, component.group, unit, coded, counts);
                unit += 1;
            }
        }
        match self.frame.method {
            // Bits that prediction does not see.
            _ if below != 0 => Mode::Raw,
            _ if all_still => Mode::Copy,
            Method::Bits => Mode::Bits,
            Method::Huffman => Mode::Huffman,
        }
    }

    /// Fills the strip with a component's samples and what is around them.
    fn load(
        &self,
        work: &mut Work<S>,
        top: usize,
        rows: usize,
        at: usize,
        component: Component,
    ) -> u16 {
        let Plane { components, width, .. } = self.shape;
        let [above, _] = &mut work.above[at];
        let strip = &mut work.strip;
        strip.fit(width, self.frame.geometry.width);
        if top == self.rows.start {
            strip.row_mut(0).fill(S::MIDDLE);
        } else {
            strip.row_mut(0).copy_from_slice(above);
        }
        let mut below = 0;
        for row in 0..rows {
            let out = strip.row_mut(row + 1);
            below |= S::gather(self.source, top + row, component, components.len(), out);
        }
        strip.pad_left(strip.corner());
        strip.pad_right(rows);
        if rows == STRIP_ROWS {
            above.clear();
            above.extend_from_slice(strip.row(STRIP_ROWS));
        }
        below
    }

    /// Residuals of the strip, unless it is as the reference has it; and the strip becomes part of
    /// the next reference.
    fn predict(
        &self,
        work: &mut Work<S>,
        top: usize,
        rows: usize,
        at: usize,
        unit: usize,
        predictors: &mut [u8],
    ) -> bool {
        let EncoderFrame { isa, temporal, keep, .. } = *self.frame;
        let Plane { components, width, .. } = self.shape;
        let predictors = &mut predictors[unit * tiles(width)..][..tiles(width)];
        let mut kept = (temporal || keep)
            .then(|| self.strips.strip(self.plane, components.len(), top / STRIP_ROWS, at));
        let Work { strip, reference, above, residuals } = work;
        let mut still = false;
        match &mut kept {
            Some(kept) if temporal => {
                reference.fit(width, self.frame.geometry.width);
                swap(&mut **kept, reference);
                follow(reference, &mut above[at][1], top == self.rows.start, strip.corner());
                reference.pad_right(0);
                still = (1..=rows).all(|row| strip.row(row) == reference.row(row));
                if still {
                    predictors.fill(Predictor::Still as u8);
                } else {
                    let reference = Some(&*reference);
                    isa.run(Forward { strip, reference, rows, residuals, predictors });
                }
                if !keep {
                    swap(&mut **kept, reference);
                }
            }
            _ => isa.run(Forward { strip, reference: None, rows, residuals, predictors }),
        }
        if let (Some(kept), true) = (&mut kept, keep) {
            swap(&mut **kept, strip);
        }
        still
    }

    /// Blocks of a strip in their classes, or as planes.
    fn sort(
        &self,
        work: &Work<S>,
        still: bool,
        group: usize,
        unit: usize,
        coded: &mut Coded,
        counts: &mut Counts,
    ) {
        let isa = self.frame.isa;
        let blocks = blocks(self.shape.width);
        let first = unit * blocks;
        let classes = &mut coded.classes[first..first + blocks];
        let residuals = work.residuals.as_chunks::<BLOCK>().0;
        if still {
            classes.fill(0);
            coded.reaches[first..first + blocks].fill(0);
            return;
        }
        match self.frame.method {
            Method::Bits => {
                let (planes, len) = (&mut coded.symbols[..], &mut coded.symbols_len);
                isa.run(Pack { residuals, planes, len, counts: classes });
            }
            Method::Huffman => {
                let symbols = &mut coded.symbols[first * BLOCK..];
                let reaches = &mut coded.reaches[first..];
                let symbols = symbols.as_chunks_mut::<BLOCK>().0;
                let (low, low_len) = (&mut coded.low[..], &mut coded.low_len);
                isa.run(Classify { residuals, symbols, low, low_len, classes, reaches });
                let classes = &coded.classes[first..first + blocks];
                count(counts, group, unit, classes, symbols);
            }
        }
    }
}

/// Makes the row above the reference's strip the one that the last strip ended with, and keeps the
/// one that this ends with for the next.
pub(crate) fn follow<S: Depth>(
    reference: &mut Strip<S>,
    above: &mut Vec<S>,
    is_first: bool,
    corner: S,
) {
    if is_first {
        reference.row_mut(0).fill(S::MIDDLE);
    } else {
        reference.row_mut(0).copy_from_slice(above);
    }
    above.clear();
    above.extend_from_slice(reference.row(STRIP_ROWS));
    reference.pad_left(corner);
}

/// One of how many blocks is counted.
const COUNTED_EVERY: usize = 8;

/// Counts in every eighth block, another one of eight in each strip: that tells nearly as much as all
/// of them. In a small picture there are too few.
fn count(counts: &mut Counts, group: usize, unit: usize, classes: &[u8], symbols: &[[u8; BLOCK]]) {
    let (every, from) =
        if classes.len() < 64 { (1, 0) } else { (COUNTED_EVERY, unit % COUNTED_EVERY) };
    for at in (from..classes.len()).step_by(every) {
        let class = classes[at];
        let before = if at == 0 { 0 } else { classes[at - 1] };
        counts.classes[group][usize::from(before)][usize::from(class)] += 1;
        if let Some(counts) = counts.symbols[group].get_mut(usize::from(class)) {
            for &symbol in &symbols[at][..Symbols::of(class).in_block()] {
                counts[usize::from(symbol)] += 1;
            }
        }
    }
}

impl Coded {
    /// Room for that many tiles and blocks, whose contents are undefined.
    fn start(&mut self, tiles: usize, blocks: usize, is_ten_bit: bool) {
        self.predictors.resize(tiles, 0);
        self.classes.resize(blocks, 0);
        self.reaches.resize(blocks, 0);
        // Planes of ten bits take more than symbols; either may be written past its end.
        let bytes = if is_ten_bit { PLANE * MAX_PLANES } else { BLOCK };
        grow(&mut self.symbols, blocks * bytes + PLANE * MAX_PLANES);
        if is_ten_bit {
            grow(&mut self.low, blocks * 16 + 16);
        }
        (self.symbols_len, self.low_len) = (0, 0);
    }
}

fn grow(bytes: &mut Vec<u8>, len: usize) {
    if bytes.len() < len {
        bytes.resize(len, 0);
    }
}
