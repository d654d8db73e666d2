//! Pushes that the peer has reset (RST_STREAM, RFC 9113 §6.4), even after they were sent completely.
//!
//! `h2` does not report resets of completed streams. For a message without acknowledgement, a reset is the only way to
//! refuse it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The pushes of a connection that are watched for a reset.
#[derive(Default)]
pub struct Resets {
    /// True for a push that was reset. Bounded by the pushes in flight.
    watched: Mutex<BTreeMap<u32, bool>>,
}

/// A push that is watched until this is dropped.
pub struct Watch<'a> {
    resets: &'a Resets,
    stream: u32,
}

impl Resets {
    /// Starts to watch a promised stream.
    pub fn watch(&self, stream: u32) -> Watch<'_> {
        self.watched().insert(stream, false);
        Watch { resets: self, stream }
    }

    /// Records a reset of the peer.
    pub(super) fn record(&self, stream: u32) {
        if let Some(was_reset) = self.watched().get_mut(&stream) {
            *was_reset = true;
        }
    }

    fn watched(&self) -> MutexGuard<'_, BTreeMap<u32, bool>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch<'_> {
    /// Returns true if the push was reset.
    #[must_use]
    pub fn was_reset(&self) -> bool {
        self.resets.watched().get(&self.stream).copied().unwrap_or_default()
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.resets.watched().remove(&self.stream);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_watch_is_removed() {
        let resets = Resets::default();
        let (one, other) = (resets.watch(2), resets.watch(4));
        resets.record(4);
        resets.record(6);
        assert!(!one.was_reset() && other.was_reset());
        drop((one, other));
        assert!(resets.watched().is_empty());
    }
}
