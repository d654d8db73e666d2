//! How many connections there may be: one more is closed at once, which costs less than to let it wait.

use crate::metrics::Metrics;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;
use webpush_core::limits::RESERVED_DESCRIPTORS;

/// Where an operating system says what a process may have open.
const PROCESS_LIMITS: &str = "/proc/self/limits";
/// What is assumed where nothing says it: the usual soft limit.
const USUAL_DESCRIPTORS: usize = 1024;

/// The places for connections.
pub struct Connections {
    places: Arc<Places>,
    most: usize,
    begun: Instant,
    /// Seconds since then when it was said last that there is no place, plus one.
    said: AtomicU64,
}

/// The place of one connection. It is free again when this is dropped.
pub struct Place {
    places: Arc<Places>,
}

/// What all places share. Each holds one pointer to it.
struct Places {
    free: AtomicUsize,
    metrics: Arc<Metrics>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.free.fetch_add(1, Ordering::AcqRel);
        self.places.metrics.connections.closed();
    }
}

impl Connections {
    /// So many places, or as many as the process may have descriptors, less those for files.
    #[must_use]
    pub fn new(most: Option<usize>, metrics: Arc<Metrics>) -> Self {
        let most = most.unwrap_or_else(|| default_most(descriptors().unwrap_or(USUAL_DESCRIPTORS)));
        metrics.connections.may_be(most);
        let places = Arc::new(Places { free: most.into(), metrics });
        Self { places, most, begun: Instant::now(), said: AtomicU64::new(0) }
    }

    /// A place, to be held as long as the connection is.
    #[must_use]
    pub fn admit(&self) -> Option<Place> {
        let one_less = |free: usize| free.checked_sub(1);
        let Places { free, metrics } = &*self.places;
        if free.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_less).is_err() {
            metrics.connections.refused();
            if self.is_to_be_said() {
                tracing::warn!(
                    most = self.most,
                    "as many connections as may be (--max-connections): more are refused"
                );
            }
            return None;
        }
        metrics.connections.opened();
        Some(Place { places: Arc::clone(&self.places) })
    }

    /// Once a minute, not for every connection of a flood.
    fn is_to_be_said(&self) -> bool {
        let now = self.begun.elapsed().as_secs() + 1;
        let last = self.said.load(Ordering::Relaxed);
        let due = last == 0 || now >= last + 60;
        due && self.said.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

/// Half of the descriptors where that is less than what files need.
fn default_most(descriptors: usize) -> usize {
    descriptors.saturating_sub(RESERVED_DESCRIPTORS).max(descriptors / 2).max(1)
}

/// How many descriptors the process may have, where that can be known.
pub(crate) fn descriptors() -> Option<usize> {
    soft_limit(&std::fs::read_to_string(PROCESS_LIMITS).ok()?)
}

/// `Max open files    <soft>    <hard>    files`. An unlimited one counts as the most there can be.
fn soft_limit(limits: &str) -> Option<usize> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(usize::MAX),
        number => number.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_follows_from_the_descriptors() {
        let limits = "Limit   Soft Limit   Hard Limit   Units\nMax open files            1024                 524288               files\n";
        assert_eq!(soft_limit(limits), Some(1024));
        assert_eq!(soft_limit("Max open files  unlimited  unlimited  files"), Some(usize::MAX));
        assert_eq!(soft_limit("Max processes 7 7 processes"), None);
        for (descriptors, most) in [(1024, 832), (200, 100), (1, 1)] {
            assert_eq!(default_most(descriptors), most);
        }
    }

    #[test]
    fn a_place_is_free_again_when_its_connection_is_gone() {
        let connections = Connections::new(Some(1), Arc::default());
        let place = connections.admit();
        assert!(place.is_some() && connections.admit().is_none());
        drop(place);
        assert!(connections.admit().is_some());
    }
}
