//! Limits a log message to one per minute.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::time::Instant;

const SECONDS: u64 = 60;

/// The origin of the seconds below.
static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// When a message was logged last, in seconds plus one; 0 is never.
#[derive(Debug)]
pub struct LogThrottle(AtomicU64);

impl LogThrottle {
    /// Creates a throttle that lets the first message through.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Returns true if the message may be logged, which then counts as logged.
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
        let throttle = LogThrottle::new();
        let due: Vec<_> =
            [1, 1, 60, 61, 61, 120, 500].into_iter().filter(|now| throttle.is_due_at(*now)).collect();
        assert_eq!(due, [1, 61, 500]);
    }
}
