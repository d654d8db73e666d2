//! The durable store of one machine.
//!
//! It is a log that is synced in groups, with tables in [fjall](https://docs.rs/fjall) behind it.
//!
//! ```text
//!   commit ──▶ queue ──▶ writer: apply to changes ──▶ one frame of the log, one sync ──▶ memtables ──▶ done, done …
//!                                                                                      │ after seconds, what is left
//!   reads  ──▶ row caches, or the memtables over ─────────────────────────── engine ◀───┘
//! ```
//! While a sync runs, requests queue up and share the next one. Most messages are settled before their memtable is flushed
//! to the engine, and never reach it. When a write fails the store is down: it returns [`StoreError::Unavailable`], and
//! reopens the engine until it can be written again.
//!
//! | to find | look in |
//! |---|---|
//! | the effects of operations | `apply`, `ending`, on `changes`; the state of a group, `applier` |
//! | duplicates of a commit that is submitted again | `recent_appends` |
//! | the usage of an inbox, and its quota | `usage_row`, `accounting`, `full`; checked by `usage_audit` |
//! | rows on disk; their keys in memory; the cost of encoding | `rows`, `entry_row`, `fields`; `key`, `value`; `codecs` |
//! | group commit; failures | `writer`, `request`, `group_commit_delay`; `writer::outage` |
//! | commits on the submitter's thread | `shared_writer` |
//! | threads, or their replacement in simulations | `writer_thread`, `tasks`, `stepper` |
//! | the log and its frames | `log`, `frame`; `segment`, which reads past damage |
//! | rows that are not flushed yet, and their flush | `memtable`, `memtables`; `flush` |
//! | the rows that readers and the writer see; the state they share | `view`, `memtables`; `shared` |
//! | reads of inboxes, entries and deadlines | `read`, `deadlines` |
//! | sorted tables on disk: fjall, or maps in simulations | `engine`, `engine_error` |
//! | snapshots, and restoring them | `snapshot`, `restore` |
//! | lookups without the engine | `row_caches`, `row_cache`, `row_index`, `packed_rows`, `sender_pool`, `id_hash` |
//! | detection of loss and damage | `batch_markers`, `watermark`, `recovery`; `damage`, `end_at_error` |
//! | what may be lost; fixing files of the engine; rebuilding the store | `holes`; `open_engine`, `fix`; `repair`, `salvage` |
//! | the directory: lock, format, migrations; room on a full volume | `directory`; `reserve` |
//! | options; errors of opening | `options`, `open_error` |
//! | metrics, and the number of entries | `gauges`, `entry_count_scan` |

mod accounting;
mod applier;
mod apply;
mod batch_markers;
mod changes;
mod codecs;
mod damage;
mod deadlines;
mod directory;
mod end_at_error;
mod ending;
mod engine;
mod engine_error;
mod entry_count_scan;
mod entry_row;
mod fields;
mod fix;
mod flush;
mod frame;
mod full;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod gauges;
mod group_commit_delay;
mod holes;
mod id_hash;
mod key;
mod log;
mod memtable;
mod memtables;
mod open_engine;
mod open_error;
mod options;
mod packed_rows;
mod read;
mod recent_appends;
mod recovery;
mod repair;
mod request;
mod reserve;
mod restore;
mod row_cache;
mod row_caches;
mod row_index;
mod rows;
mod salvage;
mod segment;
mod sender_pool;
mod shared;
mod shared_writer;
mod snapshot;
mod stepper;
mod tasks;
#[cfg(test)]
mod tests;
mod usage_audit;
mod usage_changes;
mod usage_row;
mod value;
mod view;
mod watermark;
mod writer;
mod writer_thread;

#[doc(hidden)]
pub use codecs::Codecs;
pub use engine_error::EngineError;
pub use open_error::OpenError;
pub use options::{MemtableBounds, Options, SubmitterCommits, SubmitterWaits};
pub use recovery::Recovery;
pub use repair::{LostRows, RepairReport, finish_repair, repair};
pub use stepper::Stepper;

