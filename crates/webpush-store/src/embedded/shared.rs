//! The state that readers and the writer share.

use super::deadlines::DeadlineCursor;
use super::engine::Engine;
use super::gauges::Gauges;
use super::memtables::MemtableSet;
use super::options::Options;
use super::row_caches::RowCaches;
use super::snapshot::SnapshotRegistry;
use super::tasks::TaskMode;
use crate::observer::Observers;
use crate::threads::sync::atomic::AtomicUsize;
use crate::threads::sync::{Arc, RwLock};
use std::path::PathBuf;

/// The state of an open store.
pub(super) struct Shared {
    pub(super) directory: PathBuf,
    pub(super) options: Options,
    /// Runs flushes and scans.
    pub(super) mode: TaskMode,
    /// `None` while the store is down or closed.
    ///
    /// Readers hold the lock while they read, so that the engine is unused once it was taken out.
    pub(super) engine: RwLock<Option<Engine>>,
    pub(super) memtables: MemtableSet,
    pub(super) deadlines: DeadlineCursor,
    pub(super) rows: RowCaches,
    pub(super) snapshots: SnapshotRegistry,
    pub(super) observers: Observers,
    /// Open handles.
    pub(super) handles: AtomicUsize,
    /// In an `Arc` of its own, for threads that must not keep the rest alive.
    pub(super) gauges: Arc<Gauges>,
}
