//! The queue of acknowledgements that are not settled yet.

use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use webpush_store::Op;

#[derive(Default)]
pub(crate) struct SettleQueue {
    waiting: Mutex<Vec<Op>>,
    /// Notified when the queue is no longer empty.
    pub(super) filled: Notify,
}

impl SettleQueue {
    pub(super) fn lock(&self) -> MutexGuard<'_, Vec<Op>> {
        // A panic while locked leaves whole operations.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
