//! What can be written to a store, and what each write turned out to do.

use std::sync::Arc;
use webpush_core::id::{EntryRef, InboxId, SubscriptionId};
use webpush_core::inbox::Inbox;
use webpush_core::message::Message;
use webpush_core::outcome::Outcome;
use webpush_core::receipt::Receipt;
use webpush_core::subscription::Subscription;

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
    /// Makes an inbox.
    CreateInbox(Inbox),
    /// Makes a subscription in an agent's inbox; [`Applied::Missing`] if there is no such inbox.
    Subscribe(Subscription),
    /// Stores a message under the next position of its inbox; replaces the outstanding one with the same topic of the
    /// same subscription (RFC 8030 §5.4). [`Applied::Missing`] if its subscription is not there.
    Append(Message),
    /// Ends an entry and records the receipt it owes, if any. Ending what has ended does nothing.
    Settle(EntryRef, Outcome),
    /// Removes a subscription and ends its messages as cancelled (RFC 8030 §7.3).
    Unsubscribe(InboxId, SubscriptionId),
    /// Removes an inbox with all its subscriptions and entries; its messages end as cancelled (RFC 8030 §7.3.1).
    RemoveInbox(InboxId),
}

/// What one [`Op`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// The inbox or subscription is there now.
    Created,
    /// The message is there now.
    Appended(Appended),
    /// The entry is gone now.
    Settled(Settled),
    /// The subscription or inbox is gone now.
    Removed(Removed),
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
}

/// An ended entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The receipt that its sender now has waiting.
    pub receipt: Option<Receipt>,
}

/// A removed subscription or inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    /// How many entries ended with it.
    pub entries: usize,
    /// The receipts that their senders now have waiting.
    pub receipts: Vec<Receipt>,
}
