//! Carries out commits, and knows those whose outcome is unknown after a crash.

use std::pin::pin;
use std::task::Poll;
use webpush_core::id::EntryRef;
use webpush_core::message::Outcome;
use webpush_service::service::Service;
use webpush_service::sweep;
use webpush_store::embedded::Stepper;
use webpush_store::{Applied, Durability, Op, StoreError};

/// Acknowledgements that wait to be settled, below the number that the service settles at once.
const QUEUED: usize = 32;

/// The writer of the store, if it has to be stepped, and what was submitted to it.
#[derive(Default)]
pub(crate) struct Machine {
    pub(crate) stepper: Option<Stepper>,
    /// Acknowledgements that the service has queued.
    queued: Vec<EntryRef>,
    /// Operations without a result, in the order of submission.
    attempts: Vec<Op>,
}

impl Machine {
    /// Commits operations as one batch each, which may share a group.
    pub(crate) async fn commit(
        &mut self,
        service: &Service,
        ops: Vec<Op>,
    ) -> Result<Vec<Applied>, StoreError> {
        self.attempts.extend(ops.iter().cloned());
        let commits = ops.into_iter().map(|op| service.commit_one(op, Durability::Durable));
        let all = futures_util::future::join_all(commits);
        self.complete(async { all.await.into_iter().collect() }).await
    }

    pub(crate) async fn settle_durably(
        &mut self,
        service: &Service,
        entries: Vec<EntryRef>,
    ) -> Result<(), StoreError> {
        self.attempts.extend(entries.iter().map(|entry| Op::Settle(*entry, Outcome::Delivered)));
        self.complete(service.settle_durably(entries)).await
    }

    pub(crate) fn settle_soon(&mut self, service: &Service, entries: Vec<EntryRef>) {
        self.queued.extend(&entries);
        service.settle_soon(entries);
        if self.queued.len() >= QUEUED {
            self.submit_settled(service);
        }
    }

    /// Submits the queued acknowledgements, which may share a group with what is committed next.
    pub(crate) fn submit_settled(&mut self, service: &Service) {
        let queued = std::mem::take(&mut self.queued);
        self.attempts.extend(queued.into_iter().map(|entry| Op::Settle(entry, Outcome::Delivered)));
        service.settle_now();
    }

    /// Settles the queued acknowledgements, without waiting for the disk.
    pub(crate) fn settle_now(&mut self, service: &Service) {
        self.submit_settled(service);
        while self.stepper.as_mut().is_some_and(Stepper::step) {}
    }

    pub(crate) async fn expire(&mut self, service: &Service) -> Result<(), StoreError> {
        let due = service.due(service.now(), 500).await?;
        self.attempts.extend(due.entries.into_iter().map(|entry| Op::Settle(entry, Outcome::Expired)));
        self.complete(sweep::expire(service)).await
    }

    /// Flushes memtables, and does what is due.
    pub(crate) fn work(&mut self) {
        if let Some(stepper) = &mut self.stepper {
            stepper.step();
            stepper.run_tasks();
        }
    }

    /// Returns what was submitted without a result, for a machine that starts again.
    pub(crate) fn take_attempts(&mut self) -> Vec<Op> {
        self.queued.clear();
        std::mem::take(&mut self.attempts)
    }

    /// Steps the writer until a future completes.
    ///
    /// If it succeeds, so has everything that was submitted before.
    async fn complete<T>(
        &mut self,
        future: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let mut future = pin!(future);
        let result = loop {
            let poll = futures_util::poll!(future.as_mut());
            while self.stepper.as_mut().is_some_and(Stepper::step) {}
            if let Poll::Ready(result) = poll {
                break result;
            }
            tokio::task::yield_now().await;
        };
        if result.is_ok() {
            self.attempts.clear();
        }
        result
    }
}
