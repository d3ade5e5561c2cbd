use std::mem::swap;
use std::ops::Range;
use std::sync::Arc;

use super::bits::PLANE;
use super::class::low_bits;
use super::depth::Depth;
use super::encode::{TAIL, follow};
use super::format::{Geometry, MAX_COMPONENTS, Plane};
use super::frame::{HAS_TABLES, IS_KEPT, Mode, References, Strips, check_slice};
use super::kernels::{Read, Unpack};
use super::predict::Predictor;
use super::simd::Isa;
use super::streams::{Cursor, STREAMS};
use super::strip::{BLOCK, LANES, Strip, blocks, steps, tiles};
use super::tables::{CLASS_LOOKUP, Decoding, Lengths};
use super::wavefront::Inverse;
use crate::source::check_memory;
use crate::{Error, STRIP_ROWS, Source, Target};

/// The reading end of a stream of frames: what lasts from one to the next.
///
/// For each frame: [`begin`](Self::begin) with what FRAME_BEGIN says, then [`SliceDecoder::decode`] for
/// every slice as it comes, on any threads. That the slices tile the planes is for the caller to see
/// to. After an error the next frame that can be read is one without a reference and with tables.
pub struct Decoder {
    geometry: Geometry,
    isa: Isa,
    references: Arc<References>,
    has_reference: bool,
    lengths: Lengths,
    /// The tables in use are the last of them, once there are any; the others wait to be used again.
    tables: Vec<Arc<Decoding>>,
    has_tables: bool,
}

/// A frame that is being read: what its slices need, on any thread.
#[derive(Clone)]
pub struct DecoderFrame {
    geometry: Geometry,
    isa: Isa,
    references: Arc<References>,
    tables: Option<Arc<Decoding>>,
    temporal: bool,
    keep: bool,
}

impl DecoderFrame {
    /// Whether it refers to the last frame that was kept.
    pub fn is_temporal(&self) -> bool {
        self.temporal
    }

    /// Whether later frames may refer to it.
    pub fn is_kept(&self) -> bool {
        self.keep
    }
}

/// Tables that wait to be used again, at most.
const SPARE_TABLES: usize = 4;

impl Decoder {
    /// For pictures of that geometry, with the best instructions that the machine has.
    ///
    /// Errors: [`Error::Geometry`].
    pub fn new(geometry: Geometry) -> Result<Self, Error> {
        Self::with_isa(geometry, Isa::best())
    }

    /// The same with chosen instructions. What is read does not depend on them.
    pub fn with_isa(geometry: Geometry, isa: Isa) -> Result<Self, Error> {
        if !geometry.is_valid() {
            return Err(Error::Geometry { width: geometry.width, height: geometry.height });
        }
        Ok(Self {
            geometry,
            isa,
            references: Arc::new(References::new(geometry)),
            has_reference: false,
            lengths: Lengths::none(),
            tables: Vec::new(),
            has_tables: false,
        })
    }

    /// Starts a frame from FRAME_BEGIN's field "tables"; `temporal` if it names a reference, which has
    /// to be the last frame that was kept. The slices of the frame before have been read if either is
    /// kept.
    ///
    /// Errors: [`Error::OutOfMemory`]; the peer's fault: [`Error::Vtz`].
    pub fn begin(&mut self, head: &[u8], temporal: bool) -> Result<DecoderFrame, Error> {
        let (&flags, tables) = head.split_first().ok_or(Error::Vtz("frame without a head"))?;
        if flags & !(HAS_TABLES | IS_KEPT) != 0 {
            return Err(Error::Vtz("unknown flags"));
        }
        if flags & HAS_TABLES != 0 {
            self.has_tables = false;
            self.lengths.read(tables).map_err(Error::Vtz)?;
            self.set_tables();
            self.has_tables = true;
        } else if !tables.is_empty() {
            return Err(Error::Vtz("tables without their flag"));
        }
        if temporal && !self.has_reference {
            return Err(Error::Vtz("a reference that was not kept"));
        }
        let keep = flags & IS_KEPT != 0;
        if keep && !self.has_reference {
            self.references.reserve(self.geometry)?;
            self.has_reference = true;
        }
        let tables = if self.has_tables { self.tables.last().cloned() } else { None };
        let (geometry, isa, references) = (self.geometry, self.isa, self.references.clone());
        Ok(DecoderFrame { geometry, isa, references, tables, temporal, keep })
    }

