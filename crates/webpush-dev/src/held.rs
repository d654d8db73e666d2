//! Pushes that are delivered after later ones.

use crate::record::PushTarget;
use bytes::Bytes;
use http::request::Parts;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use webpush_core::time::Timestamp;

/// An accepted push that is not published yet.
pub(crate) struct HeldPush {
    /// The number of its record.
    pub(crate) number: u64,
    pub(crate) head: Parts,
    pub(crate) body: Bytes,
    pub(crate) expires: Timestamp,
}

/// The held push of each subscription.
#[derive(Default)]
pub(crate) struct HeldPushes(Mutex<HashMap<PushTarget, HeldPush>>);

impl HeldPushes {
    /// Holds a push, or returns it if the subscription has one.
    pub(crate) fn add(&self, target: PushTarget, push: HeldPush) -> Option<HeldPush> {
        let mut held = self.held();
        if held.contains_key(&target) {
            return Some(push);
        }
        held.insert(target, push);
        None
    }

    /// Returns true if a push of a subscription is held.
    pub(crate) fn contains(&self, target: &PushTarget) -> bool {
        self.held().contains_key(target)
    }

    /// Removes the push of a subscription, and returns it.
    pub(crate) fn take(&self, target: &PushTarget) -> Option<HeldPush> {
        self.held().remove(target)
    }

    /// Removes the pushes that have expired, and returns the numbers of their records.
    pub(crate) fn take_expired(&self, now: Timestamp) -> Vec<u64> {
        self.held().extract_if(|_, push| push.expires <= now).map(|(_, push)| push.number).collect()
    }

    /// Discards all.
    pub(crate) fn clear(&self) {
        self.held().clear();
    }

    fn held(&self) -> MutexGuard<'_, HashMap<PushTarget, HeldPush>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
