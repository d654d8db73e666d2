//! Completion of commits to the model, in the order in which they were applied.

use crate::observer::{HandleId, Observers};
use crate::{Applied, Done, Durability, StoreError};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Commits that were applied but not completed, and their observers.
#[derive(Default)]
pub(super) struct Commits {
    pub(super) observers: Observers,
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
            Some(applied) => self.observers.committed(handle, applied, durability),
            None => self.observers.failed(),
        }
        done(applied.ok_or(StoreError::Unavailable));
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
