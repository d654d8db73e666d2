//! The hashes by which clients of `web-push-testing` know their subscriptions.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The IDs of subscriptions by their hash.
#[derive(Default)]
pub(crate) struct ClientHashes(Mutex<HashMap<String, String>>);

impl ClientHashes {
    pub(crate) fn add(&self, hash: String, id: String) {
        self.hashes().insert(hash, id);
    }

    /// Returns the ID of a subscription.
    pub(crate) fn id(&self, hash: &str) -> Option<String> {
        self.hashes().get(hash).cloned()
    }

    pub(crate) fn clear(&self) {
        self.hashes().clear();
    }

    fn hashes(&self) -> MutexGuard<'_, HashMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
