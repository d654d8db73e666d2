//! The store of a cluster: one or more PostgreSQL databases, each a cell with a part of the inboxes.
//!
//! An inbox belongs to a shard, which is the first two bytes of its ID, and so part of its URLs. Each shard is in one
//! cell. The cells know which ones have moved; a node only remembers it, and when it asks a cell for an inbox that has
//! moved, the cell says so, and the node finds out where it is. So a node may be wrong, and no request fails for it.
//!
//! The first cell also has the table of all cells, and the sealing keys of URLs. With one cell, everything is passed on to
//! its store.
//!
//! | to find | look in |
//! |---|---|
//! | where shards are, as this node remembers it | `shard_map` |
//! | commits to several cells | `split` |
//! | what each cell has, joined | `join` |
//! | new cells, shards that have moved | `upkeep` |
//! | receipts for other cells | `carry` |
//! | adding, closing, draining a cell; which shards move then | `manage`; `plan` |

mod carry;
mod join;
mod manage;
mod plan;
mod shard_map;
mod split;
mod upkeep;

pub use manage::{BalanceStep, CellError, CellManager, CellOverview};

use crate::observer::CommitObserver;
use crate::postgres::{CellRecord, DatabaseError, PostgresOptions, PostgresStore};
use crate::{
    Detail, Done, Due, Durability, IdleCheck, Latest, Notice, Op, Snapshot, Statistics, Store, StoreError,
};
use shard_map::ShardMap;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};
use webpush_core::id::{ChannelId, EntryRef, InboxId, Position, SubscriptionId};
use webpush_core::inbox::{Entry, Inbox};
use webpush_core::session::{Page, Scope};
use webpush_core::subscription::Subscription;
use webpush_core::time::Timestamp;

/// A handle to the store of a cluster. Each is a node of its own.
pub struct ClusterStore {
    cluster: Arc<Cluster>,
    upkeep: AbortHandle,
}

/// The state that the tasks of one handle share.
struct Cluster {
    /// The ID of this node in every cell.
    id: [u8; 16],
    first: Arc<Cell>,
    /// The other cells that could be opened.
    others: RwLock<Vec<Arc<Cell>>>,
    map: ShardMap,
    /// The moves of shards that the map knows of.
    moves: AtomicI64,
    /// When the table of cells was read; locked while it is.
    looked: tokio::sync::Mutex<Option<Instant>>,
    observers: Mutex<Vec<Arc<dyn CommitObserver>>>,
    /// Tasks that carry receipts to other cells.
    carriers: Mutex<Vec<AbortHandle>>,
    runtime: Handle,
}

/// An open cell.
struct Cell {
    number: i16,
    name: String,
    url: String,
    store: PostgresStore,
    weight: AtomicI32,
    is_open: AtomicBool,
}

impl Cell {
    fn new(record: &CellRecord, store: PostgresStore) -> Self {
        Self {
            number: record.number,
            name: record.name.clone(),
            url: record.url.clone(),
            store,
            weight: AtomicI32::new(record.weight),
            is_open: AtomicBool::new(record.is_open),
        }
    }

    fn update(&self, record: &CellRecord) {
        self.weight.store(record.weight, Ordering::Relaxed);
        self.is_open.store(record.is_open, Ordering::Relaxed);
    }

    fn is_up(&self) -> bool {
        self.store.is_up()
    }

    /// Returns the share of new inboxes that this cell gets: none if it is closed or cannot be used.
    fn share(&self) -> u64 {
        let takes_inboxes = self.is_open.load(Ordering::Relaxed) && self.is_up();
        if takes_inboxes { u64::from(self.weight.load(Ordering::Relaxed).unsigned_abs()) } else { 0 }
    }
}

impl ClusterStore {
    /// Connects to the first cell, and creates its tables if there are none; then to the others.
    ///
    /// A cell that cannot be reached is opened later.
    ///
    /// # Errors
    /// Fails with a [`DatabaseError`] if an option is wrong, or the first cell cannot be used.
    pub async fn open(options: PostgresOptions) -> Result<Self, DatabaseError> {
        let id = options.env.random().map_err(|error| DatabaseError::Option(error.to_string()))?;
        let first = PostgresStore::open_as(id, options).await?;
        let identity = first.identity().await.map_err(|_| unreadable())?;
        if identity.cell != 0 {
            return Err(DatabaseError::Option(format!(
                "it is cell {} of a service with several databases: use the URL of the first one",
                identity.cell
            )));
        }
        let records = first.cells().await.map_err(|_| unreadable())?;
        let store = Self::start(id, first, records.first());
        store.cluster.open_cells(&records).await;
        Ok(store)
    }

