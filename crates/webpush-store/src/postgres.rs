//! The store of a cluster: any number of nodes on one PostgreSQL service.
//!
//! ```text
//!   commit ──▶ queue ──▶ lane: one transaction for a group: lock and load, apply in memory, write ──▶ done, done …
//!                          │ afterwards                                                                │
//!                          └──▶ notify ──▶ LISTEN of every other node ──▶ its sessions read the inbox  ▼ own sessions
//! ```
//! PostgreSQL keeps everything and replicates it; there is no other state that nodes share, and none that must be moved
//! when one ends.
//!
//! | to find | look in |
//! |---|---|
//! | the effects of operations | `apply`, on rows of `working_set` |
//! | group commit; failures and commits of unknown outcome; panics | `queue`, `lane`, `submitters`; `failure`; `panics` |
//! | rows that a group reads and writes | `load`, `write`; `statements`, `values` |
//! | notices to other nodes, and theirs; which nodes there are | `notify`, `listen`, `notice_codec`; `cluster_view`, `live_nodes` |
//! | reads, several by one statement; snapshots | `read`, `shared_reads`; `snapshot` |
//! | tables, and their version; wrapped sealing keys; broadcasts | `schema.sql`, `schema`; `sealing_keys`; `broadcast_table` |
//! | several databases for one service: where inboxes are, how they move, receipts between them | `shards`, `shard_move`, `receipts` |
//! | connections, TLS, several hosts; how durable commits are | `connect`, `options`; `durability` |

mod apply;
mod broadcast_table;
mod cell_table;
mod cluster_view;
mod connect;
mod durability;
mod failure;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod lane;
mod listen;
mod live_nodes;
mod load;
mod node;
mod notice_codec;
mod notify;
mod options;
mod panics;
mod queue;
mod read;
mod receipts;
mod recent;
mod schema;
mod sealing_keys;
mod shard;
mod shard_move;
mod shards;
mod shared_reads;
mod snapshot;
mod statements;
mod submitters;
mod values;
mod working_set;
mod write;

pub use broadcast_table::BroadcastTable;
pub use cell_table::CellRecord;
pub(crate) use cell_table::{CellIdentity, MoveLock};
pub use cluster_view::{ClusterNode, SettingHashes};
pub use durability::DatabaseDurability;
pub use live_nodes::LiveNode;
pub use options::{DatabaseError, PostgresOptions};
pub(crate) use queue::inbox as inbox_of;
pub use sealing_keys::SealingKeyTable;
pub(crate) use shard::{SHARDS, ShardPlace, runs, shard};
pub(crate) use shard_move::{MovedShards, ShardMover};

use crate::{
    CommitObserver, Detail, Done, Due, Durability, IdleCheck, Latest, Notice, Op, Snapshot, Statistics,
    Store, StoreError,
};
use connect::DatabaseConnector;
use lane::Lane;
use node::{Node, node_id};
use queue::{Commit, Refused};
use read::Readers;
use shared_reads::{FirstRows, SharedReads, SubscriptionLookup};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{Instant, timeout};
use webpush_core::id::{ChannelId, EntryRef, InboxId, Position, SubscriptionId};
use webpush_core::inbox::{Entry, Inbox};
use webpush_core::session::{Page, Scope};
use webpush_core::subscription::Subscription;
use webpush_core::time::Timestamp;

/// Connections for reads.
const READERS: usize = 2;
/// Time to complete the submitted commits when the store is closed.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// A handle to a store on PostgreSQL. Each is a node of its own.
pub struct PostgresStore {
    node: Arc<Node>,
    readers: Arc<Readers>,
    lookups: SharedReads<SubscriptionLookup>,
    first_rows: SharedReads<FirstRows>,
    runtime: Handle,
    /// `None` once the handle is closed.
    tasks: Mutex<Option<Tasks>>,
}

/// The tasks of a handle.
struct Tasks {
    lanes: Vec<JoinHandle<()>>,
    notifier: JoinHandle<()>,
    listener: JoinHandle<()>,
}

impl PostgresStore {
    /// Connects, and creates the tables if there are none.
    ///
    /// Must be called within a Tokio runtime, which runs its tasks.
    ///
    /// # Errors
    /// Fails with a [`DatabaseError`] if an option is wrong or the database cannot be used.
    pub async fn open(options: PostgresOptions) -> Result<Self, DatabaseError> {
        let id = options.env.random().map_err(|error| DatabaseError::Option(error.to_string()))?;
        Self::open_as(id, options).await
    }

