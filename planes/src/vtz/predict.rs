//! Prediction, sample by sample: what every kernel has to agree with.

use super::sample::Sample;
use super::strip::{LANES, Strip, TILE, steps};

/// What a sample is predicted from. The numbers are those of the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Predictor {
    /// The median of left, up and left + up − up-left.
    Median = 0,
    /// The mean of left and up.
    Average = 1,
    /// The reference's sample.
    Still = 2,
    /// The reference's sample and the median of what its neighbours have changed by.
    Moved = 3,
}

impl Predictor {
    pub(crate) const ALL: [Self; 4] = [Self::Median, Self::Average, Self::Still, Self::Moved];

    /// Whether it needs a reference.
    pub(crate) fn is_temporal(number: u8) -> bool {
        number >= Self::Still as u8
    }

    /// The cheapest, from the sums of |residual|. Without a reference the last two do not count.
    pub(crate) fn choose(costs: [u32; 4], temporal: bool) -> Self {
        let [median, average, still, moved] = costs;
        let (mut best, mut least) = (Self::Median, median);
        if average < least {
            (best, least) = (Self::Average, average);
        }
        if temporal {
            // On a tie what is static costs the reader least.
            if still <= least {
                (best, least) = (Self::Still, still);
            }
            if moved < least {
                best = Self::Moved;
            }
        }
        best
    }

    fn predict<S: Sample>(self, now: Around<S>, then: Around<S>) -> S {
        match self {
            Self::Median => S::median(now.left, now.up, now.up_left),
            Self::Average => S::average(now.left, now.up),
            Self::Still => then.at,
            Self::Moved => S::moved(
                then.at,
                [now.left, then.left],
                [now.up, then.up],
                [now.up_left, then.up_left],
            ),
        }
    }
}

/// A sample and its neighbours.
#[derive(Clone, Copy)]
struct Around<S> {
    at: S,
    left: S,
    up: S,
    up_left: S,
}

fn around<S: Sample>(strip: &Strip<S>, lane: usize, column: isize) -> Around<S> {
    let sample = |row, column| strip.samples()[strip.index(row, column)];
    Around {
        at: sample(lane + 1, column),
        left: sample(lane + 1, column - 1),
        up: sample(lane, column),
        up_left: sample(lane, column - 1),
    }
}

/// Whether a lane's column at a step is of the picture.
fn is_inside(width: usize, rows: usize, lane: usize, column: isize) -> bool {
    lane < rows && (0..width as isize).contains(&column)
}

/// Chooses a predictor for each tile and writes the residuals in the order of the wavefront, zero
/// where there is no picture. Both strips are padded, the reference's left with the corner of
/// `strip`; `rows` of the strip are picture.
pub(crate) fn forward<S: Sample>(
    strip: &Strip<S>,
    reference: Option<&Strip<S>>,
    rows: usize,
    residuals: &mut [S],
    predictors: &mut [u8],
) {
    let width = strip.width();
    let tiles = residuals.chunks_exact_mut(TILE * LANES).take(steps(width) / TILE);
    for (tile, (residuals, chosen)) in tiles.zip(predictors).enumerate() {
        let residual = |predictor: Predictor, step: usize, lane: usize| {
            let column = (tile * TILE + step) as isize - lane as isize;
            let now = around(strip, lane, column);
            let then = reference.map_or(now, |reference| around(reference, lane, column));
            (column, now.at.residual(predictor.predict(now, then)))
        };
        let costs = Predictor::ALL.map(|predictor| {
            let samples = (0..rows).flat_map(|lane| (0..TILE).map(move |step| (step, lane)));
            samples.map(|(step, lane)| residual(predictor, step, lane).1.magnitude()).sum()
        });
        let predictor = Predictor::choose(costs, reference.is_some());
        *chosen = predictor as u8;
        for (step, residuals) in residuals.chunks_exact_mut(LANES).enumerate() {
            for (lane, coded) in residuals.iter_mut().enumerate() {
                let (column, residual) = residual(predictor, step, lane);
                let inside = is_inside(width, rows, lane, column);
                *coded = if inside { residual } else { S::default() };
            }
        }
    }
}

/// Restores a strip from its residuals, the row above it and the reference, whose left is padded
/// with the corner of `strip`. `predictors` that need a reference come only with one.
pub(crate) fn inverse<S: Sample>(
    strip: &mut Strip<S>,
    reference: Option<&Strip<S>>,
    residuals: &[S],
    predictors: &[u8],
) {
    let (steps, corner) = (steps(strip.width()), strip.corner());
    for (step, residuals) in residuals.chunks_exact(LANES).take(steps).enumerate() {
        let predictor = Predictor::ALL[usize::from(predictors[step / TILE] & 3)];
        for (lane, &residual) in residuals.iter().enumerate() {
            let column = step as isize - lane as isize;
            let sample = if column < 0 {
                corner
            } else {
                let now = around(strip, lane, column);
                let then = reference.map_or(now, |reference| around(reference, lane, column));
                S::restore(predictor.predict(now, then), residual)
            };
            let at = strip.index(lane + 1, column);
            strip.samples_mut()[at] = sample;
        }
    }
}