    /// Returns another handle, as if it were on another machine.
    ///
    /// # Panics
    /// If there are no random bytes.
    #[must_use]
    pub fn handle(&self) -> Self {
        let Ok(id) = self.first().options().env.random() else { unreachable!("there were some before") };
        let record = |cell: &Cell| CellRecord {
            number: cell.number,
            name: cell.name.clone(),
            url: cell.url.clone(),
            weight: cell.weight.load(Ordering::Relaxed),
            is_open: cell.is_open.load(Ordering::Relaxed),
            moves: self.cluster.moves.load(Ordering::Relaxed),
        };
        let first = &self.cluster.first;
        let other = Self::start(id, first.store.handle_as(id), Some(&record(first)));
        for cell in self.cluster.others() {
            other.cluster.add(Cell::new(&record(&cell), cell.store.handle_as(id)));
        }
        other.cluster.map.copy(&self.cluster.map);
        other
    }

    /// Returns the store of the first cell, which has the sealing keys.
    #[must_use]
    pub fn first(&self) -> &PostgresStore {
        &self.cluster.first.store
    }

    fn start(id: [u8; 16], first: PostgresStore, record: Option<&CellRecord>) -> Self {
        let unnamed = CellRecord {
            number: 0,
            name: "first".to_owned(),
            url: String::new(),
            weight: 100,
            is_open: true,
            moves: 0,
        };
        let cluster = Arc::new(Cluster {
            id,
            first: Arc::new(Cell::new(record.unwrap_or(&unnamed), first)),
            others: RwLock::default(),
            map: ShardMap::default(),
            moves: AtomicI64::new(0),
            looked: tokio::sync::Mutex::default(),
            observers: Mutex::default(),
            carriers: Mutex::default(),
            runtime: Handle::current(),
        });
        cluster.prepare(&cluster.first);
        let upkeep = tokio::spawn(upkeep::run(Arc::downgrade(&cluster))).abort_handle();
        Self { cluster, upkeep }
    }
}

fn unreadable() -> DatabaseError {
    DatabaseError::Refused("the tables of its cells cannot be read".to_owned())
}

impl Cluster {
    /// Returns the cells other than the first.
    fn others(&self) -> Vec<Arc<Cell>> {
        self.others.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns all open cells, the first one first.
    fn cells(&self) -> Vec<Arc<Cell>> {
        std::iter::once(Arc::clone(&self.first)).chain(self.others()).collect()
    }

    /// Returns the cell of an inbox, as this node remembers it; `None` if it is not open.
    fn cell_of(&self, inbox: InboxId) -> Option<Arc<Cell>> {
        self.cell(self.map.cell(inbox))
    }

    /// Adds an open cell.
    fn add(self: &Arc<Self>, cell: Cell) {
        let cell = Arc::new(cell);
        self.prepare(&cell);
        let observers = self.observers.lock().unwrap_or_else(PoisonError::into_inner);
        observers.iter().for_each(|observer| cell.store.watch(Arc::clone(observer)));
        self.others.write().unwrap_or_else(PoisonError::into_inner).push(cell);
        self.set_cells();
        // Inboxes may have moved there before, and nobody heard of commits to them.
        observers.iter().for_each(|observer| observer.missed());
    }

    /// Makes a cell send commits to inboxes that have moved, and receipts, to where they belong.
    fn prepare(self: &Arc<Self>, cell: &Arc<Cell>) {
        let cluster = Arc::downgrade(self);
        cell.store.set_redirect(move |ops, durability, done, submitted| match cluster.upgrade() {
            Some(cluster) => cluster.redirect(ops, durability, done, submitted),
            None => done(Err(StoreError::Unavailable)),
        });
        let carrier =
            self.runtime.spawn(carry::run(Arc::downgrade(self), Arc::downgrade(cell))).abort_handle();
        self.carriers.lock().unwrap_or_else(PoisonError::into_inner).push(carrier);
    }

    /// Ends the tasks.
    fn end(&self) {
        self.carriers.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(AbortHandle::abort);
    }

    /// Finds out where the inbox of a read that failed has moved, and tries again.
    ///
    /// `read` reads from a cell.
    async fn read<T, F>(
        self: &Arc<Self>,
        inbox: InboxId,
        read: impl Fn(Arc<Cell>) -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        for _ in 0..upkeep::ATTEMPTS {
            let Some(cell) = self.cell_of(inbox) else {
                self.look_for_cells().await;
                if self.cell_of(inbox).is_none() {
                    return Err(StoreError::Unavailable);
                }
                continue;
            };
            match read(cell).await {
                Err(StoreError::Moved) => {
                    if self.locate(inbox).await.is_err() {
                        sleep(upkeep::PAUSE).await;
                    }
                }
                result => return result,
            }
        }
        Err(StoreError::Unavailable)
    }
}

impl Store for ClusterStore {
    fn commit(&self, ops: Vec<Op>, durability: Durability, done: Done) {
        self.cluster.commit(ops, durability, done, Instant::now());
    }

