//! One type for all stores.
//!
//! A server uses the embedded store, or PostgreSQL in a cluster; the one in memory is for `webpush-server dev`, tests and simulations.

use crate::embedded::EmbeddedStore;
use crate::memory::MemoryStore;
use crate::postgres::PostgresStore;
use crate::{
    CommitObserver, Detail, Done, Due, Durability, IdleCheck, Latest, Notice, Op, Snapshot, Statistics,
    Store, StoreError,
};
use std::sync::Arc;
use webpush_core::id::{ChannelId, EntryRef, InboxId, Position, SubscriptionId};
use webpush_core::inbox::{Entry, Inbox};
use webpush_core::session::{Page, Scope};
use webpush_core::subscription::Subscription;
use webpush_core::time::Timestamp;

/// A store of any kind.
///
/// An enum rather than a trait object, so that reads need no boxed futures.
pub enum Backend {
    /// The durable store of one machine.
    Embedded(EmbeddedStore),
    /// The store of a cluster.
    Postgres(PostgresStore),
    /// The model in memory, for `webpush-server dev`, tests and simulations.
    Memory(MemoryStore),
}

impl Backend {
    /// Returns another handle to the same store.
    ///
    /// A handle belongs to one process: commits and closing of one do not affect the other.
    #[must_use]
    pub fn handle(&self) -> Self {
        match self {
            Self::Embedded(store) => Self::Embedded(store.handle()),
            Self::Postgres(store) => Self::Postgres(store.handle()),
            Self::Memory(store) => Self::Memory(store.handle()),
        }
    }

    /// Returns true once files of the store were found deleted. It accepts nothing more then.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        match self {
            Self::Embedded(store) => store.is_deleted(),
            Self::Postgres(_) | Self::Memory(_) => false,
        }
    }
}

impl From<EmbeddedStore> for Backend {
    fn from(store: EmbeddedStore) -> Self {
        Self::Embedded(store)
    }
}

impl From<PostgresStore> for Backend {
    fn from(store: PostgresStore) -> Self {
        Self::Postgres(store)
    }
}

impl From<MemoryStore> for Backend {
    fn from(store: MemoryStore) -> Self {
        Self::Memory(store)
    }
}

impl From<EmbeddedStore> for Arc<Backend> {
    fn from(store: EmbeddedStore) -> Self {
        Self::new(store.into())
    }
}

impl From<PostgresStore> for Arc<Backend> {
    fn from(store: PostgresStore) -> Self {
        Self::new(store.into())
    }
}

impl From<MemoryStore> for Arc<Backend> {
    fn from(store: MemoryStore) -> Self {
        Self::new(store.into())
    }
}

/// Evaluates an expression with the store of the backend.
macro_rules! with {
    ($backend:ident, $store:ident => $call:expr) => {
        match $backend {
            Self::Embedded($store) => $call,
            Self::Postgres($store) => $call,
            Self::Memory($store) => $call,
        }
    };
}

impl Store for Backend {
    fn commit(&self, ops: Vec<Op>, durability: Durability, done: Done) {
        with!(self, store => store.commit(ops, durability, done));
    }

    fn watch(&self, observer: Arc<dyn CommitObserver>) {
        with!(self, store => store.watch(observer));
    }

    fn notify(&self, notice: Notice) {
        with!(self, store => store.notify(notice));
    }

    fn is_shared(&self) -> bool {
        with!(self, store => store.is_shared())
    }

    async fn inbox(&self, id: InboxId) -> Result<Option<Inbox>, StoreError> {
        with!(self, store => store.inbox(id).await)
    }

    async fn subscription(
        &self,
        agent: InboxId,
        id: SubscriptionId,
    ) -> Result<Option<Subscription>, StoreError> {
        with!(self, store => store.subscription(agent, id).await)
    }

    async fn channel(&self, agent: InboxId, channel: ChannelId) -> Result<Option<Subscription>, StoreError> {
        with!(self, store => store.channel(agent, channel).await)
    }

    async fn entry(&self, entry: &EntryRef) -> Result<Option<Entry>, StoreError> {
        with!(self, store => store.entry(entry).await)
    }

    async fn fetch(&self, scope: &Scope, after: Position, now: Timestamp) -> Result<Page, StoreError> {
        with!(self, store => store.fetch(scope, after, now).await)
    }

    async fn latest(&self, scope: &Scope, before: Position, now: Timestamp) -> Result<Latest, StoreError> {
        with!(self, store => store.latest(scope, before, now).await)
    }

    async fn due(&self, now: Timestamp, limit: usize) -> Result<Due, StoreError> {
        with!(self, store => store.due(now, limit).await)
    }

    async fn idle(&self, check: &IdleCheck, limit: usize) -> Result<Vec<InboxId>, StoreError> {
        with!(self, store => store.idle(check, limit).await)
    }

    async fn snapshot(&self, detail: &Detail) -> Result<Snapshot, StoreError> {
        with!(self, store => store.snapshot(detail).await)
    }

    fn statistics(&self) -> Option<Statistics> {
        with!(self, store => store.statistics())
    }

    fn close(&self) {
        with!(self, store => store.close());
    }
}
