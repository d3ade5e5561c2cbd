use std::time::{Duration, Instant};

/// Buckets a doubling of time.
const STEPS: usize = 8;
/// From a microsecond up to over an hour.
const BUCKETS: usize = 32 * STEPS;
/// Frames that are timed at once. A decoder may never give what a peer's packets announce.
const MAX_WAITING: usize = 1024;

/// How long the backend had each frame, in a histogram of fixed size.
pub(super) struct Latency {
    /// In no order: they are few.
    waiting: Vec<(i64, Instant)>,
    buckets: Box<[u32; BUCKETS]>,
    count: u64,
}

impl Default for Latency {
    fn default() -> Self {
        Latency { waiting: Vec::new(), buckets: Box::new([0; BUCKETS]), count: 0 }
    }
}

impl Latency {
    /// The backend has the frame of this pts.
    pub(super) fn begin(&mut self, pts: i64) {
        if self.waiting.len() < MAX_WAITING {
            self.waiting.push((pts, Instant::now()));
        }
    }

    /// And has given its output.
    pub(super) fn end(&mut self, pts: i64) {
        if let Some(at) = self.waiting.iter().position(|(waiting, _)| *waiting == pts) {
            let (_, began) = self.waiting.swap_remove(at);
            self.add(began.elapsed());
        }
    }

    fn add(&mut self, time: Duration) {
        let micros = (time.as_micros() as f64).max(1.0);
        let bucket = (micros.log2() * STEPS as f64) as usize;
        self.buckets[bucket.min(BUCKETS - 1)] += 1;
        self.count += 1;
    }

    /// The time that this share of the frames stayed below, in milliseconds, to within 9 %.
    pub(super) fn percentile(&self, share: f64) -> f64 {
        let wanted = (self.count as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bucket, &count) in self.buckets.iter().enumerate() {
            seen += u64::from(count);
            if seen >= wanted {
                let micros = ((bucket + 1) as f64 / STEPS as f64).exp2();
                return (micros / 10.0).round() / 100.0;
            }
        }
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_right_to_within_a_bucket() {
        let mut latency = Latency::default();
        assert_eq!(latency.percentile(0.5), 0.0);
        for millis in 1..=100 {
            latency.add(Duration::from_millis(millis));
        }
        for (share, exact) in [(0.5, 50.0), (0.99, 99.0)] {
            let found = latency.percentile(share);
            assert!(found >= exact * 0.99 && found <= exact * 1.1, "{share}: {found}");
        }
    }
}
