//! The loops over blocks, for each set of instructions: see `class`, `bits` and `streams` for what
//! they have to come to.

use super::bits::{MAX_PLANES, PLANE};
use super::class::{CLASSES, Classified, Symbols, low_bits};
use super::depth::Depth;
use super::streams::{self, Code, Cursor, STREAMS, Writer};
use super::strip::BLOCK;
use super::tables::LOOKUP;
use super::vector::{Bytes, Column, Family, Task, store};

type BytesOf<C> = <C as Column>::Bytes;

/// A block's residuals, sixteen at a time.
#[inline(always)]
fn columns<C: Column>(block: &[C::Sample; BLOCK]) -> [C; 4] {
    [C::load(&block[..16]), C::load(&block[16..32]), C::load(&block[32..48]), C::load(&block[48..])]
}

#[inline(always)]
fn store_columns<C: Column>(columns: [C; 4], block: &mut [C::Sample; BLOCK]) {
    for (column, to) in columns.into_iter().zip(block.chunks_exact_mut(16)) {
        column.store(to);
    }
}

/// Sorts blocks into classes.
pub(crate) struct Classify<'a, S> {
    pub residuals: &'a [[S; BLOCK]],
    pub symbols: &'a mut [[u8; BLOCK]],
    /// Low bits, and how many bytes of them there are: eight for each bit of a block.
    pub low: &'a mut [u8],
    pub low_len: &'a mut usize,
    pub classes: &'a mut [u8],
    pub reaches: &'a mut [u8],
}

impl<S: Depth> Classify<'_, S> {
    #[inline(always)]
    fn each(
        self,
        mut classify: impl FnMut(&[S; BLOCK], &mut [u8; BLOCK], &mut [u8; 16]) -> Classified,
    ) {
        let Self { residuals, symbols, low, low_len, classes, reaches } = self;
        let blocks = residuals.iter().zip(symbols).zip(classes).zip(reaches);
        for (((block, symbols), class), reach) in blocks {
            let mut unused = [0; 16];
            let room = low.get_mut(*low_len..).and_then(|low| low.first_chunk_mut());
            let classified = classify(block, symbols, room.unwrap_or(&mut unused));
            (*class, *reach) = (classified.class, classified.reach);
            *low_len += 8 * low_bits(classified.class);
        }
    }
}

impl<S: Depth> Task for Classify<'_, S> {
    type Output = ();

    fn scalar(self) {
        self.each(S::classify);
    }

    #[inline(always)]
    fn vector<F: Family>(self) {
        self.each(|block, symbols, low| {
            let columns = columns::<S::Column<F>>(block);
            let (largest, sum) = S::Column::<F>::activity(&columns);
            let class = S::choose(largest, sum);
            if class == 0 {
                return Classified { class, reach: 0 };
            }
            let shift = low_bits(class);
            for (bit, plane) in low.as_chunks_mut::<PLANE>().0[..shift].iter_mut().enumerate() {
                let bits = columns.map(|column| {
                    let low = column.low();
                    if bit == 0 { low.shift_left::<7>() } else { low.shift_left::<6>() }
                });
                *plane = plane_of(bits);
            }
            let bytes = columns.map(|column| column.narrow(shift));
            pack(bytes, class, symbols);
            let reach = (largest >> shift) + u32::from(shift > 0);
            Classified { class, reach: reach as u8 }
        });
    }
}

/// The highest bits of a block.
#[inline(always)]
fn plane_of<B: Bytes>(parts: [B; 4]) -> [u8; PLANE] {
    let [a, b, c, d] = parts.map(|part| u64::from(part.mask()));
    (a | b << 16 | c << 32 | d << 48).to_le_bytes()
}

/// Puts two fields of that many bits into one.
#[inline(always)]
fn join<B: Bytes, const BITS: i32>(first: B, second: B) -> B {
    let [even, odd] = first.unzip(second);
    even.or(odd.shift_left::<BITS>())
}

#[inline(always)]
fn pack<B: Bytes>(residuals: [B; 4], class: u8, symbols: &mut [u8; BLOCK]) {
    let symbol = Symbols::of(class);
    let bias = B::splat(symbol.packing().2);
    let [a, b, c, d] = match symbol {
        Symbols::None | Symbols::Singles => return store(residuals, symbols),
        _ => residuals.map(|part| part.add(bias)),
    };
    let parts = symbols.as_chunks_mut().0;
    match symbol {
        Symbols::Quads => {
            let (low, high) = (join::<B, 2>(a, b), join::<B, 2>(c, d));
            join::<B, 4>(low, high).store(&mut parts[0]);
        }
        Symbols::ThreeBitPairs => {
            join::<B, 3>(a, b).store(&mut parts[0]);
            join::<B, 3>(c, d).store(&mut parts[1]);
        }
        _ => {
            join::<B, 4>(a, b).store(&mut parts[0]);
            join::<B, 4>(c, d).store(&mut parts[1]);
        }
    }
}

