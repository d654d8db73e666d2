//! The interface of a store.

use crate::{
    Applied, CommitObserver, Detail, Durability, IdleCheck, Notice, Op, Snapshot, Statistics, StoreError,
};
use std::sync::Arc;
use webpush_core::id::{ChannelId, EntryRef, InboxId, Position, SubscriptionId};
use webpush_core::inbox::{Entry, Inbox};
use webpush_core::session::{Page, Scope};
use webpush_core::subscription::Subscription;
use webpush_core::time::Timestamp;

/// Receives the result of a commit, once.
///
/// The store calls it on a thread of its own, or on the caller's thread before `commit` returns, for commits to the same inbox
/// in the order of submission. It must be quick, must not block, must not panic, and must not take a lock that a caller of
/// `commit` holds.
pub type Done = Box<dyn FnOnce(Result<Vec<Applied>, StoreError>) + Send>;

/// Inboxes with their subscriptions and entries.
///
/// A value of this type is a handle of one process. Other handles may write to the same store at the same time. Commits
/// of one handle to the same inbox are applied in the order of submission.
///
/// # Batches
///
/// A commit is a batch of operations. Readers, and a crash, see its changes to one inbox whole or not at all. Its changes
/// to other inboxes may become visible later: a receipt in the inbox of a sender, the receipts of a removal, an inbox
/// that is created for a message of another one. Each of these is recorded once, however often the operation that causes
/// it is repeated. (The embedded store and the model make whole batches atomic; callers must not rely on that.)
///
/// A change may become readable a moment before it is durable. Its submitter learns from [`Done`] that it was accepted.
///
/// # Unknown outcomes
///
/// After an error other than [`StoreError::Busy`] it is unknown which operations of a batch were applied. It is safe to
/// submit it again, because every operation is idempotent. An [`Op::Append`] is recognized by its inbox and message ID. If
/// an earlier one was applied, the message is not stored again, even if it has ended since, and the result is
/// [`Applied::Duplicate`] with its position. A handle recognizes at least the last 50,000 messages that it has appended.
///
/// # Positions
///
/// Each entry has a [`Position`] in its inbox. Later entries have higher ones, and none is assigned twice, even if the
/// inbox is removed and created again, or if a crash loses commits. Nothing else follows from a position.
///
/// # Reads
///
/// Reads are bounded, and fail with a [`StoreError`] if the store cannot answer. A backend on local storage answers at
/// the first poll.
pub trait Store: Send + Sync + 'static {
    /// Applies operations in order, then calls `done` with one [`Applied`] for each.
    ///
    /// With [`Durability::Durable`], all of them are on disk by then.
    fn commit(&self, ops: Vec<Op>, durability: Durability, done: Done);

    /// Registers an observer of every commit from now on, through this handle or any other.
    ///
    /// For commits of other handles, a shared store sends notices in place of events.
    ///
    /// It is removed when this handle is closed.
    fn watch(&self, observer: Arc<dyn CommitObserver>);

    /// Sends a notice to the observers of all other handles, without waiting.
    fn notify(&self, notice: Notice);

    /// Returns true if handles on other machines may use the store.
    fn is_shared(&self) -> bool {
        false
    }

    /// Returns the ID for a new inbox, made of a random one.
    ///
    /// A store with several parts chooses the part by it.
    fn place(&self, id: InboxId) -> InboxId {
        id
    }

    /// Returns the ID for a new inbox, made of a random one, in the same part as another inbox.
    fn place_beside(&self, id: InboxId, _other: InboxId) -> InboxId {
        id
    }

    /// Looks up an inbox.
    fn inbox(&self, id: InboxId) -> impl Future<Output = Result<Option<Inbox>, StoreError>> + Send;

    /// Looks up a subscription.
    fn subscription(
        &self,
        agent: InboxId,
        id: SubscriptionId,
    ) -> impl Future<Output = Result<Option<Subscription>, StoreError>> + Send;

    /// Looks up the subscription that an agent registered under a channel ID.
    fn channel(
        &self,
        agent: InboxId,
        channel: ChannelId,
    ) -> impl Future<Output = Result<Option<Subscription>, StoreError>> + Send;

    /// Reads the entry at a position, if it has that message ID.
    fn entry(&self, entry: &EntryRef) -> impl Future<Output = Result<Option<Entry>, StoreError>> + Send;

    /// Reads entries of an inbox after a position, in the order of acceptance.
    ///
    /// The page has the entries that the scope admits and that have not expired at `now`, at most [`webpush_core::session::FETCH_ENTRIES`].
    fn fetch(
        &self,
        scope: &Scope,
        after: Position,
        now: Timestamp,
    ) -> impl Future<Output = Result<Page, StoreError>> + Send;

    /// Searches for the newest entry of an inbox before a position.
    ///
    /// The entry is one that the scope admits and that has not expired at `now`. One call reads a bounded number of rows. Start at [`Position::END`], and call again after [`Latest::Continue`].
    fn latest(
        &self,
        scope: &Scope,
        before: Position,
        now: Timestamp,
    ) -> impl Future<Output = Result<Latest, StoreError>> + Send;

    /// Lists at most `limit` messages that have ended at `now`, and when the next one will.
    ///
    /// The end of a message is [`webpush_core::message::removal_time`]. The list is in order of the ends; messages that end together are in any order.
    fn due(&self, now: Timestamp, limit: usize) -> impl Future<Output = Result<Due, StoreError>> + Send;

    /// Lists at most `limit` idle inboxes, each to be removed with [`Op::RemoveIdle`].
    ///
    /// If it lists `limit` of them, there may be more.
    fn idle(
        &self,
        check: &IdleCheck,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<InboxId>, StoreError>> + Send;

    /// Opens a consistent snapshot: it sees every commit applied before the call and none after.
    ///
    /// It does not block writers, and holds memory until it is dropped. If the store closes or fails, the snapshot ends
    /// with an error.
    fn snapshot(&self, detail: &Detail) -> impl Future<Output = Result<Snapshot, StoreError>> + Send;

    /// Returns metrics of the store, if it has any. Fast in every state of the store.
    fn statistics(&self) -> Option<Statistics> {
        None
    }

    /// Closes this handle: completes its submitted commits, and makes them durable.
    ///
    /// Blocks until then, and must not be called by a [`Done`]. From then on every call fails with
    /// [`StoreError::Unavailable`]. The store itself closes with its last handle.
    fn close(&self);
}

/// The result of one step of [`Store::latest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Latest {
    /// The newest entry that the scope admits.
    Entry(Entry),
    /// There is none.
    Nothing,
    /// None was found so far. Earlier entries, before this position, may exist.
    Continue(Position),
}

/// Messages that have ended but are still stored.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// The messages to settle as expired.
    pub entries: Vec<EntryRef>,
    /// The end of the first message not listed, if there is one.
    pub next: Option<Timestamp>,
}

impl Due {
    /// Takes at most `limit` messages that have ended at `now` from those that end first, in that order.
    pub(crate) fn new(ends: Vec<(Timestamp, EntryRef)>, now: Timestamp, limit: usize) -> Self {
        let mut due = Self::default();
        for (end, entry) in ends {
            if end > now || due.entries.len() == limit {
                due.next = Some(end);
                break;
            }
            due.entries.push(entry);
        }
        due
    }
}
