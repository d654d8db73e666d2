//! An entry between the session, which handed it out, and the agent.

use crate::fresh;
use crate::service::{Sent, Service};
use std::sync::Arc;
use webpush_core::id::Position;
use webpush_core::inbox::Entry;
use webpush_core::limits::LIVE_PATIENCE;
use webpush_core::message::Message;
use webpush_core::subscription::Subscription;
use webpush_core::time::Timestamp;
use webpush_store::StoreError;

/// An entry that the session has handed out.
pub(super) struct Waiting {
    pub(super) entry: Entry,
    since: Timestamp,
}

impl Waiting {
    /// It waits from now on.
    pub(super) fn new(entry: Entry) -> Self {
        Self { entry, since: fresh::now() }
    }

    /// What is to be said when it was handed over; nothing of a receipt.
    pub(super) fn sent(&self) -> Option<Sent> {
        match &self.entry {
            Entry::Message(message) => Some(Sent { message: message.id, accepted: message.accepted }),
            Entry::Receipt(_) => None,
        }
    }

    /// Whether it is to be sent although it had to wait: its TTL may have run out meanwhile (RFC 8030 §5.2), or it was
    /// replaced (§5.4) or acknowledged elsewhere (§6.2).
    pub(super) fn is_still_wanted(&self, service: &Service) -> bool {
        let now = fresh::now();
        match &self.entry {
            Entry::Receipt(_) => true,
            Entry::Message(message) if message.is_now_or_never() => {
                let in_time = now <= message.accepted.after(LIVE_PATIENCE);
                in_time && (message.position == Position::START || self.is_there(service, message))
            }
            Entry::Message(message) if message.is_expired(now) => false,
            Entry::Message(_) if now == self.since => true,
            Entry::Message(message) => self.is_there(service, message),
        }
    }

    /// Whether the message is still stored. If the store can't say, it is sent: twice is better than never.
    fn is_there(&self, service: &Service, message: &Message) -> bool {
        !matches!(service.store.entry(&message.entry_ref()), Ok(None))
    }
}

/// The subscription of a message, if it is there; a receipt has none.
///
/// # Errors
/// When the store can't say; the entry is wanted all the same.
pub(super) fn subscription_of(
    service: &Service,
    entry: &Entry,
) -> Result<Option<Arc<Subscription>>, StoreError> {
    match entry {
        Entry::Message(message) => service.store.subscription(message.agent, message.subscription),
        Entry::Receipt(_) => Ok(None),
    }
}
