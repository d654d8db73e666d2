//! The jobs of the writer.

use crate::observer::HandleId;
use crate::threads::sync::mpsc::SyncSender;
use crate::{Applied, Done, Durability, Op, StoreError};
use webpush_core::env::MonotonicTime;

/// A job in the writer's queue.
pub(super) enum Job {
    Commit(CommitRequest),
    /// Flushes everything to the engine; the sender is dropped afterwards.
    Flush(SyncSender<()>),
    /// Does the work that is due, such as fixing files of the engine that could not be read.
    Tick,
    Close,
}

/// A waiting commit. `done` is called exactly once, whatever happens.
pub(super) struct CommitRequest {
    pub(super) ops: Vec<Op>,
    pub(super) durability: Durability,
    /// The handle that submitted it.
    pub(super) handle: HandleId,
    pub(super) submitted: MonotonicTime,
    done: Option<Done>,
}

impl CommitRequest {
    pub(super) fn new(
        handle: HandleId,
        ops: Vec<Op>,
        durability: Durability,
        submitted: MonotonicTime,
        done: Done,
    ) -> Self {
        Self { ops, durability, handle, submitted, done: Some(done) }
    }

    pub(super) fn finish(mut self, result: Result<Vec<Applied>, StoreError>) {
        if let Some(done) = self.done.take() {
            done(result);
        }
    }
}

/// Answers a request that nobody has answered: the queue or the writer was dropped before.
impl Drop for CommitRequest {
    fn drop(&mut self) {
        if let Some(done) = self.done.take() {
            done(Err(StoreError::Unavailable));
        }
    }
}
