//! Which pushes the peer of an HTTP/2 connection has reset (RST_STREAM, RFC 9113 §6.4), also after they were sent whole:
//! `h2` considers those resets meaningless and does not report them. For a message that nobody acknowledges, a reset is
//! the only way to say that it was not accepted.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The pushes of a connection that are watched for a reset.
#[derive(Default)]
pub struct Resets {
    /// The pushes that are watched, and whether each was reset. No more than its monitors have under way.
    watched: Mutex<BTreeMap<u32, bool>>,
}

/// A push that is watched until this is dropped.
pub struct Watch<'a> {
    resets: &'a Resets,
    stream: u32,
}

impl Resets {
    /// Begins to watch a promised stream.
    pub fn watch(&self, stream: u32) -> Watch<'_> {
        self.watched().insert(stream, false);
        Watch { resets: self, stream }
    }

    /// Notes that the peer has reset a stream.
    pub(super) fn note(&self, stream: u32) {
        if let Some(was_reset) = self.watched().get_mut(&stream) {
            *was_reset = true;
        }
    }

    /// Nothing that may panic runs under the lock.
    fn watched(&self) -> MutexGuard<'_, BTreeMap<u32, bool>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch<'_> {
    /// Whether a reset has come by now.
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
    fn a_watch_that_is_dropped_leaves_nothing() {
        let resets = Resets::default();
        let (one, other) = (resets.watch(2), resets.watch(4));
        resets.note(4);
        resets.note(6);
        assert!(!one.was_reset() && other.was_reset());
        drop((one, other));
        assert!(resets.watched().is_empty());
    }
}
