//! The window: how many frames (encode) or packets (decode) may be on their way.
//!
//! A fixed one is what the caller says. One that adapts climbs: as long as more of them on their way
//! means more of them delivered per second it grows, and where fewer do as well it shrinks, so that it
//! ends near the smallest that keeps the slowest part of the path busy. Fewer on their way is less
//! memory at both ends, and less to wait for at the end of a stream.

use std::time::Duration;

/// An adaptive window begins with the size that is the default of a fixed one.
const FIRST: usize = 16;

/// With `x.ack.v1` one is under way while the one before is decompressed and one is being compressed …
const LEAST_WITH_ACK: usize = 3;

/// … without it the window holds what the encoder reorders and looks ahead, too, and servers know that
/// they have so much.
const LEAST: usize = 8;

/// As many as are ever in flight with servers that do not say what they have taken.
const MOST: usize = 64;

/// What all frames in flight may take together, uncompressed …
const MOST_BYTES: u64 = 512 << 20;

/// … unless a frame is so large that there would be fewer than these.
const MOST_AT_LEAST: usize = 8;

/// A rate is measured over as many deliveries, or over twice the window if that is more, …
const DELIVERIES: u64 = 16;

/// … and over as long.
const EPOCH: Duration = Duration::from_millis(200);

/// A larger window stays if it delivers more by this factor, …
const GAIN: f64 = 1.05;

/// … and a smaller one unless it delivers less by this.
const LOSS: f64 = 0.97;

/// Measurements between two trials: at first, and after trials that changed nothing.
const REST: u32 = 2;
const LONGEST_REST: u32 = 32;

/// Frames or packets that an adaptive window may come to, for pictures of so many bytes.
pub(crate) fn most_adaptive(picture_bytes: u64) -> usize {
    let fit = MOST_BYTES / picture_bytes.max(1);
    usize::try_from(fit).unwrap_or(MOST).clamp(MOST_AT_LEAST, MOST)
}

#[derive(Debug)]
pub(super) struct Window {
    size: usize,
    climb: Option<Climb>,
}

/// How an adaptive window looks for its size.
#[derive(Debug)]
struct Climb {
    least: usize,
    most: usize,
    began: Option<Duration>,
    delivered: u64,
    /// Of what was delivered, what left a full window behind when it was.
    full: u64,
    /// The most that was on its way at once.
    peak: usize,
    trial: Option<Trial>,
    /// Measurements until the next trial, and how many there were before the last.
    rest: u32,
    last_rest: u32,
    /// The next trial is of a smaller window.
    down: bool,
}

/// The window before it was changed, and the deliveries per second that it had.
#[derive(Debug, Clone, Copy)]
struct Trial {
    size: usize,
    rate: f64,
}

impl Window {
    /// One of this size.
    pub(super) fn fixed(size: usize) -> Self {
        Self { size, climb: None }
    }

    /// One that adapts, with a server that says what it has taken or one that does not.
    pub(super) fn adaptive(acks: bool, picture_bytes: u64) -> Self {
        let most = most_adaptive(picture_bytes);
        let least = if acks { LEAST_WITH_ACK } else { LEAST };
        let climb = Climb {
            least,
            most,
            began: None,
            delivered: 0,
            full: 0,
            peak: 0,
            trial: None,
            rest: 0,
            last_rest: REST,
            down: false,
        };
        Self { size: FIRST.min(most), climb: Some(climb) }
    }

    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// So many were delivered, when `used` of the window was in use.
    pub(super) fn delivered(&mut self, now: Duration, count: u64, used: usize) {
        if let Some(climb) = &mut self.climb
            && let Some(rate) = climb.measure(now, count, used, self.size)
        {
            self.size = climb.step(self.size, rate);
        }
    }
}

impl Climb {
    /// The deliveries per second once enough is known.
    fn measure(&mut self, now: Duration, count: u64, used: usize, size: usize) -> Option<f64> {
        // Time runs from a delivery on: what was before it was not under way all the time.
        let Some(began) = self.began else {
            self.began = Some(now);
            return None;
        };
        self.delivered += count;
        self.full += if used >= size { count } else { 0 };
        self.peak = self.peak.max(used);
        let passed = now.saturating_sub(began);
        let enough = DELIVERIES.max(2 * size as u64);
        (self.delivered >= enough && passed >= EPOCH)
            .then(|| self.delivered as f64 / passed.as_secs_f64())
    }

