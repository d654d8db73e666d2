//! Settles acknowledged entries, durably or in batches.
//!
//! Batches, because every commit has a fixed cost.

mod queue;

pub(crate) use queue::SettleQueue;

use crate::service::Service;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use webpush_core::id::EntryRef;
use webpush_core::message::Outcome;
use webpush_store::{Durability, Op, StoreError};

/// How long an acknowledgement may wait for others.
///
/// A crash in this time repeats a delivery, as it does until the store has synced.
const MAX_DELAY: Duration = Duration::from_millis(5);
/// Number of acknowledgements that are settled without further delay.
const BATCH: usize = 64;

impl Service {
    /// Queues acknowledged entries to be settled.
    pub fn settle_soon(&self, entries: Vec<EntryRef>) {
        self.record_acknowledged(&entries);
        let mut waiting = self.settling.lock();
        let was_empty = waiting.is_empty();
        waiting.extend(entries.into_iter().map(|entry| Op::Settle(entry, Outcome::Delivered)));
        if waiting.len() >= BATCH {
            self.submit_settled(waiting);
        } else if was_empty {
            self.settling.filled.notify_one();
        }
    }

    /// Submits all queued acknowledgements, before any later commit.
    pub fn settle_now(&self) {
        self.submit_settled(self.settling.lock());
    }

    /// Settles acknowledged entries, and returns once that is durable.
    ///
    /// The connection waits for it, which slows down an agent that acknowledges endlessly.
    ///
    /// # Errors
    /// After a [`StoreError`] it is unknown which entries were settled.
    pub async fn settle_durably(&self, entries: Vec<EntryRef>) -> Result<(), StoreError> {
        self.record_acknowledged(&entries);
        let ops = entries.into_iter().map(|entry| Op::Settle(entry, Outcome::Delivered)).collect();
        self.commit(ops, Durability::Durable).await.map(drop)
    }

    fn submit_settled(&self, mut waiting: std::sync::MutexGuard<'_, Vec<Op>>) {
        let ops = std::mem::take(&mut *waiting);
        // Still locked, so that batches are submitted in order.
        if !ops.is_empty() {
            self.commit_detached(ops, Durability::Lazy);
        }
    }
}

/// Starts the settling of queued acknowledgements, which runs until it is aborted.
#[must_use]
pub fn start(service: Arc<Service>) -> JoinHandle<()> {
    tokio::spawn(async move { run(&service).await })
}

/// Settles queued acknowledgements after a short delay. Never returns.
///
/// For callers that run tasks themselves; others call [`start`].
pub async fn run(service: &Service) {
    loop {
        service.settling.filled.notified().await;
        tokio::time::sleep(MAX_DELAY).await;
        service.settle_now();
    }
}