use crate::observer::{HandleId, Observers};
use crate::threads::drop_receiver;
use crate::threads::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::threads::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use crate::threads::sync::{Arc, Mutex, PoisonError, RwLock};
use crate::threads::thread::{self, JoinHandle};
use crate::{
    CommitObserver, Detail, Done, Due, Durability, IdleCheck, Latest, Notice, Op, Snapshot, Statistics,
    Store, StoreError,
};
use id_hash::IdHash;
use memtables::{MemtableSet, Reader};
use open_engine::open_engine;
use recent_appends::RecentAppends;
use recovery::Trust;
use request::{CommitRequest, Job};
use reserve::Reserve;
use row_cache::{PackedRow, RowCache};
use row_caches::RowCaches;
use rows::{Table, read_inbox, read_subscription, subscription_key};
use shared::Shared;
use shared_writer::SharedWriter;
use snapshot::SnapshotRegistry;
use std::io;
use std::path::Path;
use tasks::TaskMode;
use view::View;
use watermark::WatermarkFile;
use webpush_core::id::{ChannelId, EntryRef, InboxId, Position, SubscriptionId};
use webpush_core::inbox::{Entry, Inbox};
use webpush_core::session::{Page, Scope};
use webpush_core::subscription::Subscription;
use webpush_core::time::Timestamp;
use writer::Writer;

/// Maximum number of requests that wait for the writer; more are refused.
const QUEUE_REQUESTS: usize = 16_384;

/// A store in a directory of this machine.
pub struct EmbeddedStore {
    shared: Arc<Shared>,
    jobs: SyncSender<Job>,
    writer: Arc<SharedWriter>,
    /// The writer's thread, until it has ended; shared by all handles.
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
    recovery: Recovery,
    id: HandleId,
    is_closed: AtomicBool,
}

impl EmbeddedStore {
    /// Opens the store in a directory, and creates both if they do not exist.
    ///
    /// # Errors
    /// [`OpenError`] says what is wrong with the directory.
    pub fn open(directory: &Path, options: Options) -> Result<Self, OpenError> {
        let (store, jobs) = Self::start(directory, options, TaskMode::Threads)?;
        let writer = Arc::clone(&store.writer);
        let thread = thread::Builder::new().name("store-writer".to_owned());
        let thread = thread.spawn(move || {
            writer_thread::run(&writer, &jobs);
            drop_receiver(jobs);
        });
        let thread = thread.map_err(|error| OpenError::Io { directory: directory.to_owned(), error })?;
        *store.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(store)
    }

    /// Opens the store without threads, for simulations.
    ///
    /// Nothing is done until the [`Stepper`] is called.
    ///
    /// # Errors
    /// [`OpenError`] says what is wrong with the directory.
    pub fn open_stepped(directory: &Path, options: Options) -> Result<(Self, Stepper), OpenError> {
        let (store, jobs) = Self::start(directory, options, TaskMode::Stepped)?;
        let writer = Arc::clone(&store.writer);
        Ok((store, Stepper::new(writer, jobs)))
    }

    fn start(directory: &Path, options: Options, mode: TaskMode) -> Result<(Self, Receiver<Job>), OpenError> {
        let failed = |error| OpenError::Io { directory: directory.to_owned(), error };
        let disk = options.disk.clone();
        let lock = directory::prepare(&disk, directory)?;
        let engine_failed = |error| match error {
            EngineError::Io(error) => failed(error),
            source if source.is_damage() => OpenError::Corrupt { directory: directory.to_owned(), source },
            error => failed(io::Error::other(error)),
        };
        let gauges = Arc::<gauges::Gauges>::default();
        let reserve = Reserve::open(&disk, directory, &options, &gauges);
        let (watermark, last_known) = WatermarkFile::open(&disk, directory).map_err(failed)?;
        let trust = if directory::is_sound(&disk, directory) { Trust::Disk } else { Trust::Nothing };
        if trust == Trust::Nothing {
            directory::rewrite_journals(&disk, directory).map_err(failed)?;
        }
        // The engine syncs its content when it opens, so segments of the log with frames that it has can be removed.
        let engine = open_engine(&disk, directory, options.cache_bytes).map_err(engine_failed)?;
        directory::sync_names(&disk, directory).map_err(failed)?;
        let new_hasher = || IdHash::new(&options.env).map_err(|error| failed(io::Error::other(error)));
        let (memtables, appends) = (MemtableSet::new(new_hasher()?), RecentAppends::new(new_hasher()?));
        let last_known = last_known.unwrap_or_default();
        let start = recovery::recover(&engine, &disk, directory, last_known, trust, memtables.hasher())
            .map_err(engine_failed)?;
        directory::trust(&disk, directory).map_err(failed)?;
        let recovery = start.recovery;
        let rows = RowCaches::new(&options.env, options.row_cache_bytes);
        let rows = rows.map_err(|error| failed(io::Error::other(error)))?;
        let shared = Arc::new(Shared {
            directory: directory.to_owned(),
            options,
            mode,
            engine: RwLock::new(Some(engine)),
            memtables,
            deadlines: deadlines::DeadlineCursor::default(),
            rows,
            snapshots: SnapshotRegistry::default(),
            observers: Observers::default(),
            handles: AtomicUsize::new(1),
            gauges,
        });
        let (jobs, receiver) = sync_channel(QUEUE_REQUESTS);
        let writer =
            Writer::new(Arc::clone(&shared), start, (watermark, reserve), appends, lock).map_err(failed)?;
        let id = shared.observers.new_handle();
        let is_closed = AtomicBool::new(false);
        let writer = Arc::new(SharedWriter::new(writer));
        let store = Self { shared, jobs, writer, thread: Arc::default(), recovery, id, is_closed };
        Ok((store, receiver))
    }