    /// Opens a store as the node with the ID `id`, which must be random.
    pub(crate) async fn open_as(id: [u8; 16], options: PostgresOptions) -> Result<Self, DatabaseError> {
        let connector = DatabaseConnector::new(&options)?;
        let connection = connector.connect("webpush-open").await?;
        schema::migrate(&connection, &options.schema).await?;
        listen::check(&connector, &options.schema, id).await?;
        Ok(Self::start(id, options, connector, Handle::current()))
    }

    /// Returns another handle, as if it were on another machine.
    ///
    /// # Panics
    /// If there are no random bytes.
    #[must_use]
    pub fn handle(&self) -> Self {
        let Ok(id) = self.node.options.env.random() else { unreachable!("there were some before") };
        self.handle_as(id)
    }

    /// Returns another handle for the node with the ID `id`, which must be random.
    pub(crate) fn handle_as(&self, id: [u8; 16]) -> Self {
        let options = self.node.options.clone();
        let Ok(connector) = DatabaseConnector::new(&options) else {
            unreachable!("the options were accepted when this handle was opened")
        };
        Self::start(id, options, connector, self.runtime.clone())
    }

    /// Returns the options with which it was opened.
    pub(crate) fn options(&self) -> &PostgresOptions {
        &self.node.options
    }

    /// Sets who takes commits to inboxes in other cells. The first call counts.
    pub(crate) fn set_redirect(
        &self,
        redirect: impl Fn(Vec<Op>, Durability, Done, Instant) + Send + Sync + 'static,
    ) {
        let redirect = move |commit: Commit| {
            redirect(commit.ops, commit.durability, commit.done, commit.submitted);
        };
        self.node.set_redirect(Box::new(redirect));
    }

    /// Tells the store that the service has other cells, in which inboxes may be that are not found here.
    pub(crate) fn set_cells(&self) {
        self.node.set_cells();
    }

    /// Submits a commit that was first tried at `submitted`.
    pub(crate) fn submit(&self, ops: Vec<Op>, durability: Durability, done: Done, submitted: Instant) {
        self.enqueue(Commit { ops, durability, done, submitted });
    }

    /// Lists the messages that end first, each with its end, and one more than `limit`.
    ///
    /// Nothing unless this node leads.
    pub(crate) async fn ends(&self, limit: usize) -> Result<Vec<(Timestamp, EntryRef)>, StoreError> {
        if self.node.leads() { self.readers.ends(limit + 1).await } else { Ok(Vec::new()) }
    }

    /// Lists idle inboxes, each with the hour of its last use. Nothing unless this node leads.
    pub(crate) async fn idle_inboxes(
        &self,
        check: &IdleCheck,
        limit: usize,
    ) -> Result<Vec<(i32, InboxId)>, StoreError> {
        if self.node.leads() { self.readers.idle(check, limit).await } else { Ok(Vec::new()) }
    }

    fn enqueue(&self, commit: Commit) {
        match self.node.queue.submit(commit) {
            Ok(()) => {}
            Err(Refused::Full(commit)) => (commit.done)(Err(StoreError::Busy)),
            Err(Refused::Closed(commit)) => (commit.done)(Err(StoreError::Unavailable)),
        }
    }

    /// Returns the table of sealing keys.
    #[must_use]
    pub fn sealing_keys(&self) -> SealingKeyTable {
        SealingKeyTable { node: Arc::clone(&self.node), readers: Arc::clone(&self.readers) }
    }

    /// Returns the table of broadcasts.
    #[must_use]
    pub fn broadcasts(&self) -> BroadcastTable {
        BroadcastTable { node: Arc::clone(&self.node), readers: Arc::clone(&self.readers) }
    }

    /// Lists the nodes of the cluster, as of the last heartbeat of this one.
    #[must_use]
    pub fn nodes(&self) -> Vec<ClusterNode> {
        self.node.view.nodes()
    }

    /// Sets the settings of this node that are compared with those of the others.
    pub fn set_settings(&self, settings: SettingHashes) {
        self.node.view.set_settings(settings);
    }