    fn set_tables(&mut self) {
        let spare = self.tables.iter_mut().position(|tables| Arc::get_mut(tables).is_some());
        let mut tables = match spare {
            Some(at) => self.tables.remove(at),
            None => {
                self.tables.truncate(SPARE_TABLES);
                Arc::new(Decoding::new())
            }
        };
        if let Some(tables) = Arc::get_mut(&mut tables) {
            tables.set(&self.lengths);
        }
        self.tables.push(tables);
    }
}

/// Reads slices, one at a time, and keeps its memory: one per thread.
#[derive(Default)]
pub struct SliceDecoder {
    eight: Work<u8>,
    ten: Work<u16>,
    coded: Coded,
}

/// Scratch for the samples of a strip, by component.
#[derive(Default)]
struct Work<S> {
    strips: [Strip<S>; MAX_COMPONENTS],
    reference: Strip<S>,
    /// The last row of the strip above, and of the reference's.
    above: [[Vec<S>; 2]; MAX_COMPONENTS],
    residuals: Vec<S>,
}

/// What a slice's data has in its front.
#[derive(Default)]
struct Coded {
    predictors: Vec<u8>,
    /// By block: the class, or the number of planes.
    classes: Vec<u8>,
}

impl SliceDecoder {
    /// One without any memory yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the rows of a plane into `into`, which has exactly these rows.
    ///
    /// Errors: this side's are [`Error::Stride`], [`Error::Memory`] and [`Error::Shape`]; the peer's is
    /// [`Error::Vtz`], after which the content of the picture and of the frame that was kept is
    /// undefined.
    pub fn decode(
        &mut self,
        frame: &DecoderFrame,
        plane: usize,
        mode: Mode,
        rows: Range<usize>,
        data: &[u8],
        into: Target<'_>,
    ) -> Result<(), Error> {
        if plane >= frame.geometry.format.planes() {
            return Err(Error::Vtz("no such plane"));
        }
        let layout = frame.geometry.layout(plane);
        check_slice(&rows, layout).map_err(|_| Error::Vtz("a slice that is not whole strips"))?;
        if (into.row_bytes, into.rows) != (layout.row_bytes, rows.len()) {
            return Err(Error::Shape { row_bytes: layout.row_bytes, rows: rows.len() });
        }
        check_memory(into.data, into.stride, into.row_bytes, into.rows)?;
        if data.len() > layout.row_bytes * rows.len() {
            return Err(Error::Vtz("a slice longer than its rows"));
        }
        let shape = frame.geometry.plane(plane);
        match &*frame.references {
            References::Eight(strips) => {
                Job { frame, strips, plane, shape, rows, mode, data, into }
                    .run(&mut self.eight, &mut self.coded)
            }
            References::Ten(strips) => Job { frame, strips, plane, shape, rows, mode, data, into }
                .run(&mut self.ten, &mut self.coded),
        }
    }
}

/// One slice to be read.
struct Job<'a, S> {
    frame: &'a DecoderFrame,
    strips: &'a Strips<S>,
    plane: usize,
    shape: Plane,
    rows: Range<usize>,
    mode: Mode,
    data: &'a [u8],
    into: Target<'a>,
}

