//! Observation of commits, for state that is derived from them.

use crate::threads::sync::atomic::{AtomicU32, Ordering};
use crate::threads::sync::{Arc, PoisonError, RwLock};
use crate::{Applied, Durability, Notice};

/// Observes every commit of a store; registered with [`Store::watch`](crate::Store::watch).
///
/// The store calls it on a thread of its own or on that of the submitter, for commits to the same inbox in the order in
/// which they are applied, before the submitter's [`Done`](crate::Done). (A shared store calls
/// [`noticed`](Self::noticed) for the commits of other handles.) An observer must be quick, must not block, must not
/// panic, must not take a lock that a submitter holds, and must not call [`Store::watch`](crate::Store::watch) or
/// [`Store::close`](crate::Store::close).
pub trait CommitObserver: Send + Sync + 'static {
    /// A commit was applied, with the requested durability.
    fn committed(&self, event: &CommitEvent<'_>);

    /// A commit failed, and it is unknown which operations were applied.
    ///
    /// Not called for a commit that failed with [`Busy`](crate::StoreError::Busy).
    fn failed(&self);

    /// The store may have changes without an event, for example of a failed commit.
    ///
    /// State that is derived from events must be read again.
    fn missed(&self);

    /// Another handle sent a notice.
    fn noticed(&self, _notice: &Notice) {}
}

/// One applied commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitEvent<'a> {
    /// One result per operation.
    pub applied: &'a [Applied],
    /// The handle that committed.
    pub origin: Origin,
    /// The durability of the commit.
    pub durability: Durability,
}

/// The handle of a commit, as an observer sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The handle with which the observer was registered.
    Own,
    /// Another handle to the same store.
    Other,
}

/// Identifies a handle to a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HandleId(u32);

/// The observers of all handles to a store.
#[derive(Default)]
pub(crate) struct Observers {
    registered: RwLock<Vec<(HandleId, Arc<dyn CommitObserver>)>>,
    handles: AtomicU32,
}

impl Observers {
    /// Returns an identifier for a new handle.
    pub(crate) fn new_handle(&self) -> HandleId {
        HandleId(self.handles.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn register(&self, handle: HandleId, observer: Arc<dyn CommitObserver>) {
        self.registered.write().unwrap_or_else(PoisonError::into_inner).push((handle, observer));
    }

    /// Removes the observers of a closed handle.
    pub(crate) fn remove(&self, handle: HandleId) {
        self.registered.write().unwrap_or_else(PoisonError::into_inner).retain(|(of, _)| *of != handle);
    }

    pub(crate) fn committed(&self, by: HandleId, applied: &[Applied], durability: Durability) {
        self.each(|handle, observer| {
            let origin = if handle == by { Origin::Own } else { Origin::Other };
            observer.committed(&CommitEvent { applied, origin, durability });
        });
    }

    /// Tells only the observers of the handle that committed.
    pub(crate) fn committed_own(&self, by: HandleId, applied: &[Applied], durability: Durability) {
        let event = CommitEvent { applied, origin: Origin::Own, durability };
        self.each(|handle, observer| {
            if handle == by {
                observer.committed(&event);
            }
        });
    }

    pub(crate) fn notify(&self, by: HandleId, notice: &Notice) {
        self.notify_except(by, &[], notice);
    }

    /// Tells the observers of all other handles except some.
    pub(crate) fn notify_except(&self, by: HandleId, except: &[HandleId], notice: &Notice) {
        self.each(|handle, observer| {
            if handle != by && !except.contains(&handle) {
                observer.noticed(notice);
            }
        });
    }

    /// Tells only the observers of the handle whose commit failed.
    pub(crate) fn failed_own(&self, by: HandleId) {
        self.each(|handle, observer| {
            if handle == by {
                observer.failed();
            }
        });
    }

    /// Tells only the observers of one handle that they missed something.
    pub(crate) fn missed_own(&self, of: HandleId) {
        self.each(|handle, observer| {
            if handle == of {
                observer.missed();
            }
        });
    }

    /// Tells all observers of a notice from another process.
    pub(crate) fn heard(&self, notice: &Notice) {
        self.each(|_, observer| observer.noticed(notice));
    }

    pub(crate) fn failed(&self) {
        self.each(|_, observer| observer.failed());
    }

    pub(crate) fn missed(&self) {
        self.each(|_, observer| observer.missed());
    }

    fn each(&self, tell: impl Fn(HandleId, &dyn CommitObserver)) {
        for (handle, observer) in &*self.registered.read().unwrap_or_else(PoisonError::into_inner) {
            tell(*handle, &**observer);
        }
    }
}
