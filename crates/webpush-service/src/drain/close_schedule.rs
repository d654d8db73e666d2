//! When sessions deadline a service that stops: spread over a window, so that they don't all come back at once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// 2⁶⁴ divided by the golden ratio. Steps of it around a circle deadline no large gap, however many are taken.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Hands out times within a window. They are spread evenly whether three sessions deadline or a million, and nobody has to know
/// beforehand how many there are. Where they begin is random, so that services which stop together don't keep step.
pub(super) struct CloseSchedule {
    begun: Instant,
    window: Duration,
    /// In 2⁻⁶⁴ of the window.
    next: AtomicU64,
}

impl CloseSchedule {
    pub(super) const fn new(begun: Instant, window: Duration, first: u64) -> Self {
        Self { begun, window, next: AtomicU64::new(first) }
    }

    /// The time for one more.
    pub(super) fn next(&self) -> Instant {
        let place = self.next.fetch_add(STEP, Ordering::Relaxed);
        let window = u64::try_from(self.window.as_nanos()).unwrap_or(u64::MAX);
        let after = (u128::from(window) * u128::from(place)) >> 64;
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
    fn no_gap_is_large_however_many_leave_and_wherever_it_begins() {
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
    fn services_that_stop_together_do_not_keep_step() {
        assert_ne!(times(5, 0), times(5, 1 << 40));
    }

    #[test]
    fn without_a_window_all_leave_at_once() {
        let begun = Instant::now();
        let close_schedule = CloseSchedule::new(begun, Duration::ZERO, u64::MAX);
        assert!((0..3).all(|_| close_schedule.next() == begun));
    }
}