    fn watch(&self, observer: Arc<dyn CommitObserver>) {
        let mut observers = self.cluster.observers.lock().unwrap_or_else(PoisonError::into_inner);
        for cell in self.cluster.cells() {
            cell.store.watch(Arc::clone(&observer));
        }
        observers.push(observer);
    }

    fn notify(&self, notice: Notice) {
        if let Some(cell) = self.cluster.cell_of(notice.inbox()) {
            cell.store.notify(notice);
        }
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn place(&self, id: InboxId) -> InboxId {
        let cells = self.cluster.cells();
        if cells.len() == 1 {
            return id;
        }
        let shares: Vec<(i16, u64)> = cells.iter().map(|cell| (cell.number, cell.share())).collect();
        self.cluster.map.place(id, &shares)
    }

    fn place_beside(&self, id: InboxId, other: InboxId) -> InboxId {
        let mut placed = *id.as_bytes();
        placed[..2].copy_from_slice(&other.as_bytes()[..2]);
        InboxId::from_bytes(placed)
    }

    async fn inbox(&self, id: InboxId) -> Result<Option<Inbox>, StoreError> {
        self.cluster.read(id, |cell| async move { cell.store.inbox(id).await }).await
    }

    async fn subscription(
        &self,
        agent: InboxId,
        id: SubscriptionId,
    ) -> Result<Option<Subscription>, StoreError> {
        self.cluster.read(agent, |cell| async move { cell.store.subscription(agent, id).await }).await
    }

    async fn channel(&self, agent: InboxId, channel: ChannelId) -> Result<Option<Subscription>, StoreError> {
        self.cluster.read(agent, |cell| async move { cell.store.channel(agent, channel).await }).await
    }

    async fn entry(&self, entry: &EntryRef) -> Result<Option<Entry>, StoreError> {
        self.cluster.read(entry.inbox, |cell| async move { cell.store.entry(entry).await }).await
    }

    async fn fetch(&self, scope: &Scope, after: Position, now: Timestamp) -> Result<Page, StoreError> {
        self.cluster.read(scope.inbox, |cell| async move { cell.store.fetch(scope, after, now).await }).await
    }

    async fn latest(&self, scope: &Scope, before: Position, now: Timestamp) -> Result<Latest, StoreError> {
        self.cluster
            .read(scope.inbox, |cell| async move { cell.store.latest(scope, before, now).await })
            .await
    }

    async fn due(&self, now: Timestamp, limit: usize) -> Result<Due, StoreError> {
        join::due(&self.cluster.cells(), now, limit).await
    }

    async fn idle(&self, check: &IdleCheck, limit: usize) -> Result<Vec<InboxId>, StoreError> {
        join::idle(&self.cluster.cells(), check, limit).await
    }

    async fn snapshot(&self, detail: &Detail) -> Result<Snapshot, StoreError> {
        if *detail != Detail::EVERYTHING {
            return join::snapshot(&self.cluster.cells(), detail).await;
        }
        let records = self.first().cells().await?;
        if records.len() == 1 {
            return join::snapshot(&[Arc::clone(&self.cluster.first)], detail).await;
        }
        // An inbox that moves while snapshots are opened would be in both or in neither.
        let lock = self.cluster.lock_moves().await.map_err(|_| StoreError::Unavailable)?;
        let is_open = |record: &CellRecord| self.cluster.cell(record.number).is_some();
        if lock.is_none() || !records.iter().all(is_open) {
            tracing::warn!(
                "a copy of the service has to wait until all cells are up and no inboxes move between them"
            );
            return Err(StoreError::Unavailable);
        }
        self.cluster.learn_places().await?;
        join::snapshot(&self.cluster.cells(), detail).await
    }

    fn statistics(&self) -> Option<Statistics> {
        Some(join::statistics(&self.cluster.cells()))
    }

    fn close(&self) {
        self.upkeep.abort();
        self.cluster.end();
        // Each may have to wait for its database.
        std::thread::scope(|scope| {
            for cell in self.cluster.cells() {
                scope.spawn(move || cell.store.close());
            }
        });
    }
}

impl Drop for ClusterStore {
    fn drop(&mut self) {
        self.upkeep.abort();
        self.cluster.end();
    }
}
