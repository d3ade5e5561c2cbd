//! Prediction of sixteen rows at a time: see the module `predict` for what it has to come to.

use super::depth::Depth;
use super::predict::{self, Predictor};
use super::strip::{LANES, Strip, TILE, steps};
use super::vector::{Column, Family, Task, Vector};

/// [`predict::forward`].
pub(crate) struct Forward<'a, S> {
    pub strip: &'a Strip<S>,
    pub reference: Option<&'a Strip<S>>,
    pub rows: usize,
    pub residuals: &'a mut [S],
    pub predictors: &'a mut [u8],
}

impl<S: Depth> Task for Forward<'_, S> {
    type Output = ();

    fn scalar(self) {
        let Self { strip, reference, rows, residuals, predictors } = self;
        predict::forward(strip, reference, rows, residuals, predictors);
    }

    #[inline(always)]
    fn vector<F: Family>(mut self) {
        let tiles = steps(self.strip.width()) / TILE;
        let wide = S::Wide::<F>::TILES;
        let mut tile = 0;
        while tile + wide <= tiles {
            self.tiles::<S::Wide<F>>(tile);
            tile += wide;
        }
        if tile < tiles {
            self.tiles::<S::Column<F>>(tile);
        }
    }
}

impl<S: Depth> Forward<'_, S> {
    #[inline(always)]
    fn tiles<V: Vector<Sample = S>>(&mut self, tile: usize) {
        match self.reference {
            None => self.spatial::<V>(tile),
            Some(reference) => self.temporal::<V>(tile, reference),
        }
    }

    // Residuals are found by predictor and lane: iterators over them cost twice the instructions.
    #[allow(clippy::needless_range_loop)]
    #[inline(always)]
    fn spatial<V: Vector<Sample = S>>(&mut self, tile: usize) {
        let (mut costs, mut residuals) = ([V::free(); 2], [[V::zero(); LANES]; 2]);
        for lane in 0..self.rows.min(LANES) {
            let [at, left, up, up_left] = around::<V>(self.strip, lane, tile * TILE);
            let predictions = [V::median(left, up, up_left), V::average(left, up)];
            for (which, prediction) in predictions.into_iter().enumerate() {
                let residual = at.residual(prediction);
                residuals[which][lane] = residual;
                costs[which] = V::cost(costs[which], residual);
            }
        }
        let costs = costs.map(V::costs);
        for part in 0..V::TILES {
            let costs = [costs[0][part], costs[1][part], 0, 0];
            let predictor = Predictor::choose(costs, false);
            let residuals = &residuals[predictor as usize & 1];
            self.finish::<V::Column>(tile + part, predictor, |lane| residuals[lane].tile(part));
        }
    }

    #[allow(clippy::needless_range_loop)]
    #[inline(always)]
    fn temporal<V: Vector<Sample = S>>(&mut self, tile: usize, reference: &Strip<S>) {
        let (mut costs, mut residuals) = ([V::free(); 4], [[V::zero(); LANES]; 4]);
        for lane in 0..self.rows.min(LANES) {
            let [at, left, up, up_left] = around::<V>(self.strip, lane, tile * TILE);
            let [then, then_left, then_up, then_up_left] =
                around::<V>(reference, lane, tile * TILE);
            let predictions = [
                V::median(left, up, up_left),
                V::average(left, up),
                then,
                V::moved(then, [left, then_left], [up, then_up], [up_left, then_up_left]),
            ];
            for (which, prediction) in predictions.into_iter().enumerate() {
                let residual = at.residual(prediction);
                residuals[which][lane] = residual;
                costs[which] = V::cost(costs[which], residual);
            }
        }
        let costs = costs.map(V::costs);
        for part in 0..V::TILES {
            let predictor = Predictor::choose(costs.map(|costs| costs[part]), true);
            let residuals = &residuals[predictor as usize & 3];
            self.finish::<V::Column>(tile + part, predictor, |lane| residuals[lane].tile(part));
        }
    }

    /// Turns the rows of a tile into steps, without what is no picture.
    #[inline(always)]
    fn finish<C: Column<Sample = S>>(
        &mut self,
        tile: usize,
        predictor: Predictor,
        row: impl Fn(usize) -> C,
    ) {
        self.predictors[tile] = predictor as u8;
        let mut columns = [C::zero(); LANES];
        for (lane, column) in columns.iter_mut().enumerate() {
            *column = row(lane);
        }
        C::transpose(&mut columns);
        let (first, width) = (tile * TILE, self.strip.width());
        if tile == 0 {
            for (step, column) in columns.iter_mut().enumerate() {
                *column = column.first(step + 1, C::zero());
            }
        }
        if first + TILE > width {
            for (step, column) in columns.iter_mut().enumerate() {
                // From the lane on that is in the last column.
                let outside = (first + step + 1).saturating_sub(width).min(LANES);
                *column = C::zero().first(outside, *column);
            }
        }
        let out = &mut self.residuals[first * LANES..][..TILE * LANES];
        for (column, out) in columns.into_iter().zip(out.chunks_exact_mut(LANES)) {
            column.store(out);
        }
    }
}

