//! The operations of a store, and their results.

use crate::{IdleCheck, Record};
use std::sync::Arc;
use webpush_core::id::{EntryRef, InboxId, SubscriptionId};
use webpush_core::inbox::Inbox;
use webpush_core::message::Outcome;
use webpush_core::message::{Draft, Message};
use webpush_core::receipt::Receipt;
use webpush_core::subscription::Subscription;
use webpush_core::time::Timestamp;

/// When a commit completes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// When it is on disk. For every change that a response confirms.
    Durable,
    /// Immediately. It reaches the disk with the next durable commit.
    ///
    /// For changes whose loss only repeats a delivery.
    Lazy,
}

/// One atomic change.
#[allow(
    clippy::large_enum_variant,
    reason = "most operations are appends: a box would cost more than it saves"
)]
#[derive(Clone, Debug)]
pub enum Op {
    /// Creates an inbox.
    CreateInbox(Inbox),
    /// Creates a subscription in an agent's inbox.
    ///
    /// [`Applied::Missing`] if there is no such agent, [`Applied::Refused`] if it has reached its quota of subscriptions,
    /// and [`Applied::Taken`] if it has another subscription of the same channel.
    Subscribe(Subscription),
    /// Stores a message at the next position of its inbox.
    ///
    /// Replaces the outstanding message with the same topic of the same subscription (RFC 8030 §5.4), then drops messages
    /// until the inbox is within its [`Quota`](crate::Quota). [`Applied::Missing`] if its subscription does not exist.
    Append(Draft),
    /// Ends an entry and records the receipt that it owes, if any. Does nothing if the entry has ended.
    Settle(EntryRef, Outcome),
    /// Removes a subscription and ends its messages as canceled (RFC 8030 §7.3).
    Unsubscribe(InboxId, SubscriptionId),
    /// Removes an inbox with all its subscriptions and entries.
    ///
    /// Its messages end as canceled (RFC 8030 §7.3.1).
    RemoveInbox(InboxId),
    /// Records that an agent monitors an inbox, at most once an hour.
    ///
    /// Meant for [`Durability::Lazy`].
    Touch(InboxId, Timestamp),
    /// Removes an inbox like [`Op::RemoveInbox`], but only if it is still idle.
    ///
    /// [`Applied::Missing`] if it was used since [`Store::idle`](crate::Store::idle) listed it.
    RemoveIdle(InboxId, IdleCheck),
    /// Restores a record of a [`Snapshot`](crate::Snapshot) with its position, regardless of the quota.
    ///
    /// [`Applied::Created`], or [`Applied::Taken`] if the record already exists, which is left unchanged.
    /// [`Applied::Missing`] if its inbox or subscription does not exist.
    Restore(Record),
}

/// The result of one [`Op`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// The inbox or subscription was created, or the record was restored.
    Created,
    /// The message was stored.
    Appended(AppendResult),
    /// The message was already stored, at the given position, by an earlier [`Op::Append`].
    ///
    /// Nothing changed, and the message may have ended since.
    Duplicate(Arc<Message>),
    /// The entry has ended.
    Settled(SettleResult),
    /// The subscription or inbox was removed.
    Removed(RemovalResult),
    /// The time was recorded.
    Touched,
    /// The agent has reached its limit of subscriptions.
    Refused,
    /// The agent has another subscription of that channel, or the record to restore already exists.
    Taken,
    /// The target of the operation does not exist.
    Missing,
}

/// The result of [`Op::Append`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppendResult {
    /// The message with its position.
    pub message: Arc<Message>,
    /// The message that it replaced.
    pub replaced: Option<EntryRef>,
    /// The messages of the inbox that were dropped to meet its quota, perhaps including the new one.
    pub dropped: Vec<EntryRef>,
    /// The receipts for the messages that ended.
    pub receipts: Vec<Receipt>,
    /// The number of receipts that were dropped to make room for these.
    pub receipts_dropped: usize,
}

impl AppendResult {
    /// Returns true if the new message was dropped itself, so that no session must deliver it.
    #[must_use]
    pub fn is_dropped(&self) -> bool {
        self.dropped.iter().any(|dropped| dropped.position == self.message.position)
    }
}

/// The result of [`Op::Settle`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettleResult {
    /// The entry.
    pub entry: EntryRef,
    /// The outcome.
    pub outcome: Outcome,
    /// When the message was accepted; `None` for a receipt or a damaged message.
    pub accepted: Option<Timestamp>,
    /// The receipt for the sender.
    pub receipt: Option<Receipt>,
    /// The number of receipts that were dropped to make room for it.
    pub receipts_dropped: usize,
}

impl SettleResult {
    /// Creates the result for an entry without a receipt or a time of acceptance.
    #[must_use]
    pub const fn new(entry: EntryRef, outcome: Outcome) -> Self {
        Self { entry, outcome, accepted: None, receipt: None, receipts_dropped: 0 }
    }
}

/// The result of [`Op::Unsubscribe`], [`Op::RemoveInbox`] or [`Op::RemoveIdle`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemovalResult {
    /// The inbox.
    pub inbox: InboxId,
    /// The removed subscription; `None` if the whole inbox was removed.
    pub subscription: Option<SubscriptionId>,
    /// The number of messages that were canceled.
    pub messages: usize,
    /// The receipts for these messages. If there are very many, the first ones may have been dropped again.
    pub receipts: Vec<Receipt>,
    /// The number of receipts that were dropped to make room for these.
    pub receipts_dropped: usize,
}

impl RemovalResult {
    /// Creates the result of a removal that canceled no messages.
    #[must_use]
    pub const fn new(inbox: InboxId, subscription: Option<SubscriptionId>) -> Self {
        Self { inbox, subscription, messages: 0, receipts: Vec::new(), receipts_dropped: 0 }
    }
}
