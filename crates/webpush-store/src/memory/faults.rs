//! Faults that tests inject into a store in memory.

use super::Handle;
use crate::{Done, Durability, Op};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Makes one handle to a [`MemoryStore`](super::MemoryStore) fail.
///
/// ```
/// use webpush_store::memory::MemoryStore;
/// use webpush_store::{Durability, Store, StoreError};
///
/// let store = MemoryStore::default();
/// store.faults().fail_commits(true); // as if the disk were full
/// store.commit(Vec::new(), Durability::Durable, Box::new(|result| {
///     assert_eq!(result, Err(StoreError::Unavailable));
/// }));
/// ```
#[derive(Clone)]
pub struct Faults(pub(super) Arc<Handle>);

/// The faults of one handle.
#[derive(Default)]
pub(super) struct FaultState {
    pub(super) commits: AtomicUsize,
    pub(super) fails_commits: AtomicBool,
    pub(super) fails_subscription_reads: AtomicBool,
    pub(super) fails_snapshots: AtomicBool,
    pub(super) is_down: AtomicBool,
    pub(super) is_cut_off: AtomicBool,
    pub(super) loses_answers: AtomicBool,
    pub(super) holds_commits: AtomicBool,
    pub(super) held: Mutex<Vec<(Vec<Op>, Durability, Done)>>,
}

impl Faults {
    /// Makes commits fail without being applied.
    ///
    /// They return [`StoreError::Unavailable`](crate::StoreError::Unavailable).
    pub fn fail_commits(&self, fail: bool) {
        self.0.faults.fails_commits.store(fail, Ordering::Release);
    }

    /// Makes lookups of subscriptions by ID fail.
    ///
    /// They return [`StoreError::Unavailable`](crate::StoreError::Unavailable).
    pub fn fail_subscription_reads(&self, fail: bool) {
        self.0.faults.fails_subscription_reads.store(fail, Ordering::Release);
    }

    /// Makes snapshots fail with [`StoreError::Unavailable`](crate::StoreError::Unavailable).
    pub fn fail_snapshots(&self, fail: bool) {
        self.0.faults.fails_snapshots.store(fail, Ordering::Release);
    }

    /// Makes the statistics of the handle say that the store is down.
    pub fn report_down(&self, is_down: bool) {
        self.0.faults.is_down.store(is_down, Ordering::Release);
    }

    /// Loses the notices to all handles, until it is called with `false`.
    ///
    /// Then their observers hear that they missed some.
    pub fn lose_notices(&self, lose: bool) {
        let commits = &self.0.shared.commits;
        if commits.loses_notices.swap(lose, Ordering::AcqRel) && !lose {
            commits.observers.missed();
        }
    }

    /// Cuts the handle off from the store, until it is called with `false`.
    ///
    /// Reads and commits fail with [`StoreError::Unavailable`](crate::StoreError::Unavailable), and notices are lost in both
    /// directions. Its observers hear afterwards that they missed some.
    pub fn cut_off(&self, is_cut_off: bool) {
        let commits = &self.0.shared.commits;
        if self.0.faults.is_cut_off.swap(is_cut_off, Ordering::AcqRel) == is_cut_off {
            return;
        }
        let mut handles = commits.cut_off.lock().unwrap_or_else(PoisonError::into_inner);
        if is_cut_off {
            return handles.push(self.0.id);
        }
        handles.retain(|handle| *handle != self.0.id);
        drop(handles);
        commits.observers.missed_own(self.0.id);
    }

    /// Applies commits, but fails them.
    ///
    /// Their submitter gets [`StoreError::Unavailable`](crate::StoreError::Unavailable).
    ///
    /// For a store with notices, as [`MemoryStore::shared`](super::MemoryStore::shared) is.
    pub fn lose_answers(&self, lose: bool) {
        self.0.faults.loses_answers.store(lose, Ordering::Release);
    }

    /// Delays the notices to all handles, until it is called with `false`, which delivers them in order.
    pub fn delay_notices(&self, delay: bool) {
        self.0.shared.commits.delay_notices(delay);
    }

    /// Delays commits, like a disk that does not respond, until [`Faults::release_commits`].
    pub fn hold_commits(&self) {
        self.0.faults.holds_commits.store(true, Ordering::Release);
    }

    /// Applies the delayed commits in the order of submission, and delays no more.
    pub fn release_commits(&self) {
        let faults = &self.0.faults;
        faults.holds_commits.store(false, Ordering::Release);
        let held = std::mem::take(&mut *faults.held.lock().unwrap_or_else(PoisonError::into_inner));
        for (ops, durability, done) in held {
            self.0.commit(ops, durability, done);
        }
    }

    /// Returns the number of commits submitted to the handle.
    #[must_use]
    pub fn commits(&self) -> usize {
        self.0.faults.commits.load(Ordering::Acquire)
    }
}