impl<'a, S: Depth> Job<'a, S> {
    fn run(mut self, work: &mut Work<S>, coded: &mut Coded) -> Result<(), Error> {
        match self.mode {
            Mode::Raw => self.raw(work),
            Mode::Copy => self.copy(),
            Mode::Bits => {
                let mut planes = self.start_bits(coded)?;
                self.strips_of(work, coded, |isa, counts, _, residuals| {
                    isa.run(Unpack { counts, planes: &mut planes, residuals });
                    Ok(())
                })
            }
            Mode::Huffman => {
                let frame = self.frame;
                let none = Error::Vtz("codes before any tables");
                let tables = frame.tables.as_deref().ok_or(none)?;
                let (mut cursors, mut low) = self.start_huffman(coded, tables)?;
                let data = self.data;
                self.strips_of(work, coded, |isa, classes, group, residuals| {
                    let lookups = &tables.symbols[group];
                    let (cursors, low) = (&mut cursors, &mut low);
                    isa.run(Read { lookups, classes, data, cursors, low, residuals })
                        .ok_or(Error::Vtz("a stream that ends early"))
                })?;
                if cursors.iter().all(|cursor| cursor.is_done()) {
                    Ok(())
                } else {
                    Err(Error::Vtz("a stream longer than its symbols"))
                }
            }
        }
    }

    /// Rows of the target that a strip has.
    fn target_rows(&mut self, top: usize) -> impl Iterator<Item = &mut [u8]> {
        let Target { ref mut data, stride, row_bytes, rows } = self.into;
        let first = top - self.rows.start;
        data.chunks_mut(stride)
            .take(rows)
            .skip(first)
            .take(STRIP_ROWS)
            .map(move |row| &mut row[..row_bytes])
    }

    fn raw(&mut self, work: &mut Work<S>) -> Result<(), Error> {
        let layout = self.frame.geometry.layout(self.plane);
        if self.data.len() != layout.row_bytes * self.rows.len() {
            return Err(Error::Vtz("raw rows of another size"));
        }
        let (data, first) = (self.data, self.rows.start);
        for (row, from) in self.target_rows(first).zip(data.chunks_exact(layout.row_bytes)) {
            row.copy_from_slice(from);
        }
        for top in self.rows.clone().step_by(STRIP_ROWS).skip(1) {
            let from = data[(top - first) * layout.row_bytes..].chunks_exact(layout.row_bytes);
            for (row, from) in self.target_rows(top).zip(from) {
                row.copy_from_slice(from);
            }
        }
        if !self.frame.keep {
            return Ok(());
        }
        let Plane { components, width, .. } = self.shape;
        let source = Source::Rows { data, stride: layout.row_bytes };
        for top in self.rows.clone().step_by(STRIP_ROWS) {
            for (at, &component) in components.iter().enumerate() {
                let strip = &mut work.strips[at];
                strip.fit(width, self.frame.geometry.width);
                for row in 0..STRIP_ROWS.min(self.rows.end - top) {
                    let (from, out) = (top - first + row, strip.row_mut(row + 1));
                    S::gather(&source, from, component, components.len(), out);
                }
                let strips = components.len();
                swap(&mut *self.strips.strip(self.plane, strips, top / STRIP_ROWS, at), strip);
            }
        }
        Ok(())
    }

    fn copy(&mut self) -> Result<(), Error> {
        if !self.data.is_empty() {
            return Err(Error::Vtz("a copy with data"));
        }
        if !self.frame.temporal {
            return Err(Error::Vtz("a copy without a reference"));
        }
        let components = self.shape.components;
        for top in self.rows.clone().step_by(STRIP_ROWS) {
            let (strips, plane) = (self.strips, self.plane);
            let kept = |at: usize| strips.strip(plane, components.len(), top / STRIP_ROWS, at);
            let kept: [_; MAX_COMPONENTS] =
                std::array::from_fn(|at| (at < components.len()).then(|| kept(at)));
            for (at, row) in self.target_rows(top).enumerate() {
                let samples = kept
                    .each_ref()
                    .map(|strip| strip.as_ref().map_or(&[][..], |strip| strip.row(at + 1)));
                S::scatter(components, samples, row);
            }
        }
        Ok(())
    }

