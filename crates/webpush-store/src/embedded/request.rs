//! The jobs of the writer.

use crate::observer::HandleId;
use crate::threads::sync::mpsc::SyncSender;
use crate::{Applied, Done, Durability, Op, StoreError};
use webpush_core::env::MonotonicTime;

/// Maximum number of operations in a small request.
const SMALL_OPS: usize = 4;

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

    /// Returns true if it is durable, and costs little besides its sync.
    pub(super) fn is_small(&self) -> bool {
        let is_quick = |op: &Op| {
            matches!(
                op,
                Op::CreateInbox(_) | Op::Subscribe(_) | Op::Append(_) | Op::Settle(..) | Op::Touch(..)
            )
        };
        self.durability == Durability::Durable && self.ops.len() <= SMALL_OPS && self.ops.iter().all(is_quick)
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
