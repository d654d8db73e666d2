//! Settles acknowledged entries, durably or in batches.
//!
//! Batches, because every commit has a fixed cost.

mod queue;

pub(crate) use queue::SettleQueue;

use crate::service::Service;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use webpush_core::id::EntryRef;
use webpush_core::message::Outcome;
use webpush_store::{Durability, Op, StoreError};

/// How acknowledgements wait for others in a store of its own.
const OWN_STORE: Batching = Batching { delay: Duration::from_millis(5), size: 64 };
/// The same in a store that nodes share, where each commit is a transaction.
const SHARED_STORE: Batching = Batching { delay: Duration::from_millis(50), size: 512 };
/// Delay before a batch that could not be committed is submitted again.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// How acknowledgements wait for others.
struct Batching {
    /// A crash in this time repeats a delivery, as it does until the store has synced.
    delay: Duration,
    /// Number of acknowledgements that are settled without further delay.
    size: usize,
}

impl Service {
    /// Queues acknowledged entries to be settled.
    pub fn settle_soon(&self, entries: Vec<EntryRef>) {
        self.record_acknowledged(&entries);
        let mut waiting = self.settling.lock();
        let was_empty = waiting.is_empty();
        waiting.extend(entries);
        if waiting.len() >= self.batching().size {
            self.submit_settled(waiting);
        } else if was_empty {
            self.settling.filled.notify_one();
        }
    }

    /// Submits all queued acknowledgements, before any later commit.
    ///
    /// Those that could not be committed are among them.
    pub fn settle_now(&self) {
        self.settle_failed();
        self.submit_settled(self.settling.lock());
    }

    /// Submits those of an agent that has disconnected, and may connect to another node next.
    ///
    /// Without those that could not be committed, of which there may be many, as agents may disconnect at once.
    pub fn settle_at_disconnect(&self) {
        if self.is_shared() {
            self.submit_settled(self.settling.lock());
        }
    }

    /// Submits acknowledgements again that could not be committed.
    ///
    /// Agents do not repeat them on an open connection: for its session the messages have ended.
    fn settle_failed(&self) {
        for batch in self.settling.take_failed().chunks(self.batching().size) {
            self.submit_batch(batch.to_vec());
        }
    }

    /// Settles acknowledged entries, and returns once that is durable.
    ///
    /// The connection waits for it, which slows down an agent that acknowledges endlessly.
    ///
    /// # Errors
    /// After a [`StoreError`] it is unknown which entries were settled.
    pub async fn settle_durably(&self, entries: Vec<EntryRef>) -> Result<(), StoreError> {
        self.record_acknowledged(&entries);
        self.commit(settle(&entries), Durability::Durable).await.map(drop)
    }

    fn batching(&self) -> Batching {
        if self.is_shared() { SHARED_STORE } else { OWN_STORE }
    }

    fn submit_settled(&self, mut waiting: MutexGuard<'_, Vec<EntryRef>>) {
        let batch = std::mem::take(&mut *waiting);
        // Still locked, so that batches are submitted in order.
        if !batch.is_empty() {
            self.submit_batch(batch);
        }
    }

    fn submit_batch(&self, batch: Vec<EntryRef>) {
        let queue = Arc::clone(&self.settling);
        self.submit(settle(&batch), Durability::Lazy, move |result| {
            if result.is_err() {
                // Settling is idempotent, so it does not matter which of them were settled.
                queue.put_back(batch);
            }
        });
    }
}

fn settle(entries: &[EntryRef]) -> Vec<Op> {
    entries.iter().map(|entry| Op::Settle(*entry, Outcome::Delivered)).collect()
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
    let queue = &service.settling;
    let settles = async {
        loop {
            queue.filled.notified().await;
            sleep(service.batching().delay).await;
            service.submit_settled(queue.lock());
        }
    };
    let retries = async {
        loop {
            queue.has_failed.notified().await;
            sleep(RETRY_DELAY).await;
            service.settle_failed();
        }
    };
    tokio::join!(settles, retries);
}
