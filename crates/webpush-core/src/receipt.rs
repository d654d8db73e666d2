//! Delivery receipts (RFC 8030 §5.1, §6.3): one answer for every message whose sender asked for one.

use crate::capability::KeyId;
use crate::id::{EntryRef, InboxId, MessageId, Position};
use crate::message::Outcome;

/// What a receipt says (RFC 8030 §6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptStatus {
    /// 204: the agent acknowledged the message.
    Acknowledged,
    /// 410: it will never be delivered.
    Failed,
}

impl ReceiptStatus {
    /// What the end of a message says to its sender; a replaced message says nothing (RFC 8030 §5.4).
    #[must_use]
    pub const fn from_outcome(outcome: Outcome) -> Option<Self> {
        match outcome {
            Outcome::Delivered => Some(Self::Acknowledged),
            Outcome::Expired | Outcome::Cancelled | Outcome::Dropped => Some(Self::Failed),
            Outcome::Replaced => None,
        }
    }
}

/// One receipt in the inbox of a receipt subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The receipt subscription.
    pub inbox: InboxId,
    /// Its place there.
    pub position: Position,
    /// The message it is about, as its URL names it.
    pub about: EntryRef,
    /// The sealing key of that URL.
    pub key: KeyId,
    /// What became of the message.
    pub status: ReceiptStatus,
}

impl Receipt {
    /// How to name it to a store.
    #[must_use]
    pub const fn entry_ref(&self) -> EntryRef {
        EntryRef { inbox: self.inbox, position: self.position, message: self.message() }
    }

    /// The message it is about.
    #[must_use]
    pub const fn message(&self) -> MessageId {
        self.about.message
    }
}
