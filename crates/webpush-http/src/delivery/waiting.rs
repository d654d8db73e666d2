//! An entry between the session, which handed it out, and the agent.

use webpush_core::inbox::{Entry, OutboundEntry};
use webpush_core::message::LIVE_DELIVERY_TIMEOUT;
use webpush_core::message::{Draft, Message};
use webpush_core::subscription::Subscription;
use webpush_core::time::Timestamp;
use webpush_service::service::{SentMessage, Service};
use webpush_store::StoreError;

/// An entry that the session has handed out.
pub(super) struct Waiting {
    pub(super) entry: OutboundEntry,
    since: Timestamp,
}

impl Waiting {
    /// Creates an entry that waits from `now` on.
    pub(super) const fn new(entry: OutboundEntry, now: Timestamp) -> Self {
        Self { entry, since: now }
    }

    /// What is to be said when it was handed over; nothing of a receipt.
    pub(super) fn sent(&self) -> Option<SentMessage> {
        let message = self.entry.message()?;
        Some(SentMessage { message: message.id, accepted: message.accepted })
    }

    /// Whether it is to be sent although it had to wait: its TTL may have run out meanwhile (RFC 8030 §5.2), or it was
    /// replaced (§5.4) or acknowledged elsewhere (§6.2).
    pub(super) async fn is_still_wanted(&self, service: &Service) -> bool {
        let now = service.now();
        let in_time = |message: &Draft| now <= message.accepted.after(LIVE_DELIVERY_TIMEOUT);
        match &self.entry {
            OutboundEntry::Unstored(message) => in_time(message),
            OutboundEntry::Stored(Entry::Receipt(_)) => true,
            OutboundEntry::Stored(Entry::Message(message)) if message.is_now_or_never() => {
                in_time(message) && self.is_there(service, message).await
            }
            OutboundEntry::Stored(Entry::Message(message)) if message.is_expired(now) => false,
            OutboundEntry::Stored(Entry::Message(_)) if now == self.since => true,
            OutboundEntry::Stored(Entry::Message(message)) => self.is_there(service, message).await,
        }
    }

    /// Whether the message is still stored. If the store can't say, it is sent: twice is better than never.
    async fn is_there(&self, service: &Service, message: &Message) -> bool {
        !matches!(service.entry(&message.entry_ref()).await, Ok(None))
    }
}

/// The subscription of a message, if it is there; a receipt has none.
///
/// # Errors
/// When the store can't say; the entry is wanted all the same.
pub(super) async fn subscription_of(
    service: &Service,
    entry: &OutboundEntry,
) -> Result<Option<Subscription>, StoreError> {
    match entry.message() {
        Some(message) => service.subscription(message.agent, message.subscription).await,
        None => Ok(None),
    }
}
