//! How often PACE goes out.

use std::time::Duration;

/// What one tells is in the next, so that few tell as much as many.
const APART: Duration = Duration::from_millis(20);

/// When the last one was due.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Paces(Option<Duration>);

impl Paces {
    /// Whether one is due now; if so, the next is not for a while.
    pub(super) fn due(&mut self, now: Duration) -> bool {
        let due = self.0.is_none_or(|last| now.saturating_sub(last) >= APART);
        if due {
            self.0 = Some(now);
        }
        due
    }
}
