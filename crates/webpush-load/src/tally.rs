//! Received and acknowledged messages, on the side of the agents.

use crate::body::{Beginning, Stamp};
use crate::histogram::Histogram;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const SHARDS: usize = 16;
/// Interval at which the count is polled.
const LOOK: Duration = Duration::from_millis(20);

/// Counts what agents receive and acknowledge.
pub struct Tally {
    beginning: Beginning,
    acknowledged: AtomicU64,
    latencies: [Mutex<Histogram>; SHARDS],
}

impl Tally {
    /// Creates an empty tally.
    #[must_use]
    pub fn new(beginning: Beginning) -> Self {
        Self {
            beginning,
            acknowledged: AtomicU64::new(0),
            latencies: std::array::from_fn(|_| Mutex::default()),
        }
    }

    /// Records that a message was received now.
    pub fn received(&self, stamp: Stamp) {
        let latency = self.beginning.elapsed().saturating_sub(stamp.due);
        let shard = usize::try_from(stamp.number % SHARDS as u64).unwrap_or_default();
        self.latencies[shard].lock().unwrap_or_else(PoisonError::into_inner).record(latency);
    }

    /// Records that a message was acknowledged now.
    pub fn acknowledged(&self) {
        self.acknowledged.fetch_add(1, Ordering::Relaxed);
    }

    /// Clears all counts.
    pub fn reset(&self) {
        self.acknowledged.store(0, Ordering::Relaxed);
        for shard in &self.latencies {
            *shard.lock().unwrap_or_else(PoisonError::into_inner) = Histogram::default();
        }
    }

    /// Returns the number of acknowledged messages.
    pub fn count(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Waits until `expected` messages are acknowledged. Returns false after `patience` without progress.
    pub async fn wait_for(&self, expected: u64, patience: Duration) -> bool {
        let (mut last, mut moved) = (self.count(), Instant::now());
        while last < expected {
            if moved.elapsed() > patience {
                return false;
            }
            tokio::time::sleep(LOOK).await;
            let now = self.count();
            if now != last {
                (last, moved) = (now, Instant::now());
            }
        }
        true
    }

    /// Latency from the due time of each message to its arrival.
    #[must_use]
    pub fn latency(&self) -> Histogram {
        let mut all = Histogram::default();
        self.latencies
            .iter()
            .for_each(|shard| all.add(&shard.lock().unwrap_or_else(PoisonError::into_inner)));
        all
    }
}
