//! Connections to the public listener.

use super::exposition::Exposition;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of connections.
#[derive(Debug, Default)]
pub struct ConnectionCounts {
    open: AtomicU64,
    opened: AtomicU64,
    refused: AtomicU64,
    limit: AtomicU64,
}

impl ConnectionCounts {
    /// Records the connection limit.
    pub fn set_limit(&self, limit: usize) {
        self.limit.store(limit as u64, Ordering::Relaxed);
    }

    /// Counts an accepted connection.
    pub fn count_opened(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
        self.opened.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a closed connection.
    pub fn count_closed(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// Counts a connection closed because of a limit.
    pub fn count_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn open_now(&self) -> u64 {
        self.open.load(Ordering::Relaxed)
    }

    pub(super) fn encode(&self, out: &mut Exposition<'_>) -> fmt::Result {
        let get = |number: &AtomicU64| number.load(Ordering::Relaxed);
        out.gauge("connections", "Open connections to the public listener.", get(&self.open))?;
        out.gauge("connections_limit", "Maximum number of open connections.", get(&self.limit))?;
        out.counter("connections_opened", "Connections accepted.", get(&self.opened))?;
        out.counter(
            "connections_refused",
            "Connections closed immediately because a connection limit was reached.",
            get(&self.refused),
        )
    }
}
