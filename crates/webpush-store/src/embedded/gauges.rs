//! Counters and gauges of the store. The writer updates them.

use super::request::CommitRequest;
use crate::Durability;
use crate::statistics::{Histogram, Statistics};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;
use webpush_core::env::MonotonicTime;

/// In microseconds. A sync takes from about 20 µs to far longer on a disk under load.
const TIMES: &[u64] =
    &[50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 250_000, 1_000_000, 5_000_000];
/// In requests. A group has at most a few thousand.
const GROUPS: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024];

/// A monotonic counter.
#[derive(Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// All counters and gauges.
pub(super) struct Gauges {
    /// Requests that entered the queue, and those that left it.
    pub(super) submitted: Count,
    pub(super) taken: Count,
    pub(super) is_full: AtomicBool,
    /// True once files of the store were found deleted. It does not come back then.
    pub(super) is_deleted: AtomicBool,
    pub(super) outages: Count,
    pub(super) log_written: Count,
    pub(super) flushes: Count,
    /// Entries: those that a scan has counted, and changes since it started.
    pub(super) entries: AtomicI64,
    /// True when the scan has ended.
    pub(super) entries_known: AtomicBool,
    /// The last assigned position.
    pub(super) position: AtomicU64,
    commits: Histogram,
    syncs: Histogram,
    groups: Histogram,
    log_bytes: AtomicU64,
    memtable_bytes: AtomicU64,
}

impl Default for Gauges {
    fn default() -> Self {
        Self {
            submitted: Count::default(),
            taken: Count::default(),
            is_full: AtomicBool::new(false),
            is_deleted: AtomicBool::new(false),
            outages: Count::default(),
            log_written: Count::default(),
            flushes: Count::default(),
            entries: AtomicI64::new(0),
            entries_known: AtomicBool::new(false),
            position: AtomicU64::new(0),
            commits: Histogram::new(TIMES),
            syncs: Histogram::new(TIMES),
            groups: Histogram::new(GROUPS),
            log_bytes: AtomicU64::new(0),
            memtable_bytes: AtomicU64::new(0),
        }
    }
}

impl Gauges {
    /// Records a group that was written at `now`, and the time of its sync, if any.
    pub(super) fn note_group(&self, group: &[CommitRequest], sync: Option<Duration>, now: MonotonicTime) {
        self.groups.note(group.len() as u64);
        let Some(sync) = sync else { return };
        self.syncs.note(micros(sync));
        for request in group.iter().filter(|request| request.durability == Durability::Durable) {
            self.commits.note(micros(now.since(request.submitted)));
        }
    }

    /// Records the size of the active memtable, in the log and in memory.
    pub(super) fn note_sizes(&self, log: u64, memtable: usize) {
        self.log_bytes.store(log, Ordering::Relaxed);
        self.memtable_bytes.store(memtable as u64, Ordering::Relaxed);
    }

    /// Returns the statistics, without those that only the whole store knows.
    pub(super) fn statistics(&self) -> Statistics {
        // Loaded before the count, which is complete once this is set.
        let is_known = self.entries_known.load(Ordering::Acquire);
        let entries = u64::try_from(self.entries.load(Ordering::Relaxed)).unwrap_or_default();
        Statistics {
            is_full: self.is_full.load(Ordering::Relaxed),
            outages: self.outages.get(),
            // Requests are counted after they are submitted, so this one may have been taken before.
            waiting: self.submitted.get().saturating_sub(self.taken.get()),
            commits: self.commits.distribution(),
            syncs: self.syncs.distribution(),
            groups: self.groups.distribution(),
            log_bytes: self.log_bytes.load(Ordering::Relaxed),
            log_written_bytes: self.log_written.get(),
            memtable_bytes: self.memtable_bytes.load(Ordering::Relaxed),
            flushes: self.flushes.get(),
            entries: is_known.then_some(entries),
            ..Statistics::default()
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
