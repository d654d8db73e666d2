//! Delays before listening again.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);
/// A connection that lasted this long resets the delay.
const HEALTHY: Duration = Duration::from_secs(30);
/// Requests that the server ends sooner than this are delayed.
const SUDDEN: Duration = Duration::from_secs(1);

/// A delay of 1 s that doubles with every failure, up to 30 s.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
    sudden_ends: u32,
}

impl Backoff {
    /// Returns the delay after a connection that failed.
    pub(super) fn after_failure(&mut self, lasted: Duration, progress: bool) -> Duration {
        if progress || lasted >= HEALTHY {
            self.failures = 0;
        }
        let pause = doubled(self.failures);
        self.failures += 1;
        pause
    }

    /// Returns the delay after the server has ended the request: none, unless it keeps doing so.
    pub(super) fn after_end(&mut self, lasted: Duration, progress: bool) -> Duration {
        self.failures = 0;
        if progress || lasted >= SUDDEN {
            self.sudden_ends = 0;
            return Duration::ZERO;
        }
        self.sudden_ends += 1;
        self.sudden_ends.checked_sub(2).map_or(Duration::ZERO, doubled)
    }
}

fn doubled(times: u32) -> Duration {
    FIRST.saturating_mul(1 << times.min(5)).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;

    #[test]
    fn failures_double_the_delay() {
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = (0..8).map(|_| backoff.after_failure(NOW, false).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30, 30]);
        assert_eq!(backoff.after_failure(NOW, true), FIRST, "a message came");
        assert_eq!(backoff.after_failure(NOW, false), FIRST * 2);
        assert_eq!(backoff.after_failure(HEALTHY, false), FIRST, "it held");
    }

    #[test]
    fn a_graceful_end_causes_a_delay_only_if_repeated() {
        let mut backoff = Backoff::default();
        for _ in 0..3 {
            assert_eq!(backoff.after_end(SUDDEN, false), NOW);
            assert_eq!(backoff.after_end(NOW, true), NOW);
        }
        let pauses: Vec<_> = (0..4).map(|_| backoff.after_end(NOW, false).as_secs()).collect();
        assert_eq!(pauses, [0, 1, 2, 4]);
        assert_eq!(backoff.after_end(SUDDEN, false), NOW);
    }
}
