//! Completion of commits to the model, in the order in which they were applied.

use crate::observer::{HandleId, Observers};
use crate::{Applied, Done, Durability, Notice, StoreError};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use webpush_core::receipt::Receipt;

/// Commits that were applied but not completed, and their observers.
#[derive(Default)]
pub(super) struct Commits {
    pub(super) observers: Observers,
    /// True if other handles get notices in place of the events of a commit.
    pub(super) is_shared: bool,
    /// True if notices are lost.
    pub(super) loses_notices: AtomicBool,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    commits: VecDeque<Commit>,
    /// A thread is completing commits, including those added meanwhile.
    is_ending: bool,
}

struct Commit {
    handle: HandleId,
    /// `None` if the commit failed.
    applied: Option<Vec<Applied>>,
    durability: Durability,
    done: Done,
}

impl Commits {
    /// Creates the commits of a model whose handles get notices of each other's commits.
    pub(super) fn shared() -> Self {
        Self { is_shared: true, ..Self::default() }
    }

    pub(super) fn applied(
        &self,
        handle: HandleId,
        applied: Option<Vec<Applied>>,
        durability: Durability,
        done: Done,
    ) {
        self.queue().commits.push_back(Commit { handle, applied, durability, done });
    }

    /// Completes the applied commits, unless another thread or a caller of this one does.
    pub(super) fn end_all(&self) {
        let mut queue = self.queue();
        while !queue.is_ending
            && let Some(commit) = queue.commits.pop_front()
        {
            queue.is_ending = true;
            drop(queue);
            self.end(commit);
            queue = self.queue();
            queue.is_ending = false;
        }
    }

    fn end(&self, Commit { handle, applied, durability, done }: Commit) {
        match &applied {
            Some(applied) if self.is_shared => {
                self.observers.committed_own(handle, applied, durability);
                applied.iter().flat_map(notices).for_each(|notice| self.notify(handle, &notice));
            }
            Some(applied) => self.observers.committed(handle, applied, durability),
            None => self.observers.failed(),
        }
        done(applied.ok_or(StoreError::Unavailable));
    }

    pub(super) fn notify(&self, by: HandleId, notice: &Notice) {
        if !self.loses_notices.load(Ordering::Acquire) {
            self.observers.notify(by, notice);
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the notices for the other handles.
fn notices(applied: &Applied) -> Vec<Notice> {
    let stored = |receipts: &[Receipt]| -> Vec<_> {
        receipts.iter().map(|receipt| Notice::Stored(receipt.inbox)).collect()
    };
    match applied {
        Applied::Appended(appended) => {
            [vec![Notice::Stored(appended.message.agent)], stored(&appended.receipts)].concat()
        }
        Applied::Settled(settled) => stored(settled.receipt.as_slice()),
        Applied::Removed(removed) => {
            [vec![Notice::Removed(removed.inbox, removed.subscription)], stored(&removed.receipts)].concat()
        }
        Applied::Created
        | Applied::Duplicate(_)
        | Applied::Touched
        | Applied::Refused
        | Applied::Taken
        | Applied::Missing => Vec::new(),
    }
}