    /// What a measurement makes of the window. Another begins.
    fn step(&mut self, size: usize, rate: f64) -> usize {
        let limiting = 2 * self.full >= self.delivered;
        let peak = self.peak;
        (self.began, self.delivered, self.full, self.peak) = (None, 0, 0, 0);
        if !limiting {
            // Frames come slower than they could leave: room that is not used is not needed.
            self.trial = None;
            (self.rest, self.last_rest, self.down) = (REST, REST, false);
            return (peak + 1).clamp(self.least, size.max(self.least));
        }
        let Some(trial) = self.trial.take() else {
            if self.rest > 0 {
                self.rest -= 1;
                return size;
            }
            return self.try_another(size, rate);
        };
        let better = match trial.size < size {
            true => rate >= trial.rate * GAIN,
            false => rate >= trial.rate * LOSS,
        };
        if better {
            self.last_rest = REST;
            return self.try_another(size, rate);
        }
        // The other way next, and the longer from now the more often nothing came of it.
        self.down = !self.down;
        self.rest = self.last_rest;
        self.last_rest = (2 * self.last_rest).min(LONGEST_REST);
        trial.size
    }

    fn try_another(&mut self, size: usize, rate: f64) -> usize {
        let step = (size / 4).max(1);
        let other = match self.down {
            true => size - step.min(size),
            false => size + 2 * step,
        };
        let other = other.clamp(self.least, self.most);
        if other == size {
            // That way it does not go.
            self.down = !self.down;
            self.rest = self.last_rest;
            return size;
        }
        self.trial = Some(Trial { size, rate });
        other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HD: u64 = 1920 * 1080 * 3 / 2;

    /// A path that takes so long from end to end and delivers so many per second at most, with a source
    /// of so many per second, for so many deliveries. Gives the sizes that the window had.
    fn run(window: &mut Window, seconds: f64, most: f64, source: f64, count: u32) -> Vec<usize> {
        let mut now = 0.0;
        let mut sizes = Vec::new();
        for _ in 0..count {
            let rate = (window.size() as f64 / seconds).min(most).min(source);
            now += 1.0 / rate;
            let under_way = (rate * seconds).ceil() as usize;
            // What is faster than the path fills the window.
            let used = if source > rate { window.size() } else { under_way.min(window.size()) };
            window.delivered(Duration::from_secs_f64(now), 1, used);
            sizes.push(window.size());
        }
        sizes
    }

    /// What it comes to in the end, but for short trials.
    fn last(sizes: &[usize]) -> usize {
        let mut end = sizes[sizes.len() - sizes.len() / 4..].to_vec();
        end.sort_unstable();
        end[end.len() / 2]
    }

    #[test]
    fn a_fixed_window_stays() {
        let mut window = Window::fixed(5);
        assert_eq!(last(&run(&mut window, 0.5, 1000.0, 1000.0, 2000)), 5);
    }

    #[test]
    fn a_long_path_gets_the_window_that_fills_it() {
        // 40 are under way where 400 per second take a tenth of a second.
        let sizes = run(&mut Window::adaptive(true, HD), 0.1, 400.0, 1e6, 20_000);
        let last = last(&sizes);
        assert!((38..=48).contains(&last), "{last}");
        let full = sizes[5_000..].iter().filter(|size| **size >= 38).count();
        assert!(full > 14_000, "{full}");
    }

    #[test]
    fn a_short_path_gets_a_small_window() {
        for acks in [true, false] {
            let sizes = run(&mut Window::adaptive(acks, HD), 0.01, 100.0, 1e6, 20_000);
            let least = if acks { 3 } else { 8 };
            let last = last(&sizes);
            assert!((least..=least + 2).contains(&last), "{last}");
        }
    }

    #[test]
    fn a_slow_source_needs_no_more_than_it_fills() {
        let sizes = run(&mut Window::adaptive(true, HD), 0.1, 1000.0, 50.0, 2_000);
        assert_eq!(last(&sizes), 6);
    }

    #[test]
    fn a_path_that_changes_is_followed() {
        let mut window = Window::adaptive(true, HD);
        run(&mut window, 0.01, 100.0, 1e6, 5_000);
        assert!(window.size() < 8, "{}", window.size());
        let mut later = Window { size: window.size(), climb: window.climb.take() };
        if let Some(climb) = &mut later.climb {
            climb.began = None;
        }
        run(&mut later, 0.1, 400.0, 1e6, 20_000);
        assert!(later.size() > 28, "{}", later.size());
    }

    #[test]
    fn large_pictures_bound_it() {
        assert_eq!(most_adaptive(HD), 64);
        assert_eq!(most_adaptive(3840 * 2160 * 3), 21);
        assert_eq!(most_adaptive(16_384 * 4096 * 3), 8);
        assert_eq!(most_adaptive(0), 64);
        let sizes = run(&mut Window::adaptive(true, 3840 * 2160 * 3), 1.0, 400.0, 1e6, 5_000);
        assert!(sizes.iter().all(|size| *size <= 21));
    }
}