    fn start(id: [u8; 16], options: PostgresOptions, connector: DatabaseConnector, runtime: Handle) -> Self {
        let id = node_id(id, options.is_server);
        let (sender, notices) = mpsc::unbounded_channel();
        let count = i16::try_from(options.connections).unwrap_or(i16::MAX).max(1);
        let node = Arc::new(Node::new(id, options, connector, sender));
        let lane = |number| runtime.spawn(Lane::new(Arc::clone(&node), number).run());
        let tasks = Tasks {
            lanes: (0..count).map(lane).collect(),
            notifier: runtime.spawn(notify::run(Arc::clone(&node), notices)),
            listener: runtime.spawn(listen::run(Arc::clone(&node))),
        };
        let readers = Arc::new(Readers::new(Arc::clone(&node), READERS));
        let lookups = SharedReads::new(Arc::clone(&readers), runtime.clone());
        let first_rows = SharedReads::new(Arc::clone(&readers), runtime.clone());
        Self { node, readers, lookups, first_rows, runtime, tasks: Mutex::new(Some(tasks)) }
    }
}

impl Store for PostgresStore {
    fn commit(&self, ops: Vec<Op>, durability: Durability, done: Done) {
        self.enqueue(Commit::new(ops, durability, done));
    }

    fn watch(&self, observer: Arc<dyn CommitObserver>) {
        self.node.observers.register(self.node.handle, observer);
    }

    fn notify(&self, notice: Notice) {
        self.node.notify(notice);
    }

    fn is_shared(&self) -> bool {
        true
    }

    async fn inbox(&self, id: InboxId) -> Result<Option<Inbox>, StoreError> {
        self.readers.inbox(id).await
    }

    async fn subscription(
        &self,
        agent: InboxId,
        id: SubscriptionId,
    ) -> Result<Option<Subscription>, StoreError> {
        match self.lookups.read((agent, id)).await? {
            Some(found) => Ok(Some(found)),
            None => self.readers.absent_subscription(agent, id).await,
        }
    }

    async fn channel(&self, agent: InboxId, channel: ChannelId) -> Result<Option<Subscription>, StoreError> {
        self.readers.channel(agent, channel).await
    }

    async fn entry(&self, entry: &EntryRef) -> Result<Option<Entry>, StoreError> {
        self.readers.entry(entry).await
    }

    async fn fetch(&self, scope: &Scope, after: Position, now: Timestamp) -> Result<Page, StoreError> {
        let first = self.first_rows.read((scope.inbox, after)).await?;
        self.readers.fetch(scope, after, now, first).await
    }

    async fn latest(&self, scope: &Scope, before: Position, now: Timestamp) -> Result<Latest, StoreError> {
        self.readers.latest(scope, before, now).await
    }

    async fn due(&self, now: Timestamp, limit: usize) -> Result<Due, StoreError> {
        Ok(Due::new(self.ends(limit).await?, now, limit))
    }

    async fn idle(&self, check: &IdleCheck, limit: usize) -> Result<Vec<InboxId>, StoreError> {
        Ok(self.idle_inboxes(check, limit).await?.into_iter().map(|(_, inbox)| inbox).collect())
    }

    async fn snapshot(&self, detail: &Detail) -> Result<Snapshot, StoreError> {
        snapshot::open(&self.node, &self.runtime, *detail).await
    }

    fn statistics(&self) -> Option<Statistics> {
        Some(self.node.statistics())
    }

    fn close(&self) {
        let (sender, closed) = sync_channel(1);
        if let Some(closing) = self.closing() {
            self.runtime.spawn(async move {
                closing.await;
                sender.send(()).ok();
            });
            // Fails if the runtime has ended, and all tasks with it.
            closed.recv().ok();
        }
    }
}

impl PostgresStore {
    /// Refuses further commits, and returns a future that completes the submitted ones.
    ///
    /// `None` if it was called before.
    fn closing(&self) -> Option<impl Future<Output = ()> + Send + 'static> {
        let node = Arc::clone(&self.node);
        node.close();
        let tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let endless = [tasks.notifier.abort_handle(), tasks.listener.abort_handle()];
        Some(async move {
            let finishing = async {
                for lane in tasks.lanes {
                    drop(lane.await);
                }
                node.end_notices();
                drop(tasks.notifier.await);
                tasks.listener.abort();
                if let Err(reason) = listen::leave(&node).await {
                    tracing::debug!("cannot tell other nodes that this one ends: {reason}");
                }
            };
            if timeout(CLOSE_TIMEOUT, finishing).await.is_err() {
                tracing::warn!("the store was closed before the outcome of its last commits was known");
            }
            endless.iter().for_each(AbortHandle::abort);
            node.observers.remove(node.handle);
        })
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        if let Some(closing) = self.closing() {
            self.runtime.spawn(closing);
        }
    }
}
