//! Reads of the store, which is private to the service.

use super::Service;
use webpush_core::id::{ChannelId, EntryRef, InboxId, Position, SubscriptionId};
use webpush_core::inbox::{Entry, Inbox};
use webpush_core::session::{Page, Scope};
use webpush_core::subscription::Subscription;
use webpush_core::time::Timestamp;
use webpush_store::{Detail, Due, IdleCheck, Snapshot, Statistics, Store as _, StoreError};

// Returning the store's futures directly keeps the callers' futures small.
#[allow(
    clippy::missing_errors_doc,
    reason = "each fails as the method of `Store` does, if the store cannot answer"
)]
impl Service {
    /// Looks up an inbox.
    pub fn inbox(&self, id: InboxId) -> impl Future<Output = Result<Option<Inbox>, StoreError>> + Send {
        self.store.inbox(id)
    }

    /// Looks up a subscription.
    pub fn subscription(
        &self,
        agent: InboxId,
        id: SubscriptionId,
    ) -> impl Future<Output = Result<Option<Subscription>, StoreError>> + Send {
        self.store.subscription(agent, id)
    }

    /// Looks up the subscription that an agent registered under a channel ID.
    pub fn channel(
        &self,
        agent: InboxId,
        channel: ChannelId,
    ) -> impl Future<Output = Result<Option<Subscription>, StoreError>> + Send {
        self.store.channel(agent, channel)
    }

    /// Reads a stored entry.
    pub fn entry(&self, entry: &EntryRef) -> impl Future<Output = Result<Option<Entry>, StoreError>> + Send {
        self.store.entry(entry)
    }

    /// Reads entries of an inbox after a position.
    pub fn fetch(
        &self,
        scope: &Scope,
        after: Position,
        now: Timestamp,
    ) -> impl Future<Output = Result<Page, StoreError>> + Send {
        self.store.fetch(scope, after, now)
    }

    /// Reads the newest entry of an inbox.
    pub fn latest(
        &self,
        scope: &Scope,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<Entry>, StoreError>> + Send {
        self.store.latest(scope, now)
    }

    /// Lists expired messages.
    pub fn due(&self, now: Timestamp, limit: usize) -> impl Future<Output = Result<Due, StoreError>> + Send {
        self.store.due(now, limit)
    }

    /// Lists idle inboxes.
    pub fn idle(
        &self,
        check: &IdleCheck,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<InboxId>, StoreError>> + Send {
        self.store.idle(check, limit)
    }

    /// Opens a consistent snapshot.
    pub fn snapshot(&self, detail: &Detail) -> impl Future<Output = Result<Snapshot, StoreError>> + Send {
        self.store.snapshot(detail)
    }

    /// Returns metrics of the store, if it has any.
    #[must_use]
    pub fn statistics(&self) -> Option<Statistics> {
        self.store.statistics()
    }
}
