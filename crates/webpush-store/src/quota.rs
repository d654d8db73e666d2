//! How much one inbox may hold.

/// Bounds of each inbox, so that no sender and no agent can fill the store (RFC 8030 §8.4).
///
/// When a message makes its inbox hold too much, the store ends others of that inbox as
/// [`Dropped`](webpush_core::message::Outcome::Dropped) (RFC 8030 §7.2), one by one until it holds no more than it may
/// and never one more than that takes: the least urgent first, and the oldest first among equals. The new message is
/// one among them: it goes when it is less urgent than all that is stored. A message that is larger than the whole
/// quota goes alone. Expired messages count until they are swept. Of receipts the oldest go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Messages in an agent's inbox.
    pub messages: u64,
    /// Bytes of the bodies of these messages together.
    pub body_bytes: u64,
    /// Receipts in the inbox of a receipt subscription.
    pub receipts: u64,
    /// Subscriptions of an agent; one more is refused.
    pub subscriptions: u64,
}

impl Default for Quota {
    fn default() -> Self {
        Self { messages: 100_000, body_bytes: 256 * 1024 * 1024, receipts: 10_000, subscriptions: 10_000 }
    }
}
