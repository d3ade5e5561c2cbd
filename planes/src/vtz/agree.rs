//! Every kernel in every set of instructions against the scalar one, bit for bit.

use super::bits::{MAX_PLANES, PLANE};
use super::class::{flat, low_bits};
use super::depth::Depth;
use super::kernels::{Classify, Pack, Read, Unpack, Write};
use super::simd::Isa;
use super::streams::{Cursor, STREAMS, Writer};
use super::strip::{BLOCK, LANES, Strip, steps, tiles};
use super::tables::{Counts, Decoding, Encoding, Lengths};
use super::wavefront::{Forward, Inverse};

struct Random(u32);

impl Random {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        (self.0 >> 4) % limit
    }
}

/// Samples that a test makes up.
trait Made: Depth {
    fn sample(value: u32) -> Self;
    fn coded(value: i32) -> Self;
}

impl Made for u8 {
    fn sample(value: u32) -> Self {
        value as u8
    }

    fn coded(value: i32) -> Self {
        value as u8
    }
}

impl Made for u16 {
    fn sample(value: u32) -> Self {
        value as u16 & 0x3ff
    }

    fn coded(value: i32) -> Self {
        value.clamp(-512, 511) as u16
    }
}

/// A strip with its row above, all of it of picture.
fn strip<S: Made>(width: usize, random: &mut Random, spread: u32) -> Strip<S> {
    let mut strip = Strip::default();
    strip.fit(width, width + 5);
    for row in 0..=LANES {
        for (at, sample) in strip.row_mut(row).iter_mut().enumerate() {
            *sample = S::sample((at * row) as u32 / 9 + random.below(spread));
        }
    }
    strip.pad_left(strip.corner());
    strip.pad_right(LANES);
    strip
}

fn predictions<S: Made>() {
    let mut random = Random(99);
    for width in (1..70).chain([127, 960]) {
        for spread in [1, 3, 30, 1024] {
            let now = strip::<S>(width, &mut random, spread);
            let mut then = strip::<S>(width, &mut random, spread);
            // Near enough for some tiles to be predicted from it.
            for row in 0..=LANES {
                let (from, kept) = (now.row(row), width * row / LANES);
                then.row_mut(row)[..kept].copy_from_slice(&from[..kept]);
            }
            then.pad_left(now.corner());
            for reference in [None, Some(&then)] {
                for rows in [1, 7, LANES] {
                    let run = |isa: Isa| {
                        let mut residuals = vec![S::sample(77); steps(width) * LANES];
                        let mut predictors = vec![9; tiles(width)];
                        isa.run(Forward {
                            strip: &now,
                            reference,
                            rows,
                            residuals: &mut residuals,
                            predictors: &mut predictors,
                        });
                        (residuals, predictors)
                    };
                    let scalar = run(Isa::SCALAR);
                    for &isa in Isa::all() {
                        assert!(run(isa) == scalar, "{isa:?}, width {width}, {rows} rows");
                    }
                    restored(&now, reference, rows, &scalar.0, &scalar.1);
                    // Predictors in turn, which no writer would choose so.
                    let mixed: Vec<u8> = (0..tiles(width))
                        .map(|_| random.below(if reference.is_some() { 4 } else { 2 }) as u8)
                        .collect();
                    agree_inverse(&now, reference, &scalar.0, &mixed);
                }
            }
        }
    }
}

fn inverse<S: Made>(
    isa: Isa,
    now: &Strip<S>,
    reference: Option<&Strip<S>>,
    residuals: &[S],
    predictors: &[u8],
) -> Vec<Vec<S>> {
    let mut back = Strip::<S>::default();
    back.fit(now.width(), now.width());
    back.row_mut(0).copy_from_slice(now.row(0));
    back.pad_left(back.corner());
    back.pad_right(0);
    isa.run(Inverse { strip: &mut back, reference, residuals, predictors });
    (1..=LANES).map(|row| back.row(row).to_vec()).collect()
}

fn restored<S: Made>(
    now: &Strip<S>,
    reference: Option<&Strip<S>>,
    rows: usize,
    residuals: &[S],
    predictors: &[u8],
) {
    for &isa in Isa::all() {
        let back = inverse(isa, now, reference, residuals, predictors);
        for (row, back) in back[..rows].iter().enumerate() {
            assert!(back == now.row(row + 1), "{isa:?}, row {row}");
        }
    }
}

fn agree_inverse<S: Made>(
    now: &Strip<S>,
    reference: Option<&Strip<S>>,
    residuals: &[S],
    predictors: &[u8],
) {
    let scalar = inverse(Isa::SCALAR, now, reference, residuals, predictors);
    for &isa in Isa::all() {
        assert!(inverse(isa, now, reference, residuals, predictors) == scalar, "{isa:?}");
    }
}

/// Blocks of every activity.
fn blocks<S: Made>(random: &mut Random) -> Vec<[S; BLOCK]> {
    let limit = if S::MAX_PLANES > 8 { 512 } else { 128 };
    (0..4000)
        .map(|at| {
            let spreads = [0, 1, 2, 3, 5, 7, 8, 9, 11, 14, 18, 30, 42, 60, 90, 128, 200, 330, 512];
            let spread = spreads[at % spreads.len()].min(limit);
            let kind = random.below(4);
            std::array::from_fn(|_| {
                let value = random.below(2 * spread + 1) as i32 - spread as i32;
                match (kind, random.below(20)) {
                    (0, 1..) => S::coded(value.signum()),
                    (2, 4..) => S::coded(0),
                    (1, _) => S::coded(-value.abs()),
                    _ => S::coded(value),
                }
            })
        })
        .collect()
}

