//! Acknowledgements that nobody waits for, settled many at once: a commit has its price, however little is in it.

use crate::service::Service;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use webpush_core::id::EntryRef;
use webpush_core::message::Outcome;
use webpush_store::{Durability, Op};

/// How long an acknowledgement may wait for others. A crash in this time repeats a delivery, as it may for a while longer,
/// until the store has synced.
const PATIENCE: Duration = Duration::from_millis(5);
/// So many are settled at once.
const BATCH: usize = 64;

/// What was acknowledged and is not settled yet.
#[derive(Default)]
pub struct Settling {
    waiting: Mutex<Vec<Op>>,
    arrived: Notify,
}

impl Settling {
    fn waiting(&self) -> MutexGuard<'_, Vec<Op>> {
        // Whoever panicked while holding it left whole operations.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service {
    /// Settles entries soon, with others.
    pub fn settle_soon(&self, entries: Vec<EntryRef>) {
        self.record_acknowledged(&entries);
        let mut waiting = self.settling.waiting();
        let was_empty = waiting.is_empty();
        waiting.extend(entries.into_iter().map(|entry| Op::Settle(entry, Outcome::Delivered)));
        if waiting.len() >= BATCH {
            self.submit_settled(waiting);
        } else if was_empty {
            self.settling.arrived.notify_one();
        }
    }

    /// Hands everything that waits to the store: what is committed from now on comes after it.
    pub fn settle_now(&self) {
        self.submit_settled(self.settling.waiting());
    }

    fn submit_settled(&self, mut waiting: MutexGuard<'_, Vec<Op>>) {
        let ops = std::mem::take(&mut *waiting);
        // Under the lock, or a batch could be overtaken by the one after it.
        if !ops.is_empty() {
            self.commit_detached(ops, Durability::Lazy);
        }
    }
}

/// Settles what waits, for ever.
pub async fn run(service: &Service) {
    loop {
        service.settling.arrived.notified().await;
        tokio::time::sleep(PATIENCE).await;
        service.settle_now();
    }
}