/// The samples of a lane from a step on, and their neighbours: left, up and up-left.
#[inline(always)]
fn around<V: Vector>(strip: &Strip<V::Sample>, lane: usize, step: usize) -> [V; 4] {
    let column = step as isize - lane as isize - 1;
    let len = TILE * V::TILES + 1;
    let row = &strip.samples()[strip.index(lane + 1, column)..][..len];
    let above = &strip.samples()[strip.index(lane, column)..][..len];
    [V::load(&row[1..]), V::load(row), V::load(&above[1..]), V::load(above)]
}

/// [`predict::inverse`].
pub(crate) struct Inverse<'a, S> {
    pub strip: &'a mut Strip<S>,
    pub reference: Option<&'a Strip<S>>,
    pub residuals: &'a [S],
    pub predictors: &'a [u8],
}

impl<S: Depth> Task for Inverse<'_, S> {
    type Output = ();

    fn scalar(self) {
        let Self { strip, reference, residuals, predictors } = self;
        predict::inverse(strip, reference, residuals, predictors);
    }

    #[inline(always)]
    fn vector<F: Family>(self) {
        self.run::<S::Column<F>>();
    }
}

/// What a step needs of the one before.
#[derive(Clone, Copy)]
struct Before<C> {
    at: C,
    up: C,
}

impl<S: Depth> Inverse<'_, S> {
    #[inline(always)]
    fn run<C: Column<Sample = S>>(self) {
        let Self { strip, reference, residuals, predictors } = self;
        let corner = C::splat(strip.corner());
        let mut now = Before { at: corner, up: corner };
        let mut then = now;
        let temporal = predictors.iter().any(|&predictor| Predictor::is_temporal(predictor));
        let reference = if temporal { reference } else { None };
        let tiles = residuals.chunks_exact(TILE * LANES).zip(predictors);
        for (tile, (residuals, &predictor)) in tiles.enumerate() {
            let first = tile * TILE;
            let mut references = [C::zero(); LANES];
            if let Some(reference) = reference {
                for (lane, row) in references.iter_mut().enumerate() {
                    let at = reference.index(lane + 1, first as isize - lane as isize);
                    *row = C::load(&reference.samples()[at..][..TILE]);
                }
                C::transpose(&mut references);
            }
            let mut columns = [C::zero(); LANES];
            let above: &[S; TILE] =
                strip.samples()[strip.index(0, first as isize)..].first_chunk().unwrap();
            macro_rules! steps {
                (|$left:ident, $up:ident, $up_left:ident, $step:ident| $prediction:expr) => {
                    for $step in 0..TILE {
                        let ($left, $up_left) = (now.at, now.up);
                        let $up = now.at.shift_in(above[$step]);
                        let residual = C::load(&residuals[$step * LANES..][..LANES]);
                        let mut column = C::restore($prediction, residual);
                        if tile == 0 {
                            column = column.first($step + 1, corner);
                        }
                        columns[$step] = column;
                        now = Before { at: column, up: $up };
                    }
                };
            }
            let reference_above = reference.map(|reference| {
                &reference.samples()[reference.index(0, first as isize)..][..TILE]
            });
            match Predictor::ALL[usize::from(predictor & 3)] {
                Predictor::Median => {
                    steps!(|left, up, up_left, _step| C::median(left, up, up_left))
                }
                Predictor::Average => steps!(|left, up, _up_left, _step| C::average(left, up)),
                Predictor::Still => steps!(|_left, _up, _up_left, step| references[step]),
                Predictor::Moved => {
                    let above = reference_above.unwrap_or(&[]);
                    let mut then = then;
                    steps!(|left, up, up_left, step| {
                        let then_up =
                            then.at.shift_in(above.get(step).copied().unwrap_or_default());
                        let at = references[step];
                        let moved =
                            C::moved(at, [left, then.at], [up, then_up], [up_left, then.up]);
                        then = Before { at, up: then_up };
                        moved
                    });
                }
            }
            if let Some(above) = reference_above {
                let up = references[TILE - 2].shift_in(above[TILE - 1]);
                then = Before { at: references[TILE - 1], up };
            }
            C::transpose(&mut columns);
            for (lane, row) in columns.into_iter().enumerate() {
                let at = strip.index(lane + 1, first as isize - lane as isize);
                row.store(&mut strip.samples_mut()[at..][..TILE]);
            }
        }
    }
}
