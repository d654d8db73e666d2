//! A clock that tests can advance.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use webpush_core::env::{Clock, MonotonicTime};
use webpush_core::time::Timestamp;
use webpush_store::system::SystemClock;

/// The system's clock, plus an advance.
///
/// Only the wall clock advances: connections would look dead if monotonic time jumped.
#[derive(Debug, Default)]
pub(crate) struct DevClock {
    advance_millis: AtomicU64,
}

impl DevClock {
    /// Advances the clock further. Saturates.
    pub(crate) fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        let add = |advance: u64| Some(advance.saturating_add(by));
        // Never fails, because `add` always returns a value.
        let _ = self.advance_millis.fetch_update(Ordering::AcqRel, Ordering::Acquire, add);
    }

    /// Returns to the system's time.
    pub(crate) fn reset(&self) {
        self.advance_millis.store(0, Ordering::Release);
    }

    /// Returns how far the clock is ahead.
    pub(crate) fn advanced(&self) -> Duration {
        Duration::from_millis(self.advance_millis.load(Ordering::Acquire))
    }
}

impl Clock for DevClock {
    fn now(&self) -> Timestamp {
        SystemClock.now().after(self.advanced())
    }

    fn monotonic(&self) -> MonotonicTime {
        SystemClock.monotonic()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_clock_advances_and_returns() {
        let clock = DevClock::default();
        let day = Duration::from_secs(86_400);
        let before = SystemClock.now();
        clock.advance(day);
        clock.advance(day);
        assert_eq!(clock.advanced(), 2 * day);
        assert!(clock.now() >= before.after(2 * day));
        clock.advance(Duration::MAX);
        assert_eq!(clock.now(), Timestamp::NEVER);
        clock.reset();
        assert!(clock.now() < before.after(day));
    }
}
