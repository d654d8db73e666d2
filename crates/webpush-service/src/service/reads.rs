//! Reads of the store, which is private to the service.

use super::Service;
use crate::client_addr::ClientAddr;
use crate::error::ServiceError;
use std::time::Duration;
use webpush_core::id::{ChannelId, EntryRef, InboxId, Position, SubscriptionId};
use webpush_core::inbox::{Entry, Inbox};
use webpush_core::problem::Problem;
use webpush_core::session::{Page, Scope};
use webpush_core::subscription::Subscription;
use webpush_core::time::Timestamp;
use webpush_store::{Detail, Due, IdleCheck, Latest, Snapshot, Statistics, Store as _, StoreError};

/// Steps of one fetch. After these the session looks whether it is still wanted.
const SCAN_STEPS: usize = 64;

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
    ///
    /// If many rows are excluded by the scope, the read goes on in steps that take turns with those of other clients, and
    /// are charged to the client. A page without entries that is not the last one is [`Page::is_partial`]: call
    /// [`Service::wait_for_scan`] before the next read.
    pub async fn fetch(
        &self,
        client: Option<&ClientAddr>,
        scope: &Scope,
        after: Position,
        now: Timestamp,
    ) -> Result<Page, StoreError> {
        let page = self.store.fetch(scope, after, now).await?;
        // On the heap, because it is rare.
        if page.is_partial() { Box::pin(self.scan(client, scope, page, now)).await } else { Ok(page) }
    }

    /// Continues a read that found nothing so far, while the rate of the client permits it.
    async fn scan(
        &self,
        client: Option<&ClientAddr>,
        scope: &Scope,
        mut page: Page,
        now: Timestamp,
    ) -> Result<Page, StoreError> {
        for _ in 0..SCAN_STEPS {
            let is_refused =
                || client.is_some_and(|client| self.rate_limits.load().charge_scan(client).is_err());
            if !page.is_partial() || is_refused() {
                break;
            }
            let turn = self.work_turns.take().await;
            page = self.store.fetch(scope, page.scanned, now).await?;
            turn.end().await;
        }
        Ok(page)
    }

    /// Charges a step of a read to a client, and waits until its rate permits it.
    pub async fn wait_for_scan(&self, client: &ClientAddr) {
        loop {
            let charged = self.rate_limits.load().charge_scan(client);
            let Err(Problem::TooManyRequests { retry_after_seconds, .. }) = charged else { return };
            // Another session of the network may be the first to take the next token.
            tokio::time::sleep(Duration::from_secs(retry_after_seconds)).await;
        }
    }

    /// Searches for the newest entry of an inbox, in steps that take turns with those of other clients.
    ///
    /// # Errors
    /// Fails with [`Problem::TooManyRequests`] if the client has searched too much, or with the error of the store.
    pub async fn latest(
        &self,
        client: &ClientAddr,
        scope: &Scope,
        now: Timestamp,
    ) -> Result<Option<Entry>, ServiceError> {
        let mut before = Position::END;
        loop {
            let turn = self.work_turns.take().await;
            let step = self.store.latest(scope, before, now).await?;
            turn.end().await;
            match step {
                Latest::Entry(entry) => return Ok(Some(entry)),
                Latest::Nothing => return Ok(None),
                Latest::Continue(earlier) => before = earlier,
            }
            self.rate_limits.load().charge_scan(client)?;
        }
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

    /// Returns true if other nodes may use the same store.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.store.is_shared()
    }

    /// Returns true if new messages are refused because the volume of the store is almost full.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.statistics().is_some_and(|store| store.is_full)
    }

    /// Returns true if records of the store are damaged, or may be lost.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.statistics().is_some_and(|store| store.is_damaged())
    }

    /// Returns metrics of the store, if it has any.
    #[must_use]
    pub fn statistics(&self) -> Option<Statistics> {
        self.store.statistics()
    }
}

#[cfg(test)]
mod tests;
