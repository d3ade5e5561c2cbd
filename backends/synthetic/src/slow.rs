use crate::script::Pause;
use std::time::{Duration, Instant};

/// A script's `slow`: for a while there is no room for one frame.
pub(crate) struct Slow {
    pause: Option<Pause>,
    until: Option<Instant>,
}

impl Slow {
    pub(crate) fn new(pause: Option<Pause>) -> Self {
        Slow { pause, until: None }
    }

    /// How long this frame has to wait yet; the time runs from the first question about it.
    pub(crate) fn left(&mut self, frame: u64) -> Duration {
        let Some(pause) = self.pause.filter(|pause| pause.frame == frame) else {
            return Duration::ZERO;
        };
        let now = Instant::now();
        self.until.get_or_insert(now + pause.time).saturating_duration_since(now)
    }
}
