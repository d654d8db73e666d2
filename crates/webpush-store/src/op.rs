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

/// How safe a commit must be before it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// On disk. For everything that somebody is told about.
    Durable,
    /// With the next durable batch. For acknowledgements whose loss only repeats a delivery.
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
    /// Stores a message under the next position of its inbox.
    ///
    /// Replaces the outstanding message with the same topic of the same subscription (RFC 8030 §5.4), then drops messages
    /// until the inbox is within its [`Quota`](crate::Quota).
    /// [`Applied::Missing`] if its subscription is not there.
    Append(Draft),
    /// Ends an entry and records the receipt it owes, if any. Ending what has ended does nothing.
    Settle(EntryRef, Outcome),
    /// Removes a subscription and ends its messages as canceled (RFC 8030 §7.3).
    Unsubscribe(InboxId, SubscriptionId),
    /// Removes an inbox with all its subscriptions and entries.
    ///
    /// Its messages end as canceled (RFC 8030 §7.3.1).
    RemoveInbox(InboxId),
    /// Notes that an agent monitors an inbox.
    ///
    /// Recorded once an hour at most; meant for [`Durability::Lazy`].
    Touch(InboxId, Timestamp),
    /// Removes an inbox like [`Op::RemoveInbox`], but only if it is still idle.
    ///
    /// [`Applied::Missing`] if it was used since [`Store::idle`](crate::Store::idle) named it.
    RemoveIdle(InboxId, IdleCheck),
    /// Restores a record of a [`Snapshot`](crate::Snapshot) with its position, whatever the quota.
    ///
    /// [`Applied::Created`], or [`Applied::Taken`] where a record exists already, which stays as it is;
    /// [`Applied::Missing`] if its inbox or subscription does not exist.
    Restore(Record),
}

/// The result of one [`Op`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// The inbox or subscription is there now; of what was to be restored, whatever it is.
    Created,
    /// The message is there now.
    Appended(Appended),
    /// The message was stored by an earlier [`Op::Append`], at the position that it has here.
    ///
    /// Nothing changed, and the message may have ended since.
    Duplicate(Arc<Message>),
    /// The entry is gone now.
    Settled(Settled),
    /// The subscription or inbox is gone now.
    Removed(Removed),
    /// The inbox counts as monitored at that time now.
    Touched,
    /// The agent has reached its limit of subscriptions.
    Refused,
    /// The agent has another subscription of that channel, or the record to restore exists already.
    Taken,
    /// There was nothing to do it to.
    Missing,
}

/// A stored message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The message with its position.
    pub message: Arc<Message>,
    /// The one it replaced.
    pub replaced: Option<EntryRef>,
    /// The messages of this inbox that were dropped for its quota; the new one may be among them.
    pub dropped: Vec<EntryRef>,
    /// The receipts that the senders of those now have waiting.
    pub receipts: Vec<Receipt>,
    /// How many receipts were dropped to make room for these.
    pub receipts_dropped: usize,
}

impl Appended {
    /// Returns true if the message was dropped at once, so that no session must learn of it.
    #[must_use]
    pub fn is_dropped(&self) -> bool {
        self.dropped.iter().any(|dropped| dropped.position == self.message.position)
    }
}

/// An ended entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The entry that ended.
    pub entry: EntryRef,
    /// How it ended.
    pub outcome: Outcome,
    /// When the message that ended was accepted; nothing for a receipt, or for what is too damaged to tell.
    pub accepted: Option<Timestamp>,
    /// The receipt that its sender now has waiting.
    pub receipt: Option<Receipt>,
    /// How many receipts were dropped to make room for it.
    pub receipts_dropped: usize,
}

impl Settled {
    /// An entry that owed no receipt, and of whose acceptance nothing is known.
    #[must_use]
    pub const fn new(entry: EntryRef, outcome: Outcome) -> Self {
        Self { entry, outcome, accepted: None, receipt: None, receipts_dropped: 0 }
    }
}

/// A removed subscription or inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    /// The inbox that was removed, or whose subscription was.
    pub inbox: InboxId,
    /// The subscription that was removed; `None` if the whole inbox was.
    pub subscription: Option<SubscriptionId>,
    /// How many messages ended with it.
    pub messages: usize,
    /// The receipts that their senders now have waiting. The first of very many may be dropped again.
    pub receipts: Vec<Receipt>,
    /// How many receipts were dropped to make room for these.
    pub receipts_dropped: usize,
}

impl Removed {
    /// A removal that ended no messages.
    #[must_use]
    pub const fn new(inbox: InboxId, subscription: Option<SubscriptionId>) -> Self {
        Self { inbox, subscription, messages: 0, receipts: Vec::new(), receipts_dropped: 0 }
    }
}