/// Symbols, low bits, classes and reaches.
type Sorted = (Vec<[u8; BLOCK]>, Vec<u8>, Vec<u8>, Vec<u8>);

fn sorted<S: Made>(isa: Isa, residuals: &[[S; BLOCK]]) -> Sorted {
    let mut symbols = vec![[0; BLOCK]; residuals.len()];
    let (mut low, mut low_len) = (vec![0; residuals.len() * 16 + 16], 0);
    let (mut classes, mut reaches) = (vec![0; residuals.len()], vec![0; residuals.len()]);
    isa.run(Classify {
        residuals,
        symbols: &mut symbols,
        low: &mut low,
        low_len: &mut low_len,
        classes: &mut classes,
        reaches: &mut reaches,
    });
    low.truncate(low_len);
    // What is behind the symbols means nothing.
    for (symbols, &class) in symbols.iter_mut().zip(&classes) {
        symbols[super::class::Symbols::of(class).in_block()..].fill(0);
    }
    (symbols, low, classes, reaches)
}

fn classes<S: Made>() {
    let residuals = blocks::<S>(&mut Random(5));
    let scalar = sorted(Isa::SCALAR, &residuals);
    let classes = &scalar.2;
    let last = if S::MAX_PLANES > 8 { 16 } else { 12 };
    for class in (0..=last).filter(|&class| class != 12 || last == 12) {
        assert!(classes.contains(&class), "no block of class {class} of {last}");
    }
    for &isa in Isa::all() {
        assert!(sorted(isa, &residuals) == scalar, "{isa:?}");
    }
}

fn planes<S: Made>() {
    let residuals = blocks::<S>(&mut Random(6));
    let pack = |isa: Isa| {
        let mut planes = vec![0; (residuals.len() + 1) * PLANE * MAX_PLANES];
        let (mut len, mut counts) = (0, vec![0; residuals.len()]);
        isa.run(Pack {
            residuals: &residuals,
            planes: &mut planes,
            len: &mut len,
            counts: &mut counts,
        });
        planes.truncate(len);
        (planes, counts)
    };
    let scalar = pack(Isa::SCALAR);
    assert!((0..=S::MAX_PLANES as u8).all(|count| scalar.1.contains(&count)));
    for &isa in Isa::all() {
        assert!(pack(isa) == scalar, "{isa:?}");
        let (mut planes, mut back) = (&scalar.0[..], vec![[S::coded(3); BLOCK]; residuals.len()]);
        isa.run(Unpack { counts: &scalar.1, planes: &mut planes, residuals: &mut back });
        assert!(planes.is_empty() && back == residuals, "{isa:?}");
    }
}

#[test]
fn prediction_agrees_and_is_undone() {
    predictions::<u8>();
    predictions::<u16>();
}

#[test]
fn classes_agree() {
    classes::<u8>();
    classes::<u16>();
}

#[test]
fn planes_agree_and_give_the_residuals_back() {
    planes::<u8>();
    planes::<u16>();
}

fn streams<S: Made>() {
    let residuals = blocks::<S>(&mut Random(7));
    let (symbols, low, mut classes, reaches) = sorted(Isa::SCALAR, &residuals);
    let lengths = Lengths::new(&Counts::new());
    let (mut encoding, mut decoding) = (Encoding::new(), Decoding::new());
    encoding.set(&lengths);
    decoding.set(&lengths);
    for (class, &reach) in classes.iter_mut().zip(&reaches) {
        if reach > encoding.reach[0][usize::from(*class)] {
            *class = flat(low_bits(*class));
        }
    }
    let write = |isa: Isa| {
        let mut writer = Writer::default();
        writer.start(classes.len());
        isa.run(Write {
            writer: &mut writer,
            codes: &encoding.symbols[0],
            classes: &classes,
            symbols: symbols.as_flattened(),
        });
        writer.finish().map(<[u8]>::to_vec)
    };
    let scalar = write(Isa::SCALAR);
    let mut data = scalar.concat();
    data.extend([0; 8]);
    let mut end = 0;
    let start = scalar.each_ref().map(|stream| {
        let at = end;
        end += 8 * stream.len();
        Cursor { at, end }
    });
    for &isa in Isa::all() {
        assert!(write(isa) == scalar, "{isa:?}");
        let read = |cursors: &mut [Cursor; STREAMS], back: &mut [[S; BLOCK]]| {
            let mut low = &low[..];
            let done = isa.run(Read {
                lookups: &decoding.symbols[0],
                classes: &classes,
                data: &data,
                cursors,
                low: &mut low,
                residuals: back,
            });
            done.map(|()| low.len())
        };
        let (mut cursors, mut back) = (start, vec![[S::coded(3); BLOCK]; classes.len()]);
        assert_eq!(read(&mut cursors, &mut back), Some(0));
        assert!(back == residuals, "{isa:?}");
        assert!(cursors.iter().all(|cursor| cursor.is_done()));
        for stream in 0..STREAMS {
            let mut cursors = start;
            cursors[stream].end -= 8;
            assert_eq!(read(&mut cursors, &mut back), None, "{isa:?}, stream {stream}");
        }
    }
}

#[test]
fn streams_agree_and_give_the_residuals_back() {
    streams::<u8>();
    streams::<u16>();
}
