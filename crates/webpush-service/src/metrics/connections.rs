//! Connections to the public listener.

use super::exposition::Exposition;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// Connections.
#[derive(Debug, Default)]
pub struct ConnectionCounts {
    open: AtomicU64,
    opened: AtomicU64,
    refused: AtomicU64,
    most: AtomicU64,
}

impl ConnectionCounts {
    /// There may be so many.
    pub fn set_limit(&self, most: usize) {
        self.most.store(most as u64, Ordering::Relaxed);
    }

    /// One was accepted.
    pub fn count_opened(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
        self.opened.fetch_add(1, Ordering::Relaxed);
    }

    /// One is no more.
    pub fn count_closed(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// One found no place.
    pub fn count_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn open_now(&self) -> u64 {
        self.open.load(Ordering::Relaxed)
    }

    pub(super) fn show(&self, out: &mut Exposition<'_>) -> fmt::Result {
        let get = |number: &AtomicU64| number.load(Ordering::Relaxed);
        out.gauge("connections", "Connections to the public listener.", get(&self.open))?;
        out.gauge("connections_limit", "Connections that there may be at once.", get(&self.most))?;
        out.counter("connections_opened", "Connections that were accepted.", get(&self.opened))?;
        out.counter(
            "connections_refused",
            "Connections that were closed at once, because there were as many as may be.",
            get(&self.refused),
        )
    }
}
