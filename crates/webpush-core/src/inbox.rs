//! Inboxes: what an agent has not acknowledged yet, or the receipts that a sender has not taken yet.

use crate::capability::KeyId;
use crate::id::{EntryRef, InboxId, Position};
use crate::message::{Draft, Message};
use crate::receipt::Receipt;
use crate::time::Timestamp;
use std::sync::Arc;

/// Whose an inbox is. The same store, wake and delivery serve both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A user agent (RFC 8030's subscription set, named or implicit); its entries are messages.
    Agent,
    /// A receipt subscription of an application server (RFC 8030 §5.1); its entries are receipts.
    Receipts,
}

/// One inbox as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inbox {
    /// Its name.
    pub id: InboxId,
    /// Whose it is.
    pub owner: Owner,
    /// When it was made.
    pub created: Timestamp,
    /// The sealing key of its URL, kept so that key rotation leaves the URL as it was.
    pub key: KeyId,
}

/// One undelivered thing in an inbox. It is committed, so it has a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A message to a user agent.
    Message(Arc<Message>),
    /// A receipt to an application server.
    Receipt(Receipt),
}

impl Entry {
    /// Its place in the order of acceptance.
    #[must_use]
    pub fn position(&self) -> Position {
        match self {
            Self::Message(message) => message.position,
            Self::Receipt(receipt) => receipt.position,
        }
    }

    /// How to name it to a store.
    #[must_use]
    pub fn entry_ref(&self) -> EntryRef {
        match self {
            Self::Message(message) => message.entry_ref(),
            Self::Receipt(receipt) => receipt.entry_ref(),
        }
    }

    /// Whether it must not be delivered any more at `now` (RFC 8030 §5.2). Receipts don't expire.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        match self {
            Self::Message(message) => message.is_expired(now),
            Self::Receipt(_) => false,
        }
    }
}

/// What a session hands to its agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutboundEntry {
    /// An entry of the inbox.
    Stored(Entry),
    /// A message with TTL 0 that no store has. It is delivered now or never, and there is nothing to settle.
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
