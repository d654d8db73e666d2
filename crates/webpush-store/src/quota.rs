//! Limits of one inbox.

/// Limits of each inbox, so that no sender or agent can fill the store (RFC 8030 §8.4).
///
/// When a message makes its inbox exceed the quota, the store ends messages of that inbox as
/// [`Dropped`](webpush_core::message::Outcome::Dropped) (RFC 8030 §7.2), one by one and no more than necessary: the least
/// urgent first, and the oldest first among equals. The new message is one of them: it is dropped if it is less urgent
/// than all stored messages. Of a message that is larger than the whole quota, only itself is dropped. Expired messages
/// count until they are swept. Of receipts, the oldest are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Messages in an agent's inbox.
    pub messages: u64,
    /// Total bytes of the bodies of these messages.
    pub body_bytes: u64,
    /// Receipts in the inbox of a receipt subscription.
    pub receipts: u64,
    /// Subscriptions of an agent; more are refused.
    pub subscriptions: u64,
}

impl Default for Quota {
    fn default() -> Self {
        Self { messages: 100_000, body_bytes: 256 * 1024 * 1024, receipts: 10_000, subscriptions: 10_000 }
    }
}
