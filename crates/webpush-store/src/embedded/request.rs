//! What comes to the writer.

use crate::{Applied, Done, Durability, Op, StoreError};
use std::sync::mpsc::SyncSender;
use std::time::Instant;

/// What the writer is asked for.
pub(super) enum Job {
    Commit(Request),
    /// To give the engine everything; what is in here is dropped when it has it.
    Flush(SyncSender<()>),
    /// Some time has passed.
    Look,
    Close,
}

/// A commit that waits. Whatever happens to it, `done` is called once.
pub(super) struct Request {
    pub(super) ops: Vec<Op>,
    pub(super) durability: Durability,
    pub(super) submitted: Instant,
    done: Option<Done>,
}

impl Request {
    pub(super) fn new(ops: Vec<Op>, durability: Durability, done: Done) -> Self {
        Self { ops, durability, submitted: Instant::now(), done: Some(done) }
    }

    pub(super) fn finish(mut self, result: Result<Vec<Applied>, StoreError>) {
        if let Some(done) = self.done.take() {
            done(result);
        }
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        if let Some(done) = self.done.take() {
            done(Err(StoreError::Unavailable));
        }
    }
}
