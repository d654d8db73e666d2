//! Pushes that are delivered after later ones.

use crate::record::PushTarget;
use bytes::Bytes;
use http::request::Parts;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// An accepted push that is not published yet.
pub(crate) struct HeldPush {
    /// The number of its record.
    pub(crate) number: u64,
    pub(crate) head: Parts,
    pub(crate) body: Bytes,
}

/// The held push of each subscription.
#[derive(Default)]
pub(crate) struct HeldPushes(Mutex<HashMap<PushTarget, HeldPush>>);

impl HeldPushes {
    pub(crate) fn add(&self, target: PushTarget, push: HeldPush) {
        self.held().insert(target, push);
    }

    /// Returns true if a push of a subscription is held.
    pub(crate) fn contains(&self, target: &PushTarget) -> bool {
        self.held().contains_key(target)
    }

    /// Removes the push of a subscription, and returns it.
    pub(crate) fn take(&self, target: &PushTarget) -> Option<HeldPush> {
        self.held().remove(target)
    }

    /// Discards all.
    pub(crate) fn clear(&self) {
        self.held().clear();
    }

    fn held(&self) -> MutexGuard<'_, HashMap<PushTarget, HeldPush>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
