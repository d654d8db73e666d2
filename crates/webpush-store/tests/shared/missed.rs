//! An observer that counts what it was not told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use webpush_store::postgres::PostgresStore;
use webpush_store::{CommitEvent, CommitObserver, Store as _};

/// Counts how often an observer has missed notices.
#[derive(Default)]
pub(crate) struct Missed(AtomicU64);

impl Missed {
    pub(crate) fn watch(store: &PostgresStore) -> Arc<Self> {
        let missed = Arc::<Self>::default();
        store.watch(Arc::clone(&missed) as Arc<dyn CommitObserver>);
        missed
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

impl CommitObserver for Missed {
    fn committed(&self, _: &CommitEvent<'_>) {}

    fn failed(&self) {}

    fn missed(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}