/// Takes fields of that many bits apart.
#[inline(always)]
fn split<B: Bytes, const BITS: i32>(joined: B) -> [B; 2] {
    let field = B::splat((1 << BITS) - 1);
    B::zip(joined.and(field), joined.shift_right::<BITS>().and(field))
}

#[inline(always)]
fn unpack<B: Bytes>(entries: &[u16; BLOCK], class: u8) -> [B; 4] {
    let symbol = Symbols::of(class);
    let parts = entries.as_chunks().0;
    let parts = [0, 1, 2, 3].map(|part| B::high(&parts[part]));
    let fields = match symbol {
        Symbols::None => return [B::splat(0); 4],
        Symbols::Singles => return parts,
        Symbols::Quads => {
            let [low, high] = split::<B, 4>(parts[0]);
            let ([a, b], [c, d]) = (split::<B, 2>(low), split::<B, 2>(high));
            [a, b, c, d]
        }
        Symbols::ThreeBitPairs => {
            let ([a, b], [c, d]) = (split::<B, 3>(parts[0]), split::<B, 3>(parts[1]));
            [a, b, c, d]
        }
        Symbols::FourBitPairs => {
            let ([a, b], [c, d]) = (split::<B, 4>(parts[0]), split::<B, 4>(parts[1]));
            [a, b, c, d]
        }
    };
    let bias = B::splat(symbol.packing().2);
    fields.map(|part| part.sub(bias))
}

/// Residuals of blocks from their streams, and from their low bits, which are taken from the front.
pub(crate) struct Read<'a, 'low, S> {
    pub lookups: &'a [[u16; LOOKUP]; CLASSES],
    pub classes: &'a [u8],
    pub data: &'a [u8],
    pub cursors: &'a mut [Cursor; STREAMS],
    pub low: &'a mut &'low [u8],
    pub residuals: &'a mut [[S; BLOCK]],
}

impl<S: Depth> Read<'_, '_, S> {
    #[inline(always)]
    fn each(self, mut expand: impl FnMut(u8, &[u16; BLOCK], &[u8], &mut [S; BLOCK])) -> Option<()> {
        let Self { lookups, classes, data, cursors, low, residuals } = self;
        let classes = &classes[..classes.len().min(residuals.len())];
        streams::read(lookups, classes, data, cursors, |at, entries| {
            let (own, rest) = low.split_at(8 * low_bits(classes[at]));
            expand(classes[at], entries, own, &mut residuals[at]);
            *low = rest;
        })
    }
}

impl<S: Depth> Task for Read<'_, '_, S> {
    /// `None` if a stream ends too early.
    type Output = Option<()>;

    fn scalar(self) -> Option<()> {
        self.each(|class, entries, low, block| {
            let mut symbols = entries.map(|entry| (entry >> 8) as u8);
            S::expand(class, &mut symbols, low, block);
        })
    }

    #[inline(always)]
    fn vector<F: Family>(self) -> Option<()> {
        self.each(|class, entries, low, block| {
            let shift = low_bits(class);
            let bytes = unpack::<BytesOf<S::Column<F>>>(entries, class);
            let mut columns = bytes.map(|bytes| S::Column::<F>::widen(bytes, shift));
            for (bit, plane) in low.as_chunks::<PLANE>().0.iter().enumerate() {
                let bit = BytesOf::<S::Column<F>>::splat(1 << bit);
                for (column, mask) in columns.iter_mut().zip(masks(plane)) {
                    let set = BytesOf::<S::Column<F>>::from_mask(mask).and(bit);
                    *column = column.with_low(set);
                }
            }
            store_columns(columns, block);
        })
    }
}

/// A plane's bits, sixteen at a time.
#[inline(always)]
fn masks(plane: &[u8; PLANE]) -> [u16; 4] {
    let plane = u64::from_le_bytes(*plane);
    [plane as u16, (plane >> 16) as u16, (plane >> 32) as u16, (plane >> 48) as u16]
}

