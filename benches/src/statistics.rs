//! Medians and quartiles.

/// Where the middle half of some values lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Quartiles {
    pub(crate) q1: f64,
    pub(crate) median: f64,
    pub(crate) q3: f64,
}

impl Quartiles {
    /// None of no values. Between two values it is what lies on the line between them.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().checked_sub(1)?;
        let at = |share: f64| {
            let place = share * last as f64;
            let (low, high) = (place.floor(), place.ceil());
            let (from, to) = (sorted[low as usize], sorted[high as usize]);
            from + (to - from) * (place - low)
        };
        Some(Self { q1: at(0.25), median: at(0.5), q3: at(0.75) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_lie_between_values_where_they_must() {
        let quartiles = Quartiles::of([4.0, 1.0, 3.0, 2.0]);
        assert_eq!(quartiles, Some(Quartiles { q1: 1.75, median: 2.5, q3: 3.25 }));
        let quartiles = Quartiles::of([7.0]);
        assert_eq!(quartiles, Some(Quartiles { q1: 7.0, median: 7.0, q3: 7.0 }));
        assert_eq!(Quartiles::of([]), None);
    }
}