    /// How many strips of components the slice has.
    fn units(&self) -> usize {
        self.rows.len().div_ceil(STRIP_ROWS) * self.shape.components.len()
    }

    /// Reads the predictors in front of the data, and gives the rest.
    fn predictors(&self, coded: &mut Coded) -> Result<usize, Error> {
        let count = self.units() * tiles(self.shape.width);
        let len = count.div_ceil(4);
        let packed = self.data.get(..len).ok_or(Error::Vtz("predictors end early"))?;
        coded.predictors.clear();
        coded.predictors.extend(
            packed.iter().flat_map(|byte| (0..4).map(move |at| byte >> (2 * at) & 3)).take(count),
        );
        let temporal = |&predictor: &u8| Predictor::is_temporal(predictor);
        if !self.frame.temporal && coded.predictors.iter().any(temporal) {
            return Err(Error::Vtz("a predictor without a reference"));
        }
        Ok(len)
    }

    /// Checks the front of the data, and gives the planes.
    fn start_bits(&self, coded: &mut Coded) -> Result<&'a [u8], Error> {
        let start = self.predictors(coded)?;
        let count = self.units() * blocks(self.shape.width);
        let end = start + count.div_ceil(2);
        let packed = self.data.get(start..end).ok_or(Error::Vtz("widths end early"))?;
        coded.classes.clear();
        coded.classes.extend(packed.iter().flat_map(|byte| [byte & 15, byte >> 4]).take(count));
        if coded.classes.iter().any(|&planes| usize::from(planes) > S::MAX_PLANES) {
            return Err(Error::Vtz("more planes than bits"));
        }
        let planes: usize = coded.classes.iter().map(|&planes| usize::from(planes)).sum();
        let rest = &self.data[end..];
        if rest.len() != planes * PLANE {
            return Err(Error::Vtz("planes of another size"));
        }
        Ok(rest)
    }

    /// Checks the front of the data and reads the classes. Gives where the streams are, and the low
    /// bits.
    fn start_huffman(
        &self,
        coded: &mut Coded,
        tables: &Decoding,
    ) -> Result<([Cursor; STREAMS], &'a [u8]), Error> {
        let start = self.predictors(coded)?;
        let lens = self.data[start..].as_chunks::<4>().0;
        let lens = lens.get(..1 + STREAMS).ok_or(Error::Vtz("stream lengths end early"))?;
        let mut at = start + 4 * lens.len();
        let mut ends = [0; 1 + STREAMS];
        for (end, &len) in ends.iter_mut().zip(lens) {
            at = at.saturating_add(u32::from_be_bytes(len) as usize);
            if at > self.data.len() {
                return Err(Error::Vtz("streams longer than the slice"));
            }
            *end = at;
        }
        let start = start + 4 * lens.len();
        self.classes(coded, tables, &self.data[start..ends[0]])?;
        let low: usize = coded.classes.iter().map(|&class| 8 * low_bits(class)).sum();
        let rest = &self.data[at..];
        if rest.len() != low + TAIL.len() || rest[low..] != TAIL {
            return Err(Error::Vtz("low bits of another size"));
        }
        if S::MAX_PLANES == 8 && low > 0 {
            return Err(Error::Vtz("low bits of eight"));
        }
        let cursors = std::array::from_fn(|stream| Cursor {
            at: 8 * ends[stream],
            end: 8 * ends[stream + 1],
        });
        Ok((cursors, &rest[..low]))
    }

    fn classes(&self, coded: &mut Coded, tables: &Decoding, bytes: &[u8]) -> Result<(), Error> {
        coded.classes.clear();
        let mut bits = ClassBits { rest: 0, bits: 0, bytes };
        let unit = blocks(self.shape.width);
        let groups = self.shape.components.iter().map(|component| component.group).cycle();
        for group in groups.take(self.units()) {
            let lookups = &tables.classes[group];
            let mut class = 0;
            for _ in 0..unit {
                bits.fill();
                let entry = lookups[usize::from(class)][bits.rest as usize % CLASS_LOOKUP];
                bits.rest >>= entry & 63;
                bits.bits = bits
                    .bits
                    .checked_sub(u32::from(entry & 255))
                    .ok_or(Error::Vtz("classes end early"))?;
                class = (entry >> 8) as u8;
                coded.classes.push(class);
            }
        }
        if bits.bytes.is_empty() && bits.bits < 8 {
            Ok(())
        } else {
            Err(Error::Vtz("classes longer than the blocks"))
        }
    }

    /// Restores every strip from the residuals that `residuals` gives for the classes of a component
    /// in a strip, and writes the rows.
    fn strips_of(
        &mut self,
        work: &mut Work<S>,
        coded: &mut Coded,
        mut residuals: impl FnMut(Isa, &[u8], usize, &mut [[S; BLOCK]]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let DecoderFrame { isa, temporal, keep, geometry, .. } = *self.frame;
        let Plane { components, width, .. } = self.shape;
        let samples = steps(width) * LANES;
        work.residuals.resize(samples, S::default());
        let mut units =
            coded.classes.chunks(blocks(width)).zip(coded.predictors.chunks(tiles(width)));
        for top in self.rows.clone().step_by(STRIP_ROWS) {
            for (at, component) in components.iter().enumerate() {
                let Some((classes, predictors)) = units.next() else { break };
                let blocks = work.residuals.as_chunks_mut().0;
                residuals(isa, classes, component.group, blocks)?;

                let Work { strips, reference, above, residuals } = work;
                let [above, reference_above] = &mut above[at];
                let strip = &mut strips[at];
                strip.fit(width, geometry.width);
                if top == self.rows.start {
                    strip.row_mut(0).fill(S::MIDDLE);
                } else {
                    strip.row_mut(0).copy_from_slice(above);
                }
                strip.pad_right(0);
                strip.pad_left(strip.corner());
                let mut kept = temporal
                    .then(|| self.strips.strip(self.plane, components.len(), top / STRIP_ROWS, at));
                if let Some(kept) = &mut kept {
                    reference.fit(width, geometry.width);
                    swap(&mut **kept, reference);
                    let is_first = top == self.rows.start;
                    follow(reference, reference_above, is_first, strip.corner());
                    let reference = Some(&*reference);
                    isa.run(Inverse { strip, reference, residuals, predictors });
                    swap(&mut **kept, &mut work.reference);
                } else {
                    isa.run(Inverse { strip, reference: None, residuals, predictors });
                }
                above.clear();
                above.extend_from_slice(strip.row(STRIP_ROWS));
            }
            let samples = work.strips.each_ref();
            let (count, into_rows) = (components.len(), self.target_rows(top));
            for (row, into) in into_rows.enumerate() {
                let samples: [&[S]; MAX_COMPONENTS] =
                    std::array::from_fn(
                        |at| {
                            if at < count { samples[at].row(row + 1) } else { &[] }
                        },
                    );
                S::scatter(components, samples, into);
            }
            if keep {
                for (at, strip) in work.strips.iter_mut().enumerate().take(count) {
                    swap(&mut *self.strips.strip(self.plane, count, top / STRIP_ROWS, at), strip);
                }
            }
        }
        Ok(())
    }
}

/// Reads the codes of classes.
struct ClassBits<'a> {
    rest: u64,
    bits: u32,
    bytes: &'a [u8],
}

impl ClassBits<'_> {
    /// Has at least eight bits ready, if there are that many.
    fn fill(&mut self) {
        if self.bits >= 32 {
            return;
        }
        if let Some((four, rest)) = self.bytes.split_first_chunk() {
            self.rest |= u64::from(u32::from_le_bytes(*four)) << self.bits;
            (self.bits, self.bytes) = (self.bits + 32, rest);
        } else {
            for &byte in self.bytes {
                self.rest |= u64::from(byte) << self.bits;
                self.bits += 8;
            }
            self.bytes = &[];
        }
    }
}