    /// Returns another handle to the same store. The store closes with its last handle.
    #[must_use]
    pub fn handle(&self) -> Self {
        self.shared.handles.fetch_add(1, Ordering::AcqRel);
        Self {
            shared: Arc::clone(&self.shared),
            jobs: self.jobs.clone(),
            writer: Arc::clone(&self.writer),
            thread: Arc::clone(&self.thread),
            recovery: self.recovery,
            id: self.shared.observers.new_handle(),
            is_closed: AtomicBool::new(false),
        }
    }

    /// Returns what recovery found when the store was opened.
    #[must_use]
    pub const fn recovery(&self) -> Recovery {
        self.recovery
    }

    /// Returns the number of damaged records skipped since the engine was opened.
    ///
    /// Zero while the store is down.
    #[must_use]
    pub fn damaged_records(&self) -> u64 {
        self.read(|rows| Ok(rows.engine.damage().count())).unwrap_or_default()
    }

    /// Returns true if the store has holes: records may be lost that it does not know.
    #[must_use]
    pub fn has_holes(&self) -> bool {
        self.read(|rows| Ok(rows.engine.damage().holes() > 0)).unwrap_or_default()
    }

    /// Returns true once files of the store were found deleted. It accepts nothing more then.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.shared.gauges.is_deleted.load(Ordering::Relaxed)
    }

    /// Waits until everything submitted before is flushed to the engine.
    ///
    /// For tests that depend on it.
    #[doc(hidden)]
    pub fn flush(&self) {
        let (sender, receiver) = sync_channel(0);
        drop(self.jobs.send(Job::Flush(sender)));
        // Nothing is sent: the sender is dropped when the flush is done.
        let _: Result<(), _> = receiver.recv();
    }

    /// Waits until everything submitted before is durable, or has failed.
    fn sync(&self) {
        let (sender, receiver) = sync_channel(0);
        let done = Box::new(move |_| drop(sender));
        drop(self.writer.send(self.request(Vec::new(), Durability::Durable, done), &self.jobs));
        let _: Result<(), _> = receiver.recv();
    }

    fn request(&self, ops: Vec<Op>, durability: Durability, done: Done) -> CommitRequest {
        CommitRequest::new(self.id, ops, durability, self.shared.options.env.monotonic(), done)
    }

    fn read<T>(&self, read: impl FnOnce(&Reader<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        if self.is_closed.load(Ordering::Acquire) {
            return Err(StoreError::Unavailable);
        }
        let engine = self.shared.engine.read().unwrap_or_else(PoisonError::into_inner);
        let engine = engine.as_ref().ok_or(StoreError::Unavailable)?;
        let result = read(&Reader { memtables: &self.shared.memtables, engine });
        if matches!(result, Err(StoreError::Unreadable)) && engine.damage().is_unreadable() {
            // The writer fixes it. If its queue is full, it notices with the next step.
            drop(self.jobs.try_send(Job::Tick));
        }
        result
    }

    /// Returns a row from its cache, or reads it.
    fn read_row<P: PackedRow>(
        &self,
        cache: &RowCache<P>,
        id: &P::Key,
        (table, key): (Table, &[u8]),
        decode: impl FnOnce(&[u8]) -> Option<P::Row>,
    ) -> Result<Option<P::Row>, StoreError> {
        // While the engine is down, cached rows are not returned either.
        self.read(|rows| {
            let miss = match cache.get(id) {
                Ok(row) => return Ok(Some(row)),
                Err(miss) => miss,
            };
            let Some(value) = rows.get(table, key)? else {
                rows.engine.damage().check_absent(table, key)?;
                return Ok(None);
            };
            let row = decode(&value).ok_or_else(|| rows.engine.damage().report(table))?;
            cache.fill(*id, &row, &miss);
            Ok(Some(row))
        })
    }
}

