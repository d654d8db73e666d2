//! The interface of a store.

use crate::{Applied, CommitObserver, Detail, Durability, IdleCheck, Op, Snapshot, Statistics, StoreError};
use std::sync::Arc;
use webpush_core::id::{ChannelId, EntryRef, InboxId, Position, SubscriptionId};
use webpush_core::inbox::{Entry, Inbox};
use webpush_core::session::{Page, Scope};
use webpush_core::subscription::Subscription;
use webpush_core::time::Timestamp;

/// Called once when a commit has ended, in the order of submission, on a thread of the store: it must be quick, must
/// not block and must not panic. A commit that is refused at once ends before `commit` returns, on its thread.
pub type Done = Box<dyn FnOnce(Result<Vec<Applied>, StoreError>) + Send>;

/// Inboxes with their subscriptions and entries.
///
/// Writes come in batches and are applied in the order of submission; readers, and a crash, see a batch whole or not at
/// all. A change may become readable a moment before it is durable; its submitter learns that it was accepted only
/// from `done`.
///
/// Reads are bounded, and fail with a [`StoreError`] if the store cannot answer. A backend on local storage answers at
/// the first poll.
pub trait Store: Send + Sync + 'static {
    /// Applies operations in order. With [`Durability::Durable`], `done` is called with `Ok` only after all of them
    /// are on disk. `Ok` holds one [`Applied`] for each operation. After `Err` it is unknown which were applied.
    fn commit(&self, ops: Vec<Op>, durability: Durability, done: Done);

    /// Registers an observer of every commit from now on: of this handle and of all others to the same store. It is
    /// removed when this handle is closed.
    fn watch(&self, observer: Arc<dyn CommitObserver>);

    /// Looks up an inbox.
    fn inbox(&self, id: InboxId) -> impl Future<Output = Result<Option<Inbox>, StoreError>> + Send;

    /// Looks up a subscription.
    fn subscription(
        &self,
        agent: InboxId,
        id: SubscriptionId,
    ) -> impl Future<Output = Result<Option<Arc<Subscription>>, StoreError>> + Send;

    /// Looks up the subscription that an agent registered under a channel ID.
    fn channel(
        &self,
        agent: InboxId,
        channel: ChannelId,
    ) -> impl Future<Output = Result<Option<Arc<Subscription>>, StoreError>> + Send;

    /// Reads the entry at a position, if it has that message ID.
    fn entry(&self, entry: &EntryRef) -> impl Future<Output = Result<Option<Entry>, StoreError>> + Send;

    /// Reads entries of an inbox after a position, in the order of acceptance: those that the scope admits and that
    /// have not expired at `now`, at most [`webpush_core::session::FETCH_ENTRIES`].
    fn fetch(
        &self,
        scope: &Scope,
        after: Position,
        now: Timestamp,
    ) -> impl Future<Output = Result<Page, StoreError>> + Send;

    /// Reads the newest entry of an inbox that the scope admits and that has not expired at `now`. Only the newest
    /// [`webpush_core::session::FETCH_SCAN_ROWS`] rows are searched.
    fn latest(
        &self,
        scope: &Scope,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<Entry>, StoreError>> + Send;

    /// Lists at most `limit` messages whose end ([`webpush_core::message::Message::ends`]) has come at `now`, and says
    /// when the next one ends.
    fn due(&self, now: Timestamp, limit: usize) -> impl Future<Output = Result<Due, StoreError>> + Send;

    /// Lists at most `limit` idle inboxes, each to be removed with [`Op::RemoveIdle`]. If it lists `limit` of them,
    /// there may be more.
    fn idle(
        &self,
        check: &IdleCheck,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<InboxId>, StoreError>> + Send;

    /// Opens a consistent snapshot. It sees every commit applied before the call and none after. It does not block
    /// writers, and holds memory until it is dropped. If the store closes or fails, the snapshot ends with an error.
    fn snapshot(&self, detail: &Detail) -> impl Future<Output = Result<Snapshot, StoreError>> + Send;

    /// Returns metrics of the store, if it has any. Quick, whatever state the store is in.
    fn statistics(&self) -> Option<Statistics> {
        None
    }

    /// Finishes what was submitted, makes it durable, and answers everything from then on with
    /// [`StoreError::Unavailable`]. Blocks until that is done; must not be called by a [`Done`].
    fn close(&self);
}

/// Messages that have ended but are still stored.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// The messages to settle as expired.
    pub entries: Vec<EntryRef>,
    /// When the first message not listed here ends, if there is one.
    pub next: Option<Timestamp>,
}
