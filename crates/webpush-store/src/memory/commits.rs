//! Completion of commits to the model, in the order in which they were applied.

use crate::observer::{HandleId, Observers};
use crate::{Applied, Done, Durability, Notice, StoreError};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use webpush_core::inbox::Entry;
use webpush_core::receipt::Receipt;

/// Commits that were applied but not completed, and their observers.
#[derive(Default)]
pub(super) struct Commits {
    pub(super) observers: Observers,
    /// True if other handles get notices in place of the events of a commit.
    pub(super) is_shared: bool,
    /// True if notices are lost.
    pub(super) loses_notices: AtomicBool,
    /// Handles that neither send nor get notices.
    pub(super) cut_off: Mutex<Vec<HandleId>>,
    /// Notices that are under way; `None` if they arrive at once.
    pub(super) delayed: Mutex<Option<Vec<(HandleId, Notice)>>>,
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
    /// The submitter does not hear that it was applied.
    is_answer_lost: bool,
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
        (applied, is_answer_lost): (Option<Vec<Applied>>, bool),
        durability: Durability,
        done: Done,
    ) {
        self.queue().commits.push_back(Commit { handle, applied, is_answer_lost, durability, done });
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

    fn end(&self, Commit { handle, applied, is_answer_lost, durability, done }: Commit) {
        match &applied {
            Some(applied) if is_answer_lost => {
                applied.iter().flat_map(notices).for_each(|notice| self.notify(handle, &notice));
                self.observers.failed_own(handle);
                return done(Err(StoreError::Unavailable));
            }
            None if self.is_shared => self.observers.failed_own(handle),
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
        if self.loses_notices.load(Ordering::Acquire) || lock(&self.cut_off).contains(&by) {
            return;
        }
        if let Some(delayed) = &mut *lock(&self.delayed) {
            // Late notices come without messages.
            return delayed.push((by, notice.clone().without_message()));
        }
        self.deliver(by, notice);
    }

    /// Delays all notices from now on, or delivers those that are under way.
    pub(super) fn delay_notices(&self, delay: bool) {
        let delayed = std::mem::replace(&mut *lock(&self.delayed), delay.then(Vec::new));
        for (by, notice) in delayed.unwrap_or_default() {
            self.deliver(by, &notice);
        }
    }

    fn deliver(&self, by: HandleId, notice: &Notice) {
        let cut_off = lock(&self.cut_off).clone();
        self.observers.notify_except(by, &cut_off, notice);
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        lock(&self.queue)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the notices for the other handles.
fn notices(applied: &Applied) -> Vec<Notice> {
    let stored = |receipts: &[Receipt]| -> Vec<_> {
        receipts.iter().map(|receipt| Notice::Stored(receipt.inbox)).collect()
    };
    match applied {
        Applied::Appended(appended) => {
            let message = Entry::Message(Arc::clone(&appended.message));
            [vec![Notice::of_stored(&message)], stored(&appended.receipts)].concat()
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
