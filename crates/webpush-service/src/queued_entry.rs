//! An entry that a session has handed out, until it is sent.

use crate::service::{SentMessage, Service};
use webpush_core::inbox::{Entry, OutboundEntry};
use webpush_core::message::{Draft, LIVE_DELIVERY_TIMEOUT, Message};
use webpush_core::subscription::Subscription;
use webpush_core::time::Timestamp;
use webpush_store::StoreError;

/// An entry that waits for the transport.
pub struct QueuedEntry {
    entry: OutboundEntry,
    since: Timestamp,
}

impl QueuedEntry {
    /// Creates an entry that was handed out at `now`.
    #[must_use]
    pub const fn new(entry: OutboundEntry, now: Timestamp) -> Self {
        Self { entry, since: now }
    }

    /// Returns the record for [`Service::record_sent`]; `None` for a receipt.
    #[must_use]
    pub fn sent(&self) -> Option<SentMessage> {
        let message = self.entry.message()?;
        Some(SentMessage { message: message.id, accepted: message.accepted })
    }

    /// Renders the entry; `None` if it is no longer wanted, or `render` returns `None`.
    ///
    /// `render` gets the subscription, which is `None` for a receipt, or if it was removed.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; the entry may still be wanted.
    pub async fn render<T>(
        &self,
        service: &Service,
        render: impl FnOnce(&OutboundEntry, Option<&Subscription>) -> Option<T>,
    ) -> Result<Option<T>, StoreError> {
        if !self.is_wanted(service).await {
            return Ok(None);
        }
        let subscription = match self.entry.message() {
            Some(message) => service.subscription(message.agent, message.subscription).await?,
            None => None,
        };
        Ok(render(&self.entry, subscription.as_ref()))
    }

    /// Returns true if the entry should still be sent.
    ///
    /// While it waited its TTL may have elapsed (RFC 8030 §5.2), or it was replaced (§5.4) or acknowledged elsewhere
    /// (§6.2).
    pub async fn is_wanted(&self, service: &Service) -> bool {
        let now = service.now();
        let in_time = |message: &Draft| now <= message.accepted.after(LIVE_DELIVERY_TIMEOUT);
        match &self.entry {
            OutboundEntry::Unstored(message) => in_time(message),
            OutboundEntry::Stored(Entry::Receipt(_)) => true,
            OutboundEntry::Stored(Entry::Message(message)) if message.is_now_or_never() => {
                in_time(message) && is_stored(service, message).await
            }
            OutboundEntry::Stored(Entry::Message(message)) if message.is_expired(now) => false,
            OutboundEntry::Stored(Entry::Message(_)) if now == self.since => true,
            OutboundEntry::Stored(Entry::Message(message)) => is_stored(service, message).await,
        }
    }
}

/// Returns true unless the message has ended.
///
/// It is also true if the store cannot be read: a duplicate is better than a loss.
async fn is_stored(service: &Service, message: &Message) -> bool {
    !matches!(service.entry(&message.entry_ref()).await, Ok(None))
}
