//! A store in memory: the model that every other store is compared with, and the one for simulations.
//!
//! It has no indexes: whatever is asked is found by looking at everything, so that it is easy to see that it is right.

mod model;
mod restore;

use crate::{Detail, Done, Due, Durability, IdleCheck, Op, Quota, Snapshot, Store, StoreError};
use model::Model;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use webpush_core::id::{ChannelId, EntryRef, InboxId, Position, SubscriptionId};
use webpush_core::inbox::{Entry, Inbox};
use webpush_core::session::{Page, Scope};
use webpush_core::subscription::Subscription;
use webpush_core::time::Timestamp;

/// A handle to a model in memory. A commit is over before it returns.
pub struct MemoryStore {
    model: Arc<Mutex<Model>>,
    closed: AtomicBool,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::with_quota(Quota::default())
    }
}

impl MemoryStore {
    /// An empty model with other bounds than the usual ones.
    #[must_use]
    pub fn with_quota(quota: Quota) -> Self {
        Self { model: Arc::new(Mutex::new(Model::new(quota))), closed: AtomicBool::new(false) }
    }

    /// A new handle to the same model, as if a process had started again on what the last one left.
    #[must_use]
    pub fn reopen(&self) -> Self {
        Self { model: Arc::clone(&self.model), closed: AtomicBool::new(false) }
    }

    /// [`MemoryStore::reopen`] with other bounds.
    #[must_use]
    pub fn reopen_with(&self, quota: Quota) -> Self {
        self.model.lock().unwrap_or_else(PoisonError::into_inner).quota = quota;
        self.reopen()
    }

    fn with<T>(&self, act: impl FnOnce(&mut Model) -> T) -> Result<T, StoreError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(StoreError::Unavailable);
        }
        Ok(act(&mut self.model.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Store for MemoryStore {
    fn commit(&self, ops: Vec<Op>, _: Durability, done: Done) {
        done(self.with(|model| ops.into_iter().map(|op| model.apply(op)).collect()));
    }

    fn inbox(&self, id: InboxId) -> Result<Option<Inbox>, StoreError> {
        self.with(|model| model.inbox(id))
    }

    fn subscription(
        &self,
        agent: InboxId,
        id: SubscriptionId,
    ) -> Result<Option<Arc<Subscription>>, StoreError> {
        self.with(|model| model.subscription(agent, id))
    }

    fn channel(&self, agent: InboxId, channel: ChannelId) -> Result<Option<Arc<Subscription>>, StoreError> {
        self.with(|model| model.channel(agent, channel))
    }

    fn entry(&self, entry: &EntryRef) -> Result<Option<Entry>, StoreError> {
        self.with(|model| model.entry(entry))
    }

    fn fetch(&self, scope: &Scope, after: Position, now: Timestamp) -> Result<Page, StoreError> {
        self.with(|model| model.fetch(scope, after, now))
    }

    fn latest(&self, scope: &Scope, now: Timestamp) -> Result<Option<Entry>, StoreError> {
        self.with(|model| model.latest(scope, now))
    }

    fn due(&self, now: Timestamp, limit: usize) -> Result<Due, StoreError> {
        self.with(|model| model.due(now, limit))
    }

    fn idle(&self, check: &IdleCheck, limit: usize) -> Result<Vec<InboxId>, StoreError> {
        self.with(|model| model.idle(check, limit))
    }

    fn snapshot(&self, detail: &Detail) -> Result<Snapshot, StoreError> {
        let records = self.with(|model| model.snapshot(detail))?;
        Ok(Box::new(records.into_iter().map(Ok)))
    }

    fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }
}
