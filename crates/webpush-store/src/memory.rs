//! A store in memory, for `webpush-server dev`, tests and simulations.
//!
//! It is the reference model with which other stores are compared.
//!
//! It has no indexes: every read searches everything, so that it is obviously correct.

mod commits;
mod faults;
mod model;
mod restore;

pub use faults::Faults;

use crate::observer::HandleId;
use crate::{
    CommitObserver, Detail, Done, Due, Durability, IdleCheck, Latest, Notice, Op, Quota, Snapshot,
    Statistics, Store, StoreError,
};
use commits::Commits;
use faults::FaultState;
use model::Model;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use webpush_core::id::{ChannelId, EntryRef, InboxId, Position, SubscriptionId};
use webpush_core::inbox::{Entry, Inbox};
use webpush_core::session::{Page, Scope};
use webpush_core::subscription::Subscription;
use webpush_core::time::Timestamp;

/// A handle to a model in memory.
///
/// A commit completes before `commit` returns, unless another one is just completing.
pub struct MemoryStore(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
    id: HandleId,
    closed: AtomicBool,
    faults: FaultState,
}

/// The state shared by all handles.
#[derive(Default)]
struct Shared {
    model: Mutex<Model>,
    commits: Commits,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::with_quota(Quota::default())
    }
}

impl MemoryStore {
    /// Creates an empty model with these limits.
    #[must_use]
    pub fn with_quota(quota: Quota) -> Self {
        Self::on(Arc::new(Shared { model: Mutex::new(Model::new(quota)), ..Shared::default() }))
    }

    /// Creates an empty model that behaves like the database of several machines.
    ///
    /// A handle gets notices in place of the events of other handles' commits.
    #[must_use]
    pub fn shared() -> Self {
        Self::shared_with_quota(Quota::default())
    }

    /// Like [`MemoryStore::shared`], with these limits.
    #[must_use]
    pub fn shared_with_quota(quota: Quota) -> Self {
        let model = Mutex::new(Model::new(quota));
        Self::on(Arc::new(Shared { model, commits: Commits::shared() }))
    }

    fn on(shared: Arc<Shared>) -> Self {
        let id = shared.commits.observers.new_handle();
        Self(Arc::new(Handle { shared, id, closed: AtomicBool::new(false), faults: FaultState::default() }))
    }

    /// Returns another handle to the same store.
    #[must_use]
    pub fn handle(&self) -> Self {
        Self::on(Arc::clone(&self.0.shared))
    }

    /// Returns a new handle to the same model, as if its process had restarted.
    #[must_use]
    pub fn reopen(&self) -> Self {
        self.0.shared.model().reopen();
        self.handle()
    }

    /// Like [`MemoryStore::reopen`], with other limits.
    #[must_use]
    pub fn reopen_with(&self, quota: Quota) -> Self {
        self.0.shared.model().quota = quota;
        self.reopen()
    }

    /// Returns the controls that make this handle fail.
    #[must_use]
    pub fn faults(&self) -> Faults {
        Faults(Arc::clone(&self.0))
    }
}

impl Shared {
    fn model(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Handle {
    fn with<T>(&self, act: impl FnOnce(&mut Model) -> T) -> Result<T, StoreError> {
        if self.closed.load(Ordering::Acquire) || self.faults.is_cut_off.load(Ordering::Acquire) {
            return Err(StoreError::Unavailable);
        }
        Ok(act(&mut self.shared.model()))
    }

    fn commit(&self, ops: Vec<Op>, durability: Durability, done: Done) {
        let is_set = |fault: &AtomicBool| fault.load(Ordering::Acquire);
        let fails = is_set(&self.faults.fails_commits) || is_set(&self.faults.is_cut_off);
        let is_answer_lost = is_set(&self.faults.loses_answers);
        {
            let mut model = self.shared.model();
            let applies = !fails && !self.closed.load(Ordering::Acquire);
            let applied = applies.then(|| ops.into_iter().map(|op| model.apply(op)).collect());
            // While the model is locked, so that commits complete in the order in which they were applied.
            self.shared.commits.applied(self.id, (applied, is_answer_lost), durability, done);
        }
        self.shared.commits.end_all();
    }
}

impl Store for MemoryStore {
    fn commit(&self, ops: Vec<Op>, durability: Durability, done: Done) {
        let faults = &self.0.faults;
        faults.commits.fetch_add(1, Ordering::AcqRel);
        if faults.holds_commits.load(Ordering::Acquire) {
            let mut held = faults.held.lock().unwrap_or_else(PoisonError::into_inner);
            return held.push((ops, durability, done));
        }
        self.0.commit(ops, durability, done);
    }

    fn watch(&self, observer: Arc<dyn CommitObserver>) {
        self.0.shared.commits.observers.register(self.0.id, observer);
    }

    fn notify(&self, notice: Notice) {
        self.0.shared.commits.notify(self.0.id, &notice);
    }

    fn is_shared(&self) -> bool {
        self.0.shared.commits.is_shared
    }

    async fn inbox(&self, id: InboxId) -> Result<Option<Inbox>, StoreError> {
        self.0.with(|model| model.inbox(id))
    }

    async fn subscription(
        &self,
        agent: InboxId,
        id: SubscriptionId,
    ) -> Result<Option<Subscription>, StoreError> {
        if self.0.faults.fails_subscription_reads.load(Ordering::Acquire) {
            return Err(StoreError::Unavailable);
        }
        self.0.with(|model| model.subscription(agent, id))
    }

    async fn channel(&self, agent: InboxId, channel: ChannelId) -> Result<Option<Subscription>, StoreError> {
        self.0.with(|model| model.channel(agent, channel))
    }

    async fn entry(&self, entry: &EntryRef) -> Result<Option<Entry>, StoreError> {
        self.0.with(|model| model.entry(entry))
    }

    async fn fetch(&self, scope: &Scope, after: Position, now: Timestamp) -> Result<Page, StoreError> {
        self.0.with(|model| model.fetch(scope, after, now))
    }

    async fn latest(&self, scope: &Scope, before: Position, now: Timestamp) -> Result<Latest, StoreError> {
        self.0.with(|model| model.latest(scope, before, now))
    }

    async fn due(&self, now: Timestamp, limit: usize) -> Result<Due, StoreError> {
        self.0.with(|model| model.due(now, limit))
    }

    async fn idle(&self, check: &IdleCheck, limit: usize) -> Result<Vec<InboxId>, StoreError> {
        self.0.with(|model| model.idle(check, limit))
    }

    async fn snapshot(&self, detail: &Detail) -> Result<Snapshot, StoreError> {
        if self.0.faults.fails_snapshots.load(Ordering::Acquire) {
            return Err(StoreError::Unavailable);
        }
        let records = self.0.with(|model| model.snapshot(detail))?;
        Ok(Box::new(records.into_iter().map(Ok)))
    }

    fn statistics(&self) -> Option<Statistics> {
        let is_down = self.0.faults.is_down.load(Ordering::Acquire);
        is_down.then(|| Statistics { is_up: false, ..Statistics::default() })
    }

    fn close(&self) {
        self.0.closed.store(true, Ordering::Release);
        self.0.shared.commits.observers.remove(self.0.id);
    }
}

impl Drop for MemoryStore {
    fn drop(&mut self) {
        self.close();
    }
}
