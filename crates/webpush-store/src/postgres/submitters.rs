//! Those who wait for the commits of a group.

use super::apply::GroupChanges;
use super::node::Node;
use super::queue::{self, Commit};
use crate::{Applied, Done, Durability, Op, StoreError};
use std::collections::{HashSet, VecDeque};
use tokio::time::Instant;
use webpush_core::id::InboxId;

/// The submitters of a group that have no result yet, in the order of its commits.
pub(super) struct Submitters {
    waiting: VecDeque<Submitter>,
    /// When they are failed.
    deadline: Instant,
}

impl Submitters {
    /// Splits commits into their operations and those who wait for them.
    pub(super) fn new(commits: Vec<Commit>, deadline: Instant) -> (Vec<Vec<Op>>, Self) {
        let (mut ops, mut waiting) = (Vec::new(), VecDeque::new());
        for commit in commits {
            let Commit { ops: its_ops, durability, done, submitted } = commit;
            ops.push(its_ops);
            waiting.push_back(Submitter { durability, done: Some(done), submitted });
        }
        (ops, Self { waiting, deadline })
    }

    /// Returns true if nobody waits any more.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Gives the first ones the results of their commits.
    pub(super) fn complete(&mut self, node: &Node, changes: GroupChanges) {
        node.recent.add(changes.appended);
        if self.is_empty() {
            // They were told that it failed.
            node.missed();
        }
        for applied in changes.results {
            let Some(submitter) = self.waiting.pop_front() else { break };
            node.observers.committed(node.handle, &applied, submitter.durability);
            if submitter.durability == Durability::Durable {
                let micros = submitter.submitted.elapsed().as_micros();
                node.gauges.commits.note(u64::try_from(micros).unwrap_or(u64::MAX));
            }
            submitter.answer(Ok(applied));
        }
        if !changes.outgoing.is_empty() {
            node.outgoing.notify_one();
        }
        changes.notices.into_iter().for_each(|notice| node.notify(notice));
    }

    /// Sends the commits to inboxes that have moved to their cells, and leaves the others.
    pub(super) fn redirect(&mut self, node: &Node, ops: &mut Vec<Vec<Op>>, moved: &HashSet<InboxId>) {
        let waiting = std::mem::take(&mut self.waiting);
        let (mut left, mut waiting) = (Vec::new(), waiting.into_iter());
        for commit in std::mem::take(ops) {
            let submitter = waiting.next();
            if commit.iter().filter_map(queue::inbox).any(|inbox| moved.contains(&inbox)) {
                submitter.into_iter().for_each(|submitter| submitter.redirect(node, commit.clone()));
            } else {
                left.push(commit);
                self.waiting.extend(submitter);
            }
        }
        *ops = left;
    }

    /// Sends the first commit to the cell of its inboxes.
    pub(super) fn redirect_first(&mut self, node: &Node, ops: Vec<Op>) {
        if let Some(submitter) = self.waiting.pop_front() {
            submitter.redirect(node, ops);
        }
    }

    /// Fails the first ones.
    pub(super) fn fail(&mut self, node: &Node, count: usize, error: &StoreError) {
        for submitter in self.waiting.drain(..count.min(self.waiting.len())) {
            node.observers.failed();
            submitter.answer(Err(error.clone()));
        }
    }

    /// Fails all of them at the deadline: the outcome of the first `attempted` is unknown.
    pub(super) fn fail_late(&mut self, node: &Node, attempted: usize) {
        if Instant::now() >= self.deadline {
            self.fail(node, attempted, &StoreError::Unavailable);
            for submitter in self.waiting.drain(..) {
                submitter.answer(Err(StoreError::Busy));
            }
        }
    }

    /// Makes this moment the deadline.
    pub(super) fn give_up(&mut self) {
        self.deadline = Instant::now();
    }
}

/// One who waits for a commit.
struct Submitter {
    durability: Durability,
    /// `None` once it was called.
    done: Option<Done>,
    submitted: Instant,
}

impl Submitter {
    fn answer(mut self, result: Result<Vec<Applied>, StoreError>) {
        if let Some(done) = self.done.take() {
            done(result);
        }
    }

    fn redirect(mut self, node: &Node, ops: Vec<Op>) {
        if let Some(done) = self.done.take() {
            let (durability, submitted) = (self.durability, self.submitted);
            node.redirect(Commit { ops, durability, done, submitted });
        }
    }
}

impl Drop for Submitter {
    /// Tells that the outcome is unknown, after a panic.
    fn drop(&mut self) {
        if let Some(done) = self.done.take() {
            done(Err(StoreError::Unavailable));
        }
    }
}
