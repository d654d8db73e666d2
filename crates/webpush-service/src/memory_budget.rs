//! A bound for the memory of the process.
//!
//! Everything that clients make the server hold has a bound for each connection, agent or network. Together the bounds
//! exceed what a machine has. So the memory in use is measured, and above the limit only requests that need little go
//! on: acknowledgements, removals, health checks, reads of one message. Requests with a body and new sessions are
//! refused, and idle HTTP/2 connections end.
//!
//! ```text
//!            used > limit
//!   enough --------------> low
//!          <--------------
//!      used <= RECOVERED of limit
//! ```

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::sync::Notify;

/// Percentage of the limit below which everything is served again.
const RECOVERED_PERCENT: u64 = 95;

/// The limit of the memory in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MemoryLimit {
    /// Three quarters of the memory of the machine, or of what its cgroup allows.
    #[default]
    Share,
    /// No limit.
    Off,
    /// This many bytes.
    At(u64),
}

/// The memory in use, and whether it exceeds the limit.
#[derive(Debug, Default)]
pub struct MemoryBudget {
    is_low: AtomicBool,
    /// In bytes; 0 is none.
    limit: AtomicU64,
    became_low: Notify,
}

impl MemoryBudget {
    /// Returns true if memory is low.
    #[must_use]
    pub fn is_low(&self) -> bool {
        self.is_low.load(Ordering::Relaxed)
    }

    /// Waits until memory is low.
    pub async fn low(&self) {
        loop {
            let became_low = self.became_low.notified();
            if self.is_low() {
                return;
            }
            became_low.await;
        }
    }

    /// Returns the limit in bytes, if there is one.
    #[must_use]
    pub fn limit(&self) -> Option<u64> {
        Some(self.limit.load(Ordering::Relaxed)).filter(|limit| *limit > 0)
    }

    /// Records a measurement. Returns true if memory became low, or no longer is.
    pub fn record(&self, used: u64, limit: Option<u64>) -> bool {
        self.limit.store(limit.unwrap_or(0), Ordering::Relaxed);
        let was_low = self.is_low();
        let is_low = limit.is_some_and(|limit| {
            let mark = if was_low { limit / 100 * RECOVERED_PERCENT } else { limit };
            used > mark
        });
        self.is_low.store(is_low, Ordering::Relaxed);
        if is_low && !was_low {
            self.became_low.notify_waiters();
        }
        is_low != was_low
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A2: the process had no bound.
    #[test]
    fn memory_is_low_above_the_limit_until_it_is_well_below() {
        let budget = MemoryBudget::default();
        for (used, is_low) in
            [(900, false), (1000, false), (1001, true), (951, true), (950, false), (1000, false)]
        {
            let was_low = budget.is_low();
            assert_eq!(budget.record(used, Some(1000)), was_low != is_low, "{used}");
            assert_eq!(budget.is_low(), is_low, "{used}");
        }
        assert!(
            budget.record(1001, Some(1000)) && budget.record(1001, None),
            "without a limit it is never low"
        );
        assert_eq!((budget.is_low(), budget.limit()), (false, None));
    }
}