/// Blocks as planes, one right after the other, and how many each has.
pub(crate) struct Pack<'a, S> {
    pub residuals: &'a [[S; BLOCK]],
    pub planes: &'a mut [u8],
    pub len: &'a mut usize,
    pub counts: &'a mut [u8],
}

impl<S: Depth> Pack<'_, S> {
    #[inline(always)]
    fn each(self, mut pack: impl FnMut(&[S; BLOCK], &mut [u8; PLANE * MAX_PLANES]) -> usize) {
        for (block, count) in self.residuals.iter().zip(self.counts) {
            if let Some(room) = self.planes[*self.len..].first_chunk_mut() {
                let planes = pack(block, room);
                *count = planes as u8;
                *self.len += planes * PLANE;
            }
        }
    }
}

impl<S: Depth> Task for Pack<'_, S> {
    type Output = ();

    fn scalar(self) {
        self.each(S::pack);
    }

    #[inline(always)]
    fn vector<F: Family>(self) {
        self.each(|block, out| {
            let parts = columns::<S::Column<F>>(block).map(|column| column.zigzag());
            let all = parts[0].union(parts[1]).union(parts[2].union(parts[3]));
            let width = |bytes: BytesOf<S::Column<F>>| {
                let mut all = [0; 16];
                bytes.store(&mut all);
                let all = u128::from_ne_bytes(all);
                let all = (all >> 64 | all) as u64;
                let all = all >> 32 | all;
                let all = all >> 16 | all;
                u8::BITS - ((all >> 8 | all) as u8).leading_zeros()
            };
            let above = if S::MAX_PLANES > 8 { width(all[1]) as usize } else { 0 };
            let below = if above > 0 { 8 } else { width(all[0]) as usize };
            let mut out = out.as_chunks_mut::<PLANE>().0.iter_mut();
            for (part, count) in [(1, above), (0, below)] {
                // Bits that go beyond their byte are none of the planes.
                let mut bits = parts.map(|parts| parts[part].raise(8 - count));
                for plane in out.by_ref().take(count) {
                    *plane = plane_of(bits);
                    bits = bits.map(|bits| bits.add(bits));
                }
            }
            above + below
        });
    }
}

/// What either of two has set.
trait Union {
    fn union(self, other: Self) -> Self;
}

impl<B: Bytes> Union for [B; 2] {
    #[inline(always)]
    fn union(self, other: Self) -> Self {
        [self[0].or(other[0]), self[1].or(other[1])]
    }
}

/// Residuals of blocks from their planes, which are taken from the front.
pub(crate) struct Unpack<'a, 'planes, S> {
    pub counts: &'a [u8],
    pub planes: &'a mut &'planes [u8],
    pub residuals: &'a mut [[S; BLOCK]],
}

impl<S: Depth> Unpack<'_, '_, S> {
    #[inline(always)]
    fn each(self, mut unpack: impl FnMut(&[u8], &mut [S; BLOCK])) {
        for (&count, block) in self.counts.iter().zip(self.residuals) {
            let (own, rest) = self.planes.split_at(usize::from(count) * PLANE);
            unpack(own, block);
            *self.planes = rest;
        }
    }
}

impl<S: Depth> Task for Unpack<'_, '_, S> {
    type Output = ();

    fn scalar(self) {
        self.each(S::unpack);
    }

    #[inline(always)]
    fn vector<F: Family>(self) {
        self.each(|planes, block| {
            let planes = planes.as_chunks::<PLANE>().0;
            let (above, below) = planes.split_at(planes.len().saturating_sub(8));
            let zero = BytesOf::<S::Column<F>>::splat(0);
            let mut parts = [[zero; 2]; 4];
            for (part, planes) in [(1, above), (0, below)] {
                for plane in planes {
                    for (parts, mask) in parts.iter_mut().zip(masks(plane)) {
                        let set = BytesOf::<S::Column<F>>::from_mask(mask);
                        parts[part] = parts[part].add(parts[part]).sub(set);
                    }
                }
            }
            store_columns(parts.map(S::Column::<F>::unzigzag), block);
        });
    }
}

/// [`Writer::write`].
pub(crate) struct Write<'a> {
    pub writer: &'a mut Writer,
    pub codes: &'a [[Code; 256]; CLASSES],
    pub classes: &'a [u8],
    pub symbols: &'a [u8],
}

impl Task for Write<'_> {
    type Output = ();

    fn scalar(self) {
        self.writer.write(self.codes, self.classes, self.symbols);
    }

    #[inline(always)]
    fn vector<F: Family>(self) {
        self.writer.write(self.codes, self.classes, self.symbols);
    }
}
