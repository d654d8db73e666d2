//! The number of stored entries.
//!
//! It is counted once when the store is opened, from the usage rows of all inboxes, and updated with each change. As
//! there may be many inboxes, the scan runs concurrently with the writer, on a snapshot.

use super::engine::Engine;
use super::gauges::Gauges;
use super::key::Key;
use super::memtable::Memtable;
use super::rows::Table;
use super::tasks::{Task, TaskMode};
use super::usage_row::UsageRow;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use webpush_core::id::InboxId;

/// A count, perhaps still running.
#[derive(Default)]
pub(super) struct EntryCountScan {
    stop: Arc<AtomicBool>,
    task: Option<Task<()>>,
}

impl EntryCountScan {
    /// Starts to count the rows of the engine and those not flushed yet.
    ///
    /// Nothing may be committed before this returns.
    pub(super) fn begin(
        mode: TaskMode,
        gauges: &Arc<Gauges>,
        engine: &Engine,
        memtable: Option<Arc<Memtable>>,
    ) -> io::Result<Self> {
        gauges.entries_known.store(false, Ordering::Release);
        gauges.entries.store(0, Ordering::Relaxed);
        let stop = Arc::<AtomicBool>::default();
        let (gauges, stopped) = (Arc::clone(gauges), Arc::clone(&stop));
        let changed =
            memtable.iter().flat_map(|memtable| memtable.in_any_order(Table::Usages, Key::default()));
        let changed: BTreeMap<_, _> = changed.map(|(key, value)| (key, value.clone())).collect();
        let usages = engine.all(Table::Usages);
        let count = move || {
            let newer = changed.iter().filter_map(|(key, value)| Some((*key, value.clone()?)));
            let older = usages
                .take_while(|_| !stopped.load(Ordering::Relaxed))
                .flatten()
                .filter(|(key, _)| !changed.contains_key(key));
            // A damaged row counts nothing: its inbox is recounted when it is used.
            let entries = newer.chain(older).filter_map(|(key, value)| {
                let inbox = InboxId::from_bytes(key[..].try_into().ok()?);
                Some(UsageRow::read(inbox, &value)?.entries)
            });
            let entries = i64::try_from(entries.sum::<u64>()).unwrap_or(i64::MAX);
            if !stopped.load(Ordering::Relaxed) {
                gauges.entries.fetch_add(entries, Ordering::Relaxed);
                gauges.entries_known.store(true, Ordering::Release);
            }
        };
        let task = Task::start(mode, "store-entries", count)?;
        Ok(Self { stop, task: Some(task) })
    }

    /// Waits until nothing is being read.
    pub(super) fn stop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(task) = self.task.take() {
            task.end();
        }
    }

    /// Runs the scan if it is waiting to be run.
    pub(super) fn run(&mut self) {
        self.task = self.task.take().map(Task::run);
    }
}
