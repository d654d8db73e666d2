//! Inboxes: an agent's unacknowledged messages, or an application server's unread receipts.

use crate::capability::KeyId;
use crate::id::{EntryRef, InboxId, Position};
use crate::message::{Draft, Message};
use crate::receipt::Receipt;
use crate::time::Timestamp;
use std::sync::Arc;

/// The owner of an inbox. Storage and delivery are the same for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A user agent: a subscription set of RFC 8030, explicit or implicit. The entries are messages.
    Agent,
    /// A receipt subscription of an application server (RFC 8030 §5.1). The entries are receipts.
    Receipts,
}

/// A stored inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inbox {
    /// Its ID.
    pub id: InboxId,
    /// Its owner.
    pub owner: Owner,
    /// Time of creation.
    pub created: Timestamp,
    /// The sealing key of its URL. Stored so that the URL survives key rotation.
    pub key: KeyId,
}

/// A committed entry of an inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A message to a user agent.
    Message(Arc<Message>),
    /// A receipt to an application server.
    Receipt(Receipt),
}

impl Entry {
    /// Returns the position in the inbox.
    #[must_use]
    pub fn position(&self) -> Position {
        match self {
            Self::Message(message) => message.position,
            Self::Receipt(receipt) => receipt.position,
        }
    }

    /// Returns the reference to this entry.
    #[must_use]
    pub fn entry_ref(&self) -> EntryRef {
        match self {
            Self::Message(message) => message.entry_ref(),
            Self::Receipt(receipt) => receipt.entry_ref(),
        }
    }

    /// Returns the length of the body; 0 for a receipt.
    #[must_use]
    pub fn body_bytes(&self) -> usize {
        match self {
            Self::Message(message) => message.body.len(),
            Self::Receipt(_) => 0,
        }
    }

    /// Returns true if a message has expired at `now` (RFC 8030 §5.2). Receipts do not expire.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        match self {
            Self::Message(message) => message.is_expired(now),
            Self::Receipt(_) => false,
        }
    }
}

/// An entry to deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutboundEntry {
    /// An entry of the inbox.
    Stored(Entry),
    /// A TTL 0 message that is not stored: delivered immediately or discarded, and never settled.
    Unstored(Arc<Draft>),
}

impl OutboundEntry {
    /// Returns the message, stored or not; `None` for a receipt.
    #[must_use]
    pub fn message(&self) -> Option<&Draft> {
        match self {
            Self::Stored(Entry::Message(message)) => Some(&message.draft),
            Self::Stored(Entry::Receipt(_)) => None,
            Self::Unstored(draft) => Some(draft),
        }
    }

    /// Returns the reference that is sealed into the entry's URL.
    #[must_use]
    pub fn entry_ref(&self) -> EntryRef {
        match self {
            Self::Stored(entry) => entry.entry_ref(),
            Self::Unstored(draft) => EntryRef::unstored(draft.agent, draft.id),
        }
    }
}

impl From<Entry> for OutboundEntry {
    fn from(entry: Entry) -> Self {
        Self::Stored(entry)
    }
}
