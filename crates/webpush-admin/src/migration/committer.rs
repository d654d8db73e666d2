//! Commits operations to the target in batches.

use super::MigrationCounts;
use super::merge::Sink;
use anyhow::Context as _;
use std::collections::VecDeque;
use std::sync::mpsc;
use webpush_store::{Applied, Backend, Durability, Op, Record, Store, StoreError};

/// Operations after which a batch ends with the current inbox.
///
/// Batches of different inboxes are committed at the same time by a store with several connections.
const BATCH: usize = 256;
/// Operations after which a batch ends within an inbox.
const MAX_BATCH: usize = 2 * BATCH;
/// Bytes of bodies after which a batch ends.
const MAX_BYTES: usize = 1024 * 1024;
/// Batches that are being committed.
const IN_FLIGHT: usize = 4;

/// Collects operations, and commits them in order.
pub(super) struct Committer<'a, P> {
    store: &'a Backend,
    progress: P,
    batch: Vec<Op>,
    bytes: usize,
    in_flight: VecDeque<Batch>,
    skipped: u64,
}

/// A batch that was submitted.
struct Batch {
    /// True for each operation that copies a record.
    copies: Vec<bool>,
    result: mpsc::Receiver<Result<Vec<Applied>, StoreError>>,
}

impl<'a, P> Committer<'a, P> {
    pub(super) const fn new(store: &'a Backend, progress: P) -> Self {
        Self { store, progress, batch: Vec::new(), bytes: 0, in_flight: VecDeque::new(), skipped: 0 }
    }

    /// Commits the rest, and returns the number of records that the target refused.
    pub(super) fn finish(mut self) -> anyhow::Result<u64> {
        self.submit()?;
        self.wait(0)?;
        Ok(self.skipped)
    }

    fn submit(&mut self) -> anyhow::Result<()> {
        let ops = std::mem::take(&mut self.batch);
        self.bytes = 0;
        if ops.is_empty() {
            return Ok(());
        }
        self.wait(IN_FLIGHT - 1)?;
        let copies = ops.iter().map(|op| matches!(op, Op::Restore(_) | Op::Subscribe(_))).collect();
        let (sender, result) = mpsc::channel();
        self.store.commit(ops, Durability::Durable, Box::new(move |result| drop(sender.send(result))));
        self.in_flight.push_back(Batch { copies, result });
        Ok(())
    }

    /// Waits until at most `most` batches are being committed.
    fn wait(&mut self, most: usize) -> anyhow::Result<()> {
        while self.in_flight.len() > most {
            let Some(Batch { copies, result }) = self.in_flight.pop_front() else { break };
            let applied = result.recv().unwrap_or(Err(StoreError::Unavailable));
            let applied = applied.context("cannot write to the target; run the command again to continue")?;
            let refused = copies.iter().zip(&applied).filter(|(is_copy, applied)| {
                **is_copy && matches!(applied, Applied::Missing | Applied::Taken | Applied::Refused)
            });
            self.skipped += refused.count() as u64;
        }
        Ok(())
    }
}

impl<P: FnMut(&MigrationCounts)> Sink for Committer<'_, P> {
    fn apply(&mut self, op: Op) -> anyhow::Result<()> {
        let is_floor = matches!(op, Op::Restore(Record::Position(_)));
        if let Op::Restore(Record::Entry(entry)) = &op {
            self.bytes += entry.body_bytes();
        }
        self.batch.push(op);
        if is_floor {
            // Before all others: no position may be assigned below it.
            self.submit()?;
            return self.wait(0);
        }
        if self.batch.len() >= MAX_BATCH || self.bytes >= MAX_BYTES { self.submit() } else { Ok(()) }
    }

    fn end_inbox(&mut self) -> anyhow::Result<()> {
        if self.batch.len() >= BATCH { self.submit() } else { Ok(()) }
    }

    fn report(&mut self, counts: &MigrationCounts) {
        (self.progress)(counts);
    }
}
