//! The versions of broadcasts, which autopush agents follow, and the news that they have changed.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use webpush_core::protocol::autopush::Versions;

/// What the service broadcasts.
#[derive(Default)]
pub struct Broadcasts {
    versions: RwLock<Arc<Versions>>,
    generation: AtomicU32,
}

impl Broadcasts {
    /// The present versions.
    #[must_use]
    pub fn versions(&self) -> Arc<Versions> {
        Arc::clone(&self.versions.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes with every change of the versions, and is cheaper to look at.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.generation.load(Ordering::Acquire)
    }

    /// Puts other versions in the place of these. Agents look when they are woken
    /// ([`SessionRegistry::wake_websockets`](crate::session_registry::SessionRegistry::wake_websockets)).
    pub fn replace(&self, versions: Versions) {
        *self.versions.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(versions);
        self.generation.fetch_add(1, Ordering::AcqRel);
    }
}
