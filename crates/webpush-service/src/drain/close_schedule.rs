//! Spreads the closing of sessions over a window, so that agents do not all reconnect at once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// 2⁶⁴ divided by the golden ratio.
///
/// Steps of this size around a circle leave no large gap, for any number of steps.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Hands out times in a window, evenly spread without knowing their number in advance.
///
/// The first one is random, so that servers that shut down together do not close sessions in step.
pub(super) struct CloseSchedule {
    begun: Instant,
    window: Duration,
    /// In units of 2⁻⁶⁴ of the window.
    next: AtomicU64,
}

impl CloseSchedule {
    pub(super) const fn new(begun: Instant, window: Duration, first: u64) -> Self {
        Self { begun, window, next: AtomicU64::new(first) }
    }

    /// Returns the next time.
    pub(super) fn next(&self) -> Instant {
        let fraction = self.next.fetch_add(STEP, Ordering::Relaxed);
        let window = u64::try_from(self.window.as_nanos()).unwrap_or(u64::MAX);
        let after = (u128::from(window) * u128::from(fraction)) >> 64;
        self.begun + Duration::from_nanos(u64::try_from(after).unwrap_or(window))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(10);

    fn times(count: usize, first: u64) -> Vec<Duration> {
        let begun = Instant::now();
        let close_schedule = CloseSchedule::new(begun, WINDOW, first);
        (0..count).map(|_| close_schedule.next() - begun).collect()
    }

    #[test]
    fn no_gap_is_large_for_any_number_of_sessions_and_any_start() {
        for first in [0, 1 << 63, u64::MAX, 0x0123_4567_89ab_cdef] {
            for count in [3_u32, 10, 100, 5000] {
                let mut all = times(count as usize, first);
                assert!(all.iter().all(|at| *at < WINDOW));
                all.sort_unstable();
                all.push(all[0] + WINDOW);
                let gap = all.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
                assert!(gap <= WINDOW * 2 / count, "{gap:?} between two of {count}");
            }
        }
    }

    #[test]
    fn servers_that_shut_down_together_do_not_keep_step() {
        assert_ne!(times(5, 0), times(5, 1 << 40));
    }

    #[test]
    fn without_a_window_all_sessions_are_closed_at_once() {
        let begun = Instant::now();
        let close_schedule = CloseSchedule::new(begun, Duration::ZERO, u64::MAX);
        assert!((0..3).all(|_| close_schedule.next() == begun));
    }
}
