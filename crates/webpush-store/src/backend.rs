//! One type for all stores.
//!
//! A server uses the embedded store, or PostgreSQL in a cluster; the one in memory is for `webpush-server dev`, tests and simulations.

use crate::cells::ClusterStore;
use crate::embedded::EmbeddedStore;
use crate::memory::MemoryStore;
use crate::postgres::{BroadcastTable, ClusterNode, SettingHashes};
use crate::{
    CommitObserver, Detail, Done, Due, Durability, IdleCheck, Latest, Notice, Op, Snapshot, Statistics,
    Store, StoreError,
};
use std::pin::Pin;
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
    Cluster(ClusterStore),
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
            Self::Cluster(store) => Self::Cluster(store.handle()),
            Self::Memory(store) => Self::Memory(store.handle()),
        }
    }

    /// Returns the table of broadcasts, if the store is a database.
    #[must_use]
    pub fn broadcasts(&self) -> Option<BroadcastTable> {
        match self {
            Self::Cluster(store) => Some(store.first().broadcasts()),
            Self::Embedded(_) | Self::Memory(_) => None,
        }
    }

    /// Lists the nodes of the cluster, if the store is a database.
    #[must_use]
    pub fn cluster_nodes(&self) -> Option<Vec<ClusterNode>> {
        match self {
            Self::Cluster(store) => Some(store.first().nodes()),
            Self::Embedded(_) | Self::Memory(_) => None,
        }
    }

    /// Sets the settings of this node that are compared with those of the others, if there are others.
    pub fn set_settings(&self, settings: SettingHashes) {
        match self {
            Self::Cluster(store) => store.first().set_settings(settings),
            Self::Embedded(_) | Self::Memory(_) => {}
        }
    }

    /// Returns true once files of the store were found deleted. It accepts nothing more then.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        match self {
            Self::Embedded(store) => store.is_deleted(),
            Self::Cluster(_) | Self::Memory(_) => false,
        }
    }
}

impl From<EmbeddedStore> for Backend {
    fn from(store: EmbeddedStore) -> Self {
        Self::Embedded(store)
    }
}

impl From<ClusterStore> for Backend {
    fn from(store: ClusterStore) -> Self {
        Self::Cluster(store)
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

impl From<ClusterStore> for Arc<Backend> {
    fn from(store: ClusterStore) -> Self {
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
            Self::Cluster($store) => $call,
            Self::Memory($store) => $call,
        }
    };
}

/// Awaits a read of the store of the backend.
///
/// Reads of a database are large, and every session of every server has room for a read. So they are boxed.
macro_rules! read {
    ($backend:ident, $store:ident => $read:expr) => {
        match $backend {
            Self::Embedded($store) => $read.await,
            Self::Cluster($store) => boxed($read).await,
            Self::Memory($store) => $read.await,
        }
    };
}

fn boxed<'s, T>(read: impl Future<Output = T> + Send + 's) -> Pin<Box<dyn Future<Output = T> + Send + 's>> {
    Box::pin(read)
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

    fn place(&self, id: InboxId) -> InboxId {
        with!(self, store => store.place(id))
    }

    fn place_beside(&self, id: InboxId, other: InboxId) -> InboxId {
        with!(self, store => store.place_beside(id, other))
    }

    async fn inbox(&self, id: InboxId) -> Result<Option<Inbox>, StoreError> {
        read!(self, store => store.inbox(id))
    }

    async fn subscription(
        &self,
        agent: InboxId,
        id: SubscriptionId,
    ) -> Result<Option<Subscription>, StoreError> {
        read!(self, store => store.subscription(agent, id))
    }

    async fn channel(&self, agent: InboxId, channel: ChannelId) -> Result<Option<Subscription>, StoreError> {
        read!(self, store => store.channel(agent, channel))
    }

    async fn entry(&self, entry: &EntryRef) -> Result<Option<Entry>, StoreError> {
        read!(self, store => store.entry(entry))
    }

    async fn fetch(&self, scope: &Scope, after: Position, now: Timestamp) -> Result<Page, StoreError> {
        read!(self, store => store.fetch(scope, after, now))
    }

    async fn latest(&self, scope: &Scope, before: Position, now: Timestamp) -> Result<Latest, StoreError> {
        read!(self, store => store.latest(scope, before, now))
    }

    async fn due(&self, now: Timestamp, limit: usize) -> Result<Due, StoreError> {
        read!(self, store => store.due(now, limit))
    }

    async fn idle(&self, check: &IdleCheck, limit: usize) -> Result<Vec<InboxId>, StoreError> {
        read!(self, store => store.idle(check, limit))
    }

    async fn snapshot(&self, detail: &Detail) -> Result<Snapshot, StoreError> {
        read!(self, store => store.snapshot(detail))
    }

    fn statistics(&self) -> Option<Statistics> {
        with!(self, store => store.statistics())
    }

    fn close(&self) {
        with!(self, store => store.close());
    }
}
