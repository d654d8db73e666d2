//! The queue of acknowledgements that are not settled yet.

use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use webpush_core::id::EntryRef;

/// Maximum number of failed acknowledgements that are kept, of 40 bytes each.
pub(super) const FAILED_LIMIT: usize = 65_536;

#[derive(Default)]
pub(crate) struct SettleQueue {
    waiting: Mutex<Vec<EntryRef>>,
    /// Acknowledgements of batches that could not be committed.
    ///
    /// Behind a lock of its own, as the result of a batch may come while `waiting` is locked.
    failed: Mutex<Vec<EntryRef>>,
    /// Notified when the queue is no longer empty.
    pub(super) filled: Notify,
    /// Notified when a batch could not be committed.
    pub(super) has_failed: Notify,
}

impl SettleQueue {
    pub(super) fn lock(&self) -> MutexGuard<'_, Vec<EntryRef>> {
        lock(&self.waiting)
    }

    /// Keeps the acknowledgements of a batch that could not be committed, to be settled again.
    ///
    /// Those beyond [`FAILED_LIMIT`] are dropped: their messages are delivered again, as after a crash.
    pub(super) fn put_back(&self, mut batch: Vec<EntryRef>) {
        let mut failed = lock(&self.failed);
        batch.truncate(FAILED_LIMIT - failed.len());
        failed.append(&mut batch);
        self.has_failed.notify_one();
    }

    pub(super) fn take_failed(&self) -> Vec<EntryRef> {
        std::mem::take(&mut lock(&self.failed))
    }
}

fn lock(entries: &Mutex<Vec<EntryRef>>) -> MutexGuard<'_, Vec<EntryRef>> {
    // A panic while locked leaves whole entries.
    entries.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use webpush_core::id::{InboxId, MessageId};

    #[test]
    fn failed_acknowledgements_are_kept_up_to_a_limit() {
        let queue = SettleQueue::default();
        let entry = EntryRef::unstored(InboxId::from_bytes([1; 16]), MessageId::from_bytes([2; 16]));
        queue.put_back(vec![entry; FAILED_LIMIT - 1]);
        queue.put_back(vec![entry; 2]);
        queue.put_back(vec![entry]);
        assert_eq!(queue.take_failed().len(), FAILED_LIMIT);
        assert!(queue.take_failed().is_empty());
    }
}
