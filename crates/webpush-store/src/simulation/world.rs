//! A clock that stands still until it is moved, and repeatable random bytes.

use super::random::Random;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use webpush_core::env::{Clock, Entropy, EntropyError, Env, MonotonicTime};
use webpush_core::time::Timestamp;

/// A clock that stands still until it is moved. Clones are the same clock.
#[derive(Clone, Debug, Default)]
pub struct SimulatedClock(Arc<AtomicU64>);

impl SimulatedClock {
    /// Wall-clock time at the start: 2026-01-01.
    const START: Timestamp = Timestamp::from_millis(1_767_225_600_000);

    /// Moves the clock forward.
    pub fn advance(&self, length: Duration) {
        let nanos = u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
        self.0.fetch_add(nanos, Ordering::Relaxed);
    }

    fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        Self::START.after(self.elapsed())
    }

    fn monotonic(&self) -> MonotonicTime {
        MonotonicTime::since_start(self.elapsed())
    }
}

/// Random bytes from a seed.
#[derive(Debug)]
pub struct SeededEntropy(Mutex<Random>);

impl SeededEntropy {
    /// Creates a source; the same seed gives the same bytes.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(Mutex::new(Random::new(seed)))
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        let mut random = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for chunk in bytes.chunks_mut(8) {
            let number = random.number().to_le_bytes();
            chunk.copy_from_slice(&number[..chunk.len()]);
        }
        Ok(())
    }
}

/// Returns the environment of a simulation.
#[must_use]
pub fn env(clock: &SimulatedClock, seed: u64) -> Env {
    Env::new(Arc::new(clock.clone()), Arc::new(SeededEntropy::new(seed)))
}
