//! Broadcast versions for autopush agents.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use webpush_core::protocol::autopush::Versions;

/// The current broadcast versions.
#[derive(Default)]
pub struct Broadcasts {
    versions: RwLock<Arc<Versions>>,
    generation: AtomicU32,
}

impl Broadcasts {
    /// Returns the current versions.
    #[must_use]
    pub fn versions(&self) -> Arc<Versions> {
        Arc::clone(&self.versions.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns a number that changes with the versions and is cheaper to read.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.generation.load(Ordering::Acquire)
    }

    /// Replaces the versions.
    ///
    /// Sessions read them when woken by
    /// [`SessionRegistry::wake_websockets`](crate::session_registry::SessionRegistry::wake_websockets).
    pub fn replace(&self, versions: Versions) {
        *self.versions.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(versions);
        self.generation.fetch_add(1, Ordering::AcqRel);
    }
}
