//! Delivery receipts (RFC 8030 §5.1, §6.3).

use crate::capability::KeyId;
use crate::id::{EntryRef, InboxId, MessageId, Position};
use crate::message::Outcome;

/// The status that a receipt reports (RFC 8030 §6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptStatus {
    /// 204: the agent acknowledged the message.
    Acknowledged,
    /// 410: the message will never be delivered.
    Failed,
}

impl ReceiptStatus {
    /// Returns the status for an outcome; `None` for replaced messages, without a receipt (§5.4).
    #[must_use]
    pub const fn from_outcome(outcome: Outcome) -> Option<Self> {
        match outcome {
            Outcome::Delivered => Some(Self::Acknowledged),
            Outcome::Expired | Outcome::Canceled | Outcome::Dropped => Some(Self::Failed),
            Outcome::Replaced => None,
        }
    }
}

/// A receipt in the inbox of a receipt subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The receipt subscription.
    pub inbox: InboxId,
    /// Its position in that inbox.
    pub position: Position,
    /// The message that it reports on.
    pub about: EntryRef,
    /// The sealing key of the message's URL.
    pub key: KeyId,
    /// The status of the message.
    pub status: ReceiptStatus,
}

impl Receipt {
    /// Returns the reference to this receipt.
    #[must_use]
    pub const fn entry_ref(&self) -> EntryRef {
        EntryRef { inbox: self.inbox, position: self.position, message: self.message() }
    }

    /// Returns the ID of the message that it reports on.
    #[must_use]
    pub const fn message(&self) -> MessageId {
        self.about.message
    }
}