impl Store for EmbeddedStore {
    fn commit(&self, ops: Vec<Op>, durability: Durability, done: Done) {
        if self.is_closed.load(Ordering::Acquire) {
            return done(Err(StoreError::Unavailable));
        }
        let request = self.request(ops, durability, done);
        match self.writer.submit(request, &self.jobs) {
            Ok(()) => self.shared.gauges.submitted.add(1),
            Err(TrySendError::Full(Job::Commit(request))) => request.finish(Err(StoreError::Busy)),
            // If the writer has ended, the request is dropped, which calls `done` with an error.
            Err(_) => {}
        }
    }

    fn watch(&self, observer: Arc<dyn CommitObserver>) {
        self.shared.observers.register(self.id, observer);
    }

    fn notify(&self, notice: Notice) {
        self.shared.observers.notify(self.id, &notice);
    }

    async fn inbox(&self, id: InboxId) -> Result<Option<Inbox>, StoreError> {
        let key = (Table::Inboxes, &id.as_bytes()[..]);
        self.read_row(&self.shared.rows.inboxes, &id, key, |value| read_inbox(id, value))
    }

    async fn subscription(
        &self,
        agent: InboxId,
        id: SubscriptionId,
    ) -> Result<Option<Subscription>, StoreError> {
        let key = subscription_key(agent, id);
        let decode = |value: &[u8]| read_subscription(agent, id, value);
        self.read_row(&self.shared.rows.subscriptions, &(agent, id), (Table::Subscriptions, &key), decode)
    }

    async fn channel(&self, agent: InboxId, channel: ChannelId) -> Result<Option<Subscription>, StoreError> {
        let id = self.read(|rows| read::channel(rows, agent, channel))?;
        let Some(id) = id else { return Ok(None) };
        let found = self.subscription(agent, id).await?;
        // It may have been removed between the two lookups.
        Ok(found.filter(|subscription| subscription.channel() == Some(channel)))
    }

    async fn entry(&self, entry: &EntryRef) -> Result<Option<Entry>, StoreError> {
        self.read(|rows| read::entry(rows, entry))
    }

    async fn fetch(&self, scope: &Scope, after: Position, now: Timestamp) -> Result<Page, StoreError> {
        self.read(|rows| read::fetch(rows, scope, after, now))
    }

    async fn latest(&self, scope: &Scope, before: Position, now: Timestamp) -> Result<Latest, StoreError> {
        self.read(|rows| read::latest(rows, scope, before, now))
    }

    async fn due(&self, now: Timestamp, limit: usize) -> Result<Due, StoreError> {
        self.shared.deadlines.scan(|from| self.read(|rows| read::due(rows, from, now, limit)))
    }

    async fn idle(&self, check: &IdleCheck, limit: usize) -> Result<Vec<InboxId>, StoreError> {
        self.read(|rows| read::idle(rows, check, limit))
    }

    async fn snapshot(&self, detail: &Detail) -> Result<Snapshot, StoreError> {
        let shared = &self.shared;
        let position = || Position::new(shared.gauges.position.load(Ordering::Acquire));
        self.read(|rows| Ok(Box::new(shared.snapshots.take(rows, position, detail)) as Snapshot))
    }

    fn statistics(&self) -> Option<Statistics> {
        let is_up = self.shared.engine.read().unwrap_or_else(PoisonError::into_inner).is_some();
        let Recovery { batches_lost } = self.recovery;
        let damaged_records = self.damaged_records();
        let holes = self.read(|rows| Ok(rows.engine.damage().holes() as u64)).unwrap_or_default();
        Some(Statistics { is_up, batches_lost, damaged_records, holes, ..self.shared.gauges.statistics() })
    }

    fn close(&self) {
        if self.is_closed.swap(true, Ordering::AcqRel) {
            return;
        }
        let is_last = self.shared.handles.fetch_sub(1, Ordering::AcqRel) == 1;
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        // A `done` may close the store: the writer then ends by itself when all senders are dropped.
        let is_elsewhere =
            thread.as_ref().is_some_and(|thread| thread.thread().id() != thread::current().id())
                && !self.writer.is_committing_here();
        let ending = if is_last { thread.take() } else { None };
        drop(thread);
        match ending {
            Some(thread) if is_elsewhere => {
                // Both fail only if the writer has ended already.
                drop(self.jobs.send(Job::Close));
                drop(thread.join());
            }
            None if is_elsewhere => self.sync(),
            Some(_) | None => {}
        }
        self.shared.observers.remove(self.id);
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        self.close();
    }
}
