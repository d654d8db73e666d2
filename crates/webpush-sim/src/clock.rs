//! The clock of a node: the simulated time, delays of its disk, and its own error.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio::time::Instant;
use webpush_core::env::{Clock, MonotonicTime};
use webpush_core::time::Timestamp;
use webpush_store::simulation::SimulatedClock;

/// Wall-clock time at the start of every run: 2026-01-01.
const START_MILLIS: u64 = 1_767_225_600_000;

/// The clock of a node. Clones are the same clock.
#[derive(Clone)]
pub struct NodeClock {
    start: Instant,
    /// Moved forward by operations of the disk.
    pub disk: SimulatedClock,
    skew_millis: Arc<AtomicI64>,
}

impl NodeClock {
    /// Creates a clock that is right.
    #[must_use]
    pub fn new(start: Instant) -> Self {
        Self { start, disk: SimulatedClock::default(), skew_millis: Arc::default() }
    }

    /// Returns the simulated time since the start of the run.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        Instant::now().saturating_duration_since(self.start) + self.disk.monotonic().elapsed_since_start()
    }

    /// Returns the time until a point in monotonic time; zero if it has passed.
    #[must_use]
    pub fn monotonic_until(&self, at: MonotonicTime) -> Duration {
        at.since(self.monotonic())
    }

    /// Sets the difference between the wall-clock time of the node and the right one.
    pub fn set_skew(&self, millis: i64) {
        self.skew_millis.store(millis, Ordering::Relaxed);
    }
}

impl Clock for NodeClock {
    fn now(&self) -> Timestamp {
        let elapsed = u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX);
        let skew = self.skew_millis.load(Ordering::Relaxed);
        Timestamp::from_millis((START_MILLIS + elapsed).saturating_add_signed(skew))
    }

    fn monotonic(&self) -> MonotonicTime {
        MonotonicTime::since_start(self.elapsed())
    }
}
