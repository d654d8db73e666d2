//! What is said once a minute, not for every connection of a flood.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::time::Instant;

const SECONDS: u64 = 60;

/// From where seconds are counted.
static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// When something was said last: in seconds, plus one.
#[derive(Debug)]
pub struct LogThrottle(AtomicU64);

impl LogThrottle {
    /// Never yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Whether it is to be said now. Then it counts as said.
    pub fn is_due(&self) -> bool {
        self.is_due_at(BEGUN.elapsed().as_secs() + 1)
    }

    fn is_due_at(&self, now: u64) -> bool {
        let last = self.0.load(Ordering::Relaxed);
        let due = last == 0 || now >= last + SECONDS;
        due && self.0.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

impl Default for LogThrottle {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_a_minute() {
        let seldom = LogThrottle::new();
        let due: Vec<_> =
            [1, 1, 60, 61, 61, 120, 500].into_iter().filter(|now| seldom.is_due_at(*now)).collect();
        assert_eq!(due, [1, 61, 500]);
    }
}
